/*
 * Failures by address.
 */
#include "config.h"
#include "lib/core/address.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/store/counter.h"
#include "tests/unit/tap.h"

static int64_t	 elsewhere;	/* what the shared counter says next */
static int	 asked;
static char	 last_addr[64], last_kind[8];

int64_t
wl_counter_address(struct wl_arena *a, const char *kind, const char *addr,
    int64_t now_ms, int cost)
{
	(void)a;
	(void)now_ms;
	(void)cost;
	asked++;
	snprintf(last_addr, sizeof(last_addr), "%s", addr);
	snprintf(last_kind, sizeof(last_kind), "%s", kind);
	return elsewhere;
}

static struct wl_conf	conf;
static struct wl_err	err;

/*
 * At the beginning of a minute, so that no test runs into the next one.
 */
static int64_t
minute_begins(void)
{
	wl_clock_set_offset(0);
	return -(wl_clock_ms() % 60000);
}

static void
reset(void)
{
	wl_address_flush();
	memset(&conf, 0, sizeof(conf));
	conf.auth_failures_per_minute = 3;
	conf.bad_requests_per_minute = 2;
	elsewhere = -1;
	asked = 0;
	wl_clock_set_offset(minute_begins());
}

static int
fail(enum wl_address_kind kind, const char *addr)
{
	return wl_address_failed(NULL, &conf, kind, addr, &err);
}

static int
look(enum wl_address_kind kind, const char *addr)
{
	return wl_address_check(&conf, kind, addr, &err);
}

static void
alone(void)
{
	int i;

	reset();
	for (i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(look(WL_ADDRESS_AUTH, "192.0.2.1"), 0);
		CU_ASSERT_EQUAL(fail(WL_ADDRESS_AUTH, "192.0.2.1"), 0);
	}
	CU_ASSERT_EQUAL(look(WL_ADDRESS_AUTH, "192.0.2.1"), -1);
	CU_ASSERT_EQUAL(err.code, WL_E_TOO_MANY_BAD);
	CU_ASSERT(err.retry_after >= 1 && err.retry_after <= 60);
	/* a flood costs nobody else a round trip */
	CU_ASSERT_EQUAL(fail(WL_ADDRESS_AUTH, "192.0.2.1"), -1);
	CU_ASSERT_EQUAL(asked, 3);
	CU_ASSERT_EQUAL(look(WL_ADDRESS_AUTH, "192.0.2.2"), 0);
	CU_ASSERT_EQUAL(look(WL_ADDRESS_BAD, "192.0.2.1"), 0);
	wl_clock_set_offset(minute_begins() + 60000);
	CU_ASSERT_EQUAL(look(WL_ADDRESS_AUTH, "192.0.2.1"), 0);
}

static void
together(void)
{
	reset();
	elsewhere = 4;
	CU_ASSERT_EQUAL(fail(WL_ADDRESS_AUTH, "192.0.2.1"), -1);
	CU_ASSERT_EQUAL(look(WL_ADDRESS_AUTH, "192.0.2.1"), -1);
	CU_ASSERT_STRING_EQUAL(last_kind, "auth");
	elsewhere = 2;
	CU_ASSERT_EQUAL(fail(WL_ADDRESS_BAD, "192.0.2.1"), 0);
	CU_ASSERT_STRING_EQUAL(last_kind, "bad");
	CU_ASSERT_EQUAL(look(WL_ADDRESS_BAD, "192.0.2.1"), -1);
}

static void
networks(void)
{
	int i;

	reset();
	for (i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(fail(WL_ADDRESS_AUTH, "2001:db8:1:2::1"), 0);
	CU_ASSERT_STRING_EQUAL(last_addr, "2001:db8:1:2::");
	CU_ASSERT_EQUAL(look(WL_ADDRESS_AUTH, "2001:db8:1:2:ffff::9"), -1);
	CU_ASSERT_EQUAL(look(WL_ADDRESS_AUTH, "2001:db8:1:3::1"), 0);
	/* a server that tells no address */
	CU_ASSERT_EQUAL(fail(WL_ADDRESS_AUTH, ""), 0);
}

static void
many(void)
{
	char addr[32];
	int i;

	reset();
	for (i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(fail(WL_ADDRESS_AUTH, "192.0.2.1"), 0);
	/* others come and go; the worst of a set stays */
	for (i = 0; i < 20000; i++) {
		snprintf(addr, sizeof(addr), "10.0.%d.%d", i / 250, i % 250);
		if (fail(WL_ADDRESS_AUTH, addr) == -1)
			CU_FAIL("one failure was too many");
	}
	CU_ASSERT_EQUAL(look(WL_ADDRESS_AUTH, "192.0.2.1"), -1);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "a process alone", alone },
		{ "what others counted counts", together },
		{ "an IPv6 network is one address", networks },
		{ "the table is bounded", many },
		{ NULL, NULL }
	};

	return wl_tap_run("address", tests);
}
