/*
 * Regular expressions for text from strangers: POSIX extended ones without
 * back-references, matched in time linear in the text whatever the pattern
 * is, and in memory that depends on the pattern alone.
 */
#ifndef WL_BASE_RE_H
#define WL_BASE_RE_H

#include <stddef.h>

struct wl_buf;

#define WL_RE_SOURCE	1000	/* bytes of a pattern */
#define WL_RE_SIZE	1000	/* instructions, with repetitions unfolded */

struct wl_re;

/*
 * Compile P.  Known are . [] () | * + ? {m,n} (at most 255), ^ and $ at the
 * borders of lines, classes such as [[:digit:]], and of what is often used
 * besides: \d \D \w \W \s \S \b \B \< \> \n \r \t, and (?i) in front, for letters
 * of ASCII in either case.  A dot and a list with ^ match one byte, but never
 * the end of a line; what stands for itself may be any character of UTF-8.
 * A backslash in a list is refused, since tastes differ.  Returns NULL with
 * what is wrong in *WHY, a literal.
 */
struct wl_re *wl_re_new(const char *p, size_t len, const char **why)
    __attribute__((warn_unused_result));
void wl_re_free(struct wl_re *re);		/* NULL is let pass */

/*
 * A match: from byte FROM to before byte TO.
 */
struct wl_re_span {
	size_t	from, to;
};

/*
 * Append to B, as struct wl_re_span, the matches in P: from left to right,
 * at each place the longest, none empty, no two overlapping.  GIVE_WAY,
 * unless NULL, is called now and then, about every millisecond of work.
 * Returns 0, or -1 when memory is out.
 */
int wl_re_find(const struct wl_re *re, const char *p, size_t len,
    struct wl_buf *b, void (*give_way)(void)) __attribute__((warn_unused_result));

#endif
