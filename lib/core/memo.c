/*
 * A hash table with a bound, oldest use first out.  Values are counted, so
 * that one in use outlives its entry.
 */
#include "config.h"
#include "lib/core/memo.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/co.h"
#include "lib/base/err.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/core/once.h"

#define SCRATCH		((size_t)16 * 1024 * 1024)
/* Longest wait for a fetch that another one does. */
#define WAIT_MS		((int64_t)30 * 1000)
/* After a failed refresh the next one waits. */
#define RETRY_MS	((int64_t)5 * 1000)
#define FAILED_MS	((int64_t)1000)

struct wl_memo_value {
	int		 refs;
	void		*data;
	void		(*release)(void *);
};

struct wl_memo_entry {
	struct wl_memo_entry	*next;		/* in its bucket */
	struct wl_memo_entry	*newer, *older;
	struct wl_memo_value	*value;		/* NULL: not fetched yet */
	struct wl_once		 once;
	int			 pins;		/* who must find it later */
	int64_t			 version, refresh_at, failed_at;
	bool			 refreshing;
	char			 key[];
};

static struct wl_memo_entry **
bucket_of(struct wl_memo *m, const char *key)
{
	return &m->bucket[wl_crc32c(0, key, strlen(key)) % WL_MEMO_BUCKETS];
}

static struct wl_memo_entry *
find(struct wl_memo *m, const char *key)
{
	struct wl_memo_entry *en;

	for (en = *bucket_of(m, key); en != NULL; en = en->next)
		if (strcmp(en->key, key) == 0)
			return en;
	return NULL;
}

static void
unlink_use(struct wl_memo *m, struct wl_memo_entry *en)
{
	if (en->newer != NULL)
		en->newer->older = en->older;
	else
		m->newest = en->older;
	if (en->older != NULL)
		en->older->newer = en->newer;
	else
		m->oldest = en->newer;
}

static void
link_use(struct wl_memo *m, struct wl_memo_entry *en)
{
	en->newer = NULL;
	en->older = m->newest;
	if (en->older != NULL)
		en->older->newer = en;
	else
		m->oldest = en;
	m->newest = en;
}

static void
drop(struct wl_memo *m, struct wl_memo_entry *en)
{
	struct wl_memo_entry **p;

	for (p = bucket_of(m, en->key); *p != en; p = &(*p)->next)
		;
	*p = en->next;
	unlink_use(m, en);
	m->n--;
	wl_memo_put(en->value);
	free(en);
}

/*
 * Make room for one more.
 */
static void
evict(struct wl_memo *m)
{
	struct wl_memo_entry *en, *newer;

	for (en = m->oldest; en != NULL && m->n >= m->max; en = newer) {
		newer = en->newer;
		if (en->pins == 0)
			drop(m, en);
	}
}

/*
 * The entry of KEY, made if need be, pinned; or NULL.
 */
static struct wl_memo_entry *
pin(struct wl_memo *m, const char *key)
{
	struct wl_memo_entry *en = find(m, key), **b = bucket_of(m, key);
	size_t len = strlen(key) + 1;

	if (en != NULL) {
		unlink_use(m, en);
	} else {
		evict(m);
		if ((en = calloc(1, sizeof(*en) + len)) == NULL)
			return NULL;
		memcpy(en->key, key, len);
		en->next = *b;
		*b = en;
		m->n++;
	}
	link_use(m, en);
	en->pins++;
	return en;
}

static void
unpin(struct wl_memo *m, struct wl_memo_entry *en)
{
	if (--en->pins == 0 && en->value == NULL)
		drop(m, en);
}

void
wl_memo_put(struct wl_memo_value *v)
{
	if (v == NULL || --v->refs > 0)
		return;
	if (v->data != NULL)
		v->release(v->data);
	free(v);
}

static int
fetch(struct wl_memo *m, struct wl_memo_entry *en, int64_t version,
    struct wl_err *e)
{
	struct wl_arena *scratch = wl_arena_new(SCRATCH);
	struct wl_memo_value *v = calloc(1, sizeof(*v));
	int rc = -1;

	if (scratch == NULL || v == NULL) {
		wl_err_set(e, WL_E_UNAVAILABLE, NULL);
		free(v);
	} else if ((rc = m->fetch(scratch, en->key, &v->data, e)) == -1) {
		free(v);
		/* one whose client has left says nothing about the rest */
		if (!wl_co_cancelled())
			en->failed_at = wl_mono();
	} else {
		v->refs = 1;
		v->release = m->release;
		wl_memo_put(en->value);
		en->value = v;
		en->version = version;
		en->refresh_at = wl_mono() + m->ttl_ms;
	}
	wl_arena_free(scratch);
	return rc;
}

struct refresh {
	struct wl_memo		*m;
	struct wl_memo_entry	*en;
	int64_t			 version;
};

static void
refresh_run(void *arg)
{
	struct refresh *r = arg;
	struct wl_err e;

	if (wl_once_enter(&r->en->once, wl_mono() + WAIT_MS) == 1) {
		if (fetch(r->m, r->en, r->version, &e) == -1)
			wl_log(WL_WARN, "memo.stale", "%s: %s; %s",
			    r->m->name, e.msg, e.detail);
		wl_once_leave(&r->en->once);
	}
	r->en->refreshing = false;
	unpin(r->m, r->en);
	free(r);
}

/*
 * Fetch EN, which is pinned, in a coroutine of its own.
 */
static void
refresh(struct wl_memo *m, struct wl_memo_entry *en)
{
	struct refresh *r;

	if (en->refreshing || (r = malloc(sizeof(*r))) == NULL)
		return;
	*r = (struct refresh){ m, en, en->version };
	if (wl_co_spawn(m->name, refresh_run, r) == NULL) {
		free(r);
		return;
	}
	en->refreshing = true;
	en->refresh_at = wl_mono() + RETRY_MS;
	en->pins++;
}

/*
 * Wait until EN has a value of VERSION.
 */
static int
obtain(struct wl_memo *m, struct wl_memo_entry *en, int64_t version,
    struct wl_err *e)
{
	int64_t since = wl_mono();
	int rc;

	while (en->value == NULL || en->version < version) {
		rc = wl_once_enter(&en->once, since + WAIT_MS);
		if (rc == 1) {
			rc = fetch(m, en, version, e);
			wl_once_leave(&en->once);
			if (rc == -1)
				return -1;
		} else if (rc == -1 || (en->failed_at != 0 &&
		    en->failed_at >= since - FAILED_MS)) {
			wl_err_set(e, WL_E_UNAVAILABLE, NULL);
			return wl_err_detail(e, "%s: not to be had", m->name);
		}
	}
	return 0;
}

struct wl_memo_value *
wl_memo_get(struct wl_memo *m, const char *key, int64_t version,
    const void **data, struct wl_err *e)
{
	struct wl_memo_entry *en = pin(m, key);
	struct wl_memo_value *v = NULL;

	if (en == NULL) {
		wl_err_set(e, WL_E_UNAVAILABLE, NULL);
		return NULL;
	}
	if (obtain(m, en, version, e) == 0) {
		v = en->value;
		v->refs++;
		*data = v->data;
		if (m->ttl_ms != 0 && wl_mono() >= en->refresh_at)
			refresh(m, en);
	}
	unpin(m, en);
	return v;
}

void
wl_memo_warm(struct wl_memo *m, const char *key)
{
	struct wl_memo_entry *en = pin(m, key);

	if (en == NULL)
		return;
	if (en->value == NULL)
		refresh(m, en);
	unpin(m, en);
}

void
wl_memo_flush(struct wl_memo *m)
{
	struct wl_memo_entry *en, *newer;

	for (en = m->oldest; en != NULL; en = newer) {
		newer = en->newer;
		if (en->pins == 0) {
			drop(m, en);
		} else {
			wl_memo_put(en->value);
			en->value = NULL;
		}
	}
}
