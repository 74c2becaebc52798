/*
 * What operators may write: times of expiry, and URLs of providers.
 */
#include "config.h"
#include "lib/base/err.h"
#include "lib/core/admin.h"
#include "tests/unit/tap.h"

#include <string.h>

#define NOW	((int64_t)1767225600000)	/* 2026-01-01 */
#define DAY	((int64_t)86400000)

static void
test_expiry(void)
{
	static const struct {
		const char	*text;
		int64_t		 ms;		/* 0: refused */
	} rows[] = {
		{ "30d", NOW + 30 * DAY },
		{ "1s", NOW + 1000 },
		{ "90", NOW + 90000 },
		{ "2026-01-02T00:00:00Z", NOW + DAY },
		{ "2026-01-02t02:00:00.5+02:00", NOW + DAY + 500 },
		{ "3650d", NOW + 3650 * DAY },
		{ "3651d", 0 },
		{ "99999999999d", 0 },
		{ "2026-01-01T00:00:00Z", 0 },
		{ "1999-01-01T00:00:00Z", 0 },
		{ "2100-01-01T00:00:00Z", 0 },
		{ "0", 0 },
		{ "-3d", 0 },
		{ "tomorrow", 0 },
		{ "2026-02-30T00:00:00Z", 0 },
		{ "", 0 },
	};
	struct wl_err e;
	int64_t ms;
	size_t i;
	int ret;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&e, 0, sizeof(e));
		ret = wl_admin_expiry(rows[i].text, NOW, &ms, &e);
		if (rows[i].ms == 0) {
			CU_ASSERT_EQUAL(ret, -1);
			CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
		} else {
			CU_ASSERT_EQUAL(ret, 0);
			CU_ASSERT_EQUAL(ms, rows[i].ms);
		}
		if ((ret == 0) != (rows[i].ms != 0))
			printf("# %s\n", rows[i].text);
	}
}

static void
test_place(void)
{
	static const struct {
		const char	*url, *place;	/* NULL: refused */
	} rows[] = {
		{ "https://API.openai.com/v1", "api.openai.com" },
		{ "https://api.openai.com:443/v1", "api.openai.com" },
		{ "https://api.openai.com:80/v1", "api.openai.com:80" },
		{ "http://127.0.0.1/v1", "127.0.0.1" },
		{ "http://127.0.0.1:443", "127.0.0.1:443" },
		{ "http://[::1]", "::1" },
		{ "http://[::1]:8080/v1", "[::1]:8080" },
		{ "ftp://a", NULL },
		{ "https://u@a", NULL },
		{ "https://", NULL },
		{ "a.example", NULL },
		{ "https://a:99999", NULL },
	};
	char place[272];
	struct wl_err e;
	size_t i;
	int ret;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&e, 0, sizeof(e));
		ret = wl_admin_place(rows[i].url, place, &e);
		if (rows[i].place == NULL) {
			CU_ASSERT_EQUAL(ret, -1);
			CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
			continue;
		}
		CU_ASSERT_EQUAL(ret, 0);
		CU_ASSERT_STRING_EQUAL(place, rows[i].place);
	}
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "times of expiry", test_expiry },
		{ "what a key is bound to", test_place },
		{ NULL, NULL }
	};

	return wl_tap_run("admin", tests);
}
