/*
 * Counting in shared memory, and adding up.
 */
#include "config.h"
#include "fcgi/prom.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/ctx.h"
#include "fcgi/worker.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/hash.h"
#include "lib/base/journal.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/money.h"
#include "lib/base/str.h"
#include "lib/base/wait.h"
#include "lib/core/health.h"
#include "lib/core/retry.h"
#include "lib/core/tape.h"
#include "lib/store/pg.h"
#include "lib/store/redis.h"

#define FILE_NAME	"metrics"
#define SLOTS		256
#define LOCK_TRIES	100
#define LOCK_PAUSE_MS	5
/* A worker that has served nothing for so long may know no better. */
#define GAUGE_FRESH_MS	10000

static const int statuses[] = {
	200, 202, 204, 207, 400, 401, 403, 404, 405, 409, 413, 415, 429, 431,
	499, 500, 502, 503, 504
};
#define STATUSES	(sizeof(statuses) / sizeof(statuses[0]))

/* Upper bounds of the histogram, milliseconds. */
static const int64_t bounds[] = {
	1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000,
	60000
};
#define BOUNDS		(sizeof(bounds) / sizeof(bounds[0]))

static const char *const gates[] = {
	[WL_PG_ADMITTED] = "admitted",
	[WL_PG_BUDGET] = "budget_exceeded",
	[WL_PG_CONCURRENCY] = "concurrency_exceeded",
	[WL_PG_DEGRADED] = "degraded",
	[WL_PG_PRICE] = "price_unknown",
	[WL_PG_QUOTA] = "quota_exceeded",
	[WL_PG_RATE_LIMIT] = "rate_limit_exceeded",
	[WL_PG_TOKENS] = "tokens_per_minute_exceeded",
	[WL_PG_UNAVAILABLE] = "unavailable",
};
static_assert(sizeof(gates) / sizeof(gates[0]) == WL_PROM_GATE_MAX,
    "a word for every verdict");

static const char *const limits[] = {
	[WL_PL_OVERRUN_STOPPED] = "stream_stopped",
	[WL_PL_OVERRUN_WARNED] = "stream_warned",
	[WL_PL_SHADOW] = "shadow_refused",
	[WL_PL_UNKNOWN_PRICE] = "unknown_price",
};
static_assert(sizeof(limits) / sizeof(limits[0]) == WL_PROM_LIMIT_MAX,
    "a word for every event");

/*
 * What calls upstream count, in their own structs: changes of breakers and
 * attempts.  Causes come first.
 */
enum {
	UPSTREAM_PROBES = WL_HEALTH_CAUSE_MAX, UPSTREAM_CLOSED,
	UPSTREAM_RETRIES, UPSTREAM_RETRIES_REFUSED, UPSTREAM_FALLBACKS,
	UPSTREAM_HEDGES, UPSTREAM_HEDGES_WON, UPSTREAM_HEDGES_REFUSED,
	UPSTREAM_FIGURES
};

/*
 * One process.  Only its owner writes; anybody reads.
 */
struct slot {
	/* counters, kept when the slot changes hands */
	_Atomic uint64_t	requests[WL_ROUTES_MAX + 1][STATUSES + 1];
	_Atomic uint64_t	gate[WL_PROM_GATE_MAX];
	_Atomic uint64_t	limit[WL_PROM_LIMIT_MAX];
	_Atomic uint64_t	took[BOUNDS + 1], took_us;
	_Atomic uint64_t	turns, slow_turns;
	_Atomic uint64_t	upstream[UPSTREAM_FIGURES];
	_Atomic uint64_t	cache[WL_CACHE_STATUS_MAX], replays;
	_Atomic uint64_t	saved_tokens, saved_nano;
	/* figures of the moment */
	_Atomic uint64_t	running, coroutines, redis_up, pg_up, set_aside;
	_Atomic uint64_t	tapes, tape_bytes;
	_Atomic int64_t		at_ms;
};

struct head {
	char			magic[8];
	uint8_t			layout[32];	/* hash of all that gives
						   the numbers a meaning */
};

#define HEAD_BYTES	((size_t)4096)
#define SLOT_BYTES	((sizeof(struct slot) + 4095) / 4096 * 4096)
#define FILE_BYTES	(HEAD_BYTES + SLOTS * SLOT_BYTES)

static struct {
	int		 fd;		/* -1: not open, or only for ourselves */
	uint8_t		*map;		/* all of the file, or NULL */
	struct slot	*slot;		/* ours, or NULL */
	uint64_t	 turns, slow_turns;	/* of the loop, as last added */
	uint64_t	 upstream[UPSTREAM_FIGURES];	/* likewise */
} prom = { .fd = -1 };

/* where a process without a place in the file counts */
static struct slot	alone;

/*
 * What this process has counted so far.  Returns how much is set aside.
 */
static uint64_t
upstream_figures(uint64_t v[UPSTREAM_FIGURES])
{
	struct wl_health_stat st;

	wl_health_stats(&st);
	memcpy(v, st.opened, sizeof(st.opened));
	v[UPSTREAM_PROBES] = st.probes;
	v[UPSTREAM_CLOSED] = st.closed;
	v[UPSTREAM_RETRIES] = wl_retry_stat.made;
	v[UPSTREAM_RETRIES_REFUSED] = wl_retry_stat.refused;
	v[UPSTREAM_FALLBACKS] = wl_retry_stat.fallbacks;
	v[UPSTREAM_HEDGES] = wl_retry_stat.hedges;
	v[UPSTREAM_HEDGES_WON] = wl_retry_stat.hedges_won;
	v[UPSTREAM_HEDGES_REFUSED] = wl_retry_stat.hedges_refused;
	return st.open;
}

/*
 * The file.  Locks are those of open file descriptions: they go with the
 * process, however it ends.  Byte N is slot N, byte SLOTS is the head.
 */

static bool
lock_byte(int fd, off_t at, short type)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET,
	    .l_start = at, .l_len = 1 };

	return fcntl(fd, F_OFD_SETLK, &l) == 0;
}

static bool
is_locked(off_t at)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
	    .l_start = at, .l_len = 1 };

	return fcntl(prom.fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

static void
layout(uint8_t out[32])
{
	const struct wl_route *r;
	struct wl_buf b = { 0 };
	size_t i;

	wl_buf_printf(&b, "%zu %zu", sizeof(struct slot), SLOT_BYTES);
	for (r = wl_routes; r->path != NULL; r++)
		wl_buf_printf(&b, " %s %s", wl_method_name(r->method),
		    r->path);
	for (i = 0; i < STATUSES; i++)
		wl_buf_printf(&b, " %d", statuses[i]);
	for (i = 0; i < BOUNDS; i++)
		wl_buf_printf(&b, " %" PRId64, bounds[i]);
	for (i = 0; i < WL_PROM_GATE_MAX; i++)
		wl_buf_printf(&b, " %s", gates[i]);
	for (i = 0; i < WL_PROM_LIMIT_MAX; i++)
		wl_buf_printf(&b, " %s", limits[i]);
	wl_sha256(b.p, b.len, out);
	wl_buf_free(&b);
}

static void
make_head(struct head *h)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->magic, "wlprom1", 8);
	layout(h->layout);
}

/*
 * Whether FD is still what PATH names.
 */
static bool
same_file(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/*
 * Make FD's file ours, with the head locked.  Returns 1; 0: another version
 * of the program left it, and it is gone now; -1 with errno.
 */
static int
prepare(int fd, const char *path)
{
	struct head want, have;
	struct stat st;

	make_head(&want);
	if (fstat(fd, &st) == -1)
		return -1;
	if (st.st_size == 0) {
		if (ftruncate(fd, (off_t)FILE_BYTES) == -1 ||
		    (errno = posix_fallocate(fd, 0, HEAD_BYTES)) != 0 ||
		    pwrite(fd, &want, sizeof(want), 0) != sizeof(want))
			return -1;
		return 1;
	}
	if (st.st_size == (off_t)FILE_BYTES &&
	    pread(fd, &have, sizeof(have), 0) == sizeof(have) &&
	    memcmp(&have, &want, sizeof(have)) == 0)
		return 1;
	return unlink(path) == -1 && errno != ENOENT ? -1 : 0;
}

/*
 * Open PATH as it is meant to be.  A descriptor, or -1 with errno.
 */
static int
open_file(const char *path)
{
	int fd, rc, tries;

	for (tries = 0; tries < LOCK_TRIES; tries++) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		    0600);
		if (fd == -1)
			return -1;
		rc = 0;
		if (lock_byte(fd, SLOTS, F_WRLCK) && same_file(fd, path)) {
			rc = prepare(fd, path);
			lock_byte(fd, SLOTS, F_UNLCK);
			if (rc == 1)
				return fd;
		}
		close(fd);
		if (rc == -1 || wl_sleep(LOCK_PAUSE_MS) == -1)
			return -1;
	}
	errno = EAGAIN;
	return -1;
}

static struct slot *
slot_at(size_t i)
{
	return (struct slot *)(void *)(prom.map + HEAD_BYTES +
	    i * SLOT_BYTES);
}

/*
 * A slot that nobody living holds.  Its blocks are reserved first: a write
 * to a hole of a full disk would be a SIGBUS.
 */
static struct slot *
take_slot(void)
{
	size_t i;

	for (i = 0; i < SLOTS; i++)
		if (lock_byte(prom.fd, (off_t)i, F_WRLCK)) {
			errno = posix_fallocate(prom.fd, (off_t)(HEAD_BYTES +
			    i * SLOT_BYTES), (off_t)SLOT_BYTES);
			return errno == 0 ? slot_at(i) : NULL;
		}
	errno = EUSERS;
	return NULL;
}

static struct slot *
take_shared(const char *dir)
{
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s/" FILE_NAME, dir);
	void *map;

	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	if ((prom.fd = open_file(path)) == -1)
		return NULL;
	map = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
	    prom.fd, 0);
	if (map == MAP_FAILED)
		return NULL;
	prom.map = map;
	return take_slot();
}

static void
give_shared(void)
{
	if (prom.map != NULL)
		munmap(prom.map, FILE_BYTES);
	if (prom.fd != -1)
		close(prom.fd);
	prom.map = NULL;
	prom.fd = -1;
}

void
wl_prom_open(const char *dir)
{
	prom.turns = prom.slow_turns = 0;
	upstream_figures(prom.upstream);
	if ((prom.slot = take_shared(dir)) == NULL) {
		wl_log(WL_WARN, "prom.alone",
		    "figures of this process are not shared: %s",
		    strerror(errno));
		give_shared();
		memset(&alone, 0, sizeof(alone));
		prom.slot = &alone;
	}
	prom.slot->running = 0;
	prom.slot->coroutines = 0;
}

void
wl_prom_close(void)
{
	if (prom.slot != NULL)
		prom.slot->running = prom.slot->coroutines = 0;
	prom.slot = NULL;
	give_shared();
}

/*
 * Counting.
 */

static void
add(_Atomic uint64_t *c, uint64_t n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

static uint64_t
get(const _Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

static void
observe(struct slot *s)
{
	uint64_t now[UPSTREAM_FIGURES];
	struct wl_loop_stat st;
	size_t i, bytes;
	int tapes;

	s->set_aside = upstream_figures(now);
	for (i = 0; i < UPSTREAM_FIGURES; i++)
		if (now[i] != prom.upstream[i])
			add(&s->upstream[i], now[i] - prom.upstream[i]);
	memcpy(prom.upstream, now, sizeof(now));

	wl_loop_stats(&st);
	add(&s->turns, st.turns - prom.turns);
	add(&s->slow_turns, st.slow_turns - prom.slow_turns);
	prom.turns = st.turns;
	prom.slow_turns = st.slow_turns;
	s->coroutines = st.coroutines;
	wl_tape_stats(&tapes, &bytes);
	s->tapes = (uint64_t)tapes;
	s->tape_bytes = bytes;
	s->redis_up = wl_redis_up();
	s->pg_up = wl_pg_up();
	s->at_ms = wl_clock_ms();
}

void
wl_prom_begin(void)
{
	if (prom.slot != NULL)
		add(&prom.slot->running, 1);
}

static size_t
status_index(int status)
{
	size_t i;

	for (i = 0; i < STATUSES && statuses[i] != status; i++)
		;
	return i;
}

static size_t
bound_index(int64_t us)
{
	size_t i;

	for (i = 0; i < BOUNDS && us > bounds[i] * 1000; i++)
		;
	return i;
}

void
wl_prom_end(const struct wl_route *route, int status, int64_t us)
{
	size_t r = route == NULL ? WL_ROUTES_MAX : (size_t)(route - wl_routes);
	struct slot *s = prom.slot;

	if (s == NULL)
		return;
	add(&s->requests[r][status_index(status)], 1);
	add(&s->took[bound_index(us)], 1);
	add(&s->took_us, us < 0 ? 0 : (uint64_t)us);
	add(&s->running, (uint64_t)-1);
	observe(s);
}

void
wl_prom_gate(enum wl_prom_gate g)
{
	if (prom.slot != NULL)
		add(&prom.slot->gate[g], 1);
}

void
wl_prom_limit(enum wl_prom_limit what)
{
	if (prom.slot != NULL)
		add(&prom.slot->limit[what], 1);
}

void
wl_prom_cache(const struct wl_result *res)
{
	struct slot *s = prom.slot;

	if (s == NULL)
		return;
	if (res->outcome == WL_O_REPLAY) {
		add(&s->replays, 1);
		return;
	}
	add(&s->cache[res->cache], 1);
	if (res->outcome != WL_O_CACHE_HIT)
		return;
	add(&s->saved_tokens, (uint64_t)res->saved_tokens);
	add(&s->saved_nano, (uint64_t)res->saved_nano);
}

/*
 * Adding up.
 */

struct sum {
	uint64_t	requests[WL_ROUTES_MAX + 1][STATUSES + 1];
	uint64_t	gate[WL_PROM_GATE_MAX];
	uint64_t	limit[WL_PROM_LIMIT_MAX];
	uint64_t	took[BOUNDS + 1], took_us;
	uint64_t	turns, slow_turns, running, coroutines, workers;
	uint64_t	upstream[UPSTREAM_FIGURES], set_aside;
	uint64_t	cache[WL_CACHE_STATUS_MAX], replays;
	uint64_t	saved_tokens, saved_nano, tapes, tape_bytes;
	bool		redis_up, pg_up;
	int64_t		journal_bytes;
	uint64_t	journal_segments;
};

static void
sum_counters(struct sum *t, const struct slot *s)
{
	size_t i, j;

	for (i = 0; i <= WL_ROUTES_MAX; i++)
		for (j = 0; j <= STATUSES; j++)
			t->requests[i][j] += get(&s->requests[i][j]);
	for (i = 0; i < WL_PROM_GATE_MAX; i++)
		t->gate[i] += get(&s->gate[i]);
	for (i = 0; i < WL_PROM_LIMIT_MAX; i++)
		t->limit[i] += get(&s->limit[i]);
	for (i = 0; i <= BOUNDS; i++)
		t->took[i] += get(&s->took[i]);
	for (i = 0; i < UPSTREAM_FIGURES; i++)
		t->upstream[i] += get(&s->upstream[i]);
	for (i = 0; i < WL_CACHE_STATUS_MAX; i++)
		t->cache[i] += get(&s->cache[i]);
	t->replays += get(&s->replays);
	t->saved_tokens += get(&s->saved_tokens);
	t->saved_nano += get(&s->saved_nano);
	t->took_us += get(&s->took_us);
	t->turns += get(&s->turns);
	t->slow_turns += get(&s->slow_turns);
}

static void
sum_moment(struct sum *t, const struct slot *s, int64_t now)
{
	t->workers++;
	t->running += get(&s->running);
	t->coroutines += get(&s->coroutines);
	t->tapes += get(&s->tapes);
	t->tape_bytes += get(&s->tape_bytes);
	if (now - s->at_ms > GAUGE_FRESH_MS)
		return;
	/* each holds what it has met, or heard of: together they would be
	   counted several times */
	if (get(&s->set_aside) > t->set_aside)
		t->set_aside = get(&s->set_aside);
	t->redis_up &= get(&s->redis_up) != 0;
	t->pg_up &= get(&s->pg_up) != 0;
}

static int
sum_segment(const char *name, const char *process, uint64_t seq, int64_t size,
    void *arg)
{
	struct sum *t = arg;

	(void)name;
	(void)process;
	(void)seq;
	t->journal_bytes += size;
	t->journal_segments++;
	return 0;
}

static void
sum_all(struct sum *t, const struct wl_conf *conf)
{
	int64_t now = wl_clock_ms();
	const struct slot *s;
	size_t i;

	memset(t, 0, sizeof(*t));
	t->redis_up = t->pg_up = true;
	observe(prom.slot);
	for (i = 0; prom.map != NULL && i < SLOTS; i++) {
		s = slot_at(i);
		sum_counters(t, s);
		if (s == prom.slot || is_locked((off_t)i))
			sum_moment(t, s, now);
	}
	if (prom.map == NULL) {
		sum_counters(t, prom.slot);
		sum_moment(t, prom.slot, now);
	}
	(void)wl_journal_scan(conf->spool_dir, sum_segment, t);
}

/*
 * The text.
 */

static void
say(struct wl_buf *b, const char *name, const char *type, const char *help)
{
	wl_buf_printf(b, "# HELP watchllm_%s %s\n# TYPE watchllm_%s %s\n", name,
	    help, name, type);
}

static void
say_one(struct wl_buf *b, const char *name, const char *type, const char *help,
    uint64_t v)
{
	say(b, name, type, help);
	wl_buf_printf(b, "watchllm_%s %" PRIu64 "\n", name, v);
}

static void
say_requests(struct wl_buf *b, const struct sum *t)
{
	const struct wl_route *r = wl_routes;
	const char *method, *path;
	char status[16] = "";
	size_t i, j;

	say(b, "requests_total", "counter", "Requests by route and status.");
	for (i = 0; i <= WL_ROUTES_MAX; i++) {
		method = r->path != NULL ? wl_method_name(r->method) : "";
		path = r->path != NULL ? r->path : "";
		for (j = 0; j <= STATUSES; j++) {
			if (t->requests[i][j] == 0)
				continue;
			snprintf(status, sizeof(status), "%d",
			    j < STATUSES ? statuses[j] : 0);
			wl_buf_printf(b, "watchllm_requests_total{method=\"%s\""
			    ",route=\"%s\",status=\"%s\"} %" PRIu64 "\n",
			    method, path, j < STATUSES ? status : "other",
			    t->requests[i][j]);
		}
		if (r->path != NULL)
			r++;
	}
}

static void
say_durations(struct wl_buf *b, const struct sum *t)
{
	static const char name[] = "watchllm_request_duration_seconds";
	uint64_t n = 0;
	size_t i;

	say(b, "request_duration_seconds", "histogram",
	    "From the first byte of a request to the last of its answer.");
	for (i = 0; i <= BOUNDS; i++) {
		n += t->took[i];
		if (i < BOUNDS)
			wl_buf_printf(b, "%s_bucket{le=\"%g\"} %" PRIu64 "\n",
			    name, (double)bounds[i] / 1000, n);
	}
	wl_buf_printf(b, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, n);
	wl_buf_printf(b, "%s_sum %.6f\n", name, (double)t->took_us / 1e6);
	wl_buf_printf(b, "%s_count %" PRIu64 "\n", name, n);
}

static void
say_upstream(struct wl_buf *b, const struct sum *t)
{
	int i;

	say(b, "breaker_changes_total", "counter",
	    "Targets that were set aside, looked at and taken back.");
	for (i = WL_HC_NONE + 1; i < WL_HEALTH_CAUSE_MAX; i++)
		wl_buf_printf(b, "watchllm_breaker_changes_total{to=\"open\","
		    "cause=\"%s\"} %" PRIu64 "\n",
		    wl_health_word((enum wl_health_cause)i), t->upstream[i]);
	wl_buf_printf(b, "watchllm_breaker_changes_total{to=\"half_open\","
	    "cause=\"\"} %" PRIu64 "\n", t->upstream[UPSTREAM_PROBES]);
	wl_buf_printf(b, "watchllm_breaker_changes_total{to=\"closed\","
	    "cause=\"\"} %" PRIu64 "\n", t->upstream[UPSTREAM_CLOSED]);
	say_one(b, "breakers_open", "gauge",
	    "Most targets that one worker holds for set aside.",
	    t->set_aside);
	say_one(b, "retries_total", "counter",
	    "Attempts at a provider that were made again.",
	    t->upstream[UPSTREAM_RETRIES]);
	say_one(b, "retries_refused_total", "counter",
	    "Attempts that were not made for want of budget.",
	    t->upstream[UPSTREAM_RETRIES_REFUSED]);
	say_one(b, "fallbacks_total", "counter",
	    "Attempts at another key or provider.",
	    t->upstream[UPSTREAM_FALLBACKS]);
	say_one(b, "hedges_total", "counter",
	    "Second targets that were asked beside the first.",
	    t->upstream[UPSTREAM_HEDGES]);
	say_one(b, "hedges_won_total", "counter",
	    "Those of them that answered.", t->upstream[UPSTREAM_HEDGES_WON]);
	say_one(b, "hedges_refused_total", "counter",
	    "Those that were not asked, for their price, share or health.",
	    t->upstream[UPSTREAM_HEDGES_REFUSED]);
}

static void
say_cache(struct wl_buf *b, const struct sum *t)
{
	char usd[32];
	int i;

	say(b, "cache_calls_total", "counter",
	    "Calls by what X-WatchLLM-Cache told.");
	for (i = 0; i < WL_CACHE_STATUS_MAX; i++)
		wl_buf_printf(b, "watchllm_cache_calls_total{result=\"%s\"} %"
		    PRIu64 "\n", wl_cache_status_name(
		    (enum wl_cache_status)i), t->cache[i]);
	say_one(b, "cache_replays_total", "counter",
	    "Calls answered by an Idempotency-Key or Last-Event-ID.",
	    t->replays);
	say_one(b, "cache_saved_tokens_total", "counter",
	    "Tokens that hits saved.", t->saved_tokens);
	say(b, "cache_saved_usd_total", "counter", "Dollars that hits saved.");
	wl_money_usd((int64_t)t->saved_nano, usd);
	wl_buf_printf(b, "watchllm_cache_saved_usd_total %s\n", usd);
	say_one(b, "cache_recordings", "gauge",
	    "Answers that are held in memory for others.", t->tapes);
	say_one(b, "cache_recording_bytes", "gauge", "Their bytes.",
	    t->tape_bytes);
}

static void
say_stores(struct wl_buf *b, const struct wl_conf *conf, const struct sum *t)
{
	bool lost;

	lost = conf->counters == WL_COUNTERS_REDIS ? !t->redis_up : !t->pg_up;
	say_one(b, "limiter_degraded", "gauge",
	    "Whether the counters cannot be reached.", lost);
	if (conf->redis[0] != '\0')
		say_one(b, "redis_up", "gauge",
		    "Whether every worker can reach Redis.", t->redis_up);
	say_one(b, "postgres_up", "gauge",
	    "Whether PostgreSQL answered every worker the last time.",
	    t->pg_up);
}

void
wl_prom_text(struct wl_buf *b, const struct wl_conf *conf)
{
	struct sum t;
	size_t i;

	if (prom.slot == NULL)
		return;
	sum_all(&t, conf);
	say(b, "build_info", "gauge", "Version of the program.");
	wl_buf_printf(b, "watchllm_build_info{version=\"%s\"} 1\n",
	    PACKAGE_VERSION);
	say_requests(b, &t);
	say_durations(b, &t);
	say_one(b, "requests_running", "gauge", "Requests being served.",
	    t.running);
	say(b, "admissions_total", "counter", "What the limiter said.");
	for (i = 0; i < WL_PROM_GATE_MAX; i++)
		wl_buf_printf(b, "watchllm_admissions_total{result=\"%s\"} %"
		    PRIu64 "\n", gates[i], t.gate[i]);
	say(b, "limits_total", "counter",
	    "Calls beyond a limit that were not refused, and streams beyond "
	    "their reservation.");
	for (i = 0; i < WL_PROM_LIMIT_MAX; i++)
		wl_buf_printf(b, "watchllm_limits_total{what=\"%s\"} %"
		    PRIu64 "\n", limits[i], t.limit[i]);
	say_upstream(b, &t);
	say_cache(b, &t);
	say_stores(b, conf, &t);
	say_one(b, "workers", "gauge", "Worker processes of this host.",
	    t.workers);
	say_one(b, "coroutines", "gauge", "Coroutines alive.", t.coroutines);
	say_one(b, "loop_turns_total", "counter", "Turns of the event loops.",
	    t.turns);
	say_one(b, "loop_slow_turns_total", "counter",
	    "Turns that took more than 5 ms.", t.slow_turns);
	say_one(b, "journal_bytes", "gauge",
	    "Bytes of the journals of this host.", (uint64_t)t.journal_bytes);
	say_one(b, "journal_segments", "gauge",
	    "Files of the journals of this host.", t.journal_segments);
	say_one(b, "journal_max_bytes", "gauge",
	    "Most bytes that the journals may hold.",
	    (uint64_t)conf->spool_max);
	say_one(b, "journal_full", "gauge",
	    "Whether calls are refused for want of room.",
	    wl_worker.journal != NULL && wl_journal_full(wl_worker.journal));
}
