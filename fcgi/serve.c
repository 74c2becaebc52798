/*
 * The life of a request, from its first byte to its line in the log.
 */
#include "config.h"
#include "fcgi/serve.h"

#include <string.h>

#include "fcgi/ctx.h"
#include "fcgi/operator.h"
#include "fcgi/prom.h"
#include "fcgi/worker.h"
#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "lib/core/address.h"
#include "lib/core/catalog.h"
#include "lib/core/error_body.h"
#include "lib/core/event.h"
#include "lib/core/health.h"
#include "lib/core/model.h"
#include "lib/core/models.h"
#include "lib/core/redact.h"
#include "lib/core/redact_rules.h"
#include "lib/http/cors.h"
#include "lib/http/io.h"
#include "lib/store/db_migrate.h"
#include "lib/store/pg.h"
#include "lib/store/redis.h"

#define ERROR_MAX	((size_t)16384)
#define LINE_MAX_BYTES	((size_t)6144)
/* Most of a path that is logged. */
#define PATH_MAX_BYTES	((size_t)512)
/* Seconds to wait where nobody knows better. */
#define RETRY_LATER	2

static bool	schema_known;

int
wl_serve_open(struct wl_conf *conf, struct wl_err *e)
{
	schema_known = false;
	wl_prom_open(conf->spool_dir);
	if (wl_pg_open(conf, e) == -1)
		return -1;
	return wl_redis_open(conf, e);
}

void
wl_serve_close(void)
{
	wl_redis_close();
	wl_pg_close();
	wl_model_flush();
	wl_models_flush();
	wl_auth_flush();
	wl_address_flush();
	wl_prom_close();
}

/*
 * Answers.
 */

static void
timing(struct wl_buf *b, const char *name, int64_t us)
{
	if (us < 0)
		return;
	if (b->len > 0)
		wl_buf_adds(b, ", ");
	wl_buf_adds(b, name);
	wl_buf_adds(b, ";dur=");
	wl_buf_int(b, us / 1000);
	wl_buf_addc(b, '.');
	wl_buf_addc(b, (char)('0' + us / 100 % 10));
	wl_buf_addc(b, (char)('0' + us / 10 % 10));
	wl_buf_addc(b, (char)('0' + us % 10));
}

static void
server_timing(struct wl_ctx *ctx)
{
	struct wl_buf b;

	wl_buf_init(&b, 512);
	timing(&b, "auth", ctx->auth_us);
	timing(&b, "gate", ctx->gate_us);
	timing(&b, "cache", ctx->cache_us);
	timing(&b, "upstream", ctx->upstream_us);
	timing(&b, "total", wl_clock_us() - ctx->req.start_us);
	if (!b.failed && b.len > 0)
		wl_resp_set(&ctx->resp, "Server-Timing", b.p);
	wl_buf_free(&b);
}

void
wl_serve_headers(struct wl_ctx *ctx)
{
	struct wl_err unread;

	if (ctx->auth != NULL) {
		/* what was not admitted still tells what is left */
		if (ctx->ad.gate.nrows == 0 && wl_limit_read(ctx->arena,
		    ctx->conf, ctx->auth, &ctx->ad, &unread) == -1)
			ctx->ad.degraded = true;
		wl_limit_headers(&ctx->resp, &ctx->ad);
	}
	server_timing(ctx);
}

static int
status_of(const struct wl_err *e)
{
	return e->http != 0 ? e->http : wl_err_row(e->code)->http;
}

static void
error_headers(struct wl_ctx *ctx, int status)
{
	const struct wl_err *e = &ctx->err;
	int wait = e->retry_after;

	if (wait == 0 && status == 503)
		wait = RETRY_LATER;
	if (wait > 0)
		wl_resp_set_int(&ctx->resp, "Retry-After", wait);
	/* client libraries would try again within seconds */
	if (e->code == WL_E_QUOTA || e->code == WL_E_BUDGET ||
	    (e->code == WL_E_TOKENS_PER_MINUTE && wait == 0))
		wl_resp_set(&ctx->resp, "x-should-retry", "false");
	if (status == 401)
		wl_resp_set(&ctx->resp, "WWW-Authenticate",
		    e->code == WL_E_MISSING_KEY ? "Bearer realm=\"watchllm\"" :
		    "Bearer realm=\"watchllm\", error=\"invalid_token\"");
	if (status == 405)
		wl_resp_set(&ctx->resp, "Allow", ctx->allow);
}

/*
 * Whether the call's month is given back, by what is known of it now.
 */
static bool
refunds(const struct wl_ctx *ctx)
{
	return !ctx->begun || wl_outcome_refunds_month(ctx->res.outcome,
	    ctx->auth->cache_hits_free);
}

void
wl_serve_reply(struct wl_ctx *ctx, int status, const char *type,
    const void *body, size_t len)
{
	if (ctx->err.code != WL_OK)
		error_headers(ctx, status);
	if (ctx->ad.admitted && !ctx->ad.free && refunds(ctx))
		wl_limit_refunded(&ctx->ad);
	wl_serve_headers(ctx);
	(void)wl_resp_send(&ctx->resp, status, type, body, len);
}

void
wl_serve_json(struct wl_ctx *ctx, int status, struct wl_buf *b)
{
	static const char sorry[] = "{\"error\":{\"message\":"
	    "\"Internal error.\",\"type\":\"api_error\","
	    "\"code\":\"internal_error\"}}";

	if (b->failed)
		wl_serve_reply(ctx, 500, "application/json", sorry,
		    sizeof(sorry) - 1);
	else
		wl_serve_reply(ctx, status, "application/json", b->p, b->len);
	wl_buf_free(b);
}

/*
 * The one place that answers with an error.
 */
static void
reply_error(struct wl_ctx *ctx)
{
	const struct wl_err *e = &ctx->err;
	struct wl_buf b;

	if (ctx->resp.head_sent || e->code == WL_E_CLIENT_CLOSED)
		return;
	wl_buf_init(&b, ERROR_MAX);
	wl_error_body(&b, wl_error_api(ctx->req.path), e, status_of(e),
	    WL_STR(""), ctx->req.id);
	wl_serve_json(ctx, status_of(e), &b);
}

/*
 * The steps before the handler, in their order.  Each returns 0, or -1 with
 * an error that is still to be answered.
 */

static int
read_head(struct wl_ctx *ctx, struct wl_io *io)
{
	int rc;

	rc = wl_req_init(&ctx->req, io, ctx->arena, ctx->conf, &ctx->err);
	ctx->resp.no_body = ctx->req.method == WL_HEAD;
	wl_resp_set(&ctx->resp, "X-Request-Id", ctx->req.id);
	return rc;
}

/*
 * The headers come first, so that a page can read the errors too.
 */
static int
find_route(struct wl_ctx *ctx)
{
	if (wl_cors(&ctx->req, &ctx->resp, ctx->conf, &ctx->err) == -1)
		return -1;
	ctx->route = wl_route_find(ctx->arena, ctx->req.method,
	    ctx->req.path, &ctx->id, ctx->allow, &ctx->err);
	return ctx->route == NULL ? -1 : 0;
}

static int64_t
max_body(const struct wl_ctx *ctx)
{
	if (ctx->route->max_body == WL_BODY_UPLOAD)
		return ctx->conf->max_upload;
	return ctx->route->max_body == WL_BODY ? ctx->conf->max_body :
	    ctx->route->max_body;
}

/*
 * A body that is of no use: its address may not send many of them.
 */
static int
bad_body(struct wl_ctx *ctx)
{
	struct wl_err too_many;

	if (wl_address_failed(ctx->arena, ctx->conf, WL_ADDRESS_BAD,
	    ctx->req.addr, &too_many) == -1)
		ctx->err = too_many;
	return -1;
}

static int
check_length(struct wl_ctx *ctx)
{
	int64_t max = max_body(ctx);

	if (max == 0)
		return 0;
	if (wl_address_check(ctx->conf, WL_ADDRESS_BAD, ctx->req.addr,
	    &ctx->err) == -1)
		return -1;
	if (ctx->req.content_length <= max)
		return 0;
	wl_err_set(&ctx->err, WL_E_REQUEST_TOO_LARGE, NULL);
	return bad_body(ctx);
}

/*
 * Whether the database has our schema, once it can be asked.
 */
static int
check_schema(struct wl_ctx *ctx)
{
	struct wl_err e = { 0 };

	if (schema_known)
		return 0;
	if (wl_migrate_check(ctx->arena, WL_ROLE_APP, &e) == 0) {
		schema_known = true;
		return 0;
	}
	/* what can be answered without the database is answered */
	if (e.code == WL_E_UNAVAILABLE)
		return 0;
	wl_err_set(&ctx->err, WL_E_UNAVAILABLE, NULL);
	return wl_err_detail(&ctx->err, "%s", e.msg);
}

static int
authenticate(struct wl_ctx *ctx)
{
	const struct wl_route *route = ctx->route;
	int64_t begin = wl_clock_us();

	switch (route->who) {
	case WL_WHO_ADMIN:
		return wl_operator_token(&ctx->req, ctx->conf, &ctx->err);
	case WL_WHO_OPEN:
	case WL_WHO_MAX:
		return 0;
	case WL_WHO_OPERATOR:
		return wl_operator_check(&ctx->req, ctx->conf, &ctx->err);
	case WL_WHO_KEY:
		break;
	}
	if (check_schema(ctx) == -1)
		return -1;
	ctx->auth = wl_auth_check(ctx->arena, ctx->conf, ctx->req.key,
	    ctx->req.addr, route->limiter == WL_LIMITER_GATEWAY ?
	    WL_AUTH_CACHED : WL_AUTH_FRESH, &ctx->err);
	ctx->auth_us = wl_clock_us() - begin;
	if (ctx->auth == NULL)
		return -1;
	return wl_auth_allows(ctx->auth, route->scope, &ctx->err);
}

static int
read_body(struct wl_ctx *ctx)
{
	if (max_body(ctx) == 0)
		return 0;
	if (wl_req_read_body(&ctx->req, max_body(ctx), &ctx->err) == -1)
		return ctx->err.code == WL_E_REQUEST_TOO_LARGE ?
		    bad_body(ctx) : -1;
	if (ctx->route->limiter != WL_LIMITER_GATEWAY)
		return 0;
	wl_ask_read(&ctx->ask, ctx->route->api, &ctx->req);
	if (!wl_ask_refused(&ctx->ask))
		return 0;
	ctx->err = ctx->ask.fault;
	return bad_body(ctx);
}

static enum wl_prom_gate
verdict(const struct wl_ctx *ctx, int rc)
{
	if (rc == 0)
		return ctx->ad.degraded ? WL_PG_DEGRADED : WL_PG_ADMITTED;
	if (ctx->err.code == WL_E_RATE_LIMIT)
		return WL_PG_RATE_LIMIT;
	if (ctx->err.code == WL_E_QUOTA)
		return WL_PG_QUOTA;
	if (ctx->err.code == WL_E_CONCURRENCY)
		return WL_PG_CONCURRENCY;
	if (ctx->err.code == WL_E_TOKENS_PER_MINUTE)
		return WL_PG_TOKENS;
	if (ctx->err.code == WL_E_BUDGET)
		return WL_PG_BUDGET;
	if (ctx->err.code == WL_E_PRICE_UNKNOWN)
		return WL_PG_PRICE;
	return WL_PG_UNAVAILABLE;
}

/*
 * How long a stream may be.  A provider obeys "max_tokens" by its own count, so
 * ours, a quarter of the bytes, has room to differ from it.
 */
static void
expect_output(struct wl_ctx *ctx)
{
	if (!ctx->ad.reserved || ctx->auth->overrun == WL_OVERRUN_ALLOW)
		return;
	ctx->res.most_output = ctx->ad.reserve.output *
	    (ctx->ask.max_tokens > 0 ? 2 : 1);
	ctx->res.stop = ctx->auth->overrun == WL_OVERRUN_STOP;
}

static int
ask_limiter(struct wl_ctx *ctx)
{
	struct wl_health_news news;
	int64_t begin = wl_clock_us();
	int rc;

	/* leaves with the limiter's question */
	wl_health_listen(&news, ctx->arena, ctx->conf, ctx->auth->project);
	rc = wl_limit_admit(&ctx->req, ctx->conf, ctx->keyring, &ctx->ask,
	    &ctx->auth, &ctx->ad, &ctx->err);
	wl_health_listened(&news);
	ctx->gate_us = wl_clock_us() - begin;
	wl_prom_gate(verdict(ctx, rc));
	if (wl_limit_shadowed(&ctx->ad) > 0)
		wl_prom_limit(WL_PL_SHADOW);
	if (ctx->ad.reserve.unknown)
		wl_prom_limit(WL_PL_UNKNOWN_PRICE);
	if (rc == 0 && ctx->begun)
		expect_output(ctx);
	return rc;
}

int
wl_serve_readmit(struct wl_ctx *ctx)
{
	const struct wl_redact_rules *redaction = ctx->ad.redaction;
	char generation[sizeof(ctx->ad.gate.generation)];
	struct wl_auth *auth = ctx->auth;
	int rc;

	memcpy(generation, ctx->ad.gate.generation, sizeof(generation));
	wl_auth_ref(auth);
	rc = ask_limiter(ctx);
	ctx->ad.redaction = redaction;
	if (rc == -1) {		/* its END tells, and nothing was taken */
		ctx->ad.admitted = ctx->ad.free = true;
		memcpy(ctx->ad.gate.generation, generation,
		    sizeof(generation));
	}
	if (ctx->auth == NULL)
		ctx->auth = auth;
	else
		wl_auth_unref(auth);
	return rc;
}

/*
 * An answer that was paid for already: no limiter tells whether the key still
 * holds.
 */
static int
admit_replay(struct wl_ctx *ctx)
{
	wl_auth_unref(ctx->auth);
	ctx->auth = wl_auth_check(ctx->arena, ctx->conf, ctx->req.key,
	    ctx->req.addr, WL_AUTH_FRESH, &ctx->err);
	if (ctx->auth == NULL)
		return -1;
	wl_limit_free(&ctx->req, ctx->conf, ctx->auth, &ctx->ad);
	return wl_auth_allows(ctx->auth, ctx->route->scope, &ctx->err);
}

/*
 * The question to the cache goes with the one to the limiter.
 */
static int
admit(struct wl_ctx *ctx)
{
	int rc;

	if (ctx->route->limiter != WL_LIMITER_GATEWAY)
		return 0;
	wl_cache_begin(&ctx->cache, ctx->conf, &ctx->req, ctx->auth,
	    &ctx->ask);
	if (wl_cache_is_first(&ctx->cache)) {
		wl_cache_known(&ctx->cache);
		if (ctx->cache.replay)
			return admit_replay(ctx);
	}
	if ((rc = ask_limiter(ctx)) == 0)
		wl_cache_known(&ctx->cache);
	return rc;
}

/*
 * BEGIN: from here on the call leaves a trace, whatever becomes of us.
 */
static int
record(struct wl_ctx *ctx)
{
	size_t keep = ctx->conf->store_payloads ?
	    (size_t)ctx->conf->max_field : 0;

	if (ctx->route->limiter != WL_LIMITER_GATEWAY)
		return 0;
	if (wl_result_init(&ctx->res, ctx->arena, keep) == -1)
		return wl_err_set(&ctx->err, WL_E_UNAVAILABLE, NULL);
	ctx->res.outcome = WL_O_INVALID;
	expect_output(ctx);
	ctx->ad.redaction = wl_catalog_redaction(ctx->arena,
	    ctx->auth->project, ctx->auth->catalog_version);
	if (wl_event_begin(wl_worker.journal, &ctx->req, ctx->auth, &ctx->ad,
	    &ctx->ask, &ctx->err) == -1)
		return -1;
	ctx->begun = true;
	return 0;
}

static int
answer(struct wl_ctx *ctx, struct wl_io *io)
{
	if (read_head(ctx, io) == -1 || find_route(ctx) == -1)
		return -1;
	/* its clients look for it there */
	if (wl_error_api(ctx->req.path) == WL_API_MESSAGES)
		wl_resp_set(&ctx->resp, "request-id", ctx->req.id);
	if (ctx->req.method == WL_OPTIONS) {
		(void)wl_cors_preflight(&ctx->req, &ctx->resp, ctx->conf,
		    ctx->allow);
		return 0;
	}
	if (authenticate(ctx) == -1 || check_length(ctx) == -1 ||
	    read_body(ctx) == -1 || admit(ctx) == -1 || record(ctx) == -1)
		return -1;
	return ctx->route->handler(ctx);
}

/*
 * Without an answer of the limiter nothing is known to be taken.  One that was
 * only late may have taken leases: they would be held until they expire.
 */
static struct wl_settle *
release(struct wl_ctx *ctx)
{
	struct wl_truth none = { .refund_month = false };

	if (ctx->conf->counters == WL_COUNTERS_POSTGRES || !wl_redis_up() ||
	    ctx->ad.gate.nrows == 0)
		return NULL;
	ctx->ad.gate.generation[0] = '\0';
	return wl_counter_settle_send(ctx->arena, ctx->conf, &ctx->ad.gate,
	    &none);
}

/*
 * END, then give back what the outcome does not cost.
 */
static struct wl_settle *
settle(struct wl_ctx *ctx)
{
	struct wl_result *res = &ctx->res;
	struct wl_truth truth;

	if (!ctx->ad.admitted)
		return ctx->ad.unknown ? release(ctx) : NULL;
	if (ctx->begun) {
		if (res->err.code == WL_OK)
			res->err = ctx->err;
		if (res->err.code == WL_E_CLIENT_CLOSED &&
		    res->outcome == WL_O_INVALID)
			res->outcome = WL_O_CLIENT_GONE;
		if (res->http == 0)
			res->http = res->outcome == WL_O_CLIENT_GONE ? 499 :
			    ctx->resp.status;
		wl_prom_cache(res);
		wl_event_end(wl_worker.journal, ctx->conf, &ctx->req,
		    ctx->auth, &ctx->ad, &ctx->ask, res);
	}
	if (ctx->ad.unknown)
		return release(ctx);
	if (ctx->ad.free)
		return NULL;
	wl_reserve_truth(&ctx->ad.reserve, ctx->auth, res, &truth);
	truth.refund_month = refunds(ctx);
	if (res->overrun)
		wl_prom_limit(res->stop ? WL_PL_OVERRUN_STOPPED :
		    WL_PL_OVERRUN_WARNED);
	if (ctx->ad.reserved)
		wl_reserve_learn(ctx->auth->project, &ctx->ask, res);
	return wl_counter_settle_send(ctx->arena, ctx->conf, &ctx->ad.gate,
	    &truth);
}

/*
 * The access line.
 */

static int
final_status(const struct wl_ctx *ctx)
{
	if (ctx->begun && ctx->res.http != 0)
		return ctx->res.http;
	if (ctx->resp.status != 0)
		return ctx->resp.status;
	return ctx->err.code != WL_OK ? status_of(&ctx->err) : 0;
}

/*
 * What a client wrote, as redacted as in the event.
 */
static void
line_text(struct wl_jw *w, const struct wl_ctx *ctx, const char *name,
    struct wl_str text)
{
	struct wl_buf b;

	wl_buf_init(&b, LINE_MAX_BYTES);
	(void)wl_redact_rules_apply(ctx->ad.redaction, &b, text.p, text.len);
	wl_jw_strn(w, name, b.len == 0 ? "" : b.p, b.len);
	wl_buf_free(&b);
}

static void
line_call(struct wl_jw *w, const struct wl_ctx *ctx)
{
	const struct wl_result *res = &ctx->res;

	wl_jw_str(w, "outcome", wl_outcome_name(res->outcome));
	line_text(w, ctx, "model", ctx->ask.model);
	if (res->provider[0] != '\0')
		wl_jw_str(w, "provider", res->provider);
	if (res->upstream_http != 0)
		wl_jw_int(w, "upstream_status", res->upstream_http);
	if (ctx->ad.degraded)
		wl_jw_bool(w, "degraded", true);
}

/*
 * Of administration the path may hold what somebody took for an id.
 */
static void
line_path(struct wl_jw *w, const struct wl_ctx *ctx)
{
	const char *path = ctx->req.path;
	size_t len = wl_utf8_cut(path, strlen(path), PATH_MAX_BYTES);
	struct wl_buf b;

	if (ctx->route == NULL || ctx->route->who != WL_WHO_ADMIN) {
		wl_jw_strn(w, "path", path, len);
		return;
	}
	wl_buf_init(&b, LINE_MAX_BYTES);
	(void)wl_redact_secrets(&b, path, len);
	wl_jw_strn(w, "path", b.len == 0 ? "" : b.p, b.len);
	wl_buf_free(&b);
}

static void
line_members(struct wl_jw *w, const struct wl_ctx *ctx, int status, int64_t us)
{
	const struct wl_req *r = &ctx->req;
	const struct wl_err *e = &ctx->err;

	wl_jw_obj(w, NULL);
	wl_jw_str(w, "method", wl_method_name(r->method));
	line_path(w, ctx);
	wl_jw_int(w, "status", status);
	wl_jw_int(w, "us", us);
	wl_jw_int(w, "bytes", ctx->resp.bytes);
	wl_jw_str(w, "addr", r->addr);
	if (ctx->auth != NULL) {
		wl_jw_str(w, "project", ctx->auth->project);
		wl_jw_str(w, "key", ctx->auth->key_prefix);
	}
	if (r->client_request_id != NULL)
		line_text(w, ctx, "client_request_id",
		    wl_str_of(r->client_request_id));
	if (ctx->begun)
		line_call(w, ctx);
	if (ctx->resp.gone)
		wl_jw_bool(w, "gone", true);
	if (e->code != WL_OK)
		wl_jw_str(w, "error", wl_err_row(e->code)->word);
	if (e->detail[0] != '\0')
		wl_jw_str(w, "detail", e->detail);
	wl_jw_end(w, '}');
}

static void
access_line(const struct wl_ctx *ctx, int status, int64_t us)
{
	enum wl_level level = status >= 500 ? WL_WARN : WL_INFO;
	char *members;
	struct wl_buf b;
	struct wl_jw w;

	if (level == WL_INFO && strcmp(ctx->conf->access_log, "on") != 0)
		return;
	wl_buf_init(&b, LINE_MAX_BYTES);
	wl_jw_init(&w, &b);
	line_members(&w, ctx, status, us);
	/* the members without their braces */
	members = b.failed ? NULL : wl_arena_dup(ctx->arena, b.p + 1,
	    b.len - 2);
	wl_log_req(level, "request", ctx->req.id, members, "%s",
	    ctx->err.code != WL_OK ? ctx->err.msg : "");
	wl_buf_free(&b);
}

void
wl_serve(struct wl_io *io, struct wl_arena *arena)
{
	struct wl_settle *settling;
	struct wl_ctx ctx;
	int64_t us;

	memset(&ctx, 0, sizeof(ctx));
	ctx.arena = arena;
	ctx.conf = wl_worker.conf;
	ctx.keyring = wl_worker.keyring;
	ctx.auth_us = ctx.gate_us = ctx.cache_us = ctx.upstream_us = -1;
	wl_resp_init(&ctx.resp, io, arena);
	wl_prom_begin();
	if (answer(&ctx, io) == -1)
		reply_error(&ctx);
	settling = settle(&ctx);
	(void)io->ops->finish(io);
	us = wl_clock_us() - ctx.req.start_us;
	wl_counter_settle_wait(settling);
	wl_cache_finish(&ctx.cache);
	access_line(&ctx, final_status(&ctx), us);
	wl_prom_end(ctx.route, final_status(&ctx), us);
	wl_auth_unref(ctx.auth);
	wl_arena_reset(arena);
}
