/*
 * Import and listing of prices.  The rows of an import travel as one JSON
 * parameter, so that what is new is found by the server in one statement.
 */
#include "config.h"
#include "lib/store/db_price.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/jw.h"
#include "lib/store/db_admin_priv.h"
#include "lib/store/pg.h"
#include "lib/store/stmts.h"

#define IMPORT_MS	((int64_t)5 * 60 * 1000)

#define MTOK(name)	{ name, name "_usd_per_mtok" }
#define UNIT(name)	{ name, name "_usd" }
static const struct {
	const char	*name, *column;
} figures[] = {
	[WL_PF_INPUT] = MTOK("input"),
	[WL_PF_OUTPUT] = MTOK("output"),
	[WL_PF_CACHE_READ] = MTOK("cache_read"),
	[WL_PF_CACHE_WRITE] = MTOK("cache_write"),
	[WL_PF_BATCH_INPUT] = MTOK("batch_input"),
	[WL_PF_BATCH_OUTPUT] = MTOK("batch_output"),
	[WL_PF_INPUT_ABOVE_200K] = MTOK("input_above_200k"),
	[WL_PF_OUTPUT_ABOVE_200K] = MTOK("output_above_200k"),
	[WL_PF_REASONING] = MTOK("reasoning"),
	[WL_PF_CACHE_READ_ABOVE_200K] = MTOK("cache_read_above_200k"),
	[WL_PF_CACHE_WRITE_ABOVE_200K] = MTOK("cache_write_above_200k"),
	[WL_PF_CACHE_WRITE_1H] = MTOK("cache_write_1h"),
	[WL_PF_IMAGE_INPUT] = MTOK("image_input"),
	[WL_PF_IMAGE_OUTPUT] = MTOK("image_output"),
	[WL_PF_AUDIO_INPUT] = MTOK("audio_input"),
	[WL_PF_AUDIO_OUTPUT] = MTOK("audio_output"),
	[WL_PF_IMAGE] = UNIT("image"),
	[WL_PF_SECOND] = UNIT("second"),
	[WL_PF_QUERY] = UNIT("query"),
	[WL_PF_CHARACTER] = UNIT("character"),
};
static_assert(sizeof(figures) / sizeof(figures[0]) == WL_PRICE_FIGURE_MAX,
    "a name for every figure");

/* what makes two prices differ, in the order of the enum */
#define FIGURES(t) \
	t ".input_nano, " t ".output_nano, " t ".cache_read_nano, " \
	t ".cache_write_nano, " t ".batch_input_nano, " \
	t ".batch_output_nano, " t ".input_above_200k_nano, " \
	t ".output_above_200k_nano, " t ".reasoning_nano, " \
	t ".cache_read_above_200k_nano, " t ".cache_write_above_200k_nano, " \
	t ".cache_write_1h_nano, " \
	t ".image_input_nano, " t ".image_output_nano, " \
	t ".audio_input_nano, " t ".audio_output_nano, " t ".image_nano, " \
	t ".second_nano, " t ".query_nano, " t ".character_nano, " \
	t ".max_input_tokens, " t ".max_output_tokens"
#define DATA \
	"jsonb_to_recordset($1::jsonb) AS d (n integer, provider text," \
	" model text, from_ms bigint, mode text, source text," \
	" input_nano bigint, output_nano bigint, cache_read_nano bigint," \
	" cache_write_nano bigint, batch_input_nano bigint," \
	" batch_output_nano bigint, input_above_200k_nano bigint," \
	" output_above_200k_nano bigint, reasoning_nano bigint," \
	" cache_read_above_200k_nano bigint," \
	" cache_write_above_200k_nano bigint, cache_write_1h_nano bigint," \
	" image_input_nano bigint," \
	" image_output_nano bigint, audio_input_nano bigint," \
	" audio_output_nano bigint, image_nano bigint, second_nano bigint," \
	" query_nano bigint, character_nano bigint," \
	" max_input_tokens bigint, max_output_tokens bigint)"
#define ROW \
	"p.provider, p.model, p.mode, p.source," \
	" watchllm.to_ms(p.effective_from), watchllm.to_ms(p.effective_to), " \
	FIGURES("p")
#define HOLDS \
	"p.effective_from <= watchllm.from_ms($1)" \
	" AND (p.effective_to IS NULL" \
	" OR p.effective_to > watchllm.from_ms($1))" \
	" AND ($2::text IS NULL OR p.provider = coalesce((SELECT" \
	" v.price_provider FROM watchllm.provider v WHERE v.id = $2), $2))"

static const char sql_lock[] =
    "SELECT pg_catalog.pg_advisory_xact_lock("
    "pg_catalog.hashtext('watchllm.price'))";
static const char sql_any[] =
    "SELECT EXISTS (SELECT FROM watchllm.price)";
static const char sql_compare[] =
    "SELECT d.n, CASE WHEN p.model IS NULL THEN 'added'"
    " WHEN (d.mode, " FIGURES("d") ") IS NOT DISTINCT FROM"
    " (p.mode, " FIGURES("p") ") THEN 'unchanged'"
    " WHEN p.effective_from = watchllm.from_ms(d.from_ms) THEN 'conflict'"
    " ELSE 'changed' END"
    " FROM " DATA " LEFT JOIN LATERAL (SELECT * FROM watchllm.price o"
    " WHERE o.provider = d.provider AND o.model = d.model"
    " AND o.effective_from <= watchllm.from_ms(d.from_ms)"
    " AND (o.effective_to IS NULL"
    " OR o.effective_to > watchllm.from_ms(d.from_ms))"
    " ORDER BY o.effective_from DESC LIMIT 1) p ON true ORDER BY d.n";
static const char sql_insert[] =
    "INSERT INTO watchllm.price (provider, model, effective_from, mode,"
    " source, input_nano, output_nano, cache_read_nano, cache_write_nano,"
    " batch_input_nano, batch_output_nano, input_above_200k_nano,"
    " output_above_200k_nano, reasoning_nano, cache_read_above_200k_nano,"
    " cache_write_above_200k_nano, cache_write_1h_nano,"
    " image_input_nano, image_output_nano,"
    " audio_input_nano, audio_output_nano, image_nano, second_nano,"
    " query_nano, character_nano, max_input_tokens, max_output_tokens)"
    " SELECT d.provider, d.model, watchllm.from_ms(d.from_ms), d.mode,"
    " d.source, " FIGURES("d") " FROM " DATA;
static const char sql_list[] =
    "SELECT DISTINCT ON (p.provider, p.model) " ROW
    " FROM watchllm.price p WHERE " HOLDS
    " ORDER BY p.provider, p.model, p.effective_from DESC";
static const char sql_show[] =
    "SELECT DISTINCT ON (p.provider) " ROW
    " FROM watchllm.price p WHERE " HOLDS
    " AND p.model IN ($3, watchllm.undated_model($3))"
    " ORDER BY p.provider, p.model = $3 DESC, p.effective_from DESC";

const struct wl_stmt wl_db_price_stmts[] = {
	{ "any", WL_ROLE_OWNER, sql_any },
	{ "compare", WL_ROLE_OWNER, sql_compare },
	{ "insert", WL_ROLE_OWNER, sql_insert },
	{ "list", WL_ROLE_OWNER, sql_list },
	{ "lock", WL_ROLE_OWNER, sql_lock },
	{ "show", WL_ROLE_OWNER, sql_show },
	{ NULL, WL_ROLE_OWNER, NULL }
};

const char *
wl_db_price_figure(enum wl_price_figure f)
{
	return figures[f].name;
}

const char *
wl_db_price_column(enum wl_price_figure f)
{
	return figures[f].column;
}

bool
wl_db_price_by_unit(enum wl_price_figure f)
{
	return f >= WL_PF_IMAGE;
}

/* ---- import ------------------------------------------------------------ */

static void
put_number(struct wl_jw *w, const char *key, int64_t v)
{
	if (v >= 0)
		wl_jw_int(w, key, v);
}

static void
put_row(struct wl_jw *w, int n, const struct wl_db_price_row *row)
{
	char key[40];
	int f;

	wl_jw_obj(w, NULL);
	wl_jw_int(w, "n", n);
	wl_jw_str(w, "provider", row->provider);
	wl_jw_str(w, "model", row->model);
	wl_jw_str(w, "mode", row->mode);
	wl_jw_str(w, "source", row->source);
	wl_jw_int(w, "from_ms", row->from_ms);
	for (f = 0; f < WL_PRICE_FIGURE_MAX; f++) {
		snprintf(key, sizeof(key), "%s_nano", figures[f].name);
		put_number(w, key, row->nano[f]);
	}
	put_number(w, "max_input_tokens", row->max_input);
	put_number(w, "max_output_tokens", row->max_output);
	wl_jw_end(w, '}');
}

/*
 * Run SQL with the rows of CHANGE (NULL: all) that are new.  NULL with *E.
 */
static struct wl_rows *
with_rows(struct wl_pg *c, struct wl_arena *a, const char *sql,
    const struct wl_db_price_row *rows, int n,
    const enum wl_price_change *change, struct wl_err *e)
{
	struct wl_rows *r = NULL;
	struct wl_param p[1];
	struct wl_buf b;
	struct wl_jw w;
	int i;

	wl_buf_init(&b, 0);
	wl_jw_init(&w, &b);
	wl_jw_arr(&w, NULL);
	for (i = 0; i < n; i++)
		if (change == NULL || change[i] != WL_PRICE_UNCHANGED)
			put_row(&w, i, &rows[i]);
	wl_jw_end(&w, ']');
	if (b.failed) {
		wl_err_set(e, WL_E_INVALID_REQUEST, "too many prices");
	} else {
		p[0] = WL_P(b.p);
		r = wl_pg_query(c, a, sql, 1, p, e);
	}
	wl_buf_free(&b);
	return r;
}

static int
set_times(struct wl_pg *c, struct wl_arena *a, struct wl_db_price_row *rows,
    int n, int64_t from_ms, int64_t now_ms, struct wl_err *e)
{
	struct wl_rows *r = wl_pg_query(c, a, sql_any, 0, NULL, e);
	int i;

	if (r == NULL)
		return -1;
	if (from_ms == WL_PRICE_UNSET)
		from_ms = wl_rows_bool(r, 0, 0) ? now_ms : 0;
	for (i = 0; i < n; i++)
		if (rows[i].from_ms == WL_PRICE_UNSET)
			rows[i].from_ms = from_ms;
	return 0;
}

static int
conflict(const struct wl_db_price_row *row, struct wl_err *e)
{
	char at[25];

	wl_clock_rfc3339(row->from_ms, at);
	return wl_err_set(e, WL_E_INVALID_REQUEST, "there is a price of %s %s "
	    "from %s with other figures, and prices of the past stay; give "
	    "another time from which the new ones hold", row->provider,
	    row->model, at);
}

static int
compare(struct wl_pg *c, struct wl_arena *a,
    const struct wl_db_price_row *rows, int n, enum wl_price_change *change,
    struct wl_err *e)
{
	struct wl_rows *r = with_rows(c, a, sql_compare, rows, n, NULL, e);
	const char *word;
	int i;

	if (r == NULL)
		return -1;
	for (i = 0; i < n; i++) {
		word = wl_rows_get(r, i, 1);
		if (strcmp(word, "conflict") == 0)
			return conflict(&rows[i], e);
		change[i] = strcmp(word, "added") == 0 ? WL_PRICE_ADDED :
		    strcmp(word, "changed") == 0 ? WL_PRICE_CHANGED :
		    WL_PRICE_UNCHANGED;
	}
	return 0;
}

static bool
any_new(const enum wl_price_change *change, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (change[i] != WL_PRICE_UNCHANGED)
			return true;
	return false;
}

int
wl_db_price_import(struct wl_arena *a, const char *actor,
    struct wl_db_price_row *rows, int n, int64_t from_ms, int64_t now_ms,
    bool dry, enum wl_price_change *change, struct wl_err *e)
{
	struct wl_pg *c = wl_pg_take(WL_ROLE_OWNER, e);
	int rc = -1;

	if (c == NULL)
		return -1;
	wl_pg_statement_timeout(c, IMPORT_MS);
	if (wl_pg_begin(c, NULL, e) == 0 &&
	    wl_db_admin_actor(c, actor, e) == 0 &&
	    wl_pg_exec(c, sql_lock, 0, NULL, NULL, e) == 0 &&
	    set_times(c, a, rows, n, from_ms, now_ms, e) == 0 &&
	    compare(c, a, rows, n, change, e) == 0)
		rc = 0;
	/* an insert of nothing would make all workers read the table again */
	if (rc == 0 && !dry && any_new(change, n) && (with_rows(c, a,
	    sql_insert, rows, n, change, e) == NULL ||
	    wl_pg_commit(c, e) == -1))
		rc = -1;
	wl_pg_give(c);
	return rc;
}

/* ---- listing ----------------------------------------------------------- */

static void
read_row(const struct wl_rows *r, int i, struct wl_db_price_row *row)
{
	int f, col = 6;

	row->provider = wl_rows_get(r, i, 0);
	row->model = wl_rows_get(r, i, 1);
	row->mode = wl_rows_get(r, i, 2);
	row->source = wl_rows_get(r, i, 3);
	row->from_ms = wl_rows_int(r, i, 4, 0);
	row->until_ms = wl_rows_int(r, i, 5, WL_PRICE_OPEN);
	for (f = 0; f < WL_PRICE_FIGURE_MAX; f++)
		row->nano[f] = wl_rows_int(r, i, col++, -1);
	row->max_input = wl_rows_int(r, i, col++, -1);
	row->max_output = wl_rows_int(r, i, col, -1);
}

int
wl_db_price_list(struct wl_arena *a, const char *provider, const char *model,
    int64_t at_ms, struct wl_db_price_row **rows, int *n, struct wl_err *e)
{
	char at[24];
	struct wl_param p[] = { WL_P(at), WL_P(provider), WL_P(model) };
	struct wl_pg *c = wl_pg_take(WL_ROLE_OWNER, e);
	struct wl_rows *r;
	int i;

	if (c == NULL)
		return -1;
	snprintf(at, sizeof(at), "%lld", (long long)at_ms);
	r = model == NULL ? wl_pg_query(c, a, sql_list, 2, p, e) :
	    wl_pg_query(c, a, sql_show, 3, p, e);
	wl_pg_give(c);
	if (r == NULL)
		return -1;
	*n = wl_rows_count(r);
	*rows = wl_arena_alloc(a, (size_t)(*n + 1) * sizeof(**rows));
	if (*rows == NULL)
		return wl_err_set(e, WL_E_UNAVAILABLE, "out of memory");
	for (i = 0; i < *n; i++)
		read_row(r, i, &(*rows)[i]);
	return 0;
}
