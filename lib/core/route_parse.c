/*
 * The definition of a rule of routing, from JSON, with messages for those who
 * wrote it.
 */
#include "config.h"
#include "lib/core/route.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/json.h"

#define HEDGE_PERCENT	500	/* hundredths, when none is given */
#define WEIGHT_MAX	1000000
#define PRIORITY_MAX	100
#define POSITION_MAX	1000000
#define WORD_MAX	256
#define TOKENS_MAX	((int64_t)1000 * 1000 * 1000)
#define TOKENS_OF_DEFINITION	4096
#define PARSE_MEMORY	((size_t)1024 * 1024)

struct parse {
	struct wl_arena		*a;
	struct wl_route_rule	*r;
	struct wl_route_target	*t;	/* that is being read */
	struct wl_err		*e;
};

/*
 * A member and what reads it.
 */
struct member {
	const char	*name;
	int		(*read)(struct parse *p, struct json_object *v);
};

static int __attribute__((format(printf, 2, 3)))
wrong(struct parse *p, const char *fmt, ...)
{
	char text[224];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return wl_err_set(p->e, WL_E_INVALID_REQUEST, "rule %.64s: %s",
	    p->r->name, text);
}

/*
 * Read the members of O, which is called WHAT, by TABLE.
 */
static int
read_members(struct parse *p, struct json_object *o, const char *what,
    const struct member *table)
{
	struct json_object_iterator it, end;
	const struct member *m;
	const char *name;

	if (!json_object_is_type(o, json_type_object))
		return wrong(p, "%s must be an object", what);
	it = json_object_iter_begin(o);
	end = json_object_iter_end(o);
	for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
		name = json_object_iter_peek_name(&it);
		for (m = table; m->name != NULL; m++)
			if (strcmp(m->name, name) == 0)
				break;
		if (m->name == NULL)
			return wrong(p, "%s has no member \"%.40s\"", what,
			    name);
		if (m->read(p, json_object_iter_peek_value(&it)) == -1)
			return -1;
	}
	return 0;
}

/* ---- values ------------------------------------------------------------ */

/*
 * A string of 1 to MAX bytes without controls and spaces at its ends, in A.
 */
static int
word(struct parse *p, struct json_object *v, const char *what, size_t max,
    const char **out)
{
	const char *s;
	size_t i, n;

	if (!json_object_is_type(v, json_type_string))
		return wrong(p, "\"%s\" must be a string", what);
	s = json_object_get_string(v);
	n = (size_t)json_object_get_string_len(v);
	if (n == 0 || n > max)
		return wrong(p, "\"%s\" must have 1 to %zu bytes", what, max);
	for (i = 0; i < n; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			return wrong(p, "\"%s\" holds a control character",
			    what);
	if (s[0] == ' ' || s[n - 1] == ' ')
		return wrong(p, "\"%s\" has a space at one end", what);
	if ((*out = wl_arena_dup(p->a, s, n)) == NULL)
		return wl_err_memory(p->e);
	return 0;
}

static int
integer(struct parse *p, struct json_object *v, const char *what, int64_t min,
    int64_t max, int64_t *out)
{
	if (json_object_is_type(v, json_type_int)) {
		*out = json_object_get_int64(v);
		if (*out >= min && *out <= max)
			return 0;
	}
	return wrong(p, "\"%s\" must be a whole number from %lld to %lld",
	    what, (long long)min, (long long)max);
}

/*
 * A percentage with at most two decimals, in hundredths.
 */
static int
percent(struct parse *p, struct json_object *v, const char *what, int *out)
{
	double x = -1;

	if (json_object_is_type(v, json_type_int) ||
	    json_object_is_type(v, json_type_double))
		x = json_object_get_double(v);
	if (!(x >= 0 && x <= 100))
		return wrong(p, "\"%s\" must be a number from 0 to 100", what);
	*out = (int)(x * 100 + 0.5);
	return 0;
}

/*
 * A string, or an array of some.
 */
static int
words(struct parse *p, struct json_object *v, const char *what,
    struct wl_route_words *out)
{
	size_t i, n = 1;
	bool many = json_object_is_type(v, json_type_array);

	if (many)
		n = json_object_array_length(v);
	if (n == 0 || n > WL_ROUTE_WORDS)
		return wrong(p, "\"%s\" must name 1 to %d", what,
		    WL_ROUTE_WORDS);
	if ((out->v = wl_arena_alloc(p->a, n * sizeof(*out->v))) == NULL)
		return wl_err_memory(p->e);
	for (i = 0; i < n; i++)
		if (word(p, many ? json_object_array_get_idx(v, i) : v, what,
		    WORD_MAX, &out->v[i]) == -1)
			return -1;
	out->n = (int)n;
	return 0;
}

bool
wl_route_name_ok(struct wl_str s)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t i;

	if (s.len == 0 || s.len > WL_ROUTE_NAME || strchr("._-", s.p[0]) !=
	    NULL)
		return false;
	for (i = 0; i < s.len; i++)
		if (s.p[i] == '\0' || strchr(good, s.p[i]) == NULL)
			return false;
	return true;
}

static int
name(struct parse *p, struct json_object *v, const char *what,
    const char **out)
{
	if (word(p, v, what, WL_ROUTE_NAME, out) == -1)
		return -1;
	return wl_route_name_ok(wl_str_of(*out)) ? 0 : wrong(p, "\"%s\" must "
	    "have lower-case letters, digits, and . _ - within", what);
}

/*
 * NAME in lower case if it can be a header's that a rule may look at: none
 * that holds a secret.
 */
static int
header_name(struct parse *p, const char *s, const char **out)
{
	static const char *const secret[] = { "api-key", "authorization",
	    "cookie", "proxy-authorization", "x-api-key", "x-provider-key" };
	size_t i, n = strlen(s);
	char *low = wl_arena_dup(p->a, s, n);

	if (low == NULL)
		return wl_err_memory(p->e);
	for (i = 0; i < n; i++)
		if (low[i] >= 'A' && low[i] <= 'Z')
			low[i] = (char)(low[i] + 32);
	if (n == 0 || n > WL_ROUTE_NAME || strspn(low,
	    "abcdefghijklmnopqrstuvwxyz0123456789-") != n)
		return wrong(p, "\"%.64s\" is no name of a header", s);
	for (i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
		if (strcmp(low, secret[i]) == 0)
			return wrong(p, "the header %s is a secret: no rule "
			    "may look at it", low);
	*out = low;
	return 0;
}

/* ---- targets ----------------------------------------------------------- */

static int
target_model(struct parse *p, struct json_object *v)
{
	return word(p, v, "model", WL_MODEL_MAX, &p->t->model);
}

static int
target_priority(struct parse *p, struct json_object *v)
{
	int64_t n = 1;

	if (integer(p, v, "priority", 1, PRIORITY_MAX, &n) == -1)
		return -1;
	p->t->priority = (int)n;
	return 0;
}

static int
target_variant(struct parse *p, struct json_object *v)
{
	return name(p, v, "variant", &p->t->variant);
}

static int
target_weight(struct parse *p, struct json_object *v)
{
	return integer(p, v, "weight", 0, WEIGHT_MAX, &p->t->weight);
}

static int
read_target(struct parse *p, struct json_object *v)
{
	static const struct member table[] = {
		{ "model", target_model },
		{ "priority", target_priority },
		{ "variant", target_variant },
		{ "weight", target_weight },
		{ NULL, NULL }
	};

	*p->t = (struct wl_route_target){ NULL, "", 1, 1 };
	if (json_object_is_type(v, json_type_string))
		return target_model(p, v);
	if (read_members(p, v, "a target", table) == -1)
		return -1;
	return p->t->model != NULL ? 0 : wrong(p, "a target needs a "
	    "\"model\", as in \"openai/gpt-4o\"");
}

static int
rule_targets(struct parse *p, struct json_object *v)
{
	size_t i, n = 0;

	if (json_object_is_type(v, json_type_array))
		n = json_object_array_length(v);
	if (n == 0 || n > WL_ROUTE_TARGETS)
		return wrong(p, "\"targets\" must be an array of 1 to %d",
		    WL_ROUTE_TARGETS);
	for (i = 0; i < n; i++) {
		p->t = &p->r->t[i];
		if (read_target(p, json_object_array_get_idx(v, i)) == -1)
			return -1;
	}
	p->r->n = (int)n;
	return 0;
}

/* ---- conditions -------------------------------------------------------- */

bool
wl_route_api(const char *name, enum wl_api *api)
{
	static const char *const names[WL_API_MAX] = {
		[WL_API_CHAT] = "chat",
		[WL_API_COMPLETIONS] = "completions",
		[WL_API_COUNT_TOKENS] = "count_tokens",
		[WL_API_EMBEDDINGS] = "embeddings",
		[WL_API_MESSAGES] = "messages",
		[WL_API_RESPONSES] = "responses",
		[WL_API_IMAGES] = "images",
		[WL_API_IMAGE_EDITS] = "image_edits",
		[WL_API_IMAGE_VARIATIONS] = "image_variations",
		[WL_API_TRANSCRIPTIONS] = "transcriptions",
		[WL_API_TRANSLATIONS] = "translations",
		[WL_API_SPEECH] = "speech",
		[WL_API_RERANK] = "rerank",
	};
	int i;

	for (i = 0; i < WL_API_MAX; i++)
		if (names[i] != NULL && strcmp(names[i], name) == 0) {
			*api = i;
			return true;
		}
	return false;
}

static int
when_api(struct parse *p, struct json_object *v)
{
	struct wl_route_words list;
	enum wl_api api;
	int i;

	if (words(p, v, "api", &list) == -1)
		return -1;
	for (i = 0; i < list.n; i++) {
		if (!wl_route_api(list.v[i], &api))
			return wrong(p, "no api \"%.20s\"; there are "
			    WL_ROUTE_APIS, list.v[i]);
		p->r->apis |= 1U << api;
	}
	return 0;
}

static int
when_headers(struct parse *p, struct json_object *v)
{
	struct json_object_iterator it, end;
	struct json_object *any;
	struct wl_route_header *h;

	if (!json_object_is_type(v, json_type_object))
		return wrong(p, "\"headers\" must be an object");
	it = json_object_iter_begin(v);
	end = json_object_iter_end(v);
	for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
		if (p->r->nheaders == WL_ROUTE_HEADERS)
			return wrong(p, "\"headers\" may have %d at most",
			    WL_ROUTE_HEADERS);
		h = &p->r->headers[p->r->nheaders++];
		any = json_object_iter_peek_value(&it);
		if (header_name(p, json_object_iter_peek_name(&it),
		    &h->name) == -1)
			return -1;
		/* true: whatever it says */
		if (json_object_is_type(any, json_type_boolean) &&
		    json_object_get_boolean(any))
			continue;
		if (words(p, any, h->name, &h->any) == -1)
			return -1;
	}
	return 0;
}

static int
when_max(struct parse *p, struct json_object *v)
{
	return integer(p, v, "max_input", 0, TOKENS_MAX, &p->r->max_input);
}

static int
when_min(struct parse *p, struct json_object *v)
{
	return integer(p, v, "min_input", 0, TOKENS_MAX, &p->r->min_input);
}

static int
when_stream(struct parse *p, struct json_object *v)
{
	if (!json_object_is_type(v, json_type_boolean))
		return wrong(p, "\"stream\" must be true or false");
	p->r->stream = json_object_get_boolean(v);
	return 0;
}

static int
when_tags(struct parse *p, struct json_object *v)
{
	return words(p, v, "tags", &p->r->tags);
}

static int
when_users(struct parse *p, struct json_object *v)
{
	return words(p, v, "users", &p->r->users);
}

static int
rule_when(struct parse *p, struct json_object *v)
{
	static const struct member table[] = {
		{ "api", when_api },
		{ "headers", when_headers },
		{ "max_input", when_max },
		{ "min_input", when_min },
		{ "stream", when_stream },
		{ "tags", when_tags },
		{ "users", when_users },
		{ NULL, NULL }
	};

	return read_members(p, v, "\"when\"", table);
}

/* ---- the rule ---------------------------------------------------------- */

static int
rule_alias(struct parse *p, struct json_object *v)
{
	return word(p, v, "alias", WL_MODEL_MAX, &p->r->alias);
}

static int
rule_enabled(struct parse *p, struct json_object *v)
{
	/* the database looks at it */
	return json_object_is_type(v, json_type_boolean) ? 0 :
	    wrong(p, "\"enabled\" must be true or false");
}

static int
rule_flag(struct parse *p, struct json_object *v)
{
	return name(p, v, "flag", &p->r->flag);
}

static int
hedge_after(struct parse *p, struct json_object *v)
{
	return integer(p, v, "after_ms", 50, 600000, &p->r->hedge.after_ms);
}

static int
hedge_cost(struct parse *p, struct json_object *v)
{
	double usd = -1;

	if (json_object_is_type(v, json_type_int) ||
	    json_object_is_type(v, json_type_double))
		usd = json_object_get_double(v);
	if (!(usd > 0 && usd <= 1000))
		return wrong(p, "\"max_cost_usd\" must be a number above 0, "
		    "1000 at most");
	p->r->hedge.max_nano = (int64_t)(usd * 1e9 + 0.5);
	return 0;
}

static int
hedge_percent(struct parse *p, struct json_object *v)
{
	return percent(p, v, "percent", &p->r->hedge.percent);
}

static int
rule_hedge(struct parse *p, struct json_object *v)
{
	static const struct member table[] = {
		{ "after_ms", hedge_after },
		{ "max_cost_usd", hedge_cost },
		{ "percent", hedge_percent },
		{ NULL, NULL }
	};

	p->r->hedge.percent = HEDGE_PERCENT;
	if (read_members(p, v, "\"hedge\"", table) == -1)
		return -1;
	return p->r->hedge.after_ms > 0 && p->r->hedge.max_nano > 0 ? 0 :
	    wrong(p, "\"hedge\" needs \"after_ms\" and \"max_cost_usd\"");
}

static int
rule_percent(struct parse *p, struct json_object *v)
{
	return percent(p, v, "percent", &p->r->percent);
}

static int
rule_position(struct parse *p, struct json_object *v)
{
	int64_t n = 0;

	/* the database looks at it */
	return integer(p, v, "position", 0, POSITION_MAX, &n);
}

static int
shadow_model(struct parse *p, struct json_object *v)
{
	return word(p, v, "model", WL_MODEL_MAX, &p->r->shadow);
}

static int
shadow_percent(struct parse *p, struct json_object *v)
{
	return percent(p, v, "percent", &p->r->shadow_percent);
}

static int
rule_shadow(struct parse *p, struct json_object *v)
{
	static const struct member table[] = {
		{ "model", shadow_model },
		{ "percent", shadow_percent },
		{ NULL, NULL }
	};

	if (json_object_is_type(v, json_type_string))
		return shadow_model(p, v);
	if (read_members(p, v, "\"shadow\"", table) == -1)
		return -1;
	return p->r->shadow[0] != '\0' ? 0 :
	    wrong(p, "\"shadow\" needs a \"model\"");
}

static int
rule_sticky(struct parse *p, struct json_object *v)
{
	const char *s;

	if (word(p, v, "sticky", WORD_MAX, &s) == -1)
		return -1;
	if (strcmp(s, "user") == 0)
		p->r->sticky = WL_STICKY_USER;
	else if (strcmp(s, "key") == 0)
		p->r->sticky = WL_STICKY_KEY;
	else if (strncmp(s, "header:", 7) == 0) {
		p->r->sticky = WL_STICKY_HEADER;
		return header_name(p, s + 7, &p->r->sticky_header);
	} else
		return wrong(p, "\"sticky\" must be user, key, or "
		    "header:NAME");
	return 0;
}

const char *
wl_route_strategy_name(enum wl_route_strategy s)
{
	static const char *const names[] = {
		[WL_ROUTE_PRIORITY] = "priority",
		[WL_ROUTE_WEIGHTED] = "weighted",
		[WL_ROUTE_LEAST_LATENCY] = "least_latency",
		[WL_ROUTE_LEAST_COST] = "least_cost",
	};
	_Static_assert(sizeof(names) / sizeof(names[0]) ==
	    WL_ROUTE_STRATEGY_MAX, "a name for every strategy");

	return names[s];
}

static int
rule_strategy(struct parse *p, struct json_object *v)
{
	const char *s;
	int i;

	if (word(p, v, "strategy", WORD_MAX, &s) == -1)
		return -1;
	for (i = 0; i < WL_ROUTE_STRATEGY_MAX; i++)
		if (strcmp(s, wl_route_strategy_name(i)) == 0) {
			p->r->strategy = i;
			return 0;
		}
	return wrong(p, "\"strategy\" must be priority, weighted, "
	    "least_latency or least_cost");
}

static int
check_names(struct parse *p)
{
	const struct wl_route_target *t;
	const char *slash;
	int i;

	for (i = 0; i < p->r->n; i++) {
		t = &p->r->t[i];
		slash = strchr(t->model, '/');
		if (p->r->strategy >= WL_ROUTE_LEAST_LATENCY &&
		    (slash == NULL || slash == t->model || slash[1] == '\0'))
			return wrong(p, "%s compares providers: write "
			    "\"%.64s\" as provider/model",
			    wl_route_strategy_name(p->r->strategy), t->model);
	}
	return 0;
}

static int
check(struct parse *p)
{
	int64_t sum = 0;
	int i;

	if (p->r->alias == NULL)
		return wrong(p, "it needs an \"alias\", the name that clients "
		    "ask for");
	if (p->r->n == 0)
		return wrong(p, "it needs \"targets\"");
	for (i = 0; i < p->r->n; i++)
		sum += p->r->t[i].weight;
	if (p->r->strategy == WL_ROUTE_WEIGHTED && sum == 0)
		return wrong(p, "one target at least needs a weight above 0");
	if (p->r->min_input >= 0 && p->r->max_input >= 0 &&
	    p->r->min_input > p->r->max_input)
		return wrong(p, "\"min_input\" is above \"max_input\"");
	return check_names(p);
}

static int
read_rule(struct parse *p, struct wl_arena *scratch, struct wl_str text)
{
	static const struct member table[] = {
		{ "alias", rule_alias },
		{ "enabled", rule_enabled },
		{ "flag", rule_flag },
		{ "hedge", rule_hedge },
		{ "percent", rule_percent },
		{ "position", rule_position },
		{ "shadow", rule_shadow },
		{ "sticky", rule_sticky },
		{ "strategy", rule_strategy },
		{ "targets", rule_targets },
		{ "when", rule_when },
		{ NULL, NULL }
	};
	struct json_object *o = NULL;
	enum wl_json_fault fault;

	fault = wl_json_scan(text.p, text.len, TOKENS_OF_DEFINITION);
	if (fault == WL_JSON_OK)
		o = wl_json_parse(scratch, text.p, text.len, &fault);
	if (fault != WL_JSON_OK)
		return wrong(p, "it is not JSON, or nested too deep");
	if (read_members(p, o, "a rule", table) == -1)
		return -1;
	return check(p);
}

int
wl_route_parse(struct wl_arena *a, const char *rule, struct wl_str definition,
    struct wl_route_rule *r, struct wl_err *e)
{
	struct parse p = { .a = a, .r = r, .e = e };
	struct wl_arena *scratch;
	int rc;

	*r = (struct wl_route_rule){ .name = rule, .flag = "", .shadow = "",
	    .percent = WL_ROUTE_ALL, .shadow_percent = WL_ROUTE_ALL,
	    .stream = -1, .min_input = -1, .max_input = -1 };
	if (definition.len > WL_ROUTE_BYTES)
		return wrong(&p, "it is longer than %zu bytes", WL_ROUTE_BYTES);
	if ((scratch = wl_arena_new(PARSE_MEMORY)) == NULL)
		return wl_err_memory(e);
	rc = read_rule(&p, scratch, definition);
	wl_arena_free(scratch);
	return rc;
}
