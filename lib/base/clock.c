/*
 * Wall-clock time and the proleptic Gregorian calendar in UTC.
 */
#include "config.h"
#include "lib/base/clock.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define DAY_MS	((int64_t)86400 * 1000)

static _Atomic int64_t local_offset;
static _Atomic int64_t *shared_offset;	/* mapped, or NULL */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
map_offset(void)
{
	const char *path;
	struct stat st;
	void *p = MAP_FAILED;
	int fd;

	if ((path = getenv("WATCHLLM_TEST_CLOCK")) == NULL || *path == '\0')
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd != -1 && fstat(fd, &st) == 0 &&
	    st.st_size >= (off_t)sizeof(int64_t))
		p = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
	if (fd != -1)
		close(fd);
	if (p == MAP_FAILED) {
		/* a test that runs at the wrong time would prove nothing */
		fprintf(stderr, "WATCHLLM_TEST_CLOCK: cannot map %s\n", path);
		_exit(1);
	}
	shared_offset = p;
}

static int64_t
offset(void)
{
	int64_t v;

	pthread_once(&once, map_offset);
	v = atomic_load_explicit(&local_offset, memory_order_relaxed);
	if (shared_offset != NULL)
		v += atomic_load_explicit(shared_offset, memory_order_relaxed);
	return v;
}

int64_t
wl_clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000 +
	    offset() * 1000;
}

int64_t
wl_clock_ms(void)
{
	return wl_clock_us() / 1000;
}

void
wl_clock_set_offset(int64_t ms)
{
	atomic_store(&local_offset, ms);
}

/*
 * Days since 1970-01-01 and back, after Howard Hinnant's days_from_civil
 * and civil_from_days (chrono-compatible date algorithms): years begin in
 * March, so that the leap day is the last one.
 */
static int64_t
days_from_civil(int64_t y, int m, int d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void
civil_from_days(int64_t days, int64_t *y, int *m, int *d)
{
	int64_t era, doe, yoe, doy, mp;

	days += 719468;
	era = (days >= 0 ? days : days - 146096) / 146097;
	doe = days - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	*d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*y = yoe + era * 400 + (*m <= 2);
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

int64_t
wl_clock_month_start(int64_t ms)
{
	int64_t y;
	int m, d;

	civil_from_days(floor_div(ms, DAY_MS), &y, &m, &d);
	return days_from_civil(y, m, 1) * 86400;
}

int64_t
wl_clock_month_next(int64_t ms)
{
	int64_t y;
	int m, d;

	civil_from_days(floor_div(ms, DAY_MS), &y, &m, &d);
	if (++m > 12) {
		m = 1;
		y++;
	}
	return days_from_civil(y, m, 1) * 86400;
}

/*
 * V as N digits at OUT; returns what follows.
 */
static char *
digits(char *out, int64_t v, int n)
{
	int i;

	for (i = n - 1; i >= 0; i--) {
		out[i] = (char)('0' + v % 10);
		v /= 10;
	}
	return out + n;
}

/*
 * Four digits have no place for other years than 0 to 9999.
 */
static int64_t
clamp(int64_t ms)
{
	const int64_t low = days_from_civil(0, 1, 1) * DAY_MS;
	const int64_t high = days_from_civil(10000, 1, 1) * DAY_MS - 1;

	return ms < low ? low : ms > high ? high : ms;
}

void
wl_clock_month_name(int64_t ms, char out[8])
{
	int64_t y;
	int m, d;

	civil_from_days(floor_div(clamp(ms), DAY_MS), &y, &m, &d);
	out = digits(out, y, 4);
	*out++ = '-';
	out = digits(out, m, 2);
	*out = '\0';
}

void
wl_clock_rfc3339(int64_t ms, char out[25])
{
	int64_t y, days;
	int m, d;

	ms = clamp(ms);
	days = floor_div(ms, DAY_MS);
	ms -= days * DAY_MS;
	civil_from_days(days, &y, &m, &d);
	out = digits(out, y, 4);
	*out++ = '-';
	out = digits(out, m, 2);
	*out++ = '-';
	out = digits(out, d, 2);
	*out++ = 'T';
	out = digits(out, ms / 3600000, 2);
	*out++ = ':';
	out = digits(out, ms / 60000 % 60, 2);
	*out++ = ':';
	out = digits(out, ms / 1000 % 60, 2);
	*out++ = '.';
	out = digits(out, ms % 1000, 3);
	*out++ = 'Z';
	*out = '\0';
}

/*
 * A cursor over the text to parse.
 */
struct scan {
	const char	*p, *end;
};

/*
 * Exactly N digits within MIN..MAX, or -1.
 */
static int
number(struct scan *s, int n, int min, int max)
{
	int v = 0;

	if (s->end - s->p < n)
		return -1;
	for (; n > 0; n--, s->p++) {
		if (*s->p < '0' || *s->p > '9')
			return -1;
		v = v * 10 + (*s->p - '0');
	}
	return v < min || v > max ? -1 : v;
}

static bool
one_of(struct scan *s, const char *set)
{
	if (s->p == s->end)
		return false;
	for (; *set != '\0'; set++)
		if (*s->p == *set) {
			s->p++;
			return true;
		}
	return false;
}

/*
 * The optional fraction of a second in ms (what is finer is cut), or -1.
 */
static int
fraction(struct scan *s)
{
	int v = 0, unit = 100;

	if (!one_of(s, "."))
		return 0;
	if (s->p == s->end || *s->p < '0' || *s->p > '9')
		return -1;
	for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++) {
		v += (*s->p - '0') * unit;
		unit /= 10;
	}
	return v;
}

/*
 * "Z" or "+hh:mm", in minutes east of UTC.
 */
static int
zone(struct scan *s, int *minutes)
{
	bool west;
	int h, m;

	*minutes = 0;
	if (one_of(s, "Zz"))
		return 0;
	west = s->p < s->end && *s->p == '-';
	if (!one_of(s, "+-") || (h = number(s, 2, 0, 23)) == -1 ||
	    !one_of(s, ":") || (m = number(s, 2, 0, 59)) == -1)
		return -1;
	*minutes = (h * 60 + m) * (west ? -1 : 1);
	return 0;
}

static int
days_in_month(int y, int m)
{
	static const int days[] = {
		31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
	};
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

	return days[m - 1] + (m == 2 && leap);
}

int
wl_clock_parse(const char *str, size_t len, int64_t *ms)
{
	struct scan s = { str, str + len };
	int y, mon, d, h, min, sec, frac, east;
	int64_t t;

	if ((y = number(&s, 4, 0, 9999)) == -1 || !one_of(&s, "-") ||
	    (mon = number(&s, 2, 1, 12)) == -1 || !one_of(&s, "-") ||
	    (d = number(&s, 2, 1, days_in_month(y, mon))) == -1 ||
	    !one_of(&s, "Tt ") || (h = number(&s, 2, 0, 23)) == -1 ||
	    !one_of(&s, ":") || (min = number(&s, 2, 0, 59)) == -1 ||
	    !one_of(&s, ":") || (sec = number(&s, 2, 0, 60)) == -1 ||
	    (frac = fraction(&s)) == -1 || zone(&s, &east) == -1 ||
	    s.p != s.end)
		return -1;
	t = days_from_civil(y, mon, d) * 1440 + h * 60 + min - east;
	/* a leap second can only end a UTC day */
	if (sec == 60 && t - floor_div(t, 1440) * 1440 != 1439)
		return -1;
	*ms = (t * 60 + sec) * 1000 + frac;
	return 0;
}
