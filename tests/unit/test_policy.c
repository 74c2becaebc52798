/*
 * Rules on content: definitions, texts, bodies.
 */
#include "config.h"
#include "lib/core/policy.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/json.h"
#include "lib/core/policy_body.h"
#include "lib/store/db_policy.h"
#include "tests/unit/tap.h"

static struct wl_arena		*arena;
static struct wl_err		 e;
static struct wl_policy_tally	 t;

static struct wl_policy *
policy(const char *one, const char *two)
{
	struct wl_db_policy rows[] = { { "one", one, strlen(one) },
	    { "two", two, two == NULL ? 0 : strlen(two) } };

	memset(&e, 0, sizeof(e));
	t = WL_POLICY_TALLY;
	return wl_policy_new(rows, two == NULL ? 1 : 2, &e);
}

static void
definitions(void)
{
	static const struct { const char *text, *param; } bad[] = {
		{ "", "definition" }, { "[]", "definition" }, { "{}", "on" },
		{ "{\"on\":\"all\"}", "on" },
		{ "{\"on\":\"request\"}", "action" },
		{ "{\"on\":\"request\",\"action\":\"warn\"}", "action" },
		{ "{\"on\":\"request\",\"action\":\"flag\"}", "regex" },
		{ "{\"on\":\"request\",\"action\":\"flag\",\"regex\":\"\"}",
		    "regex" },
		{ "{\"on\":\"request\",\"action\":\"flag\",\"regex\":\"(\"}",
		    "regex" },
		{ "{\"on\":\"request\",\"action\":\"flag\",\"regex\":\"a{255}"
		    "{255}\"}", "regex" },
		{ "{\"on\":\"request\",\"action\":\"flag\",\"words\":[]}",
		    "words" },
		{ "{\"on\":\"request\",\"action\":\"flag\",\"words\":[\" \"]}",
		    "words" },
		{ "{\"on\":\"request\",\"action\":\"flag\",\"words\":\"a\"}",
		    "words" },
		{ "{\"on\":\"request\",\"action\":\"flag\",\"pii\":[]}",
		    "pii" },
		{ "{\"on\":\"request\",\"action\":\"flag\",\"pii\":[\"x\"]}",
		    "pii" },
		{ "{\"on\":\"request\",\"action\":\"mask\",\"max_bytes\":1}",
		    "max_bytes" },
		{ "{\"on\":\"request\",\"action\":\"flag\",\"max_bytes\":-1}",
		    "max_bytes" },
		{ "{\"on\":\"request\",\"action\":\"flag\",\"words\":[\"a\"],"
		    "\"replacement\":\"\\\"\"}", "replacement" },
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_PTR_NULL(policy(bad[i].text, NULL));
		CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
		CU_ASSERT_STRING_EQUAL(e.param, bad[i].param);
	}
	CU_ASSERT_PTR_NULL(policy("{\"on\":\"both\",\"action\":\"flag\","
	    "\"words\":[\"a\"],\"regexp\":\"b\"}", NULL));
}

/*
 * What becomes of TEXT on SIDE.
 */
static const char *
of(struct wl_policy *p, enum wl_policy_side side, const char *text)
{
	struct wl_buf b = { 0 };
	const char *out;

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	t = WL_POLICY_TALLY;
	(void)wl_policy_apply(p, side, wl_str_of(text), &b, &t);
	out = wl_arena_dup(arena, b.p == NULL ? "" : b.p, b.len);
	wl_buf_free(&b);
	return out;
}

static void
texts(void)
{
	struct wl_policy *p = policy("{\"on\":\"request\",\"action\":\"mask\","
	    "\"words\":[\"cat\",\"a.b\",\"gr\xc3\xbcn\"],\"regex\":\"[0-9]{3}\","
	    "\"replacement\":\"_\"}", "{\"on\":\"both\",\"action\":\"block\","
	    "\"pii\":[\"email\"]}");

	CU_ASSERT_STRING_EQUAL(of(p, WL_POLICY_REQUEST,
	    "Cat concat a.b axb 12 123 gr\xc3\xbcn"), "_ concat _ axb 12 _ _");
	CU_ASSERT_EQUAL(t.hits[0][0], 4);
	CU_ASSERT_EQUAL(t.blocked, -1);
	CU_ASSERT_STRING_EQUAL(of(p, WL_POLICY_RESPONSE, "cat"), "cat");
	/* what is blocked is in no record either */
	CU_ASSERT_STRING_EQUAL(of(p, WL_POLICY_RESPONSE, "x me@example.com"),
	    "x [REDACTED]");
	CU_ASSERT_EQUAL(t.blocked, 1);
	CU_ASSERT_EQUAL(t.hits[1][1], 1);
	CU_ASSERT_EQUAL(wl_policy_blocked(p, &t, &e), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_BLOCKED);
	CU_ASSERT(strstr(e.msg, "\"two\"") != NULL);
	wl_policy_free(p);
	p = policy("{\"on\":\"request\",\"action\":\"flag\",\"words\":[\"cat\"]}",
	    NULL);
	CU_ASSERT_STRING_EQUAL(of(p, WL_POLICY_REQUEST, "cat"), "cat");
	CU_ASSERT_EQUAL(t.hits[0][0], 1);
	CU_ASSERT(wl_policy_is_for(p, WL_POLICY_REQUEST));
	CU_ASSERT(!wl_policy_is_for(p, WL_POLICY_RESPONSE));
	CU_ASSERT(!wl_policy_is_for(NULL, WL_POLICY_REQUEST));
	wl_policy_free(p);
}

static void
many_words(void)
{
	struct wl_buf b = { 0 };
	struct wl_policy *p;
	int i;

	wl_buf_adds(&b, "{\"on\":\"request\",\"action\":\"mask\",\"words\":[");
	for (i = 0; i < 500; i++)
		wl_buf_printf(&b, "%s\"secret word %d\"", i == 0 ? "" : ",",
		    i);
	wl_buf_adds(&b, "]}");
	p = policy(b.p, NULL);
	CU_ASSERT_STRING_EQUAL(of(p, WL_POLICY_REQUEST,
	    "secret word 0, Secret Word 499, secret word 500"),
	    "[REDACTED], [REDACTED], secret word 500");
	wl_policy_free(p);
	wl_buf_free(&b);
}

static void
sizes(void)
{
	struct wl_policy *p = policy("{\"on\":\"request\",\"action\":\"block\","
	    "\"max_bytes\":4}", NULL);

	(void)of(p, WL_POLICY_REQUEST, "1234");
	CU_ASSERT_EQUAL(t.blocked, -1);
	(void)of(p, WL_POLICY_REQUEST, "12345");
	CU_ASSERT_EQUAL(t.blocked, 0);
	CU_ASSERT_EQUAL(t.hits[0][0], 1);
	wl_policy_free(p);
}

static void
told(void)
{
	struct wl_policy *p = policy("{\"on\":\"both\",\"action\":\"flag\","
	    "\"words\":[\"cat\"]}", NULL);
	struct wl_buf b = { 0 };
	struct wl_jw w;

	(void)of(p, WL_POLICY_RESPONSE, "cat cat");
	wl_jw_init(&w, &b);
	wl_policy_json(&w, NULL, p, &t);
	CU_ASSERT_STRING_EQUAL(b.p, "[{\"rule\":\"one\",\"on\":\"response\","
	    "\"action\":\"flag\",\"count\":2}]");
	wl_buf_reset(&b);
	t = WL_POLICY_TALLY;
	wl_policy_json(&w, NULL, p, &t);
	wl_policy_json(&w, NULL, NULL, &t);
	CU_ASSERT_EQUAL(b.len, 0);
	wl_buf_free(&b);
	wl_policy_free(p);
}

/*
 * BODY of a request after the policy, or NULL.
 */
static const char *
request(struct wl_policy *p, const char *body)
{
	struct wl_ask ask = { .api = WL_API_CHAT, .body = wl_str_of(body) };

	t = WL_POLICY_TALLY;
	memset(&e, 0, sizeof(e));
	ask.json = wl_json_parse(arena, body, strlen(body), NULL);
	if (wl_policy_request(p, arena, &ask, &t, &e) == -1)
		return NULL;
	return wl_arena_dup(arena, ask.body.p, ask.body.len);
}

static void
requests(void)
{
	struct wl_policy *p = policy("{\"on\":\"request\",\"action\":\"mask\","
	    "\"words\":[\"cat\"],\"replacement\":\"_\"}",
	    "{\"on\":\"request\",\"action\":\"block\",\"words\":[\"dog\"]}");
	const char *same = "{ \"messages\" : [ {\"content\":\"concat\"} ] }";

	CU_ASSERT_STRING_EQUAL(request(p, same), same);
	CU_ASSERT_STRING_EQUAL(request(p, "{\"x\" : 1.50,\"messages\" : [{"
	    "\"role\":\"cat\",\"content\":[{\"type\":\"cat\",\"text\":"
	    "\"a c\\u0061t/\"}]}], \"y\":\"cat\"}"),
	    "{\"x\" : 1.50,\"messages\" : [{\"role\":\"cat\",\"content\":[{"
	    "\"type\":\"cat\",\"text\":\"a _/\"}]}], \"y\":\"cat\"}");
	CU_ASSERT_PTR_NULL(request(p, "{\"messages\":[{\"content\":\"dog\"}]}"));
	CU_ASSERT_EQUAL(e.code, WL_E_BLOCKED);
	CU_ASSERT_PTR_NULL(request(p, "{\"messages\":[{\"content\":\"dog\"}],"
	    "\"m\\u0065ssages\":[]}"));
	CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
	wl_policy_free(p);
}

/*
 * Whether rules see "zeus" in BODY.
 */
static bool
seen(struct wl_policy *p, const char *body)
{
	bool blocked = request(p, body) == NULL;

	CU_ASSERT(!blocked || e.code == WL_E_BLOCKED);
	return blocked;
}

/*
 * What only begins like data, and members named like those that say what
 * something is, where their names are somebody's.
 */
static void
no_way_around(void)
{
	static const char *const text[] = {
		"{\"messages\":[{\"content\":\"data: of zeus\"}]}",
		"{\"messages\":[{\"content\":\"data:a/b;base64,QQ zeus\"}]}",
		"{\"messages\":[{\"content\":[{\"type\":\"tool_use\",\"input\":{"
		"\"name\":\"zeus\"}}]}]}",
		"{\"messages\":[{\"content\":[{\"type\":\"tool_use\",\"input\":{"
		"\"a\":[{\"url\":\"zeus\"}]}}]}]}",
		"{\"messages\":[{\"function_call\":{\"arguments\":{"
		"\"id\":\"zeus\"}}}]}",
		"{\"documents\":[{\"name\":\"zeus\"}]}",
		"{\"documents\":[{\"data\":{\"url\":\"zeus\"}}]}",
		"{\"prompt\":{\"id\":\"p\",\"variables\":{\"name\":\"zeus\"}}}",
		"{\"messages\":[{\"content\":[{\"type\":\"document\",\"source\":{"
		"\"type\":\"text\",\"data\":\"zeus\"}}]}]}",
	};
	static const char *const none[] = {
		"{\"messages\":[{\"name\":\"zeus\",\"content\":\"\"}]}",
		"{\"input\":[{\"type\":\"zeus\",\"text\":\"\"}]}",
		("{\"messages\":[{\"content\":[{\"source\":{\"type\":\"base64\","
		"\"data\":\"/zeus/\"}}]}]}"),
	};
	struct wl_policy *p = policy("{\"on\":\"request\",\"action\":"
	    "\"block\",\"words\":[\"zeus\"]}", NULL);
	char body[3000];
	size_t i;

	for (i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		CU_ASSERT(seen(p, text[i]));
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		CU_ASSERT(!seen(p, none[i]));
	memset(body, 'A', sizeof(body));
	memcpy(body, "{\"input\":\"", 10);
	(void)wl_strlcpy(body + 2000, " zeus\"}", 100);
	CU_ASSERT(seen(p, body));
	wl_policy_free(p);
}

/*
 * Arguments are what they mean, and stay JSON.
 */
static void
arguments(void)
{
	static const struct { const char *text, *out; } of_tools[] = {
		{ "", "" }, { "{\"a\" : 1.50}", "{\"a\" : 1.50}" },
		{ "{\"a\":\"\\nzeus\\\"\"}", "{\"a\":\"\\n_\\\"\"}" },
		{ "{\"name\":[\"\\u007aeus\"]}", "{\"name\":[\"_\"]}" },
		{ "{\"a\":\"zeus\",\"a\":\"x\"}", "{\"a\":\"_\",\"a\":\"x\"}" },
		{ "{\"a\":\"z\\u0065us\",\"a\":\"x\"}", "{\"a\":\"x\"}" },
		{ "{\"\\u007aeus\":1}", "{\"_\":1}" },
		{ "{\"zeus\":1}", "{\"_\":1}" }, { "{\"a\":12345}", "{}" },
		{ "{\"a\":\"12345\"}", "{\"a\":\"_\"}" },
		{ "of zeus", "of _" }, { "{\"a\":\"\\u007aeus", "{}" },
		{ "{\"a\":\"b\\u00", "{}" }, { "a\\", "a\\" },
	};
	struct wl_policy *p = policy("{\"on\":\"both\",\"action\":\"mask\","
	    "\"words\":[\"zeus\",\"12345\"],\"replacement\":\"_\"}", NULL);
	struct wl_buf b = { 0 };
	struct wl_str out;
	size_t i;

	for (i = 0; i < sizeof(of_tools) / sizeof(of_tools[0]); i++) {
		t = WL_POLICY_TALLY;
		wl_buf_reset(&b);
		(void)wl_policy_arguments(p, WL_POLICY_RESPONSE,
		    wl_str_of(of_tools[i].text), &b, &t);
		CU_ASSERT_STRING_EQUAL(b.p == NULL ? "" : b.p,
		    of_tools[i].out);
	}
	wl_buf_free(&b);
	CU_ASSERT_STRING_EQUAL(request(p, "{\"messages\":[{\"tool_calls\":[{"
	    "\"function\":{\"arguments\":\"{\\\"a\\\":\\\"\\\\u007aeus"
	    "\\\"}\"}}]}]}"), "{\"messages\":[{\"tool_calls\":[{"
	    "\"function\":{\"arguments\":\"{\\\"a\\\":\\\"_\\\"}\"}}]}]}");
	t = WL_POLICY_TALLY;
	CU_ASSERT_EQUAL(wl_policy_answer(p, arena, WL_API_RESPONSES,
	    WL_STR("{\"output\":[{\"arguments\":\"{\\\"a\\\":\\\"\\\\nzeus"
	    "\\\"}\"}]}"), &out, &t, &e), 0);
	CU_ASSERT(wl_str_eq(out, "{\"output\":[{\"arguments\":\"{\\\"a\\\":"
	    "\\\"\\\\n_\\\"}\"}]}"));
	CU_ASSERT_EQUAL(t.hits[0][1], 1);
	wl_policy_free(p);
}

static void
answers(void)
{
	struct wl_policy *p = policy("{\"on\":\"response\",\"action\":\"mask\","
	    "\"words\":[\"cat\"],\"replacement\":\"_\"}", NULL);
	const char *body = "{\"id\":\"cat\",\"choices\":[{\"message\":{"
	    "\"content\":\"a cat\"},\"logprobs\":{\"content\":[]}}],"
	    "\"usage\":{\"n\":1}}";
	struct wl_str out;

	t = WL_POLICY_TALLY;
	CU_ASSERT_EQUAL(wl_policy_answer(p, arena, WL_API_CHAT,
	    wl_str_of(body), &out, &t, &e), 0);
	CU_ASSERT(wl_str_eq(out, "{\"id\":\"cat\",\"choices\":[{\"message\":{"
	    "\"content\":\"a _\"},\"logprobs\":null}],\"usage\":{\"n\":1}}"));
	CU_ASSERT_EQUAL(wl_policy_answer(p, arena, WL_API_TRANSCRIPTIONS,
	    WL_STR("1\n00:00\na cat"), &out, &t, &e), 0);
	CU_ASSERT(wl_str_eq(out, "1\n00:00\na _"));
	CU_ASSERT_EQUAL(wl_policy_answer(p, arena, WL_API_TRANSCRIPTIONS,
	    WL_STR("{\"text\":\"a\",\"logprobs\":[{\"token\":\"cat\"}],"
	    "\"segments\":[{\"tokens\":[5],\"text\":\"a\"},{\"tokens\":1}]}"),
	    &out, &t, &e), 0);
	CU_ASSERT(wl_str_eq(out, "{\"text\":\"a\",\"logprobs\":[],"
	    "\"segments\":[{\"tokens\":[],\"text\":\"a\"},{\"tokens\":1}]}"));
	CU_ASSERT_EQUAL(wl_policy_answer(p, arena, WL_API_EMBEDDINGS,
	    WL_STR("cat"), &out, &t, &e), 0);
	CU_ASSERT(wl_str_eq(out, "cat"));
	/* what cannot be looked into does not pass */
	CU_ASSERT_EQUAL(wl_policy_answer(p, arena, WL_API_CHAT,
	    WL_STR("cat"), &out, &t, &e), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_UPSTREAM_INVALID);
	wl_policy_free(p);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "definitions that are refused", definitions },
		{ "texts", texts },
		{ "many words", many_words },
		{ "sizes", sizes },
		{ "what is told", told },
		{ "requests", requests },
		{ "what looks like no text", no_way_around },
		{ "arguments of tools", arguments },
		{ "answers", answers },
		{ NULL, NULL }
	};
	int status;

	if ((arena = wl_arena_new(16 << 20)) == NULL)
		return 1;
	status = wl_tap_run("policy", tests);
	wl_arena_free(arena);
	return status;
}
