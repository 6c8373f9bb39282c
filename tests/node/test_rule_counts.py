"""What rules did: counts by rule, over workers, nginx and the agent; ends of rules; changes that come together."""

import hashlib
import json
import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from support.node import Load, http_request
from support.processes import wait_for

KEYS = {role: f"sbk_{role}_" + "0123456789abcdef" * 3 for role in ("viewer", "operator", "admin")}
DOCUMENT = {"rules": [
    {"id": "no-env", "field": "Path", "pattern": "/.env", "action": "Block", "message": "somebody looks for secrets"},
    {"id": "seen", "field": "Path", "pattern": ["/seen", "/watched"], "action": "Log"},
    {"id": "limited", "field": "Path", "pattern": "/limited", "action": "RateLimit"},
    {"id": "off", "field": "Path", "pattern": "/off", "action": "Block", "enabled": False}]}


@pytest.fixture(scope="module")
def waf(make_shared_node):
    node = make_shared_node("universal-waf", tables={"waf.wasm": {"config": "waf-config.json"}, "api.keys": [{"name": role, "role": role, "sha256": hashlib.sha256(key.encode()).hexdigest()} for role, key in KEYS.items()]},
                            start=False)
    (node.folder / "waf-config.json").write_text(json.dumps(DOCUMENT))
    node.key = KEYS["admin"]
    return node.start()


def active(node):
    return {rule["id"]: rule for rule in node.get("/api/v1/rules/active").json["rules"]}


def blocks(node, rule):
    return active(node)[rule]["blocks"]


def block(node, times, path="/.env"):
    """In so many requests, all of them blocked."""
    statuses = [node.site(path).status for _ in range(times)]
    assert statuses == [403] * times


def send_rule(node, method, path="", body=None, key=KEYS["admin"]):
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    return http_request(node.api_port, method, f"/api/v1/rules{path}", headers, json.dumps(body).encode() if body else None)


def test_each_verdict_is_counted_under_its_rule(waf):
    block(waf, 7)
    assert [waf.site(path).status for path in ("/seen", "/watched", "/limited", "/")] == [200] * 4
    rules = active(waf)
    assert list(rules) == ["no-env", "seen", "limited"]
    assert {key: rules["no-env"][key] for key in ("id", "pattern", "created_at", "expires_at", "blocks")} == {
        "id": "no-env", "pattern": "/.env", "created_at": None, "expires_at": None, "blocks": 7}
    assert (rules["seen"]["logs"], rules["seen"]["pattern"], rules["limited"]["rate_limits"]) == (2, "/seen | /watched", 1)
    assert waf.get("/api/v1/rules/stats").json == {"total_dynamic_rules": 4, "active_rules": 3, "total_blocks": 7,
                                                   "false_positive_rate": None}
    metrics = waf.get("/metrics").body.decode()
    for rule, verdict, count in (("no-env", "block", 7), ("seen", "log", 2), ("limited", "rate_limit", 1)):
        assert f'secbeat_rule_verdicts_total{{module="universal-waf",rule="{rule}",verdict="{verdict}"}} {count}\n' in metrics
    shown = waf.cli("rules", "list").stdout
    assert re.search(r"no-env .* 7\s*$", shown, re.M) and re.search(r"^off .* -\s*$", shown, re.M), shown
    assert re.search(r"4 +3 +7 +not measured", waf.cli("rules", "stats").stdout)
    (log,) = waf.folder.glob("**/access.log")
    wait_for("the access log to name the rule", lambda: ' block "no-env" "somebody looks for secrets"\n' in log.read_text())


def test_counts_are_exact_where_events_are_dropped(waf):
    before = blocks(waf, "no-env")
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: waf.site("/.env").status, range(1500)))
    assert set(answers) == {403}
    assert blocks(waf, "no-env") == before + len(answers)


def test_counts_go_on_over_workers_nginx_and_the_agent(waf):
    block(waf, 3)
    counted = blocks(waf, "no-env")
    first = waf.worker_pids()
    os.kill(first[0], signal.SIGKILL)
    wait_for("another worker", lambda: len(waf.worker_pids()) == 2 and first[0] not in waf.worker_pids() and waf.is_ready())
    assert blocks(waf, "no-env") == counted
    block(waf, 2)
    second = waf.worker_pids()
    os.kill(waf.master_pid(), signal.SIGHUP)
    wait_for("new workers", lambda: len(set(waf.worker_pids()) - set(second)) == 2 and waf.is_ready())
    block(waf, 2)
    waf.kill_agent()
    block(waf, 4)
    waf.start()
    assert blocks(waf, "no-env") == counted + 8
    assert send_rule(waf, "DELETE", "/seen").status == 200
    assert blocks(waf, "no-env") == counted + 8, "a reload counts nothing away"


def test_who_may_do_what_with_rules(waf):
    rule = {"id": "by-role", "field": "Path", "pattern": "/role", "action": "Log"}
    for path in ("", "/no-env", "/active", "/stats"):
        assert send_rule(waf, "GET", path, key=KEYS["viewer"]).status == 200, path
    for method, path, body in (("POST", "", rule), ("PUT", "/no-env", DOCUMENT["rules"][0]), ("DELETE", "/no-env", None)):
        refused = send_rule(waf, method, path, body, key=KEYS["viewer"])
        assert (refused.status, refused.json["code"]) == (403, "forbidden"), (method, path)
    for method, path, body in (("POST", "", rule), ("PUT", "/by-role", rule), ("DELETE", "/by-role", None)):
        assert send_rule(waf, method, path, body, key=KEYS["operator"]).status == 200, (method, path)
    assert send_rule(waf, "POST", body={**rule, "id": "stats"}).json["code"] == "bad_rule"


def test_changes_that_come_together_are_one_reload_and_lose_no_request(waf):
    versions = waf.get("/api/v1/wasm/versions?name=universal-waf").json["total"]
    together = 12
    with Load(waf) as load:
        start = threading.Barrier(together)

        def add(i):
            start.wait()
            return send_rule(waf, "POST", body={"id": f"together-{i}", "field": "Path", "pattern": f"/t/{i}", "action": "Block"})
        with ThreadPoolExecutor(together) as callers:
            answers = list(callers.map(add, range(together)))
    assert [answer.status for answer in answers] == [200] * together, answers
    assert max(answer.json["changes"] for answer in answers) > 1
    assert waf.get("/api/v1/wasm/versions?name=universal-waf").json["total"] - versions < together
    assert load.lost[:2] == (0, 0), load.lost
    assert {waf.site(f"/t/{i}").status for i in range(together)} == {403}


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def ends_of(node, rule):
    return [row for row in node.history() if row["kind"] == "rule_expired" and f" {rule} " in row["reason"]]


def until_it_ends(node, path, end):
    """How often the rule blocked; each answer has to agree with the time at which its request was under way."""
    blocked = 0
    while True:
        sent = time.time()
        status = node.site(path).status
        received = time.time()
        if status != 403:
            assert received >= end, "the rule held until its second"
            return blocked
        assert sent < end, "the rule does not hold from its second on"
        blocked += 1


def test_a_rule_stops_at_its_second_and_its_end_is_reported_once(waf):
    added = send_rule(waf, "POST", body={"id": "short", "field": "Path", "pattern": "/short", "action": "Block", "ttl_seconds": 2})
    blocked = until_it_ends(waf, "/short", moment(added.json["expires_at"]))
    wait_for("the report", lambda: ends_of(waf, "short"))
    (row,) = ends_of(waf, "short")
    assert row["reason"] == f"Rule expired: short after 2 s, {blocked} blocks" and row["success"] and row["by"] == "expiry"
    assert row["version"] == waf.version("universal-waf")["version"]
    assert f"Rule expired: short after 2 s, {blocked} blocks" in waf.log.read_text()
    assert "short" not in active(waf)

    # The next one ends while the agent is away; it comes twice, and the one before is not reported again.
    added = send_rule(waf, "POST", body={"id": "away", "field": "Path", "pattern": "/away", "action": "Block", "ttl_seconds": 2})
    assert added.json["dropped"] == ["short"]
    waf.kill_agent()
    blocked = until_it_ends(waf, "/away", moment(added.json["expires_at"]))
    for _ in range(2):
        waf.start()
        wait_for("the report", lambda: ends_of(waf, "away"))
        waf.kill_agent()
    waf.start()
    (row,) = ends_of(waf, "away")
    assert row["reason"] == f"Rule expired: away after 2 s, {blocked} blocks"
    assert len(ends_of(waf, "short")) == 1
    assert waf.version("universal-waf")["version"] == row["version"], "nothing was reloaded for it"
