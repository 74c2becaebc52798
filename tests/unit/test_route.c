/*
 * Rules of routing: what they may say, when they hold, whom they choose.
 */
#include "config.h"
#include "lib/core/route.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "tests/unit/tap.h"

#define CALLS	10000

static struct wl_arena		*arena;
static struct wl_err		 e;
static struct wl_route_rule	 r;
static struct wl_route_call	 c;
static uint64_t			 seed;
static char			 user[32];

/*
 * xorshift64*, so that a run is like the one before.
 */
static uint32_t
below(uint32_t n)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t)(seed * 2685821657736338717ULL >> 33) % n;
}

static const char *
header(const void *arg, const char *name)
{
	(void)arg;
	return strcmp(name, "x-tier") == 0 ? "gold" :
	    strcmp(name, "x-empty") == 0 ? "" :
	    strcmp(name, "x-session") == 0 ? "s1" : NULL;
}

static int
parse(const char *text)
{
	memset(&e, 0, sizeof(e));
	return wl_route_parse(arena, "r", wl_str_of(text), &r, &e);
}

#define GOOD(text)	CU_ASSERT_EQUAL_FATAL(parse(text), 0)
#define BAD(text, says)	do {						\
	CU_ASSERT_EQUAL(parse(text), -1);				\
	CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);			\
	CU_ASSERT(strstr(e.msg, says) != NULL);				\
} while (0)
#define RULE(more)	"{\"alias\":\"a\",\"targets\":[\"x\"]," more "}"

static void
begin(void)
{
	arena = wl_arena_new(1 << 24);
	seed = 88172645463325252ULL;
	c = (struct wl_route_call){ .project = "p1", .key = "k1",
	    .api = WL_API_CHAT, .input = 100, .header = header,
	    .below = below, .user = WL_STR("alice"), .tags = "one, two" };
}

static void
end(void)
{
	wl_arena_free(arena);
}

/* ---- definitions ---- */

static void
test_good(void)
{
	begin();
	GOOD("{\"alias\":\"fast\",\"targets\":[\"openai/gpt-4o\","
	    "{\"model\":\"b\",\"weight\":0,\"priority\":2,"
	    "\"variant\":\"v-2.x\"}],\"strategy\":\"weighted\","
	    "\"percent\":12.5,\"sticky\":\"header:X-Session\","
	    "\"flag\":\"beta\",\"position\":5,\"enabled\":false,"
	    "\"shadow\":{\"model\":\"groq/x\",\"percent\":0.01},"
	    "\"when\":{\"headers\":{\"X-Tier\":[\"gold\",\"silver\"],"
	    "\"x-any\":true},\"tags\":\"one\",\"users\":[\"u\"],"
	    "\"min_input\":0,\"max_input\":9,\"api\":[\"chat\","
	    "\"embeddings\"],\"stream\":false}}");
	CU_ASSERT_STRING_EQUAL(r.name, "r");
	CU_ASSERT_STRING_EQUAL(r.alias, "fast");
	CU_ASSERT_EQUAL(r.strategy, WL_ROUTE_WEIGHTED);
	CU_ASSERT_EQUAL(r.n, 2);
	CU_ASSERT_STRING_EQUAL(r.t[0].model, "openai/gpt-4o");
	CU_ASSERT_EQUAL(r.t[0].weight, 1);
	CU_ASSERT_STRING_EQUAL(r.t[1].variant, "v-2.x");
	CU_ASSERT_EQUAL(r.t[1].weight, 0);
	CU_ASSERT_EQUAL(r.t[1].priority, 2);
	CU_ASSERT_EQUAL(r.percent, 1250);
	CU_ASSERT_EQUAL(r.sticky, WL_STICKY_HEADER);
	CU_ASSERT_STRING_EQUAL(r.sticky_header, "x-session");
	CU_ASSERT_STRING_EQUAL(r.flag, "beta");
	CU_ASSERT_STRING_EQUAL(r.shadow, "groq/x");
	CU_ASSERT_EQUAL(r.shadow_percent, 1);
	CU_ASSERT_EQUAL(r.nheaders, 2);
	CU_ASSERT_STRING_EQUAL(r.headers[0].name, "x-tier");
	CU_ASSERT_EQUAL(r.headers[0].any.n, 2);
	CU_ASSERT_EQUAL(r.headers[1].any.n, 0);
	CU_ASSERT_EQUAL(r.apis, 1U << WL_API_CHAT | 1U << WL_API_EMBEDDINGS);
	CU_ASSERT_EQUAL(r.stream, 0);
	CU_ASSERT_EQUAL(r.min_input, 0);
	CU_ASSERT_EQUAL(r.max_input, 9);
	GOOD(RULE("\"shadow\":\"s\""));
	CU_ASSERT_EQUAL(r.shadow_percent, WL_ROUTE_ALL);
	CU_ASSERT_EQUAL(r.hedge.after_ms, 0);
	GOOD(RULE("\"hedge\":{\"after_ms\":1500,\"max_cost_usd\":0.01}"));
	CU_ASSERT_EQUAL(r.hedge.after_ms, 1500);
	CU_ASSERT_EQUAL(r.hedge.max_nano, 10000000);
	CU_ASSERT_EQUAL(r.hedge.percent, 500);
	GOOD(RULE("\"hedge\":{\"after_ms\":50,\"max_cost_usd\":1,"
	    "\"percent\":0.5}"));
	CU_ASSERT_EQUAL(r.hedge.percent, 50);
	CU_ASSERT_EQUAL(r.percent, WL_ROUTE_ALL);
	CU_ASSERT_EQUAL(r.stream, -1);
	end();
}

static void
test_bad(void)
{
	char big[WL_ROUTE_BYTES + 64];

	begin();
	BAD("", "not JSON");
	BAD("null", "must be an object");
	BAD("[]", "must be an object");
	BAD("{\"targets\":[\"x\"]}", "needs an \"alias\"");
	BAD("{\"alias\":\"a\"}", "needs \"targets\"");
	BAD("{\"alias\":\"\",\"targets\":[\"x\"]}", "1 to 128 bytes");
	BAD("{\"alias\":\" a\",\"targets\":[\"x\"]}", "a space");
	BAD("{\"alias\":\"a\\n\",\"targets\":[\"x\"]}", "control");
	BAD("{\"alias\":\"a\\u0000b\",\"targets\":[\"x\"]}", "control");
	BAD("{\"alias\":5,\"targets\":[\"x\"]}", "must be a string");
	BAD("{\"alias\":\"a\",\"targets\":[]}", "1 to 8");
	BAD("{\"alias\":\"a\",\"targets\":\"x\"}", "1 to 8");
	BAD("{\"alias\":\"a\",\"targets\":[1,2,3,4,5,6,7,8,9]}", "1 to 8");
	BAD("{\"alias\":\"a\",\"targets\":[{}]}", "needs a \"model\"");
	BAD("{\"alias\":\"a\",\"targets\":[null]}", "must be an object");
	BAD("{\"alias\":\"a\",\"targets\":[{\"model\":\"x\","
	    "\"wieght\":1}]}", "no member \"wieght\"");
	BAD("{\"alias\":\"a\",\"targets\":[{\"model\":\"x\","
	    "\"weight\":-1}]}", "from 0");
	BAD("{\"alias\":\"a\",\"targets\":[{\"model\":\"x\","
	    "\"weight\":1.5}]}", "whole number");
	BAD("{\"alias\":\"a\",\"strategy\":\"weighted\",\"targets\":"
	    "[{\"model\":\"x\",\"weight\":0}]}", "weight above 0");
	BAD("{\"alias\":\"a\",\"strategy\":\"least_cost\",\"targets\":"
	    "[\"x\"]}", "provider/model");
	BAD(RULE("\"strategy\":\"best\""), "must be priority");
	BAD(RULE("\"percent\":101"), "0 to 100");
	BAD(RULE("\"percent\":-1"), "0 to 100");
	BAD(RULE("\"percent\":\"5\""), "0 to 100");
	BAD(RULE("\"sticky\":\"ip\""), "user, key");
	BAD(RULE("\"sticky\":\"header:\""), "no name of a header");
	BAD(RULE("\"sticky\":\"header:Authorization\""), "secret");
	BAD(RULE("\"flag\":\"A\""), "lower-case");
	BAD(RULE("\"flag\":\"-a\""), "lower-case");
	BAD(RULE("\"shadow\":{\"percent\":1}"), "needs a \"model\"");
	BAD(RULE("\"hedge\":{\"after_ms\":1500}"), "max_cost_usd");
	BAD(RULE("\"hedge\":{\"max_cost_usd\":1}"), "after_ms");
	BAD(RULE("\"hedge\":{\"after_ms\":1}"), "from 50");
	BAD(RULE("\"hedge\":{\"max_cost_usd\":0}"), "above 0");
	BAD(RULE("\"hedge\":{\"max_cost_usd\":\"1\"}"), "above 0");
	BAD(RULE("\"hedge\":true"), "object");
	BAD(RULE("\"hedge\":{\"cost\":1}"), "no member");
	BAD(RULE("\"when\":{\"user\":\"x\"}"), "no member \"user\"");
	BAD(RULE("\"when\":{\"api\":\"chats\"}"), "no api");
	BAD(RULE("\"when\":{\"stream\":1}"), "true or false");
	BAD(RULE("\"when\":{\"tags\":[]}"), "1 to 64");
	BAD(RULE("\"when\":{\"headers\":{\"x y\":\"1\"}}"), "no name");
	BAD(RULE("\"when\":{\"headers\":{\"x-api-key\":true}}"), "secret");
	BAD(RULE("\"when\":{\"headers\":{\"x-a\":false}}"), "a string");
	BAD(RULE("\"when\":{\"min_input\":2,\"max_input\":1}"), "above");
	BAD(RULE("\"enabled\":1"), "true or false");
	BAD(RULE("\"position\":-1"), "whole number");
	BAD(RULE("\"when\":{\"headers\":{\"a\":true,\"b\":true,\"c\":true,"
	    "\"d\":true,\"e\":true,\"f\":true,\"g\":true,\"h\":true,"
	    "\"i\":true}}"), "8 at most");
	memset(big, ' ', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	BAD(big, "longer");
	end();
}

/* ---- conditions ---- */

static bool
holds(const char *when, const char *why)
{
	char text[512], word[80];
	bool yes;

	snprintf(text, sizeof(text), RULE("\"when\":%s"), when);
	if (parse(text) == -1)
		return false;
	yes = wl_route_holds(&r, &c, word);
	CU_ASSERT_STRING_EQUAL(word, why);
	return yes;
}

#define HOLDS(when)	CU_ASSERT(holds(when, ""))
#define NOT(when, why)	CU_ASSERT(!holds(when, why))

static void
test_conditions(void)
{
	begin();
	HOLDS("{}");
	HOLDS("{\"api\":\"chat\"}");
	NOT("{\"api\":\"embeddings\"}", "api");
	NOT("{\"stream\":true}", "stream");
	HOLDS("{\"stream\":false}");
	HOLDS("{\"min_input\":100,\"max_input\":100}");
	NOT("{\"min_input\":101}", "min_input");
	NOT("{\"max_input\":99}", "max_input");
	HOLDS("{\"users\":[\"bob\",\"alice\"]}");
	NOT("{\"users\":[\"bob\",\"alic\",\"alices\"]}", "users");
	HOLDS("{\"tags\":\"two\"}");
	NOT("{\"tags\":[\"three\",\"on\"]}", "tags");
	HOLDS("{\"headers\":{\"X-Tier\":[\"silver\",\"gold\"]}}");
	NOT("{\"headers\":{\"x-tier\":\"Gold\"}}", "header x-tier");
	HOLDS("{\"headers\":{\"x-tier\":true}}");
	NOT("{\"headers\":{\"x-empty\":true}}", "header x-empty");
	NOT("{\"headers\":{\"x-none\":true}}", "header x-none");
	/* all that are given */
	HOLDS("{\"tags\":\"one\",\"users\":\"alice\"}");
	NOT("{\"tags\":\"one\",\"users\":\"bob\"}", "users");
	c.user = WL_STR("");
	c.tags = NULL;
	c.header = NULL;
	NOT("{\"users\":\"alice\"}", "users");
	NOT("{\"tags\":\"one\"}", "tags");
	NOT("{\"headers\":{\"x-tier\":true}}", "header x-tier");
	end();
}

/* ---- chance ---- */

static void
be_user(int i)
{
	snprintf(user, sizeof(user), "user-%d", i);
	c.user = wl_str_of(user);
}

/*
 * How many of CALLS go to each target first.
 */
static void
count(int first[WL_ROUTE_TARGETS], bool users)
{
	int order[WL_ROUTE_TARGETS], i;

	memset(first, 0, WL_ROUTE_TARGETS * sizeof(*first));
	for (i = 0; i < CALLS; i++) {
		if (users)
			be_user(i);
		CU_ASSERT_EQUAL(wl_route_order(&r, &c, NULL, order), r.n);
		first[order[0]]++;
	}
}

/* four standard deviations of a share, at most 200 of CALLS */
#define ABOUT(n, want)	CU_ASSERT((n) > (want) - 200 && (n) < (want) + 200)

#define WEIGHTED(more) "{\"alias\":\"a\",\"strategy\":\"weighted\"," \
	"\"targets\":[{\"model\":\"x\",\"weight\":7},{\"model\":\"y\"," \
	"\"weight\":2},{\"model\":\"z\",\"weight\":1},{\"model\":\"w\"," \
	"\"weight\":0}]" more "}"

static void
test_weights(void)
{
	int first[WL_ROUTE_TARGETS], order[WL_ROUTE_TARGETS],
	    again[WL_ROUTE_TARGETS], i;
	bool seen[4];
	char id[16];

	begin();
	GOOD(WEIGHTED(""));
	count(first, false);
	ABOUT(first[0], 7000);
	ABOUT(first[1], 2000);
	ABOUT(first[2], 1000);
	CU_ASSERT_EQUAL(first[3], 0);
	/* each once, the one without weight last */
	for (i = 0; i < 100; i++) {
		memset(seen, 0, sizeof(seen));
		CU_ASSERT_EQUAL(wl_route_order(&r, &c, NULL, order), 4);
		CU_ASSERT_EQUAL(order[3], 3);
		seen[order[0]] = seen[order[1]] = seen[order[2]] = true;
		CU_ASSERT(seen[0] && seen[1] && seen[2]);
	}
	/* the same shares when users are held to theirs */
	GOOD(WEIGHTED(",\"sticky\":\"user\""));
	count(first, true);
	ABOUT(first[0], 7000);
	ABOUT(first[1], 2000);
	ABOUT(first[2], 1000);
	/* nobody to hold on to: by chance */
	c.user = WL_STR("");
	count(first, false);
	ABOUT(first[0], 7000);
	/* of one request the same, however often it is asked for */
	memset(first, 0, sizeof(first));
	for (i = 0; i < 10000; i++) {
		snprintf(id, sizeof(id), "id-%d", i);
		c.id = wl_str_of(id);
		CU_ASSERT_EQUAL(wl_route_order(&r, &c, NULL, order), 4);
		CU_ASSERT_EQUAL(wl_route_order(&r, &c, NULL, again), 4);
		CU_ASSERT_EQUAL(memcmp(order, again, sizeof(order[0]) * 4), 0);
		first[order[0]]++;
	}
	ABOUT(first[0], 7000);
	ABOUT(first[1], 2000);
	end();
}

static void
test_sticky(void)
{
	int order[WL_ROUTE_TARGETS], again[WL_ROUTE_TARGETS], i, moved = 0;

	begin();
	GOOD(WEIGHTED(",\"sticky\":\"user\""));
	for (i = 0; i < 500; i++) {
		be_user(i);
		CU_ASSERT_EQUAL(wl_route_order(&r, &c, NULL, order), 4);
		CU_ASSERT_EQUAL(wl_route_order(&r, &c, NULL, again), 4);
		CU_ASSERT_EQUAL(memcmp(order, again, 4 * sizeof(int)), 0);
		/* another project, another draw */
		c.project = "p2";
		CU_ASSERT_EQUAL(wl_route_order(&r, &c, NULL, again), 4);
		moved += order[0] != again[0];
		c.project = "p1";
	}
	CU_ASSERT(moved > 100);
	GOOD(WEIGHTED(",\"sticky\":\"key\""));
	(void)wl_route_order(&r, &c, NULL, order);
	for (i = 0; i < 100; i++) {
		be_user(i);
		(void)wl_route_order(&r, &c, NULL, again);
		CU_ASSERT_EQUAL(order[0], again[0]);
	}
	GOOD(WEIGHTED(",\"sticky\":\"header:x-session\""));
	(void)wl_route_order(&r, &c, NULL, order);
	for (i = 0; i < 100; i++) {
		(void)wl_route_order(&r, &c, NULL, again);
		CU_ASSERT_EQUAL(order[0], again[0]);
	}
	end();
}

static void
test_percent(void)
{
	bool in[1000];
	char word[80];
	int i, n = 0;

	begin();
	GOOD(RULE("\"percent\":5,\"sticky\":\"user\""));
	for (i = 0; i < 1000; i++) {
		be_user(i);
		n += in[i] = wl_route_holds(&r, &c, word);
		CU_ASSERT_STRING_EQUAL(word, in[i] ? "" : "percent");
		CU_ASSERT_EQUAL(wl_route_holds(&r, &c, word), in[i]);
	}
	CU_ASSERT(n > 20 && n < 80);
	/* whoever is in stays when there are more */
	GOOD(RULE("\"percent\":20,\"sticky\":\"user\""));
	for (i = n = 0; i < 1000; i++) {
		be_user(i);
		n += wl_route_holds(&r, &c, word);
		CU_ASSERT(!in[i] || wl_route_holds(&r, &c, word));
	}
	CU_ASSERT(n > 150 && n < 250);
	GOOD(RULE("\"percent\":50"));
	for (i = n = 0; i < CALLS; i++)
		n += wl_route_holds(&r, &c, word);
	ABOUT(n, 5000);
	GOOD(RULE("\"percent\":0"));
	for (i = n = 0; i < 100; i++)
		n += wl_route_holds(&r, &c, word);
	CU_ASSERT_EQUAL(n, 0);
	GOOD(RULE("\"shadow\":{\"model\":\"s\",\"percent\":10}"));
	for (i = n = 0; i < CALLS; i++)
		n += wl_route_shadows(&r, &c);
	ABOUT(n, 1000);
	GOOD(RULE("\"shadow\":\"s\""));
	CU_ASSERT(wl_route_shadows(&r, &c));
	GOOD("{\"alias\":\"a\",\"targets\":[\"x\"]}");
	CU_ASSERT(!wl_route_shadows(&r, &c));
	end();
}

static void
test_order(void)
{
	static const int64_t score[] = { 5, 3, 9, 3 };
	int order[WL_ROUTE_TARGETS], first[4] = { 0 }, i;

	begin();
	GOOD("{\"alias\":\"a\",\"targets\":[{\"model\":\"c\","
	    "\"priority\":3},{\"model\":\"a\",\"priority\":1},"
	    "{\"model\":\"d\",\"priority\":3},{\"model\":\"b\","
	    "\"priority\":2}]}");
	CU_ASSERT_EQUAL(wl_route_order(&r, &c, NULL, order), 4);
	CU_ASSERT(order[0] == 1 && order[1] == 3 && order[2] == 0 &&
	    order[3] == 2);
	/* the lowest score first, of equals any; a priority goes before */
	GOOD("{\"alias\":\"a\",\"strategy\":\"least_latency\",\"targets\":"
	    "[\"p/a\",\"p/b\",{\"model\":\"p/c\",\"priority\":2},"
	    "\"p/d\"]}");
	for (i = 0; i < CALLS; i++) {
		CU_ASSERT_EQUAL(wl_route_order(&r, &c, score, order), 4);
		first[order[0]]++;
		CU_ASSERT_EQUAL(order[2], 0);
		CU_ASSERT_EQUAL(order[3], 2);
	}
	ABOUT(first[1], 5000);
	ABOUT(first[3], 5000);
	end();
}

/* ---- aliases and flags ---- */

static struct wl_route_rule
named(const char *name, const char *alias, const char *model)
{
	return (struct wl_route_rule){ .name = name, .alias = alias,
	    .t = { { model, "", 1, 1 } }, .n = 1 };
}

static void
test_loops(void)
{
	struct wl_route_rule others[] = { named("1", "b", "c"),
	    named("2", "c", "real"), named("3", "b", "b"),
	    named("4", "d", "e"), named("5", "e", "d") };
	struct wl_route_rule new = named("new", "a", "b");
	const char *via;

	CU_ASSERT(!wl_route_loops(&new, others, 5, &via));
	/* itself: the model of that name */
	new = named("new", "a", "a");
	CU_ASSERT(!wl_route_loops(&new, others, 5, &via));
	new = named("new", "c", "b");
	CU_ASSERT(wl_route_loops(&new, others, 5, &via));
	CU_ASSERT_STRING_EQUAL(via, "b");
	new = named("new", "real", "b");
	CU_ASSERT(wl_route_loops(&new, others, 5, &via));
	/* the others' loop is not the new one's, and ends the search */
	new = named("new", "a", "d");
	CU_ASSERT(!wl_route_loops(&new, others, 5, &via));
}

static void
test_flags(void)
{
	char project[16];
	int i, n = 0, more = 0;
	bool on;

	CU_ASSERT(!wl_route_flag_on("f", 0, ",,", ",,", "p1"));
	CU_ASSERT(wl_route_flag_on("f", WL_ROUTE_ALL, ",,", ",,", "p1"));
	CU_ASSERT(wl_route_flag_on("f", 0, ",p0,p1,", ",,", "p1"));
	CU_ASSERT(!wl_route_flag_on("f", 0, ",p0,p1,", ",,", "p"));
	CU_ASSERT(!wl_route_flag_on("f", 0, ",xp1,p11,", ",,", "p1"));
	CU_ASSERT(wl_route_flag_on("f", 0, ",xp1,p1,", ",,", "p1"));
	CU_ASSERT(!wl_route_flag_on("f", WL_ROUTE_ALL, ",p1,", ",p1,", "p1"));
	for (i = 0; i < 1000; i++) {
		snprintf(project, sizeof(project), "p%d", i);
		on = wl_route_flag_on("f", 1000, ",,", ",,", project);
		n += on;
		CU_ASSERT(!on || wl_route_flag_on("f", 3000, ",,", ",,",
		    project));
		more += wl_route_flag_on("f", 3000, ",,", ",,", project);
	}
	CU_ASSERT(n > 60 && n < 140);
	CU_ASSERT(more > 240 && more < 360);
}

static void
test_names(void)
{
	CU_ASSERT(wl_route_name_ok(WL_STR("a")));
	CU_ASSERT(wl_route_name_ok(WL_STR("gpt-4.1_b")));
	CU_ASSERT(!wl_route_name_ok(WL_STR("")));
	CU_ASSERT(!wl_route_name_ok(WL_STR("-a")));
	CU_ASSERT(!wl_route_name_ok(WL_STR("A")));
	CU_ASSERT(!wl_route_name_ok(WL_STR("a/b")));
	CU_ASSERT(!wl_route_name_ok(WL_STR("a\0b")));
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "definitions", test_good },
		{ "definitions that are refused", test_bad },
		{ "conditions", test_conditions },
		{ "weights", test_weights },
		{ "sticky", test_sticky },
		{ "percentages", test_percent },
		{ "order", test_order },
		{ "loops of aliases", test_loops },
		{ "flags", test_flags },
		{ "names", test_names },
		{ NULL, NULL }
	};

	return wl_tap_run("route", tests);
}
