"""Signed modules in a fleet: signatures travel with the version, and each node checks them by its own keys."""

import json
import shutil
import subprocess

import pytest

from support.processes import wait_for

MODULE = "bad-bot-blocker"


def secbeat(build, *arguments):
    done = subprocess.run([build / "bin" / "secbeat", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def sign(build, folder):
    """sign(guest, key=): the path of a module with its signature beside it."""
    for name in ("release", "stranger"):
        secbeat(build, "sign", "--new-key", folder / name)

    def make(guest, key="release"):
        module = folder / f"{guest}-{key}.wasm"
        shutil.copy(build / "guests" / f"{guest}.wasm", module)
        secbeat(build, "sign", module, "--key", folder / f"{key}.key", "--name", MODULE)
        return module
    return make


def signature_of(module):
    return (module.parent / f"{module.name}.sig").read_text()


def node_tables(nats, name):
    return {"nats": {"url": nats.url}, "node": {"name": name}, "proxy": {"workers": 1}}


def strict_node(build, folder, make_node, nats, name):
    """A node that takes only signed modules, its first one signed."""
    node = make_node(name=name, start=False, tables={**node_tables(nats, name), "waf.wasm": {"require_signature": True}})
    keys = node.folder / "keys"
    keys.mkdir(mode=0o755)
    shutil.copy(folder / "release.pub", keys)
    node.tables["waf.wasm"]["trusted_keys"] = str(keys)
    secbeat(build, "sign", node.folder / f"{MODULE}.wasm", "--key", folder / "release.key")
    return node.start()


def test_nodes_take_from_the_fleet_what_somebody_they_trust_has_signed(build, folder, make_node, make_orchestrator, nats, sign):
    signed = sign("allow_all")
    orchestrator = make_orchestrator()
    strict = strict_node(build, folder, make_node, nats, "node-1")
    make_node(name="node-2", tables=node_tables(nats, "node-2"))
    wait_for("two nodes to report", lambda: len(orchestrator.nodes()) == 2, log=orchestrator.log)
    before = orchestrator.serving()

    def refused(module, code, **fields):
        answer = orchestrator.upload(module.read_bytes(), name=MODULE, **fields)
        assert (answer.status, answer.json["code"], answer.json["outcome"]) == (422, "stage_failed", "nothing_swapped"), answer
        assert {failure["node"]: failure["code"] for failure in answer.json["nodes"]} == {"node-1": code}, answer.json
        assert orchestrator.serving() == before

    refused(signed, "signature_required")
    refused(signed, "bad_signature", signature=signature_of(sign("log_all")))
    by_stranger = sign("allow_all", "stranger")
    refused(by_stranger, "bad_signature", signature=signature_of(by_stranger))
    assert orchestrator.upload(name=MODULE, config="{}", signature="x").json["code"] == "bad_request"
    long = orchestrator.upload(signed.read_bytes(), name=MODULE, signature="x" * 1025)
    assert (long.status, long.json["code"]) == (400, "bad_request"), long

    # FILE.sig is sent with FILE.
    done = orchestrator.cli("reload", str(signed), "--name", MODULE)
    assert done.returncode == 0, (done.stdout, done.stderr)
    wait_for("both to report it", lambda: len(set(orchestrator.serving().values())) == 1 and orchestrator.serving() != before)
    key = json.loads(secbeat(build, "verify", signed, "--keys", folder / "release.pub", "--name", MODULE, "--json"))["key"]
    assert strict.history()[0]["signed_by"] == key

    # A node that was away follows by the signature that the desired state has.
    strict.stop()
    newer = sign("log_all")
    assert orchestrator.upload(newer.read_bytes(), name=MODULE, signature=signature_of(newer)).status == 200
    wanted = orchestrator.serving()["node-2"]
    strict.start()
    wait_for("it to follow", lambda: strict.version(MODULE)["version"] == wanted, log=strict.log)
    assert strict.history()[0]["signed_by"] == key
    # And back, which needs none.
    back = orchestrator.post("/api/v1/wasm/rollback-fleet", name=MODULE)
    assert back.status == 200 and back.json["success"], back
