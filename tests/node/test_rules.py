"""Rules as data: universal-waf on a node, with documents as people write them."""

import json
import subprocess

import pytest

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

    decided = waf.get("/api/v1/requests").json["requests"]
    assert {(row["verdict"], row["rule"]) for row in decided} >= {("block", "block-sqli-pattern"),
                                                                  ("rate_limit", "block-short-ua-admin")}
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
