/*
 * What a call has taken: time, tokens, money.
 */
#include "config.h"
#include "lib/core/upstream_priv.h"

#include <string.h>
#include <time.h>

#include "lib/core/price.h"

int64_t
wl_upstream_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
wl_upstream_age(const struct wl_uprun *r)
{
	return r->base_us + wl_upstream_now_us() - r->start_us;
}

static void
estimate(struct wl_uprun *r, enum wl_usage_source source)
{
	struct wl_usage *u = &r->res->usage;
	int64_t out = wl_tokens_estimate(r->res->output_bytes);

	*u = (struct wl_usage){ r->ask->input_estimate, -1, -1, out, -1,
	    source };
	if (r->ask->api == WL_API_EMBEDDINGS)
		u->output = -1;
}

static void
price(struct wl_uprun *r)
{
	struct wl_result *res = r->res;
	int found = 0;

	if (res->usage.source == WL_U_NONE)
		return;
	if (res->model_used[0] != '\0')
		found = wl_price_cost(res->provider, res->model_used,
		    &res->usage, &res->cost_nano, &res->price_effective_ms);
	if (!found && strcmp(res->model, res->model_used) != 0)
		found = wl_price_cost(res->provider, res->model,
		    &res->usage, &res->cost_nano, &res->price_effective_ms);
	res->price_known = found == 1;
}

void
wl_upstream_figures(struct wl_uprun *r, bool complete)
{
	struct wl_result *res = r->res;

	wl_result_end(res);
	if (res->upstream_us == -1)
		res->upstream_us = wl_upstream_age(r) - r->base_us;
	/* nothing is generated, and nobody asks money for it */
	if (r->ask->api == WL_API_COUNT_TOKENS)
		return;
	if (res->usage.source == WL_U_NONE)
		estimate(r, complete ? WL_U_ESTIMATED : WL_U_PARTIAL);
	else if (!complete)
		res->usage.source = WL_U_PARTIAL;
	price(r);
}
