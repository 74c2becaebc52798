/*
 * Usage for people: reading, correcting, showing.
 */
#include "config.h"
#include "lib/core/usage.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/money.h"
#include "lib/core/auth.h"
#include "lib/core/limit_rule.h"

int
wl_usage_stats(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, struct wl_admission *ad, struct wl_err *e)
{
	return wl_limit_read(a, conf, auth, ad, e);
}

static int
passes(const struct wl_admission *ad, enum wl_limit_name name)
{
	const struct wl_limit_row *row = wl_limit_tighter(ad, name);

	return row == NULL || wl_limit_left(row) > 0;
}

int
wl_usage_rate_limit_ok(const struct wl_admission *ad)
{
	return passes(ad, WL_LN_MINUTE);
}

int
wl_usage_quota_ok(const struct wl_admission *ad)
{
	return passes(ad, WL_LN_MONTH);
}

int
wl_usage_percent(const struct wl_limit_row *row)
{
	if (row->used >= row->limit)
		return 100;
	return row->used <= 0 ? 0 : (int)((double)row->used * 100 /
	    (double)row->limit);
}

static const struct wl_limit_row *
row_of(const struct wl_admission *ad, enum wl_limit_name name)
{
	int i;

	for (i = 0; i < ad->gate.nrows; i++)
		if (ad->gate.rows[i].name == name)
			return &ad->gate.rows[i];
	return NULL;
}

int
wl_usage_increment(struct wl_arena *a, const struct wl_conf *conf,
    const char *actor, const char *project, int64_t n, struct wl_err *e)
{
	return wl_counter_add(a, conf, actor, project, wl_clock_ms(), n, e);
}

int
wl_usage_set(struct wl_arena *a, const struct wl_conf *conf,
    const char *actor, const char *project, int64_t minute, int64_t month,
    struct wl_err *e)
{
	return wl_counter_set(a, conf, actor, project, wl_clock_ms(), minute,
	    month, e);
}

int
wl_usage_set_spent(struct wl_arena *a, const struct wl_conf *conf,
    const char *actor, const char *project, int64_t day, int64_t month,
    struct wl_err *e)
{
	return wl_counter_set_spent(a, conf, actor, project, wl_clock_ms(),
	    day, month, e);
}

static void
amount_json(struct wl_jw *w, const char *key, const struct wl_limit_row *row,
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
 * The members of ROW: calls and tokens as they are, money in US dollars.
 */
static void
row_json(struct wl_jw *w, const struct wl_admission *ad,
    const struct wl_limit_row *row)
{
	amount_json(w, "limit", row, row->limit);
	amount_json(w, "used", row, row->used);
	amount_json(w, "remaining", row, wl_limit_left(row));
	wl_jw_int(w, "percentUsed", wl_usage_percent(row));
	if (wl_limit_row_is_money(row))
		wl_jw_str(w, "currency", "USD");
	if (row->kind != WL_L_LEASE)
		wl_jw_int(w, "resetAt", (row->reset_ms + 999) / 1000);
	if (wl_limit_row_unit(row) == WL_LU_MINUTE)
		wl_jw_str(w, "window", row->kind == WL_L_SLIDING ? "sliding" :
		    "fixed");
	if (wl_limit_row_unit(row) == WL_LU_MONTH)
		wl_jw_str(w, "month", ad->month);
}

static void
limit_json(struct wl_jw *w, const char *key, const struct wl_admission *ad,
    enum wl_limit_name name)
{
	const struct wl_limit_row *row = row_of(ad, name);

	if (row == NULL)
		return;
	wl_jw_obj(w, key);
	row_json(w, ad, row);
	wl_jw_end(w, '}');
}

/*
 * Rules that count one thing; those that count each value apart have as many
 * figures as there are values.
 */
static void
rules_json(struct wl_jw *w, const struct wl_auth *auth,
    const struct wl_admission *ad)
{
	const struct wl_limit_rule *rule;
	const struct wl_limit_row *row;
	int i;

	if (auth->nrules == 0)
		return;
	wl_jw_arr(w, "rules");
	for (i = 0; i < ad->gate.nrows; i++) {
		row = &ad->gate.rows[i];
		if (row->name != WL_LN_RULE || (rule = wl_limit_rule_of(
		    auth->rules, auth->nrules, row)) == NULL)
			continue;
		wl_jw_obj(w, NULL);
		wl_jw_str(w, "id", rule->id);
		wl_jw_str(w, "per", wl_rule_subject_word(rule->subject));
		wl_jw_str(w, "pattern", rule->pattern);
		wl_jw_str(w, "unit", wl_limit_unit_word(rule->unit));
		if (rule->shadow)
			wl_jw_bool(w, "shadow", true);
		row_json(w, ad, row);
		wl_jw_end(w, '}');
	}
	wl_jw_end(w, ']');
}

static bool
has_key_rows(const struct wl_admission *ad)
{
	int i;

	for (i = 0; i < ad->gate.nrows; i++)
		if (wl_limit_row_of_key(&ad->gate.rows[i]))
			return true;
	return false;
}

void
wl_usage_json(struct wl_jw *w, const struct wl_auth *auth,
    const struct wl_admission *ad)
{
	wl_jw_str(w, "plan", auth->plan);
	limit_json(w, "rateLimit", ad, WL_LN_MINUTE);
	limit_json(w, "quota", ad, WL_LN_MONTH);
	limit_json(w, "concurrency", ad, WL_LN_LEASE);
	limit_json(w, "tokens", ad, WL_LN_TOKENS);
	limit_json(w, "budgetDay", ad, WL_LN_DAY_NANO);
	limit_json(w, "budgetMonth", ad, WL_LN_MONTH_NANO);
	if (has_key_rows(ad)) {
		wl_jw_obj(w, "keyLimits");
		limit_json(w, "rateLimit", ad, WL_LN_KEY_MINUTE);
		limit_json(w, "quota", ad, WL_LN_KEY_MONTH);
		limit_json(w, "concurrency", ad, WL_LN_KEY_LEASE);
		limit_json(w, "tokens", ad, WL_LN_KEY_TOKENS);
		limit_json(w, "budgetDay", ad, WL_LN_KEY_DAY_NANO);
		limit_json(w, "budgetMonth", ad, WL_LN_KEY_MONTH_NANO);
		wl_jw_end(w, '}');
	}
	rules_json(w, auth, ad);
}
