/*
 * Anthropic's messages, in one piece and as a stream, as chat completions.
 */
#include "config.h"
#include "lib/core/provider_anthropic.h"

#include <string.h>

#include "lib/base/json.h"
#include "lib/base/jw.h"
#include "lib/core/chat_out.h"
#include "lib/core/model.h"
#include "lib/core/provider_error.h"
#include "lib/core/provider_openai.h"

/* Longer thoughts are told, but not kept to be signed. */
#define THOUGHT_MAX	((size_t)512 * 1024)

static bool
is_type(struct json_object *o, const char *name)
{
	struct wl_str type;

	return wl_json_str(o, "type", &type) && wl_str_eq(type, name);
}

/*
 * Why it ended, in OpenAI's words.
 */
static void
take_stop(struct json_object *o, struct wl_result *res)
{
	static const char *const reasons[][2] = {
		{ "end_turn", "stop" },
		{ "max_tokens", "length" },
		{ "model_context_window_exceeded", "length" },
		{ "pause_turn", "stop" },
		{ "refusal", "content_filter" },
		{ "stop_sequence", "stop" },
		{ "tool_use", "tool_calls" },
	};
	const char *word = "stop";
	struct wl_str s;
	size_t i;

	if (!wl_json_str(o, "stop_reason", &s))
		return;
	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (wl_str_eq(s, reasons[i][0]))
			word = reasons[i][1];
	(void)wl_strlcpy(res->finish_reason, word,
	    sizeof(res->finish_reason));
}

static void
take_names(struct json_object *m, struct wl_result *res)
{
	struct json_object *usage = wl_json_obj(m, "usage");

	wl_openai_member(m, "id", res->response_id, sizeof(res->response_id));
	wl_openai_member(m, "model", res->model_used,
	    sizeof(res->model_used));
	if (usage != NULL)
		wl_anthropic_usage(usage, &res->usage);
}

/*
 * WHOLE is an error, or has one.
 */
static void
take_error(struct wl_arena *a, const struct wl_target *t,
    struct json_object *whole, struct wl_result *res)
{
	wl_err_set(&res->err, WL_E_UPSTREAM, NULL);
	wl_provider_error_read(a, t, whole, "api_error", "upstream_error",
	    res);
}

static struct wl_str
text_of(struct json_object *o, const char *key)
{
	struct wl_str s = WL_STR("");

	(void)wl_json_str(o, key, &s);
	return s;
}

/*
 * A block of thought goes back as it came, when tools were called after it.
 */
static void
keep_block(struct wl_chat_out *o, struct json_object *block)
{
	struct wl_str s;

	s.p = json_object_to_json_string_length(block,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &s.len);
	if (s.p != NULL)
		wl_chat_out_block(o, s);
}

/*
 * The same in a stream, where the signature ends it.
 */
static void
sign_block(struct wl_chat_out *o, struct wl_str signature)
{
	struct wl_buf b, *thought = &o->relay->frame;
	struct wl_jw w;

	if (thought->len > THOUGHT_MAX || thought->failed)
		return;
	wl_buf_init(&b, 0);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_str(&w, "type", "thinking");
	wl_jw_strn(&w, "thinking", thought->p == NULL ? "" : thought->p,
	    thought->len);
	wl_jw_strn(&w, "signature", signature.p, signature.len);
	wl_jw_end(&w, '}');
	if (!b.failed)
		wl_chat_out_block(o, (struct wl_str){ b.p, b.len });
	wl_buf_free(&b);
}

/*
 * A block, or the beginning of one in a stream, whose input is empty then.
 */
static void
take_block(struct wl_chat_out *o, struct json_object *block)
{
	struct json_object *input = wl_json_obj(block, "input");
	struct wl_str args = WL_STR("");

	if (is_type(block, "text")) {
		wl_chat_out_text(o, text_of(block, "text"));
	} else if (is_type(block, "thinking")) {
		wl_chat_out_reasoning(o, text_of(block, "thinking"));
		wl_buf_reset(&o->relay->frame);
		if (!o->stream && wl_json_has(block, "signature"))
			keep_block(o, block);
	} else if (is_type(block, "redacted_thinking")) {
		keep_block(o, block);
	} else if (is_type(block, "tool_use")) {
		wl_chat_out_tool(o, text_of(block, "id"),
		    text_of(block, "name"), NULL);
		if (input != NULL && json_object_object_length(input) > 0)
			args.p = json_object_to_json_string_length(input,
			    JSON_C_TO_STRING_PLAIN |
			    JSON_C_TO_STRING_NOSLASHESCAPE, &args.len);
		wl_chat_out_arguments(o, args);
	}
}

int
wl_anthropic_chat_answer(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str body, struct wl_result *res)
{
	struct json_object *m = wl_json_parse(a, body.p, body.len, NULL);
	struct json_object *list = wl_json_arr(m, "content");
	struct wl_chat_out o;
	size_t i, n;

	if (list == NULL) {
		if (wl_provider_error_is(m))
			take_error(a, t, m, res);
		return -1;
	}
	take_names(m, res);
	take_stop(m, res);
	wl_chat_out_init(&o, NULL, ask, res);
	n = json_object_array_length(list);
	for (i = 0; i < n; i++)
		take_block(&o, json_object_array_get_idx(list, i));
	return wl_chat_out_end(&o, a);
}

/* ---- streams ---- */

/*
 * What was generated is counted as it passes: its true number comes only at
 * the end, and a stream may break before.
 */
static void
take_delta(struct wl_chat_out *o, struct json_object *d)
{
	struct wl_buf *thought = &o->relay->frame;
	struct wl_str s;

	if (is_type(d, "text_delta")) {
		wl_chat_out_text(o, text_of(d, "text"));
	} else if (is_type(d, "thinking_delta")) {
		s = text_of(d, "thinking");
		wl_chat_out_reasoning(o, s);
		if (thought->len <= THOUGHT_MAX)
			wl_buf_add(thought, s.p, s.len);
	} else if (is_type(d, "signature_delta")) {
		sign_block(o, text_of(d, "signature"));
	} else if (is_type(d, "input_json_delta")) {
		wl_chat_out_arguments(o, text_of(d, "partial_json"));
	}
	if (o->res->usage.source == WL_U_PROVIDER)
		o->res->usage.output = wl_tokens_estimate(
		    o->res->output_bytes);
}

static void
take_message_delta(struct json_object *e, struct wl_result *res)
{
	struct json_object *usage = wl_json_obj(e, "usage");

	take_stop(wl_json_obj(e, "delta"), res);
	if (usage != NULL)
		wl_anthropic_usage(usage, &res->usage);
}

enum wl_chunk
wl_anthropic_chat_event(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str data, struct wl_result *res,
    struct wl_relay *relay)
{
	struct json_object *e = wl_json_parse(a, data.p, data.len, NULL);
	struct wl_chat_out o;

	if (!json_object_is_type(e, json_type_object))
		return WL_CHUNK_INVALID;
	if (is_type(e, "error") || (!wl_json_has(e, "type") &&
	    wl_provider_error_is(e))) {
		take_error(a, t, e, res);
		return WL_CHUNK_ERROR;
	}
	wl_chat_out_init(&o, relay, ask, res);
	if (is_type(e, "message_start"))
		take_names(wl_json_obj(e, "message"), res);
	else if (is_type(e, "content_block_start"))
		take_block(&o, wl_json_obj(e, "content_block"));
	else if (is_type(e, "content_block_delta"))
		take_delta(&o, wl_json_obj(e, "delta"));
	else if (is_type(e, "content_block_stop"))
		wl_chat_out_tool_end(&o);
	else if (is_type(e, "message_delta"))
		take_message_delta(e, res);
	if (!is_type(e, "message_stop"))
		return WL_CHUNK_DATA;
	wl_chat_out_last(&o);
	return WL_CHUNK_DONE;
}
