/*
 * /v1/admin/projects.
 */
#include "config.h"
#include "fcgi/h_admin.h"

#include <string.h>

#include "lib/base/err.h"

static const struct wl_h_admin_col cols[] = {
	{ "id", WL_HA_STR }, { "dsn_id", WL_HA_INT }, { "name", WL_HA_STR },
	{ "plan", WL_HA_STR }, { "default_provider", WL_HA_STR },
	{ "enabled", WL_HA_BOOL }, { "keys", WL_HA_INT },
	{ "created_at", WL_HA_STR }
};
static const struct wl_h_admin_resource projects = {
	"project", WL_DB_PAGE_PROJECTS, cols, 8
};
/* places in a row of the page */
enum { NAME = 3, PLAN, DEFAULT_PROVIDER };

int
wl_h_admin_projects_get(struct wl_ctx *ctx)
{
	return wl_h_admin_list(ctx, &projects, NULL, NULL);
}

int
wl_h_admin_project_get(struct wl_ctx *ctx)
{
	struct wl_admin ad;
	struct wl_rows *r;

	if (wl_h_admin_begin(ctx, &ad) == -1 ||
	    wl_h_admin_find(ctx, &projects, ctx->id, NULL, &r) == -1)
		return -1;
	return wl_h_admin_one(ctx, &projects, 200, r, NULL);
}

static bool
equal(const char *a, const char *b)
{
	return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

/*
 * The project was there: made by the same request before, perhaps.
 */
static int
replay(struct wl_ctx *ctx, const char *id, const struct wl_admin_project *p)
{
	struct wl_rows *r;

	if (wl_h_admin_find(ctx, &projects, id, NULL, &r) == -1)
		return -1;
	return wl_h_admin_replay(ctx, &projects, r,
	    equal(wl_rows_get(r, 0, NAME), p->name) &&
	    equal(wl_rows_get(r, 0, PLAN), p->plan) &&
	    equal(wl_rows_get(r, 0, DEFAULT_PROVIDER), p->default_provider));
}

int
wl_h_admin_projects_post(struct wl_ctx *ctx)
{
	struct wl_admin_project p = { .plan = "free" };
	const char *id = NULL;
	const struct wl_field fields[] = {
		{ "default_provider", WL_F_NAME, false, &p.default_provider, 0,
		    WL_H_ADMIN_ID_MAX },
		{ "id", WL_F_TEXT, false, &id, 0, WL_H_ADMIN_ID_MAX },
		{ "name", WL_F_TEXT, true, &p.name, 0, WL_H_ADMIN_TEXT_MAX },
		{ "plan", WL_F_TEXT, false, &p.plan, 0, WL_H_ADMIN_ID_MAX },
		{ NULL, WL_F_TEXT, false, NULL, 0, 0 }
	};
	bool asked = wl_req_header(&ctx->req, "idempotency-key") != NULL;
	struct wl_admin ad;
	struct wl_rows *row;

	if (wl_h_admin_body(ctx, fields) == -1 ||
	    wl_h_admin_begin(ctx, &ad) == -1 ||
	    wl_h_admin_idempotent(ctx, "project", NULL, &id) == -1)
		return -1;
	if (p.default_provider != NULL && p.default_provider[0] == '\0')
		p.default_provider = NULL;
	if (wl_admin_project_create(&ad, id, &p, &row, &ctx->err) == -1)
		return asked && ctx->err.code == WL_E_CONFLICT ?
		    replay(ctx, id, &p) : -1;
	return wl_h_admin_changed(ctx, &ad, &projects, 201,
	    wl_rows_get(row, 0, 0), NULL, NULL);
}

int
wl_h_admin_project_patch(struct wl_ctx *ctx)
{
	struct wl_admin_project p = { 0 };
	const struct wl_field fields[] = {
		{ "cache", WL_F_TEXT, false, &p.cache, 0, WL_H_ADMIN_ID_MAX },
		{ "cache_ttl", WL_F_INT, false, &p.cache_ttl_s, 1, 604800 },
		{ "default_provider", WL_F_NAME, false, &p.default_provider, 0,
		    WL_H_ADMIN_ID_MAX },
		{ "enabled", WL_F_BOOL, false, &p.enabled, 0, 0 },
		{ "name", WL_F_TEXT, false, &p.name, 0, WL_H_ADMIN_TEXT_MAX },
		{ "plan", WL_F_TEXT, false, &p.plan, 0, WL_H_ADMIN_ID_MAX },
		{ NULL, WL_F_TEXT, false, NULL, 0, 0 }
	};
	struct wl_admin ad;

	if (wl_h_admin_body(ctx, fields) == -1 ||
	    wl_h_admin_begin(ctx, &ad) == -1 ||
	    wl_admin_project_set(&ad, ctx->id, &p, &ctx->err) == -1)
		return -1;
	return wl_h_admin_changed(ctx, &ad, &projects, 200, ctx->id, NULL,
	    NULL);
}
