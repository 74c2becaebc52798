/*
 * Handlers of the health routes.
 */
#ifndef WL_FCGI_H_HEALTH_H
#define WL_FCGI_H_HEALTH_H

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

#endif
