/*
 * What is remembered, for how long, and who fetches it.
 */
#include "config.h"
#include "lib/core/memo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/co.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "tests/unit/tap.h"

static int	fetches, released, takes_ms;
static bool	away;

/*
 * A value is the number of the fetch that got it; "none" has none.
 */
static int
fetch(struct wl_arena *scratch, const char *key, void **value,
    struct wl_err *e)
{
	int *v;

	CU_ASSERT(scratch != NULL);
	fetches++;
	if (wl_sleep(takes_ms) == -1 || away)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	if (strcmp(key, "none") == 0)
		return 0;
	if ((v = malloc(sizeof(*v))) == NULL)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	*v = fetches;
	*value = v;
	return 0;
}

static void
release(void *value)
{
	released++;
	free(value);
}

static struct wl_memo memo;

static void
fresh(size_t max, int64_t ttl)
{
	memo = (struct wl_memo){ .name = "memo", .max = max, .ttl_ms = ttl,
	    .fetch = fetch, .release = release };
	fetches = released = 0;
	takes_ms = 1;
	away = false;
}

/*
 * The value of KEY; 0: none, -1: not to be had.
 */
static int
get(const char *key, int64_t version)
{
	struct wl_memo_value *use;
	const void *data;
	struct wl_err e;
	int v;

	if ((use = wl_memo_get(&memo, key, version, &data, &e)) == NULL)
		return -1;
	v = data == NULL ? 0 : *(const int *)data;
	wl_memo_put(use);
	return v;
}

static void
remembers(void)
{
	fresh(10, 0);
	CU_ASSERT_EQUAL(get("a", 0), 1);
	CU_ASSERT_EQUAL(get("a", 0), 1);
	CU_ASSERT_EQUAL(get("b", 0), 2);
	CU_ASSERT_EQUAL(get("none", 0), 0);
	CU_ASSERT_EQUAL(get("none", 0), 0);
	CU_ASSERT_EQUAL(fetches, 3);
	/* a newer version is fetched, an older one is good enough */
	CU_ASSERT_EQUAL(get("a", 5), 4);
	CU_ASSERT_EQUAL(get("a", 4), 4);
	CU_ASSERT_EQUAL(get("a", 5), 4);
	wl_memo_flush(&memo);
	CU_ASSERT_EQUAL(released, 3);
	CU_ASSERT_EQUAL(memo.n, 0);
	CU_ASSERT_EQUAL(get("a", 0), 5);
	wl_memo_flush(&memo);
}

static void
is_bounded(void)
{
	char key[16];
	int i;

	fresh(10, 0);
	for (i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		CU_ASSERT_EQUAL(get(key, 0), i + 1);
		CU_ASSERT_EQUAL(get("k0", 0), 1);	/* in use */
		CU_ASSERT(memo.n <= 10);
	}
	CU_ASSERT_EQUAL(get("k99", 0), 100);
	CU_ASSERT_EQUAL(get("k1", 0), 101);
	wl_memo_flush(&memo);
	CU_ASSERT_EQUAL(released, 101);
}

static void
in_use(void)
{
	struct wl_memo_value *use;
	const void *data;
	struct wl_err e;

	fresh(1, 0);
	use = wl_memo_get(&memo, "a", 0, &data, &e);
	CU_ASSERT_FATAL(use != NULL);
	CU_ASSERT_EQUAL(get("b", 0), 2);
	CU_ASSERT_EQUAL(get("c", 0), 3);
	wl_memo_flush(&memo);
	CU_ASSERT_EQUAL(released, 2);
	CU_ASSERT_EQUAL(*(const int *)data, 1);
	wl_memo_put(use);
	CU_ASSERT_EQUAL(released, 3);
}

static void
refreshes(void)
{
	fresh(10, 20);
	CU_ASSERT_EQUAL(get("a", 0), 1);
	wl_sleep(30);
	/* the old value at once, and the next one soon */
	CU_ASSERT_EQUAL(get("a", 0), 1);
	CU_ASSERT_EQUAL(get("a", 0), 1);
	wl_sleep(10);
	CU_ASSERT_EQUAL(fetches, 2);
	CU_ASSERT_EQUAL(get("a", 0), 2);
	/* one that fails is not tried at every call */
	away = true;
	wl_sleep(30);
	CU_ASSERT_EQUAL(get("a", 0), 2);
	wl_sleep(10);
	CU_ASSERT_EQUAL(get("a", 0), 2);
	wl_sleep(10);
	CU_ASSERT_EQUAL(fetches, 3);
	wl_memo_flush(&memo);
}

static int	results[30], nresults;

static void
get_one(void *arg)
{
	int v = get("a", 0);

	(void)arg;
	results[nresults++] = v;
}

static void
many(int n)
{
	int i;

	nresults = 0;
	for (i = 0; i < n; i++)
		CU_ASSERT(wl_co_spawn("get", get_one, NULL) != NULL);
	while (nresults < n)
		CU_ASSERT_EQUAL_FATAL(wl_sleep(1), 0);
}

static void
shares(void)
{
	int i;

	fresh(10, 0);
	takes_ms = 10;
	many(30);
	CU_ASSERT_EQUAL(fetches, 1);
	for (i = 0; i < 30; i++)
		CU_ASSERT_EQUAL(results[i], 1);
	wl_memo_flush(&memo);
	/* so is the failure */
	fresh(10, 0);
	takes_ms = 10;
	away = true;
	many(30);
	CU_ASSERT_EQUAL(fetches, 1);
	for (i = 0; i < 30; i++)
		CU_ASSERT_EQUAL(results[i], -1);
	CU_ASSERT_EQUAL(memo.n, 0);
	away = false;
	CU_ASSERT_EQUAL(get("a", 0), 2);
	wl_memo_flush(&memo);
}

/*
 * Who fetches for all is cancelled: another one takes over.
 */
static void
cancelled(void)
{
	struct wl_co *first;

	fresh(10, 0);
	takes_ms = 30;
	nresults = 0;
	first = wl_co_spawn("first", get_one, NULL);
	CU_ASSERT_FATAL(first != NULL);
	wl_co_yield();
	CU_ASSERT(wl_co_spawn("second", get_one, NULL) != NULL);
	wl_sleep(5);
	wl_co_cancel(first);
	while (nresults < 2)
		CU_ASSERT_EQUAL_FATAL(wl_sleep(1), 0);
	CU_ASSERT_EQUAL(results[0], -1);
	CU_ASSERT_EQUAL(results[1], 2);
	CU_ASSERT_EQUAL(fetches, 2);
	wl_memo_flush(&memo);
}

static void
warms(void)
{
	fresh(10, 0);
	wl_memo_warm(&memo, "a");
	wl_memo_warm(&memo, "a");
	CU_ASSERT_EQUAL(fetches, 0);
	/* who comes meanwhile waits for the same fetch */
	CU_ASSERT_EQUAL(get("a", 0), 1);
	CU_ASSERT_EQUAL(fetches, 1);
	away = true;
	wl_memo_warm(&memo, "b");
	wl_sleep(10);
	CU_ASSERT_EQUAL(fetches, 2);
	CU_ASSERT_EQUAL(memo.n, 1);
	wl_memo_flush(&memo);
}

static int
on_loop(void *arg)
{
	(*(void (**)(void))arg)();
	return 0;
}

#define LOOP(fn)							\
static void								\
fn##_test(void)								\
{									\
	void (*f)(void) = fn;						\
									\
	CU_ASSERT_EQUAL(wl_run(on_loop, &f), 0);			\
}
LOOP(remembers)
LOOP(is_bounded)
LOOP(in_use)
LOOP(refreshes)
LOOP(shares)
LOOP(cancelled)
LOOP(warms)

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "values and versions", remembers_test },
		{ "the bound", is_bounded_test },
		{ "a value in use", in_use_test },
		{ "refreshing", refreshes_test },
		{ "one fetch for all", shares_test },
		{ "a fetch that is cancelled", cancelled_test },
		{ "warming", warms_test },
		{ NULL, NULL }
	};

	(void)wl_log_open("/dev/null", WL_ERROR, "test");
	return wl_tap_run("memo", tests);
}
