#!/usr/bin/env bash
# Fetches the WebAssembly specification tests that Debian's source package binaryen carries; prints their folder.
#   scripts/spec_tests.sh
# Idempotent: what is in build/spec-tests is kept. apt's own lists, caches and sources stay as they are: it works in
# folders below build/, on source entries made from those of the system for this release of Debian. Needs no root.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=../deps/versions.env
. deps/versions.env

folder=$PWD/build/spec-tests/$BINARYEN_SOURCE
if [ -e "$folder/complete" ]; then echo "$folder/spec"; exit 0; fi

rm -rf "$folder"
mkdir -p "$folder"/apt/{sources,lists/partial,state,cache/archives/partial} "$folder/spec"
# shellcheck source=/dev/null
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
for file in /etc/apt/sources.list.d/*.sources; do
  [ -e "$file" ] || continue
  # Entries are paragraphs.
  sed '/^#/d' "$file" | awk -v RS= -v ORS='\n\n' "/(^|\\n)Suites:([^\\n]* )?$release( |\\n|\$)/" | sed 's/^Types:.*/Types: deb-src/' >"$folder/apt/sources/${file##*/}"
done
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  [ -e "$file" ] || continue
  sed -nE "s/^deb( .* $release( .*)?)\$/deb-src\\1/p" "$file" >"$folder/apt/sources/${file##*/}"
done

own_apt() {
  apt-get -qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$folder/apt/sources" \
    -o Dir::State="$folder/apt/state" -o Dir::State::Lists="$folder/apt/lists" -o Dir::Cache="$folder/apt/cache" "$@" >&2
}
own_apt update
(cd "$folder" && own_apt source --download-only "binaryen=$BINARYEN_SOURCE")
tar -xf "$folder"/binaryen_*.orig.tar.* -C "$folder/spec" --strip-components=3 --wildcards '*/test/spec/*'
rm -rf "$folder/apt" "$folder"/binaryen_*
touch "$folder/complete"
echo "$folder/spec"
