/*
 * Answers kept in Redis: entries of the cache, tapes (recordings, perhaps
 * still running), and who owns what is under way.  Every key has the project
 * in its name.  What is kept, and for how long, is told in cache_scripts.c.
 */
#ifndef WL_STORE_CACHE_REDIS_H
#define WL_STORE_CACHE_REDIS_H

#include "lib/base/str.h"
#include "lib/store/redis.h"

struct wl_conf;

/* An open tape and its owner outlive the last sign of life by so much. */
#define WL_CACHE_LEASE_MS	5000
/* Most bytes of a hash of ours in hex, with its NUL. */
#define WL_CACHE_ID		33
/* "once:" or "flight:" and such a hash. */
#define WL_CACHE_OWNER		48

enum wl_cache_hold {
	WL_HOLD_NONE,		/* not asked for */
	WL_HOLD_OURS,		/* the caller's tape is begun */
	WL_HOLD_OTHER,		/* HOLDER's tape is there */
	WL_HOLD_CONFLICT	/* the same, for another HASH */
};

/*
 * One look, in one round trip: is the answer kept, else who makes it.  All
 * strings must stay until wl_cache_look_wait() returned.
 */
struct wl_cache_look {
	/* in; "" where there is none */
	const char		*project;
	const char		*token;		/* of the caller's tape, a UUID */
	const char		*entry;		/* id to look for */
	const char		*alias;		/* of an entry, canonical */
	const char		*ns;		/* hash of its name space */
	const char		*owner;		/* to be held, or followed */
	const char		*hash;		/* what the owner stands for */
	struct wl_str		 first;		/* of the caller's tape */
	/* out */
	int			 tier;		/* 0: no entry, 1: ENTRY, 2: ALIAS */
	const char		*id;		/* of the entry */
	struct wl_str		 body;
	int64_t			 at_ms;		/* when it was stored */
	const char		*epoch;		/* under which to store */
	enum wl_cache_hold	 hold;
	const char		*holder;	/* token of its tape */
	/* own */
	struct wl_redis_req	 req;
};
int wl_cache_look_send(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_cache_look *l, struct wl_err *e)
    __attribute__((warn_unused_result));
int wl_cache_look_wait(struct wl_cache_look *l, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Append BYTES to the tape of TOKEN, and renew its lease.  Returns how many
 * follow it from elsewhere, -2 when it is not ours any more, -1 with *E.
 */
int wl_cache_push(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, const char *owner, const char *token,
    struct wl_str bytes, struct wl_err *e);

/*
 * The end of a tape.
 */
struct wl_cache_end {
	const char	*project, *owner, *token;
	struct wl_str	 bytes;		/* its last ones */
	bool		 ok;		/* else the owner is let go at once */
	int64_t		 keep_tape_ms;	/* from now on */
	int64_t		 keep_idle_ms;	/* the same when nobody has joined */
	int64_t		 keep_owner_ms;	/* 0: let go */
	/* an entry of the cache, unless ID is "" */
	const char	*id, *alias, *ns, *epoch;
	struct wl_str	 body;
	int64_t		 ttl_ms, now_ms;
};
int wl_cache_end(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_cache_end *end, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * At most MAX bytes of a tape from OFF on.  Returns 1, 0: there is no such
 * tape (any more), or -1 with *E.
 */
int wl_cache_read(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, const char *token, size_t off, size_t max,
    struct wl_str *out, struct wl_err *e) __attribute__((warn_unused_result));

/*
 * Figures of a project since it was last idle for a month.
 */
enum wl_cache_count {
	WL_CC_MISSES, WL_CC_HITS, WL_CC_CANONICAL, WL_CC_COALESCED,
	WL_CC_REPLAYS, WL_CC_STORES, WL_CC_RIGHT, WL_CC_WRONG,
	WL_CC_SAVED_TOKENS, WL_CC_SAVED_NANO, WL_CC_SAVED_BYTES,
	WL_CACHE_COUNT_MAX
};
const char *wl_cache_count_name(enum wl_cache_count c);
int wl_cache_count(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, const int64_t n[WL_CACHE_COUNT_MAX],
    struct wl_err *e);
/* The same read, with entries and bytes that are kept now. */
int wl_cache_stats(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, int64_t n[WL_CACHE_COUNT_MAX], int64_t *entries,
    int64_t *bytes, struct wl_err *e) __attribute__((warn_unused_result));

/*
 * Drop entry ID.  BLOCK: no canonical question leads to its answer for that
 * many ms (0: leave it).  Returns 1, 0: there was none, or -1 with *E.
 */
int wl_cache_drop(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, const char *id, int64_t block_ms, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * All that is kept for PROJECT, or for its name space NS, is void from now
 * on; answers that are under way are not stored.  0, or -1 with *E.
 */
int wl_cache_purge(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, const char *ns, int64_t now_ms, struct wl_err *e)
    __attribute__((warn_unused_result));

#endif
