/*
 * Rows of a result, copied into the caller's arena.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/num.h"
#include "lib/store/pg_priv.h"

struct cell {
	const char	*text;		/* NULL: SQL null */
	size_t		 len;
};

struct wl_rows {
	int		  n, cols;
	const char	**names;
	struct cell	 *cells;	/* row by row */
};

static int
copy_cells(struct wl_arena *a, struct wl_rows *r, const PGresult *res)
{
	struct cell *cell = r->cells;
	int i, j;

	for (i = 0; i < r->n; i++)
		for (j = 0; j < r->cols; j++, cell++) {
			if (PQgetisnull(res, i, j))
				continue;
			cell->len = (size_t)PQgetlength(res, i, j);
			cell->text = wl_arena_dup(a, PQgetvalue(res, i, j),
			    cell->len);
			if (cell->text == NULL)
				return -1;
		}
	return 0;
}

struct wl_rows *
wl_rows_copy(struct wl_arena *a, const PGresult *res)
{
	struct wl_rows *r = wl_arena_alloc(a, sizeof(*r));
	int j;

	if (r == NULL)
		return NULL;
	r->n = PQntuples(res);
	r->cols = PQnfields(res);
	r->names = wl_arena_alloc(a, (size_t)(r->cols + 1) * sizeof(char *));
	r->cells = wl_arena_alloc(a, (size_t)r->n * (size_t)r->cols *
	    sizeof(*r->cells) + 1);
	if (r->names == NULL || r->cells == NULL)
		return NULL;
	for (j = 0; j < r->cols; j++)
		if ((r->names[j] = wl_arena_strdup(a, PQfname(res, j))) == NULL)
			return NULL;
	return copy_cells(a, r, res) == -1 ? NULL : r;
}

static const struct cell *
at(const struct wl_rows *r, int row, int col)
{
	if (row < 0 || row >= r->n || col < 0 || col >= r->cols)
		abort();
	return &r->cells[(size_t)row * (size_t)r->cols + (size_t)col];
}

int
wl_rows_count(const struct wl_rows *r)
{
	return r->n;
}

int
wl_rows_columns(const struct wl_rows *r)
{
	return r->cols;
}

const char *
wl_rows_name(const struct wl_rows *r, int col)
{
	return r->names[col];
}

const char *
wl_rows_get(const struct wl_rows *r, int row, int col)
{
	return at(r, row, col)->text;
}

size_t
wl_rows_len(const struct wl_rows *r, int row, int col)
{
	return at(r, row, col)->len;
}

int64_t
wl_rows_int(const struct wl_rows *r, int row, int col, int64_t null)
{
	const struct cell *c = at(r, row, col);
	int64_t v;

	if (c->text == NULL ||
	    wl_num_parse(c->text, c->len, INT64_MIN, INT64_MAX, &v) == -1)
		return null;
	return v;
}

bool
wl_rows_bool(const struct wl_rows *r, int row, int col)
{
	const char *s = at(r, row, col)->text;

	return s != NULL && s[0] == 't';
}
