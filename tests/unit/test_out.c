/*
 * What the command line prints: tables, records, JSON, and nothing that a
 * terminal would obey.
 */
#include "config.h"
#include "fcgi/out.h"
#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct wl_out_col cols[] = {
	{ "id", WL_OUT_STR }, { "per_month", WL_OUT_INT },
	{ "on", WL_OUT_BOOL }, { "words", WL_OUT_LIST }
};

/*
 * What O prints, on the heap.
 */
static char *
printed(struct wl_out *o)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(wl_out_flush(o, f), 0);
	fclose(f);
	return text;
}

static void
is(struct wl_out *o, const char *want)
{
	char *text = printed(o);

	CU_ASSERT_STRING_EQUAL(text, want);
	if (strcmp(text, want) != 0)
		printf("# got:  %s\n", text);
	free(text);
}

static void
rows(struct wl_out *o, const char *key)
{
	wl_out_table(o, key, cols, 4);
	wl_out_row(o, (const char *[]){ "a", "7", "t", "x,y" });
	wl_out_row(o, (const char *[]){ "a long one", NULL, "f", "" });
	wl_out_row(o, (const char *[]){ "", "1000000", NULL, NULL });
	wl_out_table_end(o);
}

static void
test_table(void)
{
	struct wl_out o;

	wl_out_init(&o, false);
	rows(&o, NULL);
	is(&o,
	    "ID          PER MONTH  ON   WORDS\n"
	    "a                   7  yes  x,y\n"
	    "a long one          -  no   -\n"
	    "-             1000000  -    -\n");
	wl_out_table(&o, NULL, cols, 2);
	wl_out_table_end(&o);
	is(&o, "ID  PER MONTH\n");
	wl_out_free(&o);
}

static void
test_table_json(void)
{
	struct wl_out o;

	wl_out_init(&o, true);
	rows(&o, NULL);
	is(&o, "[{\"id\":\"a\",\"per_month\":7,\"on\":true,"
	    "\"words\":[\"x\",\"y\"]},"
	    "{\"id\":\"a long one\",\"per_month\":null,\"on\":false,"
	    "\"words\":[]},"
	    "{\"id\":\"\",\"per_month\":1000000,\"on\":null,\"words\":null}]\n");
	wl_out_free(&o);
}

static void
fill(struct wl_out *o)
{
	wl_out_obj(o, NULL);
	wl_out_str(o, "id", "p1");
	wl_out_int(o, "dsn_id", -3);
	wl_out_str(o, "name", NULL);
	wl_out_bool(o, "enabled", true);
	rows(o, "its_keys");
	wl_out_obj(o, "usage");
	wl_out_val(o, "cost", WL_OUT_NUM, "0.5");
	wl_out_val(o, "detail", WL_OUT_JSON, "{\"a\":[1]}");
	wl_out_obj_end(o);
	wl_out_obj_end(o);
	wl_out_say(o, "That was %d.", 1);
}

static void
test_record(void)
{
	struct wl_out o;

	wl_out_init(&o, false);
	fill(&o);
	is(&o,
	    "id       p1\n"
	    "dsn id   -3\n"
	    "name     -\n"
	    "enabled  yes\n"
	    "\n"
	    "its keys:\n"
	    "ID          PER MONTH  ON   WORDS\n"
	    "a                   7  yes  x,y\n"
	    "a long one          -  no   -\n"
	    "-             1000000  -    -\n"
	    "\n"
	    "usage:\n"
	    "cost    0.5\n"
	    "detail  {\"a\":[1]}\n"
	    "That was 1.\n");
	wl_out_free(&o);
}

static void
test_record_json(void)
{
	struct wl_arena *a = wl_arena_new(1 << 20);
	struct wl_out o;
	struct json_object *json;
	char *text;

	wl_out_init(&o, true);
	fill(&o);
	text = printed(&o);
	json = wl_json_parse(a, text, strlen(text) - 1, NULL);
	CU_ASSERT_PTR_NOT_NULL(json);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "{\"id\":\"p1\",\"dsn_id\":-3,"
	    "\"name\":null,\"enabled\":true,\"its_keys\":[{"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "],\"usage\":{\"cost\":0.5,"
	    "\"detail\":{\"a\":[1]}}}\n"));
	CU_ASSERT_PTR_NULL(strstr(text, "That was"));
	free(text);
	wl_out_free(&o);
	wl_arena_free(a);
}

/*
 * Escapes of terminals, C1 controls and broken UTF-8 are shown as "?", and
 * columns are as wide as what is shown.
 */
static void
test_hostile(void)
{
	struct wl_out o;

	wl_out_init(&o, false);
	wl_out_table(&o, NULL, cols, 2);
	wl_out_row(&o, (const char *[]){ "\x1b[31m\a", "1" });
	wl_out_row(&o, (const char *[]){ "a\nb\tc\x7f", "22" });
	wl_out_row(&o, (const char *[]){ "\xc2\x9b" "0;\xff\xc3", "333" });
	wl_out_row(&o, (const char *[]){ "\xc3\xa4\xe2\x82\xac", "4444" });
	wl_out_table_end(&o);
	wl_out_say(&o, "x%s", "\x1b]0;title\a");
	is(&o,
	    "ID      PER MONTH\n"
	    "?[31m?          1\n"
	    "a?b?c?         22\n"
	    "?0;??         333\n"
	    "\xc3\xa4\xe2\x82\xac           4444\n"
	    "x?]0;title?\n");
	wl_out_free(&o);
}

static void
test_write_error(void)
{
	struct wl_out o;
	FILE *full = fopen("/dev/full", "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(full);
	wl_out_init(&o, false);
	wl_out_say(&o, "hello");
	errno = 0;
	CU_ASSERT_EQUAL(wl_out_flush(&o, full), -1);
	CU_ASSERT_EQUAL(errno, ENOSPC);
	fclose(full);
	wl_out_free(&o);
}

/*
 * More than is ever printed is an error, not half a table.
 */
static void
test_too_much(void)
{
	static char big[1 << 20];
	struct wl_out o;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int i;

	memset(big, 'x', sizeof(big) - 1);
	wl_out_init(&o, false);
	wl_out_table(&o, NULL, cols, 1);
	for (i = 0; i < 65; i++)
		wl_out_row(&o, (const char *[]){ big });
	wl_out_table_end(&o);
	errno = 0;
	CU_ASSERT_EQUAL(wl_out_flush(&o, f), -1);
	CU_ASSERT_EQUAL(errno, EMSGSIZE);
	fclose(f);
	CU_ASSERT_EQUAL(len, 0);
	free(text);
	wl_out_free(&o);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "a table", test_table },
		{ "a table in JSON", test_table_json },
		{ "a record", test_record },
		{ "a record in JSON", test_record_json },
		{ "nothing that a terminal obeys", test_hostile },
		{ "a write error is told", test_write_error },
		{ "too much is an error", test_too_much },
		{ NULL, NULL }
	};

	return wl_tap_run("out", tests);
}
