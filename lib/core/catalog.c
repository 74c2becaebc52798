/*
 * Small tables in the process's memory.  Each value has an arena of its own,
 * which db functions fill.
 */
#include "config.h"
#include "lib/core/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/secret.h"
#include "lib/core/memo.h"
#include "lib/core/policy.h"
#include "lib/core/redact_rules.h"
#include "lib/core/route.h"
#include "lib/store/db_policy.h"
#include "lib/store/db_redaction.h"
#include "lib/store/db_route.h"

#define TTL_MS		((int64_t)60 * 1000)
#define CATALOG_MEMORY	((size_t)16 * 1024 * 1024)
#define KEYS_MEMORY	((size_t)64 * 1024)
#define PROJECTS	1024
/* Of one set of rules of routing. */
#define RULES_MEMORY	((size_t)16 * 1024 * 1024)

/* ---- rules of routing ---- */

static void
free_rule_set(void *p)
{
	struct wl_rule_set *s = p;

	if (s == NULL)
		return;
	wl_arena_free(s->mem);
	free(s);
}

/*
 * Read N ROWS into S.  One that this program does not understand is left out:
 * a newer one may have written it.
 */
static int
read_rules(struct wl_rule_set *s, const struct wl_db_rule *rows, int n,
    const char *project, struct wl_err *e)
{
	struct wl_err bad;
	const char *name;
	int i;

	s->v = wl_arena_alloc(s->mem, (size_t)(n + 1) * sizeof(*s->v));
	if (s->v == NULL)
		return wl_err_memory(e);
	for (i = 0; i < n; i++) {
		name = wl_arena_strdup(s->mem, rows[i].name);
		if (name == NULL)
			return wl_err_memory(e);
		if (wl_route_parse(s->mem, name, (struct wl_str){
		    rows[i].definition, rows[i].len }, &s->v[s->n],
		    &bad) == -1) {
			if (bad.code == WL_E_UNAVAILABLE)
				return wl_err_memory(e);
			wl_log(WL_WARN, "route.rule", "project %s: %s",
			    project == NULL ? "(all)" : project, bad.msg);
			continue;
		}
		s->v[s->n++].created_ms = rows[i].created_ms;
	}
	return 0;
}

/*
 * The rules of PROJECT, or with NULL those for all; NULL in *SET: none.
 */
static int
fetch_rule_set(const char *project, struct wl_rule_set **set,
    struct wl_err *e)
{
	struct wl_arena *scratch = wl_arena_new(RULES_MEMORY);
	struct wl_rule_set *s = calloc(1, sizeof(*s));
	struct wl_db_rule *rows;
	int n = 0, rc = -1;

	*set = NULL;
	if (scratch == NULL || s == NULL ||
	    (s->mem = wl_arena_new(RULES_MEMORY)) == NULL)
		wl_err_memory(e);
	else if (wl_db_rules(scratch, project, &rows, &n, e) == 0)
		rc = n == 0 ? 0 : read_rules(s, rows, n, project, e);
	wl_arena_free(scratch);
	if (rc == 0 && n > 0)
		*set = s;
	else
		free_rule_set(s);
	return rc;
}

static int
fetch_own_rule_set(struct wl_arena *scratch, const char *project,
    void **value, struct wl_err *e)
{
	struct wl_rule_set *set;

	(void)scratch;
	if (fetch_rule_set(project, &set, e) == -1)
		return -1;
	*value = set;
	return 0;
}

static struct wl_memo rule_sets = {
	.name = "route_rules", .max = PROJECTS, .ttl_ms = 0,
	.fetch = fetch_own_rule_set, .release = free_rule_set
};

int
wl_catalog_rules(const char *project, int64_t version,
    const struct wl_rule_set **rules, struct wl_memo_value **use,
    struct wl_err *e)
{
	const void *data = NULL;

	*use = wl_memo_get(&rule_sets, project, version, &data, e);
	*rules = data;
	return *use == NULL ? -1 : 0;
}

/* ---- what is common to all ---- */

static void
free_catalog(void *p)
{
	struct wl_catalog *c = p;

	wl_redact_rules_free(c->redaction);
	free_rule_set(c->rules);
	wl_arena_free(c->mem);
	free(c);
}

static int
fetch_rules(struct wl_catalog *c, struct wl_err *e)
{
	struct wl_db_redaction *rows;
	int n;

	if (wl_db_redaction(c->mem, NULL, &rows, &n, e) == -1)
		return -1;
	c->redaction = wl_redact_rules_new(rows, n, "");
	return c->redaction == NULL ? wl_err_memory(e) : 0;
}

static int
fetch_catalog(struct wl_arena *scratch, const char *key, void **value,
    struct wl_err *e)
{
	struct wl_catalog *c = calloc(1, sizeof(*c));

	(void)scratch;
	(void)key;
	if (c == NULL)
		return wl_err_memory(e);
	if ((c->mem = wl_arena_new(CATALOG_MEMORY)) == NULL) {
		wl_err_memory(e);
	} else if (wl_db_catalog_version(c->mem, &c->version, e) == 0 &&
	    wl_db_providers(c->mem, &c->providers, &c->nproviders, e) == 0 &&
	    wl_db_routes(c->mem, &c->routes, &c->nroutes, e) == 0 &&
	    wl_db_flags(c->mem, &c->flags, &c->nflags, e) == 0 &&
	    fetch_rule_set(NULL, &c->rules, e) == 0 &&
	    fetch_rules(c, e) == 0) {
		*value = c;
		return 0;
	}
	free_catalog(c);
	return -1;
}

static struct wl_memo catalogs = {
	.name = "catalog", .max = 1, .ttl_ms = TTL_MS,
	.fetch = fetch_catalog, .release = free_catalog
};

const struct wl_catalog *
wl_catalog_get(int64_t version, struct wl_memo_value **use,
    struct wl_err *e)
{
	const void *data;

	if ((*use = wl_memo_get(&catalogs, "", version, &data, e)) ==
	    NULL)
		return NULL;
	return data;
}

void
wl_catalog_put(struct wl_memo_value *use)
{
	wl_memo_put(use);
}

/* ---- who sells a model ---- */

struct sellers {
	int	 n;
	char	 ids[];		/* each ended by a NUL */
};

static int
fetch_sellers(struct wl_arena *scratch, const char *model, void **value,
    struct wl_err *e)
{
	const char **ids;
	struct sellers *s;
	size_t len = 0, l;
	int i, n;

	if (wl_db_model_providers(scratch, model, &ids, &n, e) == -1)
		return -1;
	for (i = 0; i < n; i++)
		len += strlen(ids[i]) + 1;
	if ((s = malloc(sizeof(*s) + len)) == NULL)
		return wl_err_memory(e);
	s->n = n;
	for (len = 0, i = 0; i < n; i++, len += l) {
		l = strlen(ids[i]) + 1;
		memcpy(s->ids + len, ids[i], l);
	}
	*value = s;
	return 0;
}

static struct wl_memo sellers = {
	.name = "sellers", .max = 1024, .ttl_ms = TTL_MS,
	.fetch = fetch_sellers, .release = free
};

int
wl_catalog_sellers(struct wl_arena *a, const char *model, int64_t version,
    const char ***ids, int *n, struct wl_err *e)
{
	struct wl_memo_value *use;
	const struct sellers *s;
	const void *data;
	const char *p;
	int i, rc = 0;

	if ((use = wl_memo_get(&sellers, model, version, &data, e)) == NULL)
		return -1;
	s = data;
	*n = s->n;
	*ids = wl_arena_alloc(a, (size_t)s->n * sizeof(**ids));
	if (*ids == NULL)
		rc = wl_err_memory(e);
	for (p = s->ids, i = 0; rc == 0 && i < s->n; i++) {
		if (((*ids)[i] = wl_arena_strdup(a, p)) == NULL)
			rc = wl_err_memory(e);
		p += strlen(p) + 1;
	}
	wl_memo_put(use);
	return rc;
}

/* ---- keys of projects ---- */

struct keys {
	struct wl_db_provider_key	*rows;
	int				 n;
	struct wl_arena			*mem;
};

static void
free_keys(void *p)
{
	struct keys *k = p;

	wl_arena_free(k->mem);
	free(k);
}

static int
fetch_keys(struct wl_arena *scratch, const char *project, void **value,
    struct wl_err *e)
{
	struct keys *k = calloc(1, sizeof(*k));

	(void)scratch;
	if (k == NULL)
		return wl_err_memory(e);
	if ((k->mem = wl_arena_new(KEYS_MEMORY)) == NULL) {
		wl_err_memory(e);
	} else if (wl_db_provider_keys(k->mem, project, &k->rows, &k->n, e) ==
	    0) {
		*value = k;
		return 0;
	}
	free_keys(k);
	return -1;
}

static struct wl_memo keys = {
	.name = "provider_keys", .max = PROJECTS, .ttl_ms = 0,
	.fetch = fetch_keys, .release = free_keys
};

static int
copy_key(struct wl_arena *a, const struct wl_db_provider_key *from,
    struct wl_db_provider_key *to)
{
	*to = *from;
	to->provider = wl_arena_strdup(a, from->provider);
	to->key_id = wl_arena_strdup(a, from->key_id);
	to->host = wl_arena_strdup(a, from->host);
	to->hint = wl_arena_strdup(a, from->hint);
	to->nonce = (const uint8_t *)wl_arena_dup(a, from->nonce,
	    WL_SECRET_NONCE);
	to->sealed = (const uint8_t *)wl_arena_dup(a, from->sealed,
	    from->sealed_len);
	return to->provider == NULL || to->key_id == NULL ||
	    to->host == NULL || to->hint == NULL || to->nonce == NULL || to->sealed == NULL ? -1 :
	    0;
}

int
wl_catalog_keys(struct wl_arena *a, const char *project, int64_t version,
    struct wl_db_provider_key **rows, int *n, struct wl_err *e)
{
	struct wl_memo_value *use;
	const struct keys *k;
	const void *data;
	int i, rc = 0;

	if ((use = wl_memo_get(&keys, project, version, &data, e)) == NULL)
		return -1;
	k = data;
	*n = k->n;
	*rows = wl_arena_alloc(a, (size_t)k->n * sizeof(**rows));
	if (*rows == NULL)
		rc = wl_err_memory(e);
	for (i = 0; rc == 0 && i < k->n; i++)
		if (copy_key(a, &k->rows[i], &(*rows)[i]) == -1)
			rc = wl_err_memory(e);
	wl_memo_put(use);
	return rc;
}

/* ---- redaction rules of projects ---- */

static void
free_rules(void *p)
{
	wl_redact_rules_free(p);
}

/*
 * What holds for a project that has rules of its own; else nothing.
 */
static int
fetch_own_rules(struct wl_arena *scratch, const char *project, void **value,
    struct wl_err *e)
{
	struct wl_db_redaction *rows;
	int i, n;

	if (wl_db_redaction(scratch, project, &rows, &n, e) == -1)
		return -1;
	for (i = 0; i < n && !rows[i].own; i++)
		;
	if (i == n)
		return 0;
	*value = wl_redact_rules_new(rows, n, project);
	return *value == NULL ? wl_err_memory(e) : 0;
}

static struct wl_memo own_rules = {
	.name = "redaction", .max = PROJECTS, .ttl_ms = 0,
	.fetch = fetch_own_rules, .release = free_rules
};

static void
put_value(void *use)
{
	wl_memo_put(use);
}

/*
 * DATA, which lives as long as USE does, for as long as A does.
 */
static const struct wl_redact_rules *
lend(struct wl_arena *a, const void *data, struct wl_memo_value *use)
{
	return wl_arena_defer(a, put_value, use) == 0 ? data : NULL;
}

/*
 * Say so, but not for every call.
 */
static void
not_known(const char *project, const struct wl_err *e)
{
	static int64_t quiet_until;

	if (wl_mono() < quiet_until)
		return;
	quiet_until = wl_mono() + TTL_MS;
	wl_log(WL_WARN, "redact.unknown", "rules of project %s: %s; %s",
	    project, e->msg, e->detail);
}

const struct wl_redact_rules *
wl_catalog_redaction(struct wl_arena *a, const char *project, int64_t version)
{
	struct wl_memo_value *use, *own;
	const struct wl_catalog *cat;
	const void *data = NULL;
	struct wl_err e;

	if ((cat = wl_catalog_get(version, &use, &e)) == NULL &&
	    (cat = wl_catalog_get(0, &use, &e)) == NULL) {
		not_known(project, &e);
		return NULL;
	}
	/* what is old is better than what is common */
	own = wl_memo_get(&own_rules, project, cat->version, &data, &e);
	if (own == NULL)
		own = wl_memo_get(&own_rules, project, 0, &data, &e);
	if (own == NULL)
		not_known(project, &e);
	if (data == NULL) {
		wl_memo_put(own);
		return lend(a, cat->redaction, use);
	}
	wl_memo_put(use);
	return lend(a, data, own);
}

/* ---- policies of projects ---- */

static void
free_policy(void *p)
{
	wl_policy_free(p);
}

static int
fetch_policy(struct wl_arena *scratch, const char *project, void **value,
    struct wl_err *e)
{
	struct wl_db_policy *rows;
	int n;

	if (wl_db_policy(scratch, project, &rows, &n, e) == -1)
		return -1;
	if (n == 0)
		return 0;
	if ((*value = wl_policy_new(rows, n, e)) != NULL)
		return 0;
	wl_log(WL_ERROR, "policy.rule", "project %s: %s", project, e->msg);
	wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	return wl_err_detail(e, "a rule of its policy cannot be read");
}

static struct wl_memo policies = {
	.name = "policies", .max = PROJECTS, .ttl_ms = 0,
	.fetch = fetch_policy, .release = free_policy
};

int
wl_catalog_policy(struct wl_arena *a, const char *project, int64_t version,
    const struct wl_policy **p, struct wl_err *e)
{
	const void *data = NULL;
	struct wl_memo_value *use;

	use = wl_memo_get(&policies, project, version, &data, e);
	if (use == NULL)
		use = wl_memo_get(&policies, project, 0, &data, e);
	if (use == NULL)
		return -1;
	if (wl_arena_defer(a, put_value, use) == -1)
		return wl_err_memory(e);
	*p = data;
	return 0;
}

void
wl_catalog_flush(void)
{
	wl_memo_flush(&policies);
	wl_memo_flush(&own_rules);
	wl_memo_flush(&rule_sets);
	wl_memo_flush(&catalogs);
	wl_memo_flush(&sellers);
	wl_memo_flush(&keys);
}
