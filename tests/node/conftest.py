"""Fixtures for tests of a whole node."""

import pytest

from support.node import Node


@pytest.fixture
def make_node(build, folder, upstream):
    """make_node(module="bad-bot-blocker", start=True, **tables): a node that ends with the test."""
    nodes = []

    def make(module="bad-bot-blocker", start=True, tables=None, name="node"):
        home = folder / name
        home.mkdir()
        path = None
        if module:
            path = home / f"{module}.wasm"
            path.write_bytes((build / "guests" / f"{module}.wasm").read_bytes())
        node = Node(build, home, upstream, module=path, tables=tables)
        nodes.append(node)
        return node.start() if start else node

    yield make
    for node in nodes:
        node.clean_up()
    for node in nodes:
        log = node.log.read_text(errors="replace") if node.log.exists() else ""
        undocumented = [line for line in log.splitlines() if "which is not documented" in line]
        assert not undocumented, undocumented


@pytest.fixture
def node(make_node):
    return make_node()
