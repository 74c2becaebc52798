/*
 * Waiting: a coroutine leaves its stack until a descriptor, a waker or the
 * clock brings it back.
 */
#include "config.h"
#include "lib/base/wait.h"

#include <errno.h>

#include "lib/base/sched.h"

static void
deadline(void *arg)
{
	wl_sched_ready(arg, 0);
}

int
wl_wait(int fd, uint32_t events, int64_t when)
{
	struct wl_co *co = wl_sched_need_co("wl_wait");

	if (co->cancelled) {
		errno = ECANCELED;
		return -1;
	}
	if (wl_timer_set(&co->timer, when, deadline, co) == -1)
		return -1;
	co->events = events;
	if (fd >= 0 && wl_sched_attach(co, fd, events & ~WL_WOKEN) == -1) {
		wl_timer_clear(&co->timer);
		return -1;
	}
	co->fd = fd;
	wl_sched_park(WL_CO_WAITING);
	if (co->result < 0)
		errno = ECANCELED;
	return co->result;
}

void
wl_wake(struct wl_co *co)
{
	if (co->state == WL_CO_WAITING && (co->events & WL_WOKEN) != 0)
		wl_sched_ready(co, (int)WL_WOKEN);
}

int
wl_sleep(int64_t ms)
{
	int64_t end = wl_mono_fresh() + ms;

	return wl_wait(-1, 0, end) == -1 ? -1 : 0;
}
