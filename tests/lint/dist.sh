#!/bin/sh
# What git tracks is what the tarball holds.
set -eu
cd "${top_srcdir:-.}"
[ -e .git ] && command -v git > /dev/null || {
	echo "no git repository here"
	exit 77
}
src=$(pwd)
cd - > /dev/null
build=${top_builddir:-.}
unset MAKEFLAGS MFLAGS MAKELEVEL || true
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# the list is only known to make
cat > "$tmp/list.mk" <<'END'
include Makefile
lint-dist-list:
	@for f in $(DISTFILES); do echo "$${f#$(srcdir)/}"; done
END
(cd "$build" && make -s -f "$tmp/list.mk" lint-dist-list) |
    LC_ALL=C sort -u > "$tmp/distributed"
(cd "$src" && git ls-files) |
    grep -vE '^(\.ci/|\.clang-format$|\.gitignore$|\.gitattributes$|\.github/)' |
    LC_ALL=C sort > "$tmp/tracked"
[ -s "$tmp/distributed" ] && [ -s "$tmp/tracked" ]

LC_ALL=C comm -13 "$tmp/distributed" "$tmp/tracked" > "$tmp/left_out"
LC_ALL=C comm -23 "$tmp/distributed" "$tmp/tracked" |
    grep -vE '^(build-aux/.*|aclocal\.m4|config\.h\.in|configure|Makefile\.in)$' \
    > "$tmp/stray" || true
failed=0
while read -r f; do
	echo "$f is tracked but not distributed: list it in a local.mk"
	failed=1
done < "$tmp/left_out"
while read -r f; do
	echo "$f is distributed but not tracked: git add it"
	failed=1
done < "$tmp/stray"
exit $failed
