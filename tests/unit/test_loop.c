/*
 * The loop: turns, timers, watches, hooks, the clock, fairness.
 */
#include "config.h"
#include "lib/base/co.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "tests/unit/child.h"
#include "tests/unit/tap.h"

#include <sys/eventfd.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONG 30000	/* ms; a wait that should not last so long */

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

static void
note_arg(void *arg)
{
	note(*(const char *)arg);
}

static void
spawn(const char *name, void (*fn)(void *), void *arg)
{
	if (wl_co_spawn(name, fn, arg) == NULL)
		abort();
}

static void
timer(struct wl_timer *t, int64_t deadline, void (*cb)(void *), void *arg)
{
	if (wl_timer_set(t, deadline, cb, arg) == -1)
		abort();
}

static int
efd(unsigned v)
{
	int fd = eventfd(v, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd == -1)
		abort();
	return fd;
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

static void
burn(int64_t ms)
{
	int64_t end = wl_mono_fresh() + ms;

	while (wl_mono_fresh() < end)
		;
}

/* run */

static void
late(void *arg)
{
	if (wl_sleep(5) == 0)
		note('l');
	(void)arg;
}

static int
inner(void *arg)
{
	(void)arg;
	note('!');
	return 0;
}

static int
run_first(void *arg)
{
	int r;

	spawn("late", late, NULL);
	errno = 0;
	r = wl_run(inner, NULL);
	if (r == -1 && errno == EBUSY)
		note('b');
	return *(const int *)arg;
}

static void
test_run(void)
{
	int ret;

	for (ret = -3; ret < 4; ret++) {
		line[0] = '\0';
		CU_ASSERT_EQUAL(wl_run(run_first, &ret), ret);
		CU_ASSERT_STRING_EQUAL(line, "bl");
	}
}

/* timers */

static int
timers_first(void *arg)
{
	static struct wl_timer t[6];
	int64_t now = wl_mono_fresh();

	(void)arg;
	timer(&t[0], now + 9, note_arg, "c");
	timer(&t[1], now + 3, note_arg, "a");
	timer(&t[2], now + 6, note_arg, "b");
	timer(&t[3], now + 1, note_arg, "x");
	timer(&t[4], now + 1, note_arg, "e");
	timer(&t[4], now + 15, note_arg, "e");	/* moved back */
	timer(&t[5], now + LONG, note_arg, "d");
	timer(&t[5], now + 12, note_arg, "d");	/* moved forward */
	wl_timer_clear(&t[3]);
	wl_timer_clear(&t[3]);
	CU_ASSERT_EQUAL(t[3].pos, 0);
	if (wl_sleep(40) == -1)
		return 1;
	CU_ASSERT_EQUAL(t[0].pos, 0);
	timer(&t[0], INT64_MIN, note_arg, "p");
	timer(&t[1], INT64_MAX, note_arg, "f");	/* is dropped at the end */
	if (wl_sleep(1) == -1)
		return 1;
	return 0;
}

static void
test_timers(void)
{
	line[0] = '\0';
	CU_ASSERT_EQUAL(wl_run(timers_first, NULL), 0);
	CU_ASSERT_STRING_EQUAL(line, "abcdep");
}

#define TIMERS 2000

static struct {
	struct wl_timer	t[TIMERS];
	bool		cleared[TIMERS];
	int		fired, wrong;
	int64_t		last;
} lot;

static void
lot_fired(void *arg)
{
	struct wl_timer *t = arg;

	if (t->pos != 0 || lot.cleared[t - lot.t] || t->deadline < lot.last ||
	    t->deadline > wl_mono())
		lot.wrong++;
	lot.last = t->deadline;
	lot.fired++;
}

/*
 * All are due at once, so that the heap alone decides the order.
 */
static int
lot_first(void *arg)
{
	uint32_t seed = 7;
	int64_t now = wl_mono();
	int i, left = TIMERS;

	(void)arg;
	for (i = 0; i < 3 * TIMERS; i++) {
		seed = seed * 1103515245 + 12345;
		timer(&lot.t[i % TIMERS], now - 1 - (int64_t)(seed >> 20),
		    lot_fired, &lot.t[i % TIMERS]);
	}
	for (i = 0; i < TIMERS; i += 3) {
		wl_timer_clear(&lot.t[i]);
		lot.cleared[i] = true;
		left--;
	}
	lot.last = INT64_MIN;
	while (lot.fired < left)
		wl_co_yield();
	CU_ASSERT_EQUAL(lot.fired, left);
	CU_ASSERT_EQUAL(lot.wrong, 0);
	return 0;
}

static void
test_heap(void)
{
	memset(&lot, 0, sizeof(lot));
	CU_ASSERT_EQUAL(wl_run(lot_first, NULL), 0);
}

static struct wl_timer	again_timer;
static int		again_count;

static void
again(void *arg)
{
	again_count++;
	timer(&again_timer, wl_mono() - 1, again, arg);
}

static int
again_first(void *arg)
{
	uint64_t since = turns();

	(void)arg;
	timer(&again_timer, wl_mono(), again, NULL);
	if (wl_sleep(2) == -1)
		return 1;
	wl_timer_clear(&again_timer);
	CU_ASSERT(again_count > 0);
	CU_ASSERT((uint64_t)again_count <= 2 * (turns() - since));
	return 0;
}

static void
test_timer_again(void)
{
	CU_ASSERT_EQUAL(wl_run(again_first, NULL), 0);
}

/* watches */

static void
watch_note(int fd, uint32_t revents, void *arg)
{
	eventfd_t v;

	if (wl_co_self() != NULL || (revents & EPOLLIN) == 0 ||
	    eventfd_read(fd, &v) == -1)
		note('?');
	note_arg(arg);
}

static int
watch_first(void *arg)
{
	int fd = efd(1);

	(void)arg;
	CU_ASSERT_EQUAL(wl_watch(fd, EPOLLIN, watch_note, "a"), 0);
	wl_co_yield();
	wl_co_yield();
	CU_ASSERT_STRING_EQUAL(line, "a");
	CU_ASSERT_EQUAL(wl_watch(fd, EPOLLIN, watch_note, "b"), 0);
	CU_ASSERT_EQUAL(eventfd_write(fd, 1), 0);
	wl_co_yield();
	CU_ASSERT_STRING_EQUAL(line, "ab");
	errno = 0;
	CU_ASSERT_EQUAL(wl_wait(fd, EPOLLIN, wl_mono() + LONG), -1);
	CU_ASSERT_EQUAL(errno, EBUSY);
	wl_forget(fd);
	CU_ASSERT_EQUAL(eventfd_write(fd, 1), 0);
	wl_co_yield();
	wl_co_yield();
	CU_ASSERT_STRING_EQUAL(line, "ab");
	errno = 0;
	CU_ASSERT_EQUAL(wl_watch(-1, EPOLLIN, watch_note, "c"), -1);
	CU_ASSERT_EQUAL(errno, EBADF);
	errno = 0;
	CU_ASSERT_EQUAL(wl_watch(fd, EPOLLIN | EPOLLONESHOT, watch_note, "c"),
	    -1);
	CU_ASSERT_EQUAL(errno, EINVAL);
	drop(fd);
	errno = 0;
	CU_ASSERT_EQUAL(wl_watch(fd, EPOLLIN, watch_note, "c"), -1);
	CU_ASSERT_EQUAL(errno, EBADF);
	return 0;
}

static void
test_watch(void)
{
	line[0] = '\0';
	CU_ASSERT_EQUAL(wl_run(watch_first, NULL), 0);
}

static int	pair[2];

/*
 * Whichever is told first closes the other and opens another descriptor in
 * its place, which is ready for nothing.
 */
static void
watch_replace(int fd, uint32_t revents, void *arg)
{
	int other = fd == pair[0] ? pair[1] : pair[0];
	int next;

	(void)revents;
	(void)arg;
	note('r');
	wl_forget(other);
	close(other);
	next = eventfd(0, EFD_NONBLOCK);
	if (next != other ||
	    wl_watch(next, EPOLLIN, watch_note, "!") == -1)
		note('?');
	wl_forget(fd);
}

static int
replace_first(void *arg)
{
	(void)arg;
	pair[0] = efd(1);
	pair[1] = efd(1);
	if (wl_watch(pair[0], EPOLLIN, watch_replace, NULL) == -1 ||
	    wl_watch(pair[1], EPOLLIN, watch_replace, NULL) == -1)
		return 1;
	wl_co_yield();
	wl_co_yield();
	CU_ASSERT_STRING_EQUAL(line, "r");
	drop(pair[0]);
	drop(pair[1]);
	return 0;
}

static void
test_stale_event(void)
{
	line[0] = '\0';
	CU_ASSERT_EQUAL(wl_run(replace_first, NULL), 0);
}

/* hooks */

static struct wl_defer	hook, rehook;
static int		hooks;

static void
hook_again(void *arg)
{
	note_arg(arg);
	if (++hooks < 3)
		wl_defer(&rehook, hook_again, arg);
}

static void
queues(void *arg)
{
	note_arg(arg);
	wl_defer(&hook, note_arg, "h");
}

static int
defer_first(void *arg)
{
	(void)arg;
	spawn("queues", queues, "1");
	spawn("queues", queues, "2");
	note('m');
	wl_co_yield();
	note('M');
	wl_defer(&rehook, hook_again, "r");
	wl_defer(&rehook, hook_again, "r");
	wl_co_yield();
	note('.');
	return 0;
}

/*
 * The last hooks run although nobody is left.
 */
static void
test_defer(void)
{
	line[0] = '\0';
	hooks = 0;
	CU_ASSERT_EQUAL(wl_run(defer_first, NULL), 0);
	CU_ASSERT_STRING_EQUAL(line, "m12hMr.rr");
}

/* clock */

static int
clock_first(void *arg)
{
	int64_t t, fresh, before;

	(void)arg;
	t = wl_mono();
	burn(20);
	CU_ASSERT_EQUAL(wl_mono(), t);
	fresh = wl_mono_fresh();
	CU_ASSERT(fresh >= t + 20);
	wl_co_yield();
	CU_ASSERT(wl_mono() >= fresh);

	/* a sleep after long work counts from now */
	burn(30);
	before = wl_mono_fresh();
	CU_ASSERT_EQUAL(wl_sleep(20), 0);
	CU_ASSERT(wl_mono_fresh() >= before + 20);
	CU_ASSERT(wl_mono() >= before + 20);
	return 0;
}

static void
burner(void *arg)
{
	(void)arg;
	burn(20);
	CU_ASSERT_EQUAL(wl_sleep(0), 0);
}

static int64_t	seen_after;

static void
sees_clock(void *arg)
{
	(void)arg;
	seen_after = wl_mono();
}

static int
clock_next_first(void *arg)
{
	int64_t since = wl_mono_fresh();

	(void)arg;
	spawn("burner", burner, NULL);
	spawn("sees", sees_clock, NULL);
	wl_co_yield();
	CU_ASSERT(seen_after >= since + 20);
	return 0;
}

static void
test_clock(void)
{
	int64_t t = wl_mono();

	CU_ASSERT(t > 0);
	CU_ASSERT(wl_mono_fresh() >= t);
	burn(2);
	CU_ASSERT(wl_mono() >= t + 2);	/* no loop: not cached */
	CU_ASSERT_EQUAL(wl_run(clock_first, NULL), 0);
	CU_ASSERT_EQUAL(wl_run(clock_next_first, NULL), 0);
}

/* fairness */

static bool		enough;
static struct wl_co	*ping[2];

static void
set_enough(void *arg)
{
	(void)arg;
	enough = true;
}

static void
hog(void *arg)
{
	(void)arg;
	while (!enough)
		wl_co_yield();
	note('h');
}

static void
ponger(void *arg)
{
	int me = (int)(intptr_t)arg;

	while (!enough) {
		wl_wake(ping[1 - me]);
		if (wl_wait(-1, WL_WOKEN, wl_mono() + LONG) == -1)
			abort();
	}
	ping[me] = NULL;
	if (ping[1 - me] != NULL)
		wl_wake(ping[1 - me]);
	note('p');
}

static void
reader(void *arg)
{
	int fd = *(int *)arg;

	if (wl_wait(fd, EPOLLIN, wl_mono() + LONG) == EPOLLIN)
		note('r');
}

/*
 * The timer comes although there is always somebody who can run, and so
 * does the event of a descriptor.
 */
static int
fair_first(void *arg)
{
	struct wl_timer t = { 0 };
	int fd = efd(0);

	(void)arg;
	enough = false;
	spawn("reader", reader, &fd);
	spawn("hog", hog, NULL);
	ping[0] = wl_co_spawn("ping", ponger, (void *)(intptr_t)0);
	ping[1] = wl_co_spawn("pong", ponger, (void *)(intptr_t)1);
	wl_co_yield();
	if (eventfd_write(fd, 1) == -1)
		return 1;
	wl_co_yield();
	wl_co_yield();
	CU_ASSERT_STRING_EQUAL(line, "r");
	timer(&t, wl_mono_fresh() + 5, set_enough, NULL);
	while (!enough)
		if (wl_sleep(1) == -1)
			return 1;
	if (wl_sleep(5) == -1)
		return 1;
	CU_ASSERT_EQUAL(strlen(line), 4);
	drop(fd);
	return 0;
}

static void
test_fair(void)
{
	line[0] = '\0';
	CU_ASSERT_EQUAL(wl_run(fair_first, NULL), 0);
}

/* slow turns */

static int64_t	slow_us;
static char	slow_what[64];

static void
slow(int64_t us, const char *what)
{
	size_t n = strlen(what);

	slow_us = us;
	if (n < sizeof(slow_what))
		memcpy(slow_what, what, n + 1);
}

static void
burn_once(void *arg)
{
	(void)arg;
	burn(8);
}

static void
burn_watch(int fd, uint32_t revents, void *arg)
{
	(void)revents;
	(void)arg;
	wl_forget(fd);
	burn(8);
}

static bool
told(const char *name)
{
	bool ok;

	wl_co_yield();
	wl_co_yield();
	ok = slow_us > 5000 && strncmp(slow_what, name, strlen(name)) == 0;
	slow_us = 0;
	slow_what[0] = '\0';
	return ok;
}

static int
slow_first(void *arg)
{
	struct wl_defer d = { 0 };
	struct wl_timer t = { 0 };
	struct wl_loop_stat st;
	int fd = efd(1);

	(void)arg;
	spawn("burner", burn_once, NULL);
	CU_ASSERT(told("burner"));
	timer(&t, wl_mono(), burn_once, NULL);
	CU_ASSERT(told("timer"));
	wl_defer(&d, burn_once, NULL);
	CU_ASSERT(told("defer"));
	if (wl_watch(fd, EPOLLIN, burn_watch, NULL) == -1)
		return 1;
	CU_ASSERT(told("watch of fd "));
	burn(8);
	CU_ASSERT(told("main"));
	wl_loop_stats(&st);
	CU_ASSERT(st.slow_turns >= 5);
	CU_ASSERT(st.longest_us >= 7000);
	CU_ASSERT(st.turns >= st.slow_turns);
	close(fd);
	return 0;
}

static void
test_slow(void)
{
	wl_loop_on_slow(slow);
	CU_ASSERT_EQUAL(wl_run(slow_first, NULL), 0);
	wl_loop_on_slow(NULL);
}

/* signals */

static volatile sig_atomic_t	alarms;

static void
on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

static int
signal_first(void *arg)
{
	int64_t since = wl_mono_fresh();

	(void)arg;
	CU_ASSERT_EQUAL(wl_sleep(30), 0);
	CU_ASSERT(wl_mono_fresh() >= since + 30);
	CU_ASSERT(alarms > 0);
	return 0;
}

static void
test_interrupted(void)
{
	const struct itimerval often = { { 0, 2000 }, { 0, 2000 } };
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = on_alarm };

	sigemptyset(&sa.sa_mask);
	/* it stays: under valgrind the last signal may come after the timer */
	CU_ASSERT_EQUAL(sigaction(SIGALRM, &sa, NULL), 0);
	CU_ASSERT_EQUAL(setitimer(ITIMER_REAL, &often, NULL), 0);
	CU_ASSERT_EQUAL(wl_run(signal_first, NULL), 0);
	CU_ASSERT_EQUAL(setitimer(ITIMER_REAL, &never, NULL), 0);
}

/* misuse */

static void
parked(void *arg)
{
	if (wl_wait(-1, WL_WOKEN, INT64_MAX) == -1)
		abort();
	(void)arg;
}

static void
nothing(void *arg)
{
	(void)arg;
}

/*
 * A helper thread that has nothing to do wakes nobody either.
 */
static int
deadlock_first(void *arg)
{
	(void)arg;
	if (wl_offload(nothing, NULL) == -1)
		return 1;
	spawn("parked-one", parked, NULL);
	spawn("parked-two", parked, NULL);
	return wl_sleep(1);
}

static int
deadlock_child(void)
{
	return wl_run(deadlock_first, NULL);
}

static void
wait_in_callback(void *arg)
{
	(void)arg;
	(void)!wl_sleep(1);
}

static int
callback_first(void *arg)
{
	struct wl_timer t = { 0 };

	(void)arg;
	timer(&t, wl_mono(), wait_in_callback, NULL);
	return wl_sleep(LONG);
}

static int
callback_child(void)
{
	return wl_run(callback_first, NULL);
}

static int
watch_child(void)
{
	return wl_watch(0, EPOLLIN, watch_note, "x");
}

static int
timer_child(void)
{
	struct wl_timer t = { 0 };

	return wl_timer_set(&t, 0, note_arg, "x");
}

static int
defer_child(void)
{
	wl_defer(&hook, note_arg, "x");
	return 0;
}

static bool
aborts(int (*fn)(void), const char *text)
{
	char err[4096];
	int status = wl_child(fn, err, sizeof(err));

	return status != -1 && WIFSIGNALED(status) &&
	    WTERMSIG(status) == SIGABRT && strstr(err, text) != NULL;
}

static void
test_misuse(void)
{
	struct wl_timer t = { 0 };

	CU_ASSERT(aborts(deadlock_child, "parked: parked-one"));
	CU_ASSERT(aborts(deadlock_child, "parked: parked-two"));
	CU_ASSERT(aborts(deadlock_child, "deadlock"));
	CU_ASSERT(aborts(callback_child, "wl_wait outside of a coroutine, in"));
	CU_ASSERT(aborts(watch_child, "wl_watch outside of wl_run"));
	CU_ASSERT(aborts(timer_child, "wl_timer_set outside of wl_run"));
	CU_ASSERT(aborts(defer_child, "wl_defer outside of wl_run"));
	wl_forget(0);		/* these two do no harm */
	wl_timer_clear(&t);
}

/* fork */

static void
offloaded(void *arg)
{
	*(int *)arg = 7;
}

static int
forked_first(void *arg)
{
	int v = 0;

	(void)arg;
	if (wl_offload(offloaded, &v) == -1 || wl_sleep(1) == -1)
		return 1;
	return v;
}

static int
forked_child(void)
{
	return wl_run(forked_first, NULL);
}

static void
test_fork(void)
{
	char err[4096];
	int i, status;

	for (i = 0; i < 3; i++) {
		status = wl_child(forked_child, err, sizeof(err));
		CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
		CU_ASSERT_EQUAL(wl_run(forked_first, NULL), 7);
	}
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "run returns what the first one returns", test_run },
		{ "timers", test_timers },
		{ "many timers in order", test_heap },
		{ "a timer that is set again and again", test_timer_again },
		{ "watches", test_watch },
		{ "an event of a closed descriptor", test_stale_event },
		{ "hooks at the end of a turn", test_defer },
		{ "the clock after long work", test_clock },
		{ "nobody starves", test_fair },
		{ "slow turns are told", test_slow },
		{ "signals", test_interrupted },
		{ "misuse aborts", test_misuse },
		{ "fork before the loop", test_fork },
		{ NULL, NULL }
	};

	return wl_tap_run("loop", tests);
}
