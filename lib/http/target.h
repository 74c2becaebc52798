/*
 * The target of a request: REQUEST_URI to the one path string that routing
 * and authentication use.
 */
#ifndef WL_HTTP_TARGET_H
#define WL_HTTP_TARGET_H

struct wl_arena;
struct wl_err;

/*
 * Split URI (origin form or absolute form, RFC 9112 3.2) into *PATH, decoded
 * once and without its base, *BASE, what was cut off, and *QUERY, raw and
 * never NULL.  BASE_PATH is the configured base ("/llm", with or without
 * slashes at its ends); empty: all before the first /v1/ or /observability/.
 * All three live in A.
 *
 * Returns 0, or -1 with *E: WL_E_INVALID_REQUEST for a malformed escape, a
 * control character, '\\', '#', NUL, an encoded '/' (but after
 * "/v1/models/": names of models have slashes), "//", a ".." segment,
 * what is no UTF-8 or neither form; WL_E_NOT_FOUND when BASE_PATH is not a
 * prefix; WL_E_UNAVAILABLE when memory is out.  *PATH, *BASE and *QUERY are
 * then untouched.
 */
int wl_target_parse(struct wl_arena *a, const char *uri, const char *base_path,
    char **path, char **base, char **query, struct wl_err *e);

#endif
