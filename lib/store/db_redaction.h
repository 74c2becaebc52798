/*
 * Redaction rules, and the version of what is common to all projects.
 */
#ifndef WL_STORE_DB_REDACTION_H
#define WL_STORE_DB_REDACTION_H

#include <stdbool.h>
#include <stdint.h>

struct wl_arena;
struct wl_err;

/*
 * The present version of providers, routes, prices and redaction rules.  0,
 * or -1 with *E.
 */
int wl_db_catalog_version(struct wl_arena *a, int64_t *version,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * A rule: PATTERN is NULL for a built-in one.  OWN: the project's, in place
 * of a common one of its name.
 */
struct wl_db_redaction {
	const char	*name, *pattern, *replacement;
	bool		 enabled, own;
};
/*
 * The rules that hold for PROJECT (NULL: those common to all), in the order
 * in which they are applied.  0 and *N, or -1 with *E.
 */
int wl_db_redaction(struct wl_arena *a, const char *project,
    struct wl_db_redaction **rows, int *n, struct wl_err *e)
    __attribute__((warn_unused_result));

#endif
