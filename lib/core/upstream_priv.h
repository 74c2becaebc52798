/*
 * What the parts of the call upstream share: upstream_course.c chooses who is
 * asked, upstream.c ends it, upstream_attempt.c makes one attempt,
 * upstream_race.c one beside it, upstream_stream.c passes a stream on,
 * upstream_figures.c says what it took.  Nobody else includes it.
 */
#ifndef WL_CORE_UPSTREAM_PRIV_H
#define WL_CORE_UPSTREAM_PRIV_H

#include "lib/core/upstream.h"

struct wl_health_ref;
struct wl_upcall;
struct wl_xfer;

/*
 * What became of an attempt.
 */
enum wl_upend {
	WL_UP_DONE,
	WL_UP_NEXT,	/* another target may do better */
	WL_UP_FAILED,
	WL_UP_GONE	/* the client */
};

/*
 * A second target that may be asked beside the first of a call, and what came
 * of it.  Of two that were asked the one that begins first answers; the LOSER
 * is cancelled, or has failed before.
 */
struct wl_uprace {
	const struct wl_target	*t;	/* NULL: none */
	struct wl_health_ref	*health;
	int64_t			 after_ms;
	/* whether it may be asked; called once, when it is due */
	bool			(*may)(void *arg);
	void			*arg;
	bool			 begun;	/* both were asked */
	bool			 won;	/* R's target is the second now */
	int64_t			 at_us;	/* when it was asked */
	bool			 lost;	/* there is a loser: */
	bool			 cancelled;	/* else it has failed */
	int			 status;
	int64_t			 over_us;	/* when */
	int64_t			 cost_nano;	/* of one that was cancelled */
	struct wl_err		 err;
};

/*
 * The call, from its first target to its last.
 */
struct wl_uprun {
	struct wl_arena		*a;
	const struct wl_conf	*conf;
	const struct wl_ask	*client;	/* as it asked */
	const struct wl_ask	*ask;	/* the same as this target is asked */
	const char		*request_id;
	struct wl_sink		*sink;
	struct wl_result	*res;
	const struct wl_target	*t;	/* of this attempt */
	struct wl_health_ref	*health;	/* of T */
	bool			 healthy;	/* that was told */
	struct wl_xfer		*x;
	struct wl_str		 type;	/* of an unstreamed answer */
	int64_t			 base_us;	/* request's age at the start */
	int64_t			 start_us;	/* monotonic */
	int64_t			 deadline;	/* monotonic, ms */
	int64_t			 quiet_since;	/* ms */
	bool			 gone;		/* client; we read on */
	bool			 half_sent;	/* of an event */
	bool			 answered;	/* the attempt got a status */
	bool			 no_again;	/* x-should-retry: false */
	int64_t			 retry_ms;	/* asked for, 0: not */
	struct wl_uprace	 race;
};

/*
 * Monotonic microseconds.
 */
int64_t wl_upstream_now_us(void);

/*
 * Microseconds since the request began; never runs backwards.
 */
int64_t wl_upstream_age(const struct wl_uprun *r);

/*
 * Usage and cost of what was answered, COMPLETE or not.
 */
void wl_upstream_figures(struct wl_uprun *r, bool complete);

/*
 * What R's request costs at T by estimate with OUTPUT tokens (-1: none), in
 * nano-dollars, or -1: not known.
 */
int64_t wl_upstream_cost(const struct wl_uprun *r, const struct wl_target *t,
    int64_t output);

/*
 * The client has left.  Returns whether that ends the call; else we read on
 * for the usage.
 */
bool wl_upstream_leave(struct wl_uprun *r);

/*
 * Wait for something of WANT while the client is watched and kept awake.
 * BETWEEN: a comment may be sent.  0: it shows, or the transfer is over; -1:
 * the call ends as *END says.
 */
int wl_upstream_await(struct wl_uprun *r, int want, bool between,
    enum wl_upend *end);

/*
 * The same with a second transfer Y (or NULL), until UNTIL (monotonic ms) at
 * most: *WHICH gets the one that shows something, NULL at UNTIL.
 */
int wl_upstream_await_two(struct wl_uprun *r, struct wl_xfer *y, int want,
    bool between, int64_t until, struct wl_xfer **which, enum wl_upend *end);

/*
 * Wait until UNTIL (monotonic ms) before another attempt, with the client
 * watched and kept awake.  0, or -1: the call ends as *END says.
 */
int wl_upstream_pause(struct wl_uprun *r, int64_t until, enum wl_upend *end);

/*
 * The transfer broke, or ended too early.
 */
enum wl_upend wl_upstream_broken(struct wl_uprun *r);

/*
 * From the first byte of a stream to its last event.
 */
enum wl_upend wl_upstream_stream(struct wl_uprun *r, bool hide_usage);

/*
 * The targets T in the order and at the times that the policy allows, until
 * one has answered.
 */
enum wl_upend wl_upstream_course(struct wl_uprun *r,
    const struct wl_target *t, int n);

/*
 * R's target is who answers: write into the result whom that is, and take up
 * what it was asked.
 */
void wl_upstream_name(struct wl_uprun *r);

/*
 * Begin the transfer to R's target: *U and R->x are of it.
 */
enum wl_upend wl_upstream_start(struct wl_uprun *r, struct wl_upcall *u);

/*
 * R's transfer has begun: wait for its first byte, and ask R->race's target
 * when that is late.  R->t, R->x and *U become those of the one that answers.
 * WL_UP_DONE, or how the call ends.
 */
enum wl_upend wl_upstream_race(struct wl_uprun *r, struct wl_upcall *u);

/*
 * One call to R's target, from its request to the end of its answer.
 */
enum wl_upend wl_upstream_attempt(struct wl_uprun *r);

#endif
