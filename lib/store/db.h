/*
 * What the program asks of PostgreSQL, one function a question.  Each takes
 * a connection, runs one short transaction and gives it back.  Rows live in
 * the arena.  Returns: 1 found, 0 nothing, -1 with *E; or 0 and -1.
 */
#ifndef WL_STORE_DB_H
#define WL_STORE_DB_H

#include "lib/store/pg.h"

struct wl_conf;
struct wl_err;

/* ---- db_auth.c: who calls -------------------------------------------- */

struct wl_db_key {
	int64_t		 key_id;
	const char	*project, *project_name;
	int64_t		 dsn_id, version;
	const char	*prefix, *kind;		/* "proj", "test" */
	const char	*scopes;		/* "gateway,ingest" */
	int64_t		 expires_ms;		/* 0: never */
	bool		 revoked, project_disabled;
	const char	*plan;
	int64_t		 rpm, month;		/* of the plan */
	int64_t		 key_rpm, key_month;	/* 0: none */
	int64_t		 concurrent;		/* 0: none */
	bool		 sliding, cache_hits_free;
	const char	*retention_class;
	const char	*default_provider;	/* or NULL */
	const char	*settings;		/* JSON object */
};
int wl_db_auth_key(struct wl_arena *a, const uint8_t hash[32],
    struct wl_db_key *k, struct wl_err *e);
int wl_db_project_version(struct wl_arena *a, const char *project,
    int64_t *version, struct wl_err *e);

/* ---- db_provider.c: where calls go ----------------------------------- */

struct wl_db_provider {
	const char	*id, *wire, *base_url, *auth;
	bool		 key_required, allow_private;
};
struct wl_db_route { const char *pattern, *provider; int priority; };
/* All rows, small tables; cached by lib/core/model.c. */
int wl_db_providers(struct wl_arena *a, struct wl_db_provider **rows, int *n,
    struct wl_err *e);
int wl_db_routes(struct wl_arena *a, struct wl_db_route **rows, int *n,
    struct wl_err *e);

struct wl_db_provider_key {
	int64_t		 id;
	const char	*provider, *key_id, *host, *hint;
	int		 priority;
	const uint8_t	*nonce, *sealed;
	size_t		 sealed_len;
};
int wl_db_provider_keys(struct wl_arena *a, const char *project,
    struct wl_db_provider_key **rows, int *n, struct wl_err *e);

struct wl_db_price {
	const char	*provider, *model;
	int64_t		 effective_ms;
	int64_t		 input, cache_read, cache_write, output, reasoning;
};	/* nano-dollars per million tokens; -1: not priced apart */
int wl_db_price(struct wl_arena *a, const char *provider, const char *model,
    int64_t at_ms, struct wl_db_price *p, struct wl_err *e);
/* Providers that have a price for MODEL. */
int wl_db_model_providers(struct wl_arena *a, const char *model,
    const char ***providers, int *n, struct wl_err *e);

/* ---- db_usage.c: seeds for counters ---------------------------------- */

struct wl_db_seed {
	int64_t		 month, minute;		/* admitted, counted */
	int64_t		 previous_minute;
	const char	*batches;		/* "host:batch,..." drained so far */
	int64_t		 version;
};
int wl_db_seed(struct wl_arena *a, const char *project, int64_t now_ms,
    struct wl_db_seed *s, struct wl_err *e);

/* ---- db_drain.c, db_rollup.c, db_admin.c, db_migrate.c ---------------- *
 * have headers of their own: they serve one program each.                  */

#endif
