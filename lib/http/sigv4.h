/*
 * AWS Signature Version 4 ("Signing AWS API requests", without a query).
 * libcurl's own (7.88) signs a header that it does not send, and does not
 * encode the path as all services but S3 want it.
 */
#ifndef WL_HTTP_SIGV4_H
#define WL_HTTP_SIGV4_H

#include "lib/base/str.h"

#include <stdint.h>

struct wl_arena;

/*
 * Who asks whom.  SESSION is empty but for temporary credentials.
 */
struct wl_sigv4 {
	struct wl_str	 access, secret, session;
	const char	*region, *service;
	int64_t		 now_ms;
};

/*
 * The headers that a POST of BODY as TYPE to URL, an http or https URL
 * without a query, must have beside Content-Type and Host: Authorization,
 * X-Amz-Date, and with a session X-Amz-Security-Token, else NULL.  In A.  0,
 * or -1: no memory.
 */
struct wl_sigv4_headers {
	const char	*authorization, *date, *token;
};
int wl_sigv4_sign(struct wl_arena *a, const struct wl_sigv4 *k,
    const char *url, const char *type, struct wl_str body,
    struct wl_sigv4_headers *h) __attribute__((warn_unused_result));

#endif
