/*
 * Estimates: which API a body is for, how much it may answer, at what price.
 */
#include "config.h"
#include "lib/core/estimate.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/json.h"
#include "lib/core/price.h"
#include "tests/unit/tap.h"

static struct wl_arena	*arena;

/*
 * In place of the price table: nano-dollars a token; -1: not known.
 */
static int64_t	p_input, p_output, p_reasoning;

int
wl_price_cost(const char *provider, const char *model,
    const struct wl_usage *u, int64_t *nano, int64_t *effective_ms)
{
	CU_ASSERT_STRING_EQUAL(provider, "host");
	CU_ASSERT_STRING_EQUAL(model, "m");
	CU_ASSERT_EQUAL(u->source, WL_U_ESTIMATED);
	if (p_input < 0 || (u->output > 0 && p_output < 0) ||
	    (u->reasoning > 0 && p_reasoning < 0))
		return 0;
	*nano = u->input * p_input;
	if (u->output > 0)
		*nano += u->output * p_output;
	if (u->reasoning > 0)
		*nano += u->reasoning * p_reasoning;
	*effective_ms = 7;
	return 1;
}

static const struct {
	const char	*name, *body;
	int		 api;		/* -1: refused */
} apis[] = {
	{ NULL, "{\"messages\":[]}", WL_API_CHAT },
	{ NULL, "{\"messages\":[],\"prompt\":\"x\"}", WL_API_CHAT },
	{ NULL, "{\"prompt\":\"x\"}", WL_API_COMPLETIONS },
	{ NULL, "{\"prompt\":{\"id\":\"p\"}}", WL_API_RESPONSES },
	{ NULL, "{\"previous_response_id\":\"r\"}", WL_API_RESPONSES },
	{ NULL, "{\"input\":\"x\",\"instructions\":\"y\"}", WL_API_RESPONSES },
	{ NULL, "{\"input\":[{\"role\":\"user\"}]}", WL_API_RESPONSES },
	{ NULL, "{\"input\":[\"x\"]}", WL_API_EMBEDDINGS },
	{ NULL, "{\"input\":\"x\",\"dimensions\":8}", WL_API_EMBEDDINGS },
	{ NULL, "{\"input\":\"x\"}", -1 },
	{ NULL, "{\"input\":\"x\",\"store\":null}", -1 },
	{ NULL, "{}", -1 },
	{ NULL, "{\"model\":\"m\"}", -1 },
	{ "responses", "{\"input\":\"x\"}", WL_API_RESPONSES },
	{ "embeddings", "{\"input\":\"x\"}", WL_API_EMBEDDINGS },
	{ "chat", "{}", WL_API_CHAT },
	{ "completions", "{}", WL_API_COMPLETIONS },
	{ "", "{\"messages\":[]}", -1 },
	{ "Chat", "{\"messages\":[]}", -1 },
};

static void
api(void)
{
	struct wl_err e;
	enum wl_api got;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(apis) / sizeof(apis[0]); i++) {
		memset(&e, 0, sizeof(e));
		rc = wl_estimate_api(apis[i].name, wl_json_parse(arena,
		    apis[i].body, strlen(apis[i].body), NULL), &got, &e);
		CU_ASSERT_EQUAL(rc, apis[i].api == -1 ? -1 : 0);
		if (rc == 0) {
			CU_ASSERT_EQUAL((int)got, apis[i].api);
			continue;
		}
		CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
		CU_ASSERT_STRING_EQUAL(e.param, "api");
	}
	CU_ASSERT_STRING_EQUAL(wl_estimate_api_name(WL_API_RESPONSES),
	    "responses");
}

static int64_t
output(enum wl_api a, int64_t max_tokens, const char *body)
{
	struct wl_ask ask = { .api = a, .max_tokens = max_tokens };

	ask.json = wl_json_parse(arena, body, strlen(body), NULL);
	return wl_estimate_output(&ask);
}

static void
outputs(void)
{
	CU_ASSERT_EQUAL(output(WL_API_CHAT, 0, "{}"), -1);
	CU_ASSERT_EQUAL(output(WL_API_CHAT, 50, "{}"), 50);
	CU_ASSERT_EQUAL(output(WL_API_CHAT, 50, "{\"n\":3}"), 150);
	CU_ASSERT_EQUAL(output(WL_API_CHAT, 50, "{\"n\":-3}"), 50);
	CU_ASSERT_EQUAL(output(WL_API_CHAT, 50, "{\"n\":\"3\"}"), 50);
	CU_ASSERT_EQUAL(output(WL_API_COMPLETIONS, 5,
	    "{\"n\":2,\"best_of\":4}"), 20);
	CU_ASSERT_EQUAL(output(WL_API_CHAT, INT64_MAX, "{\"n\":900000000}"),
	    1000000000);
	CU_ASSERT_EQUAL(output(WL_API_EMBEDDINGS, 5, "{}"), 0);
}

static void
prices(void)
{
	struct wl_estimate e;

	p_input = 3;
	p_output = 5;
	p_reasoning = 4;
	wl_estimate_price("host", "m", 10, 100, &e);
	CU_ASSERT_EQUAL(e.input_nano, 30);
	CU_ASSERT_EQUAL(e.output_nano, 5000000);
	CU_ASSERT_EQUAL(e.most_nano, 530);
	CU_ASSERT_EQUAL(e.effective_ms, 7);
	/* the bound is of the dearer one */
	p_reasoning = 9;
	wl_estimate_price("host", "m", 10, 100, &e);
	CU_ASSERT_EQUAL(e.output_nano, 9000000);
	CU_ASSERT_EQUAL(e.most_nano, 930);
	wl_estimate_price("host", "m", 10, -1, &e);
	CU_ASSERT_EQUAL(e.most_nano, -1);
	CU_ASSERT_EQUAL(e.output_nano, 9000000);
}

static void
unknown(void)
{
	struct wl_estimate e;

	p_input = 3;
	p_output = p_reasoning = -1;
	wl_estimate_price("host", "m", 10, 100, &e);
	CU_ASSERT_EQUAL(e.input_nano, 30);
	CU_ASSERT_EQUAL(e.output_nano, -1);
	CU_ASSERT_EQUAL(e.most_nano, -1);
	/* nothing is answered, so nothing more is needed */
	wl_estimate_price("host", "m", 10, 0, &e);
	CU_ASSERT_EQUAL(e.most_nano, 30);
	p_input = -1;
	wl_estimate_price("host", "m", 10, 0, &e);
	CU_ASSERT_EQUAL(e.input_nano, -1);
	CU_ASSERT_EQUAL(e.most_nano, -1);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "which API a body is for", api },
		{ "how much may be answered", outputs },
		{ "prices", prices },
		{ "what has no price", unknown },
		{ NULL, NULL }
	};
	int status;

	if ((arena = wl_arena_new(1 << 20)) == NULL)
		return 1;
	status = wl_tap_run("estimate", tests);
	wl_arena_free(arena);
	return status;
}
