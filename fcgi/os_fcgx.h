/*
 * The operating-system layer that libfcgi calls (fcgios.h), on wl_wait():
 * one connection with a web server.
 */
#ifndef WL_FCGI_OS_FCGX_H
#define WL_FCGI_OS_FCGX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi/record.h"

#define WL_OS_FCGX_GATHER	((size_t)64 * 1024)
#define WL_OS_FCGX_TIMEOUT	((int64_t)60 * 1000)

struct wl_os_fcgx {
	int			 fd;		/* non-blocking */
	int64_t			 timeout_ms;	/* of one wait for the peer */
	struct wl_record	 record;
	bool			 corked;	/* gather what is written */
	bool			 no_wait;	/* reading fails with EAGAIN */
	bool			 failed;	/* broken: all I/O fails at once */
	bool			 closed;	/* libfcgi is done with it */
	int			 error;		/* errno of the failure */
	unsigned char		*gather;	/* WL_OS_FCGX_GATHER bytes */
	size_t			 gathered;
	unsigned char		*over;		/* read of the next request */
	size_t			 over_len;
	size_t			 busy;		/* bytes since the last wait */
	uint64_t		 reads, writes;	/* system calls that moved bytes */
};

/*
 * Let libfcgi use FD, which stays the caller's.  Returns 0, or -1 with errno
 * ENOMEM.
 */
int wl_os_fcgx_attach(struct wl_os_fcgx *c, int fd);

/*
 * The opposite; the memory of *C is the caller's.
 */
void wl_os_fcgx_detach(struct wl_os_fcgx *c);

/*
 * Send what has been gathered.  Returns 0, or -1 with errno.
 */
int wl_os_fcgx_flush(struct wl_os_fcgx *c);

/*
 * The same, and tell the peer that nothing comes after it: by the end of the
 * file, and by a record of no meaning before that when MORE.
 */
int wl_os_fcgx_last(struct wl_os_fcgx *c, bool more);

/*
 * Whether the connection can carry another request: the last one was read to
 * its end and nothing failed.  Then it is ready for it.
 */
bool wl_os_fcgx_next(struct wl_os_fcgx *c);

/*
 * Read and drop what the peer still sends, so that it gets to read our
 * reply: until it closes, or 2 s, or 64 MiB.
 */
void wl_os_fcgx_linger(struct wl_os_fcgx *c);

#endif
