/*
 * The drain of good records: each is in the database once, whoever sends it,
 * and however often; and what becomes of processes, hosts and counters.
 */
#include "config.h"
#include "lib/base/clock.h"
#include "lib/base/journal.h"
#include "lib/base/wait.h"
#include "lib/store/counter.h"
#include "lib/store/db_drain.h"
#include "lib/store/db_migrate.h"
#include "tests/db/spool.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- calls ------------------------------------------------------------- */

static void
one_call(void)
{
	const char *a = spool_id();

	spool_put('B', a);
	spool_put('E', a);
	spool_save(SPOOL_DEAD "a.0000000001.wlj");
	spool_drain_once();
	spool_calls_are(1);
	CU_ASSERT_EQUAL(spool_segments(), 0);
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT concat_ws(' ', status, type,"
	    " source, tokens_uncached, tokens_output, cost_nano, cost_source)"
	    " FROM watchllm.event WHERE project_id = '%s'", spool.p.id),
	    "success prompt_call gateway 10 5 1000 price");
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT input || output FROM"
	    " watchllm.event_payload WHERE project_id = '%s'", spool.p.id),
	    "inout");
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT process FROM watchllm.ledger"
	    " WHERE project_id = '%s'", spool.p.id), SPOOL_DEAD "a");
}

static void
test_one_call(void)
{
	spool_run(one_call);
}

static void
append(struct wl_journal *j, enum wl_journal_kind kind, const char *event)
{
	spool_put((char)kind, event);
	CU_ASSERT_EQUAL(wl_journal_append(j, kind,
	    spool.f.p + WL_JOURNAL_HEADER, spool.f.len - WL_JOURNAL_HEADER,
	    &spool.e), 0);
	wl_buf_reset(&spool.f);
}

/*
 * A journal as workers write it, read while it grows; its process is ours.
 */
static void
living_writer(void)
{
	struct wl_journal *j = wl_journal_open(spool.conf.spool_dir, 1 << 26,
	    65536, WL_SYNC_INTERVAL, 1000, &spool.e);
	const char *a;
	int i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	spool_open();
	spool_drain();
	CU_ASSERT_EQUAL(spool_segments(), 1);
	for (i = 0; i < 200; i++) {
		a = spool_id();
		append(j, WL_J_BEGIN, a);
		append(j, WL_J_END, a);
		if (i % 20 == 0)
			spool_drain();
	}
	append(j, WL_J_BEGIN, spool_id());
	wl_journal_tick(j);
	spool_drain();
	spool_sums_are(200);
	/* segments that the writer has left are gone */
	CU_ASSERT_EQUAL(spool_segments(), 1);
	wl_journal_close(j);
	spool_drain();
	/* the process lives: its last call may yet end, somehow */
	CU_ASSERT_EQUAL(spool_segments(), 1);
	CU_ASSERT_EQUAL(wl_drain_stat(spool.d)->lost, 0);
	CU_ASSERT_EQUAL(wl_drain_stat(spool.d)->waiting, 0);
	CU_ASSERT_EQUAL(spool_count("count(*)", "ledger"), 201);
	CU_ASSERT_EQUAL(spool_count(spool_open_calls, "ledger"), 1);
	wl_drain_close(spool.d);
}

static void
test_living_writer(void)
{
	spool_run(living_writer);
}

static void
resend(void)
{
	struct wl_buf keep;
	int i;

	for (i = 0; i < 20; i++) {
		const char *a = spool_id();

		spool_put('B', a);
		spool_put('E', a);
		spool_put('I', spool_id());
	}
	wl_buf_init(&keep, 0);
	wl_buf_add(&keep, spool.f.p, spool.f.len);
	spool_save(SPOOL_DEAD "a.0000000001.wlj");
	spool_drain_once();
	spool_sums_are(40);
	for (i = 0; i < 2; i++) {
		char name[64];

		wl_buf_add(&spool.f, keep.p, keep.len);
		snprintf(name, sizeof(name),
		    SPOOL_DEAD "b%d.0000000001.wlj", i);
		spool_save(name);
	}
	spool_open();
	spool_drain();
	spool_sums_are(40);
	CU_ASSERT_EQUAL(wl_drain_stat(spool.d)->records, 120);
	CU_ASSERT_EQUAL(wl_drain_stat(spool.d)->stored, 0);
	CU_ASSERT_EQUAL(wl_drain_stat(spool.d)->duplicates, 80);
	CU_ASSERT_EQUAL(spool_count("sum(n)", "loss_ledger"), 120);
	wl_drain_close(spool.d);
	/* the same segment again, as after a lost unlink: its mark is closed */
	wl_buf_add(&spool.f, keep.p, keep.len);
	spool_save(SPOOL_DEAD "a.0000000001.wlj");
	spool_drain_once();
	CU_ASSERT_EQUAL(spool_count("sum(n)", "loss_ledger"), 120);
	CU_ASSERT_EQUAL(spool_segments(), 0);
	wl_buf_free(&keep);
}

static void
test_resend(void)
{
	spool_run(resend);
}

/*
 * Small batches over many segments: each record once, each mark right.
 */
static void
many_segments(void)
{
	char name[64];
	int i, j, k;

	spool.conf.drain_batch = 7;
	for (i = 0; i < 4; i++)
		for (j = 1; j <= 5; j++) {
			for (k = 0; k < 10; k++)
				spool_put('I', spool_id());
			snprintf(name, sizeof(name),
			    SPOOL_DEAD "p%d.%010d.wlj", i, j);
			spool_save(name);
		}
	spool_save(SPOOL_DEAD "empty.0000000001.wlj");
	/* none of ours: left alone */
	spool_put('I', spool_id());
	spool_save("999999999-1-a b.0000000001.wlj");
	spool_put('I', spool_id());
	spool_save("foreign");
	spool_open();
	spool_drain();
	spool_sums_are(200);
	CU_ASSERT_EQUAL(wl_drain_stat(spool.d)->batches, (200 + 6) / 7);
	CU_ASSERT_EQUAL(spool_segments(), 1);
	CU_ASSERT_EQUAL(spool_number("SELECT count(*) FROM"
	    " watchllm.journal_mark WHERE NOT closed"
	    " AND segment LIKE '" SPOOL_DEAD "p%'"), 0);
	wl_drain_close(spool.d);
}

static void
test_many_segments(void)
{
	spool_run(many_segments);
}

/* ---- processes that died ----------------------------------------------- */

static void
lost_calls(void)
{
	const char *a = spool_id();
	int logged = stores_logged("drain.lost");

	spool_put('B', a);
	spool_put_at('B', spool_id(), 0,
	    ",\"tokens_uncached\":7,\"cost_nano\":1000");
	spool_save(SPOOL_DEAD "a.0000000001.wlj");
	spool_put('E', a);
	spool_save(SPOOL_DEAD "a.0000000002.wlj");
	spool_open();
	spool_drain();
	spool_calls_are(2);
	CU_ASSERT_EQUAL(wl_drain_stat(spool.d)->lost, 1);
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT usage_source || ' ' || flags"
	    "::text || ' ' || tokens_uncached FROM watchllm.event"
	    " WHERE status = 'lost' AND project_id = '%s'", spool.p.id),
	    "estimated {lost} 7");
	CU_ASSERT_EQUAL(spool_segments(), 0);
	CU_ASSERT_EQUAL(stores_logged("drain.lost") - logged, 1);
	wl_drain_close(spool.d);
}

static void
test_lost_calls(void)
{
	spool_run(lost_calls);
}

/*
 * The name that the journal of process PID would have.
 */
static const char *
process_of(pid_t pid)
{
	static char name[64];
	char path[64], text[1024];
	const char *p;
	ssize_t n;
	int fd, i;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	CU_ASSERT_FATAL(n > 0);
	text[n] = '\0';
	p = strrchr(text, ')');
	for (i = 2; i < 22; i++)
		p = strchr(p + 1, ' ');
	snprintf(name, sizeof(name), "%d-%llu-x.0000000001.wlj", (int)pid,
	    strtoull(p, NULL, 10));
	return name;
}

/*
 * A process that has left its journal with an open call, which is drained, and
 * runs on.
 */
static pid_t
leave_open_call(void)
{
	char *argv[] = { (char *)"sleep", (char *)"60", NULL };
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(posix_spawnp(&pid, "sleep", NULL, NULL, argv,
	    environ), 0);
	spool_put('B', spool_id());
	spool_save(process_of(pid));
	spool_open();
	spool_drain();
	spool_drain();
	CU_ASSERT_EQUAL(spool_segments(), 1);
	CU_ASSERT_EQUAL(spool_count(spool_open_calls, "ledger"), 1);
	CU_ASSERT_EQUAL(wl_drain_stat(spool.d)->lost, 0);
	return pid;
}

static void
is_lost(void)
{
	spool_drain();
	CU_ASSERT_EQUAL(wl_drain_stat(spool.d)->lost, 1);
	CU_ASSERT_EQUAL(spool_segments(), 0);
	CU_ASSERT_EQUAL(spool_count(spool_open_calls, "ledger"), 0);
	wl_drain_close(spool.d);
}

/*
 * A process that has left its journal, but runs on for a while: its open call
 * is lost as soon as it has ended, though nothing changes in the spool, and
 * though nobody has asked for its exit status yet.
 */
static void
slow_end(void)
{
	pid_t pid = leave_open_call();

	kill(pid, SIGKILL);
	CU_ASSERT_EQUAL(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 },
	    WEXITED | WNOWAIT), 0);
	is_lost();
	CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
}

static void
test_slow_end(void)
{
	spool_run(slow_end);
}

/*
 * The spool of a machine that has another name meanwhile.
 */
static void
renamed_host(void)
{
	char other[] = "renamed", *name = spool.conf.host_name;
	pid_t pid = leave_open_call();

	wl_drain_close(spool.d);
	kill(pid, SIGKILL);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
	spool.conf.host_name = other;
	spool_open();
	is_lost();
	spool.conf.host_name = name;
}

static void
test_renamed_host(void)
{
	spool_run(renamed_host);
}

/*
 * The last segment of a process was removed by somebody else.
 */
static void
orphans(void)
{
	bool again;

	spool_put_at('B', spool_id(), 0, ",\"cost_nano\":1000");
	spool_save(SPOOL_DEAD "young.0000000001.wlj");
	spool_put_at('B', spool_id(), 3 * 3600 * 1000, ",\"cost_nano\":1000");
	spool_save(SPOOL_DEAD "old.0000000001.wlj");
	spool_open();
	CU_ASSERT_EQUAL(wl_drain_pass(spool.d, &again, &spool.e), 0);
	CU_ASSERT_TRUE(again);
	CU_ASSERT_EQUAL(spool_segments(), 2);
	wl_drain_close(spool.d);
	unlink(spool_path(SPOOL_DEAD "young.0000000001.wlj"));
	unlink(spool_path(SPOOL_DEAD "old.0000000001.wlj"));
	spool_drain_once();
	spool_sums_are(1);
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT string_agg(process || state,"
	    " ' ' ORDER BY process) FROM watchllm.ledger"
	    " WHERE project_id = '%s'", spool.p.id),
	    SPOOL_DEAD "oldlost " SPOOL_DEAD "youngopen");
}

static void
test_orphans(void)
{
	spool_run(orphans);
}

/* ---- several consumers ------------------------------------------------- */

static void
lock(void)
{
	struct wl_drain *other;

	spool_open();
	other = wl_drain_open(&spool.conf, &spool.e);
	CU_ASSERT_PTR_NOT_NULL_FATAL(other);
	CU_ASSERT_EQUAL(wl_drain_lock(other, &spool.e), 0);
	CU_ASSERT_EQUAL(wl_drain_lock(other, &spool.e), 0);
	wl_drain_close(spool.d);
	CU_ASSERT_EQUAL(wl_drain_lock(other, &spool.e), 1);
	wl_drain_close(other);
}

static void
test_lock(void)
{
	spool_run(lock);
}

#define HOSTS	3

static struct wl_conf	hosts[HOSTS];
static int64_t		stored, duplicates;

static void
drain_host(void *arg)
{
	struct wl_err err;
	struct wl_drain *mine = wl_drain_open(arg, &err);
	bool again = true;
	int i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mine);
	CU_ASSERT_EQUAL(wl_drain_lock(mine, &err), 1);
	for (i = 0; i < 1000 && again; i++)
		if (wl_drain_pass(mine, &again, &err) == -1)
			again = true;	/* in each other's way: once more */
	CU_ASSERT_FALSE(again);
	CU_ASSERT_EQUAL(wl_drain_stat(mine)->buried, 0);
	stored += wl_drain_stat(mine)->stored;
	duplicates += wl_drain_stat(mine)->duplicates;
	wl_drain_close(mine);
}

/*
 * The same events sent to several hosts, which drain them at once.
 */
static void
several_hosts(void)
{
	static char names[HOSTS][16], dirs[HOSTS][512];
	char path[600];
	int i;

	for (i = 0; i < 300; i++)
		spool_put('I', spool_id());
	for (i = 0; i < HOSTS; i++) {
		snprintf(names[i], sizeof(names[i]), "many%d", i);
		snprintf(dirs[i], sizeof(dirs[i]), "%s/%d",
		    spool.conf.spool_dir, i);
		snprintf(path, sizeof(path),
		    "%s/" SPOOL_DEAD "a.0000000001.wlj", dirs[i]);
		hosts[i] = spool.conf;
		hosts[i].drain_batch = 40;
		hosts[i].host_name = names[i];
		hosts[i].spool_dir = dirs[i];
		CU_ASSERT_EQUAL(mkdir(dirs[i], 0700), 0);
		spool_write(path, spool.f.p, spool.f.len);
	}
	wl_buf_reset(&spool.f);
	for (i = 0; i < HOSTS; i++)
		stores_spawn(drain_host, &hosts[i]);
	CU_ASSERT_TRUE(stores_join(30000));
	spool_sums_are(300);
	CU_ASSERT_EQUAL(stored, 300);
	CU_ASSERT_EQUAL(duplicates, 300 * (HOSTS - 1));
}

static void
test_hosts(void)
{
	spool_run(several_hosts);
}

/* ---- odds and ends ----------------------------------------------------- */

static void
stop_early(void)
{
	bool again;
	int i;

	spool.conf.drain_batch = 10;
	for (i = 0; i < 25; i++)
		spool_put('I', spool_id());
	spool_save(SPOOL_DEAD "a.0000000001.wlj");
	spool_open();
	wl_drain_stop(spool.d);
	CU_ASSERT_EQUAL(wl_drain_pass(spool.d, &again, &spool.e), 0);
	CU_ASSERT_FALSE(again);
	spool_sums_are(0);
	wl_drain_close(spool.d);
	spool_drain_once();
	spool_sums_are(25);
}

static void
test_stop(void)
{
	spool_run(stop_early);
}

static void
age(const char *path)
{
	struct timespec old[2] = { { 1000000000, 0 }, { 1000000000, 0 } };

	CU_ASSERT_EQUAL(utimensat(AT_FDCWD, path, old, 0), 0);
}

static void
never_named(void)
{
	const char *names[] = { "1-1-old.0000000001.new",
	    "1-1-young.0000000001.new", "1-1-locked.0000000001.new",
	    "1-1-full.0000000001.new" };
	int i, fd;

	for (i = 0; i < 4; i++) {
		spool_write(spool_path(names[i]), "x", i == 3);
		if (i != 1)
			age(spool_path(names[i]));
	}
	fd = open(spool_path(names[2]), O_WRONLY | O_CLOEXEC);
	CU_ASSERT_EQUAL(flock(fd, LOCK_EX | LOCK_NB), 0);
	spool_drain_once();
	CU_ASSERT_EQUAL(access(spool_path(names[0]), F_OK), -1);
	for (i = 1; i < 4; i++)
		CU_ASSERT_EQUAL(access(spool_path(names[i]), F_OK), 0);
	close(fd);
}

static void
test_never_named(void)
{
	spool_run(never_named);
}

static void
columns(void)
{
	char ours[4096] = "", one[64];
	int i;

	for (i = 0; wl_db_drain_columns[i].name != NULL; i++) {
		snprintf(one, sizeof(one), "%s%s%s", i == 0 ? "" : ",",
		    wl_db_drain_columns[i].name,
		    wl_db_drain_columns[i].form == WL_DF_ARRAY ? "[]" :
		    wl_db_drain_columns[i].form == WL_DF_JSON ? "{}" : "");
		CU_ASSERT_TRUE_FATAL(strlen(ours) + strlen(one) <
		    sizeof(ours));
		memcpy(ours + strlen(ours), one, strlen(one) + 1);
	}
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT string_agg(x, ',' ORDER BY"
	    " x COLLATE \"C\") FROM unnest(string_to_array('%s', ',')) x",
	    ours), stores_sql("SELECT string_agg(attname || CASE atttypid"
	    " WHEN 'text[]'::regtype THEN '[]' WHEN 'jsonb'::regtype THEN '{}'"
	    " ELSE '' END, ',' ORDER BY attname COLLATE \"C\") FROM"
	    " pg_attribute WHERE attrelid = 'watchllm.stage_row'::regclass"
	    " AND attnum > 0 AND NOT attisdropped"
	    " AND attname NOT IN ('n', 'kind', 'process')"));
}

static void
test_columns(void)
{
	spool_run(columns);
}

static void
schema(void)
{
	CU_ASSERT_EQUAL(wl_migrate_check(stores_arena(), WL_ROLE_DRAIN,
	    &spool.e), 0);
	stores_sql("UPDATE watchllm.schema_migration"
	    " SET version = version + 1000 WHERE version = %d",
	    WL_SCHEMA_VERSION);
	CU_ASSERT_EQUAL(wl_migrate_check(stores_arena(), WL_ROLE_DRAIN,
	    &spool.e), -1);
	CU_ASSERT_EQUAL(spool.e.code, WL_E_INTERNAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(spool.e.msg, "newer"));
	stores_sql("UPDATE watchllm.schema_migration"
	    " SET version = version - 1000 WHERE version > 1000");
	stores_sql("DELETE FROM watchllm.schema_migration WHERE version = %d",
	    WL_SCHEMA_VERSION);
	CU_ASSERT_EQUAL(wl_migrate_check(stores_arena(), WL_ROLE_DRAIN,
	    &spool.e), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(spool.e.msg, "watchllm migrate"));
	stores_sql("INSERT INTO watchllm.schema_migration (version, name,"
	    " sha256) VALUES (%d, 'x', 'y')", WL_SCHEMA_VERSION);
	CU_ASSERT_EQUAL(wl_migrate_check(stores_arena(), WL_ROLE_DRAIN,
	    &spool.e), 0);
}

static void
test_schema(void)
{
	spool_run(schema);
}

/* ---- counters in Redis ------------------------------------------------- */

static int64_t
month_used(void)
{
	struct wl_gate g = { .project = spool.p.id, .key_id = spool.p.key_id,
	    .now_ms = wl_clock_ms(), .nrows = 1 };

	g.rows[0] = (struct wl_limit_row){ .name = WL_LN_MONTH,
	    .kind = WL_L_FIXED, .limit = 1000, .cost = 1 };
	CU_ASSERT_EQUAL(wl_counter_read(stores_arena(), &spool.conf, &g,
	    &spool.e), 0);
	return g.rows[0].used;
}

/*
 * A call is admitted; its generation, which may be a new one, into OUT.
 */
static void
admit(char out[32])
{
	struct wl_gate g = { .project = spool.p.id, .key_id = spool.p.key_id,
	    .version = spool.p.version, .now_ms = wl_clock_ms(),
	    .event_id = spool_id(), .lease_ms = 5000, .nrows = 1 };

	g.rows[0] = (struct wl_limit_row){ .name = WL_LN_MONTH,
	    .kind = WL_L_FIXED, .limit = 1000, .cost = 1 };
	CU_ASSERT_EQUAL(wl_counter_admit(stores_arena(), &spool.conf, &g,
	    &spool.e), 0);
	CU_ASSERT_EQUAL(g.result, WL_G_ADMITTED);
	snprintf(out, 32, "%s", g.generation);
}

static void
put_calls(int n, const char *generation)
{
	char more[64];
	int i;

	snprintf(more, sizeof(more), ",\"generation\":\"%s\"", generation);
	for (i = 0; i < n; i++)
		spool_put_at('E', spool_id(), 0, more);
}

static int64_t
fixups(void)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM"
	    " watchllm.counter_fixup WHERE host = '%s'", spool.conf.host_name);
	return spool_number(sql);
}

static void
fix_ups(void)
{
	struct wl_conf away = spool.conf;
	char first[32], second[32], none[] = "";

	spool.conf.redis_timeout = 1000;
	away.redis = none;
	/* three calls of another generation, one of this */
	admit(first);
	CU_ASSERT_EQUAL(month_used(), 1);
	put_calls(3, "redis:1");
	put_calls(1, first);
	spool_save(SPOOL_DEAD "a.0000000001.wlj");
	spool_open();
	spool_drain();
	CU_ASSERT_TRUE(wl_drain_stat(spool.d)->fixups > 0);
	CU_ASSERT_EQUAL(fixups(), 1);
	/* without Redis there is nothing to be mended, and nobody waits */
	CU_ASSERT_EQUAL(wl_drain_fixups(&away, &spool.e), 0);
	CU_ASSERT_EQUAL(fixups(), 1);
	CU_ASSERT_EQUAL(wl_drain_fixups(&spool.conf, &spool.e), 1);
	CU_ASSERT_EQUAL(wl_drain_fixups(&spool.conf, &spool.e), 0);
	CU_ASSERT_EQUAL(fixups(), 0);
	CU_ASSERT_EQUAL(month_used(), 4);
	CU_ASSERT_EQUAL(spool_count("sum(counted)", "usage_month"), 4);

	/* Redis is emptied: what was drained begins the next generation, what
	 * was not is added to it */
	put_calls(2, first);
	stores_redis(NULL, "FLUSHALL");
	/* not within a second of the first */
	stores_sql("SELECT pg_sleep(1.1)");
	admit(second);
	CU_ASSERT_STRING_NOT_EQUAL(first, second);
	CU_ASSERT_EQUAL(month_used(), 5);
	put_calls(1, second);
	spool_save(SPOOL_DEAD "b.0000000001.wlj");
	spool_drain();
	CU_ASSERT_EQUAL(wl_drain_fixups(&spool.conf, &spool.e), 1);
	CU_ASSERT_EQUAL(month_used(), 7);
	CU_ASSERT_EQUAL(spool_count("sum(counted)", "usage_month"), 7);
	wl_drain_close(spool.d);
}

static void
test_fixups(void)
{
	spool_run(fix_ups);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "one call", test_one_call },
		{ "a journal that grows", test_living_writer },
		{ "sent again", test_resend },
		{ "small batches over many segments", test_many_segments },
		{ "lost calls", test_lost_calls },
		{ "a process that ends slowly", test_slow_end },
		{ "a host with another name", test_renamed_host },
		{ "calls of processes without a segment", test_orphans },
		{ "one consumer at a time", test_lock },
		{ "the same events from several hosts", test_hosts },
		{ "told to stop", test_stop },
		{ "segments without a name", test_never_named },
		{ "the columns of the stage", test_columns },
		{ "the schema of this program", test_schema },
		{ "counters in Redis", test_fixups },
		{ NULL, NULL }
	};

	return stores_main("drain", tests);
}
