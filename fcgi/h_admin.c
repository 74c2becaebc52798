/*
 * What the handlers of /v1/admin share.
 */
#include "config.h"
#include "fcgi/h_admin.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/serve.h"
#include "lib/base/arena.h"
#include "lib/base/enc.h"
#include "lib/base/err.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/base/num.h"

#define PAGE		100	/* rows, unless told otherwise */
#define PAGE_MAX	1000
#define BODY_MAX	((size_t)16 * 1024 * 1024)
#define IDEMPOTENCY_MAX	255
#define ID_DIGITS	12	/* as watchllm.new_id() has */

int
wl_h_admin_begin(struct wl_ctx *ctx, struct wl_admin *ad)
{
	static bool owner;	/* found out once for this process */
	struct wl_err why = { 0 };

	/* a key itself must not be told back, nor logged */
	if (ctx->id != NULL && strncmp(ctx->id, "lgw_", 4) == 0)
		return wl_err_set(&ctx->err, WL_E_NOT_FOUND,
		    "Not found: an id is wanted, not a key.");
	memset(ad, 0, sizeof(*ad));
	ad->a = ctx->arena;
	ad->conf = ctx->conf;
	ad->actor = wl_arena_printf(ctx->arena, "http:operator\t%s",
	    ctx->req.addr);
	if (ad->actor == NULL)
		return wl_err_memory(&ctx->err);
	if (!owner && wl_admin_owner(ctx->arena, &why) == -1) {
		wl_err_set(&ctx->err, WL_E_UNAVAILABLE, why.code ==
		    WL_E_UNAVAILABLE ? NULL : "These workers may not "
		    "administer: see the log.");
		return wl_err_detail(&ctx->err, "%s (%s)", why.msg,
		    why.detail);
	}
	owner = true;
	return 0;
}

int
wl_h_admin_wrong(struct wl_ctx *ctx, const char *param, const char *fmt, ...)
{
	char text[sizeof(ctx->err.msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	wl_err_set(&ctx->err, WL_E_INVALID_REQUEST, "%s", text);
	ctx->err.param = param;
	return -1;
}

/* ---- requests ---------------------------------------------------------- */

static bool
is_json(const struct wl_req *r)
{
	return r->content_type != NULL && !r->encoded &&
	    strcmp(r->content_type, "application/json") == 0;
}

int
wl_h_admin_body(struct wl_ctx *ctx, const struct wl_field *fields)
{
	enum wl_json_fault fault;
	struct json_object *o;

	if (!is_json(&ctx->req))
		return wl_err_set(&ctx->err, WL_E_UNSUPPORTED_MEDIA, NULL);
	o = wl_json_parse(ctx->arena, ctx->req.body.p, ctx->req.body.len,
	    &fault);
	if (fault != WL_JSON_OK)
		return wl_err_set(&ctx->err, fault == WL_JSON_BIG ?
		    WL_E_REQUEST_TOO_LARGE : WL_E_INVALID_JSON, NULL);
	return wl_fields_read(ctx->arena, o, fields, &ctx->err);
}

int
wl_h_admin_query_int(struct wl_ctx *ctx, const char *name, int64_t min,
    int64_t max, int64_t absent, int64_t *v)
{
	const char *s = wl_req_query(&ctx->req, name);

	*v = absent;
	if (s == NULL || wl_num_parse(s, strlen(s), min, max, v) == 0)
		return 0;
	return wl_h_admin_wrong(ctx, name, "\"%s\" must be a whole number "
	    "from %lld to %lld.", name, (long long)min, (long long)max);
}

int
wl_h_admin_idempotent(struct wl_ctx *ctx, const char *what,
    const char *project, const char **id)
{
	const char *key = wl_req_header(&ctx->req, "idempotency-key");
	uint8_t h[32];
	char hex[65];
	const char *all;

	if (key == NULL || *id != NULL)
		return 0;
	if (key[0] == '\0' || strlen(key) > IDEMPOTENCY_MAX)
		return wl_h_admin_wrong(ctx, "Idempotency-Key",
		    "An Idempotency-Key has 1 to %d bytes.", IDEMPOTENCY_MAX);
	all = wl_arena_printf(ctx->arena, "%s\n%s\n%s", what,
	    project == NULL ? "" : project, key);
	if (all == NULL)
		return wl_err_memory(&ctx->err);
	wl_sha256(all, strlen(all), h);
	wl_hex(h, sizeof(h), hex);
	*id = wl_arena_dup(ctx->arena, hex, ID_DIGITS);
	return *id == NULL ? wl_err_memory(&ctx->err) : 0;
}

/* ---- answers ----------------------------------------------------------- */

void
wl_h_admin_json(struct wl_ctx *ctx, int status, struct wl_buf *b)
{
	wl_resp_set(&ctx->resp, "Cache-Control", "no-store");
	wl_serve_json(ctx, status, b);
}

static void
put_list(struct wl_jw *w, const char *name, const char *v)
{
	struct wl_str rest = wl_str_of(v), word;

	wl_jw_arr(w, name);
	while (rest.len > 0) {
		word = wl_str_cut(&rest, ',');
		wl_jw_strn(w, NULL, word.p, word.len);
	}
	wl_jw_end(w, ']');
}

static void
put(struct wl_jw *w, const struct wl_h_admin_col *col,
    const struct wl_rows *r, int row, int at)
{
	const char *v = wl_rows_get(r, row, at);

	if (v == NULL) {
		wl_jw_null(w, col->name);
		return;
	}
	switch (col->type) {
	case WL_HA_STR:
		wl_jw_str(w, col->name, v);
		break;
	case WL_HA_INT:
		wl_jw_int(w, col->name, wl_rows_int(r, row, at, 0));
		break;
	case WL_HA_BOOL:
		wl_jw_bool(w, col->name, wl_rows_bool(r, row, at));
		break;
	case WL_HA_RAW:
		wl_jw_raw(w, col->name, v, wl_rows_len(r, row, at));
		break;
	case WL_HA_LIST:
		put_list(w, col->name, v);
		break;
	}
}

void
wl_h_admin_members(struct wl_jw *w, const struct wl_h_admin_resource *res,
    const struct wl_rows *r, int i)
{
	int k;

	for (k = 0; k < res->ncols; k++)
		put(w, &res->cols[k], r, i, k + 1);
}

void
wl_h_admin_end_page(struct wl_jw *w, const char *next)
{
	wl_jw_end(w, ']');
	wl_jw_bool(w, "has_more", next != NULL);
	wl_jw_str(w, "next", next);
	wl_jw_end(w, '}');
}

int
wl_h_admin_list(struct wl_ctx *ctx, const struct wl_h_admin_resource *res,
    const char *a, const char *b)
{
	const char *after = wl_req_query(&ctx->req, "after");
	struct wl_admin ad;
	struct wl_rows *r;
	int64_t most;
	struct wl_buf buf;
	struct wl_jw w;
	int i, n;

	if (wl_h_admin_query_int(ctx, "limit", 1, PAGE_MAX, PAGE, &most) ==
	    -1 || wl_h_admin_begin(ctx, &ad) == -1)
		return -1;
	/* one more than is shown tells whether there is more */
	r = wl_db_admin_page(ctx->arena, res->page, a, b, after,
	    (int)most + 1, &ctx->err);
	if (r == NULL)
		return -1;
	n = wl_rows_count(r) > most ? (int)most : wl_rows_count(r);
	wl_buf_init(&buf, BODY_MAX);
	wl_jw_init(&w, &buf);
	wl_jw_obj(&w, NULL);
	wl_jw_arr(&w, "data");
	for (i = 0; i < n; i++) {
		wl_jw_obj(&w, NULL);
		wl_h_admin_members(&w, res, r, i);
		wl_jw_end(&w, '}');
	}
	wl_h_admin_end_page(&w, wl_rows_count(r) > most ?
	    wl_rows_get(r, n - 1, 0) : NULL);
	wl_h_admin_json(ctx, 200, &buf);
	return 0;
}

int
wl_h_admin_find(struct wl_ctx *ctx, const struct wl_h_admin_resource *res,
    const char *a, const char *b, struct wl_rows **r)
{
	const char *id = b != NULL ? b : a;

	*r = wl_db_admin_page(ctx->arena, res->page, a, b, NULL, 2, &ctx->err);
	if (*r == NULL)
		return -1;
	if (wl_rows_count(*r) == 1)
		return 0;
	if (wl_rows_count(*r) == 0)
		return wl_err_set(&ctx->err, WL_E_NOT_FOUND,
		    "There is no %s \"%.64s\".", res->what, id);
	return wl_h_admin_wrong(ctx, "project",
	    "Several projects have a %s \"%.64s\": say which.", res->what, id);
}

int
wl_h_admin_one(struct wl_ctx *ctx, const struct wl_h_admin_resource *res,
    int status, const struct wl_rows *r, const char *secret)
{
	struct wl_buf b;
	struct wl_jw w;

	wl_buf_init(&b, BODY_MAX);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	if (secret != NULL)
		wl_jw_str(&w, "key", secret);
	wl_h_admin_members(&w, res, r, 0);
	wl_jw_end(&w, '}');
	wl_h_admin_json(ctx, status, &b);
	return 0;
}

/*
 * Redis was away: the change holds, but not everywhere yet.
 */
static void
tell_delay(struct wl_ctx *ctx, const struct wl_admin *ad)
{
	if (!ad->untold)
		return;
	wl_log(WL_WARN, "admin.untold", "workers learn of a change within a "
	    "minute, since Redis cannot be reached");
	wl_resp_set(&ctx->resp, "X-WatchLLM-Applied", "delayed");
}

int
wl_h_admin_changed(struct wl_ctx *ctx, const struct wl_admin *ad,
    const struct wl_h_admin_resource *res, int status, const char *a,
    const char *b, const char *secret)
{
	struct wl_rows *r;

	if (wl_h_admin_find(ctx, res, a, b, &r) == -1)
		return -1;
	tell_delay(ctx, ad);
	return wl_h_admin_one(ctx, res, status, r, secret);
}

int
wl_h_admin_gone(struct wl_ctx *ctx, const struct wl_admin *ad)
{
	tell_delay(ctx, ad);
	wl_serve_reply(ctx, 204, NULL, NULL, 0);
	return 0;
}

int
wl_h_admin_replay(struct wl_ctx *ctx, const struct wl_h_admin_resource *res,
    const struct wl_rows *r, bool same)
{
	if (!same)
		return wl_err_set(&ctx->err, WL_E_IDEMPOTENCY, NULL);
	memset(&ctx->err, 0, sizeof(ctx->err));
	wl_resp_set(&ctx->resp, "Idempotency-Replayed", "true");
	return wl_h_admin_one(ctx, res, 200, r, NULL);
}
