/*
 * Breakers shared through Redis: whoever opens, looks and closes is one,
 * however many try, and other processes learn of it.
 */
#include "config.h"
#include "lib/base/clock.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "lib/core/health.h"
#include "lib/core/model.h"
#include "lib/store/breaker.h"
#include "tests/db/stores.h"

#include <stdlib.h>

#define N	40

static struct wl_conf	 conf;
static int64_t		 moved;

static struct wl_breaker_failure
failure(uint64_t id, int threshold)
{
	return (struct wl_breaker_failure){ .id = id,
	    .now_ms = wl_clock_ms(), .window_ms = 30000, .base_ms = 1000,
	    .max_ms = 8000, .threshold = threshold, .factor = 2,
	    .cause = WL_HC_FAILING };
}

static int	opened, went, closed, refused, away;

static void
fail_one(void *arg)
{
	struct wl_breaker_failure f = failure(*(uint64_t *)arg, N / 2);
	int64_t until;
	int rc = wl_breaker_fail(stores_arena(), &conf, "p1", &f, &until);

	opened += rc == 1;
	away += rc == -1;
}

static void
probe_one(void *arg)
{
	int64_t now = wl_clock_ms(), until;
	int rc = wl_breaker_probe(stores_arena(), &conf, "p1",
	    *(uint64_t *)arg, now, 30000, &until);

	went += rc == 1;
	refused += rc == 0 && until > now;
	away += rc == -1;
}

static void
close_one(void *arg)
{
	int rc = wl_breaker_close(stores_arena(), &conf, "p1",
	    *(uint64_t *)arg);

	closed += rc == 1;
	away += rc == -1;
}

static void
crowd(void (*fn)(void *), uint64_t *id)
{
	int i;

	for (i = 0; i < N; i++)
		stores_spawn(fn, id);
	CU_ASSERT(stores_join(10000));
	CU_ASSERT_EQUAL(away, 0);
}

struct seen { uint64_t id; int64_t until; int n, opens, cause; };

static void
see(void *arg, uint64_t id, int64_t until, int opens, int cause)
{
	*(struct seen *)arg = (struct seen){ id, until,
	    ((struct seen *)arg)->n + 1, opens, cause };
}

static struct seen
look(const char *project)
{
	struct wl_redis_req req;
	struct seen s = { 0 };

	CU_ASSERT_EQUAL_FATAL(wl_breaker_read_send(&req, stores_arena(),
	    &conf, project), 0);
	CU_ASSERT_EQUAL(wl_breaker_read_wait(&req, see, &s), 0);
	return s;
}

static void
later(int64_t ms)
{
	moved += ms;
	wl_clock_set_offset(moved);
}

static void
one(void)
{
	uint64_t id = 0xfedcba9876543210;
	struct seen s;

	crowd(fail_one, &id);
	CU_ASSERT_EQUAL(opened, 1);
	s = look("p1");
	CU_ASSERT_EQUAL(s.n, 1);
	CU_ASSERT_EQUAL(s.id, id);
	CU_ASSERT_EQUAL(s.cause, WL_HC_FAILING);
	CU_ASSERT_EQUAL(s.opens, 1);
	CU_ASSERT(s.until > wl_clock_ms() &&
	    s.until <= wl_clock_ms() + 1000);
	CU_ASSERT_EQUAL(look("p2").n, 0);
	CU_ASSERT(strtoll(stores_redis(NULL, "PTTL breaker:p1"), NULL, 10) >
	    3600000);
	/* before its time, after it */
	crowd(probe_one, &id);
	CU_ASSERT_EQUAL(went, 0);
	CU_ASSERT_EQUAL(refused, N);
	later(1001);
	refused = 0;
	crowd(probe_one, &id);
	CU_ASSERT_EQUAL(went, 1);
	CU_ASSERT_EQUAL(refused, N - 1);
	/* late failures are not those of the one that looks */
	opened = 0;
	crowd(fail_one, &id);
	CU_ASSERT_EQUAL(opened, 0);
	crowd(close_one, &id);
	CU_ASSERT_EQUAL(closed, 1);
	CU_ASSERT_EQUAL(look("p1").n, 0);
	went = 0;
	crowd(probe_one, &id);
	CU_ASSERT_EQUAL(went, 0);
}

static void
test_one(void)
{
	opened = went = closed = refused = away = 0;
	conf = stores_conf;
	stores_run(&conf, one);
}

static void
growing(void)
{
	struct wl_breaker_failure f = failure(7, 1);
	int64_t most[] = { 1000, 2000, 4000, 8000, 8000 }, until;
	size_t i;

	for (i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
		f.now_ms = wl_clock_ms();
		f.probe = i > 0;
		CU_ASSERT_EQUAL(wl_breaker_fail(stores_arena(), &conf, "p3",
		    &f, &until), 1);
		CU_ASSERT(until <= f.now_ms + most[i] &&
		    until >= f.now_ms + most[i] / 2);
		CU_ASSERT_EQUAL(wl_breaker_length(&f, (int)i + 1), most[i]);
	}
	f.exact_ms = 77;
	CU_ASSERT_EQUAL(wl_breaker_fail(stores_arena(), &conf, "p3", &f,
	    &until), 1);
	CU_ASSERT_EQUAL(until, f.now_ms + 77);
	/* successes that are told with failures */
	f = failure(8, 3);
	f.oks = 100;
	for (i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(wl_breaker_fail(stores_arena(), &conf, "p3",
		    &f, &until), 0);
	CU_ASSERT_EQUAL(until, 0);
	/* of long ago */
	f = failure(9, 3);
	for (i = 0; i < 5; i++) {
		CU_ASSERT_EQUAL(wl_breaker_fail(stores_arena(), &conf, "p3",
		    &f, &until), 0);
		f.now_ms += 20000;
	}
}

static void
test_growing(void)
{
	stores_run(&conf, growing);
}

/*
 * Somebody who makes up names fills nothing.
 */
static void
room(void)
{
	struct wl_breaker_failure f;
	int64_t until;
	int i, lost = 0;

	for (i = 1; i <= 200; i++) {
		f = failure((uint64_t)i, 1);
		lost += wl_breaker_fail(stores_arena(), &conf, "p4", &f,
		    &until) == -1;
	}
	CU_ASSERT_EQUAL(lost, 200 - 64);
	CU_ASSERT_STRING_EQUAL(stores_redis(NULL, "HLEN breaker:p4"), "64");
	/* what is out of date makes room */
	later(40000);
	f = failure(1000, 1);
	CU_ASSERT_EQUAL(wl_breaker_fail(stores_arena(), &conf, "p4", &f,
	    &until), 1);
	CU_ASSERT_STRING_EQUAL(stores_redis(NULL, "HLEN breaker:p4"), "1");
}

static void
test_room(void)
{
	stores_run(&conf, room);
}

/* ---- processes: each flush is a new one, that knows nothing ---- */

static struct wl_target	t = { .provider = "openai", .auth = "bearer",
    .base_url = "https://api.openai.com/v1", .model = "m", .key = "sk-1",
    .project = "p5", .hint = "sk-1" };
static struct wl_health_ref	 h;
static enum wl_health_cause	 cause;

static void
listen(void)
{
	struct wl_health_news news;

	wl_health_listen(&news, stores_arena(), &conf, t.project);
	wl_health_listened(&news);
}

static void
new_process(void)
{
	wl_health_flush();
	listen();
	wl_health_of(&h, &t);
}

static int64_t
enter(void)
{
	return wl_health_enter(stores_arena(), &conf, &h, &cause);
}

static void
shared(void)
{
	int i;

	/* plain CGI: a process for each call, and still it opens */
	for (i = 0; i < 5; i++) {
		new_process();
		CU_ASSERT_EQUAL(enter(), 0);
		wl_health_fail(stores_arena(), &conf, &h, WL_HC_FAILING, 0);
	}
	CU_ASSERT_EQUAL(stores_logged("upstream.open"), 1);
	new_process();
	CU_ASSERT(enter() > 0);
	CU_ASSERT_EQUAL(cause, WL_HC_FAILING);
	/* one looks, and another process waits for it */
	later(1001);
	new_process();
	CU_ASSERT_EQUAL(enter(), 0);
	CU_ASSERT(h.probe[1]);
	new_process();
	CU_ASSERT(enter() > 20000);
	CU_ASSERT_EQUAL(stores_logged("upstream.probe"), 1);
	/* the one that looked is back: others learn it within a second */
	CU_ASSERT_EQUAL(wl_breaker_close(stores_arena(), &conf, t.project,
	    h.id[1]), 1);
	CU_ASSERT(enter() > 20000);
	listen();
	CU_ASSERT(enter() > 20000);
	later(1001);
	listen();
	CU_ASSERT_EQUAL(enter(), 0);
	CU_ASSERT(!h.probe[1]);
	/* and so they do of what opens elsewhere */
	CU_ASSERT_EQUAL(stores_redis(NULL, "DEL breaker:p5")[0], '0');
	wl_health_fail(stores_arena(), &conf, &h, WL_HC_KEY, 0);
	CU_ASSERT_EQUAL(stores_logged("upstream.open"), 2);
	new_process();
	CU_ASSERT(enter() > 0);
	CU_ASSERT_EQUAL(cause, WL_HC_KEY);
	t.project = "p6";
	new_process();
	CU_ASSERT_EQUAL(enter(), 0);
	t.project = "p5";
	/* Redis has lost its data: all is tried anew */
	new_process();
	CU_ASSERT(enter() > 0);
	stores_redis(NULL, "FLUSHALL");
	later(1001);
	listen();
	CU_ASSERT_EQUAL(enter(), 0);
	/* hash tags */
	conf.redis_hash_tags = true;
	wl_health_fail(stores_arena(), &conf, &h, WL_HC_KEY, 0);
	CU_ASSERT_STRING_EQUAL(stores_redis(NULL, "HLEN breaker:{p5}"), "1");
	conf.redis_hash_tags = false;
}

static void
test_shared(void)
{
	conf.breaker_failures = 5;
	conf.breaker_open = 1000;
	stores_run(&conf, shared);
}

/*
 * What was shared goes on by itself when Redis is away.
 */
static void
alone(void)
{
	int i;

	wl_health_flush();
	wl_health_of(&h, &t);
	for (i = 0; i < 5; i++)
		wl_health_fail(stores_arena(), &conf, &h, WL_HC_FAILING, 0);
	CU_ASSERT(enter() > 0);
	later(1001);
	CU_ASSERT_EQUAL(enter(), 0);
	CU_ASSERT(h.probe[1]);
	wl_health_ok(stores_arena(), &conf, &h);
	CU_ASSERT_EQUAL(enter(), 0);
	listen();
}

static void
test_alone(void)
{
	static char nowhere[] = "unix:/nonexistent/redis.sock";
	struct wl_conf c = conf;

	c.redis = nowhere;
	stores_run(&c, alone);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "one opens, looks, closes", test_one },
		{ "times", test_growing },
		{ "fields are bounded", test_room },
		{ "processes", test_shared },
		{ "Redis away", test_alone },
		{ NULL, NULL }
	};

	return stores_main("breaker", tests);
}
