/*
 * OpenAI's wire format: chat completions, completions, embeddings.
 */
#include "config.h"
#include "lib/core/provider.h"

#include <assert.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/co.h"
#include "lib/base/json.h"
#include "lib/base/secret.h"
#include "lib/base/wait.h"
#include "lib/core/model.h"
#include "lib/core/provider_error.h"
#include "lib/core/provider_openai.h"

#define TOKENS_MAX	((int64_t)1000000000)
/* A longer answer is looked through on a helper thread. */
#define OFFLOAD_BYTES	((size_t)256 * 1024)

static const char *const paths[] = {
	[WL_API_CHAT] = "/chat/completions",
	[WL_API_COMPLETIONS] = "/completions",
	[WL_API_EMBEDDINGS] = "/embeddings",
};
static_assert(sizeof(paths) / sizeof(paths[0]) == WL_API_MAX,
    "a path for every API");

/* ---- the request ---- */

/*
 * TEXT in place of CUT bytes at OFF of the body.
 */
struct edit {
	size_t		 off, cut;
	struct wl_str	 text;
};

struct edits {
	struct edit	 e[2];
	int		 n;
};

static void
add_edit(struct edits *ed, size_t off, size_t cut, struct wl_str text)
{
	struct edit *e = &ed->e[ed->n++];

	*e = (struct edit){ off, cut, text };
	if (ed->n == 2 && ed->e[0].off > off) {
		ed->e[1] = ed->e[0];
		ed->e[0] = (struct edit){ off, cut, text };
	}
}

/*
 * The body with its edits; every other byte stays.
 */
static int
splice(struct wl_arena *a, struct wl_str body, const struct edits *ed,
    struct wl_str *out)
{
	size_t len = body.len, from = 0;
	char *p;
	int i;

	if (ed->n == 0) {
		*out = body;
		return 0;
	}
	for (i = 0; i < ed->n; i++)
		len += ed->e[i].text.len - ed->e[i].cut;
	if ((p = wl_arena_alloc(a, len)) == NULL)
		return -1;
	*out = (struct wl_str){ p, len };
	for (i = 0; i < ed->n; i++) {
		memcpy(p, body.p + from, ed->e[i].off - from);
		p += ed->e[i].off - from;
		memcpy(p, ed->e[i].text.p, ed->e[i].text.len);
		p += ed->e[i].text.len;
		from = ed->e[i].off + ed->e[i].cut;
	}
	memcpy(p, body.p + from, body.len - from);
	return 0;
}

static int
edit_model(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct edits *ed)
{
	struct wl_buf b;
	struct wl_str s;
	size_t off, len;
	bool dup;

	if (wl_str_eq(ask->model, t->model) || !wl_json_find(ask->body.p,
	    ask->body.len, "model", &off, &len, &dup))
		return 0;
	wl_buf_init(&b, 0);
	wl_json_quote(&b, t->model, strlen(t->model));
	s = (struct wl_str){ wl_arena_dup(a, b.p, b.len), b.len };
	wl_buf_free(&b);
	if (s.p == NULL)
		return -1;
	add_edit(ed, off, len, s);
	return 0;
}

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
edit_usage(const struct wl_ask *ask, struct edits *ed)
{
	struct wl_str body = ask->body, o;
	size_t off, len, at, n;
	bool dup;

	if (!wl_json_find(body.p, body.len, "stream_options", &off, &len,
	    &dup)) {
		add_edit(ed, inside(body.p), 0, WL_STR(
		    "\"stream_options\":{\"include_usage\":true},"));
		return;
	}
	o = (struct wl_str){ body.p + off, len };
	if (o.p[0] != '{')	/* null */
		add_edit(ed, off, len, WL_STR("{\"include_usage\":true}"));
	else if (wl_json_find(o.p, o.len, "include_usage", &at, &n, &dup))
		add_edit(ed, off + at, n, WL_STR("true"));
	else if (is_empty_object(o))
		add_edit(ed, off + 1, 0, WL_STR("\"include_usage\":true"));
	else
		add_edit(ed, off + 1, 0, WL_STR("\"include_usage\":true,"));
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
	if (t->key[0] == '\0' || strcmp(t->auth, "none") == 0)
		return 0;
	*out = wl_arena_printf(a, strcmp(t->auth, "x-api-key") == 0 ?
	    "x-api-key: %s" : "Authorization: Bearer %s", t->key);
	return *out == NULL ? -1 : wl_arena_defer(a, wipe, *out);
}

static int
request(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, const char *request_id, struct wl_upcall *u,
    struct wl_err *e)
{
	struct edits ed = { .n = 0 };
	char *key;
	int n = 0;

	u->hide_usage = ask->stream && !ask->include_usage &&
	    t->stream_options && ask->api != WL_API_EMBEDDINGS;
	if (u->hide_usage)
		edit_usage(ask, &ed);
	u->url = wl_arena_printf(a, "%s%s", t->base_url, paths[ask->api]);
	u->headers = wl_arena_alloc(a, 5 * sizeof(*u->headers));
	if (edit_model(a, ask, t, &ed) == -1 ||
	    splice(a, ask->body, &ed, &u->body) == -1 || u->url == NULL ||
	    u->headers == NULL || wl_openai_key_header(a, t, &key) == -1)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	u->headers[n++] = "Content-Type: application/json";
	u->headers[n++] = ask->stream ? "Accept: text/event-stream" :
	    "Accept: application/json";
	if (key != NULL)
		u->headers[n++] = key;
	u->headers[n] = wl_arena_printf(a, "X-Request-Id: %s", request_id);
	return u->headers[n] == NULL ? wl_err_set(e, WL_E_UNAVAILABLE, NULL) :
	    0;
}

/* ---- usage ---- */

/*
 * Member KEY of O as a count of tokens, or -1.
 */
static int64_t
count(struct json_object *o, const char *key)
{
	int64_t n;

	if (o == NULL || !wl_json_int(o, key, &n) || n < 0)
		return -1;
	return n < TOKENS_MAX ? n : TOKENS_MAX;
}

static int64_t
first_of(int64_t a, int64_t b)
{
	return a >= 0 ? a : b;
}

/*
 * What remains of WHOLE when PART (-1: none) is counted apart.  A part larger
 * than its whole is cut to it.
 */
static int64_t
without(int64_t whole, int64_t *part)
{
	if (whole < 0 || *part < 0)
		return whole;
	if (*part > whole)
		*part = whole;
	return whole - *part;
}

/*
 * The usage object U in disjoint classes.  Some hosts (xAI) count reasoning
 * beside the completion, not in it: their total tells.
 */
static void
read_usage(struct json_object *u, struct wl_usage *out)
{
	struct json_object *in = wl_json_obj(u, "prompt_tokens_details");
	struct json_object *made = wl_json_obj(u, "completion_tokens_details");
	int64_t prompt = count(u, "prompt_tokens");
	int64_t completion = count(u, "completion_tokens");
	int64_t total = count(u, "total_tokens");
	struct wl_usage r = { .source = WL_U_PROVIDER };

	if (prompt < 0 && completion < 0)
		prompt = total;
	if (prompt < 0 && completion < 0)
		return;
	r.cache_read = first_of(count(in, "cached_tokens"),
	    first_of(count(u, "prompt_cache_hit_tokens"),
	    count(u, "cached_tokens")));
	r.cache_write = first_of(count(in, "cache_write_tokens"),
	    count(in, "cache_creation_tokens"));
	r.reasoning = count(made, "reasoning_tokens");
	r.input = without(prompt, &r.cache_read);
	r.input = without(r.input, &r.cache_write);
	if (r.reasoning > 0 && prompt >= 0 && completion >= 0 &&
	    total == prompt + completion + r.reasoning)
		r.output = completion;
	else
		r.output = without(completion, &r.reasoning);
	*out = r;
}

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
		read_usage(u, out);
	return u != NULL;
}

/* ---- answers ---- */

static void
copy(char *dst, size_t size, struct wl_str s)
{
	size_t n = wl_utf8_cut(s.p, s.len, size - 1);

	memcpy(dst, s.p, n);
	dst[n] = '\0';
}

static void
copy_member(struct json_object *o, const char *key, char *dst, size_t size)
{
	struct wl_str s;

	if (wl_json_str(o, key, &s) && s.len > 0)
		copy(dst, size, s);
}

/*
 * Generated text that is kept when FIRST, and counted in any case.
 */
static void
take_text(struct wl_result *res, struct json_object *o, const char *key,
    bool first)
{
	struct wl_str s;

	if (!wl_json_str(o, key, &s))
		return;
	res->output_bytes += (int64_t)s.len;
	if (first)
		wl_result_text(res, s.p, s.len);
}

/*
 * A content that is a list of parts.
 */
static void
take_parts(struct wl_result *res, struct json_object *parts, bool first)
{
	size_t i, n = json_object_array_length(parts);

	for (i = 0; i < n; i++)
		take_text(res, json_object_array_get_idx(parts, i), "text",
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
		take_text(res, m, "content", first);
	take_text(res, m, "refusal", first);
	take_text(res, m, wl_json_has(m, "reasoning_content") ?
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
		take_text(res, c, "text", index == 0);
	if (index == 0)
		copy_member(c, "finish_reason", res->finish_reason,
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

struct outline {
	struct wl_str	body;
	bool		valid;
	struct wl_str	part[PART_MAX];		/* p NULL: absent */
};

static void
draw(void *arg)
{
	struct outline *ol = arg;
	struct wl_str name, value;
	size_t pos = 0;
	int i;

	ol->valid = wl_json_scan(ol->body.p, ol->body.len, SIZE_MAX) ==
	    WL_JSON_OK;
	while (ol->valid && wl_json_next(ol->body.p, ol->body.len, &pos,
	    &name, &value))
		for (i = 0; i < PART_MAX; i++)
			if (wl_json_is(name, part_names[i]))
				ol->part[i] = value;
}

static void
outline(struct outline *ol, struct wl_str body)
{
	memset(ol, 0, sizeof(*ol));
	ol->body = body;
	if (body.len <= OFFLOAD_BYTES || wl_co_self() == NULL ||
	    wl_offload(draw, ol) == -1)
		draw(ol);
}

static struct json_object *
parse(struct wl_arena *a, struct wl_str part)
{
	return part.p == NULL ? NULL :
	    wl_json_parse(a, part.p, part.len, NULL);
}

static void
copy_part(struct wl_arena *a, struct wl_str part, char *dst, size_t size)
{
	struct json_object *o;

	/* json-c's setting up costs more than such a part */
	if (part.len >= 2 && part.p[0] == '"' &&
	    wl_json_plain(part.p + 1, part.len - 2) == part.len - 2) {
		copy(dst, size, (struct wl_str){ part.p + 1, part.len - 2 });
		return;
	}
	o = parse(a, part);
	if (json_object_is_type(o, json_type_string))
		copy(dst, size, (struct wl_str){ json_object_get_string(o),
		    (size_t)json_object_get_string_len(o) });
}

static int
answer(struct wl_arena *a, const struct wl_ask *ask, struct wl_str body,
    struct wl_result *res)
{
	enum part main_part = ask->api == WL_API_EMBEDDINGS ? PART_DATA :
	    PART_CHOICES;
	struct json_object *o;
	struct outline ol;

	outline(&ol, body);
	if (!ol.valid || ol.part[main_part].p == NULL ||
	    ol.part[main_part].p[0] != '[' ||
	    wl_provider_error_tells(parse(a, ol.part[PART_ERROR])))
		return -1;
	copy_part(a, ol.part[PART_ID], res->response_id,
	    sizeof(res->response_id));
	copy_part(a, ol.part[PART_MODEL], res->model_used,
	    sizeof(res->model_used));
	if ((o = parse(a, ol.part[PART_USAGE])) != NULL)
		read_usage(o, &res->usage);
	if (main_part == PART_CHOICES)
		read_choices(a, ol.part[PART_CHOICES], res);
	wl_result_end(res);
	return 0;
}

/* ---- errors ---- */

static void
error(struct wl_arena *a, const struct wl_target *t, int status,
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

static enum wl_chunk
chunk(struct wl_arena *a, const struct wl_ask *ask, const struct wl_target *t,
    struct wl_str data, struct wl_result *res)
{
	struct json_object *o, *choices;
	enum wl_json_fault fault;
	bool usage;

	(void)ask;
	if (wl_str_eq(wl_str_trim(data), "[DONE]"))
		return WL_CHUNK_DONE;
	o = wl_json_parse(a, data.p, data.len, &fault);
	if (!json_object_is_type(o, json_type_object))
		return fault == WL_JSON_BIG || fault == WL_JSON_DEEP ?
		    WL_CHUNK_DATA : WL_CHUNK_INVALID;
	copy_member(o, "id", res->response_id, sizeof(res->response_id));
	copy_member(o, "model", res->model_used, sizeof(res->model_used));
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

const struct wl_provider wl_provider_openai = {
	.wire = "openai",
	.request = request,
	.answer = answer,
	.chunk = chunk,
	.error = error,
	.list = wl_openai_list,
	.listed = wl_openai_listed,
};
