/*
 * Reading what a body asks for, as far as the gate needs to know it.
 */
#include "config.h"
#include "lib/core/call.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/core/call_priv.h"
#include "lib/http/req.h"

/* So long is no word of any language. */
#define BLOB_MIN	((size_t)1024)
#define HEAD_MAX	((size_t)200)	/* bytes in front of its data */
/* Most bytes of the "user" field that are kept. */
#define USER_MAX	((size_t)256)
/* Most bytes of a header that goes on to the provider. */
#define HEADER_MAX	((size_t)1024)

/* Members that decide where a body goes and how it comes back. */
static const char *const deciding[] = { "background", "model", "stream",
    "stream_format", "stream_options" };

/*
 * Each API: its path, the member that carries the text, and the one beside it;
 * whether the first must be there, what kind of API it is, and of body.
 */
static const struct {
	const char	*path, *content, *system;
	bool		 needed, media, form;
} apis[] = {
	[WL_API_CHAT] = { "/v1/chat/completions", "messages", NULL,
	    true, false, false },
	[WL_API_COMPLETIONS] = { "/v1/completions", "prompt", NULL,
	    true, false, false },
	[WL_API_COUNT_TOKENS] = { "/v1/messages/count_tokens", "messages",
	    "system", true, false, false },
	[WL_API_EMBEDDINGS] = { "/v1/embeddings", "input", NULL,
	    true, false, false },
	[WL_API_MESSAGES] = { "/v1/messages", "messages", "system",
	    true, false, false },
	[WL_API_RESPONSES] = { "/v1/responses", "input", "instructions",
	    true, false, false },
	[WL_API_IMAGES] = { "/v1/images/generations", "prompt", NULL,
	    true, true, false },
	[WL_API_IMAGE_EDITS] = { "/v1/images/edits", "prompt", NULL,
	    false, true, true },
	[WL_API_IMAGE_VARIATIONS] = { "/v1/images/variations", "prompt", NULL,
	    false, true, true },
	[WL_API_TRANSCRIPTIONS] = { "/v1/audio/transcriptions", "prompt", NULL,
	    false, true, true },
	[WL_API_TRANSLATIONS] = { "/v1/audio/translations", "prompt", NULL,
	    false, true, true },
	[WL_API_SPEECH] = { "/v1/audio/speech", "input", NULL,
	    true, true, false },
	[WL_API_RERANK] = { "/v1/rerank", "query", NULL, true, true, false },
};
static_assert(sizeof(apis) / sizeof(apis[0]) == WL_API_MAX,
    "a row for every API");

static const char *const sources[] = {
	[WL_U_NONE] = "none",
	[WL_U_PROVIDER] = "provider",
	[WL_U_ESTIMATED] = "estimated",
	[WL_U_PARTIAL] = "partial",
};
static_assert(sizeof(sources) / sizeof(sources[0]) == WL_USAGE_SOURCE_MAX,
    "a row for every source");

static const char *const cache_statuses[] = {
	[WL_CACHE_BYPASS] = "BYPASS",
	[WL_CACHE_MISS] = "MISS",
	[WL_CACHE_HIT] = "HIT",
	[WL_CACHE_HIT_CANONICAL] = "HIT-CANONICAL",
	[WL_CACHE_HIT_COALESCED] = "HIT-COALESCED",
};
static_assert(sizeof(cache_statuses) / sizeof(cache_statuses[0]) ==
    WL_CACHE_STATUS_MAX, "a name for every status");

const char *
wl_cache_status_name(enum wl_cache_status s)
{
	return cache_statuses[s];
}

const char *
wl_usage_source_name(enum wl_usage_source s)
{
	return sources[s];
}

const char *
wl_api_content(enum wl_api api)
{
	return apis[api].content;
}

const char *
wl_api_system(enum wl_api api)
{
	return apis[api].system;
}

const char *
wl_api_path(enum wl_api api)
{
	return apis[api].path;
}

bool
wl_api_is_media(enum wl_api api)
{
	return apis[api].media;
}

bool
wl_api_takes_form(enum wl_api api)
{
	return apis[api].form;
}

int64_t
wl_tokens_estimate(int64_t len)
{
	return len / 4 + (len % 4 != 0);
}

static void
free_result(void *p)
{
	struct wl_result *res = p;

	wl_buf_free(&res->text);
	wl_buf_free(&res->tools);
}

int
wl_result_init(struct wl_result *res, struct wl_arena *a, size_t keep)
{
	memset(res, 0, sizeof(*res));
	res->usage = (struct wl_usage){ -1, -1, -1, -1, -1, WL_U_NONE, 0 };
	res->units = WL_UNITS_NONE;
	res->found = WL_POLICY_TALLY;
	res->first_byte_us = res->first_data_us = res->upstream_us = -1;
	res->tool = res->sequence = -1;
	res->keep = keep;
	wl_buf_init(&res->text, keep + 1);
	wl_buf_init(&res->tools, keep + 1);
	return wl_arena_defer(a, free_result, res);
}

/*
 * How much of LEN bytes still fits B, which keeps at most KEEP.
 */
static size_t
room(struct wl_result *res, const struct wl_buf *b, size_t len)
{
	size_t left = b->len < res->keep ? res->keep - b->len : 0;

	if (len <= left)
		return len;
	res->truncated = res->keep > 0;
	return left;
}

void
wl_result_text(struct wl_result *res, const char *p, size_t len)
{
	size_t n = room(res, &res->text, len);

	if (n < len)
		n = wl_utf8_cut(p, len, n);
	wl_buf_add(&res->text, p, n);
	if (n < len)
		res->text.failed = true;	/* no later piece fits better */
}

/* What closes a tool call: its string, itself. */
#define TOOL_END	"\"}"

/*
 * Append PIECE unless it does not fit.
 */
static bool
add_tools(struct wl_result *res, const char *p, size_t len)
{
	size_t need = len + sizeof(TOOL_END) - 1;

	if (room(res, &res->tools, need) < need)
		return false;
	wl_buf_add(&res->tools, p, len);
	return !res->tools.failed;
}

void
wl_result_end(struct wl_result *res)
{
	if (res->tool != -1)
		wl_buf_adds(&res->tools, TOOL_END);
	res->tool = -1;
}

void
wl_result_tool(struct wl_result *res, int64_t index, struct wl_str id,
    struct wl_str name)
{
	struct wl_buf b;

	if (index < 0)	/* it would be none */
		index = 0;
	if (res->tool == index && name.len == 0)
		return;
	wl_result_end(res);
	wl_buf_init(&b, 0);
	wl_buf_printf(&b, "%s{\"index\":%lld,\"id\":",
	    res->tools.len > 0 ? "," : "", (long long)index);
	wl_json_quote(&b, id.p, id.len);
	wl_buf_adds(&b, ",\"name\":");
	wl_json_quote(&b, name.p, name.len);
	wl_buf_adds(&b, ",\"arguments\":\"");
	if (!b.failed && add_tools(res, b.p, b.len))
		res->tool = index;
	wl_buf_free(&b);
}

void
wl_result_arguments(struct wl_result *res, const char *p, size_t len)
{
	struct wl_buf b;

	if (res->tool == -1 || len == 0)
		return;
	wl_buf_init(&b, 0);
	wl_json_quote(&b, p, len);
	if (b.failed || !add_tools(res, b.p + 1, b.len - 2))
		wl_result_end(res);
	wl_buf_free(&b);
}

static bool
is_json_type(const char *type)
{
	size_t n;

	/* many clients leave it out, and mean JSON */
	if (type == NULL || strcmp(type, "application/json") == 0)
		return true;
	n = strlen(type);
	return n > 5 && strcmp(type + n - 5, "+json") == 0;
}

/*
 * What a text without tokens counted may cost: its strings in bytes, its
 * numbers (ready-made tokens) in tokens.
 */
struct measure {
	int64_t	bytes, tokens;
};

/*
 * How much of P is base64, in either alphabet, or characters of MORE.
 */
static size_t
span(const char *p, size_t len, const char *more)
{
	size_t i;
	char c;

	for (i = 0; i < len; i++) {
		c = p[i];
		if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		    (c >= '/' && c <= '9') || c == '+' || c == '-' || c == '_')
			continue;
		if (c == '\0' || strchr(more, c) == NULL)
			break;
	}
	return i;
}

static bool
is_base64(const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < 2 && len > 0 && p[len - 1] == '='; i++)
		len--;
	return span(p, len, "") == len;
}

/*
 * The length of "data:TYPE/SUB[;PARAMETER...];base64," in front of P, or 0.
 */
static size_t
data_head(const char *p, size_t len)
{
	static const char mark[] = ";base64,";
	size_t n, slash, m = sizeof(mark) - 1;

	if (len < 5 || memcmp(p, "data:", 5) != 0)
		return 0;
	n = 5 + span(p + 5, len - 5 < HEAD_MAX ? len - 5 : HEAD_MAX, ".;=");
	if (n == len || p[n] != ',' || n + 1 < 5 + m ||
	    memcmp(p + n + 1 - m, mark, m) != 0)
		return 0;
	for (slash = 5; slash < n && p[slash] != '/' && p[slash] != ';';)
		slash++;
	return p[slash] == '/' && slash > 5 && p[slash + 1] != ';' ? n + 1 :
	    0;
}

bool
wl_is_data(const char *p, size_t len)
{
	size_t head = data_head(p, len);

	return (head > 0 || len >= BLOB_MIN) && is_base64(p + head,
	    len - head);
}

static void
measure(struct json_object *o, struct measure *m)
{
	struct json_object_iterator it, end;
	size_t i, n;

	switch (json_object_get_type(o)) {
	case json_type_string:
		n = (size_t)json_object_get_string_len(o);
		if (!wl_is_data(json_object_get_string(o), n))
			m->bytes += (int64_t)n;
		return;
	case json_type_int:
		m->tokens++;
		return;
	case json_type_array:
		n = json_object_array_length(o);
		for (i = 0; i < n; i++)
			measure(json_object_array_get_idx(o, i), m);
		return;
	case json_type_object:
		it = json_object_iter_begin(o);
		end = json_object_iter_end(o);
		for (; !json_object_iter_equal(&it, &end);
		    json_object_iter_next(&it))
			if (strcmp(json_object_iter_peek_name(&it),
			    "input_audio") != 0)
				measure(json_object_iter_peek_value(&it), m);
		return;
	case json_type_null:
	case json_type_boolean:
	case json_type_double:
		return;
	}
}

int64_t
wl_ask_estimate(const struct wl_ask *ask)
{
	struct json_object *o;
	struct measure m = { 0, 0 };

	if (json_object_object_get_ex(ask->json, wl_api_content(ask->api), &o))
		measure(o, &m);
	if (json_object_object_get_ex(ask->json, "tools", &o))
		measure(o, &m);
	if (wl_api_system(ask->api) != NULL &&
	    json_object_object_get_ex(ask->json, wl_api_system(ask->api), &o))
		measure(o, &m);
	if (ask->api == WL_API_RERANK &&
	    json_object_object_get_ex(ask->json, "documents", &o))
		measure(o, &m);
	return wl_tokens_estimate(m.bytes) + m.tokens;
}

static void
twin(struct wl_ask *ask, const char *name)
{
	wl_err_set(&ask->fault, WL_E_INVALID_REQUEST,
	    "\"%s\" is given more than once.", name);
	ask->fault.param = name;
}

/*
 * The provider may read another one of two members than we do.
 */
static void
refuse_twins(struct wl_ask *ask)
{
	bool seen[sizeof(deciding) / sizeof(deciding[0])] = { false };
	struct wl_str name, value;
	size_t i, pos = 0;

	while (wl_json_next(ask->body.p, ask->body.len, &pos, &name, &value))
		for (i = 0; i < sizeof(deciding) / sizeof(deciding[0]); i++) {
			if (!wl_json_is(name, deciding[i]))
				continue;
			if (seen[i]) {
				twin(ask, deciding[i]);
				return;
			}
			seen[i] = true;
		}
}

static bool
is_anthropic(enum wl_api api)
{
	return api == WL_API_MESSAGES || api == WL_API_COUNT_TOKENS;
}

static void
read_members(struct wl_ask *ask)
{
	struct json_object *options;
	int64_t n;

	(void)wl_json_str(ask->json, "model", &ask->model);
	if (is_anthropic(ask->api) ?
	    wl_json_str(wl_json_obj(ask->json, "metadata"), "user_id",
	    &ask->user) : wl_json_str(ask->json, "user", &ask->user))
		ask->user.len = wl_utf8_cut(ask->user.p, ask->user.len,
		    USER_MAX);
	if (ask->api != WL_API_EMBEDDINGS && ask->api != WL_API_COUNT_TOKENS)
		(void)wl_json_bool(ask->json, "stream", &ask->stream);
	if (apis[ask->api].media)
		wl_ask_media(ask);
	options = wl_json_obj(ask->json, "stream_options");
	if (ask->stream && options != NULL)
		(void)wl_json_bool(options, "include_usage",
		    &ask->include_usage);
	if ((wl_json_int(ask->json, "max_completion_tokens", &n) ||
	    wl_json_int(ask->json, "max_output_tokens", &n) ||
	    wl_json_int(ask->json, "max_tokens", &n)) && n > 0)
		ask->max_tokens = n;
	if (ask->api != WL_API_COUNT_TOKENS)
		ask->input_estimate = wl_ask_estimate(ask);
}

static void
refuse_json(struct wl_ask *ask, enum wl_json_fault fault)
{
	switch (fault) {
	case WL_JSON_DEEP:
		wl_err_set(&ask->fault, WL_E_INVALID_JSON,
		    "The request body is nested deeper than %d levels.",
		    WL_JSON_DEPTH);
		return;
	case WL_JSON_BIG:
		wl_err_set(&ask->fault, WL_E_REQUEST_TOO_LARGE,
		    "The request body has too many parts.");
		return;
	case WL_JSON_OK:
	case WL_JSON_SYNTAX:
		break;
	}
	wl_err_set(&ask->fault, WL_E_INVALID_JSON, NULL);
}

/*
 * A header that goes on as it is: visible ASCII and spaces.
 */
static const char *
read_header(struct wl_ask *ask, const struct wl_req *r, const char *name)
{
	const char *v = r->io == NULL ? NULL : wl_req_header(r, name), *p;

	if (v == NULL || v[0] == '\0')
		return NULL;
	for (p = v; *p >= ' ' && *p <= '~';)
		p++;
	if (*p == '\0' && (size_t)(p - v) <= HEADER_MAX)
		return wl_arena_strdup(r->arena, v);
	wl_err_set(&ask->fault, WL_E_INVALID_REQUEST,
	    "The header \"%s\" is not valid.", name);
	ask->fault.param = name;
	return NULL;
}

static void
read_headers(struct wl_ask *ask, const struct wl_req *r)
{
	if (!is_anthropic(ask->api))
		return;
	ask->anthropic_version = read_header(ask, r, "anthropic-version");
	ask->anthropic_beta = read_header(ask, r, "anthropic-beta");
}

void
wl_ask_read(struct wl_ask *ask, enum wl_api api, const struct wl_req *r)
{
	enum wl_json_fault fault;
	bool form;

	memset(ask, 0, sizeof(*ask));
	ask->api = api;
	ask->body = r->body;
	ask->model = ask->user = ask->prompt = WL_STR("");
	ask->choices = 1;
	ask->characters = -1;
	form = apis[api].form && r->content_type != NULL &&
	    strcmp(r->content_type, "multipart/form-data") == 0;
	if (!form && !is_json_type(r->content_type)) {
		wl_err_set(&ask->fault, WL_E_UNSUPPORTED_MEDIA,
		    "Send the body as Content-Type: %s.", apis[api].form ?
		    "multipart/form-data" : "application/json");
		return;
	}
	if (r->encoded) {
		wl_err_set(&ask->fault, WL_E_UNSUPPORTED_MEDIA,
		    "Send the body without Content-Encoding.");
		return;
	}
	if (form) {
		wl_ask_form(ask, r);
		return;
	}
	ask->json = wl_json_parse(r->arena, r->body.p == NULL ? "" : r->body.p,
	    r->body.len, &fault);
	if (fault != WL_JSON_OK) {
		refuse_json(ask, fault);
		return;
	}
	if (!json_object_is_type(ask->json, json_type_object)) {
		wl_err_set(&ask->fault, WL_E_INVALID_REQUEST,
		    "The request body must be a JSON object.");
		return;
	}
	read_members(ask);
	read_headers(ask, r);
	refuse_twins(ask);
}

struct wl_str
wl_ask_user(const struct wl_ask *ask, const struct wl_req *r)
{
	const char *user = wl_req_header(r, "x-watchllm-user-id");

	return user != NULL && user[0] != '\0' ? wl_str_of(user) : ask->user;
}

bool
wl_ask_refused(const struct wl_ask *ask)
{
	return ask->fault.code == WL_E_INVALID_JSON ||
	    ask->fault.code == WL_E_REQUEST_TOO_LARGE ||
	    ask->fault.code == WL_E_UNSUPPORTED_MEDIA;
}

static int
bad(struct wl_err *e, const char *param, const char *what)
{
	wl_err_set(e, WL_E_INVALID_REQUEST, "\"%s\" %s.", param, what);
	e->param = param;
	return -1;
}

static int
check_model(const struct wl_ask *ask, struct wl_err *e)
{
	size_t i;

	if (ask->model.len == 0)
		return bad(e, "model", "must be a string that is not empty");
	if (ask->model.len > WL_MODEL_MAX)
		return bad(e, "model", "is too long");
	for (i = 0; i < ask->model.len; i++)
		if ((unsigned char)ask->model.p[i] < ' ' ||
		    ask->model.p[i] == 0x7f)
			return bad(e, "model", "holds a control character");
	return 0;
}

static int
check_messages(const struct wl_ask *ask, struct wl_err *e)
{
	struct json_object *list = wl_json_arr(ask->json, "messages"), *m;
	struct wl_str role;
	size_t i, n;

	if (list == NULL || (n = json_object_array_length(list)) == 0)
		return bad(e, "messages",
		    "must be an array that is not empty");
	for (i = 0; i < n; i++) {
		m = json_object_array_get_idx(list, i);
		if (!json_object_is_type(m, json_type_object) ||
		    !wl_json_str(m, "role", &role))
			return bad(e, "messages",
			    "must hold objects with a \"role\"");
	}
	return 0;
}

/*
 * Whether member NAME is absent, null, or of type T.
 */
static bool
is_or_none(const struct wl_ask *ask, const char *name, enum json_type t)
{
	struct json_object *o;

	return !json_object_object_get_ex(ask->json, name, &o) || o == NULL ||
	    json_object_is_type(o, t);
}

/*
 * What the provider keeps may stand for an input.  A call that runs in the
 * background has no usage yet when it is answered, so nobody would pay it.
 */
static int
check_response(const struct wl_ask *ask, struct wl_err *e)
{
	static const char *const instead[] = { "input", "prompt",
	    "previous_response_id", "conversation" };
	bool background = false;
	size_t i;

	if (!is_or_none(ask, "background", json_type_boolean))
		return bad(e, "background", "must be true or false");
	if (wl_json_bool(ask->json, "background", &background) && background)
		return bad(e, "background",
		    "is not supported: the call must wait for its answer");
	for (i = 0; i < sizeof(instead) / sizeof(instead[0]); i++)
		if (wl_json_has(ask->json, instead[i]))
			return 0;
	return bad(e, "input", "is missing");
}

int
wl_ask_check(const struct wl_ask *ask, struct wl_err *e)
{
	if (ask->fault.code != WL_OK) {
		*e = ask->fault;
		return -1;
	}
	if (check_model(ask, e) == -1)
		return -1;
	if (!is_or_none(ask, "stream", json_type_boolean))
		return bad(e, "stream", "must be true or false");
	if (!is_or_none(ask, "stream_options", json_type_object))
		return bad(e, "stream_options", "must be an object");
	if (ask->api == WL_API_CHAT || is_anthropic(ask->api))
		return check_messages(ask, e);
	if (ask->api == WL_API_RESPONSES)
		return check_response(ask, e);
	if (apis[ask->api].needed && !wl_json_has(ask->json,
	    apis[ask->api].content))
		return bad(e, apis[ask->api].content, "is missing");
	if (ask->api == WL_API_RERANK && !wl_json_has(ask->json, "documents"))
		return bad(e, "documents", "is missing");
	return 0;
}
