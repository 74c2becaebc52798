/*
 * The rules of the cache, and the identity of a question.
 */
#include "config.h"
#include "lib/core/cache_key.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/conf.h"
#include "lib/base/enc.h"
#include "lib/base/hash.h"
#include "lib/base/json.h"
#include "lib/base/num.h"
#include "lib/core/auth.h"
#include "lib/core/cache_text.h"
#include "lib/http/req.h"

/* Part of every key: answers of an older form are not found. */
#define KEY_VERSION		"1"
#define NS_MAX		((size_t)256)
#define TTL_MAX_S	((int64_t)7 * 24 * 3600)

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/* ---- what is wanted ---- */

struct wanted {
	enum wl_cache_mode	 project, mode;
	int64_t			 ttl_ms;
	bool			 per_user;
	bool			 fresh, store;	/* not read; kept */
};

static bool
mode_of(struct wl_str word, enum wl_cache_mode *mode)
{
	static const char *const modes[] = { "off", "ask", "exact",
	    "canonical" };
	size_t i;

	for (i = 0; i < COUNT(modes); i++)
		if (wl_str_ieq(word, modes[i])) {
			*mode = (enum wl_cache_mode)i;
			return true;
		}
	return false;
}

/*
 * What the project says.  A word that nobody knows turns the cache off.
 */
static void
read_settings(struct wanted *w, struct wl_arena *a, const char *settings)
{
	struct json_object *o;
	struct wl_str s;
	int64_t ttl;

	if (strstr(settings, "\"cache\"") == NULL)
		return;
	o = wl_json_obj(wl_json_parse(a, settings, strlen(settings), NULL),
	    "cache");
	if (wl_json_str(o, "mode", &s) && !mode_of(s, &w->project))
		w->project = WL_CACHE_OFF;
	if (wl_json_int(o, "ttl", &ttl) && ttl >= 1 && ttl <= TTL_MAX_S)
		w->ttl_ms = ttl * 1000;
	if (wl_json_str(o, "scope", &s))
		w->per_user = !wl_str_eq(s, "project");
}

static bool
has_word(const char *list, const char *word)
{
	struct wl_str rest = wl_str_of(list);

	while (rest.p != NULL)
		if (wl_str_ieq(wl_str_trim(wl_str_cut(&rest, ',')), word))
			return true;
	return false;
}

static int
bad(struct wl_err *e, const char *name, const char *what)
{
	wl_err_set(e, WL_E_INVALID_REQUEST, "The header %s %s.", name, what);
	e->param = name;
	return -1;
}

static int
read_headers(struct wanted *w, const struct wl_req *r, struct wl_err *e)
{
	const char *mode = wl_req_header(r, "x-watchllm-cache");
	const char *ttl = wl_req_header(r, "x-watchllm-cache-ttl");
	const char *fresh = wl_req_header(r, "x-watchllm-cache-refresh");
	const char *control = wl_req_header(r, "cache-control");
	int64_t n;

	w->mode = w->project == WL_CACHE_ASK ? WL_CACHE_OFF : w->project;
	if (mode != NULL && (!mode_of(wl_str_of(mode), &w->mode) ||
	    w->mode == WL_CACHE_ASK))
		return bad(e, "X-WatchLLM-Cache",
		    "must be off, exact or canonical");
	if (ttl != NULL) {
		if (wl_num_parse(ttl, strlen(ttl), 1, TTL_MAX_S, &n) == -1)
			return bad(e, "X-WatchLLM-Cache-TTL",
			    "must be 1 to 604800 seconds");
		w->ttl_ms = n * 1000;
	}
	w->store = true;
	w->fresh = fresh != NULL && strcmp(fresh, "1") == 0;
	if (control != NULL) {
		w->store = !has_word(control, "no-store");
		w->fresh |= has_word(control, "no-cache");
	}
	return 0;
}

/* ---- what is never cached ---- */

static bool
is_above_one(struct json_object *o, const char *key)
{
	double n;

	return wl_json_num(o, key, &n) && n > 1;
}

/*
 * Whether a member is there and neither null, false, nor empty.
 */
static bool
is_given(struct json_object *o, const char *key)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, key, &v) || v == NULL)
		return false;
	switch (json_object_get_type(v)) {
	case json_type_boolean:
		return json_object_get_boolean(v);
	case json_type_array:
		return json_object_array_length(v) > 0;
	case json_type_string:
		return json_object_get_string_len(v) > 0;
	case json_type_null:
	case json_type_double:
	case json_type_int:
	case json_type_object:
		break;
	}
	return true;
}

/*
 * Whether a text, or what is made of texts alone: no picture, sound, file, no
 * call of a tool nor what it brought.
 */
static bool
is_text(struct json_object *o)
{
	static const char *const types[] = { "input_text", "message",
	    "output_text", "text" };
	struct json_object_iterator it, end;
	struct wl_str s;
	size_t i, n;

	if (json_object_is_type(o, json_type_array)) {
		n = json_object_array_length(o);
		for (i = 0; i < n; i++)
			if (!is_text(json_object_array_get_idx(o, i)))
				return false;
		return true;
	}
	if (!json_object_is_type(o, json_type_object))
		return true;
	if (wl_json_str(o, "role", &s) && (wl_str_eq(s, "tool") ||
	    wl_str_eq(s, "function")))
		return false;
	if (wl_json_has(o, "type")) {
		if (!wl_json_str(o, "type", &s))
			return false;
		for (i = 0; i < COUNT(types) && !wl_str_eq(s, types[i]); i++)
			;
		if (i == COUNT(types))
			return false;
	}
	if (is_given(o, "tool_calls") || is_given(o, "function_call") ||
	    is_given(o, "audio"))
		return false;
	it = json_object_iter_begin(o);
	end = json_object_iter_end(o);
	for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it))
		if (!is_text(json_object_iter_peek_value(&it)))
			return false;
	return true;
}

/*
 * Why the answer to ASK is never kept, or NULL.
 */
static const char *
never(const struct wl_ask *ask)
{
	static const struct {
		const char	*member, *why;
	} members[] = {
		{ "audio", "audio" }, { "background", "stored" },
		{ "container", "tools" }, { "conversation", "stored" },
		{ "functions", "tools" }, { "logprobs", "logprobs" },
		{ "mcp_servers", "tools" },
		{ "previous_response_id", "stored" },
		{ "prompt_cache_retention", "stored" },
		{ "store", "stored" }, { "tools", "tools" },
		{ "top_logprobs", "logprobs" },
		{ "web_search_options", "tools" },
	};
	struct json_object *content;
	bool stored = true;
	size_t i;

	if (is_above_one(ask->json, "n") || is_above_one(ask->json, "best_of"))
		return "several_answers";
	for (i = 0; i < COUNT(members); i++)
		if (is_given(ask->json, members[i].member))
			return members[i].why;
	if (ask->api == WL_API_RESPONSES) {
		/* what is not told not to be kept is */
		(void)wl_json_bool(ask->json, "store", &stored);
		if (stored || is_given(ask->json, "prompt"))
			return "stored";
	}
	if (json_object_object_get_ex(ask->json, wl_api_content(ask->api),
	    &content) && !is_text(content))
		return "content";
	return NULL;
}

/* ---- identity ---- */

/*
 * The body in one form.  TEXT, when given, is replaced by CANONICAL.
 */
struct form {
	struct wl_arena		*a;
	struct wl_buf		 b;
	struct wl_jw		 w;
	struct json_object	*text;
	struct wl_str		 canonical;
	size_t			 members;	/* seen in all objects */
	bool			 unfit;		/* cannot be told apart */
};

struct member {
	const char		*name;
	struct json_object	*value;
};

static int
by_name(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void put(struct form *f, const char *key, struct json_object *o);

static bool
is_ignored(const char *name)
{
	return strcmp(name, "user") == 0 ||
	    strcmp(name, "safety_identifier") == 0 ||
	    strcmp(name, "prompt_cache_key") == 0;
}

static void
put_object(struct form *f, const char *key, struct json_object *o, bool top)
{
	struct json_object_iterator it = json_object_iter_begin(o);
	struct json_object_iterator end = json_object_iter_end(o);
	size_t i, n = (size_t)json_object_object_length(o);
	struct member *m = wl_arena_alloc(f->a, (n + 1) * sizeof(*m));

	f->members += n;
	if (m == NULL) {
		f->unfit = true;
		return;
	}
	for (i = 0; i < n && !json_object_iter_equal(&it, &end); i++) {
		m[i].name = json_object_iter_peek_name(&it);
		m[i].value = json_object_iter_peek_value(&it);
		json_object_iter_next(&it);
	}
	qsort(m, i, sizeof(*m), by_name);
	n = i;
	wl_jw_obj(&f->w, key);
	for (i = 0; i < n; i++)
		if (!top || !is_ignored(m[i].name))
			put(f, m[i].name, m[i].value);
	wl_jw_end(&f->w, '}');
}

/*
 * A number as it was written, where json-c still knows it.
 */
static void
put_number(struct form *f, const char *key, struct json_object *o)
{
	const char *s = json_object_to_json_string_ext(o,
	    JSON_C_TO_STRING_PLAIN);

	if (s == NULL || strcmp(s, "18446744073709551615") == 0 ||
	    strcmp(s, "-9223372036854775808") == 0)
		f->unfit = true;	/* perhaps a larger one */
	else
		wl_jw_raw(&f->w, key, s, strlen(s));
}

static void
put(struct form *f, const char *key, struct json_object *o)
{
	size_t i, n;

	switch (json_object_get_type(o)) {
	case json_type_string:
		if (o == f->text)
			wl_jw_strn(&f->w, key, f->canonical.p,
			    f->canonical.len);
		else
			wl_jw_strn(&f->w, key, json_object_get_string(o),
			    (size_t)json_object_get_string_len(o));
		break;
	case json_type_object:
		put_object(f, key, o, false);
		break;
	case json_type_array:
		wl_jw_arr(&f->w, key);
		n = json_object_array_length(o);
		for (i = 0; i < n; i++)
			put(f, NULL, json_object_array_get_idx(o, i));
		wl_jw_end(&f->w, ']');
		break;
	case json_type_int:
	case json_type_double:
		put_number(f, key, o);
		break;
	case json_type_boolean:
		wl_jw_bool(&f->w, key, json_object_get_boolean(o));
		break;
	case json_type_null:
		wl_jw_null(&f->w, key);
		break;
	}
}

/*
 * Members of all objects in the text of a document that passed the scan.
 */
static size_t
count_members(struct wl_str s)
{
	bool quoted = false;
	size_t i, n = 0;

	for (i = 0; i < s.len; i++) {
		if (quoted && s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
		else if (!quoted && s.p[i] == ':')
			n++;
	}
	return n;
}

static void
hash_hex(const void *p, size_t len, char out[WL_CACHE_ID])
{
	uint8_t sum[32];

	wl_sha256(p, len, sum);
	wl_hex(sum, (WL_CACHE_ID - 1) / 2, out);
}

/*
 * A part of the scope: its length tells it from the next one.
 */
static void
put_part(struct wl_buf *b, const char *s, size_t len)
{
	wl_buf_int(b, (int64_t)len);
	wl_buf_addc(b, ':');
	wl_buf_add(b, s, len);
}

static void
put_header(struct wl_buf *b, const struct wl_req *r, const char *name)
{
	const char *value = wl_req_header(r, name);

	if (value == NULL)
		value = "";
	put_part(b, value, strlen(value));
}

static void
put_scope(struct wl_buf *b, const struct wl_cache_key *k,
    const struct wl_req *r, const struct wl_auth *auth,
    const struct wl_ask *ask, bool per_user)
{
	const char *user = wl_req_header(r, "x-watchllm-user-id");
	const char *own = r->provider_key == NULL ? "" : r->provider_key;
	uint8_t sum[32];

	put_part(b, KEY_VERSION, strlen(KEY_VERSION));
	put_part(b, auth->project, strlen(auth->project));
	put_part(b, r->path, strlen(r->path));
	put_part(b, auth->default_provider, strlen(auth->default_provider));
	wl_sha256(own, strlen(own), sum);
	put_part(b, own[0] == '\0' ? "" : (const char *)sum,
	    own[0] == '\0' ? 0 : sizeof(sum));
	put_part(b, k->ns, strlen(k->ns));
	put_header(b, r, "anthropic-version");
	put_header(b, r, "anthropic-beta");
	put_header(b, r, "openai-beta");
	if (per_user && user != NULL && user[0] != '\0')
		put_part(b, user, strlen(user));
	else if (per_user)
		put_part(b, ask->user.p, ask->user.len);
}

/*
 * The hash of what ASK asks, in OUT.  False: it has none.
 */
static bool
identify(struct form *f, const struct wl_cache_key *k, const struct wl_req *r,
    const struct wl_auth *auth, const struct wl_ask *ask, bool per_user,
    char out[WL_CACHE_ID])
{
	wl_buf_init(&f->b, 8 * WL_CACHE_BODY);
	put_scope(&f->b, k, r, auth, ask, per_user);
	wl_jw_init(&f->w, &f->b);
	f->members = 0;
	put_object(f, NULL, ask->json, true);
	if (!f->b.failed && !f->unfit)
		hash_hex(f->b.p, f->b.len, out);
	f->unfit |= f->b.failed;
	wl_buf_free(&f->b);
	return !f->unfit;
}

/*
 * The text of the last message, when it is the user's and nothing but text.
 */
static struct json_object *
last_text(const struct wl_ask *ask)
{
	struct json_object *o, *m;
	struct wl_str role;
	size_t n;

	if (ask->api == WL_API_EMBEDDINGS ||
	    !json_object_object_get_ex(ask->json, wl_api_content(ask->api),
	    &o))
		return NULL;
	if (json_object_is_type(o, json_type_array)) {
		if ((n = json_object_array_length(o)) == 0)
			return NULL;
		m = json_object_array_get_idx(o, n - 1);
		if (!json_object_is_type(m, json_type_object) ||
		    !wl_json_str(m, "role", &role) ||
		    !wl_str_eq(role, "user") ||
		    !json_object_object_get_ex(m, "content", &o))
			return NULL;
	}
	return json_object_is_type(o, json_type_string) ? o : NULL;
}

static void
find_alias(struct wl_cache_key *k, struct form *f, const struct wl_req *r,
    const struct wl_auth *auth, const struct wl_ask *ask, bool per_user)
{
	struct wl_buf text;

	if ((f->text = last_text(ask)) == NULL)
		return;
	wl_buf_init(&text, 4 * WL_CACHE_TEXT_MAX);
	if (wl_cache_text(&text, (struct wl_str){
	    json_object_get_string(f->text),
	    (size_t)json_object_get_string_len(f->text) }) == 0) {
		f->canonical = (struct wl_str){ text.p, text.len };
		if (!identify(f, k, r, auth, ask, per_user, k->alias))
			k->alias[0] = '\0';
	}
	wl_buf_free(&text);
}

void
wl_cache_key_ns(const char *name, char out[WL_CACHE_ID])
{
	out[0] = '\0';
	if (name != NULL && name[0] != '\0')
		hash_hex(name, strlen(name), out);
}

static int
refuse(struct wl_cache_key *k, const char *why)
{
	k->why = why;
	return 0;
}

int
wl_cache_key(struct wl_cache_key *k, const struct wl_conf *conf,
    const struct wl_req *r, const struct wl_auth *auth,
    const struct wl_ask *ask, struct wl_err *e)
{
	const char *ns = wl_req_header(r, "x-watchllm-cache-namespace");
	const char *user = wl_req_header(r, "x-watchllm-user-id");
	struct wanted w = { .project = (enum wl_cache_mode)conf->cache,
	    .ttl_ms = conf->cache_ttl };
	struct form f = { .a = r->arena };
	const char *why;

	memset(k, 0, sizeof(*k));
	read_settings(&w, r->arena, auth->settings);
	if (read_headers(&w, r, e) == -1)
		return -1;
	if (ns != NULL && strlen(ns) > NS_MAX)
		return bad(e, "X-WatchLLM-Cache-Namespace", "is too long");
	k->ttl_ms = w.ttl_ms;
	wl_cache_key_ns(ns, k->ns);
	if (w.project == WL_CACHE_OFF || w.mode == WL_CACHE_OFF)
		return refuse(k, "off");
	if (!w.store)
		return refuse(k, "no_store");
	if (ask->fault.code != WL_OK || ask->json == NULL)
		return refuse(k, "invalid");
	if (ask->body.len > WL_CACHE_BODY)
		return refuse(k, "too_large");
	if ((why = never(ask)) != NULL)
		return refuse(k, why);
	if (w.per_user && ask->user.len == 0 && (user == NULL ||
	    user[0] == '\0'))
		return refuse(k, "no_user");
	if (!identify(&f, k, r, auth, ask, w.per_user, k->id) ||
	    f.members != count_members(ask->body))
		return refuse(k, "ambiguous");
	if (w.mode == WL_CACHE_CANONICAL)
		find_alias(k, &f, r, auth, ask, w.per_user);
	k->read = !w.fresh;
	k->write = true;
	return 0;
}

/* ---- what came ---- */

bool
wl_cache_keeps(const struct wl_ask *ask, const struct wl_result *res,
    struct wl_str body)
{
	static const char *const ends[] = { "completed", "end_turn", "stop",
	    "stop_sequence" };
	static const char *const refusals[] = { "\"refusal\":\"",
	    "\"refusal\": \"", "\"type\":\"refusal\"",
	    "\"type\": \"refusal\"" };
	size_t i;

	if (res->err.code != WL_OK || res->outcome != WL_O_ANSWERED ||
	    res->http != 200)
		return false;
	for (i = 0; i < COUNT(refusals); i++)
		if (memmem(body.p, body.len, refusals[i],
		    strlen(refusals[i])) != NULL)
			return false;
	if (ask->api == WL_API_EMBEDDINGS)
		return true;
	for (i = 0; i < COUNT(ends); i++)
		if (strcmp(res->finish_reason, ends[i]) == 0)
			return true;
	return false;
}
