/*
 * Answers and streams of Bedrock's Converse.
 */
#include "config.h"
#include "lib/core/provider_bedrock.h"

#include <string.h>

#include "lib/base/json.h"
#include "lib/core/chat_out.h"
#include "lib/core/model.h"
#include "lib/core/provider_error.h"
#include "lib/core/provider_openai.h"

#define TOKENS_MAX	((int64_t)1000000000)

static struct wl_str
text_of(struct json_object *o, const char *key)
{
	struct wl_str s = WL_STR("");

	(void)wl_json_str(o, key, &s);
	return s;
}

static int64_t
count(struct json_object *o, const char *key)
{
	int64_t n;

	if (!wl_json_int(o, key, &n) || n < 0)
		return -1;
	return n < TOKENS_MAX ? n : TOKENS_MAX;
}

/*
 * The classes of the input are disjoint as they come.
 */
static void
take_usage(struct json_object *u, struct wl_usage *out)
{
	if (count(u, "inputTokens") < 0 && count(u, "outputTokens") < 0)
		return;
	out->input = count(u, "inputTokens");
	out->cache_read = count(u, "cacheReadInputTokens");
	out->cache_write = count(u, "cacheWriteInputTokens");
	out->output = count(u, "outputTokens");
	out->source = WL_U_PROVIDER;
}

/*
 * Why it ended, in OpenAI's words.
 */
static void
take_stop(struct json_object *o, struct wl_result *res)
{
	static const char *const reasons[][2] = {
		{ "content_filtered", "content_filter" },
		{ "end_turn", "stop" },
		{ "guardrail_intervened", "content_filter" },
		{ "max_tokens", "length" },
		{ "model_context_window_exceeded", "length" },
		{ "stop_sequence", "stop" },
		{ "tool_use", "tool_calls" },
	};
	const char *word = NULL;
	struct wl_str s;
	size_t i;

	if (!wl_json_str(o, "stopReason", &s))
		return;
	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (wl_str_eq(s, reasons[i][0]))
			word = reasons[i][1];
	if (word == NULL)
		(void)wl_strlcpy(res->upstream_code, s.p,
		    sizeof(res->upstream_code));
	(void)wl_strlcpy(res->finish_reason, word == NULL ? "stop" : word,
	    sizeof(res->finish_reason));
}

static void
take_call(struct wl_chat_out *o, struct json_object *use)
{
	struct json_object *input = wl_json_obj(use, "input");
	struct wl_str args = WL_STR("");

	wl_chat_out_tool(o, text_of(use, "toolUseId"), text_of(use, "name"),
	    NULL);
	if (input != NULL)
		args.p = json_object_to_json_string_length(input,
		    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
		    &args.len);
	wl_chat_out_arguments(o, args);
	wl_chat_out_tool_end(o);
}

/* ---- answers ---- */

int
wl_bedrock_answer(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str body, struct wl_result *res)
{
	struct json_object *whole = wl_json_parse(a, body.p, body.len, NULL);
	struct json_object *list, *block, *use;
	struct wl_chat_out o;
	size_t i, n;

	(void)t;
	list = wl_json_arr(wl_json_obj(wl_json_obj(whole, "output"),
	    "message"), "content");
	if (list == NULL)
		return -1;
	take_stop(whole, res);
	take_usage(wl_json_obj(whole, "usage"), &res->usage);
	wl_chat_out_init(&o, NULL, ask, res);
	n = json_object_array_length(list);
	for (i = 0; i < n; i++) {
		block = json_object_array_get_idx(list, i);
		wl_chat_out_text(&o, text_of(block, "text"));
		wl_chat_out_reasoning(&o, text_of(wl_json_obj(wl_json_obj(
		    block, "reasoningContent"), "reasoningText"), "text"));
		if ((use = wl_json_obj(block, "toolUse")) != NULL)
			take_call(&o, use);
	}
	return wl_chat_out_end(&o, a);
}

/* ---- streams ---- */

static enum wl_chunk
failed(struct wl_arena *a, const struct wl_target *t, struct json_object *e,
    struct wl_result *res)
{
	struct json_object *body = wl_json_obj(e, "body");

	wl_err_set(&res->err, WL_E_UPSTREAM, NULL);
	wl_provider_error_read(a, t, body, "api_error", "upstream_error",
	    res);
	wl_openai_member(e, "name", res->upstream_code,
	    sizeof(res->upstream_code));
	return WL_CHUNK_ERROR;
}

static void
take_delta(struct wl_chat_out *o, struct json_object *d)
{
	wl_chat_out_text(o, text_of(d, "text"));
	wl_chat_out_reasoning(o, text_of(wl_json_obj(d, "reasoningContent"),
	    "text"));
	wl_chat_out_arguments(o, text_of(wl_json_obj(d, "toolUse"),
	    "input"));
}

static void
take_event(struct wl_chat_out *o, struct wl_str type,
    struct json_object *body)
{
	struct json_object *use;

	if (wl_str_eq(type, "contentBlockStart")) {
		use = wl_json_obj(wl_json_obj(body, "start"), "toolUse");
		if (use != NULL)
			wl_chat_out_tool(o, text_of(use, "toolUseId"),
			    text_of(use, "name"), NULL);
	} else if (wl_str_eq(type, "contentBlockDelta")) {
		take_delta(o, wl_json_obj(body, "delta"));
	} else if (wl_str_eq(type, "contentBlockStop")) {
		wl_chat_out_tool_end(o);
	} else if (wl_str_eq(type, "messageStop")) {
		take_stop(body, o->res);
	} else if (wl_str_eq(type, "metadata")) {
		take_usage(wl_json_obj(body, "usage"), &o->res->usage);
	}
}

/*
 * The figures come last, behind the end of the message.
 */
enum wl_chunk
wl_bedrock_chunk(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str data, struct wl_result *res,
    struct wl_relay *relay)
{
	struct json_object *e = wl_json_parse(a, data.p, data.len, NULL);
	struct json_object *body = wl_json_obj(e, "body");
	struct wl_str type = WL_STR("");
	struct wl_chat_out o;

	if (body == NULL || !wl_json_str(e, "type", &type))
		return WL_CHUNK_INVALID;
	if (wl_str_eq(type, "exception"))
		return failed(a, t, e, res);
	wl_chat_out_init(&o, relay, ask, res);
	take_event(&o, type, body);
	if (!wl_str_eq(type, "metadata") || res->finish_reason[0] == '\0')
		return WL_CHUNK_DATA;
	wl_chat_out_last(&o);
	return WL_CHUNK_DONE;
}

void
wl_bedrock_ended(const struct wl_ask *ask, const struct wl_target *t,
    struct wl_result *res, struct wl_relay *relay)
{
	struct wl_chat_out o;

	(void)t;
	wl_chat_out_init(&o, relay, ask, res);
	wl_chat_out_last(&o);
}
