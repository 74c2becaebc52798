/*
 * The outgoing client against a scripted server on the same loop.
 */
#include "config.h"
#include "lib/http/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/co.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "lib/http/names.h"
#include "tests/unit/net.h"
#include "tests/unit/tap.h"

static char		 empty[] = "";
static struct wl_conf	 conf = { .upstream_proxy = empty,
    .upstream_ca_file = empty, .max_requests = 100 };
static struct wl_err	 e;
static int		 port;
static int		 connections;	/* that the server has open */
static bool		 hang_up;	/* the server resets idle ones */

/*
 * The server.
 */

static void
serve_bytes(int fd, size_t n)
{
	char head[128], block[8192];
	uint64_t seq = 0;
	size_t i, len;

	snprintf(head, sizeof(head),
	    "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", n);
	if (net_puts(fd, head) == -1)
		return;
	while (n > 0) {
		for (i = 0; i < sizeof(block); i += 8, seq++)
			memcpy(block + i, &seq, 8);
		len = n < sizeof(block) ? n : sizeof(block);
		if (net_write(fd, block, len, 20000) == -1)
			return;
		n -= len;
	}
}

static void
serve_chunks(int fd, int n)
{
	char chunk[64];
	int i;

	net_puts(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (i = 0; i < n; i++) {
		snprintf(chunk, sizeof(chunk), "b\r\n%010d\n\r\n", i);
		if (net_puts(fd, chunk) == -1)
			return;
		if (i % 10 == 0)
			wl_sleep(1);
	}
	net_puts(fd, "0\r\nX-Trailer: 1\r\n\r\n");
}

static void
serve_headers(int fd, int lines, size_t size)
{
	char line[1024];
	int i;

	memset(line, 'x', sizeof(line));
	net_puts(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
	for (i = 0; i < lines; i++) {
		memcpy(line, "X-H: ", 5);
		memcpy(line + size - 2, "\r\n", 2);
		if (net_write(fd, line, size, 5000) == -1)
			return;
	}
	net_puts(fd, "\r\n");
}

static void
wait_for_end(int fd)
{
	char c;

	net_read(fd, &c, 1, 10000);
}

static void
reset(int fd)
{
	struct linger l = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

/*
 * Answer the request in HEAD; returns whether the connection stays.
 */
static bool
answer(int fd, const char *path, const char *request, size_t len)
{
	char head[128];

	if (strcmp(path, "/hello") == 0)
		return net_puts(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
		    "X-One: 1\r\nx-one: 2\r\nX-Empty:\r\n\r\nhello") == 0;
	if (strcmp(path, "/echo") == 0) {
		snprintf(head, sizeof(head),
		    "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len);
		return net_puts(fd, head) == 0 &&
		    net_write(fd, request, len, 5000) == 0;
	}
	if (strncmp(path, "/bytes/", 7) == 0) {
		serve_bytes(fd, strtoul(path + 7, NULL, 10));
		return true;
	}
	if (strncmp(path, "/chunks/", 8) == 0) {
		serve_chunks(fd, (int)strtol(path + 8, NULL, 10));
		return true;
	}
	if (strcmp(path, "/interim") == 0)
		return net_puts(fd, "HTTP/1.1 100 Continue\r\n\r\n"
		    "HTTP/1.1 103 Early Hints\r\nX-Hint: 1\r\n\r\n"
		    "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n"
		    "X-Real: 1\r\n\r\nok") == 0;
	if (strcmp(path, "/redirect") == 0)
		return net_puts(fd, "HTTP/1.1 302 Found\r\nLocation: /hello"
		    "\r\nContent-Length: 0\r\n\r\n") == 0;
	if (strcmp(path, "/lines") == 0)
		serve_headers(fd, 300, 10);
	else if (strcmp(path, "/header") == 0)
		serve_headers(fd, 70, 1000);
	else if (strcmp(path, "/garbage") == 0)
		net_puts(fd, "nonsense\r\n\r\n");
	else if (strcmp(path, "/short") == 0)
		net_puts(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
	else if (strcmp(path, "/cut") == 0)
		net_puts(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
		    "\r\n\r\n3\r\nabc\r\n");
	else if (strcmp(path, "/close") == 0)
		net_puts(fd, "HTTP/1.1 200 OK\r\n\r\nto the end");
	else if (strcmp(path, "/silent") == 0)
		wait_for_end(fd);
	else if (strcmp(path, "/stall") == 0) {
		net_puts(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
		wait_for_end(fd);
	} else if (strcmp(path, "/drip") == 0) {
		net_puts(fd, "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n");
		while (net_puts(fd, "x") == 0 && wl_sleep(20) == 0)
			;
	} else if (strcmp(path, "/reset") == 0) {
		net_puts(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
		wl_sleep(20);
		reset(fd);
	}
	return false;
}

/*
 * A request with its body into BUF; its length, or 0.
 */
static size_t
read_request(int fd, char *buf, size_t size)
{
	size_t len = 0, need = 0;
	int tries = 2000;
	char *end, *p;
	ssize_t n;

	for (;;) {
		buf[len] = '\0';
		if (need == 0 && (end = strstr(buf, "\r\n\r\n")) != NULL) {
			need = (size_t)(end + 4 - buf);
			p = strstr(buf, "Content-Length: ");
			if (p != NULL && p < end)
				need += strtoul(p + 16, NULL, 10);
		}
		if (need != 0 && len >= need)
			return len;
		if (len == size - 1)
			return 0;
		do
			n = net_read(fd, buf + len, size - 1 - len, 10);
		while (n == -1 && errno == ETIMEDOUT && !hang_up && --tries);
		if (n == -1 && hang_up)
			reset(fd);
		if (n <= 0)
			return 0;
		len += (size_t)n;
	}
}

static void
server_connection(void *arg)
{
	size_t size = 200000, len;
	char *buf = malloc(size), path[64], *p;
	int fd = (int)(intptr_t)arg;
	bool stay = buf != NULL;

	connections++;
	while (stay && (len = read_request(fd, buf, size)) > 0) {
		p = strchr(buf, ' ');
		snprintf(path, sizeof(path), "%.*s",
		    p == NULL ? 0 : (int)strcspn(p + 1, " "),
		    p == NULL ? "" : p + 1);
		stay = answer(fd, path, buf, len);
	}
	net_close(fd);
	free(buf);
	connections--;
}

static void
server(void *arg)
{
	int fd = (int)(intptr_t)arg, c;

	while ((c = net_accept(fd, 60000)) != -1)
		if (wl_co_spawn("server", server_connection,
		    (void *)(intptr_t)c) == NULL)
			close(c);
	net_close(fd);
}

/*
 * Every test runs in a coroutine with the server beside it.
 */
static void	(*test_fn)(void);

static int
with_server(void *arg)
{
	int fd = net_listen(&port);
	struct wl_co *s;

	(void)arg;
	s = wl_co_spawn("listen", server, (void *)(intptr_t)fd);
	CU_ASSERT_FATAL(s != NULL);
	CU_ASSERT_EQUAL(wl_client_open(&conf, &e), 0);
	test_fn();
	wl_client_close();
	wl_names_close();
	wl_co_cancel(s);
	return 0;
}

static void
run(void (*fn)(void))
{
	test_fn = fn;
	memset(&e, 0, sizeof(e));
	CU_ASSERT_EQUAL(wl_run(with_server, NULL), 0);
}

#define TEST(name)							\
	static void name##_on_loop(void);				\
	static void name(void) { run(name##_on_loop); }			\
	static void name##_on_loop(void)

static char		url[256];
static struct wl_xfer_opts
options(const char *path)
{
	struct wl_xfer_opts o = { .method = "GET", .url = url,
	    .trust = WL_TRUST_PRIVATE, .connect_ms = 2000,
	    .first_byte_ms = 2000, .between_ms = 2000, .total_ms = 15000 };

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", port, path);
	return o;
}

static struct wl_xfer *
start(const char *path)
{
	struct wl_xfer_opts o = options(path);
	struct wl_xfer *x = wl_xfer_start(&o, &e);

	if (x == NULL)
		CU_FAIL(e.msg);
	return x;
}

/*
 * Read X to its end; returns the bytes.
 */
static size_t
drain(struct wl_xfer *x)
{
	struct wl_str s;
	size_t n = 0;
	int bits;

	for (;;) {
		bits = wl_xfer_wait(x, WL_X_DATA, -1, 0, wl_mono() + 20000);
		s = wl_xfer_peek(x);
		n += s.len;
		wl_xfer_take(x, s.len);
		if (bits == -1 || (bits & WL_X_DEADLINE) ||
		    ((bits & WL_X_DONE) && !(bits & WL_X_DATA)))
			return n;
	}
}

TEST(plain)
{
	struct wl_arena *a = wl_arena_new(1 << 20);
	struct wl_xfer_opts o = options("/hello");
	struct wl_xfer_times t;
	struct wl_str body;
	struct wl_xfer *x;

	CU_ASSERT_EQUAL(wl_fetch(a, &o, 100, &body, &e), 200);
	CU_ASSERT(wl_str_eq(body, "hello"));
	CU_ASSERT_EQUAL(wl_fetch(a, &o, 5, &body, &e), 200);
	CU_ASSERT_EQUAL(wl_fetch(a, &o, 4, &body, &e), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_UPSTREAM_INVALID);
	x = start("/hello");
	CU_ASSERT_EQUAL(wl_xfer_wait(x, WL_X_HEADERS, -1, 0,
	    wl_mono() + 5000) & WL_X_HEADERS, WL_X_HEADERS);
	CU_ASSERT_EQUAL(wl_xfer_status(x), 200);
	CU_ASSERT_STRING_EQUAL(wl_xfer_header(x, "x-ONE"), "1");
	CU_ASSERT_STRING_EQUAL(wl_xfer_header(x, "x-empty"), "");
	CU_ASSERT_PTR_NULL(wl_xfer_header(x, "x-on"));
	CU_ASSERT_PTR_NULL(wl_xfer_header(x, "x-absent"));
	CU_ASSERT_EQUAL(drain(x), 5);
	CU_ASSERT_EQUAL(wl_xfer_error(x, &e), 0);
	wl_xfer_times(x, &t);
	CU_ASSERT(t.connect >= 0 && t.first_byte >= t.connect &&
	    t.total >= t.first_byte && t.total < 5000000);
	wl_xfer_free(x);
	wl_arena_free(a);
}

TEST(reuse)
{
	struct wl_xfer_times t;
	struct wl_xfer *x;
	int i;

	for (i = 0; i < 20; i++) {
		x = start("/hello");
		CU_ASSERT_EQUAL(drain(x), 5);
		wl_xfer_times(x, &t);
		CU_ASSERT_EQUAL(t.reused, i > 0);
		wl_xfer_free(x);
	}
	CU_ASSERT_EQUAL(connections, 1);
	/* what was not read to its end is not used again */
	x = start("/bytes/1000000");
	wl_xfer_wait(x, WL_X_DATA, -1, 0, wl_mono() + 5000);
	wl_xfer_free(x);
	wl_sleep(20);
	CU_ASSERT_EQUAL(connections, 0);
}

TEST(methods)
{
	static const struct { const char *method, *body, *line; } rows[] = {
		{ "GET", NULL, "GET /echo HTTP/1.1\r\n" },
		{ "POST", "{\"a\":1}", "POST /echo HTTP/1.1\r\n" },
		{ "POST", NULL, "POST /echo HTTP/1.1\r\n" },
		{ "PUT", "x", "PUT /echo HTTP/1.1\r\n" },
		{ "DELETE", NULL, "DELETE /echo HTTP/1.1\r\n" },
		{ "DELETE", "y", "DELETE /echo HTTP/1.1\r\n" },
		{ "PATCH", "z", "PATCH /echo HTTP/1.1\r\n" },
		{ "OPTIONS", NULL, "OPTIONS /echo HTTP/1.1\r\n" },
		{ "GET", NULL, "GET /echo HTTP/1.1\r\n" },
	};
	static const char *const headers[] = { "X-Mine: 1",
	    "Content-Type: application/json", NULL };
	struct wl_arena *a = wl_arena_new(1 << 20);
	struct wl_xfer_opts o;
	struct wl_str body;
	size_t i, n;

	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		o = options("/echo");
		o.method = rows[i].method;
		o.headers = headers;
		o.body = rows[i].body;
		o.body_len = n = rows[i].body == NULL ? 0 :
		    strlen(rows[i].body);
		CU_ASSERT_EQUAL(wl_fetch(a, &o, 4096, &body, &e), 200);
		CU_ASSERT(strncmp(body.p, rows[i].line,
		    strlen(rows[i].line)) == 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(body.p, "\r\nX-Mine: 1\r\n"));
		CU_ASSERT_PTR_NOT_NULL(strstr(body.p,
		    "\r\nContent-Type: application/json\r\n"));
		CU_ASSERT_PTR_NULL(strcasestr(body.p, "\nexpect:"));
		CU_ASSERT_PTR_NULL(strcasestr(body.p, "\naccept-encoding:"));
		CU_ASSERT_EQUAL(strcmp(body.p + body.len - n,
		    n == 0 ? "" : rows[i].body), 0);
	}
	o = options("/echo");
	o.method = "HEAD";
	CU_ASSERT_EQUAL(wl_fetch(a, &o, 4096, &body, &e), 200);
	CU_ASSERT_EQUAL(body.len, 0);
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	wl_arena_free(a);
}

TEST(large_upload)
{
	struct wl_arena *a = wl_arena_new(1 << 20);
	struct wl_xfer_opts o = options("/echo");
	size_t len = 150000;
	char *p = malloc(len);
	struct wl_str body;

	CU_ASSERT_FATAL(p != NULL);
	memset(p, 'q', len);
	o.method = "POST";
	o.body = p;
	o.body_len = len;
	CU_ASSERT_EQUAL(wl_fetch(a, &o, 200000, &body, &e), 200);
	CU_ASSERT(body.len > len);
	CU_ASSERT_EQUAL(memcmp(body.p + body.len - len, p, len), 0);
	free(p);
	wl_arena_free(a);
}

TEST(answers)
{
	struct wl_xfer *x = start("/interim");

	CU_ASSERT_EQUAL(drain(x), 2);
	CU_ASSERT_EQUAL(wl_xfer_status(x), 201);
	CU_ASSERT_PTR_NULL(wl_xfer_header(x, "x-hint"));
	CU_ASSERT_STRING_EQUAL(wl_xfer_header(x, "x-real"), "1");
	wl_xfer_free(x);
	x = start("/redirect");
	CU_ASSERT_EQUAL(drain(x), 0);
	CU_ASSERT_EQUAL(wl_xfer_status(x), 302);
	CU_ASSERT_STRING_EQUAL(wl_xfer_header(x, "location"), "/hello");
	wl_xfer_free(x);
	x = start("/chunks/300");
	CU_ASSERT_EQUAL(drain(x), 3300);
	CU_ASSERT_EQUAL(wl_xfer_error(x, &e), 0);
	CU_ASSERT_PTR_NULL(wl_xfer_header(x, "x-trailer"));
	wl_xfer_free(x);
	x = start("/close");
	CU_ASSERT_EQUAL(drain(x), 10);
	CU_ASSERT_EQUAL(wl_xfer_error(x, &e), 0);
	wl_xfer_free(x);
}

TEST(faults)
{
	static const struct { const char *path; enum wl_code code; } rows[] = {
		{ "/short", WL_E_UPSTREAM_INVALID },
		{ "/cut", WL_E_UPSTREAM_INVALID },
		{ "/garbage", WL_E_UPSTREAM_INVALID },
		{ "/lines", WL_E_UPSTREAM_INVALID },
		{ "/header", WL_E_UPSTREAM_INVALID },
		{ "/reset", WL_E_UPSTREAM },
		{ "/nothing", WL_E_UPSTREAM },
	};
	struct wl_xfer *x;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		x = start(rows[i].path);
		drain(x);
		if (wl_xfer_error(x, &e) != -1 || e.code != rows[i].code)
			CU_FAIL(rows[i].path);
		wl_xfer_free(x);
	}
}

TEST(refused)
{
	struct wl_xfer_opts o = options("/hello");
	struct wl_xfer *x;
	int free_port, fd = net_listen(&free_port);

	net_close(fd);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", free_port);
	x = wl_xfer_start(&o, &e);
	CU_ASSERT_FATAL(x != NULL);
	CU_ASSERT_EQUAL(wl_xfer_wait(x, WL_X_HEADERS, -1, 0,
	    wl_mono() + 5000), WL_X_DONE);
	CU_ASSERT_EQUAL(wl_xfer_error(x, &e), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_UPSTREAM);
	wl_xfer_free(x);
}

/*
 * How long OPTIONS take to fail, and how.
 */
static int64_t
time_out(struct wl_xfer_opts *o, const char *word)
{
	int64_t begin = wl_mono_fresh();
	struct wl_xfer *x = wl_xfer_start(o, &e);

	if (x != NULL) {
		drain(x);
		CU_ASSERT_EQUAL(wl_xfer_error(x, &e), -1);
		wl_xfer_free(x);
	}
	CU_ASSERT_EQUAL(e.code, WL_E_UPSTREAM_TIMEOUT);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, word));
	return wl_mono_fresh() - begin;
}

TEST(timeouts)
{
	struct wl_xfer_opts o = options("/silent");
	int64_t ms;

	o.first_byte_ms = 100;
	ms = time_out(&o, "first byte");
	CU_ASSERT(ms >= 99 && ms < 1000);
	o = options("/stall");
	o.between_ms = 100;
	ms = time_out(&o, "between");
	CU_ASSERT(ms >= 99 && ms < 1000);
	o = options("/drip");
	o.between_ms = 90;
	o.total_ms = 250;
	ms = time_out(&o, "total");
	CU_ASSERT(ms >= 249 && ms < 1500);
}

/*
 * A listener whose queue is full answers no connection.
 */
TEST(connect_timeout)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	struct wl_xfer_opts o = options("/");
	int fd, fill[8], i;
	int64_t ms;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CU_ASSERT_FATAL(bind(fd, (struct sockaddr *)&in, len) == 0);
	CU_ASSERT_FATAL(listen(fd, 0) == 0);
	getsockname(fd, (struct sockaddr *)&in, &len);
	for (i = 0; i < 8; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fill[i], (struct sockaddr *)&in, len);
	}
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(in.sin_port));
	o.connect_ms = 100;
	ms = time_out(&o, "connect");
	CU_ASSERT(ms >= 99 && ms < 1000);
	for (i = 0; i < 8; i++)
		close(fill[i]);
	close(fd);
}

/*
 * A paused reader is not the provider's fault.
 */
TEST(pause_is_no_timeout)
{
	struct wl_xfer_opts o = options("/bytes/2000000");
	struct wl_xfer *x;

	o.between_ms = 80;
	o.buffer = 32768;
	x = wl_xfer_start(&o, &e);
	CU_ASSERT_FATAL(x != NULL);
	wl_sleep(400);
	CU_ASSERT_EQUAL(wl_xfer_wait(x, 0, -1, 0, wl_mono()),
	    WL_X_DEADLINE);
	CU_ASSERT_EQUAL(drain(x), 2000000);
	CU_ASSERT_EQUAL(wl_xfer_error(x, &e), 0);
	wl_xfer_free(x);
}

/*
 * Check that S continues the sequence at *AT.
 */
static void
check_sequence(struct wl_str s, size_t *at)
{
	uint64_t seq;
	size_t i;
	uint8_t b[8];

	for (i = 0; i < s.len; i++) {
		seq = (*at + i) / 8;
		memcpy(b, &seq, 8);
		if ((uint8_t)s.p[i] != b[(*at + i) % 8]) {
			CU_FAIL("out of sequence");
			break;
		}
	}
	*at += s.len;
}

/*
 * Bytes that arrive while the reader waits elsewhere neither move nor drop
 * what it looks at; it takes odd pieces and stalls.
 */
TEST(sequence)
{
	struct wl_xfer_opts o = options("/bytes/3000000");
	size_t at = 0, before, n, turn = 0;
	struct wl_str s;
	struct wl_xfer *x;
	unsigned seed = 7;
	char copy[64];
	int bits;

	o.buffer = 20000;
	x = wl_xfer_start(&o, &e);
	CU_ASSERT_FATAL(x != NULL);
	for (;;) {
		bits = wl_xfer_wait(x, WL_X_DATA, -1, 0, wl_mono() + 10000);
		if (!(bits & WL_X_DATA))
			break;
		s = wl_xfer_peek(x);
		n = 1 + (size_t)rand_r(&seed) % s.len;
		memcpy(copy, s.p, n < 64 ? n : 64);
		if (++turn % 16 == 0)
			wl_sleep(1 + rand_r(&seed) % 3);
		CU_ASSERT_EQUAL(memcmp(copy, s.p, n < 64 ? n : 64), 0);
		before = at;
		s.len = n;
		check_sequence(s, &at);
		wl_xfer_take(x, at - before);
	}
	CU_ASSERT_EQUAL(at, 3000000);
	CU_ASSERT_EQUAL(wl_xfer_error(x, &e), 0);
	wl_xfer_free(x);
}

/*
 * The guard.
 */

static int
resolve_odd(const char *host, struct wl_addrs *out)
{
	static const struct { const char *host, *a, *b; } rows[] = {
		{ "rebind.test", "169.254.169.254", "10.0.0.1" },
		{ "mapped.test", "::ffff:127.0.0.1", NULL },
		{ "mixed.test", "127.0.0.1", "192.0.2.1" },
	};
	size_t i;

	memset(out, 0, sizeof(*out));
	if (strcmp(host, "slow.test") == 0)
		usleep(300000);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(host, rows[i].host) == 0) {
			const char *text[] = { rows[i].a, rows[i].b };
			int k;

			for (k = 0; k < 2 && text[k] != NULL; k++) {
				union wl_addr *a = &out->addr[out->n++];

				if (inet_pton(AF_INET, text[k],
				    &a->in.sin_addr) == 1)
					a->in.sin_family = AF_INET;
				else if (inet_pton(AF_INET6, text[k],
				    &a->in6.sin6_addr) == 1)
					a->in6.sin6_family = AF_INET6;
			}
			return 0;
		}
	if (strcmp(host, "local.test") == 0 ||
	    strcmp(host, "slow.test") == 0) {
		out->n = 1;
		out->addr[0].in.sin_family = AF_INET;
		out->addr[0].in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return 0;
	}
	return EAI_NONAME;
}

TEST(guard)
{
	static const char *const urls[] = {
		"https://127.0.0.1/", "https://[::1]/", "https://10.1.2.3/",
		"https://[::ffff:10.0.0.1]/", "https://169.254.169.254/latest",
		"https://[fe80::1]/", "https://0.0.0.0/",
		"https://rebind.test/", "https://mapped.test/",
		"https://user@example.com/", "file:///etc/passwd",
		"gopher://127.0.0.1/", "http://example.com/",
		"https://127.0.0.1\\@example.com/", "https://example.com\r\n/",
	};
	static const char *const spelled[] = {
		"https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/",
		"https://127.1/",
	};
	int (*before)(const char *, struct wl_addrs *) = wl_names_resolve;
	struct wl_xfer_opts o = options("/");
	struct wl_xfer *x;
	size_t i;

	wl_names_resolve = resolve_odd;
	o.trust = WL_TRUST_PUBLIC;
	for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		o.url = urls[i];
		x = wl_xfer_start(&o, &e);
		if (x != NULL || e.code != WL_E_UPSTREAM)
			CU_FAIL(urls[i]);
		wl_xfer_free(x);
	}
	/* libc reads these as addresses */
	wl_names_resolve = before;
	for (i = 0; i < sizeof(spelled) / sizeof(spelled[0]); i++) {
		o.url = spelled[i];
		x = wl_xfer_start(&o, &e);
		if (x != NULL || e.code != WL_E_UPSTREAM)
			CU_FAIL(spelled[i]);
		wl_xfer_free(x);
	}
	CU_ASSERT_EQUAL(connections, 0);
}

/*
 * The pools do not mix: a connection that private trust made is not there
 * for public trust.
 */
TEST(pools)
{
	struct wl_xfer_opts o;
	struct wl_xfer *x = start("/hello");

	drain(x);
	wl_xfer_free(x);
	CU_ASSERT_EQUAL(connections, 1);
	o = options("/hello");
	o.trust = WL_TRUST_PUBLIC;
	CU_ASSERT_PTR_NULL(wl_xfer_start(&o, &e));
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/hello", port);
	CU_ASSERT_PTR_NULL(wl_xfer_start(&o, &e));
}

TEST(bad_headers)
{
	static const char *const values[] = { "X-A: 1\r\nX-Evil: 1",
	    "X-A: 1\n", "X-A: \r", "X-A: a\tb", "X-A: \x7f", "X-A: \x01" };
	const char *headers[] = { "X-Good: 1", NULL, NULL };
	struct wl_xfer_opts o = options("/hello");
	size_t i;

	o.headers = headers;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		headers[1] = values[i];
		CU_ASSERT_PTR_NULL(wl_xfer_start(&o, &e));
		CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
	}
	CU_ASSERT_EQUAL(connections, 0);
}

static int	resolved;

static int
resolve_counting(const char *host, struct wl_addrs *out)
{
	__atomic_fetch_add(&resolved, 1, __ATOMIC_SEQ_CST);
	usleep(50000);
	return resolve_odd(host, out);
}

static int	running;

static void
fetch_local(void *arg)
{
	struct wl_arena *a = wl_arena_new(1 << 16);
	struct wl_xfer_opts o = options("/hello");
	struct wl_str body;
	struct wl_err err = { 0 };
	char local[128];

	(void)arg;
	snprintf(local, sizeof(local), "http://local.test:%d/hello", port);
	o.url = local;
	CU_ASSERT_EQUAL(wl_fetch(a, &o, 100, &body, &err), 200);
	wl_arena_free(a);
	running--;
}

TEST(names)
{
	int (*before)(const char *, struct wl_addrs *) = wl_names_resolve;
	struct wl_xfer_opts o = options("/hello");
	char host[64];
	struct wl_addrs addrs;
	int64_t begin;
	int i;

	resolved = 0;
	wl_names_resolve = resolve_counting;
	for (running = 0; running < 30; running++)
		CU_ASSERT_FATAL(wl_co_spawn("fetch", fetch_local, NULL) !=
		    NULL);
	while (running > 0)
		wl_sleep(5);
	CU_ASSERT_EQUAL(resolved, 1);
	/* failures are remembered too */
	for (i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(wl_names_lookup("no.test", wl_mono() + 5000,
		    &addrs, &e), -1);
		CU_ASSERT_EQUAL(e.code, WL_E_UPSTREAM);
	}
	CU_ASSERT_EQUAL(resolved, 2);
	/* the deadline holds although the helper thread goes on */
	begin = wl_mono_fresh();
	o.connect_ms = 100;
	snprintf(url, sizeof(url), "http://slow.test:%d/hello", port);
	CU_ASSERT_PTR_NULL(wl_xfer_start(&o, &e));
	CU_ASSERT_EQUAL(e.code, WL_E_UPSTREAM_TIMEOUT);
	CU_ASSERT(wl_mono_fresh() - begin < 280);
	wl_sleep(400);
	begin = wl_mono_fresh();
	CU_ASSERT_EQUAL(wl_names_lookup("slow.test", wl_mono() + 5000, &addrs,
	    &e), 0);
	CU_ASSERT(wl_mono_fresh() - begin < 100);
	/* the cache is bounded */
	wl_names_resolve = resolve_odd;
	for (i = 0; i < 1500; i++) {
		snprintf(host, sizeof(host), "n%d.test", i);
		CU_ASSERT_EQUAL(wl_names_lookup(host, wl_mono() + 5000,
		    &addrs, &e), -1);
		CU_ASSERT_EQUAL(e.code, WL_E_UPSTREAM);
	}
	CU_ASSERT_EQUAL(wl_names_lookup("2001:db8::1", 0, &addrs, &e), 0);
	CU_ASSERT_EQUAL(addrs.addr[0].sa.sa_family, AF_INET6);
	wl_names_resolve = before;
}

/*
 * Cancelling at every point.
 */

struct victim {
	const char	*path, *host;
	size_t		 buffer;
	bool		 read;
	bool		 ended, cancelled;
};

static void
victim(void *arg)
{
	struct victim *v = arg;
	struct wl_xfer_opts o = options(v->path);
	struct wl_err err = { 0 };
	char own[128];
	struct wl_xfer *x;
	struct wl_str s;
	int bits = 0;

	snprintf(own, sizeof(own), "http://%s:%d%s", v->host, port, v->path);
	o.url = own;
	o.buffer = v->buffer;
	x = wl_xfer_start(&o, &err);
	while (x != NULL && !(bits & WL_X_DONE)) {
		bits = wl_xfer_wait(x, WL_X_DATA | WL_X_HEADERS, -1, 0,
		    wl_mono() + 10000);
		if (bits == -1) {
			v->cancelled = errno == ECANCELED;
			break;
		}
		s = wl_xfer_peek(x);
		if (v->read)
			wl_xfer_take(x, s.len);
		if (wl_sleep(1) == -1)
			v->cancelled = true;
	}
	if (x == NULL)
		v->cancelled = err.code == WL_E_CLIENT_CLOSED;
	wl_xfer_free(x);
	v->ended = true;
}

TEST(cancelling)
{
	static const struct { const char *path, *host; size_t buffer; bool r; }
	    rows[] = {
		{ "/hello", "slow.test", 0, true },
		{ "/silent", "127.0.0.1", 0, true },
		{ "/stall", "127.0.0.1", 0, true },
		{ "/drip", "127.0.0.1", 0, true },
		{ "/bytes/9000000", "127.0.0.1", 16384, false },
		{ "/bytes/9000000", "127.0.0.1", 16384, true },
		{ "/chunks/100000", "127.0.0.1", 4096, true },
	};
	int (*before)(const char *, struct wl_addrs *) = wl_names_resolve;
	static const int delays[] = { 0, 1, 3, 10, 40 };
	struct victim v;
	struct wl_co *co;
	size_t i, k;

	wl_names_resolve = resolve_odd;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (k = 0; k < sizeof(delays) / sizeof(delays[0]); k++) {
			v = (struct victim){ .path = rows[i].path,
			    .host = rows[i].host, .buffer = rows[i].buffer,
			    .read = rows[i].r };
			co = wl_co_spawn("victim", victim, &v);
			CU_ASSERT_FATAL(co != NULL);
			if (delays[k] > 0)
				wl_sleep(delays[k]);
			if (!v.ended)
				wl_co_cancel(co);
			while (!v.ended)
				wl_sleep(1);
		}
	CU_ASSERT(v.cancelled);
	wl_sleep(50);
	CU_ASSERT_EQUAL(connections, 0);
	wl_names_resolve = before;
}

/*
 * Closing with transfers in all states: owners learn it and free.
 */
TEST(closing)
{
	static const char *const paths[] = { "/silent", "/stall", "/drip",
	    "/bytes/9000000", "/hello", "/chunks/100000" };
	struct wl_xfer *x[12], *none;
	struct wl_xfer_opts o;
	size_t i;

	for (i = 0; i < 12; i++) {
		o = options(paths[i % 6]);
		o.buffer = 4096;
		x[i] = wl_xfer_start(&o, &e);
		CU_ASSERT_FATAL(x[i] != NULL);
		if (i == 6)
			wl_sleep(50);
	}
	/* some of them wait to be unpaused */
	for (i = 0; i < 12; i++)
		wl_xfer_take(x[i], wl_xfer_peek(x[i]).len);
	wl_client_close();
	for (i = 0; i < 12; i++) {
		CU_ASSERT(wl_xfer_wait(x[i], 0, -1, 0, wl_mono() + 1000) &
		    WL_X_DONE);
		if (wl_xfer_error(x[i], &e) == -1)
			CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
		wl_xfer_take(x[i], 1);
		wl_xfer_free(x[i]);
	}
	o = options("/hello");
	none = wl_xfer_start(&o, &e);
	CU_ASSERT_PTR_NULL(none);
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	/* and again */
	CU_ASSERT_EQUAL(wl_client_open(&conf, &e), 0);
	x[0] = start("/hello");
	CU_ASSERT_EQUAL(drain(x[0]), 5);
	wl_xfer_free(x[0]);
}

/*
 * A descriptor beside the transfer: a client that leaves.
 */
TEST(peer)
{
	struct wl_xfer *x = start("/silent");
	int pair[2];

	CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    pair) == 0);
	CU_ASSERT_EQUAL(wl_xfer_wait(x, WL_X_HEADERS, pair[0], EPOLLRDHUP,
	    wl_mono() + 30), WL_X_DEADLINE);
	close(pair[1]);
	CU_ASSERT_EQUAL(wl_xfer_wait(x, WL_X_HEADERS, pair[0], EPOLLRDHUP,
	    wl_mono() + 5000), WL_X_PEER);
	wl_xfer_free(x);
	net_close(pair[0]);
	wl_sleep(20);
	CU_ASSERT_EQUAL(connections, 0);
}

/*
 * Twenty readers that stall and resume: what they have missed does not come
 * all in one turn of the loop.  The server is another process, so that this
 * loop's turns are the client's alone.
 */

#define READERS		20
#define STREAM		((size_t)1 << 20)

static bool		 go;
static int		 reading;
static size_t		 turn_most, turn_bytes;
static uint64_t		 turn_number;
static int		 slow_turns;

static void
note_slow(int64_t us, const char *what)
{
	(void)us;
	(void)what;
	slow_turns++;
}

static void
count_bytes(size_t n)
{
	struct wl_loop_stat st;

	wl_loop_stats(&st);
	if (st.turns != turn_number) {
		turn_number = st.turns;
		turn_bytes = 0;
	}
	turn_bytes += n;
	if (turn_bytes > turn_most)
		turn_most = turn_bytes;
}

static void
stalled_reader(void *arg)
{
	struct wl_err err = { 0 };
	struct wl_xfer_opts o = options("/");
	char own[128];
	size_t at = 0;
	struct wl_str s;
	struct wl_xfer *x;
	bool first = true;
	int bits;

	snprintf(own, sizeof(own), "http://127.0.0.1:%d/bytes/%zu",
	    *(int *)arg, STREAM);
	o.url = own;
	o.buffer = 65536;
	if ((x = wl_xfer_start(&o, &err)) == NULL) {
		CU_FAIL("no transfer");
		reading--;
		return;
	}
	while (!go)
		wl_sleep(5);
	for (;;) {
		bits = wl_xfer_wait(x, WL_X_DATA, -1, 0, wl_mono() + 10000);
		if (!(bits & WL_X_DATA))
			break;
		s = wl_xfer_peek(x);
		/* what lay in our own buffer costs no turn */
		if (!first)
			count_bytes(s.len);
		first = false;
		check_sequence(s, &at);
		wl_xfer_take(x, s.len);
	}
	CU_ASSERT_EQUAL(at, STREAM);
	CU_ASSERT_EQUAL(wl_xfer_error(x, &err), 0);
	wl_xfer_free(x);
	reading--;
}

/*
 * The same server, alone in a process.
 */
static int
serve_alone(void *arg)
{
	server(arg);
	return 0;
}

TEST(resumed_readers)
{
	int other, fd = net_listen(&other), i;
	struct wl_loop_stat st;
	pid_t pid = fork();

	CU_ASSERT_FATAL(pid != -1);
	if (pid == 0) {
		/* the child's loop is a copy of ours: start a program's own */
		char number[16];

		snprintf(number, sizeof(number), "%d", fd);
		fcntl(fd, F_SETFD, 0);
		execl("/proc/self/exe", "test_client", number, (char *)NULL);
		_exit(127);
	}
	close(fd);
	go = false;
	turn_most = 0;
	slow_turns = 0;
	for (i = reading = 0; i < READERS; i++, reading++)
		CU_ASSERT_FATAL(wl_co_spawn("reader", stalled_reader,
		    &other) != NULL);
	wl_sleep(300);
	wl_loop_on_slow(note_slow);
	go = true;
	while (reading > 0)
		wl_sleep(5);
	wl_loop_on_slow(NULL);
	wl_loop_stats(&st);
	printf("# resumed: at most %zu bytes a turn, %d turns over 5 ms, "
	    "longest %llu us\n", turn_most, slow_turns,
	    (unsigned long long)st.longest_us);
	/* the budget, and one piece that was let through before it was up */
	CU_ASSERT(turn_most <= 48 * 1024);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}

static char	moved_to[INET_ADDRSTRLEN];

static int
resolve_moved(const char *host, struct wl_addrs *out)
{
	(void)host;
	out->n = 1;
	out->addr[0].in = (struct sockaddr_in){ .sin_family = AF_INET };
	inet_pton(AF_INET, moved_to, &out->addr[0].in.sin_addr);
	return 0;
}

/*
 * libcurl is told an address once, but always a new one.
 */
TEST(name_moves)
{
	static const char *const addrs[] = {
		"127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2",
		"127.0.0.1"
	};
	int (*before)(const char *, struct wl_addrs *) = wl_names_resolve;
	struct wl_arena *a = wl_arena_new(1 << 16);
	struct wl_xfer_opts o = options("/close");
	struct wl_str body;
	size_t i;

	wl_names_resolve = resolve_moved;
	snprintf(url, sizeof(url), "http://moves.test:%d/close", port);
	for (i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
		snprintf(moved_to, sizeof(moved_to), "%s", addrs[i]);
		wl_names_close();
		/* nobody listens on the other one */
		CU_ASSERT_EQUAL(wl_fetch(a, &o, 100, &body, &e),
		    strcmp(moved_to, "127.0.0.1") == 0 ? 200 : -1);
	}
	wl_names_resolve = before;
	wl_arena_free(a);
}

/*
 * A kept connection that breaks while nobody uses it stays quiet.
 */
TEST(broken_while_idle)
{
	struct wl_loop_stat first, later;
	struct wl_xfer *x[8];
	size_t i;

	for (i = 0; i < 8; i++)
		x[i] = start("/hello");
	for (i = 0; i < 8; i++) {
		CU_ASSERT_EQUAL(drain(x[i]), 5);
		wl_xfer_free(x[i]);
	}
	CU_ASSERT_EQUAL(connections, 8);
	hang_up = true;
	wl_sleep(50);
	CU_ASSERT_EQUAL(connections, 0);
	wl_loop_stats(&first);
	wl_sleep(100);
	wl_loop_stats(&later);
	CU_ASSERT(later.turns - first.turns < 20);
	hang_up = false;
	x[0] = start("/hello");
	CU_ASSERT_EQUAL(drain(x[0]), 5);
	CU_ASSERT_EQUAL(wl_xfer_error(x[0], &e), 0);
	wl_xfer_free(x[0]);
}

int
main(int argc, char **argv)
{
	static const struct wl_test tests[] = {
		{ "a plain transfer", plain },
		{ "connections are reused", reuse },
		{ "methods, headers, bodies", methods },
		{ "a large upload", large_upload },
		{ "interim answers, redirects, chunks, end by close", answers },
		{ "broken answers", faults },
		{ "connection refused", refused },
		{ "first byte, between, total", timeouts },
		{ "connect", connect_timeout },
		{ "a paused reader is no timeout", pause_is_no_timeout },
		{ "nothing is lost or moved", sequence },
		{ "the guard", guard },
		{ "trust is not shared", pools },
		{ "header values with controls", bad_headers },
		{ "names", names },
		{ "cancelling at any point", cancelling },
		{ "closing with transfers", closing },
		{ "a peer that leaves", peer },
		{ "resumed readers", resumed_readers },
		{ "a name that moves", name_moves },
		{ "a connection that breaks while idle", broken_while_idle },
		{ NULL, NULL }
	};

	alarm(60);
	if (argc == 2)
		return wl_run(serve_alone,
		    (void *)(intptr_t)strtol(argv[1], NULL, 10));
	return wl_tap_run("client", tests);
}
