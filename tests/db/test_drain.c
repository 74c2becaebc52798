/*
 * The drain: whatever lies in a spool, its good records are in the database
 * once, and of the others it is known what they were.
 */
#include "config.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/journal.h"
#include "lib/base/rand.h"
#include "lib/base/str.h"
#include "lib/core/drain.h"
#include "lib/store/counter.h"
#include "lib/store/db_drain.h"
#include "lib/store/db_migrate.h"
#include "tests/db/stores.h"
#include "tests/unit/tmp.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A process that has never been; see wl_drain_spool_runs(). */
#define DEAD	"999999999-1-"

static struct wl_err		e;
static struct wl_conf		conf;	/* of the test that runs */
static struct stores_project	p;
static struct wl_drain		*d;
static struct wl_buf		f;	/* of the segment that is being made */

/* ---- segments ---------------------------------------------------------- */

static void
put32(char *to, uint32_t v)
{
	int i;

	for (i = 0; i < 4; i++)
		to[i] = (char)(v >> (8 * i));
}

/*
 * Append a record to the segment: lib/base/journal.h.
 */
static void
put_bytes(char kind, const char *json, size_t len)
{
	char h[WL_JOURNAL_HEADER] = { 'W', 'L', kind, 0 };
	uint32_t crc;

	put32(h + 4, (uint32_t)len);
	crc = wl_crc32c(0, h + 2, 1);
	crc = wl_crc32c(crc, h + 4, 4);
	crc = wl_crc32c(crc, json, len);
	put32(h + 8, crc);
	wl_buf_add(&f, h, sizeof(h));
	wl_buf_add(&f, json, len);
}

/*
 * Append a record of the call EVENT, admitted AGO ms ago; MORE, with a comma
 * before it, wins over the usual members.
 */
static void
put_at(char kind, const char *event, int64_t ago, const char *more)
{
	struct wl_buf b;
	char at[25];

	wl_clock_rfc3339(wl_clock_ms() - ago, at);
	wl_buf_init(&b, 0);
	wl_buf_printf(&b, "{\"event_id\":\"%s\",\"project_id\":\"%s\","
	    "\"api_key_id\":\"%s\",\"retention_class\":\"standard\","
	    "\"ts\":\"%s\",\"received_at\":\"%s\",\"type\":\"prompt_call\"",
	    event, p.id, p.key_id, at, at);
	if (kind != 'I')
		wl_buf_printf(&b, ",\"admitted_at\":\"%s\","
		    "\"generation\":\"redis:1\",\"source\":\"gateway\"", at);
	else
		wl_buf_printf(&b, ",\"source\":\"events\"");
	if (kind != 'B')
		wl_buf_printf(&b, ",\"status\":\"success\",\"cost_nano\":1000,"
		    "\"tokens_uncached\":10,\"tokens_output\":5,"
		    "\"cost_source\":\"price\",\"usage_source\":\"provider\","
		    "\"input\":\"in\",\"output\":\"out\"");
	wl_buf_printf(&b, "%s}", more);
	CU_ASSERT_FALSE_FATAL(b.failed);
	put_bytes(kind, b.p, b.len);
	wl_buf_free(&b);
}

static void
put(char kind, const char *event)
{
	put_at(kind, event, 0, "");
}

static const char *
id(void)
{
	static char text[8][37];
	static int n;

	n = (n + 1) % 8;
	wl_uuid7(wl_clock_ms(), text[n]);
	return text[n];
}

static const char *
path_of(const char *name)
{
	static char path[8][512];
	static int n;

	n = (n + 1) % 8;
	snprintf(path[n], sizeof(path[n]), "%s/%s", conf.spool_dir, name);
	return path[n];
}

static void
write_file(const char *path, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CU_ASSERT_TRUE_FATAL(fd != -1);
	CU_ASSERT_EQUAL_FATAL(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

/*
 * The segment becomes the file NAME of the spool.
 */
static void
save(const char *name)
{
	write_file(path_of(name), f.p == NULL ? "" : f.p, f.len);
	wl_buf_reset(&f);
}

static int
count_one(const char *name, const char *process, uint64_t seq, int64_t size,
    void *arg)
{
	(void)name;
	(void)process;
	(void)seq;
	(void)size;
	++*(int *)arg;
	return 0;
}

static int
segments(void)
{
	int n = 0;

	CU_ASSERT_EQUAL(wl_journal_scan(conf.spool_dir, count_one, &n), 0);
	return n;
}

/* ---- passes ------------------------------------------------------------ */

/*
 * FN with an empty spool, a new project, and a drain.
 */
static void
in_spool(void (*fn)(void))
{
	static char host[16];
	static int n;

	conf = stores_conf;
	conf.database_timeout = 20000;
	snprintf(host, sizeof(host), "host%d", n++);
	conf.host_name = host;
	conf.spool_dir = (char *)(uintptr_t)wl_tmp_path(host);
	stores_project(&p, "pro");
	CU_ASSERT_EQUAL(mkdir(conf.spool_dir, 0700), 0);
	stores_run(&conf, fn);
	wl_buf_free(&f);
}

static void
open_drain(void)
{
	d = wl_drain_open(&conf, &e);
	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	CU_ASSERT_EQUAL_FATAL(wl_drain_lock(d, &e), 1);
}

/*
 * Pass after pass until there is no more to do.
 */
static void
drain(void)
{
	bool again = true;
	int i;

	for (i = 0; i < 100 && again; i++)
		if (wl_drain_pass(d, &again, &e) == -1) {
			printf("# %s %s\n", e.msg, e.detail);
			CU_FAIL("a pass failed");
			return;
		}
	CU_ASSERT_FALSE(again);
}

static void
drain_once(void)
{
	open_drain();
	drain();
	wl_drain_close(d);
}

static int64_t
number(const char *sql)
{
	return strtoll(stores_sql("%s", sql), NULL, 10);
}

/*
 * WHAT, an aggregate, of the rows of TABLE that the project has.
 */
static int64_t
of_project(const char *what, const char *table)
{
	char sql[512];

	snprintf(sql, sizeof(sql), "SELECT %s FROM watchllm.%s"
	    " WHERE project_id = '%s'", what, table, p.id);
	return number(sql);
}

static const char	open_calls[] = "count(*) FILTER (WHERE state = 'open')";

/*
 * The sums of the project: they all tell of N events that cost 1000 each.
 */
static void
sums_are(int64_t n)
{
	CU_ASSERT_EQUAL(of_project("count(*)", "event"), n);
	CU_ASSERT_EQUAL(of_project("sum(events)", "rollup_hour"), n);
	CU_ASSERT_EQUAL(of_project("sum(events)", "rollup_day"), n);
	CU_ASSERT_EQUAL(of_project("sum(cost_nano)", "rollup_day"), n * 1000);
}

static void
calls_are(int64_t n)
{
	sums_are(n);
	CU_ASSERT_EQUAL(of_project("count(*)", "ledger"), n);
	CU_ASSERT_EQUAL(of_project(open_calls, "ledger"), 0);
	CU_ASSERT_EQUAL(of_project("sum(admitted)", "usage_month"), n);
	CU_ASSERT_EQUAL(of_project("sum(counted)", "usage_month"), n);
	CU_ASSERT_EQUAL(of_project("sum(cost_nano)", "usage_month"), n * 1000);
}

static int64_t
letters(const char *sqlstate)
{
	char sql[256];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM watchllm.dead_letter"
	    " WHERE host = '%s' AND sqlstate LIKE '%s'", conf.host_name,
	    sqlstate);
	return number(sql);
}

/* ---- calls ------------------------------------------------------------- */

static void
one_call(void)
{
	const char *a = id();

	put('B', a);
	put('E', a);
	save(DEAD "a.0000000001.wlj");
	drain_once();
	calls_are(1);
	CU_ASSERT_EQUAL(segments(), 0);
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT concat_ws(' ', status, type,"
	    " source, tokens_uncached, tokens_output, cost_nano, cost_source)"
	    " FROM watchllm.event WHERE project_id = '%s'", p.id),
	    "success prompt_call gateway 10 5 1000 price");
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT input || output FROM"
	    " watchllm.event_payload WHERE project_id = '%s'", p.id), "inout");
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT process FROM watchllm.ledger"
	    " WHERE project_id = '%s'", p.id), DEAD "a");
}

static void
test_one_call(void)
{
	in_spool(one_call);
}

/*
 * A journal as workers write it, read while it grows; its process is ours.
 */
static void
living_writer(void)
{
	struct wl_journal *j = wl_journal_open(conf.spool_dir, 1 << 26,
	    65536, WL_SYNC_INTERVAL, 1000, &e);
	const char *a;
	int i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	open_drain();
	drain();
	CU_ASSERT_EQUAL(segments(), 1);
	for (i = 0; i < 200; i++) {
		a = id();
		put('B', a);
		CU_ASSERT_EQUAL(wl_journal_append(j, WL_J_BEGIN,
		    f.p + WL_JOURNAL_HEADER, f.len - WL_JOURNAL_HEADER, &e),
		    0);
		wl_buf_reset(&f);
		put('E', a);
		CU_ASSERT_EQUAL(wl_journal_append(j, WL_J_END,
		    f.p + WL_JOURNAL_HEADER, f.len - WL_JOURNAL_HEADER, &e),
		    0);
		wl_buf_reset(&f);
		if (i % 20 == 0)
			drain();
	}
	put('B', id());
	CU_ASSERT_EQUAL(wl_journal_append(j, WL_J_BEGIN,
	    f.p + WL_JOURNAL_HEADER, f.len - WL_JOURNAL_HEADER, &e), 0);
	wl_buf_reset(&f);
	wl_journal_tick(j);
	drain();
	sums_are(200);
	/* segments that the writer has left are gone */
	CU_ASSERT_EQUAL(segments(), 1);
	wl_journal_close(j);
	drain();
	/* the process lives: its last call may yet end, somehow */
	CU_ASSERT_EQUAL(segments(), 1);
	CU_ASSERT_EQUAL(wl_drain_stat(d)->lost, 0);
	CU_ASSERT_EQUAL(wl_drain_stat(d)->waiting, 0);
	CU_ASSERT_EQUAL(of_project("count(*)", "ledger"), 201);
	CU_ASSERT_EQUAL(of_project(open_calls, "ledger"), 1);
	wl_drain_close(d);
}

static void
test_living_writer(void)
{
	in_spool(living_writer);
}

static void
resend(void)
{
	struct wl_buf keep;
	int i;

	for (i = 0; i < 20; i++) {
		const char *a = id();

		put('B', a);
		put('E', a);
		put('I', id());
	}
	wl_buf_init(&keep, 0);
	wl_buf_add(&keep, f.p, f.len);
	save(DEAD "a.0000000001.wlj");
	drain_once();
	sums_are(40);
	for (i = 0; i < 2; i++) {
		char name[64];

		wl_buf_add(&f, keep.p, keep.len);
		snprintf(name, sizeof(name), DEAD "b%d.0000000001.wlj", i);
		save(name);
	}
	open_drain();
	drain();
	sums_are(40);
	CU_ASSERT_EQUAL(wl_drain_stat(d)->records, 120);
	CU_ASSERT_EQUAL(wl_drain_stat(d)->stored, 0);
	CU_ASSERT_EQUAL(wl_drain_stat(d)->duplicates, 80);
	CU_ASSERT_EQUAL(of_project("sum(n)", "loss_ledger"), 120);
	wl_drain_close(d);
	/* the same segment again, as after a lost unlink: its mark is closed */
	wl_buf_add(&f, keep.p, keep.len);
	save(DEAD "a.0000000001.wlj");
	drain_once();
	CU_ASSERT_EQUAL(of_project("sum(n)", "loss_ledger"), 120);
	CU_ASSERT_EQUAL(segments(), 0);
	wl_buf_free(&keep);
}

static void
test_resend(void)
{
	in_spool(resend);
}

/*
 * Small batches over many segments: each record once, each mark right.
 */
static void
many_segments(void)
{
	char name[64];
	int i, j, k;

	conf.drain_batch = 7;
	for (i = 0; i < 4; i++)
		for (j = 1; j <= 5; j++) {
			for (k = 0; k < 10; k++)
				put('I', id());
			snprintf(name, sizeof(name), DEAD "p%d.%010d.wlj", i,
			    j);
			save(name);
		}
	save(DEAD "empty.0000000001.wlj");
	/* none of ours: left alone */
	put('I', id());
	save("999999999-1-a b.0000000001.wlj");
	put('I', id());
	save("foreign");
	open_drain();
	drain();
	sums_are(200);
	CU_ASSERT_EQUAL(wl_drain_stat(d)->batches, (200 + 6) / 7);
	CU_ASSERT_EQUAL(segments(), 1);
	CU_ASSERT_EQUAL(number("SELECT count(*) FROM watchllm.journal_mark"
	    " WHERE NOT closed AND segment LIKE '" DEAD "p%'"), 0);
	wl_drain_close(d);
}

static void
test_many_segments(void)
{
	in_spool(many_segments);
}

/* ---- what is no record ------------------------------------------------- */

static void
poison(void)
{
	static const struct {
		const char	*more;
		const char	*state;
	} bad[] = {
		{ ",\"tokens_output\":-1", "23514" },
		{ ",\"tokens_output\":\"many\"", "22P02" },
		{ ",\"project_id\":null", "23502" },
		{ ",\"retention_class\":\"nonsense\"", "2%" },
		{ ",\"retention_class\":null", "22P02" },
		{ ",\"type\":\"nonsense\"", "23514" },
		{ ",\"ts\":\"yesterday, or so\"", "22007" },
		{ ",\"attributes\":{\"a\":\"\\u0000\"}", "22P05" },
	};
	size_t i, n = 0;

	for (i = 0; i < 1000; i++) {
		if (i % 120 == 77 && n < sizeof(bad) / sizeof(bad[0]))
			put_at('I', id(), 0, bad[n++].more);
		else if (i == 500)
			put_bytes('I', "nonsense", 8);
		else if (i == 501)
			put_bytes('E', "{\"a\":\"\0\"}", 9);
		else if (i == 502)
			put_bytes('B', "{\"a\":\"\xff\"}", 9);
		else if (i == 503)
			put_bytes('B', "{}", 2);
		else
			put('I', id());
	}
	CU_ASSERT_EQUAL(n, sizeof(bad) / sizeof(bad[0]));
	save(DEAD "a.0000000001.wlj");
	open_drain();
	drain();
	sums_are(1000 - 12);
	CU_ASSERT_EQUAL(wl_drain_stat(d)->buried, 12);
	CU_ASSERT_EQUAL(wl_drain_stat(d)->records, 1000);
	CU_ASSERT_EQUAL(letters("%"), 12);
	for (i = 0; i < n; i++)
		CU_ASSERT_TRUE(letters(bad[i].state) >= 1);
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT convert_from(record, 'UTF8')"
	    " || ' ' || reason || ' ' || kind FROM watchllm.dead_letter"
	    " WHERE host = '%s' AND length(record) = 8", conf.host_name),
	    "nonsense not JSON I");
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT project_id || ' ' || reason"
	    " FROM watchllm.dead_letter WHERE host = '%s'"
	    " AND sqlstate = '22P02' AND reason LIKE '%%integer%%'",
	    conf.host_name) + strlen(p.id),
	    " invalid input syntax for type integer: \"many\"");
	CU_ASSERT_EQUAL(of_project("sum(n) FILTER (WHERE outcome = 'dead')",
	    "loss_ledger"), 7);
	CU_ASSERT_EQUAL(stores_logged("drain.buried"), 12);
	CU_ASSERT_EQUAL(segments(), 0);
	wl_drain_close(d);
}

static void
test_poison(void)
{
	in_spool(poison);
}

/*
 * A batch of several segments that begin or end with what is refused.
 */
static void
poison_at_ends(void)
{
	static const char bad[] = ",\"tokens_output\":-1";
	char name[64];
	int i;

	for (i = 0; i < 6; i++) {
		if (i % 2 == 0)
			put_at('I', id(), 0, bad);
		if (i != 4)
			put('I', id());
		if (i % 3 == 0)
			put_at('I', id(), 0, bad);
		if (i == 5)
			put_bytes('E', "", 0);
		snprintf(name, sizeof(name), DEAD "a.%010d.wlj", i + 1);
		save(name);
	}
	open_drain();
	drain();
	sums_are(5);
	CU_ASSERT_EQUAL(wl_drain_stat(d)->buried, 6);
	CU_ASSERT_EQUAL(letters("%"), 6);
	CU_ASSERT_EQUAL(number("SELECT count(*) FROM watchllm.journal_mark"
	    " WHERE NOT closed AND segment LIKE '" DEAD "a.%'"), 0);
	CU_ASSERT_EQUAL(segments(), 0);
	wl_drain_close(d);
}

static void
test_poison_at_ends(void)
{
	in_spool(poison_at_ends);
}

/*
 * The file of the quarantine that belongs to SEGMENT from OFFSET on.
 */
static bool
in_quarantine(const char *segment, size_t offset, const char *bytes,
    size_t len)
{
	char path[512], *have;
	size_t n = 0;
	bool same;

	snprintf(path, sizeof(path), "%s/quarantine/%s.%zu", conf.spool_dir,
	    segment, offset);
	if (access(path, F_OK) == -1)
		return false;
	have = wl_tmp_read(path, &n);
	same = n == len && memcmp(have, bytes, len) == 0;
	free(have);
	return same;
}

static void
torn_tail(void)
{
	const char *a = id();
	size_t whole, len;
	char rest[64];
	int logged = stores_logged("drain.quarantined");

	put('B', a);
	put('E', a);
	whole = f.len;
	put('B', id());
	/* the writer was killed in the middle of it */
	len = 40;
	f.len = whole + len;
	memcpy(rest, f.p + whole, len);
	save(DEAD "a.0000000001.wlj");
	drain_once();
	calls_are(1);
	CU_ASSERT_TRUE(in_quarantine(DEAD "a.0000000001.wlj", whole, rest,
	    len));
	CU_ASSERT_EQUAL(letters("XX001"), 1);
	CU_ASSERT_EQUAL(number("SELECT record_offset FROM watchllm.dead_letter"
	    " ORDER BY id DESC LIMIT 1"), (int64_t)whole);
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT kind || length(record) FROM"
	    " watchllm.dead_letter ORDER BY id DESC LIMIT 1"), "?40");
	CU_ASSERT_EQUAL(stores_logged("drain.quarantined") - logged, 1);
	CU_ASSERT_EQUAL(segments(), 0);
}

static void
test_torn_tail(void)
{
	in_spool(torn_tail);
}

/*
 * Five events, of which the third is spoilt.  Returns where it begins.
 */
static size_t
spoilt(void)
{
	size_t at = 0;
	int i;

	for (i = 0; i < 5; i++) {
		if (i == 2)
			at = f.len;
		put('I', id());
	}
	f.p[at + 100] ^= 1;
	return at;
}

static void
bad_checksum(void)
{
	size_t at = spoilt(), len = f.len - at;
	char *rest = malloc(len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(rest);
	memcpy(rest, f.p + at, len);
	save(DEAD "a.0000000001.wlj");
	put('I', id());
	save(DEAD "a.0000000002.wlj");
	drain_once();
	sums_are(3);
	CU_ASSERT_TRUE(in_quarantine(DEAD "a.0000000001.wlj", at, rest, len));
	CU_ASSERT_EQUAL(segments(), 0);
	free(rest);
}

static void
test_bad_checksum(void)
{
	in_spool(bad_checksum);
}

static void
bad_while_alive(void)
{
	const char *name = DEAD "a.0000000001.wlj";
	size_t at = spoilt();
	int fd;

	(void)at;
	save(name);
	fd = open(path_of(name), O_WRONLY | O_APPEND | O_CLOEXEC);
	CU_ASSERT_EQUAL_FATAL(flock(fd, LOCK_EX | LOCK_NB), 0);
	open_drain();
	drain();
	drain();
	sums_are(2);
	CU_ASSERT_EQUAL(wl_drain_stat(d)->waiting, 1);
	CU_ASSERT_EQUAL(wl_drain_stat(d)->quarantined, 0);
	CU_ASSERT_EQUAL(segments(), 1);
	/* the writer goes */
	close(fd);
	drain();
	CU_ASSERT_EQUAL(wl_drain_stat(d)->waiting, 0);
	CU_ASSERT_EQUAL(wl_drain_stat(d)->quarantined, 1);
	CU_ASSERT_EQUAL(segments(), 0);
	sums_are(2);
	wl_drain_close(d);
}

static void
test_bad_while_alive(void)
{
	in_spool(bad_while_alive);
}

static void
quarantine_full(void)
{
	static char filler[300 * 1024];

	conf.spool_max = 1024 * 1024;
	CU_ASSERT_EQUAL(mkdir(path_of("quarantine"), 0700), 0);
	write_file(path_of("quarantine/old"), filler, sizeof(filler));
	put('I', id());
	wl_buf_adds(&f, "no record");
	save(DEAD "a.0000000001.wlj");
	open_drain();
	drain();
	sums_are(1);
	CU_ASSERT_EQUAL(wl_drain_stat(d)->waiting, 1);
	CU_ASSERT_EQUAL(segments(), 1);
	CU_ASSERT_EQUAL(letters("%"), 0);
	CU_ASSERT_EQUAL(unlink(path_of("quarantine/old")), 0);
	drain();
	CU_ASSERT_EQUAL(wl_drain_stat(d)->quarantined, 1);
	CU_ASSERT_EQUAL(letters("XX001"), 1);
	CU_ASSERT_EQUAL(segments(), 0);
	wl_drain_close(d);
}

static void
test_quarantine_full(void)
{
	in_spool(quarantine_full);
}

/* ---- processes that died ----------------------------------------------- */

static void
lost_calls(void)
{
	const char *a = id();
	int logged = stores_logged("drain.lost");

	put('B', a);
	put_at('B', id(), 0, ",\"tokens_uncached\":7,\"cost_nano\":1000");
	save(DEAD "a.0000000001.wlj");
	put('E', a);
	save(DEAD "a.0000000002.wlj");
	open_drain();
	drain();
	calls_are(2);
	CU_ASSERT_EQUAL(wl_drain_stat(d)->lost, 1);
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT usage_source || ' ' || flags"
	    "::text || ' ' || tokens_uncached FROM watchllm.event"
	    " WHERE status = 'lost' AND project_id = '%s'", p.id),
	    "estimated {lost} 7");
	CU_ASSERT_EQUAL(segments(), 0);
	CU_ASSERT_EQUAL(stores_logged("drain.lost") - logged, 1);
	wl_drain_close(d);
}

static void
test_lost_calls(void)
{
	in_spool(lost_calls);
}

/*
 * What is known of a call may be too little for an event.
 */
static void
lost_poison(void)
{
	int i;

	for (i = 0; i < 5; i++)
		put_at('B', id(), 0, i == 3 ? ",\"type\":\"nonsense\"" :
		    ",\"cost_nano\":1000");
	save(DEAD "a.0000000001.wlj");
	open_drain();
	drain();
	sums_are(4);
	CU_ASSERT_EQUAL(wl_drain_stat(d)->lost, 4);
	CU_ASSERT_EQUAL(wl_drain_stat(d)->buried, 1);
	CU_ASSERT_EQUAL(letters("23514"), 1);
	CU_ASSERT_EQUAL(of_project("count(*)", "ledger"), 5);
	CU_ASSERT_EQUAL(of_project(open_calls, "ledger"), 0);
	CU_ASSERT_EQUAL(segments(), 0);
	wl_drain_close(d);
}

static void
test_lost_poison(void)
{
	in_spool(lost_poison);
}

/*
 * The last segment of a process was removed by somebody else.
 */
static void
orphans(void)
{
	bool again;

	put_at('B', id(), 0, ",\"cost_nano\":1000");
	save(DEAD "young.0000000001.wlj");
	put_at('B', id(), 3 * 3600 * 1000, ",\"cost_nano\":1000");
	save(DEAD "old.0000000001.wlj");
	open_drain();
	CU_ASSERT_EQUAL(wl_drain_pass(d, &again, &e), 0);
	CU_ASSERT_TRUE(again);
	CU_ASSERT_EQUAL(segments(), 2);
	wl_drain_close(d);
	unlink(path_of(DEAD "young.0000000001.wlj"));
	unlink(path_of(DEAD "old.0000000001.wlj"));
	drain_once();
	sums_are(1);
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT string_agg(process || state,"
	    " ' ' ORDER BY process) FROM watchllm.ledger"
	    " WHERE project_id = '%s'", p.id), DEAD "oldlost " DEAD
	    "youngopen");
}

static void
test_orphans(void)
{
	in_spool(orphans);
}

/* ---- several consumers ------------------------------------------------- */

static void
lock(void)
{
	struct wl_drain *other;

	open_drain();
	other = wl_drain_open(&conf, &e);
	CU_ASSERT_PTR_NOT_NULL_FATAL(other);
	CU_ASSERT_EQUAL(wl_drain_lock(other, &e), 0);
	CU_ASSERT_EQUAL(wl_drain_lock(other, &e), 0);
	wl_drain_close(d);
	CU_ASSERT_EQUAL(wl_drain_lock(other, &e), 1);
	wl_drain_close(other);
}

static void
test_lock(void)
{
	in_spool(lock);
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
		put('I', id());
	for (i = 0; i < HOSTS; i++) {
		snprintf(names[i], sizeof(names[i]), "many%d", i);
		snprintf(dirs[i], sizeof(dirs[i]), "%s/%d", conf.spool_dir, i);
		snprintf(path, sizeof(path), "%s/" DEAD "a.0000000001.wlj",
		    dirs[i]);
		hosts[i] = conf;
		hosts[i].drain_batch = 40;
		hosts[i].host_name = names[i];
		hosts[i].spool_dir = dirs[i];
		CU_ASSERT_EQUAL(mkdir(dirs[i], 0700), 0);
		write_file(path, f.p, f.len);
	}
	wl_buf_reset(&f);
	for (i = 0; i < HOSTS; i++)
		stores_spawn(drain_host, &hosts[i]);
	CU_ASSERT_TRUE(stores_join(30000));
	sums_are(300);
	CU_ASSERT_EQUAL(stored, 300);
	CU_ASSERT_EQUAL(duplicates, 300 * (HOSTS - 1));
}

static void
test_hosts(void)
{
	in_spool(several_hosts);
}

/*
 * Another consumer, which shares neither lock nor machine, was faster.
 */
static void
mark_moved(void)
{
	bool again;

	put('I', id());
	save(DEAD "a.0000000001.wlj");
	open_drain();
	drain();
	put('I', id());
	save(DEAD "b.0000000001.wlj");
	stores_sql("CREATE FUNCTION watchllm.steal() RETURNS trigger"
	    " LANGUAGE plpgsql AS $$ BEGIN NEW.drained_bytes = 7;"
	    " RETURN NEW; END $$");
	stores_sql("CREATE TRIGGER steal BEFORE INSERT ON"
	    " watchllm.journal_mark FOR EACH ROW EXECUTE FUNCTION"
	    " watchllm.steal()");
	CU_ASSERT_EQUAL(wl_drain_pass(d, &again, &e), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	sums_are(1);
	stores_sql("DROP TRIGGER steal ON watchllm.journal_mark");
	stores_sql("DROP FUNCTION watchllm.steal()");
	drain();
	sums_are(2);
	CU_ASSERT_EQUAL(letters("%"), 0);
	wl_drain_close(d);
}

static void
test_mark_moved(void)
{
	in_spool(mark_moved);
}

/*
 * What is wrong with the database is no fault of the records.
 */
static void
database_ill(void)
{
	static const char *const states[] = { "40001", "40P01", "42501",
	    "53100", "53300", "55P03", "57014", "P0001", "XX000" };
	size_t i, n = sizeof(states) / sizeof(states[0]);
	bool again;
	int k;

	open_drain();
	for (i = 0; i < n; i++) {
		char name[64];

		for (k = 0; k < 10; k++)
			put('I', id());
		snprintf(name, sizeof(name), DEAD "a%zu.0000000001.wlj", i);
		save(name);
		stores_sql("CREATE FUNCTION watchllm.ill() RETURNS trigger"
		    " LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'ill'"
		    " USING ERRCODE = '%s'; END $$", states[i]);
		stores_sql("CREATE TRIGGER ill BEFORE INSERT ON"
		    " watchllm.event_seen FOR EACH STATEMENT EXECUTE FUNCTION"
		    " watchllm.ill()");
		CU_ASSERT_EQUAL(wl_drain_pass(d, &again, &e), -1);
		CU_ASSERT_PTR_NOT_NULL(strstr(e.detail, states[i]));
		stores_sql("DROP TRIGGER ill ON watchllm.event_seen");
		stores_sql("DROP FUNCTION watchllm.ill()");
		sums_are((int64_t)i * 10);
		drain();
	}
	sums_are((int64_t)n * 10);
	CU_ASSERT_EQUAL(letters("%"), 0);
	CU_ASSERT_EQUAL(segments(), 0);
	wl_drain_close(d);
}

static void
test_database_ill(void)
{
	in_spool(database_ill);
}

/* ---- odds and ends ----------------------------------------------------- */

static void
stop_early(void)
{
	bool again;
	int i;

	conf.drain_batch = 10;
	for (i = 0; i < 25; i++)
		put('I', id());
	save(DEAD "a.0000000001.wlj");
	open_drain();
	wl_drain_stop(d);
	CU_ASSERT_EQUAL(wl_drain_pass(d, &again, &e), 0);
	CU_ASSERT_FALSE(again);
	sums_are(0);
	wl_drain_close(d);
	drain_once();
	sums_are(25);
}

static void
test_stop(void)
{
	in_spool(stop_early);
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
		write_file(path_of(names[i]), "x", i == 3);
		if (i != 1)
			age(path_of(names[i]));
	}
	fd = open(path_of(names[2]), O_WRONLY | O_CLOEXEC);
	CU_ASSERT_EQUAL(flock(fd, LOCK_EX | LOCK_NB), 0);
	drain_once();
	CU_ASSERT_EQUAL(access(path_of(names[0]), F_OK), -1);
	for (i = 1; i < 4; i++)
		CU_ASSERT_EQUAL(access(path_of(names[i]), F_OK), 0);
	close(fd);
}

static void
test_never_named(void)
{
	in_spool(never_named);
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
	in_spool(columns);
}

static void
schema(void)
{
	CU_ASSERT_EQUAL(wl_db_drain_check(stores_arena(), &e), 0);
	stores_sql("UPDATE watchllm.schema_migration"
	    " SET version = version + 1000 WHERE version = %d",
	    WL_SCHEMA_VERSION);
	CU_ASSERT_EQUAL(wl_db_drain_check(stores_arena(), &e), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_INTERNAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "newer"));
	stores_sql("UPDATE watchllm.schema_migration"
	    " SET version = version - 1000 WHERE version > 1000");
	stores_sql("DELETE FROM watchllm.schema_migration WHERE version = %d",
	    WL_SCHEMA_VERSION);
	CU_ASSERT_EQUAL(wl_db_drain_check(stores_arena(), &e), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "watchllm migrate"));
	stores_sql("INSERT INTO watchllm.schema_migration (version, name,"
	    " sha256) VALUES (%d, 'x', 'y')", WL_SCHEMA_VERSION);
	CU_ASSERT_EQUAL(wl_db_drain_check(stores_arena(), &e), 0);
}

static void
test_schema(void)
{
	in_spool(schema);
}

/* ---- counters in Redis ------------------------------------------------- */

static int64_t
month_used(void)
{
	struct wl_gate g = { .project = p.id, .key_id = p.key_id,
	    .now_ms = wl_clock_ms(), .nrows = 1 };

	g.rows[0] = (struct wl_limit_row){ .name = WL_LN_MONTH,
	    .kind = WL_L_FIXED, .limit = 1000, .cost = 1 };
	CU_ASSERT_EQUAL(wl_counter_read(stores_arena(), &conf, &g, &e), 0);
	return g.rows[0].used;
}

/*
 * A call is admitted; its generation, which may be a new one, into OUT.
 */
static void
admit(char out[32])
{
	struct wl_gate g = { .project = p.id, .key_id = p.key_id,
	    .version = p.version, .now_ms = wl_clock_ms(), .event_id = id(),
	    .lease_ms = 5000, .nrows = 1 };

	g.rows[0] = (struct wl_limit_row){ .name = WL_LN_MONTH,
	    .kind = WL_L_FIXED, .limit = 1000, .cost = 1 };
	CU_ASSERT_EQUAL(wl_counter_admit(stores_arena(), &conf, &g, &e), 0);
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
		put_at('E', id(), 0, more);
}

static int64_t
fixups(void)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM"
	    " watchllm.counter_fixup WHERE host = '%s'", conf.host_name);
	return number(sql);
}

static void
fix_ups(void)
{
	struct wl_conf away = conf;
	char first[32], second[32], none[] = "";

	conf.redis_timeout = 1000;
	away.redis = none;
	/* three calls of another generation, one of this */
	admit(first);
	CU_ASSERT_EQUAL(month_used(), 1);
	put_calls(3, "redis:1");
	put_calls(1, first);
	save(DEAD "a.0000000001.wlj");
	open_drain();
	drain();
	CU_ASSERT_TRUE(wl_drain_stat(d)->fixups > 0);
	CU_ASSERT_EQUAL(fixups(), 1);
	/* without Redis there is nothing to be mended, and nobody waits */
	CU_ASSERT_EQUAL(wl_drain_fixups(&away, &e), 0);
	CU_ASSERT_EQUAL(fixups(), 1);
	CU_ASSERT_EQUAL(wl_drain_fixups(&conf, &e), 1);
	CU_ASSERT_EQUAL(wl_drain_fixups(&conf, &e), 0);
	CU_ASSERT_EQUAL(fixups(), 0);
	CU_ASSERT_EQUAL(month_used(), 4);
	CU_ASSERT_EQUAL(of_project("sum(counted)", "usage_month"), 4);

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
	save(DEAD "b.0000000001.wlj");
	drain();
	CU_ASSERT_EQUAL(wl_drain_fixups(&conf, &e), 1);
	CU_ASSERT_EQUAL(month_used(), 7);
	CU_ASSERT_EQUAL(of_project("sum(counted)", "usage_month"), 7);
	wl_drain_close(d);
}

static void
test_fixups(void)
{
	in_spool(fix_ups);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "one call", test_one_call },
		{ "a journal that grows", test_living_writer },
		{ "sent again", test_resend },
		{ "small batches over many segments", test_many_segments },
		{ "records that are refused", test_poison },
		{ "refused at the ends of segments", test_poison_at_ends },
		{ "a torn tail", test_torn_tail },
		{ "a bad checksum", test_bad_checksum },
		{ "the same with a living writer", test_bad_while_alive },
		{ "a quarantine that is full", test_quarantine_full },
		{ "lost calls", test_lost_calls },
		{ "a lost call that can be no event", test_lost_poison },
		{ "calls of processes without a segment", test_orphans },
		{ "one consumer at a time", test_lock },
		{ "the same events from several hosts", test_hosts },
		{ "a mark that stands elsewhere", test_mark_moved },
		{ "a database that is ill", test_database_ill },
		{ "told to stop", test_stop },
		{ "segments without a name", test_never_named },
		{ "the columns of the stage", test_columns },
		{ "the schema of this program", test_schema },
		{ "counters in Redis", test_fixups },
		{ NULL, NULL }
	};

	return stores_main("drain", tests);
}
