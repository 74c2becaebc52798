/*
 * What is reserved for calls, and what they have used in the end.
 */
#include "config.h"
#include "lib/core/reserve.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/json.h"
#include "lib/core/auth.h"
#include "lib/core/call.h"
#include "lib/core/model.h"
#include "lib/core/price.h"
#include "lib/core/route.h"
#include "lib/http/req.h"
#include "tests/unit/tap.h"

/*
 * Doubles: models "NAME,NAME" go to as many providers; a price is ten nano-dollars
 * a token for "a", a hundred for "b", none for "free", unknown for others.
 */
static enum wl_code	fails;

void
wl_model_call(const struct wl_req *r, const struct wl_ask *with,
    struct wl_route_call *call)
{
	(void)r;
	(void)with;
	memset(call, 0, sizeof(*call));
}

int
wl_model_route(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, const struct wl_keyring *keys,
    struct wl_str model, const char *provider_key,
    const struct wl_route_call *call,
    struct wl_target t[WL_TARGETS],
    struct wl_routed *routed, struct wl_err *e)
{
	struct wl_str rest = model, name;
	int n = 0;

	(void)call;
	(void)routed;
	(void)conf;
	(void)auth;
	(void)keys;
	(void)provider_key;
	if (fails != WL_OK)
		return wl_err_set(e, fails, NULL);
	while (rest.p != NULL && n < WL_TARGETS) {
		name = wl_str_cut(&rest, ',');
		memset(&t[n], 0, sizeof(t[n]));
		t[n].provider = "p";
		t[n++].model = wl_arena_dup(a, name.p, name.len);
	}
	return n;
}

bool
wl_price_known(const char *provider, const char *model)
{
	(void)provider;
	return strcmp(model, "unpriced") != 0;
}

int
wl_price_media(const char *provider, const char *model, enum wl_api api,
    const struct wl_usage *u, const struct wl_units *units, int64_t *nano,
    int64_t *effective_ms)
{
	(void)provider;
	(void)model;
	(void)api;
	(void)u;
	(void)effective_ms;
	*nano = 1000 * units->images;
	return units->images > 0;
}

int
wl_price_cost(const char *provider, const char *model,
    const struct wl_usage *u, int64_t *nano, int64_t *effective_ms)
{
	int64_t each = strcmp(model, "a") == 0 ? 10 :
	    strcmp(model, "b") == 0 ? 100 : strcmp(model, "free") == 0 ? 0 : -1;

	(void)provider;
	CU_ASSERT_EQUAL(u->source, WL_U_ESTIMATED);
	if (each < 0)
		return 0;
	*nano = (u->input + u->output) * each;
	*effective_ms = 1;
	return 1;
}

static struct wl_arena	*arena;
static struct wl_auth	 auth;
static struct wl_ask	 ask;
static struct wl_reserve v;
static struct wl_err	 e;
static struct wl_conf	 conf;

static int
reserve(const char *body, enum wl_api api, bool money)
{
	struct wl_req r = { .arena = arena };

	r.body = wl_str_of(body);
	r.content_type = NULL;
	wl_ask_read(&ask, api, &r);
	memset(&e, 0, sizeof(e));
	return wl_reserve(arena, &conf, &auth, NULL, &r, &ask, money, &v, &e);
}

static void
begin(void)
{
	arena = wl_arena_new(1 << 20);
	CU_ASSERT_FATAL(arena != NULL);
	memset(&auth, 0, sizeof(auth));
	memcpy(auth.project, "p1", 3);
	fails = WL_OK;
}

static void
tokens(void)
{
	begin();
	CU_ASSERT_EQUAL(reserve("{\"model\":\"a\",\"max_tokens\":50,"
	    "\"messages\":[{\"role\":\"user\",\"content\":\"12345678\"}]}",
	    WL_API_CHAT, false), 0);
	CU_ASSERT_EQUAL(v.output, 50);
	CU_ASSERT_EQUAL(v.tokens, 50 + ask.input_estimate);
	CU_ASSERT_EQUAL(v.nano, -1);
	/* of several answers each may be so long */
	CU_ASSERT_EQUAL(reserve("{\"model\":\"a\",\"max_tokens\":50,\"n\":3,"
	    "\"messages\":[]}", WL_API_CHAT, false), 0);
	CU_ASSERT_EQUAL(v.output, 150);
	CU_ASSERT_EQUAL(reserve("{\"model\":\"a\",\"n\":2,\"messages\":[]}",
	    WL_API_CHAT, false), 0);
	CU_ASSERT_EQUAL(v.output, 2 * WL_RESERVE_OUTPUT);
	CU_ASSERT_EQUAL(reserve("{\"model\":\"a\",\"input\":\"x\"}",
	    WL_API_EMBEDDINGS, false), 0);
	CU_ASSERT_EQUAL(v.output, 0);
	/* whatever is asked for, no figure runs over */
	CU_ASSERT_EQUAL(reserve("{\"model\":\"b\",\"max_tokens\":"
	    "9223372036854775807,\"n\":9223372036854775807,\"messages\":[]}",
	    WL_API_CHAT, true), 0);
	CU_ASSERT(v.tokens > 0 && v.tokens <= 2000000000);
	CU_ASSERT(v.nano > 0);
	CU_ASSERT_EQUAL(reserve("{\"model\":\"a\",\"max_tokens\":-5,\"n\":-1,"
	    "\"messages\":[]}", WL_API_CHAT, false), 0);
	CU_ASSERT_EQUAL(v.output, WL_RESERVE_OUTPUT);
	wl_arena_free(arena);
}

static void
learning(void)
{
	static const char body[] = "{\"model\":\"learner\",\"messages\":[]}";
	struct wl_result res = { .outcome = WL_O_ANSWERED };
	int i;

	begin();
	CU_ASSERT_EQUAL(reserve(body, WL_API_CHAT, false), 0);
	CU_ASSERT_EQUAL(v.output, WL_RESERVE_OUTPUT);
	res.usage = (struct wl_usage){ 1, -1, -1, 60, 40, WL_U_ESTIMATED, 0 };
	wl_reserve_learn("p1", &ask, &res);	/* of no estimate */
	CU_ASSERT_EQUAL(reserve(body, WL_API_CHAT, false), 0);
	CU_ASSERT_EQUAL(v.output, WL_RESERVE_OUTPUT);
	res.usage.source = WL_U_PROVIDER;
	wl_reserve_learn("p1", &ask, &res);
	CU_ASSERT_EQUAL(reserve(body, WL_API_CHAT, false), 0);
	CU_ASSERT_EQUAL(v.output, 100);
	res.usage.output = 900 - 40;
	for (i = 0; i < 100; i++)
		wl_reserve_learn("p1", &ask, &res);
	CU_ASSERT_EQUAL(reserve(body, WL_API_CHAT, false), 0);
	CU_ASSERT(v.output > 800 && v.output <= 900);
	/* another project's calls are its own */
	memcpy(auth.project, "p2", 3);
	CU_ASSERT_EQUAL(reserve(body, WL_API_CHAT, false), 0);
	CU_ASSERT_EQUAL(v.output, WL_RESERVE_OUTPUT);
	wl_arena_free(arena);
}

static void
money(void)
{
	static const char *const b10 = "{\"model\":\"%s\",\"max_tokens\":10,"
	    "\"prompt\":\"\"}";

	begin();
	auth.flat_nano = 5000000;		/* five nano-dollars a token */
	CU_ASSERT_EQUAL(reserve(wl_arena_printf(arena, b10, "a"),
	    WL_API_COMPLETIONS, true), 0);
	CU_ASSERT_EQUAL(v.nano, 100);
	/* the dearest that may answer */
	CU_ASSERT_EQUAL(reserve(wl_arena_printf(arena, b10, "a,b,free,x"),
	    WL_API_COMPLETIONS, true), 0);
	CU_ASSERT_EQUAL(v.nano, 1000);
	CU_ASSERT_FALSE(v.unknown);
	CU_ASSERT_EQUAL(reserve(wl_arena_printf(arena, b10, "free"),
	    WL_API_COMPLETIONS, true), 0);
	CU_ASSERT_EQUAL(v.nano, -1);
	CU_ASSERT_FALSE(v.unknown);
	/* pictures by the piece; rankings without a price reserve nothing,
	   and are no way around a budget */
	CU_ASSERT_EQUAL(reserve("{\"model\":\"x\",\"prompt\":\"p\",\"n\":3}",
	    WL_API_IMAGES, true), 0);
	CU_ASSERT_EQUAL(v.nano, 3000);
	CU_ASSERT_EQUAL(v.output, 0);
	CU_ASSERT_EQUAL(reserve("{\"model\":\"x\",\"query\":\"p\"}",
	    WL_API_RERANK, true), 0);
	CU_ASSERT_EQUAL(v.nano, 0);
	/* no price: by policy */
	CU_ASSERT_EQUAL(reserve(wl_arena_printf(arena, b10, "x,a"),
	    WL_API_COMPLETIONS, true), 0);
	CU_ASSERT_EQUAL(v.nano, -1);
	CU_ASSERT_TRUE(v.unknown);
	auth.unknown_price = WL_UNKNOWN_FLAT;
	CU_ASSERT_EQUAL(reserve(wl_arena_printf(arena, b10, "x"),
	    WL_API_COMPLETIONS, true), 0);
	CU_ASSERT_EQUAL(v.nano, 50);
	CU_ASSERT_TRUE(v.flat);
	auth.unknown_price = WL_UNKNOWN_DENY;
	CU_ASSERT_EQUAL(reserve(wl_arena_printf(arena, b10, "x"),
	    WL_API_COMPLETIONS, true), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_PRICE_UNKNOWN);
	/* of pictures too, but not for the want of one kind of price */
	CU_ASSERT_EQUAL(reserve("{\"model\":\"unpriced\",\"prompt\":\"p\"}",
	    WL_API_IMAGES, true), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_PRICE_UNKNOWN);
	CU_ASSERT_EQUAL(reserve("{\"model\":\"x\",\"query\":\"p\"}",
	    WL_API_RERANK, true), 0);
	/* what cannot be called is told by who calls it */
	fails = WL_E_MODEL_NOT_FOUND;
	CU_ASSERT_EQUAL(reserve(wl_arena_printf(arena, b10, "x"),
	    WL_API_COMPLETIONS, true), 0);
	CU_ASSERT_EQUAL(v.nano, -1);
	/* a database that is away is no way around */
	fails = WL_E_UNAVAILABLE;
	CU_ASSERT_EQUAL(reserve(wl_arena_printf(arena, b10, "a"),
	    WL_API_COMPLETIONS, true), -1);
	wl_arena_free(arena);
}

static void
truths(void)
{
	struct wl_reserve r = { .tokens = 30, .output = 20, .nano = 300 };
	struct wl_result res = { .price_known = true, .cost_nano = 77 };
	struct wl_truth t;

	begin();
	auth.flat_nano = 5000000;
	res.usage = (struct wl_usage){ 1, 2, 3, 4, -1, WL_U_PROVIDER, 0 };
	wl_reserve_truth(&r, &auth, &res, &t);
	CU_ASSERT_EQUAL(t.tokens, 10);
	CU_ASSERT_EQUAL(t.nano, 77);
	/* a price that is gone */
	res.price_known = false;
	wl_reserve_truth(&r, &auth, &res, &t);
	CU_ASSERT_EQUAL(t.nano, 300);
	r.flat = true;
	wl_reserve_truth(&r, &auth, &res, &t);
	CU_ASSERT_EQUAL(t.nano, 50);
	res.usage.source = WL_U_NONE;
	wl_reserve_truth(&r, &auth, &res, &t);
	CU_ASSERT_EQUAL(t.tokens, 0);
	CU_ASSERT_EQUAL(t.nano, 0);
	wl_arena_free(arena);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "tokens", tokens },
		{ "learned", learning },
		{ "money", money },
		{ "in the end", truths },
		{ NULL, NULL }
	};

	return wl_tap_run("reserve", tests);
}
