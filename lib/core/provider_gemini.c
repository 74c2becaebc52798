/*
 * Gemini's own wire format: its requests, its list of models.
 */
#include "config.h"
#include "lib/core/provider_gemini.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/jw.h"
#include "lib/core/chat_in.h"
#include "lib/core/model.h"

/*
 * "models/NAME", "tunedModels/NAME", as a path.
 */
static const char *
resource(struct wl_arena *a, const char *model)
{
	static const char *const kinds[] = { "models/", "tunedModels/" };
	const char *kind = kinds[0], *name;
	size_t i;

	for (i = 0; i < 2; i++)
		if (strncmp(model, kinds[i], strlen(kinds[i])) == 0) {
			kind = kinds[i];
			model += strlen(kind);
			break;
		}
	if ((name = wl_provider_segment(a, model)) == NULL)
		return NULL;
	return wl_arena_printf(a, "%s%s", kind, name);
}

static int
request(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, const char *request_id, struct wl_upcall *u,
    struct wl_err *e)
{
	const char *model = resource(a, t->model), *verb;
	struct wl_buf b;
	struct wl_jw w;
	int rc;

	memset(u, 0, sizeof(*u));
	verb = ask->api == WL_API_EMBEDDINGS ? "batchEmbedContents" :
	    ask->stream ? "streamGenerateContent?alt=sse" : "generateContent";
	if (model == NULL)
		return wl_chat_in_bad(e, "model", "is no name of a model");
	wl_buf_init(&b, 0);
	wl_jw_init(&w, &b);
	rc = ask->api == WL_API_EMBEDDINGS ?
	    wl_gemini_embed(ask, model, &w, e) :
	    wl_gemini_chat(a, ask, t, &w, e);
	if (rc == 0) {
		u->url = wl_arena_printf(a, "%s/%s:%s", t->base_url, model,
		    verb);
		if (u->url == NULL || wl_provider_body(a, &b, u) == -1 ||
		    wl_provider_headers(a, ask, t, request_id, NULL, u) == -1)
			rc = wl_err_memory(e);
	}
	wl_buf_free(&b);
	return rc;
}

static void
skimmed(const struct wl_ask *ask, struct wl_str head, struct wl_result *res)
{
	(void)ask;
	(void)head;
	(void)res;
}

/* ---- models ---- */

static int
list(struct wl_arena *a, const struct wl_target *t, struct wl_upcall *u,
    struct wl_err *e)
{
	memset(u, 0, sizeof(*u));
	u->url = wl_arena_printf(a, "%s/models?pageSize=1000", t->base_url);
	if (u->url == NULL ||
	    wl_provider_headers(a, NULL, t, NULL, NULL, u) == -1)
		return wl_err_memory(e);
	return 0;
}

static int
listed(struct wl_arena *a, struct wl_str body, struct wl_model_item **v,
    int *n)
{
	return wl_provider_models(a, body, "models/", "google", v, n);
}

const struct wl_provider wl_provider_gemini = {
	.wire = "gemini",
	.apis = WL_APIS(WL_API_CHAT) | WL_APIS(WL_API_EMBEDDINGS),
	.can = WL_CAN_AUDIO | WL_CAN_DIMENSIONS | WL_CAN_FILES |
	    WL_CAN_IMAGES | WL_CAN_JSON_OBJECT | WL_CAN_JSON_SCHEMA |
	    WL_CAN_PENALTIES | WL_CAN_REASONING | WL_CAN_SEED | WL_CAN_STOP |
	    WL_CAN_TOOLS | WL_CAN_TOP_K,
	.request = request,
	.answer = wl_gemini_answer,
	.chunk = wl_gemini_chunk,
	.ended = wl_gemini_ended,
	.skimmed = skimmed,
	.error = wl_gemini_error,
	.list = list,
	.listed = listed,
};
