/*
 * Events of responses, messages and transcripts, which have types.
 */
#include "config.h"
#include "lib/core/policy_sink_priv.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/core/policy_body.h"

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

	if (!wl_policy_drain(f, c, &out) || (o = wl_json_parse(f->scratch,
	    c->shell.p, c->shell.len, NULL)) == NULL)
		goto done;
	(void)wl_json_str(o, "type", &type);
	snprintf(word, sizeof(word), "%.*s", (int)type.len, type.p);
	if ((at = find_delta(o, word, &member, key)) != NULL)
		wl_policy_set_text(at, member, &out);
	if (next != NULL && wl_json_int(next, "sequence_number", &n)) {
		json_object_object_add(o, "sequence_number",
		    json_object_new_int64(n + f->extra));
		f->extra++;
	}
	if (!f->stopped)
		wl_policy_put_object(&f->out, f->ask->api ==
		    WL_API_TRANSCRIPTIONS ? WL_STR("") : wl_str_of(word), o);
done:
	f->stopped |= out.failed;
	wl_buf_free(&out);
}

void
wl_policy_put_rests(struct wl_policy_sink *f, const char *type,
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
			wl_policy_forget(f, k);
		} else
			k++;
	}
}

static void
keep_shell(struct wl_policy_sink *f, struct json_object *o,
    struct json_object *at, const char *member, const char *key)
{
	struct wl_policy_channel *c = wl_policy_channel_of(f, key);
	struct json_object *was;
	const char *text;
	size_t len;

	if (c == NULL || c->shell.len > 0 ||
	    !json_object_object_get_ex(at, member, &was))
		return;
	text = wl_policy_plain(o, &len);
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

bool
wl_policy_typed(struct wl_policy_sink *f, struct json_object *o)
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
	if (at != NULL && wl_policy_piece(f, at, member, key, false)) {
		keep_shell(f, o, at, member, key);
		shift(f, o);
		return true;
	}
	/* whatever ends something ends what is held of it */
	wl_policy_put_rests(f, type, o, ends_with(type, ".completed") ||
	    ends_with(type, ".incomplete") || ends_with(type, ".failed") ||
	    strcmp(type, "message_delta") == 0 ||
	    strcmp(type, "message_stop") == 0);
	shift(f, o);
	return pass_whole(f, o) || f->extra > 0;
}
