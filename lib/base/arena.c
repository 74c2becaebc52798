/*
 * Arenas: blocks that double in size up to a bound; what does not fit a
 * block gets one of its own.  With AddressSanitizer the unused bytes are
 * poisoned and every piece has a red zone behind it.
 */
#include "config.h"
#include "lib/base/arena.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef __has_feature
#define __has_feature(x)	0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define RED_ZONE	((size_t)16)
#else
#define ASAN_POISON_MEMORY_REGION(p, n)		((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n)	((void)(p), (void)(n))
#define RED_ZONE	((size_t)0)
#endif

#define ALIGN		(_Alignof(max_align_t))
#define FIRST_BLOCK	((size_t)8 * 1024)
/* What is printed is mostly shorter than this, and then printed once. */
#define SMALL		128
#define LARGEST_BLOCK	((size_t)256 * 1024)

struct block {
	struct block	*next;
	size_t		 size, used;	/* of data */
	_Alignas(max_align_t) char data[];
};

struct release {
	struct release	*next;
	void		(*fn)(void *);
	void		*p;
};

struct wl_arena {
	struct block	*head;		/* where we allocate now */
	struct release	*releases;
	size_t		 limit;
	size_t		 held;		/* in blocks */
	size_t		 used;		/* asked for */
};

static struct block *
block_new(struct wl_arena *a, size_t size)
{
	struct block *b;

	if ((b = malloc(sizeof(*b) + size)) == NULL)
		return NULL;
	b->size = size;
	b->used = 0;
	a->held += size;
	ASAN_POISON_MEMORY_REGION(b->data, size);
	return b;
}

static void
block_free(struct wl_arena *a, struct block *b)
{
	ASAN_UNPOISON_MEMORY_REGION(b->data, b->size);
	a->held -= b->size;
	free(b);
}

struct wl_arena *
wl_arena_new(size_t limit)
{
	struct wl_arena *a;

	if ((a = calloc(1, sizeof(*a))) == NULL)
		return NULL;
	a->limit = limit;
	a->head = block_new(a, limit < FIRST_BLOCK ? limit : FIRST_BLOCK);
	if (a->head == NULL) {
		free(a);
		return NULL;
	}
	a->head->next = NULL;
	return a;
}

static void
run_releases(struct wl_arena *a)
{
	struct release *r;

	/* a release may register another one */
	while ((r = a->releases) != NULL) {
		a->releases = r->next;
		r->fn(r->p);
	}
}

void
wl_arena_reset(struct wl_arena *a)
{
	struct block *b;

	run_releases(a);
	while (a->head->next != NULL) {
		b = a->head;
		a->head = b->next;
		block_free(a, b);
	}
	a->head->used = 0;
	ASAN_POISON_MEMORY_REGION(a->head->data, a->head->size);
	a->used = 0;
}

void
wl_arena_free(struct wl_arena *a)
{
	if (a == NULL)
		return;
	wl_arena_reset(a);
	block_free(a, a->head);
	free(a);
}

/*
 * A block with room for NEED bytes.  A piece that would waste most of a new
 * block goes behind the head, which stays in use.
 */
static struct block *
block_for(struct wl_arena *a, size_t need)
{
	struct block *b, **link;
	size_t size, room = a->limit - a->held;

	if (need > room)
		return NULL;
	for (size = FIRST_BLOCK; size <= a->held && size < LARGEST_BLOCK;)
		size *= 2;
	if (size > room)
		size = room;
	if (size < need)
		size = need;
	if ((b = block_new(a, size)) == NULL)
		return NULL;
	link = &a->head;
	if (b->size - need < a->head->size - a->head->used &&
	    a->head->next != NULL)
		link = &a->head->next;
	b->next = *link;
	*link = b;
	return b;
}

void *
wl_arena_alloc(struct wl_arena *a, size_t len)
{
	struct block *b = a->head;
	size_t need;
	void *p;

	if (len > a->limit || len > SIZE_MAX - ALIGN - RED_ZONE) {
		errno = ENOMEM;
		return NULL;
	}
	need = (len == 0 ? 1 : len) + RED_ZONE;
	need = (need + ALIGN - 1) & ~(ALIGN - 1);
	if (b->size - b->used < need && (b = block_for(a, need)) == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	p = b->data + b->used;
	b->used += need;
	a->used += need;
	ASAN_UNPOISON_MEMORY_REGION(p, len);
	return memset(p, 0, len);
}

char *
wl_arena_dup(struct wl_arena *a, const void *p, size_t len)
{
	char *s;

	if (len == SIZE_MAX) {
		errno = ENOMEM;
		return NULL;
	}
	if ((s = wl_arena_alloc(a, len + 1)) != NULL && len > 0)
		memcpy(s, p, len);
	return s;
}

char *
wl_arena_strdup(struct wl_arena *a, const char *s)
{
	return wl_arena_dup(a, s, strlen(s));
}

char *
wl_arena_printf(struct wl_arena *a, const char *fmt, ...)
{
	char small[SMALL], *s;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(small))
		return wl_arena_dup(a, small, (size_t)n);
	if (n < 0 || (s = wl_arena_alloc(a, (size_t)n + 1)) == NULL)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return s;
}

int
wl_arena_defer(struct wl_arena *a, void (*fn)(void *), void *p)
{
	struct release *r;

	if ((r = wl_arena_alloc(a, sizeof(*r))) == NULL) {
		fn(p);
		return -1;
	}
	r->fn = fn;
	r->p = p;
	r->next = a->releases;
	a->releases = r;
	return 0;
}

size_t
wl_arena_used(const struct wl_arena *a)
{
	return a->used;
}
