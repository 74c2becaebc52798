/*
 * Money: exact products, one rounding, half to even.
 */
#include "config.h"
#include "lib/base/money.h"
#include "tests/unit/tap.h"

#include <string.h>

static int64_t
cost(int64_t tokens, int64_t nano_per_mtok)
{
	struct wl_money m = { 0 };

	wl_money_add(&m, tokens, nano_per_mtok);
	return wl_money_round(&m);
}

static void
test_rounding(void)
{
	CU_ASSERT_EQUAL(cost(1000, 150000000), 150000);	/* $0.15/M */
	CU_ASSERT_EQUAL(cost(1, 500000), 0);		/* 0.5 to even */
	CU_ASSERT_EQUAL(cost(1, 1500000), 2);
	CU_ASSERT_EQUAL(cost(1, 2500000), 2);
	CU_ASSERT_EQUAL(cost(1, 500001), 1);
	CU_ASSERT_EQUAL(cost(1, 499999), 0);
	CU_ASSERT_EQUAL(cost(1, -1500000), -2);
	CU_ASSERT_EQUAL(cost(1, -2500000), -2);
	CU_ASSERT_EQUAL(cost(-5, 1500000), 0);
	CU_ASSERT_EQUAL(cost(INT64_MAX, 1000000), 1000000000);	/* capped */
	CU_ASSERT_EQUAL(cost(1000000000, INT64_MAX), INT64_MAX);
	CU_ASSERT_EQUAL(cost(1000000000, INT64_MIN), -INT64_MAX);
}

static void
test_one_rounding_of_a_sum(void)
{
	struct wl_money m = { 0 };
	int i;

	/* each alone would round to 0 */
	for (i = 0; i < 4; i++)
		wl_money_add(&m, 1, 400000);
	CU_ASSERT_EQUAL(wl_money_round(&m), 2);
}

static int64_t
parse(const char *s, int64_t scale)
{
	int64_t v = -777;

	return wl_money_parse(s, strlen(s), scale, &v) == -1 ? -999 : v;
}

static void
test_parse(void)
{
	const int64_t n = 1000000000;

	CU_ASSERT_EQUAL(parse("0.15", n), 150000000);
	CU_ASSERT_EQUAL(parse("15", n), 15 * n);
	CU_ASSERT_EQUAL(parse("15.", n), 15 * n);
	CU_ASSERT_EQUAL(parse(".5", n), 500000000);
	CU_ASSERT_EQUAL(parse("1e-7", n), 100);
	CU_ASSERT_EQUAL(parse("1.5E-07", n), 150);
	CU_ASSERT_EQUAL(parse("2.5e+1", n), 25 * n);
	CU_ASSERT_EQUAL(parse("-0.25", n), -250000000);
	CU_ASSERT_EQUAL(parse("0", n), 0);
	CU_ASSERT_EQUAL(parse("0e99999999", n), 0);
	CU_ASSERT_EQUAL(parse("1e-99999999", n), 0);
	CU_ASSERT_EQUAL(parse("0.0000000005", n), 0);	/* half to even */
	CU_ASSERT_EQUAL(parse("0.0000000015", n), 2);
	CU_ASSERT_EQUAL(parse("0.0000000025", n), 2);
	CU_ASSERT_EQUAL(parse("0.00000000250000000000000000000000001", n), 3);
	CU_ASSERT_EQUAL(parse("0.00000000000000000000000000000000000000001", n),
	    0);
	CU_ASSERT_EQUAL(parse("9223372036.854775807", n), INT64_MAX);
	CU_ASSERT_EQUAL(parse("9223372036854775807", 1), INT64_MAX);
	CU_ASSERT_EQUAL(parse("00000000000000000000000000000000012", 1), 12);
	CU_ASSERT_EQUAL(parse("12.00000000000000000000000000000000000", 1), 12);
	CU_ASSERT_EQUAL(parse("1.0000000000000000000000000000001e3", n),
	    1000 * n);
}

static void
test_parse_refuses(void)
{
	static const char *const bad[] = {
		"", ".", "-", "e5", "1e", "1e+", "1e5x", "1.2.3", "1,5", " 1",
		"1 ", "+1", "NaN", "inf", "0x1p3", "9223372036.854775808",
		"1e30", "1e99999999", "99999999999999999999999999999999999999"
	};
	char longest[5000];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(parse(bad[i], 1000000000), -999);
	memset(longest, '0', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	CU_ASSERT_EQUAL(parse(longest, 1), -999);
}

static void
test_usd(void)
{
	char s[32];

	/* 0.00003083 dollars a second */
	wl_money_usd_each(30830000000, s);
	CU_ASSERT_STRING_EQUAL(s, "0.000030830000000");
	wl_money_usd_each(INT64_MAX, s);
	CU_ASSERT_STRING_EQUAL(s, "9223.372036854775807");
	wl_money_usd(123000, s);
	CU_ASSERT_STRING_EQUAL(s, "0.000123000");
	wl_money_usd(0, s);
	CU_ASSERT_STRING_EQUAL(s, "0.000000000");
	wl_money_usd(-1, s);
	CU_ASSERT_STRING_EQUAL(s, "-0.000000001");
	wl_money_usd(INT64_MAX, s);
	CU_ASSERT_STRING_EQUAL(s, "9223372036.854775807");
	wl_money_usd(INT64_MIN, s);
	CU_ASSERT_STRING_EQUAL(s, "-9223372036.854775808");
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "half to even, capped, saturated", test_rounding },
		{ "a sum is rounded once", test_one_rounding_of_a_sum },
		{ "decimal amounts", test_parse },
		{ "what is no amount", test_parse_refuses },
		{ "printing", test_usd },
		{ NULL, NULL }
	};

	return wl_tap_run("money", tests);
}
