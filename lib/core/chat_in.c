/*
 * Reading chat requests.
 */
#include "config.h"
#include "lib/core/chat_in.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/json.h"
#include "lib/base/jw.h"
#include "lib/core/call.h"

int
wl_chat_in_bad(struct wl_err *e, const char *param, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	wl_err_set(e, WL_E_INVALID_REQUEST, "\"%s\" %s.", param, text);
	e->param = param;
	return -1;
}

/* ---- messages ---- */

static size_t
length(struct json_object *list)
{
	return list == NULL ? 0 : json_object_array_length(list);
}

size_t
wl_chat_in_count(const struct wl_ask *ask)
{
	return length(wl_json_arr(ask->json, "messages"));
}

struct json_object *
wl_chat_in_message(const struct wl_ask *ask, size_t i,
    enum wl_chat_role *role)
{
	struct json_object *m = json_object_array_get_idx(
	    wl_json_arr(ask->json, "messages"), i);
	struct wl_str s = WL_STR("");

	(void)wl_json_str(m, "role", &s);
	*role = wl_str_eq(s, "assistant") ? WL_CHAT_ASSISTANT :
	    wl_str_eq(s, "tool") ? WL_CHAT_TOOL :
	    wl_str_eq(s, "user") ? WL_CHAT_USER : WL_CHAT_SYSTEM;
	return m;
}

size_t
wl_chat_in_parts(struct json_object *message)
{
	struct json_object *list = wl_json_arr(message, "content");

	return list != NULL ? length(list) :
	    wl_json_has(message, "content") ? 1 : 0;
}

/*
 * "data:TYPE;base64,DATA".
 */
static bool
split_data_url(struct wl_str url, struct wl_chat_part *part)
{
	static const char mark[] = ";base64,";
	const char *p;

	if (!wl_str_prefix(url, "data:") ||
	    (p = memmem(url.p, url.len, mark, sizeof(mark) - 1)) == NULL)
		return false;
	part->kind = WL_CHAT_DATA;
	part->type = (struct wl_str){ url.p + 5, (size_t)(p - url.p) - 5 };
	/* parameters of the type are of no use to anybody */
	part->type = wl_str_cut(&part->type, ';');
	p += sizeof(mark) - 1;
	part->data = (struct wl_str){ p, url.len - (size_t)(p - url.p) };
	return part->type.len > 0 && part->data.len > 0;
}

static int
image_part(struct json_object *o, struct wl_chat_part *part, struct wl_err *e)
{
	struct wl_str url;

	if (!wl_json_str(wl_json_obj(o, "image_url"), "url", &url))
		return wl_chat_in_bad(e, "messages",
		    "holds an image without a URL");
	if (wl_str_prefix(url, "https://")) {
		part->kind = WL_CHAT_URL;
		part->text = url;
		return 0;
	}
	if (split_data_url(url, part))
		return 0;
	return wl_chat_in_bad(e, "messages", "holds an image whose URL is "
	    "neither https nor data in base64");
}

static int
sound_part(struct json_object *o, struct wl_chat_part *part, struct wl_err *e)
{
	static const char *const types[][2] = { { "mp3", "audio/mp3" },
	    { "wav", "audio/wav" } };
	struct wl_str format;
	size_t i;

	o = wl_json_obj(o, "input_audio");
	if (wl_json_str(o, "format", &format) &&
	    wl_json_str(o, "data", &part->data))
		for (i = 0; i < 2; i++)
			if (wl_str_eq(format, types[i][0])) {
				part->kind = WL_CHAT_DATA;
				part->type = wl_str_of(types[i][1]);
				return 0;
			}
	return wl_chat_in_bad(e, "messages", "holds an input_audio that is "
	    "neither wav nor mp3, or without data");
}

static int
file_part(struct json_object *o, struct wl_chat_part *part, struct wl_err *e)
{
	struct wl_str data;

	o = wl_json_obj(o, "file");
	(void)wl_json_str(o, "filename", &part->name);
	if (wl_json_str(o, "file_data", &data) && split_data_url(data, part))
		return 0;
	return wl_chat_in_bad(e, "messages", "holds a file that is not given "
	    "as file_data with a data: URL");
}

int
wl_chat_in_part(struct json_object *message, size_t i,
    struct wl_chat_part *part, struct wl_err *e)
{
	struct json_object *list = wl_json_arr(message, "content"), *o;
	struct wl_str type = WL_STR("");

	memset(part, 0, sizeof(*part));
	part->text = part->type = part->data = part->name = WL_STR("");
	if (list == NULL) {
		if (wl_json_str(message, "content", &part->text))
			return 0;
		return wl_chat_in_bad(e, "messages",
		    "holds a content that is neither a text nor a list");
	}
	o = json_object_array_get_idx(list, i);
	(void)wl_json_str(o, "type", &type);
	if (wl_str_eq(type, "image_url"))
		return image_part(o, part, e);
	if (wl_str_eq(type, "input_audio"))
		return sound_part(o, part, e);
	if (wl_str_eq(type, "file"))
		return file_part(o, part, e);
	if (wl_json_str(o, "text", &part->text) ||
	    wl_json_str(o, "refusal", &part->text))
		return 0;
	return wl_chat_in_bad(e, "messages", "holds a part without a text");
}

const char *
wl_chat_in_text(struct wl_arena *a, struct json_object *message,
    struct wl_err *e)
{
	size_t i, n = wl_chat_in_parts(message);
	struct wl_chat_part part;
	const char *text = NULL;
	struct wl_buf b;

	wl_buf_init(&b, 0);
	wl_buf_adds(&b, "");
	for (i = 0; i < n; i++) {
		if (wl_chat_in_part(message, i, &part, e) == -1)
			goto out;
		if (part.kind != WL_CHAT_TEXT) {
			wl_chat_in_bad(e, "messages", "holds something other "
			    "than text where only text can be");
			goto out;
		}
		wl_buf_add(&b, part.text.p, part.text.len);
	}
	if (b.failed || (text = wl_arena_dup(a, b.p == NULL ? "" : b.p,
	    b.len)) == NULL)
		wl_err_memory(e);
out:
	wl_buf_free(&b);
	return text;
}

/* ---- turns ---- */

static void
end_turn(struct wl_jw *w, const char **open)
{
	if (*open == NULL)
		return;
	wl_jw_end(w, ']');
	wl_jw_end(w, '}');
	*open = NULL;
}

static void
begin_turn(struct wl_jw *w, const char **open, const char *role,
    const char *parts)
{
	if (*open == role)
		return;
	end_turn(w, open);
	wl_jw_obj(w, NULL);
	wl_jw_str(w, "role", role);
	wl_jw_arr(w, parts);
	*open = role;
}

int
wl_chat_in_turns(struct wl_jw *w, const struct wl_ask *ask,
    const struct wl_chat_turns *t, void *arg)
{
	size_t i, n = wl_chat_in_count(ask);
	const char *open = NULL;
	enum wl_chat_role role;
	struct json_object *m;
	int rc = 0;

	wl_jw_arr(w, t->list);
	for (i = 0; i < n && rc == 0; i++) {
		m = wl_chat_in_message(ask, i, &role);
		if (role == WL_CHAT_SYSTEM)
			continue;
		begin_turn(w, &open, role == WL_CHAT_ASSISTANT ?
		    t->assistant : t->user, t->parts);
		rc = t->put(arg, role, m);
	}
	end_turn(w, &open);
	wl_jw_end(w, ']');
	return rc;
}

/* ---- tools ---- */

size_t
wl_chat_in_calls(struct json_object *message)
{
	return length(wl_json_arr(message, "tool_calls"));
}

int
wl_chat_in_call(struct wl_arena *a, struct json_object *message, size_t i,
    struct wl_chat_call *call, struct wl_err *e)
{
	struct json_object *fn;

	call->json = json_object_array_get_idx(wl_json_arr(message,
	    "tool_calls"), i);
	fn = wl_json_obj(call->json, "function");
	call->id = call->arguments = WL_STR("");
	if (!wl_json_str(fn, "name", &call->name))
		return wl_chat_in_bad(e, "messages", "holds a call of a tool "
		    "that is not a function with a name");
	(void)wl_json_str(call->json, "id", &call->id);
	(void)wl_json_str(fn, "arguments", &call->arguments);
	if (wl_str_trim(call->arguments).len == 0)
		call->arguments = WL_STR("{}");
	if (!json_object_is_type(wl_json_parse(a, call->arguments.p,
	    call->arguments.len, NULL), json_type_object))
		return wl_chat_in_bad(e, "messages", "holds arguments of a "
		    "tool that are not a JSON object");
	return 0;
}

size_t
wl_chat_in_tools(const struct wl_ask *ask)
{
	return length(wl_json_arr(ask->json, "tools"));
}

int
wl_chat_in_tool(const struct wl_ask *ask, size_t i,
    struct wl_chat_tool *tool, struct wl_err *e)
{
	struct json_object *o = json_object_array_get_idx(
	    wl_json_arr(ask->json, "tools"), i), *fn;
	struct wl_str type = WL_STR("");

	(void)wl_json_str(o, "type", &type);
	fn = wl_json_obj(o, "function");
	memset(tool, 0, sizeof(*tool));
	tool->description = WL_STR("");
	if (!wl_str_eq(type, "function") ||
	    !wl_json_str(fn, "name", &tool->name))
		return wl_chat_in_bad(e, "tools", "holds something other than "
		    "a function with a name");
	(void)wl_json_str(fn, "description", &tool->description);
	(void)wl_json_bool(fn, "strict", &tool->strict);
	tool->parameters = wl_json_obj(fn, "parameters");
	return 0;
}

int
wl_chat_in_choice(const struct wl_ask *ask, enum wl_chat_choice *choice,
    struct wl_str *name, struct wl_err *e)
{
	struct wl_str s;

	*choice = WL_CHOICE_AUTO;
	*name = WL_STR("");
	if (!wl_json_has(ask->json, "tool_choice"))
		return 0;
	if (wl_json_str(ask->json, "tool_choice", &s)) {
		if (wl_str_eq(s, "auto"))
			return 0;
		*choice = WL_CHOICE_NONE;
		if (wl_str_eq(s, "none"))
			return 0;
		*choice = WL_CHOICE_REQUIRED;
		if (wl_str_eq(s, "required"))
			return 0;
	} else if (wl_json_str(wl_json_obj(wl_json_obj(ask->json,
	    "tool_choice"), "function"), "name", name)) {
		*choice = WL_CHOICE_ONE;
		return 0;
	}
	return wl_chat_in_bad(e, "tool_choice", "must be auto, none, required "
	    "or a function");
}

/* ---- the rest ---- */

int
wl_chat_in_format(const struct wl_ask *ask, struct wl_chat_format *f,
    struct wl_err *e)
{
	struct json_object *o = wl_json_obj(ask->json, "response_format");
	struct wl_str type = WL_STR("");

	memset(f, 0, sizeof(*f));
	f->name = WL_STR("");
	(void)wl_json_str(o, "type", &type);
	f->json = wl_str_prefix(type, "json_");
	if (!wl_str_eq(type, "json_schema"))
		return 0;
	o = wl_json_obj(o, "json_schema");
	(void)wl_json_str(o, "name", &f->name);
	(void)wl_json_bool(o, "strict", &f->strict);
	if ((f->schema = wl_json_obj(o, "schema")) == NULL)
		return wl_chat_in_bad(e, "response_format",
		    "has no json_schema with a schema");
	return 0;
}

void
wl_chat_in_put(struct wl_jw *w, const char *key, struct json_object *o)
{
	size_t len;
	const char *text = json_object_to_json_string_length(o,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

	if (text == NULL)
		w->b->failed = true;
	else
		wl_jw_raw(w, key, text, len);
}

void
wl_chat_in_copy(struct wl_jw *w, const struct wl_ask *ask, const char *name,
    const char *key)
{
	struct json_object *o;

	if (json_object_object_get_ex(ask->json, name, &o) && o != NULL)
		wl_chat_in_put(w, key, o);
}

void
wl_chat_in_stop(struct wl_jw *w, const struct wl_ask *ask, const char *key)
{
	struct json_object *list = wl_json_arr(ask->json, "stop");
	struct wl_str s;

	if (list != NULL && json_object_array_length(list) > 0) {
		wl_chat_in_put(w, key, list);
	} else if (wl_json_str(ask->json, "stop", &s)) {
		wl_jw_arr(w, key);
		wl_jw_strn(w, NULL, s.p, s.len);
		wl_jw_end(w, ']');
	}
}

size_t
wl_chat_in_inputs(const struct wl_ask *ask)
{
	struct json_object *list = wl_json_arr(ask->json, "input");

	return list == NULL ? 1 : json_object_array_length(list);
}

int
wl_chat_in_input(const struct wl_ask *ask, size_t i, struct wl_str *text,
    struct wl_err *e)
{
	struct json_object *list = wl_json_arr(ask->json, "input");
	struct json_object *o = NULL;

	if (list == NULL)
		(void)json_object_object_get_ex(ask->json, "input", &o);
	else
		o = json_object_array_get_idx(list, i);
	if (!json_object_is_type(o, json_type_string))
		return wl_chat_in_bad(e, "input", "must be a text or a list "
		    "of texts for this provider");
	*text = (struct wl_str){ json_object_get_string(o),
	    (size_t)json_object_get_string_len(o) };
	return 0;
}
