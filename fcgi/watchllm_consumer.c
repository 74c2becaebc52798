/*
 * watchllm-consumer: drains the journals of this host into PostgreSQL, as a
 * daemon or once.  What it does is in lib/core/drain.h; here is when.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "fcgi/program.h"
#include "lib/base/arena.h"
#include "lib/base/co.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/rand.h"
#include "lib/base/wait.h"
#include "lib/core/drain.h"
#include "lib/store/db_migrate.h"
#include "lib/store/pg.h"
#include "lib/store/redis.h"

#define PROGRAM		"watchllm-consumer"

#define BACKOFF_MS	250
#define BACKOFF_MAX_MS	30000
#define FIX_MAX_MS	5000
/* A consumer that waits for another one looks this often. */
#define STANDBY_MS	1000
/* Waits that only a wake ends are looked at again this often. */
#define LONG_MS		((int64_t)3600 * 1000)
/* What is there is drained by the first pass, finished by the second. */
#define ONCE_PASSES	3
#define ONCE_PAUSE_MS	100
#define ONCE_TRIES	5
#define END_MS		5000

static struct wl_program program = {
	.name = PROGRAM,
	.help = "Usage: " PROGRAM " [OPTION]...\n"
	    "Drain the journals of this host into PostgreSQL.\n"
	    "\n"
	    "It runs until SIGTERM; SIGHUP makes it read the configuration\n"
	    "again.\n"
	    "\n"
	    "      --once            drain what is there, then end: for cron.\n"
	    "                        Status 0: all was drained, or another\n"
	    "                        consumer is at it; 1: it was not\n"
	    "      --config=FILE     read this configuration\n"
	    "      --set=NAME=VALUE  change one setting (repeatable)\n"
	    "      --help            show this help\n"
	    "      --version         show the version\n",
};

static struct {
	struct wl_conf	 conf;
	struct wl_drain	*drain;
	struct wl_arena	*arena;
	bool		 once;
	int		 signal_fd;
	struct wl_co	*main, *signals, *fixer;
	bool		 stopping, reload;
	bool		 checked;	/* the schema is ours */
	bool		 away;		/* the database, and the log knows */
	int		 tries;		/* without success, in a row */
	bool		 fix;		/* counters lack something */
} s;

/* ---- signals ----------------------------------------------------------- */

static void
stop(void)
{
	/* asked twice: leave the batch in hand to the next start */
	if (s.stopping)
		wl_co_cancel(s.main);
	s.stopping = true;
	if (s.drain != NULL)
		wl_drain_stop(s.drain);
}

static void
signals(void *arg)
{
	struct signalfd_siginfo info;
	int got;

	(void)arg;
	while ((got = wl_wait(s.signal_fd, EPOLLIN, wl_mono() + LONG_MS)) !=
	    -1) {
		while (got > 0 &&
		    read(s.signal_fd, &info, sizeof(info)) == sizeof(info))
			if (info.ssi_signo == SIGHUP)
				s.reload = true;
			else
				stop();
		wl_wake(s.main);
	}
	s.signals = NULL;
	wl_wake(s.main);
}

/*
 * What may change while we run; the rest is read at the start only.
 */
static void
reload(void)
{
	struct wl_err e = { 0 };
	struct wl_conf fresh;

	s.reload = false;
	if (wl_program_load(&program, &fresh, &e) == -1) {
		wl_log(WL_ERROR, "consumer.reload",
		    "configuration not taken: %s", e.msg);
		(void)wl_log_reopen();
		return;
	}
	s.conf.drain_batch = fresh.drain_batch;
	s.conf.drain_interval = fresh.drain_interval;
	s.conf.total_timeout = fresh.total_timeout;
	if (wl_program_log(&program, &fresh) == -1)
		wl_log(WL_ERROR, "consumer.log", "cannot open the log: %s",
		    strerror(errno));
	wl_conf_free(&fresh);
	wl_log(WL_INFO, "consumer.reload", "done");
}

/*
 * Wait MS, or until there is a signal.
 */
static void
nap(int64_t ms)
{
	if (!s.stopping && !s.reload &&
	    wl_wait(-1, WL_WOKEN, wl_mono() + ms) == -1)
		s.stopping = true;
	if (s.reload)
		reload();
}

static int64_t
backoff(void)
{
	int64_t ms = BACKOFF_MS;
	int i;

	for (i = 1; i < s.tries && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	if (ms > BACKOFF_MAX_MS)
		ms = BACKOFF_MAX_MS;
	return ms / 2 + wl_rand_below((uint32_t)(ms / 2) + 1);
}

/* ---- counters in Redis ------------------------------------------------- */

/*
 * Beside the drain: Redis may be away for long.
 */
static void
fixer(void *arg)
{
	int64_t ms = BACKOFF_MS;
	struct wl_err e;
	int n;

	(void)arg;
	while (!s.stopping && !wl_co_cancelled()) {
		s.fix = false;
		n = wl_drain_fixups(&s.conf, &e);
		if (n > 0)
			continue;
		if (n == -1)
			wl_log(WL_DEBUG, "consumer.fixups", "%s", e.detail);
		ms = n == 0 ? LONG_MS : ms > FIX_MAX_MS / 2 ? FIX_MAX_MS :
		    ms * 2;
		if (!s.fix && wl_wait(-1, WL_WOKEN, wl_mono() + ms) == -1)
			break;
		if (n == 0)
			ms = BACKOFF_MS;
	}
	s.fixer = NULL;
	wl_wake(s.main);
}

/* ---- the database ------------------------------------------------------ */

static void
went_away(const struct wl_err *e)
{
	s.tries++;
	s.checked = false;
	if (!s.away)
		wl_log(WL_WARN, "consumer.away", "nothing is drained at the "
		    "moment, retrying: %s (%s)", e->msg, e->detail);
	s.away = true;
}

static void
came_back(void)
{
	s.tries = 0;
	if (s.away)
		wl_log(WL_INFO, "consumer.back", "draining again");
	s.away = false;
}

/*
 * A pass, and before it, at first and after each failure, a look at the
 * schema.  Returns 0, or -1 with *E: WL_E_INTERNAL when trying again is of no
 * use.
 */
static int
pass(bool *again, struct wl_err *e)
{
	int64_t fixups = wl_drain_stat(s.drain)->fixups;

	memset(e, 0, sizeof(*e));
	if (!s.checked) {
		wl_arena_reset(s.arena);
		if (wl_migrate_check(s.arena, WL_ROLE_DRAIN, e) == -1)
			return -1;
		s.checked = true;
	}
	if (wl_drain_pass(s.drain, again, e) == -1) {
		/* whatever it was: the records are still in the journal */
		e->code = WL_E_UNAVAILABLE;
		return -1;
	}
	if (wl_drain_stat(s.drain)->fixups != fixups) {
		s.fix = true;
		if (s.fixer != NULL)
			wl_wake(s.fixer);
	}
	return 0;
}

/* ---- daemon ------------------------------------------------------------ */

/*
 * Returns whether the spool is ours; not so when we are to end.
 */
static bool
stand_by(void)
{
	bool told = false;
	struct wl_err e;
	int got;

	while (!s.stopping && (got = wl_drain_lock(s.drain, &e)) != 1) {
		if (!told && got == 0)
			wl_log(WL_INFO, "consumer.standby", "another consumer "
			    "drains %s; waiting for it to end",
			    s.conf.spool_dir);
		else if (!told)
			wl_log(WL_ERROR, "consumer.lock", "%s", e.msg);
		told = true;
		nap(STANDBY_MS);
	}
	return !s.stopping;
}

static int
run_daemon(void)
{
	struct wl_err e;
	bool again;

	if (!stand_by())
		return 0;
	wl_log(WL_INFO, "consumer.start", "draining %s as host %s",
	    s.conf.spool_dir, s.conf.host_name);
	s.fixer = wl_co_spawn("fixups", fixer, NULL);
	while (!s.stopping) {
		if (pass(&again, &e) == 0) {
			came_back();
			nap(again ? 0 : s.conf.drain_interval);
			continue;
		}
		if (e.code != WL_E_UNAVAILABLE) {
			wl_log(WL_ERROR, "consumer.schema", "%s", e.msg);
			fprintf(stderr, PROGRAM ": %s\n", e.msg);
			return 1;
		}
		went_away(&e);
		nap(backoff());
	}
	wl_log(WL_INFO, "consumer.end", "%lld records drained",
	    (long long)wl_drain_stat(s.drain)->records);
	return 0;
}

/* ---- once -------------------------------------------------------------- */

static int
complain(const char *what, const struct wl_err *e)
{
	fprintf(stderr, PROGRAM ": %s: %s%s%s%s\n", what, e->msg,
	    e->detail[0] != '\0' ? " (" : "", e->detail,
	    e->detail[0] != '\0' ? ")" : "");
	return 1;
}

/*
 * A pass that takes a hiccup of the database for what it is.
 */
static int
pass_patiently(bool *again, struct wl_err *e)
{
	s.tries = 0;
	while (pass(again, e) == -1) {
		if (e->code != WL_E_UNAVAILABLE || s.stopping ||
		    ++s.tries == ONCE_TRIES)
			return -1;
		s.checked = false;
		nap(backoff());
	}
	return 0;
}

static int
run_once(void)
{
	const struct wl_drain_stat *stat = wl_drain_stat(s.drain);
	struct wl_err e = { 0 };
	bool again = true;
	int i, n;

	n = wl_drain_lock(s.drain, &e);
	if (n == -1)
		return complain("nothing is drained", &e);
	if (n == 0) {
		fprintf(stderr, PROGRAM ": another consumer drains %s; "
		    "nothing to do\n", s.conf.spool_dir);
		return 0;
	}
	for (i = 0; i < ONCE_PASSES && again && !s.stopping; i++) {
		if (pass_patiently(&again, &e) == -1)
			return complain("not all is drained", &e);
		again |= stat->waiting > 0;
		if (stat->waiting > 0)
			nap(ONCE_PAUSE_MS);
	}
	while ((n = wl_drain_fixups(&s.conf, &e)) > 0 && !s.stopping)
		;
	if (n == -1)
		wl_log(WL_WARN, "consumer.fixups", "counters in Redis are "
		    "mended later: %s", e.detail);
	if (stat->waiting == 0 && !s.stopping)
		return 0;
	fprintf(stderr, PROGRAM ": not all is drained: %s\n", s.stopping ?
	    "interrupted" : "a segment cannot be read on; see the log");
	return 1;
}

/* ---- start and end ----------------------------------------------------- */

static int
open_all(struct wl_err *e)
{
	s.main = wl_co_self();
	s.signals = wl_co_spawn("signals", signals, NULL);
	s.arena = wl_arena_new(1024 * 1024);
	if (s.signals == NULL || s.arena == NULL)
		return wl_err_set(e, WL_E_UNAVAILABLE, "out of memory");
	if (wl_pg_open(&s.conf, e) == -1 || wl_redis_open(&s.conf, e) == -1)
		return -1;
	s.drain = wl_drain_open(&s.conf, e);
	return s.drain == NULL ? -1 : 0;
}

static void
close_all(void)
{
	int64_t deadline = wl_mono() + END_MS;

	if (s.signals != NULL)
		wl_co_cancel(s.signals);
	if (s.fixer != NULL)
		wl_co_cancel(s.fixer);
	while ((s.signals != NULL || s.fixer != NULL) &&
	    wl_mono_fresh() < deadline)
		if (wl_wait(-1, WL_WOKEN, deadline) == -1)
			wl_co_yield();
	wl_redis_close();
	wl_pg_close();
	if (s.drain != NULL)
		wl_drain_close(s.drain);
	if (s.arena != NULL)
		wl_arena_free(s.arena);
}

static int
run(void *arg)
{
	struct wl_err e = { 0 };
	int status = 1;

	(void)arg;
	if (open_all(&e) == -1)
		complain("cannot start", &e);
	else
		status = s.once ? run_once() : run_daemon();
	close_all();
	return status;
}

static int
watch_signals(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;

	/* before any thread: all of them inherit this */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
	s.signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return s.signal_fd == -1 ? -1 : 0;
}

static void
parse(int argc, char **argv)
{
	static const struct option options[] = {
		WL_PROGRAM_OPTIONS,
		{ "once", no_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (c == 'o')
			s.once = true;
		else
			wl_program_option(&program, c, optarg);
	if (optind < argc)
		wl_program_misuse(&program);
}

int
main(int argc, char **argv)
{
	struct wl_err e = { 0 };
	int status = 1;

	parse(argc, argv);
	if (wl_program_load(&program, &s.conf, &e) == -1) {
		fprintf(stderr, PROGRAM ": %s\n", e.msg);
		return 1;
	}
	if (wl_program_log(&program, &s.conf) == 0 && watch_signals() == 0) {
		wl_program_harden();
		status = wl_run(run, NULL);
	}
	wl_conf_free(&s.conf);
	return status == -1 ? 1 : status;
}
