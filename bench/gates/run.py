#!/usr/bin/env python3
"""What counting the cost adds to an upload: two nodes side by side, one that counts and one that does not.

    bench/gates/run.py [--build build/release] [--uploads 30] [--large 5]

Uploads in turn to one and the other, each with other bytes than any before it; and changes of a configuration, for which
nothing is compiled. On an idle machine the second compile has a core of its own; under load (open loop, 1,000 requests a
second to each node) it has to share. Writes its part of docs/benchmarks.md.
"""

import contextlib
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parents[2] / "tests")]

from measure import upstream  # noqa: E402
from report import benchmark_folder, machine, options_of, percentile, write_part  # noqa: E402
from support.node import Load, Node  # noqa: E402
from support.processes import free_port  # noqa: E402
from support.wasm_sections import distinct  # noqa: E402

SIZES = ["bad-bot-blocker", "body_reader", "sized_10k", "sized_90k", "sized_500k"]
PAUSE = 0.05  # seconds, so that what a reload leaves to be done is done before the next


def timed(call):
    began = time.monotonic()
    answer = call()
    milliseconds = (time.monotonic() - began) * 1000
    if answer.status != 200 or answer.json["message"] != "Module reloaded":
        raise RuntimeError(f"expected a reload: {answer}")
    time.sleep(PAUSE)
    return milliseconds, answer.json


def uploads(nodes, guest, count, numbers):
    """Milliseconds of the client, by node; in turn, so that both meet the same machine."""
    times, cost = {name: [] for name in nodes}, None
    for _ in range(count):
        for name, node in nodes.items():
            module = distinct(node.guest(guest).read_bytes(), next(numbers))
            milliseconds, answer = timed(lambda node=node, module=module: node.upload(module, name="bench", force="true"))
            times[name].append(milliseconds)
            cost = answer["cost"] or cost
    return times, cost


def configurations(nodes, count, numbers):
    times = {name: [] for name in nodes}
    for node in nodes.values():
        node.upload("configurable", name="configured", config="0")
    for _ in range(count):
        for name, node in nodes.items():
            config = str(next(numbers))
            times[name].append(timed(lambda node=node, config=config: node.upload(name="configured", config=config))[0])
    return times


def row(what, times, cost=None):
    cells = [f"{percentile(values, 50):.1f}, {percentile(values, 95):.1f}" for values in (times["without"], times["with"])]
    more = statistics.median(times["with"]) - statistics.median(times["without"])
    told = f"{cost['fuel']:,} ({cost['request']})" if cost else ""
    return f"| {what} | {len(times['with'])} | {' | '.join(cells)} | {more:+.1f} | {told} |"


def table(nodes, options, numbers):
    lines = ["| upload | each | without: median, p95 | with: median, p95 | more | cost, fuel |", "|---|---|---|---|---|---|"]
    for guest in SIZES:
        count = options.large if guest == "sized_500k" else options.uploads
        size = nodes["with"].guest(guest).stat().st_size
        print(guest, flush=True)
        lines.append(row(f"{guest}, {size:,} bytes", *uploads(nodes, guest, count, numbers)))
    lines.append(row("a configuration", configurations(nodes, options.uploads, numbers)))
    return "\n".join(lines)


def main():
    options = options_of(__doc__, uploads=30, large=5)
    subprocess.run(["cmake", "--build", str(options.build), "--target", "secbeat_sized_guests"], check=True, stdout=sys.stderr)
    numbers = iter(range(1, 1 << 30))
    with contextlib.ExitStack() as stack:
        folder, upstream_port = stack.enter_context(benchmark_folder()), free_port()
        stack.callback(upstream(folder, upstream_port).stop)
        nodes = {}
        for name, counts in (("without", False), ("with", True)):
            home = folder / name
            home.mkdir(mode=0o755)
            tables = {"waf.wasm": {"deadline_ms": 1000}, "waf.wasm.gates": {"count_cost": counts}}
            nodes[name] = Node(options.build, home, upstream_port, module=options.build / "guests" / "allow_all.wasm",
                               tables=tables).start()
            stack.callback(nodes[name].clean_up)
        idle = table(nodes, options, numbers)
        with Load(nodes["with"], rate=1000, connections=32, seconds=900), \
                Load(nodes["without"], rate=1000, connections=32, seconds=900):
            loaded = table(nodes, options, numbers)
    text = f"""## What counting the cost adds to an upload

Milliseconds from upload to answer, client; two nodes in turn, one with `count_cost = true` and one without; two workers each.
{machine()}.

On an idle machine, where the second compile has a core of its own:

{idle}

Under 1,000 requests a second to each node, open loop:

{loaded}

Repeat it: `bench/gates/run.py`.
"""
    write_part("gates", text)
    print(text)


if __name__ == "__main__":
    main()
