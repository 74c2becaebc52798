/*
 * Parts of Anthropic's wire format, of which provider_anthropic.c makes a
 * whole: what an API needs of it stands in a file of its own.
 */
#ifndef WL_CORE_PROVIDER_ANTHROPIC_H
#define WL_CORE_PROVIDER_ANTHROPIC_H

#include "lib/core/provider.h"

struct json_object;
struct wl_jw;

/*
 * Its one path for answers, and the version of the API that is asked for
 * where the client names none.
 */
#define WL_ANTHROPIC_MESSAGES	"/messages"
#define WL_ANTHROPIC_VERSION	"2023-06-01"

/*
 * Headers of a request to T into u->headers, u->url with PATH; ASK may be
 * NULL.  0, or -1 with *E.
 */
int wl_anthropic_head(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, const char *path, const char *request_id,
    struct wl_upcall *u, struct wl_err *e);

/*
 * The usage object U in disjoint classes into *OUT.  What it does not tell
 * stays as it was: the events of a stream tell different parts of it.
 */
void wl_anthropic_usage(struct json_object *u, struct wl_usage *out);

/*
 * As in struct wl_provider, for clients that speak the same.
 */
int wl_anthropic_message(struct wl_arena *a, const struct wl_target *t,
    struct wl_str body, struct wl_result *res);
int wl_anthropic_count(struct wl_arena *a, const struct wl_target *t,
    struct wl_str body, struct wl_result *res);
enum wl_chunk wl_anthropic_event(struct wl_arena *a,
    const struct wl_target *t, struct wl_str data, struct wl_result *res);

/*
 * The same for clients that speak OpenAI's chat; and the body of a message
 * for ASK: 0, or -1 with *E.
 */
int wl_anthropic_chat(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_jw *w, struct wl_err *e);
int wl_anthropic_chat_answer(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str body, struct wl_result *res);
enum wl_chunk wl_anthropic_chat_event(struct wl_arena *a,
    const struct wl_ask *ask, const struct wl_target *t, struct wl_str data,
    struct wl_result *res, struct wl_relay *relay);

#endif
