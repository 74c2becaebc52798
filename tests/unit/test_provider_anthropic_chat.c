/*
 * OpenAI's chat against Anthropic's messages.  Shapes are those of Anthropic's
 * client library for Python, 2.13 (types/message_create_params.py,
 * types/message.py, types/raw_message_stream_event.py).
 */
#include "config.h"
#include "tests/unit/wire.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/core/stream.h"
#include "tests/unit/tap.h"

static void
reset(const char *model)
{
	wire_reset(&wl_provider_anthropic, model, "x-api-key");
}

#define ASK(x)	"{\"model\":\"c\",\"messages\":[{\"role\":\"user\"," \
		"\"content\":\"hi\"}]," x "}"
#define HI	"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":" \
		"\"text\",\"text\":\"hi\"}]}]"

static const char plain[] = ASK("\"max_tokens\":9");
static const char streamed[] = ASK("\"stream\":true,\"stream_options\":"
    "{\"include_usage\":true}");

static void
requests(void)
{
	reset("claude-sonnet-4-5");
	CU_ASSERT_STRING_EQUAL(wire_request(WL_API_CHAT, "{\"model\":\"c\","
	    "\"messages\":[{\"role\":\"system\",\"content\":[{\"type\":"
	    "\"text\",\"text\":\"Be brief.\",\"cache_control\":{\"type\":"
	    "\"ephemeral\"}}]},{\"role\":\"user\",\"content\":[{\"type\":"
	    "\"text\",\"text\":\"\"},{\"type\":\"image_url\",\"image_url\":"
	    "{\"url\":\"data:image/png;base64,iVBO\"}},{\"type\":\"image_url\""
	    ",\"image_url\":{\"url\":\"https://x.example/y.png\"}},{\"type\":"
	    "\"file\",\"file\":{\"filename\":\"a.pdf\",\"file_data\":"
	    "\"data:application/pdf;base64,JVBE\"}}]},{\"role\":\"user\","
	    "\"content\":\"What?\"},{\"role\":\"assistant\",\"content\":"
	    "\"Well,\"}],\"temperature\":0.5,\"top_p\":0.9,\"top_k\":5,"
	    "\"max_completion_tokens\":100,\"stop\":[\"a\",\"b\"],\"user\":"
	    "\"u-1\",\"stream\":true}"),
	    "{\"model\":\"claude-sonnet-4-5\",\"max_tokens\":100,\"system\":[{"
	    "\"type\":\"text\",\"text\":\"Be brief.\",\"cache_control\":"
	    "{\"type\":\"ephemeral\"}}],\"messages\":[{\"role\":\"user\","
	    "\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\","
	    "\"media_type\":\"image/png\",\"data\":\"iVBO\"}},{\"type\":"
	    "\"image\",\"source\":{\"type\":\"url\",\"url\":"
	    "\"https://x.example/y.png\"}},{\"type\":\"document\",\"source\":"
	    "{\"type\":\"base64\",\"media_type\":\"application/pdf\",\"data\":"
	    "\"JVBE\"},\"title\":\"a.pdf\"},{\"type\":\"text\",\"text\":"
	    "\"What?\"}]},{\"role\":\"assistant\",\"content\":[{\"type\":"
	    "\"text\",\"text\":\"Well,\"}]}],\"temperature\":0.5,\"top_p\":0.9"
	    ",\"top_k\":5,\"stop_sequences\":[\"a\",\"b\"],\"metadata\":"
	    "{\"user_id\":\"u-1\"},\"stream\":true}");
	CU_ASSERT_STRING_EQUAL(wire_up.url,
	    "https://api.example/v1/messages");
	CU_ASSERT(wire_has_header("x-api-key: secret-key"));
	CU_ASSERT(wire_has_header("anthropic-version: 2023-06-01"));
	CU_ASSERT(wire_has_header("Accept: text/event-stream"));
}

#define TOOL	"{\"type\":\"function\",\"function\":{\"name\":\"f\"," \
		"\"description\":\"d\",\"parameters\":{\"type\":\"object\"}," \
		"\"strict\":true}}"

static void
tools(void)
{
	reset("claude-sonnet-4-5");
	CU_ASSERT_STRING_EQUAL(wire_request(WL_API_CHAT, "{\"model\":\"c\","
	    "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":"
	    "\"assistant\",\"content\":\"Let me see.\",\"tool_calls\":[{"
	    "\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
	    "\"arguments\":\"{\\\"a\\\":1}\"}},{\"id\":\"t2\",\"type\":"
	    "\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]},"
	    "{\"role\":\"tool\",\"tool_call_id\":\"t1\",\"content\":\"one\"},"
	    "{\"role\":\"tool\",\"tool_call_id\":\"t2\",\"content\":[{"
	    "\"type\":\"text\",\"text\":\"two\"}]},{\"role\":\"user\","
	    "\"content\":\"Go on.\"}],\"max_tokens\":9,\"tools\":[" TOOL ",{"
	    "\"type\":\"function\",\"function\":{\"name\":\"g\"}}],"
	    "\"tool_choice\":\"required\",\"parallel_tool_calls\":false}"),
	    "{\"model\":\"claude-sonnet-4-5\",\"max_tokens\":9,\"messages\":[{"
	    "\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\""
	    "}]},{\"role\":\"assistant\",\"content\":[{\"type\":\"text\","
	    "\"text\":\"Let me see.\"},{\"type\":\"tool_use\",\"id\":\"t1\","
	    "\"name\":\"f\",\"input\":{\"a\":1}},{\"type\":\"tool_use\","
	    "\"id\":\"t2\",\"name\":\"g\",\"input\":{}}]},{\"role\":\"user\","
	    "\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\","
	    "\"content\":[{\"type\":\"text\",\"text\":\"one\"}]},{\"type\":"
	    "\"tool_result\",\"tool_use_id\":\"t2\",\"content\":[{\"type\":"
	    "\"text\",\"text\":\"two\"}]},{\"type\":\"text\",\"text\":"
	    "\"Go on.\"}]}],\"tools\":[{\"name\":\"f\",\"description\":\"d\","
	    "\"input_schema\":{\"type\":\"object\"},\"strict\":true},{"
	    "\"name\":\"g\",\"input_schema\":{\"type\":\"object\","
	    "\"properties\":{}}}],\"tool_choice\":{\"type\":\"any\","
	    "\"disable_parallel_tool_use\":true}}");
	CU_ASSERT(strstr(wire_request(WL_API_CHAT, ASK("\"tools\":[" TOOL "],"
	    "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":"
	    "\"f\"}}")), "\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\"}")
	    != NULL);
	CU_ASSERT(strstr(wire_request(WL_API_CHAT, ASK("\"tools\":[" TOOL "],"
	    "\"tool_choice\":\"none\"")), "\"tool_choice\":{\"type\":\"none\"}"
	    ) != NULL);
	CU_ASSERT(strstr(wire_request(WL_API_CHAT, ASK("\"tools\":[" TOOL "]"
	    )), "tool_choice") == NULL);
}

/*
 * How much is generated where the client does not say, and how much thought.
 */
static void
limits(void)
{
	reset("claude-3-haiku-20240307");
	CU_ASSERT(strstr(wire_request(WL_API_CHAT, ASK("\"user\":\"\"")),
	    "\"max_tokens\":4096," HI "}") != NULL);
	reset("claude-sonnet-4-5-20250929");
	CU_ASSERT(strstr(wire_request(WL_API_CHAT,
	    ASK("\"reasoning_effort\":\"medium\"")), "\"max_tokens\":24576,"
	    "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":8192}") !=
	    NULL);
	CU_ASSERT(strstr(wire_request(WL_API_CHAT,
	    ASK("\"reasoning_effort\":\"high\",\"max_tokens\":4096")),
	    "\"max_tokens\":4096,\"thinking\":{\"type\":\"enabled\","
	    "\"budget_tokens\":2048}") != NULL);
	CU_ASSERT(wire_refuses(ASK("\"reasoning_effort\":\"low\","
	    "\"max_tokens\":2000"), "reasoning_effort"));
	CU_ASSERT(wire_refuses(ASK("\"reasoning_effort\":\"max\""),
	    "reasoning_effort"));
	CU_ASSERT(strstr(wire_request(WL_API_CHAT,
	    ASK("\"reasoning_effort\":\"none\"")),
	    "\"thinking\":{\"type\":\"disabled\"}") != NULL);
	reset("claude-opus-4-6");
	CU_ASSERT(strstr(wire_request(WL_API_CHAT,
	    ASK("\"reasoning_effort\":\"xhigh\",\"response_format\":"
	    "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\","
	    "\"schema\":{\"type\":\"object\"}}}")), "\"max_tokens\":16384,"
	    "\"thinking\":{\"type\":\"adaptive\"},\"output_config\":"
	    "{\"effort\":\"xhigh\",\"format\":{\"type\":\"json_schema\","
	    "\"schema\":{\"type\":\"object\"}}}") != NULL);
}

static void
refused(void)
{
	reset("claude-sonnet-4-5");
	CU_ASSERT(wire_refuses(ASK("\"n\":3"), "n"));
	CU_ASSERT(wire_refuses(ASK("\"seed\":1"), "seed"));
	CU_ASSERT(wire_refuses(ASK("\"presence_penalty\":0.1"),
	    "presence_penalty"));
	CU_ASSERT(wire_refuses(ASK("\"response_format\":{\"type\":"
	    "\"json_object\"}"), "response_format"));
	CU_ASSERT(wire_refuses(ASK("\"response_format\":{\"type\":"
	    "\"json_schema\",\"json_schema\":{}}"), "response_format"));
	CU_ASSERT(wire_refuses("{\"model\":\"c\",\"messages\":[{\"role\":"
	    "\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":"
	    "{\"data\":\"AA\",\"format\":\"wav\"}}]}]}", "messages"));
	CU_ASSERT(wire_refuses("{\"model\":\"c\",\"messages\":[{\"role\":"
	    "\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"file_data\":"
	    "\"data:text/csv;base64,QQ\"}}]}]}", "messages"));
	CU_ASSERT(wire_refuses("{\"model\":\"c\",\"messages\":[{\"role\":"
	    "\"function\",\"name\":\"f\",\"content\":\"x\"}]}", "messages"));
	CU_ASSERT(wire_request(WL_API_EMBEDDINGS, "{\"model\":\"c\","
	    "\"input\":\"x\"}") == NULL);
}

static void
answers(void)
{
	reset("claude-sonnet-4-5");
	(void)wire_request(WL_API_CHAT, plain);
	CU_ASSERT_STRING_EQUAL(wire_answer("{\"id\":\"msg_1\",\"type\":"
	    "\"message\",\"role\":\"assistant\",\"model\":"
	    "\"claude-sonnet-4-5-20250929\",\"content\":[{\"type\":"
	    "\"thinking\",\"thinking\":\"Hm.\",\"signature\":\"s\"},{\"type\":"
	    "\"text\",\"text\":\"Let me \\\"see\\\".\"},{\"type\":\"tool_use\""
	    ",\"id\":\"toolu_1\",\"name\":\"f\",\"input\":{\"at\":\"Rome\"}},{"
	    "\"type\":\"tool_use\",\"id\":\"toolu_2\",\"name\":\"g\","
	    "\"input\":{}}],\"stop_reason\":\"tool_use\",\"stop_sequence\":"
	    "null,\"usage\":{\"input_tokens\":10,"
	    "\"cache_creation_input_tokens\":20,\"cache_read_input_tokens\":30"
	    ",\"output_tokens\":9}}"),
	    "{\"id\":\"msg_1\",\"object\":\"chat.completion\",\"created\":0,"
	    "\"model\":\"claude-sonnet-4-5-20250929\",\"choices\":[{\"index\":"
	    "0,\"message\":{\"role\":\"assistant\",\"content\":"
	    "\"Let me \\\"see\\\".\",\"refusal\":null,\"reasoning_content\":"
	    "\"Hm.\",\"thinking_blocks\":[{\"type\":\"thinking\","
	    "\"thinking\":\"Hm.\",\"signature\":\"s\"}],\"tool_calls\":[{\"id\":\"toolu_1\",\"type\":\"function\""
	    ",\"function\":{\"name\":\"f\",\"arguments\":"
	    "\"{\\\"at\\\":\\\"Rome\\\"}\"}},{\"id\":\"toolu_2\",\"type\":"
	    "\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]"
	    "},\"logprobs\":null,\"finish_reason\":\"tool_calls\"}],\"usage\":"
	    "{\"prompt_tokens\":60,\"completion_tokens\":9,\"total_tokens\":69"
	    ",\"prompt_tokens_details\":{\"cached_tokens\":30,"
	    "\"cache_write_tokens\":20},\"completion_tokens_details\":"
	    "{\"reasoning_tokens\":0}}}");
	CU_ASSERT_EQUAL(wire_res.usage.input, 10);
	CU_ASSERT_EQUAL(wire_res.usage.cache_write, 20);
	CU_ASSERT_EQUAL(wire_res.usage.cache_read, 30);
	CU_ASSERT_STRING_EQUAL(wire_res.tools.p, "{\"index\":0,\"id\":"
	    "\"toolu_1\",\"name\":\"f\",\"arguments\":"
	    "\"{\\\"at\\\":\\\"Rome\\\"}\"},{\"index\":1,\"id\":\"toolu_2\","
	    "\"name\":\"g\",\"arguments\":\"{}\"}");
	CU_ASSERT(strstr(wire_answer("{\"content\":[],\"stop_reason\":"
	    "\"refusal\"}"), "\"finish_reason\":\"content_filter\"") != NULL);
	CU_ASSERT(strstr(wire_answer("{\"content\":[],\"stop_reason\":"
	    "\"max_tokens\"}"), "\"finish_reason\":\"length\"") != NULL);
	CU_ASSERT(wire_answer("{\"type\":\"error\",\"error\":{\"type\":"
	    "\"overloaded_error\",\"message\":\"Overloaded\"}}") == NULL);
	CU_ASSERT_EQUAL(wire_res.err.code, WL_E_UPSTREAM);
	CU_ASSERT(wire_answer("{\"content\":\"x\"}") == NULL);
	CU_ASSERT(wire_answer("no") == NULL);
}

#define E(name, x) "event: " name "\ndata: {\"type\":\"" name "\"" x "}\n\n"
#define START	E("message_start", ",\"message\":{\"id\":\"msg_1\",\"type\":" \
		"\"message\",\"role\":\"assistant\",\"model\":\"c-1\"," \
		"\"content\":[],\"stop_reason\":null,\"usage\":" \
		"{\"input_tokens\":7,\"cache_read_input_tokens\":3," \
		"\"output_tokens\":1}}")
#define TEXT	E("content_block_start", ",\"index\":0,\"content_block\":" \
		"{\"type\":\"text\",\"text\":\"\"}") E("ping", "") \
		E("content_block_delta", ",\"index\":0,\"delta\":{\"type\":" \
		"\"text_delta\",\"text\":\"Hel\"}") \
		E("content_block_delta", ",\"index\":0,\"delta\":{\"type\":" \
		"\"text_delta\",\"text\":\"lo\"}") \
		E("content_block_stop", ",\"index\":0")
#define TOOLS	E("content_block_start", ",\"index\":1,\"content_block\":" \
		"{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\"," \
		"\"input\":{}}") \
		E("content_block_delta", ",\"index\":1,\"delta\":{\"type\":" \
		"\"input_json_delta\",\"partial_json\":\"\"}") \
		E("content_block_delta", ",\"index\":1,\"delta\":{\"type\":" \
		"\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":\"}") \
		E("content_block_delta", ",\"index\":1,\"delta\":{\"type\":" \
		"\"input_json_delta\",\"partial_json\":\"1}\"}") \
		E("content_block_stop", ",\"index\":1") \
		E("content_block_start", ",\"index\":2,\"content_block\":" \
		"{\"type\":\"tool_use\",\"id\":\"toolu_2\",\"name\":\"g\"," \
		"\"input\":{}}") E("content_block_stop", ",\"index\":2")
#define STOP	E("message_delta", ",\"delta\":{\"stop_reason\":\"tool_use\"," \
		"\"stop_sequence\":null},\"usage\":{\"output_tokens\":12}") \
		E("message_stop", "")
#define HEAD	"{\"id\":\"msg_1\",\"object\":\"chat.completion.chunk\"," \
		"\"created\":0,\"model\":\"c-1\",\"choices\":["
#define PART(x, end) "data: " HEAD "{\"index\":0,\"delta\":{" x "}," \
		"\"finish_reason\":" end "}],\"usage\":null}\n\n"
#define CALL(x)	PART("\"tool_calls\":[{" x "}]", "null")

static void
streams(void)
{
	static const char in[] = START TEXT TOOLS STOP;
	static const char bad[] = START E("error", ",\"error\":{\"type\":"
	    "\"overloaded_error\",\"message\":\"Overloaded\"}");
	const char *out;
	int state;

	reset("claude-sonnet-4-5");
	(void)wire_request(WL_API_CHAT, streamed);
	CU_ASSERT_STRING_EQUAL(wire_stream(in, sizeof(in) - 1, &state),
	    PART("\"role\":\"assistant\",\"content\":\"Hel\"", "null")
	    PART("\"content\":\"lo\"", "null")
	    CALL("\"index\":0,\"id\":\"toolu_1\",\"type\":\"function\","
	    "\"function\":{\"name\":\"f\",\"arguments\":\"\"}")
	    CALL("\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":\"}")
	    CALL("\"index\":0,\"function\":{\"arguments\":\"1}\"}")
	    CALL("\"index\":1,\"id\":\"toolu_2\",\"type\":\"function\","
	    "\"function\":{\"name\":\"g\",\"arguments\":\"\"}")
	    CALL("\"index\":1,\"function\":{\"arguments\":\"{}\"}")
	    PART("", "\"tool_calls\"")
	    "data: " HEAD "],\"usage\":{\"prompt_tokens\":10,"
	    "\"completion_tokens\":12,\"total_tokens\":22,"
	    "\"prompt_tokens_details\":{\"cached_tokens\":3},"
	    "\"completion_tokens_details\":{\"reasoning_tokens\":0}}}\n\n"
	    "data: [DONE]\n\n");
	CU_ASSERT_EQUAL(state, WL_STREAM_DONE);
	CU_ASSERT_EQUAL(wire_res.usage.input, 7);
	CU_ASSERT_EQUAL(wire_res.usage.output, 12);
	CU_ASSERT_STRING_EQUAL(wire_res.text.p, "Hello");
	/* nothing was said before the error: another may answer */
	out = wire_stream(bad, sizeof(bad) - 1, &state);
	CU_ASSERT_EQUAL(state, WL_STREAM_ERROR);
	CU_ASSERT_STRING_EQUAL(out, "");
	CU_ASSERT_STRING_EQUAL(wire_res.upstream_code, "overloaded_error");
	/* without its end it is not complete */
	(void)wire_stream(START TEXT, sizeof(START TEXT) - 1, &state);
	CU_ASSERT_EQUAL(state, WL_STREAM_MORE);
	CU_ASSERT_EQUAL(wire_res.finish_reason[0], '\0');
	(void)wire_stream("data: x\n\n", 9, &state);
	CU_ASSERT_EQUAL(state, WL_STREAM_INVALID);
}

/*
 * What a model thought before it called a tool goes back to it, signed.
 */
static void
thoughts(void)
{
	static const char in[] = START
	    E("content_block_start", ",\"index\":0,\"content_block\":"
	    "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}")
	    E("content_block_delta", ",\"index\":0,\"delta\":{\"type\":"
	    "\"thinking_delta\",\"thinking\":\"H\"}")
	    E("content_block_delta", ",\"index\":0,\"delta\":{\"type\":"
	    "\"thinking_delta\",\"thinking\":\"m.\"}")
	    E("content_block_delta", ",\"index\":0,\"delta\":{\"type\":"
	    "\"signature_delta\",\"signature\":\"c2ln\"}")
	    E("content_block_stop", ",\"index\":0")
	    E("content_block_start", ",\"index\":1,\"content_block\":"
	    "{\"type\":\"redacted_thinking\",\"data\":\"eA==\"}")
	    E("content_block_stop", ",\"index\":1") STOP;
	const char *out;
	int state;

	reset("claude-sonnet-4-5");
	CU_ASSERT(strstr(wire_request(WL_API_CHAT, "{\"model\":\"c\","
	    "\"messages\":[{\"role\":\"assistant\",\"content\":\"See.\","
	    "\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":"
	    "\"Hm.\",\"signature\":\"c2ln\"},{\"type\":\"other\"},"
	    "{\"type\":\"redacted_thinking\",\"data\":\"eA==\"}]}]}"),
	    "{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\","
	    "\"thinking\":\"Hm.\",\"signature\":\"c2ln\"},{\"type\":"
	    "\"redacted_thinking\",\"data\":\"eA==\"},{\"type\":\"text\","
	    "\"text\":\"See.\"}]}") != NULL);
	(void)wire_request(WL_API_CHAT, streamed);
	out = wire_stream(in, sizeof(in) - 1, &state);
	CU_ASSERT_EQUAL(state, WL_STREAM_DONE);
	CU_ASSERT(strstr(out, PART("\"role\":\"assistant\","
	    "\"reasoning_content\":\"H\"", "null")
	    PART("\"reasoning_content\":\"m.\"", "null")
	    PART("\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":"
	    "\"Hm.\",\"signature\":\"c2ln\"}]", "null")
	    PART("\"thinking_blocks\":[{\"type\":\"redacted_thinking\","
	    "\"data\":\"eA==\"}]", "null")) != NULL);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "requests", requests },
		{ "tools", tools },
		{ "limits and thought", limits },
		{ "what it cannot do", refused },
		{ "answers", answers },
		{ "streams", streams },
		{ "thoughts", thoughts },
		{ NULL, NULL }
	};

	return wl_tap_run("provider_anthropic_chat", tests);
}
