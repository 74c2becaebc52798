/*
 * POST /v1/billing/stripe.
 */
#include "config.h"
#include "fcgi/h_billing.h"

#include "fcgi/ctx.h"
#include "fcgi/serve.h"
#include "lib/base/err.h"
#include "lib/base/json.h"
#include "lib/core/address.h"
#include "lib/core/stripe.h"

#define BODY_MAX	1024

int
wl_h_billing_stripe_post(struct wl_ctx *ctx)
{
	struct wl_err too_many;
	const char *outcome;
	struct wl_buf b;
	struct wl_jw w;

	if (wl_stripe_take(ctx->arena, ctx->conf,
	    wl_req_header(&ctx->req, "stripe-signature"), ctx->req.body,
	    &outcome, &ctx->err) == -1) {
		/* what Stripe did not sign is somebody who tries */
		if (ctx->err.code == WL_E_INVALID_REQUEST &&
		    wl_address_failed(ctx->arena, ctx->conf, WL_ADDRESS_BAD,
		    ctx->req.addr, &too_many) == -1)
			ctx->err = too_many;
		return -1;
	}
	wl_buf_init(&b, BODY_MAX);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_bool(&w, "received", true);
	wl_jw_str(&w, "outcome", outcome);
	wl_jw_end(&w, '}');
	wl_serve_json(ctx, 200, &b);
	return 0;
}
