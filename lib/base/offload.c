/*
 * Helper threads for what blocks by its nature.  A job lies on the stack of
 * the coroutine that waits for it: the queue needs no memory of its own, is
 * as long as there are such coroutines, and is served in order.
 */
#include "config.h"
#include "lib/base/wait.h"

#include <sys/eventfd.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "lib/base/sched.h"

#define THREADS_MAX 4
#define THREAD_STACK ((size_t)1024 * 1024)

struct job {
	struct job	*next;
	void		(*fn)(void *);
	void		*arg;
	struct wl_co	*co;
};

/* under the lock */
static pthread_mutex_t	 lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t	 more = PTHREAD_COND_INITIALIZER;
static struct job	*todo, **todo_tail = &todo;
static struct job	*done, **done_tail = &done;
static int		 waiting;	/* jobs in todo */
static int		 idle;		/* threads */
static bool		 closing;

/* of the loop's thread; the helpers only write to done_fd */
static pthread_t	 threads[THREADS_MAX];
static int		 nthreads;
static int		 done_fd = -1;

static void *
helper(void *arg)
{
	struct job *j;

	(void)arg;
	pthread_mutex_lock(&lock);
	for (;;) {
		idle++;
		while (todo == NULL && !closing)
			pthread_cond_wait(&more, &lock);
		idle--;
		if (closing)
			break;
		j = todo;
		todo = j->next;
		if (todo == NULL)
			todo_tail = &todo;
		waiting--;
		pthread_mutex_unlock(&lock);
		j->fn(j->arg);
		pthread_mutex_lock(&lock);
		j->next = NULL;
		*done_tail = j;
		done_tail = &j->next;
		if (done == j && eventfd_write(done_fd, 1) == -1)
			wl_sched_die("offload: the loop cannot be told");
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void
jobs_done(int fd, uint32_t revents, void *arg)
{
	struct job *j, *next;
	eventfd_t n;

	(void)revents;
	(void)arg;
	if (eventfd_read(fd, &n) == -1)
		return;
	pthread_mutex_lock(&lock);
	j = done;
	done = NULL;
	done_tail = &done;
	pthread_mutex_unlock(&lock);
	for (; j != NULL; j = next) {
		next = j->next;
		wl_sched.sources--;
		wl_sched_ready(j->co, 0);
	}
}

/*
 * The descriptor alone wakes nobody, so it is no source; each job is one.
 */
static int
done_fd_open(void)
{
	if (done_fd != -1)
		return 0;
	done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (done_fd == -1)
		return -1;
	if (wl_watch(done_fd, EPOLLIN, jobs_done, NULL) == -1) {
		close(done_fd);
		done_fd = -1;
		return -1;
	}
	wl_sched.sources--;
	return 0;
}

/*
 * Signals are the loop's business: a helper is born with all of them blocked.
 */
static void
thread_start(void)
{
	pthread_attr_t attr;
	sigset_t all, old;

	if (pthread_attr_init(&attr) != 0)
		return;
	sigfillset(&all);
	if (pthread_attr_setstacksize(&attr, THREAD_STACK) == 0 &&
	    pthread_sigmask(SIG_SETMASK, &all, &old) == 0) {
		if (pthread_create(&threads[nthreads], &attr, helper,
		    NULL) == 0)
			nthreads++;
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	pthread_attr_destroy(&attr);
}

int
wl_offload(void (*fn)(void *), void *arg)
{
	struct job j = { .fn = fn, .arg = arg };
	bool busy;

	j.co = wl_sched_need_co("wl_offload");
	if (done_fd_open() == -1)
		return -1;
	pthread_mutex_lock(&lock);
	busy = waiting >= idle;
	pthread_mutex_unlock(&lock);
	if (busy && nthreads < THREADS_MAX)
		thread_start();
	if (nthreads == 0) {
		errno = EAGAIN;
		return -1;
	}
	pthread_mutex_lock(&lock);
	*todo_tail = &j;
	todo_tail = &j.next;
	waiting++;
	pthread_cond_signal(&more);
	pthread_mutex_unlock(&lock);
	wl_sched.sources++;
	wl_sched_park(WL_CO_HELD);
	return 0;
}

void
wl_sched_offload_close(void)
{
	if (done_fd == -1)
		return;
	pthread_mutex_lock(&lock);
	closing = true;
	pthread_cond_broadcast(&more);
	pthread_mutex_unlock(&lock);
	while (nthreads > 0)
		pthread_join(threads[--nthreads], NULL);
	closing = false;
	wl_sched.sources++;
	wl_forget(done_fd);
	close(done_fd);
	done_fd = -1;
}
