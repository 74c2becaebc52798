/*
 * What the parts of the search for targets share: model.c goes by names and
 * tables, model_route.c by rules.  Nobody else includes it.
 */
#ifndef WL_CORE_MODEL_PRIV_H
#define WL_CORE_MODEL_PRIV_H

#include "lib/core/catalog.h"
#include "lib/core/model.h"

/*
 * The search for one request.
 */
struct wl_search {
	struct wl_arena			*a;
	const struct wl_conf		*conf;
	const struct wl_auth		*auth;
	const struct wl_keyring		*ring;
	const struct wl_catalog		*cat;
	const char			*own_key;
	struct wl_db_provider_key	*keys;
	int				 nkeys;
	struct wl_target		*t;
	int				 n, max;
};

const struct wl_db_provider *wl_model_provider(const struct wl_catalog *cat,
    struct wl_str id);

/*
 * Append to the targets of S those for "provider/model" (0: MODEL is not of
 * that form, or there is no such provider), those of the first rule that
 * holds (0: none does), those that tables give.  Each returns how many it
 * has added, or -1 with *E.
 */
int wl_model_explicit(struct wl_search *s, struct wl_str model,
    struct wl_err *e) __attribute__((warn_unused_result));
int wl_model_by_rules(struct wl_search *s, struct wl_str model,
    const struct wl_route_call *call, struct wl_routed *routed,
    struct wl_err *e) __attribute__((warn_unused_result));
int wl_model_implicit(struct wl_search *s, struct wl_str model,
    struct wl_err *e) __attribute__((warn_unused_result));

#endif
