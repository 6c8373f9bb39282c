"""Fixtures for tests of a fleet."""

import os
import tempfile
from pathlib import Path

import pytest

from support.nats import NatsServer
from support.nodes import make_node, make_shared_node, nodes_in  # noqa: F401
from support.orchestrator import orchestrators_in


# Where there is no Go that builds the official tools of NATS, their tests are not there; scripts/test.sh says so.
collect_ignore = [] if os.environ.get("SECBEAT_NATS_TOOLS") else ["test_nats_tools.py"]


@pytest.fixture
def nats(tmp_path):
    server = NatsServer(tmp_path).start()
    yield server
    server.kill()


@pytest.fixture
def make_orchestrator(build, folder, nats):
    with orchestrators_in(folder, build, nats.url) as make:
        yield make


class Fleet:
    """nats-server, an orchestrator and real nodes, for the tests of one file."""

    def __init__(self, nats, orchestrator, nodes, make_orchestrator, make_node):
        self.nats, self.orchestrator, self.nodes = nats, orchestrator, nodes
        self.make_orchestrator, self.make_node = make_orchestrator, make_node


def node_tables(nats, name):
    return {"nats": {"url": nats.url}, "node": {"name": name}, "proxy": {"workers": 1}}


@pytest.fixture(scope="module")
def fleet(build, upstream):
    """Three nodes that serve bad-bot-blocker, and an orchestrator."""
    home = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="secbeat-test-", dir=home) as path:
        os.chmod(path, 0o755)
        folder = Path(path)
        server = NatsServer(folder).start()
        try:
            with orchestrators_in(folder, build, server.url) as make_orchestrator, nodes_in(folder, build, upstream) as make:
                orchestrator = make_orchestrator()
                nodes = [make(name=name, tables=node_tables(server, name)) for name in ("node-1", "node-2", "node-3")]
                yield Fleet(server, orchestrator, nodes, make_orchestrator, make)
        finally:
            server.kill()
