/*
 * From a model name to the providers that may answer, with the project's key.
 */
#ifndef WL_CORE_MODEL_H
#define WL_CORE_MODEL_H

#include "lib/base/str.h"
#include "lib/http/client.h"

struct wl_arena;
struct wl_ask;
struct wl_auth;
struct wl_conf;
struct wl_err;
struct wl_keyring;
struct wl_ask;
struct wl_provider;
struct wl_req;
struct wl_route_call;

/*
 * When a second target may be asked beside the first.
 */
struct wl_hedge {
	int64_t	after_ms;	/* without a byte of the answer */
	int64_t	max_nano;	/* most that the second may cost, estimated */
	int	percent;	/* of the calls, in hundredths */
};

/*
 * One place to try.  KEY is the decrypted provider key in the arena, wiped
 * with it; "" when the provider needs none.
 */
struct wl_target {
	const struct wl_provider	*wire;
	const char			*provider;
	const char			*base_url;
	const char			*auth;	/* bearer, none, sigv4, or the
						   name of a header */
	const char			*api_version;	/* or NULL */
	const char			*model;		/* to send upstream */
	const char			*key;
	const struct wl_ask		*ask;	/* in place of the client's;
						   NULL: that */
	enum wl_trust			 trust;
	bool				 stream_options; /* include_usage */
	bool				 own_key;	/* X-Provider-Key */
	const char			*variant;	/* of its rule; "", NULL: none */
	const char			*project;
	const char			*hint;	/* end of the key, or "" */
	const struct wl_hedge		*hedge;	/* of its rule, or NULL */
};
#define WL_TARGETS	8

/*
 * Fill T with the targets for MODEL in the order to try, one for each key: an
 * explicit "provider/model" names its provider; else those of the first rule
 * of routing for MODEL that holds, the project's own before those for all
 * (see lib/core/route.h), whose targets may be aliases in turn; else the
 * providers that the table of routes gives (best match first), else the
 * project's default provider, else those that have a price for MODEL and that
 * the project has keys for; always those that can be called.  A key is used
 * only for the host that it is bound to (AAD "project|provider|host").
 * PROVIDER_KEY is the request's own key, or NULL: it goes to the first of
 * these providers alone, and to none when prices or a rule give several.  KEYS
 * may be NULL: no stored key can be used.  CALL, without PROJECT and KEY, is
 * what rules ask; NULL: of a call nothing is known but its model.  Strings
 * live in A.  Returns how many (> 0), or -1 with *E: WL_E_MODEL_NOT_FOUND,
 * WL_E_BYOK_REQUIRED, WL_E_UNAVAILABLE, WL_E_INVALID_REQUEST for a
 * PROVIDER_KEY that is not visible ASCII, or that may be for several.
 *
 * Providers, routes and what prices say of a model are remembered for 60 s
 * and refreshed behind the caller's back; they, and a project's keys and
 * rules, are read anew when the version that AUTH knows has changed.
 */
struct wl_routed {
	const char	*rule;		/* that was followed, or "" */
	const char	*shadow;	/* model of a shadow call, or "" */
};
int wl_model_route(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, const struct wl_keyring *keys,
    struct wl_str model, const char *provider_key,
    const struct wl_route_call *call, struct wl_target t[WL_TARGETS],
    struct wl_routed *routed, struct wl_err *e)
    __attribute__((warn_unused_result));
/* The same where only the targets matter. */
int wl_model_targets(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, const struct wl_keyring *keys,
    struct wl_str model, const char *provider_key,
    struct wl_target t[WL_TARGETS], struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * What becomes of each rule for the name MODEL, in the order in which they
 * are looked at, with the draws that wl_model_route() would make next: WHY is
 * "" for the one that holds, "not reached" for those behind it, "flag NAME",
 * or as wl_route_holds() says.  Nothing for "provider/model".
 */
struct wl_verdict {
	const char	*rule;
	bool		 common;	/* for all projects */
	const char	*why;
};
int wl_model_explain(struct wl_arena *a, const struct wl_auth *auth,
    struct wl_str model, const struct wl_route_call *call,
    struct wl_verdict **verdicts, int *n, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * What rules may ask of ASK, which came with R; lives as long as both.
 */
void wl_model_call(const struct wl_req *r, const struct wl_ask *ask,
    struct wl_route_call *call);

/*
 * The names of rules that AUTH's project sees, each once, and when they were
 * made.  Strings live in A.  0, or -1 with *E.
 */
struct wl_alias {
	const char	*name;
	int64_t		 created_ms;
};
int wl_model_aliases(struct wl_arena *a, const struct wl_auth *auth,
    struct wl_alias **aliases, int *n, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Fill T with one target, without a model, for each provider that the project
 * can call: those that it has a key for, and those that need none when they
 * are its default or on a host of upstream_private_hosts.  With PROVIDER_KEY
 * its default provider alone.  Returns how many, or -1 with *E as above.
 */
#define WL_PROVIDERS	16
int wl_model_providers(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, const struct wl_keyring *keys,
    const char *provider_key, struct wl_target t[WL_PROVIDERS],
    struct wl_err *e) __attribute__((warn_unused_result));

/* Drop what is cached of providers, routes and keys. */
void wl_model_flush(void);

#endif
