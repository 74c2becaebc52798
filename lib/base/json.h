/*
 * JSON: a scanner that bounds what json-c is given, readers with checked
 * types, and a writer.  RFC 8259.
 */
#ifndef WL_BASE_JSON_H
#define WL_BASE_JSON_H

#include "lib/base/str.h"

#include <json-c/json.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wl_arena;

#define WL_JSON_DEPTH	32		/* nesting */
#define WL_JSON_TOKENS	50000		/* structural tokens of a document */

enum wl_json_fault {
	WL_JSON_OK,
	WL_JSON_SYNTAX,		/* not JSON, or not UTF-8 */
	WL_JSON_DEEP,		/* deeper than WL_JSON_DEPTH */
	WL_JSON_BIG		/* more tokens than allowed */
};

/*
 * One pass over P without allocation: strict RFC 8259 grammar, UTF-8, depth
 * and number of structural tokens ({}[],: ) at most MAX_TOKENS.
 */
enum wl_json_fault wl_json_scan(const char *p, size_t len, size_t max_tokens);

/*
 * Scan, then parse.  The object belongs to arena A and goes with it; nobody
 * else may put it.  NULL on a fault; *FAULT says which (may be NULL).
 * Over 256 KiB the parsing is done on a helper thread.
 */
struct json_object *wl_json_parse(struct wl_arena *a, const char *p,
    size_t len, enum wl_json_fault *fault);

/*
 * Members of object O, without conversion: false when O is no object, KEY is
 * absent or of another type (*OUT is then untouched).  null counts as absent.
 * Integers accept a double without fraction; out of int64_t's range is false.
 */
bool wl_json_str(struct json_object *o, const char *key, struct wl_str *out);
bool wl_json_int(struct json_object *o, const char *key, int64_t *out);
bool wl_json_num(struct json_object *o, const char *key, double *out);
bool wl_json_bool(struct json_object *o, const char *key, bool *out);
struct json_object *wl_json_obj(struct json_object *o, const char *key);
struct json_object *wl_json_arr(struct json_object *o, const char *key);
bool wl_json_has(struct json_object *o, const char *key);

/*
 * Where the value of a top-level member of the object in P lies, for changing
 * a body without touching its other bytes.  P must have passed the scan.
 * On success *OFF and *LEN mark the value.  With several such members the
 * last one counts, and *DUP is set.  Returns whether there is one.
 */
bool wl_json_find(const char *p, size_t len, const char *key, size_t *off,
    size_t *vlen, bool *dup);

/*
 * The writer appends to a buffer; commas are its own business.
 */
struct wl_jw {
	struct wl_buf	*b;
	uint64_t	 first;		/* one bit a level: nothing written yet */
	int		 level;
};
void wl_jw_init(struct wl_jw *w, struct wl_buf *b);
void wl_jw_obj(struct wl_jw *w, const char *key);	/* key NULL in arrays */
void wl_jw_arr(struct wl_jw *w, const char *key);
void wl_jw_end(struct wl_jw *w, char close);		/* '}' or ']' */
void wl_jw_str(struct wl_jw *w, const char *key, const char *s);  /* NULL: null */
void wl_jw_strn(struct wl_jw *w, const char *key, const char *p, size_t len);
void wl_jw_int(struct wl_jw *w, const char *key, int64_t v);
void wl_jw_bool(struct wl_jw *w, const char *key, bool v);
void wl_jw_null(struct wl_jw *w, const char *key);
void wl_jw_raw(struct wl_jw *w, const char *key, const char *json, size_t len);

/*
 * Append S as a JSON string with its quotes.  Invalid UTF-8 becomes U+FFFD.
 */
void wl_json_quote(struct wl_buf *b, const char *p, size_t len);

#endif
