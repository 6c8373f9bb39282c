"""Broken input: each its documented answer, the version in force untouched, the API answering others."""

import contextlib
import json
import os
import select
import signal
import socket
import threading

import pytest

from support.node import multipart
from support.processes import wait_for


@pytest.fixture
def guarded(make_node):
    """A node, and after the test the proof that nothing changed and that a good upload still works."""
    node = make_node()
    yield node
    assert node.version()["version"] == "1.0.0"
    assert node.site("/", headers={"User-Agent": "BadBot"}).status == 403
    assert node.site("/").status == 200
    assert node.upload("bad-bot-blocker-1.1.0").status == 200


HALF = b"POST /api/v1/wasm/reload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n--b"


@pytest.fixture(scope="module", autouse=True)
def silent(make_shared_node):
    """A node, and the connection of a client that falls silent now and is looked at by the last test."""
    node = make_shared_node(name="silent")
    with socket.create_connection(("127.0.0.1", node.api_port), timeout=120) as client:
        client.sendall(HALF)
        yield node, client


def refused(answer, status, code, *words):
    body = answer.json
    assert (answer.status, body["code"], body["success"]) == (status, code, False), answer
    for word in words:
        assert word in body["error"], body["error"]
    assert "X-Request-Id" in answer.headers
    return body


def test_truncated_module(guarded):
    body = refused(guarded.upload(guarded.guest("bad-bot-blocker").read_bytes()[:700]), 422, "invalid_wasm", "Invalid WASM module: ", "offset")
    assert (body["current_version"], body["status"]) == ("1.0.0", "still_serving_1.0.0")


def test_text_file_instead_of_a_module(guarded):
    refused(guarded.upload(b"# not a module\nrules: none\n"), 422, "invalid_wasm", "Invalid WASM module: ")


def test_empty_file(guarded):
    refused(guarded.upload(b""), 422, "invalid_wasm", "Invalid WASM module: ")


@pytest.mark.parametrize(
    ("guest", "code", "words"),
    [
        ("missing_inspect", "missing_export", ["Invalid WASM module: missing inspect_request export"]),
        ("missing_memory", "missing_export", ["Invalid WASM module: missing memory export"]),
        ("wrong_signature", "missing_export", ["inspect_request has type (i64) -> i32, expected (i32, i32) -> i32"]),
        ("imports_something", "forbidden_import", []),
        ("returns_seven", "invalid_action", ["Invalid action: inspect_request returned 7 for the sample request get-root, expected 0 to 3"]),
        ("traps_always", "sample_trapped", ["get-root"]),
        ("loops_forever", "sample_timeout", ["get-root", "5 ms"]),
        ("refuses_configure", "configure_failed", []),
        ("traps_in_configure", "configure_failed", []),
        ("loops_in_configure", "configure_failed", ["2000 ms"]),
        ("huge_memory", "memory_limit", ["16"]),
    ],
)
def test_odd_modules_are_refused_for_their_reason(guarded, guest, code, words):
    body = refused(guarded.upload(guest, name="bad-bot-blocker"), 422, code, *words)
    assert body["status"] == "still_serving_1.0.0"
    assert guarded.history()[0]["code"] == code


def test_fifty_megabytes_are_refused_before_they_are_read(guarded):
    total = 50 << 20
    with socket.create_connection(("127.0.0.1", guarded.api_port), timeout=30) as client:
        client.sendall((f"POST /api/v1/wasm/reload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                        f"Content-Length: {total}\r\n\r\n").encode())
        answer = client.recv(65536).decode()
    assert answer.startswith("HTTP/1.1 413 ")
    assert '"too_large"' in answer
    assert str(4 << 20) in answer


def test_fifty_megabytes_in_chunks_are_cut_at_the_limit(guarded):
    total, chunk = 50 << 20, b"10000\r\n" + b"x" * 65536 + b"\r\n"
    sent, answer = 0, b""
    with socket.create_connection(("127.0.0.1", guarded.api_port), timeout=30) as client:
        client.sendall(b"POST /api/v1/wasm/reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
                       b"Content-Type: multipart/form-data; boundary=b\r\n\r\n")
        # The answer comes while we still send. Who goes on sending into a connection that the node has closed may lose it.
        while sent < total and not select.select([client], [], [], 0)[0]:
            client.sendall(chunk)
            sent += 65536
        with contextlib.suppress(ConnectionResetError):
            while block := client.recv(65536):
                answer += block
    assert sent < total, "the answer comes before the end"
    assert answer.startswith(b"HTTP/1.1 413 ") and b'"too_large"' in answer, (sent, answer)
    assert guarded.get("/healthz").status == 200


def test_a_module_over_the_limit_names_size_and_limit(make_node):
    node = make_node(tables={"waf.wasm": {"max_module_bytes": 65536}})
    refused(node.upload(b"\0asm\1\0\0\0" + bytes(70000)), 413, "too_large", "70008", "65536")


def test_multipart_without_a_file(guarded):
    refused(guarded.upload(reason="nothing to load"), 400, "missing_file")


def test_field_twice(guarded):
    content_type, body = multipart([("reason", "one"), ("reason", "two"), ("file", ("m.wasm", guarded.guest("allow_all").read_bytes()))])
    refused(guarded.post("/api/v1/wasm/reload", body, {"Content-Type": content_type}), 400, "bad_multipart", "reason")


def test_unknown_field_must_not_reload(guarded):
    refused(guarded.upload("bad-bot-blocker-1.1.0", expcted_version="1.0.0"), 400, "unknown_field", "expcted_version", "expected_version")


def test_unknown_json_key(guarded):
    refused(guarded.rollback(to="1.0.0"), 400, "unknown_field", "to_version")


def test_body_that_is_no_multipart(guarded):
    answer = guarded.post("/api/v1/wasm/reload", b"garbage", {"Content-Type": "multipart/form-data; boundary=xyz"})
    refused(answer, 400, "bad_multipart")
    refused(guarded.post("/api/v1/wasm/reload", b"x", {"Content-Type": "multipart/form-data"}), 400, "bad_multipart", "boundary")
    refused(guarded.post("/api/v1/wasm/reload", b"{}", {"Content-Type": "text/plain"}), 415, "unsupported_media_type")


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "", ".", "x" * 65, "with space"])
def test_a_name_that_is_no_name(guarded, name):
    refused(guarded.upload("bad-bot-blocker-1.1.0", name=name), 400, "bad_request", "name")
    assert not (guarded.folder / "etc").exists()


def test_json_that_is_not_utf8(guarded):
    answer = guarded.post("/api/v1/wasm/rollback", b'{"reason":"\xff\xfe"}', {"Content-Type": "application/json"})
    refused(answer, 400, "bad_json")


def test_config_for_a_module_without_configure(guarded):
    refused(guarded.upload(name="bad-bot-blocker", config="{}"), 422, "configure_failed")


def test_unknown_path_and_wrong_method(guarded):
    refused(guarded.get("/api/v1/nothing"), 404, "not_found")
    wrong = guarded.get("/api/v1/wasm/reload")
    refused(wrong, 405, "method_not_allowed")
    assert wrong.headers["Allow"] == "POST"


def test_two_uploads_at_once(guarded):
    heavy = guarded.guest("heavy").read_bytes()
    answers = []

    def upload():
        answers.append(guarded.upload(heavy, name="bad-bot-blocker", dry_run="true"))

    first = threading.Thread(target=upload)
    first.start()
    child = wait_for("the first upload to be compiled", guarded.compile_child, log=guarded.log)
    os.kill(child, signal.SIGSTOP)
    try:
        busy = guarded.upload("bad-bot-blocker-1.1.0", dry_run="true")
    finally:
        os.kill(child, signal.SIGCONT)
    refused(busy, 409, "reload_in_progress")
    assert int(busy.headers["Retry-After"]) >= 1
    first.join()
    assert [answer.status for answer in answers] == [200], answers


def test_half_a_request_then_silence_holds_nobody_up(guarded):
    with socket.create_connection(("127.0.0.1", guarded.api_port)) as silent:
        silent.sendall(HALF)
        assert guarded.get("/healthz").status == 200
        assert guarded.upload("bad-bot-blocker-1.1.0", dry_run="true").status == 200


def test_three_hundred_slow_connections_hold_nobody_up(guarded):
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", guarded.api_port)))
            slow.sendall(b"POST /api/v1/wasm/reload HTTP/1.1\r\nHost: localhost\r\nContent-Le")
        assert guarded.get("/api/v1/wasm/version").status == 200
        assert guarded.upload("bad-bot-blocker-1.1.0", dry_run="true").status == 200
        assert guarded.rollback(to_version="no-such").status == 404


def test_a_client_that_goes_away_in_the_middle_leaves_no_residue(guarded):
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", guarded.api_port)) as client:
            client.sendall(b"POST /api/v1/wasm/reload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n--b\r\n")
    assert guarded.upload("missing_inspect").status == 422


def test_compile_timeout_kills_the_child_and_says_so(make_node):
    node = make_node(tables={"waf.wasm.reload": {"compile_timeout_seconds": 1}})
    # A module that configures for longer than the whole time limit: the child is killed, whatever it does.
    node.stop()
    node.tables["waf.wasm"]["configure_deadline_ms"] = 60000
    node.start()
    answer = node.upload("loops_in_configure", name="bad-bot-blocker")
    refused(answer, 422, "compile_timeout", "Reload timed out after 1s")
    assert answer.json["error"] == "Reload timed out after 1s"
    assert node.compile_child() is None
    assert node.upload("bad-bot-blocker-1.1.0").status == 200
    assert json.dumps(node.history()).count("compile_timeout") == 1


def test_rollback_ends_a_compile_that_is_under_way(make_node):
    node = make_node(tables={"waf.wasm": {"configure_deadline_ms": 60000}})
    assert node.upload("bad-bot-blocker-1.1.0").status == 200
    answers = []
    upload = threading.Thread(target=lambda: answers.append(node.upload("loops_in_configure", name="bad-bot-blocker")))
    upload.start()
    wait_for("the compile child", node.compile_child)
    assert node.rollback().json["rolled_back_to"] == "1.0.0"
    upload.join()
    assert (answers[0].status, answers[0].json["code"]) == (409, "cancelled")


def test_half_a_request_then_silence_is_ended(silent):
    node, client = silent
    assert b"".join(iter(lambda: client.recv(4096), b"")) == b"", "it is closed, and what was never asked gets no answer"
    assert node.version()["version"] == "1.0.0"
    assert [row["kind"] for row in node.history()] == ["load"]
