/*
 * Which providers may answer for a model, and the project's keys for them.
 */
#include "config.h"
#include "lib/core/model.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/secret.h"
#include "lib/core/auth.h"
#include "lib/core/catalog.h"
#include "lib/core/model_priv.h"
#include "lib/core/provider.h"
#include "lib/http/guard.h"
#include "lib/store/db.h"

#define CANDIDATES	16

const struct wl_db_provider *
wl_model_provider(const struct wl_catalog *cat, struct wl_str id)
{
	int i;

	for (i = 0; i < cat->nproviders; i++)
		if (wl_str_eq(id, cat->providers[i].id))
			return &cat->providers[i];
	return NULL;
}

/*
 * Where the key of a provider may go: its host, and its port where that is
 * not the scheme's own.
 */
struct place {
	char	host[256];
	bool	https;
	int	port;
};

static bool
is_bound_to(const char *bound, const struct place *at)
{
	char with_port[272];

	snprintf(with_port, sizeof(with_port), strchr(at->host, ':') != NULL ?
	    "[%s]:%d" : "%s:%d", at->host, at->port);
	if (strcmp(bound, with_port) == 0)
		return true;
	return strcmp(bound, at->host) == 0 &&
	    at->port == (at->https ? 443 : 80);
}

static void
wipe_key(void *p)
{
	wl_secret_wipe(p, strlen(p));
}

/*
 * The key of row K in plain, in the arena; NULL when it cannot be opened or
 * is not for this place.
 */
static const char *
open_key(struct wl_search *s, const struct wl_db_provider_key *k,
    const struct place *at)
{
	char *aad, *key;

	if (s->ring == NULL || k->sealed_len <= WL_SECRET_TAG)
		return NULL;
	if (!is_bound_to(k->host, at)) {
		wl_log(WL_WARN, "model.key_host", "a key of project %s for %s "
		    "is bound to another host", s->auth->project, k->provider);
		return NULL;
	}
	aad = wl_arena_printf(s->a, "%s|%s|%s", s->auth->project, k->provider,
	    k->host);
	key = wl_arena_alloc(s->a, k->sealed_len - WL_SECRET_TAG + 1);
	if (aad == NULL || key == NULL ||
	    wl_arena_defer(s->a, wipe_key, key) == -1)
		return NULL;
	if (wl_secret_open(s->ring, k->key_id, k->nonce, k->sealed,
	    k->sealed_len, aad, strlen(aad), (uint8_t *)key) == -1) {
		key[0] = '\0';
		wl_log(WL_ERROR, "model.key_sealed", "a key of project %s for "
		    "%s does not open with master key %s", s->auth->project,
		    k->provider, k->key_id);
		return NULL;
	}
	return key;
}

static void
add(struct wl_search *s, const struct wl_db_provider *p, const char *model,
    const char *key, const char *hint, const struct place *at)
{
	struct wl_target *t;

	if (s->n == s->max)
		return;
	t = &s->t[s->n];
	memset(t, 0, sizeof(*t));
	t->wire = wl_provider_find(p->wire);
	t->provider = wl_arena_strdup(s->a, p->id);
	t->base_url = wl_arena_strdup(s->a, p->base_url);
	t->auth = wl_arena_strdup(s->a, p->auth);
	t->api_version = p->api_version == NULL ? NULL :
	    wl_arena_strdup(s->a, p->api_version);
	t->model = model;
	t->variant = "";
	t->key = key;
	t->stream_options = p->stream_options;
	t->own_key = key == s->own_key;
	/* AUTH may be replaced before the call is over */
	t->project = wl_arena_strdup(s->a, s->auth->project);
	t->hint = wl_arena_strdup(s->a, hint);
	t->trust = p->allow_private && wl_guard_listed(
	    s->conf->upstream_private_hosts, at->host, at->port) ?
	    WL_TRUST_PRIVATE : WL_TRUST_PUBLIC;
	if ((p->api_version == NULL) != (t->api_version == NULL))
		return;
	if (t->wire != NULL && t->provider != NULL && t->base_url != NULL &&
	    t->auth != NULL && t->hint != NULL && t->project != NULL)
		s->n++;
}

/*
 * The targets at P, one for each key that opens.
 */
static void
add_provider(struct wl_search *s, const struct wl_db_provider *p,
    const char *model)
{
	const char *key;
	struct place at;
	int i, before = s->n;

	if (wl_guard_split(p->base_url, &at.https, at.host, &at.port) == -1) {
		wl_log(WL_ERROR, "model.base_url",
		    "provider %s has a bad base URL", p->id);
		return;
	}
	if (s->own_key != NULL) {
		if (s->n == 0)
			add(s, p, model, s->own_key, "", &at);
		return;
	}
	for (i = 0; i < s->nkeys; i++)
		if (strcmp(s->keys[i].provider, p->id) == 0 &&
		    (key = open_key(s, &s->keys[i], &at)) != NULL)
			add(s, p, model, key, s->keys[i].hint, &at);
	if (s->n == before && !p->key_required)
		add(s, p, model, "", "", &at);
}

static bool
matches(const struct wl_db_route *r, struct wl_str model)
{
	return r->prefix ? wl_str_prefix(model, r->pattern) :
	    wl_str_eq(model, r->pattern);
}

/*
 * Whether route A serves better than B: exact, longer, first.
 */
static bool
better(const struct wl_db_route *a, const struct wl_db_route *b)
{
	size_t la = strlen(a->pattern), lb = strlen(b->pattern);

	if (a->prefix != b->prefix)
		return !a->prefix;
	if (la != lb)
		return la > lb;
	return a->priority < b->priority;
}

/*
 * Providers that may serve a model, the best first, each once.
 */
struct candidates {
	const struct wl_db_provider	*p[CANDIDATES];
	int				 n;
};

static void
add_candidate(struct candidates *c, const struct wl_db_provider *p)
{
	int i;

	if (p == NULL || c->n == CANDIDATES)
		return;
	for (i = 0; i < c->n; i++)
		if (c->p[i] == p)
			return;
	c->p[c->n++] = p;
}

static void
by_routes(const struct wl_search *s, struct wl_str model, struct candidates *c)
{
	const struct wl_db_route *found[CANDIDATES], *r;
	int i, j, n = 0;

	for (i = 0; i < s->cat->nroutes; i++) {
		r = &s->cat->routes[i];
		if (!matches(r, model))
			continue;
		for (j = n; j > 0 && better(r, found[j - 1]); j--)
			if (j < CANDIDATES)
				found[j] = found[j - 1];
		if (j < CANDIDATES)
			found[j] = r;
		if (n < CANDIDATES)
			n++;
	}
	for (i = 0; i < n; i++)
		add_candidate(c, wl_model_provider(s->cat,
		    wl_str_of(found[i]->provider)));
}

static int
by_prices(struct wl_search *s, const char *model, struct candidates *c,
    struct wl_err *e)
{
	const char **ids;
	int i, n;

	if (wl_catalog_sellers(s->a, model, s->auth->catalog_version,
	    &ids, &n, e) == -1)
		return -1;
	for (i = 0; i < n; i++)
		add_candidate(c, wl_model_provider(s->cat, wl_str_of(ids[i])));
	return 0;
}

static int
byok(struct wl_err *e, const char *provider)
{
	return wl_err_set(e, WL_E_BYOK_REQUIRED, "No provider key is "
	    "configured for %s. Add one to the project or send it in "
	    "X-Provider-Key.", provider);
}

/*
 * "provider/model".  0: the name is not of that form.
 */
int
wl_model_explicit(struct wl_search *s, struct wl_str model, struct wl_err *e)
{
	const struct wl_db_provider *p;
	struct wl_str rest = model, id = wl_str_cut(&rest, '/');
	const char *name;
	int before = s->n;

	if (rest.p == NULL || rest.len == 0 ||
	    (p = wl_model_provider(s->cat, id)) == NULL)
		return 0;
	if ((name = wl_arena_dup(s->a, rest.p, rest.len)) == NULL)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	add_provider(s, p, name);
	return s->n > before ? s->n - before : byok(e, p->id);
}

/*
 * Nobody has said where NAME goes: to those that have a price for it and the
 * project has a key for.  A key that came with the request goes to nobody
 * whom its owner may not have meant.
 */
static int
seller_targets(struct wl_search *s, const char *name,
    const struct wl_db_provider **first, struct wl_err *e)
{
	struct candidates c = { .n = 0 };
	int i;

	if (by_prices(s, name, &c, e) == -1)
		return -1;
	*first = c.n > 0 ? c.p[0] : NULL;
	if (s->own_key != NULL && c.n > 1) {
		wl_err_set(e, WL_E_INVALID_REQUEST, "Several providers serve "
		    "the model. Name the one that X-Provider-Key is for, as in "
		    "\"%s/%.64s\".", c.p[0]->id, name);
		e->param = "model";
		return -1;
	}
	for (i = 0; i < c.n; i++)
		if (c.p[i]->key_required)
			add_provider(s, c.p[i], name);
	return 0;
}

int
wl_model_implicit(struct wl_search *s, struct wl_str model, struct wl_err *e)
{
	const char *name = wl_arena_dup(s->a, model.p, model.len);
	const struct wl_db_provider *def, *first = NULL;
	struct candidates c = { .n = 0 };
	int i, before = s->n;

	if (name == NULL)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	by_routes(s, model, &c);
	for (i = 0; i < c.n; i++)
		add_provider(s, c.p[i], name);
	def = wl_model_provider(s->cat, wl_str_of(s->auth->default_provider));
	if (s->n == before && def != NULL)
		add_provider(s, def, name);
	if (s->n == before && seller_targets(s, name, &first, e) == -1)
		return -1;
	if (s->n > before)
		return s->n - before;
	if (c.n > 0 || def != NULL)
		first = c.n > 0 ? c.p[0] : def;
	if (first != NULL)
		return byok(e, first->id);
	return wl_err_set(e, WL_E_MODEL_NOT_FOUND,
	    "The model \"%s\" does not exist or no provider serves it.", name);
}

/*
 * Whether KEY can be the value of a header: visible ASCII.
 */
static bool
sendable(const char *key)
{
	for (; *key != '\0'; key++)
		if (*key < '!' || *key > '~')
			return false;
	return true;
}

/*
 * What every search needs.  The catalogue must be put back; NULL with *E.
 */
static struct wl_memo_value *
begin(struct wl_search *s, struct wl_err *e)
{
	struct wl_memo_value *use;

	if (s->own_key != NULL && !sendable(s->own_key)) {
		wl_err_set(e, WL_E_INVALID_REQUEST,
		    "X-Provider-Key must be visible ASCII without spaces.");
		e->param = "X-Provider-Key";
		return NULL;
	}
	if ((s->cat = wl_catalog_get(s->auth->catalog_version, &use, e)) ==
	    NULL)
		return NULL;
	if (s->own_key == NULL && wl_catalog_keys(s->a, s->auth->project,
	    s->auth->version, &s->keys, &s->nkeys, e) == -1) {
		wl_catalog_put(use);
		return NULL;
	}
	return use;
}

int
wl_model_route(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, const struct wl_keyring *keys,
    struct wl_str model, const char *provider_key,
    const struct wl_route_call *call, struct wl_target t[WL_TARGETS],
    struct wl_routed *routed, struct wl_err *e)
{
	struct wl_search s = {
		.a = a, .conf = conf, .auth = auth, .ring = keys,
		.own_key = provider_key, .t = t, .max = WL_TARGETS
	};
	struct wl_memo_value *use;
	int n = -1;

	*routed = (struct wl_routed){ "", "" };
	if ((use = begin(&s, e)) == NULL)
		return -1;
	if ((n = wl_model_explicit(&s, model, e)) == 0 &&
	    (n = wl_model_by_rules(&s, model, call, routed, e)) == 0)
		n = wl_model_implicit(&s, model, e);
	if (n == -1 && e->code == WL_E_MODEL_NOT_FOUND)
		e->param = "model";
	wl_catalog_put(use);
	return n;
}

int
wl_model_targets(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, const struct wl_keyring *keys,
    struct wl_str model, const char *provider_key,
    struct wl_target t[WL_TARGETS], struct wl_err *e)
{
	struct wl_routed routed;

	return wl_model_route(a, conf, auth, keys, model, provider_key, NULL,
	    t, &routed, e);
}

/*
 * Whether T, which needs no key, is there at all: the table of providers has
 * rows for servers that an operator may run, with their usual addresses.
 */
static bool
is_meant(const struct wl_search *s, const struct wl_target *t)
{
	return t->trust == WL_TRUST_PRIVATE || wl_str_eq(
	    wl_str_of(s->auth->default_provider), t->provider);
}

int
wl_model_providers(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, const struct wl_keyring *keys,
    const char *provider_key, struct wl_target t[WL_PROVIDERS],
    struct wl_err *e)
{
	struct wl_search s = {
		.a = a, .conf = conf, .auth = auth, .ring = keys,
		.own_key = provider_key, .t = t, .max = WL_PROVIDERS
	};
	const struct wl_db_provider *p;
	struct wl_memo_value *use;
	int i, n;

	if ((use = begin(&s, e)) == NULL)
		return -1;
	for (i = 0; i < s.cat->nproviders && s.n < s.max; i++) {
		p = &s.cat->providers[i];
		if (provider_key != NULL && strcmp(p->id,
		    auth->default_provider) != 0)
			continue;
		n = s.n;
		add_provider(&s, p, "");
		/* the first key speaks for all */
		if (s.n > n && (t[n].key[0] != '\0' || is_meant(&s, &t[n])))
			s.n = n + 1;
		else
			s.n = n;
	}
	wl_catalog_put(use);
	return s.n;
}

void
wl_model_flush(void)
{
	wl_catalog_flush();
}
