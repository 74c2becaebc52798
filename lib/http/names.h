/*
 * Host names to addresses: looked up on a helper thread, remembered for a
 * minute, each name at most once at a time.
 */
#ifndef WL_HTTP_NAMES_H
#define WL_HTTP_NAMES_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

struct wl_err;

#define WL_NAMES_ADDRS	8		/* kept of one name */

union wl_addr {
	struct sockaddr		sa;
	struct sockaddr_in	in;
	struct sockaddr_in6	in6;
};

struct wl_addrs {
	int		n;
	union wl_addr	addr[WL_NAMES_ADDRS];
};

/*
 * Addresses of HOST (lower case, at most 255 bytes), from the cache (60 s,
 * failures 5 s, at most 1,000 names) or looked up; numeric ones without
 * either.  Waits until DEADLINE at most; a look-up that takes longer goes on
 * for those who ask later.  Returns 0, or -1 with *E: WL_E_UPSTREAM (no such
 * name), WL_E_UPSTREAM_TIMEOUT, WL_E_UNAVAILABLE (memory),
 * WL_E_CLIENT_CLOSED (cancelled).
 */
int wl_names_lookup(const char *host, int64_t deadline, struct wl_addrs *out,
    struct wl_err *e);

/*
 * Forget all names.  Look-ups that run end by themselves.
 */
void wl_names_close(void);

/*
 * What looks a name up, on a helper thread: 0 with OUT filled, or an error of
 * getaddrinfo().  Tests put their own here.
 */
extern int (*wl_names_resolve)(const char *host, struct wl_addrs *out);

#endif
