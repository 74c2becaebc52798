/*
 * JSON to COPY.
 */
#include "config.h"
#include "lib/core/drain_row.h"

#include <errno.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/str.h"
#include "lib/store/db_drain.h"

#define PLAIN	(JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

static const char	has_nul[] = "a text holds NUL";

/*
 * What a line of COPY must not hold as it is.
 */
static char
escape_of(char c)
{
	switch (c) {
	case '\\':
		return '\\';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return '\0';
	}
}

static void
put_text(struct wl_buf *b, const char *p, size_t len)
{
	const char *end = p + len, *s;
	char two[2] = { '\\', '\0' };

	for (s = p; s < end; s++)
		if ((two[1] = escape_of(*s)) != '\0') {
			wl_buf_add(b, p, (size_t)(s - p));
			wl_buf_add(b, two, 2);
			p = s + 1;
		}
	wl_buf_add(b, p, (size_t)(end - p));
}

/*
 * A string's content, anything else as JSON.
 */
static struct wl_str
text_of(struct json_object *o)
{
	struct wl_str s;

	if (json_object_is_type(o, json_type_string)) {
		s.p = json_object_get_string(o);
		s.len = (size_t)json_object_get_string_len(o);
	} else
		s.p = json_object_to_json_string_length(o, PLAIN, &s.len);
	return s;
}

static int
put_array(struct wl_buf *b, struct json_object *o, const char **why)
{
	size_t i, n = json_object_array_length(o);
	struct json_object *item;
	struct wl_buf list;
	struct wl_str s;

	wl_buf_init(&list, 0);
	wl_buf_addc(&list, '{');
	for (i = 0; i < n; i++) {
		if (i > 0)
			wl_buf_addc(&list, ',');
		if ((item = json_object_array_get_idx(o, i)) == NULL) {
			wl_buf_adds(&list, "NULL");
			continue;
		}
		s = text_of(item);
		if (memchr(s.p, '\0', s.len) != NULL)
			*why = has_nul;
		wl_db_drain_element(&list, s.p, s.len);
	}
	wl_buf_addc(&list, '}');
	put_text(b, list.p, list.len);
	b->failed |= list.failed;
	wl_buf_free(&list);
	return *why == NULL ? 0 : -1;
}

static int
put_value(struct wl_buf *b, struct json_object *o,
    enum wl_db_drain_form form, const char **why)
{
	struct wl_str s;

	if (o == NULL) {
		wl_buf_adds(b, "\\N");
		return 0;
	}
	if (form == WL_DF_ARRAY && json_object_is_type(o, json_type_array))
		return put_array(b, o, why);
	if (form == WL_DF_JSON)
		s.p = json_object_to_json_string_length(o, PLAIN, &s.len);
	else
		s = text_of(o);
	if (memchr(s.p, '\0', s.len) != NULL) {
		*why = has_nul;
		return -1;
	}
	put_text(b, s.p, s.len);
	return 0;
}

static const char *
fault_of(const char *p, size_t len)
{
	switch (wl_json_scan(p, len, WL_DRAIN_TOKENS)) {
	case WL_JSON_OK:
		return p[strspn(p, " \t\n\r")] == '{' ? NULL :
		    "not an object in JSON";
	case WL_JSON_SYNTAX:
		return "not JSON";
	case WL_JSON_DEEP:
		return "nested too deep";
	case WL_JSON_BIG:
		return "too many values";
	}
	return NULL;
}

/*
 * The object in P, to be put; NULL with *WHY, or with NULL when memory is out.
 */
static struct json_object *
parse(const char *p, size_t len, const char **why)
{
	struct json_tokener *tok;
	struct json_object *o;

	if ((*why = fault_of(p, len)) != NULL ||
	    (tok = json_tokener_new_ex(WL_JSON_DEPTH + 1)) == NULL)
		return NULL;
	errno = 0;
	o = json_tokener_parse_ex(tok, p, (int)len);
	if (o == NULL && errno != ENOMEM)
		*why = "not JSON";
	json_tokener_free(tok);
	return o;
}

int
wl_drain_row_add(struct wl_buf *b, int64_t n, char kind, const char *process,
    const char *p, size_t len, const char **why)
{
	const struct wl_db_drain_column *c;
	struct json_object *o = parse(p, len, why), *v;
	int rc = 0;

	if (o == NULL)
		return -1;
	/* without it an event would count and be nowhere */
	if (!wl_json_has(o, "retention_class")) {
		*why = "no retention_class";
		json_object_put(o);
		return -1;
	}
	wl_buf_printf(b, "%lld\t%c\t", (long long)n, kind);
	put_text(b, process, strlen(process));
	for (c = wl_db_drain_columns; rc == 0 && c->name != NULL; c++) {
		wl_buf_addc(b, '\t');
		v = NULL;
		(void)json_object_object_get_ex(o, c->name, &v);
		rc = put_value(b, v, c->form, why);
	}
	wl_buf_addc(b, '\n');
	json_object_put(o);
	return b->failed ? -1 : rc;
}

static void
keep_word(char out[64], struct json_object *o, const char *key)
{
	struct wl_str s;
	size_t n;

	if (!wl_json_str(o, key, &s) || memchr(s.p, '\0', s.len) != NULL)
		return;
	n = wl_utf8_cut(s.p, s.len, 63);
	memcpy(out, s.p, n);
	out[n] = '\0';
}

void
wl_drain_row_whose(const char *p, size_t len, char project[64],
    char source[64])
{
	const char *why;
	struct json_object *o = parse(p, len, &why);

	project[0] = source[0] = '\0';
	if (o == NULL)
		return;
	keep_word(project, o, "project_id");
	keep_word(source, o, "source");
	json_object_put(o);
}
