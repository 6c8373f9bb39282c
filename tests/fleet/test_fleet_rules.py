"""Rules over the orchestrator's API and over NATS: a real orchestrator, real nodes with nginx, a real nats-server."""

import json
import re

import pytest

from support.node import Load
from support.processes import wait_for

ALL = ["node-1", "node-2", "node-3"]


def rule(name, pattern, **more):
    return {"id": name, "field": "URI", "pattern": pattern, "action": "Block", **more}


def send(orchestrator, method, path, document=None, **headers):
    body = document if isinstance(document, (str, bytes, type(None))) else json.dumps(document)
    return orchestrator.api(method, path, {"Content-Type": "application/json", **headers} if body is not None else headers, body)


def add(orchestrator, document, **headers):
    return send(orchestrator, "POST", "/api/v1/rules", document, **headers)


def remove(orchestrator, *names):
    for name in names:
        answer = send(orchestrator, "DELETE", f"/api/v1/rules/{name}")
        assert answer.status == 200, answer


def statuses(fleet, path):
    return [node.site(path).status for node in fleet.nodes]


def said(orchestrator):
    """What its log says, without time and level."""
    return [re.sub(r"^\S+Z \w+ ", "", line) for line in orchestrator.log.read_text(errors="replace").splitlines()]


@pytest.fixture
def whole(fleet):
    wait_for("three nodes to report", lambda: sorted(fleet.orchestrator.nodes()) == ALL, log=fleet.orchestrator.log)
    return fleet


def test_a_rule_blocks_on_every_node_with_one_call_under_traffic(whole):
    before = len(said(whole.orchestrator))
    assert statuses(whole, "/?q='+or+1--") == [200] * 3
    loads = [Load(node, rate=100, connections=2) for node in whole.nodes]
    for load in loads:
        load.__enter__()
    try:
        document = json.dumps(rule("block_sqli_v2", "*' or *--*", confidence=0.97,
                                   evidence="14 of 15 requests of one client", origin="anomaly-detector", ttl_seconds=600))
        status, body = whole.nodes[0].curl("--json", document, f"http://127.0.0.1:{whole.orchestrator.api_port}/api/v1/rules")
    finally:
        for load in loads:
            load.__exit__()
    answer = json.loads(body)
    assert status == 200 and answer["success"], body
    assert answer["deployed_to"] == ALL and answer["failed"] == [] and answer["total_downtime_ms"] == 0, answer
    assert answer["expires_at"] and answer["deployed"] is True and answer["rules"] == 1, answer
    assert [load.lost[:2] for load in loads] == [(0, 0)] * 3, [load.lost for load in loads]
    assert statuses(whole, "/?q='%20or%201--") == [403] * 3

    lines = said(whole.orchestrator)[before:]
    fixed = ["New dynamic rule: block_sqli_v2", "Updated waf-config.json with new rule", "NATS: secbeat.wasm.reload"]
    fixed += [f"{name}: Reloaded universal-waf (0ms downtime)" for name in ALL]
    places = [lines.index(line) for line in fixed]
    assert places[:3] == sorted(places[:3]) and min(places[3:]) > places[2], lines

    listed = whole.orchestrator.get("/api/v1/rules").json["rules"]
    assert listed[0]["evidence"] == "14 of 15 requests of one client" and listed[0]["origin"] == "anomaly-detector", listed
    assert whole.nodes[2].get("/api/v1/rules").json["rules"] == listed
    active = whole.orchestrator.get("/api/v1/rules/active").json
    assert active["counted_nodes"] == ALL and active["silent_nodes"] == [], active
    assert [(one["id"], one["blocks"], one["confidence"]) for one in active["rules"]] == [("block_sqli_v2", 3, 0.97)], active
    stats = whole.orchestrator.get("/api/v1/rules/stats").json
    assert (stats["total_dynamic_rules"], stats["active_rules"], stats["total_blocks"], stats["false_positive_rate"]) == (1, 1, 3, None)
    row = whole.nodes[1].history()[0]
    assert row["reason"] == "Rule added: block_sqli_v2" and row["success"], row
    remove(whole.orchestrator, "block_sqli_v2")
    assert statuses(whole, "/?q='%20or%201--") == [200] * 3


def test_a_rule_is_entered_first_and_deployed_by_another_call(whole):
    entered = add(whole.orchestrator, rule("later", "/later*", deploy=False))
    assert entered.status == 200 and entered.json["deployed"] is False and entered.json["version"] is None, entered
    assert statuses(whole, "/later") == [200] * 3
    assert whole.orchestrator.get("/api/v1/rules").json["x-entered"][0]["id"] == "later"
    waits = whole.orchestrator.get("/api/v1/rules/later")
    assert waits.status == 200 and waits.json["x-entered"] is True and waits.json["pattern"] == "/later*", waits
    assert waits.headers["ETag"] == entered.headers["ETag"], (waits, entered)
    stale = send(whole.orchestrator, "DELETE", "/api/v1/rules/later", **{"If-Match": '"other"'})
    assert (stale.status, stale.json["code"]) == (412, "precondition_failed"), stale
    assert send(whole.orchestrator, "DELETE", "/api/v1/rules/later", **{"If-Match": waits.headers["ETag"]}).status == 200
    assert whole.orchestrator.get("/api/v1/rules/later").status == 404
    assert add(whole.orchestrator, rule("later", "/later*", deploy=False)).status == 200
    deployed = send(whole.orchestrator, "POST", "/api/v1/rules/deploy", {"rule_id": "later", "ttl_seconds": 300})
    assert deployed.status == 200, deployed
    assert (deployed.json["deployed_to"], deployed.json["failed"], deployed.json["nodes"]) == (3, 0, ALL), deployed
    assert deployed.json["deployment_time_ms"] > 0 and deployed.json["expires_at"], deployed
    assert statuses(whole, "/later") == [403] * 3
    at_once = send(whole.orchestrator, "POST", "/api/v1/rules/deploy", {"rule": rule("now", "/now*")})
    assert at_once.status == 200 and at_once.json["deployed_to"] == 3, at_once
    assert statuses(whole, "/now") == [403] * 3
    remove(whole.orchestrator, "later", "now")


@pytest.mark.parametrize(("document", "status", "code", "says"), [
    ('{"id": "a"', 400, "bad_json", "byte"),
    ('{"id": "a", "id": "b"}', 400, "bad_json", "twice"),
    ("[" * 5000, 400, "bad_json", ""),
    ("7", 422, "bad_rule", "object"),
    (rule("a\nNew dynamic rule: b", "/x"), 422, "bad_rule", "id"),
    (rule("deploy", "/x"), 422, "bad_rule", "taken"),
    (rule("a", "/x", confidence="high"), 422, "bad_rule", "confidence"),
    (rule("a", "/x", evidence=["x"]), 422, "bad_rule", "evidence"),
    (rule("a", "/x", deploy="no"), 422, "bad_rule", "deploy"),
    (rule("a", "/x", ttl_seconds=0), 422, "bad_rule", "ttl_seconds"),
    (rule("a", "/x", confidence=0.79), 422, "low_confidence", "0.79"),
    (rule("a", "/x", patern="/y"), 422, "configure_failed", "patern"),
    (rule("a", "", field="Url"), 422, "configure_failed", "rule \"a\""),
])
def test_what_is_no_rule_is_refused_with_its_place_and_changes_nothing(whole, document, status, code, says):
    before = whole.orchestrator.get("/api/v1/rules").headers["ETag"]
    answer = add(whole.orchestrator, document)
    assert (answer.status, answer.json["code"]) == (status, code), answer
    assert says in answer.json["error"], answer
    assert whole.orchestrator.get("/api/v1/rules").headers["ETag"] == before
    assert "New dynamic rule: b" not in said(whole.orchestrator)


@pytest.mark.parametrize(("document", "status", "code"), [
    ({}, 400, "bad_request"), ([], 400, "bad_request"), ({"rule_id": "../x"}, 400, "bad_request"),
    ({"rule_id": "nobody"}, 404, "unknown_rule"), ({"rule_id": "nobody", "ttl": 5}, 400, "unknown_field"),
    ({"rule_id": "nobody", "ttl_seconds": -5}, 400, "bad_request"),
    ({"rule": rule("a", "/x"), "ttl_seconds": 5}, 400, "unknown_field"),
    ({"rule": rule("a", "/x", deploy=False)}, 400, "bad_request"), ({"rule": 7}, 422, "bad_rule"),
])
def test_what_cannot_be_deployed_is_refused(whole, document, status, code):
    answer = send(whole.orchestrator, "POST", "/api/v1/rules/deploy", document)
    assert (answer.status, answer.json["code"]) == (status, code), answer


def test_if_match_guards_what_somebody_else_has_changed(whole):
    added = add(whole.orchestrator, rule("guarded", "/guarded*"))
    assert added.status == 200, added
    assert whole.orchestrator.get("/api/v1/rules/guarded").headers["ETag"] == added.headers["ETag"] == added.json["etag"]
    stale = send(whole.orchestrator, "DELETE", "/api/v1/rules/guarded", **{"If-Match": '"other"'})
    assert (stale.status, stale.json["code"]) == (412, "precondition_failed"), stale
    assert add(whole.orchestrator, rule("guarded", "/guarded*")).json["code"] == "rule_exists"
    assert send(whole.orchestrator, "DELETE", "/api/v1/rules/guarded", **{"If-Match": added.headers["ETag"]}).status == 200
    assert whole.orchestrator.get("/api/v1/rules/guarded").json["code"] == "unknown_rule"


def test_limits_are_the_orchestrators_own(whole):
    strict = whole.make_orchestrator("strict", tables={"rules": {
        "min_confidence": 0.95, "max_active_rules": 1, "default_ttl_seconds": 60, "max_new_rules_per_minute": 2}})
    try:
        assert add(strict, rule("unsure", "/x", confidence=0.9)).json["code"] == "low_confidence"
        first = add(strict, rule("sure", "/sure*", confidence=0.96))
        assert first.status == 200 and first.json["expires_at"], first
        full = add(strict, rule("more", "/more*"))
        assert (full.status, full.json["code"]) == (409, "too_many_rules") and "max_active_rules" in full.json["error"], full
        remove(strict, "sure")
        assert add(strict, rule("second", "/second*")).status == 200
        remove(strict, "second")
        third = add(strict, rule("third", "/third*"))
        assert (third.status, third.json["code"]) == (429, "rate_limited"), third
        assert 0 < int(third.headers["Retry-After"]) <= 60 and third.json["retry_after_seconds"] == int(third.headers["Retry-After"])
    finally:
        assert strict.stop() == 0


def test_a_rule_comes_over_nats_and_its_sender_is_answered(whole):
    client = whole.nats.client()
    answer = client.request("secbeat.rules.new", json.dumps(rule("from_nats", "/nats*", confidence=0.9)).encode())
    assert answer["success"] and answer["deployed_to"] == ALL and answer["expires_at"], answer
    assert statuses(whole, "/nats") == [403] * 3
    again = client.request("secbeat.rules.new", json.dumps(rule("from_nats", "/nats*")).encode())
    assert again["code"] == "rule_exists", again
    # A reply elsewhere is not written: the orchestrator may write where the sender may not.
    desired = whole.nats.client().request("$JS.API.STREAM.MSG.GET.KV_secbeat_desired", b'{"last_by_subj":"$KV.secbeat_desired.desired"}')
    client.publish("secbeat.rules.new", b"{}", reply="$KV.secbeat_desired.desired")
    wait_for("the refusal", lambda: "gets no answer" in whole.orchestrator.log.read_text(errors="replace"))
    assert whole.nats.client().request("$JS.API.STREAM.MSG.GET.KV_secbeat_desired",
                                       b'{"last_by_subj":"$KV.secbeat_desired.desired"}') == desired
    remove(whole.orchestrator, "from_nats")


def test_hostile_messages_are_refused_and_the_next_rule_comes_through(whole):
    client = whole.nats.client()
    hostile = [b"", b"\x00\xff", b"{" * 60000, b"[" * 60000, b'"' + b"a" * 70000 + b'"', b'{"id":"\x1b[31m"}', b'{"id":1e999}',
               json.dumps(rule("a", "/x" * 3000)).encode(), json.dumps(rule("a\nNew dynamic rule: evil", "/x")).encode()]
    for payload in hostile:
        answer = client.request("secbeat.rules.new", payload)
        assert answer["success"] is False and answer["code"], (payload[:40], answer)
        client.publish("secbeat.rules.new", payload)
    client.publish("secbeat.rules.new", json.dumps(rule("quiet", "/quiet*")).encode())
    wait_for("the rule to be in force", lambda: statuses(whole, "/quiet") == [403] * 3, log=whole.orchestrator.log)
    log = whole.orchestrator.log.read_bytes()
    assert b"\x1b[31m" not in log and "New dynamic rule: evil" not in said(whole.orchestrator)
    assert b"a rule that came on secbeat.rules.new is refused: bad_json" in log
    wait_for("the rule to be listed", lambda: whole.orchestrator.get("/api/v1/rules/quiet").status == 200)
    remove(whole.orchestrator, "quiet")


def test_an_end_is_told_once_for_the_fleet_with_its_blocks(whole):
    other = whole.make_orchestrator("orchestrator-2")
    try:
        version = add(whole.orchestrator, rule("short", "/short*", ttl_seconds=2)).json["version"]
        blocked = sum(status == 403 for status in statuses(whole, "/short"))

        def told():
            return [line for one in (whole.orchestrator, other) for line in said(one) if line.startswith("Rule expired: short ")]

        wait_for("the end to be told", told, log=whole.orchestrator.log)
        assert whole.orchestrator.get("/api/v1/rules").json["rules"] == [] == other.get("/api/v1/rules").json["rules"]
        assert statuses(whole, "/short") == [200] * 3
        # No reload: the next change drops it.
        assert {node.version("universal-waf")["version"] for node in whole.nodes} == {version}
        added = add(other, rule("next", "/next*"))
        assert added.json["dropped"] == ["short"], added
        remove(other, "next")
        assert told() == [f"Rule expired: short after 2 s, {blocked} blocks"], told()
    finally:
        assert other.stop() == 0


def test_the_command_line_lists_adds_deploys_and_removes(whole, tmp_path):
    file = tmp_path / "rule.json"
    file.write_text(json.dumps(rule("by_hand", "/by-hand*", deploy=False)))
    entered = whole.orchestrator.cli("rules", "add", str(file))
    assert entered.returncode == 0 and "by_hand" in entered.stdout, entered
    deployed = whole.orchestrator.cli("rules", "deploy", "by_hand", "--ttl-seconds", "600")
    assert deployed.returncode == 0 and "in force on 3 nodes" in deployed.stdout, deployed
    assert statuses(whole, "/by-hand") == [403] * 3
    listed = whole.orchestrator.cli("rules", "list")
    row = next(line.split() for line in listed.stdout.splitlines() if line.startswith("by_hand"))
    assert row[1] == "Block" and row[-1] == "3", listed.stdout
    removed = whole.orchestrator.cli("rules", "remove", "by_hand", "--reason", "over")
    assert removed.returncode == 0 and "3 nodes serve universal-waf" in removed.stdout, removed
    assert whole.orchestrator.cli("rules", "remove", "by_hand").returncode == 1
    file.write_text("{")
    refused = whole.orchestrator.cli("rules", "add", str(file))
    assert refused.returncode == 1 and "Malformed JSON" in refused.stderr, refused


def test_rules_that_have_ended_leave_with_the_next_edit_however_many_they_are(whole):
    ended = [rule(f"ended-{i}", f"/ended-{i}*", expires_at="2026-01-01T00:00:00Z") for i in range(12)]
    brought = whole.orchestrator.upload(name="universal-waf", config=json.dumps({"rules": [*ended, rule("stays", "/stays*")]}))
    assert brought.status == 200, brought
    assert [one["id"] for one in whole.orchestrator.get("/api/v1/rules").json["rules"]] == ["stays"]
    stats = whole.orchestrator.get("/api/v1/rules/stats").json
    assert (stats["total_dynamic_rules"], stats["active_rules"]) == (13, 1), stats
    # The guard against lost rules is for uploads.
    added = add(whole.orchestrator, rule("next", "/next*"))
    assert added.status == 200 and len(added.json["dropped"]) == 12 and added.json["rules"] == 2, added
    assert statuses(whole, "/stays") == statuses(whole, "/next") == [403] * 3
    remove(whole.orchestrator, "stays", "next")
