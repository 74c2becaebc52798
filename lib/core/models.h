/*
 * The models that a project can name in a call.
 */
#ifndef WL_CORE_MODELS_H
#define WL_CORE_MODELS_H

#include "lib/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct wl_arena;
struct wl_auth;
struct wl_conf;
struct wl_err;
struct wl_keyring;

struct wl_model_item {
	const char	*name;		/* the provider's own */
	const char	*owned_by;	/* "" when it does not say */
	int64_t		 created;	/* Unix seconds, 0 when it does not */
};

/*
 * What one provider has.
 */
struct wl_model_list {
	const char		*provider;
	struct wl_model_item	*v;
	int			 n;
	bool			 plain;	/* a call may leave out "provider/" */
};

/*
 * The lists of the providers that the project can call, as these give them,
 * asked all at once and remembered for ten minutes; of one that has no such
 * list, or does not answer, the models with a price.  One that refuses the
 * project's key has none, and neither has one that needs no key, is not the
 * default and does not answer.  PROVIDER_KEY, or NULL, as in wl_model_providers();
 * with one nothing is remembered.  Everything lives in A.  0, or -1 with *E.
 */
int wl_models_list(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, const struct wl_keyring *keys,
    const char *provider_key, struct wl_model_list **lists, int *n,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * The item of MODEL, "provider/model" or a name that a call could have, among
 * these LISTS.  1, 0: there is none, or -1 with *E.
 */
int wl_models_find(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, const struct wl_keyring *keys,
    const char *provider_key, struct wl_str model,
    const struct wl_model_list *lists, int n,
    const struct wl_model_list **list, const struct wl_model_item **item,
    struct wl_err *e) __attribute__((warn_unused_result));

/* Forget what is remembered. */
void wl_models_flush(void);

#endif
