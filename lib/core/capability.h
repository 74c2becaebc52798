/*
 * What a wire format can express of a request in OpenAI's shape.  What it
 * cannot is refused by name before any call: nothing is dropped in silence.
 */
#ifndef WL_CORE_CAPABILITY_H
#define WL_CORE_CAPABILITY_H

#include <stdint.h>
#include <stdio.h>

struct wl_ask;
struct wl_err;
struct wl_provider;
struct wl_target;

/*
 * Bits of a format that translates.  Without them it takes text, system
 * messages, temperature, top_p and a limit of the output.
 */
enum wl_can {
	WL_CAN_AUDIO = 1 << 0,		/* input_audio */
	WL_CAN_DIMENSIONS = 1 << 1,	/* of an embedding */
	WL_CAN_FILES = 1 << 2,		/* as data */
	WL_CAN_IMAGES = 1 << 3,		/* as data: URLs */
	WL_CAN_IMAGE_URLS = 1 << 4,	/* as https URLs */
	WL_CAN_JSON_OBJECT = 1 << 5,	/* response_format of that type */
	WL_CAN_JSON_SCHEMA = 1 << 6,	/* the same */
	WL_CAN_LOGPROBS = 1 << 7,
	WL_CAN_ONE_TOOL = 1 << 8,	/* parallel_tool_calls: false */
	WL_CAN_PENALTIES = 1 << 9,
	WL_CAN_REASONING = 1 << 10,	/* reasoning_effort */
	WL_CAN_SEED = 1 << 11,
	WL_CAN_STOP = 1 << 12,
	WL_CAN_TOOLS = 1 << 13,
	WL_CAN_TOP_K = 1 << 14,
	WL_CAN_INPUT_TYPE = 1 << 15,	/* of an embedding, Cohere's */
	WL_CAN_NEVER = 1 << 16		/* of no format that translates */
};

/*
 * The set of one enum wl_api, and of all.
 */
#define WL_APIS(api)	(1u << (api))
#define WL_APIS_ALL	(~0u)

/*
 * Whether P can express ASK: its API, the members that are not at what they
 * are by default, and of a chat what the messages hold.  0, or -1 with *E,
 * WL_E_INVALID_REQUEST, that names the member.
 */
int wl_capability_check(const struct wl_provider *p, const struct wl_ask *ask,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * Leave out of the N targets T those whose format cannot express what they
 * are asked (t->ask, else ASK).  Returns how many are left, or -1 with *E of
 * the first: none is.
 */
int wl_capability_keep(struct wl_target *t, int n, const struct wl_ask *ask,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * The table of all formats, as docs/PROVIDERS.md has it, to F.
 */
void wl_capability_print(FILE *f);

#endif
