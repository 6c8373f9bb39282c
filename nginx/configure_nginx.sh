#!/bin/bash
# configure_nginx.sh SOURCE OUT: the headers that nginx' own configure makes, into OUT/objs.
#
# The package nginx-dev has nginx' sources' headers and its configure, but not the result of running it. The
# flags are those of the packaged binary (conf_flags); a module that was configured otherwise has another
# signature, and nginx refuses to load it. SOURCE stays untouched: configure writes where it stands.
set -euo pipefail
source_dir=$1
out_dir=$2

rm -rf "$out_dir"
mkdir -p "$out_dir"
cp -r "$source_dir/auto" "$source_dir/src" "$source_dir/configure" "$out_dir/"
# shellcheck source=/dev/null
. "$source_dir/conf_flags"
cd "$out_dir"
if ! ./configure "${NGX_CONF_FLAGS[@]}" --with-compat > configure.log 2>&1; then
  tail -n 20 configure.log >&2
  exit 1
fi
