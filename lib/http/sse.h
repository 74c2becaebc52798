/*
 * Server-sent events, incremental: any split of the bytes gives the same
 * events.  WHATWG HTML, "Server-sent events", parsing rules: BOM, CR, LF and
 * CRLF, comments, several data lines.
 */
#ifndef WL_HTTP_SSE_H
#define WL_HTTP_SSE_H

#include "lib/base/str.h"

#include <stdbool.h>

/*
 * An event whose blank line has been seen.  Strings are valid until the next
 * call.  DATA has its lines joined by LF.  Unlike a browser's parser this one
 * also gives events without data (HAS_DATA false) when they have a name.
 */
struct wl_sse_event {
	struct wl_str	name;		/* "event" field, may be empty */
	struct wl_str	data;
	struct wl_str	id;		/* the last one seen, stays set */
	bool		has_data;
};

struct wl_sse {
	struct wl_buf	line, data, name, id;
	size_t		max;		/* bytes of one event */
	bool		bom_done, skip_lf, has_data, complete;
};

/*
 * MAX is the most bytes that one event may hold (a line, or name and data).
 */
void wl_sse_init(struct wl_sse *s, size_t max);
void wl_sse_free(struct wl_sse *s);

/*
 * Take bytes from *P (of *LEN), advancing both, until an event is complete.
 * Returns 1 with *EV, 0 when all bytes were taken, or -1 when an event is
 * larger than MAX or memory is out; the parser is of no use afterwards.
 * An event that the end of the stream cuts off is not given; a caller that
 * wants it feeds "\n\n".
 */
int wl_sse_feed(struct wl_sse *s, const char **p, size_t *len,
    struct wl_sse_event *ev);

#endif
