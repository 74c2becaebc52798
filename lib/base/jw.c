/*
 * The JSON writer.
 */
#include "config.h"
#include "lib/base/jw.h"
#include "lib/base/buf.h"
#include "lib/base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEVEL_MAX	63

void
wl_jw_init(struct wl_jw *w, struct wl_buf *b)
{
	*w = (struct wl_jw){ .b = b, .first = 1 };
}

/*
 * What stands before a value: a comma unless it is the level's first, and
 * its key.
 */
static void
lead(struct wl_jw *w, const char *key)
{
	uint64_t bit = 1ull << w->level;

	if ((w->first & bit) == 0)
		wl_buf_addc(w->b, ',');
	w->first &= ~bit;
	if (key != NULL) {
		wl_json_quote(w->b, key, strlen(key));
		wl_buf_addc(w->b, ':');
	}
}

static void
nest(struct wl_jw *w, const char *key, char open)
{
	lead(w, key);
	wl_buf_addc(w->b, open);
	if (w->level == LEVEL_MAX) {
		w->b->failed = true;
		return;
	}
	w->level++;
	w->first |= 1ull << w->level;
}

void
wl_jw_obj(struct wl_jw *w, const char *key)
{
	nest(w, key, '{');
}

void
wl_jw_arr(struct wl_jw *w, const char *key)
{
	nest(w, key, '[');
}

void
wl_jw_end(struct wl_jw *w, char close)
{
	wl_buf_addc(w->b, close);
	if (w->level > 0)
		w->level--;
}

void
wl_jw_str(struct wl_jw *w, const char *key, const char *s)
{
	if (s == NULL)
		wl_jw_null(w, key);
	else
		wl_jw_strn(w, key, s, strlen(s));
}

void
wl_jw_strn(struct wl_jw *w, const char *key, const char *p, size_t len)
{
	lead(w, key);
	wl_json_quote(w->b, p, len);
}

void
wl_jw_int(struct wl_jw *w, const char *key, int64_t v)
{
	lead(w, key);
	wl_buf_int(w->b, v);
}

void
wl_jw_num(struct wl_jw *w, const char *key, double v)
{
	char num[40];
	int digits;

	if (!isfinite(v)) {
		wl_jw_null(w, key);
		return;
	}
	for (digits = 15; digits <= 17; digits++) {
		snprintf(num, sizeof(num), "%.*g", digits, v);
		if (strtod(num, NULL) == v)
			break;
	}
	wl_jw_raw(w, key, num, strlen(num));
}

void
wl_jw_bool(struct wl_jw *w, const char *key, bool v)
{
	lead(w, key);
	wl_buf_adds(w->b, v ? "true" : "false");
}

void
wl_jw_null(struct wl_jw *w, const char *key)
{
	lead(w, key);
	wl_buf_adds(w->b, "null");
}

void
wl_jw_raw(struct wl_jw *w, const char *key, const char *json, size_t len)
{
	lead(w, key);
	wl_buf_add(w->b, json, len);
}
