/*
 * The drain: what lies in the journals of this host goes to PostgreSQL, each
 * record once, whoever is killed meanwhile.  How far a segment is drained is
 * known to PostgreSQL alone, and moves in the transaction that stores its
 * records.
 *
 * A segment is closed when its writer has left it and all its records are
 * drained, then unlinked.  Bytes that are no record end it: those of a dead
 * writer go to the folder "quarantine" of the spool and, their beginning, to
 * the dead letters.  A living writer may be in the middle of them, so there
 * they are waited for; should they stay, the records behind them wait, and
 * count as lag, until the writer begins another segment or ends.
 */
#ifndef WL_CORE_DRAIN_H
#define WL_CORE_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

struct wl_conf;
struct wl_drain;
struct wl_err;

/*
 * The drain of the spool of *CONF, which must live until wl_drain_close(); its
 * drain_batch may change meanwhile.  The folder is made when missing.  NULL
 * with *E.
 */
struct wl_drain *wl_drain_open(const struct wl_conf *conf, struct wl_err *e)
    __attribute__((warn_unused_result));
void wl_drain_close(struct wl_drain *d);

/*
 * Whether somebody drains CONF's spool at the moment; false also when that
 * cannot be found out.
 */
bool wl_drain_held(const struct wl_conf *conf);

/*
 * Become the one that drains this spool, until wl_drain_close(); a pass needs
 * it.  Returns 1; 0 when another has it; -1 with *E.
 */
int wl_drain_lock(struct wl_drain *d, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Drain all that was there when the pass began; then what is left to do for
 * processes that have died.  *AGAIN: there may be more to do at once.
 * Returns 0, or -1 with *E when the database, or memory, is not there at the
 * moment: what was not committed is taken up by the next pass.
 */
int wl_drain_pass(struct wl_drain *d, bool *again, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * End a pass after the batch in hand; those that follow do nothing.
 */
void wl_drain_stop(struct wl_drain *d);

/*
 * What was done since wl_drain_open().
 */
struct wl_drain_stat {
	int64_t	records;	/* taken from journals */
	int64_t	batches;	/* transactions that stored some */
	int64_t	stored;		/* events */
	int64_t	duplicates;	/* events that were there */
	int64_t	expired;	/* events too old to be kept */
	int64_t	buried;		/* records refused */
	int64_t	lost;		/* calls whose worker died */
	int64_t	quarantined;	/* segments whose end was no record */
	int64_t	fixups;		/* rows for wl_drain_fixups() */
	int64_t	waiting;	/* segments of the last pass that hold what
				   could not be drained */
};
const struct wl_drain_stat *wl_drain_stat(const struct wl_drain *d);

/*
 * Add to the counters in Redis what they lack of drained calls, for the host
 * of *CONF.  Returns how many rows were done with: with 0 none is left; or -1
 * with *E: to be tried again later.  Independent of passes; not from two
 * coroutines at once.
 */
int wl_drain_fixups(const struct wl_conf *conf, struct wl_err *e)
    __attribute__((warn_unused_result));

#endif
