/*
 * The worker: what its requests share, signals, the start and an end in good
 * order.
 */
#include "config.h"
#include "fcgi/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "fcgi/conn.h"
#include "fcgi/io_cgi.h"
#include "fcgi/serve.h"
#include "fcgi/shadow.h"
#include "lib/base/arena.h"
#include "lib/base/co.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/journal.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/secret.h"
#include "lib/base/wait.h"
#include "lib/http/client.h"
#include "lib/http/io.h"

/* Waits that a wake or a signal ends are looked at again this often. */
#define LONG_MS		((int64_t)3600 * 1000)
/* What a cancelled request may still take. */
#define CANCEL_MS	5000
/* Apache kills a CGI program 3 s after it asked it to end. */
#define CGI_GONE_MS	1500
#define ARENAS		64
#define SLOW_LOG_MS	1000

struct wl_worker wl_worker;

/*
 * A configuration and how many requests use it.
 */
struct wl_generation {
	struct wl_conf		*conf;
	struct wl_keyring	*keyring;	/* or NULL */
	uint64_t		 users;
	bool			 ours;	/* conf is freed with it */
};

static struct {
	int			 listen_fd;
	int			 signal_fd;
	int			 status;
	bool			 hurry;		/* signalled twice */
	struct wl_generation	*conf;
	struct wl_co		*main, *signals, *ticker, *request;
	struct wl_arena		*arena[ARENAS];
	size_t			 narena;
} w;

static void
release_conf(struct wl_generation *g)
{
	if (g == NULL || g->users > 0 || g == w.conf)
		return;
	wl_keyring_free(g->keyring);
	if (g->ours) {
		wl_conf_free(g->conf);
		free(g->conf);
	}
	free(g);
}

/*
 * CONF and its master keys hold for requests that begin from now on.
 */
static int
use_conf(struct wl_conf *conf, bool ours, struct wl_err *e)
{
	struct wl_generation *g = calloc(1, sizeof(*g)), *old = w.conf;

	if (g == NULL)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	if (conf->master_key_file[0] != '\0' && (g->keyring =
	    wl_keyring_load(conf->master_key_file, e)) == NULL) {
		free(g);
		return -1;
	}
	g->conf = conf;
	g->ours = ours;
	w.conf = g;
	wl_worker.conf = conf;
	wl_worker.keyring = g->keyring;
	release_conf(old);
	return 0;
}

static struct wl_generation *
hold(void)
{
	w.conf->users++;
	return w.conf;
}

static void
give_back(struct wl_generation *g)
{
	g->users--;
	release_conf(g);
}

static struct wl_arena *
take_arena(void)
{
	if (w.narena > 0)
		return w.arena[--w.narena];
	return wl_arena_new((size_t)wl_worker.conf->request_memory);
}

static void
give_arena(struct wl_arena *a)
{
	wl_arena_reset(a);
	if (w.narena == ARENAS)
		wl_arena_free(a);
	else
		w.arena[w.narena++] = a;
}

/*
 * Serve the request that IO carries.  Returns false when memory is out.
 */
static bool
serve(struct wl_io *io)
{
	struct wl_generation *g;
	struct wl_arena *a = take_arena();

	if (a == NULL) {
		wl_log(WL_ERROR, "worker.memory", "no memory for a request");
		return false;
	}
	g = hold();
	wl_serve(io, a);
	give_arena(a);
	wl_worker.served++;
	give_back(g);
	return true;
}

static void
wake(struct wl_co *co)
{
	if (co != NULL)
		wl_wake(co);
}

/*
 * Signals and the clock.
 */

static void
not_taken(const struct wl_err *e)
{
	wl_log(WL_ERROR, "worker.reload", "configuration not taken: %s",
	    e->msg);
}

static void
reload(void)
{
	struct wl_err e = { 0 };
	struct wl_conf *conf;

	if (wl_worker.load != NULL) {
		if ((conf = calloc(1, sizeof(*conf))) == NULL)
			return;
		if (wl_worker.load(conf, &e) == -1) {
			not_taken(&e);
			free(conf);
		} else if (use_conf(conf, true, &e) == -1) {
			not_taken(&e);
			wl_conf_free(conf);
			free(conf);
		}
	}
	conf = wl_worker.conf;
	if (wl_log_open(conf->log_file, (enum wl_level)wl_log_level(
	    conf->log_level), "watchllm.fcgi") == -1)
		wl_log(WL_ERROR, "worker.log", "cannot open the log: %s",
		    strerror(errno));
	wl_log(WL_INFO, "worker.reload", "done");
}

static void
stop(void)
{
	if (wl_worker.stopping) {
		w.hurry = true;
		wake(w.main);
		return;
	}
	wl_worker.stopping = true;
	wl_log(WL_INFO, "worker.stop", "%llu requests running",
	    (unsigned long long)wl_worker.requests);
	wl_shadow_stop(w.main);
	if (wl_worker.one_request)
		wl_io_cgi_gone();
	else
		wl_conn_stop();
	wake(w.main);
}

static void
signals(void *arg)
{
	struct signalfd_siginfo info;
	int got;

	(void)arg;
	while ((got = wl_wait(w.signal_fd, EPOLLIN, wl_mono() + LONG_MS)) !=
	    -1) {
		if (got == 0)
			continue;
		while (read(w.signal_fd, &info, sizeof(info)) == sizeof(info))
			if (info.ssi_signo == SIGHUP && !wl_worker.one_request)
				reload();
			else
				stop();
	}
	w.signals = NULL;
	wake(w.main);
}

static void
tick(void *arg)
{
	(void)arg;
	while (wl_sleep(wl_worker.conf->spool_sync_interval) == 0)
		wl_journal_tick(wl_worker.journal);
	w.ticker = NULL;
	wake(w.main);
}

static void
on_slow_turn(int64_t us, const char *what)
{
	static int64_t last;
	static uint64_t kept_back;

	if (last != 0 && wl_mono() - last < SLOW_LOG_MS) {
		kept_back++;
		return;
	}
	last = wl_mono();
	wl_log(WL_WARN, "loop.slow", "a turn took %lld us, most of it in %s "
	    "(%llu others not logged)", (long long)us, what,
	    (unsigned long long)kept_back);
	kept_back = 0;
}

/*
 * Start and end.
 */

static int
open_all(struct wl_conf *conf, struct wl_err *e)
{
	if (use_conf(conf, false, e) == -1)
		return -1;
	wl_worker.journal = wl_journal_open(conf->spool_dir, conf->spool_max,
	    conf->spool_segment, (enum wl_spool_sync)conf->spool_sync,
	    conf->spool_sync_interval, e);
	if (wl_worker.journal == NULL)
		return -1;
	if (wl_client_open(conf, e) == -1)
		return -1;
	return wl_serve_open(conf, e);
}

static void
close_all(void)
{
	struct wl_generation *g;

	wl_serve_close();
	wl_client_close();
	if (wl_worker.journal != NULL)
		wl_journal_close(wl_worker.journal);
	wl_worker.journal = NULL;
	wl_worker.keyring = NULL;
	while (w.narena > 0)
		wl_arena_free(w.arena[--w.narena]);
	g = w.conf;
	w.conf = NULL;
	release_conf(g);
}

/*
 * Wait until MORE() says no, or DEADLINE.
 */
static bool
await_end(bool (*more)(void), int64_t deadline)
{
	int64_t now;

	while (more() && !w.hurry && (now = wl_mono()) < deadline)
		if (wl_wait(-1, WL_WOKEN, deadline - now < LONG_MS ?
		    deadline : now + LONG_MS) == -1)
			break;
	return !more();
}

static bool
serving(void)
{
	return !wl_worker.stopping;
}

static bool
cgi_serving(void)
{
	return w.request != NULL && !wl_worker.stopping;
}

static bool
busy(void)
{
	return w.request != NULL || wl_conn_any();
}

static bool
helping(void)
{
	return w.signals != NULL || w.ticker != NULL || wl_shadow_any();
}

/*
 * Let what runs come to its end, or make it.
 */
static void
drain(int64_t ms)
{
	if (await_end(busy, wl_mono() + ms))
		return;
	wl_log(WL_WARN, "worker.cut", "%llu requests cut off",
	    (unsigned long long)wl_worker.requests);
	wl_conn_cancel();
	if (w.request != NULL)
		wl_co_cancel(w.request);
	w.hurry = false;
	if (await_end(busy, wl_mono() + CANCEL_MS))
		return;
	/* nothing that waits can be left: a helper thread hangs */
	wl_log(WL_ERROR, "worker.abandon", "requests did not end");
	wl_journal_close(wl_worker.journal);
	_exit(1);
}

static void
cgi_request(void *arg)
{
	wl_worker.requests++;
	if (!serve(arg))
		w.status = 1;
	wl_worker.requests--;
	w.request = NULL;
	wake(w.main);
}

/*
 * The web server would answer a program that says nothing with an error page
 * of its own.
 */
static void
apologize(struct wl_io *io)
{
	static const char reply[] = "Status: 503 Service Unavailable\r\n"
	    "Content-Type: application/json\r\nRetry-After: 10\r\n\r\n"
	    "{\"error\":{\"message\":\"The service is temporarily unavailable."
	    " Try again.\",\"type\":\"api_error\",\"code\":\"unavailable\"}}";

	io->ops->write(io, reply, sizeof(reply) - 1);
	io->ops->finish(io);
}

static int
run_cgi(bool ready)
{
	struct wl_io *io = wl_io_cgi_open(0, 1);

	if (io == NULL)
		return 1;
	if (!ready) {
		apologize(io);
	} else {
		w.request = wl_co_spawn("request", cgi_request, io);
		if (w.request == NULL)
			w.status = 1;
		await_end(cgi_serving, INT64_MAX);
		if (w.request != NULL)
			drain(CGI_GONE_MS);
	}
	wl_io_cgi_close();
	return w.status;
}

static int
run_fcgi(void)
{
	if (wl_conn_open(w.listen_fd, serve) == -1)
		return 1;
	wl_log(WL_INFO, "worker.start", "at most %lld requests at once",
	    (long long)wl_worker.conf->max_requests);
	await_end(serving, INT64_MAX);
	drain(wl_worker.conf->drain_deadline);
	wl_log(WL_INFO, "worker.end", "%llu requests served",
	    (unsigned long long)wl_worker.served);
	return w.status;
}

static int
run(void *arg)
{
	struct wl_err e = { 0 };
	bool ready;
	int status;

	wl_loop_on_slow(on_slow_turn);
	w.main = wl_co_self();
	w.signals = wl_co_spawn("signals", signals, NULL);
	ready = w.signals != NULL && open_all(arg, &e) == 0;
	if (ready)
		ready = (w.ticker = wl_co_spawn("journal", tick, NULL)) != NULL;
	if (!ready)
		wl_log(WL_ERROR, "worker.open", "%s (%s)", e.msg, e.detail);
	if (wl_worker.one_request)
		status = run_cgi(ready);
	else
		status = ready ? run_fcgi() : 1;
	if (w.signals != NULL)
		wl_co_cancel(w.signals);
	if (w.ticker != NULL)
		wl_co_cancel(w.ticker);
	w.hurry = false;
	await_end(helping, wl_mono() + CANCEL_MS);
	close_all();
	return ready ? status : 1;
}

int
wl_worker_run(struct wl_conf *conf, int fd)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	int (*load)(struct wl_conf *, struct wl_err *) = wl_worker.load;
	sigset_t set;
	int status, flags;

	memset(&w, 0, sizeof(w));
	memset(&wl_worker, 0, sizeof(wl_worker));
	wl_worker.load = load;
	wl_worker.hold = hold;
	wl_worker.give_back = give_back;
	wl_worker.one_request = fd == -1;
	w.listen_fd = fd;
	if (fd != -1 && ((flags = fcntl(fd, F_GETFL)) == -1 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1))
		return 1;
	/* before any thread: all of them inherit this */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	/* a file-size limit is an error of the write, not the end */
	sigaction(SIGXFSZ, &ignore, NULL);
	w.signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (w.signal_fd == -1)
		return 1;
	status = wl_run(run, conf);
	/* they stay blocked: a second SIGTERM must not spoil the exit status */
	close(w.signal_fd);
	return status == -1 ? 1 : status;
}
