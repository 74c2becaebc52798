/*
 * Rights, partitions, keys and prices as the database has them.
 */
#include "config.h"
#include "lib/store/db_doctor.h"

#include "lib/base/arena.h"
#include "lib/base/enc.h"
#include "lib/base/err.h"
#include "lib/base/secret.h"
#include "lib/store/stmts.h"

static const char sql_ahead[] =
    "SELECT coalesce(min(p.newest) - watchllm.utc_day(now()) - 1, -1)"
    " FROM (SELECT l.parent, max(l.upper) AS newest"
    " FROM watchllm.partition_list() l WHERE l.parent = 'ledger'"
    " OR l.retention_class IS NOT NULL GROUP BY l.parent) p";
static const char sql_dead_letters[] =
    "SELECT count(*) FROM watchllm.dead_letter WHERE replayed_at IS NULL";
static const char sql_keyless[] =
    "SELECT count(*), min(p.id) FROM watchllm.project p"
    " LEFT JOIN watchllm.provider r ON r.id = p.default_provider"
    " WHERE p.disabled_at IS NULL AND p.default_provider IS NOT NULL"
    " AND (r.id IS NULL OR NOT r.enabled OR (r.key_required"
    " AND NOT EXISTS (SELECT FROM watchllm.provider_key k"
    " WHERE k.project_id = p.id AND k.provider = r.id"
    " AND k.disabled_at IS NULL)))";
/* not to_regclass(), which needs a right that the login may lack */
static const char sql_login[] =
    "SELECT current_user, r.rolsuper, r.rolbypassrls,"
    " coalesce((SELECT pg_has_role(current_user, c.relowner, 'USAGE')"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'watchllm' AND c.relname = 'project'), false),"
    " coalesce((SELECT pg_has_role(current_user, g.oid, 'USAGE')"
    " FROM pg_roles g WHERE g.rolname = $1), false),"
    " EXISTS (SELECT FROM pg_roles g WHERE g.rolname = $1),"
    " current_setting('server_version_num'),"
    " current_setting('server_version'),"
    /* what others get: our own sessions have set it */
    " (SELECT s.reset_val FROM pg_catalog.pg_settings s"
    " WHERE s.name = 'TimeZone'),"
    " current_setting('max_connections')::integer"
    " - current_setting('superuser_reserved_connections')::integer"
    " - coalesce(current_setting('reserved_connections', true),"
    " '0')::integer, pg_is_in_recovery()"
    " FROM pg_roles r WHERE r.rolname = current_user";
static const char sql_open_tables[] =
    "SELECT count(*) FROM watchllm.tenant_list() t"
    " JOIN pg_namespace n ON n.nspname = 'watchllm'"
    " JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.name"
    " WHERE NOT c.relrowsecurity OR NOT c.relforcerowsecurity";
static const char sql_prices[] =
    "SELECT count(*), coalesce(watchllm.to_ms(max(imported_at)), 0)"
    " FROM watchllm.price";
static const char sql_rights_besides[] =
    "SELECT count(*), min(c.relname || ': ' || p) FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE',"
    " 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p"
    " WHERE n.nspname = 'watchllm' AND c.relkind IN ('r', 'p')"
    " AND has_table_privilege($1, c.oid, p)"
    " AND NOT EXISTS (SELECT FROM watchllm.privilege_list() l"
    " WHERE l.role = $2 AND l.kind = 'TABLE' AND l.name = c.relname"
    " AND p = ANY (string_to_array(l.privileges, ', ')))";
static const char sql_rights_lacking[] =
    "SELECT count(*), min(l.name || ': ' || p)"
    " FROM watchllm.privilege_list() l"
    " CROSS JOIN unnest(string_to_array(l.privileges, ', ')) p"
    " WHERE l.role = $2 AND NOT CASE l.kind"
    " WHEN 'TABLE' THEN has_table_privilege($1, 'watchllm.' || l.name, p)"
    " WHEN 'SEQUENCE' THEN"
    " has_sequence_privilege($1, 'watchllm.' || l.name, p)"
    " ELSE has_function_privilege($1, 'watchllm.' || l.name, p) END";
static const char sql_sealed[] =
    "SELECT DISTINCT ON (k.key_id) k.key_id,"
    " count(*) OVER (PARTITION BY k.key_id), k.project_id, k.provider,"
    " k.host, encode(k.nonce, 'hex'), encode(k.ciphertext, 'hex')"
    " FROM watchllm.provider_key k WHERE k.disabled_at IS NULL"
    " ORDER BY k.key_id, k.project_id, k.provider, k.priority";

const struct wl_stmt wl_db_doctor_stmts[] = {
	{ "ahead", WL_ROLE_ROLLUP, sql_ahead },
	{ "dead_letters", WL_ROLE_DRAIN, sql_dead_letters },
	{ "keyless", WL_ROLE_OWNER, sql_keyless },
	{ "login", WL_ROLE_APP, sql_login },
	{ "open_tables", WL_ROLE_OWNER, sql_open_tables },
	{ "prices", WL_ROLE_APP, sql_prices },
	{ "rights_besides", WL_ROLE_OWNER, sql_rights_besides },
	{ "rights_lacking", WL_ROLE_OWNER, sql_rights_lacking },
	{ "sealed", WL_ROLE_OWNER, sql_sealed },
	{ NULL, WL_ROLE_APP, NULL }
};

/*
 * One row with one number.
 */
static int
number(struct wl_arena *a, enum wl_role role, const char *sql, int64_t *n,
    struct wl_err *e)
{
	struct wl_rows *r = wl_pg_ask(role, a, sql, 0, NULL, e);

	if (r == NULL)
		return -1;
	*n = wl_rows_int(r, 0, 0, 0);
	return 0;
}

static const char *
group_of(enum wl_role role)
{
	static const char *const groups[] = {
		[WL_ROLE_APP] = "watchllm_app",
		[WL_ROLE_OWNER] = "",
		[WL_ROLE_DRAIN] = "watchllm_drain",
		[WL_ROLE_ROLLUP] = "watchllm_rollup",
	};

	return groups[role];
}

int
wl_db_doctor_login(struct wl_arena *a, enum wl_role role,
    struct wl_db_login *l, struct wl_err *e)
{
	struct wl_param p[] = { WL_P(group_of(role)) };
	struct wl_rows *r = wl_pg_ask(role, a, sql_login, 1, p, e);

	if (r == NULL)
		return -1;
	*l = (struct wl_db_login){
		.name = wl_rows_get(r, 0, 0), .super = wl_rows_bool(r, 0, 1),
		.bypasses_rls = wl_rows_bool(r, 0, 2),
		.owner = wl_rows_bool(r, 0, 3),
		.member = wl_rows_bool(r, 0, 4),
		.group = wl_rows_bool(r, 0, 5),
		.version = wl_rows_int(r, 0, 6, 0),
		.version_text = wl_rows_get(r, 0, 7),
		.timezone = wl_rows_get(r, 0, 8),
		.max_connections = wl_rows_int(r, 0, 9, 0),
		.standby = wl_rows_bool(r, 0, 10)
	};
	return 0;
}

int
wl_db_doctor_rights(struct wl_arena *a, const char *login, const char *group,
    struct wl_db_rights *rights, struct wl_err *e)
{
	struct wl_param p[] = { WL_P(login), WL_P(group) };
	struct wl_rows *r;

	r = wl_pg_ask(WL_ROLE_OWNER, a, sql_rights_lacking, 2, p, e);
	if (r == NULL)
		return -1;
	rights->lacking = wl_rows_int(r, 0, 0, 0);
	rights->lacking_one = wl_rows_get(r, 0, 1);
	r = wl_pg_ask(WL_ROLE_OWNER, a, sql_rights_besides, 2, p, e);
	if (r == NULL)
		return -1;
	rights->besides = wl_rows_int(r, 0, 0, 0);
	rights->besides_one = wl_rows_get(r, 0, 1);
	return 0;
}

int
wl_db_doctor_open_tables(struct wl_arena *a, int64_t *n, struct wl_err *e)
{
	return number(a, WL_ROLE_OWNER, sql_open_tables, n, e);
}

int
wl_db_doctor_ahead(struct wl_arena *a, int64_t *days, struct wl_err *e)
{
	return number(a, WL_ROLE_ROLLUP, sql_ahead, days, e);
}

int
wl_db_doctor_dead_letters(struct wl_arena *a, int64_t *n, struct wl_err *e)
{
	return number(a, WL_ROLE_DRAIN, sql_dead_letters, n, e);
}

int
wl_db_doctor_prices(struct wl_arena *a, int64_t *n, int64_t *imported_ms,
    struct wl_err *e)
{
	struct wl_rows *r = wl_pg_ask(WL_ROLE_APP, a, sql_prices, 0, NULL, e);

	if (r == NULL)
		return -1;
	*n = wl_rows_int(r, 0, 0, 0);
	*imported_ms = wl_rows_int(r, 0, 1, 0);
	return 0;
}

int
wl_db_doctor_keyless(struct wl_arena *a, int64_t *n, const char **one,
    struct wl_err *e)
{
	struct wl_rows *r = wl_pg_ask(WL_ROLE_OWNER, a, sql_keyless, 0, NULL, e);

	if (r == NULL)
		return -1;
	*n = wl_rows_int(r, 0, 0, 0);
	*one = wl_rows_get(r, 0, 1);
	return 0;
}

static const uint8_t *
unhex(struct wl_arena *a, const struct wl_rows *r, int row, int col,
    size_t *len)
{
	size_t n = wl_rows_len(r, row, col);
	uint8_t *p = wl_arena_alloc(a, n / 2 + 1);

	*len = n / 2;
	if (p == NULL || wl_unhex(wl_rows_get(r, row, col), n, p) == -1)
		return NULL;
	return p;
}

int
wl_db_doctor_sealed(struct wl_arena *a, struct wl_db_sealed **rows, int *n,
    struct wl_err *e)
{
	struct wl_rows *r = wl_pg_ask(WL_ROLE_OWNER, a, sql_sealed, 0, NULL, e);
	struct wl_db_sealed *s;
	size_t nonce_len, len;
	int i;

	if (r == NULL)
		return -1;
	*n = wl_rows_count(r);
	*rows = s = wl_arena_alloc(a, ((size_t)*n + 1) * sizeof(*s));
	if (s == NULL)
		return wl_err_set(e, WL_E_INTERNAL, NULL);
	for (i = 0; i < *n; i++) {
		s[i].key_id = wl_rows_get(r, i, 0);
		s[i].n = wl_rows_int(r, i, 1, 0);
		s[i].project = wl_rows_get(r, i, 2);
		s[i].provider = wl_rows_get(r, i, 3);
		s[i].host = wl_rows_get(r, i, 4);
		s[i].nonce = unhex(a, r, i, 5, &nonce_len);
		s[i].sealed = unhex(a, r, i, 6, &len);
		s[i].sealed_len = len;
		if (s[i].nonce == NULL || s[i].sealed == NULL ||
		    nonce_len != WL_SECRET_NONCE)
			return wl_err_set(e, WL_E_INTERNAL, NULL);
	}
	return 0;
}
