"""Rollouts to some nodes of a fleet, and how many of them may be out of reach."""

from support.processes import wait_for

MODULE = "bad-bot-blocker"
REGIONS = {"node-1": "eu", "node-2": "eu", "node-3": "us"}


def test_a_target_by_label_and_how_many_of_it_may_be_away(make_orchestrator, make_node, nats):
    one = make_orchestrator(tables={"orchestrator": {"stage_timeout_seconds": 2}})
    nodes = {name: make_node(name=name, tables={"nats": {"url": nats.url}, "node": {"name": name}, "node.labels": {"region": region},
                                                "proxy": {"workers": 1}}) for name, region in REGIONS.items()}
    wait_for("the nodes to report", lambda: len(one.nodes()) == 3, log=one.log)
    assert {name: node["labels"] for name, node in one.nodes().items()} == {name: {"region": region} for name, region in REGIONS.items()}

    def served(*names):
        return [nodes[name].version(MODULE)["version"] for name in names]

    def to_europe(guest, **fields):
        return one.upload(guest, name=MODULE, target="region=eu", **fields)

    everywhere = one.upload("allow_all", name=MODULE)
    assert everywhere.status == 200 and everywhere.json["deployed_to"] == sorted(REGIONS), everywhere
    nobody = one.upload("generation_1", name=MODULE, target="region=moon")
    assert nobody.status == 409 and nobody.json["code"] == "no_nodes" and "region=moon" in nobody.json["error"], nobody
    some = to_europe("generation_1", max_unavailable="0")
    assert some.status == 200 and some.json["deployed_to"] == ["node-1", "node-2"] and not some.json["failed"], some
    old, new = everywhere.json["version"], some.json["version"]
    assert served(*REGIONS) == [new, new, old] and old != new
    assert [module["desired"] for module in one.get("/api/v1/versions").json["modules"]] == [old], "what the fleet wants stays"

    nodes["node-1"].kill_agent()  # it still counts as one that reports
    refused = to_europe("generation_2", max_unavailable="0")
    assert refused.status == 503 and refused.json["code"] == "max_unavailable", refused
    assert refused.json["outcome"] == "nothing_swapped" and [failure["node"] for failure in refused.json["nodes"]] == ["node-1"], refused
    assert served("node-2", "node-3") == [new, old]
    allowed = to_europe("generation_2", max_unavailable="1")
    assert allowed.status == 200 and allowed.json["deployed_to"] == ["node-2"], allowed
    assert [failure["node"] for failure in allowed.json["failed"]] == ["node-1"], allowed
    assert served("node-2", "node-3") == [allowed.json["version"], old] and nodes["node-1"].site().status == 200

    seen = one.nodes()["node-1"]["last_seen"]
    nodes["node-1"].start()
    wait_for("it to report", lambda: one.nodes()["node-1"]["last_seen"] != seen, log=nodes["node-1"].log)
    synced = one.post("/api/v1/wasm/sync-versions")
    assert synced.json["synced"] == ["node-1", "node-2"] and served(*REGIONS) == [old] * 3, synced
