/*
 * The line of a request from route to access line, with doubles for the
 * stores, the journal and the provider.
 */
#include "config.h"
#include "fcgi/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/ctx.h"
#include "fcgi/h_chat.h"
#include "fcgi/h_estimate.h"
#include "fcgi/h_models.h"
#include "fcgi/h_responses.h"
#include "fcgi/worker.h"
#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/core/catalog.h"
#include "lib/core/event.h"
#include "lib/core/model.h"
#include "lib/core/models.h"
#include "lib/core/price.h"
#include "lib/core/route.h"
#include "lib/store/db.h"
#include "lib/store/db_health.h"
#include "lib/store/db_migrate.h"
#include "lib/store/redis.h"
#include "tests/unit/io_mem.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmp.h"

struct wl_worker wl_worker;

static struct {
	char		 line[256];	/* what happened, in order */
	bool		 pg_away, redis_away, late, no_room, old_schema;
	int64_t		 used;		/* of the minute */
	bool		 refunded;
	struct wl_result last;
	char		 begun[37];
} seen;

static void
note(const char *what)
{
	size_t n = strlen(seen.line);

	snprintf(seen.line + n, sizeof(seen.line) - n, "%s%s",
	    n == 0 ? "" : " ", what);
}

/*
 * Doubles.
 */

static char	key[WL_KEY_LEN + 1], prefix[WL_KEY_PREFIX + 1];
static uint8_t	hash[32];

int
wl_db_auth_key(struct wl_arena *a, const uint8_t h[32], struct wl_db_key *k,
    struct wl_err *e)
{
	(void)a;
	note("auth");
	if (seen.pg_away)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	if (memcmp(h, hash, 32) != 0)
		return 0;
	*k = (struct wl_db_key){ .key_id = "k1", .project = "p1",
	    .project_name = "One", .prefix = prefix, .kind = "proj",
	    .scopes = "gateway", .plan = "free", .rpm = 10, .month = 50000,
	    .key_rpm = WL_NO_LIMIT, .key_month = WL_NO_LIMIT,
	    .concurrent = WL_NO_LIMIT, .key_concurrent = WL_NO_LIMIT,
	    .tokens = WL_NO_LIMIT, .key_tokens = WL_NO_LIMIT,
	    .day_nano = WL_NO_LIMIT, .month_nano = WL_NO_LIMIT,
	    .key_day_nano = WL_NO_LIMIT, .key_month_nano = WL_NO_LIMIT,
	    .retention_class = "short",
	    .settings = "{}", .version = 1 };
	return 1;
}

int
wl_counter_admit(struct wl_arena *a, const struct wl_conf *c,
    struct wl_gate *g, struct wl_err *e)
{
	int i;

	(void)a;
	(void)c;
	note("admit");
	if (seen.redis_away || seen.late)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	g->result = seen.used >= g->rows[0].limit ? WL_G_REFUSED :
	    WL_G_ADMITTED;
	seen.used += g->result == WL_G_ADMITTED;
	for (i = 0; i < g->nrows; i++)
		g->rows[i].used = seen.used;
	return 0;
}

int
wl_counter_read(struct wl_arena *a, const struct wl_conf *c, struct wl_gate *g,
    struct wl_err *e)
{
	int i;

	(void)a;
	(void)c;
	if (seen.redis_away)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	for (i = 0; i < g->nrows; i++)
		g->rows[i].used = seen.used;
	return 0;
}

struct wl_settle *
wl_counter_settle_send(struct wl_arena *a, const struct wl_conf *c,
    const struct wl_gate *g, const struct wl_truth *truth)
{
	(void)a;
	(void)c;
	(void)g;
	note("settle");
	seen.refunded = truth->refund_month;
	return (struct wl_settle *)&seen;
}

void
wl_counter_settle_wait(struct wl_settle *s)
{
	if (s != NULL)
		note("wait");
}

int64_t
wl_counter_address(struct wl_arena *a, const char *kind, const char *addr,
    int64_t now_ms, int cost)
{
	(void)a;
	(void)addr;
	(void)now_ms;
	(void)cost;
	note(kind);
	return -1;
}

int
wl_counter_set(struct wl_arena *a, const struct wl_conf *c, const char *actor,
    const char *p, int64_t now_ms, int64_t minute, int64_t month,
    struct wl_err *e)
{
	(void)a;
	(void)c;
	(void)actor;
	(void)p;
	(void)now_ms;
	(void)minute;
	(void)month;
	return wl_err_set(e, WL_E_INTERNAL, NULL);
}

int
wl_counter_set_spent(struct wl_arena *a, const struct wl_conf *c,
    const char *actor, const char *project, int64_t now_ms, int64_t day,
    int64_t month, struct wl_err *e)
{
	(void)a;
	(void)c;
	(void)actor;
	(void)project;
	(void)now_ms;
	(void)day;
	(void)month;
	return wl_err_set(e, WL_E_INTERNAL, NULL);
}

int
wl_counter_add(struct wl_arena *a, const struct wl_conf *c, const char *actor,
    const char *p, int64_t now_ms, int64_t n, struct wl_err *e)
{
	return wl_counter_set(a, c, actor, p, now_ms, n, n, e);
}

const struct wl_redact_rules *
wl_catalog_redaction(struct wl_arena *a, const char *project, int64_t version)
{
	(void)a;
	(void)project;
	(void)version;
	return NULL;
}

int
wl_event_begin(struct wl_journal *j, const struct wl_req *r,
    const struct wl_auth *auth, const struct wl_admission *ad,
    const struct wl_ask *ask, struct wl_err *e)
{
	(void)j;
	(void)r;
	(void)auth;
	(void)ask;
	note("begin");
	memcpy(seen.begun, ad->event_id, sizeof(seen.begun));
	return seen.no_room ? wl_err_set(e, WL_E_UNAVAILABLE, NULL) : 0;
}

void
wl_event_end(struct wl_journal *j, const struct wl_conf *c,
    const struct wl_req *r, const struct wl_auth *auth,
    const struct wl_admission *ad, const struct wl_ask *ask,
    const struct wl_result *res)
{
	(void)j;
	(void)c;
	(void)r;
	(void)auth;
	(void)ad;
	(void)ask;
	note("end");
	seen.last = *res;
}

int
wl_migrate_check(struct wl_arena *a, enum wl_role role, struct wl_err *e)
{
	(void)a;
	(void)role;
	if (seen.pg_away)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	return seen.old_schema ? wl_err_set(e, WL_E_INTERNAL,
	    "run \"watchllm migrate\"") : 0;
}

int
wl_db_clock(struct wl_arena *a, int64_t *ms, struct wl_err *e)
{
	(void)a;
	*ms = wl_clock_ms();
	return seen.pg_away ? wl_err_set(e, WL_E_UNAVAILABLE, NULL) : 0;
}

int
wl_db_marks(struct wl_arena *a, const char *host, struct wl_db_marks *m,
    struct wl_err *e)
{
	(void)a;
	(void)host;
	(void)m;
	return wl_err_set(e, WL_E_INTERNAL, NULL);
}

int
wl_pg_open(const struct wl_conf *c, struct wl_err *e)
{
	(void)c;
	(void)e;
	return 0;
}

void
wl_pg_close(void)
{
}

bool
wl_pg_up(void)
{
	return !seen.pg_away;
}

int
wl_redis_open(const struct wl_conf *c, struct wl_err *e)
{
	(void)c;
	(void)e;
	return 0;
}

void
wl_redis_close(void)
{
}

bool
wl_redis_up(void)
{
	return !seen.redis_away;
}

uint64_t
wl_redis_epoch(void)
{
	return 0;
}

void
wl_model_call(const struct wl_req *r, const struct wl_ask *with,
    struct wl_route_call *call)
{
	(void)r;
	(void)with;
	memset(call, 0, sizeof(*call));
}

int
wl_model_route(struct wl_arena *a, const struct wl_conf *c,
    const struct wl_auth *auth, const struct wl_keyring *keys,
    struct wl_str model, const char *provider_key,
    const struct wl_route_call *call,
    struct wl_target targets[WL_TARGETS],
    struct wl_routed *routed, struct wl_err *e)
{
	(void)call;
	(void)routed;
	(void)a;
	(void)c;
	(void)auth;
	(void)keys;
	(void)model;
	(void)provider_key;
	(void)targets;
	return wl_err_set(e, WL_E_MODEL_NOT_FOUND, NULL);
}

bool
wl_price_known(const char *provider, const char *model)
{
	(void)provider;
	(void)model;
	return false;
}

int
wl_price_media(const char *provider, const char *model, enum wl_api api,
    const struct wl_usage *u, const struct wl_units *units, int64_t *nano,
    int64_t *effective_ms)
{
	(void)provider;
	(void)model;
	(void)api;
	(void)u;
	(void)effective_ms;
	*nano = 1000 * units->images;
	return units->images > 0;
}

int
wl_price_cost(const char *provider, const char *model,
    const struct wl_usage *u, int64_t *nano, int64_t *effective_ms)
{
	(void)provider;
	(void)model;
	(void)u;
	(void)nano;
	(void)effective_ms;
	return 0;
}

void
wl_model_flush(void)
{
}

void
wl_models_flush(void)
{
}

/* their real ones would need the stores */
int
wl_h_responses_get(struct wl_ctx *ctx)
{
	(void)ctx;
	return 0;
}

int
wl_h_responses_delete(struct wl_ctx *ctx)
{
	(void)ctx;
	return 0;
}

int
wl_h_responses_cancel(struct wl_ctx *ctx)
{
	(void)ctx;
	return 0;
}

int
wl_h_responses_items(struct wl_ctx *ctx)
{
	(void)ctx;
	return 0;
}

int
wl_h_estimate_post(struct wl_ctx *ctx)
{
	(void)ctx;
	return 0;
}

int
wl_h_models_get(struct wl_ctx *ctx)
{
	(void)ctx;
	return 0;
}

int
wl_h_model_get(struct wl_ctx *ctx)
{
	(void)ctx;
	return 0;
}

struct wl_reply *
wl_redis_call(struct wl_arena *a, int argc, const char *const *argv,
    const size_t *lens, struct wl_err *e)
{
	(void)a;
	(void)argc;
	(void)argv;
	(void)lens;
	wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	return NULL;
}

int
wl_redis_send(struct wl_redis_req *req, struct wl_arena *a, int argc,
    const char *const *argv, const size_t *lens, struct wl_err *e)
{
	(void)req;
	(void)a;
	(void)argc;
	(void)argv;
	(void)lens;
	return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
}

struct wl_reply *
wl_redis_wait(struct wl_redis_req *req, struct wl_err *e)
{
	(void)req;
	wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	return NULL;
}

/* what the provider's side does next */
static enum { ANSWER, STREAM, FAIL, LEAVE } act;

int
wl_h_chat_post(struct wl_ctx *ctx)
{
	note("handler");
	if (wl_ask_check(&ctx->ask, &ctx->err) == -1)
		return -1;
	switch (act) {
	case ANSWER:
		ctx->res.outcome = WL_O_ANSWERED;
		wl_serve_reply(ctx, 200, "application/json", "{}", 2);
		return 0;
	case STREAM:
		ctx->res.outcome = WL_O_ANSWERED;
		wl_serve_headers(ctx);
		return wl_resp_stream(&ctx->resp, 200, "text/event-stream",
		    ": ok\n\n");
	case FAIL:
		ctx->res.outcome = WL_O_UPSTREAM_FAILED;
		wl_err_set(&ctx->err, WL_E_UPSTREAM_TIMEOUT, NULL);
		return wl_err_detail(&ctx->err, "secret inside");
	case LEAVE:
		break;
	}
	return wl_err_set(&ctx->err, WL_E_CLIENT_CLOSED, NULL);
}

/*
 * A request.
 */

static struct wl_conf	 conf;
static struct wl_arena	*arena;
static struct io_mem	 m;
static const char	*params[32];
static int		 nparams;
static char		 bearer[64], log_path[4096];

#define CHAT	"{\"model\":\"m\",\"messages\":[{\"role\":\"user\"," \
		"\"content\":\"hi\"}]}"

static void
with(const char *name, const char *value)
{
	params[nparams++] = name;
	params[nparams++] = value;
	params[nparams] = NULL;
}

/*
 * Begin a request; with("...") may follow, then go().
 */
static void
ask(const char *method, const char *uri)
{
	io_mem_free(&m);
	memset(&m, 0, sizeof(m));
	memset(seen.line, 0, sizeof(seen.line));
	seen.refunded = false;
	nparams = 0;
	with("REQUEST_METHOD", method);
	with("REQUEST_URI", uri);
	with("REMOTE_ADDR", "192.0.2.1");
}

static int
go(const char *body)
{
	io_mem_init(&m, params, body, body == NULL ? 0 : strlen(body));
	wl_serve(&m.io, arena);
	return io_mem_status(&m);
}

static void
keyed(void)
{
	with("HTTP_AUTHORIZATION", bearer);
}

static int
chat(const char *body)
{
	ask("POST", "/v1/chat/completions");
	keyed();
	return go(body);
}

static const char *
header(const char *name)
{
	const char *v = io_mem_header(&m, name);

	return v == NULL ? "(none)" : v;
}

static bool
body_has(const char *s)
{
	return m.out.p != NULL && strstr(io_mem_body(&m).p, s) != NULL;
}

/*
 * Every header that a response after authentication must carry.
 */
static void
check_headers(void)
{
	static const char *const names[] = { "X-Request-Id",
	    "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset",
	    "X-Quota-Limit", "X-Quota-Remaining", "X-Quota-Reset",
	    "RateLimit", "RateLimit-Policy", "Server-Timing" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (io_mem_header(&m, names[i]) == NULL) {
			printf("# no %s\n", names[i]);
			CU_FAIL("a header is missing");
		}
}

static int
run(void *fn)
{
	struct wl_err e = { 0 };

	memset(&seen, 0, sizeof(seen));
	act = ANSWER;
	conf.max_body = 1000;
	conf.on_redis_failure = WL_FAIL_OPEN;
	conf.auth_failures_per_minute = 1000;
	conf.bad_requests_per_minute = 1000;
	if (wl_serve_open(&conf, &e) == -1)
		return -1;
	(*(void (**)(void))fn)();
	wl_serve_close();
	io_mem_free(&m);
	return 0;
}

static void
in_loop(void (*fn)(void))
{
	CU_ASSERT_EQUAL(wl_run(run, &fn), 0);
}

static void
answered_fn(void)
{
	CU_ASSERT_EQUAL(chat(CHAT), 200);
	CU_ASSERT_STRING_EQUAL(seen.line,
	    "auth admit begin handler end settle wait");
	CU_ASSERT_FALSE(seen.refunded);
	CU_ASSERT_EQUAL(seen.last.http, 200);
	CU_ASSERT_EQUAL(m.finishes, 1);
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Remaining"), "9");
	CU_ASSERT_STRING_EQUAL(header("Content-Length"), "2");
	CU_ASSERT_PTR_NOT_NULL(strstr(header("Server-Timing"), "auth;dur="));
	CU_ASSERT_PTR_NOT_NULL(strstr(header("Server-Timing"), "gate;dur="));
	CU_ASSERT_PTR_NOT_NULL(strstr(header("Server-Timing"), "total;dur="));
	check_headers();
	/* one id for the request, its headers and its event */
	CU_ASSERT_STRING_EQUAL(header("X-Request-Id"), seen.begun);
	act = STREAM;
	CU_ASSERT_EQUAL(chat(CHAT), 200);
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Remaining"), "8");
	check_headers();
}

static void
answered(void)
{
	in_loop(answered_fn);
}

static void
failed_fn(void)
{
	act = FAIL;
	CU_ASSERT_EQUAL(chat(CHAT), 504);
	CU_ASSERT_STRING_EQUAL(seen.line,
	    "auth admit begin handler end settle wait");
	CU_ASSERT(seen.refunded);
	CU_ASSERT_EQUAL(seen.last.http, 504);
	CU_ASSERT_EQUAL(seen.last.err.code, WL_E_UPSTREAM_TIMEOUT);
	CU_ASSERT(body_has("\"code\":\"upstream_timeout\""));
	CU_ASSERT_FALSE(body_has("secret"));
	check_headers();
	/* what is wrong with a body that can be read: after admission */
	CU_ASSERT_EQUAL(chat("{\"model\":\"m\"}"), 400);
	CU_ASSERT_STRING_EQUAL(seen.line, "admit begin handler end settle wait");
	CU_ASSERT(seen.refunded);
	CU_ASSERT(body_has("\"param\":\"messages\""));
	check_headers();
	/* one who leaves keeps what was counted */
	act = LEAVE;
	CU_ASSERT_EQUAL(chat(CHAT), 0);
	CU_ASSERT_EQUAL(seen.last.http, 499);
	CU_ASSERT_EQUAL(seen.last.outcome, WL_O_CLIENT_GONE);
	CU_ASSERT_FALSE(seen.refunded);
}

static void
failed(void)
{
	in_loop(failed_fn);
}

static void
refused_fn(void)
{
	seen.used = 10;
	CU_ASSERT_EQUAL(chat(CHAT), 429);
	CU_ASSERT_STRING_EQUAL(seen.line, "auth admit");
	CU_ASSERT_EQUAL(strncmp(io_mem_body(&m).p, "{\"error\":{\"message\":"
	    "\"Rate limit exceeded. You can make 10 requests per minute on"
	    " the free plan.\",\"type\":\"rate_limit_error\",\"code\":"
	    "\"rate_limit_exceeded\",\"details\":{\"limit\":10,"
	    "\"remaining\":0,\"resetAt\":", 176), 0);
	CU_ASSERT(strtoll(header("Retry-After"), NULL, 10) >= 1);
	CU_ASSERT(strtoll(header("Retry-After"), NULL, 10) <= 60);
	CU_ASSERT_STRING_EQUAL(header("x-should-retry"), "(none)");
	check_headers();
	/* a faulty body is no news to one who may not call */
	CU_ASSERT_EQUAL(chat("{}"), 429);
}

static void
refused(void)
{
	in_loop(refused_fn);
}

static void
unreadable_fn(void)
{
	char large[1200];

	memset(large, ' ', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	CU_ASSERT_EQUAL(chat("{bad"), 400);
	CU_ASSERT_STRING_EQUAL(seen.line, "auth bad");
	CU_ASSERT(body_has("\"code\":\"invalid_json\""));
	check_headers();
	CU_ASSERT_EQUAL(chat(large), 413);
	CU_ASSERT_STRING_EQUAL(seen.line, "bad");
	check_headers();
	/* declared: nothing is read, but who it is comes first */
	ask("POST", "/v1/embeddings");
	keyed();
	with("CONTENT_LENGTH", "1001");
	CU_ASSERT_EQUAL(go(large), 413);
	CU_ASSERT_EQUAL(m.body_at, 0);
	CU_ASSERT_STRING_EQUAL(seen.line, "bad");
	check_headers();
	ask("POST", "/v1/embeddings");
	with("CONTENT_LENGTH", "1001");
	CU_ASSERT_EQUAL(go(large), 401);
	CU_ASSERT_EQUAL(m.body_at, 0);
	ask("POST", "/v1/embeddings");
	keyed();
	with("CONTENT_TYPE", "text/plain");
	CU_ASSERT_EQUAL(go("{}"), 415);
	CU_ASSERT_EQUAL(seen.used, 0);
	/* a client that stops in the middle is answered nothing */
	ask("POST", "/v1/embeddings");
	keyed();
	with("CONTENT_LENGTH", "100");
	CU_ASSERT_EQUAL(go("{"), 0);
	CU_ASSERT_EQUAL(m.finishes, 1);
	/* too many of them */
	conf.bad_requests_per_minute = 1;
	CU_ASSERT_EQUAL(chat(CHAT), 429);
	CU_ASSERT(body_has("\"code\":\"too_many_failures\""));
	CU_ASSERT_STRING_EQUAL(seen.line, "");
}

static void
unreadable(void)
{
	in_loop(unreadable_fn);
}

static void
unknown_caller_fn(void)
{
	ask("POST", "/v1/chat/completions");
	CU_ASSERT_EQUAL(go(CHAT), 401);
	CU_ASSERT(body_has("\"code\":\"missing_api_key\""));
	CU_ASSERT_STRING_EQUAL(header("WWW-Authenticate"),
	    "Bearer realm=\"watchllm\"");
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Limit"), "(none)");
	CU_ASSERT_STRING_NOT_EQUAL(header("X-Request-Id"), "(none)");
	ask("POST", "/v1/chat/completions");
	with("HTTP_X_API_KEY", "nonsense");
	CU_ASSERT_EQUAL(go(CHAT), 401);
	CU_ASSERT(body_has("\"code\":\"invalid_api_key\""));
	CU_ASSERT_STRING_EQUAL(seen.line, "auth");
	CU_ASSERT_EQUAL(m.body_at, 0);
	ask("GET", "/v1/health/detailed");
	keyed();
	CU_ASSERT_EQUAL(go(NULL), 401);
	ask("GET", "/observability/prometheus");
	CU_ASSERT_EQUAL(go(NULL), 401);
}

static void
unknown_caller(void)
{
	in_loop(unknown_caller_fn);
}

static void
routes_fn(void)
{
	const struct wl_route *r;

	ask("GET", "/v1/nothing");
	CU_ASSERT_EQUAL(go(NULL), 404);
	CU_ASSERT(body_has("\"code\":\"not_found\""));
	ask("DELETE", "/v1/usage");
	CU_ASSERT_EQUAL(go(NULL), 405);
	CU_ASSERT_STRING_EQUAL(header("Allow"), "GET, HEAD, OPTIONS");
	ask("GET", "/v1/%2e%2e/health");
	CU_ASSERT_EQUAL(go(NULL), 400);
	for (r = wl_routes; r->path != NULL; r++) {
		ask("OPTIONS", r->path);
		CU_ASSERT_EQUAL(go(NULL), 204);
		CU_ASSERT_PTR_NOT_NULL(strstr(header("Allow"), "OPTIONS"));
		CU_ASSERT_STRING_EQUAL(header("Content-Length"), "(none)");
		CU_ASSERT_STRING_EQUAL(seen.line, "");
	}
	ask("GET", "/llm/v1/health");
	CU_ASSERT_EQUAL(go(NULL), 200);
	CU_ASSERT(body_has("\"status\":\"ok\""));
	ask("HEAD", "/v1/health");
	CU_ASSERT_EQUAL(go(NULL), 200);
	CU_ASSERT_EQUAL(io_mem_body(&m).len, 0);
	CU_ASSERT(strtoll(header("Content-Length"), NULL, 10) > 0);
	/* pages of other origins */
	ask("GET", "/v1/health");
	with("HTTP_ORIGIN", "https://evil.example");
	CU_ASSERT_EQUAL(go(NULL), 403);
	ask("GET", "/v1/nothing");
	with("HTTP_ORIGIN", "https://app.example");
	CU_ASSERT_EQUAL(go(NULL), 404);
	CU_ASSERT_STRING_EQUAL(header("Access-Control-Allow-Origin"),
	    "https://app.example");
}

static void
routes(void)
{
	in_loop(routes_fn);
}

static void
usage_fn(void)
{
	seen.used = 4;
	ask("GET", "/v1/usage");
	keyed();
	CU_ASSERT_EQUAL(go(NULL), 200);
	CU_ASSERT(body_has("\"rateLimit\":{\"limit\":10,\"used\":4,"
	    "\"remaining\":6,"));
	CU_ASSERT_EQUAL(seen.used, 4);
	/* its own look at the key, and no line of a call */
	CU_ASSERT_STRING_EQUAL(seen.line, "auth");
	check_headers();
	seen.redis_away = true;
	ask("GET", "/v1/usage");
	keyed();
	CU_ASSERT_EQUAL(go(NULL), 503);
	CU_ASSERT_STRING_NOT_EQUAL(header("Retry-After"), "(none)");
}

static void
usage(void)
{
	in_loop(usage_fn);
}

static void
away_fn(void)
{
	seen.redis_away = true;
	CU_ASSERT_EQUAL(chat(CHAT), 200);
	CU_ASSERT_STRING_EQUAL(seen.line, "auth admit begin handler end");
	CU_ASSERT_STRING_EQUAL(header("X-WatchLLM-Limiter"), "degraded");
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Limit"), "10");
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Remaining"), "(none)");
	conf.on_redis_failure = WL_FAIL_CLOSED;
	CU_ASSERT_EQUAL(chat(CHAT), 503);
	CU_ASSERT_STRING_NOT_EQUAL(header("Retry-After"), "(none)");
	CU_ASSERT_STRING_EQUAL(seen.line, "admit");
	seen.redis_away = false;
	/* an answer that is only late may have taken leases */
	seen.late = true;
	CU_ASSERT_EQUAL(chat(CHAT), 503);
	CU_ASSERT_STRING_EQUAL(seen.line, "admit settle wait");
	CU_ASSERT_FALSE(seen.refunded);
	conf.on_redis_failure = WL_FAIL_OPEN;
	CU_ASSERT_EQUAL(chat(CHAT), 200);
	CU_ASSERT_STRING_EQUAL(seen.line,
	    "admit begin handler end settle wait");
	conf.on_redis_failure = WL_FAIL_CLOSED;
	seen.late = false;
	/* no room to record it: nothing is done, everything is given back */
	seen.no_room = true;
	CU_ASSERT_EQUAL(chat(CHAT), 503);
	CU_ASSERT_STRING_EQUAL(seen.line, "admit begin settle wait");
	CU_ASSERT(seen.refunded);
	CU_ASSERT_STRING_NOT_EQUAL(header("Retry-After"), "(none)");
}

static void
away(void)
{
	in_loop(away_fn);
}

static void
old_schema_fn(void)
{
	seen.old_schema = true;
	CU_ASSERT_EQUAL(chat(CHAT), 503);
	CU_ASSERT_FALSE(body_has("migrate"));
	CU_ASSERT_STRING_EQUAL(seen.line, "");
	seen.old_schema = false;
	seen.pg_away = true;
	CU_ASSERT_EQUAL(chat(CHAT), 503);
	/* it was away, and is back */
	seen.pg_away = false;
	CU_ASSERT_EQUAL(chat(CHAT), 200);
}

static void
old_schema(void)
{
	in_loop(old_schema_fn);
}

static void
health_fn(void)
{
	char *was = conf.operator_addresses;

	conf.operator_addresses = (char *)(uintptr_t)"192.0.2.1";
	ask("GET", "/v1/health/detailed");
	CU_ASSERT_EQUAL(go(NULL), 503);
	CU_ASSERT(body_has("\"status\":\"degraded\""));
	CU_ASSERT(body_has("\"redis\":{\"status\":\"down\"}"));
	CU_ASSERT(body_has("\"postgres\":{\"status\":\"ok\""));
	CU_ASSERT(body_has("\"schema\":{\"status\":\"ok\""));
	CU_ASSERT(body_has("\"consumer\":{\"status\":\"unknown\"}"));
	/* remembered for a second */
	seen.pg_away = true;
	ask("GET", "/v1/health/detailed");
	CU_ASSERT_EQUAL(go(NULL), 503);
	CU_ASSERT(body_has("\"postgres\":{\"status\":\"ok\""));
	ask("GET", "/observability/prometheus");
	CU_ASSERT_EQUAL(go(NULL), 200);
	CU_ASSERT(body_has("watchllm_requests_total{method=\"GET\",route="
	    "\"/v1/health/detailed\",status=\"503\"}"));
	conf.operator_addresses = was;
}

static void
health(void)
{
	in_loop(health_fn);
}

static void
lines_fn(void)
{
	size_t len;
	char *text;

	act = FAIL;
	ask("POST", "/v1/chat/completions?secret=1");
	keyed();
	with("HTTP_X_REQUEST_ID", "mine ann@example.org");
	CU_ASSERT_EQUAL(go(CHAT), 504);
	text = wl_tmp_read(log_path, &len);
	CU_ASSERT_PTR_NOT_NULL(text);
	if (text == NULL)
		return;
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"path\":\"/v1/chat/completions\""
	    ",\"status\":504"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"client_request_id\":"
	    "\"mine [REDACTED_EMAIL]\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"project\":\"p1\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, prefix));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"outcome\":\"upstream_failed\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"error\":\"upstream_timeout\""));
	/* what the client may not know is here, keys and queries are not */
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "secret inside"));
	CU_ASSERT_PTR_NULL(strstr(text, key + 9));
	CU_ASSERT_PTR_NULL(strstr(text, "secret=1"));
	free(text);
}

static void
lines(void)
{
	in_loop(lines_fn);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "an answered call, step by step", answered },
		{ "failed, faulty, left", failed },
		{ "refused by a limit", refused },
		{ "bodies that cannot be read", unreadable },
		{ "callers that are not known", unknown_caller },
		{ "routes, methods, origins", routes },
		{ "usage", usage },
		{ "stores away, no room", away },
		{ "another schema, and none at first", old_schema },
		{ "health and figures", health },
		{ "the access line", lines },
		{ NULL, NULL }
	};
	struct wl_err e = { 0 };
	int status;

	snprintf(log_path, sizeof(log_path), "%s/log", wl_tmp_dir());
	if (wl_log_open(log_path, WL_INFO, "test") == -1 ||
	    wl_conf_load(&conf, wl_tmp_file("conf",
	    "cors_origins = https://app.example\n", 35, 0600), &e) == -1 ||
	    (arena = wl_arena_new(1 << 22)) == NULL)
		return 1;
	free(conf.spool_dir);
	conf.spool_dir = strdup(wl_tmp_dir());
	wl_worker.conf = &conf;
	wl_key_make(false, key, prefix, hash);
	snprintf(bearer, sizeof(bearer), "Bearer %s", key);
	status = wl_tap_run("serve", tests);
	wl_arena_free(arena);
	return status;
}
