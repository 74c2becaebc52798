/*
 * What is cached, and which calls ask the same.
 */
#include "config.h"
#include "lib/core/cache_key.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/conf.h"
#include "lib/core/auth.h"
#include "lib/http/req.h"
#include "tests/unit/io_mem.h"
#include "tests/unit/tap.h"

#define CHAT(s)	"{\"model\":\"m\",\"messages\":[{\"role\":\"user\"," \
	"\"content\":\"" s "\"}]}"
#define WITH(s)	"{\"model\":\"m\",\"messages\":[{\"role\":\"user\"," \
	"\"content\":\"q\"}]," s "}"

static struct wl_arena	*arena;
static struct wl_conf	 conf = { .cache = WL_CACHE_EXACT,
    .cache_ttl = 1000 };
static struct wl_auth	 auth;
static char		 settings[128];
static enum wl_api	 api;
static const char	*params[8];
static char		 provider_key[32];
static struct wl_err	 e;

static void
fresh(void)
{
	memset(&auth, 0, sizeof(auth));
	(void)wl_strlcpy(auth.project, "p1", sizeof(auth.project));
	snprintf(settings, sizeof(settings), "{}");
	auth.settings = settings;
	conf.cache = WL_CACHE_CANONICAL;
	api = WL_API_CHAT;
	params[0] = NULL;
	provider_key[0] = '\0';
}

static struct wl_cache_key
key(const char *body)
{
	static char path[] = "/v1/chat/completions", none[] = "";
	struct wl_cache_key k;
	struct wl_ask ask;
	struct io_mem m;
	struct wl_req r;

	wl_arena_reset(arena);
	io_mem_init(&m, params, NULL, 0);
	memset(&r, 0, sizeof(r));
	r.io = &m.io;
	r.arena = arena;
	r.path = path;
	r.addr = none;
	r.provider_key = provider_key[0] == '\0' ? NULL : provider_key;
	r.body = wl_str_of(body);
	wl_ask_read(&ask, api, &r);
	memset(&e, 0, sizeof(e));
	if (wl_cache_key(&k, &conf, &r, &auth, &ask, &e) == -1)
		k.why = "error";
	io_mem_free(&m);
	return k;
}

static bool
is_same(const char *a, const char *b)
{
	struct wl_cache_key x = key(a), y = key(b);

	CU_ASSERT(x.write && y.write);
	return strcmp(x.id, y.id) == 0;
}

static bool
is_alias(const char *a, const char *b)
{
	struct wl_cache_key x = key(a), y = key(b);

	return x.alias[0] != '\0' && strcmp(x.alias, y.alias) == 0;
}

static void
identity(void)
{
	struct wl_cache_key a, b;

	fresh();
	CU_ASSERT(is_same("{\"model\":\"m\",\"messages\":[]}",
	    "{ \"messages\" : [ ], \"model\" : \"m\" }"));
	CU_ASSERT(is_same(CHAT("q"), WITH("\"user\":\"u\"")));
	CU_ASSERT(is_same(CHAT("q"), CHAT("\\u0071")));
	CU_ASSERT(!is_same(CHAT("q"), CHAT("Q")));
	CU_ASSERT(!is_same(CHAT("q"), WITH("\"temperature\":0")));
	CU_ASSERT(!is_same(WITH("\"seed\":1"), WITH("\"seed\":2")));
	CU_ASSERT(!is_same(CHAT("q"), WITH("\"stream\":true")));
	CU_ASSERT(!is_same(CHAT("q"), WITH("\"x_new_option\":1")));
	CU_ASSERT(!is_same(WITH("\"x\":[1,2]"), WITH("\"x\":[2,1]")));
	CU_ASSERT(is_alias(CHAT("What is it?"), CHAT("what is it")));
	CU_ASSERT(!is_alias(CHAT("What is it?"), CHAT("what is that")));
	/* whose question it is */
	a = key(CHAT("q"));
	(void)wl_strlcpy(auth.project, "p2", sizeof(auth.project));
	b = key(CHAT("q"));
	CU_ASSERT_STRING_NOT_EQUAL(a.id, b.id);
	CU_ASSERT_STRING_NOT_EQUAL(a.alias, b.alias);
	fresh();
	(void)wl_strlcpy(provider_key, "sk-1", sizeof(provider_key));
	b = key(CHAT("q"));
	CU_ASSERT_STRING_NOT_EQUAL(a.id, b.id);
	fresh();
	params[0] = "HTTP_X_WATCHLLM_CACHE_NAMESPACE";
	params[1] = "n";
	params[2] = NULL;
	b = key(CHAT("q"));
	CU_ASSERT_STRING_NOT_EQUAL(a.id, b.id);
	CU_ASSERT(b.ns[0] != '\0');
}

static void
never(void)
{
	static const struct {
		const char	*body, *why;
	} rows[] = {
		{ WITH("\"n\":2"), "several_answers" },
		{ WITH("\"logprobs\":true"), "logprobs" },
		{ WITH("\"tools\":[{}]"), "tools" },
		{ WITH("\"functions\":[{}]"), "tools" },
		{ WITH("\"store\":true"), "stored" },
		{ WITH("\"seed\":99999999999999999999"), "ambiguous" },
		{ WITH("\"a\":{\"b\":1,\"b\":2}"), "ambiguous" },
		{ "{\"model\":\"m\",\"messages\":[{\"role\":\"tool\","
		    "\"content\":\"x\"}]}", "content" },
		{ "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\","
		    "\"tool_calls\":[{}]}]}", "content" },
		{ "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
		    "\"content\":[{\"type\":\"image_url\"}]}]}", "content" },
		{ "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
		    "\"content\":[{\"type\":\"input_audio\"}]}]}", "content" },
		{ "[]", "invalid" },
	};
	struct wl_cache_key k;
	size_t i;

	fresh();
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		k = key(rows[i].body);
		CU_ASSERT(!k.read && !k.write);
		CU_ASSERT_STRING_EQUAL(k.why == NULL ? "" : k.why,
		    rows[i].why);
	}
	/* what is given without saying anything */
	CU_ASSERT(key(WITH("\"n\":1,\"tools\":[],\"logprobs\":false,"
	    "\"store\":null")).write);
	api = WL_API_RESPONSES;
	CU_ASSERT_STRING_EQUAL(key("{\"model\":\"m\",\"input\":\"q\"}").why,
	    "stored");
	CU_ASSERT(key("{\"model\":\"m\",\"input\":\"q\",\"store\":false}")
	    .write);
}

static void
settings_and_headers(void)
{
	struct wl_cache_key k;

	fresh();
	conf.cache = WL_CACHE_ASK;
	CU_ASSERT_STRING_EQUAL(key(CHAT("q")).why, "off");
	params[0] = "HTTP_X_WATCHLLM_CACHE";
	params[1] = "exact";
	params[2] = "HTTP_X_WATCHLLM_CACHE_TTL";
	params[3] = "7";
	params[4] = NULL;
	k = key(CHAT("q"));
	CU_ASSERT(k.read && k.write && k.alias[0] == '\0');
	CU_ASSERT_EQUAL(k.ttl_ms, 7000);
	/* the project has the last word */
	snprintf(settings, sizeof(settings),
	    "{\"cache\": {\"mode\": \"off\"}}");
	CU_ASSERT_STRING_EQUAL(key(CHAT("q")).why, "off");
	snprintf(settings, sizeof(settings),
	    "{\"cache\": {\"mode\": \"sometimes\"}}");
	CU_ASSERT_STRING_EQUAL(key(CHAT("q")).why, "off");
	params[0] = NULL;
	snprintf(settings, sizeof(settings), "{\"cache\": {\"mode\":"
	    " \"canonical\", \"ttl\": 60, \"scope\": \"user\"}}");
	CU_ASSERT_STRING_EQUAL(key(CHAT("q")).why, "no_user");
	k = key(WITH("\"user\":\"u\""));
	CU_ASSERT(k.write && k.alias[0] != '\0' && k.ttl_ms == 60000);
	CU_ASSERT(!is_same(WITH("\"user\":\"u\""), WITH("\"user\":\"v\"")));
	fresh();
	params[0] = "HTTP_CACHE_CONTROL";
	params[1] = "max-age=0, no-cache";
	params[2] = NULL;
	k = key(CHAT("q"));
	CU_ASSERT(!k.read && k.write);
	params[1] = "No-Store";
	CU_ASSERT_STRING_EQUAL(key(CHAT("q")).why, "no_store");
	params[0] = "HTTP_X_WATCHLLM_CACHE";
	params[1] = "ask";
	CU_ASSERT_STRING_EQUAL(key(CHAT("q")).why, "error");
	params[0] = "HTTP_X_WATCHLLM_CACHE_TTL";
	params[1] = "0";
	CU_ASSERT_STRING_EQUAL(key(CHAT("q")).why, "error");
	CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
}

static void
kept(void)
{
	struct wl_ask ask = { .api = WL_API_CHAT };
	struct wl_result res;

	memset(&res, 0, sizeof(res));
	res.outcome = WL_O_ANSWERED;
	res.http = 200;
	CU_ASSERT(!wl_cache_keeps(&ask, &res, WL_STR("{}")));
	(void)wl_strlcpy(res.finish_reason, "stop", sizeof(res.finish_reason));
	CU_ASSERT(wl_cache_keeps(&ask, &res, WL_STR("\"refusal\":null")));
	CU_ASSERT(!wl_cache_keeps(&ask, &res, WL_STR("\"refusal\":\"no\"")));
	(void)wl_strlcpy(res.finish_reason, "length",
	    sizeof(res.finish_reason));
	CU_ASSERT(!wl_cache_keeps(&ask, &res, WL_STR("{}")));
	ask.api = WL_API_EMBEDDINGS;
	CU_ASSERT(wl_cache_keeps(&ask, &res, WL_STR("{}")));
	res.err.code = WL_E_UPSTREAM;
	CU_ASSERT(!wl_cache_keeps(&ask, &res, WL_STR("{}")));
	res.err.code = WL_OK;
	res.http = 206;
	CU_ASSERT(!wl_cache_keeps(&ask, &res, WL_STR("{}")));
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "answers that are kept", kept },
		{ "never", never },
		{ "settings and headers", settings_and_headers },
		{ "who asks the same", identity },
		{ NULL, NULL }
	};

	if ((arena = wl_arena_new(64 << 20)) == NULL)
		return 99;
	return wl_tap_run("cache_key", tests);
}
