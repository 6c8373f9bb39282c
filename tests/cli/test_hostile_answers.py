"""An answer whose every text would steer a terminal, on a terminal."""

import json
import os
import re

import pytest

from support.terminal import on_terminal

EVIL = "a\n2026-01-01 FORGED\r\x1b[2J\x1b]0;t\x07\u009b31m\u202e\u2028\x7f"
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
STAGES = {f"{stage}_ms": 1 for stage in ("receive", "validate", "compile", "rehearse", "stage", "swap", "total")}
WATCH = {"version": EVIL, "state": EVIL, "since": EVIL, "reason": EVIL, "seconds_left": 3, "measured": {}, "baseline": None}
MODULE = {"name": EVIL, "version": EVIL, "size": 1, "size_bytes": 1, "loaded_at": EVIL, "previous_version": EVIL, "kept": [EVIL], "sha256": EVIL,
          "config_sha256": EVIL, "embedded_version": EVIL, "workers": [{"pid": 1, "version": EVIL, "generation": 1, "since": EVIL}]}
ROW = {name: EVIL for name in ("timestamp", "name", "kind", "version", "from_version", "attempted_version", "error", "code", "reason", "by",
                               "source_ip", "request_id")}
FAILURES = [{"node": EVIL, "code": EVIL, "error": EVIL}]
ROLLOUT = {"id": EVIL, "module": EVIL, "version": EVIL, "previous_version": EVIL, "kind": EVIL, "state": EVIL, "ended": True, "wave": 0,
           "waves": [{"nodes": [{"node": EVIL, "state": EVIL, "error": EVIL, "code": EVIL}]}],
           "left_out": [{"node": EVIL, "state": EVIL, "error": EVIL, "code": EVIL}], "error": EVIL, "code": EVIL, "by": EVIL, "reason": EVIL,
           "begun_at": EVIL, "ended_at": EVIL, "holder": EVIL}
FLEET = {"nodes": [{"node": EVIL, "ready": True, "modules": {EVIL: {"version": EVIL, "drift": EVIL}}}, {"node": EVIL, "ready": False, "modules": {}}],
         "modules": [{"module": EVIL, "desired": EVIL, "nodes": [{"node": EVIL, "drift": EVIL}]}], "rollouts": [ROLLOUT]}
RULES = {"rules": [{"id": EVIL, "name": EVIL, "field": EVIL, "pattern": EVIL, "action": EVIL, "expires_at": EVIL, "blocks": 1, "logs": 1,
                    "rate_limits": 1, "message": EVIL, "tags": [EVIL]}]}
RULE_CHANGE = {"message": EVIL, "version": EVIL, "expires_at": EVIL, "deployed": True, "deployed_to": [EVIL], "failed": FAILURES}
ANSWERS = {
    ("version",): MODULE,
    ("modules",): {"modules": [MODULE]},
    ("history",): {"reloads": [{**ROW, "success": success, "duration_ms": 1, "requests_during_reload": 1} for success in (True, False)]},
    ("errors",): {"window_seconds": 300, "totals": {EVIL: 1}, "errors": [
        {"last_seen": EVIL, "module": EVIL, "version": EVIL, "kind": EVIL, "message": EVIL, "count": 1,
         "sample": {"method": EVIL, "uri": EVIL, "source_ip": EVIL}}]},
    ("requests",): {"requests": [{name: EVIL for name in ("time", "verdict", "source", "method", "uri", "module", "version", "rule", "message")}]},
    ("watch", "end"): {"success": True, "message": EVIL, "name": EVIL, "version": EVIL, "watch": WATCH},
    ("fleet", "status"): FLEET,
    ("fleet", "watch"): {**FLEET, **ROLLOUT},
    ("fleet", "reload", "MODULE"): {"rollout_id": EVIL, **ROLLOUT},
    ("fleet", "rollback"): {"success": True, "rolled_back_to": EVIL, "deployed_to": [EVIL], "failed": FAILURES},
    ("fleet", "sync"): {"success": True, "synced": [EVIL], "already_current": [EVIL], "failed": FAILURES, "unreachable": FAILURES},
    ("fleet", "pause", "r-1"): ROLLOUT,
    ("fleet", "resume", "r-1"): ROLLOUT,
    ("fleet", "abort", "r-1"): ROLLOUT,
    ("fleet", "rules", "list"): RULES,
    ("fleet", "rules", "add", "RULE"): RULE_CHANGE,
    ("fleet", "rules", "remove", "one"): RULE_CHANGE,
    ("fleet", "rules", "deploy", "one"): {"rule_id": EVIL, "deployed_to": 1, "failed": 1},
    ("rules", "list"): RULES,
    ("remove", "waf"): {"success": True, "message": EVIL, "name": EVIL, "removed_version": EVIL, "warnings": [EVIL], "workers": {}},
}


# Whose exit status says more than that there was an answer: the fleet is not whole, the rollout did not come about.
NOT_WELL = [("fleet", "status"), ("fleet", "watch"), ("fleet", "reload", "MODULE")]


def shown_by(build, folder, server, command, *flags):
    rule = folder / "rule.json"
    rule.write_text("{}")
    files = {"MODULE": build / "guests" / "allow_all.wasm", "RULE": rule}
    command = [files.get(word, word) for word in command]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "xterm", "NO_COLOR": "1"}
    shown, status = on_terminal([build / "bin" / "secbeat", *command, *flags, "--api", server.address], environment)
    return re.sub("\r\x1b\\[K", "", shown.replace("\r\n", "\n")), status  # the line of progress, gone


@pytest.mark.parametrize("command", ANSWERS, ids="-".join)
@pytest.mark.parametrize("flags", [(), ("--json",)], ids=["table", "json"])
def test_nothing_that_a_node_says_steers_the_terminal(build, folder, impostor, command, flags):
    shown, status = shown_by(build, folder, impostor(ANSWERS[command]), command, *flags)
    assert status == (1 if command in NOT_WELL else 0), shown
    assert "FORGED" in shown
    assert not STEERING.search(shown), shown
    assert not any(line.startswith("2026-01-01 FORGED") for line in shown.splitlines())


def changed(answer, path, change):
    """A copy of an answer, changed at a path."""
    answer = json.loads(json.dumps(answer))
    *way, last = path
    one = answer
    for step in way:
        one = one[step]
    change(one, last)
    return answer


def leave_out(one, last):
    del one[last]


def mean_something_else(one, last):
    one[last] = [[EVIL]] if not isinstance(one[last], list) else {EVIL: EVIL}


def paths_of(value, way=()):
    members = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for name, member in members:
        yield (*way, name)
        yield from paths_of(member, (*way, name))


# As pause, or with patience: an answer that cannot be read while a rollout is followed may be followed by one that can.
FOLLOWED = ("resume", "abort", "watch", "reload")


@pytest.mark.parametrize("change", [leave_out, mean_something_else])
@pytest.mark.parametrize("command", [command for command in ANSWERS if command[0] == "fleet" and command[1] not in FOLLOWED],
                         ids="-".join)
def test_an_orchestrator_whose_answer_has_another_form_is_told_so(build, folder, impostor, command, change):
    server = impostor({})
    for path in paths_of(ANSWERS[command]):
        server.body = json.dumps(changed(ANSWERS[command], path, change)).encode()
        shown, status = shown_by(build, folder, server, command)
        assert status in (0, 1, 3) and not STEERING.search(shown), (path, status, shown)
        assert "is it a node's API" in shown if status == 3 else "json.exception" not in shown, (path, shown)


@pytest.mark.parametrize("command", ANSWERS, ids="-".join)
def test_no_reason_for_a_refusal_does(build, folder, impostor, command):
    refusal = {"success": False, "error": EVIL, "code": EVIL, "status": EVIL}
    shown, status = shown_by(build, folder, impostor(refusal, 409), command)
    assert status == 1, shown
    assert "FORGED" in shown
    assert not STEERING.search(shown), shown
