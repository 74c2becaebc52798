/*
 * The boundary between a request and whatever carries it: FastCGI
 * (fcgi/io_fcgx.c), plain CGI (fcgi/io_cgi.c), memory (tests/unit/io_mem.c).
 * All calls wait as straight-line code does, by wl_wait().
 */
#ifndef WL_HTTP_IO_H
#define WL_HTTP_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct wl_io;

struct wl_io_ops {
	/* CGI variable NAME, or NULL; valid until finish. */
	const char *(*param)(struct wl_io *io, const char *name);
	/* Call FN for every variable. */
	void (*each)(struct wl_io *io, void (*fn)(const char *name,
	    const char *value, void *arg), void *arg);
	/* Up to LEN bytes of the body: > 0, 0 at its end, -1 with errno. */
	ssize_t (*read)(struct wl_io *io, void *p, size_t len);
	/* Queue bytes of the reply; may write when much is queued. */
	int (*write)(struct wl_io *io, const void *p, size_t len);
	/* Send what is queued: 0, or -1 with errno (EPIPE: client gone). */
	int (*flush)(struct wl_io *io);
	/* The reply is complete; the connection may serve another request. */
	int (*finish)(struct wl_io *io);
	/* Milliseconds that one read or write may wait for the peer. */
	void (*timeout)(struct wl_io *io, int64_t ms);
};

struct wl_io {
	const struct wl_io_ops	*ops;
	/*
	 * Descriptor whose EPOLLRDHUP tells that the client or its web server
	 * has gone, once the body has been read to its end; -1: none.
	 */
	int			 fd;
};

#endif
