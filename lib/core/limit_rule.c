/*
 * Which limit rules hold for a call.  What a client chose never becomes part of
 * a counter's name as it is, only its hash.
 */
#include "config.h"
#include "lib/core/limit_rule.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/enc.h"
#include "lib/base/hash.h"
#include "lib/base/json.h"

/* Bytes of the hash that names a value that is counted apart. */
#define HASH_BYTES	16

static const char *const subjects[] = {
	[WL_RS_KEY] = "key",
	[WL_RS_MODEL] = "model",
	[WL_RS_PROJECT] = "project",
	[WL_RS_TAG] = "tag",
	[WL_RS_USER] = "user",
};
static_assert(sizeof(subjects) / sizeof(subjects[0]) == WL_RULE_SUBJECT_MAX,
    "a word for every subject");

const char *
wl_rule_subject_word(enum wl_rule_subject s)
{
	return subjects[s];
}

/* ---- reading ----------------------------------------------------------- */

static bool
text_at(struct json_object *row, size_t i, struct wl_str *out)
{
	struct json_object *o = json_object_array_get_idx(row, i);

	if (!json_object_is_type(o, json_type_string))
		return false;
	*out = (struct wl_str){ json_object_get_string(o),
	    (size_t)json_object_get_string_len(o) };
	return true;
}

static bool
keep(char *out, size_t size, struct wl_str s)
{
	if (s.len >= size || memchr(s.p, '\0', s.len) != NULL)
		return false;
	memcpy(out, s.p, s.len);
	out[s.len] = '\0';
	return true;
}

static bool
read_rule(struct json_object *row, struct wl_limit_rule *r)
{
	struct wl_str id, subject, pattern, unit;
	int i;

	if (!json_object_is_type(row, json_type_array) ||
	    json_object_array_length(row) != 6 || !text_at(row, 0, &id) ||
	    !text_at(row, 1, &subject) || !text_at(row, 2, &pattern) ||
	    !text_at(row, 3, &unit) || !keep(r->id, sizeof(r->id), id) ||
	    !keep(r->pattern, sizeof(r->pattern), pattern))
		return false;
	for (i = 0; i < WL_RULE_SUBJECT_MAX; i++)
		if (wl_str_eq(subject, subjects[i]))
			break;
	r->subject = (enum wl_rule_subject)i;
	for (i = 0; i < WL_LIMIT_UNIT_MAX; i++)
		if (wl_str_eq(unit, wl_limit_unit_word(i)))
			break;
	r->unit = (enum wl_limit_unit)i;
	r->amount = json_object_get_int64(json_object_array_get_idx(row, 4));
	r->shadow = json_object_get_boolean(json_object_array_get_idx(row, 5));
	return r->subject != WL_RULE_SUBJECT_MAX &&
	    r->unit != WL_LIMIT_UNIT_MAX && r->amount >= 0;
}

int
wl_limit_rules_read(struct wl_arena *a, const char *json,
    struct wl_limit_rule **rules, int *n)
{
	struct json_object *list;
	size_t i, len;

	*rules = NULL;
	*n = 0;
	if (json == NULL)
		return 0;
	list = wl_json_parse(a, json, strlen(json), NULL);
	if (!json_object_is_type(list, json_type_array))
		return -1;
	len = json_object_array_length(list);
	if (len == 0)
		return 0;
	if ((*rules = calloc(len, sizeof(**rules))) == NULL)
		return -1;
	for (i = 0; i < len; i++)
		if (!read_rule(json_object_array_get_idx(list, i),
		    &(*rules)[i])) {
			free(*rules);
			*rules = NULL;
			return -1;
		}
	*n = (int)len;
	return 0;
}

/* ---- rows -------------------------------------------------------------- */

/*
 * The rows being made.
 */
struct rows {
	struct wl_arena	*a;
	struct wl_gate	*g;
	int64_t		 tokens, nano;
	int		 n;		/* of rules */
	bool		 failed;
};

static bool
is_wild(const struct wl_limit_rule *r)
{
	return strcmp(r->pattern, "*") == 0;
}

static bool
matches(const struct wl_limit_rule *r, struct wl_str v)
{
	size_t len = strlen(r->pattern);

	if (v.len == 0)
		return false;
	if (r->pattern[len - 1] != '*')
		return wl_str_eq(v, r->pattern);
	return v.len >= len - 1 && memcmp(v.p, r->pattern, len - 1) == 0;
}

static const char *
scope_of(struct wl_arena *a, const struct wl_limit_rule *r, struct wl_str v)
{
	char letter = wl_limit_scope_letter(r->unit);
	char hex[2 * HASH_BYTES + 1];
	uint8_t hash[32];

	if (!is_wild(r) || r->subject == WL_RS_PROJECT)
		return wl_arena_printf(a, "%c:%s", letter, r->id);
	wl_sha256(v.p, v.len, hash);
	wl_hex(hash, HASH_BYTES, hex);
	return wl_arena_printf(a, "%c:%s:%s", letter, r->id, hex);
}

static bool
is_there(const struct wl_gate *g, const char *scope)
{
	int i;

	for (i = 0; i < g->nrows; i++)
		if (g->rows[i].name == WL_LN_RULE &&
		    strcmp(g->rows[i].scope, scope) == 0)
			return true;
	return false;
}

static int64_t
cost_of(const struct rows *rows, enum wl_limit_unit unit)
{
	if (unit == WL_LU_TOKENS)
		return rows->tokens;
	return unit == WL_LU_DAY_NANO || unit == WL_LU_MONTH_NANO ?
	    rows->nano : 1;
}

static void
add_row(struct rows *rows, const struct wl_limit_rule *r, struct wl_str value)
{
	int64_t cost = cost_of(rows, r->unit);
	const char *scope;

	if ((scope = scope_of(rows->a, r, value)) == NULL) {
		rows->failed = true;
		return;
	}
	if (is_there(rows->g, scope))
		return;
	if (rows->n == WL_LIMIT_RULES) {
		rows->failed = true;
		return;
	}
	rows->n++;
	rows->g->rows[rows->g->nrows++] = (struct wl_limit_row){
		.name = WL_LN_RULE, .limit = r->amount,
		.cost = cost < 0 ? 0 : cost, .exempt = cost < 0,
		.kind = r->unit == WL_LU_LEASE ? WL_L_LEASE : WL_L_FIXED,
		.shadow = r->shadow, .rule_unit = r->unit, .scope = scope
	};
}

/*
 * "provider/model" is the model, too: a limit is not passed by another name
 * for the same thing.
 */
static void
add_model(struct rows *rows, const struct wl_limit_rule *r, struct wl_str model)
{
	struct wl_str rest = model;

	(void)wl_str_cut(&rest, '/');
	if (rest.p == NULL || rest.len == 0)
		rest = model;
	if (matches(r, rest))
		add_row(rows, r, rest);
	else if (matches(r, model))
		add_row(rows, r, model);
}

static void
add_tags(struct rows *rows, const struct wl_limit_rule *r, struct wl_str tags)
{
	struct wl_str tag;

	while (tags.p != NULL && tags.len > 0 && !rows->failed) {
		tag = wl_str_trim(wl_str_cut(&tags, ','));
		if (matches(r, tag))
			add_row(rows, r, tag);
	}
}

static void
add_rule(struct rows *rows, const struct wl_limit_rule *r,
    const struct wl_limit_subject *who)
{
	struct wl_str key = wl_str_of(who->key_id);

	switch (r->subject) {
	case WL_RS_KEY:
		if (matches(r, key))
			add_row(rows, r, key);
		break;
	case WL_RS_MODEL:
		add_model(rows, r, who->model);
		break;
	case WL_RS_PROJECT:
		add_row(rows, r, key);
		break;
	case WL_RS_TAG:
		add_tags(rows, r, who->tags);
		break;
	case WL_RS_USER:
		if (matches(r, who->user))
			add_row(rows, r, who->user);
		break;
	case WL_RULE_SUBJECT_MAX:
		break;
	}
}

int
wl_limit_rules_rows(struct wl_arena *a, struct wl_gate *g,
    const struct wl_limit_rule *rules, int n,
    const struct wl_limit_subject *who, int64_t tokens, int64_t nano)
{
	struct rows rows = { .a = a, .g = g, .tokens = tokens, .nano = nano };
	int i;

	for (i = 0; i < n && !rows.failed; i++) {
		if (who != NULL)
			add_rule(&rows, &rules[i], who);
		else if (rows.n < WL_LIMIT_RULES && (!is_wild(&rules[i]) ||
		    rules[i].subject == WL_RS_PROJECT))
			add_row(&rows, &rules[i], WL_STR(""));
	}
	return rows.failed ? -1 : 0;
}

const struct wl_limit_rule *
wl_limit_rule_of(const struct wl_limit_rule *rules, int n,
    const struct wl_limit_row *row)
{
	struct wl_str id = wl_str_of(row->scope);
	int i;

	(void)wl_str_cut(&id, ':');
	id = wl_str_cut(&id, ':');
	for (i = 0; i < n; i++)
		if (wl_str_eq(id, rules[i].id))
			return &rules[i];
	return NULL;
}
