"""Fixtures for tests of a fleet."""

import pytest

from support.nats import NatsServer
from support.nodes import make_node, make_shared_node  # noqa: F401


@pytest.fixture
def nats(tmp_path):
    server = NatsServer(tmp_path).start()
    yield server
    server.kill()
