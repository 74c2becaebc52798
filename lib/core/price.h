/*
 * What a call costs: dated prices by provider and model.
 */
#ifndef WL_CORE_PRICE_H
#define WL_CORE_PRICE_H

#include "lib/core/call.h"

/*
 * The cost of U at PROVIDER's price for MODEL at AT_MS in nano-dollars, and
 * since when that price holds.  Returns 1, or 0 when there is no price (never
 * a guess) or the price table cannot be read.
 */
int wl_price_cost(struct wl_arena *a, const char *provider, const char *model,
    int64_t at_ms, const struct wl_usage *u, int64_t *nano,
    int64_t *effective_ms);

#endif
