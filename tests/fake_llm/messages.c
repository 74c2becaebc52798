/*
 * The message object and its events (Anthropic's published client library:
 * Message, RawMessageStreamEvent, ErrorResponse).
 */
#include "config.h"

#include "tests/fake_llm/messages.h"

#include "tests/fake_llm/body.h"
#include "tests/fake_llm/reply.h"
#include "tests/fake_llm/text.h"
#include "tests/fake_llm/usage.h"

#define THOUGHT		"Let me think about this."

static void
put_quoted(struct fake_buf *b, const char *name, const char *v)
{
	fake_buf_puts(b, name);
	fake_buf_puts(b, "\"");
	fake_buf_json(b, v, strlen(v));
	fake_buf_puts(b, "\"");
}

static bool
thinks(const struct fake_call *call)
{
	return call->s.reasoning_tokens > 0;
}

/*
 * The index of the block of PART: thinking comes before all.
 */
static int
block_of(const struct fake_call *call, int part)
{
	return part + (thinks(call) ? 1 : 0);
}

static const char *
stop_reason(const struct fake_call *call)
{
	const char *finish = fake_usage_finish(call);

	if (strcmp(finish, "length") == 0)
		return "max_tokens";
	if (strcmp(finish, "tool_calls") == 0)
		return "tool_use";
	return strcmp(finish, "content_filter") == 0 ? "refusal" : "end_turn";
}

/*
 * The message up to its content, which is not closed.
 */
static void
put_opening(struct fake_call *call, struct fake_buf *b)
{
	put_quoted(b, "{\"id\":", call->id);
	fake_buf_puts(b, ",\"type\":\"message\",\"role\":\"assistant\","
	    "\"model\":\"");
	fake_buf_puts(b, fake_call_made(call, call->model));
	fake_buf_puts(b, "\",\"content\":[");
}

/*
 * What comes before the input, or the text, of a block.
 */
static void
put_block_opening(struct fake_call *call, struct fake_buf *b, int part)
{
	if (!call->parts[part].tool) {
		fake_buf_puts(b, "{\"type\":\"text\",\"text\":");
		return;
	}
	fake_buf_puts(b, "{\"type\":\"tool_use\",\"id\":\"toolu_");
	fake_buf_hex(b, fake_text_mix(call->random + (uint64_t)part), 16);
	put_quoted(b, "\",\"name\":",
	    fake_call_made(call, call->parts[part].name));
	fake_buf_puts(b, ",\"input\":");
}

static void
put_block(struct fake_call *call, struct fake_out *o, int part)
{
	const struct fake_part *p = &call->parts[part];
	struct fake_buf *b = &o->conn->body;

	put_block_opening(call, b, part);
	if (p->tool) {
		fake_buf_put(b, fake_call_made(call, p->data),
		    (size_t)p->len);
	} else {
		fake_buf_puts(b, "\"");
		fake_body_part(call, o, part, 0);
		fake_buf_puts(b, "\"");
	}
	fake_buf_puts(b, "}");
}

void
fake_messages_body(struct fake_call *call, struct fake_out *o)
{
	struct fake_buf *b = &o->conn->body;
	int i;

	put_opening(call, b);
	if (thinks(call))
		fake_buf_puts(b, "{\"type\":\"thinking\",\"thinking\":\""
		    THOUGHT "\",\"signature\":\"c2FuZGJveA==\"},");
	for (i = 0; i < call->n_parts; i++) {
		if (i > 0)
			fake_buf_puts(b, ",");
		put_block(call, o, i);
	}
	put_quoted(b, "],\"stop_reason\":", stop_reason(call));
	fake_buf_puts(b, ",\"stop_sequence\":null");
	fake_usage_put(call, b, -1);
	if (call->s.usage == FAKE_USAGE_DUP)
		fake_usage_put(call, b, -1);
	fake_buf_puts(b, "}");
}

void
fake_messages_count(struct fake_call *call, struct fake_out *o)
{
	fake_buf_puts(&o->conn->body, "{\"input_tokens\":");
	fake_buf_int(&o->conn->body, call->s.prompt_tokens < 0 ?
	    call->rec.prompt_counted : call->s.prompt_tokens);
	fake_buf_puts(&o->conn->body, "}");
}

/* ---- errors ---- */

static const char *
type_of(int status)
{
	static const struct {
		int		 status;
		const char	*type;
	} types[] = {
	    {400, "invalid_request_error"},
	    {401, "authentication_error"},
	    {402, "billing_error"},
	    {403, "permission_error"},
	    {404, "not_found_error"},
	    {413, "request_too_large"},
	    {429, "rate_limit_error"},
	    {504, "timeout_error"},
	    {529, "overloaded_error"},
	};
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].status == status)
			return types[i].type;
	return "api_error";
}

void
fake_messages_error(struct fake_call *call, struct fake_buf *b,
    const struct fake_fail *f)
{
	put_quoted(b, "{\"type\":\"error\",\"error\":{\"type\":",
	    type_of(f->status));
	put_quoted(b, ",\"message\":", f->message);
	fake_buf_puts(b, "},\"request_id\":\"req_");
	fake_buf_hex(b, call->random, 16);
	fake_buf_puts(b, "\"}");
}

/* ---- events ---- */

static void
open_event(struct fake_stream *st, const char *type)
{
	fake_event_comment(st);
	fake_buf_puts(st->b, "event: ");
	fake_buf_puts(st->b, type);
	fake_event_eol(st);
	fake_buf_puts(st->b, "data: {\"type\":\"");
	fake_buf_puts(st->b, type);
	fake_buf_puts(st->b, "\"");
}

static void
open_block(struct fake_stream *st, const char *type, int block)
{
	open_event(st, type);
	fake_buf_puts(st->b, ",\"index\":");
	fake_buf_int(st->b, block);
}

static void
stop_block(struct fake_stream *st, int block)
{
	open_block(st, "content_block_stop", block);
	fake_event_close(st);
}

static void
put_thought(struct fake_stream *st)
{
	open_block(st, "content_block_start", 0);
	fake_buf_puts(st->b, ",\"content_block\":{\"type\":\"thinking\","
	    "\"thinking\":\"\",\"signature\":\"\"}");
	fake_event_close(st);
	open_block(st, "content_block_delta", 0);
	fake_buf_puts(st->b, ",\"delta\":{\"type\":\"thinking_delta\","
	    "\"thinking\":\"" THOUGHT "\"}");
	fake_event_close(st);
	open_block(st, "content_block_delta", 0);
	fake_buf_puts(st->b, ",\"delta\":{\"type\":\"signature_delta\","
	    "\"signature\":\"c2FuZGJveA==\"}");
	fake_event_close(st);
	stop_block(st, 0);
}

static void
begin(struct fake_stream *st)
{
	open_event(st, "message_start");
	fake_buf_puts(st->b, ",\"message\":");
	put_opening(st->call, st->b);
	fake_buf_puts(st->b, "],\"stop_reason\":null,\"stop_sequence\":null");
	if (st->call->s.usage != FAKE_USAGE_NONE)
		fake_usage_message(st->call, st->b, 1);
	fake_buf_puts(st->b, "}");
	fake_event_close(st);
	if (thinks(st->call))
		put_thought(st);
}

static void
begin_part(struct fake_stream *st, int part)
{
	open_block(st, "content_block_start", block_of(st->call, part));
	fake_buf_puts(st->b, ",\"content_block\":");
	put_block_opening(st->call, st->b, part);
	fake_buf_puts(st->b, st->call->parts[part].tool ? "{}}" : "\"\"}");
	fake_event_close(st);
	if (part > 0)
		return;
	open_event(st, "ping");
	fake_event_close(st);
}

static void
put_delta(struct fake_stream *st, int part, int64_t choice, int64_t from,
    int64_t len)
{
	open_block(st, "content_block_delta", block_of(st->call, part));
	fake_buf_puts(st->b, st->call->parts[part].tool ?
	    ",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"" :
	    ",\"delta\":{\"type\":\"text_delta\",\"text\":\"");
	fake_event_piece(st, part, choice, from, len);
	fake_buf_puts(st->b, "\"}");
	fake_event_close(st);
}

static void
end_part(struct fake_stream *st, int part)
{
	stop_block(st, block_of(st->call, part));
}

static void
end(struct fake_stream *st)
{
	open_event(st, "message_delta");
	put_quoted(st->b, ",\"delta\":{\"stop_reason\":",
	    stop_reason(st->call));
	fake_buf_puts(st->b, ",\"stop_sequence\":null}");
	fake_usage_put(st->call, st->b, -1);
	fake_event_close(st);
	open_event(st, "message_stop");
	fake_event_close(st);
}

/*
 * In a stream that is what it mostly is.
 */
static void
put_error(struct fake_stream *st)
{
	struct fake_fail f;

	fake_reply_scripted(&f, 529);
	fake_buf_puts(st->b, "event: error");
	fake_event_eol(st);
	fake_buf_puts(st->b, "data: ");
	fake_messages_error(st->call, st->b, &f);
	fake_event_eol(st);
	fake_event_eol(st);
}

static void
put_malformed(struct fake_stream *st)
{
	int i;

	for (i = 0; i < 2; i++) {
		open_event(st, "ping");
		fake_buf_puts(st->b, "}");
		fake_event_eol(st);
	}
	fake_event_junk(st);
	fake_event_eol(st);
}

static void
put_broken(struct fake_stream *st)
{
	open_event(st, "content_block_delta");
	fake_buf_puts(st->b, ",\"index\":0,\"delta\":");
	fake_event_eol(st);
	fake_event_eol(st);
}

const struct fake_events fake_messages_events = {
    .begin = begin,
    .part_begin = begin_part,
    .part_end = end_part,
    .content = put_delta,
    .end = end,
    .error = put_error,
    .malformed = put_malformed,
    .broken = put_broken,
};
