/*
 * struct wl_io over two descriptors and the environment.  Descriptors may be
 * pipes, sockets or, for a body, files, which epoll does not take: those are
 * always ready.
 */
#include "config.h"
#include "fcgi/io_cgi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/loop.h"
#include "lib/base/num.h"
#include "lib/base/wait.h"
#include "lib/http/io.h"

#define GATHER_MAX	((size_t)64 * 1024)
#define REST_MS		((int64_t)30 * 1000)	/* to read on after it */
#define TIMEOUT_MS	((int64_t)60 * 1000)

extern char **environ;

static struct {
	struct wl_io	 io;
	int		 in, out;
	int		 out_watch;	/* a copy of OUT, for its errors */
	int		 peer;		/* other end of io.fd; -1: client gone */
	int64_t		 left;		/* of the body; -1: to its end */
	int64_t		 timeout_ms;
	struct wl_buf	 queued;
	bool		 finished;
} cgi = { .peer = -1 };

static const char *
cgi_param(struct wl_io *io, const char *name)
{
	(void)io;
	return getenv(name);
}

static void
cgi_each(struct wl_io *io, void (*fn)(const char *, const char *, void *),
    void *arg)
{
	char **p, *eq;

	(void)io;
	for (p = environ; p != NULL && *p != NULL; p++)
		if ((eq = strchr(*p, '=')) != NULL) {
			*eq = '\0';
			fn(*p, eq + 1, arg);
			*eq = '=';
		}
}

static int
await(int fd, uint32_t events)
{
	int got = wl_wait(fd, events, wl_mono() + cgi.timeout_ms);

	if (got > 0 || (got == -1 && errno == EPERM))
		return 0;
	if (got == 0)
		errno = ETIMEDOUT;
	return -1;
}

static ssize_t
cgi_read(struct wl_io *io, void *p, size_t len)
{
	ssize_t n;

	(void)io;
	/* the server need not close behind the last byte */
	if (cgi.left == 0)
		return 0;
	if (cgi.left > 0 && (uint64_t)cgi.left < len)
		len = (size_t)cgi.left;
	while ((n = read(cgi.in, p, len)) == -1) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN || await(cgi.in, EPOLLIN) == -1)
			return -1;
	}
	if (cgi.left > 0)
		cgi.left -= n;
	return n;
}

static int
cgi_flush(struct wl_io *io)
{
	const char *p = cgi.queued.p;
	size_t left = cgi.queued.len;
	ssize_t n;

	(void)io;
	while (left > 0) {
		if (cgi.peer == -1) {
			errno = EPIPE;
			return -1;
		}
		n = write(cgi.out, p, left);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && (errno != EAGAIN ||
		    await(cgi.out, EPOLLOUT) == -1)) {
			n = errno;
			wl_io_cgi_gone();
			errno = (int)n;
			return -1;
		}
		if (n > 0) {
			p += n;
			left -= (size_t)n;
		}
	}
	wl_buf_reset(&cgi.queued);
	return 0;
}

static int
cgi_write(struct wl_io *io, const void *p, size_t len)
{
	size_t n;

	while (len > 0) {
		n = GATHER_MAX - cgi.queued.len;
		if (n > len)
			n = len;
		wl_buf_add(&cgi.queued, p, n);
		if (cgi.queued.failed) {
			errno = ENOMEM;
			return -1;
		}
		p = (const char *)p + n;
		len -= n;
		if (cgi.queued.len == GATHER_MAX && cgi_flush(io) == -1)
			return -1;
	}
	if (cgi.peer == -1) {
		errno = EPIPE;
		return -1;
	}
	return 0;
}

/*
 * Read on what no handler wanted, however much: a web server that is still
 * sending the body would take our end for a failure and drop the reply.
 */
static void
drain(struct wl_io *io)
{
	int64_t end = wl_mono() + REST_MS;
	char buf[16384];

	if (cgi.timeout_ms > REST_MS)
		cgi.timeout_ms = REST_MS;
	while (cgi_read(io, buf, sizeof(buf)) > 0 && wl_mono() < end)
		;
}

/*
 * The web server takes the end of our output for the end of the reply; what
 * is left to settle must not keep it waiting.
 */
static int
cgi_finish(struct wl_io *io)
{
	int rc, null;

	if (cgi.finished)
		return 0;
	cgi.finished = true;
	rc = cgi_flush(io);
	if (rc == 0)
		drain(io);
	wl_forget(cgi.out);
	if (cgi.out_watch != -1) {
		wl_forget(cgi.out_watch);
		close(cgi.out_watch);
		cgi.out_watch = -1;
	}
	if ((null = open("/dev/null", O_WRONLY | O_CLOEXEC)) != -1) {
		dup2(null, cgi.out);
		close(null);
	}
	if (rc == -1)
		errno = EPIPE;
	return rc;
}

static void
cgi_timeout(struct wl_io *io, int64_t ms)
{
	(void)io;
	cgi.timeout_ms = ms;
}

static const struct wl_io_ops ops = {
	.param = cgi_param,
	.each = cgi_each,
	.read = cgi_read,
	.write = cgi_write,
	.flush = cgi_flush,
	.finish = cgi_finish,
	.timeout = cgi_timeout,
};

void
wl_io_cgi_gone(void)
{
	if (cgi.peer == -1)
		return;
	close(cgi.peer);
	cgi.peer = -1;
}

static void
on_out_error(int fd, uint32_t events, void *arg)
{
	(void)arg;
	(void)events;
	wl_forget(fd);
	wl_io_cgi_gone();
}

/*
 * Only what can make us wait: a terminal's mode is shared with the shell.
 */
static void
set_nonblocking(int fd)
{
	struct stat st;
	int flags;

	if (fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) ||
	    S_ISSOCK(st.st_mode)) && (flags = fcntl(fd, F_GETFL)) != -1)
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

struct wl_io *
wl_io_cgi_open(int in, int out)
{
	const char *length = getenv("CONTENT_LENGTH");
	int pair[2];

	memset(&cgi, 0, sizeof(cgi));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    pair) == -1)
		return NULL;
	cgi.io.ops = &ops;
	cgi.io.fd = pair[0];
	cgi.peer = pair[1];
	cgi.in = in;
	cgi.out = out;
	cgi.timeout_ms = TIMEOUT_MS;
	if (length == NULL || wl_num_parse(length, strlen(length), 0,
	    INT64_MAX, &cgi.left) == -1)
		cgi.left = -1;
	wl_buf_init(&cgi.queued, GATHER_MAX);
	set_nonblocking(in);
	set_nonblocking(out);
	/* a second descriptor, since OUT itself is waited for */
	cgi.out_watch = fcntl(out, F_DUPFD_CLOEXEC, 3);
	if (cgi.out_watch != -1 &&
	    wl_watch(cgi.out_watch, 0, on_out_error, NULL) == -1) {
		close(cgi.out_watch);
		cgi.out_watch = -1;
	}
	return &cgi.io;
}

void
wl_io_cgi_close(void)
{
	cgi_finish(&cgi.io);
	wl_io_cgi_gone();
	wl_forget(cgi.io.fd);
	close(cgi.io.fd);
	wl_buf_free(&cgi.queued);
}
