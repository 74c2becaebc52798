/*
 * Writing JSON.
 */
#ifndef WL_BASE_JW_H
#define WL_BASE_JW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wl_buf;

/*
 * The writer appends to a buffer; commas are its own business.  KEY is NULL
 * in arrays and for the outermost value.  Nested deeper than 63 levels it
 * fails the buffer.
 */
struct wl_jw {
	struct wl_buf	*b;
	uint64_t	 first;		/* one bit a level: nothing written yet */
	int		 level;
};
void wl_jw_init(struct wl_jw *w, struct wl_buf *b);
void wl_jw_obj(struct wl_jw *w, const char *key);
void wl_jw_arr(struct wl_jw *w, const char *key);
void wl_jw_end(struct wl_jw *w, char close);		/* '}' or ']' */
/* S NULL writes null. */
void wl_jw_str(struct wl_jw *w, const char *key, const char *s);
void wl_jw_strn(struct wl_jw *w, const char *key, const char *p, size_t len);
void wl_jw_int(struct wl_jw *w, const char *key, int64_t v);
/* The shortest form that reads back as V; null when V is not finite. */
void wl_jw_num(struct wl_jw *w, const char *key, double v);
void wl_jw_bool(struct wl_jw *w, const char *key, bool v);
void wl_jw_null(struct wl_jw *w, const char *key);
/* JSON as it is. */
void wl_jw_raw(struct wl_jw *w, const char *key, const char *json, size_t len);

#endif
