/*
 * The drain of what is no record, or not one that the database takes: it is
 * known what it was, and its neighbours are not affected.  And a database that
 * takes nothing.
 */
#include "config.h"
#include "tests/db/spool.h"
#include "tests/unit/tmp.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
			spool_put_at('I', spool_id(), 0, bad[n++].more);
		else if (i == 500)
			spool_put_bytes('I', "nonsense", 8);
		else if (i == 501)
			spool_put_bytes('E', "{\"a\":\"\0\"}", 9);
		else if (i == 502)
			spool_put_bytes('B', "{\"a\":\"\xff\"}", 9);
		else if (i == 503)
			spool_put_bytes('B', "{}", 2);
		else
			spool_put('I', spool_id());
	}
	CU_ASSERT_EQUAL(n, sizeof(bad) / sizeof(bad[0]));
	spool_save(SPOOL_DEAD "a.0000000001.wlj");
	spool_open();
	spool_drain();
	spool_sums_are(1000 - 12);
	CU_ASSERT_EQUAL(wl_drain_stat(spool.d)->buried, 12);
	CU_ASSERT_EQUAL(wl_drain_stat(spool.d)->records, 1000);
	CU_ASSERT_EQUAL(spool_letters("%"), 12);
	for (i = 0; i < n; i++)
		CU_ASSERT_TRUE(spool_letters(bad[i].state) >= 1);
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT convert_from(record, 'UTF8')"
	    " || ' ' || reason || ' ' || kind FROM watchllm.dead_letter"
	    " WHERE host = '%s' AND length(record) = 8", spool.conf.host_name),
	    "nonsense not JSON I");
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT project_id || ' ' || reason"
	    " FROM watchllm.dead_letter WHERE host = '%s'"
	    " AND sqlstate = '22P02' AND reason LIKE '%%integer%%'",
	    spool.conf.host_name) + strlen(spool.p.id),
	    " invalid input syntax for type integer: \"many\"");
	CU_ASSERT_EQUAL(spool_count("sum(n) FILTER (WHERE outcome = 'dead')",
	    "loss_ledger"), 7);
	CU_ASSERT_EQUAL(stores_logged("drain.buried"), 12);
	CU_ASSERT_EQUAL(spool_segments(), 0);
	wl_drain_close(spool.d);
}

static void
test_poison(void)
{
	spool_run(poison);
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
			spool_put_at('I', spool_id(), 0, bad);
		if (i != 4)
			spool_put('I', spool_id());
		if (i % 3 == 0)
			spool_put_at('I', spool_id(), 0, bad);
		if (i == 5)
			spool_put_bytes('E', "", 0);
		snprintf(name, sizeof(name), SPOOL_DEAD "a.%010d.wlj", i + 1);
		spool_save(name);
	}
	spool_open();
	spool_drain();
	spool_sums_are(5);
	CU_ASSERT_EQUAL(wl_drain_stat(spool.d)->buried, 6);
	CU_ASSERT_EQUAL(spool_letters("%"), 6);
	CU_ASSERT_EQUAL(spool_number("SELECT count(*) FROM"
	    " watchllm.journal_mark WHERE NOT closed"
	    " AND segment LIKE '" SPOOL_DEAD "a.%'"), 0);
	CU_ASSERT_EQUAL(spool_segments(), 0);
	wl_drain_close(spool.d);
}

static void
test_poison_at_ends(void)
{
	spool_run(poison_at_ends);
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

	snprintf(path, sizeof(path), "%s/quarantine/%s.%zu",
	    spool.conf.spool_dir, segment, offset);
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
	const char *a = spool_id();
	size_t whole, len;
	char rest[64];
	int logged = stores_logged("drain.quarantined");

	spool_put('B', a);
	spool_put('E', a);
	whole = spool.f.len;
	spool_put('B', spool_id());
	/* the writer was killed in the middle of it */
	len = 40;
	spool.f.len = whole + len;
	memcpy(rest, spool.f.p + whole, len);
	spool_save(SPOOL_DEAD "a.0000000001.wlj");
	spool_drain_once();
	spool_calls_are(1);
	CU_ASSERT_TRUE(in_quarantine(SPOOL_DEAD "a.0000000001.wlj", whole, rest,
	    len));
	CU_ASSERT_EQUAL(spool_letters("XX001"), 1);
	CU_ASSERT_EQUAL(spool_number("SELECT record_offset FROM"
	    " watchllm.dead_letter ORDER BY id DESC LIMIT 1"), (int64_t)whole);
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT kind || length(record) FROM"
	    " watchllm.dead_letter ORDER BY id DESC LIMIT 1"), "?40");
	CU_ASSERT_EQUAL(stores_logged("drain.quarantined") - logged, 1);
	CU_ASSERT_EQUAL(spool_segments(), 0);
}

static void
test_torn_tail(void)
{
	spool_run(torn_tail);
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
			at = spool.f.len;
		spool_put('I', spool_id());
	}
	spool.f.p[at + 100] ^= 1;
	return at;
}

static void
bad_checksum(void)
{
	size_t at = spoilt(), len = spool.f.len - at;
	char *rest = malloc(len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(rest);
	memcpy(rest, spool.f.p + at, len);
	spool_save(SPOOL_DEAD "a.0000000001.wlj");
	spool_put('I', spool_id());
	spool_save(SPOOL_DEAD "a.0000000002.wlj");
	spool_drain_once();
	spool_sums_are(3);
	CU_ASSERT_TRUE(in_quarantine(SPOOL_DEAD "a.0000000001.wlj", at, rest,
	    len));
	CU_ASSERT_EQUAL(spool_segments(), 0);
	free(rest);
}

static void
test_bad_checksum(void)
{
	spool_run(bad_checksum);
}

static void
bad_while_alive(void)
{
	const char *name = SPOOL_DEAD "a.0000000001.wlj";
	size_t at = spoilt();
	int fd;

	(void)at;
	spool_save(name);
	fd = open(spool_path(name), O_WRONLY | O_APPEND | O_CLOEXEC);
	CU_ASSERT_EQUAL_FATAL(flock(fd, LOCK_EX | LOCK_NB), 0);
	spool_open();
	spool_drain();
	spool_drain();
	spool_sums_are(2);
	CU_ASSERT_EQUAL(wl_drain_stat(spool.d)->waiting, 1);
	CU_ASSERT_EQUAL(wl_drain_stat(spool.d)->quarantined, 0);
	CU_ASSERT_EQUAL(spool_segments(), 1);
	/* the writer goes */
	close(fd);
	spool_drain();
	CU_ASSERT_EQUAL(wl_drain_stat(spool.d)->waiting, 0);
	CU_ASSERT_EQUAL(wl_drain_stat(spool.d)->quarantined, 1);
	CU_ASSERT_EQUAL(spool_segments(), 0);
	spool_sums_are(2);
	wl_drain_close(spool.d);
}

static void
test_bad_while_alive(void)
{
	spool_run(bad_while_alive);
}

static void
quarantine_full(void)
{
	static char filler[300 * 1024];

	spool.conf.spool_max = 1024 * 1024;
	CU_ASSERT_EQUAL(mkdir(spool_path("quarantine"), 0700), 0);
	spool_write(spool_path("quarantine/old"), filler, sizeof(filler));
	spool_put('I', spool_id());
	wl_buf_adds(&spool.f, "no record");
	spool_save(SPOOL_DEAD "a.0000000001.wlj");
	spool_open();
	spool_drain();
	spool_sums_are(1);
	CU_ASSERT_EQUAL(wl_drain_stat(spool.d)->waiting, 1);
	CU_ASSERT_EQUAL(spool_segments(), 1);
	CU_ASSERT_EQUAL(spool_letters("%"), 0);
	CU_ASSERT_EQUAL(unlink(spool_path("quarantine/old")), 0);
	spool_drain();
	CU_ASSERT_EQUAL(wl_drain_stat(spool.d)->quarantined, 1);
	CU_ASSERT_EQUAL(spool_letters("XX001"), 1);
	CU_ASSERT_EQUAL(spool_segments(), 0);
	wl_drain_close(spool.d);
}

static void
test_quarantine_full(void)
{
	spool_run(quarantine_full);
}

/* ---- calls and marks ---------------------------------------------------- */

/*
 * What is known of a call may be too little for an event.
 */
static void
lost_poison(void)
{
	int i;

	for (i = 0; i < 5; i++)
		spool_put_at('B', spool_id(), 0, i == 3 ?
		    ",\"type\":\"nonsense\"" : ",\"cost_nano\":1000");
	spool_save(SPOOL_DEAD "a.0000000001.wlj");
	spool_open();
	spool_drain();
	spool_sums_are(4);
	CU_ASSERT_EQUAL(wl_drain_stat(spool.d)->lost, 4);
	CU_ASSERT_EQUAL(wl_drain_stat(spool.d)->buried, 1);
	CU_ASSERT_EQUAL(spool_letters("23514"), 1);
	CU_ASSERT_EQUAL(spool_count("count(*)", "ledger"), 5);
	CU_ASSERT_EQUAL(spool_count(spool_open_calls, "ledger"), 0);
	CU_ASSERT_EQUAL(spool_segments(), 0);
	wl_drain_close(spool.d);
}

static void
test_lost_poison(void)
{
	spool_run(lost_poison);
}

/*
 * Another consumer, which shares neither lock nor machine, was faster.
 */
static void
mark_moved(void)
{
	bool again;

	spool_put('I', spool_id());
	spool_save(SPOOL_DEAD "a.0000000001.wlj");
	spool_open();
	spool_drain();
	spool_put('I', spool_id());
	spool_save(SPOOL_DEAD "b.0000000001.wlj");
	stores_sql("CREATE FUNCTION watchllm.steal() RETURNS trigger"
	    " LANGUAGE plpgsql AS $$ BEGIN NEW.drained_bytes = 7;"
	    " RETURN NEW; END $$");
	stores_sql("CREATE TRIGGER steal BEFORE INSERT ON"
	    " watchllm.journal_mark FOR EACH ROW EXECUTE FUNCTION"
	    " watchllm.steal()");
	CU_ASSERT_EQUAL(wl_drain_pass(spool.d, &again, &spool.e), -1);
	CU_ASSERT_EQUAL(spool.e.code, WL_E_UNAVAILABLE);
	spool_sums_are(1);
	stores_sql("DROP TRIGGER steal ON watchllm.journal_mark");
	stores_sql("DROP FUNCTION watchllm.steal()");
	spool_drain();
	spool_sums_are(2);
	CU_ASSERT_EQUAL(spool_letters("%"), 0);
	wl_drain_close(spool.d);
}

static void
test_mark_moved(void)
{
	spool_run(mark_moved);
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

	spool_open();
	for (i = 0; i < n; i++) {
		char name[64];

		for (k = 0; k < 10; k++)
			spool_put('I', spool_id());
		snprintf(name, sizeof(name),
		    SPOOL_DEAD "a%zu.0000000001.wlj", i);
		spool_save(name);
		stores_sql("CREATE FUNCTION watchllm.ill() RETURNS trigger"
		    " LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'ill'"
		    " USING ERRCODE = '%s'; END $$", states[i]);
		stores_sql("CREATE TRIGGER ill BEFORE INSERT ON"
		    " watchllm.event_seen FOR EACH STATEMENT EXECUTE FUNCTION"
		    " watchllm.ill()");
		CU_ASSERT_EQUAL(wl_drain_pass(spool.d, &again, &spool.e), -1);
		CU_ASSERT_PTR_NOT_NULL(strstr(spool.e.detail, states[i]));
		stores_sql("DROP TRIGGER ill ON watchllm.event_seen");
		stores_sql("DROP FUNCTION watchllm.ill()");
		spool_sums_are((int64_t)i * 10);
		spool_drain();
	}
	spool_sums_are((int64_t)n * 10);
	CU_ASSERT_EQUAL(spool_letters("%"), 0);
	CU_ASSERT_EQUAL(spool_segments(), 0);
	wl_drain_close(spool.d);
}

static void
test_database_ill(void)
{
	spool_run(database_ill);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "records that are refused", test_poison },
		{ "refused at the ends of segments", test_poison_at_ends },
		{ "a torn tail", test_torn_tail },
		{ "a bad checksum", test_bad_checksum },
		{ "the same with a living writer", test_bad_while_alive },
		{ "a quarantine that is full", test_quarantine_full },
		{ "a lost call that can be no event", test_lost_poison },
		{ "a mark that stands elsewhere", test_mark_moved },
		{ "a database that is ill", test_database_ill },
		{ NULL, NULL }
	};

	return stores_main("drain_bad", tests);
}
