/*
 * Bodies as the gate reads them, and what results gather.
 */
#include "config.h"
#include "lib/core/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/http/req.h"
#include "tests/unit/tap.h"

static struct wl_arena	*arena;
static struct wl_req	 req;
static struct wl_ask	 ask;
static struct wl_err	 e;

static void
ask_for(enum wl_api api, const char *body)
{
	static char json[] = "application/json";

	wl_arena_free(arena);
	arena = wl_arena_new(64 << 20);
	CU_ASSERT_FATAL(arena != NULL);
	memset(&req, 0, sizeof(req));
	memset(&e, 0, sizeof(e));
	req.arena = arena;
	req.content_type = json;
	req.body = wl_str_of(body);
	wl_ask_read(&ask, api, &req);
}

static void
chat(void)
{
	ask_for(WL_API_CHAT, "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":"
	    "\"user\",\"content\":\"12345678\"}],\"stream\":true,"
	    "\"stream_options\":{\"include_usage\":true},\"user\":\"u-1\","
	    "\"max_tokens\":7,\"unknown\":{\"x\":[1,2]}}");
	CU_ASSERT_EQUAL(ask.fault.code, WL_OK);
	CU_ASSERT(!wl_ask_refused(&ask));
	CU_ASSERT(wl_str_eq(ask.model, "gpt-4o"));
	CU_ASSERT(wl_str_eq(ask.user, "u-1"));
	CU_ASSERT(ask.stream);
	CU_ASSERT(ask.include_usage);
	CU_ASSERT_EQUAL(ask.max_tokens, 7);
	/* "user" of the role and the content: 12 bytes */
	CU_ASSERT_EQUAL(ask.input_estimate, 3);
	CU_ASSERT_EQUAL(wl_ask_check(&ask, &e), 0);
	ask_for(WL_API_CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":"
	    "\"user\",\"content\":null}],\"max_completion_tokens\":9,"
	    "\"max_tokens\":7,\"stream\":null,\"stream_options\":null}");
	CU_ASSERT(!ask.stream);
	CU_ASSERT(!ask.include_usage);
	CU_ASSERT_EQUAL(ask.max_tokens, 9);
	CU_ASSERT_EQUAL(wl_ask_check(&ask, &e), 0);
}

static void
other_apis(void)
{
	ask_for(WL_API_COMPLETIONS, "{\"model\":\"m\",\"prompt\":\"12345\"}");
	CU_ASSERT_EQUAL(ask.input_estimate, 2);
	CU_ASSERT_EQUAL(wl_ask_check(&ask, &e), 0);
	ask_for(WL_API_COMPLETIONS, "{\"model\":\"m\",\"prompt\":[1,2,3]}");
	CU_ASSERT_EQUAL(ask.input_estimate, 3);
	CU_ASSERT_EQUAL(wl_ask_check(&ask, &e), 0);
	ask_for(WL_API_EMBEDDINGS,
	    "{\"model\":\"m\",\"input\":[\"1234\",\"5678\"],\"stream\":true}");
	CU_ASSERT_EQUAL(ask.input_estimate, 2);
	CU_ASSERT(!ask.stream);
	CU_ASSERT_EQUAL(wl_ask_check(&ask, &e), 0);
	ask_for(WL_API_EMBEDDINGS, "{\"model\":\"m\",\"input\":[[1,2],[3]]}");
	CU_ASSERT_EQUAL(ask.input_estimate, 3);
}

/*
 * A picture that was made, and is sent back without a "data:" before it.
 */
static void
blobs(void)
{
	char body[5000], text[3000];

	memset(text, 'A', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	CU_ASSERT(wl_is_data(text, 1024));
	CU_ASSERT(!wl_is_data(text, 1023));
	CU_ASSERT(wl_is_data("data:image/png;base64,", 22));
	snprintf(body, sizeof(body),
	    "{\"model\":\"m\",\"input\":[{\"result\":\"%s\"}]}", text);
	ask_for(WL_API_RESPONSES, body);
	CU_ASSERT_EQUAL(ask.input_estimate, 0);
	text[1000] = ' ';
	CU_ASSERT(!wl_is_data(text, sizeof(text) - 1));
	CU_ASSERT(wl_is_data(text + 1001, 1024));
	text[1000] = 'A';
	text[2000] = ' ';
	CU_ASSERT(!wl_is_data(text, sizeof(text) - 1));
	text[2000] = '=';
	CU_ASSERT(!wl_is_data(text, sizeof(text) - 1));
	CU_ASSERT(wl_is_data(text, 2001));
}

/*
 * What only looks like data is text.
 */
static void
data_urls(void)
{
	static const char *const data[] = { "data:text/plain;base64,QUI=",
	    "data:image/svg+xml;charset=utf-8;base64,QUJD",
	    "data:a/b;base64," };
	static const char *const text[] = { "", "data:", "data: of ours",
	    "data:text/plain,zeus", "data:;base64,QUJD", "data:a;base64,QUJD",
	    "data:/b;base64,QUJD", "data:a/;base64,QUJD", "data:a/b;base64",
	    "data:a/b;base64,QUJD zeus", "data:a/b c;base64,QUJD",
	    "data:a/b;base64,Q=JD", "xdata:a/b;base64,QUJD",
	    "data:a/bbase64,QUJD", "data:a/b;base64,QUJD." };
	size_t i;

	for (i = 0; i < sizeof(data) / sizeof(data[0]); i++)
		CU_ASSERT(wl_is_data(data[i], strlen(data[i])));
	for (i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		CU_ASSERT(!wl_is_data(text[i], strlen(text[i])));
}

/*
 * Pictures are not text; tools are.
 */
static void
estimates(void)
{
	ask_for(WL_API_CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":"
	    "\"user\",\"content\":[{\"type\":\"text\",\"text\":\"1234\"},"
	    "{\"type\":\"image_url\",\"image_url\":{\"url\":"
	    "\"data:image/png;base64,AAAAAAAAAAAAAAAAAAAAAAAA\"}}]}]}");
	/* user, text, 1234, image_url */
	CU_ASSERT_EQUAL(ask.input_estimate, (4 + 4 + 4 + 9 + 3) / 4);
	ask_for(WL_API_CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":"
	    "\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":"
	    "{\"data\":\"AAAAAAAAAAAAAAAAAAAAAAAA\",\"format\":\"wav\"}}]}]}");
	/* user, input_audio */
	CU_ASSERT_EQUAL(ask.input_estimate, (4 + 11 + 3) / 4);
	ask_for(WL_API_CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":"
	    "\"user\",\"content\":\"\"}],\"tools\":[{\"type\":\"function\"}]}");
	CU_ASSERT_EQUAL(ask.input_estimate, (4 + 8) / 4);
	CU_ASSERT_EQUAL(wl_tokens_estimate(0), 0);
	CU_ASSERT_EQUAL(wl_tokens_estimate(1), 1);
	CU_ASSERT_EQUAL(wl_tokens_estimate(4), 1);
	CU_ASSERT_EQUAL(wl_tokens_estimate(5), 2);
}

static char *
nested(int depth)
{
	struct wl_buf b = { 0 };
	int i;

	wl_buf_adds(&b, "{\"model\":\"m\",\"x\":");
	for (i = 1; i < depth; i++)
		wl_buf_addc(&b, '[');
	for (i = 1; i < depth; i++)
		wl_buf_addc(&b, ']');
	wl_buf_addc(&b, '}');
	return b.p;
}

static void
refused(void)
{
	static const struct {
		const char	*body;
		enum wl_code	 code;
	} rows[] = {
		{ "", WL_E_INVALID_JSON },
		{ "{", WL_E_INVALID_JSON },
		{ "{\"model\":\"m\",}", WL_E_INVALID_JSON },
		{ "{'model':'m'}", WL_E_INVALID_JSON },
		{ "{\"model\":NaN}", WL_E_INVALID_JSON },
		{ "{\"model\":\"\xff\"}", WL_E_INVALID_JSON },
		{ "{\"model\":\"m\"} x", WL_E_INVALID_JSON },
		{ "model=m", WL_E_INVALID_JSON },
	};
	struct wl_buf b = { 0 };
	char *p;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ask_for(WL_API_CHAT, rows[i].body);
		CU_ASSERT_EQUAL(ask.fault.code, rows[i].code);
		CU_ASSERT(wl_ask_refused(&ask));
		CU_ASSERT_EQUAL(wl_ask_check(&ask, &e), -1);
		CU_ASSERT_EQUAL(e.code, rows[i].code);
	}
	p = nested(32);
	ask_for(WL_API_CHAT, p);
	CU_ASSERT_EQUAL(ask.fault.code, WL_OK);
	free(p);
	p = nested(33);
	ask_for(WL_API_CHAT, p);
	CU_ASSERT_EQUAL(ask.fault.code, WL_E_INVALID_JSON);
	free(p);
	wl_buf_adds(&b, "{\"x\":[");
	for (i = 0; i < 40000; i++)
		wl_buf_adds(&b, "{},");
	wl_buf_adds(&b, "1]}");
	ask_for(WL_API_CHAT, b.p);
	CU_ASSERT_EQUAL(ask.fault.code, WL_E_REQUEST_TOO_LARGE);
	CU_ASSERT(wl_ask_refused(&ask));
	wl_buf_free(&b);
}

static void
media_types(void)
{
	static const struct {
		const char	*type;
		bool		 taken;
	} rows[] = {
		{ "application/json", true },
		{ "application/vnd.api+json", true },
		{ NULL, true },
		{ "text/plain", false },
		{ "application/x-www-form-urlencoded", false },
		{ "multipart/form-data", false },
		{ "+json", false },
		{ "application/jsonx", false },
	};
	char type[64];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ask_for(WL_API_CHAT, "{}");
		req.content_type = NULL;
		if (rows[i].type != NULL) {
			snprintf(type, sizeof(type), "%s", rows[i].type);
			req.content_type = type;
		}
		wl_ask_read(&ask, WL_API_CHAT, &req);
		CU_ASSERT_EQUAL(ask.fault.code == WL_E_UNSUPPORTED_MEDIA,
		    !rows[i].taken);
		CU_ASSERT_EQUAL(wl_ask_refused(&ask), !rows[i].taken);
	}
	ask_for(WL_API_CHAT, "{}");
	req.encoded = true;
	wl_ask_read(&ask, WL_API_CHAT, &req);
	CU_ASSERT_EQUAL(ask.fault.code, WL_E_UNSUPPORTED_MEDIA);
	CU_ASSERT(wl_ask_refused(&ask));
	req.encoded = false;
}

/*
 * As much as OpenAI takes at once: 300,000 tokens that are made already.
 */
static void
many_tokens(void)
{
	struct wl_buf b = { 0 };
	int i, j;

	wl_buf_adds(&b, "{\"model\":\"m\",\"input\":[[0]");
	for (i = 0; i < 999; i++) {
		wl_buf_adds(&b, ",[0");
		for (j = 0; j < 299; j++)
			wl_buf_printf(&b, ",%d", j);
		wl_buf_addc(&b, ']');
	}
	wl_buf_adds(&b, "]}");
	wl_buf_addc(&b, '\0');
	ask_for(WL_API_EMBEDDINGS, b.p);
	CU_ASSERT_EQUAL(ask.fault.code, WL_OK);
	CU_ASSERT_EQUAL(ask.input_estimate, 999 * 300 + 1);
	wl_buf_free(&b);
}

/*
 * Answered only after admission.
 */
static void
faults(void)
{
#define M "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]"
	static const struct {
		enum wl_api	 api;
		const char	*body, *param;
	} rows[] = {
		{ WL_API_CHAT, "[]", NULL },
		{ WL_API_CHAT, "null", NULL },
		{ WL_API_CHAT, "3", NULL },
		{ WL_API_CHAT, "{}", "model" },
		{ WL_API_CHAT, "{\"model\":3," M "}", "model" },
		{ WL_API_CHAT, "{\"model\":\"\"," M "}", "model" },
		{ WL_API_CHAT, "{\"model\":\"a\\nb\"," M "}", "model" },
		{ WL_API_CHAT, "{\"model\":\"a\\u0000b\"," M "}", "model" },
		{ WL_API_CHAT, "{\"model\":null," M "}", "model" },
		{ WL_API_CHAT, "{\"model\":\"m\"}", "messages" },
		{ WL_API_CHAT, "{\"model\":\"m\",\"messages\":[]}",
		    "messages" },
		{ WL_API_CHAT, "{\"model\":\"m\",\"messages\":\"x\"}",
		    "messages" },
		{ WL_API_CHAT, "{\"model\":\"m\",\"messages\":[3]}",
		    "messages" },
		{ WL_API_CHAT, "{\"model\":\"m\",\"messages\":[{}]}",
		    "messages" },
		{ WL_API_CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":1}]}",
		    "messages" },
		{ WL_API_CHAT, "{\"model\":\"m\"," M ",\"stream\":\"yes\"}",
		    "stream" },
		{ WL_API_CHAT, "{\"model\":\"m\"," M ",\"stream\":1}",
		    "stream" },
		{ WL_API_CHAT, "{\"model\":\"m\"," M
		    ",\"stream_options\":[]}", "stream_options" },
		{ WL_API_CHAT, "{\"model\":\"a\"," M ",\"model\":\"b\"}",
		    "model" },
		{ WL_API_CHAT, "{\"model\":\"a\"," M ",\"mod\\u0065l\":\"b\"}",
		    "model" },
		{ WL_API_CHAT, "{\"model\":\"a\"," M
		    ",\"stream\":true,\"stream\":false}", "stream" },
		{ WL_API_CHAT, "{\"model\":\"a\"," M ",\"stream_options\":{},"
		    "\"stream_options\":{}}", "stream_options" },
		{ WL_API_RESPONSES, "{\"model\":\"m\",\"input\":\"x\","
		    "\"background\":true,\"background\":false}",
		    "background" },
		{ WL_API_COMPLETIONS, "{\"model\":\"m\"}", "prompt" },
		{ WL_API_COMPLETIONS, "{\"model\":\"m\",\"prompt\":null}",
		    "prompt" },
		{ WL_API_EMBEDDINGS, "{\"model\":\"m\"}", "input" },
	};
	char body[256];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ask_for(rows[i].api, rows[i].body);
		CU_ASSERT(!wl_ask_refused(&ask));
		CU_ASSERT_EQUAL(wl_ask_check(&ask, &e), -1);
		CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
		if (rows[i].param == NULL)
			CU_ASSERT(e.param == NULL)
		else
			CU_ASSERT(e.param != NULL &&
			    strcmp(e.param, rows[i].param) == 0);
	}
	snprintf(body, sizeof(body), "{\"model\":\"%0128d\"," M "}", 1);
	ask_for(WL_API_CHAT, body);
	CU_ASSERT_EQUAL(wl_ask_check(&ask, &e), 0);
	snprintf(body, sizeof(body), "{\"model\":\"%0129d\"," M "}", 1);
	ask_for(WL_API_CHAT, body);
	CU_ASSERT_EQUAL(wl_ask_check(&ask, &e), -1);
}

static void
gathers_text(void)
{
	static struct wl_result res, none;

	ask_for(WL_API_CHAT, "{}");
	CU_ASSERT_EQUAL(wl_result_init(&res, arena, 8), 0);
	CU_ASSERT_EQUAL(res.usage.input, -1);
	CU_ASSERT_EQUAL(res.usage.source, WL_U_NONE);
	wl_result_text(&res, "abc", 3);
	wl_result_text(&res, "def", 3);
	CU_ASSERT(!res.truncated);
	/* two bytes are left, the character has three */
	wl_result_text(&res, "\xe2\x82\xac", 3);
	wl_result_text(&res, "g", 1);
	CU_ASSERT_STRING_EQUAL(res.text.p, "abcdef");
	CU_ASSERT(res.truncated);
	CU_ASSERT_EQUAL(wl_result_init(&none, arena, 0), 0);
	wl_result_text(&none, "abc", 3);
	CU_ASSERT_EQUAL(none.text.len, 0);
	CU_ASSERT(!none.truncated);
}

static void
gathers_tools(void)
{
	static struct wl_result res, small;

	ask_for(WL_API_CHAT, "{}");
	CU_ASSERT_EQUAL(wl_result_init(&res, arena, 4096), 0);
	wl_result_tool(&res, 0, WL_STR("id\"0"), WL_STR("f"));
	wl_result_arguments(&res, "{\"a\":", 5);
	wl_result_tool(&res, 0, WL_STR(""), WL_STR(""));
	wl_result_arguments(&res, "1}", 2);
	wl_result_tool(&res, 1, WL_STR("id1"), WL_STR("g"));
	wl_result_end(&res);
	wl_result_end(&res);
	CU_ASSERT_STRING_EQUAL(res.tools.p, "{\"index\":0,\"id\":\"id\\\"0\","
	    "\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"},{\"index\":1,"
	    "\"id\":\"id1\",\"name\":\"g\",\"arguments\":\"\"}");
	/* what does not fit is left out, and it stays JSON */
	CU_ASSERT_EQUAL(wl_result_init(&small, arena, 60), 0);
	wl_result_tool(&small, 0, WL_STR("i"), WL_STR("f"));
	wl_result_arguments(&small, "0123456789", 10);
	wl_result_arguments(&small, "0123456789", 10);
	wl_result_arguments(&small, "x", 1);
	wl_result_tool(&small, 1, WL_STR("i"), WL_STR("f"));
	wl_result_end(&small);
	CU_ASSERT_STRING_EQUAL(small.tools.p, "{\"index\":0,\"id\":\"i\","
	    "\"name\":\"f\",\"arguments\":\"0123456789\"}");
	CU_ASSERT(small.truncated);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "a chat", chat },
		{ "completions and embeddings", other_apis },
		{ "estimates", estimates },
		{ "data without a mark", blobs },
		{ "data URLs", data_urls },
		{ "what the scan refuses", refused },
		{ "media types", media_types },
		{ "many tokens", many_tokens },
		{ "what is answered after admission", faults },
		{ "gathering text", gathers_text },
		{ "gathering tool calls", gathers_tools },
		{ NULL, NULL }
	};
	int rc = wl_tap_run("call", tests);

	wl_arena_free(arena);
	return rc;
}
