/*
 * The spool: a folder of the workers on a disk of this machine, with room,
 * and somebody who drains it.
 */
#include "config.h"
#include "fcgi/doctor.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/journal.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "lib/store/db_health.h"

#define AREA		"spool"
#define MIB		((int64_t)1024 * 1024)
#define SEGMENTS	1000
/* A consumer that runs has drained what was there after so long. */
#define DRAIN_MS	5000
#define LOOK_MS		250
/* One that cron starts comes within this. */
#define CRON_MS		120000

/* ---- the folder --------------------------------------------------------- */

static const char *
user_name(struct wl_doctor *d, uid_t uid)
{
	struct passwd *pw = getpwuid(uid);

	return pw != NULL ? wl_doctor_text(d, "%s", pw->pw_name) :
	    wl_doctor_text(d, "user %ld", (long)uid);
}

static bool
folder(struct wl_doctor *d, const char *dir)
{
	struct stat st;

	if (stat(dir, &st) == -1) {
		wl_doctor_add(d, AREA, "folder", WL_GRADE_FAIL,
		    "make it with mode 0700 for the workers' user", "%s: %s",
		    dir, strerror(errno));
		return false;
	}
	if (!S_ISDIR(st.st_mode) || access(dir, R_OK | W_OK | X_OK) == -1)
		wl_doctor_add(d, AREA, "folder", WL_GRADE_FAIL,
		    "let it belong to the workers' user, and run doctor as "
		    "that", "%s cannot be written to by %s", dir,
		    user_name(d, geteuid()));
	else if (st.st_mode & (S_IRWXG | S_IRWXO))
		wl_doctor_add(d, AREA, "folder", WL_GRADE_WARN,
		    wl_doctor_text(d, "chmod 700 %s", dir),
		    "%s, with prompts and answers in it, is open to others "
		    "(mode %04o)", dir, st.st_mode & 07777u);
	else if (st.st_uid == 0)
		wl_doctor_add(d, AREA, "folder", WL_GRADE_WARN,
		    wl_doctor_text(d, "chown USER %s", dir),
		    "%s belongs to root: workers need another user, and then "
		    "cannot write to it", dir);
	else
		wl_doctor_add(d, AREA, "folder", WL_GRADE_OK, NULL,
		    "%s belongs to %s", dir, user_name(d, st.st_uid));
	return access(dir, R_OK | X_OK) == 0;
}

/*
 * Why a file system of type T is not for journals, or NULL.
 */
static const char *
unfit(long t, bool *lost)
{
	static const struct {
		long		 type;
		const char	*name;
	} remote[] = {
		{ NFS_SUPER_MAGIC, "NFS" },
		{ SMB_SUPER_MAGIC, "SMB" },
		{ 0xff534d42, "CIFS" },
		{ 0xfe534d42, "SMB" },
		{ V9FS_MAGIC, "9P" },
		{ CEPH_SUPER_MAGIC, "Ceph" },
		{ AFS_SUPER_MAGIC, "AFS" },
		{ FUSE_SUPER_MAGIC, "FUSE" },
	};
	size_t i;

	*lost = t == TMPFS_MAGIC || t == RAMFS_MAGIC;
	if (*lost)
		return "memory";
	for (i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
		if ((t & 0xffffffff) == remote[i].type)
			return remote[i].name;
	return NULL;
}

static void
disk(struct wl_doctor *d, const char *dir)
{
	struct statfs fs;
	const char *what;
	bool lost;

	if (statfs(dir, &fs) == -1)
		return;
	what = unfit((long)fs.f_type, &lost);
	if (what == NULL)
		wl_doctor_add(d, AREA, "disk", WL_GRADE_OK, NULL,
		    "on a disk of this machine");
	else if (lost)
		wl_doctor_add(d, AREA, "disk", WL_GRADE_WARN,
		    "put spool_dir on a disk", "in memory: what is not "
		    "drained is lost when the machine stops");
	else
		wl_doctor_add(d, AREA, "disk", WL_GRADE_WARN,
		    "put spool_dir on a disk of this machine", "on %s: "
		    "journals need locks and appends that hold", what);
}

static void
room(struct wl_doctor *d, const char *dir, int64_t used)
{
	int64_t left, wanted = d->conf->spool_max - used;
	struct statvfs fs;

	if (statvfs(dir, &fs) == -1)
		return;
	left = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
	if (used >= d->conf->spool_max - d->conf->spool_max / 16)
		wl_doctor_add(d, AREA, "room", WL_GRADE_FAIL,
		    "let watchllm-consumer drain it, or raise spool_max",
		    "%" PRId64 " MB of %" PRId64 " MB (spool_max): calls are "
		    "refused", used / MIB, d->conf->spool_max / MIB);
	else if (left < wanted)
		wl_doctor_add(d, AREA, "room", left < 64 * MIB ?
		    WL_GRADE_FAIL : WL_GRADE_WARN,
		    "make room, or lower spool_max", "%" PRId64 " MB are free,"
		    " spool_max needs %" PRId64 " MB more", left / MIB,
		    wanted / MIB);
	else
		wl_doctor_add(d, AREA, "room", WL_GRADE_OK, NULL,
		    "%" PRId64 " MB used of %" PRId64 " MB (spool_max), %"
		    PRId64 " MB free", used / MIB, d->conf->spool_max / MIB,
		    left / MIB);
}

static void
quarantine(struct wl_doctor *d, const char *dir)
{
	const char *path = wl_doctor_text(d, "%s/quarantine", dir);
	struct dirent *de;
	DIR *q = opendir(path);
	int n = 0;

	if (q == NULL)
		return;
	while ((de = readdir(q)) != NULL)
		n += de->d_name[0] != '.';
	closedir(q);
	if (n > 0)
		wl_doctor_add(d, AREA, "quarantine", WL_GRADE_WARN,
		    "see docs/JOURNAL.md; remove them when done", "%d ends of "
		    "journals in %s could not be read", n, path);
}

/* ---- what waits --------------------------------------------------------- */

struct segment {
	const char	*name;
	int64_t		 size;
};

struct spool {
	struct wl_doctor	*d;
	struct segment		*seg;
	int			 n;
	int64_t			 bytes;
	int64_t			 oldest_ms;	/* least last write to one */
};

static int
add_segment(const char *name, const char *process, uint64_t seq, int64_t size,
    void *arg)
{
	struct spool *s = arg;
	struct stat st;
	int64_t ms;

	(void)process;
	(void)seq;
	s->bytes += size;
	if (s->n == SEGMENTS || stat(wl_doctor_text(s->d, "%s/%s",
	    s->d->conf->spool_dir, name), &st) == -1)
		return 0;
	s->seg[s->n].name = wl_doctor_text(s->d, "%s", name);
	s->seg[s->n++].size = size;
	ms = (int64_t)st.st_mtim.tv_sec * 1000;
	if (ms < s->oldest_ms)
		s->oldest_ms = ms;
	return 0;
}

/*
 * Bytes of the segments in S that PostgreSQL does not have; -1: not known.  A
 * segment that has gone was drained.
 */
static int64_t
waiting(struct wl_doctor *d, const struct spool *s)
{
	struct wl_err e = { 0 };
	struct wl_db_marks m;
	int64_t left = 0, one;
	int i, k;

	if (wl_db_marks(d->a, d->conf->host_name, &m, &e) == -1)
		return -1;
	for (i = 0; i < s->n; i++) {
		one = s->seg[i].size;
		for (k = 0; k < m.n; k++)
			if (strcmp(m.rows[k].segment, s->seg[i].name) == 0)
				one -= m.rows[k].drained;
		if (one > 0 && access(wl_doctor_text(d, "%s/%s",
		    d->conf->spool_dir, s->seg[i].name), F_OK) == 0)
			left += one;
	}
	return left;
}

/*
 * Whether a consumer runs: it holds a lock as long as it does.
 */
static bool
consumer_runs(struct wl_doctor *d)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(wl_doctor_text(d, "%s/consumer.lock",
	    d->conf->spool_dir), O_RDONLY | O_CLOEXEC);
	bool held;

	if (fd == -1)
		return false;
	held = fcntl(fd, F_OFD_GETLK, &whole) == 0 &&
	    whole.l_type != F_UNLCK;
	close(fd);
	return held;
}

static void
consumer(struct wl_doctor *d, const struct spool *s)
{
	static const char start[] = "start watchllm-consumer, or let cron run "
	    "watchllm-consumer --once every minute";
	int64_t first = waiting(d, s), left = first;
	int64_t end = wl_mono_fresh() + DRAIN_MS, quiet;
	bool runs = consumer_runs(d);

	while (left > 0 && runs && wl_mono_fresh() < end &&
	    wl_sleep(LOOK_MS) == 0)
		left = waiting(d, s);
	quiet = wl_clock_ms() - s->oldest_ms;
	if (left == -1)
		wl_doctor_add(d, AREA, "consumer", WL_GRADE_SKIP, NULL,
		    "what is drained cannot be read from the database");
	else if (left > 0 && runs)
		wl_doctor_add(d, AREA, "consumer", WL_GRADE_FAIL,
		    "see the log of watchllm-consumer", "it runs, but %" PRId64
		    " bytes still wait after %d s", left, DRAIN_MS / 1000);
	else if (left > 0)
		wl_doctor_add(d, AREA, "consumer", quiet > CRON_MS ?
		    WL_GRADE_FAIL : WL_GRADE_WARN, start, "no consumer runs, "
		    "and %" PRId64 " bytes wait", left);
	else
		wl_doctor_add(d, AREA, "consumer", WL_GRADE_OK, NULL,
		    "%s, and nothing waits (%d segments)", runs ? "it runs" :
		    "none runs now", s->n);
}

void
wl_doctor_spool(struct wl_doctor *d)
{
	struct spool s = { .d = d, .oldest_ms = wl_clock_ms() };
	const char *dir = d->conf->spool_dir;

	s.seg = wl_arena_alloc(d->a, SEGMENTS * sizeof(*s.seg));
	if (!folder(d, dir) || s.seg == NULL)
		return;
	disk(d, dir);
	if (wl_journal_scan(dir, add_segment, &s) == -1) {
		wl_doctor_add(d, AREA, "segments", WL_GRADE_FAIL, NULL,
		    "%s: %s", dir, strerror(errno));
		return;
	}
	room(d, dir, s.bytes);
	quarantine(d, dir);
	if (d->db_schema && d->db_up[WL_ROLE_DRAIN])
		consumer(d, &s);
}
