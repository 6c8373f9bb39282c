"""The tour that scripts/run.sh ends in, as a newcomer sees it."""

import subprocess
import sys
from pathlib import Path

from support.processes import free_port

TOUR = Path(__file__).parents[2] / "scripts" / "tour.py"


def tour(build, site_port):
    return subprocess.run([sys.executable, str(TOUR), "--build", str(build), "--once", "--site-port", str(site_port), "--api-port",
                           str(free_port()), "--demo-port", str(free_port())], capture_output=True, text=True, timeout=300, check=False)


def test_every_step_does_what_it_should(build):
    done = tour(build, free_port())
    assert done.returncode == 0, done.stdout + done.stderr
    for sentence in ("Module reloaded", "still_serving_1.1.0", "Rolled back", "0 failed, 0 connections closed"):
        assert sentence in done.stdout


def test_a_port_in_use_is_told_with_its_owner(build, upstream):
    done = tour(build, upstream)
    assert done.returncode == 1
    assert f"port {upstream} is in use by process" in done.stderr
    assert "--site-port" in done.stderr
