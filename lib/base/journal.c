/*
 * Writing the journal.  The write stays on the loop (microseconds); fsync, of
 * files and of the directory, is done by one job at a time on a helper thread
 * and shared by all who wait for it.
 */
#include "config.h"
#include "lib/base/journal.h"
#include "lib/base/co.h"
#include "lib/base/err.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/rand.h"
#include "lib/base/wait.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define COUNT_EVERY_MS	1000
#define REFUSED_MS	1000	/* how long a refusal is remembered */
#define RETRY_AFTER	5	/* seconds, told to clients */
#define USUAL_BEGIN	4096
#define SLACK		(256 * 1024)	/* blocks reserved at a time */
#define KEEP_BUFFER	((size_t)256 * 1024)
#define WAIT_MS		60000
#define NO_RESERVING	INT64_MAX

struct segment {
	struct segment	*next;
	int		 fd;
	uint64_t	 seq;
	int64_t		 end;		/* bytes of whole records */
	int64_t		 synced;	/* of these on the disk */
	int64_t		 room;		/* blocks are reserved up to here */
};

/*
 * One who waits for the disk; lives on its coroutine's stack.
 */
struct waiter {
	struct waiter	*next;
	struct wl_co	*co;
	uint64_t	 ticket;
	bool		 done, failed;
};

struct wl_journal {
	char			*dir;
	int			 dirfd;
	bool			 dir_dirty;
	char			 process[64];
	int64_t			 max, segment_max, interval;
	enum wl_spool_sync	 sync;

	struct segment		*cur;		/* NULL: begin one */
	struct segment		*retired;	/* to be synced and closed */
	uint64_t		 seq;		/* of the last one begun */

	int64_t			 total;		/* bytes in the directory */
	int64_t			 counted_at;
	int64_t			 open_calls;	/* BEGINs without END */
	int64_t			 refused_at;	/* 0: the disk is well */
	bool			 full;		/* and the log knows */

	uint64_t		 ticket;	/* of the last record */
	bool			 syncing;
	int64_t			 synced_at;
	struct waiter		*waiters;

	char			*buf;
	size_t			 cap;
};

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/*
 * The disk refuses: tell the client nothing of it, and the log all.
 */
static int
refuse(struct wl_journal *j, struct wl_err *e, const char *what, int error)
{
	if (j->refused_at == 0)
		wl_log(WL_ERROR, "journal.refused", "%s: %s", what,
		    strerror(error));
	j->refused_at = now_ms();
	wl_err_set(e, WL_E_UNAVAILABLE,
	    "Calls cannot be recorded at the moment. Try again.");
	e->retry_after = RETRY_AFTER;
	return wl_err_detail(e, "journal: %s: %s", what, strerror(error));
}

static void
segment_name(const struct wl_journal *j, uint64_t seq, const char *suffix,
    char out[96])
{
	snprintf(out, 96, "%s.%010llu.%s", j->process,
	    (unsigned long long)seq, suffix);
}

/*
 * Begin a segment.  It gets its name only when it is locked: a reader that
 * found it unlocked would take its writer for dead, and remove it.
 */
static int
segment_begin(struct wl_journal *j)
{
	char tmp[96], name[96];
	struct segment *s;
	int saved;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return -1;
	s->seq = j->seq + 1;
	segment_name(j, s->seq, "new", tmp);
	segment_name(j, s->seq, "wlj", name);
	s->fd = openat(j->dirfd, tmp,
	    O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (s->fd == -1) {
		free(s);
		return -1;
	}
	if (flock(s->fd, LOCK_EX | LOCK_NB) == -1 ||
	    renameat(j->dirfd, tmp, j->dirfd, name) == -1) {
		saved = errno;
		unlinkat(j->dirfd, tmp, 0);
		close(s->fd);
		free(s);
		errno = saved;
		return -1;
	}
	j->seq = s->seq;
	j->cur = s;
	j->dir_dirty = true;
	return 0;
}

/*
 * Nothing more goes to the current segment.  It is closed by the job that
 * syncs it: another job may be using its descriptor at this moment.
 */
static void
segment_retire(struct wl_journal *j)
{
	struct segment *s = j->cur;

	if (s == NULL)
		return;
	if (s->room > s->end && s->room != NO_RESERVING &&
	    ftruncate(s->fd, s->end) == -1)
		s->room = s->end;	/* then the blocks go with the file */
	s->next = j->retired;
	j->retired = s;
	j->cur = NULL;
}

static void
segment_close(struct segment *s)
{
	close(s->fd);
	free(s);
}

/*
 * "pid-starttime-random": a process id alone comes again.
 */
static void
name_process(struct wl_journal *j)
{
	char stat[1024] = "", tag[9], *p = NULL, *end;
	unsigned long long start = 0;
	ssize_t n;
	int fd, i;

	if ((fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC)) != -1) {
		if ((n = read(fd, stat, sizeof(stat) - 1)) > 0)
			stat[n] = '\0';
		close(fd);
	}
	/* field 22; the name in field 2 may hold spaces and parentheses */
	p = strrchr(stat, ')');
	for (i = 2; p != NULL && i < 22; i++)
		p = strchr(p + 1, ' ');
	if (p != NULL)
		start = strtoull(p, &end, 10);
	wl_rand_base62(tag, 8);
	snprintf(j->process, sizeof(j->process), "%ld-%llu-%s", (long)getpid(),
	    start, tag);
}

static int
add_size(const char *name, const char *process, uint64_t seq, int64_t size,
    void *arg)
{
	(void)name;
	(void)process;
	(void)seq;
	*(int64_t *)arg += size;
	return 0;
}

static void
count(struct wl_journal *j)
{
	int64_t now = now_ms(), total = 0;

	if (j->counted_at != 0 && now - j->counted_at < COUNT_EVERY_MS)
		return;
	if (wl_journal_scan(j->dir, add_size, &total) == 0)
		j->total = total;
	j->counted_at = now;
}

struct wl_journal *
wl_journal_open(const char *dir, int64_t max, int64_t segment,
    enum wl_spool_sync sync, int64_t interval_ms, struct wl_err *e)
{
	struct wl_journal *j;

	if ((j = calloc(1, sizeof(*j))) == NULL ||
	    (j->dir = strdup(dir)) == NULL) {
		free(j);
		wl_err_set(e, WL_E_INTERNAL, "out of memory");
		return NULL;
	}
	j->max = max;
	j->segment_max = segment;
	j->sync = sync;
	j->interval = interval_ms;
	name_process(j);
	j->dirfd = -1;
	if ((mkdir(dir, 0700) == -1 && errno != EEXIST) ||
	    (j->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 ||
	    segment_begin(j) == -1) {
		wl_err_set(e, WL_E_UNAVAILABLE, "spool_dir %s: %s", dir,
		    strerror(errno));
		if (j->dirfd != -1)
			close(j->dirfd);
		free(j->dir);
		free(j);
		return NULL;
	}
	return j;
}

const char *
wl_journal_process(const struct wl_journal *j)
{
	return j->process;
}

/*
 * What ENDs may still need: as much as is fair, but never more than half of
 * the spool, or a small spool could admit nobody.
 */
static int64_t
kept_back(const struct wl_journal *j, int64_t calls)
{
	int64_t room = calls * WL_JOURNAL_END_ROOM;

	return room < j->max / 2 ? room : j->max / 2;
}

static bool
has_room(struct wl_journal *j, enum wl_journal_kind kind, int64_t size)
{
	int64_t limit = j->max;

	count(j);
	if (kind != WL_J_END)
		limit -= j->max / WL_JOURNAL_SHARED_ROOM +
		    kept_back(j, j->open_calls + (kind == WL_J_BEGIN));
	return j->total + size <= limit;
}

static int
refuse_room(struct wl_journal *j, struct wl_err *e)
{
	if (!j->full)
		wl_log(WL_ERROR, "journal.full",
		    "%lld bytes of spool_max %lld are used", (long long)j->total,
		    (long long)j->max);
	j->full = true;
	wl_err_set(e, WL_E_UNAVAILABLE,
	    "There is no room to record calls at the moment. Try again.");
	e->retry_after = RETRY_AFTER;
	return wl_err_detail(e, "journal: %lld bytes of spool_max %lld",
	    (long long)j->total, (long long)j->max);
}

/*
 * A record was written: tell the log, once, that the journal is well again.
 * An END proves nothing about room.
 */
static void
recovered(struct wl_journal *j, enum wl_journal_kind kind)
{
	bool room = j->full && kind != WL_J_END;

	if (room || j->refused_at != 0)
		wl_log(WL_INFO, "journal.recovered", "records are written again");
	j->refused_at = 0;
	if (room)
		j->full = false;
}

/*
 * Reserve blocks for SIZE bytes and for the ENDs to come, so that a call that
 * was admitted can be recorded on a full disk.
 */
static int
reserve_blocks(struct wl_journal *j, enum wl_journal_kind kind, int64_t size)
{
	struct segment *s = j->cur;
	int64_t need = s->end + size +
	    kept_back(j, j->open_calls + (kind == WL_J_BEGIN));
	int64_t upto = need + SLACK;

	if (need <= s->room)
		return 0;
	while (fallocate(s->fd, FALLOC_FL_KEEP_SIZE, s->end, upto - s->end) ==
	    -1) {
		if (errno == EINTR)
			continue;
		if (errno != ENOSPC && errno != EDQUOT && errno != EIO) {
			s->room = NO_RESERVING;
			return 0;
		}
		if (upto == need)
			return -1;
		upto = need;
	}
	s->room = upto;
	return 0;
}

static void
put32(char *p, uint32_t v)
{
	p[0] = (char)v;
	p[1] = (char)(v >> 8);
	p[2] = (char)(v >> 16);
	p[3] = (char)(v >> 24);
}

/*
 * Build the record in the journal's buffer.
 */
static int
frame(struct wl_journal *j, enum wl_journal_kind kind, const void *p,
    size_t len)
{
	size_t size = WL_JOURNAL_HEADER + len;
	uint32_t crc;
	char *b;

	if (j->cap < size || (j->cap > KEEP_BUFFER && size <= KEEP_BUFFER)) {
		size_t cap = size < KEEP_BUFFER ? KEEP_BUFFER : size;

		if ((b = realloc(j->buf, cap)) == NULL)
			return -1;
		j->buf = b;
		j->cap = cap;
	}
	b = j->buf;
	b[0] = 'W';
	b[1] = 'L';
	b[2] = (char)kind;
	b[3] = 0;
	put32(b + 4, (uint32_t)len);
	crc = wl_crc32c(0, b + 2, 1);
	crc = wl_crc32c(crc, b + 4, 4);
	crc = wl_crc32c(crc, p, len);
	put32(b + 8, crc);
	if (len > 0)
		memcpy(b + WL_JOURNAL_HEADER, p, len);
	return 0;
}

/*
 * Write the SIZE bytes of the buffer, all or nothing.
 */
static int
write_record(struct wl_journal *j, size_t size)
{
	struct segment *s = j->cur;
	ssize_t n;
	int saved;

	do
		n = write(s->fd, j->buf, size);
	while (n == -1 && errno == EINTR);
	if (n == (ssize_t)size) {
		s->end += n;
		j->total += n;
		return 0;
	}
	saved = n == -1 ? errno : ENOSPC;
	if (n > 0) {
		/* what cannot be cut off stays as a torn tail, and ends it */
		if (ftruncate(s->fd, s->end) == -1)
			segment_retire(j);
		else if (s->room != NO_RESERVING)
			s->room = s->end;
	}
	errno = saved;
	return -1;
}

/*
 * What one round of fsync has to do.  The helper thread reads nothing that
 * the loop changes meanwhile: retired segments are handed over.
 */
struct job {
	struct segment	*retired;
	int		 cur_fd;	/* -1: clean */
	int		 dirfd;		/* -1: clean */
	int		 error;		/* errno of the first failure */
};

static void
sync_files(void *arg)
{
	struct job *job = arg;
	struct segment *s;

	for (s = job->retired; s != NULL; s = s->next)
		if (s->synced < s->end && fdatasync(s->fd) == -1 &&
		    job->error == 0)
			job->error = errno;
	if (job->cur_fd != -1 && fdatasync(job->cur_fd) == -1 &&
	    job->error == 0)
		job->error = errno;
	if (job->dirfd != -1 && fsync(job->dirfd) == -1 && job->error == 0)
		job->error = errno;
}

/*
 * Tell those whose record has reached the disk, up to TICKET, or, when the
 * disk refused, all.  The others are woken too: one of them leads the next
 * round.
 */
static void
resolve(struct wl_journal *j, uint64_t ticket, bool failed)
{
	struct waiter *w, **link = &j->waiters;

	while ((w = *link) != NULL) {
		if (failed || w->ticket <= ticket) {
			w->done = true;
			w->failed = failed;
			*link = w->next;
		} else
			link = &w->next;
		if (w->co != NULL)
			wl_wake(w->co);
	}
}

/*
 * After a failed fsync nobody knows what is on the disk.  Under ALWAYS all
 * that was not acknowledged is taken back; either way a new file is begun.
 */
static void
give_up(struct wl_journal *j, struct segment *handed, int error)
{
	struct segment *s;

	if (j->refused_at == 0)
		wl_log(WL_ERROR, "journal.sync", "fsync: %s", strerror(error));
	j->refused_at = now_ms();
	segment_retire(j);
	if (j->sync != WL_SYNC_ALWAYS)
		return;
	for (s = handed; s != NULL; s = s->next)
		if (ftruncate(s->fd, s->synced) == 0)
			s->end = s->synced;
	for (s = j->retired; s != NULL; s = s->next)
		if (ftruncate(s->fd, s->synced) == 0)
			s->end = s->synced;
}

static void
sync_round(struct wl_journal *j)
{
	struct segment *cur = j->cur, *s;
	int64_t end = cur == NULL ? 0 : cur->end;
	uint64_t ticket = j->ticket;
	struct job job = { j->retired, -1, -1, 0 };

	if (cur != NULL && cur->synced < end)
		job.cur_fd = cur->fd;
	if (j->dir_dirty)
		job.dirfd = j->dirfd;
	j->retired = NULL;
	j->dir_dirty = false;
	j->syncing = true;
	j->synced_at = now_ms();
	if (wl_co_self() == NULL || wl_offload(sync_files, &job) == -1)
		sync_files(&job);
	j->syncing = false;
	if (job.error != 0) {
		j->dir_dirty = true;
		give_up(j, job.retired, job.error);
	} else if (cur != NULL)
		cur->synced = end;	/* it may have been retired meanwhile */
	while ((s = job.retired) != NULL) {
		job.retired = s->next;
		segment_close(s);
	}
	resolve(j, ticket, job.error != 0);
}

static void
nap(void *arg)
{
	struct timespec ts = { 0, 1000000 };

	(void)arg;
	nanosleep(&ts, NULL);
}

/*
 * Until the next round ends.  In a cancelled coroutine wl_wait() does not
 * wait, but its record must reach the disk all the same.
 */
static void
await(struct waiter *w)
{
	w->co = wl_co_self();
	if (wl_wait(-1, WL_WOKEN, wl_mono_fresh() + WAIT_MS) == -1 &&
	    wl_offload(nap, NULL) == -1)
		wl_co_yield();
	w->co = NULL;
}

/*
 * Wait until the last record is on the disk.
 */
static int
commit(struct wl_journal *j)
{
	struct waiter w = { .next = j->waiters, .ticket = j->ticket };

	if (j->syncing && wl_co_self() == NULL)
		return fdatasync(j->cur->fd) == -1 || fsync(j->dirfd) == -1 ?
		    -1 : 0;
	j->waiters = &w;
	while (!w.done) {
		if (j->syncing)
			await(&w);
		else
			sync_round(j);
	}
	errno = EIO;
	return w.failed ? -1 : 0;
}

/*
 * A segment to write SIZE bytes to.  When no new one can be begun, the old
 * one is used on: better too long a file than no record.
 */
static int
segment_for(struct wl_journal *j, int64_t size)
{
	struct segment *old = j->cur;

	if (old != NULL && (old->end == 0 ||
	    old->end + size <= j->segment_max))
		return 0;
	if (segment_begin(j) == -1) {
		j->cur = old;
		return old == NULL ? -1 : 0;
	}
	if (old != NULL) {
		struct segment *fresh = j->cur;

		j->cur = old;
		segment_retire(j);
		j->cur = fresh;
	}
	return 0;
}

int
wl_journal_append(struct wl_journal *j, enum wl_journal_kind kind,
    const void *p, size_t len, struct wl_err *e)
{
	int64_t size = WL_JOURNAL_HEADER + (int64_t)len;

	if (len > WL_JOURNAL_RECORD_MAX)
		return wl_err_set(e, WL_E_REQUEST_TOO_LARGE, NULL);
	if (!has_room(j, kind, size))
		return refuse_room(j, e);
	if (segment_for(j, size) == -1)
		return refuse(j, e, "new segment", errno);
	if (reserve_blocks(j, kind, size) == -1 && kind != WL_J_END)
		return refuse(j, e, "fallocate", errno);
	if (frame(j, kind, p, len) == -1)
		return refuse(j, e, "buffer", errno);
	if (write_record(j, (size_t)size) == -1)
		return refuse(j, e, "write", errno);
	j->ticket++;
	if (kind == WL_J_BEGIN)
		j->open_calls++;
	else if (kind == WL_J_END && j->open_calls > 0)
		j->open_calls--;
	if (j->sync == WL_SYNC_ALWAYS && commit(j) == -1) {
		j->open_calls -= kind == WL_J_BEGIN;
		return refuse(j, e, "fsync", errno);
	}
	recovered(j, kind);
	return 0;
}

bool
wl_journal_full(struct wl_journal *j)
{
	if (j->refused_at != 0 && now_ms() - j->refused_at < REFUSED_MS)
		return true;
	return !has_room(j, WL_J_BEGIN, USUAL_BEGIN);
}

void
wl_journal_tick(struct wl_journal *j)
{
	bool dirty = j->retired != NULL || j->dir_dirty ||
	    (j->cur != NULL && j->cur->synced < j->cur->end);

	if (dirty && !j->syncing &&
	    now_ms() - j->synced_at >= j->interval / 2)
		sync_round(j);
}

void
wl_journal_close(struct wl_journal *j)
{
	char name[96];
	bool empty;

	if (j == NULL)
		return;
	empty = j->cur != NULL && j->cur->end == 0;
	if (empty) {
		segment_name(j, j->cur->seq, "wlj", name);
		unlinkat(j->dirfd, name, 0);
	}
	segment_retire(j);
	sync_round(j);
	while (j->retired != NULL) {
		struct segment *s = j->retired;

		j->retired = s->next;
		segment_close(s);
	}
	close(j->dirfd);
	free(j->dir);
	free(j->buf);
	free(j);
}
