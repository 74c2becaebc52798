/*
 * Writing journals: every call of the system may fail, and then nothing of
 * the record is left, or what is left is a torn tail.  The calls that are to
 * fail are replaced here.
 */
#include "config.h"
#include "lib/base/co.h"
#include "lib/base/err.h"
#include "lib/base/journal.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmp.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HDR	WL_JOURNAL_HEADER

/*
 * What the next calls shall do.
 */
static struct {
	int		fail_write;	/* times, with ERROR */
	int		short_write;	/* bytes that are let through, once */
	int		fail_truncate;
	int		fail_fallocate;
	atomic_int	fail_sync;
	atomic_int	syncs;
	int		sync_ms;
	int		error;
} fault;

ssize_t
write(int fd, const void *p, size_t len)
{
	/* the log writes too */
	if (len < HDR || memcmp(p, "WL", 2) != 0)
		return syscall(SYS_write, fd, p, len);
	if (fault.fail_write > 0) {
		fault.fail_write--;
		errno = fault.error;
		return -1;
	}
	if (fault.short_write > 0) {
		len = (size_t)fault.short_write;
		fault.short_write = 0;
	}
	return syscall(SYS_write, fd, p, len);
}

int
ftruncate(int fd, off_t len)
{
	if (fault.fail_truncate > 0) {
		fault.fail_truncate--;
		errno = fault.error;
		return -1;
	}
	return (int)syscall(SYS_ftruncate, fd, len);
}

int
fallocate(int fd, int mode, off_t offset, off_t len)
{
	if (fault.fail_fallocate > 0) {
		fault.fail_fallocate--;
		errno = fault.error;
		return -1;
	}
	return (int)syscall(SYS_fallocate, fd, mode, offset, len);
}

int
fdatasync(int fd)
{
	struct timespec ts = { 0, fault.sync_ms * 1000000L };

	(void)fd;
	fault.syncs++;
	if (ts.tv_nsec > 0)
		nanosleep(&ts, NULL);
	if (fault.fail_sync > 0) {
		fault.fail_sync--;
		errno = EIO;
		return -1;
	}
	return 0;
}

static struct wl_err e;

static struct wl_journal *
journal(const char *dir, int64_t max, int64_t segment, enum wl_spool_sync sync)
{
	memset(&fault, 0, sizeof(fault));
	return wl_journal_open(dir, max, segment, sync, 1000, &e);
}

static int
append(struct wl_journal *j, enum wl_journal_kind kind, const char *text)
{
	return wl_journal_append(j, kind, text, strlen(text), &e);
}

/*
 * All records of all segments as "kind:text " in their order; a torn tail is
 * "torn ", the end of a segment "| ".
 */
struct content {
	const char	*dir;
	char		 text[4096];
	int64_t		 bytes;
	int		 segments, alive;
};

static int
read_segment(const char *name, const char *process, uint64_t seq, int64_t size,
    void *arg)
{
	struct content *c = arg;
	struct wl_journal_reader *r;
	enum wl_journal_kind kind;
	char path[512];
	const char *p;
	size_t len, at;

	(void)process;
	(void)seq;
	snprintf(path, sizeof(path), "%s/%s", c->dir, name);
	c->segments++;
	c->bytes += size;
	c->alive += wl_journal_alive(path);
	if ((r = wl_journal_reader_open(path, 0)) == NULL)
		return -1;
	while (wl_journal_next(r, &kind, &p, &len) == 1) {
		at = strlen(c->text);
		snprintf(c->text + at, sizeof(c->text) - at, "%c:%.*s ",
		    (char)kind, (int)(len < 20 ? len : 20), p);
	}
	at = strlen(c->text);
	snprintf(c->text + at, sizeof(c->text) - at, "%s| ",
	    wl_journal_torn(r) ? "torn " : "");
	wl_journal_reader_close(r);
	return 0;
}

static struct content *
content(const char *dir)
{
	static struct content c;

	c = (struct content){ .dir = dir };
	CU_ASSERT_EQUAL(wl_journal_scan(dir, read_segment, &c), 0);
	return &c;
}

static void
test_open_and_close(void)
{
	const char *dir = wl_tmp_path("open");
	struct wl_journal *j = journal(dir, 1 << 30, 1 << 20, WL_SYNC_INTERVAL);
	struct stat st;

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	CU_ASSERT_EQUAL(stat(dir, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0700);
	CU_ASSERT_EQUAL(content(dir)->segments, 1);
	CU_ASSERT_EQUAL(content(dir)->alive, 1);
	CU_ASSERT_EQUAL(strncmp(wl_journal_process(j), "", 1) == 0, 0);
	wl_journal_close(j);
	CU_ASSERT_EQUAL(content(dir)->segments, 0);	/* it was empty */
	CU_ASSERT_EQUAL(rmdir(dir), 0);			/* nothing is left */
	wl_journal_close(NULL);
}

static void
test_two_processes_differ(void)
{
	const char *dir = wl_tmp_path("two");
	struct wl_journal *a, *b;

	a = journal(dir, 1 << 30, 1 << 20, WL_SYNC_INTERVAL);
	b = journal(dir, 1 << 30, 1 << 20, WL_SYNC_INTERVAL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	CU_ASSERT_STRING_NOT_EQUAL(wl_journal_process(a),
	    wl_journal_process(b));
	CU_ASSERT_EQUAL(append(a, WL_J_EVENT, "a"), 0);
	CU_ASSERT_EQUAL(append(b, WL_J_EVENT, "b"), 0);
	CU_ASSERT_EQUAL(content(dir)->segments, 2);
	wl_journal_close(a);
	CU_ASSERT_EQUAL(content(dir)->alive, 1);
	wl_journal_close(b);
	CU_ASSERT_EQUAL(content(dir)->alive, 0);
}

static void
test_rotation(void)
{
	const char *dir = wl_tmp_path("rotate");
	struct wl_journal *j = journal(dir, 1 << 30, 40, WL_SYNC_INTERVAL);
	char longer[100];

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	CU_ASSERT_EQUAL(append(j, WL_J_BEGIN, "12345678"), 0);
	CU_ASSERT_EQUAL(append(j, WL_J_END, "12345678"), 0);	/* 40 bytes */
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "x"), 0);
	memset(longer, 'y', sizeof(longer) - 1);
	longer[99] = '\0';
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, longer), 0);
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "z"), 0);
	CU_ASSERT_STRING_EQUAL(content(dir)->text, "B:12345678 E:12345678 | "
	    "I:x | I:yyyyyyyyyyyyyyyyyyyy | I:z | ");
	/* full segments stay locked until they are on the disk */
	CU_ASSERT_EQUAL(content(dir)->alive, 4);
	wl_journal_tick(j);
	CU_ASSERT_EQUAL(fault.syncs, 4);
	CU_ASSERT_EQUAL(content(dir)->alive, 1);
	wl_journal_tick(j);
	CU_ASSERT_EQUAL(fault.syncs, 4);	/* nothing is dirty */
	wl_journal_close(j);
	CU_ASSERT_EQUAL(content(dir)->alive, 0);
	CU_ASSERT_EQUAL(content(dir)->segments, 4);
}

static void
test_write_fails(void)
{
	static const int errors[] = { ENOSPC, EIO, EDQUOT };
	const char *dir = wl_tmp_path("fails");
	struct wl_journal *j = journal(dir, 1 << 30, 1 << 20, WL_SYNC_INTERVAL);
	size_t i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "1"), 0);
	CU_ASSERT_FALSE(wl_journal_full(j));
	for (i = 0; i < 3; i++) {
		fault.fail_write = 1;
		fault.error = errors[i];
		CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "lost"), -1);
		CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
		CU_ASSERT(e.retry_after > 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(e.detail, strerror(errors[i])));
		CU_ASSERT_PTR_NULL(strstr(e.msg, dir));
		CU_ASSERT_TRUE(wl_journal_full(j));
	}
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "2"), 0);
	CU_ASSERT_FALSE(wl_journal_full(j));
	CU_ASSERT_STRING_EQUAL(content(dir)->text, "I:1 I:2 | ");
	wl_journal_close(j);
}

/*
 * How often the log has WORD.
 */
static int
logged(const char *log, const char *word)
{
	char *text, *p;
	size_t len;
	int n = 0;

	text = wl_tmp_read(log, &len);
	for (p = text; (p = strstr(p, word)) != NULL; p++)
		n++;
	free(text);
	return n;
}

static void
test_one_log_line_each_way(void)
{
	static char event[200000];
	const char *dir = wl_tmp_path("lines"), *log = wl_tmp_path("log");
	struct wl_journal *j = journal(dir, 1 << 20, 1 << 20, WL_SYNC_INTERVAL);
	int i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	CU_ASSERT_EQUAL(wl_log_open(log, WL_INFO, "test"), 0);
	fault.error = EIO;
	fault.fail_write = 3;
	for (i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(append(j, WL_J_BEGIN, "lost"), -1);
	CU_ASSERT_EQUAL(append(j, WL_J_BEGIN, "1"), 0);
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "2"), 0);
	CU_ASSERT_EQUAL(logged(log, "journal.refused"), 1);
	CU_ASSERT_EQUAL(logged(log, "journal.recovered"), 1);
	for (i = 0; i < 20; i++)
		(void)!wl_journal_append(j, WL_J_EVENT, event, sizeof(event),
		    &e);
	/* an END needs no room that others lack */
	CU_ASSERT_EQUAL(append(j, WL_J_END, "3"), 0);
	CU_ASSERT_EQUAL(wl_journal_append(j, WL_J_EVENT, event, sizeof(event),
	    &e), -1);
	CU_ASSERT_EQUAL(logged(log, "journal.full"), 1);
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "4"), 0);
	CU_ASSERT_EQUAL(logged(log, "journal.recovered"), 2);
	wl_journal_close(j);
	CU_ASSERT_EQUAL(wl_log_open("/dev/null", WL_ERROR, "test"), 0);
}

static void
test_interrupted(void)
{
	const char *dir = wl_tmp_path("eintr");
	struct wl_journal *j = journal(dir, 1 << 30, 1 << 20, WL_SYNC_INTERVAL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	fault.fail_write = 3;
	fault.fail_fallocate = 2;
	fault.error = EINTR;
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "1"), 0);
	CU_ASSERT_EQUAL(fault.fail_write, 0);
	CU_ASSERT_EQUAL(fault.fail_fallocate, 0);
	CU_ASSERT_STRING_EQUAL(content(dir)->text, "I:1 | ");
	wl_journal_close(j);
}

static void
test_short_writes(void)
{
	const char *dir = wl_tmp_path("short");
	struct wl_journal *j = journal(dir, 1 << 30, 1 << 20, WL_SYNC_INTERVAL);
	int n;

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "1"), 0);
	for (n = 1; n < HDR + 4; n++) {
		fault.short_write = n;
		CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "lost"), -1);
		CU_ASSERT_EQUAL(content(dir)->bytes, HDR + 1);
	}
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "2"), 0);
	CU_ASSERT_STRING_EQUAL(content(dir)->text, "I:1 I:2 | ");
	wl_journal_close(j);
}

static void
test_torn_and_not_mended(void)
{
	const char *dir = wl_tmp_path("torn");
	struct wl_journal *j = journal(dir, 1 << 30, 1 << 20, WL_SYNC_INTERVAL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "1"), 0);
	fault.short_write = HDR + 2;
	fault.fail_truncate = 2;	/* also when it is retired */
	fault.error = EIO;
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "lost"), -1);
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "2"), 0);
	CU_ASSERT_STRING_EQUAL(content(dir)->text, "I:1 torn | I:2 | ");
	wl_journal_close(j);
	CU_ASSERT_STRING_EQUAL(content(dir)->text, "I:1 torn | I:2 | ");
}

static void
test_file_size_limit(void)
{
	const char *dir = wl_tmp_path("fsize");
	struct wl_journal *j = journal(dir, 1 << 30, 1 << 20, WL_SYNC_INTERVAL);
	struct rlimit old, small;

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	sigaction(SIGXFSZ, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "12345678"), 0);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 30;
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &small), 0);
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "12345678"), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "12345678"), -1);
	setrlimit(RLIMIT_FSIZE, &old);
	CU_ASSERT_EQUAL(content(dir)->bytes, 20);
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "after"), 0);
	CU_ASSERT_STRING_EQUAL(content(dir)->text, "I:12345678 I:after | ");
	wl_journal_close(j);
}

static void
test_full_disk_refuses_begin_only(void)
{
	const char *dir = wl_tmp_path("nospace");
	struct wl_journal *j = journal(dir, 1 << 30, 1 << 20, WL_SYNC_INTERVAL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	fault.error = ENOSPC;
	fault.fail_fallocate = 2;	/* with slack, and without */
	CU_ASSERT_EQUAL(append(j, WL_J_BEGIN, "no"), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	fault.fail_fallocate = 1;	/* only the slack has no room */
	CU_ASSERT_EQUAL(append(j, WL_J_BEGIN, "1"), 0);
	fault.fail_fallocate = 100;
	CU_ASSERT_EQUAL(append(j, WL_J_END, "2"), 0);
	CU_ASSERT_STRING_EQUAL(content(dir)->text, "B:1 E:2 | ");
	wl_journal_close(j);
}

static void
test_file_system_cannot_reserve(void)
{
	const char *dir = wl_tmp_path("nofalloc");
	struct wl_journal *j = journal(dir, 1 << 30, 1 << 20, WL_SYNC_INTERVAL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	fault.error = EOPNOTSUPP;
	fault.fail_fallocate = 5;
	CU_ASSERT_EQUAL(append(j, WL_J_BEGIN, "1"), 0);
	CU_ASSERT_EQUAL(append(j, WL_J_END, "2"), 0);
	CU_ASSERT_EQUAL(fault.fail_fallocate, 4);	/* asked once */
	CU_ASSERT_STRING_EQUAL(content(dir)->text, "B:1 E:2 | ");
	wl_journal_close(j);
}

/*
 * Blocks that were reserved and not used are given back.
 */
static void
test_blocks_are_given_back(void)
{
	const char *dir = wl_tmp_path("blocks");
	struct wl_journal *j = journal(dir, 1 << 30, 64, WL_SYNC_INTERVAL);
	char path[512], *process;
	struct stat st;

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	CU_ASSERT_PTR_NOT_NULL_FATAL(process = strdup(wl_journal_process(j)));
	CU_ASSERT_EQUAL(append(j, WL_J_BEGIN, "1"), 0);
	snprintf(path, sizeof(path), "%s/%s.0000000001.wlj", dir, process);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_size, HDR + 1);
	wl_journal_close(j);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT(st.st_blocks * 512 <= 64 * 1024);
	free(process);
}

static void
test_spool_max(void)
{
	const int64_t max = 1 << 20;
	const char *dir = wl_tmp_path("max");
	struct wl_journal *j = journal(dir, max, 1 << 17, WL_SYNC_INTERVAL);
	static char event[10000], end[WL_JOURNAL_END_ROOM - HDR];
	int begun = 0, i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	while (append(j, WL_J_BEGIN, "call") == 0)
		begun++;
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	CU_ASSERT(begun >= 8);
	/* half of the spool is all that is kept back; the rest is for events */
	while (wl_journal_append(j, WL_J_EVENT, event, sizeof(event), &e) == 0)
		;
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	CU_ASSERT_TRUE(wl_journal_full(j));
	CU_ASSERT_EQUAL(append(j, WL_J_BEGIN, "call"), -1);
	/* the ENDs that were promised room have it */
	for (i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(wl_journal_append(j, WL_J_END, end,
		    sizeof(end), &e), 0);
	CU_ASSERT(content(dir)->bytes <= max);
	/* what lies there already counts, whoever wrote it */
	wl_journal_close(j);
	CU_ASSERT_PTR_NOT_NULL_FATAL(
	    j = journal(dir, max, 1 << 17, WL_SYNC_INTERVAL));
	CU_ASSERT_TRUE(wl_journal_full(j));
	CU_ASSERT_EQUAL(append(j, WL_J_BEGIN, "call"), -1);
	wl_journal_close(j);
}

static void
test_room_comes_back(void)
{
	const char *dir = wl_tmp_path("comes");
	struct wl_journal *j = journal(dir, 1 << 20, 1 << 17, WL_SYNC_INTERVAL);
	struct timespec ts = { 1, 50000000 };
	static char event[100000];
	char cmd[512];

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	while (wl_journal_append(j, WL_J_EVENT, event, sizeof(event), &e) == 0)
		;
	wl_journal_tick(j);
	snprintf(cmd, sizeof(cmd), "%s/%s.0000000001.wlj", dir,
	    wl_journal_process(j));
	CU_ASSERT_EQUAL(unlink(cmd), 0);
	snprintf(cmd, sizeof(cmd), "%s/%s.0000000002.wlj", dir,
	    wl_journal_process(j));
	CU_ASSERT_EQUAL(unlink(cmd), 0);
	nanosleep(&ts, NULL);
	CU_ASSERT_FALSE(wl_journal_full(j));
	CU_ASSERT_EQUAL(append(j, WL_J_BEGIN, "call"), 0);
	wl_journal_close(j);
}

/*
 * Become somebody whom permissions bind, in a process of its own.
 */
static int
as_nobody(const char *dir, bool opened_before)
{
	struct wl_journal *j = NULL;
	int ret = 0;

	if (opened_before &&
	    (j = journal(dir, 1 << 30, 30, WL_SYNC_INTERVAL)) == NULL)
		return 1;
	if (chmod(dir, 0500) == -1 || (geteuid() == 0 &&
	    (setgid(65534) == -1 || setuid(65534) == -1)))
		return 2;
	if (!opened_before) {
		j = journal(dir, 1 << 30, 30, WL_SYNC_INTERVAL);
		return j != NULL || e.code != WL_E_UNAVAILABLE ? 3 : 0;
	}
	/* no new segment can be begun: the old one is used on */
	if (append(j, WL_J_EVENT, "1234567890") != 0 ||
	    append(j, WL_J_EVENT, "1234567890") != 0)
		ret = 4;
	wl_journal_close(j);
	return ret;
}

static void
test_read_only_directory(void)
{
	const char *dirs[] = { wl_tmp_path("ro1"), wl_tmp_path("ro2") };
	int i, status;
	pid_t pid;

	chmod(wl_tmp_dir(), 0755);
	for (i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL_FATAL(mkdir(dirs[i], 0755), 0);
		status = -1;
		if ((pid = fork()) == 0)
			_exit(as_nobody(dirs[i], i == 1));
		CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
		CU_ASSERT_EQUAL(status, 0);
		chmod(dirs[i], 0700);
	}
	CU_ASSERT_EQUAL(content(dirs[0])->segments, 0);
	CU_ASSERT_STRING_EQUAL(content(dirs[1])->text,
	    "I:1234567890 I:1234567890 | ");
}

static void
test_open_fails(void)
{
	CU_ASSERT_PTR_NULL(journal("/nonexistent/spool", 1 << 20, 1 << 17,
	    WL_SYNC_INTERVAL));
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	CU_ASSERT_PTR_NULL(journal(wl_tmp_file("file", "", 0, 0600), 1 << 20,
	    1 << 17, WL_SYNC_INTERVAL));
}

static void
test_interval_sync_fails(void)
{
	const char *dir = wl_tmp_path("isync");
	struct wl_journal *j = journal(dir, 1 << 30, 1 << 20, WL_SYNC_INTERVAL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "1"), 0);
	fault.fail_sync = 1;
	wl_journal_tick(j);
	CU_ASSERT_TRUE(wl_journal_full(j));	/* the disk refuses */
	/* what was acknowledged stays, and a new file is begun */
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "2"), 0);
	CU_ASSERT_STRING_EQUAL(content(dir)->text, "I:1 | I:2 | ");
	wl_journal_close(j);
}

static void
test_always_outside_a_coroutine(void)
{
	const char *dir = wl_tmp_path("direct");
	struct wl_journal *j = journal(dir, 1 << 30, 1 << 20, WL_SYNC_ALWAYS);

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "1"), 0);
	CU_ASSERT_EQUAL(fault.syncs, 1);
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "2"), 0);
	CU_ASSERT_EQUAL(fault.syncs, 2);
	fault.fail_sync = 1;
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "lost"), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	CU_ASSERT_STRING_EQUAL(content(dir)->text, "I:1 I:2 | ");
	CU_ASSERT_EQUAL(append(j, WL_J_EVENT, "3"), 0);
	CU_ASSERT_STRING_EQUAL(content(dir)->text, "I:1 I:2 | I:3 | ");
	wl_journal_close(j);
}

/*
 * Coroutines that append under ALWAYS.
 */
#define WRITERS	50

static struct wl_journal *shared;
static int succeeded, refused, running, after_cancel;
static struct wl_co *writers[WRITERS];

static void
write_one(void *arg)
{
	struct wl_err mine;
	char text[16];

	snprintf(text, sizeof(text), "w%d", (int)(intptr_t)arg);
	if (wl_journal_append(shared, WL_J_EVENT, text, strlen(text),
	    &mine) == 0) {
		succeeded++;
		after_cancel += wl_co_cancelled();
	} else
		refused++;
	running--;
}

/*
 * Start the writers and wait until all have ended.
 */
static void
run_writers(bool cancel)
{
	int i;

	succeeded = refused = after_cancel = 0;
	running = WRITERS;
	for (i = 0; i < WRITERS; i++) {
		writers[i] = wl_co_spawn("writer", write_one,
		    (void *)(intptr_t)i);
		CU_ASSERT_PTR_NOT_NULL_FATAL(writers[i]);
	}
	wl_sleep(2);
	for (i = 0; cancel && i < WRITERS; i++)
		wl_co_cancel(writers[i]);
	while (running > 0)
		wl_sleep(2);
}

static int
group_commit(void *arg)
{
	int i;

	(void)arg;
	fault.sync_ms = 20;
	run_writers(false);
	CU_ASSERT_EQUAL(succeeded, WRITERS);
	/* a round for the first, and one for the others, of three segments */
	CU_ASSERT(fault.syncs >= 2 && fault.syncs <= 5);

	fault.syncs = 0;
	run_writers(true);
	CU_ASSERT_EQUAL(succeeded, WRITERS);
	CU_ASSERT(after_cancel > 0);
	CU_ASSERT(fault.syncs <= 10);

	/* a failed round refuses those before and those behind it */
	fault.fail_sync = 1;
	run_writers(false);
	CU_ASSERT_EQUAL(succeeded, 0);
	CU_ASSERT_EQUAL(refused, WRITERS);
	run_writers(false);
	CU_ASSERT_EQUAL(succeeded, WRITERS);

	/* segments change while a round is going on */
	for (i = 0; i < 3; i++) {
		run_writers(false);
		CU_ASSERT_EQUAL(succeeded, WRITERS);
	}
	wl_journal_tick(shared);
	return 0;
}

static int
records_of(const char *name, const char *process, uint64_t seq, int64_t size,
    void *arg)
{
	struct wl_journal_reader *r;
	enum wl_journal_kind kind;
	char path[512];
	const char *p;
	size_t len;

	(void)process;
	(void)seq;
	(void)size;
	snprintf(path, sizeof(path), "%s/%s", wl_tmp_path("group"), name);
	if ((r = wl_journal_reader_open(path, 0)) == NULL)
		return -1;
	while (wl_journal_next(r, &kind, &p, &len) == 1)
		(*(int *)arg)++;
	CU_ASSERT_FALSE(wl_journal_torn(r));
	wl_journal_reader_close(r);
	return 0;
}

static void
test_group_commit(void)
{
	const char *dir = wl_tmp_path("group");
	int records = 0;

	shared = journal(dir, 1 << 30, 300, WL_SYNC_ALWAYS);
	CU_ASSERT_PTR_NOT_NULL_FATAL(shared);
	CU_ASSERT_EQUAL(wl_run(group_commit, NULL), 0);
	wl_journal_close(shared);
	CU_ASSERT_EQUAL(wl_journal_scan(dir, records_of, &records), 0);
	CU_ASSERT_EQUAL(records, 6 * WRITERS);
	CU_ASSERT_EQUAL(content(dir)->alive, 0);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "opened and closed", test_open_and_close },
		{ "two writers in one folder", test_two_processes_differ },
		{ "segments", test_rotation },
		{ "write() fails", test_write_fails },
		{ "one log line for each change of state",
		    test_one_log_line_each_way },
		{ "write() is interrupted", test_interrupted },
		{ "write() writes less", test_short_writes },
		{ "a torn record that cannot be cut off",
		    test_torn_and_not_mended },
		{ "the largest file size", test_file_size_limit },
		{ "a full disk refuses calls, not their ends",
		    test_full_disk_refuses_begin_only },
		{ "a file system that cannot reserve",
		    test_file_system_cannot_reserve },
		{ "reserved blocks are given back", test_blocks_are_given_back },
		{ "the spool's size", test_spool_max },
		{ "room comes back", test_room_comes_back },
		{ "a folder that cannot be written",
		    test_read_only_directory },
		{ "what cannot be opened", test_open_fails },
		{ "fsync fails by the interval", test_interval_sync_fails },
		{ "fsync of each record", test_always_outside_a_coroutine },
		{ "fsync shared by coroutines", test_group_commit },
		{ NULL, NULL }
	};

	alarm(60);
	if (wl_log_open("/dev/null", WL_ERROR, "test") == -1)
		return 99;
	return wl_tap_run("journal", tests);
}
