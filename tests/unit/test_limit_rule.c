/*
 * Which rules hold for a call, and what their counters are called.
 */
#include "config.h"
#include "lib/core/limit_rule.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "tests/unit/tap.h"

static struct wl_arena		*arena;
static struct wl_limit_rule	*rules;
static int			 n;
static struct wl_gate		 g;

static void
read_rules(const char *json)
{
	free(rules);
	CU_ASSERT_EQUAL(wl_limit_rules_read(arena, json, &rules, &n), 0);
}

static void
begin(const char *json)
{
	arena = wl_arena_new(1 << 20);
	CU_ASSERT_FATAL(arena != NULL);
	memset(&g, 0, sizeof(g));
	rules = NULL;
	read_rules(json);
}

static void
end(void)
{
	free(rules);
	rules = NULL;
	wl_arena_free(arena);
}

/*
 * The scopes of the rows for a call, "a b c".
 */
static const char *
rows(const char *model, const char *user, const char *tags)
{
	struct wl_limit_subject who = { "k1", wl_str_of(model),
	    wl_str_of(user), wl_str_of(tags) };
	const char *out = "";
	int i;

	g.nrows = 0;
	if (wl_limit_rules_rows(arena, &g, rules, n, &who, 30, 40) == -1)
		return "too many";
	for (i = 0; i < g.nrows; i++)
		out = wl_arena_printf(arena, "%s%s%s", out, i > 0 ? " " : "",
		    g.rows[i].scope);
	return out;
}

static void
reading(void)
{
	static const char *const bad[] = { "{}", "[1]", "[[]]",
	    "[[\"a\",\"user\",\"*\",\"minute\",1]]",
	    "[[\"a\",\"who\",\"*\",\"minute\",1,false]]",
	    "[[\"a\",\"user\",\"*\",\"year\",1,false]]",
	    "[[\"a\",\"user\",\"*\",\"minute\",-1,false]]",
	    "[[\"a\",\"user\",7,\"minute\",1,false]]",
	    ("[[\"a-name-of-more-than-thirty-two-letters\",\"user\",\"*\","
	    "\"minute\",1,false]]"), "nonsense" };
	struct wl_limit_rule *r;
	size_t i;
	int k;

	begin("[[\"a1\",\"user\",\"*\",\"minute\",5,false],"
	    "[\"b2\",\"tag\",\"x*\",\"month_nano\",9000000000,true]]");
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT_STRING_EQUAL(rules[0].id, "a1");
	CU_ASSERT_EQUAL(rules[0].subject, WL_RS_USER);
	CU_ASSERT_EQUAL(rules[0].unit, WL_LU_MINUTE);
	CU_ASSERT_EQUAL(rules[0].amount, 5);
	CU_ASSERT_FALSE(rules[0].shadow);
	CU_ASSERT_EQUAL(rules[1].unit, WL_LU_MONTH_NANO);
	CU_ASSERT_EQUAL(rules[1].amount, 9000000000);
	CU_ASSERT_TRUE(rules[1].shadow);
	read_rules(NULL);
	CU_ASSERT_PTR_NULL(rules);
	CU_ASSERT_EQUAL(n, 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(wl_limit_rules_read(arena, bad[i], &r, &k),
		    -1);
		CU_ASSERT_PTR_NULL(r);
	}
	end();
}

static void
subjects(void)
{
	begin("[[\"k\",\"key\",\"k1\",\"minute\",5,false],"
	    "[\"m\",\"model\",\"gpt-4*\",\"month\",5,false],"
	    "[\"p\",\"project\",\"*\",\"tokens\",5,false],"
	    "[\"t\",\"tag\",\"batch\",\"day_nano\",5,true],"
	    "[\"u\",\"user\",\"ann\",\"concurrent\",5,false]]");
	CU_ASSERT_STRING_EQUAL(rows("gpt-4o", "ann", "a, batch"),
	    "m:k q:m t:p d:t c:u");
	CU_ASSERT_EQUAL(g.rows[0].cost, 1);
	CU_ASSERT_EQUAL(g.rows[2].cost, 30);
	CU_ASSERT_EQUAL(g.rows[3].cost, 40);
	CU_ASSERT_TRUE(g.rows[3].shadow);
	CU_ASSERT_EQUAL(g.rows[4].kind, WL_L_LEASE);
	CU_ASSERT_EQUAL(wl_limit_row_unit(&g.rows[4]), WL_LU_LEASE);
	CU_ASSERT_PTR_EQUAL(wl_limit_rule_of(rules, n, &g.rows[3]), &rules[3]);
	CU_ASSERT_STRING_EQUAL(rows("gpt-3.5", "anne", "batches"), "m:k t:p");
	/* another name for the same model */
	CU_ASSERT_STRING_EQUAL(rows("openai/gpt-4o", "", ""), "m:k q:m t:p");
	CU_ASSERT_STRING_EQUAL(rows("", "", ",, ,"), "m:k t:p");
	end();
}

static void
apart(void)
{
	const char *ann, *bob;

	begin("[[\"u\",\"user\",\"*\",\"minute\",5,false],"
	    "[\"t\",\"tag\",\"*\",\"minute\",5,false]]");
	ann = rows("m", "ann@example.com", "");
	bob = rows("m", "bob@example.com", "");
	/* SHA-256, by sha256sum */
	CU_ASSERT_STRING_EQUAL(rows("m", "ann", ""),
	    "m:u:49915e0d7d4b402e3017d010bc1c0e83");
	CU_ASSERT_STRING_NOT_EQUAL(ann, bob);
	CU_ASSERT_EQUAL(strncmp(ann, "m:u:", 4), 0);
	CU_ASSERT_EQUAL(strlen(ann), 4 + 32);
	CU_ASSERT_PTR_NULL(strstr(ann, "ann"));
	CU_ASSERT_STRING_EQUAL(rows("m", "", ""), "");
	/* the same tag twice is one counter, debited once */
	(void)rows("m", "", "a,b, a ,a");
	CU_ASSERT_EQUAL(g.nrows, 2);
	end();
}

static void
bounds(void)
{
	struct wl_limit_subject who = { .key_id = "k1" };
	const char *tags = "t0";
	int i;

	begin("[[\"t\",\"tag\",\"*\",\"minute\",5,false],"
	    "[\"x\",\"model\",\"gpt\",\"month_nano\",5,false]]");
	for (i = 1; i < WL_LIMIT_RULES; i++)
		tags = wl_arena_printf(arena, "%s,t%d", tags, i);
	(void)rows("m", "", tags);
	CU_ASSERT_EQUAL(g.nrows, WL_LIMIT_RULES);
	CU_ASSERT_STRING_EQUAL(rows("m", "", wl_arena_printf(arena, "%s,z",
	    tags)), "too many");
	CU_ASSERT_STRING_EQUAL(rows("gpt", "", tags), "too many");
	/* a free model has no part in budgets */
	who.model = WL_STR("gpt");
	g.nrows = 0;
	CU_ASSERT_EQUAL(wl_limit_rules_rows(arena, &g, rules, n, &who, 1, -1),
	    0);
	CU_ASSERT_EQUAL(g.nrows, 1);
	CU_ASSERT_TRUE(g.rows[0].exempt);
	CU_ASSERT_EQUAL(g.rows[0].cost, 0);
	g.nrows = 0;
	/* shown are those that count one thing */
	CU_ASSERT_EQUAL(wl_limit_rules_rows(arena, &g, rules, n, NULL, 0, 0),
	    0);
	CU_ASSERT_EQUAL(g.nrows, 1);
	CU_ASSERT_STRING_EQUAL(g.rows[0].scope, "b:x");
	end();
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "reading", reading },
		{ "subjects", subjects },
		{ "values counted apart", apart },
		{ "bounds", bounds },
		{ NULL, NULL }
	};

	return wl_tap_run("limit_rule", tests);
}
