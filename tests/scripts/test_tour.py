"""The tour that scripts/run.sh ends in, and secbeat demo, as a newcomer sees it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from support.processes import free_port

TOUR = Path(__file__).parents[2] / "scripts" / "tour.py"


def tour(build, site_port):
    return demo(build, "--once", "--site-port", str(site_port), "--api-port", str(free_port()), "--demo-port", str(free_port()))


def demo(build, *arguments, path=None):
    return subprocess.run([str(build / "bin" / "secbeat"), "demo", *arguments], capture_output=True, text=True, timeout=300, check=False,
                          env={**os.environ, **({"PATH": str(path)} if path else {})})


def test_every_step_does_what_it_should(build):
    done = tour(build, free_port())
    assert done.returncode == 0, done.stdout + done.stderr
    for sentence in ("Module reloaded", "still_serving_1.1.0", "Rolled back", "0 failed, 0 connections closed"):
        assert sentence in done.stdout


def test_a_step_that_fails_is_told_and_is_exit_status_1(build, tmp_path):
    """With a `secbeat` that rolls nothing back."""
    broken = tmp_path / "build"
    (broken / "bin").mkdir(parents=True)
    for part in ("bench", "guests", "libexec", "nginx"):
        (broken / part).symlink_to(build / part)
    secbeat = broken / "bin" / "secbeat"
    secbeat.write_text(f'#!/bin/sh\n[ "$1" = rollback ] && echo "no such version" >&2 && exit 1\nexec {build}/bin/secbeat "$@"\n')
    secbeat.chmod(0o755)
    done = subprocess.run([sys.executable, str(TOUR), "--once", "--build", str(broken), "--site-port", str(free_port()), "--api-port", str(free_port()),
                           "--demo-port", str(free_port())], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "The tour did not go as it should:" in done.stdout and "Every step did what it should" not in done.stdout
    assert "no such version" in done.stdout and "✗ the version before serves again" in done.stdout, done.stdout
    assert re.search(r"^  step 5: the version before serves again$", done.stdout, re.MULTILINE), done.stdout
    assert "7. History and metrics" in done.stdout, "the steps after it are walked all the same"
    assert "node.log ends:" in done.stdout


def test_a_port_in_use_is_told_with_its_owner(build, upstream):
    done = tour(build, upstream)
    assert done.returncode == 1
    assert f"port {upstream} is in use by process" in done.stderr
    assert "--site-port" in done.stderr


def test_what_is_missing_is_named(build, tmp_path):
    without_python = demo(build, "--once", path=tmp_path)
    assert without_python.returncode == 1 and "apt install python3" in without_python.stderr, without_python

    # A Python whose scripts find no other program, wherever one lies.
    (tmp_path / "python3").write_text(f"#!/bin/sh\nexec {sys.executable} -c 'import shutil, sys, runpy; shutil.which = lambda *a, **k: None; "
                                      "sys.path.insert(0, sys.argv[1].rsplit(\"/\", 1)[0]); sys.argv = sys.argv[1:]; "
                                      "runpy.run_path(sys.argv[0], run_name=\"__main__\")' \"$@\"\n")
    (tmp_path / "python3").chmod(0o755)
    without_all = demo(build, "--fleet", "2", path=tmp_path)
    assert without_all.returncode == 1, without_all
    assert without_all.stderr == "secbeat demo: nginx and nats-server must be there; on Debian: apt install nginx nats-server\n"


def test_a_fleet_has_two_to_nine_nodes(build):
    for nodes in ("1", "10", "many"):
        done = demo(build, "--fleet", nodes)
        assert done.returncode == 2 and "--fleet" in done.stderr, done
    assert demo(build, "--nats-port", "4222").returncode == 2, "there is no NATS without a fleet"
