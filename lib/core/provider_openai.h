/*
 * Parts of OpenAI's wire format.
 */
#ifndef WL_CORE_PROVIDER_OPENAI_H
#define WL_CORE_PROVIDER_OPENAI_H

#include "lib/base/str.h"

struct wl_arena;
struct wl_err;
struct wl_model_item;
struct wl_target;
struct wl_upcall;

/*
 * The header that carries the key of T into *OUT, wiped with A; NULL: none is
 * sent.  0, or -1: no memory.
 */
int wl_openai_key_header(struct wl_arena *a, const struct wl_target *t,
    char **out);

/*
 * As in struct wl_provider.
 */
int wl_openai_list(struct wl_arena *a, const struct wl_target *t,
    struct wl_upcall *u, struct wl_err *e);
int wl_openai_listed(struct wl_arena *a, struct wl_str body,
    struct wl_model_item **v, int *n);

#endif
