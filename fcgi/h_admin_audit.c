/*
 * /v1/admin/audit: who changed what, and whether the log is whole.
 */
#include "config.h"
#include "fcgi/h_admin.h"

#include "lib/core/audit.h"

static const struct wl_h_admin_col cols[] = {
	{ "at", WL_HA_STR }, { "id", WL_HA_INT }, { "actor", WL_HA_STR },
	{ "address", WL_HA_STR }, { "project", WL_HA_STR },
	{ "action", WL_HA_STR }, { "target", WL_HA_STR },
	{ "before", WL_HA_RAW }, { "after", WL_HA_RAW }, { "hash", WL_HA_STR }
};
static const struct wl_h_admin_resource audit = {
	"entry", WL_DB_PAGE_AUDIT, cols, 10
};

int
wl_h_admin_audit_get(struct wl_ctx *ctx)
{
	return wl_h_admin_list(ctx, &audit, wl_req_query(&ctx->req, "project"),
	    wl_req_query(&ctx->req, "action"));
}

int
wl_h_admin_audit_verify_get(struct wl_ctx *ctx)
{
	struct wl_admin ad;
	struct wl_audit r;
	struct wl_buf b;
	struct wl_jw w;

	if (wl_h_admin_begin(ctx, &ad) == -1 || wl_audit_verify(ctx->arena,
	    wl_req_query(&ctx->req, "head"), &r, &ctx->err) == -1)
		return -1;
	wl_buf_init(&b, 1024);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_bool(&w, "ok", r.first_bad == 0 && !r.head_gone);
	wl_jw_int(&w, "entries", r.entries);
	if (r.first_bad == 0)
		wl_jw_null(&w, "first_bad");
	else
		wl_jw_int(&w, "first_bad", r.first_bad);
	wl_jw_bool(&w, "head_gone", r.head_gone);
	wl_jw_str(&w, "head", r.head);
	wl_jw_end(&w, '}');
	wl_h_admin_json(ctx, 200, &b);
	return 0;
}
