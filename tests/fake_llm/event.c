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

void
fake_event_eol(struct fake_stream *st)
{
	fake_buf_puts(st->b, st->eol);
}

void
fake_event_comment(struct fake_stream *st)
{
	if (!st->call->s.comments)
		return;
	fake_buf_puts(st->b, ": sandbox");
	fake_event_eol(st);
}

/*
 * Begin an event: all of it that is the same for every chunk.
 */
static void
open_event(struct fake_stream *st)
{
	fake_event_comment(st);
	fake_buf_puts(st->b, "data: ");
	fake_buf_puts(st->b, fake_call_made(st->call, st->opening));
}

void
fake_event_close(struct fake_stream *st)
{
	fake_buf_puts(st->b, "}");
	fake_event_eol(st);
	fake_event_eol(st);
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
	fake_event_close(st);
}

static void
open_choice(struct fake_stream *st, int64_t choice)
{
	open_event(st);
	fake_buf_puts(st->b, "{\"index\":");
	fake_buf_int(st->b, choice);
}

static void
put_role(struct fake_stream *st, int64_t choice)
{
	open_choice(st, choice);
	fake_buf_puts(st->b, ",\"delta\":{\"role\":\"assistant\",\"content\":");
	fake_buf_puts(st->b, st->call->parts[0].tool ? "null" : "\"\"");
	fake_buf_puts(st->b, ",\"refusal\":null},\"logprobs\":null,"
	    "\"finish_reason\":null}");
	put_tail(st, false);
}

static void
put_finish(struct fake_stream *st, int64_t choice)
{
	open_choice(st, choice);
	fake_buf_puts(st->b, st->call->api == FAKE_API_CHAT ?
	    ",\"delta\":{}" : ",\"text\":\"\"");
	fake_buf_puts(st->b, ",\"logprobs\":null,\"finish_reason\":\"");
	fake_buf_puts(st->b, fake_usage_finish(st->call));
	fake_buf_puts(st->b, "\"}");
	put_tail(st, choice == st->call->n - 1);
}

/*
 * Usage without choices.
 */
static void
put_usage(struct fake_stream *st)
{
	open_event(st);
	fake_buf_puts(st->b, "]");
	fake_usage_put(st->call, st->b, -1);
	fake_event_close(st);
}

void
fake_event_piece(struct fake_stream *st, int part, int64_t choice,
    int64_t from, int64_t len)
{
	struct fake_call *call = st->call;
	const struct fake_part *p = &call->parts[part];

	st->out.tokens += fake_text_tokens(from + len) -
	    fake_text_tokens(from);
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

static void
put_content(struct fake_stream *st, int part, int64_t choice, int64_t from,
    int64_t len)
{
	open_choice(st, choice);
	if (st->call->api == FAKE_API_COMPLETIONS) {
		fake_buf_puts(st->b, ",\"text\":\"");
		fake_event_piece(st, part, choice, from, len);
		fake_buf_puts(st->b, "\"");
	} else if (st->call->parts[part].tool) {
		fake_buf_puts(st->b, ",\"delta\":{\"tool_calls\":[{\"index\":");
		fake_buf_int(st->b, part);
		fake_buf_puts(st->b, ",");
		if (from == 0)
			fake_body_tool(st->call, st->b, part, choice);
		else
			fake_buf_puts(st->b, "\"function\":{\"arguments\":\"");
		fake_event_piece(st, part, choice, from, len);
		fake_buf_puts(st->b, "\"}}]}");
	} else {
		fake_buf_puts(st->b, ",\"delta\":{\"content\":\"");
		fake_event_piece(st, part, choice, from, len);
		fake_buf_puts(st->b, "\"}");
	}
	fake_buf_puts(st->b, ",\"logprobs\":null,\"finish_reason\":null}");
	put_tail(st, false);
}

void
fake_event_junk(struct fake_stream *st)
{
	static const char junk[] = "no colon here\0dat: {}";

	fake_buf_put(st->b, junk, sizeof(junk) - 1);
	fake_event_eol(st);
}

static void
put_malformed(struct fake_stream *st)
{
	int i;

	for (i = 0; i < 2; i++) {
		open_event(st);
		fake_buf_puts(st->b, "]}");
		fake_event_eol(st);
	}
	fake_event_junk(st);
	fake_event_eol(st);
}

static void
put_error(struct fake_stream *st)
{
	struct fake_fail f;

	fake_reply_scripted(&f, 500);
	fake_buf_puts(st->b, "data: ");
	fake_reply_error_body(st->b, &f);
	fake_event_eol(st);
	fake_event_eol(st);
}

static void
put_broken(struct fake_stream *st)
{
	open_event(st);
	fake_buf_puts(st->b, "{\"index\":0,\"delta\":{\"content\":");
	fake_event_eol(st);
	fake_event_eol(st);
}

static void
put_done(struct fake_stream *st)
{
	fake_buf_puts(st->b, "data: [DONE]");
	fake_event_eol(st);
	fake_event_eol(st);
}

/*
 * Make what all events begin with.
 */
static void
prepare(struct fake_stream *st)
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

static void
begin(struct fake_stream *st)
{
	prepare(st);
	if (st->call->s.usage == FAKE_USAGE_EARLY)
		put_usage(st);
}

static void
begin_part(struct fake_stream *st, int part)
{
	int64_t choice;

	if (part > 0 || st->call->api != FAKE_API_CHAT)
		return;
	for (choice = 0; choice < st->call->n; choice++)
		put_role(st, choice);
}

static void
end_part(struct fake_stream *st, int part)
{
	(void)st;
	(void)part;
}

static void
end(struct fake_stream *st)
{
	int64_t usage = st->call->s.usage, choice;

	for (choice = 0; choice < st->call->n; choice++)
		put_finish(st, choice);
	if (st->asked && usage != FAKE_USAGE_EARLY &&
	    usage != FAKE_USAGE_EVERY && usage != FAKE_USAGE_WITH_CHOICES)
		put_usage(st);
	if (st->asked && usage == FAKE_USAGE_DUP)
		put_usage(st);
	put_done(st);
}

const struct fake_events fake_event_completions = {
    .begin = begin,
    .part_begin = begin_part,
    .part_end = end_part,
    .content = put_content,
    .end = end,
    .error = put_error,
    .malformed = put_malformed,
    .broken = put_broken,
};
