/*
 * Gemini's wire format.  Shapes are those of google-genai 3.6 (types.py,
 * models.py: GenerateContentResponse, _GenerateContentConfig_to_mldev) and of
 * Google's "Gemini API" reference (v1beta).
 */
#include "config.h"
#include "tests/unit/wire.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/core/models.h"
#include "lib/core/provider_error.h"
#include "lib/core/stream.h"
#include "tests/unit/tap.h"

static void
reset(const char *model)
{
	wire_reset(&wl_provider_gemini, model, "x-goog-api-key");
}

static const char plain[] =
    "{\"model\":\"g\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
static const char streamed[] =
    "{\"model\":\"g\",\"stream\":true,\"stream_options\":{\"include_usage\":"
    "true},\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";

static void
requests(void)
{
	reset("gemini-2.5-flash");
	CU_ASSERT_STRING_EQUAL(wire_request(WL_API_CHAT, "{\"model\":\"g\","
	    "\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},"
	    "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
	    "\"What is it?\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
	    "\"data:image/png;base64,iVBORw0K\"}}]},{\"role\":\"developer\","
	    "\"content\":\"In French.\"}],\"temperature\":0.25,\"top_p\":0.5,"
	    "\"max_tokens\":64,\"seed\":7,\"stop\":\"END\",\"presence_penalty\""
	    ":0.5,\"reasoning_effort\":\"low\",\"user\":\"u-1\"}"),
	    "{\"systemInstruction\":{\"parts\":[{\"text\":\"Be brief.\"},"
	    "{\"text\":\"In French.\"}]},\"contents\":[{\"role\":\"user\","
	    "\"parts\":[{\"text\":\"What is it?\"},{\"inlineData\":"
	    "{\"mimeType\":\"image/png\",\"data\":\"iVBORw0K\"}}]}],"
	    "\"generationConfig\":{\"temperature\":0.25,\"topP\":0.5,"
	    "\"seed\":7,\"presencePenalty\":0.5,\"stopSequences\":[\"END\"],"
	    "\"maxOutputTokens\":64,\"thinkingConfig\":{\"thinkingBudget\":"
	    "1024}}}");
	CU_ASSERT_STRING_EQUAL(wire_up.url, "https://api.example/v1/models/"
	    "gemini-2.5-flash:generateContent");
	CU_ASSERT(wire_has_header("x-goog-api-key: secret-key"));
	CU_ASSERT(wire_has_header("Content-Type: application/json"));
	CU_ASSERT(wire_request(WL_API_CHAT, streamed) != NULL);
	CU_ASSERT_STRING_EQUAL(wire_up.url, "https://api.example/v1/models/"
	    "gemini-2.5-flash:streamGenerateContent?alt=sse");
	reset("tunedModels/x y?key=1");
	CU_ASSERT(wire_request(WL_API_CHAT, plain) != NULL);
	CU_ASSERT_STRING_EQUAL(wire_up.url, "https://api.example/v1/"
	    "tunedModels/x%20y%3Fkey%3D1:generateContent");
	reset("..");
	CU_ASSERT(wire_refuses(plain, "model"));
}

#define TOOLS	"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":" \
		"\"weather\",\"description\":\"Of a place.\",\"parameters\":" \
		"{\"type\":\"object\",\"properties\":{\"at\":{\"type\":" \
		"\"string\"}},\"additionalProperties\":false}}}]"
#define HISTORY	"\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}," \
		"{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" \
		"{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":" \
		"\"weather\",\"arguments\":\"{\\\"at\\\":\\\"Rome\\\"}\"}," \
		"\"extra_content\":{\"google\":{\"thought_signature\":" \
		"\"c2ln\"}}},{\"id\":\"c2\",\"type\":\"function\"," \
		"\"function\":{\"name\":\"time\",\"arguments\":\"\"}}]}," \
		"{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":" \
		"\"{\\\"sky\\\":\\\"blue\\\"}\"},{\"role\":\"tool\"," \
		"\"tool_call_id\":\"c2\",\"content\":\"noon\"}]"

static void
tools(void)
{
	reset("gemini-2.5-pro");
	CU_ASSERT_STRING_EQUAL(wire_request(WL_API_CHAT, "{\"model\":\"g\","
	    HISTORY "," TOOLS ",\"tool_choice\":{\"type\":\"function\","
	    "\"function\":{\"name\":\"weather\"}}}"),
	    "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]},"
	    "{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"id\":\"c1\","
	    "\"name\":\"weather\",\"args\":{\"at\":\"Rome\"}},"
	    "\"thoughtSignature\":\"c2ln\"},{\"functionCall\":{\"id\":\"c2\","
	    "\"name\":\"time\",\"args\":{}}}]},{\"role\":\"user\",\"parts\":["
	    "{\"functionResponse\":{\"id\":\"c1\",\"name\":\"weather\","
	    "\"response\":{\"sky\":\"blue\"}}},{\"functionResponse\":{\"id\":"
	    "\"c2\",\"name\":\"time\",\"response\":{\"output\":\"noon\"}}}]}],"
	    "\"tools\":[{\"functionDeclarations\":[{\"name\":\"weather\","
	    "\"description\":\"Of a place.\",\"parametersJsonSchema\":"
	    "{\"type\":\"object\",\"properties\":{\"at\":{\"type\":\"string\"}"
	    "},\"additionalProperties\":false}}]}],\"toolConfig\":"
	    "{\"functionCallingConfig\":{\"mode\":\"ANY\","
	    "\"allowedFunctionNames\":[\"weather\"]}},\"generationConfig\":{}"
	    "}");
	/* a history that is another provider's has no signatures */
	reset("gemini-3-pro-preview");
	CU_ASSERT(strstr(wire_request(WL_API_CHAT, "{\"model\":\"g\","
	    "\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":"
	    "\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\","
	    "\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":"
	    "\"a\",\"content\":\"x\"}],\"reasoning_effort\":\"high\"}"),
	    "\"args\":{}},\"thoughtSignature\":"
	    "\"skip_thought_signature_validator\"}]}") != NULL);
	CU_ASSERT(strstr(wire_up.body.p, "{\"thinkingLevel\":\"high\"}") !=
	    NULL);
}

static void
formats(void)
{
	reset("gemini-2.5-flash");
	CU_ASSERT(strstr(wire_request(WL_API_CHAT, "{\"model\":\"g\","
	    "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
	    "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
	    "{\"name\":\"n\",\"strict\":true,\"schema\":{\"type\":\"object\"}}"
	    "}}"), "\"generationConfig\":{\"responseMimeType\":"
	    "\"application/json\",\"responseJsonSchema\":{\"type\":\"object\"}"
	    "}") != NULL);
	CU_ASSERT_STRING_EQUAL(wire_request(WL_API_EMBEDDINGS,
	    "{\"model\":\"g\",\"input\":[\"a\",\"b\"],\"dimensions\":8}"),
	    "{\"requests\":[{\"model\":\"models/gemini-2.5-flash\",\"content\""
	    ":{\"parts\":[{\"text\":\"a\"}]},\"outputDimensionality\":8},"
	    "{\"model\":\"models/gemini-2.5-flash\",\"content\":{\"parts\":["
	    "{\"text\":\"b\"}]},\"outputDimensionality\":8}]}");
	CU_ASSERT_STRING_EQUAL(wire_up.url, "https://api.example/v1/models/"
	    "gemini-2.5-flash:batchEmbedContents");
}

#define ASK(x)	"{\"model\":\"g\",\"messages\":[{\"role\":\"user\"," \
		"\"content\":\"hi\"}]," x "}"
#define SAY(x)	"{\"model\":\"g\",\"messages\":[" x "]}"

static void
refused(void)
{
	reset("gemini-2.5-flash");
	CU_ASSERT(wire_refuses(ASK("\"n\":2"), "n"));
	CU_ASSERT(wire_refuses(ASK("\"logprobs\":true"), "logprobs"));
	CU_ASSERT(wire_refuses(ASK("\"logit_bias\":{\"1\":2}"), "logit_bias"));
	CU_ASSERT(wire_refuses(ASK("\"parallel_tool_calls\":false"),
	    "parallel_tool_calls"));
	CU_ASSERT(wire_refuses(ASK("\"invented\":1"), "invented"));
	CU_ASSERT(wire_refuses(ASK("\"response_format\":{\"type\":"
	    "\"grammar\"}"), "response_format"));
	CU_ASSERT(wire_refuses(ASK("\"reasoning_effort\":\"xhigh\""),
	    "reasoning_effort"));
	CU_ASSERT(wire_refuses(ASK("\"tools\":[{\"type\":\"web_search\"}]"),
	    "tools"));
	CU_ASSERT(wire_refuses(ASK("\"tool_choice\":\"all\""),
	    "tool_choice"));
	CU_ASSERT(wire_refuses(SAY("{\"role\":\"robot\",\"content\":\"x\"}"),
	    "messages"));
	CU_ASSERT(wire_refuses(SAY("{\"role\":\"user\",\"content\":[{\"type\":"
	    "\"image_url\",\"image_url\":{\"url\":\"https://x/y.png\"}}]}"),
	    "messages"));
	CU_ASSERT(wire_refuses(SAY("{\"role\":\"user\",\"content\":[{\"type\":"
	    "\"image_url\",\"image_url\":{\"url\":\"data:,x\"}}]}"),
	    "messages"));
	CU_ASSERT(wire_refuses(SAY("{\"role\":\"user\",\"content\":[{\"type\":"
	    "\"input_audio\",\"input_audio\":{\"data\":\"AA\",\"format\":"
	    "\"ogg\"}}]}"), "messages"));
	CU_ASSERT(wire_refuses(SAY("{\"role\":\"tool\",\"tool_call_id\":"
	    "\"?\",\"content\":\"x\"}"), "messages"));
	CU_ASSERT(wire_refuses(SAY("{\"role\":\"assistant\",\"tool_calls\":[{"
	    "\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\","
	    "\"arguments\":\"[1]\"}}]}"), "messages"));
	/* what says nothing is taken */
	CU_ASSERT(wire_request(WL_API_CHAT, ASK("\"n\":1,\"logprobs\":false,"
	    "\"logit_bias\":{},\"frequency_penalty\":0.0,\"store\":false,"
	    "\"parallel_tool_calls\":true,\"invented\":null,\"modalities\":"
	    "[\"text\"],\"metadata\":{\"a\":\"b\"}")) != NULL);
	CU_ASSERT(wire_request(WL_API_EMBEDDINGS, "{\"model\":\"g\","
	    "\"input\":[1,2]}") == NULL);
	CU_ASSERT_STRING_EQUAL(wire_err.param, "input");
	CU_ASSERT(wire_request(WL_API_RESPONSES, "{\"model\":\"g\","
	    "\"input\":\"x\"}") == NULL);
	CU_ASSERT_STRING_EQUAL(wire_err.param, "model");
}

static void
answers(void)
{
	reset("gemini-2.5-flash");
	(void)wire_request(WL_API_CHAT, plain);
	CU_ASSERT_STRING_EQUAL(wire_answer("{\"candidates\":[{\"content\":"
	    "{\"parts\":[{\"text\":\"Thinking.\",\"thought\":true},{\"text\":"
	    "\"Hello \"},{\"text\":\"there.\"}],\"role\":\"model\"},"
	    "\"finishReason\":\"STOP\",\"index\":0,\"avgLogprobs\":-0.1}],"
	    "\"usageMetadata\":{\"promptTokenCount\":12,"
	    "\"candidatesTokenCount\":5,\"totalTokenCount\":37,"
	    "\"cachedContentTokenCount\":4,\"thoughtsTokenCount\":20,"
	    "\"promptTokensDetails\":[{\"modality\":\"TEXT\",\"tokenCount\":12}"
	    "]},\"modelVersion\":\"gemini-2.5-flash-001\",\"responseId\":"
	    "\"r-1\"}"),
	    "{\"id\":\"r-1\",\"object\":\"chat.completion\",\"created\":0,"
	    "\"model\":\"gemini-2.5-flash-001\",\"choices\":[{\"index\":0,"
	    "\"message\":{\"role\":\"assistant\",\"content\":\"Hello there.\","
	    "\"refusal\":null,\"reasoning_content\":\"Thinking.\"},"
	    "\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":"
	    "{\"prompt_tokens\":12,\"completion_tokens\":25,\"total_tokens\":"
	    "37,\"prompt_tokens_details\":{\"cached_tokens\":4},"
	    "\"completion_tokens_details\":{\"reasoning_tokens\":20}}}");
	CU_ASSERT_EQUAL(wire_res.usage.input, 8);
	CU_ASSERT_EQUAL(wire_res.usage.cache_read, 4);
	CU_ASSERT_EQUAL(wire_res.usage.output, 5);
	CU_ASSERT_EQUAL(wire_res.usage.reasoning, 20);
	CU_ASSERT_STRING_EQUAL(wire_res.text.p, "Hello there.");
	CU_ASSERT(strstr(wire_answer("{\"candidates\":[{\"content\":{\"parts\""
	    ":[{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":\"\\\"\"}},"
	    "\"thoughtSignature\":\"c2ln\"},{\"functionCall\":{\"id\":\"x\","
	    "\"name\":\"g\"}}],\"role\":\"model\"},\"finishReason\":\"STOP\"}]"
	    "}"), "\"content\":null,\"refusal\":null,\"tool_calls\":[{\"id\":"
	    "\"ID\",\"type\":\"function\",\"extra_content\":{\"google\":"
	    "{\"thought_signature\":\"c2ln\"}},\"function\":{\"name\":\"f\","
	    "\"arguments\":\"{\\\"a\\\":\\\"\\\\\\\"\\\"}\"}},{\"id\":\"x\","
	    "\"type\":\"function\",\"function\":{\"name\":\"g\","
	    "\"arguments\":\"{}\"}}]},\"logprobs\":null,\"finish_reason\":"
	    "\"tool_calls\"}") != NULL);
	CU_ASSERT_EQUAL(wire_res.usage.source, WL_U_NONE);
	/* in one piece, though a stream was asked for */
	(void)wire_request(WL_API_CHAT, streamed);
	CU_ASSERT(strstr(wire_answer("{\"candidates\":[{\"content\":{\"parts\""
	    ":[{\"text\":\"Hello.\"}]},\"finishReason\":\"STOP\"}]}"),
	    "\"content\":\"Hello.\"") != NULL);
}

/*
 * Nothing is said: the prompt was blocked, or the answer.
 */
static void
blocked(void)
{
	reset("gemini-2.5-flash");
	(void)wire_request(WL_API_CHAT, plain);
	CU_ASSERT(strstr(wire_answer("{\"promptFeedback\":{\"blockReason\":"
	    "\"PROHIBITED_CONTENT\"},\"usageMetadata\":{\"promptTokenCount\":9"
	    ",\"totalTokenCount\":9}}"), "\"content\":\"\",\"refusal\":null},"
	    "\"logprobs\":null,\"finish_reason\":\"content_filter\"") != NULL);
	CU_ASSERT_STRING_EQUAL(wire_res.upstream_code, "PROHIBITED_CONTENT");
	CU_ASSERT_EQUAL(wire_res.usage.input, 9);
	CU_ASSERT(strstr(wire_answer("{\"candidates\":[{\"finishReason\":"
	    "\"SAFETY\"}]}"), "\"finish_reason\":\"content_filter\"") != NULL);
	CU_ASSERT(strstr(wire_answer("{\"candidates\":[{\"content\":{\"parts\""
	    ":[{\"text\":\"x\"}]},\"finishReason\":\"MAX_TOKENS\"}]}"),
	    "\"finish_reason\":\"length\"") != NULL);
	CU_ASSERT(wire_answer("{\"candidates\":[{\"content\":{\"parts\":[{"
	    "\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AA\"}}]}}]}")
	    == NULL);
	CU_ASSERT_EQUAL(wire_res.err.code, WL_E_UPSTREAM);
	CU_ASSERT(wire_answer("{}") == NULL);
	CU_ASSERT(wire_answer("[]") == NULL);
	CU_ASSERT(wire_answer("{\"candidates\":3}") == NULL);
}

static void
embeddings(void)
{
	reset("gemini-embedding-001");
	(void)wire_request(WL_API_EMBEDDINGS,
	    "{\"model\":\"g\",\"input\":\"four\"}");
	CU_ASSERT_STRING_EQUAL(wire_answer("{\"embeddings\":[{\"values\":"
	    "[0.5,-1e-3]},{\"values\":[1,2]}]}"), "{\"object\":\"list\","
	    "\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":"
	    "[0.5,-1e-3]},{\"object\":\"embedding\",\"index\":1,"
	    "\"embedding\":[1,2]}],\"model\":\"gemini-embedding-001\","
	    "\"usage\":{\"prompt_tokens\":1,\"total_tokens\":1}}");
	(void)wire_request(WL_API_EMBEDDINGS, "{\"model\":\"g\",\"input\":"
	    "\"x\",\"encoding_format\":\"base64\"}");
	/* 0.5 and -2 as 32-bit floats */
	CU_ASSERT(strstr(wire_answer("{\"embeddings\":[{\"values\":"
	    "[0.5,-2]}]}"), "\"embedding\":\"AAAAPwAAAMA=\"") != NULL);
	CU_ASSERT(wire_answer("{\"embeddings\":[{\"values\":[\"x\"]}]}") ==
	    NULL);
	CU_ASSERT(wire_answer("{\"embeddings\":[]}") == NULL);
	CU_ASSERT(wire_answer("{\"embeddings\":[1]}") == NULL);
}

#define E(x)	"data: " x "\r\n\r\n"
#define HEAD	"{\"id\":\"r-1\",\"object\":\"chat.completion.chunk\"," \
		"\"created\":0,\"model\":\"gemini-2.5-flash\",\"choices\":["
#define PART(x, end) "data: " HEAD "{\"index\":0,\"delta\":{" x "}," \
		"\"finish_reason\":" end "}],\"usage\":null}\n\n"

static void
streams(void)
{
	static const char in[] =
	    E("{\"candidates\": [{\"content\": {\"parts\": [{\"text\": "
	    "\"Hel\"}],\"role\": \"model\"},\"index\": 0}],\"usageMetadata\": "
	    "{\"promptTokenCount\": 4,\"candidatesTokenCount\": 1,"
	    "\"totalTokenCount\": 5},\"modelVersion\": \"gemini-2.5-flash\","
	    "\"responseId\": \"r-1\"}")
	    E("{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"lo\"}"
	    ",{\"functionCall\": {\"name\": \"f\",\"args\": {\"a\": 1}}}],"
	    "\"role\": \"model\"},\"finishReason\": \"STOP\",\"index\": 0}],"
	    "\"usageMetadata\": {\"promptTokenCount\": 4,"
	    "\"candidatesTokenCount\": 3,\"totalTokenCount\": 7},"
	    "\"modelVersion\": \"gemini-2.5-flash\",\"responseId\": \"r-1\"}");
	static const char bad[] = E("{\"error\":{\"code\":503,\"message\":"
	    "\"The model is overloaded. secret-key\",\"status\":"
	    "\"UNAVAILABLE\"}}");
	const char *out;
	int state;

	reset("gemini-2.5-flash");
	(void)wire_request(WL_API_CHAT, streamed);
	CU_ASSERT_STRING_EQUAL(wire_stream(in, sizeof(in) - 1, &state),
	    PART("\"role\":\"assistant\",\"content\":\"Hel\"", "null")
	    PART("\"content\":\"lo\"", "null")
	    PART("\"tool_calls\":[{\"index\":0,\"id\":\"ID\",\"type\":"
	    "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]",
	    "null")
	    PART("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
	    "\"{\\\"a\\\":1}\"}}]", "null")
	    PART("", "\"tool_calls\"")
	    "data: " HEAD "],\"usage\":{\"prompt_tokens\":4,"
	    "\"completion_tokens\":3,\"total_tokens\":7,"
	    "\"prompt_tokens_details\":{\"cached_tokens\":0},"
	    "\"completion_tokens_details\":{\"reasoning_tokens\":0}}}\n\n");
	CU_ASSERT_EQUAL(state, WL_STREAM_MORE);
	CU_ASSERT_EQUAL(wire_res.usage.output, 3);
	CU_ASSERT_STRING_EQUAL(wire_res.text.p, "Hello");
	/* cut off: nothing says that it is complete */
	out = wire_stream(in, 200, &state);
	CU_ASSERT_PTR_NULL(strstr(out, "stop"));
	CU_ASSERT_EQUAL(wire_res.finish_reason[0], '\0');
	out = wire_stream(bad, sizeof(bad) - 1, &state);
	CU_ASSERT_EQUAL(state, WL_STREAM_ERROR);
	CU_ASSERT_EQUAL(out[0], '\0');
	CU_ASSERT_STRING_EQUAL(wire_res.upstream_code, "UNAVAILABLE");
	CU_ASSERT_PTR_NULL(strstr(wire_res.err.msg, "secret-key"));
	(void)wire_stream("data: nothing\n\n", 15, &state);
	CU_ASSERT_EQUAL(state, WL_STREAM_INVALID);
}

static void
errors(void)
{
	static const char key[] = "{\"error\":{\"code\":400,\"message\":"
	    "\"API key not valid. Please pass a valid API key.\",\"status\":"
	    "\"INVALID_ARGUMENT\",\"details\":[{\"@type\":\"type.googleapis"
	    ".com/google.rpc.ErrorInfo\",\"reason\":\"API_KEY_INVALID\","
	    "\"domain\":\"googleapis.com\"}]}}";
	static const char other[] = "[{\"error\":{\"code\":400,\"message\":"
	    "\"Invalid value at 'contents'.\",\"status\":\"INVALID_ARGUMENT\"}"
	    "}]";

	reset("gemini-2.5-flash");
	wl_provider_gemini.error(wire_arena, &wire_target, 400,
	    wl_str_of(key), &wire_res);
	CU_ASSERT_TRUE(wl_provider_error_map(&wire_res, &wire_target, 400,
	    NULL));
	CU_ASSERT_EQUAL(wire_res.err.code, WL_E_UPSTREAM_CREDENTIALS);
	reset("gemini-2.5-flash");
	wl_provider_gemini.error(wire_arena, &wire_target, 400,
	    wl_str_of(other), &wire_res);
	CU_ASSERT_FALSE(wl_provider_error_map(&wire_res, &wire_target, 400,
	    NULL));
	CU_ASSERT_EQUAL(wire_res.err.http, 400);
	CU_ASSERT_STRING_EQUAL(wire_res.err.msg,
	    "Invalid value at 'contents'.");
	CU_ASSERT_STRING_EQUAL(wire_res.upstream_code, "INVALID_ARGUMENT");
}

static void
models(void)
{
	static const char body[] = "{\"models\":[{\"name\":\"models/gemini-2.5"
	    "-pro\",\"version\":\"2.5\",\"displayName\":\"Gemini 2.5 Pro\","
	    "\"supportedGenerationMethods\":[\"generateContent\"]},{\"name\":"
	    "\"tunedModels/t-1\"},{}]}";
	struct wl_model_item *v;
	int n;

	reset("");
	CU_ASSERT_EQUAL(wl_provider_gemini.list(wire_arena, &wire_target,
	    &wire_up, &wire_err), 0);
	CU_ASSERT_STRING_EQUAL(wire_up.url,
	    "https://api.example/v1/models?pageSize=1000");
	CU_ASSERT(wire_has_header("x-goog-api-key: secret-key"));
	CU_ASSERT_EQUAL(wl_provider_gemini.listed(wire_arena, wl_str_of(body),
	    &v, &n), 0);
	CU_ASSERT_EQUAL_FATAL(n, 2);
	CU_ASSERT_STRING_EQUAL(v[0].name, "gemini-2.5-pro");
	CU_ASSERT_STRING_EQUAL(v[1].name, "tunedModels/t-1");
	CU_ASSERT_EQUAL(wl_provider_gemini.listed(wire_arena,
	    WL_STR("{\"models\":1}"), &v, &n), -1);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "requests", requests },
		{ "tools", tools },
		{ "formats and embeddings", formats },
		{ "what it cannot do", refused },
		{ "answers", answers },
		{ "answers that were blocked", blocked },
		{ "embeddings", embeddings },
		{ "streams", streams },
		{ "errors", errors },
		{ "models", models },
		{ NULL, NULL }
	};

	return wl_tap_run("provider_gemini", tests);
}
