/*
 * libfcgi's OS_* functions over non-blocking sockets.  All eight that its
 * fcgiapp.o refers to are here, so that static and shared linking both take
 * ours; accept, signals and closing are not libfcgi's business in this
 * program.
 */
#include "config.h"
#include "fcgi/os_fcgx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <fcgios.h>

#include "lib/base/co.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"

/* A coroutine that never has to wait gives way after so many bytes. */
#define BUSY_MAX	((size_t)128 * 1024)
#define LINGER_MS	2000
#define LINGER_BYTES	((size_t)64 * 1024 * 1024)

static struct wl_os_fcgx	**table;	/* by descriptor */
static size_t			  table_size;

static struct wl_os_fcgx *
find(int fd)
{
	return fd >= 0 && (size_t)fd < table_size ? table[fd] : NULL;
}

int
wl_os_fcgx_attach(struct wl_os_fcgx *c, int fd)
{
	size_t size = table_size == 0 ? 64 : table_size;
	struct wl_os_fcgx **grown;

	while (size <= (size_t)fd)
		size *= 2;
	if (size != table_size) {
		grown = realloc(table, size * sizeof(struct wl_os_fcgx *));
		if (grown == NULL)
			return -1;
		memset(grown + table_size, 0,
		    (size - table_size) * sizeof(struct wl_os_fcgx *));
		table = grown;
		table_size = size;
	}
	memset(c, 0, sizeof(*c));
	c->fd = fd;
	c->timeout_ms = WL_OS_FCGX_TIMEOUT;
	table[fd] = c;
	return 0;
}

void
wl_os_fcgx_detach(struct wl_os_fcgx *c)
{
	table[c->fd] = NULL;
	free(c->gather);
	free(c->over);
	c->gather = c->over = NULL;
}

static int
fail(struct wl_os_fcgx *c, int error)
{
	c->failed = true;
	c->error = error;
	errno = error;
	return -1;
}

/*
 * LEN bytes were moved without waiting.
 */
static void
moved(struct wl_os_fcgx *c, size_t len)
{
	c->busy += len;
	if (c->busy >= BUSY_MAX) {
		c->busy = 0;
		wl_co_yield();
	}
}

/*
 * Wait for EVENTS.  Returns 0, or -1 with errno.
 */
static int
await(struct wl_os_fcgx *c, uint32_t events)
{
	int got = wl_wait(c->fd, events, wl_mono() + c->timeout_ms);

	c->busy = 0;
	if (got > 0)
		return 0;
	if (got == 0)
		errno = ETIMEDOUT;
	return -1;
}

/*
 * Keep what was read behind the end of the request.
 */
static int
keep_over(struct wl_os_fcgx *c, const void *p, size_t len)
{
	if ((c->over = malloc(len)) == NULL)
		return fail(c, ENOMEM);
	memcpy(c->over, p, len);
	c->over_len = len;
	return 0;
}

static ssize_t
take_over(struct wl_os_fcgx *c, void *p, size_t len)
{
	size_t n = c->over_len < len ? c->over_len : len;

	memcpy(p, c->over, n);
	c->over_len -= n;
	if (c->over_len > 0) {
		memmove(c->over, c->over + n, c->over_len);
	} else {
		free(c->over);
		c->over = NULL;
	}
	return (ssize_t)n;
}

/*
 * Some bytes from the peer: > 0, 0 at its end, -1 with errno.
 */
static ssize_t
receive(struct wl_os_fcgx *c, void *p, size_t len)
{
	ssize_t n;

	if (c->over_len > 0)
		return take_over(c, p, len);
	for (;;) {
		n = recv(c->fd, p, len, 0);
		if (n >= 0) {
			c->reads++;
			return n;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			return fail(c, errno);
		if (c->no_wait) {
			errno = EAGAIN;
			return -1;
		}
		/* the peer may still take a reply that says so */
		if (await(c, EPOLLIN) == -1)
			return -1;
	}
}

int
OS_Read(int fd, char *buf, size_t len)
{
	struct wl_os_fcgx *c = find(fd);
	ssize_t n, own;

	if (c == NULL) {
		errno = EBADF;
		return -1;
	}
	if (c->failed) {
		errno = c->error;
		return -1;
	}
	/* behind the end of a request there is nothing for libfcgi */
	if (c->record.ended)
		return 0;
	if ((n = receive(c, buf, len)) <= 0)
		return (int)n;
	if ((own = wl_record_scan(&c->record, buf, (size_t)n)) == -1)
		return fail(c, errno);
	if (own < n && keep_over(c, buf + own, (size_t)(n - own)) == -1)
		return -1;
	moved(c, (size_t)n);
	return (int)own;
}

/*
 * Send the N pieces at V, all of them.
 */
static int
send_all(struct wl_os_fcgx *c, struct iovec *v, size_t n)
{
	struct msghdr msg = { 0 };
	ssize_t sent;

	while (n > 0) {
		if (v->iov_len == 0) {
			v++;
			n--;
			continue;
		}
		msg.msg_iov = v;
		msg.msg_iovlen = n;
		sent = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
		if (sent == -1 && errno == EINTR)
			continue;
		if (sent == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			if (await(c, EPOLLOUT) == -1)
				return fail(c, errno);
			continue;
		}
		if (sent == -1)
			return fail(c, errno);
		c->writes++;
		moved(c, (size_t)sent);
		for (; n > 0 && (size_t)sent >= v->iov_len; v++, n--)
			sent -= (ssize_t)v->iov_len;
		if (n > 0) {
			v->iov_base = (char *)v->iov_base + sent;
			v->iov_len -= (size_t)sent;
		}
	}
	return 0;
}

/*
 * What is gathered, and LEN bytes more.
 */
static int
send_gathered(struct wl_os_fcgx *c, const void *p, size_t len)
{
	struct iovec v[2] = {
		{ c->gather, c->gathered },
		{ (void *)(uintptr_t)p, len },
	};

	if (c->failed) {
		errno = c->error;
		return -1;
	}
	c->gathered = 0;
	return send_all(c, v, 2);
}

int
wl_os_fcgx_flush(struct wl_os_fcgx *c)
{
	return send_gathered(c, NULL, 0);
}

int
wl_os_fcgx_last(struct wl_os_fcgx *c, bool more)
{
	/* FCGI_GET_VALUES_RESULT without values, which is of no request */
	static const unsigned char record[8] = { 1, 10 };

	if (send_gathered(c, record, more ? sizeof(record) : 0) == -1)
		return -1;
	return shutdown(c->fd, SHUT_WR);
}

int
OS_Write(int fd, char *buf, size_t len)
{
	struct wl_os_fcgx *c = find(fd);

	if (c == NULL) {
		errno = EBADF;
		return -1;
	}
	if (c->corked && c->gathered + len <= WL_OS_FCGX_GATHER &&
	    !c->failed && (c->gather != NULL ||
	    (c->gather = malloc(WL_OS_FCGX_GATHER)) != NULL)) {
		memcpy(c->gather + c->gathered, buf, len);
		c->gathered += len;
		return (int)len;
	}
	/* errno is the last thing set: libfcgi keeps it as its own error */
	return send_gathered(c, buf, len) == -1 ? -1 : (int)len;
}

/*
 * The owner closes; libfcgi also calls this with -1.
 */
int
OS_IpcClose(int fd, int shutdown)
{
	struct wl_os_fcgx *c = find(fd);

	(void)shutdown;
	if (c != NULL)
		c->closed = true;
	return 0;
}

int
OS_Accept(int fd, int fail_on_intr, const char *addresses)
{
	(void)fd;
	(void)fail_on_intr;
	(void)addresses;
	/* libfcgi asks after a connection has failed it */
	errno = ECONNABORTED;
	return -1;
}

int
OS_CreateLocalIpcFd(const char *path, int backlog)
{
	(void)path;
	(void)backlog;
	errno = ENOSYS;
	return -1;
}

int
OS_IsFcgi(int fd)
{
	(void)fd;
	return 1;
}

/*
 * libfcgi's own would install signal handlers.
 */
int
OS_LibInit(int fds[3])
{
	(void)fds;
	return 0;
}

void
OS_ShutdownPending(void)
{
}

bool
wl_os_fcgx_next(struct wl_os_fcgx *c)
{
	if (c->failed || c->closed || !c->record.ended ||
	    c->record.padding > 0)
		return false;
	/* an idle connection holds nothing */
	free(c->gather);
	c->gather = NULL;
	c->gathered = 0;
	c->corked = c->no_wait = false;
	c->timeout_ms = WL_OS_FCGX_TIMEOUT;
	wl_record_next(&c->record);
	return true;
}

void
wl_os_fcgx_linger(struct wl_os_fcgx *c)
{
	int64_t deadline = wl_mono() + LINGER_MS;
	char buf[4096];
	size_t left = LINGER_BYTES;
	ssize_t n;

	shutdown(c->fd, SHUT_WR);
	while (left > sizeof(buf)) {
		n = recv(c->fd, buf, sizeof(buf), 0);
		if (n > 0) {
			left -= (size_t)n;
			moved(c, (size_t)n);
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			return;
		} else if (errno == EAGAIN &&
		    wl_wait(c->fd, EPOLLIN, deadline) <= 0) {
			return;
		}
		if (wl_mono() >= deadline)
			return;
	}
}
