/*
 * A configuration file that is accepted is printed as one that loads to the
 * same values, and an error names the line.
 */
#include "config.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>

#include <string.h>
#include <unistd.h>

static const char *
as_file(const void *p, size_t len)
{
	static char path[64];
	static int fd = -1;

	if (fd == -1) {
		fd = memfd_create("conf", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	PROMISE(ftruncate(fd, 0) == 0);
	PROMISE(pwrite(fd, p, len, 0) == (ssize_t)len);
	return path;
}

static char *
print(const struct wl_conf *c)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	PROMISE(f != NULL);
	wl_conf_print(c, f);
	fclose(f);
	return text;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wl_conf c, d;
	char *a, *b;
	struct wl_err e;

	if (wl_conf_load(&c, as_file(data, len), &e) == -1) {
		PROMISE(e.msg[0] != '\0');
		return 0;
	}
	a = print(&c);
	wl_conf_free(&c);
	/* what is masked cannot be the same again */
	if (strstr(a, "***") == NULL) {
		PROMISE(wl_conf_load(&d, as_file(a, strlen(a)), &e) == 0);
		b = print(&d);
		wl_conf_free(&d);
		PROMISE(strcmp(a, b) == 0);
		free(b);
	}
	free(a);
	return 0;
}
