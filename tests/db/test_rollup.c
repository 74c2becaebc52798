/*
 * The jobs of watchllm-rollup: months from provisional to frozen, what comes
 * late, what was missed, partitions, retention, counters.  The times are far
 * ahead, where nothing depends on the day on which the test runs.
 */
#include "config.h"
#include "lib/base/clock.h"
#include "lib/core/rollup.h"
#include "lib/store/db_rollup.h"
#include "lib/store/pg.h"
#include "tests/db/stores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct stores_project p;
static struct wl_conf conf;
static struct wl_err e;
static char done[2048];

static int64_t
ms(const char *time)
{
	int64_t v = 0;

	CU_ASSERT_EQUAL(wl_clock_parse(time, strlen(time), &v), 0);
	return v;
}

/*
 * Run JOB at TIME; what it did is in DONE.
 */
static int
job(int (*fn)(struct wl_rollup *, struct wl_err *), const char *time)
{
	struct wl_rollup r = { &conf, stores_arena(), ms(time),
	    { NULL, 0, 0, 0, false } };
	int rc;

	memset(&e, 0, sizeof(e));
	rc = fn(&r, &e);
	snprintf(done, sizeof(done), "%s", r.done.p == NULL ? "" : r.done.p);
	wl_buf_free(&r.done);
	return rc;
}

#define DID(fn, time, want) do { \
	CU_ASSERT_EQUAL(job(fn, time), 0); \
	CU_ASSERT_STRING_EQUAL(done, want); \
} while (0)

#define SQL(want, query) \
	CU_ASSERT_STRING_EQUAL(stores_sql(query), want)

/*
 * A call that ended, of time AT and drained at NOW.
 */
static void
drain(const char *at, const char *now)
{
	stores_sql("DO $$ BEGIN PERFORM watchllm.drain_open();"
	    " INSERT INTO pg_temp.stage (n, kind, project_id, event_id,"
	    " admitted_at, ts, received_at, process, generation, api_key_id,"
	    " retention_class, model, provider, type, source, status,"
	    " tokens_uncached, tokens_output, cost_nano, usage_source,"
	    " cost_source, latency_ms, minute_counted, month_counted)"
	    " VALUES (0, 'E', '%s', gen_random_uuid(), '%s', '%s', '%s',"
	    " 'p1', 'g1', '%s', 'short', 'm', 'openai', 'prompt_call',"
	    " 'gateway', 'success', 10, 5, 1000, 'provider', 'price', 120,"
	    " true, true); PERFORM watchllm.drain_run('h1', '%s'); END $$",
	    p.id, at, at, at, p.key_id, now);
}

/*
 * A database in which nothing has happened.
 */
static void
begin(void)
{
	conf = stores_conf;
	stores_sql("TRUNCATE watchllm.event, watchllm.event_payload,"
	    " watchllm.event_seen, watchllm.ledger, watchllm.usage_month,"
	    " watchllm.usage_key_month, watchllm.rollup_hour,"
	    " watchllm.rollup_hour_latency, watchllm.rollup_day,"
	    " watchllm.partition_count, watchllm.usage_statement,"
	    " watchllm.statement_month, watchllm.usage_adjustment,"
	    " watchllm.counter_project, watchllm.counter_fixup,"
	    " watchllm.loss_ledger, watchllm.journal_mark");
	stores_sql("DO $$ DECLARE r record; BEGIN"
	    " FOR r IN SELECT name FROM watchllm.partition_list() LOOP"
	    " EXECUTE format('DROP TABLE watchllm.%%I', r.name);"
	    " END LOOP; END $$");
	stores_redis(NULL, "FLUSHALL");
	stores_project(&p, "pro");
}

static bool
there(const char *table)
{
	return strcmp(stores_sql("SELECT to_regclass('watchllm.%s')"
	    " IS NOT NULL", table), "t") == 0;
}

/* ---- statements -------------------------------------------------------- */

static void
months(void)
{
	static const char adjustments[] =
	    "SELECT concat_ws('|', count(*), sum(requests), sum(cost_nano))"
	    " FROM watchllm.usage_adjustment";
	static const char statement[] =
	    "SELECT concat_ws('|', status, requests, counted, tokens_uncached,"
	    " cost_nano) FROM watchllm.usage_statement";

	DID(wl_rollup_statements, "2040-01-05T00:00:00Z", "no usage yet");
	drain("2040-01-10 12:00Z", "2040-01-10 12:01Z");
	DID(wl_rollup_statements, "2040-01-11T00:00:00Z",
	    "2040-01 provisional (1)");
	SQL("provisional|1|1|10|1000", statement);
	/* late, but not too late */
	drain("2040-01-31 23:59Z", "2040-02-02 23:58Z");
	DID(wl_rollup_statements, "2040-02-02T23:59:59.999Z",
	    "2040-01 provisional (1), 2040-02 provisional (0)");
	SQL("provisional|2|2|20|2000", statement);
	DID(wl_rollup_statements, "2040-02-03T00:00:00Z",
	    "2040-01 frozen (1), 2040-02 provisional (0)");
	SQL("frozen|2|2|20|2000", statement);
	SQL("0", adjustments);
	/* from now on the statement stands, and the rest is adjustments */
	drain("2040-01-20 00:00Z", "2040-02-03 00:01Z");
	drain("2040-01-21 00:00Z", "2040-02-03 00:01Z");
	DID(wl_rollup_statements, "2040-02-03T01:00:00Z",
	    "2040-01 adjusted (1), 2040-02 provisional (0)");
	SQL("1|2|2000", adjustments);
	DID(wl_rollup_statements, "2040-02-03T02:00:00Z",
	    "2040-01 adjusted (0), 2040-02 provisional (0)");
	drain("2040-01-22 00:00Z", "2040-02-03 02:01Z");
	DID(wl_rollup_statements, "2040-02-03T03:00:00Z",
	    "2040-01 adjusted (1), 2040-02 provisional (0)");
	SQL("2|3|3000", adjustments);
	SQL("frozen|2|2|20|2000", statement);
}

static void
test_months(void)
{
	begin();
	stores_run(&conf, months);
}

static void
close_day(void)
{
	drain("2040-01-10 12:00Z", "2040-01-10 12:01Z");
	conf.statement_close_day = 10;
	DID(wl_rollup_statements, "2040-02-09T23:59:59Z",
	    "2040-01 provisional (1), 2040-02 provisional (0)");
	DID(wl_rollup_statements, "2040-02-10T00:00:00Z",
	    "2040-01 frozen (1), 2040-02 provisional (0)");
}

static void
test_close_day(void)
{
	begin();
	stores_run(&conf, close_day);
}

static void
missed(void)
{
	drain("2040-01-10 12:00Z", "2040-01-10 12:01Z");
	DID(wl_rollup_statements, "2040-01-11T00:00:00Z",
	    "2040-01 provisional (1)");
	drain("2040-01-11 12:00Z", "2040-01-11 12:01Z");
	drain("2040-02-10 12:00Z", "2040-02-10 12:01Z");
	drain("2040-04-10 12:00Z", "2040-04-10 12:01Z");
	drain("2040-05-01 12:00Z", "2040-05-01 12:01Z");
	DID(wl_rollup_statements, "2040-05-02T12:00:00Z",
	    "2040-01 frozen (1), 2040-02 frozen (1), 2040-03 frozen (0),"
	    " 2040-04 provisional (1), 2040-05 provisional (1)");
	DID(wl_rollup_statements, "2040-05-02T13:00:00Z",
	    "2040-02 adjusted (0), 2040-03 adjusted (0),"
	    " 2040-04 provisional (1), 2040-05 provisional (1)");
	SQL("2040-01-01 frozen 2,2040-02-01 frozen 1,2040-04-01 provisional 1,"
	    "2040-05-01 provisional 1",
	    "SELECT string_agg(concat_ws(' ', month, status, requests), ','"
	    " ORDER BY month) FROM watchllm.usage_statement");
	SQL("3", "SELECT count(*) FROM watchllm.statement_month");
	SQL("0", "SELECT count(*) FROM watchllm.usage_adjustment");
}

static void
test_missed(void)
{
	begin();
	stores_run(&conf, missed);
}

/* ---- partitions -------------------------------------------------------- */

static void
partitions(void)
{
	static const char made[] = "SELECT count(*) FROM"
	    " watchllm.partition_list()";
	char before[32];

	CU_ASSERT_EQUAL(job(wl_rollup_partitions, "2040-06-15T08:00:00Z"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(done,
	    "all there from 2040-06-14 to 2040-06-29"));
	CU_ASSERT_TRUE(there("ledger_20400614"));
	CU_ASSERT_TRUE(there("ledger_20400629"));
	CU_ASSERT_FALSE(there("ledger_20400630"));
	CU_ASSERT_TRUE(there("event_short_20400629"));
	CU_ASSERT_TRUE(there("event_payload_long_20400629"));
	CU_ASSERT_TRUE(there("rollup_hour_204006"));
	DID(wl_rollup_partitions, "2040-06-15T09:00:00Z",
	    "0 made, all there from 2040-06-14 to 2040-06-29");
	/* the next day makes a day, and the next month in time */
	CU_ASSERT_EQUAL(job(wl_rollup_partitions, "2040-06-17T08:00:00Z"), 0);
	CU_ASSERT_TRUE(there("ledger_20400701"));
	CU_ASSERT_TRUE(there("rollup_hour_latency_204007"));
	/* nobody ran for a while: back to where it stopped */
	CU_ASSERT_EQUAL(job(wl_rollup_partitions, "2040-07-20T08:00:00Z"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(done, "from 2040-07-02 to 2040-08-03"));
	CU_ASSERT_TRUE(there("ledger_20400702"));
	/* but not for ever */
	CU_ASSERT_EQUAL(job(wl_rollup_partitions, "2040-12-15T08:00:00Z"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(done, "from 2040-11-15 to 2040-12-29"));
	CU_ASSERT_FALSE(there("ledger_20401114"));
	/* retention takes none of what was made for this day */
	snprintf(before, sizeof(before), "%s", stores_sql(made));
	CU_ASSERT_EQUAL(job(wl_rollup_partitions, "2040-12-15T09:00:00Z"), 0);
	CU_ASSERT_STRING_EQUAL(stores_sql(made), before);
}

static void
test_partitions(void)
{
	begin();
	stores_run(&conf, partitions);
}

/* ---- retention --------------------------------------------------------- */

static void
not_rolled_up(void)
{
	drain("2040-01-10 12:00Z", "2040-01-10 12:01Z");
	CU_ASSERT_EQUAL(job(wl_rollup_partitions, "2040-01-10T13:00:00Z"), 0);
	/* the day after the last of seven */
	DID(wl_rollup_retention, "2040-01-16T23:59:59Z", "0 dropped");
	CU_ASSERT_TRUE(there("event_short_20400109"));
	DID(wl_rollup_retention, "2040-01-17T00:00:00Z", "2 dropped");
	CU_ASSERT_FALSE(there("event_short_20400109"));
	CU_ASSERT_TRUE(there("event_short_20400110"));
	/* an event that no rollup has */
	stores_sql("INSERT INTO watchllm.event (retention_class, ts,"
	    " project_id, event_id, received_at, type, source, status)"
	    " VALUES ('short', '2040-01-10 01:00Z', '%s', gen_random_uuid(),"
	    " now(), 'error', 'events', 'error')", p.id);
	DID(wl_rollup_retention, "2040-01-18T00:00:00Z",
	    "1 dropped, 1 not_rolled_up");
	CU_ASSERT_TRUE(there("event_short_20400110"));
	CU_ASSERT_TRUE(stores_logged("rollup.kept") > 0);
	DID(wl_rollup_retention, "2040-01-18T00:00:00Z",
	    "0 dropped, 1 not_rolled_up");
	stores_sql("UPDATE watchllm.partition_count SET events = events + 1"
	    " WHERE retention_class = 'short' AND day = '2040-01-10'");
	DID(wl_rollup_retention, "2040-01-18T00:00:00Z", "1 dropped");
	SQL("1", "SELECT sum(events) FROM watchllm.rollup_hour");
}

static void
test_not_rolled_up(void)
{
	begin();
	stores_run(&conf, not_rolled_up);
}

static void
open_calls(void)
{
	drain("2040-01-10 12:00Z", "2040-01-10 12:01Z");
	stores_sql("UPDATE watchllm.ledger SET state = 'open'");
	CU_ASSERT_EQUAL(job(wl_rollup_retention, "2040-03-21T00:00:00Z"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(done, "1 open_calls"));
	CU_ASSERT_TRUE(there("ledger_20400110"));
	stores_sql("UPDATE watchllm.ledger SET state = 'lost'");
	DID(wl_rollup_retention, "2040-03-21T00:00:00Z", "1 dropped");
	CU_ASSERT_FALSE(there("ledger_20400110"));
}

static void
test_open_calls(void)
{
	begin();
	stores_run(&conf, open_calls);
}

/*
 * The hours of a month go only when its statement is frozen and nothing can
 * be adjusted from them any more.
 */
static void
hours(void)
{
	drain("2040-01-10 12:00Z", "2040-01-10 12:01Z");
	CU_ASSERT_EQUAL(job(wl_rollup_retention, "2041-03-10T00:00:00Z"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(done, "2 no_statement"));
	CU_ASSERT_EQUAL(job(wl_rollup_statements, "2041-03-10T00:00:00Z"), 0);
	SQL("1", "SELECT sum(requests) FROM watchllm.usage_statement");
	DID(wl_rollup_retention, "2041-03-10T00:00:00Z", "2 dropped");
	CU_ASSERT_EQUAL(job(wl_rollup_statements, "2041-03-10T00:00:00Z"), 0);
	SQL("1", "SELECT sum(requests) FROM watchllm.usage_statement");
	SQL("0", "SELECT count(*) FROM watchllm.usage_adjustment");
}

static void
test_hours(void)
{
	begin();
	stores_run(&conf, hours);
}

static void
short_hours(void)
{
	drain("2040-01-10 12:00Z", "2040-01-10 12:01Z");
	stores_sql("UPDATE watchllm.retention_rule SET keep_days = 20"
	    " WHERE name = 'rollup_hour'");
	CU_ASSERT_EQUAL(job(wl_rollup_statements, "2040-04-30T00:00:00Z"), 0);
	CU_ASSERT_EQUAL(job(wl_rollup_retention, "2040-04-30T00:00:00Z"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(done, "1 still_adjusted"));
	CU_ASSERT_EQUAL(job(wl_rollup_statements, "2040-04-30T00:00:00Z"), 0);
	SQL("0", "SELECT count(*) FROM watchllm.usage_adjustment");
	CU_ASSERT_EQUAL(job(wl_rollup_statements, "2040-05-01T00:00:00Z"), 0);
	DID(wl_rollup_retention, "2040-05-01T00:00:00Z", "1 dropped");
	CU_ASSERT_EQUAL(job(wl_rollup_statements, "2040-05-01T00:00:00Z"), 0);
	SQL("0", "SELECT count(*) FROM watchllm.usage_adjustment");
	stores_sql("UPDATE watchllm.retention_rule SET keep_days = 400"
	    " WHERE name = 'rollup_hour'");
}

static void
test_short_hours(void)
{
	begin();
	stores_run(&conf, short_hours);
}

static void
busy(void)
{
	struct wl_pg *c = wl_pg_take(WL_ROLE_OWNER, &e);

	CU_ASSERT_EQUAL(job(wl_rollup_partitions, "2040-01-10T13:00:00Z"), 0);
	CU_ASSERT_TRUE(c != NULL && wl_pg_begin(c, NULL, &e) == 0 &&
	    wl_pg_script(c, "LOCK TABLE ONLY watchllm.event_short"
	    " IN ACCESS SHARE MODE", &e) == 0);
	DID(wl_rollup_retention, "2040-01-17T00:00:00Z", "1 dropped, 1 busy");
	CU_ASSERT_TRUE(there("event_short_20400109"));
	if (c != NULL)
		wl_pg_give(c);
	DID(wl_rollup_retention, "2040-01-17T00:00:00Z", "1 dropped");
}

static void
test_busy(void)
{
	begin();
	stores_run(&conf, busy);
}

static void
marks(void)
{
	stores_sql("INSERT INTO watchllm.journal_mark (host, segment,"
	    " drained_bytes, closed, updated_at) VALUES"
	    " ('h1', 'a', 1, true, '2040-01-01Z'),"
	    " ('h1', 'b', 1, false, '2040-01-01Z'),"
	    " ('h1', 'c', 1, true, '2040-03-01Z')");
	DID(wl_rollup_marks, "2040-03-02T00:00:00Z", "1 removed");
	DID(wl_rollup_marks, "2040-03-02T00:00:00Z", "0 removed");
	SQL("b,c", "SELECT string_agg(segment, ',' ORDER BY segment)"
	    " FROM watchllm.journal_mark");
}

static void
test_marks(void)
{
	begin();
	stores_run(&conf, marks);
}

/* ---- ledger ------------------------------------------------------------ */

static void
ledger(void)
{
	drain("2040-01-10 12:00Z", "2040-01-10 12:01Z");
	drain("2040-02-01 12:00Z", "2040-02-01 12:01Z");
	DID(wl_rollup_ledger, "2040-02-02T00:00:00Z",
	    "2039-12 agrees, 2040-01 agrees, 2040-02 agrees");
	stores_sql("UPDATE watchllm.usage_month SET counted = counted + 1"
	    " WHERE month = '2040-01-01' AND project_id = '%s'", p.id);
	CU_ASSERT_EQUAL(job(wl_rollup_ledger, "2040-02-02T00:00:00Z"), -1);
	CU_ASSERT_STRING_EQUAL(done, "2039-12 agrees, 2040-01 differs (1),"
	    " 2040-02 agrees");
	CU_ASSERT_EQUAL(e.code, WL_E_INTERNAL);
	CU_ASSERT_EQUAL(stores_logged("rollup.ledger"), 1);
	/* a frozen month is history */
	CU_ASSERT_EQUAL(job(wl_rollup_statements, "2040-02-03T00:00:00Z"), 0);
	DID(wl_rollup_ledger, "2040-02-03T00:00:00Z",
	    "2039-12 agrees, 2040-02 agrees");
	/* and a month whose ledger goes cannot be compared */
	DID(wl_rollup_ledger, "2040-02-25T00:00:00Z", "2040-02 agrees");
}

static void
test_ledger(void)
{
	begin();
	stores_run(&conf, ledger);
}

/* ---- counters ---------------------------------------------------------- */

#define NOW	"2040-01-10T12:10:00Z"

static const char *
quota(void)
{
	return stores_redis(NULL, "GET quota:%s:2040-01", p.id);
}

static void
reconcile(void)
{
	int i;

	DID(wl_rollup_reconcile, NOW, "0 projects agree, 0 began anew");
	for (i = 0; i < 5; i++)
		drain("2040-01-10 12:00Z", "2040-01-10 12:01Z");
	DID(wl_rollup_reconcile, NOW, "0 projects agree, 1 began anew");
	CU_ASSERT_STRING_EQUAL(quota(), "5");
	DID(wl_rollup_reconcile, NOW, "1 projects agree, 0 began anew");
	/* Redis has lost its data */
	stores_redis(NULL, "FLUSHALL");
	DID(wl_rollup_reconcile, NOW, "0 projects agree, 1 began anew");
	CU_ASSERT_STRING_EQUAL(quota(), "5");
	DID(wl_rollup_reconcile, NOW, "1 projects agree, 0 began anew");
	/* it has less than there was; what is more may not be drained yet */
	stores_redis(NULL, "DECRBY quota:%s:2040-01 2", p.id);
	DID(wl_rollup_reconcile, NOW, "0 projects agree, 1 began anew");
	CU_ASSERT_STRING_EQUAL(quota(), "5");
	stores_redis(NULL, "INCRBY quota:%s:2040-01 2", p.id);
	DID(wl_rollup_reconcile, NOW, "1 projects agree, 0 began anew");
	CU_ASSERT_STRING_EQUAL(quota(), "7");
}

static void
test_reconcile(void)
{
	begin();
	stores_run(&conf, reconcile);
}

/*
 * More projects than are read at once.
 */
static void
many(void)
{
	stores_sql("WITH p AS (INSERT INTO watchllm.project (name, plan_id)"
	    " SELECT 'many', 'pro' FROM generate_series(1, 1203) RETURNING id)"
	    " INSERT INTO watchllm.usage_month (project_id, month, admitted,"
	    " counted) SELECT id, '2040-01-01', 3, 3 FROM p");
	DID(wl_rollup_reconcile, NOW, "0 projects agree, 1203 began anew");
	DID(wl_rollup_reconcile, NOW, "1203 projects agree, 0 began anew");
}

static void
test_many(void)
{
	begin();
	conf.redis_timeout = 2000;
	stores_run(&conf, many);
}

static void
away(void)
{
	stores_sql("WITH p AS (INSERT INTO watchllm.project (name, plan_id)"
	    " SELECT 'away', 'pro' FROM generate_series(1, 10) RETURNING id)"
	    " INSERT INTO watchllm.usage_month (project_id, month, admitted,"
	    " counted) SELECT id, '2040-01-01', 3, 3 FROM p");
	CU_ASSERT_EQUAL(job(wl_rollup_reconcile, NOW), -1);
	CU_ASSERT_STRING_EQUAL(done, "0 projects agree, 0 began anew, 3 failed,"
	    " the rest not tried");
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
}

static void
test_away(void)
{
	static char nowhere[] = "unix:/nonexistent/redis.sock";

	begin();
	conf.redis = nowhere;
	stores_run(&conf, away);
}

static void
in_postgres(void)
{
	stores_sql("INSERT INTO watchllm.counter (project_id, kind, window_id,"
	    " used, expires_ms) SELECT '%s', 'minute', g, 1, CASE WHEN g <="
	    " 20005 THEN 1 ELSE 99999999999999 END"
	    " FROM generate_series(1, 20010) g", p.id);
	DID(wl_rollup_reconcile, NOW, "counters are in PostgreSQL, nothing to"
	    " compare; 20005 that were over removed");
	SQL("5", "SELECT count(*) FROM watchllm.counter");
	DID(wl_rollup_reconcile, NOW, "counters are in PostgreSQL, nothing to"
	    " compare; 0 that were over removed");
}

static void
test_in_postgres(void)
{
	begin();
	stores_sql("TRUNCATE watchllm.counter");
	conf.counters = WL_COUNTERS_POSTGRES;
	stores_run(&conf, in_postgres);
}

/* ---- the whole --------------------------------------------------------- */

static void
all(const char *time)
{
	CU_ASSERT_EQUAL(job(wl_rollup_partitions, time), 0);
	CU_ASSERT_EQUAL(job(wl_rollup_statements, time), 0);
	CU_ASSERT_EQUAL(job(wl_rollup_retention, time), 0);
	CU_ASSERT_EQUAL(job(wl_rollup_marks, time), 0);
	CU_ASSERT_EQUAL(job(wl_rollup_ledger, time), 0);
	CU_ASSERT_EQUAL(job(wl_rollup_reconcile, time), 0);
}

/*
 * All that a run writes, but for the time at which it did.
 */
static const char *
state(void)
{
	return stores_sql("SELECT md5(concat_ws(';',"
	    " (SELECT string_agg(s::text, ',' ORDER BY s::text) FROM (SELECT"
	    " project_id, month, provider, model, events, requests, counted,"
	    " tokens_uncached, cost_nano, status, frozen_at"
	    " FROM watchllm.usage_statement) s),"
	    " (SELECT string_agg(s::text, ',' ORDER BY s::text)"
	    " FROM watchllm.usage_adjustment s),"
	    " (SELECT string_agg(s::text, ',' ORDER BY s::text)"
	    " FROM watchllm.statement_month s),"
	    " (SELECT string_agg(l.name, ',' ORDER BY l.name)"
	    " FROM watchllm.partition_list() l)))");
}

static void
twice(void)
{
	static const char *const times[] = { "2040-01-15T00:10:00Z",
	    "2040-02-02T00:10:00Z", "2040-02-03T00:10:00Z",
	    "2040-05-20T00:10:00Z", "2041-06-20T00:10:00Z" };
	char first[64];
	size_t i;

	drain("2040-01-10 12:00Z", "2040-01-10 12:01Z");
	drain("2040-01-14 12:00Z", "2040-01-14 12:01Z");
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		all(times[i]);
		snprintf(first, sizeof(first), "%s", state());
		all(times[i]);
		CU_ASSERT_STRING_EQUAL(state(), first);
	}
	SQL("2", "SELECT sum(requests) FROM watchllm.usage_statement");
	SQL("2", "SELECT sum(requests) FROM watchllm.rollup_day");
	SQL("0", "SELECT count(*) FROM watchllm.event");
}

static void
test_twice(void)
{
	begin();
	stores_run(&conf, twice);
}

static void
lock(void)
{
	struct wl_pg *first, *second;

	CU_ASSERT_EQUAL(wl_db_rollup_lock(stores_arena(), &first, &e), 1);
	CU_ASSERT_EQUAL(wl_db_rollup_lock(stores_arena(), &second, &e), 0);
	wl_pg_give(first);
	CU_ASSERT_EQUAL(wl_db_rollup_lock(stores_arena(), &second, &e), 1);
	wl_pg_give(second);
}

static void
test_lock(void)
{
	begin();
	stores_run(&conf, lock);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "months: provisional, frozen, adjusted", test_months },
		{ "another day of closing", test_close_day },
		{ "three months missed", test_missed },
		{ "partitions ahead, and back", test_partitions },
		{ "events stay until they are rolled up", test_not_rolled_up },
		{ "a ledger with open calls stays", test_open_calls },
		{ "hours stay until there is a statement", test_hours },
		{ "hours stay while they are adjusted", test_short_hours },
		{ "a partition that is in use", test_busy },
		{ "marks", test_marks },
		{ "the ledger against its sums", test_ledger },
		{ "counters after lost data", test_reconcile },
		{ "counters of many projects", test_many },
		{ "Redis away", test_away },
		{ "counters in PostgreSQL", test_in_postgres },
		{ "all of it twice", test_twice },
		{ "two at once", test_lock },
		{ NULL, NULL }
	};

	return stores_main("rollup", tests);
}
