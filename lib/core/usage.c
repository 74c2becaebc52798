/*
 * Usage for people: reading, correcting, showing.
 */
#include "config.h"
#include "lib/core/usage.h"

#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/core/auth.h"

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

static void
limit_json(struct wl_jw *w, const char *key, const struct wl_admission *ad,
    enum wl_limit_name name)
{
	const struct wl_limit_row *row = row_of(ad, name);

	if (row == NULL)
		return;
	wl_jw_obj(w, key);
	wl_jw_int(w, "limit", row->limit);
	wl_jw_int(w, "used", row->used);
	wl_jw_int(w, "remaining", wl_limit_left(row));
	wl_jw_int(w, "percentUsed", wl_usage_percent(row));
	if (row->kind != WL_L_LEASE)
		wl_jw_int(w, "resetAt", (row->reset_ms + 999) / 1000);
	if (name == WL_LN_MINUTE || name == WL_LN_KEY_MINUTE)
		wl_jw_str(w, "window", row->kind == WL_L_SLIDING ? "sliding" :
		    "fixed");
	if (name == WL_LN_MONTH || name == WL_LN_KEY_MONTH)
		wl_jw_str(w, "month", ad->month);
	wl_jw_end(w, '}');
}

void
wl_usage_json(struct wl_jw *w, const struct wl_auth *auth,
    const struct wl_admission *ad)
{
	wl_jw_str(w, "plan", auth->plan);
	limit_json(w, "rateLimit", ad, WL_LN_MINUTE);
	limit_json(w, "quota", ad, WL_LN_MONTH);
	limit_json(w, "concurrency", ad, WL_LN_LEASE);
	if (row_of(ad, WL_LN_KEY_MINUTE) == NULL &&
	    row_of(ad, WL_LN_KEY_MONTH) == NULL)
		return;
	wl_jw_obj(w, "keyLimits");
	limit_json(w, "rateLimit", ad, WL_LN_KEY_MINUTE);
	limit_json(w, "quota", ad, WL_LN_KEY_MONTH);
	wl_jw_end(w, '}');
}
