/*
 * Lists of administration in pages.
 */
#include "config.h"
#include "lib/store/db_admin_page.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/base/num.h"
#include "lib/store/pg.h"
#include "lib/store/stmts.h"

#define CURSOR_MAX	128
#define AT(t) \
	"to_char(" t " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
#define KEY_STATE \
	"CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked'" \
	" WHEN k.expires_at <= now() THEN 'expired' ELSE 'active' END"
/* a cursor of two parts; no part has a dot */
#define PAIR	"(split_part($3, '.', 1), split_part($3, '.', 2))"

static const char sql_audit[] =
    "SELECT l.id, " AT("l.at") ", l.id, l.actor, l.address, l.project_id,"
    " l.action, l.target, l.before, l.after, encode(l.hash, 'hex')"
    " FROM watchllm.audit_log l WHERE ($1::text IS NULL OR l.project_id = $1)"
    " AND ($2::text IS NULL OR starts_with(l.action, $2))"
    " AND ($3::text IS NULL OR l.id < $3::bigint)"
    " ORDER BY l.id DESC LIMIT $4";
static const char sql_keys[] =
    "SELECT k.project_id || '.' || k.id, k.project_id, k.id, k.prefix, k.kind,"
    " k.name, array_to_string(k.scopes, ','), " KEY_STATE ","
    " k.requests_per_minute, k.requests_per_month, k.concurrent_requests, "
    AT("k.expires_at") ", " AT("k.created_at")
    " FROM watchllm.api_key k WHERE ($1::text IS NULL OR k.project_id = $1)"
    " AND ($2::text IS NULL OR k.id = $2)"
    " AND ($3::text IS NULL OR (k.project_id, k.id) > " PAIR ")"
    " ORDER BY k.project_id, k.id LIMIT $4";
static const char sql_plans[] =
    "SELECT p.id, p.id, p.name, p.requests_per_minute, p.requests_per_month,"
    " p.window_kind, p.concurrent_requests, p.cache_hits_free,"
    " trim_scale(p.price_usd_cents::numeric / 100), p.retention_class, c.days,"
    " (SELECT count(*) FROM watchllm.project r WHERE r.plan_id = p.id)"
    " FROM watchllm.plan p"
    " JOIN watchllm.retention_class c ON c.name = p.retention_class"
    " WHERE ($1::text IS NULL OR p.id = $1) AND $2::text IS NULL"
    " AND ($3::text IS NULL OR p.id > $3) ORDER BY p.id LIMIT $4";
static const char sql_projects[] =
    "SELECT p.dsn_id, p.id, p.dsn_id, p.name, p.plan_id, p.default_provider,"
    " p.disabled_at IS NULL, (SELECT count(*) FROM watchllm.api_key k"
    " WHERE k.project_id = p.id AND " KEY_STATE " = 'active'), "
    AT("p.created_at") " FROM watchllm.project p"
    " WHERE ($1::text IS NULL OR p.id = $1) AND $2::text IS NULL"
    " AND ($3::text IS NULL OR p.dsn_id > $3::bigint)"
    " ORDER BY p.dsn_id LIMIT $4";
static const char sql_provider_keys[] =
    "SELECT k.project_id || '.' || k.id, k.project_id, k.id, k.provider,"
    " k.priority, k.name, k.hint, k.host, k.key_id, k.disabled_at IS NULL, "
    AT("k.created_at")
    " FROM watchllm.provider_key k"
    " WHERE ($1::text IS NULL OR k.project_id = $1)"
    " AND ($2::text IS NULL OR k.id = $2)"
    " AND ($3::text IS NULL OR (k.project_id, k.id) > " PAIR ")"
    " ORDER BY k.project_id, k.id LIMIT $4";
static const char sql_usage[] =
    "SELECT p.dsn_id, p.id, p.plan_id,"
    " to_char(watchllm.utc_month(now()), 'YYYY-MM'),"
    " greatest(0, coalesce(u.counted + u.correction, 0)),"
    " l.requests_per_month FROM watchllm.project p"
    " JOIN watchllm.plan l ON l.id = p.plan_id"
    " LEFT JOIN watchllm.usage_month u ON u.project_id = p.id"
    " AND u.month = watchllm.utc_month(now())"
    " WHERE ($1::text IS NULL OR p.id = $1) AND $2::text IS NULL"
    " AND ($3::text IS NULL OR p.dsn_id > $3::bigint)"
    " ORDER BY p.dsn_id LIMIT $4";

const struct wl_stmt wl_db_admin_page_stmts[] = {
	{ "audit_page", WL_ROLE_OWNER, sql_audit },
	{ "keys_page", WL_ROLE_OWNER, sql_keys },
	{ "plans_page", WL_ROLE_OWNER, sql_plans },
	{ "projects_page", WL_ROLE_OWNER, sql_projects },
	{ "provider_keys_page", WL_ROLE_OWNER, sql_provider_keys },
	{ "usage_page", WL_ROLE_OWNER, sql_usage },
	{ NULL, WL_ROLE_APP, NULL }
};

static const struct {
	const char	*sql;
	bool		 number;	/* the cursor is one */
} pages[] = {
	[WL_DB_PAGE_AUDIT] = { sql_audit, true },
	[WL_DB_PAGE_KEYS] = { sql_keys, false },
	[WL_DB_PAGE_PLANS] = { sql_plans, false },
	[WL_DB_PAGE_PROJECTS] = { sql_projects, true },
	[WL_DB_PAGE_PROVIDER_KEYS] = { sql_provider_keys, false },
	[WL_DB_PAGE_USAGE] = { sql_usage, true },
};
_Static_assert(sizeof(pages) / sizeof(pages[0]) == WL_DB_PAGE_MAX,
    "a statement for every page");

static int
check_cursor(enum wl_db_page page, const char *after, struct wl_err *e)
{
	size_t len = after == NULL ? 0 : strlen(after);
	int64_t n;

	if (after == NULL || (len > 0 && len <= CURSOR_MAX &&
	    (pages[page].number ? wl_num_parse(after, len, 0, INT64_MAX,
	    &n) == 0 : strspn(after,
	    "0123456789abcdefghijklmnopqrstuvwxyz._-") == len)))
		return 0;
	wl_err_set(e, WL_E_INVALID_REQUEST,
	    "\"after\" must be the \"next\" of a page of this list.");
	e->param = "after";
	return -1;
}

struct wl_rows *
wl_db_admin_page(struct wl_arena *arena, enum wl_db_page page, const char *a,
    const char *b, const char *after, int most, struct wl_err *e)
{
	char limit[12];
	struct wl_param p[] = { WL_P(a), WL_P(b), WL_P(after), WL_P(limit) };

	if (check_cursor(page, after, e) == -1)
		return NULL;
	snprintf(limit, sizeof(limit), "%d", most);
	return wl_pg_ask(WL_ROLE_OWNER, arena, pages[page].sql, 4, p, e);
}
