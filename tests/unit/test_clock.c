/*
 * The calendar against the C library's, RFC 3339, and the clock of tests.
 */
#include "config.h"
#include "lib/base/clock.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmp.h"

#include <sys/wait.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DAY	86400

static void
test_against_gmtime(void)
{
	char name[8], stamp[25], want[64];
	int64_t day, wrong = 0;
	struct tm tm, first, next;
	time_t t;

	/* every day from 1600 to 2400, at an odd time of the day */
	for (day = -135140; day < 157054; day++) {
		t = (time_t)(day * DAY + 12345);
		gmtime_r(&t, &tm);
		snprintf(want, sizeof(want), "%04d-%02d-%02dT03:25:45.678Z",
		    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
		wl_clock_rfc3339((int64_t)t * 1000 + 678, stamp);
		wrong += strcmp(stamp, want) != 0;
		want[7] = '\0';
		wl_clock_month_name((int64_t)t * 1000, name);
		wrong += strcmp(name, want) != 0;
		first = next = (struct tm){
			.tm_year = tm.tm_year, .tm_mon = tm.tm_mon, .tm_mday = 1
		};
		next.tm_mon++;
		wrong += wl_clock_month_start((int64_t)t * 1000) !=
		    (int64_t)timegm(&first);
		wrong += wl_clock_month_next((int64_t)t * 1000) !=
		    (int64_t)timegm(&next);
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

static void
test_month_edges(void)
{
	const int64_t jan = 1735689600;	/* 2025-01-01T00:00:00Z */
	char name[8];

	wl_clock_month_name(jan * 1000 - 1, name);
	CU_ASSERT_STRING_EQUAL(name, "2024-12");
	CU_ASSERT_EQUAL(wl_clock_month_next(jan * 1000 - 1), jan);
	wl_clock_month_name(jan * 1000, name);
	CU_ASSERT_STRING_EQUAL(name, "2025-01");
	CU_ASSERT_EQUAL(wl_clock_month_start(jan * 1000), jan);
	CU_ASSERT_EQUAL(wl_clock_month_next(jan * 1000), jan + 31 * DAY);
}

static void
test_years_out_of_range(void)
{
	char stamp[25];

	wl_clock_rfc3339(INT64_MAX, stamp);
	CU_ASSERT_STRING_EQUAL(stamp, "9999-12-31T23:59:59.999Z");
	wl_clock_rfc3339(INT64_MIN, stamp);
	CU_ASSERT_STRING_EQUAL(stamp, "0000-01-01T00:00:00.000Z");
	wl_clock_rfc3339(-1, stamp);
	CU_ASSERT_STRING_EQUAL(stamp, "1969-12-31T23:59:59.999Z");
}

static int64_t
parse(const char *s)
{
	int64_t ms = -1;

	return wl_clock_parse(s, strlen(s), &ms) == -1 ? INT64_MIN : ms;
}

static void
test_parse(void)
{
	const int64_t t = 1767528000000;	/* 2026-01-04T12:00:00Z */

	CU_ASSERT_EQUAL(parse("2026-01-04T12:00:00Z"), t);
	CU_ASSERT_EQUAL(parse("2026-01-04t12:00:00z"), t);
	CU_ASSERT_EQUAL(parse("2026-01-04 12:00:00Z"), t);
	CU_ASSERT_EQUAL(parse("2026-01-04T12:00:00.1Z"), t + 100);
	CU_ASSERT_EQUAL(parse("2026-01-04T12:00:00.1239999999Z"), t + 123);
	CU_ASSERT_EQUAL(parse("2026-01-04T12:00:00+00:00"), t);
	CU_ASSERT_EQUAL(parse("2026-01-04T12:00:00-00:00"), t);
	CU_ASSERT_EQUAL(parse("2026-01-04T17:30:00+05:30"), t);
	CU_ASSERT_EQUAL(parse("2026-01-03T21:00:00-15:00"), t);
	CU_ASSERT_EQUAL(parse("1969-12-31T23:59:59.999Z"), -1);
	CU_ASSERT_EQUAL(parse("2024-02-29T00:00:00Z"), 1709164800000);
	/* leap seconds, RFC 3339 section 5.8 */
	CU_ASSERT_EQUAL(parse("1990-12-31T23:59:60Z"), 662688000000);
	CU_ASSERT_EQUAL(parse("1990-12-31T15:59:60-08:00"), 662688000000);
}

static void
test_parse_refuses(void)
{
	static const char *const bad[] = {
		"", "2026", "2026-01-04", "2026-01-04T12:00:00",
		"2026-01-04T12:00Z", "2026-13-04T12:00:00Z",
		"2026-00-04T12:00:00Z", "2026-02-29T12:00:00Z",
		"2100-02-29T12:00:00Z", "2026-01-32T12:00:00Z",
		"2026-01-00T12:00:00Z", "2026-01-04T24:00:00Z",
		"2026-01-04T12:60:00Z", "2026-01-04T12:00:61Z",
		"2026-01-04T12:00:60Z", "2026-01-04T12:00:00.Z",
		"2026-01-04T12:00:00,5Z", "2026-01-04T12:00:00+0530",
		"2026-01-04T12:00:00+24:00", "2026-01-04T12:00:00+05:60",
		"2026-01-04T12:00:00Zx", "2026-01-04_12:00:00Z",
		"26-01-04T12:00:00Z", "2026-1-4T12:00:00Z",
		"2026-01-04T12:00:00 Z", "+2026-01-04T12:00:00Z"
	};
	static const char good[] = "2026-01-04T12:00:00.5+05:30";
	int64_t ms;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(parse(bad[i]), INT64_MIN);
	for (i = 0; i < sizeof(good) - 1; i++)
		CU_ASSERT_EQUAL(wl_clock_parse(good, i, &ms), -1);
}

static void
test_now(void)
{
	int64_t before, now;
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	before = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
	now = wl_clock_ms();
	CU_ASSERT(now >= before && now < before + 5000);
	CU_ASSERT(wl_clock_us() / 1000 - now < 5000);
	wl_clock_set_offset(86400000);
	CU_ASSERT(wl_clock_ms() - now >= 86400000);
	CU_ASSERT(wl_clock_ms() - now < 86400000 + 5000);
	wl_clock_set_offset(0);
	CU_ASSERT(wl_clock_ms() - now < 5000);
}

/*
 * In a process of its own, since the file is mapped once: the time follows
 * what is written to it.
 */
static int
follow_file(const char *path, int fd)
{
	int64_t offset = 3600000, now;

	if (setenv("WATCHLLM_TEST_CLOCK", path, 1) == -1)
		return 1;
	now = wl_clock_ms();
	if (pwrite(fd, &offset, sizeof(offset), 0) != sizeof(offset))
		return 2;
	if (wl_clock_ms() - now < 3600000 || wl_clock_ms() - now > 3605000)
		return 3;
	offset = -3600000;
	if (pwrite(fd, &offset, sizeof(offset), 0) != sizeof(offset))
		return 4;
	return wl_clock_ms() - now > -3590000 ? 5 : 0;
}

static void
test_mapped_file(void)
{
	const char *path = wl_tmp_file("clock", "\0\0\0\0\0\0\0\0", 8, 0600);
	int fd = open(path, O_RDWR), status = -1;
	pid_t pid;

	if ((pid = fork()) == 0)
		_exit(follow_file(path, fd));
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	close(fd);
}

static void
test_unusable_file(void)
{
	const char *path = wl_tmp_file("short", "x", 1, 0600);
	int status = -1;
	pid_t pid;

	if ((pid = fork()) == 0) {
		close(STDERR_FILENO);
		setenv("WATCHLLM_TEST_CLOCK", path, 1);
		wl_clock_ms();
		_exit(0);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_TRUE(WIFEXITED(status));
	CU_ASSERT_EQUAL(WEXITSTATUS(status), 1);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		/* first: later calls of the clock would map nothing more */
		{ "a mapped file moves the clock", test_mapped_file },
		{ "an unusable file ends the program", test_unusable_file },
		{ "800 years of days", test_against_gmtime },
		{ "edges of a month", test_month_edges },
		{ "years that four digits cannot hold", test_years_out_of_range },
		{ "RFC 3339 times", test_parse },
		{ "what is no RFC 3339 time", test_parse_refuses },
		{ "now, and an offset", test_now },
		{ NULL, NULL }
	};

	unsetenv("WATCHLLM_TEST_CLOCK");
	return wl_tap_run("clock", tests);
}
