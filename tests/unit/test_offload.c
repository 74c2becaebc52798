/*
 * Helper threads: others run meanwhile, many jobs at once, no cancellation.
 */
#include "config.h"
#include "lib/base/co.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "tests/unit/child.h"
#include "tests/unit/tap.h"

#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define JOBS 200
#define LONG 30000	/* ms; a wait that should not last so long */

static bool	no_threads;

/*
 * Called before each thread is made: when it fails there is none.
 */
int
pthread_attr_setstacksize(pthread_attr_t *attr, size_t size)
{
	(void)attr;
	(void)size;
	return no_threads ? EINVAL : 0;
}

static void
block(long ms)
{
	const struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&ts, NULL);
}

static int
threads(void)
{
	DIR *d = opendir("/proc/self/task");
	const struct dirent *e;
	int n = 0;

	if (d == NULL)
		return -1;
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static struct wl_co *
spawn(void (*fn)(void *), void *arg)
{
	struct wl_co *co = wl_co_spawn("test", fn, arg);

	if (co == NULL)
		abort();
	return co;
}

/* others */

struct task {
	atomic_int	 release;
	pthread_t	 thread;
	int		 errors;
	bool		 done;
};

static void
hold(void *arg)
{
	struct task *t = arg;
	int i;

	t->thread = pthread_self();
	for (i = 0; i < 20000 && atomic_load(&t->release) == 0; i++)
		block(1);
	errno = EXDEV;
}

static void
holder(void *arg)
{
	struct task *t = arg;

	errno = ENOTTY;
	if (wl_offload(hold, t) != 0 || errno != ENOTTY)
		t->errors++;
	t->done = true;
}

static int
others_first(void *arg)
{
	struct task t = { 0 };
	int i;

	(void)arg;
	spawn(holder, &t);
	for (i = 0; i < 20; i++)
		if (wl_sleep(1) == -1)
			return 1;
	CU_ASSERT(!t.done);
	atomic_store(&t.release, 1);
	while (!t.done)
		if (wl_sleep(1) == -1)
			return 1;
	CU_ASSERT_EQUAL(t.errors, 0);
	CU_ASSERT(!pthread_equal(t.thread, pthread_self()));
	return 0;
}

static void
test_others(void)
{
	int before = threads(), i;

	CU_ASSERT_EQUAL(wl_run(others_first, NULL), 0);
	/* the kernel may show one that was joined a moment longer */
	for (i = 0; i < 2000 && threads() != before; i++)
		block(1);
	CU_ASSERT_EQUAL(threads(), before);
}

/* many */

static atomic_int	now, most, ran;
static int		returned, wrong;

static void
job(void *arg)
{
	int n = atomic_fetch_add(&now, 1) + 1, m = atomic_load(&most);

	while (n > m && !atomic_compare_exchange_weak(&most, &m, n))
		;
	block(1);
	*(int *)arg += 1;
	atomic_fetch_add(&ran, 1);
	atomic_fetch_sub(&now, 1);
}

static void
jobber(void *arg)
{
	int mine = (int)(intptr_t)arg;

	if (wl_offload(job, &mine) != 0 || mine != (int)(intptr_t)arg + 1)
		wrong++;
	returned++;
}

static int
many_first(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < JOBS; i++)
		spawn(jobber, (void *)(intptr_t)i);
	while (returned < JOBS)
		if (wl_sleep(1) == -1)
			return 1;
	return 0;
}

static void
test_many(void)
{
	CU_ASSERT_EQUAL(wl_run(many_first, NULL), 0);
	CU_ASSERT_EQUAL(atomic_load(&ran), JOBS);
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT(atomic_load(&most) > 1);
	CU_ASSERT(atomic_load(&most) <= 4);
}

/* signals */

static void
blocked(void *arg)
{
	sigset_t set;

	if (pthread_sigmask(SIG_SETMASK, NULL, &set) == 0)
		*(bool *)arg = sigismember(&set, SIGTERM) == 1 &&
		    sigismember(&set, SIGHUP) == 1 &&
		    sigismember(&set, SIGCHLD) == 1;
}

static int
signals_first(void *arg)
{
	sigset_t before, after;
	bool ok = false;

	(void)arg;
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	CU_ASSERT_EQUAL(wl_offload(blocked, &ok), 0);
	CU_ASSERT(ok);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	CU_ASSERT_EQUAL(sigismember(&before, SIGTERM),
	    sigismember(&after, SIGTERM));
	return 0;
}

static void
test_signals(void)
{
	CU_ASSERT_EQUAL(wl_run(signals_first, NULL), 0);
}

/* cancellation */

static struct {
	struct task	task;
	int		job, sleep, sleep_errno;
} victim;

static void
victim_main(void *arg)
{
	(void)arg;
	victim.job = wl_offload(hold, &victim.task);
	victim.sleep = wl_sleep(LONG);
	victim.sleep_errno = errno;
	victim.task.done = true;
}

static int
cancel_first(void *arg)
{
	struct wl_co *co = spawn(victim_main, NULL);
	int i;

	(void)arg;
	wl_co_yield();
	wl_co_cancel(co);
	wl_wake(co);
	for (i = 0; i < 5; i++)
		if (wl_sleep(1) == -1)
			return 1;
	CU_ASSERT(!victim.task.done);
	atomic_store(&victim.task.release, 1);
	while (!victim.task.done)
		if (wl_sleep(1) == -1)
			return 1;
	CU_ASSERT_EQUAL(victim.job, 0);
	CU_ASSERT_EQUAL(victim.sleep, -1);
	CU_ASSERT_EQUAL(victim.sleep_errno, ECANCELED);
	return 0;
}

static void
test_cancel(void)
{
	CU_ASSERT_EQUAL(wl_run(cancel_first, NULL), 0);
}

/* no thread */

static void
count(void *arg)
{
	++*(int *)arg;
}

static int
none_first(void *arg)
{
	int n = 0;

	(void)arg;
	no_threads = true;
	errno = 0;
	CU_ASSERT_EQUAL(wl_offload(count, &n), -1);
	CU_ASSERT_EQUAL(errno, EAGAIN);
	CU_ASSERT_EQUAL(n, 0);
	no_threads = false;
	CU_ASSERT_EQUAL(wl_offload(count, &n), 0);
	no_threads = true;	/* one there is */
	CU_ASSERT_EQUAL(wl_offload(count, &n), 0);
	no_threads = false;
	CU_ASSERT_EQUAL(n, 2);
	return 0;
}

static void
test_none(void)
{
	CU_ASSERT_EQUAL(wl_run(none_first, NULL), 0);
}

/* misuse */

static void
waits(void *arg)
{
	(void)arg;
	(void)!wl_sleep(1);
}

static int
inside_first(void *arg)
{
	(void)arg;
	return wl_offload(waits, NULL);
}

static int
inside_child(void)
{
	return wl_run(inside_first, NULL);
}

static int
outside_child(void)
{
	return wl_offload(waits, NULL);
}

static void
not_here(void *arg)
{
	*(bool *)arg = wl_co_self() == NULL && !wl_co_cancelled() &&
	    wl_mono() > 0;
}

static int
helper_first(void *arg)
{
	bool ok = false;

	(void)arg;
	CU_ASSERT_EQUAL(wl_offload(not_here, &ok), 0);
	CU_ASSERT(ok);
	return 0;
}

static void
test_misuse(void)
{
	char err[4096];
	int status;

	status = wl_child(inside_child, err, sizeof(err));
	CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "wl_wait outside of a coroutine"));
	status = wl_child(outside_child, err, sizeof(err));
	CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "wl_offload outside of a corout"));
	CU_ASSERT_EQUAL(wl_run(helper_first, NULL), 0);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "others run meanwhile", test_others },
		{ "200 at once", test_many },
		{ "signals are blocked", test_signals },
		{ "a cancelled one stays until its job is done", test_cancel },
		{ "no thread can be made", test_none },
		{ "misuse aborts", test_misuse },
		{ NULL, NULL }
	};

	return wl_tap_run("offload", tests);
}
