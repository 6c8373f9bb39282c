#!/usr/bin/env bash
# clang-tidy over our sources, two at a time.  scripts/tidy.sh BUILD_DIR   (a clang build's compile_commands.json)
# Tests are left out: they take as long again, and what they do wrong shows when they run.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=../deps/versions.env
. deps/versions.env
build=${1:?usage: tidy.sh BUILD_DIR}
git ls-files '*.cpp' | grep -E '^(base|engine|control|worker|agent|cli)/' | grep -vE '_test\.cpp$|_test_support|_fixture|/bench/|/tools/|testing' |
  xargs -P "$(nproc)" -n 1 "clang-tidy-$CLANG_MAJOR" --quiet -p "$build" 2> >(grep -v 'warnings generated' >&2)
