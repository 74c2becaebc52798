/*
 * Temporary folders.  What cannot be made ends the test.
 */
#include "config.h"
#include "tests/unit/tmp.h"

#include <sys/stat.h>

#include <err.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATHS	256

static char dir[256];
static pid_t owner;
static char *paths[PATHS];
static size_t npaths;

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void
remove_all(void)
{
	/* a child that exits leaves the folder to its parent */
	if (getpid() == owner)
		nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	while (npaths > 0)
		free(paths[--npaths]);
}

const char *
wl_tmp_dir(void)
{
	const char *base = getenv("TMPDIR");

	if (dir[0] != '\0')
		return dir;
	if (base == NULL || strlen(base) > 100)
		base = "/tmp";
	snprintf(dir, sizeof(dir), "%s/wl-test-XXXXXX", base);
	if (mkdtemp(dir) == NULL)
		err(99, "%s", dir);
	owner = getpid();
	atexit(remove_all);
	return dir;
}

const char *
wl_tmp_path(const char *name)
{
	size_t i;
	char *p;

	if (asprintf(&p, "%s/%s", wl_tmp_dir(), name) == -1)
		err(99, NULL);
	for (i = 0; i < npaths; i++)
		if (strcmp(paths[i], p) == 0) {
			free(p);
			return paths[i];
		}
	if (npaths == PATHS)
		errx(99, "too many paths");
	return paths[npaths++] = p;
}

const char *
wl_tmp_file(const char *name, const void *p, size_t len, mode_t mode)
{
	const char *path = wl_tmp_path(name);
	int fd;

	unlink(path);
	if ((fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600)) == -1 ||
	    write(fd, p, len) != (ssize_t)len || fchmod(fd, mode) == -1)
		err(99, "%s", path);
	close(fd);
	return path;
}

char *
wl_tmp_read(const char *path, size_t *len)
{
	struct stat st;
	ssize_t n;
	char *p;
	int fd;

	if ((fd = open(path, O_RDONLY)) == -1 || fstat(fd, &st) == -1 ||
	    (p = malloc((size_t)st.st_size + 1)) == NULL ||
	    (n = read(fd, p, (size_t)st.st_size)) == -1)
		err(99, "%s", path);
	close(fd);
	p[n] = '\0';
	*len = (size_t)n;
	return p;
}
