/*
 * Rules of routing and feature flags: who reads them, what a change does.
 */
#include "config.h"
#include "lib/core/catalog.h"
#include "lib/core/route.h"
#include "lib/store/db.h"
#include "lib/store/db_redaction.h"
#include "lib/store/db_route.h"
#include "tests/db/stores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULE(model)	"{\"alias\":\"a\",\"targets\":[\"" model "\"]}"

static struct stores_project	mine, other;
static struct wl_err		e;

static int64_t
version_of(const char *project)
{
	return strtoll(stores_sql("SELECT version FROM watchllm.project"
	    " WHERE id = '%s'", project), NULL, 10);
}

static int
set(const char *project, const char *name, const char *definition)
{
	int64_t version = -1;
	int ret;

	memset(&e, 0, sizeof(e));
	ret = wl_db_admin_rule_set(stores_arena(), "test:me", project, name,
	    definition, &version, &e);
	if (ret > 0 && project != NULL)
		CU_ASSERT_EQUAL(version, version_of(project));
	return ret;
}

static int
rules(const char *project, struct wl_db_rule **rows)
{
	int n = -1;

	CU_ASSERT_EQUAL(wl_db_rules(stores_arena(), project, rows, &n, &e), 0);
	return n;
}

static void
begin(void (*fn)(void))
{
	wl_catalog_flush();
	stores_project(&mine, "free");
	stores_project(&other, "free");
	stores_run(&stores_conf, fn);
	wl_catalog_flush();
	stores_sql("TRUNCATE watchllm.route_rule");
	stores_sql("DELETE FROM watchllm.route_common");
	stores_sql("DELETE FROM watchllm.feature_flag");
}

static void
of_project(void)
{
	int64_t before = version_of(mine.id), theirs = version_of(other.id);
	struct wl_db_rule *r;
	int64_t version;

	CU_ASSERT_EQUAL(set(mine.id, "b", RULE("m1")), 1);
	CU_ASSERT_TRUE(version_of(mine.id) > before);
	CU_ASSERT_EQUAL(version_of(other.id), theirs);
	CU_ASSERT_EQUAL(set(mine.id, "a", "{\"alias\":\"x\",\"position\":200,"
	    "\"targets\":[\"m\"]}"), 1);
	CU_ASSERT_EQUAL(set(mine.id, "off", "{\"alias\":\"x\",\"enabled\":"
	    "false,\"targets\":[\"m\"]}"), 1);
	CU_ASSERT_EQUAL(set(other.id, "b", RULE("m2")), 1);
	/* its own alone, enabled, in their order */
	CU_ASSERT_EQUAL_FATAL(rules(mine.id, &r), 2);
	CU_ASSERT_STRING_EQUAL(r[0].name, "b");
	CU_ASSERT_PTR_NOT_NULL(strstr(r[0].definition, "m1"));
	CU_ASSERT_EQUAL(r[0].len, strlen(r[0].definition));
	CU_ASSERT_TRUE(r[0].created_ms > 1600000000000);
	CU_ASSERT_STRING_EQUAL(r[1].name, "a");
	CU_ASSERT_EQUAL(rules(other.id, &r), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(r[0].definition, "m2"));
	/* one of that name is replaced */
	CU_ASSERT_EQUAL(set(mine.id, "b", RULE("m3")), 1);
	CU_ASSERT_EQUAL_FATAL(rules(mine.id, &r), 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(r[0].definition, "m3"));
	/* nobody, nothing, what the table refuses */
	CU_ASSERT_EQUAL(set("nobody", "b", RULE("m")), 0);
	CU_ASSERT_EQUAL(set(mine.id, "c", "{}"), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
	CU_ASSERT_EQUAL(set(mine.id, "Bad Name", RULE("m")), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
	before = version_of(mine.id);
	CU_ASSERT_EQUAL(wl_db_admin_rule_remove(stores_arena(), "test:me",
	    mine.id, "a", &version, &e), 1);
	CU_ASSERT_TRUE(version > before);
	CU_ASSERT_EQUAL(wl_db_admin_rule_remove(stores_arena(), "test:me",
	    mine.id, "a", &version, &e), 0);
	CU_ASSERT_EQUAL(rules(mine.id, &r), 1);
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT string_agg(action || ' ' ||"
	    " target, ',' ORDER BY id) FROM watchllm.audit_log WHERE actor ="
	    " 'test:me' AND project_id = '%s'", mine.id),
	    "route_rule.insert b,route_rule.insert a,route_rule.insert off,"
	    "route_rule.update b,route_rule.delete a");
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT watchllm.audit_verify()"
	    " IS NULL"), "t");
}

static void
test_of_project(void)
{
	begin(of_project);
}

static void
for_all(void)
{
	struct wl_db_flag *f;
	struct wl_db_rule *r;
	int64_t before, after;
	int n;

	CU_ASSERT_EQUAL(wl_db_catalog_version(stores_arena(), &before, &e), 0);
	CU_ASSERT_EQUAL(set(NULL, "common", RULE("m")), 1);
	CU_ASSERT_EQUAL(wl_db_catalog_version(stores_arena(), &after, &e), 0);
	CU_ASSERT_TRUE(after > before);
	CU_ASSERT_EQUAL(rules(NULL, &r), 1);
	CU_ASSERT_EQUAL(rules(mine.id, &r), 0);
	CU_ASSERT_EQUAL(wl_db_admin_rule_remove(stores_arena(), "t", NULL,
	    "common", &before, &e), 1);
	CU_ASSERT_EQUAL(rules(NULL, &r), 0);

	CU_ASSERT_EQUAL(wl_db_admin_flag_set(stores_arena(), "t", "f", "12.5",
	    "a,b", NULL, &e), 1);
	CU_ASSERT_EQUAL(wl_db_admin_flag_set(stores_arena(), "t", "f", NULL,
	    NULL, "c", &e), 1);
	CU_ASSERT_EQUAL(wl_db_flags(stores_arena(), &f, &n, &e), 0);
	CU_ASSERT_EQUAL_FATAL(n, 1);
	CU_ASSERT_EQUAL(f[0].percent, 1250);
	CU_ASSERT_STRING_EQUAL(f[0].on, ",a,b,");
	CU_ASSERT_STRING_EQUAL(f[0].off, ",c,");
	CU_ASSERT_EQUAL(wl_db_admin_flag_set(stores_arena(), "t", "f", "100",
	    "", NULL, &e), 1);
	CU_ASSERT_EQUAL(wl_db_flags(stores_arena(), &f, &n, &e), 0);
	CU_ASSERT_STRING_EQUAL(f[0].on, ",,");
	CU_ASSERT_EQUAL(wl_db_admin_flag_set(stores_arena(), "t", "f", "101",
	    NULL, NULL, &e), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
	CU_ASSERT_EQUAL(wl_db_admin_flag_remove(stores_arena(), "t", "f",
	    &e), 1);
	CU_ASSERT_EQUAL(wl_db_admin_flag_remove(stores_arena(), "t", "f",
	    &e), 0);
}

static void
test_for_all(void)
{
	begin(for_all);
}

/*
 * What a worker remembers follows the version that its key told it.
 */
static void
remembered(void)
{
	const struct wl_rule_set *s;
	struct wl_memo_value *use;
	int64_t v = version_of(mine.id);

	CU_ASSERT_EQUAL(wl_catalog_rules(mine.id, v, &s, &use, &e), 0);
	CU_ASSERT_PTR_NULL(s);
	wl_catalog_put(use);
	CU_ASSERT_EQUAL(set(mine.id, "r", RULE("m1")), 1);
	/* one that an older program would not understand */
	CU_ASSERT_EQUAL(set(mine.id, "q", "{\"alias\":\"a\",\"new\":1}"), 1);
	CU_ASSERT_EQUAL(wl_catalog_rules(mine.id, v, &s, &use, &e), 0);
	CU_ASSERT_PTR_NULL(s);
	wl_catalog_put(use);
	CU_ASSERT_EQUAL(wl_catalog_rules(mine.id, version_of(mine.id), &s,
	    &use, &e), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(s->n, 1);
	CU_ASSERT_STRING_EQUAL(s->v[0].name, "r");
	CU_ASSERT_STRING_EQUAL(s->v[0].t[0].model, "m1");
	wl_catalog_put(use);
	CU_ASSERT_EQUAL(wl_catalog_rules(other.id, version_of(other.id), &s,
	    &use, &e), 0);
	CU_ASSERT_PTR_NULL(s);
	wl_catalog_put(use);
}

static void
test_remembered(void)
{
	begin(remembered);
}

static void
too_many(void)
{
	stores_sql("INSERT INTO watchllm.route_rule (project_id, name,"
	    " definition) SELECT '%s', 'r' || i, '%s' FROM"
	    " generate_series(1, 256) i", mine.id, RULE("m"));
	CU_ASSERT_EQUAL(set(mine.id, "r1", RULE("other")), 1);
	CU_ASSERT_EQUAL(set(mine.id, "one-more", RULE("m")), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "256"));
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT count(*) FROM"
	    " watchllm.route_rule WHERE project_id = '%s'", mine.id), "256");
	CU_ASSERT_EQUAL(set(other.id, "one-more", RULE("m")), 1);
}

static void
test_too_many(void)
{
	begin(too_many);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "rules of a project", test_of_project },
		{ "rules for all, and flags", test_for_all },
		{ "what is remembered", test_remembered },
		{ "too many", test_too_many },
		{ NULL, NULL }
	};

	return stores_main("route", tests);
}
