/*
 * How limits are told: what a refusal says, and the headers.
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
#include "lib/base/money.h"
#include "lib/core/auth.h"
#include "lib/core/limit_priv.h"
#include "lib/core/limit_rule.h"
#include "lib/http/resp.h"

#define RETRY_SOON	WL_LIMIT_RETRY_SOON
#define DETAILS_MAX	1024
#define HEADER_MAX	1024
/* Largest Integer of Structured Fields (RFC 9651, 3.3.1). */
#define SF_INTEGER_MAX	INT64_C(999999999999999)

/*
 * What each unit is called in RateLimit and RateLimit-Policy, in what it is
 * counted there (NULL: requests), and what its refusal is.
 */
static const struct {
	const char	*policy, *counted;
	enum wl_code	 code;
} units[] = {
	[WL_LU_MINUTE] = { "minute", NULL, WL_E_RATE_LIMIT },
	[WL_LU_MONTH] = { "month", NULL, WL_E_QUOTA },
	[WL_LU_LEASE] = { "concurrent", "concurrent-requests",
	    WL_E_CONCURRENCY },
	[WL_LU_TOKENS] = { "tokens", "tokens", WL_E_TOKENS_PER_MINUTE },
	[WL_LU_DAY_NANO] = { "budget-day", "nano-usd", WL_E_BUDGET },
	[WL_LU_MONTH_NANO] = { "budget-month", "nano-usd", WL_E_BUDGET },
};
_Static_assert(sizeof(units) / sizeof(units[0]) == WL_LIMIT_UNIT_MAX,
    "a name for every unit");

static enum wl_code
code_of(const struct wl_limit_row *row)
{
	return units[wl_limit_row_unit(row)].code;
}

enum wl_code
wl_limit_would_refuse(const struct wl_admission *ad)
{
	const struct wl_limit_row *row;
	int i;

	for (i = 0; ad->known && i < ad->gate.nrows; i++) {
		row = &ad->gate.rows[i];
		if (!row->shadow && !row->exempt &&
		    wl_limit_row_exceeded(row, false))
			return code_of(row);
	}
	return WL_OK;
}

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
 * Calls and tokens as they are, money in US dollars.
 */
static void
put_amount(struct wl_jw *w, const char *key, const struct wl_limit_row *row,
    int64_t n)
{
	char usd[32];

	if (!wl_limit_row_is_money(row)) {
		wl_jw_int(w, key, n);
		return;
	}
	wl_money_usd(n, usd);
	wl_jw_raw(w, key, usd, strlen(usd));
}

/*
 * Whose limit it was, where that is neither the plan's nor the key's.
 */
static void
put_rule(struct wl_jw *w, const struct wl_auth *auth,
    const struct wl_limit_row *row)
{
	const struct wl_limit_rule *rule;

	if (row->name != WL_LN_RULE)
		return;
	rule = wl_limit_rule_of(auth->rules, auth->nrules, row);
	if (rule == NULL)
		return;
	wl_jw_str(w, "rule", rule->id);
	wl_jw_str(w, "per", wl_rule_subject_word(rule->subject));
}

/*
 * The details of a refusal, in the order that the contract shows.
 */
static const char *
details(struct wl_arena *a, const struct wl_auth *auth,
    const struct wl_gate *g, const struct wl_limit_row *row,
    const char *upgrade_url)
{
	enum wl_code code = code_of(row);
	bool lasting = code == WL_E_QUOTA || code == WL_E_BUDGET;
	const char *text;
	struct wl_buf b;
	struct wl_jw w;

	wl_buf_init(&b, DETAILS_MAX + strlen(upgrade_url) * 6);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	if (lasting || code == WL_E_TOKENS_PER_MINUTE)
		put_amount(&w, "used", row, row->used);
	put_amount(&w, "limit", row, row->limit);
	put_amount(&w, "remaining", row, wl_limit_left(row));
	if (code == WL_E_BUDGET || code == WL_E_TOKENS_PER_MINUTE)
		put_amount(&w, "requested", row, row->cost);
	if (code == WL_E_BUDGET)
		wl_jw_str(&w, "currency", "USD");
	if (code != WL_E_CONCURRENCY)
		wl_jw_int(&w, "resetAt", ceil_seconds(row->reset_ms));
	if (code == WL_E_RATE_LIMIT || code == WL_E_TOKENS_PER_MINUTE)
		wl_jw_int(&w, "retryAfter", seconds_until(g, row));
	if (code == WL_E_CONCURRENCY)
		wl_jw_int(&w, "retryAfter", RETRY_SOON);
	put_rule(&w, auth, row);
	if (lasting && upgrade_url[0] != '\0')
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

/*
 * "on the free plan", "with this API key", "for this user".
 */
static void
phrase(char *out, size_t size, const struct wl_auth *auth,
    const struct wl_limit_row *row)
{
	const struct wl_limit_rule *rule;

	if (row->name == WL_LN_RULE) {
		rule = wl_limit_rule_of(auth->rules, auth->nrules, row);
		snprintf(out, size, "for this %s", rule == NULL ? "request" :
		    rule->subject == WL_RS_KEY ? "API key" :
		    wl_rule_subject_word(rule->subject));
	} else if (wl_limit_row_of_key(row))
		snprintf(out, size, "with this API key");
	else
		snprintf(out, size, "on the %s plan", auth->plan);
}

static void
say_quota(struct wl_err *e, const struct wl_limit_row *row, const char *where)
{
	if (row->name == WL_LN_MONTH)
		wl_err_set(e, WL_E_QUOTA, NULL);
	else if (row->name == WL_LN_KEY_MONTH)
		wl_err_set(e, WL_E_QUOTA, "Monthly quota of this API key"
		    " exceeded. Raise it or wait until quota resets.");
	else
		wl_err_set(e, WL_E_QUOTA, "Monthly quota exceeded. You can "
		    "make %" PRId64 " request%s per month %s.", row->limit,
		    plural(row->limit), where);
}

static void
say_budget(struct wl_err *e, const struct wl_limit_row *row, const char *where)
{
	size_t len, cents;
	char usd[32];

	wl_money_usd(row->limit, usd);
	len = strlen(usd);
	for (cents = len - 7; len > cents && usd[len - 1] == '0'; len--)
		;
	usd[len] = '\0';
	wl_err_set(e, WL_E_BUDGET, "Budget exceeded. You can spend $%s per "
	    "%s %s.", usd, wl_limit_row_unit(row) == WL_LU_DAY_NANO ? "day" :
	    "month", where);
}

/*
 * The message of a refusal by ROW.
 */
static void
say(struct wl_err *e, const struct wl_auth *auth,
    const struct wl_limit_row *row)
{
	char where[64];

	phrase(where, sizeof(where), auth, row);
	switch (wl_limit_row_unit(row)) {
	case WL_LU_MINUTE:
		wl_err_set(e, WL_E_RATE_LIMIT, "Rate limit exceeded. You can"
		    " make %" PRId64 " request%s per minute %s.", row->limit,
		    plural(row->limit), where);
		return;
	case WL_LU_MONTH:
		say_quota(e, row, where);
		return;
	case WL_LU_LEASE:
		wl_err_set(e, WL_E_CONCURRENCY, "Too many requests are running"
		    " at once. You can run %" PRId64 " at the same time%s%s.",
		    row->limit, row->name == WL_LN_LEASE ? "" : " ",
		    row->name == WL_LN_LEASE ? "" : where);
		return;
	case WL_LU_TOKENS:
		wl_err_set(e, WL_E_TOKENS_PER_MINUTE, "Too many tokens. You "
		    "can use %" PRId64 " per minute %s; this request may use"
		    " %" PRId64 ".", row->limit, where, row->cost);
		return;
	case WL_LU_DAY_NANO:
	case WL_LU_MONTH_NANO:
		say_budget(e, row, where);
		return;
	case WL_LIMIT_UNIT_MAX:
		break;
	}
	wl_err_set(e, WL_E_INTERNAL, NULL);
}

int
wl_limit_refuse(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, const struct wl_admission *ad,
    struct wl_err *e)
{
	const struct wl_gate *g = &ad->gate;
	const struct wl_limit_row *row = &g->rows[g->refused_by];

	say(e, auth, row);
	e->details = details(a, auth, g, row, conf->upgrade_url);
	e->retry_after = row->kind == WL_L_LEASE ? RETRY_SOON :
	    seconds_until(g, row);
	/* waiting does not make it smaller */
	if (code_of(row) == WL_E_TOKENS_PER_MINUTE && row->cost > row->limit)
		e->retry_after = 0;
	return -1;
}

/*
 * Headers.
 */

static int64_t
sf_integer(int64_t v)
{
	return v > SF_INTEGER_MAX ? SF_INTEGER_MAX : v;
}

/*
 * Rules are many, and clients learn of them when one refuses.
 */
static bool
is_told(const struct wl_gate *g, const struct wl_limit_row *row)
{
	return row->name != WL_LN_RULE || (g->result == WL_G_REFUSED &&
	    row == &g->rows[g->refused_by]);
}

static void
draft_item(struct wl_buf *b, const struct wl_limit_row *row,
    const char *what, int64_t n)
{
	wl_buf_adds(b, b->len > 0 ? ", \"" : "\"");
	if (wl_limit_row_of_key(row))
		wl_buf_adds(b, "key-");
	if (row->name == WL_LN_RULE)
		wl_buf_adds(b, "rule-");
	wl_buf_adds(b, units[wl_limit_row_unit(row)].policy);
	wl_buf_addc(b, '"');
	wl_buf_adds(b, what);
	wl_buf_int(b, sf_integer(n));
}

/*
 * Seconds of the window of UNIT.
 */
static int64_t
window_of(enum wl_limit_unit unit, int64_t ms)
{
	if (unit == WL_LU_MINUTE || unit == WL_LU_TOKENS)
		return 60;
	return unit == WL_LU_DAY_NANO ? 86400 : wl_clock_month_next(ms) -
	    wl_clock_month_start(ms);
}

/*
 * RateLimit-Policy and RateLimit of draft-ietf-httpapi-ratelimit-headers-10:
 * lists of strings with parameters, q quota, qu its unit, w window in seconds,
 * r what is left, t seconds until there is more.
 */
static void
draft_headers(struct wl_resp *resp, const struct wl_admission *ad)
{
	const struct wl_gate *g = &ad->gate;
	const struct wl_limit_row *row;
	struct wl_buf policy, now;
	enum wl_limit_unit unit;
	int i;

	wl_buf_init(&policy, HEADER_MAX);
	wl_buf_init(&now, HEADER_MAX);
	for (i = 0; i < g->nrows; i++) {
		row = &g->rows[i];
		unit = wl_limit_row_unit(row);
		if (!is_told(g, row))
			continue;
		draft_item(&policy, row, ";q=", row->limit);
		draft_item(&now, row, ";r=", wl_limit_left(row));
		if (units[unit].counted != NULL)
			wl_buf_printf(&policy, ";qu=\"%s\"",
			    units[unit].counted);
		if (row->kind == WL_L_LEASE)
			continue;
		wl_buf_adds(&policy, ";w=");
		wl_buf_int(&policy, window_of(unit, ad->at_ms));
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
		if (wl_limit_row_unit(row) == WL_LU_MONTH &&
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
