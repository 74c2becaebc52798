/*
 * Policy on whole bodies: the request's, and an answer in one piece.
 */
#ifndef WL_CORE_POLICY_BODY_H
#define WL_CORE_POLICY_BODY_H

#include "lib/core/call.h"
#include "lib/core/policy.h"

struct json_object;

/*
 * Whether a rule can look into the answers of API: they have text.
 */
bool wl_policy_reads(enum wl_api api);

/*
 * Apply P to every text in O, but for members that say what something is
 * ("role", "type", "id", ...) and data.  Texts are changed in place; of a
 * string O itself, too.  Returns whether any was.
 */
bool wl_policy_walk(const struct wl_policy *p, enum wl_policy_side side,
    struct json_object *o, struct wl_policy_tally *t);

/*
 * The same but for the N members of object O in BUT.
 */
bool wl_policy_walk_rest(const struct wl_policy *p, enum wl_policy_side side,
    struct json_object *o, const char *const *but, size_t n,
    struct wl_policy_tally *t);

/*
 * Append TEXT, arguments of a tool, to OUT with P applied to every text in
 * them, however it is escaped.  What is JSON stays so: "{}" where that cannot
 * be.  Returns whether it differs from TEXT.
 */
bool wl_policy_arguments(const struct wl_policy *p, enum wl_policy_side side,
    struct wl_str text, struct wl_buf *out, struct wl_policy_tally *t);

/*
 * *T is what was found, or what AGAIN has found of the same texts, if more.
 */
void wl_policy_again(struct wl_policy_tally *t,
    const struct wl_policy_tally *again);

/*
 * Apply P to the request ASK.  What is masked is masked in ASK's body and
 * json, every other byte of the body stays; what is blocked is masked in its
 * json, for the event.  A form cannot be masked, so that blocks.  Returns 0, or
 * -1 with *E: WL_E_BLOCKED, WL_E_INVALID_REQUEST (a member comes twice), or
 * memory.
 */
int wl_policy_request(const struct wl_policy *p, struct wl_arena *a,
    struct wl_ask *ask, struct wl_policy_tally *t, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Apply P to BODY, an answer of API in one piece.  *OUT is BODY, or what it
 * became, in the arena or released with it.  Returns 0, or -1 with *E:
 * WL_E_BLOCKED, or WL_E_UPSTREAM_INVALID for what cannot be looked into.
 */
int wl_policy_answer(const struct wl_policy *p, struct wl_arena *a,
    enum wl_api api, struct wl_str body, struct wl_str *out,
    struct wl_policy_tally *t, struct wl_err *e)
    __attribute__((warn_unused_result));

#endif
