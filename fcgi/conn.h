/*
 * The connections of web servers to this process.
 */
#ifndef WL_FCGI_CONN_H
#define WL_FCGI_CONN_H

#include <stdbool.h>

struct wl_io;

/*
 * Accept on the non-blocking descriptor FD and have SERVE, which is false when
 * memory is out, called for each request, in the connection's coroutine; at
 * most max_requests at once.  The counts are in wl_worker.  The calling
 * coroutine is woken whenever wl_conn_any() may have changed after the stop.
 * 0, or -1: no memory.
 */
int wl_conn_open(int fd, bool (*serve)(struct wl_io *io))
    __attribute__((warn_unused_result));

/*
 * wl_worker.stopping has been set: accept no more, let each connection end
 * after the request that it carries or is about to bring.
 */
void wl_conn_stop(void);

/*
 * Cancel what still runs.
 */
void wl_conn_cancel(void);

/*
 * Whether something of this is left.
 */
bool wl_conn_any(void);

#endif
