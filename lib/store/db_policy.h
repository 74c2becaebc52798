/*
 * Rules of policy on content, as workers read them and operators change them.
 */
#ifndef WL_STORE_DB_POLICY_H
#define WL_STORE_DB_POLICY_H

#include <stddef.h>
#include <stdint.h>

struct wl_arena;
struct wl_err;
struct wl_rows;

struct wl_db_policy {
	const char	*name, *definition;	/* JSON object */
	size_t		 len;			/* of the definition */
};

/*
 * PROJECT's enabled rules in their order, as role app.  0 and *N, or -1 with
 * *E.
 */
int wl_db_policy(struct wl_arena *a, const char *project,
    struct wl_db_policy **rows, int *n, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * All rules of PROJECT for operators, as role owner: name, enabled, position,
 * definition, updated_at.  NULL with *E.
 */
struct wl_rows *wl_db_policy_list(struct wl_arena *a, const char *project,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * Changes as role owner under ACTOR; *VERSION is the project's then.  Set
 * replaces a rule of that name, and refuses more than WL_DB_POLICY_MAX.
 * Returns 1; 0: no such project, or rule; -1 with *E.
 */
#define WL_DB_POLICY_MAX	64
int wl_db_policy_set(struct wl_arena *a, const char *actor,
    const char *project, const char *name, const char *definition,
    int64_t *version, struct wl_err *e) __attribute__((warn_unused_result));
int wl_db_policy_remove(struct wl_arena *a, const char *actor,
    const char *project, const char *name, int64_t *version,
    struct wl_err *e) __attribute__((warn_unused_result));

#endif
