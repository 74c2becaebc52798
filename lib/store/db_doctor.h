/*
 * What "watchllm doctor" asks of PostgreSQL.  Strings live in the arena.
 * Functions return 0, or -1 with *E.
 */
#ifndef WL_STORE_DB_DOCTOR_H
#define WL_STORE_DB_DOCTOR_H

#include "lib/store/pg.h"

struct wl_arena;
struct wl_err;

/*
 * The login that role ROLE connects as.  MEMBER: of watchllm_app and so on,
 * which GROUP says exists; never for owner.  OWNER: of the tables.
 */
struct wl_db_login {
	const char	*name;
	bool		 super, bypasses_rls, owner, member, group;
	int64_t		 version;	/* of the server: 150004 */
	const char	*version_text;	/* "15.4 (Debian ...)" */
	const char	*timezone;
	int64_t		 max_connections;	/* for us: without reserved */
	bool		 standby;
};
int wl_db_doctor_login(struct wl_arena *a, enum wl_role role,
    struct wl_db_login *l, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * As role owner: what LOGIN lacks of what role GROUP ("watchllm_app") is
 * granted, and what it may do to tables besides; counts, and an example each,
 * "ledger: SELECT", or NULL.
 */
struct wl_db_rights {
	int64_t		 lacking, besides;
	const char	*lacking_one, *besides_one;
};
int wl_db_doctor_rights(struct wl_arena *a, const char *login,
    const char *group, struct wl_db_rights *r, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * As role owner: how many tables of projects are not under row-level
 * security that also holds for their owner.
 */
int wl_db_doctor_open_tables(struct wl_arena *a, int64_t *n,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * As role rollup: for how many days after today all partitions of events and
 * of the ledger are there; -1 or less: not for today.
 */
int wl_db_doctor_ahead(struct wl_arena *a, int64_t *days, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * As role app: how many prices there are, and when the last were imported, ms
 * since the epoch (0: never).
 */
int wl_db_doctor_prices(struct wl_arena *a, int64_t *n, int64_t *imported_ms,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * As role drain: records that the database refused and nobody has replayed.
 */
int wl_db_doctor_dead_letters(struct wl_arena *a, int64_t *n,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * As role owner: enabled projects whose default provider is not there, is off
 * or lacks the key that it needs; *ONE is such a project, or NULL.
 */
int wl_db_doctor_keyless(struct wl_arena *a, int64_t *n, const char **one,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * As role owner: the master keys that provider keys in use are sealed under,
 * how many each, and one of them.
 */
struct wl_db_sealed {
	const char	*key_id;
	int64_t		 n;
	const char	*project, *provider, *host;
	const uint8_t	*nonce, *sealed;
	size_t		 sealed_len;
};
int wl_db_doctor_sealed(struct wl_arena *a, struct wl_db_sealed **rows,
    int *n, struct wl_err *e) __attribute__((warn_unused_result));

#endif
