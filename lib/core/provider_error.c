/*
 * Errors in the words of a provider, made fit for a client: without anything
 * like a key.
 */
#include "config.h"
#include "lib/core/provider_error.h"

#include <string.h>
#include <time.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/jw.h"
#include "lib/base/num.h"
#include "lib/core/model.h"
#include "lib/core/redact.h"

/* Of an error that says where. */
#define DEPTH	6
/* A shorter one may be part of any word. */
#define KEY_MIN	8
#define INNER_BYTES	((size_t)8 * 1024)
#define RETRY_AFTER_MAX	((int64_t)7 * 24 * 3600)

static char *
replace_all(struct wl_arena *a, const char *s, const char *what)
{
	size_t n = strlen(what);
	struct wl_buf b;
	const char *hit;
	char *out;

	wl_buf_init(&b, 0);
	while ((hit = strstr(s, what)) != NULL) {
		wl_buf_add(&b, s, (size_t)(hit - s));
		wl_buf_adds(&b, "[REDACTED_KEY]");
		s = hit + n;
	}
	wl_buf_adds(&b, s);
	out = b.failed ? NULL : wl_arena_dup(a, b.p, b.len);
	wl_buf_free(&b);
	return out;
}

/*
 * S without KEY, and without the parts of one that has several.
 */
static char *
without_key(struct wl_arena *a, char *s, const char *key)
{
	struct wl_str rest = wl_str_of(key), part;
	const char *one;

	if (rest.len >= KEY_MIN)
		s = replace_all(a, s, key);
	while (s != NULL && rest.len > 0 && strchr(key, ':') != NULL) {
		part = wl_str_cut(&rest, ':');
		if (part.len < KEY_MIN)
			continue;
		one = wl_arena_dup(a, part.p, part.len);
		s = one == NULL ? NULL : replace_all(a, s, one);
	}
	return s;
}

/*
 * S without anything like a key, and without the key of T; never NULL.
 */
static const char *
scrub(struct wl_arena *a, const struct wl_target *t, struct wl_str s)
{
	struct wl_buf b;
	char *out;

	if (s.len > WL_PROVIDER_ERROR_MAX)
		s.len = wl_utf8_cut(s.p, s.len, WL_PROVIDER_ERROR_MAX);
	wl_buf_init(&b, 0);
	(void)wl_redact_secrets(&b, s.p, s.len);
	out = b.failed || b.p == NULL ? NULL : wl_arena_dup(a, b.p, b.len);
	wl_buf_free(&b);
	if (out != NULL && t != NULL)
		out = without_key(a, out, t->key);
	return out == NULL ? "" : out;
}

static struct json_object *
member(struct json_object *o, const char *key)
{
	struct json_object *m = NULL;

	if (json_object_is_type(o, json_type_object))
		(void)json_object_object_get_ex(o, key, &m);
	return m;
}

bool
wl_provider_error_tells(struct json_object *o)
{
	switch (json_object_get_type(o)) {
	case json_type_null:
		return false;
	case json_type_boolean:
		return json_object_get_boolean(o);
	case json_type_string:
		return json_object_get_string_len(o) > 0;
	case json_type_object:
		return json_object_object_length(o) > 0;
	case json_type_array:
		return json_object_array_length(o) > 0;
	case json_type_int:
	case json_type_double:
		break;
	}
	return true;
}

bool
wl_provider_error_is(struct json_object *whole)
{
	return wl_provider_error_tells(member(whole, "error"));
}

/*
 * Where the value is that FastAPI complains of, as "body.messages.0: ".
 */
static void
add_place(struct wl_buf *b, struct json_object *loc)
{
	struct json_object *step;
	size_t i, n;

	if (!json_object_is_type(loc, json_type_array))
		return;
	n = json_object_array_length(loc);
	for (i = 0; i < n && i < DEPTH; i++) {
		step = json_object_array_get_idx(loc, i);
		wl_buf_printf(b, "%s%.100s", i == 0 ? "" : ".",
		    json_object_get_string(step));
	}
	if (n > 0)
		wl_buf_adds(b, ": ");
}

/*
 * The words of O, which is a text, says it in a member, or is a list of such;
 * of a list the first that says something.
 */
static bool
add_words(struct wl_buf *b, struct json_object *o, int depth)
{
	static const char *const members[] = { "message", "msg", "detail" };
	struct json_object *m;
	size_t i;

	if (depth > DEPTH)
		return false;
	if (json_object_is_type(o, json_type_string)) {
		wl_buf_add(b, json_object_get_string(o),
		    (size_t)json_object_get_string_len(o));
		return b->len > 0;
	}
	if (json_object_is_type(o, json_type_array)) {
		for (i = 0; i < json_object_array_length(o) && i < 8; i++)
			if (add_words(b, json_object_array_get_idx(o, i),
			    depth + 1))
				return true;
		return false;
	}
	if (json_object_is_type(member(o, "msg"), json_type_string))
		add_place(b, member(o, "loc"));
	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if ((m = member(o, members[i])) != NULL &&
		    add_words(b, m, depth + 1))
			return true;
	return false;
}

/*
 * The words of error object O of WHOLE, without secrets; never NULL.
 */
static const char *
error_text(struct wl_arena *a, const struct wl_target *t,
    struct json_object *o, struct json_object *whole)
{
	struct wl_buf b;
	const char *text = "";

	wl_buf_init(&b, WL_PROVIDER_ERROR_MAX);
	if (add_words(&b, o, 0) || add_words(&b, whole, 0))
		text = scrub(a, t, (struct wl_str){ b.p, b.len });
	wl_buf_free(&b);
	return text;
}

/*
 * A member that is a string, or a number as text.
 */
static const char *
word(struct wl_arena *a, const struct wl_target *t, struct json_object *o,
    const char *key)
{
	struct wl_str s;
	int64_t n;

	if (wl_json_str(o, key, &s))
		return scrub(a, t, s);
	if (wl_json_int(o, key, &n))
		return wl_arena_printf(a, "%lld", (long long)n);
	return NULL;
}

/*
 * What Azure says of its filters, when there is nothing in it to take out.
 */
static void
put_inner(struct wl_arena *a, const struct wl_target *t,
    struct json_object *o, struct wl_jw *w)
{
	struct json_object *inner = wl_json_obj(o, "innererror");
	struct wl_str text;

	if (inner == NULL)
		return;
	text.p = json_object_to_json_string_length(inner,
	    JSON_C_TO_STRING_PLAIN, &text.len);
	if (text.p != NULL && text.len <= INNER_BYTES &&
	    wl_str_eq(text, scrub(a, t, text)))
		wl_jw_raw(w, "innererror", text.p, text.len);
}

void
wl_provider_error_read(struct wl_arena *a, const struct wl_target *t,
    struct json_object *whole, const char *type, const char *code,
    struct wl_result *res)
{
	struct json_object *o;
	const char *text, *own_code, *own_type;
	struct wl_str s;
	struct wl_buf b;
	struct wl_jw w;

	if (json_object_is_type(whole, json_type_array))
		whole = json_object_array_get_idx(whole, 0);
	o = member(whole, "error");
	/* the error itself, as in streams of the Responses API */
	if (o == NULL && wl_json_str(whole, "code", &s))
		o = whole;
	text = error_text(a, t, o, whole);
	own_code = word(a, t, o, "code");
	own_type = word(a, t, o, "type");
	(void)wl_strlcpy(res->upstream_code, own_code != NULL ? own_code :
	    own_type != NULL ? own_type : "", sizeof(res->upstream_code));
	if (text[0] == '\0')
		return;
	(void)wl_strlcpy(res->err.msg, text, sizeof(res->err.msg));
	wl_buf_init(&b, 0);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_obj(&w, "error");
	wl_jw_str(&w, "message", text);
	wl_jw_str(&w, "type", own_type != NULL ? own_type : type);
	wl_jw_str(&w, "param", word(a, t, o, "param"));
	wl_jw_str(&w, "code", own_code != NULL ? own_code : code);
	put_inner(a, t, o, &w);
	wl_jw_end(&w, '}');
	wl_jw_end(&w, '}');
	if (!b.failed)
		res->refusal = (struct wl_str){ wl_arena_dup(a, b.p, b.len),
		    b.len };
	if (res->refusal.p == NULL)
		res->refusal.len = 0;
	wl_buf_free(&b);
}

int
wl_provider_error_retry_after(const char *v)
{
	static const char *const forms[] = {
		"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
		"%a %b %d %H:%M:%S %Y"
	};
	struct tm tm;
	int64_t n = 0;
	size_t i;

	if (v == NULL)
		return 0;
	if (wl_num_parse(v, strlen(v), 0, INT64_MAX, &n) == -1) {
		for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
			memset(&tm, 0, sizeof(tm));
			if (strptime(v, forms[i], &tm) != NULL) {
				n = (int64_t)timegm(&tm) -
				    wl_clock_ms() / 1000;
				break;
			}
		}
	}
	return n < 0 ? 0 : (int)(n < RETRY_AFTER_MAX ? n : RETRY_AFTER_MAX);
}

/*
 * Whether STATUS speaks of the request, so that it is the client's to hear.
 * 407 is of a proxy on our side, 424 of what the provider depends on (Bedrock,
 * of a model that failed), 499 of a client that is not this one.
 */
static bool
is_refusal(int status)
{
	return status >= 400 && status < 500 && status != 401 &&
	    status != 403 && status != 407 && status != 408 &&
	    status != 424 && status != 429 && status != 499;
}

bool
wl_provider_error_map(struct wl_result *res, const struct wl_target *t,
    int status, const char *retry)
{
	char said[sizeof(res->err.msg)];

	/* Google's word for a key that it does not know */
	if (status == 400 && strcmp(res->upstream_code, "API_KEY_INVALID") == 0)
		status = 401;
	memcpy(said, res->err.msg, sizeof(said));
	if (is_refusal(status)) {
		if (said[0] != '\0')
			wl_err_set(&res->err, WL_E_UPSTREAM, "%s", said);
		else
			wl_err_set(&res->err, WL_E_UPSTREAM,
			    "The provider answered %d.", status);
		res->err.http = status;
		return status == 402;
	}
	res->refusal = (struct wl_str){ NULL, 0 };
	if (status == 401 || status == 403) {
		wl_err_set(&res->err, WL_E_UPSTREAM_CREDENTIALS, NULL);
	} else if (status == 408) {
		wl_err_set(&res->err, WL_E_UPSTREAM_TIMEOUT, NULL);
	} else if (status == 429) {
		wl_err_set(&res->err, WL_E_UPSTREAM_RATE, NULL);
		if (said[0] != '\0')
			(void)wl_strlcpy(res->err.msg, said,
			    sizeof(res->err.msg));
		res->err.retry_after = wl_provider_error_retry_after(retry);
	} else if (status >= 400) {
		wl_err_set(&res->err, WL_E_UPSTREAM,
		    "The provider answered %d%s%s", status,
		    said[0] == '\0' ? "." : ": ", said);
	} else {
		wl_err_set(&res->err, WL_E_UPSTREAM_INVALID, NULL);
		wl_err_detail(&res->err, "status %d", status);
		return false;
	}
	wl_err_detail(&res->err, "%s: status %d", t->provider, status);
	return true;
}
