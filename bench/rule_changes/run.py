#!/usr/bin/env python3
"""How long a change of rules takes until every worker decides by it, and what clients notice.

    bench/rule_changes/run.py [--build build/release] [--changes 30]

universal-waf with 100, 1,000 and 10,000 rules (literals and globs). Each change is a document that was not there before,
one rule differs; nothing is compiled. Two ways: the configuration of the module is uploaded, and one rule is put over the
rules API, which gathers changes that come close together. On an idle node and under an open loop of 2,000 requests a
second. Writes its part of docs/benchmarks.md.
"""

import contextlib
import json
import random
import statistics
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parents[2] / "tests")]

from measure import upstream  # noqa: E402
from report import benchmark_folder, machine, options_of, percentile, write_part  # noqa: E402
from support.node import Load, Node  # noqa: E402
from support.processes import free_port  # noqa: E402

RULES = (100, 1000, 10_000)
FIELDS = ("URI", "Query", "Args", "Header:User-Agent", "Headers", "Path", "Arg:q", "Cookie:session", "Body")


def word(source, length):
    return "".join(source.choices("abcdefghijklmnopqrstuvwxyz0123456789-_", k=length))


def rule(source, number):
    common = {"id": f"rule-{number}", "field": FIELDS[number % len(FIELDS)], "action": "Block"}
    return source.choice(({**common, "pattern": f"*{word(source, 6)}*{word(source, 8)}*"},
                          {**common, "match": "contains", "pattern": word(source, 12)},
                          {**common, "match": "prefix", "pattern": f"/{word(source, 5)}/{word(source, 7)}"}))


def timed(call):
    """The milliseconds until the client had its answer, and those that the node reports from receipt to the last worker."""
    began = time.monotonic()
    answer = call()
    client_ms = (time.monotonic() - began) * 1000
    if answer.status != 200 or answer.json.get("message", "Module reloaded") == "Module unchanged":
        raise RuntimeError(str(answer))
    time.sleep(0.05)
    return client_ms, answer.json.get("stages", answer.json)["total_ms"]  # an upload's answer has all stages, a rule's only the sum


def measure(node, source, rules, changes):
    documents, single = [], []
    for _ in range(changes):
        rules[source.randrange(len(rules))]["pattern"] = word(source, 12)
        document = json.dumps({"rules": rules})
        documents.append(timed(lambda document=document: node.upload(name="universal-waf", config=document)))
    for _ in range(changes):
        chosen = source.choice(rules)
        chosen["pattern"] = word(source, 12)
        single.append(timed(lambda chosen=chosen: node.api("PUT", f"/api/v1/rules/{chosen['id']}", body=json.dumps(chosen).encode(),
                                                           headers={"Content-Type": "application/json"})))
    return documents, single


def cells(times):
    whole, reported = ([one[part] for one in times] for part in (0, 1))
    return f"{statistics.median(reported):.1f} | {statistics.median(whole):.1f}, {percentile(whole, 95):.1f}"


def main():
    options = options_of(__doc__, changes=30)
    source, rows = random.Random(7), []
    with contextlib.ExitStack() as stack:
        folder, upstream_port = stack.enter_context(benchmark_folder()), free_port()
        stack.callback(upstream(folder, upstream_port).stop)
        for count in RULES:
            home = folder / str(count)
            home.mkdir(mode=0o755)
            rules = [rule(source, number) for number in range(count)]
            node = Node(options.build, home, upstream_port, module=options.build / "guests" / "universal-waf.wasm",
                        tables={"waf.wasm": {"config": "waf-config.json"}})
            stack.callback(node.clean_up)
            (node.folder / "waf-config.json").write_text(json.dumps({"rules": rules}))
            node.start()
            print(f"{count} rules: idle", flush=True)
            idle = measure(node, source, rules, options.changes)
            print(f"{count} rules: 2,000 requests a second", flush=True)
            with Load(node, rate=2000, connections=32, seconds=600) as load:
                loaded = measure(node, source, rules, options.changes)
            if load.result["failed"] or load.result["closed_by_server"]:
                raise RuntimeError(f"the load lost requests: {load.result['failures']}")
            rows += [f"| {count:,} | {state} | {cells(documents)} | {cells(single)} |"
                     for state, (documents, single) in (("idle", idle), ("2,000 requests/s", loaded))]
            if node.stop() != 0:
                raise RuntimeError("the node did not stop cleanly")
    lines = "\n".join(rows)
    text = f"""## A change of rules

Milliseconds from receipt until every worker decides by the new rules, `universal-waf`, two workers, {options.changes} changes of each
kind, one rule of the document differs. Nothing is compiled. Under load, open loop, no request was lost. {machine()}.

| rules | node | document uploaded: in force, median | client: median, p95 | one rule put: in force, median | client: median, p95 |
|---|---|---|---|---|---|
{lines}

Repeat it: `bench/rule_changes/run.py`.
"""
    write_part("rule_changes", text)
    print(text)


if __name__ == "__main__":
    main()
