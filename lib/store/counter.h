/*
 * The decision to admit a call, in one round trip: by a Lua script in Redis
 * (counter_redis.c) or by one statement in PostgreSQL (counter_pg.c), with
 * the same meaning.  All or nothing: a refused call debits nothing.
 */
#ifndef WL_STORE_COUNTER_H
#define WL_STORE_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

struct wl_arena;
struct wl_conf;
struct wl_err;

/*
 * One limit to test and debit.  The rows of a call are listed by
 * lib/core/limit.c; further kinds of limit are further rows.
 */
enum wl_limit_kind {
	WL_L_FIXED,	/* counter of a window that expires */
	WL_L_SLIDING,	/* times of admitted calls, the last 60 s */
	WL_L_LEASE,	/* slots held until LEASE_MS or released */
	WL_LIMIT_KIND_MAX
};

/*
 * Which scope a row belongs to; names its key (see counter_redis.c):
 * minute    ratelimit:{project}:{window}      or :sliding
 * month     quota:{project}:{YYYY-MM}
 * key_*     the same with ":key:{prefix}" before the window
 * lease     leases:{project}
 */
enum wl_limit_name {
	WL_LN_MINUTE, WL_LN_MONTH, WL_LN_KEY_MINUTE, WL_LN_KEY_MONTH,
	WL_LN_LEASE, WL_LIMIT_NAME_MAX
};

struct wl_limit_row {
	enum wl_limit_name	 name;
	enum wl_limit_kind	 kind;
	int64_t			 limit;		/* most allowed */
	int64_t			 cost;		/* debit, usually 1 */
	/* results */
	int64_t			 used;		/* after the decision */
	int64_t			 reset_ms;	/* epoch ms */
};

#define WL_LIMIT_ROWS	8

enum wl_gate_result {
	WL_G_ADMITTED,
	WL_G_REFUSED,		/* by rows[refused_by] */
	WL_G_STALE		/* the project has another version; no debit */
};

struct wl_gate {
	/* in */
	const char		*project;
	const char		*key_prefix;	/* public part of the API key */
	int64_t			 version;	/* of the project, as cached */
	int64_t			 now_ms;
	const char		*event_id;	/* names the lease and the entry */
	int64_t			 lease_ms;
	struct wl_limit_row	 rows[WL_LIMIT_ROWS];
	int			 nrows;
	/* out */
	enum wl_gate_result	 result;
	int			 refused_by;
	char			 generation[24];	/* of the counters, or "" */
};

/*
 * Decide.  In Redis a project whose counters are missing (lost data, first
 * call, new month) is seeded from the PostgreSQL ledger inside this call, so
 * it may take a second round trip then.  Returns 0, or -1 with *E
 * WL_E_UNAVAILABLE: nothing was debited that a retry would not repeat.
 */
int wl_counter_admit(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_gate *g, struct wl_err *e) __attribute__((warn_unused_result));

/*
 * What an admitted call gives back: MONTH calls refunded (0 or 1), and its
 * lease.  Touches a counter only when its key still exists and, for the
 * month, when it is of the same generation; never below zero, never an
 * expiry.  Queued by _send, awaited by _wait; failures are only logged.
 */
struct wl_settle;
struct wl_settle *wl_counter_settle_send(struct wl_arena *a,
    const struct wl_conf *conf, const struct wl_gate *g, bool refund_month);
void wl_counter_settle_wait(struct wl_settle *s);

/*
 * Operations behind "watchllm usage" and GET /v1/usage.  Reading changes
 * nothing.
 */
int wl_counter_read(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_gate *g, struct wl_err *e);
int wl_counter_reset(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, int64_t now_ms, struct wl_err *e);
int wl_counter_set(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, int64_t now_ms, int64_t minute, int64_t month,
    struct wl_err *e);	/* -1: leave as it is */
/*
 * Set the month of PROJECT to the ledger's figure plus what is not drained:
 * used by "watchllm-rollup reconcile".
 */
int wl_counter_reconcile(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, int64_t now_ms, int64_t *before, int64_t *after,
    struct wl_err *e);
/*
 * Publish a project's new version after a change (revocation, plan): the
 * next call of any worker is STALE.
 */
int wl_counter_version(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, int64_t version, struct wl_err *e);

/*
 * Failed authentications and bad requests by address: a fixed minute window.
 * Adds COST (0: only looks) to KIND ("auth", "bad") of ADDR; returns the
 * count, or -1 when Redis is away (callers then count in their own process).
 */
int64_t wl_counter_address(struct wl_arena *a, const char *kind,
    const char *addr, int64_t now_ms, int cost);

#endif
