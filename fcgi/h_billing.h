/*
 * POST /v1/billing/stripe: events of Stripe, which are signed.
 */
#ifndef WL_FCGI_H_BILLING_H
#define WL_FCGI_H_BILLING_H

struct wl_ctx;

int wl_h_billing_stripe_post(struct wl_ctx *ctx);

#endif
