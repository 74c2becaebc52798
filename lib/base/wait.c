/*
 * The waiting primitive: park the coroutine until a descriptor, a waker or
 * the clock makes it ready.
 */
#include "config.h"
#include "lib/base/wait.h"

#include <errno.h>

#include "lib/base/sched.h"

static void
deadline_passed(void *arg)
{
	wl_sched_ready(arg, 0);
}

/*
 * The mark of cancellation is looked at last: it may have come after the
 * event, while this coroutine was in the run queue.
 */
int
wl_wait(int fd, uint32_t events, int64_t deadline)
{
	struct wl_co *co = wl_sched_need_co("wl_wait");

	if (co->cancelled) {
		errno = ECANCELED;
		return -1;
	}
	if (fd != -1 && wl_sched_attach(co, fd, events & ~WL_WOKEN) == -1)
		return -1;
	if (deadline != INT64_MAX && wl_timer_set(&co->timer, deadline,
	    deadline_passed, co) == -1) {
		wl_sched_detach(co);
		return -1;
	}
	co->events = events;
	wl_sched_park(WL_CO_WAITING);
	if (co->cancelled) {
		errno = ECANCELED;
		return -1;
	}
	return co->result;
}

void
wl_wake(struct wl_co *co)
{
	if (co->state == WL_CO_WAITING && (co->events & WL_WOKEN) != 0)
		wl_sched_ready(co, (int)WL_WOKEN);
}

/*
 * Counted from now, not from the last turn: the caller may have computed for
 * long since.
 */
int
wl_sleep(int64_t ms)
{
	int64_t now = wl_mono_fresh();

	return wl_wait(-1, 0, ms < INT64_MAX - now ? now + ms : INT64_MAX);
}
