/*
 * The wire formats.
 */
#include "config.h"
#include "lib/core/provider.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/core/model.h"
#include "lib/core/models.h"
#include "lib/core/provider_openai.h"

#define MODELS_MAX	1000

const struct wl_provider *const wl_providers[] = {
	&wl_provider_anthropic,
	&wl_provider_azure,
	&wl_provider_bedrock,
	&wl_provider_cohere,
	&wl_provider_gemini,
	&wl_provider_openai,
	NULL
};

const struct wl_provider *
wl_provider_find(const char *wire)
{
	size_t i;

	for (i = 0; wl_providers[i] != NULL; i++)
		if (strcmp(wl_providers[i]->wire, wire) == 0)
			return wl_providers[i];
	return NULL;
}

bool
wl_provider_translates(const struct wl_provider *p, enum wl_api api)
{
	return (p->native & WL_APIS(api)) == 0;
}

const char *
wl_provider_segment(struct wl_arena *a, const char *name)
{
	static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789-._~";
	const char *out = NULL;
	struct wl_buf b;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return NULL;
	wl_buf_init(&b, 0);
	for (; *name != '\0'; name++)
		if (strchr(safe, *name) != NULL)
			wl_buf_addc(&b, *name);
		else
			wl_buf_printf(&b, "%%%02X", (unsigned char)*name);
	if (!b.failed && b.len > 0)
		out = wl_arena_dup(a, b.p, b.len);
	wl_buf_free(&b);
	return out;
}

int
wl_provider_headers(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, const char *request_id, const char *extra,
    struct wl_upcall *u)
{
	const char **h = u->headers = wl_arena_alloc(a, 6 * sizeof(*h));
	const char *streams = t->wire->stream_type;
	char *key, *id = NULL;
	int n = 0;

	if (streams == NULL)
		streams = "text/event-stream";
	if (h == NULL || wl_openai_key_header(a, t, &key) == -1)
		return -1;
	if (request_id != NULL && (id = wl_arena_printf(a, "X-Request-Id: %s",
	    request_id)) == NULL)
		return -1;
	h[n++] = ask == NULL || !ask->stream ? "Accept: application/json" :
	    wl_arena_printf(a, "Accept: %s", streams);
	if (h[0] == NULL)
		return -1;
	if (ask != NULL)
		h[n++] = "Content-Type: application/json";
	if (key != NULL)
		h[n++] = key;
	if (id != NULL)
		h[n++] = id;
	h[n++] = extra;
	h[n] = NULL;
	return 0;
}

static void
free_body(void *p)
{
	free(p);
}

int
wl_provider_body(struct wl_arena *a, struct wl_buf *b, struct wl_upcall *u)
{
	struct wl_buf mine = *b;

	memset(b, 0, sizeof(*b));
	if (mine.failed || mine.p == NULL) {
		wl_buf_free(&mine);
		return -1;
	}
	u->body = (struct wl_str){ mine.p, mine.len };
	return wl_arena_defer(a, free_body, mine.p);
}

int
wl_provider_able(struct wl_target *t, int n, enum wl_api api)
{
	int i, kept = 0;

	for (i = 0; i < n; i++)
		if ((t[i].wire->apis & WL_APIS(api)) != 0)
			t[kept++] = t[i];
	return kept;
}

int
wl_provider_models(struct wl_arena *a, struct wl_str body,
    const char *prefix, const char *owner, struct wl_model_item **v, int *n)
{
	struct json_object *all = wl_json_arr(wl_json_parse(a, body.p,
	    body.len, NULL), "models");
	size_t i, max, cut = strlen(prefix);
	struct wl_model_item *m;
	struct wl_str name;

	*n = 0;
	if (all == NULL)
		return -1;
	max = json_object_array_length(all);
	if (max > MODELS_MAX)
		max = MODELS_MAX;
	if ((*v = wl_arena_alloc(a, (max + 1) * sizeof(**v))) == NULL)
		return -1;
	for (i = 0; i < max; i++) {
		if (!wl_json_str(json_object_array_get_idx(all, i), "name",
		    &name))
			continue;
		if (wl_str_prefix(name, prefix))
			name = (struct wl_str){ name.p + cut,
			    name.len - cut };
		m = &(*v)[*n];
		m->name = wl_arena_dup(a, name.p, name.len);
		m->owned_by = owner;
		if (m->name == NULL)
			return -1;
		*n += name.len > 0;
	}
	return 0;
}
