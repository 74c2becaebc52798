/*
 * What a call used: as it was, and as the script wants it told.
 */
#include "config.h"

#include "tests/fake_llm/usage.h"

#include "tests/fake_llm/text.h"

int64_t
fake_usage_tokens(const struct fake_call *call)
{
	int64_t sum = 0;
	int i;

	for (i = 0; i < call->n_parts; i++)
		sum += fake_text_tokens(call->parts[i].len);
	return sum * call->n;
}

const char *
fake_usage_finish(const struct fake_call *call)
{
	static const char *const words[FAKE_FINISH_MAX] = {
	    [FAKE_FINISH_CONTENT_FILTER] = "content_filter",
	    [FAKE_FINISH_LENGTH] = "length",
	    [FAKE_FINISH_STOP] = "stop",
	    [FAKE_FINISH_TOOL_CALLS] = "tool_calls",
	};

	return call->s.finish == FAKE_FINISH_AUTO ? call->finish :
	    words[call->s.finish];
}

struct usage {
	int64_t	prompt;
	int64_t	completion;
	int64_t	cached;
	int64_t	reasoning;
};

static struct usage
usage_of(const struct fake_call *call, int64_t so_far)
{
	const struct fake_script *s = &call->s;
	struct usage u = {0, 0, 0, 0};

	if (s->usage == FAKE_USAGE_ZERO)
		return u;
	u.cached = s->cached_tokens < 0 ? 0 : s->cached_tokens;
	u.reasoning = s->reasoning_tokens < 0 ? 0 : s->reasoning_tokens;
	u.prompt = s->prompt_tokens < 0 ? call->rec.prompt_counted :
	    s->prompt_tokens;
	u.completion = so_far < 0 ? fake_usage_tokens(call) : so_far;
	u.completion = s->completion_tokens < 0 ? u.completion + u.reasoning :
	    s->completion_tokens;
	return u;
}

static void
put_count(struct fake_buf *b, const char *name, int64_t v)
{
	fake_buf_puts(b, name);
	fake_buf_int(b, v);
}

/*
 * The object of the Responses API, whose names differ.
 */
static void
put_response_usage(struct fake_buf *b, const struct usage *u)
{
	put_count(b, ",\"usage\":{\"input_tokens\":", u->prompt);
	put_count(b, ",\"input_tokens_details\":{\"cached_tokens\":",
	    u->cached);
	put_count(b, "},\"output_tokens\":", u->completion);
	put_count(b, ",\"output_tokens_details\":{\"reasoning_tokens\":",
	    u->reasoning);
	put_count(b, "},\"total_tokens\":", u->prompt + u->completion);
	fake_buf_puts(b, "}");
}

/*
 * Of the prompt the three classes stand beside each other.
 */
void
fake_usage_message(struct fake_call *call, struct fake_buf *b, int64_t output)
{
	struct usage u = usage_of(call, output);
	int64_t written = call->s.cache_write_tokens;

	if (written < 0 || call->s.usage == FAKE_USAGE_ZERO)
		written = 0;
	if (u.prompt < u.cached + written)
		u.prompt = u.cached + written;
	put_count(b, ",\"usage\":{\"input_tokens\":",
	    u.prompt - u.cached - written);
	put_count(b, ",\"cache_creation_input_tokens\":", written);
	put_count(b, ",\"cache_read_input_tokens\":", u.cached);
	put_count(b, ",\"output_tokens\":", u.completion);
	if (output < 0 && u.reasoning > 0) {
		put_count(b, ",\"output_tokens_details\":"
		    "{\"thinking_tokens\":", u.reasoning);
		fake_buf_puts(b, "}");
	}
	fake_buf_puts(b, ",\"service_tier\":\"standard\"}");
}

void
fake_usage_put(struct fake_call *call, struct fake_buf *b, int64_t so_far)
{
	struct usage u = usage_of(call, so_far);

	if (call->s.usage == FAKE_USAGE_NONE)
		return;
	call->usage_made = true;
	if (call->api == FAKE_API_RESPONSES) {
		put_response_usage(b, &u);
		return;
	}
	if (call->api == FAKE_API_MESSAGES) {
		fake_usage_message(call, b, so_far);
		return;
	}
	put_count(b, ",\"usage\":{\"prompt_tokens\":", u.prompt);
	if (call->api == FAKE_API_EMBEDDINGS) {
		put_count(b, ",\"total_tokens\":", u.prompt);
		fake_buf_puts(b, "}");
		return;
	}
	put_count(b, ",\"completion_tokens\":", u.completion);
	put_count(b, ",\"total_tokens\":", u.prompt + u.completion);
	put_count(b, ",\"prompt_tokens_details\":{\"cached_tokens\":",
	    u.cached);
	put_count(b, ",\"audio_tokens\":0},\"completion_tokens_details\":"
	    "{\"reasoning_tokens\":", u.reasoning);
	fake_buf_puts(b, ",\"audio_tokens\":0,"
	    "\"accepted_prediction_tokens\":0,"
	    "\"rejected_prediction_tokens\":0}}");
}

void
fake_usage_sent(struct fake_call *call)
{
	struct usage u = usage_of(call, call->s.usage == FAKE_USAGE_EVERY ?
	    call->rec.completion_sent : -1);

	if (!call->usage_made)
		return;
	call->rec.prompt_tokens = u.prompt;
	call->rec.completion_tokens = u.completion;
	call->rec.cached_tokens = u.cached;
	call->rec.reasoning_tokens = u.reasoning;
}
