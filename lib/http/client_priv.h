/*
 * What client.c (libcurl on the loop), xfer.c and xfer_read.c (one transfer)
 * share.  Nobody else includes it.
 */
#ifndef WL_HTTP_CLIENT_PRIV_H
#define WL_HTTP_CLIENT_PRIV_H

#include "lib/http/client.h"

#include <netinet/in.h>

#include <curl/curl.h>

#include "lib/base/loop.h"
#include "lib/http/names.h"

/* What any of the four timeouts can be. */
#define WL_XFER_LONGEST_MS	((int64_t)24 * 3600 * 1000)

#define WL_CLIENT_IDLE	64	/* handles kept for reuse, of each trust */
#define WL_CLIENT_TOLD	16	/* hosts remembered, of each trust */
/* "+host:port:address,...", as CURLOPT_RESOLVE takes it */
#define WL_CLIENT_RESOLVE \
	((size_t)(320 + WL_NAMES_ADDRS * (INET6_ADDRSTRLEN + 3)))

/*
 * What libcurl has been told of a host, and so keeps in the cache of its
 * multi handle.
 */
struct wl_told {
	char		 text[WL_CLIENT_RESOLVE];
	int64_t		 at;		/* ms; 0: never */
	bool		 known;		/* a transfer has used it */
};

/*
 * Connections of one trust.
 */
struct wl_pool {
	CURLM		*multi;
	struct wl_timer	 timer;		/* that libcurl asked for */
	struct wl_defer	 kick;		/* the same, for at once */
	bool		 kicked;
	struct wl_xfer	*xfers;		/* that run */
	CURL		*idle[WL_CLIENT_IDLE];
	size_t		 nidle;
	struct wl_told	 told[WL_CLIENT_TOLD];
	enum wl_trust	 trust;
};

enum wl_fault {
	WL_FAULT_NONE,
	WL_FAULT_CONNECT,	/* the four timeouts */
	WL_FAULT_FIRST_BYTE,
	WL_FAULT_BETWEEN,
	WL_FAULT_TOTAL,
	WL_FAULT_HEADERS,	/* more than we take */
	WL_FAULT_MEMORY,
	WL_FAULT_CLOSED,	/* wl_client_close() */
	WL_FAULT_CURL		/* see RESULT */
};

struct wl_xfer {
	struct wl_xfer		*prev, *next;	/* in pool->xfers */
	struct wl_pool		*pool;		/* NULL: not in it any more */
	CURL			*easy;
	struct curl_slist	*headers, *resolve;
	struct wl_co		*owner;
	char			 host[256];
	char			 curl_text[CURL_ERROR_SIZE];

	/* times: microseconds of the monotonic clock, 0 when not reached */
	int64_t			 start_us, connect_us, first_us, done_us;
	bool			 reused;
	int64_t			 connect_ms, first_byte_ms, between_ms,
				 total_ms;
	int64_t			 last_ms;	/* the latest byte */
	struct wl_timer		 timer;		/* nearest of the four */

	/* head of the answer: "Name: value" lines ended by NUL */
	struct wl_buf		 head;
	int			 lines;
	int			 status;
	bool			 headers_done;

	/* body: libcurl adds to BACK only, the reader sees FRONT only */
	struct wl_buf		 front, back;
	size_t			 taken;		/* of front */
	size_t			 limit;		/* unread bytes, then paused */

	/* backpressure */
	bool			 paused;	/* libcurl was told so */
	bool			 queued;	/* to be unpaused */
	bool			 catching;	/* was unpaused, has a backlog */
	size_t			 turn_bytes;	/* while catching up */
	struct wl_xfer		*next_queued;
	struct wl_xfer		*next_catching;

	bool			 done;
	enum wl_fault		 fault;
	CURLcode		 result;
};

/*
 * The pool of TRUST, or NULL when the client is closed.
 */
struct wl_pool *wl_client_pool(enum wl_trust trust);

/*
 * The host and port that must be connected to for a target at HOST and PORT:
 * the proxy's when there is one.  Returns whether there is.
 */
bool wl_client_via(enum wl_trust trust, const char **host, int *port);

/*
 * A handle with all that does not change from transfer to transfer; or NULL.
 */
CURL *wl_client_handle(struct wl_pool *pool);

/*
 * Give a handle back, which is in no multi handle any more.
 */
void wl_client_handle_back(struct wl_pool *pool, CURL *easy);

/*
 * TEXT for CURLOPT_RESOLVE, of which the first NAME_LEN bytes are host and
 * port.  Whether a transfer in POOL must tell libcurl; not, when it knows the
 * same from a transfer that came as far as wl_client_known().
 */
bool wl_client_tell(struct wl_pool *pool, const char *text, size_t name_len);
void wl_client_known(struct wl_pool *pool, const char *text);

/*
 * X's reader has caught up: let libcurl go on, in its turn.
 */
void wl_client_unpause(struct wl_xfer *x);

/*
 * Take X out of the queues above.
 */
void wl_client_forget(struct wl_xfer *x);

/*
 * How many of LEN bytes libcurl may hand to X now: all or none.
 */
bool wl_client_may_take(struct wl_xfer *x, size_t len);

/*
 * Bytes of the body that the reader has not taken.
 */
static inline size_t
wl_xfer_unread(const struct wl_xfer *x)
{
	return x->front.len - x->taken + x->back.len;
}

/*
 * libcurl is done with X (client.c tells, on the loop's stack).
 */
void wl_xfer_finished(struct wl_xfer *x, enum wl_fault fault, CURLcode result);

/*
 * Callbacks of libcurl with a transfer as their argument.
 */
size_t wl_xfer_on_header(char *p, size_t size, size_t n, void *arg);
size_t wl_xfer_on_body(char *p, size_t size, size_t n, void *arg);
int wl_xfer_on_connected(void *arg, char *to_ip, char *from_ip, int to_port,
    int from_port);
curl_socket_t wl_xfer_on_socket(void *arg, curlsocktype purpose,
    struct curl_sockaddr *a);

#endif
