# shellcheck shell=bash
# Private PostgreSQL, Redis and web servers for ./start and the tests: Unix
# sockets or loopback only, everything in one folder, ended by process id.
# Sourced; needs bash. All functions return non-zero on failure.

# The unprivileged user that servers run as when we are root.
WL_USER=${WL_USER:-watchllm}
WL_CONF_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

wl_die() {
	echo "$0: $*" >&2
	exit 1
}

# wl_as COMMAND...: run it as that user when we are root, else as ourselves.
wl_as() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid="$WL_USER" --regid="$WL_USER" --init-groups \
		    --no-new-privs -- "$@"
	else
		"$@"
	fi
}

# wl_user: make that user when we are root.
wl_user() {
	[ "$(id -u)" = 0 ] || return 0
	id "$WL_USER" >/dev/null 2>&1 && return 0
	useradd --system --user-group --home-dir /nonexistent \
	    --shell /usr/sbin/nologin "$WL_USER"
}

# wl_pg_bin: the folder of the newest installed server.
wl_pg_bin() {
	local d
	d=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
	[ -n "$d" ] && echo "$d"
}

# wl_started PID: when that process was started, in ticks since the boot.
wl_started() {
	local stat
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
	# the name, in brackets, may hold anything
	set -- ${stat##*) }
	echo "${20}"
}

# wl_pid PIDFILE: the process that it names, if it runs; a second line is its
# wl_started, so that nobody takes a later process of that number for it.
wl_pid() {
	local pid='' since='' now
	{ read -r pid; read -r since; } 2>/dev/null <"$1"
	case $pid in ''|*[!0-9]*) return 1 ;; esac
	now=$(wl_started "$pid") || return 1
	[ -z "$since" ] || [ "$since" = "$now" ] || return 1
	echo "$pid"
}

# wl_alive PIDFILE: whether that process runs.
wl_alive() {
	wl_pid "$1" >/dev/null
}

# wl_end PIDFILE [SECONDS]: end it.
wl_end() {
	local pid i
	pid=$(wl_pid "$1") || return 0
	kill -TERM "$pid" 2>/dev/null || return 0
	for ((i = 0; i < ${2:-20} * 10; i++)); do
		wl_alive "$1" || return 0
		sleep 0.1
	done
	kill -KILL "$pid" 2>/dev/null
	return 0
}

# wl_daemon DIR NAME COMMAND...: run it in a session of its own, its process
# id in DIR/run and its output in DIR/log, unless it runs already.
wl_daemon() {
	local pidfile=$1/run/$2.pid log=$1/log/$2.log
	wl_alive "$pidfile" && return 0
	# the shell that writes the process id becomes the command; it may not
	# be allowed to read this file
	# shellcheck disable=SC2016
	wl_as setsid --fork bash -c 'exec >>"$2" 2>&1 </dev/null
	    '"$(declare -f wl_started)"'
	    { echo $$; wl_started $$; } >"$1" && shift 2 && exec "$@"' \
	    bash "$pidfile" "$log" "${@:3}"
	wl_wait_for 50 wl_alive "$pidfile"
}

# wl_daemon_end DIR NAME: end it and what it started.
wl_daemon_end() {
	local pid
	pid=$(wl_pid "$1/run/$2.pid") || return 0
	wl_end "$1/run/$2.pid"
	kill -KILL -- "-$pid" 2>/dev/null
	rm -f "$1/run/$2.pid"
}

# wl_wait_for TENTHS COMMAND...: until it succeeds, or fail after so long.
wl_wait_for() {
	local i
	for ((i = 0; i < $1; i++)); do
		"${@:2}" && return 0
		sleep 0.1
	done
	return 1
}

# wl_postgres_start DIR [fast]: a server with its data in DIR/pg and its
# socket in DIR/run; "fast" gives up safety against a power cut, for tests.
wl_postgres_start() {
	local dir=$1 bin fsync=on
	bin=$(wl_pg_bin) || return 1
	wl_as "$bin/pg_ctl" -D "$dir/pg" status >/dev/null 2>&1 && return 0
	[ "${2:-}" = fast ] && fsync=off
	wl_as mkdir -p "$dir/run" "$dir/log" || return 1
	if [ ! -s "$dir/pg/PG_VERSION" ]; then
		wl_as "$bin/initdb" -D "$dir/pg" -U postgres -A trust \
		    -E UTF8 --locale=C.UTF-8 >"$dir/log/initdb.log" 2>&1 ||
		    { tail -n 5 "$dir/log/initdb.log" >&2; return 1; }
	fi
	wl_as "$bin/pg_ctl" -D "$dir/pg" -l "$dir/log/postgresql.log" -w -t 60 \
	    -o "-c listen_addresses='' -c unix_socket_directories=$dir/run \
	    -c unix_socket_permissions=0700 -c fsync=$fsync \
	    -c timezone=UTC -c max_connections=300" start \
	    >"$dir/log/pg_ctl.log" 2>&1 ||
	    { tail -n 5 "$dir/log/postgresql.log" >&2; return 1; }
}

# wl_postgres_stop DIR [MODE]
wl_postgres_stop() {
	local bin pid
	bin=$(wl_pg_bin) || return 0
	[ -s "$1/pg/postmaster.pid" ] || return 0
	read -r pid <"$1/pg/postmaster.pid"
	# stopped ones, as a test that was killed leaves them, do not hear
	if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = postgres ]; then
		# shellcheck disable=SC2046
		kill -CONT "$pid" \
		    $(cat "/proc/$pid/task/$pid/children" 2>/dev/null) 2>/dev/null
	fi
	wl_as "$bin/pg_ctl" -D "$1/pg" -m "${2:-fast}" -w -t 30 stop >/dev/null 2>&1
}

# wl_database_make DIR: the database and a login for each role. The password
# is the socket's folder, which only this user can enter.
wl_database_make() {
	local url="host=$1/run user=postgres"
	wl_as psql -qX -v ON_ERROR_STOP=1 "$url dbname=postgres" <<-'SQL'
	SELECT 'CREATE ROLE wl_owner LOGIN CREATEROLE'
	 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'wl_owner')\gexec
	SELECT 'CREATE DATABASE watchllm OWNER wl_owner'
	 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'watchllm')\gexec
	SQL
}

# wl_logins_make DIR: after the migrations, which make the group roles.
wl_logins_make() {
	wl_as psql -qX -v ON_ERROR_STOP=1 \
	    "host=$1/run user=postgres dbname=watchllm" <<-'SQL'
	SELECT format('CREATE ROLE wl_%s LOGIN IN ROLE watchllm_%s', r, r)
	  FROM unnest(ARRAY['app', 'drain', 'rollup', 'report']) r
	 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'wl_' || r)\gexec
	SQL
}

# wl_redis_answers DIR
wl_redis_answers() {
	[ "$(wl_as redis-cli -s "$1/run/redis.sock" ping 2>/dev/null)" = PONG ]
}

# wl_redis_start DIR: append-only, no eviction; on a socket in DIR/run.
wl_redis_start() {
	local dir=$1
	wl_redis_answers "$dir" && return 0
	wl_as mkdir -p "$dir/run" "$dir/redis" "$dir/log" || return 1
	wl_as redis-server --port 0 --unixsocket "$dir/run/redis.sock" \
	    --unixsocketperm 700 --dir "$dir/redis" --appendonly yes \
	    --maxmemory-policy noeviction --daemonize yes \
	    --pidfile "$dir/run/redis.pid" --logfile "$dir/log/redis.log" \
	    >/dev/null || return 1
	wl_wait_for 100 wl_redis_answers "$dir" && return 0
	tail -n 5 "$dir/log/redis.log" >&2
	return 1
}

# wl_redis_stop DIR
wl_redis_stop() {
	local pid
	pid=$(wl_pid "$1/run/redis.pid") || return 0
	# the file may be of another life of this machine
	[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = redis-server ] || return 0
	# a stopped one does not hear
	kill -CONT "$pid" 2>/dev/null
	wl_end "$1/run/redis.pid"
}

# wl_stores_start DIR: both, empty and for tests; they end, and DIR with them,
# should the process that asked for them (or WL_OWNER) be gone.
wl_stores_start() {
	wl_user && mkdir -p "$1" && chmod 755 "$1" || return 1
	[ "$(id -u)" != 0 ] || chown "$WL_USER:" "$1" || return 1
	setsid --fork bash -c '. "$1"
	    while kill -0 "$2" && [ -d "$3" ]; do sleep 1; done
	    wl_stores_stop "$3"' bash "$WL_CONF_DIR/private.sh" \
	    "${WL_OWNER:-$$}" "$1" >/dev/null 2>&1 </dev/null
	wl_postgres_start "$1" fast && wl_database_make "$1" &&
	    wl_redis_start "$1"
}

# wl_stores_stop DIR: end them and remove DIR.
wl_stores_stop() {
	wl_redis_stop "$1"
	wl_postgres_stop "$1" immediate
	rm -rf "$1"
}

# wl_free_port: a TCP port of loopback that nobody listens on now.
wl_free_port() {
	python3 - <<-'PY'
	import socket
	s = socket.socket()
	s.bind(("127.0.0.1", 0))
	print(s.getsockname()[1])
	PY
}
