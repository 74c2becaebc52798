/*
 * The state of the database, and of the consumer as the database knows it.
 */
#include "config.h"
#include "lib/store/db_health.h"

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/store/pg.h"
#include "lib/store/stmts.h"

static const char sql_clock[] =
    "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
static const char sql_host[] =
    "SELECT watchllm.to_ms(updated_at) FROM watchllm.journal_host"
    " WHERE host = $1";
static const char sql_marks[] =
    "SELECT segment, drained_bytes FROM watchllm.journal_mark"
    " WHERE host = $1 AND NOT closed";

const struct wl_stmt wl_db_health_stmts[] = {
	{ "clock", WL_ROLE_APP, sql_clock },
	{ "host", WL_ROLE_DRAIN, sql_host },
	{ "marks", WL_ROLE_DRAIN, sql_marks },
	{ NULL, WL_ROLE_APP, NULL }
};

int
wl_db_clock(struct wl_arena *a, int64_t *ms, struct wl_err *e)
{
	struct wl_rows *r = wl_pg_ask(WL_ROLE_APP, a, sql_clock, 0, NULL, e);

	if (r == NULL)
		return -1;
	*ms = wl_rows_int(r, 0, 0, 0);
	return 0;
}

static int
read_marks(struct wl_arena *a, struct wl_pg *c, const char *host,
    struct wl_db_marks *m, struct wl_err *e)
{
	struct wl_param p[] = { WL_P(host) };
	struct wl_rows *r;
	int i;

	if ((r = wl_pg_query(c, a, sql_host, 1, p, e)) == NULL)
		return -1;
	m->updated_ms = wl_rows_count(r) == 0 ? 0 : wl_rows_int(r, 0, 0, 0);
	if ((r = wl_pg_query(c, a, sql_marks, 1, p, e)) == NULL)
		return -1;
	m->n = wl_rows_count(r);
	m->rows = wl_arena_alloc(a, (size_t)m->n * sizeof(*m->rows) + 1);
	if (m->rows == NULL)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	for (i = 0; i < m->n; i++) {
		m->rows[i].segment = wl_rows_get(r, i, 0);
		m->rows[i].drained = wl_rows_int(r, i, 1, 0);
	}
	return 0;
}

int
wl_db_marks(struct wl_arena *a, const char *host, struct wl_db_marks *m,
    struct wl_err *e)
{
	struct wl_pg *c = wl_pg_take(WL_ROLE_DRAIN, e);
	int rc;

	if (c == NULL)
		return -1;
	rc = read_marks(a, c, host, m, e);
	wl_pg_give(c);
	return rc;
}
