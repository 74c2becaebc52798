/*
 * Azure OpenAI: OpenAI's wire format where a deployment stands for the model,
 * in the path, under an api-version (openai-python, "AzureOpenAI"); and, for
 * a provider without an api-version, Azure's v1 API, whose paths and bodies
 * are OpenAI's.
 */
#include "config.h"
#include "lib/core/provider_openai.h"

#include <assert.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/core/chat_in.h"
#include "lib/core/model.h"

/*
 * Where an API lies; DEPLOYMENT: below that of the model.
 */
static const struct path {
	const char	*path;
	bool		 deployment;
} paths[] = {
	[WL_API_CHAT] = { "/chat/completions", true },
	[WL_API_COMPLETIONS] = { "/completions", true },
	[WL_API_COUNT_TOKENS] = { NULL, false },
	[WL_API_EMBEDDINGS] = { "/embeddings", true },
	[WL_API_MESSAGES] = { NULL, false },
	[WL_API_RESPONSES] = { "/responses", false },
	[WL_API_IMAGES] = { "/images/generations", true },
	[WL_API_IMAGE_EDITS] = { "/images/edits", true },
	[WL_API_IMAGE_VARIATIONS] = { NULL, false },
	[WL_API_TRANSCRIPTIONS] = { "/audio/transcriptions", true },
	[WL_API_TRANSLATIONS] = { "/audio/translations", true },
	[WL_API_SPEECH] = { "/audio/speech", true },
	[WL_API_RERANK] = { NULL, false },
};
static_assert(sizeof(paths) / sizeof(paths[0]) == WL_API_MAX,
    "a path for every API");

static const char *
url_of(struct wl_arena *a, const struct wl_target *t, const struct path *p)
{
	const char *name;

	if (t->api_version == NULL)
		return wl_arena_printf(a, "%s/openai/v1%s", t->base_url,
		    p->path);
	if (!p->deployment)
		return wl_arena_printf(a, "%s/openai%s?api-version=%s",
		    t->base_url, p->path, t->api_version);
	if ((name = wl_provider_segment(a, t->model)) == NULL)
		return NULL;
	return wl_arena_printf(a, "%s/openai/deployments/%s%s?api-version=%s",
	    t->base_url, name, p->path, t->api_version);
}

static int
request(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, const char *request_id, struct wl_upcall *u,
    struct wl_err *e)
{
	const char *url = url_of(a, t, &paths[ask->api]);

	if (url == NULL)
		return wl_chat_in_bad(e, "model", "is no name of a deployment");
	return wl_openai_post(a, ask, t, request_id, url, u, e);
}

static int
list(struct wl_arena *a, const struct wl_target *t, struct wl_upcall *u,
    struct wl_err *e)
{
	static const struct path models = { "/models", false };

	memset(u, 0, sizeof(*u));
	u->url = url_of(a, t, &models);
	if (u->url == NULL ||
	    wl_provider_headers(a, NULL, t, NULL, NULL, u) == -1)
		return wl_err_memory(e);
	return 0;
}

const struct wl_provider wl_provider_azure = {
	.wire = "azure",
	.apis = WL_APIS_ALL & ~(WL_APIS(WL_API_COUNT_TOKENS) |
	    WL_APIS(WL_API_MESSAGES) |
	    WL_APIS(WL_API_IMAGE_VARIATIONS) | WL_APIS(WL_API_RERANK)),
	.native = WL_APIS_ALL,
	.request = request,
	.answer = wl_openai_answer,
	.chunk = wl_openai_chunk,
	.skimmed = wl_openai_skimmed,
	.error = wl_openai_error,
	.list = list,
	.listed = wl_openai_listed,
};
