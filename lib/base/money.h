/*
 * Money: int64_t nano-dollars, multiplied first and rounded once.
 */
#ifndef WL_BASE_MONEY_H
#define WL_BASE_MONEY_H

#include <stddef.h>
#include <stdint.h>

/*
 * TOKENS * NANO_PER_MTOK / 1,000,000 in nano-dollars, rounded once, half to
 * even.  TOKENS is capped at 1e9.  The sum of several classes must be rounded
 * once: add with wl_money_add() and finish with wl_money_round().
 */
struct wl_money { __int128 scaled; };		/* nano-dollars times 1e6 */
void wl_money_add(struct wl_money *m, int64_t tokens, int64_t nano_per_mtok);
int64_t wl_money_round(const struct wl_money *m);

/* A decimal USD amount such as "0.15" or "1e-7" times SCALE, exact, rounded
 * half to even: USD per million tokens with SCALE 1e9 gives nano per mtok. */
int wl_money_parse(const char *s, size_t len, int64_t scale, int64_t *out)
    __attribute__((warn_unused_result));

/* NANO as USD with nine decimals: "0.000123000". OUT holds 32 bytes. */
void wl_money_usd(int64_t nano, char out[32]);

/* What one costs where a million cost NANO, not below 0, in USD with 15
 * decimals. */
void wl_money_usd_each(int64_t nano, char out[32]);

#endif
