/*
 * How long providers take to their first byte, as this process has seen it.
 */
#ifndef WL_CORE_LATENCY_H
#define WL_CORE_LATENCY_H

#include <stdint.h>

/*
 * Note that MODEL at PROVIDER gave its first byte after US microseconds, or
 * that it failed: then it counts as WL_LATENCY_FAILED_US.
 */
#define WL_LATENCY_FAILED_US	((int64_t)10 * 1000 * 1000)
void wl_latency_note(const char *provider, const char *model, int64_t us);
void wl_latency_failed(const char *provider, const char *model);

/*
 * The average in microseconds, each new figure with a weight of one fifth; -1
 * when there was none in the last five minutes: it is worth a try.
 */
int64_t wl_latency_us(const char *provider, const char *model);

void wl_latency_flush(void);

#endif
