/*
 * What the process remembers of small tables of the database: found by name,
 * fetched once for all who want it, refreshed behind their backs.
 */
#ifndef WL_CORE_MEMO_H
#define WL_CORE_MEMO_H

#include <stddef.h>
#include <stdint.h>

struct wl_arena;
struct wl_err;
struct wl_memo_entry;

#define WL_MEMO_BUCKETS	256

/*
 * The owner fills the first part, and zeroes the rest.
 */
struct wl_memo {
	const char	*name;		/* of the coroutine that refreshes */
	size_t		 max;		/* entries, beside those in use */
	int64_t		 ttl_ms;	/* then refreshed; 0: never */
	/*
	 * Fetch what KEY names into *VALUE on the heap (NULL: there is no such
	 * thing), with SCRATCH for the way.  Returns 0, or -1 with *E.
	 */
	int		(*fetch)(struct wl_arena *scratch, const char *key,
			    void **value, struct wl_err *e);
	void		(*release)(void *value);

	struct wl_memo_entry	*bucket[WL_MEMO_BUCKETS];
	struct wl_memo_entry	*newest, *oldest;
	size_t			 n;
};

/*
 * A value in use.
 */
struct wl_memo_value;

/*
 * The value of KEY as of VERSION (versions rise; 0 where there are none):
 * what is remembered, fetched only when there is nothing so new.  *DATA is
 * NULL when there is no such thing.  What is older than the TTL is used and
 * refreshed by a coroutine of its own; when that fails the old value serves
 * on.  Waits until the fetch is done; one that failed is not tried again for
 * those who waited with it.  Returns a value that must be put back, or NULL
 * with *E.
 */
struct wl_memo_value *wl_memo_get(struct wl_memo *m, const char *key,
    int64_t version, const void **data, struct wl_err *e)
    __attribute__((warn_unused_result));
void wl_memo_put(struct wl_memo_value *v);

/*
 * Have the value of KEY fetched, unless it is known, without waiting.
 */
void wl_memo_warm(struct wl_memo *m, const char *key);

/*
 * Forget everything that is not in use; what is will be, once put back.
 */
void wl_memo_flush(struct wl_memo *m);

#endif
