/*
 * Lists of models in the shapes that hosts give them.
 */
#include "config.h"
#include "lib/core/provider_openai.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/core/models.h"
#include "tests/unit/tap.h"

static struct wl_arena		*arena;
static struct wl_model_item	*v;
static int			 n;

static int
listed(const char *text)
{
	return wl_openai_listed(arena, wl_str_of(text), &v, &n);
}

static void
openai(void)
{
	CU_ASSERT_EQUAL_FATAL(listed("{\"object\":\"list\",\"data\":["
	    "{\"id\":\"gpt-4o\",\"object\":\"model\",\"created\":1715367049,"
	    "\"owned_by\":\"system\"},"
	    "{\"id\":\"whisper-1\",\"object\":\"model\",\"created\":1677532384,"
	    "\"owned_by\":\"openai-internal\"}]}"), 0);
	CU_ASSERT_EQUAL_FATAL(n, 2);
	CU_ASSERT_STRING_EQUAL(v[0].name, "gpt-4o");
	CU_ASSERT_EQUAL(v[0].created, 1715367049);
	CU_ASSERT_STRING_EQUAL(v[0].owned_by, "system");
	CU_ASSERT_STRING_EQUAL(v[1].name, "whisper-1");
}

/*
 * OpenRouter leaves out who owns a model, Together the object around the
 * array; names have slashes and colons.
 */
static void
relatives(void)
{
	CU_ASSERT_EQUAL_FATAL(listed(" {\"data\":[{\"id\":\"meta-llama/"
	    "llama-3.3-70b-instruct:free\",\"name\":\"Meta: Llama 3.3\","
	    "\"created\":1733506137,\"architecture\":{\"modality\":\"text\","
	    "\"input_modalities\":[\"text\"]},\"pricing\":{\"prompt\":\"0\"},"
	    "\"top_provider\":{\"is_moderated\":false}}]}"), 0);
	CU_ASSERT_EQUAL_FATAL(n, 1);
	CU_ASSERT_STRING_EQUAL(v[0].name,
	    "meta-llama/llama-3.3-70b-instruct:free");
	CU_ASSERT_STRING_EQUAL(v[0].owned_by, "");
	CU_ASSERT_EQUAL_FATAL(listed("\n[{\"id\":\"a\\/b\",\"type\":\"chat\","
	    "\"created\":0,\"config\":{\"stop\":[\"</s>\"]}}]"), 0);
	CU_ASSERT_EQUAL_FATAL(n, 1);
	CU_ASSERT_STRING_EQUAL(v[0].name, "a/b");
	CU_ASSERT_EQUAL(v[0].created, 0);
	CU_ASSERT_EQUAL(listed("{\"data\":[]}"), 0);
	CU_ASSERT_EQUAL(n, 0);
}

/*
 * One strange entry does not cost the others.
 */
static void
strange(void)
{
	CU_ASSERT_EQUAL_FATAL(listed("{\"data\":[null,7,\"x\",[],{},"
	    "{\"id\":null},{\"id\":\"\"},{\"id\":3},{\"id\":\"a\\u0000b\"},"
	    "{\"id\":\"ok\",\"created\":-5,\"owned_by\":[]},"
	    "{\"id\":\"also\",\"created\":1e3},"
	    "{\"id\":\"big\",\"created\":99999999999999999999}]}"), 0);
	CU_ASSERT_EQUAL_FATAL(n, 3);
	CU_ASSERT_STRING_EQUAL(v[0].name, "ok");
	CU_ASSERT_EQUAL(v[0].created, 0);
	CU_ASSERT_STRING_EQUAL(v[0].owned_by, "");
	CU_ASSERT_STRING_EQUAL(v[1].name, "also");
	CU_ASSERT_EQUAL(v[1].created, 0);
	CU_ASSERT_STRING_EQUAL(v[2].name, "big");
}

static void
none(void)
{
	static const char *const bad[] = {
		"", "{}", "null", "7", "\"data\"", "<html></html>",
		"{\"data\":{}}", "{\"data\":null}", "{\"data\":[{\"id\":1}",
		"{\"error\":{\"message\":\"no\"}}", "data: {}\n\n",
		"{\"data\":[\"\xff\"]}"
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(listed(bad[i]), -1);
}

/*
 * A longer name and a longer list than any are cut off.
 */
static void
bounded(void)
{
	char name[300];
	struct wl_buf b;
	int i;

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	wl_buf_init(&b, 1 << 20);
	wl_buf_printf(&b, "[{\"id\":\"%s\"},{\"id\":\"%.256s\"}", name, name);
	for (i = 0; i < 6000; i++)
		wl_buf_printf(&b, ",{\"id\":\"m%d\"}", i);
	wl_buf_adds(&b, "]");
	CU_ASSERT_EQUAL_FATAL(wl_openai_listed(arena, (struct wl_str){ b.p,
	    b.len }, &v, &n), 0);
	CU_ASSERT_EQUAL_FATAL(n, 4999);
	CU_ASSERT_EQUAL(strlen(v[0].name), 256);
	CU_ASSERT_STRING_EQUAL(v[4998].name, "m4997");
	wl_buf_free(&b);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "OpenAI's", openai },
		{ "its relatives'", relatives },
		{ "strange entries", strange },
		{ "what is no list", none },
		{ "bounds", bounded },
		{ NULL, NULL }
	};
	int status;

	if ((arena = wl_arena_new(64 << 20)) == NULL)
		return 1;
	status = wl_tap_run("provider_openai_list", tests);
	wl_arena_free(arena);
	return status;
}
