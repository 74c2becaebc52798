/*
 * /v1/admin/prices: what holds, and import of price lists.
 */
#include "config.h"
#include "fcgi/h_admin.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/money.h"
#include "lib/base/wait.h"
#include "lib/core/price_import.h"

#define PAGE		100
#define PAGE_MAX	1000
#define BODY_MAX	((size_t)4 * 1024 * 1024)

/*
 * A time of the query, or what *MS holds.
 */
static int
query_time(struct wl_ctx *ctx, const char *name, int64_t *ms)
{
	const char *s = wl_req_query(&ctx->req, name);

	if (s == NULL || wl_clock_parse(s, strlen(s), ms) == 0)
		return 0;
	return wl_h_admin_wrong(ctx, name,
	    "\"%s\" must be a time such as 2026-01-31T00:00:00Z.", name);
}

/* ---- what holds -------------------------------------------------------- */

static void
put_time(struct wl_jw *w, const char *name, int64_t ms)
{
	char text[25];

	wl_clock_rfc3339(ms, text);
	wl_jw_str(w, name, text);
}

static void
put_figures(struct wl_jw *w, const struct wl_db_price_row *p)
{
	char usd[32];
	int f;

	for (f = 0; f < WL_PRICE_FIGURE_MAX; f++) {
		if (p->nano[f] < 0)
			continue;
		if (wl_db_price_by_unit((enum wl_price_figure)f))
			wl_money_usd_each(p->nano[f], usd);
		else
			wl_money_usd(p->nano[f], usd);
		wl_jw_raw(w, wl_db_price_column((enum wl_price_figure)f),
		    usd, strlen(usd));
	}
}

static void
put_price(struct wl_jw *w, const struct wl_db_price_row *p)
{
	wl_jw_obj(w, NULL);
	wl_jw_str(w, "provider", p->provider);
	wl_jw_str(w, "model", p->model);
	wl_jw_str(w, "mode", p->mode);
	put_time(w, "effective_from", p->from_ms);
	if (p->until_ms == WL_PRICE_OPEN)
		wl_jw_null(w, "effective_to");
	else
		put_time(w, "effective_to", p->until_ms);
	put_figures(w, p);
	if (p->max_input >= 0)
		wl_jw_int(w, "max_input_tokens", p->max_input);
	if (p->max_output >= 0)
		wl_jw_int(w, "max_output_tokens", p->max_output);
	wl_jw_str(w, "source", p->source);
	wl_jw_end(w, '}');
}

static const char *
cursor_of(struct wl_arena *a, const struct wl_db_price_row *p)
{
	return wl_arena_printf(a, "%s/%s", p->provider, p->model);
}

/*
 * Where the rows behind the one called AFTER begin; -1: there is none.
 */
static int
start(struct wl_arena *a, const struct wl_db_price_row *rows, int n,
    const char *after)
{
	const char *cursor;
	int i;

	for (i = 0; after != NULL && i < n; i++)
		if ((cursor = cursor_of(a, &rows[i])) != NULL &&
		    strcmp(cursor, after) == 0)
			return i + 1;
	return after == NULL ? 0 : -1;
}

int
wl_h_admin_prices_get(struct wl_ctx *ctx)
{
	const char *after = wl_req_query(&ctx->req, "after");
	struct wl_db_price_row *rows;
	int64_t most, at = wl_clock_ms();
	struct wl_admin ad;
	struct wl_buf b;
	struct wl_jw w;
	int i, n, from;

	if (wl_h_admin_query_int(ctx, "limit", 1, PAGE_MAX, PAGE, &most) ==
	    -1 || query_time(ctx, "at", &at) == -1 ||
	    wl_h_admin_begin(ctx, &ad) == -1 || wl_db_price_list(ctx->arena,
	    wl_req_query(&ctx->req, "provider"),
	    wl_req_query(&ctx->req, "model"), at, &rows, &n, &ctx->err) == -1)
		return -1;
	if ((from = start(ctx->arena, rows, n, after)) == -1)
		return wl_h_admin_wrong(ctx, "after",
		    "\"after\" must be the \"next\" of a page of this list.");
	wl_buf_init(&b, BODY_MAX);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_arr(&w, "data");
	for (i = from; i < n && i - from < most; i++)
		put_price(&w, &rows[i]);
	wl_h_admin_end_page(&w, i < n && i > from ?
	    cursor_of(ctx->arena, &rows[i - 1]) : NULL);
	wl_h_admin_json(ctx, 200, &b);
	return 0;
}

/* ---- import ------------------------------------------------------------ */

struct job {
	struct wl_ctx		*ctx;
	const char		*provider;
	int64_t			 now;
	struct wl_price_import	*list;
	int			 rc;
};

/*
 * On a helper thread: a list of all providers takes its time.
 */
static void
read_apart(void *arg)
{
	struct job *j = arg;

	j->rc = wl_price_import_read(j->ctx->arena, j->ctx->req.body.p,
	    j->ctx->req.body.len, j->provider, j->now, j->list, &j->ctx->err);
}

static int
read_list(struct wl_ctx *ctx, int64_t now, struct wl_price_import *list)
{
	struct job j = { ctx, wl_req_query(&ctx->req, "provider"), now, list,
	    -1 };
	const char *type = ctx->req.content_type;

	if (type == NULL || ctx->req.encoded || (strcmp(type, "text/csv") !=
	    0 && strcmp(type, "application/json") != 0))
		return wl_err_set(&ctx->err, WL_E_UNSUPPORTED_MEDIA, NULL);
	if (wl_offload(read_apart, &j) == -1)
		return wl_err_memory(&ctx->err);
	return j.rc;
}

static void
report(struct wl_ctx *ctx, const struct wl_price_import *list,
    const enum wl_price_change *change, bool dry)
{
	int i, total = 0, n[WL_PRICE_CHANGE_MAX] = { 0 };
	struct wl_buf b;
	struct wl_jw w;

	for (i = 0; i < list->n; i++)
		n[change[i]]++;
	for (i = 0; i < WL_PRICE_SKIP_MAX; i++)
		total += list->skipped[i];
	wl_buf_init(&b, BODY_MAX);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_bool(&w, "dry_run", dry);
	wl_jw_int(&w, "added", n[WL_PRICE_ADDED]);
	wl_jw_int(&w, "changed", n[WL_PRICE_CHANGED]);
	wl_jw_int(&w, "unchanged", n[WL_PRICE_UNCHANGED]);
	wl_jw_int(&w, "skipped", total);
	wl_jw_obj(&w, "skipped_because");
	for (i = 0; i < WL_PRICE_SKIP_MAX; i++)
		wl_jw_int(&w, wl_price_import_skip((enum wl_price_skip)i),
		    list->skipped[i]);
	wl_jw_end(&w, '}');
	wl_jw_end(&w, '}');
	wl_h_admin_json(ctx, 200, &b);
}

static int
query_flag(struct wl_ctx *ctx, const char *name, bool *v)
{
	const char *s = wl_req_query(&ctx->req, name);

	*v = s != NULL && strcmp(s, "true") == 0;
	if (s == NULL || *v || strcmp(s, "false") == 0)
		return 0;
	return wl_h_admin_wrong(ctx, name,
	    "\"%s\" must be true or false.", name);
}

int
wl_h_admin_prices_post(struct wl_ctx *ctx)
{
	int64_t from = WL_PRICE_UNSET, now = wl_clock_ms();
	struct wl_price_import list;
	enum wl_price_change *change;
	struct wl_admin ad;
	bool dry;

	if (query_flag(ctx, "dry_run", &dry) == -1 ||
	    query_time(ctx, "effective_from", &from) == -1 ||
	    read_list(ctx, now, &list) == -1 ||
	    wl_h_admin_begin(ctx, &ad) == -1)
		return -1;
	change = wl_arena_alloc(ctx->arena, (size_t)(list.n + 1) *
	    sizeof(*change));
	if (change == NULL)
		return wl_err_memory(&ctx->err);
	if (wl_db_price_import(ctx->arena, ad.actor, list.rows, list.n, from,
	    now, dry, change, &ctx->err) == -1)
		return -1;
	report(ctx, &list, change, dry);
	return 0;
}
