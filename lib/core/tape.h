/*
 * Recordings of answers.  A tape is written by the call that makes the answer,
 * piece by piece, and read by any number of others, also while it runs: in
 * this process from memory, elsewhere from Redis.
 */
#ifndef WL_CORE_TAPE_H
#define WL_CORE_TAPE_H

#include "lib/base/conf.h"
#include "lib/store/cache_redis.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wl_co;

/*
 * A tape is a row of pieces: a letter, four bytes of length (low first), the
 * bytes.
 */
enum wl_tape_kind {
	WL_TAPE_OWNER = 'o',	/* who may read it, JSON; always the first */
	WL_TAPE_BEGIN = 'b',	/* status and type, JSON */
	WL_TAPE_DATA = 'd',	/* bytes, of a stream from the first of an event */
	WL_TAPE_MORE = 'c',	/* bytes that go on with the event */
	WL_TAPE_RESULT = 'r',	/* figures, JSON */
	WL_TAPE_END = 'e'	/* the last bytes; it is complete */
};

/* Most bytes of one; a longer one breaks. */
#define WL_TAPE_MAX	((size_t)8 * 1024 * 1024)

struct wl_tape_waiter;

struct wl_tape {
	struct wl_tape		*next;
	int			 refs;
	struct wl_conf		 conf;		/* of it what the store asks
						   for: the process's own may
						   go before the end is kept */
	char			 project[33];
	char			 owner[WL_CACHE_OWNER];
	char			 hash[65];	/* what its owner stands for */
	char			 token[37];
	struct wl_buf		 b;
	size_t			 first;		/* bytes of its first piece */
	bool			 live;		/* begun in Redis too */
	bool			 early;		/* pieces go there as they come */
	bool			 lost;		/* Redis is away, or gave it to others */
	bool			 over, ok;	/* closed; complete */
	bool			 written;	/* Redis has the end */
	size_t			 pushed;	/* bytes that Redis has */
	int			 remote;	/* who joined elsewhere */
	struct wl_tape_waiter	*waiters;
	/* what becomes of it */
	int64_t			 keep_tape_ms, keep_idle_ms, keep_owner_ms;
	bool			 store;
	char			 id[WL_CACHE_ID], alias[WL_CACHE_ID],
				 ns[WL_CACHE_ID], epoch[96];
	int64_t			 ttl_ms;
};

/*
 * The first piece of a tape that KEY_ID may read, for the request with HASH.
 */
void wl_tape_owner(struct wl_buf *b, const char *key_id, const char *hash);
/* Append a piece to B. */
void wl_tape_put(struct wl_buf *b, enum wl_tape_kind kind, const void *p,
    size_t len);

/*
 * Begin one, with FIRST.  LIVE: it was begun in Redis too, and goes on there.
 * The caller has one reference.  NULL: memory is out.
 */
struct wl_tape *wl_tape_new(const struct wl_conf *conf, const char *project,
    const char *owner, const char *hash, const char *token,
    struct wl_str first, bool live) __attribute__((warn_unused_result));

/*
 * An open one of this process: by its owner, or by its token.  A reference,
 * or NULL.
 */
struct wl_tape *wl_tape_find(const char *project, const char *owner);
struct wl_tape *wl_tape_find_token(const char *project, const char *token);
void wl_tape_unref(struct wl_tape *t);	/* NULL is let pass */

/*
 * Write a piece.  After WL_TAPE_MAX nothing is written any more, and it will
 * not be complete.
 */
void wl_tape_add(struct wl_tape *t, enum wl_tape_kind kind, const void *p,
    size_t len);

/*
 * No more comes: OK when it is complete.  What is to be kept was filled in
 * before.  Nobody finds it here any more.
 */
void wl_tape_close(struct wl_tape *t, bool ok);

/*
 * Until Redis has the end of a closed tape, or DEADLINE (monotonic ms).
 */
void wl_tape_settle(struct wl_tape *t, int64_t deadline);

/*
 * How many others read it now, as far as is known here.
 */
int wl_tape_others(const struct wl_tape *t);

/*
 * Reading.  TAPE is one of this process, or NULL: the one of TOKEN in Redis.
 */
struct wl_tape_reader {
	const struct wl_conf	*conf;
	const char		*project, *token;
	struct wl_tape		*tape;
	struct wl_buf		 b;		/* read from Redis */
	size_t			 at, base;	/* in B or TAPE; B's place */
	int64_t			 pause;		/* ms between two looks */
};
void wl_tape_open(struct wl_tape_reader *r, const struct wl_conf *conf,
    const char *project, const char *token, struct wl_tape *tape);
void wl_tape_done(struct wl_tape_reader *r);

/*
 * The next piece: 1 with *KIND and *P, valid until the next call; 0: it is not
 * there yet; -1: there will be none, and the tape is not complete.
 */
int wl_tape_next(struct wl_tape_reader *r, enum wl_tape_kind *kind,
    struct wl_str *p) __attribute__((warn_unused_result));

/*
 * The same in memory: the piece of S at *AT.  1, 0: half of one, or none.
 */
int wl_tape_piece(struct wl_str s, size_t *at, enum wl_tape_kind *kind,
    struct wl_str *p);

/*
 * Wait for more, until DEADLINE (monotonic ms), while FD (or -1) is watched
 * for a client that leaves.  1: look again; 0: the deadline; -1: the client
 * left, or the coroutine was cancelled.
 */
int wl_tape_wait(struct wl_tape_reader *r, int fd, int64_t deadline)
    __attribute__((warn_unused_result));

/*
 * Figures of the tapes of this process.
 */
void wl_tape_stats(int *open, size_t *bytes);

#endif
