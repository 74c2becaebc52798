/*
 * Breakers of one process without Redis: what opens them, for how long, and
 * who may look.  tests/db/test_breaker.c has them with Redis.
 */
#include "config.h"
#include "lib/core/health.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/log.h"
#include "lib/core/model.h"
#include "tests/unit/tap.h"

static char		 none[] = "";
static struct wl_conf	 conf = { .breaker_failures = 5, .breaker_open = 1000,
    .redis = none };
static struct wl_arena	*arena;
static enum wl_health_cause cause;
static int64_t		 moved;

static struct wl_target
target(const char *project, const char *key, const char *model)
{
	return (struct wl_target){ .provider = "openai", .auth = "bearer",
	    .base_url = "https://api.openai.com/v1", .model = model,
	    .key = key, .project = project, .hint = "0001" };
}

static void
later(int64_t ms)
{
	moved += ms;
	wl_clock_set_offset(moved);
}

static int64_t
enter(struct wl_target *t, struct wl_health_ref *h)
{
	wl_health_of(h, t);
	return wl_health_enter(arena, &conf, h, &cause);
}

static bool
is_open(struct wl_target t)
{
	struct wl_health_ref h;

	wl_health_of(&h, &t);
	return wl_health_left(&h) > 0;
}

static void
fail(struct wl_target t, enum wl_health_cause c, int64_t retry, int n)
{
	struct wl_health_ref h;

	wl_health_of(&h, &t);
	while (n-- > 0)
		wl_health_fail(arena, &conf, &h, c, retry);
}

static void
ok(struct wl_target t, int n)
{
	struct wl_health_ref h;

	wl_health_of(&h, &t);
	while (n-- > 0)
		wl_health_ok(arena, &conf, &h);
}

static void
identity(void)
{
	struct wl_target t = target("p", "sk-1", "m"), u;
	struct wl_health_ref a, b;

	wl_health_of(&a, &t);
	u = target("q", "sk-1", "m");
	wl_health_of(&b, &u);
	CU_ASSERT(a.owner != b.owner && a.id[0] != b.id[0] &&
	    a.id[1] != b.id[1]);
	u = target("p", "sk-2", "m");
	wl_health_of(&b, &u);
	CU_ASSERT(a.owner == b.owner && a.id[0] != b.id[0]);
	u = target("p", "sk-1", "n");
	wl_health_of(&b, &u);
	CU_ASSERT(a.id[0] == b.id[0] && a.id[1] != b.id[1]);
	u = t;
	u.base_url = "https://other.example/v1";
	wl_health_of(&b, &u);
	CU_ASSERT(a.id[0] != b.id[0]);
	/* keys of requests are one to the table */
	t.own_key = u.own_key = true;
	u = t;
	u.key = "sk-9";
	wl_health_of(&a, &t);
	wl_health_of(&b, &u);
	CU_ASSERT(a.id[0] == b.id[0]);
}

static void
failing(void)
{
	struct wl_target t = target("p", "sk-1", "m");
	struct wl_health_ref h, other;
	int64_t wait;

	wl_health_flush();
	fail(t, WL_HC_FAILING, 0, 4);
	CU_ASSERT(!is_open(t));
	fail(t, WL_HC_FAILING, 0, 1);
	CU_ASSERT(is_open(t));
	/* nobody else's */
	CU_ASSERT(!is_open(target("q", "sk-1", "m")));
	CU_ASSERT(!is_open(target("p", "sk-2", "m")));
	CU_ASSERT(!is_open(target("p", "sk-1", "n")));
	wait = enter(&t, &h);
	CU_ASSERT(wait > 0 && wait <= 1000);
	CU_ASSERT_EQUAL(cause, WL_HC_FAILING);
	/* one call looks, the others wait for it */
	later(1001);
	CU_ASSERT_EQUAL(enter(&t, &h), 0);
	CU_ASSERT(h.probe[1] && !h.probe[0]);
	CU_ASSERT(enter(&t, &other) > 1000);
	/* a late failure of a call that began before changes nothing */
	fail(t, WL_HC_FAILING, 0, 1);
	CU_ASSERT(wl_health_left(&other) > 2000);
	/* it fails: longer */
	wl_health_fail(arena, &conf, &h, WL_HC_FAILING, 0);
	wait = enter(&t, &other);
	CU_ASSERT(wait > 900 && wait <= 2000);
	later(2001);
	CU_ASSERT_EQUAL(enter(&t, &h), 0);
	wl_health_ok(arena, &conf, &h);
	CU_ASSERT_EQUAL(enter(&t, &other), 0);
	CU_ASSERT(!other.probe[1]);
	/* one that never comes back leaves the place after a while */
	fail(t, WL_HC_FAILING, 0, 5);
	later(1001);
	CU_ASSERT_EQUAL(enter(&t, &h), 0);
	CU_ASSERT(enter(&t, &other) > 0);
	later(30001);
	CU_ASSERT_EQUAL(enter(&t, &other), 0);
	CU_ASSERT(other.probe[1]);
}

static void
shares(void)
{
	struct wl_target t = target("p", "sk-1", "m");
	int i;

	/* failures that are few among many calls do not open it */
	wl_health_flush();
	for (i = 0; i < 50; i++) {
		ok(t, 3);
		fail(t, WL_HC_FAILING, 0, 1);
	}
	CU_ASSERT(!is_open(t));
	/* nor those of long ago */
	wl_health_flush();
	fail(t, WL_HC_FAILING, 0, 4);
	later(30001);
	fail(t, WL_HC_FAILING, 0, 4);
	CU_ASSERT(!is_open(t));
	/* no connection is so for every model */
	wl_health_flush();
	fail(t, WL_HC_UNREACHABLE, 0, 5);
	CU_ASSERT(is_open(target("p", "sk-1", "n")));
	CU_ASSERT(!is_open(target("q", "sk-1", "m")));
	/* off */
	wl_health_flush();
	conf.breaker_failures = 0;
	fail(t, WL_HC_FAILING, 0, 100);
	CU_ASSERT(!is_open(t));
	conf.breaker_failures = 5;
}

static void
keys(void)
{
	static const int64_t most[] = { 15000, 60000, 240000, 960000, 3600000,
	    3600000 };
	struct wl_target t = target("p", "sk-1", "m");
	struct wl_health_ref h;
	int64_t wait;
	size_t i;

	wl_health_flush();
	fail(t, WL_HC_KEY, 0, 1);
	for (i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
		wait = enter(&t, &h);
		CU_ASSERT_EQUAL(cause, WL_HC_KEY);
		CU_ASSERT(wait <= most[i] && wait >= most[i] / 2 - 1000);
		later(wait + 1);
		CU_ASSERT_EQUAL(enter(&t, &h), 0);
		CU_ASSERT(h.probe[0]);
		wl_health_fail(arena, &conf, &h, WL_HC_KEY, 0);
	}
	/* with all models; a new key is another one */
	CU_ASSERT(is_open(target("p", "sk-1", "n")));
	CU_ASSERT(!is_open(target("p", "sk-new", "m")));
	/* what is forbidden for one model is not so for others */
	wl_health_flush();
	fail(t, WL_HC_FORBIDDEN, 0, 1);
	CU_ASSERT(is_open(t));
	CU_ASSERT(!is_open(target("p", "sk-1", "n")));
	/* one prompt that a host does not like is not the key's fault */
	wl_health_flush();
	ok(t, 5);
	fail(t, WL_HC_FORBIDDEN, 0, 2);
	CU_ASSERT(!is_open(t));
	fail(t, WL_HC_FORBIDDEN, 0, 3);
	CU_ASSERT(is_open(t));
	/* but a key that was revoked is set aside at once */
	wl_health_flush();
	ok(t, 100);
	fail(t, WL_HC_KEY, 0, 1);
	CU_ASSERT(is_open(t));
	/* exactly as long as it says, an hour at most */
	wl_health_flush();
	fail(t, WL_HC_RATE, 7000, 1);
	wait = enter(&t, &h);
	CU_ASSERT(wait > 6900 && wait <= 7000);
	CU_ASSERT(!is_open(target("p", "sk-1", "n")));
	/* then nobody has to look first */
	later(7001);
	CU_ASSERT_EQUAL(enter(&t, &h), 0);
	CU_ASSERT(!h.probe[1]);
	CU_ASSERT_EQUAL(enter(&t, &h), 0);
	/* without a time it is longer each time, until a call was answered */
	fail(t, WL_HC_RATE, 0, 1);
	wait = enter(&t, &h);
	CU_ASSERT(wait > 900 && wait <= 2000);
	later(2001);
	ok(t, 1);
	fail(t, WL_HC_RATE, 0, 1);
	wait = enter(&t, &h);
	CU_ASSERT(wait > 0 && wait <= 1000);
	wl_health_flush();
	fail(t, WL_HC_RATE, 86400000, 1);
	wait = enter(&t, &h);
	CU_ASSERT(wait > 3590000 && wait <= 3600000);
	/* a key of a request, and none at all, are left alone */
	wl_health_flush();
	t.own_key = true;
	fail(t, WL_HC_KEY, 0, 1);
	fail(t, WL_HC_RATE, 7000, 1);
	CU_ASSERT(!is_open(t));
	t = target("p", "", "m");
	fail(t, WL_HC_KEY, 0, 1);
	CU_ASSERT(!is_open(t));
	fail(t, WL_HC_FAILING, 0, 5);
	CU_ASSERT(is_open(t));
}

static void
bounded(void)
{
	struct wl_target t = target("p", "sk-1", "m");
	struct wl_health_stat st;
	char name[32];
	int i;

	wl_health_flush();
	for (i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		t.model = name;
		fail(t, WL_HC_FORBIDDEN, 0, 1);
	}
	CU_ASSERT(is_open(t));
	later(2000);
	wl_health_stats(&st);
	CU_ASSERT(st.open > 1000 && st.open <= 2048);
	CU_ASSERT_EQUAL(st.opened[WL_HC_FORBIDDEN], 20000);
	/* what is closed goes first */
	for (i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		ok(t, 1);
	}
	CU_ASSERT(is_open(target("p", "sk-1", "m19999")));
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "what is the same", identity },
		{ "a provider that fails", failing },
		{ "shares, windows, levels", shares },
		{ "keys", keys },
		{ "a table of bounded size", bounded },
		{ NULL, NULL }
	};
	int rc;

	(void)wl_log_open("/dev/null", WL_ERROR, "test");
	if ((arena = wl_arena_new(1 << 20)) == NULL)
		return 1;
	rc = wl_tap_run("health", tests);
	wl_arena_free(arena);
	return rc;
}
