"""secbeat inspect: a module's parts, and whether a node would take it."""

import json

import pytest


def test_a_module_is_shown_with_its_parts(run, build):
    done = run("inspect", build / "guests" / "bad-bot-blocker.wasm")
    assert done.returncode == 0, done.stderr
    for text in ("bad-bot-blocker", "1.0.0", "inspect_request", "(i32, i32) -> i32", "memory", "No imports", "code",
                 "custom secbeat.version", "A node would take it"):
        assert text in done.stdout, text


def test_json_has_everything(run, build):
    module = build / "guests" / "bad-bot-blocker.wasm"
    document = json.loads(run("inspect", module, "--json").stdout)
    assert document["accepted"] is True and document["error"] is None
    assert document["embedded_name"] == "bad-bot-blocker" and document["embedded_version"] == "1.0.0" and document["abi"] == 2
    assert document["size_bytes"] == module.stat().st_size
    assert {"name": "inspect_request", "kind": "function", "type": "(i32, i32) -> i32"} in document["exports"]
    assert document["imports"] == [] and document["section_count"] == len(document["sections"])


@pytest.mark.parametrize("guest, code, text", [
    ("missing_inspect", "missing_export", "missing inspect_request export"),
    ("imports_something", "forbidden_import", "Forbidden import"),
    ("wrong_signature", "missing_export", "expected (i32, i32) -> i32"),
    ("traps_always", "sample_trapped", "get-root"),
    ("loops_forever", "sample_timeout", "CPU time"),
    ("returns_seven", "invalid_action", "returned 7"),
])
def test_what_a_node_would_refuse_is_exit_status_1_with_its_reason(run, build, guest, code, text):
    done = run("inspect", build / "guests" / f"{guest}.wasm")
    assert done.returncode == 1
    assert text in done.stderr and code in done.stderr
    assert "EXPORT" in done.stdout, "what can be shown is shown"
    document = json.loads(run("inspect", "--json", build / "guests" / f"{guest}.wasm").stdout)
    assert document["accepted"] is False and document["code"] == code


def test_a_configuration_is_tried_with_it(run, build, folder):
    config = folder / "config.json"
    config.write_text("{}")
    done = run("inspect", build / "guests" / "refuses_configure.wasm", "--config", config)
    assert done.returncode == 1
    assert "configure_failed" in done.stderr


HEADER = b"\0asm\1\0\0\0"


@pytest.mark.parametrize("content", [
    b"", b"\0", b"not wasm", HEADER[:6], b"\0asm\x0d\0\1\0", HEADER + b"\1", HEADER + b"\1\xff\xff\xff\xff\x0f",
    HEADER + b"\7\x05\xff\xff\xff\xff\x0f", HEADER + b"\0\5\x09name", b"\x7fELF" + bytes(1000),
    HEADER + b"\1\x06\x01\x60\xff\xff\xff\x0f",
], ids=repr)
def test_hostile_bytes_get_a_clear_error(run, folder, content):
    file = folder / "hostile.wasm"
    file.write_bytes(content)
    done = run("inspect", file)
    assert done.returncode == 1
    assert "Invalid WASM module: " in done.stderr
    assert run("inspect", "--json", file).returncode == 1


def test_names_in_a_module_do_not_steer_the_terminal(run, folder):
    name = b"\x1b[2J\xc2\x9b1m"
    content = bytes([len(name)]) + name + b"x"
    file = folder / "named.wasm"
    file.write_bytes(HEADER + b"\0" + bytes([len(content)]) + content)
    done = run("inspect", file)
    assert "\x1b" not in done.stdout and "\x9b" not in done.stdout
    assert "custom ?[2J?1m" in done.stdout


def test_a_large_module_is_advised_as_at_an_upload(run, build, folder):
    file = folder / "large.wasm"
    content = b"\x04fill" + bytes(600_000)
    size = len(content)
    length = bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14])
    file.write_bytes((build / "guests" / "allow_all.wasm").read_bytes() + b"\0" + length + content)
    done = run("inspect", file)
    assert done.returncode == 0, done.stderr
    advice = [line for line in done.stdout.splitlines() if "wasm-opt -Oz --strip-debug" in line]
    assert len(advice) == 1
    report = json.loads(run("validate", "--json", file).stdout)
    assert report["warnings"] == [advice[0].removeprefix("warning: ")]


def test_a_module_over_the_limit_is_refused(run, folder):
    file = folder / "huge.wasm"
    with open(file, "wb") as sparse:
        sparse.write(HEADER + b"\0\xfb\xff\xff\x02\x01x")  # one section of 6,291,451 bytes
        sparse.truncate(8 + 1 + 4 + 6291451)
    done = run("inspect", file)
    assert done.returncode == 1
    assert "4194304" in done.stderr
