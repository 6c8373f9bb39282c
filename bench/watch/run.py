#!/usr/bin/env python3
"""How long a version that hurts stays in force: from its first error to the old version serving in all workers.

    bench/watch/run.py [--build build/release] [--rounds 5]

Open loop, 2,000 requests a second over 32 kept connections, two workers. In each round every hostile guest is uploaded once
(harmless to its rehearsal, and then it traps, loops, eats memory, overflows the stack or returns 7 at every request), and
one that blocks everything, each with bytes of its own. Writes its part of docs/benchmarks.md.

The clock starts when the workers begin to swap to the new version, before its first error, and stops when the API says that
every worker serves the old one again, which is asked every 2 ms.
"""

import contextlib
import json
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tests")]

from measure import upstream  # noqa: E402
from report import benchmark_folder, machine, options_of, spread, write_part  # noqa: E402
from support.node import Load, Node  # noqa: E402
from support.processes import free_port, wait_for  # noqa: E402
from support.wasm_sections import distinct  # noqa: E402

RATE, CONNECTIONS = 2000, 32
HOSTILE = {
    "hostile_traps": "traps",
    "hostile_loops": "never returns",
    "hostile_eats_memory": "eats memory",
    "hostile_overflows_stack": "overflows its stack",
    "hostile_returns_seven": "returns 7",
}


def serving(node):
    version = node.api("GET", "/api/v1/wasm/version").json
    return version, {worker["version"] for worker in version["workers"]}


def wait_until_back(node, old):
    """The moment at which every worker serves `old` again."""
    while True:
        version, workers = serving(node)
        if version["version"] == old and workers == {old}:
            return time.monotonic()
        time.sleep(0.002)


def one(node, guest, number):
    """Seconds that the version served in some worker, from the end of its swap, and what clients saw."""
    old = node.version()["version"]
    module = distinct(node.guest(guest).read_bytes(), number)
    with Load(node, rate=RATE, connections=CONNECTIONS) as load:
        wait_for("a baseline", lambda: inspected(load) > 3000)
        answer = node.upload(module, name="generation_0")
        assert answer.status == 200, answer
        swapped = time.monotonic() - answer.json["stages"]["swap_ms"] / 1000
        back = wait_until_back(node, old)
        wait_for("requests after it", lambda: time.monotonic() > back + 0.3)
    row = next(row for row in node.history() if row["kind"] == "auto_rollback")
    assert row["from_version"] == answer.json["version"], row
    return (back - swapped) * 1000, load, answer.json["version"], row["reason"]


def inspected(load):
    return load.file.stat().st_size // 40  # at least: a line has some 50 bytes


def measure(node, rounds):
    results = {}
    number = 0
    for done in range(rounds):
        for guest in [*HOSTILE, "block_all"]:
            number += 1
            results.setdefault(guest, []).append(one(node, guest, number))
        print(f"round {done + 1} of {rounds}", flush=True)
    return results


def wrong(load, version):
    """Answers that name the failing version."""
    return sum(receipt.split(";")[0].endswith("/" + version) for *_, receipt in load.records)


def row_of(what, runs):
    loads = [load for _, load, _, _ in runs]
    return (f"| {what} | {spread([ms for ms, *_ in runs], 0)} | {sum(load.result['answers'] for load in loads):,} | "
            f"{sum(status >= 500 for load in loads for _, _, _, status, _ in load.records)} | "
            f"{sum(load.result['closed_by_server'] for load in loads)} | "
            f"{sum(wrong(load, version) for _, load, version, _ in runs)} | "
            f"{max(load.result['latency_us']['max'] for load in loads) / 1000:.0f} |")


def main():
    options = options_of(__doc__, rounds=5)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(benchmark_folder())
        port = free_port()
        site = upstream(folder, port)
        stack.callback(site.stop)
        node = Node(options.build, folder, port, module=options.build / "guests" / "generation_0.wasm").start()
        stack.callback(node.clean_up)
        results = measure(node, options.rounds)
        assert node.stop() == 0
    rows = "\n".join(row_of(what, results[guest]) for guest, what in HOSTILE.items())
    text = f"""## A version that hurts is taken back

{RATE:,} requests a second, open loop, over {CONNECTIONS} kept connections, two workers, `on_error = "previous"`, the thresholds of the
sample configuration; {options.rounds} uploads of each module, every one with bytes of its own. From the moment at which the first
worker swapped, so from before the first error, until every worker serves the old version again: median (least to most).
{machine()}.

| a version that | ms until the old one serves in all workers | answers | with a status of 5xx | connections closed | answers by the failing version | longest answer, ms |
|---|---|---|---|---|---|---|
{rows}
{row_of("blocks everything", results["block_all"])}

What the last one of each left in the history:

{chr(10).join(f"- {results[guest][-1][3]}" for guest in results)}

Repeat it: `bench/watch/run.py`.
"""
    write_part("watch", text)
    print(text)
    print(json.dumps({guest: [round(ms) for ms, *_ in runs] for guest, runs in results.items()}))


if __name__ == "__main__":
    main()
