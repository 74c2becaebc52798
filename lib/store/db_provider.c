/*
 * Where calls go and what they cost: providers, routes from model names to
 * them, the customers' keys for them, dated prices.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/enc.h"
#include "lib/base/err.h"
#include "lib/base/secret.h"
#include "lib/store/db.h"
#include "lib/store/stmts.h"

static const char sql_providers[] =
    "SELECT id, wire, base_url, auth, key_required, allow_private,"
    " stream_options, api_version FROM watchllm.provider WHERE enabled"
    " ORDER BY id";
static const char sql_routes[] =
    "SELECT r.pattern, r.provider, r.kind = 'prefix', r.priority"
    " FROM watchllm.model_route r"
    " JOIN watchllm.provider p ON p.id = r.provider AND p.enabled"
    " ORDER BY r.kind, length(r.pattern) DESC, r.pattern, r.priority,"
    " r.provider";
static const char sql_keys[] =
    "SELECT id, provider, key_id, host, hint, priority,"
    " encode(nonce, 'hex'), encode(ciphertext, 'hex')"
    " FROM watchllm.provider_key"
    " WHERE project_id = $1 AND disabled_at IS NULL"
    " ORDER BY provider, priority";
static const char sql_price[] =
    "SELECT a.provider, a.model, watchllm.to_ms(a.effective_from),"
    " a.input_nano, a.cache_read_nano, a.cache_write_nano, a.output_nano,"
    " a.reasoning_nano, a.input_above_200k_nano, a.output_above_200k_nano,"
    " a.cache_read_above_200k_nano, a.cache_write_above_200k_nano,"
    " a.image_input_nano, a.image_output_nano, a.audio_input_nano,"
    " a.audio_output_nano, a.image_nano, a.second_nano, a.query_nano,"
    " a.character_nano, a.cache_write_1h_nano,"
    " watchllm.to_ms(least(a.effective_to, (SELECT min(n.effective_from)"
    " FROM watchllm.price n WHERE n.provider = a.provider"
    " AND n.model IN ($2, watchllm.undated_model($2))"
    " AND n.effective_from > watchllm.from_ms($3))))"
    " FROM watchllm.price_at(coalesce((SELECT p.price_provider"
    " FROM watchllm.provider p WHERE p.id = $1), $1), $2,"
    " watchllm.from_ms($3)) a";
static const char sql_model_providers[] =
    "SELECT DISTINCT p.id FROM watchllm.provider p"
    " JOIN watchllm.price c"
    " ON c.provider = coalesce(p.price_provider, p.id)"
    " WHERE p.enabled"
    " AND c.model IN ($1, watchllm.undated_model($1)) ORDER BY p.id";

static const char sql_provider_models[] =
    "SELECT DISTINCT c.model FROM watchllm.price c"
    " WHERE c.provider = coalesce((SELECT p.price_provider"
    " FROM watchllm.provider p WHERE p.id = $1), $1)"
    " AND c.effective_from <= now()"
    " AND (c.effective_to IS NULL OR c.effective_to > now())"
    " ORDER BY c.model LIMIT 5000";

const struct wl_stmt wl_db_provider_stmts[] = {
	{ "keys", WL_ROLE_APP, sql_keys },
	{ "model_providers", WL_ROLE_APP, sql_model_providers },
	{ "price", WL_ROLE_APP, sql_price },
	{ "provider_models", WL_ROLE_APP, sql_provider_models },
	{ "providers", WL_ROLE_APP, sql_providers },
	{ "routes", WL_ROLE_APP, sql_routes },
	{ NULL, WL_ROLE_APP, NULL }
};

int
wl_db_providers(struct wl_arena *a, struct wl_db_provider **rows, int *n,
    struct wl_err *e)
{
	struct wl_rows *r = wl_pg_ask(WL_ROLE_APP, a, sql_providers, 0, NULL, e);
	struct wl_db_provider *p;
	int i;

	if (r == NULL)
		return -1;
	*n = wl_rows_count(r);
	*rows = wl_arena_alloc(a, (size_t)(*n + 1) * sizeof(**rows));
	if (*rows == NULL)
		return wl_err_memory(e);
	for (i = 0; i < *n; i++) {
		p = &(*rows)[i];
		p->id = wl_rows_get(r, i, 0);
		p->wire = wl_rows_get(r, i, 1);
		p->base_url = wl_rows_get(r, i, 2);
		p->auth = wl_rows_get(r, i, 3);
		p->key_required = wl_rows_bool(r, i, 4);
		p->allow_private = wl_rows_bool(r, i, 5);
		p->stream_options = wl_rows_bool(r, i, 6);
		p->api_version = wl_rows_get(r, i, 7);
	}
	return 0;
}

int
wl_db_routes(struct wl_arena *a, struct wl_db_route **rows, int *n,
    struct wl_err *e)
{
	struct wl_rows *r = wl_pg_ask(WL_ROLE_APP, a, sql_routes, 0, NULL, e);
	struct wl_db_route *p;
	int i;

	if (r == NULL)
		return -1;
	*n = wl_rows_count(r);
	*rows = wl_arena_alloc(a, (size_t)(*n + 1) * sizeof(**rows));
	if (*rows == NULL)
		return wl_err_memory(e);
	for (i = 0; i < *n; i++) {
		p = &(*rows)[i];
		p->pattern = wl_rows_get(r, i, 0);
		p->provider = wl_rows_get(r, i, 1);
		p->prefix = wl_rows_bool(r, i, 2);
		p->priority = (int)wl_rows_int(r, i, 3, 1);
	}
	return 0;
}

/*
 * The bytes of a hexadecimal value, or NULL.
 */
static uint8_t *
bytes(struct wl_arena *a, const struct wl_rows *r, int row, int col,
    size_t *len)
{
	size_t n = wl_rows_len(r, row, col);
	uint8_t *p = wl_arena_alloc(a, n / 2 + 1);

	*len = n / 2;
	if (p == NULL || wl_unhex(wl_rows_get(r, row, col), n, p) == -1)
		return NULL;
	return p;
}

static int
read_key(struct wl_arena *a, const struct wl_rows *r, int i,
    struct wl_db_provider_key *k)
{
	size_t len;

	k->id = wl_rows_get(r, i, 0);
	k->provider = wl_rows_get(r, i, 1);
	k->key_id = wl_rows_get(r, i, 2);
	k->host = wl_rows_get(r, i, 3);
	k->hint = wl_rows_get(r, i, 4);
	k->priority = (int)wl_rows_int(r, i, 5, 1);
	k->nonce = bytes(a, r, i, 6, &len);
	k->sealed = bytes(a, r, i, 7, &k->sealed_len);
	return k->nonce == NULL || len != WL_SECRET_NONCE ||
	    k->sealed == NULL ? -1 : 0;
}

int
wl_db_provider_keys(struct wl_arena *a, const char *project,
    struct wl_db_provider_key **rows, int *n, struct wl_err *e)
{
	struct wl_param p[] = { WL_P(project) };
	struct wl_pg *c = wl_pg_take(WL_ROLE_APP, e);
	struct wl_rows *r;
	int i;

	if (c == NULL)
		return -1;
	r = wl_pg_query_project(c, a, project, sql_keys, 1, p, e);
	wl_pg_give(c);
	if (r == NULL)
		return -1;
	*n = wl_rows_count(r);
	*rows = wl_arena_alloc(a, (size_t)(*n + 1) * sizeof(**rows));
	if (*rows == NULL)
		return wl_err_memory(e);
	for (i = 0; i < *n; i++)
		if (read_key(a, r, i, &(*rows)[i]) == -1)
			return wl_err_memory(e);
	return 0;
}

int
wl_db_price(struct wl_arena *a, const char *provider, const char *model,
    int64_t at_ms, struct wl_db_price *p, struct wl_err *e)
{
	char ms[24];
	struct wl_param params[] = { WL_P(provider), WL_P(model), WL_P(ms) };
	struct wl_rows *r;

	snprintf(ms, sizeof(ms), "%lld", (long long)at_ms);
	if ((r = wl_pg_ask(WL_ROLE_APP, a, sql_price, 3, params, e)) == NULL)
		return -1;
	memset(p, 0, sizeof(*p));
	if (wl_rows_count(r) == 0)
		return 0;
	p->provider = wl_rows_get(r, 0, 0);
	p->model = wl_rows_get(r, 0, 1);
	p->effective_ms = wl_rows_int(r, 0, 2, 0);
	p->input = wl_rows_int(r, 0, 3, -1);
	p->cache_read = wl_rows_int(r, 0, 4, -1);
	p->cache_write = wl_rows_int(r, 0, 5, -1);
	p->output = wl_rows_int(r, 0, 6, -1);
	p->reasoning = wl_rows_int(r, 0, 7, -1);
	p->input_above_200k = wl_rows_int(r, 0, 8, -1);
	p->output_above_200k = wl_rows_int(r, 0, 9, -1);
	p->cache_read_above_200k = wl_rows_int(r, 0, 10, -1);
	p->cache_write_above_200k = wl_rows_int(r, 0, 11, -1);
	p->image_input = wl_rows_int(r, 0, 12, -1);
	p->image_output = wl_rows_int(r, 0, 13, -1);
	p->audio_input = wl_rows_int(r, 0, 14, -1);
	p->audio_output = wl_rows_int(r, 0, 15, -1);
	p->image = wl_rows_int(r, 0, 16, -1);
	p->second = wl_rows_int(r, 0, 17, -1);
	p->query = wl_rows_int(r, 0, 18, -1);
	p->character = wl_rows_int(r, 0, 19, -1);
	p->cache_write_1h = wl_rows_int(r, 0, 20, -1);
	p->until_ms = wl_rows_int(r, 0, 21, INT64_MAX);
	return 1;
}

/*
 * The one column of SQL for the one parameter VALUE.
 */
static int
names(struct wl_arena *a, const char *sql, const char *value,
    const char ***out, int *n, struct wl_err *e)
{
	struct wl_param p[] = { WL_P(value) };
	struct wl_rows *r = wl_pg_ask(WL_ROLE_APP, a, sql, 1, p, e);
	int i;

	if (r == NULL)
		return -1;
	*n = wl_rows_count(r);
	*out = wl_arena_alloc(a, (size_t)(*n + 1) * sizeof(**out));
	if (*out == NULL)
		return wl_err_memory(e);
	for (i = 0; i < *n; i++)
		(*out)[i] = wl_rows_get(r, i, 0);
	return 0;
}

int
wl_db_model_providers(struct wl_arena *a, const char *model,
    const char ***providers, int *n, struct wl_err *e)
{
	return names(a, sql_model_providers, model, providers, n, e);
}

int
wl_db_provider_models(struct wl_arena *a, const char *provider,
    const char ***models, int *n, struct wl_err *e)
{
	return names(a, sql_provider_models, provider, models, n, e);
}
