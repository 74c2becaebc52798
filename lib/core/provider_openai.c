/*
 * OpenAI's wire format: chat completions, completions, embeddings; answers of
 * the Responses API are read elsewhere.
 */
#include "config.h"
#include "lib/core/provider_openai.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/base/secret.h"
#include "lib/core/model.h"
#include "lib/core/provider_edit.h"
#include "lib/core/provider_error.h"

static const char *const paths[] = {
	[WL_API_CHAT] = "/chat/completions",
	[WL_API_COMPLETIONS] = "/completions",
	[WL_API_COUNT_TOKENS] = NULL,
	[WL_API_EMBEDDINGS] = "/embeddings",
	[WL_API_MESSAGES] = NULL,
	[WL_API_RESPONSES] = "/responses",
	[WL_API_IMAGES] = "/images/generations",
	[WL_API_IMAGE_EDITS] = "/images/edits",
	[WL_API_IMAGE_VARIATIONS] = "/images/variations",
	[WL_API_TRANSCRIPTIONS] = "/audio/transcriptions",
	[WL_API_TRANSLATIONS] = "/audio/translations",
	[WL_API_SPEECH] = "/audio/speech",
	[WL_API_RERANK] = "/rerank",
};
static_assert(sizeof(paths) / sizeof(paths[0]) == WL_API_MAX,
    "a path for every API");

/* ---- the request ---- */

/*
 * Just behind the opening brace of the object at P.
 */
static size_t
inside(const char *p)
{
	return (size_t)(strchr(p, '{') - p) + 1;
}

static bool
is_empty_object(struct wl_str o)
{
	size_t i;

	for (i = 1; i < o.len; i++)
		if (strchr(" \t\r\n", o.p[i]) == NULL)
			return o.p[i] == '}';
	return false;
}

/*
 * Ask for the usage of a stream where the client did not.
 */
static void
edit_usage(const struct wl_ask *ask, struct wl_edits *ed)
{
	struct wl_str body = ask->body, o;
	size_t off, len, at, n;
	bool dup;

	if (!wl_json_find(body.p, body.len, "stream_options", &off, &len,
	    &dup)) {
		wl_edit_add(ed, inside(body.p), 0, WL_STR(
		    "\"stream_options\":{\"include_usage\":true},"));
		return;
	}
	o = (struct wl_str){ body.p + off, len };
	if (o.p[0] != '{')	/* null */
		wl_edit_add(ed, off, len, WL_STR("{\"include_usage\":true}"));
	else if (wl_json_find(o.p, o.len, "include_usage", &at, &n, &dup))
		wl_edit_add(ed, off + at, n, WL_STR("true"));
	else if (is_empty_object(o))
		wl_edit_add(ed, off + 1, 0, WL_STR("\"include_usage\":true"));
	else
		wl_edit_add(ed, off + 1, 0, WL_STR("\"include_usage\":true,"));
}

static void
wipe(void *p)
{
	wl_secret_wipe(p, strlen(p));
}

int
wl_openai_key_header(struct wl_arena *a, const struct wl_target *t, char **out)
{
	*out = NULL;
	if (t->key[0] == '\0' || strcmp(t->auth, "none") == 0 ||
	    strcmp(t->auth, "sigv4") == 0)
		return 0;
	*out = strcmp(t->auth, "bearer") == 0 ?
	    wl_arena_printf(a, "Authorization: Bearer %s", t->key) :
	    wl_arena_printf(a, "%s: %s", t->auth, t->key);
	return *out == NULL ? -1 : wl_arena_defer(a, wipe, *out);
}

int
wl_openai_post(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, const char *request_id, const char *url,
    struct wl_upcall *u, struct wl_err *e)
{
	struct wl_edits ed = { .n = 0 };
	char *key;
	int n = 0;

	u->hide_usage = ask->stream && !ask->include_usage &&
	    t->stream_options && (ask->api == WL_API_CHAT ||
	    ask->api == WL_API_COMPLETIONS);
	if (u->hide_usage)
		edit_usage(ask, &ed);
	u->url = url;
	u->headers = wl_arena_alloc(a, 5 * sizeof(*u->headers));
	if (wl_edit_model(a, ask, t, &ed) == -1 ||
	    wl_edit_splice(a, ask->body, &ed, &u->body) == -1 || u->url == NULL ||
	    u->headers == NULL || wl_openai_key_header(a, t, &key) == -1)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	if (wl_openai_types(a, ask, u->headers) == -1)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	n += 2;
	if (key != NULL)
		u->headers[n++] = key;
	u->headers[n] = wl_arena_printf(a, "X-Request-Id: %s", request_id);
	return u->headers[n] == NULL ? wl_err_set(e, WL_E_UNAVAILABLE, NULL) :
	    0;
}

static int
request(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, const char *request_id, struct wl_upcall *u,
    struct wl_err *e)
{
	return wl_openai_post(a, ask, t, request_id, wl_arena_printf(a, "%s%s",
	    t->base_url, paths[ask->api]), u, e);
}

/* ---- usage ---- */

/*
 * Usage where it may stand in an answer or chunk O; the last one wins.
 */
static bool
find_usage(struct json_object *o, struct wl_usage *out)
{
	struct json_object *u = wl_json_obj(o, "usage");

	if (u == NULL)
		u = wl_json_obj(wl_json_obj(o, "x_groq"), "usage");
	if (u != NULL)
		wl_openai_usage(u, out);
	return u != NULL;
}

/* ---- answers ---- */

/*
 * A content that is a list of parts.
 */
static void
take_parts(struct wl_result *res, struct json_object *parts, bool first)
{
	size_t i, n = json_object_array_length(parts);

	for (i = 0; i < n; i++)
		wl_openai_text(res, json_object_array_get_idx(parts, i), "text",
		    first);
}

static void
take_tool(struct wl_result *res, struct json_object *call, int64_t index,
    bool first)
{
	struct json_object *fn = wl_json_obj(call, "function"), *o;
	struct wl_str id = WL_STR(""), name = WL_STR(""), args = WL_STR("");

	(void)wl_json_int(call, "index", &index);
	(void)wl_json_str(call, "id", &id);
	(void)wl_json_str(fn, "name", &name);
	/* some hosts send them as an object */
	if (!wl_json_str(fn, "arguments", &args) &&
	    (o = wl_json_obj(fn, "arguments")) != NULL)
		args.p = json_object_to_json_string_length(o,
		    JSON_C_TO_STRING_PLAIN, &args.len);
	res->output_bytes += (int64_t)(name.len + args.len);
	if (!first)
		return;
	wl_result_tool(res, index, id, name);
	wl_result_arguments(res, args.p, args.len);
}

/*
 * A message, or the part of one that a chunk adds.
 */
static void
take_message(struct wl_result *res, struct json_object *m, bool first)
{
	struct json_object *list, *fn;
	struct wl_str s;
	size_t i;

	if ((list = wl_json_arr(m, "content")) != NULL)
		take_parts(res, list, first);
	else
		wl_openai_text(res, m, "content", first);
	wl_openai_text(res, m, "refusal", first);
	wl_openai_text(res, m, wl_json_has(m, "reasoning_content") ?
	    "reasoning_content" : "reasoning", false);
	if ((list = wl_json_arr(m, "tool_calls")) != NULL)
		for (i = 0; i < json_object_array_length(list); i++)
			take_tool(res, json_object_array_get_idx(list, i),
			    (int64_t)i, first);
	if ((fn = wl_json_obj(m, "function_call")) != NULL &&
	    wl_json_str(fn, "arguments", &s))
		res->output_bytes += (int64_t)s.len;
}

/*
 * Choice C, the one at INDEX when it does not say.
 */
static void
take_choice(struct wl_result *res, struct json_object *c, int64_t index)
{
	struct json_object *m;

	(void)wl_json_int(c, "index", &index);
	if ((m = wl_json_obj(c, "delta")) != NULL ||
	    (m = wl_json_obj(c, "message")) != NULL)
		take_message(res, m, index == 0);
	else
		wl_openai_text(res, c, "text", index == 0);
	if (index == 0)
		wl_openai_member(c, "finish_reason", res->finish_reason,
		    sizeof(res->finish_reason));
}

static void
take_choices(struct wl_result *res, struct json_object *choices)
{
	size_t i, n = json_object_array_length(choices);

	for (i = 0; i < n; i++)
		take_choice(res, json_object_array_get_idx(choices, i),
		    (int64_t)i);
}

/*
 * A choice as text without its probabilities, which may be most of it.
 */
static void
put_bare(struct wl_buf *b, struct wl_str choice)
{
	struct wl_str name, value;
	size_t pos = 0;

	wl_buf_reset(b);
	while (wl_json_next(choice.p, choice.len, &pos, &name, &value)) {
		if (wl_json_is(name, "logprobs"))
			continue;
		wl_buf_adds(b, b->len == 0 ? "{\"" : ",\"");
		wl_buf_add(b, name.p, name.len);
		wl_buf_adds(b, "\":");
		wl_buf_add(b, value.p, value.len);
	}
	wl_buf_adds(b, b->len == 0 ? "{}" : "}");
}

/*
 * The same of the array in TEXT.
 */
static void
read_choices(struct wl_arena *a, struct wl_str text, struct wl_result *res)
{
	struct wl_str choice;
	struct wl_buf b;
	size_t pos = 0;
	int64_t i;

	wl_buf_init(&b, 0);
	for (i = 0; wl_json_item(text.p, text.len, &pos, &choice); i++) {
		put_bare(&b, choice);
		if (!b.failed)
			take_choice(res, wl_json_parse(a, b.p, b.len, NULL), i);
	}
	wl_buf_free(&b);
}

/*
 * The members of an answer that matter, as text: embeddings are millions of
 * numbers that nobody here wants parsed.
 */
enum part {
	PART_CHOICES, PART_DATA, PART_ERROR, PART_ID, PART_MODEL, PART_USAGE,
	PART_MAX
};

static const char *const part_names[] = {
	[PART_CHOICES] = "choices",
	[PART_DATA] = "data",
	[PART_ERROR] = "error",
	[PART_ID] = "id",
	[PART_MODEL] = "model",
	[PART_USAGE] = "usage",
};
static_assert(sizeof(part_names) / sizeof(part_names[0]) == PART_MAX,
    "a name for every part");

int
wl_openai_answer(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str body, struct wl_result *res)
{
	enum part main_part = ask->api == WL_API_EMBEDDINGS ? PART_DATA :
	    PART_CHOICES;
	struct wl_str part[PART_MAX];
	struct json_object *o;

	if (ask->api == WL_API_RESPONSES)
		return wl_openai_response(a, t, body, res);
	if (wl_api_is_media(ask->api))
		return wl_openai_media(a, ask, t, body, res);
	if (!wl_openai_outline(body, part_names, part, PART_MAX) ||
	    part[main_part].p == NULL || part[main_part].p[0] != '[' ||
	    wl_provider_error_tells(wl_openai_parse(a, part[PART_ERROR])))
		return -1;
	wl_openai_copy(a, part[PART_ID], res->response_id,
	    sizeof(res->response_id));
	wl_openai_copy(a, part[PART_MODEL], res->model_used,
	    sizeof(res->model_used));
	if ((o = wl_openai_parse(a, part[PART_USAGE])) != NULL)
		wl_openai_usage(o, &res->usage);
	if (main_part == PART_CHOICES)
		read_choices(a, part[PART_CHOICES], res);
	wl_result_end(res);
	return 0;
}

/* ---- errors ---- */

void
wl_openai_error(struct wl_arena *a, const struct wl_target *t, int status,
    struct wl_str body, struct wl_result *res)
{
	struct json_object *o;

	(void)status;
	res->upstream_code[0] = '\0';
	res->refusal = (struct wl_str){ NULL, 0 };
	if (body.len > WL_PROVIDER_ERROR_MAX)
		return;
	o = wl_json_parse(a, body.p, body.len, NULL);
	if (o != NULL)
		wl_provider_error_read(a, t, o, "invalid_request_error", NULL,
		    res);
}

/* ---- streams ---- */

enum wl_chunk
wl_openai_chunk(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str data, struct wl_result *res, struct wl_relay *relay)
{
	struct json_object *o, *choices;
	enum wl_json_fault fault;
	bool usage;

	(void)relay;
	if (ask->api == WL_API_RESPONSES)
		return wl_openai_response_event(a, t, data, res);
	if (wl_api_is_media(ask->api))
		return wl_openai_media_event(a, ask, t, data, res);
	if (wl_str_eq(wl_str_trim(data), "[DONE]"))
		return WL_CHUNK_DONE;
	o = wl_json_parse(a, data.p, data.len, &fault);
	if (!json_object_is_type(o, json_type_object))
		return fault == WL_JSON_BIG || fault == WL_JSON_DEEP ?
		    WL_CHUNK_DATA : WL_CHUNK_INVALID;
	wl_openai_member(o, "id", res->response_id, sizeof(res->response_id));
	wl_openai_member(o, "model", res->model_used, sizeof(res->model_used));
	usage = find_usage(o, &res->usage);
	if ((choices = wl_json_arr(o, "choices")) != NULL)
		take_choices(res, choices);
	if (wl_provider_error_is(o)) {
		wl_err_set(&res->err, WL_E_UPSTREAM, NULL);
		wl_provider_error_read(a, t, o, "api_error",
		    "upstream_error", res);
		return WL_CHUNK_ERROR;
	}
	return usage && (choices == NULL ||
	    json_object_array_length(choices) == 0) ? WL_CHUNK_USAGE :
	    WL_CHUNK_DATA;
}

/*
 * Of a chat or a completion "[DONE]" is the end, and short.
 */
void
wl_openai_skimmed(const struct wl_ask *ask, struct wl_str head,
    struct wl_result *res)
{
	if (ask->api == WL_API_RESPONSES)
		wl_openai_response_skimmed(head, res);
}

const struct wl_provider wl_provider_openai = {
	.wire = "openai",
	.apis = WL_APIS_ALL & ~(WL_APIS(WL_API_COUNT_TOKENS) |
	    WL_APIS(WL_API_MESSAGES)),
	.native = WL_APIS_ALL,
	.request = request,
	.answer = wl_openai_answer,
	.chunk = wl_openai_chunk,
	.skimmed = wl_openai_skimmed,
	.error = wl_openai_error,
	.list = wl_openai_list,
	.listed = wl_openai_listed,
};
