/*
 * Coroutines: many of them, their stacks, cancellation, errno.
 */
#include "config.h"
#include "lib/base/co.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "tests/unit/child.h"
#include "tests/unit/tap.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/valgrind.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN
#endif
#endif

#define LONG 30000	/* ms; a wait that should not last so long */

static bool	no_memory;

/*
 * The scheduler's, so that it can be made to fail.
 */
int
mprotect(void *p, size_t len, int prot)
{
	if (no_memory) {
		errno = ENOMEM;
		return -1;
	}
	return (int)syscall(SYS_mprotect, p, len, prot);
}

static void
spawn(const char *name, void (*fn)(void *), void *arg)
{
	if (wl_co_spawn(name, fn, arg) == NULL)
		abort();
}

static uint64_t
stacks(void)
{
	struct wl_loop_stat st;

	wl_loop_stats(&st);
	return st.stacks;
}

static uint64_t
alive(void)
{
	struct wl_loop_stat st;

	wl_loop_stats(&st);
	return st.coroutines;
}

/* ten thousand */

#define MANY_MAX 10000
#define EFDS 200

static struct {
	struct wl_co	*co[MANY_MAX];	/* NULL when it has returned */
	int		 efd[EFDS];	/* of the first ones */
	int		 n, done, early, wrong;
	int		 woken, events, deadlines;
	uint32_t	 seed;
} many;

static uint32_t
draw(uint32_t n)
{
	many.seed ^= many.seed << 13;
	many.seed ^= many.seed >> 17;
	many.seed ^= many.seed << 5;
	return many.seed % n;
}

static void
many_sleep(void)
{
	int64_t ms = draw(8), since = wl_mono_fresh();

	if (wl_sleep(ms) != 0)
		many.wrong++;
	if (wl_mono_fresh() < since + ms)
		many.early++;
}

static void
many_wait(int fd)
{
	int64_t deadline = wl_mono() + 1 + draw(8);
	int r;

	r = wl_wait(fd, EPOLLIN | WL_WOKEN, deadline);
	if (r == 0) {
		many.deadlines++;
		if (wl_mono_fresh() < deadline)
			many.early++;
	} else if (r == (int)WL_WOKEN) {
		many.woken++;
	} else if (r == EPOLLIN && fd != -1) {
		eventfd_t v;

		many.events++;
		if (eventfd_read(fd, &v) == -1)
			many.wrong++;
	} else {
		many.wrong++;
	}
}

static void
many_stir(void)
{
	struct wl_co *other = many.co[draw((uint32_t)many.n)];

	if (other != NULL)
		wl_wake(other);
	if (eventfd_write(many.efd[draw(EFDS)], 1) == -1)
		many.wrong++;
}

static void
many_main(void *arg)
{
	int i = (int)(intptr_t)arg, step;
	volatile int mine[64];

	for (step = 0; step < 64; step++)
		mine[step] = i;
	for (step = 0; step < 8; step++) {
		switch (draw(4)) {
		case 0:
			wl_co_yield();
			break;
		case 1:
			many_sleep();
			break;
		case 2:
			many_wait(i < EFDS ? many.efd[i] : -1);
			break;
		case 3:
			many_stir();
			break;
		}
		if (wl_co_self() != many.co[i])
			many.wrong++;
	}
	for (step = 0; step < 64; step++)
		if (mine[step] != i)
			many.wrong++;
	many.co[i] = NULL;
	many.done++;
}

static int
many_first(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < EFDS; i++) {
		many.efd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (many.efd[i] == -1)
			abort();
	}
	for (i = 0; i < many.n; i++) {
		many.co[i] = wl_co_spawn("many", many_main, (void *)(intptr_t)i);
		if (many.co[i] == NULL)
			abort();
	}
	if (alive() != (uint64_t)many.n + 1 || many.done != 0)
		many.wrong++;
	while (many.done < many.n)
		if (wl_sleep(1) == -1)
			abort();
	for (i = 0; i < EFDS; i++) {
		wl_forget(many.efd[i]);
		close(many.efd[i]);
	}
	return 0;
}

static void
test_many(void)
{
	uint32_t seed;

	for (seed = 1; seed <= 2; seed++) {
		memset(&many, 0, sizeof(many));
		many.seed = seed;
		many.n = MANY_MAX;
#ifdef HAVE_VALGRIND_VALGRIND_H
		if (RUNNING_ON_VALGRIND)
			many.n = 400;
#endif
		CU_ASSERT_EQUAL(wl_run(many_first, NULL), 0);
		CU_ASSERT_EQUAL(many.done, many.n);
		CU_ASSERT_EQUAL(many.early, 0);
		CU_ASSERT_EQUAL(many.wrong, 0);
		CU_ASSERT(many.woken > 0);
		CU_ASSERT(many.events > 0);
		CU_ASSERT(many.deadlines > 0);
		CU_ASSERT_EQUAL(alive(), 0);
		CU_ASSERT_EQUAL(stacks(), 0);
	}
}

/* who runs when */

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
leaf(void *arg)
{
	note(*(const char *)arg);
}

static void
branch(void *arg)
{
	(void)arg;
	note('b');
	spawn("leaf", leaf, "l");
	note('B');
}

static int
nested_first(void *arg)
{
	(void)arg;
	spawn("branch", branch, NULL);
	note('m');
	wl_co_yield();
	note('M');
	return 0;
}

static void
test_nested(void)
{
	line[0] = '\0';
	CU_ASSERT_EQUAL(wl_run(nested_first, NULL), 0);
	CU_ASSERT_STRING_EQUAL(line, "mbBlM");
}

static void
event_note(int fd, uint32_t revents, void *arg)
{
	(void)arg;
	note('e');
	if (wl_co_self() != NULL || (revents & EPOLLIN) == 0)
		note('?');
	wl_forget(fd);
}

static int
yield_first(void *arg)
{
	int fd = eventfd(1, EFD_NONBLOCK);

	(void)arg;
	if (wl_watch(fd, EPOLLIN, event_note, NULL) == -1)
		return 1;
	spawn("leaf", leaf, "1");
	spawn("leaf", leaf, "2");
	note('y');
	wl_co_yield();
	note('Y');
	close(fd);
	return 0;
}

static void
test_yield(void)
{
	line[0] = '\0';
	CU_ASSERT_EQUAL(wl_run(yield_first, NULL), 0);
	CU_ASSERT_STRING_EQUAL(line, "y12eY");
}

/* errno */

static int	errno_wrong;

static void
errno_main(void *arg)
{
	int mine = (int)(intptr_t)arg, i;

	if (errno != 0)
		errno_wrong++;
	for (i = 0; i < 50; i++) {
		errno = mine;
		if (i % 2 == 0)
			wl_co_yield();
		else if (wl_sleep(0) != 0)
			errno_wrong++;
		if (errno != mine)
			errno_wrong++;
	}
}

static int
errno_first(void *arg)
{
	int i;

	(void)arg;
	for (i = 1; i <= 20; i++)
		spawn("errno", errno_main, (void *)(intptr_t)i);
	return 0;
}

static void
test_errno(void)
{
	errno_wrong = 0;
	errno = EXDEV;
	CU_ASSERT_EQUAL(wl_run(errno_first, NULL), 0);
	CU_ASSERT_EQUAL(errno_wrong, 0);
}

/* cancellation */

struct victim {
	int		(*wait)(struct victim *);
	int		 fd;
	int		 first, second;		/* what the waits returned */
	int		 first_errno, second_errno;
	bool		 told, done;
};

static void
victim_main(void *arg)
{
	struct victim *v = arg;

	errno = 0;
	v->first = v->wait(v);
	v->first_errno = errno;
	v->told = wl_co_cancelled();
	errno = 0;
	v->second = wl_wait(-1, WL_WOKEN, wl_mono() + LONG);
	v->second_errno = errno;
	v->done = true;
}

static int
wait_fd(struct victim *v)
{
	return wl_wait(v->fd, EPOLLIN, wl_mono() + LONG);
}

static int
wait_wake(struct victim *v)
{
	(void)v;
	return wl_wait(-1, WL_WOKEN, INT64_MAX);
}

static int
wait_sleep(struct victim *v)
{
	(void)v;
	return wl_sleep(LONG);
}

static int
wait_self(struct victim *v)
{
	(void)v;
	wl_co_cancel(wl_co_self());
	return wl_sleep(LONG);
}

static int
wait_yield(struct victim *v)
{
	(void)v;
	wl_co_yield();
	return wl_sleep(LONG);
}

static bool
victim_ok(const struct victim *v)
{
	return v->done && v->told && v->first == -1 &&
	    v->first_errno == ECANCELED && v->second == -1 &&
	    v->second_errno == ECANCELED;
}

/*
 * Cancel one that has run for TURNS turns; POKE: after its event came in,
 * before it ran.
 */
static bool
victim_try(int (*wait)(struct victim *), int turns, bool poke)
{
	struct victim v = { .wait = wait };
	struct wl_co *co;
	bool free_again;
	int i;

	v.fd = eventfd(0, EFD_NONBLOCK);
	co = wl_co_spawn("victim", victim_main, &v);
	if (co == NULL || v.fd == -1)
		abort();
	for (i = 0; i < turns; i++)
		wl_co_yield();
	if (poke) {
		/* this coroutine is in front of it in the next turn's queue */
		if (eventfd_write(v.fd, 1) == -1)
			abort();
		wl_wake(co);
	}
	if (!v.done) {
		wl_co_cancel(co);
		wl_co_cancel(co);
	}
	while (!v.done)
		wl_co_yield();
	free_again = wl_wait(v.fd, EPOLLOUT, wl_mono() + LONG) == EPOLLOUT;
	wl_forget(v.fd);
	close(v.fd);
	return free_again && victim_ok(&v);
}

static int
cancel_first(void *arg)
{
	(void)arg;
	CU_ASSERT(victim_try(wait_fd, 0, false));	/* before it ran */
	CU_ASSERT(victim_try(wait_wake, 0, false));
	CU_ASSERT(victim_try(wait_fd, 2, false));
	CU_ASSERT(victim_try(wait_wake, 2, false));
	CU_ASSERT(victim_try(wait_sleep, 2, false));
	CU_ASSERT(victim_try(wait_self, 2, false));
	CU_ASSERT(victim_try(wait_yield, 1, false));
	CU_ASSERT(victim_try(wait_wake, 2, true));	/* queued by a wake */
	CU_ASSERT(!wl_co_cancelled());
	return 0;
}

static void
test_cancel(void)
{
	CU_ASSERT_EQUAL(wl_run(cancel_first, NULL), 0);
	CU_ASSERT(!wl_co_cancelled());
}

static struct wl_co	*queued_victim;

static void
queued_cancel(int fd, uint32_t revents, void *arg)
{
	(void)fd;
	(void)revents;
	(void)arg;
	wl_co_cancel(queued_victim);
}

/*
 * Both descriptors become ready in one turn: the victim's event is first, so
 * that it is in the run queue when the other's callback cancels it.
 */
static int
queued_first(void *arg)
{
	struct victim v = { .wait = wait_fd };
	int fd = eventfd(0, EFD_NONBLOCK);

	(void)arg;
	v.fd = eventfd(0, EFD_NONBLOCK);
	queued_victim = wl_co_spawn("victim", victim_main, &v);
	if (queued_victim == NULL ||
	    wl_watch(fd, EPOLLIN, queued_cancel, NULL) == -1)
		abort();
	wl_co_yield();
	if (eventfd_write(v.fd, 1) == -1 || eventfd_write(fd, 1) == -1)
		abort();
	wl_co_yield();
	wl_forget(fd);
	while (!v.done)
		wl_co_yield();
	CU_ASSERT(victim_ok(&v));
	wl_forget(v.fd);
	close(v.fd);
	close(fd);
	return 0;
}

static void
test_cancel_queued(void)
{
	CU_ASSERT_EQUAL(wl_run(queued_first, NULL), 0);
}

/* stacks */

static void
sleeper(void *arg)
{
	(void)arg;
	if (wl_sleep(5) != 0)
		abort();
}

static void
idler(void *arg)
{
	(void)arg;
}

static int
pool_first(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 500; i++)
		spawn("sleeper", sleeper, NULL);
	CU_ASSERT_EQUAL(stacks(), 501);
	while (alive() > 1)
		if (wl_sleep(1) != 0)
			abort();
	/* most of the burst is given back, the rest is used again */
	CU_ASSERT(stacks() < 300);
	CU_ASSERT(stacks() >= 60);
	for (i = 0; i < 500; i++) {
		spawn("idler", idler, NULL);
		wl_co_yield();
	}
	CU_ASSERT(stacks() < 300);
	return 0;
}

static void
test_pool(void)
{
	CU_ASSERT_EQUAL(wl_run(pool_first, NULL), 0);
	CU_ASSERT_EQUAL(stacks(), 0);
}

static int
memory_first(void *arg)
{
	struct wl_co *co;
	int saved;

	(void)arg;
	errno = 0;
	no_memory = true;
	co = wl_co_spawn("none", idler, NULL);
	saved = errno;
	no_memory = false;
	CU_ASSERT_PTR_NULL(co);
	CU_ASSERT_EQUAL(saved, ENOMEM);
	CU_ASSERT_EQUAL(stacks(), 1);
	spawn("idler", idler, NULL);
	return 0;
}

static void
test_no_memory(void)
{
	CU_ASSERT_EQUAL(wl_run(memory_first, NULL), 0);
	no_memory = true;
	errno = 0;
	CU_ASSERT_EQUAL(wl_run(memory_first, NULL), -1);
	CU_ASSERT_EQUAL(errno, ENOMEM);
	no_memory = false;
	CU_ASSERT_EQUAL(wl_run(memory_first, NULL), 0);
}

static size_t	high_inside;

__attribute__((noinline)) static void
deep_main(void *arg)
{
	volatile char big[100 * 1024];
	size_t i;

	(void)arg;
	for (i = 0; i < sizeof(big); i += 512)
		big[i] = 1;
	wl_co_yield();
	high_inside = wl_co_high_water();
	big[0] = 2;
}

static int
deep_first(void *arg)
{
	(void)arg;
	spawn("deep", deep_main, NULL);
	return 0;
}

static void
test_high_water(void)
{
	unsetenv("WATCHLLM_PAINT_STACKS");
	CU_ASSERT_EQUAL(wl_run(deep_first, NULL), 0);
	CU_ASSERT_EQUAL(high_inside, 0);
	CU_ASSERT_EQUAL(wl_co_high_water(), 0);

	setenv("WATCHLLM_PAINT_STACKS", "1", 1);
	CU_ASSERT_EQUAL(wl_run(deep_first, NULL), 0);
	CU_ASSERT(high_inside >= (size_t)100 * 1024);
	CU_ASSERT(high_inside < (size_t)140 * 1024);
	CU_ASSERT_EQUAL(wl_co_high_water(), high_inside);
	CU_ASSERT_EQUAL(wl_run(nested_first, NULL), 0);
	CU_ASSERT(wl_co_high_water() > 0);
	CU_ASSERT(wl_co_high_water() < (size_t)32 * 1024);
	unsetenv("WATCHLLM_PAINT_STACKS");
}

/*
 * Frames of 32 KiB, a little more than the stack holds: the guard must be
 * met, not stepped over into the next stack.
 */
__attribute__((noinline)) static int
recurse(volatile int *depth)
{
	volatile char frame[32 * 1024];

	frame[*depth] = 1;
	if (++*depth < 11)
		(void)recurse(depth);
	return frame[*depth];
}

static void
overflow_main(void *arg)
{
	volatile int depth = 0;

	(void)arg;
	wl_co_yield();
	(void)recurse(&depth);
}

static int
overflow_first(void *arg)
{
	int i;

	(void)arg;
	spawn("overflow", overflow_main, NULL);
	for (i = 0; i < 8; i++)
		spawn("neighbour", sleeper, NULL);
	return 0;
}

static int
overflow_child(void)
{
	return wl_run(overflow_first, NULL);
}

static void
test_guard_page(void)
{
	char err[4096];
	int status = wl_child(overflow_child, err, sizeof(err));

#ifdef ASAN
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) != 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "stack-overflow"));
#else
	CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
#endif
}

#ifdef ASAN
static volatile int	beyond = 20;
static char		*escaped;

/*
 * The frame lives across the switches, and its end is overrun after them.
 */
__attribute__((noinline)) static void
overrun_main(void *arg)
{
	char buf[16];

	(void)arg;
	escaped = buf;
	wl_co_yield();
	if (wl_sleep(1) != 0)
		return;
	escaped[beyond] = 1;
}

static int
overrun_first(void *arg)
{
	(void)arg;
	spawn("overrun", overrun_main, NULL);
	wl_co_yield();
	return 0;
}

static int
overrun_child(void)
{
	return wl_run(overrun_first, NULL);
}

static void
test_overrun_found(void)
{
	char err[8192];
	int status = wl_child(overrun_child, err, sizeof(err));

	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) != 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "stack-buffer-overflow"));
}

static void
heap_main(void *arg)
{
	char *p = malloc(16);

	(void)arg;
	escaped = p;
	wl_co_yield();
	escaped[beyond] = 1;
	free(p);
}

static int
heap_first(void *arg)
{
	(void)arg;
	spawn("heap", heap_main, NULL);
	return 0;
}

static int
heap_child(void)
{
	return wl_run(heap_first, NULL);
}

static void
test_heap_found(void)
{
	char err[8192];
	int status = wl_child(heap_child, err, sizeof(err));

	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) != 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "heap-buffer-overflow"));
}
#endif

/* misuse */

static int
spawn_child(void)
{
	return wl_co_spawn("none", idler, NULL) == NULL;
}

static int
yield_child(void)
{
	wl_co_yield();
	return 0;
}

static void
test_outside(void)
{
	char err[4096];
	int status;

	CU_ASSERT_PTR_NULL(wl_co_self());
	status = wl_child(spawn_child, err, sizeof(err));
	CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "wl_co_spawn outside of wl_run"));
	status = wl_child(yield_child, err, sizeof(err));
	CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "wl_co_yield outside of a corout"));
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "ten thousand wait, wake and sleep", test_many },
		{ "spawn from a coroutine", test_nested },
		{ "yield lets others and events go first", test_yield },
		{ "errno is kept", test_errno },
		{ "cancel in every state", test_cancel },
		{ "cancel while queued", test_cancel_queued },
		{ "stacks are used again and given back", test_pool },
		{ "no memory", test_no_memory },
		{ "painted stacks", test_high_water },
		{ "guard page", test_guard_page },
#ifdef ASAN
		{ "overrun of a frame across a wait", test_overrun_found },
		{ "overrun of the heap", test_heap_found },
#endif
		{ "outside of a loop", test_outside },
		{ NULL, NULL }
	};

	return wl_tap_run("co", tests);
}
