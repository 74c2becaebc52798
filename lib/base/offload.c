/*
 * Helper threads for what blocks by its nature.  A job lies on the stack of
 * the coroutine that waits for it.
 */
#include "config.h"
#include "lib/base/wait.h"

#include <sys/eventfd.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "lib/base/sched.h"

#define THREADS_MAX	4

struct job {
	struct job	*next;
	void		(*fn)(void *);
	void		*arg;
	struct wl_co	*co;
};

/* LOCK guards the next five; the rest is the loop's own */
static pthread_mutex_t	 lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t	 more = PTHREAD_COND_INITIALIZER;
static struct job	*todo, **todo_tail = &todo;
static struct job	*done;
static int		 idle;
static bool		 closing;

static pthread_t	 threads[THREADS_MAX];
static int		 nthreads;
static int		 wakefd = -1;
static int		 pending;

static void *
helper(void *arg)
{
	struct job *j;
	uint64_t one = 1;

	(void)arg;
	pthread_mutex_lock(&lock);
	for (;;) {
		idle++;
		while (todo == NULL && !closing)
			pthread_cond_wait(&more, &lock);
		idle--;
		j = todo;
		if (j == NULL)
			break;
		todo = j->next;
		if (todo == NULL)
			todo_tail = &todo;
		pthread_mutex_unlock(&lock);
		j->fn(j->arg);
		pthread_mutex_lock(&lock);
		j->next = done;
		done = j;
		while (write(wakefd, &one, sizeof(one)) == -1 && errno == EINTR)
			;
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void
finished(int fd, uint32_t events, void *arg)
{
	struct job *j, *next;
	uint64_t n;

	(void)events;
	(void)arg;
	if (read(fd, &n, sizeof(n)) == -1)
		return;
	pthread_mutex_lock(&lock);
	j = done;
	done = NULL;
	pthread_mutex_unlock(&lock);
	for (; j != NULL; j = next) {
		next = j->next;
		pending--;
		wl_sched.sources--;
		wl_sched_ready(j->co, 0);
	}
}

static int
open_wake(void)
{
	if (wakefd != -1)
		return 0;
	wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wakefd == -1)
		return -1;
	if (wl_watch(wakefd, EPOLLIN, finished, NULL) == -1) {
		close(wakefd);
		wakefd = -1;
		return -1;
	}
	wl_sched.sources--;	/* it is none while no job runs */
	return 0;
}

/*
 * One more thread; signals stay with the loop's thread.
 */
static int
start_thread(void)
{
	sigset_t set, old;
	int rc;

	sigfillset(&set);
	pthread_sigmask(SIG_SETMASK, &set, &old);
	rc = pthread_create(&threads[nthreads], NULL, helper, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc == 0)
		nthreads++;
	return rc;
}

int
wl_offload(void (*fn)(void *), void *arg)
{
	struct job j = { NULL, fn, arg, wl_sched_need_co("wl_offload") };
	bool need;

	if (open_wake() == -1)
		return -1;
	pthread_mutex_lock(&lock);
	need = idle <= pending && nthreads < THREADS_MAX;
	pthread_mutex_unlock(&lock);
	if ((nthreads == 0 || need) && start_thread() != 0 && nthreads == 0) {
		errno = EAGAIN;
		return -1;
	}
	pthread_mutex_lock(&lock);
	*todo_tail = &j;
	todo_tail = &j.next;
	pthread_cond_signal(&more);
	pthread_mutex_unlock(&lock);
	pending++;
	wl_sched.sources++;
	wl_sched_park(WL_CO_HELD);
	return 0;
}

void
wl_sched_offload_close(void)
{
	int i;

	pthread_mutex_lock(&lock);
	closing = true;
	pthread_cond_broadcast(&more);
	pthread_mutex_unlock(&lock);
	for (i = 0; i < nthreads; i++)
		pthread_join(threads[i], NULL);
	closing = false;
	nthreads = 0;
	if (wakefd != -1) {
		wl_forget(wakefd);
		close(wakefd);
		wakefd = -1;
	}
}
