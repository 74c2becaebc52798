/*
 * Pictures, sounds and rankings: what is sent, and what is read of answers.
 * Shapes as in OpenAI's and Cohere's API references.
 */
#include "config.h"
#include "lib/core/provider_openai.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/core/model.h"
#include "lib/http/io.h"
#include "lib/http/req.h"
#include "tests/unit/tap.h"

#define FORM	"multipart/form-data; boundary=b"
#define FIELD(n, v) \
	"--b\r\nContent-Disposition: form-data; name=\"" n "\"\r\n\r\n" v "\r\n"
#define WAV \
	"--b\r\nContent-Disposition: form-data; name=\"file\"; " \
	"filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n"

static struct wl_arena	*arena;
static struct wl_ask	 ask;
static struct wl_result	 res;
static struct wl_err	 e;

static const char *
param(struct wl_io *io, const char *name)
{
	(void)io;
	return strcmp(name, "CONTENT_TYPE") == 0 ? FORM : NULL;
}

static void
reset(void)
{
	wl_arena_free(arena);
	arena = wl_arena_new(64 << 20);
	CU_ASSERT_FATAL(arena != NULL && wl_result_init(&res, arena, 512) ==
	    0);
	memset(&e, 0, sizeof(e));
}

static void
read_ask(enum wl_api api, const char *type, const char *body)
{
	static const struct wl_io_ops ops = { .param = param };
	struct wl_io io = { .ops = &ops, .fd = -1 };
	struct wl_req req = { .arena = arena, .io = &io,
	    .body = wl_str_of(body) };

	reset();
	req.arena = arena;
	req.content_type = wl_arena_strdup(arena, type);
	wl_ask_read(&ask, api, &req);
}

static void
form(enum wl_api api, const char *body)
{
	read_ask(api, "multipart/form-data", body);
}

static void
json(enum wl_api api, const char *body)
{
	read_ask(api, "application/json", body);
}

static void
forms(void)
{
	form(WL_API_TRANSCRIPTIONS, WAV FIELD("model", "whisper-1")
	    FIELD("stream", "True") FIELD("prompt", "12345678")
	    FIELD("user", "u") "--b--\r\n");
	CU_ASSERT_EQUAL_FATAL(wl_ask_check(&ask, &e), 0);
	CU_ASSERT(wl_str_eq(ask.model, "whisper-1"));
	CU_ASSERT(wl_str_eq(ask.user, "u"));
	CU_ASSERT(ask.stream);
	CU_ASSERT_EQUAL(ask.input_estimate, 2);
	CU_ASSERT_STRING_EQUAL(ask.form_type, FORM);
	form(WL_API_IMAGE_EDITS, FIELD("model", "m") FIELD("n", "3") "--b--");
	CU_ASSERT_EQUAL(ask.choices, 3);
	CU_ASSERT(!ask.stream);
	form(WL_API_IMAGE_EDITS, FIELD("model", "m") FIELD("n", "3x")
	    FIELD("stream", "false") "--b--");
	CU_ASSERT_EQUAL(ask.choices, 1);
	/* translations have no streams */
	form(WL_API_TRANSLATIONS, FIELD("model", "m") FIELD("stream", "true")
	    "--b--");
	CU_ASSERT(!ask.stream);
}

static void
bad_forms(void)
{
	static const char *const bodies[] = {
		"", "--b--", FIELD("model", ""), FIELD("model", "m"),
		FIELD("model", "m") FIELD("model", "n") "--b--",
		FIELD("model", "m") FIELD("Model", "n") "--b--",
		FIELD("model", "m") FIELD("stream", "true")
		    FIELD("stream", "false") "--b--",
		FIELD("model", "a\nb") "--b--",
		FIELD("model", "\xff") "--b--",
		"--b\r\nContent-Disposition: form-data; name=model; "
		    "filename=x\r\n\r\nm\r\n--b--",
		FIELD("prompt", "no model") "--b--",
	};
	size_t i;

	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		form(WL_API_TRANSCRIPTIONS, bodies[i]);
		CU_ASSERT_EQUAL(wl_ask_check(&ask, &e), -1);
		CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
	}
	/* who takes no form says so */
	form(WL_API_IMAGES, FIELD("model", "m") "--b--");
	CU_ASSERT(wl_ask_refused(&ask));
	CU_ASSERT_EQUAL(ask.fault.code, WL_E_UNSUPPORTED_MEDIA);
}

static void
json_bodies(void)
{
	json(WL_API_IMAGES, "{\"model\":\"m\",\"prompt\":\"1234\",\"n\":2,"
	    "\"stream\":true}");
	CU_ASSERT_EQUAL(wl_ask_check(&ask, &e), 0);
	CU_ASSERT(ask.stream && ask.choices == 2 && ask.input_estimate == 1);
	json(WL_API_IMAGES, "{\"model\":\"m\"}");
	CU_ASSERT_EQUAL(wl_ask_check(&ask, &e), -1);
	json(WL_API_SPEECH, "{\"model\":\"m\",\"input\":\"gr\xc3\xbc\xc3\x9f\","
	    "\"stream\":true,\"stream_format\":\"sse\"}");
	CU_ASSERT_EQUAL(wl_ask_check(&ask, &e), 0);
	CU_ASSERT(ask.stream);
	CU_ASSERT_EQUAL(ask.characters, 4);
	json(WL_API_SPEECH, "{\"model\":\"m\",\"input\":\"x\",\"stream\":true}");
	CU_ASSERT(!ask.stream);
	json(WL_API_SPEECH, "{\"model\":\"m\",\"input\":\"x\",\"stream_format\":"
	    "\"sse\",\"stream_format\":\"audio\"}");
	CU_ASSERT_EQUAL(wl_ask_check(&ask, &e), -1);
	json(WL_API_RERANK, "{\"model\":\"m\",\"query\":\"1234\",\"documents\":"
	    "[\"1234\",{\"text\":\"5678\"}]}");
	CU_ASSERT_EQUAL(wl_ask_check(&ask, &e), 0);
	CU_ASSERT_EQUAL(ask.input_estimate, 3);
	json(WL_API_RERANK, "{\"model\":\"m\",\"query\":\"1234\"}");
	CU_ASSERT_EQUAL(wl_ask_check(&ask, &e), -1);
}

static void
sent(void)
{
	struct wl_target t = { .wire = &wl_provider_openai, .provider = "p",
	    .base_url = "https://x/v1", .auth = "none", .model = "mini",
	    .key = "" };
	struct wl_upcall up;

	form(WL_API_TRANSCRIPTIONS, WAV FIELD("model", "p/mini") "--b--\r\n");
	CU_ASSERT_EQUAL_FATAL(wl_provider_openai.request(arena, &ask, &t,
	    "id", &up, &e), 0);
	CU_ASSERT_STRING_EQUAL(up.url, "https://x/v1/audio/transcriptions");
	CU_ASSERT(wl_str_eq(up.body, WAV FIELD("model", "mini") "--b--\r\n"));
	CU_ASSERT_STRING_EQUAL(up.headers[0], "Content-Type: " FORM);
	CU_ASSERT_STRING_EQUAL(up.headers[1], "Accept: */*");
	/* a name from elsewhere cannot end the field */
	t.model = "a\r\n--b--";
	CU_ASSERT_EQUAL(wl_provider_openai.request(arena, &ask, &t, "id",
	    &up, &e), -1);
}

static int
answer(enum wl_api api, const char *body, size_t len)
{
	reset();
	memset(&ask, 0, sizeof(ask));
	ask.api = api;
	ask.choices = 1;
	ask.characters = 7;
	return wl_openai_media(arena, &ask, NULL, (struct wl_str){ body, len },
	    &res);
}

static int
text(enum wl_api api, const char *body)
{
	return answer(api, body, strlen(body));
}

static void
pictures(void)
{
	CU_ASSERT_EQUAL(text(WL_API_IMAGES, "{\"created\":1,\"data\":[{"
	    "\"b64_json\":\"AA==\"},{\"url\":\"https://x\"}],\"usage\":{"
	    "\"total_tokens\":100,\"input_tokens\":50,\"output_tokens\":50,"
	    "\"input_tokens_details\":{\"text_tokens\":10,\"image_tokens\":"
	    "40},\"output_tokens_details\":{\"image_tokens\":48,"
	    "\"text_tokens\":2}}}"), 0);
	CU_ASSERT_EQUAL(res.units.images, 2);
	CU_ASSERT_EQUAL(res.usage.input, 50);
	CU_ASSERT_EQUAL(res.usage.output, 50);
	CU_ASSERT_EQUAL(res.units.image_input, 40);
	CU_ASSERT_EQUAL(res.units.text_output, 2);
	CU_ASSERT_EQUAL(res.usage.source, WL_U_PROVIDER);
	CU_ASSERT_EQUAL(text(WL_API_IMAGE_VARIATIONS,
	    "{\"created\":1,\"data\":[]}"), 0);
	CU_ASSERT_EQUAL(res.units.images, 0);
	CU_ASSERT_EQUAL(res.usage.source, WL_U_NONE);
	CU_ASSERT_EQUAL(text(WL_API_IMAGES, "{\"created\":1}"), -1);
	CU_ASSERT_EQUAL(text(WL_API_IMAGES, "\x89PNG"), -1);
	CU_ASSERT_EQUAL(text(WL_API_IMAGES, ""), -1);
	CU_ASSERT_EQUAL(text(WL_API_IMAGES, "{\"data\":[],\"error\":"
	    "{\"message\":\"no\"}}"), -1);
}

static void
sounds(void)
{
	CU_ASSERT_EQUAL(text(WL_API_TRANSCRIPTIONS, "{\"text\":\"hello\","
	    "\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,"
	    "\"output_tokens\":4,\"total_tokens\":18,\"input_token_details\":"
	    "{\"text_tokens\":2,\"audio_tokens\":12}}}"), 0);
	CU_ASSERT_EQUAL(res.usage.input, 14);
	CU_ASSERT_EQUAL(res.units.audio_input, 12);
	CU_ASSERT(res.text.len == 5 && memcmp(res.text.p, "hello", 5) == 0);
	CU_ASSERT_EQUAL(text(WL_API_TRANSLATIONS, "{\"text\":\"a\",\"usage\":"
	    "{\"type\":\"duration\",\"seconds\":8.25}}"), 0);
	CU_ASSERT_EQUAL(res.units.audio_ms, 8250);
	CU_ASSERT_EQUAL(res.usage.source, WL_U_PROVIDER);
	CU_ASSERT_EQUAL(res.usage.input, -1);
	CU_ASSERT_EQUAL(text(WL_API_TRANSCRIPTIONS,
	    "{\"text\":\"a\",\"duration\":3.5}"), 0);
	CU_ASSERT_EQUAL(res.units.audio_ms, 3500);
	CU_ASSERT_EQUAL(text(WL_API_TRANSCRIPTIONS,
	    "{\"text\":\"a\",\"duration\":-1e300}"), 0);
	CU_ASSERT_EQUAL(res.units.audio_ms, -1);
	CU_ASSERT_EQUAL(text(WL_API_TRANSCRIPTIONS, "1\n00:00 --> 00:01\nhi"),
	    0);
	CU_ASSERT_EQUAL(res.text.len, 20);
	CU_ASSERT_EQUAL(res.usage.source, WL_U_NONE);
	CU_ASSERT_EQUAL(answer(WL_API_SPEECH, "ID3\0\xff", 5), 0);
	CU_ASSERT_EQUAL(res.units.characters, 7);
	CU_ASSERT_EQUAL(text(WL_API_SPEECH, "{samples"), 0);
	CU_ASSERT_EQUAL(text(WL_API_SPEECH, "{\"error\":{\"message\":\"no\"}}"),
	    -1);
	CU_ASSERT_EQUAL(text(WL_API_SPEECH, ""), -1);
}

static void
rankings(void)
{
	CU_ASSERT_EQUAL(text(WL_API_RERANK, "{\"id\":\"r1\",\"results\":[{"
	    "\"index\":0,\"relevance_score\":0.9}],\"meta\":{\"api_version\":"
	    "{\"version\":\"2\"},\"billed_units\":{\"search_units\":2}}}"), 0);
	CU_ASSERT_EQUAL(res.units.searches, 2);
	CU_ASSERT_EQUAL(res.usage.source, WL_U_PROVIDER);
	CU_ASSERT_EQUAL(res.usage.input, -1);
	CU_ASSERT_STRING_EQUAL(res.response_id, "r1");
	/* Jina */
	CU_ASSERT_EQUAL(text(WL_API_RERANK, "{\"model\":\"j\",\"usage\":{"
	    "\"total_tokens\":15},\"results\":[]}"), 0);
	CU_ASSERT_EQUAL(res.usage.input, 15);
	CU_ASSERT_STRING_EQUAL(res.model_used, "j");
	/* Voyage */
	CU_ASSERT_EQUAL(text(WL_API_RERANK, "{\"object\":\"list\",\"data\":[],"
	    "\"usage\":{\"total_tokens\":5}}"), 0);
	CU_ASSERT_EQUAL(text(WL_API_RERANK, "{\"detail\":\"no\"}"), -1);
	CU_ASSERT_EQUAL(text(WL_API_RERANK, "[]"), -1);
}

static enum wl_chunk
event(const char *data)
{
	return wl_openai_media_event(arena, &ask, NULL, wl_str_of(data), &res);
}

static void
streams(void)
{
	(void)text(WL_API_IMAGES, "");
	ask.choices = 2;
	CU_ASSERT_EQUAL(event("{\"type\":\"image_generation.partial_image\","
	    "\"b64_json\":\"AA\"}"), WL_CHUNK_DATA);
	CU_ASSERT_EQUAL(event("{\"type\":\"image_generation.completed\","
	    "\"usage\":{\"input_tokens\":5,\"output_tokens\":10,"
	    "\"input_tokens_details\":{\"image_tokens\":2}}}"),
	    WL_CHUNK_DATA);
	CU_ASSERT_EQUAL(event("{\"type\":\"image_generation.completed\","
	    "\"usage\":{\"input_tokens\":5,\"output_tokens\":10,"
	    "\"input_tokens_details\":{\"image_tokens\":2}}}"),
	    WL_CHUNK_DONE);
	CU_ASSERT_EQUAL(res.units.images, 2);
	CU_ASSERT_EQUAL(res.usage.input, 10);
	CU_ASSERT_EQUAL(res.usage.output, 20);
	CU_ASSERT_EQUAL(res.units.image_input, 4);
	/* a picture without figures adds none */
	(void)text(WL_API_IMAGES, "");
	ask.choices = 2;
	CU_ASSERT_EQUAL(event("{\"type\":\"image_generation.completed\","
	    "\"usage\":{\"input_tokens\":5,\"output_tokens\":10}}"),
	    WL_CHUNK_DATA);
	CU_ASSERT_EQUAL(event("{\"type\":\"image_generation.completed\"}"),
	    WL_CHUNK_DONE);
	CU_ASSERT_EQUAL(res.usage.input, 5);
	CU_ASSERT_EQUAL(res.usage.output, 10);
	(void)text(WL_API_TRANSCRIPTIONS, "");
	CU_ASSERT_EQUAL(event("{\"type\":\"transcript.text.delta\",\"delta\":"
	    "\"he\"}"), WL_CHUNK_DATA);
	CU_ASSERT_EQUAL(event("{\"type\":\"transcript.text.done\",\"text\":"
	    "\"hello\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}"),
	    WL_CHUNK_DONE);
	CU_ASSERT_EQUAL(res.text.len, 5);
	CU_ASSERT_EQUAL(res.usage.output, 1);
	(void)text(WL_API_SPEECH, "");
	CU_ASSERT_EQUAL(event("{\"type\":\"speech.audio.delta\",\"audio\":"
	    "\"AA\"}"), WL_CHUNK_DATA);
	CU_ASSERT_EQUAL(event("{\"type\":\"speech.audio.done\",\"usage\":{"
	    "\"input_tokens\":3,\"output_tokens\":9}}"), WL_CHUNK_DONE);
	CU_ASSERT_EQUAL(res.usage.output, 9);
	CU_ASSERT_EQUAL(event("{\"type\":\"error\",\"error\":{\"message\":"
	    "\"stop\",\"code\":\"c\"}}"), WL_CHUNK_ERROR);
	CU_ASSERT_STRING_EQUAL(res.upstream_code, "c");
	CU_ASSERT_EQUAL(event("nonsense"), WL_CHUNK_INVALID);
	CU_ASSERT_EQUAL(event(" [DONE]"), WL_CHUNK_DONE);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "forms", forms },
		{ "forms that are refused", bad_forms },
		{ "JSON bodies", json_bodies },
		{ "what is sent", sent },
		{ "pictures", pictures },
		{ "sounds", sounds },
		{ "rankings", rankings },
		{ "streams", streams },
		{ NULL, NULL }
	};
	int status = wl_tap_run("provider_openai_media", tests);

	wl_arena_free(arena);
	return status;
}
