/*
 * A chat request for Bedrock's Converse.
 */
#include "config.h"
#include "lib/core/provider_bedrock.h"

#include <string.h>

#include "lib/base/json.h"
#include "lib/base/jw.h"
#include "lib/core/chat_in.h"
#include "lib/core/model.h"

/*
 * What is being written.
 */
struct body {
	struct wl_arena		*a;
	const struct wl_ask	*ask;
	struct wl_jw		*w;
	struct wl_err		*e;
	int			 files;		/* whose names must differ */
};

/* ---- content ---- */

/*
 * Where a client marks what is to be cached there is a block of its own.
 */
static void
put_cache(struct body *b, struct json_object *from)
{
	if (wl_json_obj(from, "cache_control") == NULL)
		return;
	wl_jw_obj(b->w, NULL);
	wl_jw_obj(b->w, "cachePoint");
	wl_jw_str(b->w, "type", "default");
	wl_jw_end(b->w, '}');
	wl_jw_end(b->w, '}');
}

/*
 * Types of data, the block that takes them, and what they are called there.
 */
static const struct kind {
	const char	*type, *block, *format;
} kinds[] = {
	{ "application/msword", "document", "doc" },
	{ "application/pdf", "document", "pdf" },
	{ "application/vnd.ms-excel", "document", "xls" },
	{ "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	    "document", "xlsx" },
	{ "application/vnd.openxmlformats-officedocument.wordprocessingml."
	    "document", "document", "docx" },
	{ "audio/mp3", "audio", "mp3" },
	{ "audio/wav", "audio", "wav" },
	{ "image/gif", "image", "gif" },
	{ "image/jpeg", "image", "jpeg" },
	{ "image/jpg", "image", "jpeg" },
	{ "image/png", "image", "png" },
	{ "image/webp", "image", "webp" },
	{ "text/csv", "document", "csv" },
	{ "text/html", "document", "html" },
	{ "text/markdown", "document", "md" },
	{ "text/plain", "document", "txt" },
	{ NULL, NULL, NULL }
};

/*
 * A document's name must be there, be one of its own, and of these characters
 * only.
 */
static void
put_name(struct body *b, struct wl_str name)
{
	static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789-()[]";
	struct wl_buf out;
	size_t i;

	wl_buf_init(&out, 0);
	wl_buf_printf(&out, "document %d ", ++b->files);
	for (i = 0; i < name.len && i < 100; i++)
		wl_buf_addc(&out, memchr(safe, name.p[i], sizeof(safe) - 1) !=
		    NULL ? name.p[i] : '-');
	if (name.len == 0 && out.len > 0)
		out.len--;
	wl_jw_strn(b->w, "name", out.p, out.len);
	b->w->b->failed |= out.failed;
	wl_buf_free(&out);
}

static int
put_media(struct body *b, const struct wl_chat_part *part)
{
	const struct kind *k = kinds;

	while (k->type != NULL && !wl_str_ieq(part->type, k->type))
		k++;
	if (k->type == NULL)
		return wl_chat_in_bad(b->e, "messages", "holds data of type "
		    "\"%.*s\", which this provider does not take",
		    (int)(part->type.len < 80 ? part->type.len : 80),
		    part->type.p);
	wl_jw_obj(b->w, NULL);
	wl_jw_obj(b->w, k->block);
	wl_jw_str(b->w, "format", k->format);
	if (strcmp(k->block, "document") == 0)
		put_name(b, part->name);
	wl_jw_obj(b->w, "source");
	wl_jw_strn(b->w, "bytes", part->data.p, part->data.len);
	wl_jw_end(b->w, '}');
	wl_jw_end(b->w, '}');
	wl_jw_end(b->w, '}');
	return 0;
}

/*
 * The parts of M as blocks; a text that is empty would be refused.
 */
static int
put_parts(struct body *b, struct json_object *m)
{
	struct json_object *list = wl_json_arr(m, "content");
	size_t i, n = wl_chat_in_parts(m);
	struct wl_chat_part part;

	for (i = 0; i < n; i++) {
		if (wl_chat_in_part(m, i, &part, b->e) == -1)
			return -1;
		if (part.kind == WL_CHAT_TEXT && part.text.len > 0) {
			wl_jw_obj(b->w, NULL);
			wl_jw_strn(b->w, "text", part.text.p, part.text.len);
			wl_jw_end(b->w, '}');
		} else if (part.kind != WL_CHAT_TEXT &&
		    put_media(b, &part) == -1) {
			return -1;
		}
		if (list != NULL)
			put_cache(b, json_object_array_get_idx(list, i));
	}
	return 0;
}

static int
put_calls(struct body *b, struct json_object *m)
{
	size_t i, n = wl_chat_in_calls(m);
	struct wl_chat_call call;

	for (i = 0; i < n; i++) {
		if (wl_chat_in_call(b->a, m, i, &call, b->e) == -1)
			return -1;
		wl_jw_obj(b->w, NULL);
		wl_jw_obj(b->w, "toolUse");
		wl_jw_strn(b->w, "toolUseId", call.id.p, call.id.len);
		wl_jw_strn(b->w, "name", call.name.p, call.name.len);
		wl_jw_raw(b->w, "input", call.arguments.p,
		    call.arguments.len);
		wl_jw_end(b->w, '}');
		wl_jw_end(b->w, '}');
	}
	return 0;
}

static int
put_result(struct body *b, struct json_object *m)
{
	struct wl_str id = WL_STR("");

	(void)wl_json_str(m, "tool_call_id", &id);
	wl_jw_obj(b->w, NULL);
	wl_jw_obj(b->w, "toolResult");
	wl_jw_strn(b->w, "toolUseId", id.p, id.len);
	wl_jw_arr(b->w, "content");
	if (put_parts(b, m) == -1)
		return -1;
	wl_jw_end(b->w, ']');
	wl_jw_end(b->w, '}');
	wl_jw_end(b->w, '}');
	return 0;
}

/* ---- turns ---- */

static int
put_message(void *arg, enum wl_chat_role role, struct json_object *m)
{
	struct body *b = arg;

	if (role == WL_CHAT_TOOL)
		return put_result(b, m);
	if (put_parts(b, m) == -1)
		return -1;
	return role == WL_CHAT_ASSISTANT ? put_calls(b, m) : 0;
}

static const struct wl_chat_turns turns = {
	.list = "messages", .parts = "content", .user = "user", .assistant = "assistant",
	.put = put_message
};

static int
put_system(struct body *b)
{
	size_t i, n = wl_chat_in_count(b->ask);
	enum wl_chat_role role;
	struct json_object *m;
	bool open = false;

	for (i = 0; i < n; i++) {
		m = wl_chat_in_message(b->ask, i, &role);
		if (role != WL_CHAT_SYSTEM)
			continue;
		if (!open)
			wl_jw_arr(b->w, "system");
		open = true;
		if (wl_chat_in_text(b->a, m, b->e) == NULL ||
		    put_parts(b, m) == -1)
			return -1;
	}
	if (open)
		wl_jw_end(b->w, ']');
	return 0;
}

/* ---- tools ---- */

static int
put_choice(struct body *b)
{
	enum wl_chat_choice choice;
	struct wl_str name;

	if (wl_chat_in_choice(b->ask, &choice, &name, b->e) == -1)
		return -1;
	switch (choice) {
	case WL_CHOICE_AUTO:
		break;
	case WL_CHOICE_NONE:
		return wl_chat_in_bad(b->e, "tool_choice", "cannot be none "
		    "for this provider: leave the tools out");
	case WL_CHOICE_REQUIRED:
		wl_jw_raw(b->w, "toolChoice", "{\"any\":{}}", 10);
		break;
	case WL_CHOICE_ONE:
		wl_jw_obj(b->w, "toolChoice");
		wl_jw_obj(b->w, "tool");
		wl_jw_strn(b->w, "name", name.p, name.len);
		wl_jw_end(b->w, '}');
		wl_jw_end(b->w, '}');
		break;
	}
	return 0;
}

static void
put_tool(struct body *b, const struct wl_chat_tool *tool)
{
	wl_jw_obj(b->w, NULL);
	wl_jw_obj(b->w, "toolSpec");
	wl_jw_strn(b->w, "name", tool->name.p, tool->name.len);
	if (tool->description.len > 0)
		wl_jw_strn(b->w, "description", tool->description.p,
		    tool->description.len);
	wl_jw_obj(b->w, "inputSchema");
	if (tool->parameters != NULL)
		wl_chat_in_put(b->w, "json", tool->parameters);
	else
		wl_jw_raw(b->w, "json",
		    "{\"type\":\"object\",\"properties\":{}}", 33);
	wl_jw_end(b->w, '}');
	if (tool->strict)
		wl_jw_bool(b->w, "strict", true);
	wl_jw_end(b->w, '}');
	wl_jw_end(b->w, '}');
}

static int
put_tools(struct body *b)
{
	size_t i, n = wl_chat_in_tools(b->ask);
	struct wl_chat_tool tool;

	if (n == 0)
		return 0;
	wl_jw_obj(b->w, "toolConfig");
	wl_jw_arr(b->w, "tools");
	for (i = 0; i < n; i++) {
		if (wl_chat_in_tool(b->ask, i, &tool, b->e) == -1)
			return -1;
		put_tool(b, &tool);
		put_cache(b, json_object_array_get_idx(wl_json_arr(
		    b->ask->json, "tools"), i));
	}
	wl_jw_end(b->w, ']');
	if (put_choice(b) == -1)
		return -1;
	wl_jw_end(b->w, '}');
	return 0;
}

/* ---- the rest ---- */

/*
 * The schema is a text there.
 */
static int
put_format(struct body *b)
{
	struct wl_chat_format f;
	const char *schema;

	if (wl_chat_in_format(b->ask, &f, b->e) == -1)
		return -1;
	if (f.schema == NULL)
		return 0;
	schema = json_object_to_json_string_ext(f.schema,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	wl_jw_obj(b->w, "outputConfig");
	wl_jw_obj(b->w, "textFormat");
	wl_jw_str(b->w, "type", "json_schema");
	wl_jw_obj(b->w, "structure");
	wl_jw_obj(b->w, "jsonSchema");
	wl_jw_str(b->w, "schema", schema);
	if (f.name.len > 0)
		wl_jw_strn(b->w, "name", f.name.p, f.name.len);
	wl_jw_end(b->w, '}');
	wl_jw_end(b->w, '}');
	wl_jw_end(b->w, '}');
	wl_jw_end(b->w, '}');
	return 0;
}

int
wl_bedrock_chat(struct wl_arena *a, const struct wl_ask *ask,
    struct wl_jw *w, struct wl_err *e)
{
	struct body b = { .a = a, .ask = ask, .w = w, .e = e };

	wl_jw_obj(w, NULL);
	if (put_system(&b) == -1 ||
	    wl_chat_in_turns(w, ask, &turns, &b) == -1 ||
	    put_tools(&b) == -1 || put_format(&b) == -1)
		return -1;
	wl_jw_obj(w, "inferenceConfig");
	if (ask->max_tokens > 0)
		wl_jw_int(w, "maxTokens", ask->max_tokens);
	wl_chat_in_copy(w, ask, "temperature", "temperature");
	wl_chat_in_copy(w, ask, "top_p", "topP");
	wl_chat_in_stop(w, ask, "stopSequences");
	wl_jw_end(w, '}');
	wl_jw_end(w, '}');
	return 0;
}
