/*
 * Records of a call.
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
#include "lib/core/event_payload.h"
#include "lib/core/event_rec.h"
#include "lib/core/policy.h"
#include "lib/core/redact_rules.h"
#include "lib/http/req.h"

#define MESSAGE_MAX	((size_t)2048)
#define TAGS_MAX	32

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
put_trace(struct wl_event_rec *rec, const char *v)
{
	if (v == NULL || strlen(v) < 55 || v[2] != '-' || v[35] != '-' ||
	    v[52] != '-' || strncmp(v, "ff", 2) == 0 || !is_id(v + 3, 32) ||
	    !is_id(v + 36, 16))
		return;
	wl_jw_strn(&rec->w, "trace_id", v + 3, 32);
	wl_jw_strn(&rec->w, "parent_span_id", v + 36, 16);
}

static void
put_tags(struct wl_event_rec *rec, const char *v)
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
		wl_event_rec_text(rec, NULL, tag.p, tag.len, WL_EVENT_WORD);
		n++;
	}
	wl_jw_end(&rec->w, ']');
}

/*
 * What limits hold for the call, and the rules that count it: those in flight
 * leave no trace in the ledger.
 */
static void
put_limits(struct wl_event_rec *rec, const struct wl_admission *ad)
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
put_call(struct wl_event_rec *rec, const struct wl_req *r,
    const struct wl_auth *auth, const struct wl_admission *ad,
    const struct wl_ask *ask, int64_t received_ms)
{
	struct wl_str user = wl_ask_user(ask, r);

	wl_jw_str(&rec->w, "event_id", ad->event_id);
	wl_jw_str(&rec->w, "project_id", auth->project);
	wl_jw_str(&rec->w, "retention_class", auth->retention_class);
	wl_jw_str(&rec->w, "api_key_id", auth->key_id);
	wl_jw_str(&rec->w, "key_prefix", auth->key_prefix);
	wl_event_rec_time(rec, "admitted_at", ad->at_ms);
	wl_event_rec_time(rec, "ts", ad->at_ms);
	wl_event_rec_time(rec, "received_at", received_ms);
	wl_jw_str(&rec->w, "month", ad->month);
	wl_jw_int(&rec->w, "minute", ad->minute);
	if (ad->gate.generation[0] != '\0')
		wl_jw_str(&rec->w, "generation", ad->gate.generation);
	wl_jw_str(&rec->w, "type", "prompt_call");
	wl_jw_str(&rec->w, "source", rec->shadow ? "shadow" : "gateway");
	wl_jw_str(&rec->w, "route", wl_api_path(ask->api));
	wl_jw_str(&rec->w, "request_id", r->id);
	wl_event_rec_word(rec, "client_request_id", r->client_request_id);
	if (ask->model.len > 0)
		wl_event_rec_text(rec, "model", ask->model.p, ask->model.len,
		    WL_EVENT_WORD);
	wl_jw_bool(&rec->w, "stream", ask->stream);
	wl_event_rec_word(rec, "run_id", wl_req_header(r, "x-watchllm-run-id"));
	wl_event_rec_word(rec, "session_id",
	    wl_req_header(r, "x-watchllm-session-id"));
	if (user.len > 0)
		wl_event_rec_text(rec, "user_id", user.p, user.len, WL_EVENT_WORD);
	put_tags(rec, wl_req_header(r, "x-watchllm-tags"));
	put_trace(rec, wl_req_header(r, "traceparent"));
	wl_jw_bool(&rec->w, "degraded", ad->degraded);
	put_limits(rec, ad);
}

static void
put_flags(struct wl_event_rec *rec, const struct wl_admission *ad,
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

/* ---- the records ---- */

void
wl_event_begin_json(struct wl_buf *b, const struct wl_req *r,
    const struct wl_auth *auth, const struct wl_admission *ad,
    const struct wl_ask *ask)
{
	struct wl_event_rec rec;

	wl_event_rec_open(&rec, b, ad->redaction);
	put_call(&rec, r, auth, ad, ask, ad->at_ms);
	/* what stands should the call be lost */
	wl_jw_int(&rec.w, "tokens_uncached", ask->input_estimate);
	wl_jw_str(&rec.w, "usage_source", wl_usage_source_name(WL_U_ESTIMATED));
	if (ad->reserve.flat)
		wl_jw_int(&rec.w, "budget_nano", ad->reserve.nano);
	put_flags(&rec, ad, NULL);
	wl_event_rec_close(&rec);
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
put_error(struct wl_event_rec *rec, const struct wl_result *res)
{
	const struct wl_err_row *row = wl_err_row(res->err.code);

	if (res->err.code == WL_OK)
		return;
	wl_jw_str(&rec->w, "error_type", row->type);
	wl_jw_str(&rec->w, "error_code", row->word);
	wl_event_rec_text(rec, "error_message", res->err.msg, strlen(res->err.msg),
	    MESSAGE_MAX);
}

static void
put_usage(struct wl_event_rec *rec, const struct wl_result *res)
{
	const struct wl_usage *u = &res->usage;

	wl_event_rec_count(rec, "tokens_uncached", u->input);
	wl_event_rec_count(rec, "tokens_cache_read", u->cache_read);
	wl_event_rec_count(rec, "tokens_cache_write", u->cache_write);
	wl_event_rec_count(rec, "tokens_output", u->output);
	wl_event_rec_count(rec, "tokens_reasoning", u->reasoning);
	wl_jw_str(&rec->w, "usage_source", wl_usage_source_name(u->source));
	wl_jw_bool(&rec->w, "usage_counted", !rec->shadow);
	if (res->price_known) {
		wl_jw_int(&rec->w, "cost_nano", res->cost_nano);
		wl_event_rec_time(rec, "price_from", res->price_effective_ms);
		wl_jw_str(&rec->w, "cost_source",
		    u->source == WL_U_PROVIDER && res->hedge_nano == 0 ?
		    "price" : "estimate");
	} else if (u->source != WL_U_NONE) {
		wl_jw_str(&rec->w, "cost_source", "unknown");
	}
}

static void
put_times(struct wl_event_rec *rec, const struct wl_req *r,
    const struct wl_result *res)
{
	int64_t us = wl_clock_us() - r->start_us;

	wl_event_rec_ms(rec, "latency_ms", us < 0 ? 0 : us);
	wl_event_rec_ms(rec, "ttft_ms", res->first_data_us);
	wl_event_rec_ms(rec, "upstream_ms", res->upstream_us);
}

/*
 * What a rule of routing made of the name that was asked for.
 */
static void
put_route(struct wl_event_rec *rec, const struct wl_ask *ask,
    const struct wl_result *res)
{
	char target[sizeof(res->provider) + sizeof(res->model)];

	if (res->rule[0] == '\0')
		return;
	snprintf(target, sizeof(target), "%s/%s", res->provider, res->model);
	wl_jw_obj(&rec->w, "route");
	wl_event_rec_text(rec, "alias", ask->model.p, ask->model.len, WL_EVENT_WORD);
	wl_jw_str(&rec->w, "rule", res->rule);
	if (res->variant[0] != '\0')
		wl_jw_str(&rec->w, "variant", res->variant);
	if (res->provider[0] != '\0')
		wl_event_rec_word(rec, "target", target);
	wl_jw_end(&rec->w, '}');
}

/*
 * Which targets were asked, and which were not for they are set aside; only
 * when that says more than the event does itself.
 */
static void
put_tries(struct wl_event_rec *rec, const struct wl_result *res)
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
		wl_event_rec_word(rec, "model", e->model);
		wl_event_rec_word(rec, "key", e->hint);
		wl_jw_str(&rec->w, "result", e->word);
		wl_jw_bool(&rec->w, "asked", e->asked);
		if (e->status != 0)
			wl_jw_int(&rec->w, "status", e->status);
		if (e->hedge)
			wl_jw_bool(&rec->w, "hedge", true);
		wl_jw_int(&rec->w, "at_ms", e->at_us / 1000);
		wl_jw_int(&rec->w, "ms", e->took_us / 1000);
		wl_event_rec_count(rec, "cost_nano", e->cost_nano);
		wl_jw_end(&rec->w, '}');
	}
	wl_jw_end(&rec->w, ']');
}

/*
 * What was billed beside tokens.
 */
static void
put_units(struct wl_event_rec *rec, const struct wl_units *u)
{
	wl_event_rec_count(rec, "images", u->images);
	wl_event_rec_count(rec, "audio_ms", u->audio_ms);
	wl_event_rec_count(rec, "characters", u->characters);
	wl_event_rec_count(rec, "searches", u->searches);
	wl_event_rec_count(rec, "image_tokens", u->image_input);
	wl_event_rec_count(rec, "audio_tokens", u->audio_input);
}

/*
 * What budgets see, where that is not the cost.
 */
static void
put_budget(struct wl_event_rec *rec, const struct wl_auth *auth,
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
put_shadows(struct wl_event_rec *rec, const struct wl_admission *ad)
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
put_attributes(struct wl_event_rec *rec, const struct wl_admission *ad,
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
	wl_event_rec_word(rec, "upstream_code", res->upstream_code);
	put_route(rec, ask, res);
	if (res->ntried > 0)
		wl_event_rec_word(rec, "provider_key",
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
	struct wl_event_rec rec;

	wl_event_rec_open(&rec, b, ad->redaction);
	put_call(&rec, r, auth, ad, ask, wl_clock_ms());
	wl_jw_str(&rec.w, "status", status_of(res));
	wl_jw_bool(&rec.w, "minute_counted", !ad->free &&
	    res->outcome != WL_O_REPLAY);
	wl_jw_bool(&rec.w, "month_counted", !ad->free &&
	    !wl_outcome_refunds_month(res->outcome, auth->cache_hits_free));
	wl_event_rec_count(&rec, "http_status", res->http == 0 ? -1 : res->http);
	put_error(&rec, res);
	wl_event_rec_word(&rec, "provider", res->provider);
	wl_event_rec_word(&rec, "model_used", res->model_used[0] != '\0' ?
	    res->model_used : res->model);
	wl_event_rec_word(&rec, "response_id", res->response_id);
	wl_event_rec_word(&rec, "finish_reason", res->finish_reason);
	wl_event_rec_count(&rec, "attempts", res->attempts);
	put_usage(&rec, res);
	wl_jw_str(&rec.w, "cache_status", wl_cache_status_name(res->cache));
	if (res->cache >= WL_CACHE_HIT) {
		wl_jw_int(&rec.w, "saved_nano", res->saved_nano);
		wl_jw_int(&rec.w, "tokens_saved", res->saved_tokens);
	}
	put_times(&rec, r, res);
	if (payload)
		wl_event_payload_put(&rec, conf, ask, res);
	else
		rec.truncated |= conf->store_payloads;
	put_budget(&rec, auth, ad, res);
	put_attributes(&rec, ad, ask, res);
	put_flags(&rec, ad, res);
	wl_event_rec_close(&rec);
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
	struct wl_event_rec		 rec;
	struct wl_admission	 ad;
	char			 of[37];	/* event of the call itself */
	const char		*rule;
};

static void
free_shadow(void *p)
{
	struct wl_event_shadow *s = p;

	wl_event_rec_free(&s->rec);
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
	wl_event_rec_open(&s->rec, &s->b, s->ad.redaction);
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
put_shadow(struct wl_event_rec *rec, const struct wl_event_shadow *s,
    const struct wl_ask *ask, const struct wl_result *res)
{
	wl_jw_obj(&rec->w, "attributes");
	wl_jw_str(&rec->w, "outcome", wl_outcome_name(res->outcome));
	wl_jw_int(&rec->w, "input_estimate", ask->input_estimate);
	if (res->upstream_http != 0)
		wl_jw_int(&rec->w, "upstream_status", res->upstream_http);
	wl_event_rec_word(rec, "upstream_code", res->upstream_code);
	wl_jw_obj(&rec->w, "shadow");
	wl_jw_str(&rec->w, "rule", s->rule);
	wl_event_rec_ms(rec, "ttft_ms", res->first_data_us);
	wl_event_rec_ms(rec, "upstream_ms", res->upstream_us);
	wl_jw_end(&rec->w, '}');
	wl_jw_end(&rec->w, '}');
}

void
wl_event_shadow_end(struct wl_event_shadow *s, struct wl_journal *j,
    const struct wl_conf *conf, const struct wl_ask *ask,
    const struct wl_result *res)
{
	struct wl_event_rec *rec = &s->rec;
	struct wl_err e;

	/* what fails here is no error of the project */
	wl_jw_str(&rec->w, "status", strcmp(status_of(res), "success") == 0 ?
	    "success" : "warning");
	put_error(rec, res);
	wl_event_rec_word(rec, "provider", res->provider);
	wl_event_rec_word(rec, "model_used", res->model_used[0] != '\0' ?
	    res->model_used : res->model);
	wl_event_rec_word(rec, "response_id", res->response_id);
	wl_event_rec_word(rec, "finish_reason", res->finish_reason);
	wl_event_rec_count(rec, "attempts", res->attempts);
	put_usage(rec, res);
	if (conf->store_payloads)
		wl_event_payload_put(rec, conf, ask, res);
	put_shadow(rec, s, ask, res);
	put_flags(rec, &s->ad, NULL);
	wl_jw_end(&rec->w, '}');
	if (s->b.failed)
		wl_err_set(&e, WL_E_UNAVAILABLE, "too large");
	else if (wl_journal_append(j, WL_J_EVENT, s->b.p, s->b.len, &e) == 0)
		return;
	wl_log(WL_WARN, "shadow.lost", "%s", e.msg);
}
