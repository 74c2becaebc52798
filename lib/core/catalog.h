/*
 * What the process remembers of providers, routes, who sells a model, rules
 * of redaction and of routing, and the sealed keys of projects.
 */
#ifndef WL_CORE_CATALOG_H
#define WL_CORE_CATALOG_H

#include "lib/store/db.h"

#include <stdint.h>

struct wl_db_flag;
struct wl_memo_value;
struct wl_policy;
struct wl_redact_rules;
struct wl_route_rule;

/*
 * Rules of routing, in their order.
 */
struct wl_rule_set {
	struct wl_route_rule	*v;
	int			 n;
	struct wl_arena		*mem;
};

/*
 * Providers, routes and rules for all, shared by those who use them.
 */
struct wl_catalog {
	int64_t			 version;	/* at least this one */
	struct wl_db_provider	*providers;
	struct wl_db_route	*routes;
	int			 nproviders, nroutes;
	struct wl_redact_rules	*redaction;	/* common to all */
	struct wl_rule_set	*rules;		/* common to all */
	struct wl_db_flag	*flags;
	int			 nflags;
	struct wl_arena		*mem;
};

/*
 * The catalogue as of VERSION, or NULL with *E.  It lives until *USE is given
 * back.
 */
const struct wl_catalog *wl_catalog_get(int64_t version,
    struct wl_memo_value **use, struct wl_err *e)
    __attribute__((warn_unused_result));
void wl_catalog_put(struct wl_memo_value *use);

/*
 * Ids of the providers that have a price for MODEL as of VERSION, in A.  0,
 * or -1 with *E.
 */
int wl_catalog_sellers(struct wl_arena *a, const char *model,
    int64_t version, const char ***ids, int *n, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * PROJECT's provider keys as of VERSION, sealed, in A, the first to be tried
 * first.  0, or -1 with *E.
 */
int wl_catalog_keys(struct wl_arena *a, const char *project, int64_t version,
    struct wl_db_provider_key **rows, int *n, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * The rules of redaction that hold for PROJECT as of VERSION or later, valid
 * as long as A's memory: the common ones, in their place those of the project
 * with the same names, and what else it has.  When the database cannot be
 * reached what is remembered; NULL, the built-in rules, when that is nothing.
 */
const struct wl_redact_rules *wl_catalog_redaction(struct wl_arena *a,
    const char *project, int64_t version);

/*
 * PROJECT's own rules of routing as of VERSION: NULL in *RULES when it has
 * none.  They live until *USE is given back.  0, or -1 with *E.
 */
int wl_catalog_rules(const char *project, int64_t version,
    const struct wl_rule_set **rules, struct wl_memo_value **use,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * The policy on content of PROJECT as of VERSION into *P, valid as long as A's
 * memory; NULL: it has none.  When the database cannot be reached, or a rule
 * not be read, what is remembered.  0, or -1 with *E: not known.
 */
int wl_catalog_policy(struct wl_arena *a, const char *project,
    int64_t version, const struct wl_policy **p, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Forget all of it.
 */
void wl_catalog_flush(void);

#endif
