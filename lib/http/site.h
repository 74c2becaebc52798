/*
 * A WatchLLM as its callers see it: at an address, behind a web server.  For
 * the command line, which looks at running servers from outside.
 */
#ifndef WL_HTTP_SITE_H
#define WL_HTTP_SITE_H

#include "lib/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct wl_arena;
struct wl_err;
struct wl_xfer;

struct wl_site {
	const char	*base;		/* "https://host/llm": /v1/... follows */
	bool		 insecure;	/* certificates are not checked */
};

/*
 * Fill SITE from URL, http or https, with or without /v1 and slashes at its
 * end; no query, no user.  BASE lives in A.  0, or -1 with *E.
 */
int wl_site_parse(struct wl_arena *a, const char *url, struct wl_site *site,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * Set up and tear down wl_client for such looks, with the certificates of
 * CA_FILE, or the system's when NULL.  0, or -1 with *E.
 */
int wl_site_open(const char *ca_file, struct wl_err *e)
    __attribute__((warn_unused_result));
void wl_site_close(void);

/*
 * How a key is presented.
 */
enum wl_site_auth { WL_SITE_BEARER, WL_SITE_X_API_KEY };

struct wl_site_ask {
	const char		*method;	/* NULL: GET, with BODY: POST */
	const char		*path;		/* "/v1/usage" */
	const char		*key;		/* NULL: none */
	enum wl_site_auth	 auth;
	const char		*accept;	/* NULL: application/json */
	const char		*encoding;	/* Accept-Encoding, or NULL */
	const void		*body;		/* JSON; must outlive it */
	size_t			 body_len;
	int64_t			 timeout_ms;	/* of all; 0: 60 s */
};

/*
 * Begin to ask; the caller frees it.  NULL with *E as wl_xfer_start().
 */
struct wl_xfer *wl_site_start(struct wl_arena *a, const struct wl_site *site,
    const struct wl_site_ask *ask, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Headers that are kept of an answer.
 */
enum wl_site_header {
	WL_SH_CONTENT_ENCODING,
	WL_SH_CONTENT_TYPE,
	WL_SH_DATE,
	WL_SH_RATELIMIT,
	WL_SH_RATELIMIT_POLICY,
	WL_SH_RETRY_AFTER,
	WL_SH_SERVER,
	WL_SH_SERVER_TIMING,
	WL_SH_X_QUOTA_LIMIT,
	WL_SH_X_QUOTA_REMAINING,
	WL_SH_X_QUOTA_RESET,
	WL_SH_X_RATELIMIT_LIMIT,
	WL_SH_X_RATELIMIT_REMAINING,
	WL_SH_X_RATELIMIT_RESET,
	WL_SH_X_REQUEST_ID,
	WL_SH_X_SHOULD_RETRY,
	WL_SH_X_WATCHLLM_CACHE,
	WL_SH_X_WATCHLLM_COST_USD,
	WL_SH_X_WATCHLLM_LATENCY_MS,
	WL_SH_X_WATCHLLM_LIMITER,
	WL_SH_X_WATCHLLM_PROVIDER,
	WL_SH_MAX
};

/*
 * A whole answer, in the arena.
 */
struct wl_site_seen {
	int			 status;
	const char		*header[WL_SH_MAX];	/* NULL: absent */
	struct wl_str		 body;
	int64_t			 us;	/* from asking to the last byte */
};

/*
 * The name of header H, as written ("X-Request-Id").
 */
const char *wl_site_header_name(enum wl_site_header h);

/*
 * Ask, and read the answer, at most 1 MiB.  0, whatever the status, or -1
 * with *E; after an answer that broke off *SEEN has what came of it, status 0
 * if nothing did.
 */
int wl_site_fetch(struct wl_arena *a, const struct wl_site *site,
    const struct wl_site_ask *ask, struct wl_site_seen *seen,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * The same without the body, which is not waited for.
 */
int wl_site_look(struct wl_arena *a, const struct wl_site *site,
    const struct wl_site_ask *ask, struct wl_site_seen *seen,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * Status and headers of X into *SEEN, copied into A.
 */
void wl_site_head(struct wl_arena *a, const struct wl_xfer *x,
    struct wl_site_seen *seen);

/*
 * wl_xfer_error() in words that fit any server.
 */
int wl_site_error(struct wl_xfer *x, struct wl_err *e);

/*
 * Milliseconds since the epoch of S as Date has it (RFC 9110 5.6.7, the
 * preferred form), or -1.
 */
int64_t wl_site_date(const char *s);

/*
 * The "code" word of an error that WatchLLM answered with, in A; NULL: the
 * answer is none of its errors, such as a page of the web server.
 */
const char *wl_site_code(struct wl_arena *a, const struct wl_site_seen *seen);

#endif
