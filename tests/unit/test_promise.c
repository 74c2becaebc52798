/*
 * A good answer and a good refusal pass; each single lie about them is told.
 */
#include "config.h"
#include "lib/core/promise.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "tests/unit/tap.h"

/* 2025-01-04 14:41:13 UTC; its minute and month end at these */
#define DATE		"Sat, 04 Jan 2025 14:41:13 GMT"
#define MINUTE_END	"1736001720"
#define MONTH_END	"1738368000"

static const char usage_free[] = "{\"project\":{\"id\":\"p\",\"name\":\"P\"},"
    "\"plan\":\"free\",\"rateLimit\":{\"limit\":10,\"used\":4,"
    "\"remaining\":6,\"percentUsed\":40,\"resetAt\":" MINUTE_END ","
    "\"window\":\"fixed\"},\"quota\":{\"limit\":50000,\"used\":100,"
    "\"remaining\":49900,\"percentUsed\":0,\"resetAt\":" MONTH_END ","
    "\"month\":\"2025-01\"}}";
static const char usage_key[] = "{\"plan\":\"pro\",\"rateLimit\":"
    "{\"limit\":200,\"used\":4,\"remaining\":196,\"resetAt\":" MINUTE_END
    ",\"window\":\"sliding\"},\"quota\":{\"limit\":50000,\"used\":100,"
    "\"remaining\":49900,\"resetAt\":" MONTH_END "},\"concurrency\":"
    "{\"limit\":3,\"used\":1,\"remaining\":2},\"keyLimits\":{\"rateLimit\":"
    "{\"limit\":1,\"used\":0,\"remaining\":1,\"resetAt\":" MINUTE_END
    ",\"window\":\"sliding\"}}}";

static const char refusal_body[] = "{\"error\":{\"message\":\"Rate limit "
    "exceeded. You can make 10 requests per minute on the free plan.\","
    "\"type\":\"rate_limit_error\",\"code\":\"rate_limit_exceeded\","
    "\"details\":{\"limit\":10,\"remaining\":0,\"resetAt\":" MINUTE_END ","
    "\"retryAfter\":47}}}";

static struct wl_arena		*arena;
static struct wl_promise_usage	 u;
static struct wl_buf		 wrong;

static void
answer(struct wl_site_seen *s)
{
	*s = (struct wl_site_seen){ .status = 200 };
	s->header[WL_SH_DATE] = DATE;
	s->header[WL_SH_X_REQUEST_ID] = "01943193-2f5e-7c1c-8f6e-0123456789ab";
	s->header[WL_SH_X_RATELIMIT_LIMIT] = "10";
	s->header[WL_SH_X_RATELIMIT_REMAINING] = "6";
	s->header[WL_SH_X_RATELIMIT_RESET] = MINUTE_END;
	s->header[WL_SH_X_QUOTA_LIMIT] = "50000";
	s->header[WL_SH_X_QUOTA_REMAINING] = "49900";
	s->header[WL_SH_X_QUOTA_RESET] = MONTH_END;
	s->header[WL_SH_RATELIMIT_POLICY] = "\"minute\";q=10;w=60, "
	    "\"month\";q=50000;w=2678400";
	s->header[WL_SH_RATELIMIT] = "\"minute\";r=6;t=47, "
	    "\"month\";r=49900;t=2366327";
	s->header[WL_SH_SERVER_TIMING] = "auth;dur=0.1, gate;dur=0.2, "
	    "upstream;dur=3.0, total;dur=4.0";
	s->header[WL_SH_X_WATCHLLM_CACHE] = "BYPASS";
	s->header[WL_SH_X_WATCHLLM_LATENCY_MS] = "4";
	s->header[WL_SH_X_WATCHLLM_PROVIDER] = "openai";
	s->header[WL_SH_X_WATCHLLM_COST_USD] = "0.000012345";
}

static void
refusal(struct wl_site_seen *s)
{
	answer(s);
	s->status = 429;
	s->body = wl_str_of(refusal_body);
	s->header[WL_SH_CONTENT_TYPE] = "application/json";
	s->header[WL_SH_RETRY_AFTER] = "47";
	s->header[WL_SH_X_RATELIMIT_REMAINING] = "0";
	s->header[WL_SH_RATELIMIT] = "\"minute\";r=0;t=47, "
	    "\"month\";r=49900;t=2366327";
	s->header[WL_SH_X_WATCHLLM_CACHE] = NULL;
}

/*
 * What is said of S, as of an answer, or of a refusal.
 */
static const char *
said(const struct wl_site_seen *s)
{
	wl_buf_reset(&wrong);
	wl_promise_headers(&wrong, s, &u);
	if (s->status == 200) {
		wl_promise_agrees(&wrong, s, &u);
		wl_promise_answer(&wrong, s);
	} else {
		wl_promise_refusal(arena, &wrong, s, &u);
		wl_promise_refusal_headers(&wrong, s);
	}
	return wrong.len == 0 ? "" : wrong.p;
}

static void
begin(const char *usage)
{
	arena = wl_arena_new(1 << 22);
	wl_buf_init(&wrong, 0);
	CU_ASSERT_EQUAL(wl_promise_read(arena, wl_str_of(usage), &u), 0);
}

static void
end(void)
{
	wl_buf_free(&wrong);
	wl_arena_free(arena);
}

static void
reading(void)
{
	static const char *const none[] = { "", "{}", "[]", "{\"plan\":1}",
	    "{\"plan\":\"x\",\"quota\":{\"limit\":1}}", "<html>" };
	size_t i;

	begin(usage_free);
	CU_ASSERT_STRING_EQUAL(u.plan, "free");
	CU_ASSERT_EQUAL(u.minute.limit, 10);
	CU_ASSERT_EQUAL(u.minute.used, 4);
	CU_ASSERT_EQUAL(u.minute.reset, 1736001720);
	CU_ASSERT_FALSE(u.minute.sliding);
	CU_ASSERT_FALSE(u.key_minute.there);
	CU_ASSERT_EQUAL(u.concurrent, -1);
	CU_ASSERT_PTR_EQUAL(wl_promise_minute(&u), &u.minute);
	CU_ASSERT_PTR_EQUAL(wl_promise_month(&u), &u.month);
	end();
	begin(usage_key);
	CU_ASSERT_TRUE(u.minute.sliding);
	CU_ASSERT_EQUAL(u.concurrent, 3);
	CU_ASSERT_PTR_EQUAL(wl_promise_minute(&u), &u.key_minute);
	/* a plan without limits is one too */
	CU_ASSERT_EQUAL(wl_promise_read(arena, WL_STR("{\"plan\":\"x\"}"),
	    &u), 0);
	CU_ASSERT_PTR_NULL(wl_promise_minute(&u));
	CU_ASSERT_PTR_NULL(wl_promise_month(&u));
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		CU_ASSERT_EQUAL(wl_promise_read(arena, wl_str_of(none[i]),
		    &u), -1);
	end();
}

static void
good(void)
{
	struct wl_site_seen s;

	begin(usage_free);
	answer(&s);
	CU_ASSERT_STRING_EQUAL(said(&s), "");
	/* the price is not known; the clock is not told, or a second late */
	s.header[WL_SH_X_WATCHLLM_COST_USD] = NULL;
	s.header[WL_SH_DATE] = NULL;
	CU_ASSERT_STRING_EQUAL(said(&s), "");
	s.header[WL_SH_DATE] = "Sat, 04 Jan 2025 14:41:14 GMT";
	CU_ASSERT_STRING_EQUAL(said(&s), "");
	refusal(&s);
	CU_ASSERT_STRING_EQUAL(said(&s), "");
	end();
}

/*
 * One header changed: what must be said of it.
 */
struct lie {
	enum wl_site_header	 header;
	const char		*value;
	const char		*said;
};

static void
tell_lies(void (*fill)(struct wl_site_seen *), const struct lie *lies,
    size_t n)
{
	struct wl_site_seen s;
	size_t i;

	for (i = 0; i < n; i++) {
		fill(&s);
		s.header[lies[i].header] = lies[i].value;
		if (strstr(said(&s), lies[i].said) != NULL)
			continue;
		printf("# %s: %s: said: %s\n",
		    wl_site_header_name(lies[i].header), lies[i].value !=
		    NULL ? lies[i].value : "absent", said(&s));
		CU_FAIL("a lie passes");
	}
}

static void
answer_lies(void)
{
	static const struct lie lies[] = {
		{ WL_SH_X_REQUEST_ID, NULL, "X-Request-Id is missing" },
		{ WL_SH_X_REQUEST_ID, "7", "X-Request-Id is no UUID" },
		{ WL_SH_X_RATELIMIT_LIMIT, NULL,
		    "X-RateLimit-Limit is missing" },
		{ WL_SH_X_RATELIMIT_LIMIT, "11",
		    "X-RateLimit-Limit is 11, GET /v1/usage says 10" },
		{ WL_SH_X_RATELIMIT_LIMIT, "ten",
		    "X-RateLimit-Limit is no number" },
		{ WL_SH_X_RATELIMIT_REMAINING, NULL,
		    "X-RateLimit-Remaining is missing" },
		{ WL_SH_X_RATELIMIT_REMAINING, "-1",
		    "X-RateLimit-Remaining is no number" },
		{ WL_SH_X_RATELIMIT_REMAINING, "5", "RateLimit says 6" },
		{ WL_SH_X_RATELIMIT_REMAINING, "5", "GET /v1/usage says 6" },
		{ WL_SH_X_RATELIMIT_RESET, NULL,
		    "X-RateLimit-Reset is missing" },
		{ WL_SH_X_RATELIMIT_RESET, "1736001721",
		    "not the start of a minute" },
		{ WL_SH_X_RATELIMIT_RESET, "1736001780", "is in 107 s" },
		{ WL_SH_X_RATELIMIT_RESET, "1736001660", "is 13 s ago" },
		{ WL_SH_X_QUOTA_LIMIT, NULL, "X-Quota-Limit is missing" },
		{ WL_SH_X_QUOTA_REMAINING, "50000", "RateLimit says 49900" },
		{ WL_SH_X_QUOTA_RESET, "1738454400",
		    "not the start of a month" },
		{ WL_SH_X_QUOTA_RESET, "1740787200",
		    "GET /v1/usage says 1738368000" },
		{ WL_SH_RATELIMIT_POLICY, NULL,
		    "RateLimit-Policy does not tell of minute" },
		{ WL_SH_RATELIMIT_POLICY, "\"minute\";q=10;w=60",
		    "RateLimit-Policy does not tell of month" },
		{ WL_SH_RATELIMIT_POLICY, "\"minute\";q=10;w=30, "
		    "\"month\";q=50000;w=2678400", "the window of minute" },
		{ WL_SH_RATELIMIT_POLICY, "\"minute\";q=20;w=60, "
		    "\"month\";q=50000;w=2678400", "minute is 20" },
		{ WL_SH_RATELIMIT, NULL, "RateLimit does not tell of minute" },
		{ WL_SH_RATELIMIT, "\"minute\";r=6;t=90, "
		    "\"month\";r=49900;t=2366327", "ends in 90 s" },
		{ WL_SH_RATELIMIT, "minute;r=6;t=47, "
		    "\"month\";r=49900;t=2366327", "does not tell of minute" },
		{ WL_SH_SERVER_TIMING, NULL, "Server-Timing is missing" },
		{ WL_SH_SERVER_TIMING, "auth;dur=0.1, total;dur=1",
		    "does not tell of gate" },
		{ WL_SH_X_WATCHLLM_LIMITER, "degraded", "limiter is away" },
		{ WL_SH_X_WATCHLLM_CACHE, NULL, "X-WatchLLM-Cache is missing" },
		{ WL_SH_X_WATCHLLM_CACHE, "MAYBE", "X-WatchLLM-Cache is MAYBE" },
		{ WL_SH_X_WATCHLLM_LATENCY_MS, NULL, "Latency-Ms is missing" },
		{ WL_SH_X_WATCHLLM_PROVIDER, NULL, "Provider is missing" },
		{ WL_SH_X_WATCHLLM_COST_USD, "0.01", "Cost-USD is 0.01" },
		{ WL_SH_RETRY_AFTER, "3", "Retry-After on an answer" },
	};

	begin(usage_free);
	tell_lies(answer, lies, sizeof(lies) / sizeof(lies[0]));
	end();
}

static void
refusal_lies(void)
{
	static const struct lie lies[] = {
		{ WL_SH_RETRY_AFTER, NULL, "Retry-After is missing" },
		{ WL_SH_RETRY_AFTER, "0", "Retry-After is 0" },
		{ WL_SH_RETRY_AFTER, "61", "Retry-After is 61" },
		{ WL_SH_RETRY_AFTER, "20", "details.retryAfter is 47" },
		{ WL_SH_RETRY_AFTER, "20", "X-RateLimit-Reset is in 47 s" },
		{ WL_SH_X_RATELIMIT_REMAINING, "1",
		    "X-RateLimit-Remaining is 1" },
		{ WL_SH_X_RATELIMIT_RESET, "1736001780",
		    "details.resetAt is 1736001720" },
		{ WL_SH_X_SHOULD_RETRY, "false", "X-Should-Retry" },
		{ WL_SH_CONTENT_TYPE, "text/html", "Content-Type is text" },
		{ WL_SH_CONTENT_TYPE, NULL, "Content-Type is missing" },
	};

	begin(usage_free);
	tell_lies(refusal, lies, sizeof(lies) / sizeof(lies[0]));
	end();
}

/*
 * The good body with the first OLD in it made NEW, judged.
 */
static const char *
with(const char *old, const char *new)
{
	const char *at = strstr(refusal_body, old);
	static char body[1024];
	struct wl_site_seen s;

	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	snprintf(body, sizeof(body), "%.*s%s%s", (int)(at - refusal_body),
	    refusal_body, new, at + strlen(old));
	refusal(&s);
	s.body = wl_str_of(body);
	return said(&s);
}

static void
bodies(void)
{
	struct wl_site_seen s;

	begin(usage_free);
	CU_ASSERT_STRING_EQUAL(with("free plan", "free plan"), "");
	CU_ASSERT_PTR_NOT_NULL(strstr(with("free plan", "free plan!"),
	    "message is \"Rate limit"));
	CU_ASSERT_PTR_NOT_NULL(strstr(with("make 10", "make 11"),
	    "message is"));
	CU_ASSERT_STRING_EQUAL(with("rate_limit_error", "api_error"),
	    "type is \"api_error\"");
	CU_ASSERT_STRING_EQUAL(with("rate_limit_exceeded", "too_many"),
	    "code is \"too_many\"");
	CU_ASSERT_STRING_EQUAL(with("\"limit\":10", "\"limit\":11"),
	    "details.limit is 11, GET /v1/usage says 10");
	CU_ASSERT_STRING_EQUAL(with("\"remaining\":0", "\"remaining\":1"),
	    "details.remaining is 1, the refusal says 0");
	CU_ASSERT_STRING_EQUAL(with("\"remaining\":0", "\"remaining\":\"0\""),
	    "details.remaining is no whole number");
	CU_ASSERT_STRING_EQUAL(with("\"remaining\":0,", ""),
	    "details.remaining is missing in the body");
	CU_ASSERT_STRING_EQUAL(with("\"limit\":10,", "\"limit\":10,\"x\":1,"),
	    "the body has more than promised in details");
	CU_ASSERT_STRING_EQUAL(with("{\"error\"", "{\"x\":1,\"error\""),
	    "the body has more than promised");
	refusal(&s);
	s.body = WL_STR("<html>");
	CU_ASSERT_PTR_NOT_NULL(strstr(said(&s), "error is missing"));
	s.status = 503;
	CU_ASSERT_PTR_NOT_NULL(strstr(said(&s), "the status is 503"));
	end();
}

static void
by_key(void)
{
	struct wl_site_seen s;

	begin(usage_key);
	refusal(&s);
	s.header[WL_SH_X_RATELIMIT_LIMIT] = "1";
	s.header[WL_SH_RATELIMIT_POLICY] = "\"minute\";q=200;w=60, "
	    "\"key-minute\";q=1;w=60, \"month\";q=50000;w=2678400, "
	    "\"concurrent\";q=3;qu=\"concurrent-requests\"";
	s.header[WL_SH_RATELIMIT] = "\"minute\";r=196;t=60, "
	    "\"key-minute\";r=0;t=47, \"month\";r=49900;t=2366327, "
	    "\"concurrent\";r=3";
	s.body = WL_STR("{\"error\":{\"message\":\"Rate limit exceeded. You "
	    "can make 1 request per minute with this API key.\",\"type\":"
	    "\"rate_limit_error\",\"code\":\"rate_limit_exceeded\","
	    "\"details\":{\"limit\":1,\"remaining\":0,\"resetAt\":"
	    MINUTE_END ",\"retryAfter\":47}}}");
	CU_ASSERT_STRING_EQUAL(said(&s), "");
	s.header[WL_SH_RATELIMIT_POLICY] = "\"minute\";q=200;w=60, "
	    "\"month\";q=50000;w=2678400";
	CU_ASSERT_STRING_EQUAL(said(&s),
	    "RateLimit-Policy does not tell of key-minute");
	end();
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "usage", reading },
		{ "a good answer, a good refusal", good },
		{ "lies of an answer", answer_lies },
		{ "lies of a refusal", refusal_lies },
		{ "bodies of a refusal", bodies },
		{ "the limit of a key, sliding", by_key },
		{ NULL, NULL }
	};

	return wl_tap_run("promise", tests);
}
