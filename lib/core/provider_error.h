/*
 * What a provider says in an error, in OpenAI's shape or one of those that
 * are near to it: {"error": {…}}, {"error": "…"}, {"message": "…"},
 * {"detail": "…"}.
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
 * Read the error in WHOLE into *RES: err.msg (when it says something),
 * upstream_code, and in refusal, in A, the error as the client may see it.
 * Whatever looks like a key is taken out, and so is the key of T, which may
 * be NULL.
 */
void wl_provider_error_read(struct wl_arena *a, const struct wl_target *t,
    struct json_object *whole, struct wl_result *res);

#endif
