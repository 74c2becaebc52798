/*
 * Webhooks of Stripe: signatures, and what an event says.
 */
#include "config.h"
#include "lib/core/stripe.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "tests/unit/tap.h"

/*
 * From Stripe's own tests: src/StripeTests/Services/Events/EventUtilityTest.cs
 * and src/StripeTests/Resources/event_test_signature.json of
 * github.com/stripe/stripe-dotnet.
 */
#define THEIR_TIME	1533204620
#define THEIR_SECRET	"webhook_secret"
#define THEIR_V1 \
	"2220f87ef101a04665f11cdf770523143f875572008577fa0f20882ddb9cc3c7"
#define THEIR_V0 \
	"63f3a72374a733066c4be69ed7f8e5ac85c22c9f0a6a612ab9a025a9e4ee7eef"
static const char their_body[] =
    "{\n"
    "  \"id\": \"evt_123\",\n"
    "  \"object\": \"event\",\n"
    "  \"account\": \"acct_123\",\n"
    "  \"api_version\": \"2017-05-25\",\n"
    "  \"created\": 1533204620,\n"
    "  \"data\": {\n"
    "    \"object\": {\n"
    "      \"id\": \"cus_123\",\n"
    "      \"object\": \"customer\",\n"
    "      \"created\": 123456789,\n"
    "      \"email\": \"test@stripe.com\",\n"
    "      \"livemode\": false,\n"
    "      \"metadata\": {}\n"
    "    }\n"
    "  },\n"
    "  \"livemode\": false,\n"
    "  \"pending_webhooks\": 1,\n"
    "  \"request\": {\n"
    "    \"id\": \"req_123\",\n"
    "    \"idempotency_key\": \"idempotency-key-123\"\n"
    "  },\n"
    "  \"type\": \"customer.created\"\n"
    "}\n";

static struct wl_arena	*arena;
static struct wl_err	 err;
static struct wl_stripe_event ev;

static const char *
verify(const char *header, const char *secret, const char *body, int64_t now)
{
	return wl_stripe_verify(arena, header, secret, wl_str_of(body), now,
	    300);
}

static void
their_signature(void)
{
	static const char header[] = "t=1533204620,v1=" THEIR_V1
	    ",v0=" THEIR_V0;

	CU_ASSERT_PTR_NULL(verify(header, THEIR_SECRET, their_body,
	    THEIR_TIME + 100));
	CU_ASSERT_PTR_NULL(verify(header, THEIR_SECRET, their_body,
	    THEIR_TIME + 300));
	CU_ASSERT_PTR_NULL(verify(header, THEIR_SECRET, their_body,
	    THEIR_TIME - 300));
	CU_ASSERT_PTR_NOT_NULL(verify(header, THEIR_SECRET, their_body,
	    THEIR_TIME + 301));
	CU_ASSERT_PTR_NOT_NULL(verify(header, THEIR_SECRET, their_body,
	    THEIR_TIME - 301));
	CU_ASSERT_PTR_NOT_NULL(verify(header, "webhook_secre", their_body,
	    THEIR_TIME));
	CU_ASSERT_PTR_NOT_NULL(verify(header, THEIR_SECRET, their_body + 1,
	    THEIR_TIME));
	/* one of several, with blanks, in capitals */
	CU_ASSERT_PTR_NULL(verify("v1=" THEIR_V0 ", t=1533204620 ,v1="
	    THEIR_V1, THEIR_SECRET, their_body, THEIR_TIME));
}

static void
no_signature(void)
{
	static const char *const headers[] = {
		"", ",", ",,", "t", "t,,", "t,v1=,", "t,v1=,v0",
		"t=,v1=" THEIR_V1, "t=1533204620", "v1=" THEIR_V1,
		"t=1533204620,v0=" THEIR_V1, "t=1533204620,v1",
		"t=1533204620,v1=", "t=1533204620,v1=" THEIR_V1 "00",
		"t=1533204620,v1=zz" THEIR_V0,
		"t=1533204620,t=1533204620,v1=" THEIR_V1,
		"t=+1533204620,v1=" THEIR_V1, "t=01533204621,v1=" THEIR_V1,
		"t=99999999999999999999,v1=" THEIR_V1,
	};
	size_t i;

	CU_ASSERT_PTR_NOT_NULL(verify(NULL, THEIR_SECRET, their_body,
	    THEIR_TIME));
	/* an empty secret signs nothing */
	CU_ASSERT_PTR_NOT_NULL(verify("t=1533204620,v1=" THEIR_V1, "",
	    their_body, THEIR_TIME));
	for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		CU_ASSERT_PTR_NOT_NULL(verify(headers[i], THEIR_SECRET,
		    their_body, THEIR_TIME));
}

static int
read_event(const char *body, const char *mapping)
{
	memset(&err, 0, sizeof(err));
	return wl_stripe_read(arena, wl_str_of(body), mapping, &ev, &err);
}

#define SUBSCRIPTION(type, items, more) \
	"{\"id\":\"evt_1\",\"type\":\"customer.subscription." type "\"," \
	"\"created\":1700000000,\"data\":{\"object\":{\"id\":\"sub_1\"," \
	"\"status\":\"active\",\"customer\":\"cus_1\"," \
	"\"items\":{\"data\":[" items "]}" more "}}}"
#define ITEM(price, product) \
	"{\"price\":{\"id\":\"" price "\",\"product\":" product "}}"

static void
events(void)
{
	CU_ASSERT_EQUAL(read_event(their_body, ""), 0);
	CU_ASSERT_EQUAL(ev.kind, WL_STRIPE_IGNORED);
	CU_ASSERT_EQUAL_FATAL(read_event(SUBSCRIPTION("updated",
	    ITEM("price_1", "\"prod_1\"") "," ITEM("price_2",
	    "{\"id\":\"prod_2\"}"), ",\"metadata\":{\"watchllm_project\":"
	    "\"p1\"}"), " price_1=a,prod_2=b-2\tprice_3=c\n"), 0);
	CU_ASSERT_EQUAL(ev.kind, WL_STRIPE_UPDATED);
	CU_ASSERT_EQUAL(ev.created_s, 1700000000);
	CU_ASSERT_STRING_EQUAL(ev.subscription, "sub_1");
	CU_ASSERT_STRING_EQUAL(ev.customer, "cus_1");
	CU_ASSERT_STRING_EQUAL(ev.status, "active");
	CU_ASSERT_STRING_EQUAL(ev.plans, "{\"a\",\"b-2\"}");
	CU_ASSERT_STRING_EQUAL(ev.project, "p1");
	CU_ASSERT_TRUE(ev.trusted);
	CU_ASSERT_EQUAL_FATAL(read_event(SUBSCRIPTION("deleted", "", ""),
	    ""), 0);
	CU_ASSERT_EQUAL(ev.kind, WL_STRIPE_DELETED);
	CU_ASSERT_STRING_EQUAL(ev.plans, "{}");
	CU_ASSERT_PTR_NULL(ev.project);
}

static void
checkouts(void)
{
	CU_ASSERT_EQUAL_FATAL(read_event("{\"id\":\"evt_1\",\"type\":"
	    "\"checkout.session.completed\",\"created\":5,\"data\":{\"object\":"
	    "{\"mode\":\"subscription\",\"subscription\":{\"id\":\"sub_1\"},"
	    "\"customer\":null,\"client_reference_id\":\"p1\"}}}", ""), 0);
	CU_ASSERT_EQUAL(ev.kind, WL_STRIPE_CHECKOUT);
	CU_ASSERT_STRING_EQUAL(ev.subscription, "sub_1");
	CU_ASSERT_STRING_EQUAL(ev.project, "p1");
	CU_ASSERT_FALSE(ev.trusted);
	CU_ASSERT_PTR_NULL(ev.customer);
	CU_ASSERT_EQUAL(read_event("{\"id\":\"evt_1\",\"type\":"
	    "\"checkout.session.completed\",\"created\":5,\"data\":{\"object\":"
	    "{\"mode\":\"payment\"}}}", ""), 0);
	CU_ASSERT_EQUAL(ev.kind, WL_STRIPE_IGNORED);
	CU_ASSERT_EQUAL(read_event("{\"id\":\"evt_1\",\"type\":"
	    "\"checkout.session.completed\",\"created\":5,\"data\":{\"object\":"
	    "{\"mode\":\"subscription\"}}}", ""), -1);
}

static void
mappings(void)
{
	static const char *const bad[] = {
		"price_1", "=a", "price_1=", "price_1=A", "price_1=a b",
		"price_1=a;b", "price_1=\"a\"", "x=y=z"
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(read_event(SUBSCRIPTION("created", "", ""),
		    bad[i]), -1);
		CU_ASSERT_EQUAL(err.code, WL_E_INTERNAL);
	}
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "the signature of Stripe's own tests", their_signature },
		{ "what is no signature", no_signature },
		{ "subscriptions", events },
		{ "checkouts", checkouts },
		{ "mappings that are none", mappings },
		{ NULL, NULL }
	};
	int status;

	if ((arena = wl_arena_new(1 << 20)) == NULL)
		return 1;
	status = wl_tap_run("stripe", tests);
	wl_arena_free(arena);
	return status;
}
