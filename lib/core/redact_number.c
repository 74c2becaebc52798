/*
 * Numbers in a text that are private: cards, phones, SSN; and addresses.
 */
#include "config.h"
#include "lib/core/redact_priv.h"

#include <string.h>

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
separator(const struct wl_redact_scan *s, const char *p, char *sep)
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
read_number(const struct wl_redact_scan *s, const char *p, struct number *nb)
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
number_end(const struct wl_redact_scan *s, const struct number *nb, int k)
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
card(const struct wl_redact_scan *s, const struct number *nb)
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
ssn(const struct wl_redact_scan *s, const struct number *nb)
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
ipv4(const struct wl_redact_scan *s, const struct number *nb)
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
phone_abroad(const struct wl_redact_scan *s, const struct number *nb)
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
phone(const struct wl_redact_scan *s, const struct number *nb)
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

const char *
wl_redact_number(struct wl_redact_scan *s, const char *p)
{
	static const struct {
		enum wl_redact_rule	 rule;
		const char	*(*match)(const struct wl_redact_scan *,
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
		wl_redact_replace(s, kinds[i].rule, nb.from, to);
		return to;
	}
	return NULL;
}

/* ---- IPv6 ---- */

/*
 * Whether P stands behind a group of a longer address.
 */
static bool
behind_group(const struct wl_redact_scan *s, const char *p)
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
const char *
wl_redact_ipv6(struct wl_redact_scan *s, const char *p)
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
	wl_redact_replace(s, RULE_IP, start, p);
	return p;
}
