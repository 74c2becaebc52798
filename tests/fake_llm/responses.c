/*
 * The response object and its events (OpenAI API reference: the response
 * object, streaming events of responses).
 */
#include "config.h"

#include "tests/fake_llm/responses.h"

#include "tests/fake_llm/body.h"
#include "tests/fake_llm/reply.h"
#include "tests/fake_llm/text.h"
#include "tests/fake_llm/usage.h"

/*
 * How far a stream is when it tells of the response; WHOLE: no stream.
 */
enum stage { BEGUN, ENDED, WHOLE };

static const char *
cut_reason(const struct fake_call *call)
{
	const char *finish = fake_usage_finish(call);

	if (strcmp(finish, "length") == 0)
		return "max_output_tokens";
	return strcmp(finish, "content_filter") == 0 ? finish : NULL;
}

static const char *
status_of(const struct fake_call *call, enum stage stage)
{
	if (stage == BEGUN)
		return "in_progress";
	return cut_reason(call) != NULL ? "incomplete" : "completed";
}

static void
put_quoted(struct fake_buf *b, const char *name, const char *v)
{
	fake_buf_puts(b, name);
	fake_buf_puts(b, "\"");
	fake_buf_json(b, v, strlen(v));
	fake_buf_puts(b, "\"");
}

static void
put_item_id(struct fake_call *call, struct fake_buf *b, int part)
{
	uint64_t h = fake_text_mix(~call->random + (uint64_t)part);

	fake_buf_puts(b, call->parts[part].tool ? "fc_" : "msg_");
	fake_buf_hex(b, h, 16);
	fake_buf_hex(b, call->rec.seq, 8);
}

/*
 * The text, or the arguments, of a part: what its deltas said.
 */
static void
put_text(struct fake_call *call, struct fake_out *o, int part)
{
	if (call->stamps_len > 0 && !call->parts[part].tool)
		fake_buf_put(&o->conn->body, fake_call_made(call, call->stamps),
		    call->stamps_len);
	else
		fake_body_part(call, o, part, 0);
}

static void
put_content(struct fake_call *call, struct fake_out *o, int part,
    enum stage stage)
{
	struct fake_buf *b = &o->conn->body;

	fake_buf_puts(b, "{\"type\":\"output_text\",\"text\":\"");
	if (stage != BEGUN)
		put_text(call, o, part);
	fake_buf_puts(b, "\",\"annotations\":[],\"logprobs\":[]}");
}

static void
put_function_call(struct fake_call *call, struct fake_out *o, int part,
    enum stage stage)
{
	struct fake_buf *b = &o->conn->body;

	fake_buf_puts(b, "{\"type\":\"function_call\",\"id\":\"");
	put_item_id(call, b, part);
	fake_buf_puts(b, "\",\"call_id\":\"");
	fake_body_call_id(call, b, part, 0);
	put_quoted(b, "\",\"name\":",
	    fake_call_made(call, call->parts[part].name));
	fake_buf_puts(b, ",\"arguments\":\"");
	if (stage != BEGUN)
		put_text(call, o, part);
	put_quoted(b, "\",\"status\":", status_of(call, stage));
	fake_buf_puts(b, "}");
}

static void
put_message(struct fake_call *call, struct fake_out *o, int part,
    enum stage stage)
{
	struct fake_buf *b = &o->conn->body;

	fake_buf_puts(b, "{\"type\":\"message\",\"id\":\"");
	put_item_id(call, b, part);
	put_quoted(b, "\",\"status\":", status_of(call, stage));
	fake_buf_puts(b, ",\"role\":\"assistant\",\"content\":[");
	if (stage != BEGUN)
		put_content(call, o, part, stage);
	fake_buf_puts(b, "]}");
}

static void
put_item(struct fake_call *call, struct fake_out *o, int part,
    enum stage stage)
{
	if (call->parts[part].tool)
		put_function_call(call, o, part, stage);
	else
		put_message(call, o, part, stage);
}

static void
put_usage(struct fake_call *call, struct fake_buf *b, enum stage stage)
{
	bool early = call->s.usage == FAKE_USAGE_EARLY;

	if ((stage == BEGUN && !early) || (stage == ENDED && early)) {
		fake_buf_puts(b, ",\"usage\":null");
		return;
	}
	fake_usage_put(call, b, -1);
	if (call->s.usage == FAKE_USAGE_DUP)
		fake_usage_put(call, b, -1);
}

/*
 * The members before the output.
 */
static void
put_opening(struct fake_call *call, struct fake_buf *b, enum stage stage)
{
	const char *reason = stage == BEGUN ? NULL : cut_reason(call);

	put_quoted(b, "{\"id\":", call->id);
	fake_buf_puts(b, ",\"object\":\"response\",\"created_at\":");
	fake_buf_int(b, call->created);
	put_quoted(b, ",\"status\":", status_of(call, stage));
	fake_buf_puts(b, ",\"background\":false,\"error\":null,"
	    "\"incomplete_details\":");
	if (reason == NULL) {
		fake_buf_puts(b, "null");
	} else {
		put_quoted(b, "{\"reason\":", reason);
		fake_buf_puts(b, "}");
	}
	fake_buf_puts(b, ",\"instructions\":null,\"max_output_tokens\":");
	if (call->max_tokens < 0)
		fake_buf_puts(b, "null");
	else
		fake_buf_int(b, call->max_tokens);
	fake_buf_puts(b, ",\"model\":\"");
	fake_buf_puts(b, fake_call_made(call, call->model));
	fake_buf_puts(b, "\",\"output\":[");
}

static void
put_response(struct fake_call *call, struct fake_out *o, enum stage stage)
{
	struct fake_buf *b = &o->conn->body;
	int i;

	put_opening(call, b, stage);
	for (i = 0; i < call->n_parts && stage != BEGUN; i++) {
		if (i > 0)
			fake_buf_puts(b, ",");
		put_item(call, o, i, stage);
	}
	fake_buf_puts(b, "],\"parallel_tool_calls\":true,"
	    "\"previous_response_id\":null,"
	    "\"reasoning\":{\"effort\":null,\"summary\":null},"
	    "\"store\":true,\"temperature\":1.0,"
	    "\"text\":{\"format\":{\"type\":\"text\"}},"
	    "\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":1.0,"
	    "\"truncation\":\"disabled\"");
	put_usage(call, b, stage);
	fake_buf_puts(b, ",\"user\":null,\"metadata\":{}}");
}

void
fake_responses_body(struct fake_call *call, struct fake_out *o)
{
	put_response(call, o, WHOLE);
}

static void
open_event(struct fake_stream *st, const char *type)
{
	fake_event_comment(st);
	fake_buf_puts(st->b, "event: ");
	fake_buf_puts(st->b, type);
	fake_event_eol(st);
	fake_buf_puts(st->b, "data: {\"type\":\"");
	fake_buf_puts(st->b, type);
	fake_buf_puts(st->b, "\",\"sequence_number\":");
	fake_buf_int(st->b, st->sequence++);
}

/*
 * Begin an event about a part's item.
 */
static void
open_part(struct fake_stream *st, const char *type, int part)
{
	open_event(st, type);
	fake_buf_puts(st->b, ",\"item_id\":\"");
	put_item_id(st->call, st->b, part);
	fake_buf_puts(st->b, "\",\"output_index\":");
	fake_buf_int(st->b, part);
	if (!st->call->parts[part].tool)
		fake_buf_puts(st->b, ",\"content_index\":0");
}

static void
response_event(struct fake_stream *st, const char *type, enum stage stage)
{
	open_event(st, type);
	fake_buf_puts(st->b, ",\"response\":");
	put_response(st->call, &st->out, stage);
	fake_event_close(st);
}

static void
item_event(struct fake_stream *st, const char *type, int part,
    enum stage stage)
{
	open_event(st, type);
	fake_buf_puts(st->b, ",\"output_index\":");
	fake_buf_int(st->b, part);
	fake_buf_puts(st->b, ",\"item\":");
	put_item(st->call, &st->out, part, stage);
	fake_event_close(st);
}

static void
content_event(struct fake_stream *st, const char *type, int part,
    enum stage stage)
{
	open_part(st, type, part);
	fake_buf_puts(st->b, ",\"part\":");
	put_content(st->call, &st->out, part, stage);
	fake_event_close(st);
}

/*
 * Some events tell the whole text; a large one leaves while it is made.
 */
static void
begin(struct fake_stream *st)
{
	st->out.pieces = true;
	st->call->stamps = st->call->conn->made.len;
	response_event(st, "response.created", BEGUN);
	response_event(st, "response.in_progress", BEGUN);
}

static void
begin_part(struct fake_stream *st, int part)
{
	item_event(st, "response.output_item.added", part, BEGUN);
	if (!st->call->parts[part].tool)
		content_event(st, "response.content_part.added", part, BEGUN);
}

static void
put_delta(struct fake_stream *st, int part, int64_t choice, int64_t from,
    int64_t len)
{
	struct fake_call *call = st->call;
	bool tool = call->parts[part].tool;
	size_t before;

	open_part(st, tool ? "response.function_call_arguments.delta" :
	    "response.output_text.delta", part);
	fake_buf_puts(st->b, ",\"delta\":\"");
	before = st->b->len;
	fake_event_piece(st, part, choice, from, len);
	if (call->s.stamp && !tool) {
		fake_buf_put(&call->conn->made, st->b->p + before,
		    st->b->len - before);
		call->stamps_len += st->b->len - before;
	}
	fake_buf_puts(st->b, tool ? "\"" : "\",\"logprobs\":[]");
	fake_event_close(st);
}

static void
end_part(struct fake_stream *st, int part)
{
	struct fake_call *call = st->call;

	if (call->parts[part].tool) {
		open_part(st, "response.function_call_arguments.done", part);
		put_quoted(st->b, ",\"name\":",
		    fake_call_made(call, call->parts[part].name));
		fake_buf_puts(st->b, ",\"arguments\":\"");
		put_text(call, &st->out, part);
		fake_buf_puts(st->b, "\"");
		fake_event_close(st);
	} else {
		open_part(st, "response.output_text.done", part);
		fake_buf_puts(st->b, ",\"text\":\"");
		put_text(call, &st->out, part);
		fake_buf_puts(st->b, "\",\"logprobs\":[]");
		fake_event_close(st);
		content_event(st, "response.content_part.done", part, ENDED);
	}
	item_event(st, "response.output_item.done", part, ENDED);
}

static void
end(struct fake_stream *st)
{
	response_event(st, cut_reason(st->call) != NULL ?
	    "response.incomplete" : "response.completed", ENDED);
}

static void
put_error(struct fake_stream *st)
{
	struct fake_fail f;

	fake_reply_scripted(&f, 500);
	open_event(st, "error");
	put_quoted(st->b, ",\"code\":", f.type);
	put_quoted(st->b, ",\"message\":", f.message);
	fake_buf_puts(st->b, ",\"param\":null}");
	fake_event_eol(st);
	fake_event_eol(st);
}

static void
put_malformed(struct fake_stream *st)
{
	int i;

	for (i = 0; i < 2; i++) {
		open_event(st, "response.output_text.delta");
		fake_buf_puts(st->b, ",\"delta\":\"\"}");
		fake_event_eol(st);
	}
	fake_event_junk(st);
	fake_event_eol(st);
}

static void
put_broken(struct fake_stream *st)
{
	open_event(st, "response.output_text.delta");
	fake_buf_puts(st->b, ",\"delta\":");
	fake_event_eol(st);
	fake_event_eol(st);
}

const struct fake_events fake_responses_events = {
    .begin = begin,
    .part_begin = begin_part,
    .part_end = end_part,
    .content = put_delta,
    .end = end,
    .error = put_error,
    .malformed = put_malformed,
    .broken = put_broken,
};
