/*
 * The scanner's grammar and limits, the readers' types, and finding a member
 * in the raw text.
 */
#include "config.h"
#include "lib/base/arena.h"
#include "lib/base/co.h"
#include "lib/base/json.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCAN(s)		wl_json_scan(s, sizeof(s) - 1, 1000)

static struct wl_arena *arena;

static struct json_object *
parse(const char *s)
{
	return wl_json_parse(arena, s, strlen(s), NULL);
}

static void
test_good(void)
{
	static const char *const good[] = {
		"{}", "[]", "null", "true", "false", "0", "-0", "1", "-12",
		"1.5", "1e5", "1E+5", "0.1e-7", "\"\"", " [ ] ", "\t\r\n {}\n",
		"[1,2,[3,{\"a\":[]}]]", "{\"a\":1,\"b\":{\"c\":null}}",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
		"\"\\ud83d\\ude00\"", "\"\\ud800\"", "\"\\udc00x\"",
		"\"\\u0000\"", "\"\x7f\"", "\"\xc2\x80\xed\x9f\xbf\xf4\x8f\xbf\xbf\"",
		"\"twelve plain bytes, then more than eight \xe2\x82\xac\"",
		"{\"a\":1,\"a\":2}", "123456789012345678901234567890", "1e999",
		"[\"a\",\"b\",\"c\"]", "{\"\":0}"
	};
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CU_ASSERT_EQUAL(wl_json_scan(good[i], strlen(good[i]), 1000),
		    WL_JSON_OK);
		if (strcmp(good[i], "null") != 0)
			CU_ASSERT_PTR_NOT_NULL(parse(good[i]));
	}
}

static void
test_bad(void)
{
	static const char *const bad[] = {
		"", " ", "{", "}", "[", "]", "[}", "{]", "[1", "{\"a\"",
		"{\"a\":", "{\"a\":1", "{\"a\":1,", "[1,", "[1,]", "[,1]", "[,]",
		"{,}", "{\"a\":1,}", "{\"a\" 1}", "{\"a\":}", "{a:1}", "{1:1}",
		"{'a':1}", "['a']", "{\"a\",1}", "[1:2]", "[1 2]", "1 2", "1,2",
		"{} {}", "[]]", "{}}", "\"a\" \"b\"", ":", ",", "nul", "nulll",
		"Null", "TRUE", "tru", "NaN", "Infinity", "-Infinity", "-", "+1",
		"01", "-01", "007", "1.", ".5", "1.e5", "1e", "1e+", "0x10",
		"1_000", "\"", "\"a", "\"\\\"", "\"\\x\"", "\"\\u12\"",
		"\"\\u12g4\"", "\"\\u\"", "\"\\", "\"\n\"", "\"\t\"", "\"\x1f\"",
		"// c\n1", "/* c */1", "[1]//", "\xef\xbb\xbf{}", "\x0c{}",
		"\xc2\xa0{}", "{\"a\":1}x", "[1]\x01", "{\"a\":1 \"b\":2}",
		"{\"a\"::1}", "[[]", "{{}}", "{[]:1}", "{\"a\":1:2}", "[\"a\":1]",
		"\"\x80\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"",
		"\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"", "\"12345678\xff\"",
		"\xe2\x82\xac", "tRue", "[tru]", "truefalse", "1true"
	};
	enum wl_json_fault fault;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(wl_json_scan(bad[i], strlen(bad[i]), 1000),
		    WL_JSON_SYNTAX);
		fault = WL_JSON_OK;
		CU_ASSERT_PTR_NULL(wl_json_parse(arena, bad[i], strlen(bad[i]),
		    &fault));
		CU_ASSERT_EQUAL(fault, WL_JSON_SYNTAX);
	}
	/* json-c would read the name "model" */
	CU_ASSERT_EQUAL(SCAN("{\"model\\u0000x\":1}"), WL_JSON_SYNTAX);
	CU_ASSERT_EQUAL(SCAN("{\"a\\u0000\":1}"), WL_JSON_SYNTAX);
	CU_ASSERT_EQUAL(SCAN("{\"a\":\"\\u0000\",\"b\":1}"), WL_JSON_OK);
	CU_ASSERT_EQUAL(SCAN("[1]\0"), WL_JSON_SYNTAX);
	CU_ASSERT_EQUAL(SCAN("\"\0\""), WL_JSON_SYNTAX);
	CU_ASSERT_EQUAL(SCAN("\0"), WL_JSON_SYNTAX);
}

/*
 * The scanner may not look behind the end: each prefix is given in a block of
 * exactly its size.
 */
static void
test_every_prefix(void)
{
	static const char text[] = "{\"a\":[true,false,null,-1.5e+7,\"\\u00e9"
	    "\xf0\x9f\x98\x80\\\\ twelve bytes\"],\"b\":{\"c\":0}}";
	size_t len, off, vlen, n;
	char *copy;
	bool dup;

	for (len = 0; len < sizeof(text) - 1; len++) {
		n = len == 0 ? 1 : len;
		CU_ASSERT_PTR_NOT_NULL_FATAL(copy = malloc(n));
		memcpy(copy, text, len);
		CU_ASSERT_EQUAL(wl_json_scan(copy, len, 1000), WL_JSON_SYNTAX);
		/* and neither may this one, though nobody promised a scan */
		(void)wl_json_find(copy, len, "zz", &off, &vlen, &dup);
		free(copy);
	}
}

static void
test_depth(void)
{
	char text[256];
	int depth, i;
	enum wl_json_fault fault;

	for (depth = 1; depth <= 40; depth++) {
		for (i = 0; i < depth; i++)
			text[i] = '[';
		text[depth] = '1';
		for (i = 0; i < depth; i++)
			text[depth + 1 + i] = ']';
		text[2 * depth + 1] = '\0';
		fault = wl_json_scan(text, strlen(text), 1000);
		CU_ASSERT_EQUAL(fault,
		    depth <= WL_JSON_DEPTH ? WL_JSON_OK : WL_JSON_DEEP);
		CU_ASSERT_EQUAL(parse(text) != NULL, depth <= WL_JSON_DEPTH);
	}
	for (i = 0; i < 33; i++)
		memcpy(text + 5 * i, "{\"a\":", 6);
	CU_ASSERT_EQUAL(wl_json_scan(text, strlen(text), 1000), WL_JSON_DEEP);
}

static void
test_tokens(void)
{
	const size_t len = 1 << 20;
	enum wl_json_fault fault = WL_JSON_OK;
	char *text = malloc(len);
	size_t i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_EQUAL(wl_json_scan("[1,2]", 5, 2), WL_JSON_OK);
	CU_ASSERT_EQUAL(wl_json_scan("[1,2]", 5, 1), WL_JSON_BIG);
	/* elements are cheap, but not free */
	CU_ASSERT_EQUAL(wl_json_scan("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]",
	    35, 2), WL_JSON_OK);
	CU_ASSERT_EQUAL(wl_json_scan("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]",
	    37, 2), WL_JSON_BIG);
	CU_ASSERT_EQUAL(wl_json_scan("{\"a\":1,\"b\":2}", 13, 5), WL_JSON_OK);
	CU_ASSERT_EQUAL(wl_json_scan("{\"a\":1,\"b\":2}", 13, 4),
	    WL_JSON_BIG);
	CU_ASSERT_EQUAL(wl_json_scan("1", 1, 0), WL_JSON_OK);
	CU_ASSERT_EQUAL(wl_json_scan("{\"a,b:[\":1}", 11, 3), WL_JSON_OK);
	text[0] = '[';
	for (i = 1; i + 3 <= len; i += 3)
		memcpy(text + i, "{},", 3);
	for (; i < len; i++)
		text[i] = ' ';
	CU_ASSERT_PTR_NULL(wl_json_parse(arena, text, len, &fault));
	CU_ASSERT_EQUAL(fault, WL_JSON_BIG);
	free(text);
}

static void
test_large_text(void)
{
	const size_t len = 4 << 20;
	struct wl_arena *a = wl_arena_new(1 << 20);
	char *text = malloc(len);
	struct json_object *o;
	struct wl_str s;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	memset(text, 'x', len);
	memcpy(text, "{\"a\":\"", 6);
	memcpy(text + len - 2, "\"}", 2);
	o = wl_json_parse(a, text, len, NULL);
	CU_ASSERT_TRUE(wl_json_str(o, "a", &s));
	CU_ASSERT_EQUAL(s.len, len - 8);
	free(text);
	wl_arena_free(a);
}

static int turns;

static void
count_turns(void *stop)
{
	while (!*(bool *)stop) {
		turns++;
		if (wl_sleep(1) == -1)
			return;
	}
}

/*
 * In a coroutine a large text is parsed elsewhere, and others go on.
 */
static int
parse_in_coroutine(void *text)
{
	struct wl_arena *a = wl_arena_new(1 << 20);
	static bool stop;
	int before, i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(wl_co_spawn("counter", count_turns, &stop));
	wl_sleep(2);
	before = turns;
	for (i = 0; i < 20; i++) {
		CU_ASSERT_PTR_NOT_NULL(wl_json_parse(a, text, strlen(text),
		    NULL));
		wl_arena_reset(a);
	}
	CU_ASSERT(turns > before);
	stop = true;
	wl_arena_free(a);
	return 0;
}

static void
test_large_text_in_a_coroutine(void)
{
	const size_t pairs = 20000;
	char *text = malloc(pairs * 20 + 8), *p = text;
	size_t i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	*p++ = '[';
	for (i = 0; i < pairs; i++)
		p += snprintf(p, 20, "\"%013zu\",", i);
	memcpy(p, "0]", 3);
	CU_ASSERT(strlen(text) > 256 * 1024);
	CU_ASSERT_EQUAL(wl_run(parse_in_coroutine, text), 0);
	free(text);
}

static void
test_null_document(void)
{
	enum wl_json_fault fault = WL_JSON_BIG;

	CU_ASSERT_PTR_NULL(wl_json_parse(arena, " null ", 6, &fault));
	CU_ASSERT_EQUAL(fault, WL_JSON_OK);
	CU_ASSERT_PTR_NULL(wl_json_parse(arena, "null", 4, &fault));
	CU_ASSERT_EQUAL(fault, WL_JSON_OK);
	/* and the parser is fit for the next one */
	CU_ASSERT_PTR_NOT_NULL(parse("12"));
	CU_ASSERT_PTR_NOT_NULL(parse("{}"));
}

static void
test_readers(void)
{
	struct json_object *o = parse("{\"s\":\"x\",\"i\":5,\"d\":1.5,"
	    "\"b\":true,\"n\":null,\"o\":{},\"a\":[]}");
	static const char *const keys[] = { "s", "i", "d", "b", "n", "o", "a",
	    "absent" };
	const char *k;
	struct wl_str s;
	int64_t i;
	double d;
	bool b;
	size_t n;

	CU_ASSERT_PTR_NOT_NULL_FATAL(o);
	for (n = 0; n < sizeof(keys) / sizeof(keys[0]); n++) {
		k = keys[n];
		CU_ASSERT_EQUAL(wl_json_str(o, k, &s), *k == 's');
		CU_ASSERT_EQUAL(wl_json_int(o, k, &i), *k == 'i');
		CU_ASSERT_EQUAL(wl_json_num(o, k, &d), *k == 'i' || *k == 'd');
		CU_ASSERT_EQUAL(wl_json_bool(o, k, &b), *k == 'b');
		CU_ASSERT_EQUAL(wl_json_obj(o, k) != NULL, *k == 'o');
		CU_ASSERT_EQUAL(wl_json_arr(o, k) != NULL,
		    strcmp(k, "a") == 0);
		CU_ASSERT_EQUAL(wl_json_has(o, k),
		    *k != 'n' && strcmp(k, "absent") != 0);
	}
	CU_ASSERT_FALSE(wl_json_str(NULL, "s", &s));
	CU_ASSERT_FALSE(wl_json_has(NULL, "s"));
	CU_ASSERT_FALSE(wl_json_int(parse("[1]"), "0", &i));
	CU_ASSERT_PTR_NULL(wl_json_obj(parse("\"x\""), "x"));
}

static void
test_integers(void)
{
	static const struct {
		const char	*text;
		bool		 ok;
		int64_t		 value;
	} v[] = {
		{ "0", true, 0 },
		{ "-0", true, 0 },
		{ "9223372036854775807", true, INT64_MAX },
		{ "-9223372036854775807", true, -INT64_MAX },
		{ "-9223372036854775808", false, 0 },
		{ "9223372036854775808", false, 0 },
		{ "18446744073709551615", false, 0 },
		{ "18446744073709551616", false, 0 },
		{ "-9223372036854775809", false, 0 },
		{ "123456789012345678901234567890", false, 0 },
		{ "5.0", true, 5 },
		{ "-3e2", true, -300 },
		{ "5.5", false, 0 },
		{ "1e18", true, 1000000000000000000 },
		{ "9223372036854775807.0", false, 0 },
		{ "1e19", false, 0 },
		{ "1e300", false, 0 },
		{ "1e999", false, 0 },
		{ "\"5\"", false, 0 },
		{ "true", false, 0 },
	};
	char text[64];
	int64_t n;
	size_t i;

	for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		snprintf(text, sizeof(text), "{\"n\":%s}", v[i].text);
		n = 77;
		CU_ASSERT_EQUAL(wl_json_int(parse(text), "n", &n), v[i].ok);
		CU_ASSERT_EQUAL(n, v[i].ok ? v[i].value : 77);
	}
}

static void
test_doubles(void)
{
	double d = 0;

	CU_ASSERT_TRUE(wl_json_num(parse("{\"n\":-2.5e3}"), "n", &d));
	CU_ASSERT_EQUAL(d, -2500);
	CU_ASSERT_TRUE(wl_json_num(parse("{\"n\":7}"), "n", &d));
	CU_ASSERT_EQUAL(d, 7);
	CU_ASSERT_FALSE(wl_json_num(parse("{\"n\":1e999}"), "n", &d));
	CU_ASSERT_EQUAL(d, 7);
}

static void
test_strings(void)
{
	struct json_object *o = parse("{\"s\":\"a\\u0000b\",\"t\":\"\\ud800x\","
	    "\"e\":\"\",\"p\":\"\\ud83d\\ude00\"}");
	struct wl_str s;

	CU_ASSERT_TRUE(wl_json_str(o, "s", &s));
	CU_ASSERT_EQUAL(s.len, 3);
	CU_ASSERT_EQUAL(memcmp(s.p, "a\0b", 3), 0);
	CU_ASSERT_TRUE(wl_json_str(o, "t", &s));
	CU_ASSERT_TRUE(wl_str_eq(s, "\xef\xbf\xbdx"));
	CU_ASSERT_TRUE(wl_json_str(o, "e", &s));
	CU_ASSERT_EQUAL(s.len, 0);
	CU_ASSERT_TRUE(wl_json_str(o, "p", &s));
	CU_ASSERT_TRUE(wl_str_eq(s, "\xf0\x9f\x98\x80"));
}

/*
 * The text of member KEY in TEXT; "" when there is none.  *DUP is marked in
 * a leading "2x".
 */
static const char *
find(const char *text, const char *key)
{
	static char out[128];
	size_t off, len;
	bool dup = false;

	CU_ASSERT_EQUAL(wl_json_scan(text, strlen(text), 1000), WL_JSON_OK);
	if (!wl_json_find(text, strlen(text), key, &off, &len, &dup))
		return "";
	snprintf(out, sizeof(out), "%s%.*s", dup ? "2x" : "", (int)len,
	    text + off);
	return out;
}

static void
test_find(void)
{
	CU_ASSERT_STRING_EQUAL(find("{\"model\":\"a\"}", "model"), "\"a\"");
	CU_ASSERT_STRING_EQUAL(find(" { \"a\" : [1, {\"model\":2}] , \"model\""
	    " :\n -1.5e3 \t}", "model"), "-1.5e3");
	CU_ASSERT_STRING_EQUAL(find("{\"a\":{\"model\":1}}", "model"), "");
	CU_ASSERT_STRING_EQUAL(find("{\"a\":{\"model\":[{}]}, \"b\":true}", "b"),
	    "true");
	CU_ASSERT_STRING_EQUAL(find("{\"a\":{\"b\":[1,2]},\"c\":3}", "a"),
	    "{\"b\":[1,2]}");
	CU_ASSERT_STRING_EQUAL(find("{\"a\":\"}],{\",\"c\":\"\\\"x\"}", "c"),
	    "\"\\\"x\"");
	CU_ASSERT_STRING_EQUAL(find("[{\"model\":1}]", "model"), "");
	CU_ASSERT_STRING_EQUAL(find("\"model\"", "model"), "");
	CU_ASSERT_STRING_EQUAL(find("{}", "model"), "");
	CU_ASSERT_STRING_EQUAL(find("{\"\":1}", ""), "1");
	CU_ASSERT_STRING_EQUAL(find("{\"models\":1,\"mode\":2}", "model"), "");
}

static void
test_find_escaped(void)
{
	CU_ASSERT_STRING_EQUAL(find("{\"mod\\u0065l\":1}", "model"), "1");
	CU_ASSERT_STRING_EQUAL(find("{\"\\u006D\\u006fdel\":1}", "model"), "1");
	CU_ASSERT_STRING_EQUAL(find("{\"mod\\u0045l\":1}", "model"), "");
	CU_ASSERT_STRING_EQUAL(find("{\"a\\/\\\"\\\\\\n\":1}", "a/\"\\\n"), "1");
	CU_ASSERT_STRING_EQUAL(find("{\"\\u20ac\":1}", "\xe2\x82\xac"), "1");
	CU_ASSERT_STRING_EQUAL(find("{\"\\ud83d\\ude00\":1}",
	    "\xf0\x9f\x98\x80"), "1");
	CU_ASSERT_STRING_EQUAL(find("{\"\\ud83d\\u0041\":1}",
	    "\xef\xbf\xbd" "A"), "1");
	CU_ASSERT_STRING_EQUAL(find("{\"\\ude00\":1}", "\xef\xbf\xbd"), "1");
}

static void
test_find_last(void)
{
	CU_ASSERT_STRING_EQUAL(find("{\"a\":1,\"b\":2,\"a\":3}", "a"), "2x3");
	CU_ASSERT_STRING_EQUAL(find("{\"a\":1,\"\\u0061\":3}", "a"), "2x3");
	CU_ASSERT_STRING_EQUAL(find("{\"a\":1,\"a\":2,\"a\":3}", "a"), "2x3");
	CU_ASSERT_STRING_EQUAL(find("{\"a\":1,\"a\":2,\"b\":3}", "b"), "3");
}


/*
 * With a full arena the object is released at once (a leak checker would
 * tell), and said to be too big.
 */
static void
test_arena_is_full(void)
{
	struct wl_arena *a = wl_arena_new(0);
	enum wl_json_fault fault = WL_JSON_OK;

	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	CU_ASSERT_PTR_NULL(wl_json_parse(a, "{\"a\":1}", 7, &fault));
	CU_ASSERT_EQUAL(fault, WL_JSON_BIG);
	wl_arena_free(a);
}

/*
 * The members of TEXT as "name=value;".
 */
static const char *
members(const char *text)
{
	static char all[256];
	struct wl_str name, value;
	size_t pos = 0, n = 0;

	all[0] = '\0';
	while (wl_json_next(text, strlen(text), &pos, &name, &value))
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%.*s=%.*s;",
		    (int)name.len, name.p, (int)value.len, value.p);
	return all;
}

static void
test_next(void)
{
	CU_ASSERT_STRING_EQUAL(members("{}"), "");
	CU_ASSERT_STRING_EQUAL(members(" { } "), "");
	CU_ASSERT_STRING_EQUAL(members("[{\"a\":1}]"), "");
	CU_ASSERT_STRING_EQUAL(members("{\"a\":1}"), "a=1;");
	CU_ASSERT_STRING_EQUAL(members(" {\"a\" : 1.5e-07 ,\n\"b\":{\"c\":"
	    "[1, \"}\"]},\"\":\"x,y\" , \"q\\\"\":null}"),
	    "a=1.5e-07;b={\"c\":[1, \"}\"]};=\"x,y\";q\\\"=null;");
}

static const char *
elements(const char *text)
{
	static char all[256];
	struct wl_str value;
	size_t pos = 0, n = 0;

	all[0] = '\0';
	while (wl_json_item(text, strlen(text), &pos, &value))
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%.*s;",
		    (int)value.len, value.p);
	return all;
}

static void
test_items(void)
{
	CU_ASSERT_STRING_EQUAL(elements("[]"), "");
	CU_ASSERT_STRING_EQUAL(elements(" [ ] "), "");
	CU_ASSERT_STRING_EQUAL(elements("{\"a\":[1]}"), "");
	CU_ASSERT_STRING_EQUAL(elements("\"[1]\""), "");
	CU_ASSERT_STRING_EQUAL(elements("[1]"), "1;");
	CU_ASSERT_STRING_EQUAL(elements(" [ {\"a\":[1,\"]\"]} ,\n\"x,y\" ,"
	    "null,[[],[2]], -1e5 ] "),
	    "{\"a\":[1,\"]\"]};\"x,y\";null;[[],[2]];-1e5;");
}

/*
 * Eight bytes are looked at in one step: what needs a look must be found at
 * every place of it, and near the end.
 */
static void
test_plain_runs(void)
{
	static const struct {
		const char	*byte, *quoted;
	} rows[] = {
		{ "\"", "\\\"" }, { "\\", "\\\\" }, { "\n", "\\n" },
		{ "\x01", "\\u0001" }, { "\x1f", "\\u001f" },
		{ "\x7f", "\x7f" }, { " ", " " }, { "\xc3\xa9", "\xc3\xa9" },
		{ "\xff", "\xef\xbf\xbd" }, { "\x80", "\xef\xbf\xbd" },
	};
	char text[64], want[64];
	struct wl_buf b;
	size_t i, at, len;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (len = 1; len < 28; len++)
			for (at = 0; at < len; at++) {
				snprintf(text, sizeof(text), "%.*s%s%.*s",
				    (int)at, "abcdefghijklmnopqrstuvwxyz~",
				    rows[i].byte, (int)(len - 1 - at),
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ!");
				snprintf(want, sizeof(want), "\"%.*s%s%.*s\"",
				    (int)at, "abcdefghijklmnopqrstuvwxyz~",
				    rows[i].quoted, (int)(len - 1 - at),
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ!");
				wl_buf_init(&b, 0);
				wl_json_quote(&b, text, strlen(text));
				CU_ASSERT_STRING_EQUAL(b.p, want);
				CU_ASSERT_EQUAL(wl_json_scan(b.p, b.len, 1),
				    WL_JSON_OK);
				wl_buf_free(&b);
				CU_ASSERT_EQUAL(wl_json_plain(text,
				    strlen(text)), i == 5 || i == 6 ? len : at);
			}
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "documents", test_good },
		{ "what is no document", test_bad },
		{ "every prefix of a document", test_every_prefix },
		{ "nesting", test_depth },
		{ "number of tokens", test_tokens },
		{ "a large string", test_large_text },
		{ "a large text in a coroutine",
		    test_large_text_in_a_coroutine },
		{ "the document null", test_null_document },
		{ "types of members", test_readers },
		{ "integers are never clamped", test_integers },
		{ "doubles", test_doubles },
		{ "strings", test_strings },
		{ "finding a member", test_find },
		{ "finding a member written with escapes", test_find_escaped },
		{ "the last of equal members counts", test_find_last },
		{ "members one by one", test_next },
		{ "elements one by one", test_items },
		{ "runs of plain text", test_plain_runs },
		{ "a full arena", test_arena_is_full },
		{ NULL, NULL }
	};
	int ret;

	if ((arena = wl_arena_new(256 << 20)) == NULL)
		return 99;
	ret = wl_tap_run("json", tests);
	wl_arena_free(arena);
	return ret;
}
