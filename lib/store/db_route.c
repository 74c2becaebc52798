/*
 * Rules of routing and feature flags.
 */
#include "config.h"
#include "lib/store/db_route.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/store/db_admin_priv.h"
#include "lib/store/stmts.h"

static const char sql_common[] =
    "SELECT name, definition, watchllm.to_ms(created_at)"
    " FROM watchllm.route_common WHERE enabled"
    " ORDER BY position, name LIMIT 256";
static const char sql_common_count[] =
    "SELECT count(*) FROM watchllm.route_common WHERE name <> $1";
static const char sql_common_remove[] =
    "DELETE FROM watchllm.route_common WHERE name = $1 RETURNING name";
static const char sql_common_set[] =
    "INSERT INTO watchllm.route_common (name, definition) VALUES ($1, $2)"
    " ON CONFLICT (name) DO UPDATE SET definition = excluded.definition,"
    " updated_at = now() RETURNING name";
static const char sql_count[] =
    "SELECT count(*) FROM watchllm.route_rule"
    " WHERE project_id = $1 AND name <> $2";
static const char sql_flag_remove[] =
    "DELETE FROM watchllm.feature_flag WHERE name = $1 RETURNING name";
static const char sql_flag_set[] =
    "INSERT INTO watchllm.feature_flag AS f (name, percent, projects_on,"
    " projects_off) VALUES ($1, coalesce($2::numeric, 0),"
    " coalesce(string_to_array($3, ','), '{}'),"
    " coalesce(string_to_array($4, ','), '{}'))"
    " ON CONFLICT (name) DO UPDATE SET"
    " percent = coalesce($2::numeric, f.percent),"
    " projects_on = coalesce(string_to_array($3, ','), f.projects_on),"
    " projects_off = coalesce(string_to_array($4, ','), f.projects_off)"
    " RETURNING name";
static const char sql_flags[] =
    "SELECT name, ',' || array_to_string(projects_on, ',') || ',',"
    " ',' || array_to_string(projects_off, ',') || ',',"
    " (percent * 100)::integer FROM watchllm.feature_flag ORDER BY name"
    " LIMIT 1000";
static const char sql_remove[] =
    "DELETE FROM watchllm.route_rule WHERE project_id = $1 AND name = $2"
    " RETURNING name";
static const char sql_rules[] =
    "SELECT name, definition, watchllm.to_ms(created_at)"
    " FROM watchllm.route_rule WHERE project_id = $1 AND enabled"
    " ORDER BY position, name LIMIT 256";
static const char sql_set[] =
    "INSERT INTO watchllm.route_rule (project_id, name, definition)"
    " SELECT p.id, $2, $3::jsonb FROM watchllm.project p WHERE p.id = $1"
    " ON CONFLICT (project_id, name) DO UPDATE"
    " SET definition = excluded.definition, updated_at = now()"
    " RETURNING name";

const struct wl_stmt wl_db_route_stmts[] = {
	{ "common", WL_ROLE_APP, sql_common },
	{ "common_count", WL_ROLE_OWNER, sql_common_count },
	{ "common_remove", WL_ROLE_OWNER, sql_common_remove },
	{ "common_set", WL_ROLE_OWNER, sql_common_set },
	{ "count", WL_ROLE_OWNER, sql_count },
	{ "flag_remove", WL_ROLE_OWNER, sql_flag_remove },
	{ "flag_set", WL_ROLE_OWNER, sql_flag_set },
	{ "flags", WL_ROLE_APP, sql_flags },
	{ "remove", WL_ROLE_OWNER, sql_remove },
	{ "rules", WL_ROLE_APP, sql_rules },
	{ "set", WL_ROLE_OWNER, sql_set },
	{ NULL, WL_ROLE_APP, NULL }
};

static struct wl_rows *
ask_project(struct wl_arena *a, const char *project, struct wl_err *e)
{
	struct wl_param p[] = { WL_P(project) };
	struct wl_pg *c = wl_pg_take(WL_ROLE_APP, e);
	struct wl_rows *r;

	if (c == NULL)
		return NULL;
	r = wl_pg_query_project(c, a, project, sql_rules, 1, p, e);
	wl_pg_give(c);
	return r;
}

int
wl_db_rules(struct wl_arena *a, const char *project, struct wl_db_rule **rows,
    int *n, struct wl_err *e)
{
	struct wl_rows *r = project != NULL ? ask_project(a, project, e) :
	    wl_pg_ask(WL_ROLE_APP, a, sql_common, 0, NULL, e);
	int i;

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
		(*rows)[i].created_ms = wl_rows_int(r, i, 2, 0);
	}
	return 0;
}

int
wl_db_flags(struct wl_arena *a, struct wl_db_flag **rows, int *n,
    struct wl_err *e)
{
	struct wl_rows *r = wl_pg_ask(WL_ROLE_APP, a, sql_flags, 0, NULL, e);
	int i;

	if (r == NULL)
		return -1;
	*n = wl_rows_count(r);
	*rows = wl_arena_alloc(a, (size_t)(*n + 1) * sizeof(**rows));
	if (*rows == NULL)
		return wl_err_memory(e);
	for (i = 0; i < *n; i++) {
		(*rows)[i].name = wl_rows_get(r, i, 0);
		(*rows)[i].on = wl_rows_get(r, i, 1);
		(*rows)[i].off = wl_rows_get(r, i, 2);
		(*rows)[i].percent = (int)wl_rows_int(r, i, 3, 0);
	}
	return 0;
}

/* ---- changes ----------------------------------------------------------- */

/*
 * The rows of SQL, which is for one rule; as part of a change.
 */
static struct wl_rows *
one_rule(struct wl_pg *c, struct wl_arena *a, const char *sql,
    const char *project, const char *name, const char *definition,
    struct wl_err *e)
{
	struct wl_param p[3];
	int n = 0;

	if (project != NULL)
		p[n++] = WL_P(project);
	p[n++] = WL_P(name);
	if (definition != NULL)
		p[n++] = WL_P(definition);
	return wl_db_admin_query(c, a, sql, n, p, e);
}

static int
rule_set(struct wl_pg *c, struct wl_arena *a, const char *project,
    const char *name, const char *definition, struct wl_err *e)
{
	struct wl_rows *r;

	r = one_rule(c, a, project == NULL ? sql_common_set : sql_set,
	    project, name, definition, e);
	if (r == NULL)
		return -1;
	if (wl_rows_count(r) == 0)
		return 0;
	r = one_rule(c, a, project == NULL ? sql_common_count : sql_count,
	    project, name, NULL, e);
	if (r == NULL)
		return -1;
	if (wl_rows_int(r, 0, 0, 0) >= WL_DB_RULES_MAX)
		return wl_err_set(e, WL_E_INVALID_REQUEST, "there are %d rules"
		    " already: remove one first", WL_DB_RULES_MAX);
	return 1;
}

int
wl_db_admin_rule_set(struct wl_arena *a, const char *actor,
    const char *project, const char *name, const char *definition,
    int64_t *version, struct wl_err *e)
{
	struct wl_pg *c = wl_db_admin_begin(actor, e);

	if (c == NULL)
		return -1;
	return wl_db_admin_end(c, a, rule_set(c, a, project, name, definition,
	    e), project, version, e);
}

int
wl_db_admin_rule_remove(struct wl_arena *a, const char *actor,
    const char *project, const char *name, int64_t *version,
    struct wl_err *e)
{
	struct wl_pg *c = wl_db_admin_begin(actor, e);
	struct wl_rows *r;

	if (c == NULL)
		return -1;
	r = one_rule(c, a, project == NULL ? sql_common_remove : sql_remove,
	    project, name, NULL, e);
	return wl_db_admin_end(c, a, r == NULL ? -1 : wl_rows_count(r) > 0,
	    project, version, e);
}

int
wl_db_admin_flag_set(struct wl_arena *a, const char *actor, const char *name,
    const char *percent, const char *on, const char *off, struct wl_err *e)
{
	struct wl_param p[] = { WL_P(name), WL_P(percent), WL_P(on),
	    WL_P(off) };

	return wl_db_admin_change(a, actor, sql_flag_set, 4, p, NULL, NULL,
	    NULL, e);
}

int
wl_db_admin_flag_remove(struct wl_arena *a, const char *actor,
    const char *name, struct wl_err *e)
{
	return wl_db_admin_change(a, actor, sql_flag_remove, 1, &WL_P(name),
	    NULL, NULL, NULL, e);
}
