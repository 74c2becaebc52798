/*
 * A buffer that grows up to a limit.
 */
#ifndef WL_BASE_BUF_H
#define WL_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
void wl_buf_reset(struct wl_buf *b);	/* empties, clears FAILED, keeps memory */
void wl_buf_add(struct wl_buf *b, const void *p, size_t len);
void wl_buf_adds(struct wl_buf *b, const char *s);
void wl_buf_addc(struct wl_buf *b, char c);
void wl_buf_printf(struct wl_buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void wl_buf_int(struct wl_buf *b, int64_t v);	/* in decimal */
/* Make room for N more bytes at once; false when FAILED is set. */
bool wl_buf_reserve(struct wl_buf *b, size_t n);
/* Drop the first N bytes. */
void wl_buf_drop(struct wl_buf *b, size_t n);

#endif
