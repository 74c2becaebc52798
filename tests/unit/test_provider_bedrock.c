/*
 * Bedrock's wire format.  Shapes are those of botocore 1.44.8
 * (data/bedrock-runtime/2023-09-30/service-2.json: Converse, ConverseStream);
 * the whole message below was read back with its eventstream.py.
 */
#include "config.h"
#include "tests/unit/wire.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/enc.h"
#include "lib/base/hash.h"
#include "lib/core/provider_bedrock.h"
#include "lib/core/provider_error.h"
#include "lib/core/stream.h"
#include "tests/unit/tap.h"

#define MODEL	"anthropic.claude-3-haiku-20240307-v1:0"

static void
reset(const char *auth, const char *key)
{
	wire_reset(&wl_provider_bedrock, MODEL, auth);
	wire_target.base_url =
	    "https://bedrock-runtime.eu-west-1.amazonaws.com";
	wire_target.key = key;
}

#define ASK(x)	"{\"model\":\"b\",\"messages\":[{\"role\":\"user\"," \
		"\"content\":\"hi\"}]," x "}"

static const char plain[] = ASK("\"max_tokens\":9");
static const char streamed[] = ASK("\"stream\":true,\"stream_options\":"
    "{\"include_usage\":true}");

static bool
has_start(const char *start)
{
	const char **h;

	for (h = wire_up.headers; *h != NULL; h++)
		if (strncmp(*h, start, strlen(start)) == 0)
			return true;
	return false;
}

static void
requests(void)
{
	reset("sigv4", "AKIDEXAMPLE:secret-of-aws/+");
	CU_ASSERT_STRING_EQUAL(wire_request(WL_API_CHAT, "{\"model\":\"b\","
	    "\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},"
	    "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
	    "\"What?\",\"cache_control\":{\"type\":\"ephemeral\"}},{\"type\":"
	    "\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,"
	    "iVBO\"}},{\"type\":\"file\",\"file\":{\"filename\":\"a_b.pdf\","
	    "\"file_data\":\"data:application/pdf;base64,JVBE\"}}]},{\"role\":"
	    "\"assistant\",\"content\":\"I look.\",\"tool_calls\":[{\"id\":"
	    "\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
	    "\"arguments\":\"{\\\"a\\\":1}\"}}]},{\"role\":\"tool\","
	    "\"tool_call_id\":\"t1\",\"content\":\"one\"}],\"tools\":[{"
	    "\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":"
	    "true}}],\"tool_choice\":{\"type\":\"function\",\"function\":{"
	    "\"name\":\"f\"}},\"temperature\":0.5,\"top_p\":0.9,"
	    "\"max_tokens\":100,\"stop\":[\"a\"],\"response_format\":"
	    "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\","
	    "\"schema\":{\"type\":\"object\"}}}}"),
	    "{\"system\":[{\"text\":\"Be brief.\"}],\"messages\":[{\"role\":"
	    "\"user\",\"content\":[{\"text\":\"What?\"},{\"cachePoint\":"
	    "{\"type\":\"default\"}},{\"image\":{\"format\":\"png\","
	    "\"source\":{\"bytes\":\"iVBO\"}}},{\"document\":{\"format\":"
	    "\"pdf\",\"name\":\"document 1 a-b-pdf\",\"source\":{\"bytes\":"
	    "\"JVBE\"}}}]},{\"role\":\"assistant\",\"content\":[{\"text\":"
	    "\"I look.\"},{\"toolUse\":{\"toolUseId\":\"t1\",\"name\":\"f\","
	    "\"input\":{\"a\":1}}}]},{\"role\":\"user\",\"content\":[{"
	    "\"toolResult\":{\"toolUseId\":\"t1\",\"content\":[{\"text\":"
	    "\"one\"}]}}]}],\"toolConfig\":{\"tools\":[{\"toolSpec\":{"
	    "\"name\":\"f\",\"inputSchema\":{\"json\":{\"type\":\"object\","
	    "\"properties\":{}}},\"strict\":true}}],\"toolChoice\":{\"tool\":"
	    "{\"name\":\"f\"}}},\"outputConfig\":{\"textFormat\":{\"type\":"
	    "\"json_schema\",\"structure\":{\"jsonSchema\":{\"schema\":"
	    "\"{\\\"type\\\":\\\"object\\\"}\",\"name\":\"n\"}}}},"
	    "\"inferenceConfig\":{\"maxTokens\":100,\"temperature\":0.5,"
	    "\"topP\":0.9,\"stopSequences\":[\"a\"]}}");
	CU_ASSERT_STRING_EQUAL(wire_up.url, "https://bedrock-runtime.eu-west-1"
	    ".amazonaws.com/model/anthropic.claude-3-haiku-20240307-v1%3A0/"
	    "converse");
	CU_ASSERT(has_start("Authorization: AWS4-HMAC-SHA256 Credential="
	    "AKIDEXAMPLE/"));
	CU_ASSERT(has_start("X-Amz-Date: 20"));
	CU_ASSERT(!has_start("X-Amz-Security-Token"));
	CU_ASSERT(!has_start("sigv4"));
	reset("sigv4", "AKIDEXAMPLE:secret-of-aws/+:session==");
	CU_ASSERT(wire_request(WL_API_CHAT, streamed) != NULL);
	CU_ASSERT(wire_has_header("X-Amz-Security-Token: session=="));
	CU_ASSERT(wire_has_header(
	    "Accept: application/vnd.amazon.eventstream"));
	CU_ASSERT_STRING_EQUAL(strrchr(wire_up.url, '/'),
	    "/converse-stream");
	reset("bearer", "bedrock-api-key");
	CU_ASSERT(wire_request(WL_API_CHAT, plain) != NULL);
	CU_ASSERT(wire_has_header("Authorization: Bearer bedrock-api-key"));
	reset("sigv4", "not-a-pair");
	CU_ASSERT(wire_request(WL_API_CHAT, plain) == NULL);
	CU_ASSERT_EQUAL(wire_err.code, WL_E_UPSTREAM_CREDENTIALS);
	CU_ASSERT_PTR_NULL(strstr(wire_err.detail, "not-a-pair"));
}

static void
refused(void)
{
	reset("bearer", "k");
	CU_ASSERT(wire_refuses(ASK("\"seed\":2"), "seed"));
	CU_ASSERT(wire_refuses(ASK("\"reasoning_effort\":\"low\""),
	    "reasoning_effort"));
	CU_ASSERT(wire_refuses(ASK("\"response_format\":{\"type\":"
	    "\"json_object\"}"), "response_format"));
	CU_ASSERT(wire_refuses(ASK("\"tools\":[{\"type\":\"function\","
	    "\"function\":{\"name\":\"f\"}}],\"tool_choice\":\"none\""),
	    "tool_choice"));
	CU_ASSERT(wire_refuses("{\"model\":\"c\",\"messages\":[{\"role\":"
	    "\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"file_data\":"
	    "\"data:application/zip;base64,QQ\"}}]}]}", "messages"));
	CU_ASSERT(wire_request(WL_API_EMBEDDINGS, "{\"model\":\"c\","
	    "\"input\":\"x\"}") == NULL);
}

static void
answers(void)
{
	reset("bearer", "k");
	(void)wire_request(WL_API_CHAT, plain);
	CU_ASSERT_STRING_EQUAL(wire_answer("{\"metrics\":{\"latencyMs\":9},"
	    "\"output\":{\"message\":{\"content\":[{\"reasoningContent\":"
	    "{\"reasoningText\":{\"text\":\"Hm.\",\"signature\":\"s\"}}},"
	    "{\"text\":\"Hello.\"},{\"toolUse\":{\"toolUseId\":\"t1\","
	    "\"name\":\"f\",\"input\":{\"a\":1}}}],\"role\":\"assistant\"}},"
	    "\"stopReason\":\"tool_use\",\"usage\":{\"inputTokens\":10,"
	    "\"outputTokens\":9,\"totalTokens\":49,\"cacheReadInputTokens\":"
	    "30,\"cacheWriteInputTokens\":0}}"),
	    "{\"id\":\"ID\",\"object\":\"chat.completion\",\"created\":0,"
	    "\"model\":\"" MODEL "\",\"choices\":[{\"index\":0,\"message\":"
	    "{\"role\":\"assistant\",\"content\":\"Hello.\",\"refusal\":null,"
	    "\"reasoning_content\":\"Hm.\",\"tool_calls\":[{\"id\":\"t1\","
	    "\"type\":\"function\",\"function\":{\"name\":\"f\","
	    "\"arguments\":\"{\\\"a\\\":1}\"}}]},\"logprobs\":null,"
	    "\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":"
	    "40,\"completion_tokens\":9,\"total_tokens\":49,"
	    "\"prompt_tokens_details\":{\"cached_tokens\":30,"
	    "\"cache_write_tokens\":0},\"completion_tokens_details\":"
	    "{\"reasoning_tokens\":0}}}");
	CU_ASSERT_EQUAL(wire_res.usage.input, 10);
	CU_ASSERT(strstr(wire_answer("{\"output\":{\"message\":{\"content\":"
	    "[]}},\"stopReason\":\"guardrail_intervened\"}"),
	    "\"finish_reason\":\"content_filter\"") != NULL);
	CU_ASSERT(wire_answer("{\"output\":{}}") == NULL);
	CU_ASSERT(wire_answer("") == NULL);
	/* a model that failed (ModelErrorException) may do better elsewhere */
	wl_provider_bedrock.error(wire_arena, &wire_target, 424,
	    WL_STR("{\"message\":\"it failed\"}"), &wire_res);
	CU_ASSERT_TRUE(wl_provider_error_map(&wire_res, &wire_target, 424,
	    NULL));
	CU_ASSERT_EQUAL(wire_res.err.code, WL_E_UPSTREAM);
}

/* ---- the event stream ---- */

static void
put_number(struct wl_buf *b, size_t n)
{
	int i;

	for (i = 24; i >= 0; i -= 8)
		wl_buf_addc(b, (char)(n >> i & 0xff));
}

static void
put_head(struct wl_buf *b, const char *name, const char *value)
{
	wl_buf_addc(b, (char)strlen(name));
	wl_buf_adds(b, name);
	wl_buf_addc(b, 7);
	wl_buf_addc(b, (char)(strlen(value) >> 8));
	wl_buf_addc(b, (char)strlen(value));
	wl_buf_adds(b, value);
}

/*
 * Add a message of KIND called NAME.
 */
static void
put_message(struct wl_buf *out, const char *kind, const char *name,
    const char *body)
{
	struct wl_buf h = { 0 }, b = { 0 };
	char type[32] = ":event-type";

	if (strcmp(kind, "exception") == 0)
		memcpy(type, ":exception-type", 16);
	put_head(&h, type, name);
	put_head(&h, ":content-type", "application/json");
	put_head(&h, ":message-type", kind);
	/* one that is of no interest: a time */
	wl_buf_add(&h, "\004when\010\0\0\0\0\0\0\0\1", 14);
	put_number(&b, 16 + h.len + strlen(body));
	put_number(&b, h.len);
	put_number(&b, wl_crc32(b.p, b.len));
	wl_buf_add(&b, h.p, h.len);
	wl_buf_adds(&b, body);
	put_number(&b, wl_crc32(b.p, b.len));
	wl_buf_add(out, b.p, b.len);
	wl_buf_free(&h);
	wl_buf_free(&b);
}

static void
put_event(struct wl_buf *out, const char *name, const char *body)
{
	put_message(out, "event", name, body);
}

#define HEAD	"{\"id\":\"ID\",\"object\":\"chat.completion.chunk\"," \
		"\"created\":0,\"model\":\"" MODEL "\",\"choices\":["
#define PART(x, end) "data: " HEAD "{\"index\":0,\"delta\":{" x "}," \
		"\"finish_reason\":" end "}],\"usage\":null}\n\n"

static void
put_answer(struct wl_buf *in)
{
	put_event(in, "messageStart", "{\"role\":\"assistant\"}");
	put_event(in, "contentBlockDelta", "{\"contentBlockIndex\":0,"
	    "\"delta\":{\"text\":\"Hi\"},\n\r\n\"p\":\"abc\"}");
	put_event(in, "contentBlockStop", "{\"contentBlockIndex\":0}");
	put_event(in, "contentBlockStart", "{\"contentBlockIndex\":1,"
	    "\"start\":{\"toolUse\":{\"toolUseId\":\"t1\",\"name\":\"f\"}}}");
	put_event(in, "contentBlockDelta", "{\"contentBlockIndex\":1,"
	    "\"delta\":{\"toolUse\":{\"input\":\"{\\\"a\\\":\"}}}");
	put_event(in, "contentBlockDelta", "{\"contentBlockIndex\":1,"
	    "\"delta\":{\"toolUse\":{\"input\":\"1}\"}}}");
	put_event(in, "contentBlockStop", "{\"contentBlockIndex\":1}");
	put_event(in, "messageStop", "{\"stopReason\":\"tool_use\"}");
}

static void
streams(void)
{
	struct wl_buf in = { 0 };
	size_t before_end;
	int state;

	reset("bearer", "k");
	(void)wire_request(WL_API_CHAT, streamed);
	put_answer(&in);
	before_end = in.len;
	put_event(&in, "metadata", "{\"metrics\":{\"latencyMs\":1},\"usage\":"
	    "{\"inputTokens\":7,\"outputTokens\":5,\"totalTokens\":12}}");
	CU_ASSERT_STRING_EQUAL(wire_stream(in.p, in.len, &state),
	    PART("\"role\":\"assistant\",\"content\":\"Hi\"", "null")
	    PART("\"tool_calls\":[{\"index\":0,\"id\":\"t1\",\"type\":"
	    "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]",
	    "null")
	    PART("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
	    "\"{\\\"a\\\":\"}}]", "null")
	    PART("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
	    "\"1}\"}}]", "null")
	    PART("", "\"tool_calls\"")
	    "data: " HEAD "],\"usage\":{\"prompt_tokens\":7,"
	    "\"completion_tokens\":5,\"total_tokens\":12,"
	    "\"prompt_tokens_details\":{\"cached_tokens\":0},"
	    "\"completion_tokens_details\":{\"reasoning_tokens\":0}}}\n\n"
	    "data: [DONE]\n\n");
	CU_ASSERT_EQUAL(state, WL_STREAM_DONE);
	/* without figures at its end it is complete all the same */
	CU_ASSERT(strstr(wire_stream(in.p, before_end, &state),
	    "\"finish_reason\":\"tool_calls\"") != NULL);
	CU_ASSERT_EQUAL(state, WL_STREAM_MORE);
	CU_ASSERT_EQUAL(wire_res.usage.source, WL_U_NONE);
	wl_buf_free(&in);
}

/*
 * A bit that is wrong anywhere is found, and nothing behind it passes.
 */
static void
broken(void)
{
	struct wl_buf in = { 0 };
	const char *out;
	size_t i, first;
	int state;

	reset("bearer", "k");
	(void)wire_request(WL_API_CHAT, streamed);
	put_event(&in, "messageStart", "{\"role\":\"assistant\"}");
	first = in.len;
	put_event(&in, "contentBlockDelta", "{\"delta\":{\"text\":\"Hi\"}}");
	for (i = first; i < in.len; i++) {
		in.p[i] ^= 4;
		out = wire_stream(in.p, in.len, &state);
		CU_ASSERT_EQUAL(state, WL_STREAM_INVALID);
		CU_ASSERT_STRING_EQUAL(out, "");
		in.p[i] ^= 4;
	}
	wl_buf_reset(&in);
	put_message(&in, "exception", "throttlingException",
	    "{\"message\":\"Too many requests.\"}");
	(void)wire_stream(in.p, in.len, &state);
	CU_ASSERT_EQUAL(state, WL_STREAM_ERROR);
	CU_ASSERT_STRING_EQUAL(wire_res.err.msg, "Too many requests.");
	CU_ASSERT_STRING_EQUAL(wire_res.upstream_code, "throttlingException");
	wl_buf_reset(&in);
	put_event(&in, "contentBlockDelta", "no JSON");
	(void)wire_stream(in.p, in.len, &state);
	CU_ASSERT_EQUAL(state, WL_STREAM_INVALID);
	wl_buf_free(&in);
}

/*
 * A message that botocore takes.
 */
static void
vendors(void)
{
	static const char whole[] =
	    "0000009800000057715b77ef0b3a6576656e742d74797065070011"
	    "636f6e74656e74426c6f636b44656c74610d3a636f6e74656e742d74797065"
	    "0700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d7479"
	    "70650700056576656e747b22636f6e74656e74426c6f636b496e646578223a"
	    "20302c202264656c7461223a207b2274657874223a20224869227d7d28f028"
	    "7b";
	struct wl_relay relay = { .tools = 0 };
	struct wl_buf sse = { 0 };
	char raw[256];

	CU_ASSERT_EQUAL_FATAL(wl_unhex(whole, sizeof(whole) - 1, raw), 0);
	CU_ASSERT_EQUAL(wl_bedrock_unframe(&relay, raw,
	    (sizeof(whole) - 1) / 2, &sse), 0);
	CU_ASSERT_STRING_EQUAL(sse.p, "data: {\"type\":\"contentBlockDelta\","
	    "\"body\":{\"contentBlockIndex\": 0, \"delta\": {\"text\": \"Hi\"}"
	    "}}\n\n");
	CU_ASSERT_EQUAL(relay.frame.len, 0);
	/* a length that cannot be is refused before its bytes are there */
	wl_buf_reset(&sse);
	CU_ASSERT_EQUAL_FATAL(wl_unhex(whole, 24, raw), 0);
	raw[0] = 0x7f;
	CU_ASSERT_EQUAL(wl_bedrock_unframe(&relay, raw, 12, &sse), -1);
	CU_ASSERT_EQUAL(sse.len, 0);
	wl_buf_free(&relay.frame);
	wl_buf_free(&sse);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "requests", requests },
		{ "what it cannot do", refused },
		{ "answers", answers },
		{ "streams", streams },
		{ "streams that are broken", broken },
		{ "a message of botocore", vendors },
		{ NULL, NULL }
	};

	return wl_tap_run("provider_bedrock", tests);
}
