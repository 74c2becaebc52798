/*
 * Bodies of calls: what the gate reads is what json-c reads, and what is sent
 * upstream differs from what came in nothing but what must change.
 */
#include "config.h"
#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/core/model.h"
#include "lib/core/provider.h"
#include "lib/http/req.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static char	media_type[] = "application/json";

/*
 * Take out of O what the gate may change.
 */
static void
strip(struct json_object *o)
{
	struct json_object *options;

	json_object_object_del(o, "model");
	if (!json_object_object_get_ex(o, "stream_options", &options))
		return;
	if (json_object_is_type(options, json_type_object))
		json_object_object_del(options, "include_usage");
	if (!json_object_is_type(options, json_type_object) ||
	    json_object_object_length(options) == 0)
		json_object_object_del(o, "stream_options");
}

static void
check_sent(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_upcall *u, const char *model)
{
	struct json_object *sent, *came, *options;
	struct wl_str s;
	bool usage;

	sent = wl_json_parse(a, u->body.p, u->body.len, NULL);
	came = wl_json_parse(a, ask->body.p, ask->body.len, NULL);
	PROMISE(sent != NULL && came != NULL);
	PROMISE(wl_json_str(sent, "model", &s) && wl_str_eq(s, model));
	if (u->hide_usage) {
		options = wl_json_obj(sent, "stream_options");
		PROMISE(wl_json_bool(options, "include_usage", &usage) &&
		    usage);
		PROMISE(ask->stream && !ask->include_usage);
	}
	strip(sent);
	strip(came);
	PROMISE(json_object_equal(sent, came));
}

static void
check_request(struct wl_arena *a, const struct wl_ask *ask, const char *model)
{
	struct wl_target t = {
		.wire = &wl_provider_openai, .provider = "p",
		.base_url = "https://p.example/v1", .auth = "bearer",
		.model = model, .key = "k", .stream_options = true
	};
	struct wl_upcall u;
	struct wl_err e;

	PROMISE(wl_provider_openai.request(a, ask, &t, "id", &u, &e) == 0);
	check_sent(a, ask, &u, model);
	if (!u.hide_usage && wl_str_eq(ask->model, model))
		PROMISE(u.body.p == ask->body.p && u.body.len ==
		    ask->body.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wl_req req = { .content_type = media_type };
	struct wl_ask ask;
	struct wl_err e;
	char *model;
	int api;

	if (len > 65536)
		return 0;
	PROMISE((req.arena = wl_arena_new(16 << 20)) != NULL);
	req.body = (struct wl_str){ wl_arena_dup(req.arena, data, len), len };
	for (api = 0; api < WL_API_MAX; api++) {
		wl_ask_read(&ask, (enum wl_api)api, &req);
		PROMISE(ask.input_estimate >= 0 &&
		    ask.input_estimate <= (int64_t)len);
		if (wl_ask_refused(&ask))
			PROMISE(wl_ask_check(&ask, &e) == -1);
		if (wl_ask_check(&ask, &e) == -1)
			continue;
		PROMISE(ask.fault.code == WL_OK);
		model = wl_arena_dup(req.arena, ask.model.p, ask.model.len);
		PROMISE(strlen(model) == ask.model.len);
		check_request(req.arena, &ask, model);
		check_request(req.arena, &ask, "other \"model\"");
	}
	wl_arena_free(req.arena);
	return 0;
}
