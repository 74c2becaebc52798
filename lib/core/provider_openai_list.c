/*
 * OpenAI's list of models, as its many relatives give it.
 */
#include "config.h"
#include "lib/core/provider_openai.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/json.h"
#include "lib/core/model.h"
#include "lib/core/models.h"
#include "lib/core/provider.h"

#define MODELS_MAX	5000
#define NAME_BYTES	256
/* More than any list has within the bytes that are read. */
#define TOKENS_MAX	((size_t)2 * 1000 * 1000)

int
wl_openai_list(struct wl_arena *a, const struct wl_target *t, struct wl_upcall *u,
    struct wl_err *e)
{
	char *key;

	memset(u, 0, sizeof(*u));
	u->url = wl_arena_printf(a, "%s/models", t->base_url);
	u->headers = wl_arena_alloc(a, 3 * sizeof(*u->headers));
	if (u->url == NULL || u->headers == NULL ||
	    wl_openai_key_header(a, t, &key) == -1)
		return wl_err_memory(e);
	u->headers[0] = "Accept: application/json";
	u->headers[1] = key;
	u->headers[2] = NULL;
	return 0;
}

/*
 * Where the array lies: most have {"data":[...]}, Together the array alone.
 */
static struct wl_str
array(struct wl_str body)
{
	size_t off, len, pos = 0;
	struct wl_str one;
	bool dup;

	if (wl_json_item(body.p, body.len, &pos, &one))
		return body;
	if (wl_json_find(body.p, body.len, "data", &off, &len, &dup) &&
	    body.p[off] == '[')
		return (struct wl_str){ body.p + off, len };
	return (struct wl_str){ NULL, 0 };
}

/*
 * Member KEY of the object in VALUE, read alone: the rest of it is a page of
 * text.
 */
static struct json_object *
member(struct wl_arena *a, struct wl_str value, const char *key)
{
	size_t off, len;
	bool dup;

	if (!wl_json_find(value.p, value.len, key, &off, &len, &dup))
		return NULL;
	return wl_json_parse(a, value.p + off, len, NULL);
}

/*
 * O as a text, "" when it is none that could be a name.
 */
static const char *
text(struct wl_arena *a, struct json_object *o)
{
	const char *p = "";

	if (json_object_is_type(o, json_type_string))
		p = json_object_get_string(o);
	/* a longer one has a NUL in it */
	if (o != NULL && strlen(p) != (size_t)json_object_get_string_len(o))
		p = "";
	return wl_arena_strdup(a, strlen(p) <= NAME_BYTES ? p : "");
}

/*
 * When it was released, of a list that tells it in words, as Anthropic's does.
 */
static int64_t
released(struct wl_arena *a, struct wl_str value)
{
	struct json_object *o = member(a, value, "created_at");
	int64_t ms;

	if (!json_object_is_type(o, json_type_string) ||
	    wl_clock_parse(json_object_get_string(o),
	    (size_t)json_object_get_string_len(o), &ms) == -1)
		return 0;
	return ms / 1000;
}

/*
 * The model that VALUE tells of; what has no name is none.
 */
static int
take(struct wl_arena *a, struct wl_str value, struct wl_model_item *v, int *n)
{
	struct json_object *created = member(a, value, "created");
	struct wl_model_item *m = &v[*n];

	m->name = text(a, member(a, value, "id"));
	m->owned_by = text(a, member(a, value, "owned_by"));
	m->created = json_object_is_type(created, json_type_int) ?
	    json_object_get_int64(created) : released(a, value);
	if (m->created < 0)
		m->created = 0;
	if (m->name == NULL || m->owned_by == NULL)
		return -1;
	*n += m->name[0] != '\0';
	return 0;
}

int
wl_openai_listed(struct wl_arena *a, struct wl_str body,
    struct wl_model_item **v, int *n)
{
	struct wl_str all, one;
	size_t pos = 0;
	int max = 0;

	*n = 0;
	if (wl_json_scan(body.p, body.len, TOKENS_MAX) != WL_JSON_OK ||
	    (all = array(body)).p == NULL)
		return -1;
	while (max < MODELS_MAX && wl_json_item(all.p, all.len, &pos, &one))
		max++;
	if ((*v = wl_arena_alloc(a, (size_t)(max + 1) * sizeof(**v))) == NULL)
		return -1;
	for (pos = 0; max > 0 && wl_json_item(all.p, all.len, &pos, &one);
	    max--)
		if (take(a, one, *v, n) == -1)
			return -1;
	return 0;
}
