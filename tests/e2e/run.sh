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
	set -- test_clients test_limits test_gateway test_events test_upstream \
	    test_hostile test_openapi test_redaction test_mounts test_doctor \
	    test_verify test_cli test_cli_secrets test_models test_responses test_estimate
fi
WL_NODE_MODULES=$dir/js
PATH=$dir/venv/bin:$PATH
PYTHONDONTWRITEBYTECODE=1
export WL_NODE_MODULES PATH PYTHONDONTWRITEBYTECODE
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
