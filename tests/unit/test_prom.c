/*
 * Figures of several processes in one file.
 */
#include "config.h"
#include "fcgi/prom.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fcgi/ctx.h"
#include "fcgi/worker.h"
#include "lib/base/conf.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmp.h"

struct wl_worker wl_worker;

static struct wl_conf	 conf;
static char		*text;

static int
say(void *arg)
{
	struct wl_buf b = { 0 };

	(void)arg;
	wl_prom_open(conf.spool_dir);
	wl_prom_text(&b, &conf);
	wl_prom_close();
	free(text);
	text = b.p == NULL ? NULL : strdup(b.p);
	wl_buf_free(&b);
	return text == NULL;
}

static int
serve_two(void *arg)
{
	(void)arg;
	wl_prom_open(conf.spool_dir);
	wl_prom_begin();
	wl_prom_end(&wl_routes[0], 200, 1500);
	wl_prom_begin();
	wl_prom_end(NULL, 404, 70000000);
	wl_prom_begin();
	wl_prom_gate(WL_PG_QUOTA);
	if (arg != NULL)
		_exit(0);	/* as if killed */
	wl_prom_close();
	return 0;
}

static void
folder(const char *name)
{
	static char path[4096];
	static char none[1];

	snprintf(path, sizeof(path), "%s/%s", wl_tmp_dir(), name);
	CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
	conf.spool_dir = path;
	conf.redis = none;
	conf.spool_max = 1000;
}

static bool
says(const char *line)
{
	const char *p = text;
	size_t n = strlen(line);

	while (p != NULL && (p = strstr(p, line)) != NULL) {
		if ((p == text || p[-1] == '\n') && p[n] == '\n')
			return true;
		p += n;
	}
	printf("# not said: %s\n", line);
	return false;
}

static void
one(void)
{
	folder("one");
	CU_ASSERT_EQUAL(wl_run(serve_two, NULL), 0);
	CU_ASSERT_EQUAL(wl_run(say, NULL), 0);
	CU_ASSERT(says("watchllm_requests_total{method=\"GET\","
	    "route=\"/health\",status=\"200\"} 1"));
	CU_ASSERT(says("watchllm_requests_total{method=\"\",route=\"\","
	    "status=\"404\"} 1"));
	CU_ASSERT(says("watchllm_admissions_total{result=\"quota_exceeded\"}"
	    " 1"));
	CU_ASSERT(says("watchllm_request_duration_seconds_bucket"
	    "{le=\"0.001\"} 0"));
	CU_ASSERT(says("watchllm_request_duration_seconds_bucket"
	    "{le=\"0.002\"} 1"));
	CU_ASSERT(says("watchllm_request_duration_seconds_bucket"
	    "{le=\"60\"} 1"));
	CU_ASSERT(says("watchllm_request_duration_seconds_bucket"
	    "{le=\"+Inf\"} 2"));
	CU_ASSERT(says("watchllm_request_duration_seconds_sum 70.001500"));
	/* what ended serves nothing */
	CU_ASSERT(says("watchllm_requests_running 0"));
	CU_ASSERT(says("watchllm_workers 1"));
	CU_ASSERT(says("watchllm_journal_max_bytes 1000"));
}

/*
 * Killed processes leave their counts, their slots and nothing else.
 */
static void
many(void)
{
	pid_t pid;
	int i, status;

	folder("many");
	for (i = 0; i < 5; i++) {
		if ((pid = fork()) == 0)
			_exit(wl_run(serve_two, &conf) != 0);
		CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
		CU_ASSERT_EQUAL(status, 0);
	}
	CU_ASSERT_EQUAL(wl_run(say, NULL), 0);
	CU_ASSERT(says("watchllm_requests_total{method=\"GET\","
	    "route=\"/health\",status=\"200\"} 5"));
	CU_ASSERT(says("watchllm_request_duration_seconds_count 10"));
	CU_ASSERT(says("watchllm_workers 1"));
	CU_ASSERT(says("watchllm_requests_running 0"));
}

/*
 * One that lives beside us is counted as a worker.
 */
static void
beside(void)
{
	int ready[2], done[2], status;
	char c = 0;
	pid_t pid;

	folder("beside");
	CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
	CU_ASSERT_EQUAL_FATAL(pipe(done), 0);
	if ((pid = fork()) == 0) {
		close(done[1]);
		wl_prom_open(conf.spool_dir);
		wl_prom_begin();
		_exit(write(ready[1], &c, 1) != 1 || read(done[0], &c, 1) != 0);
	}
	close(ready[1]);
	close(done[0]);
	CU_ASSERT_EQUAL(read(ready[0], &c, 1), 1);
	CU_ASSERT_EQUAL(wl_run(say, NULL), 0);
	CU_ASSERT(says("watchllm_workers 2"));
	CU_ASSERT(says("watchllm_requests_running 1"));
	close(done[1]);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	close(ready[0]);
	CU_ASSERT_EQUAL(wl_run(say, NULL), 0);
	CU_ASSERT(says("watchllm_workers 1"));
}

static void
other_version(void)
{
	char path[4200];
	FILE *f;

	folder("other");
	snprintf(path, sizeof(path), "%s/metrics", conf.spool_dir);
	f = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fputs("something else", f);
	fclose(f);
	CU_ASSERT_EQUAL(wl_run(serve_two, NULL), 0);
	CU_ASSERT_EQUAL(wl_run(say, NULL), 0);
	CU_ASSERT(says("watchllm_request_duration_seconds_count 2"));
}

static int
count_alone(void *arg)
{
	struct wl_buf b = { 0 };

	(void)arg;
	wl_prom_open(conf.spool_dir);
	wl_prom_begin();
	wl_prom_end(&wl_routes[0], 200, 10);
	wl_prom_text(&b, &conf);
	wl_prom_close();
	free(text);
	text = b.p == NULL ? NULL : strdup(b.p);
	wl_buf_free(&b);
	return text == NULL;
}

static void
no_folder(void)
{
	static char nowhere[] = "/nonexistent/spool";

	conf.spool_dir = nowhere;
	CU_ASSERT_EQUAL(wl_run(count_alone, NULL), 0);
	CU_ASSERT(says("watchllm_request_duration_seconds_count 1"));
	CU_ASSERT(says("watchllm_workers 1"));
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "the figures of one process", one },
		{ "counts outlive their process", many },
		{ "a living neighbour", beside },
		{ "a file of another version", other_version },
		{ "without a file", no_folder },
		{ NULL, NULL }
	};
	int status;

	/* that a figure is not shared is logged, which is no news here */
	if (freopen("/dev/null", "w", stderr) == NULL)
		return 1;
	status = wl_tap_run("prom", tests);
	free(text);
	return status;
}
