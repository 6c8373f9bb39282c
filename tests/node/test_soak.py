"""The short form of bench/soak: nothing grows and nothing is lost over some hundred reloads under load."""

from support.soak import Soak

RELOADS, WARM = 300, 50
GROWTH_KIB = 2048


def test_memory_and_descriptors_are_flat_and_nothing_is_lost_over_hundreds_of_reloads(make_node):
    node = make_node("generation_0")
    soak = Soak(node, [f"generation_{i}" for i in range(4)], "generation_0").run(RELOADS, every=10, rate=300)
    for name, (kib, descriptors) in soak.growth(after=WARM).items():
        assert kib < GROWTH_KIB, (name, soak.samples)
        assert descriptors <= 0, (name, soak.samples)
    assert soak.taken_back == RELOADS // 20
    assert (soak.load["failed"], soak.load["closed_by_server"]) == (0, 0), soak.load
    assert sorted(soak.processes.values()) == sorted([node.process.pid, *node.worker_pids()])
