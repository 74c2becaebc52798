/*
 * Regular expressions: any pattern, the first line, on any text, the rest.
 * Matches lie within the text, in order, none empty, none overlapping.
 */
#include "config.h"
#include "lib/base/buf.h"
#include "lib/base/re.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static int
find(const struct wl_re *re, const char *p, size_t len, struct wl_buf *b)
{
	PROMISE(wl_re_find(re, p, len, b, NULL) == 0);
	PROMISE(b->len % sizeof(struct wl_re_span) == 0);
	return (int)(b->len / sizeof(struct wl_re_span));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *p = (const char *)data, *why = NULL;
	const char *text = len == 0 ? NULL : memchr(p, '\n', len);
	const struct wl_re_span *s;
	struct wl_buf b = { 0 };
	struct wl_re *re;
	size_t at = 0;
	int i, n;

	if (text == NULL || len > 4096)
		return 0;
	re = wl_re_new(p, (size_t)(text - p), &why);
	if (re == NULL) {
		PROMISE(why != NULL && why[0] != '\0');
		return 0;
	}
	text++;
	len -= (size_t)(text - p);
	n = find(re, text, len, &b);
	s = (const struct wl_re_span *)(const void *)b.p;
	for (i = 0; i < n; i++) {
		PROMISE(s[i].from >= at && s[i].from < s[i].to);
		PROMISE(s[i].to <= len);
		at = s[i].to;
	}
	wl_buf_free(&b);
	wl_re_free(re);
	return 0;
}
