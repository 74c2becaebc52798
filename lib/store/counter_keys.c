/*
 * Keys and arguments of the scripts that count.
 */
#include "config.h"
#include "lib/store/counter_keys.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/num.h"
#include "lib/store/redis.h"
#include "lib/store/scripts.h"

#define DAY_MS	((int64_t)86400000)

void
wl_counter_keys_add(struct wl_counter_list *l, const char *s)
{
	const char **v;
	int cap;

	if (l->n == l->cap && !l->failed) {
		cap = l->cap == 0 ? 64 : 2 * l->cap;
		v = wl_arena_alloc(l->a, (size_t)cap * sizeof(*v));
		if (v != NULL && l->n > 0)
			memcpy(v, l->v, (size_t)l->n * sizeof(*v));
		if (v == NULL)
			l->failed = true;
		else {
			l->v = v;
			l->cap = cap;
		}
	}
	if (s == NULL)
		l->failed = true;
	if (!l->failed)
		l->v[l->n++] = s;
}

void
wl_counter_keys_add_int(struct wl_counter_list *l, int64_t v)
{
	char text[WL_NUM_LEN];
	size_t len = wl_num_put(v, text);

	wl_counter_keys_add(l, wl_arena_dup(l->a, text, len));
}

int64_t
wl_counter_keys_ttl(int64_t now_ms)
{
	return wl_clock_month_next(wl_clock_month_next(now_ms) * 1000) * 1000 -
	    now_ms;
}

void
wl_counter_keys_init(struct wl_counter_keys *c, struct wl_arena *a,
    const struct wl_conf *conf, const char *project, int64_t now_ms)
{
	memset(c, 0, sizeof(*c));
	c->keys.a = c->args.a = a;
	c->id = conf->redis_hash_tags ? wl_arena_printf(a, "{%s}", project) :
	    project;
	wl_clock_month_name(now_ms, c->month);
	c->now_ms = now_ms;
	c->minute = now_ms / 60000;
	c->month_ttl = wl_counter_keys_ttl(now_ms);
	if (c->id == NULL)
		c->keys.failed = true;
	else
		wl_counter_keys_add(&c->keys, wl_arena_printf(a, "project:%s", c->id));
}

void
wl_counter_keys_month(struct wl_counter_keys *c)
{
	wl_counter_keys_add(&c->keys, wl_arena_printf(c->keys.a, "quota:%s:%s", c->id,
	    c->month));
}

void
wl_counter_keys_key_months(struct wl_counter_keys *c)
{
	wl_counter_keys_add(&c->keys, wl_arena_printf(c->keys.a,
	    "quota:%s:keys:%s", c->id, c->month));
}

void
wl_counter_keys_minute(struct wl_counter_keys *c, const char *key_id,
    int64_t minute)
{
	wl_counter_keys_add(&c->keys, key_id == NULL ?
	    wl_arena_printf(c->keys.a, "ratelimit:%s:%lld", c->id,
		(long long)minute) :
	    wl_arena_printf(c->keys.a, "ratelimit:%s:key:%s:%lld", c->id,
		key_id, (long long)minute));
}

void
wl_counter_keys_sliding(struct wl_counter_keys *c, const char *key_id)
{
	wl_counter_keys_add(&c->keys, key_id == NULL ?
	    wl_arena_printf(c->keys.a, "ratelimit:%s:sliding", c->id) :
	    wl_arena_printf(c->keys.a, "ratelimit:%s:key:%s:sliding", c->id,
		key_id));
}

void
wl_counter_keys_leases(struct wl_counter_keys *c)
{
	wl_counter_keys_add(&c->keys, wl_arena_printf(c->keys.a, "leases:%s", c->id));
}

void
wl_counter_keys_unit(struct wl_counter_keys *c, enum wl_limit_unit unit,
    const char *sub, int64_t at_ms)
{
	static const char *const prefixes[] = {
		[WL_LU_MINUTE] = "ratelimit", [WL_LU_MONTH] = "quota",
		[WL_LU_LEASE] = "leases", [WL_LU_TOKENS] = "tokens",
		[WL_LU_DAY_NANO] = "budget", [WL_LU_MONTH_NANO] = "budget",
	};
	char window[32] = "";

	switch (unit) {
	case WL_LU_MINUTE:
	case WL_LU_TOKENS:
		window[wl_num_put(at_ms / 60000, window)] = '\0';
		break;
	case WL_LU_MONTH:
	case WL_LU_MONTH_NANO:
		wl_clock_month_name(at_ms, window);
		break;
	case WL_LU_DAY_NANO:
		wl_clock_rfc3339(at_ms, window);
		window[10] = '\0';
		break;
	case WL_LU_LEASE:
		break;
	case WL_LIMIT_UNIT_MAX:
		c->keys.failed = true;
		return;
	}
	wl_counter_keys_add(&c->keys, wl_arena_printf(c->keys.a,
	    "%s:%s%s%s%s%s", prefixes[unit], c->id, sub == NULL ? "" : ":",
	    sub == NULL ? "" : sub, window[0] == '\0' ? "" : ":", window));
}

int64_t
wl_counter_keys_unit_ttl(enum wl_limit_unit unit, int64_t at_ms,
    int64_t now_ms)
{
	switch (unit) {
	case WL_LU_MONTH:
	case WL_LU_MONTH_NANO:
		return wl_counter_keys_ttl(at_ms) - (now_ms - at_ms);
	case WL_LU_DAY_NANO:
		return (at_ms / DAY_MS + 2) * DAY_MS - now_ms;
	case WL_LU_MINUTE:
	case WL_LU_TOKENS:
	case WL_LU_LEASE:
	case WL_LIMIT_UNIT_MAX:
		break;
	}
	return WL_COUNTER_MINUTE_TTL;
}

struct wl_reply *
wl_counter_keys_run(struct wl_script *s, struct wl_counter_keys *c,
    struct wl_err *e)
{
	int i, nkeys = c->keys.n;

	for (i = 0; i < c->args.n; i++)
		wl_counter_keys_add(&c->keys, c->args.v[i]);
	if (c->keys.failed || c->args.failed) {
		wl_err_set(e, WL_E_UNAVAILABLE, NULL);
		wl_err_detail(e, "request memory is out");
		return NULL;
	}
	return wl_redis_script(c->keys.a, s, nkeys, c->keys.n, c->keys.v, e);
}

int
wl_counter_keys_unexpected(const struct wl_reply *r, struct wl_err *e)
{
	wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	return wl_err_detail(e, "redis: unexpected reply%s%s",
	    r->type == WL_R_ERROR ? ": " : "",
	    r->type == WL_R_ERROR ? r->str : "");
}
