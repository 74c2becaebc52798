/*
 * What operators do to rules of routing and feature flags; functions return
 * as those of lib/core/admin.h.
 */
#ifndef WL_CORE_ROUTE_ADMIN_H
#define WL_CORE_ROUTE_ADMIN_H

#include "lib/base/str.h"

struct wl_admin;
struct wl_err;

/*
 * Make rule NAME of PROJECT, or with NULL for all projects, or replace it.
 * DEFINITION is checked as a whole: its members, the providers and the flag
 * that it names, and that aliases do not lead in a circle.  Workers follow it
 * from the next call on, a rule for all within a minute.
 */
int wl_route_admin_set(struct wl_admin *ad, const char *project,
    const char *name, struct wl_str definition, struct wl_err *e)
    __attribute__((warn_unused_result));
int wl_route_admin_remove(struct wl_admin *ad, const char *project,
    const char *name, struct wl_err *e) __attribute__((warn_unused_result));

/*
 * Make flag NAME or change it.  PERCENT ("12.5"), ON and OFF (projects with
 * commas between) may be NULL: they stay.
 */
int wl_route_admin_flag(struct wl_admin *ad, const char *name,
    const char *percent, const char *on, const char *off, struct wl_err *e)
    __attribute__((warn_unused_result));
int wl_route_admin_flag_remove(struct wl_admin *ad, const char *name,
    struct wl_err *e) __attribute__((warn_unused_result));

#endif
