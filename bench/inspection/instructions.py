#!/usr/bin/env python3
"""Instructions of one inspection, counted by callgrind: the same on every machine, whatever else it does.

    bench/inspection/instructions.py [--build build/release] [CASE…]

A case is run twice with different numbers of requests; what the second run executes more, divided by its further
requests, is one inspection. Everything else (start, compile, warm-up) is in both.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CASES = ["call", "frame/get", "inspect/empty_abi2/get", "decide/empty_abi2/get", "decide/bad-bot-blocker/get"]
FEWER, MORE = 4096, 26 * 4096  # each request is met once, or 26 times


def executed(program, case, times):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", str(program), "--count",
                               case, str(times)], capture_output=True, text=True, check=False)
    found = re.search(r"Collected\s*:\s*(\d+)", done.stderr)
    if done.returncode != 0 or not found:
        raise RuntimeError(f"{case} under callgrind: exit status {done.returncode}\n{done.stderr[-2000:]}")
    return int(found.group(1))


def instructions_of(program, case):
    return (executed(program, case, MORE) - executed(program, case, FEWER)) / (MORE - FEWER)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    parser.add_argument("cases", nargs="*", default=CASES)
    options = parser.parse_args()
    for case in options.cases:
        print(f"{case} {instructions_of(options.build / 'bench' / 'inspection-bench', case):.0f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
