#!/usr/bin/env python3
"""What universal-waf costs a request with 10 to 10,000 rules, and what it costs to configure an instance.

    bench/rules/run.py [--build build/release] [--rounds 9]

CPU time in the worker, on the 4,096 different requests of bench/inspection. Writes its part of docs/benchmarks.md.
"""

import os
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from google_benchmark import measure  # noqa: E402
from report import machine, options_of, write_part  # noqa: E402


def cell(times, unit):
    return f"{min(times) / unit:.2f} ({statistics.median(times) / unit:.2f})"


def main():
    options = options_of(__doc__, rounds=9)
    load = os.getloadavg()[0]
    context, times = measure(options.build / "bench" / "rules-bench", options.rounds)
    lines = ["| rules | GET, µs | POST, µs | configure an instance, ms |", "|---|---|---|---|"]
    for count in sorted({int(name.split("/")[1]) for name in times}):
        cells = [cell(times[f"{case}/{count}"], unit) for case, unit in (("get", 1e3), ("post", 1e3), ("configure", 1e6))]
        lines.append(f"| {count:,} | {' | '.join(cells)} |")
    table = "\n".join(lines)
    size = (options.build / "guests" / "universal-waf.wasm").stat().st_size
    write_part("rules", f"""## Rules as data

`universal-waf` ({size:,} bytes) with documents of literals and globs over all fields, of which none holds: the whole of one
inspection in the worker, without nginx' own part. CPU time, minimum (median), on 4,096 different requests of each kind: GET
with {context["get_bytes"]} bytes, POST with {context["post_bytes"]} bytes, most of them JSON. {machine()}; load {load:.1f}.

{table}

Repeat it: `bench/rules/run.py`.
""")
    print(table)


if __name__ == "__main__":
    main()
