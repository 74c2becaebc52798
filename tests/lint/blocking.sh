#!/bin/sh
# Only the scheduler waits: a call that blocks stops every request of its
# process.  Wait with wl_wait(), or run what cannot with wl_offload().
# What recv, send, read, write and connect do depends on their descriptor, and
# no search can tell.
set -eu
cd "${top_srcdir:-.}"
lint=$(dirname "$0")
case $lint in
/*) ;;
*) lint=tests/lint ;;
esac

# time, descriptors, signals, processes, locks, disks
calls='sleep|usleep|nanosleep|clock_nanosleep|thrd_sleep'
calls="$calls|poll|ppoll|select|pselect|epoll_wait|epoll_pwait2?"
calls="$calls|pause|sigsuspend|sigwait|sigwaitinfo|sigtimedwait"
calls="$calls|wait|wait3|wait4|waitid|waitpid|system|popen|pclose"
calls="$calls|flock|lockf|pthread_join|pthread_cond_(timed)?wait|sem_wait"
calls="$calls|fsync|fdatasync|sync|syncfs|sync_file_range|tcdrain"
# names
calls="$calls|getaddrinfo|getnameinfo|gethostby(name|addr)(2|_r|2_r)?|res_n?query|res_n?search"
# libpq, hiredis, libcurl, libfcgi
calls="$calls|PQexec|PQexecParams|PQexecPrepared|PQprepare|PQdescribe(Prepared|Portal)"
calls="$calls|PQconnectdb|PQconnectdbParams|PQsetdb|PQsetdbLogin|PQreset|PQping|PQpingParams|PQcancel|PQrequestCancel|PQfn|PQencryptPasswordConn"
calls="$calls|redisv?Command|redisCommandArgv|redisConnect(Unix)?(WithTimeout)?|redisConnectWithOptions|redisReconnect|redisGetReply"
calls="$calls|curl_easy_perform|curl_multi_wait|curl_multi_poll"
calls="$calls|FCGX_Accept|FCGI_Accept"

# file call reason; sorted
allowed() {
	cat <<'END'
fcgi/master.c sigtimedwait the parent has no loop
fcgi/master.c waitpid with WNOHANG, in the parent
lib/base/journal.c fdatasync in a helper thread, or where no coroutine runs
lib/base/journal.c flock with LOCK_NB
lib/base/journal.c fsync in a helper thread, or where no coroutine runs
lib/base/journal.c nanosleep in a helper thread, for a cancelled coroutine
lib/base/journal_read.c flock with LOCK_NB
lib/base/log.c poll with timeout 0
lib/base/loop.c epoll_wait the loop itself
lib/base/offload.c pthread_cond_wait a helper thread waits for work
lib/base/offload.c pthread_join helpers that are idle end at once
lib/core/vault.c fsync in a helper thread
lib/http/names.c getaddrinfo in a helper thread
lib/store/resolve.c getaddrinfo in a helper thread, or a numeric host
lib/store/resolve.c getnameinfo of numbers only
END
}

failed=0 n=0 used=
for f in $(find lib fcgi -name '*.c' | LC_ALL=C sort); do
	n=$((n + 1))
	hits=$(awk -f "$lint/code.awk" "$f" |
	    grep -noE "(^|[^A-Za-z0-9_.>])($calls)[[:space:]]*\(|[^A-Za-z0-9_](F_SETLKW|F_OFD_SETLKW)([^A-Za-z0-9_]|$)" |
	    sed -E 's/^([0-9]+):/\1 /; s/[^A-Za-z0-9_ ]//g' || true)
	[ -n "$hits" ] || continue
	while read -r line call; do
		if allowed | grep -q "^$f $call "; then
			used="$used $f:$call"
		else
			echo "$f:$line: $call() blocks the loop"
			failed=1
		fi
	done <<END
$hits
END
done
[ $n -gt 0 ] || { echo "no source found"; exit 1; }

# an exception whose file is there but needs it no more is a trap
while read -r f call reason; do
	[ -f "$f" ] || continue
	[ -n "$reason" ] || { echo "$f $call: no reason given"; failed=1; }
	case "$used " in
	*" $f:$call "*) ;;
	*) echo "$f: $call is allowed but not used"; failed=1 ;;
	esac
done <<END
$(allowed)
END
exit $failed
