/*
 * A second target beside the first: the one that begins first answers.
 */
#include "config.h"
#include "lib/core/upstream_priv.h"

#include <string.h>

#include "lib/base/loop.h"
#include "lib/core/provider.h"
#include "lib/core/price.h"

/*
 * One of the two.
 */
struct runner {
	const struct wl_target	*t;
	struct wl_xfer		*x;
	struct wl_upcall	 u;
};

/*
 * Whether X, which shows something, is the beginning of an answer.
 */
static bool
has_begun(struct wl_xfer *x)
{
	int status = wl_xfer_status(x);

	return status >= 200 && status <= 299 && wl_xfer_peek(x).len > 0;
}

/*
 * A call that was cancelled is billed for its prompt at least.
 */
static void
pay(struct wl_uprun *r, const struct runner *v)
{
	int64_t cost = wl_upstream_cost(r, v->t, -1);

	r->race.cost_nano = cost;
	if (cost > 0)
		r->res->hedge_nano += cost;
}

/*
 * Out of the race: CANCELLED, or it has failed.
 */
static void
drop(struct wl_uprun *r, struct runner *v, bool cancelled)
{
	struct wl_uprace *race = &r->race;

	race->lost = true;
	race->cancelled = cancelled;
	race->status = wl_xfer_status(v->x);
	race->over_us = wl_upstream_age(r);
	if (cancelled)
		pay(r, v);
	else if (race->status > 299 || wl_xfer_error(v->x, &race->err) == 0)
		wl_err_set(&race->err, WL_E_UPSTREAM, NULL);
	wl_xfer_free(v->x);
	v->x = NULL;
}

/*
 * Ask the second.  0, or -1: it could not be asked, and has lost.
 */
static int
enter(struct wl_uprun *r, struct runner *second)
{
	struct wl_uprace *race = &r->race;
	const struct wl_target *t = r->t;
	const struct wl_ask *ask = r->ask;
	struct wl_xfer *x = r->x;
	enum wl_upend end;

	race->begun = true;
	race->at_us = wl_upstream_age(r);
	r->t = second->t;
	r->ask = r->t->ask != NULL ? r->t->ask : r->client;
	r->x = NULL;
	end = wl_upstream_start(r, &second->u);
	second->x = r->x;
	r->t = t;
	r->ask = ask;
	r->x = x;
	if (end == WL_UP_DONE)
		return 0;
	race->lost = true;
	race->over_us = wl_upstream_age(r);
	race->err = r->res->err;
	memset(&r->res->err, 0, sizeof(r->res->err));
	return -1;
}

/*
 * W answers, and is what the call goes on with.
 */
static void
go_on(struct wl_uprun *r, const struct runner *w, struct wl_upcall *u)
{
	r->race.won = w->t == r->race.t;
	if (r->race.won)
		r->health = r->race.health;
	r->t = w->t;
	r->x = w->x;
	*u = w->u;
	wl_upstream_name(r);
}

/*
 * Both are asked: who begins, or is left when the other one has failed?
 */
static enum wl_upend
run(struct wl_uprun *r, struct runner v[2], struct wl_upcall *u)
{
	struct wl_xfer *which;
	enum wl_upend end;
	int i;

	if (wl_upstream_await_two(r, v[1].x, WL_X_DATA, true, INT64_MAX,
	    &which, &end) == -1) {
		drop(r, &v[1], true);
		return end;
	}
	i = which == v[1].x;
	if (has_begun(which)) {
		drop(r, &v[!i], true);
		go_on(r, &v[i], u);
	} else {
		drop(r, &v[i], false);
		go_on(r, &v[!i], u);
	}
	return WL_UP_DONE;
}

enum wl_upend
wl_upstream_race(struct wl_uprun *r, struct wl_upcall *u)
{
	struct wl_uprace *race = &r->race;
	struct runner v[2] = { { .t = r->t, .x = r->x, .u = *u },
	    { .t = race->t } };
	struct wl_xfer *which;
	enum wl_upend end;

	wl_price_warm(race->t->provider, race->t->model);
	if (wl_upstream_await_two(r, NULL, WL_X_DATA, true,
	    wl_mono_fresh() + race->after_ms, &which, &end) == -1)
		return end;
	/* the first is there, or is over; so it may be after the question */
	if (which != NULL || r->gone || !race->may(race->arg) ||
	    wl_xfer_wait(r->x, WL_X_DATA, -1, 0, 0) != WL_X_DEADLINE)
		return WL_UP_DONE;
	if (enter(r, &v[1]) == -1)
		return WL_UP_DONE;
	return run(r, v, u);
}
