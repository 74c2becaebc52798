/*
 * Rules on content: from their definitions to what they do to a text.  A rule
 * that looks for something is a set of redaction rules, which are linear in
 * the text whatever the pattern is.
 */
#include "config.h"
#include "lib/core/policy.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/json.h"
#include "lib/base/re.h"
#include "lib/core/redact.h"
#include "lib/core/redact_rules.h"
#include "lib/store/db_policy.h"
#include "lib/store/db_redaction.h"

#define MARK_MAX	64	/* bytes of a replacement */
#define WORDS_MAX	500
#define BYTES_MAX	((int64_t)1 << 40)
#define SCRATCH		((size_t)1024 * 1024)
#define DEFAULT_MARK	"[REDACTED]"

struct rule {
	char			 name[WL_POLICY_NAME + 1];
	unsigned		 sides;
	enum wl_policy_action	 action;
	int64_t			 max_bytes;	/* -1: none */
	struct wl_redact_rules	*find;		/* NULL: max_bytes alone */
};

struct wl_policy {
	struct rule	 rules[WL_POLICY_RULES];
	int		 n;
	unsigned	 sides;
};

static const char *const actions[] = {
	[WL_POLICY_FLAG] = "flag",
	[WL_POLICY_MASK] = "mask",
	[WL_POLICY_BLOCK] = "block",
};
_Static_assert(sizeof(actions) / sizeof(actions[0]) == WL_POLICY_ACTION_MAX,
    "a word for every action");

/* ---- definitions ------------------------------------------------------- */

/*
 * A rule in the making: what it looks for, as rows of redaction.
 */
struct making {
	struct wl_arena		*a;
	struct json_object	*o;
	const char		*mark;
	struct wl_db_redaction	 rows[WL_REDACT_RULES_MAX];
	int			 n;
	struct wl_err		*e;
};

static int
bad(struct making *m, const char *param, const char *what)
{
	wl_err_set(m->e, WL_E_INVALID_REQUEST, "\"%s\" %s", param, what);
	m->e->param = param;
	return -1;
}

static int
add_row(struct making *m, const char *name, const char *pattern,
    const char *mark)
{
	if (m->n == WL_REDACT_RULES_MAX)
		return bad(m, "words", "are too many");
	m->rows[m->n++] = (struct wl_db_redaction){ .name = name,
	    .pattern = pattern, .replacement = mark, .enabled = true };
	return 0;
}

/*
 * What the pattern is compiled to may be too large.
 */
static bool
compiles(const char *pattern, const char **why)
{
	struct wl_re *re = wl_re_new(pattern, strlen(pattern), why);

	wl_re_free(re);
	return re != NULL;
}

static int
read_regex(struct making *m)
{
	const char *pattern, *why;
	struct wl_str s;

	if (!wl_json_has(m->o, "regex"))
		return 0;
	if (!wl_json_str(m->o, "regex", &s) || s.len == 0 ||
	    memchr(s.p, '\0', s.len) != NULL)
		return bad(m, "regex", "must be a text that is not empty");
	if ((pattern = wl_arena_dup(m->a, s.p, s.len)) == NULL)
		return wl_err_memory(m->e);
	if (!compiles(pattern, &why)) {
		wl_err_set(m->e, WL_E_INVALID_REQUEST,
		    "\"regex\" cannot be used: %s", why);
		m->e->param = "regex";
		return -1;
	}
	return add_row(m, "regex", pattern, m->mark);
}

static bool
is_word_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z') || c == '_';
}

/*
 * WORD as a pattern, whole where it begins and ends with a letter or digit.
 */
static void
put_word(struct wl_buf *b, struct wl_str word)
{
	size_t i;

	if (is_word_char(word.p[0]))
		wl_buf_adds(b, "\\b");
	for (i = 0; i < word.len; i++) {
		if (strchr(".[]()|*+?{}^$\\", word.p[i]) != NULL)
			wl_buf_addc(b, '\\');
		wl_buf_addc(b, word.p[i]);
	}
	if (is_word_char(word.p[word.len - 1]))
		wl_buf_adds(b, "\\b");
}

/*
 * The words gathered in B become a row.
 */
static int
end_words(struct making *m, struct wl_buf *b)
{
	const char *pattern;

	if (b->len == 0)
		return 0;
	wl_buf_addc(b, ')');
	pattern = b->failed ? NULL : wl_arena_dup(m->a, b->p, b->len);
	wl_buf_reset(b);
	return pattern == NULL ? wl_err_memory(m->e) :
	    add_row(m, "words", pattern, m->mark);
}

/*
 * Add WORD to those in B, or begin anew where one pattern would be too large.
 */
static int
add_word(struct making *m, struct wl_buf *b, struct wl_str word)
{
	struct wl_buf more = { 0 };
	const char *why;
	bool fits;

	wl_buf_add(&more, b->p, b->len);
	wl_buf_adds(&more, b->len == 0 ? "(?i)(" : "|");
	put_word(&more, word);
	wl_buf_addc(&more, ')');
	fits = !more.failed && compiles(more.p, &why);
	if (fits) {
		wl_buf_reset(b);
		wl_buf_add(b, more.p, more.len - 1);
	}
	wl_buf_free(&more);
	if (fits)
		return 0;
	if (b->len == 0)
		return bad(m, "words", "has one that cannot be used");
	return end_words(m, b) == -1 ? -1 : add_word(m, b, word);
}

static int
read_words(struct making *m)
{
	struct json_object *list = wl_json_arr(m->o, "words"), *o;
	struct wl_buf b = { 0 };
	struct wl_str word;
	size_t i, n;
	int rc = 0;

	if (!wl_json_has(m->o, "words"))
		return 0;
	n = list == NULL ? 0 : json_object_array_length(list);
	if (n == 0 || n > WORDS_MAX)
		return bad(m, "words", "must be a list of 1 to 500 texts");
	for (i = 0; rc == 0 && i < n; i++) {
		o = json_object_array_get_idx(list, i);
		word = wl_str_trim(json_object_is_type(o, json_type_string) ?
		    (struct wl_str){ json_object_get_string(o),
		    (size_t)json_object_get_string_len(o) } : WL_STR(""));
		if (word.len == 0 || memchr(word.p, '\0', word.len) != NULL)
			rc = bad(m, "words", "must be texts, none empty");
		else
			rc = add_word(m, &b, word);
	}
	if (rc == 0)
		rc = end_words(m, &b);
	wl_buf_free(&b);
	return rc;
}

static const char *const pii[] = { "bearer", "card", "email", "ip", "jwt",
    "key", "phone", "ssn" };
_Static_assert(sizeof(pii) / sizeof(pii[0]) == WL_REDACT_BUILTIN,
    "a name for every built-in rule");

static int
add_pii(struct making *m, struct wl_str name)
{
	size_t i;

	for (i = 0; i < WL_REDACT_BUILTIN; i++)
		if (wl_str_eq(name, pii[i]))
			return add_row(m, pii[i], NULL, m->mark);
	return bad(m, "pii", "must be a list of: bearer, card, email, ip, "
	    "jwt, key, phone, ssn");
}

static int
read_pii(struct making *m)
{
	struct json_object *list = wl_json_arr(m->o, "pii"), *o;
	size_t i;

	if (!wl_json_has(m->o, "pii"))
		return 0;
	if (list == NULL || json_object_array_length(list) == 0)
		return add_pii(m, WL_STR(""));
	for (i = 0; i < json_object_array_length(list); i++) {
		o = json_object_array_get_idx(list, i);
		if (add_pii(m, json_object_is_type(o, json_type_string) ?
		    wl_str_of(json_object_get_string(o)) : WL_STR("")) == -1)
			return -1;
	}
	return 0;
}

/*
 * What stands for a match must fit any JSON string as it is.
 */
static int
read_mark(struct making *m)
{
	struct wl_str s = WL_STR(DEFAULT_MARK);

	if (wl_json_has(m->o, "replacement") &&
	    (!wl_json_str(m->o, "replacement", &s) || s.len > MARK_MAX ||
	    wl_json_plain(s.p, s.len) != s.len))
		return bad(m, "replacement", "must be up to 64 characters of "
		    "ASCII, without quotes and backslashes");
	m->mark = wl_arena_dup(m->a, s.p, s.len);
	return m->mark == NULL ? wl_err_memory(m->e) : 0;
}

static int
read_sides(struct making *m, struct rule *r)
{
	struct wl_str s;

	if (!wl_json_str(m->o, "on", &s))
		s = WL_STR("");
	if (wl_str_eq(s, "request"))
		r->sides = WL_POLICY_REQUEST;
	else if (wl_str_eq(s, "response"))
		r->sides = WL_POLICY_RESPONSE;
	else if (wl_str_eq(s, "both"))
		r->sides = WL_POLICY_REQUEST | WL_POLICY_RESPONSE;
	else
		return bad(m, "on", "must be request, response or both");
	return 0;
}

static int
read_action(struct making *m, struct rule *r)
{
	struct wl_str s;
	int i;

	if (wl_json_str(m->o, "action", &s))
		for (i = 0; i < WL_POLICY_ACTION_MAX; i++)
			if (wl_str_eq(s, actions[i])) {
				r->action = (enum wl_policy_action)i;
				return 0;
			}
	return bad(m, "action", "must be mask, block or flag");
}

static int
read_size(struct making *m, struct rule *r)
{
	r->max_bytes = -1;
	if (!wl_json_has(m->o, "max_bytes"))
		return 0;
	if (!wl_json_int(m->o, "max_bytes", &r->max_bytes) ||
	    r->max_bytes < 0 || r->max_bytes > BYTES_MAX)
		return bad(m, "max_bytes", "must be a number of bytes");
	return r->action == WL_POLICY_MASK ? bad(m, "max_bytes",
	    "cannot be masked: block or flag") : 0;
}

/*
 * A member that nobody reads may be a safety that nobody has.
 */
static int
refuse_unknown(struct making *m)
{
	static const char *const known[] = { "action", "enabled", "max_bytes",
	    "on", "pii", "position", "regex", "replacement", "words" };
	struct json_object_iterator it = json_object_iter_begin(m->o);
	struct json_object_iterator end = json_object_iter_end(m->o);
	const char *name;
	size_t i;

	for (; !json_object_iter_equal(&it, &end);
	    json_object_iter_next(&it)) {
		name = json_object_iter_peek_name(&it);
		for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (strcmp(name, known[i]) == 0)
				break;
		if (i == sizeof(known) / sizeof(known[0]))
			return wl_err_set(m->e, WL_E_INVALID_REQUEST,
			    "\"%.64s\" is no member of a rule", name);
	}
	return 0;
}

static int
read_rule(struct making *m, const struct wl_db_policy *row, struct rule *r)
{
	if (!wl_strlcpy(r->name, row->name, sizeof(r->name)))
		return bad(m, "name", "is too long");
	m->o = row->len > WL_POLICY_BYTES ? NULL : wl_json_parse(m->a,
	    row->definition, row->len, NULL);
	if (!json_object_is_type(m->o, json_type_object))
		return bad(m, "definition", "must be a JSON object");
	if (refuse_unknown(m) == -1 || read_sides(m, r) == -1 ||
	    read_action(m, r) == -1 || read_size(m, r) == -1 ||
	    read_mark(m) == -1 || read_regex(m) == -1 ||
	    read_words(m) == -1 || read_pii(m) == -1)
		return -1;
	if (m->n == 0 && r->max_bytes == -1)
		return bad(m, "regex", "or words, pii or max_bytes is needed");
	if (m->n == 0)
		return 0;
	r->find = wl_redact_rules_new(m->rows, m->n, row->name);
	return r->find == NULL ? wl_err_memory(m->e) : 0;
}

static int
add_rule(struct wl_policy *p, const struct wl_db_policy *row,
    struct wl_err *e)
{
	struct making *m = calloc(1, sizeof(*m));
	struct rule *r = &p->rules[p->n];
	int rc;

	if (m == NULL || (m->a = wl_arena_new(SCRATCH)) == NULL) {
		free(m);
		return wl_err_memory(e);
	}
	m->e = e;
	rc = read_rule(m, row, r);
	wl_arena_free(m->a);
	free(m);
	p->n++;
	p->sides |= r->sides;
	return rc;
}

struct wl_policy *
wl_policy_new(const struct wl_db_policy *rows, int n, struct wl_err *e)
{
	struct wl_policy *p = calloc(1, sizeof(*p));
	int i;

	if (p == NULL) {
		wl_err_memory(e);
		return NULL;
	}
	for (i = 0; i < n && p->n < WL_POLICY_RULES; i++)
		if (add_rule(p, &rows[i], e) == -1) {
			wl_policy_free(p);
			return NULL;
		}
	return p;
}

void
wl_policy_free(struct wl_policy *p)
{
	int i;

	for (i = 0; p != NULL && i < p->n; i++)
		wl_redact_rules_free(p->rules[i].find);
	free(p);
}

/* ---- texts ------------------------------------------------------------- */

bool
wl_policy_is_for(const struct wl_policy *p, enum wl_policy_side side)
{
	return p != NULL && (p->sides & side) != 0;
}

static void
count(const struct wl_policy *p, int i, int at, int64_t hits,
    struct wl_policy_tally *t)
{
	t->hits[i][at] += hits;
	if (hits > 0 && p->rules[i].action == WL_POLICY_BLOCK &&
	    t->blocked == -1)
		t->blocked = i;
}

/*
 * Rule I on what TEXT holds.
 */
static bool
apply_rule(const struct wl_policy *p, int i, int at, struct wl_buf *text,
    struct wl_policy_tally *t)
{
	const struct rule *r = &p->rules[i];
	struct wl_buf out = { 0 };
	size_t hits;

	if (r->max_bytes != -1 && t->bytes[at] > r->max_bytes &&
	    t->hits[i][at] == 0)
		count(p, i, at, 1, t);
	if (r->find == NULL)
		return false;
	hits = wl_redact_rules_apply(r->find, &out, text->p == NULL ? "" :
	    text->p, text->len);
	count(p, i, at, (int64_t)hits, t);
	if (hits == 0 || r->action == WL_POLICY_FLAG) {
		wl_buf_free(&out);
		return false;
	}
	wl_buf_free(text);
	*text = out;
	return true;
}

bool
wl_policy_apply(const struct wl_policy *p, enum wl_policy_side side,
    struct wl_str text, struct wl_buf *out, struct wl_policy_tally *t)
{
	int i, at = side == WL_POLICY_RESPONSE;
	struct wl_buf b = { 0 };
	bool changed = false;

	t->bytes[at] += (int64_t)text.len;
	wl_buf_add(&b, text.p, text.len);
	for (i = 0; i < p->n; i++)
		if ((p->rules[i].sides & side) != 0)
			changed |= apply_rule(p, i, at, &b, t);
	if (b.failed) {		/* better nothing than what may not pass */
		wl_buf_adds(out, DEFAULT_MARK);
		changed = true;
	} else {
		wl_buf_add(out, b.p, b.len);
	}
	wl_buf_free(&b);
	return changed;
}

int
wl_policy_blocked(const struct wl_policy *p, const struct wl_policy_tally *t,
    struct wl_err *e)
{
	return wl_err_set(e, WL_E_BLOCKED, "The project's policy does not "
	    "allow this content (rule \"%s\").", p->rules[t->blocked].name);
}

void
wl_policy_json(struct wl_jw *w, const char *key, const struct wl_policy *p,
    const struct wl_policy_tally *t)
{
	bool any = false;
	int i, at;

	for (i = 0; p != NULL && i < p->n; i++)
		for (at = 0; at < 2; at++) {
			if (t->hits[i][at] == 0)
				continue;
			if (!any)
				wl_jw_arr(w, key);
			any = true;
			wl_jw_obj(w, NULL);
			wl_jw_str(w, "rule", p->rules[i].name);
			wl_jw_str(w, "on", at == 0 ? "request" : "response");
			wl_jw_str(w, "action", actions[p->rules[i].action]);
			wl_jw_int(w, "count", t->hits[i][at]);
			wl_jw_end(w, '}');
		}
	if (any)
		wl_jw_end(w, ']');
}
