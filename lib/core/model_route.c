/*
 * Targets by rules of routing.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/rand.h"
#include "lib/core/auth.h"
#include "lib/core/latency.h"
#include "lib/core/model_priv.h"
#include "lib/core/price.h"
#include "lib/core/route.h"
#include "lib/http/req.h"
#include "lib/store/db_route.h"

/* Aliases that are followed, one to the next. */
#define CHAIN_MAX	4
/* Tokens of an answer when the request does not bound it. */
#define USUAL_OUTPUT	500

/*
 * What holds while rules are followed.
 */
struct follow {
	struct wl_search		*s;
	struct wl_route_call		 call;
	const struct wl_rule_set	*own;	/* or NULL */
	const char			*chain[CHAIN_MAX];	/* aliases */
	int				 depth;
	struct wl_routed		*routed;
};

/* ---- which rule -------------------------------------------------------- */

static bool
is_visible(const struct wl_catalog *cat, const struct wl_route_rule *r,
    const char *project)
{
	int i;

	if (r->flag[0] == '\0')
		return true;
	for (i = 0; i < cat->nflags; i++)
		if (strcmp(cat->flags[i].name, r->flag) == 0)
			return wl_route_flag_on(r->flag,
			    cat->flags[i].percent, cat->flags[i].on,
			    cat->flags[i].off, project);
	return false;
}

static const struct wl_route_rule *
first_of(const struct follow *f, const struct wl_rule_set *set,
    struct wl_str alias)
{
	char why[80];
	int i;

	for (i = 0; set != NULL && i < set->n; i++)
		if (wl_str_eq(alias, set->v[i].alias) &&
		    is_visible(f->s->cat, &set->v[i], f->call.project) &&
		    wl_route_holds(&set->v[i], &f->call, why))
			return &set->v[i];
	return NULL;
}

/*
 * The rule for ALIAS that holds and is not being followed, or NULL.
 */
static const struct wl_route_rule *
find_rule(const struct follow *f, struct wl_str alias)
{
	const struct wl_route_rule *r;
	int i;

	for (i = 0; i < f->depth; i++)
		if (wl_str_eq(alias, f->chain[i]))
			return NULL;	/* it is the model of that name */
	if (f->depth == CHAIN_MAX)
		return NULL;
	if ((r = first_of(f, f->own, alias)) != NULL)
		return r;
	return first_of(f, f->s->cat->rules, alias);
}

/* ---- scores ------------------------------------------------------------ */

static int64_t
cost_of(const struct follow *f, const char *provider, const char *model)
{
	const struct wl_route_call *c = &f->call;
	struct wl_usage u = { c->input, -1, -1, c->max_tokens > 0 ?
	    c->max_tokens : USUAL_OUTPUT, -1, WL_U_ESTIMATED, 0 };
	int64_t nano, from;

	if (c->api == WL_API_EMBEDDINGS)
		u.output = -1;
	return wl_price_cost(provider, model, &u, &nano, &from) == 1 ? nano :
	    INT64_MAX;
}

/*
 * The score of "provider/model": unknown costs are dear, unknown times worth
 * a try.
 */
static int64_t
score_of(const struct follow *f, const struct wl_route_rule *r,
    const char *target)
{
	struct wl_str rest = wl_str_of(target), id = wl_str_cut(&rest, '/');
	char provider[33];

	if (rest.p == NULL || id.len == 0 || id.len >= sizeof(provider))
		return INT64_MAX;
	memcpy(provider, id.p, id.len);
	provider[id.len] = '\0';
	return r->strategy == WL_ROUTE_LEAST_COST ?
	    cost_of(f, provider, rest.p) : wl_latency_us(provider, rest.p);
}

static int
order_of(const struct follow *f, const struct wl_route_rule *r,
    int order[WL_ROUTE_TARGETS])
{
	int64_t score[WL_ROUTE_TARGETS];
	int i;

	if (r->strategy != WL_ROUTE_LEAST_COST &&
	    r->strategy != WL_ROUTE_LEAST_LATENCY)
		return wl_route_order(r, &f->call, NULL, order);
	for (i = 0; i < r->n; i++)
		score[i] = score_of(f, r, r->t[i].model);
	return wl_route_order(r, &f->call, score, order);
}

/* ---- targets ----------------------------------------------------------- */

static int follow_rule(struct follow *f, const struct wl_route_rule *r,
    struct wl_err *e);

static int
add_target(struct follow *f, const struct wl_route_target *t,
    struct wl_err *e)
{
	const struct wl_route_rule *next;
	struct wl_str model = wl_str_of(t->model);
	int n;

	if ((n = wl_model_explicit(f->s, model, e)) != 0)
		return n;
	if ((next = find_rule(f, model)) != NULL)
		return follow_rule(f, next, e);
	return wl_model_implicit(f->s, model, e);
}

/*
 * The variant of those from BEFORE on that have none of their own: a rule that
 * was asked for says more than one that it led to.
 */
static int
name_variant(struct wl_search *s, int before, const char *variant,
    struct wl_err *e)
{
	if (variant[0] == '\0')
		return 0;
	if ((variant = wl_arena_strdup(s->a, variant)) == NULL)
		return wl_err_memory(e);
	for (; before < s->n; before++)
		s->t[before].variant = variant;
	return 0;
}

/*
 * A target without a key is left out as long as another has one.
 */
static int
follow_rule(struct follow *f, const struct wl_route_rule *r,
    struct wl_err *e)
{
	struct wl_search *s = f->s;
	struct wl_err failed = { .code = WL_OK };
	int order[WL_ROUTE_TARGETS], i, n, before, first = s->n;

	f->chain[f->depth++] = r->alias;
	n = order_of(f, r, order);
	for (i = 0; i < n && s->n < s->max; i++) {
		before = s->n;
		if (add_target(f, &r->t[order[i]], e) != -1) {
			if (name_variant(s, before, r->t[order[i]].variant,
			    e) == -1)
				return -1;
			continue;
		}
		s->n = before;
		if (e->code != WL_E_BYOK_REQUIRED &&
		    e->code != WL_E_MODEL_NOT_FOUND)
			return -1;
		if (failed.code == WL_OK)
			failed = *e;
	}
	f->depth--;
	if (s->n > first)
		return s->n - first;
	*e = failed;
	return -1;
}

/*
 * A key that came with the request goes to nobody whom its owner may not have
 * meant: the rule must name one provider, in all its targets.
 */
static int
check_own_key(const struct follow *f, const struct wl_route_rule *r,
    struct wl_err *e)
{
	const struct wl_db_provider *one = NULL, *p;
	struct wl_str rest, id;
	int i;

	for (i = 0; i < r->n; i++) {
		rest = wl_str_of(r->t[i].model);
		id = wl_str_cut(&rest, '/');
		p = rest.p == NULL || rest.len == 0 ? NULL :
		    wl_model_provider(f->s->cat, id);
		if (p == NULL || (one != NULL && p != one))
			break;
		one = p;
	}
	if (i == r->n)
		return 0;
	wl_err_set(e, WL_E_INVALID_REQUEST, "Several providers may answer for "
	    "\"%.64s\". Name the one that X-Provider-Key is for, as in "
	    "\"openai/gpt-4o\".", r->alias);
	e->param = "model";
	return -1;
}

/*
 * The rule that was asked for decides, not those that it leads to.
 */
static int
set_hedge(struct wl_search *s, const struct wl_route_rule *r,
    struct wl_err *e)
{
	struct wl_hedge *h;
	int i;

	if (r->hedge.after_ms == 0)
		return 0;
	if ((h = wl_arena_alloc(s->a, sizeof(*h))) == NULL)
		return wl_err_memory(e);
	*h = r->hedge;
	for (i = 0; i < s->n; i++)
		s->t[i].hedge = h;
	return 0;
}

static int
by_rule(struct follow *f, const struct wl_route_rule *r, struct wl_err *e)
{
	int n;

	if (f->s->own_key != NULL && check_own_key(f, r, e) == -1)
		return -1;
	if ((n = follow_rule(f, r, e)) == -1 ||
	    set_hedge(f->s, r, e) == -1)
		return -1;
	f->routed->rule = wl_arena_strdup(f->s->a, r->name);
	if (f->routed->rule != NULL && f->s->own_key == NULL &&
	    wl_route_shadows(r, &f->call))
		f->routed->shadow = wl_arena_strdup(f->s->a, r->shadow);
	if (f->routed->rule == NULL || f->routed->shadow == NULL)
		return wl_err_memory(e);
	return n;
}

static void
complete(struct wl_route_call *c, const struct wl_route_call *given,
    const struct wl_auth *auth)
{
	if (given != NULL)
		*c = *given;
	c->project = auth->project;
	c->key = auth->key_id;
	if (c->below == NULL)
		c->below = wl_rand_below;
}

int
wl_model_by_rules(struct wl_search *s, struct wl_str model,
    const struct wl_route_call *call, struct wl_routed *routed,
    struct wl_err *e)
{
	struct follow f = { .s = s, .routed = routed };
	const struct wl_route_rule *r;
	struct wl_memo_value *use;
	int n = 0;

	complete(&f.call, call, s->auth);
	if (wl_catalog_rules(s->auth->project, s->auth->version, &f.own, &use,
	    e) == -1)
		return -1;
	if ((r = find_rule(&f, model)) != NULL)
		n = by_rule(&f, r, e);
	wl_catalog_put(use);
	return n;
}

static const char *
header_of(const void *arg, const char *name)
{
	return wl_req_header(arg, name);
}

void
wl_model_call(const struct wl_req *r, const struct wl_ask *ask,
    struct wl_route_call *call)
{
	struct wl_str user = wl_str_of(wl_req_header(r, "x-watchllm-user-id"));

	*call = (struct wl_route_call){
		.id = wl_str_of(r->id),
		.user = user.len > 0 ? user : ask->user,
		.tags = wl_req_header(r, "x-watchllm-tags"),
		.api = ask->api, .stream = ask->stream,
		.input = ask->input_estimate, .max_tokens = ask->max_tokens,
		.header = header_of, .arg = r
	};
}

/* ---- names ------------------------------------------------------------- */

static int
add_aliases(struct wl_arena *a, const struct wl_catalog *cat,
    const struct wl_rule_set *set, const char *project, struct wl_alias *v,
    int *n, struct wl_err *e)
{
	const struct wl_route_rule *r;
	int i, j;

	for (i = 0; set != NULL && i < set->n; i++) {
		r = &set->v[i];
		if (!is_visible(cat, r, project))
			continue;
		for (j = 0; j < *n; j++)
			if (strcmp(v[j].name, r->alias) == 0)
				break;
		if (j < *n)
			continue;
		v[j].name = wl_arena_strdup(a, r->alias);
		v[j].created_ms = r->created_ms;
		if (v[j].name == NULL)
			return wl_err_memory(e);
		++*n;
	}
	return 0;
}

/*
 * The tables that hold for AUTH: *OWN may become NULL.  Both are in use until
 * give_back().
 */
struct tables {
	const struct wl_catalog		*cat;
	const struct wl_rule_set	*own;
	struct wl_memo_value		*use, *own_use;
	int				 nrules;	/* in both sets */
};

static int
take(struct tables *t, const struct wl_auth *auth, struct wl_err *e)
{
	if ((t->cat = wl_catalog_get(auth->catalog_version, &t->use, e)) ==
	    NULL)
		return -1;
	if (wl_catalog_rules(auth->project, auth->version, &t->own,
	    &t->own_use, e) == -1) {
		wl_catalog_put(t->use);
		return -1;
	}
	t->nrules = (t->own == NULL ? 0 : t->own->n) +
	    (t->cat->rules == NULL ? 0 : t->cat->rules->n);
	return 0;
}

static void
give_back(struct tables *t)
{
	wl_catalog_put(t->own_use);
	wl_catalog_put(t->use);
}

int
wl_model_aliases(struct wl_arena *a, const struct wl_auth *auth,
    struct wl_alias **aliases, int *n, struct wl_err *e)
{
	struct tables t;
	int rc = -1;

	*n = 0;
	if (take(&t, auth, e) == -1)
		return -1;
	*aliases = wl_arena_alloc(a, (size_t)(t.nrules + 1) *
	    sizeof(**aliases));
	if (*aliases == NULL)
		wl_err_memory(e);
	else if (add_aliases(a, t.cat, t.own, auth->project, *aliases, n,
	    e) == 0)
		rc = add_aliases(a, t.cat, t.cat->rules, auth->project,
		    *aliases, n, e);
	give_back(&t);
	return rc;
}

/* ---- why --------------------------------------------------------------- */

static const char *
judge(struct wl_arena *a, const struct wl_catalog *cat,
    const struct wl_route_rule *r, const struct wl_route_call *c, bool *held)
{
	char why[80] = "";

	if (*held)
		return "not reached";
	if (!is_visible(cat, r, c->project))
		return wl_arena_printf(a, "flag %s", r->flag);
	*held = wl_route_holds(r, c, why);
	return wl_arena_strdup(a, why);
}

static int
add_verdicts(struct wl_arena *a, const struct tables *t, bool common,
    struct wl_str model, const struct wl_route_call *c, struct wl_verdict *v,
    int *n, bool *held)
{
	const struct wl_rule_set *set = common ? t->cat->rules : t->own;
	int i;

	for (i = 0; set != NULL && i < set->n; i++) {
		if (!wl_str_eq(model, set->v[i].alias))
			continue;
		v[*n].rule = wl_arena_strdup(a, set->v[i].name);
		v[*n].common = common;
		v[*n].why = judge(a, t->cat, &set->v[i], c, held);
		if (v[*n].rule == NULL || v[*n].why == NULL)
			return -1;
		++*n;
	}
	return 0;
}

int
wl_model_explain(struct wl_arena *a, const struct wl_auth *auth,
    struct wl_str model, const struct wl_route_call *call,
    struct wl_verdict **verdicts, int *n, struct wl_err *e)
{
	struct wl_str rest = model, id = wl_str_cut(&rest, '/');
	struct wl_route_call c = { .project = NULL };
	struct tables t;
	bool held = false;
	int rc = -1;

	*n = 0;
	if (take(&t, auth, e) == -1)
		return -1;
	complete(&c, call, auth);
	*verdicts = wl_arena_alloc(a, (size_t)(t.nrules + 1) *
	    sizeof(**verdicts));
	if (rest.len > 0 && wl_model_provider(t.cat, id) != NULL)
		rc = 0;
	else if (*verdicts == NULL ||
	    add_verdicts(a, &t, false, model, &c, *verdicts, n, &held) == -1 ||
	    add_verdicts(a, &t, true, model, &c, *verdicts, n, &held) == -1)
		wl_err_memory(e);
	else
		rc = 0;
	give_back(&t);
	return rc;
}
