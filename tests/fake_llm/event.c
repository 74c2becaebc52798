/*
 * The events of a stream (OpenAI API reference: the chat completion chunk
 * object; WHATWG HTML, server-sent events).
 */
#include "config.h"

#include "tests/fake_llm/event.h"

#include "tests/fake_llm/body.h"
#include "tests/fake_llm/reply.h"
#include "tests/fake_llm/text.h"
#include "tests/fake_llm/usage.h"

static void
line_end(struct fake_stream *st)
{
	fake_buf_puts(st->b, st->eol);
}

/*
 * Begin an event: all of it that is the same for every chunk.
 */
static void
open_event(struct fake_stream *st)
{
	if (st->call->s.comments) {
		fake_buf_puts(st->b, ": sandbox");
		line_end(st);
	}
	fake_buf_puts(st->b, "data: ");
	fake_buf_puts(st->b, fake_call_made(st->call, st->opening));
}

static void
close_event(struct fake_stream *st)
{
	fake_buf_puts(st->b, "}");
	line_end(st);
	line_end(st);
	st->out.chunks++;
}

/*
 * What follows the list of choices in an event that has some.
 */
static void
put_tail(struct fake_stream *st, bool last)
{
	struct fake_call *call = st->call;
	int64_t usage = call->s.usage;

	fake_buf_puts(st->b, "]");
	if (usage == FAKE_USAGE_EVERY)
		fake_usage_put(call, st->b, call->rec.completion_sent +
		    st->out.tokens);
	else if (usage == FAKE_USAGE_WITH_CHOICES && last)
		fake_usage_put(call, st->b, -1);
	else if (st->asked && usage != FAKE_USAGE_WITH_CHOICES)
		fake_buf_puts(st->b, ",\"usage\":null");
	close_event(st);
}

static void
open_choice(struct fake_stream *st, int64_t choice)
{
	open_event(st);
	fake_buf_puts(st->b, "{\"index\":");
	fake_buf_int(st->b, choice);
}

void
fake_event_role(struct fake_stream *st, int64_t choice)
{
	open_choice(st, choice);
	fake_buf_puts(st->b, ",\"delta\":{\"role\":\"assistant\",\"content\":");
	fake_buf_puts(st->b, st->call->parts[0].tool ? "null" : "\"\"");
	fake_buf_puts(st->b, ",\"refusal\":null},\"logprobs\":null,"
	    "\"finish_reason\":null}");
	put_tail(st, false);
}

void
fake_event_finish(struct fake_stream *st, int64_t choice)
{
	open_choice(st, choice);
	fake_buf_puts(st->b, st->call->api == FAKE_API_CHAT ?
	    ",\"delta\":{}" : ",\"text\":\"\"");
	fake_buf_puts(st->b, ",\"logprobs\":null,\"finish_reason\":\"");
	fake_buf_puts(st->b, fake_usage_finish(st->call));
	fake_buf_puts(st->b, "\"}");
	put_tail(st, choice == st->call->n - 1);
}

void
fake_event_usage(struct fake_stream *st, int64_t so_far)
{
	open_event(st);
	fake_buf_puts(st->b, "]");
	fake_usage_put(st->call, st->b, so_far);
	close_event(st);
}

static void
put_piece(struct fake_stream *st, const struct fake_part *p, int64_t choice,
    int64_t from, int64_t len)
{
	struct fake_call *call = st->call;

	if (call->s.stamp && !p->tool)
		fake_buf_fmt(st->b, "%lld:%lld ", (long long)st->step,
		    (long long)fake_conn_now_us());
	else if (p->fixed)
		fake_buf_json(st->b, fake_call_made(call, p->data) + from,
		    (size_t)len);
	else
		fake_out_text(&st->out, fake_body_hash(call, choice),
		    call->s.utf8 != 0, from, len);
}

void
fake_event_content(
    struct fake_stream *st, int part, int64_t choice, int64_t from, int64_t len)
{
	const struct fake_part *p = &st->call->parts[part];

	open_choice(st, choice);
	if (st->call->api == FAKE_API_COMPLETIONS) {
		fake_buf_puts(st->b, ",\"text\":\"");
		put_piece(st, p, choice, from, len);
		fake_buf_puts(st->b, "\"");
	} else if (p->tool) {
		fake_buf_puts(st->b, ",\"delta\":{\"tool_calls\":[{\"index\":");
		fake_buf_int(st->b, part);
		fake_buf_puts(st->b, ",");
		if (from == 0)
			fake_body_tool(st->call, st->b, part, choice);
		else
			fake_buf_puts(st->b, "\"function\":{\"arguments\":\"");
		put_piece(st, p, choice, from, len);
		fake_buf_puts(st->b, "\"}}]}");
	} else {
		fake_buf_puts(st->b, ",\"delta\":{\"content\":\"");
		put_piece(st, p, choice, from, len);
		fake_buf_puts(st->b, "\"}");
	}
	fake_buf_puts(st->b, ",\"logprobs\":null,\"finish_reason\":null}");
	st->out.tokens += fake_text_tokens(from + len) -
	    fake_text_tokens(from);
	put_tail(st, false);
}

/*
 * Two events that run into each other, and lines that are none.
 */
void
fake_event_malformed(struct fake_stream *st)
{
	static const char junk[] = "no colon here\0dat: {}";
	int i;

	for (i = 0; i < 2; i++) {
		open_event(st);
		fake_buf_puts(st->b, "]}");
		line_end(st);
	}
	fake_buf_put(st->b, junk, sizeof(junk) - 1);
	line_end(st);
	line_end(st);
}

void
fake_event_error(struct fake_stream *st)
{
	struct fake_fail f;

	fake_reply_scripted(&f, 500);
	fake_buf_puts(st->b, "data: ");
	fake_reply_error_body(st->b, &f);
	line_end(st);
	line_end(st);
}

void
fake_event_broken(struct fake_stream *st)
{
	open_event(st);
	fake_buf_puts(st->b, "{\"index\":0,\"delta\":{\"content\":");
	line_end(st);
	line_end(st);
}

void
fake_event_done(struct fake_stream *st)
{
	fake_buf_puts(st->b, "data: [DONE]");
	line_end(st);
	line_end(st);
}

void
fake_event_prepare(struct fake_stream *st)
{
	struct fake_call *call = st->call;
	struct fake_buf *made = &call->conn->made;
	struct fake_buf *b = &call->conn->scratch;

	b->len = 0;
	fake_buf_puts(b, "{\"id\":\"");
	fake_buf_puts(b, call->id);
	fake_buf_puts(b, call->api == FAKE_API_CHAT ?
	    "\",\"object\":\"chat.completion.chunk\",\"created\":" :
	    "\",\"object\":\"text_completion\",\"created\":");
	fake_buf_int(b, call->created);
	fake_buf_puts(b, ",\"model\":\"");
	fake_buf_puts(b, fake_call_made(call, call->model));
	if (call->api == FAKE_API_CHAT)
		fake_buf_puts(b, "\",\"service_tier\":\"default");
	fake_buf_puts(b,
	    "\",\"system_fingerprint\":\"fp_sandbox\",\"choices\":[");
	st->opening = made->len;
	fake_buf_put(made, b->p, b->len);
	fake_buf_put(made, "", 1);
}
