/*
 * Log lines: valid JSON whatever goes in, bounded, and never a wait.
 */
#include "config.h"
#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmp.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct wl_arena *arena;
static const char *path;

/*
 * Start over with an empty log.
 */
static void
fresh(enum wl_level level)
{
	path = wl_tmp_path("log");
	unlink(path);
	CU_ASSERT_EQUAL_FATAL(wl_log_open(path, level, "tester"), 0);
}

/*
 * The N-th line of the log as an object, or NULL.
 */
static struct json_object *
line(int n)
{
	struct json_object *o = NULL;
	char *text, *p, *end;
	size_t len;

	text = wl_tmp_read(path, &len);
	for (p = text; n > 0 && p != NULL; n--)
		p = (p = strchr(p, '\n')) == NULL ? NULL : p + 1;
	if (p != NULL && (end = strchr(p, '\n')) != NULL)
		o = wl_json_parse(arena, p, (size_t)(end - p), NULL);
	free(text);
	return o;
}

static bool
has(struct json_object *o, const char *key, const char *want)
{
	struct wl_str s;

	return wl_json_str(o, key, &s) && wl_str_eq(s, want);
}

static void
test_members(void)
{
	struct json_object *o;
	struct wl_str ts;
	int64_t n;

	fresh(WL_INFO);
	wl_log(WL_WARN, "redis.down", "no answer in %d ms", 50);
	wl_log_req(WL_INFO, "access", "req-1", "\"status\":200", "done");
	wl_log(WL_ERROR, "bare", "%s", "");
	o = line(0);
	CU_ASSERT_TRUE(has(o, "level", "warn"));
	CU_ASSERT_TRUE(has(o, "program", "tester"));
	CU_ASSERT_TRUE(has(o, "event", "redis.down"));
	CU_ASSERT_TRUE(has(o, "msg", "no answer in 50 ms"));
	CU_ASSERT_TRUE(wl_json_str(o, "ts", &ts));
	CU_ASSERT_EQUAL(ts.len, 24);
	CU_ASSERT_TRUE(wl_json_int(o, "pid", &n));
	CU_ASSERT_EQUAL(n, getpid());
	o = line(1);
	CU_ASSERT_TRUE(has(o, "request_id", "req-1"));
	CU_ASSERT_TRUE(wl_json_int(o, "status", &n));
	CU_ASSERT_EQUAL(n, 200);
	o = line(2);
	CU_ASSERT_PTR_NOT_NULL(o);
	CU_ASSERT_FALSE(wl_json_has(o, "msg"));
	CU_ASSERT_PTR_NULL(line(3));
}

static void
test_escapes(void)
{
	static const char all[] = "quote\" back\\ nl\n tab\t esc\x1b[31m del\x7f "
	    "csi\xc2\x9b euro\xe2\x82\xac bad\xff end\xe2\x82";
	struct json_object *o;
	size_t len;
	char *text;

	fresh(WL_INFO);
	wl_log(WL_INFO, "x", "%s", all);
	o = line(0);
	CU_ASSERT_TRUE(has(o, "msg", "quote\" back\\ nl\n tab\t esc\x1b[31m "
	    "del\x7f csi\xc2\x9b euro\xe2\x82\xac bad\xef\xbf\xbd "
	    "end\xef\xbf\xbd\xef\xbf\xbd"));
	text = wl_tmp_read(path, &len);
	/* nothing that a terminal would obey */
	CU_ASSERT_PTR_NULL(strpbrk(text, "\x1b\x7f\t"));
	CU_ASSERT_PTR_NULL(strstr(text, "\xc2\x9b"));
	CU_ASSERT_EQUAL(strchr(text, '\n'), text + len - 1);
	free(text);
}

static void
test_levels(void)
{
	fresh(WL_WARN);
	wl_log(WL_DEBUG, "no", "%s", "");
	wl_log(WL_INFO, "no", "%s", "");
	wl_log_req(WL_INFO, "no", "r", NULL, "%s", "");
	wl_log(WL_WARN, "yes", "%s", "");
	CU_ASSERT_TRUE(has(line(0), "event", "yes"));
	CU_ASSERT_PTR_NULL(line(1));
	CU_ASSERT_EQUAL(wl_log_level("debug"), WL_DEBUG);
	CU_ASSERT_EQUAL(wl_log_level("error"), WL_ERROR);
	CU_ASSERT_EQUAL(wl_log_level("loud"), -1);
}

static void
test_bounded(void)
{
	static char text[20000], members[20000];
	struct json_object *o;
	size_t i, len;
	char *all;
	bool cut = false;

	for (i = 0; i + 1 < sizeof(text); i++)
		text[i] = (char)(i % 7 == 0 ? '\x01' : 'x');
	fresh(WL_INFO);
	wl_log_req(WL_INFO, "long", text, NULL, "%s", text);
	free(all = wl_tmp_read(path, &len));
	CU_ASSERT(len <= 8192);
	CU_ASSERT(len > 8000);
	o = line(0);
	CU_ASSERT_PTR_NOT_NULL(o);
	CU_ASSERT_TRUE(wl_json_bool(o, "cut", &cut));
	CU_ASSERT_TRUE(cut);

	fresh(WL_INFO);
	memset(members, ' ', sizeof(members) - 1);
	memcpy(members, "\"a\":1", 5);
	wl_log_req(WL_INFO, "long", "id", members, "short");
	o = line(0);
	CU_ASSERT_TRUE(has(o, "msg", "short"));
	CU_ASSERT_TRUE(wl_json_has(o, "cut"));
	CU_ASSERT_FALSE(wl_json_has(o, "a"));
}

static void
test_keeps_errno(void)
{
	fresh(WL_INFO);
	errno = EXDEV;
	wl_log(WL_INFO, "x", "%s", strerror(ENOENT));
	CU_ASSERT_EQUAL(errno, EXDEV);
}

static void
test_reopen(void)
{
	const char *old;

	fresh(WL_INFO);
	wl_log(WL_INFO, "before", "%s", "");
	old = wl_tmp_path("log.1");
	CU_ASSERT_EQUAL(rename(path, old), 0);
	wl_log(WL_INFO, "between", "%s", "");
	CU_ASSERT_EQUAL(wl_log_reopen(), 0);
	wl_log(WL_INFO, "after", "%s", "");
	CU_ASSERT_TRUE(has(line(0), "event", "after"));
	CU_ASSERT_PTR_NULL(line(1));
	path = old;
	CU_ASSERT_TRUE(has(line(1), "event", "between"));
}

static void
test_open_fails(void)
{
	fresh(WL_INFO);
	CU_ASSERT_EQUAL(wl_log_open("/nonexistent/log", WL_INFO, "x"), -1);
	CU_ASSERT_EQUAL(errno, ENOENT);
	wl_log(WL_INFO, "still", "%s", "");
	CU_ASSERT_TRUE(has(line(0), "event", "still"));
}

/*
 * Standard error is FD, which nobody reads: log until nothing more fits, then
 * read it, and log again.
 */
static void
fill_stderr(int fd, int reader, bool leave_flags)
{
	static char buf[1 << 20];
	char *lost;
	int saved = dup(STDERR_FILENO), i, flags;
	ssize_t n;
	size_t have = 0;

	dup2(fd, STDERR_FILENO);
	CU_ASSERT_EQUAL(wl_log_open(NULL, WL_INFO, "tester"), 0);
	alarm(20);
	for (i = 0; i < 5000; i++)
		wl_log(WL_INFO, "flood", "%0400d", i);
	alarm(60);
	flags = fcntl(fd, F_GETFL);
	CU_ASSERT_TRUE(!leave_flags || (flags & O_NONBLOCK) == 0);
	fcntl(reader, F_SETFL, O_NONBLOCK);
	while ((n = read(reader, buf, sizeof(buf))) > 0)
		;
	wl_log(WL_INFO, "again", "%s", "");
	while ((n = read(reader, buf + have, sizeof(buf) - 1 - have)) > 0)
		have += (size_t)n;
	buf[have] = '\0';
	CU_ASSERT_PTR_NOT_NULL(lost = strstr(buf, "log.lost"));
	CU_ASSERT_PTR_NOT_NULL(strstr(buf, "lines could not be written"));
	CU_ASSERT_PTR_NOT_NULL(strstr(buf, "\"again\""));
	dup2(saved, STDERR_FILENO);
	close(saved);
	fresh(WL_INFO);
}

static void
test_full_pipe(void)
{
	int p[2];

	CU_ASSERT_EQUAL_FATAL(pipe(p), 0);
	fill_stderr(p[1], p[0], true);
	close(p[0]);
	close(p[1]);
}

static void
test_full_socket(void)
{
	int p[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	fill_stderr(p[1], p[0], true);
	close(p[0]);
	close(p[1]);
}

static void
test_full_disk(void)
{
	struct rlimit old, small;
	struct json_object *o;
	int i;

	CU_ASSERT_EQUAL(sigaction(SIGXFSZ,
	    &(struct sigaction){ .sa_handler = SIG_IGN }, NULL), 0);
	fresh(WL_INFO);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 1000;
	setrlimit(RLIMIT_FSIZE, &small);
	for (i = 0; i < 20; i++)
		wl_log(WL_INFO, "flood", "%0100d", i);
	setrlimit(RLIMIT_FSIZE, &old);
	wl_log(WL_INFO, "again", "%s", "");
	/* the line that was cut in the middle spoils no other */
	for (i = 0; line(i) != NULL; i++)
		;
	o = line(i + 1);
	CU_ASSERT_TRUE(has(o, "event", "log.lost"));
	o = line(i + 2);
	CU_ASSERT_TRUE(has(o, "event", "again"));
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "members of a line", test_members },
		{ "escapes", test_escapes },
		{ "levels", test_levels },
		{ "the longest line", test_bounded },
		{ "errno is kept", test_keeps_errno },
		{ "reopening", test_reopen },
		{ "a path that cannot be opened", test_open_fails },
		{ "a full pipe loses lines and counts them", test_full_pipe },
		{ "a full socket loses lines and counts them",
		    test_full_socket },
		{ "a full disk loses lines and counts them", test_full_disk },
		{ NULL, NULL }
	};
	int ret;

	alarm(60);
	if ((arena = wl_arena_new(64 << 20)) == NULL)
		return 99;
	ret = wl_tap_run("log", tests);
	wl_arena_free(arena);
	return ret;
}
