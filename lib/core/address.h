/*
 * How often an address may fail: a fixed minute, counted for all workers
 * where the counters can be reached, and always in this process.
 */
#ifndef WL_CORE_ADDRESS_H
#define WL_CORE_ADDRESS_H

struct wl_arena;
struct wl_conf;
struct wl_err;

enum wl_address_kind {
	WL_ADDRESS_AUTH,	/* keys and tokens that were refused */
	WL_ADDRESS_BAD,		/* bodies that could not be read */
	WL_ADDRESS_KIND_MAX
};

/*
 * Whether ADDR may go on: 0, or -1 with *E WL_E_TOO_MANY_BAD, whose
 * retry_after reaches to the end of the minute.  No I/O.  IPv6 addresses of
 * one /64 network are one address.
 */
int wl_address_check(const struct wl_conf *conf, enum wl_address_kind kind,
    const char *addr, struct wl_err *e) __attribute__((warn_unused_result));

/*
 * Count a failure of ADDR.  Returns 0, or -1 with *E as above when it was one
 * too many.
 */
int wl_address_failed(struct wl_arena *a, const struct wl_conf *conf,
    enum wl_address_kind kind, const char *addr, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Forget all addresses that this process has counted.
 */
void wl_address_flush(void);

#endif
