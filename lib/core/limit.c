/*
 * Which limits hold for a call, and the decision.
 */
#include "config.h"
#include "lib/core/limit.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/core/auth.h"
#include "lib/core/call.h"
#include "lib/core/limit_priv.h"
#include "lib/core/limit_rule.h"
#include "lib/http/req.h"

#define MINUTE_MS	((int64_t)60000)
#define DAY_MS		((int64_t)86400000)
/* A lease outlives the longest call that holds it. */
#define LEASE_EXTRA_MS	((int64_t)10000)
#define STALE_TRIES	3

static const struct {
	const char	*name;
	bool		 refunds;
} outcomes[] = {
	[WL_O_ANSWERED] = { "answered", false },
	[WL_O_CACHE_HIT] = { "cache_hit", false },
	[WL_O_REPLAY] = { "replay", true },
	[WL_O_CLIENT_GONE] = { "client_gone", false },
	[WL_O_INVALID] = { "invalid", true },
	[WL_O_UPSTREAM_FAILED] = { "upstream_failed", true },
	[WL_O_LOST] = { "lost", false },
};
_Static_assert(sizeof(outcomes) / sizeof(outcomes[0]) == WL_OUTCOME_MAX,
    "a row for every outcome");

const char *
wl_outcome_name(enum wl_outcome o)
{
	return outcomes[o].name;
}

bool
wl_outcome_refunds_month(enum wl_outcome o, bool cache_hits_free)
{
	return outcomes[o].refunds || (o == WL_O_CACHE_HIT && cache_hits_free);
}

/*
 * Rows.
 */

static void
add_row(struct wl_gate *g, enum wl_limit_name name, enum wl_limit_kind kind,
    int64_t limit, int64_t reset_ms)
{
	if (limit < 0)
		return;
	g->rows[g->nrows++] = (struct wl_limit_row){ .name = name,
	    .kind = kind, .limit = limit, .cost = 1, .reset_ms = reset_ms };
}

/*
 * A row of tokens or money; below zero: the call is exempt, unless it costs
 * something in the end.
 */
static void
add_cost(struct wl_gate *g, enum wl_limit_name name, int64_t limit,
    int64_t cost, int64_t reset_ms)
{
	if (limit < 0)
		return;
	add_row(g, name, WL_L_FIXED, limit, reset_ms);
	g->rows[g->nrows - 1].cost = cost < 0 ? 0 : cost;
	g->rows[g->nrows - 1].exempt = cost < 0;
}

/*
 * The rows of plan and key: rate limit before quota before budget, the plan's
 * before the key's.  Resets are what they are for somebody who has used
 * nothing.
 */
static void
add_rows(struct wl_gate *g, const struct wl_auth *auth,
    const struct wl_reserve *v, int64_t now)
{
	enum wl_limit_kind kind = auth->sliding ? WL_L_SLIDING : WL_L_FIXED;
	int64_t next = (now / MINUTE_MS + 1) * MINUTE_MS;
	int64_t minute = auth->sliding ? now + MINUTE_MS : next;
	int64_t month = wl_clock_month_next(now) * 1000;
	int64_t day = (now / DAY_MS + 1) * DAY_MS;

	add_row(g, WL_LN_MINUTE, kind, auth->rpm, minute);
	add_row(g, WL_LN_KEY_MINUTE, kind, auth->key_rpm, minute);
	add_cost(g, WL_LN_TOKENS, auth->tokens, v->tokens, next);
	add_cost(g, WL_LN_KEY_TOKENS, auth->key_tokens, v->tokens, next);
	add_row(g, WL_LN_MONTH, WL_L_FIXED, auth->month, month);
	add_row(g, WL_LN_KEY_MONTH, WL_L_FIXED, auth->key_month, month);
	add_cost(g, WL_LN_DAY_NANO, auth->day_nano, v->nano, day);
	add_cost(g, WL_LN_KEY_DAY_NANO, auth->key_day_nano, v->nano, day);
	add_cost(g, WL_LN_MONTH_NANO, auth->month_nano, v->nano, month);
	add_cost(g, WL_LN_KEY_MONTH_NANO, auth->key_month_nano, v->nano,
	    month);
	add_row(g, WL_LN_LEASE, WL_L_LEASE, auth->concurrent, now);
	add_row(g, WL_LN_KEY_LEASE, WL_L_LEASE, auth->key_concurrent, now);
}

static void
fill_gate(struct wl_admission *ad, const struct wl_conf *conf,
    const struct wl_auth *auth, int64_t now)
{
	struct wl_gate *g = &ad->gate;

	g->nrows = 0;
	g->result = WL_G_ADMITTED;
	g->refused_by = 0;
	g->generation[0] = '\0';
	g->project = auth->project;
	g->key_id = auth->key_id;
	g->version = auth->version;
	g->now_ms = now;
	g->event_id = ad->event_id;
	g->lease_ms = conf->total_timeout + LEASE_EXTRA_MS;
	add_rows(g, auth, &ad->reserve, now);
	ad->at_ms = now;
	ad->minute = now / MINUTE_MS;
	wl_clock_month_name(now, ad->month);
	ad->known = false;
}

/*
 * Rules that count one thing at once, and what they hold for a call.
 */
static int
fill_rules(struct wl_arena *a, struct wl_admission *ad,
    const struct wl_auth *auth, const struct wl_limit_subject *who,
    struct wl_err *e)
{
	if (auth->nrules == 0 || wl_limit_rules_rows(a, &ad->gate, auth->rules,
	    auth->nrules, who, ad->reserve.tokens, ad->reserve.nano) == 0)
		return 0;
	return wl_err_set(e, WL_E_INVALID_REQUEST, "More limits than %d hold "
	    "for this request. Send fewer tags.", WL_LIMIT_RULES);
}

/*
 * Whether AUTH's limits are of tokens (1), of money (2), or both.
 */
static int
costs_of(const struct wl_auth *auth)
{
	int i, costs = 0;

	if (auth->tokens >= 0 || auth->key_tokens >= 0)
		costs |= 1;
	if (auth->day_nano >= 0 || auth->key_day_nano >= 0 ||
	    auth->month_nano >= 0 || auth->key_month_nano >= 0)
		costs |= 2;
	for (i = 0; i < auth->nrules; i++) {
		if (auth->rules[i].unit == WL_LU_TOKENS)
			costs |= 1;
		if (auth->rules[i].unit == WL_LU_DAY_NANO ||
		    auth->rules[i].unit == WL_LU_MONTH_NANO)
			costs |= 2;
	}
	return costs;
}

/*
 * The gate for R's call of AUTH now, with what is to be reserved.
 */
static int
prepare(const struct wl_req *r, const struct wl_conf *conf,
    const struct wl_keyring *keys, const struct wl_ask *ask,
    const struct wl_auth *auth, struct wl_admission *ad, struct wl_err *e)
{
	struct wl_limit_subject who = { .key_id = auth->key_id };
	int costs = costs_of(auth);

	ad->reserved = costs != 0;
	if (costs != 0 && wl_reserve(r->arena, conf, auth, keys, r, ask,
	    (costs & 2) != 0, &ad->reserve, e) == -1) {
		fill_gate(ad, conf, auth, wl_clock_ms());
		return -1;
	}
	fill_gate(ad, conf, auth, wl_clock_ms());
	if (auth->nrules == 0)
		return 0;
	who.model = ask->model;
	who.user = wl_ask_user(ask, r);
	who.tags = wl_str_of(wl_req_header(r, "x-watchllm-tags"));
	return fill_rules(r->arena, ad, auth, &who, e);
}

/*
 * The gate points into AUTH, which may go before the gate does.
 */
static void
keep_strings(struct wl_arena *a, struct wl_gate *g)
{
	g->project = wl_arena_strdup(a, g->project);
	g->key_id = wl_arena_strdup(a, g->key_id);
	if (g->project == NULL || g->key_id == NULL)
		g->project = g->key_id = "";
}

int64_t
wl_limit_left(const struct wl_limit_row *row)
{
	return row->used < row->limit ? row->limit - row->used : 0;
}

static bool
is_refused_by(const struct wl_gate *g, const struct wl_limit_row *row)
{
	return g->result == WL_G_REFUSED && row == &g->rows[g->refused_by];
}

const struct wl_limit_row *
wl_limit_tighter(const struct wl_admission *ad, enum wl_limit_name name)
{
	enum wl_limit_name of_key = name == WL_LN_MINUTE ? WL_LN_KEY_MINUTE :
	    WL_LN_KEY_MONTH;
	const struct wl_limit_row *best = NULL, *row;
	const struct wl_gate *g = &ad->gate;
	int64_t left;
	int i;

	for (i = 0; i < g->nrows; i++) {
		row = &g->rows[i];
		if (row->name != name && row->name != of_key)
			continue;
		if (is_refused_by(g, row))
			return row;
		left = ad->known ? wl_limit_left(row) : row->limit;
		if (best == NULL || left < (ad->known ? wl_limit_left(best) :
		    best->limit) || (ad->known && left == wl_limit_left(best) &&
		    row->limit < best->limit))
			best = row;
	}
	return best;
}

/*
 * Admission.
 */

static void
replace_auth(struct wl_auth **auth, struct wl_auth *by)
{
	wl_auth_unref(*auth);
	*auth = by;
}

/*
 * The limiter does not answer; *E says why.  With Redis away a revocation can
 * only be learned from PostgreSQL.
 */
static int
without_limiter(const struct wl_req *r, const struct wl_conf *conf,
    const struct wl_keyring *keys, const struct wl_ask *ask,
    struct wl_auth **auth, struct wl_admission *ad, struct wl_err *e)
{
	struct wl_auth *checked;

	if (conf->counters == WL_COUNTERS_POSTGRES ||
	    conf->on_redis_failure == WL_FAIL_CLOSED) {
		if (e->code != WL_E_UNAVAILABLE)
			e->code = WL_E_INTERNAL;
		if (e->retry_after == 0)
			e->retry_after = WL_LIMIT_RETRY_SOON;
		return -1;
	}
	memset(e, 0, sizeof(*e));
	checked = wl_auth_check(r->arena, conf, r->key, r->addr,
	    WL_AUTH_RECENT, e);
	replace_auth(auth, checked);
	if (checked == NULL)
		return -1;
	if (prepare(r, conf, keys, ask, *auth, ad, e) == -1)
		return -1;
	ad->degraded = ad->admitted = true;
	return 0;
}

int
wl_limit_admit(const struct wl_req *r, const struct wl_conf *conf,
    const struct wl_keyring *keys, const struct wl_ask *ask,
    struct wl_auth **auth, struct wl_admission *ad, struct wl_err *e)
{
	int rc, tries;

	memset(ad, 0, sizeof(*ad));
	memcpy(ad->event_id, r->id, sizeof(ad->event_id));
	for (tries = 0; tries < STALE_TRIES; tries++) {
		if (prepare(r, conf, keys, ask, *auth, ad, e) == -1) {
			keep_strings(r->arena, &ad->gate);
			return -1;
		}
		if (wl_counter_admit(r->arena, conf, &ad->gate, e) == -1) {
			rc = without_limiter(r, conf, keys, ask, auth, ad, e);
			ad->unknown = true;
			keep_strings(r->arena, &ad->gate);
			return rc;
		}
		if (ad->gate.result != WL_G_STALE)
			break;
		replace_auth(auth, wl_auth_again(r->arena, conf, r->key,
		    r->addr, e));
		if (*auth == NULL)
			return -1;
	}
	keep_strings(r->arena, &ad->gate);
	if (ad->gate.result == WL_G_STALE) {
		wl_err_set(e, WL_E_UNAVAILABLE, NULL);
		e->retry_after = WL_LIMIT_RETRY_SOON;
		return wl_err_detail(e, "project %s keeps changing",
		    (*auth)->project);
	}
	wl_auth_verified(*auth);
	ad->known = true;
	if (ad->gate.result == WL_G_REFUSED)
		return wl_limit_refuse(r->arena, conf, *auth, ad, e);
	ad->admitted = true;
	return 0;
}

int
wl_limit_read(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, struct wl_admission *ad, struct wl_err *e)
{
	int rc;

	memset(ad, 0, sizeof(*ad));
	fill_gate(ad, conf, auth, wl_clock_ms());
	if (fill_rules(a, ad, auth, NULL, e) == -1)
		return -1;
	keep_strings(a, &ad->gate);
	rc = wl_counter_read(a, conf, &ad->gate, e);
	ad->known = rc == 0;
	ad->degraded = rc == -1;
	return rc;
}

void
wl_limit_free(const struct wl_req *r, const struct wl_conf *conf,
    const struct wl_auth *auth, struct wl_admission *ad)
{
	struct wl_err unread;

	/* unread, they are told as when the limiter is away */
	if (wl_limit_read(r->arena, conf, auth, ad, &unread) == -1)
		ad->known = false;
	memcpy(ad->event_id, r->id, sizeof(ad->event_id));
	/* the counters know of it: nothing is to be added to them */
	ad->admitted = ad->free = true;
}

int
wl_limit_preview(const struct wl_req *r, const struct wl_conf *conf,
    const struct wl_keyring *keys, const struct wl_ask *ask,
    const struct wl_auth *auth, struct wl_admission *ad, struct wl_err *e)
{
	int rc;

	memset(ad, 0, sizeof(*ad));
	rc = prepare(r, conf, keys, ask, auth, ad, e);
	keep_strings(r->arena, &ad->gate);
	if (rc == -1)
		return -1;
	rc = wl_counter_read(r->arena, conf, &ad->gate, e);
	ad->known = rc == 0;
	ad->degraded = rc == -1;
	return rc;
}

int
wl_limit_shadowed(const struct wl_admission *ad)
{
	int i, n = 0;

	for (i = 0; ad->known && !ad->free && i < ad->gate.nrows; i++)
		n += ad->gate.rows[i].shadow && !ad->gate.rows[i].exempt &&
		    wl_limit_row_exceeded(
		    &ad->gate.rows[i], ad->gate.result == WL_G_ADMITTED);
	return n;
}
