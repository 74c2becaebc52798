#!/bin/sh
# The route table, docs/openapi.yaml and docs/API.md tell of the same routes,
# with the same policy and the same words.
set -eu
src=${top_srcdir:-.}
print=${top_builddir:-.}/tests/lint/print_routes
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

"$print" | LC_ALL=C sort > "$tmp/table"
python3 "$src/docs/api.py" --rows | LC_ALL=C sort > "$tmp/rows"
[ -s "$tmp/table" ]
diff -u "$tmp/table" "$tmp/rows" || {
	echo "docs/openapi.yaml does not have the routes of fcgi/routes.c"
	failed=1
}
python3 "$src/docs/api.py" > "$tmp/API.md"
[ -s "$tmp/API.md" ]
diff -u "$src/docs/API.md" "$tmp/API.md" || {
	echo "docs/API.md is out of date: python3 docs/api.py > docs/API.md"
	failed=1
}
while read -r method path rest; do
	grep -qF "| \`$method $path\` |" "$src/docs/API.md" || {
		echo "docs/API.md has no row for $method $path"
		failed=1
	}
done < "$tmp/table"
exit $failed
