#!/usr/bin/env python3
"""How long a version that hurts stays in force: from its first error to the old version serving in all workers.

    bench/watch/run.py [--build build/release] [--rounds 5]

Open loop, 2,000 requests a second over 32 kept connections, two workers. In each round every hostile guest is uploaded once
(harmless to its rehearsal, and then it traps, loops, eats memory, overflows the stack or returns 7 at every request), one that
blocks everything and one that rate-limits everybody, each with bytes of its own. After that, at 200 requests a second, a
configuration with which every request takes some milliseconds. Writes its part of docs/benchmarks.md.

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
# Compared with the version before them.
COMPARED = {"block_all": "blocks everything", "rate_limit_all": "rate-limits everybody"}
BASELINE = 1500  # requests before the upload; 1,000 are needed

# Turns of a loop at each request: several ms, above p99_floor_us. The rate is what two workers can still serve with it.
SLOW, SLOW_TURNS = "works_hard", 6_000_000
SLOW_RATE = 200


def serving(node):
    version = node.api("GET", "/api/v1/wasm/version").json
    return version, {worker["version"] for worker in version["workers"]}


def wait_until_back(node, old):
    """The moment at which every worker serves `old` again."""
    begun = time.monotonic()
    while True:
        version, workers = serving(node)
        if version["version"] == old and workers == {old}:
            return time.monotonic()
        assert time.monotonic() < begun + 60, version["watch"]
        time.sleep(0.002)


def one(node, rate, upload):
    """Milliseconds that the version served in some worker, from the beginning of its swap, and what clients saw."""
    old = node.version()["version"]
    with Load(node, rate=rate, connections=CONNECTIONS) as load:
        wait_for("a baseline", lambda: inspected(load) > BASELINE)
        answer = upload()
        assert answer.status == 200, answer
        swapped = time.monotonic() - answer.json["stages"]["swap_ms"] / 1000
        back = wait_until_back(node, old)
        wait_for("requests after it", lambda: time.monotonic() > back + 0.3)
    row = next(row for row in node.history() if row["kind"] == "auto_rollback")
    assert row["from_version"] == answer.json["version"], row
    return (back - swapped) * 1000, load, answer.json["version"], row["reason"]


def inspected(load):
    return load.file.read_bytes().count(b"\n")


def measure(node, rounds):
    results = {}
    number = 0
    for done in range(rounds):
        for guest in [*HOSTILE, *COMPARED]:
            number += 1
            module = distinct(node.guest(guest).read_bytes(), number)
            results.setdefault(guest, []).append(
                one(node, RATE, lambda module=module: node.upload(module, name="generation_0")))
        print(f"round {done + 1} of {rounds}", flush=True)
    return results


def measure_slow(node, rounds):
    """A number of turns of its own each time: what was taken back is quarantined."""
    def upload(turns):
        return node.upload(config=str(turns), name=SLOW)
    return [one(node, SLOW_RATE, lambda turns=SLOW_TURNS + done: upload(turns)) for done in range(rounds)]


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

        def measured(how, guest, tables):
            own = folder / guest
            own.mkdir()
            node = Node(options.build, own, port, module=options.build / "guests" / f"{guest}.wasm", tables=tables).start()
            stack.callback(node.clean_up)
            result = how(node, options.rounds)
            assert node.stop() == 0
            return result

        # The load has one address, whose bucket is filled once and then nearly never.
        results = measured(measure, "generation_0", {"waf.rate_limit": {"requests_per_second": 1, "burst": 1}})
        # What it costs, or the time of a sample, would refuse it before it serves.
        results[SLOW] = measured(measure_slow, SLOW, {"waf.wasm.gates": {"count_cost": False},
                                                      "waf.wasm": {"deadline_ms": 50}})
    rows = "\n".join(row_of(what, results[guest]) for guest, what in (HOSTILE | COMPARED | {SLOW: "is slow"}).items())
    text = f"""## A version that hurts is taken back

{RATE:,} requests a second, open loop, over {CONNECTIONS} kept connections, two workers, `on_error = "previous"`, the thresholds of the
sample configuration; {options.rounds} uploads of each module, every one with bytes of its own. From the moment at which the first
worker swapped, so from before the first error, until every worker serves the old version again: median (least to most).
The slow one has {SLOW_RATE} requests a second, which the workers can still serve, and a node with `count_cost = false` and
`deadline_ms = 50`, without which it would not come into force. {machine()}.

| a version that | ms until the old one serves in all workers | answers | with a status of 5xx | connections closed | answers by the failing version | longest answer, ms |
|---|---|---|---|---|---|---|
{rows}

What the last one of each left in the history:

{chr(10).join(f"- {results[guest][-1][3]}" for guest in results)}

Repeat it: `bench/watch/run.py`.
"""
    write_part("watch", text)
    print(text)
    print(json.dumps({guest: [round(ms) for ms, *_ in runs] for guest, runs in results.items()}))


if __name__ == "__main__":
    main()
