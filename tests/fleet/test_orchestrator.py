"""One call changes the rules of every node: a real orchestrator, real nodes with nginx, a real nats-server."""

import concurrent.futures
import hashlib
import json
import re

import pytest

from support.metrics import check_metrics
from support.node import Load
from support.processes import wait_for
from support.traffic import traffic

MODULE = "bad-bot-blocker"
ALL = ["node-1", "node-2", "node-3"]


@pytest.fixture
def whole(fleet):
    """The fleet as every test finds it: three nodes that report, and no drift."""
    wait_for("three nodes to report", lambda: sorted(fleet.orchestrator.nodes()) == ALL, log=fleet.orchestrator.log)
    return fleet


def nothing_lost(loads):
    assert [load.lost[:2] for load in loads] == [(0, 0)] * len(loads), [load.lost for load in loads]
    return True


def versions_served(fleet):
    return [node.version(MODULE)["version"] for node in fleet.nodes]


def test_one_call_reloads_every_node_under_load_and_no_request_is_lost(whole):
    loads = [Load(node, rate=200, connections=4) for node in whole.nodes]
    ear = whole.nats.client()
    ear.listen("secbeat.wasm.reload")
    for load in loads:
        load.__enter__()
    try:
        status, body = whole.nodes[0].curl("-X", "POST", f"http://127.0.0.1:{whole.orchestrator.api_port}/api/v1/wasm/reload-fleet",
                                           "-F", f"file=@{whole.nodes[0].guest('allow_all')}", "-F", "reason=first")
    finally:
        for load in loads:
            load.__exit__()
    answer = json.loads(body)
    assert status == 200, body
    assert {key: answer[key] for key in ("success", "deployed_to", "failed", "total_downtime_ms")} == \
        {"success": True, "deployed_to": ALL, "failed": [], "total_downtime_ms": 0}
    assert answer["rollout_id"] and answer["waves"] == [{"nodes": ALL}]
    assert nothing_lost(loads)
    assert versions_served(whole) == [answer["version"]] * 3
    assert whole.nodes[0].site(headers={"User-Agent": "BadBot"}).status == 200
    event, wasm = json.loads(ear.next_said()), whole.nodes[0].guest("allow_all").read_bytes()
    assert {key: event[key] for key in ("rollout", "module", "version", "sha256", "size_bytes", "revision", "reason", "rollback")} == \
        {"rollout": answer["rollout_id"], "module": MODULE, "version": answer["version"], "sha256": hashlib.sha256(wasm).hexdigest(),
         "size_bytes": len(wasm), "revision": answer["revision"], "reason": "first", "rollback": False}, event
    ear.close()
    row = whole.nodes[1].history()[0]
    assert row["version"] == answer["version"] and row["reason"] == "first", row


def test_a_rollback_takes_every_node_back_with_one_call(whole):
    before = whole.orchestrator.upload("bad-bot-blocker", name=MODULE).json["version"]
    after = whole.orchestrator.upload("allow_all", name=MODULE).json["version"]
    assert versions_served(whole) == [after] * 3
    with traffic(whole.nodes, answers=(200, 403)):
        answer = whole.orchestrator.post("/api/v1/wasm/rollback-fleet", reason="High false positives")
    assert answer.status == 200, answer
    assert re.fullmatch("r-[0-9a-f]+", answer.json["rollout_id"]), answer
    assert answer.json == {"success": True, "rolled_back_to": before, "reason": "High false positives", "deployed_to": ALL, "failed": [],
                           "total_downtime_ms": 0, "rollout_id": answer.json["rollout_id"]}
    assert versions_served(whole) == [before] * 3
    assert whole.nodes[2].site(headers={"User-Agent": "BadBot"}).status == 403


def test_a_version_that_one_node_refuses_swaps_nowhere(whole):
    before = versions_served(whole)
    refused = whole.orchestrator.upload("traps_always", name=MODULE)
    assert refused.status == 422 and refused.json["code"] == "stage_failed", refused
    assert refused.json["outcome"] == "nothing_swapped"
    assert {failure["code"] for failure in refused.json["nodes"]} == {"sample_trapped"}, refused.json
    assert versions_served(whole) == before


@pytest.mark.parametrize(("sent", "status", "code"), [
    ({"guest": None, "name": MODULE}, 400, "missing_file"),
    ({"guest": b"no module"}, 422, "invalid_wasm"),
    ({"guest": "allow_all", "name": "../etc"}, 400, "bad_request"),
    ({"guest": "allow_all", "name": MODULE, "canary": "many"}, 400, "bad_request"),
    ({"guest": "allow_all", "name": MODULE, "waves": "1,0%"}, 400, "bad_request"),
    ({"guest": "allow_all", "name": MODULE, "observe_seconds": "-1"}, 400, "bad_request"),
    ({"guest": "allow_all", "name": MODULE, "wait": "perhaps"}, 400, "bad_request"),
    ({"guest": "allow_all", "name": MODULE, "tarjet": "all"}, 400, "unknown_field"),
    ({"guest": "allow_all", "name": MODULE, "target": "nobody"}, 409, "no_nodes"),
    ({"guest": "allow_all", "name": MODULE, "config": "{"}, 400, "bad_config_json"),
    ({"guest": None, "name": "new-here", "config": "{}"}, 400, "missing_file"),
])
def test_what_cannot_be_meant_is_refused_and_changes_nothing(whole, sent, status, code):
    before = versions_served(whole)
    answer = whole.orchestrator.upload(**sent)
    assert (answer.status, answer.json["code"]) == (status, code), answer
    assert versions_served(whole) == before


def test_a_partly_reloaded_fleet_is_told_and_synced(whole):
    first = whole.orchestrator.upload("bad-bot-blocker", name=MODULE).json["version"]
    assert whole.nodes[0].upload("allow_all", name=MODULE).status == 200  # a canary by hand
    canary = whole.nodes[0].version(MODULE)["version"]
    wait_for("the orchestrator to see it", lambda: whole.orchestrator.serving()["node-1"] == canary)
    refused = whole.orchestrator.upload("allow_all", name=MODULE, expected_version=first)
    assert refused.status == 409 and refused.json["error"].startswith(f"Version conflict: expected {first}, got {canary}"), refused
    assert [failure["node"] for failure in refused.json["nodes"]] == ["node-1"] and "sync-versions" in refused.json["advice"]

    drift = {module["module"]: {node["node"]: node["drift"] for node in module["nodes"]}
             for module in whole.orchestrator.get("/api/v1/versions").json["modules"]}[MODULE]
    assert drift["node-1"] and drift["node-2"] is None, drift
    assert whole.orchestrator.cli("status").returncode == 1
    with traffic(whole.nodes, answers=(200, 403)):
        synced = whole.orchestrator.post("/api/v1/wasm/sync-versions")
    assert synced.status == 200, synced
    assert synced.json == {"success": True, "desired": {MODULE: first}, "synced": ["node-1"],
                           "already_current": ["node-2", "node-3"], "failed": [], "unreachable": []}
    assert versions_served(whole) == [first] * 3


def test_waves_and_their_nodes_are_shown_by_the_command_line(whole):
    done = whole.orchestrator.cli("reload", str(whole.nodes[0].guest("allow_all")), "--name", MODULE, "--canary", "1",
                                  "--observe-seconds", "1", "--reason", "waves")
    assert done.returncode == 0, done.stderr
    assert "done" in done.stdout and all(name in done.stdout for name in ALL), done.stdout
    rollout = whole.orchestrator.get("/api/v1/rollouts?limit=1").json["rollouts"][0]
    assert [len(wave["nodes"]) for wave in rollout["waves"]] == [1, 2] and rollout["state"] == "done", rollout
    assert whole.orchestrator.get("/api/v1/wasm/history").json["reloads"][0]["reason"] == "waves"
    wait_for("the fleet to be whole", lambda: whole.orchestrator.cli("status").returncode == 0)
    shown = whole.orchestrator.cli("status")
    assert "whole" in shown.stdout and rollout["id"] in shown.stdout
    assert whole.orchestrator.cli("watch").returncode == 0
    assert whole.orchestrator.cli("pause", rollout["id"]).returncode == 1
    assert whole.orchestrator.cli("watch", "r-0123").returncode == 1


def test_a_rollout_that_nobody_waits_for_goes_on(whole):
    begun = whole.orchestrator.upload("bad-bot-blocker", name=MODULE, wait="false")
    assert begun.status == 202 and begun.headers["Location"] == f"/api/v1/rollouts/{begun.json['rollout_id']}", begun
    assert whole.orchestrator.await_end(begun.json["rollout_id"])["state"] == "done"
    assert len(set(versions_served(whole))) == 1


def test_a_version_that_traps_only_in_service_is_halted_at_the_canary_and_taken_back(whole):
    before = whole.orchestrator.upload("bad-bot-blocker", name=MODULE).json["version"]
    wait_for("the fleet to be whole", lambda: whole.orchestrator.cli("status").returncode == 0)
    loads = [Load(node, rate=300, connections=4) for node in whole.nodes]
    for load in loads:
        load.__enter__()
    try:
        halted = whole.orchestrator.upload("hostile_traps", name=MODULE, canary="1", observe_seconds="60")
    finally:
        for load in loads:
            load.__exit__()
    assert halted.status == 502 and halted.json["code"] == "rollout_reverted", halted
    assert halted.json["outcome"] == "reverted", halted.json
    assert versions_served(whole) == [before] * 3
    rollout = whole.orchestrator.rollout(halted.json["rollout_id"])
    assert rollout["state"] == "reverted" and [len(wave["nodes"]) for wave in rollout["waves"]] == [1, 2]
    others = [node["node"] for node in rollout["waves"][1]["nodes"]]
    served_it = [node.folder.name for node in whole.nodes
                 if any(row["version"] == rollout["version"] and row["success"] for row in node.history())]
    assert len(others) == 2 and set(served_it) == set(ALL) - set(others), (served_it, others)
    assert nothing_lost(loads)


def test_metrics_and_probes(whole):
    metrics = whole.orchestrator.get("/metrics")
    check_metrics(metrics.body)
    described = {line.split()[2] for line in metrics.body.decode().splitlines() if line.startswith("# TYPE")}
    assert described == {"secbeat_orchestrator_connected", "secbeat_fleet_nodes", "secbeat_fleet_nodes_ready", "secbeat_fleet_nodes_drifting",
                         "secbeat_fleet_desired_revision", "secbeat_fleet_rollouts"}
    assert 'secbeat_fleet_rollouts{state="done"}' in metrics.body.decode()
    assert "secbeat_fleet_nodes 3" in metrics.body.decode() and "secbeat_orchestrator_connected 1" in metrics.body.decode()
    assert whole.orchestrator.get("/healthz").json == {"status": "ok"}
    assert whole.orchestrator.get("/nothing").status == 404
    assert whole.orchestrator.get("/api/v1/rollouts/r-nothing").status == 404


def test_calls_that_wait_for_rollouts_do_not_keep_others_out(whole):
    def waits(name):
        return whole.orchestrator.upload("allow_all", name=name, canary="1", observe_seconds="600")

    def rollouts():
        return {rollout["module"]: rollout for rollout in whole.orchestrator.get("/api/v1/rollouts").json["rollouts"]}

    with concurrent.futures.ThreadPoolExecutor() as pool:
        calls = [pool.submit(waits, name) for name in ("one", "two", "three")]
        wait_for("three rollouts to be observed", lambda: all(rollouts().get(name, {}).get("state") == "observing"
                                                             for name in ("one", "two", "three")), log=whole.orchestrator.log)
        more = whole.orchestrator.upload("allow_all", name=MODULE, canary="1", observe_seconds="1")
        assert more.status == 202, more
        whole.orchestrator.await_end(more.json["rollout_id"])
        assert whole.orchestrator.upload("bad-bot-blocker", name=MODULE).status == 200
        assert whole.orchestrator.post("/api/v1/wasm/sync-versions", name=MODULE).status == 200
        for name in ("one", "two", "three"):
            assert whole.orchestrator.post(f"/api/v1/rollouts/{rollouts()[name]['id']}/abort").status == 200
        assert [call.result().json["code"] for call in calls] == ["rollout_aborted"] * 3
    assert [list(node.modules()) for node in whole.nodes] == [[MODULE]] * 3


def test_without_nats_it_says_so_and_is_there_when_nats_is(make_orchestrator, nats):
    nats.kill()
    orchestrator = make_orchestrator(start=False).start(wait=False)
    wait_for("its API", lambda: orchestrator.process.poll() is not None or answers(orchestrator), log=orchestrator.log)
    ready = orchestrator.get("/readyz")
    assert ready.status == 503 and ready.json["status"] == "not_ready", ready
    assert orchestrator.upload("allow_all", name=MODULE).status == 503
    assert orchestrator.cli("status").returncode == 1
    nats.start()
    wait_for("it to be ready", lambda: orchestrator.get("/readyz").status == 200, log=orchestrator.log)
    assert orchestrator.upload("allow_all", name=MODULE).json["code"] == "no_nodes"
    # What somebody deletes is made again.
    client = nats.client()
    for stream in ("KV_secbeat_nodes", "OBJ_secbeat_modules"):
        client.delete_stream(stream)
    wait_for("the buckets to be there", lambda: all("error" not in client.api(f"STREAM.INFO.{stream}") for stream in
                                                   ("KV_secbeat_nodes", "OBJ_secbeat_modules")), log=orchestrator.log)
    assert orchestrator.stop() == 0


def answers(orchestrator):
    try:
        return orchestrator.get("/healthz").status == 200
    except OSError:
        return False
