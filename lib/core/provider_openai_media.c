/*
 * Pictures, sounds and rankings at hosts of OpenAI's wire format.  Shapes:
 * OpenAI's API reference (images, audio), and for rankings Cohere's
 * (meta.billed_units) and that of Jina, Voyage and Together (usage).
 */
#include "config.h"
#include "lib/core/provider_openai.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/co.h"
#include "lib/base/json.h"
#include "lib/base/wait.h"
#include "lib/core/provider_error.h"

/* More is no sound that anybody bills. */
#define AUDIO_MS_MAX	((int64_t)1000 * 86400 * 365)
#define COUNT_MAX	((int64_t)1000000000)
/* Pictures of an answer that are counted. */
#define IMAGES_MAX	1000
/* A longer answer is looked through on a helper thread. */
#define OFFLOAD_BYTES	((size_t)256 * 1024)

int
wl_openai_types(struct wl_arena *a, const struct wl_ask *ask,
    const char *headers[2])
{
	headers[0] = ask->form_type == NULL ?
	    "Content-Type: application/json" :
	    wl_arena_printf(a, "Content-Type: %s", ask->form_type);
	headers[1] = ask->stream ? "Accept: text/event-stream" :
	    wl_api_is_media(ask->api) ? "Accept: */*" :
	    "Accept: application/json";
	return headers[0] == NULL ? -1 : 0;
}

/*
 * Member KEY of O as a count, or -1.
 */
static int64_t
count(struct json_object *o, const char *key)
{
	int64_t n;

	if (o == NULL || !wl_json_int(o, key, &n) || n < 0)
		return -1;
	return n < COUNT_MAX ? n : COUNT_MAX;
}

/*
 * Seconds as milliseconds, rounded; -1: none that could be.
 */
static int64_t
millis(struct json_object *o, const char *key)
{
	double s;

	if (o == NULL || !wl_json_num(o, key, &s) || !(s >= 0) ||
	    s > (double)AUDIO_MS_MAX / 1000)
		return -1;
	return (int64_t)(s * 1000 + 0.5);
}

/*
 * What the provider counts in seconds is its figure, too.
 */
static void
take_duration(struct wl_result *res, int64_t ms)
{
	if (ms < 0)
		return;
	res->units.audio_ms = ms;
	if (res->usage.source == WL_U_NONE)
		res->usage.source = WL_U_PROVIDER;
}

static void
take_usage(struct json_object *u, struct wl_result *res)
{
	struct json_object *in, *out;

	if (u == NULL)
		return;
	wl_openai_usage(u, &res->usage);
	/* pictures have input_tokens_details, sounds input_token_details */
	if ((in = wl_json_obj(u, "input_tokens_details")) == NULL)
		in = wl_json_obj(u, "input_token_details");
	out = wl_json_obj(u, "output_tokens_details");
	res->units.image_input = count(in, "image_tokens");
	res->units.audio_input = count(in, "audio_tokens");
	res->units.text_output = count(out, "text_tokens");
	take_duration(res, millis(u, "seconds"));
}

struct elements {
	struct wl_str	array;
	int64_t		n;
};

static void
count_elements(void *arg)
{
	struct elements *el = arg;
	struct wl_str item;
	size_t pos = 0;

	for (el->n = 0; el->n < IMAGES_MAX && wl_json_item(el->array.p,
	    el->array.len, &pos, &item);)
		el->n++;
}

/*
 * How many elements an array has; pictures are long.
 */
static int64_t
elements(struct wl_str array)
{
	struct elements el = { array, 0 };

	if (array.len <= OFFLOAD_BYTES || wl_co_self() == NULL ||
	    wl_offload(count_elements, &el) == -1)
		count_elements(&el);
	return el.n;
}

enum part {
	PART_DATA, PART_DURATION, PART_ERROR, PART_ID, PART_META, PART_MODEL,
	PART_RESULTS, PART_TEXT, PART_TYPE, PART_USAGE, PART_MAX
};

static const char *const part_names[] = {
	[PART_DATA] = "data",
	[PART_DURATION] = "duration",
	[PART_ERROR] = "error",
	[PART_ID] = "id",
	[PART_META] = "meta",
	[PART_MODEL] = "model",
	[PART_RESULTS] = "results",
	[PART_TEXT] = "text",
	[PART_TYPE] = "type",
	[PART_USAGE] = "usage",
};
_Static_assert(sizeof(part_names) / sizeof(part_names[0]) == PART_MAX,
    "a name for every part");

static bool
is_array(struct wl_str part)
{
	return part.p != NULL && part.p[0] == '[';
}

static void
take_text(struct wl_arena *a, struct wl_str part, struct wl_result *res)
{
	struct json_object *o = wl_openai_parse(a, part);

	if (!json_object_is_type(o, json_type_string))
		return;
	res->output_bytes += json_object_get_string_len(o);
	wl_result_text(res, json_object_get_string(o),
	    (size_t)json_object_get_string_len(o));
}

/*
 * Cohere bills searches; the others tokens.
 */
static void
take_meta(struct wl_arena *a, struct wl_str part, struct wl_result *res)
{
	struct json_object *meta = wl_openai_parse(a, part);
	struct json_object *billed = wl_json_obj(meta, "billed_units");
	struct json_object *tokens = wl_json_obj(meta, "tokens");

	res->units.searches = count(billed, "search_units");
	if (res->usage.source == WL_U_NONE)
		wl_openai_usage(tokens != NULL ? tokens : billed,
		    &res->usage);
	if (res->units.searches >= 0)
		res->usage.source = WL_U_PROVIDER;
}

static void
take_parts(struct wl_arena *a, const struct wl_str *part,
    struct wl_result *res)
{
	double seconds;

	wl_openai_copy(a, part[PART_ID], res->response_id,
	    sizeof(res->response_id));
	wl_openai_copy(a, part[PART_MODEL], res->model_used,
	    sizeof(res->model_used));
	take_usage(wl_openai_parse(a, part[PART_USAGE]), res);
	if (part[PART_META].p != NULL)
		take_meta(a, part[PART_META], res);
	take_text(a, part[PART_TEXT], res);
	if (part[PART_DURATION].p != NULL && res->units.audio_ms == -1 &&
	    part[PART_DURATION].len < 32) {
		seconds = json_object_get_double(wl_openai_parse(a,
		    part[PART_DURATION]));
		if (seconds > 0 && seconds < (double)AUDIO_MS_MAX / 1000)
			take_duration(res, (int64_t)(seconds * 1000 + 0.5));
	}
}

/*
 * Whether the object BODY, which has these parts, is an answer.
 */
static bool
is_answer(enum wl_api api, const struct wl_str *part)
{
	switch (api) {
	case WL_API_IMAGES:
	case WL_API_IMAGE_EDITS:
	case WL_API_IMAGE_VARIATIONS:
		return is_array(part[PART_DATA]);
	case WL_API_RERANK:
		return is_array(part[PART_RESULTS]) ||
		    is_array(part[PART_DATA]);
	case WL_API_TRANSCRIPTIONS:
	case WL_API_TRANSLATIONS:
		return part[PART_TEXT].p != NULL;
	default:
		return false;
	}
}

static bool
is_image_api(enum wl_api api)
{
	return api == WL_API_IMAGES || api == WL_API_IMAGE_EDITS ||
	    api == WL_API_IMAGE_VARIATIONS;
}

/*
 * What is no JSON: a sound, or a transcript as text or subtitles.
 */
static int
raw_answer(const struct wl_ask *ask, struct wl_str body,
    struct wl_result *res)
{
	if (ask->api == WL_API_SPEECH) {
		res->units.characters = ask->characters;
		return body.len > 0 ? 0 : -1;
	}
	if (ask->api != WL_API_TRANSCRIPTIONS &&
	    ask->api != WL_API_TRANSLATIONS)
		return -1;
	res->output_bytes += (int64_t)body.len;
	wl_result_text(res, body.p, body.len);
	return 0;
}

int
wl_openai_media(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str body, struct wl_result *res)
{
	struct wl_str part[PART_MAX];

	(void)t;
	/* no sound begins so, unless it is raw samples */
	if (body.len == 0 || body.p[0] != '{' ||
	    (ask->api == WL_API_SPEECH && body.len > WL_PROVIDER_ERROR_MAX) ||
	    !wl_openai_outline(body, part_names, part, PART_MAX))
		return raw_answer(ask, body, res);
	if (!is_answer(ask->api, part) ||
	    wl_provider_error_tells(wl_openai_parse(a, part[PART_ERROR])))
		return -1;
	take_parts(a, part, res);
	if (is_image_api(ask->api))
		res->units.images = elements(part[PART_DATA]);
	return 0;
}

/* ---- streams ---- */

static bool
ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);

	return n >= m && strcmp(s + n - m, tail) == 0;
}

/*
 * A picture is complete; the last of them ends the stream.
 */
static enum wl_chunk
image_done(const struct wl_ask *ask, struct wl_result *res)
{
	if (res->units.images < 0)
		res->units.images = 0;
	res->units.images++;
	(void)wl_strlcpy(res->finish_reason, "stop",
	    sizeof(res->finish_reason));
	return res->units.images >= ask->choices ? WL_CHUNK_DONE :
	    WL_CHUNK_DATA;
}

static enum wl_chunk
event_error(struct wl_arena *a, const struct wl_target *t,
    struct wl_str data, struct wl_result *res)
{
	struct json_object *o = wl_openai_parse(a, data);

	wl_err_set(&res->err, WL_E_UPSTREAM, NULL);
	if (o != NULL)
		wl_provider_error_read(a, t, o, "api_error",
		    "upstream_error", res);
	return WL_CHUNK_ERROR;
}

/*
 * Add the usage of one picture to that of those before.
 */
static void
add_usage(struct wl_result *res, const struct wl_result *before)
{
	int64_t *to[] = { &res->usage.input, &res->usage.output,
	    &res->units.image_input, &res->units.text_output };
	const int64_t was[] = { before->usage.input, before->usage.output,
	    before->units.image_input, before->units.text_output };
	size_t i;

	for (i = 0; i < sizeof(was) / sizeof(was[0]); i++)
		if (was[i] > 0)
			*to[i] = *to[i] < 0 ? was[i] : *to[i] + was[i];
}

enum wl_chunk
wl_openai_media_event(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str data, struct wl_result *res)
{
	struct wl_str part[PART_MAX];
	struct wl_result before;
	char type[64] = "";

	if (wl_str_eq(wl_str_trim(data), "[DONE]"))
		return WL_CHUNK_DONE;
	if (!wl_openai_outline(data, part_names, part, PART_MAX))
		return WL_CHUNK_INVALID;
	wl_openai_copy(a, part[PART_TYPE], type, sizeof(type));
	if (strcmp(type, "error") == 0 || wl_provider_error_tells(
	    wl_openai_parse(a, part[PART_ERROR])))
		return event_error(a, t, data, res);
	before.usage = res->usage;
	before.units = res->units;
	if (ends_with(type, ".completed")) {
		res->usage.input = res->usage.output = -1;
		res->units.image_input = res->units.text_output = -1;
		take_usage(wl_openai_parse(a, part[PART_USAGE]), res);
		add_usage(res, &before);
		return image_done(ask, res);
	}
	take_usage(wl_openai_parse(a, part[PART_USAGE]), res);
	if (!ends_with(type, ".done"))
		return WL_CHUNK_DATA;
	take_text(a, part[PART_TEXT], res);
	if (ask->api == WL_API_SPEECH)
		res->units.characters = ask->characters;
	return WL_CHUNK_DONE;
}
