/*
 * What pg.c (connections), pg_query.c (statements) and rows.c (results)
 * share.  Nobody else includes it.
 */
#ifndef WL_STORE_PG_PRIV_H
#define WL_STORE_PG_PRIV_H

#include "lib/store/pg.h"

#include <libpq-fe.h>

/*
 * The server ends a statement at its timeout by itself; a server that does
 * not answer at all is given this much longer, ms, then left.
 */
#define WL_PG_GRACE	100

struct wl_pg {
	struct wl_pg	*next;		/* in the list of idle ones */
	PGconn		*conn;
	int		 fd;		/* that the loop knows, or -1 */
	enum wl_role	 role;
	bool		 broken;	/* of no use any more */
	int64_t		 timeout;	/* of a statement, ms */
	int64_t		 idle_since;
	char		 sqlstate[6];
};

/*
 * Connect C, zeroed but for its fields without a connection, as OPTIONS say,
 * until DEADLINE (monotonic ms).  Returns 0, or -1 with *E WL_E_UNAVAILABLE.
 */
int wl_pg_connect(struct wl_pg *c, const PQconninfoOption *options,
    int64_t deadline, struct wl_err *e) __attribute__((warn_unused_result));

/*
 * Leave C for good: it is closed when it is given back.  Returns -1.
 */
int wl_pg_lost(struct wl_pg *c, struct wl_err *e, const char *why);

/*
 * Wait until C shows EVENTS or WHEN (monotonic ms); the descriptor that libpq
 * uses may have changed.  As wl_wait().
 */
int wl_pg_wait(struct wl_pg *c, uint32_t events, int64_t when)
    __attribute__((warn_unused_result));

/*
 * What C's socket was is not to be touched by the loop any more: before
 * libpq closes it.
 */
void wl_pg_forget(struct wl_pg *c);

/*
 * A copy of RES in A, or NULL when memory is out.
 */
struct wl_rows *wl_rows_copy(struct wl_arena *a, const PGresult *res);

#endif
