"""What clients, modules and callers of the API say stands in logs and on terminals as text: no line is begun by it, no
terminal is steered by it."""

import os
import re
import socket
import tempfile
from pathlib import Path

import pytest

from support.node import Node
from support.processes import wait_for
from support.terminal import on_terminal

FORGED = "2026-01-01T00:00:00.000Z info FORGED"
HOSTILE = f"a\r\n{FORGED} \x1b[2J\x1b]0;title\x07\x7f".encode() + b"\xff\xc2\x9b31m\xe2\x80\xae"
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warning|error|critical) ")
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def percent(text):
    return "".join(f"%{byte:02x}" for byte in text).encode()


def raw(port, request):
    """What a server says to bytes that no library would send."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").read()


def clients_have_their_say(node, header):
    for method, target in ((b"GET", b"/" + percent(HOSTILE)), (b"GET", b"/\xff\xc2\x9b[2J\xe2\x80\xae"), (b"GET", b"/\x1b[2J")):
        raw(node.site_port, method + b" " + target + b" HTTP/1.1\r\nHost: x\r\nx-block: 1\r\nConnection: close\r\nUser-Agent: "
            + header + b"\r\nReferer: " + header + b"\r\n\r\n")


def callers_have_their_say(node, header):
    for request in (b"GET /" + percent(HOSTILE) + b" HTTP/1.1", b"GET /\xff\x1b[2J\xc2\x9b HTTP/1.1", b"G\x1b[2JT / HTTP/1.1",
                    b"DELETE /api/v1/wasm/modules/" + percent(HOSTILE) + b" HTTP/1.1",
                    b"GET /api/v1/wasm/version?name=" + percent(HOSTILE) + b" HTTP/1.1",
                    b"GET /api/v1/wasm/version?" + percent(HOSTILE) + b"=1 HTTP/1.1"):
        answer = raw(node.api_port, request + b"\r\nHost: localhost\r\nConnection: close\r\nX-Request-Id: " + header
                     + b"\r\nUser-Agent: " + header + b"\r\nAuthorization: Bearer " + header + b"\r\n\r\n")
        assert b"\x1b" not in answer and b"\r\n2026" not in answer
    text = HOSTILE.decode("latin-1")
    for fields in ({"reason": text}, {"name": text}, {"na\x1b[2Jme": "x"}, {"expected_version": text}):
        assert node.upload("allow_all", **fields).status == 400, fields
    assert node.upload(name="waf", config="{}").json["code"] == "configure_failed"


@pytest.fixture(scope="module")
def node(build, upstream):
    """A node after clients, callers and its module had their say."""
    with tempfile.TemporaryDirectory(prefix="secbeat-log-", dir="/dev/shm") as path:
        os.chmod(path, 0o755)
        module = Path(path) / "waf.wasm"
        module.write_bytes((build / "guests" / "hostile_texts.wasm").read_bytes())
        node = Node(build, path, upstream, module=module, tables={"node": {"log_level": "debug"}})
        try:
            node.start()
            header = HOSTILE.replace(b"\r\n", b"\t")
            clients_have_their_say(node, header)
            callers_have_their_say(node, header)
            wait_for("the blocked requests to be shown", lambda: node.get("/api/v1/requests?verdict=block").json["requests"])
            yield node
        finally:
            node.clean_up()


def test_the_log_is_lines_of_the_agent_alone(node):
    lines = node.log.read_bytes().decode().splitlines()
    assert any("FORGED" in line for line in lines)
    for line in lines:
        assert LINE.match(line), line
        assert not line.startswith(FORGED)
        assert not STEERING.search(line), line


def test_so_are_the_logs_of_nginx(node):
    logs = [log for log in node.folder.glob("**/*.log") if log != node.log]
    assert len(logs) >= 2, "access and errors"
    for log in logs:
        for line in log.read_bytes().splitlines():
            assert not line.startswith((b"FORGED", FORGED.encode())), (log, line)
            assert b"\x1b" not in line and b"\x9b" not in line, (log, line)


def test_the_api_tells_what_was_said_as_one_line(node):
    row = node.get("/api/v1/requests?verdict=block").json["requests"][0]
    assert row["rule"] == "rule\ufffd]0;title\ufffd\ufffdFORGED"
    assert row["message"].startswith("message\ufffd\ufffdFORGED: header\ufffd[31m\ufffd")
    failed = node.history()[0]
    assert "FORGED" in failed["error"] and failed["code"] == "configure_failed"


@pytest.mark.parametrize("command", ["requests", "history", "errors", "status", "version", "modules"])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_no_command_steers_the_terminal(node, command, form):
    environment = {**os.environ, "SECBEAT_API": f"http://127.0.0.1:{node.api_port}", "TERM": "xterm", "NO_COLOR": "1"}
    shown, status = on_terminal([node.secbeat, command, *form], environment)
    assert status == 0, shown
    assert not STEERING.search(shown.replace("\r\n", "\n")), shown
    if command in ("requests", "history"):
        assert "FORGED" in shown
        assert not any(line.startswith(("FORGED", FORGED)) for line in shown.splitlines())
