/*
 * The call to the provider: tries targets under one deadline, and passes every
 * byte of the answer through one sink.
 */
#ifndef WL_CORE_UPSTREAM_H
#define WL_CORE_UPSTREAM_H

#include "lib/core/call.h"
#include "lib/core/model.h"

/*
 * Where the answer goes.  A live stream, a buffered reply, a replay from a
 * cache and a coalesced follower are sinks.  The functions return 0, or -1:
 * the client is gone.
 */
struct wl_sink {
	/* The status and type are known; nothing was sent before. */
	int	(*begin)(struct wl_sink *s, int status, const char *type,
		    bool stream);
	/* Bytes, to be passed on at once. */
	int	(*data)(struct wl_sink *s, const char *p, size_t len);
	/* The stream is quiet, and between two events: a comment (begins it
	   if need be). */
	int	(*heartbeat)(struct wl_sink *s);
	/* Right before the last event: all figures are in RES. */
	int	(*trailer)(struct wl_sink *s, const struct wl_result *res);
	/* The last bytes of a stream.  They may wait until the call is
	   recorded, for nothing follows them. */
	int	(*end)(struct wl_sink *s, const char *p, size_t len);
	/* The client has left: whether the call goes on for others.  NULL:
	   it does not. */
	bool	(*stay)(struct wl_sink *s);
	bool	 begun;		/* a status was sent; set by who calls begin */
	bool	 data_sent;	/* a data event was sent: no fallback */
	int	 fd;		/* watched for a client that leaves, or -1 */
};

/*
 * Run ASK, or what a target has in place of it, against the targets in order;
 * go on to the next on 401, 402, 403, 408, 429, 5xx, refused, reset and
 * timeouts, before the first data event only, within total_timeout.  *RES was
 * initialised; it is filled completely, whatever the end: outcome, usage
 * (provider's, or estimated from what was passed), cost, times.  An unstreamed
 * answer goes to the sink in one piece, when its figures are known.  An upstream error before the first byte is left
 * in RES->err and RES->refusal for the caller to answer; after it, the sink
 * got an error event.  A client that leaves, and a cancelled coroutine, end
 * the transfer at once, or with drain_on_disconnect when it is over, within
 * WL_UPSTREAM_DRAIN_MS.  Returns 0 when the answer is complete, else -1.
 */
#define WL_UPSTREAM_DRAIN_MS	((int64_t)60 * 1000)

int wl_upstream_run(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_ask *ask, const struct wl_target *t, int n,
    const char *request_id, int64_t start_us, struct wl_sink *sink,
    struct wl_result *res);

#endif
