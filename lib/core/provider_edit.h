/*
 * A client's body with a few bytes changed, every other one as it came.
 */
#ifndef WL_CORE_PROVIDER_EDIT_H
#define WL_CORE_PROVIDER_EDIT_H

#include "lib/base/str.h"

#include <stddef.h>

struct wl_arena;
struct wl_ask;
struct wl_target;

/*
 * TEXT in place of CUT bytes at OFF of the body; at most two, which do not
 * touch each other, are kept in the order of the body.
 */
struct wl_edit {
	size_t		 off, cut;
	struct wl_str	 text;
};

struct wl_edits {
	struct wl_edit	 e[2];
	int		 n;
};

void wl_edit_add(struct wl_edits *ed, size_t off, size_t cut,
    struct wl_str text);

/*
 * The model's name, in JSON or in a form, becomes that of T, when it is another
 * one.  0, or -1: no memory, or a name that no field could hold.
 */
int wl_edit_model(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_edits *ed);

/*
 * BODY with its edits into *OUT, which goes with the arena but is no part of
 * what that may hold, since uploads are large; BODY itself when there are
 * none.  0, or -1: no memory.
 */
int wl_edit_splice(struct wl_arena *a, struct wl_str body,
    const struct wl_edits *ed, struct wl_str *out);

#endif
