/*
 * One FastCGI connection: libfcgi on our operating-system layer, with the
 * test as the web server at the other end.  On a SOCK_SEQPACKET pair one
 * recv() gives exactly what one write sent, so writes can be counted.
 */
#include "config.h"
#include "fcgi/io_fcgx.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fcgios.h>

#include "lib/base/co.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "lib/http/io.h"
#include "tests/unit/fc.h"
#include "tests/unit/net.h"
#include "tests/unit/tap.h"

static int		 web;		/* the web server's end */
static int		 served;
static bool		 app_ended;
static void		(*handler)(struct wl_io *);
static int		 last_errno;

/*
 * The application: every request of the connection goes to HANDLER.
 */
static void
app(void *arg)
{
	struct wl_io_fcgx *c = wl_io_fcgx_open((int)(intptr_t)arg);
	struct wl_io *io;

	CU_ASSERT_FATAL(c != NULL);
	while (wl_io_fcgx_idle(c, wl_mono() + 10000) == 1 &&
	    (io = wl_io_fcgx_accept(c)) != NULL) {
		handler(io);
		served++;
		if (!wl_io_fcgx_end(c))
			break;
	}
	wl_io_fcgx_close(c);
	app_ended = true;
}

static struct wl_co *
begin(int type, void (*fn)(struct wl_io *))
{
	struct wl_co *co;
	int pair[2];

	CU_ASSERT_FATAL(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0,
	    pair) == 0);
	web = pair[1];
	served = 0;
	app_ended = false;
	handler = fn;
	co = wl_co_spawn("app", app, (void *)(intptr_t)pair[0]);
	CU_ASSERT_FATAL(co != NULL);
	return co;
}

static void
end(void)
{
	int i;

	if (web != -1)
		net_close(web);
	for (i = 0; i < 500 && !app_ended; i++)
		wl_sleep(10);
	CU_ASSERT(app_ended);
}

static void
send_request(bool keep, const char *uri, const void *body, size_t len)
{
	struct wl_buf b = { 0 };

	fc_request(&b, keep, "POST", uri, body, len);
	CU_ASSERT_EQUAL(net_write(web, b.p, b.len, 5000), 0);
	wl_buf_free(&b);
}

/*
 * The writes that a reply took.
 */
static int
count_writes(struct fc_reply *r)
{
	char *buf = malloc(300000);
	int writes = 0;
	ssize_t n;

	CU_ASSERT_FATAL(buf != NULL);
	while (!r->ended && (n = net_read(web, buf, 300000, 5000)) > 0) {
		writes++;
		fc_feed(r, buf, (size_t)n);
	}
	CU_ASSERT(r->ended && !r->broken);
	free(buf);
	return writes;
}

static void
put(struct wl_io *io, const char *s)
{
	CU_ASSERT_EQUAL(io->ops->write(io, s, strlen(s)), 0);
}

static void
small_reply(struct wl_io *io)
{
	put(io, "Status: 200 OK\r\n\r\n");
	put(io, "hello");
	CU_ASSERT_EQUAL(io->ops->finish(io), 0);
	CU_ASSERT_EQUAL(io->ops->finish(io), 0);
	CU_ASSERT_EQUAL(io->ops->write(io, "x", 1), -1);
	CU_ASSERT_EQUAL(io->ops->flush(io), -1);
	CU_ASSERT_PTR_NULL(io->ops->param(io, "REQUEST_URI"));
}

static void
one_write_on_loop(void)
{
	struct fc_reply r = { 0 };
	int i;

	begin(SOCK_SEQPACKET, small_reply);
	for (i = 0; i < 5; i++) {
		send_request(true, "/v1/x", "body", i % 2 == 0 ? 0 : 4);
		CU_ASSERT_EQUAL(count_writes(&r), 1);
		CU_ASSERT_STRING_EQUAL(fc_body(&r), "hello");
		CU_ASSERT_EQUAL(r.app_status, 0);
		CU_ASSERT_EQUAL(r.protocol_status, 0);
		fc_reset(&r);
	}
	end();
	CU_ASSERT_EQUAL(served, 5);
	fc_free(&r);
}

static size_t	reply_size;

static void
sized_reply(struct wl_io *io)
{
	char *p = malloc(reply_size + 1);

	CU_ASSERT_FATAL(p != NULL);
	memset(p, 'z', reply_size);
	put(io, "Status: 200 OK\r\n\r\n");
	CU_ASSERT_EQUAL(io->ops->write(io, p, reply_size), 0);
	CU_ASSERT_EQUAL(io->ops->finish(io), 0);
	free(p);
}

static void
corked_on_loop(void)
{
	static const struct { size_t size; int writes; } rows[] = {
		{ 0, 1 }, { 700, 1 }, { 7900, 1 }, { 20000, 1 }, { 60000, 1 },
		{ 100000, 2 }, { 200000, 4 },
	};
	struct fc_reply r = { 0 };
	size_t i;

	begin(SOCK_SEQPACKET, sized_reply);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		reply_size = rows[i].size;
		send_request(true, "/v1/x", NULL, 0);
		CU_ASSERT(count_writes(&r) <= rows[i].writes);
		CU_ASSERT_EQUAL(strlen(fc_body(&r)), rows[i].size);
		fc_reset(&r);
	}
	end();
	fc_free(&r);
}

static void
stream_reply(struct wl_io *io)
{
	char event[32];
	int i;

	put(io, "Status: 200 OK\r\n\r\n: ok\n\n");
	CU_ASSERT_EQUAL(io->ops->flush(io), 0);
	for (i = 0; i < 10; i++) {
		snprintf(event, sizeof(event), "data: %d\n\n", i);
		put(io, event);
		CU_ASSERT_EQUAL(io->ops->flush(io), 0);
		CU_ASSERT_EQUAL(io->ops->flush(io), 0);
	}
	CU_ASSERT_EQUAL(io->ops->finish(io), 0);
}

static void
stream_on_loop(void)
{
	struct fc_reply r = { 0 };

	begin(SOCK_SEQPACKET, stream_reply);
	send_request(true, "/v1/x", NULL, 0);
	/* headers, ten events, the end */
	CU_ASSERT_EQUAL(count_writes(&r), 12);
	CU_ASSERT_STRING_EQUAL(fc_body(&r), ": ok\n\ndata: 0\n\ndata: 1\n\n"
	    "data: 2\n\ndata: 3\n\ndata: 4\n\ndata: 5\n\ndata: 6\n\n"
	    "data: 7\n\ndata: 8\n\ndata: 9\n\n");
	end();
	fc_free(&r);
}

/*
 * Send back the variables and the body.
 */
static void
add_param(const char *name, const char *value, void *arg)
{
	struct wl_io *io = arg;

	put(io, name);
	put(io, "=");
	put(io, value);
	put(io, "\n");
}

static void
echo(struct wl_io *io)
{
	char buf[1000];
	ssize_t n;

	put(io, "Status: 200 OK\r\n\r\n");
	CU_ASSERT_PTR_NOT_NULL(io->ops->param(io, "REQUEST_URI"));
	CU_ASSERT_PTR_NULL(io->ops->param(io, "REQUEST"));
	if (strcmp(io->ops->param(io, "REQUEST_URI"), "/params") == 0)
		io->ops->each(io, add_param, io);
	while ((n = io->ops->read(io, buf, sizeof(buf))) > 0)
		CU_ASSERT_EQUAL(io->ops->write(io, buf, (size_t)n), 0);
	last_errno = n == 0 ? 0 : errno;
	if (n == 0)
		CU_ASSERT_EQUAL(io->ops->read(io, buf, sizeof(buf)), 0);
	CU_ASSERT_EQUAL(io->ops->finish(io), 0);
}

static void
params_on_loop(void)
{
	static const char *const params[] = { "REQUEST_URI", "/params",
	    "HTTP_X", "first", "HTTP_X", "second", "EMPTY", "", "EQ", "a=b",
	    NULL };
	struct fc_reply r = { 0 };
	struct wl_buf b = { 0 };

	begin(SOCK_STREAM, echo);
	fc_begin(&b, 300, true);
	fc_params(&b, 300, params);
	fc_stdin(&b, 300, NULL, 0);
	net_write(web, b.p, b.len, 5000);
	CU_ASSERT_EQUAL(fc_read(web, &r, 5000), 0);
	CU_ASSERT_STRING_EQUAL(fc_body(&r), "FCGI_ROLE=RESPONDER\n"
	    "REQUEST_URI=/params\nHTTP_X=first\nHTTP_X=second\nEMPTY=\n"
	    "EQ=a=b\n");
	end();
	fc_free(&r);
	wl_buf_free(&b);
}

static void
bodies_on_loop(void)
{
	static const size_t sizes[] = { 0, 1, 8000, 65535, 65536, 150000 };
	struct fc_reply r = { 0 };
	char *body = malloc(150000);
	size_t i;

	CU_ASSERT_FATAL(body != NULL);
	for (i = 0; i < 150000; i++)
		body[i] = (char)('a' + i % 23);
	begin(SOCK_STREAM, echo);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		send_request(true, "/v1/x", body, sizes[i]);
		CU_ASSERT_EQUAL(fc_read(web, &r, 5000), 0);
		CU_ASSERT_EQUAL(r.out.len, 18 + sizes[i]);
		CU_ASSERT_EQUAL(memcmp(fc_body(&r), body, sizes[i]), 0);
		fc_reset(&r);
	}
	end();
	CU_ASSERT_EQUAL(served, 6);
	fc_free(&r);
	free(body);
}

/*
 * Two bytes at a time, records cut anywhere.
 */
static void
slow_sender_on_loop(void)
{
	struct fc_reply r = { 0 };
	struct wl_buf b = { 0 };
	size_t i;

	begin(SOCK_STREAM, echo);
	fc_request(&b, true, "POST", "/v1/x", "slow but sure", 13);
	for (i = 0; i < b.len; i += 2) {
		net_write(web, b.p + i, b.len - i < 2 ? 1 : 2, 5000);
		wl_co_yield();
	}
	CU_ASSERT_EQUAL(fc_read(web, &r, 5000), 0);
	CU_ASSERT_STRING_EQUAL(fc_body(&r), "slow but sure");
	end();
	fc_free(&r);
	wl_buf_free(&b);
}

/*
 * Requests that come before the reply to the first: libfcgi alone would lose
 * them with its buffer.
 */
static void
pipelined_on_loop(void)
{
	struct fc_reply r = { 0 };
	struct wl_buf b = { 0 };
	char body[32];
	int i;

	begin(SOCK_STREAM, echo);
	for (i = 0; i < 50; i++) {
		snprintf(body, sizeof(body), "request %d", i);
		fc_request(&b, true, "POST", "/v1/x", body, strlen(body));
	}
	net_write(web, b.p, b.len, 5000);
	for (i = 0; i < 50; i++) {
		snprintf(body, sizeof(body), "request %d", i);
		CU_ASSERT_EQUAL(fc_read(web, &r, 5000), 0);
		CU_ASSERT_STRING_EQUAL(fc_body(&r), body);
		fc_reset(&r);
	}
	end();
	CU_ASSERT_EQUAL(served, 50);
	fc_free(&r);
	wl_buf_free(&b);
}

static void
not_kept_on_loop(void)
{
	struct fc_reply r = { 0 };
	int64_t begun = wl_mono_fresh();
	char c;

	begin(SOCK_STREAM, small_reply);
	send_request(false, "/v1/x", NULL, 0);
	CU_ASSERT_EQUAL(fc_read(web, &r, 5000), 0);
	CU_ASSERT_EQUAL(net_read(web, &c, 1, 5000), 0);
	CU_ASSERT(wl_mono_fresh() - begun < 1000);
	end();
	fc_free(&r);
}

/*
 * A body that nobody reads: when it has arrived the connection is kept, when
 * it has not, the reply still gets through and the connection ends.
 */
static void
unread_body_on_loop(void)
{
	struct fc_reply r = { 0 };
	struct wl_buf b = { 0 };
	char *body = calloc(1, 3000000), c;

	CU_ASSERT_FATAL(body != NULL);
	begin(SOCK_STREAM, small_reply);
	send_request(true, "/v1/x", body, 30000);
	CU_ASSERT_EQUAL(fc_read(web, &r, 5000), 0);
	fc_reset(&r);
	send_request(true, "/v1/x", body, 0);
	CU_ASSERT_EQUAL(fc_read(web, &r, 5000), 0);
	fc_reset(&r);
	/* a server that sends all before it reads */
	send_request(true, "/v1/x", body, 3000000);
	CU_ASSERT_EQUAL(fc_read(web, &r, 5000), 0);
	CU_ASSERT_STRING_EQUAL(fc_body(&r), "hello");
	CU_ASSERT_EQUAL(net_read(web, &c, 1, 5000), 0);
	end();
	CU_ASSERT_EQUAL(served, 3);
	fc_reset(&r);
	/* one that stops in the middle */
	begin(SOCK_STREAM, small_reply);
	fc_request(&b, true, "POST", "/v1/x", body, 1000);
	net_write(web, b.p, b.len - 500, 5000);
	CU_ASSERT_EQUAL(fc_read(web, &r, 5000), 0);
	CU_ASSERT_STRING_EQUAL(fc_body(&r), "hello");
	CU_ASSERT_EQUAL(net_read(web, &c, 1, 5000), 0);
	end();
	fc_free(&r);
	wl_buf_free(&b);
	free(body);
}

static void
impatient(struct wl_io *io)
{
	io->ops->timeout(io, 60);
	echo(io);
}

static void
silent_client_on_loop(void)
{
	struct fc_reply r = { 0 };
	struct wl_buf b = { 0 };
	int64_t begun = wl_mono_fresh();

	begin(SOCK_STREAM, impatient);
	fc_request(&b, true, "POST", "/v1/x", "0123456789", 10);
	net_write(web, b.p, b.len - 20, 5000);
	/* the reply may still go: reading failed, not writing */
	for (; served == 0 && wl_mono_fresh() - begun < 5000;)
		wl_sleep(5);
	CU_ASSERT_EQUAL(last_errno, ETIMEDOUT);
	CU_ASSERT(wl_mono_fresh() - begun >= 59);
	end();
	fc_free(&r);
	wl_buf_free(&b);
}

/*
 * A reader that takes nothing: the write gives up, and what follows fails at
 * once.
 */
static void
flood(struct wl_io *io)
{
	static char block[65536];
	int64_t begun;
	int i, rc = 0;

	memset(block, 'f', sizeof(block));
	io->ops->timeout(io, 100);
	for (i = 0; i < 100 && rc == 0; i++)
		rc = io->ops->write(io, block, sizeof(block));
	CU_ASSERT_EQUAL(rc, -1);
	CU_ASSERT_EQUAL(errno, ETIMEDOUT);
	begun = wl_mono_fresh();
	CU_ASSERT_EQUAL(io->ops->write(io, block, sizeof(block)), -1);
	CU_ASSERT_EQUAL(io->ops->flush(io), -1);
	CU_ASSERT_EQUAL(io->ops->finish(io), -1);
	CU_ASSERT(wl_mono_fresh() - begun < 50);
}

static void
stalled_reader_on_loop(void)
{
	begin(SOCK_STREAM, flood);
	send_request(true, "/v1/x", NULL, 0);
	while (served == 0)
		wl_sleep(10);
	end();
}

/*
 * A reader that is slow but takes something in time gets everything.
 */
static void
large_slowly(struct wl_io *io)
{
	io->ops->timeout(io, 300);
	reply_size = 600000;
	sized_reply(io);
}

static void
slow_reader_on_loop(void)
{
	struct fc_reply r = { 0 };
	char buf[20000];
	ssize_t n;

	begin(SOCK_STREAM, large_slowly);
	send_request(true, "/v1/x", NULL, 0);
	while (!r.ended && (n = net_read(web, buf, sizeof(buf), 5000)) > 0) {
		fc_feed(&r, buf, (size_t)n);
		wl_sleep(20);
	}
	CU_ASSERT_EQUAL(strlen(fc_body(&r)), 600000);
	end();
	fc_free(&r);
}

static uint32_t	seen;

static void
watch_peer(struct wl_io *io)
{
	char buf[16];
	int got;

	while (io->ops->read(io, buf, sizeof(buf)) > 0)
		;
	got = wl_wait(io->fd, EPOLLRDHUP, wl_mono() + 50);
	CU_ASSERT_EQUAL(got, 0);
	got = wl_wait(io->fd, EPOLLRDHUP, wl_mono() + 5000);
	CU_ASSERT(got > 0);
	seen = (uint32_t)got;
	CU_ASSERT_EQUAL(io->ops->write(io, "x", 1), 0);
	CU_ASSERT_EQUAL(io->ops->flush(io), -1);
	CU_ASSERT_EQUAL(errno, EPIPE);
}

static void
vanishing_client_on_loop(void)
{
	begin(SOCK_STREAM, watch_peer);
	send_request(true, "/v1/x", "body", 4);
	wl_sleep(100);
	net_close(web);
	web = -1;
	end();
	CU_ASSERT_EQUAL(served, 1);
	CU_ASSERT(seen & EPOLLRDHUP);
}

static void
forgetful(struct wl_io *io)
{
	put(io, "Status: 200 OK\r\n\r\nhalf");
}

static void
unfinished_on_loop(void)
{
	struct fc_reply r = { 0 };
	int i;

	begin(SOCK_STREAM, forgetful);
	for (i = 0; i < 3; i++) {
		send_request(true, "/v1/x", NULL, 0);
		CU_ASSERT_EQUAL(fc_read(web, &r, 5000), 0);
		CU_ASSERT_STRING_EQUAL(fc_body(&r), "half");
		fc_reset(&r);
	}
	end();
	CU_ASSERT_EQUAL(served, 3);
	fc_free(&r);
}

/*
 * What ends a connection before a request was there.
 */
static void
bad_beginnings_on_loop(void)
{
	static const char authorizer[] = { 0, 2, 1, 0, 0, 0, 0, 0 };
	const char *params[] = { "HTTP_X", NULL, NULL };
	struct wl_buf b = { 0 };
	char *big = malloc(300001), c;
	int i;

	CU_ASSERT_FATAL(big != NULL);
	memset(big, 'x', 300000);
	big[300000] = '\0';
	params[1] = big;
	for (i = 0; i < 4; i++) {
		wl_buf_reset(&b);
		if (i == 0) {
			wl_buf_adds(&b, "GET / HTTP/1.0\r\n\r\n");
		} else if (i == 1) {
			fc_begin(&b, 1, true);
			fc_params(&b, 1, params);
		} else if (i == 2) {
			fc_record(&b, 1, 1, authorizer, 8, 0);
			params[1] = "";
			fc_params(&b, 1, params);
		} else {
			fc_begin(&b, 1, true);
		}
		begin(SOCK_STREAM, small_reply);
		net_write(web, b.p, b.len, 1000);
		if (i == 3)
			shutdown(web, SHUT_WR);
		CU_ASSERT(net_read(web, &c, 1, 5000) <= 0);
		end();
		CU_ASSERT_EQUAL(served, 0);
	}
	wl_buf_free(&b);
	free(big);
}

static void
cancelled_on_loop(void)
{
	struct wl_buf b = { 0 };
	struct wl_co *co;

	co = begin(SOCK_STREAM, echo);
	wl_sleep(10);
	wl_co_cancel(co);		/* idle */
	end();
	fc_request(&b, true, "POST", "/v1/x", "0123456789", 10);
	co = begin(SOCK_STREAM, echo);
	net_write(web, b.p, b.len - 20, 5000);
	wl_sleep(10);
	wl_co_cancel(co);		/* in the middle of a body */
	wl_sleep(10);
	end();
	CU_ASSERT_EQUAL(last_errno, ECANCELED);
	co = begin(SOCK_STREAM, echo);
	net_write(web, b.p, 30, 5000);
	wl_sleep(10);
	wl_co_cancel(co);		/* in the middle of the variables */
	end();
	wl_buf_free(&b);
}

static void
os_layer_on_loop(void)
{
	char c = 'x';

	CU_ASSERT_EQUAL(OS_IpcClose(-1, 1), 0);
	CU_ASSERT_EQUAL(OS_IpcClose(12345, 1), 0);
	CU_ASSERT_EQUAL(OS_Read(-1, &c, 1), -1);
	CU_ASSERT_EQUAL(errno, EBADF);
	CU_ASSERT_EQUAL(OS_Write(12345, &c, 1), -1);
	CU_ASSERT_EQUAL(errno, EBADF);
	CU_ASSERT_EQUAL(OS_Accept(0, 0, NULL), -1);
	CU_ASSERT_EQUAL(errno, ECONNABORTED);
	CU_ASSERT_EQUAL(OS_CreateLocalIpcFd("/nowhere", 1), -1);
	CU_ASSERT_EQUAL(OS_IsFcgi(0), 1);
	CU_ASSERT_EQUAL(OS_LibInit(NULL), 0);
	OS_ShutdownPending();
}

static void	(*test_fn)(void);

static int
on_loop(void *arg)
{
	(void)arg;
	test_fn();
	return 0;
}

#define TEST(name)							\
	static void name(void)						\
	{								\
		test_fn = name##_on_loop;				\
		CU_ASSERT_EQUAL(wl_run(on_loop, NULL), 0);		\
	}

TEST(one_write)
TEST(corked)
TEST(stream)
TEST(params)
TEST(bodies)
TEST(slow_sender)
TEST(pipelined)
TEST(not_kept)
TEST(unread_body)
TEST(silent_client)
TEST(stalled_reader)
TEST(slow_reader)
TEST(vanishing_client)
TEST(unfinished)
TEST(bad_beginnings)
TEST(cancelled)
TEST(os_layer)

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "a small reply is one write, connections are kept", one_write },
		{ "large replies are corked", corked },
		{ "every event of a stream is one write", stream },
		{ "variables, the first of two wins", params },
		{ "bodies", bodies },
		{ "a slow sender", slow_sender },
		{ "pipelined requests", pipelined },
		{ "a connection that is not kept ends at once", not_kept },
		{ "a body that nobody reads", unread_body },
		{ "a client that falls silent", silent_client },
		{ "a reader that takes nothing", stalled_reader },
		{ "a slow reader gets everything", slow_reader },
		{ "a client that vanishes", vanishing_client },
		{ "a reply that nobody finished", unfinished },
		{ "bad beginnings", bad_beginnings },
		{ "cancelling", cancelled },
		{ "the whole layer is ours", os_layer },
		{ NULL, NULL }
	};

	alarm(60);
	return wl_tap_run("io_fcgx", tests);
}
