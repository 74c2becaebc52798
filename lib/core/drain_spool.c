/*
 * The spool as the drain sees it: segments and their writers, the lock, what
 * is set aside.
 */
#include "config.h"
#include "lib/core/drain_priv.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/journal.h"
#include "lib/base/log.h"

#define LOCK_NAME	"consumer.lock"
/* A segment has its name microseconds after it was made. */
#define NEW_AGE_S	60
/* Of spool_max, what the quarantine may hold besides. */
#define QUARANTINE_PART	4
#define COPY_SIZE	((size_t)1024 * 1024)

/* ---- the lock ---------------------------------------------------------- */

int
wl_drain_lock(struct wl_drain *d, struct wl_err *e)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	const char *path = wl_drain_spool_path(d, LOCK_NAME);

	if (d->lock_fd == -1 && path != NULL)
		d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (d->lock_fd == -1)
		return wl_err_set(e, WL_E_UNAVAILABLE, "%s/%s: %s", d->dir,
		    LOCK_NAME, strerror(errno));
	if (fcntl(d->lock_fd, F_OFD_SETLK, &whole) == 0)
		return 1;
	if (errno == EAGAIN || errno == EACCES)
		return 0;
	return wl_err_set(e, WL_E_UNAVAILABLE, "%s/%s: %s", d->dir, LOCK_NAME,
	    strerror(errno));
}

bool
wl_drain_held(const struct wl_conf *conf)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[PATH_MAX];
	bool held;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", conf->spool_dir,
	    LOCK_NAME) >= (int)sizeof(path) ||
	    (fd = open(path, O_RDWR | O_CLOEXEC)) == -1)
		return false;
	held = fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
	close(fd);
	return held;
}

/* ---- segments ---------------------------------------------------------- */

const char *
wl_drain_spool_path(struct wl_drain *d, const char *name)
{
	return wl_arena_printf(d->arena, "%s/%s", d->dir, name);
}

/*
 * Names go to the database: only those that a journal gives.
 */
static bool
is_plain(const char *name)
{
	return name[strspn(name, "0123456789abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-_")] == '\0';
}

static int
add_segment(const char *name, const char *process, uint64_t seq, int64_t size,
    void *arg)
{
	struct wl_drain_list *l = arg;
	struct wl_drain_seg *v, *s;

	(void)seq;
	if (!is_plain(name))
		return 0;
	if (l->n == l->cap) {
		int cap = l->cap == 0 ? 64 : l->cap * 2;

		v = realloc(l->v, (size_t)cap * sizeof(*v));
		if (v == NULL)
			return -1;
		l->v = v;
		l->cap = cap;
	}
	s = &l->v[l->n];
	memset(s, 0, sizeof(*s));
	s->size = size;
	s->name = wl_arena_strdup(l->arena, name);
	/* most have the process of the one before */
	if (l->n > 0 && strcmp(s[-1].process, process) == 0)
		s->process = s[-1].process;
	else
		s->process = wl_arena_strdup(l->arena, process);
	if (s->name == NULL || s->process == NULL)
		return -1;
	l->n++;
	return 0;
}

int
wl_drain_spool_list(struct wl_drain *d, struct wl_err *e)
{
	struct wl_drain_list l = d->before;
	const char *path;
	int i;

	d->before = d->list;
	wl_arena_reset(l.arena);
	l.n = 0;
	errno = ENOMEM;
	i = wl_journal_scan(d->dir, add_segment, &l);
	d->list = l;
	if (i == -1)
		return wl_err_set(e, WL_E_UNAVAILABLE, "%s: %s", d->dir,
		    strerror(errno));
	for (i = 0; i < d->list.n; i++) {
		wl_arena_reset(d->arena);
		path = wl_drain_spool_path(d, d->list.v[i].name);
		d->list.v[i].alive = path == NULL || wl_journal_alive(path);
	}
	return 0;
}

/*
 * "pid-starttime-random", see lib/base/journal.h: the start time tells a
 * process from a later one that has its number.
 */
bool
wl_drain_spool_runs(const char *process)
{
	char path[64], text[1024], *p, *end;
	unsigned long long start, now;
	unsigned long pid;
	ssize_t n;
	int fd, i;

	pid = strtoul(process, &end, 10);
	if (pid == 0 || *end != '-')
		return false;
	start = strtoull(end + 1, &end, 10);
	if (start == 0 || *end != '-')
		return false;
	snprintf(path, sizeof(path), "/proc/%lu/stat", pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	/* the name in field 2 may hold spaces and parentheses */
	p = strrchr(text, ')');
	/* field 3: a zombie, or what is about to be none any more */
	if (p != NULL && strlen(p) > 2 && strchr("ZXx", p[2]) != NULL)
		return false;
	/* field 22 */
	for (i = 2; p != NULL && i < 22; i++)
		p = strchr(p + 1, ' ');
	if (p == NULL)
		return false;
	now = strtoull(p, &end, 10);
	return now == start;
}

void
wl_drain_spool_unlink(struct wl_drain *d, const struct wl_drain_seg *seg)
{
	const char *path = wl_drain_spool_path(d, seg->name);

	wl_drain_crash("drain_before_unlink");
	if (path != NULL && unlink(path) == -1 && errno != ENOENT)
		wl_drain_trouble(d, seg, "cannot be unlinked: %s",
		    strerror(errno));
}

/*
 * The age comes first: to ask for the writer of a segment that is just being
 * made would disturb it.
 */
static bool
left_behind(int dirfd, const char *name, const char *path)
{
	size_t len = strlen(name);
	struct stat st;

	return len > 4 && strcmp(name + len - 4, ".new") == 0 &&
	    fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && st.st_size == 0 &&
	    st.st_mtime < time(NULL) - NEW_AGE_S && !wl_journal_alive(path);
}

void
wl_drain_spool_sweep(struct wl_drain *d)
{
	DIR *dp = opendir(d->dir);
	struct dirent *de;
	const char *path;

	while (dp != NULL && (de = readdir(dp)) != NULL) {
		path = wl_drain_spool_path(d, de->d_name);
		if (path != NULL && left_behind(dirfd(dp), de->d_name, path) &&
		    unlink(path) == 0)
			wl_log(WL_INFO, "drain.swept", "%s: never used",
			    de->d_name);
	}
	if (dp != NULL)
		closedir(dp);
}

/* ---- quarantine -------------------------------------------------------- */

static int64_t
folder_size(const char *dir)
{
	DIR *dp = opendir(dir);
	struct dirent *de;
	struct stat st;
	int64_t n = 0;

	while (dp != NULL && (de = readdir(dp)) != NULL)
		if (fstatat(dirfd(dp), de->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
		    0 && S_ISREG(st.st_mode))
			n += st.st_size;
	if (dp != NULL)
		closedir(dp);
	return n;
}

static int
write_all(int fd, const char *p, size_t len)
{
	ssize_t n;

	for (; len > 0; p += n, len -= (size_t)n) {
		n = write(fd, p, len);
		if (n == -1 && errno == EINTR)
			n = 0;
		if (n == -1)
			return -1;
	}
	return 0;
}

/*
 * From IN to OUT, beginning at OFFSET; the first bytes into HEAD, too.
 */
static int
copy(int in, int out, int64_t offset, char *head, size_t *got, int64_t *size)
{
	char *buf = malloc(COPY_SIZE);
	ssize_t n = -1;
	int rc = -1;

	*got = 0;
	*size = 0;
	while (buf != NULL) {
		n = pread(in, buf, COPY_SIZE, offset + *size);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (*size == 0) {
			*got = (size_t)n < WL_DRAIN_HEAD ? (size_t)n :
			    WL_DRAIN_HEAD;
			memcpy(head, buf, *got);
		}
		if (write_all(out, buf, (size_t)n) == -1)
			break;
		*size += n;
	}
	if (buf != NULL && n == 0)
		rc = 0;
	free(buf);
	return rc;
}

int
wl_drain_spool_quarantine(struct wl_drain *d, const struct wl_drain_seg *seg,
    char head[WL_DRAIN_HEAD], size_t *got, int64_t *size)
{
	const char *from = wl_drain_spool_path(d, seg->name);
	const char *to = wl_arena_printf(d->arena, "%s/%s.%lld",
	    d->quarantine, seg->name, (long long)seg->end);
	int in = -1, out = -1, rc = -1;
	struct stat st;

	if (from == NULL || to == NULL)
		return -1;
	if ((mkdir(d->quarantine, 0700) == -1 && errno != EEXIST) ||
	    (in = open(from, O_RDONLY | O_CLOEXEC)) == -1 ||
	    fstat(in, &st) == -1)
		goto out;
	/* what an earlier try has left does not count twice */
	if (unlink(to) == -1 && errno != ENOENT)
		goto out;
	errno = EDQUOT;
	if (folder_size(d->quarantine) + st.st_size - seg->end >
	    d->conf->spool_max / QUARANTINE_PART)
		goto out;
	/* the segment is removed after this: let it be on the disk */
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_SYNC | O_CLOEXEC, 0600);
	if (out != -1)
		rc = copy(in, out, seg->end, head, got, size);
out:
	if (rc == -1)
		wl_drain_trouble(d, seg, "its end, no record, cannot be kept "
		    "in %s: %s", d->quarantine, errno == EDQUOT ?
		    "it is full; empty it" : strerror(errno));
	if (in != -1)
		close(in);
	if (out != -1)
		close(out);
	if (rc == -1 && out != -1)
		unlink(to);
	return rc;
}
