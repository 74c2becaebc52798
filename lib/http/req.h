/*
 * A request as the program sees it, made from CGI variables.
 */
#ifndef WL_HTTP_REQ_H
#define WL_HTTP_REQ_H

#include "lib/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct wl_arena;
struct wl_conf;
struct wl_err;
struct wl_io;

enum wl_method {
	WL_GET, WL_HEAD, WL_POST, WL_PUT, WL_PATCH, WL_DELETE, WL_OPTIONS,
	WL_METHOD_OTHER, WL_METHOD_MAX
};

/*
 * Bytes of all CGI variables together; more is answered with 431.
 */
#define WL_REQ_PARAMS_MAX	((size_t)64 * 1024)

struct wl_req {
	struct wl_io	*io;
	struct wl_arena	*arena;
	enum wl_method	 method;
	char		*path;		/* decoded once, without base path */
	char		*query;		/* raw, without '?'; never NULL */
	char		*base;		/* the base path that was cut off */
	char		*addr;		/* of the client; "" when not told */
	char		*origin;	/* Origin header, or NULL */
	char		*key;		/* API key as presented, or NULL */
	char		*provider_key;	/* X-Provider-Key, or NULL */
	char		*content_type;	/* lower case, no parameters, or NULL */
	bool		 encoded;	/* the body has a Content-Encoding */
	char		*client_request_id;	/* X-Request-Id, printable, or NULL */
	char		 id[37];	/* ours */
	int64_t		 content_length;	/* -1: not declared */
	int64_t		 start_ms;	/* wall clock */
	int64_t		 start_us;	/* wall clock */
	struct wl_str	 body;		/* after wl_req_read_body() */
};

/*
 * Fill *R from IO: method, path from REQUEST_URI, client's address (from
 * X-Forwarded-For, its rightmost untrusted one, only when REMOTE_ADDR is a
 * trusted proxy), key from HTTP_AUTHORIZATION or REDIRECT_HTTP_AUTHORIZATION
 * (Bearer), x-api-key, api-key.  Strings live in ARENA.
 *
 * The path is REQUEST_URI (the path of an absolute one) up to '?', decoded
 * once, without the base path: base_path of CONF, else WATCHLLM_BASE_PATH of
 * the process's environment, else all before the first /v1/ or
 * /observability/.  Refused are malformed escapes, an encoded or plain
 * control character, NUL, backslash, an encoded slash, "//", a ".." segment
 * and what is no UTF-8.
 *
 * Returns 0, or -1 with *E: WL_E_INVALID_REQUEST for a malformed target or
 * length, with status 431 for more than WL_REQ_PARAMS_MAX of variables;
 * WL_E_NOT_FOUND for a path outside the configured base; WL_E_UNAVAILABLE
 * when memory is out.  All pointers not NULL by the comments above, id, addr
 * and start are set even then.
 */
int wl_req_init(struct wl_req *r, struct wl_io *io, struct wl_arena *arena,
    const struct wl_conf *conf, struct wl_err *e);

/*
 * The value of header NAME ("content-type", lower case), or NULL.  Valid
 * until the reply is finished.
 */
const char *wl_req_header(const struct wl_req *r, const char *name);

/*
 * The value of the first NAME in the query, decoded into the arena ('+' is a
 * space, a malformed escape stands for itself), or NULL: absent, or it holds
 * a NUL.
 */
const char *wl_req_query(const struct wl_req *r, const char *name);

/*
 * Read the body to its end.  More than MAX bytes is WL_E_REQUEST_TOO_LARGE,
 * told before reading when the length is declared.  A client that goes away,
 * stalls, or sends less than it declared is WL_E_CLIENT_CLOSED.  R->body is
 * ended by a NUL that is not counted, and lives as long as the arena.
 */
int wl_req_read_body(struct wl_req *r, int64_t max, struct wl_err *e);

/*
 * The name of METHOD, upper case; "OTHER" for WL_METHOD_OTHER.
 */
const char *wl_method_name(enum wl_method m);

#endif
