/*
 * Lists of administration in pages, by keyset: each page is one index scan,
 * however many rows there are, and rows that come or go meanwhile are neither
 * shown twice nor lose others.
 */
#ifndef WL_STORE_DB_ADMIN_PAGE_H
#define WL_STORE_DB_ADMIN_PAGE_H

struct wl_arena;
struct wl_err;
struct wl_rows;

/*
 * Columns, as in db_admin.h; the first one is the cursor of its row.
 */
enum wl_db_page {
	/* filter: project, action (how it begins), newest first: at, id,
	 * actor, address, project, action, target, before, after, hash */
	WL_DB_PAGE_AUDIT,
	/* filter: project, key's id: project, id, prefix, kind, name, scopes,
	 * state, per minute, per month, concurrent, expires at, created at */
	WL_DB_PAGE_KEYS,
	/* filter: plan: id, name, per minute, per month, window, concurrent,
	 * cache hits free, price in USD, retention class, its days, projects */
	WL_DB_PAGE_PLANS,
	/* filter: project: id, dsn_id, name, plan, default provider, enabled,
	 * active keys, created at */
	WL_DB_PAGE_PROJECTS,
	/* filter: project, key's id: project, id, provider, priority, name,
	 * hint, host, master key, enabled, created at */
	WL_DB_PAGE_PROVIDER_KEYS,
	/* filter: project: project, plan, month, used, limit */
	WL_DB_PAGE_USAGE,
	WL_DB_PAGE_MAX
};

/*
 * At most MOST rows behind the one whose cursor is AFTER (NULL: from the
 * first on), of those that A and B, the filters, let through (NULL: all).
 * Rows, or NULL with *E; WL_E_INVALID_REQUEST with param "after": no cursor
 * of this list.
 */
struct wl_rows *wl_db_admin_page(struct wl_arena *arena, enum wl_db_page page,
    const char *a, const char *b, const char *after, int most,
    struct wl_err *e) __attribute__((warn_unused_result));

#endif
