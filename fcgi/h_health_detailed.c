/*
 * GET /v1/health/detailed: asks each dependency, and remembers the answers
 * for a second so that asking often costs nothing.
 */
#include "config.h"
#include "fcgi/h_health.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fcgi/ctx.h"
#include "fcgi/serve.h"
#include "fcgi/worker.h"
#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/journal.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/num.h"
#include "lib/base/wait.h"
#include "lib/store/db_health.h"
#include "lib/store/db_migrate.h"
#include "lib/store/redis.h"

#define KEEP_MS		1000
#define WAIT_MS		20000
#define LOOK_MS		10
#define BODY_MAX	8192
/* As "watchllm doctor": more than this, and windows are chosen wrongly. */
#define CLOCK_MS	200
/* Records wait longer than any consumer, also one run by cron, lets them. */
#define LAG_MS		120000
#define SEGMENTS_MAX	10000

enum state { OK, DEGRADED, DOWN, OFF, UNKNOWN, STATE_MAX };

static const char *const states[] = {
	[OK] = "ok",
	[DEGRADED] = "degraded",
	[DOWN] = "down",
	[OFF] = "off",
	[UNKNOWN] = "unknown",
};
static_assert(sizeof(states) / sizeof(states[0]) == STATE_MAX,
    "a word for every state");

struct probe {
	struct wl_arena		*a;
	const struct wl_conf	*conf;
	enum state		 redis, postgres, schema, journal, consumer,
				 clock;
	int64_t			 redis_us, postgres_us;
	int64_t			 redis_off_ms, postgres_off_ms;
	bool			 redis_told, postgres_told;	/* the time */
	int64_t			 journal_bytes, undrained, lag_ms;
};

static struct {
	bool		 running;
	bool		 made;
	int64_t		 at;		/* monotonic ms */
	int		 status;
	size_t		 len;
	char		 body[BODY_MAX];
} kept;

/*
 * What is wrong is for the log: this page may be read from afar.
 */
static void
tell(const char *what, const struct wl_err *e)
{
	wl_log(WL_WARN, "health", "%s: %s (%s)", what, e->msg, e->detail);
}

static int64_t
reply_ms(const struct wl_reply *r)
{
	int64_t s, us;

	if (r->type != WL_R_ARRAY || r->n != 2 ||
	    wl_num_parse(r->item[0]->str, r->item[0]->len, 0, INT64_MAX / 1000,
	    &s) == -1 || wl_num_parse(r->item[1]->str, r->item[1]->len, 0,
	    999999, &us) == -1)
		return -1;
	return s * 1000 + us / 1000;
}

/*
 * How far a clock that said THEIRS is from ours, less what the way explains.
 */
static int64_t
offset(int64_t theirs, int64_t before_us, int64_t after_us)
{
	int64_t middle = (before_us + after_us) / 2000;
	int64_t way = (after_us - before_us) / 2000;
	int64_t off = theirs - middle;

	if (off > way)
		return off - way;
	return off < -way ? off + way : 0;
}

static void
probe_redis(struct probe *p)
{
	static const char *const argv[] = { "TIME" };
	int64_t before, after, theirs;
	struct wl_err e = { 0 };
	struct wl_reply *r;

	p->redis = OFF;
	if (p->conf->redis[0] == '\0' &&
	    p->conf->counters == WL_COUNTERS_POSTGRES)
		return;
	before = wl_clock_us();
	r = wl_redis_call(p->a, 1, argv, NULL, &e);
	after = wl_clock_us();
	if (r == NULL) {
		tell("redis", &e);
		p->redis = DOWN;
		return;
	}
	p->redis_us = after - before;
	p->redis = OK;
	if ((theirs = reply_ms(r)) == -1)
		return;
	p->redis_told = true;
	p->redis_off_ms = offset(theirs, before, after);
}

static void
probe_postgres(struct probe *p)
{
	int64_t before = wl_clock_us(), after, theirs;
	struct wl_err e = { 0 };

	p->schema = UNKNOWN;
	p->postgres = DOWN;
	if (wl_db_clock(p->a, &theirs, &e) == -1) {
		tell("postgres", &e);
		return;
	}
	after = wl_clock_us();
	p->postgres = OK;
	p->postgres_us = after - before;
	p->postgres_told = true;
	p->postgres_off_ms = offset(theirs, before, after);
	p->schema = OK;
	if (wl_migrate_check(p->a, WL_ROLE_APP, &e) == -1) {
		tell("schema", &e);
		p->schema = DOWN;
	}
}

static void
probe_clock(struct probe *p)
{
	p->clock = UNKNOWN;
	if (!p->redis_told && !p->postgres_told)
		return;
	p->clock = OK;
	if (p->redis_off_ms > CLOCK_MS || p->redis_off_ms < -CLOCK_MS ||
	    p->postgres_off_ms > CLOCK_MS || p->postgres_off_ms < -CLOCK_MS)
		p->clock = DEGRADED;
}

/*
 * The journals of this host against what the database has of them.
 */
struct drain {
	struct probe		*p;
	struct wl_db_marks	 marks;
	int64_t			 oldest_ms;	/* last write of a segment
						   with bytes to drain */
	int			 n;
};

static int
add_segment(const char *name, const char *process, uint64_t seq, int64_t size,
    void *arg)
{
	struct drain *d = arg;
	int64_t left = size, written;
	struct stat st;
	char *path;
	int i;

	(void)process;
	(void)seq;
	d->p->journal_bytes += size;
	for (i = 0; i < d->marks.n; i++)
		if (strcmp(d->marks.rows[i].segment, name) == 0)
			left = size - d->marks.rows[i].drained;
	if (left <= 0)
		return 0;
	d->p->undrained += left;
	path = wl_arena_printf(d->p->a, "%s/%s", d->p->conf->spool_dir, name);
	if (path != NULL && stat(path, &st) == 0) {
		written = (int64_t)st.st_mtim.tv_sec * 1000 +
		    st.st_mtim.tv_nsec / 1000000;
		if (written < d->oldest_ms)
			d->oldest_ms = written;
	}
	return ++d->n >= SEGMENTS_MAX;
}

/*
 * How long records have been waiting at least: since the last batch, if there
 * were some ever since this process looked; else, not knowing that, since the
 * last write to a segment that is not drained.
 */
static int64_t
lag(const struct drain *d, int64_t now)
{
	static int64_t empty_ms;	/* when there was nothing to drain */
	int64_t since;

	if (d->p->undrained == 0) {
		empty_ms = now;
		return 0;
	}
	if (empty_ms == 0)
		return now - d->oldest_ms;
	since = d->marks.updated_ms > empty_ms ? d->marks.updated_ms :
	    empty_ms;
	return now - since;
}

static void
probe_journal(struct probe *p)
{
	int64_t now = wl_clock_ms();
	struct drain d = { .p = p, .oldest_ms = now };
	struct wl_err e = { 0 };
	bool known;

	known = p->postgres == OK &&
	    wl_db_marks(p->a, p->conf->host_name, &d.marks, &e) == 0;
	if (!known) {
		if (e.code != WL_OK)
			tell("consumer", &e);
		memset(&d.marks, 0, sizeof(d.marks));
	}
	p->journal = OK;
	if (wl_journal_scan(p->conf->spool_dir, add_segment, &d) == -1 ||
	    wl_worker.journal == NULL || wl_journal_full(wl_worker.journal))
		p->journal = DOWN;
	p->consumer = UNKNOWN;
	if (!known)
		return;
	p->lag_ms = lag(&d, now);
	p->consumer = p->lag_ms > LAG_MS ? DEGRADED : OK;
}

static void
state_json(struct wl_jw *w, const char *key, enum state s)
{
	wl_jw_obj(w, key);
	wl_jw_str(w, "status", states[s]);
}

static void
store_json(struct wl_jw *w, const char *key, enum state s, int64_t us)
{
	state_json(w, key, s);
	if (s == OK)
		wl_jw_num(w, "latencyMs", (double)us / 1000);
	wl_jw_end(w, '}');
}

static void
checks_json(struct wl_jw *w, const struct probe *p)
{
	wl_jw_obj(w, "checks");
	store_json(w, "redis", p->redis, p->redis_us);
	store_json(w, "postgres", p->postgres, p->postgres_us);
	state_json(w, "schema", p->schema);
	wl_jw_int(w, "expected", WL_SCHEMA_VERSION);
	wl_jw_end(w, '}');
	state_json(w, "journal", p->journal);
	wl_jw_int(w, "bytes", p->journal_bytes);
	wl_jw_int(w, "maxBytes", p->conf->spool_max);
	wl_jw_end(w, '}');
	state_json(w, "consumer", p->consumer);
	if (p->consumer != UNKNOWN) {
		wl_jw_int(w, "waitingBytes", p->undrained);
		wl_jw_int(w, "lagMs", p->lag_ms);
	}
	wl_jw_end(w, '}');
	state_json(w, "clock", p->clock);
	if (p->redis_told)
		wl_jw_int(w, "redisOffsetMs", p->redis_off_ms);
	if (p->postgres_told)
		wl_jw_int(w, "postgresOffsetMs", p->postgres_off_ms);
	wl_jw_end(w, '}');
	wl_jw_end(w, '}');
}

static bool
healthy(const struct probe *p)
{
	const enum state all[] = { p->redis, p->postgres, p->schema,
	    p->journal, p->consumer, p->clock };
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i] == DEGRADED || all[i] == DOWN)
			return false;
	return true;
}

static void
keep(const struct probe *p)
{
	bool ok = healthy(p);
	struct wl_buf b;
	struct wl_jw w;
	char now[25];

	wl_buf_init(&b, sizeof(kept.body));
	wl_clock_rfc3339(wl_clock_ms(), now);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_str(&w, "status", states[ok ? OK : DEGRADED]);
	wl_jw_str(&w, "service", "watchllm");
	wl_jw_str(&w, "version", PACKAGE_VERSION);
	wl_jw_str(&w, "timestamp", now);
	checks_json(&w, p);
	wl_jw_end(&w, '}');
	kept.made = !b.failed;
	if (kept.made) {
		memcpy(kept.body, b.p, b.len);
		kept.len = b.len;
		kept.status = ok ? 200 : 503;
		kept.at = wl_mono();
	}
	wl_buf_free(&b);
}

static void
probe_all(struct wl_ctx *ctx)
{
	struct probe p = { .a = ctx->arena, .conf = ctx->conf };

	kept.running = true;
	probe_redis(&p);
	probe_postgres(&p);
	probe_clock(&p);
	probe_journal(&p);
	keep(&p);
	kept.running = false;
}

static bool
is_fresh(void)
{
	return kept.made && wl_mono() - kept.at < KEEP_MS;
}

int
wl_h_health_detailed_get(struct wl_ctx *ctx)
{
	int64_t deadline = wl_mono() + WAIT_MS, seconds, every;

	if (wl_h_health_pace(ctx, &seconds, &every) == -1)
		return -1;
	if (wl_h_health_wants_stream(ctx))
		return wl_h_health_stream(ctx, seconds, every);
	while (kept.running && wl_mono() < deadline)
		if (wl_sleep(LOOK_MS) == -1)
			break;
	if (!is_fresh() && !kept.running)
		probe_all(ctx);
	if (!kept.made)
		return wl_err_set(&ctx->err, WL_E_UNAVAILABLE, NULL);
	wl_resp_set(&ctx->resp, "Cache-Control", "no-store");
	wl_serve_reply(ctx, kept.status, "application/json", kept.body,
	    kept.len);
	return 0;
}
