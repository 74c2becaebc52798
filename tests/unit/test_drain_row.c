/*
 * Records as lines of COPY: every kind of value in its column, and what can
 * be no row.
 */
#include "config.h"
#include "lib/base/buf.h"
#include "lib/base/journal.h"
#include "lib/core/drain_row.h"
#include "lib/store/db_drain.h"
#include "lib/base/json.h"
#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct wl_buf	b;
static const char	*why;

static int
add(const char *json, size_t len)
{
	wl_buf_free(&b);
	why = NULL;
	return wl_drain_row_add(&b, 7, 'E', "1-2-abc", json, len, &why);
}

/*
 * The field of COLUMN in the line that an object with MEMBERS gives.
 */
static const char *
field(const char *column, const char *members)
{
	static char out[512];
	char json[1024];
	const char *p, *end;
	int i, skip = 3;

	out[0] = '\0';
	snprintf(json, sizeof(json), "{\"retention_class\":\"c\",%s",
	    members + 1);
	CU_ASSERT_EQUAL_FATAL(add(json, strlen(json)), 0);
	for (i = 0; wl_db_drain_columns[i].name != NULL; i++)
		if (strcmp(wl_db_drain_columns[i].name, column) == 0)
			break;
	CU_ASSERT_PTR_NOT_NULL_FATAL(wl_db_drain_columns[i].name);
	for (p = b.p, skip += i; skip > 0; skip--)
		p = strchr(p, '\t') + 1;
	end = p + strcspn(p, "\t\n");
	memcpy(out, p, (size_t)(end - p));
	out[end - p] = '\0';
	return out;
}

static void
test_head(void)
{
	int fields = 1, columns = 0;
	const char *p;

	CU_ASSERT_STRING_EQUAL(field("retention_class", "{\"a\":1}"), "c");
	CU_ASSERT_EQUAL(strncmp(b.p, "7\tE\t1-2-abc\t\\N\t", 15), 0);
	for (p = b.p; *p != '\0'; p++)
		fields += *p == '\t';
	while (wl_db_drain_columns[columns].name != NULL)
		columns++;
	CU_ASSERT_EQUAL(fields, columns + 3);
	CU_ASSERT_EQUAL(b.p[b.len - 1], '\n');
	CU_ASSERT_PTR_EQUAL(strchr(b.p, '\n'), b.p + b.len - 1);
}

static void
test_scalars(void)
{
	CU_ASSERT_STRING_EQUAL(field("model", "{\"model\":\"gpt\"}"), "gpt");
	CU_ASSERT_STRING_EQUAL(field("model", "{\"model\":\"\"}"), "");
	CU_ASSERT_STRING_EQUAL(field("model", "{\"model\":null}"), "\\N");
	CU_ASSERT_STRING_EQUAL(field("model", "{\"other\":1}"), "\\N");
	CU_ASSERT_STRING_EQUAL(field("model", "{\"model\":\"\\\\N\"}"),
	    "\\\\N");
	CU_ASSERT_STRING_EQUAL(field("input",
	    "{\"input\":\"a\\tb\\nc\\rd\\\\e\\u00e9\"}"),
	    "a\\tb\\nc\\rd\\\\e\xc3\xa9");
	CU_ASSERT_STRING_EQUAL(field("cost_nano",
	    "{\"cost_nano\":9007199254740993}"), "9007199254740993");
	CU_ASSERT_STRING_EQUAL(field("stream", "{\"stream\":true}"), "true");
	CU_ASSERT_STRING_EQUAL(field("cost_nano", "{\"cost_nano\":1.50}"),
	    "1.50");
	/* not what the column wants: the database will say so */
	CU_ASSERT_STRING_EQUAL(field("model", "{\"model\":{\"a\":[1]}}"),
	    "{\"a\":[1]}");
	/* n, kind and process are ours */
	CU_ASSERT_STRING_EQUAL(field("model",
	    "{\"n\":1,\"kind\":\"I\",\"process\":\"x\",\"model\":\"m\"}"), "m");
	CU_ASSERT_EQUAL(strncmp(b.p, "7\tE\t1-2-abc\t", 12), 0);
}

static void
test_compound(void)
{
	CU_ASSERT_STRING_EQUAL(field("tags",
	    "{\"tags\":[\"a\",\"b c\",\"d\\\"e\",\"f\\\\g\",null,1,\"\"]}"),
	    "{\"a\",\"b c\",\"d\\\\\"e\",\"f\\\\\\\\g\",NULL,\"1\",\"\"}");
	CU_ASSERT_STRING_EQUAL(field("tags", "{\"tags\":[]}"), "{}");
	CU_ASSERT_STRING_EQUAL(field("tags", "{\"tags\":\"x\"}"), "x");
	CU_ASSERT_STRING_EQUAL(field("attributes",
	    "{\"attributes\":{\"a\":\"x\\n/\\\"\",\"b\":[1,2.5,null]}}"),
	    "{\"a\":\"x\\\\n/\\\\\"\",\"b\":[1,2.5,null]}");
	CU_ASSERT_STRING_EQUAL(field("detail", "{\"detail\":\"text\"}"),
	    "\"text\"");
}

static void
refused(const char *json, size_t len, const char *reason)
{
	CU_ASSERT_EQUAL(add(json, len), -1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(why);
	if (strcmp(why, reason) != 0)
		printf("# %s, not %s\n", why, reason);
	CU_ASSERT_STRING_EQUAL(why, reason);
}

#define REFUSED(json, reason)	refused(json, sizeof(json) - 1, reason)

static void
test_refused(void)
{
	char deep[128], *big;
	size_t n = (size_t)WL_DRAIN_TOKENS * 2 * WL_JSON_ITEMS + 64;

	REFUSED("", "not JSON");
	REFUSED("nonsense", "not JSON");
	REFUSED("{\"model\":\"gpt\"", "not JSON");
	REFUSED("{} {}", "not JSON");
	REFUSED("{\"model\":\"a\0b\"}", "not JSON");
	REFUSED("{\"model\":\"\xff\"}", "not JSON");
	REFUSED("{\"model\":\"\xed\xa0\x80\"}", "not JSON");
	REFUSED("[1]", "not an object in JSON");
	REFUSED(" null", "not an object in JSON");
	REFUSED("{}", "no retention_class");
	REFUSED("{\"retention_class\":null}", "no retention_class");
	REFUSED("{\"retention_class\":\"a\\u0000b\"}", "a text holds NUL");
	REFUSED("{\"retention_class\":\"c\",\"tags\":[\"a\\u0000b\"]}",
	    "a text holds NUL");
	memset(deep, '[', sizeof(deep));
	memcpy(deep, "{\"a\":", 5);
	refused(deep, sizeof(deep), "nested too deep");
	big = malloc(n);
	CU_ASSERT_PTR_NOT_NULL_FATAL(big);
	memset(big, ',', n);
	memcpy(big, "{\"a\":[0", 7);
	for (size_t i = 8; i < n; i += 2)
		big[i] = '0';
	refused(big, n, "too many values");
	free(big);
}

/*
 * No record of the journal is too long to be a row.
 */
static void
test_long(void)
{
	static const char tail[] = "\"],\"retention_class\":\"c\"}";
	size_t n = WL_JOURNAL_RECORD_MAX, i;
	char *p = malloc(n);

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	memset(p, '\\', n);
	memcpy(p, "{\"tags\":[\"", 10);
	memcpy(p + n - sizeof(tail) + 1, tail, sizeof(tail) - 1);
	if ((n - 10 - sizeof(tail) + 1) % 2 != 0)
		p[n - sizeof(tail)] = 'x';
	CU_ASSERT_EQUAL(add(p, n), 0);
	/* a backslash is four in an array in a line */
	CU_ASSERT_TRUE(b.len > 2 * n - 128);
	for (i = 10; i + sizeof(tail) <= n; i++)
		p[i] = '\t';
	CU_ASSERT_EQUAL(add(p, n), -1);
	free(p);
}

static void
whose(const char *json, const char *project, const char *source)
{
	char p[64], s[64];

	wl_drain_row_whose(json, strlen(json), p, s);
	CU_ASSERT_STRING_EQUAL(p, project);
	CU_ASSERT_STRING_EQUAL(s, source);
}

static void
test_whose(void)
{
	whose("{\"project_id\":\"p1\",\"source\":\"events\"}", "p1", "events");
	whose("{\"project_id\":7,\"source\":\"a\\u0000b\"}", "", "");
	whose("{\"project_id\":\"p1\"", "", "");
	whose("[]", "", "");
	whose("{\"project_id\":\"0123456789012345678901234567890123456789"
	    "012345678901234567890123456789\"}", "0123456789012345678901234567"
	    "89012345678901234567890123456789012", "");
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "head and number of fields", test_head },
		{ "texts and numbers", test_scalars },
		{ "arrays and JSON", test_compound },
		{ "what can be no row", test_refused },
		{ "the longest record", test_long },
		{ "whose a bad record is", test_whose },
		{ NULL, NULL }
	};
	int status = wl_tap_run("drain_row", tests);

	wl_buf_free(&b);
	return status;
}
