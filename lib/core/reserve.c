/*
 * Estimates of calls, and what became of them.
 */
#include "config.h"
#include "lib/core/reserve.h"

#include <string.h>

#include "lib/base/err.h"
#include "lib/base/hash.h"
#include "lib/base/json.h"
#include "lib/base/money.h"
#include "lib/core/auth.h"
#include "lib/core/call.h"
#include "lib/core/estimate.h"
#include "lib/core/model.h"
#include "lib/core/price.h"
#include "lib/core/route.h"
#include "lib/http/req.h"

#define TOKENS_MAX	INT64_C(1000000000)
#define CHOICES_MAX	128
/* What calls for one model of a project put out; a power of two. */
#define LEARNED		1024
/* A new figure's weight is one in so many. */
#define WEIGHT		8

/*
 * The mean output of calls for a model of a project, by hash; two that share a
 * place only spoil each other's estimate.
 */
static struct {
	uint32_t	hash;
	int32_t		mean;
} learned[LEARNED];

static uint32_t
hash_of(const char *project, const struct wl_ask *ask)
{
	uint32_t crc = wl_crc32c(0, project, strlen(project) + 1);

	return wl_crc32c(crc, ask->model.p, ask->model.len);
}

static int64_t
expected(const char *project, const struct wl_ask *ask)
{
	uint32_t hash = hash_of(project, ask), i = hash & (LEARNED - 1);

	return learned[i].hash == hash && learned[i].mean > 0 ?
	    learned[i].mean : WL_RESERVE_OUTPUT;
}

static int64_t
clamp(int64_t v, int64_t max)
{
	return v < 0 ? 0 : v < max ? v : max;
}

/*
 * Pictures, sounds and rankings: what they cost is not known by their text.
 */
static bool
is_media(const struct wl_ask *ask)
{
	return ask->api >= WL_API_IMAGES;
}

/*
 * How many answers are asked for.
 */
static int64_t
choices(const struct wl_ask *ask)
{
	int64_t n = 1, best = 1;

	if (ask->api != WL_API_CHAT && ask->api != WL_API_COMPLETIONS)
		return 1;
	(void)wl_json_int(ask->json, "n", &n);
	if (ask->api == WL_API_COMPLETIONS)
		(void)wl_json_int(ask->json, "best_of", &best);
	n = clamp(n > best ? n : best, CHOICES_MAX);
	return n > 0 ? n : 1;
}

static int64_t
output_of(const char *project, const struct wl_ask *ask)
{
	int64_t most = wl_estimate_output(ask);

	if (is_media(ask) || ask->api == WL_API_COUNT_TOKENS)
		return 0;
	return most < 0 ? expected(project, ask) * choices(ask) :
	    clamp(most, TOKENS_MAX);
}

/*
 * What is known of media before: the price by piece, at the first of targets
 * T, or nothing.
 */
static int64_t
media_cost(const struct wl_target *t, const struct wl_ask *ask)
{
	struct wl_usage u = { 0, -1, -1, 0, -1, WL_U_ESTIMATED, 0 };
	struct wl_units units = WL_UNITS_NONE;
	int64_t nano, since, n = 1;

	if (ask->api == WL_API_RERANK)
		units.searches = 1;
	else {
		(void)wl_json_int(ask->json, "n", &n);
		units.images = clamp(n < 1 ? 1 : n, CHOICES_MAX);
	}
	return wl_price_media(t->provider, t->model, ask->api, &u, &units,
	    &nano, &since) ? nano : 0;
}

/*
 * The dearest of targets T, into *NANO.  Returns 0 when the first of them has
 * no price.
 */
static int
dearest(const struct wl_target *t, int n, const struct wl_usage *u,
    int64_t *nano)
{
	int64_t cost, since;
	int i;

	*nano = 0;
	for (i = 0; i < n; i++) {
		if (wl_price_cost(t[i].provider, t[i].model, u, &cost, &since)) {
			if (cost > *nano)
				*nano = cost;
		} else if (i == 0)
			return 0;
	}
	return 1;
}

static int64_t
flat_cost(const struct wl_auth *auth, int64_t tokens)
{
	struct wl_money m = { 0 };

	wl_money_add(&m, tokens, auth->flat_nano);
	return wl_money_round(&m);
}

static int
without_price(const struct wl_auth *auth, struct wl_reserve *v,
    struct wl_err *e)
{
	v->unknown = true;
	v->nano = -1;
	switch (auth->unknown_price) {
	case WL_UNKNOWN_ALLOW:
		break;
	case WL_UNKNOWN_DENY:
		wl_err_set(e, WL_E_PRICE_UNKNOWN, NULL);
		e->param = "model";
		return -1;
	case WL_UNKNOWN_FLAT:
		v->flat = true;
		v->nano = flat_cost(auth, v->tokens);
		break;
	}
	return 0;
}

int
wl_reserve(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, const struct wl_keyring *keys,
    const struct wl_req *r, const struct wl_ask *ask, bool money,
    struct wl_reserve *v, struct wl_err *e)
{
	struct wl_target t[WL_TARGETS];
	struct wl_route_call call;
	struct wl_routed routed;
	struct wl_usage u = { -1, -1, -1, -1, -1, WL_U_ESTIMATED, 0 };
	struct wl_err none = { .code = WL_OK };
	int n;

	memset(v, 0, sizeof(*v));
	v->output = output_of(auth->project, ask);
	v->tokens = clamp(ask->input_estimate, TOKENS_MAX) + v->output;
	v->nano = -1;
	/* one that will be refused anyway costs nothing */
	if (!money || ask->model.len == 0 || ask->api == WL_API_COUNT_TOKENS)
		return 0;
	u.input = v->tokens - v->output;
	u.output = v->output;
	wl_model_call(r, ask, &call);
	n = wl_model_route(a, conf, auth, keys, ask->model, r->provider_key,
	    &call, t, &routed, &none);
	if (n == -1 && none.code != WL_E_UNAVAILABLE)
		return 0;
	if (n > 0 && is_media(ask) && wl_price_known(t[0].provider,
	    t[0].model)) {
		v->nano = media_cost(t, ask);
		return 0;
	}
	if (n == -1 || is_media(ask) || !dearest(t, n, &u, &v->nano))
		return without_price(auth, v, e);
	if (v->nano == 0)
		v->nano = -1;		/* free */
	return 0;
}

static int64_t
counted(int64_t tokens)
{
	return tokens < 0 ? 0 : tokens;
}

void
wl_reserve_truth(const struct wl_reserve *v, const struct wl_auth *auth,
    const struct wl_result *res, struct wl_truth *truth)
{
	const struct wl_usage *u = &res->usage;

	truth->tokens = truth->nano = 0;
	/* what is answered again costs nothing */
	if (u->source == WL_U_NONE || res->outcome == WL_O_CACHE_HIT ||
	    res->outcome == WL_O_REPLAY)
		return;
	truth->tokens = clamp(counted(u->input) + counted(u->cache_read) +
	    counted(u->cache_write) + counted(u->output) +
	    counted(u->reasoning), TOKENS_MAX);
	if (res->price_known)
		truth->nano = res->cost_nano;
	else if (v->flat)
		truth->nano = flat_cost(auth, truth->tokens);
	else
		truth->nano = counted(v->nano);
}

void
wl_reserve_learn(const char *project, const struct wl_ask *ask,
    const struct wl_result *res)
{
	uint32_t hash, i;
	int64_t out;

	if (res->outcome != WL_O_ANSWERED || res->err.code != WL_OK ||
	    res->usage.source != WL_U_PROVIDER || ask->model.len == 0)
		return;
	out = clamp((counted(res->usage.output) +
	    counted(res->usage.reasoning)) / choices(ask), TOKENS_MAX);
	hash = hash_of(project, ask);
	i = hash & (LEARNED - 1);
	if (learned[i].hash != hash)
		learned[i].mean = (int32_t)out;
	else
		learned[i].mean += (int32_t)((out - learned[i].mean) / WEIGHT);
	learned[i].hash = hash;
}
