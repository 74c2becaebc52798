/*
 * Dead letters: journal records that the database refused.
 */
#ifndef WL_CORE_DEAD_H
#define WL_CORE_DEAD_H

#include "lib/core/admin.h"

/*
 * Send dead letter ID on its way again: append its record to a journal of
 * this host, whose consumer drains it as any other; a record that is refused
 * again becomes another letter, and one that was stored meanwhile is not
 * stored twice.  Returns 0, or -1 with *E; then it may be done again.
 */
int wl_dead_retry(struct wl_admin *ad, const char *id, struct wl_err *e)
    __attribute__((warn_unused_result));

int wl_dead_drop(struct wl_admin *ad, const char *id, struct wl_err *e)
    __attribute__((warn_unused_result));

#endif
