/*
 * Which target of a call is asked next, and when: the order of the targets,
 * what the breakers say, retry.c's rules, budgets and waits.
 */
#include "config.h"
#include "lib/core/upstream_course.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/conf.h"
#include "lib/base/loop.h"
#include "lib/core/retry.h"

/* What is set aside goes by the wall's clock, and waits by another one. */
#define SLACK_MS	5
/* Tokens of an answer when the request does not bound it. */
#define USUAL_OUTPUT	500

static const char *
project_of(const struct wl_target *t)
{
	return t->project == NULL ? "" : t->project;
}

/* ---- what is remembered ------------------------------------------------ */

static void
save(const struct wl_result *res, struct wl_upfailure *f)
{
	f->err = res->err;
	f->refusal = res->refusal;
	f->upstream_http = res->upstream_http;
	memcpy(f->upstream_code, res->upstream_code,
	    sizeof(f->upstream_code));
}

/*
 * Forget what a failed attempt left.
 */
static void
start_over(struct wl_result *res)
{
	memset(&res->err, 0, sizeof(res->err));
	res->refusal = res->raw = (struct wl_str){ NULL, 0 };
	res->upstream_http = 0;
	res->upstream_code[0] = res->model_used[0] = '\0';
	res->response_id[0] = res->finish_reason[0] = '\0';
	res->usage = (struct wl_usage){ -1, -1, -1, -1, -1, WL_U_NONE, 0 };
	res->units = WL_UNITS_NONE;
	res->first_byte_us = -1;
	res->output_bytes = res->chunks = 0;
	wl_buf_reset(&res->text);
	wl_buf_reset(&res->tools);
	res->tool = res->sequence = -1;
	res->truncated = false;
}

/*
 * A line of the event.
 */
static struct wl_tried *
note(struct wl_result *res, const struct wl_target *t, const char *word)
{
	static struct wl_tried nowhere;
	struct wl_tried *e = &nowhere;

	if (res->ntried < WL_TRIED)
		e = &res->tried[res->ntried++];
	memset(e, 0, sizeof(*e));
	(void)wl_strlcpy(e->provider, t->provider, sizeof(e->provider));
	(void)wl_strlcpy(e->hint, t->hint == NULL ? "" : t->hint,
	    sizeof(e->hint));
	e->model = t->model;
	e->word = word;
	e->cost_nano = -1;
	return e;
}

/* ---- the next target --------------------------------------------------- */

/*
 * Whether LEG may be asked now by what is set aside.
 */
static bool
enter(struct wl_upcourse *c, struct wl_upleg *leg)
{
	struct wl_uprun *r = c->r;
	enum wl_health_cause cause;
	int64_t wait;

	/* most calls ask one target and need no other one's */
	if (leg->health.t == NULL)
		wl_health_of(&leg->health, leg->t);
	wait = wl_health_enter(r->a, r->conf, &leg->health, &cause);
	if (wait == 0)
		return true;
	leg->spent = true;
	leg->aside = cause;
	leg->wait = wait;
	note(r->res, leg->t, wl_health_word(cause))->at_us =
	    wl_upstream_age(r);
	return false;
}

/*
 * What it costs to ask LEG, which somebody pays.
 */
static bool
pay(struct wl_upleg *leg)
{
	if (leg->paid && !wl_retry_spend(project_of(leg->t),
	    leg->t->provider)) {
		leg->spent = true;
		return false;
	}
	return true;
}

/*
 * The next target: those that were not asked yet in their order, then the one
 * that may be asked again first.  NULL: none.
 */
static struct wl_upleg *
choose(struct wl_upcourse *c)
{
	struct wl_upleg *best = NULL;
	int i;

	for (i = 0; i < c->n; i++)
		if (!c->leg[i].spent && c->leg[i].asked == 0)
			return &c->leg[i];
	for (i = 0; i < c->n; i++)
		if (!c->leg[i].spent && (best == NULL ||
		    c->leg[i].at < best->at))
			best = &c->leg[i];
	return best;
}

/* ---- after a failure --------------------------------------------------- */

static bool
is_down(enum wl_health_cause cause)
{
	return cause == WL_HC_UNREACHABLE || cause == WL_HC_FAILING;
}

/*
 * When LEG, which has failed by RULE, may be asked again by this call.
 */
static void
plan_again(struct wl_upcourse *c, struct wl_upleg *leg, const struct wl_retry_rule *rule)
{
	struct wl_uprun *r = c->r;
	int64_t wait = wl_retry_wait(r->conf, leg->asked);
	int64_t aside = wl_health_left(&leg->health);

	if (!rule->again || r->no_again ||
	    leg->asked > r->conf->upstream_retries ||
	    (aside > 0 && is_down(rule->cause))) {
		leg->spent = true;
		return;
	}
	if (r->retry_ms > wait)
		wait = r->retry_ms;
	if (aside > wait)
		wait = aside;
	leg->at = wl_mono_fresh() + wait + (aside > 0 ? SLACK_MS : 0);
	leg->paid = true;
	leg->spent = wait > r->conf->retry_wait_max || leg->at >= r->deadline;
}

/*
 * What the failure of LEG means for the other targets: a host that is down is
 * not asked with all keys at once, a prompt that is too long for a model is
 * so with every key.
 */
static void
plan_others(struct wl_upcourse *c, const struct wl_upleg *leg,
    const struct wl_retry_rule *rule)
{
	int64_t at = wl_mono_fresh() + wl_retry_wait(c->r->conf, leg->asked);
	struct wl_upleg *o;
	bool same;
	int i;

	for (i = 0; i < c->n; i++) {
		o = &c->leg[i];
		if (o == leg)
			continue;
		same = strcmp(o->t->provider, leg->t->provider) == 0;
		if (!rule->next || (rule->other_model && same &&
		    strcmp(o->t->model, leg->t->model) == 0))
			o->spent = true;
		if (same && is_down(rule->cause) && o->asked == 0) {
			o->at = at;
			o->paid = true;
		}
	}
}

/*
 * What R's attempt at LEG says of its health.
 */
static void
judge(struct wl_upcourse *c, struct wl_upleg *leg, enum wl_upend end,
    const struct wl_retry_rule *rule)
{
	struct wl_uprun *r = c->r;

	if (end == WL_UP_GONE)
		return;
	if (end == WL_UP_DONE && !r->healthy)
		wl_health_ok(r->a, r->conf, &leg->health);
	else if (end != WL_UP_DONE && rule->cause != WL_HC_NONE)
		wl_health_fail(r->a, r->conf, &leg->health, rule->cause,
		    r->retry_ms);
	else if (r->answered && !r->healthy)
		wl_health_ok(r->a, r->conf, &leg->health);
}

/* ---- a second target beside the first ---------------------------------- */

/*
 * The next target of another provider or model, for the first attempt of a
 * call whose rule wants it.
 */
static struct wl_upleg *
rival_of(struct wl_upcourse *c, const struct wl_upleg *leg)
{
	struct wl_upleg *o;
	int i;

	if (leg->t->hedge == NULL || c->r->res->attempts > 0 ||
	    leg->t->own_key || c->r->conf->upstream_attempts < 2)
		return NULL;
	for (i = 0; i < c->n; i++) {
		o = &c->leg[i];
		if (o != leg && !o->spent && o->asked == 0 &&
		    (strcmp(o->t->provider, leg->t->provider) != 0 ||
		    strcmp(o->t->model, leg->t->model) != 0))
			return o;
	}
	return NULL;
}

/*
 * The first is late: whether the rival may be asked, by its price, the share
 * of such calls, and its health.
 */
static bool
may_race(void *arg)
{
	struct wl_upcourse *c = arg;
	const struct wl_target *t = c->rival->t;
	int64_t most = c->r->ask->max_tokens > 0 ? c->r->ask->max_tokens :
	    USUAL_OUTPUT;
	int64_t cost = wl_upstream_cost(c->r, t, most);

	if (cost == -1 || cost > t->hedge->max_nano ||
	    !wl_retry_hedge(project_of(t), t->hedge->percent, true) ||
	    !enter(c, c->rival)) {
		wl_retry_stat.hedges_refused++;
		return false;
	}
	wl_retry_stat.hedges++;
	c->rival->asked++;
	return true;
}

static void
set_race(struct wl_upcourse *c, struct wl_upleg *leg)
{
	struct wl_uprun *r = c->r;

	memset(&r->race, 0, sizeof(r->race));
	if ((c->rival = rival_of(c, leg)) == NULL)
		return;
	(void)wl_retry_hedge(project_of(leg->t), leg->t->hedge->percent,
	    false);
	r->race.t = c->rival->t;
	r->race.health = &c->rival->health;
	r->race.after_ms = leg->t->hedge->after_ms;
	r->race.may = may_race;
	r->race.arg = c;
}

/*
 * What the loser says of its health, and what it cost.
 */
static void
judge_loser(struct wl_upcourse *c, struct wl_upleg *loser, struct wl_tried *e)
{
	const struct wl_uprace *race = &c->r->race;
	struct wl_result *res;
	struct wl_retry_rule rule;

	if (race->cancelled) {
		e->word = "cancelled";
		e->cost_nano = race->cost_nano;
		return;
	}
	if ((res = wl_arena_alloc(c->r->a, sizeof(*res))) == NULL)
		return;
	memset(res, 0, sizeof(*res));
	res->upstream_http = race->status;
	res->err = race->err;
	rule = wl_retry_rule(c->r->conf, res);
	e->word = rule.word;
	if (rule.cause != WL_HC_NONE)
		wl_health_fail(c->r->a, c->r->conf, &loser->health,
		    rule.cause, 0);
}

/*
 * The attempt at LEG that began at BEGIN is over, with a second one beside
 * it.  Returns the one that R has gone on with.
 */
static struct wl_upleg *
end_race(struct wl_upcourse *c, struct wl_upleg *leg, int64_t *begin)
{
	const struct wl_uprace *race = &c->r->race;
	struct wl_upleg *winner = race->won ? c->rival : leg;
	struct wl_upleg *loser = race->won ? leg : c->rival;
	struct wl_tried *e;

	if (!race->begun)
		return leg;
	e = note(c->r->res, loser->t, "");
	e->asked = true;
	e->hedge = !race->won;
	e->status = race->status;
	e->at_us = race->won ? *begin : race->at_us;
	e->took_us = race->over_us - e->at_us;
	judge_loser(c, loser, e);
	loser->spent = true;
	if (race->won && race->cancelled)
		wl_retry_stat.hedges_won++;
	if (race->won)
		*begin = race->at_us;
	return winner;
}

/* ---- one attempt ------------------------------------------------------- */

/*
 * Ask LEG.  Returns what ends the call, or WL_UP_NEXT.
 */
static enum wl_upend
ask(struct wl_upcourse *c, struct wl_upleg *leg)
{
	struct wl_uprun *r = c->r;
	struct wl_result *res = r->res;
	struct wl_retry_rule rule = { .word = "ok" };
	int64_t begin = wl_upstream_age(r);
	struct wl_tried *e;
	enum wl_upend end;

	if (leg->asked++ == 0)
		wl_retry_earn(r->conf, project_of(leg->t), leg->t->provider);
	else
		wl_retry_stat.made++;
	set_race(c, leg);
	if (res->attempts > 0)
		start_over(res);
	r->t = leg->t;
	r->health = &leg->health;
	end = wl_upstream_attempt(r);
	leg = end_race(c, leg, &begin);
	if (end == WL_UP_GONE)
		rule.word = "cancelled";
	else if (end != WL_UP_DONE)
		rule = wl_retry_rule(r->conf, res);
	e = note(res, leg->t, rule.word);
	e->asked = true;
	e->hedge = r->race.won;
	e->status = res->upstream_http;
	e->at_us = begin;
	e->took_us = wl_upstream_age(r) - begin;
	judge(c, leg, end, &rule);
	if (end != WL_UP_NEXT || r->sink->data_sent || r->gone ||
	    wl_mono() >= r->deadline)
		return end == WL_UP_NEXT ? WL_UP_FAILED : end;
	if (res->err.code == WL_E_UPSTREAM_CREDENTIALS) {
		c->keys_refused++;
		c->key_status = res->upstream_http;
	}
	/* a key that was refused says less than any other failure */
	if (res->err.code != WL_E_UPSTREAM_CREDENTIALS ||
	    c->kept.err.code == WL_OK)
		save(res, &c->kept);
	plan_again(c, leg, &rule);
	plan_others(c, leg, &rule);
	return WL_UP_NEXT;
}

enum wl_upend
wl_upstream_course(struct wl_uprun *r, const struct wl_target *t, int n)
{
	struct wl_upcourse c = { .r = r, .n = n };
	enum wl_upend end;
	struct wl_upleg *leg;
	int i;

	for (i = 0; i < n; i++)
		c.leg[i].t = &t[i];
	/* of a call that asks nobody, for the event */
	(void)wl_strlcpy(r->res->provider, t[0].provider,
	    sizeof(r->res->provider));
	(void)wl_strlcpy(r->res->model, t[0].model, sizeof(r->res->model));
	(void)wl_strlcpy(r->res->variant, t[0].variant == NULL ? "" :
	    t[0].variant, sizeof(r->res->variant));
	while (r->res->attempts < r->conf->upstream_attempts &&
	    (leg = choose(&c)) != NULL) {
		if (leg->at >= r->deadline)
			leg->spent = true;
		if (leg->spent || !pay(leg))
			continue;
		if (wl_upstream_pause(r, leg->at, &end) == -1) {
			/* nothing was under way */
			r->res->upstream_us = wl_upstream_age(r) - r->base_us;
			return end;
		}
		if (!enter(&c, leg))
			continue;
		if (leg->asked == 0 && r->res->attempts > 0)
			wl_retry_stat.fallbacks++;
		if ((end = ask(&c, leg)) != WL_UP_NEXT)
			return end;
	}
	return wl_upstream_nobody(&c);
}
