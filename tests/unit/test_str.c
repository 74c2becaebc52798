/*
 * Pieces of text.
 */
#include "config.h"
#include "lib/base/str.h"
#include "tests/unit/tap.h"

#include <string.h>

static void
test_compare(void)
{
	CU_ASSERT_TRUE(wl_str_eq(WL_STR("abc"), "abc"));
	CU_ASSERT_FALSE(wl_str_eq(WL_STR("abc"), "ab"));
	CU_ASSERT_FALSE(wl_str_eq(WL_STR("ab"), "abc"));
	CU_ASSERT_FALSE(wl_str_eq(WL_STR("a\0c"), "a"));
	CU_ASSERT_TRUE(wl_str_eq(wl_str_of(NULL), ""));
	CU_ASSERT_TRUE(wl_str_ieq(WL_STR("Content-TYPE"), "content-type"));
	CU_ASSERT_FALSE(wl_str_ieq(WL_STR("abc"), "abcd"));
	CU_ASSERT_FALSE(wl_str_ieq(WL_STR("abcd"), "abc"));
	CU_ASSERT_FALSE(wl_str_ieq(WL_STR("@["), "`{"));
	CU_ASSERT_TRUE(wl_str_ieq(wl_str_of(NULL), ""));
	CU_ASSERT_TRUE(wl_str_prefix(WL_STR("Bearer x"), "Bearer "));
	CU_ASSERT_FALSE(wl_str_prefix(WL_STR("Bear"), "Bearer "));
	CU_ASSERT_TRUE(wl_str_prefix(wl_str_of(NULL), ""));
}

static void
test_trim(void)
{
	CU_ASSERT_TRUE(wl_str_eq(wl_str_trim(WL_STR(" \ta b\t ")), "a b"));
	CU_ASSERT_TRUE(wl_str_eq(wl_str_trim(WL_STR(" \t ")), ""));
	CU_ASSERT_TRUE(wl_str_eq(wl_str_trim(WL_STR("\nx")), "\nx"));
	CU_ASSERT_TRUE(wl_str_eq(wl_str_trim(wl_str_of(NULL)), ""));
}

static void
test_cut(void)
{
	struct wl_str rest = WL_STR("a,,b");

	CU_ASSERT_TRUE(wl_str_eq(wl_str_cut(&rest, ','), "a"));
	CU_ASSERT_TRUE(wl_str_eq(wl_str_cut(&rest, ','), ""));
	CU_ASSERT_PTR_NOT_NULL(rest.p);
	CU_ASSERT_TRUE(wl_str_eq(wl_str_cut(&rest, ','), "b"));
	CU_ASSERT_PTR_NULL(rest.p);
	CU_ASSERT_EQUAL(rest.len, 0);
	rest = WL_STR("a,");
	CU_ASSERT_TRUE(wl_str_eq(wl_str_cut(&rest, ','), "a"));
	CU_ASSERT_PTR_NOT_NULL(rest.p);		/* an empty piece follows */
	CU_ASSERT_TRUE(wl_str_eq(wl_str_cut(&rest, ','), ""));
	CU_ASSERT_PTR_NULL(rest.p);
}

static void
test_copy(void)
{
	char s[6] = "?????";

	CU_ASSERT_TRUE(wl_strlcpy(s, "12345", sizeof(s)));
	CU_ASSERT_STRING_EQUAL(s, "12345");
	CU_ASSERT_FALSE(wl_strlcpy(s, "123456", sizeof(s)));
	CU_ASSERT_STRING_EQUAL(s, "12345");
	CU_ASSERT_FALSE(wl_strlcpy(s, "123\xe2\x82\xac", sizeof(s)));
	CU_ASSERT_STRING_EQUAL(s, "123");
	CU_ASSERT_FALSE(wl_strlcpy(s, "x", 1));
	CU_ASSERT_STRING_EQUAL(s, "");
	CU_ASSERT_FALSE(wl_strlcpy(NULL, "x", 0));
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "comparing", test_compare },
		{ "trimming", test_trim },
		{ "cutting at a separator", test_cut },
		{ "bounded copy", test_copy },
		{ NULL, NULL }
	};

	return wl_tap_run("str", tests);
}
