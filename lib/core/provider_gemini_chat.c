/*
 * A chat request for Gemini.
 */
#include "config.h"
#include "lib/core/provider_gemini.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/base/jw.h"
#include "lib/core/chat_in.h"
#include "lib/core/model.h"

/* Taken where the history of a conversation has no signature. */
#define NO_SIGNATURE	"skip_thought_signature_validator"

/*
 * What is being written.
 */
struct body {
	struct wl_arena		*a;
	const struct wl_ask	*ask;
	const struct wl_target	*t;
	struct wl_jw		*w;
	struct wl_err		*e;
	struct json_object	*called;	/* names of functions by the ids
						   of their calls until here */
};

/* ---- parts ---- */

static void
put_text(struct wl_jw *w, struct wl_str s)
{
	wl_jw_obj(w, NULL);
	wl_jw_strn(w, "text", s.p, s.len);
	wl_jw_end(w, '}');
}

static int
put_parts(struct body *b, struct json_object *m)
{
	size_t i, n = wl_chat_in_parts(m);
	struct wl_chat_part part;

	for (i = 0; i < n; i++) {
		if (wl_chat_in_part(m, i, &part, b->e) == -1)
			return -1;
		if (part.kind == WL_CHAT_TEXT) {
			if (part.text.len > 0)
				put_text(b->w, part.text);
			continue;
		}
		wl_jw_obj(b->w, NULL);
		wl_jw_obj(b->w, "inlineData");
		wl_jw_strn(b->w, "mimeType", part.type.p, part.type.len);
		wl_jw_strn(b->w, "data", part.data.p, part.data.len);
		wl_jw_end(b->w, '}');
		wl_jw_end(b->w, '}');
	}
	return 0;
}

/*
 * Gemini 3 refuses a first call without the signature that it came with.
 */
static void
put_signature(struct body *b, const struct wl_chat_call *call, bool first)
{
	struct json_object *google = wl_json_obj(wl_json_obj(call->json,
	    "extra_content"), "google");
	struct wl_str s;

	if (wl_json_str(google, "thought_signature", &s))
		wl_jw_strn(b->w, "thoughtSignature", s.p, s.len);
	else if (first && strncmp(b->t->model, "gemini-3", 8) == 0)
		wl_jw_str(b->w, "thoughtSignature", NO_SIGNATURE);
}

static int
put_calls(struct body *b, struct json_object *m)
{
	size_t i, n = wl_chat_in_calls(m);
	struct wl_chat_call call;

	for (i = 0; i < n; i++) {
		if (wl_chat_in_call(b->a, m, i, &call, b->e) == -1)
			return -1;
		if (json_object_object_add(b->called, call.id.p,
		    json_object_new_string_len(call.name.p,
		    (int)call.name.len)) == -1)
			return wl_err_memory(b->e);
		wl_jw_obj(b->w, NULL);
		wl_jw_obj(b->w, "functionCall");
		if (call.id.len > 0)
			wl_jw_strn(b->w, "id", call.id.p, call.id.len);
		wl_jw_strn(b->w, "name", call.name.p, call.name.len);
		wl_jw_raw(b->w, "args", call.arguments.p, call.arguments.len);
		wl_jw_end(b->w, '}');
		put_signature(b, &call, i == 0);
		wl_jw_end(b->w, '}');
	}
	return 0;
}

/*
 * The result of a tool is an object there.
 */
static int
put_result(struct body *b, struct json_object *m)
{
	struct wl_str id = WL_STR(""), name;
	const char *text;
	size_t len;

	(void)wl_json_str(m, "tool_call_id", &id);
	if (!wl_json_str(b->called, id.p, &name))
		return wl_chat_in_bad(b->e, "messages", "holds a result of a "
		    "tool whose tool_call_id no message before it has");
	if ((text = wl_chat_in_text(b->a, m, b->e)) == NULL)
		return -1;
	len = strlen(text);
	wl_jw_obj(b->w, NULL);
	wl_jw_obj(b->w, "functionResponse");
	wl_jw_strn(b->w, "id", id.p, id.len);
	wl_jw_strn(b->w, "name", name.p, name.len);
	if (json_object_is_type(wl_json_parse(b->a, text, len, NULL),
	    json_type_object)) {
		wl_jw_raw(b->w, "response", text, len);
	} else {
		wl_jw_obj(b->w, "response");
		wl_jw_strn(b->w, "output", text, len);
		wl_jw_end(b->w, '}');
	}
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
	.list = "contents", .parts = "parts", .user = "user", .assistant = "model",
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
		if (!open) {
			wl_jw_obj(b->w, "systemInstruction");
			wl_jw_arr(b->w, "parts");
		}
		open = true;
		if (put_parts(b, m) == -1)
			return -1;
	}
	if (open) {
		wl_jw_end(b->w, ']');
		wl_jw_end(b->w, '}');
	}
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
	wl_jw_obj(b->w, NULL);
	wl_jw_arr(b->w, "functionDeclarations");
	for (i = 0; i < n; i++) {
		if (wl_chat_in_tool(b->ask, i, &tool, b->e) == -1)
			return -1;
		wl_jw_obj(b->w, NULL);
		wl_jw_strn(b->w, "name", tool.name.p, tool.name.len);
		if (tool.description.len > 0)
			wl_jw_strn(b->w, "description", tool.description.p,
			    tool.description.len);
		if (tool.parameters != NULL)
			wl_chat_in_put(b->w, "parametersJsonSchema",
			    tool.parameters);
		wl_jw_end(b->w, '}');
	}
	wl_jw_end(b->w, ']');
	wl_jw_end(b->w, '}');
	wl_jw_end(b->w, ']');
	return 0;
}

static int
put_choice(struct body *b)
{
	static const char *const modes[] = {
		[WL_CHOICE_AUTO] = "AUTO", [WL_CHOICE_NONE] = "NONE",
		[WL_CHOICE_REQUIRED] = "ANY", [WL_CHOICE_ONE] = "ANY"
	};
	enum wl_chat_choice choice;
	struct wl_str name;

	if (wl_chat_in_choice(b->ask, &choice, &name, b->e) == -1)
		return -1;
	if (wl_chat_in_tools(b->ask) == 0 || choice == WL_CHOICE_AUTO)
		return 0;
	wl_jw_obj(b->w, "toolConfig");
	wl_jw_obj(b->w, "functionCallingConfig");
	wl_jw_str(b->w, "mode", modes[choice]);
	if (choice == WL_CHOICE_ONE) {
		wl_jw_arr(b->w, "allowedFunctionNames");
		wl_jw_strn(b->w, NULL, name.p, name.len);
		wl_jw_end(b->w, ']');
	}
	wl_jw_end(b->w, '}');
	wl_jw_end(b->w, '}');
	return 0;
}

/* ---- generationConfig ---- */

/*
 * Up to Gemini 2.5 thinking is limited in tokens (the figures are those of
 * Google's own OpenAI face), later ones have levels.
 */
static int
put_thinking(struct body *b)
{
	static const struct { const char *effort; int budget; } budgets[] = {
		{ "none", 0 }, { "minimal", 1024 }, { "low", 1024 },
		{ "medium", 8192 }, { "high", 24576 }
	};
	bool by_level = strncmp(b->t->model, "gemini-2", 8) != 0;
	struct wl_str effort;
	size_t i;

	if (!wl_json_has(b->ask->json, "reasoning_effort"))
		return 0;
	if (!wl_json_str(b->ask->json, "reasoning_effort", &effort))
		effort = WL_STR("");
	for (i = by_level ? 1 : 0; i < 5; i++)
		if (wl_str_eq(effort, budgets[i].effort))
			break;
	if (i == 5)
		return wl_chat_in_bad(b->e, "reasoning_effort", "must be %s "
		    "minimal, low, medium or high for this model",
		    by_level ? "one of" : "none,");
	wl_jw_obj(b->w, "thinkingConfig");
	if (by_level)
		wl_jw_strn(b->w, "thinkingLevel", effort.p, effort.len);
	else
		wl_jw_int(b->w, "thinkingBudget", budgets[i].budget);
	wl_jw_end(b->w, '}');
	return 0;
}

static int
put_config(struct body *b)
{
	struct wl_chat_format format;

	if (wl_chat_in_format(b->ask, &format, b->e) == -1)
		return -1;
	wl_jw_obj(b->w, "generationConfig");
	wl_chat_in_copy(b->w, b->ask, "temperature", "temperature");
	wl_chat_in_copy(b->w, b->ask, "top_p", "topP");
	wl_chat_in_copy(b->w, b->ask, "top_k", "topK");
	wl_chat_in_copy(b->w, b->ask, "seed", "seed");
	wl_chat_in_copy(b->w, b->ask, "presence_penalty", "presencePenalty");
	wl_chat_in_copy(b->w, b->ask, "frequency_penalty", "frequencyPenalty");
	wl_chat_in_stop(b->w, b->ask, "stopSequences");
	if (b->ask->max_tokens > 0)
		wl_jw_int(b->w, "maxOutputTokens", b->ask->max_tokens);
	if (format.json)
		wl_jw_str(b->w, "responseMimeType", "application/json");
	if (format.schema != NULL)
		wl_chat_in_put(b->w, "responseJsonSchema", format.schema);
	if (put_thinking(b) == -1)
		return -1;
	wl_jw_end(b->w, '}');
	return 0;
}

int
wl_gemini_chat(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_jw *w, struct wl_err *e)
{
	struct body b = { .a = a, .ask = ask, .t = t, .w = w, .e = e,
	    .called = json_object_new_object() };
	int rc = -1;

	if (b.called == NULL)
		return wl_err_memory(e);
	wl_jw_obj(w, NULL);
	if (put_system(&b) == -1 ||
	    wl_chat_in_turns(w, ask, &turns, &b) == -1 ||
	    put_tools(&b) == -1 || put_choice(&b) == -1 ||
	    put_config(&b) == -1)
		goto out;
	wl_jw_end(w, '}');
	rc = 0;
out:
	json_object_put(b.called);
	return rc;
}

int
wl_gemini_embed(const struct wl_ask *ask, const char *model, struct wl_jw *w,
    struct wl_err *e)
{
	size_t i, n = wl_chat_in_inputs(ask);
	struct wl_str text;

	wl_jw_obj(w, NULL);
	wl_jw_arr(w, "requests");
	for (i = 0; i < n; i++) {
		if (wl_chat_in_input(ask, i, &text, e) == -1)
			return -1;
		wl_jw_obj(w, NULL);
		wl_jw_str(w, "model", model);
		wl_jw_obj(w, "content");
		wl_jw_arr(w, "parts");
		put_text(w, text);
		wl_jw_end(w, ']');
		wl_jw_end(w, '}');
		wl_chat_in_copy(w, ask, "dimensions", "outputDimensionality");
		wl_jw_end(w, '}');
	}
	wl_jw_end(w, ']');
	wl_jw_end(w, '}');
	return 0;
}
