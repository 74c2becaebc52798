/*
 * A change as lib/store/db_admin.h promises it: one transaction of role owner
 * under its actor.
 */
#ifndef WL_STORE_DB_ADMIN_PRIV_H
#define WL_STORE_DB_ADMIN_PRIV_H

#include "lib/store/db_admin.h"
#include "lib/store/pg.h"

/*
 * A connection of role owner with a transaction under ACTOR, or NULL.
 */
struct wl_pg *wl_db_admin_begin(const char *actor, struct wl_err *e)
    __attribute__((warn_unused_result));
/*
 * In a transaction that is open already: ACTOR does what follows.
 */
int wl_db_admin_actor(struct wl_pg *c, const char *actor, struct wl_err *e)
    __attribute__((warn_unused_result));
/*
 * One statement of it, with its rows in A; NULL with *E as said above.
 */
struct wl_rows *wl_db_admin_query(struct wl_pg *c, struct wl_arena *a,
    const char *sql, int n, const struct wl_param *p, struct wl_err *e)
    __attribute__((warn_unused_result));
/*
 * End it and give C back: commit when DONE is above 0.  Returns DONE, or -1.
 * PROJECT, unless NULL, has *VERSION then.
 */
int wl_db_admin_end(struct wl_pg *c, struct wl_arena *a, int done,
    const char *project, int64_t *version, struct wl_err *e)
    __attribute__((warn_unused_result));
/*
 * All of it, for a change of one statement.  *ROWS may be NULL.
 */
int wl_db_admin_change(struct wl_arena *a, const char *actor, const char *sql,
    int n, const struct wl_param *p, const char *project, int64_t *version,
    struct wl_rows **rows, struct wl_err *e)
    __attribute__((warn_unused_result));

#endif
