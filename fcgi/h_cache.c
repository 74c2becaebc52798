/*
 * /v1/cache: figures, and what takes answers out.
 */
#include "config.h"
#include "fcgi/h_cache.h"

#include <string.h>

#include "fcgi/ctx.h"
#include "fcgi/serve.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/money.h"
#include "lib/core/cache_key.h"
#include "lib/store/cache_redis.h"

#define BODY_MAX	4096
#define BARRED_MS	((int64_t)7 * 24 * 3600 * 1000)

int
wl_h_cache_stats_get(struct wl_ctx *ctx)
{
	int64_t n[WL_CACHE_COUNT_MAX], entries, bytes;
	char usd[32];
	struct wl_buf b;
	struct wl_jw w;
	int i;

	if (wl_cache_stats(ctx->arena, ctx->conf, ctx->auth->project, n,
	    &entries, &bytes, &ctx->err) == -1)
		return -1;
	wl_buf_init(&b, BODY_MAX);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_int(&w, "entries", entries);
	wl_jw_int(&w, "bytes", bytes);
	for (i = 0; i < WL_CACHE_COUNT_MAX; i++)
		if (i != WL_CC_SAVED_NANO)
			wl_jw_int(&w, wl_cache_count_name(
			    (enum wl_cache_count)i), n[i]);
	wl_money_usd(n[WL_CC_SAVED_NANO], usd);
	wl_jw_raw(&w, "saved_usd", usd, strlen(usd));
	wl_jw_end(&w, '}');
	wl_resp_set(&ctx->resp, "Cache-Control", "no-store");
	wl_serve_json(ctx, 200, &b);
	return 0;
}

static bool
is_id(struct wl_str s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (memchr("0123456789abcdef", s.p[i], 16) == NULL)
			return false;
	return s.len == WL_CACHE_ID - 1;
}

static int
no_entry(struct wl_ctx *ctx)
{
	return wl_err_set(&ctx->err, WL_E_NOT_FOUND,
	    "There is no such entry in the cache.");
}

static int
done(struct wl_ctx *ctx, const char *what)
{
	struct wl_buf b;
	struct wl_jw w;

	wl_buf_init(&b, BODY_MAX);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_bool(&w, what, true);
	wl_jw_end(&w, '}');
	wl_serve_json(ctx, 200, &b);
	return 0;
}

int
wl_h_cache_entry_delete(struct wl_ctx *ctx)
{
	int found;

	if (!is_id(wl_str_of(ctx->id)))
		return no_entry(ctx);
	found = wl_cache_drop(ctx->arena, ctx->conf, ctx->auth->project,
	    ctx->id, 0, &ctx->err);
	if (found != 1)
		return found == 0 ? no_entry(ctx) : -1;
	return done(ctx, "deleted");
}

static int
bad(struct wl_ctx *ctx, const char *param, const char *what)
{
	wl_err_set(&ctx->err, WL_E_INVALID_REQUEST, "\"%s\" %s.", param, what);
	ctx->err.param = param;
	return -1;
}

/*
 * The body's object, and nothing in it but KNOWN.  NULL with ctx->err.
 */
static struct json_object *
read_object(struct wl_ctx *ctx, const char *const *known)
{
	const struct wl_str *body = &ctx->req.body;
	struct json_object *o;
	struct wl_str name, value;
	size_t i, pos = 0;

	o = wl_json_parse(ctx->arena, body->p == NULL ? "" : body->p,
	    body->len, NULL);
	if (!json_object_is_type(o, json_type_object)) {
		wl_err_set(&ctx->err, WL_E_INVALID_JSON, NULL);
		return NULL;
	}
	while (wl_json_next(body->p, body->len, &pos, &name, &value)) {
		for (i = 0; known[i] != NULL && !wl_json_is(name, known[i]);
		    i++)
			;
		if (known[i] == NULL) {
			wl_err_set(&ctx->err, WL_E_INVALID_REQUEST,
			    "The body has a field that is not known.");
			return NULL;
		}
	}
	return o;
}

int
wl_h_cache_feedback_post(struct wl_ctx *ctx)
{
	static const char *const known[] = { "entry_id", "request_id",
	    "verdict", NULL };
	int64_t n[WL_CACHE_COUNT_MAX] = { 0 };
	struct json_object *o = read_object(ctx, known);
	struct wl_str id, verdict, request;
	bool wrong;
	int found = 1;

	if (o == NULL)
		return -1;
	if (!wl_json_str(o, "entry_id", &id) || !is_id(id))
		return bad(ctx, "entry_id",
		    "must be what X-WatchLLM-Cache-Entry told");
	if (!wl_json_str(o, "verdict", &verdict) ||
	    (!wl_str_eq(verdict, "right") && !wl_str_eq(verdict, "wrong")))
		return bad(ctx, "verdict", "must be right or wrong");
	if (wl_json_has(o, "request_id") && !wl_json_str(o, "request_id",
	    &request))
		return bad(ctx, "request_id", "must be a string");
	wrong = wl_str_eq(verdict, "wrong");
	if (wrong)
		found = wl_cache_drop(ctx->arena, ctx->conf,
		    ctx->auth->project, id.p, BARRED_MS, &ctx->err);
	if (found != 1)
		return found == 0 ? no_entry(ctx) : -1;
	n[wrong ? WL_CC_WRONG : WL_CC_RIGHT] = 1;
	if (wl_cache_count(ctx->arena, ctx->conf, ctx->auth->project, n,
	    &ctx->err) == -1)
		return -1;
	return done(ctx, "accepted");
}

int
wl_h_cache_purge_post(struct wl_ctx *ctx)
{
	static const char *const known[] = { "namespace", NULL };
	struct json_object *o = NULL;
	char ns[WL_CACHE_ID] = "";
	struct wl_str name;

	if (ctx->req.body.len > 0 && (o = read_object(ctx, known)) == NULL)
		return -1;
	if (o != NULL && wl_json_has(o, "namespace")) {
		if (!wl_json_str(o, "namespace", &name) || name.len == 0 ||
		    memchr(name.p, '\0', name.len) != NULL)
			return bad(ctx, "namespace",
			    "must be a string that is not empty");
		wl_cache_key_ns(name.p, ns);
	}
	if (wl_cache_purge(ctx->arena, ctx->conf, ctx->auth->project, ns,
	    wl_clock_ms(), &ctx->err) == -1)
		return -1;
	return done(ctx, "purged");
}
