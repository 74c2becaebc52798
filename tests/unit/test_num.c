/*
 * Numbers from text, and to it.
 */
#include "config.h"
#include "lib/base/num.h"
#include "tests/unit/tap.h"

#include <string.h>

static int
parse(const char *s, int64_t *v)
{
	return wl_num_parse(s, strlen(s), INT64_MIN, INT64_MAX, v);
}

static void
test_integers(void)
{
	static const char *const bad[] = {
		"", "-", "+1", " 1", "1 ", "1x", "0x10", "1.0", "1e3", "--1",
		"9223372036854775808", "-9223372036854775809",
		"99999999999999999999"
	};
	int64_t v = 42;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(parse(bad[i], &v), -1);
		CU_ASSERT_EQUAL(v, 42);
	}
	CU_ASSERT_EQUAL(parse("0", &v), 0);
	CU_ASSERT_EQUAL(v, 0);
	CU_ASSERT_EQUAL(parse("9223372036854775807", &v), 0);
	CU_ASSERT_EQUAL(v, INT64_MAX);
	CU_ASSERT_EQUAL(parse("-9223372036854775808", &v), 0);
	CU_ASSERT_EQUAL(v, INT64_MIN);
	CU_ASSERT_EQUAL(parse("007", &v), 0);
	CU_ASSERT_EQUAL(v, 7);
	CU_ASSERT_EQUAL(wl_num_parse("123", 2, 0, 99, &v), 0);
	CU_ASSERT_EQUAL(v, 12);
	CU_ASSERT_EQUAL(wl_num_parse("100", 3, 0, 99, &v), -1);
	CU_ASSERT_EQUAL(wl_num_parse("-1", 2, 0, 99, &v), -1);
}

static void
test_durations(void)
{
	static const struct {
		const char	*text;
		int64_t		 ms;
	} good[] = {
		{ "0", 0 }, { "3", 3000 }, { "250ms", 250 }, { "10s", 10000 },
		{ "5m", 300000 }, { "24h", 86400000 }, { "30d", 2592000000 },
		{ "9223372036854775807ms", INT64_MAX },
	};
	static const char *const bad[] = {
		"", "s", "-1s", "1.5s", "1 s", "1S", "1sec", "1w",
		"9223372036854775807s", "ms"
	};
	int64_t v;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CU_ASSERT_EQUAL(wl_num_duration(good[i].text, &v), 0);
		CU_ASSERT_EQUAL(v, good[i].ms);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(wl_num_duration(bad[i], &v), -1);
}

static void
test_sizes(void)
{
	static const char *const bad[] = {
		"", "k", "-1", "1.5m", "1 k", "1kb", "1t", "9000000000g"
	};
	int64_t v;
	size_t i;

	CU_ASSERT_EQUAL(wl_num_size("17", &v), 0);
	CU_ASSERT_EQUAL(v, 17);
	CU_ASSERT_EQUAL(wl_num_size("64k", &v), 0);
	CU_ASSERT_EQUAL(v, 65536);
	CU_ASSERT_EQUAL(wl_num_size("32M", &v), 0);
	CU_ASSERT_EQUAL(v, 33554432);
	CU_ASSERT_EQUAL(wl_num_size("1g", &v), 0);
	CU_ASSERT_EQUAL(v, 1073741824);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(wl_num_size(bad[i], &v), -1);
}

static void
test_put(void)
{
	static const struct {
		int64_t		 v;
		const char	*text;
	} rows[] = {
		{ 0, "0" }, { 7, "7" }, { -1, "-1" }, { 10, "10" },
		{ 1736001720, "1736001720" },
		{ INT64_MAX, "9223372036854775807" },
		{ INT64_MIN, "-9223372036854775808" },
	};
	char text[WL_NUM_LEN];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_EQUAL(wl_num_put(rows[i].v, text),
		    strlen(rows[i].text));
		CU_ASSERT_STRING_EQUAL(text, rows[i].text);
	}
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "integers", test_integers },
		{ "durations", test_durations },
		{ "sizes", test_sizes },
		{ "to text", test_put },
		{ NULL, NULL }
	};

	return wl_tap_run("num", tests);
}
