/*
 * Parts of OpenAI's wire format.
 */
#ifndef WL_CORE_PROVIDER_OPENAI_H
#define WL_CORE_PROVIDER_OPENAI_H

#include "lib/base/str.h"

struct wl_arena;
struct wl_model_item;

/*
 * As in struct wl_provider.
 */
int wl_openai_listed(struct wl_arena *a, struct wl_str body,
    struct wl_model_item **v, int *n);

#endif
