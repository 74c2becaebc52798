/*
 * OpenAI's wire format: what is sent, what is read.
 */
#include "config.h"
#include "lib/core/provider.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/core/model.h"
#include "lib/http/req.h"
#include "tests/unit/tap.h"

static struct wl_arena	*arena;
static struct wl_ask	 ask;
static struct wl_err	 e;
static struct wl_target	 target;
static struct wl_upcall	 up;

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
}

static void
send(enum wl_api api, const char *body)
{
	static char json[] = "application/json";
	struct wl_req req = { .arena = arena, .content_type = json,
	    .body = wl_str_of(body) };

	wl_ask_read(&ask, api, &req);
	CU_ASSERT_EQUAL_FATAL(ask.fault.code, WL_OK);
	CU_ASSERT_EQUAL_FATAL(wl_provider_openai.request(arena, &ask,
	    &target, "id-1", &up, &e), 0);
}

static bool
has_header(const char *line)
{
	const char **h;

	for (h = up.headers; *h != NULL; h++)
		if (strcmp(*h, line) == 0)
			return true;
	return false;
}

static void
requests(void)
{
	static const char body[] = " {\"model\": \"m\" ,\"x\":1.0e2}\n";

	reset();
	send(WL_API_CHAT, body);
	CU_ASSERT_STRING_EQUAL(up.url,
	    "https://api.example/v1/chat/completions");
	CU_ASSERT(has_header("Content-Type: application/json"));
	CU_ASSERT(has_header("Authorization: Bearer sk-secret-0123456789"));
	CU_ASSERT(has_header("X-Request-Id: id-1"));
	CU_ASSERT(wl_str_eq(up.body, body));
	CU_ASSERT(up.body.p == ask.body.p);	/* not even a copy */
	CU_ASSERT(!up.hide_usage);
	send(WL_API_COMPLETIONS, body);
	CU_ASSERT_STRING_EQUAL(up.url, "https://api.example/v1/completions");
	target.auth = "x-api-key";
	send(WL_API_EMBEDDINGS, body);
	CU_ASSERT_STRING_EQUAL(up.url, "https://api.example/v1/embeddings");
	CU_ASSERT(has_header("x-api-key: sk-secret-0123456789"));
	CU_ASSERT(!has_header("Authorization: Bearer sk-secret-0123456789"));
	target.auth = "none";
	send(WL_API_CHAT, body);
	CU_ASSERT(up.headers[3] == NULL);
	target.auth = "bearer";
	target.key = "";
	send(WL_API_CHAT, body);
	CU_ASSERT(up.headers[3] == NULL);
}

/*
 * What is spliced into a body.
 */
static void
splices(void)
{
#define IU "\"include_usage\":true"
	static const struct {
		const char	*model, *in, *out;
		bool		 hide;
	} rows[] = {
		{ "m", "{\"model\":\"m\",\"stream\":true}",
		    "{\"stream_options\":{" IU "},\"model\":\"m\","
		    "\"stream\":true}", true },
		{ "m", "{\"model\":\"m\",\"stream\":false}",
		    "{\"model\":\"m\",\"stream\":false}", false },
		{ "m", "{\"model\":\"m\",\"stream\":true,"
		    "\"stream_options\":{" IU "}}",
		    "{\"model\":\"m\",\"stream\":true,"
		    "\"stream_options\":{" IU "}}", false },
		{ "m", "{\"model\":\"m\",\"stream\":true,"
		    "\"stream_options\":{}}",
		    "{\"model\":\"m\",\"stream\":true,"
		    "\"stream_options\":{" IU "}}", true },
		{ "m", "{\"model\":\"m\",\"stream\":true,"
		    "\"stream_options\": { \"x\" : 1 } }",
		    "{\"model\":\"m\",\"stream\":true,"
		    "\"stream_options\": {" IU ", \"x\" : 1 } }", true },
		{ "m", "{\"stream_options\":{\"x\":1,\"include_usage\": false"
		    ",\"y\":2},\"model\":\"m\",\"stream\":true}",
		    "{\"stream_options\":{\"x\":1,\"include_usage\": true"
		    ",\"y\":2},\"model\":\"m\",\"stream\":true}", true },
		{ "m", "{\"stream_options\":null,\"model\":\"m\","
		    "\"stream\":true}", "{\"stream_options\":{" IU "},"
		    "\"model\":\"m\",\"stream\":true}", true },
		{ "m", "{\"stream_options\":{ \n },\"model\":\"m\","
		    "\"stream\":true}", "{\"stream_options\":{" IU " \n },"
		    "\"model\":\"m\",\"stream\":true}", true },
		{ "a/b", "{\"x\":[\"model\"], \"model\" : \"openrouter/a/b\"}",
		    "{\"x\":[\"model\"], \"model\" : \"a/b\"}", false },
		{ "q\"\\", "{\"model\":\"p/q\\\"\\\\\"}",
		    "{\"model\":\"q\\\"\\\\\"}", false },
		{ "m", "{\"stream\":true,\"model\":\"p/m\",\"stream_options\":"
		    "{\"x\":{\"include_usage\":false}}}", "{\"stream\":true,"
		    "\"model\":\"m\",\"stream_options\":{" IU ",\"x\":"
		    "{\"include_usage\":false}}}", true },
		{ "m", "{\"stream\":true,\"stream_options\":{},\"model\":"
		    "\"p/m\"}", "{\"stream\":true,\"stream_options\":{" IU
		    "},\"model\":\"m\"}", true },
		{ "m", "\n{ \"stream\":true,\"model\":\"p/m\"}",
		    "\n{\"stream_options\":{" IU "}, \"stream\":true,"
		    "\"model\":\"m\"}", true },
		{ "m", "{\"m\\u006fdel\":\"p/m\"}", "{\"m\\u006fdel\":\"m\"}",
		    false },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		reset();
		target.model = rows[i].model;
		send(WL_API_CHAT, rows[i].in);
		if (!wl_str_eq(up.body, rows[i].out)) {
			printf("# %.*s\n", (int)up.body.len, up.body.p);
			CU_FAIL("wrong body");
		}
		CU_ASSERT_EQUAL(wl_json_scan(up.body.p, up.body.len, 100),
		    WL_JSON_OK);
		CU_ASSERT_EQUAL(up.hide_usage, rows[i].hide);
		/* a provider that does not take it is not asked */
		target.stream_options = false;
		send(WL_API_CHAT, rows[i].in);
		CU_ASSERT(!up.hide_usage);
		CU_ASSERT(memmem(up.body.p, up.body.len, IU, sizeof(IU) - 1) ==
		    NULL || strstr(rows[i].in, IU) != NULL);
	}
}

struct usage_row {
	const char	*json;
	int64_t		 input, read, write, output, reasoning;
};

static const struct usage_row usages[] = {
	{ "{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15}",
	    10, -1, -1, 5, -1 },
	{ "{\"prompt_tokens\":10,\"completion_tokens\":5,"
	    "\"prompt_tokens_details\":{\"cached_tokens\":4}}",
	    6, 4, -1, 5, -1 },
	{ "{\"prompt_tokens\":10,\"completion_tokens\":5,"
	    "\"prompt_tokens_details\":{\"cached_tokens\":0},"
	    "\"completion_tokens_details\":{\"reasoning_tokens\":0}}",
	    10, 0, -1, 5, 0 },
	{ "{\"prompt_tokens\":10,\"completion_tokens\":50,\"total_tokens\":60,"
	    "\"completion_tokens_details\":{\"reasoning_tokens\":30}}",
	    10, -1, -1, 20, 30 },
	/* xAI: reasoning beside the completion */
	{ "{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":45,"
	    "\"completion_tokens_details\":{\"reasoning_tokens\":30}}",
	    10, -1, -1, 5, 30 },
	/* DeepSeek */
	{ "{\"prompt_tokens\":10,\"completion_tokens\":5,"
	    "\"prompt_cache_hit_tokens\":7,\"prompt_cache_miss_tokens\":3}",
	    3, 7, -1, 5, -1 },
	/* Moonshot */
	{ "{\"prompt_tokens\":10,\"completion_tokens\":5,\"cached_tokens\":2}",
	    8, 2, -1, 5, -1 },
	/* OpenRouter */
	{ "{\"prompt_tokens\":10,\"completion_tokens\":5,"
	    "\"prompt_tokens_details\":{\"cached_tokens\":2,"
	    "\"cache_write_tokens\":3}}", 5, 2, 3, 5, -1 },
	/* embeddings */
	{ "{\"prompt_tokens\":8,\"total_tokens\":8}", 8, -1, -1, -1, -1 },
	{ "{\"total_tokens\":8}", 8, -1, -1, -1, -1 },
	/* an explicit zero is a zero */
	{ "{\"prompt_tokens\":0,\"completion_tokens\":0,\"total_tokens\":0}",
	    0, -1, -1, 0, -1 },
	/* parts larger than their whole */
	{ "{\"prompt_tokens\":3,\"completion_tokens\":2,"
	    "\"prompt_tokens_details\":{\"cached_tokens\":9},"
	    "\"completion_tokens_details\":{\"reasoning_tokens\":9}}",
	    0, 3, -1, 0, 2 },
	/* nonsense is absent, too much is capped */
	{ "{\"prompt_tokens\":-4,\"completion_tokens\":5}",
	    -1, -1, -1, 5, -1 },
	{ "{\"prompt_tokens\":\"7\",\"completion_tokens\":5.0}",
	    -1, -1, -1, 5, -1 },
	{ "{\"prompt_tokens\":99999999999,\"completion_tokens\":1}",
	    1000000000, -1, -1, 1, -1 },
	{ "{\"prompt_tokens\":10,\"completion_tokens\":null,"
	    "\"prompt_tokens_details\":null}", 10, -1, -1, -1, -1 },
};

static void
usage(void)
{
	static struct wl_result res[2 * sizeof(usages) / sizeof(usages[0])];
	const struct usage_row *u;
	struct wl_usage *got;
	struct wl_str body;
	size_t i;

	reset();
	send(WL_API_CHAT, "{\"model\":\"m\"}");
	for (i = 0; i < sizeof(res) / sizeof(res[0]); i++) {
		u = &usages[i / 2];
		got = &res[i].usage;
		CU_ASSERT_EQUAL_FATAL(wl_result_init(&res[i], arena, 0), 0);
		body = wl_str_of(wl_arena_printf(arena,
		    "{\"choices\":[],\"usage\":%s}", u->json));
		if (i % 2 == 0)
			CU_ASSERT_EQUAL(wl_provider_openai.answer(arena, &ask,
			    &target, body, &res[i]), 0)
		else
			CU_ASSERT_EQUAL(wl_provider_openai.chunk(arena, &ask, NULL,
			    body, &res[i], NULL), WL_CHUNK_USAGE);
		if (got->input != u->input || got->cache_read != u->read ||
		    got->cache_write != u->write || got->output != u->output ||
		    got->reasoning != u->reasoning ||
		    got->source != WL_U_PROVIDER) {
			printf("# %s\n", u->json);
			CU_FAIL("wrong usage");
		}
	}
}

static void
answers(void)
{
	static struct wl_result res, tools, parts, text, vectors;

	reset();
	send(WL_API_CHAT, "{\"model\":\"m\"}");
	CU_ASSERT_EQUAL(wl_result_init(&res, arena, 100), 0);
	CU_ASSERT_EQUAL(wl_provider_openai.answer(arena, &ask, &target, WL_STR(
	    "{\"id\":\"chatcmpl-1\",\"model\":\"m-2\",\"error\":null,"
	    "\"choices\":[{\"index\":1,\"message\":{\"content\":\"no\"},"
	    "\"finish_reason\":\"length\"},{\"index\":0,\"message\":"
	    "{\"role\":\"assistant\",\"content\":\"Hi \\u00e9\"},"
	    "\"finish_reason\":\"stop\"}]}"), &res), 0);
	CU_ASSERT_STRING_EQUAL(res.response_id, "chatcmpl-1");
	CU_ASSERT_STRING_EQUAL(res.model_used, "m-2");
	CU_ASSERT_STRING_EQUAL(res.finish_reason, "stop");
	CU_ASSERT_STRING_EQUAL(res.text.p, "Hi \xc3\xa9");
	CU_ASSERT_EQUAL(res.output_bytes, 7);
	CU_ASSERT_EQUAL(res.usage.source, WL_U_NONE);

	CU_ASSERT_EQUAL(wl_result_init(&tools, arena, 1000), 0);
	CU_ASSERT_EQUAL(wl_provider_openai.answer(arena, &ask, &target, WL_STR(
	    "{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":["
	    "{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":"
	    "\"f\",\"arguments\":\"{}\"}},{\"id\":\"c2\",\"function\":"
	    "{\"name\":\"g\",\"arguments\":\"[1]\"}}]}}]}"), &tools), 0);
	CU_ASSERT_STRING_EQUAL(tools.tools.p, "{\"index\":0,\"id\":\"c1\","
	    "\"name\":\"f\",\"arguments\":\"{}\"},{\"index\":1,\"id\":\"c2\","
	    "\"name\":\"g\",\"arguments\":\"[1]\"}");

	CU_ASSERT_EQUAL(wl_result_init(&parts, arena, 100), 0);
	CU_ASSERT_EQUAL(wl_provider_openai.answer(arena, &ask, &target, WL_STR(
	    "{\"choices\":[{\"message\":{\"content\":[{\"type\":\"text\","
	    "\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}],"
	    "\"reasoning_content\":\"12345\"}}]}"), &parts), 0);
	CU_ASSERT_STRING_EQUAL(parts.text.p, "ab");
	CU_ASSERT_EQUAL(parts.output_bytes, 7);

	send(WL_API_COMPLETIONS, "{\"model\":\"m\",\"prompt\":\"x\"}");
	CU_ASSERT_EQUAL(wl_result_init(&text, arena, 100), 0);
	CU_ASSERT_EQUAL(wl_provider_openai.answer(arena, &ask, &target, WL_STR(
	    "{\"choices\":[{\"text\":\"once\"}]}"), &text), 0);
	CU_ASSERT_STRING_EQUAL(text.text.p, "once");

	send(WL_API_EMBEDDINGS, "{\"model\":\"m\",\"input\":\"x\"}");
	CU_ASSERT_EQUAL(wl_result_init(&vectors, arena, 100), 0);
	CU_ASSERT_EQUAL(wl_provider_openai.answer(arena, &ask, &target, WL_STR(
	    "{\"data\":[{\"embedding\":[0.1,0.2]}],\"usage\":"
	    "{\"prompt_tokens\":4,\"total_tokens\":4}}"), &vectors), 0);
	CU_ASSERT_EQUAL(vectors.usage.input, 4);
}

/*
 * Many vectors: more numbers than a request may have, and no answer for that.
 */
static void
large_answer(void)
{
	static struct wl_result res;
	struct wl_buf b = { 0 };
	int i;

	reset();
	send(WL_API_EMBEDDINGS, "{\"model\":\"m\",\"input\":\"x\"}");
	CU_ASSERT_EQUAL(wl_result_init(&res, arena, 100), 0);
	wl_buf_adds(&b, "{\"data\":[0");
	for (i = 0; i < 400000; i++)
		wl_buf_printf(&b, ",0.%d", i);
	wl_buf_adds(&b, "],\"model\":\"e\",\"usage\":{\"prompt_tokens\":3}}");
	CU_ASSERT_EQUAL(wl_provider_openai.answer(arena, &ask, &target,
	    (struct wl_str){ b.p, b.len }, &res), 0);
	CU_ASSERT_EQUAL(res.usage.input, 3);
	CU_ASSERT_STRING_EQUAL(res.model_used, "e");
	wl_buf_free(&b);
}

/*
 * The probabilities of tokens and of those that were not chosen are most of an
 * answer, and do not hide the rest.
 */
static void
probabilities(void)
{
	static struct wl_result res;
	struct wl_buf b = { 0 };
	int i;

	reset();
	send(WL_API_CHAT, "{\"model\":\"m\",\"logprobs\":true}");
	CU_ASSERT_EQUAL(wl_result_init(&res, arena, 100), 0);
	wl_buf_adds(&b, "{\"choices\":[{\"logprobs\":{\"content\":[{}");
	for (i = 0; i < 20000; i++)
		wl_buf_adds(&b, ",{\"token\":\"a\",\"logprob\":-1.5}");
	wl_buf_adds(&b, "]},\"message\":{\"content\":\"Hello\"},"
	    "\"finish_reason\":\"stop\"},{}]}");
	CU_ASSERT_EQUAL(wl_provider_openai.answer(arena, &ask, &target,
	    (struct wl_str){ b.p, b.len }, &res), 0);
	CU_ASSERT_STRING_EQUAL(res.text.p, "Hello");
	CU_ASSERT_STRING_EQUAL(res.finish_reason, "stop");
	CU_ASSERT_EQUAL(res.output_bytes, 5);
	wl_buf_free(&b);
}

static void
no_answers(void)
{
	static const char *const rows[] = {
		"", "null", "[]", "\"x\"", "{}", "{\"choices\":null}",
		"{\"choices\":{}}", "<html></html>",
		"{\"error\":{\"message\":\"no\"}}",
		"{\"choices\":[],\"error\":{\"message\":\"no\"}}",
		"{\"choices\":[]", "{\"choices\":[]}}", "{\"data\":[]}",
		"{\"choices\":[\"\xff\"]}",
	};
	static struct wl_result res[sizeof(rows) / sizeof(rows[0])];
	size_t i;

	reset();
	send(WL_API_CHAT, "{\"model\":\"m\"}");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_EQUAL(wl_result_init(&res[i], arena, 100), 0);
		CU_ASSERT_EQUAL(wl_provider_openai.answer(arena, &ask, &target,
		    wl_str_of(rows[i]), &res[i]), -1);
	}
}

static void
chunks(void)
{
	static const struct {
		const char	*data;
		enum wl_chunk	 kind;
	} rows[] = {
		{ "[DONE]", WL_CHUNK_DONE },
		{ " [DONE] ", WL_CHUNK_DONE },
		{ "[DONE]x", WL_CHUNK_INVALID },
		{ "", WL_CHUNK_INVALID },
		{ "{", WL_CHUNK_INVALID },
		{ "3", WL_CHUNK_INVALID },
		{ "null", WL_CHUNK_INVALID },
		{ "{\"choices\":[{\"delta\":{}}]}", WL_CHUNK_DATA },
		{ "{\"choices\":[]}", WL_CHUNK_DATA },
		{ "{\"choices\":[],\"usage\":null}", WL_CHUNK_DATA },
		{ "{\"choices\":[],\"usage\":{}}", WL_CHUNK_USAGE },
		{ "{\"usage\":{\"prompt_tokens\":1}}", WL_CHUNK_USAGE },
		{ "{\"choices\":[{}],\"usage\":{\"prompt_tokens\":1}}",
		    WL_CHUNK_DATA },
		{ "{\"error\":null,\"choices\":[{}]}", WL_CHUNK_DATA },
		{ "{\"error\":{\"message\":\"x\"}}", WL_CHUNK_ERROR },
		{ "{\"error\":\"x\"}", WL_CHUNK_ERROR },
		{ "{\"error\":{\"code\":502,\"message\":\"x\"},\"choices\":"
		    "[{\"finish_reason\":\"error\"}]}", WL_CHUNK_ERROR },
	};
	static struct wl_result res;
	size_t i;

	reset();
	send(WL_API_CHAT, "{\"model\":\"m\"}");
	CU_ASSERT_EQUAL(wl_result_init(&res, arena, 1000), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (wl_provider_openai.chunk(arena, &ask, NULL,
		    wl_str_of(rows[i].data), &res, NULL) != rows[i].kind) {
			printf("# %s\n", rows[i].data);
			CU_FAIL("wrong kind");
		}
	/* usage on any chunk, the last one wins */
	(void)wl_provider_openai.chunk(arena, &ask, NULL, WL_STR("{\"choices\":[{}]"
	    ",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}"), &res,
	    NULL);
	(void)wl_provider_openai.chunk(arena, &ask, NULL, WL_STR("{\"choices\":[{}]"
	    ",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":9}}"), &res,
	    NULL);
	(void)wl_provider_openai.chunk(arena, &ask, NULL,
	    WL_STR("{\"choices\":[{}],\"usage\":null}"), &res, NULL);
	CU_ASSERT_EQUAL(res.usage.output, 9);
	(void)wl_provider_openai.chunk(arena, &ask, NULL, WL_STR("{\"choices\":[],"
	    "\"x_groq\":{\"usage\":{\"prompt_tokens\":2,"
	    "\"completion_tokens\":8}}}"), &res, NULL);
	CU_ASSERT_EQUAL(res.usage.output, 8);
}

static void
tool_stream(void)
{
	static const char *const rows[] = {
		"{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{"
		    "\"index\":0,\"id\":\"a\",\"type\":\"function\","
		    "\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{"
		    "\"index\":0,\"function\":{\"arguments\":\"{\\\"x\"}}]}}]}",
		"{\"choices\":[{\"index\":1,\"delta\":{\"tool_calls\":[{"
		    "\"index\":0,\"function\":{\"arguments\":\"no\"}}]}}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{"
		    "\"index\":0,\"function\":{\"arguments\":\"\\\":1}\"}}]}}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{"
		    "\"index\":1,\"id\":\"b\",\"function\":{\"name\":\"g\","
		    "\"arguments\":\"{}\"}}]}}]}",
	};
	static struct wl_result res;
	size_t i;

	reset();
	send(WL_API_CHAT, "{\"model\":\"m\"}");
	CU_ASSERT_EQUAL(wl_result_init(&res, arena, 1000), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_EQUAL(wl_provider_openai.chunk(arena, &ask, NULL,
		    wl_str_of(rows[i]), &res, NULL), WL_CHUNK_DATA);
	wl_result_end(&res);
	CU_ASSERT_STRING_EQUAL(res.tools.p, "{\"index\":0,\"id\":\"a\","
	    "\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"},{\"index\":1,"
	    "\"id\":\"b\",\"name\":\"g\",\"arguments\":\"{}\"}");
	CU_ASSERT_EQUAL(res.output_bytes, 1 + 3 + 2 + 4 + 1 + 2);
}

/*
 * An error answer: the provider's words, and no key in them.
 */
static void
errors(void)
{
	static const struct {
		const char	*body, *msg, *code, *refusal;
	} rows[] = {
		{ "{\"error\":{\"message\":\"too long\",\"type\":"
		    "\"invalid_request_error\",\"param\":\"messages\","
		    "\"code\":\"context_length_exceeded\"}}", "too long",
		    "context_length_exceeded", "{\"error\":{\"message\":"
		    "\"too long\",\"type\":\"invalid_request_error\","
		    "\"param\":\"messages\",\"code\":"
		    "\"context_length_exceeded\"}}" },
		{ "{\"error\":{\"message\":\"bad key sk-secret-0123456789, "
		    "Bearer abcdefghij0123456789\"}}",
		    "bad key [REDACTED_KEY], Bearer [REDACTED_TOKEN]", "",
		    "{\"error\":{\"message\":\"bad key [REDACTED_KEY], Bearer "
		    "[REDACTED_TOKEN]\",\"type\":\"invalid_request_error\","
		    "\"param\":null,\"code\":null}}" },
		{ "{\"error\":\"just words\"}", "just words", "",
		    "{\"error\":{\"message\":\"just words\",\"type\":"
		    "\"invalid_request_error\",\"param\":null,"
		    "\"code\":null}}" },
		{ "{\"object\":\"error\",\"message\":\"vllm\",\"code\":40}",
		    "vllm", "", "{\"error\":{\"message\":\"vllm\",\"type\":"
		    "\"invalid_request_error\",\"param\":null,"
		    "\"code\":null}}" },
		{ "{\"detail\":\"fastapi\"}", "fastapi", "",
		    "{\"error\":{\"message\":\"fastapi\",\"type\":"
		    "\"invalid_request_error\",\"param\":null,"
		    "\"code\":null}}" },
		{ "{\"error\":{\"code\":429,\"message\":\"slow\"}}", "slow",
		    "429", "{\"error\":{\"message\":\"slow\",\"type\":"
		    "\"invalid_request_error\",\"param\":null,"
		    "\"code\":\"429\"}}" },
		{ "{\"detail\":[{\"type\":\"missing\",\"loc\":[\"body\","
		    "\"messages\",0],\"msg\":\"Field required\"}]}",
		    "body.messages.0: Field required", "",
		    "{\"error\":{\"message\":\"body.messages.0: Field "
		    "required\",\"type\":\"invalid_request_error\","
		    "\"param\":null,\"code\":null}}" },
		{ "{\"object\":\"error\",\"message\":{\"detail\":[{\"loc\":"
		    "[\"body\",\"top_p\"],\"msg\":\"too large\"}]}}",
		    "body.top_p: too large", "",
		    "{\"error\":{\"message\":\"body.top_p: too large\","
		    "\"type\":\"invalid_request_error\",\"param\":null,"
		    "\"code\":null}}" },
		{ "[{\"error\":{\"code\":400,\"message\":\"no such model\","
		    "\"status\":\"INVALID_ARGUMENT\"}}]", "no such model",
		    "400", "{\"error\":{\"message\":\"no such model\","
		    "\"type\":\"invalid_request_error\",\"param\":null,"
		    "\"code\":\"400\"}}" },
		{ "<html>502</html>", "", "", "" },
		{ "", "", "", "" },
		{ "{}", "", "", "" },
		{ "[]", "", "", "" },
		{ "[[[[[[[[[[\"deep\"]]]]]]]]]]", "", "", "" },
		{ "{\"detail\":[null,{},7]}", "", "", "" },
		{ "{\"detail\":[{\"loc\":[\"a\"],\"msg\":7}]}", "", "", "" },
	};
	static struct wl_result res[sizeof(rows) / sizeof(rows[0])];
	size_t i;

	reset();
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_EQUAL(wl_result_init(&res[i], arena, 0), 0);
		wl_provider_openai.error(arena, &target, 400,
		    wl_str_of(rows[i].body), &res[i]);
		CU_ASSERT_STRING_EQUAL(res[i].err.msg, rows[i].msg);
		CU_ASSERT_STRING_EQUAL(res[i].upstream_code, rows[i].code);
		if (!wl_str_eq(res[i].refusal, rows[i].refusal)) {
			printf("# %.*s\n", (int)res[i].refusal.len,
			    res[i].refusal.p);
			CU_FAIL("wrong refusal");
		}
	}
	/* a key that no rule knows */
	target.key = "plain-old-secret";
	wl_provider_openai.error(arena, &target, 401, WL_STR("{\"error\":"
	    "\"no: plain-old-secret\"}"), &res[0]);
	CU_ASSERT_STRING_EQUAL(res[0].err.msg, "no: [REDACTED_KEY]");
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "requests", requests },
		{ "splices", splices },
		{ "usage in disjoint classes", usage },
		{ "answers", answers },
		{ "an answer of many numbers", large_answer },
		{ "an answer of many probabilities", probabilities },
		{ "what is no answer", no_answers },
		{ "chunks", chunks },
		{ "tool calls in a stream", tool_stream },
		{ "errors", errors },
		{ NULL, NULL }
	};
	int rc = wl_tap_run("provider_openai", tests);

	wl_arena_free(arena);
	return rc;
}
