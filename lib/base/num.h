/*
 * Numbers: checked parsing, durations and sizes.
 */
#ifndef WL_BASE_NUM_H
#define WL_BASE_NUM_H

#include "lib/base/money.h"

#include <stddef.h>
#include <stdint.h>

/* V in decimal, ended by NUL; returns its length.  For where printf is felt. */
#define WL_NUM_LEN	21
size_t wl_num_put(int64_t v, char out[WL_NUM_LEN]);

/* The whole of S as a decimal integer within MIN..MAX: 0, or -1. */
int wl_num_parse(const char *s, size_t len, int64_t min, int64_t max,
    int64_t *out) __attribute__((warn_unused_result));

/* "250ms", "10s", "5m", "24h", "30d", or a bare number of seconds, in ms. */
int wl_num_duration(const char *s, int64_t *ms)
    __attribute__((warn_unused_result));

/* "64k", "32m", "1g", or a bare number of bytes (powers of 1024). */
int wl_num_size(const char *s, int64_t *bytes)
    __attribute__((warn_unused_result));

#endif
