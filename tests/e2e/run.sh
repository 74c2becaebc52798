#!/bin/sh
# run.sh DIR [MODULE...]: the end-to-end tests with the libraries in DIR (see
# setup.sh), two modules at a time, each with stores of its own; without
# MODULE all of them. Needs WL_PREFIX, WL_FAKE_LLM and WL_SOURCE as in stack.py.
set -u
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { echo "usage: $0 DIR [MODULE...]" >&2; exit 2; }
dir=$(cd "$1" && pwd) || exit 1
shift
if [ $# = 0 ]; then
	# the longest first; the rest but those that "make check" runs
	set -- test_clients test_limits
	for m in "$here"/test_*.py; do
		m=$(basename "$m" .py)
		case $m in
		test_clients|test_limits) ;;
		test_consumer|test_fake_llm|test_prices|test_rollup|test_start) ;;
		*) set -- "$@" "$m" ;;
		esac
	done
fi
WL_NODE_MODULES=$dir/js
WL_COMPAT=$dir/compat
PATH=$dir/venv/bin:$PATH
PYTHONDONTWRITEBYTECODE=1
export WL_NODE_MODULES WL_COMPAT PATH PYTHONDONTWRITEBYTECODE
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cd "$here" || exit 1

printf '%s\n' "$@" | xargs -P 2 -I MODULE sh -c '
	python -W ignore -m unittest -v MODULE >"$1/MODULE" 2>&1 ||
	    touch "$1/failed"' sh "$out"
for m in "$@"; do
	cat "$out/$m"
done
[ ! -e "$out/failed" ]
