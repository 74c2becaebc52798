/*
 * Redis on the loop: one pipelined connection per process, shared by all its
 * coroutines.  Commands are queued, flushed once per turn of the loop, and
 * each caller waits for its own reply.
 */
#ifndef WL_STORE_REDIS_H
#define WL_STORE_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wl_arena;
struct wl_co;
struct wl_conf;
struct wl_err;

/*
 * Start the coroutine that owns the connection; connects in the background.
 * Returns 0, or -1 with *E for an address that cannot be understood.  With
 * no address configured every call fails at once.
 */
int wl_redis_open(const struct wl_conf *conf, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Wait for what is queued (redis_timeout at the longest), then disconnect.
 */
void wl_redis_close(void);

/*
 * Whether the breaker is closed: calls are being tried.  Each change of state
 * gives one log line (redis.down, redis.up).  While it is open every call
 * fails at once, and the connection is tried in the background, every 100 ms
 * at first and every second later; it counts as up again when a script could
 * write the key watchllm:probe within redis_timeout.  wl_redis_epoch() counts
 * the times that it came up: caches filled under another epoch are dropped.
 */
bool wl_redis_up(void);
uint64_t wl_redis_epoch(void);

/*
 * A reply, in the arena of the caller.
 */
enum wl_redis_type {
	WL_R_NIL, WL_R_INT, WL_R_STR, WL_R_ARRAY, WL_R_STATUS, WL_R_ERROR
};
struct wl_reply {
	enum wl_redis_type	 type;
	int64_t			 integer;
	const char		*str;
	size_t			 len;
	size_t			 n;
	struct wl_reply		**item;
};

/*
 * One command: ARGC strings with lengths (LENS NULL: NUL-ended).  Waits until
 * the reply, or redis_timeout after the flush (the socket is read once more
 * before giving up; then the connection is closed, so that a late reply is
 * nobody's, all other calls fail too, and the breaker opens).  Before the
 * first connection it waits redis_timeout at the longest for that.
 * NULL with *E WL_E_UNAVAILABLE; the command may have been carried out.  An
 * error reply is a reply, except those that mean "cannot serve": OOM,
 * READONLY, LOADING, MASTERDOWN, NOREPLICAS, MISCONF, NOAUTH, NOPERM open the
 * breaker as if it were down.
 */
struct wl_reply *wl_redis_call(struct wl_arena *arena, int argc,
    const char *const *argv, const size_t *lens, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * The same in two halves: queue now, wait later.  REQ is embedded by the
 * caller and must stay in place until wl_redis_wait() returned, which must be
 * called after each wl_redis_send() that returned 0, once.  ARGV is copied.
 */
enum wl_redis_state {
	WL_RS_IDLE, WL_RS_QUEUED, WL_RS_DONE, WL_RS_FAILED
};
struct wl_redis_slot;
struct wl_redis_req {
	struct wl_redis_slot	*slot;		/* its place in the order */
	struct wl_co		*co;		/* that waits */
	struct wl_arena		*arena;
	struct wl_reply		*reply;
	enum wl_redis_state	 state;
	int			 argc;		/* of a script, for EVAL */
	const char		**argv;
	size_t			*lens;
};
int wl_redis_send(struct wl_redis_req *req, struct wl_arena *arena, int argc,
    const char *const *argv, const size_t *lens, struct wl_err *e)
    __attribute__((warn_unused_result));
struct wl_reply *wl_redis_wait(struct wl_redis_req *req, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * A Lua script: EVALSHA, and EVAL once where the server does not know it.
 * ARGV is NKEYS keys, then arguments; its strings must stay in place until
 * wl_redis_script_wait() returned.  SHA is filled in at first use.
 */
struct wl_script {
	const char	*text;
	char		 sha[41];
};
int wl_redis_script_send(struct wl_redis_req *req, struct wl_arena *arena,
    struct wl_script *s, int nkeys, int argc, const char *const *argv,
    const size_t *lens, struct wl_err *e) __attribute__((warn_unused_result));
struct wl_reply *wl_redis_script_wait(struct wl_redis_req *req,
    struct wl_script *s, struct wl_err *e) __attribute__((warn_unused_result));
struct wl_reply *wl_redis_script(struct wl_arena *arena, struct wl_script *s,
    int nkeys, int argc, const char *const *argv, struct wl_err *e)
    __attribute__((warn_unused_result));

#endif
