#!/usr/bin/env bash
# Every *_test.cpp on disk must stand in a CMakeLists.txt, or it would never run.
set -euo pipefail
cd "$(dirname "$0")/.."
status=0
while read -r file; do
  folder=$file
  while folder=$(dirname "$folder"); [ ! -e "$folder/CMakeLists.txt" ]; do :; done
  if ! grep -qF "${file#"$folder"/}" "$folder/CMakeLists.txt"; then
    echo "$file is not registered in $folder/CMakeLists.txt" >&2
    status=1
  fi
done < <(git ls-files '*_test.cpp')
exit $status
