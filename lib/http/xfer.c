/*
 * One outgoing transfer, from its start to its end.  libcurl's callbacks run
 * on the loop's stack: they store and wake, nothing else.  The reader's side
 * is in xfer_read.c.
 */
#include "config.h"
#include "lib/http/client_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/base/arena.h"
#include "lib/base/co.h"
#include "lib/base/err.h"
#include "lib/base/wait.h"
#include "lib/http/guard.h"
#include "lib/http/names.h"

#define HEAD_MAX	((size_t)64 * 1024)
#define LINES_MAX	200
#define BUFFER_DEFAULT	((size_t)64 * 1024)
/* What libcurl hands over at most in one piece. */
#define PIECE_MAX	((size_t)CURL_MAX_WRITE_SIZE)
#define HOUR_MS		((int64_t)3600 * 1000)

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/*
 * The timeout that ends X first in its present state, and when (ms).
 */
static enum wl_fault
next_timeout(const struct wl_xfer *x, int64_t *when)
{
	enum wl_fault fault;
	int64_t total = x->start_us / 1000 + x->total_ms;

	if (x->headers_done) {
		fault = WL_FAULT_BETWEEN;
		/* our reader's slowness is not the provider's */
		*when = (x->paused ? wl_mono() : x->last_ms) + x->between_ms;
	} else if (x->connect_us != 0) {
		fault = WL_FAULT_FIRST_BYTE;
		*when = x->connect_us / 1000 + x->first_byte_ms;
	} else {
		fault = WL_FAULT_CONNECT;
		*when = x->start_us / 1000 + x->connect_ms;
	}
	if (total > *when)
		return fault;
	*when = total;
	return WL_FAULT_TOTAL;
}

static void arm(struct wl_xfer *x);

/*
 * Bytes do not move the timer: it looks again when it fires.
 */
static void
on_timeout(void *arg)
{
	struct wl_xfer *x = arg;
	enum wl_fault fault;
	int64_t when;

	fault = next_timeout(x, &when);
	if (when <= wl_mono())
		wl_xfer_finished(x, fault, CURLE_OK);
	else
		arm(x);
}

static void
arm(struct wl_xfer *x)
{
	int64_t when;

	next_timeout(x, &when);
	if (wl_timer_set(&x->timer, when, on_timeout, x) == -1)
		wl_xfer_finished(x, WL_FAULT_MEMORY, CURLE_OK);
}

static void
wake(struct wl_xfer *x)
{
	if (x->owner != NULL)
		wl_wake(x->owner);
}

/*
 * Out of libcurl's hands: nothing more can arrive.
 */
static void
detach(struct wl_xfer *x)
{
	struct wl_pool *pool = x->pool;

	if (pool == NULL)
		return;
	wl_timer_clear(&x->timer);
	wl_client_forget(x);
	curl_multi_remove_handle(pool->multi, x->easy);
	wl_client_handle_back(pool, x->easy);
	if (x->prev != NULL)
		x->prev->next = x->next;
	else
		pool->xfers = x->next;
	if (x->next != NULL)
		x->next->prev = x->prev;
	x->pool = NULL;
	x->easy = NULL;
}

void
wl_xfer_finished(struct wl_xfer *x, enum wl_fault fault, CURLcode result)
{
	if (!x->done) {
		x->done = true;
		x->done_us = now_us();
		x->result = result;
		/* a callback that refused knows better than libcurl */
		if (x->fault == WL_FAULT_NONE &&
		    (fault != WL_FAULT_CURL || result != CURLE_OK))
			x->fault = fault;
		wl_timer_clear(&x->timer);
		wl_client_forget(x);
		wake(x);
	}
	if (fault == WL_FAULT_CLOSED)
		detach(x);
}

int
wl_xfer_on_connected(void *arg, char *to_ip, char *from_ip, int to_port,
    int from_port)
{
	struct wl_xfer *x = arg;
	long made = 1;

	(void)to_ip;
	(void)from_ip;
	(void)to_port;
	(void)from_port;
	if (x->connect_us == 0) {
		x->connect_us = now_us();
		curl_easy_getinfo(x->easy, CURLINFO_NUM_CONNECTS, &made);
		x->reused = made == 0;
		if (x->resolve != NULL)
			wl_client_known(x->pool, x->resolve->data);
		if (!x->done)
			arm(x);
	}
	return CURL_PREREQFUNC_OK;
}

curl_socket_t
wl_xfer_on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct wl_xfer *x = arg;
	const char *host;
	int port;

	(void)purpose;
	if (a->family != AF_INET && a->family != AF_INET6)
		return CURL_SOCKET_BAD;
	/* the address itself, whatever name or spelling led here */
	if (x->pool->trust == WL_TRUST_PUBLIC && !wl_guard_public(&a->addr) &&
	    !wl_client_via(x->pool->trust, &host, &port))
		return CURL_SOCKET_BAD;
	return socket(a->family, a->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    a->protocol);
}

static size_t
refuse(struct wl_xfer *x, enum wl_fault fault)
{
	if (x->fault == WL_FAULT_NONE)
		x->fault = fault;
	return 0;
}

static void
head_complete(struct wl_xfer *x)
{
	long status = 0;

	curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	/* interim answers are not for us */
	if (status < 200 && status != 101) {
		wl_buf_reset(&x->head);
		x->lines = 0;
		return;
	}
	x->status = (int)status;
	x->headers_done = true;
	x->last_ms = wl_mono();
	arm(x);
	wake(x);
}

size_t
wl_xfer_on_header(char *p, size_t size, size_t n, void *arg)
{
	struct wl_str line = { p, size * n };
	struct wl_xfer *x = arg;

	if (x->done)
		return 0;
	if (x->first_us == 0)
		x->first_us = now_us();
	/* trailers */
	if (x->headers_done)
		return line.len;
	/* white space after a value is no part of it (RFC 9110, 5.5) */
	while (line.len > 0 && strchr(" \t\r\n", line.p[line.len - 1]) !=
	    NULL && line.p[line.len - 1] != '\0')
		line.len--;
	if (line.len == 0) {
		head_complete(x);
		return size * n;
	}
	if (++x->lines > LINES_MAX || x->head.len + line.len > HEAD_MAX)
		return refuse(x, WL_FAULT_HEADERS);
	/* a NUL would end the line early and hide what follows */
	if (memchr(line.p, '\0', line.len) != NULL)
		return refuse(x, WL_FAULT_HEADERS);
	wl_buf_add(&x->head, line.p, line.len);
	wl_buf_addc(&x->head, '\0');
	return x->head.failed ? refuse(x, WL_FAULT_MEMORY) : size * n;
}

size_t
wl_xfer_on_body(char *p, size_t size, size_t n, void *arg)
{
	struct wl_xfer *x = arg;
	size_t len = size * n, have = wl_xfer_unread(x);

	if (x->done)
		return 0;
	x->last_ms = wl_mono();
	if (have > 0 && have + len > x->limit) {
		x->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	if (!wl_client_may_take(x, len)) {
		x->paused = true;
		wl_client_unpause(x);
		return CURL_WRITEFUNC_PAUSE;
	}
	wl_buf_add(&x->back, p, len);
	if (x->back.failed)
		return refuse(x, WL_FAULT_MEMORY);
	wake(x);
	return len;
}

static bool
headers_clean(const char *const *headers)
{
	const char *p;

	for (; headers != NULL && *headers != NULL; headers++)
		for (p = *headers; *p != '\0'; p++)
			if ((unsigned char)*p < ' ' || *p == 0x7f)
				return false;
	return true;
}

static bool
append(struct curl_slist **list, const char *s)
{
	struct curl_slist *longer = curl_slist_append(*list, s);

	if (longer != NULL)
		*list = longer;
	return longer != NULL;
}

static bool
set_headers(struct wl_xfer *x, const struct wl_xfer_opts *o)
{
	const char *const *h;
	bool typed = false;

	for (h = o->headers; h != NULL && *h != NULL; h++) {
		if (!append(&x->headers, *h))
			return false;
		typed |= strncasecmp(*h, "content-type:", 13) == 0;
	}
	/* without these libcurl adds headers of its own */
	if (!typed && !append(&x->headers, "Content-Type:"))
		return false;
	return append(&x->headers, "Expect:");
}

/*
 * Tell libcurl the addresses of HOST, so that it never looks one up itself:
 * that blocks when it is cancelled.  The '+' lets the entry expire.
 */
static bool
set_addresses(struct wl_xfer *x, struct wl_pool *pool, const char *host,
    int port, const struct wl_addrs *addrs)
{
	char text[WL_CLIENT_RESOLVE], one[INET6_ADDRSTRLEN];
	size_t len, name_len;
	const void *raw;
	int i;

	len = (size_t)snprintf(text, sizeof(text), "+%s:%d:", host, port);
	name_len = len;
	for (i = 0; i < addrs->n; i++) {
		raw = addrs->addr[i].sa.sa_family == AF_INET ?
		    (const void *)&addrs->addr[i].in.sin_addr :
		    (const void *)&addrs->addr[i].in6.sin6_addr;
		inet_ntop(addrs->addr[i].sa.sa_family, raw, one, sizeof(one));
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    strchr(one, ':') != NULL ? "%s[%s]" : "%s%s",
		    i == 0 ? "" : ",", one);
	}
	return !wl_client_tell(pool, text, name_len) ||
	    append(&x->resolve, text);
}

static CURLcode
set_method(CURL *h, const struct wl_xfer_opts *o)
{
	const char *m = o->method, *custom = m;
	CURLcode rc;

	if (strcmp(m, "HEAD") == 0) {
		custom = NULL;
		rc = curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
	} else if (o->body_len > 0 || strcmp(m, "POST") == 0 ||
	    strcmp(m, "PUT") == 0 || strcmp(m, "PATCH") == 0) {
		if (strcmp(m, "POST") == 0)
			custom = NULL;
		rc = curl_easy_setopt(h, CURLOPT_POST, 1L);
		if (rc == CURLE_OK)
			rc = curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE,
			    (curl_off_t)o->body_len);
		if (rc == CURLE_OK)
			rc = curl_easy_setopt(h, CURLOPT_POSTFIELDS,
			    o->body_len > 0 ? o->body : "");
	} else {
		if (strcmp(m, "GET") == 0)
			custom = NULL;
		rc = curl_easy_setopt(h, CURLOPT_HTTPGET, 1L);
	}
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, custom);
	return rc;
}

static bool
set_options(struct wl_xfer *x, const struct wl_xfer_opts *o)
{
	CURL *h = x->easy;
	CURLcode rc = set_method(h, o);

#define SET(option, value)						\
	do {								\
		if (rc == CURLE_OK)					\
			rc = curl_easy_setopt(h, (option), (value));	\
	} while (0)
	SET(CURLOPT_URL, o->url);
	/* the handle may have been another's */
	SET(CURLOPT_SSL_VERIFYPEER, o->insecure ? 0L : 1L);
	SET(CURLOPT_SSL_VERIFYHOST, o->insecure ? 0L : 2L);
	SET(CURLOPT_HTTPHEADER, x->headers);
	SET(CURLOPT_RESOLVE, x->resolve);
	/* lets libcurl give each of several addresses its share */
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)x->connect_ms);
	SET(CURLOPT_PRIVATE, x);
	SET(CURLOPT_ERRORBUFFER, x->curl_text);
	SET(CURLOPT_HEADERDATA, x);
	SET(CURLOPT_WRITEDATA, x);
	SET(CURLOPT_PREREQDATA, x);
	SET(CURLOPT_OPENSOCKETDATA, x);
#undef SET
	return rc == CURLE_OK;
}

static int
blocked(struct wl_err *e, const char *host, const char *why)
{
	wl_err_set(e, WL_E_UPSTREAM, "The provider's address is not allowed.");
	return wl_err_detail(e, "%s: %s", host, why);
}

/*
 * Where to connect, judged by the guard.
 */
static int
find_addresses(const struct wl_xfer_opts *o, int64_t deadline,
    const char **host, int *port, struct wl_addrs *addrs, struct wl_err *e)
{
	union wl_addr literal = { 0 };
	bool public = o->trust == WL_TRUST_PUBLIC;
	const char *target = *host;
	int i, n = 0;

	if (wl_client_via(o->trust, host, port)) {
		/* the proxy looks the name up; an address we can judge */
		if (inet_pton(AF_INET, target, &literal.in.sin_addr) == 1)
			literal.in.sin_family = AF_INET;
		else if (inet_pton(AF_INET6, target,
		    &literal.in6.sin6_addr) == 1)
			literal.in6.sin6_family = AF_INET6;
		if (literal.sa.sa_family != 0 && !wl_guard_public(&literal.sa))
			return blocked(e, target, "not a public address");
		public = false;
	}
	if (wl_names_lookup(*host, deadline, addrs, e) == -1)
		return -1;
	for (i = 0; i < addrs->n; i++)
		if (!public || wl_guard_public(&addrs->addr[i].sa))
			addrs->addr[n++] = addrs->addr[i];
	addrs->n = n;
	return n > 0 ? 0 : blocked(e, target, "no public address");
}

static int64_t
limit_ms(int64_t ms)
{
	return ms <= 0 ? HOUR_MS :
	    ms < WL_XFER_LONGEST_MS ? ms : WL_XFER_LONGEST_MS;
}

static struct wl_xfer *
make(const struct wl_xfer_opts *o)
{
	struct wl_xfer *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return NULL;
	x->owner = wl_co_self();
	x->start_us = now_us();
	x->connect_ms = limit_ms(o->connect_ms);
	x->first_byte_ms = limit_ms(o->first_byte_ms);
	x->between_ms = limit_ms(o->between_ms);
	x->total_ms = limit_ms(o->total_ms);
	x->limit = o->buffer > 0 ? o->buffer : BUFFER_DEFAULT;
	wl_buf_init(&x->head, HEAD_MAX + LINES_MAX);
	wl_buf_init(&x->front, x->limit + PIECE_MAX);
	wl_buf_init(&x->back, x->limit + PIECE_MAX);
	return x;
}

/*
 * Hand X to libcurl.
 */
static int
begin(struct wl_xfer *x, struct wl_pool *pool, const struct wl_xfer_opts *o)
{
	if ((x->easy = wl_client_handle(pool)) == NULL)
		return -1;
	if (!set_options(x, o) ||
	    curl_multi_add_handle(pool->multi, x->easy) != CURLM_OK) {
		wl_client_handle_back(pool, x->easy);
		x->easy = NULL;
		return -1;
	}
	x->pool = pool;
	x->next = pool->xfers;
	if (x->next != NULL)
		x->next->prev = x;
	pool->xfers = x;
	arm(x);
	return 0;
}

struct wl_xfer *
wl_xfer_start(const struct wl_xfer_opts *o, struct wl_err *e)
{
	struct wl_addrs addrs;
	struct wl_pool *pool;
	struct wl_xfer *x;
	const char *host;
	bool https;
	int port;

	if (!headers_clean(o->headers)) {
		wl_err_set(e, WL_E_INVALID_REQUEST,
		    "A header value holds a character that is not allowed.");
		return NULL;
	}
	if ((x = make(o)) == NULL)
		goto memory;
	if (wl_guard_split(o->url, &https, x->host, &port) == -1 ||
	    (!https && o->trust == WL_TRUST_PUBLIC)) {
		blocked(e, "URL", "refused by the guard");
		goto out;
	}
	host = x->host;
	if (find_addresses(o, wl_mono() + (x->connect_ms < x->total_ms ?
	    x->connect_ms : x->total_ms), &host, &port, &addrs, e) == -1)
		goto out;
	if ((pool = wl_client_pool(o->trust)) == NULL ||
	    !set_headers(x, o) ||
	    !set_addresses(x, pool, host, port, &addrs) ||
	    begin(x, pool, o) == -1)
		goto memory;
	return x;

memory:
	wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	wl_err_detail(e, "no memory for a transfer, or the client is closed");
out:
	wl_xfer_free(x);
	return NULL;
}

void
wl_xfer_free(struct wl_xfer *x)
{
	if (x == NULL)
		return;
	detach(x);
	curl_slist_free_all(x->headers);
	curl_slist_free_all(x->resolve);
	wl_buf_free(&x->head);
	wl_buf_free(&x->front);
	wl_buf_free(&x->back);
	free(x);
}
