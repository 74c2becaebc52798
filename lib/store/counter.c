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
	struct wl_deltas	 deltas;
	struct wl_redis_settle	*redis;		/* NULL: in PostgreSQL */
};

static bool
in_postgres(const struct wl_conf *conf)
{
	return conf->counters == WL_COUNTERS_POSTGRES;
}

int64_t
wl_counter_window_end(enum wl_limit_unit unit, int64_t now_ms)
{
	switch (unit) {
	case WL_LU_MINUTE:
	case WL_LU_TOKENS:
		return (now_ms / 60000 + 1) * 60000;
	case WL_LU_DAY_NANO:
		return (now_ms / 86400000 + 1) * 86400000;
	case WL_LU_MONTH:
	case WL_LU_MONTH_NANO:
		return wl_clock_month_next(now_ms) * 1000;
	case WL_LU_LEASE:
	case WL_LIMIT_UNIT_MAX:
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
		g->rows[i].reset_ms = wl_counter_window_end(
		    wl_limit_row_unit(&g->rows[i]), g->now_ms);
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

int
wl_counter_ledger(struct wl_arena *a, const struct wl_gate *g,
    struct wl_limit_row *r, struct wl_err *e)
{
	enum wl_limit_unit unit = wl_limit_row_unit(r);
	const char *key = g->key_id != NULL ? g->key_id : "", *scope = "";

	r->used = 0;
	if (r->name == WL_LN_MONTH || r->name == WL_LN_KEY_MONTH)
		return wl_db_month_used(a, WL_ROLE_APP, g->project,
		    r->name == WL_LN_MONTH ? NULL : key, g->now_ms, &r->used,
		    e);
	if (unit != WL_LU_MONTH && !wl_limit_row_is_money(r))
		return 0;
	if (r->name == WL_LN_RULE)
		scope = r->scope;
	else if (wl_limit_row_of_key(r))
		scope = wl_arena_printf(a, "key:%s", key);
	if (scope == NULL)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	return wl_db_window_used(a, WL_ROLE_APP, g->project, scope,
	    wl_limit_unit_word(unit), g->now_ms, &r->used, e);
}

/* ---- settling ---------------------------------------------------------- */

/*
 * What TRUTH adds to ROW.
 */
static int64_t
delta_of(const struct wl_limit_row *row, const struct wl_truth *truth)
{
	switch (wl_limit_row_unit(row)) {
	case WL_LU_MONTH:
		return truth->refund_month ? -row->cost : 0;
	case WL_LU_TOKENS:
		return truth->tokens - row->cost;
	case WL_LU_DAY_NANO:
	case WL_LU_MONTH_NANO:
		return truth->nano - row->cost;
	case WL_LU_MINUTE:
	case WL_LU_LEASE:
	case WL_LIMIT_UNIT_MAX:
		break;
	}
	return 0;
}

static void
deltas_of(struct wl_deltas *d, const struct wl_gate *g,
    const struct wl_truth *truth)
{
	const struct wl_limit_row *row;
	int64_t n;
	int i;

	d->n = 0;
	for (i = 0; i < g->nrows; i++) {
		row = &g->rows[i];
		n = delta_of(row, truth);
		if (row->limit >= 0 && (n != 0 || row->kind == WL_L_LEASE))
			d->d[d->n++] = (struct wl_delta){ row, n };
	}
}

static void
not_settled(const struct wl_gate *g, const struct wl_err *e)
{
	wl_log(WL_WARN, "settle.failed", "%s of project %s: %s", g->event_id,
	    g->project, e->detail);
}

struct wl_settle *
wl_counter_settle_send(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_gate *g, const struct wl_truth *truth)
{
	struct wl_deltas d;
	struct wl_settle *s;
	struct wl_err e;

	deltas_of(&d, g, truth);
	if (d.n == 0 || (s = wl_arena_alloc(a, sizeof(*s))) == NULL)
		return NULL;
	s->a = a;
	s->g = g;
	s->deltas = d;
	if (in_postgres(conf))
		return s;
	s->redis = wl_counter_redis_settle_send(a, conf, g, &d, &e);
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
		ret = wl_counter_pg_settle(s->a, s->g, &s->deltas, &e);
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
 * Begin anew with what the ledger says.
 */
static int
begin_anew(struct wl_arena *a, const struct wl_conf *conf, enum wl_role role,
    const char *project, int64_t now_ms, struct wl_err *e)
{
	return in_postgres(conf) ?
	    wl_counter_pg_begin(a, role, project, now_ms, e) :
	    wl_counter_redis_begin(a, conf, role, project, now_ms, e);
}

int
wl_counter_set_spent(struct wl_arena *a, const struct wl_conf *conf,
    const char *actor, const char *project, int64_t now_ms, int64_t day,
    int64_t month, struct wl_err *e)
{
	const int64_t nano[] = { day, month };
	const enum wl_limit_unit units[] = { WL_LU_DAY_NANO,
	    WL_LU_MONTH_NANO };
	int i, found = 1;

	for (i = 0; i < 2 && found == 1; i++)
		if (nano[i] >= 0)
			found = wl_db_admin_spent(a, actor, project, now_ms,
			    wl_limit_unit_word(units[i]), nano[i], e);
	if (found == 0)
		return wl_err_set(e, WL_E_NOT_FOUND,
		    "there is no project \"%s\"", project);
	return found == -1 ? -1 : begin_anew(a, conf, WL_ROLE_OWNER, project,
	    now_ms, e);
}

/*
 * What the counters say: MONTH -1 when there are none.
 */
struct now {
	int64_t	month, minute, nano[2];		/* of the day, of the month */
};

static int
read_now(struct wl_arena *a, const struct wl_conf *conf, const char *project,
    int64_t now_ms, struct now *n, struct wl_err *e)
{
	struct wl_gate g = { .project = project, .now_ms = now_ms, .nrows = 4 };

	g.rows[0].name = WL_LN_MONTH;
	g.rows[1].name = WL_LN_MINUTE;
	g.rows[2].name = WL_LN_DAY_NANO;
	g.rows[3].name = WL_LN_MONTH_NANO;
	if (wl_counter_read(a, conf, &g, e) == -1)
		return -1;
	n->month = g.generation[0] == '\0' ? -1 : g.rows[0].used;
	n->minute = g.rows[1].used;
	n->nano[0] = g.rows[2].used;
	n->nano[1] = g.rows[3].used;
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
	struct now minute, before;
	int64_t drained, n;

	if (wl_db_recent(a, WL_ROLE_ROLLUP, project, now_ms, &drained, e) ==
	    -1 || read_now(a, conf, project, now_ms, &minute, e) == -1 ||
	    read_now(a, conf, project, now_ms - 60000, &before, e) == -1)
		return -1;
	n = minute.minute + before.minute;
	*recent = n > drained ? n : drained;
	return 0;
}

/*
 * Whether COUNTED agrees with the ledger: not lower; nor higher by more than
 * SLACK, when what the ledger lacks is being DRAINED.
 */
static bool
agrees(int64_t counted, int64_t ledger, bool drained, int64_t slack)
{
	return counted >= ledger && (!drained || counted <= ledger + slack);
}

/*
 * Whether the money of budgets agrees with the ledger: 1, 0 or -1.  What calls
 * that run may cost nobody knows, so more is too much only when there are
 * none.
 */
static int
money_agrees(struct wl_arena *a, const char *project, int64_t now_ms,
    const struct now *n, bool quiet, struct wl_err *e)
{
	static const enum wl_limit_unit units[] = { WL_LU_DAY_NANO,
	    WL_LU_MONTH_NANO };
	int64_t budgets, nano;
	int i;

	if (wl_db_budgets(a, WL_ROLE_ROLLUP, project, &budgets, e) == -1)
		return -1;
	for (i = 0; i < 2; i++) {
		if ((budgets & 1 << i) == 0)
			continue;
		if (wl_db_window_used(a, WL_ROLE_ROLLUP, project, "",
		    wl_limit_unit_word(units[i]), now_ms, &nano, e) == -1)
			return -1;
		if (!agrees(n->nano[i], nano, quiet, 0))
			return 0;
	}
	return 1;
}

int
wl_counter_reconcile(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, int64_t now_ms, bool drained, int64_t *before,
    int64_t *after, struct wl_err *e)
{
	int64_t ledger, recent;
	struct now n;
	int fine;

	/* in this order: what is drained meanwhile makes the ledger higher */
	if (wl_db_month_used(a, WL_ROLE_ROLLUP, project, NULL, now_ms, &ledger,
	    e) == -1 || count_recent(a, conf, project, now_ms, &recent, e) ==
	    -1 || read_now(a, conf, project, now_ms, &n, e) == -1)
		return -1;
	*after = *before = n.month;
	/* without counters and calls there is nothing to lose */
	fine = n.month == -1 ? ledger == 0 : agrees(n.month, ledger, drained,
	    recent);
	if (fine && n.month != -1)
		fine = money_agrees(a, project, now_ms, &n, drained &&
		    recent == 0, e);
	if (fine != 0)
		return fine == 1 ? 0 : -1;
	if (begin_anew(a, conf, WL_ROLE_ROLLUP, project, now_ms, e) == -1 ||
	    read_now(a, conf, project, now_ms, &n, e) == -1)
		return -1;
	*after = n.month;
	return 1;
}
