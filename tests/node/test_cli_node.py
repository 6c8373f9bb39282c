"""The command line against a running node."""

import json


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
