/*
 * struct wl_io over FCGX_Request.  libfcgi parses and makes the records; our
 * os_fcgx.c moves the bytes.
 */
#include "config.h"
#include "fcgi/io_fcgx.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fcgiapp.h>

#include "fcgi/os_fcgx.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "lib/http/io.h"

#define RESPONDER	1
#define PIECE_MAX	((size_t)1 << 20)
#define REST_PIECES	128

struct wl_io_fcgx {
	struct wl_io		io;
	FCGX_Request		request;
	struct wl_os_fcgx	os;
	bool			open;		/* a request is being served */
	bool			finished;
	bool			last;		/* no request after this one */
	bool			told;		/* the web server knows */
};

static struct wl_io_fcgx *
of(struct wl_io *io)
{
	return (struct wl_io_fcgx *)(void *)((char *)io -
	    offsetof(struct wl_io_fcgx, io));
}

static const char *
io_param(struct wl_io *io, const char *name)
{
	struct wl_io_fcgx *c = of(io);

	return c->open ? FCGX_GetParam(name, c->request.envp) : NULL;
}

static void
io_each(struct wl_io *io, void (*fn)(const char *, const char *, void *),
    void *arg)
{
	struct wl_io_fcgx *c = of(io);
	char **p, *eq;

	for (p = c->open ? c->request.envp : NULL; p != NULL && *p != NULL;
	    p++)
		if ((eq = strchr(*p, '=')) != NULL) {
			*eq = '\0';
			fn(*p, eq + 1, arg);
			*eq = '=';
		}
}

/*
 * -1 with an errno that means something: libfcgi has codes of its own.
 */
static int
stream_error(const struct wl_io_fcgx *c, FCGX_Stream *s)
{
	int code = FCGX_GetError(s);

	errno = c->os.failed ? c->os.error : code > 0 ? code : ECONNRESET;
	return -1;
}

static ssize_t
io_read(struct wl_io *io, void *p, size_t len)
{
	struct wl_io_fcgx *c = of(io);
	int n;

	if (!c->open) {
		errno = EPIPE;
		return -1;
	}
	n = FCGX_GetStr(p, len > PIECE_MAX ? (int)PIECE_MAX : (int)len,
	    c->request.in);
	if (n == 0 && len > 0 && FCGX_GetError(c->request.in) != 0)
		return stream_error(c, c->request.in);
	return n;
}

static int
io_write(struct wl_io *io, const void *p, size_t len)
{
	struct wl_io_fcgx *c = of(io);
	const char *s = p;
	size_t n;

	if (!c->open) {
		errno = EPIPE;
		return -1;
	}
	c->os.corked = true;
	for (; len > 0; s += n, len -= n) {
		n = len > PIECE_MAX ? PIECE_MAX : len;
		if (FCGX_PutStr(s, (int)n, c->request.out) == -1)
			return stream_error(c, c->request.out);
	}
	return 0;
}

static int
io_flush(struct wl_io *io)
{
	struct wl_io_fcgx *c = of(io);

	if (!c->open) {
		errno = EPIPE;
		return -1;
	}
	c->os.corked = false;
	if (FCGX_FFlush(c->request.out) == -1)
		return stream_error(c, c->request.out);
	return wl_os_fcgx_flush(&c->os);
}

/*
 * The web server may have sent the end of a body that nobody wanted; what
 * has arrived is taken, nothing is waited for.
 */
static void
take_rest(struct wl_io_fcgx *c)
{
	char buf[1024];
	int i;

	c->os.no_wait = true;
	for (i = 0; i < REST_PIECES && FCGX_GetStr(buf, sizeof(buf),
	    c->request.in) == (int)sizeof(buf); i++)
		;
}

/*
 * nginx may see the end of the file only after it has sent another request;
 * but it does not keep a connection on which anything follows the end of a
 * reply.  Apache would take that for the next reply.
 */
static bool
is_nginx(const struct wl_io_fcgx *c)
{
	const char *s = FCGX_GetParam("SERVER_SOFTWARE", c->request.envp);

	return s != NULL && strncmp(s, "nginx", 5) == 0;
}

static int
io_finish(struct wl_io *io)
{
	struct wl_io_fcgx *c = of(io);
	bool nginx, unread;

	if (!c->open || c->finished) {
		errno = EPIPE;
		return c->finished && !c->os.failed ? 0 : -1;
	}
	c->finished = true;
	c->open = false;
	if (!c->os.failed)
		take_rest(c);
	unread = !c->os.failed && !c->os.record.ended;
	nginx = (c->last || unread) && is_nginx(c);
	/* a body that nobody reads ends the connection: Apache must see it
	   before it puts the connection by */
	if (unread && !nginx)
		c->last = true;
	c->os.corked = c->last;
	FCGX_Finish_r(&c->request);
	if (c->last)
		c->told = wl_os_fcgx_last(&c->os, nginx) == 0;
	if (!c->os.failed)
		return 0;
	errno = c->os.error;
	return -1;
}

static void
io_timeout(struct wl_io *io, int64_t ms)
{
	of(io)->os.timeout_ms = ms;
}

static const struct wl_io_ops ops = {
	.param = io_param,
	.each = io_each,
	.read = io_read,
	.write = io_write,
	.flush = io_flush,
	.finish = io_finish,
	.timeout = io_timeout,
};

struct wl_io_fcgx *
wl_io_fcgx_open(int fd)
{
	struct wl_io_fcgx *c;

	if (FCGX_Init() != 0 || (c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	if (wl_os_fcgx_attach(&c->os, fd) == -1) {
		free(c);
		return NULL;
	}
	FCGX_InitRequest(&c->request, 0, 0);
	c->request.ipcFd = fd;
	c->io.ops = &ops;
	c->io.fd = fd;
	return c;
}

void
wl_io_fcgx_close(struct wl_io_fcgx *c)
{
	int fd = c->os.fd;

	/* streams and variables, if a request was left in the middle */
	FCGX_Free(&c->request, 0);
	/* a body nobody read would take the reply with it */
	if (!c->os.failed && c->finished && !c->os.record.ended)
		wl_os_fcgx_linger(&c->os);
	wl_os_fcgx_detach(&c->os);
	wl_forget(fd);
	close(fd);
	free(c);
}

void
wl_io_fcgx_last(struct wl_io_fcgx *c)
{
	c->last = true;
}

int
wl_io_fcgx_idle(struct wl_io_fcgx *c, int64_t deadline)
{
	char byte;
	int got;

	if (c->os.over_len > 0)
		return 1;
	if (deadline <= wl_mono())
		return recv(c->os.fd, &byte, 1, MSG_PEEK) > 0;
	got = wl_wait(c->os.fd, EPOLLIN | EPOLLRDHUP | WL_WOKEN, deadline);
	if (got == -1)
		return -1;
	return ((uint32_t)got & ~WL_WOKEN) != 0;
}

struct wl_io *
wl_io_fcgx_accept(struct wl_io_fcgx *c)
{
	/* else FCGX_Accept_r() begins with closing our descriptor */
	c->request.keepConnection = 1;
	c->request.ipcFd = c->os.fd;
	c->finished = false;
	if (FCGX_Accept_r(&c->request) != 0)
		return NULL;
	/* libfcgi takes a connection that breaks between two variables for
	   their end; authorizers and filters have other ends than ours */
	if (!c->os.record.params_done || c->request.role != RESPONDER)
		return NULL;
	c->open = true;
	return &c->io;
}

bool
wl_io_fcgx_end(struct wl_io_fcgx *c)
{
	if (c->open)
		io_finish(&c->io);
	return !c->told && wl_os_fcgx_next(&c->os);
}
