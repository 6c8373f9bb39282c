#!/usr/bin/env python3
"""What clients notice while a large module is compiled and brought in, and reloads on a saturated machine.

    bench/compile_under_load/run.py [--build build/release] [--rounds 10] [--window 3]

Open loop, 2,000 requests a second over 32 connections, two workers, the compile on the cores that serve. Windows of
--window seconds in turn: in one nothing happens, in the next a module of 500 KB with other bytes is uploaded again and
again, in the third a loop that touches next to no memory runs at the compile child's priority: what a machine of two cores
makes clients pay for any work beside them. Latencies of all requests due while an upload (the loop) ran are compared with
those of the quiet windows. Before that, reloads with two processes that keep both cores busy. Writes its part of docs/benchmarks.md.
"""

import contextlib
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parents[2] / "tests")]

from measure import upstream  # noqa: E402
from report import benchmark_folder, machine, options_of, percentile, write_part  # noqa: E402
from support.node import Load, Node, monotonic_us  # noqa: E402
from support.processes import free_port  # noqa: E402
from support.wasm_sections import distinct  # noqa: E402

RATE, CONNECTIONS = 2000, 32
CHILD_NICE = 10  # of the compile child, and of this program, which is on the client's machine elsewhere


def upload(node, module, numbers):
    fresh = distinct(module, next(numbers))
    began = monotonic_us()
    answer = node.upload(fresh, name="bench")
    if answer.status != 200:
        raise RuntimeError(str(answer))
    return began, monotonic_us()


def windows(node, module, numbers, seconds):
    """A quiet window, the spans of the uploads of the one after it, and one with a busy loop; on the records' clock."""
    quiet_from = monotonic_us()
    time.sleep(seconds)
    quiet, end, spans = (quiet_from, monotonic_us()), time.monotonic() + seconds, []
    while time.monotonic() < end:
        spans.append(upload(node, module, numbers))
    with spinning(1):
        loop_from = monotonic_us()
        time.sleep(seconds)
        return quiet, spans, (loop_from, monotonic_us())


def latencies_ms(records, spans):
    """Of the requests that were due in one of the spans; records and spans are in order of time."""
    return [(done - due) / 1000 for due, _, done, status, _ in records
            if status and any(start <= due < end for start, end in spans)]


def row(title, latencies):
    """`latencies`: one list for each round."""
    whole = [latency for some in latencies for latency in some]
    each = [percentile(some, 99) for some in latencies]
    return (f"| {title} | {len(whole):,} | {percentile(whole, 50):.2f} | {percentile(whole, 99):.2f} | "
            f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f}) | {percentile(whole, 99.9):.1f} | {max(whole):.1f} |")


def spin():
    while True:
        pass


@contextlib.contextmanager
def spinning(count):
    """`count` processes that want a core each."""
    spinners = [multiprocessing.Process(target=spin, daemon=True) for _ in range(count)]
    for spinner in spinners:
        spinner.start()
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.join()


def saturated(node, module, numbers, count):
    """Milliseconds of `count` uploads while other processes want both cores."""
    with spinning(os.cpu_count()):
        return [(end - start) / 1000 for start, end in (upload(node, module, numbers) for _ in range(count))]


def main():
    options = options_of(__doc__, rounds=10, window=3.0)
    subprocess.run(["cmake", "--build", str(options.build), "--target", "secbeat_sized_guests"], check=True, stdout=sys.stderr)
    numbers = iter(range(1 << 30))
    with contextlib.ExitStack() as stack:
        folder, upstream_port = stack.enter_context(benchmark_folder()), free_port()
        stack.callback(upstream(folder, upstream_port).stop)
        node = Node(options.build, folder, upstream_port, module=options.build / "guests" / "allow_all.wasm").start()
        stack.callback(node.clean_up)
        large, small = (node.guest(name).read_bytes() for name in ("sized_500k", "bad-bot-blocker"))
        print("saturated", flush=True)
        busy = {name: saturated(node, module, numbers, 5) for name, module in (("bad-bot-blocker", small), ("sized_500k", large))}
        rounds = []
        with Load(node, rate=RATE, connections=CONNECTIONS, seconds=3600) as load:
            os.nice(CHILD_NICE)  # after the load, which is a process of its own
            for number in range(options.rounds):
                print(f"round {number + 1} of {options.rounds}", flush=True)
                rounds.append(windows(node, large, numbers, options.window))
        if load.result["failed"] or load.result["closed_by_server"]:
            raise RuntimeError(f"the load lost requests: {load.result['failures']}")
        if node.stop() != 0:
            raise RuntimeError("the node did not stop cleanly")

    quiet = [latencies_ms(load.records, [window]) for window, _, _ in rounds]
    during = [latencies_ms(load.records, spans) for _, spans, _ in rounds]
    looping = [latencies_ms(load.records, [window]) for _, _, window in rounds]
    compiles = [(end - start) / 1000 for _, spans, _ in rounds for start, end in spans]
    ratio, loop_ratio = (statistics.median(percentile(a, 99) / percentile(b, 99) for a, b in zip(busy_ones, quiet))
                         for busy_ones in (during, looping))
    text = f"""## Clients while a 500 KB module comes in

{RATE:,} requests a second, open loop, {CONNECTIONS} connections, two workers; the compile child runs on the same two cores.
{options.rounds} rounds of {options.window:g} s quiet, {options.window:g} s with uploads one after another and {options.window:g} s with the loop ({len(compiles)} uploads, median {statistics.median(compiles):.0f} ms each). {machine()}.

| latency in ms | requests | p50 | p99 | p99 of each round: median (spread) | p99.9 | longest |
|---|---|---|---|---|---|---|
{row("nothing happens", quiet)}
{row("a 500 KB module is compiled and brought in", during)}
{row("a loop at the same priority, nothing is compiled", looping)}

p99 with the compile is {ratio:.2f} times the p99 without, with the loop {loop_ratio:.2f} times (medians of the rounds); no request was lost.

Upload to answer with both cores kept busy by other processes, ms: bad-bot-blocker {statistics.median(busy["bad-bot-blocker"]):.0f} ({min(busy["bad-bot-blocker"]):.0f} to {max(busy["bad-bot-blocker"]):.0f}), the 500 KB module {statistics.median(busy["sized_500k"]):.0f} ({min(busy["sized_500k"]):.0f} to {max(busy["sized_500k"]):.0f}).

Repeat it: `bench/compile_under_load/run.py`.
"""
    write_part("compile_under_load", text)
    print(text)


if __name__ == "__main__":
    main()
