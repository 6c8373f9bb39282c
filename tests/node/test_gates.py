"""What an upload would cost the requests, and which rules it would lose: told, and refused where it is too much."""

import json

from support.processes import wait_for
from support.wasm_sections import distinct

KEYS = {"waf.wasm.gates": {"cost_floor": 100_000}}


def rules(count, **more):
    return json.dumps([{"id": f"rule-{number}", "hash": "01", **more} for number in range(count)])


def test_the_cost_of_an_upload_is_told_and_limits_the_next(make_node):
    node = make_node("works_hard", tables={**KEYS, "waf.wasm": {"config": "hard.json"}}, start=False)
    (node.folder / "hard.json").write_text("1000")
    node.start()
    first = node.history()[0]
    assert first["cost"]["fuel"] > 2000 and first["cost"]["at_least"] is False

    # Ten times as much is under the floor; then ten times that is too much, and the request that shows it is named.
    cheap = node.upload(config="10000", reason="under the floor")
    assert cheap.status == 200, cheap
    assert 8 < cheap.json["cost"]["fuel"] / first["cost"]["fuel"] < 12
    in_force = f'secbeat_module_cost_fuel{{module="{node.version()["name"]}",version="v2"}} '
    told, = (line for line in node.get("/metrics").body.decode().splitlines() if line.startswith("secbeat_module_cost_fuel{"))
    assert told.startswith(in_force) and float(told.removeprefix(in_force)) == cheap.json["cost"]["fuel"], told
    refused = node.upload(config='"200000 nested"')
    assert (refused.status, refused.json["code"], refused.json["status"]) == (422, "cost_limit", "still_serving_v2")
    cost = refused.json["cost"]
    assert cost["request"] == "nested-arrays" and cost["fuel"] > 10 * cheap.json["cost"]["fuel"]
    for part in ("nested-arrays", str(cost["fuel"]), str(cheap.json["cost"]["fuel"]), "10 times", "v2"):
        assert part in refused.json["error"], refused.json["error"]
    row = node.history()[0]
    assert (row["success"], row["code"], row["cost"], row["version"]) == (False, "cost_limit", cost, "v2")
    dry = node.upload(config='"200000 nested"', dry_run="true")
    assert (dry.status, dry.json["code"]) == (422, "cost_limit")

    forced = node.cli("reload", "--config", str(config_file(node, '"200000 nested"')), "--force")
    assert forced.returncode == 0, forced.stderr
    assert f"cost: {cost['fuel']:,} fuel (nested-arrays)" in forced.stdout, forced.stdout
    assert "forced: The sample request nested-arrays" in forced.stdout
    assert node.history()[0]["cost"] == cost
    assert node.upload(config='"210000 nested"').status == 200, "it is compared with what serves now"
    assert node.rollback(to_version="v2").status == 200
    assert node.upload(config='"220000 nested"').json["code"] == "cost_limit", "v2 is cheap"


def config_file(node, text):
    file = node.folder / "changed.json"
    file.write_text(text)
    return file


def test_an_absolute_limit_holds_for_the_first_upload_too(make_node):
    node = make_node("allow_all", tables={"waf.wasm": {"fuel_limit": 50_000}})
    refused = node.upload("works_hard", name="second", config="100000")
    assert (refused.status, refused.json["code"], refused.json["status"]) == (422, "cost_limit", "no_module_serving")
    assert "the limit is 50000 (fuel_limit)" in refused.json["error"]
    loaded = node.upload("works_hard", name="second", config="1000")
    assert loaded.status == 200, loaded
    # An endless loop that only an expensive request meets: it is stopped, and what is told is a lower bound.
    endless = node.upload(name="second", config='"4000000000 nested"')
    assert endless.json["code"] == "cost_limit"
    assert endless.json["cost"] == {"fuel": 1_000_000_000, "request": "nested-arrays", "at_least": True}


def test_which_rules_come_and_go_is_told(make_node):
    node = make_node("has_inventory")
    first = node.history()[0]["inventory"]
    assert (first["rules"], first["compared_with"], first["added"]) == (3, None, None)
    same = node.upload(distinct(node.guest("has_inventory").read_bytes(), 1), name="has_inventory")
    told = same.json["inventory"]
    assert (told["rules"], told["compared_with"], told["rules_before"]) == (3, "v1", 3)
    assert (told["added"], told["removed"], told["changed"]) == (0, 0, 0)

    other = json.dumps([{"id": "Nikto", "hash": "ab"}, {"id": "new", "tags": ["x"]}])
    answer = node.upload("lists_configuration", name="has_inventory", config=other)
    told = answer.json["inventory"]
    assert told["added_ids"] == ["new"] and told["removed_ids"] == ["admin-path", "SQLMap"]
    assert told["changed_ids"] == ["Nikto"] and told["rules"] == 2
    assert node.history()[0]["inventory"] == told
    file = config_file(node, json.dumps([{"id": f"r{number}"} for number in range(30)]))
    shown = node.cli("reload", "--config", str(file)).stdout
    assert "rules: 30" in shown and "added 30: r0, r1" in shown and "removed 2: Nikto, new" in shown, shown
    node.stop()
    node.start()
    assert len(node.history()[0]["inventory"]["added_ids"]) == 20
    assert node.upload(config=rules(30), dry_run="true").json["inventory"]["removed"] == 30, "known after a restart"


def test_an_upload_that_loses_most_rules_is_refused_unless_forced(make_node):
    node = make_node("lists_configuration", tables={"waf.wasm": {"config": "rules.json"}}, start=False)
    (node.folder / "rules.json").write_text(rules(40))
    node.start()
    for shrunk in (rules(19), "[]"):
        refused = node.upload(config=shrunk)
        assert (refused.status, refused.json["code"], refused.json["status"]) == (422, "inventory_shrank", "still_serving_v1")
        assert "of the 40 of v1" in refused.json["error"] and "max_rules_lost_percent" in refused.json["error"]
        assert refused.json["inventory"]["removed_ids"][0] == "rule-0" or refused.json["inventory"]["rules"] == 19
        assert node.history()[0]["code"] == "inventory_shrank"
    assert node.upload("allow_all", name="lists_configuration").json["code"] in ("configure_failed", "inventory_shrank")
    assert node.upload(config=rules(20)).json["inventory"]["removed"] == 20
    forced = node.upload(config="[]", force="true")
    assert forced.status == 200
    assert any(warning.startswith("forced: 0 rules would be left") for warning in forced.json["warnings"])
    assert node.upload(config=rules(3)).status == 200


# The API takes JSON only; what is none is left to the unit tests.
HOSTILE = {
    "no array": '{"rules":[]}',
    "no ids": '[{"hash":"01"}]',
    "the same id twice": '[{"id":"a"},{"id":"a"}]',
    "a control character": '[{"id":"a\\u001b[2J"}]',
    "a long id": json.dumps([{"id": "x" * 129}]),
    "numbers": '[{"id":1}]',
    "nested": json.dumps([[[[[]]]]]),
    "many tags": json.dumps([{"id": "a", "tags": ["t"] * 17}]),
    "many rules": rules(10_001),
}


def test_hostile_inventories_count_as_none_and_say_why(make_node):
    node = make_node("lists_configuration")
    for what, text in HOSTILE.items():
        answer = node.upload(config=text)
        assert answer.status == 200, (what, answer)
        assert answer.json["inventory"] is None, what
        assert any("inventory cannot be used" in warning for warning in answer.json["warnings"]), (what, answer.json)
    assert node.upload(config=rules(10_000)).json["inventory"]["rules"] == 10_000
    assert node.upload(config='[{"id":1}]').json["code"] == "inventory_shrank", "what cannot be seen counts as gone"


def test_a_changed_file_is_held_to_its_cost_and_not_to_its_rules(make_node):
    tables = {**KEYS, "waf.wasm": {"config": "rules.json"}, "waf.wasm.reload": {"auto_reload_on_file_change": True}}
    node = make_node("lists_configuration", tables=tables, start=False)
    file = node.folder / "rules.json"
    file.write_text(rules(40))
    node.start()
    file.write_text(rules(2))
    wait_for("the file", lambda: node.version()["version"] == "v2")
    assert node.history()[0]["inventory"]["removed"] == 38
    module = node.folder / "lists_configuration.wasm"
    file.write_text("1000000")
    module.write_bytes(node.guest("works_hard").read_bytes())
    wait_for("a refusal", lambda: node.history()[0]["code"] == "cost_limit", log=node.log)
    assert node.version()["version"] == "v2"


def test_without_the_costing_nothing_is_counted_and_nothing_refused(make_node):
    node = make_node("allow_all", tables={"waf.wasm": {"fuel_limit": 1}, "waf.wasm.gates": {"count_cost": False}})
    answer = node.upload("block_when_header", name="allow_all")
    assert (answer.status, answer.json["cost"]) == (200, None)
