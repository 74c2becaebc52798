/*
 * A growable buffer with the few writers that replies are made of.
 */
#include "config.h"

#include "tests/fake_llm/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
fake_buf_grow(struct fake_buf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 512;

	while (cap - b->len < more) {
		if (cap > SIZE_MAX / 2)
			abort();
		cap *= 2;
	}
	b->p = realloc(b->p, cap);
	if (b->p == NULL) {
		fputs("fake_llm: out of memory\n", stderr);
		exit(1);
	}
	b->cap = cap;
}

void
fake_buf_trim(struct fake_buf *b, size_t keep)
{
	b->len = 0;
	if (b->cap <= keep)
		return;
	free(b->p);
	b->p = NULL;
	b->cap = 0;
}

void
fake_buf_int(struct fake_buf *b, int64_t v)
{
	char tmp[24];
	size_t i = sizeof(tmp);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	do {
		tmp[--i] = (char)('0' + u % 10);
		u /= 10;
	} while (u != 0);
	if (v < 0)
		tmp[--i] = '-';
	fake_buf_put(b, tmp + i, sizeof(tmp) - i);
}

void
fake_buf_hex(struct fake_buf *b, uint64_t v, int digits)
{
	char tmp[16];
	int i;

	for (i = digits - 1; i >= 0; i--) {
		tmp[i] = "0123456789abcdef"[v & 15];
		v >>= 4;
	}
	fake_buf_put(b, tmp, (size_t)digits);
}

void
fake_buf_fmt(struct fake_buf *b, const char *fmt, ...)
{
	char tmp[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(tmp, sizeof(tmp), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(tmp))
		n = sizeof(tmp) - 1;
	fake_buf_put(b, tmp, (size_t)n);
}

static void
put_escape(struct fake_buf *b, unsigned char c)
{
	char tmp[6] = {'\\', 'u', '0', '0', 0, 0};
	const char *short_form = NULL;

	switch (c) {
	case '"':
		short_form = "\\\"";
		break;
	case '\\':
		short_form = "\\\\";
		break;
	case '\n':
		short_form = "\\n";
		break;
	case '\r':
		short_form = "\\r";
		break;
	case '\t':
		short_form = "\\t";
		break;
	default:
		break;
	}
	if (short_form != NULL) {
		fake_buf_put(b, short_form, 2);
		return;
	}
	tmp[4] = "0123456789abcdef"[c >> 4];
	tmp[5] = "0123456789abcdef"[c & 15];
	fake_buf_put(b, tmp, sizeof(tmp));
}

void
fake_buf_json(struct fake_buf *b, const char *s, size_t n)
{
	size_t i, run = 0;

	for (i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		fake_buf_put(b, s + run, i - run);
		put_escape(b, c);
		run = i + 1;
	}
	fake_buf_put(b, s + run, n - run);
}

void
fake_buf_base64(struct fake_buf *b, const void *p, size_t n)
{
	static const char abc[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *s = p;
	size_t need = (n + 2) / 3 * 4, i;
	char *o;

	if (b->cap - b->len < need)
		fake_buf_grow(b, need);
	o = b->p + b->len;
	for (i = 0; i + 2 < n; i += 3) {
		uint32_t v = (uint32_t)s[i] << 16 | (uint32_t)s[i + 1] << 8 |
		    s[i + 2];

		*o++ = abc[v >> 18];
		*o++ = abc[v >> 12 & 63];
		*o++ = abc[v >> 6 & 63];
		*o++ = abc[v & 63];
	}
	if (i < n) {
		uint32_t v = (uint32_t)s[i] << 16;

		if (i + 1 < n)
			v |= (uint32_t)s[i + 1] << 8;
		*o++ = abc[v >> 18];
		*o++ = abc[v >> 12 & 63];
		*o++ = i + 1 < n ? abc[v >> 6 & 63] : '=';
		*o++ = '=';
	}
	b->len += need;
}
