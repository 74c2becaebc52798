/*
 * One call in a straight line: route, key, body, script, reply, record.
 */
#include "config.h"

#include "tests/fake_llm/openai.h"

#include <stdio.h>

#include <json-c/json.h>

#include "lib/base/loop.h"
#include "tests/fake_llm/call.h"
#include "tests/fake_llm/reply.h"
#include "tests/fake_llm/request.h"
#include "tests/fake_llm/rules.h"
#include "tests/fake_llm/stream.h"
#include "tests/fake_llm/text.h"

struct fake_config fake_config;

/*
 * Paths are known by their ends, since providers differ in what comes
 * before.  The first row that fits counts.
 */
static const struct route {
	const char	*tail;
	const char	*method;
	enum fake_api	 api;
	const char	*prefix;	/* of response ids */
} routes[] = {
    {"/chat/completions", "POST", FAKE_API_CHAT, "chatcmpl-"},
    {"/completions", "POST", FAKE_API_COMPLETIONS, "cmpl-"},
    {"/embeddings", "POST", FAKE_API_EMBEDDINGS, ""},
    {"/messages", "POST", FAKE_API_MESSAGES, "msg_"},
    {"/messages/count_tokens", "POST", FAKE_API_COUNT_TOKENS, ""},
    {"/responses", "POST", FAKE_API_RESPONSES, "resp_"},
    {"/models", "GET", FAKE_API_MODELS, ""},
};

static const struct route model_route = {"", "GET", FAKE_API_MODEL, ""};

static const struct route *
find_route(struct fake_call *call)
{
	const char *path = call->req->path;
	const char *model = strstr(path, "/v1/models/");
	size_t len = strlen(path), i;

	if (model != NULL && model[11] != '\0') {
		(void)snprintf(call->rec.model, sizeof(call->rec.model), "%s",
		    model + 11);
		return &model_route;
	}
	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		size_t n = strlen(routes[i].tail);

		if (len >= n && strcmp(path + len - n, routes[i].tail) == 0)
			return &routes[i];
	}
	return NULL;
}

static int
refuse(struct fake_fail *f, int status, const char *code, const char *message)
{
	f->status = status;
	f->type = "invalid_request_error";
	f->code = code;
	f->param = NULL;
	(void)snprintf(f->message, sizeof(f->message), "%s", message);
	return -1;
}

static int
check_key(const struct fake_req *r, struct fake_fail *f)
{
	if (fake_config.require_key == NULL)
		return 0;
	if (r->key[0] == '\0')
		return refuse(f, 401, NULL, "You didn't provide an API key.");
	if (strcmp(r->key, fake_config.require_key) != 0)
		return refuse(f, 401, "invalid_api_key", "Incorrect API key "
		    "provided.");
	return 0;
}

/*
 * A call that has no body is scripted by the defaults alone.
 */
static int
prepare_models(struct fake_call *call, struct fake_fail *f)
{
	const char *model = call->rec.model;
	char err[FAKE_SCRIPT_ERR];

	call->n = 1;
	fake_rules_begin(&call->s, call->req->key, model);
	if (fake_rules_resolve(&call->s, call->random, err) == -1)
		return refuse(f, 400, NULL, err);
	if (call->api == FAKE_API_MODEL && !fake_request_known_model(model)) {
		fake_request_no_model(f, model);
		return -1;
	}
	return 0;
}

static int
prepare(struct fake_call *call, struct fake_fail *f)
{
	const struct route *r = find_route(call);

	if (r == NULL)
		return refuse(f, 404, "unknown_url", "Unknown request URL.");
	if (strcmp(r->method, call->req->method) != 0)
		return refuse(f, 405, "method_not_allowed", "Not allowed to "
		    "use this method on this URL.");
	call->api = r->api;
	(void)snprintf(call->rec.prefix, sizeof(call->rec.prefix), "%s",
	    r->prefix);
	if (check_key(call->req, f) == -1)
		return -1;
	return r->api == FAKE_API_MODELS || r->api == FAKE_API_MODEL ?
	    prepare_models(call, f) : fake_request_parse(call, f);
}

static void
begin(struct fake_call *call, struct fake_conn *c, struct fake_req *r)
{
	struct fake_record *rec = &call->rec;
	size_t key_len = strlen(r->key);

	memset(call, 0, sizeof(*call));
	call->conn = c;
	call->req = r;
	call->begun_ms = wl_mono_fresh();
	c->made.len = 0;
	c->bytes = 0;
	c->first_us = 0;
	fake_ledger_begin(rec);
	rec->start_us = fake_conn_now_us();
	rec->request_bytes = r->body_len;
	rec->request_hash = fake_text_hash(FAKE_HASH_INIT, r->body,
	    r->body_len);
	(void)snprintf(rec->path, sizeof(rec->path), "%.47s", r->path);
	memcpy(rec->request_id, r->request_id, sizeof(rec->request_id));
	memcpy(rec->key, r->key + (key_len > 4 ? key_len - 4 : 0), 4);
	call->created = rec->start_us / 1000000;
	call->random = fake_text_mix(fake_config.salt ^
	    fake_text_mix(rec->seq));
}

static enum fake_end
end_of(const struct fake_call *call)
{
	switch (call->conn->peer) {
	case FAKE_PEER_GONE:
		return FAKE_END_CLIENT_GONE;
	case FAKE_PEER_LATE:
		return FAKE_END_TIMEOUT;
	case FAKE_PEER_STOPPED:
		return FAKE_END_SHUTDOWN;
	case FAKE_PEER_HERE:
	case FAKE_PEER_MAX:
		break;
	}
	return call->rec.fault == FAKE_FAULT_NONE ? FAKE_END_COMPLETE :
	    FAKE_END_FAULT;
}

static void
finish(struct fake_call *call)
{
	struct fake_record *rec = &call->rec;
	struct fake_conn *c = call->conn;

	rec->end_us = fake_conn_now_us();
	rec->first_us = c->first_us;
	rec->bytes = c->bytes;
	rec->end = end_of(call);
	if (c->bytes == 0)
		rec->status = 0;
	fake_ledger_add(rec);
	json_object_put(call->body);
	c->split = c->gap_ms = 0;
	fake_buf_trim(&c->head, FAKE_OUT_PIECE);
	fake_buf_trim(&c->body, FAKE_OUT_PIECE);
	fake_buf_trim(&c->scratch, FAKE_OUT_PIECE);
	fake_buf_trim(&c->made, FAKE_OUT_PIECE);
}

static void
make_id(struct fake_call *call)
{
	struct fake_buf *b = &call->conn->scratch;

	b->len = 0;
	fake_ledger_response_id(b, call->rec.prefix, call->rec.seq);
	fake_buf_put(b, "", 1);
	memcpy(call->id, b->p, b->len < sizeof(call->id) ? b->len :
	    sizeof(call->id) - 1);
}

/*
 * The parsed body is dropped before a reply that may take its time, except
 * where the reply is made from it.
 */
static void
run(struct fake_call *call)
{
	call->rec.fault = call->s.fault;
	memcpy(call->rec.id, call->s.id, sizeof(call->rec.id));
	call->latency_us = fake_rules_latency(&call->s, call->random);
	call->conn->split = call->s.split;
	call->conn->gap_ms = call->s.gap / 1000;
	make_id(call);
	if (call->api != FAKE_API_EMBEDDINGS) {
		json_object_put(call->body);
		call->body = NULL;
	}
	if (call->rec.stream)
		fake_stream_run(call);
	else
		fake_reply_run(call);
}

void
fake_openai_serve(struct fake_conn *c, struct fake_req *r)
{
	struct fake_call call;
	struct fake_fail f;

	begin(&call, c, r);
	if (prepare(&call, &f) == -1) {
		memset(&call.s, 0, sizeof(call.s));
		call.s.retry_after = -1;
		fake_reply_error(&call, &f);
	} else {
		run(&call);
	}
	finish(&call);
}
