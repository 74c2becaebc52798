/*
 * The bodies of whole answers (OpenAI API reference: the chat completion
 * object, the completion object, the embedding object, models).
 */
#include "config.h"

#include "tests/fake_llm/body.h"

#include "tests/fake_llm/embed.h"
#include "tests/fake_llm/messages.h"
#include "tests/fake_llm/responses.h"
#include "tests/fake_llm/text.h"
#include "tests/fake_llm/usage.h"

uint64_t
fake_body_hash(const struct fake_call *call, int64_t choice)
{
	return choice == 0 ? call->hash :
	    fake_text_mix(call->hash + (uint64_t)choice);
}

void
fake_body_call_id(struct fake_call *call, struct fake_buf *b, int i,
    int64_t choice)
{
	fake_buf_puts(b, "call_");
	fake_buf_hex(b, fake_text_mix(call->random + (uint64_t)(choice *
	    FAKE_PARTS_MAX + i)), 16);
}

void
fake_body_tool(struct fake_call *call, struct fake_buf *b, int i,
    int64_t choice)
{
	const char *name = fake_call_made(call, call->parts[i].name);

	fake_buf_puts(b, "\"id\":\"");
	fake_body_call_id(call, b, i, choice);
	fake_buf_puts(b, "\",\"type\":\"function\",\"function\":{\"name\":\"");
	fake_buf_json(b, name, strlen(name));
	fake_buf_puts(b, "\",\"arguments\":\"");
}

void
fake_body_part(struct fake_call *call, struct fake_out *o, int i, int64_t choice)
{
	const struct fake_part *p = &call->parts[i];

	if (p->fixed)
		fake_buf_json(&o->conn->body, fake_call_made(call, p->data),
		    (size_t)p->len);
	else
		fake_out_text(o, fake_body_hash(call, choice),
		    call->s.utf8 != 0, 0, p->len);
}

static void
put_tools(struct fake_call *call, struct fake_out *o, int64_t choice)
{
	struct fake_buf *b = &o->conn->body;
	int i;

	fake_buf_puts(b, "null,\"tool_calls\":");
	for (i = 0; i < call->n_parts; i++) {
		fake_buf_puts(b, i == 0 ? "[{" : ",{");
		fake_body_tool(call, b, i, choice);
		fake_body_part(call, o, i, choice);
		fake_buf_puts(b, "\"}}");
	}
	fake_buf_puts(b, "]");
}

static void
put_choice(struct fake_call *call, struct fake_out *o, int64_t i)
{
	struct fake_buf *b = &o->conn->body;

	fake_buf_puts(b, i == 0 ? "{\"index\":" : ",{\"index\":");
	fake_buf_int(b, i);
	if (call->api == FAKE_API_COMPLETIONS) {
		fake_buf_puts(b, ",\"text\":\"");
		fake_body_part(call, o, 0, i);
		fake_buf_puts(b, "\"");
	} else {
		fake_buf_puts(b,
		    ",\"message\":{\"role\":\"assistant\",\"content\":");
		if (call->parts[0].tool) {
			put_tools(call, o, i);
		} else {
			fake_buf_puts(b, "\"");
			fake_body_part(call, o, 0, i);
			fake_buf_puts(b, "\"");
		}
		fake_buf_puts(b, ",\"refusal\":null,\"annotations\":[]}");
	}
	fake_buf_puts(b, ",\"logprobs\":null,\"finish_reason\":\"");
	fake_buf_puts(b, fake_usage_finish(call));
	fake_buf_puts(b, "\"}");
	fake_out_piece(o);
}

static void
put_completion(struct fake_call *call, struct fake_out *o)
{
	struct fake_buf *b = &o->conn->body;
	int64_t i;

	fake_buf_puts(b, "{\"id\":\"");
	fake_buf_puts(b, call->id);
	fake_buf_puts(b, call->api == FAKE_API_CHAT ?
	    "\",\"object\":\"chat.completion\",\"created\":" :
	    "\",\"object\":\"text_completion\",\"created\":");
	fake_buf_int(b, call->created);
	fake_buf_puts(b, ",\"model\":\"");
	fake_buf_puts(b, fake_call_made(call, call->model));
	fake_buf_puts(b, "\",\"choices\":[");
	for (i = 0; i < call->n && !o->failed; i++)
		put_choice(call, o, i);
	fake_buf_puts(b, "]");
	fake_usage_put(call, b, -1);
	if (call->s.usage == FAKE_USAGE_DUP)
		fake_usage_put(call, b, -1);
	if (call->api == FAKE_API_CHAT)
		fake_buf_puts(b, ",\"service_tier\":\"default\"");
	fake_buf_puts(b, ",\"system_fingerprint\":\"fp_sandbox\"}");
}

/*
 * Anthropic's API knows its clients by their version, and lists in a shape of
 * its own.
 */
static void
put_model(struct fake_buf *b, const char *model, bool anthropic)
{
	fake_buf_puts(b, "{\"id\":\"");
	fake_buf_json(b, model, strlen(model));
	if (anthropic) {
		fake_buf_puts(b, "\",\"type\":\"model\",\"display_name\":\"");
		fake_buf_json(b, model, strlen(model));
		fake_buf_puts(b, "\",\"created_at\":\"2024-01-01T00:00:00Z\"}");
		return;
	}
	fake_buf_puts(b, "\",\"object\":\"model\",\"created\":1704067200,"
	    "\"owned_by\":\"watchllm-sandbox\"}");
}

static void
put_models(struct fake_buf *b, bool anthropic)
{
	int i;

	fake_buf_puts(b, anthropic ? "{\"has_more\":false,\"data\":[" :
	    "{\"object\":\"list\",\"data\":[");
	if (fake_config.n_models == 0)
		put_model(b, "sandbox", anthropic);
	for (i = 0; i < fake_config.n_models; i++) {
		if (i > 0)
			fake_buf_puts(b, ",");
		put_model(b, fake_config.models[i], anthropic);
	}
	fake_buf_puts(b, "]}");
}

void
fake_body_put(struct fake_call *call, struct fake_out *o)
{
	switch (call->api) {
	case FAKE_API_CHAT:
	case FAKE_API_COMPLETIONS:
		put_completion(call, o);
		break;
	case FAKE_API_EMBEDDINGS:
		fake_embed_body(call, o);
		break;
	case FAKE_API_MESSAGES:
		fake_messages_body(call, o);
		break;
	case FAKE_API_COUNT_TOKENS:
		fake_messages_count(call, o);
		break;
	case FAKE_API_RESPONSES:
		fake_responses_body(call, o);
		break;
	case FAKE_API_MODELS:
		put_models(&o->conn->body, call->req->version[0] != '\0');
		break;
	case FAKE_API_MODEL:
		put_model(&o->conn->body, call->rec.model,
		    call->req->version[0] != '\0');
		break;
	case FAKE_API_MAX:
		break;
	}
}
