#!/usr/bin/env python3
"""What one inspection costs, and where it goes.

    bench/inspection/run.py [--build build/release] [--rounds 15] [--no-instructions]

Runs the C++ benchmark (Google Benchmark) in interleaved rounds, in one process, on 4,096 different requests of each
kind, and counts instructions with callgrind where valgrind is installed. Writes its part of docs/benchmarks.md.
"""

import argparse
import os
import shutil
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from google_benchmark import measure  # noqa: E402
from report import ROOT, machine, write_part  # noqa: E402
from instructions import CASES, instructions_of  # noqa: E402


def cell(times, name):
    """"minimum (median)" of a case in ns, or of a difference of two, round by round."""
    values = times[name] if isinstance(name, str) else [a - b for a, b in zip(sorted(times[name[0]]), sorted(times[name[1]]))]
    return f"{min(values):,.0f} ({statistics.median(values):,.0f})"


def table(times):
    lines = ["| ns, minimum (median) | GET | POST |", "|---|---|---|"]
    rows = [
        ("`empty_abi2`: all of it", "decide/empty_abi2/{}"),
        ("– the call into the module, with its CPU budget", "call"),
        ("– frame written", "frame/{}"),
        ("– the rest of the engine: room for the input, verdict", None),
        ("– counters, histogram, clock, ticker, chain", ("decide/empty_abi2/{}", "inspect/empty_abi2/{}")),
        ("`bad-bot-blocker`: all of it", "decide/bad-bot-blocker/{}"),
        ("`empty_abi1` (JSON): all of it", "decide/empty_abi1/{}"),
        ("– JSON written", "json/{}"),
        ("`abi1_json`: all of it", "decide/abi1_json/{}"),
        ("`empty_abi2`, isolation `request`", "decide/request/empty_abi2/{}"),
        ("`bad-bot-blocker`, isolation `request`", "decide/request/bad-bot-blocker/{}"),
    ]
    for label, name in rows:
        cells = []
        for kind in ("get", "post"):
            if name is None:
                parts = [sorted(times[n]) for n in (f"inspect/empty_abi2/{kind}", "call", f"frame/{kind}")]
                rest = [a - b - c for a, b, c in zip(*parts)]
                cells.append(f"{min(rest):,.0f} ({statistics.median(rest):,.0f})")
                continue
            wanted = name.format(kind) if isinstance(name, str) else tuple(part.format(kind) for part in name)
            cells.append(cell(times, wanted) if not isinstance(wanted, str) or wanted in times else "")
        lines.append(f"| {label} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def instruction_table(program):
    if not shutil.which("valgrind"):
        return "Instructions were not counted: valgrind is not installed."
    lines = ["| instructions of one inspection (callgrind) | |", "|---|---|"]
    lines += [f"| `{name}` | {instructions_of(program, name):,.0f} |" for name in CASES]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--no-instructions", action="store_true")
    options = parser.parse_args()
    program = options.build / "bench" / "inspection-bench"
    load = os.getloadavg()[0]
    context, times = measure(program, options.rounds)
    counted = "" if options.no_instructions else "\n\n" + instruction_table(program)
    write_part("inspection", f"""## One inspection

In the worker as nginx has it, without nginx' own part (reading the request's fields). CPU time on 4,096 different requests of
each kind: GET with {context["get_bytes"]} bytes, POST with {context["post_bytes"]} bytes, most of them JSON. {options.rounds} rounds of every case,
interleaved. {machine()}; load {load:.1f}.

{table(times)}{counted}

Repeat it: `bench/inspection/run.py`.
""")
    print(table(times) + counted)


if __name__ == "__main__":
    main()
