/*
 * UTF-8 against the table of RFC 3629, all code points, and cutting.
 */
#include "config.h"
#include "lib/base/utf8.h"
#include "tests/unit/tap.h"

#include <string.h>

#define VALID(s)	wl_utf8_valid(s, sizeof(s) - 1)

static void
test_every_code_point(void)
{
	unsigned cp, bad = 0;
	char s[4];
	size_t n;

	for (cp = 0; cp <= 0x10ffff; cp++) {
		n = wl_utf8_put(cp, s);
		bad += wl_utf8_seq(s, n) !=
		    (cp >= 0xd800 && cp <= 0xdfff ? 0 : n);
		/* a sequence that is cut short is none */
		if (n > 1)
			bad += wl_utf8_seq(s, n - 1) != 0;
	}
	CU_ASSERT_EQUAL(bad, 0);
}

/*
 * The accepted two-byte beginnings, counted by hand from the RFC's table.
 */
static void
test_number_of_sequences(void)
{
	unsigned count = 0, i;
	char s[4];

	for (i = 0; i < 1u << 24; i++) {
		s[0] = (char)(i >> 16);
		if ((unsigned char)s[0] < 0xe0 || (unsigned char)s[0] > 0xef)
			continue;
		s[1] = (char)(i >> 8);
		s[2] = (char)i;
		count += wl_utf8_seq(s, 3) == 3;
	}
	CU_ASSERT_EQUAL(count, 0x10000 - 0x800 - 0x800);
}

static void
test_invalid(void)
{
	CU_ASSERT_TRUE(VALID(""));
	CU_ASSERT_TRUE(VALID("a\0b"));
	CU_ASSERT_TRUE(VALID("twelve bytes \xf0\x9f\x98\x80 more"));
	CU_ASSERT_FALSE(VALID("\x80"));
	CU_ASSERT_FALSE(VALID("\xc0\xaf"));		/* overlong */
	CU_ASSERT_FALSE(VALID("\xc1\xbf"));
	CU_ASSERT_FALSE(VALID("\xe0\x80\xaf"));
	CU_ASSERT_FALSE(VALID("\xf0\x80\x80\xaf"));
	CU_ASSERT_FALSE(VALID("\xed\xa0\x80"));		/* surrogate */
	CU_ASSERT_FALSE(VALID("\xf4\x90\x80\x80"));	/* above 10ffff */
	CU_ASSERT_FALSE(VALID("\xf5\x80\x80\x80"));
	CU_ASSERT_FALSE(VALID("\xff"));
	CU_ASSERT_FALSE(VALID("12345678\xe2\x82"));
	CU_ASSERT_FALSE(VALID("1234567\xe2\x28\xa1"));
}

static void
test_cut(void)
{
	static const char s[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
	static const size_t want[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11 };
	size_t max;

	for (max = 0; max < sizeof(want) / sizeof(want[0]); max++)
		CU_ASSERT_EQUAL(wl_utf8_cut(s, sizeof(s) - 1, max), want[max]);
	/* bytes that are no UTF-8 are cut where asked */
	CU_ASSERT_EQUAL(wl_utf8_cut("\x80\x80\x80\x80\x80\x80", 6, 5), 5);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "every code point", test_every_code_point },
		{ "the number of three-byte sequences",
		    test_number_of_sequences },
		{ "malformed text", test_invalid },
		{ "cutting", test_cut },
		{ NULL, NULL }
	};

	return wl_tap_run("utf8", tests);
}
