/*
 * Regular expressions as a machine of instructions that is in many places at
 * once (Thompson; Pike).  Each place remembers where its match began, and of
 * two that meet only the earlier goes on: both have the same future.
 *
 * Jumps are relative, so a piece of the program can be moved and copied: that
 * is how repetitions are made.
 */
#include "config.h"
#include "lib/base/re.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/utf8.h"

#define DEPTH_MAX	32	/* of parentheses */
#define REPEAT_MAX	255
#define UNLIMITED	(-1)
#define LIST_MAX	32	/* characters beyond ASCII in a list */
#define PAUSE_STEPS	200000

enum op {
	OP_ACCEPT,
	OP_ASSERT,		/* go on if KIND holds */
	OP_BYTE,		/* one byte, ARG */
	OP_JUMP,		/* by X */
	OP_SET,			/* one byte of set ARG */
	OP_SPLIT		/* by X, and by Y */
};

enum assertion {
	AT_LINE_START, AT_LINE_END, AT_WORD, AT_NO_WORD, AT_WORD_START,
	AT_WORD_END
};

struct instr {
	uint8_t	 op;
	uint16_t arg;
	int16_t	 x, y;
};

struct set {
	uint8_t	 bits[32];
};

struct wl_re {
	struct instr	 prog[WL_RE_SIZE];
	int		 n;
	struct set	*sets;
	int		 nsets;
	struct set	 first;		/* bytes that a match can begin with */
};

static bool
has(const struct set *s, unsigned char c)
{
	return (s->bits[c / 8] >> c % 8 & 1) != 0;
}

static void
put(struct set *s, unsigned char c)
{
	s->bits[c / 8] |= (uint8_t)(1u << c % 8);
}

static bool
is_word(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z') || c == '_';
}

/* ---- compiling --------------------------------------------------------- */

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
insert(struct parser *ps, int at, enum op op, int arg, int x, int y)
{
	if (make_room(ps, at, 1))
		ps->re->prog[at] = (struct instr){ (uint8_t)op, (uint16_t)arg,
		    (int16_t)x, (int16_t)y };
}

static void
emit(struct parser *ps, enum op op, int arg, int x, int y)
{
	insert(ps, ps->re->n, op, arg, x, y);
}

static void
emit_set(struct parser *ps, const struct set *s)
{
	struct wl_re *re = ps->re;
	struct set *sets;
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
fold(const struct parser *ps, struct set *s)
{
	int c;

	for (c = 'A'; ps->icase && c <= 'Z'; c++)
		if (has(s, (unsigned char)c) ||
		    has(s, (unsigned char)(c | 0x20))) {
			put(s, (unsigned char)c);
			put(s, (unsigned char)(c | 0x20));
		}
}

static void
emit_byte(struct parser *ps, unsigned char c)
{
	struct set s = { { 0 } };

	if (!ps->icase || !is_letter(c)) {
		emit(ps, OP_BYTE, c, 0, 0);
		return;
	}
	put(&s, c);
	fold(ps, &s);
	emit_set(ps, &s);
}

static void
invert(struct set *s)
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
put_class(struct parser *ps, struct set *s, const char *name, size_t len)
{
	bool known = false;
	int c;

	for (c = 0; c < 256; c++)
		if (in_class(name, len, (unsigned char)c, &known))
			put(s, (unsigned char)c);
	if (!known)
		fail(ps, "no such class of characters");
}

/*
 * "[:digit:]" within a list; the cursor is behind its "[".
 */
static void
named_class(struct parser *ps, struct set *s)
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
range(struct parser *ps, struct set *s)
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
		put(s, from);
		if (from == to)
			break;
	}
}

/*
 * The set S, or one of the N longer characters: alternatives, the last
 * without a jump over what follows.
 */
static void
emit_list(struct parser *ps, const struct set *s, const char *const *chars,
    int n)
{
	static const struct set none = { { 0 } };
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
	struct set s = { { 0 } };
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
	static const enum assertion kinds[] = { AT_WORD, AT_NO_WORD,
	    AT_WORD_START, AT_WORD_END };
	struct set s = { { 0 } };
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
		if (is_word((unsigned char)c) && c != '_')
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
	struct set s = { { 0 } };

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
append(struct parser *ps, const struct instr *block, int len)
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
	struct instr *block;

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

/* ---- running ----------------------------------------------------------- */

struct place {
	int	 pc;
	size_t	 from;
};

/*
 * Places before the byte at POS, those of the earliest beginning first.
 */
struct run {
	const struct wl_re	*re;
	const char		*p;
	size_t			 len, pos;
	struct place		*now, *next;
	int			 n;		/* of those being made */
	int			*stack;
	unsigned		*mark;		/* by instruction */
	unsigned		 gen;
	size_t			 accepted;	/* began there; NONE */
	unsigned		 steps;
};
#define NONE	SIZE_MAX

static bool
holds(const struct run *r, enum assertion kind)
{
	bool before = r->pos > 0 && is_word((unsigned char)r->p[r->pos - 1]);
	bool after = r->pos < r->len && is_word((unsigned char)r->p[r->pos]);

	switch (kind) {
	case AT_LINE_START:
		return r->pos == 0 || r->p[r->pos - 1] == '\n';
	case AT_LINE_END:
		return r->pos == r->len || r->p[r->pos] == '\n';
	case AT_WORD:
		return before != after;
	case AT_NO_WORD:
		return before == after;
	case AT_WORD_START:
		return !before && after;
	case AT_WORD_END:
		return before && !after;
	}
	return false;
}

/*
 * Add the place PC of a match that began at FROM, and those that are reached
 * from it without a byte.
 */
static void
add(struct run *r, struct place *to, int pc, size_t from)
{
	const struct instr *in;
	int depth = 0;

	r->stack[depth++] = pc;
	while (depth > 0) {
		pc = r->stack[--depth];
		if (r->mark[pc] == r->gen)
			continue;
		r->mark[pc] = r->gen;
		r->steps++;
		in = &r->re->prog[pc];
		switch ((enum op)in->op) {
		case OP_ACCEPT:
			if (r->accepted == NONE && from < r->pos)
				r->accepted = from;
			break;
		case OP_ASSERT:
			if (holds(r, (enum assertion)in->arg))
				r->stack[depth++] = pc + 1;
			break;
		case OP_JUMP:
			r->stack[depth++] = pc + in->x;
			break;
		case OP_SPLIT:
			r->stack[depth++] = pc + in->x;
			r->stack[depth++] = pc + in->y;
			break;
		case OP_BYTE:
		case OP_SET:
			to[r->n++] = (struct place){ pc, from };
			break;
		}
	}
}

/*
 * [FROM, POS) is a match.  It takes the place of those that begin within it;
 * what began within it, and might have become one, is dropped.
 */
static void
accept(struct run *r, size_t from, struct wl_buf *b)
{
	struct wl_re_span *spans = (struct wl_re_span *)(void *)b->p, new;
	size_t n = b->len / sizeof(*spans);
	int i, kept = 0;

	while (n > 0 && spans[n - 1].from >= from)
		n--;
	b->len = n * sizeof(*spans);
	new = (struct wl_re_span){ from, r->pos };
	wl_buf_add(b, &new, sizeof(new));
	r->gen++;
	for (i = 0; i < r->n; i++)
		if (r->now[i].from <= from) {
			r->now[kept++] = r->now[i];
			r->mark[r->now[i].pc] = r->gen;
		}
	r->n = kept;
}

/*
 * Over the byte at POS.
 */
static void
step(struct run *r)
{
	unsigned char c = (unsigned char)r->p[r->pos];
	struct place *swap = r->now;
	const struct instr *in;
	int i, n = r->n;

	r->pos++;
	r->gen++;
	r->n = 0;
	r->accepted = NONE;
	for (i = 0; i < n; i++) {
		in = &r->re->prog[r->now[i].pc];
		if (in->op == OP_BYTE ? in->arg == c :
		    has(&r->re->sets[in->arg], c))
			add(r, r->next, r->now[i].pc + 1, r->now[i].from);
	}
	r->steps += (unsigned)n + 1;
	r->now = r->next;
	r->next = swap;
}

static void
run(struct run *r, struct wl_buf *b, void (*pause)(void))
{
	for (;;) {
		if (r->accepted != NONE)
			accept(r, r->accepted, b);
		while (r->n == 0 && r->pos < r->len && !has(&r->re->first,
		    (unsigned char)r->p[r->pos]))
			r->pos++;
		if (r->n == 0)
			r->gen++;	/* other assertions hold here */
		if (r->pos == r->len)
			return;
		r->accepted = NONE;
		add(r, r->now, 0, r->pos);
		step(r);
		if (r->steps >= PAUSE_STEPS) {
			r->steps = 0;
			if (pause != NULL)
				pause();
		}
	}
}

int
wl_re_find(const struct wl_re *re, const char *p, size_t len,
    struct wl_buf *b, void (*pause)(void))
{
	size_t n = (size_t)re->n;
	struct run r = { .re = re, .p = p, .len = len, .gen = 1,
	    .accepted = NONE };

	r.now = malloc(n * sizeof(*r.now));
	r.next = malloc(n * sizeof(*r.next));
	r.stack = malloc((2 * n + 1) * sizeof(*r.stack));
	r.mark = calloc(n, sizeof(*r.mark));
	if (r.now != NULL && r.next != NULL && r.stack != NULL &&
	    r.mark != NULL)
		run(&r, b, pause);
	else
		b->failed = true;
	free(r.now);
	free(r.next);
	free(r.stack);
	free(r.mark);
	return b->failed ? -1 : 0;
}

/* ---- the whole --------------------------------------------------------- */

/*
 * Which bytes can be first: those of the places that are reached from the
 * beginning, whatever must hold on the way.
 */
static int
find_first(struct wl_re *re)
{
	bool *seen = calloc((size_t)re->n, sizeof(*seen));
	int *stack = malloc((size_t)(2 * re->n + 1) * sizeof(*stack));
	const struct instr *in;
	int pc, depth = 0;
	size_t i;

	if (seen != NULL && stack != NULL)
		stack[depth++] = 0;
	while (depth > 0) {
		pc = stack[--depth];
		if (seen[pc])
			continue;
		seen[pc] = true;
		in = &re->prog[pc];
		switch ((enum op)in->op) {
		case OP_ACCEPT:
			break;
		case OP_ASSERT:
			stack[depth++] = pc + 1;
			break;
		case OP_BYTE:
			put(&re->first, (unsigned char)in->arg);
			break;
		case OP_JUMP:
			stack[depth++] = pc + in->x;
			break;
		case OP_SET:
			for (i = 0; i < sizeof(re->first.bits); i++)
				re->first.bits[i] |= re->sets[in->arg].bits[i];
			break;
		case OP_SPLIT:
			stack[depth++] = pc + in->x;
			stack[depth++] = pc + in->y;
			break;
		}
	}
	free(seen);
	free(stack);
	return seen != NULL && stack != NULL ? 0 : -1;
}

struct wl_re *
wl_re_new(const char *p, size_t len, const char **why)
{
	struct parser ps = { .p = p, .end = p + len };

	if (len > WL_RE_SOURCE)
		*why = "it is too long";
	else if (!wl_utf8_valid(p, len) || memchr(p, '\0', len) != NULL)
		*why = "it is not UTF-8";
	else if ((ps.re = calloc(1, sizeof(*ps.re))) == NULL)
		*why = "out of memory";
	if (ps.re == NULL)
		return NULL;
	if (len >= 4 && memcmp(p, "(?i)", 4) == 0) {
		ps.icase = true;
		ps.p += 4;
	}
	if (ps.p == ps.end)
		fail(&ps, "it is empty");
	alternatives(&ps);
	emit(&ps, OP_ACCEPT, 0, 0, 0);
	if (ps.why == NULL && find_first(ps.re) == -1)
		ps.why = "out of memory";
	if (ps.why == NULL)
		return ps.re;
	*why = ps.why;
	wl_re_free(ps.re);
	return NULL;
}

void
wl_re_free(struct wl_re *re)
{
	if (re == NULL)
		return;
	free(re->sets);
	free(re);
}
