/*
 * watchllm-rollup: what cron runs every hour.  One row of a table is one job.
 */
#include "config.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/program.h"
#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/core/rollup.h"
#include "lib/store/db_migrate.h"
#include "lib/store/db_rollup.h"
#include "lib/store/pg.h"
#include "lib/store/redis.h"

#define PROGRAM		"watchllm-rollup"
#define ARENA_MAX	((size_t)64 * 1024 * 1024)
/* the lock, a job, and what it asks meanwhile */
#define CONNECTIONS_MIN	3

/*
 * In the order in which they run: statements before what they are made from
 * is dropped, and before the ledger is compared for what they leave open.
 */
static const struct job {
	const char	*name;
	int		(*fn)(struct wl_rollup *r, struct wl_err *e);
	const char	*help;
} jobs[] = {
	{ "partitions", wl_rollup_partitions,
	    "make the tables of the coming days" },
	{ "statements", wl_rollup_statements,
	    "monthly statements and their adjustments" },
	{ "retention", wl_rollup_retention,
	    "drop what is older than it is kept" },
	{ "marks", wl_rollup_marks,
	    "remove what journals left long ago" },
	{ "ledger", wl_rollup_ledger,
	    "compare the sums of open months with the ledger" },
	{ "reconcile", wl_rollup_reconcile,
	    "compare the counters in Redis with the ledger" },
};
#define JOBS	(sizeof(jobs) / sizeof(jobs[0]))

static const char usage[] =
    "Usage: " PROGRAM " [OPTION]... [JOB]...\n"
    "Do the jobs of the month, or only those that are named.  It may be run\n"
    "at any time, twice, and after a missed month.\n"
    "\n"
    "      --config=FILE     read this configuration\n"
    "      --set=NAME=VALUE  change one setting (repeatable)\n"
    "      --help            show this help\n"
    "      --version         show the version\n"
    "\n"
    "Jobs, in the order in which they run:\n";

static char		 help[sizeof(usage) + JOBS * 80];
static struct wl_program program = { .name = PROGRAM, .help = help };
static bool		 wanted[JOBS];

static void
fill_help(void)
{
	size_t i, n = sizeof(usage) - 1;

	memcpy(help, usage, sizeof(usage));
	for (i = 0; i < JOBS; i++, n += strlen(help + n))
		snprintf(help + n, sizeof(help) - n, "  %-12s%s\n",
		    jobs[i].name, jobs[i].help);
}

static void
want(const char *name)
{
	size_t i;

	for (i = 0; i < JOBS; i++)
		if (strcmp(jobs[i].name, name) == 0) {
			wanted[i] = true;
			return;
		}
	fprintf(stderr, PROGRAM ": %s: no such job\n", name);
	wl_program_misuse(&program);
}

static void
parse(int argc, char **argv)
{
	static const struct option options[] = {
		WL_PROGRAM_OPTIONS,
		{ NULL, 0, NULL, 0 }
	};
	int c, i;

	fill_help();
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		wl_program_option(&program, c, optarg);
	for (i = optind; i < argc; i++)
		want(argv[i]);
	for (i = 0; optind == argc && i < (int)JOBS; i++)
		wanted[i] = true;
}

/*
 * Say on standard error and in the log what failed.  Returns 1, the status.
 */
static int
failed(const char *what, const struct wl_err *e)
{
	const char *sep = e->detail[0] != '\0' ? "; " : "";

	fprintf(stderr, PROGRAM ": %s%s%s%s\n", what, e->msg, sep, e->detail);
	wl_log(WL_ERROR, "rollup.failed", "%s%s%s%s", what, e->msg, sep,
	    e->detail);
	return 1;
}

/*
 * One job and its line.  Returns 0, or 1 when it failed.
 */
static int
run_job(const struct job *job, struct wl_rollup *r)
{
	int64_t start = wl_mono_fresh(), ms;
	struct wl_err e = { 0 };
	char what[32];
	int rc;

	wl_buf_init(&r->done, 0);
	rc = job->fn(r, &e);
	ms = wl_mono_fresh() - start;
	if (rc == -1)
		wl_buf_adds(&r->done, r->done.len > 0 ? ", failed" : "failed");
	printf("%s: %s (%lld ms)\n", job->name, r->done.p, (long long)ms);
	fflush(stdout);
	wl_log(rc == -1 ? WL_ERROR : WL_INFO, "rollup.job",
	    "%s: %s (%lld ms)", job->name, r->done.p, (long long)ms);
	if (rc == -1) {
		snprintf(what, sizeof(what), "%s: ", job->name);
		failed(what, &e);
	}
	wl_buf_free(&r->done);
	wl_arena_reset(r->arena);
	return rc == -1;
}

static int
run_jobs(struct wl_rollup *r)
{
	struct wl_err e = { 0 };
	struct wl_pg *lock;
	int status = 0, got;
	size_t i;

	if (wl_migrate_check(r->arena, WL_ROLE_ROLLUP, &e) == -1 ||
	    (got = wl_db_rollup_lock(r->arena, &lock, &e)) == -1)
		return failed("", &e);
	if (got == 0) {
		puts("another " PROGRAM " is at work; nothing done");
		wl_log(WL_INFO, "rollup.busy", "another one is at work");
		return 0;
	}
	for (i = 0; i < JOBS; i++)
		if (wanted[i])
			status |= run_job(&jobs[i], r);
	wl_pg_give(lock);
	return status;
}

static int
run(void *arg)
{
	struct wl_rollup *r = arg;
	struct wl_err e = { 0 };
	int status;

	if (wl_pg_open(r->conf, &e) == -1)
		return failed("", &e);
	if (wl_redis_open(r->conf, &e) == -1) {
		wl_pg_close();
		return failed("", &e);
	}
	status = run_jobs(r);
	wl_redis_close();
	wl_pg_close();
	return status;
}

static int
start(struct wl_conf *conf)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct wl_rollup r = { .conf = conf, .now_ms = wl_clock_ms() };
	int status;

	if (wl_program_log(&program, conf) == -1)
		return 1;
	sigaction(SIGPIPE, &ignore, NULL);
	wl_program_harden();
	if (conf->database_connections < CONNECTIONS_MIN)
		conf->database_connections = CONNECTIONS_MIN;
	if ((r.arena = wl_arena_new(ARENA_MAX)) == NULL) {
		fputs(PROGRAM ": out of memory\n", stderr);
		return 1;
	}
	if ((status = wl_run(run, &r)) == -1) {
		fputs(PROGRAM ": cannot run\n", stderr);
		status = 1;
	}
	wl_arena_free(r.arena);
	return status;
}

int
main(int argc, char **argv)
{
	struct wl_err e = { 0 };
	struct wl_conf conf;
	int status;

	parse(argc, argv);
	if (wl_program_load(&program, &conf, &e) == -1) {
		fprintf(stderr, PROGRAM ": %s\n", e.msg);
		return 1;
	}
	status = start(&conf);
	wl_conf_free(&conf);
	return status;
}
