/*
 * Calls upstream against a scripted server on the same loop: every way in
 * which a provider and a client can behave.
 */
#include "config.h"
#include "lib/core/upstream.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/co.h"
#include "lib/base/conf.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "lib/core/health.h"
#include "lib/core/price.h"
#include "lib/core/provider.h"
#include "lib/core/retry.h"
#include "lib/http/client.h"
#include "lib/http/names.h"
#include "lib/http/req.h"
#include "lib/store/db.h"
#include "tests/unit/net.h"
#include "tests/unit/tap.h"

#define E(x)	"data: " x "\n\n"
#define STOP	"{\"choices\":[{\"index\":0,\"delta\":{},"	\
	    "\"finish_reason\":\"stop\"}]}"
#define OVERLOADED	E("{\"error\":{\"message\":\"overloaded\"," \
	    "\"type\":\"api_error\",\"param\":null,"		\
	    "\"code\":\"upstream_error\"}}")
#define CHUNK(text)	"{\"id\":\"c-1\",\"model\":\"gpt-x\",\"choices\":[" \
			"{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}"
#define USAGE	"{\"id\":\"c-1\",\"choices\":[],\"usage\":{" \
		"\"prompt_tokens\":1000,\"completion_tokens\":500}}"
#define BODY	"{\"id\":\"c-1\",\"model\":\"gpt-x\",\"choices\":[{" \
		"\"message\":{\"content\":\"Hello\"}}],\"usage\":{" \
		"\"prompt_tokens\":1000,\"completion_tokens\":500}}"
#define SSE	"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"

static char		 empty[] = "";
static char		 fallback[] = "401 402 403 408 429 5xx connection "
	    "timeout context_length";
static struct wl_conf	 conf;
static struct wl_err	 e;
static struct wl_arena	*arena;
static struct wl_ask	 ask;
static struct wl_result	*res;
static struct wl_target	 t[WL_TARGETS];
static int		 nt, port;

/* ---- prices ---- */

int
wl_db_price(struct wl_arena *a, const char *provider, const char *model,
    int64_t at_ms, struct wl_db_price *p, struct wl_err *err)
{
	(void)a;
	(void)provider;
	(void)at_ms;
	(void)err;
	if (strncmp(model, "gpt", 3) != 0)
		return 0;
	*p = (struct wl_db_price){ "p", "gpt", 1234, 150000000, -1, -1,
	    600000000, -1, -1, -1, -1, -1, INT64_MAX, -1, -1, -1, -1, -1,
	    -1, -1, -1, -1 };
	return 1;
}

/* ---- the server ---- */

static int	 requests, connections, open_connections;
static bool	 peer_closed;		/* the gate closed its connection */
static int64_t	 closed_at;
static char	 last_request[65536];

/*
 * Until the other side closes.
 */
static void
until_closed(int fd)
{
	char c;

	if (net_read(fd, &c, 1, 20000) <= 0) {
		peer_closed = true;
		closed_at = wl_mono_fresh();
	}
}

static void
chunked(int fd, const char *s, size_t len)
{
	char size[32];

	snprintf(size, sizeof(size), "%zx\r\n", len);
	if (net_puts(fd, size) == 0 && net_write(fd, s, len, 10000) == 0)
		(void)net_puts(fd, "\r\n");
}

static void
reset(int fd)
{
	struct linger l = { 1, 0 };

	wl_sleep(20);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

static void
sse_head(int fd)
{
	net_puts(fd, SSE "Transfer-Encoding: chunked\r\n\r\n");
}

/*
 * Scripts that are no more than bytes, after which the connection is closed.
 */
static const struct {
	const char	*name, *bytes;
} plain[] = {
	{ "400", "HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\n{\"error\":{"
	    "\"message\":\"too long\",\"type\":\"invalid_request_error\","
	    "\"param\":\"messages\",\"code\":\"context_length_exceeded\"}}" },
	{ "401", "HTTP/1.1 401 No\r\nConnection: close\r\n\r\n{\"error\":{"
	    "\"message\":\"Incorrect API key: sk-abcdefghij0123456789\"}}" },
	{ "402", "HTTP/1.1 402 Pay\r\nConnection: close\r\n\r\n{\"error\":{"
	    "\"message\":\"no credit\",\"code\":\"insufficient_quota\"}}" },
	{ "403", "HTTP/1.1 403 No\r\nConnection: close\r\n\r\n" },
	{ "404", "HTTP/1.1 404 No\r\nConnection: close\r\n\r\n"
	    "<html>nothing</html>" },
	{ "408", "HTTP/1.1 408 Slow\r\nConnection: close\r\n\r\n" },
	{ "422", "HTTP/1.1 422 Bad\r\nConnection: close\r\n\r\n"
	    "{\"detail\":\"no such field\"}" },
	{ "429", "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nConnection: close"
	    "\r\n\r\n{\"error\":{\"message\":\"slow down\"}}" },
	{ "429date", "HTTP/1.1 429 Slow\r\nRetry-After: Wed, 21 Oct 2099 "
	    "07:28:00 GMT\r\nConnection: close\r\n\r\n" },
	{ "429month", "HTTP/1.1 429 Slow\r\nRetry-After: 2592000\r\n"
	    "Connection: close\r\n\r\n" },
	{ "429space", "HTTP/1.1 429 Slow\r\nRetry-After:\t30 \t\r\n"
	    "Connection: close\r\n\r\n" },
	{ "429old", "HTTP/1.1 429 Slow\r\nRetry-After: Sunday, 06-Nov-44 "
	    "08:49:37 GMT\r\nConnection: close\r\n\r\n" },
	{ "429oldest", "HTTP/1.1 429 Slow\r\nRetry-After: Sun Nov  6 "
	    "08:49:37 2044\r\nConnection: close\r\n\r\n" },
	{ "429float", "HTTP/1.1 429 Slow\r\nRetry-After: 1.5\r\n"
	    "Connection: close\r\n\r\n" },
	{ "429ms", "HTTP/1.1 429 Slow\r\nretry-after-ms: 60.5\r\nRetry-After: 9"
	    "\r\nConnection: close\r\n\r\n" },
	{ "429third", "HTTP/1.1 429 Slow\r\nretry-after-ms: 300\r\n"
	    "Connection: close\r\n\r\n" },
	{ "500never", "HTTP/1.1 500 Oh\r\nx-should-retry: false\r\n"
	    "Connection: close\r\n\r\n" },
	{ "407", "HTTP/1.1 407 Proxy\r\nConnection: close\r\n\r\n" },
	{ "499", "HTTP/1.1 499 Gone\r\nConnection: close\r\n\r\n" },
	{ "500", "HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\n{\"error\":{"
	    "\"message\":\"boom\",\"code\":\"server_error\"}}" },
	{ "503", "HTTP/1.1 503 Oh\r\nRetry-After: 3\r\nConnection: close\r\n"
	    "\r\n<html>503 sk-abcdefghij0123456789</html>" },
	{ "302", "HTTP/1.1 302 Go\r\nLocation: /ok\r\nConnection: close\r\n"
	    "\r\n" },
	{ "204", "HTTP/1.1 204 None\r\n\r\n" },
	{ "200error", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
	    "{\"error\":{\"message\":\"well\"}}" },
	{ "200html", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
	    "Connection: close\r\n\r\n<html>hi</html>" },
	{ "200broken", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
	    "{\"choices\":[{\"message\":" },
	{ "200empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" },
	{ "gzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
	    "Connection: close\r\n\r\n\x1f\x8b\x08" },
	{ "gzipped", SSE "Content-Encoding: gzip\r\nConnection: close\r\n\r\n"
	    "\x1f\x8b\x08" },
	{ "short", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" BODY },
	{ "long", "HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" BODY },
	{ "nonsense", "hello?\r\n\r\n" },
	{ "untyped", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" BODY },
	{ "sseuntyped", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
	    E(CHUNK("a")) E(USAGE) E("[DONE]") },
	{ "ssewhole", SSE "Connection: close\r\n\r\n" E(CHUNK("Hel"))
	    E(CHUNK("lo")) E(USAGE) E("[DONE]") },
	{ "ssenousage", SSE "Connection: close\r\n\r\n" E(CHUNK("Hel"))
	    E(CHUNK("lo")) E("[DONE]") },
	{ "ssenodone", SSE "Connection: close\r\n\r\n" E(CHUNK("Hello")) },
	{ "ssebroken", SSE "Connection: close\r\n\r\n" E(CHUNK("Hello"))
	    E("{\"choices\":[") E("[DONE]") },
	{ "ssehalf", SSE "Connection: close\r\n\r\n" E(CHUNK("Hello"))
	    "data: {\"choices\":[{\"del" },
	{ "sseempty", SSE "Connection: close\r\n\r\n" },
	{ "ssecomment", SSE "Connection: close\r\n\r\n: hello\n\n" },
	{ "sseerror", SSE "Connection: close\r\n\r\n" E(CHUNK("Hel"))
	    E("{\"error\":{\"message\":\"overloaded\"}}") E(CHUNK("lo")) },
	{ "sseerrorfirst", SSE "Connection: close\r\n\r\n"
	    E("{\"error\":{\"message\":\"overloaded\"}}") },
	{ "ssereason", SSE "Connection: close\r\n\r\n" E(CHUNK("Hello"))
	    E(STOP) },
	{ "ssereasoncut", SSE "Content-Length: 4000\r\n\r\n"
	    E(CHUNK("Hello")) E(STOP) },
	{ "ssecrlf", SSE "Connection: close\r\n\r\n\xef\xbb\xbf: hi\r\n\r\n"
	    "data: " CHUNK("a") "\r\n\r\ndata: " USAGE "\r\n\r\n"
	    "data: [DONE]\r\n\r\n" },
	{ "ssecr", SSE "Connection: close\r\n\r\ndata: " CHUNK("a") "\r\r"
	    "data: " USAGE "\r\rdata: [DONE]\r\r" },
};

static void
serve_lines(int fd)
{
	int i;

	net_puts(fd, "HTTP/1.1 200 OK\r\n");
	for (i = 0; i < 1000; i++)
		if (net_puts(fd, "X-Line: one of a thousand\r\n") == -1)
			return;
	net_puts(fd, "\r\n");
}

static void
serve_endless(int fd, const char *head)
{
	char block[8192];

	memset(block, '1', sizeof(block));
	if (net_puts(fd, head) == -1)
		return;
	while (net_write(fd, block, sizeof(block), 10000) == 0)
		;
	peer_closed = true;
	closed_at = wl_mono_fresh();
}

static void
serve_bytes(int fd, const char *s)
{
	sse_head(fd);
	for (; *s != '\0'; s++) {
		chunked(fd, s, 1);
		if (wl_sleep(1) == -1)
			return;
	}
	net_puts(fd, "0\r\n\r\n");
}

/*
 * N numbered events as fast as they can be taken.
 */
static void
serve_numbers(int fd, int n)
{
	char event[128];
	int i;

	sse_head(fd);
	for (i = 0; i < n; i++) {
		snprintf(event, sizeof(event), "data: {\"choices\":[{\"delta\""
		    ":{\"content\":\"%08d\"}}]}\n\n", i);
		chunked(fd, event, strlen(event));
	}
	chunked(fd, E(USAGE) E("[DONE]"), sizeof(E(USAGE) E("[DONE]")) - 1);
	net_puts(fd, "0\r\n\r\n");
}

static void
serve_huge_line(int fd)
{
	static char x[1500000];

	memset(x, 'x', sizeof(x));
	sse_head(fd);
	chunked(fd, "data: {\"choices\":[{\"a\":\"", 24);
	chunked(fd, x, sizeof(x));
	chunked(fd, "\"}]}\n\n", 6);
	chunked(fd, E(USAGE) E("[DONE]"), sizeof(E(USAGE) E("[DONE]")) - 1);
	net_puts(fd, "0\r\n\r\n");
}

/*
 * Returns whether the connection stays open for another request.
 */
static bool
serve(int fd, const char *name)
{
	char head[128], first[64];
	size_t i;

	/* "FIRST,THEN": so the first time, and so afterwards */
	if (strchr(name, ',') != NULL) {
		snprintf(first, sizeof(first), "%.*s",
		    (int)strcspn(name, ","), name);
		name = requests == 1 ? first : strchr(name, ',') + 1;
	}
	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (strcmp(name, plain[i].name) == 0) {
			net_puts(fd, plain[i].bytes);
			return strcmp(name, "200empty") == 0;
		}
	if (strcmp(name, "ok") == 0) {
		snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Type:"
		    " application/json; charset=x\r\nContent-Length: %zu\r\n"
		    "\r\n", sizeof(BODY) - 1);
		return net_puts(fd, head) == 0 && net_puts(fd, BODY) == 0;
	}
	if (strcmp(name, "sse") == 0) {
		sse_head(fd);
		chunked(fd, E(CHUNK("Hel")) E(CHUNK("lo")),
		    sizeof(E(CHUNK("Hel")) E(CHUNK("lo"))) - 1);
		chunked(fd, E(USAGE) E("[DONE]"),
		    sizeof(E(USAGE) E("[DONE]")) - 1);
		return net_puts(fd, "0\r\n\r\n") == 0;
	}
	if (strcmp(name, "ssebytes") == 0)
		serve_bytes(fd, E(CHUNK("Hello")) E(USAGE) E("[DONE]"));
	else if (strcmp(name, "numbers") == 0)
		serve_numbers(fd, 20000);
	else if (strcmp(name, "hugeline") == 0)
		serve_huge_line(fd);
	else if (strcmp(name, "silent") == 0)
		until_closed(fd);
	else if (strcmp(name, "late") == 0) {
		wl_sleep(250);
		sse_head(fd);
		chunked(fd, E(CHUNK("late")) E("[DONE]"),
		    sizeof(E(CHUNK("late")) E("[DONE]")) - 1);
		net_puts(fd, "0\r\n\r\n");
	} else if (strcmp(name, "stall") == 0) {
		sse_head(fd);
		chunked(fd, E(CHUNK("Hello")), sizeof(E(CHUNK("Hello"))) - 1);
		until_closed(fd);
	} else if (strcmp(name, "stallhalf") == 0) {
		sse_head(fd);
		chunked(fd, "data: {\"choices\":[{", 19);
		until_closed(fd);
	} else if (strcmp(name, "slowend") == 0) {
		sse_head(fd);
		chunked(fd, E(CHUNK("Hello")), sizeof(E(CHUNK("Hello"))) - 1);
		wl_sleep(300);
		chunked(fd, E(USAGE) E("[DONE]"),
		    sizeof(E(USAGE) E("[DONE]")) - 1);
		net_puts(fd, "0\r\n\r\n");
	} else if (strcmp(name, "doneopen") == 0) {
		sse_head(fd);
		chunked(fd, E(CHUNK("Hello")) E(USAGE) E("[DONE]"),
		    sizeof(E(CHUNK("Hello")) E(USAGE) E("[DONE]")) - 1);
		until_closed(fd);
	} else if (strcmp(name, "reset") == 0) {
		reset(fd);
	} else if (strcmp(name, "resetmid") == 0) {
		sse_head(fd);
		chunked(fd, E(CHUNK("Hello")), sizeof(E(CHUNK("Hello"))) - 1);
		chunked(fd, "data: {\"choices\":[{", 19);
		reset(fd);
	} else if (strcmp(name, "lines") == 0)
		serve_lines(fd);
	else if (strcmp(name, "endless") == 0)
		serve_endless(fd, "HTTP/1.1 200 OK\r\n\r\n");
	else if (strcmp(name, "endlesserror") == 0)
		serve_endless(fd, "HTTP/1.1 500 Oh\r\n\r\n");
	else
		CU_FAIL(name);
	return false;
}

static size_t
read_request(int fd)
{
	static char in[sizeof(last_request)];
	size_t len = 0, need = 0;
	char *end, *p;
	ssize_t n;

	for (;;) {
		in[len] = '\0';
		if (need == 0 && (end = strstr(in, "\r\n\r\n")) != NULL) {
			need = (size_t)(end + 4 - in);
			p = strstr(in, "Content-Length: ");
			if (p != NULL && p < end)
				need += strtoul(p + 16, NULL, 10);
		}
		if (need != 0 && len >= need) {
			memcpy(last_request, in, len + 1);
			return len;
		}
		n = net_read(fd, in + len, sizeof(in) - 1 - len, 20000);
		if (n <= 0)
			return 0;
		len += (size_t)n;
	}
}

/*
 * "POST /NAME/chat/completions" is answered by the script NAME.
 */
static void
server_connection(void *arg)
{
	int fd = (int)(intptr_t)arg, on = 1;
	bool stay = true;
	char name[64];
	char *p;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	connections++;
	open_connections++;
	while (stay && read_request(fd) > 0) {
		requests++;
		p = strchr(last_request, '/') + 1;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(p, "/"), p);
		stay = serve(fd, name);
	}
	net_close(fd);
	open_connections--;
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

/* ---- the client ---- */

static struct wl_sink	 sink;
static struct wl_buf	 sent;
static int		 begun_status, heartbeats, trailers, ends, datas;
static bool		 streamed, refuse, slow;
static char		 begun_type[64];
static int		 client_fd = -1;	/* the client's end */

static int
sink_begin(struct wl_sink *s, int status, const char *type, bool stream)
{
	(void)s;
	CU_ASSERT_EQUAL(begun_status, 0);
	begun_status = status;
	streamed = stream;
	snprintf(begun_type, sizeof(begun_type), "%s", type);
	return refuse ? -1 : 0;
}

static int
sink_data(struct wl_sink *s, const char *p, size_t len)
{
	(void)s;
	CU_ASSERT_NOT_EQUAL(begun_status, 0);
	CU_ASSERT_EQUAL(ends, 0);
	datas++;
	if (refuse)
		return -1;
	wl_buf_add(&sent, p, len);
	if (slow && datas % 100 == 0)
		wl_sleep(2);
	return 0;
}

static int
sink_heartbeat(struct wl_sink *s)
{
	if (begun_status == 0)
		(void)sink_begin(s, 200, "text/event-stream", true);
	heartbeats++;
	return refuse ? -1 : 0;
}

static int
sink_trailer(struct wl_sink *s, const struct wl_result *r)
{
	(void)s;
	trailers++;
	CU_ASSERT_EQUAL(ends, 0);
	CU_ASSERT(r == res);
	CU_ASSERT_NOT_EQUAL(r->upstream_us, -1);
	return 0;
}

static int
sink_end(struct wl_sink *s, const char *p, size_t len)
{
	(void)s;
	ends++;
	wl_buf_add(&sent, p, len);
	return 0;
}

/* ---- the frame ---- */

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
	wl_price_flush();
	wl_health_flush();
	wl_retry_flush();
	wl_co_cancel(s);
	return 0;
}

static void
fresh(void)
{
	conf = (struct wl_conf){
		.upstream_proxy = empty, .upstream_ca_file = empty,
		.max_requests = 100, .connect_timeout = 2000,
		.first_byte_timeout = 5000, .between_bytes_timeout = 5000,
		.total_timeout = 20000, .stream_commit_after = 10000,
		.heartbeat = 10000, .stream_buffer = 65536,
		.max_response = 1 << 20, .upstream_attempts = 6,
		.fallback_on = fallback
	};
	wl_buf_free(&sent);
	begun_status = heartbeats = trailers = ends = datas = 0;
	streamed = refuse = slow = peer_closed = false;
	requests = connections = nt = 0;
	wl_health_flush();
	wl_retry_flush();
	sink = (struct wl_sink){ .begin = sink_begin, .data = sink_data,
	    .heartbeat = sink_heartbeat, .trailer = sink_trailer,
	    .end = sink_end, .fd = -1 };
}

static void
run(void (*fn)(void))
{
	test_fn = fn;
	fresh();
	CU_ASSERT_EQUAL(wl_run(with_server, NULL), 0);
	if (client_fd != -1)
		close(client_fd);
	client_fd = -1;
	wl_buf_free(&sent);
	wl_arena_free(arena);
	arena = NULL;
}

#define TEST(name)							\
	static void name##_on_loop(void);				\
	static void name(void) { run(name##_on_loop); }			\
	static void name##_on_loop(void)

/*
 * A target whose answers come from SCRIPT; NULL: nobody listens there.
 */
static void
target(const char *provider, const char *script)
{
	static char urls[WL_TARGETS][96];
	char *url = urls[nt];

	if (script != NULL)
		snprintf(url, sizeof(urls[0]), "http://127.0.0.1:%d/%s",
		    port, script);
	else
		snprintf(url, sizeof(urls[0]), "http://127.0.0.1:1/x");
	t[nt] = (struct wl_target){
		.wire = &wl_provider_openai, .provider = provider,
		.base_url = url, .auth = "bearer", .model = "gpt-m",
		.key = "the-provider-key-1", .trust = WL_TRUST_PRIVATE,
		.stream_options = true, .variant = nt == 0 ? "first" : NULL,
		.project = "p", .hint = "ey-1"
	};
	nt++;
}

static int
call_body(enum wl_api api, const char *body)
{
	static char json[] = "application/json";
	struct wl_req req = { .content_type = json, .body = wl_str_of(body) };

	wl_arena_free(arena);
	arena = wl_arena_new(64 << 20);
	CU_ASSERT_FATAL(arena != NULL);
	req.arena = arena;
	wl_ask_read(&ask, api, &req);
	res = wl_arena_alloc(arena, sizeof(*res));
	CU_ASSERT_EQUAL_FATAL(wl_result_init(res, arena, 4096), 0);
	return wl_upstream_run(arena, &conf, &ask, t, nt, "id-1",
	    wl_clock_us() - 1000, &sink, res);
}

#define ASK(more)	"{\"model\":\"gpt-m\",\"messages\":[{\"role\":" \
			"\"user\",\"content\":\"12345678\"}]" more "}"

static int
call(bool stream)
{
	return call_body(WL_API_CHAT, stream ? ASK(",\"stream\":true") :
	    ASK(""));
}

/*
 * One call to SCRIPT alone.
 */
static int
call_one(const char *script, bool stream)
{
	fresh();
	target("openai", script);
	return call(stream);
}

static bool
got(const char *want)
{
	bool same = sent.len == strlen(want) &&
	    memcmp(sent.len == 0 ? "" : sent.p, want, sent.len) == 0;

	if (!same)
		printf("# sent: %.*s\n", (int)sent.len,
		    sent.len == 0 ? "" : sent.p);
	return same;
}

static bool
ends_with_error(const char *before, const char *code)
{
	size_t n = strlen(before);
	char want[128];

	snprintf(want, sizeof(want), "\"code\":\"%s\"}}\n\n", code);
	return sent.len > n + strlen(want) &&
	    memcmp(sent.p, before, n) == 0 &&
	    memcmp(sent.p + n, "data: {\"error\":{", 16) == 0 &&
	    strcmp(sent.p + sent.len - strlen(want), want) == 0 &&
	    strstr(sent.p, "[DONE]") == NULL;
}

/* ---- answers in one piece ---- */

TEST(whole)
{
	CU_ASSERT_EQUAL(call_one("ok", false), 0);
	CU_ASSERT(got(BODY));
	CU_ASSERT_EQUAL(begun_status, 200);
	CU_ASSERT(!streamed);
	CU_ASSERT_STRING_EQUAL(begun_type, "application/json; charset=x");
	CU_ASSERT_EQUAL(res->outcome, WL_O_ANSWERED);
	CU_ASSERT_EQUAL(res->http, 200);
	CU_ASSERT_EQUAL(res->upstream_http, 200);
	CU_ASSERT_EQUAL(res->attempts, 1);
	CU_ASSERT_STRING_EQUAL(res->provider, "openai");
	CU_ASSERT_STRING_EQUAL(res->model, "gpt-m");
	CU_ASSERT_STRING_EQUAL(res->model_used, "gpt-x");
	CU_ASSERT_EQUAL(res->usage.input, 1000);
	CU_ASSERT_EQUAL(res->usage.source, WL_U_PROVIDER);
	CU_ASSERT(res->price_known);
	CU_ASSERT_EQUAL(res->cost_nano, 450000);
	CU_ASSERT_EQUAL(res->price_effective_ms, 1234);
	CU_ASSERT(res->first_byte_us >= 1000);
	CU_ASSERT(res->upstream_us >= 0 && res->upstream_us < 10000000);
	CU_ASSERT_STRING_EQUAL(res->text.p, "Hello");
	/* what was sent: the body as it came, our headers and no other */
	CU_ASSERT(strstr(last_request, "\r\n\r\n" ASK("")) != NULL);
	CU_ASSERT(strstr(last_request, "Bearer the-provider-key-1\r\n") !=
	    NULL);
	CU_ASSERT(strstr(last_request, "X-Request-Id: id-1\r\n") != NULL);
	CU_ASSERT(strstr(last_request, "Accept-Encoding") == NULL);
	CU_ASSERT_EQUAL(call_one("untyped", false), 0);
	CU_ASSERT_STRING_EQUAL(begun_type, "application/json");
	/* a second call needs no second connection */
	CU_ASSERT_EQUAL(call_one("ok", false), 0);
	CU_ASSERT_EQUAL(call_one("ok", false), 0);
	CU_ASSERT_EQUAL(requests, 1);
	CU_ASSERT_EQUAL(connections, 0);
}

static const struct {
	const char	*script;
	enum wl_code	 code;
	int		 http, retry_after;
	const char	*msg, *upstream_code, *refusal;
} failures[] = {
	{ "400", WL_E_UPSTREAM, 400, 0, "too long",
	    "context_length_exceeded", "{\"error\":{\"message\":\"too long\","
	    "\"type\":\"invalid_request_error\",\"param\":\"messages\","
	    "\"code\":\"context_length_exceeded\"}}" },
	{ "401", WL_E_UPSTREAM_CREDENTIALS, 502, 0, "provider key", "", "" },
	{ "402", WL_E_UPSTREAM, 402, 0, "no credit", "insufficient_quota",
	    "{\"error\":{\"message\":\"no credit\",\"type\":"
	    "\"invalid_request_error\",\"param\":null,\"code\":"
	    "\"insufficient_quota\"}}" },
	{ "403", WL_E_UPSTREAM_CREDENTIALS, 502, 0, "provider key", "", "" },
	{ "404", WL_E_UPSTREAM, 404, 0, "answered 404", "", "" },
	{ "408", WL_E_UPSTREAM_TIMEOUT, 504, 0, "", "", "" },
	{ "422", WL_E_UPSTREAM, 422, 0, "no such field", "",
	    "{\"error\":{\"message\":\"no such field\",\"type\":"
	    "\"invalid_request_error\",\"param\":null,\"code\":null}}" },
	{ "429", WL_E_UPSTREAM_RATE, 429, 7, "slow down", "", "" },
	{ "429date", WL_E_UPSTREAM_RATE, 429, 604800, "", "", "" },
	{ "429month", WL_E_UPSTREAM_RATE, 429, 604800, "", "", "" },
	{ "429space", WL_E_UPSTREAM_RATE, 429, 30, "", "", "" },
	{ "429old", WL_E_UPSTREAM_RATE, 429, 604800, "", "", "" },
	{ "429oldest", WL_E_UPSTREAM_RATE, 429, 604800, "", "", "" },
	{ "429float", WL_E_UPSTREAM_RATE, 429, 0, "", "", "" },
	{ "407", WL_E_UPSTREAM, 502, 0, "answered 407", "", "" },
	{ "499", WL_E_UPSTREAM, 502, 0, "answered 499", "", "" },
	{ "500", WL_E_UPSTREAM, 502, 0, "500: boom", "server_error", "" },
	{ "503", WL_E_UPSTREAM, 502, 0, "answered 503.", "", "" },
	{ "302", WL_E_UPSTREAM_INVALID, 502, 0, "", "", "" },
	{ "204", WL_E_UPSTREAM_INVALID, 502, 0, "", "", "" },
	{ "200error", WL_E_UPSTREAM_INVALID, 502, 0, "", "", "" },
	{ "200html", WL_E_UPSTREAM_INVALID, 502, 0, "", "", "" },
	{ "200broken", WL_E_UPSTREAM_INVALID, 502, 0, "", "", "" },
	{ "200empty", WL_E_UPSTREAM_INVALID, 502, 0, "", "", "" },
	{ "gzip", WL_E_UPSTREAM_INVALID, 502, 0, "", "", "" },
	{ "gzipped", WL_E_UPSTREAM_INVALID, 502, 0, "", "", "" },
	{ "short", WL_E_UPSTREAM_INVALID, 502, 0, "", "", "" },
	{ "long", WL_E_UPSTREAM_INVALID, 502, 0, "", "", "" },
	{ "nonsense", WL_E_UPSTREAM_INVALID, 502, 0, "", "", "" },
	{ "lines", WL_E_UPSTREAM_INVALID, 502, 0, "", "", "" },
	{ "reset", WL_E_UPSTREAM, 502, 0, "", "", "" },
	{ NULL, WL_E_UPSTREAM, 502, 0, "could not be reached", "", "" },
	{ "endless", WL_E_UPSTREAM_INVALID, 502, 0, "too large", "", "" },
	{ "endlesserror", WL_E_UPSTREAM, 502, 0, "answered 500", "", "" },
};

/*
 * The same for a stream that has not begun: nothing is sent, the caller
 * answers.
 */
TEST(errors)
{
	size_t i;
	int stream;

	for (i = 0; i < 2 * sizeof(failures) / sizeof(failures[0]); i++) {
		stream = i % 2 == 1;
		/* without a type it is taken for a stream */
		if (stream && failures[i / 2].script != NULL &&
		    (strstr(failures[i / 2].script, "200") != NULL ||
		    strstr("204 short long lines endless",
		    failures[i / 2].script) != NULL))
			continue;
		CU_ASSERT_EQUAL(call_one(failures[i / 2].script, stream), -1);
		if (res->err.code != failures[i / 2].code ||
		    res->http != failures[i / 2].http ||
		    res->err.retry_after != failures[i / 2].retry_after ||
		    strstr(res->err.msg, failures[i / 2].msg) == NULL ||
		    !wl_str_eq(res->refusal, failures[i / 2].refusal)) {
			printf("# %s: %d, %d, \"%s\", %.*s\n",
			    failures[i / 2].script, (int)res->err.code,
			    res->http, res->err.msg, (int)res->refusal.len,
			    res->refusal.len == 0 ? "" : res->refusal.p);
			CU_FAIL("wrong error");
		}
		CU_ASSERT_STRING_EQUAL(res->upstream_code,
		    failures[i / 2].upstream_code);
		CU_ASSERT(strstr(res->err.msg, "sk-") == NULL);
		CU_ASSERT_EQUAL(res->outcome, WL_O_UPSTREAM_FAILED);
		CU_ASSERT_EQUAL(res->usage.source, WL_U_NONE);
		CU_ASSERT(!res->price_known);
		CU_ASSERT_EQUAL(begun_status, 0);
		CU_ASSERT_EQUAL(sent.len, 0);
		CU_ASSERT_STRING_EQUAL(res->provider, "openai");
	}
}

TEST(timeouts)
{
	fresh();
	conf.first_byte_timeout = 60;
	target("openai", "silent");
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(res->err.code, WL_E_UPSTREAM_TIMEOUT);
	CU_ASSERT_EQUAL(res->http, 504);
	CU_ASSERT(strstr(res->err.msg, "first byte") != NULL);
	fresh();
	conf.total_timeout = 60;
	target("openai", "silent");
	target("other", "ok");
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(res->err.code, WL_E_UPSTREAM_TIMEOUT);
	CU_ASSERT(strstr(res->err.msg, "total") != NULL);
	/* no time is left for another target */
	CU_ASSERT_EQUAL(res->attempts, 1);
}

static int
no_such_name(const char *host, struct wl_addrs *out)
{
	(void)host;
	(void)out;
	return EAI_NONAME;
}

TEST(unknown_name)
{
	int (*before)(const char *, struct wl_addrs *) = wl_names_resolve;

	wl_names_resolve = no_such_name;
	target("openai", "ok");
	t[0].base_url = "http://nowhere.example/v1";
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(res->err.code, WL_E_UPSTREAM);
	CU_ASSERT_EQUAL(res->http, 502);
	wl_names_resolve = before;
	/* the guard: a private address is no place for a public provider */
	fresh();
	target("openai", "ok");
	t[0].trust = WL_TRUST_PUBLIC;
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(res->err.code, WL_E_UPSTREAM);
	CU_ASSERT_EQUAL(requests, 0);
	/* a key that is no header value */
	fresh();
	target("openai", "ok");
	t[0].key = "a\r\nX-Evil: 1";
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(res->err.code, WL_E_UPSTREAM_CREDENTIALS);
	CU_ASSERT_EQUAL(requests, 0);
}

/* ---- targets ---- */

TEST(next_target)
{
	static const char *const next[] = { "401", "402", "403", "408", "429",
	    "500", "503", "reset", NULL };
	static const char *const stop[] = { "404", "422", "200html",
	    "nonsense" };
	size_t i;

	for (i = 0; i < sizeof(next) / sizeof(next[0]); i++) {
		fresh();
		target("first", next[i]);
		target("second", "ok");
		CU_ASSERT_EQUAL(call(false), 0);
		CU_ASSERT_STRING_EQUAL(res->provider, "second");
		CU_ASSERT_EQUAL(res->attempts, 2);
		CU_ASSERT_EQUAL(res->err.code, WL_OK);
		CU_ASSERT_EQUAL(res->upstream_http, 200);
		CU_ASSERT_EQUAL(res->refusal.len, 0);
		CU_ASSERT_STRING_EQUAL(res->upstream_code, "");
		CU_ASSERT(got(BODY));
	}
	for (i = 0; i < sizeof(stop) / sizeof(stop[0]); i++) {
		fresh();
		target("first", stop[i]);
		target("second", "ok");
		CU_ASSERT_EQUAL(call(false), -1);
		CU_ASSERT_STRING_EQUAL(res->provider, "first");
		CU_ASSERT_EQUAL(res->attempts, 1);
	}
	/* a slow one is left too */
	fresh();
	conf.first_byte_timeout = 60;
	target("first", "silent");
	target("second", "ok");
	CU_ASSERT_EQUAL(call(false), 0);
	CU_ASSERT_EQUAL(res->attempts, 2);
	/* all fail: a refused key says the least */
	fresh();
	target("first", "429");
	target("second", "401");
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(res->err.code, WL_E_UPSTREAM_RATE);
	CU_ASSERT_EQUAL(res->err.retry_after, 7);
	fresh();
	target("first", "401");
	target("second", "500");
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(res->err.code, WL_E_UPSTREAM);
	fresh();
	target("first", "401");
	target("second", "403");
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(res->err.code, WL_E_UPSTREAM_CREDENTIALS);
	CU_ASSERT_EQUAL(res->attempts, 2);
}

TEST(next_stream)
{
	static const char *const next[] = { "500", "sseempty", "ssecomment",
	    "sseerrorfirst", "401" };
	size_t i;

	for (i = 0; i < sizeof(next) / sizeof(next[0]); i++) {
		fresh();
		target("first", next[i]);
		target("second", "sse");
		CU_ASSERT_EQUAL(call(true), 0);
		CU_ASSERT_STRING_EQUAL(res->provider, "second");
		CU_ASSERT_EQUAL(res->err.code, WL_OK);
		CU_ASSERT_EQUAL(res->chunks, 2);
		CU_ASSERT(sent.len >= sizeof(E("[DONE]")) && strcmp(sent.p +
		    sent.len - sizeof(E("[DONE]")) + 1, E("[DONE]")) == 0);
		CU_ASSERT(strstr(sent.p, "error") == NULL);
	}
	/* not once data has been sent */
	fresh();
	target("first", "ssenodone");
	target("second", "sse");
	CU_ASSERT_EQUAL(call(true), -1);
	CU_ASSERT_EQUAL(res->attempts, 1);
}

/* ---- the same target again ---- */

static const char *
word(int i)
{
	return i < res->ntried ? res->tried[i].word : "";
}

TEST(again)
{
	static const char *const yes[] = { "408,ok", "429ms,ok", "500,ok" };
	/* 503 wants to be left alone for longer than may be waited */
	static const char *const no[] = { "400,ok", "503,ok", "404,ok", "422,ok",
	    "401,ok", "402,ok", "403,ok", "500never,ok", "200html,ok" };
	int64_t start;
	size_t i;

	for (i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		fresh();
		conf.upstream_retries = 1;
		conf.retry_wait_max = 200;
		target("openai", yes[i]);
		start = wl_mono_fresh();
		CU_ASSERT_EQUAL(call(false), 0);
		CU_ASSERT_EQUAL(res->attempts, 2);
		CU_ASSERT_EQUAL(requests, 2);
		CU_ASSERT(got(BODY));
		CU_ASSERT_EQUAL(res->ntried, 2);
		CU_ASSERT_STRING_EQUAL(word(1), "ok");
		CU_ASSERT_STRING_EQUAL(res->tried[0].hint, "ey-1");
		CU_ASSERT(res->tried[1].at_us >= res->tried[0].at_us +
		    res->tried[0].took_us);
		if (strcmp(yes[i], "429ms,ok") == 0)
			CU_ASSERT(wl_mono_fresh() - start >= 60);
	}
	for (i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		fresh();
		conf.upstream_retries = 5;
		target("openai", no[i]);
		CU_ASSERT_EQUAL(call(false), -1);
		CU_ASSERT_EQUAL(res->attempts, 1);
	}
	/* a stream too, before its first event; not after it */
	fresh();
	conf.upstream_retries = 1;
	target("openai", "sseempty,sse");
	CU_ASSERT_EQUAL(call(true), 0);
	CU_ASSERT_EQUAL(res->attempts, 2);
	CU_ASSERT(got(E(CHUNK("Hel")) E(CHUNK("lo")) E("[DONE]")));
	fresh();
	conf.upstream_retries = 1;
	target("openai", "ssenodone,sse");
	CU_ASSERT_EQUAL(call(true), -1);
	CU_ASSERT_EQUAL(res->attempts, 1);
	/* not longer than allowed, and not beyond the deadline */
	fresh();
	conf.upstream_retries = 1;
	conf.retry_wait_max = 5000;
	target("openai", "429,ok");
	start = wl_mono_fresh();
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(res->err.retry_after, 7);
	CU_ASSERT(wl_mono_fresh() - start < 2000);
	fresh();
	conf.upstream_retries = 1;
	conf.retry_wait_max = 60000;
	conf.total_timeout = 3000;
	target("openai", "429,ok");
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(res->err.code, WL_E_UPSTREAM_RATE);
	CU_ASSERT(wl_mono_fresh() - start < 4000);
}

/*
 * All that is tried, all together.
 */
TEST(bounds)
{
	int i, made = 0;

	/* the others come first, and there is an end */
	fresh();
	conf.upstream_retries = 10;
	conf.upstream_attempts = 5;
	target("first", "500");
	target("second", "503");
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(res->attempts, 5);
	CU_ASSERT_STRING_EQUAL(res->tried[1].provider, "second");
	CU_ASSERT_EQUAL(res->ntried, 5);
	/* a dead provider is hardly asked more often for it */
	fresh();
	for (i = 0; i < 100; i++) {
		nt = 0;
		conf.upstream_retries = 3;
		conf.retry_budget = 10;
		target("openai", "500");
		CU_ASSERT_EQUAL(call(false), -1);
		made += res->attempts;
	}
	CU_ASSERT(made > 110 && made <= 100 + WL_RETRY_SAVED + 10);
	CU_ASSERT_EQUAL(made, requests);
	/* nor with the next key of the same one */
	fresh();
	for (i = 0, made = 0; i < 100; i++) {
		nt = 0;
		conf.retry_budget = 0;
		target("openai", "500");
		target("openai", "500");
		t[1].key = "the-provider-key-2";
		CU_ASSERT_EQUAL(call(false), -1);
		made += res->attempts;
	}
	CU_ASSERT_EQUAL(made, 100 + WL_RETRY_SAVED);
}

TEST(context)
{
	/* of another provider or model, not with another key */
	fresh();
	target("first", "400");
	target("first", "ok");
	target("second", "ok");
	t[1].key = "the-provider-key-2";
	CU_ASSERT_EQUAL(call(false), 0);
	CU_ASSERT_STRING_EQUAL(res->provider, "second");
	CU_ASSERT_EQUAL(res->attempts, 2);
	CU_ASSERT_STRING_EQUAL(word(0), "context_length");
	fresh();
	target("first", "400");
	target("first", "ok");
	t[1].model = "gpt-m-long";
	CU_ASSERT_EQUAL(call(false), 0);
	CU_ASSERT_EQUAL(res->attempts, 2);
	/* nobody takes it: the client hears why */
	fresh();
	target("first", "400");
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(res->http, 400);
	CU_ASSERT_STRING_EQUAL(res->upstream_code, "context_length_exceeded");
	/* only where it is wanted */
	fresh();
	conf.fallback_on = empty;
	target("first", "400");
	target("second", "ok");
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(res->attempts, 1);
}

/*
 * A redirect is not followed: the key is for this host alone.
 */
TEST(redirect)
{
	CU_ASSERT_EQUAL(call_one("302", false), -1);
	CU_ASSERT_EQUAL(requests, 1);
	CU_ASSERT_EQUAL(res->err.code, WL_E_UPSTREAM_INVALID);
}

/* ---- what is set aside ---- */

TEST(aside)
{
	int i;

	/* a key that was refused is left alone, and said why */
	fresh();
	target("openai", "401,ok");
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT(strstr(res->err.msg, "openai rejected") != NULL);
	CU_ASSERT(strstr(res->err.msg, "(401)") != NULL);
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(res->err.code, WL_E_UPSTREAM_CREDENTIALS);
	CU_ASSERT_EQUAL(res->attempts, 0);
	CU_ASSERT(res->err.retry_after > 0 && res->err.retry_after <= 15);
	CU_ASSERT(strstr(res->err.msg, "replaced") != NULL);
	CU_ASSERT_EQUAL(res->outcome, WL_O_UPSTREAM_FAILED);
	CU_ASSERT_EQUAL(res->usage.source, WL_U_NONE);
	CU_ASSERT_STRING_EQUAL(res->provider, "openai");
	CU_ASSERT_STRING_EQUAL(word(0), "key_rejected");
	CU_ASSERT(!res->tried[0].asked);
	CU_ASSERT_EQUAL(requests, 1);
	/* the new one works */
	t[0].key = "the-provider-key-2";
	CU_ASSERT_EQUAL(call(false), 0);
	/* the second key serves, and the first is asked no more */
	fresh();
	target("openai", "401");
	target("openai", "ok");
	t[1].key = "the-provider-key-2";
	for (i = 0; i < 10; i++) {
		sink.begun = false;
		begun_status = 0;
		CU_ASSERT_EQUAL(call(false), 0);
		CU_ASSERT_EQUAL(res->attempts, i == 0 ? 2 : 1);
	}
	CU_ASSERT_EQUAL(requests, 11);
	/* 429 until its time has come */
	fresh();
	target("openai", "429");
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(res->err.code, WL_E_UPSTREAM_RATE);
	CU_ASSERT_EQUAL(res->http, 429);
	CU_ASSERT(res->err.retry_after >= 6 && res->err.retry_after <= 7);
	CU_ASSERT_EQUAL(requests, 1);
	/* but a key of a request is asked each time */
	fresh();
	target("openai", "429");
	t[0].own_key = true;
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(requests, 2);
	fresh();
	target("openai", "401");
	t[0].own_key = true;
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT(strstr(res->err.msg, "X-Provider-Key") != NULL);
	/* several keys, none good */
	fresh();
	target("openai", "401");
	target("openai", "403");
	t[1].key = "the-provider-key-2";
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT(strstr(res->err.msg, "2 provider keys") != NULL);
}

TEST(breaker)
{
	int64_t start;
	int i;

	fresh();
	conf.breaker_failures = 5;
	conf.breaker_open = 200;
	target("openai", "500");
	for (i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(requests, 5);
	CU_ASSERT_EQUAL(res->err.code, WL_E_UPSTREAM);
	CU_ASSERT_EQUAL(res->http, 502);
	CU_ASSERT(strstr(res->err.msg, "keeps failing") != NULL);
	CU_ASSERT_EQUAL(res->err.retry_after, 1);
	/* another target is asked at once */
	target("second", "ok");
	CU_ASSERT_EQUAL(call(false), 0);
	CU_ASSERT_EQUAL(res->attempts, 1);
	CU_ASSERT_EQUAL(res->ntried, 2);
	/* it is asked again when its time is over, and is well */
	fresh();
	conf.breaker_failures = 1;
	conf.breaker_open = 60;
	target("openai", "500,ok");
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(res->attempts, 0);
	start = wl_mono_fresh();
	while (wl_mono_fresh() - start < 70)
		wl_sleep(10);
	CU_ASSERT_EQUAL(call(false), 0);
	sink.begun = false;
	begun_status = 0;
	CU_ASSERT_EQUAL(call(false), 0);
	CU_ASSERT_EQUAL(requests, 3);
}

/* ---- a second target beside the first ---- */

static struct wl_hedge	hedge;
static void client_leaves(int64_t);

/*
 * FIRST and, when it has not begun after 50 ms, SECOND.
 */
static void
hedged(const char *first, const char *second)
{
	fresh();
	hedge = (struct wl_hedge){ 50, 1000000000, 10000 };
	target("first", first);
	target("second", second);
	t[0].hedge = t[1].hedge = &hedge;
}

static void
closes(void)
{
	int i;

	for (i = 0; i < 500 && !peer_closed; i++)
		wl_sleep(2);
	CU_ASSERT(peer_closed);
}

TEST(hedges)
{
	/* the second answers, the first is cancelled */
	hedged("silent", "ok");
	CU_ASSERT_EQUAL(call(false), 0);
	CU_ASSERT_STRING_EQUAL(res->provider, "second");
	CU_ASSERT_STRING_EQUAL(res->variant, "");
	CU_ASSERT(got(BODY));
	CU_ASSERT_EQUAL(res->attempts, 2);
	CU_ASSERT_EQUAL(res->ntried, 2);
	CU_ASSERT_STRING_EQUAL(word(0), "cancelled");
	CU_ASSERT_STRING_EQUAL(res->tried[0].provider, "first");
	CU_ASSERT(!res->tried[0].hedge && res->tried[1].hedge);
	CU_ASSERT_STRING_EQUAL(word(1), "ok");
	/* both are paid: the prompt of the one, all of the other */
	CU_ASSERT(res->hedge_nano > 0);
	CU_ASSERT_EQUAL(res->tried[0].cost_nano, res->hedge_nano);
	CU_ASSERT_EQUAL(res->cost_nano, 450000 + res->hedge_nano);
	closes();
	/* streams too */
	hedged("silent", "sse");
	CU_ASSERT_EQUAL(call(true), 0);
	CU_ASSERT_STRING_EQUAL(res->provider, "second");
	CU_ASSERT(got(E(CHUNK("Hel")) E(CHUNK("lo")) E("[DONE]")));
	CU_ASSERT_EQUAL(res->cost_nano, 450000 + res->hedge_nano);
	closes();
	/* the first is late, but begins before the second */
	hedged("late", "silent");
	CU_ASSERT_EQUAL(call(true), 0);
	CU_ASSERT_STRING_EQUAL(res->provider, "first");
	CU_ASSERT(got(E(CHUNK("late")) E("[DONE]")));
	CU_ASSERT_EQUAL(res->attempts, 2);
	CU_ASSERT_STRING_EQUAL(res->tried[0].provider, "second");
	CU_ASSERT(res->tried[0].hedge && !res->tried[1].hedge);
	closes();
	/* it is in time: one call */
	hedged("ok", "ok");
	CU_ASSERT_EQUAL(call(false), 0);
	CU_ASSERT_EQUAL(requests, 1);
	CU_ASSERT_EQUAL(res->hedge_nano, 0);
	CU_ASSERT_EQUAL(res->cost_nano, 450000);
}

TEST(hedges_fail)
{
	/* the second fails: the first goes on */
	hedged("late", "500");
	CU_ASSERT_EQUAL(call(true), 0);
	CU_ASSERT_STRING_EQUAL(res->provider, "first");
	CU_ASSERT_STRING_EQUAL(word(0), "failing");
	CU_ASSERT_EQUAL(res->tried[0].status, 500);
	CU_ASSERT_EQUAL(res->hedge_nano, 0);
	hedged("late", NULL);
	CU_ASSERT_EQUAL(call(true), 0);
	CU_ASSERT_STRING_EQUAL(word(0), "unreachable");
	/* the first fails while the second is asked */
	hedged("silent", "late");
	conf.first_byte_timeout = 120;
	CU_ASSERT_EQUAL(call(true), -1);
	CU_ASSERT_EQUAL(res->err.code, WL_E_UPSTREAM_TIMEOUT);
	CU_ASSERT_EQUAL(res->ntried, 2);
	CU_ASSERT_STRING_EQUAL(word(0), "timeout");
	/* the client leaves: both end */
	hedged("silent", "silent");
	client_leaves(250);
	CU_ASSERT_EQUAL(call(true), -1);
	wl_forget(sink.fd);
	close(sink.fd);
	CU_ASSERT_EQUAL(res->outcome, WL_O_CLIENT_GONE);
	CU_ASSERT_EQUAL(res->attempts, 2);
	closes();
}

TEST(hedges_refused)
{
	/* what it may cost */
	hedged("late", "sse");
	hedge.max_nano = 1;
	CU_ASSERT_EQUAL(call(true), 0);
	CU_ASSERT_STRING_EQUAL(res->provider, "first");
	CU_ASSERT_EQUAL(requests, 1);
	/* not known */
	hedged("late", "sse");
	t[1].model = "llama";
	CU_ASSERT_EQUAL(call(true), 0);
	CU_ASSERT_EQUAL(requests, 1);
	/* how often */
	hedged("late", "sse");
	hedge.percent = 0;
	CU_ASSERT_EQUAL(call(true), 0);
	CU_ASSERT_EQUAL(requests, 1);
	/* the key of a request goes to one place */
	hedged("late", "sse");
	t[0].own_key = true;
	CU_ASSERT_EQUAL(call(true), 0);
	CU_ASSERT_EQUAL(requests, 1);
	/* another key of the same is no second target */
	hedged("late", "sse");
	t[1].provider = "first";
	CU_ASSERT_EQUAL(call(true), 0);
	CU_ASSERT_EQUAL(requests, 1);
}

/* ---- streams ---- */

TEST(stream)
{
	CU_ASSERT_EQUAL(call_one("sse", true), 0);
	CU_ASSERT(got(E(CHUNK("Hel")) E(CHUNK("lo")) E("[DONE]")));
	CU_ASSERT(streamed);
	CU_ASSERT_EQUAL(begun_status, 200);
	CU_ASSERT_STRING_EQUAL(begun_type, "text/event-stream");
	CU_ASSERT_EQUAL(trailers, 1);
	CU_ASSERT_EQUAL(ends, 1);
	CU_ASSERT_EQUAL(heartbeats, 0);
	CU_ASSERT_EQUAL(res->outcome, WL_O_ANSWERED);
	CU_ASSERT_EQUAL(res->http, 200);
	CU_ASSERT_EQUAL(res->usage.source, WL_U_PROVIDER);
	CU_ASSERT_EQUAL(res->cost_nano, 450000);
	CU_ASSERT_EQUAL(res->chunks, 2);
	CU_ASSERT_STRING_EQUAL(res->text.p, "Hello");
	CU_ASSERT(res->first_data_us >= res->first_byte_us);
	CU_ASSERT(strstr(last_request, "\"include_usage\":true") != NULL);
	/* its connection serves the next call */
	CU_ASSERT_EQUAL(connections, 1);
	CU_ASSERT_EQUAL(call_one("sse", true), 0);
	CU_ASSERT_EQUAL(connections, 0);
	/* the client wants the usage */
	fresh();
	target("openai", "sse");
	CU_ASSERT_EQUAL(call_body(WL_API_CHAT, ASK(",\"stream\":true,"
	    "\"stream_options\":{\"include_usage\":true}")), 0);
	CU_ASSERT(got(E(CHUNK("Hel")) E(CHUNK("lo")) E(USAGE) E("[DONE]")));
	/* nobody reports it: estimated */
	CU_ASSERT_EQUAL(call_one("ssenousage", true), 0);
	CU_ASSERT_EQUAL(res->usage.source, WL_U_ESTIMATED);
	CU_ASSERT_EQUAL(res->usage.input, ask.input_estimate);
	CU_ASSERT_EQUAL(res->usage.output, 2);
	CU_ASSERT(res->price_known);
}

TEST(forms)
{
	CU_ASSERT_EQUAL(call_one("ssecrlf", true), 0);
	CU_ASSERT(got("\xef\xbb\xbf: hi\r\n\r\ndata: " CHUNK("a")
	    "\r\n\r\ndata: [DONE]\r\n\r\n"));
	CU_ASSERT_EQUAL(res->usage.output, 500);
	CU_ASSERT_EQUAL(call_one("ssecr", true), 0);
	CU_ASSERT(got("data: " CHUNK("a") "\r\rdata: [DONE]\r\r"));
	CU_ASSERT_EQUAL(call_one("ssebytes", true), 0);
	CU_ASSERT(got(E(CHUNK("Hello")) E("[DONE]")));
	CU_ASSERT_EQUAL(datas, 1);	/* events leave whole */
	CU_ASSERT_EQUAL(call_one("sseuntyped", true), 0);
	CU_ASSERT(got(E(CHUNK("a")) E("[DONE]")));
	CU_ASSERT_EQUAL(call_one("hugeline", true), 0);
	CU_ASSERT_EQUAL(sent.len, 24 + 1500000 + 6 + sizeof(E("[DONE]")) - 1);
	CU_ASSERT_EQUAL(res->usage.output, 500);
	/* an answer in one piece, though a stream was asked for */
	CU_ASSERT_EQUAL(call_one("ok", true), 0);
	CU_ASSERT(got(BODY));
	CU_ASSERT(!streamed);
	/* a stream, though none was asked for */
	CU_ASSERT_EQUAL(call_one("ssewhole", false), -1);
	CU_ASSERT_EQUAL(res->err.code, WL_E_UPSTREAM_INVALID);
}

TEST(broken_streams)
{
	/* the end without the mark */
	CU_ASSERT_EQUAL(call_one("ssenodone", true), -1);
	CU_ASSERT(ends_with_error(E(CHUNK("Hello")), "upstream_error"));
	CU_ASSERT_EQUAL(trailers, 1);
	CU_ASSERT_EQUAL(res->outcome, WL_O_ANSWERED);
	CU_ASSERT_EQUAL(res->http, 200);
	CU_ASSERT_EQUAL(res->err.code, WL_E_UPSTREAM);
	CU_ASSERT_EQUAL(res->usage.source, WL_U_PARTIAL);
	CU_ASSERT_EQUAL(res->usage.output, 2);
	CU_ASSERT(res->cost_nano > 0);
	/* an event that is no JSON */
	CU_ASSERT_EQUAL(call_one("ssebroken", true), -1);
	CU_ASSERT(ends_with_error(E(CHUNK("Hello")),
	    "upstream_invalid_response"));
	CU_ASSERT_EQUAL(res->usage.source, WL_U_PARTIAL);
	/* within an event: nothing of it */
	CU_ASSERT_EQUAL(call_one("ssehalf", true), -1);
	CU_ASSERT(ends_with_error(E(CHUNK("Hello")), "upstream_error"));
	CU_ASSERT_EQUAL(call_one("resetmid", true), -1);
	CU_ASSERT(ends_with_error(E(CHUNK("Hello")), "upstream_error"));
	CU_ASSERT_EQUAL(res->usage.source, WL_U_PARTIAL);
	/* before any data: not counted as answered */
	CU_ASSERT_EQUAL(call_one("sseempty", true), -1);
	CU_ASSERT(ends_with_error("", "upstream_error"));
	CU_ASSERT_EQUAL(res->outcome, WL_O_UPSTREAM_FAILED);
	CU_ASSERT_EQUAL(res->usage.source, WL_U_NONE);
	/* silence within */
	fresh();
	conf.between_bytes_timeout = 60;
	target("openai", "stall");
	CU_ASSERT_EQUAL(call(true), -1);
	CU_ASSERT(ends_with_error(E(CHUNK("Hello")), "upstream_timeout"));
	CU_ASSERT_EQUAL(res->err.code, WL_E_UPSTREAM_TIMEOUT);
	/* the provider's own error is passed on, and ends it */
	CU_ASSERT_EQUAL(call_one("sseerror", true), -1);
	CU_ASSERT(got(E(CHUNK("Hel")) OVERLOADED));
	CU_ASSERT_EQUAL(res->outcome, WL_O_ANSWERED);
	CU_ASSERT_STRING_EQUAL(res->err.msg, "overloaded");
	CU_ASSERT_EQUAL(res->usage.source, WL_U_PARTIAL);
	CU_ASSERT_EQUAL(call_one("sseerrorfirst", true), -1);
	CU_ASSERT(got(OVERLOADED));
	CU_ASSERT_EQUAL(res->outcome, WL_O_UPSTREAM_FAILED);
	/* nothing came of it, so nothing is charged */
	CU_ASSERT_EQUAL(res->usage.source, WL_U_NONE);
	CU_ASSERT_EQUAL(res->cost_nano, 0);
	/* the answer was complete, though nobody said so */
	CU_ASSERT_EQUAL(call_one("ssereason", true), 0);
	CU_ASSERT(got(E(CHUNK("Hello")) E(STOP) E("[DONE]")));
	CU_ASSERT_EQUAL(res->usage.source, WL_U_ESTIMATED);
	CU_ASSERT_EQUAL(call_one("ssereasoncut", true), -1);
	CU_ASSERT(ends_with_error(E(CHUNK("Hello")) E(STOP),
	    "upstream_invalid_response"));
}

TEST(quiet)
{
	/* headers and comments before the provider says anything */
	fresh();
	conf.stream_commit_after = 60;
	conf.heartbeat = 60;
	target("openai", "late");
	CU_ASSERT_EQUAL(call(true), 0);
	CU_ASSERT(heartbeats >= 2 && heartbeats <= 4);
	CU_ASSERT(got(E(CHUNK("late")) E("[DONE]")));
	/* then an error can only be an event */
	fresh();
	conf.stream_commit_after = 50;
	conf.first_byte_timeout = 120;
	target("openai", "silent");
	CU_ASSERT_EQUAL(call(true), -1);
	CU_ASSERT_EQUAL(begun_status, 200);
	CU_ASSERT(ends_with_error("", "upstream_timeout"));
	CU_ASSERT_EQUAL(res->outcome, WL_O_UPSTREAM_FAILED);
	CU_ASSERT_EQUAL(res->http, 200);
	/* but another target may still answer */
	fresh();
	conf.stream_commit_after = 50;
	conf.first_byte_timeout = 120;
	target("openai", "silent");
	target("second", "sse");
	CU_ASSERT_EQUAL(call(true), 0);
	CU_ASSERT(got(E(CHUNK("Hel")) E(CHUNK("lo")) E("[DONE]")));
	/* between chunks, and while a provider is in the middle of one */
	fresh();
	conf.heartbeat = 60;
	target("openai", "slowend");
	CU_ASSERT_EQUAL(call(true), 0);
	CU_ASSERT(heartbeats >= 2 && heartbeats <= 5);
	fresh();
	conf.heartbeat = 30;
	conf.between_bytes_timeout = 150;
	target("openai", "stallhalf");
	CU_ASSERT_EQUAL(call(true), -1);
	CU_ASSERT(heartbeats >= 2);
	/* no comments for answers in one piece */
	fresh();
	conf.stream_commit_after = conf.heartbeat = 30;
	conf.first_byte_timeout = 150;
	target("openai", "silent");
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(heartbeats, 0);
	CU_ASSERT_EQUAL(begun_status, 0);
}

/*
 * After the last event the connection may stay open: the client does not
 * wait.
 */
TEST(open_end)
{
	int64_t start = wl_mono_fresh();

	CU_ASSERT_EQUAL(call_one("doneopen", true), 0);
	CU_ASSERT(got(E(CHUNK("Hello")) E("[DONE]")));
	CU_ASSERT(wl_mono_fresh() - start < 1000);
}

/*
 * A client slower than the provider gets everything, in order.
 */
TEST(slow_client)
{
	const char *p;
	char want[16];
	int i;

	fresh();
	slow = true;
	target("openai", "numbers");
	CU_ASSERT_EQUAL(call(true), 0);
	CU_ASSERT_EQUAL(res->chunks, 20000);
	for (p = sent.p, i = 0; i < 20000 && p != NULL; i++) {
		snprintf(want, sizeof(want), "%08d", i);
		p = strstr(p, "\"content\":\"");
		if (p == NULL || strncmp(p + 11, want, 8) != 0)
			break;
		p += 11;
	}
	CU_ASSERT_EQUAL(i, 20000);
	CU_ASSERT(res->truncated);
	CU_ASSERT_EQUAL(res->text.len, 4096);
}

/* ---- clients that leave ---- */

/*
 * Give the sink a socket whose other end is closed after MS.
 */
static int64_t	leave_after;

static void
leave_later(void *arg)
{
	(void)arg;
	wl_sleep(leave_after);
	close(client_fd);
	client_fd = -1;
}

static void
client_leaves(int64_t ms)
{
	int fd[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK,
	    0, fd), 0);
	sink.fd = fd[0];
	client_fd = fd[1];
	leave_after = ms;
	CU_ASSERT(wl_co_spawn("leave", leave_later, NULL) != NULL);
}

static void
after_leaving(int64_t start)
{
	int i;

	wl_forget(sink.fd);
	close(sink.fd);
	CU_ASSERT_EQUAL(res->outcome, WL_O_CLIENT_GONE);
	CU_ASSERT_EQUAL(res->err.code, WL_E_CLIENT_CLOSED);
	CU_ASSERT_EQUAL(res->http, 499);
	for (i = 0; i < 500 && !peer_closed; i++)
		wl_sleep(2);
	CU_ASSERT(peer_closed);
	CU_ASSERT(closed_at - start < 1000);
}

TEST(leaving)
{
	static const struct {
		const char	*script;
		bool		 stream;
	} rows[] = {
		{ "silent", false },	/* before the first byte */
		{ "silent", true },
		{ "stall", true },	/* between chunks */
		{ "stallhalf", true },	/* within one */
	};
	int64_t start;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fresh();
		target("openai", rows[i].script);
		client_leaves(60);
		start = wl_mono_fresh();
		CU_ASSERT_EQUAL(call(rows[i].stream), -1);
		CU_ASSERT_EQUAL(res->usage.source, WL_U_PARTIAL);
		CU_ASSERT_EQUAL(res->usage.input, ask.input_estimate);
		CU_ASSERT(res->price_known);
		CU_ASSERT_EQUAL(ends, 0);
		after_leaving(start);
	}
}

/*
 * Between two attempts nothing is under way that somebody could bill.
 */
TEST(leaving_between)
{
	fresh();
	conf.upstream_retries = 1;
	conf.retry_wait_max = 60000;
	target("openai", "429,ok");
	client_leaves(500);
	CU_ASSERT_EQUAL(call(false), -1);
	wl_forget(sink.fd);
	close(sink.fd);
	CU_ASSERT_EQUAL(res->outcome, WL_O_CLIENT_GONE);
	CU_ASSERT_EQUAL(res->usage.source, WL_U_NONE);
	CU_ASSERT_EQUAL(res->attempts, 1);
	CU_ASSERT_EQUAL(requests, 1);
	/* a quiet stream hears comments meanwhile */
	fresh();
	conf.upstream_retries = 1;
	conf.retry_wait_max = 5000;
	conf.stream_commit_after = conf.heartbeat = 20;
	target("openai", "429third,sse");
	CU_ASSERT_EQUAL(call(true), 0);
	CU_ASSERT(heartbeats >= 2);
	CU_ASSERT_EQUAL(res->attempts, 2);
}

static void
refuse_later(void *arg)
{
	(void)arg;
	wl_sleep(30);
	refuse = true;
}

/*
 * Seen when it is written to, as behind servers that do not tell.
 */
TEST(write_fails)
{
	fresh();
	refuse = true;
	target("openai", "sse");
	CU_ASSERT_EQUAL(call(true), -1);
	CU_ASSERT_EQUAL(res->outcome, WL_O_CLIENT_GONE);
	/* a comment tells it too */
	fresh();
	conf.heartbeat = 60;
	target("openai", "stall");
	CU_ASSERT(wl_co_spawn("refuse", refuse_later, NULL) != NULL);
	CU_ASSERT_EQUAL(call(true), -1);
	CU_ASSERT_EQUAL(heartbeats, 1);
	CU_ASSERT_EQUAL(res->outcome, WL_O_CLIENT_GONE);
	CU_ASSERT_EQUAL(res->usage.source, WL_U_PARTIAL);
	/* a client that is gone when the last event comes has not got it */
	fresh();
	refuse = true;
	target("openai", "ok");
	CU_ASSERT_EQUAL(call(false), -1);
	CU_ASSERT_EQUAL(res->outcome, WL_O_CLIENT_GONE);
	CU_ASSERT_EQUAL(res->usage.source, WL_U_PROVIDER);
}

/*
 * With drain_on_disconnect the usage is read all the same.
 */
TEST(drain)
{
	fresh();
	conf.drain_on_disconnect = true;
	target("openai", "slowend");
	client_leaves(60);
	CU_ASSERT_EQUAL(call(true), -1);
	wl_forget(sink.fd);
	close(sink.fd);
	CU_ASSERT_EQUAL(res->outcome, WL_O_CLIENT_GONE);
	CU_ASSERT_EQUAL(res->usage.source, WL_U_PROVIDER);
	CU_ASSERT_EQUAL(res->usage.output, 500);
	CU_ASSERT_EQUAL(res->cost_nano, 450000);
	CU_ASSERT_EQUAL(ends, 0);
}

static void
cancelled_call(void *arg)
{
	CU_ASSERT_EQUAL(call(true), -1);
	*(bool *)arg = true;
}

TEST(cancel)
{
	struct wl_co *co;
	bool over = false;
	int i;

	fresh();
	conf.drain_on_disconnect = true;
	target("openai", "stall");
	co = wl_co_spawn("call", cancelled_call, &over);
	CU_ASSERT_FATAL(co != NULL);
	wl_sleep(60);
	wl_co_cancel(co);
	for (i = 0; i < 500 && !(over && peer_closed); i++)
		wl_sleep(2);
	CU_ASSERT(over);
	CU_ASSERT(peer_closed);
	CU_ASSERT_EQUAL(res->outcome, WL_O_CLIENT_GONE);
	CU_ASSERT_EQUAL(res->usage.source, WL_U_PARTIAL);
	CU_ASSERT_EQUAL(res->usage.output, 2);
}

TEST(embeddings)
{
	fresh();
	target("openai", "200html");
	CU_ASSERT_EQUAL(call_body(WL_API_EMBEDDINGS,
	    "{\"model\":\"gpt-m\",\"input\":\"x\"}"), -1);
	CU_ASSERT(strstr(last_request, "/embeddings HTTP") != NULL);
	CU_ASSERT_EQUAL(res->err.code, WL_E_UPSTREAM_INVALID);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "an answer in one piece", whole },
		{ "errors before the first byte", errors },
		{ "timeouts", timeouts },
		{ "names, the guard, bad keys", unknown_name },
		{ "the next target", next_target },
		{ "the next target of a stream", next_stream },
		{ "the same target again", again },
		{ "bounds of attempts", bounds },
		{ "prompts that are too long", context },
		{ "redirects", redirect },
		{ "keys that are set aside", aside },
		{ "a provider that is set aside", breaker },
		{ "a second target beside the first", hedges },
		{ "one of two fails", hedges_fail },
		{ "no second target", hedges_refused },
		{ "a stream", stream },
		{ "forms of streams", forms },
		{ "streams that break", broken_streams },
		{ "quiet streams", quiet },
		{ "a stream whose connection stays open", open_end },
		{ "a slow client", slow_client },
		{ "clients that leave", leaving },
		{ "clients that leave between attempts", leaving_between },
		{ "clients that cannot be written to", write_fails },
		{ "reading on for the usage", drain },
		{ "cancelling", cancel },
		{ "embeddings", embeddings },
		{ NULL, NULL }
	};

	alarm(120);
	(void)wl_log_open("/dev/null", WL_ERROR, "test");
	return wl_tap_run("upstream", tests);
}
