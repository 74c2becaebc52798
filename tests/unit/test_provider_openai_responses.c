/*
 * The Responses API in OpenAI's wire format: what is asked, what is read, and
 * how a stream of it fails.  The shapes are those of the published
 * specification (openai-openapi).
 */
#include "config.h"
#include "lib/core/provider.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/core/error_event.h"
#include "lib/core/model.h"
#include "lib/http/req.h"
#include "tests/unit/tap.h"

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
	target = (struct wl_target){
		.wire = &wl_provider_openai, .provider = "openai",
		.base_url = "https://api.example/v1", .auth = "bearer",
		.model = "m", .key = "sk-secret-0123456789",
		.stream_options = true
	};
	CU_ASSERT_EQUAL_FATAL(wl_result_init(&res, arena, 1000), 0);
}

static void
read_ask(const char *body)
{
	static char json[] = "application/json";
	struct wl_req req = { .arena = arena, .content_type = json,
	    .body = wl_str_of(body) };

	memset(&e, 0, sizeof(e));
	wl_ask_read(&ask, WL_API_RESPONSES, &req);
	CU_ASSERT_EQUAL_FATAL(ask.fault.code, WL_OK);
}

static void
requests(void)
{
	static const char body[] = "{\"model\":\"p/m\",\"input\":\"12345678\","
	    "\"instructions\":\"1234\",\"stream\":true,"
	    "\"max_output_tokens\":50}";

	reset();
	read_ask(body);
	CU_ASSERT_EQUAL(wl_ask_check(&ask, &e), 0);
	CU_ASSERT(ask.stream);
	CU_ASSERT_EQUAL(ask.max_tokens, 50);
	CU_ASSERT_EQUAL(ask.input_estimate, 3);
	CU_ASSERT_EQUAL(wl_provider_openai.request(arena, &ask, &target,
	    "id-1", &up, &e), 0);
	CU_ASSERT_STRING_EQUAL(up.url, "https://api.example/v1/responses");
	/* it tells its usage unasked */
	CU_ASSERT(!up.hide_usage);
	CU_ASSERT(wl_str_eq(up.body, "{\"model\":\"m\",\"input\":\"12345678\","
	    "\"instructions\":\"1234\",\"stream\":true,"
	    "\"max_output_tokens\":50}"));
}

static void
checks(void)
{
	static const struct {
		const char	*body, *param;	/* NULL: good */
	} rows[] = {
		{ "{\"model\":\"m\",\"input\":[]}", NULL },
		{ "{\"model\":\"m\",\"input\":\"\"}", NULL },
		{ "{\"model\":\"m\",\"prompt\":{\"id\":\"pmpt_1\"}}", NULL },
		{ "{\"model\":\"m\",\"previous_response_id\":\"resp_1\"}",
		    NULL },
		{ "{\"model\":\"m\",\"conversation\":\"conv_1\"}", NULL },
		{ "{\"model\":\"m\",\"input\":\"x\",\"background\":false}",
		    NULL },
		{ "{\"model\":\"m\",\"input\":\"x\",\"background\":true}",
		    "background" },
		{ "{\"model\":\"m\",\"input\":\"x\",\"background\":{}}",
		    "background" },
		{ "{\"model\":\"m\",\"input\":null}", "input" },
		{ "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}",
		    "input" },
		{ "{\"input\":\"x\"}", "model" },
		{ "{\"model\":\"m\",\"input\":\"x\",\"stream\":1}", "stream" },
	};
	size_t i;
	int rc;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		reset();
		read_ask(rows[i].body);
		rc = wl_ask_check(&ask, &e);
		CU_ASSERT_EQUAL(rc, rows[i].param == NULL ? 0 : -1);
		if (rc == -1 && rows[i].param != NULL)
			CU_ASSERT_STRING_EQUAL(e.param, rows[i].param);
	}
}

#define HEAD	"{\"id\":\"resp_1\",\"object\":\"response\"," \
	"\"created_at\":1741476777,"
#define TAIL	",\"usage\":{\"input_tokens\":36,\"input_tokens_details\":" \
	"{\"cached_tokens\":4},\"output_tokens\":87,\"output_tokens_details\"" \
	":{\"reasoning_tokens\":7},\"total_tokens\":123},\"user\":null}"
#define OUTPUT	"[{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{" \
	"\"type\":\"summary_text\",\"text\":\"hm\"}]},{\"type\":\"message\"," \
	"\"id\":\"msg_1\",\"status\":\"completed\",\"role\":\"assistant\"," \
	"\"content\":[{\"type\":\"output_text\",\"text\":\"Hi \"," \
	"\"annotations\":[]},{\"type\":\"refusal\",\"refusal\":\"no\"}]},{" \
	"\"type\":\"function_call\",\"id\":\"fc_1\",\"call_id\":\"call_1\"," \
	"\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"},{\"type\":" \
	"\"web_search_call\",\"id\":\"ws_1\",\"status\":\"completed\"}]"

static int
answer(const char *body)
{
	reset();
	read_ask("{\"model\":\"m\",\"input\":\"x\"}");
	return wl_provider_openai.answer(arena, &ask, &target,
	    wl_str_of(body), &res);
}

static void
answers(void)
{
	CU_ASSERT_EQUAL(answer(HEAD "\"status\":\"completed\",\"error\":null,"
	    "\"incomplete_details\":null,\"model\":\"m-2025\",\"output\":"
	    OUTPUT TAIL), 0);
	CU_ASSERT_STRING_EQUAL(res.response_id, "resp_1");
	CU_ASSERT_STRING_EQUAL(res.model_used, "m-2025");
	CU_ASSERT_STRING_EQUAL(res.finish_reason, "completed");
	CU_ASSERT_STRING_EQUAL(res.text.p, "Hi no");
	CU_ASSERT_STRING_EQUAL(res.tools.p, "{\"index\":2,\"id\":\"call_1\","
	    "\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}");
	CU_ASSERT_EQUAL(res.output_bytes, 2 + 3 + 2 + 1 + 7);
	CU_ASSERT_EQUAL(res.usage.source, WL_U_PROVIDER);
	CU_ASSERT_EQUAL(res.usage.input, 32);
	CU_ASSERT_EQUAL(res.usage.cache_read, 4);
	CU_ASSERT_EQUAL(res.usage.output, 80);
	CU_ASSERT_EQUAL(res.usage.reasoning, 7);
	CU_ASSERT_EQUAL(answer(HEAD "\"status\":\"incomplete\",\"error\":null,"
	    "\"incomplete_details\":{\"reason\":\"max_output_tokens\"},"
	    "\"model\":\"m\",\"output\":[]" TAIL), 0);
	CU_ASSERT_STRING_EQUAL(res.finish_reason, "max_output_tokens");
}

static void
no_answers(void)
{
	static const char *const rows[] = {
		"", "{", "[]", "{}", "{\"object\":\"list\",\"data\":[]}",
		"{\"choices\":[]}", "{\"output\":{}}", "{\"output\":null}",
		"{\"output\":\"text\"}",
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_EQUAL(answer(rows[i]), -1);
		CU_ASSERT_EQUAL(res.err.code, WL_OK);
	}
}

/*
 * It has the status 200, and tells of a failure: it passes, unless it has the
 * key in it, or is no response.
 */
static void
failed_answer(void)
{
	CU_ASSERT_EQUAL(answer(HEAD "\"status\":\"failed\",\"error\":{\"code\":"
	    "\"server_error\",\"message\":\"broke\"},\"model\":\"m\","
	    "\"output\":[]" TAIL), 0);
	CU_ASSERT_EQUAL(res.err.code, WL_OK);
	CU_ASSERT_EQUAL(res.refusal.len, 0);
	CU_ASSERT_STRING_EQUAL(res.finish_reason, "failed");
	CU_ASSERT_STRING_EQUAL(res.upstream_code, "server_error");
	CU_ASSERT_EQUAL(res.usage.output, 80);
	CU_ASSERT_EQUAL(answer(HEAD "\"status\":\"failed\",\"error\":{\"code\":"
	    "\"server_error\",\"message\":\"broke, \\u0073k-secret-0123456789\"},"
	    "\"model\":\"m\",\"output\":[]" TAIL), -1);
	CU_ASSERT_EQUAL(res.err.code, WL_E_UPSTREAM);
	CU_ASSERT_PTR_NOT_NULL(strstr(res.err.msg, "broke"));
	CU_ASSERT_PTR_NULL(strstr(res.err.msg, "sk-secret"));
	CU_ASSERT_EQUAL(answer("{\"error\":{\"code\":\"invalid_api_key\","
	    "\"message\":\"wrong: sk-secret-0123456789\"}}"), -1);
	CU_ASSERT_EQUAL(res.err.code, WL_E_UPSTREAM);
	CU_ASSERT_PTR_NULL(strstr(res.err.msg, "sk-secret"));
}

static enum wl_chunk
event(const char *data)
{
	return wl_provider_openai.chunk(arena, &ask, &target, wl_str_of(data),
	    &res, NULL);
}

static void
stream(void)
{
	static const char *const rows[] = {
		"{\"type\":\"response.created\",\"sequence_number\":0,"
		    "\"response\":{\"id\":\"resp_1\",\"model\":\"m-2025\","
		    "\"status\":\"in_progress\",\"error\":null,\"output\":[],"
		    "\"usage\":null}}",
		"{\"type\":\"response.output_item.added\",\"output_index\":0,"
		    "\"item\":{\"type\":\"message\",\"content\":[]}}",
		"{\"type\":\"response.output_text.delta\",\"output_index\":0,"
		    "\"content_index\":0,\"delta\":\"Hi \"}",
		"{\"type\":\"response.refusal.delta\",\"delta\":\"no\"}",
		"{\"type\":\"response.reasoning_summary_text.delta\","
		    "\"delta\":\"hm\"}",
		"{\"type\":\"response.output_text.done\",\"text\":\"Hi \"}",
		"{\"type\":\"response.output_item.added\",\"output_index\":1,"
		    "\"item\":{\"type\":\"function_call\",\"call_id\":"
		    "\"call_1\",\"name\":\"f\",\"arguments\":\"\"}}",
		"{\"type\":\"response.function_call_arguments.delta\","
		    "\"output_index\":1,\"delta\":\"{\\\"x\"}",
		"{\"type\":\"response.function_call_arguments.delta\","
		    "\"output_index\":1,\"delta\":\"\\\":1}\"}",
		"{\"type\":\"response.function_call_arguments.delta\","
		    "\"output_index\":7,\"delta\":\"lost\"}",
		"{\"type\":\"response.output_item.done\",\"output_index\":1,"
		    "\"sequence_number\":9,\"item\":{\"type\":"
		    "\"function_call\",\"call_id\":\"call_1\",\"name\":\"f\","
		    "\"arguments\":\"{\\\"x\\\":1}\"}}",
		"{\"type\":\"response.output_item.done\",\"output_index\":0,"
		    "\"item\":{\"type\":\"message\",\"content\":[{\"type\":"
		    "\"output_text\",\"text\":\"Hi no\"}]}}",
		"{\"type\":\"response.mcp_call.failed\",\"error\":{\"message\":"
		    "\"of a tool\"}}",
		"{\"type\":\"response.not.yet.known\",\"x\":[1]}",
		"{}",
	};
	size_t i;

	reset();
	read_ask("{\"model\":\"m\",\"input\":\"x\",\"stream\":true}");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_EQUAL(event(rows[i]), WL_CHUNK_DATA);
	CU_ASSERT_EQUAL(res.sequence, 9);
	CU_ASSERT_EQUAL(res.usage.source, WL_U_NONE);
	CU_ASSERT_STRING_EQUAL(res.finish_reason, "");
	CU_ASSERT_EQUAL(event("{\"type\":\"response.completed\",\"response\":"
	    HEAD "\"status\":\"completed\",\"incomplete_details\":null,"
	    "\"model\":\"m-2025\",\"output\":[]" TAIL "}"), WL_CHUNK_DONE);
	wl_result_end(&res);
	CU_ASSERT_STRING_EQUAL(res.text.p, "Hi no");
	CU_ASSERT_STRING_EQUAL(res.tools.p, "{\"index\":1,\"id\":\"call_1\","
	    "\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}");
	CU_ASSERT_EQUAL(res.output_bytes, 3 + 2 + 2 + 3 + 4 + 4);
	CU_ASSERT_STRING_EQUAL(res.response_id, "resp_1");
	CU_ASSERT_STRING_EQUAL(res.model_used, "m-2025");
	CU_ASSERT_STRING_EQUAL(res.finish_reason, "completed");
	CU_ASSERT_EQUAL(res.usage.input, 32);
	CU_ASSERT_EQUAL(res.usage.output, 80);
	CU_ASSERT_EQUAL(event("{\"type\":\"response.incomplete\",\"response\":"
	    "{\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":"
	    "\"content_filter\"}}}"), WL_CHUNK_DONE);
	CU_ASSERT_STRING_EQUAL(res.finish_reason, "content_filter");
	CU_ASSERT_EQUAL(event("[DONE]"), WL_CHUNK_INVALID);
	CU_ASSERT_EQUAL(event("{"), WL_CHUNK_INVALID);
}

/*
 * What other hosts send: no pieces, other names, zeros before the end, deep
 * schemas sent back.
 */
static void
other_hosts(void)
{
	char deep[400], open[41], close[41];

	reset();
	read_ask("{\"model\":\"m\",\"input\":\"x\",\"stream\":true}");
	CU_ASSERT_EQUAL(event("{\"type\":\"response.created\",\"response\":{"
	    "\"status\":\"in_progress\",\"usage\":{\"input_tokens\":0,"
	    "\"output_tokens\":0,\"total_tokens\":0}}}"), WL_CHUNK_DATA);
	CU_ASSERT_EQUAL(res.usage.source, WL_U_NONE);
	CU_ASSERT_EQUAL(event("{\"type\":\"response.output_item.done\",\"item\":"
	    "{\"type\":\"message\",\"content\":[{\"type\":\"output_text\","
	    "\"text\":\"Hi\"}]}}"), WL_CHUNK_DATA);
	CU_ASSERT_STRING_EQUAL(res.text.p, "Hi");
	CU_ASSERT_EQUAL(res.output_bytes, 2);
	CU_ASSERT_EQUAL(event("{\"type\":\"response.done\",\"response\":{"
	    "\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}}"),
	    WL_CHUNK_DONE);
	CU_ASSERT_EQUAL(res.usage.output, 2);
	CU_ASSERT_EQUAL(event("{\"type\":\"response.x\",\"response\":{"
	    "\"status\":\"cancelled\"}}"), WL_CHUNK_DONE);
	CU_ASSERT_STRING_EQUAL(res.finish_reason, "cancelled");
	CU_ASSERT_EQUAL(event("{\"error\":{\"message\":\"x\"}}"),
	    WL_CHUNK_ERROR);
	CU_ASSERT_EQUAL(event("{\"type\":\"response.completed\",\"response\":{"
	    "\"status\":\"completed\",\"error\":{\"message\":\"x\"}}}"),
	    WL_CHUNK_ERROR);
	memset(open, '[', sizeof(open));
	memset(close, ']', sizeof(close));
	snprintf(deep, sizeof(deep), "{\"type\":\"response.completed\","
	    "\"response\":{\"status\":\"completed\",\"tools\":%.40s%.40s,"
	    "\"usage\":{\"input_tokens\":1,\"output_tokens\":7}}}", open,
	    close);
	CU_ASSERT_EQUAL(event(deep), WL_CHUNK_DONE);
	CU_ASSERT_EQUAL(res.usage.output, 7);
}

/*
 * Both ways in which a stream tells of its failure, and what clients get.
 */
static void
failures(void)
{
	static const char *const rows[] = {
		"{\"type\":\"response.failed\",\"sequence_number\":3,"
		    "\"response\":{\"id\":\"resp_1\",\"status\":\"failed\","
		    "\"error\":{\"code\":\"server_error\",\"message\":"
		    "\"broke sk-secret-0123456789\"}}}",
		"{\"type\":\"error\",\"sequence_number\":3,\"code\":"
		    "\"server_error\",\"message\":"
		    "\"broke sk-secret-0123456789\",\"param\":null}",
		"{\"type\":\"error\",\"sequence_number\":3,\"error\":{"
		    "\"type\":\"x\",\"code\":\"server_error\",\"message\":"
		    "\"broke sk-secret-0123456789\"}}",
	};
	struct json_object *o, *r;
	struct wl_str s;
	struct wl_buf b;
	int64_t n = 0;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		reset();
		read_ask("{\"model\":\"m\",\"input\":\"x\",\"stream\":true}");
		res.sequence = 2;
		res.chunks = 3;
		CU_ASSERT_EQUAL(event(rows[i]), WL_CHUNK_ERROR);
		CU_ASSERT_EQUAL(res.err.code, WL_E_UPSTREAM);
		CU_ASSERT_STRING_EQUAL(res.upstream_code, "server_error");
		wl_buf_init(&b, 0);
		wl_error_event(&b, WL_API_RESPONSES, &res, "req-1");
		CU_ASSERT_PTR_NULL(strstr(b.p, "sk-secret"));
		CU_ASSERT_EQUAL(strncmp(b.p, "event: response.failed\ndata: ",
		    29), 0);
		CU_ASSERT_STRING_EQUAL(b.p + b.len - 2, "\n\n");
		o = wl_json_parse(arena, b.p + 29, b.len - 31, NULL);
		r = wl_json_obj(o, "response");
		CU_ASSERT_PTR_NOT_NULL_FATAL(r);
		CU_ASSERT(wl_json_int(o, "sequence_number", &n) && n == 3);
		CU_ASSERT(wl_json_str(r, "id", &s) &&
		    wl_str_eq(s, i == 0 ? "resp_1" : "req-1"));
		CU_ASSERT(wl_json_str(r, "status", &s) &&
		    wl_str_eq(s, "failed"));
		CU_ASSERT(wl_json_str(wl_json_obj(r, "error"), "code", &s) &&
		    wl_str_eq(s, "server_error"));
		wl_buf_free(&b);
	}
}

/*
 * An error of the gate's own.
 */
static void
own_errors(void)
{
	static const char first[] = "event: response.created\ndata: {\"type\":"
	    "\"response.created\",\"sequence_number\":0,";
	struct wl_buf b;

	reset();
	wl_err_set(&res.err, WL_E_UPSTREAM_TIMEOUT, "Too slow.");
	wl_buf_init(&b, 0);
	wl_error_event(&b, WL_API_RESPONSES, &res, "req-1");
	CU_ASSERT_EQUAL(strncmp(b.p, first, sizeof(first) - 1), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(b.p, "}}\n\nevent: response.failed\n"
	    "data: {\"type\":\"response.failed\",\"sequence_number\":1,"));
	CU_ASSERT_PTR_NOT_NULL(strstr(b.p, "\"error\":{\"code\":"
	    "\"upstream_timeout\",\"message\":\"Too slow.\"}"));
	wl_buf_reset(&b);
	wl_error_event(&b, WL_API_CHAT, &res, "req-1");
	CU_ASSERT_STRING_EQUAL(b.p, "data: {\"error\":{\"message\":"
	    "\"Too slow.\",\"type\":\"api_error\",\"code\":"
	    "\"upstream_timeout\"}}\n\n");
	wl_buf_reset(&b);
	res.refusal = WL_STR("{\"error\":{}}");
	wl_error_event(&b, WL_API_CHAT, &res, "req-1");
	CU_ASSERT_STRING_EQUAL(b.p, "data: {\"error\":{}}\n\n");
	wl_buf_free(&b);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "the request", requests },
		{ "what the gate checks", checks },
		{ "answers", answers },
		{ "what is none", no_answers },
		{ "an answer that tells of a failure", failed_answer },
		{ "a stream", stream },
		{ "streams of other hosts", other_hosts },
		{ "a stream that tells of a failure", failures },
		{ "errors of the gate", own_errors },
		{ NULL, NULL }
	};
	int rc = wl_tap_run("provider_openai_responses", tests);

	wl_arena_free(arena);
	return rc;
}
