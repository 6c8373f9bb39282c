"""Keys and roles of the API: who may call, what the history and the log say of it, and callers who have no key."""

import hashlib
import os
import re
import signal
import socket
import tempfile
from pathlib import Path

import pytest

from support.node import Node, http_request
from support.processes import wait_for

KEYS = {role: f"sbk_{role}_" + "0123456789abcdef" * 3 for role in ("viewer", "operator", "admin")}
NAMES = {"viewer": "grafana", "operator": "ci", "admin": "on-call"}


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def key_tables():
    return [{"name": NAMES[role], "role": role, "sha256": sha256(key)} for role, key in KEYS.items()]


@pytest.fixture(scope="module")
def keyed(build, upstream):
    """A node with one key for each role; calls of the tests have the admin's unless they say otherwise."""
    with tempfile.TemporaryDirectory(prefix="secbeat-keys-", dir="/dev/shm") as path:
        os.chmod(path, 0o755)
        module = Path(path) / "bad-bot-blocker.wasm"
        module.write_bytes((build / "guests" / "bad-bot-blocker.wasm").read_bytes())
        node = Node(build, path, upstream, module=module, tables={"api.keys": key_tables()})
        node.key = KEYS["admin"]
        try:
            yield node.start()
        finally:
            node.clean_up()


def call(node, method, path, key=None, source=None, body=None):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return http_request(node.api_port, method, path, headers, body, source=source)


def test_each_role_may_do_its_own_and_no_more(keyed):
    module = str(keyed.guest("bad-bot-blocker-1.1.0"))
    url = f"http://127.0.0.1:{keyed.api_port}/api/v1/wasm"
    for role, expected in (("viewer", (200, 403, 403)), ("operator", (200, 200, 403)), ("admin", (200, 200, 200))):
        header = ["-H", f"Authorization: Bearer {KEYS[role]}"]
        reading, _ = keyed.curl(*header, f"{url}/version")
        changing, _ = keyed.curl(*header, "-F", f"file=@{module}", "-F", "dry_run=true", f"{url}/reload")
        forcing, body = keyed.curl(*header, "-F", f"file=@{module}", "-F", "dry_run=true", "-F", "force=true", f"{url}/reload")
        assert (reading, changing, forcing) == expected, role
        assert forcing != 403 or '"code":"forbidden"' in body
    assert keyed.curl("-X", "POST", "-H", f"Authorization: Bearer {KEYS['viewer']}", f"{url}/rollback")[0] == 403


def test_without_a_key_only_the_probes_are_answered(keyed):
    for path in ("/api/v1/wasm/version", "/metrics", "/openapi.json", "/nothing"):
        answer = call(keyed, "GET", path, source="127.0.1.1")
        assert (answer.status, answer.json["code"]) == (401, "unauthorized"), path
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert call(keyed, "GET", "/healthz").status == call(keyed, "GET", "/readyz").status == 200
    assert call(keyed, "POST", "/api/v1/wasm/rollback", source="127.0.1.1").status == 401


def test_answers_with_keys_are_those_of_the_document(keyed):
    document = keyed.get("/openapi.json").json
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    operations = {(method, path): operation for path, methods in document["paths"].items() for method, operation in methods.items()}
    for (method, path), operation in operations.items():
        is_open = path in ("/healthz", "/readyz")
        assert operation["security"] == ([] if is_open else [{"key": []}]), (method, path)
        assert ("401" in operation["responses"]) is not is_open, (method, path)
    keyed.contract.check("GET", "/metrics", call(keyed, "GET", "/metrics", source="127.0.1.2"))
    refused = call(keyed, "POST", "/api/v1/wasm/rollback", KEYS["viewer"])
    keyed.contract.check("POST", "/api/v1/wasm/rollback", refused)


def test_history_and_log_say_who_from_where_and_why_and_never_the_key(keyed):
    keyed.key = KEYS["operator"]
    try:
        assert keyed.upload("bad-bot-blocker-1.1.0", reason="a tighter list").status == 200
    finally:
        keyed.key = KEYS["admin"]
    row = keyed.history()[0]
    assert (row["by"], row["source_ip"], row["reason"]) == ("ci", "127.0.0.1", "a tighter list")
    assert keyed.rollback(reason="enough").status == 200
    assert keyed.history()[0]["by"] == "on-call"
    call(keyed, "GET", "/api/v1/wasm/version", KEYS["viewer"] + "x", source="127.0.1.3")
    log = wait_for("the refusal to be logged", lambda: (text := keyed.log.read_text()) if "from=127.0.1.3" in keyed.log.read_text() else None)
    call(keyed, "POST", "/api/v1/wasm/rollback", KEYS["viewer"])
    wait_for("the next to be logged", lambda: re.search(
        r" warning api: POST /api/v1/wasm/rollback 403 \S+ ms by=grafana from=127.0.0.1 ", keyed.log.read_text()), log=keyed.log)
    assert "POST /api/v1/wasm/reload 200" in log
    assert f"by=ci from=127.0.0.1 request_id={row['request_id']} reason=\"a tighter list\"\n" in log
    for key in KEYS.values():
        assert key not in log
        assert sha256(key) not in log


def test_wrong_keys_are_limited_by_address_and_right_ones_pass(keyed):
    answers = [call(keyed, "GET", "/api/v1/wasm/version", "wrong" * 10, source="127.0.2.1") for _ in range(40)]
    assert answers[0].status == 401
    limited = [answer for answer in answers if answer.status == 429]
    assert limited and limited[-1].json["code"] == "rate_limited"
    assert int(limited[-1].headers["Retry-After"]) >= 1
    assert call(keyed, "GET", "/api/v1/wasm/version", "wrong" * 10, source="127.0.2.2").status == 401
    assert call(keyed, "GET", "/api/v1/wasm/version", KEYS["viewer"], source="127.0.2.1").status == 200
    lines = [line for line in keyed.log.read_text().splitlines() if "127.0.2.1" in line]
    assert sum("too many calls without a right key" in line for line in lines) == 1
    assert not any(" 429 " in line for line in lines), "a flood would fill the log"


def resident_kib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def test_ten_thousand_addresses_without_keys_take_no_memory(keyed):
    def knock(i):
        with socket.socket() as connection:
            connection.bind((f"127.{10 + i // 65536}.{i // 256 % 256}.{i % 256}", 0))
            connection.connect(("127.0.0.1", keyed.api_port))
            connection.sendall(b"GET /api/v1/wasm/version HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer " + b"w" * 40 + b"\r\n\r\n")
            return connection.recv(16)[9:12]

    for i in range(1000):  # what buffers and threads take once
        assert knock(i) == b"401"
    before = resident_kib(keyed.process.pid)
    for i in range(1000, 11_000):
        assert knock(i) == b"401"
    assert resident_kib(keyed.process.pid) - before < 4096
    assert keyed.version()["version"]


def test_keys_are_exchanged_while_the_node_runs(make_node):
    old, new = "old" * 16, "new" * 16
    node = make_node(start=False, tables={"api.keys": [{"name": "ci", "role": "admin", "sha256_file": "ci.sha256"}]})
    hashes = node.folder / "ci.sha256"
    hashes.write_text(sha256(old) + "\n")
    node.key = old
    node.start()

    def hang_up(expect):
        seen = node.log.read_text().count(expect)
        node.process.send_signal(signal.SIGHUP)
        wait_for(f'"{expect}" in the log', lambda: node.log.read_text().count(expect) > seen, log=node.log)

    hashes.write_text(f"{sha256(old)}\n{sha256(new)}\n")
    hang_up("the API has 1 keys")
    assert [call(node, "GET", "/metrics", key).status for key in (old, new)] == [200, 200]
    hashes.write_text(sha256(new) + "\n")
    hang_up("the API has 1 keys")
    assert [call(node, "GET", "/metrics", key).status for key in (old, new)] == [401, 200]
    hashes.write_text("rubbish\n")
    hang_up("the API's keys and certificate stay as they are")
    assert call(node, "GET", "/metrics", new).status == 200
    hashes.write_text(sha256(new) + "\n")
    del node.tables["api.keys"]
    node.write_config()
    hang_up("the API's keys and certificate stay as they are")
    assert call(node, "GET", "/metrics").status == 401
    node.key = new


def test_a_node_without_keys_calls_everybody_local(node):
    assert node.upload("bad-bot-blocker-1.1.0").status == 200
    row = node.history()[0]
    assert (row["by"], row["source_ip"]) == ("local", "127.0.0.1")
    start = node.history()[-1]
    assert (start["by"], start["source_ip"]) == ("start", None)
