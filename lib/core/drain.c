/*
 * A pass of the drain over the spool.
 */
#include "config.h"
#include "lib/core/drain_priv.h"

#include <sys/stat.h>

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/journal.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"

/* Segments whose marks are asked for at once. */
#define CHUNK		1000
#define LIST_MEMORY	((size_t)64 * 1024 * 1024)
#define CHUNK_MEMORY	((size_t)256 * 1024 * 1024)
/* Look at all again though nothing seems to have changed. */
#define FULL_MS		30000
#define SWEEP_MS	60000
#define TROUBLE_MS	60000
/* A record of a living writer is whole after this, or never. */
#define WRITE_MS	20

void
wl_drain_crash(const char *place)
{
	const char *at = getenv("WATCHLLM_CRASH_AT");

	if (at != NULL && strcmp(at, place) == 0)
		raise(SIGKILL);
}

void
wl_drain_trouble(struct wl_drain *d, const struct wl_drain_seg *seg,
    const char *fmt, ...)
{
	char text[512];
	va_list ap;

	d->stat.waiting++;
	if (d->told_at != 0 && wl_mono() - d->told_at < TROUBLE_MS)
		return;
	d->told_at = wl_mono();
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	wl_log(WL_ERROR, "drain.trouble", "%s: %s", seg->name, text);
}

/* ---- open and close ---------------------------------------------------- */

static char *
join(const char *dir, const char *name)
{
	size_t n = strlen(dir) + strlen(name) + 2;
	char *s = malloc(n);

	if (s != NULL)
		snprintf(s, n, "%s/%s", dir, name);
	return s;
}

struct wl_drain *
wl_drain_open(const struct wl_conf *conf, struct wl_err *e)
{
	struct wl_drain *d = calloc(1, sizeof(*d));

	if (d == NULL) {
		wl_err_set(e, WL_E_UNAVAILABLE, "out of memory");
		return NULL;
	}
	d->lock_fd = -1;
	wl_buf_init(&d->rows, 0);
	wl_buf_init(&d->row, 0);
	d->conf = conf;
	d->most = (int)conf->drain_batch;
	d->dir = strdup(conf->spool_dir);
	d->quarantine = join(conf->spool_dir, "quarantine");
	d->arena = wl_arena_new(CHUNK_MEMORY);
	d->scratch = wl_arena_new(CHUNK_MEMORY);
	d->list.arena = wl_arena_new(LIST_MEMORY);
	d->before.arena = wl_arena_new(LIST_MEMORY);
	if (d->dir == NULL || d->quarantine == NULL || d->arena == NULL ||
	    d->scratch == NULL || d->list.arena == NULL ||
	    d->before.arena == NULL)
		wl_err_set(e, WL_E_UNAVAILABLE, "out of memory");
	else if (mkdir(d->dir, 0700) == -1 && errno != EEXIST)
		wl_err_set(e, WL_E_UNAVAILABLE, "spool_dir %s: %s", d->dir,
		    strerror(errno));
	else
		return d;
	wl_drain_close(d);
	return NULL;
}

void
wl_drain_close(struct wl_drain *d)
{
	struct wl_arena *arenas[] = { d->arena, d->scratch, d->list.arena,
	    d->before.arena };
	size_t i;

	for (i = 0; i < sizeof(arenas) / sizeof(arenas[0]); i++)
		if (arenas[i] != NULL)
			wl_arena_free(arenas[i]);
	if (d->lock_fd != -1)
		close(d->lock_fd);
	wl_buf_free(&d->rows);
	wl_buf_free(&d->row);
	free(d->list.v);
	free(d->before.v);
	free(d->rec);
	free(d->dir);
	free(d->quarantine);
	free(d);
}

void
wl_drain_stop(struct wl_drain *d)
{
	d->stop = true;
}

const struct wl_drain_stat *
wl_drain_stat(const struct wl_drain *d)
{
	return &d->stat;
}

/* ---- reading ----------------------------------------------------------- */

/*
 * The next record of SEG: as wl_journal_next(), but a living writer that may
 * be in the middle of a write is given the time for it.
 */
static int
next(struct wl_journal_reader *r, const struct wl_drain_seg *seg,
    enum wl_journal_kind *kind, const char **p, size_t *len)
{
	int got = wl_journal_next(r, kind, p, len);

	if (got == 0 && seg->alive && wl_journal_torn(r)) {
		(void)wl_sleep(WRITE_MS);
		got = wl_journal_next(r, kind, p, len);
	}
	return got;
}

/*
 * No further record is in SEG.
 */
static void
at_end(struct wl_drain *d, struct wl_drain_seg *seg,
    const struct wl_journal_reader *r)
{
	bool torn = wl_journal_torn(r);

	if (seg->alive && torn) {
		wl_drain_trouble(d, seg, "what is at byte %lld is no record; "
		    "waiting until its writer leaves the segment",
		    (long long)wl_journal_offset(r));
	} else if (!seg->alive) {
		seg->ended = true;
		seg->torn = torn;
		seg->end = wl_journal_offset(r);
	}
}

static int
read_records(struct wl_drain *d, struct wl_drain_seg *seg,
    struct wl_journal_reader *r, struct wl_err *e)
{
	enum wl_journal_kind kind;
	const char *p;
	size_t len;
	int got;

	while ((got = next(r, seg, &kind, &p, &len)) == 1) {
		if (wl_drain_batch_add(d, seg, (char)kind, p, len,
		    wl_journal_offset(r), e) == -1)
			return -1;
		if (wl_drain_batch_full(d)) {
			d->again = true;
			if (wl_drain_batch_run(d, e) == -1)
				return -1;
			if (d->stop)
				return 0;
		}
		/* what comes in meanwhile is for the next pass */
		if (seg->alive && wl_journal_offset(r) >= seg->size)
			return 0;
	}
	if (got == -1)
		wl_drain_trouble(d, seg, "cannot be read: %s", strerror(errno));
	else
		at_end(d, seg, r);
	return 0;
}

static int
read_segment(struct wl_drain *d, struct wl_drain_seg *seg, struct wl_err *e)
{
	struct wl_journal_reader *r;
	const char *path;
	int rc;

	if (seg->closed || (seg->alive && seg->size <= seg->drained))
		return 0;
	path = wl_drain_spool_path(d, seg->name);
	r = path == NULL ? NULL : wl_journal_reader_open(path, seg->drained);
	if (r == NULL) {
		if (errno != ENOENT)
			wl_drain_trouble(d, seg, "cannot be opened: %s",
			    strerror(errno));
		return 0;
	}
	rc = read_records(d, seg, r, e);
	wl_journal_reader_close(r);
	return rc;
}

/* ---- a pass ------------------------------------------------------------ */

static int
read_marks(struct wl_drain *d, struct wl_drain_seg *seg, int n,
    struct wl_err *e)
{
	const char **names = wl_arena_alloc(d->arena,
	    (size_t)n * sizeof(*names));
	struct wl_db_drain_mark *marks = wl_arena_alloc(d->arena,
	    (size_t)n * sizeof(*marks));
	int i;

	if (names == NULL || marks == NULL) {
		wl_err_set(e, WL_E_UNAVAILABLE, NULL);
		return wl_err_detail(e, "out of memory");
	}
	for (i = 0; i < n; i++)
		names[i] = seg[i].name;
	if (wl_db_drain_marks(d->arena, d->conf->host_name, names, n, marks,
	    e) == -1)
		return -1;
	for (i = 0; i < n; i++) {
		seg[i].drained = marks[i].drained;
		seg[i].closed = seg[i].was_closed = marks[i].closed;
	}
	return 0;
}

/*
 * SEG[0..N-1] are all segments of their processes.
 */
static int
drain_chunk(struct wl_drain *d, struct wl_drain_seg *seg, int n,
    struct wl_err *e)
{
	int i;

	wl_arena_reset(d->arena);
	if (read_marks(d, seg, n, e) == -1)
		return -1;
	for (i = 0; i < n && !d->stop; i++)
		if (read_segment(d, &seg[i], e) == -1)
			return -1;
	if (wl_drain_batch_run(d, e) == -1)
		return -1;
	if (d->stop)
		return 0;
	if (wl_drain_batch_close(d, seg, n, e) == -1)
		return -1;
	/* what is closed now is finished in another pass, at once */
	for (i = 0; i < n; i++)
		d->again |= seg[i].closed && !seg[i].was_closed;
	return wl_drain_finish(d, seg, n, e);
}

static bool
changed(const struct wl_drain *d)
{
	const struct wl_drain_seg *a = d->list.v, *b = d->before.v;
	int i;

	if (d->list.n != d->before.n)
		return true;
	for (i = 0; i < d->list.n; i++)
		if (a[i].size != b[i].size || a[i].alive != b[i].alive ||
		    strcmp(a[i].name, b[i].name) != 0)
			return true;
	return false;
}

/*
 * What is seldom needed.
 */
static int
sweep(struct wl_drain *d, struct wl_err *e)
{
	if (d->swept_at != 0 && wl_mono() - d->swept_at < SWEEP_MS)
		return 0;
	wl_arena_reset(d->arena);
	wl_drain_spool_sweep(d);
	if (wl_drain_orphans(d, e) == -1)
		return -1;
	d->swept_at = wl_mono();
	return 0;
}

static int
drain_all(struct wl_drain *d, struct wl_err *e)
{
	struct wl_drain_seg *v = d->list.v;
	int64_t before = d->stat.records;
	int lo, hi;

	d->stat.waiting = 0;
	d->ending = false;
	for (lo = 0; lo < d->list.n && !d->stop; lo = hi) {
		hi = lo + CHUNK < d->list.n ? lo + CHUNK : d->list.n;
		while (hi < d->list.n &&
		    strcmp(v[hi].process, v[hi - 1].process) == 0)
			hi++;
		if (drain_chunk(d, v + lo, hi - lo, e) == -1)
			return -1;
	}
	if (!d->stop && sweep(d, e) == -1)
		return -1;
	d->settled = !d->stop && !d->again && !d->ending &&
	    d->stat.waiting == 0 && d->stat.records == before;
	d->full_at = wl_mono();
	return 0;
}

int
wl_drain_pass(struct wl_drain *d, bool *again, struct wl_err *e)
{
	int rc;

	*again = d->again = false;
	if (d->stop)
		return 0;
	if (wl_drain_spool_list(d, e) == -1)
		return -1;
	if (d->settled && !changed(d) && wl_mono() - d->full_at < FULL_MS)
		return 0;
	d->settled = false;
	rc = drain_all(d, e);
	if (rc == -1) {
		d->nrec = 0;
		wl_buf_reset(&d->rows);
	}
	*again = d->again;
	return rc;
}
