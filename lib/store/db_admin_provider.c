/*
 * What an operator changes of providers, routes to them and keys for them.
 */
#include "config.h"
#include "lib/store/db_admin.h"

#include <stdio.h>

#include "lib/base/err.h"
#include "lib/base/secret.h"
#include "lib/store/db_admin_priv.h"
#include "lib/store/stmts.h"

static const char sql_key_remove[] =
    "DELETE FROM watchllm.provider_key WHERE project_id = $1"
    " AND provider = $2 AND priority = $3 RETURNING id";
static const char sql_key_set[] =
    "INSERT INTO watchllm.provider_key (project_id, provider, priority, name,"
    " key_id, nonce, ciphertext, host, hint)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    " ON CONFLICT (project_id, provider, priority) DO UPDATE SET"
    " name = excluded.name, key_id = excluded.key_id, nonce = excluded.nonce,"
    " ciphertext = excluded.ciphertext, host = excluded.host,"
    " hint = excluded.hint, created_at = now(), disabled_at = NULL"
    " RETURNING id";
static const char sql_provider_create[] =
    "INSERT INTO watchllm.provider (id, name, base_url) VALUES ($1, $1, $2)"
    " ON CONFLICT (id) DO NOTHING";
static const char sql_provider_set[] =
    "UPDATE watchllm.provider p SET (name, wire, base_url, auth, key_required,"
    " allow_private, stream_options, price_provider, enabled, api_version)"
    " = (SELECT r.name, r.wire, r.base_url, r.auth, r.key_required,"
    " r.allow_private, r.stream_options, r.price_provider, r.enabled,"
    " r.api_version"
    " FROM jsonb_populate_record(p, $2::jsonb) r) WHERE p.id = $1"
    " RETURNING p.id";
static const char sql_reseal[] =
    "UPDATE watchllm.provider_key SET key_id = $5, nonce = $6, ciphertext = $7"
    " WHERE project_id = $1 AND provider = $2 AND priority = $3"
    " AND nonce = $4 RETURNING project_id";
/* routes have no trigger for the audit log */
static const char sql_route_remove[] =
    "WITH done AS (DELETE FROM watchllm.model_route r WHERE r.pattern = $1"
    " AND r.kind = $2 AND ($3::text IS NULL OR r.provider = $3)"
    " RETURNING r.pattern, to_jsonb(r) AS old_row)"
    " INSERT INTO watchllm.audit_log (actor, action, target, before)"
    " SELECT current_setting('watchllm.actor'), 'model_route.delete', pattern,"
    " old_row FROM done RETURNING 1";
static const char sql_route_set[] =
    "WITH done AS (INSERT INTO watchllm.model_route AS r"
    " (pattern, kind, provider, priority) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT (pattern, kind, provider)"
    " DO UPDATE SET priority = excluded.priority"
    " RETURNING r.pattern, to_jsonb(r) AS new_row)"
    " INSERT INTO watchllm.audit_log (actor, action, target, after)"
    " SELECT current_setting('watchllm.actor'), 'model_route.set', pattern,"
    " new_row FROM done RETURNING 1";
static const char sql_version[] =
    "SELECT version FROM watchllm.project WHERE id = $1";

const struct wl_stmt wl_db_admin_provider_stmts[] = {
	{ "key_remove", WL_ROLE_OWNER, sql_key_remove },
	{ "key_set", WL_ROLE_OWNER, sql_key_set },
	{ "provider_create", WL_ROLE_OWNER, sql_provider_create },
	{ "provider_set", WL_ROLE_OWNER, sql_provider_set },
	{ "reseal", WL_ROLE_OWNER, sql_reseal },
	{ "route_remove", WL_ROLE_OWNER, sql_route_remove },
	{ "route_set", WL_ROLE_OWNER, sql_route_set },
	{ "version", WL_ROLE_OWNER, sql_version },
	{ NULL, WL_ROLE_APP, NULL }
};

static void
number(char out[12], int v)
{
	snprintf(out, 12, "%d", v);
}

/* ---- providers and routes ---------------------------------------------- */

static int
provider_set(struct wl_pg *c, struct wl_arena *a, const char *id,
    const char *changes, const char *base_url, struct wl_err *e)
{
	struct wl_param create[] = { WL_P(id), WL_P(base_url) };
	struct wl_param set[] = { WL_P(id), WL_P(changes) };
	struct wl_rows *r;

	if (base_url != NULL &&
	    wl_db_admin_query(c, a, sql_provider_create, 2, create, e) == NULL)
		return -1;
	r = wl_db_admin_query(c, a, sql_provider_set, 2, set, e);
	return r == NULL ? -1 : wl_rows_count(r) > 0;
}

int
wl_db_admin_provider_set(struct wl_arena *a, const char *actor, const char *id,
    const char *changes, const char *base_url, struct wl_err *e)
{
	struct wl_pg *c = wl_db_admin_begin(actor, e);

	if (c == NULL)
		return -1;
	return wl_db_admin_end(c, a, provider_set(c, a, id, changes, base_url,
	    e), NULL, NULL, e);
}

int
wl_db_admin_route_set(struct wl_arena *a, const char *actor,
    const char *pattern, const char *kind, const char *provider, int priority,
    struct wl_err *e)
{
	char n[12];
	struct wl_param p[] = { WL_P(pattern), WL_P(kind), WL_P(provider),
	    WL_P(n) };

	number(n, priority);
	return wl_db_admin_change(a, actor, sql_route_set, 4, p, NULL, NULL,
	    NULL, e);
}

int
wl_db_admin_route_remove(struct wl_arena *a, const char *actor,
    const char *pattern, const char *kind, const char *provider,
    struct wl_err *e)
{
	struct wl_param p[] = { WL_P(pattern), WL_P(kind), WL_P(provider) };

	return wl_db_admin_change(a, actor, sql_route_remove, 3, p, NULL, NULL,
	    NULL, e);
}

/* ---- keys -------------------------------------------------------------- */

int
wl_db_admin_provider_key_set(struct wl_arena *a, const char *actor,
    const struct wl_db_sealed *k, const char **id, int64_t *version,
    struct wl_err *e)
{
	char priority[12];
	struct wl_param p[] = {
		WL_P(k->project), WL_P(k->provider), WL_P(priority),
		WL_P(k->name), WL_P(k->key_id),
		WL_PB(k->nonce, WL_SECRET_NONCE), WL_PB(k->sealed, k->len),
		WL_P(k->host), WL_P(k->hint)
	};
	struct wl_rows *r = NULL;
	int ret;

	number(priority, k->priority);
	ret = wl_db_admin_change(a, actor, sql_key_set, 9, p, k->project,
	    version, &r, e);
	if (ret > 0)
		*id = wl_rows_get(r, 0, 0);
	return ret;
}

int
wl_db_admin_provider_key_remove(struct wl_arena *a, const char *actor,
    const char *project, const char *provider, int priority, int64_t *version,
    struct wl_err *e)
{
	char n[12];
	struct wl_param p[] = { WL_P(project), WL_P(provider), WL_P(n) };

	number(n, priority);
	return wl_db_admin_change(a, actor, sql_key_remove, 3, p, project,
	    version, NULL, e);
}

/*
 * Returns 1 when it was replaced, 0 when it had changed, or -1.
 */
static int
reseal(struct wl_pg *c, struct wl_arena *a, const struct wl_db_sealed *k,
    struct wl_err *e)
{
	char priority[12];
	struct wl_param p[] = {
		WL_P(k->project), WL_P(k->provider), WL_P(priority),
		WL_PB(k->old_nonce, WL_SECRET_NONCE), WL_P(k->key_id),
		WL_PB(k->nonce, WL_SECRET_NONCE), WL_PB(k->sealed, k->len)
	};
	struct wl_rows *r;

	number(priority, k->priority);
	r = wl_db_admin_query(c, a, sql_reseal, 7, p, e);
	return r == NULL ? -1 : wl_rows_count(r) > 0;
}

/*
 * The versions at the end of the transaction.
 */
static int
read_versions(struct wl_pg *c, struct wl_arena *a,
    const struct wl_db_sealed *k, int n, int64_t *versions, struct wl_err *e)
{
	struct wl_rows *r;
	int i;

	for (i = 0; i < n; i++) {
		r = wl_db_admin_query(c, a, sql_version, 1,
		    &WL_P(k[i].project), e);
		if (r == NULL)
			return -1;
		versions[i] = wl_rows_count(r) == 0 ? 0 :
		    wl_rows_int(r, 0, 0, 0);
	}
	return 0;
}

int
wl_db_admin_reseal(struct wl_arena *a, const char *actor,
    const struct wl_db_sealed *k, int n, int64_t *versions, struct wl_err *e)
{
	struct wl_pg *c = wl_db_admin_begin(actor, e);
	int i, one, done = 0;

	if (c == NULL)
		return -1;
	for (i = 0; i < n && done != -1; i++) {
		one = reseal(c, a, &k[i], e);
		done = one == -1 ? -1 : done + one;
	}
	if (done > 0 && read_versions(c, a, k, n, versions, e) == -1)
		done = -1;
	return wl_db_admin_end(c, a, done, NULL, NULL, e);
}
