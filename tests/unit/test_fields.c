/*
 * Bodies of administration: what the table lets pass, and what not.
 */
#include "config.h"
#include "lib/core/fields.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/json.h"
#include "tests/unit/tap.h"

static struct wl_arena	*arena;
static struct wl_err	 err;
static struct {
	enum wl_admin_bool	 flag;
	int64_t			 cents, n, limit;
	const char		*list, *name, *text;
} got;

static int
read_body(const char *json)
{
	const struct wl_field fields[] = {
		{ "cents", WL_F_CENTS, false, &got.cents, 0, 100000 },
		{ "flag", WL_F_BOOL, false, &got.flag, 0, 0 },
		{ "limit", WL_F_LIMIT, false, &got.limit, 0, 100 },
		{ "list", WL_F_LIST, false, &got.list, 0, 0 },
		{ "n", WL_F_INT, false, &got.n, -5, 5 },
		{ "name", WL_F_NAME, false, &got.name, 0, 8 },
		{ "text", WL_F_TEXT, true, &got.text, 0, 8 },
		{ NULL, WL_F_TEXT, false, NULL, 0, 0 }
	};

	memset(&err, 0, sizeof(err));
	memset(&got, 0, sizeof(got));
	got.n = got.limit = got.cents = 77;
	return wl_fields_read(arena, wl_json_parse(arena, json, strlen(json),
	    NULL), fields, &err);
}

static void
good(void)
{
	CU_ASSERT_EQUAL_FATAL(read_body("{\"cents\":9.5,\"flag\":false,"
	    "\"limit\":0,\"list\":[\"a\",\"bc\"],\"n\":-5,\"name\":\"\xc3\xa9\","
	    "\"text\":\"12345678\"}"), 0);
	CU_ASSERT_EQUAL(got.cents, 950);
	CU_ASSERT_EQUAL(got.flag, WL_ADMIN_NO);
	CU_ASSERT_EQUAL(got.limit, 0);
	CU_ASSERT_STRING_EQUAL(got.list, "a,bc");
	CU_ASSERT_EQUAL(got.n, -5);
	CU_ASSERT_STRING_EQUAL(got.name, "\xc3\xa9");
	CU_ASSERT_STRING_EQUAL(got.text, "12345678");
	CU_ASSERT_EQUAL_FATAL(read_body("{\"text\":\"x\",\"limit\":null,"
	    "\"name\":null,\"n\":5.0}"), 0);
	CU_ASSERT_EQUAL(got.limit, WL_ADMIN_NONE);
	CU_ASSERT_STRING_EQUAL(got.name, "");
	CU_ASSERT_EQUAL(got.n, 5);
	/* what is absent stays */
	CU_ASSERT_EQUAL(got.cents, 77);
	CU_ASSERT_EQUAL(got.flag, WL_ADMIN_SAME);
	CU_ASSERT_PTR_NULL(got.list);
}

static void
bad(void)
{
	static const struct {
		const char	*json, *param;
	} rows[] = {
		{ "{}", "text" },
		{ "[]", NULL },
		{ "\"text\"", NULL },
		{ "null", NULL },
		{ "{\"text\":\"x\",\"evil\":1}", "evil" },
		{ "{\"text\":\"x\",\"Text\":\"x\"}", "Text" },
		{ "{\"text\":\"x\",\"\":1}", "" },
		{ "{\"text\":null}", "text" },
		{ "{\"text\":\"\"}", "text" },
		{ "{\"text\":\"123456789\"}", "text" },
		{ "{\"text\":\"a\\u0000b\"}", "text" },
		{ "{\"text\":5}", "text" },
		{ "{\"text\":{}}", "text" },
		{ "{\"text\":\"x\",\"name\":\"\"}", "name" },
		{ "{\"text\":\"x\",\"name\":false}", "name" },
		{ "{\"text\":\"x\",\"flag\":null}", "flag" },
		{ "{\"text\":\"x\",\"flag\":0}", "flag" },
		{ "{\"text\":\"x\",\"flag\":\"true\"}", "flag" },
		{ "{\"text\":\"x\",\"n\":6}", "n" },
		{ "{\"text\":\"x\",\"n\":-6}", "n" },
		{ "{\"text\":\"x\",\"n\":0.5}", "n" },
		{ "{\"text\":\"x\",\"n\":\"1\"}", "n" },
		{ "{\"text\":\"x\",\"n\":null}", "n" },
		{ "{\"text\":\"x\",\"n\":1e40}", "n" },
		{ "{\"text\":\"x\",\"n\":-9223372036854775808}", "n" },
		/* the words for "stay" and "none" are no numbers to give */
		{ "{\"text\":\"x\",\"limit\":-9223372036854775807}", "limit" },
		{ "{\"text\":\"x\",\"limit\":101}", "limit" },
		{ "{\"text\":\"x\",\"cents\":-1}", "cents" },
		{ "{\"text\":\"x\",\"cents\":1000.01}", "cents" },
		{ "{\"text\":\"x\",\"cents\":\"5\"}", "cents" },
		{ "{\"text\":\"x\",\"cents\":1e300}", "cents" },
		{ "{\"text\":\"x\",\"cents\":null}", "cents" },
		{ "{\"text\":\"x\",\"list\":[]}", "list" },
		{ "{\"text\":\"x\",\"list\":\"a\"}", "list" },
		{ "{\"text\":\"x\",\"list\":[\"\"]}", "list" },
		{ "{\"text\":\"x\",\"list\":[\"a,b\"]}", "list" },
		{ "{\"text\":\"x\",\"list\":[\"a\\u0000\"]}", "list" },
		{ "{\"text\":\"x\",\"list\":[1]}", "list" },
		{ "{\"text\":\"x\",\"list\":[null]}", "list" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_EQUAL(read_body(rows[i].json), -1);
		CU_ASSERT_EQUAL(err.code, WL_E_INVALID_REQUEST);
		if (rows[i].param == NULL ? err.param != NULL :
		    err.param == NULL || strcmp(err.param, rows[i].param) != 0) {
			printf("# %s\n", rows[i].json);
			CU_FAIL("another member is named");
		}
	}
}

static void
long_ones(void)
{
	static char json[8192];
	size_t n;

	n = (size_t)snprintf(json, sizeof(json), "{\"");
	memset(json + n, 'x', 4000);
	snprintf(json + n + 4000, sizeof(json) - n - 4000, "\":1}");
	CU_ASSERT_EQUAL(read_body(json), -1);
	CU_ASSERT_EQUAL(strlen(err.param), 64);
	n = (size_t)snprintf(json, sizeof(json), "{\"text\":\"x\",\"list\":[");
	while (n < 4000)
		n += (size_t)snprintf(json + n, sizeof(json) - n,
		    "\"word\",");
	snprintf(json + n, sizeof(json) - n, "\"word\"]}");
	CU_ASSERT_EQUAL(read_body(json), -1);
	CU_ASSERT_STRING_EQUAL(err.param, "list");
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "members of each type", good },
		{ "what is refused, and its name", bad },
		{ "long names and lists", long_ones },
		{ NULL, NULL }
	};
	int status;

	if ((arena = wl_arena_new(1 << 20)) == NULL)
		return 1;
	status = wl_tap_run("fields", tests);
	wl_arena_free(arena);
	return status;
}
