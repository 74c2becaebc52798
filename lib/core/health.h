/*
 * Which targets may be asked now: a breaker for each provider and key, and
 * for each model with them.  A key that was refused, a key whose requests are
 * too many for the moment and a provider that fails are set aside for a time
 * that grows; then one call, a real one, looks whether it works again.
 *
 * All of it belongs to a project: what one project sees is nothing to another
 * one, which may have a key of its own that works.  A key is known by a hash,
 * so one that was changed starts anew.  Workers of all hosts share what is
 * set aside through Redis; without Redis each process knows its own.
 */
#ifndef WL_CORE_HEALTH_H
#define WL_CORE_HEALTH_H

#include "lib/store/redis.h"

#include <stdbool.h>
#include <stdint.h>

struct wl_arena;
struct wl_conf;
struct wl_target;

/*
 * Why a target is set aside.  Numbers are kept in Redis: none changes.
 */
enum wl_health_cause {
	WL_HC_NONE,
	WL_HC_UNREACHABLE,	/* no connection; all models of the key */
	WL_HC_FAILING,		/* errors and timeouts; this model */
	WL_HC_KEY,		/* rejected; all models */
	WL_HC_CREDIT,		/* not paid; all models */
	WL_HC_FORBIDDEN,	/* not for this model */
	WL_HC_RATE,		/* too many requests; this model */
	WL_HEALTH_CAUSE_MAX
};

/*
 * The word for it in events and logs, a literal: "unreachable", "failing",
 * "key_rejected", "no_credit", "forbidden", "rate_limited"; "" for none.
 */
const char *wl_health_word(enum wl_health_cause c);

/*
 * A target of a call, as the breakers know it.
 */
struct wl_health_ref {
	const struct wl_target	*t;
	uint64_t		 owner;		/* its project */
	uint64_t		 id[2];		/* its key; its model */
	bool			 probe[2];	/* this call looks */
};
void wl_health_of(struct wl_health_ref *h, const struct wl_target *t);

/*
 * Whether the target may be asked: 0, and what follows is told by one of the
 * three below; or the milliseconds until it may, with *CAUSE.  It waits for
 * Redis only when this call may be the one that looks.
 */
int64_t wl_health_enter(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_health_ref *h, enum wl_health_cause *cause)
    __attribute__((warn_unused_result));

/*
 * Milliseconds until the target may be asked, 0: now.  Takes nothing.
 */
int64_t wl_health_left(const struct wl_health_ref *h);

/*
 * It answered, if only that the request is wrong; or it did not, and
 * RETRY_MS is how long it asks to be left alone, 0: it does not say.  Waits
 * for Redis when the target is set aside by this, or is not any more.  A key
 * that came with the request is never set aside, since that is no business
 * of others; keys that are none (a host that wants none) neither.
 */
void wl_health_ok(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_health_ref *h);
void wl_health_fail(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_health_ref *h, enum wl_health_cause cause, int64_t retry_ms);

/*
 * Learn what others have set aside for PROJECT, unless that was asked within
 * the last second.  The command leaves with what is queued in the same turn
 * of the loop; wl_health_listened() must follow before A is reset.
 */
struct wl_health_news {
	struct wl_redis_req	 req;
	uint64_t		 owner;
	int64_t			 at;		/* epoch ms */
	bool			 sent;
};
void wl_health_listen(struct wl_health_news *n, struct wl_arena *a,
    const struct wl_conf *conf, const char *project);
void wl_health_listened(struct wl_health_news *n);

/*
 * Figures of this process, for Prometheus: changes of state that it has made,
 * by what it was for, and how much it holds for set aside (as of the last
 * second).
 */
struct wl_health_stat {
	uint64_t	opened[WL_HEALTH_CAUSE_MAX];
	uint64_t	probes, closed;
	uint64_t	open;
};
void wl_health_stats(struct wl_health_stat *st);

/* Forget all, for tests. */
void wl_health_flush(void);

#endif
