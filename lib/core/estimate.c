/*
 * Estimates.  Prices are asked for as a call asks for them, so that both say
 * the same.
 */
#include "config.h"
#include "lib/core/estimate.h"

#include <string.h>

#include "lib/base/json.h"
#include "lib/core/price.h"

#define MILLION	((int64_t)1000000)
/* More choices than any host gives; keeps the product in range. */
#define CHOICES_MAX	((int64_t)1000)
#define OUTPUT_MAX	((int64_t)1000000000)

static const struct {
	const char	*name;
	enum wl_api	 api;
} apis[] = {
	{ "chat", WL_API_CHAT },
	{ "completions", WL_API_COMPLETIONS },
	{ "embeddings", WL_API_EMBEDDINGS },
	{ "responses", WL_API_RESPONSES },
};
#define APIS	(sizeof(apis) / sizeof(apis[0]))

/* Members that tell a response from embeddings; both have "input". */
static const char *const of_response[] = { "conversation", "instructions",
    "max_output_tokens", "previous_response_id", "reasoning", "store",
    "stream", "text", "tools" };
static const char *const of_embedding[] = { "dimensions", "encoding_format" };

const char *
wl_estimate_api_name(enum wl_api api)
{
	size_t i;

	for (i = 0; i < APIS; i++)
		if (apis[i].api == api)
			return apis[i].name;
	return "";
}

static bool
has_any(struct json_object *o, const char *const *names, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (wl_json_has(o, names[i]))
			return true;
	return false;
}

static int
unclear(struct wl_err *e, const char *msg)
{
	wl_err_set(e, WL_E_INVALID_REQUEST, "%s", msg);
	e->param = "api";
	return -1;
}

static int
by_input(struct json_object *body, enum wl_api *api, struct wl_err *e)
{
	struct json_object *list = wl_json_arr(body, "input");
	bool response, embedding;

	response = has_any(body, of_response,
	    sizeof(of_response) / sizeof(of_response[0])) ||
	    (list != NULL && json_object_is_type(
	    json_object_array_get_idx(list, 0), json_type_object));
	embedding = list != NULL || has_any(body, of_embedding,
	    sizeof(of_embedding) / sizeof(of_embedding[0]));
	*api = response ? WL_API_RESPONSES : WL_API_EMBEDDINGS;
	return response || embedding ? 0 : unclear(e, "This may be for "
	    "embeddings or for a response. Say which: ?api=embeddings or "
	    "?api=responses.");
}

int
wl_estimate_api(const char *name, struct json_object *body, enum wl_api *api,
    struct wl_err *e)
{
	size_t i;

	for (i = 0; name != NULL && i < APIS; i++)
		if (strcmp(apis[i].name, name) == 0) {
			*api = apis[i].api;
			return 0;
		}
	if (name != NULL)
		return unclear(e, "\"api\" must be chat, completions, "
		    "embeddings or responses.");
	*api = WL_API_CHAT;
	if (wl_json_has(body, "messages"))
		return 0;
	if (wl_json_has(body, "input"))
		return by_input(body, api, e);
	*api = WL_API_COMPLETIONS;
	/* of a response "prompt" is an object: a prompt that is stored */
	if (wl_json_obj(body, "prompt") != NULL ||
	    wl_json_has(body, "previous_response_id"))
		*api = WL_API_RESPONSES;
	else if (!wl_json_has(body, "prompt"))
		return unclear(e, "Send a request as it would go to "
		    "/v1/chat/completions, /v1/completions, /v1/embeddings or "
		    "/v1/responses.");
	return 0;
}

int64_t
wl_estimate_output(const struct wl_ask *ask)
{
	int64_t n = 1, best = 1;

	if (ask->api == WL_API_EMBEDDINGS)
		return 0;
	if (ask->max_tokens <= 0)
		return -1;
	(void)wl_json_int(ask->json, "n", &n);
	/* of a completion the best of so many are answered, all are billed */
	(void)wl_json_int(ask->json, "best_of", &best);
	if (best > n)
		n = best;
	if (n < 1)
		n = 1;
	if (n > CHOICES_MAX)
		n = CHOICES_MAX;
	return ask->max_tokens > OUTPUT_MAX / n ? OUTPUT_MAX :
	    ask->max_tokens * n;
}

/*
 * The cost of so many tokens, or -1.
 */
static int64_t
cost(const char *provider, const char *model, int64_t input, int64_t output,
    int64_t reasoning, int64_t *effective_ms)
{
	struct wl_usage u = { input, -1, -1, output, reasoning,
	    WL_U_ESTIMATED, 0 };
	int64_t nano;

	return wl_price_cost(provider, model, &u, &nano, effective_ms) == 1 ?
	    nano : -1;
}

/*
 * The same with the output at the dearer of its two prices.
 */
static int64_t
dearest(const char *provider, const char *model, int64_t input,
    int64_t output, int64_t *effective_ms)
{
	int64_t text = cost(provider, model, input, output, -1, effective_ms);
	int64_t hidden = cost(provider, model, input, -1, output,
	    effective_ms);

	return text == -1 ? -1 : hidden > text ? hidden : text;
}

void
wl_estimate_price(const char *provider, const char *model, int64_t input,
    int64_t output, struct wl_estimate *est)
{
	int64_t *at = &est->effective_ms;

	*est = (struct wl_estimate){ -1, -1, -1, 0 };
	est->input_nano = cost(provider, model, input, -1, -1, at);
	if (est->input_nano == -1)
		return;
	est->output_nano = dearest(provider, model, input, MILLION, at);
	if (est->output_nano != -1)
		est->output_nano -= est->input_nano;
	if (output != -1)
		est->most_nano = dearest(provider, model, input, output, at);
}
