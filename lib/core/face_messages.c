/*
 * The filter between a provider that chats and a client of Anthropic's
 * Messages API.
 */
#include "config.h"
#include "lib/core/face_messages_priv.h"

#include <stddef.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/core/error_event.h"
#include "lib/core/stream.h"

/* Memory of the parse of one event: text and json-c's own. */
#define SCRATCH		((size_t)8 * 1024 * 1024)

static struct wl_face_messages *
face_of(struct wl_sink *s)
{
	return (struct wl_face_messages *)(void *)((char *)s -
	    offsetof(struct wl_face_messages, sink));
}

/*
 * Whether what passes is what the client speaks.
 */
static bool
is_native(const struct wl_face_messages *f)
{
	return f->res->api != WL_API_CHAT;
}

static int
begin(struct wl_sink *s, int status, const char *type, bool stream)
{
	struct wl_face_messages *f = face_of(s);

	f->stream = stream;
	f->next->begun = true;
	if (!is_native(f))
		type = stream ? "text/event-stream" : "application/json";
	return f->next->begin(f->next, status, type, stream);
}

static int
pass(struct wl_face_messages *f, const char *p, size_t len)
{
	f->next->data_sent = true;
	return f->next->data(f->next, p, len);
}

/*
 * What was made goes on.
 */
static int
flush(struct wl_face_messages *f)
{
	int rc = 0;

	if (f->out.failed)
		wl_err_memory(&f->err);
	else if (f->out.len > 0)
		rc = pass(f, f->out.p, f->out.len);
	wl_buf_reset(&f->out);
	return rc;
}

static int
whole(struct wl_face_messages *f, struct wl_str body)
{
	struct wl_buf b;
	char *p = NULL;
	size_t len;
	int rc;

	wl_buf_init(&b, 0);
	rc = wl_face_answer(f, body, &b);
	len = b.len;
	if (rc == 0)
		p = wl_arena_dup(f->a, b.p, len);
	wl_buf_free(&b);
	if (p == NULL) {
		/* the answer is none; who called us looks at ERR */
		wl_err_set(&f->err, WL_E_UPSTREAM_INVALID, NULL);
		return 0;
	}
	return pass(f, p, len);
}

/*
 * The stream cannot be told to its end: an error ends it here.
 */
static int
give_up(struct wl_face_messages *f)
{
	struct wl_result failed = *f->res;
	struct wl_buf b;
	int rc;

	f->over = true;
	failed.err = f->err;
	failed.refusal = WL_STR("");
	wl_buf_init(&b, 0);
	wl_error_event(&b, WL_API_MESSAGES, &failed, f->request_id);
	rc = b.failed ? -1 : pass(f, b.p, b.len);
	wl_buf_free(&b);
	return rc;
}

static int
data(struct wl_sink *s, const char *p, size_t len)
{
	struct wl_face_messages *f = face_of(s);
	struct wl_sse_event ev;
	int rc = 0;

	if (is_native(f))
		return pass(f, p, len);
	if (!f->stream)
		return whole(f, (struct wl_str){ p, len });
	if (f->over)
		return 0;
	while (f->err.code == WL_OK &&
	    (rc = wl_sse_feed(&f->sse, &p, &len, &ev)) == 1) {
		if (wl_str_trim(ev.data).len > 0)
			(void)wl_face_event(f, ev.data);
		wl_arena_reset(f->scratch);
	}
	if (rc == -1)
		wl_err_set(&f->err, WL_E_UPSTREAM_INVALID, NULL);
	if (flush(f) == -1)
		return -1;
	return f->err.code == WL_OK ? 0 : give_up(f);
}

static int
heartbeat(struct wl_sink *s)
{
	struct wl_face_messages *f = face_of(s);

	if (f->over)
		return 0;
	f->stream = true;
	f->next->begun = true;
	return f->next->heartbeat(f->next);
}

/*
 * It stands right before the last event, so what is before that goes first.
 */
static int
trailer(struct wl_sink *s, const struct wl_result *res)
{
	struct wl_face_messages *f = face_of(s);

	if (f->over)
		return 0;
	if (!is_native(f) && res->err.code == WL_OK) {
		wl_face_close(f);
		if (flush(f) == -1)
			return -1;
	}
	return f->next->trailer(f->next, res);
}

static int
end(struct wl_sink *s, const char *p, size_t len)
{
	struct wl_face_messages *f = face_of(s);
	struct wl_str last = { p, len };

	if (f->over)
		return 0;
	/* an error is written for the client already */
	if (!is_native(f) && f->res->err.code == WL_OK)
		last = wl_stream_last(WL_API_MESSAGES);
	return f->next->end(f->next, last.p, last.len);
}

int
wl_face_messages_end(struct wl_face_messages *f, struct wl_result *res)
{
	if (f->err.code == WL_OK || res->err.code != WL_OK)
		return 0;
	res->err = f->err;
	if (!f->stream)
		res->http = wl_err_row(f->err.code)->http;
	return -1;
}

static void
reset(void *p)
{
	struct wl_face_messages *f = p;

	wl_sse_free(&f->sse);
	wl_buf_free(&f->out);
	wl_arena_free(f->scratch);
}

static bool
stay(struct wl_sink *s)
{
	struct wl_face_messages *f = face_of(s);

	if (!f->next->stay(f->next))
		return false;
	s->fd = f->next->fd;
	return true;
}

struct wl_face_messages *
wl_face_messages_new(struct wl_sink *next, struct wl_arena *a,
    const struct wl_ask *ask, const struct wl_result *res,
    const char *request_id, struct wl_err *e)
{
	struct wl_face_messages *f = wl_arena_alloc(a, sizeof(*f));

	if (f == NULL) {
		wl_err_memory(e);
		return NULL;
	}
	f->sink = (struct wl_sink){
		.begin = begin, .data = data, .heartbeat = heartbeat,
		.trailer = trailer, .end = end,
		.stay = next->stay == NULL ? NULL : stay,
		.begun = next->begun, .data_sent = next->data_sent,
		.fd = next->fd
	};
	f->next = next;
	f->a = a;
	f->ask = ask;
	f->res = res;
	f->request_id = request_id;
	wl_sse_init(&f->sse, WL_STREAM_TRANSLATED);
	wl_buf_init(&f->out, 0);
	f->scratch = wl_arena_new(SCRATCH);
	if (wl_arena_defer(a, reset, f) == -1 || f->scratch == NULL) {
		wl_err_memory(e);
		return NULL;
	}
	return f;
}
