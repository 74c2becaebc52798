/*
 * Print the route table for the lint that compares it with the documents: a
 * line for each route, METHOD PATH WHO SCOPE LIMITER HELP.
 */
#include "config.h"
#include "fcgi/ctx.h"

#include <stdio.h>

static const char *const who[] = {
	[WL_WHO_ADMIN] = "admin",
	[WL_WHO_OPEN] = "open",
	[WL_WHO_KEY] = "key",
	[WL_WHO_OPERATOR] = "operator",
};
_Static_assert(sizeof(who) / sizeof(who[0]) == WL_WHO_MAX,
    "a word for everybody");

static const char *const limiter[] = {
	[WL_LIMITER_NONE] = "none",
	[WL_LIMITER_GATEWAY] = "gateway",
};
_Static_assert(sizeof(limiter) / sizeof(limiter[0]) == WL_LIMITER_MAX,
    "a word for every limiter");

int
main(void)
{
	const struct wl_route *r;

	for (r = wl_routes; r->path != NULL; r++)
		printf("%s %s %s %s %s %s\n", wl_method_name(r->method),
		    r->path, who[r->who], r->scope == 0 ? "-" :
		    wl_auth_scope_name(r->scope), limiter[r->limiter],
		    r->help);
	return 0;
}
