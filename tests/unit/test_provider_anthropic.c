/*
 * Anthropic's wire format: what is asked, what is read, and what its clients
 * are told of errors.  The shapes are those of the fixtures of the published
 * client library (anthropic-sdk-python, tests/lib/streaming/fixtures) and of
 * its types.
 */
#include "config.h"
#include "lib/core/provider.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/core/error_body.h"
#include "lib/core/error_event.h"
#include "lib/core/model.h"
#include "lib/core/models.h"
#include "lib/core/stream.h"
#include "lib/http/req.h"
#include "tests/unit/tap.h"

#define KEY	"sk-ant-secret-0123456789"

static struct wl_arena	*arena;
static struct wl_ask	 ask;
static struct wl_err	 e;
static struct wl_target	 target;
static struct wl_upcall	 up;
static struct wl_result	 res;

static void
reset(void)
{
	wl_arena_free(arena);
	arena = wl_arena_new(64 << 20);
	CU_ASSERT_FATAL(arena != NULL);
	memset(&e, 0, sizeof(e));
	memset(&up, 0, sizeof(up));
	target = (struct wl_target){
		.wire = &wl_provider_anthropic, .provider = "anthropic",
		.base_url = "https://api.example/v1", .auth = "x-api-key",
		.model = "claude-x", .key = KEY
	};
	CU_ASSERT_EQUAL_FATAL(wl_result_init(&res, arena, 1000), 0);
}

static void
read_ask(const char *body)
{
	static char json[] = "application/json";
	struct wl_req req = { .arena = arena, .content_type = json,
	    .body = wl_str_of(body) };

	wl_ask_read(&ask, WL_API_MESSAGES, &req);
	CU_ASSERT_EQUAL_FATAL(ask.fault.code, WL_OK);
}

static const char *
header(const char *name)
{
	size_t i, n = strlen(name);

	for (i = 0; up.headers[i] != NULL; i++)
		if (strncmp(up.headers[i], name, n) == 0 &&
		    up.headers[i][n] == ':')
			return up.headers[i] + n + 2;
	return "";
}

static void
requests(void)
{
	reset();
	read_ask("{\"model\":\"p/claude-x\",\"max_tokens\":50,"
	    "\"system\":\"1234\",\"messages\":[{\"role\":\"user\","
	    "\"content\":\"12345678\"}],\"metadata\":{\"user_id\":\"u\"}}");
	CU_ASSERT_EQUAL(wl_ask_check(&ask, &e), 0);
	CU_ASSERT_EQUAL(ask.max_tokens, 50);
	CU_ASSERT(wl_str_eq(ask.user, "u"));
	CU_ASSERT(ask.input_estimate >= 3);
	CU_ASSERT_EQUAL(wl_provider_anthropic.request(arena, &ask, &target,
	    "id-1", &up, &e), 0);
	CU_ASSERT_STRING_EQUAL(up.url, "https://api.example/v1/messages");
	CU_ASSERT(wl_str_prefix(up.body, "{\"model\":\"claude-x\",\"max_"));
	CU_ASSERT_STRING_EQUAL(header("x-api-key"), KEY);
	CU_ASSERT_STRING_EQUAL(header("anthropic-version"), "2023-06-01");
	CU_ASSERT_STRING_EQUAL(header("anthropic-beta"), "");
	CU_ASSERT_STRING_EQUAL(header("X-Request-Id"), "id-1");
	CU_ASSERT_STRING_EQUAL(header("Accept"), "application/json");
	ask.anthropic_version = "2024-01-01";
	ask.anthropic_beta = "a,b";
	ask.stream = true;
	CU_ASSERT_EQUAL(wl_provider_anthropic.request(arena, &ask, &target,
	    "id-1", &up, &e), 0);
	CU_ASSERT_STRING_EQUAL(header("anthropic-version"), "2024-01-01");
	CU_ASSERT_STRING_EQUAL(header("anthropic-beta"), "a,b");
	CU_ASSERT_STRING_EQUAL(header("Accept"), "text/event-stream");
}

/*
 * What a wire format cannot do is refused before a call.
 */
static void
able(void)
{
	reset();
	ask = (struct wl_ask){ .api = WL_API_MESSAGES };
	CU_ASSERT_EQUAL(wl_capability_check(&wl_provider_anthropic, &ask, &e),
	    0);
	CU_ASSERT_EQUAL(wl_capability_check(&wl_provider_openai, &ask, &e),
	    -1);
	CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
	ask.api = WL_API_EMBEDDINGS;
	CU_ASSERT_EQUAL(wl_capability_check(&wl_provider_anthropic, &ask, &e),
	    -1);
}

static int
answer(const char *body)
{
	return wl_provider_anthropic.answer(arena, &ask, &target,
	    wl_str_of(body), &res);
}

static void
answers(void)
{
	reset();
	ask = (struct wl_ask){ .api = WL_API_MESSAGES };
	CU_ASSERT_EQUAL(answer("{\"id\":\"msg_1\",\"type\":\"message\","
	    "\"role\":\"assistant\",\"model\":\"claude-x-1\",\"content\":["
	    "{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"s\"},"
	    "{\"type\":\"text\",\"text\":\"Hello\"},"
	    "{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\","
	    "\"input\":{\"a\":\"b/c\"}}],\"stop_reason\":\"tool_use\","
	    "\"stop_sequence\":null,\"usage\":{\"input_tokens\":5,"
	    "\"cache_creation_input_tokens\":3,\"cache_creation\":"
	    "{\"ephemeral_5m_input_tokens\":2,\"ephemeral_1h_input_tokens\":1},"
	    "\"cache_read_input_tokens\":2,\"output_tokens\":9,\"output_tokens_details\":"
	    "{\"thinking_tokens\":4}}}"), 0);
	CU_ASSERT_STRING_EQUAL(res.response_id, "msg_1");
	CU_ASSERT_STRING_EQUAL(res.model_used, "claude-x-1");
	CU_ASSERT_STRING_EQUAL(res.finish_reason, "tool_use");
	CU_ASSERT_STRING_EQUAL(res.text.p, "Hello");
	CU_ASSERT_STRING_EQUAL(res.tools.p, "{\"index\":2,\"id\":\"toolu_1\","
	    "\"name\":\"f\",\"arguments\":\"{\\\"a\\\":\\\"b/c\\\"}\"}");
	CU_ASSERT_EQUAL(res.usage.input, 5);
	CU_ASSERT_EQUAL(res.usage.cache_read, 2);
	CU_ASSERT_EQUAL(res.usage.cache_write, 3);
	CU_ASSERT_EQUAL(res.usage.cache_write_1h, 1);
	CU_ASSERT_EQUAL(res.usage.output, 5);
	CU_ASSERT_EQUAL(res.usage.reasoning, 4);
	CU_ASSERT_EQUAL(res.usage.source, WL_U_PROVIDER);
}

/*
 * A count of tokens uses none.
 */
static void
counts(void)
{
	reset();
	ask = (struct wl_ask){ .api = WL_API_COUNT_TOKENS };
	ask.body = WL_STR("{\"model\":\"claude-x\"}");
	ask.model = WL_STR("claude-x");
	CU_ASSERT_EQUAL(wl_provider_anthropic.request(arena, &ask, &target,
	    "id-1", &up, &e), 0);
	CU_ASSERT_STRING_EQUAL(up.url,
	    "https://api.example/v1/messages/count_tokens");
	CU_ASSERT_EQUAL(answer("{\"input_tokens\":14}"), 0);
	CU_ASSERT_EQUAL(res.usage.source, WL_U_NONE);
	CU_ASSERT_EQUAL(answer("{\"input_tokens\":-1}"), -1);
	CU_ASSERT_EQUAL(answer("[14]"), -1);
	CU_ASSERT_EQUAL(res.err.code, WL_OK);
	CU_ASSERT_EQUAL(answer("{\"type\":\"error\",\"error\":{\"type\":"
	    "\"api_error\",\"message\":\"No.\"}}"), -1);
	CU_ASSERT_EQUAL(res.err.code, WL_E_UPSTREAM);
}

static void
no_answers(void)
{
	reset();
	ask = (struct wl_ask){ .api = WL_API_MESSAGES };
	CU_ASSERT_EQUAL(answer("{\"type\":\"message\"}"), -1);
	CU_ASSERT_EQUAL(res.err.code, WL_OK);
	CU_ASSERT_EQUAL(answer("[]"), -1);
	CU_ASSERT_EQUAL(answer("{\"content\":"), -1);
	CU_ASSERT_EQUAL(res.err.code, WL_OK);
	CU_ASSERT_EQUAL(answer("{\"type\":\"error\",\"error\":{\"type\":"
	    "\"api_error\",\"message\":\"Bad " KEY ".\"}}"), -1);
	CU_ASSERT_EQUAL(res.err.code, WL_E_UPSTREAM);
	CU_ASSERT_STRING_EQUAL(res.upstream_code, "api_error");
	CU_ASSERT(strstr(res.err.msg, KEY) == NULL);
	CU_ASSERT(memmem(res.refusal.p, res.refusal.len, KEY,
	    strlen(KEY)) == NULL);
}

/* ---- streams ---- */

#define EV(name, rest)	"event: " name "\ndata: {\"type\":\"" name "\"" rest \
    "}\n\n"
#define START	EV("message_start", ",\"message\":{\"id\":\"msg_1\"," \
    "\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x-1\"," \
    "\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":377," \
    "\"cache_creation_input_tokens\":7,\"cache_read_input_tokens\":8," \
    "\"output_tokens\":1}}")
#define TEXT	EV("content_block_start", ",\"index\":0,\"content_block\":" \
    "{\"type\":\"text\",\"text\":\"\"}") EV("ping", "") \
    EV("content_block_delta", ",\"index\":0,\"delta\":" \
    "{\"type\":\"text_delta\",\"text\":\"I\"}") \
    EV("content_block_delta", ",\"index\":0,\"delta\":" \
    "{\"type\":\"text_delta\",\"text\":\"'ll check\"}") \
    EV("content_block_stop", ",\"index\":0")
#define JSON(text)	EV("content_block_delta", ",\"index\":1,\"delta\":" \
    "{\"type\":\"input_json_delta\",\"partial_json\":\"" text "\"}")
#define TOOL	EV("content_block_start", ",\"index\":1,\"content_block\":" \
    "{\"type\":\"tool_use\",\"id\":\"toolu_01\",\"name\":\"get_weather\"," \
    "\"caller\":{\"type\":\"direct\"},\"input\":{}}") JSON("") \
    JSON("{\\\"locati") JSON("on\\\": \\\"Paris\\\"}") \
    EV("content_block_stop", ",\"index\":1")
#define DELTA	EV("message_delta", ",\"delta\":{\"stop_reason\":" \
    "\"tool_use\",\"stop_sequence\":null},\"usage\":{\"input_tokens\":null," \
    "\"output_tokens\":65}")
#define STOP	EV("message_stop", "")

static struct wl_buf	passed, last;

static int
pass(void *arg, const char *p, size_t len)
{
	(void)arg;
	wl_buf_add(&passed, p, len);
	return 0;
}

static enum wl_stream_state
stream(const char *text)
{
	enum wl_stream_state state;
	struct wl_stream s;

	reset();
	ask = (struct wl_ask){ .api = WL_API_MESSAGES, .stream = true };
	wl_buf_reset(&passed);
	wl_buf_reset(&last);
	wl_stream_init(&s, &target, &ask, false, &res, pass, NULL);
	if ((state = wl_stream_feed(&s, text, strlen(text))) ==
	    WL_STREAM_MORE)
		state = wl_stream_end(&s);
	wl_buf_add(&last, s.last.p, s.last.len);
	if (res.refusal.len > 0)
		res.refusal.p = wl_arena_dup(arena, res.refusal.p,
		    res.refusal.len);
	wl_result_end(&res);
	wl_stream_free(&s);
	return state;
}

static void
streams(void)
{
	CU_ASSERT_EQUAL(stream(START TEXT TOOL DELTA STOP), WL_STREAM_DONE);
	CU_ASSERT_STRING_EQUAL(passed.p, START TEXT TOOL DELTA);
	CU_ASSERT_STRING_EQUAL(last.p, STOP);
	CU_ASSERT_STRING_EQUAL(res.response_id, "msg_1");
	CU_ASSERT_STRING_EQUAL(res.model_used, "claude-x-1");
	CU_ASSERT_STRING_EQUAL(res.finish_reason, "tool_use");
	CU_ASSERT_STRING_EQUAL(res.text.p, "I'll check");
	CU_ASSERT_STRING_EQUAL(res.tools.p, "{\"index\":1,\"id\":\"toolu_01\","
	    "\"name\":\"get_weather\",\"arguments\":"
	    "\"{\\\"location\\\": \\\"Paris\\\"}\"}");
	CU_ASSERT_EQUAL(res.usage.input, 377);
	CU_ASSERT_EQUAL(res.usage.cache_write, 7);
	CU_ASSERT_EQUAL(res.usage.cache_read, 8);
	CU_ASSERT_EQUAL(res.usage.output, 65);
	CU_ASSERT_EQUAL(res.usage.source, WL_U_PROVIDER);
}

/*
 * One that breaks off tells what passed until then, not the 1 of its start.
 */
static void
broken_streams(void)
{
	CU_ASSERT_EQUAL(stream(START TEXT), WL_STREAM_MORE);
	CU_ASSERT_EQUAL(res.usage.input, 377);
	CU_ASSERT_EQUAL(res.usage.output, wl_tokens_estimate(10));
	CU_ASSERT_EQUAL(stream(START TEXT STOP), WL_STREAM_DONE);
	CU_ASSERT_EQUAL(res.usage.source, WL_U_ESTIMATED);
	CU_ASSERT_EQUAL(stream(START TEXT EV("message_delta",
	    ",\"delta\":{\"stop_reason\":\"end_turn\"}") STOP),
	    WL_STREAM_DONE);
	CU_ASSERT_EQUAL(res.usage.source, WL_U_ESTIMATED);
	CU_ASSERT_EQUAL(stream(START "data: {\"type\":\n\n"),
	    WL_STREAM_INVALID);
	CU_ASSERT_EQUAL(stream("data: [DONE]\n\n"), WL_STREAM_INVALID);
}

static void
stream_errors(void)
{
	struct wl_buf b;

	CU_ASSERT_EQUAL(stream(START TEXT "event: error\ndata: {\"type\":"
	    "\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":"
	    "\"Overloaded\"}}\n\n"), WL_STREAM_ERROR);
	CU_ASSERT_STRING_EQUAL(passed.p, START TEXT);
	CU_ASSERT_STRING_EQUAL(res.upstream_code, "overloaded_error");
	wl_buf_init(&b, 0);
	wl_error_event(&b, WL_API_MESSAGES, &res, "id-1");
	CU_ASSERT_STRING_EQUAL(b.p, "event: error\ndata: {\"type\":\"error\","
	    "\"error\":{\"type\":\"overloaded_error\",\"message\":"
	    "\"Overloaded\"},\"request_id\":\"id-1\"}\n\n");
	wl_buf_reset(&b);
	res.refusal = WL_STR("");
	wl_err_set(&res.err, WL_E_UPSTREAM_TIMEOUT, NULL);
	wl_error_event(&b, WL_API_MESSAGES, &res, "id-1");
	CU_ASSERT_STRING_EQUAL(b.p, "event: error\ndata: {\"type\":\"error\","
	    "\"error\":{\"message\":\"The provider did not answer in time.\","
	    "\"type\":\"timeout_error\",\"code\":\"upstream_timeout\"},"
	    "\"request_id\":\"id-1\"}\n\n");
	wl_buf_free(&b);
}

/* ---- errors ---- */

static void
check_body(int status, struct wl_str refusal, const char *want)
{
	struct wl_buf b;

	wl_buf_init(&b, 0);
	wl_error_body(&b, WL_API_MESSAGES, &e, status, refusal, "id-1");
	CU_ASSERT_STRING_EQUAL(b.p, want);
	wl_buf_free(&b);
}

static void
error_bodies(void)
{
	reset();
	wl_err_set(&e, WL_E_QUOTA, "No more.");
	e.details = "{\"used\":1}";
	check_body(429, WL_STR(""), "{\"type\":\"error\",\"error\":{"
	    "\"message\":\"No more.\",\"type\":\"rate_limit_error\","
	    "\"code\":\"quota_exceeded\",\"details\":{\"used\":1}},"
	    "\"request_id\":\"id-1\"}");
	/* the words of a provider with another wire format */
	check_body(422, WL_STR("{\"error\":{\"message\":\"M\",\"type\":"
	    "\"server_error\",\"param\":null,\"code\":null}}"),
	    "{\"type\":\"error\",\"error\":{\"type\":"
	    "\"invalid_request_error\",\"message\":\"M\"},"
	    "\"request_id\":\"id-1\"}");
	wl_provider_anthropic.error(arena, &target, 400, wl_str_of(
	    "{\"type\":\"error\",\"error\":{\"type\":\"billing_error\","
	    "\"message\":\"Pay for " KEY "\"},\"request_id\":\"req_1\"}"),
	    &res);
	check_body(400, res.refusal, "{\"type\":\"error\",\"error\":{"
	    "\"type\":\"billing_error\",\"message\":\"Pay for "
	    "[REDACTED_KEY]\"},\"request_id\":\"id-1\"}");
}

static void
error_paths(void)
{
	CU_ASSERT_EQUAL(wl_error_api("/v1/messages"), WL_API_MESSAGES);
	CU_ASSERT_EQUAL(wl_error_api("/v1/messages/x"), WL_API_MESSAGES);
	CU_ASSERT_EQUAL(wl_error_api("/v1/messagesx"), WL_API_CHAT);
	CU_ASSERT_EQUAL(wl_error_api("/v1/chat/completions"), WL_API_CHAT);
	CU_ASSERT_EQUAL(wl_error_api(""), WL_API_CHAT);
}

static void
models(void)
{
	struct wl_model_item *v;
	int n;

	reset();
	CU_ASSERT_EQUAL(wl_provider_anthropic.list(arena, &target, &up, &e),
	    0);
	CU_ASSERT_STRING_EQUAL(up.url,
	    "https://api.example/v1/models?limit=1000");
	CU_ASSERT_STRING_EQUAL(header("anthropic-version"), "2023-06-01");
	CU_ASSERT_STRING_EQUAL(header("x-api-key"), KEY);
	CU_ASSERT_EQUAL_FATAL(wl_provider_anthropic.listed(arena, wl_str_of(
	    "{\"data\":[{\"type\":\"model\",\"id\":\"claude-x\","
	    "\"display_name\":\"X\",\"created_at\":\"2025-02-19T00:00:00Z\"}],"
	    "\"has_more\":false,\"first_id\":\"claude-x\"}"), &v, &n), 0);
	CU_ASSERT_EQUAL_FATAL(n, 1);
	CU_ASSERT_STRING_EQUAL(v[0].name, "claude-x");
	CU_ASSERT_EQUAL(v[0].created, 1739923200);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "the request", requests },
		{ "what a wire format can do", able },
		{ "answers", answers },
		{ "counts of tokens", counts },
		{ "what is none", no_answers },
		{ "streams", streams },
		{ "streams that break", broken_streams },
		{ "errors in a stream", stream_errors },
		{ "bodies of errors", error_bodies },
		{ "paths of errors", error_paths },
		{ "the list of models", models },
		{ NULL, NULL }
	};
	int rc = wl_tap_run("provider_anthropic", tests);

	wl_arena_free(arena);
	wl_buf_free(&passed);
	wl_buf_free(&last);
	return rc;
}
