/*
 * Redaction in one pass.  Where a match may begin is told by one byte and the
 * one before it; every look ahead or back is bounded, so the time is linear.
 * What was passed is copied in pieces.
 */
#include "config.h"
#include "lib/core/redact_priv.h"

#include <assert.h>
#include <string.h>

static const char *const names[] = {
	[RULE_BEARER] = "bearer",
	[RULE_CARD] = "card",
	[RULE_EMAIL] = "email",
	[RULE_IP] = "ip",
	[RULE_JWT] = "jwt",
	[RULE_KEY] = "key",
	[RULE_PHONE] = "phone",
	[RULE_SSN] = "ssn",
};
static_assert(sizeof(names) / sizeof(names[0]) == RULE_MAX &&
    RULE_MAX == WL_REDACT_BUILTIN, "a name for every rule");

static const char *const all_marks[RULE_MAX] = {
	[RULE_BEARER] = "[REDACTED_TOKEN]",
	[RULE_CARD] = "[REDACTED_CARD]",
	[RULE_EMAIL] = "[REDACTED_EMAIL]",
	[RULE_IP] = "[REDACTED_IP]",
	[RULE_JWT] = "[REDACTED_JWT]",
	[RULE_KEY] = "[REDACTED_KEY]",
	[RULE_PHONE] = "[REDACTED_PHONE]",
	[RULE_SSN] = "[REDACTED_SSN]",
};
static const char *const secret_marks[RULE_MAX] = {
	[RULE_BEARER] = "[REDACTED_TOKEN]",
	[RULE_JWT] = "[REDACTED_JWT]",
	[RULE_KEY] = "[REDACTED_KEY]",
};

const uint8_t wl_redact_class[256] = {
	['0' ... '9'] = C_DIGIT | C_HEX | C_LOCAL,
	['A' ... 'F'] = C_UPPER | C_HEX | C_LOCAL,
	['G' ... 'Z'] = C_UPPER | C_LOCAL,
	['a' ... 'f'] = C_LOWER | C_HEX | C_LOCAL,
	['g' ... 'z'] = C_LOWER | C_LOCAL,
	['_'] = C_MARK | C_LOCAL,
	['-'] = C_MARK | C_LOCAL,
	['.'] = C_LOCAL, ['+'] = C_LOCAL, ['%'] = C_LOCAL,
};

void
wl_redact_replace(struct wl_redact_scan *s, enum wl_redact_rule rule,
    const char *from, const char *to)
{
	wl_buf_add(s->out, s->done, (size_t)(from - s->done));
	wl_buf_adds(s->out, s->marks[rule]);
	s->done = to;
	s->hits++;
}

/* ---- e-mail: found at its '@' ---- */

#define LOCAL_MAX	64
#define LABEL_MAX	63
#define DOMAIN_MAX	253

/*
 * Two bytes of a Latin letter with an accent that end at AT.
 */
static bool
is_latin(const struct wl_redact_scan *s, const char *at)
{
	unsigned char lead = (unsigned char)at_or_nul(s, at - 1);

	return at - 1 >= s->done && ((unsigned char)*at & 0xc0) == 0x80 &&
	    lead >= 0xc3 && lead <= 0xc9;
}

static const char *
local_part(const struct wl_redact_scan *s, const char *at)
{
	const char *p = at;

	while (p > s->done && at - p < LOCAL_MAX) {
		if (is(s, p - 1, C_LOCAL))
			p--;
		else if (is_latin(s, p - 1))
			p -= 2;
		else
			break;
	}
	while (p < at && *p == '.')
		p++;
	return p;
}

/*
 * The end of the domain at P, or NULL: labels, the last of letters.
 */
static const char *
domain(const struct wl_redact_scan *s, const char *p)
{
	const char *start = p, *end = NULL;
	size_t n, letters;

	for (;;) {
		n = run_of(s, p, C_ALNUM, LABEL_MAX + 1);
		while (n > 0 && n <= LABEL_MAX && at_or_nul(s, p + n) == '-' &&
		    is(s, p + n + run_of(s, p + n, C_MARK, 4), C_ALNUM))
			n += run_of(s, p + n, C_ALNUM | C_MARK,
			    LABEL_MAX + 1 - n);
		if (n == 0 || n > LABEL_MAX || p + n - start > DOMAIN_MAX)
			return end;
		letters = run_of(s, p, C_ALPHA, n);
		if (p != start && n >= 2 && (letters == n ||
		    (n > 4 && memcmp(p, "xn--", 4) == 0)))
			end = p + n;
		if (at_or_nul(s, p + n) != '.')
			return end;
		p += n + 1;
	}
}

static const char *
email(struct wl_redact_scan *s, const char *at)
{
	const char *from, *to;

	if (!(s->rules & BIT(RULE_EMAIL)) || at == s->done ||
	    (from = local_part(s, at)) == at ||
	    (to = domain(s, at + 1)) == NULL)
		return NULL;
	wl_redact_replace(s, RULE_EMAIL, from, to);
	return to;
}

/*
 * Whether a number may begin at P: not in a word, not behind a point, and not
 * in a name such as a UUID, whose earlier parts (NAME_DIGITS) have digits.
 */
static bool
number_may_begin(const struct wl_redact_scan *s, const char *p,
    bool name_digits)
{
	char before = at_or_nul(s, p - 1);

	if (p == s->done || !(s->rules & NUMBERS))
		return (s->rules & NUMBERS) != 0;
	if (is(s, p - 1, C_ALNUM) || before == '_')
		return false;
	if (before == '.' || before == '+' || before == '(')
		return before != '.' || !is(s, p - 2, C_DIGIT);
	return before != '-' || !name_digits;
}

/*
 * Over the text once.
 */
static void
run(struct wl_redact_scan *s)
{
	bool in_word = false;		/* letters, digits, '_' */
	bool name_digits = false;	/* this word with hyphens has digits */
	const char *p = s->p, *to;
	unsigned c;

	while (p < s->end) {
		c = wl_redact_class[(unsigned char)*p];
		/* most of a text: a letter within a word */
		if (in_word && (c & C_ALPHA) != 0) {
			p++;
			continue;
		}
		to = NULL;
		if (*p == '@') {
			to = email(s, p);
		} else if ((c & C_DIGIT) != 0 || *p == '+' || *p == '(') {
			if (number_may_begin(s, p, name_digits))
				to = wl_redact_number(s, p);
			if (to == NULL && !in_word && (c & C_DIGIT) != 0)
				to = wl_redact_ipv6(s, p);
		} else if ((c & C_ALPHA) != 0 || *p == '-') {
			if (!in_word)
				to = wl_redact_word(s, p);
			if (!in_word && to == NULL && (c & C_HEX) != 0)
				to = wl_redact_ipv6(s, p);
		}
		if (to != NULL) {
			p = to;
			in_word = name_digits = false;
			continue;
		}
		in_word = (c & C_ALNUM) != 0 || *p == '_';
		name_digits = (name_digits && (in_word || *p == '-')) ||
		    (c & C_DIGIT) != 0;
		p++;
	}
}

size_t
wl_redact_marks(struct wl_buf *b, const char *p, size_t len,
    const char *const marks[WL_REDACT_BUILTIN])
{
	struct wl_redact_scan s = {
		.p = p, .end = p + len, .done = p, .marks = marks, .out = b
	};
	int i;

	for (i = 0; i < RULE_MAX; i++)
		if (marks[i] != NULL)
			s.rules |= BIT(i);
	if (s.rules != 0)
		run(&s);
	wl_buf_add(b, s.done, (size_t)(s.end - s.done));
	return s.hits;
}

size_t
wl_redact(struct wl_buf *b, const char *p, size_t len)
{
	return wl_redact_marks(b, p, len, all_marks);
}

size_t
wl_redact_secrets(struct wl_buf *b, const char *p, size_t len)
{
	return wl_redact_marks(b, p, len, secret_marks);
}

int
wl_redact_find(const char *name)
{
	int i;

	for (i = 0; i < RULE_MAX; i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	return -1;
}
