/*
 * A request of Anthropic's Messages API as a chat request in OpenAI's shape.
 */
#include "config.h"
#include "lib/core/face_messages_priv.h"

#include <ctype.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/core/provider.h"

/* Tokens of thought up to which the effort is low, and medium. */
#define LOW_BUDGET	2048
#define MEDIUM_BUDGET	8192

int
wl_face_cannot(struct wl_facing *c, const char *path, const char *what)
{
	wl_err_set(c->e, WL_E_INVALID_REQUEST,
	    "\"%.100s\" cannot be asked of this model's provider%s%.60s.", path,
	    what[0] == '\0' ? "" : ": ", what);
	c->e->param = path;
	return -1;
}

const char *
wl_face_path(struct wl_facing *c, const char *path, const char *key, size_t i)
{
	const char *p;

	if (key == NULL)
		p = wl_arena_printf(c->a, "%s.%zu", path, i);
	else if (path[0] == '\0')
		p = wl_arena_strdup(c->a, key);
	else
		p = wl_arena_printf(c->a, "%s.%s", path, key);
	return p == NULL ? path : p;
}

int
wl_face_known(struct wl_facing *c, struct json_object *o, const char *path,
    const char *const *known)
{
	struct json_object_iterator it = json_object_iter_begin(o);
	struct json_object_iterator end = json_object_iter_end(o);
	const char *name;
	size_t i;

	for (; !json_object_iter_equal(&it, &end);
	    json_object_iter_next(&it)) {
		name = json_object_iter_peek_name(&it);
		if (json_object_iter_peek_value(&it) == NULL)
			continue;
		for (i = 0; known[i] != NULL && strcmp(known[i], name) != 0;)
			i++;
		if (known[i] == NULL)
			return wl_face_cannot(c, wl_face_path(c, path, name,
			    0), "");
	}
	return 0;
}

bool
wl_face_is(struct json_object *o, const char *name)
{
	struct wl_str type;

	return wl_json_str(o, "type", &type) && wl_str_eq(type, name);
}

void
wl_face_put(struct wl_facing *c, const char *key, struct json_object *o)
{
	size_t len;
	const char *p = json_object_to_json_string_length(o,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

	if (p == NULL)
		c->w.b->failed = true;
	else
		wl_jw_raw(&c->w, key, p, len);
}

static void
put_member(struct wl_facing *c, const char *as, struct json_object *o,
    const char *key)
{
	struct json_object *v = NULL;

	if (json_object_object_get_ex(o, key, &v) && v != NULL)
		wl_face_put(c, as, v);
}

/* ---- tools ---- */

static int
put_tool(struct wl_facing *c, struct json_object *tool, const char *path)
{
	static const char *const known[] = { "type", "name", "description",
	    "input_schema", "strict", "cache_control", NULL };
	struct wl_str type = WL_STR("custom"), name;

	(void)wl_json_str(tool, "type", &type);
	if (!wl_str_eq(type, "custom"))
		return wl_face_cannot(c, path,
		    "it is a tool of Anthropic's own");
	if (!wl_json_str(tool, "name", &name))
		return wl_face_cannot(c, path, "it has no name");
	if (wl_face_known(c, tool, path, known) == -1)
		return -1;
	wl_jw_obj(&c->w, NULL);
	wl_jw_str(&c->w, "type", "function");
	wl_jw_obj(&c->w, "function");
	put_member(c, "name", tool, "name");
	put_member(c, "description", tool, "description");
	put_member(c, "parameters", tool, "input_schema");
	put_member(c, "strict", tool, "strict");
	wl_jw_end(&c->w, '}');
	wl_jw_end(&c->w, '}');
	return 0;
}

static int
put_tools(struct wl_facing *c, struct json_object *ask)
{
	struct json_object *list = wl_json_arr(ask, "tools");
	size_t i, n = list == NULL ? 0 : json_object_array_length(list);

	if (list == NULL && wl_json_has(ask, "tools"))
		return wl_face_cannot(c, "tools", "it is no array");
	if (n == 0)
		return 0;
	wl_jw_arr(&c->w, "tools");
	for (i = 0; i < n; i++)
		if (put_tool(c, json_object_array_get_idx(list, i),
		    wl_face_path(c, "tools", NULL, i)) == -1)
			return -1;
	wl_jw_end(&c->w, ']');
	return 0;
}

static int
put_tool_choice(struct wl_facing *c, struct json_object *ask)
{
	static const char *const known[] = { "type", "name",
	    "disable_parallel_tool_use", NULL };
	struct json_object *o = wl_json_obj(ask, "tool_choice");
	bool one = false;

	if (!wl_json_has(ask, "tool_choice"))
		return 0;
	if (o == NULL)
		return wl_face_cannot(c, "tool_choice", "it is no object");
	if (wl_face_known(c, o, "tool_choice", known) == -1)
		return -1;
	if (wl_face_is(o, "auto")) {
		wl_jw_str(&c->w, "tool_choice", "auto");
	} else if (wl_face_is(o, "any")) {
		wl_jw_str(&c->w, "tool_choice", "required");
	} else if (wl_face_is(o, "none")) {
		wl_jw_str(&c->w, "tool_choice", "none");
	} else if (wl_face_is(o, "tool") && wl_json_has(o, "name")) {
		wl_jw_obj(&c->w, "tool_choice");
		wl_jw_str(&c->w, "type", "function");
		wl_jw_obj(&c->w, "function");
		put_member(c, "name", o, "name");
		wl_jw_end(&c->w, '}');
		wl_jw_end(&c->w, '}');
	} else
		return wl_face_cannot(c, "tool_choice", "its type is unknown");
	if (wl_json_bool(o, "disable_parallel_tool_use", &one) && one)
		wl_jw_bool(&c->w, "parallel_tool_calls", false);
	return 0;
}

/* ---- thinking and the form of the output ---- */

bool
wl_face_thinks(const struct wl_ask *ask)
{
	struct json_object *o = wl_json_obj(ask->json, "thinking");

	return wl_face_is(o, "enabled") || wl_face_is(o, "adaptive");
}

/*
 * How hard to think: as it is said, else by the tokens that are given for it.
 */
static int
put_effort(struct wl_facing *c, struct json_object *ask)
{
	static const char *const known[] = { "type", "budget_tokens",
	    "display", NULL };
	static const char *const efforts[] = { "low", "medium", "high",
	    "xhigh" };
	struct json_object *o = wl_json_obj(ask, "thinking");
	struct wl_str effort;
	size_t i;
	int64_t budget;

	if (wl_json_has(ask, "thinking") && o == NULL)
		return wl_face_cannot(c, "thinking", "it is no object");
	if (o != NULL && wl_face_known(c, o, "thinking", known) == -1)
		return -1;
	if (wl_json_str(wl_json_obj(ask, "output_config"), "effort",
	    &effort)) {
		for (i = 0; i < 4; i++)
			if (wl_str_eq(effort, efforts[i])) {
				wl_jw_str(&c->w, "reasoning_effort",
				    efforts[i]);
				return 0;
			}
		return wl_face_cannot(c, "output_config.effort",
		    "low, medium, high and xhigh can be");
	}
	if (o == NULL || wl_face_is(o, "disabled") ||
	    wl_face_is(o, "adaptive"))
		return 0;
	if (!wl_face_is(o, "enabled") ||
	    !wl_json_int(o, "budget_tokens", &budget) || budget < 0)
		return wl_face_cannot(c, "thinking", "");
	wl_jw_str(&c->w, "reasoning_effort", budget <= LOW_BUDGET ? "low" :
	    budget <= MEDIUM_BUDGET ? "medium" : "high");
	return 0;
}

static int
put_format(struct wl_facing *c, struct json_object *ask)
{
	static const char *const known[] = { "effort", "format", NULL };
	static const char *const parts[] = { "type", "schema", NULL };
	struct json_object *config = wl_json_obj(ask, "output_config");
	struct json_object *o = wl_json_obj(config, "format");

	if (config == NULL)
		return wl_json_has(ask, "output_config") ? wl_face_cannot(c,
		    "output_config", "it is no object") : 0;
	if (wl_face_known(c, config, "output_config", known) == -1)
		return -1;
	if (!wl_json_has(config, "format"))
		return 0;
	if (o == NULL || !wl_face_is(o, "json_schema") ||
	    wl_json_obj(o, "schema") == NULL)
		return wl_face_cannot(c, "output_config.format", "");
	if (wl_face_known(c, o, "output_config.format", parts) == -1)
		return -1;
	wl_jw_obj(&c->w, "response_format");
	wl_jw_str(&c->w, "type", "json_schema");
	wl_jw_obj(&c->w, "json_schema");
	wl_jw_str(&c->w, "name", "output");
	put_member(c, "schema", o, "schema");
	wl_jw_bool(&c->w, "strict", true);
	wl_jw_end(&c->w, '}');
	wl_jw_end(&c->w, '}');
	return 0;
}

/* ---- the request ---- */

static int
put_user(struct wl_facing *c, struct json_object *ask)
{
	static const char *const known[] = { "user_id", NULL };
	struct json_object *o = wl_json_obj(ask, "metadata");

	if (o == NULL)
		return wl_json_has(ask, "metadata") ? wl_face_cannot(c,
		    "metadata", "it is no object") : 0;
	if (wl_face_known(c, o, "metadata", known) == -1)
		return -1;
	put_member(c, "user", o, "user_id");
	return 0;
}

/*
 * Members that have one meaning here that changes nothing.
 */
static int
check_plain(struct wl_facing *c, struct json_object *ask)
{
	struct wl_str s;

	if (wl_json_has(ask, "service_tier") &&
	    !(wl_json_str(ask, "service_tier", &s) &&
	    (wl_str_eq(s, "auto") || wl_str_eq(s, "standard_only"))))
		return wl_face_cannot(c, "service_tier", "");
	if (wl_json_has(ask, "speed") && !(wl_json_str(ask, "speed", &s) &&
	    wl_str_eq(s, "standard")))
		return wl_face_cannot(c, "speed", "");
	return 0;
}

/*
 * Whether MODEL is one of OpenAI's that count their thoughts as output, and
 * know the limit of it by another name only: o1 and later, GPT-5 and later.
 */
static bool
is_reasoning(const char *model)
{
	const char *slash = strrchr(model, '/');

	if (slash != NULL)
		model = slash + 1;
	if (strncmp(model, "gpt-", 4) == 0)
		return isdigit((unsigned char)model[4]) &&
		    (model[4] >= '5' || isdigit((unsigned char)model[5]));
	return model[0] == 'o' && isdigit((unsigned char)model[1]);
}

static int
put_request(struct wl_facing *c, struct json_object *ask, bool reasoning)
{
	static const char *const known[] = { "cache_control", "max_tokens",
	    "messages", "metadata", "model", "output_config", "service_tier",
	    "speed", "stop_sequences", "stream", "system", "temperature",
	    "thinking", "tool_choice", "tools", "top_k", "top_p", NULL };

	if (wl_face_known(c, ask, "", known) == -1 ||
	    check_plain(c, ask) == -1)
		return -1;
	wl_jw_obj(&c->w, NULL);
	put_member(c, "model", ask, "model");
	wl_jw_arr(&c->w, "messages");
	if (wl_face_messages(c, ask) == -1)
		return -1;
	wl_jw_end(&c->w, ']');
	put_member(c, reasoning ? "max_completion_tokens" : "max_tokens", ask,
	    "max_tokens");
	put_member(c, "stop", ask, "stop_sequences");
	put_member(c, "stream", ask, "stream");
	put_member(c, "temperature", ask, "temperature");
	put_member(c, "top_p", ask, "top_p");
	put_member(c, "top_k", ask, "top_k");
	if (put_tools(c, ask) == -1 || put_tool_choice(c, ask) == -1 ||
	    put_effort(c, ask) == -1 || put_format(c, ask) == -1 ||
	    put_user(c, ask) == -1)
		return -1;
	wl_jw_end(&c->w, '}');
	return 0;
}

/*
 * ASK as a chat, in the arena; NULL with *E.
 */
static struct wl_ask *
convert(struct wl_arena *a, const struct wl_ask *ask, bool reasoning,
    struct wl_err *e)
{
	struct wl_facing c = { .a = a, .e = e };
	struct wl_ask *chat = wl_arena_alloc(a, sizeof(*chat));
	enum wl_json_fault fault = WL_JSON_OK;
	struct wl_buf b;
	char *body = NULL;
	size_t len;

	wl_buf_init(&b, 0);
	wl_jw_init(&c.w, &b);
	if (put_request(&c, ask->json, reasoning) == -1) {
		wl_buf_free(&b);
		return NULL;
	}
	len = b.len;
	if (!b.failed)
		body = wl_arena_dup(a, b.p, len);
	wl_buf_free(&b);
	if (chat == NULL || body == NULL) {
		wl_err_memory(e);
		return NULL;
	}
	*chat = *ask;
	chat->api = WL_API_CHAT;
	chat->body = (struct wl_str){ body, len };
	chat->json = wl_json_parse(a, body, len, &fault);
	if (chat->json == NULL) {
		wl_err_set(e, WL_E_INVALID_REQUEST, "The request body is "
		    "nested too deeply, or has too many parts.");
		return NULL;
	}
	/* the text of the model is now that of another body */
	(void)wl_json_str(chat->json, "model", &chat->model);
	return chat;
}

int
wl_face_messages_targets(struct wl_arena *a, const struct wl_ask *ask,
    struct wl_target *t, int n, struct wl_err *e)
{
	struct wl_ask *chats[2] = { NULL, NULL }, **chat;
	int i, kept = 0;

	for (i = 0; i < n; i++) {
		if ((t[i].wire->apis & WL_APIS(ask->api)) == 0) {
			chat = &chats[is_reasoning(t[i].model)];
			if (*chat == NULL && (*chat = convert(a, ask,
			    chat - chats == 1, e)) == NULL)
				continue;
			t[i].ask = *chat;
		}
		t[kept++] = t[i];
	}
	return kept > 0 ? kept : -1;
}
