/*
 * Values for JSON Schemas, as structured answers and tool calls need them.
 */
#include "config.h"

#include "tests/fake_llm/schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <json-c/json.h>

#include "tests/fake_llm/text.h"

#define DEPTH_MAX 16
#define SIZE_LIMIT ((size_t)256 * 1024)

struct maker {
	struct fake_buf		*b;
	struct json_object	*root;
	uint64_t		 hash;
	size_t			 end;	/* b->len beyond which all is null */
};

static const struct {
	const char	*format;
	const char	*value;
} formats[] = {
    {"date", "2024-01-31"},
    {"date-time", "2024-01-31T12:00:00Z"},
    {"duration", "PT1S"},
    {"email", "sandbox@example.com"},
    {"hostname", "example.com"},
    {"ipv4", "192.0.2.1"},
    {"ipv6", "2001:db8::1"},
    {"time", "12:00:00Z"},
    {"uri", "https://example.com/"},
    {"uuid", "00000000-0000-4000-8000-000000000000"},
};

static void instance(struct maker *m, struct json_object *schema, int depth);

static struct json_object *
member(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, key, &v) ? v : NULL;
}

static bool
number_of(struct json_object *schema, const char *key, double *out)
{
	struct json_object *v = member(schema, key);

	if (!json_object_is_type(v, json_type_int) &&
	    !json_object_is_type(v, json_type_double))
		return false;
	*out = json_object_get_double(v);
	return true;
}

static size_t
count_of(struct json_object *schema, const char *key, size_t unset)
{
	double v;

	if (!number_of(schema, key, &v) || !(v >= 0) || v > 1e5)
		return unset;
	return (size_t)v;
}

/*
 * The type's name; of several the first that is not null.
 */
static const char *
type_of(struct json_object *schema)
{
	struct json_object *t = member(schema, "type");
	size_t i, n;

	if (json_object_is_type(t, json_type_array)) {
		n = json_object_array_length(t);
		for (i = 0; i < n; i++) {
			const char *s = json_object_get_string(
			    json_object_array_get_idx(t, i));

			if (s != NULL && (strcmp(s, "null") != 0 || n == 1))
				return s;
		}
	}
	if (json_object_is_type(t, json_type_string))
		return json_object_get_string(t);
	if (member(schema, "properties") != NULL)
		return "object";
	return member(schema, "items") != NULL ? "array" : "string";
}

/*
 * Follow "#/a/b" from the root; JSON Pointer's escapes are not used by
 * generators of such schemas.
 */
static struct json_object *
follow(struct maker *m, const char *ref)
{
	struct json_object *at = m->root;
	char name[128];

	if (ref[0] != '#')
		return NULL;
	ref++;
	while (*ref == '/' && at != NULL) {
		size_t n = strcspn(ref + 1, "/");

		if (n >= sizeof(name))
			return NULL;
		memcpy(name, ref + 1, n);
		name[n] = '\0';
		at = member(at, name);
		ref += n + 1;
	}
	return at;
}

static void
put_string(struct maker *m, struct json_object *schema)
{
	struct json_object *f = member(schema, "format");
	size_t min = count_of(schema, "minLength", 0);
	size_t max = count_of(schema, "maxLength", 100000);
	size_t len = strlen("sandbox"), i;

	fake_buf_puts(m->b, "\"");
	for (i = 0; f != NULL && i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(formats[i].format, json_object_get_string(f)) == 0) {
			fake_buf_puts(m->b, formats[i].value);
			fake_buf_puts(m->b, "\"");
			return;
		}
	if (len > max)
		len = max;
	fake_buf_put(m->b, "sandbox", len);
	for (; len < min && m->b->len < m->end; len++)
		fake_buf_puts(m->b, "x");
	fake_buf_puts(m->b, "\"");
}

/*
 * The smallest allowed value at or above zero, else the largest below.
 */
static void
put_number(struct maker *m, struct json_object *schema, bool whole)
{
	double v = 0, lim, step = 1;

	if (number_of(schema, "multipleOf", &lim) && lim > 0)
		step = lim;
	if (number_of(schema, "minimum", &lim) && v < lim)
		v = ceil(lim / step) * step;
	if (number_of(schema, "exclusiveMinimum", &lim) && v <= lim)
		v = (floor(lim / step) + 1) * step;
	if (number_of(schema, "maximum", &lim) && v > lim)
		v = whole || step != 1 ? floor(lim / step) * step : lim;
	if (number_of(schema, "exclusiveMaximum", &lim) && v >= lim)
		v = (ceil(lim / step) - 1) * step;
	fake_buf_fmt(m->b, "%.15g", v);
}

static void
put_array(struct maker *m, struct json_object *schema, int depth)
{
	struct json_object *items = member(schema, "items");
	struct json_object *first = member(schema, "prefixItems");
	size_t fixed, n, i;

	fixed = json_object_is_type(first, json_type_array) ?
	    json_object_array_length(first) : 0;
	n = count_of(schema, "minItems", depth > DEPTH_MAX / 2 ? 0 : 1);
	if (n > count_of(schema, "maxItems", n))
		n = count_of(schema, "maxItems", n);
	if (n < fixed)
		n = fixed;
	fake_buf_puts(m->b, "[");
	for (i = 0; i < n && m->b->len < m->end; i++) {
		if (i > 0)
			fake_buf_puts(m->b, ",");
		instance(m, i < fixed ? json_object_array_get_idx(first, i) :
		    items, depth + 1);
	}
	fake_buf_puts(m->b, "]");
}

/*
 * Append the properties of SCHEMA and of what it joins by allOf.
 */
static void
put_members(struct maker *m, struct json_object *schema, bool *any, int depth)
{
	struct json_object *props = member(schema, "properties");
	struct json_object *all = member(schema, "allOf");
	struct json_object *ref = member(schema, "$ref");
	struct json_object_iter it;
	size_t i;

	if (depth > DEPTH_MAX)
		return;
	if (json_object_is_type(ref, json_type_string))
		put_members(m, follow(m, json_object_get_string(ref)), any,
		    depth + 1);
	if (json_object_is_type(props, json_type_object)) {
		json_object_object_foreachC(props, it) {
			fake_buf_puts(m->b, *any ? ",\"" : "\"");
			fake_buf_json(m->b, it.key, strlen(it.key));
			fake_buf_puts(m->b, "\":");
			instance(m, it.val, depth + 1);
			*any = true;
		}
	}
	if (!json_object_is_type(all, json_type_array))
		return;
	for (i = 0; i < json_object_array_length(all); i++)
		put_members(m, json_object_array_get_idx(all, i), any,
		    depth + 1);
}

static void
put_typed(struct maker *m, struct json_object *schema, int depth)
{
	const char *type = type_of(schema);
	bool any = false;

	if (strcmp(type, "object") == 0) {
		fake_buf_puts(m->b, "{");
		put_members(m, schema, &any, depth);
		fake_buf_puts(m->b, "}");
	} else if (strcmp(type, "array") == 0) {
		put_array(m, schema, depth);
	} else if (strcmp(type, "integer") == 0) {
		put_number(m, schema, true);
	} else if (strcmp(type, "number") == 0) {
		put_number(m, schema, false);
	} else if (strcmp(type, "boolean") == 0) {
		fake_buf_puts(m->b, m->hash & 1 ? "true" : "false");
	} else if (strcmp(type, "null") == 0) {
		fake_buf_puts(m->b, "null");
	} else {
		put_string(m, schema);
	}
}

/*
 * The schema that stands for SCHEMA: what it refers to, or an alternative;
 * deep down the last one, which ends most recursive schemas.
 */
static struct json_object *
chosen(struct maker *m, struct json_object *schema, int depth)
{
	static const char *const words[] = {"anyOf", "oneOf"};
	struct json_object *v = member(schema, "$ref");
	size_t i, n;

	if (json_object_is_type(v, json_type_string) &&
	    member(schema, "properties") == NULL)
		return follow(m, json_object_get_string(v));
	for (i = 0; i < 2; i++) {
		v = member(schema, words[i]);
		n = json_object_is_type(v, json_type_array) ?
		    json_object_array_length(v) : 0;
		if (n > 0)
			return json_object_array_get_idx(v,
			    depth > DEPTH_MAX / 2 ? n - 1 : 0);
	}
	v = member(schema, "allOf");
	if (json_object_is_type(v, json_type_array) &&
	    json_object_array_length(v) == 1 &&
	    member(schema, "properties") == NULL)
		return json_object_array_get_idx(v, 0);
	return NULL;
}

static void
put_value(struct fake_buf *b, struct json_object *v)
{
	fake_buf_puts(b, json_object_to_json_string_ext(v,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void
instance(struct maker *m, struct json_object *schema, int depth)
{
	struct json_object *v;

	if (depth > DEPTH_MAX || m->b->len >= m->end ||
	    !json_object_is_type(schema, json_type_object)) {
		fake_buf_puts(m->b, "null");
		return;
	}
	v = chosen(m, schema, depth);
	if (v != NULL) {
		instance(m, v, depth + 1);
		return;
	}
	if (json_object_object_get_ex(schema, "const", &v)) {
		put_value(m->b, v);
		return;
	}
	v = member(schema, "enum");
	if (json_object_is_type(v, json_type_array) &&
	    json_object_array_length(v) > 0) {
		put_value(m->b, json_object_array_get_idx(v, m->hash %
		    json_object_array_length(v)));
		return;
	}
	put_typed(m, schema, depth);
}

void
fake_schema_instance(struct fake_buf *b, struct json_object *schema,
    uint64_t hash)
{
	struct maker m = {b, schema, fake_text_mix(hash), b->len + SIZE_LIMIT};

	if (schema == NULL)
		fake_buf_puts(b, "{}");
	else
		instance(&m, schema, 0);
}
