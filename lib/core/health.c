/*
 * Breakers: a table of bounded size in the process, and what Redis says.
 */
#include "config.h"
#include "lib/core/health.h"

#include <assert.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/base/rand.h"
#include "lib/base/str.h"
#include "lib/core/model.h"
#include "lib/core/redact_rules.h"
#include "lib/store/breaker.h"

/* What a set has no room for is forgotten, the least needed first. */
#define SETS		512
#define WAYS		4
#define WINDOW_MS	30000
/* The call that looks has so long before another one may. */
#define PROBE_MS	30000
#define NEWS_MS		1000
#define HOUR_MS		3600000

/*
 * How a cause is dealt with.  Times are ms; base 0: breaker_open of the
 * configuration; threshold 0: breaker_failures, AT_ONCE: whatever succeeded
 * before.  Some hosts answer 403 to a prompt that they do not like, so one
 * among good answers is not held against the key.
 */
#define AT_ONCE	(-1)
static const struct {
	const char	*word, *text;
	int		 level;		/* of the two ids */
	int64_t		 base, max;
	int		 factor, threshold;
} causes[] = {
	[WL_HC_NONE] = { "", "", 0, 0, 0, 1, 0 },
	[WL_HC_UNREACHABLE] = { "unreachable", "cannot be reached", 0, 0,
	    120000, 2, 0 },
	[WL_HC_FAILING] = { "failing", "keeps failing", 1, 0, 120000, 2, 0 },
	[WL_HC_KEY] = { "key_rejected", "rejects the key", 0, 15000, HOUR_MS,
	    4, AT_ONCE },
	[WL_HC_CREDIT] = { "no_credit", "wants to be paid", 0, 60000, HOUR_MS,
	    2, AT_ONCE },
	[WL_HC_FORBIDDEN] = { "forbidden", "refuses the key for the model", 1,
	    15000, HOUR_MS, 4, 1 },
	[WL_HC_RATE] = { "rate_limited", "limits the rate of the key", 1, 1000,
	    60000, 2, AT_ONCE },
};
static_assert(sizeof(causes) / sizeof(causes[0]) == WL_HEALTH_CAUSE_MAX,
    "a row for every cause");

/*
 * What is known of one id; FAILS and OKS of the window that began at SINCE
 * (OKS: those that Redis was not told of yet).  Times are epoch ms.
 */
struct entry {
	uint64_t		 id, owner;
	int64_t			 until;		/* 0: closed */
	int64_t			 since, used;
	uint32_t		 fails, oks;
	int			 opens;
	enum wl_health_cause	 cause;
	int64_t			 changed;	/* by ourselves */
	bool			 shared;	/* Redis has it */
	bool			 heard;		/* in this reply */
};

static struct {
	struct entry	table[SETS][WAYS];
	struct {
		uint64_t	owner;
		int64_t		at;
	} asked[SETS];
	struct wl_health_stat st;
	int64_t		counted;	/* when st.open was */
} health;

const char *
wl_health_word(enum wl_health_cause c)
{
	return causes[c].word;
}

/* ---- identity ---------------------------------------------------------- */

static uint64_t
short_hash(const void *p, size_t len)
{
	uint8_t sum[32];
	uint64_t id;

	wl_sha256(p, len, sum);
	memcpy(&id, sum, sizeof(id));
	return id;
}

/*
 * The key itself is only hashed, never copied.  Keys that come with requests
 * share one id, or whoever makes them up could fill the table.
 */
void
wl_health_of(struct wl_health_ref *h, const struct wl_target *t)
{
	const char *project = t->project == NULL ? "" : t->project;
	uint8_t key[32];
	struct wl_buf b;

	memset(h, 0, sizeof(*h));
	h->t = t;
	h->owner = short_hash(project, strlen(project));
	if (t->own_key)
		memset(key, 0, sizeof(key));
	else
		wl_sha256(t->key, strlen(t->key), key);
	wl_buf_init(&b, 0);
	wl_buf_add(&b, key, sizeof(key));
	wl_buf_add(&b, project, strlen(project) + 1);
	wl_buf_add(&b, t->provider, strlen(t->provider) + 1);
	wl_buf_add(&b, t->base_url, strlen(t->base_url) + 1);
	h->id[0] = short_hash(b.p, b.len);
	wl_buf_add(&b, t->model, strlen(t->model) + 1);
	h->id[1] = short_hash(b.p, b.len);
	wl_buf_free(&b);
}

/* ---- the table --------------------------------------------------------- */

static struct entry *
find(uint64_t id, int64_t now)
{
	struct entry *set = health.table[id % SETS];
	int i;

	for (i = 0; i < WAYS; i++)
		if (set[i].id == id) {
			set[i].used = now;
			return &set[i];
		}
	return NULL;
}

/*
 * The same, made if need be, in place of the one that was used least lately,
 * of those that are closed if there are any.
 */
static struct entry *
have(uint64_t id, uint64_t owner, int64_t now)
{
	struct entry *set = health.table[id % SETS], *old = &set[0];
	struct entry *e = find(id, now);
	int i;

	if (e != NULL)
		return e;
	for (i = 1; i < WAYS; i++)
		if ((set[i].until != 0) < (old->until != 0) ||
		    ((set[i].until != 0) == (old->until != 0) &&
		    set[i].used < old->used))
			old = &set[i];
	*old = (struct entry){ .id = id, .owner = owner, .since = now,
	    .used = now };
	return old;
}

static void
shut(struct entry *e, int64_t now)
{
	e->until = 0;
	e->opens = 0;
	e->fails = e->oks = 0;
	e->since = now;
	e->shared = false;
	e->cause = WL_HC_NONE;
}

/* ---- one line for each change ------------------------------------------ */

static void
tell(enum wl_level level, const char *event, const struct wl_target *t,
    const char *what, int64_t ms)
{
	const char *hint = t->hint == NULL ? "" : t->hint;
	struct wl_buf model;

	/* it is what the client wrote */
	wl_buf_init(&model, 0);
	(void)wl_redact_rules_apply(NULL, &model, t->model, strlen(t->model));
	wl_log(level, event, "project %s: %s%s%s, model %.64s: %s; %lld ms",
	    t->project == NULL ? "" : t->project, t->provider,
	    t->own_key ? ", key of a request" : hint[0] == '\0' ? "" :
	    ", key ...", t->own_key ? "" : hint, model.len == 0 ? "" : model.p,
	    what, (long long)ms);
	wl_buf_free(&model);
}

/* ---- asking ------------------------------------------------------------ */

/*
 * The time of level I is over: this call may look, unless another one does.
 */
static int64_t
look(struct wl_arena *a, const struct wl_conf *conf, struct wl_health_ref *h,
    int i, struct entry *e, int64_t now)
{
	int64_t until = 0;
	int rc = -1;

	/* nobody else of this process asks meanwhile */
	e->until = now + PROBE_MS;
	e->changed = now;
	if (e->shared && h->t->project != NULL)
		rc = wl_breaker_probe(a, conf, h->t->project, h->id[i], now,
		    PROBE_MS, &until);
	if ((e = find(h->id[i], now)) == NULL)
		return 0;
	if (rc == 2) {
		shut(e, now);
		return 0;
	}
	if (rc == 0) {
		e->until = until;
		return until > now ? until - now : 1;
	}
	h->probe[i] = true;
	health.st.probes++;
	tell(WL_WARN, "upstream.probe", h->t, causes[e->cause].text, 0);
	return 0;
}

int64_t
wl_health_enter(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_health_ref *h, enum wl_health_cause *cause)
{
	int64_t now = wl_clock_ms(), wait;
	struct entry *e[2];
	int i;

	h->probe[0] = h->probe[1] = false;
	*cause = WL_HC_NONE;
	for (i = 0; i < 2; i++)
		if ((e[i] = find(h->id[i], now)) != NULL &&
		    e[i]->until > now) {
			*cause = e[i]->cause;
			return e[i]->until - now;
		}
	for (i = 0; i < 2; i++) {
		/* it may have gone, or opened, while the other one waited */
		if ((e[i] = find(h->id[i], now)) == NULL || e[i]->until == 0)
			continue;
		/* a rate is no fault: when its time is over all may go on */
		if (e[i]->cause == WL_HC_RATE && e[i]->until <= now)
			continue;
		*cause = e[i]->cause;
		if ((wait = look(a, conf, h, i, e[i], now)) != 0)
			return wait;
	}
	*cause = WL_HC_NONE;
	return 0;
}

int64_t
wl_health_left(const struct wl_health_ref *h)
{
	int64_t now = wl_clock_ms(), left = 0;
	const struct entry *e;
	int i;

	for (i = 0; i < 2; i++)
		if ((e = find(h->id[i], now)) != NULL && e->until - now > left)
			left = e->until - now;
	return left;
}

/* ---- telling ----------------------------------------------------------- */

static void
count_ok(struct entry *e, int64_t now)
{
	if (e->until != 0)
		return;
	if (e->since + WINDOW_MS < now) {
		e->since = now;
		e->fails = e->oks = 0;
	}
	if (e->oks < UINT32_MAX)
		e->oks++;
}

static void
close_one(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_health_ref *h, int i, int64_t now)
{
	struct entry *e = find(h->id[i], now);
	bool shared = e == NULL || e->shared;

	h->probe[i] = false;
	if (e != NULL) {
		shut(e, now);
		e->changed = now;
	}
	/* who closes it says so */
	if (shared && h->t->project != NULL && wl_breaker_close(a, conf,
	    h->t->project, h->id[i]) == 0)
		return;
	health.st.closed++;
	tell(WL_WARN, "upstream.closed", h->t, "answers again", 0);
}

void
wl_health_ok(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_health_ref *h)
{
	int64_t now = wl_clock_ms();
	const struct entry *e;
	int i;

	for (i = 0; i < 2; i++) {
		e = find(h->id[i], now);
		if (h->probe[i] || (e != NULL && e->cause == WL_HC_RATE &&
		    e->until != 0 && e->until <= now))
			close_one(a, conf, h, i, now);
		count_ok(have(h->id[i], h->owner, now), now);
	}
}

/*
 * What the process alone makes of failure F.  Whether it has opened.
 */
static bool
fail_alone(struct entry *e, const struct wl_breaker_failure *f)
{
	int64_t len;

	if (e->until > f->now_ms && !f->probe)
		return false;
	if (e->until == 0) {
		if (e->since + f->window_ms < f->now_ms) {
			e->since = f->now_ms;
			e->fails = e->oks = 0;
		}
		e->fails++;
		if (f->threshold != 0 && (e->fails < (uint32_t)f->threshold ||
		    e->fails < e->oks))
			return false;
	}
	e->opens += e->opens < 30;
	len = wl_breaker_length(f, e->opens);
	if (f->exact_ms == 0)
		len -= len * wl_rand_below(501) / 1000;
	e->until = f->now_ms + len;
	e->fails = e->oks = 0;
	e->shared = false;
	return true;
}

static struct wl_breaker_failure
failure_of(const struct wl_conf *conf, const struct wl_health_ref *h,
    enum wl_health_cause cause, int64_t retry_ms, int64_t now)
{
	int level = causes[cause].level;

	return (struct wl_breaker_failure){
		.id = h->id[level], .now_ms = now, .window_ms = WINDOW_MS,
		.base_ms = causes[cause].base != 0 ? causes[cause].base :
		    conf->breaker_open,
		.max_ms = causes[cause].max,
		.exact_ms = retry_ms < HOUR_MS ? retry_ms : HOUR_MS,
		.threshold = causes[cause].threshold == AT_ONCE ? 0 :
		    causes[cause].threshold != 0 ? causes[cause].threshold :
		    (int)conf->breaker_failures,
		.factor = causes[cause].factor, .cause = (int)cause,
		.probe = h->probe[level]
	};
}

/*
 * Whether CAUSE is told of T at all.
 */
static bool
is_told(const struct wl_conf *conf, const struct wl_target *t,
    enum wl_health_cause cause)
{
	switch (cause) {
	case WL_HC_UNREACHABLE:
	case WL_HC_FAILING:
		return conf->breaker_failures > 0;
	case WL_HC_KEY:
	case WL_HC_CREDIT:
	case WL_HC_FORBIDDEN:
	case WL_HC_RATE:
		return !t->own_key && t->key[0] != '\0';
	case WL_HC_NONE:
	case WL_HEALTH_CAUSE_MAX:
		break;
	}
	return false;
}

void
wl_health_fail(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_health_ref *h, enum wl_health_cause cause, int64_t retry_ms)
{
	int64_t now = wl_clock_ms(), until = 0;
	int level = causes[cause].level, rc = -1;
	struct wl_breaker_failure f;
	struct entry *e;
	bool opened;

	if (!is_told(conf, h->t, cause))
		return;
	f = failure_of(conf, h, cause, cause == WL_HC_RATE ? retry_ms : 0,
	    now);
	e = have(f.id, h->owner, now);
	f.oks = e->oks;
	e->oks = 0;
	if (h->t->project != NULL)
		rc = wl_breaker_fail(a, conf, h->t->project, &f, &until);
	e = have(f.id, h->owner, now);
	if (rc == -1) {
		e->oks += f.oks;
		opened = fail_alone(e, &f);
	} else {
		opened = rc == 1;
		e->until = until;
		e->shared = until != 0;
	}
	h->probe[level] = false;
	if (e->until != 0)
		e->cause = cause;
	e->changed = now;
	if (!opened)
		return;
	health.st.opened[cause]++;
	tell(WL_WARN, "upstream.open", h->t, causes[cause].text, e->until - now);
}

/* ---- what others know -------------------------------------------------- */

void
wl_health_listen(struct wl_health_news *n, struct wl_arena *a,
    const struct wl_conf *conf, const char *project)
{
	int64_t now = wl_clock_ms();
	size_t i;

	n->owner = short_hash(project, strlen(project));
	n->sent = false;
	i = n->owner % SETS;
	if (health.asked[i].owner == n->owner && now >= health.asked[i].at &&
	    now < health.asked[i].at + NEWS_MS)
		return;
	if (wl_breaker_read_send(&n->req, a, conf, project) == -1)
		return;
	health.asked[i].owner = n->owner;
	health.asked[i].at = n->at = now;
	n->sent = true;
}

static void
hear(void *arg, uint64_t id, int64_t until, int opens, int cause)
{
	struct wl_health_news *n = arg;
	struct entry *e;

	if (cause <= WL_HC_NONE || cause >= WL_HEALTH_CAUSE_MAX)
		return;
	e = have(id, n->owner, n->at);
	e->heard = true;
	/* what we have said since is newer */
	if (e->changed >= n->at)
		return;
	e->until = until;
	e->opens = opens;
	e->cause = (enum wl_health_cause)cause;
	e->shared = true;
}

void
wl_health_listened(struct wl_health_news *n)
{
	int64_t now = wl_clock_ms();
	struct entry *e = &health.table[0][0];
	size_t i;

	if (!n->sent)
		return;
	n->sent = false;
	if (wl_breaker_read_wait(&n->req, hear, n) == -1)
		return;
	for (i = 0; i < (size_t)SETS * WAYS; i++) {
		if (e[i].owner != n->owner || e[i].id == 0)
			continue;
		/* another process has closed it */
		if (e[i].shared && !e[i].heard && e[i].changed < n->at)
			shut(&e[i], now);
		e[i].heard = false;
	}
}

void
wl_health_stats(struct wl_health_stat *st)
{
	const struct entry *e = &health.table[0][0];
	int64_t now = wl_clock_ms();
	size_t i;

	if (now < health.counted || now > health.counted + 1000) {
		health.counted = now;
		health.st.open = 0;
		for (i = 0; i < (size_t)SETS * WAYS; i++)
			health.st.open += e[i].until != 0;
	}
	*st = health.st;
}

void
wl_health_flush(void)
{
	memset(&health, 0, sizeof(health));
}
