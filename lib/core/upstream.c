/*
 * A call upstream: target after target, and how the call ends.
 */
#include "config.h"
#include "lib/core/upstream_priv.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "lib/core/error_event.h"

/*
 * A stream that has begun ends with an error event.
 */
static void
end_stream(struct wl_uprun *r)
{
	struct wl_sink *sink = r->sink;
	struct wl_buf b;

	wl_buf_init(&b, 0);
	if (r->half_sent)
		wl_buf_adds(&b, "\n\n");
	if (r->half_sent && sink->data(sink, b.p, b.len) == -1)
		goto out;
	wl_buf_reset(&b);
	wl_error_event(&b, r->client->api, r->res, r->request_id);
	if (!b.failed && sink->trailer(sink, r->res) == 0)
		(void)sink->end(sink, b.p, b.len);
out:
	wl_buf_free(&b);
}

static void
failed(struct wl_uprun *r)
{
	struct wl_result *res = r->res;

	res->outcome = res->err.code == WL_E_INVALID_REQUEST ? WL_O_INVALID :
	    WL_O_UPSTREAM_FAILED;
	if (r->sink->data_sent)
		res->outcome = WL_O_ANSWERED;
	if (r->sink->data_sent || res->usage.source != WL_U_NONE)
		wl_upstream_figures(r, false);
	else
		res->upstream_us = wl_upstream_age(r) - r->base_us;
	if (r->sink->begun)
		end_stream(r);
}

static void
client_gone(struct wl_uprun *r)
{
	struct wl_result *res = r->res;

	res->outcome = WL_O_CLIENT_GONE;
	res->refusal = (struct wl_str){ NULL, 0 };
	wl_err_set(&res->err, WL_E_CLIENT_CLOSED, NULL);
	res->http = 499;
	/* the prompt was handed over, whatever came back */
	if (res->upstream_us == -1 && res->attempts > 0)
		wl_upstream_figures(r, false);
}

static void
done(struct wl_uprun *r)
{
	struct wl_result *res = r->res;
	struct wl_sink *sink = r->sink;

	res->outcome = WL_O_ANSWERED;
	memset(&res->err, 0, sizeof(res->err));
	res->http = 200;
	if (res->raw.p == NULL)
		return;
	wl_upstream_figures(r, true);
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
	struct wl_uprun r = {
		.a = a, .conf = conf, .client = ask, .ask = ask,
		.request_id = request_id,
		.sink = sink, .res = res, .start_us = wl_upstream_now_us(),
		.base_us = wl_clock_us() - start_us
	};

	if (r.base_us < 0)
		r.base_us = 0;
	r.quiet_since = wl_mono_fresh();
	r.deadline = r.quiet_since + conf->total_timeout;
	switch (wl_upstream_course(&r, t, n)) {
	case WL_UP_DONE:
		done(&r);
		break;
	case WL_UP_GONE:
		client_gone(&r);
		break;
	case WL_UP_NEXT:
	case WL_UP_FAILED:
		failed(&r);
		break;
	}
	if (res->upstream_us == -1)
		res->upstream_us = wl_upstream_age(&r) - r.base_us;
	if (res->http == 0)
		res->http = sink->begun ? 200 : res->err.http != 0 ?
		    res->err.http : wl_err_row(res->err.code)->http;
	return res->err.code == WL_OK ? 0 : -1;
}
