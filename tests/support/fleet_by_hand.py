"""A fleet without an orchestrator: the test writes into NATS what one would, and reads what nodes report."""

import hashlib
import json

from support.processes import wait_for

DESIRED, NODES, MODULES = "secbeat_desired", "secbeat_nodes", "secbeat_modules"


def desired(revision, version, name="bad-bot-blocker"):
    return {"format": 1, "revision": revision, "modules": [{"name": name, "revision": revision, "before": [], **version}]}


class Fleet:
    """What an orchestrator would keep in NATS."""

    def __init__(self, nats, build, **login):
        self.login = login
        self.nats, self.client, self.guests = nats, nats.client(**login), build / "guests"
        self.make()

    def make(self):
        """What is not there."""
        for bucket in (DESIRED, NODES):
            self.client.make_bucket(bucket)
        self.client.make_object_bucket(MODULES)

    def connect_again(self):
        self.client = self.nats.client(**self.login)

    def module_bytes(self, guest):
        return (self.guests / f"{guest}.wasm").read_bytes()

    def version(self, guest, label, **options):
        """Puts the object; options as those of put_object, or keep=False: only says what it would be."""
        data = self.module_bytes(guest)
        if options.pop("keep", True):
            self.client.put_object(MODULES, data, **options)
        return {"version": label, "sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data), "config_sha256": "",
                "config_size_bytes": 0}

    def want(self, revision, version, name="bad-bot-blocker", tell=True):
        self.write(desired(revision, version, name), tell)

    def write(self, document, tell=True):
        self.client.put(DESIRED, "desired", document)
        if tell:
            self.client.publish("secbeat.wasm.reload", b"{}")

    def status(self, node="node-1"):
        return self.client.get(NODES, node)

    def module(self, node="node-1"):
        status = self.status(node)
        return status["modules"][0] if status else {}

    def call(self, step, order, node="node-1"):
        """Asks until the node has done it, or has failed."""
        answers = []

        def ended():
            answers.append(self.client.request(f"secbeat.node.{node}.{step}", json.dumps(order).encode()))
            return answers[-1] and answers[-1]["progress"] != "working"

        wait_for(f"the node to {step}", ended)
        return answers[-1]


def order(version, revision=1, rollout="r1", expected=""):
    return {"format": 1, "rollout": rollout, "module": "bad-bot-blocker", "revision": revision, "expected_version": expected,
            "forced": False, "reason": "test", "by": "test", **version}


def in_fleet(nats):
    return {"nats": {"url": nats.url}, "node": {"name": "node-1"}}


def serving(node):
    return node.get("/api/v1/wasm/version?name=bad-bot-blocker").json
