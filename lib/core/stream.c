/*
 * The pass-through filter of streams.  It follows the lines of the bytes that
 * go by; an event is held from its first field until its bytes show that it
 * carries choices, which neither the terminal event, nor an error, nor a
 * usage-only chunk does.  What the events say is read from a copy.
 */
#include "config.h"
#include "lib/core/stream.h"

#include <string.h>

#include "lib/base/arena.h"

/* Memory of the parse of one event: text and json-c's own. */
#define SCRATCH		((size_t)4 * 1024 * 1024)

enum line {
	LINE_START,
	LINE_BOM,		/* in the mark at the very beginning */
	LINE_NAME,		/* so far a beginning of "data" */
	LINE_COLON,		/* "data:", a space may follow */
	LINE_DATA,
	LINE_COMMENT,
	LINE_OTHER
};

enum payload {
	PAYLOAD_EMPTY,
	PAYLOAD_DONE,		/* so far a beginning of "[DONE]" */
	PAYLOAD_JSON
};

enum seen { SEEN_NOTHING, SEEN_NAME, SEEN_COLON, SEEN_ARRAY, SEEN_EMPTY };

static const char bom[] = "\xef\xbb\xbf";
static const char data_name[] = "data";
static const char done_mark[] = "[DONE]";
static const char choices_name[] = "choices";

void
wl_stream_init(struct wl_stream *s, const struct wl_provider *wire,
    const struct wl_ask *ask, bool hide_usage, struct wl_result *res,
    int (*out)(void *, const char *, size_t), void *arg)
{
	memset(s, 0, sizeof(*s));
	s->wire = wire;
	s->ask = ask;
	s->hide_usage = hide_usage;
	s->res = res;
	s->out = out;
	s->arg = arg;
	s->line = LINE_BOM;
	wl_sse_init(&s->sse, WL_STREAM_EVENT);
	wl_buf_init(&s->held, 0);
}

void
wl_stream_free(struct wl_stream *s)
{
	wl_sse_free(&s->sse);
	wl_buf_free(&s->held);
}

/*
 * The end of a string at the top level of the event's JSON.
 */
static void
json_string(struct wl_stream_json *j, char c)
{
	if (j->escaped) {
		j->escaped = false;
		j->is_name = false;	/* nobody writes "choices" so */
	} else if (c == '\\') {
		j->escaped = true;
	} else if (c == '"') {
		j->in_string = false;
		if (j->is_name && j->matched == sizeof(choices_name) - 1)
			j->seen = SEEN_NAME;
	} else if (j->is_name) {
		j->is_name = j->matched < sizeof(choices_name) - 1 &&
		    choices_name[j->matched++] == c;
	}
}

/*
 * One byte of an event's JSON.  Returns whether the event is now known to
 * carry choices.
 */
static bool
json_byte(struct wl_stream_json *j, char c)
{
	if (j->in_string) {
		json_string(j, c);
		return false;
	}
	if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
		return false;
	if (j->seen == SEEN_ARRAY) {
		if (c != ']')
			return true;
		j->seen = SEEN_EMPTY;
	}
	switch (c) {
	case '"':
		j->in_string = true;
		j->is_name = j->want_name && j->seen != SEEN_EMPTY;
		j->matched = 0;
		break;
	case '{':
	case '[':
		if (j->seen == SEEN_COLON && j->depth == 1)
			j->seen = c == '[' ? SEEN_ARRAY : SEEN_NOTHING;
		j->depth++;
		j->want_name = c == '{' && j->depth == 1;
		return false;
	case '}':
	case ']':
		j->depth--;
		break;
	case ':':
		if (j->seen == SEEN_NAME)
			j->seen = SEEN_COLON;
		break;
	case ',':
		j->want_name = j->depth == 1;
		if (j->seen == SEEN_COLON)
			j->seen = SEEN_NOTHING;
		return false;
	}
	j->want_name = false;
	return false;
}

/*
 * One byte of the event's data.  Returns whether the event can be passed on.
 */
static bool
data_byte(struct wl_stream *s, char c)
{
	switch ((enum payload)s->payload) {
	case PAYLOAD_EMPTY:
		if (c == ' ' || c == '\t' || c == '\n')
			return false;
		if (c == done_mark[0]) {
			s->payload = PAYLOAD_DONE;
			s->mark = 1;
			return false;
		}
		if (c != '{' || (!s->hide_usage && s->seen_data))
			return true;
		s->payload = PAYLOAD_JSON;
		break;
	case PAYLOAD_DONE:
		if (s->mark < sizeof(done_mark) - 1)
			return done_mark[s->mark++] != c;
		return c != ' ' && c != '\t';
	case PAYLOAD_JSON:
		break;
	}
	return json_byte(&s->json, c);
}

static void
decide(struct wl_stream *s, char c)
{
	if (!s->decided && data_byte(s, c))
		s->decided = true;
}

/*
 * The first byte of a line that is not empty.
 */
static void
line_begins(struct wl_stream *s, char c)
{
	if (c == ':') {
		s->line = LINE_COMMENT;
		return;
	}
	s->dirty = true;
	s->line = c == data_name[0] ? LINE_NAME : LINE_OTHER;
	s->matched = 1;
}

/*
 * A byte within a line.
 */
static void
line_byte(struct wl_stream *s, char c)
{
	switch ((enum line)s->line) {
	case LINE_BOM:
		if (c == bom[s->matched]) {
			if (++s->matched == sizeof(bom) - 1)
				s->line = LINE_START;
			return;
		}
		/* FALLTHROUGH */
	case LINE_START:
		line_begins(s, c);
		return;
	case LINE_NAME:
		if (s->matched < sizeof(data_name) - 1 &&
		    data_name[s->matched] == c)
			s->matched++;
		else if (s->matched == sizeof(data_name) - 1 && c == ':') {
			s->line = LINE_COLON;
			if (s->payload != PAYLOAD_EMPTY)
				decide(s, '\n');
		} else
			s->line = LINE_OTHER;
		return;
	case LINE_COLON:
		s->line = LINE_DATA;
		if (c == ' ')
			return;
		/* FALLTHROUGH */
	case LINE_DATA:
		decide(s, c);
		return;
	case LINE_COMMENT:
	case LINE_OTHER:
		return;
	}
}

static bool
is_eol(char c)
{
	return c == '\n' || c == '\r';
}

/*
 * The end of the line's plain part at P: as far as no byte of it matters.
 */
static const char *
skip_plain(const struct wl_stream *s, const char *p, const char *end)
{
	const char *lf, *cr;

	if (s->line != LINE_COMMENT && s->line != LINE_OTHER &&
	    !(s->line == LINE_DATA && s->decided))
		return p;
	lf = memchr(p, '\n', (size_t)(end - p));
	if (lf == NULL)
		lf = end;
	cr = memchr(p, '\r', (size_t)(lf - p));
	return cr != NULL ? cr : lf;
}

/*
 * A piece of input on its way: what of it is neither passed on nor dropped
 * yet begins at RUN; HOLD is where the fields of the event begin in it.
 */
struct piece {
	const char	*run, *hold, *end;
};

static void
emit(struct wl_stream *s, const char *p, const char *end)
{
	size_t len = (size_t)(end - p);

	if (s->held.len > 0) {
		wl_buf_add(&s->held, p, len);
		p = s->held.p;
		len = s->held.len;
	}
	if (len > 0 && !s->gone) {
		s->last_byte = p[len - 1];
		s->data_out |= s->seen_data || s->decided;
		s->gone = s->held.failed || s->out(s->arg, p, len) == -1;
	}
	wl_buf_reset(&s->held);
}

/*
 * What the copy of the bytes up to END says; false: no event with data.
 */
static bool
read_copy(struct wl_stream *s, const char *p, const char *end,
    enum wl_chunk *chunk)
{
	static struct wl_arena *scratch;
	size_t len = (size_t)(end - p);
	struct wl_sse_event ev;
	int rc;

	if (s->sse_lost)
		return false;
	rc = wl_sse_feed(&s->sse, &p, &len, &ev);
	if (rc == -1)
		s->sse_lost = true;
	if (rc != 1 || !ev.has_data)
		return false;
	if (scratch == NULL && (scratch = wl_arena_new(SCRATCH)) == NULL)
		return false;
	*chunk = s->wire->chunk(scratch, s->ask, ev.data, s->res);
	wl_arena_reset(scratch);
	return true;
}

static void
next_event(struct wl_stream *s)
{
	if (s->sse_lost) {
		wl_sse_free(&s->sse);
		wl_sse_init(&s->sse, WL_STREAM_EVENT);
		s->sse.bom_done = true;
		s->sse_lost = false;
	}
	s->dirty = s->decided = false;
	s->payload = PAYLOAD_EMPTY;
	memset(&s->json, 0, sizeof(s->json));
}

/*
 * Keep the event's bytes up to END for the caller.
 */
static void
keep_last(struct wl_stream *s, struct piece *in, const char *end,
    enum wl_stream_state state)
{
	s->over = state;
	if (s->decided) {
		emit(s, in->run, end);
		return;
	}
	if (s->held.len == 0)
		emit(s, in->run, in->hold);
	wl_buf_add(&s->held, in->hold, (size_t)(end - in->hold));
	s->last = (struct wl_str){ s->held.p, s->held.len };
}

/*
 * The event that ends at END is complete.
 */
static void
judge(struct wl_stream *s, struct piece *in, const char *end,
    enum wl_chunk chunk)
{
	switch (chunk) {
	case WL_CHUNK_USAGE:
		if (!s->hide_usage || s->decided)
			break;
		if (s->held.len == 0)
			emit(s, in->run, in->hold);
		wl_buf_reset(&s->held);
		in->run = end;
		s->drop_lf = true;
		return;
	case WL_CHUNK_DONE:
		keep_last(s, in, end, WL_STREAM_DONE);
		return;
	case WL_CHUNK_ERROR:
		keep_last(s, in, end, WL_STREAM_ERROR);
		return;
	case WL_CHUNK_DATA:
	case WL_CHUNK_MAX:
		break;
	}
	s->seen_data = true;
	s->res->chunks++;
}

/*
 * Over the bytes from P to the end of the event or of the piece.  Returns
 * where that is; *COMPLETE tells which.
 */
static const char *
walk(struct wl_stream *s, struct piece *in, const char *p, bool *complete)
{
	bool was_dirty;

	*complete = false;
	while (p < in->end && !*complete) {
		if (s->skip_lf) {
			s->skip_lf = false;
			if (*p == '\n') {
				p++;
				continue;
			}
		}
		p = skip_plain(s, p, in->end);
		if (p == in->end)
			break;
		if (is_eol(*p)) {
			s->skip_lf = *p == '\r';
			*complete = s->line == LINE_START ||
			    s->line == LINE_BOM;
			s->line = LINE_START;
		} else {
			was_dirty = s->dirty;
			line_byte(s, *p);
			if (s->dirty && !was_dirty)
				in->hold = p;
		}
		p++;
	}
	return p;
}

/*
 * The LF of a CR that ended an event belongs to that event.
 */
static const char *
take_lf(struct wl_stream *s, struct piece *in, const char *p)
{
	enum wl_chunk chunk;

	if (!s->skip_lf || p == in->end)
		return p;
	s->skip_lf = false;
	if (*p != '\n')
		return p;
	(void)read_copy(s, p, p + 1, &chunk);
	if (s->drop_lf)
		in->run = p + 1;
	return p + 1;
}

/*
 * Behind the last event only the LF of its CR is of interest.
 */
static enum wl_stream_state
feed_over(struct wl_stream *s, const char *p, size_t len)
{
	wl_buf_reset(&s->held);
	s->last = (struct wl_str){ NULL, 0 };
	if (s->skip_lf && len > 0 && *p == '\n')
		s->last = (struct wl_str){ p, 1 };
	if (len > 0)
		s->skip_lf = false;
	return s->over;
}

/*
 * The input is used up, and the event not at its end.
 */
static void
end_piece(struct wl_stream *s, struct piece *in)
{
	if (s->dirty && s->held.len + (size_t)(in->end - in->hold) >
	    WL_STREAM_HOLD)
		s->decided = true;
	if (!s->dirty || s->decided) {
		emit(s, in->run, in->end);
		return;
	}
	if (s->held.len == 0)
		emit(s, in->run, in->hold);
	wl_buf_add(&s->held, in->hold, (size_t)(in->end - in->hold));
}

enum wl_stream_state
wl_stream_feed(struct wl_stream *s, const char *p, size_t len)
{
	struct piece in = { p, p, p + len };
	enum wl_chunk chunk;
	const char *q;
	bool complete, said;

	if (s->over != 0)
		return feed_over(s, p, len);
	if (!s->dirty)
		p = take_lf(s, &in, p);
	while (p < in.end && !s->gone) {
		s->drop_lf = false;
		q = walk(s, &in, p, &complete);
		said = read_copy(s, p, q, &chunk);
		if (complete && s->skip_lf && q < in.end && *q == '\n') {
			s->skip_lf = false;
			(void)read_copy(s, q, q + 1, &chunk);
			q++;
		}
		p = q;
		if (!complete)
			break;
		if (said)
			judge(s, &in, q, chunk);
		if (s->over != 0)
			break;
		/* what was held of it passes, unless judge() dropped it */
		if (s->held.len > 0) {
			emit(s, in.run, q);
			in.run = q;
		}
		next_event(s);
	}
	if (s->over == 0)
		end_piece(s, &in);
	return s->gone ? WL_STREAM_GONE : (enum wl_stream_state)s->over;
}

enum wl_stream_state
wl_stream_end(struct wl_stream *s)
{
	static const char blank[] = "\n\n";
	struct piece in = { blank, blank, blank };
	enum wl_chunk chunk;

	if (s->over != 0 || !s->dirty)
		return (enum wl_stream_state)s->over;
	if (read_copy(s, blank, blank + 2, &chunk))
		judge(s, &in, blank, chunk);
	if (s->over == 0 && s->held.len > 0) {
		s->decided = true;
		emit(s, blank, blank);
	}
	return s->gone ? WL_STREAM_GONE : (enum wl_stream_state)s->over;
}

bool
wl_stream_between(const struct wl_stream *s)
{
	return !(s->dirty && s->decided) && (s->last_byte == '\0' ||
	    is_eol(s->last_byte));
}
