/*
 * GET /v1/health and its aliases.
 */
#include "config.h"
#include "fcgi/h_health.h"

#include "fcgi/ctx.h"
#include "fcgi/serve.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"

int
wl_h_health_get(struct wl_ctx *ctx)
{
	struct wl_buf b;
	struct wl_jw w;
	char now[25];

	wl_buf_init(&b, 1024);
	wl_clock_rfc3339(wl_clock_ms(), now);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_str(&w, "status", "ok");
	wl_jw_str(&w, "service", "watchllm");
	wl_jw_str(&w, "version", PACKAGE_VERSION);
	wl_jw_str(&w, "timestamp", now);
	wl_jw_end(&w, '}');
	wl_resp_set(&ctx->resp, "Cache-Control", "no-store");
	wl_serve_json(ctx, 200, &b);
	return 0;
}
