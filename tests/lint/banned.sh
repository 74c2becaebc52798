#!/bin/sh
# Calls that docs/STYLE.md forbids, and SQL that is put together from text.
set -eu
cd "${top_srcdir:-.}"
lint=$(dirname "$0")
case $lint in
/*) ;;
*) lint=tests/lint ;;
esac
calls='strcpy|stpcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atoll|atof|gets'
calls="$calls|alloca|signal|PQexec"
failed=0 n=0

# Report what is on standard input; $1 is why.
report() {
	while IFS= read -r hit; do
		echo "$hit: $1"
	done
}

for f in $(find lib fcgi tests -name '*.[ch]' | LC_ALL=C sort); do
	n=$((n + 1))
	hits=$(awk -f "$lint/code.awk" "$f" |
	    grep -nE "(^|[^A-Za-z0-9_.>])($calls)[[:space:]]*\(" |
	    sed "s|^|$f:|" || true)
	if [ -n "$hits" ]; then
		echo "$hits" | report "banned call (docs/STYLE.md, 9)"
		failed=1
	fi
	case $f in
	tests/*) continue ;;
	esac
	hits=$(awk -v strings=1 -f "$lint/code.awk" "$f" |
	    grep -nE '"[^"]*(SELECT |INSERT INTO |UPDATE [a-z_.]+ SET |DELETE FROM |CREATE |ALTER |DROP |GRANT )[^"]*%[^"]*"' |
	    sed "s|^|$f:|" || true)
	if [ -n "$hits" ]; then
		echo "$hits" | report "SQL built from text (docs/STYLE.md, 9)"
		failed=1
	fi
done
[ $n -gt 0 ] || { echo "no source found"; exit 1; }
exit $failed
