#!/bin/sh
# A private PostgreSQL for tests: a temporary directory under /tmp, a Unix
# socket, no TCP, no fsync.
#
#	private_pg.sh start [SETTING=VALUE ...]
#				prints the directory; a server runs in it
#	private_pg.sh url DIR [DATABASE [USER]]
#	private_pg.sh stop DIR	ends the server and removes the directory
#
# Run as root, the server belongs to the user "postgres".  Should whoever
# started it die without stop, it ends by itself: after PRIVATE_PG_LIFE
# seconds (900), or when process PRIVATE_PG_OWNER, where given, is gone.
# PG_BINDIR names the folder of initdb and postgres.
set -eu
umask 022

die() {
	echo "private_pg: $*" >&2
	exit 1
}

bindir() {
	if [ -n "${PG_BINDIR:-}" ]; then
		echo "$PG_BINDIR"
	elif command -v initdb >/dev/null 2>&1; then
		dirname "$(command -v initdb)"
	else
		ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1
	fi
}

as_user() {
	if [ "$(id -u)" != 0 ]; then
		"$@"
	elif command -v setpriv >/dev/null 2>&1; then
		setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
	else
		runuser -u postgres -- "$@"
	fi
}

url() {
	echo "postgresql:///${2:-postgres}?host=$1&user=${3:-postgres}"
}

stop() {
	case $1 in
	/tmp/wlpg.*) ;;
	*) die "not a directory of ours: $1" ;;
	esac
	[ -d "$1" ] || return 0
	if [ -s "$1/data/postmaster.pid" ]; then
		as_user "$bin/pg_ctl" -D "$1/data" -m immediate -w -t 30 stop \
		    >/dev/null 2>&1 || :
	fi
	rm -rf "$1"
}

# Ends a server whose tests have died.
watch() {
	left=${PRIVATE_PG_LIFE:-900}
	while [ "$left" -gt 0 ] && [ -d "$1" ]; do
		if [ -n "${PRIVATE_PG_OWNER:-}" ] &&
		    ! kill -0 "$PRIVATE_PG_OWNER" 2>/dev/null; then
			break
		fi
		sleep 1
		left=$((left - 1))
	done
	stop "$1"
}

start() {
	[ -x "$bin/initdb" ] || die "no initdb; set PG_BINDIR"
	dir=$(mktemp -d /tmp/wlpg.XXXXXX)
	[ "$(id -u)" != 0 ] || chown postgres "$dir"
	chmod 755 "$dir"
	cd "$dir"
	as_user "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 \
	    --locale=C -N >"$dir/log" 2>&1 || {
		cat "$dir/log" >&2
		rm -rf "$dir"
		die "initdb failed"
	}
	as_user sh -c 'cat >>"$1/data/postgresql.conf"' sh "$dir" <<-END
		listen_addresses = ''
		unix_socket_directories = '$dir'
		unix_socket_permissions = 0777
		max_connections = 300
		shared_buffers = 64MB
		fsync = off
		synchronous_commit = off
		full_page_writes = off
		log_min_messages = warning
		timezone = 'UTC'
	END
	for s in "$@"; do
		echo "${s%%=*} = '${s#*=}'" |
		    as_user sh -c 'cat >>"$1/data/postgresql.conf"' sh "$dir"
	done
	as_user "$bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 30 start \
	    >/dev/null 2>&1 </dev/null || {
		cat "$dir/server.log" >&2 || :
		stop "$dir"
		die "no start"
	}
	# a program of its own: a function would keep our output open
	"$self" watch "$dir" >/dev/null 2>&1 </dev/null &
	echo "$dir"
}

bin=$(bindir)
self=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
[ $# -ge 1 ] || die "usage: private_pg.sh start|url|stop"
what=$1
shift
case $what in
start | stop | url | watch) ;;
*) die "usage: private_pg.sh start|url|stop" ;;
esac
[ "$what" = start ] || [ $# -ge 1 ] || die "usage: private_pg.sh $what DIR"
"$what" "$@"
