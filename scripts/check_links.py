#!/usr/bin/env python3
"""Every relative link of the documents leads to a file of the repository."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def main():
    documents = subprocess.run(["git", "-C", str(ROOT), "ls-files", "*.md"], capture_output=True, text=True, check=True).stdout.split()
    broken = []
    for name in documents:
        document = ROOT / name
        for target in LINK.findall(document.read_text()):
            if "://" not in target and not (document.parent / target).exists():
                broken.append(f"{name}: {target} does not exist")
    print("\n".join(broken), file=sys.stderr, end="\n" if broken else "")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
