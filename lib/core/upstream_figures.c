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
	    source, 0 };
	if (r->ask->api == WL_API_EMBEDDINGS)
		u->output = -1;
	if (!wl_api_is_media(r->ask->api))
		return;
	/* of a picture or a sound nobody can tell */
	u->output = -1;
	if (u->input == 0)
		u->input = -1;
}

/*
 * What was used costs at PROVIDER's price for MODEL.
 */
static int
cost(struct wl_uprun *r, const char *model)
{
	struct wl_result *res = r->res;

	if (wl_api_is_media(r->ask->api))
		return wl_price_media(res->provider, model, r->ask->api,
		    &res->usage, &res->units, &res->cost_nano,
		    &res->price_effective_ms);
	return wl_price_cost(res->provider, model, &res->usage,
	    &res->cost_nano, &res->price_effective_ms);
}

static void
price(struct wl_uprun *r)
{
	struct wl_result *res = r->res;
	int found = 0;

	if (res->usage.source == WL_U_NONE)
		return;
	if (res->model_used[0] != '\0')
		found = cost(r, res->model_used);
	if (!found && strcmp(res->model, res->model_used) != 0)
		found = cost(r, res->model);
	res->price_known = found == 1;
	if (res->price_known)
		res->cost_nano += res->hedge_nano;
}

int64_t
wl_upstream_cost(const struct wl_uprun *r, const struct wl_target *t,
    int64_t output)
{
	struct wl_usage u = {
		.input = r->ask->input_estimate, .cache_read = -1,
		.cache_write = -1, .output = output, .reasoning = -1,
		.source = WL_U_ESTIMATED
	};
	int64_t nano, from;

	if (r->ask->api == WL_API_EMBEDDINGS)
		u.output = -1;
	return wl_price_cost(t->provider, t->model, &u, &nano, &from) == 1 ?
	    nano : -1;
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
