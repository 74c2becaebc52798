/*
 * Waiting: what a wait returns and when, and what it costs.
 */
#include "config.h"
#include "lib/base/co.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "tests/unit/child.h"
#include "tests/unit/tap.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LONG 30000	/* ms; a wait that should not last so long */

static int	ctls;	/* calls of epoll_ctl() */

int
epoll_ctl(int ep, int op, int fd, struct epoll_event *ev)
{
	ctls++;
	return (int)syscall(SYS_epoll_ctl, ep, op, fd, ev);
}

static char	line[64];

static void
note(char c)
{
	size_t n = strlen(line);

	if (n < sizeof(line) - 1) {
		line[n] = c;
		line[n + 1] = '\0';
	}
}

static struct wl_co *
spawn(void (*fn)(void *), void *arg)
{
	struct wl_co *co = wl_co_spawn("test", fn, arg);

	if (co == NULL)
		abort();
	return co;
}

static void
sockets(int s[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    s) == -1)
		abort();
}

static void
put(int fd)
{
	if (write(fd, "x", 1) != 1)
		abort();
}

static void
get(int fd)
{
	char c;

	if (read(fd, &c, 1) != 1)
		abort();
}

static void
drop(int fd)
{
	wl_forget(fd);
	close(fd);
}

static uint64_t
turns(void)
{
	struct wl_loop_stat st;

	wl_loop_stats(&st);
	return st.turns;
}

/*
 * Wait for EVENTS of FD for a moment only.
 */
static int
look(int fd, uint32_t events)
{
	return wl_wait(fd, events, wl_mono());
}

/* events */

static int
events_first(void *arg)
{
	int s[2];

	(void)arg;
	sockets(s);
	CU_ASSERT_EQUAL(look(s[0], EPOLLIN), 0);
	CU_ASSERT_EQUAL(look(s[0], EPOLLOUT), EPOLLOUT);
	CU_ASSERT_EQUAL(look(s[0], EPOLLIN | EPOLLOUT), EPOLLOUT);
	put(s[1]);
	CU_ASSERT_EQUAL(look(s[0], EPOLLIN), EPOLLIN);
	CU_ASSERT_EQUAL(look(s[0], EPOLLIN | EPOLLOUT), EPOLLIN | EPOLLOUT);
	CU_ASSERT_EQUAL(look(s[0], EPOLLRDHUP), 0);
	CU_ASSERT_EQUAL(look(s[0], 0), 0);

	/* half closed, with unread data before it */
	CU_ASSERT_EQUAL(shutdown(s[1], SHUT_WR), 0);
	CU_ASSERT_EQUAL(look(s[0], EPOLLRDHUP), EPOLLRDHUP);
	CU_ASSERT_EQUAL(look(s[0], EPOLLIN), EPOLLIN);
	CU_ASSERT_EQUAL(look(s[0], 0), 0);

	/* gone: told even to those that asked for nothing */
	close(s[1]);
	CU_ASSERT((look(s[0], 0) & EPOLLHUP) != 0);
	CU_ASSERT((look(s[0], EPOLLIN) & EPOLLHUP) != 0);
	drop(s[0]);
	return 0;
}

static void
test_events(void)
{
	CU_ASSERT_EQUAL(wl_run(events_first, NULL), 0);
}

static int
errors_first(void *arg)
{
	char path[] = "/tmp/wl-test-wait.XXXXXX";
	int fd = mkstemp(path), s[2];

	(void)arg;
	if (fd == -1)
		abort();
	(void)unlink(path);
	errno = 0;
	CU_ASSERT_EQUAL(look(fd, EPOLLIN), -1);
	CU_ASSERT_EQUAL(errno, EPERM);
	close(fd);
	errno = 0;
	CU_ASSERT_EQUAL(look(fd, EPOLLIN), -1);
	CU_ASSERT_EQUAL(errno, EBADF);
	errno = 0;
	CU_ASSERT_EQUAL(look(-7, EPOLLIN), -1);
	CU_ASSERT_EQUAL(errno, EBADF);
	sockets(s);
	errno = 0;
	CU_ASSERT_EQUAL(look(s[0], EPOLLIN | EPOLLET), -1);
	CU_ASSERT_EQUAL(errno, EINVAL);
	CU_ASSERT_EQUAL(look(s[0], EPOLLIN), 0);
	drop(s[0]);
	close(s[1]);
	return 0;
}

static void
test_errors(void)
{
	CU_ASSERT_EQUAL(wl_run(errors_first, NULL), 0);
}

/* deadlines */

struct nap {
	int64_t	ms;
	char	name;
	bool	early;
};

static void
nap(void *arg)
{
	struct nap *n = arg;
	int64_t until = wl_mono() + n->ms;

	if (wl_wait(-1, WL_WOKEN, until) != 0)
		note('?');
	n->early = wl_mono_fresh() < until;
	note(n->name);
}

static int
deadlines_first(void *arg)
{
	static struct nap naps[] = {
		{ 40, 'd', false }, { 10, 'a', false }, { 50, 'e', false },
		{ 20, 'b', false }, { 30, 'c', false }
	};
	size_t i;

	(void)arg;
	line[0] = '\0';
	for (i = 0; i < 5; i++)
		spawn(nap, &naps[i]);
	while (strlen(line) < 5)
		if (wl_sleep(1) != 0)
			return 1;
	CU_ASSERT_STRING_EQUAL(line, "abcde");
	for (i = 0; i < 5; i++)
		CU_ASSERT(!naps[i].early);
	return 0;
}

static void
test_deadlines(void)
{
	CU_ASSERT_EQUAL(wl_run(deadlines_first, NULL), 0);
}

static int
past_first(void *arg)
{
	uint64_t since = turns();
	int s[2];

	(void)arg;
	sockets(s);
	put(s[1]);
	CU_ASSERT_EQUAL(wl_wait(s[0], EPOLLIN, wl_mono() - 1), EPOLLIN);
	CU_ASSERT_EQUAL(wl_wait(s[0], EPOLLIN, INT64_MIN), EPOLLIN);
	get(s[0]);
	CU_ASSERT_EQUAL(wl_wait(s[0], EPOLLIN, INT64_MIN), 0);
	CU_ASSERT_EQUAL(wl_sleep(0), 0);
	CU_ASSERT_EQUAL(wl_sleep(-5), 0);
	CU_ASSERT(turns() - since >= 5);	/* others came in between */
	drop(s[0]);
	close(s[1]);
	return 0;
}

static void
test_past(void)
{
	CU_ASSERT_EQUAL(wl_run(past_first, NULL), 0);
}

/* waking */

static struct {
	int	fd;
	uint32_t events;
	int	result;
	int64_t	deadline;
	bool	done;
} waiter;

static void
waiter_main(void *arg)
{
	(void)arg;
	waiter.done = false;
	waiter.result = wl_wait(waiter.fd, waiter.events, waiter.deadline);
	waiter.done = true;
}

static struct wl_co *
waiter_start(int fd, uint32_t events, int64_t ms)
{
	waiter.fd = fd;
	waiter.events = events;
	waiter.deadline = wl_mono_fresh() + ms;
	return spawn(waiter_main, NULL);
}

static int
waiter_end(void)
{
	while (!waiter.done)
		if (wl_sleep(1) == -1)
			abort();
	return waiter.result;
}

static int
wake_first(void *arg)
{
	struct wl_co *co;
	int s[2];

	(void)arg;
	sockets(s);

	/* before it waits: not remembered */
	co = waiter_start(-1, WL_WOKEN, 5);
	wl_wake(co);
	CU_ASSERT_EQUAL(waiter_end(), 0);

	co = waiter_start(-1, WL_WOKEN, LONG);
	wl_co_yield();
	wl_wake(co);
	wl_wake(co);
	CU_ASSERT_EQUAL(waiter_end(), (int)WL_WOKEN);

	co = waiter_start(s[0], EPOLLIN | WL_WOKEN, LONG);
	wl_co_yield();
	wl_wake(co);
	CU_ASSERT_EQUAL(waiter_end(), (int)WL_WOKEN);

	/* without WL_WOKEN: not heard */
	co = waiter_start(s[0], EPOLLIN, LONG);
	wl_co_yield();
	wl_wake(co);
	wl_co_yield();
	CU_ASSERT(!waiter.done);
	put(s[1]);
	CU_ASSERT_EQUAL(waiter_end(), EPOLLIN);
	co = waiter_start(-1, 0, 5);
	wl_co_yield();
	wl_wake(co);
	CU_ASSERT_EQUAL(waiter_end(), 0);
	CU_ASSERT(wl_mono() >= waiter.deadline);

	/* the one that runs does not wait */
	wl_wake(wl_co_self());
	CU_ASSERT_EQUAL(wl_wait(-1, WL_WOKEN, wl_mono() + 2), 0);
	drop(s[0]);
	close(s[1]);
	return 0;
}

static void
test_wake(void)
{
	CU_ASSERT_EQUAL(wl_run(wake_first, NULL), 0);
}

/* one waiter */

static int
busy_first(void *arg)
{
	int s[2];

	(void)arg;
	sockets(s);
	waiter_start(s[0], EPOLLIN, LONG);
	wl_co_yield();
	errno = 0;
	CU_ASSERT_EQUAL(look(s[0], EPOLLOUT), -1);
	CU_ASSERT_EQUAL(errno, EBUSY);
	errno = 0;
	CU_ASSERT_EQUAL(wl_watch(s[0], EPOLLIN, NULL, NULL), -1);
	CU_ASSERT_EQUAL(errno, EBUSY);
	put(s[1]);
	CU_ASSERT_EQUAL(waiter_end(), EPOLLIN);
	CU_ASSERT_EQUAL(look(s[0], EPOLLOUT), EPOLLOUT);
	drop(s[0]);
	close(s[1]);
	return 0;
}

static void
test_busy(void)
{
	CU_ASSERT_EQUAL(wl_run(busy_first, NULL), 0);
}

/* forgetting */

static int
forget_first(void *arg)
{
	int s[2], t[2];

	(void)arg;
	/* who waits goes on until its deadline, and others may have the fd */
	sockets(s);
	waiter_start(s[0], EPOLLIN, 20);
	wl_co_yield();
	wl_forget(s[0]);
	put(s[1]);
	CU_ASSERT_EQUAL(look(s[0], EPOLLIN), EPOLLIN);
	CU_ASSERT(!waiter.done);
	CU_ASSERT_EQUAL(waiter_end(), 0);
	CU_ASSERT(wl_mono() >= waiter.deadline);

	/* the number comes back for another socket */
	drop(s[0]);
	close(s[1]);
	sockets(t);
	CU_ASSERT_EQUAL(t[0], s[0]);
	CU_ASSERT_EQUAL(look(t[0], EPOLLIN), 0);
	put(t[1]);
	CU_ASSERT_EQUAL(look(t[0], EPOLLIN), EPOLLIN);
	waiter_start(t[0], EPOLLRDHUP, LONG);
	wl_co_yield();
	close(t[1]);
	CU_ASSERT((waiter_end() & EPOLLRDHUP) != 0);
	drop(t[0]);
	wl_forget(t[0]);
	wl_forget(100000);
	wl_forget(-1);
	return 0;
}

static void
test_forget(void)
{
	CU_ASSERT_EQUAL(wl_run(forget_first, NULL), 0);
}

/*
 * A copy of the socket keeps it in epoll when its descriptor is closed: the
 * new owner of the number gets no event of the old one.
 */
static int
copy_first(void *arg)
{
	int s[2], t[2], copy;

	(void)arg;
	sockets(s);
	copy = dup(s[0]);
	CU_ASSERT_EQUAL(look(s[0], EPOLLIN), 0);
	drop(s[0]);
	sockets(t);
	CU_ASSERT_EQUAL(t[0], s[0]);
	put(s[1]);
	CU_ASSERT_EQUAL(look(t[0], EPOLLIN), 0);
	drop(t[0]);
	close(t[1]);
	close(copy);
	close(s[1]);
	return 0;
}

static void
test_copy(void)
{
	CU_ASSERT_EQUAL(wl_run(copy_first, NULL), 0);
}

/* cost */

static int
cost_first(void *arg)
{
	int i, s[2];

	(void)arg;
	sockets(s);
	ctls = 0;
	for (i = 0; i < 100; i++) {
		put(s[1]);
		CU_ASSERT_EQUAL(wl_wait(s[0], EPOLLIN, wl_mono() + LONG),
		    EPOLLIN);
		get(s[0]);
	}
	CU_ASSERT_EQUAL(ctls, 1);
	drop(s[0]);
	CU_ASSERT_EQUAL(ctls, 2);
	close(s[1]);
	return 0;
}

static void
test_cost(void)
{
	CU_ASSERT_EQUAL(wl_run(cost_first, NULL), 0);
}

/*
 * Sleep, and see that the loop slept as well.
 */
static bool
quiet(void)
{
	uint64_t since = turns();

	if (wl_sleep(30) != 0)
		abort();
	return turns() - since < 6;
}

static int
spin_first(void *arg)
{
	int s[2];

	(void)arg;
	sockets(s);
	put(s[1]);
	CU_ASSERT_EQUAL(look(s[0], EPOLLIN | EPOLLOUT), EPOLLIN | EPOLLOUT);
	CU_ASSERT(quiet());			/* nobody wants what holds */
	CU_ASSERT_EQUAL(look(s[0], EPOLLIN), EPOLLIN);
	CU_ASSERT_EQUAL(look(s[0], EPOLLOUT), EPOLLOUT);
	waiter_start(s[0], EPOLLRDHUP, 60);
	CU_ASSERT(quiet());			/* another event is wanted */
	CU_ASSERT_EQUAL(waiter_end(), 0);
	CU_ASSERT_EQUAL(shutdown(s[1], SHUT_WR), 0);
	waiter_start(s[0], 0, 60);
	CU_ASSERT(quiet());			/* only errors are wanted */
	CU_ASSERT_EQUAL(waiter_end(), 0);
	close(s[1]);
	CU_ASSERT((look(s[0], 0) & EPOLLHUP) != 0);
	CU_ASSERT(quiet());			/* an error that stays */
	CU_ASSERT((look(s[0], 0) & EPOLLHUP) != 0);
	drop(s[0]);
	return 0;
}

static void
test_spin(void)
{
	CU_ASSERT_EQUAL(wl_run(spin_first, NULL), 0);
}

/* listening together */

static int
exclusive_first(void *arg)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sa);
	int l, c1, c2;

	(void)arg;
	l = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	c1 = socket(AF_UNIX, SOCK_STREAM, 0);
	c2 = socket(AF_UNIX, SOCK_STREAM, 0);
	/* an abstract name that the kernel chooses */
	if (bind(l, (struct sockaddr *)&sa, sizeof(sa_family_t)) == -1 ||
	    listen(l, 8) == -1 ||
	    getsockname(l, (struct sockaddr *)&sa, &len) == -1)
		return 1;
	CU_ASSERT_EQUAL(look(l, EPOLLIN | EPOLLEXCLUSIVE), 0);
	CU_ASSERT_EQUAL(look(l, EPOLLIN | EPOLLEXCLUSIVE), 0);
	CU_ASSERT_EQUAL(connect(c1, (struct sockaddr *)&sa, len), 0);
	CU_ASSERT_EQUAL(look(l, EPOLLIN | EPOLLEXCLUSIVE), EPOLLIN);
	CU_ASSERT(quiet());
	CU_ASSERT_EQUAL(look(l, EPOLLIN), EPOLLIN);
	CU_ASSERT_EQUAL(look(l, EPOLLIN | EPOLLEXCLUSIVE), EPOLLIN);
	close(accept(l, NULL, NULL));
	CU_ASSERT_EQUAL(look(l, EPOLLIN | EPOLLEXCLUSIVE), 0);
	CU_ASSERT_EQUAL(connect(c2, (struct sockaddr *)&sa, len), 0);
	CU_ASSERT_EQUAL(look(l, EPOLLIN | EPOLLEXCLUSIVE), EPOLLIN);
	close(accept(l, NULL, NULL));
	close(c1);
	close(c2);
	drop(l);
	return 0;
}

static void
test_exclusive(void)
{
	CU_ASSERT_EQUAL(wl_run(exclusive_first, NULL), 0);
}

static struct {
	struct sockaddr_un	addr;
	socklen_t		len;
	int			l, go[2];
} shared;

/*
 * While the loop sleeps in epoll.
 */
static void
connect_later(void *arg)
{
	const struct timespec ts = { 0, 50000000 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)nanosleep(&ts, NULL);
	if (connect(fd, (struct sockaddr *)&shared.addr, shared.len) == -1)
		abort();
	*(int *)arg = fd;
}

/*
 * Has waited for connections, and is now busy with something else.
 */
static int
full_first(void *arg)
{
	(void)arg;
	if (look(shared.l, EPOLLIN | EPOLLEXCLUSIVE) != 0)
		return -1;
	put(shared.go[1]);
	if (wl_sleep(200) == -1 || wl_offload(connect_later, arg) == -1)
		return -1;
	return 0;
}

static int
free_first(void *arg)
{
	(void)arg;
	return wl_wait(shared.l, EPOLLIN | EPOLLEXCLUSIVE,
	    wl_mono() + 5000) == EPOLLIN ? 0 : 1;
}

/*
 * A connection wakes the process that waits for it, not the one that came
 * first and waits no more.
 */
static void
test_exclusive_processes(void)
{
	int fd = -1, status = -1;
	pid_t pid;

	memset(&shared, 0, sizeof(shared));
	shared.addr.sun_family = AF_UNIX;
	shared.len = sizeof(shared.addr);
	shared.l = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (bind(shared.l, (struct sockaddr *)&shared.addr,
	    sizeof(sa_family_t)) == -1 || listen(shared.l, 8) == -1 ||
	    getsockname(shared.l, (struct sockaddr *)&shared.addr,
	    &shared.len) == -1 || pipe(shared.go) == -1)
		abort();
	pid = fork();
	if (pid == 0) {
		(void)alarm(60);
		get(shared.go[0]);
		_exit(wl_run(free_first, NULL));
	}
	CU_ASSERT_EQUAL(wl_run(full_first, &fd), 0);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(fd);
	close(shared.l);
	close(shared.go[0]);
	close(shared.go[1]);
}

/* misuse */

static int
outside_child(void)
{
	return wl_wait(0, EPOLLIN, 0);
}

static int
sleep_child(void)
{
	return wl_sleep(1);
}

static void
test_outside(void)
{
	char err[4096];
	int status;

	status = wl_child(outside_child, err, sizeof(err));
	CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "wl_wait outside of a coroutine"));
	status = wl_child(sleep_child, err, sizeof(err));
	CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "events", test_events },
		{ "errors of descriptors", test_errors },
		{ "deadlines in order, none early", test_deadlines },
		{ "a deadline that has passed", test_past },
		{ "waking", test_wake },
		{ "one waiter for a descriptor", test_busy },
		{ "forgetting a descriptor", test_forget },
		{ "a copy of a forgotten descriptor", test_copy },
		{ "no epoll_ctl on the usual path", test_cost },
		{ "unwanted events do not spin", test_spin },
		{ "EPOLLEXCLUSIVE", test_exclusive },
		{ "EPOLLEXCLUSIVE, two processes", test_exclusive_processes },
		{ "outside of a loop", test_outside },
		{ NULL, NULL }
	};

	return wl_tap_run("wait", tests);
}
