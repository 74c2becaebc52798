/*
 * Random bytes and identifiers.
 */
#include "config.h"
#include "lib/base/rand.h"
#include "tests/unit/tap.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
test_bytes(void)
{
	static unsigned char b[100000];
	size_t count[256] = { 0 }, i;

	wl_rand(b, sizeof(b));
	for (i = 0; i < sizeof(b); i++)
		count[b[i]]++;
	/* 390 expected of each; 10 standard deviations either way */
	for (i = 0; i < 256; i++)
		CU_ASSERT(count[i] > 190 && count[i] < 590);
	wl_rand(b, 0);
}

static void
test_below(void)
{
	unsigned count[6] = { 0 }, i;

	for (i = 0; i < 6000; i++)
		count[wl_rand_below(6)]++;
	for (i = 0; i < 6; i++)
		CU_ASSERT(count[i] > 700 && count[i] < 1300);
	for (i = 0; i < 100; i++) {
		CU_ASSERT_EQUAL(wl_rand_below(1), 0);
		CU_ASSERT(wl_rand_below(0x80000001u) <= 0x80000000u);
	}
}

static void
test_base62(void)
{
	char s[2001], t[33];
	int seen[256] = { 0 }, kinds = 0;
	size_t i;

	wl_rand_base62(s, 2000);
	CU_ASSERT_EQUAL(strlen(s), 2000);
	for (i = 0; i < 2000; i++)
		kinds += seen[(unsigned char)s[i]]++ == 0;
	CU_ASSERT_EQUAL(kinds, 62);
	wl_rand_base62(t, 32);
	CU_ASSERT_EQUAL(strlen(t), 32);
	CU_ASSERT_EQUAL(strspn(t, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz"), 32);
	wl_rand_base62(t, 0);
	CU_ASSERT_STRING_EQUAL(t, "");
}

static void
test_uuid_increases(void)
{
	const int64_t ms = 0x0192a5b4c3d2;
	char last[37] = "", id[37];
	int i;

	for (i = 0; i < 20000; i++) {
		/* many in one ms, and the clock goes back */
		wl_uuid7(i % 1000 == 999 ? ms - 5000 : ms + i / 5000, id);
		CU_ASSERT_TRUE(wl_uuid_valid(id, strlen(id)));
		CU_ASSERT(strcmp(last, id) < 0);
		CU_ASSERT_EQUAL(id[14], '7');
		CU_ASSERT_PTR_NOT_NULL(strchr("89ab", id[19]));
		memcpy(last, id, sizeof(last));
	}
	wl_uuid7(0x0192ffffffff, id);
	CU_ASSERT_EQUAL(strncmp(id, "0192ffff-ffff-7", 15), 0);
}

#define PER_THREAD	20000

static void *
make_ids(void *arg)
{
	char (*ids)[37] = arg;
	int i;

	for (i = 0; i < PER_THREAD; i++)
		wl_uuid7(0x0193000000000, ids[i]);
	return NULL;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
test_uuid_in_threads(void)
{
	char (*ids)[37] = calloc(4 * PER_THREAD, 37);
	pthread_t t[4];
	int i, same = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(ids);
	for (i = 0; i < 4; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, make_ids,
		    ids + i * PER_THREAD), 0);
	for (i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	qsort(ids, 4 * PER_THREAD, 37, compare);
	for (i = 1; i < 4 * PER_THREAD; i++)
		same += strncmp(ids[i - 1], ids[i], 18) == 0;
	CU_ASSERT_EQUAL(same, 0);
	free(ids);
}

static void
test_uuid_valid(void)
{
	static const char good[] = "0192a5b4-c3d2-7abc-8DEF-0123456789ab";
	char s[37];
	size_t i;

	CU_ASSERT_TRUE(wl_uuid_valid(good, 36));
	CU_ASSERT_FALSE(wl_uuid_valid(good, 35));
	CU_ASSERT_FALSE(wl_uuid_valid(good, 37));
	for (i = 0; i < 36; i++) {
		memcpy(s, good, sizeof(s));
		s[i] = s[i] == '-' ? 'a' : '-';
		CU_ASSERT_FALSE(wl_uuid_valid(s, 36));
	}
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "bytes", test_bytes },
		{ "a number below another", test_below },
		{ "base62", test_base62 },
		{ "UUIDs increase, whatever the clock does",
		    test_uuid_increases },
		{ "UUIDs of several threads differ", test_uuid_in_threads },
		{ "the form of a UUID", test_uuid_valid },
		{ NULL, NULL }
	};

	return wl_tap_run("rand", tests);
}
