/*
 * What re.c and re_parse.c share: the machine that a pattern becomes.  Nobody
 * else includes it.
 */
#ifndef WL_BASE_RE_PRIV_H
#define WL_BASE_RE_PRIV_H

#include "lib/base/re.h"

#include <stdbool.h>
#include <stdint.h>

enum wl_re_op {
	OP_ACCEPT,
	OP_ASSERT,		/* go on if KIND holds */
	OP_BYTE,		/* one byte, ARG */
	OP_JUMP,		/* by X */
	OP_SET,			/* one byte of set ARG */
	OP_SPLIT		/* by X, and by Y */
};

enum wl_re_assertion {
	AT_LINE_START, AT_LINE_END, AT_WORD, AT_NO_WORD, AT_WORD_START,
	AT_WORD_END
};

struct wl_re_instr {
	uint8_t	 op;
	uint16_t arg;
	int16_t	 x, y;
};

struct wl_re_set {
	uint8_t	 bits[32];
};

struct wl_re {
	struct wl_re_instr prog[WL_RE_SIZE];
	int		 n;
	struct wl_re_set *sets;
	int		 nsets;
	struct wl_re_set first;		/* bytes that a match can begin with */
};

static inline bool
wl_re_has(const struct wl_re_set *s, unsigned char c)
{
	return (s->bits[c / 8] >> c % 8 & 1) != 0;
}

static inline void
wl_re_put(struct wl_re_set *s, unsigned char c)
{
	s->bits[c / 8] |= (uint8_t)(1u << c % 8);
}

static inline bool
wl_re_is_word(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z') || c == '_';
}

/*
 * Fill RE, which is zeroed, with the program of P: valid UTF-8, without NUL.
 * Returns NULL, or what is wrong.
 */
const char *wl_re_parse(struct wl_re *re, const char *p, size_t len)
    __attribute__((warn_unused_result));

#endif
