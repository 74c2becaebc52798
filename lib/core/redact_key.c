/*
 * Keys and tokens in a text.
 */
#include "config.h"
#include "lib/core/redact_priv.h"

#include <string.h>

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
has(const struct wl_redact_scan *s, const char *at, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(s->end - at) >= n && memcmp(at, word, n) == 0;
}

static const char *
key(struct wl_redact_scan *s, const char *p)
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
		wl_redact_replace(s, RULE_KEY, p, rest);
		return rest;
	}
	return NULL;
}

/*
 * Header, payload and signature in base64url, the header of a JSON object.
 */
static const char *
jwt_end(const struct wl_redact_scan *s, const char *p)
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
jwt(struct wl_redact_scan *s, const char *p)
{
	const char *to = jwt_end(s, p);

	if (to != NULL)
		wl_redact_replace(s, RULE_JWT, p, to);
	return to;
}

static bool
is_token(char c)
{
	return (wl_redact_class[(unsigned char)c] & (C_ALNUM | C_MARK)) != 0 ||
	    c == '.' || c == '~' || c == '+' || c == '/' || c == '=';
}

/*
 * "Bearer TOKEN"; a token that has a rule of its own is left to it.
 */
static const char *
bearer(struct wl_redact_scan *s, const char *p)
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
	wl_redact_replace(s, RULE_BEARER, from, p);
	return p;
}

/*
 * A private key in PEM, to its end or to the end of the text.
 */
static const char *
pem(struct wl_redact_scan *s, const char *p)
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
	wl_redact_replace(s, RULE_KEY, p, to);
	return to;
}

/*
 * What may begin at the start of a word.
 */
const char *
wl_redact_word(struct wl_redact_scan *s, const char *p)
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
	return to;
}
