"""Fixtures for tests of a whole node."""

from support.nodes import make_node, make_shared_node, node  # noqa: F401
