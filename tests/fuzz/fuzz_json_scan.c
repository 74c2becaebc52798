/*
 * The scanner against json-c: what one accepts and the other does not must be
 * among the known differences, and a member is found where json-c reads it.
 */
#include "config.h"
#include "lib/base/buf.h"
#include "lib/base/json.h"
#include "lib/base/utf8.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define TOKENS	1000

/*
 * json-c, strict, with the whole text.  Its object or NULL, and in *OK
 * whether it accepted (the document "null" is NULL too).
 */
static struct json_object *
by_json_c(const char *p, size_t len, bool *ok)
{
	struct json_tokener *tok = json_tokener_new_ex(WL_JSON_DEPTH + 2);
	struct json_object *o;

	json_tokener_set_flags(tok,
	    JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tok, p, (int)len);
	if (o == NULL && json_tokener_get_error(tok) == json_tokener_continue)
		o = json_tokener_parse_ex(tok, "", 1);
	*ok = json_tokener_get_error(tok) == json_tokener_success;
	json_tokener_free(tok);
	return o;
}

static bool
contains(const char *p, size_t len, const char *word)
{
	return memmem(p, len, word, strlen(word)) != NULL;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Whether there is a number such as 00, -012, 1. or -.5
 */
static bool
odd_number(const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (p[i] == '0' && i + 1 < len && is_digit(p[i + 1]) &&
		    (i == 0 || (!is_digit(p[i - 1]) && p[i - 1] != '.')))
			return true;
		if (p[i] == '.' && (i == 0 || !is_digit(p[i - 1]) ||
		    i + 1 == len || !is_digit(p[i + 1])))
			return true;
	}
	return false;
}

/*
 * What json-c accepts beyond RFC 8259 in spite of STRICT: control characters
 * in strings and as space, a NUL as the end, NaN and Infinity, single quotes,
 * numbers such as 00 and 1. and -.5, and UTF-8 whose sequences only look
 * right; and what the scanner refuses beyond it: an escaped NUL in a name.
 */
static bool
known_difference(const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if ((unsigned char)p[i] < 0x20 || p[i] == '\'')
			return true;
	return odd_number(p, len) || contains(p, len, "NaN") ||
	    contains(p, len, "Infinity") || contains(p, len, "\\u0000") ||
	    !wl_utf8_valid(p, len);
}

/*
 * The value that wl_json_find() marks is the one that json-c reads.
 */
static void
check_find(const char *p, size_t len, struct json_object *o, const char *key)
{
	struct json_object *want = NULL, *got;
	size_t off = 0, vlen = 0;
	bool dup, ok, there;

	there = json_object_is_type(o, json_type_object) &&
	    json_object_object_get_ex(o, key, &want);
	PROMISE(wl_json_find(p, len, key, &off, &vlen, &dup) == there);
	if (!there)
		return;
	PROMISE(off + vlen <= len && vlen > 0);
	PROMISE(wl_json_scan(p + off, vlen, TOKENS) == WL_JSON_OK);
	got = by_json_c(p + off, vlen, &ok);
	PROMISE(ok && json_object_equal(got, want));
	json_object_put(got);
}

static void
check_quote(const char *p, size_t len)
{
	struct wl_buf b = { 0 };

	wl_json_quote(&b, p, len);
	PROMISE(!b.failed && wl_json_scan(b.p, b.len, 0) == WL_JSON_OK);
	wl_buf_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *p = (const char *)data;
	enum wl_json_fault fault = wl_json_scan(p, len, TOKENS);
	struct json_object *o;
	bool ok;

	if (len > 65536)
		return 0;
	check_quote(p, len);
	if (fault == WL_JSON_DEEP || fault == WL_JSON_BIG)
		return 0;
	o = by_json_c(p, len, &ok);
	if (fault == WL_JSON_OK) {
		PROMISE(ok);
		check_find(p, len, o, "model");
		check_find(p, len, o, "a");
		check_find(p, len, o, "");
	} else
		PROMISE(!ok || known_difference(p, len));
	json_object_put(o);
	return 0;
}
