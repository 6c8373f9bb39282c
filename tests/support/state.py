"""A state directory made by hand, and an agent that says only what a test tells it: nginx and its workers alone."""

import contextlib
import functools
import hashlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

from support.processes import wait_for

MAX_PACKET = 1 << 20


def worker_ids():
    """The user of nginx' workers: www-data where root runs the tests, else ourselves."""
    if os.geteuid() != 0:
        return os.getuid(), os.getgid()
    user = pwd.getpwnam("www-data")
    return user.pw_uid, user.pw_gid


def tool(build, *arguments):
    done = subprocess.run([str(build / "tools" / "secbeat_state_tool"), *map(str, arguments)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@functools.cache
def artifact_of(build, guest):
    """(bytes of the compiled guest, its SHA-256)."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "artifact"
        sha256 = tool(build, "artifact", build / "guests" / f"{guest}.wasm", output)
        return output.read_bytes(), sha256


def rule(guest, **options):
    """A place in the chain, made when there is a State to make it in."""
    return lambda state: state.slot(guest, **options)


class State:
    """The directory of `secbeat_state`: what is in force, artifacts, scoreboard."""

    def __init__(self, build, folder):
        self.build, self.path = build, Path(folder)
        self.data = self.path / "data"
        for part in ("artifacts", "configs"):
            (self.data / part).mkdir(parents=True)
        self.scoreboard = self.path / "workers" / "scoreboard"
        tool(build, "scoreboard", self.scoreboard, *worker_ids())
        self.generation, self.next_id = 0, 1

    def version(self, guest, label="v1", config=None):
        """Compiles build/…/guests/<guest>.wasm into a version of the document."""
        content, artifact_sha256 = artifact_of(self.build, guest)
        (self.data / "artifacts" / f"{artifact_sha256}.cwasm").write_bytes(content)
        module = (self.build / "guests" / f"{guest}.wasm").read_bytes()
        config_sha256 = ""
        if config is not None:
            config_sha256 = hashlib.sha256(config.encode()).hexdigest()
            (self.data / "configs" / config_sha256).write_text(config)
        version = {"id": self.next_id, "label": label, "sha256": hashlib.sha256(module).hexdigest(),
                   "config_sha256": config_sha256, "artifact_sha256": artifact_sha256, "size_bytes": len(module),
                   "loaded_at": "2025-01-01T00:00:00Z"}
        self.next_id += 1
        return version

    def slot(self, guest, name="rule", label="v1", config=None, on_error="open"):
        version = self.version(guest, label, config)
        return {"name": name, "on_error": on_error, "isolation": "instance", "current": version["id"], "previous": 0, "versions": [version],
                "limits": {"call_budget_ms": 5, "configure_budget_ms": 2000, "memory_bytes": 16 << 20}}

    def document(self, *slots, max_body_bytes=131072, body_over_limit="inspect", per_second=1000000, burst=1000000):
        self.generation += 1
        return {"format": 1, "generation": self.generation, "max_body_bytes": max_body_bytes,
                "body_over_limit": body_over_limit, "rate_limit": {"per_second": per_second, "burst": burst},
                "slots": list(slots)}

    def put_in_force(self, document):
        temporary = self.data / "in_force.json.new"
        temporary.write_text(json.dumps(document))
        temporary.rename(self.data / "in_force.json")

    def counters(self):
        return json.loads(tool(self.build, "counters", self.scoreboard))

    def inspected(self):
        return self.counters()["requests"]

    def remove(self):
        shutil.rmtree(self.path)


class Link:
    """One worker's connection to the agent."""

    def __init__(self, agent, connection):
        self.agent, self.connection = agent, connection
        self.messages, self.closed = [], False
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self):
        with contextlib.suppress(OSError):
            while packet := self.connection.recv(MAX_PACKET):
                message = json.loads(packet)
                if message["type"] == "events":
                    self.agent.events.extend(message["events"])
                self.messages.append(message)
        self.closed = True

    @property
    def pid(self):
        return next((message["pid"] for message in self.messages if message["type"] == "hello"), None)

    def send(self, **message):
        self.connection.send(json.dumps(message).encode())

    def has_said(self, kind, generation):
        return any(message["type"] == kind and message["generation"] == generation for message in self.messages)


class ScriptedAgent:
    """Listens where the agent would. Swaps when a test calls swap(), and keeps what workers say."""

    def __init__(self, state):
        self.links, self.events = [], []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = str(state.path / "agent.sock")
        self._socket.bind(path)
        os.chmod(path, 0o777)
        self._socket.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.links.append(Link(self, connection))

    def live_links(self):
        return [link for link in self.links if link.pid and not link.closed]

    def wait_for_workers(self, count):
        return wait_for(f"{count} workers to say hello", lambda: len(self.live_links()) == count and self.live_links())

    def swap(self, document, links=None):
        """All these workers (default: all that live) serve the document when this returns."""
        links = links or self.live_links()
        generation = document["generation"]
        for link in links:
            link.send(type="stage", in_force=document)
        for link in links:
            wait_for("a worker to be ready", lambda link=link: link.has_said("staged", generation))
        for link in links:
            link.send(type="commit", generation=generation)
        for link in links:
            wait_for("a worker to serve", lambda link=link: link.has_said("serving", generation))

    def close(self):
        if self._socket.fileno() < 0:
            return
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for link in self.links:
            link.connection.close()
