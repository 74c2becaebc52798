/*
 * The worker, its parent and plain CGI as processes of their own, with a
 * double in place of what serves requests.  The test is the web server; a
 * further process is the provider behind.
 */
#include "config.h"
#include "fcgi/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fcgi/listen.h"
#include "fcgi/serve.h"
#include "lib/base/arena.h"
#include "lib/base/co.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "lib/http/client.h"
#include "lib/http/io.h"
#include "lib/http/req.h"
#include "lib/http/resp.h"
#include "tests/unit/fc.h"
#include "tests/unit/net.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmp.h"

#if defined(__SANITIZE_ADDRESS__)
#define SLOW_BUILD	1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLOW_BUILD	1
#endif
#endif
#ifdef SLOW_BUILD
#define STREAMS		300
#else
#define STREAMS		2000
#endif

/*
 * What all processes see.
 */
static struct shared {
	int	upstream_port;
	int	upstream_open;		/* connections of the provider */
	int	running, most;		/* requests in the double */
	int	gone, cancelled;	/* clients that went */
	int	opened, closed;		/* wl_serve_open(), _close() */
	int	bad_config;		/* the next load fails */
} *shared;

static struct wl_conf	 conf;
static char		 spool[256];

#define ADD(field, n)	__atomic_add_fetch(&shared->field, (n), __ATOMIC_SEQ_CST)
#define GET(field)	__atomic_load_n(&shared->field, __ATOMIC_SEQ_CST)

/*
 * The double.
 */

int
wl_serve_open(struct wl_conf *c, struct wl_err *e)
{
	(void)c;
	(void)e;
	ADD(opened, 1);
	return 0;
}

void
wl_serve_close(void)
{
	ADD(closed, 1);
}

/*
 * Pass a stream of the provider on, byte by byte, with backpressure.
 */
static void
proxy(struct wl_req *r, struct wl_resp *resp)
{
	struct wl_xfer_opts o = { .method = "GET", .trust = WL_TRUST_PRIVATE,
	    .connect_ms = 10000, .first_byte_ms = 20000, .between_ms = 20000,
	    .total_ms = 60000, .buffer = 65536 };
	struct wl_err e = { 0 };
	struct wl_xfer *x;
	struct wl_str s;
	int bits, rc = 0;

	o.url = wl_arena_printf(r->arena, "http://127.0.0.1:%d%s",
	    GET(upstream_port), r->path);
	if (wl_req_read_body(r, 1000, &e) == -1 ||
	    (x = wl_xfer_start(&o, &e)) == NULL) {
		wl_resp_send(resp, 502, "text/plain", e.detail,
		    strlen(e.detail));
		return;
	}
	bits = wl_xfer_wait(x, WL_X_HEADERS, r->io->fd, EPOLLRDHUP,
	    wl_mono() + 60000);
	if (bits & WL_X_HEADERS)
		rc = wl_resp_stream(resp, wl_xfer_status(x),
		    "text/event-stream", NULL);
	while (rc == 0 && (bits & (WL_X_HEADERS | WL_X_DATA))) {
		bits = wl_xfer_wait(x, WL_X_DATA, r->io->fd, EPOLLRDHUP,
		    wl_mono() + 60000);
		if (bits == -1 || (bits & WL_X_PEER))
			break;
		s = wl_xfer_peek(x);
		if (s.len > 0)
			rc = wl_resp_write(resp, s.p, s.len, true);
		wl_xfer_take(x, s.len);
	}
	if (rc == -1 || bits == -1 || (bits & WL_X_PEER))
		ADD(gone, 1);
	wl_xfer_free(x);
}

static void
answer(struct wl_req *r, struct wl_resp *resp, const struct wl_conf *c)
{
	struct wl_err e = { 0 };
	char text[64];

	if (strncmp(r->path, "/proxy/", 7) == 0) {
		proxy(r, resp);
		return;
	}
	if (strncmp(r->path, "/sleep/", 7) == 0) {
		if (wl_sleep(strtol(r->path + 7, NULL, 10)) == -1)
			ADD(cancelled, 1);
	} else if (strcmp(r->path, "/watch") == 0) {
		if (wl_wait(r->io->fd, EPOLLRDHUP, wl_mono() + 30000) > 0)
			ADD(gone, 1);
	}
	if (wl_req_read_body(r, 1 << 20, &e) == -1) {
		wl_resp_send(resp, 400, "text/plain", "bad", 3);
		return;
	}
	if (strcmp(r->path, "/echo") == 0) {
		wl_resp_send(resp, 200, "text/plain", r->body.p, r->body.len);
		return;
	}
	snprintf(text, sizeof(text), "%d %s", (int)getpid(), c->upgrade_url);
	wl_resp_send(resp, 200, "text/plain", text, strlen(text));
}

void
wl_serve(struct wl_io *io, struct wl_arena *arena)
{
	struct wl_conf *c = wl_worker.conf;
	struct wl_err e = { 0 };
	struct wl_resp resp;
	struct wl_req r;
	int now = ADD(running, 1);

	if (now > GET(most))
		__atomic_store_n(&shared->most, now, __ATOMIC_SEQ_CST);
	wl_resp_init(&resp, io, arena);
	if (wl_req_init(&r, io, arena, c, &e) == -1)
		wl_resp_send(&resp, e.http != 0 ? e.http : 400, "text/plain",
		    "bad", 3);
	else
		answer(&r, &resp, c);
	io->ops->finish(io);
	ADD(running, -1);
	wl_arena_reset(arena);
}

/*
 * The provider: "/proxy/COUNT/MS/SIZE" gives COUNT events of SIZE bytes with
 * MS between.
 */
static void
provide(void *arg)
{
	int fd = (int)(intptr_t)arg, count = 0, ms = 0, size = 0;
	char buf[2048], event[4096];
	int i = -1, n;

	ADD(upstream_open, 1);
	n = (int)net_read(fd, buf, sizeof(buf) - 1, 20000);
	buf[n < 0 ? 0 : n] = '\0';
	if (sscanf(buf, "GET /proxy/%d/%d/%d ", &count, &ms, &size) == 3 &&
	    size < 4000 && net_puts(fd, "HTTP/1.1 200 OK\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n") == 0)
		for (i = 0; i < count; i++) {
			n = snprintf(event, sizeof(event),
			    "%x\r\ndata: %07d %0*d\n\n\r\n", size, i,
			    size - 16, 0);
			if (net_write(fd, event, (size_t)n, 60000) == -1 ||
			    (ms > 0 && wl_sleep(ms) == -1))
				break;
		}
	if (i == count)
		net_puts(fd, "0\r\n\r\n");
	ADD(upstream_open, -1);
	net_close(fd);
}

static int
provider(void *arg)
{
	int fd = (int)(intptr_t)arg, c;

	while ((c = net_accept(fd, 120000)) != -1)
		if (wl_co_spawn("provide", provide, (void *)(intptr_t)c) ==
		    NULL)
			close(c);
	return 0;
}

static pid_t
start_provider(void)
{
	int port, fd = net_listen(&port);
	pid_t pid = fork();

	if (pid == 0) {
		wl_run(provider, (void *)(intptr_t)fd);
		_exit(0);
	}
	close(fd);
	__atomic_store_n(&shared->upstream_port, port, __ATOMIC_SEQ_CST);
	return pid;
}

/*
 * Processes.
 */

static void
pause_ms(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/*
 * Wait for PID to end within MS; its exit status, or -1.
 */
static int
ended(pid_t pid, int64_t ms)
{
	int64_t deadline = now_ms() + ms;
	int status;

	while (now_ms() < deadline) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		pause_ms(5);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

static char	 socket_path[108];
static int	 listening = -1;

static int
load(struct wl_conf *c, struct wl_err *e)
{
	char setting[300];

	if (GET(bad_config))
		return wl_err_set(e, WL_E_INTERNAL, "bad on purpose");
	snprintf(setting, sizeof(setting), "spool_dir=%s", spool);
	return wl_conf_load(c, "/dev/null", e) == -1 ||
	    wl_conf_set(c, setting, e) == -1 ||
	    wl_conf_set(c, "log_file=/dev/null", e) == -1 ||
	    wl_conf_set(c, "upgrade_url=https://new.example", e) == -1 ?
	    -1 : 0;
}

static void
set(const char *assignment)
{
	struct wl_err e = { 0 };

	if (wl_conf_set(&conf, assignment, &e) == -1)
		CU_FAIL(e.msg);
}

/*
 * A worker on a socket of its own.
 */
static pid_t
start_worker(void)
{
	struct wl_err e = { 0 };
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	listening = wl_listen_open(socket_path, "0600", &e);
	if (listening == -1)
		CU_FAIL_FATAL(e.msg);
	if ((pid = fork()) == 0) {
		wl_worker.load = load;
		exit(wl_worker_run(&conf, listening));
	}
	return pid;
}

static void
stop_worker(pid_t pid)
{
	kill(pid, SIGTERM);
	CU_ASSERT_EQUAL(ended(pid, 15000), 0);
	CU_ASSERT_EQUAL(GET(opened), 1);
	CU_ASSERT_EQUAL(GET(closed), 1);
	wl_listen_close(listening, socket_path);
}

static int
dial(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0), i;

	memcpy(sun.sun_path, socket_path, sizeof(sun.sun_path));
	for (i = 0; i < 1000; i++) {
		if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
			return fd;
		/* the queue is full for a moment */
		if (errno != EAGAIN && errno != ECONNREFUSED &&
		    errno != ENOENT)
			break;
		if (wl_co_self() != NULL)
			wl_sleep(5);
		else
			pause_ms(5);
	}
	close(fd);
	return -1;
}

/*
 * A request on FD and its reply.
 */
static int
call(int fd, const char *uri, const char *body, struct fc_reply *r)
{
	struct wl_buf b = { 0 };
	int rc;

	fc_reset(r);
	fc_request(&b, true, "POST", uri, body, strlen(body));
	rc = net_write(fd, b.p, b.len, 10000);
	wl_buf_free(&b);
	return rc == -1 ? -1 : fc_read(fd, r, 20000);
}

/*
 * Tests: the function named NAME_on_loop runs on a loop beside a worker.
 */

static pid_t	worker_pid;
static void	(*on_loop_fn)(void);

static int
on_loop(void *arg)
{
	(void)arg;
	on_loop_fn();
	return 0;
}

static void
beside_worker(void (*fn)(void))
{
	pid_t provider_pid;

	worker_pid = start_worker();
	/* outside of the loop: a copy of a running one is of no use */
	provider_pid = start_provider();
	on_loop_fn = fn;
	CU_ASSERT_EQUAL(wl_run(on_loop, NULL), 0);
	stop_worker(worker_pid);
	kill(provider_pid, SIGKILL);
	waitpid(provider_pid, NULL, 0);
}

#define TEST(name)							\
	static void name##_on_loop(void);				\
	static void name(void) { beside_worker(name##_on_loop); }	\
	static void name##_on_loop(void)

TEST(kept_connections)
{
	struct fc_reply r = { 0 };
	char body[32];
	int fd = dial(), i;

	for (i = 0; i < 200; i++) {
		snprintf(body, sizeof(body), "call %d", i);
		CU_ASSERT_EQUAL(call(fd, "/echo", body, &r), 0);
		CU_ASSERT_STRING_EQUAL(fc_body(&r), body);
	}
	net_close(fd);
	fc_free(&r);
}

static int	clients;

/*
 * A stream that is read with the rhythm of its number.
 */
struct reader {
	int	number, count, ms, size;
	int	stall_ms;
	bool	vanish;
	bool	ok;
};

static bool
check_events(const struct fc_reply *r, const struct reader *rd)
{
	const char *p = strstr(r->out.p, "\r\n\r\n");
	int i;

	if (p == NULL)
		return false;
	for (i = 0, p += 4; i < rd->count; i++, p += rd->size)
		if ((size_t)(p - r->out.p) + (size_t)rd->size > r->out.len ||
		    strncmp(p, "data: ", 6) != 0 ||
		    strtol(p + 6, NULL, 10) != i)
			return false;
	return *p == '\0';
}

static void
read_stream(void *arg)
{
	struct reader *rd = arg;
	struct fc_reply r = { 0 };
	struct wl_buf b = { 0 };
	char uri[64], buf[16384];
	int fd = dial();
	ssize_t n;

	snprintf(uri, sizeof(uri), "/proxy/%d/%d/%d", rd->count, rd->ms,
	    rd->size);
	fc_request(&b, true, "POST", uri, "x", 1);
	if (net_write(fd, b.p, b.len, 20000) == 0) {
		if (rd->stall_ms > 0)
			wl_sleep(rd->stall_ms);
		if (rd->vanish) {
			net_read(fd, buf, sizeof(buf), 20000);
			rd->ok = true;
		}
		while (!rd->vanish && !r.ended && !r.broken &&
		    (n = net_read(fd, buf, sizeof(buf), 20000)) > 0)
			fc_feed(&r, buf, (size_t)n);
		if (r.ended)
			rd->ok = check_events(&r, rd);
	}
	net_close(fd);
	wl_buf_free(&b);
	fc_free(&r);
	clients--;
}

static void
spawn_reader(struct reader *rd)
{
	clients++;
	CU_ASSERT_FATAL(wl_co_spawn("reader", read_stream, rd) != NULL);
}

static int
failures(const struct reader *rd, int n)
{
	int bad = 0;

	while (n-- > 0)
		bad += !rd[n].ok;
	return bad;
}

/*
 * Many streams at once, a tenth of them read late: every chunk arrives, in
 * order.
 */
TEST(many_streams)
{
	static struct reader rd[STREAMS];
	int i;

	memset(rd, 0, sizeof(rd));
	for (i = 0; i < STREAMS; i++) {
		rd[i] = (struct reader){ .number = i, .count = 15, .ms = 60,
		    .size = 100, .stall_ms = i % 10 == 0 ? 700 : 0 };
		spawn_reader(&rd[i]);
		if (i % 50 == 49)
			wl_sleep(5);
	}
	while (clients > 0)
		wl_sleep(20);
	CU_ASSERT_EQUAL(failures(rd, STREAMS), 0);
	CU_ASSERT_EQUAL(GET(gone), 0);
}

static int
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/*
 * Stalled readers that resume, silent clients and slow senders, while others
 * want their small replies.
 */
static void
silent(void *arg)
{
	int fd = dial();

	(void)arg;
	/* until the test says so */
	while (clients > 1)
		wl_sleep(20);
	net_close(fd);
	clients--;
}

static int	slow_ok;

static void
slow_sender(void *arg)
{
	struct fc_reply r = { 0 };
	struct wl_buf b = { 0 };
	int fd = dial();
	size_t i;

	(void)arg;
	fc_request(&b, true, "POST", "/echo", "slowly", 6);
	for (i = 0; i < b.len; i += 2) {
		if (net_write(fd, b.p + i, b.len - i < 2 ? 1 : 2, 5000) == -1)
			break;
		wl_sleep(10);
	}
	if (fc_read(fd, &r, 5000) == 0 && strcmp(fc_body(&r), "slowly") == 0)
		slow_ok++;
	net_close(fd);
	fc_free(&r);
	wl_buf_free(&b);
	clients--;
}

TEST(disturbers)
{
	static struct reader rd[20];
	static int64_t us[20000];
	struct fc_reply r = { 0 };
	int64_t until;
	int fd, i, n = 0, quiet = 0;

	slow_ok = 0;
	for (i = 0; i < 100; i++, clients++)
		CU_ASSERT_FATAL(wl_co_spawn("silent", silent, NULL) != NULL);
	for (i = 0; i < 50; i++, clients++)
		CU_ASSERT_FATAL(wl_co_spawn("slow", slow_sender, NULL) !=
		    NULL);
	for (i = 0; i < 20; i++) {
		rd[i] = (struct reader){ .number = i, .count = 500,
		    .size = 3000, .stall_ms = 1500 };
		spawn_reader(&rd[i]);
	}
	/* the readers resume in the middle of this */
	fd = dial();
	for (until = wl_mono() + 4000; wl_mono() < until && n < 20000; n++) {
		struct timespec a, b;

		clock_gettime(CLOCK_MONOTONIC, &a);
		if (call(fd, "/echo", "hi", &r) != 0) {
			CU_FAIL("a small request failed");
			break;
		}
		clock_gettime(CLOCK_MONOTONIC, &b);
		us[n] = (b.tv_sec - a.tv_sec) * 1000000 +
		    (b.tv_nsec - a.tv_nsec) / 1000;
		if (wl_sleep(1) == -1)
			break;
	}
	qsort(us, (size_t)n, sizeof(us[0]), by_value);
	printf("# beside them: %d calls, p50 %lld us, p99 %lld us, "
	    "most %lld us\n", n, (long long)us[n / 2],
	    (long long)us[n * 99 / 100], (long long)us[n - 1]);
	while (clients > 100 && quiet++ < 500)
		wl_sleep(20);
	CU_ASSERT_EQUAL(failures(rd, 20), 0);
	CU_ASSERT_EQUAL(slow_ok, 50);
	CU_ASSERT(n > 100);
	/* one of the silent ones was the last */
	clients = 1;
	wl_sleep(100);
	clients = 0;
	net_close(fd);
	fc_free(&r);
}

/*
 * Clients that vanish close the connection to the provider.
 */
TEST(vanishing)
{
	static struct reader rd[100];
	int i;

	for (i = 0; i < 100; i++) {
		rd[i] = (struct reader){ .number = i, .count = 100000,
		    .ms = 5, .size = 200, .vanish = true };
		spawn_reader(&rd[i]);
	}
	while (clients > 0)
		wl_sleep(10);
	for (i = 0; i < 400 && (GET(upstream_open) > 0 ||
	    GET(gone) < 100); i++)
		wl_sleep(10);
	CU_ASSERT_EQUAL(failures(rd, 100), 0);
	CU_ASSERT_EQUAL(GET(upstream_open), 0);
	CU_ASSERT_EQUAL(GET(gone), 100);
	CU_ASSERT_EQUAL(GET(running), 0);
}

static int	calls_ok;

static void
one_call(void *arg)
{
	struct fc_reply r = { 0 };
	int fd = dial();

	if (call(fd, arg, "x", &r) == 0 &&
	    strncmp(r.out.p, "Status: 200 ", 12) == 0)
		calls_ok++;
	/* kept connections of the others compete with this one */
	wl_sleep(20);
	if (call(fd, arg, "x", &r) == 0)
		calls_ok++;
	net_close(fd);
	fc_free(&r);
	clients--;
}

static void
bounded_on_loop(void)
{
	char uri[] = "/sleep/20";
	int i;

	calls_ok = 0;
	for (i = 0; i < 60; i++, clients++)
		CU_ASSERT_FATAL(wl_co_spawn("call", one_call, uri) != NULL);
	while (clients > 0)
		wl_sleep(5);
	CU_ASSERT_EQUAL(calls_ok, 120);
	CU_ASSERT(GET(most) <= 7);
	CU_ASSERT(GET(most) > 1);
}

static void
bounded(void)
{
	set("max_requests=7");
	beside_worker(bounded_on_loop);
	set("max_requests=4096");
}

/*
 * SIGTERM: what runs comes to its end, kept connections are closed.
 */
static int	term_idle, term_busy;

static void
term_on_loop(void)
{
	struct fc_reply r = { 0 };
	struct wl_buf b = { 0 };
	char c;

	term_idle = dial();
	term_busy = dial();
	CU_ASSERT_EQUAL(call(term_idle, "/echo", "x", &r), 0);
	fc_request(&b, true, "POST", "/sleep/400", "", 0);
	CU_ASSERT_EQUAL(net_write(term_busy, b.p, b.len, 1000), 0);
	wl_sleep(100);
	kill(worker_pid, SIGTERM);
	CU_ASSERT_EQUAL(net_read(term_idle, &c, 1, 300), 0);
	fc_reset(&r);
	CU_ASSERT_EQUAL(fc_read(term_busy, &r, 5000), 0);
	CU_ASSERT_EQUAL(net_read(term_busy, &c, 1, 1000), 0);
	net_close(term_idle);
	net_close(term_busy);
	fc_free(&r);
	wl_buf_free(&b);
}

static void
term(void)
{
	beside_worker(term_on_loop);
	CU_ASSERT_EQUAL(GET(cancelled), 0);
}

static void
cut_on_loop(void)
{
	struct wl_buf b = { 0 };
	int fd = dial();

	fc_request(&b, true, "POST", "/sleep/20000", "", 0);
	CU_ASSERT_EQUAL(net_write(fd, b.p, b.len, 1000), 0);
	wl_sleep(100);
	net_close(fd);
	wl_buf_free(&b);
}

/*
 * Beyond drain_deadline, or at a second signal, requests are cut off.
 */
static void
cut(void)
{
	int64_t begun;

	set("drain_deadline=200ms");
	worker_pid = start_worker();
	on_loop_fn = cut_on_loop;
	CU_ASSERT_EQUAL(wl_run(on_loop, NULL), 0);
	begun = now_ms();
	stop_worker(worker_pid);
	CU_ASSERT(now_ms() - begun >= 190);
	CU_ASSERT(now_ms() - begun < 4000);
	CU_ASSERT_EQUAL(GET(cancelled), 1);
	set("drain_deadline=30s");
	worker_pid = start_worker();
	CU_ASSERT_EQUAL(wl_run(on_loop, NULL), 0);
	begun = now_ms();
	kill(worker_pid, SIGUSR1);
	pause_ms(200);
	stop_worker(worker_pid);
	CU_ASSERT(now_ms() - begun < 4000);
	CU_ASSERT_EQUAL(GET(cancelled), 1);
}

/*
 * SIGHUP: new requests see the new configuration, running ones the old one,
 * and a bad one is not taken.
 */
TEST(reload)
{
	struct fc_reply r = { 0 }, slow = { 0 };
	struct wl_buf b = { 0 };
	int fd = dial(), other = dial(), i;

	CU_ASSERT_EQUAL(call(fd, "/x", "", &r), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(fc_body(&r), "old.example"));
	__atomic_store_n(&shared->bad_config, 1, __ATOMIC_SEQ_CST);
	kill(worker_pid, SIGHUP);
	wl_sleep(100);
	CU_ASSERT_EQUAL(call(fd, "/x", "", &r), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(fc_body(&r), "old.example"));
	__atomic_store_n(&shared->bad_config, 0, __ATOMIC_SEQ_CST);
	fc_request(&b, true, "POST", "/sleep/300", "", 0);
	CU_ASSERT_EQUAL(net_write(other, b.p, b.len, 1000), 0);
	wl_sleep(50);
	for (i = 0; i < 3; i++) {
		kill(worker_pid, SIGHUP);
		wl_sleep(50);
	}
	CU_ASSERT_EQUAL(call(fd, "/x", "", &r), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(fc_body(&r), "new.example"));
	CU_ASSERT_EQUAL(fc_read(other, &slow, 5000), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(fc_body(&slow), "old.example"));
	net_close(fd);
	net_close(other);
	fc_free(&r);
	fc_free(&slow);
	wl_buf_free(&b);
}

/*
 * Plain CGI.
 */

struct cgi {
	pid_t	pid;
	int	in, out;	/* our ends */
};

static struct cgi
start_cgi(const char *uri, const char *length)
{
	int in[2], out[2];
	struct cgi c;

	memset(shared, 0, sizeof(*shared));
	CU_ASSERT_FATAL(pipe2(in, O_CLOEXEC) == 0 &&
	    pipe2(out, O_CLOEXEC) == 0);
	if ((c.pid = fork()) == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[0]);
		close(in[1]);
		close(out[0]);
		close(out[1]);
		setenv("REQUEST_METHOD", "POST", 1);
		setenv("REQUEST_URI", uri, 1);
		if (length != NULL)
			setenv("CONTENT_LENGTH", length, 1);
		_exit(wl_worker_run(&conf, -1));
	}
	close(in[0]);
	close(out[1]);
	c.in = in[1];
	c.out = out[0];
	return c;
}

/*
 * All that the program says.
 */
static void
read_out(struct cgi *c, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size - 1 &&
	    (n = read(c->out, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	buf[len] = '\0';
	close(c->out);
}

static void
plain_cgi(void)
{
	char buf[200000], *big = malloc(100001);
	struct cgi c = start_cgi("/echo", "5");

	/* the server does not close behind the body */
	CU_ASSERT_EQUAL(write(c.in, "hello and more", 14), 14);
	read_out(&c, buf, sizeof(buf));
	CU_ASSERT_STRING_EQUAL(buf, "Status: 200 OK\r\n"
	    "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
	CU_ASSERT_EQUAL(ended(c.pid, 5000), 0);
	close(c.in);
	/* no length: to the end; larger than a pipe */
	CU_ASSERT_FATAL(big != NULL);
	memset(big, 'c', 100000);
	c = start_cgi("/echo", NULL);
	CU_ASSERT_EQUAL(write(c.in, big, 60000), 60000);
	CU_ASSERT_EQUAL(write(c.in, big, 40000), 40000);
	close(c.in);
	read_out(&c, buf, sizeof(buf));
	CU_ASSERT_EQUAL(strlen(strstr(buf, "\r\n\r\n")), 4 + 100000);
	CU_ASSERT_EQUAL(ended(c.pid, 5000), 0);
	CU_ASSERT_EQUAL(GET(closed), 1);
	free(big);
}

/*
 * A web server that asks a CGI program to end does so for a client that left.
 */
static void
cgi_signals(void)
{
	struct cgi c = start_cgi("/watch", "0");
	int64_t begun;

	pause_ms(200);
	begun = now_ms();
	kill(c.pid, SIGTERM);
	CU_ASSERT_EQUAL(ended(c.pid, 5000), 0);
	CU_ASSERT(now_ms() - begun < 1000);
	CU_ASSERT_EQUAL(GET(gone), 1);
	close(c.in);
	close(c.out);
	/* closing the pipe is as good */
	c = start_cgi("/watch", "0");
	pause_ms(200);
	close(c.out);
	CU_ASSERT_EQUAL(ended(c.pid, 5000), 0);
	CU_ASSERT_EQUAL(GET(gone), 1);
	close(c.in);
	/* one that does not look is cut off before it is killed */
	c = start_cgi("/sleep/20000", "0");
	pause_ms(200);
	begun = now_ms();
	kill(c.pid, SIGTERM);
	CU_ASSERT_EQUAL(ended(c.pid, 5000), 0);
	CU_ASSERT(now_ms() - begun < 2800);
	CU_ASSERT_EQUAL(GET(cancelled), 1);
	close(c.in);
	close(c.out);
}

static void
cgi_not_ready(void)
{
	char buf[4096], setting[300];
	struct cgi c;

	set("spool_dir=/dev/null/nowhere");
	c = start_cgi("/echo", "0");
	read_out(&c, buf, sizeof(buf));
	CU_ASSERT(strncmp(buf, "Status: 503 ", 12) == 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf, "\"unavailable\""));
	CU_ASSERT_PTR_NULL(strstr(buf, "nowhere"));
	CU_ASSERT_EQUAL(ended(c.pid, 5000), 1);
	close(c.in);
	snprintf(setting, sizeof(setting), "spool_dir=%s", spool);
	set(setting);
}

/*
 * The parent.
 */

static int	pids[64], npids;

/*
 * Who answers: the pids of 40 calls.
 */
static void
who_on_loop(void)
{
	struct fc_reply r = { 0 };
	int i, k, fd, pid;

	npids = 0;
	for (i = 0; i < 40; i++) {
		fd = dial();
		if (fd == -1 || call(fd, "/x", "", &r) == -1) {
			CU_FAIL("no answer");
			break;
		}
		pid = (int)strtol(fc_body(&r), NULL, 10);
		for (k = 0; k < npids && pids[k] != pid; k++)
			;
		if (k == npids)
			pids[npids++] = pid;
		net_close(fd);
	}
	fc_free(&r);
}

static void
parent(void)
{
	char spec[128];
	struct stat st;
	struct wl_err e = { 0 };
	pid_t pid, first;
	int fd;

	memset(shared, 0, sizeof(*shared));
	/* a socket file that nobody answers on */
	fd = wl_listen_open(socket_path, "0600", &e);
	CU_ASSERT(fd != -1);
	close(fd);
	snprintf(spec, sizeof(spec), "unix:%s", socket_path);
	if ((pid = fork()) == 0) {
		wl_worker.load = load;
		exit(wl_master_run(&conf, spec, 2));
	}
	on_loop_fn = who_on_loop;
	CU_ASSERT_EQUAL(wl_run(on_loop, NULL), 0);
	CU_ASSERT(npids >= 1 && npids <= 2);
	CU_ASSERT_EQUAL(stat(socket_path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0660);
	/* it is in use */
	CU_ASSERT_EQUAL(wl_listen_open(socket_path, "0600", &e), -1);
	/* a dead child is replaced */
	first = pids[0];
	CU_ASSERT_EQUAL(kill(first, SIGKILL), 0);
	pause_ms(1500);
	CU_ASSERT_EQUAL(GET(opened), 3);
	CU_ASSERT_EQUAL(wl_run(on_loop, NULL), 0);
	CU_ASSERT(pids[0] != first && (npids < 2 || pids[1] != first));
	kill(pid, SIGHUP);
	pause_ms(200);
	kill(pid, SIGTERM);
	CU_ASSERT_EQUAL(ended(pid, 10000), 0);
	CU_ASSERT_EQUAL(GET(closed), 2);
	CU_ASSERT_EQUAL(stat(socket_path, &st), -1);
}

static void
parent_killed(void)
{
	struct wl_err e = { 0 };
	pid_t pid;
	int i, fd = -1;

	memset(shared, 0, sizeof(*shared));
	if ((pid = fork()) == 0)
		exit(wl_master_run(&conf, socket_path, 1));
	on_loop_fn = who_on_loop;
	CU_ASSERT_EQUAL(wl_run(on_loop, NULL), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	/* its workers do not stay behind */
	for (i = 0; i < 500 && GET(closed) == 0; i++)
		pause_ms(10);
	CU_ASSERT_EQUAL(GET(closed), 1);
	/* what they leave is no obstacle once they are gone */
	for (i = 0; i < 100 && (fd = wl_listen_open(socket_path, "0600",
	    &e)) == -1; i++)
		pause_ms(10);
	CU_ASSERT_FATAL(fd != -1);
	wl_listen_close(fd, socket_path);
}

static void
listening_specs(void)
{
	static const char *const bad[] = { "", "x", "127.0.0.1", "1.2.3:80",
	    "127.0.0.1:0", "127.0.0.1:99999", "[::1", "host.example:80",
	    "/dev/null/x", "unix:", "/dev/null" };
	struct wl_err e = { 0 };
	char longest[200];
	size_t i;
	int fd;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fd = wl_listen_open(bad[i], "0600", &e);
		if (fd != -1)
			CU_FAIL(bad[i]);
	}
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	CU_ASSERT_EQUAL(wl_listen_open(longest, "0600", &e), -1);
	CU_ASSERT_EQUAL(access("/dev/null", F_OK), 0);
	CU_ASSERT_EQUAL(wl_listen_inherited(), -1);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "kept connections", kept_connections },
		{ "many streams, in order", many_streams },
		{ "stalled, silent and slow clients", disturbers },
		{ "clients that vanish", vanishing },
		{ "requests are bounded", bounded },
		{ "SIGTERM lets requests end", term },
		{ "requests are cut off at last", cut },
		{ "SIGHUP", reload },
		{ "plain CGI", plain_cgi },
		{ "plain CGI and signals", cgi_signals },
		{ "plain CGI without a spool", cgi_not_ready },
		{ "a parent with two workers", parent },
		{ "a parent that is killed", parent_killed },
		{ "what can be listened on", listening_specs },
		{ NULL, NULL }
	};
	struct rlimit files;
	struct wl_err e = { 0 };
	int status;

	alarm(100);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	wl_strlcpy(spool, wl_tmp_path("spool"), sizeof(spool));
	wl_strlcpy(socket_path, wl_tmp_path("s"), sizeof(socket_path));
	if (shared == MAP_FAILED || load(&conf, &e) == -1 ||
	    wl_log_open("/dev/null", WL_INFO, "test") == -1) {
		printf("Bail out! %s\n", e.msg);
		return 1;
	}
	set("upgrade_url=https://old.example");
	status = wl_tap_run("worker", tests);
	wl_conf_free(&conf);
	return status;
}
