/*
 * Printing for people and programs.  Values come from a database that others
 * write to: what a terminal would obey is shown, not sent.
 */
#include "config.h"

#include "fcgi/out.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "lib/base/str.h"

#define OUT_MAX		((size_t)64 * 1024 * 1024)
#define GAP		2	/* spaces between columns */

void
wl_out_init(struct wl_out *o, bool json)
{
	memset(o, 0, sizeof(*o));
	o->json = json;
	wl_buf_init(&o->b, OUT_MAX);
	wl_buf_init(&o->cells, OUT_MAX);
	wl_jw_init(&o->w, &o->b);
}

void
wl_out_free(struct wl_out *o)
{
	wl_buf_free(&o->b);
	wl_buf_free(&o->cells);
}

/* ---- JSON -------------------------------------------------------------- */

static void
json_list(struct wl_jw *w, const char *key, const char *v)
{
	struct wl_str rest = wl_str_of(v), word;

	wl_jw_arr(w, key);
	while (rest.p != NULL && rest.len > 0) {
		word = wl_str_trim(wl_str_cut(&rest, ','));
		wl_jw_strn(w, NULL, word.p, word.len);
	}
	wl_jw_end(w, ']');
}

static void
json_value(struct wl_jw *w, const char *key, enum wl_out_type type,
    const char *v)
{
	if (v == NULL) {
		wl_jw_null(w, key);
		return;
	}
	switch (type) {
	case WL_OUT_STR:
		wl_jw_str(w, key, v);
		break;
	case WL_OUT_INT:
	case WL_OUT_NUM:
	case WL_OUT_JSON:
		wl_jw_raw(w, key, v, strlen(v));
		break;
	case WL_OUT_BOOL:
		wl_jw_bool(w, key, v[0] == 't' || v[0] == 'y');
		break;
	case WL_OUT_LIST:
		json_list(w, key, v);
		break;
	}
}

/* ---- text -------------------------------------------------------------- */

/*
 * V as it is shown: one line, no control characters, no broken UTF-8.
 */
static void
add_shown(struct wl_buf *b, const char *v)
{
	size_t left = strlen(v), n;

	for (; left > 0; v += n, left -= n) {
		n = wl_utf8_seq(v, left);
		if (n == 0)
			n = 1;
		else if (n > 1 && !(n == 2 && (uint8_t)v[0] == 0xc2 &&
		    (uint8_t)v[1] < 0xa0)) {
			wl_buf_add(b, v, n);
			continue;
		} else if (n == 1 && (uint8_t)v[0] >= ' ' && v[0] != 0x7f) {
			wl_buf_addc(b, v[0]);
			continue;
		}
		wl_buf_addc(b, '?');
	}
}

static void
add_text(struct wl_buf *b, enum wl_out_type type, const char *v)
{
	if (v == NULL || v[0] == '\0')
		wl_buf_addc(b, '-');
	else if (type == WL_OUT_BOOL)
		wl_buf_adds(b, v[0] == 't' || v[0] == 'y' ? "yes" : "no");
	else
		add_shown(b, v);
}

static int
width(const char *s)
{
	int n = 0;

	for (; *s != '\0'; s++)
		n += ((uint8_t)*s & 0xc0) != 0x80;
	return n;
}

static void
add_heading(struct wl_buf *b, const char *name, bool capitals)
{
	for (; *name != '\0'; name++)
		wl_buf_addc(b, *name == '_' ? ' ' :
		    capitals && *name >= 'a' && *name <= 'z' ?
		    (char)(*name - 'a' + 'A') : *name);
}

static void
pad(struct wl_buf *b, int n)
{
	while (n-- > 0)
		wl_buf_addc(b, ' ');
}

/*
 * The open block is a table, or the fields of a record as a table of two
 * columns.  Its cells are strings one after the other, each with its NUL.
 */
static void
add_cell(struct wl_out *o, enum wl_out_type type, const char *v)
{
	add_text(&o->cells, type, v);
	wl_buf_addc(&o->cells, '\0');
}

static void
measure(const struct wl_out *o, int *widths)
{
	const char *cell = o->cells.p;
	int i, k, n;

	for (k = 0; k < o->ncols; k++)
		widths[k] = 0;
	for (i = 0; i < o->nrows; i++)
		for (k = 0; k < o->ncols; k++) {
			if ((n = width(cell)) > widths[k])
				widths[k] = n;
			cell += strlen(cell) + 1;
		}
}

/*
 * One row of cells from CELL on.  Returns the cell after them.
 */
static const char *
print_row(struct wl_out *o, const char *cell, const int *widths)
{
	int k, space = 0, fill;

	for (k = 0; k < o->ncols; k++) {
		fill = widths[k] - width(cell);
		if (o->types[k] == WL_OUT_INT || o->types[k] == WL_OUT_NUM) {
			space += fill;
			fill = 0;
		}
		pad(&o->b, space);
		wl_buf_adds(&o->b, cell);
		space = GAP + fill;	/* none after the last */
		cell += strlen(cell) + 1;
	}
	wl_buf_addc(&o->b, '\n');
	return cell;
}

/*
 * Print the open block, if there is one.
 */
static void
print_block(struct wl_out *o)
{
	int widths[WL_OUT_COLUMNS], i;
	const char *cell = o->cells.p;

	if (o->cells.failed) {
		o->b.failed = true;
		o->nrows = 0;
	}
	if (o->nrows > 0)
		measure(o, widths);
	for (i = 0; i < o->nrows; i++)
		cell = print_row(o, cell, widths);
	o->nrows = 0;
	wl_buf_reset(&o->cells);
}

/*
 * A new block, under its heading where it is not the outermost.
 */
static void
open_block(struct wl_out *o, const char *key)
{
	print_block(o);
	if (o->b.len > 0)
		wl_buf_addc(&o->b, '\n');
	if (key != NULL) {
		add_heading(&o->b, key, false);
		wl_buf_adds(&o->b, ":\n");
	}
}

/* ---- records ----------------------------------------------------------- */

void
wl_out_obj(struct wl_out *o, const char *key)
{
	if (o->json)
		wl_jw_obj(&o->w, key);
	else
		open_block(o, key);
}

void
wl_out_val(struct wl_out *o, const char *key, enum wl_out_type type,
    const char *v)
{
	if (o->json) {
		json_value(&o->w, key, type, v);
		return;
	}
	o->ncols = 2;
	o->types[0] = o->types[1] = WL_OUT_STR;
	add_heading(&o->cells, key, false);
	wl_buf_addc(&o->cells, '\0');
	add_cell(o, type, v);
	o->nrows++;
}

void
wl_out_str(struct wl_out *o, const char *key, const char *v)
{
	wl_out_val(o, key, WL_OUT_STR, v);
}

void
wl_out_int(struct wl_out *o, const char *key, int64_t v)
{
	char s[24];

	snprintf(s, sizeof(s), "%lld", (long long)v);
	wl_out_val(o, key, WL_OUT_INT, s);
}

void
wl_out_bool(struct wl_out *o, const char *key, bool v)
{
	wl_out_val(o, key, WL_OUT_BOOL, v ? "t" : "f");
}

void
wl_out_obj_end(struct wl_out *o)
{
	if (o->json)
		wl_jw_end(&o->w, '}');
	else
		print_block(o);
}

/* ---- tables ------------------------------------------------------------ */

void
wl_out_table(struct wl_out *o, const char *key, const struct wl_out_col *cols,
    int n)
{
	int k;

	o->cols = cols;
	if (o->json) {
		o->ncols = n;
		wl_jw_arr(&o->w, key);
		return;
	}
	open_block(o, key);
	o->ncols = n;
	for (k = 0; k < n; k++) {
		o->types[k] = cols[k].type;
		add_heading(&o->cells, cols[k].name, true);
		wl_buf_addc(&o->cells, '\0');
	}
	o->nrows = 1;
}

void
wl_out_row(struct wl_out *o, const char *const *values)
{
	int k;

	if (o->json)
		wl_jw_obj(&o->w, NULL);
	for (k = 0; k < o->ncols; k++)
		if (o->json)
			json_value(&o->w, o->cols[k].name, o->cols[k].type,
			    values[k]);
		else
			add_cell(o, o->types[k], values[k]);
	if (o->json)
		wl_jw_end(&o->w, '}');
	else
		o->nrows++;
}

void
wl_out_table_end(struct wl_out *o)
{
	if (o->json)
		wl_jw_end(&o->w, ']');
	else
		print_block(o);
}

/* ---- the rest ---------------------------------------------------------- */

void
wl_out_say(struct wl_out *o, const char *fmt, ...)
{
	char s[1024];
	va_list ap;

	if (o->json)
		return;
	va_start(ap, fmt);
	vsnprintf(s, sizeof(s), fmt, ap);
	va_end(ap);
	print_block(o);
	add_shown(&o->b, s);
	wl_buf_addc(&o->b, '\n');
}

int
wl_out_flush(struct wl_out *o, FILE *f)
{
	int ret = 0;

	print_block(o);
	if (o->json && o->b.len > 0)
		wl_buf_addc(&o->b, '\n');
	if (o->b.failed) {
		errno = EMSGSIZE;
		ret = -1;
	} else if (o->b.len > 0 &&
	    fwrite(o->b.p, 1, o->b.len, f) != o->b.len)
		ret = -1;
	if (fflush(f) == EOF)
		ret = -1;
	wl_buf_reset(&o->b);
	return ret;
}
