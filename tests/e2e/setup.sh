#!/bin/sh
# setup.sh DIR: the client libraries of the end-to-end tests, pinned by their
# hashes, in a virtual environment DIR/venv and DIR/js/node_modules; those of
# test_compat.py, which need other versions of the same, below DIR/compat.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# = 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)

# python FROM TO: what FROM/requirements.txt lists, in TO/venv
python() {
	[ -x "$2/venv/bin/python" ] || python3 -m venv "$2/venv"
	"$2/venv/bin/pip" install --quiet --disable-pip-version-check \
	    --require-hashes --only-binary :all: -r "$1/requirements.txt"
}

# node FROM TO: what FROM/package-lock.json lists, in TO/js/node_modules
node() {
	mkdir -p "$2/js"
	cp "$1/package.json" "$1/package-lock.json" "$2/js"
	cd "$2/js"
	npm ci --silent --ignore-scripts --no-audit --no-fund
}

mkdir -p "$dir/compat"
python "$here" "$dir"
python "$here/compat" "$dir/compat"
(node "$here/js" "$dir")
(node "$here/compat" "$dir/compat")
