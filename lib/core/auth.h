/*
 * From a presented key to a project, its plan and what the key may do.
 */
#ifndef WL_CORE_AUTH_H
#define WL_CORE_AUTH_H

#include "lib/core/key.h"

#include <stdbool.h>
#include <stdint.h>

struct wl_arena;
struct wl_conf;
struct wl_err;

enum {
	WL_SCOPE_GATEWAY = 1, WL_SCOPE_INGEST = 2, WL_SCOPE_READ = 4,
	WL_SCOPE_ADMIN = 8
};

/*
 * What budgets do with a call of unknown price.
 */
enum wl_unknown_price { WL_UNKNOWN_ALLOW, WL_UNKNOWN_DENY, WL_UNKNOWN_FLAT };

/*
 * What becomes of a stream that uses more than was reserved for it.
 */
enum wl_overrun { WL_OVERRUN_ALLOW, WL_OVERRUN_WARN, WL_OVERRUN_STOP };

struct wl_limit_rule;

/*
 * Shared by the requests that use it; counted references.  Nothing in it
 * changes but REFS and VERIFIED.  Limits: -1 where there is none.
 */
struct wl_auth {
	int		 refs;
	char		 project[33];
	char		 project_name[201];
	char		 plan[33];
	char		 key_id[33];		/* within its project */
	char		 key_prefix[WL_KEY_PREFIX + 1];
	char		 retention_class[33];
	char		 default_provider[65];	/* or "" */
	char		*settings;		/* JSON object, never NULL */
	int64_t		 dsn_id;
	int64_t		 version;		/* of the project */
	int64_t		 catalog_version;	/* of providers and prices */
	unsigned	 scopes;
	int64_t		 expires_ms;		/* 0: never */
	int64_t		 rpm, month;		/* of the plan */
	int64_t		 key_rpm, key_month, concurrent, key_concurrent;
	int64_t		 tokens, key_tokens;	/* per minute */
	int64_t		 day_nano, month_nano;	/* budgets, nano-dollars */
	int64_t		 key_day_nano, key_month_nano;
	enum wl_unknown_price unknown_price;
	int64_t		 flat_nano;		/* per million tokens */
	enum wl_overrun	 overrun;
	struct wl_limit_rule *rules;		/* or NULL */
	int		 nrules;
	bool		 sliding, cache_hits_free;
	uint64_t	 epoch;			/* of Redis, when it was read */
	int64_t		 verified;		/* monotonic ms: known to hold */
};

/*
 * For one that is filled in by hand: no limits.
 */
#define WL_AUTH_NO_LIMITS \
	.rpm = -1, .month = -1, .key_rpm = -1, .key_month = -1, \
	.concurrent = -1, .key_concurrent = -1, .tokens = -1, \
	.key_tokens = -1, .day_nano = -1, .month_nano = -1, \
	.key_day_nano = -1, .key_month_nano = -1

/*
 * Where the caller learns of a revocation.
 */
enum wl_auth_mode {
	WL_AUTH_CACHED,		/* by the version in its limiter call */
	WL_AUTH_RECENT,		/* the same without a limiter: at most 1 s late */
	WL_AUTH_FRESH		/* by a query that begins after the request */
};

/*
 * Check KEY: form and checksum, then the process's cache, then PostgreSQL.
 * A reference to the result, or NULL with *E: WL_E_MISSING_KEY (NULL or
 * empty), WL_E_INVALID_KEY (malformed, unknown, revoked, expired, project
 * disabled: one answer), WL_E_UNAVAILABLE (PostgreSQL is away, and what is
 * cached was last known to hold more than auth_stale_max ago),
 * WL_E_TOO_MANY_BAD (too many failures of ADDR).  Since many may share an
 * address, a key that works is let through even then, as long as this process
 * knows it or has one of a few look-ups a second to spare.  While the limiter
 * is away, CACHED is RECENT.  A missing key is no failure of its address.
 */
struct wl_auth *wl_auth_check(struct wl_arena *a, const struct wl_conf *conf,
    const char *key, const char *addr, enum wl_auth_mode mode,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * The same after STALE: only what PostgreSQL says from now on counts.
 */
struct wl_auth *wl_auth_again(struct wl_arena *a, const struct wl_conf *conf,
    const char *key, const char *addr, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Whether AUTH has all of SCOPES: 0, or -1 with *E WL_E_SCOPE.
 */
int wl_auth_allows(const struct wl_auth *auth, unsigned scopes,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * The limiter has just agreed with AUTH's version.
 */
void wl_auth_verified(struct wl_auth *auth);

/*
 * The word of SCOPE, a single one ("gateway"), or NULL.
 */
const char *wl_auth_scope_name(unsigned scope);

void wl_auth_ref(struct wl_auth *auth);
void wl_auth_unref(struct wl_auth *auth);	/* NULL is let pass */
void wl_auth_flush(void);	/* drop the cache */

#endif
