/*
 * GET /observability/prometheus.
 */
#include "config.h"
#include "fcgi/h_prometheus.h"

#include "fcgi/ctx.h"
#include "fcgi/prom.h"
#include "fcgi/serve.h"
#include "lib/base/buf.h"

#define BODY_MAX	((size_t)1 << 20)

int
wl_h_prometheus_get(struct wl_ctx *ctx)
{
	struct wl_buf b;

	wl_buf_init(&b, BODY_MAX);
	wl_prom_text(&b, ctx->conf);
	if (b.failed) {
		wl_buf_free(&b);
		return wl_err_set(&ctx->err, WL_E_INTERNAL, NULL);
	}
	wl_resp_set(&ctx->resp, "Cache-Control", "no-store");
	wl_serve_reply(ctx, 200, "text/plain; version=0.0.4; charset=utf-8",
	    b.p, b.len);
	wl_buf_free(&b);
	return 0;
}
