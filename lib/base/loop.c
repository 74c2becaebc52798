/*
 * The turn of the loop: events, timers, coroutines, deferred flushes.
 */
#include "config.h"
#include "lib/base/loop.h"

#include <sys/epoll.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/sched.h"
#include "lib/base/wait.h"

#define EVENTS_MAX	256	/* of one epoll_wait */
#define RESUMES_MAX	4096	/* of one turn, then events go first again */
#define SLOW_US		5000

/*
 * What the loop knows of a descriptor.  REGISTERED is a superset of what is
 * wanted, left in place between waits: the usual wait needs no epoll_ctl.
 */
struct entry {
	uint32_t	  registered;	/* with epoll; 0: not */
	uint32_t	  generation;	/* changes with wl_forget() */
	struct wl_co	 *co;		/* that waits */
	void		(*cb)(int, uint32_t, void *);
	void		 *arg;
	uint32_t	  events;	/* of the callback */
};

struct wl_sched wl_sched;

static _Thread_local bool here;
static int		 ep = -1;
static struct entry	*table;
static int		 ntable;
static struct wl_timer	**heap;
static int		 nheap, heapcap;
static struct wl_defer	*defers, **defers_tail = &defers;
static void		(*on_slow)(int64_t, const char *);
static int64_t		 worst_us;
static const char	*worst_name;

struct run {
	int	(*fn)(void *);
	void	*arg;
	int	 result;
};

/* ---- checks ------------------------------------------------------------ */

bool
wl_sched_here(void)
{
	return here;
}

void
wl_sched_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

struct wl_co *
wl_sched_need_co(const char *what)
{
	if (!here || wl_sched.self == NULL)
		wl_sched_die("%s: called outside of a coroutine", what);
	return wl_sched.self;
}

void
wl_sched_need_loop(const char *what)
{
	if (!here)
		wl_sched_die("%s: called outside of wl_run()", what);
}

/* ---- clock ------------------------------------------------------------- */

static int64_t
read_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	wl_sched.now_us = (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
	return wl_sched.now_us;
}

int64_t
wl_mono(void)
{
	return wl_sched.running ? wl_sched.now_us / 1000 : read_clock() / 1000;
}

int64_t
wl_mono_fresh(void)
{
	struct timespec ts;

	if (here)
		return read_clock() / 1000;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- timers: a binary heap --------------------------------------------- */

static void
place(struct wl_timer *t, int i)
{
	heap[i] = t;
	t->pos = i + 1;
}

static void
sift(int i)
{
	struct wl_timer *t = heap[i];
	int c;

	while (i > 0 && heap[(i - 1) / 2]->deadline > t->deadline) {
		place(heap[(i - 1) / 2], i);
		i = (i - 1) / 2;
	}
	while ((c = 2 * i + 1) < nheap) {
		if (c + 1 < nheap && heap[c + 1]->deadline < heap[c]->deadline)
			c++;
		if (heap[c]->deadline >= t->deadline)
			break;
		place(heap[c], i);
		i = c;
	}
	place(t, i);
}

int
wl_timer_set(struct wl_timer *t, int64_t when, void (*cb)(void *), void *arg)
{
	struct wl_timer **p;
	int cap;

	wl_sched_need_loop("wl_timer_set");
	if (t->pos == 0) {
		if (nheap == heapcap) {
			cap = heapcap == 0 ? 256 : 2 * heapcap;
			p = realloc(heap, (size_t)cap * sizeof(*p));
			if (p == NULL)
				return -1;
			heap = p;
			heapcap = cap;
		}
		heap[nheap] = t;
		t->pos = ++nheap;
	}
	t->deadline = when;
	t->cb = cb;
	t->arg = arg;
	sift(t->pos - 1);
	return 0;
}

void
wl_timer_clear(struct wl_timer *t)
{
	int i = t->pos - 1;

	if (i < 0)
		return;
	t->pos = 0;
	if (i != --nheap) {
		place(heap[nheap], i);
		sift(i);
	}
}

/* ---- descriptors ------------------------------------------------------- */

static struct entry *
entry_of(int fd)
{
	struct entry *p;
	int n;

	if (fd < 0) {
		errno = EBADF;
		return NULL;
	}
	if (fd >= ntable) {
		n = (fd + 256) & ~255;
		p = realloc(table, (size_t)n * sizeof(*p));
		if (p == NULL)
			return NULL;
		memset(p + ntable, 0, (size_t)(n - ntable) * sizeof(*p));
		table = p;
		ntable = n;
	}
	return &table[fd];
}

/*
 * Make MASK what epoll reports of FD; 0: nothing, not even errors.
 */
static int
control(int fd, struct entry *n, uint32_t mask)
{
	struct epoll_event ev;
	int op;

	/* an exclusive entry cannot be changed, only made anew */
	if (n->registered != 0 &&
	    (mask == 0 || ((n->registered | mask) & EPOLLEXCLUSIVE) != 0)) {
		epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
		n->registered = 0;
	}
	if (mask == 0)
		return 0;
	memset(&ev, 0, sizeof(ev));
	ev.events = mask;
	ev.data.u64 = (uint64_t)n->generation << 32 | (uint32_t)fd;
	op = n->registered != 0 ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (epoll_ctl(ep, op, fd, &ev) == -1) {
		/* closed and opened again behind our back */
		if (op == EPOLL_CTL_MOD && errno == ENOENT)
			op = EPOLL_CTL_ADD;
		else if (op == EPOLL_CTL_ADD && errno == EEXIST)
			op = EPOLL_CTL_MOD;
		else
			return -1;
		if (epoll_ctl(ep, op, fd, &ev) == -1)
			return -1;
	}
	n->registered = mask;
	return 0;
}

static int
want(int fd, struct entry *n, uint32_t events)
{
	if ((n->registered & events) == events &&
	    (n->registered & EPOLLEXCLUSIVE) == (events & EPOLLEXCLUSIVE) &&
	    n->registered != 0)
		return 0;
	if (events == 0)
		events = EPOLLRDHUP;	/* errors only: they need an entry */
	if ((events & EPOLLEXCLUSIVE) == 0 &&
	    (n->registered & EPOLLEXCLUSIVE) == 0)
		events |= n->registered;
	return control(fd, n, events);
}

int
wl_sched_attach(struct wl_co *co, int fd, uint32_t events)
{
	struct entry *n = entry_of(fd);

	if (n == NULL)
		return -1;
	if (n->co != NULL || n->cb != NULL) {
		errno = EBUSY;
		return -1;
	}
	if (want(fd, n, events) == -1)
		return -1;
	n->co = co;
	wl_sched.sources++;
	return 0;
}

void
wl_sched_detach(struct wl_co *co)
{
	if (co->fd >= 0 && table[co->fd].co == co) {
		table[co->fd].co = NULL;
		wl_sched.sources--;
	}
	co->fd = -1;
}

int
wl_watch(int fd, uint32_t events, void (*cb)(int, uint32_t, void *), void *arg)
{
	struct entry *n;

	wl_sched_need_loop("wl_watch");
	n = entry_of(fd);
	if (n == NULL)
		return -1;
	if (n->co != NULL) {
		errno = EBUSY;
		return -1;
	}
	if (want(fd, n, events) == -1)
		return -1;
	if (n->cb == NULL)
		wl_sched.sources++;
	n->cb = cb;
	n->arg = arg;
	n->events = events;
	return 0;
}

void
wl_forget(int fd)
{
	struct entry *n;

	if (!here || fd < 0 || fd >= ntable)
		return;
	n = &table[fd];
	control(fd, n, 0);
	if (n->co != NULL) {
		n->co->fd = -1;
		wl_sched.sources--;
	}
	if (n->cb != NULL)
		wl_sched.sources--;
	n->co = NULL;
	n->cb = NULL;
	n->generation++;
}

/* ---- run queue --------------------------------------------------------- */

void
wl_sched_push(struct wl_queue *q, struct wl_co *co)
{
	co->next = NULL;
	if (q->tail != NULL)
		q->tail->next = co;
	else
		q->head = co;
	q->tail = co;
}

void
wl_sched_ready(struct wl_co *co, int result)
{
	wl_sched_detach(co);
	wl_timer_clear(&co->timer);
	co->result = result;
	co->state = WL_CO_QUEUED;
	wl_sched_push(&wl_sched.ready, co);
}

void
wl_defer(struct wl_defer *d, void (*cb)(void *), void *arg)
{
	wl_sched_need_loop("wl_defer");
	if (d->queued)
		return;
	d->queued = true;
	d->cb = cb;
	d->arg = arg;
	d->next = NULL;
	*defers_tail = d;
	defers_tail = &d->next;
}

/* ---- the turn ---------------------------------------------------------- */

/*
 * NAME ran since *SINCE: remember the longest of this turn.
 */
static void
measure(int64_t *since, const char *name)
{
	int64_t now = read_clock();

	if (now - *since > worst_us) {
		worst_us = now - *since;
		worst_name = name;
	}
	*since = now;
}

static void
dispatch(const struct epoll_event *ev, int64_t *since)
{
	int fd = (int)(uint32_t)ev->data.u64;
	struct entry *n = &table[fd];
	uint32_t wanted, hit;

	if (n->generation != (uint32_t)(ev->data.u64 >> 32))
		return;
	wanted = n->co != NULL ? n->co->events : n->cb != NULL ? n->events : 0;
	hit = ev->events & (wanted | EPOLLERR | EPOLLHUP);
	if (n->co != NULL && hit != 0) {
		wl_sched_ready(n->co, (int)hit);
	} else if (n->cb != NULL && hit != 0) {
		n->cb(fd, hit, n->arg);
		measure(since, "callback");
	} else {
		/* nobody waits for this: shrink to what is wanted */
		control(fd, n, n->co == NULL && n->cb == NULL ? 0 :
		    (wanted & ~WL_WOKEN) == 0 ? EPOLLRDHUP :
		    wanted & ~WL_WOKEN);
	}
}

static void
run_timers(int64_t *since)
{
	struct wl_timer *t;
	int64_t now = wl_sched.now_us / 1000;

	while (nheap > 0 && heap[0]->deadline <= now) {
		t = heap[0];
		wl_timer_clear(t);
		t->cb(t->arg);
		measure(since, "timer");
	}
}

static void
run_ready(int64_t *since)
{
	struct wl_queue *q = &wl_sched.ready;
	struct wl_co *co;
	const char *name;
	int n;

	for (n = 0; n < RESUMES_MAX && (co = q->head) != NULL; n++) {
		q->head = co->next;
		if (q->head == NULL)
			q->tail = NULL;
		name = co->name;
		wl_sched_resume(co);
		measure(since, name);
	}
}

static void
run_defers(int64_t *since)
{
	struct wl_defer *d, *next;

	d = defers;
	defers = NULL;
	defers_tail = &defers;
	for (; d != NULL; d = next) {
		next = d->next;
		d->queued = false;
		d->cb(d->arg);
		measure(since, "deferred");
	}
}

/*
 * Those that gave way run in this turn, behind those that were made ready.
 */
static void
take_later(void)
{
	struct wl_queue *q = &wl_sched.ready, *l = &wl_sched.later;

	if (l->head == NULL)
		return;
	if (q->tail != NULL)
		q->tail->next = l->head;
	else
		q->head = l->head;
	q->tail = l->tail;
	l->head = l->tail = NULL;
}

static void __attribute__((noreturn))
deadlock(void)
{
	const struct wl_co *co;

	fprintf(stderr, "deadlock: nothing can wake:");
	for (co = wl_sched.alive; co != NULL; co = co->next_alive)
		fprintf(stderr, " %s", co->name);
	fputc('\n', stderr);
	abort();
}

/*
 * How long epoll may sleep, ms.
 */
static int
patience(void)
{
	int64_t left;

	if (wl_sched.ready.head != NULL || wl_sched.later.head != NULL ||
	    defers != NULL)
		return 0;
	if (nheap == 0) {
		if (wl_sched.sources == 0)
			deadlock();
		return -1;
	}
	left = heap[0]->deadline - read_clock() / 1000;
	return left <= 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

static void
turn(void)
{
	struct epoll_event ev[EVENTS_MAX];
	int64_t start, since;
	int i, n;

	n = epoll_wait(ep, ev, EVENTS_MAX, patience());
	start = since = read_clock();
	worst_us = 0;
	worst_name = "";
	take_later();
	for (i = 0; i < n; i++)
		dispatch(&ev[i], &since);
	run_timers(&since);
	run_ready(&since);
	run_defers(&since);
	wl_sched.stat.turns++;
	start = since - start;
	if ((uint64_t)start > wl_sched.stat.longest_us)
		wl_sched.stat.longest_us = (uint64_t)start;
	if (start > SLOW_US) {
		wl_sched.stat.slow_turns++;
		if (on_slow != NULL)
			on_slow(start, worst_name);
	}
}

static void
run_main(void *arg)
{
	struct run *r = arg;

	r->result = r->fn(r->arg);
}

int
wl_run(int (*fn)(void *), void *arg)
{
	struct run r = { fn, arg, -1 };

	if (wl_sched.running)
		wl_sched_die("wl_run: a loop is running already");
	memset(&wl_sched, 0, sizeof(wl_sched));
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep == -1)
		return -1;
	here = true;
	wl_sched.running = true;
	wl_sched_stacks_open();
	read_clock();
	if (wl_co_spawn("main", run_main, &r) != NULL)
		while (wl_sched.alive != NULL)
			turn();
	wl_sched_offload_close();
	wl_sched_stacks_close();
	close(ep);
	ep = -1;
	free(table);
	free(heap);
	table = NULL;
	heap = NULL;
	ntable = nheap = heapcap = 0;
	defers = NULL;
	defers_tail = &defers;
	on_slow = NULL;
	wl_sched.running = false;
	here = false;
	return r.result;
}

void
wl_loop_stats(struct wl_loop_stat *st)
{
	*st = wl_sched.stat;
}

void
wl_loop_on_slow(void (*fn)(int64_t us, const char *what))
{
	on_slow = fn;
}
