/*
 * Usage: reading, correcting, showing.
 */
#include "config.h"
#include "lib/core/usage.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/json.h"
#include "lib/core/auth.h"
#include "lib/store/counter.h"
#include "tests/unit/tap.h"

static int64_t	 minute, month;
static bool	 away;

int
wl_counter_read(struct wl_arena *a, const struct wl_conf *c, struct wl_gate *g,
    struct wl_err *e)
{
	int i;

	(void)a;
	(void)c;
	if (away)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	for (i = 0; i < g->nrows; i++) {
		g->rows[i].used = g->rows[i].name == WL_LN_MONTH ? month :
		    g->rows[i].name == WL_LN_MINUTE ? minute : 1;
		g->rows[i].reset_ms = 1736001720000;
	}
	return 0;
}

int
wl_counter_set(struct wl_arena *a, const struct wl_conf *c, const char *actor,
    const char *project, int64_t now_ms, int64_t new_minute, int64_t new_month,
    struct wl_err *e)
{
	(void)a;
	(void)c;
	(void)now_ms;
	(void)e;
	CU_ASSERT_STRING_EQUAL(actor, "me");
	CU_ASSERT_STRING_EQUAL(project, "p1");
	if (new_minute != -1)
		minute = new_minute;
	if (new_month != -1)
		month = new_month;
	return 0;
}

int
wl_counter_set_spent(struct wl_arena *a, const struct wl_conf *c,
    const char *actor, const char *project, int64_t now_ms, int64_t day_nano,
    int64_t month_nano, struct wl_err *e)
{
	(void)day_nano;
	(void)month_nano;
	return wl_counter_set(a, c, actor, project, now_ms, -1, -1, e);
}

int
wl_counter_add(struct wl_arena *a, const struct wl_conf *c, const char *actor,
    const char *project, int64_t now_ms, int64_t n, struct wl_err *e)
{
	return wl_counter_set(a, c, actor, project, now_ms, minute + n,
	    month + n, e);
}

int
wl_counter_admit(struct wl_arena *a, const struct wl_conf *c,
    struct wl_gate *g, struct wl_err *e)
{
	(void)a;
	(void)c;
	(void)g;
	CU_FAIL("usage admits nothing");
	return wl_err_set(e, WL_E_INTERNAL, NULL);
}

static struct wl_conf		 conf;
static struct wl_err		 err;
static struct wl_admission	 ad;
static struct wl_arena		*arena;
static struct wl_auth		 who;

static void
begin(void)
{
	static char none[1];

	arena = wl_arena_new(1 << 20);
	CU_ASSERT_FATAL(arena != NULL);
	conf.upgrade_url = none;
	who = (struct wl_auth){ .project = "p1", .plan = "free", .rpm = 10,
	    .month = 50000, .key_rpm = -1, .key_month = -1, .concurrent = -1,
	    .key_concurrent = -1, .tokens = -1, .key_tokens = -1,
	    .day_nano = -1, .month_nano = -1, .key_day_nano = -1,
	    .key_month_nano = -1 };
	away = false;
	minute = 0;
	month = 40000;
}

static void
checks(void)
{
	begin();
	CU_ASSERT_EQUAL(wl_usage_stats(arena, &conf, &who, &ad, &err), 0);
	CU_ASSERT(wl_usage_rate_limit_ok(&ad));
	CU_ASSERT(wl_usage_quota_ok(&ad));
	CU_ASSERT_EQUAL(wl_usage_percent(wl_limit_tighter(&ad, WL_LN_MONTH)),
	    80);
	CU_ASSERT_EQUAL(wl_usage_percent(wl_limit_tighter(&ad, WL_LN_MINUTE)),
	    0);
	minute = 10;
	month = 50001;
	CU_ASSERT_EQUAL(wl_usage_stats(arena, &conf, &who, &ad, &err), 0);
	CU_ASSERT_FALSE(wl_usage_rate_limit_ok(&ad));
	CU_ASSERT_FALSE(wl_usage_quota_ok(&ad));
	CU_ASSERT_EQUAL(wl_usage_percent(wl_limit_tighter(&ad, WL_LN_MONTH)),
	    100);
	/* reading changed nothing */
	CU_ASSERT_EQUAL(minute, 10);
	away = true;
	CU_ASSERT_EQUAL(wl_usage_stats(arena, &conf, &who, &ad, &err), -1);
	wl_arena_free(arena);
}

static void
corrections(void)
{
	begin();
	CU_ASSERT_EQUAL(wl_usage_increment(arena, &conf, "me", "p1", 3,
	    &err), 0);
	CU_ASSERT_EQUAL(minute, 3);
	CU_ASSERT_EQUAL(month, 40003);
	CU_ASSERT_EQUAL(wl_usage_set(arena, &conf, "me", "p1", -1, 7, &err),
	    0);
	CU_ASSERT_EQUAL(minute, 3);
	CU_ASSERT_EQUAL(month, 7);
	CU_ASSERT_EQUAL(wl_usage_set(arena, &conf, "me", "p1", 0, 0, &err),
	    0);
	CU_ASSERT_EQUAL(minute, 0);
	CU_ASSERT_EQUAL(month, 0);
	wl_arena_free(arena);
}

static void
shown(void)
{
	struct wl_buf b = { 0 };
	struct wl_jw w;

	begin();
	who.key_rpm = 5;
	who.concurrent = 4;
	CU_ASSERT_EQUAL(wl_usage_stats(arena, &conf, &who, &ad, &err), 0);
	memcpy(ad.month, "2025-01", 8);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_usage_json(&w, &who, &ad);
	wl_jw_end(&w, '}');
	CU_ASSERT_STRING_EQUAL(b.p, "{\"plan\":\"free\",\"rateLimit\":"
	    "{\"limit\":10,\"used\":0,\"remaining\":10,\"percentUsed\":0,"
	    "\"resetAt\":1736001720,\"window\":\"fixed\"},\"quota\":"
	    "{\"limit\":50000,\"used\":40000,\"remaining\":10000,"
	    "\"percentUsed\":80,\"resetAt\":1736001720,"
	    "\"month\":\"2025-01\"},\"concurrency\":{\"limit\":4,\"used\":1,"
	    "\"remaining\":3,\"percentUsed\":25},\"keyLimits\":{\"rateLimit\":"
	    "{\"limit\":5,\"used\":1,\"remaining\":4,\"percentUsed\":20,"
	    "\"resetAt\":1736001720,\"window\":\"fixed\"}}}");
	wl_buf_free(&b);
	wl_arena_free(arena);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "rate limit, quota and percent", checks },
		{ "increment, set, reset", corrections },
		{ "as JSON", shown },
		{ NULL, NULL }
	};

	return wl_tap_run("usage", tests);
}
