/*
 * Who calls: keys with their project and plan, and versions of projects.
 */
#include "config.h"

#include <string.h>

#include "lib/base/err.h"
#include "lib/store/db.h"
#include "lib/store/stmts.h"

static const char sql_key[] =
    "SELECT key_id, project_id, project_name, dsn_id, version,"
    " catalog_version, key_prefix, key_kind, scopes,"
    " coalesce(watchllm.to_ms(expires_at), 0), revoked, disabled, plan_id,"
    " requests_per_minute, requests_per_month,"
    " coalesce(key_requests_per_minute, -1),"
    " coalesce(key_requests_per_month, -1),"
    " coalesce(concurrent_requests, -1), coalesce(key_concurrent_requests, -1),"
    " window_kind = 'sliding', cache_hits_free, retention_class,"
    " default_provider, settings::text, coalesce(tokens_per_minute, -1),"
    " coalesce(key_tokens_per_minute, -1), coalesce(budget_day_nano, -1),"
    " coalesce(budget_month_nano, -1), coalesce(key_budget_day_nano, -1),"
    " coalesce(key_budget_month_nano, -1), on_unknown_price,"
    " coalesce(flat_price_nano, 0), (SELECT l.on_overrun"
    " FROM watchllm.plan l WHERE l.id = plan_id),"
    " watchllm.limit_rules(project_id)"
    " FROM watchllm.auth_key($1)";
static const char sql_version[] =
    "SELECT version, catalog_version FROM watchllm.project_version($1)";

const struct wl_stmt wl_db_auth_stmts[] = {
	{ "key", WL_ROLE_APP, sql_key },
	{ "version", WL_ROLE_APP, sql_version },
	{ NULL, WL_ROLE_APP, NULL }
};

static void
read_key(const struct wl_rows *r, struct wl_db_key *k)
{
	int c = 0;

	k->key_id = wl_rows_get(r, 0, c++);
	k->project = wl_rows_get(r, 0, c++);
	k->project_name = wl_rows_get(r, 0, c++);
	k->dsn_id = wl_rows_int(r, 0, c++, 0);
	k->version = wl_rows_int(r, 0, c++, 0);
	k->catalog_version = wl_rows_int(r, 0, c++, 0);
	k->prefix = wl_rows_get(r, 0, c++);
	k->kind = wl_rows_get(r, 0, c++);
	k->scopes = wl_rows_get(r, 0, c++);
	k->expires_ms = wl_rows_int(r, 0, c++, 0);
	k->revoked = wl_rows_bool(r, 0, c++);
	k->project_disabled = wl_rows_bool(r, 0, c++);
	k->plan = wl_rows_get(r, 0, c++);
	k->rpm = wl_rows_int(r, 0, c++, 0);
	k->month = wl_rows_int(r, 0, c++, 0);
	k->key_rpm = wl_rows_int(r, 0, c++, WL_NO_LIMIT);
	k->key_month = wl_rows_int(r, 0, c++, WL_NO_LIMIT);
	k->concurrent = wl_rows_int(r, 0, c++, WL_NO_LIMIT);
	k->key_concurrent = wl_rows_int(r, 0, c++, WL_NO_LIMIT);
	k->sliding = wl_rows_bool(r, 0, c++);
	k->cache_hits_free = wl_rows_bool(r, 0, c++);
	k->retention_class = wl_rows_get(r, 0, c++);
	k->default_provider = wl_rows_get(r, 0, c++);
	k->settings = wl_rows_get(r, 0, c++);
	k->tokens = wl_rows_int(r, 0, c++, WL_NO_LIMIT);
	k->key_tokens = wl_rows_int(r, 0, c++, WL_NO_LIMIT);
	k->day_nano = wl_rows_int(r, 0, c++, WL_NO_LIMIT);
	k->month_nano = wl_rows_int(r, 0, c++, WL_NO_LIMIT);
	k->key_day_nano = wl_rows_int(r, 0, c++, WL_NO_LIMIT);
	k->key_month_nano = wl_rows_int(r, 0, c++, WL_NO_LIMIT);
	k->unknown_price = wl_rows_get(r, 0, c++);
	k->flat_nano = wl_rows_int(r, 0, c++, 0);
	k->overrun = wl_rows_get(r, 0, c++);
	k->rules = wl_rows_get(r, 0, c++);
}

int
wl_db_auth_key(struct wl_arena *a, const uint8_t hash[32], struct wl_db_key *k,
    struct wl_err *e)
{
	struct wl_param p[] = { WL_PB(hash, 32) };
	struct wl_rows *r = wl_pg_ask(WL_ROLE_APP, a, sql_key, 1, p, e);

	if (r == NULL)
		return -1;
	memset(k, 0, sizeof(*k));
	if (wl_rows_count(r) == 0)
		return 0;
	read_key(r, k);
	return 1;
}

int
wl_db_project_version(struct wl_arena *a, const char *project,
    int64_t *version, int64_t *catalog_version, struct wl_err *e)
{
	struct wl_param p[] = { WL_P(project) };
	struct wl_rows *r = wl_pg_ask(WL_ROLE_APP, a, sql_version, 1, p, e);

	if (r == NULL)
		return -1;
	if (wl_rows_count(r) == 0)
		return 0;
	*version = wl_rows_int(r, 0, 0, 0);
	if (catalog_version != NULL)
		*catalog_version = wl_rows_int(r, 0, 1, 0);
	return 1;
}
