/*
 * Cross-origin requests: configured origins only.
 */
#ifndef WL_HTTP_CORS_H
#define WL_HTTP_CORS_H

#include <stdbool.h>

struct wl_req;
struct wl_resp;
struct wl_conf;
struct wl_err;

/*
 * Set the CORS headers that R's Origin deserves.  Origins are compared whole
 * with cors_origins of CONF; "*" there allows every origin but "null".
 * Credentials are never allowed: keys come in headers.  Returns 0: go on (no
 * Origin header, an origin whose authority is the Host, or an allowed one);
 * -1 with *E WL_E_ORIGIN for an origin that is not configured and a method
 * other than OPTIONS.
 */
int wl_cors(const struct wl_req *r, struct wl_resp *resp,
    const struct wl_conf *conf, struct wl_err *e);

/*
 * Answer to OPTIONS: 204 with Allow (ALLOW: "GET, POST") and, for an allowed
 * origin, the preflight headers.  Returns as wl_resp_send().
 */
int wl_cors_preflight(const struct wl_req *r, struct wl_resp *resp,
    const struct wl_conf *conf, const char *allow);

#endif
