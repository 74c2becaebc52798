/*
 * What a call costs: dated prices by provider and model.
 */
#ifndef WL_CORE_PRICE_H
#define WL_CORE_PRICE_H

#include "lib/core/call.h"

struct wl_db_price;

/*
 * The cost of U at PROVIDER's price for MODEL now in nano-dollars, and since
 * when that price holds.  Prices are remembered for 60 s, and no longer than
 * they hold.  Classes that are not priced apart cost what their kind costs
 * (cache as input, reasoning as output).  Returns 1, or 0 when there is no price
 * for what was used (never a guess) or the price table cannot be read.
 */
int wl_price_cost(const char *provider, const char *model,
    const struct wl_usage *u, int64_t *nano, int64_t *effective_ms);

/*
 * The same of a call of API, which is media: by tokens where the provider told
 * them, and by pictures, seconds, characters or searches where such a price
 * is known.  Of tokens of pictures and sounds each kind needs its own price.
 */
int wl_price_media(const char *provider, const char *model, enum wl_api api,
    const struct wl_usage *u, const struct wl_units *units, int64_t *nano,
    int64_t *effective_ms);
int wl_price_media_at(const struct wl_db_price *p, enum wl_api api,
    const struct wl_usage *u, const struct wl_units *units, int64_t *nano);

/*
 * The same at price P, which is known.
 */
int wl_price_at(const struct wl_db_price *p, const struct wl_usage *u,
    int64_t *nano);

/*
 * Whether there is a price of any kind.
 */
bool wl_price_known(const char *provider, const char *model);

/*
 * Have the price fetched that will soon be asked for, without waiting.
 */
void wl_price_warm(const char *provider, const char *model);

/*
 * Drop what is remembered.
 */
void wl_price_flush(void);

#endif
