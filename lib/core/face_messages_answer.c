/*
 * The answer of a chat as a message of Anthropic's.
 */
#include "config.h"
#include "lib/core/face_messages_priv.h"

#include <stdio.h>
#include <string.h>

const char *
wl_face_stop(const char *finish, bool tools, bool refused)
{
	if (strcmp(finish, "length") == 0)
		return "max_tokens";
	if (strcmp(finish, "content_filter") == 0 || refused)
		return "refusal";
	return tools ? "tool_use" : "end_turn";
}

static int64_t
known(int64_t n)
{
	return n < 0 ? 0 : n;
}

void
wl_face_usage(struct wl_jw *w, const struct wl_usage *u)
{
	wl_jw_obj(w, "usage");
	wl_jw_int(w, "input_tokens", known(u->input));
	wl_jw_int(w, "cache_creation_input_tokens", known(u->cache_write));
	wl_jw_int(w, "cache_read_input_tokens", known(u->cache_read));
	wl_jw_int(w, "output_tokens", known(u->output) + known(u->reasoning));
	if (u->reasoning > 0) {
		wl_jw_obj(w, "output_tokens_details");
		wl_jw_int(w, "thinking_tokens", u->reasoning);
		wl_jw_end(w, '}');
	}
	wl_jw_end(w, '}');
}

static void
put_text(struct wl_jw *w, struct wl_str s)
{
	wl_jw_obj(w, NULL);
	wl_jw_str(w, "type", "text");
	wl_jw_strn(w, "text", s.p, s.len);
	wl_jw_end(w, '}');
}

static void
put_thinking(struct wl_jw *w, struct json_object *m)
{
	struct wl_str s;

	if (!wl_json_str(m, "reasoning_content", &s) &&
	    !wl_json_str(m, "reasoning", &s))
		return;
	if (s.len == 0)
		return;
	wl_jw_obj(w, NULL);
	wl_jw_str(w, "type", "thinking");
	wl_jw_strn(w, "thinking", s.p, s.len);
	wl_jw_str(w, "signature", "");
	wl_jw_end(w, '}');
}

/*
 * The content of M: a text, or parts.
 */
static void
put_content(struct wl_jw *w, struct json_object *m)
{
	struct json_object *list = wl_json_arr(m, "content");
	size_t i, n = list == NULL ? 0 : json_object_array_length(list);
	struct wl_str s;

	if (wl_json_str(m, "content", &s) && s.len > 0)
		put_text(w, s);
	for (i = 0; i < n; i++)
		if (wl_json_str(json_object_array_get_idx(list, i), "text",
		    &s))
			put_text(w, s);
}

/*
 * Arguments that are no JSON object would be no input.
 */
static int
put_input(struct wl_arena *a, struct wl_jw *w, struct json_object *fn)
{
	struct json_object *o = wl_json_obj(fn, "arguments");
	struct wl_str s = WL_STR("{}");
	const char *text;
	size_t len;

	if (o == NULL) {
		(void)wl_json_str(fn, "arguments", &s);
		if (wl_str_trim(s).len == 0)
			s = WL_STR("{}");
		o = wl_json_parse(a, s.p, s.len, NULL);
	}
	if (!json_object_is_type(o, json_type_object))
		return -1;
	text = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN |
	    JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (text == NULL)
		return -1;
	wl_jw_raw(w, "input", text, len);
	return 0;
}

struct wl_str
wl_face_call_id(const struct wl_face_messages *f, struct wl_str id, int64_t n,
    char made[64])
{
	if (id.len > 0)
		return id;
	snprintf(made, 64, "toolu_%.36s_%lld", f->request_id, (long long)n);
	return wl_str_of(made);
}

static int
put_tools(const struct wl_face_messages *f, struct wl_jw *w,
    struct json_object *m, bool *tools)
{
	struct json_object *list = wl_json_arr(m, "tool_calls"), *call, *fn;
	size_t i, n = list == NULL ? 0 : json_object_array_length(list);
	struct wl_str id, name;
	char made[64];

	for (i = 0; i < n; i++) {
		call = json_object_array_get_idx(list, i);
		fn = wl_json_obj(call, "function");
		id = name = WL_STR("");
		(void)wl_json_str(call, "id", &id);
		(void)wl_json_str(fn, "name", &name);
		id = wl_face_call_id(f, id, (int64_t)i, made);
		wl_jw_obj(w, NULL);
		wl_jw_str(w, "type", "tool_use");
		wl_jw_strn(w, "id", id.p, id.len);
		wl_jw_strn(w, "name", name.p, name.len);
		if (put_input(f->a, w, fn) == -1)
			return -1;
		wl_jw_end(w, '}');
		*tools = true;
	}
	return 0;
}

int
wl_face_answer(struct wl_face_messages *f, struct wl_str body,
    struct wl_buf *b)
{
	struct json_object *o = wl_json_parse(f->a, body.p, body.len, NULL);
	struct json_object *list = wl_json_arr(o, "choices"), *m;
	const struct wl_result *res = f->res;
	bool tools = false, refused = false;
	struct wl_str s;
	struct wl_jw w;

	if (list == NULL)
		return -1;
	m = wl_json_obj(json_object_array_get_idx(list, 0), "message");
	wl_jw_init(&w, b);
	wl_jw_obj(&w, NULL);
	wl_jw_str(&w, "id", res->response_id[0] != '\0' ? res->response_id :
	    f->request_id);
	wl_jw_str(&w, "type", "message");
	wl_jw_str(&w, "role", "assistant");
	wl_jw_str(&w, "model", res->model_used[0] != '\0' ? res->model_used :
	    res->model);
	wl_jw_arr(&w, "content");
	if (wl_face_thinks(f->ask))
		put_thinking(&w, m);
	put_content(&w, m);
	if (wl_json_str(m, "refusal", &s) && s.len > 0) {
		refused = true;
		put_text(&w, s);
	}
	if (put_tools(f, &w, m, &tools) == -1)
		return -1;
	wl_jw_end(&w, ']');
	wl_jw_str(&w, "stop_reason", wl_face_stop(res->finish_reason, tools,
	    refused));
	wl_jw_null(&w, "stop_sequence");
	wl_face_usage(&w, &res->usage);
	wl_jw_end(&w, '}');
	return b->failed ? -1 : 0;
}
