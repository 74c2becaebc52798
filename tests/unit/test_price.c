/*
 * Costs, by hand.
 */
#include "config.h"
#include "lib/core/price.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/co.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/clock.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "lib/store/db.h"
#include "tests/unit/tap.h"

/*
 * In place of the database: USD per million tokens times 1e9.
 */
static struct wl_db_price	 row;
static int			 found, asked;
static bool			 away;

int
wl_db_price(struct wl_arena *a, const char *provider, const char *model,
    int64_t at_ms, struct wl_db_price *p, struct wl_err *e)
{
	(void)a;
	CU_ASSERT(at_ms > 0);
	asked++;
	CU_ASSERT_EQUAL(wl_sleep(5), 0);
	if (away)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	if (strcmp(provider, "openai") != 0 || strncmp(model, "gpt", 3) != 0)
		return 0;
	*p = row;
	return found;
}

static const struct {
	int64_t	input, read, write, output, reasoning, in200, out200;
	int64_t	u_input, u_read, u_write, u_output, u_reasoning;
	int64_t	cost;			/* -1: not known */
} costs[] = {
	/* gpt-4o-mini: 0.15, 0.60; cached 0.075 */
	{ 150000000, 75000000, -1, 600000000, -1, -1, -1,
	    1000, -1, -1, 500, -1, 150000 + 300000 },
	{ 150000000, 75000000, -1, 600000000, -1, -1, -1,
	    600, 400, -1, 500, -1, 90000 + 30000 + 300000 },
	/* cache read not priced apart: as input */
	{ 150000000, -1, -1, 600000000, -1, -1, -1,
	    600, 400, -1, 500, -1, 90000 + 60000 + 300000 },
	/* cache write dearer than input */
	{ 3000000000, 300000000, 3750000000, 15000000000, -1, -1, -1,
	    10, 20, 30, 40, -1, 30000 + 6000 + 112500 + 600000 },
	/* reasoning as output, and priced apart */
	{ 1000000000, -1, -1, 2000000000, -1, -1, -1,
	    1, -1, -1, 2, 3, 1000 + 4000 + 6000 },
	{ 1000000000, -1, -1, 2000000000, 500000000, -1, -1,
	    1, -1, -1, 2, 3, 1000 + 4000 + 1500 },
	/* rounded once, half to even: 1 token at 0.5, 1.5 nano */
	{ 500000, -1, -1, 0, -1, -1, -1, 1, -1, -1, 0, -1, 0 },
	{ 1500000, -1, -1, 0, -1, -1, -1, 1, -1, -1, 0, -1, 2 },
	{ 500000, -1, -1, 500000, -1, -1, -1, 1, -1, -1, 1, -1, 1 },
	{ 400000, -1, -1, 400000, -1, -1, -1, 1, -1, -1, 1, -1, 1 },
	/* free is a price */
	{ 0, -1, -1, 0, -1, -1, -1, 1000000, -1, -1, 1000000, -1, 0 },
	/* nothing used */
	{ 150000000, -1, -1, 600000000, -1, -1, -1, 0, 0, 0, 0, 0, 0 },
	{ 150000000, -1, -1, 600000000, -1, -1, -1,
	    -1, -1, -1, 100, -1, 60000 },
	/* embeddings have no output price, and no output */
	{ 20000000, -1, -1, -1, -1, -1, -1, 1000, -1, -1, -1, -1, 20000 },
	{ 20000000, -1, -1, -1, -1, -1, -1, 1000, -1, -1, 1, -1, -1 },
	{ -1, -1, -1, 600000000, -1, -1, -1, 1, -1, -1, 1, -1, -1 },
	{ -1, -1, -1, -1, -1, -1, -1, 0, -1, -1, 0, -1, -1 },
	/* long calls */
	{ 1250000000, -1, -1, 10000000000, -1, 2500000000, 15000000000,
	    200000, -1, -1, 10, -1, 250000000 + 100000 },
	{ 1250000000, -1, -1, 10000000000, -1, 2500000000, 15000000000,
	    200001, -1, -1, 10, -1, 500002500 + 150000 },
	{ 1250000000, 100000000, -1, 10000000000, -1, 2500000000, -1,
	    1, 200000, -1, 10, -1, 2500 + 20000000 + 100000 },
	/* as much as there can be */
	{ 1000000000000, -1, -1, 1000000000000, -1, -1, -1,
	    1000000000, -1, -1, 1000000000, -1, 2000000000000000 },
};

static void
by_hand(void)
{
	struct wl_db_price p;
	struct wl_usage u;
	int64_t nano;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(costs) / sizeof(costs[0]); i++) {
		p = (struct wl_db_price){ "p", "m", 1, costs[i].input,
		    costs[i].read, costs[i].write, costs[i].output,
		    costs[i].reasoning, costs[i].in200, costs[i].out200,
		    -1, -1, INT64_MAX, -1, -1, -1, -1, -1, -1, -1, -1, -1 };
		u = (struct wl_usage){ costs[i].u_input, costs[i].u_read,
		    costs[i].u_write, costs[i].u_output,
		    costs[i].u_reasoning, WL_U_PROVIDER, 0 };
		nano = -1;
		rc = wl_price_at(&p, &u, &nano);
		if (rc != (costs[i].cost != -1) || nano != costs[i].cost) {
			printf("# row %zu: %lld\n", i, (long long)nano);
			CU_FAIL("wrong cost");
		}
		u.source = WL_U_NONE;
		CU_ASSERT_EQUAL(wl_price_at(&p, &u, &nano), 0);
	}
}

static const struct wl_usage one = { 1000, -1, -1, 500, -1, WL_U_PROVIDER, 0 };

static void
look_up(void *arg)
{
	int64_t nano = -1, since = -1;

	CU_ASSERT_EQUAL(wl_price_cost("openai", "gpt-x", &one, &nano, &since),
	    1);
	CU_ASSERT_EQUAL(nano, 450000);
	CU_ASSERT_EQUAL(since, 1234);
	(*(int *)arg)++;
}

/*
 * Of a long call, cached input has a price of its own, too.
 */
static void
long_and_cached(void)
{
	struct wl_db_price p = { "p", "m", 1, 3000000000, 300000000,
	    3750000000, 15000000000, -1, 6000000000, 22500000000, 600000000,
	    7500000000, INT64_MAX, -1, -1, -1, -1, -1, -1, -1, -1, -1 };
	struct wl_usage u = { 100, 200000, 10, 1, -1, WL_U_PROVIDER, 0 };
	int64_t nano = -1;

	CU_ASSERT_EQUAL(wl_price_at(&p, &u, &nano), 1);
	CU_ASSERT_EQUAL(nano, 600000 + 120000000 + 75000 + 22500);
	u.cache_read = 199890;
	CU_ASSERT_EQUAL(wl_price_at(&p, &u, &nano), 1);
	CU_ASSERT_EQUAL(nano, 300000 + 59967000 + 37500 + 15000);
}

/*
 * What is kept for an hour has a price of its own, or none is known.
 */
static void
an_hour(void)
{
	struct wl_db_price p = { .input = 3000000000, .cache_read = 300000000,
	    .cache_write = 3750000000, .output = 15000000000,
	    .reasoning = -1, .input_above_200k = -1, .output_above_200k = -1,
	    .cache_read_above_200k = -1, .cache_write_above_200k = -1,
	    .cache_write_1h = -1 };
	struct wl_usage u = { 0, 0, 1000, 0, -1, WL_U_PROVIDER, 400 };
	int64_t nano = -1;

	CU_ASSERT_EQUAL(wl_price_at(&p, &u, &nano), 0);
	CU_ASSERT_EQUAL(nano, -1);
	p.cache_write_1h = 6000000000;
	CU_ASSERT_EQUAL(wl_price_at(&p, &u, &nano), 1);
	CU_ASSERT_EQUAL(nano, 600 * 3750 + 400 * 6000);
	u.cache_read = 200000;
	CU_ASSERT_EQUAL(wl_price_at(&p, &u, &nano), 1);
	p.input_above_200k = 6000000000;
	CU_ASSERT_EQUAL(wl_price_at(&p, &u, &nano), 0);
}

static int
remembered(void *arg)
{
	int64_t nano, since;
	int i, done = 0;

	(void)arg;
	row = (struct wl_db_price){ .effective_ms = 1234, .input = 150000000,
	    .cache_read = -1, .cache_write = -1, .output = 600000000,
	    .reasoning = -1, .input_above_200k = -1,
	    .output_above_200k = -1, .cache_read_above_200k = -1,
	    .cache_write_above_200k = -1, .until_ms = INT64_MAX };
	found = 1;
	/* many at once ask once */
	for (i = 0; i < 20; i++)
		CU_ASSERT(wl_co_spawn("look", look_up, &done) != NULL);
	while (done < 20)
		CU_ASSERT_EQUAL_FATAL(wl_sleep(1), 0);
	CU_ASSERT_EQUAL(asked, 1);
	/* so is what does not exist */
	CU_ASSERT_EQUAL(wl_price_cost("openai", "x", &one, &nano, &since), 0);
	CU_ASSERT_EQUAL(wl_price_cost("openai", "x", &one, &nano, &since), 0);
	CU_ASSERT_EQUAL(asked, 2);
	/* what is warmed is there when it is wanted */
	wl_price_warm("openai", "gpt-y");
	wl_price_warm("openai", "gpt-y");
	CU_ASSERT_EQUAL(wl_sleep(30), 0);
	CU_ASSERT_EQUAL(asked, 3);
	CU_ASSERT_EQUAL(wl_price_cost("openai", "gpt-y", &one, &nano, &since),
	    1);
	CU_ASSERT_EQUAL(asked, 3);
	/* the database is away: not known, but what is known stays */
	away = true;
	CU_ASSERT_EQUAL(wl_price_cost("openai", "gpt-z", &one, &nano, &since),
	    0);
	CU_ASSERT_EQUAL(wl_price_cost("openai", "gpt-y", &one, &nano, &since),
	    1);
	away = false;
	CU_ASSERT_EQUAL(wl_price_cost("openai", "gpt-z", &one, &nano, &since),
	    1);
	wl_price_flush();
	asked = 0;
	CU_ASSERT_EQUAL(wl_price_cost("openai", "gpt-y", &one, &nano, &since),
	    1);
	CU_ASSERT_EQUAL(asked, 1);
	/* a price that ends is not remembered longer */
	wl_price_flush();
	asked = 0;
	row.until_ms = wl_clock_ms() + 100;
	for (i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(wl_price_cost("openai", "gpt-y", &one, &nano,
		    &since), 1);
	CU_ASSERT_EQUAL(asked, 1);
	CU_ASSERT_EQUAL(wl_sleep(150), 0);
	row.until_ms = INT64_MAX;
	row.input = 250000000;
	for (i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(wl_price_cost("openai", "gpt-y", &one, &nano,
		    &since), 1);
		CU_ASSERT_EQUAL(nano, 550000);
	}
	CU_ASSERT_EQUAL(asked, 2);
	asked = 1;
	/* names that are none */
	CU_ASSERT_EQUAL(wl_price_cost("", "gpt-y", &one, &nano, &since), 0);
	CU_ASSERT_EQUAL(wl_price_cost("openai", "", &one, &nano, &since), 0);
	CU_ASSERT_EQUAL(wl_price_cost("a b", "gpt", &one, &nano, &since), 0);
	CU_ASSERT_EQUAL(asked, 1);
	wl_price_flush();
	return 0;
}

static void
cache(void)
{
	CU_ASSERT_EQUAL(wl_run(remembered, NULL), 0);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "costs by hand", by_hand },
		{ "long calls with cached input", long_and_cached },
		{ "input that is kept for an hour", an_hour },
		{ "prices are remembered", cache },
		{ NULL, NULL }
	};

	(void)wl_log_open("/dev/null", WL_ERROR, "test");
	return wl_tap_run("price", tests);
}
