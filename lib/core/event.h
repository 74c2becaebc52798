/*
 * The record of a call for the journal: BEGIN at admission, END when it is
 * over.  Both are JSON objects, described in docs/JOURNAL.md, whose members
 * have the names of the columns that they are drained into.
 */
#ifndef WL_CORE_EVENT_H
#define WL_CORE_EVENT_H

#include "lib/core/call.h"

struct wl_arena;
struct wl_journal;

/*
 * Write BEGIN.  Returns 0, or -1 with *E WL_E_UNAVAILABLE: no room.
 */
int wl_event_begin(struct wl_journal *j, const struct wl_req *r,
    const struct wl_auth *auth, const struct wl_admission *ad,
    const struct wl_ask *ask, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Write END: the prompt_call event, redacted, texts cut to max_field; without
 * prompt and answer where store_payloads is off.  A failure is logged, never
 * answered: the BEGIN becomes `lost`.
 */
void wl_event_end(struct wl_journal *j, const struct wl_conf *conf,
    const struct wl_req *r, const struct wl_auth *auth,
    const struct wl_admission *ad, const struct wl_ask *ask,
    const struct wl_result *res);

/*
 * The event of a shadow call, an ingested event of source "shadow" that no
 * usage counts: begun while the call that it mirrors, R, is there, and ended
 * when the other one is over.  It lives in A.  NULL: memory is out.  ASK must
 * be the same in both, RULE is that which wanted it.
 */
struct wl_event_shadow;
struct wl_event_shadow *wl_event_shadow_begin(struct wl_arena *a,
    const struct wl_req *r, const struct wl_auth *auth,
    const struct wl_admission *ad, const struct wl_ask *ask,
    const char *rule) __attribute__((warn_unused_result));
void wl_event_shadow_end(struct wl_event_shadow *s, struct wl_journal *j,
    const struct wl_conf *conf, const struct wl_ask *ask,
    const struct wl_result *res);

/*
 * The same records as text, appended to B: what the two above write.
 */
void wl_event_begin_json(struct wl_buf *b, const struct wl_req *r,
    const struct wl_auth *auth, const struct wl_admission *ad,
    const struct wl_ask *ask);
void wl_event_end_json(struct wl_buf *b, const struct wl_conf *conf,
    const struct wl_req *r, const struct wl_auth *auth,
    const struct wl_admission *ad, const struct wl_ask *ask,
    const struct wl_result *res);

#endif
