/*
 * Which format can express what: one table of the members of a request, and
 * one walk over the messages.
 */
#include "config.h"
#include "lib/core/capability.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/base/json.h"
#include "lib/core/model.h"
#include "lib/core/provider.h"

static const char *const api_names[] = {
	[WL_API_CHAT] = "chat completions",
	[WL_API_COMPLETIONS] = "completions",
	[WL_API_COUNT_TOKENS] = "counts of tokens",
	[WL_API_EMBEDDINGS] = "embeddings",
	[WL_API_MESSAGES] = "messages",
	[WL_API_RESPONSES] = "responses",
	[WL_API_IMAGES] = "images",
	[WL_API_IMAGE_EDITS] = "edits of images",
	[WL_API_IMAGE_VARIATIONS] = "variations of images",
	[WL_API_TRANSCRIPTIONS] = "transcriptions",
	[WL_API_TRANSLATIONS] = "translations of speech",
	[WL_API_SPEECH] = "speech",
	[WL_API_RERANK] = "rerank",
};

/*
 * A member of the body.  NEEDS: enum wl_can, 0: all take it, or it is of no
 * consequence for the answer.  PLAIN: the value as JSON that changes nothing
 * either; NULL: there is none.
 */
struct member {
	const char	*name;
	uint32_t	 needs;
	const char	*plain;
};

static const struct member chat_members[] = {
	{ "audio", WL_CAN_NEVER, NULL },
	{ "frequency_penalty", WL_CAN_PENALTIES, "0" },
	{ "function_call", WL_CAN_NEVER, NULL },
	{ "functions", WL_CAN_NEVER, "[]" },
	{ "logit_bias", WL_CAN_NEVER, "{}" },
	{ "logprobs", WL_CAN_LOGPROBS, "false" },
	{ "max_completion_tokens", 0, NULL },
	{ "max_tokens", 0, NULL },
	{ "messages", 0, NULL },
	{ "metadata", 0, NULL },
	{ "modalities", WL_CAN_NEVER, "[\"text\"]" },
	{ "model", 0, NULL },
	{ "n", WL_CAN_NEVER, "1" },
	{ "parallel_tool_calls", WL_CAN_ONE_TOOL, "true" },
	{ "prediction", WL_CAN_NEVER, NULL },
	{ "presence_penalty", WL_CAN_PENALTIES, "0" },
	{ "prompt_cache_key", 0, NULL },
	{ "prompt_cache_retention", 0, NULL },
	{ "reasoning_effort", WL_CAN_REASONING, NULL },
	{ "response_format", 0, NULL },
	{ "safety_identifier", 0, NULL },
	{ "seed", WL_CAN_SEED, NULL },
	{ "service_tier", WL_CAN_NEVER, "\"auto\"" },
	{ "stop", WL_CAN_STOP, "[]" },
	{ "store", WL_CAN_NEVER, "false" },
	{ "stream", 0, NULL },
	{ "stream_options", 0, NULL },
	{ "temperature", 0, NULL },
	{ "tool_choice", WL_CAN_TOOLS, "\"none\"" },
	{ "tools", WL_CAN_TOOLS, "[]" },
	{ "top_k", WL_CAN_TOP_K, NULL },
	{ "top_logprobs", WL_CAN_LOGPROBS, "0" },
	{ "top_p", 0, NULL },
	{ "user", 0, NULL },
	{ "verbosity", WL_CAN_NEVER, "\"medium\"" },
	{ "web_search_options", WL_CAN_NEVER, NULL },
	{ NULL, 0, NULL }
};

static const struct member embedding_members[] = {
	{ "dimensions", WL_CAN_DIMENSIONS, NULL },
	{ "encoding_format", 0, NULL },
	{ "input", 0, NULL },
	{ "input_type", WL_CAN_INPUT_TYPE, NULL },
	{ "model", 0, NULL },
	{ "user", 0, NULL },
	{ NULL, 0, NULL }
};

/*
 * A type of response_format, or of a part of a message.
 */
static const struct member formats[] = {
	{ "json_object", WL_CAN_JSON_OBJECT, NULL },
	{ "json_schema", WL_CAN_JSON_SCHEMA, NULL },
	{ "text", 0, NULL },
	{ NULL, 0, NULL }
};
static const struct member parts[] = {
	{ "file", WL_CAN_FILES, NULL },
	{ "image_url", WL_CAN_IMAGES, NULL },
	{ "input_audio", WL_CAN_AUDIO, NULL },
	{ "refusal", 0, NULL },
	{ "text", 0, NULL },
	{ NULL, 0, NULL }
};

static int
cannot(const struct wl_provider *p, struct wl_err *e, const char *param,
    const char *what)
{
	wl_err_set(e, WL_E_INVALID_REQUEST, "%s cannot be expressed in the "
	    "wire format \"%s\" of the model's provider.", what, p->wire);
	e->param = param;
	return -1;
}

static const struct member *
find(const struct member *v, const char *name)
{
	while (v->name != NULL && strcmp(v->name, name) != 0)
		v++;
	return v->name == NULL ? NULL : v;
}

/*
 * Whether V says what is so without it.
 */
static bool
is_plain(struct json_object *v, const char *plain)
{
	if (v == NULL)
		return true;
	if (plain == NULL)
		return false;
	if (json_object_is_type(v, json_type_double))
		return strcmp(plain, "0") == 0 &&
		    json_object_get_double(v) == 0;
	return strcmp(json_object_to_json_string_ext(v,
	    JSON_C_TO_STRING_PLAIN), plain) == 0;
}

static int
check_members(const struct wl_provider *p, const struct wl_ask *ask,
    const struct member *known, struct wl_err *e)
{
	struct json_object_iterator it = json_object_iter_begin(ask->json);
	struct json_object_iterator end = json_object_iter_end(ask->json);
	const struct member *m;
	struct json_object *v;
	const char *name;
	char what[80];

	for (; !json_object_iter_equal(&it, &end);
	    json_object_iter_next(&it)) {
		name = json_object_iter_peek_name(&it);
		v = json_object_iter_peek_value(&it);
		m = find(known, name);
		if (v == NULL || (m != NULL && ((m->needs & ~p->can) == 0 ||
		    is_plain(v, m->plain))))
			continue;
		snprintf(what, sizeof(what), "\"%.64s\"", name);
		return cannot(p, e, m != NULL ? m->name : name, what);
	}
	return 0;
}

static int
check_format(const struct wl_provider *p, const struct wl_ask *ask,
    struct wl_err *e)
{
	struct json_object *o = wl_json_obj(ask->json, "response_format");
	const struct member *m = NULL;
	struct wl_str s = WL_STR("");
	char what[80];

	if (!wl_json_has(ask->json, "response_format"))
		return 0;
	/* a string of json-c's own is ended by a NUL */
	if (wl_json_str(o, "type", &s))
		m = find(formats, s.p);
	if (m != NULL && (m->needs & ~p->can) == 0)
		return 0;
	snprintf(what, sizeof(what), "A response_format of type \"%.32s\"",
	    s.p);
	return cannot(p, e, "response_format", what);
}

static int
check_part(const struct wl_provider *p, struct json_object *part,
    struct wl_err *e)
{
	const struct member *m = NULL;
	struct wl_str s = WL_STR(""), url;
	char what[80];

	if (wl_json_str(part, "type", &s))
		m = find(parts, s.p);
	snprintf(what, sizeof(what), "A part of type \"%.32s\"", s.p);
	if (m == NULL || (m->needs & ~p->can) != 0)
		return cannot(p, e, "messages", what);
	if (m->needs == WL_CAN_IMAGES && (p->can & WL_CAN_IMAGE_URLS) == 0 &&
	    wl_json_str(wl_json_obj(part, "image_url"), "url", &url) &&
	    !wl_str_prefix(url, "data:"))
		return cannot(p, e, "messages",
		    "An image that is not a \"data:\" URL");
	return 0;
}

static int
check_message(const struct wl_provider *p, struct json_object *m,
    struct wl_err *e)
{
	static const char *const roles[] = { "assistant", "developer",
	    "system", "tool", "user" };
	struct json_object *list = wl_json_arr(m, "content");
	struct wl_str role = WL_STR("");
	char what[80];
	size_t i, n = list == NULL ? 0 : json_object_array_length(list);

	(void)wl_json_str(m, "role", &role);
	for (i = 0; i < 5 && !wl_str_eq(role, roles[i]); i++)
		;
	if (i == 5) {
		snprintf(what, sizeof(what), "A message of role \"%.32s\"",
		    role.p);
		return cannot(p, e, "messages", what);
	}
	if ((p->can & WL_CAN_TOOLS) == 0 && (wl_json_has(m, "tool_calls") ||
	    wl_str_eq(role, "tool")))
		return cannot(p, e, "messages", "A call of a tool");
	if (wl_json_has(m, "function_call"))
		return cannot(p, e, "messages", "\"function_call\"");
	if (wl_json_has(m, "audio"))
		return cannot(p, e, "messages", "\"audio\"");
	for (i = 0; i < n; i++)
		if (check_part(p, json_object_array_get_idx(list, i), e) == -1)
			return -1;
	return 0;
}

int
wl_capability_check(const struct wl_provider *p, const struct wl_ask *ask,
    struct wl_err *e)
{
	struct json_object *list;
	size_t i, n;

	if ((p->apis & WL_APIS(ask->api)) == 0) {
		wl_err_set(e, WL_E_INVALID_REQUEST, "The provider of this "
		    "model has no API for %s (wire format \"%s\").",
		    api_names[ask->api], p->wire);
		e->param = "model";
		return -1;
	}
	if (!wl_provider_translates(p, ask->api))
		return 0;
	if (ask->api == WL_API_EMBEDDINGS)
		return check_members(p, ask, embedding_members, e);
	if (check_members(p, ask, chat_members, e) == -1 ||
	    check_format(p, ask, e) == -1)
		return -1;
	list = wl_json_arr(ask->json, "messages");
	n = list == NULL ? 0 : json_object_array_length(list);
	for (i = 0; i < n; i++)
		if (check_message(p, json_object_array_get_idx(list, i), e) ==
		    -1)
			return -1;
	return 0;
}

int
wl_capability_keep(struct wl_target *t, int n, const struct wl_ask *ask,
    struct wl_err *e)
{
	struct wl_err first = { .code = WL_OK }, own = { .code = WL_OK };
	int i, kept = 0;

	for (i = 0; i < n; i++) {
		if (wl_capability_check(t[i].wire, t[i].ask != NULL ?
		    t[i].ask : ask, &own) == 0)
			t[kept++] = t[i];
		else if (first.code == WL_OK)
			first = own;
	}
	if (kept == 0)
		*e = first;
	return kept > 0 ? kept : -1;
}

/* ---- the table ---- */

static const struct row {
	const char	*what;
	uint32_t	 can;
} rows[] = {
	{ "text, system messages, `temperature`, `top_p`, `max_tokens`", 0 },
	{ "images as `data:` URLs", WL_CAN_IMAGES },
	{ "images as `https:` URLs", WL_CAN_IMAGE_URLS },
	{ "`input_audio`", WL_CAN_AUDIO },
	{ "files as data", WL_CAN_FILES },
	{ "`tools`, `tool_choice`, tool results", WL_CAN_TOOLS },
	{ "`parallel_tool_calls: false`", WL_CAN_ONE_TOOL },
	{ "`response_format` `json_object`", WL_CAN_JSON_OBJECT },
	{ "`response_format` `json_schema`", WL_CAN_JSON_SCHEMA },
	{ "`reasoning_effort`", WL_CAN_REASONING },
	{ "`stop`", WL_CAN_STOP },
	{ "`seed`", WL_CAN_SEED },
	{ "`top_k`", WL_CAN_TOP_K },
	{ "`frequency_penalty`, `presence_penalty`", WL_CAN_PENALTIES },
	{ "`logprobs`, `top_logprobs`", WL_CAN_LOGPROBS },
	{ "`n`, `logit_bias`, `audio`, `prediction`, `web_search_options`",
	    WL_CAN_NEVER },
	{ "`dimensions` of embeddings", WL_CAN_DIMENSIONS },
	{ "`input_type` of embeddings", WL_CAN_INPUT_TYPE },
};

/*
 * What a client gets of an API that P does not have.
 */
static const char *
instead_of(const struct wl_provider *p, unsigned api)
{
	if (api == WL_APIS(WL_API_COUNT_TOKENS))
		return "estimated";
	return api == WL_APIS(WL_API_MESSAGES) &&
	    (p->apis & WL_APIS(WL_API_CHAT)) != 0 ? "through chat" : "no";
}

static void
print_row(FILE *f, const char *what, unsigned apis, uint32_t can)
{
	const struct wl_provider *const *p;
	const char *cell;

	fprintf(f, "| %s |", what);
	for (p = wl_providers; *p != NULL; p++) {
		if (apis != 0)
			cell = ((*p)->apis & apis) == 0 ?
			    instead_of(*p, apis) :
			    ((*p)->native & apis) != 0 ? "as it comes" :
			    "translated";
		else
			cell = ((*p)->native & WL_APIS(WL_API_CHAT)) != 0 ?
			    "passed on" : (can & ~(*p)->can) == 0 ? "yes" :
			    "400";
		fprintf(f, " %s |", cell);
	}
	fputc('\n', f);
}

void
wl_capability_print(FILE *f)
{
	const struct wl_provider *const *p;
	size_t i;

	fputs("| |", f);
	for (p = wl_providers; *p != NULL; p++)
		fprintf(f, " %s |", (*p)->wire);
	fputs("\n|---|", f);
	for (p = wl_providers; *p != NULL; p++)
		fputs("---|", f);
	fputc('\n', f);
	for (i = 0; i < sizeof(api_names) / sizeof(api_names[0]); i++)
		print_row(f, api_names[i], WL_APIS(i), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		print_row(f, rows[i].what, 0, rows[i].can);
}
