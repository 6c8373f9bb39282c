#!/usr/bin/env bash
# Builds Wasmtime's static library once for this user and prints the folder that holds it:
#   build.sh compiler|runtime  →  FOLDER with lib/libsecbeat_wasmtime.a and include/
# The folder is keyed by version, features and toolchain, so that another clone uses it again.
set -euo pipefail

variant=${1:?usage: build.sh compiler|runtime}
case $variant in
  compiler) what="Wasmtime with its compiler (about 4 minutes on two cores)" ;;
  runtime) what="Wasmtime's runtime without compiler (about 2 minutes on two cores)" ;;
  *) echo "build.sh: unknown variant '$variant' (compiler or runtime)" >&2; exit 2 ;;
esac

here=$(cd "$(dirname "$0")" && pwd)
cargo=${CARGO:-cargo}
command -v "$cargo" >/dev/null || cargo=$HOME/.cargo/bin/cargo
rustc=$(dirname "$(command -v "$cargo")")/rustc
[ -x "$rustc" ] || rustc=rustc

version=$(sed -n 's/.*wasmtime-c-api-impl", version = "=\([0-9.]*\)".*/\1/p' "$here/Cargo.toml")
key=$(cat "$here/Cargo.toml" "$here/Cargo.lock" <("$rustc" --version) | sha256sum | cut -c1-12)
out=${XDG_CACHE_HOME:-$HOME/.cache}/secbeat/wasmtime-$version-$variant-$key
if [ -e "$out/complete" ]; then echo "$out"; exit 0; fi

mkdir -p "$(dirname "$out")"
exec 9>"$out.lock"
flock 9                                     # two clones at once build it once
if [ -e "$out/complete" ]; then echo "$out"; exit 0; fi

target=$(mktemp -d "$out.build.XXXXXX")
trap 'rm -rf "$target"' EXIT
echo "building $what; once for this user" >&2
"$cargo" build --release --locked --manifest-path "$here/Cargo.toml" --target-dir "$target" \
  --features "$variant" 1>&2
rm -rf "$out"
mkdir -p "$out/lib"
cp "$target/release/libsecbeat_wasmtime.a" "$out/lib/"
cp -r "$target"/release/build/wasmtime-c-api-impl-*/out/include "$out/"
touch "$out/complete"
echo "$out"
