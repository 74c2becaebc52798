/*
 * Cohere's wire format.  Shapes are those of Cohere's client library for
 * Python, 7.3 (v2/raw_client.py, types/chat_message_v2.py,
 * v2/types/v2chat_response.py, v2/types/v2chat_stream_response.py).
 */
#include "config.h"
#include "tests/unit/wire.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/core/models.h"
#include "lib/core/provider_error.h"
#include "lib/core/stream.h"
#include "tests/unit/tap.h"

static void
reset(void)
{
	wire_reset(&wl_provider_cohere, "command-a-03-2025", "bearer");
}

#define ASK(x)	"{\"model\":\"c\",\"messages\":[{\"role\":\"user\"," \
		"\"content\":\"hi\"}]," x "}"
#define TOOL(strict) "{\"type\":\"function\",\"function\":{\"name\":\"f\"," \
		"\"parameters\":{\"type\":\"object\"},\"strict\":" strict "}}"

static const char plain[] = ASK("\"max_tokens\":9");
static const char streamed[] = ASK("\"stream\":true,\"stream_options\":"
    "{\"include_usage\":true}");

static void
requests(void)
{
	reset();
	CU_ASSERT_STRING_EQUAL(wire_request(WL_API_CHAT, "{\"model\":\"c\","
	    "\"messages\":[{\"role\":\"developer\",\"content\":\"Be brief.\"},"
	    "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
	    "\"What?\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
	    "\"data:image/png;base64,iVBO\"}}]},{\"role\":\"assistant\","
	    "\"content\":\"I look.\",\"tool_calls\":[{\"id\":\"t1\",\"type\":"
	    "\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
	    "\"{\\\"a\\\":1}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"t1\""
	    ",\"content\":\"one\"}],\"tools\":[" TOOL("true") "],"
	    "\"tool_choice\":\"required\",\"temperature\":0.5,\"top_p\":0.9,"
	    "\"top_k\":5,\"max_completion_tokens\":100,\"stop\":\"a\","
	    "\"seed\":3,\"frequency_penalty\":0.1,\"stream\":true,"
	    "\"reasoning_effort\":\"none\",\"user\":\"u\"}"),
	    "{\"model\":\"command-a-03-2025\",\"messages\":[{\"role\":"
	    "\"system\",\"content\":[{\"type\":\"text\",\"text\":"
	    "\"Be brief.\"}]},{\"role\":\"user\",\"content\":[{\"type\":"
	    "\"text\",\"text\":\"What?\"},{\"type\":\"image_url\","
	    "\"image_url\":{\"url\":\"data:image/png;base64,iVBO\"}}]},{"
	    "\"role\":\"assistant\",\"tool_plan\":\"I look.\",\"tool_calls\":["
	    "{\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\""
	    ",\"arguments\":\"{\\\"a\\\":1}\"}}]},{\"role\":\"tool\","
	    "\"tool_call_id\":\"t1\",\"content\":[{\"type\":\"text\",\"text\":"
	    "\"one\"}]}],\"tools\":[{\"type\":\"function\",\"function\":{"
	    "\"name\":\"f\",\"description\":\"\",\"parameters\":{\"type\":"
	    "\"object\"}}}],\"strict_tools\":true,\"tool_choice\":\"REQUIRED\""
	    ",\"thinking\":{\"type\":\"disabled\"},\"max_tokens\":100,"
	    "\"stop_sequences\":[\"a\"],\"temperature\":0.5,\"seed\":3,"
	    "\"frequency_penalty\":0.1,\"k\":5,\"p\":0.9,\"stream\":true}");
	CU_ASSERT_STRING_EQUAL(wire_up.url, "https://api.example/v1/v2/chat");
	CU_ASSERT(wire_has_header("Authorization: Bearer secret-key"));
	CU_ASSERT(strstr(wire_request(WL_API_CHAT, ASK("\"response_format\":"
	    "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\","
	    "\"schema\":{\"type\":\"object\"}}}")), "\"response_format\":"
	    "{\"type\":\"json_object\",\"json_schema\":{\"type\":\"object\"}}")
	    != NULL);
	CU_ASSERT_STRING_EQUAL(wire_request(WL_API_EMBEDDINGS, "{\"model\":"
	    "\"c\",\"input\":[\"a\",\"b\"],\"dimensions\":256,"
	    "\"encoding_format\":\"float\"}"), "{\"model\":"
	    "\"command-a-03-2025\",\"input_type\":\"search_document\","
	    "\"texts\":[\"a\",\"b\"],\"embedding_types\":[\"float\"],"
	    "\"output_dimension\":256}");
	CU_ASSERT_STRING_EQUAL(wire_up.url, "https://api.example/v1/v2/embed");
	CU_ASSERT(strstr(wire_request(WL_API_EMBEDDINGS, "{\"model\":\"c\","
	    "\"input\":\"a\",\"input_type\":\"search_query\"}"),
	    "\"input_type\":\"search_query\",\"texts\":[\"a\"]") != NULL);
}

static void
refused(void)
{
	reset();
	CU_ASSERT(wire_refuses(ASK("\"n\":2"), "n"));
	CU_ASSERT(wire_refuses(ASK("\"logprobs\":true"), "logprobs"));
	CU_ASSERT(wire_refuses(ASK("\"reasoning_effort\":\"low\""),
	    "reasoning_effort"));
	CU_ASSERT(wire_refuses(ASK("\"tools\":[" TOOL("true") ","
	    TOOL("false") "]"), "tools"));
	CU_ASSERT(wire_refuses(ASK("\"tools\":[" TOOL("true") "],"
	    "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":"
	    "\"f\"}}"), "tool_choice"));
	CU_ASSERT(wire_refuses("{\"model\":\"c\",\"messages\":[{\"role\":"
	    "\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"file_data\":"
	    "\"data:text/csv;base64,QQ\"}}]}]}", "messages"));
}

static void
answers(void)
{
	reset();
	(void)wire_request(WL_API_CHAT, plain);
	CU_ASSERT_STRING_EQUAL(wire_answer("{\"id\":\"c-1\","
	    "\"finish_reason\":\"TOOL_CALL\",\"message\":{\"role\":"
	    "\"assistant\",\"tool_plan\":\"I look.\",\"content\":[{\"type\":"
	    "\"thinking\",\"thinking\":\"Hm.\"}],\"tool_calls\":[{\"id\":"
	    "\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
	    "\"arguments\":\"{\\\"a\\\":1}\"}}]},\"usage\":{\"billed_units\":"
	    "{\"input_tokens\":17,\"output_tokens\":12},\"tokens\":"
	    "{\"input_tokens\":215,\"output_tokens\":14},\"cached_tokens\":5}}"
	    ),
	    "{\"id\":\"c-1\",\"object\":\"chat.completion\",\"created\":0,"
	    "\"model\":\"command-a-03-2025\",\"choices\":[{\"index\":0,"
	    "\"message\":{\"role\":\"assistant\",\"content\":\"I look.\","
	    "\"refusal\":null,\"reasoning_content\":\"Hm.\",\"tool_calls\":[{"
	    "\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
	    "\"arguments\":\"{\\\"a\\\":1}\"}}]},\"logprobs\":null,"
	    "\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":"
	    "17,\"completion_tokens\":12,\"total_tokens\":29,"
	    "\"prompt_tokens_details\":{\"cached_tokens\":5},"
	    "\"completion_tokens_details\":{\"reasoning_tokens\":0}}}");
	CU_ASSERT_EQUAL(wire_res.usage.input, 12);
	CU_ASSERT_EQUAL(wire_res.usage.cache_read, 5);
	CU_ASSERT(strstr(wire_answer("{\"id\":\"c\",\"finish_reason\":"
	    "\"COMPLETE\",\"message\":{\"content\":[{\"type\":\"text\","
	    "\"text\":\"Hi.\"}]},\"usage\":{\"tokens\":{\"input_tokens\":4.0,"
	    "\"output_tokens\":2.0}}}"), "\"finish_reason\":\"stop\"") !=
	    NULL);
	CU_ASSERT_EQUAL(wire_res.usage.input, 4);
	CU_ASSERT(wire_answer("{\"finish_reason\":\"ERROR\",\"message\":{}}")
	    == NULL);
	CU_ASSERT_EQUAL(wire_res.err.code, WL_E_UPSTREAM);
	CU_ASSERT_STRING_EQUAL(wire_res.upstream_code, "ERROR");
	CU_ASSERT(wire_answer("{\"message\":\"no\"}") == NULL);
	CU_ASSERT(wire_answer("x") == NULL);
	(void)wire_request(WL_API_EMBEDDINGS,
	    "{\"model\":\"c\",\"input\":\"four\"}");
	CU_ASSERT_STRING_EQUAL(wire_answer("{\"id\":\"e-1\",\"texts\":"
	    "[\"four\"],\"embeddings\":{\"float\":[[0.5,1e-2]]},\"meta\":"
	    "{\"api_version\":{\"version\":\"2\"},\"billed_units\":"
	    "{\"input_tokens\":3}},\"response_type\":\"embeddings_by_type\"}"),
	    "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\","
	    "\"index\":0,\"embedding\":[0.5,1e-2]}],\"model\":"
	    "\"command-a-03-2025\",\"usage\":{\"prompt_tokens\":3,"
	    "\"total_tokens\":3}}");
	CU_ASSERT_EQUAL(wire_res.usage.input, 3);
	CU_ASSERT(wire_answer("{\"embeddings\":[[1]]}") == NULL);
	CU_ASSERT(wire_answer("{\"embeddings\":{\"int8\":[[1]]}}") == NULL);
}

#define E(name, x) "event: " name "\ndata: {\"type\":\"" name "\"" x "}\n\n"
#define M(x)	",\"delta\":{\"message\":{" x "}}"
#define START	E("message-start", ",\"id\":\"c-1\",\"delta\":{\"message\":" \
		"{\"role\":\"assistant\",\"content\":[],\"tool_plan\":\"\"," \
		"\"tool_calls\":[],\"citations\":[]}}")
#define HEAD	"{\"id\":\"c-1\",\"object\":\"chat.completion.chunk\"," \
		"\"created\":0,\"model\":\"command-a-03-2025\",\"choices\":["
#define PART(x, end) "data: " HEAD "{\"index\":0,\"delta\":{" x "}," \
		"\"finish_reason\":" end "}],\"usage\":null}\n\n"

static void
streams(void)
{
	static const char in[] = START
	    E("tool-plan-delta", M("\"tool_plan\":\"I look.\""))
	    E("tool-call-start", ",\"index\":0" M("\"tool_calls\":{\"id\":"
	    "\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
	    "\"arguments\":\"\"}}"))
	    E("tool-call-delta", ",\"index\":0" M("\"tool_calls\":"
	    "{\"function\":{\"arguments\":\"{\\\"a\\\":1}\"}}"))
	    E("tool-call-end", ",\"index\":0")
	    E("message-end", ",\"delta\":{\"finish_reason\":\"TOOL_CALL\","
	    "\"usage\":{\"billed_units\":{\"input_tokens\":7,"
	    "\"output_tokens\":5}}}") "data: [DONE]\n\n";
	static const char text[] = START
	    E("content-start", ",\"index\":0" M("\"content\":{\"type\":"
	    "\"text\",\"text\":\"\"}"))
	    E("content-delta", ",\"index\":0" M("\"content\":{\"text\":"
	    "\"Hel\"}"))
	    E("content-delta", ",\"index\":0" M("\"content\":{\"text\":"
	    "\"lo\"}"))
	    E("content-end", ",\"index\":0")
	    E("message-end", ",\"delta\":{\"finish_reason\":\"MAX_TOKENS\"}");
	static const char bad[] = START E("message-end", ",\"delta\":"
	    "{\"finish_reason\":\"ERROR\",\"error\":\"no secret-key\"}");
	const char *out;
	int state;

	reset();
	(void)wire_request(WL_API_CHAT, streamed);
	CU_ASSERT_STRING_EQUAL(wire_stream(in, sizeof(in) - 1, &state),
	    PART("\"role\":\"assistant\",\"content\":\"I look.\"", "null")
	    PART("\"tool_calls\":[{\"index\":0,\"id\":\"t1\",\"type\":"
	    "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]",
	    "null")
	    PART("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
	    "\"{\\\"a\\\":1}\"}}]", "null")
	    PART("", "\"tool_calls\"")
	    "data: " HEAD "],\"usage\":{\"prompt_tokens\":7,"
	    "\"completion_tokens\":5,\"total_tokens\":12,"
	    "\"prompt_tokens_details\":{\"cached_tokens\":0},"
	    "\"completion_tokens_details\":{\"reasoning_tokens\":0}}}\n\n"
	    "data: [DONE]\n\n");
	CU_ASSERT_EQUAL(state, WL_STREAM_DONE);
	CU_ASSERT_EQUAL(wire_res.usage.output, 5);
	out = wire_stream(text, sizeof(text) - 1, &state);
	CU_ASSERT_EQUAL(state, WL_STREAM_DONE);
	CU_ASSERT(strstr(out, "\"finish_reason\":\"length\"") != NULL);
	CU_ASSERT_STRING_EQUAL(wire_res.text.p, "Hello");
	CU_ASSERT_EQUAL(wire_res.usage.source, WL_U_NONE);
	out = wire_stream(bad, sizeof(bad) - 1, &state);
	CU_ASSERT_EQUAL(state, WL_STREAM_ERROR);
	CU_ASSERT_STRING_EQUAL(out, "");
	CU_ASSERT_STRING_EQUAL(wire_res.upstream_code, "ERROR");
	CU_ASSERT_PTR_NULL(strstr(wire_res.err.msg, "secret-key"));
	(void)wire_stream("data: {\"message\":\"too many\"}\n\n", 30, &state);
	CU_ASSERT_EQUAL(state, WL_STREAM_ERROR);
	CU_ASSERT_STRING_EQUAL(wire_res.err.msg, "too many");
	(void)wire_stream("data: 1\n\n", 9, &state);
	CU_ASSERT_EQUAL(state, WL_STREAM_INVALID);
}

static void
errors_and_models(void)
{
	static const char body[] = "{\"models\":[{\"name\":\"command-a-03-2025"
	    "\",\"endpoints\":[\"chat\"]},{\"name\":\"embed-v4.0\"}],"
	    "\"next_page_token\":null}";
	struct wl_model_item *v;
	int n;

	reset();
	wl_provider_cohere.error(wire_arena, &wire_target, 400,
	    WL_STR("{\"id\":\"x\",\"message\":\"invalid request: no\"}"),
	    &wire_res);
	CU_ASSERT_FALSE(wl_provider_error_map(&wire_res, &wire_target, 400,
	    NULL));
	CU_ASSERT_STRING_EQUAL(wire_res.err.msg, "invalid request: no");
	CU_ASSERT_EQUAL(wl_provider_cohere.list(wire_arena, &wire_target,
	    &wire_up, &wire_err), 0);
	CU_ASSERT_STRING_EQUAL(wire_up.url,
	    "https://api.example/v1/v1/models?page_size=1000");
	CU_ASSERT_EQUAL(wl_provider_cohere.listed(wire_arena, wl_str_of(body),
	    &v, &n), 0);
	CU_ASSERT_EQUAL_FATAL(n, 2);
	CU_ASSERT_STRING_EQUAL(v[1].name, "embed-v4.0");
	CU_ASSERT_STRING_EQUAL(v[1].owned_by, "cohere");
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "requests", requests },
		{ "what it cannot do", refused },
		{ "answers", answers },
		{ "streams", streams },
		{ "errors and models", errors_and_models },
		{ NULL, NULL }
	};

	return wl_tap_run("provider_cohere", tests);
}
