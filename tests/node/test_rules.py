"""Rules as data: universal-waf on a node, with documents as people write them."""

import json
import subprocess
from pathlib import Path

import pytest

from support.processes import wait_for

# The document with which the project describes its rules, to the letter.
TWO_RULES = ('{"rules":[{"id":"block-sqli-pattern","field":"URI","pattern":"*\' OR *--*","action":"Block"},'
             '{"id":"block-short-ua-admin","field":"Header:User-Agent","pattern":".","max_length":20,'
             '"requires":{"URI":"/admin/*"},"action":"RateLimit"}]}')


@pytest.fixture
def waf(make_node):
    node = make_node("universal-waf", tables={"waf.wasm": {"config": "waf-config.json"},
                                              "waf.rate_limit": {"requests_per_second": 0.01, "burst": 1}}, start=False)
    (node.folder / "waf-config.json").write_text(TWO_RULES)
    return node.start()


def curl(node, path, *options):
    """The status, and the receipt that says who decided."""
    done = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %header{x-secbeat-receipt}", *options,
                           f"http://127.0.0.1:{node.site_port}{path}"], capture_output=True, text=True, check=True)
    status, receipt = done.stdout.split(" ", 1)
    return int(status), receipt


def test_the_two_rules_of_the_description_do_what_they_say(waf):
    assert curl(waf, "/?id=1'%20OR%201=1--")[0] == 403
    assert curl(waf, "/?id=1%27%20or%20%271%27--x")[0] == 403
    assert curl(waf, "/?id=1'%20OR%201=1")[0] == 200

    # RateLimit: the first passes, those above the client's rate do not; other requests of the client do.
    answers = [curl(waf, "/admin/users", "-A", "short")[0] for _ in range(4)]
    assert answers[0] == 200 and 429 in answers and not set(answers) - {200, 429}, answers
    assert curl(waf, "/admin/users", "-A", "an agent that is longer than twenty")[0] == 200
    assert curl(waf, "/admin/users", "-H", "User-Agent:")[0] == 200
    assert curl(waf, "/", "-A", "short")[0] == 200

    both = {("block", "block-sqli-pattern"), ("rate_limit", "block-short-ua-admin")}
    wait_for("both to be listed", lambda: both <= {(row["verdict"], row["rule"])
                                                   for row in waf.get("/api/v1/requests").json["requests"]})
    decided = waf.get("/api/v1/requests").json["requests"]
    blocked = next(row for row in decided if row["verdict"] == "block")
    assert blocked["message"] == "URI matches *' OR *--*" and blocked["module"] == "universal-waf"


def test_a_changed_document_is_a_new_version_and_a_wrong_one_is_refused_with_its_place(waf):
    changed = {"rules": [{"id": "no-trace", "field": "Method", "pattern": "TRACE", "action": "Block"},
                         {"id": "old", "field": "URI", "pattern": "/old/*", "action": "Log"}]}
    answer = waf.upload(config=json.dumps(changed))
    assert answer.status == 200, answer
    assert answer.json["inventory"]["rules"] == 2, answer.json
    assert curl(waf, "/?id=1'%20OR%201=1--")[0] == 200

    changed["rules"][1]["patern"] = changed["rules"][1].pop("pattern")
    refused = waf.upload(config=json.dumps(changed, indent=1))
    assert (refused.status, refused.json["code"]) == (422, "configure_failed"), refused
    assert 'rule "old", key "patern", line 13 column 4: no such key' in refused.json["error"], refused.json["error"]
    assert curl(waf, "/old/x")[0] == 200
    assert waf.version()["config_sha256"] == answer.json["config_sha256"]


@pytest.fixture(scope="module")
def plain(make_shared_node):
    """A node without the module, as somebody has it who has configured nothing for rules."""
    return make_shared_node("allow_all", tables={"waf.rate_limit": {"requests_per_second": 0.01, "burst": 1}})


def rules_call(node, method, path="", body=None, **headers):
    if body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(body).encode()
    return node.api(method, f"/api/v1/rules{path}", {name.replace("_", "-"): value for name, value in headers.items()}, body)


def test_the_two_rules_are_added_over_the_api_of_a_node_that_knows_nothing_of_rules(plain):
    assert rules_call(plain, "GET").json == {"rules": []}
    first, second = json.loads(TWO_RULES)["rules"]
    added = rules_call(plain, "POST", body=first)
    assert (added.status, added.json["name"], added.json["rules"]) == (200, "universal-waf", 1), added
    assert curl(plain, "/?id=1'%20OR%201=1--")[0] == 403
    again = rules_call(plain, "POST", body=second)
    assert again.status == 200, again
    assert curl(plain, "/?id=1'%20OR%201=1--")[0] == 403
    answers = [curl(plain, "/admin/users", "-A", "short")[0] for _ in range(4)]
    assert answers[0] == 200 and 429 in answers, answers
    shown = rules_call(plain, "GET").json["rules"]
    assert [{key: rule[key] for key in rule if key != "created_at"} for rule in shown] == [first, second]
    newest = plain.history()[0]
    assert (newest["kind"], newest["name"], newest["reason"]) == ("config", "universal-waf", "Rule added: block-short-ua-admin")

    assert rules_call(plain, "POST", body=first).json["code"] == "rule_exists"
    wrong = rules_call(plain, "POST", body={"id": "wrong", "field": "URI", "patern": "x", "action": "Block"})
    assert (wrong.status, wrong.json["code"]) == (422, "configure_failed"), wrong
    assert 'rule "wrong", key "patern"' in wrong.json["error"], wrong.json["error"]

    assert rules_call(plain, "DELETE", "/block-sqli-pattern").status == 200
    assert curl(plain, "/?id=1'%20OR%201=1--")[0] == 200
    back = plain.rollback(name="universal-waf")
    assert back.status == 200, back
    assert curl(plain, "/?id=1'%20OR%201=1--")[0] == 403


def test_who_has_read_an_older_state_changes_nothing(plain):
    etag = rules_call(plain, "GET").headers["ETag"]
    document = {"rules": [{"id": "old", "field": "Path", "pattern": "/old", "action": "Block"}]}
    assert rules_call(plain, "PUT", body=document).status == 428
    assert rules_call(plain, "PUT", body=document, If_Match=etag).status == 200
    assert rules_call(plain, "PUT", body=document, If_Match=etag).status == 412
    assert curl(plain, "/old")[0] == 403
    one = rules_call(plain, "GET", "/old")
    changed = {**one.json, "pattern": "/older"}
    assert rules_call(plain, "PUT", "/old", changed, If_Match=one.headers["ETag"]).status == 200
    assert rules_call(plain, "PUT", "/old", changed, If_Match=one.headers["ETag"]).status == 412
    assert (curl(plain, "/old")[0], curl(plain, "/older")[0]) == (200, 403)


def test_a_rule_with_a_time_to_live_stops_and_leaves_the_listing(plain):
    added = rules_call(plain, "POST", body={"id": "short", "field": "Path", "pattern": "/short", "action": "Block",
                                            "ttl_seconds": 2})
    assert added.status == 200 and added.json["expires_at"], added
    version = added.json["version"]
    assert "ttl_seconds" not in rules_call(plain, "GET", "/short").json
    wait_for("the rule stops", lambda: curl(plain, "/short")[0] == 200)
    wait_for("it leaves the listing", lambda: rules_call(plain, "GET", "/short").status == 404)
    assert plain.version("universal-waf")["version"] == version
    dropped = rules_call(plain, "POST", body={"id": "next", "field": "Path", "pattern": "/next", "action": "Log"})
    assert dropped.json["dropped"] == ["short"], dropped.json


def test_the_command_line_lists_shows_adds_and_removes_rules(plain, tmp_path):
    file = tmp_path / "rule.json"
    file.write_text(json.dumps({"id": "by-hand", "field": "Path", "pattern": "/by-hand", "action": "Block"}))
    added = plain.cli("rules", "add", str(file), "--reason", "why not")
    assert added.returncode == 0 and "Rule added: by-hand" in added.stdout, added
    assert curl(plain, "/by-hand")[0] == 403
    assert plain.history()[0]["reason"] == "Rule added: by-hand (why not)"
    assert "by-hand" in plain.cli("rules", "list").stdout
    assert json.loads(plain.cli("rules", "show", "by-hand").stdout)["pattern"] == "/by-hand"
    assert plain.cli("rules", "add", str(file)).returncode == 1
    assert json.loads(plain.cli("rules", "remove", "by-hand", "--json").stdout)["success"] is True
    assert plain.cli("rules", "show", "by-hand").returncode == 1
    assert plain.cli("rules", "add", str(tmp_path / "none.json")).returncode == 2


def test_the_schema_of_rules_is_given_out(plain):
    answer = plain.get("/rules.schema.json")
    assert answer.status == 200
    assert answer.json == json.loads((Path(__file__).resolve().parents[2] / "docs/rules.schema.json").read_text())
