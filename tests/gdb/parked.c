/*
 * Two parked coroutines, for a debugger to look at from stop_here().
 */
#include "config.h"

#include <sys/eventfd.h>

#include <stdlib.h>
#include <unistd.h>

#include "lib/base/co.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"

int	stops;

__attribute__((noinline)) static int
parks_here(int fd)
{
	int r = wl_wait(fd, EPOLLIN | EPOLLRDHUP, wl_mono() + 600000);

	return r + fd;
}

__attribute__((noinline)) static int
sleeps_here(void)
{
	int r = wl_sleep(600000);

	return r + 1;
}

static void
reader(void *arg)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	*(int *)arg += parks_here(fd);
	wl_forget(fd);
	close(fd);
}

static void
sleeper(void *arg)
{
	*(int *)arg += sleeps_here();
}

__attribute__((noinline)) static void
stop_here(void)
{
	stops++;
}

static int
first(void *arg)
{
	struct wl_co *a, *b;

	a = wl_co_spawn("reader", reader, arg);
	b = wl_co_spawn("sleeper", sleeper, arg);
	if (a == NULL || b == NULL)
		abort();
	wl_co_yield();
	wl_co_yield();
	stop_here();
	wl_co_cancel(a);
	wl_co_cancel(b);
	return 0;
}

int
main(void)
{
	int sum = 0;

	return wl_run(first, &sum);
}
