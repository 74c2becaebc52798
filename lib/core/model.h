/*
 * From a model name to the providers that may answer, with the project's key.
 */
#ifndef WL_CORE_MODEL_H
#define WL_CORE_MODEL_H

#include "lib/base/str.h"
#include "lib/http/client.h"

struct wl_arena;
struct wl_auth;
struct wl_conf;
struct wl_err;
struct wl_keyring;
struct wl_provider;

/*
 * One place to try.  KEY is the decrypted provider key in the arena, wiped
 * with it; "" when the provider needs none.
 */
struct wl_target {
	const struct wl_provider	*wire;
	const char			*provider;
	const char			*base_url;
	const char			*auth;		/* bearer, x-api-key, none */
	const char			*model;		/* to send upstream */
	const char			*key;
	enum wl_trust			 trust;
	bool				 own_key;	/* X-Provider-Key */
};
#define WL_TARGETS	8

/*
 * Fill T with the targets for MODEL in the order to try: an explicit
 * "provider/model" names its provider; else providers that the table of
 * routes and prices gives, those for which the project has keys first, else
 * the project's default provider.  PROVIDER_KEY is the request's own key, or
 * NULL.  Returns how many (> 0), or -1 with *E: WL_E_MODEL_NOT_FOUND,
 * WL_E_BYOK_REQUIRED, WL_E_UNAVAILABLE.
 */
int wl_model_targets(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, const struct wl_keyring *keys,
    struct wl_str model, const char *provider_key,
    struct wl_target t[WL_TARGETS], struct wl_err *e);

/* Drop what is cached of providers, routes and keys. */
void wl_model_flush(void);

#endif
