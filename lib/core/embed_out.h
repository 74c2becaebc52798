/*
 * Lists of embeddings in OpenAI's shape, written from those of others.
 */
#ifndef WL_CORE_EMBED_OUT_H
#define WL_CORE_EMBED_OUT_H

#include "lib/core/provider.h"

/*
 * The list for ASK; its numbers are never parsed, unless the client wants
 * them in base64 (32-bit floats, the least significant byte first).
 */
struct wl_embed_out {
	const struct wl_ask	*ask;
	struct wl_result	*res;
	struct wl_buf		 b;
	int64_t			 n;
	bool			 base64, bad;
};
void wl_embed_out_init(struct wl_embed_out *o, const struct wl_ask *ask,
    struct wl_result *res);

/*
 * Add the vectors of the JSON array LIST: its elements, or MEMBER of each.
 * Waits for a helper thread when LIST is long.
 */
void wl_embed_out_add(struct wl_embed_out *o, struct wl_str list,
    const char *member);

/*
 * The list into RES->raw, which lives with A.  Usage is RES's, else what ASK
 * was estimated at.  0, or -1: no memory, or no list of numbers.
 */
int wl_embed_out_end(struct wl_embed_out *o, struct wl_arena *a)
    __attribute__((warn_unused_result));

#endif
