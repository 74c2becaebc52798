/*
 * Answers and streams of Gemini.
 */
#include "config.h"
#include "lib/core/provider_gemini.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/base/rand.h"
#include "lib/core/chat_out.h"
#include "lib/core/embed_out.h"
#include "lib/core/model.h"
#include "lib/core/provider_error.h"
#include "lib/core/provider_openai.h"

#define TOKENS_MAX	((int64_t)1000000000)

/* ---- figures ---- */

/*
 * Count KEY of O into *N, which stays when there is none.
 */
static void
count(struct json_object *o, const char *key, int64_t *n)
{
	int64_t v;

	if (wl_json_int(o, key, &v) && v >= 0)
		*n = v < TOKENS_MAX ? v : TOKENS_MAX;
}

/*
 * usageMetadata: the prompt holds what was cached, the candidates hold no
 * thoughts, and what tools of Google's put in comes on top.
 */
static void
take_usage(struct json_object *u, struct wl_usage *out)
{
	int64_t prompt = -1, cached = -1, tools = 0;

	if (u == NULL)
		return;
	count(u, "promptTokenCount", &prompt);
	count(u, "cachedContentTokenCount", &cached);
	count(u, "toolUsePromptTokenCount", &tools);
	count(u, "candidatesTokenCount", &out->output);
	count(u, "thoughtsTokenCount", &out->reasoning);
	if (prompt < 0)
		return;
	if (cached > prompt)
		cached = prompt;
	out->input = prompt + tools - (cached > 0 ? cached : 0);
	out->cache_read = cached;
	out->source = WL_U_PROVIDER;
}

static void
take_finish(struct wl_result *res, const char *reason, bool tools)
{
	static const char *const filtered[] = { "BLOCKLIST", "IMAGE_SAFETY",
	    "JAILBREAK", "LANGUAGE", "MODEL_ARMOR", "PROHIBITED_CONTENT",
	    "RECITATION", "SAFETY", "SPII" };
	const char *word = tools ? "tool_calls" : "stop";
	size_t i;

	if (strcmp(reason, "MAX_TOKENS") == 0)
		word = "length";
	for (i = 0; i < sizeof(filtered) / sizeof(filtered[0]); i++)
		if (strcmp(reason, filtered[i]) == 0)
			word = "content_filter";
	(void)wl_strlcpy(res->finish_reason, word,
	    sizeof(res->finish_reason));
	if (strcmp(reason, "STOP") != 0 && strcmp(reason, "MAX_TOKENS") != 0)
		(void)wl_strlcpy(res->upstream_code, reason,
		    sizeof(res->upstream_code));
}

/* ---- parts ---- */

static void
take_call(struct wl_arena *a, struct wl_chat_out *o, struct json_object *part,
    struct json_object *call)
{
	struct wl_str id, name = WL_STR(""), args = WL_STR(""), sign;
	struct json_object *obj = wl_json_obj(call, "args");
	char own[32] = "call_", *extra = NULL;
	struct wl_buf b;

	(void)wl_json_str(call, "name", &name);
	if (!wl_json_str(call, "id", &id) || id.len == 0) {
		wl_rand_base62(own + 5, 24);
		id = wl_str_of(own);
	}
	if (wl_json_str(part, "thoughtSignature", &sign)) {
		wl_buf_init(&b, 0);
		wl_buf_adds(&b, "{\"google\":{\"thought_signature\":");
		wl_json_quote(&b, sign.p, sign.len);
		wl_buf_adds(&b, "}}");
		extra = b.failed ? NULL : wl_arena_dup(a, b.p, b.len);
		wl_buf_free(&b);
	}
	wl_chat_out_tool(o, id, name, extra);
	if (obj != NULL)
		args.p = json_object_to_json_string_length(obj,
		    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
		    &args.len);
	wl_chat_out_arguments(o, args);
	wl_chat_out_tool_end(o);
}

/*
 * What a chat completion cannot hold (a picture, code that ran) is an error,
 * not dropped.
 */
static int
take_part(struct wl_arena *a, struct wl_chat_out *o, struct json_object *part)
{
	struct json_object *call = wl_json_obj(part, "functionCall");
	bool thought = false;
	struct wl_str text;

	(void)wl_json_bool(part, "thought", &thought);
	if (call != NULL)
		take_call(a, o, part, call);
	else if (wl_json_str(part, "text", &text) && thought)
		wl_chat_out_reasoning(o, text);
	else if (wl_json_str(part, "text", &text))
		wl_chat_out_text(o, text);
	else if (wl_json_has(part, "inlineData") ||
	    wl_json_has(part, "fileData") ||
	    wl_json_has(part, "executableCode") ||
	    wl_json_has(part, "codeExecutionResult"))
		return wl_err_set(&o->res->err, WL_E_UPSTREAM, "The model "
		    "answered with something that a chat completion cannot "
		    "hold.");
	return 0;
}

/*
 * An answer, or the part of one that an event adds.  0; -1: neither.
 */
static int
take(struct wl_arena *a, struct wl_chat_out *o, struct json_object *whole)
{
	struct json_object *list = wl_json_arr(whole, "candidates"), *c, *parts;
	struct json_object *block = wl_json_obj(whole, "promptFeedback");
	struct wl_str reason;
	size_t i, n;

	wl_openai_member(whole, "responseId", o->res->response_id,
	    sizeof(o->res->response_id));
	wl_openai_member(whole, "modelVersion", o->res->model_used,
	    sizeof(o->res->model_used));
	take_usage(wl_json_obj(whole, "usageMetadata"), &o->res->usage);
	c = list == NULL ? NULL : json_object_array_get_idx(list, 0);
	parts = wl_json_arr(wl_json_obj(c, "content"), "parts");
	n = parts == NULL ? 0 : json_object_array_length(parts);
	for (i = 0; i < n; i++)
		if (take_part(a, o, json_object_array_get_idx(parts, i)) == -1)
			return -1;
	if (wl_json_str(c, "finishReason", &reason))
		take_finish(o->res, reason.p, o->relay->tools > 0);
	else if (c == NULL && wl_json_str(block, "blockReason", &reason))
		take_finish(o->res, "SAFETY", false);
	if (c == NULL && wl_json_str(block, "blockReason", &reason))
		(void)wl_strlcpy(o->res->upstream_code, reason.p,
		    sizeof(o->res->upstream_code));
	return c != NULL || block != NULL ||
	    wl_json_has(whole, "usageMetadata") ? 0 : -1;
}

/* ---- errors ---- */

/*
 * A key that is not valid is only told as a reason among the details.
 */
static void
take_reason(struct json_object *whole, struct wl_result *res)
{
	struct json_object *error = wl_json_obj(whole, "error");
	struct json_object *list = wl_json_arr(error, "details");
	struct wl_str reason;
	size_t i, n = list == NULL ? 0 : json_object_array_length(list);

	wl_openai_member(error, "status", res->upstream_code,
	    sizeof(res->upstream_code));
	for (i = 0; i < n; i++)
		if (wl_json_str(json_object_array_get_idx(list, i), "reason",
		    &reason) && wl_str_eq(reason, "API_KEY_INVALID"))
			(void)wl_strlcpy(res->upstream_code, reason.p,
			    sizeof(res->upstream_code));
}

static void
take_error(struct wl_arena *a, const struct wl_target *t,
    struct json_object *o, struct wl_result *res)
{
	if (json_object_is_type(o, json_type_array))
		o = json_object_array_get_idx(o, 0);
	wl_provider_error_read(a, t, o, "invalid_request_error", NULL, res);
	take_reason(o, res);
}

void
wl_gemini_error(struct wl_arena *a, const struct wl_target *t, int status,
    struct wl_str body, struct wl_result *res)
{
	struct json_object *o;

	(void)status;
	res->upstream_code[0] = '\0';
	res->refusal = (struct wl_str){ NULL, 0 };
	if (body.len <= WL_PROVIDER_ERROR_MAX &&
	    (o = wl_json_parse(a, body.p, body.len, NULL)) != NULL)
		take_error(a, t, o, res);
}

/* ---- answers ---- */

static int
embeddings(struct wl_arena *a, const struct wl_ask *ask, struct wl_str body,
    struct wl_result *res)
{
	static const char *const names[] = { "embeddings", "usageMetadata" };
	struct wl_str part[2];
	struct wl_embed_out o;

	if (!wl_openai_outline(body, names, part, 2) || part[0].p == NULL)
		return -1;
	take_usage(wl_openai_parse(a, part[1]), &res->usage);
	wl_embed_out_init(&o, ask, res);
	wl_embed_out_add(&o, part[0], "values");
	return wl_embed_out_end(&o, a);
}

int
wl_gemini_answer(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str body, struct wl_result *res)
{
	struct wl_chat_out o;
	struct json_object *whole;
	int rc;

	(void)t;
	if (ask->api == WL_API_EMBEDDINGS)
		return embeddings(a, ask, body, res);
	whole = wl_json_parse(a, body.p, body.len, NULL);
	wl_chat_out_init(&o, NULL, ask, res);
	rc = take(a, &o, whole);
	if (wl_chat_out_end(&o, a) == -1 || rc == -1) {
		res->raw = (struct wl_str){ NULL, 0 };
		return -1;
	}
	return 0;
}

enum wl_chunk
wl_gemini_chunk(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str data, struct wl_result *res,
    struct wl_relay *relay)
{
	struct json_object *whole = wl_json_parse(a, data.p, data.len, NULL);
	struct wl_chat_out o;

	if (!json_object_is_type(whole, json_type_object))
		return WL_CHUNK_INVALID;
	if (wl_provider_error_is(whole)) {
		wl_err_set(&res->err, WL_E_UPSTREAM, NULL);
		take_error(a, t, whole, res);
		return WL_CHUNK_ERROR;
	}
	wl_chat_out_init(&o, relay, ask, res);
	if (take(a, &o, whole) == -1)
		return res->err.code != WL_OK ? WL_CHUNK_ERROR :
		    WL_CHUNK_INVALID;
	return WL_CHUNK_DATA;
}

/*
 * The stream has no terminal event.
 */
void
wl_gemini_ended(const struct wl_ask *ask, const struct wl_target *t,
    struct wl_result *res, struct wl_relay *relay)
{
	struct wl_chat_out o;

	(void)t;
	wl_chat_out_init(&o, relay, ask, res);
	wl_chat_out_last(&o);
}
