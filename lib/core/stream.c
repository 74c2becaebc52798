/*
 * The pass-through filter of streams.  An event leaves when its last byte is
 * there: half of one is of no use to a client, and could neither be taken
 * back nor be followed by an error or a comment.  Its bytes stay as they
 * were, unless the provider speaks another format than the client: then only
 * what is made of it leaves.
 */
#include "config.h"
#include "lib/core/stream.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/core/model.h"

/* Where an event tells its type, at the latest. */
#define SKIM_LOOK	((size_t)256)
/* Memory of the parse of one event: text and json-c's own. */
#define SCRATCH		((size_t)4 * 1024 * 1024)

void
wl_stream_init(struct wl_stream *s, const struct wl_target *t,
    const struct wl_ask *ask, bool hide_usage, struct wl_result *res,
    int (*out)(void *, const char *, size_t), void *arg)
{
	memset(s, 0, sizeof(*s));
	s->target = t;
	s->ask = ask;
	s->hide_usage = hide_usage;
	s->res = res;
	s->out = out;
	s->arg = arg;
	s->translated = wl_provider_translates(t->wire, ask->api);
	s->longest = s->translated ? WL_STREAM_TRANSLATED :
	    ask->api == WL_API_RESPONSES || wl_api_is_media(ask->api) ?
	    WL_STREAM_RESPONSE : WL_STREAM_EVENT;
	wl_sse_init(&s->sse, s->longest);
	wl_buf_init(&s->held, 0);
	wl_buf_init(&s->refusal, 0);
	wl_buf_init(&s->plain, 0);
	wl_buf_init(&s->relay.out, 0);
	wl_buf_init(&s->relay.frame, 0);
}

void
wl_stream_free(struct wl_stream *s)
{
	wl_sse_free(&s->sse);
	wl_buf_free(&s->held);
	wl_buf_free(&s->refusal);
	wl_buf_free(&s->plain);
	wl_buf_free(&s->relay.out);
	wl_buf_free(&s->relay.frame);
}

/*
 * A long event is rare, and its memory not kept for the next one.
 */
static void
reset_held(struct wl_stream *s)
{
	wl_buf_reset(&s->held);
	if (s->held.cap > 2 * WL_STREAM_EVENT)
		wl_buf_free(&s->held);
}

/*
 * Pass on what is held, then the bytes from P to END.
 */
static void
emit(struct wl_stream *s, const char *p, const char *end)
{
	size_t len = (size_t)(end - p);

	if (s->held.len > 0) {
		wl_buf_add(&s->held, p, len);
		p = s->held.p;
		len = s->held.len;
	}
	if (len > 0 && !s->gone && !s->translated)
		s->gone = s->held.failed || s->out(s->arg, p, len) == -1;
	reset_held(s);
}

/*
 * Pass on what was made of an event.
 */
static void
relay(struct wl_stream *s)
{
	struct wl_buf *b = &s->relay.out;

	if (b->failed)
		s->gone = true;
	if (b->len == 0 || s->gone)
		return;
	s->res->chunks++;
	s->data_out = true;
	s->gone = s->out(s->arg, b->p, b->len) == -1;
}

static void
hold(struct wl_stream *s, const char *p, const char *end)
{
	wl_buf_add(&s->held, p, (size_t)(end - p));
}

/*
 * What an error says, out of scratch memory.
 */
static void
keep_refusal(struct wl_stream *s)
{
	struct wl_str *r = &s->res->refusal;

	wl_buf_add(&s->refusal, r->p, r->len);
	*r = (struct wl_str){ s->refusal.p, s->refusal.len };
}

/*
 * The reader of a long event may wait for a helper thread, while others read
 * theirs: it has memory of its own.
 */
static enum wl_chunk
read_data(struct wl_stream *s, struct wl_str data)
{
	static struct wl_arena *scratch;
	bool apart = data.len > WL_STREAM_EVENT;
	struct wl_arena *a = apart ? NULL : scratch;
	enum wl_chunk chunk;

	if (a == NULL && (a = wl_arena_new(SCRATCH)) == NULL)
		return WL_CHUNK_DATA;
	wl_buf_reset(&s->relay.out);
	chunk = s->target->wire->chunk(a, s->ask, s->target, data, s->res,
	    &s->relay);
	if (chunk == WL_CHUNK_ERROR)
		keep_refusal(s);
	if (apart) {
		wl_arena_free(a);
	} else {
		wl_arena_reset(a);
		scratch = a;
	}
	return chunk;
}

/*
 * What the complete event in P says.  An event without data passes, and is not
 * counted.
 */
static enum wl_chunk
read_event(struct wl_stream *s, const char *p, size_t len)
{
	enum wl_chunk chunk = WL_CHUNK_MAX;
	bool large = len > WL_STREAM_EVENT;
	struct wl_sse_event ev;
	int rc = wl_sse_feed(&s->sse, &p, &len, &ev);

	if (rc == 1 && wl_str_trim(ev.data).len > 0)
		chunk = read_data(s, ev.data);
	if (rc == -1 || large) {	/* out of memory; or much of it */
		wl_sse_free(&s->sse);
		wl_sse_init(&s->sse, s->longest);
	}
	return chunk;
}

static bool
is_eol(char c)
{
	return c == '\n' || c == '\r';
}

static const char *
find_eol(const char *p, const char *end)
{
	const char *lf = memchr(p, '\n', (size_t)(end - p)), *cr;

	cr = memchr(p, '\r', (size_t)((lf != NULL ? lf : end) - p));
	return cr != NULL ? cr : lf;
}

/*
 * The end of the unit that P is in: an event, or a comment or blank line
 * between two of them.  END, and *COMPLETE is false, when it is not there yet.
 */
static const char *
unit_end(struct wl_stream *s, const char *p, const char *end, bool *complete)
{
	const char *eol;

	*complete = false;
	while (p < end && !*complete) {
		if (s->after_cr) {
			s->after_cr = false;
			if (*p == '\n') {
				p++;
				continue;
			}
		}
		if (!s->in_line && !is_eol(*p)) {
			s->in_line = true;
			s->fields |= *p != ':';
		}
		if ((eol = find_eol(p, end)) == NULL)
			return end;
		*complete = !s->in_line || !s->fields;
		s->in_line = false;
		s->after_cr = *eol == '\r';
		p = eol + 1;
	}
	if (*complete && s->after_cr && p < end) {
		s->after_cr = false;
		p += *p == '\n';
	}
	return p;
}

/*
 * Bytes on their way: what comes before UNIT passes; the event's own bytes
 * are those held, then those from UNIT to END.
 */
struct piece {
	const char	*run, *unit, *end;
};

/*
 * Pass on what comes before the event.
 */
static void
flush(struct wl_stream *s, struct piece *in)
{
	if (s->held.len == 0)
		emit(s, in->run, in->unit);
	in->run = in->unit;
}

/*
 * Take the event's bytes out of the stream.
 */
static void
take_out(struct wl_stream *s, struct piece *in, bool keep)
{
	flush(s, in);
	if (keep) {
		hold(s, in->unit, in->end);
		s->last = (struct wl_str){ s->held.p, s->held.len };
	} else
		reset_held(s);
	in->run = in->end;
}

/*
 * An event that is translated was read as CHUNK.
 */
static void
judge_translated(struct wl_stream *s, enum wl_chunk chunk)
{
	switch (chunk) {
	case WL_CHUNK_DATA:
	case WL_CHUNK_USAGE:
		relay(s);
		return;
	case WL_CHUNK_DONE:
		relay(s);
		s->last = WL_STR("data: [DONE]\n\n");
		s->over = WL_STREAM_DONE;
		break;
	case WL_CHUNK_ERROR:
		s->over = WL_STREAM_ERROR;
		break;
	case WL_CHUNK_INVALID:
		s->over = WL_STREAM_INVALID;
		break;
	case WL_CHUNK_MAX:
		return;
	}
	s->after_cr = false;
}

/*
 * The event that ends at in->end is complete.
 */
static void
judge(struct wl_stream *s, struct piece *in)
{
	enum wl_chunk chunk;
	struct wl_str text = { in->unit, (size_t)(in->end - in->unit) };
	size_t held = s->held.len;

	if (held > 0) {
		hold(s, text.p, text.p + text.len);
		text = (struct wl_str){ s->held.p, s->held.len };
		in->unit = in->run = in->end;
	}
	chunk = read_event(s, text.p, text.len);
	if (s->translated) {
		take_out(s, in, false);
		judge_translated(s, chunk);
		return;
	}
	switch (chunk) {
	case WL_CHUNK_USAGE:
		if (!s->hide_usage)
			break;
		take_out(s, in, false);
		s->drop_lf = true;
		return;
	case WL_CHUNK_DONE:
		take_out(s, in, true);
		s->over = WL_STREAM_DONE;
		return;
	case WL_CHUNK_ERROR:
		take_out(s, in, false);
		s->after_cr = false;
		s->over = WL_STREAM_ERROR;
		return;
	case WL_CHUNK_INVALID:
		take_out(s, in, false);
		s->after_cr = false;
		s->over = WL_STREAM_INVALID;
		return;
	case WL_CHUNK_DATA:
		s->res->chunks++;
		s->data_out = true;
		break;
	case WL_CHUNK_MAX:
		break;
	}
	if (held > 0)
		emit(s, in->end, in->end);
}

/*
 * Behind the last event only the LF of its CR is of interest.
 */
static enum wl_stream_state
feed_over(struct wl_stream *s, const char *p, size_t len)
{
	wl_buf_reset(&s->held);
	s->last = (struct wl_str){ NULL, 0 };
	if (s->after_cr && len > 0 && *p == '\n')
		s->last = (struct wl_str){ p, 1 };
	if (len > 0)
		s->after_cr = false;
	return s->over;
}

/*
 * An event begins to pass that is too long to be read.
 */
static void
skim(struct wl_stream *s)
{
	struct wl_str head = { s->held.p, s->held.len < SKIM_LOOK ?
	    s->held.len : SKIM_LOOK };

	s->skimming = s->data_out = true;
	if (head.len > 0)
		s->target->wire->skimmed(s->ask, head, s->res);
}

/*
 * The input is used up within a unit.
 */
static void
end_piece(struct wl_stream *s, struct piece *in)
{
	if (s->held.len + (size_t)(in->end - in->unit) > s->longest) {
		if (s->translated) {
			s->over = WL_STREAM_INVALID;
			return;
		}
		skim(s);
		in->unit = in->end;
	}
	if (s->skimming) {
		emit(s, in->run, in->end);
		return;
	}
	flush(s, in);
	hold(s, in->unit, in->end);
}

static enum wl_stream_state
feed(struct wl_stream *s, const char *p, size_t len)
{
	struct piece in = { p, p, p };
	const char *end = p + len;
	bool complete = true;

	if (s->over != 0)
		return feed_over(s, p, len);
	if (len > 0 && s->after_cr && s->held.len == 0 && *p == '\n') {
		/* it belongs to what left, or was dropped, before */
		s->after_cr = false;
		in.end = p + 1;
		in.run = s->drop_lf ? in.end : p;
	}
	while (in.end < end && s->over == 0 && !s->gone) {
		s->drop_lf = false;
		in.unit = in.end;
		in.end = unit_end(s, in.unit, end, &complete);
		if (!complete)
			break;
		if (s->skimming) {
			s->skimming = false;
			s->res->chunks++;
		} else if (s->fields || s->held.len > 0)
			judge(s, &in);
		s->fields = false;
	}
	if (!complete)
		end_piece(s, &in);
	else if (s->over == 0)
		emit(s, in.run, in.end);
	return s->gone ? WL_STREAM_GONE : (enum wl_stream_state)s->over;
}

enum wl_stream_state
wl_stream_feed(struct wl_stream *s, const char *p, size_t len)
{
	const struct wl_provider *wire = s->target->wire;
	enum wl_stream_state state;
	int rc;

	if (!s->translated || wire->unframe == NULL)
		return feed(s, p, len);
	if (s->over != 0)
		return feed_over(s, p, 0);
	wl_buf_reset(&s->plain);
	rc = wire->unframe(&s->relay, p, len, &s->plain);
	state = s->plain.len == 0 ? WL_STREAM_MORE :
	    feed(s, s->plain.p, s->plain.len);
	if (s->over == 0 && (rc == -1 || s->plain.failed))
		s->over = WL_STREAM_INVALID;
	return state == WL_STREAM_MORE ? (enum wl_stream_state)s->over : state;
}

bool
wl_stream_may_end(const struct wl_stream *s)
{
	return wl_stream_between(s) &&
	    (!s->translated || s->target->wire->ended != NULL);
}

int
wl_stream_finish(struct wl_stream *s)
{
	const struct wl_provider *wire = s->target->wire;

	if (s->translated && wire->ended != NULL && !s->gone) {
		wl_buf_reset(&s->relay.out);
		wire->ended(s->ask, s->target, s->res, &s->relay);
		relay(s);
	}
	return s->gone ? -1 : 0;
}

enum wl_stream_state
wl_stream_end(struct wl_stream *s)
{
	if (s->over == 0 && !s->skimming && s->held.len > 0) {
		s->after_cr = false;
		(void)feed(s, "\n\n", s->in_line ? 2 : 1);
	}
	return s->gone ? WL_STREAM_GONE : (enum wl_stream_state)s->over;
}

struct wl_str
wl_stream_last(enum wl_api api)
{
	if (api == WL_API_RESPONSES || wl_api_is_media(api))
		return WL_STR("");
	if (api == WL_API_MESSAGES)
		return WL_STR("event: message_stop\n"
		    "data: {\"type\":\"message_stop\"}\n\n");
	return WL_STR("data: [DONE]\n\n");
}

bool
wl_stream_between(const struct wl_stream *s)
{
	return !s->skimming;
}
