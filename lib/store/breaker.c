/*
 * The state of breakers in Redis.  A field's value is
 *	UNTIL OPENS CAUSE FAILURES SUCCESSES SINCE
 * in decimal, UNTIL 0 while it is closed and only counted.  A project has
 * FIELDS of them at most; what is out of date goes when there is no room.
 */
#include "config.h"
#include "lib/store/breaker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/num.h"
#include "lib/base/rand.h"

#define FIELDS		"64"
/* How long a project is remembered after its last failure, ms; longer than
   anything stays open. */
#define KEEP		"7200000"

/*
 * KEYS[1]; id, now, window, threshold, successes, base, max, factor, exact,
 * share of the length to take off in thousandths, cause, probe.
 * {1, until} opened now, {0, until} as it was, {-1, 0} no room.
 */
static struct wl_script script_fail = {
	"local id, now = ARGV[1], tonumber(ARGV[2])\n"
	"local window, threshold = tonumber(ARGV[3]), tonumber(ARGV[4])\n"
	"local until_, opens, fails, oks, since = 0, 0, 0, 0, now\n"
	"local v = redis.call('hget', KEYS[1], id)\n"
	"if v then\n"
	"  local n = {}\n"
	"  for x in string.gmatch(v, '%d+') do n[#n + 1] = tonumber(x) end\n"
	"  until_, opens, fails, oks, since = n[1], n[2], n[4], n[5], n[6]\n"
	"elseif redis.call('hlen', KEYS[1]) >= " FIELDS " then\n"
	"  local all = redis.call('hgetall', KEYS[1])\n"
	"  for i = 1, #all, 2 do\n"
	"    local u, s = string.match(all[i + 1], '^(%d+) .* (%d+)$')\n"
	"    if tonumber(u) < now and tonumber(s) + window < now then\n"
	"      redis.call('hdel', KEYS[1], all[i])\n"
	"    end\n"
	"  end\n"
	"  if redis.call('hlen', KEYS[1]) >= " FIELDS " then\n"
	"    return {-1, 0}\n"
	"  end\n"
	"end\n"
	"if until_ > now and ARGV[12] == '0' then return {0, until_} end\n"
	"local opened = 0\n"
	"if until_ == 0 then\n"
	"  if since + window < now then fails, oks, since = 0, 0, now end\n"
	"  fails, oks = fails + 1, oks + tonumber(ARGV[5])\n"
	"end\n"
	"if until_ > 0 or threshold == 0 or\n"
	"  fails >= threshold and fails >= oks then\n"
	"  opens = math.min(opens + 1, 30)\n"
	"  local len = tonumber(ARGV[9])\n"
	"  if len == 0 then\n"
	"    len = math.min(tonumber(ARGV[6]) * tonumber(ARGV[8]) ^ (opens - 1),\n"
	"      tonumber(ARGV[7]))\n"
	"    len = math.floor(len - len * tonumber(ARGV[10]) / 1000)\n"
	"  end\n"
	"  until_, fails, oks, opened = now + len, 0, 0, 1\n"
	"end\n"
	"redis.call('hset', KEYS[1], id, string.format(\n"
	"  '%.0f %d %d %d %d %.0f', until_, opens, tonumber(ARGV[11]), fails,\n"
	"  oks, since))\n"
	"redis.call('pexpire', KEYS[1], " KEEP ")\n"
	"return {opened, until_}\n",
	""
};

/*
 * KEYS[1]; id, now, lease.
 */
static struct wl_script script_probe = {
	"local v = redis.call('hget', KEYS[1], ARGV[1])\n"
	"local now = tonumber(ARGV[2])\n"
	"local until_, rest = 0, ''\n"
	"if v then\n"
	"  until_, rest = string.match(v, '^(%d+)(.*)$')\n"
	"  until_ = tonumber(until_)\n"
	"end\n"
	"if until_ == 0 then return {2, 0} end\n"
	"if until_ > now then return {0, until_} end\n"
	"until_ = now + tonumber(ARGV[3])\n"
	"redis.call('hset', KEYS[1], ARGV[1],\n"
	"  string.format('%.0f', until_) .. rest)\n"
	"return {1, until_}\n",
	""
};

/*
 * KEYS[1]; id.
 */
static struct wl_script script_close = {
	"local v = redis.call('hget', KEYS[1], ARGV[1])\n"
	"if not v then return {0, 0} end\n"
	"redis.call('hdel', KEYS[1], ARGV[1])\n"
	"return {string.sub(v, 1, 2) == '0 ' and 0 or 1, 0}\n",
	""
};

int64_t
wl_breaker_length(const struct wl_breaker_failure *f, int opens)
{
	int64_t len = f->base_ms;

	if (f->exact_ms != 0)
		return f->exact_ms;
	while (--opens > 0 && len < f->max_ms)
		len *= f->factor;
	return len < f->max_ms ? len : f->max_ms;
}

static const char *
key_of(struct wl_arena *a, const struct wl_conf *conf, const char *project)
{
	return wl_arena_printf(a, conf->redis_hash_tags ? "breaker:{%s}" :
	    "breaker:%s", project);
}

/*
 * Run S, which answers two integers.  0, or -1.
 */
static int
run(struct wl_arena *a, struct wl_script *s, const struct wl_conf *conf,
    const char *project, int argc, const char **argv, int64_t out[2])
{
	struct wl_reply *r;
	struct wl_err e;

	if (!wl_redis_up() || (argv[0] = key_of(a, conf, project)) == NULL ||
	    (r = wl_redis_script(a, s, 1, argc, argv, &e)) == NULL)
		return -1;
	if (r->type != WL_R_ARRAY || r->n != 2 ||
	    r->item[0]->type != WL_R_INT || r->item[1]->type != WL_R_INT)
		return -1;
	out[0] = r->item[0]->integer;
	out[1] = r->item[1]->integer;
	return 0;
}

int
wl_breaker_fail(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, const struct wl_breaker_failure *f, int64_t *until)
{
	const int64_t numbers[] = {
		f->now_ms, f->window_ms, f->threshold, f->oks, f->base_ms,
		f->max_ms, f->factor, f->exact_ms, wl_rand_below(501),
		f->cause, f->probe
	};
	char text[11][24], id[17];
	const char *argv[13];
	int64_t out[2];
	size_t i;

	snprintf(id, sizeof(id), "%016" PRIx64, f->id);
	argv[1] = id;
	for (i = 0; i < 11; i++) {
		snprintf(text[i], sizeof(text[i]), "%" PRId64, numbers[i]);
		argv[i + 2] = text[i];
	}
	if (run(a, &script_fail, conf, project, 13, argv, out) == -1 ||
	    out[0] == -1)
		return -1;
	*until = out[1];
	return out[0] == 1;
}

int
wl_breaker_probe(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, uint64_t id, int64_t now_ms, int64_t lease_ms,
    int64_t *until)
{
	char field[17], now[24], lease[24];
	const char *argv[4] = { NULL, field, now, lease };
	int64_t out[2];

	snprintf(field, sizeof(field), "%016" PRIx64, id);
	snprintf(now, sizeof(now), "%" PRId64, now_ms);
	snprintf(lease, sizeof(lease), "%" PRId64, lease_ms);
	if (run(a, &script_probe, conf, project, 4, argv, out) == -1)
		return -1;
	*until = out[1];
	return (int)out[0];
}

int
wl_breaker_close(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, uint64_t id)
{
	char field[17];
	const char *argv[2] = { NULL, field };
	int64_t out[2];

	snprintf(field, sizeof(field), "%016" PRIx64, id);
	if (run(a, &script_close, conf, project, 2, argv, out) == -1)
		return -1;
	return out[0] == 1;
}

int
wl_breaker_read_send(struct wl_redis_req *req, struct wl_arena *a,
    const struct wl_conf *conf, const char *project)
{
	const char *argv[2] = { "HGETALL", key_of(a, conf, project) };
	struct wl_err e;

	if (!wl_redis_up() || argv[1] == NULL)
		return -1;
	return wl_redis_send(req, a, 2, argv, NULL, &e);
}

/*
 * The field and value of one breaker, when they are such.
 */
static bool
read_one(const struct wl_reply *field, const struct wl_reply *value,
    uint64_t *id, int64_t *until, int *opens, int *cause)
{
	char *end;

	if (field->type != WL_R_STR || field->len != 16 ||
	    value->type != WL_R_STR)
		return false;
	*id = strtoull(field->str, &end, 16);
	return *end == '\0' && sscanf(value->str, "%" SCNd64 " %d %d", until,
	    opens, cause) == 3 && *until > 0;
}

int
wl_breaker_read_wait(struct wl_redis_req *req,
    void (*each)(void *arg, uint64_t id, int64_t until, int opens, int cause),
    void *arg)
{
	struct wl_err e;
	struct wl_reply *r = wl_redis_wait(req, &e);
	int opens, cause;
	int64_t until;
	uint64_t id;
	size_t i;

	if (r == NULL || r->type != WL_R_ARRAY)
		return -1;
	for (i = 0; i + 1 < r->n; i += 2)
		if (read_one(r->item[i], r->item[i + 1], &id, &until, &opens,
		    &cause))
			each(arg, id, until, opens, cause);
	return 0;
}
