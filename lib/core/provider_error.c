/*
 * Errors in the words of a provider, made fit for a client: without anything
 * like a key.
 */
#include "config.h"
#include "lib/core/provider_error.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/base/jw.h"
#include "lib/core/model.h"
#include "lib/core/redact.h"

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
	if (out != NULL && t != NULL && strlen(t->key) >= 8)
		out = replace_all(a, out, t->key);
	return out == NULL ? "" : out;
}

/*
 * The words of error object O, which may be a mere string.
 */
static struct wl_str
error_text(struct json_object *o, struct json_object *whole)
{
	struct wl_str s = WL_STR("");

	if (json_object_is_type(o, json_type_string))
		return (struct wl_str){ json_object_get_string(o),
		    (size_t)json_object_get_string_len(o) };
	if (wl_json_str(o, "message", &s) ||
	    wl_json_str(whole, "message", &s) ||
	    wl_json_str(whole, "detail", &s))
		return s;
	return s;
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

void
wl_provider_error_read(struct wl_arena *a, const struct wl_target *t,
    struct json_object *whole, struct wl_result *res)
{
	struct json_object *o = NULL;
	const char *text, *code, *type;
	struct wl_buf b;
	struct wl_jw w;

	(void)json_object_object_get_ex(whole, "error", &o);
	text = scrub(a, t, error_text(o, whole));
	code = word(a, t, o, "code");
	type = word(a, t, o, "type");
	(void)wl_strlcpy(res->upstream_code, code != NULL ? code :
	    type != NULL ? type : "", sizeof(res->upstream_code));
	if (text[0] == '\0')
		return;
	(void)wl_strlcpy(res->err.msg, text, sizeof(res->err.msg));
	wl_buf_init(&b, 0);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_obj(&w, "error");
	wl_jw_str(&w, "message", text);
	wl_jw_str(&w, "type", type != NULL ? type : "invalid_request_error");
	wl_jw_str(&w, "param", word(a, t, o, "param"));
	wl_jw_str(&w, "code", code);
	wl_jw_end(&w, '}');
	wl_jw_end(&w, '}');
	if (!b.failed)
		res->refusal = (struct wl_str){ wl_arena_dup(a, b.p, b.len),
		    b.len };
	if (res->refusal.p == NULL)
		res->refusal.len = 0;
	wl_buf_free(&b);
}
