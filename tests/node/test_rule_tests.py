"""rule_tests of the configuration: no version comes into force that fails them."""

import json

RULES = {"rules": [{"id": "no-env", "field": "Path", "pattern": "*/.env", "action": "Block"}]}
TESTS = {"tests": [{"name": "secrets stay", "request": {"uri": "/a/.env"}, "verdict": "Block", "rule": "no-env"},
                   {"name": "the site answers", "verdict": "Allow", "rule": None}]}


def test_a_version_that_fails_the_tests_is_refused_and_what_serves_stays(make_node):
    node = make_node("universal-waf", tables={"waf.wasm": {"config": "waf-config.json", "rule_tests": "rule-tests.json"}}, start=False)
    (node.folder / "waf-config.json").write_text(json.dumps(RULES))
    tests = node.folder / "rule-tests.json"
    tests.write_text(json.dumps(TESTS))
    node.start()
    before = node.version()

    refused = node.upload(config='{"rules":[]}')
    assert (refused.status, refused.json["code"], refused.json["status"]) == (422, "rule_tests_failed", f"still_serving_{before['version']}"), refused
    assert '1 of 2 rule tests fail: "secrets stay" expected Block no-env, got Allow' in refused.json["error"], refused.json["error"]
    by_rule = node.delete("/api/v1/rules/no-env")
    assert (by_rule.status, by_rule.json["code"]) == (422, "rule_tests_failed"), by_rule
    everything = {"id": "all", "field": "URI", "pattern": "*", "action": "Block"}
    added = node.post("/api/v1/rules", json.dumps(everything).encode(), {"Content-Type": "application/json"})
    assert (added.status, added.json["code"]) == (422, "rule_tests_failed") and '"the site answers" expected Allow' in added.json["error"], added
    assert node.upload(config='{"rules":[]}', dry_run="true").json["code"] == "rule_tests_failed"
    assert node.history()[0]["code"] == "rule_tests_failed"
    assert node.version()["config_sha256"] == before["config_sha256"]
    assert (node.site("/a/.env").status, node.site("/").status) == (403, 200)

    good = node.post("/api/v1/rules", json.dumps({**everything, "id": "b", "pattern": "*b*"}).encode(), {"Content-Type": "application/json"})
    assert good.status == 200, good
    tests.write_text("{")
    broken = node.delete("/api/v1/rules/b")
    assert broken.json["code"] == "rule_tests_failed" and "malformed JSON at byte 1" in broken.json["error"], broken
    tests.unlink()
    assert node.delete("/api/v1/rules/b").json["code"] == "rule_tests_failed"
    forced = node.upload(config='{"rules":[]}', force="true")
    assert forced.status == 200 and any("rule tests" in warning for warning in forced.json["warnings"]), forced
    assert node.rollback().status == 200
    assert node.site("/a/.env").status == 403


def test_tests_need_the_rehearsal(make_node):
    node = make_node("universal-waf", tables={"waf.wasm": {"rule_tests": "rule-tests.json", "validate_before_reload": False}}, start=False)
    node.write_config()
    done = node.cli("node", "--check", "--config", str(node.config))
    assert done.returncode == 2 and "rule_tests are part of the rehearsal" in done.stderr, done
