/*
 * Regular expressions as a machine that is in many places of its program at
 * once (Thompson; Pike).  Each place remembers where its match began, and of
 * two that meet only the earlier goes on: both have the same future.
 */
#include "config.h"
#include "lib/base/re_priv.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/utf8.h"

#define PAUSE_STEPS	200000

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
holds(const struct run *r, enum wl_re_assertion kind)
{
	bool before = r->pos > 0 &&
	    wl_re_is_word((unsigned char)r->p[r->pos - 1]);
	bool after = r->pos < r->len &&
	    wl_re_is_word((unsigned char)r->p[r->pos]);

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
	const struct wl_re_instr *in;
	int depth = 0;

	r->stack[depth++] = pc;
	while (depth > 0) {
		pc = r->stack[--depth];
		if (r->mark[pc] == r->gen)
			continue;
		r->mark[pc] = r->gen;
		r->steps++;
		in = &r->re->prog[pc];
		switch ((enum wl_re_op)in->op) {
		case OP_ACCEPT:
			if (r->accepted == NONE && from < r->pos)
				r->accepted = from;
			break;
		case OP_ASSERT:
			if (holds(r, (enum wl_re_assertion)in->arg))
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
	const struct wl_re_instr *in;
	int i, n = r->n;

	r->pos++;
	r->gen++;
	r->n = 0;
	r->accepted = NONE;
	for (i = 0; i < n; i++) {
		in = &r->re->prog[r->now[i].pc];
		if (in->op == OP_BYTE ? in->arg == c :
		    wl_re_has(&r->re->sets[in->arg], c))
			add(r, r->next, r->now[i].pc + 1, r->now[i].from);
	}
	r->steps += (unsigned)n + 1;
	r->now = r->next;
	r->next = swap;
}

static void
run(struct run *r, struct wl_buf *b, void (*give_way)(void))
{
	for (;;) {
		if (r->accepted != NONE)
			accept(r, r->accepted, b);
		while (r->n == 0 && r->pos < r->len && !wl_re_has(&r->re->first,
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
			if (give_way != NULL)
				give_way();
		}
	}
}

int
wl_re_find(const struct wl_re *re, const char *p, size_t len,
    struct wl_buf *b, void (*give_way)(void))
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
		run(&r, b, give_way);
	else
		b->failed = true;
	free(r.now);
	free(r.next);
	free(r.stack);
	free(r.mark);
	return b->failed ? -1 : 0;
}

/* ---- the whole ---- */

/*
 * Which bytes can be first: those of the places that are reached from the
 * beginning, whatever must hold on the way.
 */
static int
find_first(struct wl_re *re)
{
	bool *seen = calloc((size_t)re->n, sizeof(*seen));
	int *stack = malloc((size_t)(2 * re->n + 1) * sizeof(*stack));
	const struct wl_re_instr *in;
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
		switch ((enum wl_re_op)in->op) {
		case OP_ACCEPT:
			break;
		case OP_ASSERT:
			stack[depth++] = pc + 1;
			break;
		case OP_BYTE:
			wl_re_put(&re->first, (unsigned char)in->arg);
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
	struct wl_re *re = NULL;

	if (len > WL_RE_SOURCE)
		*why = "it is too long";
	else if (!wl_utf8_valid(p, len) || memchr(p, '\0', len) != NULL)
		*why = "it is not UTF-8";
	else if ((re = calloc(1, sizeof(*re))) == NULL)
		*why = "out of memory";
	else if ((*why = wl_re_parse(re, p, len)) == NULL &&
	    find_first(re) == -1)
		*why = "out of memory";
	if (re != NULL && *why == NULL)
		return re;
	wl_re_free(re);
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
