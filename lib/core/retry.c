/*
 * Rules, waits and budgets of attempts.
 */
#include "config.h"
#include "lib/core/retry.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/hash.h"
#include "lib/base/rand.h"
#include "lib/base/str.h"
#include "lib/core/call.h"

#define FIRST_WAIT_MS	500
#define BUDGETS		1024
#define HEDGE_ONE	10000

struct wl_retry_stat wl_retry_stat;

/*
 * Statuses that say something of the target; the rest of 4xx speaks of the
 * request, and 4xx and 5xx that are not here have the rules below.
 */
static const struct {
	int			 status;
	bool			 again;
	enum wl_health_cause	 cause;
} rules[] = {
	{ 401, false, WL_HC_KEY },
	{ 402, false, WL_HC_CREDIT },
	{ 403, false, WL_HC_FORBIDDEN },
	{ 408, true, WL_HC_FAILING },
	{ 429, true, WL_HC_RATE },
	{ 500, true, WL_HC_FAILING },
	{ 501, false, WL_HC_NONE },
	{ 502, true, WL_HC_FAILING },
	{ 503, true, WL_HC_FAILING },
	{ 504, true, WL_HC_FAILING },
	{ 505, false, WL_HC_NONE },
	{ 520, true, WL_HC_FAILING },
	{ 521, true, WL_HC_UNREACHABLE },
	{ 522, true, WL_HC_UNREACHABLE },
	{ 523, true, WL_HC_UNREACHABLE },
	{ 524, false, WL_HC_FAILING },
	{ 529, true, WL_HC_FAILING },
};
#define RULES	(sizeof(rules) / sizeof(rules[0]))

/*
 * How providers say that a prompt is too long: a code, or words of the
 * message.  tests/unit/test_retry.c has whole messages and where they are
 * from.
 */
static const char *const context_codes[] = {
	"context_length_exceeded",	/* OpenAI, Azure, Groq */
	"exceed_context_size_error",	/* llama.cpp */
	"model_context_window_exceeded",	/* Z.ai */
	"string_above_max_length",	/* OpenAI */
};
static const char *const context_words[] = {
	"context length exceeded",
	"context_length_exceeded",
	"exceed context limit",			/* Anthropic, with max_tokens */
	"exceeds the available context size",	/* llama.cpp */
	"exceeds the context window",		/* OpenAI's Responses */
	"exceeds the maximum number of tokens allowed",	/* Gemini */
	"greater than the context length",	/* LM Studio */
	"input is too long for requested model",	/* Bedrock */
	"longer than the model's context length",	/* Together */
	"maximum context length",		/* OpenAI, vLLM, OpenRouter */
	"maximum prompt length is",		/* xAI */
	"prompt is too long",			/* Anthropic */
	"prompt too long; exceeded",		/* Ollama */
	"reduce the length of the messages",	/* Groq */
	"too large for model with",		/* Mistral */
	"too many tokens: size limit exceeded",	/* Cohere */
};

static bool
has_word(const char *text, const char *const *words, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcasestr(text, words[i]) != NULL)
			return true;
	return false;
}

bool
wl_retry_is_context(const struct wl_result *res)
{
	size_t i;

	/* of a rate, not of a prompt, whatever the words */
	if (res->upstream_http == 429 || (res->upstream_http >= 500 &&
	    res->upstream_http <= 599))
		return false;
	for (i = 0; i < sizeof(context_codes) / sizeof(context_codes[0]); i++)
		if (strcmp(res->upstream_code, context_codes[i]) == 0)
			return true;
	return has_word(res->err.msg, context_words,
	    sizeof(context_words) / sizeof(context_words[0]));
}

/*
 * Whether LIST has WORD.
 */
static bool
is_listed(const char *list, const char *word)
{
	size_t len = strlen(word), n;

	for (; *list != '\0'; list += n) {
		list += strspn(list, " ,");
		n = strcspn(list, " ,");
		if (n == len && strncasecmp(list, word, n) == 0)
			return true;
	}
	return false;
}

static bool
is_listed_status(const char *list, int status)
{
	char word[16];

	snprintf(word, sizeof(word), "%d", status);
	if (is_listed(list, word))
		return true;
	snprintf(word, sizeof(word), "%dxx", status / 100);
	return is_listed(list, word);
}

/*
 * No status: the connection, or the time that it took.
 */
static struct wl_retry_rule
without_status(const char *list, const struct wl_result *res, bool answered)
{
	switch (res->err.code) {
	case WL_E_UPSTREAM_TIMEOUT:
		return (struct wl_retry_rule){ .next = is_listed(list,
		    "timeout"), .cause = WL_HC_FAILING, .word = "timeout" };
	case WL_E_UPSTREAM:
		return (struct wl_retry_rule){ .again = true,
		    .next = is_listed(list, "connection"),
		    .cause = answered ? WL_HC_FAILING : WL_HC_UNREACHABLE,
		    .word = answered ? "broken" : "unreachable" };
	case WL_E_UPSTREAM_INVALID:
		/* an error with status 200, or no answer at all */
		return (struct wl_retry_rule){ .again = true,
		    .next = is_listed_status(list, 500),
		    .cause = WL_HC_FAILING, .word = "invalid" };
	case WL_E_UPSTREAM_CREDENTIALS:
		/* a key that is no header value */
		return (struct wl_retry_rule){ .next = is_listed(list, "401"),
		    .word = "key_invalid" };
	default:
		return (struct wl_retry_rule){ .word = "failed" };
	}
}

static struct wl_retry_rule
of_status(const char *list, int status)
{
	struct wl_retry_rule r = { .next = is_listed_status(list, status),
	    .word = "refused" };
	size_t i;

	for (i = 0; i < RULES && rules[i].status != status; i++)
		;
	if (i < RULES) {
		r.again = rules[i].again;
		r.cause = rules[i].cause;
	} else if (status >= 500) {
		r.cause = WL_HC_FAILING;
	}
	if (r.cause != WL_HC_NONE)
		r.word = wl_health_word(r.cause);
	/* of a proxy on our side, and of another client */
	if (status == 407 || status == 499)
		r.next = true;
	return r;
}

struct wl_retry_rule
wl_retry_rule(const struct wl_conf *conf, const struct wl_result *res)
{
	const char *list = conf->fallback_on == NULL ? "" : conf->fallback_on;
	int status = res->upstream_http;

	if (wl_retry_is_context(res))
		return (struct wl_retry_rule){ .next = is_listed(list,
		    "context_length"), .other_model = true,
		    .word = "context_length" };
	/* no credit, in the words of OpenAI, is no matter of seconds */
	if (status == 429 && strcmp(res->upstream_code,
	    "insufficient_quota") == 0)
		return (struct wl_retry_rule){ .next = is_listed_status(list,
		    429), .cause = WL_HC_CREDIT,
		    .word = wl_health_word(WL_HC_CREDIT) };
	if (status >= 400)
		return of_status(list, status);
	return without_status(list, res, status != 0);
}

int
wl_retry_check(const char *list, struct wl_err *e)
{
	static const char *const words[] = { "4xx", "5xx", "connection",
	    "timeout", "context_length" };
	size_t i, n;

	for (; *list != '\0'; list += n) {
		list += strspn(list, " ,");
		n = strcspn(list, " ,");
		if (n == 3 && (list[0] == '4' || list[0] == '5') &&
		    strspn(list, "0123456789") == 3)
			continue;
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (n == strlen(words[i]) &&
			    strncasecmp(list, words[i], n) == 0)
				break;
		if (n > 0 && i == sizeof(words) / sizeof(words[0]))
			return wl_err_set(e, WL_E_INVALID_REQUEST,
			    "fallback_on: \"%.*s\" is no status and no word "
			    "that is known.", n < 40 ? (int)n : 40, list);
	}
	return 0;
}

int64_t
wl_retry_wait(const struct wl_conf *conf, int n)
{
	int64_t most = FIRST_WAIT_MS;

	while (--n > 0 && most < conf->retry_wait_max)
		most *= 2;
	if (most > conf->retry_wait_max)
		most = conf->retry_wait_max;
	return most <= 0 ? 0 : wl_rand_below((uint32_t)most + 1);
}

/* ---- budgets ----------------------------------------------------------- */

/*
 * Two projects in one place take it from each other: that costs nobody more
 * than WL_RETRY_SAVED attempts.
 */
static struct budget {
	uint64_t	id;
	int64_t		left;		/* hundredths of an attempt */
} budgets[BUDGETS];

static struct budget *
budget_of(const char *project, const char *provider)
{
	uint8_t sum[32];
	struct budget *b;
	struct wl_buf t;
	uint64_t id;

	wl_buf_init(&t, 0);
	wl_buf_add(&t, project, strlen(project) + 1);
	wl_buf_adds(&t, provider);
	wl_sha256(t.p == NULL ? "" : t.p, t.len, sum);
	wl_buf_free(&t);
	memcpy(&id, sum, sizeof(id));
	b = &budgets[id % BUDGETS];
	if (b->id != id) {
		b->id = id;
		b->left = WL_RETRY_SAVED * 100;
	}
	return b;
}

void
wl_retry_earn(const struct wl_conf *conf, const char *project,
    const char *provider)
{
	struct budget *b = budget_of(project, provider);

	b->left += conf->retry_budget;
	if (b->left > WL_RETRY_SAVED * 100)
		b->left = WL_RETRY_SAVED * 100;
}

bool
wl_retry_spend(const char *project, const char *provider)
{
	struct budget *b = budget_of(project, provider);

	if (b->left < 100) {
		wl_retry_stat.refused++;
		return false;
	}
	b->left -= 100;
	return true;
}

bool
wl_retry_hedge(const char *project, int percent, bool spend)
{
	/* no provider has such a name */
	struct budget *b = budget_of(project, "\001hedge");

	/* a call is HEDGE_ONE here, so that hundredths of a per cent count */
	if (b->left > HEDGE_ONE)
		b->left = HEDGE_ONE;
	if (spend) {
		if (b->left < HEDGE_ONE)
			return false;
		b->left = 0;
		return true;
	}
	b->left += percent;
	return true;
}

void
wl_retry_flush(void)
{
	memset(budgets, 0, sizeof(budgets));
	memset(&wl_retry_stat, 0, sizeof(wl_retry_stat));
}
