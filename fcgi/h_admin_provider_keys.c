/*
 * /v1/admin/provider-keys: the projects' own keys for providers.
 */
#include "config.h"
#include "fcgi/h_admin.h"

#include <stdint.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/base/secret.h"
#include "lib/core/vault.h"

#define PRIORITIES	3

static const struct wl_h_admin_col cols[] = {
	{ "project", WL_HA_STR }, { "id", WL_HA_STR },
	{ "provider", WL_HA_STR }, { "priority", WL_HA_INT },
	{ "name", WL_HA_STR }, { "hint", WL_HA_STR }, { "host", WL_HA_STR },
	{ "master", WL_HA_STR }, { "enabled", WL_HA_BOOL },
	{ "created_at", WL_HA_STR }
};
static const struct wl_h_admin_resource provider_keys = {
	"provider key", WL_DB_PAGE_PROVIDER_KEYS, cols, 10
};
/* places in a row of the page */
enum { PROJECT = 1, PROVIDER = 3, PRIORITY };

int
wl_h_admin_provider_keys_get(struct wl_ctx *ctx)
{
	return wl_h_admin_list(ctx, &provider_keys,
	    wl_req_query(&ctx->req, "project"), NULL);
}

static int
find(struct wl_ctx *ctx, struct wl_admin *ad, struct wl_rows **r)
{
	if (wl_h_admin_begin(ctx, ad) == -1)
		return -1;
	return wl_h_admin_find(ctx, &provider_keys,
	    wl_req_query(&ctx->req, "project"), ctx->id, r);
}

int
wl_h_admin_provider_key_get(struct wl_ctx *ctx)
{
	struct wl_admin ad;
	struct wl_rows *r;

	if (find(ctx, &ad, &r) == -1)
		return -1;
	return wl_h_admin_one(ctx, &provider_keys, 200, r, NULL);
}

int
wl_h_admin_provider_keys_post(struct wl_ctx *ctx)
{
	const char *project = NULL, *provider = NULL, *name = "", *id;
	const char *key = NULL;
	int64_t priority = 1;
	const struct wl_field fields[] = {
		{ "key", WL_F_TEXT, true, &key, 0, WL_VAULT_KEY_MAX },
		{ "name", WL_F_TEXT, false, &name, 0, WL_H_ADMIN_TEXT_MAX },
		{ "priority", WL_F_INT, false, &priority, 1, PRIORITIES },
		{ "project", WL_F_TEXT, true, &project, 0, WL_H_ADMIN_ID_MAX },
		{ "provider", WL_F_TEXT, true, &provider, 0,
		    WL_H_ADMIN_ID_MAX },
		{ NULL, WL_F_TEXT, false, NULL, 0, 0 }
	};
	struct wl_admin ad;
	int ret;

	if (wl_h_admin_body(ctx, fields) == -1 ||
	    wl_h_admin_begin(ctx, &ad) == -1)
		return -1;
	ret = wl_vault_set(&ad, project, provider, (int)priority, name, key,
	    &id, &ctx->err);
	/* our copy in the arena; the body's goes with the request */
	wl_secret_wipe((void *)(uintptr_t)key, strlen(key));
	if (ret == -1)
		return -1;
	return wl_h_admin_changed(ctx, &ad, &provider_keys, 201, project, id,
	    NULL);
}

int
wl_h_admin_provider_key_delete(struct wl_ctx *ctx)
{
	struct wl_admin ad;
	struct wl_rows *r;

	if (find(ctx, &ad, &r) == -1 || wl_vault_remove(&ad,
	    wl_rows_get(r, 0, PROJECT), wl_rows_get(r, 0, PROVIDER),
	    (int)wl_rows_int(r, 0, PRIORITY, 0), &ctx->err) == -1)
		return -1;
	return wl_h_admin_gone(ctx, &ad);
}
