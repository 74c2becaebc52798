/*
 * The seeded plans as a caller meets them: read by wl_auth_check(), held by
 * wl_limit_admit() against the counters.
 */
#include "config.h"
#include "lib/core/limit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/rand.h"
#include "lib/core/address.h"
#include "lib/core/auth.h"
#include "lib/core/call.h"
#include "lib/http/req.h"
#include "tests/db/stores.h"

static const char *const plans[] = { "free", "starter", "pro" };
static const int64_t	 minutes[] = { 10, 50, 200 };
static const int64_t	 months[] = { 50000, 250000, 1000000 };

static struct wl_err	err;

/*
 * A new project on PLAN, and a key of it that works.
 */
static void
make_key(const char *plan, char key[WL_KEY_LEN + 1])
{
	char prefix[WL_KEY_PREFIX + 1], hex[65];
	struct stores_project p;
	uint8_t hash[32];
	size_t i;

	stores_project(&p, plan);
	wl_key_make(false, key, prefix, hash);
	for (i = 0; i < sizeof(hash); i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	stores_sql("UPDATE watchllm.api_key SET hash = '\\x%s', prefix = '%s'"
	    " WHERE project_id = '%s' AND id = '%s'", hex, prefix, p.id,
	    p.key_id);
}

static struct wl_auth *
auth_of(const char *plan, char key[WL_KEY_LEN + 1])
{
	make_key(plan, key);
	memset(&err, 0, sizeof(err));
	return wl_auth_check(stores_arena(), &stores_conf, key, "192.0.2.1",
	    WL_AUTH_FRESH, &err);
}

static void
values_fn(void)
{
	char key[WL_KEY_LEN + 1];
	struct wl_auth *auth[3];
	int i;

	for (i = 0; i < 3; i++) {
		auth[i] = auth_of(plans[i], key);
		CU_ASSERT_PTR_NOT_NULL(auth[i]);
		if (auth[i] == NULL)
			return;
		CU_ASSERT_STRING_EQUAL(auth[i]->plan, plans[i]);
		CU_ASSERT_EQUAL(auth[i]->rpm, minutes[i]);
		CU_ASSERT_EQUAL(auth[i]->month, months[i]);
		CU_ASSERT(auth[i]->rpm > 0 && auth[i]->month > 0);
		CU_ASSERT_FALSE(auth[i]->sliding);
		CU_ASSERT_EQUAL(auth[i]->key_rpm, -1);
	}
	for (i = 1; i < 3; i++) {
		CU_ASSERT(auth[i]->rpm > auth[i - 1]->rpm);
		CU_ASSERT(auth[i]->month > auth[i - 1]->month);
	}
	CU_ASSERT(auth[1]->rpm > 3 * auth[0]->rpm);
	CU_ASSERT(auth[1]->rpm < 10 * auth[0]->rpm);
	CU_ASSERT(auth[2]->rpm >= 2 * auth[1]->rpm);
	for (i = 0; i < 3; i++)
		wl_auth_unref(auth[i]);
}

static void
values(void)
{
	stores_run(&stores_conf, values_fn);
	wl_auth_flush();
}

/*
 * Calls until one is refused, in one minute.
 */
static int
calls(struct wl_auth **auth, const char *key, int most)
{
	struct wl_req r = { .arena = stores_arena() };
	struct wl_admission ad;
	struct wl_ask ask = { .model = WL_STR("") };
	int n;

	r.key = (char *)(uintptr_t)key;
	r.addr = (char *)(uintptr_t)"192.0.2.1";
	for (n = 0; n < most; n++) {
		memset(&err, 0, sizeof(err));
		wl_uuid7(wl_clock_ms(), r.id);
		if (wl_limit_admit(&r, &stores_conf, NULL, &ask, auth,
		    &ad, &err) == -1)
			break;
	}
	return n;
}

static void
set_clock(void)
{
	/* the middle of a minute: it must not end within the test */
	wl_clock_set_offset(0);
	wl_clock_set_offset(30000 - wl_clock_ms() % 60000);
}

static void
held_fn(void)
{
	char key[WL_KEY_LEN + 1];
	struct wl_auth *auth;
	char want[128];
	int i;

	for (i = 0; i < 3; i++) {
		set_clock();
		if ((auth = auth_of(plans[i], key)) == NULL) {
			CU_FAIL("the key does not work");
			return;
		}
		CU_ASSERT_EQUAL(calls(&auth, key, (int)minutes[i] + 1),
		    minutes[i]);
		CU_ASSERT_EQUAL(err.code, WL_E_RATE_LIMIT);
		CU_ASSERT(err.retry_after >= 1 && err.retry_after <= 60);
		snprintf(want, sizeof(want), "You can make %" PRId64
		    " requests per minute on the %s plan.", minutes[i],
		    plans[i]);
		CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, want));
		wl_auth_unref(auth);
	}
	wl_clock_set_offset(0);
}

static void
held(void)
{
	stores_run(&stores_conf, held_fn);
	wl_auth_flush();
}

/*
 * What the command line does after a change.
 */
static void
publish(const char *project)
{
	int64_t version = strtoll(stores_sql("SELECT version FROM"
	    " watchllm.project WHERE id = '%s'", project), NULL, 10);

	CU_ASSERT_EQUAL(wl_counter_version(stores_arena(), &stores_conf,
	    project, version, &err), 0);
}

static void
changed_fn(void)
{
	char key[WL_KEY_LEN + 1], project[40];
	struct wl_auth *auth;

	set_clock();
	if ((auth = auth_of("free", key)) == NULL) {
		CU_FAIL("the key does not work");
		return;
	}
	snprintf(project, sizeof(project), "%s", auth->project);
	CU_ASSERT_EQUAL(calls(&auth, key, 3), 3);
	/* a larger plan holds at once, and what was used stays used */
	stores_sql("UPDATE watchllm.project SET plan_id = 'starter'"
	    " WHERE id = '%s'", project);
	publish(project);
	CU_ASSERT_EQUAL(calls(&auth, key, 100), 47);
	CU_ASSERT_STRING_EQUAL(auth->plan, "starter");
	/* a revoked key is refused by the next call */
	stores_sql("UPDATE watchllm.api_key SET revoked_at = now()"
	    " WHERE project_id = '%s'", project);
	publish(project);
	CU_ASSERT_EQUAL(calls(&auth, key, 1), 0);
	CU_ASSERT_EQUAL(err.code, WL_E_INVALID_KEY);
	CU_ASSERT_PTR_NULL(auth);
	wl_clock_set_offset(0);
}

static void
changed(void)
{
	stores_run(&stores_conf, changed_fn);
	wl_auth_flush();
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "the three plans and their ratios", values },
		{ "each plan is held to the call", held },
		{ "a change of plan, a revocation", changed },
		{ NULL, NULL }
	};

	return stores_main("limit_plans", tests);
}
