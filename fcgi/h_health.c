/*
 * GET /v1/health and its aliases.
 */
#include "config.h"
#include "fcgi/h_health.h"

#include "fcgi/ctx.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"

int
wl_h_health_get(struct wl_ctx *ctx)
{
	struct wl_buf b;
	struct wl_jw w;
	char now[25];
	int rc = -1;

	wl_buf_init(&b, 1024);
	wl_clock_rfc3339(wl_clock_ms(), now);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_str(&w, "status", "ok");
	wl_jw_str(&w, "service", "watchllm");
	wl_jw_str(&w, "version", PACKAGE_VERSION);
	wl_jw_str(&w, "timestamp", now);
	wl_jw_end(&w, '}');
	if (b.failed) {
		wl_err_set(&ctx->err, WL_E_INTERNAL, NULL);
	} else {
		wl_resp_set(&ctx->resp, "Cache-Control", "no-store");
		/* a client that is gone needs no other answer */
		(void)wl_resp_send(&ctx->resp, 200, "application/json", b.p,
		    b.len);
		rc = 0;
	}
	wl_buf_free(&b);
	return rc;
}
