/*
 * Changes of a few bytes in a client's body.
 */
#include "config.h"
#include "lib/core/provider_edit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/core/call.h"
#include "lib/core/model.h"

void
wl_edit_add(struct wl_edits *ed, size_t off, size_t cut, struct wl_str text)
{
	struct wl_edit *e = &ed->e[ed->n++];

	*e = (struct wl_edit){ off, cut, text };
	if (ed->n == 2 && ed->e[0].off > off) {
		ed->e[1] = ed->e[0];
		ed->e[0] = (struct wl_edit){ off, cut, text };
	}
}

int
wl_edit_splice(struct wl_arena *a, struct wl_str body,
    const struct wl_edits *ed, struct wl_str *out)
{
	size_t len = body.len, from = 0;
	char *p;
	int i;

	if (ed->n == 0) {
		*out = body;
		return 0;
	}
	for (i = 0; i < ed->n; i++)
		len += ed->e[i].text.len - ed->e[i].cut;
	if ((p = malloc(len)) == NULL || wl_arena_defer(a, free, p) == -1)
		return -1;
	*out = (struct wl_str){ p, len };
	for (i = 0; i < ed->n; i++) {
		memcpy(p, body.p + from, ed->e[i].off - from);
		p += ed->e[i].off - from;
		memcpy(p, ed->e[i].text.p, ed->e[i].text.len);
		p += ed->e[i].text.len;
		from = ed->e[i].off + ed->e[i].cut;
	}
	memcpy(p, body.p + from, body.len - from);
	return 0;
}

int
wl_edit_model(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_edits *ed)
{
	struct wl_buf b;
	struct wl_str s;
	size_t off, len;
	bool dup;

	if (wl_str_eq(ask->model, t->model))
		return 0;
	if (ask->form_type != NULL) {
		wl_edit_add(ed, (size_t)(ask->model.p - ask->body.p),
		    ask->model.len, wl_str_of(t->model));
		return strpbrk(t->model, "\r\n") == NULL ? 0 : -1;
	}
	if (!wl_json_find(ask->body.p, ask->body.len, "model", &off, &len,
	    &dup))
		return 0;
	wl_buf_init(&b, 0);
	wl_json_quote(&b, t->model, strlen(t->model));
	s = (struct wl_str){ wl_arena_dup(a, b.p, b.len), b.len };
	wl_buf_free(&b);
	if (s.p == NULL)
		return -1;
	wl_edit_add(ed, off, len, s);
	return 0;
}
