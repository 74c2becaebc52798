/*
 * Averages of first bytes.
 */
#include "config.h"
#include "lib/core/latency.h"

#include <stdio.h>

#include "lib/base/loop.h"
#include "tests/unit/tap.h"

static int64_t	now;

/* in place of the loop's clock */
int64_t
wl_mono(void)
{
	return now;
}

static void
test_average(void)
{
	wl_latency_flush();
	CU_ASSERT_EQUAL(wl_latency_us("p", "m"), -1);
	wl_latency_note("p", "m", 1000);
	CU_ASSERT_EQUAL(wl_latency_us("p", "m"), 1000);
	wl_latency_note("p", "m", 2000);
	CU_ASSERT_EQUAL(wl_latency_us("p", "m"), 1200);
	wl_latency_note("p", "m", -5);
	CU_ASSERT_EQUAL(wl_latency_us("p", "m"), 1200);
	CU_ASSERT_EQUAL(wl_latency_us("p", "n"), -1);
	wl_latency_failed("p", "n");
	CU_ASSERT_EQUAL(wl_latency_us("p", "n"), WL_LATENCY_FAILED_US);
}

static void
test_forgotten(void)
{
	wl_latency_flush();
	now = 0;
	wl_latency_note("p", "m", 1000);
	now = 300000;
	CU_ASSERT_EQUAL(wl_latency_us("p", "m"), 1000);
	now = 300001;
	CU_ASSERT_EQUAL(wl_latency_us("p", "m"), -1);
	/* a new beginning, not an average with what is old */
	wl_latency_note("p", "m", 50);
	CU_ASSERT_EQUAL(wl_latency_us("p", "m"), 50);
}

static void
test_full(void)
{
	char model[16];
	int i, known = 0;

	wl_latency_flush();
	for (i = 0; i < 300; i++) {
		now = i;
		snprintf(model, sizeof(model), "m%d", i);
		wl_latency_note("p", model, i + 1);
	}
	for (i = 0; i < 300; i++) {
		snprintf(model, sizeof(model), "m%d", i);
		if (wl_latency_us("p", model) == i + 1) {
			known++;
			CU_ASSERT(i >= 44);	/* the oldest have gone */
		}
	}
	CU_ASSERT_EQUAL(known, 256);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "an average", test_average },
		{ "what is old is forgotten", test_forgotten },
		{ "a full table", test_full },
		{ NULL, NULL }
	};

	return wl_tap_run("latency", tests);
}
