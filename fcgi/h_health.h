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

#endif
