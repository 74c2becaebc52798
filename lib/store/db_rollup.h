/*
 * What watchllm-rollup asks of PostgreSQL, as role rollup.  Each function is
 * one short transaction, so nothing is locked from one to the next; rows live
 * in the arena.  Unless said otherwise: 0, or -1 with *E.
 */
#ifndef WL_STORE_DB_ROLLUP_H
#define WL_STORE_DB_ROLLUP_H

#include <stdbool.h>
#include <stdint.h>

struct wl_arena;
struct wl_err;
struct wl_pg;

/*
 * The right to be the only one at work, until *LOCK is given back with
 * wl_pg_give(), or its connection ends.  It takes a connection of its own
 * and, kept in an open transaction, works through PgBouncer too.  Returns 1;
 * 0: another has it; -1.
 */
int wl_db_rollup_lock(struct wl_arena *a, struct wl_pg **lock,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * The UTC days, as text, whose partitions should exist: yesterday, or the
 * first without a ledger at most BACK days ago, to AHEAD days from NOW_MS.
 */
int wl_db_rollup_days(struct wl_arena *a, int64_t now_ms, int back, int ahead,
    const char ***days, int *n, struct wl_err *e)
    __attribute__((warn_unused_result));
/*
 * Make the partitions of DAY that are missing; *MADE is how many.
 */
int wl_db_rollup_make(struct wl_arena *a, const char *day, int64_t *made,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * Bring the statements of all months up to date; a month is frozen on the
 * CLOSE_DAY-th of its successor.  ACTION is provisional, frozen or adjusted;
 * COUNT how many rows of the statement, or new adjustments.
 */
struct wl_db_statement {
	const char	*month;		/* its first day */
	const char	*action;
	int64_t		 count;
};
int wl_db_rollup_statements(struct wl_arena *a, int64_t now_ms, int close_day,
    struct wl_db_statement **rows, int *n, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Partitions all of whose rows are older than they are kept.  WANTED: hours
 * that statement_run() would still read to adjust a frozen month.
 */
struct wl_db_due {
	const char	*name;
	bool		 wanted;
};
int wl_db_rollup_due(struct wl_arena *a, int64_t now_ms,
    struct wl_db_due **rows, int *n, struct wl_err *e)
    __attribute__((warn_unused_result));
/*
 * Drop one; *OUTCOME is "dropped", or the word that says why not.
 */
int wl_db_rollup_drop(struct wl_arena *a, const char *name, int64_t now_ms,
    const char **outcome, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Remove marks of segments that nobody needs any more; *GONE is how many.
 */
int wl_db_rollup_marks(struct wl_arena *a, int64_t now_ms, int64_t *gone,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * Months, by their first day, whose statement is not frozen and whose ledger
 * is all there.
 */
int wl_db_rollup_open_months(struct wl_arena *a, int64_t now_ms,
    const char ***months, int *n, struct wl_err *e)
    __attribute__((warn_unused_result));
/*
 * Projects whose sums of MONTH are not those of their ledger.
 */
struct wl_db_ledger_gap {
	const char	*project;
	int64_t		 ledger_admitted, ledger_counted;
	int64_t		 month_admitted, month_counted;
};
int wl_db_rollup_ledger(struct wl_arena *a, const char *month,
    struct wl_db_ledger_gap **rows, int *n, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Remove counters, calls and leases that are over from the tables of
 * counters = postgres, at most MAX of each; *GONE is how many.
 */
int wl_db_rollup_counters(struct wl_arena *a, int64_t now_ms, int max,
    int64_t *gone, struct wl_err *e) __attribute__((warn_unused_result));
/*
 * At most MAX projects with sums of NOW_MS's month, in the order of their
 * ids, after id AFTER ("": from the first).
 */
int wl_db_rollup_active(struct wl_arena *a, int64_t now_ms, const char *after,
    int max, const char ***projects, int *n, struct wl_err *e)
    __attribute__((warn_unused_result));

#endif
