"""Cables that are pulled in the middle of a rollout, and plugged in again: what is sent is lost in silence, and no connection ends.

SECBEAT_CHAOS=1 (scripts/chaos_rounds.sh) runs those that wait for reports to expire and for leases to run out."""

import functools
import os
import threading

import pytest

from support.cables import NatsBehindCables
from support.fleet_by_hand import NODES
from support.processes import wait_for
from support.traffic import traffic

MODULE = "bad-bot-blocker"
ALL = ["node-1", "node-2", "node-3"]
SOON = {"stage_timeout_seconds": 2, "compile_timeout_seconds": 10}  # a node that works is awaited 15 s longer
slow = pytest.mark.skipif("SECBEAT_CHAOS" not in os.environ, reason="scripts/chaos_rounds.sh runs it")


def pull_until_reports_expire(nats, *who):
    nats.pull(*who)
    client = nats.client()
    wait_for("reports to expire", lambda: not any(client.get(NODES, name) for name in ALL))
    client.close()


@pytest.fixture(scope="module")
def fleet(fleet_of):
    parties = [*ALL, "orchestrator-1", "orchestrator-2"]
    with fleet_of(3, make_nats=functools.partial(NatsBehindCables, parties=parties),
                  tables={"orchestrator": {"name": "orchestrator-1", **SOON}}) as three:
        yield three


@pytest.fixture
def whole(fleet):
    fleet.nats.plug(*fleet.nats.numbers)
    wait_for("three nodes to report", lambda: sorted(fleet.orchestrator.nodes()) == ALL, log=fleet.orchestrator.log)
    fleet.orchestrator.upload("allow_all", name=MODULE)
    wait_for("three nodes in step", lambda: set(served(fleet)) == {fleet.orchestrator.get("/api/v1/versions").json["modules"][0]["desired"]})
    return fleet


def served(fleet):
    return [node.version(MODULE)["version"] for node in fleet.nodes]


def swaps_of(fleet, rollout):
    return [len([row for row in node.history() if row["request_id"] == rollout and row["success"]]) for node in fleet.nodes]


def in_observation(orchestrator, guest, seconds):
    """(the rollout's id, its canary, the others)"""
    begun = orchestrator.upload(guest, name=MODULE, canary="1", observe_seconds=str(seconds), wait="false")
    assert begun.status == 202, begun
    rollout = orchestrator.await_state(begun.json["rollout_id"], "observing")
    assert rollout["state"] == "observing", rollout
    canary, *others = [node["node"] for wave in rollout["waves"] for node in wave["nodes"]]
    return rollout["id"], canary, others


@slow
def test_a_node_that_is_cut_off_before_a_rollout_is_left_out_and_follows(whole):
    before = served(whole)[2]
    with traffic(whole.nodes):
        whole.nats.pull("node-3")
        done = whole.orchestrator.upload("generation_1", name=MODULE)
        assert done.status == 200 and done.json["deployed_to"] == ALL[:2], done
        assert [(failure["node"], failure["code"]) for failure in done.json["failed"]] == [("node-3", "unreachable")]
        assert served(whole) == [done.json["version"]] * 2 + [before]
        told = whole.orchestrator.post("/api/v1/wasm/sync-versions").json
        assert (told["already_current"], [one["node"] for one in told["unreachable"]]) == (ALL[:2], ["node-3"]), told
        whole.nats.plug("node-3")
        wait_for("it to follow", lambda: served(whole) == [done.json["version"]] * 3, log=whole.nodes[2].log)


def test_a_node_that_is_cut_off_between_stage_and_commit_follows(whole):
    with traffic(whole.nodes):
        rollout, _, others = in_observation(whole.orchestrator, "generation_2", 2)
        whole.nats.pull(others[-1])
        ended = whole.orchestrator.await_end(rollout)
        assert ended["state"] == "done", ended
        assert {node["node"]: node["state"] for node in ended["waves"][1]["nodes"]} == {others[0]: "committed", others[1]: "unreachable"}
        whole.nats.plug(others[-1])
        wait_for("it to follow", lambda: served(whole) == [ended["version"]] * 3, log=whole.nodes[2].log)


@slow
def test_a_node_that_is_cut_off_while_it_gets_ready_means_that_nothing_swaps_anywhere(whole):
    before, answers = served(whole), []
    with traffic(whole.nodes):
        call = threading.Thread(target=lambda: answers.append(whole.orchestrator.upload("heavy", name=MODULE)))
        call.start()
        wait_for("node-3 to compile", whole.nodes[2].compile_child)
        whole.nats.pull("node-3")
        call.join()
        refused, = answers
        assert refused.status == 422 and refused.json["outcome"] == "nothing_swapped", refused
        assert [(failure["node"], failure["code"]) for failure in refused.json["nodes"]] == [("node-3", "compile_timeout")], refused.json
        last = whole.orchestrator.nodes().get("node-3")
        whole.nats.plug("node-3")
        wait_for("it to report", lambda: whole.orchestrator.nodes().get("node-3") not in (last, None), log=whole.nodes[2].log)
        done = whole.orchestrator.upload("generation_1", name=MODULE)
        assert done.status == 200 and done.json["deployed_to"] == ALL, done
    assert before != served(whole) == [done.json["version"]] * 3 and swaps_of(whole, refused.json["rollout_id"]) == [0, 0, 0]


@slow
def test_a_canary_that_is_cut_off_while_it_is_observed_is_taken_back_when_it_is_there_again(whole):
    before = served(whole)
    with traffic(whole.nodes):
        rollout, canary, _ = in_observation(whole.orchestrator, "generation_1", 300)
        whole.nats.pull(canary)
        ended = whole.orchestrator.await_end(rollout)
        assert ended["state"] == "reverted" and f"{canary} does not report" in ended["error"], ended
        place = ALL.index(canary)
        assert served(whole)[place] == ended["version"], "it cannot be told"
        whole.nats.plug(canary)
        wait_for("it to come back", lambda: served(whole) == before, log=whole.nodes[place].log)
    assert swaps_of(whole, rollout) == [int(i == place) for i in range(3)], "no other node served it"


@slow
def test_an_orchestrator_that_is_cut_off_while_it_leads_is_followed_by_another_and_does_nothing_more(whole):
    second = whole.make_orchestrator("orchestrator-2", tables={"nats": {"url": whole.nats.url_of("orchestrator-2")},
                                                               "orchestrator": {"name": "orchestrator-2", **SOON}})
    with traffic(whole.nodes):
        rollout, _, _ = in_observation(whole.orchestrator, "generation_1", 5)
        whole.nats.pull("orchestrator-1")
        ended = second.await_end(rollout)
        assert ended["state"] == "done" and served(whole) == [ended["version"]] * 3, ended
        whole.nats.plug("orchestrator-1")
        wait_for("it to find out", lambda: f"rollout {rollout} is left to others" in whole.orchestrator.log.read_text(),
                 log=whole.orchestrator.log)
        again = whole.orchestrator.upload("generation_2", name=MODULE)
        assert again.status == 200 and again.json["deployed_to"] == ALL, again
    assert swaps_of(whole, rollout) == [1, 1, 1] and swaps_of(whole, again.json["rollout_id"]) == [1, 1, 1]
    second.stop()


@slow
@pytest.mark.parametrize(("cut", "who"), [
    pytest.param(NatsBehindCables.pull, ["orchestrator-1"], id="orchestrator"),
    pytest.param(NatsBehindCables.pull, ["orchestrator-1", *ALL], id="everybody"),
    pytest.param(NatsBehindCables.deafen, ["orchestrator-1"], id="orchestrator, one way"),
    pytest.param(pull_until_reports_expire, ["orchestrator-1", *ALL], id="everybody, until reports have expired")])
def test_who_is_cut_off_for_a_while_goes_on(whole, cut, who):
    with traffic(whole.nodes):
        rollout, canary, _ = in_observation(whole.orchestrator, "generation_1", 5)
        before = served(whole)
        cut(whole.nats, *who)
        wait_for("calls to fail", lambda: whole.orchestrator.get("/api/v1/rollouts").status == 503, log=whole.orchestrator.log)
        assert served(whole) == before and len(set(before)) == 2
        whole.nats.plug(*who)
        ended = whole.orchestrator.await_end(rollout)
    assert ended["state"] == "done" and served(whole) == [ended["version"]] * 3 and swaps_of(whole, rollout) == [1, 1, 1], ended
