#!/usr/bin/env python3
"""Holds universal-waf against the reference: random documents, and requests that nearly match them.

    tests/rules/compare.py [--decide build/release/bin/universal-waf-decide] [--documents 10000] [--requests 10] [--seed 0]
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import generate  # noqa: E402
import reference  # noqa: E402


def with_bytes(request):
    def raw(text):
        return text.encode("latin-1")
    return {**request, "method": raw(request["method"]), "uri": raw(request["uri"]), "body": raw(request["body"]),
            "source_ip": raw(request["source_ip"]), "headers": [(raw(name), raw(value)) for name, value in request["headers"]]}


def differences(decide, documents, requests, seed=0):
    """Yields what differs; returns nothing where all agree."""
    with subprocess.Popen([str(decide)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for number in range(seed, seed + documents):
            work = generate.work(number, requests)
            process.stdin.write(json.dumps(work, ensure_ascii=False) + "\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            if answer["fault"]:
                yield number, answer["fault"], None, None, None
                continue
            for request, decided in zip(work["requests"], answer["verdicts"], strict=True):
                expected = reference.decide(work["config"], with_bytes(request))
                if decided != expected:
                    yield number, work["config"], request, decided, expected
        process.stdin.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--decide", type=Path, default=Path(__file__).resolve().parents[2] / "build/release/bin/universal-waf-decide")
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found = 0
    for number, config, request, decided, expected in differences(options.decide, options.documents, options.requests, options.seed):
        found += 1
        print(f"seed {number}: {config}\n  {request}\n  decided {decided}, the reference {expected}")
        if found == 5:
            break
    print(f"{options.documents * options.requests:,} requests: {found or 'no'} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
