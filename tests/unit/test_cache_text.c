/*
 * The canonical form of questions.
 */
#include "config.h"
#include "lib/core/cache_text.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/tap.h"

/*
 * The form of TEXT in a static buffer, "-" when it has none.
 */
static const char *
form(const char *text)
{
	static char out[2][4096];
	static int i;
	struct wl_buf b;

	i = !i;
	wl_buf_init(&b, 0);
	if (wl_cache_text(&b, wl_str_of(text)) == -1)
		snprintf(out[i], sizeof(out[i]), "-");
	else
		snprintf(out[i], sizeof(out[i]), "%s", b.p);
	wl_buf_free(&b);
	return out[i];
}

static void
same(void)
{
	static const char *const rows[][2] = {
		{ "What is the capital of France?",
		    "what is capital of france" },
		{ "what's the capital of France", "What is capital of France?" },
		{ "Hi, could you please explain TCP? Thanks!",
		    "explain TCP" },
		{ "Please explain TCP", "explain TCP, please." },
		{ "I don\xe2\x80\x99t know", "i do not know." },
		{ "three  dogs", "3 dogs" },
		{ "\xef\xbc\xa8\xef\xbd\x85\xef\xbd\x8c\xef\xbd\x8c\xef\xbd\x8f",
		    "hello" },
		{ "A dog\nand a cat", "a dog and a cat" },
		{ "say \xe2\x80\x9chi\xe2\x80\x9d", "say \"hi\"" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_STRING_EQUAL(form(rows[i][0]), form(rows[i][1]));
		CU_ASSERT_STRING_NOT_EQUAL(form(rows[i][0]), "-");
	}
}

static void
other(void)
{
	static const char *const rows[][2] = {
		{ "is it safe", "is it not safe" },
		{ "move to US", "move to us" },
		{ "what is IT", "what is it" },
		{ "vitamin A", "vitamin" },
		{ "vitamin a", "vitamin" },
		{ "plan A costs", "plan costs" },
		{ "a[0]", "a(0)" },
		{ "1 + 2", "2 + 1" },
		{ "say \"The End\"", "say \"the end\"" },
		{ "run `LS`", "run `ls`" },
		{ "say \"a  b\"", "say \"a b\"" },
		{ "foo_Bar", "foo_bar" },
		{ "is 3.5 more", "is 35 more" },
		{ "did he go", "does he go" },
		{ "he sees her", "she sees him" },
		{ "one-way", "1 way" },
		{ "a.b", "b" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_STRING_NOT_EQUAL(form(rows[i][0]), form(rows[i][1]));
}

static void
none(void)
{
	char longer[WL_CACHE_TEXT_MAX + 2];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	CU_ASSERT_STRING_EQUAL(form(longer), "-");
	CU_ASSERT_STRING_EQUAL(form(""), "-");
	CU_ASSERT_STRING_EQUAL(form("  ?! "), "-");
	CU_ASSERT_STRING_EQUAL(form("fix\n```\nx\n```"), "-");
	CU_ASSERT_STRING_EQUAL(form("if x:\n    y"), "-");
	CU_ASSERT_STRING_EQUAL(form("if x:\n\ty"), "-");
}

/*
 * What is canonical stays as it is, and nothing breaks it.
 */
static void
any(void)
{
	static const char alphabet[] = "aA \"`'.?!,\xe2\x80\x99\xc2\xa0tnz1_-";
	char text[64], once[4096];
	unsigned seed = 1;
	int i, j, n;

	for (i = 0; i < 20000; i++) {
		seed = seed * 1103515245 + 12345;
		n = (int)(seed >> 16) % 40;
		for (j = 0; j < n; j++) {
			seed = seed * 1103515245 + 12345;
			text[j] = alphabet[(seed >> 16) %
			    (sizeof(alphabet) - 1)];
		}
		text[n] = '\0';
		snprintf(once, sizeof(once), "%s", form(text));
		CU_ASSERT(strlen(once) <= 4 * strlen(text) + 1);
	}
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "any text", any },
		{ "texts without a form", none },
		{ "the same question", same },
		{ "two questions", other },
		{ NULL, NULL }
	};

	return wl_tap_run("cache_text", tests);
}
