/*
 * Redis, or Valkey: does it answer fast enough, and does it keep what it was
 * given.  All is read from INFO: CONFIG is often forbidden.
 */
#include "config.h"
#include "fcgi/doctor.h"

#include <inttypes.h>
#include <string.h>

#include "fcgi/doctor_clock.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/num.h"
#include "lib/store/redis.h"

#define AREA		"redis"
#define PINGS		20
#define MAJOR_MIN	6

static struct wl_reply *
call(struct wl_doctor *d, int argc, const char *const *argv, const char *check)
{
	struct wl_err e = { 0 };
	struct wl_reply *r = wl_redis_call(d->a, argc, argv, NULL, &e);

	if (r != NULL && r->type != WL_R_ERROR)
		return r;
	wl_doctor_add(d, AREA, check, WL_GRADE_FAIL, "is redis right in the "
	    "configuration, is the server running, may this user open its "
	    "socket, is redis_password_file the right one?", "%s: %s",
	    d->conf->redis, r != NULL ? r->str : wl_doctor_why(&e));
	return NULL;
}

/*
 * The value of NAME in the text of INFO, in the arena, or NULL.
 */
static const char *
value(struct wl_doctor *d, const struct wl_reply *info, const char *name)
{
	struct wl_str rest = { info->str, info->len }, line, key;

	while (rest.p != NULL) {
		line = wl_str_cut(&rest, '\n');
		key = wl_str_cut(&line, ':');
		if (line.p == NULL || !wl_str_eq(key, name))
			continue;
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		return wl_doctor_text(d, "%.*s", (int)line.len, line.p);
	}
	return NULL;
}

static bool
is(const char *v, const char *want)
{
	return v != NULL && strcmp(v, want) == 0;
}

static void
version(struct wl_doctor *d, const struct wl_reply *info)
{
	const char *valkey = value(d, info, "valkey_version");
	const char *redis = value(d, info, "redis_version");
	const char *v = valkey != NULL ? valkey : redis;
	int64_t major;

	if (v == NULL || wl_num_parse(v, strcspn(v, "."), 0, 1000,
	    &major) == -1)
		wl_doctor_add(d, AREA, "version", WL_GRADE_WARN, NULL,
		    "INFO tells no version");
	else
		wl_doctor_add(d, AREA, "version", major >= MAJOR_MIN ?
		    WL_GRADE_OK : WL_GRADE_FAIL, major >= MAJOR_MIN ? NULL :
		    "Redis 6 or later, or Valkey, is needed", "%s %s",
		    valkey != NULL ? "Valkey" : "Redis", v);
}

static void
kept(struct wl_doctor *d, const struct wl_reply *info)
{
	const char *policy = value(d, info, "maxmemory_policy");

	if (is(value(d, info, "aof_enabled"), "1"))
		wl_doctor_add(d, AREA, "appendonly", WL_GRADE_OK, NULL,
		    "yes");
	else
		wl_doctor_add(d, AREA, "appendonly", WL_GRADE_FAIL,
		    "appendonly yes in redis.conf, or CONFIG SET appendonly "
		    "yes and CONFIG REWRITE", "no: a restart forgets the "
		    "counters of the last minutes");
	if (is(policy, "noeviction"))
		wl_doctor_add(d, AREA, "eviction", WL_GRADE_OK, NULL,
		    "noeviction");
	else
		wl_doctor_add(d, AREA, "eviction", WL_GRADE_FAIL,
		    "maxmemory-policy noeviction in redis.conf",
		    "%s: counters are thrown away when memory is short, and "
		    "limits are passed", policy != NULL ? policy : "unknown");
}

static void
persistence(struct wl_doctor *d, const struct wl_reply *info)
{
	static const char *const writes[] = { "aof_last_write_status",
	    "aof_last_bgrewrite_status", "rdb_last_bgsave_status" };
	const char *v;
	size_t i;

	if (is(value(d, info, "loading"), "1")) {
		wl_doctor_add(d, AREA, "persistence", WL_GRADE_FAIL,
		    "wait until it is done", "it is still loading");
		return;
	}
	for (i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		v = value(d, info, writes[i]);
		if (v == NULL || strcmp(v, "ok") == 0)
			continue;
		wl_doctor_add(d, AREA, "persistence", WL_GRADE_FAIL,
		    "see the log of Redis: is its disk full, may it write?",
		    "%s: %s", writes[i], v);
		return;
	}
	if (is(value(d, info, "role"), "slave"))
		wl_doctor_add(d, AREA, "persistence", WL_GRADE_FAIL,
		    "give the address of the primary", "it is a replica, "
		    "which cannot be written to");
	else
		wl_doctor_add(d, AREA, "persistence", WL_GRADE_OK, NULL,
		    "its last writes to the disk worked");
}

/*
 * The middle and the worst of some round trips.
 */
static void
latency(struct wl_doctor *d)
{
	static const char *const ping[] = { "PING" };
	int64_t us, worst = 0, sum = 0, limit = d->redis_timeout * 1000;
	int i;

	for (i = 0; i < PINGS; i++) {
		us = wl_clock_us();
		if (call(d, 1, ping, "latency") == NULL)
			return;
		us = wl_clock_us() - us;
		sum += us;
		if (us > worst)
			worst = us;
	}
	wl_doctor_add(d, AREA, "latency", worst > limit ? WL_GRADE_FAIL :
	    worst > limit / 2 ? WL_GRADE_WARN : WL_GRADE_OK,
	    worst <= limit / 2 ? NULL : "put Redis nearer, or raise "
	    "redis_timeout, which calls wait for when it is away",
	    "%" PRId64 " us a call, %" PRId64 " us at worst; redis_timeout is "
	    "%" PRId64 " ms", sum / PINGS, worst, d->redis_timeout);
}

/*
 * The server's clock in ms, or -1.
 */
static int64_t
server_time(struct wl_doctor *d)
{
	static const char *const argv[] = { "TIME" };
	struct wl_reply *r = call(d, 1, argv, "clock");
	int64_t s, us;

	if (r == NULL || r->type != WL_R_ARRAY || r->n != 2 ||
	    wl_num_parse(r->item[0]->str, r->item[0]->len, 0,
	    INT64_MAX / 1000, &s) == -1 || wl_num_parse(r->item[1]->str,
	    r->item[1]->len, 0, 999999, &us) == -1)
		return -1;
	return s * 1000 + us / 1000;
}

void
wl_doctor_redis(struct wl_doctor *d)
{
	static const char *const argv[] = { "INFO" };
	struct wl_reply *info;

	if (d->conf->redis[0] == '\0') {
		if (d->conf->counters == WL_COUNTERS_REDIS)
			wl_doctor_add(d, AREA, "reachable", WL_GRADE_FAIL,
			    "set redis, or counters = postgres",
			    "counters = redis, but no redis is configured");
		return;
	}
	if ((info = call(d, 1, argv, "reachable")) == NULL)
		return;
	if (info->type != WL_R_STR) {
		wl_doctor_add(d, AREA, "reachable", WL_GRADE_WARN,
		    "allow INFO to this user", "it answers, but not to INFO");
		return;
	}
	wl_doctor_add(d, AREA, "reachable", WL_GRADE_OK, NULL, "%s",
	    d->conf->redis);
	version(d, info);
	kept(d, info);
	persistence(d, info);
	latency(d);
	wl_doctor_clock(d, AREA, server_time);
}
