/*
 * Webhooks of Stripe: what a project pays for decides its plan.
 */
#ifndef WL_CORE_STRIPE_H
#define WL_CORE_STRIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"

struct json_object;
struct wl_arena;
struct wl_conf;
struct wl_err;

/*
 * Whether HEADER, "t=SECONDS,v1=HEX,...", is Stripe's signature of BODY under
 * SECRET: HMAC-SHA256 of "SECONDS.BODY", one v1 of several being enough, made
 * at most TOLERANCE_S before or after NOW_S.  Compared in constant time.
 * Returns NULL, or why not, a literal for the log.
 * (https://docs.stripe.com/webhooks#verify-manually)
 */
const char *wl_stripe_verify(struct wl_arena *a, const char *header,
    const char *secret, struct wl_str body, int64_t now_s,
    int64_t tolerance_s);

/*
 * What an event means to us.
 */
enum wl_stripe_kind {
	WL_STRIPE_IGNORED,	/* of no concern */
	WL_STRIPE_CHECKOUT,	/* a subscription was bought */
	WL_STRIPE_CREATED, WL_STRIPE_UPDATED, WL_STRIPE_DELETED
};
struct wl_stripe_event {
	enum wl_stripe_kind	 kind;
	const char		*id, *type;
	int64_t			 created_s;
	const char		*subscription, *customer;
	const char		*project;	/* or NULL */
	bool			 trusted;	/* it was in the metadata */
	const char		*status;	/* of a subscription, or NULL */
	const char		*plans;		/* {"a","b"}, of its prices */
};

/*
 * Read the event in BODY, with plans by MAPPING, "PRICE_OR_PRODUCT=PLAN ...",
 * as stripe_plans is configured.  Texts live in A.  Returns 0, or -1 with *E:
 * WL_E_INVALID_JSON, WL_E_INVALID_REQUEST: no event; WL_E_INTERNAL: MAPPING
 * is none.
 */
int wl_stripe_read(struct wl_arena *a, struct wl_str body,
    const char *mapping, struct wl_stripe_event *ev, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Take a webhook with the signature HEADER (or NULL).  *OUTCOME is what became
 * of it: ignored, duplicate, stale, unlinked, unmapped, refused, unchanged,
 * applied.  Returns 0, or -1 with *E: WL_E_NOT_FOUND: no secret is configured;
 * WL_E_INVALID_REQUEST with param "Stripe-Signature": not signed as it should
 * be; WL_E_UNAVAILABLE: Stripe tries again later.
 */
int wl_stripe_take(struct wl_arena *a, const struct wl_conf *conf,
    const char *header, struct wl_str body, const char **outcome,
    struct wl_err *e) __attribute__((warn_unused_result));

#endif
