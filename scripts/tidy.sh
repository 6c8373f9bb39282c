#!/usr/bin/env bash
# clang-tidy over our sources, two at a time.  scripts/tidy.sh BUILD_DIR NGINX_BUILD_DIR
#   BUILD_DIR        a tree of the preset asan, configured, with what it generates
#   NGINX_BUILD_DIR  a tree of the preset release, with the nginx module: the other one has none
# What it reads are the batches in which these trees compile the sources, so that the headers are parsed once for eight
# files; guests one by one, as wasm32. Left out: tests and fuzz/, which take as long again, and where what is wrong shows
# when they run, and what builds or tests make use of (tools/, guests/sdk/project, guests/tests).
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=../deps/versions.env
. deps/versions.env
build=${1:?usage: tidy.sh BUILD_DIR NGINX_BUILD_DIR} nginx_build=${2:?usage: tidy.sh BUILD_DIR NGINX_BUILD_DIR}
components='base|engine|archive|control|service|http|fleet|worker|agent|orchestrator|cli|guests/universal-waf|bench'
batches_of() { # tree, pattern of what is compiled there
  jq -r '.[].file' "$1/compile_commands.json" | grep -E "$2" | sort -u
}
batches=$(batches_of "$build" "/($components)/CMakeFiles/secbeat(_[a-z_]+)?\.dir/Unity/")
unread() { # pattern of sources, batches: those that are in none
  local wanted=$1 source; shift
  git ls-files '*.cpp' | grep -E "^($wanted)/" |
    grep -vE '_test\.cpp$|_test_support|_fixture|^[a-z]+/bench/|/tools/|testing|universal_waf\.cpp' |
    while read -r source; do grep -qF "/$source\"" "$@" || echo "$source"; done
}
nginx=$(batches_of "$nginx_build" '/nginx/CMakeFiles/secbeat_(nginx_module|state_tool)\.dir/Unity/')
guests=$(git ls-files 'guests/bad-bot-blocker/*.cpp' 'guests/odd/*.cpp' 'nginx/guests/*.cpp' guests/universal-waf/src/universal_waf.cpp)

read_them() { # sources for each call, arguments before them, "--", those behind them; sources on standard input
  # shellcheck disable=SC2016
  xargs -P "$(nproc)" -n "$1" bash -c 'clang-tidy-'"$CLANG_MAJOR"' --quiet '"$2"' "$@" '"$3" _ 2> >(grep -vE 'generated\.$|Processing file|^/.*\.cpp\.$' >&2)
}
status=0
# A target of one source is compiled as it is.
# shellcheck disable=SC2086
printf '%s\n' $batches $(unread "$components" $batches) | read_them 1 "-p $build" "" || status=1
# shellcheck disable=SC2086  # that tree is g++'s
printf '%s\n' $nginx $(unread nginx/src $nginx) | read_them 1 "-p $nginx_build --extra-arg=-Wno-unknown-warning-option" "" || status=1
# What some of them are compiled for: one of each.
defines='-DEMPTY_ABI=2 -DGENERATION=\"0\" -DHOSTILITY=traps'
# shellcheck disable=SC2086
printf '%s\n' $guests | read_them 16 "" "-- --target=wasm32 -std=c++23 -ffreestanding -fno-exceptions -fno-rtti -I$PWD/abi/include -I$PWD/guests/sdk/include $defines" || status=1
exit $status
