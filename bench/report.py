"""What every benchmark shares: the machine's description, statistics, and its own part of docs/benchmarks.md."""

import os
import re
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "benchmarks.md"


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
