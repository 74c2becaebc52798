/*
 * Who may see the operator's pages.
 */
#include "config.h"
#include "fcgi/operator.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/core/address.h"
#include "lib/http/req.h"
#include "lib/store/counter.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmp.h"

int64_t
wl_counter_address(struct wl_arena *a, const char *kind, const char *addr,
    int64_t now_ms, int cost)
{
	(void)a;
	(void)kind;
	(void)addr;
	(void)now_ms;
	(void)cost;
	return -1;
}

static struct wl_conf	conf;
static struct wl_req	req;
static struct wl_err	err;

static enum wl_code
try(const char *addr, const char *key)
{
	memset(&err, 0, sizeof(err));
	req.addr = (char *)(uintptr_t)addr;
	req.key = (char *)(uintptr_t)key;
	return wl_operator_check(&req, &conf, &err) == 0 ? WL_OK : err.code;
}

static void
setup(const char *token_file, const char *addresses)
{
	wl_address_flush();
	memset(&conf, 0, sizeof(conf));
	conf.operator_token_file = (char *)(uintptr_t)token_file;
	conf.operator_addresses = (char *)(uintptr_t)addresses;
	conf.auth_failures_per_minute = 3;
}

static void
token(void)
{
	setup(wl_tmp_file("token", "s3cret\n", 7, 0600), "");
	CU_ASSERT_EQUAL(try("192.0.2.1", "s3cret"), WL_OK);
	CU_ASSERT_EQUAL(try("192.0.2.1", NULL), WL_E_MISSING_KEY);
	CU_ASSERT_EQUAL(try("192.0.2.1", "s3cre"), WL_E_INVALID_KEY);
	CU_ASSERT_EQUAL(try("192.0.2.1", "s3crets"), WL_E_INVALID_KEY);
	/* a new one holds at once */
	wl_tmp_file("token", "other\n", 6, 0600);
	CU_ASSERT_EQUAL(try("192.0.2.1", "s3cret"), WL_E_INVALID_KEY);
	CU_ASSERT_EQUAL(try("192.0.2.1", "other"), WL_E_TOO_MANY_BAD);
	CU_ASSERT_EQUAL(try("192.0.2.2", "other"), WL_OK);
}

static void
no_token(void)
{
	setup("", "");
	CU_ASSERT_EQUAL(try("192.0.2.1", ""), WL_E_INVALID_KEY);
	CU_ASSERT_EQUAL(try("192.0.2.1", "x"), WL_E_INVALID_KEY);
	setup(wl_tmp_file("empty", "\n", 1, 0600), "");
	CU_ASSERT_EQUAL(try("192.0.2.1", ""), WL_E_INVALID_KEY);
	setup("/nonexistent", "");
	CU_ASSERT_EQUAL(try("192.0.2.1", "x"), WL_E_INVALID_KEY);
	/* others could have read it */
	setup(wl_tmp_file("open", "s3cret\n", 7, 0644), "");
	CU_ASSERT_EQUAL(try("192.0.2.1", "s3cret"), WL_E_INVALID_KEY);
}

static void
addresses(void)
{
	setup("", "127.0.0.1, 10.0.0.0/8");
	CU_ASSERT_EQUAL(try("127.0.0.1", NULL), WL_OK);
	CU_ASSERT_EQUAL(try("10.1.2.3", NULL), WL_OK);
	CU_ASSERT_EQUAL(try("11.1.2.3", NULL), WL_E_MISSING_KEY);
	/* a web server that tells no address opens nothing */
	CU_ASSERT_EQUAL(try("", NULL), WL_E_MISSING_KEY);
}

/*
 * What changes something wants the token, from wherever it comes.
 */
static enum wl_code
admin(const char *addr, const char *key)
{
	memset(&err, 0, sizeof(err));
	req.addr = (char *)(uintptr_t)addr;
	req.key = (char *)(uintptr_t)key;
	return wl_operator_token(&req, &conf, &err) == 0 ? WL_OK : err.code;
}

static void
token_only(void)
{
	setup(wl_tmp_file("admin", "s3cret\n", 7, 0600), "127.0.0.1");
	CU_ASSERT_EQUAL(admin("127.0.0.1", NULL), WL_E_MISSING_KEY);
	CU_ASSERT_EQUAL(admin("127.0.0.1", "s3cre"), WL_E_INVALID_KEY);
	CU_ASSERT_EQUAL(admin("127.0.0.1", "s3cret"), WL_OK);
	CU_ASSERT_EQUAL(admin("192.0.2.1", "s3cret"), WL_OK);
	setup("", "127.0.0.1");
	CU_ASSERT_EQUAL(admin("127.0.0.1", NULL), WL_E_NOT_FOUND);
	CU_ASSERT_EQUAL(admin("127.0.0.1", ""), WL_E_NOT_FOUND);
	CU_ASSERT_EQUAL(admin("127.0.0.1", "s3cret"), WL_E_NOT_FOUND);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "the token", token },
		{ "no token, or one that cannot be used", no_token },
		{ "listed addresses", addresses },
		{ "administration", token_only },
		{ NULL, NULL }
	};
	int status;

	if ((req.arena = wl_arena_new(1 << 20)) == NULL ||
	    freopen("/dev/null", "w", stderr) == NULL)
		return 1;
	status = wl_tap_run("operator", tests);
	wl_arena_free(req.arena);
	return status;
}
