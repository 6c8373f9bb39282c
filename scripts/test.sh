#!/usr/bin/env bash
# Installs what is missing, builds and runs all tests, and ends with one line: "N passed, N failed".
#   scripts/test.sh [SUITE...]      without arguments: all suites, in this order:
SUITES="format guests unit process asan tsan fuzz tidy"
#   format   clang-format, every *_test.cpp on disk is registered, every link of the documents leads somewhere, the
#            preset for daily work, which nothing else here uses, configures
#   guests   the rule modules build
#   unit     GoogleTest, release build
#   process  pytest: real nginx, real agent, real clients
#   asan     the unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   tsan     what is concurrent under ThreadSanitizer
#   fuzz     each libFuzzer target for a short time
#   tidy     clang-tidy
# Exit status 0: all passed; 1: something failed. Logs are in build/test-logs/.
set -uo pipefail
cd "$(dirname "$0")/.."

logs=build/test-logs
passed=0 failed=0 failures=()
started=$SECONDS

say() { printf '\033[1m==>\033[0m [%4ds] %s\n' $((SECONDS - started)) "$*"; }
count() { # suite passed failed
  passed=$((passed + $2)); failed=$((failed + $3))
  [ "$3" -eq 0 ] || failures+=("$1 (see $logs/$1.log)")
  say "$1: $2 passed, $3 failed"
}
# Runs a command as one test of a suite; its output goes to the suite's log and, when it fails, to the terminal's end.
check() { # suite command…
  local suite=$1; shift
  if "$@" >>"$logs/$suite.log" 2>&1; then count "$suite" 1 0; else tail -n 40 "$logs/$suite.log"; count "$suite" 0 1; fi
}
build() { # suite preset target…
  local suite=$1 preset=$2 targets=(); shift 2
  for target in "$@"; do targets+=(--target "$target"); done
  say "$suite: building (preset $preset)"
  { cmake --preset "$preset" && cmake --build --preset "$preset" "${targets[@]}"; } >>"$logs/$suite.log" 2>&1 && return 0
  tail -n 60 "$logs/$suite.log"; count "$suite" 0 1; return 1
}
# CTest's own summary is "N% tests passed, F tests failed out of T".
ctest_suite() { # suite preset ctest-arguments…
  local suite=$1 preset=$2 line; shift 2
  ctest --preset "$preset" -j2 "$@" >>"$logs/$suite.log" 2>&1
  line=$(grep -E 'tests failed out of' "$logs/$suite.log" | tail -n 1)
  if [[ $line =~ ([0-9]+)\ tests\ failed\ out\ of\ ([0-9]+) ]]; then
    [ "${BASH_REMATCH[1]}" -eq 0 ] || grep -E '^\s+[0-9]+ - .*(Failed|Timeout|Not Run|SEGFAULT|Abort)|\[  FAILED|Failure$|ERROR: |SUMMARY' "$logs/$suite.log" | head -n 60
    count "$suite" $((BASH_REMATCH[2] - BASH_REMATCH[1])) "${BASH_REMATCH[1]}"
  else
    tail -n 40 "$logs/$suite.log"; count "$suite" 0 1
  fi
}

suite_format() {
  # shellcheck disable=SC2046
  check format clang-format-"$CLANG_MAJOR" --dry-run --Werror $(git ls-files '*.cpp' '*.hpp' '*.h')
  check format scripts/check_registered_tests.sh
  check format scripts/check_includes.sh
  check format scripts/check_links.py
  check format cmake --preset dev -B build/dev-configured
}
suite_guests() { build guests release secbeat_guests && count guests "$(find build/release/guests -name '*.wasm' | wc -l)" 0; }
suite_unit() { build unit release && ctest_suite unit release; }
suite_process() {
  build process release || return
  SECBEAT_NATS_TOOLS=$(deps/nats/build.sh 2>>"$logs/process.log") || SECBEAT_NATS_TOOLS=
  export SECBEAT_NATS_TOOLS
  [ -n "$SECBEAT_NATS_TOOLS" ] || say "process: without the tests of the nats command and the newest nats-server: there is no Go from $GO_MINIMUM on, or it cannot build them"
  local probe=secbeat-probe-$$ entered=1
  { [ "$(id -u)" -eq 0 ] && ip netns add $probe && { ip -n $probe link set lo up; entered=$?; ip netns del $probe; } &&
    [ "$entered" -eq 0 ]; } 2>>"$logs/process.log" ||
    say "process: without the tests that cut a fleet's network: they need root, and network namespaces (ip netns)"
  SECBEAT_VERSITYGW=$(deps/versitygw/build.sh 2>>"$logs/process.log") || SECBEAT_VERSITYGW=
  export SECBEAT_VERSITYGW
  [ -n "$SECBEAT_VERSITYGW" ] || say "process: without the tests of an archive in S3: there is no Go from $GO_MINIMUM on, or it cannot build versitygw"
  build/venv/bin/python -m pytest tests -q --build build/release -p no:cacheprovider >>"$logs/process.log" 2>&1
  local status=$? line
  line=$(tail -n 1 "$logs/process.log")
  local good=0 bad=0
  [[ $line =~ ([0-9]+)\ passed ]] && good=${BASH_REMATCH[1]}
  [[ $line =~ ([0-9]+)\ failed ]] && bad=${BASH_REMATCH[1]}
  [[ $line =~ ([0-9]+)\ error ]] && bad=$((bad + BASH_REMATCH[1]))
  if [ $status -ne 0 ] || [ "$good" -eq 0 ]; then
    [ "$bad" -gt 0 ] || bad=1
    grep -E '^(FAILED|ERROR|E  )' "$logs/process.log" | head -n 60
  fi
  count process "$good" "$bad"
}
suite_asan() { build asan asan secbeat_unit_tests && ctest_suite asan asan; }
suite_tsan() {
  build tsan tsan secbeat_concurrent_tests || return
  ctest_suite tsan tsan -L concurrent
}
suite_fuzz() {
  build fuzz fuzz secbeat_fuzzers || return
  local name good=0 bad=0
  rm -rf "$logs/fuzz"; mkdir -p "$logs/fuzz"
  find build/asan/fuzz -maxdepth 1 -name 'fuzz_*' -type f -executable -printf '%f\n' | sort |
    xargs -P "$(nproc)" -n 1 scripts/fuzz_once.sh "$logs/fuzz"
  for name in "$logs"/fuzz/*.status; do
    [ "$(cat "$name")" = 0 ] && good=$((good + 1)) && continue
    bad=$((bad + 1))
    tail -n 40 "${name%.status}.log"
  done
  count fuzz "$good" "$bad"
}
suite_tidy() {
  build tidy asan secbeat_build_id_source secbeat_engine || return  # whose sources are partly generated
  build tidy release secbeat_nginx_module || return
  say "tidy: clang-tidy"
  check tidy scripts/tidy.sh build/asan build/release
}

# shellcheck source=../deps/versions.env
. deps/versions.env
mkdir -p "$logs"
scripts/bootstrap.sh test || { echo "0 passed, 1 failed"; exit 1; }
chosen=("$@")
[ ${#chosen[@]} -gt 0 ] || read -ra chosen <<<"$SUITES"
for suite in "${chosen[@]}"; do
  declare -F "suite_$suite" >/dev/null || { echo "test.sh: unknown suite '$suite' (one of: $SUITES)" >&2; exit 2; }
  : >"$logs/$suite.log"
  "suite_$suite"
done

[ ${#failures[@]} -eq 0 ] || { echo; printf 'failed: %s\n' "${failures[@]}"; }
say "all suites done"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
