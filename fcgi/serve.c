/*
 * The life of a request: route, CORS, handler, reply, access line.
 */
#include "config.h"
#include "fcgi/serve.h"

#include <inttypes.h>
#include <string.h>

#include "fcgi/ctx.h"
#include "fcgi/worker.h"
#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "lib/http/cors.h"
#include "lib/http/io.h"

int
wl_serve_open(struct wl_conf *conf, struct wl_err *e)
{
	(void)conf;
	(void)e;
	return 0;	/* no route needs a store */
}

void
wl_serve_close(void)
{
}

/*
 * The one place that answers with an error.
 */
static void
reply_error(struct wl_ctx *ctx)
{
	const struct wl_err *e = &ctx->err;
	const struct wl_err_row *row = wl_err_row(e->code);
	struct wl_buf b;
	struct wl_jw w;

	if (ctx->resp.head_sent)
		return;
	if (e->retry_after > 0)
		wl_resp_setf(&ctx->resp, "Retry-After", "%d", e->retry_after);
	wl_buf_init(&b, 8192);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_obj(&w, "error");
	wl_jw_str(&w, "message", e->msg);
	wl_jw_str(&w, "type", row->type);
	wl_jw_str(&w, "code", row->word);
	if (e->param != NULL)
		wl_jw_str(&w, "param", e->param);
	if (e->details != NULL)
		wl_jw_raw(&w, "details", e->details, strlen(e->details));
	wl_jw_end(&w, '}');
	wl_jw_end(&w, '}');
	(void)wl_resp_send(&ctx->resp, e->http != 0 ? e->http : row->http,
	    "application/json", b.failed ? "" : b.p, b.failed ? 0 : b.len);
	wl_buf_free(&b);
}

static void
access_line(const struct wl_ctx *ctx)
{
	const struct wl_err *e = &ctx->err;
	char *members;

	if (strcmp(ctx->conf->access_log, "on") != 0 && e->code == WL_OK)
		return;
	members = wl_arena_printf(ctx->arena,
	    "\"status\":%d,\"us\":%" PRId64 ",\"bytes\":%" PRId64
	    ",\"method\":\"%s\",\"route\":\"%s\",\"gone\":%s",
	    ctx->resp.status, wl_clock_us() - ctx->req.start_us,
	    ctx->resp.bytes, wl_method_name(ctx->req.method),
	    ctx->route != NULL ? ctx->route->path : "",
	    ctx->resp.gone ? "true" : "false");
	wl_log_req(WL_INFO, "request", ctx->req.id, members, "%s%s%s",
	    e->code != WL_OK ? e->msg : "", e->detail[0] != '\0' ? ": " : "",
	    e->detail);
}

/*
 * From the carrier to the handler's answer.  Returns 0, or -1 with an error
 * that is still to be answered.
 */
static int
handle(struct wl_ctx *ctx, struct wl_io *io)
{
	struct wl_req *r = &ctx->req;
	char allow[64];
	int rc;

	rc = wl_req_init(r, io, ctx->arena, ctx->conf, &ctx->err);
	ctx->resp.no_body = r->method == WL_HEAD;
	wl_resp_set(&ctx->resp, "X-Request-Id", r->id);
	if (rc == -1)
		return -1;
	ctx->route = wl_route_find(ctx->arena, r->method, r->path, &ctx->id,
	    allow, &ctx->err);
	if (r->method == WL_OPTIONS && allow[0] != '\0') {
		memset(&ctx->err, 0, sizeof(ctx->err));
		if (wl_cors(r, &ctx->resp, ctx->conf, &ctx->err) == -1)
			return -1;
		(void)wl_cors_preflight(r, &ctx->resp, ctx->conf, allow);
		return 0;
	}
	if (ctx->route == NULL) {
		if (allow[0] != '\0')
			wl_resp_set(&ctx->resp, "Allow", allow);
		return -1;
	}
	if (wl_cors(r, &ctx->resp, ctx->conf, &ctx->err) == -1)
		return -1;
	return ctx->route->handler(ctx);
}

void
wl_serve(struct wl_io *io, struct wl_arena *arena)
{
	struct wl_ctx ctx;

	memset(&ctx, 0, sizeof(ctx));
	ctx.arena = arena;
	ctx.conf = wl_worker.conf;
	ctx.auth_us = ctx.gate_us = ctx.cache_us = ctx.upstream_us = -1;
	wl_resp_init(&ctx.resp, io, arena);
	if (handle(&ctx, io) == -1)
		reply_error(&ctx);
	(void)io->ops->finish(io);
	access_line(&ctx);
}
