/*
 * POST /v1/estimate.
 */
#ifndef WL_FCGI_H_ESTIMATE_H
#define WL_FCGI_H_ESTIMATE_H

struct wl_ctx;

/*
 * Tokens and price of a request, and whether it would be admitted now.
 * Nothing is debited, sent or recorded.
 */
int wl_h_estimate_post(struct wl_ctx *ctx);

#endif
