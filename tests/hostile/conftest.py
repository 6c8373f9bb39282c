"""Fixtures for tests with hostile input."""

from support.nodes import make_node, make_shared_node  # noqa: F401
