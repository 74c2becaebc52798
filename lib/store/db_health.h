/*
 * What the operator's health page asks of PostgreSQL.
 */
#ifndef WL_STORE_DB_HEALTH_H
#define WL_STORE_DB_HEALTH_H

#include <stdint.h>

struct wl_arena;
struct wl_err;

/*
 * The server's clock, ms since the epoch.  0, or -1 with *E.
 */
int wl_db_clock(struct wl_arena *a, int64_t *ms, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * How far the segments of HOST's journals are drained that are not done with,
 * and when its last batch was (0: never), as role drain.  0, or -1 with *E.
 */
struct wl_db_mark {
	const char	*segment;
	int64_t		 drained;	/* bytes */
};
struct wl_db_marks {
	int64_t			 updated_ms;
	struct wl_db_mark	*rows;
	int			 n;
};
int wl_db_marks(struct wl_arena *a, const char *host, struct wl_db_marks *m,
    struct wl_err *e) __attribute__((warn_unused_result));

#endif
