/*
 * The statements of watchllm-rollup.  Most are one call of a function of the
 * schema (sql/schema/0009_maintenance.sql), which holds the rule.
 */
#include "config.h"
#include "lib/store/db_rollup.h"

#include <stdio.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/store/pg.h"
#include "lib/store/stmts.h"

/* a partition with its indexes; a look at the catalogue */
#define SHORT_MS	((int64_t)60 * 1000)
/* counts the rows of a day while others wait for it */
#define DROP_MS		((int64_t)2 * 60 * 1000)
/* deletes of many rows */
#define PURGE_MS	((int64_t)5 * 60 * 1000)
/* sums over the hours, or the ledger, of whole months */
#define MONTH_MS	((int64_t)30 * 60 * 1000)

static const char sql_lock_idle[] =
    "SELECT pg_catalog.set_config('idle_in_transaction_session_timeout',"
    " '6h', true)";
static const char sql_lock[] =
    "SELECT pg_catalog.pg_try_advisory_xact_lock("
    "pg_catalog.hashtext('watchllm.rollup'))";
static const char sql_days[] =
    "SELECT g::date::text"
    " FROM (SELECT watchllm.utc_day(watchllm.from_ms($1)) AS today) t,"
    " LATERAL generate_series(greatest(t.today - $2::integer,"
    " least(t.today - 1, (SELECT max(l.upper) FROM watchllm.partition_list() l"
    " WHERE l.parent = 'ledger' AND l.lower <= t.today)))::timestamp,"
    " (t.today + $3::integer)::timestamp, interval '1 day') g ORDER BY g";
static const char sql_make[] =
    "SELECT watchllm.make_partitions($1::date, $1::date)";
static const char sql_statements[] =
    "SELECT month::text, action, rows"
    " FROM watchllm.statement_run(watchllm.from_ms($1), $2::integer)";
/* three months back: what statement_run() adjusts */
static const char sql_due[] =
    "SELECT d.name, d.parent = 'rollup_hour' AND d.lower >="
    " (watchllm.utc_month(watchllm.from_ms($1)) - interval '3 months')::date"
    " FROM watchllm.partitions_due(watchllm.from_ms($1)) d"
    " ORDER BY d.upper, d.name";
static const char sql_drop[] =
    "SELECT watchllm.drop_partition($1, watchllm.from_ms($2))";
static const char sql_marks[] =
    "SELECT watchllm.purge_marks(watchllm.from_ms($1))";
static const char sql_open_months[] =
    "SELECT g::date::text"
    " FROM (SELECT watchllm.utc_day(watchllm.from_ms($1)) AS today) t,"
    " LATERAL generate_series(date_trunc('month', (t.today - (SELECT"
    " r.keep_days FROM watchllm.retention_rule r WHERE r.name = 'ledger'))"
    "::timestamp), date_trunc('month', t.today::timestamp),"
    " interval '1 month') g"
    " WHERE g >= t.today - (SELECT r.keep_days"
    " FROM watchllm.retention_rule r WHERE r.name = 'ledger')"
    " AND NOT EXISTS (SELECT FROM watchllm.statement_month s"
    " WHERE s.month = g::date) ORDER BY g";
static const char sql_ledger[] =
    "SELECT project_id, ledger_admitted, ledger_counted, month_admitted,"
    " month_counted FROM watchllm.ledger_check($1::date) ORDER BY project_id";
static const char sql_counters[] =
    "SELECT watchllm.counter_purge($1, $2::integer)";
static const char sql_active[] =
    "SELECT u.project_id FROM watchllm.usage_month u"
    " WHERE u.project_id > $1"
    " AND u.month = watchllm.utc_month(watchllm.from_ms($2))"
    " ORDER BY u.project_id LIMIT $3::integer";

const struct wl_stmt wl_db_rollup_stmts[] = {
	{ "active", WL_ROLE_ROLLUP, sql_active },
	{ "counters", WL_ROLE_ROLLUP, sql_counters },
	{ "days", WL_ROLE_ROLLUP, sql_days },
	{ "drop", WL_ROLE_ROLLUP, sql_drop },
	{ "due", WL_ROLE_ROLLUP, sql_due },
	{ "ledger", WL_ROLE_ROLLUP, sql_ledger },
	{ "lock", WL_ROLE_ROLLUP, sql_lock },
	{ "lock_idle", WL_ROLE_ROLLUP, sql_lock_idle },
	{ "make", WL_ROLE_ROLLUP, sql_make },
	{ "marks", WL_ROLE_ROLLUP, sql_marks },
	{ "open_months", WL_ROLE_ROLLUP, sql_open_months },
	{ "statements", WL_ROLE_ROLLUP, sql_statements },
	{ NULL, WL_ROLE_ROLLUP, NULL }
};

static const char *
number(char out[24], int64_t v)
{
	snprintf(out, 24, "%lld", (long long)v);
	return out;
}

/*
 * One statement, which may take MS.
 */
static struct wl_rows *
ask(struct wl_arena *a, int64_t ms, const char *sql, int n,
    const struct wl_param *p, struct wl_err *e)
{
	struct wl_pg *c = wl_pg_take(WL_ROLE_ROLLUP, e);
	struct wl_rows *r;

	if (c == NULL)
		return NULL;
	wl_pg_statement_timeout(c, ms);
	r = wl_pg_query(c, a, sql, n, p, e);
	wl_pg_give(c);
	return r;
}

/*
 * The same for its one figure.
 */
static int
figure(struct wl_arena *a, int64_t ms, const char *sql, int n,
    const struct wl_param *p, int64_t *v, struct wl_err *e)
{
	struct wl_rows *r = ask(a, ms, sql, n, p, e);

	if (r == NULL)
		return -1;
	*v = wl_rows_count(r) == 0 ? 0 : wl_rows_int(r, 0, 0, 0);
	return 0;
}

/*
 * The same for the words of its first column.
 */
static int
words(struct wl_arena *a, int64_t ms, const char *sql, int n,
    const struct wl_param *p, const char ***list, int *count,
    struct wl_err *e)
{
	struct wl_rows *r = ask(a, ms, sql, n, p, e);
	int i;

	if (r == NULL)
		return -1;
	*count = wl_rows_count(r);
	*list = wl_arena_alloc(a, (size_t)(*count + 1) * sizeof(**list));
	if (*list == NULL)
		return wl_err_memory(e);
	for (i = 0; i < *count; i++)
		(*list)[i] = wl_rows_get(r, i, 0);
	return 0;
}

int
wl_db_rollup_lock(struct wl_arena *a, struct wl_pg **lock, struct wl_err *e)
{
	struct wl_pg *c = wl_pg_take(WL_ROLE_ROLLUP, e);
	struct wl_rows *r = NULL;

	if (c == NULL)
		return -1;
	if (wl_pg_begin(c, NULL, e) == 0 &&
	    wl_pg_query(c, a, sql_lock_idle, 0, NULL, e) != NULL)
		r = wl_pg_query(c, a, sql_lock, 0, NULL, e);
	if (r != NULL && wl_rows_bool(r, 0, 0)) {
		*lock = c;
		return 1;
	}
	wl_pg_give(c);
	return r == NULL ? -1 : 0;
}

int
wl_db_rollup_days(struct wl_arena *a, int64_t now_ms, int back, int ahead,
    const char ***days, int *n, struct wl_err *e)
{
	char now[24], from[24], to[24];
	struct wl_param p[] = { WL_P(number(now, now_ms)),
	    WL_P(number(from, back)), WL_P(number(to, ahead)) };

	return words(a, SHORT_MS, sql_days, 3, p, days, n, e);
}

int
wl_db_rollup_make(struct wl_arena *a, const char *day, int64_t *made,
    struct wl_err *e)
{
	struct wl_param p[] = { WL_P(day) };

	return figure(a, SHORT_MS, sql_make, 1, p, made, e);
}

int
wl_db_rollup_statements(struct wl_arena *a, int64_t now_ms, int close_day,
    struct wl_db_statement **rows, int *n, struct wl_err *e)
{
	char now[24], day[24];
	struct wl_param p[] = { WL_P(number(now, now_ms)),
	    WL_P(number(day, close_day)) };
	struct wl_rows *r = ask(a, MONTH_MS, sql_statements, 2, p, e);
	int i;

	if (r == NULL)
		return -1;
	*n = wl_rows_count(r);
	*rows = wl_arena_alloc(a, (size_t)(*n + 1) * sizeof(**rows));
	if (*rows == NULL)
		return wl_err_memory(e);
	for (i = 0; i < *n; i++) {
		(*rows)[i].month = wl_rows_get(r, i, 0);
		(*rows)[i].action = wl_rows_get(r, i, 1);
		(*rows)[i].count = wl_rows_int(r, i, 2, 0);
	}
	return 0;
}

int
wl_db_rollup_due(struct wl_arena *a, int64_t now_ms, struct wl_db_due **rows,
    int *n, struct wl_err *e)
{
	char now[24];
	struct wl_param p[] = { WL_P(number(now, now_ms)) };
	struct wl_rows *r = ask(a, SHORT_MS, sql_due, 1, p, e);
	int i;

	if (r == NULL)
		return -1;
	*n = wl_rows_count(r);
	*rows = wl_arena_alloc(a, (size_t)(*n + 1) * sizeof(**rows));
	if (*rows == NULL)
		return wl_err_memory(e);
	for (i = 0; i < *n; i++) {
		(*rows)[i].name = wl_rows_get(r, i, 0);
		(*rows)[i].wanted = wl_rows_bool(r, i, 1);
	}
	return 0;
}

int
wl_db_rollup_drop(struct wl_arena *a, const char *name, int64_t now_ms,
    const char **outcome, struct wl_err *e)
{
	char now[24];
	struct wl_param p[] = { WL_P(name), WL_P(number(now, now_ms)) };
	struct wl_rows *r = ask(a, DROP_MS, sql_drop, 2, p, e);

	if (r == NULL)
		return -1;
	*outcome = wl_rows_get(r, 0, 0);
	return 0;
}

int
wl_db_rollup_marks(struct wl_arena *a, int64_t now_ms, int64_t *gone,
    struct wl_err *e)
{
	char now[24];
	struct wl_param p[] = { WL_P(number(now, now_ms)) };

	return figure(a, PURGE_MS, sql_marks, 1, p, gone, e);
}

int
wl_db_rollup_open_months(struct wl_arena *a, int64_t now_ms,
    const char ***months, int *n, struct wl_err *e)
{
	char now[24];
	struct wl_param p[] = { WL_P(number(now, now_ms)) };

	return words(a, SHORT_MS, sql_open_months, 1, p, months, n, e);
}

int
wl_db_rollup_ledger(struct wl_arena *a, const char *month,
    struct wl_db_ledger_gap **rows, int *n, struct wl_err *e)
{
	struct wl_param p[] = { WL_P(month) };
	struct wl_rows *r = ask(a, MONTH_MS, sql_ledger, 1, p, e);
	struct wl_db_ledger_gap *g;
	int i;

	if (r == NULL)
		return -1;
	*n = wl_rows_count(r);
	*rows = wl_arena_alloc(a, (size_t)(*n + 1) * sizeof(**rows));
	if (*rows == NULL)
		return wl_err_memory(e);
	for (i = 0; i < *n; i++) {
		g = &(*rows)[i];
		g->project = wl_rows_get(r, i, 0);
		g->ledger_admitted = wl_rows_int(r, i, 1, 0);
		g->ledger_counted = wl_rows_int(r, i, 2, 0);
		g->month_admitted = wl_rows_int(r, i, 3, 0);
		g->month_counted = wl_rows_int(r, i, 4, 0);
	}
	return 0;
}

int
wl_db_rollup_counters(struct wl_arena *a, int64_t now_ms, int max,
    int64_t *gone, struct wl_err *e)
{
	char now[24], most[24];
	struct wl_param p[] = { WL_P(number(now, now_ms)),
	    WL_P(number(most, max)) };

	return figure(a, PURGE_MS, sql_counters, 2, p, gone, e);
}

int
wl_db_rollup_active(struct wl_arena *a, int64_t now_ms, const char *after,
    int max, const char ***projects, int *n, struct wl_err *e)
{
	char now[24], most[24];
	struct wl_param p[] = { WL_P(after), WL_P(number(now, now_ms)),
	    WL_P(number(most, max)) };

	return words(a, SHORT_MS, sql_active, 3, p, projects, n, e);
}
