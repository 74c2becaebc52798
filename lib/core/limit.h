/*
 * Admission: what a plan and a key allow, decided by lib/store/counter.h, and
 * how it is told to the client.
 */
#ifndef WL_CORE_LIMIT_H
#define WL_CORE_LIMIT_H

#include "lib/base/err.h"
#include "lib/core/reserve.h"
#include "lib/store/counter.h"

struct wl_ask;
struct wl_auth;
struct wl_keyring;
struct wl_redact_rules;
struct wl_req;
struct wl_resp;

/*
 * The state of one call's admission, from admit to settle; zeroed before.
 */
struct wl_admission {
	bool			 admitted;
	bool			 degraded;	/* the limiter was away */
	bool			 unknown;	/* it may yet have decided */
	bool			 known;		/* GATE's rows hold what is used */
	bool			 free;		/* admitted without a debit */
	struct wl_gate		 gate;
	struct wl_reserve	 reserve;	/* when REserved */
	bool			 reserved;	/* limits of tokens or money */
	char			 event_id[37];
	char			 month[8];	/* "YYYY-MM" at admission */
	int64_t			 minute;	/* window number */
	int64_t			 at_ms;
	/* for its records; NULL: built-in */
	const struct wl_redact_rules *redaction;
};

/*
 * Decide whether ASK, which is R's call of *AUTH, may go on.  After STALE the
 * key is authenticated again and *AUTH replaced.  The event's id is the
 * request's.  KEYS as for wl_model_targets().  Returns 0 (also when degraded
 * under on_redis_failure=open) or -1 with *E: WL_E_RATE_LIMIT, WL_E_QUOTA,
 * WL_E_CONCURRENCY, WL_E_TOKENS_PER_MINUTE, WL_E_BUDGET with DETAILS and
 * RETRY_AFTER (0: it will never be admitted), WL_E_PRICE_UNKNOWN,
 * WL_E_INVALID_REQUEST (too many tags for the rules), WL_E_UNAVAILABLE, or an
 * authentication error, and then *AUTH is NULL.  *AD serves wl_limit_headers()
 * in any other case.
 */
int wl_limit_admit(const struct wl_req *r, const struct wl_conf *conf,
    const struct wl_keyring *keys, const struct wl_ask *ask,
    struct wl_auth **auth, struct wl_admission *ad, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * How many rows of AD in shadow mode would have refused it.
 */
int wl_limit_shadowed(const struct wl_admission *ad);

/*
 * The same figures without a debit, for what is not admitted: *AD serves
 * wl_limit_headers() afterwards, whatever is returned.  -1 with *E: the
 * counters cannot be read.
 */
int wl_limit_read(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, struct wl_admission *ad, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Admit R's call of AUTH, which costs nothing: nothing is taken, *AD is as
 * after wl_limit_read().
 */
void wl_limit_free(const struct wl_req *r, const struct wl_conf *conf,
    const struct wl_auth *auth, struct wl_admission *ad);

/*
 * The same for the call ASK, with the limits that would hold for it and what
 * would be reserved.
 */
int wl_limit_preview(const struct wl_req *r, const struct wl_conf *conf,
    const struct wl_keyring *keys, const struct wl_ask *ask,
    const struct wl_auth *auth, struct wl_admission *ad, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * The debit of the months will be given back: wl_limit_headers() tells what
 * is left after that.
 */
void wl_limit_refunded(struct wl_admission *ad);

/*
 * X-RateLimit-*, X-Quota-*, RateLimit, RateLimit-Policy, and, when the
 * limiter was away, X-WatchLLM-Limiter.  Where plan and key both limit
 * something, X- headers tell of the limit with less left.  Seconds of the
 * epoch: X-RateLimit-Reset, X-Quota-Reset.
 */
void wl_limit_headers(struct wl_resp *resp, const struct wl_admission *ad);

/*
 * Of the limits on NAME, WL_LN_MINUTE or WL_LN_MONTH, by plan and key, the
 * row with less left; NULL before admit or read.
 */
const struct wl_limit_row *wl_limit_tighter(const struct wl_admission *ad,
    enum wl_limit_name name);
int64_t wl_limit_left(const struct wl_limit_row *row);	/* never below 0 */

/*
 * What one more call would be refused with, by the figures that were read:
 * the code of the first limit that has no room for it, or WL_OK.
 */
enum wl_code wl_limit_would_refuse(const struct wl_admission *ad);

/*
 * Give back what the outcome does not cost (CONTRACT, table of outcomes).
 */
enum wl_outcome {
	WL_O_ANSWERED, WL_O_CACHE_HIT, WL_O_REPLAY, WL_O_CLIENT_GONE,
	WL_O_INVALID, WL_O_UPSTREAM_FAILED, WL_O_LOST, WL_OUTCOME_MAX
};
const char *wl_outcome_name(enum wl_outcome o);
bool wl_outcome_refunds_month(enum wl_outcome o, bool cache_hits_free);

#endif
