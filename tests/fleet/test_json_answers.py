"""`--json` of every command that prints a result: run on a fleet of two nodes, each gives programs one JSON object."""

import json
import os
import re
import subprocess

import pytest

from support.processes import wait_for

NO_RESULT = {"demo", "completion", "man"}  # a walk for people; scripts and pages for shells and man

# Command, and the keys that its answer has at least. In this order: later ones need what earlier ones do.
ANSWERS = [
    ("node --config {node_config} --check", "file valid error notices"),
    ("orchestrator --config {orchestrator_config} --check", "file valid error notices"),
    ("doctor --config {node_config}", "healthy checks"),
    ("status", "ready readyz modules reloads"),
    ("version", "name version workers"),
    ("modules", "modules"),
    ("history", "reloads next_before"),
    ("errors", "window_seconds errors"),
    ("requests", "requests next_before"),
    ("rules add {rule}", "success id etag version"),
    ("rules list", "rules"),
    ("rules show r1", "id field pattern action"),
    ("rules stats", "active_rules total_blocks"),
    ("rules edit", "success unchanged"),
    ("rules diff {rules}", "same added removed changed"),
    ("rules lint {rules}", "accepted errors warnings notes"),
    ("rules test --rules {rules} {tests}", "success run failed failures"),
    ("rules remove r1", "success id etag version"),
    ("reload {module}", "success version previous_version stages"),
    ("watch show bad-bot-blocker", "name version watch"),
    ("watch end bad-bot-blocker", "success version watch"),
    ("rollback bad-bot-blocker", "success rolled_back_to from_version"),
    ("remove universal-waf", "success removed_version modules"),
    ("freeze", "success state"),
    ("unfreeze", "success state"),
    ("bypass --for 1m", "success state"),
    ("bypass --off", "success state"),
    ("drill", "healthy checks"),
    ("inspect {module}", "accepted sections exports"),
    ("validate {module}", "abi cost warnings"),
    ("new-rule mine --dir {work}/mine", "name folder files"),
    ("sign --new-key {work}/release", "key public_file"),
    ("sign {module} --key {work}/release.key", "module sha256 key file"),
    ("verify {module} --keys {work}/release.pub", "module sha256 key"),
    ("key new ci", "name role sha256 key"),
    ("compile --module {module}", "abi artifact_sha256"),
    ("fleet status", "whole nodes rollouts"),
    ("fleet reload {module}", "id state waves"),
    ("fleet watch", "id state waves"),
    ("fleet rollback", "success rolled_back_to deployed_to"),
    ("fleet sync", "success synced already_current"),
    ("fleet rules add {rule}", "success id deployed"),
    ("fleet rules list", "rules"),
    ("fleet rules remove r1", "success id"),
    ("fleet rules add {waiting_rule}", "success deployed"),
    ("fleet rules deploy waits", "deployed_to nodes rule_id"),
    ("archive list --archive {archive}", "versions"),
    ("archive get bad-bot-blocker@1.1.0 --archive {archive} --output {work}/got.wasm", "module label sha256"),
    ("archive verify --archive {archive}", "versions"),
    ("archive restore --config {orchestrator_config} --dry-run --force", "restored revision nats_has"),
]
# Of a rollout that is held at its first wave.
STEERING = ["fleet pause", "fleet resume", "fleet abort"]


@pytest.fixture(scope="module")
def site(fleet_of, tmp_path_factory):
    """call(command line) on a fleet of two nodes and its first one, with the files that the commands above name."""
    work = tmp_path_factory.mktemp("work")
    with fleet_of(2, tables={"archive": {"url": str(work / "archive")}}) as fleet:
        node, orchestrator = fleet.nodes[0], fleet.orchestrator
        rule = {"id": "r1", "field": "Path", "pattern": "/nowhere", "action": "Block"}
        places = {"node_config": node.config, "orchestrator_config": orchestrator.config, "work": work, "archive": work / "archive"}
        for name, content in (("rule", rule), ("rules", {"rules": [rule]}), ("waiting_rule", {**rule, "id": "waits", "deploy": False}),
                              ("tests", {"tests": [{"name": "passes", "request": {"uri": "/"}, "verdict": "Allow"}]})):
            places[name] = work / f"{name}.json"
            places[name].write_text(json.dumps(content))
        places["module"] = work / "module.wasm"
        places["module"].write_bytes(node.guest("bad-bot-blocker-1.1.0").read_bytes())
        environment = {**os.environ, "SECBEAT_API": f"http://127.0.0.1:{node.api_port}", "SECBEAT_STATE_DIR": str(node.state),
                       "SECBEAT_ORCHESTRATOR": f"http://127.0.0.1:{orchestrator.api_port}", "EDITOR": "true", "VISUAL": "", "HOME": str(work)}

        def call(command):
            return subprocess.run([node.secbeat, *command.format(**places).split(), "--json"], capture_output=True, text=True, timeout=60,
                                  check=False, env=environment)

        call.orchestrator = orchestrator
        yield call


def answer_of(done):
    assert done.returncode == 0, done
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict) and "\x1b" not in done.stdout, done
    return answer


def test_each_answer_is_one_object(site):
    for command, keys in ANSWERS:
        assert set(keys.split()) <= set(answer_of(site(command))), command
        if command == "fleet rules deploy waits":
            wait_for("the archive to have it all", lambda: site(ANSWERS[-1][0]).returncode == 0 and
                     '"1.1.0"' in site("archive list --archive {archive}").stdout, log=site.orchestrator.log)


def test_the_answer_of_each_step_on_a_rollout_is_the_rollout(site):
    rollout = site.orchestrator.upload("allow_all", name="bad-bot-blocker", canary="1", observe_seconds="300", wait="false").json["rollout_id"]
    site.orchestrator.await_state(rollout, "observing")
    for command in STEERING:
        assert answer_of(site(f"{command} {rollout}"))["id"] == rollout, command
    assert site.orchestrator.await_end(rollout)["state"] == "aborted"


def test_a_refusal_is_the_apis_answer_on_standard_output(site):
    for command, code in (("rules remove nothing", "unknown_rule"), ("rollback nothing", "unknown_module"), ("reload {rules}", "invalid_wasm"),
                          ("fleet pause r-0123", "unknown_rollout"), ("fleet rules remove nothing", "unknown_rule")):
        done = site(command)
        assert done.returncode == 1 and json.loads(done.stdout)["code"] == code, done


def commands_of(build, words=()):
    """Every command without commands of its own, as --help lists them."""
    shown = subprocess.run([build / "bin" / "secbeat", *words, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
    listed = re.search(r"^Subcommands:\n((?:  .*\n)+)", shown, re.MULTILINE)
    if not listed:
        return {" ".join(words): shown}
    found = {}
    for word in re.findall(r"^  (\S+)", listed[1], re.MULTILINE):
        found |= commands_of(build, (*words, word))
    return found


def test_no_command_is_left_out(build):
    commands = commands_of(build)
    told = {command for command in commands for row in [row for row, _ in ANSWERS] + STEERING if f"{row} ".startswith(f"{command} ")}
    assert told == set(commands) - NO_RESULT
    assert {command for command, help_text in commands.items() if "--json" in help_text} == told
