/*
 * Replies: heads, bodies, streams, what is refused.
 */
#include "config.h"
#include "lib/http/resp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/log.h"
#include "tests/unit/io_mem.h"
#include "tests/unit/tap.h"

static struct io_mem	 m;
static struct wl_arena	*arena;
static struct wl_resp	 r;

static void
begin(void)
{
	arena = wl_arena_new(1 << 20);
	CU_ASSERT_FATAL(arena != NULL);
	io_mem_init(&m, NULL, NULL, 0);
	wl_resp_init(&r, &m.io, arena);
}

static void
end(void)
{
	io_mem_free(&m);
	wl_arena_free(arena);
}

static void
whole(void)
{
	begin();
	wl_resp_set(&r, "X-A", "1");
	wl_resp_set_int(&r, "X-B", 2);
	CU_ASSERT_EQUAL(wl_resp_send(&r, 404, "application/json", "{}", 2), 0);
	CU_ASSERT_EQUAL(m.writes, 1);
	CU_ASSERT_EQUAL(m.out.len, 0);
	CU_ASSERT_EQUAL(m.io.ops->finish(&m.io), 0);
	CU_ASSERT_STRING_EQUAL(m.out.p, "Status: 404 Not Found\r\nX-A: 1\r\n"
	    "X-B: 2\r\nContent-Type: application/json\r\n"
	    "Content-Length: 2\r\n\r\n{}");
	CU_ASSERT_EQUAL(r.status, 404);
	CU_ASSERT(r.head_sent);
	CU_ASSERT_EQUAL(r.bytes, 2);
	CU_ASSERT_EQUAL(wl_resp_send(&r, 200, NULL, "", 0), -1);
	CU_ASSERT_EQUAL(r.status, 404);
	end();
}

static void
large(void)
{
	size_t len = 200000;
	char *body = malloc(len);

	CU_ASSERT_FATAL(body != NULL);
	memset(body, 'x', len);
	begin();
	CU_ASSERT_EQUAL(wl_resp_send(&r, 200, "text/plain", body, len), 0);
	m.io.ops->finish(&m.io);
	CU_ASSERT_EQUAL(io_mem_body(&m).len, len);
	CU_ASSERT_EQUAL(memcmp(io_mem_body(&m).p, body, len), 0);
	CU_ASSERT_STRING_EQUAL(io_mem_header(&m, "content-length"), "200000");
	end();
	free(body);
}

static void
without_body(void)
{
	begin();
	CU_ASSERT_EQUAL(wl_resp_send(&r, 204, "text/plain", "abc", 3), 0);
	m.io.ops->finish(&m.io);
	CU_ASSERT_STRING_EQUAL(m.out.p, "Status: 204 No Content\r\n\r\n");
	end();
	begin();
	r.no_body = true;
	CU_ASSERT_EQUAL(wl_resp_send(&r, 200, "text/plain", "abc", 3), 0);
	m.io.ops->finish(&m.io);
	CU_ASSERT_STRING_EQUAL(io_mem_header(&m, "Content-Length"), "3");
	CU_ASSERT_EQUAL(io_mem_body(&m).len, 0);
	end();
}

static void
headers(void)
{
	static char names[WL_RESP_HEADERS + 5][16];
	int i;

	begin();
	wl_log_open("/dev/null", WL_ERROR, "test");
	wl_resp_set(&r, "X-A", "1");
	wl_resp_set(&r, "x-a", "2");
	wl_resp_set(&r, "X-Gone", "1");
	wl_resp_set(&r, "X-Gone", NULL);
	wl_resp_set(&r, "X-Never", NULL);
	wl_resp_set(&r, "X-Crlf", "a\r\nX-Evil: 1");
	wl_resp_set(&r, "X-Lf", "a\nb");
	wl_resp_set(&r, "X-Tab", "a\tb");
	wl_resp_set(&r, "X-Del", "a\x7f");
	wl_resp_set(&r, "X Bad", "1");
	wl_resp_set(&r, "X-Bad:", "1");
	wl_resp_set(&r, "", "1");
	wl_resp_set(&r, "X-Utf8", "\xc3\xa9");
	wl_resp_send(&r, 200, NULL, "", 0);
	m.io.ops->finish(&m.io);
	CU_ASSERT_STRING_EQUAL(m.out.p, "Status: 200 OK\r\nX-A: 2\r\n"
	    "X-Utf8: \xc3\xa9\r\nContent-Length: 0\r\n\r\n");
	end();
	begin();
	for (i = 0; i < WL_RESP_HEADERS + 5; i++) {
		snprintf(names[i], sizeof(names[i]), "A%d", i);
		wl_resp_set(&r, names[i], "v");
	}
	CU_ASSERT_EQUAL(r.nheaders, WL_RESP_HEADERS);
	wl_resp_set(&r, "a0", "replaced");
	CU_ASSERT_STRING_EQUAL(r.headers[0].value, "replaced");
	end();
}

static void
stream(void)
{
	begin();
	CU_ASSERT_EQUAL(wl_resp_write(&r, "early", 5, true), -1);
	CU_ASSERT_EQUAL(wl_resp_stream(&r, 200, "text/event-stream",
	    ": ok\n\n"), 0);
	CU_ASSERT_EQUAL(m.flushes, 1);
	CU_ASSERT_STRING_EQUAL(m.out.p, "Status: 200 OK\r\n"
	    "Content-Type: text/event-stream\r\nCache-Control: no-store\r\n"
	    "X-Accel-Buffering: no\r\n\r\n: ok\n\n");
	CU_ASSERT_EQUAL(wl_resp_write(&r, "data: 1\n\n", 9, false), 0);
	CU_ASSERT_EQUAL(m.flushes, 1);
	CU_ASSERT_EQUAL(wl_resp_write(&r, "data: 2\n\n", 9, true), 0);
	CU_ASSERT_EQUAL(m.flushes, 2);
	CU_ASSERT_EQUAL(r.bytes, 18);
	CU_ASSERT_EQUAL(wl_resp_send(&r, 200, NULL, "x", 1), -1);
	m.io.ops->finish(&m.io);
	CU_ASSERT_EQUAL(io_mem_body(&m).len, 6 + 18);
	end();
}

static void
gone(void)
{
	begin();
	CU_ASSERT_EQUAL(wl_resp_stream(&r, 200, "text/event-stream", NULL), 0);
	m.gone_after = 1;
	CU_ASSERT_EQUAL(wl_resp_write(&r, "x", 1, true), -1);
	CU_ASSERT(r.gone);
	CU_ASSERT_EQUAL(r.bytes, 0);
	m.gone_after = 0;
	CU_ASSERT_EQUAL(wl_resp_write(&r, "x", 1, true), -1);
	end();
}

static void
no_memory(void)
{
	begin();
	wl_arena_free(arena);
	arena = wl_arena_new(64);
	CU_ASSERT_FATAL(arena != NULL);
	wl_resp_init(&r, &m.io, arena);
	CU_ASSERT_EQUAL(wl_resp_send(&r, 200, "text/plain", "x", 1), -1);
	CU_ASSERT_EQUAL(m.writes, 0);
	end();
}

static void
reasons(void)
{
	int i;

	CU_ASSERT_STRING_EQUAL(wl_http_reason(200), "OK");
	CU_ASSERT_STRING_EQUAL(wl_http_reason(429), "Too Many Requests");
	CU_ASSERT_STRING_EQUAL(wl_http_reason(504), "Gateway Timeout");
	for (i = 100; i < 600; i++)
		if (wl_http_reason(i)[0] == '\0')
			CU_FAIL("empty reason");
	begin();
	CU_ASSERT_EQUAL(wl_resp_send(&r, -2147483647, NULL, "x", 1), 0);
	end();
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "a whole reply is one write", whole },
		{ "a large reply", large },
		{ "204 and HEAD have no body", without_body },
		{ "headers are replaced, bad ones refused", headers },
		{ "a stream", stream },
		{ "a client that has gone", gone },
		{ "no memory for the head", no_memory },
		{ "reason phrases", reasons },
		{ NULL, NULL }
	};

	return wl_tap_run("resp", tests);
}
