"""`secbeat fleet …` against a real fleet: each command with --json as the API documents it, and what is seen on a terminal."""

import json
import os

import pytest

from support.processes import wait_for
from support.terminal import on_terminal

MODULE, NEW = "bad-bot-blocker", "brand-new"
ALL = ["node-1", "node-2", "node-3"]


@pytest.fixture
def whole(fleet):
    wait_for("three nodes to report", lambda: sorted(fleet.orchestrator.nodes()) == ALL, log=fleet.orchestrator.log)
    return fleet


def ask(fleet, *command, method="GET", path=None, status=200, code=0):
    """What a command prints with --json, which is an answer of this call, as its document has it."""
    done = fleet.orchestrator.cli(*map(str, command), "--json")
    assert done.returncode == code, (command, done.stdout, done.stderr)
    answer = json.loads(done.stdout)
    if path:
        operation, _ = fleet.orchestrator.contract.operation(method, path)
        schema = operation["responses"][str(status)]["content"]["application/json"].get("schema", {})
        fleet.orchestrator.contract.validate(f"{command} {status}", schema, answer, command)
    return answer


def served(fleet, module=MODULE):
    return [node.modules().get(module) for node in fleet.nodes]


def begin(fleet, guest="generation_1"):
    """A rollout whose canary is observed for as long as anybody looks."""
    begun = fleet.orchestrator.upload(guest, name=MODULE, canary="1", observe_seconds="600", wait="false")
    assert begun.status == 202, begun
    fleet.orchestrator.await_state(begun.json["rollout_id"], "observing")
    return begun.json["rollout_id"]


def test_each_command_prints_with_json_what_the_api_documents(whole):
    first = whole.orchestrator.upload("allow_all", name=MODULE).json["version"]
    done = ask(whole, "reload", whole.nodes[0].guest("bad-bot-blocker"), "--name", MODULE, path="/api/v1/rollouts/r-1")
    assert done["state"] == "done" and done["module"] == MODULE and served(whole) == [done["version"]] * 3
    assert ask(whole, "watch", done["id"], path="/api/v1/rollouts/r-1") == done
    assert ask(whole, "watch", path="/api/v1/rollouts/r-1") == done
    back = ask(whole, "rollback", MODULE, "--reason", "too strict", method="POST", path="/api/v1/wasm/rollback-fleet")
    assert (back["rolled_back_to"], back["deployed_to"]) == (first, ALL) and served(whole) == [first] * 3
    assert whole.nodes[1].upload("generation_2", name=MODULE).status == 200
    wait_for("it to be seen", lambda: whole.orchestrator.serving()["node-2"] != first)
    shown = ask(whole, "status", code=1)
    assert shown["whole"] is False and {node["node"]: bool(node["modules"][MODULE]["drift"]) for node in shown["nodes"]} == \
        {"node-1": False, "node-2": True, "node-3": False}, shown
    synced = ask(whole, "sync", MODULE, method="POST", path="/api/v1/wasm/sync-versions")
    assert (synced["synced"], synced["already_current"]) == (["node-2"], ["node-1", "node-3"]) and served(whole) == [first] * 3
    wait_for("the fleet to be whole", lambda: whole.orchestrator.cli("status", "--json").returncode == 0)
    assert ask(whole, "status")["whole"] is True
    refused = ask(whole, "sync", "nothing", method="POST", path="/api/v1/wasm/sync-versions", status=404, code=1)
    assert refused["code"] == "unknown_module", refused


def test_a_rollout_is_held_let_go_on_and_ended(whole):
    before = served(whole)
    rollout = begin(whole)
    for command, state in (("pause", "paused"), ("resume", "observing"), ("abort", "aborted")):
        steered = ask(whole, command, rollout, method="POST", path=f"/api/v1/rollouts/{rollout}/{command}")
        assert steered["id"] == rollout, steered
        assert whole.orchestrator.await_state(rollout, state)["state"] == state, command
    assert served(whole) == before
    for command in ("pause", "resume", "abort"):
        late = ask(whole, command, rollout, method="POST", path=f"/api/v1/rollouts/{rollout}/{command}", status=409, code=1)
        assert late["code"] == "rollout_ended", late
    told = whole.orchestrator.cli("resume", rollout)
    assert told.returncode == 1 and "is aborted" in told.stderr, told
    ended = ask(whole, "watch", rollout, path="/api/v1/rollouts/r-1", code=1)
    assert ended["state"] == "aborted", ended


def test_the_rules_of_every_node_with_json(whole):
    rule = whole.folder / "rule.json"
    rule.write_text(json.dumps({"id": "by-command", "field": "URI", "pattern": "/by-command*", "action": "Block", "deploy": False}))
    assert ask(whole, "rules", "add", rule, method="POST", path="/api/v1/rules")["deployed"] is False
    deployed = ask(whole, "rules", "deploy", "by-command", "--ttl-seconds", "600", method="POST", path="/api/v1/rules/deploy")
    assert (deployed["deployed_to"], deployed["failed"]) == (3, 0), deployed
    assert [one["id"] for one in ask(whole, "rules", "list")["rules"]] == ["by-command"]
    assert [node.site("/by-command").status for node in whole.nodes] == [403] * 3
    removed = ask(whole, "rules", "remove", "by-command", method="DELETE", path="/api/v1/rules/by-command")
    assert removed["deployed_to"] == ALL, removed
    again = ask(whole, "rules", "remove", "by-command", method="DELETE", path="/api/v1/rules/by-command", status=404, code=1)
    assert again["code"] == "unknown_rule", again


def test_a_terminal_sees_each_step_of_a_rollout_and_a_file_only_its_end(whole):
    command = [whole.orchestrator.secbeat, "fleet", "reload", whole.nodes[0].guest("generation_3"), "--name", MODULE, "--canary", "1",
               "--observe-seconds", "1"]
    environment = {**os.environ, "SECBEAT_ORCHESTRATOR": f"http://127.0.0.1:{whole.orchestrator.api_port}", "NO_COLOR": "1"}
    shown, status = on_terminal(command, environment)
    assert status == 0, shown
    lines = shown.replace("\r\n", "\n").splitlines()
    steps = [line.split(" ", 1)[1] for line in lines if ": wave " in line]
    assert "observing: wave 1 of 2, 1 of 3 nodes" in steps and steps[-1] == "done: wave 2 of 2, 3 of 3 nodes", shown
    assert len(steps) == len(set(steps)), "each is said once"
    told = whole.orchestrator.cli("watch")
    assert told.stderr == "" and "wave " not in told.stdout and "done" in told.stdout, told


def test_a_module_that_is_new_is_deployed_to_every_node(whole):
    refused = whole.orchestrator.upload(path="/api/v1/wasm/deploy", name=NEW, config="{}")
    assert (refused.status, refused.json["code"]) == (400, "missing_file") and served(whole, NEW) == [None] * 3, refused

    def blocked():
        return [node.site("/", headers={"x-block": "1"}).status for node in whole.nodes]

    deployed = whole.orchestrator.upload("block_when_header", path="/api/v1/wasm/deploy", name=NEW)
    assert deployed.status == 200 and deployed.json["deployed_to"] == ALL, deployed
    assert served(whole, NEW) == [deployed.json["version"]] * 3 and blocked() == [403] * 3
    listed = {module["module"]: module["desired"] for module in whole.orchestrator.get("/api/v1/versions").json["modules"]}
    assert listed[NEW] == deployed.json["version"], listed
    first = ask(whole, "rollback", NEW, method="POST", path="/api/v1/wasm/rollback-fleet", status=409, code=1)
    assert first["code"] == "no_previous_version", first
    assert whole.orchestrator.upload("allow_all", path="/api/v1/wasm/deploy", name=NEW).status == 200 and blocked() == [200] * 3
    back = whole.orchestrator.cli("rollback", NEW)
    assert back.returncode == 0 and all(name in back.stdout for name in ALL) and blocked() == [403] * 3, back
    assert served(whole) == [whole.nodes[0].modules()[MODULE]] * 3
