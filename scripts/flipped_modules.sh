#!/usr/bin/env bash
# The release check of docs/hostile_input.md: many copies of valid modules with flipped bits.
#   scripts/flipped_modules.sh [COPIES] [SEED]      default 5000 and the time; the build is build/release
set -euo pipefail
cd "$(dirname "$0")/.."
export SECBEAT_FLIPPED_COPIES=${1:-5000} SECBEAT_FLIPPED_SEED=${2:-$(date +%s)}
exec build/venv/bin/python -m pytest tests/hostile/test_flipped_modules.py -q -s --build build/release -p no:cacheprovider
