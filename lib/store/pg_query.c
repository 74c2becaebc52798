/*
 * Statements on a connection: sent with their parameters, awaited on the
 * loop, ended by the server at the timeout, or else by leaving it.
 *
 * A statement outside of a transaction goes in one pipeline behind a
 * set_config() of its timeout; both are one implicit transaction, so nothing
 * of it stays in the session.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/loop.h"
#include "lib/base/num.h"
#include "lib/base/str.h"
#include "lib/base/wait.h"
#include "lib/store/pg_priv.h"
#include "lib/store/stmts.h"

#define PARAMS_MAX	64

/* how long a transaction may do nothing before the server ends it */
#define IDLE_IN_TX_MS	30000

#define ROLLBACK_MS	500

struct stmt {
	const char		*sql;
	int			 n;
	const struct wl_param	*params;
};

static const char sql_begin[] = "BEGIN";
static const char sql_commit[] = "COMMIT";
static const char sql_rollback[] = "ROLLBACK";
static const char sql_timeout[] =
    "SELECT pg_catalog.set_config('statement_timeout', $1, true)";
static const char sql_timeout_project[] =
    "SELECT pg_catalog.set_config('statement_timeout', $1, true),"
    " pg_catalog.set_config('watchllm.project_id', $2, true)";
static const char sql_local[] =
    "SELECT pg_catalog.set_config('statement_timeout', $1, true),"
    " pg_catalog.set_config('idle_in_transaction_session_timeout', $2, true)";
static const char sql_local_project[] =
    "SELECT pg_catalog.set_config('statement_timeout', $1, true),"
    " pg_catalog.set_config('idle_in_transaction_session_timeout', $2, true),"
    " pg_catalog.set_config('watchllm.project_id', $3, true)";

const struct wl_stmt wl_pg_stmts[] = {
	{ "local", WL_ROLE_APP, sql_local },
	{ "local_project", WL_ROLE_APP, sql_local_project },
	{ "timeout", WL_ROLE_APP, sql_timeout },
	{ "timeout_project", WL_ROLE_APP, sql_timeout_project },
	{ NULL, WL_ROLE_APP, NULL }
};

/* ---- failures ---------------------------------------------------------- */

/*
 * Classes and codes that say "not now" or "not here": see appendix A of the
 * PostgreSQL manual.
 */
static bool
means_away(const char *state)
{
	static const char *const codes[] = {
		"08",		/* connection exception */
		"25006",	/* read-only: failed over to a standby */
		"25P03",	/* idle in transaction for too long */
		"40",		/* serialization failure, deadlock */
		"53",		/* out of connections, memory, disk */
		"55P03",	/* lock not available */
		"57",		/* shutdown, crash, timeout */
		"58",		/* system error */
	};
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strncmp(state, codes[i], strlen(codes[i])) == 0)
			return true;
	return false;
}

/* Codes after which the session is of no use. */
static bool
ends_session(const char *state)
{
	return strncmp(state, "08", 2) == 0 || strncmp(state, "57P", 3) == 0 ||
	    strcmp(state, "25006") == 0 || strcmp(state, "25P03") == 0;
}

int
wl_pg_lost(struct wl_pg *c, struct wl_err *e, const char *why)
{
	c->broken = true;
	wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	return wl_err_detail(e, "database: %s", why);
}

static int
refused(struct wl_pg *c, const PGresult *res, struct wl_err *e)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	if (state == NULL)
		return wl_pg_lost(c, e, PQresultErrorMessage(res));
	wl_strlcpy(c->sqlstate, state, sizeof(c->sqlstate));
	if (ends_session(state))
		c->broken = true;
	wl_err_set(e, means_away(state) ? WL_E_UNAVAILABLE : WL_E_INTERNAL,
	    NULL);
	return wl_err_detail(e, "database: %s: %s", state,
	    text != NULL ? text : "");
}

/* ---- waiting ----------------------------------------------------------- */

void
wl_pg_forget(struct wl_pg *c)
{
	if (c->fd >= 0)
		wl_forget(c->fd);
	c->fd = -1;
}

int
wl_pg_wait(struct wl_pg *c, uint32_t events, int64_t when)
{
	c->fd = PQsocket(c->conn);
	if (c->fd < 0) {
		errno = ENOTCONN;
		return -1;
	}
	return wl_wait(c->fd, events, when);
}

/*
 * Read what the server sent.  After a failure libpq has closed the socket.
 */
static bool
consume(struct wl_pg *c)
{
	if (PQconsumeInput(c->conn) == 1 && PQstatus(c->conn) != CONNECTION_BAD)
		return true;
	wl_pg_forget(c);
	c->broken = true;
	return false;
}

static int
no_answer(struct wl_pg *c, int r, struct wl_err *e)
{
	return wl_pg_lost(c, e, r == 0 ? "no answer in time" :
	    errno == ECANCELED ? "cancelled" : strerror(errno));
}

/*
 * Send what is queued and wait until a result can be had.  Returns 0, also
 * when the connection is lost: the result says why.
 */
static int
await(struct wl_pg *c, int64_t deadline, struct wl_err *e)
{
	int flush, r;

	for (;;) {
		flush = PQflush(c->conn);
		if (flush == 0 && !PQisBusy(c->conn))
			return 0;
		if (flush == -1 && !consume(c))
			return 0;
		r = wl_pg_wait(c, flush == 1 ? EPOLLIN | EPOLLOUT : EPOLLIN,
		    deadline);
		if (r <= 0)
			return no_answer(c, r, e);
		if ((r & ~EPOLLOUT) != 0 && !consume(c))
			return 0;
	}
}

static int64_t
deadline_of(const struct wl_pg *c)
{
	return wl_mono_fresh() + c->timeout + WL_PG_GRACE;
}

/* ---- statements -------------------------------------------------------- */

static int
put(struct wl_pg *c, const struct stmt *s, struct wl_err *e)
{
	const char *values[PARAMS_MAX];
	int lengths[PARAMS_MAX], formats[PARAMS_MAX];
	int i;

	if (s->n > PARAMS_MAX)
		return wl_err_set(e, WL_E_INTERNAL, NULL);
	for (i = 0; i < s->n; i++) {
		formats[i] = s->params[i].bytes != NULL;
		values[i] = formats[i] ? s->params[i].bytes :
		    s->params[i].text;
		lengths[i] = (int)s->params[i].len;
	}
	if (PQsendQueryParams(c->conn, s->sql, s->n, NULL, values, lengths,
	    formats, 0) == 0)
		return wl_pg_lost(c, e, PQerrorMessage(c->conn));
	return 0;
}

/*
 * What becomes of one result of a statement.
 */
struct sink {
	struct wl_arena	 *arena;	/* NULL: rows are not wanted */
	struct wl_rows	**rows;
	int64_t		 *affected;
	bool		  failed;	/* *E is set */
	bool		  done;		/* the end of a pipeline was seen */
};

static void
take_rows(struct sink *k, const PGresult *res, struct wl_err *e)
{
	if (k->arena == NULL)
		return;
	*k->rows = wl_rows_copy(k->arena, res);
	if (*k->rows == NULL) {
		wl_err_set(e, WL_E_INTERNAL, NULL);
		wl_err_detail(e, "no memory for %d rows", PQntuples(res));
		k->failed = true;
	}
}

static void
take(struct wl_pg *c, struct sink *k, PGresult *res, struct wl_err *e)
{
	const char *n = PQcmdTuples(res);

	switch (PQresultStatus(res)) {
	case PGRES_TUPLES_OK:
	case PGRES_COMMAND_OK:
		if (k->failed)
			break;
		take_rows(k, res, e);
		if (k->affected != NULL && wl_num_parse(n, strlen(n), 0,
		    INT64_MAX, k->affected) == -1)
			*k->affected = 0;
		break;
	case PGRES_PIPELINE_SYNC:
		k->done = true;
		break;
	case PGRES_PIPELINE_ABORTED:
		break;
	default:
		if (!k->failed)
			refused(c, res, e);
		k->failed = true;
		break;
	}
}

/*
 * Take all results of what was sent: of one statement, or of a pipeline.
 * The rows that remain are those of the last statement.
 */
static int
collect(struct wl_pg *c, bool piped, int64_t deadline, struct sink *k,
    struct wl_err *e)
{
	PGresult *res;

	for (;;) {
		if (await(c, deadline, e) == -1)
			return -1;
		res = PQgetResult(c->conn);
		if (res == NULL && (!piped || c->broken))
			break;
		if (res == NULL)
			continue;
		take(c, k, res, e);
		PQclear(res);
		if (k->done || c->broken)
			break;
	}
	if (c->broken && !k->failed)
		return wl_pg_lost(c, e, "connection lost");
	return k->failed ? -1 : 0;
}

static int
pipeline(struct wl_pg *c, const struct stmt *s, int n, struct sink *k,
    struct wl_err *e)
{
	int i, ret;

	if (PQenterPipelineMode(c->conn) == 0)
		return wl_pg_lost(c, e, PQerrorMessage(c->conn));
	for (i = 0; i < n; i++)
		if (put(c, &s[i], e) == -1) {
			c->broken = true;
			return -1;
		}
	if (PQpipelineSync(c->conn) == 0)
		return wl_pg_lost(c, e, PQerrorMessage(c->conn));
	ret = collect(c, true, deadline_of(c), k, e);
	if (!c->broken && PQexitPipelineMode(c->conn) == 0)
		c->broken = true;
	return ret;
}

static int
single(struct wl_pg *c, const struct stmt *s, int64_t deadline, struct sink *k,
    struct wl_err *e)
{
	if (put(c, s, e) == -1)
		return -1;
	return collect(c, false, deadline, k, e);
}

/*
 * S, for PROJECT unless that is NULL, in an implicit transaction.
 */
static int
alone(struct wl_pg *c, const char *project, const struct stmt *s,
    struct sink *k, struct wl_err *e)
{
	char ms[24];
	struct wl_param p[] = { WL_P(ms), WL_P(project) };
	struct stmt both[] = {
		{ project == NULL ? sql_timeout : sql_timeout_project,
		    project == NULL ? 1 : 2, p },
		*s,
	};

	snprintf(ms, sizeof(ms), "%lld", (long long)c->timeout);
	return pipeline(c, both, 2, k, e);
}

static int
run(struct wl_pg *c, const struct stmt *s, struct sink *k, struct wl_err *e)
{
	c->sqlstate[0] = '\0';
	if (c->broken)
		return wl_pg_lost(c, e, "connection was lost before");
	if (PQtransactionStatus(c->conn) != PQTRANS_IDLE)
		return single(c, s, deadline_of(c), k, e);
	return alone(c, NULL, s, k, e);
}

struct wl_rows *
wl_pg_query(struct wl_pg *c, struct wl_arena *arena, const char *sql, int n,
    const struct wl_param *params, struct wl_err *e)
{
	struct wl_rows *rows = NULL;
	struct sink k = { .arena = arena, .rows = &rows };

	if (run(c, &(struct stmt){ sql, n, params }, &k, e) == -1)
		return NULL;
	return rows;
}

struct wl_rows *
wl_pg_ask(enum wl_role role, struct wl_arena *arena, const char *sql, int n,
    const struct wl_param *params, struct wl_err *e)
{
	struct wl_pg *c = wl_pg_take(role, e);
	struct wl_rows *r;

	if (c == NULL)
		return NULL;
	r = wl_pg_query(c, arena, sql, n, params, e);
	wl_pg_give(c);
	return r;
}

struct wl_rows *
wl_pg_query_project(struct wl_pg *c, struct wl_arena *arena,
    const char *project, const char *sql, int n, const struct wl_param *params,
    struct wl_err *e)
{
	struct wl_rows *rows = NULL;
	struct sink k = { .arena = arena, .rows = &rows };

	c->sqlstate[0] = '\0';
	if (c->broken || PQtransactionStatus(c->conn) != PQTRANS_IDLE) {
		wl_pg_lost(c, e, "not ready for a statement of a project");
		return NULL;
	}
	if (alone(c, project, &(struct stmt){ sql, n, params }, &k, e) == -1)
		return NULL;
	return rows;
}

int
wl_pg_exec(struct wl_pg *c, const char *sql, int n,
    const struct wl_param *params, int64_t *affected, struct wl_err *e)
{
	struct sink k = { .affected = affected };

	return run(c, &(struct stmt){ sql, n, params }, &k, e);
}

/* ---- transactions ------------------------------------------------------ */

int
wl_pg_begin(struct wl_pg *c, const char *project, struct wl_err *e)
{
	char ms[24], idle[24];
	struct wl_param p[] = { WL_P(ms), WL_P(idle), WL_P(project) };
	struct stmt s[] = {
		{ sql_begin, 0, NULL },
		{ project == NULL ? sql_local : sql_local_project,
		    project == NULL ? 2 : 3, p },
	};
	struct sink k = { .arena = NULL };

	c->sqlstate[0] = '\0';
	if (c->broken || PQtransactionStatus(c->conn) != PQTRANS_IDLE)
		return wl_pg_lost(c, e, "not ready for a transaction");
	snprintf(ms, sizeof(ms), "%lld", (long long)c->timeout);
	snprintf(idle, sizeof(idle), "%lld", (long long)IDLE_IN_TX_MS);
	return pipeline(c, s, 2, &k, e);
}

int
wl_pg_commit(struct wl_pg *c, struct wl_err *e)
{
	struct sink k = { .arena = NULL };
	/* after a failed statement COMMIT means ROLLBACK, and succeeds */
	bool sound = PQtransactionStatus(c->conn) == PQTRANS_INTRANS;

	if (c->broken)
		return wl_pg_lost(c, e, "connection was lost before COMMIT");
	if (single(c, &(struct stmt){ sql_commit, 0, NULL }, deadline_of(c), &k,
	    e) == -1) {
		c->broken = true;
		return -1;
	}
	if (!sound) {
		wl_err_set(e, WL_E_INTERNAL, NULL);
		return wl_err_detail(e, "COMMIT of a failed transaction");
	}
	return 0;
}

void
wl_pg_rollback(struct wl_pg *c)
{
	struct sink k = { .arena = NULL };
	struct wl_err e;

	if (c->broken || PQtransactionStatus(c->conn) == PQTRANS_IDLE)
		return;
	if (PQtransactionStatus(c->conn) == PQTRANS_ACTIVE ||
	    single(c, &(struct stmt){ sql_rollback, 0, NULL },
	    wl_mono_fresh() + ROLLBACK_MS, &k, &e) == -1)
		c->broken = true;
}

int
wl_pg_script(struct wl_pg *c, const char *sql, struct wl_err *e)
{
	struct sink k = { .arena = NULL };

	c->sqlstate[0] = '\0';
	if (c->broken || PQsendQuery(c->conn, sql) == 0)
		return wl_pg_lost(c, e, PQerrorMessage(c->conn));
	return collect(c, false, deadline_of(c), &k, e);
}

/* ---- COPY -------------------------------------------------------------- */

int
wl_pg_copy_begin(struct wl_pg *c, const char *sql, struct wl_err *e)
{
	struct sink k = { .arena = NULL };
	PGresult *res;
	bool in;

	c->sqlstate[0] = '\0';
	if (c->broken || PQsendQuery(c->conn, sql) == 0)
		return wl_pg_lost(c, e, PQerrorMessage(c->conn));
	if (await(c, deadline_of(c), e) == -1)
		return -1;
	res = PQgetResult(c->conn);
	in = PQresultStatus(res) == PGRES_COPY_IN;
	if (!in)
		take(c, &k, res, e);
	PQclear(res);
	if (in)
		return 0;
	if (!k.failed) {
		wl_pg_lost(c, e, "not a COPY FROM STDIN");
		return -1;
	}
	return collect(c, false, deadline_of(c), &k, e);
}

/*
 * Until libpq has taken what it was given, and the socket what libpq has.
 */
static int
drain(struct wl_pg *c, int64_t deadline, struct wl_err *e)
{
	int flush, r;

	while ((flush = PQflush(c->conn)) == 1) {
		r = wl_pg_wait(c, EPOLLIN | EPOLLOUT, deadline);
		if (r <= 0)
			return no_answer(c, r, e);
		if ((r & ~EPOLLOUT) != 0 && !consume(c))
			return wl_pg_lost(c, e, PQerrorMessage(c->conn));
	}
	return flush == 0 ? 0 : wl_pg_lost(c, e, PQerrorMessage(c->conn));
}

int
wl_pg_copy_data(struct wl_pg *c, const void *p, size_t len, struct wl_err *e)
{
	int64_t deadline = deadline_of(c);
	const char *s = p;
	size_t n;
	int r;

	while (len > 0) {
		n = len < 65536 ? len : 65536;
		r = PQputCopyData(c->conn, s, (int)n);
		if (r == -1)
			return wl_pg_lost(c, e, PQerrorMessage(c->conn));
		if (r == 1) {
			s += n;
			len -= n;
		}
		if (drain(c, deadline, e) == -1)
			return -1;
	}
	return 0;
}

int
wl_pg_copy_end(struct wl_pg *c, struct wl_err *e)
{
	struct sink k = { .arena = NULL };
	int64_t deadline = deadline_of(c);
	int r;

	while ((r = PQputCopyEnd(c->conn, NULL)) == 0)
		if (drain(c, deadline, e) == -1)
			return -1;
	if (r == -1)
		return wl_pg_lost(c, e, PQerrorMessage(c->conn));
	return collect(c, false, deadline, &k, e);
}
