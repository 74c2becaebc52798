/*
 * What the workers of all hosts know in common of providers that do not
 * answer and of keys that were refused: one hash in Redis for each project,
 * "breaker:{project}", whose fields are the ids of what is set aside.
 */
#ifndef WL_STORE_BREAKER_H
#define WL_STORE_BREAKER_H

#include "lib/store/redis.h"

#include <stdbool.h>
#include <stdint.h>

struct wl_arena;
struct wl_conf;
struct wl_err;

/*
 * One failure of ID.  It opens (until then nobody asks) when there were at
 * least THRESHOLD failures within WINDOW_MS, and as many as the successes
 * that were told with them, or THRESHOLD is 0; for BASE_MS, and FACTOR times longer each time
 * that it opens again without having closed, up to MAX_MS, less up to half of
 * it at random; or for EXACT_MS where that is not 0.
 */
struct wl_breaker_failure {
	uint64_t	 id;
	int64_t		 now_ms;	/* epoch */
	int64_t		 window_ms, base_ms, max_ms, exact_ms;
	int		 threshold, factor, cause;
	uint32_t	 oks;		/* since the last failure told */
	bool		 probe;		/* of the call that looks */
};

/*
 * Tell it.  *UNTIL gets when it may be asked again, epoch ms, 0: it has not
 * opened.  Returns 1 when this failure has opened it, 0, or -1: nobody was
 * told, for Redis is away or remembers too many of this project.
 */
int wl_breaker_fail(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, const struct wl_breaker_failure *f, int64_t *until)
    __attribute__((warn_unused_result));

/*
 * How long it opens the OPENS-th time (1: the first), without what is taken
 * off at random.  The same rule as above, for who has no Redis.
 */
int64_t wl_breaker_length(const struct wl_breaker_failure *f, int opens);

/*
 * ID's time is over: may this call look?  1: it alone, within LEASE_MS; 0: no,
 * until *UNTIL; 2: it has closed; -1: Redis is away.
 */
int wl_breaker_probe(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, uint64_t id, int64_t now_ms, int64_t lease_ms,
    int64_t *until) __attribute__((warn_unused_result));

/*
 * Close ID.  1: it was open; 0: it was not; -1.
 */
int wl_breaker_close(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, uint64_t id) __attribute__((warn_unused_result));

/*
 * Ask for all that is open of PROJECT, in one command that leaves with what
 * else is queued in this turn; then EACH is called for each of them.  0, or
 * -1: not known.  As wl_redis_send() and wl_redis_wait(): both or none.
 */
int wl_breaker_read_send(struct wl_redis_req *req, struct wl_arena *a,
    const struct wl_conf *conf, const char *project)
    __attribute__((warn_unused_result));
int wl_breaker_read_wait(struct wl_redis_req *req,
    void (*each)(void *arg, uint64_t id, int64_t until, int opens, int cause),
    void *arg) __attribute__((warn_unused_result));

#endif
