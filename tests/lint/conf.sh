#!/bin/sh
# The configuration keys and their defaults: the table, the sample file, the
# manual and the guide say the same.
set -eu
src=${top_srcdir:-.}
print=${top_builddir:-.}/tests/lint/print_tables
sample=$src/conf/watchllm.conf.sample
manual=$src/docs/man/watchllm.conf.5
guide=$src/docs/CONFIGURATION.md
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

"$print" sample > "$tmp/sample"
diff -u "$sample" "$tmp/sample" || {
	echo "$sample is not what the table says:" \
	    "tests/lint/print_tables sample > conf/watchllm.conf.sample"
	failed=1
}
# an entry of the manual begins with ".B name = default"
"$print" defaults > "$tmp/table"
sed -n 's/\\-/-/g; s/^\.B \([a-z_]* =.*\)$/\1/p' "$manual" > "$tmp/manual"
diff -u "$tmp/table" "$tmp/manual" || {
	echo "$manual does not have the table's keys and defaults, in its order"
	failed=1
}
# a row of the guide is "| `name` | `default` | ..."
sed -n 's/^| `\([a-z_]*\)` | `*\([^`|]*\)`* |.*/\1 = \2/p' "$guide" |
    sed 's/ *$//' | LC_ALL=C sort > "$tmp/guide"
LC_ALL=C sort "$tmp/table" | diff -u - "$tmp/guide" || {
	echo "$guide does not have the table's keys and defaults"
	failed=1
}
[ -s "$tmp/table" ]
exit $failed
