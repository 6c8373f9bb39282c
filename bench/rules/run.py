#!/usr/bin/env python3
"""What universal-waf costs a request with 10 to 10,000 rules, and what it costs to configure an instance.

    bench/rules/run.py [--build build/release] [--rounds 9]

CPU time in the worker, on the 4,096 different requests of bench/inspection. Writes its part of docs/benchmarks.md.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from report import machine, options_of, write_part  # noqa: E402

SECONDS = 0.05  # of one case in one round


def measure(program, rounds):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run([program, f"--benchmark_repetitions={rounds}", "--benchmark_enable_random_interleaving=true",
                        f"--benchmark_min_time={SECONDS}", f"--benchmark_out={out.name}", "--benchmark_out_format=json"],
                       check=True, stdout=subprocess.DEVNULL)
        report = json.loads(Path(out.name).read_text())
    times = {}
    for run in report["benchmarks"]:
        if run["run_type"] == "iteration":
            times.setdefault(run["run_name"], []).append(run["cpu_time"] / 1000)  # µs
    return report["context"], times


def main():
    options = options_of(__doc__, rounds=9)
    load = os.getloadavg()[0]
    context, times = measure(options.build / "bench" / "rules-bench", options.rounds)
    lines = ["| rules | GET, µs | POST, µs | configure an instance, ms |", "|---|---|---|---|"]
    for count in sorted({int(name.split("/")[1]) for name in times}):
        cells = [f"{min(values):.2f} ({statistics.median(values):.2f})" for values in (times[f"get/{count}"], times[f"post/{count}"])]
        configure = [value / 1000 for value in times[f"configure/{count}"]]
        lines.append(f"| {count:,} | {' | '.join(cells)} | {min(configure):.2f} ({statistics.median(configure):.2f}) |")
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
