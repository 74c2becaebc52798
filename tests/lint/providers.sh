#!/bin/sh
# docs/PROVIDERS.md has the table of what each wire format can express as the
# program has it.
set -eu
src=${top_srcdir:-.}
print=${top_builddir:-.}/tests/lint/print_tables
doc=$src/docs/PROVIDERS.md
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

"$print" capabilities > "$tmp/table"
[ -s "$tmp/table" ]
sed -n '/<!-- capabilities -->/,/<!-- end -->/{/^|/p;}' "$doc" > "$tmp/doc"
diff -u "$tmp/table" "$tmp/doc" || {
	echo "$doc does not have the table of lib/core/capability.c"
	exit 1
}
