/*
 * Records of a call.  All text that came from outside goes through one
 * function, which redacts, cuts, and leaves out what PostgreSQL cannot hold.
 */
#include "config.h"
#include "lib/core/event.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/journal.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "lib/base/rand.h"
#include "lib/core/auth.h"
#include "lib/core/catalog.h"
#include "lib/core/policy.h"
#include "lib/core/redact_rules.h"
#include "lib/http/req.h"

/* Most bytes of a name, an id, a tag. */
#define WORD_MAX	((size_t)256)
#define MESSAGE_MAX	((size_t)2048)
#define USUAL_RECORD	((size_t)2048)
#define TAGS_MAX	32
/* Read beyond a cut, so that no match is cut in two and missed. */
#define LOOK_AHEAD	((size_t)4096)
/* A picture or a sound in a prompt; a shorter one is text like any other. */
#define DATA_URL_MAX	((size_t)256)

/*
 * A record in the making.
 */
struct record {
	struct wl_jw	 w;
	const struct wl_redact_rules *rules;
	struct wl_buf	 red, text;	/* for one text after the other */
	size_t		 hits;		/* redacted */
	bool		 truncated;
	bool		 shadow;	/* of a call that nobody waits for */
};

static void
record_open(struct record *rec, struct wl_buf *b,
    const struct wl_redact_rules *rules)
{
	memset(rec, 0, sizeof(*rec));
	rec->rules = rules;
	wl_jw_init(&rec->w, b);
	(void)wl_buf_reserve(b, USUAL_RECORD);
	wl_jw_obj(&rec->w, NULL);
}

static void
record_free(struct record *rec)
{
	wl_buf_free(&rec->red);
	wl_buf_free(&rec->text);
}

static void
record_close(struct record *rec)
{
	wl_jw_end(&rec->w, '}');
	record_free(rec);
}

/* ---- text from outside ---- */

/*
 * jsonb and text cannot hold NUL.
 */
static void
without_nul(struct wl_buf *b, const char *p, size_t len)
{
	const char *nul;

	while ((nul = memchr(p, '\0', len)) != NULL) {
		wl_buf_add(b, p, (size_t)(nul - p));
		wl_buf_adds(b, "\xef\xbf\xbd");
		len -= (size_t)(nul - p) + 1;
		p = nul + 1;
	}
	wl_buf_add(b, p, len);
}

/*
 * P as it may be kept, in at most MAX bytes, in B.
 */
static void
clean(struct record *rec, struct wl_buf *b, const char *p, size_t len,
    size_t max)
{
	struct wl_buf *red = &rec->red;
	size_t n = len, cut;

	if (n > max + LOOK_AHEAD)
		n = wl_utf8_cut(p, len, max + LOOK_AHEAD);
	wl_buf_reset(red);
	rec->hits += wl_redact_rules_apply(rec->rules, red, p, n);
	cut = red->len > max ? wl_utf8_cut(red->p, red->len, max) : red->len;
	rec->truncated |= cut < red->len || n < len;
	if (cut > 0)
		without_nul(b, red->p, cut);
}

static void
put_text(struct record *rec, const char *key, const char *p, size_t len,
    size_t max)
{
	struct wl_buf *b = &rec->text;

	wl_buf_reset(b);
	clean(rec, b, p, len, max);
	wl_jw_strn(&rec->w, key, b->p == NULL ? "" : b->p, b->len);
}

/*
 * A word; left out when there is none.
 */
static void
put_word(struct record *rec, const char *key, const char *s)
{
	if (s != NULL && s[0] != '\0')
		put_text(rec, key, s, strlen(s), WORD_MAX);
}

static void
put_time(struct record *rec, const char *key, int64_t ms)
{
	char text[25];

	wl_clock_rfc3339(ms, text);
	wl_jw_str(&rec->w, key, text);
}

/*
 * A figure; left out when it is not known.
 */
static void
put_count(struct record *rec, const char *key, int64_t n)
{
	if (n >= 0)
		wl_jw_int(&rec->w, key, n);
}

static void
put_ms(struct record *rec, const char *key, int64_t us)
{
	int64_t ms = us / 1000;

	if (us >= 0)
		wl_jw_int(&rec->w, key, ms < INT32_MAX ? ms : INT32_MAX);
}

/* ---- what the client tells beside the body ---- */

/*
 * N lower-case hex digits, not all of them zero.
 */
static bool
is_id(const char *p, size_t n)
{
	return strspn(p, "0123456789abcdef") >= n && strspn(p, "0") < n;
}

/*
 * W3C Trace Context: version "-" trace id "-" parent id "-" flags.
 */
static void
put_trace(struct record *rec, const char *v)
{
	if (v == NULL || strlen(v) < 55 || v[2] != '-' || v[35] != '-' ||
	    v[52] != '-' || strncmp(v, "ff", 2) == 0 || !is_id(v + 3, 32) ||
	    !is_id(v + 36, 16))
		return;
	wl_jw_strn(&rec->w, "trace_id", v + 3, 32);
	wl_jw_strn(&rec->w, "parent_span_id", v + 36, 16);
}

static void
put_tags(struct record *rec, const char *v)
{
	struct wl_str rest = wl_str_of(v), tag;
	int n = 0;

	if (v == NULL)
		return;
	wl_jw_arr(&rec->w, "tags");
	while (rest.p != NULL && n < TAGS_MAX) {
		tag = wl_str_trim(wl_str_cut(&rest, ','));
		if (tag.len == 0)
			continue;
		put_text(rec, NULL, tag.p, tag.len, WORD_MAX);
		n++;
	}
	wl_jw_end(&rec->w, ']');
}

/*
 * What limits hold for the call, and the rules that count it: those in flight
 * leave no trace in the ledger.
 */
static void
put_limits(struct record *rec, const struct wl_admission *ad)
{
	const struct wl_limit_row *row;
	int i, n = 0;

	/* none holds for what the client did not ask, or was told before */
	if (rec->shadow || ad->free)
		return;
	if (ad->reserved) {
		wl_jw_int(&rec->w, "reserved_tokens", ad->reserve.tokens);
		if (ad->reserve.nano >= 0)
			wl_jw_int(&rec->w, "reserved_nano", ad->reserve.nano);
	}
	for (i = 0; i < ad->gate.nrows; i++) {
		row = &ad->gate.rows[i];
		if (row->name != WL_LN_RULE || row->kind == WL_L_LEASE)
			continue;
		if (n++ == 0)
			wl_jw_arr(&rec->w, "limit_scopes");
		wl_jw_str(&rec->w, NULL, row->scope);
	}
	if (n > 0)
		wl_jw_end(&rec->w, ']');
}

/*
 * Who calls, when, and what: the same in both records.
 */
static void
put_call(struct record *rec, const struct wl_req *r,
    const struct wl_auth *auth, const struct wl_admission *ad,
    const struct wl_ask *ask, int64_t received_ms)
{
	struct wl_str user = wl_ask_user(ask, r);

	wl_jw_str(&rec->w, "event_id", ad->event_id);
	wl_jw_str(&rec->w, "project_id", auth->project);
	wl_jw_str(&rec->w, "retention_class", auth->retention_class);
	wl_jw_str(&rec->w, "api_key_id", auth->key_id);
	wl_jw_str(&rec->w, "key_prefix", auth->key_prefix);
	put_time(rec, "admitted_at", ad->at_ms);
	put_time(rec, "ts", ad->at_ms);
	put_time(rec, "received_at", received_ms);
	wl_jw_str(&rec->w, "month", ad->month);
	wl_jw_int(&rec->w, "minute", ad->minute);
	if (ad->gate.generation[0] != '\0')
		wl_jw_str(&rec->w, "generation", ad->gate.generation);
	wl_jw_str(&rec->w, "type", "prompt_call");
	wl_jw_str(&rec->w, "source", rec->shadow ? "shadow" : "gateway");
	wl_jw_str(&rec->w, "route", wl_api_path(ask->api));
	wl_jw_str(&rec->w, "request_id", r->id);
	put_word(rec, "client_request_id", r->client_request_id);
	if (ask->model.len > 0)
		put_text(rec, "model", ask->model.p, ask->model.len,
		    WORD_MAX);
	wl_jw_bool(&rec->w, "stream", ask->stream);
	put_word(rec, "run_id", wl_req_header(r, "x-watchllm-run-id"));
	put_word(rec, "session_id", wl_req_header(r, "x-watchllm-session-id"));
	if (user.len > 0)
		put_text(rec, "user_id", user.p, user.len, WORD_MAX);
	put_tags(rec, wl_req_header(r, "x-watchllm-tags"));
	put_trace(rec, wl_req_header(r, "traceparent"));
	wl_jw_bool(&rec->w, "degraded", ad->degraded);
	put_limits(rec, ad);
}

static void
put_flags(struct record *rec, const struct wl_admission *ad,
    const struct wl_result *res)
{
	wl_jw_arr(&rec->w, "flags");
	if (ad->degraded)
		wl_jw_str(&rec->w, NULL, "degraded");
	if (res != NULL && res->overrun)
		wl_jw_str(&rec->w, NULL, "overrun");
	if (rec->hits > 0)
		wl_jw_str(&rec->w, NULL, "redacted");
	if (rec->shadow)
		wl_jw_str(&rec->w, NULL, "shadow");
	if (!rec->shadow && wl_limit_shadowed(ad) > 0)
		wl_jw_str(&rec->w, NULL, "shadow_limit");
	if (rec->truncated)
		wl_jw_str(&rec->w, NULL, "truncated");
	wl_jw_end(&rec->w, ']');
}

/* ---- prompts and answers ---- */

/*
 * A walk over the prompt with what may still be kept of it.
 */
struct walk {
	struct record	*rec;
	size_t		 left;
};

static void
spend(struct walk *k, size_t n)
{
	k->left -= n < k->left ? n : k->left;
}

static void
put_string(struct walk *k, const char *key, struct json_object *o)
{
	const char *p = json_object_get_string(o), *comma;
	size_t len = (size_t)json_object_get_string_len(o);
	char note[96];

	if (len > DATA_URL_MAX && wl_is_data(p, len)) {
		/* all before the data, which tells what it is */
		comma = memchr(p, ',', DATA_URL_MAX);
		snprintf(note, sizeof(note), "%.*s[%zu bytes]", comma == NULL ?
		    0 : comma - p < 64 ? (int)(comma - p) + 1 : 64, p, len);
		wl_jw_str(&k->rec->w, key, note);
		spend(k, strlen(note));
		return;
	}
	put_text(k->rec, key, p, len, k->left);
	spend(k, len);
}

static void put_value(struct walk *k, const char *key, struct json_object *o);

static void
put_members(struct walk *k, struct json_object *o)
{
	struct json_object_iterator it = json_object_iter_begin(o);
	struct json_object_iterator end = json_object_iter_end(o);
	struct wl_buf name;
	const char *s;

	for (; !json_object_iter_equal(&it, &end);
	    json_object_iter_next(&it)) {
		if (k->left == 0) {
			k->rec->truncated = true;
			return;
		}
		s = json_object_iter_peek_name(&it);
		wl_buf_init(&name, 0);
		clean(k->rec, &name, s, strlen(s), WORD_MAX);
		put_value(k, name.p == NULL ? "" : name.p,
		    json_object_iter_peek_value(&it));
		wl_buf_free(&name);
	}
}

static void
put_elements(struct walk *k, struct json_object *o)
{
	size_t i, n = json_object_array_length(o);

	for (i = 0; i < n; i++) {
		if (k->left == 0) {
			k->rec->truncated = true;
			return;
		}
		put_value(k, NULL, json_object_array_get_idx(o, i));
	}
}

/*
 * O without what must not be kept.  The scan has bounded its depth.
 */
static void
put_value(struct walk *k, const char *key, struct json_object *o)
{
	struct wl_jw *w = &k->rec->w;

	spend(k, 8 + (key == NULL ? 0 : strlen(key)));
	switch (json_object_get_type(o)) {
	case json_type_string:
		put_string(k, key, o);
		break;
	case json_type_object:
		wl_jw_obj(w, key);
		put_members(k, o);
		wl_jw_end(w, '}');
		break;
	case json_type_array:
		wl_jw_arr(w, key);
		put_elements(k, o);
		wl_jw_end(w, ']');
		break;
	case json_type_int:
		wl_jw_int(w, key, json_object_get_int64(o));
		break;
	case json_type_double:
		wl_jw_num(w, key, json_object_get_double(o));
		break;
	case json_type_boolean:
		wl_jw_bool(w, key, json_object_get_boolean(o));
		break;
	case json_type_null:
		wl_jw_null(w, key);
		break;
	}
}

/*
 * The prompt: text where it is one, else JSON as text.  Instructions that
 * stand beside it (Responses API, Anthropic's messages) are a part of it, in a quarter of the room
 * at most.
 */
static void
put_input(struct record *rec, const struct wl_ask *ask, size_t max)
{
	const char *name = wl_api_content(ask->api);
	const char *beside = wl_api_system(ask->api);
	struct json_object *o = NULL, *system = NULL;
	struct record inner;
	struct walk k = { &inner, max }, first = { &inner, max / 4 };
	struct wl_buf b;

	if (ask->form_type != NULL && ask->prompt.len > 0)
		put_text(rec, "input", ask->prompt.p, ask->prompt.len, max);
	if (!json_object_object_get_ex(ask->json, name, &o) &&
	    ask->api == WL_API_RESPONSES)
		/* one that the provider keeps, and what stands in it */
		(void)json_object_object_get_ex(ask->json, "prompt", &o);
	if (beside != NULL)
		(void)json_object_object_get_ex(ask->json, beside, &system);
	if (o == NULL && system == NULL)
		return;
	if (system == NULL && json_object_is_type(o, json_type_string)) {
		put_text(rec, "input", json_object_get_string(o),
		    (size_t)json_object_get_string_len(o), max);
		return;
	}
	wl_buf_init(&b, 0);
	memset(&inner, 0, sizeof(inner));
	inner.rules = rec->rules;
	wl_jw_init(&inner.w, &b);
	if (system != NULL) {
		wl_jw_obj(&inner.w, NULL);
		put_value(&first, beside, system);
		spend(&k, max / 4 - first.left);
		put_value(&k, name, o);
		wl_jw_end(&inner.w, '}');
	} else
		put_value(&k, NULL, o);
	if (!b.failed)
		wl_jw_strn(&rec->w, "input", b.p, b.len);
	wl_buf_free(&b);
	record_free(&inner);
	rec->hits += inner.hits;
	rec->truncated |= inner.truncated;
}

/*
 * The tool calls of the answer.  Their arguments are JSON in a string, so
 * they are text to be redacted like any other.
 */
static void
put_tools(struct record *rec, const struct wl_result *res, size_t max)
{
	struct wl_arena *a;
	struct json_object *o;
	struct walk k = { rec, 2 * max };
	struct wl_buf b;

	if (res->tools.len == 0 || (a = wl_arena_new(4 * max + 65536)) == NULL)
		return;
	wl_buf_init(&b, 0);
	wl_buf_printf(&b, "[%s]", res->tools.p);
	o = b.failed ? NULL : wl_json_parse(a, b.p, b.len, NULL);
	if (o != NULL) {
		wl_jw_obj(&rec->w, "detail");
		put_value(&k, "tool_calls", o);
		wl_jw_end(&rec->w, '}');
	}
	wl_buf_free(&b);
	wl_arena_free(a);
}

static void
put_payload(struct record *rec, const struct wl_conf *conf,
    const struct wl_ask *ask, const struct wl_result *res)
{
	size_t max = (size_t)conf->max_field;

	put_input(rec, ask, max);
	if (res->text.len > 0)
		put_text(rec, "output", res->text.p, res->text.len, max);
	put_tools(rec, res, max);
	rec->truncated |= res->truncated;
}

/* ---- the records ---- */

void
wl_event_begin_json(struct wl_buf *b, const struct wl_req *r,
    const struct wl_auth *auth, const struct wl_admission *ad,
    const struct wl_ask *ask)
{
	struct record rec;

	record_open(&rec, b, ad->redaction);
	put_call(&rec, r, auth, ad, ask, ad->at_ms);
	/* what stands should the call be lost */
	wl_jw_int(&rec.w, "tokens_uncached", ask->input_estimate);
	wl_jw_str(&rec.w, "usage_source", wl_usage_source_name(WL_U_ESTIMATED));
	if (ad->reserve.flat)
		wl_jw_int(&rec.w, "budget_nano", ad->reserve.nano);
	put_flags(&rec, ad, NULL);
	record_close(&rec);
}

static const char *
status_of(const struct wl_result *res)
{
	if (res->outcome == WL_O_CLIENT_GONE)
		return "client_closed";
	if (res->err.code == WL_E_UPSTREAM_TIMEOUT)
		return "timeout";
	/* a response says itself that it failed */
	return res->err.code == WL_OK &&
	    strcmp(res->finish_reason, "failed") != 0 ? "success" : "error";
}

static void
put_error(struct record *rec, const struct wl_result *res)
{
	const struct wl_err_row *row = wl_err_row(res->err.code);

	if (res->err.code == WL_OK)
		return;
	wl_jw_str(&rec->w, "error_type", row->type);
	wl_jw_str(&rec->w, "error_code", row->word);
	put_text(rec, "error_message", res->err.msg, strlen(res->err.msg),
	    MESSAGE_MAX);
}

static void
put_usage(struct record *rec, const struct wl_result *res)
{
	const struct wl_usage *u = &res->usage;

	put_count(rec, "tokens_uncached", u->input);
	put_count(rec, "tokens_cache_read", u->cache_read);
	put_count(rec, "tokens_cache_write", u->cache_write);
	put_count(rec, "tokens_output", u->output);
	put_count(rec, "tokens_reasoning", u->reasoning);
	wl_jw_str(&rec->w, "usage_source", wl_usage_source_name(u->source));
	wl_jw_bool(&rec->w, "usage_counted", !rec->shadow);
	if (res->price_known) {
		wl_jw_int(&rec->w, "cost_nano", res->cost_nano);
		put_time(rec, "price_from", res->price_effective_ms);
		wl_jw_str(&rec->w, "cost_source",
		    u->source == WL_U_PROVIDER && res->hedge_nano == 0 ?
		    "price" : "estimate");
	} else if (u->source != WL_U_NONE) {
		wl_jw_str(&rec->w, "cost_source", "unknown");
	}
}

static void
put_times(struct record *rec, const struct wl_req *r,
    const struct wl_result *res)
{
	int64_t us = wl_clock_us() - r->start_us;

	put_ms(rec, "latency_ms", us < 0 ? 0 : us);
	put_ms(rec, "ttft_ms", res->first_data_us);
	put_ms(rec, "upstream_ms", res->upstream_us);
}

/*
 * What a rule of routing made of the name that was asked for.
 */
static void
put_route(struct record *rec, const struct wl_ask *ask,
    const struct wl_result *res)
{
	char target[sizeof(res->provider) + sizeof(res->model)];

	if (res->rule[0] == '\0')
		return;
	snprintf(target, sizeof(target), "%s/%s", res->provider, res->model);
	wl_jw_obj(&rec->w, "route");
	put_text(rec, "alias", ask->model.p, ask->model.len, WORD_MAX);
	wl_jw_str(&rec->w, "rule", res->rule);
	if (res->variant[0] != '\0')
		wl_jw_str(&rec->w, "variant", res->variant);
	if (res->provider[0] != '\0')
		put_word(rec, "target", target);
	wl_jw_end(&rec->w, '}');
}

/*
 * Which targets were asked, and which were not for they are set aside; only
 * when that says more than the event does itself.
 */
static void
put_tries(struct record *rec, const struct wl_result *res)
{
	const struct wl_tried *e;
	int i;

	if (res->ntried == 0 || (res->ntried == 1 && res->err.code == WL_OK))
		return;
	wl_jw_arr(&rec->w, "tries");
	for (i = 0; i < res->ntried; i++) {
		e = &res->tried[i];
		wl_jw_obj(&rec->w, NULL);
		wl_jw_str(&rec->w, "provider", e->provider);
		put_word(rec, "model", e->model);
		put_word(rec, "key", e->hint);
		wl_jw_str(&rec->w, "result", e->word);
		wl_jw_bool(&rec->w, "asked", e->asked);
		if (e->status != 0)
			wl_jw_int(&rec->w, "status", e->status);
		if (e->hedge)
			wl_jw_bool(&rec->w, "hedge", true);
		wl_jw_int(&rec->w, "at_ms", e->at_us / 1000);
		wl_jw_int(&rec->w, "ms", e->took_us / 1000);
		put_count(rec, "cost_nano", e->cost_nano);
		wl_jw_end(&rec->w, '}');
	}
	wl_jw_end(&rec->w, ']');
}

/*
 * What was billed beside tokens.
 */
static void
put_units(struct record *rec, const struct wl_units *u)
{
	put_count(rec, "images", u->images);
	put_count(rec, "audio_ms", u->audio_ms);
	put_count(rec, "characters", u->characters);
	put_count(rec, "searches", u->searches);
	put_count(rec, "image_tokens", u->image_input);
	put_count(rec, "audio_tokens", u->audio_input);
}

/*
 * What budgets see, where that is not the cost.
 */
static void
put_budget(struct record *rec, const struct wl_auth *auth,
    const struct wl_admission *ad, const struct wl_result *res)
{
	struct wl_truth truth;

	if (!ad->reserved || res->price_known)
		return;
	wl_reserve_truth(&ad->reserve, auth, res, &truth);
	if (truth.nano > 0)
		wl_jw_int(&rec->w, "budget_nano", truth.nano);
}

/*
 * Rules in shadow mode that would have refused the call.
 */
static void
put_shadows(struct record *rec, const struct wl_admission *ad)
{
	const struct wl_limit_row *row;
	int i;

	if (wl_limit_shadowed(ad) == 0)
		return;
	wl_jw_arr(&rec->w, "shadow_limits");
	for (i = 0; i < ad->gate.nrows; i++) {
		row = &ad->gate.rows[i];
		if (row->shadow && !row->exempt &&
		    wl_limit_row_exceeded(row, true))
			wl_jw_str(&rec->w, NULL, row->scope);
	}
	wl_jw_end(&rec->w, ']');
}

static void
put_attributes(struct record *rec, const struct wl_admission *ad,
    const struct wl_ask *ask, const struct wl_result *res)
{
	wl_jw_obj(&rec->w, "attributes");
	wl_jw_str(&rec->w, "outcome", wl_outcome_name(res->outcome));
	wl_jw_int(&rec->w, "input_estimate", ask->input_estimate);
	if (ask->max_tokens > 0)
		wl_jw_int(&rec->w, "max_tokens", ask->max_tokens);
	if (res->chunks > 0)
		wl_jw_int(&rec->w, "chunks", res->chunks);
	if (res->upstream_http != 0)
		wl_jw_int(&rec->w, "upstream_status", res->upstream_http);
	put_word(rec, "upstream_code", res->upstream_code);
	put_route(rec, ask, res);
	if (res->ntried > 0)
		put_word(rec, "provider_key",
		    res->tried[res->ntried - 1].hint);
	put_tries(rec, res);
	put_units(rec, &res->units);
	put_shadows(rec, ad);
	wl_policy_json(&rec->w, "policy", res->policy, &res->found);
	wl_jw_end(&rec->w, '}');
}

static void
end_json(struct wl_buf *b, const struct wl_conf *conf, const struct wl_req *r,
    const struct wl_auth *auth, const struct wl_admission *ad,
    const struct wl_ask *ask, const struct wl_result *res, bool payload)
{
	struct record rec;

	record_open(&rec, b, ad->redaction);
	put_call(&rec, r, auth, ad, ask, wl_clock_ms());
	wl_jw_str(&rec.w, "status", status_of(res));
	wl_jw_bool(&rec.w, "minute_counted", !ad->free &&
	    res->outcome != WL_O_REPLAY);
	wl_jw_bool(&rec.w, "month_counted", !ad->free &&
	    !wl_outcome_refunds_month(res->outcome, auth->cache_hits_free));
	put_count(&rec, "http_status", res->http == 0 ? -1 : res->http);
	put_error(&rec, res);
	put_word(&rec, "provider", res->provider);
	put_word(&rec, "model_used", res->model_used[0] != '\0' ?
	    res->model_used : res->model);
	put_word(&rec, "response_id", res->response_id);
	put_word(&rec, "finish_reason", res->finish_reason);
	put_count(&rec, "attempts", res->attempts);
	put_usage(&rec, res);
	wl_jw_str(&rec.w, "cache_status", wl_cache_status_name(res->cache));
	if (res->cache >= WL_CACHE_HIT) {
		wl_jw_int(&rec.w, "saved_nano", res->saved_nano);
		wl_jw_int(&rec.w, "tokens_saved", res->saved_tokens);
	}
	put_times(&rec, r, res);
	if (payload)
		put_payload(&rec, conf, ask, res);
	else
		rec.truncated |= conf->store_payloads;
	put_budget(&rec, auth, ad, res);
	put_attributes(&rec, ad, ask, res);
	put_flags(&rec, ad, res);
	record_close(&rec);
}

void
wl_event_end_json(struct wl_buf *b, const struct wl_conf *conf,
    const struct wl_req *r, const struct wl_auth *auth,
    const struct wl_admission *ad, const struct wl_ask *ask,
    const struct wl_result *res)
{
	end_json(b, conf, r, auth, ad, ask, res, conf->store_payloads);
}

static int
append(struct wl_journal *j, enum wl_journal_kind kind, struct wl_buf *b,
    struct wl_err *e)
{
	int rc;

	if (b->failed)
		rc = wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	else
		rc = wl_journal_append(j, kind, b->p, b->len, e);
	wl_buf_free(b);
	return rc;
}

int
wl_event_begin(struct wl_journal *j, const struct wl_req *r,
    const struct wl_auth *auth, const struct wl_admission *ad,
    const struct wl_ask *ask, struct wl_err *e)
{
	struct wl_buf b;

	wl_buf_init(&b, WL_JOURNAL_RECORD_MAX);
	wl_event_begin_json(&b, r, auth, ad, ask);
	return append(j, WL_J_BEGIN, &b, e);
}

void
wl_event_end(struct wl_journal *j, const struct wl_conf *conf,
    const struct wl_req *r, const struct wl_auth *auth,
    const struct wl_admission *ad, const struct wl_ask *ask,
    const struct wl_result *res)
{
	struct wl_err e;
	struct wl_buf b;

	wl_buf_init(&b, WL_JOURNAL_RECORD_MAX);
	wl_event_end_json(&b, conf, r, auth, ad, ask, res);
	if (append(j, WL_J_END, &b, &e) == 0)
		return;
	/* too large, or hardly any room left: the figures matter most */
	wl_buf_init(&b, WL_JOURNAL_RECORD_MAX);
	end_json(&b, conf, r, auth, ad, ask, res, false);
	if (append(j, WL_J_END, &b, &e) == -1)
		wl_log_req(WL_ERROR, "event.lost", r->id, NULL, "%s; %s",
		    e.msg, e.detail);
}

/* ---- shadow calls ---- */

struct wl_event_shadow {
	struct wl_buf		 b;
	struct record		 rec;
	struct wl_admission	 ad;
	char			 of[37];	/* event of the call itself */
	const char		*rule;
};

static void
free_shadow(void *p)
{
	struct wl_event_shadow *s = p;

	record_free(&s->rec);
	wl_buf_free(&s->b);
}

struct wl_event_shadow *
wl_event_shadow_begin(struct wl_arena *a, const struct wl_req *r,
    const struct wl_auth *auth, const struct wl_admission *ad,
    const struct wl_ask *ask, const char *rule)
{
	struct wl_event_shadow *s = wl_arena_alloc(a, sizeof(*s));

	if (s == NULL || (s->rule = wl_arena_strdup(a, rule)) == NULL)
		return NULL;
	s->ad = *ad;
	s->ad.redaction = wl_catalog_redaction(a, auth->project,
	    auth->catalog_version);
	memcpy(s->of, ad->event_id, sizeof(s->of));
	wl_uuid7(wl_clock_ms(), s->ad.event_id);
	wl_buf_init(&s->b, WL_JOURNAL_RECORD_MAX);
	if (wl_arena_defer(a, free_shadow, s) == -1)
		return NULL;
	record_open(&s->rec, &s->b, s->ad.redaction);
	s->rec.shadow = true;
	put_call(&s->rec, r, auth, &s->ad, ask, wl_clock_ms());
	wl_jw_str(&s->rec.w, "linked_event_id", s->of);
	return s;
}

/*
 * Times stand here and not in their columns: averages and percentiles of the
 * project are those of calls that somebody waited for.
 */
static void
put_shadow(struct record *rec, const struct wl_event_shadow *s,
    const struct wl_ask *ask, const struct wl_result *res)
{
	wl_jw_obj(&rec->w, "attributes");
	wl_jw_str(&rec->w, "outcome", wl_outcome_name(res->outcome));
	wl_jw_int(&rec->w, "input_estimate", ask->input_estimate);
	if (res->upstream_http != 0)
		wl_jw_int(&rec->w, "upstream_status", res->upstream_http);
	put_word(rec, "upstream_code", res->upstream_code);
	wl_jw_obj(&rec->w, "shadow");
	wl_jw_str(&rec->w, "rule", s->rule);
	put_ms(rec, "ttft_ms", res->first_data_us);
	put_ms(rec, "upstream_ms", res->upstream_us);
	wl_jw_end(&rec->w, '}');
	wl_jw_end(&rec->w, '}');
}

void
wl_event_shadow_end(struct wl_event_shadow *s, struct wl_journal *j,
    const struct wl_conf *conf, const struct wl_ask *ask,
    const struct wl_result *res)
{
	struct record *rec = &s->rec;
	struct wl_err e;

	/* what fails here is no error of the project */
	wl_jw_str(&rec->w, "status", strcmp(status_of(res), "success") == 0 ?
	    "success" : "warning");
	put_error(rec, res);
	put_word(rec, "provider", res->provider);
	put_word(rec, "model_used", res->model_used[0] != '\0' ?
	    res->model_used : res->model);
	put_word(rec, "response_id", res->response_id);
	put_word(rec, "finish_reason", res->finish_reason);
	put_count(rec, "attempts", res->attempts);
	put_usage(rec, res);
	if (conf->store_payloads)
		put_payload(rec, conf, ask, res);
	put_shadow(rec, s, ask, res);
	put_flags(rec, &s->ad, NULL);
	wl_jw_end(&rec->w, '}');
	if (s->b.failed)
		wl_err_set(&e, WL_E_UNAVAILABLE, "too large");
	else if (wl_journal_append(j, WL_J_EVENT, s->b.p, s->b.len, &e) == 0)
		return;
	wl_log(WL_WARN, "shadow.lost", "%s", e.msg);
}
