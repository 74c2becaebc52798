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
	bool			 no_body;	/* set by the caller for HEAD; 204 */
	int64_t			 bytes;		/* of the body, sent */
	struct wl_resp_header	 headers[WL_RESP_HEADERS];
	size_t			 nheaders;
};

void wl_resp_init(struct wl_resp *r, struct wl_io *io, struct wl_arena *a);

/*
 * Set (replace) a header; value NULL takes it out.  The value is copied into
 * the arena, NAME is a literal or lives as long as the reply.  A name that is no token, a value with control
 * characters, and one more than WL_RESP_HEADERS are left out and logged.
 * Status, Content-Type and Content-Length are set by the functions below.
 */
void wl_resp_set(struct wl_resp *r, const char *name, const char *value);
void wl_resp_set_int(struct wl_resp *r, const char *name, int64_t value);

/*
 * The whole reply: Status line with its reason, headers, Content-Length,
 * body, queued as one write; not yet finished (the caller settles first,
 * then calls io->ops->finish).  CONTENT_TYPE may be NULL.  With no_body, and
 * for 1xx, 204 and 304, the body is left out.  Once a head has been sent
 * nothing more can be: that is -1 too.  Returns 0, or -1 when the client is
 * gone.
 */
int wl_resp_send(struct wl_resp *r, int status, const char *content_type,
    const void *body, size_t len);

/*
 * Begin a stream: headers (with X-Accel-Buffering: no, Cache-Control:
 * no-store) and FIRST (may be NULL), a comment such as ": ok\n\n" that makes
 * web servers pass the headers on, flushed at once.  FIRST is not counted in
 * BYTES.  Returns as wl_resp_send().
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
