/*
 * Rules of policy on content.
 */
#include "config.h"
#include "lib/store/db_policy.h"

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/store/db_admin_priv.h"
#include "lib/store/stmts.h"

static const char sql_count[] =
    "SELECT count(*) FROM watchllm.policy_rule"
    " WHERE project_id = $1 AND name <> $2";
static const char sql_list[] =
    "SELECT name, enabled, position, definition, to_char(updated_at AT TIME"
    " ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    " FROM watchllm.policy_rule WHERE project_id = $1"
    " ORDER BY position, name";
static const char sql_remove[] =
    "DELETE FROM watchllm.policy_rule WHERE project_id = $1 AND name = $2"
    " RETURNING name";
static const char sql_rules[] =
    "SELECT name, definition FROM watchllm.policy_rule"
    " WHERE project_id = $1 AND enabled ORDER BY position, name LIMIT 64";
static const char sql_set[] =
    "INSERT INTO watchllm.policy_rule (project_id, name, definition)"
    " SELECT p.id, $2, $3::jsonb FROM watchllm.project p WHERE p.id = $1"
    " ON CONFLICT (project_id, name) DO UPDATE"
    " SET definition = excluded.definition, updated_at = now()"
    " RETURNING name";

const struct wl_stmt wl_db_policy_stmts[] = {
	{ "count", WL_ROLE_OWNER, sql_count },
	{ "list", WL_ROLE_OWNER, sql_list },
	{ "remove", WL_ROLE_OWNER, sql_remove },
	{ "rules", WL_ROLE_APP, sql_rules },
	{ "set", WL_ROLE_OWNER, sql_set },
	{ NULL, WL_ROLE_APP, NULL }
};

int
wl_db_policy(struct wl_arena *a, const char *project,
    struct wl_db_policy **rows, int *n, struct wl_err *e)
{
	struct wl_param p[] = { WL_P(project) };
	struct wl_pg *c = wl_pg_take(WL_ROLE_APP, e);
	struct wl_rows *r;
	int i;

	if (c == NULL)
		return -1;
	r = wl_pg_query_project(c, a, project, sql_rules, 1, p, e);
	wl_pg_give(c);
	if (r == NULL)
		return -1;
	*n = wl_rows_count(r);
	*rows = wl_arena_alloc(a, (size_t)(*n + 1) * sizeof(**rows));
	if (*rows == NULL)
		return wl_err_memory(e);
	for (i = 0; i < *n; i++) {
		(*rows)[i].name = wl_rows_get(r, i, 0);
		(*rows)[i].definition = wl_rows_get(r, i, 1);
		(*rows)[i].len = wl_rows_len(r, i, 1);
	}
	return 0;
}

struct wl_rows *
wl_db_policy_list(struct wl_arena *a, const char *project, struct wl_err *e)
{
	struct wl_param p[] = { WL_P(project) };

	return wl_pg_ask(WL_ROLE_OWNER, a, sql_list, 1, p, e);
}

/* ---- changes ----------------------------------------------------------- */

static int
set(struct wl_pg *c, struct wl_arena *a, const char *project,
    const char *name, const char *definition, struct wl_err *e)
{
	struct wl_param p[] = { WL_P(project), WL_P(name), WL_P(definition) };
	struct wl_rows *r = wl_db_admin_query(c, a, sql_set, 3, p, e);

	if (r == NULL)
		return -1;
	if (wl_rows_count(r) == 0)
		return 0;
	if ((r = wl_db_admin_query(c, a, sql_count, 2, p, e)) == NULL)
		return -1;
	if (wl_rows_int(r, 0, 0, 0) >= WL_DB_POLICY_MAX)
		return wl_err_set(e, WL_E_INVALID_REQUEST, "there are %d rules"
		    " already: remove one first", WL_DB_POLICY_MAX);
	return 1;
}

int
wl_db_policy_set(struct wl_arena *a, const char *actor, const char *project,
    const char *name, const char *definition, int64_t *version,
    struct wl_err *e)
{
	struct wl_pg *c = wl_db_admin_begin(actor, e);

	if (c == NULL)
		return -1;
	return wl_db_admin_end(c, a, set(c, a, project, name, definition, e),
	    project, version, e);
}

int
wl_db_policy_remove(struct wl_arena *a, const char *actor,
    const char *project, const char *name, int64_t *version,
    struct wl_err *e)
{
	struct wl_param p[] = { WL_P(project), WL_P(name) };
	struct wl_pg *c = wl_db_admin_begin(actor, e);
	struct wl_rows *r;

	if (c == NULL)
		return -1;
	r = wl_db_admin_query(c, a, sql_remove, 2, p, e);
	return wl_db_admin_end(c, a, r == NULL ? -1 : wl_rows_count(r) > 0,
	    project, version, e);
}
