"""What every benchmark shares: the machine's description, statistics, and its own part of docs/benchmarks.md."""

import argparse
import contextlib
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "benchmarks.md"


def options_of(document, **defaults):
    """--build, and a number for each of `defaults`; the run's docstring is its --help. SIGTERM ends a run cleanly."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build" / "release"))
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    options = parser.parse_args()
    options.build = Path(options.build).resolve()
    return options


@contextlib.contextmanager
def benchmark_folder():
    """A folder in memory that nginx' workers can read, so that no disk is measured by accident."""
    with tempfile.TemporaryDirectory(prefix="secbeat-bench-", dir="/dev/shm") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0


def spread(values, digits=1):
    """"median (minimum to maximum)"."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def machine():
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), "unknown CPU")
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True,
                            check=False).stdout.strip()
    changed = subprocess.run(["git", "-C", str(ROOT), "status", "--porcelain", "--", ".", ":!docs"], capture_output=True, text=True,
                             check=False).stdout.strip()
    nginx = subprocess.run(["/usr/sbin/nginx", "-v"], capture_output=True, text=True, check=False).stderr.strip().split("/")[-1]
    return (f"commit {commit}{' with uncommitted changes' if changed else ''}, nginx {nginx}, Linux {os.uname().release}, "
            f"{os.cpu_count()} shared cores, {cpu}")


def write_part(name, text):
    """Replaces this benchmark's part of the document, or appends it."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    document = DOCUMENT.read_text() if DOCUMENT.exists() else "# Benchmarks\n"
    part = f"{begin}\n{text.strip()}\n{end}"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    document = pattern.sub(lambda _: part, document) if pattern.search(document) else document.rstrip() + "\n\n" + part + "\n"
    DOCUMENT.write_text(document)
