#!/usr/bin/env bash
# Installs what is missing to build and run SecBeat (with `test`, to test it; with `coverage`, also for coverage.sh) on
# Debian 12.
#   scripts/bootstrap.sh run|test|coverage
# Idempotent; asks nothing; as root, or as a user with sudo. Starts no service and leaves none running.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=../deps/versions.env
. deps/versions.env

purpose=${1:-run}
say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf 'bootstrap: %s\n' "$*" >&2; exit 1; }

case $purpose in run | test | coverage) ;; *) die "unknown purpose '$purpose' (run, test or coverage)" ;; esac
command -v apt-get >/dev/null || die "this script installs Debian's packages; on another system install those of deps/packages-*.txt by hand"

wanted() { sed -e 's/#.*//' -e "s/@CLANG@/$CLANG_MAJOR/g" -e "s/@GUEST_CLANG@/$GUEST_CLANG_MAJOR/g" "$@" | xargs -n1; }
lists=(deps/packages-run.txt)
[ "$purpose" = run ] || lists+=(deps/packages-test.txt)

missing=()
more=()
[ "$purpose" = coverage ] && more=("llvm-$CLANG_MAJOR")
for package in $(wanted "${lists[@]}") "${more[@]}"; do
  dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done

# A Rust toolchain for Wasmtime: the user's own, or Debian's.
rust_is_new_enough() {
  local version
  version=$("$1" --version 2>/dev/null | awk '{print $2}') || return 1
  [ -n "$version" ] && printf '%s\n%s\n' "$RUST_MINIMUM" "$version" | sort -VC
}
if ! rust_is_new_enough cargo && ! rust_is_new_enough "$HOME/.cargo/bin/cargo"; then
  missing+=(rustc-web cargo-web)
fi

if [ ${#missing[@]} -gt 0 ]; then
  sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "these packages are missing: ${missing[*]}. Run this as root, or install sudo"
    sudo=(sudo)
  fi
  say "installing ${#missing[@]} missing packages: ${missing[*]}"

  # Packages must not start services. A policy that exists already is respected and left alone.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee $policy >/dev/null
    "${sudo[@]}" chmod 755 $policy
    trap '"${sudo[@]}" rm -f $policy' EXIT
  fi
  new_services=()
  for service in nginx nats-server prometheus prometheus-node-exporter; do
    dpkg-query -W -f '${db:Status-Status}' "$service" 2>/dev/null | grep -qx installed || new_services+=("$service.service")
  done

  "${sudo[@]}" apt-get -o DPkg::Lock::Timeout=300 update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${missing[@]}" >/tmp/secbeat-apt.$$ 2>&1 || {
    tail -n 20 /tmp/secbeat-apt.$$ >&2
    rm -f /tmp/secbeat-apt.$$
    die "apt-get could not install them. clang-$GUEST_CLANG_MAJOR and the Rust packages come from Debian 12's security suite: is it in the apt sources?"
  }
  rm -f /tmp/secbeat-apt.$$
  # Nor may they start at the next boot, where they were not there before.
  for service in "${new_services[@]}"; do
    if [ -e "/lib/systemd/system/$service" ] && command -v systemctl >/dev/null; then
      "${sudo[@]}" systemctl disable --quiet "$service" 2>/dev/null || true
    fi
  done
fi

if [ "$purpose" != run ]; then
  venv=build/venv
  stamp=$venv/complete-$(sha256sum deps/requirements.txt | cut -c1-12)
  if [ ! -e "$stamp" ]; then
    say "Python environment for the process tests"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r deps/requirements.txt
    touch "$stamp"
  fi
fi

say "Wasmtime (built once for this user, then kept)"
deps/wasmtime/build.sh compiler >/dev/null
deps/wasmtime/build.sh runtime >/dev/null
