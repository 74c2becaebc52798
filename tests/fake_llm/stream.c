/*
 * Streams: the content in chunks that are each due at their own time, what
 * the API says around it -- and what may go wrong between.
 */
#include "config.h"

#include "tests/fake_llm/stream.h"

#include "lib/base/co.h"
#include "lib/base/loop.h"
#include "tests/fake_llm/event.h"
#include "tests/fake_llm/messages.h"
#include "tests/fake_llm/reply.h"
#include "tests/fake_llm/responses.h"
#include "tests/fake_llm/text.h"
#include "tests/fake_llm/usage.h"

/*
 * Chunks that are due at once leave together, up to so many bytes.
 */
#define BATCH ((size_t)16 * 1024)

static int
flush(struct fake_stream *st)
{
	if (fake_out_flush(&st->out) == -1) {
		st->over = true;
		return -1;
	}
	fake_usage_sent(st->call);
	return 0;
}

/*
 * The fault that comes between two chunks, once.
 */
static void
break_here(struct fake_stream *st)
{
	struct fake_call *call = st->call;

	st->faulted = true;
	switch ((enum fake_fault)call->s.fault) {
	case FAKE_FAULT_MALFORMED_JSON:
		st->events->broken(st);
		return;
	case FAKE_FAULT_MALFORMED_SSE:
		st->events->malformed(st);
		return;
	case FAKE_FAULT_ERROR_IN_STREAM:
		st->events->error(st);
		(void)fake_out_end(&st->out);
		break;
	case FAKE_FAULT_EOF_MID:
		(void)fake_out_end(&st->out);
		break;
	case FAKE_FAULT_EOF_CUT:
		(void)flush(st);
		call->conn->keep = false;
		break;
	case FAKE_FAULT_RESET_MID:
		if (flush(st) == 0)
			fake_reply_reset(call);
		break;
	case FAKE_FAULT_STALL_MID:
		if (flush(st) == 0)
			fake_reply_stall(call);
		break;
	default:
		return;
	}
	st->over = true;
}

/*
 * Wait until the next chunk is due.  One that is late goes at once: each has
 * its own deadline, so delays do not add up.
 */
static void
pace(struct fake_stream *st)
{
	struct fake_call *call = st->call;
	int64_t due = call->begun_ms + (call->latency_us + call->s.ttft +
	    call->s.per_token * st->step + 999) / 1000;

	if (due <= wl_mono())
		return;
	if (flush(st) == 0 && fake_conn_wait(call->conn, due) == -1)
		st->over = true;
}

/*
 * Send what a step has made, or leave it for the next one.
 */
static void
push(struct fake_stream *st)
{
	bool alone = st->call->s.stamp || st->call->s.per_token > 0;

	if (st->over || (!alone && st->b->len < BATCH))
		return;
	if (flush(st) == 0)
		wl_co_yield();
}

/*
 * Where a piece that starts at FROM ends: after chunk_tokens tokens, at a
 * character's boundary.
 */
static int64_t
piece_end(struct fake_stream *st, const struct fake_part *p, int64_t from)
{
	int64_t end = from + st->call->s.chunk_tokens * FAKE_TOKEN_BYTES;
	const char *s = fake_call_made(st->call, p->data);

	if (end >= p->len)
		return p->len;
	while (p->fixed && end < p->len && (s[end] & 0xc0) == 0x80)
		end++;
	return end;
}

static void
run_part(struct fake_stream *st, int part)
{
	const struct fake_part *p = &st->call->parts[part];
	int64_t from = 0, end, choice;

	do {
		end = piece_end(st, p, from);
		pace(st);
		if (!st->over && !st->faulted && st->step == st->call->s.after)
			break_here(st);
		if (st->over)
			return;
		if (from == 0)
			st->events->part_begin(st, part);
		for (choice = 0; choice < st->call->n && end > from; choice++)
			st->events->content(st, part, choice, from,
			    end - from);
		st->step++;
		from = end;
		push(st);
	} while (from < p->len && !st->over);
	if (!st->over)
		st->events->part_end(st, part);
}

static void
run_end(struct fake_stream *st)
{
	struct fake_call *call = st->call;

	if (!st->faulted)
		break_here(st);
	if (st->over)
		return;
	st->events->end(st);
	if (fake_out_end(&st->out) == 0)
		fake_usage_sent(call);
	if (call->s.fault == FAKE_FAULT_WRONG_LENGTH_LONG)
		call->conn->keep = false;
}

static bool
is_asked(const struct fake_call *call)
{
	switch ((enum fake_usage)call->s.usage) {
	case FAKE_USAGE_AUTO:
	case FAKE_USAGE_ZERO:
	case FAKE_USAGE_DUP:
		return call->include_usage;
	case FAKE_USAGE_NONE:
		return false;
	case FAKE_USAGE_ALWAYS:
	case FAKE_USAGE_EARLY:
	case FAKE_USAGE_EVERY:
	case FAKE_USAGE_WITH_CHOICES:
	case FAKE_USAGE_MAX:
		break;
	}
	return true;
}

/*
 * The frame, the chunks' size and the head, as far as a fault changes them.
 */
static void
prepare(struct fake_stream *st)
{
	struct fake_call *call = st->call;
	struct fake_conn *c = call->conn;
	struct fake_script *s = &call->s;
	int64_t length = -1;

	if (s->fault == FAKE_FAULT_WRONG_LENGTH_SHORT)
		length = 200;
	if (s->fault == FAKE_FAULT_WRONG_LENGTH_LONG)
		length = INT64_C(1) << 30;
	fake_out_open(&st->out, c, &call->rec, length > 0 || c->http10 ?
	    FAKE_FRAME_PLAIN : FAKE_FRAME_CHUNKED);
	if (s->fault == FAKE_FAULT_GZIP_BOMB)
		fake_out_gzip(&st->out);
	if (s->fault == FAKE_FAULT_HUGE_LINE) {
		s->chunk_tokens = fake_text_tokens(s->size);
		st->out.pieces = true;
	}
	if (s->fault == FAKE_FAULT_HUGE_BODY && s->chunk_tokens == 1)
		s->chunk_tokens = 16384;
	if (s->fault == FAKE_FAULT_GZIP_BOMB && s->chunk_tokens == 1)
		s->chunk_tokens = 262144;
	fake_reply_head(call, 200, "text/event-stream; charset=utf-8", length);
	if (s->bom)
		fake_buf_puts(st->b, "\xef\xbb\xbf");
	if (s->fault == FAKE_FAULT_SLOW_BYTES) {
		if (fake_out_head(&st->out) == -1)
			st->over = true;
		c->split = 1;
		c->gap_ms = s->gap ? s->gap / 1000 : 1000;
	}
}

static const struct fake_events *
events_of(enum fake_api api)
{
	if (api == FAKE_API_MESSAGES)
		return &fake_messages_events;
	return api == FAKE_API_RESPONSES ? &fake_responses_events :
	    &fake_event_completions;
}

void
fake_stream_run(struct fake_call *call)
{
	static const char *const eols[FAKE_EOL_MAX] = {
	    [FAKE_EOL_LF] = "\n",
	    [FAKE_EOL_CRLF] = "\r\n",
	    [FAKE_EOL_CR] = "\r",
	};
	struct fake_stream st = {.call = call, .b = &call->conn->body,
	    .events = events_of(call->api),
	    .eol = eols[call->s.eol], .asked = is_asked(call)};
	int64_t fault = call->s.fault;
	int i;

	if (call->s.status != 0 || fault == FAKE_FAULT_HTML_ERROR ||
	    fault == FAKE_FAULT_STATUS_200_ERROR_BODY) {
		fake_reply_run(call);
		return;
	}
	if (fake_reply_wait(call) == -1)
		return;
	prepare(&st);
	st.events->begin(&st);
	for (i = 0; i < call->n_parts && !st.over; i++)
		run_part(&st, i);
	if (!st.over)
		run_end(&st);
	fake_out_close(&st.out);
}
