/*
 * Every statement of the program prepares against the migrated schema, as the
 * role that it is for; and the functions of lib/store/db.h read what they
 * should.
 */
#include "config.h"
#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/secret.h"
#include "lib/store/db.h"
#include "lib/store/db_migrate.h"
#include "tests/db/stores.h"
#include "tests/unit/tmp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct wl_err e;

static void
prepare(const struct wl_stmt *s)
{
	size_t n = strlen(s->sql) + 64;
	char *sql = wl_arena_alloc(stores_arena(), n);
	struct wl_pg *c = wl_pg_take(s->role, &e);

	snprintf(sql, n, "PREPARE one AS %s", s->sql);
	if (c == NULL || wl_pg_script(c, sql, &e) == -1 ||
	    wl_pg_script(c, "DEALLOCATE one", &e) == -1) {
		printf("# %s: %s\n", s->name, e.detail);
		CU_FAIL("a statement does not prepare");
	}
	if (c != NULL)
		wl_pg_give(c);
}

static void
statements(void)
{
	const struct wl_stmt *const *t, *s, *before;
	struct wl_pg *c = wl_pg_take(WL_ROLE_DRAIN, &e);
	int n = 0;

	/* the drain's temporary tables belong to its connection, the only
	 * one that is in the pool now */
	CU_ASSERT_TRUE(c != NULL &&
	    wl_pg_exec(c, "SELECT watchllm.drain_open()", 0, NULL, NULL, &e) ==
	    0);
	if (c != NULL)
		wl_pg_give(c);
	for (t = wl_stmt_tables; *t != NULL; t++)
		for (before = NULL, s = *t; s->name != NULL; before = s++) {
			prepare(s);
			n++;
			CU_ASSERT_TRUE(before == NULL ||
			    strcmp(before->name, s->name) < 0);
		}
	CU_ASSERT_TRUE(n > 20);
}

static void
test_statements(void)
{
	stores_run(&stores_conf, statements);
}

static struct stores_project p;
static uint8_t		hash[32];

static void
keys(void)
{
	struct wl_db_key k;
	int64_t version = 0, catalog = 0;

	CU_ASSERT_EQUAL(wl_db_auth_key(stores_arena(), hash, &k, &e), 1);
	CU_ASSERT_STRING_EQUAL(k.project, p.id);
	CU_ASSERT_STRING_EQUAL(k.project_name, "test");
	CU_ASSERT_STRING_EQUAL(k.key_id, p.key_id);
	CU_ASSERT_STRING_EQUAL(k.prefix, "abcdef");
	CU_ASSERT_STRING_EQUAL(k.kind, "proj");
	CU_ASSERT_STRING_EQUAL(k.scopes, "gateway,ingest,read");
	CU_ASSERT_STRING_EQUAL(k.plan, "starter");
	CU_ASSERT_EQUAL(k.rpm, 50);
	CU_ASSERT_EQUAL(k.month, 250000);
	CU_ASSERT_EQUAL(k.key_rpm, 7);
	CU_ASSERT_EQUAL(k.key_month, WL_NO_LIMIT);
	CU_ASSERT_EQUAL(k.concurrent, WL_NO_LIMIT);
	CU_ASSERT_EQUAL(k.key_concurrent, 3);
	CU_ASSERT_EQUAL(k.tokens, WL_NO_LIMIT);
	CU_ASSERT_EQUAL(k.key_month_nano, WL_NO_LIMIT);
	CU_ASSERT_STRING_EQUAL(k.unknown_price, "allow");
	CU_ASSERT_STRING_EQUAL(k.overrun, "allow");
	CU_ASSERT_PTR_NULL(k.rules);
	CU_ASSERT_FALSE(k.sliding);
	CU_ASSERT_FALSE(k.cache_hits_free);
	CU_ASSERT_FALSE(k.revoked);
	CU_ASSERT_FALSE(k.project_disabled);
	CU_ASSERT_EQUAL(k.expires_ms, 1798761600000);
	CU_ASSERT_STRING_EQUAL(k.retention_class, "standard");
	CU_ASSERT_PTR_NULL(k.default_provider);
	CU_ASSERT_STRING_EQUAL(k.settings, "{}");
	CU_ASSERT_TRUE(k.dsn_id > 1000);
	CU_ASSERT_EQUAL(wl_db_project_version(stores_arena(), p.id, &version,
	    &catalog, &e), 1);
	CU_ASSERT_EQUAL(version, k.version);
	CU_ASSERT_EQUAL(catalog, k.catalog_version);
	stores_sql("UPDATE watchllm.api_key SET revoked_at = now()"
	    " WHERE id = '%s'", p.key_id);
	CU_ASSERT_EQUAL(wl_db_auth_key(stores_arena(), hash, &k, &e), 1);
	CU_ASSERT_TRUE(k.revoked);
	CU_ASSERT_TRUE(k.version > version);
	hash[0] ^= 1;
	CU_ASSERT_EQUAL(wl_db_auth_key(stores_arena(), hash, &k, &e), 0);
	CU_ASSERT_EQUAL(wl_db_project_version(stores_arena(), "nobody",
	    &version, NULL, &e), 0);
}

static void
test_keys(void)
{
	char hex[65];

	wl_sha256("key", 3, hash);
	wl_sha256_hex("key", 3, hex);
	stores_project(&p, "starter");
	stores_sql("UPDATE watchllm.api_key SET hash = '\\x%s',"
	    " requests_per_minute = 7, concurrent_requests = 3,"
	    " expires_at = '2027-01-01' WHERE id = '%s'", hex, p.key_id);
	stores_run(&stores_conf, keys);
}

static void
catalogue(void)
{
	struct wl_db_provider *rows;
	struct wl_db_provider_key *own;
	struct wl_db_route *routes;
	struct wl_db_price price;
	const char **ids;
	int64_t at = 0;
	int i, n;

	CU_ASSERT_EQUAL(wl_db_providers(stores_arena(), &rows, &n, &e), 0);
	for (i = 0; i < n && strcmp(rows[i].id, "openai") != 0; i++)
		;
	CU_ASSERT_TRUE(i < n);
	CU_ASSERT_STRING_EQUAL(rows[i].base_url, "https://api.openai.com/v1");
	CU_ASSERT_STRING_EQUAL(rows[i].wire, "openai");
	CU_ASSERT_STRING_EQUAL(rows[i].auth, "bearer");
	CU_ASSERT_TRUE(rows[i].key_required);
	CU_ASSERT_FALSE(rows[i].allow_private);
	CU_ASSERT_TRUE(rows[i].stream_options);
	CU_ASSERT_EQUAL(wl_db_routes(stores_arena(), &routes, &n, &e), 0);
	for (i = 0; i < n && strcmp(routes[i].pattern, "gpt-") != 0; i++)
		;
	CU_ASSERT_TRUE(i < n);
	CU_ASSERT_TRUE(routes[i].prefix);
	CU_ASSERT_STRING_EQUAL(routes[i].provider, "openai");
	CU_ASSERT_EQUAL(routes[i].priority, 1);

	CU_ASSERT_EQUAL(wl_clock_parse("2026-03-01T00:00:00Z", 20, &at), 0);
	CU_ASSERT_EQUAL(wl_db_price(stores_arena(), "openai",
	    "m-2024-08-06", at, &price, &e), 1);
	CU_ASSERT_STRING_EQUAL(price.model, "m");
	CU_ASSERT_EQUAL(price.input, 2500000000);
	CU_ASSERT_EQUAL(price.output, 10000000000);
	CU_ASSERT_EQUAL(price.cache_read, -1);
	CU_ASSERT_EQUAL(price.effective_ms, 1767225600000);
	CU_ASSERT_EQUAL(wl_db_price(stores_arena(), "openai", "m",
	    1767225599999, &price, &e), 0);
	CU_ASSERT_EQUAL(wl_db_price(stores_arena(), "openai", "unknown", at,
	    &price, &e), 0);
	CU_ASSERT_EQUAL(wl_db_model_providers(stores_arena(), "m", &ids, &n,
	    &e), 0);
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_STRING_EQUAL(ids[0], "openai");

	CU_ASSERT_EQUAL(wl_db_provider_keys(stores_arena(), p.id, &own, &n,
	    &e), 0);
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT_STRING_EQUAL(own[0].provider, "openai");
	CU_ASSERT_EQUAL(own[0].priority, 1);
	CU_ASSERT_STRING_EQUAL(own[0].key_id, "k1");
	CU_ASSERT_STRING_EQUAL(own[0].host, "api.openai.com:443");
	CU_ASSERT_EQUAL(own[0].sealed_len, 20);
	CU_ASSERT_EQUAL(own[0].nonce[0], 1);
	CU_ASSERT_EQUAL(own[0].nonce[WL_SECRET_NONCE - 1], 1);
	CU_ASSERT_EQUAL(own[0].sealed[19], 0);
	CU_ASSERT_EQUAL(own[1].priority, 2);
	CU_ASSERT_EQUAL(wl_db_provider_keys(stores_arena(), "other", &own, &n,
	    &e), 0);
	CU_ASSERT_EQUAL(n, 0);
}

static void
test_catalogue(void)
{
	int i;

	stores_project(&p, "free");
	stores_sql("INSERT INTO watchllm.price (provider, model,"
	    " effective_from, input_nano, output_nano, source)"
	    " VALUES ('openai', 'm', '2026-01-01 00:00:00+00', 2500000000,"
	    " 10000000000, 'test')");
	for (i = 1; i <= 3; i++)
		stores_sql("INSERT INTO watchllm.provider_key (project_id,"
		    " provider, priority, key_id, nonce, ciphertext, host,"
		    " disabled_at) VALUES ('%s', 'openai', %d, 'k%d',"
		    " decode(repeat('01', 24), 'hex'),"
		    " decode(repeat('00', 20), 'hex'), 'api.openai.com:443',"
		    " CASE WHEN %d = 3 THEN now() END)", p.id, i, i, i);
	stores_run(&stores_conf, catalogue);
}

/* ---- migrations -------------------------------------------------------- */

static const char	*folder;
static int		 told[3];

static void
tell(int version, const char *name, enum wl_migrate_state state, void *arg)
{
	(void)version;
	(void)name;
	(void)arg;
	told[state]++;
}

static int
migrate(int dry)
{
	memset(told, 0, sizeof(told));
	return wl_migrate_run(stores_arena(), folder, dry, tell, NULL, &e);
}

static const char *
put(const char *name, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "m/%s", name);
	return wl_tmp_file(path, text, strlen(text), 0600);
}

static void
migrations(void)
{
	const char *first = put("0001_one.sql", "CREATE TABLE public.one"
	    " (v text); INSERT INTO public.one VALUES ('a;b');");
	const char *third;

	put("0002_two.sql", "CREATE TABLE public.two (v text);");
	put("README", "no migration");
	CU_ASSERT_EQUAL(migrate(1), 2);
	CU_ASSERT_EQUAL(told[WL_M_PENDING], 2);
	CU_ASSERT_EQUAL(migrate(0), 2);
	CU_ASSERT_EQUAL(told[WL_M_APPLIED], 2);
	CU_ASSERT_EQUAL(migrate(0), 0);
	CU_ASSERT_EQUAL(told[WL_M_PRESENT], 2);
	/* one that fails leaves nothing, and those before it stay */
	third = put("0003_three.sql", "CREATE TABLE public.three (v text);"
	    " SELECT 1/0;");
	put("0004_four.sql", "CREATE TABLE public.four (v text);");
	CU_ASSERT_EQUAL(migrate(0), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.detail, "division by zero"));
	CU_ASSERT_PTR_NOT_NULL(strstr(e.detail, "0003_three"));
	put("0003_three.sql", "CREATE TABLE public.three (v text);");
	CU_ASSERT_EQUAL(migrate(1), 2);
	CU_ASSERT_EQUAL(migrate(0), 2);
	/* a file that was changed since */
	put("0001_one.sql", "CREATE TABLE public.one (v integer);");
	CU_ASSERT_EQUAL(migrate(0), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "0001_one"));
	put("0001_one.sql", "CREATE TABLE public.one"
	    " (v text); INSERT INTO public.one VALUES ('a;b');");
	CU_ASSERT_EQUAL(migrate(0), 0);
	/* a gap, and a database that is ahead */
	unlink(third);
	CU_ASSERT_EQUAL(migrate(0), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "0003"));
	unlink(put("0004_four.sql", ""));
	CU_ASSERT_EQUAL(migrate(0), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "newer"));
	/* and this program's schema it is not */
	CU_ASSERT_EQUAL(wl_migrate_check(stores_arena(), WL_ROLE_APP, &e), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "watchllm migrate"));
	unlink(first);
}

static void
test_migrations(void)
{
	struct wl_conf conf = stores_conf;
	char url[300];

	folder = wl_tmp_path("m");
	if (mkdir(folder, 0700) == -1)
		exit(99);
	stores_sql("CREATE DATABASE wl_migrations OWNER wl_owner");
	snprintf(url, sizeof(url), "host=%s user=wl_owner dbname=wl_migrations",
	    getenv("WL_STORES_DIR"));
	conf.owner_database_url = conf.database_url = url;
	stores_run(&conf, migrations);
}

static void
check(void)
{
	CU_ASSERT_EQUAL(wl_migrate_check(stores_arena(), WL_ROLE_APP, &e), 0);
	stores_sql("UPDATE watchllm.schema_migration"
	    " SET version = version + 1000 WHERE version = %d",
	    WL_SCHEMA_VERSION);
	CU_ASSERT_EQUAL(wl_migrate_check(stores_arena(), WL_ROLE_APP, &e), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "newer"));
	stores_sql("UPDATE watchllm.schema_migration"
	    " SET version = version - 1000 WHERE version > 1000");
	CU_ASSERT_EQUAL(wl_migrate_check(stores_arena(), WL_ROLE_APP, &e), 0);
}

/*
 * WL_SCHEMA_VERSION is that of the last file, which the servers of these
 * tests have.
 */
static void
test_check(void)
{
	stores_run(&stores_conf, check);
}

static void
real_files(void)
{
	/* what psql applied is what the program would have applied */
	CU_ASSERT_EQUAL(migrate(0), 0);
	CU_ASSERT_EQUAL(told[WL_M_PRESENT], WL_SCHEMA_VERSION);
}

static void
test_real_files(void)
{
	char path[1024];
	const char *src = getenv("top_srcdir");

	snprintf(path, sizeof(path), "%s/sql/schema", src != NULL ? src : ".");
	folder = path;
	stores_run(&stores_conf, real_files);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "every statement prepares", test_statements },
		{ "keys, projects, plans", test_keys },
		{ "providers, routes, prices", test_catalogue },
		{ "migrations", test_migrations },
		{ "the schema of this program", test_check },
		{ "the files of this tree", test_real_files },
		{ NULL, NULL }
	};

	return stores_main("stmts", tests);
}
