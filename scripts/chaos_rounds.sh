#!/usr/bin/env bash
# The release check of docs/fleet.md: chaos in a fleet of real processes, with what takes minutes and the tests leave out.
#   scripts/chaos_rounds.sh [ROUNDS]      default 3 of the orchestrator's crash points; the build is build/release; as root
set -euo pipefail
cd "$(dirname "$0")/.."
export SECBEAT_CHAOS=1 SECBEAT_CHAOS_SECONDS=300 SECBEAT_CRASH_ROUNDS=${1:-3}
exec build/venv/bin/python -m pytest tests/fleet/test_{chaos,partition,orchestrator_crashes,cluster,fleet_faults}.py -q --build build/release -p no:cacheprovider
