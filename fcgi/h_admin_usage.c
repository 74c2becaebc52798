/*
 * /v1/admin/usage: what projects have used, and corrections of it.
 */
#include "config.h"
#include "fcgi/h_admin.h"

#include "lib/base/err.h"
#include "lib/core/auth.h"
#include "lib/core/usage.h"

/* each call of a sliding minute is an entry in Redis, which may take only
   redis_timeout; the command line has more patience */
#define MINUTE_MAX	1000
#define BODY_MAX	((size_t)16 * 1024)

static const struct wl_h_admin_col cols[] = {
	{ "project", WL_HA_STR }, { "plan", WL_HA_STR },
	{ "month", WL_HA_STR }, { "used", WL_HA_INT }, { "limit", WL_HA_INT }
};
static const struct wl_h_admin_resource usage = {
	"project", WL_DB_PAGE_USAGE, cols, 5
};

/*
 * By the ledger, which lags behind by what is not drained yet.
 */
int
wl_h_admin_usage_list_get(struct wl_ctx *ctx)
{
	return wl_h_admin_list(ctx, &usage, NULL, NULL);
}

/*
 * The counters of the project that the path names, and of one of its keys
 * where the query names that.
 */
static int
answer(struct wl_ctx *ctx, struct wl_admin *ad)
{
	const char *which = wl_req_query(&ctx->req, "key");
	struct wl_admission used;
	struct wl_admin_key k;
	struct wl_auth auth;
	struct wl_buf b;
	struct wl_jw w;

	if ((which != NULL && wl_admin_key_find(ad, ctx->id, which, &k,
	    &ctx->err) == -1) || wl_admin_auth(ad, ctx->id, which != NULL ?
	    &k : NULL, &auth, &ctx->err) == -1 || wl_usage_stats(ctx->arena,
	    ctx->conf, &auth, &used, &ctx->err) == -1)
		return -1;
	wl_buf_init(&b, BODY_MAX);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_str(&w, "project", ctx->id);
	wl_usage_json(&w, &auth, &used);
	wl_jw_obj(&w, "would_pass");
	wl_jw_bool(&w, "rate_limit", wl_usage_rate_limit_ok(&used));
	wl_jw_bool(&w, "quota", wl_usage_quota_ok(&used));
	wl_jw_end(&w, '}');
	wl_jw_end(&w, '}');
	wl_h_admin_json(ctx, 200, &b);
	return 0;
}

int
wl_h_admin_usage_get(struct wl_ctx *ctx)
{
	struct wl_admin ad;

	if (wl_h_admin_begin(ctx, &ad) == -1)
		return -1;
	return answer(ctx, &ad);
}

int
wl_h_admin_usage_patch(struct wl_ctx *ctx)
{
	int64_t minute = -1, month = -1;
	const struct wl_field fields[] = {
		{ "minute", WL_F_INT, false, &minute, 0, MINUTE_MAX },
		{ "month", WL_F_INT, false, &month, 0, WL_H_ADMIN_NUMBER_MAX },
		{ NULL, WL_F_TEXT, false, NULL, 0, 0 }
	};
	struct wl_admin ad;

	if (wl_h_admin_body(ctx, fields) == -1)
		return -1;
	if (minute == -1 && month == -1)
		return wl_h_admin_wrong(ctx, "month",
		    "\"minute\" or \"month\" is wanted.");
	if (wl_h_admin_begin(ctx, &ad) == -1 || wl_admin_usage_set(&ad,
	    ctx->id, minute, month, &ctx->err) == -1)
		return -1;
	return answer(ctx, &ad);
}

int
wl_h_admin_usage_add_post(struct wl_ctx *ctx)
{
	int64_t calls = 0;
	const struct wl_field fields[] = {
		{ "calls", WL_F_INT, true, &calls, 1, WL_H_ADMIN_NUMBER_MAX },
		{ NULL, WL_F_TEXT, false, NULL, 0, 0 }
	};
	struct wl_admin ad;

	if (wl_h_admin_body(ctx, fields) == -1 ||
	    wl_h_admin_begin(ctx, &ad) == -1 || wl_admin_usage_add(&ad,
	    ctx->id, calls, &ctx->err) == -1)
		return -1;
	return answer(ctx, &ad);
}
