/*
 * A server as its callers see it: addresses, dates, whose errors they are,
 * and asking one that answers as told.
 */
#include "config.h"
#include "lib/http/site.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/co.h"
#include "lib/base/err.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "lib/http/client.h"
#include "lib/http/names.h"
#include "tests/unit/net.h"
#include "tests/unit/tap.h"

static struct wl_arena	*arena;
static struct wl_err	 e;

static const char *
base(const char *url)
{
	struct wl_site s = { 0 };

	return wl_site_parse(arena, url, &s, &e) == -1 ? "refused" : s.base;
}

static void
addresses(void)
{
	arena = wl_arena_new(1 << 20);
	CU_ASSERT_STRING_EQUAL(base("https://h.example"),
	    "https://h.example");
	CU_ASSERT_STRING_EQUAL(base("https://h.example/"),
	    "https://h.example");
	CU_ASSERT_STRING_EQUAL(base("http://h.example:8080/v1"),
	    "http://h.example:8080");
	CU_ASSERT_STRING_EQUAL(base("http://[::1]:80/llm/v1//"),
	    "http://[::1]:80/llm");
	CU_ASSERT_STRING_EQUAL(base("https://h.example/a/v1/b"),
	    "https://h.example/a/v1/b");
	CU_ASSERT_STRING_EQUAL(base("https://h.example/xv1"),
	    "https://h.example/xv1");
	CU_ASSERT_STRING_EQUAL(base("h.example"), "refused");
	CU_ASSERT_STRING_EQUAL(base("ftp://h.example"), "refused");
	CU_ASSERT_STRING_EQUAL(base("https://u@h.example"), "refused");
	CU_ASSERT_STRING_EQUAL(base("https://h.example/?a"), "refused");
	CU_ASSERT_STRING_EQUAL(base("https://h.example/#a"), "refused");
	CU_ASSERT_STRING_EQUAL(base(""), "refused");
	CU_ASSERT_STRING_EQUAL(base("/v1"), "refused");
	wl_arena_free(arena);
}

static void
dates(void)
{
	CU_ASSERT_EQUAL(wl_site_date("Sun, 06 Nov 1994 08:49:37 GMT"),
	    784111777000);
	CU_ASSERT_EQUAL(wl_site_date("Thu, 29 Feb 2024 23:59:59 GMT"),
	    1709251199000);
	CU_ASSERT_EQUAL(wl_site_date(NULL), -1);
	CU_ASSERT_EQUAL(wl_site_date(""), -1);
	CU_ASSERT_EQUAL(wl_site_date("Sun, 06 Foo 1994 08:49:37 GMT"), -1);
	CU_ASSERT_EQUAL(wl_site_date("Sun, 06 Nov 1994 08:49:37 CET"), -1);
	CU_ASSERT_EQUAL(wl_site_date("Sun, 31 Feb 2024 08:49:37 GMT"), -1);
	CU_ASSERT_EQUAL(wl_site_date("Sunday, 06-Nov-94 08:49:37 GM"), -1);
}

static const char *
code(const char *id, const char *body)
{
	struct wl_site_seen s = { .body = wl_str_of(body) };
	const char *c;

	s.header[WL_SH_X_REQUEST_ID] = id;
	c = wl_site_code(arena, &s);
	return c == NULL ? "none" : c;
}

static void
codes(void)
{
	static const char ours[] = "{\"error\":{\"code\":\"not_found\"}}";

	arena = wl_arena_new(1 << 20);
	CU_ASSERT_STRING_EQUAL(code("x", ours), "not_found");
	CU_ASSERT_STRING_EQUAL(code(NULL, ours), "none");
	CU_ASSERT_STRING_EQUAL(code("x", "<html>"), "none");
	CU_ASSERT_STRING_EQUAL(code("x", "{\"error\":\"x\"}"), "none");
	CU_ASSERT_STRING_EQUAL(code("x", "{\"error\":{\"code\":1}}"), "none");
	CU_ASSERT_STRING_EQUAL(code("x", ""), "none");
	wl_arena_free(arena);
}

/*
 * One connection after the other is answered with REPLY; what was asked is
 * kept.
 */
static struct {
	int		 fd, port;
	const char	*reply;
	char		 asked[4096];
	bool		 linger;	/* never ends the body */
} peer;

static void
serve(void *arg)
{
	size_t n = 0;
	ssize_t got;
	int c;

	(void)arg;
	while ((c = net_accept(peer.fd, 5000)) != -1) {
		n = 0;
		memset(peer.asked, 0, sizeof(peer.asked));
		while (strstr(peer.asked, "\r\n\r\n") == NULL &&
		    wl_wait(c, EPOLLIN, wl_mono() + 5000) > 0) {
			got = recv(c, peer.asked + n,
			    sizeof(peer.asked) - 1 - n, MSG_DONTWAIT);
			if (got <= 0)
				break;
			n += (size_t)got;
		}
		send(c, peer.reply, strlen(peer.reply), MSG_NOSIGNAL);
		if (peer.linger && wl_wait(c, EPOLLIN | EPOLLRDHUP,
		    wl_mono() + 5000) == -1)
			break;
		wl_forget(c);
		close(c);
		if (strstr(peer.asked, "/last") != NULL)
			break;
	}
}

static int
fetch(const char *path, struct wl_site_seen *s, bool look)
{
	char url[64];
	struct wl_site site = { 0 };
	const struct wl_site_ask ask = { .path = path, .key = "k",
	    .auth = look ? WL_SITE_BEARER : WL_SITE_X_API_KEY,
	    .encoding = "gzip", .timeout_ms = 5000 };

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/v1/", peer.port);
	if (wl_site_parse(arena, url, &site, &e) == -1)
		return -1;
	return look ? wl_site_look(arena, &site, &ask, s, &e) :
	    wl_site_fetch(arena, &site, &ask, s, &e);
}

static int
asking(void *arg)
{
	struct wl_site_seen s;

	(void)arg;
	CU_ASSERT_EQUAL(wl_site_open(NULL, &e), 0);
	CU_ASSERT_PTR_NOT_NULL(wl_co_spawn("peer", serve, NULL));
	peer.reply = "HTTP/1.1 429 Too Many\r\nx-request-id: i\r\n"
	    "RETRY-AFTER: 7\r\nContent-Length: 2\r\nConnection: close\r\n"
	    "\r\nhi";
	CU_ASSERT_EQUAL(fetch("/x", &s, false), 0);
	CU_ASSERT_EQUAL(s.status, 429);
	CU_ASSERT_STRING_EQUAL(s.header[WL_SH_X_REQUEST_ID], "i");
	CU_ASSERT_STRING_EQUAL(s.header[WL_SH_RETRY_AFTER], "7");
	CU_ASSERT_PTR_NULL(s.header[WL_SH_DATE]);
	CU_ASSERT_TRUE(wl_str_eq(s.body, "hi"));
	CU_ASSERT_PTR_NOT_NULL(strstr(peer.asked, "GET /x HTTP/1.1\r\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(peer.asked, "x-api-key: k\r\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(peer.asked,
	    "Accept-Encoding: gzip\r\n"));
	/* a body that breaks off: an error, and what came of it */
	peer.reply = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi";
	CU_ASSERT_EQUAL(fetch("/x", &s, false), -1);
	CU_ASSERT_EQUAL(s.status, 200);
	CU_ASSERT_PTR_NULL(strstr(e.msg, "provider"));
	/* nothing at all */
	peer.reply = "";
	CU_ASSERT_EQUAL(fetch("/x", &s, true), -1);
	CU_ASSERT_EQUAL(s.status, 0);
	CU_ASSERT_TRUE(e.msg[0] != '\0');
	/* the head is enough, whatever becomes of the body */
	peer.reply = "HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\n\r\n";
	peer.linger = true;
	CU_ASSERT_EQUAL(fetch("/last", &s, true), 0);
	CU_ASSERT_EQUAL(s.status, 413);
	CU_ASSERT_PTR_NOT_NULL(strstr(peer.asked,
	    "Authorization: Bearer k\r\n"));
	wl_site_close();
	wl_names_close();
	return 0;
}

static void
asks(void)
{
	arena = wl_arena_new(1 << 24);
	peer.fd = net_listen(&peer.port);
	CU_ASSERT_EQUAL(wl_run(asking, NULL), 0);
	close(peer.fd);
	wl_arena_free(arena);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "addresses", addresses },
		{ "dates", dates },
		{ "whose error it is", codes },
		{ "asking", asks },
		{ NULL, NULL }
	};

	return wl_tap_run("site", tests);
}
