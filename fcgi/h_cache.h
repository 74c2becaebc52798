/*
 * Handlers of /v1/cache: what is kept of a project's answers.
 */
#ifndef WL_FCGI_H_CACHE_H
#define WL_FCGI_H_CACHE_H

struct wl_ctx;

/*
 * GET /v1/cache/stats: figures.
 */
int wl_h_cache_stats_get(struct wl_ctx *ctx);

/*
 * DELETE /v1/cache/entries/{id}: one answer is forgotten.
 */
int wl_h_cache_entry_delete(struct wl_ctx *ctx);

/*
 * POST /v1/cache/feedback: an answer was right, or wrong: then it is
 * forgotten, and its canonical question is not answered from the cache for a
 * week.
 */
int wl_h_cache_feedback_post(struct wl_ctx *ctx);

/*
 * POST /v1/cache/purge: all answers are forgotten, or those of a name space.
 */
int wl_h_cache_purge_post(struct wl_ctx *ctx);

#endif
