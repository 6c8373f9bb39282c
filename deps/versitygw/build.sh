#!/usr/bin/env bash
# Builds versitygw, a server of S3 that checks signatures, once for this user, for tests, and prints its path. Prints
# nothing where there is no Go that is new enough: the tests that need it are left out then.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=../versions.env
. ../versions.env
# shellcheck source=../go_tool.sh
. ../go_tool.sh

go_tools "versitygw-$VERSITYGW" "a server of S3" "versitygw $VERSITYGW" "github.com/versity/versitygw/cmd/versitygw@$VERSITYGW"
echo "$built/versitygw"
