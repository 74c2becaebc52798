/*
 * Redaction by the rules of the database: common ones and those of a project,
 * as of a version of the catalogue.
 */
#include "config.h"
#include "lib/base/buf.h"
#include "lib/core/catalog.h"
#include "lib/core/redact_rules.h"
#include "lib/store/db_redaction.h"
#include "lib/store/pg.h"
#include "tests/db/stores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT	"a@b.co 10.1.2.3 EMP-123456"

static struct stores_project	mine, other;
static struct wl_err		e;

static int64_t
version(void)
{
	int64_t v = -1;

	CU_ASSERT_EQUAL(wl_db_catalog_version(stores_arena(), &v, &e), 0);
	return v;
}

/*
 * TEXT as a call of PROJECT would keep it, by rules of VERSION or later.
 */
static const char *
kept(const char *project, int64_t v)
{
	static char out[256];
	struct wl_arena *a = wl_arena_new(65536);
	struct wl_buf b = { 0 };

	wl_redact_rules_apply(wl_catalog_redaction(a, project, v), &b, TEXT,
	    strlen(TEXT));
	snprintf(out, sizeof(out), "%s", b.p);
	wl_buf_free(&b);
	wl_arena_free(a);
	return out;
}

#define KEPT(project, v, want) CU_ASSERT_STRING_EQUAL(kept(project, v), want)
#define BOTH	"[REDACTED_EMAIL] [REDACTED_IP] EMP-123456"

static void
begin(void (*fn)(void))
{
	wl_catalog_flush();
	stores_project(&mine, "free");
	stores_project(&other, "free");
	stores_run(&stores_conf, fn);
	wl_catalog_flush();
	stores_sql("DELETE FROM watchllm.redaction_rule"
	    " WHERE project_id IS NOT NULL OR kind = 'regex'");
	stores_sql("UPDATE watchllm.redaction_rule SET enabled = true");
}

static void
common(void)
{
	int64_t old = version(), new;

	KEPT(mine.id, old, BOTH);
	stores_sql("UPDATE watchllm.redaction_rule SET enabled = false"
	    " WHERE name = 'ip'");
	/* what is remembered holds until there is a later version */
	KEPT(mine.id, old, BOTH);
	new = version();
	CU_ASSERT_TRUE(new > old);
	KEPT(mine.id, new, "[REDACTED_EMAIL] 10.1.2.3 EMP-123456");
	KEPT(mine.id, old, "[REDACTED_EMAIL] 10.1.2.3 EMP-123456");
	stores_sql("UPDATE watchllm.redaction_rule SET replacement = '<mail>'"
	    " WHERE name = 'email'");
	KEPT(other.id, version(), "<mail> 10.1.2.3 EMP-123456");
	stores_sql("UPDATE watchllm.redaction_rule SET replacement ="
	    " '[REDACTED_EMAIL]' WHERE name = 'email'");
	stores_sql("INSERT INTO watchllm.redaction_rule (name, pattern,"
	    " replacement) VALUES ('employee', 'EMP-[0-9]{6}', '[EMP]')");
	KEPT(other.id, version(), "[REDACTED_EMAIL] 10.1.2.3 [EMP]");
}

static void
test_common(void)
{
	begin(common);
}

static void
of_project(void)
{
	KEPT(mine.id, version(), BOTH);
	stores_sql("INSERT INTO watchllm.redaction_rule (project_id, name,"
	    " pattern, replacement) VALUES ('%s', 'employee',"
	    " 'EMP-[0-9]{6}', '[EMP]')", mine.id);
	KEPT(mine.id, version(), "[REDACTED_EMAIL] [REDACTED_IP] [EMP]");
	KEPT(other.id, version(), BOTH);
	/* a rule of the project in place of the common one of its name */
	stores_sql("INSERT INTO watchllm.redaction_rule (project_id, name,"
	    " kind, replacement, enabled) VALUES ('%s', 'ip', 'builtin', '',"
	    " false)", mine.id);
	KEPT(mine.id, version(), "[REDACTED_EMAIL] 10.1.2.3 [EMP]");
	KEPT(other.id, version(), BOTH);
	/* a pattern that is none leaves the others at work, and is told */
	stores_sql("INSERT INTO watchllm.redaction_rule (project_id, name,"
	    " pattern, replacement) VALUES ('%s', 'bad', '(', 'x')",
	    mine.id);
	KEPT(mine.id, version(), "[REDACTED_EMAIL] 10.1.2.3 [EMP]");
	CU_ASSERT_EQUAL(stores_logged("redact.rule"), 1);
	stores_sql("DELETE FROM watchllm.redaction_rule"
	    " WHERE project_id = '%s'", mine.id);
	KEPT(mine.id, version(), BOTH);
	CU_ASSERT_EQUAL(stores_logged("redact.rule"), 1);
}

static void
test_of_project(void)
{
	begin(of_project);
}

/*
 * With the database away what is remembered is used, also for a version that
 * nobody can ask for.
 */
static void
away(void)
{
	struct wl_conf gone = stores_conf;
	static char nowhere[] = "host=/nonexistent user=x";
	int64_t v;

	stores_sql("INSERT INTO watchllm.redaction_rule (project_id, name,"
	    " pattern, replacement) VALUES ('%s', 'employee',"
	    " 'EMP-[0-9]{6}', '[EMP]')", mine.id);
	v = version();
	KEPT(mine.id, v, "[REDACTED_EMAIL] [REDACTED_IP] [EMP]");
	wl_pg_close();
	gone.database_url = nowhere;
	CU_ASSERT_EQUAL(wl_pg_open(&gone, &e), 0);
	KEPT(mine.id, v, "[REDACTED_EMAIL] [REDACTED_IP] [EMP]");
	KEPT(mine.id, v + 1000, "[REDACTED_EMAIL] [REDACTED_IP] [EMP]");
	/* a project that nobody knows here */
	KEPT(other.id, v + 1000, BOTH);
	wl_catalog_flush();
	KEPT(mine.id, v, BOTH);
	CU_ASSERT_TRUE(stores_logged("redact.unknown") > 0);
	wl_pg_close();
	CU_ASSERT_EQUAL(wl_pg_open(&stores_conf, &e), 0);
}

static void
test_away(void)
{
	begin(away);
}

static void
in_use(void)
{
	struct wl_arena *a = wl_arena_new(65536);
	const struct wl_redact_rules *held = wl_catalog_redaction(a, mine.id,
	    version());
	struct wl_buf b = { 0 };

	/* one that is in use outlives what replaces it */
	stores_sql("UPDATE watchllm.redaction_rule SET enabled = false");
	KEPT(mine.id, version(), TEXT);
	wl_catalog_flush();
	wl_redact_rules_apply(held, &b, TEXT, strlen(TEXT));
	CU_ASSERT_STRING_EQUAL(b.p, BOTH);
	wl_buf_free(&b);
	wl_arena_free(a);
}

static void
test_in_use(void)
{
	begin(in_use);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "common rules", test_common },
		{ "rules of a project", test_of_project },
		{ "the database away", test_away },
		{ "rules in use", test_in_use },
		{ NULL, NULL }
	};

	return stores_main("redaction", tests);
}
