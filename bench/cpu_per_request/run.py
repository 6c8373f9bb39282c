#!/usr/bin/env python3
"""CPU time that nginx spends on one request, with and without SecBeat.

    bench/cpu_per_request/run.py [--build build/release] [--rounds 9] [--seconds 2]

Five nginx of one configuration, one worker each: plain, plain again (how much the measurement sees where there is no
difference), with rules loaded and `secbeat off` for what is requested, on with a rule that does nothing, on with bad-bot-blocker. In
each round each of them is loaded in turn, closed loop: with GET that nginx answers by itself, then with GET and with POST
that go to the site. CPU time is that of all its processes (schedstat), divided by the answers; beside it the mean time of
the inspections alone, by the worker's own histogram (secbeat_inspection_seconds): frame, call into the module, verdict.
Writes its part of docs/benchmarks.md.
"""

import contextlib
import re
import statistics
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parents[2] / "tests")]

from measure import cpu_ns, load, proxy, tree, upstream  # noqa: E402
from report import benchmark_folder, machine, options_of, write_part  # noqa: E402
from support.node import Node  # noqa: E402
from support.processes import free_port, wait_for  # noqa: E402

CONNECTIONS = 16
VARIANTS = {
    "plain": "plain nginx",
    "again": "plain nginx, a second one",
    "off": "rules loaded, `secbeat off` at this location",
    "empty": "`secbeat on`, a rule that does nothing",
    "bot": "`secbeat on`, bad-bot-blocker",
}
GUESTS = {"off": "allow_all", "empty": "allow_all", "bot": "bad-bot-blocker"}


def start_variant(stack, build, folder, name, upstream_port):
    """(port to the site, port that nginx answers by itself, pids of its nginx, the node or None)"""
    home, port, own_port = folder / name, free_port(), free_port()
    home.mkdir()
    home.chmod(0o755)
    main = http = server = ""
    node = None
    if name in GUESTS:
        node = Node(build, home, upstream_port, module=build / "guests" / f"{GUESTS[name]}.wasm",
                    tables={"proxy": {"nginx": "external"}}).start(wait=False)
        stack.callback(node.clean_up)
        wait_for("the state directory", lambda: (node.state / "agent.sock").exists(), log=node.log)
        main = f"load_module {build}/nginx/ngx_http_secbeat_module.so;"
        http = f"secbeat_state {node.state}; secbeat {'off' if name == 'off' else 'on'};"
        server = "location /elsewhere { secbeat on; return 204; }"  # so that workers load the rules in every variant
    http += f" server {{ listen 127.0.0.1:{own_port}; location / {{ return 200 '{'x' * 1024}'; }} }}"
    nginx = proxy(home, name, port, upstream_port, main=main, http=http, server=server)
    stack.callback(nginx.stop)
    if node:
        wait_for("the node to be ready", node.is_ready, log=node.log)
    return port, own_port, tree(nginx.process.pid), node


def inspections(node):
    """(how many, seconds) so far"""
    text = node.get("/metrics").body.decode()
    return tuple(sum(map(float, re.findall(rf"^secbeat_inspection_seconds_{what}{{.*}} (\S+)$", text, re.MULTILINE)))
                 for what in ("count", "sum"))


def measured_us(build, port, pids, node, seconds, post_percent):
    """(CPU time of a request, time of an inspection, 0 where there is none)"""
    done = inspections(node) if node else (0, 0)
    before = cpu_ns(pids)
    result = load(build, port, seconds, rate=0, connections=CONNECTIONS, post_percent=post_percent)
    if result["failed"] or result["closed_by_server"]:
        raise RuntimeError(f"the load lost requests: {result['failures']}")
    cpu_us = (cpu_ns(pids) - before) / result["answers"] / 1000
    count, took = (now - then for now, then in zip(inspections(node), done)) if node else (0, 0)
    return cpu_us, took / count * 1e6 if count else 0


def table(samples):
    plain = [cpu for cpu, _ in samples["plain"]]
    lines = ["| | CPU per request, µs: median (minimum) | beyond plain, µs: median of the rounds | ratio to plain (all rounds) "
             "| the inspection itself, µs: median (minimum) |", "|---|---|---|---|---|"]
    for name, title in VARIANTS.items():
        mine, itself = ([sample[i] for sample in samples[name]] for i in (0, 1))
        inside = f"{statistics.median(itself):.2f} ({min(itself):.2f})" if any(itself) else ""
        ratios = [a / b for a, b in zip(mine, plain)]
        more = "" if name == "plain" else f"{statistics.median(a - b for a, b in zip(mine, plain)):.2f}"
        ratio = "" if name == "plain" else f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        lines.append(f"| {title} | {statistics.median(mine):.2f} ({min(mine):.2f}) | {more} | {ratio} | {inside} |")
    return "\n".join(lines)


def main():
    options = options_of(__doc__, rounds=9, seconds=2.0)
    build, samples = options.build, {kind: {name: [] for name in VARIANTS} for kind in ("own", "GET", "POST")}
    with contextlib.ExitStack() as stack:
        folder, upstream_port = stack.enter_context(benchmark_folder()), free_port()
        stack.callback(upstream(folder, upstream_port).stop)
        sites = {name: start_variant(stack, build, folder, name, upstream_port) for name in VARIANTS}
        for port, own_port, _, _ in sites.values():
            for each in (port, own_port):
                load(build, each, 0.5, rate=0, connections=CONNECTIONS)  # warm
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", flush=True)
            for kind, posts in (("own", 0), ("GET", 0), ("POST", 100)):
                order = list(VARIANTS) if number % 2 == 0 else list(reversed(VARIANTS))
                for name in order:
                    port, own_port, pids, node = sites[name]
                    samples[kind][name].append(
                        measured_us(build, own_port if kind == "own" else port, pids, node, options.seconds, posts))
    text = f"""## CPU time of a request

One worker each, {CONNECTIONS} connections, closed loop; {options.rounds} rounds of {options.seconds:g} s for each, in turn and in alternating order. {machine()}.
Neither rule asks for bodies.

GET of 787 bytes that nginx answers by itself (`return 200`), where the inspection is the largest part:

{table(samples["own"])}

GET of 787 bytes, passed on to the site:

{table(samples["GET"])}

POST with 2,039 bytes of JSON, passed on:

{table(samples["POST"])}

Repeat it: `bench/cpu_per_request/run.py`.
"""
    write_part("cpu_per_request", text)
    print(text)


if __name__ == "__main__":
    main()
