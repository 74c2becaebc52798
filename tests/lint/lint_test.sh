#!/bin/sh
# The lints themselves: a small tree that is clean passes, and each fault that
# is put into it is found.
set -eu
here=$(cd "${top_srcdir:-.}" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

fresh() {
	rm -rf "$tmp/t"
	mkdir -p "$tmp/t/lib/base" "$tmp/t/lib/http" "$tmp/t/lib/store" \
	    "$tmp/t/lib/core" "$tmp/t/fcgi" "$tmp/t/tests"
	printf '#ifndef WL_BASE_A_H\n#define WL_BASE_A_H\n#include <stddef.h>\nsize_t a(void);\n#endif\n' \
	    > "$tmp/t/lib/base/a.h"
	cat > "$tmp/t/lib/base/a.c" <<'END'
#include "config.h"
#include "lib/base/a.h"
/* strcpy(a, b) in a comment */
static const char s[] = "atoi(x)";	// gets(x)
END
	cat > "$tmp/t/lib/core/b.c" <<'END'
#include "lib/base/a.h"
static const char q[] = "SELECT id FROM t WHERE id = $1";
END
}

# expect LINT pass|fail WHAT
expect() {
	if (cd "$tmp/t" && top_srcdir=. top_builddir=. \
	    sh "$here/tests/lint/$1") > "$tmp/out" 2>&1; then
		got=pass
	else
		got=fail
	fi
	[ $got = "$2" ] || {
		echo "$1 should $2 on: $3"
		cat "$tmp/out"
		failed=1
	}
}

# add LINT FILE LINE: LINT fails when FILE has LINE too
add() {
	fresh
	printf '%s\n' "$3" >> "$tmp/t/$2"
	expect "$1" fail "$2: $3"
}

fresh
for lint in layers.sh headers.sh banned.sh; do
	expect $lint pass "a clean tree"
done

printf '#ifndef WL_HTTP_R_H\n#define WL_HTTP_R_H\n#endif\n' > "$tmp/r.h"
fresh
cp "$tmp/r.h" "$tmp/t/lib/http/r.h"
echo '#include "lib/http/r.h"' >> "$tmp/t/lib/core/b.c"
expect layers.sh pass "core includes http"
echo '#include "lib/http/r.h"' >> "$tmp/t/lib/base/a.c"
expect layers.sh fail "base includes http"
fresh
cp "$tmp/r.h" "$tmp/t/lib/http/r.h"
echo '#include "lib/http/r.h"' > "$tmp/t/lib/store/s.c"
expect layers.sh fail "store includes http"
fresh
echo '#define X' > "$tmp/t/fcgi/f.h"
echo '#include "fcgi/f.h"' >> "$tmp/t/lib/core/b.c"
expect layers.sh fail "core includes fcgi"
add layers.sh lib/core/b.c '#include "a.h"'
add layers.sh lib/core/b.c '#include "lib/base/missing.h"'
add layers.sh lib/core/b.c '#include <libpq-fe.h>'
add layers.sh lib/core/b.c '#include <hiredis/hiredis.h>'
add layers.sh lib/store/s.c '#include <curl/curl.h>'
add layers.sh lib/core/b.c '#include <sodium.h>'
add layers.sh fcgi/serve.c '# include <fcgiapp.h>'
fresh
echo '#include <fcgiapp.h>' > "$tmp/t/fcgi/io_fcgx.c"
echo '#include <curl/curl.h>' > "$tmp/t/lib/http/c.c"
echo '#include <libpq-fe.h>' > "$tmp/t/lib/store/s.c"
expect layers.sh pass "each library by its door"

fresh
printf '#ifndef WL_BASE_B_H\n#define WL_BASE_B_H\nsize_t b(void);\n#endif\n' \
    > "$tmp/t/lib/base/b.h"
expect headers.sh fail "a header that needs another"
fresh
printf '#ifndef B_H\n#define B_H\n#endif\n' > "$tmp/t/lib/base/b.h"
expect headers.sh fail "a guard of another name"

for call in 'strcpy(a, b);' 'x = atoi (s);' 'signal(SIGHUP, f);' \
    'if (a)sprintf(b, "x");' 'PQexec(c, s);' '	gets(p);'; do
	add banned.sh lib/base/a.c "$call"
done
add banned.sh tests/t.c 'strcat(a, b);'
fresh
echo 'my_strcpy(a); o->signal(x); p.gets(x); snprintf(a, 1, "b");' \
    >> "$tmp/t/lib/base/a.c"
expect banned.sh pass "names that only look like them"
add banned.sh lib/core/b.c 'f("SELECT a FROM %s", t);'
add banned.sh lib/core/b.c 'f("DELETE FROM t WHERE a = %d", t);'

for call in 'sleep(1);' 'if (poll(&p, 1, 0) == 1)' 'r = getaddrinfo (h, s, 0, &l);' \
    'PQexecParams(c, s, 0, 0, 0, 0, 0, 0);' 'redisGetReply(c, &r);' \
    'curl_easy_perform(h);' 'x = fsync(fd);' 'fcntl(fd, F_SETLKW, &l);'; do
	add blocking.sh lib/core/b.c "$call"
done
fresh
echo 'wl_sleep(1); o->poll(x); epoll_ctl(1, 2, 3, 4); PQsendQuery(c, s);' \
    >> "$tmp/t/lib/base/a.c"
expect blocking.sh pass "names that only look like them"
fresh
echo 'int x;' > "$tmp/t/lib/base/loop.c"
expect blocking.sh fail "an exception that is not used"

exit $failed
