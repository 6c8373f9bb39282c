#!/usr/bin/env python3
"""Runs the benchmarks, one after another; each writes its part of docs/benchmarks.md.

    bench/run.py [NAME...]      all, or some of: the folders here that have a run.py
    bench/run.py --list

On a quiet machine; all of them take about half an hour. Exit status 1 when one of them failed.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main():
    known = sorted(path.parent.name for path in HERE.glob("*/run.py"))
    chosen = sys.argv[1:]
    if "--help" in chosen or "-h" in chosen:
        print(__doc__)
        return 0
    if "--list" in chosen:
        print("\n".join(known))
        return 0
    if unknown := [name for name in chosen if name not in known]:
        print(f"bench/run.py: there is no {', '.join(unknown)}; one of: {', '.join(known)}", file=sys.stderr)
        return 2
    failed = []
    for name in chosen or known:
        print(f"==> {name}", flush=True)
        if subprocess.run([sys.executable, str(HERE / name / "run.py")], check=False).returncode != 0:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
