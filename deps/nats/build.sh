#!/usr/bin/env bash
# Builds the official `nats` command and the newest nats-server once for this user, for tests, and prints the folder that
# holds them. Prints nothing where there is no Go that is new enough: the tests that need them are left out then.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=../versions.env
. ../versions.env

go=${GO:-go}
command -v "$go" >/dev/null || go=/usr/local/go/bin/go
has=$("$go" env GOVERSION 2>/dev/null | sed 's/^go//') || has=
if [ -z "$has" ] || ! printf '%s\n%s\n' "$GO_MINIMUM" "$has" | sort -VC; then
  echo "no Go from $GO_MINIMUM on: the tests with the nats command and the newest nats-server are left out" >&2
  exit 0
fi

out=${XDG_CACHE_HOME:-$HOME/.cache}/secbeat/nats-$NATS_CLI-$NATS_SERVER
if [ -e "$out/complete" ]; then echo "$out"; exit 0; fi
mkdir -p "$(dirname "$out")"
exec 9>"$out.lock"
flock 9  # two clones at once build it once
if [ -e "$out/complete" ]; then echo "$out"; exit 0; fi

echo "building the nats command and nats-server $NATS_SERVER (about 2 minutes on two cores); once for this user" >&2
made=$(mktemp -d "$out.build.XXXXXX")
trap 'rm -rf "$made"' EXIT
export CGO_ENABLED=0 GOBIN=$made GOTOOLCHAIN=local
"$go" install "github.com/nats-io/natscli/nats@$NATS_CLI" 1>&2
"$go" install "github.com/nats-io/nats-server/v2@$NATS_SERVER" 1>&2
rm -rf "$out"
mkdir "$out"
mv "$made/nats" "$made/nats-server" "$out/"
touch "$out/complete"
echo "$out"
