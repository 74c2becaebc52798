/*
 * Coroutines: their stacks, and the switch between them.  A stack is entered
 * once: when a coroutine returns, it waits in the pool, inside enter(), for
 * the next.
 *
 * A fortified longjmp() aborts when its target lies deeper in the stack than
 * its caller, which between two stacks is an accident of addresses: so this
 * one file is compiled without.
 */
#undef _FORTIFY_SOURCE
#include "config.h"
#include "lib/base/co.h"

#include <sys/mman.h>
#include <errno.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/memcheck.h>
#endif

#include "lib/base/sched.h"

#if defined(__SANITIZE_ADDRESS__)
#define WL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WL_ASAN 1
#endif
#endif
#ifdef WL_ASAN
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#define NO_ASAN __attribute__((no_sanitize("address")))
#else
#define NO_ASAN
#endif

/*
 * Libraries built without -fstack-clash-protection may step over a single
 * page; address space costs nothing.
 */
#define GUARD ((size_t)64 * 1024)

#define POOL_KEEP 64	/* free stacks that are always kept */
#define PAINT 0xa5

struct wl_stack {
	struct wl_stack	*next;			/* in the pool */
	struct wl_stack	*all_prev, *all_next;
	unsigned char	*low;			/* the lowest usable byte */
	ucontext_t	 uc;			/* entry; ASan: every switch */
#ifdef WL_ASAN
	void		*fake;			/* its fake stack */
#else
	jmp_buf		 jb;
#endif
	bool		 entered;
	unsigned	 valgrind_id;
};

static struct wl_stack	*pool;			/* last in, first out */
static uint64_t		 pooled;
static struct wl_stack	*all;
static bool		 paint;
static size_t		 high_water;		/* of stacks unmapped so far */

static struct wl_stack *
stack_map(void)
{
	struct wl_stack *s;
	unsigned char *p;

	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	p = mmap(NULL, GUARD + WL_CO_STACK, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED || mprotect(p, GUARD, PROT_NONE) == -1) {
		if (p != MAP_FAILED)
			(void)munmap(p, GUARD + WL_CO_STACK);
		free(s);
		errno = ENOMEM;
		return NULL;
	}
	s->low = p + GUARD;
	if (paint)
		memset(s->low, PAINT, WL_CO_STACK);
#ifdef WL_ASAN
	__lsan_register_root_region(s->low, WL_CO_STACK);
#endif
#ifdef HAVE_VALGRIND_VALGRIND_H
	s->valgrind_id = VALGRIND_STACK_REGISTER(s->low, s->low + WL_CO_STACK);
#endif
	s->all_next = all;
	if (all != NULL)
		all->all_prev = s;
	all = s;
	wl_sched.stat.stacks++;
	return s;
}

/*
 * Looks at what belongs to nobody, so the checkers must look away.
 */
static NO_ASAN size_t
stack_used(const struct wl_stack *s)
{
	size_t i;

#ifdef HAVE_VALGRIND_VALGRIND_H
	VALGRIND_DISABLE_ERROR_REPORTING;
#endif
	for (i = 0; i < WL_CO_STACK && s->low[i] == PAINT; i++)
		;
#ifdef HAVE_VALGRIND_VALGRIND_H
	VALGRIND_ENABLE_ERROR_REPORTING;
	(void)VALGRIND_MAKE_MEM_DEFINED(&i, sizeof(i));
#endif
	return WL_CO_STACK - i;
}

static void
stack_unmap(struct wl_stack *s)
{
	if (paint && stack_used(s) > high_water)
		high_water = stack_used(s);
	if (s->all_prev != NULL)
		s->all_prev->all_next = s->all_next;
	else
		all = s->all_next;
	if (s->all_next != NULL)
		s->all_next->all_prev = s->all_prev;
#ifdef WL_ASAN
	__lsan_unregister_root_region(s->low, WL_CO_STACK);
#endif
#ifdef HAVE_VALGRIND_VALGRIND_H
	VALGRIND_STACK_DEREGISTER(s->valgrind_id);
#endif
	(void)munmap(s->low - GUARD, GUARD + WL_CO_STACK);
	free(s);
	wl_sched.stat.stacks--;
}

static struct wl_stack *
stack_take(void)
{
	struct wl_stack *s = pool;

	if (s == NULL)
		return stack_map();
	pool = s->next;
	pooled--;
	return s;
}

/*
 * After a burst the pool shrinks with the number of living coroutines.
 */
static void
stack_give(struct wl_stack *s)
{
	if (pooled >= POOL_KEEP && pooled >= wl_sched.stat.coroutines) {
		stack_unmap(s);
		return;
	}
	s->next = pool;
	pool = s;
	pooled++;
}

#ifdef WL_ASAN
/*
 * _longjmp() makes ASan forget the marks of the whole stack that it leaves,
 * and with them an overflow of a frame that lives across a wait.  So here
 * every switch is swapcontext(), and ASan is told of it on both sides.
 */
static ucontext_t	 loop_uc;
static const void	*loop_low;
static size_t		 loop_size;

static void
to_loop(struct wl_stack *s)
{
	__sanitizer_start_switch_fiber(&s->fake, loop_low, loop_size);
	(void)swapcontext(&s->uc, &loop_uc);
	__sanitizer_finish_switch_fiber(s->fake, &loop_low, &loop_size);
}

static void
to_stack(struct wl_stack *s)
{
	void *fake = NULL;

	__sanitizer_start_switch_fiber(&fake, s->low, WL_CO_STACK);
	(void)swapcontext(&loop_uc, &s->uc);
	__sanitizer_finish_switch_fiber(fake, NULL, NULL);
}

static void
entered(void)
{
	__sanitizer_finish_switch_fiber(NULL, &loop_low, &loop_size);
}
#else
/*
 * swapcontext() costs two system calls a switch, _longjmp() none.
 */
static jmp_buf		 loop_jb;

static void
to_loop(struct wl_stack *s)
{
	if (_setjmp(s->jb) == 0)
		_longjmp(loop_jb, 1);
}

static void
to_stack(struct wl_stack *s)
{
	if (_setjmp(loop_jb) != 0)
		return;
	if (s->entered)
		_longjmp(s->jb, 1);
	(void)setcontext(&s->uc);
	wl_sched_die("setcontext failed");
}

static void
entered(void)
{
}
#endif

/*
 * The C library hides the registers in a jmp_buf from debuggers: the frame
 * is noted beside it.  Not inlined, so that the frame is this function's.
 */
__attribute__((noinline)) void
wl_sched_park(enum wl_co_state state)
{
	struct wl_co *co = wl_sched.self;
	int saved = errno;

	co->state = state;
	co->frame = __builtin_frame_address(0);
	to_loop(co->stack);
	errno = saved;
}

/*
 * The bottom frame of every stack: one coroutine after another.
 */
static void
enter(void)
{
	struct wl_co *co;

	entered();
	for (;;) {
		co = wl_sched.self;
		errno = 0;
		co->fn(co->arg);
		wl_sched_park(WL_CO_DONE);
	}
}

static void
stack_prepare(struct wl_stack *s)
{
	(void)getcontext(&s->uc);
	s->uc.uc_stack.ss_sp = s->low;
	s->uc.uc_stack.ss_size = WL_CO_STACK;
	s->uc.uc_link = NULL;
	makecontext(&s->uc, enter, 0);
	/* ASan forgets the marks of a stack that it sees named here */
	s->uc.uc_stack.ss_size = 0;
}

static void
co_free(struct wl_co *co)
{
	if (co->prev_alive != NULL)
		co->prev_alive->next_alive = co->next_alive;
	else
		wl_sched.alive = co->next_alive;
	if (co->next_alive != NULL)
		co->next_alive->prev_alive = co->prev_alive;
	wl_sched.stat.coroutines--;
	stack_give(co->stack);
	free(co);
}

void
wl_sched_resume(struct wl_co *co)
{
	int saved = errno;

	co->state = WL_CO_RUNNING;
	wl_sched.self = co;
	if (!co->stack->entered)
		stack_prepare(co->stack);
	to_stack(co->stack);
	co->stack->entered = true;
	wl_sched.self = NULL;
	if (co->state == WL_CO_DONE)
		co_free(co);
	errno = saved;
}

struct wl_co *
wl_co_spawn(const char *name, void (*fn)(void *), void *arg)
{
	struct wl_co *co;

	wl_sched_need_loop("wl_co_spawn");
	co = calloc(1, sizeof(*co));
	if (co == NULL)
		return NULL;
	co->stack = stack_take();
	if (co->stack == NULL) {
		free(co);
		return NULL;
	}
	co->name = name;
	co->fn = fn;
	co->arg = arg;
	co->fd = -1;
	co->next_alive = wl_sched.alive;
	if (wl_sched.alive != NULL)
		wl_sched.alive->prev_alive = co;
	wl_sched.alive = co;
	wl_sched.stat.coroutines++;
	wl_sched_push(&wl_sched.ready, co);
	return co;
}

struct wl_co *
wl_co_self(void)
{
	return wl_sched_here() ? wl_sched.self : NULL;
}

void
wl_co_yield(void)
{
	struct wl_co *co = wl_sched_need_co("wl_co_yield");

	wl_sched_push(&wl_sched.later, co);
	wl_sched_park(WL_CO_QUEUED);
}

/*
 * One that is queued finds the mark when its wait returns.
 */
void
wl_co_cancel(struct wl_co *co)
{
	co->cancelled = true;
	if (co->state == WL_CO_WAITING)
		wl_sched_ready(co, -1);
}

bool
wl_co_cancelled(void)
{
	const struct wl_co *co = wl_co_self();

	return co != NULL && co->cancelled;
}

size_t
wl_co_high_water(void)
{
	const struct wl_stack *s;
	size_t most = high_water, n;

	if (!paint)
		return 0;
	for (s = all; s != NULL; s = s->all_next) {
		n = stack_used(s);
		if (n > most)
			most = n;
	}
	return most;
}

void
wl_sched_stacks_open(void)
{
	const char *v = getenv("WATCHLLM_PAINT_STACKS");

	paint = v != NULL && strcmp(v, "1") == 0;
	high_water = 0;
}

void
wl_sched_stacks_close(void)
{
	struct wl_stack *s;

	while ((s = pool) != NULL) {
		pool = s->next;
		stack_unmap(s);
	}
	pooled = 0;
}
