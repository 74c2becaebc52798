/*
 * Admission: what a plan and a key allow, decided by lib/store/counter.h.
 */
#ifndef WL_CORE_LIMIT_H
#define WL_CORE_LIMIT_H

#include "lib/store/counter.h"

struct wl_auth;
struct wl_req;
struct wl_resp;

/*
 * The state of one call's admission, from admit to settle.
 */
struct wl_admission {
	bool			 admitted;
	bool			 degraded;	/* the limiter was away */
	struct wl_gate		 gate;
	char			 event_id[37];
	char			 month[8];	/* "YYYY-MM" at admission */
	int64_t			 minute;	/* window number */
	int64_t			 at_ms;
};

/*
 * Decide whether R's call of *AUTH may go on.  After STALE the key is
 * authenticated again and *AUTH replaced.  Returns 0 (also when degraded
 * under on_redis_failure=open) or -1 with *E: WL_E_RATE_LIMIT, WL_E_QUOTA,
 * WL_E_CONCURRENCY with DETAILS and RETRY_AFTER, WL_E_UNAVAILABLE, or an
 * authentication error.  *AD serves wl_limit_headers() in any case.
 */
int wl_limit_admit(const struct wl_req *r, const struct wl_conf *conf,
    struct wl_auth **auth, struct wl_admission *ad, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * X-RateLimit-*, X-Quota-*, RateLimit, RateLimit-Policy,
 * X-WatchLLM-Limiter.  Without an admission (GET routes) the counters are
 * read first.
 */
void wl_limit_headers(struct wl_resp *resp, const struct wl_auth *auth,
    const struct wl_admission *ad);
int wl_limit_read(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, struct wl_admission *ad, struct wl_err *e);

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
