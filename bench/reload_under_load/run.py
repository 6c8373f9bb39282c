#!/usr/bin/env python3
"""Rules replaced under load, beside `nginx -s reload` on a plain nginx in the same run.

    bench/reload_under_load/run.py [--build build/release] [--rounds 5] [--reloads 20]

Open loop, 2,000 requests a second over 32 kept connections, a quarter of them POST; two workers. In each round the
node gets `--reloads` uploads of modules with different bytes (validated, compiled, rehearsed, swapped), then a plain
nginx the same number of `nginx -s reload`. Every answer of the node names the version that decided it, and each is
checked: it must be a version that was in force, and none that was sent after the answer "success" may be decided by
an older one. Writes its part of docs/benchmarks.md.
"""

import argparse
import contextlib
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tests")]

from report import machine, percentile, write_part  # noqa: E402
from support.node import Load, Node, http_request, monotonic_us  # noqa: E402
from support.processes import Nginx, free_port, wait_for  # noqa: E402

RATE, CONNECTIONS = 2000, 32
SPACING = 0.25  # seconds between two reloads, for both
MODULES = [f"generation_{i}" for i in range(4)]


def plain_nginx(folder, port, upstream):
    return Nginx(folder, "plain", f"""
  access_log off; keepalive_requests 10000000; keepalive_timeout 600s;
  upstream site {{ server 127.0.0.1:{upstream}; keepalive 64; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://site; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}""",
                 main="worker_processes 2; worker_shutdown_timeout 10s;")


def upstream_nginx(folder, port):
    return Nginx(folder, "upstream", f"""
  access_log off; keepalive_requests 10000000; keepalive_timeout 600s;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{'u' * 1024}"; }} }}""")


def wrong_answers(records, uploads):
    """Answers by no version in force, and answers sent after "success" of version n that an older one decided."""
    order = {label: index for index, (_, label) in enumerate(uploads)}
    unknown = late = 0
    for _, sent, _, status, receipt in records:
        if status != 200:
            continue
        label = receipt.split(";")[0].split("/")[-1]
        if label not in order:
            unknown += 1
            continue
        newest_promised = max((index for index, (since, _) in enumerate(uploads) if since < sent), default=-1)
        late += order[label] < newest_promised
    return unknown, late


def measure_node(node, reloads, start):
    answers, uploads = [], [(0, node.version()["version"])]
    with Load(node, rate=RATE, connections=CONNECTIONS) as load:
        for number in range(reloads):
            began = time.monotonic()
            answer = node.upload(MODULES[(start + number + 1) % 4], name="generation_0")
            assert answer.status == 200 and answer.json["message"] == "Module reloaded", answer
            uploads.append((monotonic_us(), answer.json["version"]))
            answers.append({**answer.json, "client_ms": (time.monotonic() - began) * 1000})
            time.sleep(max(0.0, SPACING - (time.monotonic() - began)))
    return answers, load, wrong_answers(load.records, uploads)


def measure_rollbacks(node, count):
    """Ready artifact to all workers serving, as a client sees it: two versions in turn, nothing compiled."""
    times, pauses = [], []
    with Load(node, rate=RATE, connections=CONNECTIONS) as load:
        current = node.version()
        pair = [current["previous_version"], current["version"]]
        for number in range(count):
            began = time.monotonic()
            answer = node.rollback(to_version=pair[number % 2])
            times.append((time.monotonic() - began) * 1000)
            assert answer.status == 200, answer
            pauses.append(answer.json["max_pause_us"])
            time.sleep(0.05)
    return times, pauses, load


def measure_plain(nginx, port, folder, build, reloads):
    class Plain:  # what Load needs of a node
        site_port = port
    Plain.folder, Plain.build = folder, build
    with Load(Plain, rate=RATE, connections=CONNECTIONS) as load:
        for _ in range(reloads):
            began = time.monotonic()
            nginx.reload()
            time.sleep(max(0.0, SPACING - (time.monotonic() - began)))
    return load


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(HERE.parent.parent / "build" / "release"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--reloads", type=int, default=20, help="in each round, for each of the two")
    options = parser.parse_args()
    build = Path(options.build).resolve()

    answers, rollback_ms, pauses, node_loads, plain_loads, wrong = [], [], [], [], [], [0, 0]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="secbeat-bench-", dir="/dev/shm")))
        os.chmod(folder, 0o755)
        upstream_port, plain_port = free_port(), free_port()
        upstream = upstream_nginx(folder, upstream_port).start(upstream_port)
        stack.callback(upstream.stop)
        plain = plain_nginx(folder, plain_port, upstream_port).start(plain_port)
        stack.callback(plain.stop)
        node = Node(build, folder, upstream_port, module=build / "guests" / "generation_0.wasm").start()
        stack.callback(node.clean_up)
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}: node", flush=True)
            got, load, (unknown, late) = measure_node(node, options.reloads, number * options.reloads)
            answers += got
            node_loads.append(load.result)
            wrong[0] += unknown
            wrong[1] += late
            print(f"round {number + 1} of {options.rounds}: nginx -s reload", flush=True)
            plain_loads.append(measure_plain(plain, plain_port, folder, build, options.reloads).result)
            wait_for("the plain nginx to settle", lambda: http_request(plain_port, "GET", "/").status == 200)
        print("rollbacks", flush=True)
        rollback_ms, rollback_pauses, load = measure_rollbacks(node, options.rounds * options.reloads)
        node_loads.append(load.result)
        pauses = [answer["max_pause_us"] for answer in answers] + rollback_pauses
        assert node.stop() == 0

    reloads = options.rounds * options.reloads

    def total(loads, key):
        return sum(load[key] for load in loads)

    def worst(loads, key):
        return max(load["latency_us"][key] for load in loads) / 1000

    def middle(loads, key):
        return statistics.median(load["latency_us"][key] for load in loads) / 1000

    ready = [answer["stages"]["stage_ms"] + answer["stages"]["swap_ms"] for answer in answers]
    whole = [answer["client_ms"] for answer in answers]
    text = f"""## Reload under load

{RATE:,} requests a second, open loop, over {CONNECTIONS} kept connections, a quarter POST with 2,039 bytes of JSON, two workers;
{options.rounds} rounds of {options.reloads} reloads for each of the two, in turn, then {reloads} rollbacks. {machine()}.

| | SecBeat | plain nginx, `nginx -s reload` |
|---|---|---|
| reloads | {len(answers)} of {reloads} | {reloads} |
| answers | {total(node_loads, 'answers'):,} | {total(plain_loads, 'answers'):,} |
| failed requests | {total(node_loads, 'failed')} | {total(plain_loads, 'failed')} |
| connections closed by the server | {total(node_loads, 'closed_by_server')} | {total(plain_loads, 'closed_by_server')} |
| answers by a version that was not in force | {wrong[0]} | |
| answers by an older version after "success" | {wrong[1]} | |
| p50 in ms, median of the rounds | {middle(node_loads, 'p50'):.2f} | {middle(plain_loads, 'p50'):.2f} |
| p99 in ms, median of the rounds | {middle(node_loads, 'p99'):.1f} | {middle(plain_loads, 'p99'):.1f} |
| longest in ms | {worst(node_loads, 'max'):.0f} | {worst(plain_loads, 'max'):.0f} |

| one reload, {len(answers)} uploads | median | p95 | longest |
|---|---|---|---|
| upload to answer, as the client sees it, ms | {percentile(whole, 50):.1f} | {percentile(whole, 95):.1f} | {max(whole):.1f} |
| ready artifact to all workers serving, ms | {percentile(ready, 50):.1f} | {percentile(ready, 95):.1f} | {max(ready):.1f} |
| rollback to answer, as the client sees it, ms | {percentile(rollback_ms, 50):.1f} | {percentile(rollback_ms, 95):.1f} | {max(rollback_ms):.1f} |
| event loop busy at the swap (`max_pause_us`, uploads and rollbacks), µs | {percentile(pauses, 50):.0f} | {percentile(pauses, 95):.0f} | {max(pauses):.0f} |

Repeat it: `bench/reload_under_load/run.py`.
"""
    write_part("reload_under_load", text)
    print(text)
    failures = {kind: 0 for load in node_loads for kind in load["failures"]}
    for load in node_loads:
        for kind, count in load["failures"].items():
            failures[kind] += count
    if any(failures.values()):
        print(f"failures of the node by kind: {failures}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
