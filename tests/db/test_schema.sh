#!/usr/bin/env bash
# The migrations on an empty database: they apply, a second run changes
# nothing, everything has a comment, and row-level security holds.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=conf/private.sh
. "$here/../../conf/private.sh"
wl_user
dir=$(mktemp -d /tmp/wlsql.XXXXXX)
[ "$(id -u)" != 0 ] || chown "$WL_USER" "$dir"
trap 'wl_postgres_stop "$dir"; rm -rf "$dir"' EXIT
wl_postgres_start "$dir" fast
wl_database_make "$dir"

failed=0
as() {	# as ROLE SQL: its rows
	timeout 60 psql -qXAt -v ON_ERROR_STOP=1 \
	    "host=$dir/run dbname=watchllm user=$1" -c "$2" 2>&1
}
is() {	# is NAME EXPECTED ACTUAL
	if [ "$2" != "$3" ]; then
		echo "not so: $1: expected '$2', got '$3'"
		failed=1
	fi
}

owner="host=$dir/run dbname=watchllm user=wl_owner"
timeout 120 sh "$here/apply.sh" "$owner" >"$dir/first"
is 'all applied' 25 "$(grep -c '^applied' "$dir/first")"
timeout 120 sh "$here/apply.sh" "$owner" >"$dir/second"
is 'none twice' 0 "$(grep -c '^applied' "$dir/second" || true)"
wl_logins_make "$dir"

is 'tables without a comment' '' "$(as wl_owner "
    SELECT c.relname FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('watchllm', 'report') AND NOT c.relispartition
	AND c.relkind IN ('r', 'p', 'v') AND c.relname <> 'schema_migration'
	AND obj_description(c.oid) IS NULL")"
is 'columns without a comment' '' "$(as wl_owner "
    SELECT c.relname || '.' || a.attname FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'watchllm' AND a.attnum > 0 AND NOT a.attisdropped
	AND NOT c.relispartition AND c.relkind IN ('r', 'p')
	AND c.relname <> 'schema_migration'
	AND col_description(c.oid, a.attnum) IS NULL")"
is 'plans' 'free|10|50000|0,starter|50|250000|2900,pro|200|1000000|4900' \
    "$(as wl_owner "SELECT string_agg(concat_ws('|', id, requests_per_minute,
    requests_per_month, price_usd_cents), ',' ORDER BY price_usd_cents)
    FROM watchllm.plan")"

as wl_owner "INSERT INTO watchllm.project (id, name)
    VALUES ('aaa', 'a'), ('bbb', 'b')" >/dev/null
is 'no project set' 0 "$(as wl_app 'SELECT count(*) FROM watchllm.project')"
is 'one project set' aaa "$(as wl_app "BEGIN;
    SELECT NULL FROM set_config('watchllm.project_id', 'aaa', true);
    SELECT id FROM watchllm.project" | tail -n 1)"
is 'the drain sees all' 2 \
    "$(as wl_drain 'SELECT count(*) FROM watchllm.project')"
is 'reports see no table' refused "$(as wl_report \
    'SELECT count(*) FROM watchllm.project' >/dev/null && echo read ||
    echo refused)"
is 'reports see their views' 0 \
    "$(as wl_report 'SELECT count(*) FROM report.calls')"
exit "$failed"
