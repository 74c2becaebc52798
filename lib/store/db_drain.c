/*
 * The statements of watchllm-consumer.
 */
#include "config.h"
#include "lib/store/db_drain.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/store/counter.h"
#include "lib/store/db_migrate.h"
#include "lib/store/stmts.h"

/*
 * The longest that one step of a drain may take.  Others of its kind wait for
 * it at the rows that they share.
 */
#define STEP_MS		30000

#define COLUMNS(X) \
	X(project_id, TEXT) \
	X(event_id, TEXT) \
	X(retention_class, TEXT) \
	X(ts, TEXT) \
	X(received_at, TEXT) \
	X(admitted_at, TEXT) \
	X(type, TEXT) \
	X(source, TEXT) \
	X(status, TEXT) \
	X(generation, TEXT) \
	X(minute_counted, TEXT) \
	X(month_counted, TEXT) \
	X(reserved_tokens, TEXT) \
	X(reserved_nano, TEXT) \
	X(budget_nano, TEXT) \
	X(limit_scopes, ARRAY) \
	X(api_key_id, TEXT) \
	X(key_prefix, TEXT) \
	X(run_id, TEXT) \
	X(trace_id, TEXT) \
	X(span_id, TEXT) \
	X(parent_span_id, TEXT) \
	X(name, TEXT) \
	X(provider, TEXT) \
	X(model, TEXT) \
	X(model_used, TEXT) \
	X(route, TEXT) \
	X(stream, TEXT) \
	X(request_id, TEXT) \
	X(client_request_id, TEXT) \
	X(response_id, TEXT) \
	X(linked_event_id, TEXT) \
	X(user_id, TEXT) \
	X(session_id, TEXT) \
	X(tags, ARRAY) \
	X(release, TEXT) \
	X(environment, TEXT) \
	X(http_status, TEXT) \
	X(error_type, TEXT) \
	X(error_code, TEXT) \
	X(error_message, TEXT) \
	X(finish_reason, TEXT) \
	X(attempts, TEXT) \
	X(tokens_uncached, TEXT) \
	X(tokens_cache_read, TEXT) \
	X(tokens_cache_write, TEXT) \
	X(tokens_output, TEXT) \
	X(tokens_reasoning, TEXT) \
	X(usage_source, TEXT) \
	X(usage_counted, TEXT) \
	X(cost_nano, TEXT) \
	X(cost_source, TEXT) \
	X(price_from, TEXT) \
	X(cache_status, TEXT) \
	X(saved_nano, TEXT) \
	X(tokens_saved, TEXT) \
	X(latency_ms, TEXT) \
	X(ttft_ms, TEXT) \
	X(upstream_ms, TEXT) \
	X(attributes, JSON) \
	X(flags, ARRAY) \
	X(input, TEXT) \
	X(output, TEXT) \
	X(detail, JSON)

#define AS_ROW(name, form)	{ #name, WL_DF_##form },
#define AS_SQL(name, form)	", " #name

const struct wl_db_drain_column wl_db_drain_columns[] = {
	COLUMNS(AS_ROW)
	{ NULL, WL_DF_TEXT }
};

static const char sql_copy[] =
    "COPY pg_temp.stage (n, kind, process" COLUMNS(AS_SQL) ") FROM STDIN";

static const char sql_bury[] =
    "SELECT watchllm.bury($1, $2, $3, $4, $5, $6, $7, $8, $9)";
static const char sql_fixed[] =
    "DELETE FROM watchllm.counter_fixup WHERE id = ANY ($1::bigint[])";
static const char sql_fixups[] =
    "SELECT id, project_id, api_key_id, generation, host,"
    " watchllm.to_ms(watchllm.day_start(month)), minute, month_n, minute_n,"
    " tokens_n, nano_n, scope, calls FROM watchllm.drain_fixups($1)";
/* a process's name is its own; its host may have had another one */
static const char sql_lost[] =
    "SELECT watchllm.drain_lost(coalesce((SELECT l.host FROM watchllm.ledger l"
    " WHERE l.process = $2 AND l.state = 'open' LIMIT 1), $1), $2, $3)";
static const char sql_lost_bury[] =
    "WITH first AS ("
    "SELECT day, project_id, event_id, begin_event FROM watchllm.ledger"
    " WHERE process = $2 AND state = 'open'"
    " ORDER BY project_id, event_id LIMIT 1), gone AS ("
    "UPDATE watchllm.ledger l SET state = 'lost',"
    " settled_at = pg_catalog.clock_timestamp(), begin_event = NULL"
    " FROM first f WHERE l.day = f.day AND l.project_id = f.project_id"
    " AND l.event_id = f.event_id AND l.state = 'open'"
    " RETURNING f.project_id, f.event_id, f.begin_event)"
    " SELECT watchllm.bury($1, $2 || ' ' || g.event_id, 0, 'B', g.project_id,"
    " 'gateway', pg_catalog.convert_to(coalesce(g.begin_event::text, ''),"
    " 'UTF8'), $3, $4) FROM gone g";
static const char sql_marks[] =
    "SELECT s.i - 1, m.drained_bytes, m.closed"
    " FROM pg_catalog.unnest($1::text[]) WITH ORDINALITY s (name, i)"
    " JOIN watchllm.journal_mark m ON m.host = $2 AND m.segment = s.name";
static const char sql_move[] =
    "SELECT watchllm.drain_mark($1, m.segment, m.f, m.t, m.closed)"
    " FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::boolean[])"
    " m (segment, f, t, closed)";
static const char sql_open[] = "SELECT watchllm.drain_open()";
static const char sql_open_calls[] =
    "SELECT s.i - 1"
    " FROM pg_catalog.unnest($1::text[]) WITH ORDINALITY s (name, i)"
    " WHERE EXISTS (SELECT FROM watchllm.ledger l"
    " WHERE l.process = s.name AND l.state = 'open')";
static const char sql_orphans[] =
    "SELECT process FROM watchllm.ledger WHERE host = $1 AND state = 'open'"
    " GROUP BY process HAVING max(admitted_at) < now()"
    " - $2::bigint * interval '1 millisecond' LIMIT 1000";
static const char sql_run[] =
    "SELECT begun, ended, stored, duplicates, expired, fixups"
    " FROM watchllm.drain_run($1)";

const struct wl_stmt wl_db_drain_stmts[] = {
	{ "bury", WL_ROLE_DRAIN, sql_bury },
	{ "fixed", WL_ROLE_DRAIN, sql_fixed },
	{ "fixups", WL_ROLE_DRAIN, sql_fixups },
	{ "lost", WL_ROLE_DRAIN, sql_lost },
	{ "lost_bury", WL_ROLE_DRAIN, sql_lost_bury },
	{ "marks", WL_ROLE_DRAIN, sql_marks },
	{ "move", WL_ROLE_DRAIN, sql_move },
	{ "open", WL_ROLE_DRAIN, sql_open },
	{ "open_calls", WL_ROLE_DRAIN, sql_open_calls },
	{ "orphans", WL_ROLE_DRAIN, sql_orphans },
	{ "run", WL_ROLE_DRAIN, sql_run },
	{ NULL, WL_ROLE_APP, NULL }
};

/* ---- parameters -------------------------------------------------------- */

static void
number(char out[24], int64_t v)
{
	snprintf(out, 24, "%lld", (long long)v);
}

void
wl_db_drain_element(struct wl_buf *b, const char *p, size_t len)
{
	const char *end = p + len, *s;

	wl_buf_addc(b, '"');
	while (p < end) {
		for (s = p; s < end && *s != '"' && *s != '\\'; s++)
			;
		wl_buf_add(b, p, (size_t)(s - p));
		if (s < end) {
			wl_buf_addc(b, '\\');
			wl_buf_addc(b, *s++);
		}
		p = s;
	}
	wl_buf_addc(b, '"');
}

/*
 * NAMES as a text[], in the arena; NULL when memory is out.
 */
static const char *
text_array(struct wl_arena *a, const char *const *names, int n)
{
	struct wl_buf b;
	char *out;
	int i;

	wl_buf_init(&b, 0);
	for (i = 0; i < n; i++) {
		wl_buf_addc(&b, i == 0 ? '{' : ',');
		wl_db_drain_element(&b, names[i], strlen(names[i]));
	}
	wl_buf_adds(&b, n == 0 ? "{}" : "}");
	out = b.failed ? NULL : wl_arena_dup(a, b.p, b.len);
	wl_buf_free(&b);
	return out;
}

/* ---- the schema -------------------------------------------------------- */

/*
 * Data exceptions, violated constraints, and what is too large for a column
 * or an index: see appendix A of the PostgreSQL manual.
 */
bool
wl_db_drain_refused(const char *sqlstate)
{
	return strncmp(sqlstate, "22", 2) == 0 ||
	    strncmp(sqlstate, "23", 2) == 0 || strncmp(sqlstate, "54", 2) == 0;
}

/* ---- marks ------------------------------------------------------------- */

/*
 * SQL with a list of NAMES and, unless it is NULL, HOST, as one statement on a
 * connection of its own.
 */
static struct wl_rows *
ask_names(struct wl_arena *a, const char *sql, const char *host,
    const char *const *names, int n, struct wl_err *e)
{
	const char *list = text_array(a, names, n);
	struct wl_param p[] = { WL_P(list), WL_P(host) };
	struct wl_rows *r;
	struct wl_pg *c;

	if (list == NULL) {
		wl_err_memory(e);
		return NULL;
	}
	if ((c = wl_pg_take(WL_ROLE_DRAIN, e)) == NULL)
		return NULL;
	wl_pg_statement_timeout(c, STEP_MS);
	r = wl_pg_query(c, a, sql, host != NULL ? 2 : 1, p, e);
	wl_pg_give(c);
	return r;
}

int
wl_db_drain_marks(struct wl_arena *a, const char *host,
    const char *const *segments, int n, struct wl_db_drain_mark *marks,
    struct wl_err *e)
{
	struct wl_rows *r = ask_names(a, sql_marks, host, segments, n, e);
	int64_t k;
	int i;

	if (r == NULL)
		return -1;
	memset(marks, 0, (size_t)n * sizeof(*marks));
	for (i = 0; i < wl_rows_count(r); i++) {
		k = wl_rows_int(r, i, 0, 0);
		marks[k].drained = wl_rows_int(r, i, 1, 0);
		marks[k].closed = wl_rows_bool(r, i, 2);
	}
	return 0;
}

/* ---- a transaction ----------------------------------------------------- */

struct wl_pg *
wl_db_drain_begin(struct wl_err *e)
{
	struct wl_pg *c = wl_pg_take(WL_ROLE_DRAIN, e);

	if (c == NULL)
		return NULL;
	wl_pg_statement_timeout(c, STEP_MS);
	if (wl_pg_begin(c, NULL, e) == 0)
		return c;
	wl_pg_give(c);
	return NULL;
}

int
wl_db_drain_end(struct wl_pg *c, bool commit, char *sqlstate, struct wl_err *e)
{
	int rc = commit ? wl_pg_commit(c, e) : 0;

	wl_strlcpy(sqlstate, wl_pg_sqlstate(c), 6);
	wl_pg_give(c);
	return rc;
}

int
wl_db_drain_copy(struct wl_pg *c, const char *rows, size_t len,
    struct wl_err *e)
{
	if (wl_pg_exec(c, sql_open, 0, NULL, NULL, e) == -1 ||
	    wl_pg_copy_begin(c, sql_copy, e) == -1 ||
	    wl_pg_copy_data(c, rows, len, e) == -1)
		return -1;
	return wl_pg_copy_end(c, e);
}

int
wl_db_drain_run(struct wl_pg *c, struct wl_arena *a, const char *host,
    struct wl_db_drain_counts *n, struct wl_err *e)
{
	struct wl_param p[] = { WL_P(host) };
	struct wl_rows *r = wl_pg_query(c, a, sql_run, 1, p, e);

	if (r == NULL)
		return -1;
	n->begun = wl_rows_int(r, 0, 0, 0);
	n->ended = wl_rows_int(r, 0, 1, 0);
	n->stored = wl_rows_int(r, 0, 2, 0);
	n->duplicates = wl_rows_int(r, 0, 3, 0);
	n->expired = wl_rows_int(r, 0, 4, 0);
	n->fixups = wl_rows_int(r, 0, 5, 0);
	return 0;
}

/*
 * MOVES as four arrays, in one statement however many there are.
 */
int
wl_db_drain_move(struct wl_pg *c, const char *host,
    const struct wl_db_drain_move *moves, int n, struct wl_err *e)
{
	struct wl_buf b[4];
	struct wl_param p[5] = { WL_P(host) };
	bool failed = false;
	int i, rc = 0;

	for (i = 0; i < 4; i++) {
		wl_buf_init(&b[i], 0);
		wl_buf_addc(&b[i], '{');
	}
	for (i = 0; i < n; i++) {
		const char *comma = i == 0 ? "" : ",";

		wl_buf_adds(&b[0], comma);
		wl_db_drain_element(&b[0], moves[i].segment,
		    strlen(moves[i].segment));
		wl_buf_printf(&b[1], "%s%lld", comma,
		    (long long)moves[i].from);
		wl_buf_printf(&b[2], "%s%lld", comma, (long long)moves[i].to);
		wl_buf_printf(&b[3], "%s%c", comma,
		    moves[i].closed ? 't' : 'f');
	}
	for (i = 0; i < 4; i++) {
		wl_buf_addc(&b[i], '}');
		failed |= b[i].failed;
		p[i + 1] = WL_P(b[i].p);
	}
	if (failed)
		rc = wl_err_memory(e);
	else if (n > 0)
		rc = wl_pg_exec(c, sql_move, 5, p, NULL, e);
	for (i = 0; i < 4; i++)
		wl_buf_free(&b[i]);
	return rc;
}

int
wl_db_drain_bury(struct wl_pg *c, const char *host,
    const struct wl_db_drain_letter *l, struct wl_err *e)
{
	char offset[24], kind[2] = { l->kind, '\0' };
	struct wl_param p[] = { WL_P(host), WL_P(l->segment), WL_P(offset),
	    WL_P(kind), WL_P(l->project), WL_P(l->source),
	    WL_PB(l->len > 0 ? l->record : "", l->len), WL_P(l->sqlstate),
	    WL_P(l->reason) };

	number(offset, l->offset);
	return wl_pg_exec(c, sql_bury, 9, p, NULL, e);
}

/* ---- lost calls -------------------------------------------------------- */

int
wl_db_drain_open_calls(struct wl_arena *a, const char *const *processes,
    int n, bool *open, struct wl_err *e)
{
	struct wl_rows *r = ask_names(a, sql_open_calls, NULL, processes, n, e);
	int i;

	if (r == NULL)
		return -1;
	memset(open, 0, (size_t)n * sizeof(*open));
	for (i = 0; i < wl_rows_count(r); i++)
		open[wl_rows_int(r, i, 0, 0)] = true;
	return 0;
}

int
wl_db_drain_orphans(struct wl_arena *a, const char *host, int64_t age_ms,
    const char ***processes, int *n, struct wl_err *e)
{
	char age[24];
	struct wl_param p[] = { WL_P(host), WL_P(age) };
	struct wl_rows *r;
	struct wl_pg *c;
	int i;

	number(age, age_ms);
	if ((c = wl_pg_take(WL_ROLE_DRAIN, e)) == NULL)
		return -1;
	r = wl_pg_query(c, a, sql_orphans, 2, p, e);
	wl_pg_give(c);
	if (r == NULL)
		return -1;
	*n = wl_rows_count(r);
	*processes = wl_arena_alloc(a, (size_t)*n * sizeof(**processes) + 1);
	if (*processes == NULL)
		return wl_err_memory(e);
	for (i = 0; i < *n; i++)
		(*processes)[i] = wl_rows_get(r, i, 0);
	return 0;
}

int64_t
wl_db_drain_lost(struct wl_arena *a, const char *host, const char *process,
    int max, char sqlstate[6], struct wl_err *e)
{
	char most[24];
	struct wl_param p[] = { WL_P(host), WL_P(process), WL_P(most) };
	struct wl_pg *c = wl_db_drain_begin(e);
	struct wl_rows *r;
	int64_t n = -1;

	sqlstate[0] = '\0';
	if (c == NULL)
		return -1;
	number(most, max);
	if ((r = wl_pg_query(c, a, sql_lost, 3, p, e)) != NULL)
		n = wl_rows_int(r, 0, 0, 0);
	return wl_db_drain_end(c, r != NULL, sqlstate, e) == -1 ? -1 : n;
}

int
wl_db_drain_lost_bury(const char *host, const char *process,
    const char *sqlstate, const char *reason, struct wl_err *e)
{
	struct wl_param p[] = { WL_P(host), WL_P(process), WL_P(sqlstate),
	    WL_P(reason) };
	struct wl_pg *c = wl_pg_take(WL_ROLE_DRAIN, e);
	int rc;

	if (c == NULL)
		return -1;
	rc = wl_pg_exec(c, sql_lost_bury, 4, p, NULL, e);
	wl_pg_give(c);
	return rc;
}

/* ---- counters in Redis ------------------------------------------------- */

int
wl_db_drain_fixups(struct wl_arena *a, const char *host,
    struct wl_counter_fixup **rows, int *n, struct wl_err *e)
{
	struct wl_param p[] = { WL_P(host) };
	struct wl_pg *c = wl_pg_take(WL_ROLE_DRAIN, e);
	struct wl_counter_fixup *f;
	struct wl_rows *r;
	int i;

	if (c == NULL)
		return -1;
	r = wl_pg_query(c, a, sql_fixups, 1, p, e);
	wl_pg_give(c);
	if (r == NULL)
		return -1;
	*n = wl_rows_count(r);
	*rows = wl_arena_alloc(a, (size_t)*n * sizeof(**rows) + 1);
	if (*rows == NULL)
		return wl_err_memory(e);
	for (i = 0; i < *n; i++) {
		f = &(*rows)[i];
		f->id = wl_rows_int(r, i, 0, 0);
		f->project = wl_rows_get(r, i, 1);
		f->key_id = wl_rows_get(r, i, 2);
		f->generation = wl_rows_get(r, i, 3);
		f->host = wl_rows_get(r, i, 4);
		f->month_ms = wl_rows_int(r, i, 5, 0);
		f->minute = wl_rows_int(r, i, 6, 0);
		f->month_n = wl_rows_int(r, i, 7, 0);
		f->minute_n = wl_rows_int(r, i, 8, 0);
		f->tokens_n = wl_rows_int(r, i, 9, 0);
		f->nano_n = wl_rows_int(r, i, 10, 0);
		f->scope = wl_rows_get(r, i, 11);
		f->calls = wl_rows_get(r, i, 12);
	}
	return 0;
}

int
wl_db_drain_fixed(const int64_t *ids, int n, struct wl_err *e)
{
	struct wl_param p;
	struct wl_buf b;
	struct wl_pg *c;
	int i, rc;

	wl_buf_init(&b, 0);
	for (i = 0; i < n; i++)
		wl_buf_printf(&b, "%c%lld", i == 0 ? '{' : ',',
		    (long long)ids[i]);
	wl_buf_adds(&b, n == 0 ? "{}" : "}");
	if (b.failed) {
		wl_buf_free(&b);
		return wl_err_memory(e);
	}
	p = WL_P(b.p);
	rc = -1;
	if ((c = wl_pg_take(WL_ROLE_DRAIN, e)) != NULL) {
		rc = wl_pg_exec(c, sql_fixed, 1, &p, NULL, e);
		wl_pg_give(c);
	}
	wl_buf_free(&b);
	return rc;
}
