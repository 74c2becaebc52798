/*
 * The scanner that every document passes before anything else reads it, and
 * what finds a member in a scanned document without parsing it.
 */
#include "config.h"
#include "lib/base/json.h"
#include "lib/base/utf8.h"

#include <string.h>

_Static_assert(WL_JSON_DEPTH_MAX <= 64, "a bit for each level");

/*
 * A cursor over the document.
 */
struct cursor {
	const char	*p, *end;
	bool		 nul;		/* met an escaped NUL */
};

static void
skip_space(struct cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' ||
	    *c->p == '\r' || *c->p == '\t'))
		c->p++;
}

/*
 * Whether one of the eight bytes of W needs a look: a control character, a
 * quote, a backslash, or the part of a longer sequence.
 */
static bool
special(uint64_t w)
{
	const uint64_t ones = 0x0101010101010101ull;
	const uint64_t highs = 0x8080808080808080ull;
	uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';

	return (((w - ones * 0x20) | (quote - ones) | (slash - ones) | w) &
	    highs) != 0;
}

size_t
wl_json_plain(const char *p, size_t len)
{
	size_t i = 0;
	uint64_t w;

	for (; len - i >= sizeof(w); i += sizeof(w)) {
		memcpy(&w, p + i, sizeof(w));
		if (special(w))
			break;
	}
	while (i < len && p[i] >= 0x20 && (unsigned char)p[i] < 0x80 &&
	    p[i] != '"' && p[i] != '\\')
		i++;
	return i;
}

static bool
is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
	    (c >= 'A' && c <= 'F');
}

static bool
skip_escape(struct cursor *c)
{
	int i;

	if (c->p == c->end)
		return false;
	switch (*c->p++) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return true;
	case 'u':
		if (c->end - c->p < 4)
			return false;
		for (i = 0; i < 4; i++)
			if (!is_hex(*c->p++))
				return false;
		c->nul |= memcmp(c->p - 4, "0000", 4) == 0;
		return true;
	}
	return false;
}

/*
 * Over the string that begins at the cursor, with its quotes.
 */
static bool
skip_string(struct cursor *c)
{
	unsigned char ch;
	size_t n;

	for (c->p++;;) {
		c->p += wl_json_plain(c->p, (size_t)(c->end - c->p));
		if (c->p == c->end)
			return false;
		ch = (unsigned char)*c->p;
		if (ch == '"') {
			c->p++;
			return true;
		}
		if (ch == '\\') {
			c->p++;
			if (!skip_escape(c))
				return false;
		} else if (ch < 0x20)
			return false;
		else {
			n = wl_utf8_seq(c->p, (size_t)(c->end - c->p));
			if (n == 0)
				return false;
			c->p += n;
		}
	}
}

static bool
skip_digits(struct cursor *c)
{
	const char *start = c->p;

	while (c->p < c->end && *c->p >= '0' && *c->p <= '9')
		c->p++;
	return c->p > start;
}

static bool
skip_number(struct cursor *c)
{
	if (*c->p == '-')
		c->p++;
	if (c->p < c->end && *c->p == '0')
		c->p++;
	else if (!skip_digits(c))
		return false;
	if (c->p < c->end && *c->p == '.') {
		c->p++;
		if (!skip_digits(c))
			return false;
	}
	if (c->p < c->end && (*c->p == 'e' || *c->p == 'E')) {
		c->p++;
		if (c->p < c->end && (*c->p == '+' || *c->p == '-'))
			c->p++;
		return skip_digits(c);
	}
	return true;
}

static bool
skip_word(struct cursor *c, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
		return false;
	c->p += n;
	return true;
}

/*
 * Over a value that is neither object nor array.
 */
static bool
skip_scalar(struct cursor *c)
{
	switch (*c->p) {
	case '"':
		return skip_string(c);
	case 't':
		return skip_word(c, "true");
	case 'f':
		return skip_word(c, "false");
	case 'n':
		return skip_word(c, "null");
	}
	return skip_number(c);
}

/*
 * What may come next.
 */
enum expect {
	VALUE,		/* a value */
	FIRST_VALUE,	/* a value, or the end of an empty array */
	KEY,		/* a member's name */
	FIRST_KEY,	/* a member's name, or the end of an empty object */
	COLON,
	MORE		/* a comma, or the end of what is open */
};

struct scanner {
	struct cursor	 c;
	enum expect	 expect;
	int		 depth, max_depth;
	uint64_t	 objects;	/* a bit per level: is it an object */
	size_t		 tokens, items, max_tokens;
};

static bool
in_object(const struct scanner *s)
{
	return s->depth > 0 && (s->objects >> (s->depth - 1) & 1) != 0;
}

static enum wl_json_fault
open_level(struct scanner *s, bool object)
{
	uint64_t bit;

	if (s->depth == s->max_depth)
		return WL_JSON_DEEP;
	bit = 1ull << s->depth++;
	s->objects = object ? s->objects | bit : s->objects & ~bit;
	s->expect = object ? FIRST_KEY : FIRST_VALUE;
	return WL_JSON_OK;
}

static enum wl_json_fault
close_level(struct scanner *s, bool object)
{
	if (s->depth == 0 || in_object(s) != object ||
	    (s->expect != MORE && s->expect != (object ? FIRST_KEY :
	    FIRST_VALUE)))
		return WL_JSON_SYNTAX;
	s->depth--;
	s->expect = MORE;
	return WL_JSON_OK;
}

/*
 * Count CH: a further element of an array costs json-c little.
 */
static bool
is_too_many(struct scanner *s, char ch)
{
	if (ch != ',' || in_object(s))
		return ++s->tokens > s->max_tokens;
	return s->items++ / WL_JSON_ITEMS >= s->max_tokens;
}

/*
 * One structural token, which C has already passed.
 */
static enum wl_json_fault
structural(struct scanner *s, char ch)
{
	if (is_too_many(s, ch))
		return WL_JSON_BIG;
	switch (ch) {
	case '{':
	case '[':
		if (s->expect != VALUE && s->expect != FIRST_VALUE)
			return WL_JSON_SYNTAX;
		return open_level(s, ch == '{');
	case '}':
	case ']':
		return close_level(s, ch == '}');
	case ':':
		if (s->expect != COLON)
			return WL_JSON_SYNTAX;
		s->expect = VALUE;
		return WL_JSON_OK;
	}
	if (s->expect != MORE || s->depth == 0)
		return WL_JSON_SYNTAX;
	s->expect = in_object(s) ? KEY : VALUE;
	return WL_JSON_OK;
}

/*
 * A string, number or word.
 */
static enum wl_json_fault
scalar(struct scanner *s)
{
	bool name = s->expect == KEY || s->expect == FIRST_KEY;

	if (!name && s->expect != VALUE && s->expect != FIRST_VALUE)
		return WL_JSON_SYNTAX;
	if (name && *s->c.p != '"')
		return WL_JSON_SYNTAX;
	s->c.nul = false;
	if (!skip_scalar(&s->c) || (name && s->c.nul))
		return WL_JSON_SYNTAX;
	s->expect = name ? COLON : MORE;
	return WL_JSON_OK;
}

enum wl_json_fault
wl_json_scan(const char *p, size_t len, size_t max_tokens)
{
	return wl_json_scan_depth(p, len, max_tokens, WL_JSON_DEPTH);
}

enum wl_json_fault
wl_json_scan_depth(const char *p, size_t len, size_t max_tokens, int depth)
{
	struct scanner s = {
		.c = { p, p + len, false }, .expect = VALUE,
		.max_depth = depth, .max_tokens = max_tokens
	};
	enum wl_json_fault fault;

	for (;;) {
		skip_space(&s.c);
		if (s.c.p == s.c.end)
			break;
		switch (*s.c.p) {
		case '{':
		case '}':
		case '[':
		case ']':
		case ':':
		case ',':
			fault = structural(&s, *s.c.p++);
			break;
		default:
			fault = scalar(&s);
			break;
		}
		if (fault != WL_JSON_OK)
			return fault;
	}
	return s.depth == 0 && s.expect == MORE ? WL_JSON_OK : WL_JSON_SYNTAX;
}

static unsigned
hex4(const char *p)
{
	unsigned v = 0;
	int i;

	for (i = 0; i < 4; i++)
		v = v << 4 | (unsigned)(p[i] <= '9' ? p[i] - '0' :
		    (p[i] | 0x20) - 'a' + 10);
	return v;
}

/*
 * The code point of the escape behind "\u" at *P, moved past it.  Half a
 * surrogate pair is U+FFFD, as for json-c.
 */
static unsigned
unicode_escape(const char **p, const char *end)
{
	unsigned cp = hex4(*p), low;

	*p += 4;
	if (cp >= 0xdc00 && cp <= 0xdfff)
		return 0xfffd;
	if (cp < 0xd800 || cp > 0xdbff)
		return cp;
	if (end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
		return 0xfffd;
	low = hex4(*p + 2);
	if (low < 0xdc00 || low > 0xdfff)
		return 0xfffd;
	*p += 6;
	return 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
}

/*
 * The bytes of the character at *P inside a string, moved past it.
 */
static size_t
decode(const char **p, const char *end, char out[4])
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *at;
	char c;

	if (**p != '\\') {
		out[0] = *(*p)++;
		return 1;
	}
	c = (*p)[1];
	*p += 2;
	if (c == 'u')
		return wl_utf8_put(unicode_escape(p, end), out);
	at = memchr(from, c, sizeof(from) - 1);
	out[0] = at == NULL ? c : to[at - from];
	return 1;
}

bool
wl_json_is(struct wl_str name, const char *key)
{
	const char *p = name.p, *end = p + name.len;
	size_t n, left = strlen(key);
	char ch[4];

	while (p < end) {
		n = decode(&p, end, ch);
		if (n > left || memcmp(ch, key, n) != 0)
			return false;
		key += n;
		left -= n;
	}
	return left == 0;
}

/*
 * Over any value; nesting needs no recursion, since the scan has passed.
 */
static bool
skip_value(struct cursor *c)
{
	int depth = 0;

	do {
		skip_space(c);
		if (c->p == c->end)
			return false;
		switch (*c->p) {
		case '{':
		case '[':
			depth++;
			c->p++;
			break;
		case '}':
		case ']':
			depth--;
			c->p++;
			break;
		case ':':
		case ',':
			c->p++;
			break;
		default:
			if (!skip_scalar(c))
				return false;
			break;
		}
	} while (depth > 0);
	return depth == 0;
}

/*
 * The value that begins here, or behind white space.
 */
static bool
take_value(struct cursor *c, struct wl_str *value)
{
	skip_space(c);
	value->p = c->p;
	if (!skip_value(c))
		return false;
	value->len = (size_t)(c->p - value->p);
	return true;
}

bool
wl_json_item(const char *p, size_t len, size_t *pos, struct wl_str *value)
{
	struct cursor c = { p + *pos, p + len, false };

	/* before an element stands the bracket, or the comma after the last */
	skip_space(&c);
	if (c.p == c.end || *c.p++ != (*pos == 0 ? '[' : ','))
		return false;
	skip_space(&c);
	/* an empty array */
	if (c.p == c.end || *c.p == ']' || !take_value(&c, value))
		return false;
	*pos = (size_t)(c.p - p);
	return true;
}

bool
wl_json_next(const char *p, size_t len, size_t *pos, struct wl_str *name,
    struct wl_str *value)
{
	struct cursor c = { p + *pos, p + len, false };

	/* before a member stands the brace, or the comma after the last */
	skip_space(&c);
	if (c.p == c.end || *c.p++ != (*pos == 0 ? '{' : ','))
		return false;
	skip_space(&c);
	if (c.p == c.end || *c.p != '"')
		return false;	/* the end of an empty object */
	name->p = c.p + 1;
	if (!skip_string(&c))
		return false;
	name->len = (size_t)(c.p - 1 - name->p);
	skip_space(&c);
	if (c.p == c.end || *c.p++ != ':')
		return false;
	if (!take_value(&c, value))
		return false;
	*pos = (size_t)(c.p - p);
	return true;
}

bool
wl_json_find(const char *p, size_t len, const char *key, size_t *off,
    size_t *vlen, bool *dup)
{
	struct wl_str name, value;
	bool found = false, again = false;
	size_t pos = 0;

	while (wl_json_next(p, len, &pos, &name, &value)) {
		if (!wl_json_is(name, key))
			continue;
		again = found;
		found = true;
		*off = (size_t)(value.p - p);
		*vlen = value.len;
	}
	if (found)
		*dup = again;
	return found;
}
