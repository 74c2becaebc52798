/*
 * Members of a JSON object by a table.
 */
#include "config.h"
#include "lib/core/fields.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/json.h"
#include "lib/base/money.h"
#include "lib/base/utf8.h"

#define NAME_SHOWN	((size_t)64)	/* bytes of an unknown name */
#define LIST_MAX	((size_t)1024)
#define ITEM_MAX	64

static int __attribute__((format(printf, 3, 4)))
bad(const struct wl_field *f, struct wl_err *e, const char *fmt, ...)
{
	char what[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	wl_err_set(e, WL_E_INVALID_REQUEST, "\"%s\" must be %s.", f->name,
	    what);
	e->param = f->name;
	return -1;
}

/*
 * A number without a fraction, whatever its form.
 */
static int
read_int(struct json_object *o, const struct wl_field *f, struct wl_err *e)
{
	int64_t v = INT64_MIN;

	if (!wl_json_int(o, f->name, &v) || v < f->min || v > f->max)
		return bad(f, e, "a whole number from %" PRId64 " to %" PRId64
		    "%s", f->min, f->max, f->type == WL_F_LIMIT ?
		    ", or null" : "");
	*(int64_t *)f->to = v;
	return 0;
}

static int
read_cents(struct json_object *v, const struct wl_field *f, struct wl_err *e)
{
	enum json_type type = json_object_get_type(v);
	const char *s = json_object_get_string(v);
	int64_t cents;

	if ((type != json_type_int && type != json_type_double) || s == NULL ||
	    wl_money_parse(s, strlen(s), 100, &cents) == -1 || cents < 0 ||
	    cents > f->max)
		return bad(f, e, "an amount in dollars such as 49 or 9.50");
	*(int64_t *)f->to = cents;
	return 0;
}

static int
read_text(struct wl_arena *a, struct json_object *v, const struct wl_field *f,
    struct wl_err *e)
{
	const char *s = json_object_get_string(v);
	size_t len;

	if (json_object_get_type(v) != json_type_string)
		return bad(f, e, f->type == WL_F_NAME ? "a text, or null" :
		    "a text");
	len = (size_t)json_object_get_string_len(v);
	if (len == 0 || (int64_t)len > f->max || memchr(s, '\0', len) != NULL)
		return bad(f, e, "a text of 1 to %" PRId64 " bytes", f->max);
	if ((s = wl_arena_dup(a, s, len)) == NULL)
		return wl_err_memory(e);
	*(const char **)f->to = s;
	return 0;
}

static int
read_list(struct wl_arena *a, struct json_object *v, const struct wl_field *f,
    struct wl_err *e)
{
	size_t i, n, len;
	struct json_object *item;
	struct wl_buf b;
	const char *s;

	if (json_object_get_type(v) != json_type_array ||
	    (n = json_object_array_length(v)) == 0)
		return bad(f, e, "a list of words, not an empty one");
	wl_buf_init(&b, LIST_MAX);
	for (i = 0; i < n; i++) {
		item = json_object_array_get_idx(v, i);
		s = json_object_get_string(item);
		len = json_object_get_type(item) != json_type_string ? 0 :
		    (size_t)json_object_get_string_len(item);
		if (len == 0 || len > ITEM_MAX ||
		    memchr(s, '\0', len) != NULL ||
		    memchr(s, ',', len) != NULL || b.failed) {
			wl_buf_free(&b);
			return bad(f, e, "a list of words");
		}
		if (i > 0)
			wl_buf_addc(&b, ',');
		wl_buf_add(&b, s, len);
	}
	s = b.failed ? NULL : wl_arena_dup(a, b.p, b.len);
	wl_buf_free(&b);
	if (s == NULL)
		return bad(f, e, "a list of words, and a shorter one");
	*(const char **)f->to = s;
	return 0;
}

static int
read_null(const struct wl_field *f, struct wl_err *e)
{
	if (f->type == WL_F_LIMIT)
		*(int64_t *)f->to = WL_ADMIN_NONE;
	else if (f->type == WL_F_NAME)
		*(const char **)f->to = "";
	else
		return bad(f, e, "something else than null");
	return 0;
}

static int
read_one(struct wl_arena *a, struct json_object *o, struct json_object *v,
    const struct wl_field *f, struct wl_err *e)
{
	if (v == NULL)
		return read_null(f, e);
	switch (f->type) {
	case WL_F_BOOL:
		if (json_object_get_type(v) != json_type_boolean)
			return bad(f, e, "true or false");
		*(enum wl_admin_bool *)f->to = json_object_get_boolean(v) ?
		    WL_ADMIN_YES : WL_ADMIN_NO;
		return 0;
	case WL_F_CENTS:
		return read_cents(v, f, e);
	case WL_F_INT:
	case WL_F_LIMIT:
		return read_int(o, f, e);
	case WL_F_LIST:
		return read_list(a, v, f, e);
	case WL_F_NAME:
	case WL_F_TEXT:
		return read_text(a, v, f, e);
	}
	return wl_err_set(e, WL_E_INTERNAL, NULL);
}

static const struct wl_field *
find(const struct wl_field *fields, const char *name)
{
	for (; fields->name != NULL; fields++)
		if (strcmp(fields->name, name) == 0)
			return fields;
	return NULL;
}

static int
unknown(struct wl_arena *a, const char *name, struct wl_err *e)
{
	size_t n = wl_utf8_cut(name, strlen(name), NAME_SHOWN);
	const char *shown = wl_arena_dup(a, name, n);

	wl_err_set(e, WL_E_INVALID_REQUEST, "\"%s\" is not a known field.",
	    shown == NULL ? "" : shown);
	e->param = shown;
	return -1;
}

int
wl_fields_read(struct wl_arena *a, struct json_object *o,
    const struct wl_field *fields, struct wl_err *e)
{
	const struct wl_field *f;

	if (json_object_get_type(o) != json_type_object)
		return wl_err_set(e, WL_E_INVALID_REQUEST,
		    "The body must be a JSON object.");
	json_object_object_foreach(o, name, v) {
		if ((f = find(fields, name)) == NULL)
			return unknown(a, name, e);
		if (read_one(a, o, v, f, e) == -1)
			return -1;
	}
	for (f = fields; f->name != NULL; f++)
		if (f->required && !json_object_object_get_ex(o, f->name,
		    NULL)) {
			wl_err_set(e, WL_E_INVALID_REQUEST,
			    "\"%s\" is missing.", f->name);
			e->param = f->name;
			return -1;
		}
	return 0;
}
