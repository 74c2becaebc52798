/*
 * Events of chats and completions.
 */
#include "config.h"
#include "lib/core/policy_sink_priv.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/core/policy_body.h"

/*
 * Texts of a choice that come in pieces: member NAME of object IN of its
 * delta, or of the delta itself.
 */
static const struct { const char *in, *name; } members[] = {
	{ NULL, "content" }, { NULL, "reasoning" },
	{ NULL, "reasoning_content" }, { NULL, "refusal" }, { NULL, "text" },
	{ "function_call", "arguments" }, { "audio", "transcript" },
};
#define MEMBERS	(sizeof(members) / sizeof(members[0]))

/* Of a tool call. */
static const struct { const char *in, *name; } tools[] = {
	{ "function", "arguments" }, { "custom", "input" },
};
#define TOOLS	(sizeof(tools) / sizeof(tools[0]))

static struct json_object *
make_obj(struct json_object *o, const char *key)
{
	struct json_object *v = wl_json_obj(o, key);

	if (v == NULL) {
		v = json_object_new_object();
		json_object_object_add(o, key, v);
	}
	return v;
}

/*
 * OUT, the rest of the text of KEY (behind its choice), goes to DELTA.
 */
static void
put_held(struct json_object *delta, const char *key, const struct wl_buf *out)
{
	struct json_object *list, *call;
	long long index;
	size_t k;
	int n = 0;

	list = wl_json_arr(delta, key);
	if (list != NULL) {	/* a content of parts */
		call = json_object_new_object();
		json_object_object_add(call, "type",
		    json_object_new_string("text"));
		wl_policy_set_text(call, "text", out);
		json_object_array_add(list, call);
		return;
	}
	for (k = 0; k < MEMBERS; k++)
		if (strcmp(key, members[k].name) == 0) {
			wl_policy_set_text(members[k].in == NULL ? delta :
			    make_obj(delta, members[k].in), key, out);
			return;
		}
	if (sscanf(key, "%lld.%n", &index, &n) != 1 || n == 0)
		return;
	if ((list = wl_json_arr(delta, "tool_calls")) == NULL) {
		list = json_object_new_array();
		json_object_object_add(delta, "tool_calls", list);
	}
	call = json_object_new_object();
	json_object_object_add(call, "index", json_object_new_int64(index));
	for (k = 0; k < TOOLS; k++)
		if (strcmp(key + n, tools[k].name) == 0)
			wl_policy_set_text(make_obj(call, tools[k].in),
			    key + n, out);
	json_object_array_add(list, call);
}

/*
 * Texts of choice I end, or of its tool calls alone: DELTA gets what is held.
 */
static void
end_texts(struct wl_policy_sink *f, struct json_object *delta, int64_t i,
    bool calls_alone)
{
	struct wl_buf out = { 0 };
	char prefix[32];
	const char *key;
	size_t n;
	int k;

	n = (size_t)snprintf(prefix, sizeof(prefix), "%lld.", (long long)i);
	for (k = 0; k < f->nch;) {
		key = f->ch[k].key;
		if (strncmp(key, prefix, n) != 0 || (calls_alone &&
		    (key[n] < '0' || key[n] > '9'))) {
			k++;
			continue;
		}
		wl_buf_reset(&out);
		if (wl_policy_drain(f, &f->ch[k], &out))
			put_held(delta, key + n, &out);
		wl_policy_forget(f, k);
	}
	f->stopped |= out.failed;
	wl_buf_free(&out);
}

/*
 * Members of O that are no text of a channel, in one piece each.
 */
static void
pass_rest(struct wl_policy_sink *f, struct json_object *o,
    const char *const *but, size_t n)
{
	struct wl_policy_tally again = WL_POLICY_TALLY;

	(void)wl_policy_walk_rest(f->policy, WL_POLICY_RESPONSE, o, but, n,
	    &again);
	wl_policy_again(f->tally, &again);
}

static void
pass_call(struct wl_policy_sink *f, struct json_object *call, int64_t i,
    int64_t index)
{
	const char *but[TOOLS];
	struct json_object *o;
	char key[KEY_MAX];
	bool taken;
	size_t k, n = 0;

	for (k = 0; k < TOOLS; k++)
		if (wl_json_obj(call, tools[k].in) != NULL)
			but[n++] = tools[k].in;
	pass_rest(f, call, but, n);
	for (k = 0; k < TOOLS; k++) {
		o = wl_json_obj(call, tools[k].in);
		snprintf(key, sizeof(key), "%lld.%lld.%s", (long long)i,
		    (long long)index, tools[k].name);
		taken = wl_policy_piece(f, o, tools[k].name, key, false);
		pass_rest(f, o, &tools[k].name, taken ? 1 : 0);
	}
}

/*
 * Of many calls those before have ended.
 */
static void
pass_tools(struct wl_policy_sink *f, struct json_object *delta, int64_t i)
{
	struct json_object *list = wl_json_arr(delta, "tool_calls"), *call;
	int64_t index;
	size_t j, n;

	n = list == NULL ? 0 : json_object_array_length(list);
	if (n > 0 && f->nch > WL_POLICY_CHANNELS / 2)
		end_texts(f, delta, i, true);
	for (j = 0; j < n; j++) {
		call = json_object_array_get_idx(list, j);
		if (!json_object_is_type(call, json_type_object)) {
			(void)wl_policy_walk(f->policy, WL_POLICY_RESPONSE,
			    call, f->tally);
			continue;
		}
		index = (int64_t)j;
		(void)wl_json_int(call, "index", &index);
		pass_call(f, call, i, index);
	}
}

/*
 * A content of parts: its texts are pieces as any other.  Of thinking only
 * pieces would be seen, so it stays out.
 */
static void
pass_parts(struct wl_policy_sink *f, struct json_object *delta,
    const char *key)
{
	static const char *const but[] = { "text" };
	struct json_object *list = wl_json_arr(delta, "content"), *part;
	bool taken;
	size_t j;

	for (j = 0; list != NULL && j < json_object_array_length(list);) {
		part = json_object_array_get_idx(list, j);
		if (wl_json_has(part, "thinking") ||
		    !json_object_is_type(part, json_type_object)) {
			(void)json_object_array_del_idx(list, j, 1);
			continue;
		}
		j++;
		taken = wl_policy_piece(f, part, "text", key, false);
		pass_rest(f, part, but, taken ? 1 : 0);
	}
}

/*
 * The texts of DELTA; LAST: they end with it.
 */
static void
pass_members(struct wl_policy_sink *f, struct json_object *delta, int64_t i,
    bool last)
{
	struct json_object *o;
	char key[KEY_MAX];
	bool taken;
	size_t m;

	for (m = 0; m < MEMBERS; m++) {
		snprintf(key, sizeof(key), "%lld.%s", (long long)i,
		    members[m].name);
		o = members[m].in == NULL ? delta : wl_json_obj(delta,
		    members[m].in);
		if (m == 0)
			pass_parts(f, delta, key);
		taken = wl_policy_piece(f, o, members[m].name, key, last);
		if (members[m].in != NULL)
			pass_rest(f, o, &members[m].name, taken ? 1 : 0);
	}
}

/*
 * The names of DELTA's members in which pieces are looked for.
 */
static size_t
taken_of(struct json_object *delta, const char *list[MEMBERS + 1])
{
	struct wl_str s;
	size_t m, n = 0;

	for (m = 0; m < MEMBERS; m++)
		if (members[m].in != NULL) {
			if (wl_json_obj(delta, members[m].in) != NULL)
				list[n++] = members[m].in;
		} else if (wl_json_str(delta, members[m].name, &s) ||
		    (m == 0 && wl_json_arr(delta, "content") != NULL))
			list[n++] = members[m].name;
	if (wl_json_arr(delta, "tool_calls") != NULL)
		list[n++] = "tool_calls";
	return n;
}

static void
pass_choice(struct wl_policy_sink *f, struct json_object *c, int64_t i)
{
	static const char *const deltas[] = { "delta" };
	const char *taken[MEMBERS + 1];
	struct json_object *delta = wl_json_obj(c, "delta");
	struct wl_str why;
	bool last = wl_json_str(c, "finish_reason", &why);

	if (delta == NULL)
		delta = c;
	/* they would tell what is held, or masked */
	if (wl_json_has(c, "logprobs"))
		json_object_object_add(c, "logprobs", NULL);
	json_object_object_del(delta, "thinking_blocks");
	json_object_object_del(delta, "reasoning_details");
	if (delta != c)
		pass_rest(f, c, deltas, 1);
	pass_rest(f, delta, taken, taken_of(delta, taken));
	pass_tools(f, delta, i);
	pass_members(f, delta, i, last);
	if (last)
		end_texts(f, delta, i, false);
}

bool
wl_policy_choices(struct wl_policy_sink *f, struct json_object *o)
{
	struct json_object *list = wl_json_arr(o, "choices"), *c;
	int64_t index;
	size_t i;

	for (i = 0; list != NULL && i < json_object_array_length(list); i++) {
		c = json_object_array_get_idx(list, i);
		if (!json_object_is_type(c, json_type_object)) {
			(void)wl_policy_walk(f->policy, WL_POLICY_RESPONSE, c,
			    f->tally);
			continue;
		}
		index = (int64_t)i;
		(void)wl_json_int(c, "index", &index);
		pass_choice(f, c, index);
	}
	return list != NULL;
}

void
wl_policy_end_choices(struct wl_policy_sink *f)
{
	bool chat = f->ask->api == WL_API_CHAT;
	struct json_object *o, *list, *c, *delta;
	long long i;
	int k;

	for (k = 0; k < f->nch;) {
		if (sscanf(f->ch[k].key, "%lld.", &i) != 1 ||
		    f->ch[k].held.len == 0) {
			k++;
			continue;
		}
		o = json_object_new_object();
		list = json_object_new_array();
		c = json_object_new_object();
		delta = chat ? json_object_new_object() : c;
		json_object_object_add(o, "id",
		    json_object_new_string(f->res->response_id));
		json_object_object_add(o, "object", json_object_new_string(
		    chat ? "chat.completion.chunk" : "text_completion"));
		json_object_object_add(o, "created",
		    json_object_new_int64(wl_clock_ms() / 1000));
		json_object_object_add(o, "model",
		    json_object_new_string(f->res->model_used));
		json_object_object_add(o, "choices", list);
		json_object_array_add(list, c);
		json_object_object_add(c, "index", json_object_new_int64(i));
		if (chat)
			json_object_object_add(c, "delta", delta);
		end_texts(f, delta, i, false);
		if (!f->stopped)
			wl_policy_put_object(&f->out, WL_STR(""), o);
		json_object_put(o);
		k = 0;	/* all of its texts are gone */
	}
}
