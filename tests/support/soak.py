"""Many reloads under load, and what processes hold meanwhile: for the soak run and for its short form among the tests."""

import contextlib
import os
import statistics
from pathlib import Path

from support.node import Load
from support.processes import wait_for
from support.wasm_sections import distinct


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


# Hostile in service only: the watch takes it back. And hostile from the start: refused, with this word.
TURNS_HOSTILE = ["hostile_traps", "hostile_loops", "hostile_eats_memory", "hostile_overflows_stack", "hostile_returns_seven"]
REFUSED = {"traps_always": "sample_trapped", "returns_seven": "invalid_action", "loops_forever": "sample_timeout",
           "huge_memory": "memory_limit", "missing_inspect": "missing_export"}


class Soak:
    """Reloads `guests` in turn, each time with other bytes; takes every tenth one back, and another tenth is hostile.

    After run(): `samples` is a list of (reloads so far, {process: KiB}, {process: descriptors}), `load` the load's summary.
    """

    def __init__(self, node, guests, name):
        self.node, self.name = node, name
        self.modules = [node.guest(guest).read_bytes() for guest in guests]
        self.samples, self.load, self.taken_back = [], None, 0
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
        if number % 10 == 5:
            self._hostile(number)
            return
        module = self.modules[number % len(self.modules)]
        answer = self.node.upload(distinct(module, number), name=self.name)
        assert answer.status == 200 and answer.json["message"] == "Module reloaded", answer

    def _hostile(self, number):
        """Every other one is refused, the ones between turn hostile in service."""
        turn = number // 20
        if number % 20 == 5:
            guest = list(REFUSED)[turn % len(REFUSED)]
            answer = self._upload(guest, number)
            assert (answer.status, answer.json["code"]) == (422, REFUSED[guest]), answer
            return
        guest = TURNS_HOSTILE[turn % len(TURNS_HOSTILE)]
        answer = self._upload(guest, number)
        assert answer.status == 200, answer
        wait_for(f"{guest} to be taken back", lambda: self._serves(answer.json["previous_version"]), log=self.node.log)
        self.taken_back += 1

    def _serves(self, version):
        """Whether it does, and nothing is under way that would refuse the next upload."""
        return self.node.version(self.name)["version"] == version and \
            self.node.get("/api/v1/wasm/operation").json["operation"] is None

    def _upload(self, guest, number):
        return self.node.upload(distinct(self.node.guest(guest).read_bytes(), number), name=self.name)

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
