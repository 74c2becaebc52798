/*
 * Patterns become programs.  Jumps are relative, so a piece of a program can
 * be moved and copied: that is how repetitions are made.
 */
#include "config.h"
#include "lib/base/re_priv.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/utf8.h"

#define DEPTH_MAX	32	/* of parentheses */
#define REPEAT_MAX	255
#define UNLIMITED	(-1)
#define LIST_MAX	32	/* characters beyond ASCII in a list */

struct parser {
	struct wl_re	*re;
	const char	*p, *end;
	const char	*why;		/* NULL: all is well */
	bool		 icase;
	int		 depth;
};

static void
fail(struct parser *ps, const char *why)
{
	if (ps->why == NULL)
		ps->why = why;
	ps->p = ps->end;
}

/*
 * Room for N more instructions at AT, where those that stand there move on.
 */
static bool
make_room(struct parser *ps, int at, int n)
{
	struct wl_re *re = ps->re;

	if (ps->why != NULL)
		return false;
	if (re->n + n > WL_RE_SIZE) {
		fail(ps, "it is too large");
		return false;
	}
	memmove(&re->prog[at + n], &re->prog[at],
	    (size_t)(re->n - at) * sizeof(re->prog[0]));
	re->n += n;
	return true;
}

static void
insert(struct parser *ps, int at, enum wl_re_op op, int arg, int x, int y)
{
	if (make_room(ps, at, 1))
		ps->re->prog[at] = (struct wl_re_instr){ (uint8_t)op,
		    (uint16_t)arg, (int16_t)x, (int16_t)y };
}

static void
emit(struct parser *ps, enum wl_re_op op, int arg, int x, int y)
{
	insert(ps, ps->re->n, op, arg, x, y);
}

static void
emit_set(struct parser *ps, const struct wl_re_set *s)
{
	struct wl_re *re = ps->re;
	struct wl_re_set *sets;
	int i;

	for (i = 0; i < re->nsets; i++)
		if (memcmp(&re->sets[i], s, sizeof(*s)) == 0)
			break;
	if (i == re->nsets) {
		sets = realloc(re->sets, (size_t)(i + 1) * sizeof(*sets));
		if (sets == NULL) {
			fail(ps, "out of memory");
			return;
		}
		re->sets = sets;
		re->sets[re->nsets++] = *s;
	}
	emit(ps, OP_SET, i, 0, 0);
}

static bool
is_letter(unsigned char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/*
 * Both cases of the letters in S, where they mean the same.
 */
static void
fold(const struct parser *ps, struct wl_re_set *s)
{
	int c;

	for (c = 'A'; ps->icase && c <= 'Z'; c++)
		if (wl_re_has(s, (unsigned char)c) ||
		    wl_re_has(s, (unsigned char)(c | 0x20))) {
			wl_re_put(s, (unsigned char)c);
			wl_re_put(s, (unsigned char)(c | 0x20));
		}
}

static void
emit_byte(struct parser *ps, unsigned char c)
{
	struct wl_re_set s = { { 0 } };

	if (!ps->icase || !is_letter(c)) {
		emit(ps, OP_BYTE, c, 0, 0);
		return;
	}
	wl_re_put(&s, c);
	fold(ps, &s);
	emit_set(ps, &s);
}

static void
invert(struct wl_re_set *s)
{
	size_t i;

	for (i = 0; i < sizeof(s->bits); i++)
		s->bits[i] = (uint8_t)~s->bits[i];
	s->bits['\n' / 8] &= (uint8_t)~(1u << '\n' % 8);
}

/*
 * The character at the cursor, of one byte or more.
 */
static void
emit_char(struct parser *ps)
{
	size_t n = wl_utf8_seq(ps->p, (size_t)(ps->end - ps->p));

	if (n <= 1) {
		emit_byte(ps, (unsigned char)*ps->p++);
		return;
	}
	for (; n > 0; n--)
		emit(ps, OP_BYTE, (unsigned char)*ps->p++, 0, 0);
}

/* ---- lists ---- */

static bool
in_class(const char *name, size_t len, unsigned char c, bool *known)
{
	static const struct {
		const char	*name, *ranges;	/* pairs of first and last */
	} classes[] = {
		{ "alnum", "09AZaz" }, { "alpha", "AZaz" },
		{ "blank", "\t\t  " }, { "cntrl", "\x01\x1f\x7f\x7f" },
		{ "digit", "09" }, { "graph", "!~" }, { "lower", "az" },
		{ "print", " ~" }, { "punct", "!/:@[`{~" },
		{ "space", "\t\r  " }, { "upper", "AZ" },
		{ "word", "09AZaz__" }, { "xdigit", "09AFaf" }
	};
	const char *r;
	size_t i;

	for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strlen(classes[i].name) == len &&
		    memcmp(classes[i].name, name, len) == 0) {
			*known = true;
			for (r = classes[i].ranges; *r != '\0'; r += 2)
				if (c >= (unsigned char)r[0] &&
				    c <= (unsigned char)r[1])
					return true;
			return false;
		}
	*known = false;
	return false;
}

static void
put_class(struct parser *ps, struct wl_re_set *s, const char *name, size_t len)
{
	bool known = false;
	int c;

	for (c = 0; c < 256; c++)
		if (in_class(name, len, (unsigned char)c, &known))
			wl_re_put(s, (unsigned char)c);
	if (!known)
		fail(ps, "no such class of characters");
}

/*
 * "[:digit:]" within a list; the cursor is behind its "[".
 */
static void
named_class(struct parser *ps, struct wl_re_set *s)
{
	const char *name = ps->p + 1, *to = name;

	while (to < ps->end && *to >= 'a' && *to <= 'z')
		to++;
	if (*ps->p != ':' || ps->end - to < 2 || to[0] != ':' || to[1] != ']') {
		fail(ps, "a class of characters that is not known here");
		return;
	}
	put_class(ps, s, name, (size_t)(to - name));
	if (ps->why == NULL)
		ps->p = to + 2;
}

static bool
is_ascii(const char *p)
{
	return (unsigned char)*p < 0x80;
}

/*
 * "a" or "a-z" of a list.
 */
static void
range(struct parser *ps, struct wl_re_set *s)
{
	unsigned char from = (unsigned char)*ps->p++, to = from;

	if (ps->end - ps->p >= 2 && *ps->p == '-' && ps->p[1] != ']') {
		to = (unsigned char)ps->p[1];
		if (to == '[' || to == '\\' || !is_ascii(ps->p + 1) ||
		    to < from) {
			fail(ps, "a range that is not known here");
			return;
		}
		ps->p += 2;
	}
	for (;; from++) {
		wl_re_put(s, from);
		if (from == to)
			break;
	}
}

/*
 * The set S, or one of the N longer characters: alternatives, the last
 * without a jump over what follows.
 */
static void
emit_list(struct parser *ps, const struct wl_re_set *s,
    const char *const *chars, int n)
{
	static const struct wl_re_set none = { { 0 } };
	bool bytes = memcmp(s, &none, sizeof(none)) != 0;
	int i, at, jumps[LIST_MAX];
	const char *from = ps->p;

	for (i = 0; i < n && ps->why == NULL; i++) {
		at = ps->re->n;
		ps->p = chars[i];
		emit_char(ps);
		jumps[i] = -1;
		if (i + 1 < n || bytes) {
			insert(ps, at, OP_SPLIT, 0, 1, ps->re->n - at + 2);
			jumps[i] = ps->re->n;
			emit(ps, OP_JUMP, 0, 0, 0);
		}
	}
	if (ps->why == NULL)
		ps->p = from;
	if (bytes || n == 0)
		emit_set(ps, s);
	for (i = 0; i < n && ps->why == NULL; i++)
		if (jumps[i] != -1)
			ps->re->prog[jumps[i]].x = (int16_t)(ps->re->n -
			    jumps[i]);
}

/*
 * "[...]"; the cursor is behind its "[".
 */
static void
list(struct parser *ps)
{
	const char *chars[LIST_MAX], *first;
	struct wl_re_set s = { { 0 } };
	bool not;
	int n = 0;

	not = ps->p < ps->end && *ps->p == '^';
	ps->p += not;
	for (first = ps->p; ps->p < ps->end && (*ps->p != ']' ||
	    ps->p == first);) {
		if (*ps->p == '\\') {
			fail(ps, "a backslash in a list");
		} else if (*ps->p == '[' && ps->end - ps->p > 1 &&
		    strchr(":.=", ps->p[1]) != NULL) {
			ps->p++;
			named_class(ps, &s);
		} else if (is_ascii(ps->p)) {
			range(ps, &s);
		} else if (not || n == LIST_MAX) {
			fail(ps, "a list of characters beyond ASCII");
		} else {
			chars[n++] = ps->p;
			ps->p += wl_utf8_seq(ps->p,
			    (size_t)(ps->end - ps->p));
		}
	}
	if (ps->p == ps->end) {
		fail(ps, "a list that is not closed");
		return;
	}
	ps->p++;
	fold(ps, &s);
	if (not)
		invert(&s);
	emit_list(ps, &s, chars, n);
}

/* ---- atoms, repetitions, alternatives ---- */

/*
 * What follows a backslash.
 */
static void
escape(struct parser *ps)
{
	static const char asserts[] = "bB<>", controls[] = "nrt";
	static const enum wl_re_assertion kinds[] = { AT_WORD, AT_NO_WORD,
	    AT_WORD_START, AT_WORD_END };
	struct wl_re_set s = { { 0 } };
	const char *at;
	char c;

	if (ps->p == ps->end) {
		fail(ps, "a backslash at the end");
		return;
	}
	c = *ps->p;
	if (c != '\0' && (at = strchr(asserts, c)) != NULL) {
		ps->p++;
		emit(ps, OP_ASSERT, (int)kinds[at - asserts], 0, 0);
		return;
	}
	if (c != '\0' && (at = strchr(controls, c)) != NULL) {
		ps->p++;
		emit(ps, OP_BYTE, "\n\r\t"[at - controls], 0, 0);
		return;
	}
	switch (c | 0x20) {
	case 'd':
		put_class(ps, &s, "digit", 5);
		break;
	case 's':
		put_class(ps, &s, "space", 5);
		break;
	case 'w':
		put_class(ps, &s, "word", 4);
		break;
	default:
		if (wl_re_is_word((unsigned char)c) && c != '_')
			fail(ps, c >= '1' && c <= '9' ? "a back-reference" :
			    "an escape that is not known here");
		else
			emit_char(ps);
		return;
	}
	ps->p++;
	if (c < 'a')
		invert(&s);
	emit_set(ps, &s);
}

static void alternatives(struct parser *ps);

static void
group(struct parser *ps)
{
	if (++ps->depth > DEPTH_MAX)
		fail(ps, "parentheses too deep");
	alternatives(ps);
	ps->depth--;
	if (ps->p == ps->end || *ps->p != ')')
		fail(ps, "a parenthesis that is not closed");
	else
		ps->p++;
}

static void
atom(struct parser *ps)
{
	struct wl_re_set s = { { 0 } };

	switch (*ps->p) {
	case '(':
		ps->p++;
		group(ps);
		break;
	case '[':
		ps->p++;
		list(ps);
		break;
	case '\\':
		ps->p++;
		escape(ps);
		break;
	case '.':
		ps->p++;
		invert(&s);
		emit_set(ps, &s);
		break;
	case '^':
		ps->p++;
		emit(ps, OP_ASSERT, AT_LINE_START, 0, 0);
		break;
	case '$':
		ps->p++;
		emit(ps, OP_ASSERT, AT_LINE_END, 0, 0);
		break;
	case '*':
	case '+':
	case '?':
		fail(ps, "nothing to repeat");
		break;
	default:
		emit_char(ps);
	}
}

static int
number(struct parser *ps)
{
	int v = 0;

	for (; ps->p < ps->end && *ps->p >= '0' && *ps->p <= '9'; ps->p++)
		if (v <= REPEAT_MAX)
			v = v * 10 + (*ps->p - '0');
	return v;
}

/*
 * "{m}", "{m,}", "{,n}", "{m,n}" at the cursor.  False: a brace like any
 * other character.
 */
static bool
braces(struct parser *ps, int *min, int *max)
{
	const char *start = ps->p++;

	*min = number(ps);
	*max = *min;
	if (ps->p < ps->end && *ps->p == ',') {
		ps->p++;
		*max = ps->p < ps->end && *ps->p == '}' ? UNLIMITED :
		    number(ps);
	} else if (ps->p == start + 1) {
		ps->p = start;
		return false;
	}
	if (ps->p == ps->end || *ps->p != '}') {
		ps->p = start;
		return false;
	}
	ps->p++;
	if (*min > REPEAT_MAX || *max > REPEAT_MAX ||
	    (*max != UNLIMITED && *max < *min))
		fail(ps, "a repetition that cannot be");
	return true;
}

/*
 * Append a copy of the LEN instructions of BLOCK.
 */
static void
append(struct parser *ps, const struct wl_re_instr *block, int len)
{
	int at = ps->re->n;

	if (make_room(ps, at, len))
		memcpy(&ps->re->prog[at], block, (size_t)len * sizeof(*block));
}

/*
 * Let what stands from AT on be repeated: MIN times, and up to MAX.
 */
static void
repeat(struct parser *ps, int at, int min, int max)
{
	struct wl_re *re = ps->re;
	int len = re->n - at, i;
	struct wl_re_instr *block;

	if (ps->why != NULL || (min == 1 && max == 1))
		return;
	if ((block = malloc((size_t)len * sizeof(*block) + 1)) == NULL) {
		fail(ps, "out of memory");
		return;
	}
	memcpy(block, &re->prog[at], (size_t)len * sizeof(*block));
	re->n = at;
	for (i = 0; i < min; i++)
		append(ps, block, len);
	if (max == UNLIMITED && min > 0) {
		emit(ps, OP_SPLIT, 0, -len, 1);
	} else if (max == UNLIMITED) {
		emit(ps, OP_SPLIT, 0, 1, len + 2);
		append(ps, block, len);
		emit(ps, OP_JUMP, 0, -len - 1, 0);
	} else {
		for (; i < max; i++) {
			emit(ps, OP_SPLIT, 0, 1, len + 1);
			append(ps, block, len);
		}
	}
	free(block);
}

/*
 * An atom and the signs of repetition behind it.
 */
static void
piece(struct parser *ps)
{
	int at = ps->re->n, min, max;

	atom(ps);
	while (ps->p < ps->end) {
		min = 0;
		max = UNLIMITED;
		if (*ps->p == '{') {
			if (!braces(ps, &min, &max))
				return;
		} else if (*ps->p == '*') {
			ps->p++;
		} else if (*ps->p == '+') {
			ps->p++;
			min = 1;
		} else if (*ps->p == '?') {
			ps->p++;
			max = 1;
		} else {
			return;
		}
		repeat(ps, at, min, max);
	}
}

/*
 * "a|b|c" up to a parenthesis or the end.  While it is made, the jumps behind
 * the alternatives are a chain: each holds how far back the one before is.
 */
static void
alternatives(struct parser *ps)
{
	struct wl_re *re = ps->re;
	int at = re->n, jump = -1, back;

	for (;;) {
		while (ps->p < ps->end && *ps->p != '|' &&
		    (*ps->p != ')' || ps->depth == 0))
			piece(ps);
		if (ps->p == ps->end || *ps->p != '|')
			break;
		ps->p++;
		insert(ps, at, OP_SPLIT, 0, 1, re->n - at + 2);
		emit(ps, OP_JUMP, 0, jump == -1 ? 0 : re->n - jump, 0);
		jump = at = re->n - 1;
		at++;
	}
	while (ps->why == NULL && jump != -1) {
		back = re->prog[jump].x;
		re->prog[jump].x = (int16_t)(re->n - jump);
		jump = back == 0 ? -1 : jump - back;
	}
}

const char *
wl_re_parse(struct wl_re *re, const char *p, size_t len)
{
	struct parser ps = { .re = re, .p = p, .end = p + len };

	if (len >= 4 && memcmp(p, "(?i)", 4) == 0) {
		ps.icase = true;
		ps.p += 4;
	}
	if (ps.p == ps.end)
		fail(&ps, "it is empty");
	alternatives(&ps);
	emit(&ps, OP_ACCEPT, 0, 0, 0);
	return ps.why;
}
