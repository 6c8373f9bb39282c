#!/usr/bin/env bash
# clang-tidy over our sources, two at a time.  scripts/tidy.sh BUILD_DIR   (a tree of the preset asan, configured)
# What it reads are the batches in which that tree compiles the sources, so that the headers are parsed once for eight
# files. Tests are left out: they take as long again, and what they do wrong shows when they run.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=../deps/versions.env
. deps/versions.env
build=${1:?usage: tidy.sh BUILD_DIR}
batches=$(jq -r '.[].file' "$build/compile_commands.json" |
  grep -E '/(base|engine|archive|control|service|http|fleet|worker|agent|orchestrator|cli)/CMakeFiles/secbeat_[a-z_]+\.dir/Unity/' | sort -u)
unread=$(git ls-files '*.cpp' | grep -E '^(base|engine|archive|control|service|http|fleet|worker|agent|orchestrator|cli)/' |
  grep -vE '_test\.cpp$|_test_support|_fixture|/bench/|/tools/|testing' |
  while read -r source; do
    # shellcheck disable=SC2086
    grep -qF "/$source\"" $batches || echo "$source"
  done)
# A target of one source is compiled as it is.
# shellcheck disable=SC2086
printf '%s\n' $batches $unread |
  xargs -P "$(nproc)" -n 1 "clang-tidy-$CLANG_MAJOR" --quiet -p "$build" 2> >(grep -v 'warnings generated' >&2)
