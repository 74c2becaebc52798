/*
 * Handlers of the health routes.
 */
#ifndef WL_FCGI_H_HEALTH_H
#define WL_FCGI_H_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

struct wl_ctx;

/*
 * {"status":"ok",...}: this process answers.  No I/O.
 */
int wl_h_health_get(struct wl_ctx *ctx);

/*
 * GET /v1/health/detailed: the state of each dependency, as it was at most
 * one second ago; 503 when one of them is not as it should be.
 */
int wl_h_health_detailed_get(struct wl_ctx *ctx);

/* ---- h_health_stream.c: the same route for Accept: text/event-stream ---- */

/*
 * Whether the client asks for the stream.
 */
bool wl_h_health_wants_stream(const struct wl_ctx *ctx);

/*
 * ?seconds=N (1 to 300, 10) and &every=MS (10 to 300,000, 1,000).  0, or -1
 * with ctx->err WL_E_INVALID_REQUEST.
 */
int wl_h_health_pace(struct wl_ctx *ctx, int64_t *seconds, int64_t *every)
    __attribute__((warn_unused_result));

/*
 * Events "tick" at 0, EVERY, 2 EVERY ... ms while SECONDS last, then "end",
 * each under 1 KB and flushed: {"n":0,"at":MS} with the worker's clock, the
 * first with server, interface (fastcgi, cgi) and proxied besides.  Between
 * them nothing is written.
 */
int wl_h_health_stream(struct wl_ctx *ctx, int64_t seconds, int64_t every);

#endif
