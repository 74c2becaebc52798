/*
 * PostgreSQL on the loop: a few connections per process and role, opened on
 * demand, last in first out, closed when idle.  Statements are sent with
 * parameters, never as built text, and never prepared by name (PgBouncer).
 */
#ifndef WL_STORE_PG_H
#define WL_STORE_PG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wl_arena;
struct wl_conf;
struct wl_err;
struct wl_pg;

enum wl_role {
	WL_ROLE_APP, WL_ROLE_OWNER, WL_ROLE_DRAIN, WL_ROLE_ROLLUP, WL_ROLE_MAX
};

/*
 * Remember where the database is; connects to nothing.  Returns 0, or -1
 * with *E for a URL that libpq does not understand.  Closing ends the idle
 * connections and fails those who wait; others end when given back.  It may
 * be opened again only then.
 */
int wl_pg_open(const struct wl_conf *conf, struct wl_err *e)
    __attribute__((warn_unused_result));
void wl_pg_close(void);

/*
 * A connection of ROLE, for this coroutine alone, within the configured
 * database_timeout.  NULL with *E WL_E_UNAVAILABLE.  After failures the
 * next attempt waits (breaker, 1 s): callers fail at once meanwhile.
 * Give it back as soon as its results were read, never across a call to
 * somebody else.  A transaction that is still open is rolled back; a
 * connection that cannot be trusted any more is closed.
 */
struct wl_pg *wl_pg_take(enum wl_role role, struct wl_err *e)
    __attribute__((warn_unused_result));
void wl_pg_give(struct wl_pg *c);

/*
 * Whether the last attempt to reach the database worked; no I/O.
 */
bool wl_pg_up(void);

/*
 * One statement, within the statement timeout.  Parameters, at most 64, are
 * text (NULL: SQL null) or bytea.  Results are copied into ARENA.  NULL with
 * *E (WL_E_UNAVAILABLE when the server cannot be reached, is shutting down,
 * is too slow or says "not now", as after a deadlock; else WL_E_INTERNAL)
 * with the SQLSTATE in wl_pg_sqlstate() and the text in E->detail.
 */
struct wl_param {
	const char	*text;
	const void	*bytes;		/* instead of TEXT, with LEN */
	size_t		 len;
};
#define WL_P(s)		((struct wl_param){ .text = (s) })
#define WL_PB(p, n)	((struct wl_param){ .bytes = (p), .len = (n) })

struct wl_rows;
struct wl_rows *wl_pg_query(struct wl_pg *c, struct wl_arena *arena,
    const char *sql, int n, const struct wl_param *params, struct wl_err *e)
    __attribute__((warn_unused_result));
/*
 * The same with PROJECT set for row-level security, in one round trip: for a
 * single statement, outside of a transaction.
 */
struct wl_rows *wl_pg_query_project(struct wl_pg *c, struct wl_arena *arena,
    const char *project, const char *sql, int n, const struct wl_param *params,
    struct wl_err *e) __attribute__((warn_unused_result));
/*
 * The same on a connection that is taken for it and given back.
 */
struct wl_rows *wl_pg_ask(enum wl_role role, struct wl_arena *arena,
    const char *sql, int n, const struct wl_param *params, struct wl_err *e)
    __attribute__((warn_unused_result));
/* wl_pg_query() where only success matters; *AFFECTED may be NULL. */
int wl_pg_exec(struct wl_pg *c, const char *sql, int n,
    const struct wl_param *params, int64_t *affected, struct wl_err *e)
    __attribute__((warn_unused_result));

int wl_rows_count(const struct wl_rows *r);
int wl_rows_columns(const struct wl_rows *r);
const char *wl_rows_name(const struct wl_rows *r, int col);
/* The value as text, NULL for SQL null. */
const char *wl_rows_get(const struct wl_rows *r, int row, int col);
size_t wl_rows_len(const struct wl_rows *r, int row, int col);
int64_t wl_rows_int(const struct wl_rows *r, int row, int col, int64_t null);
bool wl_rows_bool(const struct wl_rows *r, int row, int col);

/*
 * Transactions.  wl_pg_begin() starts one and, unless PROJECT is NULL, sets
 * watchllm.project_id for it, so that row-level security shows that project.
 */
int wl_pg_begin(struct wl_pg *c, const char *project, struct wl_err *e)
    __attribute__((warn_unused_result));
int wl_pg_commit(struct wl_pg *c, struct wl_err *e)
    __attribute__((warn_unused_result));
void wl_pg_rollback(struct wl_pg *c);

/*
 * COPY ... FROM STDIN (text format): start, rows, end.
 */
int wl_pg_copy_begin(struct wl_pg *c, const char *sql, struct wl_err *e)
    __attribute__((warn_unused_result));
int wl_pg_copy_data(struct wl_pg *c, const void *p, size_t len,
    struct wl_err *e) __attribute__((warn_unused_result));
int wl_pg_copy_end(struct wl_pg *c, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * A script of several statements without parameters, such as a migration;
 * in a transaction of its own unless one is open.
 */
int wl_pg_script(struct wl_pg *c, const char *sql, struct wl_err *e)
    __attribute__((warn_unused_result));

/* The SQLSTATE of the last failure on C, "" when there was none. */
const char *wl_pg_sqlstate(const struct wl_pg *c);
/*
 * The longest that one statement of C may take, ms, until it is given back;
 * at first database_timeout.  In a transaction what held at its begin holds.
 */
void wl_pg_statement_timeout(struct wl_pg *c, int64_t ms);

/*
 * Every statement of the program has a row in its db_*.c; a test prepares
 * them all against the migrated schema.
 */
struct wl_stmt {
	const char	*name;
	enum wl_role	 role;
	const char	*sql;
};
extern const struct wl_stmt *const wl_stmt_tables[];	/* NULL-ended tables of
							 * NULL-name-ended rows */

#endif
