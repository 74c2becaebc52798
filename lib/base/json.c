/*
 * Reading JSON.  json-c alone would accept NaN and single quotes, clamp large
 * integers and take 264 bytes for each byte of "{},": nothing reaches it that
 * has not passed the scanner.
 */
#include "config.h"
#include "lib/base/json.h"
#include "lib/base/arena.h"
#include "lib/base/co.h"
#include "lib/base/utf8.h"
#include "lib/base/wait.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#define OFFLOAD_BYTES	((size_t)256 * 1024)

_Static_assert(WL_JSON_DEPTH <= 64, "a bit for each level");

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

static void
skip_plain(struct cursor *c)
{
	uint64_t w;

	while ((size_t)(c->end - c->p) >= sizeof(w)) {
		memcpy(&w, c->p, sizeof(w));
		if (special(w))
			return;
		c->p += sizeof(w);
	}
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
		skip_plain(c);
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
	int		 depth;
	uint64_t	 objects;	/* a bit per level: is it an object */
	size_t		 tokens, max_tokens;
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

	if (s->depth == WL_JSON_DEPTH)
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
 * One structural token, which C has already passed.
 */
static enum wl_json_fault
structural(struct scanner *s, char ch)
{
	if (++s->tokens > s->max_tokens)
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
	struct scanner s = {
		.c = { p, p + len, false }, .expect = VALUE, .max_tokens = max_tokens
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

/*
 * A parse that may run on a helper thread.
 */
struct job {
	struct json_tokener	*tok;
	const char		*p;
	size_t			 len;
	struct json_object	*obj;
	bool			 ok;
};

static struct json_tokener *
tokener_new(void)
{
	struct json_tokener *tok;

	/* json-c counts a scalar as a level of its own, and needs one spare */
	if ((tok = json_tokener_new_ex(WL_JSON_DEPTH + 2)) != NULL)
		json_tokener_set_flags(tok,
		    JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	return tok;
}

static void
parse(struct job *j)
{
	enum json_tokener_error err;

	j->obj = json_tokener_parse_ex(j->tok, j->p, (int)j->len);
	/* a lone number or word ends only with the text: say so by a NUL */
	if (j->obj == NULL &&
	    json_tokener_get_error(j->tok) == json_tokener_continue)
		j->obj = json_tokener_parse_ex(j->tok, "", 1);
	err = json_tokener_get_error(j->tok);
	j->ok = err == json_tokener_success;
	if (!j->ok && j->obj != NULL) {
		json_object_put(j->obj);
		j->obj = NULL;
	}
	json_tokener_reset(j->tok);
}

static void
parse_apart(void *arg)
{
	struct job *j = arg;

	if ((j->tok = tokener_new()) == NULL)
		return;
	parse(j);
	json_tokener_free(j->tok);
}

/*
 * Each thread keeps a tokener.  After a failure it is dropped: a reset leaves
 * half a surrogate pair in it, for the next text to begin with.
 */
static void
parse_here(struct job *j)
{
	static _Thread_local struct json_tokener *own;

	if (own == NULL && (own = tokener_new()) == NULL)
		return;
	j->tok = own;
	parse(j);
	if (!j->ok) {
		json_tokener_free(own);
		own = NULL;
	}
}

static void
put(void *obj)
{
	json_object_put(obj);
}

struct json_object *
wl_json_parse(struct wl_arena *a, const char *p, size_t len,
    enum wl_json_fault *fault)
{
	struct job j = { .p = p, .len = len };
	enum wl_json_fault dummy;

	if (fault == NULL)
		fault = &dummy;
	if (len > INT_MAX) {
		*fault = WL_JSON_BIG;
		return NULL;
	}
	if ((*fault = wl_json_scan(p, len, WL_JSON_TOKENS)) != WL_JSON_OK)
		return NULL;
	if (len <= OFFLOAD_BYTES || wl_co_self() == NULL ||
	    wl_offload(parse_apart, &j) == -1)
		parse_here(&j);
	/* the scan has passed, so only memory can have been short */
	if (!j.ok)
		*fault = WL_JSON_BIG;
	if (j.obj != NULL && wl_arena_defer(a, put, j.obj) == -1) {
		*fault = WL_JSON_BIG;
		return NULL;
	}
	return j.obj;
}

static struct json_object *
get(struct json_object *o, const char *key, enum json_type type)
{
	struct json_object *v;

	if (!json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, key, &v) ||
	    !json_object_is_type(v, type))
		return NULL;
	return v;
}

bool
wl_json_str(struct json_object *o, const char *key, struct wl_str *out)
{
	struct json_object *v;

	if ((v = get(o, key, json_type_string)) == NULL)
		return false;
	out->p = json_object_get_string(v);
	out->len = (size_t)json_object_get_string_len(v);
	return true;
}

/*
 * json-c clamps what is below INT64_MIN to it, without a sign of that, so
 * INT64_MIN itself counts as out of range.
 */
static bool
int_of(struct json_object *v, int64_t *out)
{
	int64_t n = json_object_get_int64(v);

	if (n == INT64_MIN)
		return false;
	if (n == INT64_MAX && json_object_get_uint64(v) != (uint64_t)INT64_MAX)
		return false;
	*out = n;
	return true;
}

bool
wl_json_int(struct json_object *o, const char *key, int64_t *out)
{
	struct json_object *v;
	double d;

	if ((v = get(o, key, json_type_int)) != NULL)
		return int_of(v, out);
	if ((v = get(o, key, json_type_double)) == NULL)
		return false;
	d = json_object_get_double(v);
	if (!(d > -0x1p63 && d < 0x1p63) || d != (double)(int64_t)d)
		return false;
	*out = (int64_t)d;
	return true;
}

bool
wl_json_num(struct json_object *o, const char *key, double *out)
{
	struct json_object *v;
	double d;

	if ((v = get(o, key, json_type_double)) == NULL &&
	    (v = get(o, key, json_type_int)) == NULL)
		return false;
	d = json_object_get_double(v);
	if (!isfinite(d))
		return false;
	*out = d;
	return true;
}

bool
wl_json_bool(struct json_object *o, const char *key, bool *out)
{
	struct json_object *v;

	if ((v = get(o, key, json_type_boolean)) == NULL)
		return false;
	*out = json_object_get_boolean(v);
	return true;
}

struct json_object *
wl_json_obj(struct json_object *o, const char *key)
{
	return get(o, key, json_type_object);
}

struct json_object *
wl_json_arr(struct json_object *o, const char *key)
{
	return get(o, key, json_type_array);
}

bool
wl_json_has(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_is_type(o, json_type_object) &&
	    json_object_object_get_ex(o, key, &v) && v != NULL;
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

/*
 * Whether the text of a string from P to END means KEY.
 */
static bool
means(const char *p, const char *end, const char *key)
{
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

bool
wl_json_find(const char *p, size_t len, const char *key, size_t *off,
    size_t *vlen, bool *dup)
{
	struct cursor c = { p, p + len, false };
	const char *name, *name_end, *value;
	bool found = false, again = false;

	skip_space(&c);
	if (c.p == c.end || *c.p++ != '{')
		return false;
	for (;;) {
		skip_space(&c);
		if (c.p == c.end || *c.p != '"')
			break;		/* the end of an empty object */
		name = c.p + 1;
		if (!skip_string(&c))
			break;
		name_end = c.p - 1;
		skip_space(&c);
		if (c.p == c.end || *c.p++ != ':')
			break;
		skip_space(&c);
		value = c.p;
		if (!skip_value(&c))
			break;
		if (means(name, name_end, key)) {
			again = found;
			found = true;
			*off = (size_t)(value - p);
			*vlen = (size_t)(c.p - value);
		}
		skip_space(&c);
		if (c.p == c.end || *c.p++ != ',')
			break;
	}
	if (found)
		*dup = again;
	return found;
}

void
wl_json_quote(struct wl_buf *b, const char *p, size_t len)
{
	size_t i, n, plain = 0;	/* bytes before I that need no escape */
	unsigned char c;

	wl_buf_addc(b, '"');
	for (i = 0; i < len; i += n == 0 ? 1 : n) {
		n = wl_utf8_seq(p + i, len - i);
		c = (unsigned char)p[i];
		if (n > 1 || (n == 1 && c >= 0x20 && c != '"' && c != '\\')) {
			plain += n;
			continue;
		}
		wl_buf_add(b, p + i - plain, plain);
		plain = 0;
		if (n == 0)
			wl_buf_adds(b, "\xef\xbf\xbd");
		else if (c == '"' || c == '\\')
			wl_buf_add(b, (char[]){ '\\', (char)c }, 2);
		else if (c == '\n')
			wl_buf_adds(b, "\\n");
		else if (c == '\r')
			wl_buf_adds(b, "\\r");
		else if (c == '\t')
			wl_buf_adds(b, "\\t");
		else
			wl_buf_printf(b, "\\u%04x", c);
	}
	wl_buf_add(b, p + len - plain, plain);
	wl_buf_addc(b, '"');
}
