/*
 * What counters begin with, and what the ledger says of a month.
 */
#include "config.h"

#include <stdio.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/store/db.h"
#include "lib/store/stmts.h"

static const char sql_seed[] =
    "SELECT generation, scope, kind, window_id, used, event_id"
    " FROM watchllm.counter_begin($1, 'redis', $2, $3)";
static const char sql_budgets[] =
    "SELECT (l.budget_day_nano IS NOT NULL)::integer"
    " + 2 * (l.budget_month_nano IS NOT NULL)::integer"
    " FROM watchllm.project p JOIN watchllm.plan l ON l.id = p.plan_id"
    " WHERE p.id = $1";
static const char sql_month[] =
    "SELECT greatest(0, counted + correction) FROM watchllm.usage_month"
    " WHERE project_id = $1"
    " AND month = watchllm.utc_month(watchllm.from_ms($2))";
static const char sql_key_month[] =
    "SELECT counted FROM watchllm.usage_key_month"
    " WHERE project_id = $1 AND api_key_id = $2"
    " AND month = watchllm.utc_month(watchllm.from_ms($3))";
static const char sql_recent[] =
    "SELECT count(*) FROM watchllm.ledger WHERE project_id = $1"
    " AND admitted_at > watchllm.from_ms($2::bigint - 120000)"
    " AND day >= watchllm.utc_day(watchllm.from_ms($2::bigint - 120000))";

static const char sql_window[] =
    "SELECT greatest(0, (SELECT coalesce(sum(u.used + u.correction), 0)"
    " FROM watchllm.usage_window u WHERE u.project_id = $1 AND u.scope = $2"
    " AND u.kind = $3 AND u.window_id = watchllm.counter_window($3, $4))"
    " + (SELECT coalesce(sum(l.reserved_nano), 0) FROM watchllm.ledger l"
    " WHERE $3 <> 'month' AND l.project_id = $1 AND l.state = 'open'"
    " AND l.admitted_at > watchllm.from_ms($4::bigint - 86400000)"
    " AND l.day >= watchllm.utc_day(watchllm.from_ms($4::bigint - 86400000))"
    " AND ($2 = '' OR $2 = 'key:' || l.api_key_id"
    " OR $2 = ANY (l.limit_scopes))"
    " AND watchllm.counter_window($3, watchllm.to_ms(l.admitted_at))"
    " = watchllm.counter_window($3, $4)))::bigint";

const struct wl_stmt wl_db_usage_stmts[] = {
	{ "budgets", WL_ROLE_ROLLUP, sql_budgets },
	{ "key_month", WL_ROLE_APP, sql_key_month },
	{ "month", WL_ROLE_APP, sql_month },
	{ "recent", WL_ROLE_ROLLUP, sql_recent },
	{ "seed", WL_ROLE_APP, sql_seed },
	{ "window", WL_ROLE_APP, sql_window },
	{ NULL, WL_ROLE_APP, NULL }
};

static void
number(char out[24], int64_t v)
{
	snprintf(out, 24, "%lld", (long long)v);
}

int
wl_db_seed(struct wl_arena *a, enum wl_role role, const char *project,
    int64_t now_ms, int64_t hold_ms, struct wl_db_seed *s, struct wl_err *e)
{
	char now[24], hold[24];
	struct wl_param p[] = { WL_P(project), WL_P(now), WL_P(hold) };
	struct wl_db_seed_row *row;
	struct wl_rows *r;
	int i;

	number(now, now_ms);
	number(hold, hold_ms);
	if ((r = wl_pg_ask(role, a, sql_seed, 3, p, e)) == NULL)
		return -1;
	if ((s->n = wl_rows_count(r)) == 0)
		return 0;
	s->generation = wl_rows_get(r, 0, 0);
	s->rows = wl_arena_alloc(a, (size_t)s->n * sizeof(*s->rows));
	if (s->rows == NULL)
		return wl_err_set(e, WL_E_INTERNAL, NULL);
	for (i = 0; i < s->n; i++) {
		row = &s->rows[i];
		row->scope = wl_rows_get(r, i, 1);
		row->kind = wl_rows_get(r, i, 2);
		row->window = wl_rows_int(r, i, 3, 0);
		row->used = wl_rows_int(r, i, 4, 0);
		row->event = wl_rows_get(r, i, 5);
	}
	return 1;
}

/*
 * One figure of PROJECT, 0 where there is no row.
 */
static int
figure(struct wl_arena *a, enum wl_role role, const char *project,
    const char *sql, int n, const struct wl_param *p, int64_t *v,
    struct wl_err *e)
{
	struct wl_pg *c = wl_pg_take(role, e);
	struct wl_rows *r;

	if (c == NULL)
		return -1;
	r = wl_pg_query_project(c, a, project, sql, n, p, e);
	wl_pg_give(c);
	if (r == NULL)
		return -1;
	*v = wl_rows_count(r) == 0 ? 0 : wl_rows_int(r, 0, 0, 0);
	return 0;
}

int
wl_db_month_used(struct wl_arena *a, enum wl_role role, const char *project,
    const char *key_id, int64_t ms, int64_t *used, struct wl_err *e)
{
	char at[24];
	struct wl_param whole[] = { WL_P(project), WL_P(at) };
	struct wl_param key[] = { WL_P(project), WL_P(key_id), WL_P(at) };

	number(at, ms);
	if (key_id == NULL)
		return figure(a, role, project, sql_month, 2, whole, used, e);
	return figure(a, role, project, sql_key_month, 3, key, used, e);
}

int
wl_db_window_used(struct wl_arena *a, enum wl_role role, const char *project,
    const char *scope, const char *kind, int64_t ms, int64_t *used,
    struct wl_err *e)
{
	char at[24];
	struct wl_param p[] = { WL_P(project), WL_P(scope), WL_P(kind),
	    WL_P(at) };

	number(at, ms);
	return figure(a, role, project, sql_window, 4, p, used, e);
}

int
wl_db_budgets(struct wl_arena *a, enum wl_role role, const char *project,
    int64_t *budgets, struct wl_err *e)
{
	return figure(a, role, project, sql_budgets, 1, &WL_P(project),
	    budgets, e);
}

int
wl_db_recent(struct wl_arena *a, enum wl_role role, const char *project,
    int64_t now_ms, int64_t *calls, struct wl_err *e)
{
	char at[24];
	struct wl_param p[] = { WL_P(project), WL_P(at) };

	number(at, now_ms);
	return figure(a, role, project, sql_recent, 2, p, calls, e);
}
