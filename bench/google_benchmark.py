"""Runs a C++ benchmark of Google Benchmark in interleaved rounds."""

import json
import subprocess
import tempfile
from pathlib import Path

SECONDS = 0.05  # of one case in one round: long enough for thousands of calls, short enough to fall between disturbances
NS_OF = {"ns": 1, "us": 1e3, "ms": 1e6}


def measure(program, rounds):
    """The program's context, and of each case the CPU time in ns of every round."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run([program, f"--benchmark_repetitions={rounds}", "--benchmark_enable_random_interleaving=true",
                        f"--benchmark_min_time={SECONDS}", f"--benchmark_out={out.name}", "--benchmark_out_format=json"],
                       check=True, stdout=subprocess.DEVNULL)
        report = json.loads(Path(out.name).read_text())
    times = {}
    for run in report["benchmarks"]:
        if run["run_type"] == "iteration":
            times.setdefault(run["run_name"], []).append(run["cpu_time"] * NS_OF[run["time_unit"]])
    return report["context"], times
