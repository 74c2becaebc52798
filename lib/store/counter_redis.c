/*
 * Counters in Redis: keys and arguments of the scripts in scripts.c, and what
 * is done when they answer that they do not know.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/co.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/loop.h"
#include "lib/base/rand.h"
#include "lib/base/str.h"
#include "lib/base/wait.h"
#include "lib/store/counter_keys.h"
#include "lib/store/counter_priv.h"
#include "lib/store/db.h"
#include "lib/store/redis.h"
#include "lib/store/scripts.h"

#define LEASE_SPARE	60000
/* A limit that nothing reaches: what doubles still count one by one. */
#define NEVER		(INT64_C(1) << 53)
/* Another process began a generation: time to bring it to Redis. */
#define HOLD_MS		1000
#define HOLD_POLL_MS	10
#define ROUNDS		8

/*
 * Whose counter a row is: "key:ID", the scope of a rule, or NULL.
 */
static const char *
sub_of(struct wl_arena *a, const struct wl_gate *g,
    const struct wl_limit_row *r)
{
	if (r->name == WL_LN_RULE)
		return r->scope;
	return wl_limit_row_of_key(r) ? wl_arena_printf(a, "key:%s",
	    g->key_id != NULL ? g->key_id : "") : NULL;
}

/*
 * The key of a row.  Returns the kind that the scripts know it by.
 */
static const char *
key_of_row(struct wl_counter_keys *c, const struct wl_gate *g,
    const struct wl_limit_row *r)
{
	if (r->name == WL_LN_KEY_MONTH) {
		wl_counter_keys_key_months(c);
		return "key";
	}
	if (r->kind == WL_L_SLIDING) {
		wl_counter_keys_sliding(c, r->name == WL_LN_MINUTE ? NULL :
		    g->key_id != NULL ? g->key_id : "");
		return "sliding";
	}
	wl_counter_keys_unit(c, wl_limit_row_unit(r), sub_of(c->keys.a, g, r),
	    c->now_ms);
	return r->kind == WL_L_LEASE ? "lease" : "fixed";
}

/* ---- the gate ---------------------------------------------------------- */

enum answer { ANSWER_FAILED, ANSWER_DECIDED, ANSWER_STALE, ANSWER_AGED, ANSWER_LOST };

static bool
is_counted(const struct wl_limit_row *r)
{
	return r->limit >= 0;
}

static bool
is_sliding(const struct wl_gate *g)
{
	int i;

	for (i = 0; i < g->nrows; i++)
		if (is_counted(&g->rows[i]) && g->rows[i].kind == WL_L_SLIDING)
			return true;
	return false;
}

static int64_t
ttl_of_row(const struct wl_counter_keys *c, const struct wl_gate *g,
    const struct wl_limit_row *r)
{
	enum wl_limit_unit unit = wl_limit_row_unit(r);

	if (unit == WL_LU_MONTH || unit == WL_LU_MONTH_NANO)
		return c->month_ttl;
	if (r->kind == WL_L_LEASE)
		return g->lease_ms + LEASE_SPARE;
	return r->kind == WL_L_SLIDING ? WL_COUNTER_SLIDING_TTL :
	    wl_counter_keys_unit_ttl(unit, c->now_ms, c->now_ms);
}

/*
 * What must be there already: the project's month always is; whatever else
 * lasts was counted since this version of the project at the earliest.
 */
static const char *
need_of_row(const struct wl_limit_row *r)
{
	if (r->name == WL_LN_MONTH)
		return "month";
	return wl_limit_row_unit(r) == WL_LU_MONTH ||
	    wl_limit_row_is_money(r) ? "keys" : "";
}

static void
add_row(struct wl_counter_keys *c, const struct wl_gate *g,
    const struct wl_limit_row *r)
{
	wl_counter_keys_add(&c->args, key_of_row(c, g, r));
	wl_counter_keys_add_int(&c->args, r->shadow || r->exempt ? NEVER : r->limit);
	wl_counter_keys_add_int(&c->args, r->cost);
	wl_counter_keys_add_int(&c->args, ttl_of_row(c, g, r));
	wl_counter_keys_add(&c->args, need_of_row(r));
}

static int
counted(const struct wl_gate *g)
{
	int i, n = 0;

	for (i = 0; i < g->nrows; i++)
		n += is_counted(&g->rows[i]);
	return n;
}

static void
gate_call(struct wl_counter_keys *c, const struct wl_gate *g, const char *trust,
    const struct wl_db_seed *seed)
{
	int i;

	wl_counter_keys_add_int(&c->args, g->now_ms);
	wl_counter_keys_add_int(&c->args, g->version);
	wl_counter_keys_add(&c->args, trust);
	wl_counter_keys_add(&c->args, g->event_id != NULL ? g->event_id : "");
	wl_counter_keys_add_int(&c->args, g->lease_ms);
	wl_counter_keys_add_int(&c->args, c->month_ttl);
	wl_counter_keys_add(&c->args, g->key_id != NULL ? g->key_id : "");
	wl_counter_keys_add(&c->args, seed != NULL ? seed->generation : "");
	wl_counter_keys_add_int(&c->args, counted(g));
	for (i = 0; i < g->nrows; i++)
		if (is_counted(&g->rows[i]))
			add_row(c, g, &g->rows[i]);
	if (seed == NULL)
		return;
	wl_counter_seed_add(c, seed, is_sliding(g));
}

/*
 * Used and reset of the counted rows, from ITEM on.
 */
static int
take_rows(struct wl_gate *g, const struct wl_reply *r, size_t at)
{
	int i;

	for (i = 0; i < g->nrows; i++) {
		if (!is_counted(&g->rows[i]))
			continue;
		if (at + 2 > r->n || r->item[at]->type != WL_R_INT ||
		    r->item[at + 1]->type != WL_R_INT)
			return -1;
		g->rows[i].used = r->item[at]->integer;
		if (r->item[at + 1]->integer != 0)
			g->rows[i].reset_ms = r->item[at + 1]->integer;
		at += 2;
	}
	return 0;
}

/*
 * The place among all rows of the Nth counted one.
 */
static int
row_at(const struct wl_gate *g, int64_t n)
{
	int i;

	for (i = 0; i < g->nrows; i++)
		if (is_counted(&g->rows[i]) && --n == 0)
			return i;
	return -1;
}

static enum answer
read_answer(struct wl_gate *g, const struct wl_reply *r, int64_t *version,
    struct wl_err *e)
{
	const char *word = r->n > 0 ? r->item[0]->str : NULL;

	if (r->type == WL_R_ARRAY && word != NULL) {
		if (strcmp(word, "STALE") == 0 && r->n == 2) {
			*version = strtoll(r->item[1]->str, NULL, 10);
			return ANSWER_STALE;
		}
		if (strcmp(word, "AGED") == 0)
			return ANSWER_AGED;
		if (strcmp(word, "LOST") == 0)
			return ANSWER_LOST;
		if (r->n >= 3 && r->item[1]->type == WL_R_INT &&
		    take_rows(g, r, 3) == 0) {
			g->refused_by = row_at(g, r->item[1]->integer);
			g->result = strcmp(word, "OK") == 0 ? WL_G_ADMITTED :
			    WL_G_REFUSED;
			wl_strlcpy(g->generation, r->item[2]->str,
			    sizeof(g->generation));
			return ANSWER_DECIDED;
		}
	}
	wl_counter_keys_unexpected(r, e);
	return ANSWER_FAILED;
}

/*
 * Ask the script.  TRUST is what it takes the version for; SEED is what a
 * new generation begins with, or NULL.  *VERSION is the one in force when
 * the answer is STALE, 0 when none is known.
 */
static enum answer
ask(struct wl_arena *a, const struct wl_conf *conf, struct wl_gate *g,
    const char *trust, const struct wl_db_seed *seed, int64_t *version,
    struct wl_err *e)
{
	struct wl_counter_keys c;
	struct wl_reply *r;

	wl_counter_keys_init(&c, a, conf, g->project, g->now_ms);
	gate_call(&c, g, trust, seed);
	r = wl_counter_keys_run(&wl_scripts_gate, &c, e);
	return r == NULL ? ANSWER_FAILED : read_answer(g, r, version, e);
}

/* ---- one repairs for all of a process ---------------------------------- */

/*
 * Projects whose counters somebody repairs now; entries lie on the stacks of
 * those who do.
 */
struct repair {
	struct repair	*next;
	const char	*project;
	struct wl_co	*waiting[64];
	int		 nwaiting;
};
static struct repair *repairs;

static struct repair *
find_repair(const char *project)
{
	struct repair *r;

	for (r = repairs; r != NULL; r = r->next)
		if (strcmp(r->project, project) == 0)
			return r;
	return NULL;
}

static void
enter(struct repair *r, const char *project)
{
	r->project = project;
	r->nwaiting = 0;
	r->next = repairs;
	repairs = r;
}

static void
leave(struct repair *r)
{
	struct repair **pp;
	int i;

	for (pp = &repairs; *pp != r; pp = &(*pp)->next)
		;
	*pp = r->next;
	for (i = 0; i < r->nwaiting; i++)
		wl_wake(r->waiting[i]);
}

/*
 * Until nobody repairs PROJECT.  Those for whom there is no room look again
 * every few milliseconds.
 */
static int
await_repair(const char *project, int64_t deadline)
{
	struct repair *r;
	int64_t now;
	int n;

	while ((r = find_repair(project)) != NULL) {
		now = wl_mono_fresh();
		if (now >= deadline)
			return -1;
		n = -1;
		if (r->nwaiting < 64)
			r->waiting[n = r->nwaiting++] = wl_co_self();
		if (wl_wait(-1, WL_WOKEN, n >= 0 ? deadline :
		    now + HOLD_POLL_MS) == -1)
			return -1;
	}
	return 0;
}

static int
unavailable(struct wl_err *e, const char *why)
{
	wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	return wl_err_detail(e, "%s", why);
}

/*
 * The version is unknown to Redis, or old.  *TRUST becomes what the script
 * may take ours for; NULL: it is not the present one.
 */
static int
confirm(struct wl_arena *a, const struct wl_gate *g, enum answer why,
    const char **trust, struct wl_err *e)
{
	int64_t version;
	int r = wl_db_project_version(a, g->project, &version, NULL, e);

	if (r == -1 && why == ANSWER_AGED) {
		/* nothing can be revoked while PostgreSQL is away */
		*trust = "aged";
		return 0;
	}
	if (r == -1)
		return -1;
	*trust = r == 1 && version == g->version ? "true" : NULL;
	return 0;
}

/*
 * There are no counters.  Returns 1 with *SEED, 0 when another process has
 * just begun a generation, or -1.
 */
static int
begin(struct wl_arena *a, const struct wl_gate *g, struct wl_db_seed *seed,
    struct wl_err *e)
{
	int r = wl_db_seed(a, WL_ROLE_APP, g->project, g->now_ms, HOLD_MS,
	    seed, e);

	if (r == 0 && wl_sleep(HOLD_POLL_MS) == -1)
		return unavailable(e, "cancelled");
	return r;
}

/*
 * Mend what made the script answer WHY, and ask it again until it decides.
 */
static enum answer
repair(struct wl_arena *a, const struct wl_conf *conf, struct wl_gate *g,
    enum answer why, int64_t *version, int64_t deadline, struct wl_err *e)
{
	struct wl_db_seed seed;
	const char *trust = "";
	bool seeded;
	int r;

	while (why != ANSWER_DECIDED && why != ANSWER_FAILED) {
		if (wl_mono_fresh() >= deadline) {
			unavailable(e, "counters could not be made in time");
			return ANSWER_FAILED;
		}
		seeded = false;
		if (why == ANSWER_LOST) {
			if ((r = begin(a, g, &seed, e)) == -1)
				return ANSWER_FAILED;
			seeded = r == 1;
		} else {
			if (*version > g->version || strcmp(trust, "true") == 0)
				return ANSWER_STALE;
			if (confirm(a, g, why, &trust, e) == -1)
				return ANSWER_FAILED;
			if (trust == NULL)
				return ANSWER_STALE;
		}
		why = ask(a, conf, g, trust, seeded ? &seed : NULL, version, e);
	}
	return why;
}

int
wl_counter_redis_admit(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_gate *g, struct wl_err *e)
{
	int64_t version = 0, deadline = 0;
	struct repair mine;
	enum answer got = ask(a, conf, g, "", NULL, &version, e);
	int i;

	for (i = 0; i < ROUNDS && got != ANSWER_DECIDED &&
	    got != ANSWER_FAILED; i++) {
		if (got == ANSWER_STALE && version > g->version)
			break;
		if (i == 0)
			deadline = wl_mono_fresh() + conf->database_timeout +
			    HOLD_MS;
		if (find_repair(g->project) != NULL) {
			if (await_repair(g->project, deadline) == -1)
				return unavailable(e,
				    "counters were not made in time");
			got = ask(a, conf, g, "", NULL, &version, e);
			continue;
		}
		enter(&mine, g->project);
		got = repair(a, conf, g, got, &version, deadline, e);
		leave(&mine);
		if (got == ANSWER_STALE)
			break;
	}
	switch (got) {
	case ANSWER_DECIDED:
		return 0;
	case ANSWER_STALE:
		g->result = WL_G_STALE;
		return 0;
	case ANSWER_FAILED:
		/* whatever PostgreSQL said, the limits are not known */
		e->code = WL_E_UNAVAILABLE;
		return -1;
	case ANSWER_AGED:
	case ANSWER_LOST:
		break;
	}
	return unavailable(e, "counters are lost again and again");
}

/* ---- reading ----------------------------------------------------------- */

/*
 * What the ledger says where Redis has nothing: -1 in a row.
 */
static int
fill_in(struct wl_arena *a, struct wl_gate *g, struct wl_err *e)
{
	struct wl_limit_row *r;
	int i;

	for (i = 0; i < g->nrows; i++) {
		r = &g->rows[i];
		if (r->used < 0 && wl_counter_ledger(a, g, r, e) == -1)
			return -1;
	}
	return 0;
}

int
wl_counter_redis_read(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_gate *g, struct wl_err *e)
{
	struct wl_reply *r;
	struct wl_counter_keys c;
	int i;

	wl_counter_keys_init(&c, a, conf, g->project, g->now_ms);
	wl_counter_keys_add_int(&c.args, g->now_ms);
	wl_counter_keys_add(&c.args, g->key_id != NULL ? g->key_id : "");
	for (i = 0; i < g->nrows; i++)
		if (is_counted(&g->rows[i])) {
			wl_counter_keys_add(&c.args, key_of_row(&c, g, &g->rows[i]));
			wl_counter_keys_add_int(&c.args, g->rows[i].limit);
		}
	if ((r = wl_counter_keys_run(&wl_scripts_read, &c, e)) == NULL)
		return -1;
	if (r->type != WL_R_ARRAY || r->n < 1 || r->item[0]->str == NULL ||
	    take_rows(g, r, 1) == -1)
		return wl_counter_keys_unexpected(r, e);
	wl_strlcpy(g->generation, r->item[0]->str, sizeof(g->generation));
	return fill_in(a, g, e);
}

/* ---- settling ---------------------------------------------------------- */

struct wl_redis_settle {
	struct wl_redis_req	req;
};

/*
 * The key that D is done to, and how.  Tokens beyond what was reserved are
 * paid by the minute that it is.
 */
static const char *
settle_key(struct wl_counter_keys *c, const struct wl_gate *g,
    const struct wl_delta *d)
{
	const struct wl_limit_row *row = d->row;

	if (wl_limit_row_unit(row) == WL_LU_TOKENS && d->n > 0) {
		wl_counter_keys_unit(c, WL_LU_TOKENS, sub_of(c->keys.a, g,
		    row), wl_clock_ms());
		return "charge";
	}
	if (row->name == WL_LN_MONTH) {
		wl_counter_keys_month(c);
		return "month";
	}
	return key_of_row(c, g, row);
}

struct wl_redis_settle *
wl_counter_redis_settle_send(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_gate *g, const struct wl_deltas *d, struct wl_err *e)
{
	struct wl_redis_settle *s = wl_arena_alloc(a, sizeof(*s));
	struct wl_counter_keys c;
	int i, nkeys;

	wl_counter_keys_init(&c, a, conf, g->project, g->now_ms);
	wl_counter_keys_add(&c.args, g->generation);
	wl_counter_keys_add(&c.args, g->event_id);
	wl_counter_keys_add(&c.args, g->key_id != NULL ? g->key_id : "");
	wl_counter_keys_add_int(&c.args, g->now_ms);
	for (i = 0; i < d->n; i++) {
		wl_counter_keys_add(&c.args, settle_key(&c, g, &d->d[i]));
		wl_counter_keys_add_int(&c.args, d->d[i].n);
	}
	nkeys = c.keys.n;
	for (i = 0; i < c.args.n; i++)
		wl_counter_keys_add(&c.keys, c.args.v[i]);
	if (s == NULL || c.keys.failed || c.args.failed) {
		unavailable(e, "request memory is out");
		return NULL;
	}
	if (wl_redis_script_send(&s->req, a, &wl_scripts_settle, nkeys,
	    c.keys.n, c.keys.v, NULL, e) == -1)
		return NULL;
	return s;
}

int
wl_counter_redis_settle_wait(struct wl_redis_settle *s, struct wl_err *e)
{
	struct wl_reply *r = wl_redis_script_wait(&s->req, &wl_scripts_settle,
	    e);

	if (r == NULL)
		return -1;
	return r->type == WL_R_INT ? 0 : wl_counter_keys_unexpected(r, e);
}

/* ---- operators --------------------------------------------------------- */

/*
 * Begin a generation from outside of a call.
 */
static int
begin_now(struct wl_arena *a, const struct wl_conf *conf, enum wl_role role,
    const char *project, int64_t now_ms, struct wl_err *e)
{
	struct wl_gate g = { .project = project, .now_ms = now_ms };
	struct wl_db_seed seed;
	struct wl_reply *r;
	struct wl_counter_keys c;
	int found;

	found = wl_db_seed(a, role, project, now_ms, 0, &seed, e);
	if (found == -1 || wl_db_project_version(a, project, &g.version, NULL,
	    e) == -1)
		return -1;
	if (found == 0)
		return wl_err_set(e, WL_E_NOT_FOUND, "no project \"%s\"",
		    project);
	wl_counter_keys_init(&c, a, conf, project, now_ms);
	gate_call(&c, &g, "true", &seed);
	if ((r = wl_counter_keys_run(&wl_scripts_gate, &c, e)) == NULL)
		return -1;
	if (r->type != WL_R_ARRAY || r->n < 1)
		return wl_counter_keys_unexpected(r, e);
	return 0;
}

/*
 * 1: done, 0: there are no counters, or -1.
 */
static int
change(struct wl_arena *a, const struct wl_conf *conf, const char *project,
    int64_t now_ms, const struct wl_usage_change *u, struct wl_err *e)
{
	struct wl_reply *r;
	struct wl_counter_keys c;
	char id[37];

	wl_uuid7(now_ms, id);
	wl_counter_keys_init(&c, a, conf, project, now_ms);
	wl_counter_keys_month(&c);
	wl_counter_keys_minute(&c, NULL, c.minute);
	wl_counter_keys_sliding(&c, NULL);
	wl_counter_keys_add_int(&c.args, now_ms);
	wl_counter_keys_add(&c.args, u->add ? "add" : "set");
	wl_counter_keys_add_int(&c.args, u->minute);
	wl_counter_keys_add_int(&c.args, u->month);
	wl_counter_keys_add_int(&c.args, c.month_ttl);
	wl_counter_keys_add(&c.args, id);
	if ((r = wl_counter_keys_run(&wl_scripts_usage, &c, e)) == NULL)
		return -1;
	return r->type == WL_R_INT ? (int)r->integer :
	    wl_counter_keys_unexpected(r, e);
}

int
wl_counter_redis_change(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, int64_t now_ms, const struct wl_usage_change *u,
    struct wl_err *e)
{
	struct wl_usage_change rest = *u;
	int found;

	if (u->minute > WL_COUNTER_MINUTE_MAX)
		return wl_err_set(e, WL_E_INVALID_REQUEST, "a minute of more "
		    "than %d calls cannot be set", WL_COUNTER_MINUTE_MAX);
	if ((found = change(a, conf, project, now_ms, u, e)) != 0)
		return found == 1 ? 0 : -1;
	/* the month begins with what the ledger says now */
	rest.month = -1;
	if (begin_now(a, conf, WL_ROLE_OWNER, project, now_ms, e) == -1)
		return -1;
	return change(a, conf, project, now_ms, &rest, e) == -1 ? -1 : 0;
}

int
wl_counter_redis_begin(struct wl_arena *a, const struct wl_conf *conf,
    enum wl_role role, const char *project, int64_t now_ms, struct wl_err *e)
{
	return begin_now(a, conf, role, project, now_ms, e);
}
