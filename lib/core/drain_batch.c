/*
 * Records into the database: one transaction for the batch and its marks;
 * when it refuses, for halves of it, down to the record that is at fault.
 */
#include "config.h"
#include "lib/core/drain_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/journal.h"
#include "lib/base/log.h"
#include "lib/base/utf8.h"
#include "lib/core/drain_row.h"
#include "lib/store/pg.h"

/* Rows of a batch, beside the last one. */
#define BATCH_BYTES	((size_t)8 * 1024 * 1024)
/* SQLSTATEs of ours for what never gets as far as the database. */
#define STATE_UNREADABLE	"22P02"		/* invalid text */
#define STATE_TORN		"XX001"		/* data corrupted */

/* How a transaction ended; AWAY: try again later. */
enum outcome { DONE, REFUSED, AWAY };

/* ---- filling ----------------------------------------------------------- */

int
wl_drain_batch_add(struct wl_drain *d, struct wl_drain_seg *seg, char kind,
    const char *p, size_t len, int64_t end, struct wl_err *e)
{
	struct wl_drain_rec *r;
	int cap = d->cap == 0 ? 1024 : d->cap * 2;

	if (d->nrec == d->cap) {
		r = realloc(d->rec, (size_t)cap * sizeof(*r));
		if (r == NULL)
			return wl_err_memory(e);
		d->rec = r;
		d->cap = cap;
	}
	r = &d->rec[d->nrec];
	*r = (struct wl_drain_rec){ .seg = seg, .kind = kind, .end = end,
	    .begin = end - WL_JOURNAL_HEADER - (int64_t)len,
	    .row = d->rows.len };
	wl_buf_reset(&d->row);
	if (wl_drain_row_add(&d->row, d->nrec, kind, seg->process, p, len,
	    &r->why) == 0)
		wl_buf_add(&d->rows, d->row.p, d->row.len);
	else if (r->why == NULL)
		return wl_err_memory(e);
	if (d->rows.failed)
		return wl_err_memory(e);
	r->len = d->rows.len - r->row;
	d->nrec++;
	return 0;
}

bool
wl_drain_batch_full(const struct wl_drain *d)
{
	return d->nrec >= d->most || d->rows.len >= BATCH_BYTES;
}

/* ---- one transaction --------------------------------------------------- */

/*
 * End a transaction whose steps gave RC.
 */
static enum outcome
end(struct wl_pg *c, int rc, char state[6], struct wl_err *e)
{
	struct wl_err late;

	wl_drain_crash("drain_before_commit");
	if (wl_db_drain_end(c, rc == 0, state, rc == 0 ? e : &late) == -1)
		rc = -1;
	if (rc == 0) {
		wl_drain_crash("drain_after_commit");
		return DONE;
	}
	return wl_db_drain_refused(state) ? REFUSED : AWAY;
}

/*
 * The marks that records LO..HI-1 move, into MOVES: they lie segment by
 * segment.  Returns how many.
 */
static int
moves_of(const struct wl_drain *d, int lo, int hi,
    struct wl_db_drain_move *moves)
{
	const struct wl_drain_rec *r;
	int i, n = 0;

	for (i = lo; i < hi; i++) {
		r = &d->rec[i];
		if (i == lo || r->seg != r[-1].seg) {
			moves[n].segment = r->seg->name;
			moves[n++].from = r->begin;
		}
		moves[n - 1].to = r->end;
		moves[n - 1].closed = r->seg->ended && !r->seg->torn &&
		    r->end == r->seg->end;
	}
	return n;
}

/*
 * The same after the commit, for what we know of the segments.
 */
static void
moved(struct wl_drain *d, int lo, int hi)
{
	const struct wl_drain_rec *r;
	int i;

	for (i = lo; i < hi; i++) {
		r = &d->rec[i];
		r->seg->drained = r->end;
		r->seg->closed = r->seg->ended && !r->seg->torn &&
		    r->end == r->seg->end;
	}
}

static void
count(struct wl_drain *d, int records, const struct wl_db_drain_counts *n)
{
	d->stat.records += records;
	d->stat.batches++;
	d->stat.stored += n->stored;
	d->stat.duplicates += n->duplicates;
	d->stat.expired += n->expired;
	d->stat.fixups += n->fixups;
	wl_log(WL_DEBUG, "drain.batch", "%d records: %lld events, %lld "
	    "duplicates", records, (long long)n->stored,
	    (long long)n->duplicates);
}

/*
 * Records LO..HI-1, all of which have a line, in one transaction.
 */
static enum outcome
transact(struct wl_drain *d, int lo, int hi, char state[6], struct wl_err *e)
{
	const struct wl_drain_rec *first = &d->rec[lo];
	const struct wl_drain_rec *last = &d->rec[hi - 1];
	struct wl_db_drain_counts n = { 0 };
	struct wl_db_drain_move *moves;
	enum outcome out;
	struct wl_pg *c;
	int rc, k;

	wl_arena_reset(d->scratch);
	moves = wl_arena_alloc(d->scratch, (size_t)(hi - lo) * sizeof(*moves));
	if (moves == NULL) {
		wl_err_memory(e);
		return AWAY;
	}
	k = moves_of(d, lo, hi, moves);
	if ((c = wl_db_drain_begin(e)) == NULL)
		return AWAY;
	wl_drain_crash("drain_before_copy");
	rc = wl_db_drain_copy(c, d->rows.p + first->row,
	    last->row + last->len - first->row, e);
	if (rc == 0) {
		wl_drain_crash("drain_after_copy");
		rc = wl_db_drain_run(c, d->scratch, d->conf->host_name, &n, e);
	}
	if (rc == 0)
		rc = wl_db_drain_move(c, d->conf->host_name, moves, k, e);
	out = end(c, rc, state, e);
	if (out == DONE) {
		moved(d, lo, hi);
		count(d, hi - lo, &n);
	}
	return out;
}

/* ---- what is refused --------------------------------------------------- */

/*
 * The payload of R, from its segment, in *L; it lives as long as the reader.
 */
static struct wl_journal_reader *
read_again(struct wl_drain *d, const struct wl_drain_rec *r,
    struct wl_db_drain_letter *l, struct wl_err *e)
{
	const char *path = wl_drain_spool_path(d, r->seg->name), *p;
	enum wl_journal_kind kind;
	struct wl_journal_reader *reader;

	reader = path == NULL ? NULL : wl_journal_reader_open(path, r->begin);
	if (reader != NULL &&
	    wl_journal_next(reader, &kind, &p, &l->len) == 1) {
		l->record = p;
		return reader;
	}
	wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	wl_err_detail(e, "%s: cannot be read again: %s", r->seg->name,
	    strerror(errno));
	wl_journal_reader_close(reader);
	return NULL;
}

static enum outcome
bury_as(struct wl_drain *d, const struct wl_drain_rec *r,
    const struct wl_db_drain_letter *l, char state[6], struct wl_err *e)
{
	struct wl_db_drain_move move = { r->seg->name, r->begin, r->end,
	    r->seg->ended && !r->seg->torn && r->end == r->seg->end };
	struct wl_pg *c = wl_db_drain_begin(e);
	int rc;

	if (c == NULL)
		return AWAY;
	rc = wl_db_drain_bury(c, d->conf->host_name, l, e);
	if (rc == 0)
		rc = wl_db_drain_move(c, d->conf->host_name, &move, 1, e);
	return end(c, rc, state, e);
}

/*
 * Record I goes to the dead letters, with SQLSTATE and REASON.
 */
static int
bury(struct wl_drain *d, int i, const char *sqlstate, const char *reason,
    struct wl_err *e)
{
	const struct wl_drain_rec *r = &d->rec[i];
	struct wl_db_drain_letter l = { .segment = r->seg->name,
	    .offset = r->begin, .kind = r->kind, .sqlstate = sqlstate,
	    .reason = reason };
	struct wl_journal_reader *reader = read_again(d, r, &l, e);
	char project[64], source[64], state[6];
	enum outcome out;

	if (reader == NULL)
		return -1;
	wl_drain_row_whose(l.record, l.len, project, source);
	l.project = project[0] != '\0' ? project : NULL;
	l.source = source[0] != '\0' ? source : NULL;
	out = bury_as(d, r, &l, state, e);
	if (out == REFUSED) {
		l.project = l.source = NULL;
		out = bury_as(d, r, &l, state, e);
	}
	wl_journal_reader_close(reader);
	if (out != DONE)
		return -1;
	moved(d, i, i + 1);
	d->stat.records++;
	d->stat.buried++;
	/* the reason may quote the record: it is for the dead letters */
	wl_log(WL_WARN, "drain.buried", "%s at %lld: a record was refused "
	    "with %s and is among the dead letters", r->seg->name,
	    (long long)r->begin, sqlstate);
	return 0;
}

void
wl_drain_reason(const struct wl_err *e, char reason[WL_DRAIN_REASON])
{
	const char *s = e->detail;
	size_t n, at = 0, k;

	/* "database: 22P02: " */
	if (strncmp(s, "database: ", 10) == 0 && strlen(s) > 17)
		s += 17;
	n = strlen(s);
	/* the end may have been cut off anywhere */
	while (at < n && (k = wl_utf8_seq(s + at, n - at)) > 0)
		at += k;
	memcpy(reason, s, at);
	reason[at] = '\0';
}

/*
 * A record that was refused alone is tried once more: another session may
 * have been in its way.
 */
static int
alone(struct wl_drain *d, int i, struct wl_err *e)
{
	char state[6], reason[WL_DRAIN_REASON];

	switch (transact(d, i, i + 1, state, e)) {
	case DONE:
		return 0;
	case REFUSED:
		wl_drain_reason(e, reason);
		return bury(d, i, state, reason, e);
	case AWAY:
		break;
	}
	return -1;
}

static int
halve(struct wl_drain *d, int lo, int hi, struct wl_err *e)
{
	int mid = lo + (hi - lo) / 2;
	char state[6];

	switch (transact(d, lo, hi, state, e)) {
	case DONE:
		return 0;
	case AWAY:
		return -1;
	case REFUSED:
		break;
	}
	if (hi - lo == 1)
		return alone(d, lo, e);
	if (halve(d, lo, mid, e) == -1)
		return -1;
	return halve(d, mid, hi, e);
}

int
wl_drain_batch_run(struct wl_drain *d, struct wl_err *e)
{
	int lo, hi, rc = 0;

	if (d->nrec == 0)
		return 0;
	for (lo = 0; rc == 0 && lo < d->nrec; lo = hi) {
		for (hi = lo; hi < d->nrec && d->rec[hi].why == NULL; hi++)
			;
		if (hi > lo)
			rc = halve(d, lo, hi, e);
		else
			rc = bury(d, hi++, STATE_UNREADABLE, d->rec[lo].why,
			    e);
	}
	d->nrec = 0;
	wl_buf_reset(&d->rows);
	/* a batch that takes too long is tried in smaller ones */
	if (rc == -1)
		d->most = d->most > 1 ? d->most / 2 : 1;
	else if (d->most < d->conf->drain_batch)
		d->most *= 2;
	if (d->most > d->conf->drain_batch)
		d->most = (int)d->conf->drain_batch;
	return rc;
}

/* ---- the end of a segment ---------------------------------------------- */

/*
 * What follows the records of SEG is none.
 */
static int
close_torn(struct wl_drain *d, struct wl_drain_seg *seg, struct wl_err *e)
{
	struct wl_db_drain_move move = { seg->name, seg->end, seg->end, true };
	struct wl_db_drain_letter l = { .segment = seg->name,
	    .offset = seg->end, .kind = '?', .sqlstate = STATE_TORN,
	    .reason = "the end of the segment is no record; it is in the "
	    "quarantine of its spool" };
	char *head = wl_arena_alloc(d->arena, WL_DRAIN_HEAD), state[6];
	struct wl_pg *c;
	int64_t size;
	int rc;

	if (head == NULL)
		return wl_err_memory(e);
	if (wl_drain_spool_quarantine(d, seg, head, &l.len, &size) == -1)
		return 0;	/* the segment stays as it is */
	l.record = head;
	wl_drain_crash("drain_after_quarantine");
	if ((c = wl_db_drain_begin(e)) == NULL)
		return -1;
	rc = wl_db_drain_bury(c, d->conf->host_name, &l, e);
	if (rc == 0)
		rc = wl_db_drain_move(c, d->conf->host_name, &move, 1, e);
	if (end(c, rc, state, e) != DONE)
		return -1;
	seg->closed = true;
	d->stat.quarantined++;
	wl_log(WL_ERROR, "drain.quarantined", "%s: %lld bytes from %lld on are "
	    "no record; they are in %s", seg->name, (long long)size,
	    (long long)seg->end, d->quarantine);
	return 0;
}

int
wl_drain_batch_close(struct wl_drain *d, struct wl_drain_seg *seg, int n,
    struct wl_err *e)
{
	struct wl_db_drain_move *moves;
	enum outcome out;
	struct wl_pg *c;
	char state[6];
	int i, k = 0;

	moves = wl_arena_alloc(d->arena, (size_t)n * sizeof(*moves) + 1);
	if (moves == NULL)
		return wl_err_memory(e);
	for (i = 0; i < n; i++) {
		if (seg[i].closed || !seg[i].ended ||
		    seg[i].drained != seg[i].end)
			continue;
		if (!seg[i].torn)
			moves[k++] = (struct wl_db_drain_move){ seg[i].name,
			    seg[i].end, seg[i].end, true };
		else if (close_torn(d, &seg[i], e) == -1)
			return -1;
	}
	if (k == 0)
		return 0;
	if ((c = wl_db_drain_begin(e)) == NULL)
		return -1;
	out = end(c, wl_db_drain_move(c, d->conf->host_name, moves, k, e),
	    state, e);
	for (i = 0; out == DONE && i < n; i++)
		if (seg[i].ended && !seg[i].torn &&
		    seg[i].drained == seg[i].end)
			seg[i].closed = true;
	return out == DONE ? 0 : -1;
}
