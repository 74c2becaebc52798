/*
 * POST /v1/estimate.
 */
#include "config.h"
#include "fcgi/h_estimate.h"

#include <string.h>

#include "fcgi/ctx.h"
#include "fcgi/serve.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/json.h"
#include "lib/base/money.h"
#include "lib/core/estimate.h"
#include "lib/core/model.h"
#include "lib/core/route.h"
#include "lib/core/usage.h"

#define BODY_MAX	((size_t)16384)

/*
 * The body, read as the API that it is for would read it.
 */
static int
read_ask(struct wl_ctx *ctx)
{
	enum wl_api api;

	wl_ask_read(&ctx->ask, WL_API_CHAT, &ctx->req);
	if (ctx->ask.fault.code != WL_OK) {
		ctx->err = ctx->ask.fault;
		return -1;
	}
	if (wl_estimate_api(wl_req_query(&ctx->req, "api"), ctx->ask.json,
	    &api, &ctx->err) == -1)
		return -1;
	if (api != WL_API_CHAT)
		wl_ask_read(&ctx->ask, api, &ctx->req);
	return wl_ask_check(&ctx->ask, &ctx->err);
}

static void
put_usd(struct wl_jw *w, const char *key, int64_t nano)
{
	char usd[32];

	if (nano == -1) {
		wl_jw_null(w, key);
		return;
	}
	wl_money_usd(nano, usd);
	wl_jw_raw(w, key, usd, strlen(usd));
}

static void
put_tokens(struct wl_jw *w, const struct wl_ask *ask, int64_t output)
{
	wl_jw_obj(w, "tokens");
	wl_jw_int(w, "input", ask->input_estimate);
	if (output == -1)
		wl_jw_null(w, "output_max");
	else
		wl_jw_int(w, "output_max", output);
	wl_jw_str(w, "usage_source", wl_usage_source_name(WL_U_ESTIMATED));
	wl_jw_end(w, '}');
}

static void
put_target(struct wl_jw *w, const struct wl_target *t, int keys,
    const struct wl_ask *ask, int64_t output)
{
	struct wl_estimate est;
	char from[25];

	wl_estimate_price(t->provider, t->model, ask->input_estimate, output,
	    &est);
	wl_jw_obj(w, NULL);
	wl_jw_str(w, "provider", t->provider);
	wl_jw_str(w, "model", t->model);
	wl_jw_int(w, "keys", keys);
	wl_jw_bool(w, "price_known", est.input_nano != -1);
	put_usd(w, "input_usd", est.input_nano);
	put_usd(w, "output_usd_per_mtok", est.output_nano);
	put_usd(w, "max_usd", est.most_nano);
	if (est.input_nano != -1) {
		wl_clock_rfc3339(est.effective_ms, from);
		wl_jw_str(w, "price_from", from);
	}
	wl_jw_end(w, '}');
}

/*
 * Whether T[I] differs from T[0..I) by more than its key.
 */
static bool
is_first(const struct wl_target *t, int i)
{
	int j;

	for (j = 0; j < i; j++)
		if (strcmp(t[j].provider, t[i].provider) == 0 &&
		    strcmp(t[j].model, t[i].model) == 0)
			return false;
	return true;
}

static void
put_targets(struct wl_jw *w, const struct wl_target *t, int n,
    const struct wl_ask *ask, int64_t output)
{
	int i, j, keys;

	wl_jw_arr(w, "targets");
	for (i = 0; i < n; i++) {
		if (!is_first(t, i))
			continue;
		for (j = i, keys = 0; j < n; j++)
			keys += t[j].key[0] != '\0' &&
			    strcmp(t[j].provider, t[i].provider) == 0 &&
			    strcmp(t[j].model, t[i].model) == 0;
		put_target(w, &t[i], keys, ask, output);
	}
	wl_jw_end(w, ']');
}

/*
 * Without its limiter the gate admits, or not, as it is configured.
 */
static int
put_admission(struct wl_ctx *ctx, struct wl_jw *w)
{
	enum wl_code code = WL_OK;

	wl_jw_obj(w, "admission");
	if (wl_limit_preview(&ctx->req, ctx->conf, ctx->keyring, &ctx->ask,
	    ctx->auth, &ctx->ad, &ctx->err) == -1) {
		code = ctx->err.code;
		if (code == WL_E_UNAVAILABLE || code == WL_E_INTERNAL)
			code = WL_OK;
		if (code == WL_OK && (ctx->conf->counters == WL_COUNTERS_POSTGRES ||
		    ctx->conf->on_redis_failure == WL_FAIL_CLOSED))
			return -1;
		memset(&ctx->err, 0, sizeof(ctx->err));
	} else {
		code = wl_limit_would_refuse(&ctx->ad);
	}
	wl_jw_bool(w, "admitted", code == WL_OK);
	if (code == WL_OK)
		wl_jw_null(w, "refused_by");
	else
		wl_jw_str(w, "refused_by", wl_err_row(code)->word);
	wl_jw_bool(w, "degraded", ctx->ad.degraded);
	if (ctx->ad.known)
		wl_usage_json(w, ctx->auth, &ctx->ad);
	wl_jw_end(w, '}');
	return 0;
}

int
wl_h_estimate_post(struct wl_ctx *ctx)
{
	const struct wl_ask *ask = &ctx->ask;
	struct wl_target t[WL_TARGETS];
	int64_t output;
	struct wl_buf b;
	struct wl_route_call call;
	struct wl_routed routed;
	struct wl_jw w;
	int n;

	if (read_ask(ctx) == -1)
		return -1;
	wl_model_call(&ctx->req, ask, &call);
	n = wl_model_route(ctx->arena, ctx->conf, ctx->auth, ctx->keyring,
	    ask->model, ctx->req.provider_key, &call, t, &routed, &ctx->err);
	if (n == -1)
		return -1;
	output = wl_estimate_output(ask);
	wl_buf_init(&b, BODY_MAX);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_str(&w, "object", "estimate");
	wl_jw_str(&w, "api", wl_estimate_api_name(ask->api));
	wl_jw_strn(&w, "model", ask->model.p, ask->model.len);
	put_tokens(&w, ask, output);
	put_targets(&w, t, n, ask, output);
	if (put_admission(ctx, &w) == -1) {
		wl_buf_free(&b);
		return -1;
	}
	wl_jw_end(&w, '}');
	wl_resp_set(&ctx->resp, "Cache-Control", "no-store");
	wl_serve_json(ctx, 200, &b);
	return 0;
}
