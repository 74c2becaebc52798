#!/bin/sh
# with_stores.sh COMMAND [ARGUMENT ...]: run COMMAND with a private PostgreSQL,
# migrated and with a login for each role, and a private Redis, both on Unix
# sockets; end them afterwards and give COMMAND's status.
#
# COMMAND sees their addresses as the programs' own configuration,
# WATCHLLM_DATABASE_URL and the like, and besides
#	WL_STORES_DIR	the folder that holds them
#	WL_SUPER_URL	PostgreSQL as superuser
#	WL_REDIS_PID	process id of redis-server
# WL_STORES_LIFE is how many seconds COMMAND may take (300).
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
pg=$here/private_pg.sh

[ $# -gt 0 ] || { echo "usage: with_stores.sh COMMAND ..." >&2; exit 2; }

dir='' redis='' child='' watchdog=''
finish() {
	trap - EXIT HUP INT TERM
	[ -z "$watchdog" ] || kill "$watchdog" 2>/dev/null || :
	[ -z "$child" ] || kill -KILL "$child" 2>/dev/null || :
	if [ -n "$redis" ]; then
		# it may have been stopped by a test
		kill -KILL "$redis" 2>/dev/null || :
		wait "$redis" 2>/dev/null || :
	fi
	[ -z "$dir" ] || "$pg" stop "$dir" || :
}
trap finish EXIT
trap 'finish; exit 129' HUP
trap 'finish; exit 130' INT
trap 'finish; exit 143' TERM

dir=$(PRIVATE_PG_OWNER=$$ "$pg" start)
psql -X -q -v ON_ERROR_STOP=1 -d "$("$pg" url "$dir")" <<'END'
CREATE ROLE wl_owner LOGIN CREATEROLE;
CREATE DATABASE watchllm OWNER wl_owner;
END
"$here/../db/apply.sh" "$("$pg" url "$dir" watchllm wl_owner)" >/dev/null
WL_SUPER_URL=$("$pg" url "$dir" watchllm postgres)
psql -X -q -v ON_ERROR_STOP=1 -d "$WL_SUPER_URL" <<'END'
CREATE ROLE wl_app LOGIN IN ROLE watchllm_app;
CREATE ROLE wl_drain LOGIN IN ROLE watchllm_drain;
CREATE ROLE wl_rollup LOGIN IN ROLE watchllm_rollup;
CREATE ROLE wl_report LOGIN IN ROLE watchllm_report;
GRANT TEMPORARY ON DATABASE watchllm TO wl_drain;
END

mkdir "$dir/redis"
redis-server --port 0 --unixsocket "$dir/redis.sock" --dir "$dir/redis" \
    --appendonly yes --maxmemory-policy noeviction \
    --logfile "$dir/redis.log" --daemonize no >/dev/null 2>&1 &
redis=$!
tries=0
until [ "$(redis-cli -s "$dir/redis.sock" ping 2>/dev/null)" = PONG ]; do
	tries=$((tries + 1))
	if [ $tries -gt 100 ] || ! kill -0 "$redis" 2>/dev/null; then
		cat "$dir/redis.log" >&2 || :
		echo "with_stores: redis-server does not start" >&2
		exit 1
	fi
	sleep 0.1
done

export WL_STORES_DIR="$dir" WL_SUPER_URL WL_REDIS_PID="$redis"
WATCHLLM_DATABASE_URL=$("$pg" url "$dir" watchllm wl_app)
WATCHLLM_OWNER_DATABASE_URL=$("$pg" url "$dir" watchllm wl_owner)
WATCHLLM_DRAIN_DATABASE_URL=$("$pg" url "$dir" watchllm wl_drain)
WATCHLLM_ROLLUP_DATABASE_URL=$("$pg" url "$dir" watchllm wl_rollup)
WATCHLLM_REDIS=unix:$dir/redis.sock
export WATCHLLM_DATABASE_URL WATCHLLM_OWNER_DATABASE_URL \
    WATCHLLM_DRAIN_DATABASE_URL WATCHLLM_ROLLUP_DATABASE_URL WATCHLLM_REDIS

"$@" &
child=$!
(
	# also when this script itself is killed
	left=${WL_STORES_LIFE:-300}
	while [ "$left" -gt 0 ] && kill -0 $$ 2>/dev/null; do
		sleep 1
		left=$((left - 1))
	done
	echo "with_stores: out of time" >&2
	kill -KILL "$child" "$redis" 2>/dev/null
) &
watchdog=$!
status=0
wait "$child" || status=$?
child=''
exit $status
