/*
 * Records of calls: what is in them, and what must not be.
 */
#include "config.h"
#include "lib/core/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/journal.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "lib/core/auth.h"
#include "lib/core/redact_rules.h"
#include "lib/http/req.h"
#include "lib/store/db_redaction.h"
#include "tests/unit/io_mem.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmp.h"

#define AT	INT64_C(1767528000123)		/* 2026-01-04T12:00:00.123Z */

static struct wl_arena		*arena;
static struct io_mem		 io;
static struct wl_req		 req;
static struct wl_auth		 auth;
static struct wl_admission	 ad;
static struct wl_ask		 ask;
static struct wl_result		*res;
static struct wl_conf		 conf;
static struct json_object	*o;

static void
begin(enum wl_api api, const char *body, const char *const *params)
{
	static char json[] = "application/json", client_id[] = "c-1";

	arena = wl_arena_new(16 << 20);
	CU_ASSERT_FATAL(arena != NULL);
	io_mem_init(&io, params, NULL, 0);
	memset(&req, 0, sizeof(req));
	req.io = &io.io;
	req.arena = arena;
	req.content_type = json;
	req.client_request_id = client_id;
	req.body = wl_str_of(body);
	req.start_us = wl_clock_us() - 250000;
	snprintf(req.id, sizeof(req.id),
	    "01890a5d-ac96-774b-bcce-b302099a8057");
	wl_ask_read(&ask, api, &req);
	memset(&auth, 0, sizeof(auth));
	snprintf(auth.project, sizeof(auth.project), "p1");
	snprintf(auth.key_id, sizeof(auth.key_id), "k1");
	snprintf(auth.key_prefix, sizeof(auth.key_prefix), "AbCdEf");
	snprintf(auth.retention_class, sizeof(auth.retention_class), "long");
	memset(&ad, 0, sizeof(ad));
	snprintf(ad.event_id, sizeof(ad.event_id), "%s", req.id);
	snprintf(ad.month, sizeof(ad.month), "2026-01");
	snprintf(ad.gate.generation, sizeof(ad.gate.generation), "redis:7");
	ad.at_ms = AT;
	ad.minute = AT / 60000;
	conf = (struct wl_conf){ .max_field = 1000, .store_payloads = true };
	res = wl_arena_alloc(arena, sizeof(*res));
	CU_ASSERT_EQUAL_FATAL(wl_result_init(res, arena, 1000), 0);
}

static void
end(void)
{
	wl_arena_free(arena);
	io_mem_free(&io);
}

static void
take(struct wl_buf *b)
{
	CU_ASSERT_FATAL(!b->failed);
	o = wl_json_parse(arena, b->p, b->len, NULL);
	CU_ASSERT_FATAL(o != NULL);
	CU_ASSERT(memmem(b->p, b->len, "\\u0000", 6) == NULL);
	wl_buf_free(b);
}

static void
make_end(void)
{
	struct wl_buf b = { 0 };

	wl_event_end_json(&b, &conf, &req, &auth, &ad, &ask, res);
	take(&b);
}

static bool
has(const char *key, const char *want)
{
	struct wl_str s;

	if (!wl_json_str(o, key, &s))
		return want == NULL && !wl_json_has(o, key);
	return want != NULL && wl_str_eq(s, want);
}

static int64_t
number(const char *key)
{
	int64_t n;

	return wl_json_int(o, key, &n) ? n : -1;
}

static bool
truth(const char *key)
{
	bool b;

	return wl_json_bool(o, key, &b) && b;
}

static bool
flagged(const char *word)
{
	struct json_object *list = wl_json_arr(o, "flags");
	size_t i;

	for (i = 0; i < json_object_array_length(list); i++)
		if (strcmp(json_object_get_string(json_object_array_get_idx(
		    list, i)), word) == 0)
			return true;
	return false;
}

#define CHAT	"{\"model\":\"gpt-4o\",\"user\":\"u-9\",\"stream\":true," \
		"\"max_tokens\":50,\"messages\":[{\"role\":\"user\"," \
		"\"content\":\"Hello\"}]}"

static const char *const headers[] = {
	"HTTP_X_WATCHLLM_RUN_ID", "run-1",
	"HTTP_X_WATCHLLM_SESSION_ID", "sess-1",
	"HTTP_X_WATCHLLM_USER_ID", "user-1",
	"HTTP_X_WATCHLLM_TAGS", "a, b ,,c",
	"HTTP_TRACEPARENT",
	"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	NULL
};

static void
check_common(void)
{
	struct json_object *tags;

	CU_ASSERT(has("event_id", "01890a5d-ac96-774b-bcce-b302099a8057"));
	CU_ASSERT(has("request_id", "01890a5d-ac96-774b-bcce-b302099a8057"));
	CU_ASSERT(has("project_id", "p1"));
	CU_ASSERT(has("retention_class", "long"));
	CU_ASSERT(has("api_key_id", "k1"));
	CU_ASSERT(has("key_prefix", "AbCdEf"));
	CU_ASSERT(has("admitted_at", "2026-01-04T12:00:00.123Z"));
	CU_ASSERT(has("ts", "2026-01-04T12:00:00.123Z"));
	CU_ASSERT(has("month", "2026-01"));
	CU_ASSERT_EQUAL(number("minute"), AT / 60000);
	CU_ASSERT(has("generation", "redis:7"));
	CU_ASSERT(has("type", "prompt_call"));
	CU_ASSERT(has("source", "gateway"));
	CU_ASSERT(has("route", "/v1/chat/completions"));
	CU_ASSERT(has("client_request_id", "c-1"));
	CU_ASSERT(has("model", "gpt-4o"));
	CU_ASSERT(truth("stream"));
	CU_ASSERT(has("run_id", "run-1"));
	CU_ASSERT(has("session_id", "sess-1"));
	CU_ASSERT(has("user_id", "user-1"));
	CU_ASSERT(has("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"));
	CU_ASSERT(has("parent_span_id", "00f067aa0ba902b7"));
	tags = wl_json_arr(o, "tags");
	CU_ASSERT_EQUAL(json_object_array_length(tags), 3);
	CU_ASSERT_STRING_EQUAL(json_object_get_string(
	    json_object_array_get_idx(tags, 1)), "b");
}

static void
first_record(void)
{
	struct wl_buf b = { 0 };

	begin(WL_API_CHAT, CHAT, headers);
	ad.degraded = true;
	wl_event_begin_json(&b, &req, &auth, &ad, &ask);
	take(&b);
	check_common();
	CU_ASSERT_EQUAL(number("tokens_uncached"), ask.input_estimate);
	CU_ASSERT(has("usage_source", "estimated"));
	CU_ASSERT(has("received_at", "2026-01-04T12:00:00.123Z"));
	CU_ASSERT(truth("degraded"));
	CU_ASSERT(flagged("degraded"));
	CU_ASSERT(has("status", NULL));
	CU_ASSERT(has("input", NULL));
	end();
}

static void
success(void)
{
	begin(WL_API_CHAT, CHAT, headers);
	res->outcome = WL_O_ANSWERED;
	res->http = res->upstream_http = 200;
	res->attempts = 2;
	res->chunks = 5;
	snprintf(res->provider, sizeof(res->provider), "openai");
	snprintf(res->model, sizeof(res->model), "gpt-4o");
	snprintf(res->model_used, sizeof(res->model_used), "gpt-4o-2024");
	snprintf(res->response_id, sizeof(res->response_id), "chatcmpl-1");
	snprintf(res->finish_reason, sizeof(res->finish_reason), "stop");
	res->usage = (struct wl_usage){ 10, 0, -1, 5, 2, WL_U_PROVIDER, 0 };
	res->price_known = true;
	res->cost_nano = 123;
	res->price_effective_ms = AT - 123;
	res->first_data_us = 100999;
	res->upstream_us = 200000;
	wl_result_text(res, "Hi", 2);
	wl_result_tool(res, 0, WL_STR("t"), WL_STR("f"));
	wl_result_arguments(res, "{\"a\":1}", 7);
	wl_result_end(res);
	make_end();
	check_common();
	CU_ASSERT(has("status", "success"));
	CU_ASSERT(truth("minute_counted"));
	CU_ASSERT(truth("month_counted"));
	CU_ASSERT_EQUAL(number("http_status"), 200);
	CU_ASSERT(has("error_code", NULL));
	CU_ASSERT(has("provider", "openai"));
	CU_ASSERT(has("model_used", "gpt-4o-2024"));
	CU_ASSERT(has("response_id", "chatcmpl-1"));
	CU_ASSERT(has("finish_reason", "stop"));
	CU_ASSERT_EQUAL(number("attempts"), 2);
	CU_ASSERT_EQUAL(number("tokens_uncached"), 10);
	CU_ASSERT_EQUAL(number("tokens_cache_read"), 0);
	CU_ASSERT(!wl_json_has(o, "tokens_cache_write"));
	CU_ASSERT_EQUAL(number("tokens_output"), 5);
	CU_ASSERT_EQUAL(number("tokens_reasoning"), 2);
	CU_ASSERT(has("usage_source", "provider"));
	CU_ASSERT(truth("usage_counted"));
	CU_ASSERT_EQUAL(number("cost_nano"), 123);
	CU_ASSERT(has("cost_source", "price"));
	CU_ASSERT(has("price_from", "2026-01-04T12:00:00.000Z"));
	CU_ASSERT(has("cache_status", "BYPASS"));
	CU_ASSERT(number("latency_ms") >= 250 && number("latency_ms") < 60000);
	CU_ASSERT_EQUAL(number("ttft_ms"), 100);
	CU_ASSERT_EQUAL(number("upstream_ms"), 200);
	CU_ASSERT(has("input",
	    "[{\"role\":\"user\",\"content\":\"Hello\"}]"));
	CU_ASSERT(has("output", "Hi"));
	CU_ASSERT_STRING_EQUAL(json_object_to_json_string_ext(wl_json_obj(o,
	    "detail"), JSON_C_TO_STRING_PLAIN), "{\"tool_calls\":[{\"index\":0,"
	    "\"id\":\"t\",\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}]}");
	o = wl_json_obj(o, "attributes");
	CU_ASSERT(has("outcome", "answered"));
	CU_ASSERT_EQUAL(number("max_tokens"), 50);
	CU_ASSERT_EQUAL(number("chunks"), 5);
	CU_ASSERT_EQUAL(number("upstream_status"), 200);
	CU_ASSERT(!wl_json_has(o, "route"));
	end();
}

/*
 * What a rule of routing made of the name.
 */
static void
routed(void)
{
	begin(WL_API_CHAT, CHAT, NULL);
	snprintf(res->rule, sizeof(res->rule), "ab");
	snprintf(res->variant, sizeof(res->variant), "b");
	snprintf(res->provider, sizeof(res->provider), "groq");
	snprintf(res->model, sizeof(res->model), "llama");
	make_end();
	o = wl_json_obj(wl_json_obj(o, "attributes"), "route");
	CU_ASSERT(has("alias", "gpt-4o"));
	CU_ASSERT(has("rule", "ab"));
	CU_ASSERT(has("variant", "b"));
	CU_ASSERT(has("target", "groq/llama"));
	end();
	/* no target could be called */
	begin(WL_API_CHAT, CHAT, NULL);
	snprintf(res->rule, sizeof(res->rule), "ab");
	res->provider[0] = '\0';
	make_end();
	o = wl_json_obj(wl_json_obj(o, "attributes"), "route");
	CU_ASSERT(has("rule", "ab"));
	CU_ASSERT(has("variant", NULL));
	CU_ASSERT(has("target", NULL));
	end();
}

/*
 * Status, counters and cost of each end.
 */
static void
ends(void)
{
	static const struct {
		enum wl_outcome		 outcome;
		enum wl_code		 code;
		enum wl_usage_source	 source;
		bool			 priced;
		const char		*status, *error, *cost;
		bool			 month;
	} rows[] = {
		{ WL_O_ANSWERED, WL_OK, WL_U_ESTIMATED, true, "success", NULL,
		    "estimate", true },
		{ WL_O_ANSWERED, WL_OK, WL_U_PROVIDER, false, "success", NULL,
		    "unknown", true },
		{ WL_O_ANSWERED, WL_E_UPSTREAM, WL_U_PARTIAL, true, "error",
		    "upstream_error", "estimate", true },
		{ WL_O_ANSWERED, WL_E_UPSTREAM_TIMEOUT, WL_U_PARTIAL, true,
		    "timeout", "upstream_timeout", "estimate", true },
		{ WL_O_CLIENT_GONE, WL_E_CLIENT_CLOSED, WL_U_PARTIAL, true,
		    "client_closed", "client_closed_request", "estimate",
		    true },
		{ WL_O_INVALID, WL_E_MODEL_NOT_FOUND, WL_U_NONE, false,
		    "error", "model_not_found", NULL, false },
		{ WL_O_UPSTREAM_FAILED, WL_E_UPSTREAM_RATE, WL_U_NONE, false,
		    "error", "upstream_rate_limited", NULL, false },
		{ WL_O_UPSTREAM_FAILED, WL_E_UPSTREAM_TIMEOUT, WL_U_NONE,
		    false, "timeout", "upstream_timeout", NULL, false },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin(WL_API_CHAT, CHAT, NULL);
		res->outcome = rows[i].outcome;
		if (rows[i].code != WL_OK)
			wl_err_set(&res->err, rows[i].code, NULL);
		res->usage.source = rows[i].source;
		res->price_known = rows[i].priced;
		snprintf(res->upstream_code, sizeof(res->upstream_code),
		    "their_word");
		make_end();
		CU_ASSERT(has("status", rows[i].status));
		CU_ASSERT(has("error_code", rows[i].error));
		CU_ASSERT(has("cost_source", rows[i].cost));
		CU_ASSERT_EQUAL(wl_json_has(o, "cost_nano"), rows[i].priced);
		CU_ASSERT(truth("minute_counted"));
		CU_ASSERT_EQUAL(truth("month_counted"), rows[i].month);
		CU_ASSERT(has("ttft_ms", NULL));
		CU_ASSERT(has("user_id", "u-9"));
		CU_ASSERT(has("run_id", NULL));
		CU_ASSERT(has("trace_id", NULL));
		o = wl_json_obj(o, "attributes");
		CU_ASSERT(has("upstream_code", "their_word"));
		end();
	}
}

/*
 * Nothing personal, wherever it comes in.
 */
static void
redacted(void)
{
	static const char *const personal[] = {
		"HTTP_X_WATCHLLM_RUN_ID", "run bob@example.com",
		"HTTP_X_WATCHLLM_SESSION_ID", "bob@example.com",
		"HTTP_X_WATCHLLM_USER_ID", "bob@example.com",
		"HTTP_X_WATCHLLM_TAGS", "ok,bob@example.com",
		NULL
	};
	struct wl_buf b = { 0 };

	begin(WL_API_CHAT, "{\"model\":\"bob@example.com\",\"messages\":["
	    "{\"role\":\"user\",\"content\":\"I am bob@example.com\","
	    "\"bob@example.com\":[\"4111 1111 1111 1111\",\"nul\\u0000nul\"]}"
	    "],\"user\":\"bob@example.com\"}", personal);
	res->outcome = WL_O_ANSWERED;
	wl_err_set(&res->err, WL_E_UPSTREAM, "no bob@example.com");
	wl_result_text(res, "to bob@example.com\0x", 20);
	wl_result_tool(res, 0, WL_STR("i"), WL_STR("mail"));
	wl_result_arguments(res, "{\"to\":\"bob@example.com\"}", 24);
	wl_result_end(res);
	wl_event_end_json(&b, &conf, &req, &auth, &ad, &ask, res);
	CU_ASSERT(memmem(b.p, b.len, "bob@", 4) == NULL);
	CU_ASSERT(memmem(b.p, b.len, "4111", 4) == NULL);
	take(&b);
	CU_ASSERT(flagged("redacted"));
	CU_ASSERT(!flagged("truncated"));
	CU_ASSERT(has("output", "to [REDACTED_EMAIL]\xef\xbf\xbdx"));
	CU_ASSERT(has("user_id", "[REDACTED_EMAIL]"));
	wl_event_begin_json(&b, &req, &auth, &ad, &ask);
	CU_ASSERT(memmem(b.p, b.len, "bob@", 4) == NULL);
	wl_buf_free(&b);
	end();
}

/*
 * The rules of the admission hold everywhere, and no others.
 */
static void
by_rules(void)
{
	static const struct wl_db_redaction rows[] = {
		{ "employee", "EMP-[0-9]{6}", "[EMPLOYEE]", true, true },
		{ "ip", NULL, "[IP]", true, false },
	};
	static const char *const params[] = {
		"HTTP_X_WATCHLLM_TAGS", "team-EMP-123456,b", NULL
	};
	struct wl_redact_rules *rules = wl_redact_rules_new(rows, 2, "p1");
	struct wl_buf b = { 0 };

	CU_ASSERT_FATAL(rules != NULL);
	begin(WL_API_CHAT, "{\"model\":\"m\",\"user\":\"EMP-123456\","
	    "\"messages\":[{\"role\":\"user\",\"content\":\"I am EMP-123456,"
	    " bob@example.com, 10.1.2.3\"}]}", params);
	ad.redaction = rules;
	wl_buf_adds(&res->text, "Hello EMP-654321");
	make_end();
	CU_ASSERT(has("input", "[{\"role\":\"user\",\"content\":\"I am"
	    " [EMPLOYEE], bob@example.com, [IP]\"}]"));
	CU_ASSERT(has("output", "Hello [EMPLOYEE]"));
	CU_ASSERT(has("user_id", "[EMPLOYEE]"));
	CU_ASSERT(flagged("redacted"));
	wl_event_begin_json(&b, &req, &auth, &ad, &ask);
	CU_ASSERT(strstr(b.p, "123456") == NULL);
	CU_ASSERT(strstr(b.p, "team-[EMPLOYEE]") != NULL);
	wl_buf_free(&b);
	wl_redact_rules_free(rules);
	end();
}

/*
 * Long prompts stay JSON; a match at the cut is not missed.
 */
static void
cut(void)
{
	struct wl_buf b = { 0 };
	struct wl_str s;
	int i;

	wl_buf_adds(&b, "{\"model\":\"m\",\"messages\":[");
	for (i = 0; i < 2000; i++)
		wl_buf_printf(&b, "%s{\"role\":\"user\",\"content\":\"message "
		    "number %d\",\"x\":[[],{}]}", i == 0 ? "" : ",", i);
	wl_buf_adds(&b, "]}");
	begin(WL_API_CHAT, b.p, NULL);
	res->outcome = WL_O_ANSWERED;
	make_end();
	CU_ASSERT_FATAL(wl_json_str(o, "input", &s));
	CU_ASSERT(s.len <= 1200);
	CU_ASSERT(s.len >= 500);
	CU_ASSERT_EQUAL(wl_json_scan(s.p, s.len, 10000), WL_JSON_OK);
	CU_ASSERT(flagged("truncated"));
	end();
	wl_buf_reset(&b);
	wl_buf_adds(&b, "{\"model\":\"m\",\"prompt\":\"");
	for (i = 0; i < 990; i++)
		wl_buf_addc(&b, 'x');
	wl_buf_adds(&b, " bob@example.com and more\"}");
	begin(WL_API_COMPLETIONS, b.p, NULL);
	res->outcome = WL_O_ANSWERED;
	make_end();
	CU_ASSERT_FATAL(wl_json_str(o, "input", &s));
	CU_ASSERT_EQUAL(s.len, 1000);
	CU_ASSERT(memmem(s.p, s.len, " [REDACTED", 9) != NULL);
	CU_ASSERT(flagged("truncated"));
	CU_ASSERT(has("route", "/v1/completions"));
	end();
	wl_buf_free(&b);
}

static void
pictures(void)
{
	struct wl_buf b = { 0 };
	int i;

	wl_buf_adds(&b, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
	    "\"content\":[{\"image_url\":{\"url\":\"data:image/png;base64,");
	for (i = 0; i < 5000; i++)
		wl_buf_addc(&b, 'A');
	wl_buf_adds(&b, "\"}},{\"text\":\"what is it?\"}]}]}");
	begin(WL_API_CHAT, b.p, NULL);
	res->outcome = WL_O_ANSWERED;
	make_end();
	CU_ASSERT(has("input", "[{\"role\":\"user\",\"content\":[{"
	    "\"image_url\":{\"url\":\"data:image/png;base64,[5022 bytes]\"}},"
	    "{\"text\":\"what is it?\"}]}]"));
	CU_ASSERT(!flagged("truncated"));
	end();
	wl_buf_free(&b);
}

static void
without_payload(void)
{
	begin(WL_API_CHAT, CHAT, NULL);
	conf.store_payloads = false;
	res->outcome = WL_O_ANSWERED;
	wl_result_text(res, "Hi", 2);
	make_end();
	CU_ASSERT(has("input", NULL));
	CU_ASSERT(has("output", NULL));
	CU_ASSERT(!wl_json_has(o, "detail"));
	CU_ASSERT(!flagged("truncated"));
	end();
}

static void
bad_traces(void)
{
	static const char *const rows[] = {
		"", "x", "00-4bf92f3577b34da6a3ce929d0e0e4736",
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
		"00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	};
	const char *params[] = { "HTTP_TRACEPARENT", NULL, NULL };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		params[1] = rows[i];
		begin(WL_API_CHAT, CHAT, params);
		make_end();
		CU_ASSERT(has("trace_id", NULL));
		end();
	}
}

/*
 * What is wrong with the body is recorded too.
 */
static void
bad_bodies(void)
{
	static const char *const rows[] = { "{}", "[]", "3", "null",
	    "{\"model\":3,\"messages\":7}" };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin(WL_API_CHAT, rows[i], NULL);
		res->outcome = WL_O_INVALID;
		CU_ASSERT_EQUAL(wl_ask_check(&ask, &res->err), -1);
		make_end();
		CU_ASSERT(has("error_code", "invalid_request"));
		CU_ASSERT(!truth("month_counted"));
		end();
	}
}

static void
in_the_journal(void)
{
	enum wl_journal_kind kind;
	struct wl_journal_reader *r;
	struct wl_journal *j;
	struct wl_err e;
	char path[512];
	const char *p;
	size_t len;

	begin(WL_API_CHAT, CHAT, headers);
	j = wl_journal_open(wl_tmp_path("spool"), 1 << 20, 1 << 20,
	    WL_SYNC_INTERVAL, 1000, &e);
	CU_ASSERT_FATAL(j != NULL);
	CU_ASSERT_EQUAL(wl_event_begin(j, &req, &auth, &ad, &ask, &e), 0);
	res->outcome = WL_O_ANSWERED;
	wl_event_end(j, &conf, &req, &auth, &ad, &ask, res);
	snprintf(path, sizeof(path), "%s/%s.0000000001.wlj",
	    wl_tmp_path("spool"), wl_journal_process(j));
	r = wl_journal_reader_open(path, 0);
	CU_ASSERT_FATAL(r != NULL);
	CU_ASSERT_EQUAL(wl_journal_next(r, &kind, &p, &len), 1);
	CU_ASSERT_EQUAL(kind, WL_J_BEGIN);
	o = wl_json_parse(arena, p, len, NULL);
	check_common();
	CU_ASSERT_EQUAL(wl_journal_next(r, &kind, &p, &len), 1);
	CU_ASSERT_EQUAL(kind, WL_J_END);
	o = wl_json_parse(arena, p, len, NULL);
	check_common();
	CU_ASSERT(has("status", "success"));
	CU_ASSERT_EQUAL(wl_journal_next(r, &kind, &p, &len), 0);
	wl_journal_reader_close(r);
	wl_journal_close(j);
	end();
}

/* in place of the one that would ask the database */
const struct wl_redact_rules *__wrap_wl_catalog_redaction(struct wl_arena *a,
    const char *project, int64_t version);

const struct wl_redact_rules *
__wrap_wl_catalog_redaction(struct wl_arena *a, const char *project, int64_t version)
{
	(void)a;
	(void)version;
	CU_ASSERT_STRING_EQUAL(project, "p1");
	return NULL;
}

/*
 * What a shadow call leaves: an event of its own, which no usage counts.
 */
static void
shadow(void)
{
	enum wl_journal_kind kind;
	struct wl_event_shadow *s;
	struct wl_journal_reader *r;
	struct wl_journal *j;
	struct wl_err e;
	char path[512];
	const char *p;
	size_t len;

	begin(WL_API_CHAT, CHAT, headers);
	j = wl_journal_open(wl_tmp_path("shadows"), 1 << 20, 1 << 20,
	    WL_SYNC_INTERVAL, 1000, &e);
	CU_ASSERT_FATAL(j != NULL);
	s = wl_event_shadow_begin(arena, &req, &auth, &ad, &ask, "rule-1");
	CU_ASSERT_FATAL(s != NULL);
	res->outcome = WL_O_UPSTREAM_FAILED;
	wl_err_set(&res->err, WL_E_UPSTREAM, NULL);
	snprintf(res->provider, sizeof(res->provider), "groq");
	res->usage = (struct wl_usage){ 10, 0, -1, 5, -1, WL_U_PROVIDER, 0 };
	res->price_known = true;
	res->cost_nano = 77;
	res->upstream_us = 5000;
	wl_event_shadow_end(s, j, &conf, &ask, res);
	snprintf(path, sizeof(path), "%s/%s.0000000001.wlj",
	    wl_tmp_path("shadows"), wl_journal_process(j));
	r = wl_journal_reader_open(path, 0);
	CU_ASSERT_FATAL(r != NULL);
	CU_ASSERT_EQUAL(wl_journal_next(r, &kind, &p, &len), 1);
	CU_ASSERT_EQUAL(kind, WL_J_EVENT);
	o = wl_json_parse(arena, p, len, NULL);
	CU_ASSERT(has("source", "shadow"));
	CU_ASSERT(has("linked_event_id",
	    "01890a5d-ac96-774b-bcce-b302099a8057"));
	CU_ASSERT(!has("event_id", "01890a5d-ac96-774b-bcce-b302099a8057"));
	CU_ASSERT(has("request_id", "01890a5d-ac96-774b-bcce-b302099a8057"));
	CU_ASSERT(has("user_id", "user-1"));
	CU_ASSERT(has("status", "warning"));
	CU_ASSERT(has("error_code", "upstream_error"));
	CU_ASSERT(!truth("usage_counted"));
	CU_ASSERT_EQUAL(number("cost_nano"), 77);
	CU_ASSERT_EQUAL(number("tokens_output"), 5);
	CU_ASSERT(flagged("shadow"));
	CU_ASSERT(!wl_json_has(o, "minute_counted"));
	CU_ASSERT(!wl_json_has(o, "latency_ms"));
	CU_ASSERT(!wl_json_has(o, "upstream_ms"));
	CU_ASSERT(wl_json_has(o, "input"));
	o = wl_json_obj(wl_json_obj(o, "attributes"), "shadow");
	CU_ASSERT(has("rule", "rule-1"));
	CU_ASSERT_EQUAL(number("upstream_ms"), 5);
	CU_ASSERT_EQUAL(wl_journal_next(r, &kind, &p, &len), 0);
	wl_journal_reader_close(r);
	wl_journal_close(j);
	end();
}

/*
 * Too large for a record: the payload goes, the figures stay.
 */
static void
too_large(void)
{
	enum wl_journal_kind kind;
	struct wl_journal_reader *r;
	struct wl_buf b = { 0 };
	struct wl_journal *j;
	struct wl_err e;
	char path[512];
	const char *p;
	size_t len;
	int i;

	wl_buf_adds(&b, "{\"model\":\"m\",\"prompt\":\"");
	for (i = 0; i < 2000000; i++)
		wl_buf_adds(&b, "\\u0001");
	wl_buf_adds(&b, "\"}");
	begin(WL_API_COMPLETIONS, b.p, NULL);
	conf.max_field = 8 << 20;
	j = wl_journal_open(wl_tmp_path("large"), 64 << 20, 64 << 20,
	    WL_SYNC_INTERVAL, 1000, &e);
	CU_ASSERT_FATAL(j != NULL);
	CU_ASSERT_EQUAL(wl_event_begin(j, &req, &auth, &ad, &ask, &e), 0);
	wl_event_end(j, &conf, &req, &auth, &ad, &ask, res);
	snprintf(path, sizeof(path), "%s/%s.0000000001.wlj",
	    wl_tmp_path("large"), wl_journal_process(j));
	r = wl_journal_reader_open(path, 0);
	CU_ASSERT_FATAL(r != NULL);
	CU_ASSERT_EQUAL(wl_journal_next(r, &kind, &p, &len), 1);
	CU_ASSERT_EQUAL(wl_journal_next(r, &kind, &p, &len), 1);
	CU_ASSERT_EQUAL(kind, WL_J_END);
	o = wl_json_parse(arena, p, len, NULL);
	CU_ASSERT(has("input", NULL));
	CU_ASSERT(flagged("truncated"));
	wl_journal_reader_close(r);
	wl_journal_close(j);
	end();
	wl_buf_free(&b);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "BEGIN", first_record },
		{ "END of a success", success },
		{ "END of a call that followed a rule", routed },
		{ "other ends", ends },
		{ "nothing personal", redacted },
		{ "redaction by rules", by_rules },
		{ "long texts are cut", cut },
		{ "pictures are left out", pictures },
		{ "without payloads", without_payload },
		{ "traces that are none", bad_traces },
		{ "bodies that are none", bad_bodies },
		{ "both in the journal", in_the_journal },
		{ "a shadow call", shadow },
		{ "too large for a record", too_large },
		{ NULL, NULL }
	};

	(void)wl_log_open("/dev/null", WL_ERROR, "test");
	return wl_tap_run("event", tests);
}
