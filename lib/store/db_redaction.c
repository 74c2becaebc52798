/*
 * Redaction rules, as role app: row-level security shows those common to all
 * and, within a transaction of a project, its own.
 */
#include "config.h"
#include "lib/store/db_redaction.h"

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/store/pg.h"
#include "lib/store/stmts.h"

static const char sql_version[] =
    "SELECT version FROM watchllm.catalog";
static const char sql_rules[] =
    "SELECT name, pattern, replacement, enabled, own FROM ("
    "SELECT DISTINCT ON (name) name, pattern, replacement, enabled, position,"
    " project_id IS NOT NULL AS own FROM watchllm.redaction_rule"
    " WHERE project_id IS NULL OR project_id = $1"
    " ORDER BY name, project_id NULLS LAST) r ORDER BY position, name";

const struct wl_stmt wl_db_redaction_stmts[] = {
	{ "rules", WL_ROLE_APP, sql_rules },
	{ "version", WL_ROLE_APP, sql_version },
	{ NULL, WL_ROLE_APP, NULL }
};

int
wl_db_catalog_version(struct wl_arena *a, int64_t *version, struct wl_err *e)
{
	struct wl_rows *r = wl_pg_ask(WL_ROLE_APP, a, sql_version, 0, NULL, e);

	if (r == NULL)
		return -1;
	*version = wl_rows_count(r) == 0 ? 0 : wl_rows_int(r, 0, 0, 0);
	return 0;
}

int
wl_db_redaction(struct wl_arena *a, const char *project,
    struct wl_db_redaction **rows, int *n, struct wl_err *e)
{
	struct wl_param p[] = { WL_P(project) };
	struct wl_pg *c = wl_pg_take(WL_ROLE_APP, e);
	struct wl_rows *r;
	int i;

	if (c == NULL)
		return -1;
	r = project == NULL ? wl_pg_query(c, a, sql_rules, 1, p, e) :
	    wl_pg_query_project(c, a, project, sql_rules, 1, p, e);
	wl_pg_give(c);
	if (r == NULL)
		return -1;
	*n = wl_rows_count(r);
	*rows = wl_arena_alloc(a, (size_t)(*n + 1) * sizeof(**rows));
	if (*rows == NULL)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	for (i = 0; i < *n; i++) {
		(*rows)[i].name = wl_rows_get(r, i, 0);
		(*rows)[i].pattern = wl_rows_get(r, i, 1);
		(*rows)[i].replacement = wl_rows_get(r, i, 2);
		(*rows)[i].enabled = wl_rows_bool(r, i, 3);
		(*rows)[i].own = wl_rows_bool(r, i, 4);
	}
	return 0;
}
