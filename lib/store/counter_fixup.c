/*
 * What goes to the counters in Redis beside the calls: versions of projects,
 * calls that the present generation did not see, failures by address.
 */
#include "config.h"
#include "lib/store/counter.h"

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/store/counter_keys.h"
#include "lib/store/redis.h"
#include "lib/store/scripts.h"

int
wl_counter_version(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, int64_t version, struct wl_err *e)
{
	int64_t now = wl_clock_ms();
	struct wl_reply *r;
	struct wl_counter_keys c;

	if (conf->counters == WL_COUNTERS_POSTGRES)
		return 0;
	wl_counter_keys_init(&c, a, conf, project, now);
	wl_counter_keys_add_int(&c.args, version);
	wl_counter_keys_add_int(&c.args, now);
	wl_counter_keys_add_int(&c.args, c.month_ttl);
	if ((r = wl_counter_keys_run(&wl_scripts_version, &c, e)) == NULL)
		return -1;
	return r->type == WL_R_INT ? 0 : wl_counter_keys_unexpected(r, e);
}

/*
 * "MS ID,MS ID" as MS, ID, MS, ID.
 */
static void
add_calls(struct wl_counter_keys *c, const char *calls)
{
	struct wl_str rest = wl_str_of(calls), id, ms;

	while (rest.len > 0) {
		id = wl_str_cut(&rest, ',');
		ms = wl_str_cut(&id, ' ');
		if (ms.len == 0 || id.len == 0)
			continue;
		wl_counter_keys_add(&c->args, wl_arena_dup(c->args.a, ms.p, ms.len));
		wl_counter_keys_add(&c->args, wl_arena_dup(c->args.a, id.p, id.len));
	}
}

/*
 * What a fix-up begins with.
 */
static void
begin(struct wl_counter_keys *c, struct wl_arena *a,
    const struct wl_conf *conf, const struct wl_counter_fixup *f,
    int64_t now_ms)
{
	wl_counter_keys_init(c, a, conf, f->project, f->month_ms);
	wl_counter_keys_add_int(&c->args, f->id);
	wl_counter_keys_add(&c->args, f->generation);
	wl_counter_keys_add(&c->args, f->host);
	wl_counter_keys_add_int(&c->args, now_ms);
	wl_counter_keys_add_int(&c->args, wl_counter_keys_ttl(now_ms));
}

/*
 * The counter of a limit rule.
 */
static struct wl_reply *
fix_rule(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_counter_fixup *f, int64_t now_ms, struct wl_err *e)
{
	enum wl_limit_unit unit = wl_limit_scope_unit(f->scope);
	struct wl_counter_keys c;

	begin(&c, a, conf, f, now_ms);
	wl_counter_keys_unit(&c, unit, f->scope, f->minute * 60000);
	wl_counter_keys_add_int(&c.args, unit == WL_LU_MONTH ? f->month_n :
	    f->nano_n);
	wl_counter_keys_add_int(&c.args, wl_counter_keys_unit_ttl(unit,
	    f->minute * 60000, now_ms));
	return wl_counter_keys_run(&wl_scripts_fixup_rule, &c, e);
}

static struct wl_reply *
fix_project(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_counter_fixup *f, int64_t now_ms, struct wl_err *e)
{
	static const enum wl_limit_unit units[] = { WL_LU_TOKENS,
	    WL_LU_DAY_NANO, WL_LU_MONTH_NANO };
	const char *id = f->key_id != NULL ? f->key_id : "";
	const char *sub = wl_arena_printf(a, "key:%s", id);
	int64_t ms = f->minute * 60000;
	struct wl_counter_keys c;
	int i;

	begin(&c, a, conf, f, now_ms);
	wl_counter_keys_month(&c);
	wl_counter_keys_key_months(&c);
	wl_counter_keys_minute(&c, NULL, f->minute);
	wl_counter_keys_minute(&c, id, f->minute);
	wl_counter_keys_sliding(&c, NULL);
	wl_counter_keys_sliding(&c, id);
	for (i = 0; i < 3; i++) {
		wl_counter_keys_unit(&c, units[i], NULL, ms);
		wl_counter_keys_unit(&c, units[i], sub == NULL ? "" : sub, ms);
	}
	wl_counter_keys_add_int(&c.args, f->month_n);
	wl_counter_keys_add_int(&c.args, f->minute_n);
	wl_counter_keys_add_int(&c.args, f->minute);
	wl_counter_keys_add(&c.args, id);
	wl_counter_keys_add_int(&c.args, c.month_ttl - (now_ms - f->month_ms));
	wl_counter_keys_add_int(&c.args, wl_counter_keys_unit_ttl(
	    WL_LU_DAY_NANO, ms, now_ms));
	wl_counter_keys_add_int(&c.args, f->tokens_n);
	wl_counter_keys_add_int(&c.args, f->nano_n);
	add_calls(&c, f->calls);
	return wl_counter_keys_run(&wl_scripts_fixup, &c, e);
}

int
wl_counter_fixup(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_counter_fixup *f, int64_t now_ms, struct wl_err *e)
{
	struct wl_reply *r = f->scope != NULL ?
	    fix_rule(a, conf, f, now_ms, e) : fix_project(a, conf, f, now_ms,
	    e);

	if (r == NULL)
		return -1;
	return r->type == WL_R_INT ? 0 : wl_counter_keys_unexpected(r, e);
}

int64_t
wl_counter_address(struct wl_arena *a, const char *kind, const char *addr,
    int64_t now_ms, int cost)
{
	struct wl_counter_list l = { .a = a };
	struct wl_reply *r;
	struct wl_err e;

	wl_counter_keys_add(&l, wl_arena_printf(a, "fail:%s:%s:%lld", kind, addr,
	    (long long)(now_ms / 60000)));
	wl_counter_keys_add_int(&l, cost);
	if (l.failed)
		return -1;
	r = wl_redis_script(a, &wl_scripts_address, 1, l.n, l.v, &e);
	return r != NULL && r->type == WL_R_INT ? r->integer : -1;
}
