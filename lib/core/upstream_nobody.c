/*
 * What a client hears when no target has answered.
 */
#include "config.h"
#include "lib/core/upstream_course.h"

#include <string.h>

static void
restore(struct wl_result *res, const struct wl_upfailure *f)
{
	res->err = f->err;
	res->refusal = f->refusal;
	res->upstream_http = f->upstream_http;
	memcpy(res->upstream_code, f->upstream_code,
	    sizeof(res->upstream_code));
}

/*
 * The one that was set aside and says most to who asks: what passes soonest.
 */
static const struct wl_upleg *
set_aside(const struct wl_upcourse *c)
{
	const struct wl_upleg *best = NULL;
	int i;

	for (i = 0; i < c->n; i++)
		if (c->leg[i].aside != WL_HC_NONE && (best == NULL ||
		    c->leg[i].wait < best->wait))
			best = &c->leg[i];
	return best;
}

/*
 * Nobody was asked, for all are set aside.
 */
static void
tell_aside(struct wl_upcourse *c)
{
	const struct wl_upleg *leg = set_aside(c);
	struct wl_err *e = &c->r->res->err;
	const char *name;
	int s;

	if (leg == NULL) {
		(void)wl_err_set(e, WL_E_UPSTREAM, NULL);
		return;
	}
	name = leg->t->provider;
	s = (int)((leg->wait + 999) / 1000);
	switch (leg->aside) {
	case WL_HC_KEY:
	case WL_HC_FORBIDDEN:
		wl_err_set(e, WL_E_UPSTREAM_CREDENTIALS, "The provider %s "
		    "rejected the project's provider key%s. It is tried again "
		    "in %d s, or at once when it was replaced.", name,
		    leg->aside == WL_HC_KEY ? "" : " for this model", s);
		break;
	case WL_HC_CREDIT:
		wl_err_set(e, WL_E_UPSTREAM_CREDENTIALS, "The provider %s "
		    "says that the account of the project's provider key has "
		    "no credit. It is tried again in %d s.", name, s);
		break;
	case WL_HC_RATE:
		wl_err_set(e, WL_E_UPSTREAM_RATE, "The provider %s limits its "
		    "rate. It is asked again in %d s.", name, s);
		break;
	case WL_HC_UNREACHABLE:
	case WL_HC_FAILING:
		wl_err_set(e, WL_E_UPSTREAM, "The provider %s %s. It is asked "
		    "again in %d s.", name, leg->aside == WL_HC_FAILING ?
		    "keeps failing" : "cannot be reached", s);
		break;
	case WL_HC_NONE:
	case WL_HEALTH_CAUSE_MAX:
		break;
	}
	e->retry_after = s;
	wl_err_detail(e, "%s: set aside, %s", name,
	    wl_health_word(leg->aside));
}

/*
 * The words for keys that were refused in this call.
 */
static void
tell_keys(struct wl_upcourse *c)
{
	const struct wl_target *t = c->r->t;
	struct wl_err *e = &c->r->res->err;
	char detail[sizeof(e->detail)];

	if (c->key_status == 0)
		return;
	memcpy(detail, e->detail, sizeof(detail));
	if (t->own_key)
		wl_err_set(e, WL_E_UPSTREAM_CREDENTIALS, "The provider %s "
		    "rejected the provider key of X-Provider-Key (%d).",
		    t->provider, c->key_status);
	else if (c->keys_refused == 1)
		wl_err_set(e, WL_E_UPSTREAM_CREDENTIALS, "The provider %s "
		    "rejected the project's provider key (%d).", t->provider,
		    c->key_status);
	else
		wl_err_set(e, WL_E_UPSTREAM_CREDENTIALS, "%d provider keys of "
		    "the project were rejected, the last by %s (%d).",
		    c->keys_refused, t->provider, c->key_status);
	wl_err_detail(e, "%s", detail);
}

enum wl_upend
wl_upstream_nobody(struct wl_upcourse *c)
{
	struct wl_result *res = c->r->res;

	if (c->r->gone)
		return WL_UP_GONE;
	if (c->kept.err.code != WL_OK)
		restore(res, &c->kept);
	else
		tell_aside(c);
	if (res->err.code == WL_E_UPSTREAM_CREDENTIALS)
		tell_keys(c);
	return WL_UP_FAILED;
}
