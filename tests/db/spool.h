/*
 * A spool for tests of the drain: segments made record by record, passes over
 * them, and what the database has afterwards.
 */
#ifndef WL_TESTS_DB_SPOOL_H
#define WL_TESTS_DB_SPOOL_H

#include "lib/base/buf.h"
#include "lib/core/drain.h"
#include "tests/db/stores.h"

/*
 * A process that has never been: its segments are "SPOOL_DEAD NAME.SEQ.wlj".
 */
#define SPOOL_DEAD	"999999999-1-"

/*
 * Of the test that runs.
 */
extern struct spool {
	struct wl_conf		 conf;
	struct stores_project	 p;
	struct wl_drain		*d;	/* spool_open(), wl_drain_close() */
	struct wl_buf		 f;	/* the segment that is being made */
	struct wl_err		 e;
} spool;

/*
 * Run FN in a loop, with a host, an empty spool and a project of its own.
 */
void spool_run(void (*fn)(void));

/*
 * Append to the segment: any bytes as a record of KIND; a record of the call
 * or event EVENT of AGO ms ago, where MORE, members with a comma before each,
 * wins over the usual ones; the same of now.
 */
void spool_put_bytes(char kind, const char *json, size_t len);
void spool_put_at(char kind, const char *event, int64_t ago,
    const char *more);
void spool_put(char kind, const char *event);

/*
 * The segment becomes the file NAME of the spool, and a new one is begun.
 */
void spool_save(const char *name);

/*
 * A new identity; the path of NAME in the spool.  Valid for seven more calls.
 */
const char *spool_id(void);
const char *spool_path(const char *name);

void spool_write(const char *path, const char *bytes, size_t len);
int spool_segments(void);

/*
 * A drain that holds the lock; pass after pass until there is no more to do;
 * both, and its end.
 */
void spool_open(void);
void spool_drain(void);
void spool_drain_once(void);

/*
 * The number that SQL gives; WHAT, an aggregate, of the rows of TABLE that
 * the project has; how many dead letters the host has with an SQLSTATE LIKE.
 */
int64_t spool_number(const char *sql);
int64_t spool_count(const char *what, const char *table);
int64_t spool_letters(const char *sqlstate);
extern const char spool_open_calls[];	/* WHAT for the ledger */

/*
 * All sums of the project tell of N events (calls, none of them open) that
 * cost 1000 nano-dollars each.
 */
void spool_sums_are(int64_t n);
void spool_calls_are(int64_t n);

#endif
