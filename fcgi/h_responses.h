/*
 * Stored responses.
 */
#ifndef WL_FCGI_H_RESPONSES_H
#define WL_FCGI_H_RESPONSES_H

struct wl_ctx;

int wl_h_responses_get(struct wl_ctx *ctx);
int wl_h_responses_delete(struct wl_ctx *ctx);
int wl_h_responses_cancel(struct wl_ctx *ctx);
int wl_h_responses_items(struct wl_ctx *ctx);

#endif
