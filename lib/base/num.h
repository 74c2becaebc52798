/*
 * Numbers: checked parsing, durations and sizes, money.
 */
#ifndef WL_BASE_NUM_H
#define WL_BASE_NUM_H

#include <stddef.h>
#include <stdint.h>

/* The whole of S as a decimal integer within MIN..MAX: 0, or -1. */
int wl_num_parse(const char *s, size_t len, int64_t min, int64_t max,
    int64_t *out) __attribute__((warn_unused_result));

/* "250ms", "10s", "5m", "24h", "30d", or a bare number of seconds, in ms. */
int wl_num_duration(const char *s, int64_t *ms)
    __attribute__((warn_unused_result));

/* "64k", "32m", "1g", or a bare number of bytes (powers of 1024). */
int wl_num_size(const char *s, int64_t *bytes)
    __attribute__((warn_unused_result));

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

#endif
