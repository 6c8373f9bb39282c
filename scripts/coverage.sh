#!/usr/bin/env bash
# How much of the code tests run: a line for each component and each file, and the lines that never ran as HTML.
#   scripts/coverage.sh [TEST_PATH…]     the unit tests, and process tests of tests/ (such as tests/node) where they are named
# Counters are mapped into files from the start of each process, so that those of killed and confined ones count as well.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=../deps/versions.env
. deps/versions.env
scripts/bootstrap.sh coverage
folder=build/coverage profiles=build/coverage/profiles

cmake --preset coverage >/dev/null
cmake --build --preset coverage
rm -rf "$profiles"
mkdir -p "$profiles" && chmod 1777 "$profiles"  # nginx' workers write there, too
tests=()
while IFS= read -r test; do tests+=("$test"); done < <(find "$folder" -maxdepth 2 -name '*_test' -type f -executable | sort)
for test in "${tests[@]}"; do
  echo "== $test"
  "$test" --gtest_brief=1 >"$folder/last_test.log" 2>&1 || { tail -n 20 "$folder/last_test.log"; echo "coverage: $test failed; what it ran counts" >&2; }
done
if [ $# -gt 0 ]; then
  build/venv/bin/python -m pytest "$@" -q --build "$folder" -p no:cacheprovider || echo "coverage: process tests failed; what they ran counts" >&2
fi

"llvm-profdata-$CLANG_MAJOR" merge -sparse -failure-mode=warn -o "$folder/coverage.profdata" "$profiles"/*.profraw
binaries=("${tests[@]}")
for program in "$folder"/bin/secbeat "$folder"/libexec/secbeat-compile "$folder"/nginx/ngx_http_secbeat_module.so; do
  [ -e "$program" ] && binaries+=("$program")
done
objects=("${binaries[0]}"); for binary in "${binaries[@]:1}"; do objects+=(-object "$binary"); done
only=(-ignore-filename-regex '_test\.cpp$|test_support|_fixture|/testing\.|guest_table|/build/|/tools/|^/usr/|/bench/|/\.cache/')
"llvm-cov-$CLANG_MAJOR" show "${objects[@]}" -instr-profile="$folder/coverage.profdata" "${only[@]}" -format=html -output-dir="$folder/html" >/dev/null
"llvm-cov-$CLANG_MAJOR" export "${objects[@]}" -instr-profile="$folder/coverage.profdata" "${only[@]}" -summary-only |
  jq -r --arg root "$PWD/" '
    def percent: if .count == 0 then "-" else (.covered * 1000 / .count | floor / 10 | tostring) end;
    def sum: {count: (map(.count) | add), covered: (map(.covered) | add)};
    def component: split("/") | if .[0] == "agent" and .[1] == "src" then .[0] + "/" + .[2] else .[0] end;
    [.data[0].files[] | {file: (.filename | ltrimstr($root)), lines: .summary.lines, branches: .summary.branches}]
    | (group_by(.file | component)[] | "\(map(.lines) | sum | percent)\t\(map(.branches) | sum | percent)\t\(map(.lines) | sum | .count)\t\(.[0].file | component)/"),
      (sort_by(.lines.covered / ([.lines.count, 1] | max))[] | "\(.lines | percent)\t\(.branches | percent)\t\(.lines.count)\t\(.file)")' |
  { printf 'lines %%\tbranches %%\tlines\tfile\n'; cat; } | tee "$folder/report.txt"
echo "lines that never ran: $folder/html/index.html"
