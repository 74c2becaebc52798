/*
 * Errors as OpenAI's and as Anthropic's API write them.
 */
#include "config.h"
#include "lib/core/error_body.h"

#include <string.h>

#include "lib/base/json.h"

/*
 * The word of Anthropic's API for a status (its published errors); the first
 * one is the word for any other of the client's faults.
 */
static const struct {
	int		 status;
	const char	*type;
} types[] = {
	{ 400, "invalid_request_error" },
	{ 401, "authentication_error" },
	{ 402, "billing_error" },
	{ 403, "permission_error" },
	{ 404, "not_found_error" },
	{ 409, "conflict_error" },
	{ 413, "request_too_large" },
	{ 429, "rate_limit_error" },
	{ 500, "api_error" },
	{ 504, "timeout_error" },
	{ 529, "overloaded_error" },
};
#define TYPES	(sizeof(types) / sizeof(types[0]))

static const char *
type_of(int status)
{
	size_t i;

	for (i = 0; i < TYPES; i++)
		if (types[i].status == status)
			return types[i].type;
	return status < 500 ? types[0].type : "api_error";
}

/*
 * TYPE of a provider, quotes and all, where it is one of Anthropic's, and not
 * what OpenAI's API calls nearly everything.
 */
static bool
is_own_type(struct wl_str type)
{
	size_t i;

	for (i = 1; i < TYPES; i++)
		if (type.len == strlen(types[i].type) + 2 &&
		    memcmp(type.p + 1, types[i].type, type.len - 2) == 0)
			return true;
	return false;
}

static struct wl_str
find(struct wl_str o, const char *key)
{
	size_t off, len;
	bool dup;

	if (o.len == 0 || o.p[0] != '{' ||
	    !wl_json_find(o.p, o.len, key, &off, &len, &dup))
		return (struct wl_str){ NULL, 0 };
	return (struct wl_str){ o.p + off, len };
}

static void
put_ours(struct wl_jw *w, const struct wl_err *e, const char *type)
{
	wl_jw_str(w, "message", e->msg);
	wl_jw_str(w, "type", type);
	wl_jw_str(w, "code", wl_err_row(e->code)->word);
	if (e->param != NULL)
		wl_jw_str(w, "param", e->param);
	if (e->details != NULL)
		wl_jw_raw(w, "details", e->details, strlen(e->details));
}

/*
 * The provider's message, and its type if clients of this API know it.
 */
static void
put_said(struct wl_jw *w, struct wl_str refusal, int status)
{
	struct wl_str o = find(refusal, "error"), type = find(o, "type");
	struct wl_str message = find(o, "message");

	if (is_own_type(type))
		wl_jw_raw(w, "type", type.p, type.len);
	else
		wl_jw_str(w, "type", type_of(status));
	if (message.len > 0)
		wl_jw_raw(w, "message", message.p, message.len);
	else
		wl_jw_str(w, "message", "");
}

static void
put_anthropic(struct wl_jw *w, const struct wl_err *e, int status,
    struct wl_str refusal, const char *request_id)
{
	wl_jw_obj(w, NULL);
	wl_jw_str(w, "type", "error");
	wl_jw_obj(w, "error");
	if (refusal.len > 0)
		put_said(w, refusal, status);
	else
		put_ours(w, e, type_of(status));
	wl_jw_end(w, '}');
	wl_jw_str(w, "request_id", request_id);
	wl_jw_end(w, '}');
}

void
wl_error_body(struct wl_buf *b, enum wl_api api, const struct wl_err *e,
    int status, struct wl_str refusal, const char *request_id)
{
	struct wl_jw w;

	wl_jw_init(&w, b);
	if (api == WL_API_MESSAGES) {
		put_anthropic(&w, e, status, refusal, request_id);
	} else if (refusal.len > 0) {
		wl_buf_add(b, refusal.p, refusal.len);
	} else {
		wl_jw_obj(&w, NULL);
		wl_jw_obj(&w, "error");
		put_ours(&w, e, wl_err_row(e->code)->type);
		wl_jw_end(&w, '}');
		wl_jw_end(&w, '}');
	}
}

enum wl_api
wl_error_api(const char *path)
{
	const char *messages = wl_api_path(WL_API_MESSAGES);
	size_t n = strlen(messages);

	return strncmp(path, messages, n) == 0 &&
	    (path[n] == '\0' || path[n] == '/') ? WL_API_MESSAGES :
	    WL_API_CHAT;
}
