/*
 * The policy of attempts: what may be asked again, what another target may do
 * better, how long is waited, and how much of it all a process allows itself.
 * docs/RETRIES.md has the table.
 */
#ifndef WL_CORE_RETRY_H
#define WL_CORE_RETRY_H

#include "lib/core/health.h"

struct wl_err;
struct wl_result;

/*
 * What follows from a failure.
 */
struct wl_retry_rule {
	bool			 again;	/* this target, a little later */
	bool			 next;	/* another target */
	bool			 other_model;	/* only one of another model */
	enum wl_health_cause	 cause;	/* NONE: no fault of the target */
	const char		*word;	/* literal, for the event */
};

/*
 * The rule for the failure in RES, before any data was passed on.  NEXT
 * follows fallback_on of the configuration.
 */
struct wl_retry_rule wl_retry_rule(const struct wl_conf *conf,
    const struct wl_result *res);

/*
 * Whether the failure in RES says that the input is too long for the model.
 */
bool wl_retry_is_context(const struct wl_result *res);

/*
 * Whether LIST is a good fallback_on: statuses ("429"), classes ("4xx",
 * "5xx"), "connection", "timeout", "context_length", separated by spaces or
 * commas; empty: nothing.  0, or -1 with *E.
 */
int wl_retry_check(const char *list, struct wl_err *e);

/*
 * Milliseconds to wait before attempt N (1: the first that is made again):
 * at random up to a bound that doubles (full jitter), at most
 * retry_wait_max.
 */
int64_t wl_retry_wait(const struct wl_conf *conf, int n);

/*
 * The budget of PROJECT at PROVIDER in this process: each call earns
 * retry_budget per cent of an attempt, up to WL_RETRY_SAVED; one that is made
 * again costs one.  wl_retry_spend() tells whether there was one left.
 */
#define WL_RETRY_SAVED	10
void wl_retry_earn(const struct wl_conf *conf, const char *project,
    const char *provider);
bool wl_retry_spend(const char *project, const char *provider);

/*
 * The same for second calls beside the first: each call earns PERCENT
 * (hundredths) of one, and one is saved at most.
 */
bool wl_retry_hedge(const char *project, int percent, bool spend);

/* Figures of this process. */
struct wl_retry_stat {
	uint64_t	made;		/* attempts that were made again */
	uint64_t	refused;	/* for want of budget */
	uint64_t	fallbacks;	/* attempts at another target */
	uint64_t	hedges, hedges_won;
	uint64_t	hedges_refused;	/* for cost, share or health */
};
extern struct wl_retry_stat wl_retry_stat;

/* Forget all budgets, for tests. */
void wl_retry_flush(void);

#endif
