"""What the fleet keeps is read by the official `nats` command and the other way round; and the newest nats-server will do.

Both are of deps/nats/build.sh; where there is no Go that builds them, these tests are not there (conftest.py)."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from support.nats import NatsServer
from support.orchestrator import orchestrators_in
from support.processes import wait_for

TOOLS = Path(os.environ.get("SECBEAT_NATS_TOOLS", "/nonexistent"))
MODULE = "bad-bot-blocker"
SERVERS = {"debian": None, "newest": TOOLS / "nats-server"}


@pytest.fixture(params=SERVERS)
def server(request, tmp_path):
    one = NatsServer(tmp_path, program=SERVERS[request.param]).start()
    yield one
    one.kill()


@pytest.fixture
def orchestrator(build, folder, server):
    with orchestrators_in(folder, build, server.url) as make:
        yield make()


def large_module(build):
    """A module of several chunks of an object: allow_all with a custom section of 300,000 bytes."""
    content = b"\x03pad" + bytes(300_000)
    size, length = bytearray(), len(content)
    while length >= 0x80:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    size.append(length)
    return (build / "guests" / "allow_all.wasm").read_bytes() + b"\x00" + bytes(size) + content


def nats(server, *arguments, data=None):
    done = subprocess.run([TOOLS / "nats", "--no-context", "--server", server.url, *arguments], input=data, capture_output=True,
                          timeout=60, check=False, env={"PATH": os.environ["PATH"], "HOME": str(server.folder)})
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


def test_the_nats_command_reads_the_fleets_state_and_gets_a_module_out(server, orchestrator, make_node, tmp_path):
    make_node(name="node-1", tables={"nats": {"url": server.url}, "node": {"name": "node-1"}, "proxy": {"workers": 1}})
    wait_for("the node to report", lambda: orchestrator.nodes())
    done = orchestrator.upload(large_module(orchestrator.build), name=MODULE)
    assert done.status == 200 and done.json["deployed_to"] == ["node-1"], done

    data = large_module(orchestrator.build)
    sha256 = hashlib.sha256(data).hexdigest()
    desired = json.loads(nats(server, "kv", "get", "secbeat_desired", "desired", "--raw"))
    assert desired["modules"][0]["sha256"] == sha256 and desired["modules"][0]["version"] == done.json["version"]
    assert "node-1" in nats(server, "kv", "ls", "secbeat_nodes").decode().split()
    assert json.loads(nats(server, "kv", "get", "secbeat_nodes", "node-1", "--raw"))["node"] == "node-1"
    assert json.loads(nats(server, "kv", "get", "secbeat_rollouts", done.json["rollout_id"], "--raw"))["state"] == "done"
    got = tmp_path / "got.wasm"
    nats(server, "object", "get", "secbeat_modules", sha256, "--output", str(got), "--no-progress", "--force")
    assert got.read_bytes() == data


def test_a_node_follows_what_the_nats_command_has_written(server, orchestrator, make_node, build, tmp_path):
    node = make_node(name="node-1", tables={"nats": {"url": server.url}, "node": {"name": "node-1"}, "proxy": {"workers": 1}})
    wait_for("the node to report", lambda: orchestrator.nodes())
    data = large_module(build)
    sha256 = hashlib.sha256(data).hexdigest()
    file = tmp_path / sha256
    file.write_bytes(data)
    nats(server, "object", "put", "secbeat_modules", str(file), "--name", sha256, "--no-progress", "--force")
    desired = {"format": 1, "revision": 7, "modules": [{"name": MODULE, "revision": 7, "before": [], "version": "v7", "sha256": sha256,
                                                        "size_bytes": len(data), "config_sha256": "", "config_size_bytes": 0}]}
    nats(server, "kv", "put", "secbeat_desired", "desired", json.dumps(desired))
    wait_for("the node to follow", lambda: node.version(MODULE)["version"] == "v7", log=node.log)
