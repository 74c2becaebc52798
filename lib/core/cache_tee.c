/*
 * The sink that records.  Events of a stream that can be resumed are taken
 * apart, and each gets its id.
 */
#include "config.h"
#include "lib/core/cache_priv.h"

#include <stddef.h>
#include <string.h>

#include "lib/base/jw.h"

static struct wl_cache *
cache_of(struct wl_sink *s)
{
	return (struct wl_cache *)(void *)((char *)s -
	    offsetof(struct wl_cache, tee.sink));
}

void
wl_cache_put_id(struct wl_buf *b, const char *token, int64_t n)
{
	wl_buf_adds(b, "id: ");
	wl_buf_adds(b, token);
	wl_buf_addc(b, '-');
	wl_buf_int(b, n);
	wl_buf_addc(b, '\n');
}

void
wl_cache_put_begin(struct wl_tape *t, int status, const char *type, bool stream,
    const struct wl_result *res)
{
	struct wl_buf b;
	struct wl_jw w;

	wl_buf_init(&b, 8192);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_int(&w, "status", status);
	wl_jw_str(&w, "type", type);
	wl_jw_bool(&w, "stream", stream);
	wl_jw_str(&w, "provider", res->provider);
	wl_jw_str(&w, "model", res->model);
	wl_jw_end(&w, '}');
	wl_tape_add(t, WL_TAPE_BEGIN, b.p, b.len);
	t->b.failed |= b.failed;
	wl_buf_free(&b);
}

void
wl_cache_put_result(struct wl_tape *t, const struct wl_result *res)
{
	struct wl_buf b;
	struct wl_jw w;

	wl_buf_init(&b, 0);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_str(&w, "model_used", res->model_used);
	wl_jw_str(&w, "response_id", res->response_id);
	wl_jw_str(&w, "finish_reason", res->finish_reason);
	wl_jw_int(&w, "input", res->usage.input);
	wl_jw_int(&w, "cache_read", res->usage.cache_read);
	wl_jw_int(&w, "cache_write", res->usage.cache_write);
	wl_jw_int(&w, "output", res->usage.output);
	wl_jw_int(&w, "reasoning", res->usage.reasoning);
	wl_jw_int(&w, "source", (int64_t)res->usage.source);
	if (res->price_known) {
		wl_jw_int(&w, "cost_nano", res->cost_nano);
		wl_jw_int(&w, "price_from", res->price_effective_ms);
	}
	wl_jw_int(&w, "chunks", res->chunks);
	if (res->text.len > 0)
		wl_jw_strn(&w, "text", res->text.p, res->text.len);
	wl_jw_end(&w, '}');
	wl_tape_add(t, WL_TAPE_RESULT, b.p, b.len);
	t->b.failed |= b.failed;
	wl_buf_free(&b);
}

/*
 * The client has gone, says NEXT.  Whether that ends the call.
 */
static int
gone(struct wl_cache *c)
{
	if (!c->once && !c->resumable && wl_tape_others(c->tape) <= 0)
		return -1;
	c->tee.gone = true;
	c->tee.sink.fd = -1;
	return 0;
}

static bool
stay(struct wl_sink *s)
{
	return gone(cache_of(s)) == 0;
}

static int
begin(struct wl_sink *s, int status, const char *type, bool stream)
{
	struct wl_cache *c = cache_of(s);
	struct wl_cache_tee *t = &c->tee;

	wl_cache_put_begin(c->tape, status, type, stream, c->res);
	t->begun = true;
	t->streaming = c->tape->early = stream;
	if (t->gone)
		return 0;
	t->next->begun = true;
	return t->next->begin(t->next, status, type, stream) == -1 ? gone(c) :
	    0;
}

/*
 * The end of the event, comment or blank line that begins at P: behind its
 * empty line, or END and *COMPLETE is false.
 */
static const char *
event_end(const char *p, const char *end, bool *complete)
{
	const char *eol;
	bool blank;

	*complete = false;
	while (p < end) {
		for (eol = p; eol < end && *eol != '\n' && *eol != '\r'; eol++)
			;
		if (eol == end)
			return end;
		blank = eol == p;
		p = eol + 1;
		if (*eol == '\r' && p < end && *p == '\n')
			p++;
		if (blank) {
			*complete = true;
			return p;
		}
	}
	return end;
}

static bool
has_fields(const char *p, const char *end)
{
	for (; p < end; p++) {
		if (*p == '\n' || *p == '\r')
			continue;
		if (*p != ':')
			return true;
		while (p < end && *p != '\n' && *p != '\r')
			p++;
	}
	return false;
}

/*
 * Record P event by event; *OUT gets them with their ids.
 */
static void
take_apart(struct wl_cache *c, const char *p, size_t len, struct wl_buf *out)
{
	const char *end = p + len, *next;
	struct wl_cache_tee *t = &c->tee;
	bool complete;

	for (; p < end; p = next) {
		next = event_end(p, end, &complete);
		if (!t->within && has_fields(p, next)) {
			wl_cache_put_id(out, c->token, ++t->n);
			wl_tape_add(c->tape, WL_TAPE_DATA, p,
			    (size_t)(next - p));
		} else
			wl_tape_add(c->tape, WL_TAPE_MORE, p,
			    (size_t)(next - p));
		wl_buf_add(out, p, (size_t)(next - p));
		t->within = !complete;
	}
}

static int
data(struct wl_sink *s, const char *p, size_t len)
{
	struct wl_cache *c = cache_of(s);
	struct wl_cache_tee *t = &c->tee;
	struct wl_buf out;
	int rc;

	if (!t->begun) {
		/* a comment of ours has begun it */
		wl_cache_put_begin(c->tape, 200, "text/event-stream", true,
		    c->res);
		t->begun = t->streaming = c->tape->early = true;
	}
	if (!c->resumable || !t->streaming) {
		wl_tape_add(c->tape, WL_TAPE_DATA, p, len);
		if (t->gone)
			return 0;
		t->next->data_sent = s->data_sent;
		return t->next->data(t->next, p, len) == -1 ? gone(c) : 0;
	}
	wl_buf_init(&out, 0);
	take_apart(c, p, len, &out);
	rc = t->gone ? 0 : out.failed ? -1 :
	    t->next->data(t->next, out.p, out.len);
	wl_buf_free(&out);
	return rc == -1 ? gone(c) : 0;
}

static int
heartbeat(struct wl_sink *s)
{
	struct wl_cache_tee *t = &cache_of(s)->tee;

	if (t->gone)
		return 0;
	t->next->begun = true;
	return t->next->heartbeat(t->next) == -1 ? gone(cache_of(s)) : 0;
}

static int
trailer(struct wl_sink *s, const struct wl_result *res)
{
	struct wl_cache_tee *t = &cache_of(s)->tee;

	if (t->gone)
		return 0;
	return t->next->trailer(t->next, res) == -1 ? gone(cache_of(s)) : 0;
}

/*
 * The figures are complete now.  The end of one that failed is not told to
 * others: they see that it is not complete.
 */
static int
end(struct wl_sink *s, const char *p, size_t len)
{
	struct wl_cache *c = cache_of(s);
	struct wl_cache_tee *t = &c->tee;

	if (c->res->err.code == WL_OK) {
		wl_cache_put_result(c->tape, c->res);
		wl_tape_add(c->tape, WL_TAPE_END, p, len);
		t->ended = true;
	}
	if (t->gone)
		return 0;
	return t->next->end(t->next, p, len) == -1 ? gone(c) : 0;
}

struct wl_sink *
wl_cache_sink(struct wl_cache *c, struct wl_sink *next, struct wl_result *res)
{
	struct wl_cache_tee *t = &c->tee;

	c->res = res;
	if (c->tape == NULL)
		return next;
	t->next = next;
	t->sink = (struct wl_sink){ .begin = begin, .data = data,
	    .heartbeat = heartbeat, .trailer = trailer, .end = end,
	    .stay = stay, .begun = next->begun, .data_sent = next->data_sent,
	    /* who will come back is not waited for */
	    .fd = c->once || c->resumable ? -1 : next->fd };
	return &t->sink;
}
