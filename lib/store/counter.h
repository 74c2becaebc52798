/*
 * The decision to admit a call, in one round trip: by a Lua script in Redis
 * (counter_redis.c) or by one statement in PostgreSQL (counter_pg.c), with
 * the same meaning.  All or nothing: a refused call debits nothing.  What is
 * kept in Redis, and why it stays exact, is told in scripts.c.
 */
#ifndef WL_STORE_COUNTER_H
#define WL_STORE_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

struct wl_arena;
struct wl_conf;
struct wl_err;

/*
 * One limit to test and debit.  The rows of a call are listed by
 * lib/core/limit.c; further kinds of limit are further rows.
 */
enum wl_limit_kind {
	WL_L_FIXED,	/* counter of a window that expires */
	WL_L_SLIDING,	/* times of admitted calls, the last 60 s */
	WL_L_LEASE,	/* slots held until LEASE_MS or released */
	WL_LIMIT_KIND_MAX
};

/*
 * What a row counts: calls in a minute or a month, calls in flight, tokens in
 * a minute, nano-dollars in a UTC day or month.
 */
enum wl_limit_unit {
	WL_LU_MINUTE, WL_LU_MONTH, WL_LU_LEASE, WL_LU_TOKENS, WL_LU_DAY_NANO,
	WL_LU_MONTH_NANO, WL_LIMIT_UNIT_MAX
};

/*
 * Whose: the project's, those of one of its API keys, or those of a rule.
 * MINUTE and KEY_MINUTE are FIXED or SLIDING, leases are LEASE, the rest is
 * FIXED.
 */
enum wl_limit_name {
	WL_LN_MINUTE, WL_LN_MONTH, WL_LN_KEY_MINUTE, WL_LN_KEY_MONTH,
	WL_LN_LEASE, WL_LN_KEY_LEASE, WL_LN_TOKENS, WL_LN_KEY_TOKENS,
	WL_LN_DAY_NANO, WL_LN_KEY_DAY_NANO, WL_LN_MONTH_NANO,
	WL_LN_KEY_MONTH_NANO, WL_LN_RULE, WL_LIMIT_NAME_MAX
};

/*
 * A limit of 0 refuses always, one below zero is none: nothing is counted.
 * RESET_MS is when the window ends; of a sliding one, when one more call
 * would be admitted.  A SHADOW is counted like the others and refuses
 * nothing.  Tokens and money are a reservation, see wl_counter_settle_send().
 */
struct wl_limit_row {
	enum wl_limit_name	 name;
	enum wl_limit_kind	 kind;
	int64_t			 limit;		/* most allowed */
	int64_t			 cost;		/* debit, usually 1 */
	bool			 shadow;
	bool			 exempt;	/* refuses nothing, as a shadow */
	/* of RULE: what it counts, and "LETTER:ID" or "LETTER:ID:HASH", see
	   wl_limit_scope_letter(); no two rows have the same scope */
	enum wl_limit_unit	 rule_unit;
	const char		*scope;
	/* results */
	int64_t			 used;		/* after the decision */
	int64_t			 reset_ms;	/* epoch ms */
};

#define WL_LIMIT_RULES	16	/* of a call */
#define WL_LIMIT_ROWS	(WL_LN_RULE + WL_LIMIT_RULES)

enum wl_limit_unit wl_limit_row_unit(const struct wl_limit_row *row);
/* Whether it is a row of the API key. */
bool wl_limit_row_of_key(const struct wl_limit_row *row);
/* Whether it holds nano-dollars. */
bool wl_limit_row_is_money(const struct wl_limit_row *row);
/* What would refuse, were it no shadow, by the decision that was made. */
bool wl_limit_row_exceeded(const struct wl_limit_row *row, bool debited);
/* The letter that scopes of rules of UNIT begin with. */
char wl_limit_scope_letter(enum wl_limit_unit unit);
/* The unit of a rule's SCOPE, or WL_LIMIT_UNIT_MAX. */
enum wl_limit_unit wl_limit_scope_unit(const char *scope);
/* As the database calls it: "minute", "tokens", "day_nano". */
const char *wl_limit_unit_word(enum wl_limit_unit unit);

enum wl_gate_result {
	WL_G_ADMITTED,
	WL_G_REFUSED,		/* by rows[refused_by] */
	WL_G_STALE		/* the project has another version; no debit */
};

struct wl_gate {
	/* in */
	const char		*project;
	const char		*key_id;	/* of the API key; NULL: none */
	int64_t			 version;	/* of the project, as cached */
	int64_t			 now_ms;
	const char		*event_id;	/* a UUID; names lease and entry */
	int64_t			 lease_ms;
	struct wl_limit_row	 rows[WL_LIMIT_ROWS];
	int			 nrows;
	/* out */
	enum wl_gate_result	 result;
	int			 refused_by;
	char			 generation[32];	/* of the counters, or "" */
};

/*
 * Decide.  STALE means that the caller's version is not the present one: it
 * reads PostgreSQL again and asks again.  A version that agrees, but that
 * nobody has confirmed for a minute, is looked up in PostgreSQL inside this
 * call; so are counters that are missing (lost data, first call, new month):
 * they begin with the sums of the ledger.  The call then takes a few round
 * trips, one of the process for all that wait for the same.
 * Returns 0, or -1 with *E WL_E_UNAVAILABLE: not known whether anything was
 * debited; ask no more for this call.
 */
int wl_counter_admit(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_gate *g, struct wl_err *e) __attribute__((warn_unused_result));

/*
 * What an admitted call gives back: its debit of the months, when
 * REFUND_MONTH, its leases, and of tokens and money what was reserved beyond
 * what is TRUE.  Touches a counter only when it still exists and is of the
 * same generation; never below zero, never an expiry.  Where more was used than
 * reserved it is added, tokens to the minute that it is now.  Queued
 * by _send, awaited by _wait, which must follow; A and *G must stay until
 * then.  Failures are only logged.  NULL (nothing to do, or no way to do it)
 * may be awaited too.
 */
struct wl_truth {
	bool	refund_month;
	int64_t	tokens, nano;
};
struct wl_settle;
struct wl_settle *wl_counter_settle_send(struct wl_arena *a,
    const struct wl_conf *conf, const struct wl_gate *g,
    const struct wl_truth *truth);
void wl_counter_settle_wait(struct wl_settle *s);

/*
 * What is used of G's rows now, with their resets; nothing is changed, the
 * version does not matter.  0, or -1 with *E.
 */
int wl_counter_read(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_gate *g, struct wl_err *e) __attribute__((warn_unused_result));

/*
 * For operators, as role owner, ACTOR being who does it.  Set what PROJECT has
 * used of NOW_MS's minute and month, lastingly; -1 leaves it as it is.  Add
 * adds N to both.  Calls that were admitted before a month was set change
 * nothing of it any more.  Returns 0, or -1 with *E (WL_E_NOT_FOUND: no such project).
 * When Redis cannot be reached PostgreSQL may have been changed already: set it
 * again.
 */
#define WL_COUNTER_MINUTE_MAX	100000	/* that can be set of a minute */
/* Most of a budget, nano-dollars: Redis counts in doubles. */
#define WL_COUNTER_NANO_MAX	INT64_C(9000000000000000)
int wl_counter_set(struct wl_arena *a, const struct wl_conf *conf,
    const char *actor, const char *project, int64_t now_ms, int64_t minute,
    int64_t month, struct wl_err *e) __attribute__((warn_unused_result));
int wl_counter_add(struct wl_arena *a, const struct wl_conf *conf,
    const char *actor, const char *project, int64_t now_ms, int64_t n,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * The same for what PROJECT has spent of NOW_MS's day and month, nano-dollars.
 * The counters begin anew.
 */
int wl_counter_set_spent(struct wl_arena *a, const struct wl_conf *conf,
    const char *actor, const char *project, int64_t now_ms, int64_t day,
    int64_t month, struct wl_err *e) __attribute__((warn_unused_result));

/*
 * For "watchllm-rollup reconcile", as role rollup: compare PROJECT's month
 * with the ledger.  Where it is lost or lower the counters begin anew, and, when
 * calls are being DRAINED, where it is higher by more than the calls of the
 * last minute.  *BEFORE is what was there (-1: nothing), *AFTER what is there
 * now.  Returns 1: they began anew; 0: they stay; -1 with *E.
 */
int wl_counter_reconcile(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, int64_t now_ms, bool drained, int64_t *before,
    int64_t *after, struct wl_err *e) __attribute__((warn_unused_result));

/*
 * Make known a project's new version after a change (revocation, plan): the
 * next call of any worker with another is STALE.  Nothing to do with counters
 * in PostgreSQL.  0, or -1 with *E.
 */
int wl_counter_version(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, int64_t version, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * A row of watchllm.counter_fixup, as the consumer read it: calls that the
 * present generation of the counters did not see.  CALLS is as in the table.
 */
struct wl_counter_fixup {
	int64_t		 id;
	const char	*project, *key_id;	/* NULL: none */
	const char	*scope;		/* of a rule, or NULL */
	const char	*generation, *host;
	int64_t		 month_ms;	/* any time within the month */
	int64_t		 minute;
	int64_t		 month_n, minute_n, tokens_n, nano_n;
	const char	*calls;
};
/*
 * Add it to Redis.  After 0 the row is done with and is to be deleted; after
 * -1 with *E it is to be tried again, and no later row of the same host
 * before it.  Doing it twice does nothing more.
 */
int wl_counter_fixup(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_counter_fixup *f, int64_t now_ms, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Failed authentications and bad requests by address: a fixed minute window.
 * Adds COST (0: only looks) to KIND ("auth", "bad") of ADDR; returns the
 * count, or -1 when Redis is away (callers then count in their own process).
 */
int64_t wl_counter_address(struct wl_arena *a, const char *kind,
    const char *addr, int64_t now_ms, int cost);

#endif
