/*
 * One text as it comes: what may pass, and what is held.
 */
#include "config.h"
#include "lib/core/policy_sink_priv.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/base/json.h"
#include "lib/core/policy_body.h"

/* Texts are cut behind a blank, which is looked for in so many bytes. */
#define BLANK_LOOK	((size_t)64)
/* What is held of a text for which there is no good place to cut. */
#define HELD_MAX	((size_t)16 * 1024)
#define ARGUMENTS_MAX	((size_t)1024 * 1024)
#define CUTS_TRIED	8

struct wl_policy_channel *
wl_policy_channel_of(struct wl_policy_sink *f, const char *key)
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

void
wl_policy_forget(struct wl_policy_sink *f, int k)
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

bool
wl_policy_piece(struct wl_policy_sink *f, struct json_object *o,
    const char *key, const char *ch, bool last)
{
	struct wl_policy_channel *c;
	struct wl_buf out = { 0 };
	struct wl_str s;

	if (!wl_json_str(o, key, &s))
		return false;
	if ((c = wl_policy_channel_of(f, ch)) == NULL) {
		refuse(f, "many parts");
		return true;
	}
	c->json = strstr(ch, "arguments") != NULL ||
	    strcmp(key, "partial_json") == 0;
	push(f, c, s, last, &out);
	wl_policy_set_text(o, key, &out);
	f->stopped |= out.failed;
	wl_buf_free(&out);
	return true;
}

bool
wl_policy_drain(struct wl_policy_sink *f, struct wl_policy_channel *c,
    struct wl_buf *out)
{
	if (c->held.len == 0)
		return false;
	push(f, c, WL_STR(""), true, out);
	return out->len > 0;
}
