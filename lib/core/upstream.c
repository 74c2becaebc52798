/*
 * One call upstream, in a straight line: target after target, the head of the
 * answer, its body, what it cost.
 */
#include "config.h"
#include "lib/core/upstream.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/co.h"
#include "lib/base/conf.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "lib/core/error_event.h"
#include "lib/core/price.h"
#include "lib/core/provider.h"
#include "lib/core/provider_error.h"
#include "lib/core/stream.h"

/* Bytes passed on before other coroutines have their turn. */
#define FAIR_BYTES	((size_t)64 * 1024)
/* How long the end of a finished stream is waited for, so that its
   connection can be used again. */
#define LINGER_MS	10
#define ERROR_BODY	((size_t)64 * 1024)

/*
 * What became of an attempt.
 */
enum end {
	END_DONE,
	END_NEXT,	/* another target may do better */
	END_FAILED,
	END_GONE	/* the client */
};

/*
 * The call, from its first target to its last.
 */
struct run {
	struct wl_arena		*a;
	const struct wl_conf	*conf;
	const struct wl_ask	*ask;
	const char		*request_id;
	struct wl_sink		*sink;
	struct wl_result	*res;
	const struct wl_target	*t;	/* of this attempt */
	bool			 last;	/* no target is left */
	struct wl_xfer		*x;
	struct wl_str		 type;	/* of an unstreamed answer */
	int64_t			 base_us;	/* request's age at the start */
	int64_t			 start_us;	/* monotonic */
	int64_t			 deadline;	/* monotonic, ms */
	int64_t			 quiet_since;	/* ms */
	bool			 gone;		/* client; we read on */
	bool			 half_sent;	/* of an event */
};

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/*
 * Microseconds since the request began; never runs backwards.
 */
static int64_t
age(const struct run *r)
{
	return r->base_us + now_us() - r->start_us;
}

/*
 * The client has left.  Returns whether that ends the call; else we read on
 * for the usage.
 */
static bool
leave(struct run *r)
{
	int64_t until = wl_mono() + WL_UPSTREAM_DRAIN_MS;

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
next_beat(const struct run *r)
{
	int64_t when = r->deadline;

	if (r->ask->stream && !r->gone)
		when = r->quiet_since + (r->sink->begun ? r->conf->heartbeat :
		    r->conf->stream_commit_after);
	return when < r->deadline ? when : r->deadline;
}

static bool
beat(struct run *r, bool between)
{
	r->quiet_since = wl_mono();
	if (!between)
		return true;
	r->sink->begun = true;
	return r->sink->heartbeat(r->sink) == 0;
}

static int
total_timeout(struct run *r)
{
	return wl_err_set(&r->res->err, WL_E_UPSTREAM_TIMEOUT,
	    "The provider did not answer in time (total).");
}

/*
 * Wait for something of WANT while the client is watched and kept awake.
 * BETWEEN: a comment may be sent.  0: it shows, or the transfer is over; -1:
 * the call ends as *END says.
 */
static int
await(struct run *r, int want, bool between, enum end *end)
{
	int64_t when;
	int bits;

	for (;;) {
		when = next_beat(r);
		bits = wl_xfer_wait(r->x, want, r->gone ? -1 : r->sink->fd,
		    EPOLLRDHUP, when);
		if (bits == -1 || (bits & WL_X_PEER) != 0) {
			if (bits == -1)
				r->gone = true;
			if (leave(r))
				break;
		} else if ((bits & WL_X_DEADLINE) == 0) {
			return 0;
		} else if (wl_mono() >= r->deadline) {
			if (r->gone)
				break;
			total_timeout(r);
			*end = END_FAILED;
			return -1;
		} else if (!beat(r, between) && leave(r)) {
			break;
		}
	}
	*end = END_GONE;
	return -1;
}

/* ---- figures ---- */

static void
estimate(struct run *r, enum wl_usage_source source)
{
	struct wl_usage *u = &r->res->usage;
	int64_t out = wl_tokens_estimate(r->res->output_bytes);

	*u = (struct wl_usage){ r->ask->input_estimate, -1, -1, out, -1,
	    source };
	if (r->ask->api == WL_API_EMBEDDINGS)
		u->output = -1;
}

static void
price(struct run *r)
{
	struct wl_result *res = r->res;
	int found = 0;

	if (res->usage.source == WL_U_NONE)
		return;
	if (res->model_used[0] != '\0')
		found = wl_price_cost(res->provider, res->model_used,
		    &res->usage, &res->cost_nano, &res->price_effective_ms);
	if (!found && strcmp(res->model, res->model_used) != 0)
		found = wl_price_cost(res->provider, res->model,
		    &res->usage, &res->cost_nano, &res->price_effective_ms);
	res->price_known = found == 1;
}

/*
 * Usage and cost of what was answered, COMPLETE or not.
 */
static void
figures(struct run *r, bool complete)
{
	struct wl_result *res = r->res;

	wl_result_end(res);
	if (res->upstream_us == -1)
		res->upstream_us = age(r) - r->base_us;
	if (res->usage.source == WL_U_NONE)
		estimate(r, complete ? WL_U_ESTIMATED : WL_U_PARTIAL);
	else if (!complete)
		res->usage.source = WL_U_PARTIAL;
	price(r);
}

/* ---- errors ---- */

/*
 * The transfer broke, or ended too early.
 */
static enum end
broken(struct run *r)
{
	struct wl_result *res = r->res;

	if (wl_xfer_error(r->x, &res->err) == 0) {
		wl_err_set(&res->err, WL_E_UPSTREAM,
		    "The provider's answer ended early.");
		wl_err_detail(&res->err, "%s: end of stream", r->t->provider);
	}
	return res->err.code == WL_E_UPSTREAM_INVALID ? END_FAILED : END_NEXT;
}

/* ---- unstreamed answers and errors ---- */

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
read_body(struct run *r, size_t max, bool cut, struct wl_str *out,
    enum end *end)
{
	struct wl_buf *b = wl_arena_alloc(r->a, sizeof(*b));
	struct wl_str s;
	size_t n;

	*end = END_FAILED;
	if (b == NULL || wl_arena_defer(r->a, free_buf, b) == -1)
		return wl_err_set(&r->res->err, WL_E_UNAVAILABLE, NULL);
	wl_buf_init(b, max + 1);
	for (;;) {
		if (await(r, WL_X_DATA, true, end) == -1)
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

static enum end
error_answer(struct run *r, int status)
{
	struct wl_err none = { .code = WL_OK };
	struct wl_str body;
	enum end end;

	/* its words are welcome, its status is enough */
	if (read_body(r, ERROR_BODY, true, &body, &end) == -1) {
		if (end == END_GONE)
			return end;
		body = WL_STR("");
	}
	r->res->err = none;
	r->t->wire->error(r->a, r->t, status, body, r->res);
	return wl_provider_error_map(r->res, r->t, status,
	    wl_xfer_header(r->x, "retry-after")) ? END_NEXT : END_FAILED;
}

static enum end
whole_answer(struct run *r)
{
	const char *type = wl_xfer_header(r->x, "content-type");
	struct wl_result *res = r->res;
	struct wl_str body;
	enum end end;

	if (read_body(r, (size_t)r->conf->max_response, false, &body, &end) ==
	    -1)
		return end;
	if (wl_xfer_error(r->x, &res->err) == -1)
		return broken(r);
	if (r->t->wire->answer(r->a, r->ask, r->t, body, res) == -1) {
		if (res->err.code != WL_OK) {
			wl_err_detail(&res->err, "%s: an error in the answer",
			    r->t->provider);
			return END_NEXT;
		}
		wl_err_set(&res->err, WL_E_UPSTREAM_INVALID, NULL);
		wl_err_detail(&res->err, "%s: %zu bytes of %.60s",
		    r->t->provider, body.len, type == NULL ? "no type" : type);
		return END_FAILED;
	}
	res->raw = body;
	type = wl_arena_strdup(r->a, type == NULL ? "application/json" : type);
	r->type = wl_str_of(type == NULL ? "application/json" : type);
	if (r->sink->begun) {
		wl_err_set(&res->err, WL_E_UPSTREAM_INVALID,
		    "The provider did not stream its answer.");
		return END_FAILED;
	}
	return END_DONE;
}

/* ---- streams ---- */

/*
 * What a stream passes on.
 */
static int
pass(void *arg, const char *p, size_t len)
{
	struct run *r = arg;

	if (r->gone)
		return 0;
	if (r->sink->data(r->sink, p, len) == 0) {
		r->quiet_since = wl_mono();
		return 0;
	}
	return leave(r) ? -1 : 0;
}

/*
 * The bytes that came behind the last event: only the rest of its line end
 * is of interest, and that the connection is at its end.
 */
static void
linger(struct run *r, struct wl_stream *s, struct wl_buf *last)
{
	int64_t until = wl_mono_fresh() + LINGER_MS;
	struct wl_str p;
	int bits;

	for (;;) {
		bits = wl_xfer_wait(r->x, WL_X_DATA, -1, 0, until);
		if (bits == -1 || (bits & WL_X_DATA) == 0)
			return;
		p = wl_xfer_peek(r->x);
		(void)wl_stream_feed(s, p.p, p.len);
		wl_buf_add(last, s->last.p, s->last.len);
		wl_xfer_take(r->x, p.len);
	}
}

/*
 * The stream is complete: figures, comment, the LAST event.
 */
static enum end
finish_stream(struct run *r, struct wl_str last)
{
	struct wl_sink *sink = r->sink;

	figures(r, true);
	if (r->gone || (last.len > 0 && sink->trailer(sink, r->res) == -1) ||
	    sink->end(sink, last.p, last.len) == -1)
		return END_GONE;
	return END_DONE;
}

static enum end
stream_done(struct run *r, struct wl_stream *s)
{
	struct wl_buf last;
	enum end end;

	wl_buf_init(&last, 0);
	wl_buf_add(&last, s->last.p, s->last.len);
	linger(r, s, &last);
	end = finish_stream(r, (struct wl_str){ last.p == NULL ? "" : last.p,
	    last.len });
	wl_buf_free(&last);
	return end;
}

/*
 * The stream is over, and said nothing of it.  Some hosts do so when the
 * answer is complete: when they say why it ended, and the framing is whole.
 */
static enum end
stream_ended(struct run *r, struct wl_stream *s)
{
	struct wl_err none = { .code = WL_OK };

	if (r->res->finish_reason[0] == '\0' || !wl_stream_between(s) ||
	    wl_xfer_error(r->x, &r->res->err) == -1)
		return broken(r);
	r->res->err = none;
	/* the end of a response is one that was too long to be held */
	return finish_stream(r, r->ask->api == WL_API_RESPONSES ? WL_STR("") :
	    WL_STR("data: [DONE]\n\n"));
}

/*
 * The provider says in the stream that it has failed.
 */
static enum end
stream_failed(struct run *r)
{
	struct wl_str *said = &r->res->refusal;

	wl_err_detail(&r->res->err, "%s: an error in the stream",
	    r->t->provider);
	said->p = said->len == 0 ? NULL : wl_arena_dup(r->a, said->p,
	    said->len);
	if (said->p == NULL)
		said->len = 0;
	/* nothing of it was passed on, so another may answer */
	return r->sink->data_sent || r->last ? END_FAILED : END_NEXT;
}

/*
 * What is there of the stream goes through.
 */
static enum wl_stream_state
feed(struct run *r, struct wl_stream *s, size_t *unfair)
{
	struct wl_str p = wl_xfer_peek(r->x);
	enum wl_stream_state state;

	state = wl_stream_feed(s, p.p, p.len);
	wl_xfer_take(r->x, p.len);
	if (s->data_out && r->res->first_data_us == -1)
		r->res->first_data_us = age(r);
	r->sink->data_sent |= s->data_out;
	*unfair += p.len;
	if (*unfair >= FAIR_BYTES) {
		*unfair = 0;
		wl_co_yield();
	}
	return state;
}

/*
 * From the first byte of the stream to its last event.
 */
static enum end
pump(struct run *r, struct wl_stream *s)
{
	enum wl_stream_state state = WL_STREAM_MORE;
	bool over = false;
	size_t unfair = 0;
	enum end end;

	while (state == WL_STREAM_MORE && !over) {
		if (await(r, WL_X_DATA, wl_stream_between(s), &end) == -1)
			return end;
		if (wl_xfer_peek(r->x).len > 0) {
			state = feed(r, s, &unfair);
		} else {
			over = true;
			state = wl_stream_end(s);
			r->sink->data_sent |= s->data_out;
		}
	}
	switch (state) {
	case WL_STREAM_MORE:
		return stream_ended(r, s);
	case WL_STREAM_GONE:
		return END_GONE;
	case WL_STREAM_DONE:
		return stream_done(r, s);
	case WL_STREAM_ERROR:
		return stream_failed(r);
	case WL_STREAM_INVALID:
		if (over)
			return broken(r);	/* it was cut off */
		wl_err_set(&r->res->err, WL_E_UPSTREAM_INVALID, NULL);
		wl_err_detail(&r->res->err, "%s: an event is not JSON",
		    r->t->provider);
		break;
	}
	return END_FAILED;
}

static enum end
streamed_answer(struct run *r, bool hide_usage)
{
	const char *type = wl_xfer_header(r->x, "content-type");
	struct wl_stream s;
	enum end end;

	if (!r->sink->begun && !r->gone) {
		r->sink->begun = true;
		if (r->sink->begin(r->sink, 200, type != NULL ? type :
		    "text/event-stream", true) == -1 && leave(r))
			return END_GONE;
		r->quiet_since = wl_mono();
	}
	wl_stream_init(&s, r->t, r->ask, hide_usage, r->res, pass, r);
	end = pump(r, &s);
	r->half_sent = !wl_stream_between(&s);
	wl_stream_free(&s);
	return end;
}

/* ---- attempts ---- */

/*
 * Begin the transfer to R's target.
 */
static enum end
start(struct run *r, struct wl_upcall *u)
{
	const struct wl_conf *conf = r->conf;
	struct wl_result *res = r->res;
	struct wl_xfer_opts o = { .method = "POST" };

	if (r->t->wire->request(r->a, r->ask, r->t, r->request_id, u,
	    &res->err) == -1)
		return END_FAILED;
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
		return END_DONE;
	if (res->err.code == WL_E_CLIENT_CLOSED)
		return END_GONE;
	if (res->err.code == WL_E_INVALID_REQUEST)
		wl_err_set(&res->err, WL_E_UPSTREAM_CREDENTIALS, NULL);
	return END_NEXT;
}

static bool
is_stream(const struct run *r)
{
	const char *type = wl_xfer_header(r->x, "content-type");

	return r->ask->stream && (type == NULL ||
	    strncasecmp(type, "text/event-stream", 17) == 0);
}

/*
 * We ask for no encoding, and pass on what comes: nobody would decode it.
 */
static bool
is_encoded(const struct run *r)
{
	const char *coding = wl_xfer_header(r->x, "content-encoding");

	return coding != NULL && coding[0] != '\0' &&
	    strcasecmp(coding, "identity") != 0;
}

static enum end
answer(struct run *r, const struct wl_upcall *u)
{
	struct wl_result *res = r->res;
	enum end end;

	if (await(r, WL_X_HEADERS, true, &end) == -1)
		return end;
	if ((res->upstream_http = wl_xfer_status(r->x)) == 0)
		return broken(r);
	res->first_byte_us = age(r);
	if (res->upstream_http < 200 || res->upstream_http > 299)
		return error_answer(r, res->upstream_http);
	if (is_encoded(r)) {
		wl_err_set(&res->err, WL_E_UPSTREAM_INVALID, NULL);
		wl_err_detail(&res->err, "%s: an encoding not asked for",
		    r->t->provider);
		return END_FAILED;
	}
	return is_stream(r) ? streamed_answer(r, u->hide_usage) :
	    whole_answer(r);
}

static enum end
attempt(struct run *r)
{
	struct wl_result *res = r->res;
	struct wl_upcall u;
	enum end end;

	(void)wl_strlcpy(res->provider, r->t->provider, sizeof(res->provider));
	(void)wl_strlcpy(res->model, r->t->model, sizeof(res->model));
	wl_price_warm(res->provider, res->model);
	r->half_sent = false;
	if ((end = start(r, &u)) == END_DONE)
		end = answer(r, &u);
	wl_xfer_free(r->x);
	r->x = NULL;
	return end;
}

/*
 * What an error says, kept while other targets are tried.
 */
struct failure {
	struct wl_err	err;
	struct wl_str	refusal;
	int		upstream_http;
	char		upstream_code[65];
};

static void
save(const struct wl_result *res, struct failure *f)
{
	f->err = res->err;
	f->refusal = res->refusal;
	f->upstream_http = res->upstream_http;
	memcpy(f->upstream_code, res->upstream_code,
	    sizeof(f->upstream_code));
}

/*
 * Forget what a failed attempt left.
 */
static void
start_over(struct wl_result *res)
{
	memset(&res->err, 0, sizeof(res->err));
	res->refusal = (struct wl_str){ NULL, 0 };
	res->upstream_http = 0;
	res->upstream_code[0] = res->model_used[0] = '\0';
	res->response_id[0] = res->finish_reason[0] = '\0';
	res->usage = (struct wl_usage){ -1, -1, -1, -1, -1, WL_U_NONE };
	res->first_byte_us = -1;
	res->output_bytes = res->chunks = 0;
	wl_buf_reset(&res->text);
	wl_buf_reset(&res->tools);
	res->tool = res->sequence = -1;
	res->truncated = false;
}

static enum end
try_targets(struct run *r, const struct wl_target *t, int n)
{
	struct failure kept = { .err.code = WL_OK };
	struct wl_result *res = r->res;
	enum end end = END_FAILED;
	int i;

	for (i = 0; i < n; i++) {
		r->t = &t[i];
		r->last = i + 1 == n;
		if (i > 0)
			start_over(res);
		end = attempt(r);
		if (end != END_NEXT)
			return end;
		if (r->sink->data_sent || r->gone || wl_mono() >= r->deadline)
			break;
		/* a key that was refused says less than any other failure */
		if (res->err.code != WL_E_UPSTREAM_CREDENTIALS || i == 0)
			save(res, &kept);
	}
	if (res->err.code == WL_E_UPSTREAM_CREDENTIALS &&
	    kept.err.code != WL_OK) {
		res->err = kept.err;
		res->refusal = kept.refusal;
		res->upstream_http = kept.upstream_http;
		memcpy(res->upstream_code, kept.upstream_code,
		    sizeof(res->upstream_code));
	}
	return r->gone ? END_GONE : END_FAILED;
}

/* ---- the end ---- */

/*
 * A stream that has begun ends with an error event.
 */
static void
end_stream(struct run *r)
{
	struct wl_sink *sink = r->sink;
	struct wl_buf b;

	wl_buf_init(&b, 0);
	if (r->half_sent)
		wl_buf_adds(&b, "\n\n");
	if (r->half_sent && sink->data(sink, b.p, b.len) == -1)
		goto out;
	wl_buf_reset(&b);
	wl_error_event(&b, r->ask->api, r->res, r->request_id);
	if (!b.failed && sink->trailer(sink, r->res) == 0)
		(void)sink->end(sink, b.p, b.len);
out:
	wl_buf_free(&b);
}

static void
failed(struct run *r)
{
	struct wl_result *res = r->res;

	res->outcome = res->err.code == WL_E_INVALID_REQUEST ? WL_O_INVALID :
	    WL_O_UPSTREAM_FAILED;
	if (r->sink->data_sent)
		res->outcome = WL_O_ANSWERED;
	if (r->sink->data_sent || res->usage.source != WL_U_NONE)
		figures(r, false);
	else
		res->upstream_us = age(r) - r->base_us;
	if (r->sink->begun)
		end_stream(r);
}

static void
client_gone(struct run *r)
{
	struct wl_result *res = r->res;

	res->outcome = WL_O_CLIENT_GONE;
	res->refusal = (struct wl_str){ NULL, 0 };
	wl_err_set(&res->err, WL_E_CLIENT_CLOSED, NULL);
	res->http = 499;
	/* the prompt was handed over, whatever came back */
	if (res->upstream_us == -1 && res->attempts > 0)
		figures(r, false);
}

static void
done(struct run *r)
{
	struct wl_result *res = r->res;
	struct wl_sink *sink = r->sink;

	res->outcome = WL_O_ANSWERED;
	memset(&res->err, 0, sizeof(res->err));
	res->http = 200;
	if (res->raw.p == NULL)
		return;
	figures(r, true);
	res->http = res->upstream_http;
	if (r->gone) {
		client_gone(r);
		return;
	}
	sink->begun = true;
	if (sink->begin(sink, res->upstream_http, r->type.p, false) == -1 ||
	    sink->data(sink, res->raw.p, res->raw.len) == -1)
		client_gone(r);
}

int
wl_upstream_run(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_ask *ask, const struct wl_target *t, int n,
    const char *request_id, int64_t start_us, struct wl_sink *sink,
    struct wl_result *res)
{
	struct run r = {
		.a = a, .conf = conf, .ask = ask, .request_id = request_id,
		.sink = sink, .res = res, .start_us = now_us(),
		.base_us = wl_clock_us() - start_us
	};

	if (r.base_us < 0)
		r.base_us = 0;
	r.quiet_since = wl_mono_fresh();
	r.deadline = r.quiet_since + conf->total_timeout;
	switch (try_targets(&r, t, n)) {
	case END_DONE:
		done(&r);
		break;
	case END_GONE:
		client_gone(&r);
		break;
	case END_NEXT:
	case END_FAILED:
		failed(&r);
		break;
	}
	if (res->upstream_us == -1)
		res->upstream_us = age(&r) - r.base_us;
	if (res->http == 0)
		res->http = sink->begun ? 200 : res->err.http != 0 ?
		    res->err.http : wl_err_row(res->err.code)->http;
	return res->err.code == WL_OK ? 0 : -1;
}
