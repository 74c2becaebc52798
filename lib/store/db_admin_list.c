/*
 * What an operator may list.
 */
#include "config.h"
#include "lib/store/db_admin.h"

#include "lib/base/err.h"
#include "lib/store/pg.h"
#include "lib/store/stmts.h"

#define ARGS_MAX	5
#define USD(column) "trim_scale(" column "::numeric / 1000000000)"
#define AT(t) \
	"to_char(" t " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
#define KEY_STATE \
	"CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked'" \
	" WHEN k.expires_at <= now() THEN 'expired' ELSE 'active' END"
#define DEAD \
	"SELECT id, " AT("created_at") ", host, segment, record_offset, kind," \
	" project_id, sqlstate, reason, octet_length(record), " \
	AT("replayed_at")

/* what changed: of a new or removed row its columns, of another the new
 * values */
static const char sql_audit[] =
    "SELECT l.id, " AT("l.at") ", l.actor, l.address, l.project_id, l.action,"
    " l.target, l.before, l.after, (SELECT string_agg("
    "coalesce(n.key, o.key) || '=' || coalesce(n.value, 'null'), ' '"
    " ORDER BY coalesce(n.key, o.key))"
    " FROM jsonb_each_text(coalesce(l.after, '{}')) n"
    " FULL JOIN jsonb_each_text(coalesce(l.before, '{}')) o ON o.key = n.key"
    " WHERE n.value IS DISTINCT FROM o.value AND l.after IS NOT NULL)"
    " FROM (SELECT * FROM watchllm.audit_log"
    " WHERE $1::text IS NULL OR project_id = $1"
    " ORDER BY id DESC LIMIT $2) l ORDER BY l.id";
static const char sql_audit_check[] =
    "SELECT first_bad, last_id, encode(last_hash, 'hex'), entries"
    " FROM watchllm.audit_verify_part($1, decode($2, 'hex'), 2000)";
static const char sql_audit_hash[] =
    "SELECT encode(hash, 'hex') FROM watchllm.audit_log WHERE id = $1";
static const char sql_dead_letter[] =
    DEAD ", encode(record, 'hex') FROM watchllm.dead_letter"
    " WHERE id = $1::bigint";
static const char sql_dead_letters[] =
    DEAD " FROM watchllm.dead_letter"
    " WHERE replayed_at IS NULL OR $1::boolean ORDER BY id DESC LIMIT $2";
static const char sql_flags[] =
    "SELECT name, trim_scale(percent), array_to_string(projects_on, ','),"
    " array_to_string(projects_off, ','), " AT("created_at")
    " FROM watchllm.feature_flag ORDER BY name";
static const char sql_key_find[] =
    "SELECT k.project_id, k.id, k.prefix, k.kind, k.name, " KEY_STATE ","
    " k.requests_per_minute, k.requests_per_month, k.concurrent_requests,"
    " k.tokens_per_minute, k.budget_day_nano, k.budget_month_nano"
    " FROM watchllm.api_key k WHERE ($1::text IS NULL OR k.project_id = $1)"
    " AND (k.id = $2 OR k.prefix = $2 OR k.hash = decode($3, 'hex'))"
    " ORDER BY k.created_at LIMIT 10";
static const char sql_keys[] =
    "SELECT k.id, k.prefix, k.kind, k.name, array_to_string(k.scopes, ','), "
    KEY_STATE ", k.requests_per_minute, k.requests_per_month,"
    " k.concurrent_requests, k.tokens_per_minute, " USD("k.budget_day_nano")
    ", " USD("k.budget_month_nano") ", "
    AT("k.expires_at") ", " AT("k.created_at")
    " FROM watchllm.api_key k WHERE k.project_id = $1"
    " ORDER BY k.created_at, k.id";
static const char sql_limits[] =
    "SELECT id, subject, pattern, unit, CASE WHEN unit IN"
    " ('day_nano', 'month_nano')"
    " THEN trim_scale(amount::numeric / 1000000000)::text"
    " ELSE amount::text END, shadow, " AT("created_at")
    " FROM watchllm.limit_rule WHERE project_id = $1"
    " ORDER BY subject, pattern, unit";
static const char sql_plans[] =
    "SELECT p.id, p.name, p.requests_per_minute, p.requests_per_month,"
    " p.window_kind, p.concurrent_requests, p.tokens_per_minute, "
    USD("p.budget_day_nano") ", " USD("p.budget_month_nano")
    ", p.on_unknown_price, p.on_overrun, p.cache_hits_free,"
    " trim_scale(p.price_usd_cents::numeric / 100), p.retention_class, c.days,"
    " (SELECT count(*) FROM watchllm.project r WHERE r.plan_id = p.id)"
    " FROM watchllm.plan p"
    " JOIN watchllm.retention_class c ON c.name = p.retention_class"
    " ORDER BY p.price_usd_cents, p.requests_per_minute, p.id";
static const char sql_project[] =
    "SELECT p.id, p.dsn_id, p.name, p.plan_id, p.default_provider,"
    " p.disabled_at IS NULL, " AT("p.created_at") ", p.version,"
    " l.requests_per_minute, l.requests_per_month, l.concurrent_requests,"
    " l.window_kind = 'sliding', l.tokens_per_minute, l.budget_day_nano,"
    " l.budget_month_nano, watchllm.limit_rules(p.id)"
    " FROM watchllm.project p JOIN watchllm.plan l ON l.id = p.plan_id"
    " WHERE p.id = $1";
static const char sql_projects[] =
    "SELECT p.id, p.dsn_id, p.name, p.plan_id, p.default_provider,"
    " p.disabled_at IS NULL, (SELECT count(*) FROM watchllm.api_key k"
    " WHERE k.project_id = p.id AND " KEY_STATE " = 'active'), "
    AT("p.created_at")
    " FROM watchllm.project p ORDER BY p.created_at, p.id LIMIT $1";
static const char sql_provider[] =
    "SELECT base_url, allow_private FROM watchllm.provider WHERE id = $1";
static const char sql_provider_keys[] =
    "SELECT provider, priority, id, name, hint, host, key_id,"
    " disabled_at IS NULL, " AT("created_at")
    " FROM watchllm.provider_key WHERE project_id = $1"
    " ORDER BY provider, priority";
static const char sql_providers[] =
    "SELECT id, name, wire, base_url, auth, key_required, allow_private,"
    " stream_options, price_provider, enabled, api_version"
    " FROM watchllm.provider ORDER BY id";
static const char sql_routes[] =
    "SELECT pattern, kind, provider, priority FROM watchllm.model_route"
    " WHERE $1::text IS NULL OR provider = $1"
    " ORDER BY pattern, kind, priority, provider";
static const char sql_rules[] =
    "SELECT r.name, r.alias, r.position, r.enabled, r.definition, "
    AT("r.updated_at") " FROM (SELECT project_id, name, alias, position,"
    " enabled, definition, updated_at FROM watchllm.route_rule"
    " UNION ALL SELECT NULL, name, alias, position, enabled, definition,"
    " updated_at FROM watchllm.route_common) r"
    " WHERE r.project_id IS NOT DISTINCT FROM $1"
    " ORDER BY r.alias, r.position, r.name";
static const char sql_schema[] =
    "SELECT coalesce(max(m.version), 0), (SELECT"
    " pg_catalog.pg_has_role(c.relowner, 'USAGE') FROM pg_catalog.pg_class c"
    " WHERE c.oid = 'watchllm.schema_migration'::regclass)"
    " FROM watchllm.schema_migration m";
static const char sql_sealed_under[] =
    "SELECT key_id, count(*) FROM watchllm.provider_key"
    " GROUP BY key_id ORDER BY key_id";
static const char sql_to_reseal[] =
    "SELECT project_id, provider, priority, key_id, host,"
    " encode(nonce, 'hex'), encode(ciphertext, 'hex')"
    " FROM watchllm.provider_key WHERE key_id <> $1"
    " AND (project_id, provider, priority) > ($2, $3, $4::smallint)"
    " ORDER BY project_id, provider, priority LIMIT $5";
static const char sql_unbound[] =
    "SELECT count(*) FROM watchllm.provider_key"
    " WHERE provider = $1 AND host <> $2";

const struct wl_stmt wl_db_admin_list_stmts[] = {
	{ "audit", WL_ROLE_OWNER, sql_audit },
	{ "audit_check", WL_ROLE_OWNER, sql_audit_check },
	{ "audit_hash", WL_ROLE_OWNER, sql_audit_hash },
	{ "dead_letter", WL_ROLE_OWNER, sql_dead_letter },
	{ "dead_letters", WL_ROLE_OWNER, sql_dead_letters },
	{ "flags", WL_ROLE_OWNER, sql_flags },
	{ "key_find", WL_ROLE_OWNER, sql_key_find },
	{ "keys", WL_ROLE_OWNER, sql_keys },
	{ "limits", WL_ROLE_OWNER, sql_limits },
	{ "plans", WL_ROLE_OWNER, sql_plans },
	{ "project", WL_ROLE_OWNER, sql_project },
	{ "projects", WL_ROLE_OWNER, sql_projects },
	{ "provider", WL_ROLE_OWNER, sql_provider },
	{ "provider_keys", WL_ROLE_OWNER, sql_provider_keys },
	{ "providers", WL_ROLE_OWNER, sql_providers },
	{ "routes", WL_ROLE_OWNER, sql_routes },
	{ "rules", WL_ROLE_OWNER, sql_rules },
	{ "schema", WL_ROLE_OWNER, sql_schema },
	{ "sealed_under", WL_ROLE_OWNER, sql_sealed_under },
	{ "to_reseal", WL_ROLE_OWNER, sql_to_reseal },
	{ "unbound", WL_ROLE_OWNER, sql_unbound },
	{ NULL, WL_ROLE_APP, NULL }
};

static const struct {
	const char	*sql;
	int		 nargs;
} lists[] = {
	[WL_DB_AUDIT] = { sql_audit, 2 },
	[WL_DB_AUDIT_CHECK] = { sql_audit_check, 2 },
	[WL_DB_AUDIT_HASH] = { sql_audit_hash, 1 },
	[WL_DB_DEAD_LETTER] = { sql_dead_letter, 1 },
	[WL_DB_DEAD_LETTERS] = { sql_dead_letters, 2 },
	[WL_DB_FLAGS] = { sql_flags, 0 },
	[WL_DB_KEY_FIND] = { sql_key_find, 3 },
	[WL_DB_KEYS] = { sql_keys, 1 },
	[WL_DB_LIMITS] = { sql_limits, 1 },
	[WL_DB_PLANS] = { sql_plans, 0 },
	[WL_DB_PROJECT] = { sql_project, 1 },
	[WL_DB_PROJECTS] = { sql_projects, 1 },
	[WL_DB_PROVIDER] = { sql_provider, 1 },
	[WL_DB_PROVIDER_KEYS] = { sql_provider_keys, 1 },
	[WL_DB_PROVIDERS] = { sql_providers, 0 },
	[WL_DB_ROUTES] = { sql_routes, 1 },
	[WL_DB_RULES] = { sql_rules, 1 },
	[WL_DB_SCHEMA] = { sql_schema, 0 },
	[WL_DB_SEALED_UNDER] = { sql_sealed_under, 0 },
	[WL_DB_TO_RESEAL] = { sql_to_reseal, 5 },
	[WL_DB_UNBOUND] = { sql_unbound, 2 },
};
_Static_assert(sizeof(lists) / sizeof(lists[0]) == WL_DB_LIST_MAX,
    "a statement for every list");

struct wl_rows *
wl_db_admin_list(struct wl_arena *a, enum wl_db_list list,
    const char *const *args, struct wl_err *e)
{
	struct wl_param p[ARGS_MAX];
	struct wl_pg *c = wl_pg_take(WL_ROLE_OWNER, e);
	struct wl_rows *r;
	int i;

	if (c == NULL)
		return NULL;
	for (i = 0; i < lists[list].nargs; i++)
		p[i] = WL_P(args[i]);
	r = wl_pg_query(c, a, lists[list].sql, lists[list].nargs, p, e);
	wl_pg_give(c);
	return r;
}
