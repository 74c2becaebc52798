/*
 * Selection: does a rule hold, in what order are its targets tried.
 */
#include "config.h"
#include "lib/core/route.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/hash.h"

/* ---- chance ------------------------------------------------------------ */

/*
 * What R is sticky to in this call, or an empty string.
 */
static struct wl_str
held(const struct wl_route_rule *r, const struct wl_route_call *c)
{
	switch (r->sticky) {
	case WL_STICKY_USER:
		return c->user;
	case WL_STICKY_KEY:
		return wl_str_of(c->key);
	case WL_STICKY_HEADER:
		return wl_str_of(c->header == NULL ? NULL :
		    c->header(c->arg, r->sticky_header));
	case WL_STICKY_NONE:
		break;
	}
	return WL_STR("");
}

/*
 * A number in 0..N-1 that depends on these strings alone.
 */
static uint64_t
point(const char *project, const char *name, const char *purpose,
    struct wl_str value, uint64_t n)
{
	char head[256];
	uint8_t digest[32], all[64];
	uint64_t x = 0;
	int i;

	/* each part hashed apart: no two tuples are the same bytes */
	snprintf(head, sizeof(head), "%s|%s|%s", project, name, purpose);
	wl_sha256(head, strlen(head), all);
	wl_sha256(value.len == 0 ? "" : value.p, value.len, all + 32);
	wl_sha256(all, sizeof(all), digest);
	for (i = 0; i < 8; i++)
		x = x << 8 | digest[i];
	return x % n;
}

/*
 * A draw for PURPOSE: held to the call's value, else by chance.
 */
static uint64_t
draw(const struct wl_route_rule *r, const struct wl_route_call *c,
    const char *purpose, uint64_t n)
{
	struct wl_str value = held(r, c);

	if (n < 2)
		return 0;
	if (value.len == 0)
		value = c->id;
	if (value.len > 0)
		return point(c->project, r->name, purpose, value, n);
	return c->below((uint32_t)n);
}

/* ---- conditions -------------------------------------------------------- */

static bool
one_of(const struct wl_route_words *w, struct wl_str s)
{
	int i;

	for (i = 0; i < w->n; i++)
		if (wl_str_eq(s, w->v[i]))
			return true;
	return false;
}

static bool
has_tag(const struct wl_route_words *w, const char *tags)
{
	struct wl_str rest = wl_str_of(tags);

	while (rest.p != NULL)
		if (one_of(w, wl_str_trim(wl_str_cut(&rest, ','))))
			return true;
	return false;
}

/*
 * The first header that is not as it should be, or NULL.
 */
static const char *
bad_header(const struct wl_route_rule *r, const struct wl_route_call *c)
{
	const struct wl_route_header *h;
	const char *v;
	int i;

	for (i = 0; i < r->nheaders; i++) {
		h = &r->headers[i];
		v = c->header == NULL ? NULL : c->header(c->arg, h->name);
		if (v == NULL || v[0] == '\0' || (h->any.n > 0 &&
		    !one_of(&h->any, wl_str_trim(wl_str_of(v)))))
			return h->name;
	}
	return NULL;
}

static const char *
unmet(const struct wl_route_rule *r, const struct wl_route_call *c)
{
	if (r->apis != 0 && (r->apis & 1U << c->api) == 0)
		return "api";
	if (r->stream != -1 && (r->stream == 1) != c->stream)
		return "stream";
	if (r->min_input >= 0 && c->input < r->min_input)
		return "min_input";
	if (r->max_input >= 0 && c->input > r->max_input)
		return "max_input";
	if (r->users.n > 0 && !one_of(&r->users, c->user))
		return "users";
	if (r->tags.n > 0 && !has_tag(&r->tags, c->tags))
		return "tags";
	return NULL;
}

bool
wl_route_holds(const struct wl_route_rule *r, const struct wl_route_call *c,
    char out[80])
{
	const char *why = unmet(r, c), *header = NULL;

	if (why == NULL)
		header = bad_header(r, c);
	if (why == NULL && header == NULL && r->percent < WL_ROUTE_ALL &&
	    draw(r, c, "percent", WL_ROUTE_ALL) >= (uint64_t)r->percent)
		why = "percent";
	snprintf(out, 80, "%s%s", header != NULL ? "header " : "",
	    header != NULL ? header : why != NULL ? why : "");
	return why == NULL && header == NULL;
}

bool
wl_route_shadows(const struct wl_route_rule *r, const struct wl_route_call *c)
{
	return r->shadow[0] != '\0' && (r->shadow_percent == WL_ROUTE_ALL ||
	    draw(r, c, "shadow", WL_ROUTE_ALL) < (uint64_t)r->shadow_percent);
}

/* ---- order ------------------------------------------------------------- */

/*
 * Move target AT of ORDER to place TO; those between move up.
 */
static void
pull(int *order, int at, int to)
{
	int x = order[at];

	for (; at > to; at--)
		order[at] = order[at - 1];
	order[to] = x;
}

/*
 * Which of places FROM..TO-1 is drawn by weight, or FROM when none has any.
 */
static int
by_weight(const struct wl_route_rule *r, const struct wl_route_call *c,
    const int *order, int from, int to)
{
	uint64_t sum = 0, x;
	char purpose[24];
	int i;

	for (i = from; i < to; i++)
		sum += (uint64_t)r->t[order[i]].weight;
	if (sum == 0)
		return from;
	snprintf(purpose, sizeof(purpose), "variant %d", from);
	x = draw(r, c, purpose, sum);
	for (i = from; i < to; i++) {
		if (x < (uint64_t)r->t[order[i]].weight)
			return i;
		x -= (uint64_t)r->t[order[i]].weight;
	}
	return from;
}

/*
 * One of N for a call.
 */
static uint32_t
chance(const struct wl_route_call *c, uint32_t n)
{
	return c->id.len == 0 ? c->below(n) :
	    (uint32_t)point(c->project, "", "equal", c->id, n);
}

/*
 * Which of places FROM..TO-1 has the lowest score; of equals one by chance.
 */
static int
by_score(const struct wl_route_call *c, const int64_t *score,
    const int *order, int from, int to)
{
	uint32_t equals = 1;
	int i, best = from;

	for (i = from + 1; i < to; i++) {
		if (score[order[i]] < score[order[best]]) {
			best = i;
			equals = 1;
		} else if (score[order[i]] == score[order[best]] &&
		    chance(c, ++equals) == 0) {
			best = i;
		}
	}
	return best;
}

static int
next(const struct wl_route_rule *r, const struct wl_route_call *c,
    const int64_t *score, const int *order, int from, int to)
{
	switch (r->strategy) {
	case WL_ROUTE_WEIGHTED:
		return by_weight(r, c, order, from, to);
	case WL_ROUTE_LEAST_LATENCY:
	case WL_ROUTE_LEAST_COST:
		if (score != NULL)
			return by_score(c, score, order, from, to);
		break;
	case WL_ROUTE_PRIORITY:
	case WL_ROUTE_STRATEGY_MAX:
		break;
	}
	return from;
}

int
wl_route_order(const struct wl_route_rule *r, const struct wl_route_call *c,
    const int64_t *score, int order[WL_ROUTE_TARGETS])
{
	int i, j, to;

	/* by priority, equal ones as listed */
	for (i = 0; i < r->n; i++) {
		for (j = i; j > 0 && r->t[order[j - 1]].priority >
		    r->t[i].priority; j--)
			order[j] = order[j - 1];
		order[j] = i;
	}
	for (i = 0; i < r->n; i++) {
		for (to = i + 1; to < r->n && r->t[order[to]].priority ==
		    r->t[order[i]].priority; to++)
			;
		pull(order, next(r, c, score, order, i, to), i);
	}
	return r->n;
}

/* ---- aliases and flags ------------------------------------------------- */

/*
 * Whether MODEL, followed through aliases, comes to ALIAS.  SEEN marks rules
 * that were followed already.
 */
static bool
leads_to(const char *alias, const char *model,
    const struct wl_route_rule *rules, int n, bool *seen)
{
	const char *next_model;
	int i, j;

	for (i = 0; i < n; i++) {
		if (seen[i] || strcmp(rules[i].alias, model) != 0)
			continue;
		seen[i] = true;
		for (j = 0; j < rules[i].n; j++) {
			next_model = rules[i].t[j].model;
			if (strcmp(next_model, model) == 0)
				continue;	/* the model itself */
			if (strcmp(next_model, alias) == 0 || leads_to(alias,
			    next_model, rules, n, seen))
				return true;
		}
	}
	return false;
}

bool
wl_route_loops(const struct wl_route_rule *r,
    const struct wl_route_rule *rules, int n, const char **via)
{
	bool seen[WL_ROUTE_RULES] = { false };
	int i;

	if (n > WL_ROUTE_RULES)
		n = WL_ROUTE_RULES;
	for (i = 0; i < r->n; i++) {
		*via = r->t[i].model;
		if (strcmp(*via, r->alias) != 0 &&
		    leads_to(r->alias, *via, rules, n, seen))
			return true;
	}
	return false;
}

static bool
listed(const char *list, const char *project)
{
	size_t n = strlen(project);
	const char *p;

	for (p = list; (p = strstr(p, project)) != NULL; p += n)
		if (p > list && p[-1] == ',' && p[n] == ',')
			return true;
	return false;
}

bool
wl_route_flag_on(const char *name, int percent, const char *on,
    const char *off, const char *project)
{
	if (listed(off, project))
		return false;
	if (percent >= WL_ROUTE_ALL || listed(on, project))
		return true;
	return point("", name, "flag", wl_str_of(project), WL_ROUTE_ALL) <
	    (uint64_t)percent;
}
