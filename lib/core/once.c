/*
 * Waiters stand in a list on their own stacks.
 */
#include "config.h"
#include "lib/core/once.h"

#include <stddef.h>

#include "lib/base/co.h"
#include "lib/base/wait.h"

struct wl_once_waiter {
	struct wl_once_waiter	*next;
	struct wl_co		*co;
	bool			 done;
};

int
wl_once_enter(struct wl_once *o, int64_t deadline)
{
	struct wl_once_waiter me = { o->waiters, wl_co_self(), false }, **p;
	int got = 1;

	if (!o->busy) {
		o->busy = true;
		return 1;
	}
	o->waiters = &me;
	while (!me.done && got > 0)
		got = wl_wait(-1, WL_WOKEN, deadline);
	if (me.done)
		return 0;
	for (p = &o->waiters; *p != &me; p = &(*p)->next)
		;
	*p = me.next;
	return -1;
}

void
wl_once_leave(struct wl_once *o)
{
	struct wl_once_waiter *w = o->waiters, *next;

	o->busy = false;
	o->waiters = NULL;
	for (; w != NULL; w = next) {
		next = w->next;
		w->done = true;
		wl_wake(w->co);
	}
}
