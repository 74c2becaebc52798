/*
 * Reading journals: whatever happened to the file, the valid prefix is what
 * is read, and nothing else.
 */
#include "config.h"
#include "lib/base/err.h"
#include "lib/base/journal.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmp.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HDR	WL_JOURNAL_HEADER

static struct wl_err e;

/*
 * A journal in the folder NAME of the temporary one.
 */
static struct wl_journal *
journal(const char *name, const char **dir)
{
	*dir = wl_tmp_path(name);
	return wl_journal_open(*dir, 1 << 30, 1 << 24, WL_SYNC_INTERVAL, 1000,
	    &e);
}

static int
keep_name(const char *name, const char *process, uint64_t seq, int64_t size,
    void *arg)
{
	(void)process;
	(void)seq;
	(void)size;
	snprintf(arg, 128, "%s", name);
	return 1;
}

/*
 * The path of the first segment in DIR.
 */
static const char *
first_segment(const char *dir)
{
	static char path[512];
	char name[128] = "";

	CU_ASSERT_EQUAL(wl_journal_scan(dir, keep_name, name), 1);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/*
 * Three records in a closed segment; their file as bytes, to be freed.
 */
static char *
three_records(size_t *len)
{
	const char *dir;
	struct wl_journal *j = journal("three", &dir);
	char *p;

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	CU_ASSERT_EQUAL(wl_journal_append(j, WL_J_BEGIN, "first", 5, &e), 0);
	CU_ASSERT_EQUAL(wl_journal_append(j, WL_J_END, "", 0, &e), 0);
	CU_ASSERT_EQUAL(wl_journal_append(j, WL_J_EVENT,
	    "the third record", 16, &e), 0);
	wl_journal_close(j);
	p = wl_tmp_read(first_segment(dir), len);
	CU_ASSERT_EQUAL_FATAL(*len, 3 * HDR + 21);
	unlink(first_segment(dir));
	return p;
}

/*
 * Read the LEN bytes at P as a segment: how many records are whole, where
 * they end, and whether anything follows.
 */
static int
whole(const char *p, size_t len, int64_t *end, bool *torn)
{
	static const char *path;
	struct wl_journal_reader *r;
	enum wl_journal_kind kind;
	const char *rec;
	size_t n;
	int fd, count = 0, ret;

	if (path == NULL)
		path = wl_tmp_path("segment");
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	CU_ASSERT_EQUAL_FATAL(write(fd, p, len), (ssize_t)len);
	close(fd);
	CU_ASSERT_PTR_NOT_NULL_FATAL(r = wl_journal_reader_open(path, 0));
	while ((ret = wl_journal_next(r, &kind, &rec, &n)) == 1)
		count++;
	CU_ASSERT_EQUAL(ret, 0);
	*end = wl_journal_offset(r);
	*torn = wl_journal_torn(r);
	wl_journal_reader_close(r);
	return count;
}

static void
test_round_trip(void)
{
	struct wl_journal_reader *r;
	enum wl_journal_kind kind;
	const char *dir, *p;
	struct wl_journal *j = journal("round", &dir);
	char *big = malloc(WL_JOURNAL_RECORD_MAX + 1);
	size_t len;

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	CU_ASSERT_PTR_NOT_NULL_FATAL(big);
	memset(big, 'b', WL_JOURNAL_RECORD_MAX + 1);
	CU_ASSERT_EQUAL(wl_journal_append(j, WL_J_BEGIN, "x\0y", 3, &e), 0);
	CU_ASSERT_EQUAL(wl_journal_append(j, WL_J_EVENT, big,
	    WL_JOURNAL_RECORD_MAX, &e), 0);
	CU_ASSERT_EQUAL(wl_journal_append(j, WL_J_EVENT, big,
	    WL_JOURNAL_RECORD_MAX + 1, &e), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_REQUEST_TOO_LARGE);
	CU_ASSERT_EQUAL(wl_journal_append(j, WL_J_END, NULL, 0, &e), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(
	    r = wl_journal_reader_open(first_segment(dir), 0));
	CU_ASSERT_EQUAL(wl_journal_next(r, &kind, &p, &len), 1);
	CU_ASSERT_EQUAL(kind, WL_J_BEGIN);
	CU_ASSERT_EQUAL(len, 3);
	CU_ASSERT_EQUAL(memcmp(p, "x\0y", 3), 0);
	CU_ASSERT_EQUAL(wl_journal_next(r, &kind, &p, &len), 1);
	CU_ASSERT_EQUAL(kind, WL_J_EVENT);
	CU_ASSERT_EQUAL(len, WL_JOURNAL_RECORD_MAX);
	CU_ASSERT_EQUAL(memcmp(p, big, len), 0);
	CU_ASSERT_EQUAL(wl_journal_next(r, &kind, &p, &len), 1);
	CU_ASSERT_EQUAL(kind, WL_J_END);
	CU_ASSERT_EQUAL(len, 0);
	CU_ASSERT_EQUAL(wl_journal_next(r, &kind, &p, &len), 0);
	CU_ASSERT_FALSE(wl_journal_torn(r));
	wl_journal_reader_close(r);
	wl_journal_reader_close(NULL);
	wl_journal_close(j);
	free(big);
}

static void
test_resume(void)
{
	struct wl_journal_reader *r;
	enum wl_journal_kind kind;
	const char *path, *p;
	char *bytes;
	size_t len;

	bytes = three_records(&len);
	path = wl_tmp_file("resume", bytes, len, 0600);
	CU_ASSERT_PTR_NOT_NULL_FATAL(r = wl_journal_reader_open(path, HDR + 5));
	CU_ASSERT_EQUAL(wl_journal_next(r, &kind, &p, &len), 1);
	CU_ASSERT_EQUAL(kind, WL_J_END);
	CU_ASSERT_EQUAL(wl_journal_offset(r), 2 * HDR + 5);
	wl_journal_reader_close(r);
	/* beyond the end there is nothing, torn or whole */
	CU_ASSERT_PTR_NOT_NULL_FATAL(r = wl_journal_reader_open(path, 99999));
	CU_ASSERT_EQUAL(wl_journal_next(r, &kind, &p, &len), 0);
	CU_ASSERT_FALSE(wl_journal_torn(r));
	wl_journal_reader_close(r);
	CU_ASSERT_PTR_NULL(wl_journal_reader_open("/nonexistent", 0));
	CU_ASSERT_EQUAL(errno, ENOENT);
	free(bytes);
}

static void
test_cut_at_every_byte(void)
{
	const int64_t starts[] = { 0, HDR + 5, 2 * HDR + 5, 3 * HDR + 21 };
	size_t len, cut;
	char *bytes = three_records(&len);
	int64_t end;
	int n, want;
	bool torn;

	for (cut = 0; cut <= len; cut++) {
		for (want = 0; want < 3 && (int64_t)cut >= starts[want + 1];)
			want++;
		n = whole(bytes, cut, &end, &torn);
		CU_ASSERT_EQUAL(n, want);
		CU_ASSERT_EQUAL(end, starts[want]);
		CU_ASSERT_EQUAL(torn, (int64_t)cut != starts[want]);
	}
	free(bytes);
}

static void
test_every_bit_flipped(void)
{
	size_t len, i;
	char *bytes = three_records(&len);
	int64_t end;
	int bit, want;
	bool torn;

	for (i = 0; i < len; i++) {
		want = i < HDR + 5 ? 0 : i < 2 * HDR + 5 ? 1 : 2;
		for (bit = 0; bit < 8; bit++) {
			bytes[i] ^= (char)(1 << bit);
			CU_ASSERT_EQUAL(whole(bytes, len, &end, &torn), want);
			CU_ASSERT_TRUE(torn);
			bytes[i] ^= (char)(1 << bit);
		}
	}
	CU_ASSERT_EQUAL(whole(bytes, len, &end, &torn), 3);
	free(bytes);
}

static void
test_garbage_behind(void)
{
	static const char *const lengths[] = {
		"\xff\xff\xff\xff", "\x01\x00\x80\x00", "\x00\x00\x80\x00",
		"\x00\x00\x00\x80", "\xf5\xff\xff\xff"
	};
	char *bytes, *longer;
	size_t len, i;
	int64_t end;
	bool torn;

	bytes = three_records(&len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(longer = calloc(1, len + 4096));
	memcpy(longer, bytes, len);
	/* zeros, as a power cut leaves them */
	CU_ASSERT_EQUAL(whole(longer, len + 4096, &end, &torn), 3);
	CU_ASSERT_EQUAL(end, (int64_t)len);
	CU_ASSERT_TRUE(torn);
	/* a good header whose length is absurd, or just too large */
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memcpy(longer + len, "WLI\0", 4);
		memcpy(longer + len + 4, lengths[i], 4);
		CU_ASSERT_EQUAL(whole(longer, len + 4096, &end, &torn), 3);
		CU_ASSERT_EQUAL(end, (int64_t)len);
		CU_ASSERT_TRUE(torn);
	}
	/* an unknown kind, with the right checksum for nothing */
	memcpy(longer + len, "WLX\0\0\0\0\0", 8);
	CU_ASSERT_EQUAL(whole(longer, len + HDR, &end, &torn), 3);
	CU_ASSERT_TRUE(torn);
	CU_ASSERT_EQUAL(whole("", 0, &end, &torn), 0);
	CU_ASSERT_FALSE(torn);
	free(longer);
	free(bytes);
}

static void
test_two_readers_of_a_growing_file(void)
{
	struct wl_journal_reader *a, *b;
	enum wl_journal_kind kind;
	const char *dir, *p, *q;
	struct wl_journal *j = journal("grow", &dir);
	size_t len;

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	CU_ASSERT_EQUAL(wl_journal_append(j, WL_J_EVENT, "one", 3, &e), 0);
	a = wl_journal_reader_open(first_segment(dir), 0);
	b = wl_journal_reader_open(first_segment(dir), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	CU_ASSERT_EQUAL(wl_journal_next(a, &kind, &p, &len), 1);
	CU_ASSERT_EQUAL(wl_journal_next(a, &kind, &p, &len), 0);
	CU_ASSERT_EQUAL(wl_journal_append(j, WL_J_EVENT, "two", 3, &e), 0);
	CU_ASSERT_EQUAL(wl_journal_next(a, &kind, &p, &len), 1);
	CU_ASSERT_EQUAL(wl_journal_next(b, &kind, &q, &len), 1);
	CU_ASSERT_EQUAL(memcmp(p, "two", 3), 0);
	CU_ASSERT_EQUAL(memcmp(q, "one", 3), 0);
	CU_ASSERT_EQUAL(wl_journal_offset(a), 2 * (HDR + 3));
	CU_ASSERT_EQUAL(wl_journal_offset(b), HDR + 3);
	wl_journal_reader_close(a);
	wl_journal_reader_close(b);
	wl_journal_close(j);
}

/*
 * A reader that has seen half a record, which the writer took back and
 * replaced, reads what stands there now.
 */
static void
test_half_a_record_replaced(void)
{
	struct wl_journal_reader *r;
	enum wl_journal_kind kind;
	const char *path, *p;
	char *bytes;
	size_t len, n;
	int fd;

	bytes = three_records(&len);
	path = wl_tmp_file("half", bytes, len - 4, 0600);
	CU_ASSERT_PTR_NOT_NULL_FATAL(r = wl_journal_reader_open(path, 0));
	CU_ASSERT_EQUAL(wl_journal_next(r, &kind, &p, &n), 1);
	CU_ASSERT_EQUAL(wl_journal_next(r, &kind, &p, &n), 1);
	CU_ASSERT_EQUAL(wl_journal_next(r, &kind, &p, &n), 0);
	CU_ASSERT_TRUE(wl_journal_torn(r));
	fd = open(path, O_WRONLY | O_APPEND);
	CU_ASSERT_EQUAL(ftruncate(fd, 2 * HDR + 5), 0);
	CU_ASSERT_EQUAL(write(fd, bytes, HDR + 5), HDR + 5);
	close(fd);
	CU_ASSERT_EQUAL(wl_journal_next(r, &kind, &p, &n), 1);
	CU_ASSERT_EQUAL(kind, WL_J_BEGIN);
	CU_ASSERT_EQUAL(memcmp(p, "first", 5), 0);
	CU_ASSERT_EQUAL(wl_journal_next(r, &kind, &p, &n), 0);
	CU_ASSERT_FALSE(wl_journal_torn(r));
	wl_journal_reader_close(r);
	free(bytes);
}

static void
test_alive(void)
{
	struct wl_journal_reader *r;
	enum wl_journal_kind kind;
	const char *dir = wl_tmp_path("alive"), *p;
	struct wl_journal *j;
	char path[512], go;
	int fds[2];
	size_t len;
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	if ((pid = fork()) == 0) {
		j = wl_journal_open(dir, 1 << 30, 1 << 24, WL_SYNC_INTERVAL,
		    1000, &e);
		if (j == NULL ||
		    wl_journal_append(j, WL_J_BEGIN, "mine", 4, &e) == -1 ||
		    write(fds[1], "g", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(fds[1]);
	CU_ASSERT_EQUAL_FATAL(read(fds[0], &go, 1), 1);
	close(fds[0]);
	snprintf(path, sizeof(path), "%s", first_segment(dir));
	CU_ASSERT_TRUE(wl_journal_alive(path));
	CU_ASSERT_TRUE(wl_journal_alive(path));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CU_ASSERT_FALSE(wl_journal_alive(path));
	CU_ASSERT_PTR_NOT_NULL_FATAL(r = wl_journal_reader_open(path, 0));
	CU_ASSERT_EQUAL(wl_journal_next(r, &kind, &p, &len), 1);
	CU_ASSERT_EQUAL(memcmp(p, "mine", 4), 0);
	CU_ASSERT_EQUAL(wl_journal_next(r, &kind, &p, &len), 0);
	CU_ASSERT_FALSE(wl_journal_torn(r));
	wl_journal_reader_close(r);
	CU_ASSERT_FALSE(wl_journal_alive("/nonexistent"));
}

struct seen {
	char	text[1024];
	int	stop_after;
};

static int
collect(const char *name, const char *process, uint64_t seq, int64_t size,
    void *arg)
{
	struct seen *s = arg;
	size_t len = strlen(s->text);

	(void)name;
	snprintf(s->text + len, sizeof(s->text) - len, "%s/%llu/%lld ",
	    process, (unsigned long long)seq, (long long)size);
	return --s->stop_after == 0 ? 42 : 0;
}

static void
test_scan(void)
{
	static const char *const names[] = {
		"b-1-x.0000000002.wlj", "b-1-x.0000000010.wlj",
		"a-1-x.0000000003.wlj", "b-1-x.9.wlj", "a-1.0000000001.wlj",
		/* not ours */
		"a-1-x.0000000004.new", "a-1-x.wlj", ".0000000001.wlj",
		"a-1-x.000x.wlj", "a-1-x.-1.wlj", "a-1-x.0.wlj", "README",
		"a-1-x.0000000001.wlj.gz"
	};
	const char *dir = wl_tmp_path("scan");
	struct seen s = { "", 0 };
	char path[512];
	size_t i;
	int fd;

	CU_ASSERT_EQUAL_FATAL(mkdir(dir, 0700), 0);
	CU_ASSERT_EQUAL(wl_journal_scan(dir, collect, &s), 0);
	CU_ASSERT_STRING_EQUAL(s.text, "");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		fd = open(path, O_WRONLY | O_CREAT, 0600);
		CU_ASSERT_EQUAL(write(fd, "xxxxxxxxxxxxxxxxxxxx", i), (ssize_t)i);
		close(fd);
	}
	snprintf(path, sizeof(path), "%s/d-1-x.0000000001.wlj", dir);
	mkdir(path, 0700);
	CU_ASSERT_EQUAL(wl_journal_scan(dir, collect, &s), 0);
	CU_ASSERT_STRING_EQUAL(s.text,
	    "a-1/1/4 a-1-x/3/2 b-1-x/2/0 b-1-x/9/3 b-1-x/10/1 ");
	s = (struct seen){ "", 2 };
	CU_ASSERT_EQUAL(wl_journal_scan(dir, collect, &s), 42);
	CU_ASSERT_STRING_EQUAL(s.text, "a-1/1/4 a-1-x/3/2 ");
	CU_ASSERT_EQUAL(wl_journal_scan("/nonexistent", collect, &s), -1);
	CU_ASSERT_EQUAL(errno, ENOENT);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "what was written is read", test_round_trip },
		{ "reading on from an offset", test_resume },
		{ "a file cut at every byte", test_cut_at_every_byte },
		{ "every bit of a file flipped", test_every_bit_flipped },
		{ "zeros, absurd lengths, unknown kinds", test_garbage_behind },
		{ "two readers of a file that grows",
		    test_two_readers_of_a_growing_file },
		{ "half a record that was replaced",
		    test_half_a_record_replaced },
		{ "a writer that lives, and one that was killed", test_alive },
		{ "what lies in the folder", test_scan },
		{ NULL, NULL }
	};

	alarm(60);
	return wl_tap_run("journal_read", tests);
}
