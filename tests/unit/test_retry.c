/*
 * The rules of attempts, one by one.
 */
#include "config.h"
#include "lib/core/retry.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/core/call.h"
#include "tests/unit/tap.h"

static char		 list[256];
static struct wl_conf	 conf = { .fallback_on = list, .retry_wait_max = 5000,
    .retry_budget = 20 };
static struct wl_result	 res;

static struct wl_retry_rule
rule(int status, enum wl_code code)
{
	memset(&res, 0, sizeof(res));
	res.upstream_http = status;
	wl_err_set(&res.err, code, NULL);
	return wl_retry_rule(&conf, &res);
}

static void
statuses(void)
{
	static const struct {
		int			 status;
		bool			 again, next;
		enum wl_health_cause	 cause;
	} rows[] = {
		{ 400, false, false, WL_HC_NONE },
		{ 401, false, true, WL_HC_KEY },
		{ 402, false, true, WL_HC_CREDIT },
		{ 403, false, true, WL_HC_FORBIDDEN },
		{ 404, false, false, WL_HC_NONE },
		{ 407, false, true, WL_HC_NONE },
		{ 408, true, true, WL_HC_FAILING },
		{ 409, false, false, WL_HC_NONE },
		{ 413, false, false, WL_HC_NONE },
		{ 422, false, false, WL_HC_NONE },
		{ 429, true, true, WL_HC_RATE },
		{ 499, false, true, WL_HC_NONE },
		{ 500, true, true, WL_HC_FAILING },
		{ 501, false, true, WL_HC_NONE },
		{ 502, true, true, WL_HC_FAILING },
		{ 503, true, true, WL_HC_FAILING },
		{ 504, true, true, WL_HC_FAILING },
		{ 521, true, true, WL_HC_UNREACHABLE },
		{ 524, false, true, WL_HC_FAILING },
		{ 529, true, true, WL_HC_FAILING },
		{ 599, false, true, WL_HC_FAILING },
	};
	struct wl_retry_rule r;
	size_t i;

	snprintf(list, sizeof(list), "401 402 403 408 429 5xx");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		r = rule(rows[i].status, WL_E_UPSTREAM);
		if (r.again != rows[i].again || r.next != rows[i].next ||
		    r.cause != rows[i].cause || r.other_model ||
		    r.word == NULL || r.word[0] == '\0') {
			printf("# %d: %d %d %d\n", rows[i].status, r.again,
			    r.next, (int)r.cause);
			CU_FAIL("wrong rule");
		}
	}
	/* no status */
	r = rule(0, WL_E_UPSTREAM);
	CU_ASSERT(r.again && !r.next && r.cause == WL_HC_UNREACHABLE);
	r = rule(200, WL_E_UPSTREAM);
	CU_ASSERT(r.again && !r.next && r.cause == WL_HC_FAILING);
	r = rule(0, WL_E_UPSTREAM_TIMEOUT);
	CU_ASSERT(!r.again && !r.next && r.cause == WL_HC_FAILING);
	r = rule(200, WL_E_UPSTREAM_INVALID);
	CU_ASSERT(r.again && r.next && r.cause == WL_HC_FAILING);
	r = rule(0, WL_E_INVALID_REQUEST);
	CU_ASSERT(!r.again && !r.next && r.cause == WL_HC_NONE);
	/* no credit is not a matter of seconds */
	memset(&res, 0, sizeof(res));
	res.upstream_http = 429;
	snprintf(res.upstream_code, sizeof(res.upstream_code),
	    "insufficient_quota");
	r = wl_retry_rule(&conf, &res);
	CU_ASSERT(!r.again && r.next && r.cause == WL_HC_CREDIT);
}

static void
lists(void)
{
	static const char *const good[] = { "", " ", "404", "4xx,5XX",
	    "connection  timeout ,context_length", "599" };
	static const char *const bad[] = { "40", "4040", "3xx", "200",
	    "context", "5xx;429", "timeouts" };
	struct wl_err e;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CU_ASSERT_EQUAL(wl_retry_check(good[i], &e), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(wl_retry_check(bad[i], &e), -1);
	CU_ASSERT(strstr(e.msg, "\"timeouts\"") != NULL);
	snprintf(list, sizeof(list), "404,Timeout connection");
	CU_ASSERT(rule(404, WL_E_UPSTREAM).next);
	CU_ASSERT(!rule(500, WL_E_UPSTREAM).next);
	CU_ASSERT(rule(500, WL_E_UPSTREAM).again);
	CU_ASSERT(rule(0, WL_E_UPSTREAM_TIMEOUT).next);
	CU_ASSERT(rule(0, WL_E_UPSTREAM).next);
	snprintf(list, sizeof(list), "4xx");
	CU_ASSERT(rule(413, WL_E_UPSTREAM).next);
	/* named or not, it is never asked again */
	CU_ASSERT(!rule(413, WL_E_UPSTREAM).again);
}

/*
 * Errors as they were published: OpenAI, Anthropic and Gemini in issues of
 * their clients (stanford-crfm/helm 94, docker/docker-agent 569,
 * whoz-oss/coday 26, google-gemini/gemini-cli 11916), Cohere in its
 * reference (docs.cohere.com/reference/errors), llama.cpp in
 * tools/server/server-context.cpp, Bedrock in repost.aws/knowledge-center/
 * bedrock-validation-exception-errors, the others as clients of theirs match
 * them.
 */
static void
contexts(void)
{
	static const struct {
		const char	*code, *msg;
		int		 status;
		bool		 is;
	} rows[] = {
		{ "context_length_exceeded", "This model's maximum context "
		    "length is 2049 tokens, however you requested 2054 tokens "
		    "(2049 in your prompt, 5 for the completion). Please "
		    "reduce your prompt or completion length.", 400, true },
		{ "context_length_exceeded", "", 400, true },
		{ "context_length_exceeded", "Your input exceeds the context "
		    "window of this model.", 200, true },
		{ "invalid_request_error", "prompt is too long: 207791 tokens "
		    "> 200000 maximum", 400, true },
		{ "invalid_request_error", "input length and `max_tokens` "
		    "exceed context limit: 178959 + 64000 > 200000, decrease "
		    "input length or `max_tokens` and try again", 400, true },
		{ "400", "The input token count (218152) exceeds the maximum "
		    "number of tokens allowed (65536).", 400, true },
		{ "", "too many tokens: size limit exceeded by 11326 tokens. "
		    "Try using shorter or fewer inputs, or setting "
		    "prompt_truncation='AUTO'.", 400, true },
		{ "exceed_context_size_error", "request (13392 tokens) exceeds "
		    "the available context size (8192 tokens), try increasing "
		    "it", 400, true },
		{ "", "Input is too long for requested model.", 400, true },
		{ "", "This model's maximum prompt length is 131072 but the "
		    "request contains 537812 tokens", 400, true },
		{ "", "Prompt contains 300000 tokens, too large for model with "
		    "131072 maximum context length", 400, true },
		{ "", "Please reduce the length of the messages or "
		    "completion.", 413, true },
		{ "400", "This endpoint's maximum context length is 1048576 "
		    "tokens. However, you requested about 1293741 tokens",
		    400, true },
		/* of other things */
		{ "rate_limit_exceeded", "Request too large for gpt-4 on "
		    "tokens per min (TPM): Limit 10000, Requested 12000. "
		    "The maximum context length does not matter.", 429,
		    false },
		{ "server_error", "prompt is too long", 500, false },
		{ "invalid_request_error", "max_tokens is too large: 100000. "
		    "This model supports at most 4096 completion tokens",
		    400, false },
		{ "invalid_request_error", "Invalid 'messages[0].name'", 400,
		    false },
	};
	struct wl_retry_rule r;
	size_t i;

	snprintf(list, sizeof(list), "context_length");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&res, 0, sizeof(res));
		res.upstream_http = rows[i].status;
		snprintf(res.upstream_code, sizeof(res.upstream_code), "%s",
		    rows[i].code);
		wl_err_set(&res.err, WL_E_UPSTREAM, "%s", rows[i].msg);
		r = wl_retry_rule(&conf, &res);
		if (wl_retry_is_context(&res) != rows[i].is ||
		    r.other_model != rows[i].is || (rows[i].is &&
		    (!r.next || r.again || r.cause != WL_HC_NONE))) {
			printf("# %s\n", rows[i].msg);
			CU_FAIL("taken for another thing");
		}
	}
	list[0] = '\0';
	snprintf(res.upstream_code, sizeof(res.upstream_code),
	    "context_length_exceeded");
	CU_ASSERT(!wl_retry_rule(&conf, &res).next);
}

static void
waits(void)
{
	int64_t most[8] = { 0 }, w;
	int i, n;

	for (i = 0; i < 2000; i++)
		for (n = 1; n < 8; n++) {
			w = wl_retry_wait(&conf, n);
			CU_ASSERT_FATAL(w >= 0 && w <= 5000);
			if (w > most[n])
				most[n] = w;
		}
	CU_ASSERT(most[1] <= 500 && most[1] > 400);
	CU_ASSERT(most[2] <= 1000 && most[2] > 800);
	CU_ASSERT(most[7] > 4000);
	conf.retry_wait_max = 0;
	CU_ASSERT_EQUAL(wl_retry_wait(&conf, 3), 0);
	conf.retry_wait_max = 5000;
}

static void
budgets(void)
{
	int i, n = 0;

	wl_retry_flush();
	/* a dead provider: each call would like to be made again */
	for (i = 0; i < 1000; i++) {
		wl_retry_earn(&conf, "p", "openai");
		n += wl_retry_spend("p", "openai");
	}
	/* what was saved, and a fifth */
	CU_ASSERT(n >= 205 && n <= 210);
	CU_ASSERT_EQUAL(wl_retry_stat.refused, (uint64_t)(1000 - n));
	/* that is nobody else's budget */
	CU_ASSERT(wl_retry_spend("q", "openai"));
	CU_ASSERT(wl_retry_spend("p", "anthropic"));
	conf.retry_budget = 0;
	wl_retry_flush();
	for (i = 0, n = 0; i < 100; i++) {
		wl_retry_earn(&conf, "p", "openai");
		n += wl_retry_spend("p", "openai");
	}
	CU_ASSERT_EQUAL(n, WL_RETRY_SAVED);
	conf.retry_budget = 20;
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "statuses", statuses },
		{ "fallback_on", lists },
		{ "prompts that are too long", contexts },
		{ "waits", waits },
		{ "budgets", budgets },
		{ NULL, NULL }
	};

	return wl_tap_run("retry", tests);
}
