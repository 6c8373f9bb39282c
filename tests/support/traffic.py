"""Clients of every node of a fleet, while something happens to it."""

import contextlib

from support.node import Load


@contextlib.contextmanager
def traffic(nodes, rate=100, connections=4, answers=(200,)):
    """Each request is answered, and with one of these statuses."""
    with contextlib.ExitStack() as stack:
        loads = [stack.enter_context(Load(node, rate=rate, connections=connections)) for node in nodes]
        yield loads
    for load in loads:
        assert load.lost[:2] == (0, 0), (load.node.folder.name, load.lost)
        assert {record[3] for record in load.records} <= set(answers), load.node.folder.name
