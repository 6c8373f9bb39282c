"""Fixtures of the process tests: real nginx, real agent, real clients."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from support.processes import Nginx, free_port  # noqa: E402

ROOT = Path(__file__).parent.parent


def pytest_addoption(parser):
    parser.addoption("--build", default=str(ROOT / "build" / "release"), help="the build to test")


@pytest.fixture(scope="session")
def build(request):
    folder = Path(request.config.getoption("--build")).resolve()
    assert (folder / "bin" / "secbeat").exists(), f"{folder} has no bin/secbeat: build it first"
    return folder


@pytest.fixture
def folder():
    """A folder that nginx' workers (www-data, where root runs the tests) can reach."""
    with tempfile.TemporaryDirectory(prefix="secbeat-test-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as path:
        os.chmod(path, 0o755)
        yield Path(path)


@pytest.fixture(scope="session")
def upstream():
    """A site to protect: answers 200 with 1,024 bytes, GET and POST. The value is its port."""
    with tempfile.TemporaryDirectory(prefix="secbeat-upstream-") as path:
        os.chmod(path, 0o755)
        port = free_port()
        filler = "u" * 1024
        nginx = Nginx(path, "upstream", f"""
  access_log off; keepalive_requests 10000000; keepalive_timeout 600s; client_max_body_size 0;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{filler}"; }} }}""")
        nginx.start(port)
        yield port
        nginx.stop()
