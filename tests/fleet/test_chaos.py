"""What happens to a whole fleet, its orchestrator in the middle of something: versions go one way only, and clients notice nothing.

SECBEAT_CHAOS_SECONDS: how long a canary by hand is left alone; scripts/chaos_rounds.sh takes the five minutes."""

import os
import time

import pytest

from support.fleet_by_hand import DESIRED, MODULES, NODES
from support.processes import wait_for
from support.traffic import traffic

MODULE = "bad-bot-blocker"
ALL = ["node-1", "node-2", "node-3"]
LEFT_ALONE = float(os.environ.get("SECBEAT_CHAOS_SECONDS", "4"))  # some looks of every node at what is desired


def served(fleet):
    return [node.version(MODULE)["sha256"] for node in fleet.nodes]


def reporting(fleet):
    """Nobody, while there is no bucket to report to."""
    answer = fleet.orchestrator.get("/api/v1/nodes")
    return sorted(node["node"] for node in answer.json["nodes"]) if answer.status == 200 else []


def swaps_of(fleet, rollout):
    """How often each node has swapped for it."""
    return [len([row for row in node.history() if row["request_id"] == rollout and row["success"]]) for node in fleet.nodes]


def in_observation(fleet, guest, seconds):
    """A rollout whose canary is observed; (its id, its canary's place among the nodes)."""
    begun = fleet.orchestrator.upload(guest, name=MODULE, canary="1", observe_seconds=str(seconds), wait="false")
    assert begun.status == 202, begun
    rollout = fleet.orchestrator.await_state(begun.json["rollout_id"], "observing")
    assert rollout["state"] == "observing", rollout
    return rollout["id"], ALL.index(rollout["waves"][0]["nodes"][0]["node"])


@pytest.fixture
def whole(fleet):
    """All of it as every test finds it: each node serves what is desired."""
    wait_for("three nodes to report", lambda: sorted(fleet.orchestrator.nodes()) == ALL, log=fleet.orchestrator.log)
    answer = fleet.orchestrator.upload("allow_all", name=MODULE)
    assert answer.status == 200 and answer.json["deployed_to"] == ALL, answer
    return fleet


def is_in_step(fleet):
    """sync-versions has nothing to do, and says so."""
    answer = fleet.orchestrator.post("/api/v1/wasm/sync-versions")
    assert answer.status == 200, answer
    assert (answer.json["synced"], answer.json["already_current"], answer.json["failed"], answer.json["unreachable"]) == ([], ALL, [], [])
    return True


@pytest.mark.parametrize(("table", "key", "limit", "guest", "code"), [
    ("waf.wasm", "max_module_bytes", 3000, "bad-bot-blocker", "too_large"),
    ("waf.wasm.reload", "compile_memory_mib", 64, "heavy", "memory_limit")])
def test_one_node_whose_limits_are_lower_means_that_nothing_swaps_anywhere(whole, table, key, limit, guest, code):
    poor, before = whole.nodes[2], served(whole)
    poor.tables[table][key] = limit
    poor.stop()
    poor.start()
    wait_for("it to report", lambda: "node-3" in whole.orchestrator.nodes())
    try:
        with traffic(whole.nodes):
            refused = whole.orchestrator.upload(guest, name=MODULE)
        assert refused.status == 422 and refused.json["code"] == "stage_failed" and refused.json["outcome"] == "nothing_swapped", refused
        assert [(failure["node"], failure["code"]) for failure in refused.json["nodes"]] == [("node-3", code)], refused.json
        assert served(whole) == before and swaps_of(whole, refused.json["rollout_id"]) == [0, 0, 0]
    finally:
        del poor.tables[table][key]
        poor.stop()
        poor.start()
    assert is_in_step(whole)


def test_a_canary_by_hand_stays_until_the_fleet_has_what_it_has(whole):
    with traffic(whole.nodes):
        assert whole.nodes[0].upload("generation_1", name=MODULE).status == 200
        canary = served(whole)
        assert canary[0] != canary[1] == canary[2]
        client, until = whole.nats.client(), time.monotonic() + LEFT_ALONE
        whole.orchestrator.stop()
        whole.orchestrator.start()
        while time.monotonic() < until:
            client.publish("secbeat.wasm.reload", b"{}")  # each node looks at what is desired
            assert served(whole) == canary
            time.sleep(0.2)  # no faster: five minutes of it are many calls
        client.close()
        whole.nodes[0].kill_agent()
        whole.nodes[0].start()
        assert served(whole) == canary
        done = whole.orchestrator.upload("generation_1", name=MODULE)
        assert done.status == 200 and done.json["deployed_to"] == ALL, done
    assert served(whole) == [canary[0]] * 3 and swaps_of(whole, done.json["rollout_id"])[1:] == [1, 1]
    assert is_in_step(whole)


def test_a_nats_server_that_is_killed_while_a_canary_is_observed_holds_the_rollout_up(whole):
    before = served(whole)
    with traffic(whole.nodes):
        rollout, canary = in_observation(whole, "generation_1", 3)
        whole.nats.kill()
        now = served(whole)
        assert [now[i] == before[i] for i in range(3)] == [i != canary for i in range(3)]
        wait_for("it to be noticed", lambda: whole.orchestrator.get("/api/v1/rollouts").status == 503, log=whole.orchestrator.log)
        assert served(whole) == now, "nobody goes on without NATS"
        whole.nats.start()
        ended = whole.orchestrator.await_end(rollout)
    assert ended["state"] == "done" and set(served(whole)) == {now[canary]} and swaps_of(whole, rollout) == [1, 1, 1], ended
    assert is_in_step(whole)


def test_streams_that_are_deleted_under_a_rollout_bring_nothing_back(whole):
    before = served(whole)
    with traffic(whole.nodes):
        rollout, canary = in_observation(whole, "generation_2", 300)
        now, client = served(whole), whole.nats.client()
        for stream in (f"KV_{DESIRED}", "KV_secbeat_rollouts", f"KV_{NODES}", f"OBJ_{MODULES}"):
            client.delete_stream(stream)
        client.publish("secbeat.wasm.reload", b"{}")
        client.close()
        wait_for("the orchestrator to notice", lambda: f"rollout {rollout} is left to others" in whole.orchestrator.log.read_text())
        assert served(whole) == now and [now[i] == before[i] for i in range(3)] == [i != canary for i in range(3)]
        wait_for("three nodes to report again", lambda: reporting(whole) == ALL, log=whole.orchestrator.log)
        assert served(whole) == now, "an empty bucket is no order"
        done = whole.orchestrator.upload("generation_3", name=MODULE)
        assert done.status == 200 and done.json["deployed_to"] == ALL, done
    assert len(set(served(whole))) == 1 and swaps_of(whole, done.json["rollout_id"]) == [1, 1, 1]
    assert is_in_step(whole)
