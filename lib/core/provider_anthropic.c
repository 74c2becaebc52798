/*
 * Anthropic's wire format (its published specification and client libraries,
 * "Messages", "Models").
 */
#include "config.h"
#include "lib/core/provider_anthropic.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/jw.h"
#include "lib/core/model.h"
#include "lib/core/provider_edit.h"
#include "lib/core/provider_openai.h"

int
wl_anthropic_head(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, const char *path, const char *request_id,
    struct wl_upcall *u, struct wl_err *e)
{
	const char *version = WL_ANTHROPIC_VERSION, **h;
	char *key;
	int i, n = 0;

	if (ask != NULL && ask->anthropic_version != NULL)
		version = ask->anthropic_version;
	u->url = wl_arena_printf(a, "%s%s", t->base_url, path);
	h = u->headers = wl_arena_alloc(a, 7 * sizeof(*h));
	if (u->url == NULL || h == NULL ||
	    wl_openai_key_header(a, t, &key) == -1)
		return wl_err_memory(e);
	h[n++] = ask != NULL && ask->stream ? "Accept: text/event-stream" :
	    "Accept: application/json";
	h[n++] = wl_arena_printf(a, "anthropic-version: %s", version);
	if (ask != NULL)
		h[n++] = "Content-Type: application/json";
	if (ask != NULL && ask->anthropic_beta != NULL)
		h[n++] = wl_arena_printf(a, "anthropic-beta: %s",
		    ask->anthropic_beta);
	if (request_id != NULL)
		h[n++] = wl_arena_printf(a, "X-Request-Id: %s", request_id);
	for (i = 0; i < n; i++)
		if (h[i] == NULL)
			return wl_err_memory(e);
	if (key != NULL)
		h[n++] = key;
	h[n] = NULL;
	return 0;
}

/*
 * A message that is made of a chat.
 */
static int
chat(struct wl_arena *a, const struct wl_ask *ask, const struct wl_target *t,
    const char *request_id, struct wl_upcall *u, struct wl_err *e)
{
	struct wl_buf b;
	struct wl_jw w;
	int rc;

	wl_buf_init(&b, 0);
	wl_jw_init(&w, &b);
	rc = wl_anthropic_chat(a, ask, t, &w, e);
	if (rc == 0)
		rc = wl_provider_body(a, &b, u) == -1 ? wl_err_memory(e) :
		    wl_anthropic_head(a, ask, t, WL_ANTHROPIC_MESSAGES,
		    request_id, u, e);
	wl_buf_free(&b);
	return rc;
}

static int
request(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, const char *request_id, struct wl_upcall *u,
    struct wl_err *e)
{
	struct wl_edits ed = { .n = 0 };

	u->hide_usage = false;
	if (ask->api == WL_API_CHAT)
		return chat(a, ask, t, request_id, u, e);
	if (wl_edit_model(a, ask, t, &ed) == -1 ||
	    wl_edit_splice(a, ask->body, &ed, &u->body) == -1)
		return wl_err_memory(e);
	return wl_anthropic_head(a, ask, t, ask->api == WL_API_COUNT_TOKENS ?
	    WL_ANTHROPIC_MESSAGES "/count_tokens" : WL_ANTHROPIC_MESSAGES,
	    request_id, u, e);
}

static int
answer(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str body, struct wl_result *res)
{
	if (ask->api == WL_API_CHAT)
		return wl_anthropic_chat_answer(a, ask, t, body, res);
	if (ask->api == WL_API_COUNT_TOKENS)
		return wl_anthropic_count(a, t, body, res);
	return wl_anthropic_message(a, t, body, res);
}

static enum wl_chunk
chunk(struct wl_arena *a, const struct wl_ask *ask, const struct wl_target *t,
    struct wl_str data, struct wl_result *res, struct wl_relay *relay)
{
	if (ask->api == WL_API_CHAT)
		return wl_anthropic_chat_event(a, ask, t, data, res, relay);
	return wl_anthropic_event(a, t, data, res);
}

/*
 * Only blocks can be long, and none of them is the end.
 */
static void
skimmed(const struct wl_ask *ask, struct wl_str head, struct wl_result *res)
{
	(void)ask;
	(void)head;
	(void)res;
}

/*
 * As many as a page can have.
 */
static int
list(struct wl_arena *a, const struct wl_target *t, struct wl_upcall *u,
    struct wl_err *e)
{
	memset(u, 0, sizeof(*u));
	return wl_anthropic_head(a, NULL, t, "/models?limit=1000", NULL, u, e);
}

const struct wl_provider wl_provider_anthropic = {
	.wire = "anthropic",
	.apis = WL_APIS(WL_API_CHAT) | WL_APIS(WL_API_COUNT_TOKENS) |
	    WL_APIS(WL_API_MESSAGES),
	.native = WL_APIS(WL_API_COUNT_TOKENS) | WL_APIS(WL_API_MESSAGES),
	.can = WL_CAN_FILES | WL_CAN_IMAGES | WL_CAN_IMAGE_URLS |
	    WL_CAN_JSON_SCHEMA | WL_CAN_ONE_TOOL | WL_CAN_REASONING |
	    WL_CAN_STOP | WL_CAN_TOOLS | WL_CAN_TOP_K,
	.request = request,
	.answer = answer,
	.chunk = chunk,
	.skimmed = skimmed,
	.error = wl_openai_error,
	.list = list,
	.listed = wl_openai_listed,
};
