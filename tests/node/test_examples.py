"""The examples are what the documents say that they are: an nginx of one's own takes them, systemd takes them."""

import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from support.processes import nginx_binary

ROOT = Path(__file__).resolve().parents[2]


def test_nginx_takes_the_example_for_an_nginx_of_ones_own(node, folder):
    text = (ROOT / "examples/nginx-external.conf").read_text()
    text, replaced = re.subn(r"/usr/lib/secbeat/(ngx_http_secbeat_module\.so);", rf"{node.build}/nginx/\1;", text)
    assert replaced == 1
    text, replaced = re.subn(r"secbeat_state /run/secbeat;", f"secbeat_state {node.state};", text)
    assert replaced == 1
    config = folder / "external.conf"
    config.write_text(f"{text}\nevents {{ }}\npid {folder}/external.pid;\nerror_log {folder}/external.log;\n")
    done = subprocess.run([nginx_binary(), "-t", "-e", f"{folder}/external.log", "-c", str(config)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd")
def test_systemd_takes_the_example_unit(build, folder):
    unit = folder / "secbeat.service"
    unit.write_text((ROOT / "examples/secbeat.service").read_text().replace("/usr/bin/secbeat", str(build / "bin" / "secbeat")))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "secbeat.service" in line]) == (0, [])


def test_the_example_unit_lets_a_node_have_machine_code():
    # Compiled rules are machine code: with MemoryDenyWriteExecute no worker could load one.
    lines = (ROOT / "examples/secbeat.service").read_text().splitlines()
    assert "[Service]" in lines
    assert [line for line in lines if line.lower().startswith(("memorydenywriteexecute", "systemcallfilter"))] == []


def test_a_node_tells_systemd_when_it_serves(make_node, folder, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(folder / "notify"))
        notified.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "notify"))
        node = make_node("bad-bot-blocker", start=False).start(wait=False)
        assert "READY=1" in notified.recv(4096).decode().splitlines()
        assert node.site("/").status == 200
