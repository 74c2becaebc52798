/*
 * Rules of routing and feature flags, as workers read them and operators
 * change them.
 */
#ifndef WL_STORE_DB_ROUTE_H
#define WL_STORE_DB_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wl_arena;
struct wl_err;

/*
 * Most rules of one project, and of those for all.
 */
#define WL_DB_RULES_MAX	256

struct wl_db_rule {
	const char	*name, *definition;	/* JSON object */
	size_t		 len;			/* of the definition */
	int64_t		 created_ms;
};
/*
 * PROJECT's own enabled rules, or with NULL those for all projects, in their
 * order, as role app.  0 and *N, or -1 with *E.
 */
int wl_db_rules(struct wl_arena *a, const char *project,
    struct wl_db_rule **rows, int *n, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * All feature flags; the lists of projects have commas between and at both
 * ends (",a,b,"), PERCENT is in hundredths of one.
 */
struct wl_db_flag {
	const char	*name, *on, *off;
	int		 percent;
};
int wl_db_flags(struct wl_arena *a, struct wl_db_flag **rows, int *n,
    struct wl_err *e) __attribute__((warn_unused_result));

/* ---- changes, as db_admin.h describes them ------------------------------ */

/*
 * PROJECT NULL: a rule for all projects, and *VERSION is untouched.  A rule
 * of that name is replaced.  0 when the project does not exist; -1 with
 * WL_E_INVALID_REQUEST too when there are WL_DB_RULES_MAX already.
 */
int wl_db_admin_rule_set(struct wl_arena *a, const char *actor,
    const char *project, const char *name, const char *definition,
    int64_t *version, struct wl_err *e) __attribute__((warn_unused_result));
int wl_db_admin_rule_remove(struct wl_arena *a, const char *actor,
    const char *project, const char *name, int64_t *version,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * PERCENT as text ("12.5"); ON and OFF are lists with commas between, "" for
 * none.  Each may be NULL: it stays, and is 0 or none in a new flag.
 */
int wl_db_admin_flag_set(struct wl_arena *a, const char *actor,
    const char *name, const char *percent, const char *on, const char *off,
    struct wl_err *e) __attribute__((warn_unused_result));
int wl_db_admin_flag_remove(struct wl_arena *a, const char *actor,
    const char *name, struct wl_err *e) __attribute__((warn_unused_result));

#endif
