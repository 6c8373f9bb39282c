#!/usr/bin/env bash
# clang-tidy over our sources, two at a time.  scripts/tidy.sh BUILD_DIR   (a clang build's compile_commands.json)
set -euo pipefail
cd "$(dirname "$0")/.."
. deps/versions.env
build=${1:?usage: tidy.sh BUILD_DIR}
git ls-files '*.cpp' | grep -E '^(base|engine|control|worker|agent|cli|fuzz)/' |
  xargs -P 2 -n 4 "clang-tidy-$CLANG_MAJOR" --quiet -p "$build"
