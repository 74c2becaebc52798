/*
 * The event loop.  A turn: wait for events, hand them out, run the timers
 * that are due, run the coroutines that are ready, run the hooks.
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

#define EVENTS_MAX 128		/* taken per turn; the rest come in the next */
#define PASSES_MAX 8		/* over the run queue per turn */
#define SLOW_US 5000		/* a turn that is reported */
#define SLEEP_MAX 3600000	/* ms in epoll */

#define EVENTS_OK (EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLERR | \
    EPOLLHUP | EPOLLEXCLUSIVE)

/*
 * What is known of a descriptor.  Its registration stays in epoll when a
 * wait is over, because the next wait is most often for the same; it is
 * made smaller when an event comes that nobody wants.
 */
struct fd_entry {
	uint32_t	 gen;		/* counts wl_forget() */
	uint32_t	 mask;		/* registered with epoll */
	bool		 registered;
	uint32_t	 want;		/* of the waiter or the watcher */
	struct wl_co	*co;		/* the waiter, */
	void		(*cb)(int, uint32_t, void *);	/* or the watcher */
	void		*arg;
};

struct wl_sched wl_sched;

static _Thread_local bool here;		/* this thread turns the loop */

static int		 epfd = -1;
static struct fd_entry	*fds;		/* by descriptor */
static size_t		 fds_len;
static struct wl_timer	**heap;		/* least deadline first */
static int		 heap_len, heap_size;
static struct wl_defer	*defer_head, **defer_tail = &defer_head;
static void		(*on_slow)(int64_t, const char *);

/* what took longest in this turn */
static int64_t		 worst_us;
static const char	*worst;
static int		 worst_fd;

void
wl_sched_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("watchllm: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	abort();
}

bool
wl_sched_here(void)
{
	return here;
}

void
wl_sched_need_loop(const char *what)
{
	if (!here)
		wl_sched_die("%s outside of wl_run", what);
}

struct wl_co *
wl_sched_need_co(const char *what)
{
	if (!here || wl_sched.self == NULL)
		wl_sched_die("%s outside of a coroutine%s", what,
		    here ? ", in a callback of the loop" : "");
	return wl_sched.self;
}

/* clock */

static int64_t
clock_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
wl_mono(void)
{
	return (here ? wl_sched.now_us : clock_us()) / 1000;
}

int64_t
wl_mono_fresh(void)
{
	return clock_us() / 1000;
}

/*
 * The clock is read after every coroutine and callback: that is cheap, finds
 * the slow one, and the next begins with the right time.
 */
static void
ran(const char *what, int fd)
{
	int64_t now = clock_us();

	if (now - wl_sched.now_us > worst_us) {
		worst_us = now - wl_sched.now_us;
		worst = what;
		worst_fd = fd;
	}
	wl_sched.now_us = now;
}

/* run queue */

void
wl_sched_push(struct wl_queue *q, struct wl_co *co)
{
	co->next = NULL;
	if (q->head == NULL)
		q->head = co;
	else
		q->tail->next = co;
	q->tail = co;
}

void
wl_sched_ready(struct wl_co *co, int result)
{
	wl_timer_clear(&co->timer);
	wl_sched_detach(co);
	co->state = WL_CO_QUEUED;
	co->result = result;
	wl_sched_push(&wl_sched.ready, co);
}

/*
 * Coroutines that become ready meanwhile run in the next pass, and after
 * some passes in the next turn, lest two that wake each other keep the loop
 * from its events.  Those that gave way always run in the next turn.
 */
static void
run_queue(void)
{
	struct wl_queue *q = &wl_sched.ready, *later = &wl_sched.later;
	struct wl_co *co, *last;
	const char *name;
	int pass;

	for (pass = 0; pass < PASSES_MAX && q->head != NULL; pass++) {
		last = q->tail;
		do {
			co = q->head;
			q->head = co->next;
			name = co->name;
			wl_sched_resume(co);
			ran(name, -1);
		} while (co != last);
	}
	if (later->head == NULL)
		return;
	if (q->head == NULL)
		q->head = later->head;
	else
		q->tail->next = later->head;
	q->tail = later->tail;
	later->head = NULL;
}

/* descriptors */

static int
fd_ctl(int op, int fd, const struct fd_entry *e, uint32_t mask)
{
	struct epoll_event ev = {
		.events = mask,
		.data.u64 = (uint64_t)e->gen << 32 | (uint32_t)fd
	};

	return epoll_ctl(epfd, op, fd, &ev);
}

static void
fd_unregister(int fd, struct fd_entry *e)
{
	(void)fd_ctl(EPOLL_CTL_DEL, fd, e, 0);
	e->registered = false;
	e->mask = 0;
}

/*
 * An exclusive registration cannot be modified, only made anew.
 */
static int
fd_register(int fd, struct fd_entry *e, uint32_t want)
{
	uint32_t mask = want;
	int op = EPOLL_CTL_ADD;

	if (e->registered && ((e->mask | want) & EPOLLEXCLUSIVE) != 0) {
		fd_unregister(fd, e);
	} else if (e->registered) {
		if ((want & ~e->mask) == 0)
			return 0;
		mask |= e->mask;
		op = EPOLL_CTL_MOD;
	}
	if (fd_ctl(op, fd, e, mask) == -1)
		return -1;
	e->registered = true;
	e->mask = mask;
	return 0;
}

static struct fd_entry *
fd_get(int fd)
{
	struct fd_entry *p;
	size_t n;

	if (fd < 0) {
		errno = EBADF;
		return NULL;
	}
	if ((size_t)fd >= fds_len) {
		n = fds_len == 0 ? 64 : fds_len;
		while (n <= (size_t)fd)
			n *= 2;
		p = realloc(fds, n * sizeof(*fds));
		if (p == NULL)
			return NULL;
		memset(p + fds_len, 0, (n - fds_len) * sizeof(*fds));
		fds = p;
		fds_len = n;
	}
	return &fds[fd];
}

/*
 * The entry of FD, registered for EVENTS, for a waiter or, if WATCH, for a
 * watcher, who may take the place of another.
 */
static struct fd_entry *
fd_claim(int fd, uint32_t events, bool watch)
{
	struct fd_entry *e = fd_get(fd);

	if (e == NULL)
		return NULL;
	if (e->co != NULL || (e->cb != NULL && !watch)) {
		errno = EBUSY;
		return NULL;
	}
	if ((events & ~EVENTS_OK) != 0) {
		errno = EINVAL;
		return NULL;
	}
	if (fd_register(fd, e, events) == -1)
		return NULL;
	if (e->cb == NULL)
		wl_sched.sources++;
	e->want = events;
	return e;
}

/*
 * An exclusive registration does not outlive its wait: the one connection
 * that wakes one process must not wake a process that does not want it.
 */
static void
fd_release(int fd, struct fd_entry *e)
{
	if ((e->mask & EPOLLEXCLUSIVE) != 0)
		fd_unregister(fd, e);
	if (e->co != NULL)
		e->co->fd = -1;
	if (e->co != NULL || e->cb != NULL)
		wl_sched.sources--;
	e->co = NULL;
	e->cb = NULL;
	e->want = 0;
}

int
wl_sched_attach(struct wl_co *co, int fd, uint32_t events)
{
	struct fd_entry *e = fd_claim(fd, events, false);

	if (e == NULL)
		return -1;
	e->co = co;
	co->fd = fd;
	return 0;
}

void
wl_sched_detach(struct wl_co *co)
{
	if (co->fd != -1)
		fd_release(co->fd, &fds[co->fd]);
}

int
wl_watch(int fd, uint32_t events, void (*cb)(int, uint32_t, void *), void *arg)
{
	struct fd_entry *e;

	wl_sched_need_loop("wl_watch");
	e = fd_claim(fd, events, true);
	if (e == NULL)
		return -1;
	e->cb = cb;
	e->arg = arg;
	return 0;
}

void
wl_forget(int fd)
{
	struct fd_entry *e;

	if (!here || fd < 0 || (size_t)fd >= fds_len)
		return;
	e = &fds[fd];
	if (e->registered)
		fd_unregister(fd, e);
	fd_release(fd, e);
	e->gen++;
}

/*
 * The event may be of a descriptor that was forgotten, or got a new owner,
 * earlier in this turn.
 */
static void
fd_event(const struct epoll_event *ev)
{
	int fd = (int)(uint32_t)ev->data.u64;
	struct fd_entry *e = &fds[fd];
	uint32_t wanted = e->want | EPOLLERR | EPOLLHUP;
	uint32_t hit = ev->events & wanted;

	if (e->gen != (uint32_t)(ev->data.u64 >> 32))
		return;
	if (e->co == NULL && e->cb == NULL) {
		fd_unregister(fd, e);
		return;
	}
	if ((ev->events & ~wanted) != 0 &&
	    fd_ctl(EPOLL_CTL_MOD, fd, e, e->want) == 0)
		e->mask = e->want;
	if (hit != 0 && e->co != NULL) {
		wl_sched_ready(e->co, (int)hit);
	} else if (hit != 0) {
		e->cb(fd, hit, e->arg);
		ran("watch", fd);
	}
}

/* timers */

static void
heap_put(int i, struct wl_timer *t)
{
	heap[i] = t;
	t->pos = i + 1;
}

/*
 * Put T where it belongs, beginning at the free place I.
 */
static void
heap_sift(int i, struct wl_timer *t)
{
	int up, kid;

	for (; i > 0; i = up) {
		up = (i - 1) / 2;
		if (heap[up]->deadline <= t->deadline)
			break;
		heap_put(i, heap[up]);
	}
	for (; (kid = 2 * i + 1) < heap_len; i = kid) {
		if (kid + 1 < heap_len &&
		    heap[kid + 1]->deadline < heap[kid]->deadline)
			kid++;
		if (t->deadline <= heap[kid]->deadline)
			break;
		heap_put(i, heap[kid]);
	}
	heap_put(i, t);
}

int
wl_timer_set(struct wl_timer *t, int64_t deadline, void (*cb)(void *),
    void *arg)
{
	struct wl_timer **p;
	int n;

	wl_sched_need_loop("wl_timer_set");
	if (t->pos == 0 && heap_len == heap_size) {
		n = heap_size == 0 ? 64 : heap_size * 2;
		p = realloc(heap, (size_t)n * sizeof(struct wl_timer *));
		if (p == NULL)
			return -1;
		heap = p;
		heap_size = n;
	}
	t->deadline = deadline;
	t->cb = cb;
	t->arg = arg;
	if (t->pos != 0) {
		heap_sift(t->pos - 1, t);
	} else {
		heap_len++;
		heap_sift(heap_len - 1, t);
	}
	return 0;
}

void
wl_timer_clear(struct wl_timer *t)
{
	struct wl_timer *last;
	int i = t->pos - 1;

	if (i < 0)
		return;
	t->pos = 0;
	last = heap[--heap_len];
	if (last != t)
		heap_sift(i, last);
}

/*
 * As many as there are now at most: one that sets itself again and again to
 * a time that has passed does not keep the loop from its events.
 */
static void
run_timers(void)
{
	int64_t now = wl_sched.now_us / 1000;
	struct wl_timer *t;
	int n;

	for (n = heap_len; n > 0 && heap_len > 0; n--) {
		t = heap[0];
		if (t->deadline > now)
			break;
		wl_timer_clear(t);
		t->cb(t->arg);
		ran("timer", -1);
	}
}

/* hooks */

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
	*defer_tail = d;
	defer_tail = &d->next;
}

/*
 * A hook may free itself, and one that it asks for runs in the next turn.
 */
static void
run_defers(void)
{
	struct wl_defer *d, *next;

	d = defer_head;
	defer_head = NULL;
	defer_tail = &defer_head;
	for (; d != NULL; d = next) {
		next = d->next;
		d->queued = false;
		d->cb(d->arg);
		ran("defer", -1);
	}
}

/* turns */

static void
deadlock(void)
{
	const struct wl_co *co;

	for (co = wl_sched.alive; co != NULL; co = co->next_alive)
		fprintf(stderr, "watchllm: parked: %s\n", co->name);
	wl_sched_die("deadlock: nothing can wake any coroutine");
}

/*
 * How long epoll may sleep, ms.
 */
static int
turn_timeout(void)
{
	int64_t now;

	if (wl_sched.ready.head != NULL || defer_head != NULL)
		return 0;
	if (heap_len == 0) {
		if (wl_sched.sources == 0)
			deadlock();
		return -1;
	}
	now = wl_mono_fresh();
	if (heap[0]->deadline <= now)
		return 0;
	if (heap[0]->deadline - now > SLEEP_MAX)
		return SLEEP_MAX;
	return (int)(heap[0]->deadline - now);
}

static void
turn_measure(int64_t us)
{
	char what[32];

	if (us > (int64_t)wl_sched.stat.longest_us)
		wl_sched.stat.longest_us = (uint64_t)us;
	if (us <= SLOW_US)
		return;
	wl_sched.stat.slow_turns++;
	if (on_slow == NULL)
		return;
	if (worst_fd == -1) {
		on_slow(us, worst);
		return;
	}
	(void)snprintf(what, sizeof(what), "%s of fd %d", worst, worst_fd);
	on_slow(us, what);
}

static void
turn(void)
{
	struct epoll_event ev[EVENTS_MAX];
	int64_t start;
	int i, n;

	n = epoll_wait(epfd, ev, EVENTS_MAX, turn_timeout());
	if (n == -1 && errno != EINTR)
		wl_sched_die("epoll_wait: %s", strerror(errno));
	start = wl_sched.now_us = clock_us();
	worst_us = 0;
	worst = "loop";
	worst_fd = -1;
	wl_sched.stat.turns++;
	for (i = 0; i < n; i++)
		fd_event(&ev[i]);
	run_timers();
	run_queue();
	run_defers();
	turn_measure(wl_sched.now_us - start);
}

struct first {
	int		(*fn)(void *);
	void		*arg;
	int		 ret;
};

static void
first_main(void *arg)
{
	struct first *f = arg;

	f->ret = f->fn(f->arg);
}

/*
 * Timers and watches that are still set have nobody left to serve.
 */
static void
loop_close(void)
{
	wl_sched_offload_close();
	while (heap_len > 0)
		wl_timer_clear(heap[heap_len - 1]);
	wl_sched_stacks_close();
	free(fds);
	fds = NULL;
	fds_len = 0;
	free(heap);
	heap = NULL;
	heap_size = 0;
	close(epfd);
	epfd = -1;
	wl_sched.running = here = false;
}

int
wl_run(int (*fn)(void *), void *arg)
{
	struct first f = { .fn = fn, .arg = arg };
	int saved;

	if (wl_sched.running) {
		errno = EBUSY;
		return -1;
	}
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd == -1)
		return -1;
	memset(&wl_sched, 0, sizeof(wl_sched));
	wl_sched.running = here = true;
	wl_sched.now_us = clock_us();
	wl_sched_stacks_open();
	if (wl_co_spawn("main", first_main, &f) == NULL) {
		saved = errno;
		loop_close();
		errno = saved;
		return -1;
	}
	while (wl_sched.alive != NULL || defer_head != NULL)
		turn();
	loop_close();
	return f.ret;
}

/* figures */

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
