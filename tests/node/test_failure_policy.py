"""Every way in which a module can fail a request, under every policy: what the client gets.

One node for each policy. Its chain is `rule`, which fails and whose version before blocks at x-block, then `second`,
which blocks at x-block as well: the body of a 403 tells who was asked.
"""

import contextlib
import json
import os
import signal
import socket

import pytest

from support.processes import wait_for
from support.state import artifact_of

POLICIES = ["previous", "open", "closed"]
CALLS = {  # failure: guest, the header that brings it about, the kind under which it is counted
    "trap": ("traps_on_request", "x-trap", "trap"),
    "deadline": ("loops_on_request", "x-loop", "deadline"),
    "memory": ("eats_memory_on_request", "x-eat", "memory"),
    "stack": ("overflows_stack_on_request", "x-deep", "trap"),
    "verdict outside 0 to 3": ("returns_seven_on_request", "x-trap", "bad_verdict"),
}
BLOCK = {"x-block": "1"}


@pytest.fixture(scope="module")
def nodes(make_shared_node):
    """A node for each policy: one worker, so that all requests meet the instance that failed; nothing takes a version back."""
    nodes = {policy: make_shared_node("block_when_header", start=False, name=policy, called="rule",
                                      tables={"waf.wasm": {"on_error": policy}, "waf.wasm.watch": {"seconds": 0},
                                              "proxy": {"workers": 1}})
             for policy in POLICIES}
    for node in nodes.values():
        node.start(wait=False)
    for node in nodes.values():
        node.wait_until_ready()
        assert node.upload("block_when_header", path="/api/v1/wasm/load", name="second").status == 200
    return nodes


def bring(node, guest):
    """`guest` is what `rule` serves, block_when_header what it served before."""
    assert node.upload("block_when_header", name="rule").status == 200
    assert node.upload(guest, name="rule").status == 200


def errors(node, kind):
    """As the workers have counted them so far, all modules and versions together."""
    lines = node.get("/metrics").body.decode().splitlines()
    return sum(int(line.rsplit(" ", 1)[1]) for line in lines
               if line.startswith("secbeat_wasm_errors_total{") and f'kind="{kind}"' in line)


def blocked_by(answer):
    assert answer.status == 403, answer
    return answer.body.decode().strip().removeprefix("Blocked by WASM rule: ")


def assert_decided_by(policy, node, headers):
    """What clients get for requests on which `rule` fails."""
    plain, blockable = node.site("/", headers=headers), node.site("/", headers={**headers, **BLOCK})
    if policy == "closed":
        assert (plain.status, blockable.status) == (503, 503)
    else:
        assert plain.status == 200
        assert blocked_by(blockable) == {"previous": "rule", "open": "second"}[policy]


def assert_serves(node):
    """`rule` decides again, and nobody has left the chain."""
    assert node.site("/").status == 200
    assert blocked_by(node.site("/", headers=BLOCK)) == "second", "the version of rule that serves has no such header"


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("failure", CALLS)
def test_a_call_that_fails(nodes, failure, policy):
    node, (guest, header, kind) = nodes[policy], CALLS[failure]
    bring(node, guest)
    before = errors(node, kind)
    assert_decided_by(policy, node, {header: "1"})
    assert errors(node, kind) == before + 2
    assert_serves(node)


@pytest.mark.parametrize("policy", POLICIES)
def test_no_instance_is_ready(nodes, policy):
    node = nodes[policy]
    bring(node, "slow_to_configure")

    def starve():
        """The active instance and its spare are used up. Nothing in the next requests makes the module fail."""
        before = errors(node, "no_instance")
        for _ in range(2):
            node.site("/", headers={"x-trap": "1"})
        answers = node.site("/"), node.site("/", headers=BLOCK)
        return errors(node, "no_instance") == before + 2 and answers

    plain, blockable = wait_for("two requests before an instance is made", starve)
    if policy == "closed":
        assert (plain.status, blockable.status) == (503, 503)
    else:
        assert plain.status == 200
        assert blocked_by(blockable) == {"previous": "rule", "open": "second"}[policy]
    wait_for("an instance to be ready", lambda: node.site("/").status == 200)
    wait_for("the new version to decide again", lambda: blocked_by(node.site("/", headers=BLOCK)) == "second")


@contextlib.contextmanager
def worker_that_loads_something_else(node, spoil):
    """A worker that starts while the agent hangs and finds what spoil() has left. Afterwards all is as it was."""
    kept = {file: file.read_bytes() for file in [node.data / "in_force.json", *(node.data / "artifacts").iterdir()]}
    first = node.worker_pids()
    node.process.send_signal(signal.SIGSTOP)  # it would mend what the worker is to meet
    try:
        spoil()
        os.kill(first[0], signal.SIGKILL)
        wait_for("another worker", lambda: node.worker_pids() not in ([], first), log=node.log)
        yield
        for file, content in kept.items():
            file.write_bytes(content)
    finally:
        node.process.send_signal(signal.SIGCONT)
    wait_for("the agent to bring the worker to what is in force", node.is_ready, log=node.log)


def slot_of(node, name):
    document = json.loads((node.data / "in_force.json").read_text())
    slot = next(slot for slot in document["slots"] if slot["name"] == name)
    return document, next(version for version in slot["versions"] if version["id"] == slot["current"])


def artifact_file(node):
    _, version = slot_of(node, "rule")
    return node.data / "artifacts" / f"{version['artifact_sha256']}.cwasm"


def other_artifact(node, build, guest):
    """rule's current version gets the artifact of `guest`, which no rehearsal has seen."""
    content, sha256 = artifact_of(build, guest)
    (node.data / "artifacts" / f"{sha256}.cwasm").write_bytes(content)
    document, version = slot_of(node, "rule")
    version["artifact_sha256"] = sha256
    (node.data / "in_force.json").write_text(json.dumps(document))


def damage(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("failure", ["configure refuses", "configure traps", "artifact missing", "artifact damaged",
                                     "artifact of another module"])
def test_a_worker_that_cannot_load_the_version_in_force(nodes, build, failure, policy):
    node = nodes[policy]
    bring(node, "traps_on_request")
    spoil = {
        "configure refuses": lambda: other_artifact(node, build, "refuses_configure"),
        "configure traps": lambda: other_artifact(node, build, "traps_in_configure"),
        "artifact missing": lambda: artifact_file(node).unlink(),
        "artifact damaged": lambda: damage(artifact_file(node)),
        "artifact of another module": lambda: artifact_file(node).write_bytes(artifact_of(build, "block_all")[0]),
    }[failure]
    before = errors(node, "no_instance")
    with worker_that_loads_something_else(node, spoil):
        assert_decided_by(policy, node, {})
    assert errors(node, "no_instance") == before + 2
    assert "could not be loaded" in (node.data / "nginx" / "error.log").read_text()
    assert_serves(node)


def test_closed_answers_at_once_and_waits_for_no_body(nodes):
    node = nodes["closed"]
    bring(node, "traps_on_request")
    with socket.create_connection(("127.0.0.1", node.site_port), timeout=30) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nx-trap: 1\r\nContent-Length: 1000\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 503 "), "answered while the body is missing"


def test_closed_answers_every_request_of_a_storm(nodes):
    node = nodes["closed"]
    bring(node, "traps_on_request")
    for _ in range(200):
        assert node.site("/", headers={"x-trap": "1"}).status == 503
    wait_for("an instance to be ready again", lambda: node.site("/").status == 200)
    assert_serves(node)


def test_previous_without_a_version_before_is_as_open(nodes):
    node = nodes["previous"]
    assert node.upload("traps_on_request", path="/api/v1/wasm/load", name="alone").status == 200
    assert node.site("/", headers={"x-trap": "1"}).status == 200
    assert node.remove("alone").status == 200


def test_previous_that_fails_as_well_is_as_open(nodes):
    node = nodes["previous"]
    bring(node, "traps_on_request")
    assert node.upload("returns_seven_on_request", name="rule").status == 200
    before = errors(node, "trap"), errors(node, "bad_verdict")
    assert node.site("/", headers={"x-trap": "1"}).status == 200
    assert blocked_by(node.site("/", headers={"x-trap": "1", **BLOCK})) == "second"
    assert (errors(node, "trap"), errors(node, "bad_verdict")) == (before[0] + 2, before[1] + 2)


def test_modules_that_fail_together_fail_by_themselves(nodes):
    for policy, status in [("open", 200), ("closed", 503)]:
        node = nodes[policy]
        bring(node, "traps_on_request")
        assert node.upload("traps_on_request", path="/api/v1/wasm/load", name="third").status == 200
        assert node.site("/", headers={"x-trap": "1"}).status == status
        assert_serves(node)
        assert node.remove("third").status == 200


def test_the_policy_of_the_file_holds_for_a_module_that_came_over_the_api(nodes):
    node = nodes["closed"]
    assert node.upload("traps_on_request", path="/api/v1/wasm/load", name="later").status == 200
    assert node.site("/", headers={"x-trap": "1"}).status == 503
    assert node.remove("later").status == 200
