/*
 * The route table: one row a route, the policy in the row.
 */
#include "config.h"
#include "fcgi/ctx.h"

#include <stdio.h>
#include <string.h>

#include "fcgi/h_health.h"
#include "lib/base/arena.h"

const struct wl_route wl_routes[] = {
	{ WL_GET, "/health", wl_h_health_get, WL_WHO_OPEN, 0,
	    WL_LIMITER_NONE, WL_API_MAX, 0, "alive, without I/O" },
	{ WL_GET, "/observability/health", wl_h_health_get, WL_WHO_OPEN, 0,
	    WL_LIMITER_NONE, WL_API_MAX, 0, "alive, without I/O" },
	{ WL_GET, "/v1/health", wl_h_health_get, WL_WHO_OPEN, 0,
	    WL_LIMITER_NONE, WL_API_MAX, 0, "alive, without I/O" },
	{ WL_METHOD_MAX, NULL, NULL, WL_WHO_OPEN, 0, WL_LIMITER_NONE,
	    WL_API_MAX, 0, NULL }
};

/*
 * Whether PATH is what PATTERN says; *ID gets the piece that stands for {id}.
 */
static bool
matches(const char *pattern, const char *path, struct wl_str *id)
{
	for (; *pattern != '\0'; pattern++, path++) {
		if (strncmp(pattern, "{id}", 4) == 0) {
			id->p = path;
			id->len = strcspn(path, "/");
			if (id->len == 0)
				return false;
			pattern += 3;
			path += id->len - 1;
		} else if (*pattern != *path) {
			return false;
		}
	}
	return *path == '\0';
}

static void
allow_add(char allow[64], const char *method)
{
	size_t n = strlen(allow);

	snprintf(allow + n, 64 - n, "%s%s", n == 0 ? "" : ", ", method);
}

const struct wl_route *
wl_route_find(struct wl_arena *a, enum wl_method method, const char *path,
    char **id, char allow[64], struct wl_err *e)
{
	const struct wl_route *r, *found = NULL;
	struct wl_str piece;

	*id = NULL;
	allow[0] = '\0';
	for (r = wl_routes; r->path != NULL; r++) {
		piece = (struct wl_str){ NULL, 0 };
		if (!matches(r->path, path, &piece))
			continue;
		allow_add(allow, wl_method_name(r->method));
		if (r->method == WL_GET)
			allow_add(allow, "HEAD");
		if (r->method != method &&
		    !(r->method == WL_GET && method == WL_HEAD))
			continue;
		found = r;
		if (piece.p != NULL)
			*id = wl_arena_dup(a, piece.p, piece.len);
	}
	if (allow[0] == '\0') {
		wl_err_set(e, WL_E_NOT_FOUND, NULL);
		return NULL;
	}
	allow_add(allow, "OPTIONS");
	if (found == NULL)
		wl_err_set(e, WL_E_METHOD, NULL);
	return found;
}
