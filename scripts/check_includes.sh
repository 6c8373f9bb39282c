#!/usr/bin/env bash
# One component sees Wasmtime, one nginx, one NATS: no source of another folder includes their headers. Everything else
# reaches them through the headers of these components, and can be built and tested without them.
#
#   engine/  wasm.h, wasmtime.h, wasmtime/…   its tests, its tool and wasmtime_handles.hpp as well
#   nginx/   ngx_*.h                          through ngx_cxx.hpp
#   fleet/   nats/…, nats.h                   its tests as well
#
# Nothing else includes them, so nothing is excepted. Headers of ours that bring them along (wasmtime_handles.hpp,
# ngx_cxx.hpp, nats_handles.hpp) count as theirs.
set -euo pipefail
cd "$(dirname "$0")/.."
status=0
only_below() { # folder, what its includes begin with (a pattern)
  local found
  found=$(git grep -nE --untracked "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]([^>\"]*/)?$2" -- \
    '*.cpp' '*.hpp' '*.h' '*.c' '*.cpp.in' '*.hpp.in' ":!$1/*") || { [ $? -eq 1 ] && return 0; exit 2; }
  echo "$found" | sed "s|\$|: only $1/ includes this|" >&2
  status=1
}
only_below engine '(wasm\.h|wasmtime[./]|wasmtime_handles\.hpp)'
only_below nginx 'ngx_'
only_below fleet '(nats\.h|nats/|nats_handles\.hpp)'
exit $status
