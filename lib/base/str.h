/*
 * Strings from outside are pointer and length.
 */
#ifndef WL_BASE_STR_H
#define WL_BASE_STR_H

#include "lib/base/buf.h"
#include "lib/base/utf8.h"

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
 * Copy S into DST of SIZE bytes, cut on a UTF-8 boundary, always ended by a
 * NUL.  Returns whether all of it fitted.
 */
bool wl_strlcpy(char *dst, const char *s, size_t size);

#endif
