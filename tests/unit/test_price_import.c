/*
 * Price lists: our CSV, LiteLLM's JSON, and what is wrong with either.
 */
#include "config.h"
#include "lib/core/price_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmp.h"

/* 2026-11-24T08:00:00Z */
#define NOW	((int64_t)1795507200000)

static struct wl_arena		*arena;
static struct wl_price_import	 list;
static struct wl_err		 e;

static int
import(const char *text, size_t len, const char *provider)
{
	wl_arena_reset(arena);
	memset(&e, 0, sizeof(e));
	return wl_price_import_read(arena, text, len, provider, NOW, &list,
	    &e);
}

static int
import_text(const char *text)
{
	return import(text, strlen(text), NULL);
}

static int
import_file(const char *name, const char *provider)
{
	const char *src = getenv("top_srcdir");
	char path[1024];
	size_t len;
	char *text;
	int rc;

	snprintf(path, sizeof(path), "%s/%s", src != NULL ? src : ".", name);
	text = wl_tmp_read(path, &len);
	rc = import(text, len, provider);
	free(text);
	return rc;
}

/*
 * The price of PROVIDER and MODEL; one without figures when it is not there.
 */
static const struct wl_db_price_row *
price(const char *provider, const char *model)
{
	static const struct wl_db_price_row none = { "", "", "", "", 0, 0,
	    { 0 }, 0, 0 };
	int i;

	for (i = 0; i < list.n; i++)
		if (strcmp(list.rows[i].provider, provider) == 0 &&
		    strcmp(list.rows[i].model, model) == 0)
			return &list.rows[i];
	printf("# no price of %s %s\n", provider, model);
	return &none;
}

/* the figures of a price, in the order of the enum, but for the last two */
#define FIGURES(provider, model, ...) do { \
	const int64_t want[] = { __VA_ARGS__ }; \
	CU_ASSERT_EQUAL(sizeof(want) / sizeof(want[0]), \
	    WL_PF_CACHE_READ_ABOVE_200K); \
	CU_ASSERT_EQUAL(memcmp(price(provider, model)->nano, want, \
	    sizeof(want)), 0); \
} while (0)

/* ---- CSV --------------------------------------------------------------- */

static void
test_seed(void)
{
	CU_ASSERT_EQUAL(import_file("sql/seed/model_prices.csv", NULL), 0);
	CU_ASSERT_EQUAL(list.n, 253);
	FIGURES("openai", "gpt-4o", 2500000000, 10000000000, 1250000000, -1,
	    1250000000, 5000000000, -1, -1, -1);
	FIGURES("anthropic", "claude-sonnet-4-20250514", 3000000000,
	    15000000000, 300000000, 3750000000, -1, -1, 6000000000,
	    22500000000, -1);
	FIGURES("deepseek", "deepseek-v4-pro", 435000000, 870000000, 3625000,
	    0, -1, -1, -1, -1, -1);
	CU_ASSERT_EQUAL(price("openai", "gpt-4o")->max_input, 128000);
	CU_ASSERT_EQUAL(price("openai", "gpt-4o")->max_output, 16384);
	CU_ASSERT_EQUAL(price("openai", "gpt-4o")->from_ms, WL_PRICE_UNSET);
	CU_ASSERT_STRING_EQUAL(price("openai", "gpt-4o")->source,
	    "litellm-2026-07-24");
	CU_ASSERT_STRING_EQUAL(price("openai", "gpt-4o")->mode, "chat");
}

static void
test_seed_of_one(void)
{
	CU_ASSERT_EQUAL(import_file("sql/seed/model_prices.csv", "xai"), 0);
	CU_ASSERT_EQUAL(list.n, 6);
	CU_ASSERT_EQUAL(list.skipped[WL_SKIP_PROVIDER], 247);
}

static void
test_csv_forms(void)
{
	/* any order of columns, a mark of UTF-8, CR LF, quotes, no last LF */
	CU_ASSERT_EQUAL(import_text("\xef\xbb\xbf"
	    "model,output_usd_per_mtok,provider,input_usd_per_mtok,"
	    "effective_from,reasoning_usd_per_mtok\r\n"
	    "\"a, \"\"b\"\"\",2,p, 1.5e-1 ,2026-01-31T00:00:00+01:00,\r\n"
	    "\r\n"
	    "\"c\",\"0.0000000005\",p,0.0000000015,,0.0000000025"), 0);
	CU_ASSERT_EQUAL(list.n, 2);
	FIGURES("p", "a, \"b\"", 150000000, 2000000000, -1, -1, -1, -1, -1,
	    -1, -1);
	/* half a nano-dollar goes to the even one */
	FIGURES("p", "c", 2, 0, -1, -1, -1, -1, -1, -1, 2);
	CU_ASSERT_EQUAL(price("p", "a, \"b\"")->from_ms, 1769814000000);
	CU_ASSERT_EQUAL(price("p", "c")->from_ms, WL_PRICE_UNSET);
	CU_ASSERT_STRING_EQUAL(price("p", "c")->source, "csv-2026-11-24");
	CU_ASSERT_EQUAL(price("p", "c")->max_input, -1);
}

static void
test_csv_of_one(void)
{
	static const char text[] = "model,input_usd_per_mtok\nm,1\n";

	CU_ASSERT_EQUAL(import(text, sizeof(text) - 1, "mine"), 0);
	FIGURES("mine", "m", 1000000000, -1, -1, -1, -1, -1, -1, -1, -1);
	CU_ASSERT_EQUAL(import_text(text), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "provider"));
	CU_ASSERT_EQUAL(import(text, sizeof(text) - 1, "No Such"), -1);
}

static void
test_csv_twice(void)
{
	/* the first counts; another time is another price */
	CU_ASSERT_EQUAL(import_text(
	    "provider,model,input_usd_per_mtok,effective_from\n"
	    "p,m,1,\nq,m,2,\np,m,3,\np,m,4,2026-01-01T00:00:00Z\np,m,5,\n"),
	    0);
	CU_ASSERT_EQUAL(list.n, 3);
	CU_ASSERT_EQUAL(list.skipped[WL_SKIP_TWICE], 2);
	CU_ASSERT_EQUAL(list.rows[0].nano[WL_PF_INPUT], 1000000000);
	CU_ASSERT_EQUAL(list.rows[1].nano[WL_PF_INPUT], 2000000000);
	CU_ASSERT_EQUAL(list.rows[2].nano[WL_PF_INPUT], 4000000000);
}

static void
test_csv_faults(void)
{
	static const struct {
		const char	*text, *msg;
	} rows[] = {
		{ "", "empty" },
		{ " \r\n ", "empty" },
		{ "provider,model,price\n", "line 1, price: no such column" },
		{ "provider,model,model\n", "line 1, model: twice" },
		{ "provider,mode\n", "\"model\" is needed" },
		{ "provider,model\np\n", "line 2: too few fields" },
		{ "provider,model\np,m,1\n", "line 2: too many fields" },
		{ "provider,model\n\np,m,1\n", "line 3: too many fields" },
		{ "provider,model\n,m\n", "line 2, provider" },
		{ "provider,model\nP Q,m\n", "line 2, provider" },
		{ "provider,model\np,\n", "line 2, model: missing" },
		{ "provider,model\np,a\"b\n", "quote within" },
		{ "provider,model\np,\"ab\n", "not closed" },
		{ "provider,model\np,\"a\"b\n", "not closed" },
		{ "provider,model\np,a\x01\n", "not a word" },
		{ "provider,model\np,a\xff\n", "not a word" },
		{ "provider,model,input_usd_per_mtok\np,m,-1\n",
		    "line 2, input: not an amount" },
		{ "provider,model,input_usd_per_mtok\np,m,1.2.3\n",
		    "not an amount" },
		{ "provider,model,input_usd_per_mtok\np,m,$3\n",
		    "not an amount" },
		{ "provider,model,input_usd_per_mtok\np,m,1e30\n",
		    "not an amount" },
		{ "provider,model,input_usd_per_mtok\np,m,nan\n",
		    "not an amount" },
		{ "provider,model,max_input_tokens\np,m,1.5\n",
		    "not a number of tokens" },
		{ "provider,model,effective_from\np,m,2026-01-01\n",
		    "not a time" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_EQUAL(import_text(rows[i].text), -1);
		CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
		if (strstr(e.msg, rows[i].msg) == NULL) {
			printf("# %s\n", e.msg);
			CU_FAIL("another message");
		}
	}
}

/* ---- LiteLLM ----------------------------------------------------------- */

static void
test_litellm(void)
{
	CU_ASSERT_EQUAL(import_file("tests/data/litellm_prices.json", NULL),
	    0);
	CU_ASSERT_EQUAL(list.n, 43);
	CU_ASSERT_EQUAL(list.skipped[WL_SKIP_EXAMPLE], 1);
	CU_ASSERT_EQUAL(list.skipped[WL_SKIP_NO_TOKENS], 2);
	CU_ASSERT_EQUAL(list.skipped[WL_SKIP_TWICE], 1);
	CU_ASSERT_EQUAL(list.skipped[WL_SKIP_INVALID], 0);
	CU_ASSERT_EQUAL(list.skipped[WL_SKIP_PROVIDER], 0);

	/* exact, where a double of 1.5e-07 * 1e15 is 149999999.99999997 */
	FIGURES("openai", "gpt-4o-mini", 150000000, 600000000, 75000000, -1,
	    75000000, 300000000, -1, -1, -1);
	FIGURES("bedrock", "amazon.nova-2-pro-preview-20251202-v1:0",
	    2187500000, 17500000000, 546875000, -1, -1, -1, -1, -1, -1);
	FIGURES("openai", "o1-pro", 150000000000, 600000000000, -1, -1,
	    75000000000, 300000000000, -1, -1, -1);
	FIGURES("anthropic", "claude-sonnet-4-20250514", 3000000000,
	    15000000000, 300000000, 3750000000, -1, -1, 6000000000,
	    22500000000, -1);
	CU_ASSERT_EQUAL(price("anthropic", "claude-sonnet-4-20250514")->
	    nano[WL_PF_CACHE_READ_ABOVE_200K], 600000000);
	CU_ASSERT_EQUAL(price("anthropic", "claude-sonnet-4-20250514")->
	    nano[WL_PF_CACHE_WRITE_ABOVE_200K], 7500000000);
	CU_ASSERT_EQUAL(price("openai", "gpt-4o")->
	    nano[WL_PF_CACHE_READ_ABOVE_200K], -1);
	CU_ASSERT_EQUAL(price("anthropic", "claude-opus-4-20250514")->
	    nano[WL_PF_CACHE_WRITE_1H], 30000000000);
	/* dollars each, not per token */
	CU_ASSERT_EQUAL(price("openai", "whisper-1")->nano[WL_PF_SECOND],
	    100000000000);
	CU_ASSERT_EQUAL(price("openai", "tts-1")->nano[WL_PF_CHARACTER],
	    15000000000);
	CU_ASSERT_EQUAL(price("vertex_ai", "imagegeneration@006")->
	    nano[WL_PF_IMAGE], 20000000000000);
	CU_ASSERT_EQUAL(price("openai", "gpt-4o-mini-transcribe")->
	    nano[WL_PF_AUDIO_INPUT], 3000000000);
	FIGURES("perplexity", "sonar-deep-research", 2000000000, 8000000000,
	    -1, -1, -1, -1, -1, -1, 3000000000);
	FIGURES("ollama", "llama3.1", 0, 0, -1, -1, -1, -1, -1, -1, -1);
	FIGURES("vertex_ai", "text-embedding-005", 100000000, 0, -1, -1, -1,
	    -1, -1, -1, -1);
	/* the first of two names for the same */
	FIGURES("deepseek", "deepseek-chat", 280000000, 420000000, 28000000,
	    -1, -1, -1, -1, -1, -1);

	CU_ASSERT_STRING_EQUAL(price("openai", "o1-pro")->mode, "responses");
	CU_ASSERT_STRING_EQUAL(price("openai", "gpt-4o")->source,
	    "litellm-2026-11-24");
	CU_ASSERT_EQUAL(price("xai", "grok-4-fast-reasoning")->max_input,
	    2000000);
	CU_ASSERT_EQUAL(price("perplexity",
	    "sonar-deep-research")->max_output, -1);
}

static void
test_litellm_names(void)
{
	static const char *const names[][2] = {
		{ "anthropic", "claude-opus-4-20250514" },
		{ "azure", "gpt-4o-mini" },
		{ "azure", "us/gpt-4o-2024-08-06" },
		{ "codestral", "codestral-latest" },
		{ "cohere", "command-r-plus" },
		{ "deepseek", "deepseek-reasoner" },
		{ "fireworks_ai", "accounts/fireworks/models/deepseek-v3" },
		{ "fireworks_ai", "fireworks_ai-embedding-up-to-150m" },
		{ "gemini", "gemini-2.5-flash" },
		{ "groq", "llama-3.3-70b-versatile" },
		{ "mistral", "mistral-large-latest" },
		{ "openai", "ft:gpt-4o-2024-08-06" },
		{ "openai", "gpt-3.5-turbo-instruct" },
		{ "openrouter", "anthropic/claude-3.5-sonnet" },
		{ "together", "meta-llama/Llama-3.3-70B-Instruct-Turbo" },
		{ "together", "together-ai-4.1b-8b" },
		{ "vertex_ai", "claude-sonnet-4" },
		{ "vertex_ai", "gemini-2.5-pro" },
		{ "xai", "grok-4" },
	};
	size_t i;

	CU_ASSERT_EQUAL(import_file("tests/data/litellm_prices.json", NULL),
	    0);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		CU_ASSERT_STRING_EQUAL(price(names[i][0], names[i][1])->model,
		    names[i][1]);
}

static void
test_litellm_of_one(void)
{
	CU_ASSERT_EQUAL(import_file("tests/data/litellm_prices.json", "groq"),
	    0);
	CU_ASSERT_EQUAL(list.n, 3);
	CU_ASSERT_EQUAL(list.skipped[WL_SKIP_NO_TOKENS], 0);
}

static void
test_litellm_odd(void)
{
	/* left out, each for its own reason, and the rest is good */
	CU_ASSERT_EQUAL(import_text("{"
	    "\"a\": 3, \"b\": [], \"c\": {},"
	    "\"d\": {\"litellm_provider\": 7, \"input_cost_per_token\": 1},"
	    "\"e\": {\"litellm_provider\": \"A B\","
	    " \"input_cost_per_token\": 1e-6},"
	    "\"f\": {\"litellm_provider\": \"p\","
	    " \"input_cost_per_token\": \"1e-6\"},"
	    "\"g\": {\"litellm_provider\": \"p\","
	    " \"input_cost_per_token\": -1e-6},"
	    "\"h\": {\"litellm_provider\": \"p\","
	    " \"input_cost_per_token\": 1e9},"
	    "\"\": {\"litellm_provider\": \"p\","
	    " \"input_cost_per_token\": 1e-6},"
	    "\"i\\u0000j\": {\"litellm_provider\": \"p\"},"
	    "\"k\": {\"litellm_provider\": \"p\"}"
	    "}"), -1);	/* a NUL in a name */
	CU_ASSERT_EQUAL(import_text("{"
	    "\"a\": 3, \"b\": [], \"c\": {},"
	    "\"d\": {\"litellm_provider\": 7, \"input_cost_per_token\": 1},"
	    "\"e\": {\"litellm_provider\": \"A B\","
	    " \"input_cost_per_token\": 1e-6},"
	    "\"f\": {\"litellm_provider\": \"p\","
	    " \"input_cost_per_token\": \"1e-6\"},"
	    "\"g\": {\"litellm_provider\": \"p\","
	    " \"input_cost_per_token\": -1e-6},"
	    "\"h\": {\"litellm_provider\": \"p\","
	    " \"input_cost_per_token\": 1e9},"
	    "\"\": {\"litellm_provider\": \"p\","
	    " \"input_cost_per_token\": 1e-6},"
	    "\"k\": {\"litellm_provider\": \"p\"},"
	    "\"l\": {\"litellm_provider\": \"p\","
	    " \"input_cost_per_token\": null, \"mode\": null,"
	    " \"output_cost_per_token\": 1E-6, \"max_input_tokens\": \"x\"},"
	    "\"p\\/m\\u00e9\": {\"litellm_provider\": \"p\","
	    " \"input_cost_per_token\": 0.000000000000000499}"
	    "}"), 0);
	CU_ASSERT_EQUAL(list.skipped[WL_SKIP_INVALID], 9);
	CU_ASSERT_EQUAL(list.skipped[WL_SKIP_NO_TOKENS], 1);
	CU_ASSERT_EQUAL(list.n, 2);
	FIGURES("p", "l", -1, 1000000000, -1, -1, -1, -1, -1, -1, -1);
	CU_ASSERT_EQUAL(price("p", "l")->max_input, -1);
	CU_ASSERT_STRING_EQUAL(price("p", "l")->mode, "chat");
	FIGURES("p", "m\xc3\xa9", 0, -1, -1, -1, -1, -1, -1, -1, -1);
}

static void
test_litellm_faults(void)
{
	static const char *const texts[] = {
		"{", "{]", "{\"a\":}", "{\"a\":{}} x", "{\"a\":{\"b\":01}}"
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CU_ASSERT_EQUAL(import_text(texts[i]), -1);
		CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
	}
	CU_ASSERT_EQUAL(import_text("{}"), 0);
	CU_ASSERT_EQUAL(list.n, 0);
}

/*
 * A list as long as the real one, and longer.
 */
static void
test_litellm_long(void)
{
	const size_t n = 20000, each = 160;
	char *text = malloc(n * each);
	size_t i, len = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	for (i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, n * each - len,
		    "%c\"m%zu\":{\"litellm_provider\":\"openai\","
		    "\"input_cost_per_token\":%zue-9,"
		    "\"output_cost_per_token\":1e-05}", i == 0 ? '{' : ',', i,
		    i);
	text[len++] = '}';
	CU_ASSERT_EQUAL(import(text, len, NULL), 0);
	free(text);
	CU_ASSERT_EQUAL(list.n, (int)n);
	CU_ASSERT_EQUAL(list.rows[n - 1].nano[WL_PF_INPUT],
	    (int64_t)(n - 1) * 1000000);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "the list we ship", test_seed },
		{ "the list we ship, of one provider", test_seed_of_one },
		{ "CSV as others write it", test_csv_forms },
		{ "CSV without a provider", test_csv_of_one },
		{ "CSV with a price twice", test_csv_twice },
		{ "faults of CSV", test_csv_faults },
		{ "LiteLLM", test_litellm },
		{ "LiteLLM: names", test_litellm_names },
		{ "LiteLLM: one provider", test_litellm_of_one },
		{ "LiteLLM: odd entries", test_litellm_odd },
		{ "LiteLLM: no JSON", test_litellm_faults },
		{ "LiteLLM: many entries", test_litellm_long },
		{ NULL, NULL }
	};
	int ret;

	if ((arena = wl_arena_new((size_t)256 << 20)) == NULL)
		return 99;
	ret = wl_tap_run("price_import", tests);
	wl_arena_free(arena);
	return ret;
}
