/*
 * Which limits hold for a call, what their refusal says, and the headers.
 */
#include "config.h"
#include "lib/core/limit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/json.h"
#include "lib/core/auth.h"
#include "lib/http/req.h"
#include "lib/http/resp.h"

#define MINUTE_MS	((int64_t)60000)
/* A lease outlives the longest call that holds it. */
#define LEASE_EXTRA_MS	((int64_t)10000)
#define STALE_TRIES	3
/* Seconds after which a refusal without a clock of its own may be retried. */
#define RETRY_SOON	1
#define DETAILS_MAX	1024
#define HEADER_MAX	512
/* Largest Integer of Structured Fields (RFC 9651, 3.3.1). */
#define SF_INTEGER_MAX	INT64_C(999999999999999)

/*
 * What each limit is called in RateLimit and RateLimit-Policy, and what its
 * refusal is.
 */
static const struct {
	const char	*policy;
	enum wl_code	 code;
} names[] = {
	[WL_LN_MINUTE] = { "minute", WL_E_RATE_LIMIT },
	[WL_LN_MONTH] = { "month", WL_E_QUOTA },
	[WL_LN_KEY_MINUTE] = { "key-minute", WL_E_RATE_LIMIT },
	[WL_LN_KEY_MONTH] = { "key-month", WL_E_QUOTA },
	[WL_LN_LEASE] = { "concurrent", WL_E_CONCURRENCY },
};
_Static_assert(sizeof(names) / sizeof(names[0]) == WL_LIMIT_NAME_MAX,
    "a name for every limit");

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
 * The gate for AUTH at NOW: rate limit before quota, the plan's before the
 * key's.  Resets are what they are for somebody who has used nothing.
 */
static void
fill_gate(struct wl_admission *ad, const struct wl_conf *conf,
    const struct wl_auth *auth, int64_t now)
{
	enum wl_limit_kind kind = auth->sliding ? WL_L_SLIDING : WL_L_FIXED;
	int64_t minute = auth->sliding ? now + MINUTE_MS :
	    (now / MINUTE_MS + 1) * MINUTE_MS;
	int64_t month = wl_clock_month_next(now) * 1000;
	struct wl_gate *g = &ad->gate;

	memset(g, 0, sizeof(*g));
	g->project = auth->project;
	g->key_id = auth->key_id;
	g->version = auth->version;
	g->now_ms = now;
	g->event_id = ad->event_id;
	g->lease_ms = conf->total_timeout + LEASE_EXTRA_MS;
	add_row(g, WL_LN_MINUTE, kind, auth->rpm, minute);
	add_row(g, WL_LN_KEY_MINUTE, kind, auth->key_rpm, minute);
	add_row(g, WL_LN_MONTH, WL_L_FIXED, auth->month, month);
	add_row(g, WL_LN_KEY_MONTH, WL_L_FIXED, auth->key_month, month);
	add_row(g, WL_LN_LEASE, WL_L_LEASE, auth->concurrent, now);
	ad->at_ms = now;
	ad->minute = now / MINUTE_MS;
	wl_clock_month_name(now, ad->month);
	ad->known = false;
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

enum wl_code
wl_limit_would_refuse(const struct wl_admission *ad)
{
	const struct wl_limit_row *row;
	int i;

	for (i = 0; ad->known && i < ad->gate.nrows; i++) {
		row = &ad->gate.rows[i];
		if (wl_limit_left(row) < row->cost)
			return names[row->name].code;
	}
	return WL_OK;
}

/*
 * Refusals.
 */

/*
 * Seconds, rounded up: of a time to come, and of a length of time.
 */
static int64_t
ceil_seconds(int64_t ms)
{
	return ms / 1000 + (ms % 1000 > 0);
}

static int
seconds_until(const struct wl_gate *g, const struct wl_limit_row *row)
{
	int64_t s = ceil_seconds(row->reset_ms - g->now_ms);

	return s < 1 ? 1 : s > INT32_MAX ? INT32_MAX : (int)s;
}

/*
 * The details of a refusal, in the order that the contract shows.
 */
static const char *
details(struct wl_arena *a, const struct wl_gate *g,
    const struct wl_limit_row *row, const char *upgrade_url)
{
	enum wl_code code = names[row->name].code;
	const char *text;
	struct wl_buf b;
	struct wl_jw w;

	wl_buf_init(&b, DETAILS_MAX + strlen(upgrade_url) * 6);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	if (code == WL_E_QUOTA)
		wl_jw_int(&w, "used", row->used);
	wl_jw_int(&w, "limit", row->limit);
	wl_jw_int(&w, "remaining", wl_limit_left(row));
	if (code != WL_E_CONCURRENCY)
		wl_jw_int(&w, "resetAt", ceil_seconds(row->reset_ms));
	if (code == WL_E_RATE_LIMIT)
		wl_jw_int(&w, "retryAfter", seconds_until(g, row));
	if (code == WL_E_CONCURRENCY)
		wl_jw_int(&w, "retryAfter", RETRY_SOON);
	if (code == WL_E_QUOTA && upgrade_url[0] != '\0')
		wl_jw_str(&w, "upgradeUrl", upgrade_url);
	wl_jw_end(&w, '}');
	text = b.failed ? NULL : wl_arena_dup(a, b.p, b.len);
	wl_buf_free(&b);
	return text;
}

static const char *
plural(int64_t n)
{
	return n == 1 ? "" : "s";
}

static int
refuse(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, const struct wl_gate *g, struct wl_err *e)
{
	const struct wl_limit_row *row = &g->rows[g->refused_by];

	switch (row->name) {
	case WL_LN_MINUTE:
		wl_err_set(e, WL_E_RATE_LIMIT, "Rate limit exceeded. You can"
		    " make %" PRId64 " request%s per minute on the %s plan.",
		    row->limit, plural(row->limit), auth->plan);
		break;
	case WL_LN_KEY_MINUTE:
		wl_err_set(e, WL_E_RATE_LIMIT, "Rate limit exceeded. You can"
		    " make %" PRId64 " request%s per minute with this API key.",
		    row->limit, plural(row->limit));
		break;
	case WL_LN_MONTH:
		wl_err_set(e, WL_E_QUOTA, NULL);
		break;
	case WL_LN_KEY_MONTH:
		wl_err_set(e, WL_E_QUOTA, "Monthly quota of this API key"
		    " exceeded. Raise it or wait until quota resets.");
		break;
	case WL_LN_LEASE:
		wl_err_set(e, WL_E_CONCURRENCY, "Too many requests are running"
		    " at once. You can run %" PRId64 " at the same time.",
		    row->limit);
		break;
	case WL_LIMIT_NAME_MAX:
		wl_err_set(e, WL_E_INTERNAL, NULL);
		return wl_err_detail(e, "refused by no limit");
	}
	e->details = details(a, g, row, conf->upgrade_url);
	e->retry_after = row->name == WL_LN_LEASE ? RETRY_SOON :
	    seconds_until(g, row);
	return -1;
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
    struct wl_auth **auth, struct wl_admission *ad, struct wl_err *e)
{
	struct wl_auth *checked;

	if (conf->counters == WL_COUNTERS_POSTGRES ||
	    conf->on_redis_failure == WL_FAIL_CLOSED) {
		if (e->code != WL_E_UNAVAILABLE)
			e->code = WL_E_INTERNAL;
		if (e->retry_after == 0)
			e->retry_after = RETRY_SOON;
		return -1;
	}
	memset(e, 0, sizeof(*e));
	checked = wl_auth_check(r->arena, conf, r->key, r->addr,
	    WL_AUTH_RECENT, e);
	replace_auth(auth, checked);
	if (checked == NULL)
		return -1;
	fill_gate(ad, conf, *auth, ad->at_ms);
	ad->degraded = ad->admitted = true;
	return 0;
}

int
wl_limit_admit(const struct wl_req *r, const struct wl_conf *conf,
    struct wl_auth **auth, struct wl_admission *ad, struct wl_err *e)
{
	int rc, tries;

	memset(ad, 0, sizeof(*ad));
	memcpy(ad->event_id, r->id, sizeof(ad->event_id));
	for (tries = 0; tries < STALE_TRIES; tries++) {
		fill_gate(ad, conf, *auth, wl_clock_ms());
		if (wl_counter_admit(r->arena, conf, &ad->gate, e) == -1) {
			rc = without_limiter(r, conf, auth, ad, e);
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
		e->retry_after = RETRY_SOON;
		return wl_err_detail(e, "project %s keeps changing",
		    (*auth)->project);
	}
	wl_auth_verified(*auth);
	ad->known = true;
	if (ad->gate.result == WL_G_REFUSED)
		return refuse(r->arena, conf, *auth, &ad->gate, e);
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
	ad->gate.generation[0] = '\0';
	ad->admitted = ad->free = true;
}

/*
 * Headers.
 */

static int64_t
sf_integer(int64_t v)
{
	return v > SF_INTEGER_MAX ? SF_INTEGER_MAX : v;
}

static void
draft_item(struct wl_buf *b, const struct wl_limit_row *row,
    const char *what, int64_t n)
{
	wl_buf_adds(b, b->len > 0 ? ", \"" : "\"");
	wl_buf_adds(b, names[row->name].policy);
	wl_buf_addc(b, '"');
	wl_buf_adds(b, what);
	wl_buf_int(b, sf_integer(n));
}

/*
 * RateLimit-Policy and RateLimit of draft-ietf-httpapi-ratelimit-headers-10:
 * lists of strings with parameters, q quota, w window in seconds, r what is
 * left, t seconds until there is more.
 */
static void
draft_headers(struct wl_resp *resp, const struct wl_admission *ad)
{
	const struct wl_gate *g = &ad->gate;
	const struct wl_limit_row *row;
	struct wl_buf policy, now;
	int64_t window;
	int i;

	wl_buf_init(&policy, HEADER_MAX);
	wl_buf_init(&now, HEADER_MAX);
	for (i = 0; i < g->nrows; i++) {
		row = &g->rows[i];
		draft_item(&policy, row, ";q=", row->limit);
		draft_item(&now, row, ";r=", wl_limit_left(row));
		if (row->kind == WL_L_LEASE) {
			wl_buf_adds(&policy, ";qu=\"concurrent-requests\"");
			continue;
		}
		window = names[row->name].code == WL_E_RATE_LIMIT ? 60 :
		    wl_clock_month_next(ad->at_ms) -
		    wl_clock_month_start(ad->at_ms);
		wl_buf_adds(&policy, ";w=");
		wl_buf_int(&policy, window);
		wl_buf_adds(&now, ";t=");
		wl_buf_int(&now, seconds_until(g, row));
	}
	if (!policy.failed && policy.len > 0)
		wl_resp_set(resp, "RateLimit-Policy", policy.p);
	if (ad->known && !now.failed && now.len > 0)
		wl_resp_set(resp, "RateLimit", now.p);
	wl_buf_free(&policy);
	wl_buf_free(&now);
}

static void
plain_headers(struct wl_resp *resp, const struct wl_admission *ad,
    enum wl_limit_name name, const char *limit, const char *remaining,
    const char *reset)
{
	const struct wl_limit_row *row = wl_limit_tighter(ad, name);

	if (row == NULL)
		return;
	wl_resp_set_int(resp, limit, row->limit);
	if (ad->known)
		wl_resp_set_int(resp, remaining, wl_limit_left(row));
	wl_resp_set_int(resp, reset, ceil_seconds(row->reset_ms));
}

void
wl_limit_refunded(struct wl_admission *ad)
{
	struct wl_limit_row *row;
	int i;

	for (i = 0; ad->known && i < ad->gate.nrows; i++) {
		row = &ad->gate.rows[i];
		if ((row->name == WL_LN_MONTH || row->name == WL_LN_KEY_MONTH) &&
		    row->used >= row->cost)
			row->used -= row->cost;
	}
}

void
wl_limit_headers(struct wl_resp *resp, const struct wl_admission *ad)
{
	plain_headers(resp, ad, WL_LN_MINUTE, "X-RateLimit-Limit",
	    "X-RateLimit-Remaining", "X-RateLimit-Reset");
	plain_headers(resp, ad, WL_LN_MONTH, "X-Quota-Limit",
	    "X-Quota-Remaining", "X-Quota-Reset");
	draft_headers(resp, ad);
	if (ad->degraded)
		wl_resp_set(resp, "X-WatchLLM-Limiter", "degraded");
}
