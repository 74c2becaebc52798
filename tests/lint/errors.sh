#!/bin/sh
# docs/ERRORS.md has a row for each error of the table, with its status and
# type, and a meaning and an advice.
set -eu
src=${top_srcdir:-.}
print=${top_builddir:-.}/tests/lint/print_tables
doc=$src/docs/ERRORS.md
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

"$print" errors | LC_ALL=C sort > "$tmp/table"
# | 429 | `code` | `type` | meaning | what to do |
awk -F '[ ]*[|][ ]*' '/^\| [0-9]+ \|/ {
	gsub(/`/, "")
	print $3, $2, $4
	if ($5 == "" || $6 == "")
		print $3, "has no meaning or advice" > "/dev/stderr"
}' "$doc" 2> "$tmp/empty" | LC_ALL=C sort > "$tmp/doc"
[ -s "$tmp/table" ]
diff -u "$tmp/table" "$tmp/doc" || {
	echo "$doc does not have the rows of lib/base/err.c (code, status, type)"
	failed=1
}
[ ! -s "$tmp/empty" ] || {
	cat "$tmp/empty"
	failed=1
}
exit $failed
