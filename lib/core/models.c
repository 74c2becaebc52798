/*
 * Lists of models, from the providers themselves.
 */
#include "config.h"
#include "lib/core/models.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/core/auth.h"
#include "lib/core/model.h"
#include "lib/core/provider.h"
#include "lib/http/client.h"
#include "lib/store/db.h"

/* Hundreds of models, each with a page about it. */
#define ANSWER_MAX	((size_t)8 * 1024 * 1024)
#define LIST_MS		((int64_t)5000)
#define KEEP_MS		((int64_t)600 * 1000)
#define RETRY_MS	((int64_t)30 * 1000)
#define REMEMBERED	256
#define LIST_MEMORY	((size_t)2 * 1024 * 1024)

/*
 * What a provider said to a project, latest first.  A wl_memo would fetch one
 * after the other, and keep a failure as long as an answer.
 */
struct memory {
	struct memory		*next;
	struct wl_arena		*mem;
	const char		*key;
	struct wl_model_item	*v;
	int			 n;
	int64_t			 until;		/* mono ms */
};

static struct memory *memories;

/*
 * One provider's list on its way.
 */
struct query {
	const struct wl_target	*t;
	bool			 guess;		/* if there is no list */
	const char		*key;		/* in memories; NULL: not kept */
	struct wl_xfer		*x;
	struct wl_model_list	*out;
	int64_t			 keep_ms;
};

/* ---- what is remembered ---- */

static void
forget(struct memory **link)
{
	struct memory *m = *link;

	*link = m->next;
	wl_arena_free(m->mem);
}

void
wl_models_flush(void)
{
	while (memories != NULL)
		forget(&memories);
}

static int
copy_items(struct wl_arena *a, const struct wl_model_item *from, int n,
    struct wl_model_item **to)
{
	int i;

	*to = wl_arena_alloc(a, (size_t)(n + 1) * sizeof(**to));
	if (*to == NULL)
		return -1;
	for (i = 0; i < n; i++) {
		(*to)[i].created = from[i].created;
		(*to)[i].name = wl_arena_strdup(a, from[i].name);
		(*to)[i].owned_by = wl_arena_strdup(a, from[i].owned_by);
		if ((*to)[i].name == NULL || (*to)[i].owned_by == NULL)
			return -1;
	}
	return 0;
}

/*
 * 1: found, 0: not, -1: no memory.
 */
static int
recall(struct wl_arena *a, const char *key, struct wl_model_list *l)
{
	struct memory **link = &memories, *m;

	while ((m = *link) != NULL) {
		if (m->until <= wl_mono()) {
			forget(link);
			continue;
		}
		if (strcmp(m->key, key) == 0) {
			l->n = m->n;
			return copy_items(a, m->v, m->n, &l->v) == -1 ? -1 : 1;
		}
		link = &m->next;
	}
	return 0;
}

/*
 * Without memory the next one asks again.
 */
static void
keep(const char *key, const struct wl_model_list *l, int64_t ms)
{
	struct wl_arena *mem = wl_arena_new(LIST_MEMORY);
	struct memory *m, **link = &memories;
	int n;

	if (mem == NULL)
		return;
	m = wl_arena_alloc(mem, sizeof(*m));
	if (m == NULL || (m->key = wl_arena_strdup(mem, key)) == NULL ||
	    copy_items(mem, l->v, l->n, &m->v) == -1) {
		wl_arena_free(mem);
		return;
	}
	m->mem = mem;
	m->n = l->n;
	m->until = wl_mono() + ms;
	/* another may have asked at the same time */
	for (n = 1; *link != NULL;)
		if (n == REMEMBERED || strcmp((*link)->key, key) == 0)
			forget(link);
		else {
			link = &(*link)->next;
			n++;
		}
	m->next = memories;
	memories = m;
}

/* ---- asking ---- */

static void
start(struct wl_arena *a, const struct wl_conf *conf, struct query *q,
    struct wl_err *e)
{
	struct wl_xfer_opts o = { .method = "GET" };
	struct wl_upcall u;

	if (q->t->wire->list(a, q->t, &u, e) == -1)
		return;
	o.url = u.url;
	o.headers = u.headers;
	o.trust = q->t->trust;
	o.connect_ms = conf->connect_timeout;
	o.total_ms = LIST_MS;
	q->x = wl_xfer_start(&o, e);
}

/*
 * The models that have a price are what is known of this provider.  A server
 * that needs no key may not even be there.
 */
static int
by_prices(struct wl_arena *a, struct query *q, struct wl_err *e)
{
	struct wl_model_list *l = q->out;
	const char **names;
	int i;

	l->n = 0;
	if (!q->guess)
		return 0;
	if (wl_db_provider_models(a, q->t->provider, &names, &l->n, e) == -1)
		return -1;
	l->v = wl_arena_alloc(a, (size_t)(l->n + 1) * sizeof(*l->v));
	if (l->v == NULL)
		return wl_err_memory(e);
	for (i = 0; i < l->n; i++)
		l->v[i] = (struct wl_model_item){ names[i], "", 0 };
	return 0;
}

/*
 * The answer to Q; what went wrong is in *E.
 */
static int
finish(struct wl_arena *a, struct query *q, struct wl_err *e)
{
	struct wl_buf b;
	int status, rc;

	q->keep_ms = RETRY_MS;
	if (q->x == NULL)
		return -1;
	wl_buf_init(&b, ANSWER_MAX + 1);
	rc = wl_xfer_read(q->x, ANSWER_MAX, &b, e);
	status = wl_xfer_status(q->x);
	if (rc == -1)
		goto out;
	if (status == 401 || status == 403) {
		q->out->n = 0;
	} else if (status != 200) {
		rc = wl_err_set(e, WL_E_UPSTREAM, NULL);
		wl_err_detail(e, "status %d", status);
		/* there is no such list, and will not be */
		if (status == 404 || status == 405)
			q->keep_ms = KEEP_MS;
	} else if (b.failed || q->t->wire->listed(a, (struct wl_str){ b.p,
	    b.len }, &q->out->v, &q->out->n) == -1) {
		rc = wl_err_set(e, WL_E_UPSTREAM_INVALID, NULL);
		wl_err_detail(e, "not a list of models");
	} else {
		q->keep_ms = KEEP_MS;
	}
out:
	wl_buf_free(&b);
	return rc;
}

/*
 * Ask where there is nothing remembered, all at once.
 */
static int
ask_all(struct wl_arena *a, const struct wl_conf *conf, struct query *q,
    int n, struct wl_err *e)
{
	struct wl_err said[WL_PROVIDERS] = { { .code = WL_OK } };
	bool known[WL_PROVIDERS] = { false };
	int i, got, rc = 0;

	for (i = 0; i < n; i++) {
		got = q[i].key == NULL ? 0 : recall(a, q[i].key, q[i].out);
		if (got == -1) {
			rc = wl_err_memory(e);
			goto out;
		}
		if (got == 1)
			known[i] = true;
		else
			start(a, conf, &q[i], &said[i]);
	}
	for (i = 0; i < n && rc == 0; i++) {
		if (known[i])
			continue;
		if (finish(a, &q[i], &said[i]) == -1) {
			if (said[i].code == WL_E_CLIENT_CLOSED) {
				*e = said[i];
				rc = -1;
				break;
			}
			wl_log(WL_INFO, "models.list", "%s: %s; %s",
			    q[i].t->provider, said[i].msg, said[i].detail);
			rc = by_prices(a, &q[i], e);
		}
		if (rc == 0 && q[i].key != NULL)
			keep(q[i].key, q[i].out, q[i].keep_ms);
	}
out:
	for (i = 0; i < n; i++)
		wl_xfer_free(q[i].x);
	return rc;
}

/*
 * Whether calls without a provider's name can go to list I of N alone.
 */
static bool
is_alone(const struct query *q, int n, int i)
{
	int j;

	for (j = 0; j < n; j++)
		if (j != i && (q[j].t->key[0] != '\0' || q[j].out->n > 0))
			return false;
	return true;
}

int
wl_models_list(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, const struct wl_keyring *keys,
    const char *provider_key, struct wl_model_list **lists, int *n,
    struct wl_err *e)
{
	struct query q[WL_PROVIDERS] = { { .t = NULL } };
	struct wl_target t[WL_PROVIDERS];
	bool is_default;
	int i;

	if ((*n = wl_model_providers(a, conf, auth, keys, provider_key, t,
	    e)) == -1)
		return -1;
	*lists = wl_arena_alloc(a, (size_t)(*n + 1) * sizeof(**lists));
	if (*lists == NULL)
		return wl_err_memory(e);
	for (i = 0; i < *n; i++) {
		is_default = strcmp(t[i].provider, auth->default_provider) == 0;
		(*lists)[i] = (struct wl_model_list){
			.provider = t[i].provider, .plain = is_default
		};
		q[i].t = &t[i];
		q[i].guess = is_default || t[i].key[0] != '\0';
		q[i].out = &(*lists)[i];
		if (provider_key == NULL && (q[i].key = wl_arena_printf(a,
		    "%s|%lld|%s|%s", auth->project, (long long)auth->version,
		    t[i].provider, t[i].base_url)) == NULL)
			return wl_err_memory(e);
	}
	if (ask_all(a, conf, q, *n, e) == -1)
		return -1;
	for (i = 0; i < *n; i++)
		(*lists)[i].plain &= is_alone(q, *n, i);
	return 0;
}

/*
 * The item called NAME in L, or NULL.
 */
static const struct wl_model_item *
find(const struct wl_model_list *l, const char *name)
{
	int i;

	for (i = 0; i < l->n; i++)
		if (strcmp(l->v[i].name, name) == 0)
			return &l->v[i];
	return NULL;
}

int
wl_models_find(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, const struct wl_keyring *keys,
    const char *provider_key, struct wl_str model,
    const struct wl_model_list *lists, int n,
    const struct wl_model_list **list, const struct wl_model_item **item,
    struct wl_err *e)
{
	struct wl_target t[WL_TARGETS];
	int i, k, nt;

	nt = wl_model_targets(a, conf, auth, keys, model, provider_key, t, e);
	if (nt == -1)
		return e->code == WL_E_MODEL_NOT_FOUND ||
		    e->code == WL_E_BYOK_REQUIRED ? 0 : -1;
	for (k = 0; k < nt; k++)
		for (i = 0; i < n; i++)
			if (strcmp(lists[i].provider, t[k].provider) == 0 &&
			    (*item = find(&lists[i], t[k].model)) != NULL) {
				*list = &lists[i];
				return 1;
			}
	return 0;
}
