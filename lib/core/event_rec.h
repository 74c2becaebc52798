/*
 * Records in the making: what lib/core/event.c is made of.
 */
#ifndef WL_CORE_EVENT_REC_H
#define WL_CORE_EVENT_REC_H

#include "lib/base/buf.h"
#include "lib/base/jw.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wl_redact_rules;

/* Most bytes of a name, an id, a tag. */
#define WL_EVENT_WORD	((size_t)256)

/*
 * A record, redacted by RULES (NULL: built-in) on its way into W.
 */
struct wl_event_rec {
	struct wl_jw	 w;
	const struct wl_redact_rules *rules;
	struct wl_buf	 red, text;	/* for one text after the other */
	size_t		 hits;		/* redacted */
	bool		 truncated;
	bool		 shadow;	/* of a call that nobody waits for */
};

/*
 * Begin a record in B, and end it; free is for one that is not ended.
 */
void wl_event_rec_open(struct wl_event_rec *rec, struct wl_buf *b,
    const struct wl_redact_rules *rules);
void wl_event_rec_close(struct wl_event_rec *rec);
void wl_event_rec_free(struct wl_event_rec *rec);

/*
 * Text from outside as it may be kept, in at most MAX bytes: appended to B, or
 * as member KEY.  A word is short, and left out when there is none.
 */
void wl_event_rec_clean(struct wl_event_rec *rec, struct wl_buf *b,
    const char *p, size_t len, size_t max);
void wl_event_rec_text(struct wl_event_rec *rec, const char *key,
    const char *p, size_t len, size_t max);
void wl_event_rec_word(struct wl_event_rec *rec, const char *key,
    const char *s);

/*
 * A time (Unix ms), a figure (below zero: left out), and a length of time in
 * microseconds, written in ms.
 */
void wl_event_rec_time(struct wl_event_rec *rec, const char *key, int64_t ms);
void wl_event_rec_count(struct wl_event_rec *rec, const char *key, int64_t n);
void wl_event_rec_ms(struct wl_event_rec *rec, const char *key, int64_t us);

#endif
