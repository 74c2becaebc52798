/*
 * The journal: files of framed, checksummed records in the spool directory,
 * written by one process each, read by the consumer.
 *
 * A segment is named "PROCESS.SEQ.wlj"; PROCESS is "pid-starttime-random",
 * SEQ, of ten digits, counts from 1.  It is locked before it has that name.
 * The writer holds flock(LOCK_EX) on its open segment: a
 * segment that can be locked has no writer any more.  A record is
 *	magic 'W' 'L', kind, 0; length (4 bytes LE); crc32c (4 bytes LE, over
 *	kind, length and payload); payload
 * and is written with one write() on O_APPEND.
 */
#ifndef WL_BASE_JOURNAL_H
#define WL_BASE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct wl_err;
struct wl_journal;

#define WL_JOURNAL_HEADER	12
#define WL_JOURNAL_RECORD_MAX	(8 * 1024 * 1024)

/*
 * Room kept back for the END of each BEGIN without one, and the part of MAX
 * that is kept back for the ENDs of other processes.
 */
#define WL_JOURNAL_END_ROOM	(64 * 1024)
#define WL_JOURNAL_SHARED_ROOM	16		/* one sixteenth */

enum wl_journal_kind {
	WL_J_BEGIN = 'B',	/* a gateway call was admitted */
	WL_J_END = 'E',		/* it is over: its event */
	WL_J_EVENT = 'I'	/* an ingested event */
};

enum wl_spool_sync { WL_SYNC_INTERVAL, WL_SYNC_ALWAYS };

/*
 * Open this process's journal in DIR, made if missing with mode 0700.
 * MAX is the most bytes that all segments in DIR may hold together,
 * SEGMENT the size at which a new one is begun, INTERVAL_MS how often a dirty
 * segment is fsynced under WL_SYNC_INTERVAL.  NULL with *E set on failure.
 * A process that forks must not do so with an open journal, and one that
 * lives under RLIMIT_FSIZE must ignore SIGXFSZ.
 */
struct wl_journal *wl_journal_open(const char *dir, int64_t max,
    int64_t segment, enum wl_spool_sync sync, int64_t interval_ms,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * Close: what was written is fsynced, locks are released, a segment without
 * a record is removed.  No other call on J may be going on.
 */
void wl_journal_close(struct wl_journal *j);

/*
 * The PROCESS part of the names of this journal's segments.
 */
const char *wl_journal_process(const struct wl_journal *j);

/*
 * Append one record.  When this returns 0 the record survives kill -9 of
 * anything, under WL_SYNC_ALWAYS also the loss of power (the caller waits for
 * the fsync, which is done on a helper thread and shared with others; outside
 * a coroutine it is done here).
 * -1 with *E WL_E_UNAVAILABLE: no room (MAX, less what is kept back) or a disk
 * that refuses; nothing of the record is then left behind.
 * WL_E_REQUEST_TOO_LARGE: longer than WL_JOURNAL_RECORD_MAX.
 * BEGIN and EVENT leave room for the ENDs that are still to come, within MAX
 * and, where the file system can reserve blocks, on the disk.  What other
 * processes write is known once a second, so that much MAX may be passed.
 */
int wl_journal_append(struct wl_journal *j, enum wl_journal_kind kind,
    const void *p, size_t len, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Whether a BEGIN of a usual size would be refused now: no room, or a disk
 * that refused within the last second.  No I/O but counting the directory,
 * at most once a second.
 */
bool wl_journal_full(struct wl_journal *j);

/*
 * fsync what is dirty and older than the interval.  The worker calls it from
 * a coroutine of its own every INTERVAL_MS, under either policy.
 */
void wl_journal_tick(struct wl_journal *j);

/*
 * Reading a segment from OFFSET.  wl_journal_next() returns 1 with the record
 * (valid until the next call), 0 at the end of the valid part, or -1 on a
 * read error (errno).  After 0, wl_journal_offset() is where the valid part
 * ends and wl_journal_torn() tells whether bytes follow that are no record
 * (bad magic, length or checksum, or a short tail).  A living writer may be
 * in the middle of a record: only when wl_journal_alive() was false before
 * the reading began is a torn tail final.  After 0, wl_journal_next() may be
 * called again later, and goes on where it stopped.
 */
struct wl_journal_reader;
struct wl_journal_reader *wl_journal_reader_open(const char *path,
    int64_t offset) __attribute__((warn_unused_result));
int wl_journal_next(struct wl_journal_reader *r, enum wl_journal_kind *kind,
    const char **p, size_t *len) __attribute__((warn_unused_result));
int64_t wl_journal_offset(const struct wl_journal_reader *r);
bool wl_journal_torn(const struct wl_journal_reader *r);
void wl_journal_reader_close(struct wl_journal_reader *r);

/*
 * Whether the segment at PATH still has a living writer.  True also when that
 * cannot be found out.
 */
bool wl_journal_alive(const char *path);

/*
 * Segments in DIR, oldest first by number within a process.  FN returns
 * non-zero to stop; that value, 0, or -1 with errno is returned.  At most
 * 100,000 segments are told of in one call.
 */
int wl_journal_scan(const char *dir, int (*fn)(const char *name,
    const char *process, uint64_t seq, int64_t size, void *arg), void *arg);

#endif
