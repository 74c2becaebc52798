/*
 * Admission against a counter that is an array.
 */
#include "config.h"
#include "lib/core/limit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/core/auth.h"
#include "lib/core/call.h"
#include "lib/core/limit_priv.h"
#include "lib/core/limit_rule.h"
#include "lib/http/io.h"
#include "lib/http/req.h"
#include "lib/http/resp.h"
#include "tests/unit/tap.h"

#define MINUTE	INT64_C(60000)

/*
 * Doubles.
 */
static struct {
	int64_t		used[WL_LIMIT_NAME_MAX];
	int64_t		reset_ms[WL_LIMIT_NAME_MAX];	/* 0: as asked */
	int		stale;		/* times that it answers STALE */
	bool		away;
	int		asked;
	struct wl_gate	last;
} counter;

static void
tell(struct wl_gate *g)
{
	struct wl_limit_row *row;
	int i;

	for (i = 0; i < g->nrows; i++) {
		row = &g->rows[i];
		row->used = counter.used[row->name];
		if (counter.reset_ms[row->name] != 0)
			row->reset_ms = counter.reset_ms[row->name];
	}
}

int
wl_counter_admit(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_gate *g, struct wl_err *e)
{
	int i;

	(void)a;
	(void)conf;
	counter.asked++;
	counter.last = *g;
	if (counter.away)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	g->result = WL_G_STALE;
	if (counter.stale > 0) {
		counter.stale--;
		return 0;
	}
	g->result = WL_G_ADMITTED;
	for (i = g->nrows - 1; i >= 0; i--)
		if (!g->rows[i].exempt && counter.used[g->rows[i].name] +
		    g->rows[i].cost > g->rows[i].limit) {
			g->result = WL_G_REFUSED;
			g->refused_by = i;
		}
	for (i = 0; i < g->nrows && g->result == WL_G_ADMITTED; i++)
		counter.used[g->rows[i].name] += g->rows[i].cost;
	tell(g);
	return 0;
}

int
wl_counter_read(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_gate *g, struct wl_err *e)
{
	(void)a;
	(void)conf;
	if (counter.away)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	tell(g);
	return 0;
}

static struct {
	struct wl_auth	*next;		/* what the next check gives */
	int		 checked, again, verified, dropped;
	enum wl_auth_mode mode;
} keys;

struct wl_auth *
wl_auth_check(struct wl_arena *a, const struct wl_conf *conf, const char *key,
    const char *addr, enum wl_auth_mode mode, struct wl_err *e)
{
	(void)a;
	(void)conf;
	(void)key;
	(void)addr;
	keys.checked++;
	keys.mode = mode;
	if (keys.next == NULL)
		wl_err_set(e, WL_E_INVALID_KEY, NULL);
	return keys.next;
}

struct wl_auth *
wl_auth_again(struct wl_arena *a, const struct wl_conf *conf, const char *key,
    const char *addr, struct wl_err *e)
{
	keys.again++;
	keys.checked--;
	return wl_auth_check(a, conf, key, addr, WL_AUTH_FRESH, e);
}

void
wl_auth_verified(struct wl_auth *auth)
{
	(void)auth;
	keys.verified++;
}

void
wl_auth_unref(struct wl_auth *auth)
{
	keys.dropped += auth != NULL;
}

static struct wl_arena		*arena;
static struct wl_conf		 conf;
static struct wl_auth		 who, other, *auth;
static struct wl_admission	 ad;
static struct wl_req		 req;
static struct wl_ask		 ask;
static struct wl_resp		 resp;
static struct wl_err		 err;

static void
set_clock(const char *rfc3339)
{
	int64_t ms, now;

	wl_clock_set_offset(0);
	now = wl_clock_ms();
	CU_ASSERT_EQUAL(wl_clock_parse(rfc3339, strlen(rfc3339), &ms), 0);
	wl_clock_set_offset(ms - now);
}

static void
begin(void)
{
	static char upgrade[] = "https://watchllm.example/dashboard/billing";

	arena = wl_arena_new(1 << 20);
	CU_ASSERT_FATAL(arena != NULL);
	memset(&counter, 0, sizeof(counter));
	memset(&keys, 0, sizeof(keys));
	memset(&conf, 0, sizeof(conf));
	memset(&err, 0, sizeof(err));
	memset(&req, 0, sizeof(req));
	memset(&ad, 0, sizeof(ad));
	conf.upgrade_url = upgrade;
	conf.total_timeout = 3600000;
	who = (struct wl_auth){ .project = "p1", .plan = "free",
	    .key_id = "k1", .key_prefix = "abcdef", .version = 1, .rpm = 10,
	    .month = 50000, .key_rpm = -1, .key_month = -1,
	    .concurrent = -1, .key_concurrent = -1, .tokens = -1,
	    .key_tokens = -1, .day_nano = -1, .month_nano = -1,
	    .key_day_nano = -1, .key_month_nano = -1 };
	memset(&ask, 0, sizeof(ask));
	ask.model = WL_STR("");
	auth = &who;
	req.arena = arena;
	memcpy(req.id, "01900000-0000-7000-8000-000000000000", 37);
	wl_resp_init(&resp, NULL, arena);
	set_clock("2025-01-04T14:41:13.500Z");
}

static void
end(void)
{
	wl_arena_free(arena);
	wl_clock_set_offset(0);
}

static int
admit(void)
{
	memset(&err, 0, sizeof(err));
	return wl_limit_admit(&req, &conf, NULL, &ask, &auth, &ad, &err);
}

static const char *
header(const char *name)
{
	size_t i;

	for (i = 0; i < resp.nheaders; i++)
		if (strcmp(resp.headers[i].name, name) == 0)
			return resp.headers[i].value;
	return "(none)";
}

static void
headers(void)
{
	wl_resp_init(&resp, NULL, arena);
	wl_limit_headers(&resp, &ad);
}

static void
admitted(void)
{
	begin();
	CU_ASSERT_EQUAL(admit(), 0);
	CU_ASSERT(ad.admitted && !ad.degraded && ad.known);
	CU_ASSERT_EQUAL(ad.gate.nrows, 2);
	CU_ASSERT_STRING_EQUAL(ad.event_id, req.id);
	CU_ASSERT_STRING_EQUAL(ad.month, "2025-01");
	CU_ASSERT_EQUAL(ad.minute, ad.at_ms / MINUTE);
	CU_ASSERT_STRING_EQUAL(counter.last.key_id, "k1");
	CU_ASSERT(counter.last.lease_ms > conf.total_timeout);
	CU_ASSERT_EQUAL(keys.verified, 1);
	CU_ASSERT_EQUAL(keys.checked, 0);
	headers();
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Limit"), "10");
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Remaining"), "9");
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Reset"), "1736001720");
	CU_ASSERT_STRING_EQUAL(header("X-Quota-Limit"), "50000");
	CU_ASSERT_STRING_EQUAL(header("X-Quota-Remaining"), "49999");
	CU_ASSERT_STRING_EQUAL(header("X-Quota-Reset"), "1738368000");
	CU_ASSERT_STRING_EQUAL(header("RateLimit-Policy"),
	    "\"minute\";q=10;w=60, \"month\";q=50000;w=2678400");
	CU_ASSERT_STRING_EQUAL(header("RateLimit"),
	    "\"minute\";r=9;t=47, \"month\";r=49999;t=2366327");
	CU_ASSERT_STRING_EQUAL(header("X-WatchLLM-Limiter"), "(none)");
	/* what will be given back is told already */
	wl_limit_refunded(&ad);
	headers();
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Remaining"), "9");
	CU_ASSERT_STRING_EQUAL(header("X-Quota-Remaining"), "50000");
	end();
}

static void
remaining_falls(void)
{
	char want[16];
	int i;

	begin();
	for (i = 9; i >= 0; i--) {
		CU_ASSERT_EQUAL(admit(), 0);
		headers();
		snprintf(want, sizeof(want), "%d", i);
		CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Remaining"), want);
	}
	CU_ASSERT_EQUAL(admit(), -1);
	CU_ASSERT_EQUAL(err.code, WL_E_RATE_LIMIT);
	end();
}

/*
 * The error object as it is sent, from the words of the table.
 */
static const char *
body(void)
{
	const struct wl_err_row *row = wl_err_row(err.code);

	return wl_arena_printf(arena, "{\"error\":{\"message\":\"%s\","
	    "\"type\":\"%s\",\"code\":\"%s\",\"details\":%s}}", err.msg,
	    row->type, row->word, err.details);
}

static void
rate_limit_body(void)
{
	begin();
	counter.used[WL_LN_MINUTE] = 10;
	CU_ASSERT_EQUAL(admit(), -1);
	CU_ASSERT_STRING_EQUAL(body(), "{\"error\":{\"message\":\"Rate limit"
	    " exceeded. You can make 10 requests per minute on the free"
	    " plan.\",\"type\":\"rate_limit_error\","
	    "\"code\":\"rate_limit_exceeded\",\"details\":{\"limit\":10,"
	    "\"remaining\":0,\"resetAt\":1736001720,\"retryAfter\":47}}}");
	CU_ASSERT_EQUAL(err.retry_after, 47);
	CU_ASSERT_FALSE(ad.admitted);
	headers();
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Remaining"), "0");
	CU_ASSERT_STRING_EQUAL(header("X-Quota-Remaining"), "50000");
	who.rpm = 1;
	CU_ASSERT_EQUAL(admit(), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, " 1 request per minute "));
	who.rpm = 0;
	CU_ASSERT_EQUAL(admit(), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, " 0 requests per minute "));
	end();
}

static void
quota_body(void)
{
	begin();
	counter.used[WL_LN_MONTH] = 50000;
	CU_ASSERT_EQUAL(admit(), -1);
	CU_ASSERT_STRING_EQUAL(body(), "{\"error\":{\"message\":\"Monthly"
	    " quota exceeded. Upgrade your plan or wait until quota"
	    " resets.\",\"type\":\"quota_exceeded_error\","
	    "\"code\":\"quota_exceeded\",\"details\":{\"used\":50000,"
	    "\"limit\":50000,\"remaining\":0,\"resetAt\":1738368000,"
	    "\"upgradeUrl\":\"https://watchllm.example/dashboard/billing\""
	    "}}}");
	CU_ASSERT_EQUAL(err.retry_after, 2366327);
	/* without an address to send people to, there is no field for it */
	conf.upgrade_url = conf.upgrade_url + strlen(conf.upgrade_url);
	CU_ASSERT_EQUAL(admit(), -1);
	CU_ASSERT_PTR_NULL(strstr(err.details, "upgradeUrl"));
	CU_ASSERT_PTR_NOT_NULL(strstr(err.details, "\"resetAt\":1738368000}"));
	/* the rate limit is looked at first */
	counter.used[WL_LN_MINUTE] = 10;
	CU_ASSERT_EQUAL(admit(), -1);
	CU_ASSERT_EQUAL(err.code, WL_E_RATE_LIMIT);
	end();
}

static void
never_below_zero(void)
{
	struct wl_limit_row row = { .limit = 100, .used = 25 };

	CU_ASSERT_EQUAL(wl_limit_left(&row), 75);
	row.used = 130;
	CU_ASSERT_EQUAL(wl_limit_left(&row), 0);
	/* a plan was made smaller within the month */
	begin();
	counter.used[WL_LN_MONTH] = 60000;
	CU_ASSERT_EQUAL(admit(), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.details,
	    "{\"used\":60000,\"limit\":50000,\"remaining\":0,"));
	headers();
	CU_ASSERT_STRING_EQUAL(header("X-Quota-Remaining"), "0");
	end();
}

static void
windows(void)
{
	begin();
	set_clock("2025-12-31T23:59:59.999Z");
	CU_ASSERT_EQUAL(admit(), 0);
	CU_ASSERT_STRING_EQUAL(ad.month, "2025-12");
	headers();
	/* both end with the year, the month's in the next one */
	CU_ASSERT_STRING_EQUAL(header("X-Quota-Reset"), "1767225600");
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Reset"), "1767225600");
	CU_ASSERT_STRING_EQUAL(header("RateLimit"),
	    "\"minute\";r=9;t=1, \"month\";r=49999;t=1");
	set_clock("2024-02-01T00:00:00.000Z");
	CU_ASSERT_EQUAL(admit(), 0);
	CU_ASSERT_STRING_EQUAL(ad.month, "2024-02");
	headers();
	CU_ASSERT_STRING_EQUAL(header("X-Quota-Reset"), "1709251200");
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Reset"), "1706745660");
	CU_ASSERT_PTR_NOT_NULL(strstr(header("RateLimit-Policy"),
	    "\"month\";q=50000;w=2505600"));
	end();
}

static void
sliding(void)
{
	begin();
	who.sliding = true;
	CU_ASSERT_EQUAL(admit(), 0);
	CU_ASSERT_EQUAL(counter.last.rows[0].kind, WL_L_SLIDING);
	CU_ASSERT_EQUAL(counter.last.rows[1].kind, WL_L_FIXED);
	counter.used[WL_LN_MINUTE] = 10;
	counter.reset_ms[WL_LN_MINUTE] = wl_clock_ms() + 1700;
	CU_ASSERT_EQUAL(admit(), -1);
	/* by then one more would be admitted */
	CU_ASSERT_EQUAL(err.retry_after, 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.details,
	    "\"resetAt\":1736001676,\"retryAfter\":2"));
	end();
}

static void
of_the_key(void)
{
	begin();
	who.key_rpm = 3;
	who.key_month = 100;
	CU_ASSERT_EQUAL(admit(), 0);
	CU_ASSERT_EQUAL(ad.gate.nrows, 4);
	headers();
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Limit"), "3");
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Remaining"), "2");
	CU_ASSERT_STRING_EQUAL(header("X-Quota-Limit"), "100");
	CU_ASSERT_PTR_NOT_NULL(strstr(header("RateLimit-Policy"),
	    "\"key-minute\";q=3;w=60"));
	/* others have used the project's: that is the tighter one now */
	counter.used[WL_LN_MINUTE] = 9;
	CU_ASSERT_EQUAL(admit(), 0);
	headers();
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Limit"), "10");
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Remaining"), "0");
	counter.used[WL_LN_MINUTE] = 0;
	counter.used[WL_LN_KEY_MINUTE] = 3;
	CU_ASSERT_EQUAL(admit(), -1);
	CU_ASSERT_STRING_EQUAL(err.msg, "Rate limit exceeded. You can make 3"
	    " requests per minute with this API key.");
	headers();
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Limit"), "3");
	counter.used[WL_LN_KEY_MINUTE] = 0;
	counter.used[WL_LN_KEY_MONTH] = 100;
	CU_ASSERT_EQUAL(admit(), -1);
	CU_ASSERT_EQUAL(err.code, WL_E_QUOTA);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "this API key"));
	end();
}

static void
at_once(void)
{
	begin();
	who.concurrent = 2;
	counter.used[WL_LN_LEASE] = 1;
	CU_ASSERT_EQUAL(admit(), 0);
	headers();
	CU_ASSERT_PTR_NOT_NULL(strstr(header("RateLimit-Policy"),
	    "\"concurrent\";q=2;qu=\"concurrent-requests\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(header("RateLimit"),
	    "\"concurrent\";r=0"));
	CU_ASSERT_EQUAL(admit(), -1);
	CU_ASSERT_EQUAL(err.code, WL_E_CONCURRENCY);
	CU_ASSERT_STRING_EQUAL(err.details,
	    "{\"limit\":2,\"remaining\":0,\"retryAfter\":1}");
	CU_ASSERT_EQUAL(err.retry_after, 1);
	end();
}

static void
of_tokens(void)
{
	begin();
	who.tokens = 1000;
	who.key_tokens = 600;
	ask.input_estimate = 88;
	counter.used[WL_LN_TOKENS] = 400;
	CU_ASSERT_EQUAL(admit(), 0);
	CU_ASSERT_EQUAL(ad.reserve.tokens, 600);	/* and 512 of output */
	CU_ASSERT_TRUE(ad.reserved);
	headers();
	CU_ASSERT_STRING_EQUAL(header("RateLimit-Policy"),
	    "\"minute\";q=10;w=60, \"tokens\";q=1000;qu=\"tokens\";w=60, "
	    "\"key-tokens\";q=600;qu=\"tokens\";w=60, "
	    "\"month\";q=50000;w=2678400");
	CU_ASSERT_EQUAL(admit(), -1);
	CU_ASSERT_STRING_EQUAL(body(), "{\"error\":{\"message\":\"Too many"
	    " tokens. You can use 1000 per minute on the free plan; this"
	    " request may use 600.\",\"type\":\"rate_limit_error\",\"code\":"
	    "\"tokens_per_minute_exceeded\",\"details\":{\"used\":1000,"
	    "\"limit\":1000,\"remaining\":0,\"requested\":600,"
	    "\"resetAt\":1736001720,\"retryAfter\":47}}}");
	CU_ASSERT_EQUAL(err.retry_after, 47);
	/* one that can never be admitted */
	ask.input_estimate = 5000;
	CU_ASSERT_EQUAL(admit(), -1);
	CU_ASSERT_EQUAL(err.retry_after, 0);
	/* nothing is estimated for who has no such limit */
	who.tokens = who.key_tokens = -1;
	CU_ASSERT_EQUAL(admit(), 0);
	CU_ASSERT_FALSE(ad.reserved);
	end();
}

static void
of_money(void)
{
	begin();
	who.day_nano = 2500000000;
	who.key_month_nano = 10;
	counter.used[WL_LN_DAY_NANO] = 2500000001;
	/* no model: it will be refused, and costs nothing until then */
	CU_ASSERT_EQUAL(admit(), 0);
	CU_ASSERT_EQUAL(ad.gate.nrows, 4);
	CU_ASSERT_TRUE(ad.gate.rows[2].exempt && ad.gate.rows[3].exempt);
	ad.gate.rows[2] = (struct wl_limit_row){
	    .name = WL_LN_DAY_NANO, .limit = 2500000000, .used = 2500000001,
	    .reset_ms = 1736035200000, .cost = 1200 };
	ad.gate.refused_by = 2;
	CU_ASSERT_EQUAL(wl_limit_refuse(arena, &conf, &who, &ad, &err), -1);
	CU_ASSERT_STRING_EQUAL(body(), "{\"error\":{\"message\":\"Budget"
	    " exceeded. You can spend $2.50 per day on the free plan.\","
	    "\"type\":\"quota_exceeded_error\",\"code\":\"budget_exceeded\","
	    "\"details\":{\"used\":2.500000001,\"limit\":2.500000000,"
	    "\"remaining\":0.000000000,\"requested\":0.000001200,"
	    "\"currency\":\"USD\",\"resetAt\":1736035200,\"upgradeUrl\":"
	    "\"https://watchllm.example/dashboard/billing\"}}}");
	end();
}

static const char *
no_param(struct wl_io *io, const char *name)
{
	(void)io;
	(void)name;
	return NULL;
}

static void
of_rules(void)
{
	static const struct wl_io_ops ops = { .param = no_param };
	static struct wl_io io = { &ops, -1 };
	static struct wl_limit_rule rules[] = {
		{ "r1", WL_RS_MODEL, "gpt*", WL_LU_MINUTE, 3, false },
		{ "r2", WL_RS_MODEL, "*", WL_LU_LEASE, 2, true },
	};

	begin();
	req.io = &io;
	who.rules = rules;
	who.nrules = 2;
	ask.model = WL_STR("gpt-4o");
	CU_ASSERT_EQUAL(admit(), 0);
	CU_ASSERT_EQUAL(ad.gate.nrows, 4);
	CU_ASSERT_EQUAL(wl_limit_shadowed(&ad), 0);
	/* many rules are nobody's business until they refuse */
	headers();
	CU_ASSERT_PTR_NULL(strstr(header("RateLimit-Policy"), "rule"));
	ad.gate.rows[3].used = 3;
	CU_ASSERT_EQUAL(wl_limit_shadowed(&ad), 1);
	ad.gate.rows[2].used = 3;
	ad.gate.result = WL_G_REFUSED;
	ad.gate.refused_by = 2;
	CU_ASSERT_EQUAL(wl_limit_refuse(arena, &conf, &who, &ad, &err), -1);
	CU_ASSERT_STRING_EQUAL(err.msg, "Rate limit exceeded. You can make 3"
	    " requests per minute for this model.");
	CU_ASSERT_PTR_NOT_NULL(strstr(err.details,
	    "\"rule\":\"r1\",\"per\":\"model\"}"));
	headers();
	CU_ASSERT_PTR_NOT_NULL(strstr(header("RateLimit-Policy"),
	    "\"rule-minute\";q=3;w=60"));
	end();
}

static void
stale(void)
{
	begin();
	other = who;
	other.rpm = 5;
	keys.next = &other;
	counter.stale = 1;
	CU_ASSERT_EQUAL(admit(), 0);
	CU_ASSERT_EQUAL(keys.again, 1);
	CU_ASSERT_EQUAL(keys.dropped, 1);
	CU_ASSERT_PTR_EQUAL(auth, &other);
	CU_ASSERT_EQUAL(ad.gate.rows[0].limit, 5);
	CU_ASSERT_EQUAL(counter.asked, 2);
	CU_ASSERT_EQUAL(counter.used[WL_LN_MINUTE], 1);
	/* a project that keeps changing does not keep us for ever */
	counter.stale = 100;
	CU_ASSERT_EQUAL(admit(), -1);
	CU_ASSERT_EQUAL(err.code, WL_E_UNAVAILABLE);
	CU_ASSERT_EQUAL(counter.asked, 5);
	/* revoked meanwhile */
	keys.next = NULL;
	CU_ASSERT_EQUAL(admit(), -1);
	CU_ASSERT_EQUAL(err.code, WL_E_INVALID_KEY);
	CU_ASSERT_PTR_NULL(auth);
	CU_ASSERT_EQUAL(counter.used[WL_LN_MINUTE], 1);
	end();
}

static void
away_open(void)
{
	begin();
	conf.on_redis_failure = WL_FAIL_OPEN;
	counter.away = true;
	keys.next = &who;
	CU_ASSERT_EQUAL(admit(), 0);
	CU_ASSERT_EQUAL(err.code, WL_OK);
	CU_ASSERT(ad.admitted && ad.degraded && !ad.known);
	/* a revocation can be learned from PostgreSQL only */
	CU_ASSERT_EQUAL(keys.checked, 1);
	CU_ASSERT_EQUAL(keys.mode, WL_AUTH_RECENT);
	CU_ASSERT_EQUAL(keys.verified, 0);
	headers();
	CU_ASSERT_STRING_EQUAL(header("X-WatchLLM-Limiter"), "degraded");
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Limit"), "10");
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Remaining"), "(none)");
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Reset"), "1736001720");
	CU_ASSERT_STRING_EQUAL(header("X-Quota-Limit"), "50000");
	CU_ASSERT_STRING_EQUAL(header("X-Quota-Remaining"), "(none)");
	CU_ASSERT_STRING_EQUAL(header("X-Quota-Reset"), "1738368000");
	CU_ASSERT_STRING_EQUAL(header("RateLimit"), "(none)");
	keys.next = NULL;
	CU_ASSERT_EQUAL(admit(), -1);
	CU_ASSERT_EQUAL(err.code, WL_E_INVALID_KEY);
	end();
}

static void
away_closed(void)
{
	begin();
	counter.away = true;
	conf.on_redis_failure = WL_FAIL_CLOSED;
	CU_ASSERT_EQUAL(admit(), -1);
	CU_ASSERT_EQUAL(err.code, WL_E_UNAVAILABLE);
	CU_ASSERT(err.retry_after > 0);
	CU_ASSERT_FALSE(ad.admitted);
	/* the limits are PostgreSQL's own: there is nothing to fall back on */
	conf.on_redis_failure = WL_FAIL_OPEN;
	conf.counters = WL_COUNTERS_POSTGRES;
	CU_ASSERT_EQUAL(admit(), -1);
	CU_ASSERT_EQUAL(err.code, WL_E_UNAVAILABLE);
	end();
}

static void
reading(void)
{
	begin();
	counter.used[WL_LN_MINUTE] = 4;
	CU_ASSERT_EQUAL(wl_limit_read(arena, &conf, &who, &ad, &err), 0);
	headers();
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Remaining"), "6");
	CU_ASSERT_EQUAL(counter.used[WL_LN_MINUTE], 4);
	CU_ASSERT_FALSE(ad.admitted);
	counter.away = true;
	CU_ASSERT_EQUAL(wl_limit_read(arena, &conf, &who, &ad, &err), -1);
	headers();
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Limit"), "10");
	CU_ASSERT_STRING_EQUAL(header("X-RateLimit-Remaining"), "(none)");
	CU_ASSERT_STRING_EQUAL(header("X-WatchLLM-Limiter"), "degraded");
	end();
}

static void
outcomes(void)
{
	static const struct {
		enum wl_outcome	 o;
		const char	*name;
		bool		 refund, refund_free;
	} rows[] = {
		{ WL_O_ANSWERED, "answered", false, false },
		{ WL_O_CACHE_HIT, "cache_hit", false, true },
		{ WL_O_REPLAY, "replay", true, true },
		{ WL_O_CLIENT_GONE, "client_gone", false, false },
		{ WL_O_INVALID, "invalid", true, true },
		{ WL_O_UPSTREAM_FAILED, "upstream_failed", true, true },
		{ WL_O_LOST, "lost", false, false },
	};
	size_t i;

	CU_ASSERT_EQUAL(sizeof(rows) / sizeof(rows[0]), WL_OUTCOME_MAX);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_STRING_EQUAL(wl_outcome_name(rows[i].o),
		    rows[i].name);
		CU_ASSERT_EQUAL(wl_outcome_refunds_month(rows[i].o, false),
		    rows[i].refund);
		CU_ASSERT_EQUAL(wl_outcome_refunds_month(rows[i].o, true),
		    rows[i].refund_free);
	}
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "an admitted call and its headers", admitted },
		{ "remaining falls to the refusal", remaining_falls },
		{ "the body of a rate limit", rate_limit_body },
		{ "the body of a quota", quota_body },
		{ "what is left is never below zero", never_below_zero },
		{ "minutes, months and years end", windows },
		{ "a sliding window", sliding },
		{ "the tighter limit of a key", of_the_key },
		{ "calls at once", at_once },
		{ "tokens", of_tokens },
		{ "money", of_money },
		{ "rules", of_rules },
		{ "STALE, once and for ever", stale },
		{ "the limiter is away: open", away_open },
		{ "the limiter is away: closed", away_closed },
		{ "reading debits nothing", reading },
		{ "what outcomes give back", outcomes },
		{ NULL, NULL }
	};

	return wl_tap_run("limit", tests);
}
