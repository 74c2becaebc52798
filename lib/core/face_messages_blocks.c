/*
 * The messages of a request of Anthropic's, block by block, as those of a
 * chat.
 */
#include "config.h"
#include "lib/core/face_messages_priv.h"

#include <string.h>

#include "lib/base/arena.h"

static struct json_object *
item(struct json_object *list, size_t i)
{
	return json_object_array_get_idx(list, i);
}

/* ---- texts ---- */

static int
check_text(struct wl_facing *c, struct json_object *block, const char *path)
{
	static const char *const known[] = { "type", "text", "cache_control",
	    "citations", NULL };
	struct wl_str s;

	if (!wl_face_is(block, "text") || !wl_json_str(block, "text", &s))
		return wl_face_cannot(c, path, "it is no text");
	return wl_face_known(c, block, path, known);
}

static struct wl_str
text_of(struct json_object *block)
{
	struct wl_str s = WL_STR("");

	(void)wl_json_str(block, "text", &s);
	return s;
}

static void
put_text_part(struct wl_facing *c, struct wl_str s)
{
	wl_jw_obj(&c->w, NULL);
	wl_jw_str(&c->w, "type", "text");
	wl_jw_strn(&c->w, "text", s.p, s.len);
	wl_jw_end(&c->w, '}');
}

/*
 * Member "content" that may be of texts only: V is a text or blocks, NULL
 * nothing.  BEFORE is put before the first.  What is one text stays one: many
 * hosts know no parts.
 */
static int
put_texts(struct wl_facing *c, struct json_object *v, const char *before,
    const char *path)
{
	struct wl_str s = WL_STR("");
	bool list = json_object_is_type(v, json_type_array);
	size_t i, n = list ? json_object_array_length(v) : 0;
	char *first;

	for (i = 0; i < n; i++)
		if (check_text(c, item(v, i), wl_face_path(c, path, NULL,
		    i)) == -1)
			return -1;
	if (v != NULL && !list && !json_object_is_type(v, json_type_string))
		return wl_face_cannot(c, path, "it is neither text nor array");
	if (n > 0)
		s = text_of(item(v, 0));
	else if (v != NULL && !list)
		s = (struct wl_str){ json_object_get_string(v),
		    (size_t)json_object_get_string_len(v) };
	if ((first = wl_arena_alloc(c->a, strlen(before) + s.len + 1)) == NULL)
		return wl_err_memory(c->e);
	memcpy(first, before, strlen(before));
	memcpy(first + strlen(before), s.p, s.len);
	s = (struct wl_str){ first, strlen(before) + s.len };
	if (n < 2) {
		wl_jw_strn(&c->w, "content", s.p, s.len);
		return 0;
	}
	wl_jw_arr(&c->w, "content");
	for (i = 0; i < n; i++)
		put_text_part(c, i == 0 ? s : text_of(item(v, i)));
	wl_jw_end(&c->w, ']');
	return 0;
}

static int
put_system(struct wl_facing *c, struct json_object *v, const char *path)
{
	wl_jw_obj(&c->w, NULL);
	wl_jw_str(&c->w, "role", "system");
	if (put_texts(c, v, "", path) == -1)
		return -1;
	wl_jw_end(&c->w, '}');
	return 0;
}

/* ---- what a user says ---- */

/*
 * The address of what SOURCE, in base64, is; NULL: no memory, or it is not
 * whole.
 */
static char *
data_url(struct wl_facing *c, struct json_object *source)
{
	struct wl_str type, data;
	struct wl_buf b;
	char *url;

	if (!wl_json_str(source, "media_type", &type) ||
	    !wl_json_str(source, "data", &data))
		return NULL;
	wl_buf_init(&b, 0);
	wl_buf_adds(&b, "data:");
	wl_buf_add(&b, type.p, type.len);
	wl_buf_adds(&b, ";base64,");
	wl_buf_add(&b, data.p, data.len);
	url = b.failed ? NULL : wl_arena_dup(c->a, b.p, b.len);
	wl_buf_free(&b);
	return url;
}

static int
put_image(struct wl_facing *c, struct json_object *block, const char *path)
{
	static const char *const known[] = { "type", "source",
	    "cache_control", NULL };
	struct json_object *source = wl_json_obj(block, "source");
	struct wl_str url;
	char *p = NULL;

	if (wl_face_known(c, block, path, known) == -1)
		return -1;
	if (wl_face_is(source, "base64") && (p = data_url(c, source)) != NULL)
		url = wl_str_of(p);
	else if (!wl_face_is(source, "url") ||
	    !wl_json_str(source, "url", &url))
		return wl_face_cannot(c, wl_face_path(c, path, "source", 0),
		    "base64 and url can be");
	wl_jw_obj(&c->w, NULL);
	wl_jw_str(&c->w, "type", "image_url");
	wl_jw_obj(&c->w, "image_url");
	wl_jw_strn(&c->w, "url", url.p, url.len);
	wl_jw_end(&c->w, '}');
	wl_jw_end(&c->w, '}');
	return 0;
}

static int
put_document(struct wl_facing *c, struct json_object *block, const char *path)
{
	static const char *const known[] = { "type", "source", "title",
	    "cache_control", NULL };
	struct json_object *source = wl_json_obj(block, "source");
	struct wl_str title = WL_STR("document.pdf");
	char *url;

	if (wl_face_known(c, block, path, known) == -1)
		return -1;
	if (!wl_face_is(source, "base64") ||
	    (url = data_url(c, source)) == NULL)
		return wl_face_cannot(c, wl_face_path(c, path, "source", 0),
		    "base64 can be");
	(void)wl_json_str(block, "title", &title);
	wl_jw_obj(&c->w, NULL);
	wl_jw_str(&c->w, "type", "file");
	wl_jw_obj(&c->w, "file");
	wl_jw_strn(&c->w, "filename", title.p, title.len);
	wl_jw_str(&c->w, "file_data", url);
	wl_jw_end(&c->w, '}');
	wl_jw_end(&c->w, '}');
	return 0;
}

static int
put_part(struct wl_facing *c, struct json_object *block, const char *path)
{
	if (wl_face_is(block, "image"))
		return put_image(c, block, path);
	if (wl_face_is(block, "document"))
		return put_document(c, block, path);
	if (check_text(c, block, path) == -1)
		return -1;
	put_text_part(c, text_of(block));
	return 0;
}

/*
 * What came of a call of a tool.  A chat has no word for one that failed, so
 * the text says it.
 */
static int
put_result(struct wl_facing *c, struct json_object *block, const char *path)
{
	static const char *const known[] = { "type", "tool_use_id", "content",
	    "is_error", "cache_control", NULL };
	struct json_object *v = NULL;
	struct wl_str id;
	bool failed = false;

	if (wl_face_known(c, block, path, known) == -1)
		return -1;
	if (!wl_json_str(block, "tool_use_id", &id))
		return wl_face_cannot(c, path, "it has no tool_use_id");
	(void)wl_json_bool(block, "is_error", &failed);
	(void)json_object_object_get_ex(block, "content", &v);
	wl_jw_obj(&c->w, NULL);
	wl_jw_str(&c->w, "role", "tool");
	wl_jw_strn(&c->w, "tool_call_id", id.p, id.len);
	if (put_texts(c, v, failed ? "Error: " : "", wl_face_path(c, path,
	    "content", 0)) == -1)
		return -1;
	wl_jw_end(&c->w, '}');
	return 0;
}

/*
 * Blocks I to END of LIST, none of them a tool's result, as one message.
 */
static int
put_said(struct wl_facing *c, struct json_object *list, size_t i, size_t end,
    const char *path)
{
	struct wl_str s;

	wl_jw_obj(&c->w, NULL);
	wl_jw_str(&c->w, "role", "user");
	if (end - i == 1 && wl_face_is(item(list, i), "text")) {
		if (check_text(c, item(list, i), wl_face_path(c, path, NULL,
		    i)) == -1)
			return -1;
		s = text_of(item(list, i));
		wl_jw_strn(&c->w, "content", s.p, s.len);
	} else {
		wl_jw_arr(&c->w, "content");
		for (; i < end; i++)
			if (put_part(c, item(list, i), wl_face_path(c, path,
			    NULL, i)) == -1)
				return -1;
		wl_jw_end(&c->w, ']');
	}
	wl_jw_end(&c->w, '}');
	return 0;
}

static int
put_user(struct wl_facing *c, struct json_object *list, const char *path)
{
	size_t i, end, n = json_object_array_length(list);

	for (i = 0; i < n; i = end) {
		end = i + 1;
		if (wl_face_is(item(list, i), "tool_result")) {
			if (put_result(c, item(list, i), wl_face_path(c, path,
			    NULL, i)) == -1)
				return -1;
			continue;
		}
		while (end < n && !wl_face_is(item(list, end), "tool_result"))
			end++;
		if (put_said(c, list, i, end, path) == -1)
			return -1;
	}
	return 0;
}

/* ---- what the assistant has said ---- */

static int
put_call(struct wl_facing *c, struct json_object *block, const char *path)
{
	static const char *const known[] = { "type", "id", "name", "input",
	    "cache_control", "caller", NULL };
	struct json_object *input = wl_json_obj(block, "input");
	struct wl_str id, name, text = WL_STR("{}");

	if (wl_face_known(c, block, path, known) == -1)
		return -1;
	if (!wl_json_str(block, "id", &id) ||
	    !wl_json_str(block, "name", &name) || input == NULL)
		return wl_face_cannot(c, path,
		    "it needs an id, a name and an input");
	text.p = json_object_to_json_string_length(input,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
	    &text.len);
	if (text.p == NULL)
		return wl_err_memory(c->e);
	wl_jw_obj(&c->w, NULL);
	wl_jw_strn(&c->w, "id", id.p, id.len);
	wl_jw_str(&c->w, "type", "function");
	wl_jw_obj(&c->w, "function");
	wl_jw_strn(&c->w, "name", name.p, name.len);
	wl_jw_strn(&c->w, "arguments", text.p, text.len);
	wl_jw_end(&c->w, '}');
	wl_jw_end(&c->w, '}');
	return 0;
}

static int
put_calls(struct wl_facing *c, struct json_object *list, const char *path)
{
	size_t i, n = json_object_array_length(list);
	bool open = false;

	for (i = 0; i < n; i++) {
		if (!wl_face_is(item(list, i), "tool_use"))
			continue;
		if (!open)
			wl_jw_arr(&c->w, "tool_calls");
		open = true;
		if (put_call(c, item(list, i), wl_face_path(c, path, NULL,
		    i)) == -1)
			return -1;
	}
	if (open)
		wl_jw_end(&c->w, ']');
	return 0;
}

/*
 * Its texts, which follow each other, are one; thoughts are its own.
 */
static int
put_assistant(struct wl_facing *c, struct json_object *list, const char *path)
{
	size_t i, n = json_object_array_length(list);
	struct wl_buf b;
	struct wl_str s;
	int rc = 0;

	wl_buf_init(&b, 0);
	for (i = 0; i < n && rc == 0; i++) {
		if (wl_face_is(item(list, i), "tool_use") ||
		    wl_face_is(item(list, i), "thinking") ||
		    wl_face_is(item(list, i), "redacted_thinking"))
			continue;
		rc = check_text(c, item(list, i), wl_face_path(c, path, NULL,
		    i));
		s = text_of(item(list, i));
		wl_buf_add(&b, s.p, s.len);
	}
	wl_jw_obj(&c->w, NULL);
	wl_jw_str(&c->w, "role", "assistant");
	wl_jw_strn(&c->w, "content", b.len == 0 ? "" : b.p, b.len);
	if (b.failed)
		c->w.b->failed = true;
	wl_buf_free(&b);
	if (rc == -1 || put_calls(c, list, path) == -1)
		return -1;
	wl_jw_end(&c->w, '}');
	return 0;
}

/* ---- messages ---- */

static int
put_message(struct wl_facing *c, struct json_object *m, const char *path)
{
	static const char *const known[] = { "role", "content", NULL };
	const char *at = wl_face_path(c, path, "content", 0);
	struct json_object *v = NULL;
	struct wl_str role = WL_STR("");
	bool user;

	if (wl_face_known(c, m, path, known) == -1)
		return -1;
	(void)wl_json_str(m, "role", &role);
	(void)json_object_object_get_ex(m, "content", &v);
	if (wl_str_eq(role, "system"))
		return put_system(c, v, at);
	user = wl_str_eq(role, "user");
	if (!user && !wl_str_eq(role, "assistant"))
		return wl_face_cannot(c, wl_face_path(c, path, "role", 0),
		    "user and assistant can be");
	if (json_object_is_type(v, json_type_array))
		return user ? put_user(c, v, at) : put_assistant(c, v, at);
	if (!json_object_is_type(v, json_type_string))
		return wl_face_cannot(c, at, "it is neither text nor array");
	wl_jw_obj(&c->w, NULL);
	wl_jw_str(&c->w, "role", user ? "user" : "assistant");
	wl_face_put(c, "content", v);
	wl_jw_end(&c->w, '}');
	return 0;
}

/*
 * A chat answers the assistant's last words with a message of its own; it
 * does not go on with them.
 */
static int
check_last(struct wl_facing *c, struct json_object *list, size_t n)
{
	struct wl_str role;

	if (n > 0 && wl_json_str(item(list, n - 1), "role", &role) &&
	    wl_str_eq(role, "assistant"))
		return wl_face_cannot(c, wl_face_path(c, "messages", NULL,
		    n - 1), "an answer cannot be begun for it");
	return 0;
}

int
wl_face_messages(struct wl_facing *c, struct json_object *ask)
{
	struct json_object *list = wl_json_arr(ask, "messages"), *system = NULL;
	size_t i, n = list == NULL ? 0 : json_object_array_length(list);

	if (check_last(c, list, n) == -1)
		return -1;
	if (json_object_object_get_ex(ask, "system", &system) &&
	    system != NULL && put_system(c, system, "system") == -1)
		return -1;
	for (i = 0; i < n; i++)
		if (put_message(c, item(list, i), wl_face_path(c, "messages",
		    NULL, i)) == -1)
			return -1;
	return 0;
}
