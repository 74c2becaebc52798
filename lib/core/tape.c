/*
 * Tapes: those that are open in this process, found by their owners; the
 * coroutine that brings one to Redis; readers.
 */
#include "config.h"
#include "lib/core/tape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/co.h"
#include "lib/base/err.h"
#include "lib/base/jw.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"

#define BUCKETS		256
#define HEAD		((size_t)5)
/* An open tape tells Redis so often that it lives. */
#define BEAT_MS		1000
/* Of one look into Redis. */
#define READ_MAX	((size_t)256 * 1024)
/* Of one command that brings it there. */
#define PUSH_MAX	((size_t)256 * 1024)
#define PAUSE_MIN_MS	5
#define PAUSE_MAX_MS	100
#define SCRATCH		((size_t)2 * WL_TAPE_MAX + 64 * 1024)

struct wl_tape_waiter {
	struct wl_tape_waiter	*next;
	struct wl_co		*co;
};

static struct wl_tape	*buckets[BUCKETS];
static int		 nopen;
static size_t		 nbytes;

/* ---- pieces ---- */

void
wl_tape_put(struct wl_buf *b, enum wl_tape_kind kind, const void *p, size_t len)
{
	wl_buf_addc(b, (char)kind);
	wl_buf_addc(b, (char)(len & 0xff));
	wl_buf_addc(b, (char)(len >> 8 & 0xff));
	wl_buf_addc(b, (char)(len >> 16 & 0xff));
	wl_buf_addc(b, (char)(len >> 24 & 0xff));
	wl_buf_add(b, p, len);
}

int
wl_tape_piece(struct wl_str s, size_t *at, enum wl_tape_kind *kind,
    struct wl_str *p)
{
	const unsigned char *u;
	size_t len;

	if (*at > s.len || s.len - *at < HEAD)
		return 0;
	u = (const unsigned char *)s.p + *at;
	len = (size_t)u[1] | (size_t)u[2] << 8 | (size_t)u[3] << 16 |
	    (size_t)u[4] << 24;
	if (s.len - *at - HEAD < len)
		return 0;
	*kind = (enum wl_tape_kind)u[0];
	*p = (struct wl_str){ s.p + *at + HEAD, len };
	*at += HEAD + len;
	return 1;
}

void
wl_tape_owner(struct wl_buf *b, const char *key_id, const char *hash)
{
	struct wl_buf text;
	struct wl_jw w;

	wl_buf_init(&text, 1024);
	wl_jw_init(&w, &text);
	wl_jw_obj(&w, NULL);
	wl_jw_str(&w, "key", key_id);
	wl_jw_str(&w, "hash", hash);
	wl_jw_end(&w, '}');
	wl_tape_put(b, WL_TAPE_OWNER, text.p, text.len);
	b->failed |= text.failed;
	wl_buf_free(&text);
}

/* ---- those that are open here ---- */

static struct wl_tape **
bucket_of(const char *owner)
{
	unsigned h = 5381;

	for (; *owner != '\0'; owner++)
		h = h * 33 + (unsigned char)*owner;
	return &buckets[h % BUCKETS];
}

struct wl_tape *
wl_tape_find(const char *project, const char *owner)
{
	struct wl_tape *t;

	for (t = *bucket_of(owner); t != NULL; t = t->next)
		if (strcmp(t->owner, owner) == 0 &&
		    strcmp(t->project, project) == 0 && !t->b.failed) {
			t->refs++;
			return t;
		}
	return NULL;
}

struct wl_tape *
wl_tape_find_token(const char *project, const char *token)
{
	struct wl_tape *t;
	int i;

	for (i = 0; i < BUCKETS; i++)
		for (t = buckets[i]; t != NULL; t = t->next)
			if (strcmp(t->token, token) == 0 &&
			    strcmp(t->project, project) == 0) {
				t->refs++;
				return t;
			}
	return NULL;
}

void
wl_tape_unref(struct wl_tape *t)
{
	if (t == NULL || --t->refs > 0)
		return;
	nopen--;
	nbytes -= t->b.len;
	wl_buf_free(&t->b);
	free(t);
}

static void
hide(struct wl_tape *t)
{
	struct wl_tape **pp = bucket_of(t->owner);

	for (; *pp != NULL; pp = &(*pp)->next)
		if (*pp == t) {
			*pp = t->next;
			t->next = NULL;
			return;
		}
}

static void
wake(struct wl_tape *t)
{
	struct wl_tape_waiter *w;

	for (w = t->waiters; w != NULL; w = w->next)
		wl_wake(w->co);
}

/*
 * As wl_wait(), also until something happens to T.
 */
static int
wait_for(struct wl_tape *t, int fd, uint32_t events, int64_t deadline)
{
	struct wl_tape_waiter me = { t->waiters, wl_co_self() }, **pp;
	int rc;

	t->waiters = &me;
	rc = wl_wait(fd, events | WL_WOKEN, deadline);
	for (pp = &t->waiters; *pp != &me; pp = &(*pp)->next)
		;
	*pp = me.next;
	return rc;
}

/* ---- bringing it to Redis ---- */

/*
 * Bytes that go to Redis now: it shall not be held up by a long command.
 */
static size_t
left(const struct wl_tape *t)
{
	size_t n = t->early || t->over ? t->b.len - t->pushed : 0;

	return n < PUSH_MAX ? n : PUSH_MAX;
}

static void
push(struct wl_tape *t, struct wl_arena *a)
{
	size_t n = left(t);
	/* the buffer may grow, and move, meanwhile */
	struct wl_str bytes = { wl_arena_dup(a, t->b.p + t->pushed, n), n };
	struct wl_err e;
	int rc = -1;

	if (bytes.p != NULL)
		rc = wl_cache_push(a, &t->conf, t->project, t->owner, t->token,
		    bytes, &e);
	if (rc < 0) {
		t->lost = true;
		if (rc == -2)
			wl_log(WL_WARN, "cache.lost", "the recording of %s was"
			    " taken over by another call", t->token);
		return;
	}
	t->pushed += n;
	t->remote = rc;
}

static void
write_end(struct wl_tape *t, struct wl_arena *a)
{
	struct wl_cache_end end = {
		.project = t->project, .owner = t->owner,
		/* one that is lost is nobody's */
		.token = t->lost ? "" : t->token,
		/* one that broke is not brought to its end */
		.bytes = { t->b.p + t->pushed, t->ok ? t->b.len - t->pushed :
		    0 },
		.ok = t->ok, .keep_tape_ms = t->keep_tape_ms,
		.keep_idle_ms = t->keep_idle_ms,
		.keep_owner_ms = t->keep_owner_ms,
		.id = t->ok && t->store ? t->id : "", .alias = t->alias,
		.ns = t->ns, .epoch = t->epoch,
		.body = t->ok && t->store ? (struct wl_str){
		    t->b.p + t->first, t->b.len - t->first } : WL_STR(""),
		.ttl_ms = t->ttl_ms, .now_ms = wl_clock_ms()
	};
	struct wl_err e;

	if (t->lost)
		end.bytes.len = 0;
	if (wl_cache_end(a, &t->conf, &end, &e) == -1)
		wl_log(WL_WARN, "cache.not_stored", "%s", e.detail);
}

static void
writer(void *arg)
{
	int64_t next = wl_mono_fresh() + BEAT_MS;
	struct wl_tape *t = arg;
	struct wl_arena *a = wl_arena_new(SCRATCH);

	t->lost |= a == NULL;
	while (!t->over) {
		t->lost |= t->b.failed;
		if (!t->lost && ((t->early && t->b.len > t->pushed) ||
		    wl_mono_fresh() >= next)) {
			push(t, a);
			wl_arena_reset(a);
			next = wl_mono_fresh() + BEAT_MS;
			continue;
		}
		if (wl_mono_fresh() >= next)
			next = wl_mono_fresh() + BEAT_MS;
		if (wait_for(t, -1, 0, next) == -1)
			break;
	}
	while (!t->lost && t->ok && t->b.len - t->pushed > PUSH_MAX) {
		push(t, a);
		wl_arena_reset(a);
	}
	if (a != NULL && t->over)
		write_end(t, a);
	t->written = true;
	wake(t);
	if (a != NULL)
		wl_arena_free(a);
	wl_tape_unref(t);
}

struct wl_tape *
wl_tape_new(const struct wl_conf *conf, const char *project, const char *owner,
    const char *hash, const char *token, struct wl_str first, bool live)
{
	struct wl_tape *t = calloc(1, sizeof(*t)), **pp;

	if (t == NULL)
		return NULL;
	t->conf.redis_hash_tags = conf->redis_hash_tags;
	t->conf.cache_entries = conf->cache_entries;
	t->conf.cache_bytes = conf->cache_bytes;
	t->refs = 1;
	nopen++;
	wl_buf_init(&t->b, WL_TAPE_MAX);
	(void)wl_strlcpy(t->project, project, sizeof(t->project));
	(void)wl_strlcpy(t->owner, owner, sizeof(t->owner));
	(void)wl_strlcpy(t->hash, hash, sizeof(t->hash));
	(void)wl_strlcpy(t->token, token, sizeof(t->token));
	wl_buf_add(&t->b, first.p, first.len);
	nbytes += t->b.len;
	t->first = t->pushed = t->b.len;
	t->live = live;
	t->written = !live;
	if (live) {
		t->refs++;
		if (wl_co_spawn("tape", writer, t) == NULL) {
			t->refs--;
			t->lost = t->written = true;
		}
	}
	pp = bucket_of(owner);
	t->next = *pp;
	*pp = t;
	return t;
}

void
wl_tape_add(struct wl_tape *t, enum wl_tape_kind kind, const void *p, size_t len)
{
	if (t->over || t->b.failed || len > WL_TAPE_MAX - HEAD - t->b.len) {
		t->b.failed = true;
		return;
	}
	wl_tape_put(&t->b, kind, p, len);
	if (!t->b.failed)
		nbytes += HEAD + len;
	wake(t);
}

void
wl_tape_close(struct wl_tape *t, bool ok)
{
	hide(t);
	t->ok = ok && !t->b.failed;
	t->over = true;
	wake(t);
}

void
wl_tape_settle(struct wl_tape *t, int64_t deadline)
{
	while (!t->written && wl_mono_fresh() < deadline)
		if (wait_for(t, -1, 0, deadline) == -1)
			return;
}

int
wl_tape_others(const struct wl_tape *t)
{
	int own = 1 + (t->live && !t->written);

	return t->refs - own + t->remote;
}

void
wl_tape_stats(int *open, size_t *bytes)
{
	*open = nopen;
	*bytes = nbytes;
}

/* ---- reading ---- */

void
wl_tape_open(struct wl_tape_reader *r, const struct wl_conf *conf,
    const char *project, const char *token, struct wl_tape *tape)
{
	memset(r, 0, sizeof(*r));
	r->conf = conf;
	r->project = project;
	r->token = token;
	r->tape = tape;
	r->pause = PAUSE_MIN_MS;
	wl_buf_init(&r->b, WL_TAPE_MAX);
}

void
wl_tape_done(struct wl_tape_reader *r)
{
	wl_tape_unref(r->tape);
	wl_buf_free(&r->b);
}

/*
 * Ask Redis for what comes next.  1: there is more, 0: not yet, -1: never.
 */
static int
read_more(struct wl_tape_reader *r)
{
	struct wl_arena *a = wl_arena_new(2 * READ_MAX);
	struct wl_str got;
	struct wl_err e;
	int rc;

	if (a == NULL)
		return -1;
	wl_buf_drop(&r->b, r->at);
	r->base += r->at;
	r->at = 0;
	rc = wl_cache_read(a, r->conf, r->project, r->token,
	    r->base + r->b.len, READ_MAX, &got, &e);
	if (rc == 1) {
		wl_buf_add(&r->b, got.p, got.len);
		rc = r->b.failed ? -1 : got.len > 0;
	} else
		rc = -1;
	wl_arena_free(a);
	return rc;
}

int
wl_tape_next(struct wl_tape_reader *r, enum wl_tape_kind *kind, struct wl_str *p)
{
	struct wl_tape *t = r->tape;
	int rc;

	if (t != NULL) {
		if (wl_tape_piece((struct wl_str){ t->b.p, t->b.len }, &r->at,
		    kind, p) == 1)
			return 1;
		return t->over || t->b.failed ? -1 : 0;
	}
	while (wl_tape_piece((struct wl_str){ r->b.p, r->b.len }, &r->at, kind,
	    p) == 0) {
		if ((rc = read_more(r)) < 1)
			return rc;
		r->pause = PAUSE_MIN_MS;
	}
	return 1;
}

int
wl_tape_wait(struct wl_tape_reader *r, int fd, int64_t deadline)
{
	int64_t until = deadline;
	int rc;

	if (r->tape != NULL)
		rc = wait_for(r->tape, fd, fd == -1 ? 0 : EPOLLRDHUP, until);
	else {
		until = wl_mono_fresh() + r->pause;
		if (until > deadline)
			until = deadline;
		r->pause = r->pause * 2 < PAUSE_MAX_MS ? r->pause * 2 :
		    PAUSE_MAX_MS;
		rc = wl_wait(fd, fd == -1 ? WL_WOKEN : EPOLLRDHUP, until);
	}
	if (rc == -1 || (rc & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		return -1;
	return wl_mono_fresh() < deadline;
}
