/*
 * Authentication against a database and a Redis that are a few variables.
 */
#include "config.h"
#include "lib/core/auth.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/co.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "lib/core/address.h"
#include "lib/store/counter.h"
#include "lib/store/db.h"
#include "lib/store/redis.h"
#include "tests/unit/tap.h"

/*
 * Doubles: every well-formed key is one of these rows, by its hash.
 */

#define ROWS	4200

static struct {
	char		 key[ROWS][WL_KEY_LEN + 1];
	char		 prefix[ROWS][WL_KEY_PREFIX + 1];
	uint8_t		 hash[ROWS][32];
	int		 n;
	struct wl_db_key row;		/* what is said of all of them */
	int		 queries;
	int		 slow_ms;
	bool		 away;
	bool		 redis_away;
	uint64_t	 epoch;
	int64_t		 elsewhere;	/* failures that others counted */
} db;

int
wl_db_auth_key(struct wl_arena *a, const uint8_t hash[32], struct wl_db_key *k,
    struct wl_err *e)
{
	int i;

	(void)a;
	db.queries++;
	*k = db.row;
	if (db.slow_ms > 0)
		(void)wl_sleep(db.slow_ms);
	if (db.away)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	for (i = 0; i < db.n; i++)
		if (memcmp(db.hash[i], hash, 32) == 0) {
			k->prefix = db.prefix[i];
			k->key_id = db.prefix[i];
			return 1;
		}
	return 0;
}

bool
wl_redis_up(void)
{
	return !db.redis_away;
}

uint64_t
wl_redis_epoch(void)
{
	return db.epoch;
}

int64_t
wl_counter_address(struct wl_arena *a, const char *kind, const char *addr,
    int64_t now_ms, int cost)
{
	(void)a;
	(void)kind;
	(void)addr;
	(void)now_ms;
	if (db.redis_away)
		return -1;
	db.elsewhere += cost;
	return db.elsewhere;
}

static struct wl_conf	 conf;
static struct wl_arena	*arena;
static struct wl_err	 err;
static struct wl_auth	*got;

static const char *
add_key(void)
{
	wl_key_make(false, db.key[db.n], db.prefix[db.n], db.hash[db.n]);
	return db.key[db.n++];
}

static void
reset(void)
{
	wl_auth_flush();
	wl_address_flush();
	memset(&db, 0, sizeof(db));
	db.row = (struct wl_db_key){ .key_id = "k1", .project = "p1",
	    .project_name = "One", .prefix = "abcdef", .kind = "proj",
	    .scopes = "gateway,read", .plan = "free", .rpm = 10,
	    .month = 50000, .key_rpm = WL_NO_LIMIT, .key_month = WL_NO_LIMIT,
	    .concurrent = WL_NO_LIMIT, .retention_class = "standard",
	    .settings = "{}", .version = 7 };
	memset(&conf, 0, sizeof(conf));
	conf.counters = WL_COUNTERS_REDIS;
	conf.auth_failures_per_minute = 30;
	conf.auth_stale_max = 400;
	conf.database_timeout = 2000;
	wl_clock_set_offset(0);
}

/*
 * Check KEY and let go of the result.  Returns the code.
 */
static enum wl_code
check(const char *key, enum wl_auth_mode mode)
{
	struct wl_auth *auth;

	memset(&err, 0, sizeof(err));
	auth = wl_auth_check(arena, &conf, key, "192.0.2.1", mode, &err);
	if ((auth == NULL) == (err.code == WL_OK))
		return WL_CODE_MAX;
	wl_auth_unref(auth);
	return err.code;
}

static int
run(void *fn)
{
	arena = wl_arena_new(1 << 20);
	if (arena == NULL)
		return -1;
	reset();
	(*(void (**)(void))fn)();
	wl_auth_flush();
	wl_arena_free(arena);
	return 0;
}

static void
in_loop(void (*fn)(void))
{
	CU_ASSERT_EQUAL(wl_run(run, &fn), 0);
}

static void
accepted_fn(void)
{
	const char *key = add_key();

	db.row.expires_ms = wl_clock_ms() + 60000;
	db.row.default_provider = "openai";
	got = wl_auth_check(arena, &conf, key, "192.0.2.1", WL_AUTH_CACHED,
	    &err);
	CU_ASSERT_PTR_NOT_NULL(got);
	if (got == NULL)
		return;
	CU_ASSERT_STRING_EQUAL(got->project, "p1");
	CU_ASSERT_STRING_EQUAL(got->plan, "free");
	CU_ASSERT_STRING_EQUAL(got->key_prefix, db.prefix[0]);
	CU_ASSERT_STRING_EQUAL(got->default_provider, "openai");
	CU_ASSERT_STRING_EQUAL(got->settings, "{}");
	CU_ASSERT_EQUAL(got->version, 7);
	CU_ASSERT_EQUAL(got->rpm, 10);
	CU_ASSERT_EQUAL(got->key_rpm, -1);
	CU_ASSERT_EQUAL(got->scopes, WL_SCOPE_GATEWAY | WL_SCOPE_READ);
	/* it outlives the cache */
	wl_auth_flush();
	CU_ASSERT_STRING_EQUAL(got->project, "p1");
	CU_ASSERT_EQUAL(wl_auth_allows(got, WL_SCOPE_GATEWAY, &err), 0);
	CU_ASSERT_EQUAL(wl_auth_allows(got, 0, &err), 0);
	CU_ASSERT_EQUAL(wl_auth_allows(got, WL_SCOPE_READ | WL_SCOPE_INGEST,
	    &err), -1);
	CU_ASSERT_EQUAL(err.code, WL_E_SCOPE);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "\"ingest\""));
	wl_auth_unref(got);
}

static void
accepted(void)
{
	in_loop(accepted_fn);
}

static void
form_first_fn(void)
{
	CU_ASSERT_EQUAL(check(NULL, WL_AUTH_CACHED), WL_E_MISSING_KEY);
	CU_ASSERT_EQUAL(check("", WL_AUTH_CACHED), WL_E_MISSING_KEY);
	CU_ASSERT_EQUAL(db.elsewhere, 0);
	CU_ASSERT_EQUAL(check("test-key", WL_AUTH_CACHED), WL_E_INVALID_KEY);
	CU_ASSERT_EQUAL(check("' OR 1=1 --", WL_AUTH_CACHED),
	    WL_E_INVALID_KEY);
	CU_ASSERT_EQUAL(db.queries, 0);
	CU_ASSERT_EQUAL(db.elsewhere, 2);
}

static void
form_first(void)
{
	in_loop(form_first_fn);
}

/*
 * What a client can see of a refusal.
 */
static void
face(char out[400])
{
	snprintf(out, 400, "%d %d %d %s %s", err.code, err.http,
	    err.retry_after, err.msg, err.details != NULL ? "x" : "");
}

static void
one_answer_fn(void)
{
	char malformed[400], unknown[400], other[400];
	char key[WL_KEY_LEN + 1], prefix[WL_KEY_PREFIX + 1];
	uint8_t hash[32];

	check("nonsense", WL_AUTH_CACHED);
	face(malformed);
	wl_key_make(false, key, prefix, hash);
	check(key, WL_AUTH_CACHED);
	face(unknown);
	CU_ASSERT_STRING_EQUAL(malformed, unknown);
	db.row.revoked = true;
	check(add_key(), WL_AUTH_CACHED);
	face(other);
	CU_ASSERT_STRING_EQUAL(unknown, other);
	db.row.revoked = false;
	db.row.project_disabled = true;
	check(add_key(), WL_AUTH_CACHED);
	face(other);
	CU_ASSERT_STRING_EQUAL(unknown, other);
	db.row.project_disabled = false;
	db.row.expires_ms = wl_clock_ms();
	check(add_key(), WL_AUTH_CACHED);
	face(other);
	CU_ASSERT_STRING_EQUAL(unknown, other);
	CU_ASSERT_EQUAL(err.code, WL_E_INVALID_KEY);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.detail, "expired"));
}

static void
one_answer(void)
{
	in_loop(one_answer_fn);
}

static void
remembered_fn(void)
{
	const char *key = add_key();
	char unknown[WL_KEY_LEN + 1], prefix[WL_KEY_PREFIX + 1];
	uint8_t hash[32];
	int i;

	for (i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(check(key, WL_AUTH_CACHED), WL_OK);
	CU_ASSERT_EQUAL(db.queries, 1);
	wl_key_make(false, unknown, prefix, hash);
	for (i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(check(unknown, WL_AUTH_CACHED),
		    WL_E_INVALID_KEY);
	CU_ASSERT_EQUAL(db.queries, 2);
	/* a refusal is remembered for a second only */
	wl_sleep(1050);
	CU_ASSERT_EQUAL(check(unknown, WL_AUTH_CACHED), WL_E_INVALID_KEY);
	CU_ASSERT_EQUAL(db.queries, 3);
	CU_ASSERT_EQUAL(check(key, WL_AUTH_CACHED), WL_OK);
	CU_ASSERT_EQUAL(db.queries, 3);
	/* without the version of a limiter, a key for as long */
	CU_ASSERT_EQUAL(check(key, WL_AUTH_RECENT), WL_OK);
	CU_ASSERT_EQUAL(check(key, WL_AUTH_RECENT), WL_OK);
	CU_ASSERT_EQUAL(db.queries, 4);
	wl_sleep(1050);
	db.redis_away = true;
	CU_ASSERT_EQUAL(check(key, WL_AUTH_CACHED), WL_OK);
	CU_ASSERT_EQUAL(check(key, WL_AUTH_CACHED), WL_OK);
	CU_ASSERT_EQUAL(db.queries, 5);
	/* counters in PostgreSQL compare versions too */
	wl_sleep(1050);
	conf.counters = WL_COUNTERS_POSTGRES;
	CU_ASSERT_EQUAL(check(key, WL_AUTH_CACHED), WL_OK);
	CU_ASSERT_EQUAL(db.queries, 5);
	wl_auth_flush();
	CU_ASSERT_EQUAL(check(key, WL_AUTH_CACHED), WL_OK);
	CU_ASSERT_EQUAL(db.queries, 6);
}

static void
remembered(void)
{
	in_loop(remembered_fn);
}

static void
fresh_fn(void)
{
	const char *key = add_key();

	CU_ASSERT_EQUAL(check(key, WL_AUTH_FRESH), WL_OK);
	CU_ASSERT_EQUAL(check(key, WL_AUTH_FRESH), WL_OK);
	CU_ASSERT_EQUAL(db.queries, 2);
	CU_ASSERT_EQUAL(check(key, WL_AUTH_CACHED), WL_OK);
	CU_ASSERT_EQUAL(db.queries, 2);
	db.row.revoked = true;
	CU_ASSERT_EQUAL(check(key, WL_AUTH_FRESH), WL_E_INVALID_KEY);
	/* and the cache knows */
	CU_ASSERT_EQUAL(check(key, WL_AUTH_CACHED), WL_E_INVALID_KEY);
	CU_ASSERT_EQUAL(db.queries, 3);
}

static void
fresh(void)
{
	in_loop(fresh_fn);
}

static void
again_fn(void)
{
	const char *key = add_key();

	CU_ASSERT_EQUAL(check(key, WL_AUTH_CACHED), WL_OK);
	db.row.version = 8;
	memset(&err, 0, sizeof(err));
	got = wl_auth_again(arena, &conf, key, "192.0.2.1", &err);
	CU_ASSERT(got != NULL && got->version == 8);
	wl_auth_unref(got);
	/* known to be out of date: not honoured, whatever is away */
	db.away = true;
	got = wl_auth_again(arena, &conf, key, "192.0.2.1", &err);
	CU_ASSERT_PTR_NULL(got);
	CU_ASSERT_EQUAL(err.code, WL_E_UNAVAILABLE);
	db.away = false;
	db.row.revoked = true;
	got = wl_auth_again(arena, &conf, key, "192.0.2.1", &err);
	CU_ASSERT_PTR_NULL(got);
	CU_ASSERT_EQUAL(err.code, WL_E_INVALID_KEY);
	CU_ASSERT_EQUAL(check(key, WL_AUTH_CACHED), WL_E_INVALID_KEY);
}

static void
again(void)
{
	in_loop(again_fn);
}

static void
epoch_fn(void)
{
	const char *key = add_key();

	CU_ASSERT_EQUAL(check(key, WL_AUTH_CACHED), WL_OK);
	db.epoch++;
	db.row.revoked = true;
	CU_ASSERT_EQUAL(check(key, WL_AUTH_CACHED), WL_E_INVALID_KEY);
	CU_ASSERT_EQUAL(db.queries, 2);
}

static void
epoch(void)
{
	in_loop(epoch_fn);
}

static void
both_away_fn(void)
{
	const char *key = add_key(), *stranger = add_key();

	CU_ASSERT_EQUAL(check(key, WL_AUTH_CACHED), WL_OK);
	got = wl_auth_check(arena, &conf, key, "192.0.2.1", WL_AUTH_CACHED,
	    &err);
	CU_ASSERT_PTR_NOT_NULL(got);
	if (got == NULL)
		return;
	wl_sleep(300);
	/* a limiter that agrees proves it as well as a query does */
	wl_auth_verified(got);
	db.away = db.redis_away = true;
	conf.auth_stale_max = 400;
	wl_sleep(200);
	CU_ASSERT_EQUAL(check(key, WL_AUTH_FRESH), WL_OK);
	CU_ASSERT_EQUAL(check(stranger, WL_AUTH_FRESH), WL_E_UNAVAILABLE);
	wl_sleep(250);
	CU_ASSERT_EQUAL(check(key, WL_AUTH_FRESH), WL_E_UNAVAILABLE);
	/* one that was away since proves nothing */
	db.epoch++;
	wl_auth_verified(got);
	CU_ASSERT_EQUAL(check(key, WL_AUTH_FRESH), WL_E_UNAVAILABLE);
	db.away = false;
	CU_ASSERT_EQUAL(check(key, WL_AUTH_CACHED), WL_OK);
	wl_auth_unref(got);
}

static void
both_away(void)
{
	in_loop(both_away_fn);
}

static int	 passed, refused, pending;
static enum wl_auth_mode crowd_mode;

static void
one_of_crowd(void *key)
{
	struct wl_err e = { 0 };
	struct wl_auth *auth = wl_auth_check(arena, &conf, key, "192.0.2.1",
	    crowd_mode, &e);

	if (auth != NULL)
		passed++;
	else
		refused += e.code == WL_E_UNAVAILABLE;
	wl_auth_unref(auth);
	pending--;
}

static void
crowd(const char *key, int n, enum wl_auth_mode mode)
{
	int i;

	passed = refused = 0;
	pending = n;
	crowd_mode = mode;
	for (i = 0; i < n; i++)
		if (wl_co_spawn("crowd", one_of_crowd,
		    (void *)(uintptr_t)key) == NULL)
			pending--;
	for (i = 0; pending > 0 && i < 500; i++)
		wl_sleep(5);
	CU_ASSERT_EQUAL(pending, 0);
}

static void
one_query_fn(void)
{
	const char *key = add_key(), *other = add_key();

	db.slow_ms = 20;
	crowd(key, 50, WL_AUTH_CACHED);
	CU_ASSERT_EQUAL(passed, 50);
	CU_ASSERT_EQUAL(db.queries, 1);
	/* those who came during a query need one that began after them */
	crowd(key, 50, WL_AUTH_FRESH);
	CU_ASSERT_EQUAL(passed, 50);
	CU_ASSERT_EQUAL(db.queries, 3);
	/* a failure is everybody's, not tried fifty times */
	db.away = true;
	crowd(other, 50, WL_AUTH_CACHED);
	CU_ASSERT_EQUAL(refused, 50);
	CU_ASSERT_EQUAL(db.queries, 4);
}

static void
one_query(void)
{
	in_loop(one_query_fn);
}

static void
failures_fn(void)
{
	const char *known = add_key(), *unseen = add_key();
	char strange[WL_KEY_LEN + 1], prefix[WL_KEY_PREFIX + 1];
	uint8_t hash[32];
	int i;

	conf.auth_failures_per_minute = 3;
	db.redis_away = true;	/* this process counts alone */
	CU_ASSERT_EQUAL(check(known, WL_AUTH_CACHED), WL_OK);
	for (i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(check("bad", WL_AUTH_CACHED),
		    WL_E_INVALID_KEY);
	CU_ASSERT_EQUAL(check("bad", WL_AUTH_CACHED), WL_E_TOO_MANY_BAD);
	CU_ASSERT(err.retry_after >= 1 && err.retry_after <= 60);
	CU_ASSERT_EQUAL(db.queries, 1);
	/* neighbours do not suffer, known here or not */
	CU_ASSERT_EQUAL(check(known, WL_AUTH_CACHED), WL_OK);
	CU_ASSERT_EQUAL(check(unseen, WL_AUTH_CACHED), WL_OK);
	CU_ASSERT_EQUAL(db.queries, 2);
	/* and a flood of well-formed keys costs little */
	for (i = 0; i < 100; i++) {
		wl_key_make(false, strange, prefix, hash);
		CU_ASSERT_EQUAL(check(strange, WL_AUTH_CACHED),
		    WL_E_TOO_MANY_BAD);
	}
	CU_ASSERT(db.queries <= 2 + 2 * 10);
	memset(&err, 0, sizeof(err));
	got = wl_auth_check(arena, &conf, unseen, "192.0.2.2", WL_AUTH_CACHED,
	    &err);
	CU_ASSERT_PTR_NOT_NULL(got);
	wl_auth_unref(got);
	/* the next minute begins anew */
	wl_clock_set_offset(60000);
	CU_ASSERT_EQUAL(check("bad", WL_AUTH_CACHED), WL_E_INVALID_KEY);
}

static void
failures(void)
{
	in_loop(failures_fn);
}

static void
expiry_fn(void)
{
	const char *key = add_key();

	db.row.expires_ms = wl_clock_ms() + 5000;
	CU_ASSERT_EQUAL(check(key, WL_AUTH_CACHED), WL_OK);
	wl_clock_set_offset(5001);
	CU_ASSERT_EQUAL(check(key, WL_AUTH_CACHED), WL_E_INVALID_KEY);
	CU_ASSERT_EQUAL(db.queries, 1);
}

static void
expiry(void)
{
	in_loop(expiry_fn);
}

static void
bounded_fn(void)
{
	int i;

	for (i = 0; i < 4100; i++)
		CU_ASSERT_EQUAL(check(add_key(), WL_AUTH_CACHED), WL_OK);
	CU_ASSERT_EQUAL(db.queries, 4100);
	/* the last ones are there, and what was pushed out is asked again */
	for (i = 4000; i < 4100; i++)
		CU_ASSERT_EQUAL(check(db.key[i], WL_AUTH_CACHED), WL_OK);
	CU_ASSERT_EQUAL(db.queries, 4100);
	for (i = 0; i < 4100; i++)
		CU_ASSERT_EQUAL(check(db.key[i], WL_AUTH_CACHED), WL_OK);
	CU_ASSERT(db.queries > 4100);
	wl_arena_reset(arena);
}

static void
bounded(void)
{
	in_loop(bounded_fn);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "a key opens its project", accepted },
		{ "a bad form costs no query", form_first },
		{ "one answer for all that is refused", one_answer },
		{ "what is remembered, and how long", remembered },
		{ "FRESH asks each time", fresh },
		{ "after STALE only PostgreSQL counts", again },
		{ "a Redis that was away is not believed", epoch },
		{ "both stores away", both_away },
		{ "one query for a crowd", one_query },
		{ "failures are limited by address", failures },
		{ "a key expires while it is remembered", expiry },
		{ "the cache is bounded", bounded },
		{ NULL, NULL }
	};

	return wl_tap_run("auth", tests);
}
