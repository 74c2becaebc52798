/*
 * A stream on its way through: each event leaves when it is complete, byte by
 * byte as it came, or as what its provider's format makes of it; left out are
 * the terminal event, which is for the caller, errors, and the usage that the
 * client did not ask for.
 */
#ifndef WL_CORE_STREAM_H
#define WL_CORE_STREAM_H

#include "lib/core/provider.h"
#include "lib/http/sse.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Most bytes of an event that is held until it is complete, and read; a
 * longer one passes as it comes, unread.  The last event of the Responses API
 * holds the whole answer again, with the client's tools; pictures and sounds
 * come whole in one.
 */
#define WL_STREAM_EVENT		((size_t)192 * 1024)
#define WL_STREAM_RESPONSE	((size_t)16 * 1024 * 1024)
/* The same of a stream that is translated, where it is invalid: nothing can
   be made of half an event. */
#define WL_STREAM_TRANSLATED	((size_t)1024 * 1024)

enum wl_stream_state {
	WL_STREAM_MORE,
	WL_STREAM_DONE,		/* the terminal event is in LAST, unsent */
	WL_STREAM_ERROR,	/* an error event: RES tells, it is gone */
	WL_STREAM_INVALID,	/* an event that nobody can read; it is gone */
	WL_STREAM_GONE		/* OUT failed */
};

struct wl_stream {
	const struct wl_target	*target;
	const struct wl_ask	*ask;
	struct wl_result	*res;
	int			(*out)(void *arg, const char *p, size_t len);
	void			*arg;
	size_t			 longest;	/* event that is read */
	struct wl_sse		 sse;
	struct wl_buf		 held;		/* of the event that we are in */
	struct wl_str		 last;		/* the terminal event */
	struct wl_buf		 refusal;	/* of an error: the object */
	struct wl_relay		 relay;		/* of what is translated */
	struct wl_buf		 plain;		/* taken out of its framing */
	bool			 translated;
	bool			 hide_usage;
	bool			 data_out;	/* an event was passed on */
	bool			 gone;		/* OUT failed */
	uint8_t			 over;		/* enum wl_stream_state, or 0 */
	/* where we are */
	bool			 fields;	/* in an event, not a comment */
	bool			 in_line;	/* not at a line's first byte */
	bool			 after_cr;	/* an LF belongs to it */
	bool			 drop_lf;	/* and is dropped like its event */
	bool			 skimming;	/* in an event that is too long */
};

/*
 * Begin, with what T answers.  What passes goes to OUT(ARG, ...), which
 * returns 0 or -1.  Figures and text go to *RES; what refusal says of an
 * error lives until wl_stream_free().
 */
void wl_stream_init(struct wl_stream *s, const struct wl_target *t,
    const struct wl_ask *ask, bool hide_usage, struct wl_result *res,
    int (*out)(void *, const char *, size_t), void *arg);
void wl_stream_free(struct wl_stream *s);

/*
 * Take bytes from upstream.  Waits only for helper threads, when an event is
 * longer than WL_STREAM_EVENT.  After DONE s->last is what is still to be
 * passed on, valid until the next call; bytes behind the event are dropped.
 */
enum wl_stream_state wl_stream_feed(struct wl_stream *s, const char *p,
    size_t len);

/*
 * The stream has ended: an event whose blank line is missing gets one.
 * Returns as wl_stream_feed(); MORE: without a terminal event.
 */
enum wl_stream_state wl_stream_end(struct wl_stream *s);

/*
 * Whether a stream that is complete, and has given a finish reason, may end
 * here without a terminal event; and pass on what its format has still to say
 * then: 0, or -1: OUT failed.
 */
bool wl_stream_may_end(const struct wl_stream *s);
int wl_stream_finish(struct wl_stream *s);

/*
 * The terminal event of a stream of API that has none of its own; empty where
 * it was one too long to be held.
 */
struct wl_str wl_stream_last(enum wl_api api);

/*
 * Whether what was passed on ends between two events, as it does unless one is
 * very long: a comment, or an event of ours, can be put in.
 */
bool wl_stream_between(const struct wl_stream *s);

#endif
