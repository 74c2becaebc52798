/*
 * Responses that a provider keeps: read, deleted and cancelled where they
 * are.  Nothing of them is kept here.
 */
#ifndef WL_CORE_STORED_H
#define WL_CORE_STORED_H

#include "lib/core/call.h"

struct wl_keyring;

struct wl_stored {
	const char	*method;	/* "GET" */
	const char	*id;		/* "resp_..." */
	const char	*tail;		/* "", "/cancel", "/input_items" */
	const char	*query;		/* raw, or "" */
	const char	*provider_key;	/* as in wl_model_providers() */
};

/*
 * Whether ID can be one, and QUERY can be passed on as it is: visible ASCII
 * without what ends a query, of a few KB.
 */
bool wl_stored_id(const char *id);
bool wl_stored_query(const char *query);

/*
 * Run S at the providers of AUTH's project that have the Responses API, its
 * default first, until one knows the id.  0: the answer is RES->raw with
 * status RES->http and *TYPE, from RES->provider, all in A.  -1 with *E, and
 * in RES->refusal, unless empty, the provider's own words: WL_E_NOT_FOUND
 * when all say so; what another provider failed with, for it may have it;
 * WL_E_BYOK_REQUIRED when there is none to ask.
 */
int wl_stored_run(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, const struct wl_keyring *keys,
    const struct wl_stored *s, struct wl_result *res, const char **type,
    struct wl_err *e) __attribute__((warn_unused_result));

#endif
