#!/usr/bin/env python3
"""Holds universal-waf against the reference: random documents, and requests that nearly match them.

    tests/rules/compare.py [--build build/release] [--documents 10000] [--requests 10] [--seed 0] [--program NAME…]

Both by its sources, built for the host, and by universal-waf.wasm in the engine. For each document there is one more with a
fault: both have to refuse it by the same words, which name rule and key.
"""

import argparse
import contextlib
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import generate  # noqa: E402
import reference  # noqa: E402

PROGRAMS = ("universal-waf-decide", "universal-waf-decide-wasm")


def with_bytes(request):
    def raw(text):
        return text.encode("latin-1")
    return {**request, "method": raw(request["method"]), "uri": raw(request["uri"]), "body": raw(request["body"]),
            "source_ip": raw(request["source_ip"]), "headers": [(raw(name), raw(value)) for name, value in request["headers"]]}


def ask(process, *works):
    process.stdin.write("".join(json.dumps(work, ensure_ascii=False) + "\n" for work in works))
    process.stdin.flush()


def differences(programs, documents, requests, seed=0):
    """Yields what differs: the seed, the program, what it was asked, its answer, and the expected one."""
    with contextlib.ExitStack() as stack:
        processes = {Path(program).name: stack.enter_context(
            subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)) for program in programs}
        for number in range(seed, seed + documents):
            work = generate.work(number, requests)
            spoilt, where = generate.spoilt(number)
            for process in processes.values():
                ask(process, work, {"config": spoilt, "requests": []})
            expected = [reference.decide(work["config"], with_bytes(request)) for request in work["requests"]]
            words = None
            for name, process in processes.items():
                answer, fault = (json.loads(process.stdout.readline()) for _ in range(2))
                words = words or fault["fault"]
                if fault["fault"] != words or not words.startswith(where):
                    yield number, name, spoilt, fault["fault"], (where, words)
                if answer["fault"]:
                    yield number, name, work["config"], answer["fault"], "no fault"
                    continue
                for request, decided, right in zip(work["requests"], answer["verdicts"], expected, strict=True):
                    if decided != right:
                        yield number, name, (work["config"], request), decided, right


def main():
    root = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=root / "build/release")
    parser.add_argument("--program", action="append", choices=PROGRAMS, help="default: both")
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    programs = [options.build / "bin" / name for name in options.program or PROGRAMS]
    found = 0
    for number, name, asked, answer, expected in differences(programs, options.documents, options.requests, options.seed):
        found += 1
        print(f"seed {number}: {asked}\n  {name}: {answer}\n  expected: {expected}")
        if found == 5:
            break
    print(f"{options.documents * options.requests:,} requests, {options.documents:,} documents and as many with a fault: {found or 'no'} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
