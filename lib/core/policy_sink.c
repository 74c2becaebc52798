/*
 * The filter.  An event is read, its texts go through their channels, and it
 * is written again when anything of it has changed.
 */
#include "config.h"
#include "lib/core/policy_sink_priv.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/core/error_event.h"
#include "lib/core/policy_body.h"

/* Memory of the parse of one event. */
#define SCRATCH		((size_t)64 * 1024 * 1024)

static struct wl_policy_sink *
filter_of(struct wl_sink *s)
{
	return (struct wl_policy_sink *)(void *)((char *)s -
	    offsetof(struct wl_policy_sink, sink));
}

static void
free_filter(void *p)
{
	struct wl_policy_sink *f = p;
	int i;

	for (i = 0; i < f->nch; i++) {
		wl_buf_free(&f->ch[i].held);
		wl_buf_free(&f->ch[i].shell);
	}
	wl_sse_free(&f->sse);
	wl_buf_free(&f->out);
	wl_arena_free(f->scratch);
}

/* ---- events ------------------------------------------------------------ */

/*
 * Ids are left out: what is held when a connection breaks would be missing
 * when the stream goes on behind one.
 */
static void
put_event(struct wl_buf *b, struct wl_str name, const char *data, size_t len)
{
	size_t i;

	if (name.len > 0)
		wl_buf_printf(b, "event: %.*s\n", (int)name.len, name.p);
	wl_buf_adds(b, "data: ");
	for (i = 0; i < len; i++)	/* JSON has no line end in a string */
		wl_buf_addc(b, data[i] == '\n' ? ' ' : data[i]);
	wl_buf_adds(b, "\n\n");
}

const char *
wl_policy_plain(struct json_object *o, size_t *len)
{
	return json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN |
	    JSON_C_TO_STRING_NOSLASHESCAPE, len);
}

void
wl_policy_put_object(struct wl_buf *b, struct wl_str name,
    struct json_object *o)
{
	const char *text;
	size_t len;

	text = wl_policy_plain(o, &len);
	put_event(b, name, text, len);
}

void
wl_policy_set_text(struct json_object *o, const char *key,
    const struct wl_buf *b)
{
	json_object_object_add(o, key, json_object_new_string_len(
	    b->p == NULL ? "" : b->p, (int)b->len));
}

/* ---- one event --------------------------------------------------------- */

/*
 * The event EV goes to f->out as it may pass.
 */
static void
pass_event(struct wl_policy_sink *f, const struct wl_sse_event *ev)
{
	bool typed = f->ask->api != WL_API_CHAT &&
	    f->ask->api != WL_API_COMPLETIONS, changed;
	struct wl_str data = ev->data;
	struct json_object *o;
	const char *text;
	size_t len;

	if (wl_str_eq(wl_str_trim(data), "[DONE]") || data.len == 0) {
		put_event(&f->out, ev->name, data.p, data.len);
		return;
	}
	o = wl_json_parse(f->scratch, data.p, data.len, NULL);
	if (!json_object_is_type(o, json_type_object)) {
		wl_err_set(&f->err, WL_E_UPSTREAM_INVALID, "An event of the "
		    "answer is too complex for the project's policy.");
		f->stopped = true;
		return;
	}
	changed = typed ? wl_policy_typed(f, o) : wl_policy_choices(f, o);
	if (f->tally->blocked != -1)
		f->stopped = true;
	if (f->stopped)
		return;
	text = changed ? wl_policy_plain(o, &len) : data.p;
	put_event(&f->out, ev->name, text, changed ? len : data.len);
}

/*
 * The events in P, complete ones, go to f->out.  -1: no more may pass.
 */
static int
pass_events(struct wl_policy_sink *f, const char *p, size_t len)
{
	struct wl_sse_event ev;
	int rc = 0;

	while (!f->stopped && (rc = wl_sse_feed(&f->sse, &p, &len, &ev)) ==
	    1) {
		pass_event(f, &ev);
		wl_arena_reset(f->scratch);
	}
	if (rc == -1 || f->out.failed)
		f->stopped = true;
	return f->stopped ? -1 : 0;
}

/*
 * The stream ends here, with an error.  Returns -1.
 */
static int
stop(struct wl_policy_sink *f)
{
	struct wl_err was = f->res->err;
	struct wl_str said = f->res->refusal;
	struct wl_buf b = { 0 };

	f->stopped = true;
	if (f->tally->blocked != -1)
		(void)wl_policy_blocked(f->policy, f->tally, &f->err);
	else if (f->err.code == WL_OK)
		(void)wl_err_memory(&f->err);
	if (!f->streaming)
		return -1;
	f->res->err = f->err;
	f->res->refusal = WL_STR("");
	wl_error_event(&b, f->ask->api, f->res, f->request_id);
	f->res->err = was;
	f->res->refusal = said;
	if (!b.failed)
		(void)f->next->end(f->next, b.p, b.len);
	wl_buf_free(&b);
	return -1;
}

/*
 * What was made of events goes on.
 */
static int
send(struct wl_policy_sink *f)
{
	int rc = 0;

	if (f->out.len > 0)
		rc = f->next->data(f->next, f->out.p, f->out.len);
	wl_buf_reset(&f->out);
	return rc;
}

/* ---- the sink ---------------------------------------------------------- */

static int
sink_begin(struct wl_sink *s, int status, const char *type, bool stream)
{
	struct wl_policy_sink *f = filter_of(s);

	f->streaming = stream;
	f->status = status;
	f->type = type;
	if (!stream)
		return 0;
	f->next->begun = true;
	return f->next->begin(f->next, status, type, true);
}

static int
whole(struct wl_policy_sink *f, struct wl_str body)
{
	if (wl_policy_answer(f->policy, f->a, f->ask->api, body, &body,
	    f->tally, &f->err) == -1)
		return stop(f);
	f->next->begun = true;
	return f->next->begin(f->next, f->status, f->type, false) == -1 ? -1 :
	    f->next->data(f->next, body.p, body.len);
}

static int
sink_data(struct wl_sink *s, const char *p, size_t len)
{
	struct wl_policy_sink *f = filter_of(s);

	if (f->stopped)
		return -1;
	if (!f->streaming)
		return whole(f, (struct wl_str){ p, len });
	if (pass_events(f, p, len) == -1)
		return stop(f);
	f->next->data_sent = s->data_sent;
	return send(f);
}

static int
sink_heartbeat(struct wl_sink *s)
{
	struct wl_policy_sink *f = filter_of(s);

	if (f->stopped)
		return -1;
	f->streaming = true;
	f->next->begun = true;
	return f->next->heartbeat(f->next);
}

/*
 * What is still held goes before the figures.
 */
static int
sink_trailer(struct wl_sink *s, const struct wl_result *res)
{
	struct wl_policy_sink *f = filter_of(s);

	if (f->stopped)
		return -1;
	wl_policy_end_choices(f);
	wl_policy_put_rests(f, "", NULL, true);
	wl_arena_reset(f->scratch);
	if (f->stopped || f->tally->blocked != -1)
		return stop(f);
	return send(f) == -1 ? -1 : f->next->trailer(f->next, res);
}

static int
sink_end(struct wl_sink *s, const char *p, size_t len)
{
	struct wl_policy_sink *f = filter_of(s);
	int rc;

	if (f->stopped)
		return -1;
	if (len == 0) {		/* nothing was sent behind the held */
		wl_policy_end_choices(f);
		wl_policy_put_rests(f, "", NULL, true);
	}
	if (pass_events(f, p, len) == -1 || f->tally->blocked != -1)
		return stop(f);
	rc = f->next->end(f->next, f->out.p == NULL ? "" : f->out.p,
	    f->out.len);
	wl_buf_reset(&f->out);
	return rc;
}

struct wl_policy_sink *
wl_policy_sink_new(struct wl_sink *next, struct wl_arena *a,
    const struct wl_ask *ask, struct wl_result *res, const char *request_id)
{
	struct wl_policy_sink *f = wl_arena_alloc(a, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->next = next;
	f->policy = res->policy;
	f->tally = &res->found;
	f->a = a;
	f->ask = ask;
	f->res = res;
	f->request_id = request_id;
	f->idle = !wl_policy_is_for(f->policy, WL_POLICY_RESPONSE) ||
	    !wl_policy_reads(ask->api);
	if (f->idle)
		return f;
	f->sink = (struct wl_sink){ .begin = sink_begin, .data = sink_data,
	    .heartbeat = sink_heartbeat, .trailer = sink_trailer,
	    .end = sink_end, .fd = next->fd };
	wl_sse_init(&f->sse, WL_POLICY_EVENT);
	wl_buf_init(&f->out, 2 * WL_POLICY_EVENT);
	f->ch = wl_arena_alloc(a, WL_POLICY_CHANNELS * sizeof(*f->ch));
	f->scratch = wl_arena_new(SCRATCH);
	if (wl_arena_defer(a, free_filter, f) == -1 || f->ch == NULL ||
	    f->scratch == NULL)
		return NULL;
	return f;
}

struct wl_sink *
wl_policy_sink_of(struct wl_policy_sink *f)
{
	return f->idle ? f->next : &f->sink;
}

/*
 * The gathered text as it was allowed to pass.
 */
static void
mask_result(struct wl_policy_sink *f)
{
	struct wl_result *res = f->res;
	struct wl_policy_tally t = WL_POLICY_TALLY;
	struct json_object *o;
	struct wl_buf b;

	wl_buf_init(&b, res->keep + 1);
	if (res->text.len > 0 && wl_policy_apply(f->policy,
	    WL_POLICY_RESPONSE, (struct wl_str){ res->text.p, res->text.len },
	    &b, &t)) {
		wl_buf_reset(&res->text);
		wl_buf_add(&res->text, b.p, b.len);
	}
	wl_buf_free(&b);
	wl_buf_init(&b, 0);
	if (res->tools.len == 0)
		return;
	wl_buf_addc(&b, '[');
	wl_buf_add(&b, res->tools.p, res->tools.len);
	wl_buf_addc(&b, ']');
	o = b.failed ? NULL : wl_json_parse(f->a, b.p, b.len, NULL);
	if (o == NULL || wl_policy_walk(f->policy, WL_POLICY_RESPONSE, o, &t))
		wl_buf_reset(&res->tools);
	wl_buf_free(&b);
}

void
wl_policy_sink_end(struct wl_policy_sink *f)
{
	struct wl_result *res = f->res;

	if (f->idle)
		return;
	mask_result(f);
	if (!f->stopped)
		return;
	/* the provider has answered, and is paid for it */
	if (res->outcome == WL_O_CLIENT_GONE ||
	    res->outcome == WL_O_UPSTREAM_FAILED)
		res->outcome = WL_O_ANSWERED;
	res->err = f->err;
	res->refusal = (struct wl_str){ NULL, 0 };
	res->http = f->next->begun ? 200 : wl_err_row(f->err.code)->http;
}
