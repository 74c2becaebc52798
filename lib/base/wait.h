/*
 * The one primitive that waits.  Everything above lib/base that can block
 * ends up here; the loop runs other coroutines meanwhile.
 */
#ifndef WL_BASE_WAIT_H
#define WL_BASE_WAIT_H

#include <sys/epoll.h>
#include <stdint.h>

struct wl_co;

/*
 * Extra bit for EVENTS and the result of wl_wait(), beside EPOLLIN,
 * EPOLLOUT, EPOLLRDHUP: somebody called wl_wake() for this coroutine.
 */
#define WL_WOKEN (1u << 24)

/*
 * Wait until FD (or -1: no descriptor) shows one of EVENTS, until wl_wake()
 * when EVENTS has WL_WOKEN, or until DEADLINE (monotonic ms, see wl_mono();
 * INT64_MAX: none).  A deadline that has passed makes it a look: events that
 * hold are still reported.
 * EPOLLERR and EPOLLHUP are always reported.  Returns the events that hold
 * (> 0), 0 at the deadline, or -1 with errno ECANCELED when this coroutine
 * was cancelled, or another errno from epoll (EPERM: a regular file).  At
 * most one coroutine waits for a descriptor at a time (EBUSY).  With
 * EPOLLEXCLUSIVE (and only EPOLLIN) processes that wait for the same
 * listening socket are not all woken for one connection: so who stops
 * waiting for good tries accept() once more, for the others slept.
 * FD must be non-blocking if it is then read or written, and wl_forget()
 * comes before its close.  Aborts when not called by a coroutine.
 * A wake is not remembered: test your condition, then wait, in that order
 * and with nothing that waits between.
 */
int wl_wait(int fd, uint32_t events, int64_t deadline)
    __attribute__((warn_unused_result));

/*
 * Make CO runnable if it waits with WL_WOKEN; else do nothing.  Not for
 * other threads.
 */
void wl_wake(struct wl_co *co);

/*
 * Wait MS milliseconds.  Returns 0, or -1 with errno ECANCELED.
 */
int wl_sleep(int64_t ms);

/*
 * Run FN(ARG) on a helper thread and wait for it.  For what blocks by its
 * nature: name look-ups, fsync, long parsing.  FN must touch nothing that
 * belongs to the loop.  It cannot be cancelled; this returns when FN has.
 * Returns 0, or -1 with errno set (EAGAIN: no thread) and FN not run.
 */
int wl_offload(void (*fn)(void *), void *arg)
    __attribute__((warn_unused_result));

#endif
