/*
 * What the program asks of PostgreSQL, one function a question.  Each takes
 * a connection, runs one short transaction and gives it back.  Rows live in
 * the arena.  Unless said otherwise: one row: 1 found, 0 nothing, -1 with *E;
 * several: 0 and *N, or -1 with *E.
 */
#ifndef WL_STORE_DB_H
#define WL_STORE_DB_H

#include "lib/store/pg.h"

struct wl_arena;
struct wl_err;

/* ---- db_auth.c: who calls -------------------------------------------- */

/*
 * All of a key, its project and its plan.  Nothing is judged: a revoked or
 * expired key is found too.  Limits: WL_NO_LIMIT where there is none; 0
 * admits nothing.
 */
#define WL_NO_LIMIT	(-1)
struct wl_db_key {
	const char	*key_id;		/* within its project */
	const char	*project, *project_name;
	int64_t		 dsn_id;
	int64_t		 version;		/* of the project */
	int64_t		 catalog_version;	/* of providers, routes, prices */
	const char	*prefix, *kind;		/* "proj", "test" */
	const char	*scopes;		/* "gateway,ingest" */
	int64_t		 expires_ms;		/* 0: never */
	bool		 revoked, project_disabled;
	const char	*plan;
	int64_t		 rpm, month;		/* of the plan */
	int64_t		 key_rpm, key_month;
	int64_t		 concurrent, key_concurrent;
	int64_t		 tokens, key_tokens;	/* per minute */
	int64_t		 day_nano, month_nano, key_day_nano, key_month_nano;
	const char	*unknown_price;		/* allow, deny, flat */
	int64_t		 flat_nano;		/* per million tokens */
	const char	*overrun;		/* allow, warn, stop */
	const char	*rules;			/* limit_rules(), or NULL */
	bool		 sliding, cache_hits_free;
	const char	*retention_class;
	const char	*default_provider;	/* or NULL */
	const char	*settings;		/* JSON object */
};
/* HASH is the SHA-256 of the key. */
int wl_db_auth_key(struct wl_arena *a, const uint8_t hash[32],
    struct wl_db_key *k, struct wl_err *e)
    __attribute__((warn_unused_result));
/* Of PROJECT, and of what is common to all; CATALOG_VERSION may be NULL. */
int wl_db_project_version(struct wl_arena *a, const char *project,
    int64_t *version, int64_t *catalog_version, struct wl_err *e)
    __attribute__((warn_unused_result));

/* ---- db_provider.c: where calls go ----------------------------------- */

struct wl_db_provider {
	const char	*id, *wire, *base_url;
	const char	*auth;		/* bearer, none, or a header's name */
	bool		 key_required, allow_private;
	bool		 stream_options;	/* takes include_usage */
	const char	*api_version;	/* or NULL */
};
/*
 * Which provider serves a model: an exact PATTERN, else the longest PREFIX,
 * then the lowest PRIORITY.
 */
struct wl_db_route {
	const char	*pattern, *provider;
	bool		 prefix;
	int		 priority;
};
/* All rows, enabled ones; small tables, cached by lib/core/model.c. */
int wl_db_providers(struct wl_arena *a, struct wl_db_provider **rows, int *n,
    struct wl_err *e)
    __attribute__((warn_unused_result));
int wl_db_routes(struct wl_arena *a, struct wl_db_route **rows, int *n,
    struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * The keys of PROJECT that are in use, by provider and priority, sealed as
 * lib/base/secret.h says under master key KEY_ID.
 */
struct wl_db_provider_key {
	const char	*id;		/* within the project */
	const char	*provider, *key_id, *host, *hint;
	int		 priority;
	const uint8_t	*nonce, *sealed;
	size_t		 sealed_len;
};
int wl_db_provider_keys(struct wl_arena *a, const char *project,
    struct wl_db_provider_key **rows, int *n, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * The price of MODEL at PROVIDER (or at the provider whose prices hold for
 * it) that held at AT_MS, in nano-dollars per million tokens; -1: not priced
 * apart, or not known.  ABOVE_200K are for calls with more input tokens;
 * IMAGE_ and AUDIO_ are for tokens of that kind; IMAGE to CHARACTER are for a
 * million pictures, seconds of sound, searches, characters.
 */
struct wl_db_price {
	const char	*provider, *model;
	int64_t		 effective_ms;
	int64_t		 input, cache_read, cache_write, output, reasoning;
	int64_t		 input_above_200k, output_above_200k;
	int64_t		 cache_read_above_200k, cache_write_above_200k;
	int64_t		 until_ms;	/* then look again; INT64_MAX: never */
	int64_t		 image_input, image_output;
	int64_t		 audio_input, audio_output;
	int64_t		 image, second, query, character;
	int64_t		 cache_write_1h;	/* kept for an hour */
};
int wl_db_price(struct wl_arena *a, const char *provider, const char *model,
    int64_t at_ms, struct wl_db_price *p, struct wl_err *e)
    __attribute__((warn_unused_result));
/* The enabled providers that have a price for MODEL, by name. */
int wl_db_model_providers(struct wl_arena *a, const char *model,
    const char ***providers, int *n, struct wl_err *e)
    __attribute__((warn_unused_result));

/* The models that have a price of PROVIDER's now, by name, at most 5,000. */
int wl_db_provider_models(struct wl_arena *a, const char *provider,
    const char ***models, int *n, struct wl_err *e)
    __attribute__((warn_unused_result));

/* ---- db_usage.c: what counters begin with ---------------------------- */

/*
 * A new life of PROJECT's counters in Redis, named by GENERATION
 * ("redis:NUMBER", rising), and what the ledger says that they begin with.
 * A call that is drained later and that another generation admitted gets a
 * row in watchllm.counter_fixup (see wl_counter_fixup()), so together the
 * counters are exact.  HOLD_MS: not when another began less than that ago.
 * SCOPE is "" for the project, "key:ID" for a key, or that of a limit rule;
 * KIND is minute, month, tokens, day_nano, month_nano or sliding (one row a
 * call: WINDOW is its time in ms, EVENT its id; the last 60 s).  Returns 1; 0: another began just now, or no such project; -1.
 */
struct wl_db_seed_row {
	const char	*scope, *kind, *event;
	int64_t		 window, used;
};
struct wl_db_seed {
	const char		*generation;
	struct wl_db_seed_row	*rows;
	int			 n;
};
int wl_db_seed(struct wl_arena *a, enum wl_role role, const char *project,
    int64_t now_ms, int64_t hold_ms, struct wl_db_seed *s, struct wl_err *e)
    __attribute__((warn_unused_result));
/*
 * What the ledger says is used of MS's month, by the project or by its key
 * KEY_ID (or NULL).  Returns 0 or -1.
 */
int wl_db_month_used(struct wl_arena *a, enum wl_role role,
    const char *project, const char *key_id, int64_t ms, int64_t *used,
    struct wl_err *e) __attribute__((warn_unused_result));
/*
 * The same of what KIND ("month", "day_nano", "month_nano") counts for SCOPE,
 * as in watchllm.usage_window; with what is held for open calls.
 */
int wl_db_window_used(struct wl_arena *a, enum wl_role role,
    const char *project, const char *scope, const char *kind, int64_t ms,
    int64_t *used, struct wl_err *e) __attribute__((warn_unused_result));
/* Which budgets PROJECT's plan has: 1 of the day, 2 of the month. */
int wl_db_budgets(struct wl_arena *a, enum wl_role role, const char *project,
    int64_t *budgets, struct wl_err *e) __attribute__((warn_unused_result));
/*
 * How many calls of PROJECT the ledger has of the two minutes before NOW_MS.
 * Returns 0 or -1.
 */
int wl_db_recent(struct wl_arena *a, enum wl_role role, const char *project,
    int64_t now_ms, int64_t *calls, struct wl_err *e)
    __attribute__((warn_unused_result));

/* ---- db_drain.c, db_rollup.c, db_admin.c, db_migrate.c ---------------- *
 * have headers of their own: they serve one program each.                  */

#endif
