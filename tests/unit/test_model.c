/*
 * From a model's name to targets.
 */
#include "config.h"
#include "lib/core/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/co.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/secret.h"
#include "lib/base/wait.h"
#include "lib/core/auth.h"
#include "lib/core/latency.h"
#include "lib/core/price.h"
#include "lib/core/provider.h"
#include "lib/core/route.h"
#include "lib/store/db.h"
#include "lib/store/db_redaction.h"
#include "lib/store/db_route.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmp.h"

static struct wl_keyring	*ring;
static struct wl_arena		*arena;
static struct wl_auth		 auth;
static struct wl_err		 e;
static struct wl_target		 t[WL_TARGETS];
static char			 private_hosts[] = "127.0.0.1:11434";
static struct wl_conf		 conf = {
    .upstream_private_hosts = private_hosts };
static bool			 away;
static int			 reads_catalog, reads_keys, reads_sellers;

/* ---- in place of the database ---- */

static struct wl_db_provider providers[] = {
	{ "groq", "openai", "https://api.groq.com/openai/v1", "bearer", true,
	    false, true, NULL },
	{ "mistral", "openai", "https://api.mistral.ai/v1", "bearer", true,
	    false, false, NULL },
	{ "ollama", "openai", "http://127.0.0.1:11434/v1", "bearer", false,
	    true, true, NULL },
	{ "openai", "openai", "https://api.openai.com/v1", "bearer", true,
	    false, true, NULL },
	{ "openrouter", "openai", "https://openrouter.ai/api/v1", "bearer",
	    true, false, true, NULL },
	{ "strange", "unheard-of", "https://strange.example/v1", "bearer",
	    true, false, true, NULL },
	{ "vllm", "openai", "http://127.0.0.1:8000/v1", "none", false, true,
	    true, "2024-10-21" },
};

static struct wl_db_route routes[] = {
	{ "gpt-", "openai", true, 2 },
	{ "gpt-", "openrouter", true, 1 },
	{ "gpt-oss", "groq", true, 1 },
	{ "gpt-oss-20b", "openrouter", false, 1 },
	{ "llama", "groq", true, 1 },
	{ "mistral-", "mistral", true, 1 },
	{ "odd", "strange", true, 1 },
	{ "lost", "nobody", true, 1 },
};

int
wl_db_providers(struct wl_arena *a, struct wl_db_provider **rows, int *n,
    struct wl_err *err)
{
	(void)a;
	reads_catalog++;
	CU_ASSERT_EQUAL(wl_sleep(2), 0);
	if (away)
		return wl_err_set(err, WL_E_UNAVAILABLE, NULL);
	*rows = providers;
	*n = sizeof(providers) / sizeof(providers[0]);
	return 0;
}

int
wl_db_routes(struct wl_arena *a, struct wl_db_route **rows, int *n,
    struct wl_err *err)
{
	(void)a;
	(void)err;
	*rows = routes;
	*n = sizeof(routes) / sizeof(routes[0]);
	return 0;
}

int
wl_db_catalog_version(struct wl_arena *a, int64_t *version,
    struct wl_err *err)
{
	(void)a;
	(void)err;
	*version = 1;
	return 0;
}

int
wl_db_redaction(struct wl_arena *a, const char *project,
    struct wl_db_redaction **rows, int *n, struct wl_err *err)
{
	(void)a;
	(void)project;
	(void)err;
	*rows = NULL;
	*n = 0;
	return 0;
}

int
wl_db_model_providers(struct wl_arena *a, const char *model,
    const char ***ids, int *n, struct wl_err *err)
{
	static const char *both[] = { "openai", "openrouter" };
	static const char *local[] = { "ollama" };

	(void)a;
	reads_sellers++;
	if (away)
		return wl_err_set(err, WL_E_UNAVAILABLE, NULL);
	*ids = strcmp(model, "priced") == 0 ? both : local;
	*n = strcmp(model, "priced") == 0 ? 2 :
	    strcmp(model, "priced-local") == 0 ? 1 : 0;
	return 0;
}

/* ---- rules ---- */

struct ruling {
	const char	*name, *definition;
};

static const struct ruling	*own_rules, *all_rules;
static int			 nown, nall;

int
wl_db_rules(struct wl_arena *a, const char *project, struct wl_db_rule **rows,
    int *n, struct wl_err *err)
{
	const struct ruling *from = project == NULL ? all_rules : own_rules;
	int i;

	(void)err;
	*n = project == NULL ? nall : nown;
	*rows = wl_arena_alloc(a, (size_t)(*n + 1) * sizeof(**rows));
	for (i = 0; i < *n; i++)
		(*rows)[i] = (struct wl_db_rule){ from[i].name,
		    from[i].definition, strlen(from[i].definition), 1000 + i };
	return 0;
}

int
wl_db_price(struct wl_arena *a, const char *provider, const char *model,
    int64_t at_ms, struct wl_db_price *p, struct wl_err *err)
{
	(void)a;
	(void)at_ms;
	(void)err;
	memset(p, 0xff, sizeof(*p));
	p->until_ms = INT64_MAX;
	/* groq takes less for input, openai for output */
	p->input = strcmp(provider, "groq") == 0 ? 100 : 900;
	p->output = strcmp(provider, "groq") == 0 ? 900000 : 100000;
	return strcmp(model, "free") != 0;
}

static struct wl_db_flag flags[] = {
	{ "nobody", ",,", ",,", 0 },
	{ "not-p1", ",,", ",p0,p1,", 10000 },
	{ "only-p1", ",p1,p2,", ",,", 0 },
};

int
wl_db_flags(struct wl_arena *a, struct wl_db_flag **rows, int *n,
    struct wl_err *err)
{
	(void)a;
	(void)err;
	*rows = flags;
	*n = 3;
	return 0;
}

struct stored {
	const char	*project, *provider, *host, *bound, *plain;
};

static const struct stored *stored;
static int		 nstored;

int
wl_db_provider_keys(struct wl_arena *a, const char *project,
    struct wl_db_provider_key **rows, int *n, struct wl_err *err)
{
	const struct stored *s;
	struct wl_db_provider_key *k;
	uint8_t *nonce, *sealed;
	char *aad;
	int i;

	reads_keys++;
	if (away)
		return wl_err_set(err, WL_E_UNAVAILABLE, NULL);
	*n = 0;
	*rows = wl_arena_alloc(a, (size_t)nstored * sizeof(**rows));
	for (i = 0; i < nstored; i++) {
		s = &stored[i];
		aad = wl_arena_printf(a, "%s|%s|%s", s->project, s->provider,
		    s->host);
		nonce = wl_arena_alloc(a, WL_SECRET_NONCE);
		sealed = wl_arena_alloc(a, strlen(s->plain) + WL_SECRET_TAG);
		CU_ASSERT_EQUAL(wl_secret_seal(ring, s->plain,
		    strlen(s->plain), aad, strlen(aad), nonce, sealed), 0);
		k = &(*rows)[(*n)++];
		k->provider = s->provider;
		k->key_id = "k1";
		k->host = s->bound;
		k->hint = "";
		k->nonce = nonce;
		k->sealed = sealed;
		k->sealed_len = strlen(s->plain) + WL_SECRET_TAG;
	}
	(void)project;
	return 0;
}

/* ---- ---- */

static void
keys(const struct stored *s, int n)
{
	stored = s;
	nstored = n;
	auth.version++;
}

static int
find(const char *model, const char *own)
{
	memset(&e, 0, sizeof(e));
	return wl_model_targets(arena, &conf, &auth, ring, wl_str_of(model),
	    own, t, &e);
}

/*
 * Whether target I goes to PROVIDER with MODEL and KEY.
 */
static bool
is(int i, const char *provider, const char *model, const char *key)
{
	return strcmp(t[i].provider, provider) == 0 &&
	    strcmp(t[i].model, model) == 0 && strcmp(t[i].key, key) == 0;
}

static const struct stored many[] = {
	{ "p1", "openai", "api.openai.com", "api.openai.com", "key-a" },
	{ "p1", "openai", "api.openai.com:443", "api.openai.com:443",
	    "key-b" },
	{ "p1", "groq", "api.groq.com", "api.groq.com", "key-g" },
};

static void
by_routes(void)
{
	keys(many, 3);
	/* openrouter comes first, but the project has no key for it */
	CU_ASSERT_EQUAL(find("gpt-4o", NULL), 2);
	CU_ASSERT(is(0, "openai", "gpt-4o", "key-a"));
	CU_ASSERT(is(1, "openai", "gpt-4o", "key-b"));
	CU_ASSERT_STRING_EQUAL(t[0].base_url, "https://api.openai.com/v1");
	CU_ASSERT_STRING_EQUAL(t[0].auth, "bearer");
	CU_ASSERT(t[0].wire == &wl_provider_openai);
	CU_ASSERT(t[0].stream_options);
	CU_ASSERT_EQUAL(t[0].trust, WL_TRUST_PUBLIC);
	CU_ASSERT(!t[0].own_key);
	/* the longer prefix first, then the shorter */
	CU_ASSERT_EQUAL(find("gpt-oss-120b", NULL), 3);
	CU_ASSERT(is(0, "groq", "gpt-oss-120b", "key-g"));
	CU_ASSERT(is(1, "openai", "gpt-oss-120b", "key-a"));
	/* a key of its own goes to the best match alone */
	CU_ASSERT_EQUAL(find("gpt-oss-20b", "mine"), 1);
	CU_ASSERT(is(0, "openrouter", "gpt-oss-20b", "mine"));
	CU_ASSERT(t[0].own_key);
	CU_ASSERT_EQUAL(find("gpt-4o", "mine"), 1);
	CU_ASSERT(is(0, "openrouter", "gpt-4o", "mine"));
	/* it goes into a header, so it must be able to */
	CU_ASSERT_EQUAL(find("gpt-4o", "mi ne"), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
	CU_ASSERT_STRING_EQUAL(e.param, "X-Provider-Key");
	CU_ASSERT_EQUAL(find("gpt-4o", "mi\xc3\xa9"), -1);
	CU_ASSERT_EQUAL(find("gpt-4o", "mi\tne"), -1);
}

static void
by_name(void)
{
	keys(many, 3);
	CU_ASSERT_EQUAL(find("openai/llama-x", NULL), 2);
	CU_ASSERT(is(0, "openai", "llama-x", "key-a"));
	CU_ASSERT_EQUAL(find("openrouter/meta/llama-3", "mine"), 1);
	CU_ASSERT(is(0, "openrouter", "meta/llama-3", "mine"));
	CU_ASSERT_EQUAL(find("mistral/x", NULL), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_BYOK_REQUIRED);
	CU_ASSERT(strstr(e.msg, "mistral") != NULL);
	CU_ASSERT_EQUAL(find("mistral/x", "mine"), 1);
	CU_ASSERT(!t[0].stream_options);
	/* not a provider's name */
	CU_ASSERT_EQUAL(find("nobody/x", NULL), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_MODEL_NOT_FOUND);
	CU_ASSERT(e.param != NULL && strcmp(e.param, "model") == 0);
	CU_ASSERT_EQUAL(find("openai/", NULL), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_MODEL_NOT_FOUND);
	CU_ASSERT_EQUAL(find("/x", NULL), -1);
}

static void
by_prices(void)
{
	int before;

	keys(many, 3);
	CU_ASSERT_EQUAL(find("priced", NULL), 2);
	CU_ASSERT(is(0, "openai", "priced", "key-a"));
	before = reads_sellers;
	CU_ASSERT_EQUAL(find("priced", NULL), 2);
	CU_ASSERT_EQUAL(reads_sellers, before);
	/* whose key is it? */
	CU_ASSERT_EQUAL(find("priced", "mine"), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
	CU_ASSERT_EQUAL(find("openrouter/priced", "mine"), 1);
	/* a server that needs no key is nobody's choice */
	CU_ASSERT_EQUAL(find("priced-local", NULL), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_BYOK_REQUIRED);
	CU_ASSERT_EQUAL(find("unheard-of", NULL), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_MODEL_NOT_FOUND);
	/* a wire format that this program does not speak */
	CU_ASSERT_EQUAL(find("odd-1", "mine"), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_BYOK_REQUIRED);
	CU_ASSERT_EQUAL(find("lost-1", "mine"), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_MODEL_NOT_FOUND);
}

static void
by_default(void)
{
	keys(many, 3);
	snprintf(auth.default_provider, sizeof(auth.default_provider),
	    "openai");
	CU_ASSERT_EQUAL(find("unheard-of", NULL), 2);
	CU_ASSERT(is(0, "openai", "unheard-of", "key-a"));
	CU_ASSERT_EQUAL(find("mistral-large", NULL), 2);
	CU_ASSERT(is(0, "openai", "mistral-large", "key-a"));
	/* it is asked before those that merely have a price */
	snprintf(auth.default_provider, sizeof(auth.default_provider),
	    "groq");
	CU_ASSERT_EQUAL(find("priced", NULL), 1);
	CU_ASSERT(is(0, "groq", "priced", "key-g"));
	CU_ASSERT_EQUAL(find("priced", "mine"), 1);
	CU_ASSERT(is(0, "groq", "priced", "mine"));
	snprintf(auth.default_provider, sizeof(auth.default_provider),
	    "mistral");
	CU_ASSERT_EQUAL(find("unheard-of", NULL), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_BYOK_REQUIRED);
	auth.default_provider[0] = '\0';
}

static void
without_key(void)
{
	keys(NULL, 0);
	CU_ASSERT_EQUAL(find("gpt-4o", NULL), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_BYOK_REQUIRED);
	CU_ASSERT_EQUAL(find("ollama/llama3.2", NULL), 1);
	CU_ASSERT(is(0, "ollama", "llama3.2", ""));
	CU_ASSERT_EQUAL(t[0].trust, WL_TRUST_PRIVATE);
	/* allow_private alone is not enough: the operator must list it */
	CU_ASSERT_EQUAL(find("vllm/x", NULL), 1);
	CU_ASSERT_EQUAL(t[0].trust, WL_TRUST_PUBLIC);
	CU_ASSERT_EQUAL(find("ollama/x", "mine"), 1);
	CU_ASSERT(is(0, "ollama", "x", "mine"));
}

/*
 * A key is used for its project, its provider and its host, or not at all.
 */
static void
bound(void)
{
	static const struct stored rows[] = {
		{ "p1", "openai", "evil.example", "evil.example", "k" },
		{ "p1", "openai", "api.openai.com:8443",
		    "api.openai.com:8443", "k" },
		{ "p2", "openai", "api.openai.com", "api.openai.com", "k" },
		{ "p1", "groq", "api.openai.com", "api.openai.com", "k" },
		{ "p1", "openai", "other.example", "api.openai.com", "k" },
	};
	int i;

	for (i = 0; i < 5; i++) {
		keys(&rows[i], 1);
		CU_ASSERT_EQUAL(find("openai/x", NULL), -1);
		CU_ASSERT_EQUAL(e.code, WL_E_BYOK_REQUIRED);
		CU_ASSERT_EQUAL(find("groq/x", NULL), -1);
	}
	keys(many, 3);
	memset(&e, 0, sizeof(e));
	CU_ASSERT_EQUAL(wl_model_targets(arena, &conf, &auth, NULL,
	    WL_STR("openai/x"), NULL, t, &e), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_BYOK_REQUIRED);
}

/*
 * The key is gone from memory when the request is over.  What was registered
 * first is released last.
 */
static void
look_at_key(void *p)
{
	const volatile char *key = *(const char **)p;
	int i, set = 0;

	for (i = 0; i < 5; i++)
		set += key[i] != '\0';
	CU_ASSERT_EQUAL(set, 0);
}

static void
wiped(void)
{
	struct wl_arena *own = wl_arena_new(1 << 20);
	const char *key;

	keys(many, 3);
	CU_ASSERT_EQUAL_FATAL(wl_arena_defer(own, look_at_key, &key), 0);
	CU_ASSERT_EQUAL(wl_model_targets(own, &conf, &auth, ring,
	    WL_STR("groq/x"), NULL, t, &e), 1);
	CU_ASSERT_STRING_EQUAL(t[0].key, "key-g");
	key = t[0].key;
	wl_arena_free(own);
}

static void
ask_one(void *arg)
{
	struct wl_arena *own = wl_arena_new(1 << 20);
	struct wl_target mine[WL_TARGETS];
	struct wl_err err;

	CU_ASSERT_EQUAL(wl_model_targets(own, &conf, &auth, ring,
	    WL_STR("groq/x"), NULL, mine, &err), 1);
	wl_arena_free(own);
	(*(int *)arg)++;
}

static void
remembered(void)
{
	int i, done = 0;

	wl_model_flush();
	keys(many, 3);
	reads_catalog = reads_keys = 0;
	for (i = 0; i < 30; i++)
		CU_ASSERT(wl_co_spawn("ask", ask_one, &done) != NULL);
	while (done < 30)
		CU_ASSERT_EQUAL_FATAL(wl_sleep(1), 0);
	CU_ASSERT_EQUAL(reads_catalog, 1);
	CU_ASSERT_EQUAL(reads_keys, 1);
	/* another version, another look */
	auth.version++;
	auth.catalog_version++;
	CU_ASSERT_EQUAL(find("groq/x", NULL), 1);
	CU_ASSERT_EQUAL(reads_catalog, 2);
	CU_ASSERT_EQUAL(reads_keys, 2);
	/* what is known serves while the database is away */
	away = true;
	CU_ASSERT_EQUAL(find("groq/x", NULL), 1);
	auth.version++;
	CU_ASSERT_EQUAL(find("groq/x", NULL), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	wl_model_flush();
	CU_ASSERT_EQUAL(find("groq/x", "mine"), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	away = false;
	CU_ASSERT_EQUAL(find("groq/x", NULL), 1);
}

/* ---- rules ---- */

static struct wl_route_call	call;
static struct wl_routed		routed;
static uint32_t			dice;

static uint32_t
below(uint32_t n)
{
	return dice % n;
}

static void
rules(const struct ruling *own, int n)
{
	own_rules = own;
	nown = n;
	keys(many, 3);
}

static int
route(const char *model, const char *own)
{
	memset(&e, 0, sizeof(e));
	call.below = below;
	return wl_model_route(arena, &conf, &auth, ring, wl_str_of(model),
	    own, &call, t, &routed, &e);
}

static void
by_rules(void)
{
	static const struct ruling own[] = {
		{ "fast", "{\"alias\":\"fast\",\"targets\":["
		    "{\"model\":\"groq/llama\",\"variant\":\"g\"},"
		    "{\"model\":\"openai/gpt\",\"variant\":\"o\"}]}" },
		{ "nested", "{\"alias\":\"best\",\"strategy\":\"weighted\","
		    "\"targets\":[{\"model\":\"fast\",\"weight\":1},"
		    "{\"model\":\"gpt-4o\",\"weight\":9,\"variant\":"
		    "\"plain\"}],\"shadow\":\"groq/shade\"}" },
		{ "same", "{\"alias\":\"gpt-4o\",\"when\":{\"tags\":\"x\"},"
		    "\"targets\":[\"gpt-4o\",\"groq/x\"]}" },
		{ "explicit", "{\"alias\":\"openai/gpt-4o\",\"targets\":"
		    "[\"groq/never\"]}" },
		{ "keyless", "{\"alias\":\"keyless\",\"targets\":"
		    "[\"mistral/m\",\"groq/x\"]}" },
		{ "none", "{\"alias\":\"none\",\"targets\":[\"mistral/m\","
		    "\"openrouter/m\"]}" },
		{ "broken", "{\"alias\":\"broken\",\"targets\":[]}" },
	};

	rules(own, 7);
	call = (struct wl_route_call){ .input = 10 };
	/* two keys for openai, so three targets */
	CU_ASSERT_EQUAL(route("fast", NULL), 3);
	CU_ASSERT(is(0, "groq", "llama", "key-g"));
	CU_ASSERT_STRING_EQUAL(t[0].variant, "g");
	CU_ASSERT(is(1, "openai", "gpt", "key-a"));
	CU_ASSERT_STRING_EQUAL(t[2].variant, "o");
	CU_ASSERT_STRING_EQUAL(routed.rule, "fast");
	CU_ASSERT_STRING_EQUAL(routed.shadow, "");
	/* weights, an alias of an alias, the shadow */
	dice = 5;
	CU_ASSERT_EQUAL(route("best", NULL), 5);
	CU_ASSERT(is(0, "openai", "gpt-4o", "key-a"));
	CU_ASSERT_STRING_EQUAL(t[0].variant, "plain");
	CU_ASSERT(is(2, "groq", "llama", "key-g"));
	CU_ASSERT_STRING_EQUAL(t[2].variant, "g");
	CU_ASSERT_STRING_EQUAL(routed.rule, "nested");
	CU_ASSERT_STRING_EQUAL(routed.shadow, "groq/shade");
	dice = 0;
	CU_ASSERT_EQUAL(route("best", NULL), 5);
	CU_ASSERT(is(0, "groq", "llama", "key-g"));
	/* a name that is its own target is the model of that name */
	CU_ASSERT_EQUAL(route("gpt-4o", NULL), 2);
	CU_ASSERT_STRING_EQUAL(routed.rule, "");
	call.tags = "y, x";
	CU_ASSERT_EQUAL(route("gpt-4o", NULL), 3);
	CU_ASSERT_STRING_EQUAL(routed.rule, "same");
	CU_ASSERT(is(0, "openai", "gpt-4o", "key-a"));
	CU_ASSERT(is(2, "groq", "x", "key-g"));
	/* a provider that is named wins over any rule */
	CU_ASSERT_EQUAL(route("openai/gpt-4o", NULL), 2);
	CU_ASSERT_STRING_EQUAL(routed.rule, "");
	CU_ASSERT_EQUAL(route("keyless", NULL), 1);
	CU_ASSERT(is(0, "groq", "x", "key-g"));
	CU_ASSERT_EQUAL(route("none", NULL), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_BYOK_REQUIRED);
	CU_ASSERT(strstr(e.msg, "mistral") != NULL);
	CU_ASSERT_EQUAL(route("broken", NULL), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_MODEL_NOT_FOUND);
	/* without a call: as one of which nothing is known */
	CU_ASSERT_EQUAL(find("gpt-4o", NULL), 2);
	CU_ASSERT_EQUAL(find("fast", NULL), 3);
	nown = 0;
}

static void
own_key_by_rules(void)
{
	static const struct ruling own[] = {
		{ "two", "{\"alias\":\"two\",\"targets\":[\"groq/a\","
		    "\"openai/b\"],\"shadow\":\"groq/s\"}" },
		{ "one", "{\"alias\":\"one\",\"targets\":[\"groq/a\","
		    "\"groq/b\"],\"shadow\":\"groq/s\"}" },
		{ "plain", "{\"alias\":\"plain\",\"targets\":[\"gpt-4o\"]}" },
	};

	rules(own, 3);
	CU_ASSERT_EQUAL(route("two", "mine"), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
	CU_ASSERT_EQUAL(route("plain", "mine"), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
	CU_ASSERT_EQUAL(route("one", "mine"), 1);
	CU_ASSERT(is(0, "groq", "a", "mine"));
	/* it pays for what its owner asked, not for a second call */
	CU_ASSERT_STRING_EQUAL(routed.shadow, "");
	nown = 0;
}

static void
by_scores(void)
{
	static const struct ruling own[] = {
		{ "cheap", "{\"alias\":\"cheap\",\"strategy\":\"least_cost\","
		    "\"targets\":[\"openai/free\",\"openai/m\","
		    "\"groq/m\"]}" },
		{ "quick", "{\"alias\":\"quick\",\"strategy\":"
		    "\"least_latency\",\"targets\":[\"openai/m\","
		    "\"groq/m\"]}" },
	};

	rules(own, 2);
	call = (struct wl_route_call){ .input = 1000000, .max_tokens = 1 };
	CU_ASSERT_EQUAL(route("cheap", NULL), 5);
	CU_ASSERT(is(0, "groq", "m", "key-g"));
	CU_ASSERT(is(1, "openai", "m", "key-a"));
	/* nobody knows what this one costs */
	CU_ASSERT(is(3, "openai", "free", "key-a"));
	call.max_tokens = 1000000;
	CU_ASSERT_EQUAL(route("cheap", NULL), 5);
	CU_ASSERT(is(0, "openai", "m", "key-a"));

	wl_latency_flush();
	wl_latency_note("openai", "m", 1000);
	CU_ASSERT_EQUAL(route("quick", NULL), 3);
	CU_ASSERT(is(0, "groq", "m", "key-g"));	/* not known: worth a try */
	wl_latency_note("groq", "m", 5000);
	CU_ASSERT_EQUAL(route("quick", NULL), 3);
	CU_ASSERT(is(0, "openai", "m", "key-a"));
	wl_latency_failed("openai", "m");
	CU_ASSERT_EQUAL(route("quick", NULL), 3);
	CU_ASSERT(is(0, "groq", "m", "key-g"));
	nown = 0;
	wl_latency_flush();
	wl_price_flush();
}

static void
seen(void)
{
	static const struct ruling own[] = {
		{ "a", "{\"alias\":\"a\",\"targets\":[\"groq/own\"]}" },
		{ "a2", "{\"alias\":\"a\",\"targets\":[\"groq/own2\"]}" },
		{ "f", "{\"alias\":\"f\",\"flag\":\"nobody\","
		    "\"targets\":[\"groq/f\"]}" },
	};
	static const struct ruling all[] = {
		{ "a", "{\"alias\":\"a\",\"targets\":[\"groq/all\"]}" },
		{ "b", "{\"alias\":\"b\",\"targets\":[\"groq/b\"]}" },
		{ "c", "{\"alias\":\"c\",\"flag\":\"only-p1\","
		    "\"targets\":[\"groq/c\"]}" },
		{ "d", "{\"alias\":\"d\",\"flag\":\"not-p1\","
		    "\"targets\":[\"groq/d\"]}" },
		{ "e", "{\"alias\":\"e\",\"flag\":\"unheard-of\","
		    "\"targets\":[\"groq/e\"]}" },
	};
	struct wl_alias *v;
	int n;

	all_rules = all;
	nall = 5;
	auth.catalog_version++;
	rules(own, 3);
	call = (struct wl_route_call){ .input = 1 };
	CU_ASSERT_EQUAL(route("a", NULL), 1);
	CU_ASSERT(is(0, "groq", "own", "key-g"));
	CU_ASSERT_EQUAL(route("b", NULL), 1);
	CU_ASSERT_EQUAL(route("c", NULL), 1);
	CU_ASSERT_EQUAL(route("d", NULL), -1);
	CU_ASSERT_EQUAL(route("e", NULL), -1);
	CU_ASSERT_EQUAL(route("f", NULL), -1);
	CU_ASSERT_EQUAL(wl_model_aliases(arena, &auth, &v, &n, &e), 0);
	CU_ASSERT_EQUAL_FATAL(n, 3);
	CU_ASSERT_STRING_EQUAL(v[0].name, "a");
	CU_ASSERT_STRING_EQUAL(v[1].name, "b");
	CU_ASSERT_STRING_EQUAL(v[2].name, "c");
	CU_ASSERT_EQUAL(v[1].created_ms, 1001);
	nown = nall = 0;
	auth.catalog_version++;
	auth.version++;
	CU_ASSERT_EQUAL(route("a", NULL), -1);
}

static int
on_loop(void *arg)
{
	(*(void (**)(void))arg)();
	return 0;
}

#define LOOP(fn)							\
static void								\
fn##_test(void)								\
{									\
	void (*f)(void) = fn;						\
									\
	arena = wl_arena_new(1 << 20);					\
	CU_ASSERT_EQUAL(wl_run(on_loop, &f), 0);			\
	wl_arena_free(arena);						\
}
LOOP(by_routes)
LOOP(by_name)
LOOP(by_prices)
LOOP(by_default)
LOOP(without_key)
LOOP(bound)
LOOP(wiped)
LOOP(remembered)
LOOP(by_rules)
LOOP(own_key_by_rules)
LOOP(by_scores)
LOOP(seen)

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "by routes", by_routes_test },
		{ "by an explicit name", by_name_test },
		{ "by prices", by_prices_test },
		{ "by the project's default", by_default_test },
		{ "providers without a key", without_key_test },
		{ "keys are bound", bound_test },
		{ "keys are wiped", wiped_test },
		{ "tables are remembered", remembered_test },
		{ "by rules", by_rules_test },
		{ "by rules, with a key of its own", own_key_by_rules_test },
		{ "by price and by time", by_scores_test },
		{ "what a project sees", seen_test },
		{ NULL, NULL }
	};
	char line[128];
	int rc;

	(void)wl_log_open("/dev/null", WL_ERROR, "test");
	wl_keyring_make("k1", line);
	ring = wl_keyring_load(wl_tmp_file("keys", line, strlen(line), 0600),
	    &e);
	if (ring == NULL)
		return 1;
	snprintf(auth.project, sizeof(auth.project), "p1");
	auth.catalog_version = 1;
	rc = wl_tap_run("model", tests);
	wl_model_flush();
	wl_keyring_free(ring);
	return rc;
}
