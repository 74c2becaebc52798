/*
 * Log lines: built in a fixed buffer, escaped once, written with one call
 * that cannot wait.  What cannot be written at once is counted and dropped.
 */
#include "config.h"
#include "lib/base/log.h"
#include "lib/base/clock.h"
#include "lib/base/utf8.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES	((size_t)8192)
#define TAIL		32	/* room kept for what ends a line */

enum sink { SINK_FILE, SINK_PIPE, SINK_SOCKET, SINK_OTHER };

static const char *const level_names[] = {
	[WL_DEBUG] = "debug",
	[WL_INFO] = "info",
	[WL_WARN] = "warn",
	[WL_ERROR] = "error",
};
_Static_assert(sizeof(level_names) / sizeof(level_names[0]) == WL_LEVEL_MAX,
    "a name for every level");

static struct {
	char		*path;		/* NULL: standard error */
	char		 program[32];
	_Atomic int	 level;
	_Atomic int	 fd;
	_Atomic int	 sink;
	_Atomic bool	 ready;		/* sink is known */
	_Atomic bool	 torn;		/* the last line lacks its end */
	_Atomic uint64_t lost;
} out = { .level = WL_INFO, .fd = STDERR_FILENO };

/* not on the stack: coroutines have small ones, and helper threads log too */
static _Thread_local char line[LINE_MAX_BYTES];
static _Thread_local char text[LINE_MAX_BYTES];

struct writer {
	size_t	len, max;
	bool	cut;
};

static void
put(struct writer *w, const char *s, size_t len)
{
	if (len > w->max - w->len) {
		w->cut = true;
		return;
	}
	memcpy(line + w->len, s, len);
	w->len += len;
}

static void
puts_raw(struct writer *w, const char *s)
{
	put(w, s, strlen(s));
}

/*
 * One character of S escaped for JSON and for terminals (C1 controls too).
 * Returns how many bytes of S it took.
 */
static size_t
put_char(struct writer *w, const char *s, size_t len)
{
	size_t n = wl_utf8_seq(s, len);
	unsigned char c = (unsigned char)s[0];
	char esc[8];

	if (n == 0) {
		puts_raw(w, "\\ufffd");
		return 1;
	}
	if (n == 2 && c == 0xc2 && (unsigned char)s[1] < 0xa0)
		c = (unsigned char)s[1];
	else if (n > 1 || (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)) {
		put(w, s, n);
		return n;
	}
	switch (c) {
	case '"':
		puts_raw(w, "\\\"");
		break;
	case '\\':
		puts_raw(w, "\\\\");
		break;
	case '\n':
		puts_raw(w, "\\n");
		break;
	case '\t':
		puts_raw(w, "\\t");
		break;
	default:
		snprintf(esc, sizeof(esc), "\\u%04x", c);
		puts_raw(w, esc);
		break;
	}
	return n;
}

/*
 * The member "KEY":"S", led by a comma.  What has no room is cut.
 */
static void
member(struct writer *w, const char *key, const char *s)
{
	size_t i = 0, len = strlen(s);
	bool before = w->cut;

	if (w->max - w->len < strlen(key) + 6) {
		w->cut = true;
		return;
	}
	w->cut = false;
	puts_raw(w, ",\"");
	puts_raw(w, key);
	puts_raw(w, "\":\"");
	w->max--;	/* for the closing quote */
	while (i < len && !w->cut)
		i += put_char(w, s + i, len - i);
	w->max++;
	put(w, "\"", 1);
	w->cut |= before;
}

static enum sink
sink_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return SINK_OTHER;
	if (S_ISREG(st.st_mode))
		return SINK_FILE;
	if (S_ISFIFO(st.st_mode))
		return SINK_PIPE;
	if (S_ISSOCK(st.st_mode))
		return SINK_SOCKET;
	return SINK_OTHER;
}

/*
 * The longest line that one call writes whole or not at all.
 */
static size_t
longest(void)
{
	return out.sink == SINK_FILE ? LINE_MAX_BYTES : PIPE_BUF;
}

/*
 * Write without waiting.  O_NONBLOCK may not be set on a descriptor that we
 * share with others, so it is asked for per call, or the room is tested.
 */
static bool
emit(size_t len)
{
	struct pollfd pfd = { out.fd, POLLOUT, 0 };
	ssize_t n;

	if (out.sink == SINK_SOCKET) {
		do
			n = send(pfd.fd, line, len,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
		while (n == -1 && errno == EINTR);
	} else {
		if (out.sink != SINK_FILE && (poll(&pfd, 1, 0) != 1 ||
		    (pfd.revents & POLLOUT) == 0))
			return false;
		do
			n = write(pfd.fd, line, len);
		while (n == -1 && errno == EINTR);
	}
	if (n <= 0)
		return false;
	out.torn = (size_t)n < len;
	return (size_t)n == len;
}

/*
 * Begin a line in the buffer: all that stands before the message.
 */
static void
begin(struct writer *w, enum wl_level level, const char *event)
{
	char ts[25], head[128];

	*w = (struct writer){ 0, longest() - TAIL, false };
	if (out.torn)
		put(w, "\n", 1);
	wl_clock_rfc3339(wl_clock_ms(), ts);
	snprintf(head, sizeof(head), "{\"ts\":\"%s\",\"level\":\"%s\"", ts,
	    level_names[level]);
	puts_raw(w, head);
	if (out.program[0] != '\0')
		member(w, "program", out.program);
	snprintf(head, sizeof(head), ",\"pid\":%ld", (long)getpid());
	puts_raw(w, head);
	member(w, "event", event);
}

static bool
finish(struct writer *w)
{
	bool cut = w->cut;

	w->max = longest();
	if (cut)
		puts_raw(w, ",\"cut\":true");
	put(w, "}\n", 2);
	return emit(w->len);
}

/*
 * Tell how many lines were lost, once there is room again.
 */
static void
report_lost(void)
{
	uint64_t lost = atomic_exchange(&out.lost, 0);
	struct writer w;
	char msg[64];

	if (lost == 0)
		return;
	begin(&w, WL_WARN, "log.lost");
	snprintf(msg, sizeof(msg), "%llu lines could not be written",
	    (unsigned long long)lost);
	member(&w, "msg", msg);
	if (!finish(&w))
		out.lost += lost;
}

static void __attribute__((format(printf, 5, 0)))
vlog(enum wl_level level, const char *event, const char *request_id,
    const char *members, const char *fmt, va_list ap)
{
	int saved = errno;
	struct writer w;

	if (!out.ready) {
		out.sink = (int)sink_of(out.fd);
		out.ready = true;
	}
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	report_lost();
	begin(&w, level, event);
	if (request_id != NULL)
		member(&w, "request_id", request_id);
	if (members != NULL && *members != '\0') {
		if (strlen(members) + 1 < w.max - w.len) {
			put(&w, ",", 1);
			puts_raw(&w, members);
		} else
			w.cut = true;
	}
	if (*text != '\0')
		member(&w, "msg", text);
	if (!finish(&w))
		out.lost++;
	errno = saved;
}

void
wl_log(enum wl_level level, const char *event, const char *fmt, ...)
{
	va_list ap;

	if ((int)level < out.level)
		return;
	va_start(ap, fmt);
	vlog(level, event, NULL, NULL, fmt, ap);
	va_end(ap);
}

void
wl_log_req(enum wl_level level, const char *event, const char *request_id,
    const char *members, const char *fmt, ...)
{
	va_list ap;

	if ((int)level < out.level)
		return;
	va_start(ap, fmt);
	vlog(level, event, request_id, members, fmt, ap);
	va_end(ap);
}

int
wl_log_level(const char *name)
{
	int i;

	for (i = 0; i < WL_LEVEL_MAX; i++)
		if (strcmp(name, level_names[i]) == 0)
			return i;
	return -1;
}

static int
open_path(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY |
	    O_NONBLOCK, 0640);
}

/*
 * Standard error as a descriptor of our own that does not block, where it is
 * a pipe: two processes that share it could both find room for one line.
 */
static int
open_stderr(void)
{
	int fd;

	if (sink_of(STDERR_FILENO) == SINK_PIPE &&
	    (fd = open("/proc/self/fd/2", O_WRONLY | O_CLOEXEC | O_NONBLOCK)) !=
	    -1)
		return fd;
	return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

/*
 * Put FD in the place of the old descriptor.  A helper thread may be writing
 * to that number at this moment, so it is replaced, never closed.
 */
static int
adopt(int fd)
{
	int old = out.fd;

	if (old == STDERR_FILENO)
		out.fd = fd;
	else {
		if (dup3(fd, old, O_CLOEXEC) == -1) {
			close(fd);
			return -1;
		}
		close(fd);
	}
	out.sink = (int)sink_of(out.fd);
	out.ready = true;
	out.torn = false;
	return 0;
}

int
wl_log_open(const char *path, enum wl_level level, const char *program)
{
	char *copy = NULL;
	int fd;

	if (path != NULL && *path != '\0') {
		if ((copy = strdup(path)) == NULL)
			return -1;
		fd = open_path(path);
	} else
		fd = open_stderr();
	if (fd == -1 || adopt(fd) == -1) {
		free(copy);
		return -1;
	}
	free(out.path);
	out.path = copy;
	out.level = (int)level;
	snprintf(out.program, sizeof(out.program), "%s", program);
	return 0;
}

int
wl_log_reopen(void)
{
	int fd;

	if (out.path == NULL)
		return 0;
	if ((fd = open_path(out.path)) == -1)
		return -1;
	return adopt(fd);
}
