/*
 * Answers and streams of Cohere.
 */
#include "config.h"
#include "lib/core/provider_cohere.h"

#include <string.h>

#include "lib/base/json.h"
#include "lib/core/chat_out.h"
#include "lib/core/embed_out.h"
#include "lib/core/model.h"
#include "lib/core/provider_error.h"
#include "lib/core/provider_openai.h"

#define TOKENS_MAX	((int64_t)1000000000)

static bool
is_type(struct json_object *o, const char *name)
{
	struct wl_str type;

	return wl_json_str(o, "type", &type) && wl_str_eq(type, name);
}

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
 * What is billed, else what was counted.
 */
static void
take_usage(struct json_object *u, struct wl_usage *out)
{
	struct json_object *o = wl_json_obj(u, "billed_units");
	int64_t in, cached = count(u, "cached_tokens");

	if (count(o, "input_tokens") < 0 && count(o, "output_tokens") < 0)
		o = wl_json_obj(u, "tokens");
	in = count(o, "input_tokens");
	out->output = count(o, "output_tokens");
	if (in < 0 && out->output < 0)
		return;
	if (cached > in)
		cached = in;
	out->input = cached > 0 ? in - cached : in;
	out->cache_read = cached;
	out->source = WL_U_PROVIDER;
}

/*
 * Why it ended, in OpenAI's words.  -1: it failed.
 */
static int
take_finish(struct json_object *o, struct wl_result *res)
{
	static const char *const reasons[][2] = {
		{ "COMPLETE", "stop" },
		{ "MAX_TOKENS", "length" },
		{ "STOP_SEQUENCE", "stop" },
		{ "TOOL_CALL", "tool_calls" },
	};
	const char *word = "stop";
	struct wl_str s;
	size_t i;

	if (!wl_json_str(o, "finish_reason", &s))
		return 0;
	if (wl_str_eq(s, "ERROR") || wl_str_eq(s, "TIMEOUT")) {
		wl_err_set(&res->err, WL_E_UPSTREAM, NULL);
		(void)wl_strlcpy(res->upstream_code, s.p,
		    sizeof(res->upstream_code));
		return -1;
	}
	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (wl_str_eq(s, reasons[i][0]))
			word = reasons[i][1];
	(void)wl_strlcpy(res->finish_reason, word,
	    sizeof(res->finish_reason));
	return 0;
}

static void
take_call(struct wl_chat_out *o, struct json_object *call)
{
	struct json_object *fn = wl_json_obj(call, "function");

	wl_chat_out_tool(o, text_of(call, "id"), text_of(fn, "name"), NULL);
	wl_chat_out_arguments(o, text_of(fn, "arguments"));
}

static void
take_message(struct wl_chat_out *o, struct json_object *m)
{
	struct json_object *list = wl_json_arr(m, "content"), *part;
	size_t i, n = list == NULL ? 0 : json_object_array_length(list);

	wl_chat_out_text(o, text_of(m, "tool_plan"));
	for (i = 0; i < n; i++) {
		part = json_object_array_get_idx(list, i);
		wl_chat_out_text(o, text_of(part, "text"));
		wl_chat_out_reasoning(o, text_of(part, "thinking"));
	}
	list = wl_json_arr(m, "tool_calls");
	n = list == NULL ? 0 : json_object_array_length(list);
	for (i = 0; i < n; i++)
		take_call(o, json_object_array_get_idx(list, i));
}

/* ---- answers ---- */

static int
embeddings(struct wl_arena *a, const struct wl_ask *ask, struct wl_str body,
    struct wl_result *res)
{
	static const char *const names[] = { "embeddings", "id", "meta" };
	static const char *const kinds[] = { "float" };
	struct wl_str part[3], floats;
	struct wl_embed_out o;

	if (!wl_openai_outline(body, names, part, 3) || part[0].p == NULL ||
	    part[0].p[0] != '{' ||
	    !wl_openai_outline(part[0], kinds, &floats, 1))
		return -1;
	wl_openai_copy(a, part[1], res->response_id,
	    sizeof(res->response_id));
	take_usage(wl_openai_parse(a, part[2]), &res->usage);
	res->usage.output = -1;
	wl_embed_out_init(&o, ask, res);
	wl_embed_out_add(&o, floats, NULL);
	return wl_embed_out_end(&o, a);
}

int
wl_cohere_answer(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str body, struct wl_result *res)
{
	struct json_object *whole, *m;
	struct wl_chat_out o;

	(void)t;
	if (ask->api == WL_API_EMBEDDINGS)
		return embeddings(a, ask, body, res);
	whole = wl_json_parse(a, body.p, body.len, NULL);
	m = wl_json_obj(whole, "message");
	if (m == NULL || take_finish(whole, res) == -1)
		return -1;
	wl_openai_member(whole, "id", res->response_id,
	    sizeof(res->response_id));
	take_usage(wl_json_obj(whole, "usage"), &res->usage);
	wl_chat_out_init(&o, NULL, ask, res);
	take_message(&o, m);
	return wl_chat_out_end(&o, a);
}

/* ---- streams ---- */

static enum wl_chunk
failed(struct wl_arena *a, const struct wl_target *t, struct json_object *o,
    struct wl_result *res)
{
	char code[sizeof(res->upstream_code)];

	memcpy(code, res->upstream_code, sizeof(code));
	wl_err_set(&res->err, WL_E_UPSTREAM, NULL);
	wl_provider_error_read(a, t, o, "api_error", "upstream_error", res);
	if (res->upstream_code[0] == '\0')
		memcpy(res->upstream_code, code, sizeof(code));
	return WL_CHUNK_ERROR;
}

/*
 * A tool-call-delta has the piece in an object, a start the call.
 */
static void
take_delta(struct wl_chat_out *o, struct json_object *e,
    struct json_object *m)
{
	struct json_object *call = wl_json_obj(m, "tool_calls");
	struct json_object *content = wl_json_obj(m, "content");

	if (is_type(e, "content-delta") || is_type(e, "content-start")) {
		wl_chat_out_text(o, text_of(content, "text"));
		wl_chat_out_reasoning(o, text_of(content, "thinking"));
	} else if (is_type(e, "tool-plan-delta")) {
		wl_chat_out_text(o, text_of(m, "tool_plan"));
	} else if (is_type(e, "tool-call-start")) {
		take_call(o, call);
	} else if (is_type(e, "tool-call-delta")) {
		wl_chat_out_arguments(o, text_of(wl_json_obj(call,
		    "function"), "arguments"));
	} else if (is_type(e, "tool-call-end")) {
		wl_chat_out_tool_end(o);
	}
}

enum wl_chunk
wl_cohere_chunk(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str data, struct wl_result *res,
    struct wl_relay *relay)
{
	struct json_object *e = wl_json_parse(a, data.p, data.len, NULL);
	struct json_object *delta = wl_json_obj(e, "delta");
	struct wl_chat_out o;

	if (!json_object_is_type(e, json_type_object))
		return WL_CHUNK_INVALID;
	/* an error is a message, as in an answer */
	if (!wl_json_has(e, "type"))
		return wl_json_has(e, "message") ? failed(a, t, e, res) :
		    WL_CHUNK_INVALID;
	wl_chat_out_init(&o, relay, ask, res);
	if (is_type(e, "message-start"))
		wl_openai_member(e, "id", res->response_id,
		    sizeof(res->response_id));
	take_delta(&o, e, wl_json_obj(delta, "message"));
	if (!is_type(e, "message-end"))
		return WL_CHUNK_DATA;
	take_usage(wl_json_obj(delta, "usage"), &res->usage);
	if (take_finish(delta, res) == -1 || wl_json_has(delta, "error"))
		return failed(a, t, delta, res);
	wl_chat_out_last(&o);
	return WL_CHUNK_DONE;
}
