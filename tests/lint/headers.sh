#!/bin/sh
# Each header compiles alone: it includes what it needs, and nothing before it.
set -eu
cd "${top_srcdir:-.}"
: "${CC:=cc}" "${LINT_CPPFLAGS=}" "${top_builddir:=.}"
failed=0 n=0
for h in $(find lib fcgi tests -name '*.h' | LC_ALL=C sort); do
	n=$((n + 1))
	# twice: the guard works
	printf '#include "%s"\n#include "%s"\n' "$h" "$h" |
	$CC -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only \
	    -I. $LINT_CPPFLAGS -x c - || {
		echo "$h does not compile alone"
		failed=1
	}
	case $h in
	tests/*) continue ;;
	esac
	guard=$(echo "$h" | sed 's|^lib/||; s|[/.]|_|g' | tr a-z A-Z)
	grep -q "^#ifndef WL_$guard\$" "$h" || {
		echo "$h: its guard should be WL_$guard"
		failed=1
	}
done
[ $n -gt 0 ] || { echo "no header found"; exit 1; }
exit $failed
