/*
 * One attempt: the request, the head of the answer, the answer in one piece or
 * what is said instead.
 */
#include "config.h"
#include "lib/core/upstream_priv.h"

#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/co.h"
#include "lib/base/conf.h"
#include "lib/base/loop.h"
#include "lib/base/num.h"
#include "lib/base/wait.h"
#include "lib/core/latency.h"
#include "lib/core/price.h"
#include "lib/core/provider.h"
#include "lib/core/provider_error.h"

#define ERROR_BODY	((size_t)64 * 1024)

bool
wl_upstream_leave(struct wl_uprun *r)
{
	int64_t until = wl_mono() + WL_UPSTREAM_DRAIN_MS;

	if (!wl_co_cancelled() && r->sink->stay != NULL &&
	    r->sink->stay(r->sink))
		return false;
	if (r->gone || !r->conf->drain_on_disconnect || wl_co_cancelled())
		return true;
	r->gone = true;
	if (until < r->deadline)
		r->deadline = until;
	return false;
}

/*
 * When the client must hear something, or the call is over.
 */
static int64_t
next_beat(const struct wl_uprun *r)
{
	int64_t when = r->deadline;

	if (r->ask->stream && !r->gone)
		when = r->quiet_since + (r->sink->begun ? r->conf->heartbeat :
		    r->conf->stream_commit_after);
	return when < r->deadline ? when : r->deadline;
}

static bool
beat(struct wl_uprun *r, bool between)
{
	r->quiet_since = wl_mono();
	if (!between)
		return true;
	r->sink->begun = true;
	return r->sink->heartbeat(r->sink) == 0;
}

int
wl_upstream_pause(struct wl_uprun *r, int64_t until, enum wl_upend *end)
{
	int64_t when;
	int fd, bits;

	while (wl_mono_fresh() < until) {
		when = next_beat(r);
		fd = r->gone ? -1 : r->sink->fd;
		bits = wl_wait(fd, fd == -1 ? 0 : EPOLLRDHUP,
		    when < until ? when : until);
		/* nobody is left who wants another attempt */
		if (bits != 0) {
			r->gone = true;
			break;
		}
		if (when < until && wl_mono_fresh() >= when &&
		    !beat(r, true)) {
			r->gone = true;
			break;
		}
	}
	*end = WL_UP_GONE;
	return r->gone ? -1 : 0;
}

static int
total_timeout(struct wl_uprun *r)
{
	return wl_err_set(&r->res->err, WL_E_UPSTREAM_TIMEOUT,
	    "The provider did not answer in time (total).");
}

int
wl_upstream_await_two(struct wl_uprun *r, struct wl_xfer *y, int want,
    bool between, int64_t until, struct wl_xfer **which, enum wl_upend *end)
{
	int64_t when;
	int bits;

	for (;;) {
		when = next_beat(r);
		bits = wl_xfer_wait_two(r->x, y, want, r->gone ? -1 :
		    r->sink->fd, EPOLLRDHUP, when < until ? when : until,
		    which);
		if (bits == -1 || (bits & WL_X_PEER) != 0) {
			if (bits == -1)
				r->gone = true;
			if (wl_upstream_leave(r))
				break;
		} else if ((bits & WL_X_DEADLINE) == 0) {
			return 0;
		} else if (wl_mono() >= r->deadline) {
			if (r->gone)
				break;
			total_timeout(r);
			*end = WL_UP_FAILED;
			return -1;
		} else if (when > until) {
			return 0;
		} else if (!beat(r, between) && wl_upstream_leave(r)) {
			break;
		}
	}
	*end = WL_UP_GONE;
	return -1;
}

int
wl_upstream_await(struct wl_uprun *r, int want, bool between,
    enum wl_upend *end)
{
	struct wl_xfer *which;

	return wl_upstream_await_two(r, NULL, want, between, INT64_MAX,
	    &which, end);
}

enum wl_upend
wl_upstream_broken(struct wl_uprun *r)
{
	struct wl_result *res = r->res;

	if (wl_xfer_error(r->x, &res->err) == 0) {
		wl_err_set(&res->err, WL_E_UPSTREAM,
		    "The provider's answer ended early.");
		wl_err_detail(&res->err, "%s: end of stream", r->t->provider);
	}
	return res->err.code == WL_E_UPSTREAM_INVALID ? WL_UP_FAILED : WL_UP_NEXT;
}

static void
free_buf(void *p)
{
	wl_buf_free(p);
}

/*
 * The body, at most MAX bytes of it, into *OUT, which lives with the arena.
 * CUT: a longer one is cut, not refused.
 */
static int
read_body(struct wl_uprun *r, size_t max, bool cut, struct wl_str *out,
    enum wl_upend *end)
{
	struct wl_buf *b = wl_arena_alloc(r->a, sizeof(*b));
	struct wl_str s;
	size_t n;

	*end = WL_UP_FAILED;
	if (b == NULL || wl_arena_defer(r->a, free_buf, b) == -1)
		return wl_err_set(&r->res->err, WL_E_UNAVAILABLE, NULL);
	wl_buf_init(b, max + 1);
	for (;;) {
		if (wl_upstream_await(r, WL_X_DATA, true, end) == -1)
			return -1;
		s = wl_xfer_peek(r->x);
		if (s.len == 0)
			break;
		n = s.len > max - b->len ? max - b->len : s.len;
		wl_buf_add(b, s.p, n);
		wl_xfer_take(r->x, s.len);
		if (n < s.len && cut)
			break;
		if (n < s.len) {
			wl_err_set(&r->res->err, WL_E_UPSTREAM_INVALID,
			    "The provider's answer is too large.");
			return wl_err_detail(&r->res->err,
			    "%s: more than %zu bytes", r->t->provider, max);
		}
	}
	if (b->failed)
		return wl_err_set(&r->res->err, WL_E_UNAVAILABLE, NULL);
	*out = (struct wl_str){ b->p == NULL ? "" : b->p, b->len };
	return 0;
}

/*
 * How long the provider wants to be left alone, ms: a number of seconds, a
 * date, or OpenAI's header in milliseconds.
 */
static int64_t
retry_ms(const struct wl_uprun *r)
{
	const char *ms = wl_xfer_header(r->x, "retry-after-ms");
	int64_t n;

	if (ms != NULL && wl_num_parse(ms, strcspn(ms, "."), 0, INT64_MAX,
	    &n) == 0 && n < (int64_t)7 * 24 * 3600 * 1000)
		return n;
	return (int64_t)wl_provider_error_retry_after(
	    wl_xfer_header(r->x, "retry-after")) * 1000;
}

static enum wl_upend
error_answer(struct wl_uprun *r, int status)
{
	const char *should = wl_xfer_header(r->x, "x-should-retry");
	struct wl_err none = { .code = WL_OK };
	struct wl_str body;
	enum wl_upend end;

	r->retry_ms = retry_ms(r);
	r->no_again = should != NULL && strcasecmp(should, "false") == 0;
	/* its words are welcome, its status is enough */
	if (read_body(r, ERROR_BODY, true, &body, &end) == -1) {
		if (end == WL_UP_GONE)
			return end;
		body = WL_STR("");
	}
	r->res->err = none;
	r->t->wire->error(r->a, r->t, status, body, r->res);
	(void)wl_provider_error_map(r->res, r->t, status,
	    wl_xfer_header(r->x, "retry-after"));
	return status >= 400 ? WL_UP_NEXT : WL_UP_FAILED;
}

static enum wl_upend
whole_answer(struct wl_uprun *r)
{
	const char *type = wl_xfer_header(r->x, "content-type");
	struct wl_result *res = r->res;
	struct wl_str body;
	enum wl_upend end;

	if (read_body(r, (size_t)r->conf->max_response, false, &body, &end) ==
	    -1)
		return end;
	if (wl_xfer_error(r->x, &res->err) == -1)
		return wl_upstream_broken(r);
	if (r->t->wire->answer(r->a, r->ask, r->t, body, res) == -1) {
		if (res->err.code != WL_OK) {
			wl_err_detail(&res->err, "%s: an error in the answer",
			    r->t->provider);
			return WL_UP_NEXT;
		}
		wl_err_set(&res->err, WL_E_UPSTREAM_INVALID, NULL);
		wl_err_detail(&res->err, "%s: %zu bytes of %.60s",
		    r->t->provider, body.len, type == NULL ? "no type" : type);
		return WL_UP_FAILED;
	}
	if (res->raw.p != NULL)		/* translated */
		type = NULL;
	else
		res->raw = body;
	type = wl_arena_strdup(r->a, type == NULL ? "application/json" : type);
	r->type = wl_str_of(type == NULL ? "application/json" : type);
	if (r->sink->begun) {
		wl_err_set(&res->err, WL_E_UPSTREAM_INVALID,
		    "The provider did not stream its answer.");
		return WL_UP_FAILED;
	}
	return WL_UP_DONE;
}

enum wl_upend
wl_upstream_start(struct wl_uprun *r, struct wl_upcall *u)
{
	const struct wl_conf *conf = r->conf;
	struct wl_result *res = r->res;
	struct wl_xfer_opts o = { .method = "POST" };

	if (wl_capability_check(r->t->wire, r->ask, &res->err) == -1 ||
	    r->t->wire->request(r->a, r->ask, r->t, r->request_id, u,
	    &res->err) == -1)
		return res->err.code == WL_E_UPSTREAM_CREDENTIALS ?
		    WL_UP_NEXT : WL_UP_FAILED;
	o.url = u->url;
	o.headers = u->headers;
	o.body = u->body.p;
	o.body_len = u->body.len;
	o.trust = r->t->trust;
	o.connect_ms = conf->connect_timeout;
	o.first_byte_ms = conf->first_byte_timeout;
	o.between_ms = conf->between_bytes_timeout;
	o.total_ms = r->deadline - wl_mono();
	o.buffer = (size_t)conf->stream_buffer;
	res->attempts++;
	r->x = wl_xfer_start(&o, &res->err);
	if (r->x != NULL)
		return WL_UP_DONE;
	if (res->err.code == WL_E_CLIENT_CLOSED)
		return WL_UP_GONE;
	if (res->err.code == WL_E_INVALID_REQUEST)
		wl_err_set(&res->err, WL_E_UPSTREAM_CREDENTIALS, NULL);
	return WL_UP_NEXT;
}

static bool
is_stream(const struct wl_uprun *r)
{
	const char *type = wl_xfer_header(r->x, "content-type");
	const char *want = r->t->wire->stream_type;

	if (want == NULL)
		want = "text/event-stream";
	return r->ask->stream && (type == NULL ||
	    strncasecmp(type, want, strlen(want)) == 0);
}

/*
 * We ask for no encoding, and pass on what comes: nobody would decode it.
 */
static bool
is_encoded(const struct wl_uprun *r)
{
	const char *coding = wl_xfer_header(r->x, "content-encoding");

	return coding != NULL && coding[0] != '\0' &&
	    strcasecmp(coding, "identity") != 0;
}

static enum wl_upend
answer(struct wl_uprun *r, const struct wl_upcall *u)
{
	struct wl_result *res = r->res;
	enum wl_upend end;

	if (wl_upstream_await(r, WL_X_HEADERS, true, &end) == -1)
		return end;
	if ((res->upstream_http = wl_xfer_status(r->x)) == 0)
		return wl_upstream_broken(r);
	r->answered = true;
	res->first_byte_us = wl_upstream_age(r);
	if (res->upstream_http < 200 || res->upstream_http > 299)
		return error_answer(r, res->upstream_http);
	if (is_encoded(r)) {
		wl_err_set(&res->err, WL_E_UPSTREAM_INVALID, NULL);
		wl_err_detail(&res->err, "%s: an encoding not asked for",
		    r->t->provider);
		return WL_UP_FAILED;
	}
	return is_stream(r) ? wl_upstream_stream(r, u->hide_usage) :
	    whole_answer(r);
}

/*
 * What least_latency goes by.  A failure that is the caller's own, or his
 * key's, says nothing of the provider.
 */
static void
note_latency(const struct wl_uprun *r, enum wl_upend end, int64_t begin_us)
{
	const struct wl_result *res = r->res;

	if (end == WL_UP_DONE && res->first_byte_us >= 0)
		wl_latency_note(r->t->provider, r->t->model,
		    res->first_byte_us - begin_us);
	else if (end == WL_UP_NEXT && (res->upstream_http < 400 ||
	    res->upstream_http >= 500 || res->upstream_http == 408))
		wl_latency_failed(r->t->provider, r->t->model);
}

void
wl_upstream_name(struct wl_uprun *r)
{
	struct wl_result *res = r->res;

	r->ask = r->t->ask != NULL ? r->t->ask : r->client;
	res->api = r->ask->api;
	(void)wl_strlcpy(res->provider, r->t->provider, sizeof(res->provider));
	(void)wl_strlcpy(res->model, r->t->model, sizeof(res->model));
	(void)wl_strlcpy(res->variant, r->t->variant == NULL ? "" :
	    r->t->variant, sizeof(res->variant));
}

enum wl_upend
wl_upstream_attempt(struct wl_uprun *r)
{
	struct wl_result *res = r->res;
	struct wl_upcall u;
	enum wl_upend end;
	int64_t begin_us;

	wl_upstream_name(r);
	wl_price_warm(res->provider, res->model);
	r->half_sent = r->no_again = r->answered = r->healthy = false;
	r->retry_ms = 0;
	begin_us = wl_upstream_age(r);
	if ((end = wl_upstream_start(r, &u)) == WL_UP_DONE &&
	    r->race.t != NULL)
		end = wl_upstream_race(r, &u);
	if (end == WL_UP_DONE)
		end = answer(r, &u);
	note_latency(r, end, r->race.won ? r->race.at_us : begin_us);
	wl_xfer_free(r->x);
	r->x = NULL;
	return end;
}
