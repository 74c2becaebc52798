/*
 * The event loop: one epoll instance, timers, a run queue of coroutines,
 * and callbacks for libraries that bring their own state machine.
 * Callbacks run on the loop's stack: they store and wake, nothing else.
 */
#ifndef WL_BASE_LOOP_H
#define WL_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct wl_co;

/*
 * Run FN(ARG) as the first coroutine of a new loop and turn the loop until
 * FN and all coroutines that it spawned have returned.  Returns what FN
 * returned, or -1 with errno set when no loop can be made (EBUSY: one runs).
 * One loop per process at a time; loops do not nest.  When no coroutine can
 * run and nothing could ever wake one, it aborts and names them.
 */
int wl_run(int (*fn)(void *), void *arg);

/*
 * Milliseconds of the monotonic clock, as read when the running coroutine
 * or callback was entered; wl_mono_fresh() reads it anew.
 */
int64_t wl_mono(void);
int64_t wl_mono_fresh(void);

/*
 * A file descriptor that a library owns: CB(FD, REVENTS, ARG) is called when
 * any of EVENTS (EPOLLIN, EPOLLOUT, ...) holds; EPOLLERR and EPOLLHUP are
 * always reported.  A second call for the same FD replaces EVENTS, CB and
 * ARG.  Returns 0, or -1 with errno set (EBUSY: a coroutine waits for FD).
 */
int wl_watch(int fd, uint32_t events, void (*cb)(int, uint32_t, void *),
    void *arg) __attribute__((warn_unused_result));

/*
 * Forget all that the loop knows of FD.  Must be called before a descriptor
 * that was waited for or watched is closed.  Wakes nobody: a coroutine that
 * waits for FD goes on waiting for its other causes.
 */
void wl_forget(int fd);

/*
 * A one-shot timer.  The owner embeds it, zeroed, and clears it before its
 * memory goes; CB(ARG) runs on the loop's stack at or after DEADLINE
 * (monotonic ms).  Setting a running timer moves it; clearing one that does
 * not run does nothing.  The end of wl_run() clears all.
 */
struct wl_timer {
	int64_t		 deadline;
	void		(*cb)(void *);
	void		*arg;
	int		 pos;	/* place in the heap plus one, 0 when idle */
};
int wl_timer_set(struct wl_timer *t, int64_t deadline, void (*cb)(void *),
    void *arg) __attribute__((warn_unused_result));
void wl_timer_clear(struct wl_timer *t);

/*
 * A hook that runs once at the end of the current turn, after every runnable
 * coroutine has run: one flush for all that they queued.  The owner embeds
 * it, zeroed; asking again in the same turn does nothing.  CB may free it;
 * what a hook asks for runs at the end of the next turn.
 */
struct wl_defer {
	struct wl_defer	*next;
	void		(*cb)(void *);
	void		*arg;
	bool		 queued;
};
void wl_defer(struct wl_defer *d, void (*cb)(void *), void *arg);

/*
 * Figures of the loop since its start; of the last loop when none runs.
 */
struct wl_loop_stat {
	uint64_t	turns;
	uint64_t	slow_turns;	/* over 5 ms */
	uint64_t	longest_us;
	uint64_t	coroutines;	/* alive now */
	uint64_t	stacks;		/* mapped now, pool included */
};
void wl_loop_stats(struct wl_loop_stat *st);

/*
 * FN is told of each turn longer than 5 ms: its length in microseconds and
 * the coroutine ("its name") or callback ("timer", "defer", "watch of fd N")
 * that took longest in it.  WHAT is valid during the call.  NULL: nobody.
 */
void wl_loop_on_slow(void (*fn)(int64_t us, const char *what));

#endif
