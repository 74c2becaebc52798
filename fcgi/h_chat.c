/*
 * Gateway calls: the body is checked, targets are found, and the answer goes
 * to the client through a sink, as a stream or in one piece.
 */
#include "config.h"
#include "fcgi/h_chat.h"

#include <stddef.h>
#include <string.h>

#include "fcgi/ctx.h"
#include "fcgi/serve.h"
#include "fcgi/shadow.h"
#include "lib/base/clock.h"
#include "lib/base/jw.h"
#include "lib/base/money.h"
#include "lib/core/catalog.h"
#include "lib/core/error_body.h"
#include "lib/core/error_event.h"
#include "lib/core/face_messages.h"
#include "lib/core/model.h"
#include "lib/core/policy_body.h"
#include "lib/core/policy_sink.h"
#include "lib/core/provider.h"
#include "lib/core/route.h"
#include "lib/core/upstream.h"
#include "lib/http/io.h"

/*
 * The client of a call.
 */
struct client {
	struct wl_sink	 sink;
	struct wl_ctx	*ctx;
	struct wl_sink	*front;		/* before it, the project's policy */
	struct wl_routed routed;
	int		 status;	/* of an answer in one piece */
	const char	*type;
	struct wl_str	 body;
};

static struct client *
client_of(struct wl_sink *s)
{
	return (struct client *)(void *)((char *)s -
	    offsetof(struct client, sink));
}

/*
 * What the cache did.
 */
static void
cache_headers(struct wl_ctx *ctx)
{
	const struct wl_cache *c = &ctx->cache;

	wl_resp_set(&ctx->resp, "X-WatchLLM-Cache",
	    wl_cache_status_name(ctx->res.cache));
	if (c->key.why != NULL && strcmp(c->key.why, "off") != 0)
		wl_resp_set(&ctx->resp, "X-WatchLLM-Cache-Reason", c->key.why);
	if (c->replay && c->once)
		wl_resp_set(&ctx->resp, "Idempotency-Replayed", "true");
	if (c->entry == NULL)
		return;
	wl_resp_set(&ctx->resp, "X-WatchLLM-Cache-Entry", c->entry);
	wl_resp_set_int(&ctx->resp, "X-WatchLLM-Cache-Age",
	    c->age_ms < 0 ? 0 : c->age_ms / 1000);
}

static int
begin_stream(struct wl_ctx *ctx, const char *type)
{
	cache_headers(ctx);
	wl_serve_headers(ctx);
	/* the comment makes web servers pass the headers on */
	return wl_resp_stream(&ctx->resp, 200, type, ": ok\n\n");
}

static int
sink_begin(struct wl_sink *s, int status, const char *type, bool stream)
{
	struct client *c = client_of(s);

	wl_resp_set(&c->ctx->resp, "X-WatchLLM-Provider",
	    c->ctx->res.provider);
	/* of a shared answer nobody here knows it */
	if (c->ctx->res.variant[0] != '\0' &&
	    c->ctx->res.cache != WL_CACHE_HIT_COALESCED)
		wl_resp_set(&c->ctx->resp, "X-WatchLLM-Variant",
		    c->ctx->res.variant);
	if (stream)
		return begin_stream(c->ctx, type);
	c->status = status;
	c->type = type;
	return 0;
}

static int
sink_data(struct wl_sink *s, const char *p, size_t len)
{
	struct client *c = client_of(s);

	if (c->ctx->resp.streaming)
		return wl_resp_write(&c->ctx->resp, p, len, true);
	c->body = (struct wl_str){ p, len };
	return 0;
}

static int
sink_heartbeat(struct wl_sink *s)
{
	struct wl_ctx *ctx = client_of(s)->ctx;

	if (!ctx->resp.head_sent)
		return begin_stream(ctx, "text/event-stream");
	return wl_resp_write(&ctx->resp, ": keep-alive\n\n", 14, true);
}

/*
 * Milliseconds since the request began.
 */
static int64_t
latency_ms(const struct wl_ctx *ctx)
{
	int64_t us = wl_clock_us() - ctx->req.start_us;

	return us < 0 ? 0 : us / 1000;
}

static void
put_count(struct wl_jw *w, const char *key, int64_t n)
{
	if (n >= 0)
		wl_jw_int(w, key, n);
}

/*
 * What an answer in one piece tells in its headers.
 */
static int
sink_trailer(struct wl_sink *s, const struct wl_result *res)
{
	struct wl_ctx *ctx = client_of(s)->ctx;
	struct wl_buf b;
	struct wl_jw w;
	char usd[32];
	int rc;

	wl_buf_init(&b, 8192);
	wl_buf_adds(&b, ": watchllm ");
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_str(&w, "request_id", ctx->req.id);
	wl_jw_str(&w, "provider", res->provider);
	wl_jw_str(&w, "model", res->model_used[0] != '\0' ?
	    res->model_used : res->model);
	wl_jw_int(&w, "latency_ms", latency_ms(ctx));
	wl_jw_str(&w, "cache", wl_cache_status_name(res->cache));
	if (res->cache >= WL_CACHE_HIT)
		wl_jw_int(&w, "tokens_saved", res->saved_tokens);
	if (res->price_known) {
		wl_money_usd(res->cost_nano, usd);
		wl_jw_raw(&w, "cost_usd", usd, strlen(usd));
	}
	wl_jw_obj(&w, "tokens");
	put_count(&w, "input", res->usage.input);
	put_count(&w, "cache_read", res->usage.cache_read);
	put_count(&w, "cache_write", res->usage.cache_write);
	put_count(&w, "output", res->usage.output);
	put_count(&w, "reasoning", res->usage.reasoning);
	wl_jw_end(&w, '}');
	wl_jw_str(&w, "usage_source", wl_usage_source_name(res->usage.source));
	wl_jw_end(&w, '}');
	wl_buf_adds(&b, "\n\n");
	rc = b.failed ? 0 : wl_resp_write(&ctx->resp, b.p, b.len, false);
	wl_buf_free(&b);
	return rc;
}

/*
 * Left in the queue: it goes when the call is in the journal.
 */
static int
sink_end(struct wl_sink *s, const char *p, size_t len)
{
	return wl_resp_write(&client_of(s)->ctx->resp, p, len, false);
}

static void
reply(struct client *c)
{
	struct wl_ctx *ctx = c->ctx;
	char usd[32];

	cache_headers(ctx);
	if (ctx->res.cache >= WL_CACHE_HIT)
		wl_resp_set_int(&ctx->resp, "X-WatchLLM-Tokens-Saved",
		    ctx->res.saved_tokens);
	wl_resp_set_int(&ctx->resp, "X-WatchLLM-Latency-Ms", latency_ms(ctx));
	if (ctx->res.price_known) {
		wl_money_usd(ctx->res.cost_nano, usd);
		wl_resp_set(&ctx->resp, "X-WatchLLM-Cost-USD", usd);
	}
	wl_serve_reply(ctx, c->status, c->type, c->body.p, c->body.len);
}

/*
 * None of the providers counts tokens, so we say what we think.
 */
static void
count_tokens(struct client *c)
{
	struct wl_ctx *ctx = c->ctx;
	struct wl_buf b;
	struct wl_jw w;

	ctx->res.outcome = WL_O_ANSWERED;
	ctx->res.http = 200;
	wl_buf_init(&b, 0);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_int(&w, "input_tokens", wl_ask_estimate(&ctx->ask));
	wl_jw_bool(&w, "estimated", true);
	wl_jw_end(&w, '}');
	c->status = 200;
	c->type = "application/json";
	c->body = (struct wl_str){ b.p, b.len };
	reply(c);
	wl_buf_free(&b);
}

/*
 * What the project's policy says of the request.
 */
static int
check_content(struct wl_ctx *ctx)
{
	struct wl_result *res = &ctx->res;

	return wl_catalog_policy(ctx->arena, ctx->auth->project,
	    ctx->auth->version, &res->policy, &ctx->err) == -1 ? -1 :
	    wl_policy_request(res->policy, ctx->arena, &ctx->ask, &res->found,
	    &ctx->err);
}

/*
 * Where the call may go, in T.  Returns how many, or -1 with ctx->err.
 */
static int
find_targets(struct client *c, struct wl_target t[WL_TARGETS])
{
	struct wl_ctx *ctx = c->ctx;
	struct wl_route_call call;
	int n;

	wl_model_call(&ctx->req, &ctx->ask, &call);
	n = wl_model_route(ctx->arena, ctx->conf, ctx->auth, ctx->keyring,
	    ctx->ask.model, ctx->req.provider_key, &call, t, &c->routed,
	    &ctx->err);
	if (c->routed.rule[0] != '\0') {
		(void)wl_strlcpy(ctx->res.rule, c->routed.rule,
		    sizeof(ctx->res.rule));
		wl_resp_set(&ctx->resp, "X-WatchLLM-Rule", c->routed.rule);
	}
	return n;
}

/*
 * How many of the N targets T are of the variant that was drawn: an answer of
 * another one that is kept is not for this call.
 */
static int
of_variant(const struct wl_target *t, int n)
{
	const char *first = t[0].variant == NULL ? "" : t[0].variant;
	int i;

	for (i = 1; i < n; i++)
		if (strcmp(t[i].variant == NULL ? "" : t[i].variant, first) !=
		    0)
			break;
	return i;
}

/*
 * What stands between the provider and the client: N targets T, and in *SINK
 * what the answer goes to.  Returns the targets left, 0 when tokens are to be
 * counted here, or -1 with ctx->err.
 */
static int
face(struct wl_ctx *ctx, struct wl_target *t, int n, struct wl_sink **sink,
    struct wl_face_messages **messages)
{
	if (ctx->ask.api == WL_API_COUNT_TOKENS)
		return wl_provider_able(t, n, WL_API_COUNT_TOKENS);
	if (ctx->ask.api != WL_API_MESSAGES)
		return n;
	*messages = wl_face_messages_new(*sink, ctx->arena, &ctx->ask,
	    &ctx->res, ctx->req.id, &ctx->err);
	if (*messages == NULL)
		return -1;
	*sink = &(*messages)->sink;
	return wl_face_messages_targets(ctx->arena, &ctx->ask, t, n,
	    &ctx->err);
}

/*
 * The answer by one of the N targets T.  -1: nothing was sent.
 */
static int
make(struct client *c, struct wl_target *t, int n)
{
	struct wl_face_messages *messages = NULL;
	struct wl_ctx *ctx = c->ctx;
	struct wl_result *res = &ctx->res;
	struct wl_sink *sink = wl_cache_sink(&ctx->cache, c->front, res);

	/* whoever was to bring it has failed: it costs what it costs */
	if (ctx->ad.free && wl_serve_readmit(ctx) == -1)
		return -1;
	if ((n = face(ctx, t, n, &sink, &messages)) == -1)
		return -1;
	if (n == 0) {
		count_tokens(c);
		return 0;
	}
	if ((n = wl_capability_keep(t, n, &ctx->ask, &ctx->err)) == -1)
		return -1;
	if (c->routed.shadow[0] != '\0')
		wl_shadow_start(ctx, c->routed.rule, c->routed.shadow);
	(void)wl_upstream_run(ctx->arena, ctx->conf, &ctx->ask, t, n,
	    ctx->req.id, ctx->req.start_us, sink, res);
	/* what could not be told is in RES->err */
	if (messages != NULL)
		(void)wl_face_messages_end(messages, res);
	wl_cache_made(&ctx->cache, res);
	ctx->upstream_us = res->upstream_us;
	return 0;
}

/*
 * The stream may have begun with a comment, while somebody else was to bring
 * the answer: then an event tells what is wrong.
 */
static int
refused_late(struct wl_ctx *ctx)
{
	struct wl_buf b;

	if (!ctx->resp.head_sent)
		return -1;
	ctx->res.err = ctx->err;
	wl_buf_init(&b, 0);
	wl_error_event(&b, ctx->ask.api, &ctx->res, ctx->req.id);
	if (!b.failed)
		(void)wl_resp_write(&ctx->resp, b.p, b.len, false);
	wl_buf_free(&b);
	return 0;
}

/*
 * The answer from what is kept or under way, else by a target.  0: ctx->res
 * tells of it, -1: nothing was sent.
 */
static int
answer(struct client *c, struct wl_target *t, int n)
{
	struct wl_ctx *ctx = c->ctx;
	int64_t begin = wl_clock_us();
	int rc;

	/* what was kept is as the provider sent it, and half a match is none */
	if (ctx->cache.resume[0] != '\0' && c->front != &c->sink)
		return wl_err_set(&ctx->err, WL_E_NOT_FOUND, "A stream that "
		    "the project's policy filters cannot be resumed.");
	(void)wl_strlcpy(ctx->res.variant, t[0].variant == NULL ? "" :
	    t[0].variant, sizeof(ctx->res.variant));
	rc = wl_cache_answer(&ctx->cache, t, of_variant(t, n),
	    ctx->req.start_us, c->front, &ctx->res, &ctx->err);
	if (ctx->res.cache == WL_CACHE_HIT_COALESCED)
		ctx->res.variant[0] = '\0';
	if (ctx->cache.owner[0] != '\0')
		ctx->cache_us = wl_clock_us() - begin;
	if (rc == -1 || (rc == 0 && make(c, t, n) == -1))
		return refused_late(ctx);
	return 0;
}

int
wl_h_chat_post(struct wl_ctx *ctx)
{
	struct client c = {
		.sink = {
			.begin = sink_begin, .data = sink_data,
			.heartbeat = sink_heartbeat, .trailer = sink_trailer,
			.end = sink_end, .fd = ctx->req.io->fd
		},
		.ctx = ctx
	};
	struct wl_target t[WL_TARGETS];
	struct wl_policy_sink *policy;
	struct wl_result *res = &ctx->res;
	struct wl_buf b;
	int n;

	if (wl_ask_check(&ctx->ask, &ctx->err) == -1 ||
	    check_content(ctx) == -1 || (n = find_targets(&c, t)) == -1)
		return -1;
	policy = wl_policy_sink_new(&c.sink, ctx->arena, &ctx->ask, res,
	    ctx->req.id);
	if (policy == NULL)
		return wl_err_memory(&ctx->err);
	c.front = wl_policy_sink_of(policy);
	if (answer(&c, t, n) == -1)
		return -1;
	wl_policy_sink_end(policy);
	ctx->err = res->err;
	if (ctx->resp.head_sent)
		return 0;
	if (ctx->err.code == WL_OK) {
		reply(&c);
		return 0;
	}
	if (res->refusal.len == 0)
		return -1;
	wl_buf_init(&b, 0);
	wl_error_body(&b, ctx->ask.api, &ctx->err, res->http, res->refusal,
	    ctx->req.id);
	wl_serve_json(ctx, res->http, &b);
	return 0;
}
