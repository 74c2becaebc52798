/*
 * Redaction in one pass.  Where a match may begin is told by one byte and the
 * one before it; every look ahead or back is bounded, so the time is linear.
 * What was passed is copied in pieces.
 */
#include "config.h"
#include "lib/core/redact.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum rule {
	RULE_BEARER, RULE_CARD, RULE_EMAIL, RULE_IP, RULE_JWT, RULE_KEY,
	RULE_PHONE, RULE_SSN, RULE_MAX
};

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

static const uint8_t class_of[256] = {
	['0' ... '9'] = C_DIGIT | C_HEX | C_LOCAL,
	['A' ... 'F'] = C_UPPER | C_HEX | C_LOCAL,
	['G' ... 'Z'] = C_UPPER | C_LOCAL,
	['a' ... 'f'] = C_LOWER | C_HEX | C_LOCAL,
	['g' ... 'z'] = C_LOWER | C_LOCAL,
	['_'] = C_MARK | C_LOCAL,
	['-'] = C_MARK | C_LOCAL,
	['.'] = C_LOCAL, ['+'] = C_LOCAL, ['%'] = C_LOCAL,
};

/*
 * The text, and how far it is dealt with.
 */
struct scan {
	const char	*p, *end;	/* the whole */
	const char	*done;		/* copied or replaced up to here */
	unsigned	 rules;		/* those with a mark */
	const char	*const *marks;
	struct wl_buf	*out;
	size_t		 hits;
};

static bool
is(const struct scan *s, const char *at, unsigned classes)
{
	return at >= s->p && at < s->end &&
	    (class_of[(unsigned char)*at] & classes) != 0;
}

static char
at_or_nul(const struct scan *s, const char *at)
{
	return at >= s->p && at < s->end ? *at : '\0';
}

/*
 * How many bytes of CLASSES stand at AT, at most MAX.
 */
static size_t
run_of(const struct scan *s, const char *at, unsigned classes, size_t max)
{
	size_t n = 0;

	while (n < max && is(s, at + n, classes))
		n++;
	return n;
}

/*
 * Whether one of N bytes is a digit.
 */
static bool
has_digit(const struct scan *s, const char *at, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (is(s, at + i, C_DIGIT))
			return true;
	return false;
}

static void
replace(struct scan *s, enum rule rule, const char *from, const char *to)
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
is_latin(const struct scan *s, const char *at)
{
	unsigned char lead = (unsigned char)at_or_nul(s, at - 1);

	return at - 1 >= s->done && ((unsigned char)*at & 0xc0) == 0x80 &&
	    lead >= 0xc3 && lead <= 0xc9;
}

static const char *
local_part(const struct scan *s, const char *at)
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
domain(const struct scan *s, const char *p)
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
email(struct scan *s, const char *at)
{
	const char *from, *to;

	if (!(s->rules & BIT(RULE_EMAIL)) || at == s->done ||
	    (from = local_part(s, at)) == at ||
	    (to = domain(s, at + 1)) == NULL)
		return NULL;
	replace(s, RULE_EMAIL, from, to);
	return to;
}

/* ---- numbers: cards, phones, SSN, IPv4 ---- */

#define GROUPS_MAX	10
#define DIGITS_MAX	19

/*
 * Digits in groups, as written.
 */
struct number {
	int		 n;			/* groups */
	int		 len[GROUPS_MAX];
	const char	*at[GROUPS_MAX];
	char		 sep[GROUPS_MAX];	/* before the group */
	bool		 plus, paren;		/* "+", "(" before it all */
	const char	*from;
};

/*
 * Over what may stand between two groups: one space, hyphen or dot, or a
 * closing parenthesis with or without a space.  0: nothing of that.
 */
static size_t
separator(const struct scan *s, const char *p, char *sep)
{
	char c = at_or_nul(s, p);

	if (c == ')') {
		*sep = ')';
		c = at_or_nul(s, p + 1);
		return c == ' ' || c == '-' ? 2 : 1;
	}
	if (c != ' ' && c != '-' && c != '.')
		return 0;
	*sep = c;
	if (c == ' ' && at_or_nul(s, p + 1) == '(') {
		*sep = '(';
		return 2;
	}
	return 1;
}

static void
read_number(const struct scan *s, const char *p, struct number *nb)
{
	int total = 0;
	size_t n, gap = 0;
	char sep = '\0';

	nb->n = 0;
	nb->from = p;
	nb->plus = at_or_nul(s, p) == '+';
	p += nb->plus;
	nb->paren = at_or_nul(s, p) == '(';
	p += nb->paren;
	for (;;) {
		n = run_of(s, p + gap, C_DIGIT, DIGITS_MAX + 1);
		if (n == 0 || nb->n == GROUPS_MAX || total + (int)n >
		    DIGITS_MAX)
			return;
		nb->sep[nb->n] = sep;
		nb->at[nb->n] = p + gap;
		nb->len[nb->n++] = (int)n;
		total += (int)n;
		p += gap + n;
		if ((gap = separator(s, p, &sep)) == 0)
			return;
	}
}

/*
 * The end of the first K groups, or NULL when what follows shows that the
 * number goes on.
 */
static const char *
number_end(const struct scan *s, const struct number *nb, int k)
{
	const char *p = nb->at[k - 1] + nb->len[k - 1];
	char c = at_or_nul(s, p);

	if (is(s, p, C_ALNUM) || c == '_')
		return NULL;
	if ((c == '-' || c == '.') && is(s, p + 1, C_ALNUM))
		return NULL;
	return p;
}

static bool
same_separators(const struct number *nb, int k, const char *allowed)
{
	int i;

	for (i = 1; i < k; i++)
		if (nb->sep[i] != nb->sep[1] ||
		    strchr(allowed, nb->sep[i]) == NULL)
			return false;
	return true;
}

/*
 * Whether cards have numbers of N digits that begin like D.  Times and serial
 * numbers begin otherwise, and one in ten of them passes Luhn.
 */
static bool
issuer(const char *d, int n)
{
	int four = (d[0] - '0') * 1000 + (d[1] - '0') * 100 +
	    (d[2] - '0') * 10 + d[3] - '0';

	switch (d[0]) {
	case '2':
		return n == 16 && four >= 2221 && four <= 2720;
	case '3':
		return (n == 14 && strchr("0689", d[1]) != NULL) ||
		    (n == 15 && strchr("47", d[1]) != NULL) ||
		    (n >= 16 && strchr("05", d[1]) != NULL);
	case '4':
		return n == 13 || n == 16 || n == 19;
	case '5':
	case '6':
		return n >= 15 || (n >= 13 && d[0] == '6');
	}
	return false;
}

static bool
luhn(const char *d, int n)
{
	int i, v, sum = 0;

	for (i = 0; i < n; i++) {
		v = d[n - 1 - i] - '0';
		if (i % 2 == 1 && (v *= 2) > 9)
			v -= 9;
		sum += v;
	}
	return sum % 10 == 0;
}

static const char *
card(const struct scan *s, const struct number *nb)
{
	char d[DIGITS_MAX];
	const char *to;
	int k, i, n;

	if (nb->plus || nb->paren)
		return NULL;
	for (k = nb->n; k > 0; k--) {
		for (n = 0, i = 0; i < k; i++) {
			memcpy(d + n, nb->at[i], (size_t)nb->len[i]);
			n += nb->len[i];
		}
		if (n >= 13 && same_separators(nb, k, " -") &&
		    (k == 1 || nb->len[0] == 4) && issuer(d, n) &&
		    luhn(d, n) && (to = number_end(s, nb, k)) != NULL)
			return to;
	}
	return NULL;
}

static int
value_of(const struct number *nb, int group)
{
	int i, v = 0;

	for (i = 0; i < nb->len[group] && i < 4; i++)
		v = v * 10 + nb->at[group][i] - '0';
	return v;
}

static const char *
ssn(const struct scan *s, const struct number *nb)
{
	int area;

	if (nb->plus || nb->paren || nb->n < 3 || nb->len[0] != 3 ||
	    nb->len[1] != 2 || nb->len[2] != 4 ||
	    !same_separators(nb, 3, "-"))
		return NULL;
	area = value_of(nb, 0);
	if (area == 0 || area == 666 || area >= 900 ||
	    value_of(nb, 1) == 0 || value_of(nb, 2) == 0)
		return NULL;
	return number_end(s, nb, 3);
}

static const char *
ipv4(const struct scan *s, const struct number *nb)
{
	int i;

	if (nb->plus || nb->paren || nb->n < 4 ||
	    !same_separators(nb, 4, "."))
		return NULL;
	for (i = 0; i < 4; i++)
		if (nb->len[i] > 3 || value_of(nb, i) > 255)
			return NULL;
	/* versions of programs: "Chrome/120.0.0.0" */
	if (value_of(nb, 1) + value_of(nb, 2) + value_of(nb, 3) == 0)
		return NULL;
	return number_end(s, nb, 4);
}

/*
 * "+49 30 1234567": a country code, and 8 to 15 digits in all; without any
 * separator at least 10, or it is a mere number.
 */
static const char *
phone_abroad(const struct scan *s, const struct number *nb)
{
	const char *to;
	int k, i, digits;

	if (nb->len[0] > 15 || (nb->n > 1 && nb->len[0] > 4) ||
	    nb->at[0][0] == '0')
		return NULL;
	for (k = nb->n; k > 0; k--) {
		for (digits = 0, i = 0; i < k; i++)
			digits += nb->len[i];
		if (digits <= 15 && digits >= (k == 1 ? 10 : 8) &&
		    (to = number_end(s, nb, k)) != NULL)
			return to;
	}
	return NULL;
}

/*
 * North America: 3-3-4 digits, the area code in parentheses or the groups
 * parted by hyphens or dots; spaces alone part mere numbers too.
 */
static const char *
phone(const struct scan *s, const struct number *nb)
{
	int g = nb->n > 3 && nb->len[0] == 1 && nb->at[0][0] == '1' ? 1 : 0;
	bool paren = nb->paren || (g == 1 && nb->sep[1] == '(');

	if (nb->plus)
		return phone_abroad(s, nb);
	if (nb->n < g + 3 || nb->len[g] != 3 || nb->len[g + 1] != 3 ||
	    nb->len[g + 2] != 4 || nb->at[g][0] < '2')
		return NULL;
	if (paren != (nb->sep[g + 1] == ')') ||
	    strchr("-. ", nb->sep[g + 2]) == NULL)
		return NULL;
	if (!paren && (nb->sep[g + 1] == ' ' || strchr("-.",
	    nb->sep[g + 1]) == NULL) && nb->sep[g + 2] != '-')
		return NULL;
	return number_end(s, nb, g + 3);
}

static const char *
number(struct scan *s, const char *p)
{
	static const struct {
		enum rule	 rule;
		const char	*(*match)(const struct scan *,
				    const struct number *);
	} kinds[] = {
		{ RULE_CARD, card },
		{ RULE_SSN, ssn },
		{ RULE_IP, ipv4 },
		{ RULE_PHONE, phone },
	};
	struct number nb;
	const char *to;
	size_t i;

	read_number(s, p, &nb);
	if (nb.n == 0)
		return NULL;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!(s->rules & BIT(kinds[i].rule)) ||
		    (to = kinds[i].match(s, &nb)) == NULL)
			continue;
		replace(s, kinds[i].rule, nb.from, to);
		return to;
	}
	return NULL;
}

/* ---- IPv6 ---- */

/*
 * Whether P stands behind a group of a longer address.
 */
static bool
behind_group(const struct scan *s, const char *p)
{
	size_t n = 0;

	if (p - 1 < s->done || at_or_nul(s, p - 1) != ':')
		return false;
	while (n < 5 && p - 2 - n >= s->done && is(s, p - 2 - n, C_HEX))
		n++;
	return n > 0 && n < 5 && !is(s, p - 2 - n, C_ALNUM);
}

/*
 * Eight groups, or fewer with "::"; short ones such as "a::b" are names in
 * program text, so the first group must have three digits then.
 */
static const char *
ipv6(struct scan *s, const char *p)
{
	const char *start = p;
	int groups = 0;
	size_t n, first = run_of(s, p, C_HEX, 5);
	bool gap = false, digit = false, done = false;

	if (!(s->rules & BIT(RULE_IP)) || first == 0 ||
	    at_or_nul(s, p + first) != ':' || behind_group(s, p))
		return NULL;
	while (!done) {
		n = run_of(s, p, C_HEX, 5);
		if (n > 4)
			return NULL;
		digit |= has_digit(s, p, n);
		groups += n > 0;
		p += n;
		if (at_or_nul(s, p) != ':' || groups == 8) {
			done = true;
		} else if (at_or_nul(s, p + 1) == ':') {
			if (gap)
				return NULL;
			gap = true;
			p += 2;
			done = !is(s, p, C_HEX);
		} else if (is(s, p + 1, C_HEX)) {
			p++;
		} else {
			done = true;
		}
	}
	if (is(s, p, C_ALNUM) || at_or_nul(s, p) == '_' || !digit)
		return NULL;
	if (at_or_nul(s, p) == ':' && is(s, p + 1, C_ALNUM))
		return NULL;
	if (gap ? groups > 7 || first < 3 : groups != 8)
		return NULL;
	replace(s, RULE_IP, start, p);
	return p;
}

/* ---- keys and tokens: found at the start of a word ---- */

/*
 * Bytes of a token that are looked at before it counts as one.  Only what
 * counts is read to its end, for it is then passed over.
 */
#define TOKEN_LOOK	512
#define HEADER_LOOK	2048		/* of a JWT's header */

/*
 * How the keys of vendors begin, and how many further characters of
 * [A-Za-z0-9_-] they have at least; EXACT: just as many, capitals and digits.
 */
static const struct {
	const char	*prefix;
	size_t		 least;
	bool		 exact;
} prefixes[] = {
	{ "AIza", 30, false },
	{ "AKIA", 16, true },
	{ "ASIA", 16, true },
	{ "dop_v1_", 32, false },
	{ "gho_", 30, false },
	{ "ghp_", 30, false },
	{ "ghr_", 30, false },
	{ "ghs_", 30, false },
	{ "ghu_", 30, false },
	{ "github_pat_", 20, false },
	{ "glpat-", 20, false },
	{ "gsk_", 20, false },
	{ "hf_", 30, false },
	{ "lgw_proj_", 20, false },
	{ "lgw_test_", 20, false },
	{ "npm_", 30, false },
	{ "nvapi-", 20, false },
	{ "pk_live_", 16, false },
	{ "pk_test_", 16, false },
	{ "pplx-", 20, false },
	{ "r8_", 30, false },
	{ "rk_live_", 16, false },
	{ "rk_test_", 16, false },
	{ "sk-", 20, false },
	{ "sk_live_", 16, false },
	{ "sk_test_", 16, false },
	{ "whsec_", 20, false },
	{ "xai-", 20, false },
	{ "xapp-", 10, false },
	{ "xoxa-", 10, false },
	{ "xoxb-", 10, false },
	{ "xoxe-", 10, false },
	{ "xoxp-", 10, false },
	{ "xoxr-", 10, false },
	{ "xoxs-", 10, false },
	{ "ya29.", 20, false },
};

static bool
has(const struct scan *s, const char *at, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(s->end - at) >= n && memcmp(at, word, n) == 0;
}

static const char *
key(struct scan *s, const char *p)
{
	const char *rest;
	size_t i, n;

	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (*p != prefixes[i].prefix[0] ||
		    !has(s, p, prefixes[i].prefix))
			continue;
		rest = p + strlen(prefixes[i].prefix);
		n = run_of(s, rest, C_ALNUM | C_MARK, TOKEN_LOOK);
		if (n < prefixes[i].least || !has_digit(s, rest, n))
			return NULL;
		if (prefixes[i].exact && (n != prefixes[i].least ||
		    run_of(s, rest, C_UPPER | C_DIGIT, n) != n))
			return NULL;
		rest += run_of(s, rest, C_ALNUM | C_MARK, SIZE_MAX);
		replace(s, RULE_KEY, p, rest);
		return rest;
	}
	return NULL;
}

/*
 * Header, payload and signature in base64url, the header of a JSON object.
 */
static const char *
jwt_end(const struct scan *s, const char *p)
{
	size_t n;

	if (!has(s, p, "eyJ") || is(s, p - 1, C_MARK))
		return NULL;
	n = run_of(s, p, C_ALNUM | C_MARK, HEADER_LOOK);
	if (n < 10 || at_or_nul(s, p + n) != '.')
		return NULL;
	p += n + 1;
	n = run_of(s, p, C_ALNUM | C_MARK, SIZE_MAX);
	if (n < 4 || at_or_nul(s, p + n) != '.')
		return NULL;
	p += n + 1;
	return p + run_of(s, p, C_ALNUM | C_MARK, SIZE_MAX);
}

static const char *
jwt(struct scan *s, const char *p)
{
	const char *to = jwt_end(s, p);

	if (to != NULL)
		replace(s, RULE_JWT, p, to);
	return to;
}

static bool
is_token(char c)
{
	return (class_of[(unsigned char)c] & (C_ALNUM | C_MARK)) != 0 ||
	    c == '.' || c == '~' || c == '+' || c == '/' || c == '=';
}

/*
 * "Bearer TOKEN"; a token that has a rule of its own is left to it.
 */
static const char *
bearer(struct scan *s, const char *p)
{
	static const char word[] = "bearer";
	const char *from;
	size_t i;

	for (i = 0; i < sizeof(word) - 1; i++)
		if ((at_or_nul(s, p + i) | 0x20) != word[i])
			return NULL;
	p += i;
	for (i = 0; i < 4 && (at_or_nul(s, p) == ' ' ||
	    at_or_nul(s, p) == ':' || at_or_nul(s, p) == '='); i++)
		p++;
	if (i == 0)
		return NULL;
	if ((s->rules & BIT(RULE_JWT)) && jwt_end(s, p) != NULL)
		return NULL;
	for (from = p; p < s->end && p - from < TOKEN_LOOK && is_token(*p);)
		p++;
	if (p - from < 16 || !has_digit(s, from, (size_t)(p - from)))
		return NULL;
	while (p < s->end && is_token(*p))
		p++;
	replace(s, RULE_BEARER, from, p);
	return p;
}

/*
 * A private key in PEM, to its end or to the end of the text.
 */
static const char *
pem(struct scan *s, const char *p)
{
	static const char begin[] = "-----BEGIN ", private[] = "PRIVATE KEY";
	static const char end[] = "-----END ";
	const char *to, *line;

	if (!has(s, p, begin))
		return NULL;
	line = p + sizeof(begin) - 1;
	if (memmem(line, (size_t)(s->end - line) < 40 ?
	    (size_t)(s->end - line) : 40, private, sizeof(private) - 1) == NULL)
		return NULL;
	to = memmem(line, (size_t)(s->end - line), end, sizeof(end) - 1);
	if (to == NULL) {
		to = s->end;
	} else {
		to += sizeof(end) - 1;
		while (to < s->end && (is(s, to, C_ALNUM) || *to == ' '))
			to++;
		to += run_of(s, to, C_MARK, 5);
	}
	replace(s, RULE_KEY, p, to);
	return to;
}

/*
 * What may begin at the start of a word.
 */
static const char *
word(struct scan *s, const char *p)
{
	const char *to = NULL;

	switch (*p) {
	case '-':
		return s->rules & BIT(RULE_KEY) ? pem(s, p) : NULL;
	case 'B':
	case 'b':
		if (s->rules & BIT(RULE_BEARER))
			to = bearer(s, p);
		break;
	case 'e':
		if (s->rules & BIT(RULE_JWT))
			to = jwt(s, p);
		break;
	case 'A':
	case 'd':
	case 'g':
	case 'h':
	case 'l':
	case 'n':
	case 'p':
	case 'r':
	case 's':
	case 'w':
	case 'x':
	case 'y':
		if (s->rules & BIT(RULE_KEY))
			to = key(s, p);
		break;
	}
	if (to == NULL && is(s, p, C_HEX))
		to = ipv6(s, p);
	return to;
}

/*
 * Whether a number may begin at P: not in a word, not behind a point, and not
 * in a name such as a UUID, whose earlier parts (NAME_DIGITS) have digits.
 */
static bool
number_may_begin(const struct scan *s, const char *p, bool name_digits)
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
run(struct scan *s)
{
	bool in_word = false;		/* letters, digits, '_' */
	bool name_digits = false;	/* this word with hyphens has digits */
	const char *p = s->p, *to;
	unsigned c;

	while (p < s->end) {
		c = class_of[(unsigned char)*p];
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
				to = number(s, p);
			if (to == NULL && !in_word && (c & C_DIGIT) != 0)
				to = ipv6(s, p);
		} else if ((c & C_ALPHA) != 0 || *p == '-') {
			if (!in_word)
				to = word(s, p);
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
	struct scan s = {
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
