/*
 * Walks over whole bodies.
 */
#include "config.h"
#include "lib/core/policy_body.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/json.h"

/* Memory of the parse of a tool's arguments. */
#define SCRATCH		((size_t)64 * 1024 * 1024)

/* Members that say what something is, or hold data: no text of anybody's. */
static const char *const skipped[] = { "call_id", "created", "detail",
    "encrypted_content", "file_data", "file_id", "finish_reason",
    "format", "id", "image_url", "item_id", "media_type", "model", "name",
    "object", "role", "signature", "status", "stop_reason", "tool_call_id",
    "tool_use_id", "type", "url" };

/* Members that hold what somebody has made up: any name may be in them. */
static const char *const made_up[] = { "arguments", "documents", "input",
    "variables" };

/* Members of answers that tell the text again, by its tokens. */
static const char *const tokens[] = { "logprobs", "token_ids", "tokens" };

/* Members of requests, and of answers, that hold text. */
static const char *const asked[] = { "documents", "input", "instructions",
    "messages", "prompt", "query", "system" };
static const char *const answered[] = { "choices", "content", "output",
    "output_text", "segments", "text", "words" };

bool
wl_policy_reads(enum wl_api api)
{
	return api == WL_API_CHAT || api == WL_API_COMPLETIONS ||
	    api == WL_API_MESSAGES || api == WL_API_RESPONSES ||
	    api == WL_API_TRANSCRIPTIONS || api == WL_API_TRANSLATIONS;
}

static bool
walk_string(const struct wl_policy *p, enum wl_policy_side side,
    struct json_object *o, struct wl_policy_tally *t)
{
	struct wl_str s = { json_object_get_string(o),
	    (size_t)json_object_get_string_len(o) };
	struct wl_buf out = { 0 };
	bool changed;

	if (s.len == 0 || wl_is_data(s.p, s.len))
		return false;
	changed = wl_policy_apply(p, side, s, &out, t);
	if (changed)
		(void)json_object_set_string_len(o, out.p == NULL ? "" :
		    out.p, (int)out.len);
	wl_buf_free(&out);
	return changed;
}

static bool
is_among(const char *name, const char *const *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(name, list[i]) == 0)
			return true;
	return false;
}
#define AMONG(name, list) \
	is_among(name, list, sizeof(list) / sizeof((list)[0]))

/*
 * Whether member NAME of O is no text.
 */
static bool
is_skipped(struct json_object *o, const char *name)
{
	struct wl_str type;

	if (strcmp(name, "data") == 0)
		return wl_json_str(o, "type", &type) && (wl_str_eq(type,
		    "base64") || wl_str_eq(type, "redacted_thinking"));
	return AMONG(name, skipped);
}

static bool walk(const struct wl_policy *p, enum wl_policy_side side,
    struct json_object *o, bool all, struct wl_policy_tally *t);

static bool walk_arguments(const struct wl_policy *p,
    enum wl_policy_side side, struct json_object *o,
    struct wl_policy_tally *t);

static bool
walk_member(const struct wl_policy *p, enum wl_policy_side side,
    struct json_object *o, const char *name, struct json_object *v,
    struct wl_policy_tally *t)
{
	if (v == NULL || is_skipped(o, name))
		return false;
	if (strcmp(name, "arguments") == 0 && json_object_is_type(v,
	    json_type_string))
		return walk_arguments(p, side, v, t);
	if (side != WL_POLICY_RESPONSE || !AMONG(name, tokens) ||
	    json_object_is_type(v, json_type_int))
		return walk(p, side, v, AMONG(name, made_up), t);
	json_object_object_add(o, name, json_object_is_type(v,
	    json_type_array) ? json_object_new_array() : NULL);
	return true;
}

/*
 * ALL: whatever the names of its members are.  The scan has bounded the depth.
 */
static bool
walk(const struct wl_policy *p, enum wl_policy_side side,
    struct json_object *o, bool all, struct wl_policy_tally *t)
{
	struct json_object_iterator it, end;
	bool changed = false;
	const char *name;
	size_t i, n;

	switch (json_object_get_type(o)) {
	case json_type_string:
		return walk_string(p, side, o, t);
	case json_type_array:
		n = json_object_array_length(o);
		for (i = 0; i < n; i++)
			changed |= walk(p, side,
			    json_object_array_get_idx(o, i), all, t);
		return changed;
	case json_type_object:
		it = json_object_iter_begin(o);
		end = json_object_iter_end(o);
		for (; !json_object_iter_equal(&it, &end);
		    json_object_iter_next(&it)) {
			name = json_object_iter_peek_name(&it);
			changed |= all ? walk(p, side,
			    json_object_iter_peek_value(&it), true, t) :
			    walk_member(p, side, o, name,
			    json_object_iter_peek_value(&it), t);
		}
		return changed;
	default:
		return false;
	}
}

bool
wl_policy_walk(const struct wl_policy *p, enum wl_policy_side side,
    struct json_object *o, struct wl_policy_tally *t)
{
	return walk(p, side, o, false, t);
}

bool
wl_policy_walk_rest(const struct wl_policy *p, enum wl_policy_side side,
    struct json_object *o, const char *const *but, size_t n,
    struct wl_policy_tally *t)
{
	struct json_object_iterator it, end;
	bool changed = false;
	const char *name;

	if (!json_object_is_type(o, json_type_object))
		return false;
	it = json_object_iter_begin(o);
	end = json_object_iter_end(o);
	for (; !json_object_iter_equal(&it, &end);
	    json_object_iter_next(&it)) {
		name = json_object_iter_peek_name(&it);
		if (!is_among(name, but, n))
			changed |= walk_member(p, side, o, name,
			    json_object_iter_peek_value(&it), t);
	}
	return changed;
}

static const char *
plain(struct json_object *o, size_t *len)
{
	return json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN |
	    JSON_C_TO_STRING_NOSLASHESCAPE, len);
}

/* ---- arguments of tools: JSON in a text ---- */

static int64_t
larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

void
wl_policy_again(struct wl_policy_tally *t,
    const struct wl_policy_tally *again)
{
	int i, at;

	for (at = 0; at < 2; at++) {
		for (i = 0; i < WL_POLICY_RULES; i++)
			t->hits[i][at] = larger(t->hits[i][at],
			    again->hits[i][at]);
		t->bytes[at] = larger(t->bytes[at], again->bytes[at]);
	}
	if (t->blocked == -1)
		t->blocked = again->blocked;
}

/*
 * TEXT as JSON if it is an object or array; the arena has it.
 */
static struct json_object *
structured(struct wl_arena *a, const char *p, size_t len)
{
	struct json_object *o = wl_json_parse(a, p, len, NULL);

	return json_object_is_type(o, json_type_object) ||
	    json_object_is_type(o, json_type_array) ? o : NULL;
}

/*
 * TEXT, which is no JSON, without its escapes, as well as it goes.
 */
static void
unescape(struct wl_str text, struct wl_buf *out)
{
	struct wl_buf quoted = { 0 };
	struct wl_arena *a = wl_arena_new(SCRATCH);
	struct json_object *o = NULL;
	size_t i, n;

	wl_buf_addc(&quoted, '"');
	for (i = 0; i < text.len; i++) {
		n = text.p[i] == '\\' && i + 1 < text.len ? 2 : 1;
		if (text.p[i] == '\\' && (n == 1 ||
		    strchr("\"\\/bfnrtu", text.p[i + 1]) == NULL))
			wl_buf_addc(&quoted, ' ');
		else if (text.p[i] == '"' || (unsigned char)text.p[i] < ' ')
			wl_buf_addc(&quoted, ' ');
		else {
			wl_buf_add(&quoted, text.p + i, n);
			i += n - 1;
		}
	}
	wl_buf_addc(&quoted, '"');
	if (a != NULL && !quoted.failed)
		o = wl_json_parse(a, quoted.p, quoted.len, NULL);
	if (json_object_is_type(o, json_type_string))
		wl_buf_add(out, json_object_get_string(o),
		    (size_t)json_object_get_string_len(o));
	else
		out->failed = true;
	wl_arena_free(a);
	wl_buf_free(&quoted);
}

/*
 * Arguments that are cut off, or no JSON at all.
 */
static bool
loose_arguments(const struct wl_policy *p, enum wl_policy_side side,
    struct wl_str text, struct wl_buf *out, struct wl_policy_tally *t)
{
	struct wl_buf bare = { 0 }, rest = { 0 };
	bool changed;

	if (text.len == 0 || memchr(text.p, '\\', text.len) == NULL)
		return wl_policy_apply(p, side, text, out, t);
	unescape(text, &bare);
	changed = bare.failed || wl_policy_apply(p, side, (struct wl_str){
	    bare.p == NULL ? "" : bare.p, bare.len }, &rest, t);
	if (changed)
		wl_buf_adds(out, "{}");
	else
		wl_buf_add(out, text.p, text.len);
	wl_buf_free(&bare);
	wl_buf_free(&rest);
	return changed;
}

/*
 * TEXT, JSON in whose texts nothing is left, may still have matches in names
 * and numbers, and in members that come twice.
 */
static bool
around(const struct wl_policy *p, enum wl_policy_side side,
    struct wl_arena *a, struct wl_str text, struct wl_buf *out,
    struct wl_policy_tally *t)
{
	struct wl_policy_tally again = WL_POLICY_TALLY;
	struct wl_buf b = { 0 };
	bool changed;

	again.bytes[side == WL_POLICY_RESPONSE] = -(int64_t)text.len;
	changed = wl_policy_apply(p, side, text, &b, &again);
	wl_policy_again(t, &again);
	if (b.failed || (changed && structured(a, b.p, b.len) == NULL))
		wl_buf_adds(out, "{}");
	else
		wl_buf_add(out, b.p, b.len);
	wl_buf_free(&b);
	return changed;
}

/*
 * Whether TEXT, JSON in whose texts nothing was found, has a match behind its
 * escapes: in a name, or in a member that comes again.
 */
static bool
hides(const struct wl_policy *p, enum wl_policy_side side,
    struct wl_str text, struct wl_policy_tally *t)
{
	struct wl_policy_tally again = WL_POLICY_TALLY;
	struct wl_buf b = { 0 };
	bool found;

	if (memchr(text.p, '\\', text.len) == NULL)
		return false;
	again.bytes[side == WL_POLICY_RESPONSE] = -(int64_t)text.len;
	found = loose_arguments(p, side, text, &b, &again);
	wl_policy_again(t, &again);
	wl_buf_free(&b);
	return found;
}

bool
wl_policy_arguments(const struct wl_policy *p, enum wl_policy_side side,
    struct wl_str text, struct wl_buf *out, struct wl_policy_tally *t)
{
	struct wl_arena *a = wl_arena_new(SCRATCH);
	struct json_object *o;
	bool changed;

	o = a == NULL || text.len == 0 ? NULL : structured(a, text.p,
	    text.len);
	if (o == NULL) {
		wl_arena_free(a);
		return loose_arguments(p, side, text, out, t);
	}
	changed = walk(p, side, o, true, t) || hides(p, side, text, t);
	if (changed)
		text.p = plain(o, &text.len);
	changed |= around(p, side, a, text, out, t);
	wl_arena_free(a);
	return changed;
}

static bool
walk_arguments(const struct wl_policy *p, enum wl_policy_side side,
    struct json_object *o, struct wl_policy_tally *t)
{
	struct wl_str s = { json_object_get_string(o),
	    (size_t)json_object_get_string_len(o) };
	struct wl_buf out = { 0 };
	bool changed;

	changed = wl_policy_arguments(p, side, s, &out, t);
	if (changed)
		(void)json_object_set_string_len(o, out.p == NULL ? "" :
		    out.p, (int)out.len);
	wl_buf_free(&out);
	return changed;
}

/* ---- requests ---- */

/*
 * BODY with O in place of LEN bytes at OFF, on the heap, released with A.
 */
static int
put_value(struct wl_arena *a, struct wl_str *body, size_t off, size_t len,
    struct json_object *o)
{
	size_t n, rest = body->len - off - len;
	const char *text = plain(o, &n);
	char *p = malloc(off + n + rest + 1);

	if (p == NULL || wl_arena_defer(a, free, p) == -1)
		return -1;
	memcpy(p, body->p, off);
	memcpy(p + off, text, n);
	memcpy(p + off + n, body->p + off + len, rest);
	p[off + n + rest] = '\0';
	*body = (struct wl_str){ p, off + n + rest };
	return 0;
}

/*
 * Member NAME of the request.
 */
static int
request_member(const struct wl_policy *p, struct wl_arena *a,
    struct wl_ask *ask, const char *name, struct wl_policy_tally *t,
    struct wl_err *e)
{
	struct json_object *o;
	size_t off, len;
	bool dup;

	if (!wl_json_find(ask->body.p, ask->body.len, name, &off, &len, &dup))
		return 0;
	if (dup) {	/* the provider may read the other one */
		wl_err_set(e, WL_E_INVALID_REQUEST,
		    "\"%s\" is given more than once.", name);
		e->param = name;
		return -1;
	}
	if (!json_object_object_get_ex(ask->json, name, &o) ||
	    !walk(p, WL_POLICY_REQUEST, o, strcmp(name, "documents") == 0, t))
		return 0;
	return put_value(a, &ask->body, off, len, o) == -1 ?
	    wl_err_memory(e) : 0;
}

static int
request_form(const struct wl_policy *p, struct wl_arena *a,
    struct wl_ask *ask, struct wl_policy_tally *t, struct wl_err *e)
{
	struct wl_buf out = { 0 };
	int i;

	if (wl_policy_apply(p, WL_POLICY_REQUEST, ask->prompt, &out, t)) {
		for (i = 0; t->blocked == -1 && i < WL_POLICY_RULES; i++)
			if (t->hits[i][0] > 0)
				t->blocked = i;
		ask->prompt.p = wl_arena_dup(a, out.p, out.len);
		ask->prompt.len = ask->prompt.p == NULL ? 0 : out.len;
	}
	wl_buf_free(&out);
	return t->blocked == -1 ? 0 : wl_policy_blocked(p, t, e);
}

int
wl_policy_request(const struct wl_policy *p, struct wl_arena *a,
    struct wl_ask *ask, struct wl_policy_tally *t, struct wl_err *e)
{
	size_t i;

	if (!wl_policy_is_for(p, WL_POLICY_REQUEST))
		return 0;
	if (ask->form_type != NULL)
		return request_form(p, a, ask, t, e);
	for (i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
		if (request_member(p, a, ask, asked[i], t, e) == -1)
			return -1;
	return t->blocked == -1 ? 0 : wl_policy_blocked(p, t, e);
}

/* ---- answers ---- */

static int
text_answer(const struct wl_policy *p, struct wl_arena *a,
    struct wl_str body, struct wl_str *out, struct wl_policy_tally *t,
    struct wl_err *e)
{
	struct wl_buf b = { 0 };
	int rc = 0;

	if (wl_policy_apply(p, WL_POLICY_RESPONSE, body, &b, t)) {
		out->p = wl_arena_dup(a, b.p, b.len);
		out->len = b.len;
		if (out->p == NULL)
			rc = wl_err_memory(e);
	}
	wl_buf_free(&b);
	return rc;
}

static int
json_answer(const struct wl_policy *p, struct wl_arena *a,
    struct json_object *o, struct wl_str *out, struct wl_policy_tally *t,
    struct wl_err *e)
{
	struct json_object *v;
	bool changed = false;
	const char *text;
	size_t i, len;

	for (i = 0; i < sizeof(answered) / sizeof(answered[0]); i++)
		if (json_object_object_get_ex(o, answered[i], &v))
			changed |= wl_policy_walk(p, WL_POLICY_RESPONSE, v, t);
	if (wl_json_arr(o, "logprobs") != NULL) {	/* of a transcript */
		json_object_object_add(o, "logprobs",
		    json_object_new_array());
		changed = true;
	}
	if (!changed)
		return 0;
	text = plain(o, &len);
	out->p = wl_arena_dup(a, text, len);
	out->len = len;
	return out->p == NULL ? wl_err_memory(e) : 0;
}

int
wl_policy_answer(const struct wl_policy *p, struct wl_arena *a,
    enum wl_api api, struct wl_str body, struct wl_str *out,
    struct wl_policy_tally *t, struct wl_err *e)
{
	struct json_object *o;
	int rc;

	*out = body;
	if (!wl_policy_is_for(p, WL_POLICY_RESPONSE) || !wl_policy_reads(api))
		return 0;
	o = wl_json_parse(a, body.p, body.len, NULL);
	if (json_object_is_type(o, json_type_object))
		rc = json_answer(p, a, o, out, t, e);
	else if (api == WL_API_TRANSCRIPTIONS || api == WL_API_TRANSLATIONS)
		rc = text_answer(p, a, body, out, t, e);
	else
		rc = wl_err_set(e, WL_E_UPSTREAM_INVALID, "The provider's "
		    "answer is too complex for the project's policy.");
	if (rc == 0 && t->blocked != -1)
		rc = wl_policy_blocked(p, t, e);
	return rc;
}
