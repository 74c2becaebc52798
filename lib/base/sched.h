/*
 * What co.c, loop.c, wait.c and offload.c share.  Nobody else includes it.
 */
#ifndef WL_BASE_SCHED_H
#define WL_BASE_SCHED_H

#include "lib/base/co.h"
#include "lib/base/loop.h"

enum wl_co_state {
	WL_CO_QUEUED,	/* will run in this turn or the next */
	WL_CO_RUNNING,
	WL_CO_WAITING,	/* in wl_wait() */
	WL_CO_HELD,	/* in wl_offload(), which nothing interrupts */
	WL_CO_DONE	/* its function has returned */
};

struct wl_co {
	struct wl_co	*next;		/* in the run queue */
	struct wl_co	*prev_alive, *next_alive;
	const char	*name;
	void		(*fn)(void *);
	void		*arg;
	struct wl_stack	*stack;
	void		*frame;		/* where it is parked, for gdb */
	enum wl_co_state state;
	bool		 cancelled;
	int		 fd;		/* that it waits for, or -1 */
	uint32_t	 events;	/* that it waits for */
	int		 result;	/* of the wait that ended */
	struct wl_timer	 timer;		/* the deadline of the wait */
};

struct wl_queue {
	struct wl_co	*head, *tail;
};

/*
 * One loop per process; gdb reads this too.  All zero when no loop runs.
 */
struct wl_sched {
	bool		 running;
	struct wl_co	*self;		/* NULL on the loop's own stack */
	struct wl_co	*alive;		/* list, newest first */
	struct wl_queue	 ready;		/* run in this turn */
	struct wl_queue	 later;		/* gave way: run in the next turn */
	int		 sources;	/* descriptors and jobs that may wake */
	int64_t		 now_us;	/* monotonic, when last read */
	struct wl_loop_stat stat;
};
extern struct wl_sched wl_sched;

/*
 * Whether this thread is the one that turns the loop.
 */
bool wl_sched_here(void);

/*
 * The running coroutine.  Aborts, naming WHAT, on the loop's own stack, in
 * a helper thread, or when no loop runs: nothing can wait there.
 */
struct wl_co *wl_sched_need_co(const char *what);

/*
 * Abort, naming WHAT, unless this thread turns a loop.
 */
void wl_sched_need_loop(const char *what);

/*
 * Say what is wrong on stderr, and abort.
 */
void wl_sched_die(const char *fmt, ...)
    __attribute__((noreturn, format(printf, 1, 2)));

/*
 * Append CO to Q.
 */
void wl_sched_push(struct wl_queue *q, struct wl_co *co);

/*
 * End the wait of CO with RESULT: it leaves its timer and its descriptor
 * and becomes runnable.
 */
void wl_sched_ready(struct wl_co *co, int result);

/*
 * Make CO, which is about to wait, the one that FD's EVENTS (without
 * WL_WOKEN) make ready.  Returns 0, or -1 with errno set (EBUSY, EBADF, or
 * epoll_ctl's).
 */
int wl_sched_attach(struct wl_co *co, int fd, uint32_t events)
    __attribute__((warn_unused_result));

/*
 * CO does not wait for its descriptor any more, if it had one.
 */
void wl_sched_detach(struct wl_co *co);

/*
 * Run CO on its own stack until it parks or returns.  On the loop's stack
 * only.  A coroutine that has returned is freed by this.
 */
void wl_sched_resume(struct wl_co *co);

/*
 * Leave the running coroutine, in STATE, for the loop's stack; returns when
 * it is resumed.  errno is kept.
 */
void wl_sched_park(enum wl_co_state state);

/*
 * Prepare stacks at the start of a loop, and unmap the pool at its end.
 */
void wl_sched_stacks_open(void);
void wl_sched_stacks_close(void);

/*
 * End the helper threads, which have no work any more.
 */
void wl_sched_offload_close(void);

#endif
