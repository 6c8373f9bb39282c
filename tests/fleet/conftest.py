"""Fixtures for tests of a fleet."""

import contextlib
import functools
import os
import tempfile
from pathlib import Path

import pytest

from support.cables import can_be_pulled
from support.nats import NatsServer
from support.nodes import make_node, make_shared_node, nodes_in  # noqa: F401
from support.orchestrator import orchestrators_in
from support.processes import wait_for


# Where there is no Go that builds the official tools of NATS, their tests are not there; scripts/test.sh says so.
collect_ignore = [] if os.environ.get("SECBEAT_NATS_TOOLS") else ["test_nats_tools.py"]
# Nor are those that pull cables, where there are no network namespaces.
if not can_be_pulled():
    collect_ignore.append("test_partition.py")
# The same of a server of S3.
collect_ignore += [] if os.environ.get("SECBEAT_VERSITYGW") else ["test_archive_s3.py"]


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

    def __init__(self, folder, nats, orchestrator, nodes, make_orchestrator, make_node):
        self.folder, self.nats, self.orchestrator, self.nodes = folder, nats, orchestrator, nodes
        self.make_orchestrator, self.make_node = make_orchestrator, make_node


def node_tables(nats, name):
    return {"nats": {"url": nats.url_of(name)}, "node": {"name": name}, "proxy": {"workers": 1}}


@contextlib.contextmanager
def fleet_in(build, upstream, number, module="bad-bot-blocker", make_nats=NatsServer, tables=None, called=None):
    """So many nodes that serve the module, as `called`, and an orchestrator with these tables."""
    home = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="secbeat-test-", dir=home) as path:
        os.chmod(path, 0o755)
        folder = Path(path)
        server = make_nats(folder)
        try:
            server.start()
            with orchestrators_in(folder, build, server.url) as make_orchestrator, nodes_in(folder, build, upstream) as make:
                orchestrator = make_orchestrator(tables={"nats": {"url": server.url_of("orchestrator-1")}, **(tables or {})})
                names = [f"node-{i + 1}" for i in range(number)]
                nodes = [make(module, name=name, called=called, tables=node_tables(server, name)) for name in names]
                wait_for("the nodes to report", lambda: sorted(orchestrator.nodes()) == names, log=orchestrator.log)
                yield Fleet(folder, server, orchestrator, nodes, make_orchestrator, make)
        finally:
            server.remove()


@pytest.fixture(scope="module")
def fleet_of(build, upstream):
    return functools.partial(fleet_in, build, upstream)


@pytest.fixture(scope="module")
def fleet(fleet_of):
    with fleet_of(3) as three:
        yield three
