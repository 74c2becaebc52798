/*
 * JSON: a scanner that bounds what json-c is given, readers with checked
 * types, and a writer.  RFC 8259.
 */
#ifndef WL_BASE_JSON_H
#define WL_BASE_JSON_H

#include "lib/base/jw.h"
#include "lib/base/str.h"

#include <json-c/json.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wl_arena;

#define WL_JSON_DEPTH	32		/* nesting */
#define WL_JSON_DEPTH_MAX 64		/* that can be looked through */
#define WL_JSON_TOKENS	50000		/* structural tokens of a document */
#define WL_JSON_ITEMS	8		/* commas of arrays that count as one */

enum wl_json_fault {
	WL_JSON_OK,
	WL_JSON_SYNTAX,		/* not JSON, or not UTF-8 */
	WL_JSON_DEEP,		/* deeper than WL_JSON_DEPTH */
	WL_JSON_BIG		/* more tokens than allowed */
};

/*
 * One pass over P without allocation: strict RFC 8259 grammar, UTF-8, depth
 * and number of structural tokens ({}[]:, and the commas of objects) at most
 * MAX_TOKENS, commas of arrays at most WL_JSON_ITEMS times as many.  An escaped
 * half of a surrogate pair is let pass; json-c reads it as U+FFFD.  A name
 * with an escaped NUL is a syntax error, though the RFC allows it: json-c
 * would cut the name there, and read another member than the next reader.
 */
enum wl_json_fault wl_json_scan(const char *p, size_t len, size_t max_tokens);

/*
 * The same with another depth, at most WL_JSON_DEPTH_MAX.
 */
enum wl_json_fault wl_json_scan_depth(const char *p, size_t len,
    size_t max_tokens, int depth);

/*
 * Scan, then parse.  The object belongs to arena A and goes with it; nobody
 * else may put it.  NULL on a fault; *FAULT says which (may be NULL); short
 * memory is WL_JSON_BIG.  The document "null" is NULL with WL_JSON_OK.
 * Over 256 KiB the parsing is done on a helper thread.
 */
struct json_object *wl_json_parse(struct wl_arena *a, const char *p,
    size_t len, enum wl_json_fault *fault);

/*
 * Members of object O, without conversion: false when O is no object, KEY is
 * absent or of another type (*OUT is then untouched).  null counts as absent.
 * Integers accept a double without fraction; out of int64_t's range is false,
 * and so is INT64_MIN.  Numbers too large for a double are false.
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
 * a body without touching its other bytes.  P must have passed the scan.  KEY
 * is what the name means: "mod\u0065l" equals model.
 * On success *OFF and *VLEN mark the value.  With several such members the
 * last one counts, as for json-c, and *DUP is set.  Returns whether there is one.
 */
bool wl_json_find(const char *p, size_t len, const char *key, size_t *off,
    size_t *vlen, bool *dup);

/*
 * The members of the object in P one by one, for documents too large to be
 * parsed as a whole.  P must have passed the scan; *POS is 0 at first.  NAME
 * is what stands between the quotes, escapes and all, VALUE is as written.
 * False: there are no more.
 */
bool wl_json_next(const char *p, size_t len, size_t *pos, struct wl_str *name,
    struct wl_str *value);

/*
 * The same for the elements of the array in P.
 */
bool wl_json_item(const char *p, size_t len, size_t *pos,
    struct wl_str *value);

/*
 * Whether NAME, as wl_json_next() gave it, means KEY, escapes and all.
 */
bool wl_json_is(struct wl_str name, const char *key);

/*
 * How many bytes at P stand in a JSON string as they are and are one
 * character each: ASCII without controls, quote and backslash.
 */
size_t wl_json_plain(const char *p, size_t len);

/*
 * Append P as a JSON string with its quotes.  Invalid UTF-8 becomes U+FFFD.
 */
void wl_json_quote(struct wl_buf *b, const char *p, size_t len);

#endif
