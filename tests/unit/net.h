/*
 * Sockets on the loop, for tests that speak to themselves.
 */
#ifndef WL_TESTS_UNIT_NET_H
#define WL_TESTS_UNIT_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Listen on a free port of 127.0.0.1, non-blocking.  Ends the program when
 * that fails.
 */
int net_listen(int *port);

/*
 * The following wait at most MS milliseconds for the peer.  A connection, or
 * -1.
 */
int net_accept(int fd, int64_t ms);

/*
 * Up to LEN bytes: > 0, 0 at the end, -1 with errno.
 */
ssize_t net_read(int fd, void *p, size_t len, int64_t ms);

/*
 * All of LEN bytes: 0, or -1 with errno.
 */
int net_write(int fd, const void *p, size_t len, int64_t ms);
int net_puts(int fd, const char *s);

/*
 * Close what the loop knows.
 */
void net_close(int fd);

#endif
