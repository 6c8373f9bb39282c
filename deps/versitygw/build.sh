#!/usr/bin/env bash
# Builds versitygw, a server of S3 that checks signatures, once for this user, for tests, and prints its path. Prints
# nothing where there is no Go that is new enough: the tests that need it are left out then.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=../versions.env
. ../versions.env

go=${GO:-go}
command -v "$go" >/dev/null || go=/usr/local/go/bin/go
has=$("$go" env GOVERSION 2>/dev/null | sed 's/^go//') || has=
if [ -z "$has" ] || ! printf '%s\n%s\n' "$GO_MINIMUM" "$has" | sort -VC; then
  echo "no Go from $GO_MINIMUM on: the tests with a server of S3 are left out" >&2
  exit 0
fi

out=${XDG_CACHE_HOME:-$HOME/.cache}/secbeat/versitygw-$VERSITYGW
if [ -e "$out/complete" ]; then echo "$out/versitygw"; exit 0; fi
mkdir -p "$(dirname "$out")"
exec 9>"$out.lock"
flock 9  # two clones at once build it once
if [ -e "$out/complete" ]; then echo "$out/versitygw"; exit 0; fi

echo "building versitygw $VERSITYGW (about 2 minutes on two cores); once for this user" >&2
made=$(mktemp -d "$out.build.XXXXXX")
trap 'rm -rf "$made"' EXIT
export CGO_ENABLED=0 GOBIN=$made GOTOOLCHAIN=local
"$go" install "github.com/versity/versitygw/cmd/versitygw@$VERSITYGW" 1>&2
rm -rf "$out"
mkdir "$out"
mv "$made/versitygw" "$out/"
touch "$out/complete"
echo "$out/versitygw"
