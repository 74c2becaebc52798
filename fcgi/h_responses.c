/*
 * Responses that a provider keeps, passed through.
 */
#include "config.h"
#include "fcgi/h_responses.h"

#include <string.h>

#include "fcgi/ctx.h"
#include "fcgi/serve.h"
#include "lib/base/err.h"
#include "lib/core/stored.h"

static int
refuse(struct wl_ctx *ctx, const char *param, const char *what)
{
	wl_err_set(&ctx->err, WL_E_INVALID_REQUEST, "%s", what);
	ctx->err.param = param;
	return -1;
}

static int
pass(struct wl_ctx *ctx, const char *method, const char *tail)
{
	struct wl_stored s = {
		.method = method, .id = ctx->id, .tail = tail,
		.query = ctx->req.query,
		.provider_key = ctx->req.provider_key
	};
	const char *stream = wl_req_query(&ctx->req, "stream"), *type;
	struct wl_result *res = &ctx->res;
	int rc;

	if (!wl_stored_id(s.id))
		return wl_err_set(&ctx->err, WL_E_NOT_FOUND, NULL);
	if (!wl_stored_query(s.query))
		return refuse(ctx, NULL, "The query is too long, or holds "
		    "what must be encoded.");
	if (stream != NULL && strcmp(stream, "false") != 0)
		return refuse(ctx, "stream", "\"stream\" is not supported: a "
		    "stored response comes in one piece.");
	if (wl_result_init(res, ctx->arena, 0) == -1)
		return wl_err_set(&ctx->err, WL_E_UNAVAILABLE, NULL);
	rc = wl_stored_run(ctx->arena, ctx->conf, ctx->auth, ctx->keyring, &s,
	    res, &type, &ctx->err);
	if (rc == -1 && res->refusal.len == 0)
		return -1;
	wl_resp_set(&ctx->resp, "X-WatchLLM-Provider", res->provider);
	if (rc == 0)
		wl_serve_reply(ctx, res->http, type, res->raw.p,
		    res->raw.len);
	else
		wl_serve_reply(ctx, ctx->err.http != 0 ? ctx->err.http :
		    wl_err_row(ctx->err.code)->http, "application/json",
		    res->refusal.p, res->refusal.len);
	return 0;
}

int
wl_h_responses_get(struct wl_ctx *ctx)
{
	return pass(ctx, "GET", "");
}

int
wl_h_responses_delete(struct wl_ctx *ctx)
{
	return pass(ctx, "DELETE", "");
}

int
wl_h_responses_cancel(struct wl_ctx *ctx)
{
	return pass(ctx, "POST", "/cancel");
}

int
wl_h_responses_items(struct wl_ctx *ctx)
{
	return pass(ctx, "GET", "/input_items");
}
