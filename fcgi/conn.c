/*
 * Connections of web servers: accepted, a coroutine for each.  An idle kept
 * one is a parked coroutine that holds nothing but its descriptor.
 */
#include "config.h"
#include "fcgi/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgi/io_fcgx.h"
#include "fcgi/worker.h"
#include "lib/base/co.h"
#include "lib/base/conf.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "lib/http/guard.h"

/* Waits that a wake ends are looked at again this often. */
#define LONG_MS		((int64_t)3600 * 1000)
/* Look again for a connection whose wake-up went to a process that died. */
#define ACCEPT_MS	1000
/* A connection that has not sent anything yet. */
#define FRESH_MS	((int64_t)60 * 1000)
/* The same, and for a kept one, when we are stopping: a request may be on the
   way, and web servers do not send a POST twice. */
#define FRESH_STOP_MS	1000
#define KEPT_STOP_MS	200

struct conn {
	struct conn		*prev, *next;
	struct conn		*next_waiting;
	struct wl_co		*co;
	struct wl_io_fcgx	*io;
	bool			 used;		/* has carried a request */
	bool			 idle;		/* waits for one */
	bool			 waiting;	/* has one, waits for a slot */
	int64_t			 since;
};

static struct {
	int			 listen_fd;
	const char		*addresses;	/* FCGI_WEB_SERVER_ADDRS */
	bool			(*serve)(struct wl_io *io);
	struct wl_co		*owner;
	struct wl_co		*acceptor;
	struct conn		*conns;
	struct conn		*first_waiting, **last_waiting;
	uint64_t		 idle;		/* kept connections */
	bool			 want_room;	/* the acceptor waits for some */
	int64_t			 stopped_at;
} l;

/*
 * There may be room for another connection.
 */
static void
room_made(void)
{
	if (l.want_room && l.acceptor != NULL)
		wl_wake(l.acceptor);
}

static bool
full(void)
{
	return wl_worker.requests >= (uint64_t)wl_worker.conf->max_requests;
}

/*
 * Wait for the next request on C.  Returns whether there is something to
 * read.
 */
static bool
await_request(struct conn *c)
{
	int64_t deadline;
	int got;

	c->idle = true;
	c->since = wl_mono();
	l.idle += c->used;
	room_made();
	do {
		deadline = c->since + (c->used ? LONG_MS : FRESH_MS);
		if (wl_worker.stopping)
			deadline = l.stopped_at + (c->used ? KEPT_STOP_MS :
			    FRESH_STOP_MS);
		got = wl_io_fcgx_idle(c->io, deadline);
	} while (got == 0 && wl_mono() < deadline);
	l.idle -= c->used;
	c->idle = false;
	return got == 1;
}

static void
wake_waiting(void)
{
	if (l.first_waiting != NULL)
		wl_wake(l.first_waiting->co);
}

/*
 * A kept connection can bring a request when all slots are taken.
 */
static bool
take_slot(struct conn *c)
{
	struct conn **link;
	int got = 1;

	if (full() || l.first_waiting != NULL) {
		c->waiting = true;
		c->next_waiting = NULL;
		*l.last_waiting = c;
		l.last_waiting = &c->next_waiting;
		while (got != -1 && (full() || l.first_waiting != c))
			got = wl_wait(-1, WL_WOKEN, wl_mono() + LONG_MS);
		for (link = &l.first_waiting; *link != c;
		    link = &(*link)->next_waiting)
			;
		if ((*link = c->next_waiting) == NULL)
			l.last_waiting = link;
		c->waiting = false;
	}
	if (got != -1)
		wl_worker.requests++;
	if (!full())
		wake_waiting();
	return got != -1;
}

static void
give_slot(void)
{
	wl_worker.requests--;
	wake_waiting();
	room_made();
}

static bool
serve_one(struct conn *c)
{
	struct wl_io *io = wl_io_fcgx_accept(c->io);

	if (io == NULL || !l.serve(io))
		return false;
	return wl_io_fcgx_end(c->io);
}

static void
connection(void *arg)
{
	struct conn *c = arg;
	bool keep = true;

	while (keep && !wl_co_cancelled() && await_request(c) &&
	    take_slot(c)) {
		keep = serve_one(c);
		c->used = true;
		give_slot();
	}
	wl_io_fcgx_close(c->io);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		l.conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	free(c);
	wl_worker.connections--;
	room_made();
	if (wl_worker.stopping)
		wl_wake(l.owner);
}

static void
add_connection(int fd)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL || (c->io = wl_io_fcgx_open(fd)) == NULL) {
		wl_log(WL_ERROR, "worker.memory",
		    "no memory for a connection");
		close(fd);
		free(c);
		return;
	}
	c->next = l.conns;
	if (c->next != NULL)
		c->next->prev = c;
	l.conns = c;
	wl_worker.connections++;
	if (wl_worker.stopping)
		wl_io_fcgx_last(c->io);
	if ((c->co = wl_co_spawn("connection", connection, c)) != NULL)
		return;
	wl_log(WL_ERROR, "worker.memory", "no stack for a connection");
	l.conns = c->next;
	if (l.conns != NULL)
		l.conns->prev = NULL;
	wl_worker.connections--;
	wl_io_fcgx_close(c->io);
	free(c);
}

/*
 * Whether the web server at SS may talk to us (FastCGI specification, 3.2).
 */
static bool
peer_allowed(const struct sockaddr_storage *ss)
{
	const struct sockaddr_in6 *in6 = (const void *)ss;
	const struct sockaddr_in *in = (const void *)ss;
	char text[INET6_ADDRSTRLEN];
	const void *raw = &in->sin_addr;

	if (l.addresses == NULL ||
	    (ss->ss_family != AF_INET && ss->ss_family != AF_INET6))
		return true;
	if (ss->ss_family == AF_INET6)
		raw = &in6->sin6_addr;
	return inet_ntop(ss->ss_family, raw, text, sizeof(text)) != NULL &&
	    wl_guard_addr_in(text, l.addresses);
}

static void
accept_one(void)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	int fd, on = 1;

	fd = accept4(l.listen_fd, (struct sockaddr *)&ss, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd == -1) {
		/* another process was faster, or the peer has gone again */
		if (errno == EAGAIN || errno == EINTR ||
		    errno == ECONNABORTED)
			return;
		wl_log(WL_ERROR, "worker.accept", "%s", strerror(errno));
		wl_sleep(100);
		return;
	}
	if (!peer_allowed(&ss)) {
		close(fd);
		return;
	}
	if (ss.ss_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	add_connection(fd);
}

/*
 * Kept connections beyond what can be served are closed, the longest idle
 * one first.
 */
static void
close_idlest(void)
{
	struct conn *c, *idlest = NULL;

	for (c = l.conns; c != NULL; c = c->next)
		if (c->idle && c->used &&
		    (idlest == NULL || c->since < idlest->since))
			idlest = c;
	if (idlest != NULL)
		wl_co_cancel(idlest->co);
}

static void
accept_loop(void *arg)
{
	int got = 0;

	(void)arg;
	while (!wl_worker.stopping && got != -1) {
		uint64_t max = (uint64_t)wl_worker.conf->max_requests;

		/* who has not sent anything yet is about to */
		l.want_room = wl_worker.connections - l.idle >= max;
		if (l.want_room) {
			got = wl_wait(-1, WL_WOKEN, wl_mono() + LONG_MS);
			continue;
		}
		got = wl_wait(l.listen_fd, EPOLLIN | EPOLLEXCLUSIVE,
		    wl_mono() + ACCEPT_MS);
		if (got > 0 && (got & EPOLLIN)) {
			if (wl_worker.connections >= 2 * max + 64)
				close_idlest();
			accept_one();
		}
	}
	/* the only wake-up for a connection may have been ours */
	accept_one();
	l.acceptor = NULL;
	wl_wake(l.owner);
}

int
wl_conn_open(int fd, bool (*serve)(struct wl_io *io))
{
	memset(&l, 0, sizeof(l));
	l.listen_fd = fd;
	l.addresses = getenv("FCGI_WEB_SERVER_ADDRS");
	l.serve = serve;
	l.owner = wl_co_self();
	l.last_waiting = &l.first_waiting;
	/* it may have been asked to stop already */
	l.stopped_at = wl_mono();
	l.acceptor = wl_co_spawn("accept", accept_loop, NULL);
	return l.acceptor == NULL ? -1 : 0;
}

void
wl_conn_stop(void)
{
	struct conn *c;

	l.stopped_at = wl_mono();
	if (l.acceptor != NULL)
		wl_co_cancel(l.acceptor);
	for (c = l.conns; c != NULL; c = c->next) {
		wl_io_fcgx_last(c->io);
		if (c->idle)
			wl_wake(c->co);
	}
}

void
wl_conn_cancel(void)
{
	struct conn *c;

	for (c = l.conns; c != NULL; c = c->next)
		wl_co_cancel(c->co);
}

bool
wl_conn_any(void)
{
	return wl_worker.connections > 0 || l.acceptor != NULL;
}
