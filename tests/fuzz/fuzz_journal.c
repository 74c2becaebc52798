/*
 * Any bytes as a journal segment: records come in order, from within the
 * file, and what follows the valid part is called torn.
 */
#include "config.h"
#include "lib/base/journal.h"
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>

#include <string.h>
#include <unistd.h>

/*
 * LEN bytes at P as a file; its path.
 */
static const char *
as_file(const uint8_t *p, size_t len)
{
	static char path[64];
	static int fd = -1;

	if (fd == -1) {
		fd = memfd_create("segment", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	PROMISE(ftruncate(fd, 0) == 0);
	PROMISE(pwrite(fd, p, len, 0) == (ssize_t)len);
	return path;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wl_journal_reader *r;
	enum wl_journal_kind kind;
	int64_t at = 0;
	const char *p;
	size_t n;
	int ret;

	PROMISE((r = wl_journal_reader_open(as_file(data, len), 0)) != NULL);
	while ((ret = wl_journal_next(r, &kind, &p, &n)) == 1) {
		PROMISE(kind == WL_J_BEGIN || kind == WL_J_END ||
		    kind == WL_J_EVENT);
		PROMISE(at + WL_JOURNAL_HEADER + (int64_t)n <= (int64_t)len);
		PROMISE(memcmp(p, data + at + WL_JOURNAL_HEADER, n) == 0);
		at += WL_JOURNAL_HEADER + (int64_t)n;
		PROMISE(wl_journal_offset(r) == at);
	}
	PROMISE(ret == 0 && wl_journal_offset(r) == at);
	PROMISE(wl_journal_torn(r) == (at < (int64_t)len));
	PROMISE(wl_journal_next(r, &kind, &p, &n) == 0);
	wl_journal_reader_close(r);
	return 0;
}
