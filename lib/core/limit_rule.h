/*
 * Rules of a project's limits beside those of its plan and keys: by key, end
 * user, model and tag.
 */
#ifndef WL_CORE_LIMIT_RULE_H
#define WL_CORE_LIMIT_RULE_H

#include "lib/base/str.h"
#include "lib/store/counter.h"

struct wl_arena;

enum wl_rule_subject {
	WL_RS_KEY, WL_RS_MODEL, WL_RS_PROJECT, WL_RS_TAG, WL_RS_USER,
	WL_RULE_SUBJECT_MAX
};

/*
 * PATTERN "*": each value is counted apart; "text*": all that begin with it,
 * together; else this value.  AMOUNT is of UNIT: calls, tokens, nano-dollars.
 */
struct wl_limit_rule {
	char			 id[33];
	enum wl_rule_subject	 subject;
	char			 pattern[257];
	enum wl_limit_unit	 unit;
	int64_t			 amount;
	bool			 shadow;
};

const char *wl_rule_subject_word(enum wl_rule_subject s);

/*
 * Read what watchllm.limit_rules() says, NULL: none.  *RULES is on the heap,
 * NULL when there are none.  Returns 0, or -1: not readable, or no memory.
 */
int wl_limit_rules_read(struct wl_arena *a, const char *json,
    struct wl_limit_rule **rules, int *n) __attribute__((warn_unused_result));

/*
 * What rules look at.  TAGS is a list parted by commas.  What is empty is
 * subject to no rule.
 */
struct wl_limit_subject {
	const char	*key_id;
	struct wl_str	 model, user, tags;
};

/*
 * The rows of G for those of the N RULES that hold for WHO, each with a scope
 * of its own.  TOKENS and NANO are what is to be reserved; NANO -1: budgets
 * do not hold for this call.  WHO NULL, for showing: only rules that count one
 * thing, as far as there is room.  Returns 0, or -1: more than
 * WL_LIMIT_RULES, or no memory.
 */
int wl_limit_rules_rows(struct wl_arena *a, struct wl_gate *g,
    const struct wl_limit_rule *rules, int n,
    const struct wl_limit_subject *who, int64_t tokens, int64_t nano)
    __attribute__((warn_unused_result));

/*
 * The rule that made ROW, or NULL.
 */
const struct wl_limit_rule *wl_limit_rule_of(const struct wl_limit_rule *rules,
    int n, const struct wl_limit_row *row);

#endif
