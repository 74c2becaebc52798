/*
 * What cache.c, cache_replay.c and cache_tee.c share.  Nobody else includes
 * it.
 */
#ifndef WL_CORE_CACHE_PRIV_H
#define WL_CORE_CACHE_PRIV_H

#include "lib/core/cache.h"

/*
 * How a replay ended.
 */
enum wl_cache_end_of {
	WL_CACHE_DONE,		/* complete */
	WL_CACHE_BROKEN,	/* its maker failed; nothing reached the client */
	WL_CACHE_HALF,		/* the same, but something did */
	WL_CACHE_GONE,		/* the client */
	WL_CACHE_LATE		/* the deadline */
};

/*
 * Play to NEXT what R reads: data goes in pieces of whole events, after those
 * that C->after says have come already, with ids where they are asked for.
 * Fills *RES as far as the tape tells.
 */
enum wl_cache_end_of wl_cache_play(struct wl_cache *c,
    struct wl_tape_reader *r, struct wl_sink *next, struct wl_result *res,
    int64_t deadline);

/*
 * The same for an entry, which is complete.
 */
enum wl_cache_end_of wl_cache_play_entry(struct wl_cache *c,
    struct wl_str body, struct wl_sink *next, struct wl_result *res);

/*
 * Whether the answer in BODY came from one of T.
 */
bool wl_cache_is_from(struct wl_arena *a, struct wl_str body,
    const struct wl_target *t, int n);

/*
 * JSON of the pieces BEGIN and RESULT.
 */
void wl_cache_put_begin(struct wl_tape *t, int status, const char *type,
    bool stream, const struct wl_result *res);
void wl_cache_put_result(struct wl_tape *t, const struct wl_result *res);

/*
 * Append the line that gives event N of TOKEN its id.
 */
void wl_cache_put_id(struct wl_buf *b, const char *token, int64_t n);

#endif
