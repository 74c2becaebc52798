/*
 * Arenas: limits, alignment, what is kept over a reset, the order of releases.
 */
#include "config.h"
#include "lib/base/arena.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static char order[16];

static void
note(void *p)
{
	strncat(order, p, sizeof(order) - strlen(order) - 1);
}

static void
test_zeroed_and_aligned(void)
{
	struct wl_arena *a = wl_arena_new(1 << 20);
	static const char zero[300];
	size_t len;
	char *p;
	int round;

	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	for (round = 0; round < 3; round++) {
		for (len = 0; len < sizeof(zero); len++) {
			p = wl_arena_alloc(a, len);
			CU_ASSERT_PTR_NOT_NULL_FATAL(p);
			CU_ASSERT_EQUAL((uintptr_t)p % _Alignof(max_align_t), 0);
			CU_ASSERT_EQUAL(memcmp(p, zero, len), 0);
			memset(p, 0xa5, len);
		}
		wl_arena_reset(a);
		CU_ASSERT_EQUAL(wl_arena_used(a), 0);
	}
	wl_arena_free(a);
}

static void
test_limit(void)
{
	struct wl_arena *a = wl_arena_new(64 * 1024);
	size_t total = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	errno = 0;
	CU_ASSERT_PTR_NULL(wl_arena_alloc(a, 64 * 1024 + 1));
	CU_ASSERT_EQUAL(errno, ENOMEM);
	CU_ASSERT_PTR_NULL(wl_arena_alloc(a, SIZE_MAX));
	CU_ASSERT_PTR_NULL(wl_arena_dup(a, "", SIZE_MAX));
	while (wl_arena_alloc(a, 100) != NULL)
		total += 100;
	CU_ASSERT(total <= 64 * 1024);
	CU_ASSERT(total >= 48 * 1024);
	wl_arena_reset(a);
	CU_ASSERT_PTR_NOT_NULL(wl_arena_alloc(a, 40 * 1024));
	CU_ASSERT_PTR_NULL(wl_arena_alloc(a, 40 * 1024));
	CU_ASSERT_PTR_NOT_NULL(wl_arena_alloc(a, 8));
	wl_arena_free(a);
}

static void
test_tiny_limit(void)
{
	struct wl_arena *a = wl_arena_new(0);

	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	CU_ASSERT_PTR_NULL(wl_arena_alloc(a, 1));
	wl_arena_free(a);
	wl_arena_free(NULL);
}

static void
test_big_and_small_mixed(void)
{
	struct wl_arena *a = wl_arena_new(8 << 20);
	char *big[8], *small[8];
	int i, round;

	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 8; i++) {
			big[i] = wl_arena_alloc(a, 300 * 1024);
			small[i] = wl_arena_alloc(a, 10);
			CU_ASSERT_PTR_NOT_NULL_FATAL(big[i]);
			CU_ASSERT_PTR_NOT_NULL_FATAL(small[i]);
			memset(big[i], 'a' + i, 300 * 1024);
			memset(small[i], 'A' + i, 10);
		}
		for (i = 0; i < 8; i++) {
			CU_ASSERT_EQUAL(big[i][0], 'a' + i);
			CU_ASSERT_EQUAL(big[i][300 * 1024 - 1], 'a' + i);
			CU_ASSERT_EQUAL(small[i][9], 'A' + i);
		}
		wl_arena_reset(a);
	}
	wl_arena_free(a);
}

static void
test_copies(void)
{
	struct wl_arena *a = wl_arena_new(1 << 20);
	char *s;
	size_t n;

	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	s = wl_arena_dup(a, "a\0b", 3);
	CU_ASSERT_EQUAL(memcmp(s, "a\0b", 4), 0);
	CU_ASSERT_STRING_EQUAL(wl_arena_dup(a, NULL, 0), "");
	CU_ASSERT_STRING_EQUAL(wl_arena_strdup(a, "text"), "text");
	CU_ASSERT_STRING_EQUAL(wl_arena_printf(a, "%d-%s", 7, "x"), "7-x");
	for (n = 120; n < 140; n++) {
		s = wl_arena_printf(a, "%*d", (int)n, 1);
		CU_ASSERT_EQUAL(strlen(s), n);
		CU_ASSERT(s[n - 1] == '1' && s[n - 2] == ' ');
	}
	s = wl_arena_printf(a, "%*d", 20000, 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(strlen(s), 20000);
	wl_arena_free(a);
}

static struct wl_arena *current;

static void
note_and_register(void *p)
{
	static char z[] = "z";

	note(p);
	CU_ASSERT_EQUAL(wl_arena_defer(current, note, z), 0);
}

static void
test_releases(void)
{
	static char one[] = "1", two[] = "2", three[] = "3";
	struct wl_arena *a = wl_arena_new(1 << 20);

	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	order[0] = '\0';
	CU_ASSERT_EQUAL(wl_arena_defer(a, note, one), 0);
	CU_ASSERT_EQUAL(wl_arena_defer(a, note, two), 0);
	CU_ASSERT_EQUAL(wl_arena_defer(a, note, three), 0);
	CU_ASSERT_STRING_EQUAL(order, "");
	wl_arena_reset(a);
	CU_ASSERT_STRING_EQUAL(order, "321");
	wl_arena_reset(a);
	CU_ASSERT_STRING_EQUAL(order, "321");
	CU_ASSERT_EQUAL(wl_arena_defer(a, note, one), 0);
	wl_arena_free(a);
	CU_ASSERT_STRING_EQUAL(order, "3211");
}

static void
test_release_that_registers(void)
{
	static char one[] = "1";

	current = wl_arena_new(1 << 20);
	CU_ASSERT_PTR_NOT_NULL_FATAL(current);
	order[0] = '\0';
	CU_ASSERT_EQUAL(wl_arena_defer(current, note_and_register, one), 0);
	wl_arena_free(current);
	CU_ASSERT_STRING_EQUAL(order, "1z");
}

static void
test_release_without_memory(void)
{
	static char one[] = "1";
	struct wl_arena *a = wl_arena_new(0);

	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	order[0] = '\0';
	CU_ASSERT_EQUAL(wl_arena_defer(a, note, one), -1);
	CU_ASSERT_STRING_EQUAL(order, "1");
	wl_arena_free(a);
	CU_ASSERT_STRING_EQUAL(order, "1");
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "pieces are zeroed and aligned", test_zeroed_and_aligned },
		{ "the limit holds", test_limit },
		{ "a limit of nothing", test_tiny_limit },
		{ "large and small pieces", test_big_and_small_mixed },
		{ "copies", test_copies },
		{ "releases run last first, once", test_releases },
		{ "a release may register another", test_release_that_registers },
		{ "a release that has no room runs at once",
		    test_release_without_memory },
		{ NULL, NULL }
	};

	return wl_tap_run("arena", tests);
}
