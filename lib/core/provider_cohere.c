/*
 * Requests to Cohere.
 */
#include "config.h"
#include "lib/core/provider_cohere.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/json.h"
#include "lib/base/jw.h"
#include "lib/core/chat_in.h"
#include "lib/core/model.h"
#include "lib/core/provider_openai.h"

/*
 * What is being written.
 */
struct body {
	struct wl_arena		*a;
	const struct wl_ask	*ask;
	struct wl_jw		*w;
	struct wl_err		*e;
};

/* ---- messages ---- */

/*
 * The content of M as a list of texts and images.
 */
static int
put_content(struct body *b, struct json_object *m)
{
	size_t i, n = wl_chat_in_parts(m);
	struct wl_chat_part part;
	struct wl_buf url;

	wl_jw_arr(b->w, "content");
	for (i = 0; i < n; i++) {
		if (wl_chat_in_part(m, i, &part, b->e) == -1)
			return -1;
		wl_jw_obj(b->w, NULL);
		wl_jw_str(b->w, "type", part.kind == WL_CHAT_TEXT ? "text" :
		    "image_url");
		if (part.kind == WL_CHAT_TEXT) {
			wl_jw_strn(b->w, "text", part.text.p, part.text.len);
		} else {
			wl_buf_init(&url, 0);
			if (part.kind == WL_CHAT_URL)
				wl_buf_add(&url, part.text.p, part.text.len);
			else
				wl_buf_printf(&url, "data:%.*s;base64,",
				    (int)part.type.len, part.type.p);
			wl_buf_add(&url, part.data.p, part.data.len);
			wl_jw_obj(b->w, "image_url");
			wl_jw_strn(b->w, "url", url.p, url.len);
			wl_jw_end(b->w, '}');
			b->w->b->failed |= url.failed;
			wl_buf_free(&url);
		}
		wl_jw_end(b->w, '}');
	}
	wl_jw_end(b->w, ']');
	return 0;
}

/*
 * What a model says before it calls tools is the plan of them there.
 */
static int
put_calls(struct body *b, struct json_object *m)
{
	size_t i, n = wl_chat_in_calls(m);
	struct wl_chat_call call;
	const char *plan;

	if ((plan = wl_chat_in_text(b->a, m, b->e)) == NULL)
		return -1;
	if (plan[0] != '\0')
		wl_jw_str(b->w, "tool_plan", plan);
	wl_jw_arr(b->w, "tool_calls");
	for (i = 0; i < n; i++) {
		if (wl_chat_in_call(b->a, m, i, &call, b->e) == -1)
			return -1;
		wl_jw_obj(b->w, NULL);
		wl_jw_strn(b->w, "id", call.id.p, call.id.len);
		wl_jw_str(b->w, "type", "function");
		wl_jw_obj(b->w, "function");
		wl_jw_strn(b->w, "name", call.name.p, call.name.len);
		wl_jw_strn(b->w, "arguments", call.arguments.p,
		    call.arguments.len);
		wl_jw_end(b->w, '}');
		wl_jw_end(b->w, '}');
	}
	wl_jw_end(b->w, ']');
	return 0;
}

static int
put_messages(struct body *b)
{
	static const char *const roles[] = {
		[WL_CHAT_ASSISTANT] = "assistant", [WL_CHAT_SYSTEM] = "system",
		[WL_CHAT_TOOL] = "tool", [WL_CHAT_USER] = "user"
	};
	size_t i, n = wl_chat_in_count(b->ask);
	struct wl_str id = WL_STR("");
	enum wl_chat_role role;
	struct json_object *m;

	wl_jw_arr(b->w, "messages");
	for (i = 0; i < n; i++) {
		m = wl_chat_in_message(b->ask, i, &role);
		wl_jw_obj(b->w, NULL);
		wl_jw_str(b->w, "role", roles[role]);
		if (role == WL_CHAT_TOOL) {
			(void)wl_json_str(m, "tool_call_id", &id);
			wl_jw_strn(b->w, "tool_call_id", id.p, id.len);
		}
		if ((role == WL_CHAT_ASSISTANT && wl_chat_in_calls(m) > 0 ?
		    put_calls(b, m) : put_content(b, m)) == -1)
			return -1;
		wl_jw_end(b->w, '}');
	}
	wl_jw_end(b->w, ']');
	return 0;
}

/* ---- tools ---- */

static int
put_tools(struct body *b)
{
	size_t i, n = wl_chat_in_tools(b->ask), strict = 0;
	struct wl_chat_tool tool;

	if (n == 0)
		return 0;
	wl_jw_arr(b->w, "tools");
	for (i = 0; i < n; i++) {
		if (wl_chat_in_tool(b->ask, i, &tool, b->e) == -1)
			return -1;
		wl_jw_obj(b->w, NULL);
		wl_jw_str(b->w, "type", "function");
		wl_jw_obj(b->w, "function");
		wl_jw_strn(b->w, "name", tool.name.p, tool.name.len);
		wl_jw_strn(b->w, "description", tool.description.p,
		    tool.description.len);
		if (tool.parameters != NULL)
			wl_chat_in_put(b->w, "parameters", tool.parameters);
		else
			wl_jw_raw(b->w, "parameters",
			    "{\"type\":\"object\",\"properties\":{}}", 33);
		wl_jw_end(b->w, '}');
		wl_jw_end(b->w, '}');
		strict += tool.strict;
	}
	wl_jw_end(b->w, ']');
	if (strict == n)
		wl_jw_bool(b->w, "strict_tools", true);
	return strict == 0 || strict == n ? 0 : wl_chat_in_bad(b->e, "tools",
	    "must be strict all of them or none, for this provider");
}

static int
put_choice(struct body *b)
{
	enum wl_chat_choice choice;
	struct wl_str name;

	if (wl_chat_in_choice(b->ask, &choice, &name, b->e) == -1)
		return -1;
	if (wl_chat_in_tools(b->ask) == 0 || choice == WL_CHOICE_AUTO)
		return 0;
	if (choice == WL_CHOICE_ONE)
		return wl_chat_in_bad(b->e, "tool_choice", "must be auto, none "
		    "or required for this provider");
	wl_jw_str(b->w, "tool_choice", choice == WL_CHOICE_NONE ? "NONE" :
	    "REQUIRED");
	return 0;
}

/* ---- the rest ---- */

/*
 * Thinking is on or off; these are the words of Cohere's own OpenAI face.
 */
static int
put_thinking(struct body *b)
{
	struct wl_str s = WL_STR("");

	if (!wl_json_has(b->ask->json, "reasoning_effort"))
		return 0;
	(void)wl_json_str(b->ask->json, "reasoning_effort", &s);
	if (!wl_str_eq(s, "none") && !wl_str_eq(s, "high"))
		return wl_chat_in_bad(b->e, "reasoning_effort", "must be none "
		    "or high for this provider");
	wl_jw_obj(b->w, "thinking");
	wl_jw_str(b->w, "type", wl_str_eq(s, "none") ? "disabled" :
	    "enabled");
	wl_jw_end(b->w, '}');
	return 0;
}

static int
put_format(struct body *b)
{
	struct wl_chat_format format;

	if (wl_chat_in_format(b->ask, &format, b->e) == -1)
		return -1;
	if (!format.json)
		return 0;
	wl_jw_obj(b->w, "response_format");
	wl_jw_str(b->w, "type", "json_object");
	if (format.schema != NULL)
		wl_chat_in_put(b->w, "json_schema", format.schema);
	wl_jw_end(b->w, '}');
	return 0;
}

static int
chat(struct body *b, const char *model)
{
	struct wl_jw *w = b->w;

	wl_jw_obj(w, NULL);
	wl_jw_str(w, "model", model);
	if (put_messages(b) == -1 || put_tools(b) == -1 ||
	    put_choice(b) == -1 || put_format(b) == -1 ||
	    put_thinking(b) == -1)
		return -1;
	if (b->ask->max_tokens > 0)
		wl_jw_int(w, "max_tokens", b->ask->max_tokens);
	wl_chat_in_stop(w, b->ask, "stop_sequences");
	wl_chat_in_copy(w, b->ask, "temperature", "temperature");
	wl_chat_in_copy(w, b->ask, "seed", "seed");
	wl_chat_in_copy(w, b->ask, "frequency_penalty", "frequency_penalty");
	wl_chat_in_copy(w, b->ask, "presence_penalty", "presence_penalty");
	wl_chat_in_copy(w, b->ask, "top_k", "k");
	wl_chat_in_copy(w, b->ask, "top_p", "p");
	if (b->ask->stream)
		wl_jw_bool(w, "stream", true);
	wl_jw_end(w, '}');
	return 0;
}

static int
embed(struct body *b, const char *model)
{
	size_t i, n = wl_chat_in_inputs(b->ask);
	struct wl_str text;

	wl_jw_obj(b->w, NULL);
	wl_jw_str(b->w, "model", model);
	if (wl_json_has(b->ask->json, "input_type"))
		wl_chat_in_copy(b->w, b->ask, "input_type", "input_type");
	else
		wl_jw_str(b->w, "input_type", "search_document");
	wl_jw_arr(b->w, "texts");
	for (i = 0; i < n; i++) {
		if (wl_chat_in_input(b->ask, i, &text, b->e) == -1)
			return -1;
		wl_jw_strn(b->w, NULL, text.p, text.len);
	}
	wl_jw_end(b->w, ']');
	wl_jw_arr(b->w, "embedding_types");
	wl_jw_str(b->w, NULL, "float");
	wl_jw_end(b->w, ']');
	wl_chat_in_copy(b->w, b->ask, "dimensions", "output_dimension");
	wl_jw_end(b->w, '}');
	return 0;
}

static int
request(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, const char *request_id, struct wl_upcall *u,
    struct wl_err *e)
{
	bool is_chat = ask->api == WL_API_CHAT;
	struct body b = { .a = a, .ask = ask, .e = e };
	struct wl_buf buf;
	struct wl_jw w;
	int rc;

	memset(u, 0, sizeof(*u));
	wl_buf_init(&buf, 0);
	wl_jw_init(&w, &buf);
	b.w = &w;
	rc = is_chat ? chat(&b, t->model) : embed(&b, t->model);
	if (rc == 0) {
		u->url = wl_arena_printf(a, "%s/v2/%s", t->base_url, is_chat ?
		    "chat" : "embed");
		if (u->url == NULL || wl_provider_body(a, &buf, u) == -1 ||
		    wl_provider_headers(a, ask, t, request_id, NULL, u) == -1)
			rc = wl_err_memory(e);
	}
	wl_buf_free(&buf);
	return rc;
}

static void
skimmed(const struct wl_ask *ask, struct wl_str head, struct wl_result *res)
{
	(void)ask;
	(void)head;
	(void)res;
}

static int
list(struct wl_arena *a, const struct wl_target *t, struct wl_upcall *u,
    struct wl_err *e)
{
	memset(u, 0, sizeof(*u));
	u->url = wl_arena_printf(a, "%s/v1/models?page_size=1000",
	    t->base_url);
	if (u->url == NULL ||
	    wl_provider_headers(a, NULL, t, NULL, NULL, u) == -1)
		return wl_err_memory(e);
	return 0;
}

static int
listed(struct wl_arena *a, struct wl_str body, struct wl_model_item **v,
    int *n)
{
	return wl_provider_models(a, body, "", "cohere", v, n);
}

const struct wl_provider wl_provider_cohere = {
	.wire = "cohere",
	.apis = WL_APIS(WL_API_CHAT) | WL_APIS(WL_API_EMBEDDINGS),
	.can = WL_CAN_DIMENSIONS | WL_CAN_IMAGES | WL_CAN_IMAGE_URLS |
	    WL_CAN_INPUT_TYPE | WL_CAN_JSON_OBJECT | WL_CAN_JSON_SCHEMA |
	    WL_CAN_PENALTIES | WL_CAN_REASONING | WL_CAN_SEED | WL_CAN_STOP |
	    WL_CAN_TOOLS | WL_CAN_TOP_K,
	.request = request,
	.answer = wl_cohere_answer,
	.chunk = wl_cohere_chunk,
	.skimmed = skimmed,
	.error = wl_openai_error,
	.list = list,
	.listed = listed,
};
