/*
 * Strings from outside are pointer and length; buffers grow up to a limit.
 */
#ifndef WL_BASE_STR_H
#define WL_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * A piece of text that somebody else owns; not ended by a NUL.
 */
struct wl_str {
	const char	*p;
	size_t		 len;
};

#define WL_STR(lit)	((struct wl_str){ (lit), sizeof(lit) - 1 })
struct wl_str wl_str_of(const char *s);		/* NULL gives an empty one */

bool wl_str_eq(struct wl_str a, const char *b);
bool wl_str_ieq(struct wl_str a, const char *b);	/* ASCII case */
bool wl_str_prefix(struct wl_str a, const char *prefix);
struct wl_str wl_str_trim(struct wl_str a);	/* spaces and tabs */

/*
 * Cut the part of *REST before SEP off and return it; *REST becomes what
 * follows SEP, or empty with p NULL when there was no SEP.
 */
struct wl_str wl_str_cut(struct wl_str *rest, char sep);

/*
 * Whether A is well-formed UTF-8 (RFC 3629: no surrogates, no overlong).
 */
bool wl_utf8_valid(const char *p, size_t len);

/*
 * The longest prefix of P of at most MAX bytes that does not split a
 * UTF-8 sequence.
 */
size_t wl_utf8_cut(const char *p, size_t len, size_t max);

/*
 * A growing buffer on the heap, always ended by a NUL that is not counted.
 * Zero it, or wl_buf_init() with a limit (0: 64 MiB).  Once an append would
 * pass the limit or memory is out, FAILED is set and stays set, and every
 * later append does nothing: test it once at the end.
 */
struct wl_buf {
	char	*p;
	size_t	 len, cap, limit;
	bool	 failed;
};
void wl_buf_init(struct wl_buf *b, size_t limit);
void wl_buf_free(struct wl_buf *b);	/* releases and zeroes */
void wl_buf_reset(struct wl_buf *b);	/* empties, keeps memory */
void wl_buf_add(struct wl_buf *b, const void *p, size_t len);
void wl_buf_adds(struct wl_buf *b, const char *s);
void wl_buf_addc(struct wl_buf *b, char c);
void wl_buf_printf(struct wl_buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Drop the first N bytes. */
void wl_buf_drop(struct wl_buf *b, size_t n);

/*
 * Copy S into DST of SIZE bytes, cut on a UTF-8 boundary, always ended by a
 * NUL.  Returns whether all of it fitted.
 */
bool wl_strlcpy(char *dst, const char *s, size_t size);

#endif
