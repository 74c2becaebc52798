/*
 * Counters in PostgreSQL: watchllm.admit() and watchllm.settle() decide by
 * row lock, with the meaning of the scripts in scripts.c.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/store/counter_priv.h"
#include "lib/store/db.h"
#include "lib/store/stmts.h"

/* Generations change under us only when the kind of counters is changed. */
#define ROUNDS	3

static const char sql_admit[] =
    "SELECT item, ok, used, reset_at, decision, version, generation"
    " FROM watchllm.admit($1, $2, $3, $4, $5, $6, $7, $8, $9)";
static const char sql_read[] =
    "SELECT item, ok, used, reset_at, decision, version, generation"
    " FROM watchllm.admit($1, (SELECT v.version"
    " FROM watchllm.project_version($1) v), $2,"
    " '00000000-0000-0000-0000-000000000000', $3, $4, $5, $6, 0, true)";
static const char sql_settle[] =
    "SELECT watchllm.settle($1, $2, $3, $4, $5, $6, $7, $8)";
static const char sql_begin[] =
    "SELECT count(*) FROM watchllm.counter_begin($1, $2, $3, 0)";
static const char sql_set_minute[] =
    "INSERT INTO watchllm.counter (project_id, scope, kind, window_id, used,"
    " expires_ms) SELECT p.id, '', 'minute',"
    " watchllm.counter_window('minute', $2), $3,"
    " watchllm.counter_expiry('minute', $2)"
    " FROM watchllm.project p WHERE p.id = $1"
    " ON CONFLICT (project_id, scope, kind, window_id)"
    " DO UPDATE SET used = EXCLUDED.used";
static const char sql_clear_calls[] =
    "DELETE FROM watchllm.counter_call WHERE project_id = $1 AND scope = ''";
static const char sql_set_calls[] =
    "INSERT INTO watchllm.counter_call (project_id, scope, admitted_ms,"
    " event_id) SELECT $1, '', $2, gen_random_uuid()"
    " FROM generate_series(1, $3::bigint)";

const struct wl_stmt wl_counter_pg_stmts[] = {
	{ "admit", WL_ROLE_APP, sql_admit },
	{ "begin", WL_ROLE_ROLLUP, sql_begin },
	{ "clear_calls", WL_ROLE_OWNER, sql_clear_calls },
	{ "read", WL_ROLE_APP, sql_read },
	{ "set_calls", WL_ROLE_OWNER, sql_set_calls },
	{ "set_minute", WL_ROLE_OWNER, sql_set_minute },
	{ "settle", WL_ROLE_APP, sql_settle },
	{ NULL, WL_ROLE_APP, NULL }
};

static void
number(char out[24], int64_t v)
{
	snprintf(out, 24, "%lld", (long long)v);
}

/* ---- arrays ------------------------------------------------------------ */

/*
 * The arrays that admit() and settle() take, an item for each row.
 */
struct arrays {
	struct wl_buf	 scope, kind, a, b;
	int		 n;
};

static void
add_text(struct wl_buf *b, const char *prefix, const char *s)
{
	wl_buf_addc(b, '"');
	for (wl_buf_adds(b, prefix); *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			wl_buf_addc(b, '\\');
		wl_buf_addc(b, *s);
	}
	wl_buf_addc(b, '"');
}

/*
 * Whose counter ROW is, as watchllm.counter has it.
 */
static void
add_scope(struct wl_buf *b, const struct wl_gate *g,
    const struct wl_limit_row *row)
{
	if (row->name == WL_LN_RULE)
		add_text(b, "", row->scope);
	else if (wl_limit_row_of_key(row))
		add_text(b, "key:", g->key_id != NULL ? g->key_id : "");
	else
		add_text(b, "", "");
}

static void
add_number(struct wl_buf *b, const char *sep, int64_t v, bool null)
{
	if (null)
		wl_buf_printf(b, "%sNULL", sep);
	else
		wl_buf_printf(b, "%s%lld", sep, (long long)v);
}

/*
 * ROW with two numbers; A_NULL: the first is null.
 */
static void
add_item(struct arrays *r, const struct wl_gate *g,
    const struct wl_limit_row *row, int64_t a, bool a_null, int64_t b)
{
	const char *sep = r->n++ == 0 ? "{" : ",";

	wl_buf_adds(&r->scope, sep);
	add_scope(&r->scope, g, row);
	wl_buf_printf(&r->kind, "%s%s", sep, row->kind == WL_L_SLIDING ?
	    "sliding" : wl_limit_unit_word(wl_limit_row_unit(row)));
	add_number(&r->a, sep, a, a_null);
	add_number(&r->b, sep, b, false);
}

static void
end_one(struct wl_buf *b, int n)
{
	wl_buf_adds(b, n == 0 ? "{}" : "}");
}

static void
end_items(struct arrays *r)
{
	end_one(&r->scope, r->n);
	end_one(&r->kind, r->n);
	end_one(&r->a, r->n);
	end_one(&r->b, r->n);
}

static void
free_items(struct arrays *r)
{
	wl_buf_free(&r->scope);
	wl_buf_free(&r->kind);
	wl_buf_free(&r->a);
	wl_buf_free(&r->b);
}

static void
rows_of(struct arrays *r, const struct wl_gate *g)
{
	int i;

	memset(r, 0, sizeof(*r));
	for (i = 0; i < g->nrows; i++)
		if (g->rows[i].limit >= 0)
			add_item(r, g, &g->rows[i], g->rows[i].limit,
			    g->rows[i].shadow || g->rows[i].exempt,
			    g->rows[i].cost);
	end_items(r);
}

/* ---- deciding ---------------------------------------------------------- */

/*
 * Rows of admit() into G's.  The first that is not ok refuses.
 */
static void
take_rows(struct wl_gate *g, const struct wl_rows *r)
{
	struct wl_limit_row *row;
	int i, n = 0;

	for (i = 0; i < g->nrows && n < wl_rows_count(r); i++) {
		row = &g->rows[i];
		if (row->limit < 0)
			continue;
		row->used = wl_rows_int(r, n, 2, 0);
		row->reset_ms = row->kind == WL_L_LEASE ? g->now_ms + 1000 :
		    wl_rows_int(r, n, 3, 0) * 1000;
		if (!wl_rows_bool(r, n, 1) && g->refused_by == -1)
			g->refused_by = i;
		n++;
	}
	g->result = g->refused_by == -1 ? WL_G_ADMITTED : WL_G_REFUSED;
}

static void
take_generation(struct wl_gate *g, const struct wl_rows *r)
{
	const char *gen = wl_rows_get(r, 0, 6);

	wl_strlcpy(g->generation, gen != NULL ? gen : "",
	    sizeof(g->generation));
}

static bool
is_stale(const struct wl_rows *r)
{
	return strcmp(wl_rows_get(r, 0, 4), "stale") == 0;
}

/*
 * A project without limits: only its version is to be compared.
 */
static int
admit_unlimited(struct wl_arena *a, struct wl_gate *g, struct wl_err *e)
{
	int64_t version = 0;
	int found = wl_db_project_version(a, g->project, &version, NULL, e);

	if (found == -1)
		return -1;
	if (found == 0 || version != g->version)
		g->result = WL_G_STALE;
	return 0;
}

static int
admit(struct wl_arena *a, struct wl_gate *g, const struct arrays *rows,
    struct wl_err *e)
{
	char version[24], now[24], lease[24];
	struct wl_param p[] = {
		WL_P(g->project), WL_P(version), WL_P(now), WL_P(g->event_id),
		WL_P(rows->scope.p), WL_P(rows->kind.p), WL_P(rows->a.p),
		WL_P(rows->b.p), WL_P(lease)
	};
	struct wl_rows *r;
	int i;

	number(version, g->version);
	number(now, g->now_ms);
	number(lease, g->lease_ms);
	for (i = 0; i < ROUNDS; i++) {
		r = wl_pg_ask(WL_ROLE_APP, a, sql_admit, 9, p, e);
		if (r == NULL)
			return -1;
		if (!is_stale(r)) {
			take_rows(g, r);
			take_generation(g, r);
			return 0;
		}
		if (wl_rows_int(r, 0, 5, -1) != g->version)
			break;
	}
	g->result = WL_G_STALE;
	return 0;
}

int
wl_counter_pg_admit(struct wl_arena *a, struct wl_gate *g, struct wl_err *e)
{
	struct arrays rows;
	int ret;

	rows_of(&rows, g);
	ret = rows.n == 0 ? admit_unlimited(a, g, e) : admit(a, g, &rows, e);
	free_items(&rows);
	if (ret == -1)
		e->code = WL_E_UNAVAILABLE;
	return ret;
}

/* ---- reading ----------------------------------------------------------- */

/*
 * Before the first call there are no counters: what the ledger says.
 */
static int
read_ledger(struct wl_arena *a, struct wl_gate *g, struct wl_err *e)
{
	int i;

	for (i = 0; i < g->nrows; i++)
		if (g->rows[i].limit >= 0 &&
		    wl_counter_ledger(a, g, &g->rows[i], e) == -1)
			return -1;
	return 0;
}

int
wl_counter_pg_read(struct wl_arena *a, struct wl_gate *g, struct wl_err *e)
{
	char now[24];
	struct arrays rows;
	struct wl_rows *r;

	rows_of(&rows, g);
	if (rows.n == 0) {
		free_items(&rows);
		return 0;
	}
	number(now, g->now_ms);
	r = wl_pg_ask(WL_ROLE_APP, a, sql_read, 6, (struct wl_param[]){
		WL_P(g->project), WL_P(now), WL_P(rows.scope.p),
		WL_P(rows.kind.p), WL_P(rows.a.p), WL_P(rows.b.p) }, e);
	free_items(&rows);
	if (r == NULL)
		return -1;
	take_rows(g, r);
	g->result = WL_G_ADMITTED;
	g->refused_by = -1;
	take_generation(g, r);
	if (strncmp(g->generation, "pg:", 3) == 0)
		return 0;
	g->generation[0] = '\0';
	return read_ledger(a, g, e);
}

/* ---- settling ---------------------------------------------------------- */

/*
 * The window of UNIT that holds MS, as watchllm.counter_window() has it.
 */
static int64_t
window_of(enum wl_limit_unit unit, int64_t ms)
{
	char date[25];
	int64_t year, month, day;

	if (unit == WL_LU_MINUTE || unit == WL_LU_TOKENS)
		return ms / 60000;
	wl_clock_rfc3339(ms, date);
	year = strtoll(date, NULL, 10);
	month = strtoll(date + 5, NULL, 10);
	day = strtoll(date + 8, NULL, 10);
	return unit == WL_LU_DAY_NANO ? (year * 100 + month) * 100 + day :
	    year * 100 + month;
}

int
wl_counter_pg_settle(struct wl_arena *a, const struct wl_gate *g,
    const struct wl_deltas *d, struct wl_err *e)
{
	struct arrays rows = { .n = 0 };
	enum wl_limit_unit unit;
	struct wl_rows *r;
	char now[24];
	int i;

	for (i = 0; i < d->n; i++) {
		unit = wl_limit_row_unit(d->d[i].row);
		/* tokens beyond the reservation: the minute that it is pays */
		if (unit != WL_LU_LEASE)
			add_item(&rows, g, d->d[i].row, window_of(unit,
			    unit == WL_LU_TOKENS && d->d[i].n > 0 ?
			    wl_clock_ms() : g->now_ms), false, d->d[i].n);
	}
	end_items(&rows);
	number(now, g->now_ms);
	r = wl_pg_ask(WL_ROLE_APP, a, sql_settle, 8, (struct wl_param[]){
		WL_P(g->project), WL_P(now), WL_P(g->event_id),
		WL_P(g->generation), WL_P(rows.scope.p), WL_P(rows.kind.p),
		WL_P(rows.a.p), WL_P(rows.b.p) }, e);
	free_items(&rows);
	return r == NULL ? -1 : 0;
}

/* ---- operators --------------------------------------------------------- */

static int
set_minute(struct wl_pg *c, const char *project, int64_t now_ms,
    int64_t minute, struct wl_err *e)
{
	char now[24], n[24];
	struct wl_param p[] = { WL_P(project), WL_P(now), WL_P(n) };
	struct wl_param begin[] = { WL_P(project), WL_P("pg"), WL_P(now) };
	int64_t found = 0;

	number(now, now_ms);
	number(n, minute);
	/* before the first call: a generation that begins later forgets it */
	if (wl_pg_begin(c, project, e) == -1 ||
	    wl_pg_exec(c, sql_begin, 3, begin, NULL, e) == -1 ||
	    wl_pg_exec(c, sql_set_minute, 3, p, &found, e) == -1)
		return -1;
	if (found == 0)
		return wl_err_set(e, WL_E_NOT_FOUND, "no project \"%s\"",
		    project);
	if (wl_pg_exec(c, sql_clear_calls, 1, p, NULL, e) == -1 ||
	    wl_pg_exec(c, sql_set_calls, 3, p, NULL, e) == -1)
		return -1;
	return wl_pg_commit(c, e);
}

int
wl_counter_pg_set(struct wl_arena *a, const char *project, int64_t now_ms,
    int64_t minute, struct wl_err *e)
{
	struct wl_pg *c = wl_pg_take(WL_ROLE_OWNER, e);
	int ret;

	(void)a;
	if (c == NULL)
		return -1;
	ret = set_minute(c, project, now_ms, minute, e);
	wl_pg_give(c);
	return ret;
}

/*
 * A generation of the other kind first: one of ours would be kept.
 */
int
wl_counter_pg_begin(struct wl_arena *a, enum wl_role role,
    const char *project, int64_t now_ms, struct wl_err *e)
{
	static const char *const stores[] = { "redis", "pg" };
	char now[24];
	int i;

	number(now, now_ms);
	for (i = 0; i < 2; i++)
		if (wl_pg_ask(role, a, sql_begin, 3, (struct wl_param[]){
		    WL_P(project), WL_P(stores[i]), WL_P(now) }, e) == NULL)
			return -1;
	return 0;
}
