/*
 * Counters of both kinds: they admit as many as they should and not one more,
 * and agree with the ledger in the end, whatever is lost in between.
 */
#include "config.h"
#include "lib/base/clock.h"
#include "lib/base/loop.h"
#include "lib/base/rand.h"
#include "lib/base/wait.h"
#include "lib/store/counter.h"
#include "lib/store/db.h"
#include "lib/store/redis.h"
#include "lib/store/scripts.h"
#include "tests/db/stores.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N	300	/* calls at once */

static struct wl_err		e;
static struct wl_conf		conf;	/* of the test that runs */
static struct stores_project	p;
static int64_t			now;

/* ---- asking ------------------------------------------------------------ */

struct ask {
	struct wl_gate	g;
	char		event[37];
	int64_t		reserved;	/* of tokens; as many nano-dollars */
	int64_t		tokens, nano;	/* used in the end */
	const char	*scopes;	/* of rules, "{a,b}" */
};

static void
row(struct wl_gate *g, enum wl_limit_name name, enum wl_limit_kind kind,
    int64_t limit)
{
	struct wl_limit_row *r = &g->rows[g->nrows++];

	r->name = name;
	r->kind = kind;
	r->limit = limit;
	r->cost = 1;
}

/*
 * A call of P at NOW with these limits of the minute and the month.
 */
static void
prepare(struct ask *a, bool sliding, int64_t minute, int64_t month)
{
	memset(a, 0, sizeof(*a));
	wl_uuid7(now, a->event);
	a->g.project = p.id;
	a->g.key_id = p.key_id;
	a->g.version = p.version;
	a->g.now_ms = now;
	a->g.event_id = a->event;
	a->g.lease_ms = 5000;
	row(&a->g, WL_LN_MINUTE, sliding ? WL_L_SLIDING : WL_L_FIXED, minute);
	row(&a->g, WL_LN_MONTH, WL_L_FIXED, month);
}

static enum wl_gate_result
decide(struct ask *a)
{
	if (wl_counter_admit(stores_arena(), &conf, &a->g, &e) == -1) {
		printf("# %s\n", e.detail);
		CU_FAIL("the counters are away");
		return WL_G_STALE;
	}
	return a->g.result;
}

static bool
admitted(bool sliding, int64_t minute, int64_t month)
{
	struct ask a;

	prepare(&a, sliding, minute, month);
	return decide(&a) == WL_G_ADMITTED;
}

static void
settle(struct ask *a, bool refund)
{
	const struct wl_truth truth = { .refund_month = refund,
	    .tokens = a->tokens, .nano = a->nano };

	wl_counter_settle_wait(wl_counter_settle_send(stores_arena(), &conf,
	    &a->g, &truth));
}

static int64_t
used(enum wl_limit_name name, enum wl_limit_kind kind)
{
	struct wl_gate g = { .project = p.id, .key_id = p.key_id,
	    .now_ms = now };

	row(&g, name, kind, 1000);
	CU_ASSERT_EQUAL(wl_counter_read(stores_arena(), &conf, &g, &e), 0);
	return g.rows[0].used;
}

static int64_t
minute_used(void)
{
	return used(WL_LN_MINUTE, WL_L_FIXED);
}

static int64_t
month_used(void)
{
	return used(WL_LN_MONTH, WL_L_FIXED);
}

static int
set_used(const char *project, int64_t minute, int64_t month)
{
	return wl_counter_set(stores_arena(), &conf, "test", project, now,
	    minute, month, &e);
}

/* ---- the drain, as the consumer does it -------------------------------- */

/*
 * One record, in a transaction of its own: KIND "B" or "E".
 */
static void
drain(const char *kind, const struct ask *a, bool month_counted)
{
	char ms[24], reserved[24], tokens[24], nano[24];
	bool end = kind[0] == 'E';
	struct wl_param v[] = { WL_P(kind), WL_P(a->g.project),
	    WL_P(a->event), WL_P(ms), WL_P(a->g.generation),
	    WL_P(a->g.key_id), WL_P(month_counted ? "true" : "false"),
	    WL_P(a->reserved > 0 ? reserved : NULL), WL_P(end ? tokens : NULL),
	    WL_P(end ? nano : NULL), WL_P(a->scopes) };
	struct wl_pg *c = wl_pg_take(WL_ROLE_DRAIN, &e);

	snprintf(ms, sizeof(ms), "%lld", (long long)a->g.now_ms);
	snprintf(reserved, sizeof(reserved), "%lld", (long long)a->reserved);
	snprintf(tokens, sizeof(tokens), "%lld", (long long)a->tokens);
	snprintf(nano, sizeof(nano), "%lld", (long long)a->nano);
	if (c == NULL || wl_pg_begin(c, NULL, &e) == -1 ||
	    wl_pg_exec(c, "SELECT watchllm.drain_open()", 0, NULL, NULL, &e) ==
	    -1 || wl_pg_exec(c, "INSERT INTO pg_temp.stage (n, kind,"
	    " project_id, event_id, admitted_at, process, generation,"
	    " api_key_id, month_counted, ts, received_at, type, source, status,"
	    " retention_class, reserved_tokens, reserved_nano, tokens_output,"
	    " cost_nano, limit_scopes) VALUES (1, $1, $2, $3,"
	    " watchllm.from_ms($4),"
	    " 'p', $5, $6, $7, watchllm.from_ms($4), watchllm.from_ms($4),"
	    " 'prompt_call', 'gateway', 'success', 'short', $8::bigint,"
	    " $8::bigint, $9, $10, $11)", 11, v, NULL, &e) ==
	    -1 || wl_pg_exec(c, "SELECT watchllm.drain_run('h',"
	    " watchllm.from_ms($1))", 1, &v[3], NULL, &e) == -1 ||
	    wl_pg_commit(c, &e) == -1) {
		printf("# %s\n", e.detail);
		CU_FAIL("no drain");
	}
	if (c != NULL)
		wl_pg_give(c);
}

/*
 * Send the rows that the drain left, at most MAX; FORGET does not delete the
 * last one, as a consumer that dies in between.  Returns how many there were.
 */
static int
fix_up(int max, bool forget)
{
	struct wl_pg *c = wl_pg_take(WL_ROLE_DRAIN, &e);
	struct wl_counter_fixup f;
	struct wl_rows *r;
	struct wl_param id;
	int i;

	r = c == NULL ? NULL : wl_pg_query(c, stores_arena(),
	    "SELECT id, project_id, api_key_id, generation,"
	    " watchllm.to_ms(watchllm.day_start(month)), minute, month_n,"
	    " minute_n, calls, host, scope, tokens_n, nano_n"
	    " FROM watchllm.drain_fixups('h')", 0, NULL,
	    &e);
	if (r == NULL) {
		printf("# %s\n", e.detail);
		CU_FAIL("no fix-ups");
		return 0;
	}
	for (i = 0; i < wl_rows_count(r) && i < max; i++) {
		f.id = wl_rows_int(r, i, 0, 0);
		f.project = wl_rows_get(r, i, 1);
		f.key_id = wl_rows_get(r, i, 2);
		f.generation = wl_rows_get(r, i, 3);
		f.month_ms = wl_rows_int(r, i, 4, 0);
		f.minute = wl_rows_int(r, i, 5, 0);
		f.month_n = wl_rows_int(r, i, 6, 0);
		f.minute_n = wl_rows_int(r, i, 7, 0);
		f.calls = wl_rows_get(r, i, 8);
		f.host = wl_rows_get(r, i, 9);
		f.scope = wl_rows_get(r, i, 10);
		f.tokens_n = wl_rows_int(r, i, 11, 0);
		f.nano_n = wl_rows_int(r, i, 12, 0);
		CU_ASSERT_EQUAL(wl_counter_fixup(stores_arena(), &conf, &f, now,
		    &e), 0);
		if (forget && i == wl_rows_count(r) - 1)
			break;
		id = WL_P(wl_rows_get(r, i, 0));
		CU_ASSERT_EQUAL(wl_pg_exec(c, "DELETE FROM"
		    " watchllm.counter_fixup WHERE id = $1", 1, &id, NULL, &e),
		    0);
	}
	wl_pg_give(c);
	return wl_rows_count(r);
}

static int64_t
ledger(void)
{
	int64_t v = -1;

	CU_ASSERT_EQUAL(wl_db_month_used(stores_arena(), WL_ROLE_APP, p.id,
	    NULL, now, &v, &e), 0);
	return v;
}

/* ---- both kinds -------------------------------------------------------- */

/*
 * FN with counters of each kind and a new project.
 */
static void
each(void (*fn)(void))
{
	int i;

	for (i = WL_COUNTERS_REDIS; i <= WL_COUNTERS_POSTGRES; i++) {
		conf = stores_conf;
		conf.counters = i;
		conf.database_timeout = 20000;
		conf.redis_timeout = 1000;
		now = 1798761599000 - 40 * 86400000LL;	/* 2026-11-21 */
		stores_project(&p, "free");
		stores_run(&conf, fn);
	}
}

static void
redis_only(void (*fn)(void))
{
	conf = stores_conf;
	conf.redis_timeout = 1000;
	now = 1798761599000 - 40 * 86400000LL;
	stores_project(&p, "free");
	stores_run(&conf, fn);
}

struct crowd {
	bool	sliding;
	int64_t	limit;
	int	admitted, refused, wrong;
};

static void
one_of_crowd(void *arg)
{
	struct crowd *c = arg;
	struct ask a;

	prepare(&a, c->sliding, c->limit, 100000);
	switch (decide(&a)) {
	case WL_G_ADMITTED:
		c->admitted++;
		if (a.g.rows[0].used > c->limit)
			c->wrong++;
		break;
	case WL_G_REFUSED:
		c->refused++;
		if (a.g.refused_by != 0 || a.g.rows[0].used != c->limit)
			c->wrong++;
		break;
	case WL_G_STALE:
		c->wrong++;
		break;
	}
}

static void
crowds(void)
{
	static const int64_t limits[] = { 0, 1, 10, N - 1, N, N + 1 };
	struct crowd c;
	int64_t month = 0;
	size_t i;
	int k, kind;

	for (kind = 0; kind < 2; kind++)
		for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
			now += 120000;
			c = (struct crowd){ kind == 1, limits[i], 0, 0, 0 };
			for (k = 0; k < N; k++)
				stores_spawn(one_of_crowd, &c);
			CU_ASSERT_TRUE(stores_join(30000));
			CU_ASSERT_EQUAL(c.admitted, limits[i] < N ? limits[i] :
			    N);
			CU_ASSERT_EQUAL(c.admitted + c.refused, N);
			CU_ASSERT_EQUAL(c.wrong, 0);
			month += c.admitted;
			CU_ASSERT_EQUAL(month_used(), month);
		}
}

static void
test_crowds(void)
{
	each(crowds);
}

static void
all_or_nothing(void)
{
	struct ask a;

	CU_ASSERT_TRUE(admitted(false, 10, 2));
	CU_ASSERT_TRUE(admitted(false, 10, 2));
	prepare(&a, false, 10, 2);
	CU_ASSERT_EQUAL(decide(&a), WL_G_REFUSED);
	CU_ASSERT_EQUAL(a.g.refused_by, 1);
	CU_ASSERT_EQUAL(a.g.rows[0].used, 2);
	CU_ASSERT_EQUAL(a.g.rows[1].used, 2);
	CU_ASSERT_EQUAL(minute_used(), 2);
	/* the first that refuses is told, however many would */
	prepare(&a, false, 2, 2);
	CU_ASSERT_EQUAL(decide(&a), WL_G_REFUSED);
	CU_ASSERT_EQUAL(a.g.refused_by, 0);

	/* a key's own limits, behind the project's */
	prepare(&a, false, 10, 10);
	row(&a.g, WL_LN_KEY_MINUTE, WL_L_FIXED, 1);
	row(&a.g, WL_LN_KEY_MONTH, WL_L_FIXED, 10);
	CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);
	CU_ASSERT_EQUAL(a.g.rows[2].used, 1);
	prepare(&a, false, 10, 10);
	row(&a.g, WL_LN_KEY_MINUTE, WL_L_FIXED, 1);
	row(&a.g, WL_LN_KEY_MONTH, WL_L_FIXED, 10);
	CU_ASSERT_EQUAL(decide(&a), WL_G_REFUSED);
	CU_ASSERT_EQUAL(a.g.refused_by, 2);
	CU_ASSERT_EQUAL(minute_used(), 3);
	CU_ASSERT_EQUAL(used(WL_LN_KEY_MONTH, WL_L_FIXED), 1);

	/* 0 admits nothing, below 0 is no limit and counts nothing */
	now += 60000;
	CU_ASSERT_FALSE(admitted(false, 0, 10));
	CU_ASSERT_FALSE(admitted(false, 10, 0));
	prepare(&a, false, -1, 10);
	CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);
	CU_ASSERT_EQUAL(minute_used(), 0);
	CU_ASSERT_EQUAL(month_used(), 4);
}

static void
test_all_or_nothing(void)
{
	each(all_or_nothing);
}

static void
sliding(void)
{
	int64_t t = now;
	struct ask a;

	CU_ASSERT_TRUE(admitted(true, 3, 100));
	now = t + 10000;
	CU_ASSERT_TRUE(admitted(true, 3, 100));
	now = t + 20000;
	prepare(&a, true, 3, 100);
	CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);
	CU_ASSERT_EQUAL(a.g.rows[0].used, 3);
	CU_ASSERT_EQUAL(a.g.rows[0].reset_ms, t + 60000);
	now = t + 59999;
	prepare(&a, true, 3, 100);
	CU_ASSERT_EQUAL(decide(&a), WL_G_REFUSED);
	CU_ASSERT_EQUAL(a.g.rows[0].reset_ms, t + 60000);
	now = t + 60000;
	prepare(&a, true, 3, 100);
	CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);
	CU_ASSERT_EQUAL(a.g.rows[0].reset_ms, t + 70000);
	CU_ASSERT_FALSE(admitted(true, 3, 100));
	/* a lower limit now: two have to leave */
	prepare(&a, true, 2, 100);
	CU_ASSERT_EQUAL(decide(&a), WL_G_REFUSED);
	CU_ASSERT_EQUAL(a.g.rows[0].reset_ms, t + 80000);
	now = t + 200000;
	CU_ASSERT_EQUAL(used(WL_LN_MINUTE, WL_L_SLIDING), 0);
}

static void
test_sliding(void)
{
	now = 0;
	each(sliding);
}

static void
leases(void)
{
	struct ask a[4];
	int i;

	for (i = 0; i < 4; i++) {
		prepare(&a[i], false, 100, 100);
		row(&a[i].g, WL_LN_LEASE, WL_L_LEASE, 2);
	}
	CU_ASSERT_EQUAL(decide(&a[0]), WL_G_ADMITTED);
	CU_ASSERT_EQUAL(decide(&a[1]), WL_G_ADMITTED);
	CU_ASSERT_EQUAL(decide(&a[2]), WL_G_REFUSED);
	CU_ASSERT_EQUAL(a[2].g.refused_by, 2);
	settle(&a[0], false);
	CU_ASSERT_EQUAL(decide(&a[2]), WL_G_ADMITTED);
	CU_ASSERT_EQUAL(decide(&a[3]), WL_G_REFUSED);
	CU_ASSERT_EQUAL(month_used(), 3);
	/* a dead worker's slots end by themselves */
	now += 5000;
	CU_ASSERT_EQUAL(used(WL_LN_LEASE, WL_L_LEASE), 0);
	a[3].g.now_ms = now;
	CU_ASSERT_EQUAL(decide(&a[3]), WL_G_ADMITTED);
	CU_ASSERT_EQUAL(a[3].g.rows[2].used, 1);
}

static void
test_leases(void)
{
	each(leases);
}

static void
settling(void)
{
	struct ask a, b;

	prepare(&a, false, 100, 100);
	row(&a.g, WL_LN_KEY_MONTH, WL_L_FIXED, 100);
	CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);
	prepare(&b, false, 100, 100);
	row(&b.g, WL_LN_KEY_MONTH, WL_L_FIXED, 100);
	CU_ASSERT_EQUAL(decide(&b), WL_G_ADMITTED);
	settle(&a, false);
	CU_ASSERT_EQUAL(month_used(), 2);
	settle(&a, true);
	CU_ASSERT_EQUAL(month_used(), 1);
	CU_ASSERT_EQUAL(minute_used(), 2);
	CU_ASSERT_EQUAL(used(WL_LN_KEY_MONTH, WL_L_FIXED), 1);
	settle(&b, true);
	settle(&b, true);	/* never below zero */
	CU_ASSERT_EQUAL(month_used(), 0);
	CU_ASSERT_EQUAL(used(WL_LN_KEY_MONTH, WL_L_FIXED), 0);
	/* of another life of the counters: nothing */
	prepare(&a, false, 100, 100);
	CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);
	snprintf(b.g.generation, sizeof(b.g.generation), "%s",
	    conf.counters == WL_COUNTERS_REDIS ? "redis:1" : "pg:1");
	settle(&b, true);
	CU_ASSERT_EQUAL(month_used(), 1);
	settle(&a, true);
	CU_ASSERT_EQUAL(month_used(), 0);
}

static void
test_settling(void)
{
	each(settling);
}

static void
month_edge(void)
{
	struct ask a;

	CU_ASSERT_EQUAL(wl_clock_parse("2026-12-31T23:59:59.999Z", 24, &now),
	    0);
	prepare(&a, false, 10, 2);
	CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);
	CU_ASSERT_EQUAL(a.g.rows[0].reset_ms, now + 1);
	CU_ASSERT_EQUAL(a.g.rows[1].reset_ms, now + 1);
	CU_ASSERT_TRUE(admitted(false, 10, 2));
	CU_ASSERT_FALSE(admitted(false, 10, 2));
	now++;
	prepare(&a, false, 10, 2);
	CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);
	CU_ASSERT_EQUAL(a.g.rows[0].used, 1);
	CU_ASSERT_EQUAL(a.g.rows[1].used, 1);
	CU_ASSERT_EQUAL(a.g.rows[1].reset_ms, now + 31 * 86400000LL);
	now--;
	/* a worker whose clock is a little behind counts in the old one */
	CU_ASSERT_FALSE(admitted(false, 10, 2));
	CU_ASSERT_EQUAL(month_used(), 2);
	CU_ASSERT_EQUAL(minute_used(), 2);
}

static void
test_month_edge(void)
{
	each(month_edge);
}

static void
versions(void)
{
	struct ask a;

	prepare(&a, false, 100, 100);
	a.g.version--;
	CU_ASSERT_EQUAL(decide(&a), WL_G_STALE);
	CU_ASSERT_EQUAL(month_used(), 0);
	CU_ASSERT_TRUE(admitted(false, 100, 100));
	prepare(&a, false, 100, 100);
	a.g.version++;
	CU_ASSERT_EQUAL(decide(&a), WL_G_STALE);
	CU_ASSERT_EQUAL(month_used(), 1);
	/* something of the project changes, and is made known */
	stores_sql("UPDATE watchllm.project SET name = 'other' WHERE id = '%s'",
	    p.id);
	a.g.version = strtoll(stores_sql("SELECT version FROM watchllm.project"
	    " WHERE id = '%s'", p.id), NULL, 10);
	CU_ASSERT_TRUE(a.g.version > p.version);
	CU_ASSERT_EQUAL(wl_counter_version(stores_arena(), &conf, p.id,
	    a.g.version, &e), 0);
	prepare(&a, false, 100, 100);
	CU_ASSERT_EQUAL(decide(&a), WL_G_STALE);
	CU_ASSERT_EQUAL(month_used(), 1);
	p.version = strtoll(stores_sql("SELECT version FROM watchllm.project"
	    " WHERE id = '%s'", p.id), NULL, 10);
	CU_ASSERT_TRUE(admitted(false, 100, 100));
	/* no such project any more */
	prepare(&a, false, 100, 100);
	a.g.project = "nosuchproject";
	CU_ASSERT_EQUAL(decide(&a), WL_G_STALE);
}

static void
test_versions(void)
{
	each(versions);
}

static void
operators(void)
{
	struct ask a;

	CU_ASSERT_TRUE(admitted(false, 10, 100));
	CU_ASSERT_EQUAL(set_used(p.id, 9, 50), 0);
	CU_ASSERT_EQUAL(minute_used(), 9);
	CU_ASSERT_EQUAL(used(WL_LN_MINUTE, WL_L_SLIDING), 9);
	CU_ASSERT_EQUAL(month_used(), 50);
	CU_ASSERT_TRUE(admitted(false, 10, 100));
	CU_ASSERT_FALSE(admitted(false, 10, 100));
	CU_ASSERT_EQUAL(month_used(), 51);
	/* only one of the two */
	CU_ASSERT_EQUAL(set_used(p.id, 4, -1), 0);
	CU_ASSERT_EQUAL(minute_used(), 4);
	CU_ASSERT_EQUAL(set_used(p.id, 0, 0), 0);
	CU_ASSERT_EQUAL(minute_used(), 0);
	CU_ASSERT_EQUAL(used(WL_LN_MINUTE, WL_L_SLIDING), 0);
	CU_ASSERT_EQUAL(month_used(), 0);
	prepare(&a, false, 10, 100);
	CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);
	CU_ASSERT_EQUAL(a.g.rows[0].used, 1);
	CU_ASSERT_EQUAL(set_used("nobody", 1, 1), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_NOT_FOUND);
	CU_ASSERT_EQUAL(set_used("nobody", 0, 0), -1);
}

static void
test_operators(void)
{
	each(operators);
}

/*
 * What an operator sets holds, whatever was admitted before and is recorded or
 * settled afterwards; what he does not set stays.
 */
static void
set_holds(void)
{
	struct ask a[5];
	int i;

	for (i = 0; i < 4; i++) {
		prepare(&a[i], true, 100, 100);
		CU_ASSERT_EQUAL(decide(&a[i]), WL_G_ADMITTED);
	}
	drain("B", &a[0], true);
	drain("B", &a[1], true);
	now++;
	CU_ASSERT_EQUAL(set_used(p.id, -1, 20), 0);
	CU_ASSERT_EQUAL(month_used(), 20);
	CU_ASSERT_EQUAL(used(WL_LN_MINUTE, WL_L_SLIDING), 4);
	now++;
	drain("E", &a[0], true);
	drain("E", &a[1], false);
	drain("B", &a[2], true);
	drain("E", &a[2], false);
	drain("E", &a[3], true);
	settle(&a[1], true);
	settle(&a[2], true);
	CU_ASSERT_EQUAL(month_used(), 20);
	CU_ASSERT_EQUAL(ledger(), 20);
	/* calls of afterwards count as ever */
	prepare(&a[4], true, 100, 100);
	CU_ASSERT_EQUAL(decide(&a[4]), WL_G_ADMITTED);
	CU_ASSERT_EQUAL(month_used(), 21);
	drain("B", &a[4], true);
	CU_ASSERT_EQUAL(ledger(), 21);
	CU_ASSERT_TRUE(admitted(true, 100, 100));
	now++;
	/* one is not drained: the month keeps it when the minute is set */
	CU_ASSERT_EQUAL(set_used(p.id, 3, -1), 0);
	CU_ASSERT_EQUAL(used(WL_LN_MINUTE, WL_L_SLIDING), 3);
	CU_ASSERT_EQUAL(month_used(), 22);
	CU_ASSERT_EQUAL(wl_counter_add(stores_arena(), &conf, "test", p.id,
	    now, 5, &e), 0);
	CU_ASSERT_EQUAL(wl_counter_add(stores_arena(), &conf, "test", p.id,
	    now, 5, &e), 0);
	CU_ASSERT_EQUAL(used(WL_LN_MINUTE, WL_L_SLIDING), 13);
	CU_ASSERT_EQUAL(minute_used(), 13);
	CU_ASSERT_EQUAL(month_used(), 32);
	CU_ASSERT_EQUAL(ledger(), 31);
	drain("E", &a[4], false);
	settle(&a[4], true);
	CU_ASSERT_EQUAL(month_used(), 31);
	CU_ASSERT_EQUAL(ledger(), 30);
	CU_ASSERT_EQUAL(wl_counter_add(stores_arena(), &conf, "test", "nobody",
	    now, 1, &e), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_NOT_FOUND);
}

static void
test_set_holds(void)
{
	each(set_holds);
}

static void
reconciling(void)
{
	struct ask a[5];
	int64_t before, after;
	int i;

	for (i = 0; i < 5; i++) {
		prepare(&a[i], false, 100, 100);
		CU_ASSERT_EQUAL(decide(&a[i]), WL_G_ADMITTED);
		drain("B", &a[i], true);
	}
	CU_ASSERT_EQUAL(ledger(), 5);
	CU_ASSERT_EQUAL(wl_counter_reconcile(stores_arena(), &conf, p.id, now,
	    true, &before, &after, &e), 0);
	CU_ASSERT_EQUAL(before, 5);
	CU_ASSERT_EQUAL(after, 5);
	/* many are not drained yet: that is no difference */
	for (i = 0; i < 9; i++)
		CU_ASSERT_TRUE(admitted(false, 100, 100));
	CU_ASSERT_EQUAL(wl_counter_reconcile(stores_arena(), &conf, p.id, now,
	    true, &before, &after, &e), 0);
	CU_ASSERT_EQUAL(after, 14);
	/* too low by whatever cause */
	if (conf.counters == WL_COUNTERS_REDIS)
		stores_redis(NULL, "DECRBY quota:%s:2026-11 11", p.id);
	else
		stores_sql("UPDATE watchllm.counter SET used = used - 11"
		    " WHERE project_id = '%s' AND kind = 'month'", p.id);
	CU_ASSERT_EQUAL(wl_counter_reconcile(stores_arena(), &conf, p.id, now,
	    true, &before, &after, &e), 1);
	CU_ASSERT_EQUAL(before, 3);
	CU_ASSERT_EQUAL(after, 5);
	CU_ASSERT_TRUE(admitted(false, 100, 100));
	CU_ASSERT_EQUAL(month_used(), 6);
}

static void
test_reconciling(void)
{
	each(reconciling);
}

/* ---- tokens, money, rules ---------------------------------------------- */

#define USER_CALLS	"m:r1:00112233445566778899aabbccddeeff"
#define USER_MONTH	"q:r2:00112233445566778899aabbccddeeff"
#define USER_TOKENS	"t:r3:00112233445566778899aabbccddeeff"
#define USER_DAY	"d:r4:00112233445566778899aabbccddeeff"
#define TAG_SPENT	"b:r5"
#define USER_LEASES	"c:r6:00112233445566778899aabbccddeeff"

static void
row_of(struct wl_gate *g, enum wl_limit_name name, int64_t limit, int64_t cost)
{
	row(g, name, name == WL_LN_LEASE || name == WL_LN_KEY_LEASE ?
	    WL_L_LEASE : WL_L_FIXED, limit);
	g->rows[g->nrows - 1].cost = cost;
}

static void
rule(struct wl_gate *g, const char *scope, int64_t limit, int64_t cost)
{
	struct wl_limit_row *r = &g->rows[g->nrows];

	row(g, WL_LN_RULE, WL_L_FIXED, limit);
	r->cost = cost;
	r->scope = scope;
	r->rule_unit = wl_limit_scope_unit(scope);
	if (r->rule_unit == WL_LU_LEASE)
		r->kind = WL_L_LEASE;
}

/*
 * A call that reserves N tokens and as many nano-dollars of LIMIT each.
 */
static void
prepare_cost(struct ask *a, int64_t n, int64_t limit)
{
	prepare(a, false, 100000, 100000);
	row_of(&a->g, WL_LN_TOKENS, limit, n);
	row_of(&a->g, WL_LN_KEY_TOKENS, limit, n);
	row_of(&a->g, WL_LN_DAY_NANO, limit, n);
	row_of(&a->g, WL_LN_KEY_DAY_NANO, limit, n);
	row_of(&a->g, WL_LN_MONTH_NANO, limit, n);
	row_of(&a->g, WL_LN_KEY_MONTH_NANO, limit, n);
	rule(&a->g, USER_MONTH, 100000, 1);
	rule(&a->g, USER_TOKENS, limit, n);
	rule(&a->g, USER_DAY, limit, n);
	rule(&a->g, TAG_SPENT, limit, n);
	a->reserved = a->tokens = a->nano = n;
	a->scopes = "{" USER_MONTH "," USER_TOKENS "," USER_DAY ","
	    TAG_SPENT "}";
}

static int64_t
used_of(enum wl_limit_name name, const char *scope)
{
	struct wl_gate g = { .project = p.id, .key_id = p.key_id,
	    .now_ms = now };

	if (scope != NULL)
		rule(&g, scope, 1000, 1);
	else
		row_of(&g, name, 1000, 1);
	CU_ASSERT_EQUAL(wl_counter_read(stores_arena(), &conf, &g, &e), 0);
	return g.rows[0].used;
}

/*
 * All that counts tokens or money says TOKENS or NANO.
 */
static bool
costs_are(int64_t tokens, int64_t nano)
{
	static const enum wl_limit_name money[] = { WL_LN_DAY_NANO,
	    WL_LN_KEY_DAY_NANO, WL_LN_MONTH_NANO, WL_LN_KEY_MONTH_NANO };
	bool same = used_of(WL_LN_TOKENS, NULL) == tokens &&
	    used_of(WL_LN_KEY_TOKENS, NULL) == tokens &&
	    used_of(WL_LN_RULE, USER_TOKENS) == tokens &&
	    used_of(WL_LN_RULE, USER_DAY) == nano &&
	    used_of(WL_LN_RULE, TAG_SPENT) == nano;
	size_t i;

	for (i = 0; i < 4; i++)
		same = same && used_of(money[i], NULL) == nano;
	if (!same)
		printf("# tokens %lld %lld %lld, money %lld %lld %lld %lld "
		    "%lld %lld; wanted %lld, %lld\n",
		    (long long)used_of(WL_LN_TOKENS, NULL),
		    (long long)used_of(WL_LN_KEY_TOKENS, NULL),
		    (long long)used_of(WL_LN_RULE, USER_TOKENS),
		    (long long)used_of(money[0], NULL),
		    (long long)used_of(money[1], NULL),
		    (long long)used_of(money[2], NULL),
		    (long long)used_of(money[3], NULL),
		    (long long)used_of(WL_LN_RULE, USER_DAY),
		    (long long)used_of(WL_LN_RULE, TAG_SPENT),
		    (long long)tokens, (long long)nano);
	return same;
}

/*
 * One of N calls, each of 7, against a limit on one thing: as many as fit.
 */
struct cost_crowd {
	enum wl_limit_name	 name;
	const char		*scope;
	int64_t			 limit, cost;
	int			 admitted, wrong;
};

static void
one_of_costs(void *arg)
{
	struct cost_crowd *c = arg;
	struct ask a;

	prepare(&a, false, 100000, 100000);
	if (c->scope != NULL)
		rule(&a.g, c->scope, c->limit, c->cost);
	else
		row_of(&a.g, c->name, c->limit, c->cost);
	if (decide(&a) == WL_G_ADMITTED)
		c->admitted++;
	else if (a.g.refused_by != 2)
		c->wrong++;
	if (a.g.rows[2].used > c->limit)
		c->wrong++;
}

static void
crowd_of(enum wl_limit_name name, const char *scope, int64_t cost)
{
	const int64_t limits[] = { 0, 6, 7, 70, 7 * N / 2 + 3, 7 * N - 1,
	    7 * N };
	int64_t base = used_of(name, scope), room;
	struct cost_crowd c;
	size_t i;
	int k;

	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		now += 60000;
		if (cost != 1 && base > 0)
			base = used_of(name, scope);
		base = used_of(name, scope);
		c = (struct cost_crowd){ name, scope, base + limits[i], cost,
		    0, 0 };
		for (k = 0; k < N / 3; k++)
			stores_spawn(one_of_costs, &c);
		CU_ASSERT_TRUE(stores_join(30000));
		room = base + limits[i] == 0 ? 0 : limits[i] / cost;
		CU_ASSERT_EQUAL(c.admitted, room < N / 3 ? room : N / 3);
		CU_ASSERT_EQUAL(c.wrong, 0);
		CU_ASSERT_EQUAL(used_of(name, scope), base +
		    c.admitted * cost);
		base = 0;
	}
}

static void
cost_crowds(void)
{
	static const enum wl_limit_name names[] = { WL_LN_TOKENS,
	    WL_LN_KEY_TOKENS, WL_LN_DAY_NANO, WL_LN_KEY_DAY_NANO,
	    WL_LN_MONTH_NANO, WL_LN_KEY_MONTH_NANO };
	static const char *const scopes[] = { USER_CALLS, USER_MONTH,
	    USER_TOKENS, USER_DAY, TAG_SPENT };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		crowd_of(names[i], NULL, 7);
	for (i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++)
		crowd_of(WL_LN_RULE, scopes[i], i < 2 ? 1 : 7);
}

static void
test_cost_crowds(void)
{
	each(cost_crowds);
}

static void
reserving(void)
{
	struct ask a, b;

	prepare_cost(&a, 60, 100);
	CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);
	CU_ASSERT_TRUE(costs_are(60, 60));
	/* there is no room for another, and nothing of it is debited */
	prepare_cost(&b, 41, 100);
	CU_ASSERT_EQUAL(decide(&b), WL_G_REFUSED);
	CU_ASSERT_EQUAL(b.g.refused_by, 2);
	CU_ASSERT_TRUE(costs_are(60, 60));
	CU_ASSERT_EQUAL(minute_used(), 1);
	CU_ASSERT_EQUAL(used_of(WL_LN_RULE, USER_MONTH), 1);
	/* what is not used is given back */
	a.tokens = 10;
	a.nano = 20;
	settle(&a, false);
	CU_ASSERT_TRUE(costs_are(10, 20));
	prepare_cost(&b, 41, 100);
	CU_ASSERT_EQUAL(decide(&b), WL_G_ADMITTED);
	CU_ASSERT_TRUE(costs_are(51, 61));
	/* more than was reserved counts, beyond the limit too */
	b.tokens = 141;
	b.nano = 241;
	settle(&b, true);
	CU_ASSERT_EQUAL(used_of(WL_LN_DAY_NANO, NULL), 261);
	CU_ASSERT_EQUAL(used_of(WL_LN_RULE, TAG_SPENT), 261);
	CU_ASSERT_EQUAL(used_of(WL_LN_RULE, USER_MONTH), 1);
	prepare_cost(&b, 1, 100);
	CU_ASSERT_EQUAL(decide(&b), WL_G_REFUSED);
	/* a day later the day's is free, the month's is not */
	now += 86400000;
	CU_ASSERT_EQUAL(used_of(WL_LN_DAY_NANO, NULL), 0);
	CU_ASSERT_EQUAL(used_of(WL_LN_RULE, USER_DAY), 0);
	CU_ASSERT_EQUAL(used_of(WL_LN_MONTH_NANO, NULL), 261);
	/* never below zero: an operator took it away meanwhile */
	prepare_cost(&a, 50, 1000);
	CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);
	a.nano = -1000;
	settle(&a, false);
	CU_ASSERT_EQUAL(used_of(WL_LN_DAY_NANO, NULL), 0);
}

static void
test_reserving(void)
{
	each(reserving);
}

/*
 * Tokens beyond the reservation are paid by the minute in which the call
 * ends; what is given back goes to the minute of its admission, if that is
 * still counted.
 */
static void
late_tokens(void)
{
	int64_t real = wl_clock_ms();
	struct ask a;

	now = real - 60000;
	prepare_cost(&a, 10, 1000);
	CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);
	a.tokens = 25;
	settle(&a, false);
	CU_ASSERT_EQUAL(used_of(WL_LN_TOKENS, NULL), 10);
	now = wl_clock_ms();
	if (now / 60000 == real / 60000)
		CU_ASSERT_EQUAL(used_of(WL_LN_TOKENS, NULL), 15);
	/* the day's money is that of the admission */
	CU_ASSERT_EQUAL(used_of(WL_LN_MONTH_NANO, NULL), 10);
}

static void
test_late_tokens(void)
{
	each(late_tokens);
}

static void
shadows(void)
{
	struct ask a;
	int i;

	for (i = 0; i < 3; i++) {
		prepare(&a, false, 100, 100);
		rule(&a.g, USER_CALLS, 2, 1);
		a.g.rows[2].shadow = true;
		rule(&a.g, USER_DAY, 0, 5);
		a.g.rows[3].shadow = true;
		CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);
		CU_ASSERT_EQUAL(a.g.rows[2].used, i + 1);
		CU_ASSERT_EQUAL(wl_limit_row_exceeded(&a.g.rows[2], true),
		    i == 2);
		CU_ASSERT_TRUE(wl_limit_row_exceeded(&a.g.rows[3], true));
	}
	CU_ASSERT_EQUAL(used_of(WL_LN_RULE, USER_DAY), 15);
}

static void
test_shadows(void)
{
	each(shadows);
}

static void
key_leases(void)
{
	struct ask a[3];
	int i;

	for (i = 0; i < 3; i++) {
		prepare(&a[i], false, 100, 100);
		row_of(&a[i].g, WL_LN_LEASE, 10, 1);
		row_of(&a[i].g, WL_LN_KEY_LEASE, 2, 1);
		rule(&a[i].g, USER_LEASES, 5, 1);
	}
	CU_ASSERT_EQUAL(decide(&a[0]), WL_G_ADMITTED);
	CU_ASSERT_EQUAL(decide(&a[1]), WL_G_ADMITTED);
	CU_ASSERT_EQUAL(decide(&a[2]), WL_G_REFUSED);
	CU_ASSERT_EQUAL(a[2].g.refused_by, 3);
	settle(&a[1], false);
	CU_ASSERT_EQUAL(used_of(WL_LN_KEY_LEASE, NULL), 1);
	CU_ASSERT_EQUAL(used_of(WL_LN_RULE, USER_LEASES), 1);
	/* a killed worker gives nothing back, time does */
	now += 5000;
	CU_ASSERT_EQUAL(used_of(WL_LN_LEASE, NULL), 0);
	CU_ASSERT_EQUAL(used_of(WL_LN_KEY_LEASE, NULL), 0);
	CU_ASSERT_EQUAL(used_of(WL_LN_RULE, USER_LEASES), 0);
}

static void
test_key_leases(void)
{
	each(key_leases);
}

/*
 * A budget that a plan gets on the way begins with what was spent before.
 */
static void
later_budget(void)
{
	struct ask a;

	prepare(&a, false, 100, 100);
	a.scopes = "{}";
	CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);
	a.nano = 90;
	drain("E", &a, true);
	p.version = strtoll(stores_sql("UPDATE watchllm.project SET version ="
	    " nextval('watchllm.version_seq') WHERE id = '%s'"
	    " RETURNING version", p.id), NULL, 10);
	CU_ASSERT_EQUAL(wl_counter_version(stores_arena(), &conf, p.id,
	    p.version, &e), 0);
	prepare_cost(&a, 11, 100);
	CU_ASSERT_EQUAL(decide(&a), WL_G_REFUSED);
	CU_ASSERT_EQUAL(a.g.rows[a.g.refused_by].name, WL_LN_DAY_NANO);
	CU_ASSERT_EQUAL(a.g.rows[a.g.refused_by].used, 90);
	prepare_cost(&a, 10, 100);
	CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);
	CU_ASSERT_EQUAL(used_of(WL_LN_KEY_MONTH_NANO, NULL), 100);
}

static void
test_later_budget(void)
{
	each(later_budget);
}

static void
spent(void)
{
	struct ask a;
	int64_t before, after;

	stores_sql("UPDATE watchllm.plan SET budget_month_nano = 100"
	    " WHERE id = 'free'");
	p.version = strtoll(stores_sql("SELECT version FROM watchllm.project"
	    " WHERE id = '%s'", p.id), NULL, 10);
	prepare_cost(&a, 30, 100);
	CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);
	drain("E", &a, true);
	settle(&a, false);
	CU_ASSERT_EQUAL(wl_counter_set_spent(stores_arena(), &conf, "test",
	    p.id, now, 5, 95, &e), 0);
	CU_ASSERT_EQUAL(used_of(WL_LN_DAY_NANO, NULL), 5);
	CU_ASSERT_EQUAL(used_of(WL_LN_MONTH_NANO, NULL), 95);
	CU_ASSERT_EQUAL(used_of(WL_LN_KEY_MONTH_NANO, NULL), 30);
	prepare_cost(&a, 6, 100);
	CU_ASSERT_EQUAL(decide(&a), WL_G_REFUSED);
	CU_ASSERT_EQUAL(a.g.rows[a.g.refused_by].name, WL_LN_MONTH_NANO);
	CU_ASSERT_EQUAL(wl_counter_set_spent(stores_arena(), &conf, "test",
	    "nobody", now, 5, 95, &e), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_NOT_FOUND);
	/* a reservation that nobody settled is found when all is quiet */
	now += 180000;
	prepare_cost(&a, 5, 100);
	CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);
	a.nano = 1;
	drain("E", &a, true);
	CU_ASSERT_EQUAL(used_of(WL_LN_MONTH_NANO, NULL), 100);
	now += 180000;
	CU_ASSERT_EQUAL(wl_counter_reconcile(stores_arena(), &conf, p.id, now,
	    true, &before, &after, &e), 1);
	CU_ASSERT_EQUAL(used_of(WL_LN_MONTH_NANO, NULL), 96);
	stores_sql("UPDATE watchllm.plan SET budget_month_nano = NULL"
	    " WHERE id = 'free'");
}

static void
test_spent(void)
{
	each(spent);
}

/* ---- Redis: keys, lost data -------------------------------------------- */

static int64_t
pttl(const char *fmt, const char *a)
{
	char key[200];

	snprintf(key, sizeof(key), "%s%s%s", fmt, p.id, a);
	return strtoll(stores_redis(NULL, "PTTL %s", key), NULL, 10);
}

static bool
exists(const char *before, const char *after)
{
	return strcmp(stores_redis(NULL, "EXISTS %s%s%s", before, p.id, after),
	    "1") == 0;
}

static void
key_names(void)
{
	int64_t month_end, t;
	char minute[32];
	struct ask a;

	stores_redis(NULL, "FLUSHALL");
	prepare(&a, false, 10, 10);
	row(&a.g, WL_LN_KEY_MINUTE, WL_L_FIXED, 10);
	row(&a.g, WL_LN_KEY_MONTH, WL_L_FIXED, 10);
	row(&a.g, WL_LN_LEASE, WL_L_LEASE, 10);
	CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);
	prepare(&a, true, 10, 10);
	CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);

	snprintf(minute, sizeof(minute), ":%lld", (long long)(now / 60000));
	CU_ASSERT_TRUE(exists("ratelimit:", minute));
	CU_ASSERT_STRING_EQUAL(stores_redis(NULL, "GET ratelimit:%s%s", p.id,
	    minute), "1");
	t = pttl("ratelimit:", minute);
	CU_ASSERT_TRUE(t > 55000 && t <= 60000);
	CU_ASSERT_STRING_EQUAL(stores_redis(NULL, "GET quota:%s:2026-11", p.id),
	    "2");
	CU_ASSERT_EQUAL(wl_clock_parse("2027-01-01T00:00:00Z", 20, &month_end),
	    0);
	t = pttl("quota:", ":2026-11");
	CU_ASSERT_TRUE(t > month_end - now - 5000 && t <= month_end - now);
	t = pttl("quota:", ":keys:2026-11");
	CU_ASSERT_TRUE(t > month_end - now - 5000 && t <= month_end - now);
	t = pttl("ratelimit:", ":sliding");
	CU_ASSERT_TRUE(t > 60000 && t <= 120000);
	t = pttl("leases:", "");
	CU_ASSERT_TRUE(t > 60000 && t <= 65000);
	CU_ASSERT_TRUE(pttl("project:", "") > 0);
	/* hash, minute, its key's, month, keys' months, sliding, leases; the
	 * probe comes and goes */
	stores_redis(NULL, "DEL watchllm:probe");
	CU_ASSERT_STRING_EQUAL(stores_redis(NULL, "DBSIZE"), "7");

	conf.redis_hash_tags = true;
	CU_ASSERT_TRUE(admitted(false, 10, 10));
	CU_ASSERT_TRUE(exists("quota:{", "}:2026-11"));
	CU_ASSERT_TRUE(exists("project:{", "}"));
}

static void
test_key_names(void)
{
	redis_only(key_names);
}

/*
 * A first write starts a minute's time, and nothing later moves it.
 */
static void
expiries(void)
{
	char minute[32];
	struct ask a;

	prepare(&a, false, 10, 10);
	CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);
	snprintf(minute, sizeof(minute), ":%lld", (long long)(now / 60000));
	stores_redis(NULL, "PEXPIRE ratelimit:%s%s 30000", p.id, minute);
	stores_redis(NULL, "PEXPIRE quota:%s:2026-11 20000", p.id);
	CU_ASSERT_TRUE(admitted(false, 10, 10));
	settle(&a, true);
	CU_ASSERT_TRUE(pttl("ratelimit:", minute) <= 30000);
	CU_ASSERT_TRUE(pttl("quota:", ":2026-11") <= 20000);
	/* a key that is gone is not made by giving back */
	stores_redis(NULL, "DEL quota:%s:2026-11", p.id);
	settle(&a, true);
	CU_ASSERT_FALSE(exists("quota:", ":2026-11"));
}

static void
test_expiries(void)
{
	redis_only(expiries);
}

static void
aging(void)
{
	struct wl_conf away = conf;
	char nowhere[] = "host=/nowhere user=x";
	struct ask a;

	CU_ASSERT_TRUE(admitted(false, 100, 100));
	/* nobody made the change known: found out after a minute */
	stores_sql("UPDATE watchllm.project SET name = 'x' WHERE id = '%s'",
	    p.id);
	now += 59000;
	CU_ASSERT_TRUE(admitted(false, 100, 100));
	now += 2000;
	prepare(&a, false, 100, 100);
	CU_ASSERT_EQUAL(decide(&a), WL_G_STALE);
	p.version = strtoll(stores_sql("SELECT version FROM watchllm.project"
	    " WHERE id = '%s'", p.id), NULL, 10);
	CU_ASSERT_TRUE(admitted(false, 100, 100));
	CU_ASSERT_EQUAL(month_used(), 3);
	/* without PostgreSQL the version that Redis has goes on */
	wl_pg_close();
	away.database_url = nowhere;
	CU_ASSERT_EQUAL(wl_pg_open(&away, &e), 0);
	now += 120000;
	CU_ASSERT_TRUE(admitted(false, 100, 100));
	/* but counters that are lost cannot be made */
	stores_redis(NULL, "FLUSHALL");
	prepare(&a, false, 100, 100);
	CU_ASSERT_EQUAL(wl_counter_admit(stores_arena(), &conf, &a.g, &e), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	wl_pg_close();
	CU_ASSERT_EQUAL(wl_pg_open(&conf, &e), 0);
}

static void
test_aging(void)
{
	redis_only(aging);
}

/*
 * GENERATION comes to Redis only now, with a month of 77 calls.
 */
static void
arrive(const char *generation)
{
	char hash[64], month[64], version[24], at[24];
	const char *argv[] = { hash, month, at, version, "true", "", "0",
	    "60000", "", generation, "0", "set", "60000", "1", "77" };
	struct wl_reply *r;

	snprintf(hash, sizeof(hash), "project:%s", p.id);
	snprintf(month, sizeof(month), "quota:%s:2026-11", p.id);
	snprintf(version, sizeof(version), "%lld", (long long)p.version);
	snprintf(at, sizeof(at), "%lld", (long long)now);
	r = wl_redis_script(stores_arena(), &wl_scripts_gate, 2,
	    (int)(sizeof(argv) / sizeof(argv[0])), argv, &e);
	CU_ASSERT_TRUE(r != NULL && r->type == WL_R_ARRAY);
}

static void
flushed(void)
{
	struct ask a[6];
	struct wl_gate *g;
	int i;

	for (i = 0; i < 4; i++) {
		prepare(&a[i], false, 100, 100);
		CU_ASSERT_EQUAL(decide(&a[i]), WL_G_ADMITTED);
	}
	for (i = 0; i < 3; i++)
		drain("B", &a[i], true);
	CU_ASSERT_EQUAL(fix_up(100, false), 0);
	stores_redis(NULL, "FLUSHALL");
	prepare(&a[4], false, 100, 100);
	CU_ASSERT_EQUAL(decide(&a[4]), WL_G_ADMITTED);
	CU_ASSERT_STRING_NOT_EQUAL(a[4].g.generation, a[0].g.generation);
	g = &a[4].g;
	CU_ASSERT_EQUAL(g->rows[0].used, 4);	/* three drained, and this */
	CU_ASSERT_EQUAL(g->rows[1].used, 4);
	/* an old generation does not replace a new one */
	arrive(a[0].g.generation);
	CU_ASSERT_EQUAL(month_used(), 4);
	/* the one that was not drained comes with its batch, once */
	drain("B", &a[3], true);
	CU_ASSERT_EQUAL(fix_up(100, true), 1);
	CU_ASSERT_EQUAL(month_used(), 5);
	CU_ASSERT_EQUAL(minute_used(), 5);
	CU_ASSERT_EQUAL(fix_up(100, false), 1);
	CU_ASSERT_EQUAL(month_used(), 5);
	CU_ASSERT_EQUAL(fix_up(100, false), 0);
	/* its refund, drained too */
	drain("E", &a[3], false);
	CU_ASSERT_EQUAL(fix_up(100, false), 1);
	CU_ASSERT_EQUAL(month_used(), 4);
	CU_ASSERT_EQUAL(minute_used(), 5);
	drain("B", &a[4], true);
	CU_ASSERT_EQUAL(ledger(), 4);
}

static void
test_flushed(void)
{
	redis_only(flushed);
}

static void
sliding_seed(void)
{
	struct ask a[4];
	int i;

	for (i = 0; i < 4; i++) {
		prepare(&a[i], true, 5, 100);
		CU_ASSERT_EQUAL(decide(&a[i]), WL_G_ADMITTED);
		now += 1000;
	}
	for (i = 0; i < 3; i++)
		drain("B", &a[i], true);
	stores_redis(NULL, "FLUSHALL");
	CU_ASSERT_TRUE(admitted(true, 5, 100));
	CU_ASSERT_EQUAL(used(WL_LN_MINUTE, WL_L_SLIDING), 4);
	drain("B", &a[3], true);
	fix_up(100, false);
	CU_ASSERT_EQUAL(used(WL_LN_MINUTE, WL_L_SLIDING), 5);
	CU_ASSERT_FALSE(admitted(true, 5, 100));
	now = a[0].g.now_ms + 60000;
	CU_ASSERT_TRUE(admitted(true, 5, 100));
	CU_ASSERT_FALSE(admitted(true, 5, 100));
}

static void
test_sliding_seed(void)
{
	redis_only(sliding_seed);
}

/*
 * A month's key that is gone, though the rest is there.
 */
static void
lost_month(void)
{
	struct ask a[4];
	int i;

	for (i = 0; i < 3; i++) {
		prepare(&a[i], false, 100, 100);
		CU_ASSERT_EQUAL(decide(&a[i]), WL_G_ADMITTED);
	}
	drain("B", &a[0], true);
	drain("B", &a[1], true);
	stores_redis(NULL, "DEL quota:%s:2026-11", p.id);
	CU_ASSERT_EQUAL(month_used(), 2);	/* the ledger's figure */
	wl_sleep(1100);
	prepare(&a[3], false, 100, 100);
	CU_ASSERT_EQUAL(decide(&a[3]), WL_G_ADMITTED);
	CU_ASSERT_EQUAL(a[3].g.rows[1].used, 3);
	/* the minute was not lost, and never lets too many through */
	CU_ASSERT_EQUAL(a[3].g.rows[0].used, 4);
	drain("B", &a[2], true);
	CU_ASSERT_EQUAL(fix_up(100, false), 1);
	CU_ASSERT_EQUAL(month_used(), 4);
}

static void
test_lost_month(void)
{
	redis_only(lost_month);
}

/*
 * A generation that began in PostgreSQL and never arrived in Redis.
 */
static void
lost_generation(void)
{
	struct wl_db_seed seed;
	struct ask a, b;

	prepare(&a, false, 100, 100);
	CU_ASSERT_EQUAL(decide(&a), WL_G_ADMITTED);
	CU_ASSERT_EQUAL(wl_db_seed(stores_arena(), WL_ROLE_APP, p.id, now, 0,
	    &seed, &e), 1);
	/* of A's generation no more: PostgreSQL thinks of a later one */
	drain("B", &a, true);
	CU_ASSERT_EQUAL(fix_up(100, false), 1);
	CU_ASSERT_EQUAL(fix_up(100, false), 0);
	/* should it arrive after all, it lacks A, and is refused */
	arrive(seed.generation);
	CU_ASSERT_STRING_EQUAL(stores_redis(NULL, "HEXISTS project:%s gen",
	    p.id), "0");
	wl_sleep(1100);		/* as long as one is given to arrive */
	prepare(&b, false, 100, 100);
	CU_ASSERT_EQUAL(decide(&b), WL_G_ADMITTED);
	CU_ASSERT_STRING_NOT_EQUAL(b.g.generation, a.g.generation);
	CU_ASSERT_STRING_NOT_EQUAL(b.g.generation, seed.generation);
	CU_ASSERT_EQUAL(b.g.rows[1].used, 2);
	CU_ASSERT_EQUAL(minute_used(), 2);
	drain("B", &b, true);
	CU_ASSERT_EQUAL(fix_up(100, false), 0);
	CU_ASSERT_EQUAL(ledger(), month_used());
}

static void
test_lost_generation(void)
{
	redis_only(lost_generation);
}

/* ---- whatever happens -------------------------------------------------- */

#define CALLS	60

struct story {
	struct ask	 a[CALLS];
	int		 begun[CALLS];		/* drained */
	int		 ended[CALLS];
	bool		 refund[CALLS], done[CALLS];
	int		 n;
};

static void
one_step(struct story *s)
{
	int i = s->n > 0 ? (int)wl_rand_below((uint32_t)s->n) : 0;

	switch (wl_rand_below(12)) {
	case 0: case 1: case 2: case 3:
		if (s->n == CALLS)
			return;
		prepare_cost(&s->a[s->n], 10, 100000);
		if (decide(&s->a[s->n]) == WL_G_ADMITTED)
			s->n++;
		return;
	case 4: case 5: case 6:
		if (s->n > 0 && !s->begun[i]) {
			drain("B", &s->a[i], true);
			s->begun[i] = 1;
		}
		return;
	case 7: case 8:
		if (s->n > 0 && !s->done[i]) {
			s->done[i] = true;
			s->refund[i] = wl_rand_below(2) == 0;
			s->a[i].nano = wl_rand_below(20);
			settle(&s->a[i], s->refund[i]);
		}
		return;
	case 9:
		if (s->n > 0 && s->done[i] && !s->ended[i]) {
			drain("E", &s->a[i], !s->refund[i]);
			s->begun[i] = s->ended[i] = 1;
		}
		return;
	case 10:
		fix_up(1 + (int)wl_rand_below(4), wl_rand_below(2) == 0);
		return;
	default:
		if (wl_rand_below(3) == 0) {
			stores_redis(NULL, "FLUSHALL");
			/* let the next one begin at once */
			stores_sql("UPDATE watchllm.counter_project"
			    " SET began_at = began_at - interval '1 minute'"
			    " WHERE project_id = '%s'", p.id);
		}
		return;
	}
}

static void
story(void)
{
	struct story *s = wl_arena_alloc(stores_arena(), sizeof(*s));
	int64_t want = 0, nano = 0;
	int i;

	for (i = 0; i < 150; i++)
		one_step(s);
	/* a call, so that there are counters; then the rest is drained */
	CU_ASSERT_TRUE(s->n > 0);
	if (s->n < CALLS) {
		prepare_cost(&s->a[s->n], 10, 100000);
		if (decide(&s->a[s->n]) == WL_G_ADMITTED)
			s->n++;
	}
	for (i = 0; i < s->n; i++) {
		if (!s->begun[i])
			drain("B", &s->a[i], true);
		if (s->done[i] && !s->ended[i])
			drain("E", &s->a[i], !s->refund[i]);
		want += !(s->done[i] && s->refund[i]);
		nano += s->a[i].nano;
	}
	while (fix_up(100, false) > 0)
		;
	CU_ASSERT_EQUAL(ledger(), want);
	CU_ASSERT_EQUAL(month_used(), want);
	CU_ASSERT_EQUAL(used_of(WL_LN_MONTH_NANO, NULL), nano);
	CU_ASSERT_EQUAL(used_of(WL_LN_KEY_DAY_NANO, NULL), nano);
	CU_ASSERT_EQUAL(used_of(WL_LN_RULE, USER_MONTH), want);
	CU_ASSERT_EQUAL(used_of(WL_LN_RULE, USER_DAY), nano);
	CU_ASSERT_EQUAL(used_of(WL_LN_RULE, TAG_SPENT), nano);
	/* and it counts on from there */
	prepare(&s->a[0], false, 10000, want + 1);
	CU_ASSERT_EQUAL(decide(&s->a[0]), WL_G_ADMITTED);
	CU_ASSERT_EQUAL(s->a[0].g.rows[1].used, want + 1);
	prepare(&s->a[0], false, 10000, want + 1);
	CU_ASSERT_EQUAL(decide(&s->a[0]), WL_G_REFUSED);
}

static void
test_stories(void)
{
	int i;

	for (i = 0; i < 12; i++)
		redis_only(story);
}

/* ---- failures and addresses -------------------------------------------- */

static void
stopped(void)
{
	pid_t pid = (pid_t)strtol(getenv("WL_REDIS_PID"), NULL, 10);
	int64_t t;
	struct ask a;

	CU_ASSERT_TRUE(admitted(false, 100, 100));
	kill(pid, SIGSTOP);
	prepare(&a, false, 100, 100);
	t = wl_mono_fresh();
	CU_ASSERT_EQUAL(wl_counter_admit(stores_arena(), &conf, &a.g, &e), -1);
	CU_ASSERT_TRUE(wl_mono_fresh() - t < conf.redis_timeout + 100);
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	t = wl_mono_fresh();
	CU_ASSERT_EQUAL(wl_counter_admit(stores_arena(), &conf, &a.g, &e), -1);
	CU_ASSERT_TRUE(wl_mono_fresh() - t < 20);
	settle(&a, true);	/* only logged */
	CU_ASSERT_EQUAL(wl_counter_address(stores_arena(), "auth", "192.0.2.1",
	    now, 1), -1);
	kill(pid, SIGCONT);
	for (t = wl_mono_fresh(); !wl_redis_up() && wl_mono_fresh() - t < 3000;)
		wl_sleep(5);
	CU_ASSERT_TRUE(admitted(false, 100, 100));
}

static void
test_stopped(void)
{
	conf = stores_conf;
	conf.redis_timeout = 60;
	now = 1798761599000 - 40 * 86400000LL;
	stores_project(&p, "free");
	stores_run(&conf, stopped);
}

static void
addresses(void)
{
	struct wl_arena *a = stores_arena();
	const char *addr = "2001:db8::1";

	CU_ASSERT_EQUAL(wl_counter_address(a, "auth", addr, now, 0), 0);
	CU_ASSERT_EQUAL(wl_counter_address(a, "auth", addr, now, 1), 1);
	CU_ASSERT_EQUAL(wl_counter_address(a, "auth", addr, now, 2), 3);
	CU_ASSERT_EQUAL(wl_counter_address(a, "auth", addr, now, 0), 3);
	CU_ASSERT_EQUAL(wl_counter_address(a, "bad", addr, now, 0), 0);
	CU_ASSERT_EQUAL(wl_counter_address(a, "auth", "192.0.2.7", now, 0), 0);
	now += 60000;
	CU_ASSERT_EQUAL(wl_counter_address(a, "auth", addr, now, 0), 0);
	now -= 60000;
	CU_ASSERT_TRUE(strtoll(stores_redis(NULL, "PTTL fail:auth:%s:%lld",
	    addr, (long long)(now / 60000)), NULL, 10) > 50000);
}

static void
test_addresses(void)
{
	redis_only(addresses);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "300 at once, every limit, both kinds", test_crowds },
		{ "all limits or none", test_all_or_nothing },
		{ "sliding windows", test_sliding },
		{ "leases", test_leases },
		{ "settling", test_settling },
		{ "the edge of a year", test_month_edge },
		{ "versions", test_versions },
		{ "set and reset", test_operators },
		{ "what is set holds", test_set_holds },
		{ "reconcile", test_reconciling },
		{ "100 at once, tokens, money and rules, both kinds",
		    test_cost_crowds },
		{ "reservations", test_reserving },
		{ "tokens beyond the reservation", test_late_tokens },
		{ "limits in shadow mode", test_shadows },
		{ "leases of keys and rules", test_key_leases },
		{ "a budget that comes later", test_later_budget },
		{ "what was spent is set, and reconciled", test_spent },
		{ "names of keys, and when they expire", test_key_names },
		{ "expiries do not move", test_expiries },
		{ "a version that nobody confirmed", test_aging },
		{ "lost data", test_flushed },
		{ "lost data of sliding windows", test_sliding_seed },
		{ "a month's key is lost", test_lost_month },
		{ "a generation that never arrived", test_lost_generation },
		{ "ledger and counters agree in the end", test_stories },
		{ "Redis stopped", test_stopped },
		{ "failures by address", test_addresses },
		{ NULL, NULL }
	};

	return stores_main("counter", tests);
}
