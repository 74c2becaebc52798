/*
 * Growing buffers.  Growth doubles, so that a long text costs few copies.
 */
#include "config.h"
#include "lib/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/num.h"

#define DEFAULT_LIMIT	((size_t)64 * 1024 * 1024)
#define FIRST_CAP	((size_t)256)

void
wl_buf_init(struct wl_buf *b, size_t limit)
{
	*b = (struct wl_buf){ .limit = limit };
}

void
wl_buf_free(struct wl_buf *b)
{
	free(b->p);
	*b = (struct wl_buf){ 0 };
}

void
wl_buf_reset(struct wl_buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->p != NULL)
		b->p[0] = '\0';
}

bool
wl_buf_reserve(struct wl_buf *b, size_t more)
{
	size_t limit = b->limit == 0 ? DEFAULT_LIMIT : b->limit;
	size_t cap = b->cap;
	char *p;

	if (b->failed)
		return false;
	if (b->len > limit || more > limit - b->len) {
		b->failed = true;
		return false;
	}
	if (b->len + more < cap)
		return true;
	if (cap < FIRST_CAP)
		cap = FIRST_CAP;
	while (cap <= b->len + more)
		cap *= 2;
	if (cap > limit + 1)
		cap = limit + 1;
	if ((p = realloc(b->p, cap)) == NULL) {
		b->failed = true;
		return false;
	}
	b->p = p;
	b->cap = cap;
	return true;
}

void
wl_buf_add(struct wl_buf *b, const void *p, size_t len)
{
	if (!wl_buf_reserve(b, len))
		return;
	if (len > 0)
		memcpy(b->p + b->len, p, len);
	b->len += len;
	b->p[b->len] = '\0';
}

void
wl_buf_adds(struct wl_buf *b, const char *s)
{
	wl_buf_add(b, s, strlen(s));
}

void
wl_buf_addc(struct wl_buf *b, char c)
{
	if (!wl_buf_reserve(b, 1))
		return;
	b->p[b->len++] = c;
	b->p[b->len] = '\0';
}

void
wl_buf_printf(struct wl_buf *b, const char *fmt, ...)
{
	va_list ap;
	size_t room;
	int n;

	if (!wl_buf_reserve(b, 0))
		return;
	room = b->cap - b->len;
	va_start(ap, fmt);
	n = vsnprintf(b->p + b->len, room, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n >= room) {
		b->p[b->len] = '\0';
		if (!wl_buf_reserve(b, (size_t)n))
			return;
		va_start(ap, fmt);
		n = vsnprintf(b->p + b->len, b->cap - b->len, fmt, ap);
		va_end(ap);
	}
	if (n < 0) {
		b->p[b->len] = '\0';
		b->failed = true;
		return;
	}
	b->len += (size_t)n;
}

void
wl_buf_int(struct wl_buf *b, int64_t v)
{
	char text[WL_NUM_LEN];
	size_t len = wl_num_put(v, text);

	wl_buf_add(b, text, len);
}

void
wl_buf_drop(struct wl_buf *b, size_t n)
{
	if (n == 0 || b->len == 0)
		return;
	if (n > b->len)
		n = b->len;
	b->len -= n;
	memmove(b->p, b->p + n, b->len);
	b->p[b->len] = '\0';
}
