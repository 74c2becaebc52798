/*
 * Calls in the shadow of others.  What such a call needs is copied or held
 * before its request is over.
 */
#include "config.h"
#include "fcgi/shadow.h"

#include <string.h>

#include "fcgi/ctx.h"
#include "fcgi/worker.h"
#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/co.h"
#include "lib/base/conf.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "lib/core/event.h"
#include "lib/core/face_messages.h"
#include "lib/core/model.h"
#include "lib/core/policy.h"
#include "lib/core/upstream.h"

#define LONGEST_MS	((int64_t)5 * 60 * 1000)
#define QUIET_MS	((int64_t)60 * 1000)
/* Most of each text that its event keeps: it always fits a record. */
#define FIELD_MAX	((int64_t)256 * 1024)

struct shadow {
	struct shadow		*next, **link;
	struct wl_co		*co;
	struct wl_generation	*held;
	struct wl_arena		*a;
	struct wl_conf		 conf;
	const struct wl_keyring	*keyring;
	struct wl_auth		*auth;
	struct wl_ask		 ask;
	struct wl_result	 res;	/* the arena frees parts of it */
	struct wl_event_shadow	*event;
	bool			 unkept;	/* its answer: see call() */
	const char		*model, *request_id;
	int64_t			 start_us;
};

static struct {
	struct shadow	*list;
	int64_t		 running;
	struct wl_co	*owner;		/* waits for the end of all */
	int64_t		 quiet_until;
	uint64_t	 left_out;
} all;

/* ---- a client that listens to nothing ---- */

static int
sink_begin(struct wl_sink *s, int status, const char *type, bool stream)
{
	(void)s;
	(void)status;
	(void)type;
	(void)stream;
	return 0;
}

static int
sink_data(struct wl_sink *s, const char *p, size_t len)
{
	(void)s;
	(void)p;
	(void)len;
	return 0;
}

static int
sink_heartbeat(struct wl_sink *s)
{
	(void)s;
	return 0;
}

static int
sink_trailer(struct wl_sink *s, const struct wl_result *res)
{
	(void)s;
	(void)res;
	return 0;
}

/* ---- the call ---- */

static void
call(struct shadow *s)
{
	struct wl_sink sink = {
		.begin = sink_begin, .data = sink_data,
		.heartbeat = sink_heartbeat, .trailer = sink_trailer,
		.end = sink_data, .fd = -1
	};
	struct wl_target t[WL_TARGETS];
	struct wl_result *res = &s->res;
	int n;

	if (wl_result_init(res, s->a, s->conf.store_payloads ?
	    (size_t)s->conf.max_field : 0) == -1)
		return;
	res->outcome = WL_O_INVALID;
	n = wl_model_targets(s->a, &s->conf, s->auth, s->keyring,
	    wl_str_of(s->model), NULL, t, &res->err);
	if (n > 0 && s->ask.api == WL_API_MESSAGES)
		n = wl_face_messages_targets(s->a, &s->ask, t, n, &res->err);
	if (n > 0)
		(void)wl_upstream_run(s->a, &s->conf, &s->ask, t, n,
		    s->request_id, s->start_us, &sink, res);
	if (s->unkept) {	/* no filter has seen it */
		wl_buf_reset(&res->text);
		wl_buf_reset(&res->tools);
	}
	/* a process that does not wait for us any more has closed it */
	if (wl_worker.journal == NULL)
		return;
	wl_event_shadow_end(s->event, wl_worker.journal, &s->conf, &s->ask,
	    res);
}

static void
end(struct shadow *s)
{
	if (s->co != NULL) {
		*s->link = s->next;
		if (s->next != NULL)
			s->next->link = s->link;
		all.running--;
	}
	if (all.running == 0 && all.owner != NULL) {
		wl_wake(all.owner);
		all.owner = NULL;
	}
	wl_auth_unref(s->auth);
	wl_worker.give_back(s->held);
	/* it holds S too */
	wl_arena_free(s->a);
}

static void
run(void *arg)
{
	call(arg);
	end(arg);
}

/* ---- its beginning ---- */

/*
 * Whether a second answer to ASK would tell anything that is worth its cost.
 */
static bool
compares(const struct wl_ask *ask)
{
	return !wl_api_is_media(ask->api) && ask->api != WL_API_COUNT_TOKENS &&
	    ask->form_type == NULL && ask->json != NULL;
}

static void
put_json(void *p)
{
	json_object_put(p);
}

/*
 * The ask of FROM for as long as the arena lives.
 */
static int
copy_ask(struct shadow *s, const struct wl_ask *from)
{
	s->ask = *from;
	s->ask.body.p = wl_arena_dup(s->a, from->body.p, from->body.len);
	s->ask.model.p = wl_arena_dup(s->a, from->model.p, from->model.len);
	s->ask.user.p = wl_arena_dup(s->a, from->user.p, from->user.len);
	if (from->anthropic_version != NULL)
		s->ask.anthropic_version = wl_arena_strdup(s->a,
		    from->anthropic_version);
	if (from->anthropic_beta != NULL)
		s->ask.anthropic_beta = wl_arena_strdup(s->a,
		    from->anthropic_beta);
	if (s->ask.body.p == NULL || s->ask.model.p == NULL ||
	    s->ask.user.p == NULL)
		return -1;
	return wl_arena_defer(s->a, put_json, json_object_get(from->json));
}

static int
prepare(struct shadow *s, const struct wl_ctx *ctx, const char *rule,
    const char *model)
{
	s->conf = *wl_worker.conf;
	if (s->conf.total_timeout > LONGEST_MS)
		s->conf.total_timeout = LONGEST_MS;
	if (s->conf.max_field > FIELD_MAX)
		s->conf.max_field = FIELD_MAX;
	s->conf.drain_on_disconnect = false;
	s->keyring = wl_worker.keyring;
	s->start_us = wl_clock_us();
	s->unkept = wl_policy_is_for(ctx->res.policy, WL_POLICY_RESPONSE);
	s->model = wl_arena_strdup(s->a, model);
	s->request_id = wl_arena_strdup(s->a, ctx->req.id);
	if (s->model == NULL || s->request_id == NULL ||
	    copy_ask(s, &ctx->ask) == -1)
		return -1;
	s->event = wl_event_shadow_begin(s->a, &ctx->req, s->auth, &ctx->ad,
	    &s->ask, rule);
	return s->event == NULL ? -1 : 0;
}

/*
 * One that is too many is left out, and told of now and then.
 */
static bool
has_room(const struct wl_conf *conf)
{
	if (all.running < conf->shadow_calls)
		return true;
	all.left_out++;
	if (conf->shadow_calls > 0 && wl_mono() >= all.quiet_until) {
		all.quiet_until = wl_mono() + QUIET_MS;
		wl_log(WL_WARN, "shadow.full", "%lld run already; %llu left "
		    "out so far", (long long)all.running,
		    (unsigned long long)all.left_out);
	}
	return false;
}

void
wl_shadow_start(const struct wl_ctx *ctx, const char *rule, const char *model)
{
	struct wl_arena *a;
	struct shadow *s;

	if (wl_worker.hold == NULL || wl_worker.one_request ||
	    wl_worker.stopping || !compares(&ctx->ask) ||
	    !has_room(wl_worker.conf))
		return;
	a = wl_arena_new((size_t)wl_worker.conf->request_memory);
	if (a == NULL || (s = wl_arena_alloc(a, sizeof(*s))) == NULL) {
		wl_arena_free(a);
		return;
	}
	s->a = a;
	s->held = wl_worker.hold();
	s->auth = ctx->auth;
	wl_auth_ref(s->auth);
	if (prepare(s, ctx, rule, model) == -1 ||
	    (s->co = wl_co_spawn("shadow", run, s)) == NULL) {
		wl_log(WL_WARN, "shadow.memory", "no memory for a call");
		end(s);
		return;
	}
	s->next = all.list;
	s->link = &all.list;
	if (s->next != NULL)
		s->next->link = &s->next;
	all.list = s;
	all.running++;
}

void
wl_shadow_stop(struct wl_co *co)
{
	struct shadow *s;

	all.owner = all.running > 0 ? co : NULL;
	for (s = all.list; s != NULL; s = s->next)
		wl_co_cancel(s->co);
}

bool
wl_shadow_any(void)
{
	return all.running > 0;
}
