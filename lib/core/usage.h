/*
 * What a project has used of its limits: the operations behind GET /v1/usage
 * and "watchllm usage".
 */
#ifndef WL_CORE_USAGE_H
#define WL_CORE_USAGE_H

#include "lib/core/limit.h"

struct wl_arena;
struct wl_auth;
struct wl_conf;
struct wl_err;
struct wl_jw;

/*
 * Read what is used of AUTH's limits into *AD; nothing is changed.  Who has no
 * key, such as the command line, fills an AUTH with the project and the
 * limits of its plan (the others -1).  Returns 0, or -1 with *E.
 */
int wl_usage_stats(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, struct wl_admission *ad, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Whether one more call of AUTH would pass the rate limit, and the quota: 1
 * or 0, by what *AD shows.
 */
int wl_usage_rate_limit_ok(const struct wl_admission *ad);
int wl_usage_quota_ok(const struct wl_admission *ad);

/*
 * How much of ROW's limit is used, 0 to 100.
 */
int wl_usage_percent(const struct wl_limit_row *row);

/*
 * For operators, lasting, as role owner, ACTOR being who does it: add N calls
 * to what PROJECT has used of the minute and the month, or set that (-1: leave
 * it as it is; 0 and 0 is a reset).  Returns 0, or -1 with *E.
 */
int wl_usage_increment(struct wl_arena *a, const struct wl_conf *conf,
    const char *actor, const char *project, int64_t n, struct wl_err *e)
    __attribute__((warn_unused_result));
int wl_usage_set(struct wl_arena *a, const struct wl_conf *conf,
    const char *actor, const char *project, int64_t minute, int64_t month,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * The same of what PROJECT has spent of the day and the month, nano-dollars.
 */
int wl_usage_set_spent(struct wl_arena *a, const struct wl_conf *conf,
    const char *actor, const char *project, int64_t day, int64_t month,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * The members of the answer, into an object that is open in W: plan,
 * rateLimit, quota, and, where they exist, concurrency, tokens, budgetDay,
 * budgetMonth, the key's own limits, and rules.
 */
void wl_usage_json(struct wl_jw *w, const struct wl_auth *auth,
    const struct wl_admission *ad);

#endif
