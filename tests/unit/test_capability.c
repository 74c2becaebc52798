/*
 * What a format cannot express is known before any call; of several targets
 * those are left that can.
 */
#include "config.h"
#include "tests/unit/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "tests/unit/tap.h"

#define ASK(x)	"{\"model\":\"m\",\"messages\":[{\"role\":\"user\"," \
		"\"content\":\"hi\"}]" x "}"

/*
 * What "n" cannot be sent to is left out, in order.
 */
static void
keep(void)
{
	struct wl_target t[4] = {
		{ .wire = &wl_provider_gemini, .provider = "a" },
		{ .wire = &wl_provider_openai, .provider = "b" },
		{ .wire = &wl_provider_cohere, .provider = "c" },
		{ .wire = &wl_provider_azure, .provider = "d" }
	};
	struct wl_ask other;

	wire_reset(&wl_provider_openai, "m", "bearer");
	(void)wire_request(WL_API_CHAT, ASK(""));
	other = wire_ask;
	CU_ASSERT_EQUAL(wl_capability_keep(t, 4, &wire_ask, &wire_err), 4);
	(void)wire_request(WL_API_CHAT, ASK(",\"n\":2"));
	/* one of them is asked something else */
	t[2].ask = &other;
	CU_ASSERT_EQUAL_FATAL(wl_capability_keep(t, 4, &wire_ask, &wire_err),
	    3);
	CU_ASSERT_STRING_EQUAL(t[0].provider, "b");
	CU_ASSERT_STRING_EQUAL(t[1].provider, "c");
	CU_ASSERT_STRING_EQUAL(t[2].provider, "d");
	t[0].wire = &wl_provider_anthropic;
	CU_ASSERT_EQUAL(wl_capability_keep(t, 1, &wire_ask, &wire_err), -1);
	CU_ASSERT_EQUAL(wire_err.code, WL_E_INVALID_REQUEST);
	CU_ASSERT_STRING_EQUAL(wire_err.param, "n");
	CU_ASSERT(strstr(wire_err.msg, "\"anthropic\"") != NULL);
}

/*
 * No format has an answer for an API that it does not have.
 */
static void
apis(void)
{
	const struct wl_provider *const *p;
	struct wl_ask ask = { .api = WL_API_CHAT };
	int api;

	for (p = wl_providers; *p != NULL; p++)
		for (api = 0; api < WL_API_MAX; api++) {
			ask.api = (enum wl_api)api;
			if (((*p)->apis & WL_APIS(api)) == 0)
				CU_ASSERT_EQUAL(wl_capability_check(*p, &ask,
				    &wire_err), -1);
		}
}

/*
 * The table has a row for each API and a cell for each format.
 */
static void
table(void)
{
	const struct wl_provider *const *p;
	char *text = NULL, *line, *save = NULL;
	size_t len, cells = 2, n;
	FILE *f = open_memstream(&text, &len);

	CU_ASSERT_FATAL(f != NULL);
	wl_capability_print(f);
	fclose(f);
	for (p = wl_providers; *p != NULL; p++)
		cells++;
	for (line = strtok_r(text, "\n", &save); line != NULL;
	    line = strtok_r(NULL, "\n", &save)) {
		for (n = 0; *line != '\0'; line++)
			n += *line == '|';
		CU_ASSERT_EQUAL(n, cells);
	}
	free(text);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "targets that can", keep },
		{ "APIs", apis },
		{ "the table", table },
		{ NULL, NULL }
	};

	return wl_tap_run("capability", tests);
}
