/*
 * Reading journals: the valid prefix of a segment, who still writes, and what
 * lies in the spool directory.
 */
#include "config.h"
#include "lib/base/journal.h"
#include "lib/base/hash.h"
#include "lib/base/num.h"
#include "lib/base/str.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK		((size_t)128 * 1024)
#define SEGMENTS_MAX	((size_t)100000)

struct wl_journal_reader {
	int	 fd;
	int64_t	 offset;	/* where the next record begins */
	bool	 torn;
	char	*buf;		/* bytes of the file from OFFSET - POS on */
	size_t	 pos, have, cap;
};

struct wl_journal_reader *
wl_journal_reader_open(const char *path, int64_t offset)
{
	struct wl_journal_reader *r;
	int saved;

	if ((r = calloc(1, sizeof(*r))) == NULL)
		return NULL;
	r->offset = offset;
	if ((r->fd = open(path, O_RDONLY | O_CLOEXEC)) == -1) {
		saved = errno;
		free(r);
		errno = saved;
		return NULL;
	}
	return r;
}

void
wl_journal_reader_close(struct wl_journal_reader *r)
{
	if (r == NULL)
		return;
	close(r->fd);
	free(r->buf);
	free(r);
}

int64_t
wl_journal_offset(const struct wl_journal_reader *r)
{
	return r->offset;
}

bool
wl_journal_torn(const struct wl_journal_reader *r)
{
	return r->torn;
}

/*
 * Have WANT bytes from the present record on in the buffer, if the file has
 * them.  Returns how many there are, or -1.
 */
static ssize_t
fill(struct wl_journal_reader *r, size_t want)
{
	size_t room;
	ssize_t n;
	char *p;

	if (r->have - r->pos >= want)
		return (ssize_t)(r->have - r->pos);
	r->have -= r->pos;
	if (r->have > 0)
		memmove(r->buf, r->buf + r->pos, r->have);
	r->pos = 0;
	room = want < CHUNK ? CHUNK : want;
	if (r->cap < room) {
		if ((p = realloc(r->buf, room)) == NULL)
			return -1;
		r->buf = p;
		r->cap = room;
	}
	while (r->have < want) {
		n = pread(r->fd, r->buf + r->have, r->cap - r->have,
		    r->offset + (int64_t)r->have);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (n == 0)
			break;
		r->have += (size_t)n;
	}
	return (ssize_t)r->have;
}

static uint32_t
get32(const char *p)
{
	const unsigned char *b = (const unsigned char *)p;

	return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
	    (uint32_t)b[3] << 24;
}

static bool
good_header(const char *h)
{
	return h[0] == 'W' && h[1] == 'L' && h[3] == 0 &&
	    (h[2] == WL_J_BEGIN || h[2] == WL_J_END || h[2] == WL_J_EVENT) &&
	    get32(h + 4) <= WL_JOURNAL_RECORD_MAX;
}

/*
 * The end of the valid part.  What was read beyond it is forgotten: a living
 * writer may yet put something else there.
 */
static int
stop(struct wl_journal_reader *r, ssize_t rest)
{
	if (rest == -1)
		return -1;
	r->torn = rest > 0;
	r->pos = r->have = 0;
	return 0;
}

int
wl_journal_next(struct wl_journal_reader *r, enum wl_journal_kind *kind,
    const char **p, size_t *len)
{
	const char *h;
	uint32_t n, crc;
	ssize_t have;

	r->torn = false;
	have = fill(r, WL_JOURNAL_HEADER);
	if (have < WL_JOURNAL_HEADER || !good_header(r->buf + r->pos))
		return stop(r, have);
	n = get32(r->buf + r->pos + 4);
	have = fill(r, WL_JOURNAL_HEADER + (size_t)n);
	if (have < (ssize_t)(WL_JOURNAL_HEADER + (size_t)n))
		return stop(r, have);
	h = r->buf + r->pos;
	crc = wl_crc32c(0, h + 2, 1);
	crc = wl_crc32c(crc, h + 4, 4);
	crc = wl_crc32c(crc, h + WL_JOURNAL_HEADER, n);
	/* the header may have changed between two reads */
	if (!good_header(h) || get32(h + 4) != n || get32(h + 8) != crc)
		return stop(r, have);
	*kind = (enum wl_journal_kind)h[2];
	*p = h + WL_JOURNAL_HEADER;
	*len = n;
	r->pos += WL_JOURNAL_HEADER + (size_t)n;
	r->offset += WL_JOURNAL_HEADER + (int64_t)n;
	return 1;
}

bool
wl_journal_alive(const char *path)
{
	bool alive;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return errno != ENOENT;
	/* shared, so that two who ask do not see each other */
	alive = flock(fd, LOCK_SH | LOCK_NB) == -1;
	close(fd);
	return alive;
}

struct segment {
	char	*name;
	size_t	 process;	/* length of that part of the name */
	int64_t	 seq, size;
};

/*
 * Take "PROCESS.SEQ.wlj" apart; false when NAME is none of ours.
 */
static bool
parse_name(const char *name, size_t *process, int64_t *seq)
{
	struct wl_str rest = wl_str_of(name);
	struct wl_str proc = wl_str_cut(&rest, '.');
	struct wl_str number = wl_str_cut(&rest, '.');

	*process = proc.len;
	return proc.len > 0 && rest.p != NULL && wl_str_eq(rest, "wlj") &&
	    wl_num_parse(number.p, number.len, 1, INT64_MAX, seq) == 0;
}

static int
by_process_and_seq(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;
	size_t n = x->process < y->process ? x->process : y->process;
	int c = memcmp(x->name, y->name, n);

	if (c == 0 && x->process != y->process)
		c = x->process < y->process ? -1 : 1;
	if (c != 0)
		return c;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

struct list {
	struct segment	*v;
	size_t		 n, cap;
};

static int
add(struct list *l, int dirfd, const char *name)
{
	struct segment s, *v;
	struct stat st;

	if (l->n == SEGMENTS_MAX || !parse_name(name, &s.process, &s.seq) ||
	    fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    !S_ISREG(st.st_mode))
		return 0;	/* it may have been unlinked meanwhile */
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 64 : l->cap * 2;
		if ((v = realloc(l->v, l->cap * sizeof(*v))) == NULL)
			return -1;
		l->v = v;
	}
	if ((s.name = strdup(name)) == NULL)
		return -1;
	s.size = st.st_size;
	l->v[l->n++] = s;
	return 0;
}

static int
tell(struct segment *s, int (*fn)(const char *, const char *, uint64_t,
    int64_t, void *), void *arg)
{
	char process[NAME_MAX + 1];

	memcpy(process, s->name, s->process);
	process[s->process] = '\0';
	return fn(s->name, process, (uint64_t)s->seq, s->size, arg);
}

int
wl_journal_scan(const char *dir, int (*fn)(const char *name,
    const char *process, uint64_t seq, int64_t size, void *arg), void *arg)
{
	struct list l = { NULL, 0, 0 };
	struct dirent *d;
	int saved, ret = 0;
	size_t i;
	DIR *dp;

	if ((dp = opendir(dir)) == NULL)
		return -1;
	for (errno = 0; ret == 0 && (d = readdir(dp)) != NULL; errno = 0)
		ret = add(&l, dirfd(dp), d->d_name);
	if (errno != 0)
		ret = -1;
	if (ret == 0 && l.n > 0)
		qsort(l.v, l.n, sizeof(*l.v), by_process_and_seq);
	for (i = 0; ret == 0 && i < l.n; i++)
		ret = tell(&l.v[i], fn, arg);
	saved = errno;
	closedir(dp);
	for (i = 0; i < l.n; i++)
		free(l.v[i].name);
	free(l.v);
	errno = saved;
	return ret;
}
