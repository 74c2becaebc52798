/*
 * Names of database hosts, looked up away from the loop.
 */
#ifndef WL_STORE_RESOLVE_H
#define WL_STORE_RESOLVE_H

#include <stdint.h>

#define WL_RESOLVE_MAX	8
#define WL_RESOLVE_TEXT	64	/* an address with its scope */

struct wl_addrs {
	int	n;
	char	text[WL_RESOLVE_MAX][WL_RESOLVE_TEXT];
};

/*
 * The numeric addresses of HOST, a name or an address.  Waits until DEADLINE
 * (monotonic ms) at the longest, however long the look-up takes.  Returns 0
 * with at least one address, or -1 with errno: EHOSTUNREACH (no such name),
 * ETIMEDOUT, ECANCELED, ENOMEM.
 */
int wl_resolve(const char *host, int64_t deadline, struct wl_addrs *out)
    __attribute__((warn_unused_result));

#endif
