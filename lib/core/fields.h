/*
 * Bodies of administration: the members of a JSON object by a table, where
 * nothing that is not in the table is let pass.
 */
#ifndef WL_CORE_FIELDS_H
#define WL_CORE_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/core/admin.h"

struct json_object;
struct wl_arena;
struct wl_err;

enum wl_field_type {
	WL_F_BOOL,	/* enum wl_admin_bool */
	WL_F_CENTS,	/* int64_t: a number of dollars, MAX cents at most */
	WL_F_INT,	/* int64_t within MIN..MAX */
	WL_F_LIMIT,	/* the same, or null: WL_ADMIN_NONE */
	WL_F_LIST,	/* const char *: an array of words, "a,b" */
	WL_F_NAME,	/* const char *: as WL_F_TEXT, or null: "" */
	WL_F_TEXT	/* const char *: 1 to MAX bytes, no NUL */
};

/*
 * A member that is absent leaves TO as it is; null is only what some types
 * say that it is.
 */
struct wl_field {
	const char		*name;
	enum wl_field_type	 type;
	bool			 required;
	void			*to;
	int64_t			 min, max;
};

/*
 * Read the members of O by FIELDS, ended by a NULL name; texts live in A.
 * Returns 0, or -1 with *E WL_E_INVALID_REQUEST whose param names the member.
 */
int wl_fields_read(struct wl_arena *a, struct json_object *o,
    const struct wl_field *fields, struct wl_err *e)
    __attribute__((warn_unused_result));

#endif
