/*
 * What operators do to limit rules.
 */
#ifndef WL_CORE_ADMIN_LIMIT_H
#define WL_CORE_ADMIN_LIMIT_H

#include "lib/core/admin.h"

/*
 * Make or change the rule of L; *ID is its own.  0, or -1 with *E:
 * WL_E_NOT_FOUND (project), WL_E_INVALID_REQUEST.
 */
int wl_admin_limit_set(struct wl_admin *ad, const struct wl_db_limit *l,
    const char **id, struct wl_err *e) __attribute__((warn_unused_result));
int wl_admin_limit_remove(struct wl_admin *ad, const char *project,
    const char *id, struct wl_err *e) __attribute__((warn_unused_result));

#endif
