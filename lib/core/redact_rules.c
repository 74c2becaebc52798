/*
 * Rules of redaction, one pass over the text for each.
 */
#include "config.h"
#include "lib/core/redact_rules.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/co.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/base/re.h"
#include "lib/core/redact.h"
#include "lib/store/db_redaction.h"

#define MARK_MAX	256	/* bytes of what stands for a match */
#define TOLD_MAX	256

struct pattern {
	struct wl_re	*re;
	char		*mark;
};

struct wl_redact_rules {
	const char	*marks[WL_REDACT_BUILTIN];	/* NULL: off */
	char		*texts[WL_REDACT_BUILTIN];	/* what they point to */
	int		 builtin_at;	/* before this pattern; -1: none */
	struct pattern	 patterns[WL_REDACT_RULES_MAX];
	int		 n;
};

/* ---- making ------------------------------------------------------------ */

/*
 * Log a fault that was not told before.  Rules are made anew whenever
 * anything common changes; when there are more faults than places they may
 * come again.
 */
static void
tell(const struct wl_db_redaction *row, const char *whose, const char *why)
{
	static uint32_t told[TOLD_MAX];
	static unsigned n;
	const char *pattern = row->pattern != NULL ? row->pattern : "";
	uint32_t sum = wl_crc32c(0, whose, strlen(whose));
	unsigned i;

	sum = wl_crc32c(sum, row->name, strlen(row->name));
	sum = wl_crc32c(sum, pattern, strlen(pattern));
	for (i = 0; i < n && i < TOLD_MAX; i++)
		if (told[i] == sum)
			return;
	told[n++ % TOLD_MAX] = sum;
	wl_log(WL_ERROR, "redact.rule", "%s%s: rule \"%s\" is not applied: %s",
	    whose[0] != '\0' ? "project " : "all projects", whose, row->name,
	    why);
}

static int
add_builtin(struct wl_redact_rules *r, const struct wl_db_redaction *row,
    const char *whose)
{
	int place = wl_redact_find(row->name);

	if (place == -1) {
		tell(row, whose, "there is no such built-in rule");
		return 0;
	}
	free(r->texts[place]);
	r->texts[place] = strdup(row->replacement);
	r->marks[place] = r->texts[place];
	if (r->builtin_at == -1)
		r->builtin_at = r->n;
	return r->texts[place] == NULL ? -1 : 0;
}

static int
add_pattern(struct wl_redact_rules *r, const struct wl_db_redaction *row,
    const char *whose)
{
	struct pattern *p = &r->patterns[r->n];
	const char *why;

	if (r->n == WL_REDACT_RULES_MAX) {
		tell(row, whose, "there are too many");
		return 0;
	}
	p->re = wl_re_new(row->pattern, strlen(row->pattern), &why);
	if (p->re == NULL) {
		tell(row, whose, why);
		return 0;
	}
	r->n++;
	p->mark = strdup(row->replacement);
	return p->mark == NULL ? -1 : 0;
}

static int
add(struct wl_redact_rules *r, const struct wl_db_redaction *row,
    const char *whose)
{
	if (strlen(row->replacement) > MARK_MAX) {
		tell(row, whose, "its replacement is too long");
		return 0;
	}
	return row->pattern == NULL ? add_builtin(r, row, whose) :
	    add_pattern(r, row, whose);
}

struct wl_redact_rules *
wl_redact_rules_new(const struct wl_db_redaction *rows, int n,
    const char *whose)
{
	struct wl_redact_rules *r = calloc(1, sizeof(*r));
	int i;

	if (r == NULL)
		return NULL;
	r->builtin_at = -1;
	for (i = 0; i < n; i++)
		if (rows[i].enabled && add(r, &rows[i], whose) == -1) {
			wl_redact_rules_free(r);
			return NULL;
		}
	return r;
}

void
wl_redact_rules_free(struct wl_redact_rules *r)
{
	int i;

	if (r == NULL)
		return;
	for (i = 0; i < WL_REDACT_BUILTIN; i++)
		free(r->texts[i]);
	for (i = 0; i < r->n; i++) {
		wl_re_free(r->patterns[i].re);
		free(r->patterns[i].mark);
	}
	free(r);
}

/* ---- applying ---------------------------------------------------------- */

/*
 * Let others go first, where there are others.
 */
static void
give_way(void)
{
	if (wl_co_self() != NULL)
		wl_co_yield();
}

static bool
goes_on(const char *p, size_t len, size_t at)
{
	return at > 0 && at < len && ((unsigned char)p[at] & 0xc0) == 0x80;
}

/*
 * The N matches SPANS of P replaced by MARK, in OUT.  Returns how many there
 * were when each had whole characters.
 */
static size_t
replace(struct wl_buf *out, const char *p, size_t len,
    const struct wl_re_span *spans, size_t n, const char *mark)
{
	size_t i, from, to, done = 0, hits = 0;

	for (i = 0; i < n; i++) {
		from = spans[i].from;
		to = spans[i].to;
		while (goes_on(p, len, from))
			from--;
		while (goes_on(p, len, to))
			to++;
		if (to <= done)
			continue;
		if (from >= done) {
			wl_buf_add(out, p + done, from - done);
			wl_buf_adds(out, mark);
			hits++;
		}
		done = to;
	}
	wl_buf_add(out, p + done, len - done);
	return hits;
}

/*
 * One regular expression on what TEXT holds.
 */
static size_t
pass(const struct pattern *pt, struct wl_buf *text)
{
	struct wl_buf spans = { 0 }, out = { 0 };
	size_t hits = 0;

	if (wl_re_find(pt->re, text->p == NULL ? "" : text->p, text->len,
	    &spans, give_way) == -1) {
		text->failed = true;
	} else if (spans.len > 0) {
		hits = replace(&out, text->p, text->len,
		    (const struct wl_re_span *)(const void *)spans.p,
		    spans.len / sizeof(struct wl_re_span), pt->mark);
		wl_buf_free(text);
		*text = out;
	}
	wl_buf_free(&spans);
	return hits;
}

static size_t
builtin_pass(const struct wl_redact_rules *r, struct wl_buf *text)
{
	struct wl_buf out = { 0 };
	size_t hits = wl_redact_marks(&out, text->p == NULL ? "" : text->p,
	    text->len, r->marks);

	wl_buf_free(text);
	*text = out;
	return hits;
}

size_t
wl_redact_rules_apply(const struct wl_redact_rules *r, struct wl_buf *b,
    const char *p, size_t len)
{
	struct wl_buf text = { 0 };
	size_t hits = 0;
	int i;

	if (r == NULL)
		return wl_redact(b, p, len);
	if (r->n == 0)
		return wl_redact_marks(b, p, len, r->marks);
	wl_buf_add(&text, p, len);
	for (i = 0; i <= r->n && !text.failed; i++) {
		if (i == r->builtin_at)
			hits += builtin_pass(r, &text);
		if (i < r->n)
			hits += pass(&r->patterns[i], &text);
	}
	if (text.failed) {
		/* better nothing than what must not be kept */
		wl_buf_adds(b, "[REDACTED]");
		hits = 1;
	} else {
		wl_buf_add(b, text.p, text.len);
	}
	wl_buf_free(&text);
	return hits;
}
