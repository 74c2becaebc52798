/*
 * A stream on its way through: bytes leave as they come; held back are only
 * those that may turn out to be the terminal event, or the usage that the
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
 * Most bytes held back; an event that is undecided for longer is passed on.
 */
#define WL_STREAM_HOLD	((size_t)16 * 1024)

/*
 * Most bytes of an event whose content is read; a longer one is passed on
 * unread.
 */
#define WL_STREAM_EVENT	((size_t)192 * 1024)

enum wl_stream_state {
	WL_STREAM_MORE,
	WL_STREAM_DONE,		/* the terminal event is in LAST, unsent */
	WL_STREAM_ERROR,	/* an error event: the same */
	WL_STREAM_GONE		/* OUT failed */
};

/*
 * Where we are in the JSON of an event, as far as "choices" is concerned.
 */
struct wl_stream_json {
	int		 depth;
	uint8_t		 matched;	/* bytes of the name */
	uint8_t		 seen;		/* how far "choices":[ has come */
	bool		 in_string, escaped;
	bool		 want_name;	/* the next string is a member's name */
	bool		 is_name;	/* this string is */
};

struct wl_stream {
	const struct wl_provider *wire;
	const struct wl_ask	*ask;
	struct wl_result	*res;
	int			(*out)(void *arg, const char *p, size_t len);
	void			*arg;
	struct wl_sse		 sse;
	struct wl_buf		 held;
	struct wl_str		 last;		/* terminal or error event */
	bool			 hide_usage;
	bool			 sse_lost;	/* event is too long for it */
	bool			 seen_data;	/* a data event is complete */
	bool			 data_out;	/* some of one was passed on */
	bool			 gone;		/* OUT failed */
	uint8_t			 over;		/* enum wl_stream_state, or 0 */
	/* the event that we are in */
	uint8_t			 line;		/* kind of line */
	uint8_t			 matched;	/* of its name, or of the BOM */
	uint8_t			 mark;		/* of "[DONE]" */
	uint8_t			 payload;	/* what its data looks like */
	bool			 dirty;		/* it has fields */
	bool			 decided;	/* nothing of it is held */
	bool			 skip_lf;	/* CR came: LF belongs to it */
	bool			 drop_lf;	/* and is dropped like it */
	char			 last_byte;	/* passed on, 0: none */
	struct wl_stream_json	 json;
};

/*
 * Begin.  What passes goes to OUT(ARG, ...), which returns 0 or -1.  Figures
 * and text go to *RES.
 */
void wl_stream_init(struct wl_stream *s, const struct wl_provider *wire,
    const struct wl_ask *ask, bool hide_usage, struct wl_result *res,
    int (*out)(void *, const char *, size_t), void *arg);
void wl_stream_free(struct wl_stream *s);

/*
 * Take bytes from upstream.  After DONE or ERROR, s->last is what is still to
 * be passed on, valid until the next call; bytes behind the event are dropped.
 */
enum wl_stream_state wl_stream_feed(struct wl_stream *s, const char *p,
    size_t len);

/*
 * The stream has ended without a terminal event: what is held is read and
 * passed on.  Returns DONE when that was a terminal event without its blank
 * line.
 */
enum wl_stream_state wl_stream_end(struct wl_stream *s);

/*
 * Whether what was passed on ends between two events: a comment, or an event
 * of ours, can be put in.  If not, a blank line must come before it.
 */
bool wl_stream_between(const struct wl_stream *s);

#endif
