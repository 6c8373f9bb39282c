"""Fixtures for tests of whole nodes; a conftest.py takes those that its tests want."""

import contextlib
import os
import tempfile
from pathlib import Path

import pytest

from support.node import Node


@contextlib.contextmanager
def nodes_in(folder, build, upstream):
    """make(module="bad-bot-blocker", start=True, tables=None, called=None): a node in `folder`, whose module has the name
    `called`. All nodes end with the block."""
    nodes = []

    def make(module="bad-bot-blocker", start=True, tables=None, name="node", called=None):
        home = folder / name
        home.mkdir()
        path = None
        if module:
            path = home / f"{called or module}.wasm"
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
def make_node(build, folder, upstream):
    """A node that ends with the test."""
    with nodes_in(folder, build, upstream) as make:
        yield make


@pytest.fixture(scope="module")
def make_shared_node(build, upstream):
    """A node that ends with the last test of the file: for tests that leave it as they found it."""
    home = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="secbeat-test-", dir=home) as path:
        os.chmod(path, 0o755)
        with nodes_in(Path(path), build, upstream) as make:
            yield make


@pytest.fixture
def node(make_node):
    return make_node()
