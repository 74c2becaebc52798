/*
 * Buffers: growth, the sticky failure, dropping.
 */
#include "config.h"
#include "lib/base/buf.h"
#include "tests/unit/tap.h"

#include <string.h>

static void
test_add(void)
{
	struct wl_buf b = { 0 };
	int i;

	wl_buf_add(&b, NULL, 0);
	CU_ASSERT_STRING_EQUAL(b.p, "");
	wl_buf_adds(&b, "ab");
	wl_buf_addc(&b, 'c');
	wl_buf_add(&b, "\0d", 2);
	wl_buf_printf(&b, "%d%s", 12, "x");
	CU_ASSERT_EQUAL(b.len, 8);
	CU_ASSERT_EQUAL(memcmp(b.p, "abc\0d12x", 9), 0);
	for (i = 0; i < 10000; i++)
		wl_buf_printf(&b, "%09d,", i);
	CU_ASSERT_FALSE(b.failed);
	CU_ASSERT_EQUAL(b.len, 8 + 100000);
	CU_ASSERT_STRING_EQUAL(b.p + b.len - 10, "000009999,");
	wl_buf_free(&b);
	CU_ASSERT_PTR_NULL(b.p);
}

static void
test_printf_longer_than_room(void)
{
	struct wl_buf b = { 0 };

	wl_buf_printf(&b, "%5000s", "end");
	CU_ASSERT_EQUAL(b.len, 5000);
	CU_ASSERT_STRING_EQUAL(b.p + 4997, "end");
	wl_buf_free(&b);
}

static void
test_limit(void)
{
	struct wl_buf b;

	wl_buf_init(&b, 10);
	wl_buf_adds(&b, "0123456789");
	CU_ASSERT_FALSE(b.failed);
	CU_ASSERT_STRING_EQUAL(b.p, "0123456789");
	wl_buf_addc(&b, 'x');
	CU_ASSERT_TRUE(b.failed);
	CU_ASSERT_STRING_EQUAL(b.p, "0123456789");
	wl_buf_drop(&b, 5);
	wl_buf_adds(&b, "y");
	CU_ASSERT_STRING_EQUAL(b.p, "56789");	/* failure sticks */
	wl_buf_reset(&b);
	CU_ASSERT_FALSE(b.failed);
	CU_ASSERT_STRING_EQUAL(b.p, "");
	wl_buf_printf(&b, "%11d", 1);
	CU_ASSERT_TRUE(b.failed);
	CU_ASSERT_EQUAL(b.len, 0);
	CU_ASSERT_STRING_EQUAL(b.p, "");
	wl_buf_free(&b);
}

static void
test_default_limit(void)
{
	static char chunk[1 << 20];
	struct wl_buf b = { 0 };
	int i;

	for (i = 0; i < 64; i++)
		wl_buf_add(&b, chunk, sizeof(chunk));
	CU_ASSERT_FALSE(b.failed);
	wl_buf_addc(&b, 'x');
	CU_ASSERT_TRUE(b.failed);
	CU_ASSERT_EQUAL(b.len, 64u << 20);
	wl_buf_free(&b);
}

static void
test_drop(void)
{
	struct wl_buf b = { 0 };

	wl_buf_drop(&b, 3);
	wl_buf_adds(&b, "abcdef");
	wl_buf_drop(&b, 2);
	CU_ASSERT_STRING_EQUAL(b.p, "cdef");
	wl_buf_drop(&b, 0);
	CU_ASSERT_STRING_EQUAL(b.p, "cdef");
	wl_buf_drop(&b, 100);
	CU_ASSERT_STRING_EQUAL(b.p, "");
	CU_ASSERT_EQUAL(b.len, 0);
	wl_buf_free(&b);
}

static void
test_int(void)
{
	struct wl_buf b;

	wl_buf_init(&b, 24);
	wl_buf_int(&b, 0);
	wl_buf_int(&b, INT64_MIN);
	CU_ASSERT_STRING_EQUAL(b.p, "0-9223372036854775808");
	wl_buf_int(&b, 1000);
	CU_ASSERT(b.failed);
	wl_buf_free(&b);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "appending", test_add },
		{ "formatted text longer than the room", test_printf_longer_than_room },
		{ "a failure sticks until reset", test_limit },
		{ "the limit when none is given", test_default_limit },
		{ "dropping", test_drop },
		{ "integers", test_int },
		{ NULL, NULL }
	};

	return wl_tap_run("buf", tests);
}
