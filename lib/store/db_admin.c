/*
 * What an operator changes: projects, plans, keys of projects, usage, dead
 * letters.
 */
#include "config.h"
#include "lib/store/db_admin.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/store/db_admin_priv.h"
#include "lib/store/stmts.h"

/* json has the columns that change; the row is the base for the others */
#define CHANGED(row)	"jsonb_populate_record(" row ", $2::jsonb) r"
/* what has no trigger for it says itself what was done */
#define AUDIT(action, target, project) \
	"INSERT INTO watchllm.audit_log (actor, project_id, action, target)" \
	" SELECT current_setting('watchllm.actor'), " project "," \
	" '" action "', " target " FROM done"

static const char sql_actor[] =
    "SELECT set_config('watchllm.actor', split_part($1, E'\\t', 1), true),"
    " set_config('watchllm.actor_address', split_part($1, E'\\t', 2), true)";
static const char sql_budget_set[] =
    "SELECT v FROM watchllm.budget_set($1, $2, $3, $4) v"
    " WHERE v IS NOT NULL";
static const char sql_dead_drop[] =
    "WITH done AS (DELETE FROM watchllm.dead_letter WHERE id = $1::bigint"
    " RETURNING id, project_id) "
    AUDIT("dead_letter.drop", "id::text", "project_id") " RETURNING 1";
static const char sql_dead_replayed[] =
    "WITH done AS (UPDATE watchllm.dead_letter SET replayed_at = now()"
    " WHERE id = $1::bigint RETURNING id, project_id) "
    AUDIT("dead_letter.retry", "id::text", "project_id") " RETURNING 1";
static const char sql_key_create[] =
    "INSERT INTO watchllm.api_key (project_id, hash, prefix, kind, name,"
    " scopes, requests_per_minute, requests_per_month, concurrent_requests,"
    " expires_at, id, tokens_per_minute, budget_day_nano, budget_month_nano)"
    " VALUES ($1, $2, $3, $4, $5, string_to_array($6, ','),"
    " nullif($7::bigint, -1), nullif($8::bigint, -1), nullif($9::bigint, -1),"
    " watchllm.from_ms(nullif($10::bigint, 0)),"
    " coalesce($11, watchllm.new_id()), nullif($12::bigint, -1),"
    " nullif($13::bigint, -1), nullif($14::bigint, -1)) RETURNING id";
static const char sql_key_end[] =
    "UPDATE watchllm.api_key SET"
    " revoked_at = CASE WHEN $3::bigint = 0 THEN now() END,"
    " expires_at = CASE WHEN $3::bigint = 0 THEN expires_at ELSE"
    " least(expires_at, now() + $3::bigint * interval '1 millisecond') END"
    " WHERE project_id = $1 AND id = $2 AND revoked_at IS NULL"
    " RETURNING id";
static const char sql_key_like[] =
    "INSERT INTO watchllm.api_key (project_id, hash, prefix, kind, name,"
    " scopes, requests_per_minute, requests_per_month, tokens_per_minute,"
    " concurrent_requests, budget_day_nano, budget_month_nano, expires_at)"
    " SELECT project_id, $3, $4, kind, name, scopes, requests_per_minute,"
    " requests_per_month, tokens_per_minute, concurrent_requests,"
    " budget_day_nano, budget_month_nano, expires_at FROM watchllm.api_key"
    " WHERE project_id = $1 AND id = $2 AND revoked_at IS NULL"
    " AND (expires_at IS NULL OR expires_at > now()) RETURNING id";
static const char sql_key_revoke[] =
    "UPDATE watchllm.api_key SET revoked_at = now()"
    " WHERE project_id = $1 AND id = $2 AND revoked_at IS NULL RETURNING id";
static const char sql_limit_remove[] =
    "DELETE FROM watchllm.limit_rule WHERE project_id = $1 AND id = $2"
    " RETURNING id";
static const char sql_limit_set[] =
    "WITH old AS (UPDATE watchllm.limit_rule SET amount = $5::bigint,"
    " shadow = $6::boolean WHERE project_id = $1 AND subject = $2"
    " AND pattern = $3 AND unit = $4 RETURNING id), new AS ("
    "INSERT INTO watchllm.limit_rule (project_id, subject, pattern, unit,"
    " amount, shadow) SELECT $1, $2, $3, $4, $5::bigint, $6::boolean"
    " WHERE NOT EXISTS (SELECT FROM old) RETURNING id)"
    " SELECT id FROM old UNION ALL SELECT id FROM new";
static const char sql_month_add[] =
    "SELECT v FROM watchllm.usage_add($1, $2, $3) v WHERE v IS NOT NULL";
static const char sql_month_set[] =
    "SELECT v FROM watchllm.usage_set($1, $2, $3) v WHERE v IS NOT NULL";
static const char sql_plan_create[] =
    "INSERT INTO watchllm.plan"
    " (id, name, requests_per_minute, requests_per_month)"
    " VALUES ($1, $1, $2, $3) ON CONFLICT (id) DO NOTHING";
static const char sql_plan_projects[] =
    "SELECT id, version FROM watchllm.project WHERE plan_id = $1 ORDER BY id";
static const char sql_plan_set[] =
    "UPDATE watchllm.plan p SET (name, requests_per_minute,"
    " requests_per_month, window_kind, concurrent_requests, cache_hits_free,"
    " price_usd_cents, retention_class, tokens_per_minute, budget_day_nano,"
    " budget_month_nano, on_unknown_price, flat_price_nano, on_overrun)"
    " = (SELECT r.name,"
    " r.requests_per_minute, r.requests_per_month, r.window_kind,"
    " r.concurrent_requests, r.cache_hits_free, r.price_usd_cents,"
    " r.retention_class, r.tokens_per_minute, r.budget_day_nano,"
    " r.budget_month_nano, r.on_unknown_price, r.flat_price_nano,"
    " r.on_overrun FROM " CHANGED("p") ") WHERE p.id = $1 RETURNING p.id";
static const char sql_project_create[] =
    "INSERT INTO watchllm.project (id, name, plan_id, default_provider)"
    " VALUES (coalesce($1, watchllm.new_id()), $2, $3, $4)"
    " RETURNING id, dsn_id, version";
/* what nobody named stays, in "cache" too, but for the time of another mode */
static const char sql_project_set[] =
    "UPDATE watchllm.project p SET (name, plan_id, default_provider,"
    " settings, disabled_at) = (SELECT r.name, r.plan_id,"
    " r.default_provider, p.settings || r.settings || CASE WHEN"
    " jsonb_typeof(p.settings->'cache') = 'object' AND"
    " jsonb_typeof(r.settings->'cache') = 'object'"
    " AND r.settings <> p.settings THEN jsonb_build_object('cache',"
    " (p.settings->'cache') - 'ttl' || (r.settings->'cache'))"
    " ELSE '{}' END, r.disabled_at"
    " FROM " CHANGED("p") ") WHERE p.id = $1 RETURNING p.id";
static const char sql_version[] =
    "SELECT version FROM watchllm.project WHERE id = $1";

const struct wl_stmt wl_db_admin_stmts[] = {
	{ "actor", WL_ROLE_OWNER, sql_actor },
	{ "budget_set", WL_ROLE_OWNER, sql_budget_set },
	{ "dead_drop", WL_ROLE_OWNER, sql_dead_drop },
	{ "dead_replayed", WL_ROLE_OWNER, sql_dead_replayed },
	{ "key_create", WL_ROLE_OWNER, sql_key_create },
	{ "key_end", WL_ROLE_OWNER, sql_key_end },
	{ "key_like", WL_ROLE_OWNER, sql_key_like },
	{ "key_revoke", WL_ROLE_OWNER, sql_key_revoke },
	{ "limit_remove", WL_ROLE_OWNER, sql_limit_remove },
	{ "limit_set", WL_ROLE_OWNER, sql_limit_set },
	{ "month_add", WL_ROLE_OWNER, sql_month_add },
	{ "month_set", WL_ROLE_OWNER, sql_month_set },
	{ "plan_create", WL_ROLE_OWNER, sql_plan_create },
	{ "plan_projects", WL_ROLE_OWNER, sql_plan_projects },
	{ "plan_set", WL_ROLE_OWNER, sql_plan_set },
	{ "project_create", WL_ROLE_OWNER, sql_project_create },
	{ "project_set", WL_ROLE_OWNER, sql_project_set },
	{ "version", WL_ROLE_OWNER, sql_version },
	{ NULL, WL_ROLE_APP, NULL }
};

static void
number(char out[24], int64_t v)
{
	snprintf(out, 24, "%lld", (long long)v);
}

/* ---- a change ---------------------------------------------------------- */

/*
 * What the database refused by its rules is the operator's to mend.
 */
static void
explain(const struct wl_pg *c, struct wl_err *e)
{
	const char *state = wl_pg_sqlstate(c);

	if (strcmp(state, "23503") == 0)
		e->code = WL_E_NOT_FOUND;
	else if (strcmp(state, "23505") == 0)
		e->code = WL_E_CONFLICT;
	else if (strncmp(state, "23", 2) == 0 || strncmp(state, "22", 2) == 0)
		e->code = WL_E_INVALID_REQUEST;
	else
		return;
	snprintf(e->msg, sizeof(e->msg), "%s",
	    strcmp(state, "23505") == 0 ? "it exists already" :
	    strcmp(state, "23503") == 0 ? "it names what does not exist" :
	    "the database refuses it");
}

int
wl_db_admin_actor(struct wl_pg *c, const char *actor, struct wl_err *e)
{
	return wl_pg_exec(c, sql_actor, 1, &WL_P(actor), NULL, e);
}

struct wl_pg *
wl_db_admin_begin(const char *actor, struct wl_err *e)
{
	struct wl_pg *c = wl_pg_take(WL_ROLE_OWNER, e);

	if (c == NULL)
		return NULL;
	if (wl_pg_begin(c, NULL, e) == 0 &&
	    wl_db_admin_actor(c, actor, e) == 0)
		return c;
	wl_pg_give(c);
	return NULL;
}

struct wl_rows *
wl_db_admin_query(struct wl_pg *c, struct wl_arena *a, const char *sql, int n,
    const struct wl_param *p, struct wl_err *e)
{
	struct wl_rows *r = wl_pg_query(c, a, sql, n, p, e);

	if (r == NULL)
		explain(c, e);
	return r;
}

int
wl_db_admin_end(struct wl_pg *c, struct wl_arena *a, int done,
    const char *project, int64_t *version, struct wl_err *e)
{
	struct wl_rows *r;

	if (done > 0 && project != NULL) {
		r = wl_pg_query(c, a, sql_version, 1, &WL_P(project), e);
		if (r == NULL)
			done = -1;
		else
			*version = wl_rows_count(r) == 0 ? 0 :
			    wl_rows_int(r, 0, 0, 0);
	}
	if (done > 0 && wl_pg_commit(c, e) == -1)
		done = -1;
	wl_pg_give(c);
	return done;
}

int
wl_db_admin_change(struct wl_arena *a, const char *actor, const char *sql,
    int n, const struct wl_param *p, const char *project, int64_t *version,
    struct wl_rows **rows, struct wl_err *e)
{
	struct wl_pg *c = wl_db_admin_begin(actor, e);
	struct wl_rows *r;

	if (c == NULL)
		return -1;
	r = wl_db_admin_query(c, a, sql, n, p, e);
	if (rows != NULL)
		*rows = r;
	return wl_db_admin_end(c, a, r == NULL ? -1 : wl_rows_count(r) > 0,
	    project, version, e);
}

/* ---- projects and plans ------------------------------------------------ */

int
wl_db_admin_project_create(struct wl_arena *a, const char *actor,
    const char *id, const char *name, const char *plan,
    const char *default_provider, struct wl_rows **row, struct wl_err *e)
{
	struct wl_param p[] = { WL_P(id), WL_P(name), WL_P(plan),
	    WL_P(default_provider) };

	return wl_db_admin_change(a, actor, sql_project_create, 4, p, NULL,
	    NULL, row, e);
}

int
wl_db_admin_project_set(struct wl_arena *a, const char *actor, const char *id,
    const char *changes, int64_t *version, struct wl_err *e)
{
	struct wl_param p[] = { WL_P(id), WL_P(changes) };

	return wl_db_admin_change(a, actor, sql_project_set, 2, p, id, version,
	    NULL, e);
}

/*
 * Returns as the change that it is part of.
 */
static int
plan_set(struct wl_pg *c, struct wl_arena *a, const char *id,
    const char *changes, int64_t rpm, int64_t month,
    struct wl_rows **projects, struct wl_err *e)
{
	char minute_limit[24], month_limit[24];
	struct wl_param create[] = { WL_P(id), WL_P(minute_limit),
	    WL_P(month_limit) };
	struct wl_param set[] = { WL_P(id), WL_P(changes) };
	struct wl_rows *r;

	number(minute_limit, rpm);
	number(month_limit, month);
	if (rpm >= 0 && month >= 0 &&
	    wl_db_admin_query(c, a, sql_plan_create, 3, create, e) == NULL)
		return -1;
	if ((r = wl_db_admin_query(c, a, sql_plan_set, 2, set, e)) == NULL)
		return -1;
	if (wl_rows_count(r) == 0)
		return 0;
	*projects = wl_db_admin_query(c, a, sql_plan_projects, 1, &WL_P(id), e);
	return *projects == NULL ? -1 : 1;
}

int
wl_db_admin_plan_set(struct wl_arena *a, const char *actor, const char *id,
    const char *changes, int64_t rpm, int64_t month, struct wl_rows **projects,
    struct wl_err *e)
{
	struct wl_pg *c = wl_db_admin_begin(actor, e);

	if (c == NULL)
		return -1;
	return wl_db_admin_end(c, a, plan_set(c, a, id, changes, rpm, month,
	    projects, e), NULL, NULL, e);
}

/* ---- keys of projects -------------------------------------------------- */

int
wl_db_admin_key_create(struct wl_arena *a, const char *actor,
    const struct wl_db_new_key *k, const char **id, int64_t *version,
    struct wl_err *e)
{
	char rpm[24], month[24], concurrent[24], expires[24];
	char tokens[24], day_nano[24], month_nano[24];
	struct wl_param p[] = {
		WL_P(k->project), WL_PB(k->hash, sizeof(k->hash)),
		WL_P(k->prefix), WL_P(k->kind), WL_P(k->name), WL_P(k->scopes),
		WL_P(rpm), WL_P(month), WL_P(concurrent), WL_P(expires),
		WL_P(k->id), WL_P(tokens), WL_P(day_nano), WL_P(month_nano)
	};
	struct wl_rows *r = NULL;
	int ret;

	number(rpm, k->rpm);
	number(month, k->month);
	number(concurrent, k->concurrent);
	number(expires, k->expires_ms);
	number(tokens, k->tokens);
	number(day_nano, k->day_nano);
	number(month_nano, k->month_nano);
	ret = wl_db_admin_change(a, actor, sql_key_create, 14, p, k->project,
	    version, &r, e);
	if (ret > 0)
		*id = wl_rows_get(r, 0, 0);
	return ret;
}

int
wl_db_admin_key_revoke(struct wl_arena *a, const char *actor,
    const char *project, const char *id, int64_t *version, struct wl_err *e)
{
	struct wl_param p[] = { WL_P(project), WL_P(id) };

	return wl_db_admin_change(a, actor, sql_key_revoke, 2, p, project,
	    version, NULL, e);
}

static int
key_rotate(struct wl_pg *c, struct wl_arena *a, const char *old,
    int64_t grace_ms, const struct wl_db_new_key *k, const char **id,
    struct wl_err *e)
{
	char grace[24];
	struct wl_param new[] = { WL_P(k->project), WL_P(old),
	    WL_PB(k->hash, sizeof(k->hash)), WL_P(k->prefix) };
	struct wl_param end[] = { WL_P(k->project), WL_P(old), WL_P(grace) };
	struct wl_rows *r = wl_db_admin_query(c, a, sql_key_like, 4, new, e);

	if (r == NULL)
		return -1;
	if (wl_rows_count(r) == 0)
		return 0;
	*id = wl_rows_get(r, 0, 0);
	number(grace, grace_ms);
	if ((r = wl_db_admin_query(c, a, sql_key_end, 3, end, e)) == NULL)
		return -1;
	return wl_rows_count(r) > 0;
}

int
wl_db_admin_key_rotate(struct wl_arena *a, const char *actor, const char *old,
    int64_t grace_ms, const struct wl_db_new_key *k, const char **id,
    int64_t *version, struct wl_err *e)
{
	struct wl_pg *c = wl_db_admin_begin(actor, e);

	if (c == NULL)
		return -1;
	return wl_db_admin_end(c, a, key_rotate(c, a, old, grace_ms, k, id, e),
	    k->project, version, e);
}

/* ---- limit rules ------------------------------------------------------- */

int
wl_db_admin_limit_set(struct wl_arena *a, const char *actor,
    const struct wl_db_limit *l, const char **id, int64_t *version,
    struct wl_err *e)
{
	char amount[24];
	struct wl_param p[] = { WL_P(l->project), WL_P(l->subject),
	    WL_P(l->pattern), WL_P(l->unit), WL_P(amount),
	    WL_P(l->shadow ? "true" : "false") };
	struct wl_rows *r = NULL;
	int ret;

	number(amount, l->amount);
	ret = wl_db_admin_change(a, actor, sql_limit_set, 6, p, l->project,
	    version, &r, e);
	if (ret > 0)
		*id = wl_rows_get(r, 0, 0);
	return ret;
}

int
wl_db_admin_limit_remove(struct wl_arena *a, const char *actor,
    const char *project, const char *id, int64_t *version, struct wl_err *e)
{
	struct wl_param p[] = { WL_P(project), WL_P(id) };

	return wl_db_admin_change(a, actor, sql_limit_remove, 2, p, project,
	    version, NULL, e);
}

/* ---- usage and dead letters -------------------------------------------- */

int
wl_db_admin_month(struct wl_arena *a, const char *actor, const char *project,
    int64_t now_ms, bool add, int64_t v, struct wl_err *e)
{
	char now[24], n[24];
	struct wl_param p[] = { WL_P(project), WL_P(now), WL_P(n) };

	number(now, now_ms);
	number(n, v);
	return wl_db_admin_change(a, actor, add ? sql_month_add :
	    sql_month_set, 3, p, NULL, NULL, NULL, e);
}

int
wl_db_admin_spent(struct wl_arena *a, const char *actor, const char *project,
    int64_t now_ms, const char *kind, int64_t nano, struct wl_err *e)
{
	char now[24], n[24];
	struct wl_param p[] = { WL_P(project), WL_P(now), WL_P(kind), WL_P(n) };

	number(now, now_ms);
	number(n, nano);
	return wl_db_admin_change(a, actor, sql_budget_set, 4, p, NULL, NULL,
	    NULL, e);
}

int
wl_db_admin_dead_replayed(struct wl_arena *a, const char *actor,
    const char *id, struct wl_err *e)
{
	return wl_db_admin_change(a, actor, sql_dead_replayed, 1, &WL_P(id),
	    NULL, NULL, NULL, e);
}

int
wl_db_admin_dead_drop(struct wl_arena *a, const char *actor, const char *id,
    struct wl_err *e)
{
	return wl_db_admin_change(a, actor, sql_dead_drop, 1, &WL_P(id), NULL,
	    NULL, NULL, e);
}
