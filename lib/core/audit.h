/*
 * Whether the audit log is as it was written: each entry carries a hash over
 * itself and the entry before it (sql/schema/0002_project.sql).
 *
 * The chain alone cannot tell that its last entries are gone, or that all of
 * it was written anew by somebody who owns the tables.  Who keeps the head
 * elsewhere, and gives it to the next check, learns of both.
 */
#ifndef WL_CORE_AUDIT_H
#define WL_CORE_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

struct wl_arena;
struct wl_err;

#define WL_AUDIT_HEAD	(24 + 64 + 2)	/* "ID:HASH" */

struct wl_audit {
	int64_t	entries;
	int64_t	first_bad;		/* id of an entry that does not fit; 0 */
	bool	head_gone;		/* HEAD is not in the log any more */
	char	head[WL_AUDIT_HEAD];	/* of the last entry; "" when empty */
};

/*
 * Look at all entries, some thousands a query.  HEAD is that of an earlier
 * check, or NULL.  Returns 0, or -1 with *E (WL_E_INVALID_REQUEST, param
 * "head": it is none).
 */
int wl_audit_verify(struct wl_arena *a, const char *head, struct wl_audit *r,
    struct wl_err *e) __attribute__((warn_unused_result));

#endif
