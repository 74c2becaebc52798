/*
 * OpenAI's Responses API: an answer, and the events of a stream, as its
 * published specification has them (openai-openapi, "Response" and
 * "ResponseStreamEvent").
 */
#include "config.h"
#include "lib/core/provider_openai.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/num.h"
#include "lib/core/model.h"
#include "lib/core/provider_error.h"

enum part {
	PART_ERROR, PART_ID, PART_INCOMPLETE, PART_MODEL, PART_OUTPUT,
	PART_STATUS, PART_USAGE, PART_MAX
};

static const char *const part_names[] = {
	[PART_ERROR] = "error",
	[PART_ID] = "id",
	[PART_INCOMPLETE] = "incomplete_details",
	[PART_MODEL] = "model",
	[PART_OUTPUT] = "output",
	[PART_STATUS] = "status",
	[PART_USAGE] = "usage",
};
static_assert(sizeof(part_names) / sizeof(part_names[0]) == PART_MAX,
    "a name for every part");

static bool
is_type(struct json_object *o, const char *name)
{
	struct wl_str type;

	return wl_json_str(o, "type", &type) && wl_str_eq(type, name);
}

/*
 * The texts of LIST.
 */
static void
take_texts(struct wl_result *res, struct json_object *list, bool keep)
{
	struct json_object *o;
	size_t i, n = list == NULL ? 0 : json_object_array_length(list);

	for (i = 0; i < n; i++) {
		o = json_object_array_get_idx(list, i);
		wl_openai_text(res, o, "text", keep);
		wl_openai_text(res, o, "refusal", keep);
	}
}

static void
take_arguments(struct wl_result *res, struct json_object *o, const char *key)
{
	struct wl_str s;

	if (!wl_json_str(o, key, &s))
		return;
	res->output_bytes += (int64_t)s.len;
	wl_result_arguments(res, s.p, s.len);
}

/*
 * A call of one of the client's own tools.
 */
static void
take_tool(struct wl_result *res, struct json_object *item, int64_t index)
{
	struct wl_str id = WL_STR(""), name = WL_STR("");

	(void)wl_json_str(item, "call_id", &id);
	(void)wl_json_str(item, "name", &name);
	res->output_bytes += (int64_t)name.len;
	wl_result_tool(res, index, id, name);
	take_arguments(res, item, "arguments");
	take_arguments(res, item, "input");
}

static void
take_item(struct wl_result *res, struct json_object *item, int64_t index)
{
	if (is_type(item, "function_call") || is_type(item, "custom_tool_call"))
		take_tool(res, item, index);
	take_texts(res, wl_json_arr(item, "summary"), false);
	take_texts(res, wl_json_arr(item, "content"),
	    is_type(item, "message"));
}

static void
take_output(struct wl_result *res, struct json_object *list)
{
	size_t i, n;

	/* one of too many parts to be read is passed on all the same */
	if (!json_object_is_type(list, json_type_array))
		return;
	n = json_object_array_length(list);
	for (i = 0; i < n; i++)
		take_item(res, json_object_array_get_idx(list, i), (int64_t)i);
}

static void
take_parts(struct wl_arena *a, const struct wl_str *part,
    struct wl_result *res)
{
	wl_openai_copy(a, part[PART_ID], res->response_id,
	    sizeof(res->response_id));
	wl_openai_copy(a, part[PART_MODEL], res->model_used,
	    sizeof(res->model_used));
}

/*
 * What the end of a response says: usage, of which there is none before; that
 * it ended for the reason of an incomplete one, else with its status.
 */
static void
take_end(struct wl_arena *a, const struct wl_str *part, struct wl_result *res)
{
	struct json_object *usage = wl_openai_parse(a, part[PART_USAGE]);

	if (usage != NULL)
		wl_openai_usage(usage, &res->usage);
	wl_openai_copy(a, part[PART_STATUS], res->finish_reason,
	    sizeof(res->finish_reason));
	wl_openai_member(wl_openai_parse(a, part[PART_INCOMPLETE]), "reason",
	    res->finish_reason, sizeof(res->finish_reason));
}

/*
 * Whether the key stands in O, however it was written there.
 */
static bool
has_key(const struct wl_target *t, struct json_object *o)
{
	size_t len;
	const char *text = json_object_to_json_string_length(o,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

	return text == NULL || (t->key[0] != '\0' &&
	    memmem(text, len, t->key, strlen(t->key)) != NULL);
}

/*
 * O, which may be NULL, is the error.
 */
static void
take_error(struct wl_arena *a, const struct wl_target *t,
    struct json_object *o, struct wl_result *res)
{
	wl_err_set(&res->err, WL_E_UPSTREAM, NULL);
	if (o != NULL)
		wl_provider_error_read(a, t, o, "api_error", "upstream_error",
		    res);
}

/*
 * A response that failed is an answer, as it is OpenAI's: the client finds
 * the reason in it.  Not one that gives the key away.
 */
int
wl_openai_response(struct wl_arena *a, const struct wl_target *t,
    struct wl_str body, struct wl_result *res)
{
	struct wl_str part[PART_MAX];
	struct json_object *error;

	if (!wl_openai_outline(body, part_names, part, PART_MAX))
		return -1;
	error = wl_openai_parse(a, part[PART_ERROR]);
	if (part[PART_OUTPUT].p == NULL || part[PART_OUTPUT].p[0] != '[') {
		if (wl_provider_error_tells(error))
			take_error(a, t, error, res);
		return -1;
	}
	take_parts(a, part, res);
	take_end(a, part, res);
	if (wl_provider_error_tells(error)) {
		if (has_key(t, error)) {
			take_error(a, t, error, res);
			return -1;
		}
		wl_openai_member(error, "code", res->upstream_code,
		    sizeof(res->upstream_code));
	}
	take_output(res, wl_openai_parse(a, part[PART_OUTPUT]));
	wl_result_end(res);
	return 0;
}

/* ---- streams ---- */

/*
 * An item is complete.  Of a call it is kept now, for several may be on their
 * way at once; else what it says was said before, if there were any pieces.
 */
static void
item_done(struct wl_result *res, struct json_object *o)
{
	struct json_object *item = wl_json_obj(o, "item");
	int64_t index = 0, bytes = res->output_bytes;

	(void)wl_json_int(o, "output_index", &index);
	if (!is_type(item, "message") || res->text.len == 0)
		take_item(res, item, index);
	if (bytes > 0)
		res->output_bytes = bytes;
}

/*
 * A piece of what is generated.  Other events that repeat the whole of a text
 * (".done") add nothing.
 */
static void
take_delta(struct wl_result *res, struct json_object *o)
{
	if (is_type(o, "response.output_item.done"))
		item_done(res, o);
	else if (is_type(o, "response.output_text.delta") ||
	    is_type(o, "response.refusal.delta"))
		wl_openai_text(res, o, "delta", true);
	else if (!is_type(o, "response.audio.delta"))
		wl_openai_text(res, o, "delta", false);
}

static enum wl_chunk
read_piece(struct wl_arena *a, const struct wl_target *t, struct wl_str data,
    struct wl_result *res)
{
	struct json_object *o;
	enum wl_json_fault fault;

	o = wl_json_parse(a, data.p, data.len, &fault);
	if (!json_object_is_type(o, json_type_object))
		return fault == WL_JSON_BIG || fault == WL_JSON_DEEP ?
		    WL_CHUNK_DATA : WL_CHUNK_INVALID;
	if (is_type(o, "error") || (!wl_json_has(o, "type") &&
	    wl_provider_error_is(o))) {
		take_error(a, t, o, res);
		return WL_CHUNK_ERROR;
	}
	take_delta(res, o);
	return WL_CHUNK_DATA;
}

/*
 * How the last event of a response is named, by different hosts.
 */
static const char *const last_types[] = {
	"response.cancelled", "response.completed", "response.done",
	"response.incomplete"
};
#define LAST_TYPES	(sizeof(last_types) / sizeof(last_types[0]))

static const char *
status_in(const char *type)
{
	return type + sizeof("response.") - 1;
}

static bool
is_over(const char *type, const char *status)
{
	size_t i;

	for (i = 0; i < LAST_TYPES; i++)
		if (strcmp(type, last_types[i]) == 0 ||
		    strcmp(status, status_in(last_types[i])) == 0)
			return true;
	return false;
}

void
wl_openai_response_skimmed(struct wl_str head, struct wl_result *res)
{
	char mark[40];
	size_t i;

	for (i = 0; i < LAST_TYPES; i++) {
		snprintf(mark, sizeof(mark), "\"%s\"", last_types[i]);
		if (memmem(head.p, head.len, mark, strlen(mark)) != NULL)
			(void)wl_strlcpy(res->finish_reason,
			    status_in(last_types[i]),
			    sizeof(res->finish_reason));
	}
}

/*
 * An event that holds the whole response: its output, which may be long, is
 * known already.
 */
static enum wl_chunk
read_whole(struct wl_arena *a, const struct wl_target *t, const char *type,
    struct wl_str response, struct wl_result *res)
{
	struct wl_str part[PART_MAX];
	struct json_object *error;
	char status[16] = "";

	(void)wl_openai_outline(response, part_names, part, PART_MAX);
	take_parts(a, part, res);
	wl_openai_copy(a, part[PART_STATUS], status, sizeof(status));
	error = wl_openai_parse(a, part[PART_ERROR]);
	if (strcmp(type, "response.failed") == 0 ||
	    wl_provider_error_tells(error)) {
		take_end(a, part, res);
		take_error(a, t, error, res);
		return WL_CHUNK_ERROR;
	}
	if (!is_over(type, status))
		return WL_CHUNK_DATA;
	take_end(a, part, res);
	return WL_CHUNK_DONE;
}

enum wl_chunk
wl_openai_response_event(struct wl_arena *a, const struct wl_target *t,
    struct wl_str data, struct wl_result *res)
{
	enum { RESPONSE, SEQUENCE, TYPE, MAX };
	static const char *const names[MAX] = {
		[RESPONSE] = "response", [SEQUENCE] = "sequence_number",
		[TYPE] = "type"
	};
	struct wl_str part[MAX];
	char type[64] = "";
	enum wl_chunk chunk;
	int64_t n;

	/* such an end is none: the response must have been there */
	if (wl_str_eq(wl_str_trim(data), "[DONE]"))
		return WL_CHUNK_INVALID;
	(void)wl_openai_outline(data, names, part, MAX);
	wl_openai_copy(a, part[TYPE], type, sizeof(type));
	if (part[RESPONSE].p == NULL || part[RESPONSE].p[0] != '{')
		chunk = read_piece(a, t, data, res);
	else
		chunk = read_whole(a, t, type, part[RESPONSE], res);
	/* an error gives its number to the event that we send for it */
	if (chunk != WL_CHUNK_ERROR && part[SEQUENCE].p != NULL &&
	    wl_num_parse(part[SEQUENCE].p, part[SEQUENCE].len, 0,
	    INT64_MAX - 1, &n) == 0)
		res->sequence = n;
	return chunk;
}
