/*
 * What the parts of face_messages.c share.  Nobody else includes it.
 */
#ifndef WL_CORE_FACE_MESSAGES_PRIV_H
#define WL_CORE_FACE_MESSAGES_PRIV_H

#include "lib/base/json.h"
#include "lib/core/face_messages.h"

/*
 * A request in the making.
 */
struct wl_facing {
	struct wl_arena	*a;
	struct wl_jw	 w;
	struct wl_err	*e;
};

/*
 * PATH, in the words of Anthropic's API, cannot be said in a chat: *E.
 * Returns -1.
 */
int wl_face_cannot(struct wl_facing *c, const char *path, const char *what);

/*
 * Whether O has no members but KNOWN (NULL-ended) and such that are null;
 * else -1 with *E, which names the other one below PATH ("" for none).
 */
int wl_face_known(struct wl_facing *c, struct json_object *o,
    const char *path, const char *const *known);

/*
 * The path of member KEY of PATH, or of element I when KEY is NULL; never
 * NULL.
 */
const char *wl_face_path(struct wl_facing *c, const char *path,
    const char *key, size_t i);

/*
 * Whether O's member "type" is NAME.
 */
bool wl_face_is(struct json_object *o, const char *name);

/*
 * O as a member as it stands.
 */
void wl_face_put(struct wl_facing *c, const char *key, struct json_object *o);

/*
 * The messages of ASK, with its system, as elements of the open array.  0, or
 * -1 with *E.
 */
int wl_face_messages(struct wl_facing *c, struct json_object *ask);

/*
 * The word for why a chat ended: FINISH is its own, TOOLS whether it has
 * called some, REFUSED whether it has refused.
 */
const char *wl_face_stop(const char *finish, bool tools, bool refused);

/*
 * The usage object U as member "usage".
 */
void wl_face_usage(struct wl_jw *w, const struct wl_usage *u);

/*
 * The ID of a call of a tool, or one made for call N, which came without: some
 * hosts give none, and a client could not tell their results apart.
 */
struct wl_str wl_face_call_id(const struct wl_face_messages *f,
    struct wl_str id, int64_t n, char made[64]);

/*
 * Whether the client of ASK wants to see thinking.
 */
bool wl_face_thinks(const struct wl_ask *ask);

/*
 * The chat answer BODY as a message into B.  0, or -1: it is none.
 */
int wl_face_answer(struct wl_face_messages *f, struct wl_str body,
    struct wl_buf *b);

/*
 * The data of a chat's event into f->out.  0, or -1 with f->err.
 */
int wl_face_event(struct wl_face_messages *f, struct wl_str data);

/*
 * All that comes before message_stop into f->out.
 */
void wl_face_close(struct wl_face_messages *f);

#endif
