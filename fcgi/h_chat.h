/*
 * POST /v1/chat/completions, /v1/completions, /v1/embeddings.
 */
#ifndef WL_FCGI_H_CHAT_H
#define WL_FCGI_H_CHAT_H

struct wl_ctx;

/*
 * A handler as fcgi/ctx.h describes; the route's api tells which of the three
 * it serves.
 */
int wl_h_chat_post(struct wl_ctx *ctx);

#endif
