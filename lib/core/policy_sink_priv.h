/*
 * What the policy_sink*.c share.  Nobody else includes it.
 */
#ifndef WL_CORE_POLICY_SINK_PRIV_H
#define WL_CORE_POLICY_SINK_PRIV_H

#include "lib/core/policy_sink.h"

#include <stdbool.h>
#include <stddef.h>

struct json_object;

#define KEY_MAX	96

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

/* ---- policy_sink_text.c ---- */

/*
 * The channel of KEY, made when there is none; NULL: too many.
 */
struct wl_policy_channel *wl_policy_channel_of(struct wl_policy_sink *f,
    const char *key);

/*
 * The text of channel K has ended.
 */
void wl_policy_forget(struct wl_policy_sink *f, int k);

/*
 * String KEY of O, if it is one, is a piece of the text of channel CH, and
 * becomes what may pass.  LAST: nothing follows.
 */
bool wl_policy_piece(struct wl_policy_sink *f, struct json_object *o,
    const char *key, const char *ch, bool last);

/*
 * What is left of the text of C, into OUT; false: nothing.
 */
bool wl_policy_drain(struct wl_policy_sink *f, struct wl_policy_channel *c,
    struct wl_buf *out);

/* ---- policy_sink.c ---- */

const char *wl_policy_plain(struct json_object *o, size_t *len);
void wl_policy_put_object(struct wl_buf *b, struct wl_str name,
    struct json_object *o);
void wl_policy_set_text(struct json_object *o, const char *key,
    const struct wl_buf *b);

/* ---- policy_sink_chat.c: chats and completions ---- */

/*
 * Event O as it may pass; whether it may have changed.
 */
bool wl_policy_choices(struct wl_policy_sink *f, struct json_object *o);

/*
 * The stream ends though no choice did: a chunk of ours for each text.
 */
void wl_policy_end_choices(struct wl_policy_sink *f);

/* ---- policy_sink_typed.c: responses, messages, transcripts ---- */

/*
 * As wl_policy_choices().
 */
bool wl_policy_typed(struct wl_policy_sink *f, struct json_object *o);

/*
 * What is left of the texts that event NEXT, of TYPE, ends, or of ALL, goes
 * before it.
 */
void wl_policy_put_rests(struct wl_policy_sink *f, const char *type,
    struct json_object *next, bool all);

#endif
