"""Metrics as Prometheus' own tool judges them."""

import shutil
import subprocess


def check_metrics(text):
    """Raises where `promtool check metrics` has anything to say of an answer of /metrics."""
    tool = shutil.which("promtool")
    assert tool, "the Debian package prometheus is missing: scripts/bootstrap.sh test installs it"
    done = subprocess.run([tool, "check", "metrics"], input=text, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0 and not done.stdout + done.stderr, (done.stdout + done.stderr).decode()
