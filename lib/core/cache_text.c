/*
 * The canonical form of a question, word by word.  What is done is less than
 * could be, for two questions that are taken for one are answered wrongly,
 * while two that are not only cost a call.
 */
#include "config.h"
#include "lib/core/cache_text.h"

#include <string.h>
#include <strings.h>

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/* Words that are others in capitals. */
static const char *const capitals[] = { "A", "AM", "AND", "IT", "OR", "PM",
    "US", "WHO" };

static const char *const articles[] = { "a", "an", "the" };

static const struct {
	const char	*from, *to;
} words[] = {
	/* contractions that are not regular */
	{ "can't", "can not" }, { "cannot", "can not" }, { "how's", "how is" },
	{ "i'm", "i am" }, { "it's", "it is" }, { "let's", "let us" },
	{ "shan't", "shall not" }, { "that's", "that is" },
	{ "there's", "there is" }, { "what's", "what is" },
	{ "where's", "where is" }, { "who's", "who is" },
	{ "won't", "will not" },
	/* numbers */
	{ "zero", "0" }, { "one", "1" }, { "two", "2" }, { "three", "3" },
	{ "four", "4" }, { "five", "5" }, { "six", "6" }, { "seven", "7" },
	{ "eight", "8" }, { "nine", "9" }, { "ten", "10" },
	{ "eleven", "11" }, { "twelve", "12" },
};

static const struct {
	const char	*end, *to;
} endings[] = {
	{ "n't", " not" }, { "'re", " are" }, { "'ll", " will" },
	{ "'ve", " have" },
};

/* At the beginning; a comma or exclamation mark may follow. */
static const char *const polite_first[] = { "hello ", "hey ", "hi ",
    "kindly ", "please ", "could you ", "would you " };
/* At the end; a comma may come before. */
static const char *const polite_last[] = { " please", " thanks",
    " thank you" };

/* What takes the place of a character of several bytes. */
static const struct {
	const char	*from;
	char		 to;
} plain[] = {
	{ "\xe2\x80\x98", '\'' }, { "\xe2\x80\x99", '\'' },
	{ "\xe2\x80\x9c", '"' }, { "\xe2\x80\x9d", '"' },
	{ "\xc2\xa0", ' ' }, { "\xe2\x80\xaf", ' ' }, { "\xe3\x80\x80", ' ' },
};

/*
 * The character at P as a plain one.  *N becomes its bytes.
 */
static char
plain_char(const char *p, size_t left, size_t *n)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t i, len;

	for (i = 0; i < COUNT(plain); i++) {
		len = strlen(plain[i].from);
		if (len <= left && memcmp(p, plain[i].from, len) == 0) {
			*n = len;
			return plain[i].to;
		}
	}
	/* U+FF01 to U+FF5E */
	if (left >= 3 && u[0] == 0xef && (u[1] == 0xbc || u[1] == 0xbd) &&
	    (u[1] == 0xbc ? u[2] >= 0x81 : u[2] <= 0x9e)) {
		*n = 3;
		return (char)(u[1] == 0xbc ? u[2] - 0x81 + 0x21 :
		    u[2] - 0x80 + 0x60);
	}
	*n = 1;
	return *p;
}

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c & 0x80) != 0;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool
is_one_of(struct wl_str w, const char *const *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (wl_str_eq(w, list[i]))
			return true;
	return false;
}

/*
 * Letters and apostrophes: what is looked up.  W is in lower case.
 */
static void
put_word(struct wl_buf *out, struct wl_str w)
{
	struct wl_str tail;
	size_t i, len;

	for (i = 0; i < COUNT(words); i++)
		if (wl_str_eq(w, words[i].from)) {
			wl_buf_adds(out, words[i].to);
			return;
		}
	for (i = 0; i < COUNT(endings); i++) {
		len = strlen(endings[i].end);
		if (w.len <= len)
			continue;
		tail = (struct wl_str){ w.p + w.len - len, len };
		if (wl_str_eq(tail, endings[i].end)) {
			wl_buf_add(out, w.p, w.len - len);
			wl_buf_adds(out, endings[i].to);
			return;
		}
	}
	wl_buf_add(out, w.p, w.len);
}

/*
 * The text while it is read.
 */
struct reader {
	struct wl_str	 in;
	size_t		 at;
	struct wl_buf	*out;
	bool		 first;		/* nothing but politeness so far */
};

static bool
is_word_char(const struct reader *r, size_t at)
{
	return at < r->in.len && (is_letter(r->in.p[at]) ||
	    (r->in.p[at] == '\'' && at > 0 && is_letter(r->in.p[at - 1])));
}

/*
 * A word stands alone between spaces or marks, not within an identifier.
 */
static bool
stands_alone(const struct reader *r, size_t from, size_t to)
{
	static const char part[] = "0123456789_-/@#$%&*+=<>\\^~|";
	char before = from > 0 ? r->in.p[from - 1] : ' ';
	char after = to < r->in.len ? r->in.p[to] : ' ';

	if (after == '.' && to + 1 < r->in.len && !is_space(r->in.p[to + 1]))
		return false;
	return before != '.' && strchr(part, before) == NULL &&
	    strchr(part, after) == NULL;
}

/*
 * Whether an article goes: what follows it is a word.
 */
static bool
is_idle(const struct reader *r, struct wl_str w, size_t to)
{
	return is_one_of(w, articles, COUNT(articles)) &&
	    to + 1 < r->in.len && r->in.p[to] == ' ' &&
	    (is_letter(r->in.p[to + 1]) || (r->in.p[to + 1] >= '0' &&
	    r->in.p[to + 1] <= '9'));
}

static void
read_word(struct reader *r)
{
	size_t from = r->at, to = from, i;
	char small[64];
	struct wl_str w;

	while (is_word_char(r, to))
		to++;
	w = (struct wl_str){ r->in.p + from, to - from };
	r->at = to;
	if (w.len >= sizeof(small) || !stands_alone(r, from, to) ||
	    (!r->first && is_one_of(w, capitals, COUNT(capitals))) ||
	    (w.len > 1 && is_one_of(w, capitals, COUNT(capitals)))) {
		for (i = 0; i < w.len; i++)
			wl_buf_addc(r->out, is_one_of(w, capitals,
			    COUNT(capitals)) || !stands_alone(r, from, to) ?
			    w.p[i] : lower(w.p[i]));
		r->first = false;
		return;
	}
	for (i = 0; i < w.len; i++)
		small[i] = lower(w.p[i]);
	w.p = small;
	if (is_idle(r, w, to)) {
		r->at++;	/* and its space */
		return;
	}
	put_word(r->out, w);
	r->first = false;
}

/*
 * What is quoted stays as it is, to the other quote.
 */
static bool
read_quoted(struct reader *r)
{
	char quote = r->in.p[r->at];
	const char *end;

	if (quote != '"' && quote != '`')
		return false;
	end = memchr(r->in.p + r->at + 1, quote, r->in.len - r->at - 1);
	if (end == NULL)
		return false;
	wl_buf_add(r->out, r->in.p + r->at,
	    (size_t)(end + 1 - (r->in.p + r->at)));
	r->at = (size_t)(end + 1 - r->in.p);
	r->first = false;
	return true;
}

/*
 * Plain characters and single spaces outside of quotes; inside of them what
 * came.  False: a quote is not closed.
 */
static void
make_plain(struct wl_buf *b, struct wl_str text)
{
	const char *p = text.p, *end = p + text.len;
	char quote = '\0', c;
	size_t n;

	while (p < end) {
		c = plain_char(p, (size_t)(end - p), &n);
		if (quote != '\0' && c != quote) {
			wl_buf_add(b, p, n);
		} else if (c == '"' || c == '`') {
			quote = quote == '\0' ? c : '\0';
			wl_buf_addc(b, c);
		} else if (is_space(c)) {
			if (b->len > 0 && b->p[b->len - 1] != ' ')
				wl_buf_addc(b, ' ');
		} else
			wl_buf_addc(b, c);
		p += n;
	}
}

static bool
has_prefix(struct wl_str s, const char *word, size_t *len)
{
	size_t n = strlen(word) - 1;	/* without its space */

	if (s.len <= n + 1 || strncasecmp(s.p, word, n) != 0)
		return false;
	*len = n;
	while (*len < s.len && (s.p[*len] == ',' || s.p[*len] == '!'))
		++*len;
	if (*len >= s.len || s.p[*len] != ' ')
		return false;
	++*len;
	return true;
}

static bool
strip_first(struct wl_str *s)
{
	size_t i, n;

	for (i = 0; i < COUNT(polite_first); i++)
		if (has_prefix(*s, polite_first[i], &n)) {
			s->p += n;
			s->len -= n;
			return true;
		}
	return false;
}

static bool
strip_last(struct wl_str *s)
{
	size_t i, n;

	for (i = 0; i < COUNT(polite_last); i++) {
		n = strlen(polite_last[i]);
		if (s->len > n && strncasecmp(s->p + s->len - n,
		    polite_last[i], n) == 0) {
			s->len -= n;
			if (s->len > 0 && s->p[s->len - 1] == ',')
				s->len--;
			return true;
		}
	}
	return false;
}

/*
 * Marks at the end say nothing, unless they are the end of something else.
 */
static bool
strip_marks(struct wl_str *s)
{
	size_t was = s->len;

	while (s->len > 0 && strchr(".?! ", s->p[s->len - 1]) != NULL)
		s->len--;
	return s->len != was;
}

static void
strip(struct wl_str *s)
{
	while (s->len > 0 && (s->p[0] == ' ')) {
		s->p++;
		s->len--;
	}
	while (strip_first(s))
		;
	while (strip_marks(s) || strip_last(s))
		;
}

int
wl_cache_text(struct wl_buf *out, struct wl_str text)
{
	struct reader r = { .out = out, .first = true };
	size_t before = out->len;
	struct wl_buf b;

	if (text.len > WL_CACHE_TEXT_MAX || text.len == 0 ||
	    memchr(text.p, '\0', text.len) != NULL ||
	    memmem(text.p, text.len, "```", 3) != NULL ||
	    memmem(text.p, text.len, "\n ", 2) != NULL ||
	    memmem(text.p, text.len, "\n\t", 2) != NULL)
		return -1;
	wl_buf_init(&b, 0);
	make_plain(&b, text);
	r.in = (struct wl_str){ b.p == NULL ? "" : b.p, b.len };
	strip(&r.in);
	while (r.at < r.in.len) {
		if (read_quoted(&r))
			continue;
		if (is_word_char(&r, r.at)) {
			read_word(&r);
			continue;
		}
		wl_buf_addc(out, r.in.p[r.at++]);
	}
	out->failed |= b.failed;
	wl_buf_free(&b);
	return out->failed || out->len == before ? -1 : 0;
}
