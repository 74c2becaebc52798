/*
 * What limit.c and limit_tell.c share.  Nobody else includes it.
 */
#ifndef WL_CORE_LIMIT_PRIV_H
#define WL_CORE_LIMIT_PRIV_H

#include "lib/core/limit.h"

/* Seconds after which a refusal without a clock of its own may be retried. */
#define WL_LIMIT_RETRY_SOON	1

/*
 * Set *E for what AD's gate has refused.  Returns -1.
 */
int wl_limit_refuse(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, const struct wl_admission *ad,
    struct wl_err *e);

#endif
