/*
 * Reading JSON.  json-c alone would accept NaN and single quotes, clamp large
 * integers and take 264 bytes for each byte of "{},": nothing reaches it that
 * has not passed the scanner.
 */
#include "config.h"
#include "lib/base/json.h"
#include "lib/base/arena.h"
#include "lib/base/co.h"
#include "lib/base/utf8.h"
#include "lib/base/wait.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#define OFFLOAD_BYTES	((size_t)256 * 1024)

/*
 * A parse that may run on a helper thread.
 */
struct job {
	struct json_tokener	*tok;
	const char		*p;
	size_t			 len;
	struct json_object	*obj;
	bool			 ok;
};

static struct json_tokener *
tokener_new(void)
{
	struct json_tokener *tok;

	/* json-c counts a scalar as a level of its own, and needs one spare */
	if ((tok = json_tokener_new_ex(WL_JSON_DEPTH + 2)) != NULL)
		json_tokener_set_flags(tok,
		    JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	return tok;
}

static void
parse(struct job *j)
{
	enum json_tokener_error err;

	j->obj = json_tokener_parse_ex(j->tok, j->p, (int)j->len);
	/* a lone number or word ends only with the text: say so by a NUL */
	if (j->obj == NULL &&
	    json_tokener_get_error(j->tok) == json_tokener_continue)
		j->obj = json_tokener_parse_ex(j->tok, "", 1);
	err = json_tokener_get_error(j->tok);
	j->ok = err == json_tokener_success;
	if (!j->ok && j->obj != NULL) {
		json_object_put(j->obj);
		j->obj = NULL;
	}
	json_tokener_reset(j->tok);
}

static void
parse_apart(void *arg)
{
	struct job *j = arg;

	if ((j->tok = tokener_new()) == NULL)
		return;
	parse(j);
	json_tokener_free(j->tok);
}

/*
 * Each thread keeps a tokener.  After a failure it is dropped: a reset leaves
 * half a surrogate pair in it, for the next text to begin with.
 */
static void
parse_here(struct job *j)
{
	static _Thread_local struct json_tokener *own;

	if (own == NULL && (own = tokener_new()) == NULL)
		return;
	j->tok = own;
	parse(j);
	if (!j->ok) {
		json_tokener_free(own);
		own = NULL;
	}
}

static void
put(void *obj)
{
	json_object_put(obj);
}

struct json_object *
wl_json_parse(struct wl_arena *a, const char *p, size_t len,
    enum wl_json_fault *fault)
{
	struct job j = { .p = p, .len = len };
	enum wl_json_fault dummy;

	if (fault == NULL)
		fault = &dummy;
	if (len > INT_MAX) {
		*fault = WL_JSON_BIG;
		return NULL;
	}
	if ((*fault = wl_json_scan(p, len, WL_JSON_TOKENS)) != WL_JSON_OK)
		return NULL;
	if (len <= OFFLOAD_BYTES || wl_co_self() == NULL ||
	    wl_offload(parse_apart, &j) == -1)
		parse_here(&j);
	/* the scan has passed, so only memory can have been short */
	if (!j.ok)
		*fault = WL_JSON_BIG;
	if (j.obj != NULL && wl_arena_defer(a, put, j.obj) == -1) {
		*fault = WL_JSON_BIG;
		return NULL;
	}
	return j.obj;
}

static struct json_object *
get(struct json_object *o, const char *key, enum json_type type)
{
	struct json_object *v;

	if (!json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, key, &v) ||
	    !json_object_is_type(v, type))
		return NULL;
	return v;
}

bool
wl_json_str(struct json_object *o, const char *key, struct wl_str *out)
{
	struct json_object *v;

	if ((v = get(o, key, json_type_string)) == NULL)
		return false;
	out->p = json_object_get_string(v);
	out->len = (size_t)json_object_get_string_len(v);
	return true;
}

/*
 * json-c clamps what is below INT64_MIN to it, without a sign of that, so
 * INT64_MIN itself counts as out of range.
 */
static bool
int_of(struct json_object *v, int64_t *out)
{
	int64_t n = json_object_get_int64(v);

	if (n == INT64_MIN)
		return false;
	if (n == INT64_MAX && json_object_get_uint64(v) != (uint64_t)INT64_MAX)
		return false;
	*out = n;
	return true;
}

bool
wl_json_int(struct json_object *o, const char *key, int64_t *out)
{
	struct json_object *v;
	double d;

	if ((v = get(o, key, json_type_int)) != NULL)
		return int_of(v, out);
	if ((v = get(o, key, json_type_double)) == NULL)
		return false;
	d = json_object_get_double(v);
	if (!(d > -0x1p63 && d < 0x1p63) || d != (double)(int64_t)d)
		return false;
	*out = (int64_t)d;
	return true;
}

bool
wl_json_num(struct json_object *o, const char *key, double *out)
{
	struct json_object *v;
	double d;

	if ((v = get(o, key, json_type_double)) == NULL &&
	    (v = get(o, key, json_type_int)) == NULL)
		return false;
	d = json_object_get_double(v);
	if (!isfinite(d))
		return false;
	*out = d;
	return true;
}

bool
wl_json_bool(struct json_object *o, const char *key, bool *out)
{
	struct json_object *v;

	if ((v = get(o, key, json_type_boolean)) == NULL)
		return false;
	*out = json_object_get_boolean(v);
	return true;
}

struct json_object *
wl_json_obj(struct json_object *o, const char *key)
{
	return get(o, key, json_type_object);
}

struct json_object *
wl_json_arr(struct json_object *o, const char *key)
{
	return get(o, key, json_type_array);
}

bool
wl_json_has(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_is_type(o, json_type_object) &&
	    json_object_object_get_ex(o, key, &v) && v != NULL;
}

void
wl_json_quote(struct wl_buf *b, const char *p, size_t len)
{
	size_t i, n, plain = 0;	/* bytes before I that need no escape */
	unsigned char c;

	if (!wl_buf_reserve(b, len + 2))
		return;
	wl_buf_addc(b, '"');
	for (i = 0; i < len; i += n == 0 ? 1 : n) {
		if ((n = wl_json_plain(p + i, len - i)) > 0) {
			plain += n;
			continue;
		}
		n = wl_utf8_seq(p + i, len - i);
		c = (unsigned char)p[i];
		if (n > 1) {
			plain += n;
			continue;
		}
		wl_buf_add(b, p + i - plain, plain);
		plain = 0;
		if (n == 0)
			wl_buf_adds(b, "\xef\xbf\xbd");
		else if (c == '"' || c == '\\')
			wl_buf_add(b, (char[]){ '\\', (char)c }, 2);
		else if (c == '\n')
			wl_buf_adds(b, "\\n");
		else if (c == '\r')
			wl_buf_adds(b, "\\r");
		else if (c == '\t')
			wl_buf_adds(b, "\\t");
		else
			wl_buf_printf(b, "\\u%04x", c);
	}
	wl_buf_add(b, p + len - plain, plain);
	wl_buf_addc(b, '"');
}
