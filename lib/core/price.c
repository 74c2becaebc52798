/*
 * The price of a call, rounded once.
 */
#include "config.h"
#include "lib/core/price.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/money.h"
#include "lib/core/memo.h"
#include "lib/store/db.h"

#define TTL_MS		((int64_t)60 * 1000)
#define LONG_INPUT	((int64_t)200 * 1000)

/* A provider's id, a space, a model's name. */
#define KEY_MAX	(32 + 1 + WL_MODEL_MAX + 1)

static int
fetch(struct wl_arena *scratch, const char *key, void **value,
    struct wl_err *e)
{
	const char *space = strchr(key, ' ');
	struct wl_db_price row, *p;
	char provider[33];
	int rc;

	(void)wl_strlcpy(provider, key, sizeof(provider));
	provider[space - key] = '\0';
	rc = wl_db_price(scratch, provider, space + 1, wl_clock_ms(), &row, e);
	if (rc != 1)
		return rc;
	if ((p = malloc(sizeof(*p))) == NULL)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	*p = row;
	p->provider = p->model = NULL;
	*value = p;
	return 0;
}

static struct wl_memo prices = {
	.name = "prices", .max = 4096, .ttl_ms = TTL_MS, .fetch = fetch,
	.release = free
};

static bool
name(char out[KEY_MAX], const char *provider, const char *model)
{
	size_t n = strlen(provider);

	if (n == 0 || n > 32 || strchr(provider, ' ') != NULL ||
	    model[0] == '\0')
		return false;
	return snprintf(out, KEY_MAX, "%s %s", provider, model) < KEY_MAX;
}

/*
 * Add TOKENS at RATE, or else at OTHER.  Returns whether one is known, or
 * nothing was used.
 */
static bool
add(struct wl_money *m, int64_t tokens, int64_t rate, int64_t other)
{
	if (tokens <= 0)
		return true;
	if (rate < 0)
		rate = other;
	if (rate < 0)
		return false;
	wl_money_add(m, tokens, rate);
	return true;
}

static int64_t
counted(int64_t tokens)
{
	return tokens < 0 ? 0 : tokens;
}

static int64_t
rate(bool is_long, int64_t plain, int64_t above)
{
	return is_long && above >= 0 ? above : plain;
}

int
wl_price_at(const struct wl_db_price *p, const struct wl_usage *u,
    int64_t *nano)
{
	bool is_long = counted(u->input) + counted(u->cache_read) +
	    counted(u->cache_write) > LONG_INPUT;
	int64_t input = rate(is_long, p->input, p->input_above_200k);
	int64_t output = rate(is_long, p->output, p->output_above_200k);
	int64_t hour = counted(u->cache_write_1h);
	struct wl_money m = { 0 };

	/* nobody says what an hour costs in a long call that is dearer */
	if (hour > 0 && is_long && p->input_above_200k >= 0)
		return 0;

	if (u->source == WL_U_NONE || (input < 0 && output < 0) ||
	    !add(&m, u->input, input, -1) ||
	    !add(&m, u->cache_read, rate(is_long, p->cache_read,
	    p->cache_read_above_200k), input) ||
	    !add(&m, u->cache_write - hour, rate(is_long, p->cache_write,
	    p->cache_write_above_200k), input) ||
	    !add(&m, hour, p->cache_write_1h, -1) ||
	    !add(&m, u->output, output, -1) ||
	    !add(&m, u->reasoning, p->reasoning, output))
		return 0;
	*nano = wl_money_round(&m);
	return 1;
}

/*
 * What is remembered of KEY; no longer than it holds.
 */
static struct wl_memo_value *
get(const char *key, const struct wl_db_price **p, struct wl_err *e)
{
	struct wl_memo_value *use;
	const void *data = NULL;
	int64_t until;

	use = wl_memo_get(&prices, key, 0, &data, e);
	*p = data;
	if (use == NULL || *p == NULL || (*p)->until_ms > wl_clock_ms())
		return use;
	until = (*p)->until_ms;
	wl_memo_put(use);
	use = wl_memo_get(&prices, key, until, &data, e);
	*p = data;
	return use;
}

/*
 * A call that is to be priced; UNITS NULL: by its tokens alone.
 */
struct billed {
	enum wl_api		 api;
	const struct wl_usage	*u;
	const struct wl_units	*units;
};

static int
find(const char *provider, const char *model, const struct billed *b,
    int64_t *nano, int64_t *effective_ms)
{
	const struct wl_db_price *p;
	struct wl_memo_value *use;
	char key[KEY_MAX];
	struct wl_err e;
	int rc = 0;

	if (!name(key, provider, model))
		return 0;
	if ((use = get(key, &p, &e)) == NULL) {
		wl_log(WL_WARN, "price.unknown", "%s: %s; %s", key, e.msg,
		    e.detail);
		return 0;
	}
	if (p != NULL) {
		rc = b->units == NULL ? wl_price_at(p, b->u, nano) :
		    wl_price_media_at(p, b->api, b->u, b->units, nano);
		*effective_ms = p->effective_ms;
	}
	wl_memo_put(use);
	return rc;
}

int
wl_price_cost(const char *provider, const char *model,
    const struct wl_usage *u, int64_t *nano, int64_t *effective_ms)
{
	struct billed b = { .api = WL_API_MAX, .u = u };

	return find(provider, model, &b, nano, effective_ms);
}

int
wl_price_media(const char *provider, const char *model, enum wl_api api,
    const struct wl_usage *u, const struct wl_units *units, int64_t *nano,
    int64_t *effective_ms)
{
	struct billed b = { api, u, units };

	return find(provider, model, &b, nano, effective_ms);
}

bool
wl_price_known(const char *provider, const char *model)
{
	const struct wl_db_price *p;
	struct wl_memo_value *use;
	char key[KEY_MAX];
	struct wl_err e;
	bool known;

	if (!name(key, provider, model) || (use = get(key, &p, &e)) == NULL)
		return false;
	known = p != NULL;
	wl_memo_put(use);
	return known;
}

void
wl_price_warm(const char *provider, const char *model)
{
	char key[KEY_MAX];

	if (name(key, provider, model))
		wl_memo_warm(&prices, key);
}

void
wl_price_flush(void)
{
	wl_memo_flush(&prices);
}
