/*
 * A spool for tests of the drain, and what the database has of it.
 */
#include "config.h"
#include "tests/db/spool.h"
#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/journal.h"
#include "lib/base/rand.h"
#include "tests/unit/tmp.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct spool spool;

const char spool_open_calls[] = "count(*) FILTER (WHERE state = 'open')";

/* ---- segments ---------------------------------------------------------- */

static void
put32(char *to, uint32_t v)
{
	int i;

	for (i = 0; i < 4; i++)
		to[i] = (char)(v >> (8 * i));
}

void
spool_put_bytes(char kind, const char *json, size_t len)
{
	char h[WL_JOURNAL_HEADER] = { 'W', 'L', kind, 0 };
	uint32_t crc;

	put32(h + 4, (uint32_t)len);
	crc = wl_crc32c(0, h + 2, 1);
	crc = wl_crc32c(crc, h + 4, 4);
	crc = wl_crc32c(crc, json, len);
	put32(h + 8, crc);
	wl_buf_add(&spool.f, h, sizeof(h));
	wl_buf_add(&spool.f, json, len);
}

void
spool_put_at(char kind, const char *event, int64_t ago, const char *more)
{
	struct wl_buf b;
	char at[25];

	wl_clock_rfc3339(wl_clock_ms() - ago, at);
	wl_buf_init(&b, 0);
	wl_buf_printf(&b, "{\"event_id\":\"%s\",\"project_id\":\"%s\","
	    "\"api_key_id\":\"%s\",\"retention_class\":\"standard\","
	    "\"ts\":\"%s\",\"received_at\":\"%s\",\"type\":\"prompt_call\"",
	    event, spool.p.id, spool.p.key_id, at, at);
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
	spool_put_bytes(kind, b.p, b.len);
	wl_buf_free(&b);
}

void
spool_put(char kind, const char *event)
{
	spool_put_at(kind, event, 0, "");
}

const char *
spool_id(void)
{
	static char text[8][37];
	static int n;

	n = (n + 1) % 8;
	wl_uuid7(wl_clock_ms(), text[n]);
	return text[n];
}

const char *
spool_path(const char *name)
{
	static char path[8][512];
	static int n;

	n = (n + 1) % 8;
	snprintf(path[n], sizeof(path[n]), "%s/%s", spool.conf.spool_dir, name);
	return path[n];
}

void
spool_write(const char *path, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CU_ASSERT_TRUE_FATAL(fd != -1);
	CU_ASSERT_EQUAL_FATAL(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

void
spool_save(const char *name)
{
	spool_write(spool_path(name), spool.f.p == NULL ? "" : spool.f.p,
	    spool.f.len);
	wl_buf_reset(&spool.f);
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

int
spool_segments(void)
{
	int n = 0;

	CU_ASSERT_EQUAL(wl_journal_scan(spool.conf.spool_dir, count_one, &n),
	    0);
	return n;
}

/* ---- passes ------------------------------------------------------------ */

void
spool_run(void (*fn)(void))
{
	static char host[16];
	static int n;

	spool.conf = stores_conf;
	spool.conf.database_timeout = 20000;
	snprintf(host, sizeof(host), "host%d", n++);
	spool.conf.host_name = host;
	spool.conf.spool_dir = (char *)(uintptr_t)wl_tmp_path(host);
	stores_project(&spool.p, "pro");
	CU_ASSERT_EQUAL(mkdir(spool.conf.spool_dir, 0700), 0);
	stores_run(&spool.conf, fn);
	wl_buf_free(&spool.f);
}

void
spool_open(void)
{
	spool.d = wl_drain_open(&spool.conf, &spool.e);
	CU_ASSERT_PTR_NOT_NULL_FATAL(spool.d);
	CU_ASSERT_EQUAL_FATAL(wl_drain_lock(spool.d, &spool.e), 1);
}

void
spool_drain(void)
{
	bool again = true;
	int i;

	for (i = 0; i < 100 && again; i++)
		if (wl_drain_pass(spool.d, &again, &spool.e) == -1) {
			printf("# %s %s\n", spool.e.msg, spool.e.detail);
			CU_FAIL("a pass failed");
			return;
		}
	CU_ASSERT_FALSE(again);
}

void
spool_drain_once(void)
{
	spool_open();
	spool_drain();
	wl_drain_close(spool.d);
}

int64_t
spool_number(const char *sql)
{
	return strtoll(stores_sql("%s", sql), NULL, 10);
}

int64_t
spool_count(const char *what, const char *table)
{
	char sql[512];

	snprintf(sql, sizeof(sql), "SELECT %s FROM watchllm.%s"
	    " WHERE project_id = '%s'", what, table, spool.p.id);
	return spool_number(sql);
}

void
spool_sums_are(int64_t n)
{
	CU_ASSERT_EQUAL(spool_count("count(*)", "event"), n);
	CU_ASSERT_EQUAL(spool_count("sum(events)", "rollup_hour"), n);
	CU_ASSERT_EQUAL(spool_count("sum(events)", "rollup_day"), n);
	CU_ASSERT_EQUAL(spool_count("sum(cost_nano)", "rollup_day"), n * 1000);
}

void
spool_calls_are(int64_t n)
{
	spool_sums_are(n);
	CU_ASSERT_EQUAL(spool_count("count(*)", "ledger"), n);
	CU_ASSERT_EQUAL(spool_count(spool_open_calls, "ledger"), 0);
	CU_ASSERT_EQUAL(spool_count("sum(admitted)", "usage_month"), n);
	CU_ASSERT_EQUAL(spool_count("sum(counted)", "usage_month"), n);
	CU_ASSERT_EQUAL(spool_count("sum(cost_nano)", "usage_month"), n * 1000);
}

int64_t
spool_letters(const char *sqlstate)
{
	char sql[256];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM watchllm.dead_letter"
	    " WHERE host = '%s' AND sqlstate LIKE '%s'", spool.conf.host_name,
	    sqlstate);
	return spool_number(sql);
}
