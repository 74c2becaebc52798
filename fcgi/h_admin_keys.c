/*
 * /v1/admin/keys: the keys of projects.
 */
#include "config.h"
#include "fcgi/h_admin.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/num.h"
#include "lib/base/secret.h"

#define GRACE_MAX_MS	((int64_t)366 * 86400 * 1000)

static const struct wl_h_admin_col cols[] = {
	{ "project", WL_HA_STR }, { "id", WL_HA_STR }, { "prefix", WL_HA_STR },
	{ "kind", WL_HA_STR }, { "name", WL_HA_STR }, { "scopes", WL_HA_LIST },
	{ "state", WL_HA_STR }, { "per_minute", WL_HA_INT },
	{ "per_month", WL_HA_INT }, { "concurrent", WL_HA_INT },
	{ "expires_at", WL_HA_STR }, { "created_at", WL_HA_STR }
};
static const struct wl_h_admin_resource keys = {
	"key", WL_DB_PAGE_KEYS, cols, 12
};
/* places in a row of the page */
enum { PROJECT = 1, ID, PREFIX, KIND, NAME, SCOPES, STATE, RPM, MONTH,
    CONCURRENT };

int
wl_h_admin_keys_get(struct wl_ctx *ctx)
{
	return wl_h_admin_list(ctx, &keys, wl_req_query(&ctx->req, "project"),
	    NULL);
}

static int
find(struct wl_ctx *ctx, struct wl_rows **r)
{
	return wl_h_admin_find(ctx, &keys, wl_req_query(&ctx->req, "project"),
	    ctx->id, r);
}

int
wl_h_admin_key_get(struct wl_ctx *ctx)
{
	struct wl_admin ad;
	struct wl_rows *r;

	if (wl_h_admin_begin(ctx, &ad) == -1 || find(ctx, &r) == -1)
		return -1;
	return wl_h_admin_one(ctx, &keys, 200, r, NULL);
}

/* ---- making one -------------------------------------------------------- */

/*
 * Whether row R is a key as K asks for.
 */
static bool
same(const struct wl_rows *r, const struct wl_db_new_key *k, bool test)
{
	return strcmp(wl_rows_get(r, 0, KIND), test ? "test" : "proj") == 0 &&
	    strcmp(wl_rows_get(r, 0, NAME), k->name) == 0 &&
	    strcmp(wl_rows_get(r, 0, SCOPES), k->scopes) == 0 &&
	    wl_rows_int(r, 0, RPM, -1) == k->rpm &&
	    wl_rows_int(r, 0, MONTH, -1) == k->month &&
	    wl_rows_int(r, 0, CONCURRENT, -1) == k->concurrent;
}

static int
replay(struct wl_ctx *ctx, const struct wl_db_new_key *k, bool test)
{
	struct wl_rows *r;

	if (wl_h_admin_find(ctx, &keys, k->project, k->id, &r) == -1)
		return -1;
	return wl_h_admin_replay(ctx, &keys, r, same(r, k, test));
}

static int64_t
limit(int64_t v)
{
	return v == WL_ADMIN_NONE || v == WL_ADMIN_KEEP ? -1 : v;
}

static int
read_key(struct wl_ctx *ctx, struct wl_db_new_key *k, bool *test)
{
	enum wl_admin_bool is_test = WL_ADMIN_SAME;
	const char *expires = NULL;
	const struct wl_field fields[] = {
		{ "concurrent", WL_F_LIMIT, false, &k->concurrent, 0,
		    WL_H_ADMIN_NUMBER_MAX },
		{ "expires", WL_F_NAME, false, &expires, 0,
		    WL_H_ADMIN_ID_MAX },
		{ "name", WL_F_TEXT, false, &k->name, 0, WL_H_ADMIN_TEXT_MAX },
		{ "per_minute", WL_F_LIMIT, false, &k->rpm, 0,
		    WL_H_ADMIN_NUMBER_MAX },
		{ "per_month", WL_F_LIMIT, false, &k->month, 0,
		    WL_H_ADMIN_NUMBER_MAX },
		{ "project", WL_F_TEXT, true, &k->project, 0,
		    WL_H_ADMIN_ID_MAX },
		{ "scopes", WL_F_LIST, false, &k->scopes, 0, 0 },
		{ "test", WL_F_BOOL, false, &is_test, 0, 0 },
		{ NULL, WL_F_TEXT, false, NULL, 0, 0 }
	};

	*k = (struct wl_db_new_key){ .name = "",
	    .scopes = "gateway,ingest,read", .rpm = WL_ADMIN_NONE,
	    .month = WL_ADMIN_NONE, .concurrent = WL_ADMIN_NONE,
	    .tokens = -1, .day_nano = -1, .month_nano = -1 };
	if (wl_h_admin_body(ctx, fields) == -1)
		return -1;
	*test = is_test == WL_ADMIN_YES;
	k->rpm = limit(k->rpm);
	k->month = limit(k->month);
	k->concurrent = limit(k->concurrent);
	if (expires == NULL || expires[0] == '\0' || wl_admin_expiry(expires,
	    wl_clock_ms(), &k->expires_ms, &ctx->err) == 0)
		return 0;
	ctx->err.param = "expires";
	return -1;
}

int
wl_h_admin_keys_post(struct wl_ctx *ctx)
{
	char key[WL_KEY_LEN + 1];
	struct wl_db_new_key k;
	struct wl_admin ad;
	const char *id;
	bool test;
	int ret;

	if (read_key(ctx, &k, &test) == -1 ||
	    wl_h_admin_begin(ctx, &ad) == -1 ||
	    wl_h_admin_idempotent(ctx, "key", k.project, &k.id) == -1)
		return -1;
	if (wl_admin_key_create(&ad, &k, test, key, &id, &ctx->err) == -1) {
		wl_secret_wipe(key, sizeof(key));
		return k.id != NULL && ctx->err.code == WL_E_CONFLICT ?
		    replay(ctx, &k, test) : -1;
	}
	ret = wl_h_admin_changed(ctx, &ad, &keys, 201, k.project, id, key);
	wl_secret_wipe(key, sizeof(key));
	return ret;
}

/* ---- ending and replacing one ------------------------------------------ */

/*
 * The key that the path names, as lib/core/admin.h wants it.
 */
static int
find_key(struct wl_ctx *ctx, struct wl_admin *ad, struct wl_admin_key *k)
{
	struct wl_rows *r;

	if (wl_h_admin_begin(ctx, ad) == -1 || find(ctx, &r) == -1)
		return -1;
	memset(k, 0, sizeof(*k));
	k->project = wl_rows_get(r, 0, PROJECT);
	k->id = wl_rows_get(r, 0, ID);
	k->prefix = wl_rows_get(r, 0, PREFIX);
	k->kind = wl_rows_get(r, 0, KIND);
	k->name = wl_rows_get(r, 0, NAME);
	k->state = wl_rows_get(r, 0, STATE);
	return 0;
}

int
wl_h_admin_key_delete(struct wl_ctx *ctx)
{
	struct wl_admin_key k;
	struct wl_admin ad;
	bool done;

	if (find_key(ctx, &ad, &k) == -1 ||
	    wl_admin_key_revoke(&ad, &k, &done, &ctx->err) == -1)
		return -1;
	return wl_h_admin_gone(ctx, &ad);
}

static int
read_grace(struct wl_ctx *ctx, int64_t *ms)
{
	const char *grace = NULL;
	const struct wl_field fields[] = {
		{ "grace", WL_F_TEXT, false, &grace, 0, WL_H_ADMIN_ID_MAX },
		{ NULL, WL_F_TEXT, false, NULL, 0, 0 }
	};

	*ms = 0;
	if (ctx->req.body.len > 0 && wl_h_admin_body(ctx, fields) == -1)
		return -1;
	if (grace == NULL || (wl_num_duration(grace, ms) == 0 && *ms >= 0 &&
	    *ms <= GRACE_MAX_MS))
		return 0;
	return wl_h_admin_wrong(ctx, "grace",
	    "\"grace\" must be a time such as 24h, a year at most.");
}

int
wl_h_admin_key_rotate_post(struct wl_ctx *ctx)
{
	char key[WL_KEY_LEN + 1];
	struct wl_admin_key k;
	struct wl_admin ad;
	const char *id;
	int64_t grace;
	int ret;

	if (read_grace(ctx, &grace) == -1 || find_key(ctx, &ad, &k) == -1)
		return -1;
	if (strcmp(k.state, "active") != 0)
		return wl_err_set(&ctx->err, WL_E_CONFLICT,
		    "This key does not work any more: make a new one.");
	ret = wl_admin_key_rotate(&ad, &k, grace, key, &id, &ctx->err);
	if (ret == 0)
		ret = wl_h_admin_changed(ctx, &ad, &keys, 201, k.project, id,
		    key);
	wl_secret_wipe(key, sizeof(key));
	return ret;
}
