#include "config.h"
#include "tests/db/stores.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "lib/base/log.h"
#include "lib/store/pg.h"
#include "lib/store/redis.h"
#include "tests/unit/tmp.h"

#include <hiredis/hiredis.h>
#include <libpq-fe.h>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

struct wl_conf stores_conf;

static struct wl_arena	*arena;
static const char	*logfile;
static int		 running;

static void __attribute__((format(printf, 1, 2), noreturn))
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(99);
}

int
stores_main(const char *suite, const struct wl_test *tests)
{
	struct wl_err e;

	if (getenv("WL_STORES_DIR") == NULL)
		die("run this through tests/lib/with_stores.sh");
	if (wl_conf_load(&stores_conf, "/dev/null", &e) == -1)
		die("%s", e.msg);
	logfile = wl_tmp_path("log");
	if (wl_log_open(logfile, WL_INFO, "test") == -1)
		die("%s: cannot be written", logfile);
	return wl_tap_run(suite, tests);
}

/* ---- the loop ---------------------------------------------------------- */

struct job {
	const struct wl_conf	*conf;
	void			(*fn)(void);
};

static int
in_loop(void *arg)
{
	struct job *j = arg;
	struct wl_err e;

	if (wl_pg_open(j->conf, &e) == -1 || wl_redis_open(j->conf, &e) == -1)
		die("%s", e.msg);
	j->fn();
	wl_redis_close();
	wl_pg_close();
	return 0;
}

void
stores_run(const struct wl_conf *conf, void (*fn)(void))
{
	struct job j = { conf, fn };

	arena = wl_arena_new((size_t)256 * 1024 * 1024);
	running = 0;
	if (arena == NULL || wl_run(in_loop, &j) != 0)
		die("no loop");
	wl_arena_free(arena);
}

struct wl_arena *
stores_arena(void)
{
	return arena;
}

struct task {
	void	(*fn)(void *);
	void	*arg;
};

static void
run_task(void *arg)
{
	struct task *t = arg;

	t->fn(t->arg);
	free(t);
	running--;
}

void
stores_spawn(void (*fn)(void *), void *arg)
{
	struct task *t = malloc(sizeof(*t));

	if (t == NULL)
		die("no memory");
	t->fn = fn;
	t->arg = arg;
	running++;
	if (wl_co_spawn("task", run_task, t) == NULL)
		die("no coroutine");
}

bool
stores_join(int64_t ms)
{
	int64_t end = wl_mono_fresh() + ms;

	while (running > 0 && wl_mono_fresh() < end)
		if (wl_sleep(2) == -1)
			break;
	return running == 0;
}

/* ---- around the code under test ---------------------------------------- */

const char *
stores_sql(const char *fmt, ...)
{
	static char value[4096], sql[8192];
	PGconn *c = PQconnectdb(getenv("WL_SUPER_URL"));
	PGresult *r;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sql, sizeof(sql), fmt, ap);
	va_end(ap);
	r = PQexecParams(c, sql, 0, NULL, NULL, NULL, NULL, 0);
	if (PQresultStatus(r) != PGRES_TUPLES_OK &&
	    PQresultStatus(r) != PGRES_COMMAND_OK)
		die("%s: %s", sql, PQerrorMessage(c));
	snprintf(value, sizeof(value), "%s", PQntuples(r) > 0 ?
	    PQgetvalue(r, 0, 0) : "");
	PQclear(r);
	PQfinish(c);
	return value;
}

static void
append_reply(char *to, size_t size, const redisReply *r)
{
	size_t i, len = strlen(to);

	if (r->type == REDIS_REPLY_INTEGER)
		snprintf(to + len, size - len, "%lld", r->integer);
	else if (r->type == REDIS_REPLY_ARRAY)
		for (i = 0; i < r->elements; i++) {
			if (i > 0) {
				len = strlen(to);
				snprintf(to + len, size - len, " ");
			}
			append_reply(to, size, r->element[i]);
		}
	else if (r->str != NULL)
		snprintf(to + len, size - len, "%s", r->str);
}

static redisContext *
redis_at(const char *path)
{
	struct timeval tv = { 5, 0 };
	redisContext *c;

	if (path == NULL)
		path = stores_conf.redis + strlen("unix:");
	c = redisConnectUnixWithTimeout(path, tv);
	if (c == NULL || c->err != 0) {
		if (c != NULL)
			redisFree(c);
		return NULL;
	}
	redisSetTimeout(c, tv);
	return c;
}

const char *
stores_redis(const char *path, const char *fmt, ...)
{
	static char value[65536];
	char line[1024];
	redisContext *c = redis_at(path);
	redisReply *r;
	const char *argv[64];
	char *p = line, *word;
	va_list ap;
	int n = 0;

	value[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	while (n < 64 && (word = strsep(&p, " ")) != NULL)
		argv[n++] = word;
	if (c == NULL)
		return value;
	r = redisCommandArgv(c, n, argv, NULL);
	if (r != NULL)
		append_reply(value, sizeof(value), r);
	freeReplyObject(r);
	redisFree(c);
	return value;
}

int
stores_logged(const char *event)
{
	char want[64];
	size_t len;
	char *text = wl_tmp_read(logfile, &len), *p;
	int n = 0;

	snprintf(want, sizeof(want), "\"event\":\"%s\"", event);
	for (p = text; (p = strstr(p, want)) != NULL; p++)
		n++;
	free(text);
	return n;
}

pid_t
stores_redis_start(const char *path, const char *dir, const char *const *args)
{
	const char *argv[32] = {
		"redis-server", "--port", "0", "--unixsocket", path, "--dir",
		dir, "--logfile", "server.log", "--save", "",
	};
	struct timespec ts = { 0, 20000000 };
	posix_spawn_file_actions_t fa;
	int i, n = 11;
	pid_t pid;

	for (; *args != NULL && n < 31; args++)
		argv[n++] = *args;
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, argv[0], &fa, NULL,
	    (char *const *)(uintptr_t)argv, environ) != 0)
		die("no redis-server");
	posix_spawn_file_actions_destroy(&fa);
	for (i = 0; i < 250; i++) {
		if (strcmp(stores_redis(path, "PING"), "PONG") == 0)
			return pid;
		nanosleep(&ts, NULL);
	}
	die("redis-server does not answer on %s", path);
}

void
stores_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) == -1)
		;
}

void
stores_project(struct stores_project *p, const char *plan)
{
	snprintf(p->id, sizeof(p->id), "%s", stores_sql(
	    "INSERT INTO watchllm.project (name, plan_id)"
	    " VALUES ('test', '%s') RETURNING id", plan));
	snprintf(p->key_id, sizeof(p->key_id), "%s", stores_sql(
	    "INSERT INTO watchllm.api_key (project_id, hash, prefix, kind)"
	    " VALUES ('%s', sha256(gen_random_uuid()::text::bytea), 'abcdef',"
	    " 'proj') RETURNING id", p->id));
	p->version = strtoll(stores_sql(
	    "SELECT version FROM watchllm.project WHERE id = '%s'", p->id),
	    NULL, 10);
}
