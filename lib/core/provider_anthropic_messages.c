/*
 * Anthropic's messages: an answer, and the events of a stream (its published
 * client libraries, "Message" and "RawMessageStreamEvent").
 */
#include "config.h"
#include "lib/core/provider_anthropic.h"

#include <assert.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/core/model.h"
#include "lib/core/provider_error.h"
#include "lib/core/provider_openai.h"

#define TOKENS_MAX	((int64_t)1000000000)

/* ---- usage ---- */

static void
take_count(struct json_object *o, const char *key, int64_t *out)
{
	int64_t n;

	if (wl_json_int(o, key, &n) && n >= 0)
		*out = n < TOKENS_MAX ? n : TOKENS_MAX;
}

/*
 * The classes of the input are disjoint as they come; of the output thinking
 * is a part.
 */
void
wl_anthropic_usage(struct json_object *u, struct wl_usage *out)
{
	struct json_object *made = wl_json_obj(u, "output_tokens_details");
	int64_t output = -1, thinking = -1;

	take_count(u, "input_tokens", &out->input);
	take_count(u, "cache_read_input_tokens", &out->cache_read);
	take_count(u, "cache_creation_input_tokens", &out->cache_write);
	take_count(wl_json_obj(u, "cache_creation"),
	    "ephemeral_1h_input_tokens", &out->cache_write_1h);
	if (out->cache_write_1h > out->cache_write)
		out->cache_write_1h = out->cache_write < 0 ? 0 :
		    out->cache_write;
	take_count(u, "output_tokens", &output);
	take_count(made, "thinking_tokens", &thinking);
	if (output >= 0) {
		if (thinking > output)
			thinking = output;
		out->reasoning = thinking;
		out->output = thinking < 0 ? output : output - thinking;
	}
	if (out->input >= 0 || out->output >= 0)
		out->source = WL_U_PROVIDER;
}

/* ---- content ---- */

static bool
is_type(struct json_object *o, const char *name)
{
	struct wl_str type;

	return wl_json_str(o, "type", &type) && wl_str_eq(type, name);
}

static void
take_arguments(struct wl_result *res, struct wl_str s)
{
	res->output_bytes += (int64_t)s.len;
	wl_result_arguments(res, s.p, s.len);
}

/*
 * A call of one of the client's own tools.  A stream begins it with an empty
 * input, and tells the rest in pieces.
 */
static void
take_tool(struct wl_result *res, struct json_object *block, int64_t index)
{
	struct wl_str id = WL_STR(""), name = WL_STR(""), text = WL_STR("");
	struct json_object *input = wl_json_obj(block, "input");

	(void)wl_json_str(block, "id", &id);
	(void)wl_json_str(block, "name", &name);
	res->output_bytes += (int64_t)name.len;
	wl_result_tool(res, index, id, name);
	if (input == NULL || json_object_object_length(input) == 0)
		return;
	text.p = json_object_to_json_string_length(input,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
	    &text.len);
	if (text.p != NULL)
		take_arguments(res, text);
}

static void
take_block(struct wl_result *res, struct json_object *block, int64_t index)
{
	if (is_type(block, "tool_use"))
		take_tool(res, block, index);
	else if (is_type(block, "text"))
		wl_openai_text(res, block, "text", true);
	else if (is_type(block, "thinking"))
		wl_openai_text(res, block, "thinking", false);
}

/* ---- answers ---- */

enum part {
	PART_CONTENT, PART_ERROR, PART_ID, PART_MODEL, PART_STOP, PART_TYPE,
	PART_USAGE, PART_MAX
};

static const char *const part_names[] = {
	[PART_CONTENT] = "content",
	[PART_ERROR] = "error",
	[PART_ID] = "id",
	[PART_MODEL] = "model",
	[PART_STOP] = "stop_reason",
	[PART_TYPE] = "type",
	[PART_USAGE] = "usage",
};
static_assert(sizeof(part_names) / sizeof(part_names[0]) == PART_MAX,
    "a name for every part");

/*
 * WHOLE is an error, or has one.
 */
static void
take_error(struct wl_arena *a, const struct wl_target *t,
    struct json_object *whole, struct wl_result *res)
{
	wl_err_set(&res->err, WL_E_UPSTREAM, NULL);
	wl_provider_error_read(a, t, whole, "api_error", NULL, res);
}

static void
take_name(struct wl_arena *a, const struct wl_str *part,
    struct wl_result *res)
{
	wl_openai_copy(a, part[PART_ID], res->response_id,
	    sizeof(res->response_id));
	wl_openai_copy(a, part[PART_MODEL], res->model_used,
	    sizeof(res->model_used));
}

int
wl_anthropic_message(struct wl_arena *a, const struct wl_target *t,
    struct wl_str body, struct wl_result *res)
{
	struct wl_str part[PART_MAX];
	struct json_object *list, *usage;
	size_t i;

	if (!wl_openai_outline(body, part_names, part, PART_MAX))
		return -1;
	if (part[PART_CONTENT].p == NULL || part[PART_CONTENT].p[0] != '[') {
		if (part[PART_ERROR].p != NULL)
			take_error(a, t, wl_openai_parse(a, body), res);
		return -1;
	}
	take_name(a, part, res);
	wl_openai_copy(a, part[PART_STOP], res->finish_reason,
	    sizeof(res->finish_reason));
	if ((usage = wl_openai_parse(a, part[PART_USAGE])) != NULL)
		wl_anthropic_usage(usage, &res->usage);
	list = wl_openai_parse(a, part[PART_CONTENT]);
	/* one of too many parts to be read is passed on all the same */
	for (i = 0; list != NULL && i < json_object_array_length(list); i++)
		take_block(res, json_object_array_get_idx(list, i),
		    (int64_t)i);
	wl_result_end(res);
	return 0;
}

/*
 * A count is no usage: nothing was generated.
 */
int
wl_anthropic_count(struct wl_arena *a, const struct wl_target *t,
    struct wl_str body, struct wl_result *res)
{
	struct json_object *o = wl_json_parse(a, body.p, body.len, NULL);
	int64_t n;

	if (wl_json_int(o, "input_tokens", &n) && n >= 0)
		return 0;
	if (wl_provider_error_is(o))
		take_error(a, t, o, res);
	return -1;
}

/* ---- streams ---- */

/*
 * It tells what the answer costs until then: nothing but the prompt.
 */
static void
message_start(struct json_object *o, struct wl_result *res)
{
	struct json_object *m = wl_json_obj(o, "message");
	struct json_object *usage = wl_json_obj(m, "usage");

	wl_openai_member(m, "id", res->response_id, sizeof(res->response_id));
	wl_openai_member(m, "model", res->model_used,
	    sizeof(res->model_used));
	if (usage != NULL)
		wl_anthropic_usage(usage, &res->usage);
}

/*
 * A piece of a block.  What was generated is counted as it passes, for its
 * true number comes only at the end, and a stream may break before.
 */
static void
block_delta(struct json_object *o, struct wl_result *res)
{
	struct json_object *d = wl_json_obj(o, "delta");
	struct wl_str s;

	if (is_type(d, "text_delta"))
		wl_openai_text(res, d, "text", true);
	else if (is_type(d, "thinking_delta"))
		wl_openai_text(res, d, "thinking", false);
	else if (is_type(d, "input_json_delta") &&
	    wl_json_str(d, "partial_json", &s))
		take_arguments(res, s);
	if (res->usage.source == WL_U_PROVIDER)
		res->usage.output = wl_tokens_estimate(res->output_bytes);
}

/*
 * How much was generated is still our own figure.
 */
static void
not_told(struct wl_result *res)
{
	if (res->usage.source == WL_U_PROVIDER)
		res->usage.source = WL_U_ESTIMATED;
}

static void
message_delta(struct json_object *o, struct wl_result *res)
{
	struct json_object *usage = wl_json_obj(o, "usage");

	wl_openai_member(wl_json_obj(o, "delta"), "stop_reason",
	    res->finish_reason, sizeof(res->finish_reason));
	if (wl_json_has(usage, "output_tokens"))
		wl_anthropic_usage(usage, &res->usage);
	else
		not_told(res);
}

static enum wl_chunk
read_event(struct wl_arena *a, const struct wl_target *t,
    struct json_object *o, struct wl_result *res)
{
	int64_t index = 0;

	if (is_type(o, "error") || (!wl_json_has(o, "type") &&
	    wl_provider_error_is(o))) {
		take_error(a, t, o, res);
		return WL_CHUNK_ERROR;
	}
	(void)wl_json_int(o, "index", &index);
	if (is_type(o, "message_start"))
		message_start(o, res);
	else if (is_type(o, "content_block_start"))
		take_block(res, wl_json_obj(o, "content_block"), index);
	else if (is_type(o, "content_block_delta"))
		block_delta(o, res);
	else if (is_type(o, "content_block_stop"))
		wl_result_end(res);
	else if (is_type(o, "message_delta"))
		message_delta(o, res);
	else if (is_type(o, "message_stop") && res->finish_reason[0] == '\0')
		not_told(res);
	return is_type(o, "message_stop") ? WL_CHUNK_DONE : WL_CHUNK_DATA;
}

enum wl_chunk
wl_anthropic_event(struct wl_arena *a, const struct wl_target *t,
    struct wl_str data, struct wl_result *res)
{
	struct json_object *o;
	enum wl_json_fault fault;

	o = wl_json_parse(a, data.p, data.len, &fault);
	if (!json_object_is_type(o, json_type_object))
		return fault == WL_JSON_BIG || fault == WL_JSON_DEEP ?
		    WL_CHUNK_DATA : WL_CHUNK_INVALID;
	return read_event(a, t, o, res);
}
