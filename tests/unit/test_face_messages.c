/*
 * Anthropic's messages in front of a chat: the request as it goes on, what
 * cannot, and the answers and streams that come back.
 */
#include "config.h"
#include "lib/core/face_messages.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/core/error_event.h"
#include "lib/core/provider.h"
#include "lib/core/stream.h"
#include "lib/http/req.h"
#include "tests/unit/tap.h"

#define HEAD	"{\"model\":\"m\",\"max_tokens\":9,"
#define ASKED	"\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define OUT	"{\"model\":\"m\",\"messages\":["
#define OUT_HI	OUT "{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":9"

static struct wl_arena		*arena;
static struct wl_ask		 ask;
static struct wl_err		 e;
static struct wl_target		 t[3];
static struct wl_result		 res;
static struct wl_buf		 said, last;
static struct wl_face_messages	*f;

static void
reset(void)
{
	wl_arena_free(arena);
	arena = wl_arena_new(64 << 20);
	CU_ASSERT_FATAL(arena != NULL);
	memset(&e, 0, sizeof(e));
	memset(t, 0, sizeof(t));
	t[0] = (struct wl_target){ .wire = &wl_provider_openai,
	    .provider = "openai", .base_url = "https://api.example/v1",
	    .auth = "bearer", .model = "m", .key = "" };
	CU_ASSERT_EQUAL_FATAL(wl_result_init(&res, arena, 1000), 0);
	wl_buf_reset(&said);
	wl_buf_reset(&last);
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

static void
check_request(const char *body, const char *want)
{
	reset();
	read_ask(body);
	CU_ASSERT_EQUAL_FATAL(wl_face_messages_targets(arena, &ask, t, 1, &e),
	    1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t[0].ask);
	CU_ASSERT_EQUAL(t[0].ask->api, WL_API_CHAT);
	CU_ASSERT(wl_str_eq(t[0].ask->model, "m"));
	if (!wl_str_eq(t[0].ask->body, want))
		printf("# got  %s\n# want %s\n", t[0].ask->body.p, want);
	CU_ASSERT(wl_str_eq(t[0].ask->body, want));
}

static void
requests(void)
{
	check_request(HEAD ASKED "}", OUT_HI "}");
	check_request(HEAD ASKED ",\"system\":\"S\",\"stream\":true,"
	    "\"stop_sequences\":[\"x\"],\"temperature\":0.5,\"top_p\":0.25,"
	    "\"top_k\":3,\"metadata\":{\"user_id\":\"u\"},"
	    "\"service_tier\":\"auto\",\"container\":null}",
	    OUT "{\"role\":\"system\",\"content\":\"S\"},"
	    "{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":9,"
	    "\"stop\":[\"x\"],\"stream\":true,\"temperature\":0.5,"
	    "\"top_p\":0.25,\"top_k\":3,\"user\":\"u\"}");
	check_request(HEAD ASKED ",\"system\":[{\"type\":\"text\",\"text\":"
	    "\"A\",\"cache_control\":{\"type\":\"ephemeral\"}},"
	    "{\"type\":\"text\",\"text\":\"B\"}]}",
	    OUT "{\"role\":\"system\",\"content\":[{\"type\":\"text\","
	    "\"text\":\"A\"},{\"type\":\"text\",\"text\":\"B\"}]},"
	    "{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":9}");
}

static void
tools(void)
{
	check_request(HEAD ASKED ",\"tools\":[{\"name\":\"f\","
	    "\"description\":\"d\",\"input_schema\":{\"type\":\"object\"},"
	    "\"cache_control\":{\"type\":\"ephemeral\"}}],\"tool_choice\":"
	    "{\"type\":\"tool\",\"name\":\"f\","
	    "\"disable_parallel_tool_use\":true}}",
	    OUT_HI ",\"tools\":[{\"type\":\"function\",\"function\":"
	    "{\"name\":\"f\",\"description\":\"d\",\"parameters\":"
	    "{\"type\":\"object\"}}}],\"tool_choice\":{\"type\":\"function\","
	    "\"function\":{\"name\":\"f\"}},\"parallel_tool_calls\":false}");
	check_request(HEAD ASKED ",\"tool_choice\":{\"type\":\"any\"}}",
	    OUT_HI ",\"tool_choice\":\"required\"}");
	check_request(HEAD ASKED ",\"tool_choice\":{\"type\":\"none\"}}",
	    OUT_HI ",\"tool_choice\":\"none\"}");
	check_request(HEAD "\"messages\":[{\"role\":\"assistant\","
	    "\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\","
	    "\"signature\":\"s\"},{\"type\":\"text\",\"text\":\"a\"},"
	    "{\"type\":\"text\",\"text\":\"b\"},{\"type\":\"tool_use\","
	    "\"id\":\"i\",\"name\":\"f\",\"input\":{\"x\":\"a/b\"}}]},"
	    "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
	    "\"tool_use_id\":\"i\",\"content\":[{\"type\":\"text\","
	    "\"text\":\"no\"}],\"is_error\":true},{\"type\":\"tool_result\","
	    "\"tool_use_id\":\"j\"},{\"type\":\"text\",\"text\":\"so?\"}]}]}",
	    OUT "{\"role\":\"assistant\",\"content\":\"ab\",\"tool_calls\":["
	    "{\"id\":\"i\",\"type\":\"function\",\"function\":{\"name\":\"f\","
	    "\"arguments\":\"{\\\"x\\\":\\\"a/b\\\"}\"}}]},"
	    "{\"role\":\"tool\",\"tool_call_id\":\"i\",\"content\":"
	    "\"Error: no\"},{\"role\":\"tool\",\"tool_call_id\":\"j\","
	    "\"content\":\"\"},{\"role\":\"user\",\"content\":\"so?\"}],"
	    "\"max_tokens\":9}");
}

static void
pictures(void)
{
	check_request(HEAD "\"messages\":[{\"role\":\"user\",\"content\":["
	    "{\"type\":\"image\",\"source\":{\"type\":\"base64\","
	    "\"media_type\":\"image/png\",\"data\":\"QUJD\"}},"
	    "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":"
	    "\"https://x.example/a.png\"}},{\"type\":\"document\","
	    "\"title\":\"t.pdf\",\"source\":{\"type\":\"base64\","
	    "\"media_type\":\"application/pdf\",\"data\":\"QUJD\"}},"
	    "{\"type\":\"text\",\"text\":\"What?\"}]}]}",
	    OUT "{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
	    "\"image_url\":{\"url\":\"data:image/png;base64,QUJD\"}},"
	    "{\"type\":\"image_url\",\"image_url\":{\"url\":"
	    "\"https://x.example/a.png\"}},{\"type\":\"file\",\"file\":{"
	    "\"filename\":\"t.pdf\",\"file_data\":"
	    "\"data:application/pdf;base64,QUJD\"}},{\"type\":\"text\","
	    "\"text\":\"What?\"}]}],\"max_tokens\":9}");
}

static void
thinking(void)
{
	check_request(HEAD ASKED ",\"thinking\":{\"type\":\"enabled\","
	    "\"budget_tokens\":2048}}", OUT_HI
	    ",\"reasoning_effort\":\"low\"}");
	check_request(HEAD ASKED ",\"thinking\":{\"type\":\"enabled\","
	    "\"budget_tokens\":10000}}", OUT_HI
	    ",\"reasoning_effort\":\"high\"}");
	check_request(HEAD ASKED ",\"thinking\":{\"type\":\"disabled\"}}",
	    OUT_HI "}");
	check_request(HEAD ASKED ",\"thinking\":{\"type\":\"adaptive\"},"
	    "\"output_config\":{\"effort\":\"medium\",\"format\":{\"type\":"
	    "\"json_schema\",\"schema\":{\"type\":\"object\"}}}}", OUT_HI
	    ",\"reasoning_effort\":\"medium\",\"response_format\":{\"type\":"
	    "\"json_schema\",\"json_schema\":{\"name\":\"output\",\"schema\":"
	    "{\"type\":\"object\"},\"strict\":true}}}");
}

/*
 * Models that know the limit by another name.
 */
static void
limits(void)
{
	static const struct {
		const char	*model;
		bool		 reasoning;
	} rows[] = {
		{ "gpt-4o", false }, { "gpt-3.5-turbo", false },
		{ "gpt-oss-120b", false }, { "llama-3", false },
		{ "o1", true }, { "o3-mini", true }, { "openai/o4-mini", true },
		{ "gpt-5", true }, { "gpt-5.1-codex", true },
		{ "gpt-10", true }, { "openai/gpt-4.1", false },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		reset();
		read_ask(HEAD ASKED "}");
		t[0].model = rows[i].model;
		CU_ASSERT_EQUAL_FATAL(wl_face_messages_targets(arena, &ask, t,
		    1, &e), 1);
		CU_ASSERT_EQUAL(wl_json_has(t[0].ask->json,
		    "max_completion_tokens"), rows[i].reasoning);
		CU_ASSERT_EQUAL(wl_json_has(t[0].ask->json, "max_tokens"),
		    !rows[i].reasoning);
	}
}

#define USER(blocks)	"\"messages\":[{\"role\":\"user\",\"content\":[" \
    blocks "]}]}"

static void
refusals(void)
{
	static const struct {
		const char	*body, *param;
	} rows[] = {
		{ ASKED ",\"mcp_servers\":[]}", "mcp_servers" },
		{ ASKED ",\"container\":\"c\"}", "container" },
		{ ASKED ",\"speed\":\"fast\"}", "speed" },
		{ ASKED ",\"metadata\":{\"x\":1}}", "metadata.x" },
		{ ASKED ",\"metadata\":1}", "metadata" },
		{ ASKED ",\"tools\":[{\"type\":\"web_search_20250305\","
		    "\"name\":\"web_search\"}]}", "tools.0" },
		{ ASKED ",\"tools\":[{\"name\":\"f\"},{\"name\":\"g\","
		    "\"defer_loading\":true}]}", "tools.1.defer_loading" },
		{ ASKED ",\"tools\":{}}", "tools" },
		{ ASKED ",\"tools\":[1]}", "tools.0" },
		{ ASKED ",\"tool_choice\":\"auto\"}", "tool_choice" },
		{ ASKED ",\"tool_choice\":{\"type\":\"x\"}}", "tool_choice" },
		{ ASKED ",\"thinking\":{\"type\":\"enabled\"}}", "thinking" },
		{ ASKED ",\"thinking\":{\"type\":\"enabled\",\"x\":1}}",
		    "thinking.x" },
		{ ASKED ",\"output_config\":{\"effort\":\"max\"}}",
		    "output_config.effort" },
		{ ASKED ",\"output_config\":{\"format\":{\"type\":\"x\"}}}",
		    "output_config.format" },
		{ ASKED ",\"system\":[{\"type\":\"image\"}]}", "system.0" },
		{ ASKED ",\"system\":5}", "system" },
		{ USER("{\"type\":\"search_result\"}"),
		    "messages.0.content.0" },
		{ USER("5"), "messages.0.content.0" },
		{ USER("{\"type\":\"image\",\"source\":{\"type\":\"file\"}}"),
		    "messages.0.content.0.source" },
		{ USER("{\"type\":\"image\"}"),
		    "messages.0.content.0.source" },
		{ USER("{\"type\":\"document\",\"source\":{\"type\":\"text\","
		    "\"data\":\"d\"}}"), "messages.0.content.0.source" },
		{ USER("{\"type\":\"document\",\"context\":\"c\"}"),
		    "messages.0.content.0.context" },
		{ USER("{\"type\":\"tool_result\",\"content\":\"x\"}"),
		    "messages.0.content.0" },
		{ USER("{\"type\":\"tool_result\",\"tool_use_id\":\"i\","
		    "\"content\":[{\"type\":\"image\"}]}"),
		    "messages.0.content.0.content.0" },
		{ "\"messages\":[{\"role\":\"x\",\"content\":\"y\"}]}",
		    "messages.0.role" },
		{ "\"messages\":[{\"role\":\"user\"}]}", "messages.0.content" },
		{ "\"messages\":[{\"role\":\"user\",\"content\":\"y\","
		    "\"x\":1}]}", "messages.0.x" },
		{ "\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
		    "{\"role\":\"assistant\",\"content\":\"b\"}]}",
		    "messages.1" },
		{ "\"messages\":[{\"role\":\"assistant\",\"content\":["
		    "{\"type\":\"server_tool_use\"}]},{\"role\":\"user\","
		    "\"content\":\"a\"}]}", "messages.0.content.0" },
		{ "\"messages\":[{\"role\":\"assistant\",\"content\":["
		    "{\"type\":\"tool_use\",\"id\":\"i\"}]},{\"role\":\"user\","
		    "\"content\":\"a\"}]}", "messages.0.content.0" },
	};
	char body[512];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		reset();
		snprintf(body, sizeof(body), HEAD "%s", rows[i].body);
		read_ask(body);
		CU_ASSERT_EQUAL(wl_face_messages_targets(arena, &ask, t, 1,
		    &e), -1);
		CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
		CU_ASSERT_PTR_NOT_NULL_FATAL(e.param);
		if (strcmp(e.param, rows[i].param) != 0)
			printf("# %s: %s\n", rows[i].param, e.param);
		CU_ASSERT_STRING_EQUAL(e.param, rows[i].param);
		CU_ASSERT(strstr(e.msg, rows[i].param) != NULL);
	}
}

/*
 * Who has messages of his own gets them as they came; who cannot be asked is
 * left out where another can.
 */
static void
targets(void)
{
	reset();
	read_ask(HEAD ASKED ",\"mcp_servers\":[]}");
	t[1] = t[2] = t[0];
	t[1].wire = &wl_provider_anthropic;
	CU_ASSERT_EQUAL(wl_face_messages_targets(arena, &ask, t, 3, &e), 1);
	CU_ASSERT_PTR_EQUAL(t[0].wire, &wl_provider_anthropic);
	CU_ASSERT_PTR_NULL(t[0].ask);
	reset();
	read_ask(HEAD ASKED "}");
	t[1] = t[0];
	t[0].wire = &wl_provider_anthropic;
	CU_ASSERT_EQUAL(wl_face_messages_targets(arena, &ask, t, 2, &e), 2);
	CU_ASSERT_PTR_NULL(t[0].ask);
	CU_ASSERT_PTR_NOT_NULL(t[1].ask);
}

/* ---- answers ---- */

static int
sink_begin(struct wl_sink *s, int status, const char *type, bool stream)
{
	(void)s;
	wl_buf_printf(&said, "%d %s %d|", status, type, stream);
	return 0;
}

static int
sink_data(struct wl_sink *s, const char *p, size_t len)
{
	(void)s;
	wl_buf_add(&said, p, len);
	return 0;
}

static int
sink_heartbeat(struct wl_sink *s)
{
	(void)s;
	wl_buf_adds(&said, ": beat\n\n");
	return 0;
}

static int
sink_trailer(struct wl_sink *s, const struct wl_result *r)
{
	(void)s;
	(void)r;
	wl_buf_adds(&said, ": trailer\n\n");
	return 0;
}

static int
sink_end(struct wl_sink *s, const char *p, size_t len)
{
	(void)s;
	wl_buf_add(&last, p, len);
	return 0;
}

static struct wl_sink client = { .begin = sink_begin, .data = sink_data,
    .heartbeat = sink_heartbeat, .trailer = sink_trailer, .end = sink_end,
    .fd = 7 };

static void
start(const char *body)
{
	reset();
	read_ask(body);
	client.begun = client.data_sent = false;
	f = wl_face_messages_new(&client, arena, &ask, &res, "id-1", &e);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(f->sink.fd, 7);
	res.api = WL_API_CHAT;
	snprintf(res.response_id, sizeof(res.response_id), "chatcmpl-1");
	snprintf(res.model_used, sizeof(res.model_used), "m-1");
}

static void
answer(const char *body, const char *finish)
{
	snprintf(res.finish_reason, sizeof(res.finish_reason), "%s", finish);
	res.usage = (struct wl_usage){ 3, 2, -1, 4, 1, WL_U_PROVIDER, 0 };
	CU_ASSERT_EQUAL(f->sink.begin(&f->sink, 200, "application/json; x",
	    false), 0);
	CU_ASSERT_EQUAL(f->sink.data(&f->sink, body, strlen(body)), 0);
}

#define TOLD(content, reason)	"200 application/json 0|{\"id\":" \
    "\"chatcmpl-1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":" \
    "\"m-1\",\"content\":[" content "],\"stop_reason\":\"" reason "\"," \
    "\"stop_sequence\":null,\"usage\":{\"input_tokens\":3," \
    "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":2," \
    "\"output_tokens\":5,\"output_tokens_details\":{\"thinking_tokens\":1}}}"

static void
answers(void)
{
	start(HEAD ASKED "}");
	answer("{\"choices\":[{\"message\":{\"content\":\"Hi\","
	    "\"reasoning_content\":\"hm\"}}]}", "stop");
	CU_ASSERT_STRING_EQUAL(said.p, TOLD("{\"type\":\"text\",\"text\":"
	    "\"Hi\"}", "end_turn"));
	CU_ASSERT_EQUAL(wl_face_messages_end(f, &res), 0);
	CU_ASSERT(client.begun && client.data_sent);

	start(HEAD ASKED ",\"thinking\":{\"type\":\"adaptive\"}}");
	answer("{\"choices\":[{\"message\":{\"content\":null,"
	    "\"reasoning_content\":\"hm\",\"tool_calls\":[{\"id\":\"c\","
	    "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}},"
	    "{\"id\":\"d\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}"
	    "]}}]}", "stop");
	CU_ASSERT_STRING_EQUAL(said.p, TOLD("{\"type\":\"thinking\","
	    "\"thinking\":\"hm\",\"signature\":\"\"},{\"type\":\"tool_use\","
	    "\"id\":\"c\",\"name\":\"f\",\"input\":{\"a\":1}},"
	    "{\"type\":\"tool_use\",\"id\":\"d\",\"name\":\"g\","
	    "\"input\":{}}", "tool_use"));

	start(HEAD ASKED "}");
	answer("{\"choices\":[{\"message\":{\"tool_calls\":[{\"function\":"
	    "{\"name\":\"f\",\"arguments\":{\"a\":1}}}]}}]}", "stop");
	CU_ASSERT_STRING_EQUAL(said.p, TOLD("{\"type\":\"tool_use\",\"id\":"
	    "\"toolu_id-1_0\",\"name\":\"f\",\"input\":{\"a\":1}}",
	    "tool_use"));

	start(HEAD ASKED "}");
	answer("{\"choices\":[{\"message\":{\"refusal\":\"No.\"}}]}", "stop");
	CU_ASSERT_STRING_EQUAL(said.p, TOLD("{\"type\":\"text\",\"text\":"
	    "\"No.\"}", "refusal"));

	start(HEAD ASKED "}");
	answer("{\"choices\":[{\"message\":{\"content\":\"H\"}}]}", "length");
	CU_ASSERT_STRING_EQUAL(said.p, TOLD("{\"type\":\"text\",\"text\":"
	    "\"H\"}", "max_tokens"));
}

/*
 * What cannot be told is no answer: nothing of it was passed on.
 */
static void
no_answers(void)
{
	static const char cut[] = "{\"choices\":[{\"message\":{\"tool_calls\":"
	    "[{\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":"
	    "\"}}]}}]}";
	static const char *const bodies[] = { "{\"choices\":5}", "[]", cut };
	size_t i;

	for (i = 0; i < 3; i++) {
		start(HEAD ASKED "}");
		answer(bodies[i], "stop");
		CU_ASSERT_STRING_EQUAL(said.p, "200 application/json 0|");
		CU_ASSERT_EQUAL(wl_face_messages_end(f, &res), -1);
		CU_ASSERT_EQUAL(res.err.code, WL_E_UPSTREAM_INVALID);
		CU_ASSERT_EQUAL(res.http, 502);
	}
}

static void
as_it_comes(void)
{
	start(HEAD ASKED "}");
	res.api = WL_API_MESSAGES;
	CU_ASSERT_EQUAL(f->sink.begin(&f->sink, 200, "x/y", true), 0);
	CU_ASSERT_EQUAL(f->sink.heartbeat(&f->sink), 0);
	CU_ASSERT_EQUAL(f->sink.data(&f->sink, "abc", 3), 0);
	CU_ASSERT_EQUAL(f->sink.trailer(&f->sink, &res), 0);
	CU_ASSERT_EQUAL(f->sink.end(&f->sink, "end", 3), 0);
	CU_ASSERT_STRING_EQUAL(said.p, "200 x/y 1|: beat\n\nabc: trailer\n\n");
	CU_ASSERT_STRING_EQUAL(last.p, "end");
}

/* ---- streams ---- */

#define CHUNK(delta)	"data: {\"id\":\"chatcmpl-1\",\"model\":\"m-1\"," \
    "\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":null" \
    "}]}\n\n"
#define FINISH(reason)	"data: {\"choices\":[{\"index\":0,\"delta\":{}," \
    "\"finish_reason\":\"" reason "\"}]}\n\n"
#define EV(name, rest)	"event: " name "\ndata: {\"type\":\"" name "\"" rest \
    "}\n\n"
#define START	"200 text/event-stream 1|" EV("message_start", \
    ",\"message\":{\"id\":\"chatcmpl-1\",\"type\":\"message\",\"role\":" \
    "\"assistant\",\"model\":\"m-1\",\"content\":[],\"stop_reason\":null," \
    "\"stop_sequence\":null,\"usage\":{\"input_tokens\":0," \
    "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0," \
    "\"output_tokens\":0}}")
#define BLOCK(i, rest)	EV("content_block_start", ",\"index\":" i \
    ",\"content_block\":{" rest "}")
#define DELTA(i, rest)	EV("content_block_delta", ",\"index\":" i \
    ",\"delta\":{" rest "}")
#define STOP(i)		EV("content_block_stop", ",\"index\":" i)
#define TEXT(i, s)	DELTA(i, "\"type\":\"text_delta\",\"text\":\"" s "\"")
#define JSON(i, s)	DELTA(i, "\"type\":\"input_json_delta\"," \
    "\"partial_json\":\"" s "\"")
#define OVER(reason)	EV("message_delta", ",\"delta\":{\"stop_reason\":\"" \
    reason "\",\"stop_sequence\":null},\"usage\":{\"input_tokens\":3," \
    "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0," \
    "\"output_tokens\":4}") ": trailer\n\n"

/*
 * The events of TEXT, in pieces of STEP bytes.
 */
static void
stream_by(const char *text, size_t step)
{
	size_t n = strlen(text), i;

	CU_ASSERT_EQUAL(f->sink.begin(&f->sink, 200, "text/event-stream; x",
	    true), 0);
	for (i = 0; i < n; i += step)
		CU_ASSERT_EQUAL(f->sink.data(&f->sink, text + i,
		    i + step < n ? step : n - i), 0);
	res.usage = (struct wl_usage){ 3, -1, -1, 4, -1, WL_U_PROVIDER, 0 };
	CU_ASSERT_EQUAL(f->sink.trailer(&f->sink, &res), 0);
	CU_ASSERT_EQUAL(f->sink.end(&f->sink, "data: [DONE]\n\n", 14), 0);
}

static void
check_stream(const char *body, const char *text, const char *want)
{
	static const size_t steps[] = { 1, 7, 100000 };
	size_t i;

	for (i = 0; i < 3; i++) {
		start(body);
		stream_by(text, steps[i]);
		if (strcmp(said.p, want) != 0)
			printf("# got\n%s\n# want\n%s\n", said.p, want);
		CU_ASSERT_STRING_EQUAL(said.p, want);
		CU_ASSERT_STRING_EQUAL(last.p, EV("message_stop", ""));
		CU_ASSERT_EQUAL(wl_face_messages_end(f, &res), 0);
	}
}

static void
streams(void)
{
	check_stream(HEAD ASKED "}", CHUNK("\"role\":\"assistant\","
	    "\"content\":\"\",\"reasoning\":\"hm\"") ": c\n\n"
	    CHUNK("\"content\":\"Hel\"") CHUNK("\"content\":\"lo\"")
	    FINISH("stop") "data: {\"choices\":[],\"usage\":{}}\n\n",
	    START BLOCK("0", "\"type\":\"text\",\"text\":\"\"")
	    TEXT("0", "Hel") TEXT("0", "lo") STOP("0") OVER("end_turn"));
	check_stream(HEAD ASKED "}", FINISH("length"),
	    START OVER("max_tokens"));
	check_stream(HEAD ASKED ",\"thinking\":{\"type\":\"adaptive\"}}",
	    CHUNK("\"reasoning_content\":\"hm\"") CHUNK("\"content\":\"a\"")
	    CHUNK("\"refusal\":\"no\""),
	    START BLOCK("0", "\"type\":\"thinking\",\"thinking\":\"\","
	    "\"signature\":\"\"") DELTA("0", "\"type\":\"thinking_delta\","
	    "\"thinking\":\"hm\"") STOP("0") BLOCK("1", "\"type\":\"text\","
	    "\"text\":\"\"") TEXT("1", "a") TEXT("1", "no") STOP("1")
	    OVER("refusal"));
}

#define CALL(i, id, name, args)	CHUNK("\"tool_calls\":[{\"index\":" i "," \
    "\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name \
    "\",\"arguments\":\"" args "\"}}]")
#define ARGS(i, args)	CHUNK("\"tool_calls\":[{\"index\":" i "," \
    "\"function\":{\"arguments\":\"" args "\"}}]")
#define TOOL(i, id, name)	BLOCK(i, "\"type\":\"tool_use\",\"id\":\"" id \
    "\",\"name\":\"" name "\",\"input\":{}")

static void
tool_streams(void)
{
	check_stream(HEAD ASKED "}", CHUNK("\"content\":\"ok\"")
	    CALL("0", "c", "f", "") ARGS("0", "{\\\"a\\\"") ARGS("0", ":1}")
	    CALL("1", "d", "g", "{}") FINISH("tool_calls"),
	    START BLOCK("0", "\"type\":\"text\",\"text\":\"\"")
	    TEXT("0", "ok") STOP("0") TOOL("1", "c", "f")
	    JSON("1", "{\\\"a\\\"") JSON("1", ":1}") STOP("1")
	    TOOL("2", "d", "g") JSON("2", "{}") STOP("2") OVER("tool_use"));
	/* without ids, and at once */
	check_stream(HEAD ASKED "}", CHUNK("\"tool_calls\":[{\"function\":"
	    "{\"name\":\"f\",\"arguments\":\"{}\"}},{\"function\":"
	    "{\"name\":\"g\"}}]") FINISH("stop"),
	    START TOOL("0", "toolu_id-1_0", "f") JSON("0", "{}") STOP("0")
	    TOOL("1", "toolu_id-1_1", "g") STOP("1") OVER("tool_use"));
	/* all numbered 0 */
	check_stream(HEAD ASKED "}", CALL("0", "c", "f", "{}")
	    CALL("0", "d", "g", "{}") FINISH("stop"),
	    START TOOL("0", "c", "f") JSON("0", "{}") STOP("0")
	    TOOL("1", "d", "g") JSON("1", "{}") STOP("1") OVER("tool_use"));
}

/*
 * A stream that cannot be told ends with an error, and says no more.
 */
static void
broken_streams(void)
{
	static const char *const texts[] = {
		CALL("0", "c", "f", "{") CALL("1", "d", "g", "{}")
		    ARGS("0", "}"),
		"data: {\"choices\":\n\n",
	};
	size_t i, n;

	for (i = 0; i < 2; i++) {
		start(HEAD ASKED ",\"stream\":true}");
		stream_by(texts[i], 100000);
		n = said.len;
		CU_ASSERT_PTR_NOT_NULL(strstr(said.p, "event: error\ndata: "
		    "{\"type\":\"error\",\"error\":{"));
		CU_ASSERT_PTR_NULL(strstr(said.p, "message_delta"));
		CU_ASSERT_EQUAL(last.len, 0);
		CU_ASSERT_EQUAL(f->sink.data(&f->sink, "x", 1), 0);
		CU_ASSERT_EQUAL(f->sink.heartbeat(&f->sink), 0);
		CU_ASSERT_EQUAL(said.len, n);
		CU_ASSERT_EQUAL(wl_face_messages_end(f, &res), -1);
		CU_ASSERT_EQUAL(res.err.code, WL_E_UPSTREAM_INVALID);
	}
}

/*
 * An error of the call is written for the client, and goes through.
 */
static void
failed_stream(void)
{
	const char *text = CHUNK("\"content\":\"a\"");

	start(HEAD ASKED ",\"stream\":true}");
	CU_ASSERT_EQUAL(f->sink.heartbeat(&f->sink), 0);
	CU_ASSERT_EQUAL(f->sink.data(&f->sink, text, strlen(text)), 0);
	wl_err_set(&res.err, WL_E_UPSTREAM, NULL);
	CU_ASSERT_EQUAL(f->sink.trailer(&f->sink, &res), 0);
	CU_ASSERT_EQUAL(f->sink.end(&f->sink, "error", 5), 0);
	CU_ASSERT_STRING_EQUAL(last.p, "error");
	CU_ASSERT_PTR_NULL(strstr(said.p, "message_delta"));
	CU_ASSERT_EQUAL(wl_face_messages_end(f, &res), 0);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "requests", requests },
		{ "tools", tools },
		{ "pictures and documents", pictures },
		{ "thinking and the form of the output", thinking },
		{ "limits of the output", limits },
		{ "what a chat cannot express", refusals },
		{ "whom it is for", targets },
		{ "answers", answers },
		{ "what is none", no_answers },
		{ "as it comes", as_it_comes },
		{ "streams", streams },
		{ "streams of tools", tool_streams },
		{ "streams that cannot be told", broken_streams },
		{ "a stream that fails", failed_stream },
		{ NULL, NULL }
	};
	int rc = wl_tap_run("face_messages", tests);

	wl_arena_free(arena);
	wl_buf_free(&said);
	wl_buf_free(&last);
	return rc;
}
