/*
 * A stream on its way from the provider to the client.
 */
#include "config.h"
#include "lib/core/upstream_priv.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/co.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "lib/core/health.h"
#include "lib/core/stream.h"

/* Bytes passed on before other coroutines have their turn. */
#define FAIR_BYTES	((size_t)64 * 1024)
/* How long the end of a finished stream is waited for, so that its
   connection can be used again. */
#define LINGER_MS	10

/*
 * What a stream passes on.
 */
static int
pass(void *arg, const char *p, size_t len)
{
	struct wl_uprun *r = arg;

	if (r->gone)
		return 0;
	if (r->sink->data(r->sink, p, len) == 0) {
		r->quiet_since = wl_mono();
		return 0;
	}
	return wl_upstream_leave(r) ? -1 : 0;
}

/*
 * The bytes that came behind the last event: only the rest of its line end
 * is of interest, and that the connection is at its end.
 */
static void
linger(struct wl_uprun *r, struct wl_stream *s, struct wl_buf *last)
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
static enum wl_upend
finish_stream(struct wl_uprun *r, struct wl_str last)
{
	struct wl_sink *sink = r->sink;

	wl_upstream_figures(r, true);
	if (r->gone || (last.len > 0 && sink->trailer(sink, r->res) == -1) ||
	    sink->end(sink, last.p, last.len) == -1)
		return WL_UP_GONE;
	return WL_UP_DONE;
}

static enum wl_upend
stream_done(struct wl_uprun *r, struct wl_stream *s)
{
	struct wl_buf last;
	enum wl_upend end;

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
static enum wl_upend
stream_ended(struct wl_uprun *r, struct wl_stream *s)
{
	struct wl_err none = { .code = WL_OK };

	if (r->res->finish_reason[0] == '\0' || !wl_stream_may_end(s) ||
	    wl_xfer_error(r->x, &r->res->err) == -1)
		return wl_upstream_broken(r);
	r->res->err = none;
	if (wl_stream_finish(s) == -1)
		return WL_UP_GONE;
	return finish_stream(r, wl_stream_last(r->ask->api));
}

/*
 * The provider says in the stream that it has failed.
 */
static enum wl_upend
stream_failed(struct wl_uprun *r)
{
	struct wl_str *said = &r->res->refusal;

	wl_err_detail(&r->res->err, "%s: an error in the stream",
	    r->t->provider);
	said->p = said->len == 0 ? NULL : wl_arena_dup(r->a, said->p,
	    said->len);
	if (said->p == NULL)
		said->len = 0;
	/* nothing of it was passed on, so another may answer */
	return r->sink->data_sent ? WL_UP_FAILED : WL_UP_NEXT;
}

/*
 * What is there of the stream goes through.
 */
static enum wl_stream_state
feed(struct wl_uprun *r, struct wl_stream *s, size_t *unfair)
{
	struct wl_str p = wl_xfer_peek(r->x);
	enum wl_stream_state state;

	state = wl_stream_feed(s, p.p, p.len);
	wl_xfer_take(r->x, p.len);
	if (s->data_out && r->res->first_data_us == -1)
		r->res->first_data_us = wl_upstream_age(r);
	/* others need not wait for the end of a long answer */
	if (s->data_out && !r->healthy) {
		r->healthy = true;
		wl_health_ok(r->a, r->conf, r->health);
	}
	r->sink->data_sent |= s->data_out;
	*unfair += p.len;
	if (*unfair >= FAIR_BYTES) {
		*unfair = 0;
		wl_co_yield();
	}
	return state;
}

/*
 * Whether the stream is to end, for it is longer than what limits hold for it.
 */
static bool
overruns(struct wl_uprun *r)
{
	struct wl_result *res = r->res;

	if (res->most_output <= 0 || wl_tokens_estimate(res->output_bytes) <=
	    res->most_output)
		return false;
	res->overrun = true;
	return res->stop && r->sink->data_sent;
}

/*
 * From the first byte of the stream to its last event.
 */
static enum wl_upend
pump(struct wl_uprun *r, struct wl_stream *s)
{
	enum wl_stream_state state = WL_STREAM_MORE;
	bool over = false;
	size_t unfair = 0;
	enum wl_upend end;

	while (state == WL_STREAM_MORE && !over) {
		if (wl_upstream_await(r, WL_X_DATA, wl_stream_between(s), &end) == -1)
			return end;
		if (wl_xfer_peek(r->x).len > 0) {
			state = feed(r, s, &unfair);
			if (overruns(r) && state == WL_STREAM_MORE) {
				wl_err_set(&r->res->err, WL_E_OVERRUN, NULL);
				return WL_UP_FAILED;
			}
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
		return WL_UP_GONE;
	case WL_STREAM_DONE:
		return stream_done(r, s);
	case WL_STREAM_ERROR:
		return stream_failed(r);
	case WL_STREAM_INVALID:
		if (over)
			return wl_upstream_broken(r);	/* it was cut off */
		wl_err_set(&r->res->err, WL_E_UPSTREAM_INVALID, NULL);
		wl_err_detail(&r->res->err, "%s: an event is not JSON",
		    r->t->provider);
		break;
	}
	return WL_UP_FAILED;
}

enum wl_upend
wl_upstream_stream(struct wl_uprun *r, bool hide_usage)
{
	const char *type = wl_xfer_header(r->x, "content-type");
	struct wl_stream s;
	enum wl_upend end;

	if (wl_provider_translates(r->t->wire, r->ask->api))
		type = NULL;
	if (!r->sink->begun && !r->gone) {
		r->sink->begun = true;
		if (r->sink->begin(r->sink, 200, type != NULL ? type :
		    "text/event-stream", true) == -1 && wl_upstream_leave(r))
			return WL_UP_GONE;
		r->quiet_since = wl_mono();
	}
	wl_stream_init(&s, r->t, r->ask, hide_usage, r->res, pass, r);
	end = pump(r, &s);
	r->half_sent = !wl_stream_between(&s);
	wl_stream_free(&s);
	return end;
}
