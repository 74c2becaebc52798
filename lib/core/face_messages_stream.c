/*
 * The events of a chat's stream as Anthropic's: what is said one after the
 * other goes into blocks, of which one at a time is open.
 */
#include "config.h"
#include "lib/core/face_messages_priv.h"

#include <string.h>

enum kind {
	NONE, TEXT, THINKING, TOOL
};

static void
open_event(struct wl_face_messages *f, struct wl_jw *w, const char *type)
{
	wl_buf_adds(&f->out, "event: ");
	wl_buf_adds(&f->out, type);
	wl_buf_adds(&f->out, "\ndata: ");
	wl_jw_init(w, &f->out);
	wl_jw_obj(w, NULL);
	wl_jw_str(w, "type", type);
}

static void
close_event(struct wl_face_messages *f, struct wl_jw *w)
{
	wl_jw_end(w, '}');
	wl_buf_adds(&f->out, "\n\n");
}

/*
 * What the answer used is not known yet: the end tells it.
 */
static void
message_start(struct wl_face_messages *f)
{
	static const struct wl_usage none = { 0, 0, 0, 0, 0, WL_U_NONE, 0 };
	const struct wl_result *res = f->res;
	struct wl_jw w;

	if (f->begun)
		return;
	f->begun = true;
	open_event(f, &w, "message_start");
	wl_jw_obj(&w, "message");
	wl_jw_str(&w, "id", res->response_id[0] != '\0' ? res->response_id :
	    f->request_id);
	wl_jw_str(&w, "type", "message");
	wl_jw_str(&w, "role", "assistant");
	wl_jw_str(&w, "model", res->model_used[0] != '\0' ? res->model_used :
	    res->model);
	wl_jw_arr(&w, "content");
	wl_jw_end(&w, ']');
	wl_jw_null(&w, "stop_reason");
	wl_jw_null(&w, "stop_sequence");
	wl_face_usage(&w, &none);
	wl_jw_end(&w, '}');
	close_event(f, &w);
}

static void
block_stop(struct wl_face_messages *f)
{
	struct wl_jw w;

	if (f->kind == NONE)
		return;
	open_event(f, &w, "content_block_stop");
	wl_jw_int(&w, "index", f->block++);
	close_event(f, &w);
	f->kind = NONE;
}

/*
 * Begin a block of KIND, whose members are still to be written.
 */
static void
open_block(struct wl_face_messages *f, struct wl_jw *w, enum kind kind,
    const char *type)
{
	block_stop(f);
	f->kind = kind;
	open_event(f, w, "content_block_start");
	wl_jw_int(w, "index", f->block);
	wl_jw_obj(w, "content_block");
	wl_jw_str(w, "type", type);
}

static void
close_block(struct wl_face_messages *f, struct wl_jw *w)
{
	wl_jw_end(w, '}');
	close_event(f, w);
}

static void
delta(struct wl_face_messages *f, const char *type, const char *key,
    struct wl_str s)
{
	struct wl_jw w;

	open_event(f, &w, "content_block_delta");
	wl_jw_int(&w, "index", f->block);
	wl_jw_obj(&w, "delta");
	wl_jw_str(&w, "type", type);
	wl_jw_strn(&w, key, s.p, s.len);
	wl_jw_end(&w, '}');
	close_event(f, &w);
}

static void
say(struct wl_face_messages *f, struct wl_str s)
{
	struct wl_jw w;

	if (s.len == 0)
		return;
	if (f->kind != TEXT) {
		open_block(f, &w, TEXT, "text");
		wl_jw_str(&w, "text", "");
		close_block(f, &w);
	}
	delta(f, "text_delta", "text", s);
}

static void
think(struct wl_face_messages *f, struct wl_str s)
{
	struct wl_jw w;

	if (s.len == 0 || !wl_face_thinks(f->ask))
		return;
	if (f->kind != THINKING) {
		open_block(f, &w, THINKING, "thinking");
		wl_jw_str(&w, "thinking", "");
		wl_jw_str(&w, "signature", "");
		close_block(f, &w);
	}
	delta(f, "thinking_delta", "thinking", s);
}

/* ---- tools ---- */

static void
begin_tool(struct wl_face_messages *f, int64_t index, struct wl_str id,
    struct wl_str name)
{
	struct wl_str told;
	struct wl_jw w;
	char made[64];

	open_block(f, &w, TOOL, "tool_use");
	told = wl_face_call_id(f, id, f->block, made);
	wl_jw_strn(&w, "id", told.p, told.len);
	wl_jw_strn(&w, "name", name.p, name.len);
	wl_jw_obj(&w, "input");
	wl_jw_end(&w, '}');
	close_block(f, &w);
	f->tools = true;
	f->tool = index;
	(void)wl_strlcpy(f->tool_id, "", sizeof(f->tool_id));
	if (id.len < sizeof(f->tool_id)) {
		memcpy(f->tool_id, id.p, id.len);
		f->tool_id[id.len] = '\0';
	}
}

static int
cannot(struct wl_face_messages *f)
{
	wl_err_set(&f->err, WL_E_UPSTREAM_INVALID, NULL);
	return wl_err_detail(&f->err, "%s: calls of tools are mixed",
	    f->res->provider);
}

/*
 * A piece of call I.  Some hosts number all of their calls 0, but none leaves
 * out the name where one begins.
 */
static int
take_tool(struct wl_face_messages *f, struct json_object *call, int64_t i)
{
	struct json_object *fn = wl_json_obj(call, "function"), *o;
	struct wl_str id = WL_STR(""), name = WL_STR(""), args = WL_STR("");
	bool mine;

	(void)wl_json_int(call, "index", &i);
	(void)wl_json_str(call, "id", &id);
	(void)wl_json_str(fn, "name", &name);
	if (!wl_json_str(fn, "arguments", &args) &&
	    (o = wl_json_obj(fn, "arguments")) != NULL)
		args.p = json_object_to_json_string_length(o,
		    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
		    &args.len);
	mine = f->kind == TOOL && f->tool == i &&
	    (id.len == 0 || wl_str_eq(id, f->tool_id));
	if (!mine && name.len == 0)
		return args.len == 0 ? 0 : cannot(f);
	if (!mine)
		begin_tool(f, i, id, name);
	if (args.p != NULL && args.len > 0)
		delta(f, "input_json_delta", "partial_json", args);
	return 0;
}

/* ---- chunks ---- */

static int
take_delta(struct wl_face_messages *f, struct json_object *d)
{
	struct json_object *list;
	struct wl_str s;
	size_t i;

	if (wl_json_str(d, "reasoning_content", &s) ||
	    wl_json_str(d, "reasoning", &s))
		think(f, s);
	if (wl_json_str(d, "content", &s))
		say(f, s);
	list = wl_json_arr(d, "content");
	for (i = 0; list != NULL && i < json_object_array_length(list); i++)
		if (wl_json_str(json_object_array_get_idx(list, i), "text",
		    &s))
			say(f, s);
	if (wl_json_str(d, "refusal", &s) && s.len > 0) {
		f->refused = true;
		say(f, s);
	}
	list = wl_json_arr(d, "tool_calls");
	for (i = 0; list != NULL && i < json_object_array_length(list); i++)
		if (take_tool(f, json_object_array_get_idx(list, i),
		    (int64_t)i) == -1)
			return -1;
	return 0;
}

int
wl_face_event(struct wl_face_messages *f, struct wl_str data)
{
	struct json_object *o, *c, *d, *list;
	enum wl_json_fault fault;
	struct wl_str s;
	int64_t index = 0;

	o = wl_json_parse(f->scratch, data.p, data.len, &fault);
	if (o == NULL) {
		wl_err_set(&f->err, WL_E_UPSTREAM_INVALID, NULL);
		return -1;
	}
	message_start(f);
	list = wl_json_arr(o, "choices");
	c = list == NULL ? NULL : json_object_array_get_idx(list, 0);
	if (c == NULL || (wl_json_int(c, "index", &index) && index != 0))
		return 0;
	if ((d = wl_json_obj(c, "delta")) == NULL)
		d = wl_json_obj(c, "message");
	if (wl_json_str(c, "finish_reason", &s) &&
	    s.len < sizeof(f->finish)) {
		memcpy(f->finish, s.p, s.len);
		f->finish[s.len] = '\0';
	}
	return take_delta(f, d);
}

void
wl_face_close(struct wl_face_messages *f)
{
	struct wl_jw w;

	message_start(f);
	block_stop(f);
	open_event(f, &w, "message_delta");
	wl_jw_obj(&w, "delta");
	wl_jw_str(&w, "stop_reason", wl_face_stop(f->finish, f->tools,
	    f->refused));
	wl_jw_null(&w, "stop_sequence");
	wl_jw_end(&w, '}');
	wl_face_usage(&w, &f->res->usage);
	close_event(f, &w);
}
