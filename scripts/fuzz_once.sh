#!/usr/bin/env bash
# Runs one libFuzzer target for $FUZZ_SECONDS (5) seconds.  scripts/fuzz_once.sh LOG_DIR fuzz_NAME
# Leaves LOG_DIR/fuzz_NAME.log and .status (0: nothing found). Inputs that it finds stay in build/asan/corpus/NAME.
set -uo pipefail
cd "$(dirname "$0")/.."
logs=${1:?usage: fuzz_once.sh LOG_DIR fuzz_NAME} target=${2:?usage: fuzz_once.sh LOG_DIR fuzz_NAME}
name=${target#fuzz_}
mkdir -p "build/asan/corpus/$name"
"build/asan/fuzz/$target" -max_total_time="${FUZZ_SECONDS:-5}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
  -artifact_prefix="build/asan/$target-" "build/asan/corpus/$name" "fuzz/corpus/$name" >"$logs/$target.log" 2>&1
echo $? >"$logs/$target.status"
