/*
 * What a call may use before anybody knows: tokens and money that limits hold
 * for it from its admission on, until the truth is known.
 */
#ifndef WL_CORE_RESERVE_H
#define WL_CORE_RESERVE_H

#include <stdbool.h>
#include <stdint.h>

struct wl_arena;
struct wl_ask;
struct wl_auth;
struct wl_conf;
struct wl_err;
struct wl_keyring;
struct wl_req;
struct wl_result;
struct wl_truth;

/*
 * Output that is expected of a call that names no most, where nobody has
 * learned better.
 */
#define WL_RESERVE_OUTPUT	512

/*
 * NANO -1: budgets do not hold for the call, for its model is free, or its
 * price unknown and the plan allows that.
 */
struct wl_reserve {
	int64_t	tokens;		/* OUTPUT and the estimate of the input */
	int64_t	output;
	int64_t	nano;
	bool	unknown;	/* no price is known */
	bool	flat;		/* NANO is of the plan's flat price */
};

/*
 * Estimate *V for ASK, which came with R: the output from its "max_tokens" and
 * "n", else from what was learned.  MONEY: also at the price of the dearest
 * provider that may answer (known prices).  0, or -1 with *E
 * WL_E_PRICE_UNKNOWN: the plan denies calls of unknown price.
 */
int wl_reserve(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, const struct wl_keyring *keys,
    const struct wl_req *r, const struct wl_ask *ask, bool money,
    struct wl_reserve *v, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * What the call has used of limits, now that RES is complete.  Of a price that
 * was known and is not any more what was reserved stands.
 */
void wl_reserve_truth(const struct wl_reserve *v, const struct wl_auth *auth,
    const struct wl_result *res, struct wl_truth *truth);

/*
 * Learn from a call of PROJECT for ASK that ended well.
 */
void wl_reserve_learn(const char *project, const struct wl_ask *ask,
    const struct wl_result *res);

#endif
