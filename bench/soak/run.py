#!/usr/bin/env python3
"""The release check: thousands of reloads under load, with nothing lost and nothing growing.

    bench/soak/run.py [--build build/release] [--reloads 1000] [--rate 2000]

Four modules in turn, each time with other bytes, every tenth reload a rollback and every tenth hostile with bytes of its own
(refused, or taken back by the watch when it turns hostile in service), while requests come at --rate in an open loop.
Memory (PSS) and descriptors of the agent and of each worker are sampled all along. Exit status 1 when a request or a
connection was lost, when a process grew by 2 MB after the first 50 reloads, or when descriptors were left open.
Before a release: --reloads 10000. Writes its part of docs/benchmarks.md.
"""

import contextlib
import statistics
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parents[2] / "tests")]

from measure import upstream  # noqa: E402
from report import benchmark_folder, machine, options_of, write_part  # noqa: E402
from support.node import Node  # noqa: E402
from support.processes import free_port  # noqa: E402
from support.soak import Soak  # noqa: E402

WARM, GROWTH_KIB = 50, 2048


def main():
    options = options_of(__doc__, reloads=1000, rate=2000.0)
    every = max(10, options.reloads // 100)
    with contextlib.ExitStack() as stack:
        folder, upstream_port, began = stack.enter_context(benchmark_folder()), free_port(), time.monotonic()
        stack.callback(upstream(folder, upstream_port).stop)
        node = Node(options.build, folder, upstream_port, module=options.build / "guests" / "generation_0.wasm").start()
        stack.callback(node.clean_up)
        soak = Soak(node, [f"generation_{i}" for i in range(4)], "generation_0").run(
            options.reloads, every, options.rate, told=lambda done: print(f"{done} of {options.reloads}", flush=True))
        took = time.monotonic() - began
        if node.stop() != 0:
            raise RuntimeError("the node did not stop cleanly")
    growth, lines = soak.growth(after=WARM), []
    after = [sample for sample in soak.samples if sample[0] > WARM]
    for name in soak.processes:
        memory = [sample[1][name] for sample in after]
        lines.append(f"| {name} | {memory[0] / 1024:.1f} | {statistics.median(memory) / 1024:.1f} | {memory[-1] / 1024:.1f} | "
                     f"{growth[name][0] / 1024:+.2f} | {after[0][2][name]} | {after[-1][2][name]} |")
    text = f"""## Soak

{options.reloads:,} reloads, every tenth of them a rollback, another tenth hostile ({soak.taken_back:,} of them in service, taken back by the watch), under {options.rate:,.0f} requests a second over 32 connections, in {took / 60:.1f} minutes. {machine()}.
{soak.load['answers']:,} answers, {soak.load['failed']} failed, {soak.load['closed_by_server']} connections closed.

| | MB after {after[0][0]} reloads | median | at the end | growth, first to last third | descriptors after {after[0][0]} | at the end |
|---|---|---|---|---|---|---|
{chr(10).join(lines)}

Repeat it: `bench/soak/run.py --reloads {options.reloads}`.
"""
    write_part("soak", text)
    print(text)
    bad = [name for name, (kib, descriptors) in growth.items() if kib >= GROWTH_KIB or descriptors > 0]
    if bad or soak.load["failed"] or soak.load["closed_by_server"]:
        sys.exit(f"not clean: grew: {bad}; lost: {soak.load['failures']}, {soak.load['closed_by_server']} closed")


if __name__ == "__main__":
    main()
