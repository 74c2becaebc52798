/*
 * Answers in Redis: one owner at a time, entries that end, what is purged.
 */
#include "config.h"
#include "lib/base/clock.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "lib/store/cache_redis.h"
#include "tests/db/stores.h"

#include <stdio.h>
#include <string.h>

#define N	30
#define ID	"0123456789abcdef0123456789abcdef"
#define OTHER	"ffffffffffffffffffffffffffffffff"

static struct wl_conf	conf;
static struct wl_err	e;

static struct wl_cache_look
look(const char *project, const char *token, const char *id, const char *alias,
    const char *owner, const char *hash)
{
	struct wl_cache_look l = { .project = project, .token = token,
	    .entry = id, .alias = alias, .ns = "", .owner = owner,
	    .hash = hash, .first = WL_STR("first") };

	CU_ASSERT_EQUAL_FATAL(wl_cache_look_send(stores_arena(), &conf, &l,
	    &e), 0);
	CU_ASSERT_EQUAL_FATAL(wl_cache_look_wait(&l, &e), 0);
	return l;
}

static int
end(const char *project, const char *token, const char *owner, bool ok,
    const char *id, const char *body, const char *epoch, int64_t ttl)
{
	struct wl_cache_end x = { .project = project, .owner = owner,
	    .token = token, .bytes = WL_STR(" last"), .ok = ok,
	    .keep_tape_ms = 60000, .keep_idle_ms = 60000, .id = id,
	    .alias = id[0] == '\0' ? "" : "a1", .ns = "", .epoch = epoch,
	    .body = wl_str_of(body), .ttl_ms = ttl,
	    .now_ms = wl_clock_ms() };

	return wl_cache_end(stores_arena(), &conf, &x, &e);
}

static void
entries_fn(void)
{
	struct wl_cache_look l = look("p1", "t1", ID, "", "", "");
	int64_t n[WL_CACHE_COUNT_MAX], count, bytes;

	CU_ASSERT_EQUAL(l.tier, 0);
	CU_ASSERT_EQUAL(l.hold, WL_HOLD_NONE);
	CU_ASSERT_EQUAL(end("p1", "t1", "", true, ID, "answer", l.epoch, 60000),
	    0);
	l = look("p1", "t1", ID, "", "", "");
	CU_ASSERT_EQUAL(l.tier, 1);
	CU_ASSERT(wl_str_eq(l.body, "answer"));
	l = look("p1", "t1", OTHER, "a1", "", "");
	CU_ASSERT_EQUAL(l.tier, 2);
	CU_ASSERT_STRING_EQUAL(l.id, ID);
	/* another project has none of it */
	CU_ASSERT_EQUAL(look("p2", "t1", ID, "a1", "", "").tier, 0);
	/* again: it counts once */
	CU_ASSERT_EQUAL(end("p1", "t1", "", true, ID, "answer2", l.epoch,
	    60000), 0);
	CU_ASSERT_EQUAL(wl_cache_stats(stores_arena(), &conf, "p1", n, &count,
	    &bytes, &e), 0);
	CU_ASSERT_EQUAL(count, 1);
	CU_ASSERT_EQUAL(bytes, 7);
	CU_ASSERT_EQUAL(n[WL_CC_STORES], 2);
	/* barred */
	CU_ASSERT_EQUAL(wl_cache_drop(stores_arena(), &conf, "p1", ID, 60000,
	    &e), 1);
	CU_ASSERT_EQUAL(wl_cache_drop(stores_arena(), &conf, "p1", ID, 0, &e),
	    0);
	CU_ASSERT_EQUAL(end("p1", "t1", "", true, ID, "x", l.epoch, 60000), 0);
	CU_ASSERT_EQUAL(look("p1", "t1", OTHER, "a1", "", "").tier, 0);
	CU_ASSERT_EQUAL(look("p1", "t1", ID, "a1", "", "").tier, 1);
}

static void
purge_fn(void)
{
	struct wl_cache_look l = look("p3", "t1", ID, "", "", "");
	char before[96];

	snprintf(before, sizeof(before), "%s", l.epoch);
	CU_ASSERT_EQUAL(end("p3", "t1", "", true, ID, "a", before, 60000), 0);
	CU_ASSERT_EQUAL(wl_cache_purge(stores_arena(), &conf, "p3", "",
	    wl_clock_ms(), &e), 0);
	CU_ASSERT_EQUAL(look("p3", "t1", ID, "", "", "").tier, 0);
	/* what was under way is not kept */
	CU_ASSERT_EQUAL(end("p3", "t1", "", true, ID, "a", before, 60000), 0);
	l = look("p3", "t1", ID, "", "", "");
	CU_ASSERT_EQUAL(l.tier, 0);
	CU_ASSERT_EQUAL(end("p3", "t1", "", true, ID, "a", l.epoch, 60000), 0);
	CU_ASSERT_EQUAL(look("p3", "t1", ID, "", "", "").tier, 1);
	CU_ASSERT_STRING_EQUAL(stores_redis(NULL, "hget cache:p3:meta bytes"),
	    "1");
}

static void
limits_fn(void)
{
	int64_t n[WL_CACHE_COUNT_MAX], count, bytes;
	char id[33];
	int i;

	conf.cache_entries = 10;
	conf.cache_bytes = 75;
	for (i = 0; i < 50; i++) {
		snprintf(id, sizeof(id), "%032d", i);
		CU_ASSERT_EQUAL(end("p4", "t1", "", true, id, "0123456789",
		    "0.0", 60000 + i), 0);
	}
	CU_ASSERT_EQUAL(wl_cache_stats(stores_arena(), &conf, "p4", n, &count,
	    &bytes, &e), 0);
	CU_ASSERT_EQUAL(count, 7);
	CU_ASSERT_EQUAL(bytes, 70);
	CU_ASSERT_EQUAL(look("p4", "t1", id, "", "", "").tier, 1);
}

static int	ours, others;

static void
enter_one(void *arg)
{
	char token[40];
	struct wl_cache_look l;

	snprintf(token, sizeof(token), "t%d", *(int *)arg);
	l = look("p5", token, ID, "", "flight:x", "");
	ours += l.hold == WL_HOLD_OURS;
	others += l.hold == WL_HOLD_OTHER;
}

/*
 * However many ask, one makes it; when he fails, or is gone, exactly one of
 * them does.
 */
static void
owners_fn(void)
{
	static int	numbers[N];
	const char	*holder;
	struct wl_str	got;
	int		i, round;

	for (round = 0; round < 3; round++) {
		ours = others = 0;
		for (i = 0; i < N; i++) {
			numbers[i] = round * N + i;
			stores_spawn(enter_one, &numbers[i]);
		}
		CU_ASSERT_FATAL(stores_join(10000));
		CU_ASSERT_EQUAL(ours, 1);
		CU_ASSERT_EQUAL(others, N - 1);
		holder = stores_arena() == NULL ? "" :
		    look("p5", "tx", ID, "", "flight:x", "").holder;
		CU_ASSERT_EQUAL(wl_cache_push(stores_arena(), &conf, "p5",
		    "flight:x", holder, WL_STR(" more"), &e), N);
		CU_ASSERT_EQUAL(wl_cache_read(stores_arena(), &conf, "p5",
		    holder, 5, 100, &got, &e), 1);
		CU_ASSERT(wl_str_eq(got, " more"));
		CU_ASSERT_EQUAL(wl_cache_read(stores_arena(), &conf, "p6",
		    holder, 0, 100, &got, &e), 0);
		if (round == 0) {
			CU_ASSERT_EQUAL(end("p5", holder, "flight:x", false,
			    "", "", "", 0), 0);
			CU_ASSERT_EQUAL(wl_cache_read(stores_arena(), &conf,
			    "p5", holder, 0, 100, &got, &e), 0);
		} else if (round == 1) {
			(void)stores_redis(NULL, "del cache:p5:tape:%s",
			    holder);
			CU_ASSERT_EQUAL(wl_cache_push(stores_arena(), &conf,
			    "p5", "flight:x", holder, WL_STR("x"), &e), -2);
		}
	}
}

/*
 * A key of idempotency stands for one request.
 */
static void
once_fn(void)
{
	struct wl_cache_look l = look("p7", "t1", "", "", "once:k", "h1");

	CU_ASSERT_EQUAL(l.hold, WL_HOLD_OURS);
	l = look("p7", "t2", "", "", "once:k", "h1");
	CU_ASSERT_EQUAL(l.hold, WL_HOLD_OTHER);
	CU_ASSERT_STRING_EQUAL(l.holder, "t1");
	CU_ASSERT_EQUAL(look("p7", "t2", "", "", "once:k", "h2").hold,
	    WL_HOLD_CONFLICT);
	CU_ASSERT_EQUAL(look("p8", "t2", "", "", "once:k", "h2").hold,
	    WL_HOLD_OURS);
	/* nobody but its owner ends it */
	CU_ASSERT_EQUAL(end("p7", "t2", "once:k", false, "", "", "", 0), 0);
	CU_ASSERT_EQUAL(look("p7", "t2", "", "", "once:k", "h1").hold,
	    WL_HOLD_OTHER);
}

static void
run(void (*fn)(void))
{
	conf = stores_conf;
	conf.cache_entries = 100;
	conf.cache_bytes = 1 << 20;
	stores_run(&conf, fn);
}

static void
entries(void)
{
	run(entries_fn);
}

static void
purge(void)
{
	run(purge_fn);
}

static void
limits(void)
{
	run(limits_fn);
}

static void
owners(void)
{
	run(owners_fn);
}

static void
once(void)
{
	run(once_fn);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "entries", entries },
		{ "limits", limits },
		{ "once", once },
		{ "owners", owners },
		{ "purge", purge },
		{ NULL, NULL }
	};

	return stores_main("cache_redis", tests);
}
