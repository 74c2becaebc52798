/*
 * A growable buffer and what is written into it: numbers, JSON strings,
 * base64.  The program ends when memory is short: it is a test upstream.
 */
#ifndef WL_TESTS_FAKE_LLM_BUF_H
#define WL_TESTS_FAKE_LLM_BUF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct fake_buf {
	char	*p;
	size_t	 len;
	size_t	 cap;
};

/*
 * Make room for MORE bytes behind b->len.
 */
void fake_buf_grow(struct fake_buf *b, size_t more);

/*
 * Release the memory if more than KEEP bytes of it are held; b->len is 0
 * afterwards.
 */
void fake_buf_trim(struct fake_buf *b, size_t keep);

/*
 * Append V in decimal.
 */
void fake_buf_int(struct fake_buf *b, int64_t v);

/*
 * Append V as DIGITS lower case hexadecimal digits, at most 16.
 */
void fake_buf_hex(struct fake_buf *b, uint64_t v, int digits);

/*
 * Append formatted text, at most 1,023 bytes of it.
 */
void fake_buf_fmt(struct fake_buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Append the N bytes at S as the inside of a JSON string, without quotes.
 */
void fake_buf_json(struct fake_buf *b, const char *s, size_t n);

/*
 * Append the N bytes at P in base64 with padding (RFC 4648, section 4).
 */
void fake_buf_base64(struct fake_buf *b, const void *p, size_t n);

static inline void
fake_buf_put(struct fake_buf *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	if (b->cap - b->len < n)
		fake_buf_grow(b, n);
	memcpy(b->p + b->len, p, n);
	b->len += n;
}

static inline void
fake_buf_puts(struct fake_buf *b, const char *s)
{
	fake_buf_put(b, s, strlen(s));
}

#endif
