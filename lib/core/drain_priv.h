/*
 * What the parts of the drain share: drain.c (a pass), drain_batch.c (records
 * into the database), drain_spool.c (files) and drain_lost.c (calls of dead
 * processes).  Nobody else includes it.
 */
#ifndef WL_CORE_DRAIN_PRIV_H
#define WL_CORE_DRAIN_PRIV_H

#include "lib/core/drain.h"

#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/store/db_drain.h"

struct wl_arena;

/*
 * A segment as the pass found it.
 */
struct wl_drain_seg {
	const char	*name, *process;
	int64_t		 size;		/* when the folder was read */
	bool		 alive;		/* had a writer after that */
	int64_t		 drained;	/* by its mark */
	bool		 closed;	/* by its mark */
	bool		 was_closed;	/* when the pass began */
	bool		 ended;		/* END is where its records end */
	bool		 torn;		/* and other bytes follow */
	int64_t		 end;
};

struct wl_drain_list {
	struct wl_arena		*arena;		/* of names */
	struct wl_drain_seg	*v;
	int			 n, cap;
};

/*
 * A record of the batch; its line is ROW..ROW + LEN of the batch's rows, or
 * WHY it has none.
 */
struct wl_drain_rec {
	struct wl_drain_seg	*seg;
	int64_t			 begin, end;	/* in the segment */
	size_t			 row, len;
	const char		*why;		/* NULL: it has a line */
	char			 kind;
};

struct wl_drain {
	const struct wl_conf	*conf;
	char			*dir, *quarantine;
	int			 lock_fd;
	bool			 stop;
	struct wl_drain_stat	 stat;

	struct wl_drain_list	 list, before;	/* segments, now and last */
	bool			 settled;	/* nothing was to do then */
	bool			 again;		/* see wl_drain_pass() */
	bool			 ending;	/* a process is, see drain_lost.c */
	int64_t			 full_at;	/* last full look, mono ms */
	int64_t			 swept_at;	/* of .new, orphans, mono ms */
	int64_t			 told_at;	/* of trouble, mono ms */

	struct wl_arena		*arena;		/* of a chunk of segments */
	struct wl_arena		*scratch;	/* of one transaction */
	struct wl_buf		 rows, row;
	struct wl_drain_rec	*rec;
	int			 nrec, cap;
	int			 most;		/* records of a transaction */
};

/*
 * For tests: die here when WATCHLLM_CRASH_AT names PLACE.
 */
void wl_drain_crash(const char *place);

/*
 * Something about SEG does not let it be drained: say so, once in a while.
 */
void wl_drain_trouble(struct wl_drain *d, const struct wl_drain_seg *seg,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * What the database said last, as a text that it takes.
 */
#define WL_DRAIN_REASON	384
void wl_drain_reason(const struct wl_err *e, char reason[WL_DRAIN_REASON]);

/* ---- drain_batch.c ----------------------------------------------------- */

/*
 * Add a record to the batch.  Returns 0, or -1 with *E: memory.
 */
int wl_drain_batch_add(struct wl_drain *d, struct wl_drain_seg *seg,
    char kind, const char *p, size_t len, int64_t end, struct wl_err *e)
    __attribute__((warn_unused_result));
bool wl_drain_batch_full(const struct wl_drain *d);

/*
 * Bring the batch into the database, and empty it.  Records that it refuses
 * become dead letters.  Returns 0, or -1 with *E: try again later.
 */
int wl_drain_batch_run(struct wl_drain *d, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Close the segments of SEG[0..N-1] that are drained to their end, and
 * quarantine what follows.  Returns 0 or -1.
 */
int wl_drain_batch_close(struct wl_drain *d, struct wl_drain_seg *seg, int n,
    struct wl_err *e) __attribute__((warn_unused_result));

/* ---- drain_lost.c ------------------------------------------------------ */

/*
 * Unlink what is closed of SEG[0..N-1], whole processes; of those that have
 * died, after their open calls have become lost ones.  Returns 0 or -1.
 */
int wl_drain_finish(struct wl_drain *d, struct wl_drain_seg *seg, int n,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * Lost calls of processes that left no segment behind.  Returns 0 or -1.
 */
int wl_drain_orphans(struct wl_drain *d, struct wl_err *e)
    __attribute__((warn_unused_result));

/* ---- drain_spool.c ----------------------------------------------------- */

/*
 * Read the folder into D->list, by process and number, and find out who still
 * writes.  Returns 0, or -1 with *E.
 */
int wl_drain_spool_list(struct wl_drain *d, struct wl_err *e)
    __attribute__((warn_unused_result));

/* The path of NAME in the spool; NULL when memory is out. */
const char *wl_drain_spool_path(struct wl_drain *d, const char *name);

/* Whether the process of that name runs on this machine. */
bool wl_drain_spool_runs(const char *process);

void wl_drain_spool_unlink(struct wl_drain *d,
    const struct wl_drain_seg *seg);

/* Remove empty segments that never got their name. */
void wl_drain_spool_sweep(struct wl_drain *d);

/*
 * Copy what follows SEG->end to the quarantine, forced to the disk; *SIZE is
 * how much that is, HEAD[0..*GOT-1] its beginning.  Returns 0, or -1 when it
 * could not be kept.
 */
#define WL_DRAIN_HEAD	65536
int wl_drain_spool_quarantine(struct wl_drain *d,
    const struct wl_drain_seg *seg, char head[WL_DRAIN_HEAD], size_t *got,
    int64_t *size) __attribute__((warn_unused_result));

#endif
