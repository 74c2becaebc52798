/*
 * Policy on streams: the same comes out wherever they are cut.
 */
#include "config.h"
#include "lib/core/policy_sink.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/json.h"
#include "lib/store/db_policy.h"
#include "tests/unit/tap.h"

static struct wl_arena	*arena;
static struct wl_buf	 got;		/* what the client got */
static bool		 ended, beaten;

static int
begin(struct wl_sink *s, int status, const char *type, bool stream)
{
	(void)s;
	(void)type;
	CU_ASSERT(stream && status == 200);
	return 0;
}

static int
data(struct wl_sink *s, const char *p, size_t len)
{
	(void)s;
	CU_ASSERT(!ended && len > 0);
	/* events are whole */
	CU_ASSERT(len > 2 && memcmp(p + len - 2, "\n\n", 2) == 0);
	wl_buf_add(&got, p, len);
	return 0;
}

static int
heartbeat(struct wl_sink *s)
{
	(void)s;
	beaten = true;
	return 0;
}

static int
trailer(struct wl_sink *s, const struct wl_result *res)
{
	(void)s;
	(void)res;
	wl_buf_adds(&got, ": figures\n\n");
	return 0;
}

static int
end(struct wl_sink *s, const char *p, size_t len)
{
	(void)s;
	ended = true;
	wl_buf_add(&got, p, len);
	return 0;
}

/*
 * The contents of all chunks that came out, one after the other.
 */
static void
texts(struct wl_buf *out)
{
	struct wl_str rest = { got.p, got.len }, line, s;
	struct json_object *o;

	while (rest.p != NULL && rest.len > 0) {
		line = wl_str_cut(&rest, '\n');
		if (!wl_str_prefix(line, "data: {"))
			continue;
		o = wl_json_parse(arena, line.p + 6, line.len - 6, NULL);
		CU_ASSERT_PTR_NOT_NULL_FATAL(o);
		o = wl_json_obj(json_object_array_get_idx(wl_json_arr(o,
		    "choices"), 0), "delta");
		if (wl_json_str(o, "content", &s))
			wl_buf_add(out, s.p, s.len);
	}
}

static struct wl_sink	client = { .begin = begin, .data = data,
    .heartbeat = heartbeat, .trailer = trailer, .end = end, .fd = -1 };
static struct wl_result	res;
static struct wl_ask	ask = { .api = WL_API_CHAT };

/*
 * TEXT as a stream of pieces of N bytes, without a finish reason unless
 * FINISH.  Returns 0, or -1 when it was
 * blocked.
 */
static int
stream(struct wl_policy *p, const char *text, size_t n, bool finish)
{
	struct wl_policy_sink *f;
	struct wl_buf b = { 0 };
	struct wl_sink *s;
	size_t i, len = strlen(text), m;
	int rc = 0;

	wl_arena_reset(arena);	/* and what the one before has left */
	wl_buf_reset(&got);
	ended = beaten = false;
	CU_ASSERT_EQUAL_FATAL(wl_result_init(&res, arena, 4096), 0);
	res.outcome = WL_O_CLIENT_GONE;	/* as who stops a stream finds it */
	res.policy = p;
	f = wl_policy_sink_new(&client, arena, &ask, &res, "id");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	s = wl_policy_sink_of(f);
	CU_ASSERT_EQUAL(s->begin(s, 200, "text/event-stream", true), 0);
	for (i = 0; rc == 0 && i < len; i += m) {
		m = n < len - i ? n : len - i;
		wl_result_text(&res, text + i, m);
		wl_buf_reset(&b);
		wl_buf_adds(&b, "data: {\"choices\":[{\"index\":0,\"delta\":{"
		    "\"content\":");
		wl_json_quote(&b, text + i, m);
		wl_buf_printf(&b, "}%s}]}\n\n", finish && i + m == len ?
		    ",\"finish_reason\":\"stop\"" : "");
		rc = s->data(s, b.p, b.len);
		if (rc == 0 && i == 0)
			CU_ASSERT_EQUAL(s->heartbeat(s), 0);
	}
	if (rc == 0 && (rc = s->trailer(s, &res)) == 0)
		rc = s->end(s, "data: [DONE]\n\n", 14);
	wl_buf_free(&b);
	wl_policy_sink_end(f);
	return res.err.code == WL_OK ? 0 : -1;
}

static struct wl_policy *
policy(const char *definition)
{
	struct wl_db_policy row = { "rule", definition, strlen(definition) };
	struct wl_err e;

	return wl_policy_new(&row, 1, &e);
}

static void
masked(void)
{
	struct wl_policy *p = policy("{\"on\":\"response\",\"action\":\"mask\","
	    "\"pii\":[\"email\",\"card\"],\"words\":[\"top secret\"],"
	    "\"replacement\":\"_\"}");
	struct wl_buf text = { 0 }, want = { 0 }, out = { 0 };
	size_t n, fill;
	int finish;

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	for (fill = 0; fill < 700; fill += 97) {
		wl_buf_reset(&text);
		wl_buf_reset(&want);
		for (n = 0; n < fill; n++) {
			wl_buf_addc(&text, n % 7 == 6 ? ' ' : 'a');
			wl_buf_addc(&want, n % 7 == 6 ? ' ' : 'a');
		}
		wl_buf_adds(&text, " 4111111111111111 and me@example.com, Top"
		    " secret stop");
		wl_buf_adds(&want, " _ and _, _ stop");
		for (n = 1; n < 1000; n = n * 2 + 1)
			for (finish = 0; finish < 2; finish++) {
				CU_ASSERT_EQUAL(stream(p, text.p, n,
				    finish != 0), 0);
				CU_ASSERT(ended && beaten);
				wl_buf_reset(&out);
				texts(&out);
				CU_ASSERT_STRING_EQUAL(out.p, want.p);
				CU_ASSERT_EQUAL(res.found.hits[0][1], 3);
				CU_ASSERT_EQUAL(res.found.bytes[1],
				    (int64_t)text.len);
				CU_ASSERT_STRING_EQUAL(res.text.p, want.p);
				/* held text is not behind the figures */
				CU_ASSERT_PTR_NULL(strstr(strstr(got.p,
				    ": figures"), "content"));
			}
	}
	wl_buf_free(&text);
	wl_buf_free(&want);
	wl_buf_free(&out);
	wl_policy_free(p);
}

static void
blocked(void)
{
	struct wl_policy *p = policy("{\"on\":\"response\",\"action\":"
	    "\"block\",\"words\":[\"top secret\"]}");
	size_t n;

	for (n = 1; n < 40; n++) {
		CU_ASSERT_EQUAL(stream(p, "it is a Top Secret thing of ours",
		    n, true), -1);
		CU_ASSERT_EQUAL(res.err.code, WL_E_BLOCKED);
		CU_ASSERT_EQUAL(res.outcome, WL_O_ANSWERED);
		CU_ASSERT(ended);
		CU_ASSERT_PTR_NULL(strstr(got.p, "Top"));
		CU_ASSERT_PTR_NULL(strstr(got.p, "[DONE]"));
		CU_ASSERT_PTR_NOT_NULL(strstr(got.p, "content_blocked"));
		CU_ASSERT_PTR_NULL(strstr(res.text.p, "Top Secret"));
	}
	wl_policy_free(p);
}

static void
untouched(void)
{
	struct wl_policy *p = policy("{\"on\":\"request\",\"action\":"
	    "\"block\",\"words\":[\"top secret\"]}");

	CU_ASSERT_EQUAL(stream(p, "top secret", 3, true), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(got.p, "\"top\""));
	CU_ASSERT_EQUAL(stream(NULL, "top secret", 3, true), 0);
	wl_policy_free(p);
}

/*
 * What of held text is looked at twice counts once.
 */
static void
sizes(void)
{
	struct wl_policy *p = policy("{\"on\":\"response\",\"action\":"
	    "\"block\",\"max_bytes\":30}");
	size_t n;

	for (n = 1; n < 40; n++) {
		CU_ASSERT_EQUAL(stream(p, "123456789 123456789 123456789 ",
		    n, n % 2 == 0), 0);
		CU_ASSERT_EQUAL(res.found.bytes[1], 30);
		CU_ASSERT_EQUAL(stream(p, "123456789 123456789 123456789 1",
		    n, n % 2 == 0), -1);
		CU_ASSERT_EQUAL(res.err.code, WL_E_BLOCKED);
	}
	wl_policy_free(p);
}

/*
 * The N events in LIST (JSON) as an answer of API.  Returns as stream().
 */
static int
events(struct wl_policy *p, enum wl_api api, const char *const *list, size_t n)
{
	struct wl_ask of = { .api = api };
	struct wl_policy_sink *f;
	struct wl_buf b = { 0 };
	struct wl_sink *s;
	size_t i;
	int rc = 0;

	wl_arena_reset(arena);
	wl_buf_reset(&got);
	ended = false;
	CU_ASSERT_EQUAL_FATAL(wl_result_init(&res, arena, 4096), 0);
	res.outcome = WL_O_CLIENT_GONE;
	res.policy = p;
	f = wl_policy_sink_new(&client, arena, &of, &res, "id");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	s = wl_policy_sink_of(f);
	CU_ASSERT_EQUAL(s->begin(s, 200, "text/event-stream", true), 0);
	for (i = 0; rc == 0 && i < n; i++) {
		wl_buf_reset(&b);
		wl_buf_printf(&b, "data: %s\n\n", list[i]);
		rc = s->data(s, b.p, b.len);
	}
	if (rc == 0 && (rc = s->trailer(s, &res)) == 0)
		rc = s->end(s, "data: [DONE]\n\n", 14);
	wl_buf_free(&b);
	wl_policy_sink_end(f);
	return res.err.code == WL_OK ? 0 : -1;
}

#define SAID	"\"of zeus, and zeus\""
#define RESP	"{\"id\":\"r\",\"instructions\":\"no zeus\"," \
		"\"tools\":[{\"description\":\"zeus\"}],\"metadata\":{" \
		"\"a\":\"zeus\"},\"output\":["
#define ITEM	"{\"type\":\"message\",\"content\":[{\"type\":" \
		"\"output_text\",\"text\":" SAID "}]}"

/*
 * A response says everything again, and tells what was asked.
 */
static void
said_again(void)
{
	static const char *const list[] = {
		"{\"type\":\"response.created\",\"response\":" RESP "]}}",
		"{\"type\":\"response.output_text.delta\",\"delta\":\"of z\"}",
		"{\"type\":\"response.output_text.delta\",\"delta\":"
		"\"eus, and zeus\"}",
		"{\"type\":\"response.output_text.done\",\"text\":" SAID "}",
		"{\"type\":\"response.output_item.done\",\"item\":" ITEM "}",
		"{\"type\":\"response.completed\",\"response\":" RESP ITEM
		"]}}",
	};
	struct wl_policy *p = policy("{\"on\":\"response\",\"action\":"
	    "\"mask\",\"words\":[\"zeus\"],\"replacement\":\"_\"}");

	CU_ASSERT_EQUAL(events(p, WL_API_RESPONSES, list, 6), 0);
	CU_ASSERT_EQUAL(res.found.hits[0][1], 2);
	CU_ASSERT_EQUAL(res.found.bytes[1], 17);
	CU_ASSERT_PTR_NULL(strstr(got.p, "of zeus"));
	CU_ASSERT_PTR_NOT_NULL(strstr(got.p, "\"text\":\"of _, and _\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(got.p, "no zeus"));
	/* what comes in the last event alone counts, too */
	CU_ASSERT_EQUAL(events(p, WL_API_RESPONSES, list + 5, 1), 0);
	CU_ASSERT_EQUAL(res.found.hits[0][1], 2);
	wl_policy_free(p);
	p = policy("{\"on\":\"response\",\"action\":\"block\","
	    "\"words\":[\"zeus\"]}");
	CU_ASSERT_EQUAL(events(p, WL_API_RESPONSES, list, 1), 0);
	CU_ASSERT_EQUAL(events(p, WL_API_RESPONSES, list + 5, 1), -1);
	wl_policy_free(p);
	p = policy("{\"on\":\"response\",\"action\":\"block\","
	    "\"max_bytes\":17}");
	CU_ASSERT_EQUAL(events(p, WL_API_RESPONSES, list, 6), 0);
	wl_policy_free(p);
}

#define DELTA(x)	"{\"choices\":[{\"index\":0,\"delta\":{" x "}}]}"
#define CALL(n, x)	DELTA("\"tool_calls\":[{\"index\":" n ",\"function\"" \
			":{\"arguments\":\"" x "\"}}]")
#define FINISH		"{\"choices\":[{\"index\":0,\"delta\":{}," \
			"\"finish_reason\":\"stop\"}]}"

/*
 * Every member of a delta that has a text, in pieces where it comes so.
 */
static void
all_members(void)
{
	static const struct {
		const char	*list[3], *want;
		int64_t		 hits;
	} of[] = {
		{ { DELTA("\"thinking_blocks\":[{\"thinking\":\"zeus\"}]"),
		    DELTA("\"reasoning_details\":[{\"text\":\"zeus\"}]"),
		    FINISH }, "\"delta\":{}", 0 },
		{ { DELTA("\"function_call\":{\"name\":\"f\",\"arguments\":"
		    "\"[\\\"ze\"}"), DELTA("\"function_call\":{"
		    "\"arguments\":\"us\\\"]\"}"), FINISH },
		    "\"function_call\":{\"arguments\":\"[\\\"_\\\"]\"}", 1 },
		{ { CALL("0", "{\\\"a\\\":\\\"\\\\u00"),
		    CALL("0", "7aeus\\\"}"), FINISH }, "{\"index\":0,"
		    "\"function\":{\"arguments\":\"{\\\"a\\\":\\\"_\\\"}"
		    "\"}}", 1 },
		{ { DELTA("\"tool_calls\":[{\"index\":2,\"custom\":{"
		    "\"input\":\"ze\"}}]"), DELTA("\"tool_calls\":[{"
		    "\"index\":2,\"custom\":{\"input\":\"us\"}}]"), FINISH },
		    "{\"index\":2,\"custom\":{\"input\":\"_\"}}", 1 },
		{ { DELTA("\"audio\":{\"transcript\":\"ze\"}"),
		    DELTA("\"audio\":{\"transcript\":\"us\"}"), FINISH },
		    "\"audio\":{\"transcript\":\"_\"}", 1 },
		{ { DELTA("\"content\":[{\"type\":\"text\",\"text\":\"ze\"},"
		    "{\"type\":\"thinking\",\"thinking\":[]}]"),
		    DELTA("\"content\":[{\"type\":\"text\",\"text\":\"us\"}]"),
		    FINISH }, "\"content\":\"_\"", 1 },
		{ { DELTA("\"content\":\"ze\""), "{\"choices\":[{\"index\":0,"
		    "\"delta\":{\"content\":[{\"type\":\"text\",\"text\":"
		    "\"us\"}]},\"finish_reason\":\"stop\"}]}",
		    "{\"choices\":[]}" },
		    "{\"type\":\"text\",\"text\":\"_\"}", 1 },
		{ { DELTA("\"odd\":{\"a\":[\"zeus\"]},\"reasoning\":["
		    "\"zeus\"]"), "{\"choices\":[{\"message\":{\"content\":"
		    "\"zeus\"}}]}", FINISH }, "{\"content\":\"_\"}", 2 },
	};
	struct wl_policy *p = policy("{\"on\":\"response\",\"action\":"
	    "\"mask\",\"words\":[\"zeus\"],\"replacement\":\"_\"}");
	size_t i;

	for (i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		CU_ASSERT_EQUAL(events(p, WL_API_CHAT, of[i].list, 3), 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(got.p, of[i].want));
		CU_ASSERT_PTR_NULL(strstr(got.p, "zeus"));
		CU_ASSERT_PTR_NULL(strstr(got.p, "ze\""));
		CU_ASSERT_PTR_NULL(strstr(got.p, "\"us"));
		CU_ASSERT_EQUAL(res.found.hits[0][1], of[i].hits);
	}
	wl_policy_free(p);
}

#define MANY	200

/*
 * One after the other, as many texts as there are.
 */
static void
many_texts(void)
{
	static char text[3][MANY][300];
	const char *list[3][2 * MANY];
	struct wl_policy *p = policy("{\"on\":\"response\",\"action\":"
	    "\"mask\",\"words\":[\"zeus\"],\"replacement\":\"_\"}");
	const char *at;
	int i, n;

	for (i = 0; i < MANY; i++) {
		snprintf(text[0][i], sizeof(text[0][i]), "{\"type\":"
		    "\"content_block_delta\",\"index\":%d,\"delta\":{"
		    "\"type\":\"text_delta\",\"text\":\"zeus\"}}", i);
		snprintf(text[1][i], sizeof(text[1][i]), "{\"type\":"
		    "\"content_block_stop\",\"index\":%d}", i);
		list[0][2 * i] = text[0][i];
		list[0][2 * i + 1] = text[1][i];
		snprintf(text[2][i], sizeof(text[2][i]), CALL("%d",
		    "[\\\"zeus\\\"]"), i);
		list[1][i] = text[2][i];
	}
	CU_ASSERT_EQUAL(events(p, WL_API_MESSAGES, list[0], 2 * MANY), 0);
	CU_ASSERT_EQUAL(res.found.hits[0][1], MANY);
	for (n = 0, at = got.p; (at = strstr(at, "\"_\"")) != NULL; at++)
		n++;
	CU_ASSERT_EQUAL(n, MANY);
	CU_ASSERT_EQUAL(events(p, WL_API_CHAT, list[1], MANY), 0);
	CU_ASSERT_EQUAL(res.found.hits[0][1], MANY);
	for (n = 0, at = got.p; (at = strstr(at, "[\\\"_\\\"]")) != NULL; at++)
		n++;
	CU_ASSERT_EQUAL(n, MANY);
	wl_policy_free(p);
}

#define ARGS	"response.function_call_arguments."

/*
 * Of calls at the same time each ends for itself.
 */
static void
typed_arguments(void)
{
	static const char *const list[] = {
		"{\"type\":\"" ARGS "delta\",\"output_index\":0,\"delta\":"
		"\"{\\\"a\\\":\\\"\\\\n\"}",
		"{\"type\":\"" ARGS "delta\",\"output_index\":1,\"delta\":"
		"\"[\\\"ze\"}",
		"{\"type\":\"" ARGS "delta\",\"output_index\":0,\"delta\":"
		"\"zeus\\\"}\"}",
		"{\"type\":\"" ARGS "done\",\"output_index\":0,\"arguments\":"
		"\"{\\\"a\\\":\\\"\\\\nzeus\\\"}\"}",
		"{\"type\":\"" ARGS "delta\",\"output_index\":1,\"delta\":"
		"\"us\\\"]\"}",
		"{\"type\":\"response.output_item.done\",\"output_index\":1,"
		"\"item\":{\"type\":\"function_call\",\"arguments\":"
		"\"[\\\"zeus\\\"]\"}}",
	};
	struct wl_policy *p = policy("{\"on\":\"response\",\"action\":"
	    "\"mask\",\"words\":[\"zeus\"],\"replacement\":\"_\"}");

	CU_ASSERT_EQUAL(events(p, WL_API_RESPONSES, list, 6), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(got.p, "\"delta\":\"{\\\"a\\\":"
	    "\\\"\\\\n_\\\"}\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(got.p, "\"arguments\":\"{\\\"a\\\":"
	    "\\\"\\\\n_\\\"}\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(got.p, "\"delta\":\"[\\\"_\\\"]\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(got.p,
	    "\"arguments\":\"[\\\"_\\\"]\""));
	CU_ASSERT_PTR_NULL(strstr(got.p, "zeus"));
	CU_ASSERT_EQUAL(res.found.hits[0][1], 2);
	wl_policy_free(p);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "masked, wherever it is cut", masked },
		{ "blocked, wherever it is cut", blocked },
		{ "nothing to do", untouched },
		{ "sizes", sizes },
		{ "what is said again", said_again },
		{ "all members", all_members },
		{ "many texts", many_texts },
		{ "arguments in typed events", typed_arguments },
		{ NULL, NULL }
	};
	int status;

	if ((arena = wl_arena_new((size_t)1 << 30)) == NULL)
		return 1;
	status = wl_tap_run("policy_sink", tests);
	wl_arena_free(arena);
	wl_buf_free(&got);
	return status;
}
