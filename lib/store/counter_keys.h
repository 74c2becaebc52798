/*
 * Keys and arguments of one script that counts: what counter_redis.c and
 * counter_fixup.c share.  Memory that is out shows when the script is run.
 */
#ifndef WL_STORE_COUNTER_KEYS_H
#define WL_STORE_COUNTER_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/store/counter.h"

struct wl_arena;
struct wl_conf;
struct wl_err;
struct wl_reply;
struct wl_script;

/*
 * How long counters live, ms.
 */
#define WL_COUNTER_MINUTE_TTL	60000
#define WL_COUNTER_SLIDING_TTL	120000	/* clocks of workers differ a little */

/*
 * Strings in the arena; FAILED once memory is out.
 */
struct wl_counter_list {
	struct wl_arena	 *a;
	const char	**v;
	int		  n, cap;
	bool		  failed;
};

struct wl_counter_keys {
	struct wl_counter_list	keys, args;
	const char		*id;	/* of the project, as keys have it */
	char			month[8];
	int64_t			now_ms;
	int64_t			minute;
	int64_t			month_ttl;
};

/*
 * Begin with the key of PROJECT; month and minute are those of NOW_MS.
 */
void wl_counter_keys_init(struct wl_counter_keys *c, struct wl_arena *a,
    const struct wl_conf *conf, const char *project, int64_t now_ms);

/*
 * Add a key: the month, the months of its API keys, a minute and the sliding
 * window of the project (KEY_ID NULL) or of a key, the leases.
 */
void wl_counter_keys_month(struct wl_counter_keys *c);
void wl_counter_keys_key_months(struct wl_counter_keys *c);
void wl_counter_keys_minute(struct wl_counter_keys *c, const char *key_id,
    int64_t minute);
void wl_counter_keys_sliding(struct wl_counter_keys *c, const char *key_id);
void wl_counter_keys_leases(struct wl_counter_keys *c);

/*
 * Add the key of what UNIT counts for SUB, "key:ID" or the scope of a rule
 * (NULL: the project); windows are those of AT_MS.  The months of API keys are
 * not among these.
 */
void wl_counter_keys_unit(struct wl_counter_keys *c, enum wl_limit_unit unit,
    const char *sub, int64_t at_ms);

/*
 * How long such a counter lives from NOW_MS on, ms.
 */
int64_t wl_counter_keys_unit_ttl(enum wl_limit_unit unit, int64_t at_ms,
    int64_t now_ms);

/*
 * What a generation begins with, behind the arguments of the gate script: a
 * key for each counter of S.  SLIDING: with the times of calls.
 */
struct wl_db_seed;
void wl_counter_seed_add(struct wl_counter_keys *c,
    const struct wl_db_seed *s, bool sliding);

void wl_counter_keys_add(struct wl_counter_list *l, const char *s);
void wl_counter_keys_add_int(struct wl_counter_list *l, int64_t v);

/*
 * How long the counters of NOW_MS's month live, ms: to the end of the next.
 */
int64_t wl_counter_keys_ttl(int64_t now_ms);

/*
 * Run S with all that was added.  NULL with *E.
 */
struct wl_reply *wl_counter_keys_run(struct wl_script *s,
    struct wl_counter_keys *c, struct wl_err *e);

/*
 * Set *E for a reply R that a script does not give.  Returns -1.
 */
int wl_counter_keys_unexpected(const struct wl_reply *r, struct wl_err *e);

#endif
