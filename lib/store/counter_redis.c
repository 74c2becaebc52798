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
#include "lib/base/str.h"
#include "lib/base/wait.h"
#include "lib/store/counter_priv.h"
#include "lib/store/db.h"
#include "lib/store/redis.h"
#include "lib/store/scripts.h"

#define MINUTE_TTL	60000
#define SLIDING_TTL	120000	/* clocks of workers differ a little */
#define LEASE_SPARE	60000
/* Another process began a generation: time to bring it to Redis. */
#define HOLD_MS		1000
#define HOLD_POLL_MS	10
#define ROUNDS		8

/* ---- arguments --------------------------------------------------------- */

/*
 * Strings in the arena; FAILED once memory is out.
 */
struct list {
	struct wl_arena	 *a;
	const char	**v;
	int		  n, cap;
	bool		  failed;
};

static void
add(struct list *l, const char *s)
{
	const char **v;
	int cap;

	if (l->n == l->cap && !l->failed) {
		cap = l->cap == 0 ? 64 : 2 * l->cap;
		v = wl_arena_alloc(l->a, (size_t)cap * sizeof(*v));
		if (v != NULL && l->n > 0)
			memcpy(v, l->v, (size_t)l->n * sizeof(*v));
		if (v == NULL)
			l->failed = true;
		else {
			l->v = v;
			l->cap = cap;
		}
	}
	if (s == NULL)
		l->failed = true;
	if (!l->failed)
		l->v[l->n++] = s;
}

static void
add_int(struct list *l, int64_t v)
{
	add(l, wl_arena_printf(l->a, "%lld", (long long)v));
}

/*
 * Keys and arguments of one script.
 */
struct call {
	struct list	keys, args;
	const char	*id;		/* of the project, as keys have it */
	char		month[8];
	int64_t		minute;
	int64_t		month_ttl;
};

/*
 * A month is kept until the end of the next one.
 */
static int64_t
ttl_of_month(int64_t now_ms)
{
	return wl_clock_month_next(wl_clock_month_next(now_ms) * 1000) * 1000 -
	    now_ms;
}

static void
call_init(struct call *c, struct wl_arena *a, const struct wl_conf *conf,
    const char *project, int64_t now_ms)
{
	memset(c, 0, sizeof(*c));
	c->keys.a = c->args.a = a;
	c->id = conf->redis_hash_tags ? wl_arena_printf(a, "{%s}", project) :
	    project;
	wl_clock_month_name(now_ms, c->month);
	c->minute = now_ms / 60000;
	c->month_ttl = ttl_of_month(now_ms);
	if (c->id == NULL)
		c->keys.failed = true;
	else
		add(&c->keys, wl_arena_printf(a, "project:%s", c->id));
}

static void
key_month(struct call *c)
{
	add(&c->keys, wl_arena_printf(c->keys.a, "quota:%s:%s", c->id,
	    c->month));
}

static void
key_keys(struct call *c)
{
	add(&c->keys, wl_arena_printf(c->keys.a, "quota:%s:keys:%s", c->id,
	    c->month));
}

static void
key_minute(struct call *c, const char *key_id, int64_t minute)
{
	add(&c->keys, key_id == NULL ?
	    wl_arena_printf(c->keys.a, "ratelimit:%s:%lld", c->id,
		(long long)minute) :
	    wl_arena_printf(c->keys.a, "ratelimit:%s:key:%s:%lld", c->id,
		key_id, (long long)minute));
}

static void
key_sliding(struct call *c, const char *key_id)
{
	add(&c->keys, key_id == NULL ?
	    wl_arena_printf(c->keys.a, "ratelimit:%s:sliding", c->id) :
	    wl_arena_printf(c->keys.a, "ratelimit:%s:key:%s:sliding", c->id,
		key_id));
}

static void
key_leases(struct call *c)
{
	add(&c->keys, wl_arena_printf(c->keys.a, "leases:%s", c->id));
}

/*
 * The key of a row.  Returns the kind that the scripts know it by.
 */
static const char *
key_of_row(struct call *c, const struct wl_gate *g,
    const struct wl_limit_row *r)
{
	const char *key_id = g->key_id != NULL ? g->key_id : "";

	switch (r->name) {
	case WL_LN_MONTH:
		key_month(c);
		return "fixed";
	case WL_LN_KEY_MONTH:
		key_keys(c);
		return "key";
	case WL_LN_LEASE:
		key_leases(c);
		return "lease";
	case WL_LN_MINUTE:
		key_id = NULL;
		break;
	case WL_LN_KEY_MINUTE:
	case WL_LIMIT_NAME_MAX:
		break;
	}
	if (r->kind == WL_L_SLIDING) {
		key_sliding(c, key_id);
		return "sliding";
	}
	key_minute(c, key_id, c->minute);
	return "fixed";
}

static struct wl_reply *
run(struct wl_script *s, struct call *c, struct wl_err *e)
{
	int i, nkeys = c->keys.n;

	for (i = 0; i < c->args.n; i++)
		add(&c->keys, c->args.v[i]);
	if (c->keys.failed || c->args.failed) {
		wl_err_set(e, WL_E_UNAVAILABLE, NULL);
		wl_err_detail(e, "request memory is out");
		return NULL;
	}
	return wl_redis_script(c->keys.a, s, nkeys, c->keys.n, c->keys.v, e);
}

static int
unexpected(const struct wl_reply *r, struct wl_err *e)
{
	wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	return wl_err_detail(e, "redis: unexpected reply%s%s",
	    r->type == WL_R_ERROR ? ": " : "",
	    r->type == WL_R_ERROR ? r->str : "");
}

/* ---- what a generation begins with ------------------------------------- */

static const char *
key_id_of(const char *scope)
{
	return strncmp(scope, "key:", 4) == 0 ? scope + 4 : NULL;
}

static void
op(struct call *c, const char *name, int64_t ttl, int values)
{
	add(&c->args, name);
	add_int(&c->args, ttl);
	add_int(&c->args, values);
}

static void
seed_months(struct call *c, const struct wl_db_seed *s)
{
	int i, keys = 0;

	for (i = 0; i < s->n; i++) {
		if (strcmp(s->rows[i].kind, "month") != 0)
			continue;
		if (key_id_of(s->rows[i].scope) != NULL) {
			keys++;
			continue;
		}
		key_month(c);
		op(c, "set", c->month_ttl, 1);
		add_int(&c->args, s->rows[i].used);
	}
	key_keys(c);
	op(c, "hash", c->month_ttl, 2 * keys);
	for (i = 0; i < s->n; i++) {
		if (strcmp(s->rows[i].kind, "month") != 0 ||
		    key_id_of(s->rows[i].scope) == NULL)
			continue;
		add(&c->args, key_id_of(s->rows[i].scope));
		add_int(&c->args, s->rows[i].used);
	}
}

/*
 * The calls of the last 60 s come ordered by nothing: each is sent to the
 * window of its scope, and those of the minute before are counted, for a
 * worker whose clock is a little behind.
 */
static void
seed_minutes(struct call *c, const struct wl_db_seed *s, bool sliding)
{
	const struct wl_db_seed_row *r;
	int64_t before = 0;
	int i;

	for (i = 0; i < s->n; i++) {
		r = &s->rows[i];
		if (strcmp(r->kind, "minute") == 0) {
			key_minute(c, key_id_of(r->scope), r->window);
			op(c, "max", MINUTE_TTL, 1);
			add_int(&c->args, r->used);
		}
		if (strcmp(r->kind, "sliding") != 0)
			continue;
		if (r->scope[0] == '\0' && r->window / 60000 == c->minute - 1)
			before++;
		if (sliding && r->event != NULL) {
			key_sliding(c, key_id_of(r->scope));
			op(c, "times", SLIDING_TTL, 2);
			add_int(&c->args, r->window);
			add(&c->args, r->event);
		}
	}
	if (before > 0) {
		key_minute(c, NULL, c->minute - 1);
		op(c, "max", MINUTE_TTL, 1);
		add_int(&c->args, before);
	}
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
ttl_of_row(const struct call *c, const struct wl_gate *g,
    const struct wl_limit_row *r)
{
	switch (r->name) {
	case WL_LN_MONTH:
	case WL_LN_KEY_MONTH:
		return c->month_ttl;
	case WL_LN_LEASE:
		return g->lease_ms + LEASE_SPARE;
	case WL_LN_MINUTE:
	case WL_LN_KEY_MINUTE:
	case WL_LIMIT_NAME_MAX:
		break;
	}
	return r->kind == WL_L_SLIDING ? SLIDING_TTL : MINUTE_TTL;
}

static void
add_row(struct call *c, const struct wl_gate *g, const struct wl_limit_row *r)
{
	add(&c->args, key_of_row(c, g, r));
	add_int(&c->args, r->limit);
	add_int(&c->args, r->cost);
	add_int(&c->args, ttl_of_row(c, g, r));
	add(&c->args, r->name == WL_LN_MONTH ? "month" :
	    r->name == WL_LN_KEY_MONTH ? "keys" : "");
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
gate_call(struct call *c, const struct wl_gate *g, const char *trust,
    const struct wl_db_seed *seed)
{
	int i;

	add_int(&c->args, g->now_ms);
	add_int(&c->args, g->version);
	add(&c->args, trust);
	add(&c->args, g->event_id != NULL ? g->event_id : "");
	add_int(&c->args, g->lease_ms);
	add_int(&c->args, c->month_ttl);
	add(&c->args, g->key_id != NULL ? g->key_id : "");
	add(&c->args, seed != NULL ? seed->generation : "");
	add_int(&c->args, counted(g));
	for (i = 0; i < g->nrows; i++)
		if (is_counted(&g->rows[i]))
			add_row(c, g, &g->rows[i]);
	if (seed == NULL)
		return;
	seed_months(c, seed);
	seed_minutes(c, seed, is_sliding(g));
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
	unexpected(r, e);
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
	struct call c;
	struct wl_reply *r;

	call_init(&c, a, conf, g->project, g->now_ms);
	gate_call(&c, g, trust, seed);
	r = run(&wl_scripts_gate, &c, e);
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
	const char *key_id;
	int i;

	for (i = 0; i < g->nrows; i++) {
		r = &g->rows[i];
		if (r->used >= 0)
			continue;
		r->used = 0;
		if (r->name != WL_LN_MONTH && r->name != WL_LN_KEY_MONTH)
			continue;
		key_id = r->name == WL_LN_MONTH ? NULL : g->key_id;
		if (wl_db_month_used(a, WL_ROLE_APP, g->project, key_id,
		    g->now_ms, &r->used, e) == -1)
			return -1;
	}
	return 0;
}

int
wl_counter_redis_read(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_gate *g, struct wl_err *e)
{
	struct wl_reply *r;
	struct call c;
	int i;

	call_init(&c, a, conf, g->project, g->now_ms);
	add_int(&c.args, g->now_ms);
	add(&c.args, g->key_id != NULL ? g->key_id : "");
	for (i = 0; i < g->nrows; i++)
		if (is_counted(&g->rows[i])) {
			add(&c.args, key_of_row(&c, g, &g->rows[i]));
			add_int(&c.args, g->rows[i].limit);
		}
	if ((r = run(&wl_scripts_read, &c, e)) == NULL)
		return -1;
	if (r->type != WL_R_ARRAY || r->n < 1 || r->item[0]->str == NULL ||
	    take_rows(g, r, 1) == -1)
		return unexpected(r, e);
	wl_strlcpy(g->generation, r->item[0]->str, sizeof(g->generation));
	return fill_in(a, g, e);
}

/* ---- settling ---------------------------------------------------------- */

struct wl_redis_settle {
	struct wl_redis_req	req;
};

struct wl_redis_settle *
wl_counter_redis_settle_send(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_gate *g, const struct wl_refund *f, struct wl_err *e)
{
	struct wl_redis_settle *s = wl_arena_alloc(a, sizeof(*s));
	struct call c;
	int i, nkeys;

	call_init(&c, a, conf, g->project, g->now_ms);
	key_month(&c);
	key_keys(&c);
	key_leases(&c);
	nkeys = c.keys.n;
	add(&c.args, g->generation);
	add(&c.args, f->lease ? g->event_id : "");
	add_int(&c.args, f->month);
	add(&c.args, g->key_id != NULL ? g->key_id : "");
	add_int(&c.args, f->key_month);
	for (i = 0; i < c.args.n; i++)
		add(&c.keys, c.args.v[i]);
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
	return r->type == WL_R_INT ? 0 : unexpected(r, e);
}

/* ---- operators --------------------------------------------------------- */

/*
 * Whatever is there, MINUTE calls were admitted in this one.
 */
static void
set_minute(struct call *c, int64_t now_ms, int64_t minute)
{
	int64_t i;

	key_minute(c, NULL, c->minute);
	op(c, "set", MINUTE_TTL, 1);
	add_int(&c->args, minute);
	key_sliding(c, NULL);
	op(c, "clear", 0, 0);
	if (minute == 0)
		return;
	key_sliding(c, NULL);
	op(c, "times", SLIDING_TTL, (int)(2 * minute));
	for (i = 0; i < minute; i++) {
		add_int(&c->args, now_ms);
		add(&c->args, wl_arena_printf(c->args.a, "set/%lld",
		    (long long)i));
	}
}

/*
 * Begin a generation from outside of a call.
 */
static int
begin_now(struct wl_arena *a, const struct wl_conf *conf, enum wl_role role,
    const char *project, int64_t now_ms, int64_t minute, struct wl_err *e)
{
	struct wl_gate g = { .project = project, .now_ms = now_ms };
	struct wl_db_seed seed;
	struct wl_reply *r;
	struct call c;
	int found;

	found = wl_db_seed(a, role, project, now_ms, 0, &seed, e);
	if (found == -1 || wl_db_project_version(a, project, &g.version, NULL,
	    e) == -1)
		return -1;
	if (found == 0)
		return wl_err_set(e, WL_E_NOT_FOUND, "no project \"%s\"",
		    project);
	call_init(&c, a, conf, project, now_ms);
	gate_call(&c, &g, "true", &seed);
	if (minute >= 0)
		set_minute(&c, now_ms, minute);
	if ((r = run(&wl_scripts_gate, &c, e)) == NULL)
		return -1;
	if (r->type != WL_R_ARRAY || r->n < 1)
		return unexpected(r, e);
	return 0;
}

int
wl_counter_redis_set(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, int64_t now_ms, int64_t minute, struct wl_err *e)
{
	if (minute > 100000)
		return wl_err_set(e, WL_E_INVALID_REQUEST,
		    "a minute of more than 100000 calls cannot be set");
	return begin_now(a, conf, WL_ROLE_OWNER, project, now_ms, minute, e);
}

int
wl_counter_redis_begin(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, int64_t now_ms, struct wl_err *e)
{
	return begin_now(a, conf, WL_ROLE_ROLLUP, project, now_ms, -1, e);
}

int
wl_counter_version(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, int64_t version, struct wl_err *e)
{
	int64_t now = wl_clock_ms();
	struct wl_reply *r;
	struct call c;

	if (conf->counters == WL_COUNTERS_POSTGRES)
		return 0;
	call_init(&c, a, conf, project, now);
	add_int(&c.args, version);
	add_int(&c.args, now);
	add_int(&c.args, c.month_ttl);
	if ((r = run(&wl_scripts_version, &c, e)) == NULL)
		return -1;
	return r->type == WL_R_INT ? 0 : unexpected(r, e);
}

/* ---- fix-ups and addresses --------------------------------------------- */

/*
 * "MS ID,MS ID" as MS, ID, MS, ID.
 */
static void
add_calls(struct call *c, const char *calls)
{
	struct wl_str rest = wl_str_of(calls), id, ms;

	while (rest.len > 0) {
		id = wl_str_cut(&rest, ',');
		ms = wl_str_cut(&id, ' ');
		if (ms.len == 0 || id.len == 0)
			continue;
		add(&c->args, wl_arena_dup(c->args.a, ms.p, ms.len));
		add(&c->args, wl_arena_dup(c->args.a, id.p, id.len));
	}
}

int
wl_counter_fixup(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_counter_fixup *f, int64_t now_ms, struct wl_err *e)
{
	const char *id = f->key_id != NULL ? f->key_id : "";
	struct wl_reply *r;
	struct call c;

	call_init(&c, a, conf, f->project, f->month_ms);
	key_month(&c);
	key_keys(&c);
	key_minute(&c, NULL, f->minute);
	key_minute(&c, id, f->minute);
	key_sliding(&c, NULL);
	key_sliding(&c, id);
	add_int(&c.args, f->id);
	add(&c.args, f->generation);
	add(&c.args, f->host);
	add_int(&c.args, now_ms);
	add_int(&c.args, f->month_n);
	add_int(&c.args, f->minute_n);
	add_int(&c.args, f->minute);
	add(&c.args, id);
	add_int(&c.args, ttl_of_month(now_ms));
	add_int(&c.args, c.month_ttl - (now_ms - f->month_ms));
	add_calls(&c, f->calls);
	if ((r = run(&wl_scripts_fixup, &c, e)) == NULL)
		return -1;
	return r->type == WL_R_INT ? 0 : unexpected(r, e);
}

int64_t
wl_counter_address(struct wl_arena *a, const char *kind, const char *addr,
    int64_t now_ms, int cost)
{
	struct list l = { .a = a };
	struct wl_reply *r;
	struct wl_err e;

	add(&l, wl_arena_printf(a, "fail:%s:%s:%lld", kind, addr,
	    (long long)(now_ms / 60000)));
	add_int(&l, cost);
	if (l.failed)
		return -1;
	r = wl_redis_script(a, &wl_scripts_address, 1, l.n, l.v, &e);
	return r != NULL && r->type == WL_R_INT ? r->integer : -1;
}
