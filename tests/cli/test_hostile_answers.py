"""An answer whose every text would steer a terminal, on a terminal."""

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
ANSWERS = {
    ("version",): MODULE,
    ("modules",): {"modules": [MODULE]},
    ("history",): {"reloads": [{**ROW, "success": success, "duration_ms": 1, "requests_during_reload": 1} for success in (True, False)]},
    ("errors",): {"window_seconds": 300, "totals": {EVIL: 1}, "errors": [
        {"last_seen": EVIL, "module": EVIL, "version": EVIL, "kind": EVIL, "message": EVIL, "count": 1,
         "sample": {"method": EVIL, "uri": EVIL, "source_ip": EVIL}}]},
    ("requests",): {"requests": [{name: EVIL for name in ("time", "verdict", "source", "method", "uri", "module", "version", "rule", "message")}]},
    ("watch", "end"): {"success": True, "message": EVIL, "name": EVIL, "version": EVIL, "watch": WATCH},
    ("remove", "waf"): {"success": True, "message": EVIL, "name": EVIL, "removed_version": EVIL, "warnings": [EVIL], "workers": {}},
}


def shown_by(build, folder, server, command, *flags):
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "xterm", "NO_COLOR": "1"}
    shown, status = on_terminal([build / "bin" / "secbeat", *command, *flags, "--api", server.address], environment)
    return re.sub("\r\x1b\\[K", "", shown.replace("\r\n", "\n")), status  # the line of progress, gone


@pytest.mark.parametrize("command", ANSWERS, ids="-".join)
@pytest.mark.parametrize("flags", [(), ("--json",)], ids=["table", "json"])
def test_nothing_that_a_node_says_steers_the_terminal(build, folder, impostor, command, flags):
    shown, status = shown_by(build, folder, impostor(ANSWERS[command]), command, *flags)
    assert status == 0, shown
    assert "FORGED" in shown
    assert not STEERING.search(shown), shown
    assert not any(line.startswith("2026-01-01 FORGED") for line in shown.splitlines())


@pytest.mark.parametrize("command", ANSWERS, ids="-".join)
def test_no_reason_for_a_refusal_does(build, folder, impostor, command):
    refusal = {"success": False, "error": EVIL, "code": EVIL, "status": EVIL}
    shown, status = shown_by(build, folder, impostor(refusal, 409), command)
    assert status == 1, shown
    assert "FORGED" in shown
    assert not STEERING.search(shown), shown
