/*
 * Wall-clock time, which tests can set, and its calendar in UTC.
 */
#ifndef WL_BASE_CLOCK_H
#define WL_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/*
 * Milliseconds (microseconds) since the epoch.  When WATCHLLM_TEST_CLOCK
 * names a file, its 8 bytes (a native int64_t) are added to the milliseconds;
 * the file is mapped, so a test changes the time of running programs.
 */
int64_t wl_clock_ms(void);
int64_t wl_clock_us(void);

/*
 * For unit tests: add OFFSET ms from now on.
 */
void wl_clock_set_offset(int64_t offset);

/*
 * Epoch seconds of the start of MS's UTC month, and of the one after.
 */
int64_t wl_clock_month_start(int64_t ms);
int64_t wl_clock_month_next(int64_t ms);

/*
 * "YYYY-MM" of MS, UTC.
 */
void wl_clock_month_name(int64_t ms, char out[8]);

/*
 * RFC 3339 in UTC with milliseconds: 2026-01-04T12:00:00.000Z.
 */
void wl_clock_rfc3339(int64_t ms, char out[25]);

/*
 * Parse any RFC 3339 time (date-time with T, t or space, optional fraction,
 * Z or offset) into *MS.  Returns 0, or -1.
 */
int wl_clock_parse(const char *s, size_t len, int64_t *ms)
    __attribute__((warn_unused_result));

#endif
