#!/usr/bin/env bash
# Builds the official `nats` command and the newest nats-server once for this user, for tests, and prints the folder that
# holds them. Prints nothing where there is no Go that is new enough: the tests that need them are left out then.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=../versions.env
. ../versions.env
# shellcheck source=../go_tool.sh
. ../go_tool.sh

go_tools "nats-$NATS_CLI-$NATS_SERVER" "the nats command and the newest nats-server" \
  "the nats command and nats-server $NATS_SERVER" \
  "github.com/nats-io/natscli/nats@$NATS_CLI" "github.com/nats-io/nats-server/v2@$NATS_SERVER"
echo "$built"
