/*
 * What a call would use and cost, before it is made: behind POST /v1/estimate.
 */
#ifndef WL_CORE_ESTIMATE_H
#define WL_CORE_ESTIMATE_H

#include "lib/core/call.h"

struct json_object;
struct wl_err;

/*
 * The API that a request is for: NAME ("chat", "completions", "embeddings",
 * "responses") when it is not NULL, else what the members of BODY tell.
 * Returns 0, or -1 with *E WL_E_INVALID_REQUEST: no such API, or the members
 * fit more than one, or none.
 */
int wl_estimate_api(const char *name, struct json_object *body,
    enum wl_api *api, struct wl_err *e) __attribute__((warn_unused_result));
const char *wl_estimate_api_name(enum wl_api api);

/*
 * The most tokens of output that ASK allows, over all its choices; 0 for
 * embeddings; -1: it does not say.
 */
int64_t wl_estimate_output(const struct wl_ask *ask);

/*
 * What INPUT tokens, none of them cached, and up to OUTPUT tokens cost at
 * PROVIDER's price for MODEL now, in nano-dollars.  INPUT_NANO is the price of
 * the input, OUTPUT_NANO that of a million tokens of output in such a call
 * (the dearer of text and reasoning), MOST_NANO the sum for OUTPUT; -1 where
 * it is not known, never a guess.
 */
struct wl_estimate {
	int64_t	 input_nano, output_nano, most_nano;
	int64_t	 effective_ms;		/* since when the price holds */
};
void wl_estimate_price(const char *provider, const char *model, int64_t input,
    int64_t output, struct wl_estimate *est);

#endif
