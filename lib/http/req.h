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

struct wl_req {
	struct wl_io	*io;
	struct wl_arena	*arena;
	enum wl_method	 method;
	char		*path;		/* decoded once, without base path */
	char		*query;		/* raw, without '?'; never NULL */
	char		*base;		/* the base path that was cut off */
	char		*addr;		/* of the client */
	char		*origin;	/* Origin header, or NULL */
	char		*key;		/* API key as presented, or NULL */
	char		*provider_key;	/* X-Provider-Key, or NULL */
	char		*content_type;	/* lower case, no parameters, or NULL */
	char		*client_request_id;	/* or NULL */
	char		 id[37];	/* ours */
	int64_t		 content_length;	/* -1: not declared */
	int64_t		 start_ms;	/* wall clock */
	int64_t		 start_us;	/* wall clock */
	struct wl_str	 body;		/* after wl_req_read_body() */
};

/*
 * Fill *R from IO: method, path from REQUEST_URI (decoded once, base path cut
 * off), client's address (forwarded headers only from trusted proxies), key
 * from HTTP_AUTHORIZATION or REDIRECT_HTTP_AUTHORIZATION (Bearer), x-api-key,
 * api-key.  Strings live in ARENA.  Returns 0, or -1 with *E: 400 for a
 * malformed target.  *R's id, addr and start are set even then.
 */
int wl_req_init(struct wl_req *r, struct wl_io *io, struct wl_arena *arena,
    const struct wl_conf *conf, struct wl_err *e);

/*
 * The value of header NAME ("content-type", lower case), or NULL.
 */
const char *wl_req_header(const struct wl_req *r, const char *name);

/*
 * The value of NAME in the query, percent-decoded into the arena, or NULL.
 */
const char *wl_req_query(const struct wl_req *r, const char *name);

/*
 * Read the body to its end.  More than MAX bytes is WL_E_REQUEST_TOO_LARGE,
 * told before reading when the length is declared.  A client that goes away
 * or sends less than it declared is WL_E_CLIENT_CLOSED.
 */
int wl_req_read_body(struct wl_req *r, int64_t max, struct wl_err *e);

/*
 * The name of METHOD, upper case.
 */
const char *wl_method_name(enum wl_method m);

#endif
