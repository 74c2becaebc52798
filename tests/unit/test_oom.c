/*
 * Memory that runs out: each allocation of a piece of work fails once, in
 * turn.  Nothing may crash, leak, or go on as if nothing had happened.  The
 * linker leads the allocations of the library here (--wrap).
 */
#include "config.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/journal.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__real_malloc(size_t len);
void *__real_calloc(size_t n, size_t len);
void *__real_realloc(void *p, size_t len);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t len);
void __real_free(void *p);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t n, size_t len);
void *__wrap_realloc(void *p, size_t len);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t len);
void __wrap_free(void *p);

static const char *conf_file, *spool, *log_file, *empty;

static int until_failure;	/* 0: none fails */
static bool failed;
static long live;

static bool
fails(void)
{
	if (until_failure == 0 || --until_failure > 0)
		return false;
	failed = true;
	errno = ENOMEM;
	return true;
}

static void *
counted(void *p)
{
	live += p != NULL;
	return p;
}

void *
__wrap_malloc(size_t len)
{
	return fails() ? NULL : counted(__real_malloc(len));
}

void *
__wrap_calloc(size_t n, size_t len)
{
	return fails() ? NULL : counted(__real_calloc(n, len));
}

void *
__wrap_realloc(void *p, size_t len)
{
	if (fails())
		return NULL;
	live += p == NULL;
	return __real_realloc(p, len);
}

char *
__wrap_strdup(const char *s)
{
	return fails() ? NULL : counted(__real_strdup(s));
}

char *
__wrap_strndup(const char *s, size_t len)
{
	return fails() ? NULL : counted(__real_strndup(s, len));
}

void
__wrap_free(void *p)
{
	live -= p != NULL;
	__real_free(p);
}

/*
 * WORK returns true when it was done.  It must be when nothing failed, and
 * may not be when something did, unless LENIENT: work that goes on without.
 */
static void
torture(bool (*work)(void), bool lenient)
{
	long before;
	bool done;
	int n;

	for (n = 1; n < 10000; n++) {
		before = live;
		until_failure = n;
		failed = false;
		done = work();
		until_failure = 0;
		CU_ASSERT_EQUAL(live, before);
		if (!failed)
			break;
		CU_ASSERT(lenient || !done);
	}
	CU_ASSERT_TRUE(done);
	CU_ASSERT(n > 1 && n < 10000);
}

static bool
work_arena(void)
{
	struct wl_arena *a;
	bool ok;

	if ((a = wl_arena_new(1 << 20)) == NULL)
		return false;
	ok = wl_arena_alloc(a, 5000) != NULL &&
	    wl_arena_alloc(a, 5000) != NULL &&
	    wl_arena_dup(a, "x", 1) != NULL &&
	    wl_arena_printf(a, "%20000d", 1) != NULL;
	wl_arena_free(a);
	return ok;
}

static bool
work_buf(void)
{
	struct wl_buf b = { 0 };
	bool ok;
	int i;

	for (i = 0; i < 1000; i++)
		wl_buf_printf(&b, "%d", i);
	ok = !b.failed;
	wl_buf_free(&b);
	return ok;
}

static bool
work_conf(void)
{
	struct wl_conf c;
	struct wl_err e;
	bool ok;

	if (wl_conf_load(&c, conf_file, &e) == -1)
		return false;
	ok = wl_conf_set(&c, "database_url=y", &e) == 0;
	wl_conf_free(&c);
	return ok;
}

static int
count_records(const char *name, const char *process, uint64_t seq,
    int64_t size, void *arg)
{
	(void)name;
	(void)process;
	(void)seq;
	*(int64_t *)arg += size;
	return 0;
}

static bool
work_journal(void)
{
	int64_t bytes = 0;
	struct wl_journal *j;
	struct wl_err e;
	char path[512];
	int ok = 0;

	j = wl_journal_open(spool, 1 << 30, 20, WL_SYNC_INTERVAL, 1000, &e);
	if (j == NULL)
		return false;
	ok += wl_journal_append(j, WL_J_EVENT, "12345678", 8, &e) == 0;
	ok += wl_journal_append(j, WL_J_EVENT, "12345678", 8, &e) == 0;
	/* what was acknowledged is there, and nothing else */
	if (wl_journal_scan(spool, count_records, &bytes) == 0)
		CU_ASSERT_EQUAL(bytes, ok * 20);
	snprintf(path, sizeof(path), "%s/%s.0000000001.wlj", spool,
	    wl_journal_process(j));
	unlink(path);
	snprintf(path, sizeof(path), "%s/%s.0000000002.wlj", spool,
	    wl_journal_process(j));
	unlink(path);
	wl_journal_close(j);
	return ok == 2;
}

static bool
work_reader(void)
{
	struct wl_journal_reader *r;
	enum wl_journal_kind kind;
	const char *p;
	size_t len;
	bool ok;

	if ((r = wl_journal_reader_open(empty, 0)) == NULL)
		return false;
	ok = wl_journal_next(r, &kind, &p, &len) == 0;
	wl_journal_reader_close(r);
	return ok;
}

static bool
work_json(void)
{
	enum wl_json_fault fault;
	struct wl_arena *a;
	bool ok;

	if ((a = wl_arena_new(1 << 20)) == NULL)
		return false;
	ok = wl_arena_alloc(a, 8000) != NULL &&
	    wl_arena_alloc(a, 150) != NULL &&
	    wl_json_parse(a, "{\"a\":[1,2]}", 11, &fault) != NULL;
	wl_arena_free(a);
	return ok;
}

static bool
work_log(void)
{
	return wl_log_open(log_file, WL_ERROR, "test") == 0 &&
	    wl_log_open("/dev/null", WL_ERROR, "test") == 0;
}

static void
test_arena(void)
{
	torture(work_arena, false);
}

static void
test_buf(void)
{
	torture(work_buf, false);
}

static void
test_conf(void)
{
	torture(work_conf, false);
}

/*
 * Counting the folder may fail, and a new segment: the old one is used on.
 */
static void
test_journal(void)
{
	torture(work_journal, true);
}

static void
test_reader(void)
{
	torture(work_reader, false);
}

static void
test_json(void)
{
	torture(work_json, false);
}

static void
test_log(void)
{
	CU_ASSERT_TRUE(work_log());	/* from then on there is a path */
	torture(work_log, false);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "an arena", test_arena },
		{ "a buffer", test_buf },
		{ "the configuration", test_conf },
		{ "JSON", test_json },
		{ "the log", test_log },
		{ "a journal's writer", test_journal },
		{ "a journal's reader", test_reader },
		{ NULL, NULL }
	};

	static const char text[] = "redis = unix:/r\ndatabase_url = x\n";

	alarm(60);
	conf_file = wl_tmp_file("conf", text, sizeof(text) - 1, 0600);
	spool = wl_tmp_path("spool");
	log_file = wl_tmp_path("log");
	empty = wl_tmp_file("empty", "", 0, 0600);
	return wl_tap_run("oom", tests);
}
