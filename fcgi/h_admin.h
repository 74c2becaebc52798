/*
 * /v1/admin: what its handlers share.  A handler reads the body by a table of
 * lib/core/fields.h, asks lib/core/admin.h, as the command line does, and
 * answers with rows.
 *
 * wl_h_admin_* functions that return int return 0, or -1 with ctx->err.
 */
#ifndef WL_FCGI_H_ADMIN_H
#define WL_FCGI_H_ADMIN_H

#include <stdbool.h>

#include "fcgi/ctx.h"
#include "lib/base/json.h"
#include "lib/core/admin.h"
#include "lib/core/fields.h"
#include "lib/store/db_admin_page.h"
#include "lib/store/pg.h"

int wl_h_admin_audit_get(struct wl_ctx *ctx);
int wl_h_admin_audit_verify_get(struct wl_ctx *ctx);
int wl_h_admin_key_delete(struct wl_ctx *ctx);
int wl_h_admin_key_get(struct wl_ctx *ctx);
int wl_h_admin_key_rotate_post(struct wl_ctx *ctx);
int wl_h_admin_keys_get(struct wl_ctx *ctx);
int wl_h_admin_keys_post(struct wl_ctx *ctx);
int wl_h_admin_plan_get(struct wl_ctx *ctx);
int wl_h_admin_plan_patch(struct wl_ctx *ctx);
int wl_h_admin_plans_get(struct wl_ctx *ctx);
int wl_h_admin_plans_post(struct wl_ctx *ctx);
int wl_h_admin_prices_get(struct wl_ctx *ctx);
int wl_h_admin_prices_post(struct wl_ctx *ctx);
int wl_h_admin_project_get(struct wl_ctx *ctx);
int wl_h_admin_project_patch(struct wl_ctx *ctx);
int wl_h_admin_projects_get(struct wl_ctx *ctx);
int wl_h_admin_projects_post(struct wl_ctx *ctx);
int wl_h_admin_provider_key_delete(struct wl_ctx *ctx);
int wl_h_admin_provider_key_get(struct wl_ctx *ctx);
int wl_h_admin_provider_keys_get(struct wl_ctx *ctx);
int wl_h_admin_provider_keys_post(struct wl_ctx *ctx);
int wl_h_admin_usage_add_post(struct wl_ctx *ctx);
int wl_h_admin_usage_get(struct wl_ctx *ctx);
int wl_h_admin_usage_list_get(struct wl_ctx *ctx);
int wl_h_admin_usage_patch(struct wl_ctx *ctx);

#define WL_H_ADMIN_NUMBER_MAX	1000000000000	/* as the command line's */
#define WL_H_ADMIN_TEXT_MAX	1024		/* bytes */
#define WL_H_ADMIN_ID_MAX	64

/*
 * *AD for a change or a look in the name of the operator, once it is sure
 * that we may.
 */
int wl_h_admin_begin(struct wl_ctx *ctx, struct wl_admin *ad)
    __attribute__((warn_unused_result));

/*
 * The body, a JSON object, by FIELDS.
 */
int wl_h_admin_body(struct wl_ctx *ctx, const struct wl_field *fields)
    __attribute__((warn_unused_result));

/*
 * PARAM is wrong: WL_E_INVALID_REQUEST.  Returns -1.
 */
int wl_h_admin_wrong(struct wl_ctx *ctx, const char *param, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

/*
 * A whole number of the query within MIN..MAX, or NOT when it is absent.
 */
int wl_h_admin_query_int(struct wl_ctx *ctx, const char *name, int64_t min,
    int64_t max, int64_t absent, int64_t *v)
    __attribute__((warn_unused_result));

/*
 * A resource: its page, and the columns behind the cursor.
 */
enum wl_h_admin_type {
	WL_HA_STR, WL_HA_INT, WL_HA_BOOL,
	WL_HA_RAW,	/* a number or JSON as it is */
	WL_HA_LIST	/* "a,b" as an array */
};
struct wl_h_admin_col {
	const char		*name;
	enum wl_h_admin_type	 type;
};
struct wl_h_admin_resource {
	const char			*what;	/* "project", for messages */
	enum wl_db_page			 page;
	const struct wl_h_admin_col	*cols;
	int				 ncols;
};

/*
 * Answer with a page: limit and after are of the query, A and B its filters.
 */
int wl_h_admin_list(struct wl_ctx *ctx, const struct wl_h_admin_resource *res,
    const char *a, const char *b) __attribute__((warn_unused_result));

/*
 * The one row that A and B let through, in *R; WL_E_NOT_FOUND.  Several, which
 * several projects may have: WL_E_INVALID_REQUEST.
 */
int wl_h_admin_find(struct wl_ctx *ctx, const struct wl_h_admin_resource *res,
    const char *a, const char *b, struct wl_rows **r)
    __attribute__((warn_unused_result));

/*
 * Answer with row I of R, the first one of a page; with SECRET, unless it is
 * NULL, as "key".
 */
int wl_h_admin_one(struct wl_ctx *ctx, const struct wl_h_admin_resource *res,
    int status, const struct wl_rows *r, const char *secret);

/* The same by look-up: to answer after a change AD. */
int wl_h_admin_changed(struct wl_ctx *ctx, const struct wl_admin *ad,
    const struct wl_h_admin_resource *res, int status, const char *a,
    const char *b, const char *secret) __attribute__((warn_unused_result));

/*
 * Answer 204 after a change AD.
 */
int wl_h_admin_gone(struct wl_ctx *ctx, const struct wl_admin *ad);

/*
 * The members of row I, into an object that is open in W.
 */
void wl_h_admin_members(struct wl_jw *w, const struct wl_h_admin_resource *res,
    const struct wl_rows *r, int i);

/*
 * The end of a page: "has_more", and "next" when there is more.
 */
void wl_h_admin_end_page(struct wl_jw *w, const char *next);

/*
 * An id that follows from the request's Idempotency-Key, WHAT and PROJECT (or
 * NULL), so that what is made twice is made once; *ID stays as it is without
 * such a header.
 */
int wl_h_admin_idempotent(struct wl_ctx *ctx, const char *what,
    const char *project, const char **id) __attribute__((warn_unused_result));

/*
 * After a conflict of such a creation: answer with what is there, R, when SAME
 * says that it is what was asked for.
 */
int wl_h_admin_replay(struct wl_ctx *ctx,
    const struct wl_h_admin_resource *res, const struct wl_rows *r, bool same)
    __attribute__((warn_unused_result));

/* Answer with the JSON in B, which is freed. */
void wl_h_admin_json(struct wl_ctx *ctx, int status, struct wl_buf *b);

#endif
