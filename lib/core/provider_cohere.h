/*
 * Parts of Cohere's wire format, version 2 of its API (its published client
 * library, "V2ChatRequest", "V2ChatResponse", "V2ChatStreamResponse").
 */
#ifndef WL_CORE_PROVIDER_COHERE_H
#define WL_CORE_PROVIDER_COHERE_H

#include "lib/core/provider.h"

/*
 * As in struct wl_provider.
 */
int wl_cohere_answer(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str body, struct wl_result *res);
enum wl_chunk wl_cohere_chunk(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str data, struct wl_result *res,
    struct wl_relay *relay);

#endif
