/*
 * Handler of /v1/usage.
 */
#ifndef WL_FCGI_H_USAGE_H
#define WL_FCGI_H_USAGE_H

struct wl_ctx;

/*
 * GET: limits of the caller's project and key, what is used of them, and when
 * that ends.  Reading changes nothing.
 */
int wl_h_usage_get(struct wl_ctx *ctx);

#endif
