/*
 * What watchllm-consumer asks of PostgreSQL, as role drain.  The order of the
 * steps of a transaction is told in sql/README.md.
 */
#ifndef WL_STORE_DB_DRAIN_H
#define WL_STORE_DB_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wl_arena;
struct wl_buf;
struct wl_counter_fixup;
struct wl_err;
struct wl_pg;

/*
 * The columns of pg_temp.stage that a record fills, in the order of the COPY,
 * after n, kind and process.  NULL-ended.
 */
enum wl_db_drain_form { WL_DF_TEXT, WL_DF_ARRAY, WL_DF_JSON };
struct wl_db_drain_column {
	const char		*name;
	enum wl_db_drain_form	 form;
};
extern const struct wl_db_drain_column wl_db_drain_columns[];

/*
 * Append P to B as an element of a text[] in its text form, with quotes.
 */
void wl_db_drain_element(struct wl_buf *b, const char *p, size_t len);

/*
 * Whether SQLSTATE says that a record is at fault, not the database.
 */
bool wl_db_drain_refused(const char *sqlstate);

/*
 * How far each of N SEGMENTS of HOST is drained, into MARKS; without a mark
 * it is 0.  Returns 0, or -1 with *E.
 */
struct wl_db_drain_mark {
	int64_t	drained;		/* bytes */
	bool	closed;			/* to its end: to be unlinked */
};
int wl_db_drain_marks(struct wl_arena *a, const char *host,
    const char *const *segments, int n, struct wl_db_drain_mark *marks,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * A transaction on *C: begin, any of the steps, then end.  A step returns 0,
 * or -1 with *E.  wl_db_drain_end() with COMMIT false rolls back; either way
 * *C is given back, and SQLSTATE, of 6 bytes, tells of the last failure.
 */
struct wl_pg *wl_db_drain_begin(struct wl_err *e)
    __attribute__((warn_unused_result));
int wl_db_drain_end(struct wl_pg *c, bool commit, char *sqlstate,
    struct wl_err *e) __attribute__((warn_unused_result));

/* Copy ROWS, in the text form of COPY, into pg_temp.stage. */
int wl_db_drain_copy(struct wl_pg *c, const char *rows, size_t len,
    struct wl_err *e) __attribute__((warn_unused_result));

/* Turn them into ledger, events and sums. */
struct wl_db_drain_counts {
	int64_t	begun, ended, stored, duplicates, expired, fixups;
};
int wl_db_drain_run(struct wl_pg *c, struct wl_arena *a, const char *host,
    struct wl_db_drain_counts *n, struct wl_err *e)
    __attribute__((warn_unused_result));

/* Move marks; fails with 40001 when one does not stand at FROM. */
struct wl_db_drain_move {
	const char	*segment;
	int64_t		 from, to;
	bool		 closed;
};
int wl_db_drain_move(struct wl_pg *c, const char *host,
    const struct wl_db_drain_move *moves, int n, struct wl_err *e)
    __attribute__((warn_unused_result));

/* Put a record among the dead letters; PROJECT and SOURCE may be NULL. */
struct wl_db_drain_letter {
	const char	*segment;
	int64_t		 offset;
	char		 kind;		/* '?': not readable */
	const char	*project, *source;
	const void	*record;
	size_t		 len;
	const char	*sqlstate, *reason;
};
int wl_db_drain_bury(struct wl_pg *c, const char *host,
    const struct wl_db_drain_letter *l, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Which of N PROCESSES have calls without an end, into OPEN, also of a time
 * when their host had another name.  Returns 0, or -1 with *E.
 */
int wl_db_drain_open_calls(struct wl_arena *a, const char *const *processes,
    int n, bool *open, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Processes of HOST that have calls without an end, the youngest of them older
 * than AGE_MS: *N names in the arena.  Returns 0, or -1 with *E.
 */
int wl_db_drain_orphans(struct wl_arena *a, const char *host, int64_t age_ms,
    const char ***processes, int *n, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Turn at most MAX open calls of PROCESS, which is dead and drained, into lost
 * ones, in a transaction of its own.  Returns how many, or -1 with *E and
 * SQLSTATE.
 */
int64_t wl_db_drain_lost(struct wl_arena *a, const char *host,
    const char *process, int max, char sqlstate[6], struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * The first open call of PROCESS cannot become an event: it is lost without
 * one, and what is known of it becomes a dead letter.  Returns 0, or -1.
 */
int wl_db_drain_lost_bury(const char *host, const char *process,
    const char *sqlstate, const char *reason, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * What HOST has still to add to counters in Redis, oldest first, at most
 * 1000: *N rows in the arena.  And forget the rows IDS[0..N-1].
 * Both return 0, or -1 with *E.
 */
int wl_db_drain_fixups(struct wl_arena *a, const char *host,
    struct wl_counter_fixup **rows, int *n, struct wl_err *e)
    __attribute__((warn_unused_result));
int wl_db_drain_fixed(const int64_t *ids, int n, struct wl_err *e)
    __attribute__((warn_unused_result));

#endif
