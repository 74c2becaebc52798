/*
 * What one request carries through its straight line, and the rows of the
 * route table.
 */
#ifndef WL_FCGI_CTX_H
#define WL_FCGI_CTX_H

#include "lib/core/auth.h"
#include "lib/core/cache.h"
#include "lib/core/call.h"
#include "lib/core/limit.h"
#include "lib/http/req.h"
#include "lib/http/resp.h"

struct wl_keyring;
struct wl_route;

struct wl_ctx {
	struct wl_arena		*arena;
	const struct wl_conf	*conf;
	const struct wl_keyring	*keyring;	/* NULL: none configured */
	const struct wl_route	*route;		/* NULL: not found */
	struct wl_req		 req;
	struct wl_resp		 resp;
	struct wl_auth		*auth;		/* NULL on open routes */
	struct wl_admission	 ad;
	struct wl_ask		 ask;		/* gateway routes */
	struct wl_result	 res;		/* gateway routes */
	struct wl_cache		 cache;		/* gateway routes */
	struct wl_err		 err;
	char			*id;		/* {id} or {model}, or NULL */
	char			 allow[64];	/* methods of the path */
	bool			 begun;		/* BEGIN is in the journal */
	/* microseconds, for Server-Timing; -1: step not taken */
	int64_t			 auth_us, gate_us, cache_us, upstream_us;
};

enum wl_who {
	WL_WHO_ADMIN,		/* operator's token; no route without one */
	WL_WHO_OPEN,		/* anybody */
	WL_WHO_KEY,		/* a key with SCOPE */
	WL_WHO_OPERATOR,	/* operator's token or a listed address */
	WL_WHO_MAX
};

enum wl_limiter {
	WL_LIMITER_NONE,
	WL_LIMITER_GATEWAY,	/* admitted, recorded, settled */
	WL_LIMITER_MAX
};

/*
 * A handler answers, through wl_serve_reply() or wl_serve_json(), and returns
 * 0; or returns -1 with ctx->err set and nothing sent.
 *
 * On gateway routes the call has been admitted and its BEGIN written: what
 * follows is settled by ctx->res, which the handler completes.  It comes
 * initialised, with outcome WL_O_INVALID.  What is wrong with the body is in
 * ctx->ask.fault (see wl_ask_check()); http and err need to be set only where
 * they differ from what the client gets.
 */
struct wl_route {
	enum wl_method	 method;
	const char	*path;		/* "/v1/models/{model}" */
	int		(*handler)(struct wl_ctx *ctx);
	enum wl_who	 who;
	unsigned	 scope;		/* 0: any key */
	enum wl_limiter	 limiter;
	enum wl_api	 api;		/* gateway routes, else WL_API_MAX */
	int64_t		 max_body;	/* bytes, 0: no body, or as below */
	const char	*help;		/* one line */
};

/*
 * As the configuration says: max_body, max_upload.
 */
#define WL_BODY		(-1)
#define WL_BODY_UPLOAD	(-2)

/*
 * The table, ended by a row whose path is NULL.
 */
#define WL_ROUTES_MAX	128
extern const struct wl_route wl_routes[];

/*
 * The row for METHOD and PATH, or NULL with *E WL_E_NOT_FOUND or
 * WL_E_METHOD; ALLOW gets the methods of the path ("GET, HEAD, OPTIONS").
 * HEAD is served by the row of GET; OPTIONS gets any row of the path.
 * *ID gets what {id}, a piece of the path, or {model}, the rest of it, stands
 * for, in the arena, else NULL.
 */
const struct wl_route *wl_route_find(struct wl_arena *a, enum wl_method method,
    const char *path, char **id, char allow[64], struct wl_err *e);

#endif
