/*
 * A chat request for Anthropic's messages (its published client libraries,
 * "MessageCreateParams").
 */
#include "config.h"
#include "lib/core/provider_anthropic.h"

#include <string.h>

#include "lib/base/err.h"
#include "lib/base/json.h"
#include "lib/base/jw.h"
#include "lib/core/chat_in.h"
#include "lib/core/model.h"

#define BUDGET_MIN	1024

/*
 * What is being written.
 */
struct body {
	struct wl_arena		*a;
	const struct wl_ask	*ask;
	const struct wl_target	*t;
	struct wl_jw		*w;
	struct wl_err		*e;
	int64_t			 max_tokens, budget;
};

static bool
has_prefix(const char *s, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strncmp(s, *list, strlen(*list)) == 0)
			return true;
	return false;
}

/* ---- how much ---- */

/*
 * The limit must be given; this is what every model of its kind takes.
 */
static int64_t
default_limit(const char *model)
{
	static const char *const oldest[] = { "claude-3-haiku",
	    "claude-3-opus", "claude-3-sonnet", NULL };
	static const char *const old[] = { "claude-3-5", NULL };

	return has_prefix(model, oldest) ? 4096 :
	    has_prefix(model, old) ? 8192 : 16384;
}

/*
 * Models that think as much as a budget allows; later ones decide themselves,
 * and are told an effort.
 */
static bool
thinks_by_budget(const char *model)
{
	static const char *const list[] = { "claude-3-7", "claude-haiku-4-5",
	    "claude-opus-4-0", "claude-opus-4-1", "claude-opus-4-2025",
	    "claude-opus-4-5", "claude-sonnet-4-0", "claude-sonnet-4-2025",
	    "claude-sonnet-4-5", NULL };

	return has_prefix(model, list);
}

/*
 * A row of reasoning_effort; BUDGET 0: there is none so high.
 */
static const struct effort {
	const char	*name, *effort;
	int		 budget;
} efforts[] = {
	{ "minimal", "low", BUDGET_MIN },
	{ "low", "low", 2048 },
	{ "medium", "medium", 8192 },
	{ "high", "high", 16384 },
	{ "xhigh", "xhigh", 0 },
	{ "max", "max", 0 },
	{ NULL, NULL, 0 }
};

static int
read_effort(struct body *b, const struct effort **found)
{
	const struct effort *f = efforts;
	struct wl_str s = WL_STR("");
	bool by_budget = thinks_by_budget(b->t->model);

	(void)wl_json_str(b->ask->json, "reasoning_effort", &s);
	while (f->name != NULL && !wl_str_eq(s, f->name))
		f++;
	if (f->name == NULL || (by_budget && f->budget == 0))
		return wl_chat_in_bad(b->e, "reasoning_effort", "must be none, "
		    "minimal, low, medium%s for this model", by_budget ?
		    " or high" : ", high, xhigh or max");
	*found = f;
	return 0;
}

/*
 * The tokens of thinking count towards the limit.
 */
static int
fit_budget(struct body *b, int64_t budget)
{
	if (b->ask->max_tokens == 0) {
		b->max_tokens += budget;
	} else if (budget >= b->max_tokens) {
		budget = b->max_tokens / 2;
		if (budget < BUDGET_MIN)
			return wl_chat_in_bad(b->e, "reasoning_effort", "needs "
			    "a limit of at least %d tokens for this model",
			    2 * BUDGET_MIN);
	}
	b->budget = budget;
	return 0;
}

/*
 * max_tokens, and what reasoning_effort and response_format mean.
 */
static int
put_output(struct body *b)
{
	const struct effort *f = NULL;
	struct wl_chat_format format;
	struct wl_str s = WL_STR("");
	bool adaptive;

	b->max_tokens = b->ask->max_tokens > 0 ? b->ask->max_tokens :
	    default_limit(b->t->model);
	if (wl_chat_in_format(b->ask, &format, b->e) == -1)
		return -1;
	if (wl_json_has(b->ask->json, "reasoning_effort") &&
	    (!wl_json_str(b->ask->json, "reasoning_effort", &s) ||
	    !wl_str_eq(s, "none")) && read_effort(b, &f) == -1)
		return -1;
	adaptive = f != NULL && !thinks_by_budget(b->t->model);
	if (f != NULL && !adaptive && fit_budget(b, f->budget) == -1)
		return -1;
	wl_jw_int(b->w, "max_tokens", b->max_tokens);
	if (f != NULL || s.len > 0) {
		wl_jw_obj(b->w, "thinking");
		wl_jw_str(b->w, "type", f == NULL ? "disabled" : adaptive ?
		    "adaptive" : "enabled");
		if (b->budget > 0)
			wl_jw_int(b->w, "budget_tokens", b->budget);
		wl_jw_end(b->w, '}');
	}
	if (!adaptive && format.schema == NULL)
		return 0;
	wl_jw_obj(b->w, "output_config");
	if (adaptive)
		wl_jw_str(b->w, "effort", f->effort);
	if (format.schema != NULL) {
		wl_jw_obj(b->w, "format");
		wl_jw_str(b->w, "type", "json_schema");
		wl_chat_in_put(b->w, "schema", format.schema);
		wl_jw_end(b->w, '}');
	}
	wl_jw_end(b->w, '}');
	return 0;
}

/* ---- content ---- */

/*
 * Where a client marks what is to be cached, the provider is told.
 */
static void
put_cache(struct body *b, struct json_object *o)
{
	struct json_object *c = wl_json_obj(o, "cache_control");

	if (c != NULL)
		wl_chat_in_put(b->w, "cache_control", c);
}

static void
put_text(struct body *b, struct wl_str s, struct json_object *from)
{
	wl_jw_obj(b->w, NULL);
	wl_jw_str(b->w, "type", "text");
	wl_jw_strn(b->w, "text", s.p, s.len);
	put_cache(b, from);
	wl_jw_end(b->w, '}');
}

static int
put_media(struct body *b, const struct wl_chat_part *part,
    struct json_object *from)
{
	bool pdf = part->kind == WL_CHAT_DATA &&
	    wl_str_ieq(part->type, "application/pdf");

	if (part->kind == WL_CHAT_DATA && !pdf &&
	    !wl_str_prefix(part->type, "image/"))
		return wl_chat_in_bad(b->e, "messages", "holds a file that is "
		    "neither a picture nor application/pdf");
	wl_jw_obj(b->w, NULL);
	wl_jw_str(b->w, "type", pdf ? "document" : "image");
	wl_jw_obj(b->w, "source");
	if (part->kind == WL_CHAT_URL) {
		wl_jw_str(b->w, "type", "url");
		wl_jw_strn(b->w, "url", part->text.p, part->text.len);
	} else {
		wl_jw_str(b->w, "type", "base64");
		wl_jw_strn(b->w, "media_type", part->type.p, part->type.len);
		wl_jw_strn(b->w, "data", part->data.p, part->data.len);
	}
	wl_jw_end(b->w, '}');
	if (pdf && part->name.len > 0)
		wl_jw_strn(b->w, "title", part->name.p, part->name.len);
	put_cache(b, from);
	wl_jw_end(b->w, '}');
	return 0;
}

/*
 * The parts of M as blocks; a text that is empty would be refused.
 */
static int
put_parts(struct body *b, struct json_object *m)
{
	struct json_object *list = wl_json_arr(m, "content"), *from;
	size_t i, n = wl_chat_in_parts(m);
	struct wl_chat_part part;

	for (i = 0; i < n; i++) {
		from = list == NULL ? NULL :
		    json_object_array_get_idx(list, i);
		if (wl_chat_in_part(m, i, &part, b->e) == -1)
			return -1;
		if (part.kind == WL_CHAT_TEXT && part.text.len > 0)
			put_text(b, part.text, from);
		else if (part.kind != WL_CHAT_TEXT &&
		    put_media(b, &part, from) == -1)
			return -1;
	}
	return 0;
}

/*
 * What the model thought before it called tools, which it signed.
 */
static void
put_thoughts(struct body *b, struct json_object *m)
{
	struct json_object *list = wl_json_arr(m, "thinking_blocks"), *o;
	size_t i, n = list == NULL ? 0 : json_object_array_length(list);
	struct wl_str type;

	for (i = 0; i < n; i++) {
		o = json_object_array_get_idx(list, i);
		if (wl_json_str(o, "type", &type) &&
		    (wl_str_eq(type, "thinking") ||
		    wl_str_eq(type, "redacted_thinking")))
			wl_chat_in_put(b->w, NULL, o);
	}
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
		wl_jw_str(b->w, "type", "tool_use");
		wl_jw_strn(b->w, "id", call.id.p, call.id.len);
		wl_jw_strn(b->w, "name", call.name.p, call.name.len);
		wl_jw_raw(b->w, "input", call.arguments.p,
		    call.arguments.len);
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
	wl_jw_str(b->w, "type", "tool_result");
	wl_jw_strn(b->w, "tool_use_id", id.p, id.len);
	wl_jw_arr(b->w, "content");
	if (put_parts(b, m) == -1)
		return -1;
	wl_jw_end(b->w, ']');
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
	if (role == WL_CHAT_ASSISTANT)
		put_thoughts(b, m);
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
		if (put_parts(b, m) == -1)
			return -1;
	}
	if (open)
		wl_jw_end(b->w, ']');
	return 0;
}

/* ---- tools ---- */

static int
put_tools(struct body *b)
{
	size_t i, n = wl_chat_in_tools(b->ask);
	struct wl_chat_tool tool;

	if (n == 0)
		return 0;
	wl_jw_arr(b->w, "tools");
	for (i = 0; i < n; i++) {
		if (wl_chat_in_tool(b->ask, i, &tool, b->e) == -1)
			return -1;
		wl_jw_obj(b->w, NULL);
		wl_jw_strn(b->w, "name", tool.name.p, tool.name.len);
		if (tool.description.len > 0)
			wl_jw_strn(b->w, "description", tool.description.p,
			    tool.description.len);
		if (tool.parameters != NULL)
			wl_chat_in_put(b->w, "input_schema", tool.parameters);
		else
			wl_jw_raw(b->w, "input_schema",
			    "{\"type\":\"object\",\"properties\":{}}", 33);
		if (tool.strict)
			wl_jw_bool(b->w, "strict", true);
		put_cache(b, json_object_array_get_idx(wl_json_arr(
		    b->ask->json, "tools"), i));
		wl_jw_end(b->w, '}');
	}
	wl_jw_end(b->w, ']');
	return 0;
}

static int
put_choice(struct body *b)
{
	static const char *const types[] = {
		[WL_CHOICE_AUTO] = "auto", [WL_CHOICE_NONE] = "none",
		[WL_CHOICE_REQUIRED] = "any", [WL_CHOICE_ONE] = "tool"
	};
	enum wl_chat_choice choice;
	bool parallel = true;
	struct wl_str name;

	(void)wl_json_bool(b->ask->json, "parallel_tool_calls", &parallel);
	if (wl_chat_in_choice(b->ask, &choice, &name, b->e) == -1)
		return -1;
	if (wl_chat_in_tools(b->ask) == 0 ||
	    (choice == WL_CHOICE_AUTO && parallel))
		return 0;
	wl_jw_obj(b->w, "tool_choice");
	wl_jw_str(b->w, "type", types[choice]);
	if (choice == WL_CHOICE_ONE)
		wl_jw_strn(b->w, "name", name.p, name.len);
	if (!parallel && choice != WL_CHOICE_NONE)
		wl_jw_bool(b->w, "disable_parallel_tool_use", true);
	wl_jw_end(b->w, '}');
	return 0;
}

int
wl_anthropic_chat(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_jw *w, struct wl_err *e)
{
	struct body b = { .a = a, .ask = ask, .t = t, .w = w, .e = e };

	wl_jw_obj(w, NULL);
	wl_jw_str(w, "model", t->model);
	if (put_output(&b) == -1 || put_system(&b) == -1 ||
	    wl_chat_in_turns(w, ask, &turns, &b) == -1 || put_tools(&b) == -1 ||
	    put_choice(&b) == -1)
		return -1;
	wl_chat_in_copy(w, ask, "temperature", "temperature");
	wl_chat_in_copy(w, ask, "top_p", "top_p");
	wl_chat_in_copy(w, ask, "top_k", "top_k");
	wl_chat_in_stop(w, ask, "stop_sequences");
	if (ask->user.len > 0) {
		wl_jw_obj(w, "metadata");
		wl_jw_strn(w, "user_id", ask->user.p, ask->user.len);
		wl_jw_end(w, '}');
	}
	if (ask->stream)
		wl_jw_bool(w, "stream", true);
	wl_jw_end(w, '}');
	return 0;
}
