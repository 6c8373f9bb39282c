"""Many reloads under load, and what processes hold meanwhile: for the soak run and for its short form among the tests."""

import contextlib
import os
import statistics
from pathlib import Path

from support.node import Load


def distinct(module, number):
    """The module with a custom section that nothing reads: other bytes, so another version, and the same code."""
    name, text = b"secbeat.number", str(number).encode()
    content = bytes([len(name)]) + name + text
    assert len(content) < 128  # one byte of LEB128
    return module + bytes([0, len(content)]) + content


def resident_kib(pid):
    """Proportional set size: pages shared with other processes are counted in part."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise RuntimeError(f"/proc/{pid}/smaps_rollup has no Pss")


def descriptors(pid):
    """How many are open, TCP connections aside: those belong to clients and the upstream, and nginx keeps them as it likes."""
    tcp = {line.split()[9] for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]}
    count = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = os.readlink(entry)
            count += not (target.startswith("socket:[") and target[8:-1] in tcp)
    return count


class Soak:
    """Reloads `guests` in turn, each time with other bytes, and takes every tenth one back.

    After run(): `samples` is a list of (reloads so far, {process: KiB}, {process: descriptors}), `load` the load's summary.
    """

    def __init__(self, node, guests, name):
        self.node, self.name = node, name
        self.modules = [node.guest(guest).read_bytes() for guest in guests]
        self.samples, self.load = [], None
        self.processes = {"agent": node.process.pid, **{f"worker {i}": pid for i, pid in enumerate(node.worker_pids(), 1)}}

    def run(self, reloads, every, rate, connections=32, told=lambda done: None):
        with Load(self.node, rate=rate, connections=connections, seconds=3600 * 12) as load:
            for number in range(1, reloads + 1):
                self._reload(number)
                if number % every == 0:
                    self._sample(number)
                    told(number)
        self.load = load.result
        return self

    def _reload(self, number):
        if number % 10 == 0:
            answer = self.node.rollback(name=self.name)
            assert answer.status == 200, answer
            return
        module = self.modules[number % len(self.modules)]
        answer = self.node.upload(distinct(module, number), name=self.name)
        assert answer.status == 200 and answer.json["message"] == "Module reloaded", answer

    def _sample(self, number):
        self.samples.append((number, {name: resident_kib(pid) for name, pid in self.processes.items()},
                             {name: descriptors(pid) for name, pid in self.processes.items()}))

    def growth(self, after):
        """{process: (KiB, descriptors)} between the first and the last third of the samples after `after` reloads.

        Memory by the median; descriptors by the least, since some are open for a moment at any time and a leak never closes.
        """
        samples = [sample for sample in self.samples if sample[0] > after]
        third = max(1, len(samples) // 3)

        def grown(name, part, middle):
            first, last = ([sample[part][name] for sample in some] for some in (samples[:third], samples[-third:]))
            return middle(last) - middle(first)
        return {name: (grown(name, 1, statistics.median), grown(name, 2, min)) for name in self.processes}
