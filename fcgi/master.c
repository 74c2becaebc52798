/*
 * The parent of several workers.  It runs no loop, so that its children
 * inherit none: it waits for signals only.
 */
#include "config.h"
#include "fcgi/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fcgi/listen.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"

#define PROCESSES_MAX	1024
#define FIRST_DELAY_MS	1000
#define LAST_DELAY_MS	30000
/* Who dies younger than this is restarted ever more slowly. */
#define YOUNG_MS	10000
/* What a worker may take beyond its own deadline. */
#define GRACE_MS	10000

struct child {
	pid_t	pid;		/* 0: not running */
	int64_t	started;
	int64_t	due;		/* when to start it again */
	int64_t	delay;
};

static struct {
	struct wl_conf	*conf;
	struct child	*child;
	int		 n;
	int		 fd;
	sigset_t	 signals, before;
} master;

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
start(struct child *c)
{
	pid_t parent = getpid(), pid = fork();
	int status;

	c->started = now_ms();
	if (pid == -1) {
		wl_log(WL_ERROR, "master.fork", "%s", strerror(errno));
		c->delay = FIRST_DELAY_MS;
		c->due = c->started + c->delay;
		return;
	}
	if (pid > 0) {
		c->pid = pid;
		return;
	}
	/* a master that was killed takes its workers with it */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	sigprocmask(SIG_SETMASK, &master.before, NULL);
	free(master.child);
	status = wl_worker_run(master.conf, master.fd);
	exit(status);
}

static void
buried(struct child *c, int status)
{
	int64_t now = now_ms();

	c->pid = 0;
	if (now - c->started >= YOUNG_MS)
		c->delay = 0;
	else if (c->delay == 0)
		c->delay = FIRST_DELAY_MS;
	else if ((c->delay *= 2) > LAST_DELAY_MS)
		c->delay = LAST_DELAY_MS;
	c->due = now + c->delay;
	if (WIFSIGNALED(status))
		wl_log(WL_ERROR, "master.died", "a worker died of signal %d, "
		    "next one in %lld ms", WTERMSIG(status),
		    (long long)c->delay);
	else
		wl_log(WL_WARN, "master.exited", "a worker ended with status "
		    "%d, next one in %lld ms", WEXITSTATUS(status),
		    (long long)c->delay);
}

/*
 * Collect the dead.  Returns how many live.
 */
static int
reap(bool stopping)
{
	int i, status, alive = 0;

	for (i = 0; i < master.n; i++) {
		struct child *c = &master.child[i];

		if (c->pid == 0)
			continue;
		if (waitpid(c->pid, &status, WNOHANG) != c->pid) {
			alive++;
			continue;
		}
		if (stopping)
			c->pid = 0;
		else
			buried(c, status);
	}
	return alive;
}

static void
signal_all(int sig)
{
	int i;

	for (i = 0; i < master.n; i++)
		if (master.child[i].pid != 0)
			kill(master.child[i].pid, sig);
}

/*
 * The next signal, or 0 after MS.
 */
static int
next_signal(int64_t ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };
	int sig = sigtimedwait(&master.signals, NULL, &ts);

	return sig == -1 ? 0 : sig;
}

/*
 * Start who is due.  Returns the milliseconds until the next one is.
 */
static int64_t
start_due(void)
{
	int64_t now = now_ms(), next = 60000;
	int i;

	for (i = 0; i < master.n; i++) {
		struct child *c = &master.child[i];

		if (c->pid == 0 && c->due <= now)
			start(c);
		if (c->pid == 0 && c->due - now < next)
			next = c->due - now;
	}
	return next < 1 ? 1 : next;
}

/*
 * Until a signal says stop.
 */
static void
watch(void)
{
	int sig;

	for (;;) {
		sig = next_signal(start_due());
		reap(false);
		if (sig == SIGHUP) {
			wl_log_reopen();
			signal_all(SIGHUP);
		} else if (sig != 0 && sig != SIGCHLD) {
			return;
		}
	}
}

static void
stop(void)
{
	int64_t deadline = now_ms() + master.conf->drain_deadline + GRACE_MS;
	int64_t left;
	int sig;

	signal_all(SIGTERM);
	while (reap(true) > 0) {
		if ((left = deadline - now_ms()) <= 0) {
			wl_log(WL_ERROR, "master.kill",
			    "workers did not end in time");
			signal_all(SIGKILL);
			left = GRACE_MS;
			deadline += GRACE_MS;
		}
		sig = next_signal(left);
		/* said twice: at once */
		if (sig == SIGTERM || sig == SIGINT)
			signal_all(SIGTERM);
	}
}

int
wl_master_run(struct wl_conf *conf, const char *listen, int n)
{
	struct wl_err e = { 0 };

	if (n == 0)
		n = (int)sysconf(_SC_NPROCESSORS_ONLN);
	if (n < 1 || n > PROCESSES_MAX)
		n = 1;
	master.conf = conf;
	master.n = n;
	master.child = calloc((size_t)n, sizeof(struct child));
	if (master.child == NULL)
		return 1;
	master.fd = wl_listen_open(listen, conf->listen_mode, &e);
	if (master.fd == -1) {
		wl_log(WL_ERROR, "master.listen", "%s", e.msg);
		free(master.child);
		return 1;
	}
	sigemptyset(&master.signals);
	sigaddset(&master.signals, SIGTERM);
	sigaddset(&master.signals, SIGINT);
	sigaddset(&master.signals, SIGUSR1);
	sigaddset(&master.signals, SIGHUP);
	sigaddset(&master.signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &master.signals, &master.before);
	wl_log(WL_INFO, "master.start", "%d workers on %s", n, listen);
	watch();
	wl_log(WL_INFO, "master.stop", "ending");
	stop();
	wl_listen_close(master.fd, listen);
	free(master.child);
	return 0;
}
