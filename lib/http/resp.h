/*
 * The reply: headers are collected, then it leaves either whole or as a
 * stream.  Header values with control characters are refused here.
 */
#ifndef WL_HTTP_RESP_H
#define WL_HTTP_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wl_arena;
struct wl_io;

struct wl_resp_header { const char *name, *value; };

#define WL_RESP_HEADERS	64

struct wl_resp {
	struct wl_io		*io;
	struct wl_arena		*arena;
	int			 status;	/* as sent, 0 before */
	bool			 head_sent;
	bool			 streaming;
	bool			 gone;		/* a write failed */
	bool			 no_body;	/* HEAD, 204 */
	int64_t			 bytes;		/* of the body, sent */
	struct wl_resp_header	 headers[WL_RESP_HEADERS];
	size_t			 nheaders;
};

void wl_resp_init(struct wl_resp *r, struct wl_io *io, struct wl_arena *a);

/*
 * Set (replace) a header; the printf form makes the value in the arena.
 * A name or value with control characters is left out and logged.
 */
void wl_resp_set(struct wl_resp *r, const char *name, const char *value);
void wl_resp_setf(struct wl_resp *r, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * The whole reply: Status line with its reason, headers, Content-Length,
 * body, queued as one write; not yet finished (the caller settles first,
 * then calls io->ops->finish).  Returns 0, or -1 when the client is gone.
 */
int wl_resp_send(struct wl_resp *r, int status, const char *content_type,
    const void *body, size_t len);

/*
 * Begin a stream: headers (with X-Accel-Buffering: no, Cache-Control:
 * no-store) and FIRST, a comment such as ": ok\n\n" that makes web servers
 * pass the headers on, flushed at once.
 */
int wl_resp_stream(struct wl_resp *r, int status, const char *content_type,
    const char *first);

/*
 * Bytes of the stream, flushed when FLUSH.  0, or -1 when the client is gone.
 */
int wl_resp_write(struct wl_resp *r, const void *p, size_t len, bool flush);

/*
 * The reason phrase of STATUS ("OK"), never NULL.
 */
const char *wl_http_reason(int status);

#endif
