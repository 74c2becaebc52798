/*
 * GET /v1/usage.
 */
#include "config.h"
#include "fcgi/h_usage.h"

#include "fcgi/ctx.h"
#include "fcgi/serve.h"
#include "lib/base/json.h"
#include "lib/core/usage.h"

#define BODY_MAX	32768

static void
scopes_json(struct wl_jw *w, unsigned scopes)
{
	unsigned bit;

	wl_jw_arr(w, "scopes");
	for (bit = WL_SCOPE_GATEWAY; bit <= WL_SCOPE_ADMIN; bit <<= 1)
		if (scopes & bit)
			wl_jw_str(w, NULL, wl_auth_scope_name(bit));
	wl_jw_end(w, ']');
}

int
wl_h_usage_get(struct wl_ctx *ctx)
{
	const struct wl_auth *auth = ctx->auth;
	struct wl_buf b;
	struct wl_jw w;

	if (wl_usage_stats(ctx->arena, ctx->conf, auth, &ctx->ad,
	    &ctx->err) == -1)
		return -1;
	wl_buf_init(&b, BODY_MAX);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_obj(&w, "project");
	wl_jw_str(&w, "id", auth->project);
	wl_jw_str(&w, "name", auth->project_name);
	wl_jw_end(&w, '}');
	wl_jw_obj(&w, "key");
	wl_jw_str(&w, "prefix", auth->key_prefix);
	scopes_json(&w, auth->scopes);
	wl_jw_end(&w, '}');
	wl_usage_json(&w, auth, &ctx->ad);
	wl_jw_end(&w, '}');
	wl_resp_set(&ctx->resp, "Cache-Control", "no-store");
	wl_serve_json(ctx, 200, &b);
	return 0;
}
