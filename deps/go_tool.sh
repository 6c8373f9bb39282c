# Programs of Go modules for tests, built once for this user. Read by the build.sh of each.
# shellcheck shell=bash

# go_tools NAME "TESTS" "WHAT" MODULE@VERSION…: sets $built to the folder of the programs. Ends the script, with nothing
# printed, where there is no Go that is new enough: TESTS are left out then. WHAT says what is built, where it is.
go_tools() {
  local name=$1 tests=$2 what=$3 go=${GO:-go} has module
  shift 3
  command -v "$go" >/dev/null || go=/usr/local/go/bin/go
  has=$("$go" env GOVERSION 2>/dev/null | sed 's/^go//') || has=
  if [ -z "$has" ] || ! printf '%s\n%s\n' "$GO_MINIMUM" "$has" | sort -VC; then
    echo "no Go from $GO_MINIMUM on: the tests with $tests are left out" >&2
    exit 0
  fi

  built=${XDG_CACHE_HOME:-$HOME/.cache}/secbeat/$name
  if [ -e "$built/complete" ]; then return; fi
  mkdir -p "$(dirname "$built")"
  exec 9>"$built.lock"
  flock 9  # two clones at once build it once
  if [ -e "$built/complete" ]; then return; fi

  echo "building $what (about 2 minutes on two cores); once for this user" >&2
  made=$(mktemp -d "$built.build.XXXXXX")
  trap 'rm -rf "$made"' EXIT
  for module in "$@"; do CGO_ENABLED=0 GOBIN=$made GOTOOLCHAIN=local "$go" install "$module" 1>&2; done
  rm -rf "$built"
  mkdir "$built"
  mv "$made"/* "$built/"
  touch "$built/complete"
}
