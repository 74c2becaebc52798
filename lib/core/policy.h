/*
 * Policy on content: rules of a project for what goes to a provider and what
 * comes back.  docs/POLICY.md describes them.
 */
#ifndef WL_CORE_POLICY_H
#define WL_CORE_POLICY_H

#include "lib/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct wl_db_policy;
struct wl_err;
struct wl_jw;
struct wl_policy;

#define WL_POLICY_RULES	64	/* of a project */
#define WL_POLICY_NAME	64	/* bytes of a rule's name */
#define WL_POLICY_BYTES	((size_t)16384)	/* of a definition */

enum wl_policy_side { WL_POLICY_REQUEST = 1, WL_POLICY_RESPONSE = 2 };
enum wl_policy_action {
	WL_POLICY_FLAG, WL_POLICY_MASK, WL_POLICY_BLOCK, WL_POLICY_ACTION_MAX
};

/*
 * What was found, by rule and side; BLOCKED is the rule that did so, or -1.
 * BYTES of text were looked at.
 */
struct wl_policy_tally {
	int64_t	 hits[WL_POLICY_RULES][2];	/* request, response */
	int64_t	 bytes[2];
	int	 blocked;
};
#define WL_POLICY_TALLY	((struct wl_policy_tally){ .blocked = -1 })

/*
 * The rules in N ROWS, in their order, on the heap.  NULL with *E:
 * WL_E_INVALID_REQUEST, with what is wrong with the definition of a rule, or
 * memory.
 */
struct wl_policy *wl_policy_new(const struct wl_db_policy *rows, int n,
    struct wl_err *e) __attribute__((warn_unused_result));
void wl_policy_free(struct wl_policy *p);

/*
 * Whether any rule is for SIDE.
 */
bool wl_policy_is_for(const struct wl_policy *p, enum wl_policy_side side);

/*
 * Append TEXT to OUT with everything masked that a rule for SIDE masks, or
 * blocks: so what is matched is in no record either.  What was found is added
 * to *T.  May let other coroutines go first.  Returns whether OUT differs from
 * TEXT.
 */
bool wl_policy_apply(const struct wl_policy *p, enum wl_policy_side side,
    struct wl_str text, struct wl_buf *out, struct wl_policy_tally *t);

/*
 * *E says that rule T->blocked of P has blocked a call.  Returns -1.
 */
int wl_policy_blocked(const struct wl_policy *p,
    const struct wl_policy_tally *t, struct wl_err *e);

/*
 * Write what was found as an array of {"rule","on","action","count"}; nothing
 * when that is nothing.  The matched text is in none of it.
 */
void wl_policy_json(struct wl_jw *w, const char *key,
    const struct wl_policy *p, const struct wl_policy_tally *t);

#endif
