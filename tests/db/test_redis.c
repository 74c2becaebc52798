/*
 * Redis on the loop: replies go to whom they belong, whatever happens to the
 * server.  Each test has a server of its own.
 */
#include "config.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "lib/store/redis.h"
#include "tests/db/stores.h"
#include "tests/unit/net.h"
#include "tests/unit/tmp.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* what a call may take longer than redis_timeout, on a busy machine */
#define SLACK	60

static struct wl_err	e;
static char		dir[96], path[104];
static pid_t		server;
static int		downs, ups;	/* log lines before the test */

static struct wl_reply *
call(const char *a, const char *b, const char *c)
{
	const char *argv[] = { a, b, c };
	int n = c != NULL ? 3 : b != NULL ? 2 : 1;

	return wl_redis_call(stores_arena(), n, argv, NULL, &e);
}

static bool
is(const struct wl_reply *r, const char *s)
{
	return r != NULL && r->str != NULL && strcmp(r->str, s) == 0;
}

static bool
until(bool up, int64_t ms)
{
	int64_t end = wl_mono_fresh() + ms;

	while (wl_redis_up() != up && wl_mono_fresh() < end)
		if (wl_sleep(2) == -1)
			return false;
	return wl_redis_up() == up;
}

static void
start(const char *const *args)
{
	server = stores_redis_start(path, dir, args);
}

static const char *const plain[] = { NULL };

/*
 * FN with a server of its own, started with ARGS.
 */
static void
with_server(void (*fn)(void), const char *const *args)
{
	static int n;
	struct wl_conf conf = stores_conf;
	char url[112];

	snprintf(dir, sizeof(dir), "%s/r%d", wl_tmp_dir(), ++n);
	snprintf(path, sizeof(path), "%s/sock", dir);
	snprintf(url, sizeof(url), "unix:%s", path);
	if (mkdir(dir, 0700) == -1)
		exit(99);
	conf.redis = url;
	downs = stores_logged("redis.down");
	ups = stores_logged("redis.up");
	start(args);
	stores_run(&conf, fn);
	if (server > 0)
		stores_kill(server);
}

static void
check_lines(int down, int up)
{
	CU_ASSERT_EQUAL(stores_logged("redis.down") - downs, down);
	CU_ASSERT_EQUAL(stores_logged("redis.up") - ups, up);
}

/* ---- replies ----------------------------------------------------------- */

static void
replies(void)
{
	char bytes[300];
	const char *set[] = { "SET", "k", bytes };
	size_t lens[] = { 3, 1, sizeof(bytes) }, i;
	struct wl_reply *r;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;
	r = wl_redis_call(stores_arena(), 3, set, lens, &e);
	CU_ASSERT_TRUE(is(r, "OK"));
	CU_ASSERT_EQUAL(r->type, WL_R_STATUS);
	r = call("GET", "k", NULL);
	CU_ASSERT_EQUAL(r->type, WL_R_STR);
	CU_ASSERT_EQUAL(r->len, sizeof(bytes));
	CU_ASSERT_EQUAL(memcmp(r->str, bytes, sizeof(bytes)), 0);
	r = call("GET", "none", NULL);
	CU_ASSERT_EQUAL(r->type, WL_R_NIL);
	r = call("INCR", "n", NULL);
	CU_ASSERT_EQUAL(r->type, WL_R_INT);
	CU_ASSERT_EQUAL(r->integer, 1);
	/* an error that is the caller's own business */
	r = call("INCR", "k", NULL);
	CU_ASSERT_PTR_NOT_NULL(r);
	CU_ASSERT_EQUAL(r->type, WL_R_ERROR);
	CU_ASSERT_TRUE(wl_redis_up());
	r = call("EVAL", "return {1, {'a', false}, {}}", "0");
	CU_ASSERT_EQUAL(r->type, WL_R_ARRAY);
	CU_ASSERT_EQUAL(r->n, 3);
	CU_ASSERT_EQUAL(r->item[0]->integer, 1);
	CU_ASSERT_TRUE(is(r->item[1]->item[0], "a"));
	CU_ASSERT_EQUAL(r->item[1]->item[1]->type, WL_R_NIL);
	CU_ASSERT_EQUAL(r->item[2]->n, 0);
	CU_ASSERT_EQUAL(wl_redis_epoch() > 0, true);
	check_lines(0, 0);
}

static void
test_replies(void)
{
	with_server(replies, plain);
}

static int	wrong, served;

/*
 * Echo one's own number many times; anybody else's is a fault.
 */
static void
echo(void *arg)
{
	char mine[32];
	struct wl_err ee;
	const char *argv[] = { "ECHO", mine };
	struct wl_reply *r;
	int i;

	for (i = 0; i < 50; i++) {
		snprintf(mine, sizeof(mine), "%d/%d", (int)(intptr_t)arg, i);
		r = wl_redis_call(stores_arena(), 2, argv, NULL, &ee);
		if (r == NULL || !is(r, mine))
			wrong++;
		else
			served++;
		if (i % 7 == 0)
			wl_co_yield();
	}
}

static void
order(void)
{
	struct wl_redis_req req[20];
	char text[20][8];
	intptr_t i;
	struct wl_reply *r;

	CU_ASSERT_PTR_NOT_NULL(call("PING", NULL, NULL));
	wrong = served = 0;
	for (i = 0; i < 200; i++)
		stores_spawn(echo, (void *)i);
	CU_ASSERT_TRUE(stores_join(20000));
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(served, 10000);

	/* all in one flush, awaited backwards */
	for (i = 0; i < 20; i++) {
		const char *argv[] = { "ECHO", text[i] };

		snprintf(text[i], sizeof(text[i]), "e%d", (int)i);
		CU_ASSERT_EQUAL(wl_redis_send(&req[i], stores_arena(), 2, argv,
		    NULL, &e), 0);
	}
	for (i = 19; i >= 0; i--) {
		r = wl_redis_wait(&req[i], &e);
		CU_ASSERT_TRUE(is(r, text[i]));
	}
}

static void
test_order(void)
{
	with_server(order, plain);
}

#define WORD	3000

/*
 * The same with long words, so that the socket is full, and what is queued
 * behind that leaves before the end of its turn.
 */
static void
echo_long(void *arg)
{
	char *mine = malloc(WORD);
	struct wl_err ee;
	const char *argv[] = { "ECHO", mine };
	struct wl_reply *r;
	int i, j;

	for (i = 0; i < 60; i++) {
		snprintf(mine, WORD, "%d/%d %02900d", (int)(intptr_t)arg, i,
		    0);
		r = wl_redis_call(stores_arena(), 2, argv, NULL, &ee);
		if (r == NULL || !is(r, mine))
			wrong++;
		/* go on in the next turn, before the connection's owner */
		for (j = 0; j < 8 + i % 8; j++)
			wl_co_yield();
	}
	free(mine);
}

static void
burst(void)
{
	intptr_t i;

	CU_ASSERT_PTR_NOT_NULL(call("PING", NULL, NULL));
	wrong = 0;
	for (i = 0; i < 300; i++)
		stores_spawn(echo_long, (void *)i);
	CU_ASSERT_TRUE(stores_join(20000));
	CU_ASSERT_EQUAL(wrong, 0);
	check_lines(0, 0);
}

static void
test_burst(void)
{
	struct wl_conf saved = stores_conf;

	stores_conf.redis_timeout = 3000;
	with_server(burst, plain);
	stores_conf = saved;
}

/*
 * A mebibyte in and out, more than the socket takes at once.
 */
static void
large(void)
{
	size_t n = (size_t)16 * 1024 * 1024, lens[] = { 3, 3, n };
	char *p = wl_arena_alloc(stores_arena(), n);
	const char *set[] = { "SET", "big", p };
	struct wl_reply *r;

	memset(p, 'x', n);
	r = wl_redis_call(stores_arena(), 3, set, lens, &e);
	CU_ASSERT_TRUE(is(r, "OK"));
	r = call("STRLEN", "big", NULL);
	CU_ASSERT_TRUE(r != NULL && r->integer == (int64_t)n);
	r = call("GET", "big", NULL);
	CU_ASSERT_TRUE(r != NULL && r->len == n && memcmp(r->str, p, n) == 0);
	check_lines(0, 0);
}

static void
test_large(void)
{
	struct wl_conf saved = stores_conf;

	stores_conf.redis_timeout = 3000;
	with_server(large, plain);
	stores_conf = saved;
}

/* ---- scripts ----------------------------------------------------------- */

static void
scripts(void)
{
	/* of a length around the border of SHA-1's padding, too */
	static struct wl_script s[] = {
		{ .text = "return ARGV[1]" },
		{ .text = "return ARGV[1] -- 0123456789012345678901234567890123456" },
		{ .text = "return ARGV[1] -- 01234567890123456789012345678901234567" },
		{ .text = "return ARGV[1] -- 01234567890123456789012345678901234567890123456" },
	};
	const char *argv[] = { "key", "value" };
	struct wl_reply *r;
	size_t i;

	for (i = 0; i < sizeof(s) / sizeof(s[0]); i++) {
		r = wl_redis_script(stores_arena(), &s[i], 1, 2, argv, &e);
		CU_ASSERT_TRUE(is(r, "value"));
		/* now the server knows it, by the name that we gave it */
		r = call("SCRIPT", "EXISTS", s[i].sha);
		CU_ASSERT_TRUE(r != NULL && r->n == 1 &&
		    r->item[0]->integer == 1);
		CU_ASSERT_PTR_NOT_NULL(call("SCRIPT", "FLUSH", NULL));
		r = wl_redis_script(stores_arena(), &s[i], 1, 2, argv, &e);
		CU_ASSERT_TRUE(is(r, "value"));
	}
}

static void
test_scripts(void)
{
	with_server(scripts, plain);
}

/* ---- a server in trouble ----------------------------------------------- */

static int64_t	longest;
static int	refused;

/*
 * A call every few ms, and how long the longest takes.
 */
static void
caller(void *arg)
{
	bool *stop = arg;
	struct wl_err ee;
	const char *argv[] = { "ECHO", "mine" };
	struct wl_reply *r;
	int64_t t;

	while (!*stop && wl_sleep(3) == 0) {
		t = wl_mono_fresh();
		r = wl_redis_call(stores_arena(), 2, argv, NULL, &ee);
		t = wl_mono_fresh() - t;
		if (t > longest)
			longest = t;
		if (r == NULL)
			refused++;
		else if (is(r, "mine"))
			served++;
		else
			wrong++;
	}
}

static void
stopped(void)
{
	bool stop = false;
	uint64_t epoch;
	int i;

	CU_ASSERT_PTR_NOT_NULL(call("PING", NULL, NULL));
	epoch = wl_redis_epoch();
	longest = wrong = served = refused = 0;
	for (i = 0; i < 50; i++)
		stores_spawn(caller, &stop);
	wl_sleep(100);
	CU_ASSERT_TRUE(served > 0);
	CU_ASSERT_EQUAL(refused, 0);
	kill(server, SIGSTOP);
	CU_ASSERT_TRUE(until(false, 500));
	wl_sleep(1500);
	CU_ASSERT_FALSE(wl_redis_up());
	CU_ASSERT_EQUAL(wl_redis_epoch(), epoch);
	/* it answers late to what was given up: to nobody */
	kill(server, SIGCONT);
	CU_ASSERT_TRUE(until(true, 1500));
	i = served;
	wl_sleep(100);
	stop = true;
	CU_ASSERT_TRUE(stores_join(1000));
	CU_ASSERT_TRUE(served > i);
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_TRUE(refused > 0);
	CU_ASSERT_TRUE(longest <= stores_conf.redis_timeout + SLACK);
	CU_ASSERT_EQUAL(wl_redis_epoch(), epoch + 1);
	check_lines(1, 1);
}

static void
test_stopped(void)
{
	with_server(stopped, plain);
}

static void
killed(void)
{
	bool stop = false;
	int i;

	longest = wrong = served = refused = 0;
	CU_ASSERT_PTR_NOT_NULL(call("SET", "kept", "yes"));
	for (i = 0; i < 50; i++)
		stores_spawn(caller, &stop);
	wl_sleep(50);
	stores_kill(server);
	CU_ASSERT_TRUE(until(false, 500));
	wl_sleep(300);
	start((const char *const []){ "--appendonly", "yes", NULL });
	CU_ASSERT_TRUE(until(true, 1500));
	i = served;
	wl_sleep(50);
	stop = true;
	CU_ASSERT_TRUE(stores_join(1000));
	CU_ASSERT_TRUE(served > i);
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_TRUE(longest <= stores_conf.redis_timeout + SLACK);
	CU_ASSERT_TRUE(is(call("GET", "kept", NULL), "yes"));
	check_lines(1, 1);
}

static void
test_killed(void)
{
	with_server(killed, (const char *const []){ "--appendonly", "yes",
	    NULL });
}

static struct wl_script write_script = {
	.text = "return redis.call('SET', KEYS[1], ARGV[1])"
};

/*
 * Reads would be answered, but what is needed is refused.
 */
static void
check_refusing(const char *cause, const char *cure)
{
	const char *argv[] = { "k", "v" };

	CU_ASSERT_TRUE(is(wl_redis_script(stores_arena(), &write_script, 1, 2,
	    argv, &e), "OK"));
	stores_redis(path, "%s", cause);
	CU_ASSERT_PTR_NULL(wl_redis_script(stores_arena(), &write_script, 1, 2,
	    argv, &e));
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	CU_ASSERT_TRUE(until(false, 100));
	/* and it stays away, although it says PONG */
	wl_sleep(700);
	CU_ASSERT_FALSE(wl_redis_up());
	CU_ASSERT_STRING_EQUAL(stores_redis(path, "PING"), "PONG");
	CU_ASSERT_PTR_NULL(call("PING", NULL, NULL));
	stores_redis(path, "%s", cure);
	CU_ASSERT_TRUE(until(true, 1500));
	CU_ASSERT_TRUE(is(wl_redis_script(stores_arena(), &write_script, 1, 2,
	    argv, &e), "OK"));
	check_lines(1, 1);
}

static void
oom(void)
{
	check_refusing("CONFIG SET maxmemory 100kb",
	    "CONFIG SET maxmemory 0");
}

static void
test_oom(void)
{
	with_server(oom, plain);
}

static void
readonly(void)
{
	check_refusing("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE");
}

static void
test_readonly(void)
{
	with_server(readonly, plain);
}

static void
misconf(void)
{
	check_refusing("CONFIG SET min-replicas-to-write 3",
	    "CONFIG SET min-replicas-to-write 0");
}

static void
test_misconf(void)
{
	with_server(misconf, plain);
}

/*
 * Slow for a while: the connection of those who gave up is not used again.
 */
static void
slow(void *arg)
{
	const char *argv[] = { "DEBUG", "SLEEP", "0.3" };
	struct wl_err ee;

	(void)arg;
	CU_ASSERT_PTR_NULL(wl_redis_call(stores_arena(), 3, argv, NULL, &ee));
}

static void
late(void)
{
	int i;

	CU_ASSERT_PTR_NOT_NULL(call("PING", NULL, NULL));
	stores_spawn(slow, NULL);
	wl_sleep(10);
	/* sent behind it: fails too, and its reply is lost with it */
	CU_ASSERT_PTR_NULL(call("ECHO", "first", NULL));
	CU_ASSERT_TRUE(until(true, 1500));
	for (i = 0; i < 20; i++)
		CU_ASSERT_TRUE(is(call("ECHO", "second", NULL), "second"));
	CU_ASSERT_TRUE(stores_join(1000));
	check_lines(1, 1);
}

static void
test_late(void)
{
	with_server(late, (const char *const []){ "--enable-debug-command",
	    "yes", NULL });
}

/*
 * A loop that stood still has not waited: replies were there in time.
 */
static void
stalled(void)
{
	struct wl_redis_req req;
	const char *argv[] = { "PING" };
	struct wl_reply *r;

	CU_ASSERT_PTR_NOT_NULL(call("PING", NULL, NULL));
	CU_ASSERT_EQUAL(wl_redis_send(&req, stores_arena(), 1, argv, NULL, &e),
	    0);
	wl_co_yield();	/* flushed at the end of this turn */
	usleep((useconds_t)(stores_conf.redis_timeout + 50) * 1000);
	r = wl_redis_wait(&req, &e);
	CU_ASSERT_TRUE(is(r, "PONG"));
	CU_ASSERT_TRUE(wl_redis_up());
	check_lines(0, 0);
}

static void
test_stalled(void)
{
	with_server(stalled, plain);
}

static void
one_call(void *arg)
{
	const char *argv[] = { "ECHO", arg };
	struct wl_err ee;

	CU_ASSERT_PTR_NULL(wl_redis_call(stores_arena(), 2, argv, NULL, &ee));
}

/*
 * Who is cancelled does not shift the replies of the others.
 */
static void
cancelled(void)
{
	struct wl_co *co[5];
	static char name[] = "cancelled";
	int i;

	CU_ASSERT_PTR_NOT_NULL(call("PING", NULL, NULL));
	kill(server, SIGSTOP);
	for (i = 0; i < 5; i++)
		co[i] = wl_co_spawn("one", one_call, name);
	wl_co_yield();
	for (i = 0; i < 5; i++)
		wl_co_cancel(co[i]);
	wl_co_yield();
	kill(server, SIGCONT);
	for (i = 0; i < 10; i++)
		CU_ASSERT_TRUE(is(call("ECHO", "mine", NULL), "mine"));
	check_lines(0, 0);
}

static void
test_cancelled(void)
{
	with_server(cancelled, plain);
}

/*
 * A server that closes a connection on which nothing goes on is no failure.
 */
static void
closed_idle(void)
{
	int i;

	CU_ASSERT_PTR_NOT_NULL(call("PING", NULL, NULL));
	wl_sleep(150);
	for (i = 0; i < 3; i++) {
		stores_redis(path, "CLIENT KILL TYPE normal SKIPME yes");
		wl_sleep(1);	/* its end is seen before the next call */
		CU_ASSERT_TRUE(is(call("ECHO", "again", NULL), "again"));
		wl_sleep(150);
	}
	check_lines(0, 0);
}

static void
test_closed_idle(void)
{
	with_server(closed_idle, plain);
}

/* ---- beginnings -------------------------------------------------------- */

static void
nowhere(void)
{
	int64_t t = wl_mono_fresh();
	uint64_t epoch = wl_redis_epoch();
	int i;

	CU_ASSERT_PTR_NULL(call("PING", NULL, NULL));
	for (i = 0; i < 20; i++)
		CU_ASSERT_PTR_NULL(call("PING", NULL, NULL));
	CU_ASSERT_TRUE(wl_mono_fresh() - t < 2 * stores_conf.redis_timeout +
	    SLACK);
	CU_ASSERT_FALSE(wl_redis_up());
	CU_ASSERT_EQUAL(wl_redis_epoch(), epoch);
	check_lines(1, 0);
	start(plain);
	CU_ASSERT_TRUE(until(true, 1500));
	CU_ASSERT_PTR_NOT_NULL(call("PING", NULL, NULL));
	check_lines(1, 1);
}

static void
test_nowhere(void)
{
	struct wl_conf conf = stores_conf;
	char url[112];

	snprintf(dir, sizeof(dir), "%s/nowhere", wl_tmp_dir());
	snprintf(path, sizeof(path), "%s/sock", dir);
	snprintf(url, sizeof(url), "unix:%s", path);
	if (mkdir(dir, 0700) == -1)
		exit(99);
	conf.redis = url;
	downs = stores_logged("redis.down");
	ups = stores_logged("redis.up");
	stores_run(&conf, nowhere);
	stores_kill(server);
}

static void
unconfigured(void)
{
	CU_ASSERT_PTR_NULL(call("PING", NULL, NULL));
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	CU_ASSERT_FALSE(wl_redis_up());
}

static int
try_open(void *arg)
{
	return wl_redis_open(arg, &e) == -1 ? 7 : 0;
}

static void
test_addresses(void)
{
	static const char *const bad[] = { "unix:relative", "host:port",
	    "host:0", "host:65536", ":6379", "[::1", "[::1]x", "::1",
	    "unix:" };
	struct wl_conf conf = stores_conf;
	char text[64];
	size_t i;

	text[0] = '\0';
	conf.redis = text;
	stores_run(&conf, unconfigured);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "%s", bad[i]);
		CU_ASSERT_EQUAL(wl_run(try_open, &conf), 7);
	}
}

static void
over_tcp(void)
{
	struct wl_reply *r;

	CU_ASSERT_PTR_NOT_NULL(call("PING", NULL, NULL));
	r = call("CLIENT", "INFO", NULL);
	CU_ASSERT_TRUE(r != NULL && strstr(r->str, " db=3 ") != NULL);
	CU_ASSERT_TRUE(r != NULL && strstr(r->str, "addr=127.0.0.1:") != NULL);
	check_lines(0, 0);
}

static void
wrong_password(void)
{
	CU_ASSERT_PTR_NULL(call("PING", NULL, NULL));
	CU_ASSERT_TRUE(until(false, 1500));
	check_lines(1, 0);
}

/*
 * TCP by name, with a password, and a database of its own.
 */
static void
test_tcp(void)
{
	struct wl_conf conf = stores_conf;
	char url[64], port[8];
	int fd, n;

	fd = net_listen(&n);
	close(fd);
	snprintf(port, sizeof(port), "%d", n);
	snprintf(url, sizeof(url), "localhost:%d", n);
	snprintf(dir, sizeof(dir), "%s/tcp", wl_tmp_dir());
	snprintf(path, sizeof(path), "%s/sock", dir);
	if (mkdir(dir, 0700) == -1)
		exit(99);
	conf.redis = url;
	conf.redis_database = 3;
	conf.redis_timeout = 200;
	conf.redis_password_file = (char *)(uintptr_t)wl_tmp_file("password",
	    "secret\n", 7, 0600);
	downs = stores_logged("redis.down");
	ups = stores_logged("redis.up");
	/* the later --port wins */
	start((const char *const []){ "--port", port, "--bind", "127.0.0.1",
	    NULL });
	stores_redis(path, "CONFIG SET requirepass secret");
	stores_run(&conf, over_tcp);
	conf.redis_password_file = (char *)(uintptr_t)wl_tmp_file("wrong",
	    "guess\n", 6, 0600);
	stores_run(&conf, wrong_password);
	stores_kill(server);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "replies of every kind", test_replies },
		{ "each reply goes to its caller", test_order },
		{ "more at once than the socket takes", test_burst },
		{ "large values", test_large },
		{ "scripts by their SHA-1", test_scripts },
		{ "a server that is stopped", test_stopped },
		{ "a server that is killed and restarted", test_killed },
		{ "out of memory", test_oom },
		{ "a read-only replica", test_readonly },
		{ "too few replicas", test_misconf },
		{ "a late reply is nobody's", test_late },
		{ "a loop that stood still", test_stalled },
		{ "cancelled callers", test_cancelled },
		{ "a connection closed while idle", test_closed_idle },
		{ "no server yet", test_nowhere },
		{ "addresses", test_addresses },
		{ "TCP, password, database", test_tcp },
		{ NULL, NULL }
	};

	return stores_main("redis", tests);
}
