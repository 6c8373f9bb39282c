"""The command line as people and scripts use it."""

import json
import subprocess

import pytest

COMMANDS = ["node", "compile", "validate", "reload", "rollback", "version", "history", "status"]


@pytest.fixture
def run(build):
    def call(*arguments):
        return subprocess.run([str(build / "bin" / "secbeat"), *arguments], capture_output=True, text=True, timeout=60, check=False)
    return call


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_with_help(run, command):
    done = run(command, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout
    assert len(done.stdout.splitlines()) > 5
    assert done.stderr == ""


def test_wrong_use_is_exit_status_2_and_says_what_is_wrong(run):
    for arguments in ([], ["nonsense"], ["reload", "--nonsense"], ["reload"], ["node"], ["validate", "/no/such/file.wasm"]):
        done = run(*arguments)
        assert done.returncode == 2, arguments
        assert done.stderr.strip(), arguments


def test_an_unknown_command_is_named(run):
    done = run("reloda", "x.wasm")
    assert done.returncode == 2
    assert "'reloda'" in done.stderr


def test_no_node_is_exit_status_3_and_says_where_it_looked(run):
    done = run("status", "--api", "http://127.0.0.1:1")
    assert done.returncode == 3
    assert "http://127.0.0.1:1" in done.stderr
    assert "SECBEAT_API" in done.stderr


def test_validate_needs_no_node(run, build):
    good = run("validate", str(build / "guests" / "bad-bot-blocker.wasm"))
    assert good.returncode == 0
    assert "valid" in good.stdout
    bad = run("validate", str(build / "guests" / "missing_inspect.wasm"))
    assert bad.returncode == 1
    assert "Invalid WASM module: missing inspect_request export" in bad.stderr
    report = json.loads(run("validate", "--json", str(build / "guests" / "bad-bot-blocker.wasm")).stdout)
    assert report["abi"] == 2


def test_compile_prints_a_report_and_writes_an_artifact(run, build, folder):
    done = run("compile", "--module", str(build / "guests" / "bad-bot-blocker.wasm"), "--output", str(folder / "out.cwasm"))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (folder / "out.cwasm").stat().st_size == report["artifact_bytes"]
