/*
 * A stream's events with the times of their coming.
 */
#include "config.h"
#include "fcgi/doctor_stream.h"

#include <inttypes.h>

#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/base/loop.h"
#include "lib/http/client.h"
#include "lib/http/sse.h"

#define EXTRA_MS	30000
#define EVENT_MAX	4096

static void
event(struct wl_doctor *d, struct wl_doctor_stream *st,
    const struct wl_sse_event *ev, int64_t now)
{
	struct json_object *o = wl_json_parse(d->a, ev->data.p, ev->data.len,
	    NULL);
	struct wl_str s;
	int64_t at;

	if (!wl_json_int(o, "at", &at) || st->n == WL_DOCTOR_EVENTS)
		return;
	st->sent[st->n] = at;
	st->came[st->n++] = now;
	st->last_ms = now;
	if (wl_str_eq(ev->name, "end"))
		st->ended = true;
	if (wl_json_str(o, "server", &s))
		st->software = wl_arena_dup(d->a, s.p, s.len);
	if (wl_json_str(o, "interface", &s))
		st->cgi = wl_str_eq(s, "cgi");
	(void)wl_json_bool(o, "proxied", &st->proxied);
}

static int
listen_to(struct wl_doctor *d, struct wl_xfer *x, struct wl_sse *sse,
    int64_t start, int64_t deadline, struct wl_doctor_stream *st)
{
	struct wl_sse_event ev;
	struct wl_str s;
	size_t all;
	int bits = 0, rc = 0;

	while (!(bits & WL_X_DONE) || (bits & WL_X_DATA)) {
		bits = wl_xfer_wait(x, WL_X_DATA, -1, 0, deadline);
		if (bits == -1 || (bits & WL_X_DEADLINE) != 0)
			return wl_err_set(&st->err, WL_E_UPSTREAM_TIMEOUT,
			    "it does not end");
		s = wl_xfer_peek(x);
		all = s.len;
		while ((rc = wl_sse_feed(sse, &s.p, &s.len, &ev)) == 1)
			event(d, st, &ev, wl_mono_fresh() - start);
		wl_xfer_take(x, all);
		if (rc == -1)
			return wl_err_set(&st->err, WL_E_UPSTREAM_INVALID,
			    "it is no stream of events");
	}
	return wl_site_error(x, &st->err);
}

void
wl_doctor_stream(struct wl_doctor *d, int64_t seconds, int64_t every,
    const char *encoding, struct wl_doctor_stream *st)
{
	int64_t start = wl_mono_fresh();
	int64_t deadline = start + seconds * 1000 + EXTRA_MS;
	const struct wl_site_ask ask = {
		.path = wl_doctor_text(d, "/v1/health/detailed?seconds=%"
		    PRId64 "&every=%" PRId64, seconds, every),
		.key = d->token, .auth = WL_SITE_X_API_KEY,
		.accept = "text/event-stream", .encoding = encoding,
		.timeout_ms = seconds * 1000 + EXTRA_MS };
	struct wl_xfer *x;
	struct wl_sse sse;

	*st = (struct wl_doctor_stream){ .last_ms = 0 };
	if ((x = wl_site_start(d->a, &d->site, &ask, &st->err)) == NULL)
		return;
	if (wl_xfer_wait(x, WL_X_HEADERS, -1, 0, deadline) != -1)
		wl_site_head(d->a, x, &st->seen);
	if (st->seen.status == 200 && encoding == NULL) {
		wl_sse_init(&sse, EVENT_MAX);
		(void)listen_to(d, x, &sse, start, deadline, st);
		wl_sse_free(&sse);
	} else if (st->seen.status == 0) {
		(void)wl_site_error(x, &st->err);
	}
	st->over_ms = wl_mono_fresh() - start;
	wl_xfer_free(x);
	/* an error's body has its code */
	if (st->seen.status != 0 && st->seen.status != 200 &&
	    wl_site_fetch(d->a, &d->site, &ask, &st->seen, &st->err) == -1)
		st->seen.status = 0;
}
