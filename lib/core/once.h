/*
 * Work that one coroutine does for all that want it at the same time.
 */
#ifndef WL_CORE_ONCE_H
#define WL_CORE_ONCE_H

#include <stdbool.h>
#include <stdint.h>

struct wl_once_waiter;

/*
 * The owner embeds it, zeroed.
 */
struct wl_once {
	bool			 busy;
	struct wl_once_waiter	*waiters;
};

/*
 * 1: nobody does the work, so the caller shall, and then call
 * wl_once_leave(); 0: somebody did, look again; -1: DEADLINE (monotonic ms)
 * has passed, or the coroutine was cancelled.
 */
int wl_once_enter(struct wl_once *o, int64_t deadline)
    __attribute__((warn_unused_result));
void wl_once_leave(struct wl_once *o);

#endif
