/*
 * What counter.c, counter_redis.c and counter_pg.c share.  Nobody else
 * includes it.
 */
#ifndef WL_STORE_COUNTER_PRIV_H
#define WL_STORE_COUNTER_PRIV_H

#include "lib/store/counter.h"

/* See wl_counter_admit(), wl_counter_read(). */
int wl_counter_redis_admit(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_gate *g, struct wl_err *e);
int wl_counter_pg_admit(struct wl_arena *a, struct wl_gate *g,
    struct wl_err *e);
int wl_counter_redis_read(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_gate *g, struct wl_err *e);
int wl_counter_pg_read(struct wl_arena *a, struct wl_gate *g,
    struct wl_err *e);

/*
 * Give back MONTH and KEY_MONTH (0: nothing), and the lease when LEASE.
 */
struct wl_refund {
	int64_t	 month, key_month;
	bool	 lease;
};
struct wl_redis_settle;
struct wl_redis_settle *wl_counter_redis_settle_send(struct wl_arena *a,
    const struct wl_conf *conf, const struct wl_gate *g,
    const struct wl_refund *r, struct wl_err *e);
int wl_counter_redis_settle_wait(struct wl_redis_settle *s, struct wl_err *e);
int wl_counter_pg_settle(struct wl_arena *a, const struct wl_gate *g,
    const struct wl_refund *r, struct wl_err *e);

/*
 * Of the minute and the month; -1: left as it is.
 */
struct wl_usage_change {
	int64_t	 minute, month;
	bool	 add;			/* else set */
};

/*
 * What an operator has changed, and the ledger has already; in PostgreSQL the
 * minute that is set is left to do.  As role owner.
 */
int wl_counter_redis_change(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, int64_t now_ms, const struct wl_usage_change *u,
    struct wl_err *e);
int wl_counter_pg_set(struct wl_arena *a, const char *project, int64_t now_ms,
    int64_t minute, struct wl_err *e);

/*
 * The counters begin anew with the sums of the ledger.  As role rollup.
 */
int wl_counter_redis_begin(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, int64_t now_ms, struct wl_err *e);
int wl_counter_pg_begin(struct wl_arena *a, const char *project,
    int64_t now_ms, struct wl_err *e);

/*
 * When the window of NAME that holds NOW_MS ends, epoch ms.
 */
int64_t wl_counter_window_end(enum wl_limit_name name, int64_t now_ms);

#endif
