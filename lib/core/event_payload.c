/*
 * Prompts and answers, as they may be kept.
 */
#include "config.h"
#include "lib/core/event_payload.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/conf.h"
#include "lib/base/json.h"
#include "lib/core/call.h"
#include "lib/core/event_rec.h"

/* A picture or a sound in a prompt; a shorter one is text like any other. */
#define DATA_URL_MAX	((size_t)256)

/*
 * A walk over the prompt with what may still be kept of it.
 */
struct walk {
	struct wl_event_rec	*rec;
	size_t		 left;
};

static void
spend(struct walk *k, size_t n)
{
	k->left -= n < k->left ? n : k->left;
}

static void
put_string(struct walk *k, const char *key, struct json_object *o)
{
	const char *p = json_object_get_string(o), *comma;
	size_t len = (size_t)json_object_get_string_len(o);
	char note[96];

	if (len > DATA_URL_MAX && wl_is_data(p, len)) {
		/* all before the data, which tells what it is */
		comma = memchr(p, ',', DATA_URL_MAX);
		snprintf(note, sizeof(note), "%.*s[%zu bytes]", comma == NULL ?
		    0 : comma - p < 64 ? (int)(comma - p) + 1 : 64, p, len);
		wl_jw_str(&k->rec->w, key, note);
		spend(k, strlen(note));
		return;
	}
	wl_event_rec_text(k->rec, key, p, len, k->left);
	spend(k, len);
}

static void put_value(struct walk *k, const char *key, struct json_object *o);

static void
put_members(struct walk *k, struct json_object *o)
{
	struct json_object_iterator it = json_object_iter_begin(o);
	struct json_object_iterator end = json_object_iter_end(o);
	struct wl_buf name;
	const char *s;

	for (; !json_object_iter_equal(&it, &end);
	    json_object_iter_next(&it)) {
		if (k->left == 0) {
			k->rec->truncated = true;
			return;
		}
		s = json_object_iter_peek_name(&it);
		wl_buf_init(&name, 0);
		wl_event_rec_clean(k->rec, &name, s, strlen(s), WL_EVENT_WORD);
		put_value(k, name.p == NULL ? "" : name.p,
		    json_object_iter_peek_value(&it));
		wl_buf_free(&name);
	}
}

static void
put_elements(struct walk *k, struct json_object *o)
{
	size_t i, n = json_object_array_length(o);

	for (i = 0; i < n; i++) {
		if (k->left == 0) {
			k->rec->truncated = true;
			return;
		}
		put_value(k, NULL, json_object_array_get_idx(o, i));
	}
}

/*
 * O without what must not be kept.  The scan has bounded its depth.
 */
static void
put_value(struct walk *k, const char *key, struct json_object *o)
{
	struct wl_jw *w = &k->rec->w;

	spend(k, 8 + (key == NULL ? 0 : strlen(key)));
	switch (json_object_get_type(o)) {
	case json_type_string:
		put_string(k, key, o);
		break;
	case json_type_object:
		wl_jw_obj(w, key);
		put_members(k, o);
		wl_jw_end(w, '}');
		break;
	case json_type_array:
		wl_jw_arr(w, key);
		put_elements(k, o);
		wl_jw_end(w, ']');
		break;
	case json_type_int:
		wl_jw_int(w, key, json_object_get_int64(o));
		break;
	case json_type_double:
		wl_jw_num(w, key, json_object_get_double(o));
		break;
	case json_type_boolean:
		wl_jw_bool(w, key, json_object_get_boolean(o));
		break;
	case json_type_null:
		wl_jw_null(w, key);
		break;
	}
}

/*
 * The prompt: text where it is one, else JSON as text.  Instructions that
 * stand beside it (Responses API, Anthropic's messages) are a part of it, in a
 * quarter of the room at most.
 */
static void
put_input(struct wl_event_rec *rec, const struct wl_ask *ask, size_t max)
{
	const char *name = wl_api_content(ask->api);
	const char *beside = wl_api_system(ask->api);
	struct json_object *o = NULL, *system = NULL;
	struct wl_event_rec inner;
	struct walk k = { &inner, max }, first = { &inner, max / 4 };
	struct wl_buf b;

	if (ask->form_type != NULL && ask->prompt.len > 0)
		wl_event_rec_text(rec, "input", ask->prompt.p, ask->prompt.len, max);
	if (!json_object_object_get_ex(ask->json, name, &o) &&
	    ask->api == WL_API_RESPONSES)
		/* one that the provider keeps, and what stands in it */
		(void)json_object_object_get_ex(ask->json, "prompt", &o);
	if (beside != NULL)
		(void)json_object_object_get_ex(ask->json, beside, &system);
	if (o == NULL && system == NULL)
		return;
	if (system == NULL && json_object_is_type(o, json_type_string)) {
		wl_event_rec_text(rec, "input", json_object_get_string(o),
		    (size_t)json_object_get_string_len(o), max);
		return;
	}
	wl_buf_init(&b, 0);
	memset(&inner, 0, sizeof(inner));
	inner.rules = rec->rules;
	wl_jw_init(&inner.w, &b);
	if (system != NULL) {
		wl_jw_obj(&inner.w, NULL);
		put_value(&first, beside, system);
		spend(&k, max / 4 - first.left);
		put_value(&k, name, o);
		wl_jw_end(&inner.w, '}');
	} else
		put_value(&k, NULL, o);
	if (!b.failed)
		wl_jw_strn(&rec->w, "input", b.p, b.len);
	wl_buf_free(&b);
	wl_event_rec_free(&inner);
	rec->hits += inner.hits;
	rec->truncated |= inner.truncated;
}

/*
 * The tool calls of the answer.  Their arguments are JSON in a string, so
 * they are text to be redacted like any other.
 */
static void
put_tools(struct wl_event_rec *rec, const struct wl_result *res, size_t max)
{
	struct wl_arena *a;
	struct json_object *o;
	struct walk k = { rec, 2 * max };
	struct wl_buf b;

	if (res->tools.len == 0 || (a = wl_arena_new(4 * max + 65536)) == NULL)
		return;
	wl_buf_init(&b, 0);
	wl_buf_printf(&b, "[%s]", res->tools.p);
	o = b.failed ? NULL : wl_json_parse(a, b.p, b.len, NULL);
	if (o != NULL) {
		wl_jw_obj(&rec->w, "detail");
		put_value(&k, "tool_calls", o);
		wl_jw_end(&rec->w, '}');
	}
	wl_buf_free(&b);
	wl_arena_free(a);
}

void
wl_event_payload_put(struct wl_event_rec *rec, const struct wl_conf *conf,
    const struct wl_ask *ask, const struct wl_result *res)
{
	size_t max = (size_t)conf->max_field;

	put_input(rec, ask, max);
	if (res->text.len > 0)
		wl_event_rec_text(rec, "output", res->text.p, res->text.len, max);
	put_tools(rec, res, max);
	rec->truncated |= res->truncated;
}
