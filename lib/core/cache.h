/*
 * What saves a call upstream, in one place: the cache, coalescing of equal
 * calls, Idempotency-Key, and streams that can be resumed.  A call goes through
 * these steps, in this order; wl_cache_finish() comes last whatever happened.
 */
#ifndef WL_CORE_CACHE_H
#define WL_CORE_CACHE_H

#include "lib/core/cache_key.h"
#include "lib/core/tape.h"
#include "lib/core/upstream.h"

struct wl_target;

/*
 * A tee: what goes to NEXT is recorded too.
 */
struct wl_cache_tee {
	struct wl_sink	 sink;
	struct wl_sink	*next;
	bool		 begun;		/* WL_TAPE_BEGIN is there */
	bool		 streaming, ended;
	bool		 gone;		/* the client; we go on for others */
	int64_t		 n;		/* events with an id so far */
	bool		 within;	/* an event */
};

struct wl_cache {
	struct wl_arena		*a;
	const struct wl_conf	*conf;
	const struct wl_ask	*ask;
	const char		*project, *key_id;
	struct wl_cache_key	 key;
	struct wl_err		 fault;		/* of a header */
	char			 token[37];	/* of our tape */
	char			 owner[WL_CACHE_OWNER];	/* or "" */
	char			 hash[65];	/* of the request */
	bool			 once;		/* Idempotency-Key */
	bool			 resumable;	/* ids are asked for */
	char			 resume[37];	/* token to go on with, or "" */
	int64_t			 after;		/* its last event that came */
	struct wl_cache_look	 look;
	bool			 looking, known;
	struct wl_tape		*tape;		/* ours */
	struct wl_tape		*other;		/* of this process, to follow */
	struct wl_cache_tee	 tee;
	struct wl_result	*res;
	int64_t			 age_ms;	/* of the entry, or -1 */
	const char		*entry;		/* its id, or NULL */
	bool			 replay;	/* an answer that was paid for */
	int64_t			 counts[WL_CACHE_COUNT_MAX];
};

/*
 * Read what R's headers, the project's settings and the body say, and ask
 * Redis, without waiting: the question leaves with the next call of the
 * limiter.  Faults are kept for wl_cache_answer().  C is zeroed before.
 */
void wl_cache_begin(struct wl_cache *c, const struct wl_conf *conf,
    const struct wl_req *r, const struct wl_auth *auth,
    const struct wl_ask *ask);

/*
 * Wait for the answer of Redis.
 */
void wl_cache_known(struct wl_cache *c);

/*
 * Whether the call has an Idempotency-Key or resumes a stream: then the
 * limiter is asked only when wl_cache_known() has not found the answer, or
 * somebody who makes it (C->replay).
 */
bool wl_cache_is_first(const struct wl_cache *c);

/*
 * Answer from what is kept or under way, for a call with targets T.  Returns
 * 1: NEXT got the answer, *RES tells of it (RES->err when it broke off); 0:
 * the caller makes the answer, through wl_cache_sink(); -1 with *E.  With
 * START_US as in wl_upstream_run(), waits until total_timeout at the longest.
 */
int wl_cache_answer(struct wl_cache *c, const struct wl_target *t, int n,
    int64_t start_us, struct wl_sink *next, struct wl_result *res,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * The sink that records on the way to NEXT, or NEXT when nothing is to be
 * recorded.
 */
struct wl_sink *wl_cache_sink(struct wl_cache *c, struct wl_sink *next,
    struct wl_result *res);

/*
 * The call that was made is over.
 */
void wl_cache_made(struct wl_cache *c, const struct wl_result *res);

/*
 * After the reply: let go of all that is held, wait a little until Redis has
 * what is to be kept, and count.
 */
void wl_cache_finish(struct wl_cache *c);

#endif
