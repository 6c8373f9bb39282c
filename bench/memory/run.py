#!/usr/bin/env python3
"""What a loaded version and a module cost in memory.

    bench/memory/run.py [--build build/release]

Memory (PSS) of a worker and of the agent: with one version of one module; with more versions of it kept for rollback;
with more modules in the chain. The cost of one is the slope. Each number after a load of some seconds, so that
the pages that requests touch are there. Writes its part of docs/benchmarks.md.
"""

import contextlib
import statistics
import subprocess
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parents[2] / "tests")]

from measure import load, upstream  # noqa: E402
from report import benchmark_folder, machine, options_of, write_part  # noqa: E402
from support.node import Node  # noqa: E402
from support.processes import free_port, wait_for  # noqa: E402
from support.soak import resident_kib  # noqa: E402
from support.wasm_sections import distinct  # noqa: E402

GUESTS = ["bad-bot-blocker", "sized_90k", "sized_500k"]
MORE = 6  # versions or modules beyond the first


def memory(build, node):
    """(KiB of a worker: the mean of all, KiB of the agent)"""
    result = load(build, node.site_port, 3, rate=1000, connections=16)
    if result["failed"]:
        raise RuntimeError(f"the load lost requests: {result['failures']}")
    return statistics.mean(resident_kib(pid) for pid in node.worker_pids()), resident_kib(node.process.pid)


def node_of(stack, build, folder, name, upstream_port, kept):
    home = folder / name
    home.mkdir(mode=0o755)
    node = Node(build, home, upstream_port, tables={"waf.wasm": {"keep_previous_versions": kept}}).start(wait=False)
    stack.callback(node.clean_up)
    return node


def upload(node, module, number, name):
    answer = node.upload(distinct(module, number), name=name)
    if answer.status != 200:
        raise RuntimeError(str(answer))


def measure(stack, build, folder, guest, upstream_port):
    module = (build / "guests" / f"{guest}.wasm").read_bytes()
    versions = node_of(stack, build, folder, f"{guest}-versions", upstream_port, MORE)
    wait_for("workers", lambda: len(versions.worker_pids()) == 2, log=versions.log)
    empty = memory(build, versions)
    upload(versions, module, 0, "first")
    one = memory(build, versions)
    for number in range(MORE):
        upload(versions, module, number + 1, "first")
    kept = memory(build, versions)
    for number in range(MORE):
        upload(versions, module, number + 100, f"module-{number}")
    chain = memory(build, versions)
    artifact = max(path.stat().st_size for path in (versions.data / "artifacts").glob("*.cwasm"))
    if versions.stop() != 0:
        raise RuntimeError("the node did not stop cleanly")
    return len(module), artifact, empty, one, kept, chain


def main():
    options = options_of(__doc__)
    subprocess.run(["cmake", "--build", str(options.build), "--target", "secbeat_sized_guests"], check=True, stdout=sys.stderr)
    lines = []
    with contextlib.ExitStack() as stack:
        folder, upstream_port = stack.enter_context(benchmark_folder()), free_port()
        stack.callback(upstream(folder, upstream_port).stop)
        for guest in GUESTS:
            print(guest, flush=True)
            size, artifact, empty, one, kept, chain = measure(stack, options.build, folder, guest, upstream_port)
            per_version, per_module = ((after[0] - before[0]) / MORE for before, after in ((one, kept), (kept, chain)))
            lines.append(f"| {guest}: {size:,} bytes, {artifact:,} compiled | {empty[0] / 1024:.1f} | {one[0] / 1024:.1f} | {per_version:,.0f} | {per_module:,.0f} | "
                         f"{empty[1] / 1024:.1f} | {chain[1] / 1024:.1f} |")
    text = f"""## Memory

PSS after a load of 1,000 requests a second; two workers, {MORE} more versions kept for rollback, then {MORE} more modules in the chain. {machine()}.

| module | worker without a module, MB | with one | each further version kept, KB | each further module, KB | agent without a module, MB | agent at the end, MB |
|---|---|---|---|---|---|---|
{chr(10).join(lines)}

Repeat it: `bench/memory/run.py`.
"""
    write_part("memory", text)
    print(text)


if __name__ == "__main__":
    main()
