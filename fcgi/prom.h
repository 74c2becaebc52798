/*
 * Figures of the workers of a host, for Prometheus.  Each process counts in a
 * slot of its own of one mapped file in the spool directory; whoever is asked
 * adds them up.  The slot of a process that ended is taken over by the next
 * one, counters and all, so that sums never fall.
 */
#ifndef WL_FCGI_PROM_H
#define WL_FCGI_PROM_H

#include <stdint.h>

struct wl_buf;
struct wl_conf;
struct wl_result;
struct wl_route;

/*
 * What the limiter said.
 */
enum wl_prom_gate {
	WL_PG_ADMITTED, WL_PG_BUDGET, WL_PG_CONCURRENCY, WL_PG_DEGRADED,
	WL_PG_PRICE, WL_PG_QUOTA, WL_PG_RATE_LIMIT, WL_PG_TOKENS,
	WL_PG_UNAVAILABLE, WL_PROM_GATE_MAX
};

/*
 * What else is to be known of limits: streams beyond their reservation, calls
 * that a limit in shadow mode would have refused, calls of unknown price where
 * there is a budget.
 */
enum wl_prom_limit {
	WL_PL_OVERRUN_STOPPED, WL_PL_OVERRUN_WARNED, WL_PL_SHADOW,
	WL_PL_UNKNOWN_PRICE, WL_PROM_LIMIT_MAX
};

/*
 * Take a slot of the file in DIR.  Without one (a disk that refuses, no slot
 * free; it is logged) the process counts for itself alone.  Outside of the
 * line between open and close nothing is counted.
 */
void wl_prom_open(const char *dir);
void wl_prom_close(void);

/*
 * A request begins; it is over, on ROUTE (NULL: none) with STATUS after US
 * microseconds.
 */
void wl_prom_begin(void);
void wl_prom_end(const struct wl_route *route, int status, int64_t us);
void wl_prom_gate(enum wl_prom_gate g);
void wl_prom_limit(enum wl_prom_limit what);

/*
 * A gateway call that the cache may have answered.
 */
void wl_prom_cache(const struct wl_result *res);

/*
 * Append all figures to B.  Reads the file and the spool directory of CONF.
 */
void wl_prom_text(struct wl_buf *b, const struct wl_conf *conf);

#endif
