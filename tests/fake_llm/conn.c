/*
 * A connection's socket: bytes in, bytes out in few or many writes as a
 * script asks, and its ends.
 */
#include "config.h"

#include "tests/fake_llm/conn.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/co.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"

int64_t
fake_conn_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int
peer_left(struct fake_conn *c, int ev)
{
	if (ev < 0)
		c->peer = errno == ECANCELED ? FAKE_PEER_STOPPED :
		    FAKE_PEER_GONE;
	else
		c->peer = ev == 0 ? FAKE_PEER_LATE : FAKE_PEER_GONE;
	c->keep = false;
	return -1;
}

int
fake_conn_wait(struct fake_conn *c, int64_t deadline)
{
	int ev = wl_wait(c->fd, EPOLLRDHUP, deadline);

	return ev == 0 ? 0 : peer_left(c, ev);
}

/*
 * Bytes that are there count even when their sender has left since.
 */
int
fake_conn_fill(struct fake_conn *c, size_t more, int64_t wait_ms)
{
	int64_t deadline = wl_mono() + wait_ms;

	if (c->in.cap - c->in.len < more)
		fake_buf_grow(&c->in, more);
	for (;;) {
		int ev = wl_wait(c->fd, EPOLLIN | EPOLLRDHUP, deadline);
		ssize_t n;

		if (ev <= 0)
			return peer_left(c, ev);
		n = recv(c->fd, c->in.p + c->in.len, c->in.cap - c->in.len, 0);
		if (n > 0) {
			c->in.len += (size_t)n;
			return 0;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return peer_left(c, EPOLLRDHUP);
	}
}

/*
 * One send(2) in full: what does not fit waits until the client has read.
 */
static int
send_all(struct fake_conn *c, struct iovec *iov, int n)
{
	while (n > 0) {
		struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)n};
		ssize_t k = sendmsg(c->fd, &m, MSG_NOSIGNAL);
		size_t sent;

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == EAGAIN) {
			int ev = wl_wait(c->fd, EPOLLOUT | EPOLLRDHUP,
			    wl_mono_fresh() + FAKE_WRITE_MS);

			if (ev <= 0 || (ev & (EPOLLRDHUP | EPOLLERR)) != 0)
				return peer_left(c, ev);
			continue;
		}
		if (k < 0)
			return peer_left(c, EPOLLRDHUP);
		sent = (size_t)k;
		c->bytes += sent;
		if (c->first_us == 0)
			c->first_us = fake_conn_now_us();
		while (n > 0 && sent >= iov->iov_len) {
			sent -= iov->iov_len;
			iov++;
			n--;
		}
		if (n > 0) {
			iov->iov_base = (char *)iov->iov_base + sent;
			iov->iov_len -= sent;
		}
	}
	return 0;
}

/*
 * Give way between two writes, so that the other side can see them apart.
 */
static int
pause_between(struct fake_conn *c)
{
	if (c->gap_ms > 0)
		return fake_conn_wait(c, wl_mono_fresh() + c->gap_ms);
	wl_co_yield();
	return 0;
}

/*
 * Take up to MOST bytes from the front of IOV into OUT.  Returns the pieces
 * taken; none when IOV is used up.
 */
static int
take_front(struct iovec *iov, int n, size_t most, struct iovec *out)
{
	int i, taken = 0;

	for (i = 0; i < n && most > 0; i++) {
		size_t len = iov[i].iov_len < most ? iov[i].iov_len : most;

		if (len == 0)
			continue;
		out[taken].iov_base = iov[i].iov_base;
		out[taken++].iov_len = len;
		iov[i].iov_base = (char *)iov[i].iov_base + len;
		iov[i].iov_len -= len;
		most -= len;
	}
	return taken;
}

int
fake_conn_send(struct fake_conn *c, struct iovec *iov, int n)
{
	struct iovec front[FAKE_IOV_MAX];
	int taken;

	if (c->split <= 0)
		return send_all(c, iov, n);
	while ((taken = take_front(iov, n, (size_t)c->split, front)) > 0)
		if (send_all(c, front, taken) == -1 || pause_between(c) == -1)
			return -1;
	return 0;
}

void
fake_conn_close(struct fake_conn *c)
{
	if (c->fd < 0)
		return;
	wl_forget(c->fd);
	close(c->fd);
	c->fd = -1;
	c->keep = false;
}

void
fake_conn_reset(struct fake_conn *c)
{
	struct linger l = {.l_onoff = 1, .l_linger = 0};

	if (c->fd >= 0)
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	fake_conn_close(c);
}

void
fake_conn_linger(struct fake_conn *c)
{
	int64_t deadline = wl_mono_fresh() + 2000;

	if (c->fd < 0 || shutdown(c->fd, SHUT_WR) == -1) {
		fake_conn_close(c);
		return;
	}
	fake_buf_trim(&c->in, 0);
	fake_buf_grow(&c->in, 64 * 1024);
	while (wl_mono_fresh() < deadline &&
	    wl_wait(c->fd, EPOLLIN | EPOLLRDHUP, deadline) > 0) {
		ssize_t n = recv(c->fd, c->in.p, c->in.cap, 0);

		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			break;
	}
	fake_conn_close(c);
}
