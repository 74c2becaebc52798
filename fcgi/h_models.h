/*
 * GET /v1/models and /v1/models/{id}.
 */
#ifndef WL_FCGI_H_MODELS_H
#define WL_FCGI_H_MODELS_H

struct wl_ctx;

int wl_h_models_get(struct wl_ctx *ctx);
int wl_h_model_get(struct wl_ctx *ctx);

#endif
