/*
 * Whole replies: timing, head, body, and what a script breaks in them.
 */
#include "config.h"

#include "tests/fake_llm/reply.h"

#include <stdio.h>

#include "lib/base/loop.h"
#include "tests/fake_llm/body.h"
#include "tests/fake_llm/messages.h"
#include "tests/fake_llm/text.h"
#include "tests/fake_llm/usage.h"

/*
 * A body larger than this is made while it is sent; one that a fault cuts or
 * mars must be whole, and may be so large.
 */
#define WHOLE_MAX ((int64_t)256 * 1024)
#define MARRED_MAX ((int64_t)8 * 1024 * 1024)

#define DAY_MS INT64_C(86400000)

static const char JSON[] = "application/json";

void
fake_reply_stall(struct fake_call *call)
{
	if (fake_conn_wait(call->conn, wl_mono_fresh() + DAY_MS) == 0)
		call->conn->keep = false;
}

void
fake_reply_reset(struct fake_call *call)
{
	if (fake_conn_wait(call->conn, wl_mono_fresh() + 20) == 0)
		fake_conn_reset(call->conn);
}

int
fake_reply_wait(struct fake_call *call)
{
	int64_t us = call->latency_us;

	if (call->s.fault == FAKE_FAULT_SILENCE) {
		fake_reply_stall(call);
		return -1;
	}
	if (!call->rec.stream)
		us += call->s.ttft + call->s.per_token *
		    (fake_usage_tokens(call) / call->n);
	if (us > 0 && fake_conn_wait(call->conn, call->begun_ms +
	    (us + 999) / 1000) == -1)
		return -1;
	if (call->s.fault != FAKE_FAULT_RESET_BEFORE)
		return 0;
	fake_conn_reset(call->conn);
	return -1;
}

static void
put_thousand(struct fake_buf *b)
{
	int i;

	for (i = 0; i < 1000; i++)
		fake_buf_fmt(b, "X-Sandbox-%04d: this line is one of a "
		    "thousand\r\n", i);
}

void
fake_reply_head(struct fake_call *call, int status, const char *type,
    int64_t length)
{
	struct fake_conn *c = call->conn;
	struct fake_buf *b = &c->head;

	if (length == -2 || (length == -1 && c->http10))
		c->keep = false;
	call->rec.status = status;
	fake_http_head(b, c, status);
	if (call->s.fault != FAKE_FAULT_NO_CONTENT_TYPE) {
		fake_buf_puts(b, "Content-Type: ");
		fake_buf_puts(b, type);
		fake_buf_puts(b, "\r\n");
	}
	fake_buf_puts(b, "x-request-id: req_");
	fake_buf_hex(b, call->random, 16);
	fake_buf_puts(b, "\r\nopenai-processing-ms: ");
	fake_buf_int(b, wl_mono() - call->begun_ms);
	fake_buf_puts(b, "\r\n");
	if (status >= 400 && call->s.retry_after >= 0)
		fake_buf_fmt(b, "Retry-After: %lld\r\n",
		    (long long)call->s.retry_after);
	if (call->s.fault == FAKE_FAULT_HEADERS_1000)
		put_thousand(b);
	if (call->s.fault == FAKE_FAULT_GZIP_BOMB && status < 400)
		fake_buf_puts(b, "Content-Encoding: gzip\r\n");
	if (length >= 0) {
		fake_buf_puts(b, "Content-Length: ");
		fake_buf_int(b, length);
		fake_buf_puts(b, "\r\n");
	} else if (length == -1 && !c->http10) {
		fake_buf_puts(b, "Transfer-Encoding: chunked\r\n");
	}
	fake_buf_puts(b, "\r\n");
}

static void
put_word(struct fake_buf *b, const char *name, const char *v)
{
	fake_buf_puts(b, name);
	if (v == NULL) {
		fake_buf_puts(b, "null");
		return;
	}
	fake_buf_puts(b, "\"");
	fake_buf_json(b, v, strlen(v));
	fake_buf_puts(b, "\"");
}

void
fake_reply_error_body(struct fake_buf *b, const struct fake_fail *f)
{
	put_word(b, "{\"error\":{\"message\":", f->message);
	put_word(b, ",\"type\":", f->type);
	put_word(b, ",\"param\":", f->param);
	put_word(b, ",\"code\":", f->code);
	fake_buf_puts(b, "}}");
}

void
fake_reply_scripted(struct fake_fail *f, int status)
{
	memset(f, 0, sizeof(*f));
	f->status = status;
	f->type = status >= 500 ? "server_error" : "invalid_request_error";
	if (status == 401)
		f->code = "invalid_api_key";
	if (status == 402)
		f->type = f->code = "insufficient_quota";
	if (status == 429) {
		f->type = "requests";
		f->code = "rate_limit_exceeded";
	}
	(void)snprintf(f->message, sizeof(f->message), "This is the WatchLLM "
	    "sandbox. Error %d comes from its script.", status);
}

/*
 * In OpenAI's words.
 */
static void
too_long(struct fake_fail *f)
{
	f->type = "invalid_request_error";
	f->param = "messages";
	f->code = "context_length_exceeded";
	(void)snprintf(f->message, sizeof(f->message), "This model's maximum "
	    "context length is 8192 tokens. However, your messages resulted in "
	    "9000 tokens. Please reduce the length of the messages.");
}

void
fake_reply_error(struct fake_call *call, const struct fake_fail *f)
{
	struct fake_out o;

	fake_out_open(&o, call->conn, &call->rec, FAKE_FRAME_PLAIN);
	if (call->api == FAKE_API_MESSAGES ||
	    call->api == FAKE_API_COUNT_TOKENS)
		fake_messages_error(call, &call->conn->body, f);
	else
		fake_reply_error_body(&call->conn->body, f);
	fake_reply_head(call, f->status, JSON,
	    (int64_t)call->conn->body.len);
	(void)fake_out_end(&o);
}

static void
html_error(struct fake_call *call)
{
	static const char page[] = "<html>\r\n<head><title>Bad Gateway</title>"
	    "</head>\r\n<body>\r\n<center><h1>Bad Gateway</h1></center>\r\n"
	    "<hr><center>watchllm-sandbox</center>\r\n</body>\r\n</html>\r\n";
	struct fake_out o;

	fake_out_open(&o, call->conn, &call->rec, FAKE_FRAME_PLAIN);
	fake_buf_puts(&call->conn->body, page);
	fake_reply_head(call, call->s.status ? (int)call->s.status : 502,
	    "text/html", sizeof(page) - 1);
	(void)fake_out_end(&o);
}

/*
 * The bytes that the body takes.
 */
static int64_t
measure(struct fake_call *call)
{
	struct fake_out o;

	fake_out_open(&o, call->conn, &call->rec, FAKE_FRAME_COUNT);
	o.pieces = true;
	fake_body_put(call, &o);
	(void)fake_out_end(&o);
	return o.counted;
}

/*
 * Stretch or cut the text so that the body has the scripted size; *PAD is
 * what spaces must make up.  Returns the whole length.
 */
static int64_t
fit(struct fake_call *call, int64_t size, int64_t *pad)
{
	struct fake_part *p = &call->parts[0];
	int64_t over, len;

	if (size > 0 && call->n_parts == 1 && !p->fixed) {
		p->len = size / call->n;
		over = measure(call) - size;
		if (over > 0)
			p->len -= (over + call->n - 1) / call->n;
		if (p->len < 0)
			p->len = 0;
		if (call->s.utf8)
			p->len -= p->len % FAKE_TOKEN_BYTES;
	}
	len = measure(call);
	*pad = size > len ? size - len : 0;
	return len + *pad;
}

static int64_t
estimate(const struct fake_call *call)
{
	if (call->api == FAKE_API_EMBEDDINGS)
		return call->n * call->dimensions * (call->base64 ? 6 : 12);
	return fake_usage_tokens(call) * FAKE_TOKEN_BYTES + call->n * 256;
}

/*
 * Send the body while it is made.
 */
static void
send_pieces(struct fake_call *call, int64_t length, int64_t pad)
{
	bool gzip = call->s.fault == FAKE_FAULT_GZIP_BOMB;
	struct fake_out o;

	fake_out_open(&o, call->conn, &call->rec,
	    gzip && !call->conn->http10 ? FAKE_FRAME_CHUNKED :
	    FAKE_FRAME_PLAIN);
	o.pieces = true;
	if (gzip)
		fake_out_gzip(&o);
	fake_reply_head(call, 200, JSON, gzip ? -1 : length);
	fake_body_put(call, &o);
	fake_out_pad(&o, pad);
	o.tokens = fake_usage_tokens(call);
	if (fake_out_end(&o) == 0)
		fake_usage_sent(call);
	fake_out_close(&o);
}

/*
 * Send the first LENGTH bytes of the body and call it CLAIMED long.
 */
static void
send_part(struct fake_call *call, struct fake_out *o, size_t length,
    int64_t claimed)
{
	fake_reply_head(call, 200, JSON, claimed);
	call->conn->body.len = length;
	(void)fake_out_flush(o);
	call->conn->keep = false;
}

static void
send_marred(struct fake_call *call, struct fake_out *o)
{
	struct fake_conn *c = call->conn;
	size_t len = c->body.len;

	switch ((enum fake_fault)call->s.fault) {
	case FAKE_FAULT_EOF_MID:
		send_part(call, o, len / 2, -2);
		return;
	case FAKE_FAULT_EOF_CUT:
		send_part(call, o, len / 2, (int64_t)len);
		return;
	case FAKE_FAULT_RESET_MID:
		send_part(call, o, len / 2, (int64_t)len);
		fake_reply_reset(call);
		return;
	case FAKE_FAULT_STALL_MID:
		send_part(call, o, len / 2, (int64_t)len);
		fake_reply_stall(call);
		return;
	case FAKE_FAULT_WRONG_LENGTH_LONG:
		send_part(call, o, len, (int64_t)len + 100);
		return;
	default:
		break;
	}
	if (call->s.fault == FAKE_FAULT_WRONG_LENGTH_SHORT) {
		fake_reply_head(call, 200, JSON, (int64_t)len / 2);
	} else if (call->s.fault == FAKE_FAULT_MALFORMED_JSON) {
		c->body.p[len - 1] = ',';
		fake_reply_head(call, 200, JSON, (int64_t)len);
	} else if (call->s.fault == FAKE_FAULT_MALFORMED_SSE) {
		fake_buf_puts(&c->body, "\nevent\ndata\n: \n");
		memcpy(c->body.p, "data:", 5);
		fake_reply_head(call, 200, "text/event-stream",
		    (int64_t)c->body.len);
	} else {
		fake_reply_head(call, 200, JSON, (int64_t)len);
	}
	if (call->s.fault == FAKE_FAULT_SLOW_BYTES) {
		(void)fake_out_head(o);
		c->split = 1;
		c->gap_ms = call->s.gap ? call->s.gap / 1000 : 1000;
	}
	o->tokens = fake_usage_tokens(call);
	if (fake_out_end(o) == 0)
		fake_usage_sent(call);
}

static bool
mars(int64_t fault)
{
	switch ((enum fake_fault)fault) {
	case FAKE_FAULT_EOF_CUT:
	case FAKE_FAULT_EOF_MID:
	case FAKE_FAULT_MALFORMED_JSON:
	case FAKE_FAULT_MALFORMED_SSE:
	case FAKE_FAULT_RESET_MID:
	case FAKE_FAULT_SLOW_BYTES:
	case FAKE_FAULT_STALL_MID:
	case FAKE_FAULT_WRONG_LENGTH_LONG:
	case FAKE_FAULT_WRONG_LENGTH_SHORT:
		return true;
	default:
		return false;
	}
}

static void
send_whole(struct fake_call *call, int64_t pad)
{
	struct fake_out o;

	fake_out_open(&o, call->conn, &call->rec, FAKE_FRAME_PLAIN);
	fake_body_put(call, &o);
	fake_out_pad(&o, pad);
	if (mars(call->s.fault)) {
		send_marred(call, &o);
		return;
	}
	fake_reply_head(call, 200, JSON, (int64_t)call->conn->body.len);
	o.tokens = fake_usage_tokens(call);
	if (fake_out_end(&o) == 0)
		fake_usage_sent(call);
}

void
fake_reply_run(struct fake_call *call)
{
	int64_t fault = call->s.fault, size = call->s.size, pad = 0, length;
	bool marred = mars(fault);
	struct fake_fail f;

	if (fake_reply_wait(call) == -1)
		return;
	if (fault == FAKE_FAULT_HTML_ERROR) {
		html_error(call);
		return;
	}
	if (call->s.status != 0 || fault == FAKE_FAULT_STATUS_200_ERROR_BODY ||
	    fault == FAKE_FAULT_ERROR_IN_STREAM) {
		fake_reply_scripted(&f, call->s.status ? (int)call->s.status :
		    500);
		if (call->s.error == FAKE_ERROR_CONTEXT_LENGTH)
			too_long(&f);
		if (call->s.status == 0)
			f.status = 200;
		fake_reply_error(call, &f);
		return;
	}
	if (marred && size > MARRED_MAX)
		size = MARRED_MAX;
	if (marred && call->parts[0].len > MARRED_MAX / call->n)
		call->parts[0].len = MARRED_MAX / call->n;
	length = estimate(call);
	if (size > 0 || length > WHOLE_MAX)
		length = fit(call, size, &pad);
	if (fault == FAKE_FAULT_GZIP_BOMB || (length > WHOLE_MAX && !marred))
		send_pieces(call, length, pad);
	else
		send_whole(call, pad);
}
