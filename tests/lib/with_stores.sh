#!/usr/bin/env bash
# with_stores.sh COMMAND [ARGUMENT ...]: run COMMAND with a private PostgreSQL,
# migrated and with a login for each role, and a private Redis, both on Unix
# sockets; end them afterwards and give COMMAND's status.
#
# COMMAND sees their addresses as the programs' own configuration,
# WATCHLLM_DATABASE_URL and the like, and besides
#	WL_STORES_DIR	the folder of their sockets
#	WL_SUPER_URL	PostgreSQL as superuser
#	WL_REDIS_PID	process id of redis-server
# WL_STORES_LIFE is how many seconds COMMAND may take (300).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=conf/private.sh
. "$here/../../conf/private.sh"

[ $# -gt 0 ] || { echo "usage: with_stores.sh COMMAND ..." >&2; exit 2; }

dir=$(mktemp -d /tmp/wlst.XXXXXX)
trap 'wl_stores_stop "$dir"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
wl_stores_start "$dir"
url() {
	echo "postgresql:///watchllm?host=$dir/run&user=$1"
}
"$here/../db/apply.sh" "$(url wl_owner)" >/dev/null
wl_logins_make "$dir"

WL_STORES_DIR=$dir/run
WL_SUPER_URL=$(url postgres)
WL_REDIS_PID=$(wl_pid "$dir/run/redis.pid")
WATCHLLM_DATABASE_URL=$(url wl_app)
WATCHLLM_OWNER_DATABASE_URL=$(url wl_owner)
WATCHLLM_DRAIN_DATABASE_URL=$(url wl_drain)
WATCHLLM_ROLLUP_DATABASE_URL=$(url wl_rollup)
WATCHLLM_REDIS=unix:$dir/run/redis.sock
export WL_STORES_DIR WL_SUPER_URL WL_REDIS_PID WATCHLLM_DATABASE_URL \
    WATCHLLM_OWNER_DATABASE_URL WATCHLLM_DRAIN_DATABASE_URL \
    WATCHLLM_ROLLUP_DATABASE_URL WATCHLLM_REDIS

timeout --foreground -k 5 "${WL_STORES_LIFE:-300}" "$@" &
status=0
wait $! || status=$?
exit "$status"
