/*
 * Counters, wherever they are kept.
 */
#include "config.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/store/counter_priv.h"
#include "lib/store/db.h"
#include "lib/store/db_admin.h"

struct wl_settle {
	struct wl_arena		*a;
	const struct wl_gate	*g;
	struct wl_refund	 refund;
	struct wl_redis_settle	*redis;		/* NULL: in PostgreSQL */
};

static bool
in_postgres(const struct wl_conf *conf)
{
	return conf->counters == WL_COUNTERS_POSTGRES;
}

int64_t
wl_counter_window_end(enum wl_limit_name name, int64_t now_ms)
{
	switch (name) {
	case WL_LN_MINUTE:
	case WL_LN_KEY_MINUTE:
		return (now_ms / 60000 + 1) * 60000;
	case WL_LN_MONTH:
	case WL_LN_KEY_MONTH:
		return wl_clock_month_next(now_ms) * 1000;
	case WL_LN_LEASE:
	case WL_LIMIT_NAME_MAX:
		break;
	}
	return now_ms + 1000;
}

/*
 * What holds when nothing is counted.
 */
static void
blank(struct wl_gate *g)
{
	int i;

	g->result = WL_G_ADMITTED;
	g->refused_by = -1;
	g->generation[0] = '\0';
	for (i = 0; i < g->nrows; i++) {
		g->rows[i].used = 0;
		g->rows[i].reset_ms = wl_counter_window_end(g->rows[i].name,
		    g->now_ms);
	}
}

int
wl_counter_admit(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_gate *g, struct wl_err *e)
{
	blank(g);
	if (in_postgres(conf))
		return wl_counter_pg_admit(a, g, e);
	return wl_counter_redis_admit(a, conf, g, e);
}

int
wl_counter_read(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_gate *g, struct wl_err *e)
{
	blank(g);
	if (in_postgres(conf))
		return wl_counter_pg_read(a, g, e);
	return wl_counter_redis_read(a, conf, g, e);
}

/* ---- settling ---------------------------------------------------------- */

static struct wl_refund
refund_of(const struct wl_gate *g, bool month)
{
	struct wl_refund r = { 0, 0, false };
	int i;

	for (i = 0; i < g->nrows; i++) {
		if (g->rows[i].limit < 0)
			continue;
		if (g->rows[i].name == WL_LN_LEASE)
			r.lease = true;
		if (g->rows[i].name == WL_LN_MONTH && month)
			r.month = g->rows[i].cost;
		if (g->rows[i].name == WL_LN_KEY_MONTH && month)
			r.key_month = g->rows[i].cost;
	}
	return r;
}

static void
not_settled(const struct wl_gate *g, const struct wl_err *e)
{
	wl_log(WL_WARN, "settle.failed", "%s of project %s: %s", g->event_id,
	    g->project, e->detail);
}

struct wl_settle *
wl_counter_settle_send(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_gate *g, bool refund_month)
{
	struct wl_refund r = refund_of(g, refund_month);
	struct wl_settle *s;
	struct wl_err e;

	if (r.month == 0 && r.key_month == 0 && !r.lease)
		return NULL;
	if ((s = wl_arena_alloc(a, sizeof(*s))) == NULL)
		return NULL;
	s->a = a;
	s->g = g;
	s->refund = r;
	if (in_postgres(conf))
		return s;
	s->redis = wl_counter_redis_settle_send(a, conf, g, &r, &e);
	if (s->redis == NULL) {
		not_settled(g, &e);
		return NULL;
	}
	return s;
}

void
wl_counter_settle_wait(struct wl_settle *s)
{
	struct wl_err e;
	int ret;

	if (s == NULL)
		return;
	if (s->redis != NULL)
		ret = wl_counter_redis_settle_wait(s->redis, &e);
	else
		ret = wl_counter_pg_settle(s->a, s->g, &s->refund, &e);
	if (ret == -1)
		not_settled(s->g, &e);
}

/* ---- operators --------------------------------------------------------- */

/*
 * First the ledger, where its month changes, then the counters.
 */
static int
change(struct wl_arena *a, const struct wl_conf *conf, const char *actor,
    const char *project, int64_t now_ms, const struct wl_usage_change *u,
    struct wl_err *e)
{
	int found = 1;

	if (u->month >= 0)
		found = wl_db_admin_month(a, actor, project, now_ms, u->add,
		    u->month, e);
	if (found == 0)
		return wl_err_set(e, WL_E_NOT_FOUND,
		    "there is no project \"%s\"", project);
	if (found == -1)
		return -1;
	if (!in_postgres(conf))
		return wl_counter_redis_change(a, conf, project, now_ms, u, e);
	/* what is added is there already */
	return u->add || u->minute < 0 ? 0 :
	    wl_counter_pg_set(a, project, now_ms, u->minute, e);
}

int
wl_counter_set(struct wl_arena *a, const struct wl_conf *conf,
    const char *actor, const char *project, int64_t now_ms, int64_t minute,
    int64_t month, struct wl_err *e)
{
	struct wl_usage_change u = { minute, month, false };

	return change(a, conf, actor, project, now_ms, &u, e);
}

int
wl_counter_add(struct wl_arena *a, const struct wl_conf *conf,
    const char *actor, const char *project, int64_t now_ms, int64_t n,
    struct wl_err *e)
{
	/* no minute has room for more */
	struct wl_usage_change u = { n < WL_COUNTER_MINUTE_MAX ? n :
	    WL_COUNTER_MINUTE_MAX, n, true };

	return change(a, conf, actor, project, now_ms, &u, e);
}

/*
 * The month, -1 when there are no counters, and the minute of NOW_MS.
 */
static int
read_now(struct wl_arena *a, const struct wl_conf *conf, const char *project,
    int64_t now_ms, int64_t *month, int64_t *minute, struct wl_err *e)
{
	struct wl_gate g = { .project = project, .now_ms = now_ms, .nrows = 2 };

	g.rows[0].name = WL_LN_MONTH;
	g.rows[1].name = WL_LN_MINUTE;
	if (wl_counter_read(a, conf, &g, e) == -1)
		return -1;
	*month = g.generation[0] == '\0' ? -1 : g.rows[0].used;
	*minute = g.rows[1].used;
	return 0;
}

/*
 * At most so many of the calls that are counted are not drained yet, where
 * somebody drains: those of the last minute, as the counters and as the ledger
 * know them.
 */
static int
count_recent(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, int64_t now_ms, int64_t *recent, struct wl_err *e)
{
	int64_t month, minute, before, drained;

	if (wl_db_recent(a, WL_ROLE_ROLLUP, project, now_ms, &drained, e) ==
	    -1 || read_now(a, conf, project, now_ms, &month, &minute, e) ==
	    -1 || read_now(a, conf, project, now_ms - 60000, &month, &before,
	    e) == -1)
		return -1;
	*recent = minute + before > drained ? minute + before : drained;
	return 0;
}

int
wl_counter_reconcile(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, int64_t now_ms, bool drained, int64_t *before,
    int64_t *after, struct wl_err *e)
{
	int64_t ledger, recent, minute;

	/* in this order: what is drained meanwhile makes the ledger higher */
	if (wl_db_month_used(a, WL_ROLE_ROLLUP, project, NULL, now_ms, &ledger,
	    e) == -1 || count_recent(a, conf, project, now_ms, &recent, e) ==
	    -1 || read_now(a, conf, project, now_ms, before, &minute, e) == -1)
		return -1;
	*after = *before;
	/* without counters and calls there is nothing to lose */
	if (*before == -1 ? ledger == 0 : *before >= ledger && (!drained ||
	    *before <= ledger + recent))
		return 0;
	if ((in_postgres(conf) ?
	    wl_counter_pg_begin(a, project, now_ms, e) :
	    wl_counter_redis_begin(a, conf, project, now_ms, e)) == -1 ||
	    read_now(a, conf, project, now_ms, after, &minute, e) == -1)
		return -1;
	return 1;
}
