/*
 * Answers and errors of a provider: what is read of them makes sense, and the
 * key, which an error may repeat, is in nothing that a client is told.
 */
#include "config.h"
#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/core/model.h"
#include "lib/core/provider.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define KEY	"plain-key-0123456789"

static struct wl_target target = { .key = KEY };

static void
check_text(struct wl_arena *a, const struct wl_result *res)
{
	struct wl_buf b = { 0 };

	PROMISE(strstr(res->err.msg, KEY) == NULL);
	PROMISE(strlen(res->finish_reason) < sizeof(res->finish_reason));
	if (res->refusal.len > 0) {
		PROMISE(memmem(res->refusal.p, res->refusal.len, KEY,
		    sizeof(KEY) - 1) == NULL);
		PROMISE(wl_json_parse(a, res->refusal.p, res->refusal.len,
		    NULL) != NULL);
	}
	wl_buf_printf(&b, "[%s]", res->tools.len > 0 ? res->tools.p : "");
	PROMISE(wl_json_scan(b.p, b.len, SIZE_MAX) == WL_JSON_OK);
	wl_buf_free(&b);
}

static void
check_figures(const struct wl_result *res)
{
	const struct wl_usage *u = &res->usage;

	PROMISE(u->input >= -1 && u->output >= -1 && u->reasoning >= -1);
	PROMISE(u->cache_read >= -1 && u->cache_write >= -1);
	PROMISE(res->output_bytes >= 0);
	PROMISE(res->text.len <= res->keep && res->tools.len <= res->keep);
	PROMISE(res->sequence >= -1 && res->sequence < INT64_MAX);
}

/*
 * HOW the bytes are read: 0 as an answer, 1 as an event, 2 as an error.
 */
static void
check(enum wl_api api, int how, struct wl_str body)
{
	struct wl_ask ask = { .api = api, .stream = how == 1 };
	struct wl_arena *a = wl_arena_new(1 << 20);
	struct wl_relay relay = { .tools = 0 };
	static struct wl_result res;

	PROMISE(a != NULL && wl_result_init(&res, a, 512) == 0);
	if (how == 0)
		(void)target.wire->answer(a, &ask, &target, body, &res);
	else if (how == 1)
		(void)target.wire->chunk(a, &ask, &target, body, &res,
		    &relay);
	else
		target.wire->error(a, &target, 400, body, &res);
	wl_result_end(&res);
	wl_buf_free(&relay.out);
	check_text(a, &res);
	check_figures(&res);
	/* what was translated is JSON, whatever it was made of */
	if (how == 0 && res.raw.p != NULL)
		PROMISE(wl_json_scan(res.raw.p, res.raw.len, SIZE_MAX) ==
		    WL_JSON_OK);
	wl_arena_free(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wl_str body = { (const char *)data, len };
	int i, api, how;

	if (len > 65536)
		return 0;
	for (i = 0; (target.wire = wl_providers[i]) != NULL; i++)
		for (api = 0; api < WL_API_MAX; api++)
			for (how = 0; how < 3; how++)
				if (((target.wire->native | target.wire->apis)
				    & WL_APIS(api)) != 0)
					check((enum wl_api)api, how, body);
	return 0;
}
