/*
 * /v1/admin/plans.
 */
#include "config.h"
#include "fcgi/h_admin.h"

#include "lib/base/err.h"

#define CENTS_MAX	1000000000

static const struct wl_h_admin_col cols[] = {
	{ "id", WL_HA_STR }, { "name", WL_HA_STR }, { "per_minute", WL_HA_INT },
	{ "per_month", WL_HA_INT }, { "window", WL_HA_STR },
	{ "concurrent", WL_HA_INT }, { "cache_hits_free", WL_HA_BOOL },
	{ "price_usd", WL_HA_RAW }, { "retention", WL_HA_STR },
	{ "retention_days", WL_HA_INT }, { "projects", WL_HA_INT }
};
static const struct wl_h_admin_resource plans = {
	"plan", WL_DB_PAGE_PLANS, cols, 11
};

int
wl_h_admin_plans_get(struct wl_ctx *ctx)
{
	return wl_h_admin_list(ctx, &plans, NULL, NULL);
}

int
wl_h_admin_plan_get(struct wl_ctx *ctx)
{
	struct wl_admin ad;
	struct wl_rows *r;

	if (wl_h_admin_begin(ctx, &ad) == -1 ||
	    wl_h_admin_find(ctx, &plans, ctx->id, NULL, &r) == -1)
		return -1;
	return wl_h_admin_one(ctx, &plans, 200, r, NULL);
}

/*
 * Read the body into *P; a plan that is to be made has an ID in it.
 */
static int
read_plan(struct wl_ctx *ctx, struct wl_admin_plan *p, const char **id)
{
	const struct wl_field fields[] = {
		{ "cache_hits_free", WL_F_BOOL, false, &p->cache_hits_free, 0,
		    0 },
		{ "concurrent", WL_F_LIMIT, false, &p->concurrent, 0,
		    WL_H_ADMIN_NUMBER_MAX },
		{ "name", WL_F_TEXT, false, &p->name, 0, WL_H_ADMIN_TEXT_MAX },
		{ "per_minute", WL_F_INT, id != NULL, &p->rpm, 0,
		    WL_H_ADMIN_NUMBER_MAX },
		{ "per_month", WL_F_INT, id != NULL, &p->month, 0,
		    WL_H_ADMIN_NUMBER_MAX },
		{ "price_usd", WL_F_CENTS, false, &p->price_cents, 0,
		    CENTS_MAX },
		{ "retention", WL_F_TEXT, false, &p->retention, 0,
		    WL_H_ADMIN_ID_MAX },
		{ "window", WL_F_TEXT, false, &p->window, 0,
		    WL_H_ADMIN_ID_MAX },
		/* the last, which a change does not have */
		{ id == NULL ? NULL : "id", WL_F_TEXT, true, id, 0,
		    WL_H_ADMIN_ID_MAX },
		{ NULL, WL_F_TEXT, false, NULL, 0, 0 }
	};

	*p = (struct wl_admin_plan)WL_ADMIN_PLAN_SAME;
	return wl_h_admin_body(ctx, fields);
}

int
wl_h_admin_plans_post(struct wl_ctx *ctx)
{
	struct wl_admin_plan p;
	struct wl_admin ad;
	struct wl_rows *r;
	const char *id;

	if (read_plan(ctx, &p, &id) == -1 ||
	    wl_h_admin_begin(ctx, &ad) == -1 ||
	    (r = wl_db_admin_page(ctx->arena, WL_DB_PAGE_PLANS, id, NULL,
	    NULL, 1, &ctx->err)) == NULL)
		return -1;
	if (wl_rows_count(r) > 0)
		return wl_err_set(&ctx->err, WL_E_CONFLICT,
		    "There is a plan \"%s\" already.", id);
	if (wl_admin_plan_set(&ad, id, &p, &ctx->err) == -1)
		return -1;
	return wl_h_admin_changed(ctx, &ad, &plans, 201, id, NULL, NULL);
}

int
wl_h_admin_plan_patch(struct wl_ctx *ctx)
{
	struct wl_admin_plan p;
	struct wl_admin ad;
	struct wl_rows *r;

	/* without a look first, limits of both kinds would make a plan */
	if (read_plan(ctx, &p, NULL) == -1 ||
	    wl_h_admin_begin(ctx, &ad) == -1 ||
	    wl_h_admin_find(ctx, &plans, ctx->id, NULL, &r) == -1 ||
	    wl_admin_plan_set(&ad, ctx->id, &p, &ctx->err) == -1)
		return -1;
	return wl_h_admin_changed(ctx, &ad, &plans, 200, ctx->id, NULL, NULL);
}
