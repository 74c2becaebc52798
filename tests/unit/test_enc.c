/*
 * Encodings: vectors, round trips, and what must be refused.
 */
#include "config.h"
#include "lib/base/enc.h"
#include "tests/unit/tap.h"

#include <string.h>

static void
test_hex(void)
{
	char s[9];
	uint8_t b[4];

	wl_hex("\x00\x7f\x80\xff", 4, s);
	CU_ASSERT_STRING_EQUAL(s, "007f80ff");
	CU_ASSERT_EQUAL(wl_unhex("007F80fF", 8, b), 0);
	CU_ASSERT_EQUAL(memcmp(b, "\x00\x7f\x80\xff", 4), 0);
	CU_ASSERT_EQUAL(wl_unhex("0", 1, b), -1);
	CU_ASSERT_EQUAL(wl_unhex("0g", 2, b), -1);
	CU_ASSERT_EQUAL(wl_unhex("", 0, b), 0);
}

static void
test_base62(void)
{
	char s[12];

	wl_base62(0, s, 6);
	CU_ASSERT_STRING_EQUAL(s, "000000");
	wl_base62(61, s, 2);
	CU_ASSERT_STRING_EQUAL(s, "0z");
	wl_base62(62, s, 2);
	CU_ASSERT_STRING_EQUAL(s, "10");
	wl_base62(0xffffffff, s, 6);
	CU_ASSERT_STRING_EQUAL(s, "4gfFC3");
	wl_base62(UINT64_MAX, s, 11);
	CU_ASSERT_STRING_EQUAL(s, "LygHa16AHYF");
}

static void
test_base64(void)
{
	/* RFC 4648, section 10 */
	static const char *const v[][2] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
		{ "\xff\xef\xbe", "/+++" },
	};
	char s[16], back[16];
	size_t i, len;

	for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		len = strlen(v[i][0]);
		wl_base64(v[i][0], len, s);
		CU_ASSERT_STRING_EQUAL(s, v[i][1]);
		CU_ASSERT_EQUAL(wl_unbase64(s, strlen(s), back, len),
		    (ssize_t)len);
		CU_ASSERT_EQUAL(memcmp(back, v[i][0], len), 0);
		if (len > 0)
			CU_ASSERT_EQUAL(wl_unbase64(s, strlen(s), back,
			    len - 1), -1);
	}
}

static void
test_bad_base64(void)
{
	static const char *const bad[] = {
		"Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zh==", "Zm9=",
		"Zm9v\n", " m9v", "Zm-v", "Zm_v", "Z=9v", "=m9v"
	};
	char out[16];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(wl_unbase64(bad[i], strlen(bad[i]), out,
		    sizeof(out)), -1);
}

static void
test_percent(void)
{
	static const char *const bad[] = {
		"%", "%2", "a%", "%zz", "%0", "%00", "%2f", "%2F", "%5c", "%5C",
		"%%41"
	};
	char out[64];
	size_t i;

	CU_ASSERT_EQUAL(wl_percent_decode("/a%20b%C3%a9+%25", 16, out), 8);
	CU_ASSERT_STRING_EQUAL(out, "/a b\xc3\xa9+%");
	/* once only */
	CU_ASSERT_EQUAL(wl_percent_decode("%252f", 5, out), 3);
	CU_ASSERT_STRING_EQUAL(out, "%2f");
	CU_ASSERT_EQUAL(wl_percent_decode("", 0, out), 0);
	CU_ASSERT_STRING_EQUAL(out, "");
	/* the length counts, not a byte behind it */
	CU_ASSERT_EQUAL(wl_percent_decode("%41", 2, out), -1);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(wl_percent_decode(bad[i], strlen(bad[i]), out),
		    -1);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "hex", test_hex },
		{ "base62", test_base62 },
		{ "base64", test_base64 },
		{ "malformed base64", test_bad_base64 },
		{ "percent", test_percent },
		{ NULL, NULL }
	};

	return wl_tap_run("enc", tests);
}
