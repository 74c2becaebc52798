/*
 * Shadow calls: a call is answered by one model, and another one is asked the
 * same for comparison.  Nobody waits for it.
 */
#ifndef WL_FCGI_SHADOW_H
#define WL_FCGI_SHADOW_H

#include <stdbool.h>

struct wl_ctx;

/*
 * Ask MODEL what CTX's call asks, in a coroutine of its own with memory of
 * its own, for five minutes at most.  Does nothing when shadow_calls of them
 * run already, when the process stops, for what is no text (pictures, sounds,
 * rankings, counts), and as plain CGI, whose process ends with its answer.
 */
void wl_shadow_start(const struct wl_ctx *ctx, const char *rule,
    const char *model);

/*
 * End all of them; the last one wakes CO.
 */
struct wl_co;
void wl_shadow_stop(struct wl_co *co);
bool wl_shadow_any(void);

#endif
