/*
 * Memory of one request: allocated forward, dropped all at once.
 */
#ifndef WL_BASE_ARENA_H
#define WL_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct wl_arena;

/*
 * A new arena, or NULL when memory is out.  LIMIT bytes is the most that it
 * will ever hold; further allocations fail with NULL and errno ENOMEM.
 */
struct wl_arena *wl_arena_new(size_t limit)
    __attribute__((warn_unused_result));
void wl_arena_free(struct wl_arena *a);

/*
 * Run the registered releases, last first, and forget all allocations; the
 * first block is kept for the next request.
 */
void wl_arena_reset(struct wl_arena *a);

/*
 * LEN zeroed bytes, aligned for any type, valid until reset or free; or NULL.
 */
void *wl_arena_alloc(struct wl_arena *a, size_t len)
    __attribute__((warn_unused_result, malloc));

/*
 * Copies into the arena, ended by a NUL that is not counted; or NULL.
 */
char *wl_arena_dup(struct wl_arena *a, const void *p, size_t len);
char *wl_arena_strdup(struct wl_arena *a, const char *s);
char *wl_arena_printf(struct wl_arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Call FN(P) when the arena is reset or freed: for objects of libraries.
 * Returns 0, or -1 when memory is out; then FN(P) has been called already.
 */
int wl_arena_defer(struct wl_arena *a, void (*fn)(void *), void *p)
    __attribute__((warn_unused_result));

/*
 * Bytes allocated since the last reset.
 */
size_t wl_arena_used(const struct wl_arena *a);

#endif
