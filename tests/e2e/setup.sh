#!/bin/sh
# setup.sh DIR: the client libraries of the end-to-end tests, pinned by their
# hashes, in a virtual environment DIR/venv and DIR/js/node_modules.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# = 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
mkdir -p "$1/js"
dir=$(cd "$1" && pwd)

[ -x "$dir/venv/bin/python" ] || python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    --require-hashes --only-binary :all: -r "$here/requirements.txt"

cp "$here/js/package.json" "$here/js/package-lock.json" "$dir/js"
cd "$dir/js"
npm ci --silent --ignore-scripts --no-audit --no-fund
