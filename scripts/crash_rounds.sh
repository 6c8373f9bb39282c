#!/usr/bin/env bash
# The release check of docs/crash_safety.md: every fault point, many times over.
#   scripts/crash_rounds.sh [ROUNDS]      default 20; the build is build/release
set -euo pipefail
cd "$(dirname "$0")/.."
SECBEAT_CRASH_ROUNDS=${1:-20} exec build/venv/bin/python -m pytest tests/node/test_crash_points.py -q --build build/release -p no:cacheprovider
