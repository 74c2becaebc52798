/*
 * The reader's side of an outgoing transfer; it runs in a coroutine.
 */
#include "config.h"
#include "lib/http/client_priv.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/co.h"
#include "lib/base/err.h"
#include "lib/base/wait.h"

/* An emptied buffer larger than this is given back. */
#define KEEP_MAX	((size_t)16 * 1024)

/*
 * What X shows of WANT.
 */
static int
shows(const struct wl_xfer *x, int want)
{
	int bits = x->done ? WL_X_DONE : 0;

	if ((want & WL_X_HEADERS) && x->headers_done)
		bits |= WL_X_HEADERS;
	if ((want & WL_X_DATA) && wl_xfer_unread(x) > 0)
		bits |= WL_X_DATA;
	return bits;
}

int
wl_xfer_wait_two(struct wl_xfer *x, struct wl_xfer *y, int want, int fd,
    uint32_t events, int64_t deadline, struct wl_xfer **which)
{
	int bits, got;

	x->owner = wl_co_self();
	if (y != NULL)
		y->owner = x->owner;
	*which = NULL;
	/* as wl_wait() does, also when there is nothing to wait for */
	if (wl_co_cancelled()) {
		errno = ECANCELED;
		return -1;
	}
	for (;;) {
		*which = x;
		if ((bits = shows(x, want)) != 0)
			return bits;
		*which = y;
		if (y != NULL && (bits = shows(y, want)) != 0)
			return bits;
		*which = NULL;
		got = wl_wait(fd, (fd == -1 ? 0 : events) | WL_WOKEN,
		    deadline);
		if (got == -1)
			return -1;
		if (got == 0)
			return WL_X_DEADLINE;
		if (((uint32_t)got & ~WL_WOKEN) != 0)
			return WL_X_PEER;
	}
}

int
wl_xfer_wait(struct wl_xfer *x, int want, int fd, uint32_t events,
    int64_t deadline)
{
	struct wl_xfer *which;

	return wl_xfer_wait_two(x, NULL, want, fd, events, deadline, &which);
}

int
wl_xfer_status(const struct wl_xfer *x)
{
	return x->status;
}

const char *
wl_xfer_header(const struct wl_xfer *x, const char *name)
{
	const char *p = x->head.len == 0 ? "" : x->head.p;
	const char *end = p + x->head.len;
	size_t n = strlen(name);

	while (p < end) {
		if (strncasecmp(p, name, n) == 0 && p[n] == ':')
			return p + n + 1 + strspn(p + n + 1, " \t");
		p += strlen(p) + 1;
	}
	return NULL;
}

static void
empty(struct wl_buf *b)
{
	if (b->cap > KEEP_MAX) {
		size_t limit = b->limit;

		wl_buf_free(b);
		wl_buf_init(b, limit);
	} else {
		wl_buf_reset(b);
	}
}

struct wl_str
wl_xfer_peek(struct wl_xfer *x)
{
	struct wl_buf spare;

	if (x->taken == x->front.len) {
		empty(&x->front);
		x->taken = 0;
		spare = x->front;
		x->front = x->back;
		x->back = spare;
	} else if (x->back.len > 0) {
		wl_buf_drop(&x->front, x->taken);
		x->taken = 0;
		wl_buf_add(&x->front, x->back.p, x->back.len);
		if (x->front.failed)
			wl_xfer_finished(x, WL_FAULT_MEMORY, CURLE_OK);
		else
			empty(&x->back);
	}
	if (x->front.len == 0)
		return WL_STR("");
	return (struct wl_str){ x->front.p + x->taken,
	    x->front.len - x->taken };
}

void
wl_xfer_take(struct wl_xfer *x, size_t len)
{
	size_t have = x->front.len - x->taken;

	x->taken += len < have ? len : have;
	if (x->paused && !x->done && wl_xfer_unread(x) <= x->limit / 2)
		wl_client_unpause(x);
}

static int
timed_out(struct wl_err *e, const struct wl_xfer *x, const char *which)
{
	wl_err_set(e, WL_E_UPSTREAM_TIMEOUT,
	    "The provider did not answer in time (%s).", which);
	return wl_err_detail(e, "%s: %s timeout", x->host, which);
}

static int
curl_error(const struct wl_xfer *x, struct wl_err *e)
{
	const char *text = x->curl_text[0] != '\0' ? x->curl_text :
	    curl_easy_strerror(x->result);

	switch ((int)x->result) {
	case CURLE_OPERATION_TIMEDOUT:
		return timed_out(e, x, "connect");
	case CURLE_PARTIAL_FILE:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		wl_err_set(e, WL_E_UPSTREAM_INVALID, NULL);
		break;
	case CURLE_OUT_OF_MEMORY:
		wl_err_set(e, WL_E_UNAVAILABLE, NULL);
		break;
	default:
		wl_err_set(e, WL_E_UPSTREAM, x->headers_done ?
		    "The provider broke the connection." :
		    "The provider could not be reached.");
		break;
	}
	return wl_err_detail(e, "%s: %s", x->host, text);
}

int
wl_xfer_error(struct wl_xfer *x, struct wl_err *e)
{
	switch (x->fault) {
	case WL_FAULT_NONE:
		return 0;
	case WL_FAULT_CONNECT:
		return timed_out(e, x, "connect");
	case WL_FAULT_FIRST_BYTE:
		return timed_out(e, x, "first byte");
	case WL_FAULT_BETWEEN:
		return timed_out(e, x, "between bytes");
	case WL_FAULT_TOTAL:
		return timed_out(e, x, "total");
	case WL_FAULT_HEADERS:
		wl_err_set(e, WL_E_UPSTREAM_INVALID, NULL);
		return wl_err_detail(e, "%s: headers too large", x->host);
	case WL_FAULT_MEMORY:
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	case WL_FAULT_CLOSED:
		wl_err_set(e, WL_E_UNAVAILABLE, NULL);
		return wl_err_detail(e, "%s: the client was closed", x->host);
	case WL_FAULT_CURL:
		return curl_error(x, e);
	}
	return -1;
}

void
wl_xfer_times(const struct wl_xfer *x, struct wl_xfer_times *t)
{
	t->connect = x->connect_us == 0 ? -1 : x->connect_us - x->start_us;
	t->first_byte = x->first_us == 0 ? -1 : x->first_us - x->start_us;
	t->total = x->done_us == 0 ? -1 : x->done_us - x->start_us;
	t->reused = x->reused;
}

int
wl_xfer_read(struct wl_xfer *x, size_t max, struct wl_buf *b, struct wl_err *e)
{
	struct wl_str s;
	int bits = 0;

	while (!(bits & WL_X_DONE) || (bits & WL_X_DATA)) {
		/* the transfer has its own limits, all shorter */
		bits = wl_xfer_wait(x, WL_X_DATA, -1, 0,
		    wl_mono() + 2 * WL_XFER_LONGEST_MS);
		if (bits == -1)
			return wl_err_set(e, WL_E_CLIENT_CLOSED, NULL);
		s = wl_xfer_peek(x);
		if (s.len > max - b->len) {
			wl_err_set(e, WL_E_UPSTREAM_INVALID, NULL);
			return wl_err_detail(e, "%s: longer than %zu bytes",
			    x->host, max);
		}
		wl_buf_add(b, s.p, s.len);
		wl_xfer_take(x, s.len);
	}
	return wl_xfer_error(x, e);
}

int
wl_fetch(struct wl_arena *a, const struct wl_xfer_opts *o, size_t max,
    struct wl_str *body, struct wl_err *e)
{
	struct wl_xfer *x = wl_xfer_start(o, e);
	struct wl_buf b;
	int rc = -1;

	if (x == NULL)
		return -1;
	wl_buf_init(&b, max + 1);
	if (wl_xfer_read(x, max, &b, e) == 0) {
		body->len = b.len;
		body->p = wl_arena_dup(a, b.p, b.len);
		rc = x->status;
		if (b.failed || body->p == NULL)
			rc = wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	}
	wl_buf_free(&b);
	wl_xfer_free(x);
	return rc;
}
