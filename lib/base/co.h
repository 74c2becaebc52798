/*
 * Stackful coroutines: a stack with a guard page, switched in user space.
 * Only loop.c and wait.c use the switching half of this interface.
 */
#ifndef WL_BASE_CO_H
#define WL_BASE_CO_H

#include <stdbool.h>
#include <stddef.h>

struct wl_co;

/*
 * Bytes of stack of each coroutine, without the guard page below it.
 */
#define WL_CO_STACK ((size_t)256 * 1024)

/*
 * Start FN(ARG) as a coroutine of the running loop.  It first runs in this
 * or the next turn of the loop, never inside this call.  Its memory is
 * reclaimed when FN returns.  NAME (a literal) shows in logs and in gdb.
 * Returns the coroutine, valid until FN returns, or NULL with errno set
 * (ENOMEM) when no stack can be made.
 */
struct wl_co *wl_co_spawn(const char *name, void (*fn)(void *), void *arg)
    __attribute__((warn_unused_result));

/*
 * The running coroutine, or NULL on the loop's own stack.
 */
struct wl_co *wl_co_self(void);

/*
 * Let every other runnable coroutine and the loop's events go first.
 */
void wl_co_yield(void);

/*
 * Ask CO to end: its current wait and every later one returns -1 with
 * errno ECANCELED, until it returns from its function.
 */
void wl_co_cancel(struct wl_co *co);

/*
 * Whether wl_co_cancel() was called for the running coroutine.
 */
bool wl_co_cancelled(void);

/*
 * Debugging aid: with WATCHLLM_PAINT_STACKS=1 in the environment stacks are
 * painted, and this is the most bytes that any coroutine has used so far;
 * else 0.
 */
size_t wl_co_high_water(void);

#endif
