/*
 * The outgoing HTTP client: libcurl's multi interface on the loop.  A
 * transfer runs by itself; the coroutine that owns it waits for progress.
 */
#ifndef WL_HTTP_CLIENT_H
#define WL_HTTP_CLIENT_H

#include "lib/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct wl_arena;
struct wl_buf;
struct wl_conf;
struct wl_err;
struct wl_xfer;

/*
 * Connections of different trust never share a pool: a reused connection is
 * not checked again.
 */
enum wl_trust {
	WL_TRUST_PUBLIC,	/* https only; every address is checked by the
				   URL guard; through upstream_proxy if set */
	WL_TRUST_PRIVATE,	/* a host that the operator listed: http too,
				   any address, never through the proxy */
	WL_TRUST_MAX
};

/*
 * Set up and tear down for the running loop.  CONF's upstream_ca_file,
 * upstream_proxy and max_requests are read once, here.  Closing ends the
 * transfers that still run with an error; their owners free them as ever.
 * Returns 0, or -1 with *E.
 */
int wl_client_open(const struct wl_conf *conf, struct wl_err *e);
void wl_client_close(void);

/*
 * Times of 0 or less mean an hour.
 */
struct wl_xfer_opts {
	const char		*method;	/* "POST" */
	const char		*url;		/* http or https, no user info */
	const char *const	*headers;	/* "Name: value", ended by NULL */
	const void		*body;		/* must outlive the transfer */
	size_t			 body_len;
	enum wl_trust		 trust;
	bool			 insecure;	/* take any certificate: to look
						   at a server, never for a call */
	int64_t			 connect_ms;	/* to look up and connect */
	int64_t			 first_byte_ms;	/* from then to the status */
	int64_t			 between_ms;	/* between two reads, not while
						   the reader is behind */
	int64_t			 total_ms;	/* of all */
	size_t			 buffer;	/* unread bytes, then paused;
						   0: 64 KiB */
};

/*
 * Begin a transfer owned by the running coroutine.  The name is looked up on
 * a helper thread, so this may wait.  No Accept-Encoding and no Expect header
 * are sent.  NULL with *E: WL_E_UPSTREAM (a URL that the guard refuses, an
 * unknown name), WL_E_UPSTREAM_TIMEOUT (the look-up), WL_E_INVALID_REQUEST (a
 * header with a control character), WL_E_CLIENT_CLOSED (cancelled),
 * WL_E_UNAVAILABLE (memory, or the client is closed).
 */
struct wl_xfer *wl_xfer_start(const struct wl_xfer_opts *o, struct wl_err *e);

/*
 * End it in whatever state: the connection is kept when the transfer was
 * complete, closed when not.  X may be NULL.
 */
void wl_xfer_free(struct wl_xfer *x);

enum {
	WL_X_HEADERS = 1,	/* status and headers are known */
	WL_X_DATA = 2,		/* bytes can be read */
	WL_X_DONE = 4,		/* over: complete, or wl_xfer_error() */
	WL_X_PEER = 8,		/* EVENTS of FD hold */
	WL_X_DEADLINE = 16
};

/*
 * Wait until the transfer shows something of WANT (WL_X_HEADERS, WL_X_DATA;
 * WL_X_DONE always counts), until FD shows EVENTS (FD -1: none), or until
 * DEADLINE.  Returns the bits that hold, or -1 with errno ECANCELED.  FD is
 * looked at only when there is nothing else to return.  Bytes may be left to
 * read when WL_X_DONE shows.
 */
int wl_xfer_wait(struct wl_xfer *x, int want, int fd, uint32_t events,
    int64_t deadline);

/*
 * The same of two transfers of this coroutine at once: *WHICH gets the one
 * whose bits hold, X before Y; NULL when they are of FD or the deadline.
 */
int wl_xfer_wait_two(struct wl_xfer *x, struct wl_xfer *y, int want, int fd,
    uint32_t events, int64_t deadline, struct wl_xfer **which);

/*
 * After WL_X_HEADERS.  Header names are matched without case; the first of
 * several; NULL if absent.  The text lives as long as X.
 */
int wl_xfer_status(const struct wl_xfer *x);
const char *wl_xfer_header(const struct wl_xfer *x, const char *name);

/*
 * The unread bytes as one piece, and how many of them were dealt with.  The
 * pointer is valid until the next wl_xfer_peek() or wl_xfer_free(), also
 * across waits: bytes that arrive meanwhile go elsewhere, and none is dropped
 * before it was taken.
 */
struct wl_str wl_xfer_peek(struct wl_xfer *x);
void wl_xfer_take(struct wl_xfer *x, size_t len);

/*
 * After WL_X_DONE: 0 when the body came to its proper end, else -1 with *E:
 * WL_E_UPSTREAM (refused, reset, name, TLS), WL_E_UPSTREAM_TIMEOUT (which of
 * the four in MSG), WL_E_UPSTREAM_INVALID (not HTTP, wrong length, too many
 * headers), WL_E_UNAVAILABLE (memory, or the client was closed).
 */
int wl_xfer_error(struct wl_xfer *x, struct wl_err *e);

/*
 * Timings in microseconds since the start, -1 when not reached.  REUSED: no
 * connection had to be made.
 */
struct wl_xfer_times { int64_t connect, first_byte, total; bool reused; };
void wl_xfer_times(const struct wl_xfer *x, struct wl_xfer_times *t);

/*
 * Read X to its end, at most MAX bytes, into B, whose limit is larger.  0, or
 * -1 with *E: as above, WL_E_UPSTREAM_INVALID for a longer body,
 * WL_E_CLIENT_CLOSED when cancelled.
 */
int wl_xfer_read(struct wl_xfer *x, size_t max, struct wl_buf *b,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * The simple case: run O, collect at most MAX bytes of body into the arena
 * (ended by a NUL that is not counted).  Returns the HTTP status, or -1 with
 * *E: as above, or WL_E_UPSTREAM_INVALID for a longer body.
 */
int wl_fetch(struct wl_arena *a, const struct wl_xfer_opts *o, size_t max,
    struct wl_str *body, struct wl_err *e);

#endif
