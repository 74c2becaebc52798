/*
 * GET /v1/health/detailed as a stream: small dated events at a slow and known
 * pace, so that "watchllm doctor" can tell what the web server in between
 * does to a stream without any provider being asked.
 */
#include "config.h"
#include "fcgi/h_health.h"

#include <sys/epoll.h>
#include <string.h>

#include "fcgi/ctx.h"
#include "fcgi/serve.h"
#include "fcgi/worker.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/loop.h"
#include "lib/base/num.h"
#include "lib/base/wait.h"
#include "lib/http/io.h"

#define SECONDS		10
#define SECONDS_MAX	300
#define EVERY_MS	1000
#define EVERY_MIN	10
#define EVERY_MAX	(SECONDS_MAX * 1000)
#define EVENT_MAX	1024
/* How long a worker that stops waits for a silent stream. */
#define SLICE_MS	500

static int
number(struct wl_ctx *ctx, const char *name, int64_t min, int64_t max,
    int64_t *out)
{
	const char *s = wl_req_query(&ctx->req, name);

	if (s == NULL || wl_num_parse(s, strlen(s), min, max, out) == 0)
		return 0;
	wl_err_set(&ctx->err, WL_E_INVALID_REQUEST,
	    "%s is a number from %lld to %lld.", name, (long long)min,
	    (long long)max);
	ctx->err.param = name;
	return -1;
}

int
wl_h_health_pace(struct wl_ctx *ctx, int64_t *seconds, int64_t *every)
{
	*seconds = SECONDS;
	*every = EVERY_MS;
	if (number(ctx, "seconds", 1, SECONDS_MAX, seconds) == -1)
		return -1;
	return number(ctx, "every", EVERY_MIN, EVERY_MAX, every);
}

bool
wl_h_health_wants_stream(const struct wl_ctx *ctx)
{
	const char *accept = wl_req_header(&ctx->req, "accept");

	return ctx->req.method == WL_GET && accept != NULL &&
	    strstr(accept, "text/event-stream") != NULL;
}

/*
 * The first event also tells who asked us, and how: a web server often hides
 * that from its clients.
 */
static void
origin(struct wl_jw *w, const struct wl_ctx *ctx)
{
	struct wl_io *io = ctx->req.io;
	const char *software = io->ops->param(io, "SERVER_SOFTWARE");
	const char *script = io->ops->param(io, "SCRIPT_FILENAME");

	wl_jw_str(w, "server", software);
	wl_jw_str(w, "interface", wl_worker.one_request ? "cgi" : "fastcgi");
	wl_jw_bool(w, "proxied", script != NULL &&
	    strncmp(script, "proxy:", 6) == 0);
}

static int
put(struct wl_ctx *ctx, const char *name, int64_t n)
{
	struct wl_buf b;
	struct wl_jw w;
	int rc;

	wl_buf_init(&b, EVENT_MAX);
	wl_buf_printf(&b, "event: %s\ndata: ", name);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_int(&w, "n", n);
	wl_jw_int(&w, "at", wl_clock_ms());
	if (n == 0)
		origin(&w, ctx);
	wl_jw_end(&w, '}');
	wl_buf_adds(&b, "\n\n");
	rc = b.failed ? -1 : wl_resp_write(&ctx->resp, b.p, b.len, true);
	wl_buf_free(&b);
	return rc;
}

/*
 * Wait until WHEN.  -1: nobody waits for us, or we end.
 */
static int
silence(const struct wl_ctx *ctx, int64_t when)
{
	int64_t slice;
	int got;

	while (wl_mono() < when) {
		if (wl_worker.stopping)
			return -1;
		slice = wl_mono() + SLICE_MS;
		got = wl_wait(ctx->req.io->fd, ctx->req.io->fd == -1 ? 0 :
		    EPOLLRDHUP, slice < when ? slice : when);
		if (got != 0)
			return -1;
	}
	return 0;
}

int
wl_h_health_stream(struct wl_ctx *ctx, int64_t seconds, int64_t every)
{
	int64_t start = wl_mono(), end = start + seconds * 1000, n = 0, at;

	wl_serve_headers(ctx);
	if (wl_resp_stream(&ctx->resp, 200, "text/event-stream",
	    ": a slow stream, for tests of what is in between\n\n") == -1)
		return 0;
	for (at = start; at < end; at = start + ++n * every) {
		if (silence(ctx, at) == -1 || put(ctx, "tick", n) == -1)
			return 0;
	}
	if (silence(ctx, end) == 0)
		(void)put(ctx, "end", n);
	return 0;
}
