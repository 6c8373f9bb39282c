#!/usr/bin/env python3
"""How long a fleet takes to a new version, and what that costs, as the fleet grows.

    bench/fleet_rollout/run.py [--build build/release] [--rounds 7] [--share 1]

20, 200 and 1,000 simulated nodes, which say and ask what nodes do (bench/fleet_rollout/simulated_node.hpp) and fetch the module
from JetStream, but compile and serve nothing; one orchestrator and one nats-server, each a process of its own. A module of
90 KB, a small configuration, one wave. --share K puts K nodes on each connection. Writes its part of docs/benchmarks.md.
"""

import contextlib
import json
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parents[2] / "tests")]

from measure import cpu_ns  # noqa: E402
from report import benchmark_folder, machine, options_of, spread, write_part  # noqa: E402
from support.nats import SERVER, NatsServer  # noqa: E402
from support.processes import free_port  # noqa: E402
from support.soak import resident_kib  # noqa: E402

SIZES = (20, 200, 1000)
IDLE_SECONDS = 10
MODULE = "sized_90k"


class Side:
    """A process of fleet-rollout-bench: a line goes in, a line of JSON comes out."""

    def __init__(self, build, folder, url, name, *arguments):
        self.log = open(folder / f"{name}.log", "wb")
        self.process = subprocess.Popen([str(build / "bench" / "fleet-rollout-bench"), "--url", url, name, *arguments], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)
        self.pid = self.process.pid

    def hear(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"it has ended: {Path(self.log.name).read_text()[-2000:]}")
        return json.loads(line)

    def ask(self, line=""):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.hear()

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


def peak_kib(pid):
    """The most resident memory since this was asked before."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return int(status["VmHWM"].split()[0])


class Fleet:
    def __init__(self, stack, build, folder, count, share):
        self.monitor = free_port()
        self.count = count
        self.nats = NatsServer(folder, f"http: 127.0.0.1:{self.monitor}\n").start()
        stack.callback(self.nats.kill)
        self.orchestrator = Side(build, folder, self.nats.url, "orchestrator", "--module", str(build / "guests" / f"{MODULE}.wasm"))
        stack.callback(self.orchestrator.stop)
        self.orchestrator.hear()
        self.nodes = Side(build, folder, self.nats.url, "nodes", "--count", str(count), "--share", str(share))
        stack.callback(self.nodes.stop)
        self.nodes.hear()
        self.listed = self.orchestrator.ask(f"nodes {count}")
        if self.listed["nodes"] != count:
            raise RuntimeError(f"{self.listed['nodes']} nodes of {count} report")

    def counters(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}/varz", timeout=10) as answer:
            varz = json.load(answer)
        nodes = self.nodes.ask()
        if nodes["faults"]:
            raise RuntimeError(f"nodes have faults: {nodes}")
        return {"in": varz["in_bytes"], "out": varz["out_bytes"], "messages": varz["in_msgs"] + varz["out_msgs"],
                "connections": varz["connections"], "slow": varz["slow_consumers"], "nats_cpu": cpu_ns([self.nats.process.pid]),
                "orchestrator_cpu": cpu_ns([self.orchestrator.pid]), "nodes_cpu": cpu_ns([self.nodes.pid]),
                "fetched": nodes["fetched"], "fetched_bytes": nodes["fetched_bytes"], "asked": nodes["asked"]}

    def during(self, call):
        before, result = self.counters(), call()
        after = self.counters()
        return {**(result or {}), **{name: after[name] - before[name] for name in before}}

    def reload(self, number):
        peak_kib(self.orchestrator.pid)
        result = self.during(lambda: self.orchestrator.ask(f"reload {number}"))
        result["peak_kib"] = peak_kib(self.orchestrator.pid)
        if result["deployed"] != self.count or result["fetched"] < self.count:
            raise RuntimeError(f"not every node has it: {result}")
        return result


def measure(build, folder, count, rounds, share):
    with contextlib.ExitStack() as stack:
        fleet = Fleet(stack, build, folder, count, share)
        time.sleep(3)  # until nodes report at their own times
        idle = fleet.during(lambda: time.sleep(IDLE_SECONDS))
        at_rest = resident_kib(fleet.orchestrator.pid)
        fleet.reload(0)
        results = []
        for number in range(1, rounds + 1):
            time.sleep(2)
            results.append(fleet.reload(number))
            print(f"{count} nodes: {json.dumps(results[-1])}", flush=True)
        connections, nats_kib = fleet.counters()["connections"], resident_kib(fleet.nats.process.pid)
        print(f"{count} nodes: idle {json.dumps(idle)}", flush=True)
        return {"count": count, "idle": idle, "rounds": results, "at_rest_kib": at_rest, "list_ms": fleet.listed["list_ms"],
                "nats_kib": nats_kib, "connections": connections}


def rows_of(one):
    def series(name, scale=1.0, digits=0):
        return spread([result[name] * scale for result in one["rounds"]], digits)

    def median(name, scale=1.0):
        return statistics.median(result[name] for result in one["rounds"]) * scale

    idle = one["idle"]
    times = (f"| {one['count']:,} | {series('begun_ms')} | {series('staged_ms')} | {series('committed_ms')} | {series('answered_ms')} | "
             f"{median('nats_cpu', 1e-6):,.0f} | {median('orchestrator_cpu', 1e-6):,.0f} | {median('nodes_cpu', 1e-6):,.0f} |")
    sizes = (f"| {one['count']:,} | {median('in', 1e-6):.1f} | {median('out', 1e-6):.1f} | {median('out', 1e-3) / one['count']:.0f} | "
             f"{median('asked') / one['count']:.1f} | {median('document_bytes', 1e-3):.1f} | {one['at_rest_kib'] / 1024:.1f} | "
             f"{median('peak_kib', 1 / 1024):.1f} | {one['nats_kib'] / 1024:.0f} |")
    rest = (f"| {one['count']:,} | {idle['messages'] / IDLE_SECONDS:,.0f} | {idle['in'] / IDLE_SECONDS / 1000:,.0f} | "
            f"{idle['out'] / IDLE_SECONDS / 1000:,.0f} | {idle['nats_cpu'] / IDLE_SECONDS / 1e7:.1f} | "
            f"{idle['orchestrator_cpu'] / IDLE_SECONDS / 1e7:.2f} | {one['list_ms']:.1f} |")
    return times, sizes, rest


def main():
    options = options_of(__doc__, rounds=7, share=1)
    subprocess.run(["cmake", "--build", str(options.build), "--target", "secbeat_sized_guests", "secbeat_fleet_rollout_bench"],
                   check=True, stdout=sys.stderr)
    size = (options.build / "guests" / f"{MODULE}.wasm").stat().st_size
    version = subprocess.run([SERVER, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    results = []
    for count in SIZES:
        with benchmark_folder() as folder:
            results.append(measure(options.build, folder, count, options.rounds, options.share))
    times, sizes, rest = ("\n".join(column) for column in zip(*map(rows_of, results), strict=True))
    connected = "a connection for each" if options.share == 1 else f"{options.share} on each connection"
    text = f"""## A rollout to a fleet

Simulated nodes in one process, {connected}; one orchestrator and one nats-server {version}, each a process of its own,
on the same cores. A node says and asks what a real one does, at the same intervals, and fetches the module and its configuration
from JetStream with all checks; it compiles nothing (a 90 KB module takes a node about 240 ms, on its own cores). A module of
{size:,} bytes that was never there before, one wave, no observation; {options.rounds} rollouts after one that is not counted: median (least to most).
{machine()}.

Milliseconds from the call, and CPU time of one rollout:

| nodes | written and begun | all have staged | all have committed, and it is desired | the caller has the answer | CPU ms: nats-server | orchestrator | all nodes |
|---|---|---|---|---|---|---|---|
{times}

Bytes of one rollout, reports and looks of its time among them, as nats-server counts them; memory of the orchestrator (PSS before
the first rollout, most resident during one) and of nats-server (PSS at the end):

| nodes | into NATS, MB | out of NATS, MB | out for each node, KB | calls to each node | the rollout's document, KB | orchestrator at rest, MB | at most, MB | nats-server, MB |
|---|---|---|---|---|---|---|---|---|
{sizes}

While nothing happens; CPU in percent of one core, and how long the list of all nodes takes to read:

| nodes | messages a second, in and out | into NATS, KB/s | out, KB/s | nats-server, % | orchestrator, % | list of nodes, ms |
|---|---|---|---|---|---|---|
{rest}

Repeat it: `bench/fleet_rollout/run.py`.
"""
    write_part("fleet_rollout", text)
    print(text)


if __name__ == "__main__":
    main()
