#!/usr/bin/env python3
"""How long calls take that would never end, and what goes on beside them.

    bench/deadline/run.py [--build build/release] [--calls 10000] [--clients 2]

CPU time of calls of a module that loops for ever, each ended by its deadline of 5 ms, and of one whose loop is made of single
instructions that fill 12 MiB, which nothing can end half way. Then a node with the first of the two and a rule that works: so
many requests that loop, in a closed loop, and 500 others a second, open loop. Writes its part of docs/benchmarks.md.
"""

import contextlib
import http.client
import statistics
import subprocess
import sys
import threading
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parents[2] / "tests")]

from measure import cpu_ns, upstream  # noqa: E402
from report import benchmark_folder, machine, options_of, percentile, write_part  # noqa: E402
from support.node import Load, Node  # noqa: E402
from support.processes import free_port  # noqa: E402

DEADLINE_MS = 5
BULK_CALLS = 1000


def in_engine(build, guest, calls):
    """CPU milliseconds of each call."""
    program = build / "bench" / "deadline-bench"
    lines = subprocess.run([program, guest, str(calls), str(DEADLINE_MS)], check=True, capture_output=True, text=True).stdout
    return [float(line) / 1000 for line in lines.split()]


def row(what, times):
    return (f"| {what} | {len(times):,} | {statistics.median(times):.2f} | {percentile(times, 99):.2f} | {max(times):.2f} | "
            f"{percentile(times, 99) - DEADLINE_MS:+.2f} |")


def ask(port, count, answers):
    """Requests that loop, over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(count):
        connection.request("GET", "/", headers={"x-loop": "1"})
        answer = connection.getresponse()
        answer.read()
        answers.append(answer.status)
    connection.close()


def in_nginx(options):
    with contextlib.ExitStack() as stack:
        folder, upstream_port = stack.enter_context(benchmark_folder()), free_port()
        stack.callback(upstream(folder, upstream_port).stop)
        node = Node(options.build, folder, upstream_port, module=options.build / "guests" / "loops_on_request.wasm",
                    tables={"waf.wasm": {"deadline_ms": DEADLINE_MS, "on_error": "open"}}).start()
        stack.callback(node.clean_up)
        if node.upload("generation_0", name="second").status != 200:
            raise RuntimeError("the second module was refused")
        answers = []
        with Load(node, rate=500, connections=16, seconds=3600) as load:
            before = cpu_ns(node.worker_pids())
            threads = [threading.Thread(target=ask, args=(node.site_port, options.calls // options.clients, answers))
                       for _ in range(options.clients)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            used = cpu_ns(node.worker_pids()) - before
        metrics = node.get("/metrics").body.decode()
        if node.stop() != 0:
            raise RuntimeError("the node did not stop cleanly")
    if set(answers) != {200} or load.result["failed"] or load.result["closed_by_server"]:
        raise RuntimeError(f"requests were lost: {set(answers)}, {load.result['failures']}")
    ended = sum(float(line.rsplit(" ", 1)[1]) for line in metrics.splitlines()
                if line.startswith("secbeat_wasm_errors_total") and 'kind="deadline"' in line)
    others = [(done - due) / 1000 for due, _, done, _, _ in load.records]
    return len(answers), ended, used, others


def main():
    options = options_of(__doc__, calls=10000, clients=2)
    loops = in_engine(options.build, "loops_on_request", options.calls)
    fills = in_engine(options.build, "fills_memory_on_request", min(options.calls, BULK_CALLS))
    asked, ended, used, others = in_nginx(options)
    text = f"""## Calls that never end

CPU time of a call that its deadline of {DEADLINE_MS} ms ends, in ms. {machine()}.

| | calls | median | p99 | longest | p99 beyond the deadline |
|---|---|---|---|---|---|
{row("an endless loop", loops)}
{row("single instructions that fill 12 MiB each", fills)}

Through nginx, two workers, the endless loop and a rule that works, one after the other, `on_error = "open"`: {asked:,} requests that
loop ({options.clients} clients, closed loop) and 500 others a second. {ended:,.0f} calls were ended by the deadline; the workers used
{used / 1e6 / asked:.2f} ms of CPU for each request that loops, the others among them. All {asked:,} were answered 200. Of the
{len(others):,} others none failed and no connection was closed; they waited behind the loops: median {percentile(others, 50):.1f} ms, p99 {percentile(others, 99):.1f} ms.

Repeat it: `bench/deadline/run.py`.
"""
    write_part("deadline", text)
    print(text)


if __name__ == "__main__":
    main()
