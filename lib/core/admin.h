/*
 * What operators do to projects, plans, keys and usage, so that it holds at
 * once: each change is stored, recorded in the audit log and made known to
 * the workers.  lib/core/vault.h is the same for provider keys.
 */
#ifndef WL_CORE_ADMIN_H
#define WL_CORE_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/core/key.h"
#include "lib/store/db_admin.h"

struct wl_arena;
struct wl_auth;
struct wl_conf;
struct wl_err;

/*
 * Who acts, and whether the workers know by now.
 */
struct wl_admin {
	struct wl_arena		*a;
	const struct wl_conf	*conf;
	const char		*actor;		/* "cli:alice"; see db_admin.h */
	bool			 untold;	/* Redis could not be told: they
						   learn of it within a minute */
};

/*
 * Whether role owner is one, and its schema the one that this program knows:
 * 0, or -1 with *E.  To others, rows of projects look as if there were none.
 */
int wl_admin_owner(struct wl_arena *a, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * A number of a change that stays as it is, or that becomes no limit.
 */
#define WL_ADMIN_KEEP	INT64_MIN
#define WL_ADMIN_NONE	(INT64_MIN + 1)
enum wl_admin_bool { WL_ADMIN_SAME, WL_ADMIN_YES, WL_ADMIN_NO };

/*
 * Functions return 0, or -1 with *E: WL_E_NOT_FOUND, WL_E_CONFLICT and
 * WL_E_INVALID_REQUEST are mistakes of the caller and say what to do.
 */

/* ---- projects and plans: strings NULL: stay; "": cleared ---------------- */

struct wl_admin_project {
	const char		*name, *plan, *default_provider;
	/* what is cached (off, ask, exact, canonical), and for how long;
	   TTL_S is set with CACHE alone, 0: the default */
	const char		*cache;
	int64_t			 cache_ttl_s;
	enum wl_admin_bool	 enabled;
};
/* ID NULL: one is made; *ROW: its id and dsn_id. */
int wl_admin_project_create(struct wl_admin *ad, const char *id,
    const struct wl_admin_project *p, struct wl_rows **row, struct wl_err *e)
    __attribute__((warn_unused_result));
/* *ROW is that of WL_DB_PROJECT. */
int wl_admin_project_find(struct wl_admin *ad, const char *id,
    struct wl_rows **row, struct wl_err *e) __attribute__((warn_unused_result));
int wl_admin_project_set(struct wl_admin *ad, const char *id,
    const struct wl_admin_project *p, struct wl_err *e)
    __attribute__((warn_unused_result));

struct wl_admin_plan {
	const char		*name, *window, *retention;
	const char		*unknown_price, *overrun;
	int64_t			 rpm, month, concurrent, price_cents;
	int64_t			 tokens;			/* per minute */
	int64_t			 day_nano, month_nano;		/* budgets */
	int64_t			 flat_nano;	/* per million tokens */
	enum wl_admin_bool	 cache_hits_free;
};
/* For those who change a few things only: nothing changes. */
#define WL_ADMIN_PLAN_SAME { .rpm = WL_ADMIN_KEEP, .month = WL_ADMIN_KEEP, \
	.concurrent = WL_ADMIN_KEEP, .price_cents = WL_ADMIN_KEEP, \
	.tokens = WL_ADMIN_KEEP, .day_nano = WL_ADMIN_KEEP, \
	.month_nano = WL_ADMIN_KEEP, .flat_nano = WL_ADMIN_KEEP }
/* Made when there is none, which needs rpm and month. */
int wl_admin_plan_set(struct wl_admin *ad, const char *id,
    const struct wl_admin_plan *p, struct wl_err *e)
    __attribute__((warn_unused_result));

struct wl_admin_provider {
	const char		*name, *wire, *base_url, *auth, *price_provider;
	const char		*api_version;
	enum wl_admin_bool	 key_required, is_private, stream_options;
	enum wl_admin_bool	 enabled;
};
/*
 * Made when there is none, which needs base_url.  Workers learn of it within
 * a minute.  *UNBOUND is how many provider keys are bound to another host
 * than it has now: they are not used any more.
 */
int wl_admin_provider_set(struct wl_admin *ad, const char *id,
    const struct wl_admin_provider *p, int64_t *unbound, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * What a provider key for BASE_URL is bound to: its host, with the port where
 * that is not the scheme's own.
 */
int wl_admin_place(const char *base_url, char place[272], struct wl_err *e)
    __attribute__((warn_unused_result));

/* ---- keys of projects --------------------------------------------------- */

/*
 * "30d" from NOW_MS on, or an RFC 3339 time after it, in *MS.
 */
int wl_admin_expiry(const char *s, int64_t now_ms, int64_t *ms,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * Make a key of K, whose prefix, kind and hash are filled in.  KEY is what is
 * shown once; it and *ID are only there after 0.
 */
int wl_admin_key_create(struct wl_admin *ad, struct wl_db_new_key *k,
    bool test, char key[WL_KEY_LEN + 1], const char **id, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * The key of PROJECT (NULL: any) that WHICH names: its id, its prefix, or all
 * of it.
 */
struct wl_admin_key {
	const char	*project, *id, *prefix, *kind, *name;
	const char	*state;		/* active, expired, revoked */
	/* -1: none */
	int64_t		 rpm, month, concurrent, tokens, day_nano, month_nano;
};
int wl_admin_key_find(struct wl_admin *ad, const char *project,
    const char *which, struct wl_admin_key *k, struct wl_err *e)
    __attribute__((warn_unused_result));
/* *DONE: it was not revoked before. */
int wl_admin_key_revoke(struct wl_admin *ad, const struct wl_admin_key *k,
    bool *done, struct wl_err *e) __attribute__((warn_unused_result));
/* A new KEY with the rights of K, which ends after GRACE_MS. */
int wl_admin_key_rotate(struct wl_admin *ad, const struct wl_admin_key *k,
    int64_t grace_ms, char key[WL_KEY_LEN + 1], const char **id,
    struct wl_err *e) __attribute__((warn_unused_result));

/* ---- usage -------------------------------------------------------------- */

/*
 * An AUTH for lib/core/usage.h with the limits of PROJECT, and of its key K
 * unless that is NULL.
 */
int wl_admin_auth(struct wl_admin *ad, const char *project,
    const struct wl_admin_key *k, struct wl_auth *auth, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Set what PROJECT has used (-1: leave it), lastingly.
 */
int wl_admin_usage_set(struct wl_admin *ad, const char *project,
    int64_t minute, int64_t month, struct wl_err *e)
    __attribute__((warn_unused_result));
/* The same of what it has spent of the day and the month, nano-dollars. */
int wl_admin_usage_set_spent(struct wl_admin *ad, const char *project,
    int64_t day, int64_t month, struct wl_err *e)
    __attribute__((warn_unused_result));
/* Add N calls to both. */
int wl_admin_usage_add(struct wl_admin *ad, const char *project, int64_t n,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * Make VERSION of PROJECT known to the workers, or note that it was not.
 */
void wl_admin_tell(struct wl_admin *ad, const char *project, int64_t version);

#endif
