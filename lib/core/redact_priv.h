/*
 * What the redact*.c share: the text on its way, and what is found in it.
 * Nobody else includes it.
 */
#ifndef WL_CORE_REDACT_PRIV_H
#define WL_CORE_REDACT_PRIV_H

#include "lib/core/redact.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wl_redact_rule {
	RULE_BEARER, RULE_CARD, RULE_EMAIL, RULE_IP, RULE_JWT, RULE_KEY,
	RULE_PHONE, RULE_SSN, RULE_MAX
};

#define BIT(rule)	(1u << (rule))
#define NUMBERS		(BIT(RULE_CARD) | BIT(RULE_IP) | BIT(RULE_PHONE) | \
			    BIT(RULE_SSN))

/* Classes of characters. */
enum {
	C_DIGIT = 1, C_UPPER = 2, C_LOWER = 4, C_HEX = 8, C_MARK = 16,
	C_LOCAL = 32
};
#define C_ALPHA		(C_UPPER | C_LOWER)
#define C_ALNUM		(C_DIGIT | C_ALPHA)

extern const uint8_t wl_redact_class[256];

/*
 * The text, and how far it is dealt with.
 */
struct wl_redact_scan {
	const char	*p, *end;	/* the whole */
	const char	*done;		/* copied or replaced up to here */
	unsigned	 rules;		/* those with a mark */
	const char	*const *marks;
	struct wl_buf	*out;
	size_t		 hits;
};

static inline bool
is(const struct wl_redact_scan *s, const char *at, unsigned classes)
{
	return at >= s->p && at < s->end &&
	    (wl_redact_class[(unsigned char)*at] & classes) != 0;
}

static inline char
at_or_nul(const struct wl_redact_scan *s, const char *at)
{
	return at >= s->p && at < s->end ? *at : '\0';
}

/*
 * How many bytes of CLASSES stand at AT, at most MAX.
 */
static inline size_t
run_of(const struct wl_redact_scan *s, const char *at, unsigned classes,
    size_t max)
{
	size_t n = 0;

	while (n < max && is(s, at + n, classes))
		n++;
	return n;
}

/*
 * Whether one of N bytes is a digit.
 */
static inline bool
has_digit(const struct wl_redact_scan *s, const char *at, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (is(s, at + i, C_DIGIT))
			return true;
	return false;
}

/*
 * FROM to TO, which is behind what was dealt with, is a match of RULE.
 */
void wl_redact_replace(struct wl_redact_scan *s, enum wl_redact_rule rule,
    const char *from, const char *to);

/*
 * What begins at P, replaced: a number (card, SSN, IPv4, phone), an IPv6
 * address, or what begins at the start of a word (keys, tokens).  Returns its
 * end, or NULL: nothing does.
 */
const char *wl_redact_number(struct wl_redact_scan *s, const char *p);
const char *wl_redact_ipv6(struct wl_redact_scan *s, const char *p);
const char *wl_redact_word(struct wl_redact_scan *s, const char *p);

#endif
