"""The command line as people and scripts use it, without a node."""

import json
import subprocess
from pathlib import Path

import pytest

from support.commands import COMMANDS
from support.terminal import on_terminal

QUESTIONS = [["status"], ["version"], ["modules"], ["history"], ["errors"], ["requests"], ["rollback"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_with_help(run, command):
    done = run(command, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout
    assert len(done.stdout.splitlines()) > 5
    assert done.stderr == ""


def test_help_lists_every_command_and_the_document_too(run):
    shown = run("--help").stdout
    document = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    for command in COMMANDS:
        assert f"\n  {command} " in shown, command
        assert f"`secbeat {command}" in document, command


def test_wrong_use_is_exit_status_2_and_says_what_is_wrong(run):
    for arguments in ([], ["nonsense"], ["reload", "--nonsense"], ["reload"], ["node"], ["validate", "/no/such/file.wasm"],
                      ["inspect", "/no/such/file.wasm"], ["requests", "--verdict", "allow"], ["completion", "fish"],
                      ["man", "nonsense"], ["status", "--api", "file:///etc/passwd"], ["status", "--profile", "nowhere"]):
        done = run(*arguments)
        assert done.returncode == 2, arguments
        assert done.stderr.strip(), arguments


def test_an_unknown_command_is_named(run):
    done = run("reloda", "x.wasm")
    assert done.returncode == 2
    assert "'reloda'" in done.stderr


@pytest.mark.parametrize("arguments", QUESTIONS, ids=lambda arguments: arguments[0])
def test_no_node_is_exit_status_3_and_says_where_it_looked(run, arguments):
    done = run(*arguments, "--api", "http://127.0.0.1:1")
    assert done.returncode == 3
    assert "http://127.0.0.1:1" in done.stderr
    assert "SECBEAT_API" in done.stderr


@pytest.mark.parametrize("body", [{}, [], "text", b"", b"<html>", b"{", {"modules": {}}, {"reloads": [{}]},
                                  {"modules": [{"name": 1, "size": "x"}]}, b'{"a":' * 100000], ids=lambda body: repr(body)[:40])
@pytest.mark.parametrize("json_flag", [[], ["--json"]], ids=["table", "json"])
def test_what_does_not_answer_as_a_node_is_no_success(run, impostor, body, json_flag):
    server = impostor(body)
    for arguments in QUESTIONS:
        done = run(*arguments, *json_flag, "--api", server.address)
        assert done.returncode == 3, (arguments, done.stdout)
        assert done.stdout == ""
        assert "is it a node's API" in done.stderr


def test_an_error_without_a_reason_is_no_nodes_error(run, impostor):
    assert run("version", "--api", impostor({}, 404).address).returncode == 3
    done = run("version", "--api", impostor({"success": False, "error": "no \x1b[2J module", "code": "unknown_module"}, 404).address)
    assert done.returncode == 1
    assert "no ?[2J module\n  (unknown_module, HTTP 404)" in done.stderr


def test_a_full_disk_is_exit_status_4(run, build):
    with open("/dev/full", "w") as full:
        for arguments in (["--help"], ["completion", "bash"], ["inspect", "--json", build / "guests" / "allow_all.wasm"]):
            done = run(*arguments, stdout=full, stderr=subprocess.PIPE, capture_output=False)
            assert done.returncode == 4, arguments
            assert "cannot write to standard output" in done.stderr


def test_validate_needs_no_node(run, build):
    good = run("validate", build / "guests" / "bad-bot-blocker.wasm")
    assert good.returncode == 0
    assert "valid" in good.stdout
    bad = run("validate", build / "guests" / "missing_inspect.wasm")
    assert bad.returncode == 1
    assert "Invalid WASM module: missing inspect_request export" in bad.stderr
    report = json.loads(run("validate", "--json", build / "guests" / "bad-bot-blocker.wasm").stdout)
    assert report["abi"] == 2


def test_compile_prints_a_report_and_writes_an_artifact(run, build, folder):
    done = run("compile", "--json", "--module", build / "guests" / "bad-bot-blocker.wasm", "--output", folder / "out.cwasm")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (folder / "out.cwasm").stat().st_size == report["artifact_bytes"]


def test_colour_is_for_terminals_only(run, build):
    module = build / "guests" / "bad-bot-blocker.wasm"
    assert "\x1b" not in run("inspect", module).stdout

    def on_a_terminal(**env):
        shown, status = on_terminal([build / "bin" / "secbeat", "inspect", module], {"PATH": "/usr/bin:/bin", **env})
        assert status == 0
        return shown
    assert "\x1b[32m" in on_a_terminal(TERM="xterm")
    assert "\x1b" not in on_a_terminal(TERM="xterm", NO_COLOR="1")
    assert "\x1b" not in on_a_terminal(TERM="dumb")
