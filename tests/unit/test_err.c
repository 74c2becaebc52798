/*
 * Errors: the table is whole, 401 says nothing, texts are cut cleanly.
 */
#include "config.h"
#include "lib/base/err.h"
#include "lib/base/utf8.h"
#include "tests/unit/tap.h"

#include <string.h>

static void
test_table(void)
{
	const struct wl_err_row *r;
	int i, k;

	for (i = 1; i < WL_CODE_MAX; i++) {
		r = wl_err_row((enum wl_code)i);
		CU_ASSERT(r->http >= 400 && r->http <= 599);
		CU_ASSERT_PTR_NOT_NULL_FATAL(r->word);
		CU_ASSERT(strlen(r->word) > 0);
		CU_ASSERT(strlen(r->type) > 0);
		CU_ASSERT(strlen(r->text) > 0);
		CU_ASSERT(strlen(r->text) < sizeof(((struct wl_err *)0)->msg));
		for (k = 1; k < i; k++)
			CU_ASSERT_STRING_NOT_EQUAL(r->word,
			    wl_err_row((enum wl_code)k)->word);
	}
	CU_ASSERT_PTR_EQUAL(wl_err_row((enum wl_code)9999),
	    wl_err_row(WL_E_INTERNAL));
}

static void
test_set(void)
{
	struct wl_err e;

	memset(&e, 0x55, sizeof(e));
	CU_ASSERT_EQUAL(wl_err_set(&e, WL_E_QUOTA, NULL), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_QUOTA);
	CU_ASSERT_EQUAL(e.http, 0);
	CU_ASSERT_EQUAL(e.retry_after, 0);
	CU_ASSERT_STRING_EQUAL(e.msg,
	    "Monthly quota exceeded. Upgrade your plan or wait until quota resets.");
	CU_ASSERT_STRING_EQUAL(e.detail, "");
	CU_ASSERT_PTR_NULL(e.param);
	CU_ASSERT_PTR_NULL(e.details);
	wl_err_set(&e, WL_E_RATE_LIMIT, "limit %d", 10);
	CU_ASSERT_STRING_EQUAL(e.msg, "limit 10");
}

static void
test_401_says_the_same(void)
{
	struct wl_err a, b, c;

	wl_err_set(&a, WL_E_MISSING_KEY, NULL);
	wl_err_set(&b, WL_E_INVALID_KEY, "revoked key %s", "lgw_proj_abc");
	wl_err_set(&c, WL_E_INVALID_KEY, "expired");
	CU_ASSERT_STRING_EQUAL(a.msg, b.msg);
	CU_ASSERT_STRING_EQUAL(b.msg, c.msg);
	CU_ASSERT_STRING_EQUAL(b.detail, "revoked key lgw_proj_abc");
}

static void
test_detail(void)
{
	struct wl_err e;
	int i;

	wl_err_set(&e, WL_E_UNAVAILABLE, NULL);
	CU_ASSERT_EQUAL(wl_err_detail(&e, "redis: %s", "away"), -1);
	CU_ASSERT_STRING_EQUAL(e.detail, "redis: away");
	wl_err_detail(&e, "pg too");
	CU_ASSERT_STRING_EQUAL(e.detail, "redis: away; pg too");
	for (i = 0; i < 200; i++)
		wl_err_detail(&e, "more");
	CU_ASSERT(strlen(e.detail) < sizeof(e.detail));
}

static void
test_cut(void)
{
	struct wl_err e;
	char text[1024];
	size_t i, shift;

	for (shift = 0; shift < 4; shift++) {
		memset(text, 'x', shift);
		for (i = shift; i + 4 < sizeof(text); i += 4)
			memcpy(text + i, "\xf0\x9f\x98\x80", 4);
		text[i] = '\0';
		wl_err_set(&e, WL_E_INVALID_REQUEST, "%s", text);
		CU_ASSERT_TRUE(wl_utf8_valid(e.msg, strlen(e.msg)));
		CU_ASSERT(strlen(e.msg) > sizeof(e.msg) - 8);
	}
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "every row is whole and its word its own", test_table },
		{ "setting clears what was there", test_set },
		{ "one text for every 401", test_401_says_the_same },
		{ "details add up within their room", test_detail },
		{ "long texts are cut between characters", test_cut },
		{ NULL, NULL }
	};

	return wl_tap_run("err", tests);
}
