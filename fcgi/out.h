/*
 * What the command line prints: aligned tables and records for people, one
 * JSON value for programs.
 */
#ifndef WL_FCGI_OUT_H
#define WL_FCGI_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/base/buf.h"
#include "lib/base/jw.h"

#define WL_OUT_COLUMNS	16

/*
 * What a value given as text is in JSON.
 */
enum wl_out_type {
	WL_OUT_STR,
	WL_OUT_INT,
	WL_OUT_NUM,
	WL_OUT_BOOL,	/* begins with t or y for true */
	WL_OUT_LIST,	/* words with commas between: an array of strings */
	WL_OUT_JSON	/* is JSON */
};

struct wl_out_col {
	const char		*name;	/* "created_at": JSON name; heading */
	enum wl_out_type	 type;	/* numbers stand to the right */
};

/*
 * Printing collects and writes at wl_out_flush(): a failed command that does
 * not flush prints nothing.
 */
struct wl_out {
	bool			 json;
	struct wl_buf		 b;		/* what will be printed */
	struct wl_jw		 w;
	struct wl_buf		 cells;		/* of the open block */
	enum wl_out_type	 types[WL_OUT_COLUMNS];
	const struct wl_out_col	*cols;		/* of the open table */
	int			 ncols;
	int			 nrows;		/* in CELLS */
};

void wl_out_init(struct wl_out *o, bool json);
void wl_out_free(struct wl_out *o);

/*
 * A record: one object in JSON, lines "name  value" for people.  KEY is NULL
 * for the outermost value.  A record or a table may be opened within a record;
 * it is printed under its key as heading, after the fields before it.
 */
void wl_out_obj(struct wl_out *o, const char *key);
void wl_out_str(struct wl_out *o, const char *key, const char *v);
void wl_out_int(struct wl_out *o, const char *key, int64_t v);
void wl_out_bool(struct wl_out *o, const char *key, bool v);
/* V, as text of TYPE; NULL is null in JSON, "-" for people. */
void wl_out_val(struct wl_out *o, const char *key, enum wl_out_type type,
    const char *v);
void wl_out_obj_end(struct wl_out *o);

/*
 * A table: an array of objects in JSON.  A row has one value a column, as
 * text of the column's type; NULL is null in JSON, "-" for people.
 */
void wl_out_table(struct wl_out *o, const char *key,
    const struct wl_out_col *cols, int n);
void wl_out_row(struct wl_out *o, const char *const *values);
void wl_out_table_end(struct wl_out *o);

/*
 * A sentence for people, on a line of its own; nothing in JSON.
 */
void wl_out_say(struct wl_out *o, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Write all to F.  Returns 0, or -1 with errno set.
 */
int wl_out_flush(struct wl_out *o, FILE *f)
    __attribute__((warn_unused_result));

#endif
