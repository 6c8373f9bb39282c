"""The command line against a running node."""

import contextlib
import json
import os
import signal

from support.processes import wait_for
from support.terminal import on_terminal


def test_reload_rollback_version_history_status(node):
    done = node.cli("reload", str(node.guest("bad-bot-blocker-1.1.0")), "--reason", "try it")
    assert done.returncode == 0, done.stderr
    assert "1.0.0 → 1.1.0" in done.stdout
    assert "workers 2 of 2" in done.stdout
    assert "secbeat rollback bad-bot-blocker" in done.stdout
    assert "1.1.0" in node.cli("version").stdout
    assert "bad-bot-blocker" in node.cli("status").stdout
    done = node.cli("rollback", "--reason", "enough")
    assert done.returncode == 0, done.stderr
    assert "1.1.0 → 1.0.0" in done.stdout
    history = node.cli("history").stdout
    assert "try it" in history
    assert "enough" in history


def test_json_is_the_apis_answer(node):
    assert json.loads(node.cli("version", "--json").stdout)["version"] == "1.0.0"
    assert json.loads(node.cli("status", "--json").stdout)["ready"] is True
    refused = node.cli("reload", str(node.guest("missing_inspect")), "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["code"] == "missing_export"


def test_a_refusal_is_exit_status_1_with_the_nodes_reason(node):
    done = node.cli("reload", str(node.guest("traps_always")), "--name", "bad-bot-blocker")
    assert done.returncode == 1
    assert "get-root" in done.stderr
    assert "still_serving_1.0.0" in done.stderr


def test_a_dry_run_says_what_would_be(node):
    done = node.cli("reload", str(node.guest("bad-bot-blocker-1.1.0")), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "would be 1.1.0" in done.stdout
    assert node.version()["version"] == "1.0.0"


def test_modules_errors_and_requests_are_tables(make_node):
    node = make_node("bad-bot-blocker")
    assert node.cli("reload", str(node.guest("traps_on_request")), "--name", "fragile").returncode == 0
    modules = node.cli("modules")
    assert modules.returncode == 0
    lines = modules.stdout.splitlines()
    assert lines[0].split()[:2] == ["MODULE", "VERSION"]
    assert [line.split()[0] for line in lines[1:]] == ["bad-bot-blocker", "fragile"]
    assert "No module made an error" in node.cli("errors").stdout
    assert "No request" in node.cli("requests").stdout

    def told(*arguments, having):
        shown = node.cli(*arguments).stdout
        return shown if having in shown else ""

    node.site("/trap?x=1", headers={"X-Trap": "1"})
    node.site("/bot", headers={"User-Agent": "sqlmap/1.0"})
    errors = wait_for("the error to be told", lambda: told("errors", "fragile", having="trap"))
    assert "/trap?x=1 from 127.0.0.1" in errors
    assert "trap 1" in errors.splitlines()[-1]
    requests = wait_for("the request to be told", lambda: told("requests", having="/bot"))
    assert "block" in requests and "bad-bot-blocker" in requests
    assert "/bot" not in node.cli("requests", "--verdict", "rate_limit").stdout
    assert json.loads(node.cli("errors", "--since", "60", "--json").stdout)["window_seconds"] == 60
    unknown = node.cli("errors", "nobody")
    assert unknown.returncode == 1
    assert "unknown_module" in unknown.stderr


def test_while_a_reload_runs_the_terminal_tells_its_stage(make_node):
    node = make_node("bad-bot-blocker", tables={"waf.wasm": {"configure_deadline_ms": 60000}})
    seen = []

    def end_it(shown):
        """The module never finishes its configuration; when its stage has been shown, its compile is ended."""
        if "validating, compiling and rehearsing" in shown and not seen:
            seen.append(node.get("/api/v1/wasm/operation").json["operation"])
            with contextlib.suppress(ProcessLookupError):
                os.kill(node.compile_child(), signal.SIGKILL)

    shown, status = on_terminal([node.secbeat, "reload", node.guest("loops_in_configure"), "--name", "slow"], only_stderr=True,
                                env={"SECBEAT_API": f"http://127.0.0.1:{node.api_port}", "TERM": "xterm"}, watch=end_it)
    assert status == 1
    assert "reload of slow: validating, compiling and rehearsing, " in shown
    assert shown.rindex("\r\x1b[K") < shown.index("secbeat: "), "the line is gone before the answer"
    assert seen[0]["kind"] == "reload" and seen[0]["stage"] == "check" and seen[0]["request_id"].startswith("cli-")
    assert node.history()[0]["request_id"] == seen[0]["request_id"]
    assert node.get("/api/v1/wasm/operation").json == {"operation": None}


def test_without_a_terminal_nothing_is_told_but_the_answer(node):
    done = node.cli("reload", str(node.guest("bad-bot-blocker-1.1.0")), env={"TERM": "xterm"})
    assert done.returncode == 0
    assert done.stderr == ""


def test_a_node_that_runs_is_healthy_to_the_doctor(node):
    done = node.cli("doctor", "--config", str(node.config))
    assert done.returncode == 0, done.stdout
    assert "a node runs here" in done.stdout
