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
	res->refusal = res->raw = (struct wl_str){ NULL, 0 };
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

static enum wl_upend
try_targets(struct wl_uprun *r, const struct wl_target *t, int n)
{
	struct failure kept = { .err.code = WL_OK };
	struct wl_result *res = r->res;
	enum wl_upend end = WL_UP_FAILED;
	int i;

	for (i = 0; i < n; i++) {
		r->t = &t[i];
		r->last = i + 1 == n;
		if (i > 0)
			start_over(res);
		end = wl_upstream_attempt(r);
		if (end != WL_UP_NEXT)
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
	return r->gone ? WL_UP_GONE : WL_UP_FAILED;
}

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
		.a = a, .conf = conf, .client = ask, .ask = ask, .request_id = request_id,
		.sink = sink, .res = res, .start_us = wl_upstream_now_us(),
		.base_us = wl_clock_us() - start_us
	};

	if (r.base_us < 0)
		r.base_us = 0;
	r.quiet_since = wl_mono_fresh();
	r.deadline = r.quiet_since + conf->total_timeout;
	switch (try_targets(&r, t, n)) {
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
