#!/usr/bin/env bash
# Shows SecBeat at work on this machine: installs what is missing, builds, starts a small demo site behind a
# protected nginx, and walks through the product with real traffic running. Then it serves until Ctrl-C.
#   scripts/run.sh [--fleet [--nodes N]] [--once] [--site-port N] [--api-port N] [--demo-port N]
#     --fleet       a fleet: NATS, an orchestrator and 3 nodes, or --nodes N of 2 to 9; with [--orchestrator-port N] [--nats-port N]
#     --once        end after the tour: exit status 0 if every step did what it should, else 1
#     --site-port   where the protected site listens (default 8000; of a fleet the first node's, 8001)
#     --api-port    where the node's management API listens (default 9090; of a fleet the first node's, 9091)
#     --demo-port   where the unprotected demo site behind it listens (default 8001; of a fleet 8000)
#     --orchestrator-port, --nats-port   where those listen (default 8080 and 4222)
set -euo pipefail
cd "$(dirname "$0")/.."
case " $* " in *" --help "* | *" -h "*) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;; esac

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }

scripts/bootstrap.sh run
log=build/run-build.log
mkdir -p build
say "building the release (some minutes the first time; log: $log)"
if ! { cmake --preset release >"$log" 2>&1 &&
       cmake --build --preset release --target secbeat secbeat_nginx_module secbeat_guests secbeat_load |
         tee -a "$log" | awk '/^\[[0-9]+\/[0-9]+\]/ { printf "\r    %s", $1; fflush() } END { print "" }'; }; then
  tail -n 40 "$log"
  echo "run.sh: the build failed; the whole log is in $log" >&2
  exit 1
fi
tour=tour
arguments=()
for argument in "$@"; do
  if [ "$argument" = --fleet ]; then tour=fleet_tour; else arguments+=("$argument"); fi
done
exec python3 scripts/$tour.py --build build/release "${arguments[@]}"
