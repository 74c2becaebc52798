#!/bin/sh
# Every test that docs/FIELD.md names is there: `tests/x.py: name` a function,
# `tests/x.c: name` a row of CUnit.
set -eu
src=${top_srcdir:-.}
doc=$src/docs/FIELD.md
failed=0
named=$(grep -o '`tests/[a-z0-9_/]*\.[a-z]*: [^`]*`' "$doc" | tr -d '`')
[ -n "$named" ]
while read -r file name; do
	file=$src/${file%:}
	case $file in
	*.py) found=$(grep -c "def $name(" "$file" || :) ;;
	*) found=$(grep -cF "\"$name\"" "$file" || :) ;;
	esac
	[ "${found:-0}" -gt 0 ] || {
		echo "$doc: $file has no test \"$name\""
		failed=1
	}
done <<END
$named
END
exit $failed
