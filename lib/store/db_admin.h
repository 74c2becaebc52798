/*
 * What an operator asks and changes, in role owner.  A change is one short
 * transaction, recorded in the audit log under ACTOR: who acts, a word, and
 * where known the network address after a tab ("http:operator\t192.0.2.1").
 *
 * Rows of a list have the columns that its comment names; times are RFC 3339
 * text in UTC.  Changes return 1, 0 when what they are about does not exist
 * (any more), or -1 with *E: WL_E_NOT_FOUND (it names something else that
 * does not exist), WL_E_CONFLICT (it exists already), WL_E_INVALID_REQUEST
 * (the database's rules refuse it), WL_E_UNAVAILABLE, WL_E_INTERNAL.
 */
#ifndef WL_STORE_DB_ADMIN_H
#define WL_STORE_DB_ADMIN_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

struct wl_arena;
struct wl_err;
struct wl_rows;

/* ---- lists ------------------------------------------------------------- */

enum wl_db_list {
	/* PROJECT (or NULL), MOST: id, at, actor, address, project, action,
	 * target, before, after (JSON), what changed; the newest, oldest
	 * first */
	WL_DB_AUDIT,
	/* AFTER, HASH (of that entry, in hexadecimal): of the entries behind
	 * it, some thousands: the first that does not fit its chain or null,
	 * the last one's id, its hash, how many */
	WL_DB_AUDIT_CHECK,
	/* ID: its hash in hexadecimal */
	WL_DB_AUDIT_HASH,
	/* ID: id, at, host, segment, offset, kind, project, sqlstate, reason,
	 * bytes, replayed at, the record in hexadecimal */
	WL_DB_DEAD_LETTER,
	/* WITH_REPLAYED ("t", "f"), MOST: as above without the record; newest
	 * first */
	WL_DB_DEAD_LETTERS,
	/* name, percent, projects on, projects off (a,b), created at */
	WL_DB_FLAGS,
	/* PROJECT (or NULL), KEY, SHA-256 in hexadecimal: keys with this id or
	 * prefix or hash: project, id, prefix, kind, name, state, limits as
	 * numbers or null: per minute, per month, concurrent; at most 10 */
	WL_DB_KEY_FIND,
	/* PROJECT: id, prefix, kind, name, scopes (a,b), state (active, expired,
	 * revoked), per minute, per month, concurrent, tokens, budgets of day
	 * and month in USD, expires at, created at */
	WL_DB_KEYS,
	/* PROJECT: id, subject, pattern, unit, amount (money in USD), shadow,
	 * created at */
	WL_DB_LIMITS,
	/* id, name, requests per minute, per month, window, concurrent,
	 * tokens, budgets of day and month in USD, unknown price, overrun,
	 * cache hits free, price in USD, retention class, its days, projects */
	WL_DB_PLANS,
	/* ID: id, dsn_id, name, plan, default provider, enabled, created at,
	 * version, per minute, per month, concurrent, sliding, tokens, budgets
	 * of day and month in nano-dollars, limit rules */
	WL_DB_PROJECT,
	/* MOST: id, dsn_id, name, plan, default provider, enabled, active keys,
	 * created at; oldest first */
	WL_DB_PROJECTS,
	/* ID: base_url, allow_private */
	WL_DB_PROVIDER,
	/* PROJECT: provider, priority, id, name, hint, host, master key,
	 * enabled, created at */
	WL_DB_PROVIDER_KEYS,
	/* id, name, wire, base_url, auth, key_required, private,
	 * stream_options, price provider, enabled, API's version */
	WL_DB_PROVIDERS,
	/* PROVIDER (or NULL): pattern, kind, provider, priority */
	WL_DB_ROUTES,
	/* PROJECT (or NULL: those for all): name, alias, position, enabled,
	 * definition (JSON), updated at */
	WL_DB_RULES,
	/* the number of the newest migration; whether we own the tables */
	WL_DB_SCHEMA,
	/* master key id, provider keys sealed under it */
	WL_DB_SEALED_UNDER,
	/* MASTER, then the last PROJECT, PROVIDER, PRIORITY seen ("", "", "0"
	 * at first), MOST: keys that are not sealed under MASTER: project,
	 * provider, priority, master key, host, nonce, ciphertext (both in
	 * hexadecimal) */
	WL_DB_TO_RESEAL,
	/* PROVIDER, HOST: provider keys that are bound to another host */
	WL_DB_UNBOUND,
	WL_DB_LIST_MAX
};
/* ARGS are as the list's comment says, in capitals there.  NULL: *E. */
struct wl_rows *wl_db_admin_list(struct wl_arena *a, enum wl_db_list list,
    const char *const *args, struct wl_err *e)
    __attribute__((warn_unused_result));

/* ---- projects and plans ------------------------------------------------ */

/*
 * ID NULL: one is made.  *ROW: id, dsn_id, version.
 */
int wl_db_admin_project_create(struct wl_arena *a, const char *actor,
    const char *id, const char *name, const char *plan,
    const char *default_provider, struct wl_rows **row, struct wl_err *e)
    __attribute__((warn_unused_result));
/*
 * CHANGES is a JSON object of columns, as the table's (name, plan_id,
 * default_provider, disabled_at, which may be "now"); the others stay.
 */
int wl_db_admin_project_set(struct wl_arena *a, const char *actor,
    const char *id, const char *changes, int64_t *version, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Columns of the table (name, requests_per_minute, requests_per_month,
 * window_kind, concurrent_requests, cache_hits_free, price_usd_cents,
 * retention_class, tokens_per_minute, budget_day_nano, budget_month_nano,
 * on_unknown_price, flat_price_nano, on_overrun).  With limits RPM and MONTH of at least 0 the plan is made
 * if there is none.  *PROJECTS: id and version of those on the plan.
 */
int wl_db_admin_plan_set(struct wl_arena *a, const char *actor, const char *id,
    const char *changes, int64_t rpm, int64_t month, struct wl_rows **projects,
    struct wl_err *e) __attribute__((warn_unused_result));

/* ---- limit rules ------------------------------------------------------- */

/*
 * A rule for SUBJECT and PATTERN of UNIT, as in the table, is made or
 * changed; *ID is its own.  0 is none of the answers.
 */
struct wl_db_limit {
	const char	*project, *subject, *pattern, *unit;
	int64_t		 amount;
	bool		 shadow;
};
int wl_db_admin_limit_set(struct wl_arena *a, const char *actor,
    const struct wl_db_limit *l, const char **id, int64_t *version,
    struct wl_err *e) __attribute__((warn_unused_result));
int wl_db_admin_limit_remove(struct wl_arena *a, const char *actor,
    const char *project, const char *id, int64_t *version, struct wl_err *e)
    __attribute__((warn_unused_result));

/* ---- keys of projects -------------------------------------------------- */

/*
 * Limits: -1 where there is none.  EXPIRES_MS 0: never.  ID NULL: one is made.
 */
struct wl_db_new_key {
	const char	*id;
	const char	*project, *prefix, *kind, *name;
	const char	*scopes;	/* "gateway,ingest" */
	uint8_t		 hash[32];
	int64_t		 rpm, month, concurrent;
	int64_t		 tokens, day_nano, month_nano;
	int64_t		 expires_ms;
};
int wl_db_admin_key_create(struct wl_arena *a, const char *actor,
    const struct wl_db_new_key *k, const char **id, int64_t *version,
    struct wl_err *e) __attribute__((warn_unused_result));
/* 0 also when it is revoked already. */
int wl_db_admin_key_revoke(struct wl_arena *a, const char *actor,
    const char *project, const char *id, int64_t *version, struct wl_err *e)
    __attribute__((warn_unused_result));
/*
 * A key with the rights of OLD, which ends now or after GRACE_MS; of K only
 * hash and prefix are used, and the project.  0 when OLD does not work any
 * more.
 */
int wl_db_admin_key_rotate(struct wl_arena *a, const char *actor,
    const char *old, int64_t grace_ms, const struct wl_db_new_key *k,
    const char **id, int64_t *version, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Set what PROJECT has used of NOW_MS's month to V, or ADD it: the ledger's
 * part of wl_counter_set() and wl_counter_add().
 */
int wl_db_admin_month(struct wl_arena *a, const char *actor,
    const char *project, int64_t now_ms, bool add, int64_t v, struct wl_err *e)
    __attribute__((warn_unused_result));
/*
 * Set what PROJECT has spent of NOW_MS's day or month (KIND "day_nano",
 * "month_nano"), for wl_counter_set_spent().
 */
int wl_db_admin_spent(struct wl_arena *a, const char *actor,
    const char *project, int64_t now_ms, const char *kind, int64_t nano,
    struct wl_err *e) __attribute__((warn_unused_result));

/* ---- db_admin_provider.c: providers, routes, provider keys -------------- */

/*
 * Columns of the table; with BASE_URL, which CHANGES repeats, the provider is
 * made if there is none.
 */
int wl_db_admin_provider_set(struct wl_arena *a, const char *actor,
    const char *id, const char *changes, const char *base_url,
    struct wl_err *e) __attribute__((warn_unused_result));

int wl_db_admin_route_set(struct wl_arena *a, const char *actor,
    const char *pattern, const char *kind, const char *provider, int priority,
    struct wl_err *e) __attribute__((warn_unused_result));
/* PROVIDER NULL: to all providers. */
int wl_db_admin_route_remove(struct wl_arena *a, const char *actor,
    const char *pattern, const char *kind, const char *provider,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * A provider key as it is stored: sealed under master key KEY_ID.
 */
struct wl_db_sealed {
	const char	*project, *provider, *name, *key_id, *host, *hint;
	int		 priority;
	const uint8_t	*nonce, *sealed;	/* WL_SECRET_NONCE, LEN bytes */
	size_t		 len;
	const uint8_t	*old_nonce;		/* to reseal: of what it was */
};
/* Replaces the key of this project, provider and priority. */
int wl_db_admin_provider_key_set(struct wl_arena *a, const char *actor,
    const struct wl_db_sealed *k, const char **id, int64_t *version,
    struct wl_err *e) __attribute__((warn_unused_result));
int wl_db_admin_provider_key_remove(struct wl_arena *a, const char *actor,
    const char *project, const char *provider, int priority, int64_t *version,
    struct wl_err *e) __attribute__((warn_unused_result));
/*
 * Replace the sealed form of N keys, in one transaction; a key that has
 * changed since it was read is left as it is.  VERSIONS[i] becomes the version
 * of the project of K[i].  Returns how many were replaced, or -1.
 */
int wl_db_admin_reseal(struct wl_arena *a, const char *actor,
    const struct wl_db_sealed *k, int n, int64_t *versions, struct wl_err *e)
    __attribute__((warn_unused_result));

/* ---- dead letters (db_admin.c) ------------------------------------------ */

int wl_db_admin_dead_replayed(struct wl_arena *a, const char *actor,
    const char *id, struct wl_err *e) __attribute__((warn_unused_result));
int wl_db_admin_dead_drop(struct wl_arena *a, const char *actor,
    const char *id, struct wl_err *e) __attribute__((warn_unused_result));

#endif
