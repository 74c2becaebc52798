/*
 * From a presented key to a project, its plan and what the key may do.
 */
#ifndef WL_CORE_AUTH_H
#define WL_CORE_AUTH_H

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
 * Immutable, shared by the requests that use it; counted references.
 */
struct wl_auth {
	int		 refs;
	char		 project[33];
	char		 project_name[101];
	char		 plan[33];
	char		 key_prefix[7];
	char		 retention_class[33];
	char		 default_provider[33];	/* or "" */
	char		*settings;		/* JSON object, never NULL */
	int64_t		 key_id, dsn_id, version;
	unsigned	 scopes;
	int64_t		 expires_ms;		/* 0: never */
	int64_t		 rpm, month, key_rpm, key_month, concurrent;
	bool		 sliding, cache_hits_free;
};

/*
 * Where the caller learns of a revocation: gateway and ingestion by the
 * version in their limiter call (CACHED), reads by a query (FRESH).
 */
enum wl_auth_mode { WL_AUTH_CACHED, WL_AUTH_FRESH };

/*
 * Check KEY: form and checksum, then the process's cache, then PostgreSQL.
 * A reference to the result, or NULL with *E: WL_E_MISSING_KEY,
 * WL_E_INVALID_KEY (malformed, unknown, revoked, expired: one answer),
 * WL_E_SCOPE, WL_E_UNAVAILABLE (both stores away for longer than
 * auth_stale_max), WL_E_TOO_MANY_BAD (failures of ADDR).  With Redis away an
 * entry older than 1 s is checked against PostgreSQL again.
 */
struct wl_auth *wl_auth_check(struct wl_arena *a, const struct wl_conf *conf,
    const char *key, const char *addr, unsigned scope, enum wl_auth_mode mode,
    struct wl_err *e);

/*
 * The same after STALE: what the cache holds of this key is dropped first.
 */
struct wl_auth *wl_auth_again(struct wl_arena *a, const struct wl_conf *conf,
    const char *key, const char *addr, unsigned scope, struct wl_err *e);

void wl_auth_unref(struct wl_auth *auth);
void wl_auth_flush(void);	/* drop the cache */

/*
 * A new key: "lgw_proj_" or "lgw_test_" + 32 base62 + 6 base62 of their
 * CRC-32; its first 6 random characters; the SHA-256 that is stored.
 */
void wl_key_make(bool test, char key[48], char prefix[7], uint8_t hash[32]);
/* Whether KEY has the right form and checksum; PREFIX gets 6 characters. */
bool wl_key_wellformed(const char *key, char prefix[7]);

#endif
