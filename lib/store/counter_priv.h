/*
 * What counter.c, counter_redis.c and counter_pg.c share.  Nobody else
 * includes it.
 */
#ifndef WL_STORE_COUNTER_PRIV_H
#define WL_STORE_COUNTER_PRIV_H

#include "lib/store/counter.h"
#include "lib/store/pg.h"

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
 * What settling does to the counters of some rows of the gate: N is added;
 * leases are given back.
 */
struct wl_delta {
	const struct wl_limit_row	*row;
	int64_t				 n;
};
struct wl_deltas {
	struct wl_delta	 d[WL_LIMIT_ROWS];
	int		 n;
};
struct wl_redis_settle;
struct wl_redis_settle *wl_counter_redis_settle_send(struct wl_arena *a,
    const struct wl_conf *conf, const struct wl_gate *g,
    const struct wl_deltas *d, struct wl_err *e);
int wl_counter_redis_settle_wait(struct wl_redis_settle *s, struct wl_err *e);
int wl_counter_pg_settle(struct wl_arena *a, const struct wl_gate *g,
    const struct wl_deltas *d, struct wl_err *e);

/*
 * What the ledger says of R, a row of G: 0 where it knows nothing that lasts.
 */
int wl_counter_ledger(struct wl_arena *a, const struct wl_gate *g,
    struct wl_limit_row *r, struct wl_err *e);

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
 * The counters begin anew with the sums of the ledger.
 */
int wl_counter_redis_begin(struct wl_arena *a, const struct wl_conf *conf,
    enum wl_role role, const char *project, int64_t now_ms, struct wl_err *e);
int wl_counter_pg_begin(struct wl_arena *a, enum wl_role role,
    const char *project, int64_t now_ms, struct wl_err *e);

/*
 * When the window of UNIT that holds NOW_MS ends, epoch ms.
 */
int64_t wl_counter_window_end(enum wl_limit_unit unit, int64_t now_ms);

#endif
