/*
 * The jobs of watchllm-rollup.  Each may be run at any time, twice, and after
 * a missed month, and works in short transactions.
 */
#ifndef WL_CORE_ROLLUP_H
#define WL_CORE_ROLLUP_H

#include "lib/base/buf.h"

#include <stdint.h>

struct wl_arena;
struct wl_conf;
struct wl_err;

/*
 * Partitions are made for so many days ahead, and back to the last day that
 * has some, but not further back than events are taken.
 */
#define WL_ROLLUP_AHEAD	14
#define WL_ROLLUP_BACK	30

/*
 * What a job is given.  It appends to DONE, in words and with figures, what
 * it did, also when it fails half way.
 */
struct wl_rollup {
	const struct wl_conf	*conf;
	struct wl_arena		*arena;
	int64_t			 now_ms;
	struct wl_buf		 done;
};

/*
 * All return 0, or -1 with *E.
 *
 * partitions	make the tables of the coming days before they are written to
 * statements	monthly statements: provisional, frozen from
 *		statement_close_day on, adjusted by what arrives later; all
 *		months that were missed
 * retention	drop partitions whose rows are older than they are kept; what
 *		is kept nevertheless is logged with its reason
 * marks	remove what journals left long ago
 * ledger	compare the sums of open months with the ledger; a difference
 *		is logged for each project, and a failure
 * reconcile	compare the counters in Redis with the ledger; where they
 *		are lower or lost they begin anew, and where they are higher
 *		too when a consumer drains this host's spool.  With counters = postgres
 *		there is nothing to compare: counters that are over are
 *		removed
 */
int wl_rollup_partitions(struct wl_rollup *r, struct wl_err *e)
    __attribute__((warn_unused_result));
int wl_rollup_statements(struct wl_rollup *r, struct wl_err *e)
    __attribute__((warn_unused_result));
int wl_rollup_retention(struct wl_rollup *r, struct wl_err *e)
    __attribute__((warn_unused_result));
int wl_rollup_marks(struct wl_rollup *r, struct wl_err *e)
    __attribute__((warn_unused_result));
int wl_rollup_ledger(struct wl_rollup *r, struct wl_err *e)
    __attribute__((warn_unused_result));
int wl_rollup_reconcile(struct wl_rollup *r, struct wl_err *e)
    __attribute__((warn_unused_result));

#endif
