/*
 * All text of an event that came from outside goes through one function,
 * which redacts, cuts, and leaves out what PostgreSQL cannot hold.
 */
#include "config.h"
#include "lib/core/event_rec.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/utf8.h"
#include "lib/core/redact_rules.h"

#define USUAL_RECORD	((size_t)2048)
/* Read beyond a cut, so that no match is cut in two and missed. */
#define LOOK_AHEAD	((size_t)4096)

void
wl_event_rec_open(struct wl_event_rec *rec, struct wl_buf *b,
    const struct wl_redact_rules *rules)
{
	memset(rec, 0, sizeof(*rec));
	rec->rules = rules;
	wl_jw_init(&rec->w, b);
	(void)wl_buf_reserve(b, USUAL_RECORD);
	wl_jw_obj(&rec->w, NULL);
}

void
wl_event_rec_free(struct wl_event_rec *rec)
{
	wl_buf_free(&rec->red);
	wl_buf_free(&rec->text);
}

void
wl_event_rec_close(struct wl_event_rec *rec)
{
	wl_jw_end(&rec->w, '}');
	wl_event_rec_free(rec);
}

/*
 * jsonb and text cannot hold NUL.
 */
static void
without_nul(struct wl_buf *b, const char *p, size_t len)
{
	const char *nul;

	while ((nul = memchr(p, '\0', len)) != NULL) {
		wl_buf_add(b, p, (size_t)(nul - p));
		wl_buf_adds(b, "\xef\xbf\xbd");
		len -= (size_t)(nul - p) + 1;
		p = nul + 1;
	}
	wl_buf_add(b, p, len);
}

/*
 * P as it may be kept, in at most MAX bytes, in B.
 */
void
wl_event_rec_clean(struct wl_event_rec *rec, struct wl_buf *b,
    const char *p, size_t len, size_t max)
{
	struct wl_buf *red = &rec->red;
	size_t n = len, cut;

	if (n > max + LOOK_AHEAD)
		n = wl_utf8_cut(p, len, max + LOOK_AHEAD);
	wl_buf_reset(red);
	rec->hits += wl_redact_rules_apply(rec->rules, red, p, n);
	cut = red->len > max ? wl_utf8_cut(red->p, red->len, max) : red->len;
	rec->truncated |= cut < red->len || n < len;
	if (cut > 0)
		without_nul(b, red->p, cut);
}

void
wl_event_rec_text(struct wl_event_rec *rec, const char *key,
    const char *p, size_t len, size_t max)
{
	struct wl_buf *b = &rec->text;

	wl_buf_reset(b);
	wl_event_rec_clean(rec, b, p, len, max);
	wl_jw_strn(&rec->w, key, b->p == NULL ? "" : b->p, b->len);
}

/*
 * A word; left out when there is none.
 */
void
wl_event_rec_word(struct wl_event_rec *rec, const char *key, const char *s)
{
	if (s != NULL && s[0] != '\0')
		wl_event_rec_text(rec, key, s, strlen(s), WL_EVENT_WORD);
}

void
wl_event_rec_time(struct wl_event_rec *rec, const char *key, int64_t ms)
{
	char text[25];

	wl_clock_rfc3339(ms, text);
	wl_jw_str(&rec->w, key, text);
}

/*
 * A figure; left out when it is not known.
 */
void
wl_event_rec_count(struct wl_event_rec *rec, const char *key, int64_t n)
{
	if (n >= 0)
		wl_jw_int(&rec->w, key, n);
}

void
wl_event_rec_ms(struct wl_event_rec *rec, const char *key, int64_t us)
{
	int64_t ms = us / 1000;

	if (us >= 0)
		wl_jw_int(&rec->w, key, ms < INT32_MAX ? ms : INT32_MAX);
}
