#!/bin/sh
# gdb sees parked coroutines: the list names them with what they wait for, and
# the backtrace of each leads to the function that waits.
set -eu
src=${top_srcdir:-.}/tests/gdb
prog=${top_builddir:-.}/tests/gdb/parked
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# the leak check of sanitizers does not work below a debugger
ASAN_OPTIONS=detect_leaks=0; export ASAN_OPTIONS
timeout 60 gdb -nx -batch -ex 'set debuginfod enabled off' \
    -ex "source $src/co.py" -ex 'break stop_here' -ex run \
    -ex wl-coroutines -ex wl-backtrace -ex 'wl-backtrace sleeper' \
    -ex 'echo after\n' -ex backtrace -ex kill "$prog" > "$out" 2>&1 || {
	cat "$out"
	exit 1
}

failed=0
want() {
	grep -Eq "$1" "$out" || {
		echo "missing: $1"
		failed=1
	}
}
want '^main +running'
want '^reader +waiting +fd [0-9]+ events IN\|RDHUP deadline in [0-9]+ ms'
want '^sleeper +waiting +fd -1 events 0 deadline in [0-9]+ ms'
want '^#[1-9].* wl_wait \('
want '^#[1-9].* parks_here \('
want '^#[1-9].* reader \('
want '^#[1-9].* sleeps_here \('
want '^#[1-9].* sleeper \('
[ "$(grep -c '^#[1-9].* sleeps_here (' "$out")" = 2 ] || {
	echo "sleeper is not there twice"
	failed=1
}
# and gdb's own view is as before
sed -n '/^after/,$p' "$out" | grep -Eq '^#1 .* first \(' || {
	echo "gdb's own backtrace is spoilt"
	failed=1
}
[ $failed = 0 ] || cat "$out"
exit $failed
