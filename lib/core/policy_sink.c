/*
 * The filter.  An event is read, its texts go through their channels, and it
 * is written again when anything of it has changed.
 */
#include "config.h"
#include "lib/core/policy_sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/core/error_event.h"
#include "lib/core/policy_body.h"

/* Memory of the parse of one event. */
#define SCRATCH		((size_t)64 * 1024 * 1024)
#define KEY_MAX		96
/* Texts are cut behind a blank, which is looked for in so many bytes. */
#define BLANK_LOOK	((size_t)64)
/* What is held of a text for which there is no good place to cut. */
#define HELD_MAX	((size_t)16 * 1024)
#define ARGUMENTS_MAX	((size_t)1024 * 1024)
#define CUTS_TRIED	8

/*
 * One text as it comes: what is held of it, and an event of ours for what is
 * left when it ends.
 */
struct wl_policy_channel {
	char		 key[KEY_MAX];
	struct wl_buf	 held;
	struct wl_buf	 shell;		/* event, its text empty */
	bool		 json;		/* arguments of a tool: held whole */
};

static struct wl_policy_sink *
filter_of(struct wl_sink *s)
{
	return (struct wl_policy_sink *)(void *)((char *)s -
	    offsetof(struct wl_policy_sink, sink));
}

static void
free_filter(void *p)
{
	struct wl_policy_sink *f = p;
	int i;

	for (i = 0; i < f->nch; i++) {
		wl_buf_free(&f->ch[i].held);
		wl_buf_free(&f->ch[i].shell);
	}
	wl_sse_free(&f->sse);
	wl_buf_free(&f->out);
	wl_arena_free(f->scratch);
}

/* ---- texts ------------------------------------------------------------- */

/*
 * The channel of KEY, made when there is none; NULL: too many.
 */
static struct wl_policy_channel *
channel(struct wl_policy_sink *f, const char *key)
{
	struct wl_policy_channel *c;
	int i;

	for (i = 0; i < f->nch; i++)
		if (strcmp(f->ch[i].key, key) == 0)
			return &f->ch[i];
	if (f->nch == WL_POLICY_CHANNELS)
		return NULL;
	c = &f->ch[f->nch++];
	(void)wl_strlcpy(c->key, key, sizeof(c->key));
	return c;
}

/*
 * The text of channel K has ended.
 */
static void
forget(struct wl_policy_sink *f, int k)
{
	wl_buf_free(&f->ch[k].held);
	wl_buf_free(&f->ch[k].shell);
	f->nch--;
	memmove(&f->ch[k], &f->ch[k + 1], (size_t)(f->nch - k) *
	    sizeof(*f->ch));
	memset(&f->ch[f->nch], 0, sizeof(*f->ch));
}

static void
refuse(struct wl_policy_sink *f, const char *what)
{
	wl_err_set(&f->err, WL_E_UPSTREAM_INVALID, "The answer has too %s "
	    "for the project's policy.", what);
	f->stopped = true;
}

/*
 * What P becomes, whose bytes *T has; what is found counts there.
 */
static void
look(struct wl_policy_sink *f, const char *p, size_t len, struct wl_buf *out,
    struct wl_policy_tally *t)
{
	t->bytes[1] -= (int64_t)len;
	(void)wl_policy_apply(f->policy, WL_POLICY_RESPONSE,
	    (struct wl_str){ p, len }, out, t);
}

/*
 * A place before AT to cut at: behind a blank if one is near, never within a
 * character.
 */
static size_t
place(const char *p, size_t at)
{
	size_t i;

	for (i = at; i > 0 && at - i < BLANK_LOOK; i--)
		if (p[i - 1] == ' ' || p[i - 1] == '\n')
			return i;
	while (at > 0 && ((unsigned char)p[at] & 0xc0) == 0x80)
		at--;
	return at;
}

/*
 * Whether what C holds becomes the same when it is cut at AT; then *OUT gets
 * what the first part became, and *T what was found in it.
 */
static bool
try_cut(struct wl_policy_sink *f, struct wl_policy_channel *c, size_t at,
    const struct wl_buf *whole, struct wl_buf *out, struct wl_policy_tally *t)
{
	struct wl_policy_tally first = *f->tally, rest = *f->tally;
	struct wl_buf a = { 0 }, b = { 0 };
	bool same;

	look(f, c->held.p, at, &a, &first);
	look(f, c->held.p + at, c->held.len - at, &b, &rest);
	same = !a.failed && !b.failed && a.len + b.len == whole->len &&
	    (a.len == 0 || memcmp(whole->p, a.p, a.len) == 0) &&
	    (b.len == 0 || memcmp(whole->p + a.len, b.p, b.len) == 0);
	if (same) {
		wl_buf_add(out, a.p, a.len);
		*t = first;
	}
	wl_buf_free(&a);
	wl_buf_free(&b);
	return same;
}

/*
 * The same for arguments, which are JSON only when all is there.
 */
static void
push_arguments(struct wl_policy_sink *f, struct wl_policy_channel *c,
    struct wl_str text, bool last, struct wl_buf *out)
{
	wl_buf_add(&c->held, text.p, text.len);
	if (c->held.failed || c->held.len > ARGUMENTS_MAX) {
		refuse(f, "long arguments");
		return;
	}
	if (!last || c->held.len == 0)
		return;
	(void)wl_policy_arguments(f->policy, WL_POLICY_RESPONSE,
	    (struct wl_str){ c->held.p, c->held.len }, out, f->tally);
	wl_buf_reset(&c->held);
}

/*
 * TEXT comes to C; append what may pass to OUT.  LAST: nothing follows.  What
 * is blocked is seen as soon as it is there.
 */
static void
push(struct wl_policy_sink *f, struct wl_policy_channel *c,
    struct wl_str text, bool last, struct wl_buf *out)
{
	struct wl_policy_tally all;
	struct wl_buf whole = { 0 };
	size_t at, i;

	if (c->json) {
		push_arguments(f, c, text, last, out);
		return;
	}
	wl_buf_add(&c->held, text.p, text.len);
	f->tally->bytes[1] += (int64_t)text.len;
	all = *f->tally;
	look(f, c->held.p == NULL ? "" : c->held.p, c->held.len, &whole,
	    &all);
	if (all.blocked != -1 || last || c->held.failed || whole.failed) {
		*f->tally = all;
		wl_buf_add(out, whole.p, whole.len);
		out->failed |= c->held.failed || whole.failed;
		wl_buf_reset(&c->held);
		wl_buf_free(&whole);
		return;
	}
	at = c->held.len > WL_POLICY_WINDOW ? c->held.len - WL_POLICY_WINDOW :
	    0;
	for (i = 0; i < CUTS_TRIED && at > 0; i++) {
		at = place(c->held.p, at);
		if (at > 0 && try_cut(f, c, at, &whole, out, f->tally)) {
			wl_buf_drop(&c->held, at);
			wl_buf_free(&whole);
			return;
		}
		at = at > BLANK_LOOK ? at - BLANK_LOOK : 0;
	}
	if (c->held.len > HELD_MAX) {
		*f->tally = all;
		wl_buf_add(out, whole.p, whole.len);
		wl_buf_reset(&c->held);
	}
	wl_buf_free(&whole);
}

/* ---- events ------------------------------------------------------------ */

/*
 * Ids are left out: what is held when a connection breaks would be missing
 * when the stream goes on behind one.
 */
static void
put_event(struct wl_buf *b, struct wl_str name, const char *data, size_t len)
{
	size_t i;

	if (name.len > 0)
		wl_buf_printf(b, "event: %.*s\n", (int)name.len, name.p);
	wl_buf_adds(b, "data: ");
	for (i = 0; i < len; i++)	/* JSON has no line end in a string */
		wl_buf_addc(b, data[i] == '\n' ? ' ' : data[i]);
	wl_buf_adds(b, "\n\n");
}

static const char *
plain(struct json_object *o, size_t *len)
{
	return json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN |
	    JSON_C_TO_STRING_NOSLASHESCAPE, len);
}

static void
put_object(struct wl_buf *b, struct wl_str name, struct json_object *o)
{
	const char *text;
	size_t len;

	text = plain(o, &len);
	put_event(b, name, text, len);
}

static void
set_text(struct json_object *o, const char *key, const struct wl_buf *b)
{
	json_object_object_add(o, key, json_object_new_string_len(
	    b->p == NULL ? "" : b->p, (int)b->len));
}

/*
 * String KEY of O is a piece of the text of CH.  LAST as for push().
 */
static bool
pass_piece(struct wl_policy_sink *f, struct json_object *o, const char *key,
    const char *ch, bool last)
{
	struct wl_policy_channel *c;
	struct wl_buf out = { 0 };
	struct wl_str s;

	if (!wl_json_str(o, key, &s))
		return false;
	if ((c = channel(f, ch)) == NULL) {
		refuse(f, "many parts");
		return true;
	}
	c->json = strstr(ch, "arguments") != NULL ||
	    strcmp(key, "partial_json") == 0;
	push(f, c, s, last, &out);
	set_text(o, key, &out);
	f->stopped |= out.failed;
	wl_buf_free(&out);
	return true;
}

/*
 * What is left of the text of CH, into OUT; false: nothing.
 */
static bool
drain(struct wl_policy_sink *f, struct wl_policy_channel *c,
    struct wl_buf *out)
{
	if (c->held.len == 0)
		return false;
	push(f, c, WL_STR(""), true, out);
	return out->len > 0;
}

/* ---- chats and completions ---- */

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
		set_text(call, "text", out);
		json_object_array_add(list, call);
		return;
	}
	for (k = 0; k < MEMBERS; k++)
		if (strcmp(key, members[k].name) == 0) {
			set_text(members[k].in == NULL ? delta : make_obj(
			    delta, members[k].in), key, out);
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
			set_text(make_obj(call, tools[k].in), key + n, out);
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
		if (drain(f, &f->ch[k], &out))
			put_held(delta, key + n, &out);
		forget(f, k);
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
		taken = pass_piece(f, o, tools[k].name, key, false);
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
		taken = pass_piece(f, part, "text", key, false);
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
		taken = pass_piece(f, o, members[m].name, key, last);
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

static bool
pass_choices(struct wl_policy_sink *f, struct json_object *o)
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

/*
 * The stream ends though no choice did: a chunk of ours for each text.
 */
static void
end_choices(struct wl_policy_sink *f)
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
			put_object(&f->out, WL_STR(""), o);
		json_object_put(o);
		k = 0;	/* all of its texts are gone */
	}
}

/* ---- responses, messages, transcripts: typed events ---- */

static bool
ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);

	return n >= m && strcmp(s + n - m, tail) == 0;
}

static void
read_place(struct json_object *o, int64_t *a, int64_t *b)
{
	(void)wl_json_int(o, "output_index", a);
	if (!wl_json_int(o, "content_index", b))
		(void)wl_json_int(o, "summary_index", b);
}

/*
 * Where the text of a typed event stands, and its channel in KEY.
 */
static struct json_object *
find_delta(struct json_object *o, const char *type, const char **member,
    char key[KEY_MAX])
{
	static const char *const of_block[] = { "partial_json", "text",
	    "thinking" };
	struct json_object *delta = wl_json_obj(o, "delta");
	int64_t a = 0, b = 0;
	size_t i;

	if (strcmp(type, "content_block_delta") == 0) {
		(void)wl_json_int(o, "index", &a);
		snprintf(key, KEY_MAX, "content_block_|%lld", (long long)a);
		for (i = 0; i < 3; i++)
			if (wl_json_has(delta, of_block[i])) {
				*member = of_block[i];
				return delta;
			}
		return NULL;
	}
	*member = "delta";
	read_place(o, &a, &b);
	i = strlen(type);
	snprintf(key, KEY_MAX, "%.*s|%lld.%lld", i > 5 ? (int)(i - 5) : 0,
	    type, (long long)a, (long long)b);
	return i > 6 && i < 64 && strcmp(type + i - 6, ".delta") == 0 ? o :
	    NULL;
}

static void
shift(struct wl_policy_sink *f, struct json_object *o)
{
	int64_t n;

	if (f->extra > 0 && wl_json_int(o, "sequence_number", &n))
		json_object_object_add(o, "sequence_number",
		    json_object_new_int64(n + f->extra));
}

/*
 * An event of ours with what is left of C; NEXT is the event before which it
 * goes, or NULL.
 */
static void
put_rest(struct wl_policy_sink *f, struct wl_policy_channel *c,
    struct json_object *next)
{
	struct wl_str type = WL_STR("");
	struct wl_buf out = { 0 };
	struct json_object *o, *at;
	const char *member;
	char key[KEY_MAX], word[80];
	int64_t n;

	if (!drain(f, c, &out) || (o = wl_json_parse(f->scratch, c->shell.p,
	    c->shell.len, NULL)) == NULL)
		goto done;
	(void)wl_json_str(o, "type", &type);
	snprintf(word, sizeof(word), "%.*s", (int)type.len, type.p);
	if ((at = find_delta(o, word, &member, key)) != NULL)
		set_text(at, member, &out);
	if (next != NULL && wl_json_int(next, "sequence_number", &n)) {
		json_object_object_add(o, "sequence_number",
		    json_object_new_int64(n + f->extra));
		f->extra++;
	}
	if (!f->stopped)
		put_object(&f->out, f->ask->api == WL_API_TRANSCRIPTIONS ?
		    WL_STR("") : wl_str_of(word), o);
done:
	f->stopped |= out.failed;
	wl_buf_free(&out);
}

/*
 * Channels that NEXT, of TYPE, ends: those of its own text, or all.
 */
static void
put_rests(struct wl_policy_sink *f, const char *type,
    struct json_object *next, bool all)
{
	const char *bar, *dot = strrchr(type, '.');
	char key[KEY_MAX] = "", item[32];
	int64_t a = 0, b = 0;
	size_t n;
	int k;

	if (strcmp(type, "content_block_stop") == 0) {
		(void)wl_json_int(next, "index", &a);
		snprintf(key, sizeof(key), "content_block_|%lld",
		    (long long)a);
	} else if (dot != NULL) {
		read_place(next, &a, &b);
		snprintf(key, sizeof(key), "%.*s|%lld.%lld",
		    (int)(dot - type) + 1, type, (long long)a, (long long)b);
	}
	n = (size_t)snprintf(item, sizeof(item), "|%lld.", (long long)a);
	if (!ends_with(type, ".output_item.done"))
		n = 0;
	for (k = 0; k < f->nch;) {
		bar = strchr(f->ch[k].key, '|');
		if (bar != NULL && (all || strcmp(f->ch[k].key, key) == 0 ||
		    (n > 0 && strncmp(bar, item, n) == 0))) {
			put_rest(f, &f->ch[k], next);
			forget(f, k);
		} else
			k++;
	}
}

static void
keep_shell(struct wl_policy_sink *f, struct json_object *o,
    struct json_object *at, const char *member, const char *key)
{
	struct wl_policy_channel *c = channel(f, key);
	struct json_object *was;
	const char *text;
	size_t len;

	if (c == NULL || c->shell.len > 0 ||
	    !json_object_object_get_ex(at, member, &was))
		return;
	text = plain(o, &len);
	wl_buf_add(&c->shell, text, len);
	f->stopped |= c->shell.failed;
}

/*
 * Event O brings no piece of a text, but may bring texts whole.  All but
 * messages tell a text again when it is done, and all of them at the end,
 * beside what was asked.
 */
static bool
pass_whole(struct wl_policy_sink *f, struct json_object *o)
{
	static const char *const said[] = { "output", "output_text" };
	struct wl_policy_tally again = WL_POLICY_TALLY;
	struct json_object *response = wl_json_obj(o, "response"), *v;
	bool changed = false;
	size_t i;

	if (f->ask->api == WL_API_MESSAGES)
		return wl_policy_walk(f->policy, WL_POLICY_RESPONSE, o,
		    f->tally);
	if (response == NULL)
		changed = wl_policy_walk(f->policy, WL_POLICY_RESPONSE, o,
		    &again);
	for (i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		if (json_object_object_get_ex(response, said[i], &v))
			changed |= wl_policy_walk(f->policy,
			    WL_POLICY_RESPONSE, v, &again);
	wl_policy_again(f->tally, &again);
	return changed;
}

static bool
pass_typed(struct wl_policy_sink *f, struct json_object *o)
{
	struct json_object *at;
	const char *member;
	struct wl_str s;
	char key[KEY_MAX], type[80];

	if (!wl_json_str(o, "type", &s) || s.len >= sizeof(type))
		s = WL_STR("");
	snprintf(type, sizeof(type), "%.*s", (int)s.len, s.p);
	at = find_delta(o, type, &member, key);
	if (wl_json_has(o, "logprobs"))
		json_object_object_add(o, "logprobs",
		    json_object_new_array());
	if (at != NULL && pass_piece(f, at, member, key, false)) {
		keep_shell(f, o, at, member, key);
		shift(f, o);
		return true;
	}
	/* whatever ends something ends what is held of it */
	put_rests(f, type, o, ends_with(type, ".completed") ||
	    ends_with(type, ".incomplete") || ends_with(type, ".failed") ||
	    strcmp(type, "message_delta") == 0 ||
	    strcmp(type, "message_stop") == 0);
	shift(f, o);
	return pass_whole(f, o) || f->extra > 0;
}

/* ---- one event --------------------------------------------------------- */

/*
 * The event EV goes to f->out as it may pass.
 */
static void
pass_event(struct wl_policy_sink *f, const struct wl_sse_event *ev)
{
	bool typed = f->ask->api != WL_API_CHAT &&
	    f->ask->api != WL_API_COMPLETIONS, changed;
	struct wl_str data = ev->data;
	struct json_object *o;
	const char *text;
	size_t len;

	if (wl_str_eq(wl_str_trim(data), "[DONE]") || data.len == 0) {
		put_event(&f->out, ev->name, data.p, data.len);
		return;
	}
	o = wl_json_parse(f->scratch, data.p, data.len, NULL);
	if (!json_object_is_type(o, json_type_object)) {
		wl_err_set(&f->err, WL_E_UPSTREAM_INVALID, "An event of the "
		    "answer is too complex for the project's policy.");
		f->stopped = true;
		return;
	}
	changed = typed ? pass_typed(f, o) : pass_choices(f, o);
	if (f->tally->blocked != -1)
		f->stopped = true;
	if (f->stopped)
		return;
	text = changed ? plain(o, &len) : data.p;
	put_event(&f->out, ev->name, text, changed ? len : data.len);
}

/*
 * The events in P, complete ones, go to f->out.  -1: no more may pass.
 */
static int
pass_events(struct wl_policy_sink *f, const char *p, size_t len)
{
	struct wl_sse_event ev;
	int rc = 0;

	while (!f->stopped && (rc = wl_sse_feed(&f->sse, &p, &len, &ev)) ==
	    1) {
		pass_event(f, &ev);
		wl_arena_reset(f->scratch);
	}
	if (rc == -1 || f->out.failed)
		f->stopped = true;
	return f->stopped ? -1 : 0;
}

/*
 * The stream ends here, with an error.  Returns -1.
 */
static int
stop(struct wl_policy_sink *f)
{
	struct wl_err was = f->res->err;
	struct wl_str said = f->res->refusal;
	struct wl_buf b = { 0 };

	f->stopped = true;
	if (f->tally->blocked != -1)
		(void)wl_policy_blocked(f->policy, f->tally, &f->err);
	else if (f->err.code == WL_OK)
		(void)wl_err_memory(&f->err);
	if (!f->streaming)
		return -1;
	f->res->err = f->err;
	f->res->refusal = WL_STR("");
	wl_error_event(&b, f->ask->api, f->res, f->request_id);
	f->res->err = was;
	f->res->refusal = said;
	if (!b.failed)
		(void)f->next->end(f->next, b.p, b.len);
	wl_buf_free(&b);
	return -1;
}

/*
 * What was made of events goes on.
 */
static int
send(struct wl_policy_sink *f)
{
	int rc = 0;

	if (f->out.len > 0)
		rc = f->next->data(f->next, f->out.p, f->out.len);
	wl_buf_reset(&f->out);
	return rc;
}

/* ---- the sink ---------------------------------------------------------- */

static int
sink_begin(struct wl_sink *s, int status, const char *type, bool stream)
{
	struct wl_policy_sink *f = filter_of(s);

	f->streaming = stream;
	f->status = status;
	f->type = type;
	if (!stream)
		return 0;
	f->next->begun = true;
	return f->next->begin(f->next, status, type, true);
}

static int
whole(struct wl_policy_sink *f, struct wl_str body)
{
	if (wl_policy_answer(f->policy, f->a, f->ask->api, body, &body,
	    f->tally, &f->err) == -1)
		return stop(f);
	f->next->begun = true;
	return f->next->begin(f->next, f->status, f->type, false) == -1 ? -1 :
	    f->next->data(f->next, body.p, body.len);
}

static int
sink_data(struct wl_sink *s, const char *p, size_t len)
{
	struct wl_policy_sink *f = filter_of(s);

	if (f->stopped)
		return -1;
	if (!f->streaming)
		return whole(f, (struct wl_str){ p, len });
	if (pass_events(f, p, len) == -1)
		return stop(f);
	f->next->data_sent = s->data_sent;
	return send(f);
}

static int
sink_heartbeat(struct wl_sink *s)
{
	struct wl_policy_sink *f = filter_of(s);

	if (f->stopped)
		return -1;
	f->streaming = true;
	f->next->begun = true;
	return f->next->heartbeat(f->next);
}

/*
 * What is still held goes before the figures.
 */
static int
sink_trailer(struct wl_sink *s, const struct wl_result *res)
{
	struct wl_policy_sink *f = filter_of(s);

	if (f->stopped)
		return -1;
	end_choices(f);
	put_rests(f, "", NULL, true);
	wl_arena_reset(f->scratch);
	if (f->stopped || f->tally->blocked != -1)
		return stop(f);
	return send(f) == -1 ? -1 : f->next->trailer(f->next, res);
}

static int
sink_end(struct wl_sink *s, const char *p, size_t len)
{
	struct wl_policy_sink *f = filter_of(s);
	int rc;

	if (f->stopped)
		return -1;
	if (len == 0) {		/* nothing was sent behind the held */
		end_choices(f);
		put_rests(f, "", NULL, true);
	}
	if (pass_events(f, p, len) == -1 || f->tally->blocked != -1)
		return stop(f);
	rc = f->next->end(f->next, f->out.p == NULL ? "" : f->out.p,
	    f->out.len);
	wl_buf_reset(&f->out);
	return rc;
}

struct wl_policy_sink *
wl_policy_sink_new(struct wl_sink *next, struct wl_arena *a,
    const struct wl_ask *ask, struct wl_result *res, const char *request_id)
{
	struct wl_policy_sink *f = wl_arena_alloc(a, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->next = next;
	f->policy = res->policy;
	f->tally = &res->found;
	f->a = a;
	f->ask = ask;
	f->res = res;
	f->request_id = request_id;
	f->idle = !wl_policy_is_for(f->policy, WL_POLICY_RESPONSE) ||
	    !wl_policy_reads(ask->api);
	if (f->idle)
		return f;
	f->sink = (struct wl_sink){ .begin = sink_begin, .data = sink_data,
	    .heartbeat = sink_heartbeat, .trailer = sink_trailer,
	    .end = sink_end, .fd = next->fd };
	wl_sse_init(&f->sse, WL_POLICY_EVENT);
	wl_buf_init(&f->out, 2 * WL_POLICY_EVENT);
	f->ch = wl_arena_alloc(a, WL_POLICY_CHANNELS * sizeof(*f->ch));
	f->scratch = wl_arena_new(SCRATCH);
	if (wl_arena_defer(a, free_filter, f) == -1 || f->ch == NULL ||
	    f->scratch == NULL)
		return NULL;
	return f;
}

struct wl_sink *
wl_policy_sink_of(struct wl_policy_sink *f)
{
	return f->idle ? f->next : &f->sink;
}

/*
 * The gathered text as it was allowed to pass.
 */
static void
mask_result(struct wl_policy_sink *f)
{
	struct wl_result *res = f->res;
	struct wl_policy_tally t = WL_POLICY_TALLY;
	struct json_object *o;
	struct wl_buf b;

	wl_buf_init(&b, res->keep + 1);
	if (res->text.len > 0 && wl_policy_apply(f->policy,
	    WL_POLICY_RESPONSE, (struct wl_str){ res->text.p, res->text.len },
	    &b, &t)) {
		wl_buf_reset(&res->text);
		wl_buf_add(&res->text, b.p, b.len);
	}
	wl_buf_free(&b);
	wl_buf_init(&b, 0);
	if (res->tools.len == 0)
		return;
	wl_buf_addc(&b, '[');
	wl_buf_add(&b, res->tools.p, res->tools.len);
	wl_buf_addc(&b, ']');
	o = b.failed ? NULL : wl_json_parse(f->a, b.p, b.len, NULL);
	if (o == NULL || wl_policy_walk(f->policy, WL_POLICY_RESPONSE, o, &t))
		wl_buf_reset(&res->tools);
	wl_buf_free(&b);
}

void
wl_policy_sink_end(struct wl_policy_sink *f)
{
	struct wl_result *res = f->res;

	if (f->idle)
		return;
	mask_result(f);
	if (!f->stopped)
		return;
	/* the provider has answered, and is paid for it */
	if (res->outcome == WL_O_CLIENT_GONE ||
	    res->outcome == WL_O_UPSTREAM_FAILED)
		res->outcome = WL_O_ANSWERED;
	res->err = f->err;
	res->refusal = (struct wl_str){ NULL, 0 };
	res->http = f->next->begun ? 200 : wl_err_row(f->err.code)->http;
}
