/*
 * Processes that have died: their calls without an end become lost ones, then
 * the last trace of them is unlinked.  While a process has a segment, closed
 * or not, it may have calls that wait for this.
 */
#include "config.h"
#include "lib/core/drain_priv.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"

#define LOST_MAX	1000
/*
 * A process without a segment is hardly alive, but another spool may share the
 * name of this host: its calls are given this long, and twice the longest.
 */
#define ORPHAN_MS	((int64_t)3600 * 1000)

/*
 * The open calls of PROCESS, in transactions of at most MAX.  When one of
 * them cannot become an event the halves of MAX find out which.
 */
static int
lose(struct wl_drain *d, const char *process, struct wl_err *e)
{
	const char *host = d->conf->host_name;
	char state[6], reason[WL_DRAIN_REASON];
	int64_t n, before = d->stat.lost;
	int max = LOST_MAX;

	while (!d->stop) {
		wl_arena_reset(d->scratch);
		n = wl_db_drain_lost(d->scratch, host, process, max, state, e);
		if (n == 0)
			break;
		if (n > 0) {
			wl_drain_crash("drain_after_lost");
			d->stat.lost += n;
			d->stat.fixups++;
		} else if (!wl_db_drain_refused(state)) {
			return -1;
		} else if (max > 1) {
			max /= 2;
		} else {
			wl_drain_reason(e, reason);
			if (wl_db_drain_lost_bury(host, process, state, reason,
			    e) == -1)
				return -1;
			d->stat.buried++;
			max = LOST_MAX;
		}
	}
	if (d->stat.lost > before)
		wl_log(WL_WARN, "drain.lost", "%s died: %lld calls are lost",
		    process, (long long)(d->stat.lost - before));
	return 0;
}

/*
 * The processes of SEG[0..N-1] that have died, drained to their end before
 * this pass read the folder: what they began then lay there already.
 * LAST[I] is the only segment that process I has left.  One that is over, but
 * still ends, is looked at again soon: nothing in the folder will tell.
 */
static int
collect_dead(struct wl_drain *d, struct wl_drain_seg *seg, int n,
    const char **names, struct wl_drain_seg **last)
{
	int i, j, k = 0;
	bool over;

	for (i = 0; i < n; i = j) {
		over = true;
		for (j = i; j < n && strcmp(seg[j].process, seg[i].process) ==
		    0; j++)
			over &= seg[j].was_closed;
		if (over && wl_drain_spool_runs(seg[i].process)) {
			d->ending = true;
		} else if (over) {
			names[k] = seg[i].process;
			last[k++] = &seg[j - 1];
		}
	}
	return k;
}

int
wl_drain_finish(struct wl_drain *d, struct wl_drain_seg *seg, int n,
    struct wl_err *e)
{
	size_t size = (size_t)n;
	const char **names = wl_arena_alloc(d->arena, size * sizeof(*names));
	struct wl_drain_seg **last = wl_arena_alloc(d->arena,
	    size * sizeof(*last));
	bool *open = wl_arena_alloc(d->arena, size * sizeof(*open));
	int i, k;

	if (names == NULL || last == NULL || open == NULL) {
		wl_err_set(e, WL_E_UNAVAILABLE, NULL);
		return wl_err_detail(e, "out of memory");
	}
	for (i = 0; i + 1 < n; i++)
		if (seg[i].closed &&
		    strcmp(seg[i].process, seg[i + 1].process) == 0)
			wl_drain_spool_unlink(d, &seg[i]);
	k = collect_dead(d, seg, n, names, last);
	if (k > 0 && wl_db_drain_open_calls(d->arena, names, k,
	    open, e) == -1)
		return -1;
	for (i = 0; i < k && !d->stop; i++) {
		if (open[i] && lose(d, names[i], e) == -1)
			return -1;
		if (!d->stop)
			wl_drain_spool_unlink(d, last[i]);
	}
	return 0;
}

static bool
has_segment(const struct wl_drain *d, const char *process)
{
	int i;

	for (i = 0; i < d->list.n; i++)
		if (strcmp(d->list.v[i].process, process) == 0)
			return true;
	return false;
}

int
wl_drain_orphans(struct wl_drain *d, struct wl_err *e)
{
	int64_t age = 2 * d->conf->total_timeout;
	const char **names;
	int i, n;

	if (age < ORPHAN_MS)
		age = ORPHAN_MS;
	if (wl_db_drain_orphans(d->arena, d->conf->host_name, age, &names, &n,
	    e) == -1)
		return -1;
	for (i = 0; i < n && !d->stop; i++)
		if (!has_segment(d, names[i]) &&
		    !wl_drain_spool_runs(names[i]) &&
		    lose(d, names[i], e) == -1)
			return -1;
	return 0;
}
