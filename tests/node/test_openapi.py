"""/openapi.json against the running node, both ways. Every other test holds the answers that it sees against the document
as well (support/contract.py)."""

import hashlib
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from support.contract import Contract
from support.node import http_request
from support.processes import PATIENCE, wait_for

# What a client can provoke in a reload without breaking the node: field values, and the code that comes.
REFUSED_UPLOADS = {
    "missing_file": {"reason": "nothing to load"},
    "unknown_field": {"expcted_version": "v1"},
    "bad_request": {"dry_run": "maybe"},
    "bad_config_json": {"config": "{"},
    "unknown_module": {"config": "{}", "name": "nothing"},
    "version_conflict": {"module": "allow_all", "expected_version": "v7"},
    "too_large": {"module": b"\0asm" + b"x" * 5_000_000},
    "invalid_wasm": {"module": b"not wasm"},
    "missing_export": {"module": "missing_inspect"},
    "forbidden_import": {"module": "imports_something"},
    "invalid_action": {"module": "returns_seven"},
    "sample_trapped": {"module": "traps_always"},
    "sample_timeout": {"module": "loops_forever"},
    "configure_failed": {"module": "refuses_configure", "config": "{}"},
    "memory_limit": {"module": "huge_memory"},
    "bad_signature": {"module": "allow_all", "signature": "secbeat"},
}
# Proven where the fault can be made: the reloader's and the compile child's unit tests, tests/node/test_emergencies.py,
# tests/node/test_watch.py, tests/node/test_signatures.py.
FAULTS_OF_THE_NODE = {"internal", "io", "no_worker", "workers_disagree", "compile_failed", "compile_timeout", "cancelled",
                      "reload_in_progress", "shutting_down", "busy", "hot_reload_disabled", "rate_limited", "forbidden",
                      "bad_multipart", "unsupported_media_type", "quarantined", "unauthorized", "signature_required", "frozen",
                      "cost_limit", "inventory_shrank", "rule_tests_failed"}


def codes_of(operation):
    return {code for status, response in operation["responses"].items() if status != "200"
            for code in response["content"]["application/json"]["schema"]["properties"]["code"]["enum"]}


def test_the_document_is_valid_openapi(node):
    answer = node.get("/openapi.json")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    OpenAPIV31SpecValidator(answer.json).validate()
    head = http_request(node.api_port, "HEAD", "/openapi.json")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["Content-Length"]) == len(answer.body)


def test_head_answers_as_get_without_a_body(node):
    for path, methods in node.get("/openapi.json").json["paths"].items():
        if "get" in methods:
            path = path.replace("{sha256}", node.version()["sha256"])
            if path == "/api/v1/rules/{id}":  # this node has none
                continue
            get, head = node.get(path), node.api("HEAD", path)
            assert head.status == get.status == 200, path
            assert head.body == b""
            assert head.headers["Content-Type"] == get.headers["Content-Type"]


def test_each_documented_refusal_of_a_reload_comes(node):
    documented = codes_of(node.get("/openapi.json").json["paths"]["/api/v1/wasm/reload"]["post"])
    assert documented == set(REFUSED_UPLOADS) | FAULTS_OF_THE_NODE
    for code, fields in REFUSED_UPLOADS.items():
        answer = node.upload(**{"name": "bad-bot-blocker", **fields})
        assert answer.json["code"] == code, answer
    assert node.version()["version"] == "1.0.0"


@pytest.mark.parametrize(("request_bytes", "status"), [
    (b"GET /healthz HTTP/1.1\r\n\r\n", 400),  # no Host
    (b"GET  HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: many\r\n\r\n", 400),
    (b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 431),
    (b"GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n", 505),
])
def test_what_is_not_http_is_refused_as_documented_and_ends_its_connection(node, request_bytes, status):
    with socket.create_connection(("127.0.0.1", node.api_port), timeout=PATIENCE) as connection:
        connection.sendall(request_bytes)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"X-Request-Id" not in answer
    assert node.get("/healthz").status == 200


def test_the_contract_notices_what_is_not_documented(node):
    document = node.get("/openapi.json").json
    answer = node.get("/api/v1/wasm/version")
    del document["components"]["schemas"]["Version"]["properties"]["generation"]
    with pytest.raises(AssertionError, match="generation"):
        Contract(document).check("GET", "/api/v1/wasm/version", answer)
    missing = node.get("/api/v1/wasm/version?name=nothing")
    del document["paths"]["/api/v1/wasm/version"]["get"]["responses"]["404"]
    with pytest.raises(AssertionError, match="does not document"):
        Contract(document).check("GET", "/api/v1/wasm/version?name=nothing", missing)


def test_schemathesis_finds_no_answer_that_is_not_documented(make_node, tmp_path):
    # With a key: without any, what is given for one is rightly ignored.
    key = "sbk_" + "0123456789abcdef" * 4
    node = make_node("traps_on_request", start=False, tables={
        "api.keys": [{"name": "ci", "role": "admin", "sha256": hashlib.sha256(key.encode()).hexdigest()}]})
    node.key = key
    node.start()
    node.upload("block_when_header", name="second")
    node.upload("bad-bot-blocker")
    node.site("/x", headers={"x-trap": "1"})
    node.site("/x", headers={"x-block": "1"})
    wait_for("rows to be shown", lambda: node.get("/api/v1/wasm/errors").json["errors"])
    wait_for("rows to be shown", lambda: node.get("/api/v1/requests").json["requests"])
    # What it makes of a wrong form can be an empty body, which these take.
    (tmp_path / "schemathesis.toml").write_text("".join(
        f'[[operations]]\ninclude-name = "POST /api/v1/{name}"\nchecks.negative_data_rejection.enabled = false\n'
        for name in ("wasm/rollback", "freeze", "unfreeze", "bypass", "drill")))
    done = subprocess.run(
        [Path(sys.executable).parent / "st", "run", f"http://127.0.0.1:{node.api_port}/openapi.json",
         "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
                     "response_schema_conformance,negative_data_rejection,unsupported_method",
         "--exclude-method", "HEAD", "--phases", "examples,coverage,fuzzing", "--max-examples", "10",
         "--generation-deterministic", "--header", f"Authorization: Bearer {key}",
         "--request-timeout", "30", "--continue-on-failure", "--no-color", "--warnings", "off"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert node.is_ready() or not node.modules(), "it may have removed all modules, and nothing else"
