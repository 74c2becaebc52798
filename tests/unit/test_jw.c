/*
 * The JSON writer: what it writes, and that it reads back.
 */
#include "config.h"
#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "tests/unit/tap.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void
test_nesting(void)
{
	struct wl_buf b = { 0 };
	struct wl_jw w;

	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_str(&w, "a", "x");
	wl_jw_str(&w, "b", NULL);
	wl_jw_arr(&w, "c");
	wl_jw_int(&w, NULL, INT64_MIN);
	wl_jw_bool(&w, NULL, true);
	wl_jw_obj(&w, NULL);
	wl_jw_end(&w, '}');
	wl_jw_arr(&w, NULL);
	wl_jw_end(&w, ']');
	wl_jw_end(&w, ']');
	wl_jw_raw(&w, "d", "[1]", 3);
	wl_jw_null(&w, "e\"");
	wl_jw_strn(&w, "f", "a\0b", 3);
	wl_jw_num(&w, "g", 0.1);
	wl_jw_end(&w, '}');
	CU_ASSERT_FALSE(b.failed);
	CU_ASSERT_STRING_EQUAL(b.p, "{\"a\":\"x\",\"b\":null,"
	    "\"c\":[-9223372036854775808,true,{},[]],\"d\":[1],"
	    "\"e\\\"\":null,\"f\":\"a\\u0000b\",\"g\":0.1}");
	wl_buf_free(&b);
}

static void
test_too_deep(void)
{
	struct wl_buf b = { 0 };
	struct wl_jw w;
	int i;

	wl_jw_init(&w, &b);
	for (i = 0; i < 63; i++)
		wl_jw_arr(&w, NULL);
	CU_ASSERT_FALSE(b.failed);
	wl_jw_arr(&w, NULL);
	CU_ASSERT_TRUE(b.failed);
	wl_buf_free(&b);
}

static void
test_numbers(void)
{
	static const double v[] = {
		0, -0.5, 1e300, 5e-324, DBL_MAX, DBL_EPSILON, 1.0 / 3, 123456789,
		0.95, 1e15, 1e22
	};
	struct wl_buf b = { 0 };
	struct wl_jw w;
	size_t i;

	for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		wl_buf_reset(&b);
		wl_jw_init(&w, &b);
		wl_jw_num(&w, NULL, v[i]);
		CU_ASSERT_EQUAL(strtod(b.p, NULL), v[i]);
		CU_ASSERT_EQUAL(wl_json_scan(b.p, b.len, 0), WL_JSON_OK);
	}
	wl_buf_reset(&b);
	wl_jw_init(&w, &b);
	wl_jw_arr(&w, NULL);
	wl_jw_num(&w, NULL, NAN);
	wl_jw_num(&w, NULL, -INFINITY);
	wl_jw_num(&w, NULL, 0.95);
	wl_jw_end(&w, ']');
	CU_ASSERT_STRING_EQUAL(b.p, "[null,null,0.95]");
	wl_buf_free(&b);
}

/*
 * Every pair of bytes, and longer text with each byte in the middle, reads
 * back as it was, or with U+FFFD where it was no UTF-8.
 */
static void
test_quote_reads_back(void)
{
	struct wl_arena *a = wl_arena_new(1 << 20);
	struct json_object *o;
	struct wl_buf b = { 0 };
	struct wl_str s;
	unsigned i, wrong = 0;
	char in[11];

	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	for (i = 0; i < 65536; i++) {
		memcpy(in, "abcd", 4);
		in[4] = (char)(i >> 8);
		in[5] = (char)i;
		memcpy(in + 6, "efghi", 5);
		wl_buf_reset(&b);
		wl_buf_adds(&b, "{\"k\":");
		wl_json_quote(&b, in, sizeof(in));
		wl_buf_addc(&b, '}');
		o = wl_json_parse(a, b.p, b.len, NULL);
		if (!wl_json_str(o, "k", &s))
			wrong++;
		else if (wl_utf8_valid(in, sizeof(in)))
			wrong += s.len != sizeof(in) ||
			    memcmp(s.p, in, s.len) != 0;
		else
			wrong += memmem(s.p, s.len, "\xef\xbf\xbd", 3) == NULL;
		wl_arena_reset(a);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	wl_buf_reset(&b);
	wl_json_quote(&b, "", 0);
	CU_ASSERT_STRING_EQUAL(b.p, "\"\"");
	wl_buf_free(&b);
	wl_arena_free(a);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "nesting and commas", test_nesting },
		{ "too deep", test_too_deep },
		{ "numbers read back", test_numbers },
		{ "strings read back", test_quote_reads_back },
		{ NULL, NULL }
	};

	return wl_tap_run("jw", tests);
}
