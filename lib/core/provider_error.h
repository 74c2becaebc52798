/*
 * What a provider says in an error, in OpenAI's shape or one of those that
 * are near to it: {"error": {…}}, {"error": "…"}, {"message": …},
 * {"detail": …}, where a text may be a list of {"loc": […], "msg": "…"} as
 * FastAPI has them, and any of them in an array.
 */
#ifndef WL_CORE_PROVIDER_ERROR_H
#define WL_CORE_PROVIDER_ERROR_H

#include "lib/core/call.h"

struct json_object;
struct wl_arena;
struct wl_target;

/* Most bytes of an error answer that are read. */
#define WL_PROVIDER_ERROR_MAX	((size_t)64 * 1024)

/*
 * Whether member "error" of WHOLE, or O, which is one, tells of an error:
 * some hosts send an empty one with every answer.
 */
bool wl_provider_error_is(struct json_object *whole);
bool wl_provider_error_tells(struct json_object *o);

/*
 * Read the error in WHOLE into *RES: err.msg (when it says something),
 * upstream_code, and in refusal, in A, the error as the client may see it,
 * with TYPE and CODE where it has none of its own; CODE may be NULL.  Whatever looks like a key is taken out, and so is the key of T, which may
 * be NULL.
 */
void wl_provider_error_read(struct wl_arena *a, const struct wl_target *t,
    struct json_object *whole, const char *type, const char *code,
    struct wl_result *res);

/*
 * Seconds of a Retry-After header: a number or a date in one of the three
 * forms of RFC 9110, 5.6.7; 0: neither, or V is NULL.
 */
int wl_provider_error_retry_after(const char *v);

/*
 * Set RES->err to what STATUS of T, no success, is for the client; what
 * wl_provider_error_read() found is in its msg, and is kept where it may be
 * told.  RETRY is the header Retry-After, or NULL.  Returns whether another
 * target may do better.
 */
bool wl_provider_error_map(struct wl_result *res, const struct wl_target *t,
    int status, const char *retry);

#endif
