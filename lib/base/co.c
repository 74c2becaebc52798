/*
 * Stacks and the switch between them.  A stack keeps its own context: when a
 * coroutine returns, its stack waits in a pool inside enter() for the next.
 */
/* longjmp from one stack to another is what _FORTIFY_SOURCE forbids */
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
#include <unistd.h>

#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/valgrind.h>
#endif

#include "lib/base/sched.h"
#include "lib/base/wait.h"

#if defined(__SANITIZE_ADDRESS__)
#define WL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WL_ASAN 1
#endif
#endif
#ifdef WL_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#define PAINT		0xa5
#define POOL_MAX	1024	/* idle stacks kept mapped */

struct wl_stack {
	struct wl_stack	*next;			/* in the pool */
	struct wl_stack	*all_prev, *all_next;
	char		*map;			/* guard page and stack */
	size_t		 maplen;
	char		*low;			/* lowest usable byte */
	ucontext_t	 first;			/* entry; ASan: every switch */
	jmp_buf		 jb;
	bool		 entered;
	void		*fake;			/* ASan's fake stack */
	unsigned	 valgrind_id;
};

static struct wl_stack	*pool, *all;
static size_t		 pooled;
static bool		 paint;
static size_t		 high_water;		/* of stacks unmapped so far */
#ifdef WL_ASAN
static ucontext_t	 loop_uc;
static void		*loop_fake;
static const void	*loop_bottom;
static size_t		 loop_size;
#else
static jmp_buf		 loop_jb;
#endif

static struct wl_stack *
stack_map(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct wl_stack *s;

	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->maplen = WL_CO_STACK + page;
	s->map = mmap(NULL, s->maplen, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (s->map == MAP_FAILED || mprotect(s->map, page, PROT_NONE) == -1) {
		if (s->map != MAP_FAILED)
			munmap(s->map, s->maplen);
		free(s);
		errno = ENOMEM;
		return NULL;
	}
	s->low = s->map + page;
	if (paint)
		memset(s->low, PAINT, WL_CO_STACK);
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

static size_t
stack_used(const struct wl_stack *s)
{
	size_t i;

	for (i = 0; i < WL_CO_STACK; i++)
		if ((unsigned char)s->low[i] != PAINT)
			break;
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
#ifdef HAVE_VALGRIND_VALGRIND_H
	VALGRIND_STACK_DEREGISTER(s->valgrind_id);
#endif
	munmap(s->map, s->maplen);
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

static void
stack_give(struct wl_stack *s)
{
	if (pooled >= POOL_MAX) {
		stack_unmap(s);
		return;
	}
	s->next = pool;
	pool = s;
	pooled++;
}

/*
 * Leave this stack for the loop's; returns when the stack is resumed.
 */
static void
to_loop(struct wl_stack *s)
{
#ifdef WL_ASAN
	__sanitizer_start_switch_fiber(&s->fake, loop_bottom, loop_size);
	swapcontext(&s->first, &loop_uc);
	__sanitizer_finish_switch_fiber(s->fake, &loop_bottom, &loop_size);
#else
	if (_setjmp(s->jb) == 0)
		_longjmp(loop_jb, 1);
#endif
}

/*
 * The bottom frame of every stack: one coroutine after another.
 */
static void
enter(void)
{
	struct wl_co *co;

#ifdef WL_ASAN
	__sanitizer_finish_switch_fiber(NULL, &loop_bottom, &loop_size);
#endif
	for (;;) {
		co = wl_sched.self;
		co->fn(co->arg);
		co = wl_sched.self;
		co->state = WL_CO_DONE;
		to_loop(co->stack);
	}
}

static void
to_stack(struct wl_stack *s)
{
	bool entered = s->entered;

	if (!entered) {
		s->entered = true;
		getcontext(&s->first);
		s->first.uc_stack.ss_sp = s->low;
		s->first.uc_stack.ss_size = WL_CO_STACK;
		s->first.uc_link = NULL;
		makecontext(&s->first, enter, 0);
	}
#ifdef WL_ASAN
	__sanitizer_start_switch_fiber(&loop_fake, s->low, WL_CO_STACK);
	swapcontext(&loop_uc, &s->first);
	__sanitizer_finish_switch_fiber(loop_fake, NULL, NULL);
#else
	if (_setjmp(loop_jb) == 0) {
		if (entered)
			_longjmp(s->jb, 1);
		setcontext(&s->first);
		abort();
	}
#endif
}

void
wl_sched_resume(struct wl_co *co)
{
	co->state = WL_CO_RUNNING;
	co->started = true;
	wl_sched.self = co;
	to_stack(co->stack);
	wl_sched.self = NULL;
	if (co->state != WL_CO_DONE)
		return;
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
wl_sched_park(enum wl_co_state state)
{
	struct wl_co *co = wl_sched.self;
	int saved = errno;

	co->state = state;
	co->frame = __builtin_frame_address(0);
	to_loop(co->stack);
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
		errno = ENOMEM;
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
	co->state = WL_CO_QUEUED;
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
	return wl_sched_need_co("wl_co_cancelled")->cancelled;
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
