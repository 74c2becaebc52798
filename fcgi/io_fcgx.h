/*
 * A FastCGI connection as a carrier of requests, one after the other.
 */
#ifndef WL_FCGI_IO_FCGX_H
#define WL_FCGI_IO_FCGX_H

#include <stdbool.h>
#include <stdint.h>

struct wl_io;
struct wl_io_fcgx;

/*
 * A carrier for the accepted non-blocking socket FD, which it owns from now
 * on; or NULL with errno, and FD is still the caller's.
 */
struct wl_io_fcgx *wl_io_fcgx_open(int fd);
void wl_io_fcgx_close(struct wl_io_fcgx *c);

/*
 * The request that runs on C, or comes next, is its last: the web server is
 * told with the end of the reply.
 */
void wl_io_fcgx_last(struct wl_io_fcgx *c);

/*
 * Wait until the peer sends the first byte of a request or goes.  Returns 1
 * for that, 0 at DEADLINE or when the coroutine was woken, or -1 with errno
 * ECANCELED.
 */
int wl_io_fcgx_idle(struct wl_io_fcgx *c, int64_t deadline);

/*
 * Read the beginning of a request with its variables.  Returns the carrier
 * for it, or NULL: the connection is of no more use.
 */
struct wl_io *wl_io_fcgx_accept(struct wl_io_fcgx *c);

/*
 * After the request was served: finish the reply if nobody did, and get ready
 * for the next request.  Returns whether there can be one.
 */
bool wl_io_fcgx_end(struct wl_io_fcgx *c);

#endif
